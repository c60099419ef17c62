//! A diagnosis as one HTML file: no network, no script from elsewhere, and nothing from outside that is not escaped.
//! Pure: a model in, a page out; the same model gives the same bytes.
//!
//! The page is complete without its script: text, tables and a still timeline. The script adds zoom, details and
//! copy buttons.

mod embed;
mod findings;
mod markup;
pub mod model;
mod quantity;
mod rows;
mod strip;
mod tables;
mod timeline;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use self::findings::severity_word;
use self::markup::Html;
use self::model::{Headline, ReportModel, Severity};
use self::quantity::{Clock, ZONE, count, period};
use self::strip::{Scale, severity_class};

const STYLE: &str =
    concat!(include_str!("page.css"), include_str!("timeline.css"), include_str!("print.css"));
const SCRIPT: &str = concat!(
    include_str!("times.js"),
    include_str!("spans.js"),
    include_str!("picture.js"),
    include_str!("timeline.js"),
    include_str!("page.js"),
);

/// The whole page.
pub fn render(model: &ReportModel) -> String {
    let rows = rows::arrange(&model.timeline);
    let length = (model.timeline.end - model.timeline.start).num_milliseconds().max(1);
    let scale = Scale { length };
    let clock = clock(model);
    let mut out = Html::default();
    head(&mut out, model);
    header(&mut out, model);
    out.raw("<main>");
    findings::section(&mut out, &model.findings, &rows, clock);
    timeline::section(&mut out, model, &rows, scale, clock);
    tables::lanes(&mut out, &model.lanes);
    tables::locks(&mut out, &model.locks);
    tables::environment(&mut out, &model.environment);
    paste(&mut out, &model.paste);
    out.raw("</main>");
    footer(&mut out);
    // Not executed, so the policy does not ask for a hash of it.
    out.raw(r#"<script type="application/json" id="data">"#).json(&embed::data(
        &model.timeline,
        &rows,
        length,
    ));
    out.raw("</script>\n<script>").raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    out.finish()
}

/// What the browser may do with the page: run this script, apply this style, and nothing else.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'",
        source_hash(STYLE),
        source_hash(SCRIPT),
    )
}

fn source_hash(source: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(source)))
}

fn clock(model: &ReportModel) -> Clock {
    let seen = model.findings.iter().flat_map(|finding| [finding.first_seen, finding.last_seen]).flatten();
    // A day ends at midnight of the next.
    let last = model.timeline.end - TimeDelta::milliseconds(1);
    Clock::new([model.timeline.start, last.max(model.timeline.start)].into_iter().chain(seen))
}

fn head(out: &mut Html, model: &ReportModel) {
    out.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"").text(&policy()).raw("\">\n");
    out.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.raw("<meta name=\"robots\" content=\"noindex\">\n<title>lockdoctor report, ");
    out.text(&model.generated_at.format("%Y-%m-%d %H:%M UTC").to_string());
    out.raw("</title>\n<style>").raw(STYLE).raw("</style>\n</head>\n<body>\n");
}

fn header(out: &mut Html, model: &ReportModel) {
    let Headline { sentence, severity } = &model.headline;
    out.raw(r#"<header><p class="brand">lockdoctor report</p><h1>"#).clipped(sentence, 1_000);
    out.raw(r#"</h1><ul class="meta"><li class=""#).raw(severity.map_or("ok", severity_class));
    out.raw(r#""><span class="badge">"#).raw(severity.map_or("Healthy", severity_word)).raw("</span></li>");
    for (severity, noun) in
        [(Severity::Critical, "critical finding"), (Severity::Warning, "warning"), (Severity::Info, "note")]
    {
        let number = model.findings.iter().filter(|finding| finding.severity == severity).count();
        if number > 0 {
            out.raw("<li>").text(&count(number as u64, noun)).raw("</li>");
        }
    }
    if let Some(covered) = model.period {
        out.raw("<li>logs from ");
        period(out, covered);
        out.raw("</li>");
    }
    out.raw("<li>written ").time(model.generated_at, "%Y-%m-%d %H:%M").raw(ZONE);
    out.raw(r#"</li><li id="zone" hidden></li></ul><nav aria-label="Sections"><ul>"#);
    for (link, shown) in [
        (r##"<a href="#findings">Findings</a>"##, true),
        (r##"<a href="#timeline">Timeline</a>"##, true),
        (r##"<a href="#lanes">Lanes</a>"##, true),
        (r##"<a href="#locks">Locks</a>"##, true),
        (r##"<a href="#environment">Environment</a>"##, !model.environment.is_empty()),
        (r##"<a href="#issue">For an issue</a>"##, !model.paste.is_empty()),
    ] {
        if shown {
            out.raw("<li>").raw(link).raw("</li>");
        }
    }
    out.raw("</ul></nav></header>");
}

fn paste(out: &mut Html, paste: &str) {
    if paste.is_empty() {
        return;
    }
    out.raw(r#"<section id="issue" aria-labelledby="h-issue"><h2 id="h-issue">For an issue</h2>"#);
    out.raw("<p>Redacted, to paste into an issue. Read it before you post it.</p>");
    out.raw(r#"<div class="copyable"><pre id="paste">"#).clipped(paste, 60_000).raw("</pre></div></section>");
}

fn footer(out: &mut Html) {
    out.raw("<footer><p>lockdoctor ").raw(env!("CARGO_PKG_VERSION"));
    out.raw(". This page is one file; it loads nothing and sends nothing.</p></footer>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_browsers_compute() {
        // The example of the CSP specification, section 8.2.
        assert_eq!(
            source_hash("alert('Hello, world.');"),
            "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="
        );
    }

    #[test]
    fn what_is_hashed_is_what_the_browser_sees() {
        // A parser turns CR LF into LF, and the hash would no longer match.
        assert!(!STYLE.contains('\r') && !SCRIPT.contains('\r'));
        assert!(!STYLE.contains("</style") && !SCRIPT.contains("</script") && !SCRIPT.contains("<!--"));
    }
}
