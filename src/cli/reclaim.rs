//! `lockdoctor reclaim`: the plan, and with `--yes` the act.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::{Common, Format, outcome, output, scan};
use crate::door;
use crate::evidence::RunTimedOut;
use crate::evidence::view::SystemView;
use crate::examination::consult::{self, Logs};
use crate::examination::facts::{Sample, facts};
use crate::examination::{Examination, LogModel, logs, mark_timed_out_runs, read_logs, reading};
use crate::exit::Exit;
use crate::gatewaylog::{Source, SourceSummary};
use crate::reclaim::breaker::Breaker;
use crate::reclaim::leases::run::{self as lease_run, LeaseAttempt};
use crate::reclaim::policy::{self, Permission, Policy};
use crate::reclaim::run::{Attempt, AttemptResult, Run, Step};
use crate::report::reclaimed::{self, Page};
use crate::report::reclaimed_lease;
use crate::settings::bounds::duration;
use crate::survey::{ProblemSeverity, Scope, Survey, SurveyedLock, first_look};
use crate::verdict::severity::Severity;
use crate::verdict::{Settle, Verdict};
use crate::words::{self, count, wrapped};

const EXAMPLES: &str = "\
Examples:
  lockdoctor reclaim                         what would be freed
  lockdoctor reclaim --yes                   free it
  lockdoctor reclaim --yes --quiet           for cron and timers: a line only if there is something to say
  lockdoctor reclaim --yes --id 3f2a91c0     exactly the lock that was looked at
  lockdoctor reclaim --leases --yes          also the lease of a dead gateway that keeps the next one out";

/// Free locks whose owner is gone or has let go. Without --yes, only show the plan.
///
/// Nothing is deleted: each lock is marked for OpenClaw to delete at the next message, and what was there is
/// kept in quarantine. A lock in use is never taken, however old it is.
#[derive(Debug, Clone, Args)]
#[command(visible_alias = "fix", after_help = EXAMPLES)]
pub struct ReclaimArgs {
    /// State directories, agent or sessions directories, or single locks. Default: see --state-dir.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Free them.
    #[arg(long, short, env = "LOCKDOCTOR_YES")]
    pub yes: bool,
    /// Only the lock with this fingerprint (from scan or explain): exactly the one that was looked at.
    #[arg(long, value_name = "FINGERPRINT")]
    pub id: Option<String>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Also remove the lease of a dead gateway that keeps every other one out (2026.9.5 and 2026.9.6).
    ///
    /// A row of OpenClaw's database is deleted, under proofs that no gateway holds it or can start meanwhile. It is kept
    /// in quarantine. What is only an old lease is never removed.
    #[arg(long, env = "LOCKDOCTOR_LEASES")]
    pub leases: bool,
    /// Free at most this many locks in this run.
    #[arg(long, value_name = "N", env = "LOCKDOCTOR_MAX")]
    pub max: Option<usize>,
    /// Print nothing if there was nothing to do, else a line; one more if something is still open. For timers.
    #[arg(long, short, env = "LOCKDOCTOR_QUIET")]
    pub quiet: bool,
}

/// What may be reclaimed, and how patiently. The same for `reclaim` and `watch`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct PolicyArgs {
    /// How long a lock must look the same, unchanged, before it is freed [default: 2s; leaked: 5s].
    ///
    /// At least 1s where the owner lives (it must also have been seen idle since it closed the file), and 15m where
    /// its process cannot be looked at from here.
    #[arg(long, value_name = "DUR", env = "LOCKDOCTOR_SETTLE", value_parser = duration)]
    pub settle: Option<Duration>,
    /// Leave locks alone whose owner lives, even if it has closed the file.
    #[arg(long, env = "LOCKDOCTOR_KEEP_LEAKED")]
    pub keep_leaked: bool,
    /// Also free locks whose own run ended at its time limit, though the owner still has the file open.
    ///
    /// A last resort, if the gateway cannot be restarted: should the owner wake up and write after all, two writers
    /// corrupt the chat history; up to 2026.5.7 its release also deletes the next owner's lock.
    #[arg(long, env = "LOCKDOCTOR_ABANDONED")]
    pub abandoned: bool,
    /// Switch off the circuit breaker, which slows down repeated leaks of one live process. For stress tests.
    #[arg(long, hide_short_help = true)]
    pub no_breaker: bool,
}

impl PolicyArgs {
    pub fn policy(&self) -> Policy {
        Policy {
            settle: policy::settle_of(self.settle),
            leaked: Permission::granted_if(!self.keep_leaked),
            abandoned: Permission::granted_if(self.abandoned),
            breaker: if self.no_breaker { Breaker::OFF } else { Breaker::DEFAULT },
        }
    }
}

