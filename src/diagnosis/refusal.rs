//! Why OpenClaw refused to start, by the form of its own sentence, and what to type then. A reason that is not known is
//! no silence: OpenClaw itself is asked.

use super::finding::Remedy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another process of OpenClaw has the state.
    Owned,
    Port(Option<u16>),
    Configuration,
    /// There is no configuration yet.
    NotConfigured,
    /// `gateway.mode` is not `local`: OpenClaw takes the configuration for a damaged one, or for another machine's.
    NotLocal,
    /// An option of its start command.
    Option(Option<&'static str>),
    /// A password is wanted, and none is set.
    NoPassword,
    /// Not without a password or token, on an address that others can reach.
    NoAuthentication,
    /// A newer OpenClaw wrote the databases.
    Newer,
    Migration,
    /// Of the agents' databases, by another process.
    Maintenance,
    /// The machine was too slow for one of its own limits.
    TooSlow,
    DiskFull,
    /// It may not open as many files as it needs.
    FileLimit,
    /// Its lock file, or any other; the system's word.
    NotWritable {
        lock: bool,
        code: Option<&'static str>,
    },
    Runtime,
    Unknown,
}

impl Refusal {
    /// From the sentence after `Gateway failed to start: `, or the reason in `gateway_boot_lifecycle`.
    pub(super) fn of(reason: &str) -> Self {
        let text = reason.to_ascii_lowercase();
        let code =
            ["EACCES", "EPERM", "EROFS", "ENOSYS", "ENOTSUP"].into_iter().find(|code| reason.contains(code));
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["another openclaw process", "stop other openclaw processes", "still open in process"]) {
            Self::Owned
        } else if says(&["without auth"]) {
            Self::NoAuthentication
        } else if says(&["no password is configured"]) {
            Self::NoPassword
        } else if says(&["missing config."]) {
            Self::NotConfigured
        } else if says(&["set gateway.mode=local", "missing gateway.mode"]) {
            Self::NotLocal
        } else if text.starts_with("invalid --") {
            Self::Option(
                ["--bind", "--auth", "--tailscale", "--port"].into_iter().find(|it| text.contains(it)),
            )
        } else if says(&["eaddrinuse", "already in use", "already listening"]) {
            Self::Port(port(&text))
        } else if says(&["enospc", "no space left", "disk is full", "disk full"]) {
            Self::DiskFull
        } else if says(&["emfile", "enfile", "too many open files"]) {
            Self::FileLimit
        } else if says(&["newer openclaw", "newer schema", "newer-schema", "newer than this build"]) {
            Self::Newer
        } else if says(&["maintenance is in progress", "maintenance in progress"]) {
            Self::Maintenance
        } else if says(&["migration", "doctor --fix", "requires maintenance"]) {
            Self::Migration
        } else if says(&["permission denied", "read-only", "readonly"]) || code.is_some() {
            Self::NotWritable { lock: says(&["gateway lock"]), code }
        } else if says(&["requires node", "unsupported node", "node.js v", "openclaw: node"]) {
            Self::Runtime
        } else if says(&["config", "gateway.mode", "gateway.auth", "credential", "api key"]) {
            Self::Configuration
        } else if says(&["did not become ready", "timed out", "timeout"]) {
            Self::TooSlow
        } else {
            Self::Unknown
        }
    }

    /// A clause that goes on after "refused to start: ".
    pub(super) fn why(self) -> Option<String> {
        Some(match self {
            Self::Owned => "another OpenClaw process owns its state".to_owned(),
            Self::Port(Some(port)) => format!("another process has port {port}"),
            Self::Port(None) => "another process has its port".to_owned(),
            Self::Configuration => "its configuration is not valid".to_owned(),
            Self::NotConfigured => "it has no configuration yet".to_owned(),
            Self::NotLocal => "its configuration does not say `gateway.mode: local`".to_owned(),
            Self::Option(Some(option)) => format!("{option} in its start command has no valid value"),
            Self::Option(None) => "an option of its start command is not valid".to_owned(),
            Self::NoPassword => "clients are to log in with a password, and none is set".to_owned(),
            Self::NoAuthentication => {
                "others could reach it, and neither a token nor a password is set".to_owned()
            }
            Self::Newer => "a newer OpenClaw than this one wrote its databases".to_owned(),
            Self::Migration => "its databases need a migration that it does not do by itself".to_owned(),
            Self::Maintenance => "a maintenance of its databases is under way, or counts as such".to_owned(),
            Self::TooSlow => {
                "a part of it was not ready within its time limit, as on a busy machine".to_owned()
            }
            Self::DiskFull => "the disk is full".to_owned(),
            Self::FileLimit => "it may not open as many files as it needs".to_owned(),
            Self::NotWritable { lock, code } => {
                let code = code.map_or_else(String::new, |code| format!(" ({code})"));
                let what = if lock { "its lock file" } else { "a file of its own" };
                format!("the system refused it {what}{code}")
            }
            Self::Runtime => "this Node.js cannot run it".to_owned(),
            Self::Unknown => return None,
        })
    }

    /// Whether OpenClaw's own sentence, as far as it may be shown, says more.
    pub(super) fn leaves_something_to_say(self) -> bool {
        !matches!(
            self,
            Self::NotConfigured
                | Self::NotLocal
                | Self::Option(_)
                | Self::NoPassword
                | Self::NoAuthentication
        )
    }

    /// It exits with 78, and systemd does not try again (`RestartPreventExitStatus=78`).
    pub(super) fn is_final(self) -> bool {
        matches!(
            self,
            Self::Owned
                | Self::Configuration
                | Self::NotConfigured
                | Self::NotLocal
                | Self::NoPassword
                | Self::NoAuthentication
                | Self::Newer
                | Self::Migration
        )
    }

    /// What to do, the cure first.
    pub(super) fn remedies(self) -> Vec<Remedy> {
        let mut remedies = match self {
            Self::Owned => vec![Remedy::hint(
                "Look for a living `openclaw doctor`, `update` or second gateway (`ps aux | grep openclaw`) and let it end. \
                 Never delete `*.lock.sqlite` files: the kernel holds those locks.",
            )],
            Self::Port(port) => {
                let filter = port.map_or_else(String::new, |port| format!(" 'sport = :{port}'"));
                vec![Remedy::command(
                    format!("ss -ltnp{filter}"),
                    "names the program: end it, or set another `gateway.port`",
                )]
            }
            Self::Configuration => vec![
                Remedy::command("openclaw config validate", "names what is wrong"),
                Remedy::command(
                    "openclaw doctor --fix",
                    "repairs what it knows, or puts the last valid one back",
                ),
            ],
            Self::NotConfigured => vec![Remedy::command(
                "openclaw setup",
                "writes a configuration; if there was one, OPENCLAW_CONFIG_PATH or OPENCLAW_STATE_DIR names another place",
            )],
            Self::NotLocal => vec![Remedy::command(
                "openclaw config set gateway.mode local",
                "if this machine runs the gateway; a configuration that has lost more than that is restored from its .bak",
            )],
            Self::Option(_) => vec![Remedy::hint(
                "Correct it where the gateway is started: the unit (`systemctl --user cat openclaw-gateway`), the compose \
                 file or the command line.",
            )],
            Self::NoPassword => vec![Remedy::hint(
                "Set `gateway.auth.password`, or OPENCLAW_GATEWAY_PASSWORD where it runs; or `gateway.auth.mode` to token.",
            )],
            Self::NoAuthentication => vec![Remedy::command(
                "openclaw doctor --generate-gateway-token",
                "sets a token, with which clients then log in; or set OPENCLAW_GATEWAY_TOKEN where it runs, or \
                 `gateway.bind` to loopback",
            )],
            Self::Newer => vec![Remedy::hint(
                "Update OpenClaw to the version that wrote them, or restore the backup that was made before the update.",
            )],
            Self::Migration => vec![Remedy::command("openclaw doctor --fix", "migrates them")],
            Self::Maintenance => {
                vec![Remedy::command("lockdoctor scan", "names who is at it, and until when it counts")]
            }
            Self::TooSlow => Vec::new(),
            Self::DiskFull => vec![Remedy::command("df -h", "shows which disk is full: make room first")],
            Self::FileLimit => vec![Remedy::hint(
                "Raise the limit where the gateway is started: `LimitNOFILE=` in its unit, `ulimits:` in compose, \
                 `ulimit -n 65536` in the shell.",
            )],
            Self::NotWritable { .. } => vec![Remedy::hint(
                "The state directory, and everything below it, must belong to the gateway's user and be writable: \
                 look at its owner, its mount and its free space.",
            )],
            Self::Runtime => {
                vec![Remedy::command("node --version", "OpenClaw names in its refusal which it needs")]
            }
            Self::Unknown => vec![
                Remedy::command(
                    "openclaw gateway status --deep",
                    "says what OpenClaw knows of it; only reads",
                ),
                Remedy::command("openclaw doctor", "checks the install"),
            ],
        };
        let again = if self.is_final() {
            "after that: a refusal of this kind exits with 78, and systemd does not try again"
        } else {
            "starts it again"
        };
        remedies.push(Remedy::command("openclaw gateway start", again));
        remedies
    }
}

