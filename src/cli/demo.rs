//! `lockdoctor demo`: every state of a lock, with real processes, in a directory that is thrown away.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;

use super::{CliError, ColorWhen, Common, Format, output};
use crate::demo::actor;
use crate::demo::cast::lockdoctor;
use crate::demo::stage::Stage;
use crate::exit::Exit;
use crate::report::style::{BOLD, DIM};
use crate::words::{path, shell_word, wrapped};

/// The first arguments of an actor's command line.
#[derive(Debug, Clone, Args)]
pub struct ActorArgs {
    #[arg(long)]
    pub title: String,
}

pub fn play(args: &ActorArgs) -> anyhow::Result<Exit> {
    actor::play(&args.title)?;
    Ok(Exit::Clean)
}

const EXAMPLES: &str = "\
Examples:
  lockdoctor demo
  lockdoctor demo --keep                     then try status, explain and reclaim on what is left";

/// Show every state of a lock, with real processes, in a directory that is thrown away.
///
/// Needs no OpenClaw, no root and no network, and takes about two seconds.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Free nothing and leave the directory, to try things on. Its processes end all the same.
    #[arg(long)]
    pub keep: bool,
}

pub fn run(common: &Common, args: &DemoArgs) -> anyhow::Result<Exit> {
    if common.format() != Format::Table {
        let error = CliError::usage("demo is for people and has one format");
        return Err(error.with_hint("`lockdoctor scan --json` is for programs").into());
    }
    let interrupted = interruptions()?;
    let stage = Stage::build()?;
    let state = stage.state().to_string_lossy().into_owned();
    let show = |words: &[&str]| command(common, &stage, &[words, &["--state-dir", &state]].concat());
    let acts: [&dyn Fn() -> anyhow::Result<()>; 6] = [
        &|| introduce(&stage),
        &|| show(&["scan", "--all", "-v"]),
        &|| explain(&stage),
        &|| show(&["reclaim", "--yes", "--settle", "500ms"]),
        &|| show(&["scan"]),
        &conclude,
    ];
    let acts = if args.keep { &acts[..3] } else { &acts[..] };
    for act in acts {
        act()?;
        if interrupted.load(Ordering::Relaxed) {
            return Ok(Exit::Trouble);
        }
    }
    if args.keep {
        let directory = stage.keep();
        let mut out = output::stdout();
        let text = "The directory is kept. Its processes have ended, so most of its locks have no owner now:";
        wrapped(text, output::width().min(100)).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        let (directory, state) = (path(&directory), shell_word(&state));
        writeln!(
            out,
            "    lockdoctor status --state-dir {state}\nWhen you are done:\n    rm -r {directory}"
        )?;
    }
    Ok(Exit::Clean)
}

/// Ctrl-C and the like end the demo between two acts, so that the stage is cleared.
fn interruptions() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("signals")?;
    }
    Ok(interrupted)
}

fn introduce(stage: &Stage) -> anyhow::Result<()> {
    let text = format!(
        "A throw-away state directory of OpenClaw 2026.5.22 with a gateway (pid {}) and a lock in every state. The \
         processes are real, and end with this demo; nothing else is touched.",
        stage.gateway_pid
    );
    let mut out = output::stdout();
    for line in wrapped(&text, output::width().min(100)) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Shows the command and runs it: what is shown is what typing it would show.
fn command(common: &Common, stage: &Stage, words: &[&str]) -> anyhow::Result<()> {
    let mut out = output::stdout();
    writeln!(out, "\n{DIM}${DIM:#} {BOLD}lockdoctor {}{BOLD:#}\n", words.join(" "))?;
    out.flush()?;
    drop(out);
    let color = match common.color {
        ColorWhen::Auto => "auto",
        ColorWhen::Always => "always",
        ColorWhen::Never => "never",
    };
    let words: Vec<&str> = words.iter().copied().chain(["--color", color]).collect();
    lockdoctor(&words, &stage.temporary())
}

fn explain(stage: &Stage) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let column = stage.scenes.iter().map(|scene| scene.session.len()).max().unwrap_or_default() + 2;
    let width = output::width().min(100).saturating_sub(column + 2);
    writeln!(out, "\n{BOLD}What you see{BOLD:#}")?;
    for scene in &stage.scenes {
        let mut name = scene.session;
        for line in wrapped(scene.tells, width) {
            writeln!(out, "  {name:<column$}{line}")?;
            name = "";
        }
    }
    if let Some(missing) = stage.missing {
        writeln!(out, "  {missing}")?;
    }
    Ok(())
}

fn conclude() -> anyhow::Result<()> {
    let mut out = output::stdout();
    let text = "Each freed lock is a tombstone now, which OpenClaw itself removes when the next message to that \
                session wants the lock. The locks themselves are kept in the quarantine.";
    writeln!(out)?;
    for line in wrapped(text, output::width().min(100)) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "\nThe demo is cleared away. Your own installs, read-only:\n    lockdoctor scan")?;
    Ok(())
}
