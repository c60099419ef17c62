//! The report page, from outside: what is escaped, what the policy allows, what the data block says, and (where
//! Chromium and npm are at hand) how it behaves in a browser.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use lockdoctor::report::html::model::{Group, ReportModel, Row, Severity, Span, SpanKind, Timeline};
use lockdoctor::report::html::render;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

#[path = "../../examples/html_sample/sample.rs"]
mod sample;
#[path = "../../examples/html_sample/stress.rs"]
mod stress;

fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let start = page.find(from).unwrap_or_else(|| panic!("the page has no {from}")) + from.len();
    &page[start..start + page[start..].find(to).unwrap_or_else(|| panic!("no {to} after {from}"))]
}

fn data(page: &str) -> Value {
    serde_json::from_str(between(page, r#"<script type="application/json" id="data">"#, "</script>")).unwrap()
}

/// How often each kind of tag occurs, with the names of its attributes; the content of scripts and styles is left out.
fn skeleton(page: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let mut tag = String::new();
        let mut quoted = false;
        let mut end = 0;
        for (at, character) in rest.char_indices() {
            end = at;
            match character {
                '"' => quoted = !quoted,
                '>' if !quoted => break,
                _ if quoted => {}
                _ => tag.push(character),
            }
        }
        rest = &rest[end..];
        if tag == "style" || tag.starts_with("script") {
            let close = if tag == "style" { "</style" } else { "</script" };
            rest = &rest[rest.find(close).expect("a closed script or style")..];
        }
        *counts.entry(tag).or_default() += 1;
    }
    counts
}

#[test]
fn the_policy_names_exactly_this_style_and_this_script() {
    let page = render(&stress::hostile());
    let policy = between(&page, r#"Content-Security-Policy" content=""#, r#"""#).replace("&#39;", "'");
    let hash = |source: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(source)));
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(
        policy.contains(&format!("style-src {};", hash(between(&page, "<style>", "</style>")))),
        "{policy}"
    );
    assert!(
        policy.contains(&format!("script-src {};", hash(between(&page, "<script>", "</script>")))),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!page.contains(" style=\""), "the policy blocks style attributes");
}

#[test]
fn nothing_is_fetched() {
    let page = render(&sample::day());
    for tag in skeleton(&page).keys() {
        let name = tag.split_whitespace().next().unwrap_or_default();
        assert!(
            !["link", "img", "iframe", "object", "embed", "base", "form", "video"].contains(&name),
            "{tag}"
        );
        assert!(!tag.contains(" src") && !tag.contains(" action"), "{tag}");
    }
    for link in page.split("href=\"").skip(1) {
        assert!(link.starts_with('#'), "{}", &link[..20]);
    }
    for source in [between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>")] {
        for word in ["url(", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval(", "://"] {
            assert!(!source.contains(word), "{word}");
        }
    }
}

#[test]
fn hostile_strings_stay_strings() {
    let page = render(&stress::hostile());
    let scripts = page.match_indices("<script").count();
    assert_eq!((scripts, page.match_indices("</script").count()), (2, 2));
    assert!(!page.contains("<img") && page.contains("&lt;img src=x onerror="));
    assert!(
        !page
            .chars()
            .any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\0' | '\u{1b}'))
    );
    assert!(page.contains("[U+202E]gnp.txt") && page.contains("␛[31m"));
    assert!(page.contains("… (10000 characters)"));
    let benign = skeleton(&render(&sample::day()));
    assert_eq!(skeleton(&page), benign, "a string changed the structure of the page");
    data(&page);
}

#[test]
fn the_same_model_gives_the_same_page() {
    assert_eq!(render(&sample::day()), render(&sample::day()));
    assert_eq!(render(&stress::large(5_000)), render(&stress::large(5_000)));
}

#[test]
fn the_model_survives_json() {
    for model in [sample::day(), stress::hostile(), stress::healthy()] {
        let json = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<ReportModel>(&json).unwrap(), model);
    }
    let json = serde_json::to_value(sample::day()).unwrap();
    assert_eq!(json["findings"][0]["where"]["agent"], "main");
    assert_eq!(json["timeline"]["rows"][0]["spans"][2]["kind"], "event-loop-delay");
    assert_eq!(json["lanes"][0]["wait_ms"]["p95"], 9_870);
}

#[test]
fn the_most_serious_finding_comes_first_whatever_the_order() {
    let mut model = sample::day();
    model.findings.reverse();
    let page = render(&model);
    let place = |title: &str| page.find(title).unwrap();
    assert!(place("A live gateway let go of a lock") < place("stood still for up to"));
    assert!(place("A lock of a process that was killed") < place("A message waited"));
    assert!(page.contains("Removing the lock <strong>helps</strong>"));
}

#[test]
fn a_day_of_100_000_events_is_a_page_of_a_few_megabytes() {
    let page = render(&stress::large(100_000));
    assert!(page.len() < 8_000_000, "{}", page.len());
    let still = page.len() - between(&page, "id=\"data\">", "</script>").len();
    assert!(still < 900_000, "without the data it must stay small: {still}");
    let rows = data(&page)["rows"].as_array().unwrap().clone();
    let spans: usize = rows.iter().map(|row| row["starts"].as_array().unwrap().len()).sum();
    // And the six of the gateway.
    assert_eq!(spans, 100_006);
}

