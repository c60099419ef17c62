//! HTML under construction. Markup can only be a string of this source code; whatever comes from outside goes
//! through [`Html::text`], which makes it harmless. There is no third way in.

use std::borrow::Cow;
use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::words::rfc3339;

#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text from outside, in element content or in a double-quoted attribute.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for character in visible(text).chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ => self.0.push(character),
            }
        }
        self
    }

    /// An instant, told in UTC; the page's script tells it by the reader's clock. `format`: as `chrono` has it; the
    /// script knows it by its length.
    pub(super) fn time(&mut self, at: DateTime<Utc>, format: &str) -> &mut Self {
        self.raw("<time datetime=\"").text(&rfc3339(at)).raw("\">");
        self.text(&at.format(format).to_string()).raw("</time>")
    }

    pub(super) fn clipped(&mut self, text: &str, limit: usize) -> &mut Self {
        self.text(&clip(text, limit))
    }

    pub(super) fn integer(&mut self, number: u64) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{number}");
        self
    }

    /// A coordinate: two decimals at most, no trailing zeros.
    pub(super) fn coordinate(&mut self, number: f64) -> &mut Self {
        // Adding zero turns -0 into 0.
        let _ = write!(self.0, "{}", (number * 100.0).round() / 100.0 + 0.0);
        self
    }

    /// JSON as the content of a data block: no `<` is left that could end the element, or start a comment in it.
    pub(super) fn json(&mut self, value: &impl Serialize) -> &mut Self {
        // Only maps with keys that are no strings, and failing Serialize impls, have no JSON; none are here.
        let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
        for character in json.chars() {
            match character {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(self.0, "\\u{:04x}", character as u32);
                }
                _ => self.0.push(character),
            }
        }
        self
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Makes characters that would show as nothing, or reorder the line around them, visible instead: a log line
/// must not be able to look like something else than it is.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\r' => {}
            '\0'..='\x1f' if is_deceptive(character) => {
                // U+2400 and on are pictures of the control characters, in their order.
                out.push(char::from_u32(0x2400 + character as u32).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ if is_deceptive(character) => {
                let _ = write!(out, "[U+{:04X}]", character as u32);
            }
            _ => out.push(character),
        }
    }
    Cow::Owned(out)
}

fn is_deceptive(character: char) -> bool {
    let orders = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}');
    // The two joiners, U+200C and U+200D, are part of ordinary words.
    let hides = matches!(
        character,
        '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    orders || hides || (character.is_control() && !matches!(character, '\n' | '\t'))
}

/// Cuts a text that nobody would read to its end, and says so.
pub(super) fn clip(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}… ({} characters)", &text[..at], text.chars().count())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut html = Html::default();
        html.text(text);
        html.finish()
    }

    #[test]
    fn markup_from_outside_is_text() {
        assert_eq!(escaped(r#"<b a="1" c='2'>&"#), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
        assert_eq!(escaped("lane=session:agent:main:main"), "lane=session:agent:main:main");
    }

    #[test]
    fn what_hides_or_reorders_is_shown() {
        assert_eq!(escaped("a\u{202e}b\u{2066}c\u{200b}"), "a[U+202E]b[U+2066]c[U+200B]");
        assert_eq!(escaped("\u{1b}[31mred\0\r\n\tx\u{85}"), "␛[31mred␀\n\tx[U+0085]");
        assert_eq!(escaped("\u{e0041}\u{2028}"), "[U+E0041][U+2028]");
        let family = "\u{1f469}\u{200d}\u{1f467} علی\u{200c}رضا";
        assert_eq!(escaped(family), family);
    }

    #[test]
    fn json_cannot_leave_its_element() {
        let mut html = Html::default();
        html.json(&"</script><!-- <script>&\u{2028}");
        let json = html.finish();
        assert!(!json.contains(['<', '>', '&', '\u{2028}']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "</script><!-- <script>&\u{2028}");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äöü… (4 characters)");
    }

    #[test]
    fn coordinates_are_short() {
        let mut html = Html::default();
        html.coordinate(12.0).raw(" ").coordinate(0.126).raw(" ").coordinate(-0.001);
        assert_eq!(html.finish(), "12 0.13 0");
    }
}
