//! The parts of OpenClaw's configuration that locks depend on: JSON5 with `$include` and `${VARIABLE}`.
//! A missing or broken file is said and replaced by defaults; lockdoctor never writes it.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags};
use serde_json::{Map, Value};

use crate::openclaw::timeouts::Timeouts;
use crate::openclaw::version::Version;

const MAX_CONFIG_BYTES: u64 = 4 * 1024 * 1024;
/// OpenClaw's own bound for `$include` (2.26 `auth-profiles-6WJHPoy1.js:5004-5186`).
const MAX_INCLUDE_DEPTH: usize = 10;
/// The JSON5 parser recurses; real configurations are less than 20 deep.
const MAX_NESTING: usize = 100;

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
    /// One sentence for each thing that was not understood; defaults stand in for it.
    pub problems: Vec<String>,
}

/// The limits as they are configured; a variable of the gateway goes first.
fn timeouts(root: &Value, environment: &Environment) -> Timeouts {
    let number = |path: &[&str]| lookup(root, path).and_then(Value::as_f64);
    let write_lock = |key: &str, variable: &str| {
        if let Some(ms) = environment.get(variable).and_then(|text| text.parse::<u64>().ok()) {
            return Some((Duration::from_millis(ms), format!("{variable} of the gateway")));
        }
        let ms = lookup(root, &["session", "writeLock", key])?.as_u64().filter(|ms| *ms > 0)?;
        Some((Duration::from_millis(ms), format!("session.writeLock.{key}")))
    };
    Timeouts {
        run_seconds: number(&["agents", "defaults", "timeoutSeconds"]),
        compaction_seconds: number(&["agents", "defaults", "compaction", "timeoutSeconds"]),
        max_hold: write_lock("maxHoldMs", "OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS"),
        acquire: write_lock("acquireTimeoutMs", "OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS"),
    }
}

/// Environment variables, of the gateway where they can be read, else of this process.
#[derive(Debug, Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    pub fn of_this_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// `/proc/PID/environ`; readable for the same uid.
    pub fn of_process(pid: u32) -> Option<Self> {
        let bytes = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let pairs = bytes.split(|b| *b == 0).filter_map(|pair| {
            let (key, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        Some(Self(pairs.collect()))
    }

    /// `~` as the owner of the state directory means it: root looks at other users' installs too.
    pub fn as_owner_of(mut self, state: &Path) -> Self {
        let name = state.file_name().unwrap_or_default().to_string_lossy();
        let default = crate::openclaw::names::STATE_DIRECTORIES.iter().any(|known| name.starts_with(known));
        if let Some(home) = state.parent().filter(|_| default) {
            self.0.remove("OPENCLAW_HOME");
            self.0.insert("HOME".to_owned(), home.to_string_lossy().into_owned());
        }
        self
    }

    /// A variable that is set and not blank, as OpenClaw reads them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}

impl Config {
    /// Reads the configuration at `path`. Links below the state directory are not followed; a path that the
    /// user named (`OPENCLAW_CONFIG_PATH`) may be one.
    pub fn read(path: &Path, links: Links, environment: &Environment) -> Self {
        let mut problems = Vec::new();
        let mut root = match read_json5(path, links) {
            Ok(Some(value)) => value,
            Ok(None) => return Self::from_value(&Value::Null, None, Vec::new(), environment),
            Err(problem) => {
                problems.push(format!("{}: {problem}; defaults are used", path.display()));
                return Self::from_value(&Value::Null, Some(path), problems, environment);
            }
        };
        let directory = path.parent().unwrap_or(Path::new("/"));
        include(&mut root, directory, directory, 0, &mut problems);
        substitute(&mut root, environment, &mut problems);
        Self::from_value(&root, Some(path), problems, environment)
    }

    fn from_value(
        root: &Value,
        path: Option<&Path>,
        problems: Vec<String>,
        environment: &Environment,
    ) -> Self {
        let text = |keys: &[&str]| lookup(root, keys).and_then(Value::as_str).map(str::to_owned);
        let file = |keys: &[&str]| text(keys).map(|t| expand_home(&t, environment));
        Self {
            path: path.map(Path::to_owned),
            version: text(&["meta", "lastTouchedVersion"]).and_then(|v| v.parse().ok()),
            timeouts: timeouts(root, environment),
            session_store: file(&["session", "store"]),
            workspace: file(&["agents", "defaults", "workspace"]).or_else(|| file(&["agent", "workspace"])),
            logging_file: file(&["logging", "file"]),
            gateway_port: lookup(root, &["gateway", "port"])
                .and_then(Value::as_u64)
                .and_then(|port| u16::try_from(port).ok()),
            cron_store: file(&["cron", "store"]),
            problems,
        }
    }
}

/// Whether the last component of a path may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    Follow,
    Refuse,
}

/// `~` as OpenClaw expands it.
pub fn expand_home(text: &str, environment: &Environment) -> PathBuf {
    match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => home(environment)
            .map_or_else(|| PathBuf::from(text), |home| home.join(rest.trim_start_matches('/'))),
        _ => PathBuf::from(text),
    }
}

/// `OPENCLAW_HOME` (2.9 and later), then `HOME`, then `USERPROFILE`.
pub fn home(environment: &Environment) -> Option<PathBuf> {
    let os_home = environment.get("HOME").or_else(|| environment.get("USERPROFILE"));
    match environment.get("OPENCLAW_HOME") {
        Some(own) => match (own.strip_prefix('~'), os_home) {
            (Some(rest), Some(base)) => Some(Path::new(base).join(rest.trim_start_matches('/'))),
            _ => Some(PathBuf::from(own)),
        },
        None => os_home.map(PathBuf::from),
    }
}

/// Reads a regular file of bounded size. `Ok(None)`: there is none.
pub fn read_bounded(path: &Path, links: Links, limit: u64) -> Result<Option<Vec<u8>>, String> {
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let fd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return Err("is a symbolic link, which is not followed".to_owned()),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| format!("cannot be read: {error}"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let mut file = std::fs::File::from(fd).take(limit + 1);
    file.read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("is larger than {limit} bytes"));
    }
    Ok(Some(bytes))
}