#[test]
fn an_empty_model_is_a_page() {
    let mut model = stress::healthy();
    model.period = None;
    model.paste.clear();
    model.environment.clear();
    model.timeline.end = model.timeline.start;
    let page = render(&model);
    assert!(page.contains("No lock was found.") && !page.contains("id=\"issue\""));
    model.timeline.end = model.timeline.start - TimeDelta::hours(1);
    render(&model);
}

fn span() -> impl Strategy<Value = Span> {
    let kind = (0..SpanKind::ALL.len()).prop_map(|index| SpanKind::ALL[index]);
    let severity = (0..3_usize).prop_map(|index| Severity::ALL[index]);
    (kind, severity, -10_000_i64..4_000_000, -10_i64..900_000, ".{0,20}").prop_map(
        |(kind, severity, at, length, label)| {
            let start = origin() + TimeDelta::milliseconds(at);
            Span { kind, severity, start, end: start + TimeDelta::milliseconds(length), label }
        },
    )
}

fn origin() -> DateTime<Utc> {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What the script decodes is what the model says: every span, with its kind and times.
    #[test]
    fn the_data_block_has_every_span(spans in prop::collection::vec(span(), 0..60)) {
        let mut model = stress::healthy();
        let row = Row { id: "r".to_owned(), label: "r".to_owned(), group: Group::Session, spans: spans.clone() };
        model.timeline = Timeline { start: origin(), end: origin() + TimeDelta::hours(1), rows: vec![row], marks: Vec::new() };
        let row = &data(&render(&model))["rows"][0];
        let column = |name: &str| row[name].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect::<Vec<_>>();
        let digits = |name: &str| row[name].as_str().unwrap().bytes().map(|b| usize::from(b - b'0')).collect::<Vec<_>>();
        let (starts, lengths, kinds, severities) = (column("starts"), column("lengths"), digits("kinds"), digits("severities"));
        prop_assert!(digits("on").iter().all(|track| *track < 4));
        let mut at = 0;
        let mut decoded = Vec::new();
        for index in 0..starts.len() {
            at += starts[index];
            decoded.push((at, lengths[index], kinds[index], severities[index]));
        }
        decoded.sort_unstable();
        let mut expected: Vec<_> = spans
            .iter()
            .map(|span| {
                let length = match span.kind {
                    kind if kind.is_instant() => 0,
                    _ => (span.end - span.start).num_milliseconds().max(0),
                };
                ((span.start - origin()).num_milliseconds(), length, span.kind.index(), span.severity as usize)
            })
            .collect();
        expected.sort_unstable();
        prop_assert_eq!(decoded, expected);
    }

    /// No text, wherever it stands, changes the structure of the page.
    #[test]
    fn no_text_changes_the_structure(text in ".{1,60}|[<>\"'&/!\\-a-z= ]{1,60}") {
        let mut model = sample::day();
        let page = |text: &str, model: &mut ReportModel| {
            model.headline.sentence = text.to_owned();
            model.findings.truncate(1);
            model.findings[0].title = text.to_owned();
            model.findings[0].chats = vec![text.to_owned()];
            model.findings[0].explanation = text.to_owned();
            model.findings[0].evidence = vec![text.to_owned()];
            model.findings[0].place.lock = Some(text.to_owned());
            model.timeline.rows.truncate(2);
            model.timeline.rows[1].label = text.to_owned();
            model.timeline.rows[1].spans[0].label = text.to_owned();
            model.locks.truncate(1);
            model.locks[0].path = text.to_owned();
            model.paste = text.to_owned();
            render(model)
        };
        let (wild, tame) = (page(&text, &mut model), page("x", &mut model));
        prop_assert_eq!(skeleton(&wild), skeleton(&tame));
        data(&wild);
    }
}

#[test]
fn a_browser_agrees() {
    let (chromium, directory) =
        match (crate::support::browser::chromium(), crate::support::browser::checks("report.mjs")) {
            (Ok(chromium), Ok(directory)) => (chromium, directory),
            (Err(why), _) | (_, Err(why)) => {
                eprintln!("SKIPPED: {why}");
                return;
            }
        };
    let pages = [
        ("day", sample::day()),
        ("healthy", stress::healthy()),
        ("hostile", stress::hostile()),
        ("large", stress::large(100_000)),
    ];
    for (name, model) in pages {
        fs::write(directory.join(format!("{name}.html")), render(&model)).unwrap();
    }
    let checked = Command::new("node")
        .arg("report.mjs")
        .arg(chromium)
        .arg(&directory)
        .current_dir(&directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    let noteworthy: Vec<&str> =
        said.lines().filter(|line| !line.starts_with("ok: ") || line.contains(" ms")).collect();
    eprintln!("{}", noteworthy.join("\n"));
    assert!(checked.status.success(), "{said}\n{}", String::from_utf8_lossy(&checked.stderr));
}
