//! A report of an invented day, to look at: `cargo run --example html_sample > report.html`.
//! `-- large` makes a day of 100 000 events, `-- hostile` one whose every string tries to break out.

mod sample;
mod stress;

use lockdoctor::report::html;

fn main() {
    let model = match std::env::args().nth(1).as_deref() {
        None => sample::day(),
        Some("large") => stress::large(100_000),
        Some("hostile") => stress::hostile(),
        Some("healthy") => stress::healthy(),
        Some(other) => {
            eprintln!("no such sample: {other}; there are large, hostile and healthy");
            std::process::exit(2);
        }
    };
    print!("{}", html::render(&model));
}
