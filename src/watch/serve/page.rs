//! The status page: one self-contained document. Its style and script carry a nonce that is made for each
//! answer, so that nothing else can run in it, whatever a session is called.

use std::fmt::Write;

use super::http::{Response, Status};

const HTML: &str = include_str!("page/index.html");
const CSS: &str = include_str!("page/page.css");
const JS: &str = include_str!("page/page.js");

pub(crate) fn response() -> Response {
    let Some(nonce) = nonce() else {
        return Response::text(Status::Unavailable, "no randomness to be had for the page's nonce");
    };
    let page = HTML.replace("{{css}}", CSS).replace("{{js}}", JS).replace("{{nonce}}", &nonce);
    Response {
        policy: format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        ..Response::plain(Status::Ok, "text/html; charset=utf-8", page)
    }
}

/// 128 bits that nobody can guess.
fn nonce() -> Option<String> {
    let mut bytes = [0; 16];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).ok()?;
    (filled == bytes.len()).then(|| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    })
}