/// Reads one JSON5 file.
pub fn read_json5(path: &Path, links: Links) -> Result<Option<Value>, String> {
    let Some(bytes) = read_bounded(path, links, MAX_CONFIG_BYTES)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    if nesting(&text) > MAX_NESTING {
        return Err("is nested too deeply".to_owned());
    }
    // The parser's own message may quote the file, which may hold tokens: only the position is passed on.
    json5::from_str(&text).map(Some).map_err(|error| match error.position() {
        Some(at) => format!("is not valid JSON5 (line {}, column {})", at.line + 1, at.column + 1),
        None => "is not valid JSON5".to_owned(),
    })
}

/// An upper bound of the nesting depth: brackets inside strings count too.
fn nesting(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn lookup<'a>(root: &'a Value, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().try_fold(root, |value, key| value.get(key))
}

/// Replaces `$include` by what it names: relative to the including file, inside the configuration's own
/// directory, deep-merged in order, the including object's own keys last.
fn include(value: &mut Value, base: &Path, confine: &Path, depth: usize, problems: &mut Vec<String>) {
    let Value::Object(object) = value else {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(|item| include(item, base, confine, depth, problems));
        }
        return;
    };
    let names: Vec<String> = match object.shift_remove("$include") {
        None => Vec::new(),
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect(),
        Some(_) => {
            problems.push("$include is neither a string nor a list; it is ignored".to_owned());
            Vec::new()
        }
    };
    let mut merged = Value::Object(Map::new());
    for name in names {
        match load_include(&name, base, confine, depth) {
            Ok((mut part, directory)) => {
                include(&mut part, &directory, confine, depth + 1, problems);
                merge(&mut merged, part);
            }
            Err(problem) => problems.push(format!("$include {name}: {problem}; it is ignored")),
        }
    }
    let mut own = Value::Object(std::mem::take(object));
    if let Value::Object(own) = &mut own {
        own.values_mut().for_each(|item| include(item, base, confine, depth, problems));
    }
    merge(&mut merged, own);
    *value = merged;
}

fn load_include(name: &str, base: &Path, confine: &Path, depth: usize) -> Result<(Value, PathBuf), String> {
    if depth >= MAX_INCLUDE_DEPTH {
        return Err(format!("more than {MAX_INCLUDE_DEPTH} levels deep"));
    }
    let path = base.join(name);
    let real = path.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
    let confine = confine.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
    if !real.starts_with(&confine) {
        return Err("lies outside the configuration's directory".to_owned());
    }
    let value = read_json5(&real, Links::Refuse)?.ok_or("does not exist")?;
    Ok((value, real.parent().unwrap_or(&confine).to_owned()))
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(existing) => merge(existing, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

/// `${UPPER_CASE}` in string values; `$${X}` is an escape. Values stay strings.
fn substitute(value: &mut Value, environment: &Environment, problems: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains("${") => *text = substitute_text(text, environment, problems),
        Value::Array(items) => items.iter_mut().for_each(|item| substitute(item, environment, problems)),
        Value::Object(object) => object.values_mut().for_each(|item| substitute(item, environment, problems)),
        _ => {}
    }
}

fn substitute_text(text: &str, environment: &Environment, problems: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let name = from[2..].split('}').next().unwrap_or_default();
        let is_name = !name.is_empty()
            && from.len() > name.len() + 2
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !is_name {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        let whole = &from[..name.len() + 3];
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str(whole);
        } else {
            out.push_str(before);
            if let Some(value) = environment.get(name) {
                out.push_str(value);
            } else {
                problems
                    .push(format!("the variable {name} is not set here; what uses it is taken literally"));
                out.push_str(whole);
            }
        }
        rest = &from[whole.len()..];
    }
    out + rest
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
        Config::read(&path, Links::Refuse, environment)
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
    fn broken_missing_and_hostile_files_leave_the_defaults() {
        let none = Environment::default();
        let broken = read("{ token: 'sk-secret' oops", &none);
        assert_eq!(broken.problems.len(), 1);
        assert!(!broken.problems[0].contains("sk-secret"), "{:?}", broken.problems);
        assert!(read(&"[".repeat(200_000), &none).problems[0].contains("nested"));
        let outside = read("{ $include: '../../../../etc/hostname' }", &none);
        assert!(outside.problems[0].contains("outside") || outside.problems[0].contains("cannot be read"));
        assert!(Config::read(Path::new("/nonexistent/x.json"), Links::Refuse, &none).problems.is_empty());
    }

    #[test]
    fn strings_are_no_timeouts() {
        let config = read("{agents: {defaults: {timeoutSeconds: '900'}}}", &Environment::default());
        assert_eq!(config.timeouts.run_seconds, None);
    }

    #[test]
    fn escaped_variables_stay() {
        let mut problems = Vec::new();
        let env = Environment::from([("A", "1")]);
        assert_eq!(substitute_text("$${A} ${A} ${b} ${", &env, &mut problems), "${A} 1 ${b} ${");
        assert!(problems.is_empty());
    }
}
