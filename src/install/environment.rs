//! Environment variables as OpenClaw sees them: of its process where that can be read, of `.env` in its state
//! directory, and the directories that hang on them.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::file::{Trust, read_bounded};
use crate::evidence::directory::Directory;
use crate::openclaw::names::STATE_DIRECTORIES;

const MAX_BYTES: u64 = 4 * 1024 * 1024;
const MAX_DOTENV_BYTES: u64 = 256 * 1024;

/// Variables by their names.
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
        let file = std::fs::File::open(format!("/proc/{pid}/environ")).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
        let pairs = bytes.split(|b| *b == 0).filter_map(|pair| {
            let (key, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        Some(Self(pairs.collect()))
    }

    /// What stands in for the gateway's where no gateway runs: this process's, if it is the same user's; of another
    /// user's install the home that it lies in is known, and what is meant for OpenClaw; the rest is ours alone.
    pub fn presumed(self, root: &Directory) -> Self {
        let mut presumed = self;
        if root.uid != root.euid {
            presumed
                .0
                .retain(|name, _| ["OPENCLAW_", "CLAWDBOT_"].iter().any(|start| name.starts_with(start)));
        }
        let name = root.path.file_name().unwrap_or_default().to_string_lossy();
        let usual = STATE_DIRECTORIES.iter().any(|known| name.starts_with(known));
        if let Some(home) = root.path.parent().filter(|_| usual) {
            presumed.0.remove("OPENCLAW_HOME");
            presumed.0.insert("HOME".to_owned(), home.to_string_lossy().into_owned());
        }
        presumed
    }

    /// Adds what `.env` in the state directory sets and nothing else does, as OpenClaw does at its start.
    pub fn with_dotenv(mut self, root: &Directory) -> Result<Self, String> {
        let bytes = read_bounded(&root.path.join(".env"), Trust::Below(root), MAX_DOTENV_BYTES)?;
        for (name, value) in bytes.iter().flat_map(|bytes| dotenv(&String::from_utf8_lossy(bytes))) {
            self.0.entry(name).or_insert(value);
        }
        Ok(self)
    }

    /// Adds a variable that nothing else sets.
    pub fn or_set(&mut self, name: &str, value: &str) {
        self.0.entry(name.to_owned()).or_insert_with(|| value.to_owned());
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

/// `NAME=value`, `export NAME="value" # comment`: the forms of dotenv, without its multi-line values.
fn dotenv(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let name = name.trim();
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let value = value.trim();
        let quoted = ['"', '\'', '`'].into_iter().find_map(|quote| {
            let rest = value.strip_prefix(quote)?;
            Some(rest[..rest.find(quote)?].to_owned())
        });
        let plain = || value.split(" #").next().unwrap_or_default().trim_end().to_owned();
        is_name.then(|| (name.to_owned(), quoted.unwrap_or_else(plain)))
    };
    text.lines().filter_map(pair).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_dotenv() {
        let text =
            "# comment\nSTORE=/data # where\nexport NAME=\"a b # c\" # d\n EMPTY=\nQ='x'\n1 A=b\nno line\n";
        let pairs = dotenv(text);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("STORE", "/data"), ("NAME", "a b # c"), ("EMPTY", ""), ("Q", "x")]);
    }
}
