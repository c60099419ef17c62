//! `lockdoctor watch`: the daemon.

use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::reclaim::PolicyArgs;
use super::{CliError, Common};
use crate::directories::root::What;
use crate::door;
use crate::exit::Exit;
use crate::reclaim::policy::Permission;
use crate::settings::bounds::duration;
use crate::watch::live::{Commands, Live};
use crate::watch::log::{self, LogFormat, LogLevel, Recent};
use crate::watch::mandate::Mandate;
use crate::watch::notify::command::CommandLine;
use crate::watch::notify::restart::RestartPolicy;
use crate::watch::options::{Listen, LogSources, Logs, Options, Ready, Run, Telling};
use crate::watch::{Daemon, Ended, Reread};

const EXAMPLES: &str = "\
Examples:
  lockdoctor watch                           a live view; log lines where there is no terminal
  lockdoctor watch --reclaim                 frees what nobody is using, as it happens
  lockdoctor watch --listen :9418            status page and metrics at http://127.0.0.1:9418/
  lockdoctor watch --reclaim --once          one full pass, then exit: for an init container
  lockdoctor watch --on-finding ./tell-me    run a command for each finding, JSON on its standard input";

/// Watch locks live: status page, metrics, alerts; with --reclaim, free stale ones.
///
/// On a terminal it is a live view (? lists its keys); elsewhere, or with --log-format, it prints log lines. It sleeps
/// until the kernel reports something: nothing is polled on local file systems. SIGTERM ends it, SIGHUP reads the
/// configuration again, SIGUSR1 logs a line of status.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct WatchArgs {
    /// State directories, agent or sessions directories, or single locks; what does not exist yet is waited
    /// for. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Free locks that are proven to have no owner, as `reclaim --yes` does.
    #[arg(long)]
    pub reclaim: bool,
    /// Remove the lease of a dead gateway that keeps the next one out, as `reclaim --leases --yes` does. Not with
    /// --once.
    #[arg(long)]
    pub reclaim_leases: bool,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Serve a status page, /status.json, /metrics, /healthz and /readyz here: `127.0.0.1:9418`, `[::1]:9418`,
    /// `localhost:9418`. `:9418` is the loopback too; `0.0.0.0:9418` is every address of this machine.
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub listen: Option<SocketAddr>,
    /// Extra Host header to accept (repeatable). The loopback names and the bound address always are.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub allow_host: Vec<String>,
    /// /readyz answers 503 while a session is stuck, or its lock could not be freed.
    #[arg(long)]
    pub ready_fails_on_stuck: bool,
    /// Full rescan at least this often.
    #[arg(long, value_name = "DUR", default_value = "5m", value_parser = duration)]
    pub safety_scan: Duration,
    /// How often directories are listed on network and FUSE file systems, where the kernel does not report
    /// every change.
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = duration)]
    pub poll_interval: Duration,
    /// Do one full pass, then exit.
    ///
    /// Exits 1 if something still needs attention, 2 if there is nothing to watch: either fails an init
    /// container, where a sidecar would go on.
    #[arg(long)]
    pub once: bool,
    /// Run CMD for each finding, with the finding as JSON on its standard input.
    #[arg(long, value_name = "CMD", help_heading = "Alerts")]
    pub on_finding: Option<String>,
    /// POST each finding as JSON to this address.
    #[arg(long, value_name = "URL", help_heading = "Alerts")]
    pub webhook: Option<String>,
    /// GET this address every minute while the daemon works (healthchecks.io, Uptime Kuma), so that its own end is
    /// noticed.
    #[arg(long, value_name = "URL", help_heading = "Alerts")]
    pub ping: Option<String>,
    /// Run commands through `sh -c`; without it they are split into words and nothing in them is special.
    #[arg(long, help_heading = "Alerts")]
    pub shell: bool,
    /// Minimum time between repeated alerts.
    #[arg(long, value_name = "DUR", default_value = "15m", value_parser = duration,
          help_heading = "Alerts")]
    pub cool_down: Duration,
    /// End a command that runs longer than this.
    #[arg(long, value_name = "DUR", default_value = "30s", value_parser = duration,
          help_heading = "Alerts")]
    pub command_timeout: Duration,
    #[command(flatten)]
    pub logs: LogArgs,
    #[command(flatten)]
    pub restart: RestartArgs,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", default_value = "auto", help_heading = "Log")]
    pub log_format: LogFormat,
    /// Least important lines that are logged.
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "Log")]
    pub log_level: LogLevel,
}

/// Which logs of gateways are followed.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Gateway logs")]
pub struct LogArgs {
    /// A log file to follow (repeatable). Default: every log of the installs.
    #[arg(long, value_name = "FILE", value_delimiter = ':')]
    pub log: Vec<PathBuf>,
    /// Follow no logs: no lanes, no findings from them.
    #[arg(long, conflicts_with = "log")]
    pub no_logs: bool,
    /// How far back log lines count.
    #[arg(long, value_name = "DUR", default_value = "1h", value_parser = duration)]
    pub log_window: Duration,
}

impl LogArgs {
    fn options(&self) -> Logs {
        let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let sources = match (self.no_logs, self.log.as_slice()) {
            (true, _) => LogSources::None,
            (false, []) => LogSources::Discovered,
            (false, files) => LogSources::Named(files.iter().map(whole).collect()),
        };
        Logs { sources, window: self.log_window }
    }
}

