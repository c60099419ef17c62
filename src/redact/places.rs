//! Paths and addresses: the user's name goes, and whatever is a secret by itself; the rest stays.

use super::CUT;
use super::secrets::is_secret;

pub(super) fn url(rest: &str) -> String {
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host =
        authority.rsplit_once('@').map_or_else(|| authority.to_owned(), |(_, host)| format!("{CUT}@{host}"));
    let mut shown = host;
    // A path segment may be a secret by itself: api.telegram.org/bot<TOKEN>/getUpdates.
    let (segments, query) = tail.split_at(tail.find(['?', '#']).unwrap_or(tail.len()));
    for (index, segment) in segments.split('/').enumerate() {
        if index > 0 {
            shown.push('/');
        }
        shown.push_str(&if is_secret(segment) || segment.len() > 40 {
            CUT.to_owned()
        } else {
            segment.to_owned()
        });
    }
    if let Some(mark) = query.chars().next() {
        shown.push(mark);
        shown.push_str(CUT);
    }
    shown
}

/// `/home/NAME/…`, `/Users/NAME/…`, `C:\Users\NAME\…`.
pub(super) fn path(token: &str) -> String {
    let mut shown = String::with_capacity(token.len());
    let mut parent = String::new();
    for piece in token.split_inclusive(['/', '\\']) {
        let name = piece.trim_end_matches(['/', '\\']);
        let user = matches!(parent.as_str(), "home" | "Users") && !name.is_empty();
        if user || is_secret(name) || is_email(name) {
            shown.push_str(CUT);
        } else {
            shown.push_str(name);
        }
        shown.push_str(&piece[name.len()..]);
        name.clone_into(&mut parent);
    }
    shown
}

/// Not a number with a host (`491701234567@s.whatsapp.net`), which is masked as the number it is.
pub(super) fn is_email(token: &str) -> bool {
    token.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && !user.starts_with(CUT)
            && !user.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+')
            && host.contains('.')
            && !host.contains(['/', '@'])
            && !user.contains('/')
    })
}
