//! The parts of OpenClaw's configuration that locks depend on. What is missing or broken is said, and defaults stand
//! in for it; lockdoctor never writes it.

mod kept;
mod variables;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::environment::{Environment, expand_home};
use super::file::Trust;
use crate::openclaw::timeouts::Timeouts;
use crate::openclaw::version::Version;
use crate::words::{path as shown, printable};

/// More problems than this of one configuration are counted.
const MAX_PROBLEMS: usize = 20;

/// What was read, and what could not be.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub path: Option<PathBuf>,
    pub version: Option<Version>,
    pub timeouts: Timeouts,
    /// `session.store`: moves `sessions.json` and with it the sessions directory; may contain `{agentId}`.
    pub session_store: Option<PathBuf>,
    pub workspace: Option<PathBuf>,
    pub logging_file: Option<PathBuf>,
    pub gateway_port: Option<u16>,
    pub cron_store: Option<PathBuf>,
    pub agents: Vec<Agent>,
    /// The file is there and is not JSON5: how, as it stands behind its name.
    pub broken: Option<String>,
    /// Last change of the file.
    pub changed_at: Option<DateTime<Utc>>,
    /// One sentence for each thing that was not understood; defaults stand in for it.
    pub problems: Vec<String>,
}

/// An agent that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub id: String,
    /// Where it keeps what is its own, `auth-profiles.json` among it.
    pub directory: Option<PathBuf>,
}

impl Config {
    pub fn read(path: &Path, trust: Trust<'_>, environment: &Environment) -> Self {
        let kept::Read { root, broken, mut problems } = kept::read(path, trust);
        let there = root.is_some();
        let root = root.unwrap_or_default();
        let mut environment = environment.clone();
        variables::of_configuration(&root, &mut environment);
        let mut config = Self {
            path: there.then(|| path.to_owned()),
            broken,
            changed_at: path.metadata().and_then(|file| file.modified()).ok().map(DateTime::from),
            ..Self::from_value(&root, &environment, &mut problems)
        };
        let more = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        problems.extend((more > 0).then(|| format!("{}: {more} more problems", shown(path))));
        config.problems = problems;
        config
    }

    fn from_value(root: &Value, environment: &Environment, problems: &mut Vec<String>) -> Self {
        let mut value = Values { root, problems };
        let mut file = |keys: &[&str]| {
            let text = variables::substituted(value.text(keys)?, environment).unwrap_or_else(|why| {
                value.problems.push(format!("{} {}", keys.join("."), printable(&why.to_string())));
                String::new()
            });
            (!text.is_empty()).then(|| expand_home(&text, environment))
        };
        let session_store = file(&["session", "store"]);
        let workspace = file(&["agents", "defaults", "workspace"]).or_else(|| file(&["agent", "workspace"]));
        let (logging_file, cron_store) = (file(&["logging", "file"]), file(&["cron", "store"]));
        Self {
            path: None,
            version: value
                .parsed(&["meta", "lastTouchedVersion"], "a version", |it| it.as_str()?.parse().ok()),
            timeouts: timeouts(&mut value, environment),
            session_store,
            workspace,
            logging_file,
            gateway_port: value.parsed(&["gateway", "port"], "a port", |it| u16::try_from(it.as_u64()?).ok()),
            cron_store,
            agents: agents(&mut value, environment),
            broken: None,
            changed_at: None,
            problems: Vec::new(),
        }
    }
}

/// Values by their keys. One that is there and cannot be used is a problem: a default stands in for it.
struct Values<'a> {
    root: &'a Value,
    problems: &'a mut Vec<String>,
}

impl<'a> Values<'a> {
    fn parsed<T>(&mut self, keys: &[&str], what: &str, parse: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let found = lookup(self.root, keys)?;
        let parsed = parse(found);
        if parsed.is_none() {
            self.problems
                .push(format!("{} is not {what}; the default is taken in its place", keys.join(".")));
        }
        parsed
    }

    fn text(&mut self, keys: &[&str]) -> Option<&'a str> {
        self.parsed(keys, "a text", Value::as_str)
    }
}

