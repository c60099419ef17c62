//! docs/findings.md is made from the table of the codes.

use lockdoctor::diagnosis::catalogue::page;
use std::path::Path;

const BEGIN: &str = "<!-- made from src/diagnosis/catalogue.rs -->\n\n";
const END: &str = "<!-- end -->\n";

#[test]
fn findings_page_is_the_table_of_the_codes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (told, tail) = rest.split_once(END).expect("where it ends");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, [head, BEGIN, &page(), END, tail].concat()).unwrap();
        return;
    }
    assert_eq!(told, page(), "UPDATE_DOCS=1 makes it anew");
}