/// When the gateway may be restarted.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Restarting the gateway")]
pub struct RestartArgs {
    /// Run CMD when a session is stuck and only a restart of its gateway ends that (a live run holds its lock
    /// past the limit).
    #[arg(long, value_name = "CMD")]
    pub restart_gateway: Option<String>,
    /// How long the session must have been stuck.
    #[arg(long, value_name = "DUR", default_value = "5m", value_parser = duration)]
    pub restart_grace: Duration,
    /// Least time between two restarts.
    #[arg(long, value_name = "DUR", default_value = "30m", value_parser = duration)]
    pub restart_cool_down: Duration,
    /// At most this many restarts in 24 hours.
    #[arg(long, value_name = "N", default_value = "3")]
    pub restarts_per_day: usize,
    /// Never restart a gateway younger than this.
    #[arg(long, value_name = "DUR", default_value = "10m", value_parser = duration)]
    pub restart_min_uptime: Duration,
}

pub fn run(common: &Common, args: &WatchArgs, reread: Reread) -> anyhow::Result<Exit> {
    let options = options(common, args)?;
    let shows = options.run == Run::UntilStopped && args.log_format == LogFormat::Auto && is_watched();
    // What goes elsewhere than to this terminal still goes there.
    let log = Recent::default();
    let kept = (shows && door::stderr_is_terminal()).then(|| log.clone());
    let _logging = log::start(args.log_format, args.log_level, kept)?;
    let mut daemon = Daemon::new(options)?;
    if shows {
        daemon = daemon.shown_by(Live::start(Commands::new(common.config.clone())?, log)?)?;
    }
    match daemon.run(reread)? {
        Ended::Stopped => Ok(Exit::Clean),
        Ended::Settled(exit) => Ok(exit),
    }
}

/// Whether there is a terminal that a view can be drawn on, with a person at it: one without a size has nobody.
fn is_watched() -> bool {
    let terminal = std::io::stdin().is_terminal() && door::stdout_is_terminal();
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    terminal
        && !dumb
        && terminal_size::terminal_size().is_some_and(|(width, height)| width.0 > 0 && height.0 > 0)
}

/// What was typed, as the daemon understands it.
pub fn options(common: &Common, args: &WatchArgs) -> anyhow::Result<Options> {
    let what = if args.paths.is_empty() && common.state_dir.is_empty() {
        What::EveryInstall
    } else {
        What::Named { state_dirs: common.state_dir.clone(), paths: args.paths.clone() }
    };
    let mandate = if args.reclaim { Mandate::Reclaim(args.policy.policy()) } else { Mandate::Watch };
    let command = |flag: &str, text: &Option<String>| match text {
        Some(line) if args.shell => Ok(Some(CommandLine::Shell(line.clone()))),
        Some(line) => line.parse().map(Some).map_err(|error| anyhow::anyhow!("{flag}: {error}")),
        None => Ok(None),
    };
    for (flag, url) in [("--webhook", &args.webhook), ("--ping", &args.ping)] {
        if url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            return Err(CliError::usage(format!("{flag}: not an http or https address")).into());
        }
    }
    let restart = command("--restart-gateway", &args.restart.restart_gateway)?.map(|command| {
        let policy = RestartPolicy {
            grace: args.restart.restart_grace,
            cool_down: args.restart.restart_cool_down,
            per_day: args.restart.restarts_per_day,
            min_uptime: args.restart.restart_min_uptime,
        };
        (command, policy)
    });
    Ok(Options {
        what,
        scope: common.scope_as_typed(&args.paths),
        mandate,
        leases: Permission::granted_if(args.reclaim_leases),
        safety_scan: args.safety_scan,
        poll: args.poll_interval,
        run: if args.once { Run::Once } else { Run::UntilStopped },
        listen: args.listen.map(|address| Listen {
            address,
            allow_hosts: args.allow_host.clone(),
            ready: if args.ready_fails_on_stuck { Ready::UnlessStuck } else { Ready::OnceWatching },
        }),
        tell: Telling {
            redaction: common.redaction_to_share(),
            command: command("--on-finding", &args.on_finding)?,
            webhook: args.webhook.clone(),
            ping: args.ping.clone(),
            cool_down: args.cool_down,
            time_limit: args.command_timeout,
            restart,
        },
        logs: args.logs.options(),
        redaction: common.redaction_to_share(),
    })
}

/// An address to listen at. What leaves out the host means this machine alone.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let port_alone =
        |port: &str| port.parse().ok().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let named = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    port_alone(named).or_else(|| text.parse().ok()).ok_or_else(|| {
        "an address and a port are needed: 127.0.0.1:9418, [::1]:9418, localhost:9418, :9418".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_as_an_address_is_understood() {
        let is = |text: &str| listen_address(text).map(|address| address.to_string());
        for text in [":9418", "localhost:9418", "127.0.0.1:9418", "9418"] {
            assert_eq!(is(text).as_deref(), Ok("127.0.0.1:9418"), "{text}");
        }
        assert_eq!(is("0.0.0.0:9418").as_deref(), Ok("0.0.0.0:9418"));
        assert_eq!(is("[::1]:9418").as_deref(), Ok("[::1]:9418"));
        for wrong in ["", ":", "localhost", "localhost:", ":99999", "example.org:80", "127.0.0.1"] {
            assert!(is(wrong).is_err(), "{wrong}");
        }
    }
}
