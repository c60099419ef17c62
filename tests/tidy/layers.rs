//! Dependencies point one way: the parts of `src` in their order, and the imports of every file held against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::{Source, sources};

/// The parts of `src`, each with a line on what it is. A part imports only parts that stand above it here.
const LAYERS: [(&str, &str); 28] = [
    ("sys", "raw system calls"),
    ("clock", "the time that is judged by"),
    ("exit", "exit codes"),
    ("door", "what may be printed"),
    ("words", "spelling"),
    ("redact", "text in, text out"),
    ("gatewaylog", "log lines as events"),
    ("history", "what the log says happened"),
    ("peek", "a live database, read without a trace"),
    ("openclaw", "facts about OpenClaw"),
    ("evidence", "what the kernel says of one lock"),
    ("verdict", "evidence in, verdict out"),
    ("leases", "the rows that replace locks"),
    ("install", "one state directory"),
    ("survey", "paths to judged locks"),
    ("diagnosis", "events, locks and sessions as findings"),
    ("answer", "what a person is told"),
    ("examination", "brings together what a diagnosis needs"),
    ("reclaim", "the one part that changes a watched directory"),
    ("report", "verdicts and findings as text"),
    ("doctor", "checks of the environment"),
    ("setup", "lockdoctor as a service of the machine"),
    ("demo", "a throw-away install"),
    ("wakeups", "what wakes the daemon"),
    ("directories", "what it watches"),
    ("watch", "the daemon"),
    ("settings", "where an option's value comes from"),
    ("cli", "one file a command"),
];

/// The source files of the library as a graph: which takes something from which.
struct Imports {
    files: BTreeMap<Vec<String>, Source>,
}

/// `src/reclaim/journal.rs` and `src/reclaim/mod.rs` as `reclaim::journal` and `reclaim`.
fn module(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("/mod").split('/').map(str::to_owned).collect()
}

impl Imports {
    fn read() -> Self {
        let is_code = |source: &Source| !source.code.is_empty() && !source.path.ends_with("/main.rs");
        let files = sources().into_iter().filter(|source| is_code(source) && source.path != "src/lib.rs");
        Self { files: files.map(|source| (module(&source.path), source)).collect() }
    }

    /// The file that defines what `path` names: re-exports are followed.
    fn defines(&self, path: &[String], depth: usize) -> Option<Vec<String>> {
        let length = (1..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let file = path[..length].to_vec();
        let Some(name) = path.get(length).filter(|_| depth < 8) else { return Some(file) };
        let passed_on = |target: &Vec<String>| target.last() == Some(name) && *target != path[..=length];
        let code = &self.files[&file].code;
        let exports = statements(code, "pub use ").into_iter().chain(statements(code, "pub(super) use "));
        let exports = exports.chain(statements(code, "pub(crate) use "));
        let mut targets = exports.flat_map(|text| expanded(&text)).map(|words| Self::absolute(&file, words));
        let target = targets.find(passed_on);
        target.and_then(|target| self.defines(&target, depth + 1)).or(Some(file))
    }

    /// A path as it stands in `file`, from the root of the library.
    fn absolute(file: &[String], words: Vec<String>) -> Vec<String> {
        let supers = words.iter().take_while(|word| *word == "super").count();
        match words[0].as_str() {
            "crate" => words[1..].to_vec(),
            "self" => [file, &words[1..]].concat(),
            "super" => [&file[..file.len().saturating_sub(supers)], &words[supers..]].concat(),
            _ => [file, &words[..]].concat(),
        }
    }

    /// For each file those that it takes something from.
    fn arrows(&self) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
        let mut arrows = BTreeMap::new();
        for (file, source) in &self.files {
            let mut taken = BTreeSet::new();
            // What is passed on counts where it is used.
            let passed_on = ["pub use ", "pub(super) use ", "pub(crate) use "];
            let code = passed_on.iter().fold(source.code.clone(), |code, start| {
                statements(&code, start).iter().fold(code.clone(), |code, text| code.replace(text, ""))
            });
            for start in ["crate::", "super::", "self::"] {
                for text in paths(&code, start) {
                    let targets = expanded(&text).into_iter().map(|words| Self::absolute(file, words));
                    taken.extend(targets.filter_map(|target| self.defines(&target, 0)));
                }
            }
            // Its own modules, by their bare names.
            let children =
                self.files.keys().filter(|other| other.len() == file.len() + 1 && other.starts_with(file));
            for start in children.map(|child| format!("{}::", child[file.len()])) {
                let named = paths(&code, &start).into_iter().flat_map(|text| expanded(&text));
                taken.extend(named.filter_map(|words| self.defines(&[&file[..], &words[..]].concat(), 0)));
            }
            taken.remove(file);
            arrows.insert(file.clone(), taken);
        }
        arrows
    }
}

/// What follows `start`, up to the semicolon.
fn statements(code: &str, start: &str) -> Vec<String> {
    let rests = code.match_indices(start).map(|(at, _)| &code[at + start.len()..]);
    rests.filter_map(|rest| Some(rest.split_once(';')?.0.to_owned())).collect()
}

/// Every path that begins with `start`, braces and all.
fn paths(code: &str, start: &str) -> Vec<String> {
    // `pub(in super::super)` says who may take, and takes nothing.
    let begins = |at: usize| {
        let before = &code[..at];
        !before.ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c)) && !before.ends_with("(in ")
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices(start).filter(|(at, _)| begins(*at)) {
        let mut depth = 0_usize;
        let end = code[at..].find(|c: char| {
            depth = if c == '{' { depth + 1 } else { depth };
            let ends = !(c.is_alphanumeric() || "_:{".contains(c) || depth > 0);
            depth = if c == '}' { depth.saturating_sub(1) } else { depth };
            ends
        });
        found.push(code[at..at + end.unwrap_or(code.len() - at)].to_owned());
    }
    found
}

