//! The door of everything that is printed. Text of others (a file's name, a log line, another user's crontab) may
//! hold anything; what comes out is our own lines, our own styling, and characters that can be seen. Nothing else
//! in the program writes to standard output or standard error.

use std::io::{self, IsTerminal, StderrLock, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};

const ESCAPE: char = '\u{1b}';
/// Emphasis and colours that can be read on any background; nothing that hides, blinks or moves.
const STYLES: [u8; 20] = [0, 1, 2, 3, 4, 22, 23, 24, 31, 32, 33, 34, 35, 36, 39, 91, 92, 93, 94, 96];
/// `ESC [ 1 ; 3 6 m` and the like.
const LONGEST_STYLE: usize = 12;

/// Whether `c` shows itself: not what moves the cursor, turns the writing direction, or takes no room (Unicode's
/// control characters, separators of lines, and default-ignorable code points).
pub fn can_be_seen(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}'
            | '\u{110cd}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// What stands for a character that cannot be seen: `\n`, `\u{202e}`.
pub fn spelt(c: char) -> std::char::EscapeDefault {
    c.escape_default()
}

/// What the text is, and so what may pass beside characters that can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines for people, with our styling.
    Text,
    /// Fields with tabs between them.
    Columns,
    /// What may not pass is escaped as JSON escapes it, so that the value stays the same.
    Json,
}

/// A writer that spells out what may not pass.
#[derive(Debug)]
pub struct Door<W: Write> {
    out: W,
    form: Form,
    styled: bool,
    /// The start of a character or of our styling, which the next write goes on with.
    begun: Vec<u8>,
}

/// Standard output.
pub fn stdout(form: Form) -> Door<StdoutLock<'static>> {
    let out = io::stdout();
    let styled = AutoStream::choice(&out) != ColorChoice::Never;
    Door::new(out.lock(), form, styled)
}

/// Standard error.
pub fn stderr() -> Door<StderrLock<'static>> {
    let out = io::stderr();
    let styled = AutoStream::choice(&out) != ColorChoice::Never;
    Door::new(out.lock(), Form::Text, styled)
}

/// Whether somebody reads standard output as it comes.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether somebody reads standard error as it comes.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// `text` as it passes the door, for what is printed by other means: JSON that goes into a socket.
pub fn passed(text: &[u8], form: Form) -> Vec<u8> {
    let mut door = Door::new(Vec::with_capacity(text.len()), form, false);
    // Writing to memory cannot fail.
    let _ = door.write_all(text).and_then(|()| door.flush());
    std::mem::take(&mut door.out)
}

/// One entry of a log as it passes the door: a line, whatever its fields hold.
pub fn line(entry: &[u8], form: Form, styled: bool) -> Vec<u8> {
    let entry = entry.strip_suffix(b"\n").unwrap_or(entry);
    let mut door = Door::new(Vec::with_capacity(entry.len() + 1), form, styled);
    for (index, part) in entry.split(|byte| *byte == b'\n').enumerate() {
        // Writing to memory cannot fail.
        let _ = if index > 0 { door.write_all(b"\\n") } else { Ok(()) };
        let _ = door.write_all(part);
    }
    let _ = door.flush();
    door.out.push(b'\n');
    std::mem::take(&mut door.out)
}

impl<W: Write> Door<W> {
    /// `styled`: our styling passes; else it is left out.
    pub fn new(out: W, form: Form, styled: bool) -> Self {
        Self { out, form, styled, begun: Vec::new() }
    }

    /// Lets through what is ours as it is: only what stands in the program's text can be a `&'static str`.
    pub fn control(&mut self, sequence: &'static str) -> io::Result<()> {
        self.out.write_all(sequence.as_bytes())
    }

    fn is_plain(&self, byte: u8) -> bool {
        matches!(byte, b' '..=b'~' | b'\n') || byte == b'\t' && self.form == Form::Columns
    }

    fn passes(&self, c: char) -> bool {
        can_be_seen(c) || c == '\n' || c == '\t' && self.form == Form::Columns
    }

    fn text(&mut self, text: &str, is_last: bool) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(|c| !self.passes(c)) {
            self.out.write_all(&rest.as_bytes()[..at])?;
            rest = &rest[at..];
            let odd = rest.chars().next().unwrap_or_default();
            let styling = if self.form == Form::Text { styling(rest) } else { Styling::None };
            match styling {
                Styling::Whole(length) => {
                    if self.styled {
                        self.out.write_all(&rest.as_bytes()[..length])?;
                    }
                    rest = &rest[length..];
                }
                Styling::Begun if is_last => {
                    self.begun.extend_from_slice(rest.as_bytes());
                    return Ok(());
                }
                Styling::Begun | Styling::None => {
                    self.spell(odd)?;
                    rest = &rest[odd.len_utf8()..];
                }
            }
        }
        self.out.write_all(rest.as_bytes())
    }

    fn spell(&mut self, c: char) -> io::Result<()> {
        if self.form != Form::Json {
            return write!(self.out, "{}", spelt(c));
        }
        c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(self.out, "\\u{unit:04x}"))
    }
}