/// `port 18789`, `127.0.0.1:18789`.
fn port(text: &str) -> Option<u16> {
    let after = |mark: &str| {
        let rest = text.split_once(mark)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u16>().ok()
    };
    ["port ", "127.0.0.1:", "0.0.0.0:", "localhost:", "]:", ":::"]
        .into_iter()
        .find_map(after)
        .filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As 2026.8 and 2026.9 say them.
    #[test]
    fn a_refusal_is_known_by_its_form() {
        for (reason, expected) in [
            ("another OpenClaw process owns gateway-lifecycle", Refusal::Owned),
            (
                "another gateway instance is already listening on ws://127.0.0.1:18789",
                Refusal::Port(Some(18789)),
            ),
            ("listen EADDRINUSE: address already in use 0.0.0.0:19001", Refusal::Port(Some(19001))),
            ("Invalid config at /home/node/.openclaw/openclaw.json", Refusal::Configuration),
            ("Refusing to bind gateway to lan without auth.", Refusal::NoAuthentication),
            ("Missing config. Run `openclaw setup` or set gateway.mode=local", Refusal::NotConfigured),
            ("Gateway start blocked: existing config is missing gateway.mode.", Refusal::NotLocal),
            ("Gateway start blocked: set gateway.mode=local (current: remote)", Refusal::NotLocal),
            ("Invalid --bind (use \"loopback\", \"lan\", \"auto\")", Refusal::Option(Some("--bind"))),
            ("Gateway auth is set to password, but no password is configured.", Refusal::NoPassword),
            ("openclaw: Node 20.20.2: node:sqlite is unavailable; use 24.16+", Refusal::Runtime),
            ("database was written by a newer OpenClaw build", Refusal::Newer),
            (
                "Gateway refused startup because 1 OpenClaw database schema(s) are newer than this build. Refused by \
                 OpenClaw 2026.8.2 (0965053) installed at /x/node_modules/openclaw.",
                Refusal::Newer,
            ),
            (
                "Doctor could not enter maintenance. An agent database is in use. Stop other OpenClaw processes using \
                 this state, then retry the update. | Agent main database is still open in process 29695; stop that \
                 process before Doctor repair. | gateway.maintenance_required. Stop the service with openclaw gateway \
                 stop (or its service owner), then run openclaw doctor --fix",
                Refusal::Owned,
            ),
            ("gateway requires a state migration. Run openclaw doctor --fix", Refusal::Migration),
            (
                "Agent database maintenance is in progress; retry after openclaw doctor --fix",
                Refusal::Maintenance,
            ),
            ("ENOSPC: no space left on device, write", Refusal::DiskFull),
            (
                "Doctor cannot repair this state: SQLite read-only worker failed: ENOSPC: no space left on device, write. \
                 Stop the service, then run openclaw doctor --fix",
                Refusal::DiskFull,
            ),
            ("EMFILE: too many open files, open '/x/.openclaw/state'", Refusal::FileLimit),
            ("EROFS: read-only file system", Refusal::NotWritable { lock: false, code: Some("EROFS") }),
            ("OpenClaw requires Node >=24", Refusal::Runtime),
            ("state lease heartbeat did not become ready (phase=startup, trigger=timeout)", Refusal::TooSlow),
            ("the moon is in the wrong house", Refusal::Unknown),
        ] {
            assert_eq!(Refusal::of(reason), expected, "{reason}");
        }
    }

    #[test]
    fn every_refusal_ends_with_a_start_and_an_unknown_one_asks_openclaw_first() {
        for refusal in [Refusal::Owned, Refusal::Port(None), Refusal::TooSlow, Refusal::Unknown] {
            let remedies = refusal.remedies();
            let last = remedies.last().and_then(|remedy| remedy.command.as_deref());
            assert_eq!(last, Some("openclaw gateway start"), "{refusal:?}");
        }
        let first = Refusal::Unknown.remedies().swap_remove(0);
        assert_eq!(first.command.as_deref(), Some("openclaw gateway status --deep"));
    }
}
