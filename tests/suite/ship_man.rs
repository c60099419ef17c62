//! The manual pages under `man/` are those of this program, and the completions work in the real shells.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::ship::{code, installed, lockdoctor, skipped, stdout};
use crate::support::{binary, dead_pid, payload};

fn pages(directory: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(directory).expect("a directory of pages");
    let pages = entries.flatten().map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(entry.path()).expect("text"))
    });
    pages.collect()
}

#[test]
fn the_pages_are_current() {
    let made = tempfile::tempdir().expect("tempdir");
    let output = lockdoctor(&["man", "--out", &made.path().to_string_lossy()]);
    assert_eq!(code(&output), 0);
    let (made, kept) = (pages(made.path()), pages(Path::new("man")));
    let again = "make them anew: cargo run -- man --out man";
    assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>(), "{again}");
    for (name, text) in &made {
        assert_eq!(Some(text), kept.get(name), "man/{name} is not current; {again}");
    }
}

#[test]
fn a_formatter_has_nothing_to_say_against_them() {
    if !installed("mandoc") {
        return skipped("a_formatter_has_nothing_to_say_against_them", "mandoc(1) is not installed");
    }
    for name in pages(Path::new("man")).keys() {
        let page = Path::new("man").join(name);
        let output = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(page).output();
        let output = output.expect("mandoc");
        assert!(output.status.success(), "{}", stdout(&output));
    }
}

#[test]
fn one_page_is_printed_by_name() {
    let page = stdout(&lockdoctor(&["man", "check"]));
    assert!(page.contains(".TH LOCKDOCTOR\\-CHECK 1") || page.contains(".TH LOCKDOCTOR-CHECK 1"), "{page}");
    let page = stdout(&lockdoctor(&["man", "quarantine", "list"]));
    assert!(page.contains("quarantine\\-list") || page.to_lowercase().contains("quarantine-list"), "{page}");
    let wrong = lockdoctor(&["man", "nonsense"]);
    assert_eq!(code(&wrong), 2);
}

#[test]
fn every_command_is_shown_at_work() {
    let pages = pages(Path::new("man"));
    let commands =
        pages.iter().filter(|(name, _)| name.starts_with("lockdoctor-") && name.matches('-').count() == 1);
    let without: Vec<&String> =
        commands.filter(|(_, page)| !page.contains("EXAMPLES")).map(|(name, _)| name).collect();
    assert!(pages.len() > 10 && without.is_empty(), "no examples in {without:?}");
}

/// The completion script, in a file of the name that its shell looks for.
fn script(shell: &str, directory: &Path, name: &str) {
    let output = lockdoctor(&["completions", shell]);
    assert_eq!(code(&output), 0);
    let text = stdout(&output);
    assert!(!text.contains("demo-actor"), "a command that nobody types");
    std::fs::write(directory.join(name), output.stdout).expect("write");
}

/// What completes asks the program itself.
fn path_with_lockdoctor() -> String {
    let directory = binary().parent().expect("a directory").to_string_lossy().into_owned();
    format!("{directory}:{}", std::env::var("PATH").unwrap_or_default())
}

/// An install in the home directory, with a lock that nobody holds.
fn install(home: &Path) {
    let sessions = home.join(".openclaw/agents/main/sessions");
    std::fs::create_dir_all(&sessions).expect("sessions");
    let config = r#"{"meta": {"lastTouchedVersion": "2026.5.22"}}"#;
    std::fs::write(home.join(".openclaw/openclaw.json"), config).expect("configuration");
    std::fs::write(sessions.join("7c1e09d4-8d95-47ad-b732-080840c144ca.jsonl"), "").expect("transcript");
    let lock = sessions.join("7c1e09d4-8d95-47ad-b732-080840c144ca.jsonl.lock");
    std::fs::write(lock, payload(dead_pid(), Some(1))).expect("lock");
}

fn run(shell: &str, arguments: &[&str], directory: &Path) -> Output {
    let output = Command::new(shell)
        .args(arguments)
        .current_dir(directory)
        .env("HOME", directory)
        .env("PATH", path_with_lockdoctor())
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn bash_completes() {
    if !installed("bash") {
        return skipped("bash_completes", "bash is not installed");
    }
    let directory = tempfile::tempdir().expect("tempdir");
    script("bash", directory.path(), "lockdoctor");
    let typed = "source ./lockdoctor; COMP_WORDS=(lockdoctor rec); COMP_CWORD=1
        _lockdoctor lockdoctor rec lockdoctor; echo ${COMPREPLY[@]}
        COMP_WORDS=(lockdoctor scan --state); COMP_CWORD=2
        _lockdoctor lockdoctor --state scan; echo ${COMPREPLY[@]}";
    assert_eq!(stdout(&run("bash", &["-c", typed], directory.path())), "reclaim\n--state-dir\n");
}

#[test]
fn bash_completes_what_only_this_machine_knows() {
    if !installed("bash") {
        return skipped("bash_completes_what_only_this_machine_knows", "bash is not installed");
    }
    let directory = tempfile::tempdir().expect("tempdir");
    script("bash", directory.path(), "lockdoctor");
    install(directory.path());
    let typed = "source ./lockdoctor
        tab() { COMP_WORDS=(lockdoctor \"$@\"); COMP_CWORD=$#; COMPREPLY=()
            _lockdoctor_here lockdoctor \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[@]}\"; }
        tab doctor lea; tab explain 7c1e
        lockdoctor reclaim --yes --quiet --state-dir ~/.openclaw >/dev/null 2>&1
        tab quarantine restore 2; tab quarantine purge 2";
    let said = stdout(&run("bash", &["-c", typed], directory.path()));
    let [check, session, id, purged] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert_eq!((check, session, purged), ("lease", "7c1e09d4-8d95-47ad-b732-080840c144ca", ""));
    // Other installs of this machine may have some, too.
    let kept = directory.path().join(".openclaw/lockdoctor/quarantine");
    assert!(id.split(' ').any(|id| !id.is_empty() && kept.join(id).exists()), "{said}");
}

#[test]
fn fish_completes() {
    if !installed("fish") {
        return skipped("fish_completes", "fish is not installed");
    }
    let directory = tempfile::tempdir().expect("tempdir");
    script("fish", directory.path(), "lockdoctor.fish");
    install(directory.path());
    let typed = "source lockdoctor.fish; complete -C 'lockdoctor rec'; complete -C 'lockdoctor scan --state'
        complete -C 'lockdoctor doctor lea'; complete -C 'lockdoctor explain 7c1e'";
    let found = stdout(&run("fish", &["--no-config", "-c", typed], directory.path()));
    assert!(found.starts_with("reclaim\t") && found.contains("--state-dir\t"), "{found}");
    assert!(
        found.contains("\nlease\n") && found.contains("\n7c1e09d4-8d95-47ad-b732-080840c144ca\n"),
        "{found}"
    );
}

#[test]
fn zsh_loads_the_completion() {
    if !installed("zsh") {
        return skipped("zsh_loads_the_completion", "zsh is not installed");
    }
    let directory = tempfile::tempdir().expect("tempdir");
    script("zsh", directory.path(), "_lockdoctor");
    let typed = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[lockdoctor]
        autoload +X _lockdoctor; functions _lockdoctor_commands >/dev/null || functions _lockdoctor | grep -c reclaim";
    let found = stdout(&run("zsh", &["-f", "-c", typed], directory.path()));
    assert!(found.starts_with("_lockdoctor\n"), "{found}");
}