impl<W: Write> Write for Door<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.begun.is_empty() && bytes.iter().all(|byte| self.is_plain(*byte)) {
            self.out.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let mut joined = std::mem::take(&mut self.begun);
        joined.extend_from_slice(bytes);
        let mut chunks = joined.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            let is_last = chunks.peek().is_none();
            self.text(chunk.valid(), is_last && chunk.invalid().is_empty())?;
            if is_last && is_begun(chunk.invalid()) {
                self.begun.extend_from_slice(chunk.invalid());
            } else if !chunk.invalid().is_empty() {
                write!(self.out, "{}", char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let begun = std::mem::take(&mut self.begun);
        for c in String::from_utf8_lossy(&begun).chars() {
            if self.passes(c) { write!(self.out, "{c}")? } else { self.spell(c)? }
        }
        self.out.flush()
    }
}

impl<W: Write> Drop for Door<W> {
    fn drop(&mut self) {
        // A caller that cares about errors has flushed before.
        let _ = self.flush();
    }
}

/// Whether more bytes can make a character of it.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

enum Styling {
    /// Of this many bytes.
    Whole(usize),
    Begun,
    None,
}

/// Whether `text` begins with a sequence that our styles are made of.
fn styling(text: &str) -> Styling {
    let Some(rest) = text.strip_prefix(ESCAPE) else { return Styling::None };
    let Some(numbers) = rest.strip_prefix('[') else {
        return if rest.is_empty() { Styling::Begun } else { Styling::None };
    };
    let end = numbers.bytes().position(|byte| !byte.is_ascii_digit() && byte != b';');
    let Some(end) = end.filter(|end| *end <= LONGEST_STYLE) else {
        return if numbers.len() < LONGEST_STYLE && end.is_none() { Styling::Begun } else { Styling::None };
    };
    let ours = |number: &str| number.parse().is_ok_and(|number| STYLES.contains(&number));
    if numbers.as_bytes()[end] == b'm' && numbers[..end].split(';').all(ours) {
        Styling::Whole(1 + 1 + end + 1)
    } else {
        Styling::None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(form: Form, styled: bool, writes: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut door = Door::new(&mut out, form, styled);
        writes.iter().for_each(|bytes| door.write_all(bytes).expect("memory"));
        drop(door);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn only_our_styling_passes_and_the_rest_is_spelt_out() {
        let shown = |text: &str| through(Form::Text, true, &[text.as_bytes()]);
        assert_eq!(shown("\u{1b}[1m\u{1b}[31mKäfer 🦞\u{1b}[0m\n"), "\u{1b}[1m\u{1b}[31mKäfer 🦞\u{1b}[0m\n");
        assert_eq!(shown("a\u{1b}]52;c;aGk=\u{7}b"), "a\\u{1b}]52;c;aGk=\\u{7}b");
        assert_eq!(shown("\u{1b}[2J\u{1b}[8m\u{1b}[30mx"), "\\u{1b}[2J\\u{1b}[8m\\u{1b}[30mx");
        assert_eq!(
            shown("a\u{9b}31m\r\tb\u{202e}c\u{200b}d\u{2028}"),
            "a\\u{9b}31m\\r\\tb\\u{202e}c\\u{200b}d\\u{2028}"
        );
        assert_eq!(shown("\u{1b}[1;1;1;1;1;1;1;1m"), "\\u{1b}[1;1;1;1;1;1;1;1m");
        assert_eq!(through(Form::Text, false, &[b"\x1b[1mx\x1b[0m"]), "x");
        assert_eq!(through(Form::Columns, true, &["a\tb\u{7f}".as_bytes()]), "a\tb\\u{7f}");
        assert_eq!(through(Form::Text, true, &[b"a\xffb"]), "a\u{fffd}b");
    }

    #[test]
    fn a_character_or_a_style_may_come_in_two_writes() {
        assert_eq!(through(Form::Text, true, &[b"K\xc3", b"\xa4fer\x1b", b"[3", b"1mx"]), "Käfer\u{1b}[31mx");
        assert_eq!(through(Form::Text, true, &[b"x\x1b[3"]), "x\\u{1b}[3");
        assert_eq!(through(Form::Text, true, &[b"x\x1b[", b"2J"]), "x\\u{1b}[2J");
        assert_eq!(through(Form::Text, true, &[b"\xe2\x80", b"\xae"]), "\\u{202e}");
    }

    #[test]
    fn an_entry_of_a_log_is_one_line() {
        let shown = |entry: &str| String::from_utf8(line(entry.as_bytes(), Form::Text, true)).expect("UTF-8");
        assert_eq!(shown("<4>gone path=/x\n<0>forged\u{1b}[2J\n"), "<4>gone path=/x\\n<0>forged\\u{1b}[2J\n");
        assert_eq!(shown("\u{1b}[2mplain\u{1b}[0m"), "\u{1b}[2mplain\u{1b}[0m\n");
    }

    proptest! {
        #[test]
        fn json_means_the_same_and_shows_everything(text in any::<String>()) {
            let json = serde_json::to_string(&text).expect("JSON");
            let shown = through(Form::Json, true, &[json.as_bytes()]);
            prop_assert!(shown.chars().all(can_be_seen), "{shown}");
            prop_assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), text);
        }

        #[test]
        fn nothing_unseen_passes_however_it_is_cut(bytes in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
            let at = cut.index(bytes.len() + 1);
            let shown = through(Form::Text, false, &[&bytes[..at], &bytes[at..]]);
            prop_assert!(shown.chars().all(|c| can_be_seen(c) || c == '\n'), "{shown:?}");
        }
    }
}
