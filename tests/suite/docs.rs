//! Every command in the documentation is run by a test, or says why not: a `sh` block in README.md, CONTRIBUTING.md or docs/*.md
//! stands under `<!-- test: NAME -->`, which a script in tests/packaging follows (`follow PAGE NAME`), or under
//! `<!-- not run: REASON -->`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn listed(directory: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(directory)).expect("a directory").flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// The name a script follows a page by.
fn name(page: &Path) -> String {
    page.file_stem().expect("a name").to_string_lossy().into_owned()
}

fn pages() -> Vec<PathBuf> {
    let mut pages = listed("docs", "md");
    pages.extend(["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|page| root().join(page)));
    pages
}

/// What the comment above a block says, between `<!-- ` and ` -->`.
fn mark(line: &str) -> Option<&str> {
    line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")
}

/// Each `PAGE NAME` that some script follows.
fn followed() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for script in listed("tests/packaging", "sh") {
        let text = fs::read_to_string(script).expect("a script");
        let steps = text.lines().filter_map(|line| line.trim().strip_prefix("follow "));
        found.extend(steps.map(str::to_owned));
    }
    found
}

#[test]
fn every_command_is_run_or_says_why_not() {
    let followed = followed();
    let mut marked = BTreeSet::new();
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let lines: Vec<&str> = text.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "```sh") {
            let place = format!("{}:{}", page.display(), at + 1);
            match at.checked_sub(1).and_then(|above| mark(lines[above])) {
                Some(mark) if mark.starts_with("not run: ") => {}
                Some(mark) => {
                    let step = mark.strip_prefix("test: ").unwrap_or(mark);
                    let step = format!("{} {step}", name(&page));
                    if !followed.contains(&step) {
                        wrong.push(format!("{place}: no script in tests/packaging has `follow {step}`"));
                    }
                    marked.insert(step);
                }
                None => wrong.push(format!("{place}: neither `<!-- test: … -->` nor `<!-- not run: … -->`")),
            }
        }
    }
    let nowhere =
        followed.difference(&marked).map(|step| format!("`follow {step}`: no page has these steps"));
    wrong.extend(nowhere);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(marked.len() > 20, "the pages were not found: {marked:?}");
}

/// Links between pages, and to files of this project.
#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains(char::is_whitespace) || target.contains("://") {
                continue;
            }
            if !page.parent().expect("a directory").join(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}