/// The limits as they are configured; a variable of the gateway goes first.
fn timeouts(value: &mut Values<'_>, environment: &Environment) -> Timeouts {
    let run_seconds = value.parsed(&["agents", "defaults", "timeoutSeconds"], "a number", Value::as_f64);
    let compaction = ["agents", "defaults", "compaction", "timeoutSeconds"];
    let compaction_seconds = value.parsed(&compaction, "a number", Value::as_f64);
    let mut write_lock = |key: &str, variable: &str| {
        if let Some(ms) = environment.get(variable).and_then(|text| text.parse::<u64>().ok()) {
            return Some((Duration::from_millis(ms), format!("{variable} of the gateway")));
        }
        let positive = |it: &Value| it.as_u64().filter(|ms| *ms > 0);
        let ms = value.parsed(&["session", "writeLock", key], "a number of milliseconds", positive)?;
        Some((Duration::from_millis(ms), format!("session.writeLock.{key}")))
    };
    Timeouts {
        run_seconds,
        compaction_seconds,
        max_hold: write_lock("maxHoldMs", "OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS"),
        acquire: write_lock("acquireTimeoutMs", "OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS"),
    }
}

/// `agents.list[]` up to 2026.7, `agents.entries` from 2026.8.1.
fn agents(value: &mut Values<'_>, environment: &Environment) -> Vec<Agent> {
    let list = value.parsed(&["agents", "list"], "a list", Value::as_array);
    let entries = value.parsed(&["agents", "entries"], "an object", Value::as_object);
    let mut agent = |id: &str, entry: &Value| {
        let unusable = |why: String| format!("agentDir of the agent {} {}", printable(id), printable(&why));
        let directory = match entry.get("agentDir") {
            None => None,
            Some(Value::String(text)) => variables::substituted(text, environment)
                .map_err(|why| value.problems.push(unusable(why.to_string())))
                .ok(),
            Some(_) => {
                value.problems.push(unusable("is not a text".to_owned()));
                None
            }
        };
        let id = normalised(id);
        let directory = directory.map(|text| expand_home(&text, environment));
        (!id.is_empty()).then_some(Agent { id, directory })
    };
    let listed = list.into_iter().flatten().map(|entry| (entry.get("id").and_then(Value::as_str), entry));
    let named = entries.into_iter().flatten().map(|(id, entry)| (Some(id.as_str()), entry));
    let mut agents = Vec::new();
    for (id, entry) in listed.chain(named) {
        agents.extend(id.and_then(|id| agent(id, entry)));
    }
    if agents.len() >= kept::MAX_ENTRIES {
        value.problems.push(format!("more than {} agents; the rest is not looked at", kept::MAX_ENTRIES));
    }
    agents
}

/// As OpenClaw makes a directory's name of an agent's (`normalizeAgentId`): 64 lower-case letters, digits, `_`, `-`.
fn normalised(id: &str) -> String {
    let letter = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '_' | '-') => c,
        _ => '-',
    };
    let id: String = id.trim().chars().map(letter).collect();
    id.trim_matches('-').chars().take(64).collect()
}

