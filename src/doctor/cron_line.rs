//! Does this line delete OpenClaw's locks? Pure. Meant for people: it names lines to look at.

use std::path::Path;

/// Whether `line` of a crontab, a script or a unit deletes lock files that may be those of an install below
/// one of `state_dirs`.
pub(super) fn deletes_locks(line: &str, state_dirs: &[&Path]) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
        return false;
    }
    deletes(line) && names_locks(line) && concerns(line, state_dirs)
}

fn deletes(line: &str) -> bool {
    let mut words = line.split(|c: char| c.is_whitespace() || "|;&({`".contains(c));
    line.contains("-delete") || words.any(|word| matches!(program(word), "rm" | "unlink" | "shred" | "trash"))
}

fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// `*.lock`, `sessions.json.lock`, `*.jsonl.*`; not `/var/lock`, and not the file that `flock` waits for.
fn names_locks(line: &str) -> bool {
    let at_end = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let names_one = |word: &str| {
        word.match_indices(".lock").any(|(at, found)| at_end(&word[at + found.len()..]))
            || word.contains("*lock*")
    };
    let mut flock_waits = false;
    line.split_whitespace().any(|word| {
        let option = word.starts_with('-') || word.chars().all(|c| c.is_ascii_digit());
        let waited_for = flock_waits && !option;
        flock_waits = program(word) == "flock" || flock_waits && option;
        !waited_for && names_one(word)
    })
}

fn concerns(line: &str, state_dirs: &[&Path]) -> bool {
    let lower = line.to_ascii_lowercase();
    let products = ["openclaw", "clawdbot", "moltbot", "moldbot", ".jsonl.lock", "sessions.json.lock"];
    products.iter().any(|product| lower.contains(product))
        || line.contains("agents/") && line.contains("sessions")
        || paths(line).any(|path| {
            state_dirs.iter().any(|dir| dir.starts_with(path) || Path::new(path).starts_with(dir))
        })
}

/// Absolute paths that a search starts from. `/` and `/tmp` alone would match everybody's housekeeping.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || "'\"=;|&".contains(c))
        .filter(|word| word.starts_with('/') && word.len() > 1 && *word != "/tmp")
}

/// Programs that a line runs and that are files with lines of their own to look at.
pub(super) fn scripts(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || "'\"=;|&()`".contains(c)).filter(|word| {
        word.starts_with('/')
            && !["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/dev/", "/proc/"]
                .iter()
                .any(|system| word.starts_with(system))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> bool {
        deletes_locks(line, &[Path::new("/srv/bot/.state")])
    }

    #[test]
    fn the_lines_of_the_field_are_found() {
        for line in [
            r#"*/2 * * * * find ~/.clawdbot/agents -name "*.lock" -mmin +2 -delete"#,
            r#"*/2 * * * * find /root/.clawdbot/agents/main/sessions -name "*.lock" -mmin +2 -delete"#,
            r"@reboot rm -f ~/.openclaw/agents/*/sessions/*.lock",
            r"* * * * * root find /home/node/.openclaw -name '*.lock' | xargs rm -f",
            r"ExecStartPre=/usr/bin/find %h/.openclaw -name *.jsonl.lock -exec /bin/rm {} ;",
            r"*/5 * * * * find /srv/bot -name *.lock -delete",
            r"0 * * * * /bin/rm /srv/bot/.state/agents/main/sessions/sessions.json.lock",
            r"* * * * * flock -n /tmp/cleanup.lock find /root/.openclaw -name '*.lock' -delete",
            r"* * * * * (flock -w 10 9; rm -f /root/.openclaw/agents/main/sessions/*.lock) 9>/tmp/lock",
        ] {
            assert!(found(line), "{line}");
        }
    }

    #[test]
    fn other_housekeeping_is_left_alone() {
        for line in [
            "",
            r#"# */2 * * * * find ~/.clawdbot/agents -name "*.lock" -mmin +2 -delete"#,
            "17 * * * * root cd / && run-parts --report /etc/cron.hourly",
            "* * * * * flock -n /var/lock/backup.lock rm -rf /home/node/.openclaw/tmp/old",
            "* * * * * flock -w 10 ~/.openclaw/backup.lock rm -rf /home/node/.openclaw/tmp/old",
            "0 3 * * * rm -f /var/lib/apt/lists/lock",
            "0 3 * * * find /var/cache -name '*.lock' -delete",
            "0 3 * * * find / -name 'core.lock' -delete",
            "*/5 * * * * lockdoctor reclaim --yes --quiet",
            r#"0 0 * * * find ~/.openclaw/agents -name "*.lock" -mmin +2 -print"#,
        ] {
            assert!(!found(line), "{line}");
        }
    }
}
