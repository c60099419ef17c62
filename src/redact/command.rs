//! A line of somebody's crontab: what it runs, on which lock files. Programs, options and places that are known stand;
//! whatever else it holds (an address, a password, a name) is left out.

use super::CUT;
use super::allowed::{is_name, path};
use super::keys::Agents;

/// What a job that cleans up is made of.
const WORDS: &[&str] = &[
    "bash", "cd", "do", "docker", "done", "echo", "env", "exec", "f", "fi", "find", "flock", "for", "if",
    "in", "ionice", "nice", "podman", "rm", "root", "sh", "shred", "sudo", "test", "then", "timeout",
    "touch", "trash", "true", "unlink", "xargs",
];
/// Behind one of these a number measures.
const NUMBERED: &[&str] = &[
    "-amin",
    "-atime",
    "-cmin",
    "-ctime",
    "-maxdepth",
    "-mindepth",
    "-mmin",
    "-mtime",
    "-n",
    "-size",
    "-w",
    "timeout",
];
const OPTIONS: &[&str] = &[
    "-0", "-H", "-I", "-L", "-a", "-c", "-delete", "-e", "-empty", "-exec", "-execdir", "-f", "-fr",
    "-iname", "-lc", "-name", "-newermt", "-not", "-o", "-or", "-path", "-print", "-print0", "-r", "-regex",
    "-rf", "-s", "-t", "-type", "-user", "-v", "-x",
];
/// Fields of a crontab that say when.
const SCHEDULE: usize = 5;

/// The line as it may be shown; `agents` tells whether paths are shown as they stand.
pub(super) fn line(text: &str, agents: Agents) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut before = "";
    for (index, word) in text.split_whitespace().enumerate() {
        let bare = word.trim_matches(|c: char| "\"'`();{}&|<>\\".contains(c));
        let stands = bare.is_empty()
            || OPTIONS.contains(&bare)
            || NUMBERED.contains(&bare)
            || bare.rsplit('/').next().is_some_and(|program| WORDS.contains(&program)) && is_program(bare)
            || is_pattern(bare)
            || is_number(bare) && (index < SCHEDULE || NUMBERED.contains(&before))
            || index == 0 && bare.strip_prefix('@').is_some_and(|when| when.chars().all(char::is_alphabetic));
        let word = if stands {
            word.to_owned()
        } else if is_place(bare) {
            word.replacen(bare, &place(bare, agents), 1)
        } else {
            CUT.to_owned()
        };
        if word != CUT || shown.last().is_none_or(|last| last != CUT) {
            shown.push(word);
        }
        before = bare;
    }
    shown.join(" ")
}

fn is_program(word: &str) -> bool {
    ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/"]
        .iter()
        .any(|place| word.strip_prefix(place).is_some_and(|name| !name.contains('/')))
        || !word.contains('/')
}

/// `*.lock`, `*.jsonl.*`, `sessions.json.lock`.
fn is_pattern(word: &str) -> bool {
    let parts = || word.split(['*', '?', '.']).filter(|part| !part.is_empty());
    word.contains(['*', '.']) && !word.contains('/') && parts().all(is_name)
}

/// `5`, `+2`, `-10`, `*/2`, `0-30`, `1,15`.
fn is_number(word: &str) -> bool {
    word.len() <= 12 && word.chars().all(|c| c.is_ascii_digit() || "+-*/,".contains(c))
}

fn is_place(word: &str) -> bool {
    let starts = ["/", "~/", "$HOME/", "%h/", "${HOME}/"];
    starts.iter().any(|start| word.starts_with(start)) && !word.contains("://") && !word.contains('=')
}

fn place(word: &str, agents: Agents) -> String {
    if agents == Agents::Named {
        return word.to_owned();
    }
    let home = word.find('/').unwrap_or(0);
    let (home, rest) = word.split_at(home);
    let known = rest.split_inclusive('/').map(|piece| match piece.trim_end_matches('/') {
        name if name.contains('*') && (name == "*" || is_pattern(name)) => piece.to_owned(),
        _ => path(piece),
    });
    format!("{home}{}", known.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jobs_of_the_field_can_be_recognised() {
        for text in [
            r#"*/2 * * * * find ~/.clawdbot/agents -name "*.lock" -mmin +2 -delete"#,
            r"@reboot rm -f ~/.openclaw/agents/*/sessions/*.lock",
            r"* * * * * root find /home/node/.openclaw -name '*.lock' | xargs rm -f",
            r"* * * * * (flock -w 10 /tmp; rm -f /root/.openclaw/agents/main/sessions/*.lock)",
            r"0 3 * * 1-5 /usr/bin/find $HOME/.openclaw -type f -name *.jsonl.lock -exec /bin/rm {} ;",
        ] {
            assert_eq!(line(text, Agents::Named), text);
            assert_eq!(line(text, Agents::Masked), text);
        }
    }

    #[test]
    fn what_else_a_job_holds_is_left_out() {
        for text in [
            "*/2 * * * * TOKEN=hunter2 find /x -name '*.lock' -delete && curl https://u:hunter2@hooks.example.com/T0/hunter2",
            "*/2 * * * * mysql -phunter2 -e hunter2; rm /x/*.lock # hunter2 knows",
            "*/2 * * * * hunter2 rm --password hunter2 --token=hunter2 4711",
            "MAILTO=hunter2@example.org",
        ] {
            for agents in [Agents::Named, Agents::Masked] {
                let shown = line(text, agents);
                assert!(!shown.contains("hunter2") && !shown.contains("4711"), "{shown}");
            }
        }
        assert!(!line("* * * * * rm /srv/anna/x.lock", Agents::Masked).contains("anna"));
    }
}