/// `a::{b, c::{d, self}}` as `a::b`, `a::c::d`, `a::c`.
fn expanded(text: &str) -> Vec<Vec<String>> {
    let text = text.trim();
    let Some((before, inside)) = text.split_once('{') else {
        let text = text.split(" as ").next().unwrap_or(text);
        let words = text.split("::").map(str::trim).filter(|word| !word.is_empty());
        return vec![words.map(str::to_owned).collect()];
    };
    let prefix: Vec<String> =
        before.split("::").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let inside = inside.rsplit_once('}').map_or(inside, |(inside, _)| inside);
    let (mut depth, mut parts) = (0_usize, vec![String::new()]);
    for c in inside.chars() {
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            _ => {
                depth = if c == '{' {
                    depth + 1
                } else if c == '}' {
                    depth - 1
                } else {
                    depth
                };
                parts.last_mut().expect("never empty").push(c);
            }
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    let beneath = parts.flat_map(|part| expanded(part)).map(|mut words| {
        words.retain(|word| word != "self");
        [&prefix[..], &words[..]].concat()
    });
    beneath.collect()
}

/// Groups of files each of which leads to all the others.
fn circles(arrows: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Vec<Vec<String>> {
    let reached = |from: &Vec<String>| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(file) = open.pop() {
            for next in arrows.get(file).into_iter().flatten() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<_, _> = arrows.keys().map(|file| (file, reached(file))).collect();
    let mut found = BTreeSet::new();
    for (file, there) in &reach {
        let circle: Vec<String> = there
            .iter()
            .filter(|other| reach.get(**other).is_some_and(|back| back.contains(*file)))
            .map(|other| other.join("::"))
            .collect();
        found.insert(circle);
    }
    found.into_iter().filter(|circle| circle.len() > 1).collect()
}

#[test]
fn every_part_has_its_place() {
    let parts: BTreeSet<String> = Imports::read().files.keys().map(|file| file[0].clone()).collect();
    let listed: BTreeSet<String> = LAYERS.iter().map(|(part, _)| (*part).to_owned()).collect();
    assert_eq!(parts, listed);
}

/// In percent of the lines of `src`, tests of its own included.
const LARGEST: usize = 15;

#[test]
fn no_part_is_most_of_the_house() {
    let files = Imports::read().files;
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for (module, source) in &files {
        *lines.entry(module[0].as_str()).or_default() += source.text.lines().count();
    }
    let all: usize = lines.values().sum();
    lines.retain(|_, lines| *lines * 100 >= all * LARGEST);
    assert!(lines.is_empty(), "of {all} lines: {lines:#?}");
}

/// The code map of ARCHITECTURE.md has the same parts in the same order, and every file it names is there.
#[test]
fn the_architecture_shows_this_tree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let map = page.split("## ").find_map(|part| part.strip_prefix("Code map")).expect("a code map");
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: Vec<&str> = LAYERS.iter().map(|(part, _)| *part).collect();
    assert_eq!(rows.collect::<Vec<_>>(), listed);
    let named = page.split('`').filter(|word| word.ends_with(".rs") && word.contains('/'));
    let missing: Vec<&str> =
        named.filter(|file| !root.join(file).exists() && !root.join("src").join(file).exists()).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn dependencies_point_one_way() {
    let floor = |part: &str| LAYERS.iter().position(|(name, _)| *name == part).expect("a listed part");
    let mut found = Vec::new();
    for (file, taken) in Imports::read().arrows() {
        let up = taken.iter().filter(|other| floor(&other[0]) > floor(&file[0]));
        found.extend(up.map(|other| format!("{} takes from {}", file.join("::"), other.join("::"))));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_circle_has_more_than_two_files() {
    let mut large = circles(&Imports::read().arrows());
    large.retain(|circle| circle.len() > 2);
    assert!(large.is_empty(), "{large:#?}");
}

#[test]
fn the_tests_of_the_layers_can_fail() {
    let source =
        |path: &str, code: &str| Source { path: path.to_owned(), text: String::new(), code: code.to_owned() };
    let files = [
        source("src/a/mod.rs", "pub use b::Thing;"),
        source("src/a/b.rs", "use crate::c::{self, d::{E, F as G}};"),
        source("src/c/mod.rs", "\nuse d::E;\nfn f() { crate::a::Thing::new() }"),
        source("src/c/d.rs", "use super::X;"),
    ];
    let imports = Imports { files: files.map(|source| (module(&source.path), source)).into() };
    let arrows: BTreeMap<String, Vec<String>> = imports
        .arrows()
        .into_iter()
        .map(|(file, taken)| (file.join("::"), taken.iter().map(|other| other.join("::")).collect()))
        .collect();
    let arrows: Vec<(&str, Vec<&str>)> =
        arrows.iter().map(|(file, taken)| (&**file, taken.iter().map(|other| &**other).collect())).collect();
    let expected =
        [("a", vec![]), ("a::b", vec!["c", "c::d"]), ("c", vec!["a::b", "c::d"]), ("c::d", vec!["c"])];
    assert_eq!(arrows, expected);
    assert_eq!(circles(&imports.arrows()), [["a::b", "c", "c::d"]]);
}
