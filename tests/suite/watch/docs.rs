//! `docs/metrics.md` and `docs/configuration.md` say what the program does: no more, no less.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::TestEnv;
use crate::support::watch::Watch;

const METRICS: &str = include_str!("../../../docs/metrics.md");
const CONFIGURATION: &str = include_str!("../../../docs/configuration.md");

/// The rows of every table below the heading `###` or `##` that they stand under.
fn rows(page: &str) -> Vec<(String, Vec<String>)> {
    let mut heading = String::new();
    let mut rows = Vec::new();
    for line in page.lines() {
        if let Some(text) = line.strip_prefix("### ").or_else(|| line.strip_prefix("## ")) {
            heading = text.replace('`', "");
        } else if let Some(row) = line.strip_prefix("| `") {
            let row = row.strip_suffix(" |").expect("a closed row");
            let cells = row.split(" | ").map(|cell| cell.trim_matches('`').to_owned());
            rows.push((heading.clone(), cells.collect()));
        }
    }
    rows
}

/// Type, help and label names of what is served.
fn served(text: &str) -> BTreeMap<String, (String, String, BTreeSet<String>)> {
    let mut served: BTreeMap<String, (String, String, BTreeSet<String>)> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "TYPE", name, kind] => {
                (*kind).clone_into(&mut served.entry((*name).to_owned()).or_default().0);
            }
            ["#", "HELP", name, help] => {
                (*help).clone_into(&mut served.entry((*name).to_owned()).or_default().1);
            }
            _ => {}
        }
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let family = histogram.filter(|family| served.contains_key(*family)).unwrap_or(name);
        let labels = line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(l, _)| l);
        let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name);
        let family = served.get_mut(family).unwrap_or_else(|| panic!("{line} has no type"));
        family.2.extend(names.filter(|name| *name != "le").map(str::to_owned));
    }
    served
}

#[test]
fn the_page_of_metrics_names_every_one_of_them() {
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &[]);
    let served = served(&watch.get("/metrics").1);
    let described: BTreeMap<String, Vec<String>> =
        rows(METRICS).into_iter().map(|(_, cells)| (cells[0].clone(), cells)).collect();
    assert_eq!(described.keys().collect::<Vec<_>>(), served.keys().collect::<Vec<_>>());
    for (name, (kind, help, labels)) in served {
        let [_, told_kind, told_labels, unit, meaning] = &described[&name][..] else {
            panic!("{name}: five columns")
        };
        let told: BTreeSet<String> = told_labels
            .split(", ")
            .filter(|label| *label != "–")
            .map(|label| label.trim_matches('`').to_owned())
            .collect();
        assert_eq!((told_kind, meaning, &told), (&kind, &help, &labels), "{name}");
        let has_unit = ["seconds", "bytes"].into_iter().find(|unit| name.contains(unit)).unwrap_or("–");
        assert_eq!(unit, has_unit, "{name}");
    }
}

/// Each option with its default, under the table of the file that it belongs to.
fn options(command: &clap::Command, above: &str, found: &mut BTreeMap<(String, String), String>) {
    let heading = if above.is_empty() { "Common keys".to_owned() } else { format!("[{above}]") };
    for argument in command.get_arguments() {
        let Some(name) = argument.get_long() else { continue };
        if ["help", "version", "config"].contains(&name) || argument.is_hide_set() {
            continue;
        }
        let values = argument.get_default_values().iter().map(|value| value.to_string_lossy());
        let default = values.collect::<Vec<_>>().join(",");
        let switch = matches!(argument.get_action(), clap::ArgAction::SetTrue);
        let default = if switch { "false".to_owned() } else { default };
        let default = if default.is_empty() { "–".to_owned() } else { default };
        found.insert((heading.clone(), name.to_owned()), default);
    }
    // What setup does is typed, each time.
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "setup") {
        let path =
            if above.is_empty() { sub.get_name().to_owned() } else { format!("{above}.{}", sub.get_name()) };
        options(sub, &path, found);
    }
}

#[test]
fn the_page_of_configuration_has_every_key_with_its_default() {
    let mut expected = BTreeMap::new();
    options(&lockdoctor::settings::command::<lockdoctor::cli::Cli>(), "", &mut expected);
    let told = rows(CONFIGURATION).into_iter();
    let told: BTreeMap<_, _> =
        told.map(|(heading, cells)| ((heading, cells[0].clone()), cells[2].clone())).collect();
    assert_eq!(told, expected);
}

#[test]
fn the_example_of_a_configuration_can_be_used() {
    let (_, example) = CONFIGURATION.split_once("```toml\n").expect("an example");
    let (example, _) = example.split_once("```").expect("an end");
    let env = TestEnv::new("2026.4.15");
    let file = env.home().join("config.toml");
    std::fs::write(&file, example).expect("write");
    let (file, state) = (file.display().to_string(), env.state().display().to_string());
    env.run(&["--config", &file, "--state-dir", &state, "scan"]).exits(0);
    // Its commands are not run: nothing is found.
    env.run(&["--config", &file, "--state-dir", &state, "watch", "--once", "--listen", "127.0.0.1:0"])
        .exits(0);
}
