//! Colour codes out of text. They stand anywhere in a console line, and inside JSON strings too.

use std::borrow::Cow;

/// `text` without CSI sequences (`ESC [ ... final byte`) and other two-byte escapes.
pub(crate) fn strip(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('\u{1b}') else {
        return Cow::Borrowed(text);
    };
    let mut plain = String::with_capacity(text.len());
    plain.push_str(&text[..first]);
    let mut rest = text[first..].chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            plain.push(c);
            continue;
        }
        let mut ahead = rest.clone();
        if ahead.next() == Some('[') {
            rest = ahead;
            // Parameter and intermediate bytes are 0x20-0x3F, the final byte is 0x40-0x7E (ECMA-48 5.4).
            let mut inside = rest.clone();
            while let Some(c) = inside.next() {
                match c {
                    '\u{20}'..='\u{3f}' => rest = inside.clone(),
                    '\u{40}'..='\u{7e}' => {
                        rest = inside;
                        break;
                    }
                    _ => break,
                }
            }
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn colours_go_and_text_stays() {
        assert_eq!(
            strip("\u{1b}[90m14:17:25\u{1b}[39m \u{1b}[38;5;167m[x]\u{1b}[0m été"),
            "14:17:25 [x] été"
        );
        assert_eq!(strip("no colour"), "no colour");
        assert_eq!(strip("cut\u{1b}[38;5"), "cut");
        assert_eq!(strip("\u{1b}"), "");
        assert_eq!(strip("\u{1b}[31é"), "é");
    }
}