pub fn run(common: &Common, args: &ReclaimArgs) -> anyhow::Result<Exit> {
    let mut view = SystemView::open();
    let scope = Scope::resolve(&args.paths, &common.state_dir, &view)?;
    let started = Instant::now();
    let survey = first_look(&scope, &mut view);
    let mut policy = args.policy.policy();
    if args.id.is_some() {
        // Somebody looked at this very lock.
        policy.breaker = Breaker::OFF;
    }
    let step = if args.yes { Step::Act } else { Step::Plan };
    let mut run = Run::new(survey, started, policy);
    run.leave(&scope.of_others);
    say_whose(&run.survey, &scope)?;
    run.limit_to(args.max, args.id.as_deref());
    if args.policy.abandoned && find_abandoned(&mut run.survey)? {
        run.take_up_abandoned(args.id.as_deref());
    }
    let waiting = Waiting::of(common, run.pending(), &policy.settle);
    let (as_typed, options) = (common.scope_as_typed(&args.paths), options_as_typed(args));
    let page = Page {
        redaction: common.redaction(),
        scope: &as_typed,
        options: &options,
        open: None,
        width: output::width(),
    };
    // A lock that is free is one that somebody waits for.
    let tells = step == Step::Act && common.format() == Format::Table && !args.quiet;
    let mut unsaid = Ok(());
    waiting.show(0);
    run.carry_out(step, &mut view, &mut |run, attempts| {
        waiting.hide();
        if tells && unsaid.is_ok() {
            unsaid = write!(output::stdout(), "{}", reclaimed::attempts(run, attempts, page));
        }
        waiting.show(run.attempts.len());
    });
    waiting.hide();
    unsaid?;
    let leases = if args.leases {
        let is_of_others = |path: &Path| scope.of_others.iter().any(|(other, _)| other == path);
        lease_run::carry_out(&mut run.survey, step, |path| !is_of_others(path))
    } else {
        Vec::new()
    };
    // A timer's mail is read for what was missed.
    if args.quiet {
        run.survey.problems.retain(|problem| problem.severity == ProblemSeverity::Incomplete);
    }
    scan::print_problems(&run.survey)?;
    let left = consult::locks(&mut run.survey, Logs::IfTheyDecide, common.redaction(), &as_typed);
    outcome::say_unjudged(common, &left.answer)?;
    let open = still_open(&left);
    print(common, args, (&run, &leases), Page { open: open.as_deref(), ..page })?;
    if let Some(id) = args.id.as_deref().filter(|_| run.attempts.is_empty()) {
        writeln!(output::stderr(), "lockdoctor: {}", reclaimed::not_found(&run, id, &as_typed))?;
    }
    let is_open = open.is_some() || leases.iter().any(LeaseAttempt::needs_attention);
    Ok(exit(&run, args, is_open, left.answer.is_blind()))
}

/// Where no install was named: whose installs are acted on, and whose are only shown.
fn say_whose(survey: &Survey, scope: &Scope) -> anyhow::Result<()> {
    let mut stderr = output::stderr();
    for (path, uid) in &scope.of_others {
        let path = words::shell_word(&path.to_string_lossy());
        writeln!(
            stderr,
            "lockdoctor: {path} is of uid {uid}, whose process alone led here: it is shown, and acted on only with \
             --state-dir {path}"
        )?;
    }
    let ours = rustix::process::geteuid().as_raw();
    let others = survey.roots.iter().filter_map(|root| Some((&root.path, root.install.as_ref()?.root.uid)));
    let others = others.filter(|(path, uid)| {
        *uid != ours && ours == 0 && !scope.of_others.iter().any(|(other, _)| other == *path)
    });
    for (path, uid) in others {
        writeln!(
            stderr,
            "lockdoctor: {} belongs to uid {uid}; acting as that user there",
            words::path(path)
        )?;
    }
    Ok(())
}

/// Looks in the logs of the installs for held locks whose own run ended at its time limit. `false`: a log could not
/// be read, and what it would have told of a later run is missing.
fn find_abandoned(survey: &mut Survey) -> anyhow::Result<bool> {
    let held = |lock: &&SurveyedLock| matches!(lock.judgement.verdict, Verdict::Held | Verdict::Overdue);
    let created_at = |lock: &SurveyedLock| lock.evidence.payload().and_then(|payload| payload.created_at);
    let Some(oldest) = survey.locks.iter().filter(held).filter_map(created_at).min() else {
        return Ok(false);
    };
    let sources = logs::discovered(survey);
    let log = read_logs(&sources, &facts(survey, Sample::Skip), &reading(Some(oldest)));
    // That a unit has no journal is the rule; a log file that is there has something to tell.
    let files: Vec<String> =
        sources.iter().filter(|source| matches!(source, Source::Found(_))).map(Source::label).collect();
    let unread = |source: &&SourceSummary| files.contains(&source.label);
    for source in log.sources.iter().filter(unread) {
        if let Some(error) = &source.error {
            let label = &source.label;
            let mut stderr = output::stderr();
            writeln!(stderr, "lockdoctor: {label}: {error}; without it --abandoned frees nothing")?;
            return Ok(false);
        }
    }
    mark_timed_out_runs(survey, &log);
    for lock in survey.locks.iter_mut().filter(|lock| has_returned(lock, &log)) {
        lock.evidence.run_timed_out = RunTimedOut::No;
        lock.judge_held_again();
    }
    Ok(true)
}

