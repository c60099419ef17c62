//! Message text → [`Event`]. Templates are those of OpenClaw's own source (clawdbot 2026.1.24 to openclaw 2026.9.6);
//! a text that fits none is `None`, never a guess.

mod cause;
mod channels;
mod failures;
mod lanes;
mod line;
mod locks;
mod process;
mod runs;
mod sessions;

use super::event::Event;
use super::record::Record;
use line::Line;

/// What the record means, if it is one of the known messages.
pub fn recognise(record: &Record) -> Option<Event> {
    let line = Line::of(record, &record.message);
    // `openclaw logs` prints root records as `error Embedded agent failed ...`: the "subsystem" was text.
    let word = record.subsystem.as_deref().filter(|_| record.guessed_subsystem);
    let joined = word.map(|word| format!("{word} {}", record.message));
    let joined = joined.as_deref().map(|text| Line::of(record, text));
    let either =
        |read: fn(&Line<'_>) -> Option<Event>| read(&line).or_else(|| joined.as_ref().and_then(read));
    either(template)
        .or_else(|| either(failures::known))
        .or_else(|| either(locks::bare_error))
        .or_else(|| failures::any(&line))
}

fn template(line: &Line<'_>) -> Option<Event> {
    lanes::read(line)
        .or_else(|| sessions::read(line))
        .or_else(|| runs::read(line))
        .or_else(|| locks::read(line))
        .or_else(|| process::read(line))
        .or_else(|| channels::read(line))
}
