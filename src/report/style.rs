//! Colours and symbols; a word always stands beside them.

use anstyle::{AnsiColor, Style};

use crate::verdict::severity::Severity;

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();

pub fn of_severity(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Critical => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    };
    colour.on_default()
}

/// Says the same as the colour.
pub fn symbol(severity: Severity) -> char {
    match severity {
        Severity::Critical => '✗',
        Severity::Warning => '!',
        Severity::Info => '·',
    }
}