/// A run that was seen to return after its limit has let go of what it held: the lock's holder is at work.
fn has_returned(lock: &SurveyedLock, log: &LogModel) -> bool {
    let created_at = lock.evidence.payload().and_then(|payload| payload.created_at);
    let timed_out =
        lock.session_id.as_deref().zip(created_at).and_then(|(id, at)| log.model.run_timed_out(id, at));
    timed_out.is_some_and(|timed_out| timed_out.unwound)
}

/// What the plan risks if it takes up locks that are in use.
fn print_risk(run: &Run) -> anyhow::Result<()> {
    let in_use = |attempt: &Attempt| {
        attempt.result == AttemptResult::Planned && attempt.lock.judgement.verdict == Verdict::Overdue
    };
    if run.attempts.iter().any(in_use) {
        let risk = "--abandoned takes locks that a live owner has open. Should its run wake up and write after all, two \
                    writers corrupt the chat history; up to 2026.5.7 its release also deletes the next owner's lock. \
                    Restarting the gateway frees the chat without that risk.";
        let mut out = output::stdout();
        wrapped(risk, output::width()).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        writeln!(out)?;
    }
    Ok(())
}

fn print(
    common: &Common,
    args: &ReclaimArgs,
    (run, leases): (&Run, &[LeaseAttempt]),
    page: Page<'_>,
) -> anyhow::Result<()> {
    let redaction = common.redaction();
    match common.format() {
        Format::Json => output::print_json(&reclaimed::document(run, leases, redaction))?,
        Format::Ndjson => output::print_ndjson(reclaimed::locks(run, redaction))?,
        Format::Plain => {
            write!(output::columns(), "{}{}", reclaimed::plain(run), reclaimed_lease::plain(leases))?;
        }
        Format::Table if args.id.is_some() && run.attempts.is_empty() => {}
        Format::Table if args.quiet => {
            write!(
                output::stdout(),
                "{}{}",
                reclaimed_lease::in_short(leases),
                reclaimed::in_short(run, page)
            )?;
        }
        Format::Table => {
            print_risk(run)?;
            let mut out = output::stdout();
            if !args.yes {
                write!(out, "{}", reclaimed::attempts(run, &run.attempts, page))?;
            }
            write!(out, "{}", reclaimed_lease::text(leases, page.width))?;
            write!(out, "{}", reclaimed_lease::conclusion(leases, page.scope, page.width))?;
            if leases.is_empty() || !run.attempts.is_empty() || page.open.is_some() {
                write!(out, "{}", reclaimed::in_the_end(run, page))?;
            }
        }
    }
    Ok(())
}

/// Those that decide what is taken up.
fn options_as_typed(args: &ReclaimArgs) -> String {
    let id = args.id.as_deref().map_or_else(String::new, |id| format!(" --id {id}"));
    let max = args.max.map_or_else(String::new, |max| format!(" --max {max}"));
    let settle = args.policy.settle.map_or_else(String::new, |settle| {
        format!(" --settle {}", humantime::format_duration(settle).to_string().replace(' ', ""))
    });
    let keep_leaked = if args.policy.keep_leaked { " --keep-leaked" } else { "" };
    let abandoned = if args.policy.abandoned { " --abandoned" } else { "" };
    let leases = if args.leases { " --leases" } else { "" };
    format!("{id}{max}{settle}{keep_leaked}{abandoned}{leases}")
}

/// What the locks that are left do to people, in a line; `None` if they affect nobody.
fn still_open(left: &Examination) -> Option<String> {
    let answer = &left.answer;
    let locks = answer.locks.iter().flatten().any(|severity| *severity > Severity::Info);
    (locks || answer.is_blind()).then(|| answer.headline.clone())
}

/// 0 done or nothing to do, 1 something is still open, 2 something could not be looked at, or the lock named by --id
/// is not there.
fn exit(run: &Run, args: &ReclaimArgs, is_open: bool, is_blind: bool) -> Exit {
    let is_missing = args.id.is_some() && run.attempts.is_empty();
    if is_missing || is_blind || scan::is_incomplete(&run.survey) {
        Exit::Trouble
    } else if is_open || run.attempts.iter().any(Attempt::needs_attention) {
        Exit::Findings
    } else {
        Exit::Clean
    }
}

/// A sign of life on a terminal while locks are checked twice; it goes away when there is more to say.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    locks: usize,
    longest: Duration,
}

impl Waiting {
    fn of(common: &Common, locks: usize, settle: &Settle) -> Self {
        let longest = settle.dead.max(settle.stale).max(settle.leaked);
        let is_seen = door::stderr_is_terminal() && common.format() == Format::Table;
        let is_long = is_seen && longest >= Duration::from_millis(500);
        Self { locks: if is_long { locks } else { 0 }, longest }
    }

    fn show(self, done: usize) {
        if self.locks > done {
            let (locks, longest) = (count(self.locks - done, "lock"), words::duration(self.longest));
            output::say_over(&format!("Checking {locks} twice, up to {longest} apart …"));
        }
    }

    fn hide(self) {
        if self.locks > 0 {
            output::say_over("");
        }
    }
}