fn lookup<'a>(root: &'a Value, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().try_fold(root, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &Environment) -> Config {
        let directory = tempfile::tempdir().expect("tempdir");
        let path = directory.path().join("openclaw.json");
        std::fs::write(&path, text).expect("write");
        std::fs::write(directory.path().join("more.json5"), "{session: {store: '${STORE}/s.json'}, l: [2]}")
            .expect("write");
        Config::read(&path, Trust::Named, environment)
    }

    #[test]
    fn json5_with_include_and_variables() {
        let text = "// a comment\n{ $include: './more.json5', agents: {defaults: {timeoutSeconds: 900.7,},}, \
                    meta: {lastTouchedVersion: '2026.5.22'} }";
        let config = read(text, &Environment::from([("STORE", "/data")]));
        assert_eq!(config.session_store.as_deref(), Some(Path::new("/data/s.json")));
        assert_eq!(config.version, Some(Version::release(5, 22)));
        assert_eq!(config.timeouts.run(None).value, Duration::from_secs(900));
        assert_eq!(config.problems, Vec::<String>::new());
    }

    #[test]
    fn what_a_lock_does_not_depend_on_is_no_problem() {
        let text = "{channels: {telegram: {botToken: '${TELEGRAM_TOKEN}', $include: './not-there'}}, \
                    session: {store: '${NOT_SET}/s.json'}}";
        let config = read(text, &Environment::default());
        assert_eq!(
            config.problems,
            ["session.store needs the variable NOT_SET, which is not set here; run lockdoctor with it"]
        );
        assert_eq!(config.session_store, None);
        let own = read(
            "{env: {vars: {A: '/a'}, B: 'b'}, session: {store: '${A}/${B}.json'}}",
            &Environment::default(),
        );
        assert_eq!(own.session_store.as_deref(), Some(Path::new("/a/b.json")));
    }

    #[test]
    fn agents_of_both_forms() {
        let text =
            "{agents: {list: [{id: 'Neo Two', agentDir: '/a'}, {id: 'x'}], entries: {y: {agentDir: '/b'}}}}";
        let agents = read(text, &Environment::default()).agents;
        let seen: Vec<_> = agents.iter().map(|agent| (&*agent.id, agent.directory.as_deref())).collect();
        assert_eq!(seen, [("neo-two", Some(Path::new("/a"))), ("x", None), ("y", Some(Path::new("/b")))]);
    }

    #[test]
    fn broken_missing_and_hostile_files_leave_the_defaults() {
        let none = Environment::default();
        let broken = read("{ token: 'sk-secret' oops", &none);
        assert_eq!(broken.problems.len(), 1);
        assert!(!broken.problems[0].contains("sk-secret"), "{:?}", broken.problems);
        assert_eq!(broken.broken.as_deref(), Some("is not valid JSON5 (line 1, column 22)"));
        // What an editor leaves that was killed while it wrote.
        let cut = read("{\n \"gateway\": {\n  \"port\": 18789,", &none);
        assert_eq!(cut.broken.as_deref(), Some("is not valid JSON5 (it ends too early)"));
        assert_eq!(read("{}", &none).broken, None);
        assert!(read(&"[".repeat(200_000), &none).problems[0].contains("nested"));
        let outside = read("{ $include: '../../../../etc/hostname' }", &none);
        assert!(outside.problems[0].contains("outside") || outside.problems[0].contains("cannot be read"));
        assert!(Config::read(Path::new("/nonexistent/x.json"), Trust::Named, &none).problems.is_empty());
    }

    /// 87 bytes of this once hung every command.
    #[test]
    fn files_that_include_themselves_or_each_other_are_said_and_end() {
        let none = Environment::default();
        let four = "{\"$include\": [\"./openclaw.json\", \"./openclaw.json\", \"./openclaw.json\", \"./openclaw.json\"]}";
        let config = read(four, &none);
        assert_eq!(config.problems.len(), 4, "{:?}", config.problems);
        assert!(config.problems[0].contains("includes itself"), "{:?}", config.problems);

        let directory = tempfile::tempdir().expect("tempdir");
        let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("write");
        // A file for each step of the way down, each twice: 2^10 without a budget.
        for step in 0..12 {
            file(&format!("{step}.json"), &format!("{{$include: ['./{0}.json', './{0}.json']}}", step + 1));
        }
        file("openclaw.json", "{$include: './0.json', session: {store: '/x/s.json'}}");
        let started = std::time::Instant::now();
        let config = Config::read(&directory.path().join("openclaw.json"), Trust::Named, &none);
        assert!(started.elapsed() < Duration::from_secs(2));
        assert!(config.problems.iter().any(|problem| problem.contains("more than")), "{:?}", config.problems);
        assert_eq!(config.session_store.as_deref(), Some(Path::new("/x/s.json")));
        assert!(config.problems.len() <= MAX_PROBLEMS + 1);
    }

    /// What a default stands in for is said, whichever key it is.
    #[test]
    fn what_is_no_value_of_its_key_is_said() {
        for (text, key) in [
            ("{agents: {defaults: {timeoutSeconds: '900'}}}", "agents.defaults.timeoutSeconds"),
            ("{agents: {defaults: {compaction: {timeoutSeconds: true}}}}", "compaction.timeoutSeconds"),
            ("{session: {writeLock: {maxHoldMs: -1}}}", "session.writeLock.maxHoldMs"),
            ("{session: {writeLock: {acquireTimeoutMs: 'x'}}}", "session.writeLock.acquireTimeoutMs"),
            ("{session: {store: 7}}", "session.store"),
            ("{session: {store: ['/a.json']}}", "session.store"),
            ("{logging: {file: {}}}", "logging.file"),
            ("{gateway: {port: 123456}}", "gateway.port"),
            ("{cron: {store: false}}", "cron.store"),
            ("{meta: {lastTouchedVersion: 'of late'}}", "meta.lastTouchedVersion"),
            ("{agents: {list: {id: 'a'}}}", "agents.list"),
            ("{agents: {list: [{id: 'a', agentDir: '${NOT_SET}/a'}]}}", "agentDir of the agent a"),
            ("{agents: {entries: {b: {agentDir: 5}}}}", "agentDir of the agent b"),
            ("{session: {$include: 5}}", "$include"),
            ("{session: {$include: [5]}}", "$include"),
        ] {
            let config = read(text, &Environment::default());
            assert!(
                config.problems.iter().any(|problem| problem.contains(key)),
                "{text}: {:?}",
                config.problems
            );
        }
    }
}
