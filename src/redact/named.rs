//! Values that the name before them gives away, where they are more than a word: `password: "a b"`,
//! `from="joe doe"`, `cookie: a=b; c=d`.

use super::keys;
use super::secrets;
use super::{CUT, is_break};

const PEOPLE: [&str; 10] =
    ["chatid", "messageid", "userid", "senderid", "channelid", "accountid", "to", "from", "sender", "peer"];

/// Whether what `name` is assigned says who somebody is.
pub(super) fn is_of_a_person(name: &str, value: &str) -> bool {
    PEOPLE.contains(&name) && value != "unknown" && value != "-" && !value.contains('/')
}

/// The value at the start of `rest` that the end of `shown` names: what is shown of it, and how long it was.
pub(super) fn value_at(shown: &str, rest: &str) -> Option<(String, usize)> {
    if rest.starts_with(char::is_whitespace) {
        return None;
    }
    // In a text within a text: `{\"token\":\"hunter2\"}`.
    let unescaped = shown.trim_end_matches('\\');
    let escape = &shown[unescaped.len()..];
    let before = unescaped.trim_end();
    let named = before.strip_suffix([':', '='])?;
    let quoted_name = named.trim_end_matches(['"', '\'', '\\', ' ']);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = quoted_name.rsplit(|c| !is_part(c)).next().unwrap_or("").to_ascii_lowercase();
    let equals = before.ends_with('=');

    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) {
        let value = up_to_the_quote(&rest[1..], quote, escape);
        let masked = if value.is_empty() || value.starts_with(CUT) {
            return None;
        } else if secrets::is_name_of_one(&name) {
            CUT.to_owned()
        } else if equals && is_of_a_person(&name, value) && keys::start(value).is_none() {
            keys::masked(value)
        } else {
            return None;
        };
        return Some((format!("{quote}{masked}"), 1 + value.len()));
    }
    // `token= state=idle`: it is empty.
    let empty = equals && before.len() < shown.len() && named.ends_with(is_part);
    if !escape.is_empty() || empty || !secrets::is_named_before_its_value(&name) {
        return None;
    }
    let end = if is_cookie(&name) { line_end(rest) } else { rest.find(is_break).unwrap_or(rest.len()) };
    (end > 0).then(|| (CUT.to_owned(), end))
}

/// Where the token at the start of `rest` ends; the value of a cookie has blanks.
pub(super) fn token_end(rest: &str) -> usize {
    let end = rest.find(is_break).unwrap_or(rest.len());
    match rest[..end].split_once('=') {
        Some((key, value)) if !value.is_empty() && is_cookie(&key.to_ascii_lowercase()) => line_end(rest),
        _ => end,
    }
}

fn is_cookie(name: &str) -> bool {
    name.ends_with("cookie")
}

fn line_end(text: &str) -> usize {
    text.find(['\n', '\r']).unwrap_or(text.len())
}

/// Without a closing quote it is the rest of the line.
fn up_to_the_quote<'a>(text: &'a str, quote: char, escape: &str) -> &'a str {
    let end = if escape.is_empty() {
        let mut escaped = false;
        text.find(|c| {
            let closes = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        })
    } else {
        text.find(&format!("{escape}{quote}"))
    };
    &text[..end.unwrap_or_else(|| line_end(text))]
}
