//! lockdoctor as a service of the machine: the plan, made of [`step::Step`]s, for the installs that were found and for
//! the manager of services that is there.

pub mod crontab;
pub mod step;
pub mod unit;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::doctor::Surroundings;
use crate::doctor::cron::{self, Job, Table};
use crate::doctor::identity::Identity;
use crate::doctor::namespaces::container_marker;
use crate::evidence::identity::name_of;
use crate::words;
use step::Step;
use unit::{Form, MARK, Manager, Service};

/// The service beside a gateway in a container.
const COMPOSE: &str = include_str!("../../packaging/container/compose.yaml");

/// What is to be done, and what has to be done by hand.
#[derive(Debug, Default)]
pub struct Plan {
    pub services: Vec<Service>,
    pub steps: Vec<Step>,
    pub by_hand: Vec<String>,
}

/// Why there can be no service of systemd here, with what to do instead.
pub fn obstacle() -> Option<String> {
    if Path::new("/run/systemd/system").exists() {
        return None;
    }
    if let Some((engine, marker)) = container_marker() {
        let lines = COMPOSE.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'));
        let lines: String = lines.map(|line| format!("\n    {line}")).collect();
        return Some(format!(
            "this is a container of {engine} ({marker}): a service here would end with it. Run lockdoctor as a \
             second container beside the gateway's:\n{lines}"
        ));
    }
    Some(
        "there is no systemd here. Let cron run it, as the gateway's user:\n\n    \
         */2 * * * * lockdoctor reclaim --yes --quiet"
            .to_owned(),
    )
}

/// The plan that sets lockdoctor up for each install in `around`.
pub fn plan(around: &Surroundings, form: Form) -> anyhow::Result<Plan> {
    let mut plan = Plan::default();
    let program = program()?;
    let manager = manager(around)?;
    for (user, state_dirs) in by_owner(around, &mut plan)? {
        let program = program.clone();
        plan.services.push(Service { manager: manager.clone(), form, user, state_dirs, program });
    }
    let as_user = manager != Manager::System;
    let systemctl = |words: &[&str]| Step::Systemctl {
        as_user,
        words: words.iter().map(|&word| word.to_owned()).collect(),
    };
    let mut files = BTreeMap::new();
    for service in &plan.services {
        ensure_trusted(service)?;
        files.extend(service.files()?);
    }
    plan.steps.extend(files.into_iter().map(|(path, text)| Step::Write { path, text }));
    plan.steps.push(systemctl(&["daemon-reload"]));
    for service in &plan.services {
        if runs_or_will(as_user, &service.other()) {
            plan.steps.push(systemctl(&["disable", "--now", &service.other()]));
        }
        plan.steps.push(systemctl(&["enable", &service.enabled()]));
        plan.steps.push(systemctl(&["restart", &service.enabled()]));
        if form == Form::Timer {
            plan.steps.push(systemctl(&["start", &service.runs()]));
        }
        plan.steps.push(systemctl(&["is-active", "--quiet", &service.enabled()]));
    }
    // Last: until lockdoctor runs, the line stays.
    let state_dirs = plan.services.iter().flat_map(|service| service.state_dirs.clone()).collect();
    retire(cron::jobs_that_delete(state_dirs), &mut plan);
    if let Manager::User(_) = manager {
        let user = &plan.services[0].user;
        if !Path::new("/var/lib/systemd/linger").join(user).exists() {
            plan.by_hand.push(format!(
                "services of a user end with the last session, unless: sudo loginctl enable-linger {user}"
            ));
        }
    }
    Ok(plan)
}

/// The plan that takes away what setup wrote. Retired lines stay comments unless they are asked for.
pub fn removal(around: &Surroundings, restore_cron: bool) -> anyhow::Result<Plan> {
    let mut plan = Plan::default();
    let manager = manager(around)?;
    let as_user = manager != Manager::System;
    let systemctl = |words: Vec<String>| Step::Systemctl { as_user, words };
    let mut files: Vec<PathBuf> = manager.unit_files().filter(|path| is_ours(path)).collect();
    for entry in fs::read_dir(manager.directory()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let drop_in = entry.path().join("setup.conf");
        if let Some(unit) = name.strip_suffix(".service.d").filter(|_| is_ours(&drop_in)) {
            let suffix = if unit.starts_with("lockdoctor-reclaim") { "timer" } else { "service" };
            let words = ["disable".to_owned(), "--now".to_owned(), format!("{unit}.{suffix}")];
            plan.steps.push(systemctl(words.to_vec()));
            files.push(drop_in);
        }
    }
    if !files.is_empty() {
        plan.steps.extend(files.into_iter().map(|path| Step::Delete { path }));
        plan.steps.push(systemctl(vec!["daemon-reload".to_owned()]));
    }
    for table in cron::tables(around.us.uid) {
        let lines = step::read(&table).map(|text| crontab::retired_lines(&text)).unwrap_or_default();
        if lines.is_empty() {
            continue;
        }
        if restore_cron {
            plan.steps.push(Step::Restore { table });
        } else {
            plan.by_hand.push(format!(
                "{table} keeps {} as a comment; --restore-cron brings it back, and with it the loss of live locks",
                words::count(lines.len(), "line")
            ));
        }
    }
    Ok(plan)
}

fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.starts_with(MARK))
}

fn retire(jobs: Vec<Job>, plan: &mut Plan) {
    let mut tables: BTreeMap<Table, Vec<String>> = BTreeMap::new();
    for job in jobs {
        match job.table {
            Some(table) => tables.entry(table).or_default().push(job.line),
            None => plan.by_hand.push(format!("{} deletes locks, live ones too: {}", job.place, job.remove)),
        }
    }
    plan.steps.extend(tables.into_iter().map(|(table, lines)| Step::Retire { table, lines }));
}

/// root sets up services of the machine, everybody else services of their own.
fn manager(around: &Surroundings) -> anyhow::Result<Manager> {
    if around.us.uid == 0 {
        return Ok(Manager::System);
    }
    let configuration = around.environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || around.environment.get("HOME").map(|home| Path::new(home).join(".config"));
    let directory =
        configuration.filter(|path| path.is_absolute()).or_else(home).context("HOME is not set")?;
    if !step::answers(true, &["show", "--property=Version"]) {
        bail!("your systemd does not answer: log in anew, or let root set it up: sudo lockdoctor setup");
    }
    Ok(Manager::User(directory.join("systemd/user")))
}

/// Each owner with the state directories to look after.
fn by_owner(around: &Surroundings, plan: &mut Plan) -> anyhow::Result<BTreeMap<String, Vec<PathBuf>>> {
    let mut owners: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (place, install) in around.installs() {
        let path = &place.path;
        let shown = words::path(path);
        ensure!(!shown.contains(':'), "{shown}: a path with a colon cannot be handed to a service");
        let uid = install.root.uid;
        let owner = name_of(uid).with_context(|| format!("{shown} belongs to uid {uid}, who has no name"))?;
        if around.us.uid != 0 && around.us.uid != uid {
            plan.by_hand.push(format!("{shown} belongs to {owner}: sudo lockdoctor setup"));
            continue;
        }
        owners.entry(owner).or_default().push(path.clone());
    }
    ensure!(!owners.is_empty(), "there is no install of yours here; {}", plan.by_hand.join("; "));
    Ok(owners)
}

/// This program, where it will be tomorrow.
fn program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let shown = words::path(&program);
    if shown.contains("/_npx/") {
        bail!("npx keeps the program in a cache: npm install --global lockdoctor && lockdoctor setup");
    }
    ensure!(program.exists(), "{shown} is not there any more: run this again with the program that is");
    Ok(program)
}

/// How the reader of the output would call this program.
pub fn as_typed() -> anyhow::Result<String> {
    let program = std::env::current_exe()?;
    let on_path = |directory: &Path| directory.ends_with("bin") && directory.starts_with("/usr");
    let name =
        if program.parent().is_some_and(on_path) { "lockdoctor".into() } else { program.to_string_lossy() };
    let sudo = if Identity::of_this_process().uid == 0 && std::env::var_os("SUDO_UID").is_some() {
        "sudo "
    } else {
        ""
    };
    Ok(format!("{sudo}{}", words::shell_word(&name)))
}

/// A service must not run what anyone but its user or root can change.
fn ensure_trusted(service: &Service) -> anyhow::Result<()> {
    for path in service.program.ancestors() {
        let owner = fs::metadata(path)?.uid();
        let trusted = owner == 0 || name_of(owner).as_ref() == Some(&service.user);
        let (path, user) = (words::path(path), &service.user);
        ensure!(trusted, "{path} belongs to neither root nor {user}: install lockdoctor where it does");
    }
    Ok(())
}

fn runs_or_will(as_user: bool, unit: &str) -> bool {
    ["is-enabled", "is-active"].iter().any(|question| step::answers(as_user, &[question, "--quiet", unit]))
}
