//! The directory of the demo: a state directory of OpenClaw 2026.5.22, and in it a lock in each state.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::actor::{Order, made, session_payload};
use super::cast::{Actor, Zombie, dead_pid};
use crate::evidence::process::{Owner, look_up};

/// What one lock of the demo shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// The session's name.
    pub session: &'static str,
    pub agent: &'static str,
    pub tells: &'static str,
}

const SCENES: &[Scene] = &[
    Scene {
        session: "answering",
        agent: "main",
        tells: "A run at work for six minutes. Nobody touches a lock's time, so a cron job that deletes what is \
                older than two minutes would have forked this transcript.",
    },
    Scene {
        session: "hanging",
        agent: "main",
        tells: "Held for five hours by a gateway that lives: the run hangs, not the lock. Reported, never taken.",
    },
    Scene {
        session: "starting",
        agent: "main",
        tells: "Created this instant and still empty: a lock gets 30 s.",
    },
    Scene { session: "killed", agent: "nina", tells: "Its process was killed and nobody removed the lock." },
    Scene {
        session: "undead",
        agent: "nina",
        tells: "Its process has ended; only its number waits to be collected.",
    },
    Scene {
        session: "reused",
        agent: "nina",
        tells: "The number lives, but belongs to another program now: the start time tells them apart.",
    },
    Scene {
        session: "thread",
        agent: "nina",
        tells: "The number lives, but it is a thread of another process.",
    },
    Scene {
        session: "forgotten",
        agent: "main",
        tells: "The gateway lives and has closed the file without removing it. OpenClaw itself cannot tell this \
                from a held lock; the kernel can.",
    },
    Scene {
        session: "torn",
        agent: "nina",
        tells: "Half a payload from an hour ago: the disk was full, say.",
    },
    Scene { session: "link", agent: "nina", tells: "A symbolic link. Never followed, never touched." },
    Scene {
        session: "container",
        agent: "main",
        tells: "Its holder is pid 1 of a container. Here pid 1 is somebody else, yet the kernel sees it held.",
    },
];

/// The demo's directory and processes; both are gone when it is dropped.
#[derive(Debug)]
pub struct Stage {
    path: PathBuf,
    is_kept: bool,
    _actors: Vec<Actor>,
    _zombie: Zombie,
    pub gateway_pid: u32,
    /// What is shown, in this order.
    pub scenes: Vec<Scene>,
    /// What could not be shown here, and why.
    pub missing: Option<&'static str>,
}

impl Stage {
    pub fn build() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("lockdoctor-demo-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path).with_context(|| path.display().to_string())?;
        clean_up_on_panic(path.clone());
        Self::furnish(&path).inspect_err(|_| remove(&path))
    }

    fn furnish(path: &Path) -> anyhow::Result<Self> {
        let state = path.join("state");
        let lock = |scene: &Scene| {
            state
                .join("agents")
                .join(scene.agent)
                .join("sessions")
                .join(format!("{}.jsonl.lock", scene.session))
        };
        let named = |session: &str| {
            SCENES.iter().find(|scene| scene.session == session).map(&lock).context("a scene")
        };
        let config = state.join("openclaw.json");
        fs::create_dir(&state)?;
        fs::write(&config, r#"{"meta": {"lastTouchedVersion": "2026.5.22"}}"#)?;
        write_transcripts(&state)?;

        let mut gateway = Actor::start("openclaw-gateway")?;
        gateway.tell(&Order::HoldGateway { lock: gateway_lock(path)?, config })?;
        gateway.tell(&Order::Hold { lock: named("answering")?, age: 6 * 60 })?;
        gateway.tell(&Order::Hold { lock: named("hanging")?, age: 5 * 3600 })?;
        gateway.tell(&Order::Create { lock: named("starting")? })?;
        gateway.tell(&Order::Leak { lock: named("forgotten")? })?;
        let thread = gateway.tell(&Order::Thread)?;
        let stranger = Actor::start("nightly-backup")?;
        let zombie = Zombie::start()?;

        let left_behind = |session: &str, pid: u32, ticks: Option<u64>| {
            fs::write(named(session)?, session_payload(pid, ticks, made(20 * 60))).context("a lock")
        };
        left_behind("killed", dead_pid()?, Some(1))?;
        left_behind("undead", zombie.pid(), start_ticks(zombie.pid()))?;
        left_behind(
            "reused",
            stranger.pid(),
            start_ticks(stranger.pid()).map(|ticks| ticks.saturating_sub(1000)),
        )?;
        left_behind("thread", thread, None)?;
        fs::write(named("torn")?, "{\n  \"pid\": 47")?;
        File::open(named("torn")?)?.set_modified(SystemTime::now() - Duration::from_secs(3600))?;
        symlink("/etc/passwd", named("link")?)?;

        let (container, missing) = in_container(named("container")?);
        let shown = |scene: &&Scene| scene.session != "container" || container.is_some();
        let scenes = SCENES.iter().filter(shown).copied().collect();
        let gateway_pid = gateway.pid();
        let actors = [gateway, stranger].into_iter().chain(container).collect();
        Ok(Self {
            path: path.to_owned(),
            is_kept: false,
            _actors: actors,
            _zombie: zombie,
            gateway_pid,
            scenes,
            missing,
        })
    }

    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// What the demo's processes have as their temporary directory.
    pub fn temporary(&self) -> PathBuf {
        self.path.join("tmp")
    }
}

impl Stage {
    /// Ends the processes and leaves the directory, which from then on is the caller's.
    pub fn keep(mut self) -> PathBuf {
        self.is_kept = true;
        self.path.clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.is_kept {
            remove(&self.path);
        }
    }
}

fn remove(path: &Path) {
    // The worst that is left is a directory in /tmp.
    fs::remove_dir_all(path).ok();
}

/// A panic may abort without unwinding, and then nothing is dropped.
fn clean_up_on_panic(path: PathBuf) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        remove(&path);
        previous(panic);
    }));
}

fn write_transcripts(state: &Path) -> anyhow::Result<()> {
    for scene in SCENES {
        let sessions = state.join("agents").join(scene.agent).join("sessions");
        fs::create_dir_all(&sessions)?;
        fs::write(sessions.join(format!("{}.jsonl", scene.session)), "{\"type\":\"session\"}\n")?;
    }
    Ok(())
}

/// Where a gateway up to 2026.7.35 puts its own lock.
fn gateway_lock(path: &Path) -> anyhow::Result<PathBuf> {
    let directory = path.join("tmp").join(format!("openclaw-{}", rustix::process::geteuid().as_raw()));
    fs::create_dir_all(&directory)?;
    Ok(directory.join("gateway.0165b212.lock"))
}

fn start_ticks(pid: u32) -> Option<u64> {
    match look_up(pid) {
        Owner::Alive(process) | Owner::Zombie(process) => Some(process.start_ticks),
        _ => None,
    }
}

fn in_container(lock: PathBuf) -> (Option<Actor>, Option<&'static str>) {
    const WHY_NOT: &str = "A holder in a container is not shown: this system permits no PID namespace here.";
    let started = Actor::start_in_container("openclaw-gateway").and_then(|mut actor| {
        actor.tell(&Order::Hold { lock, age: 90 })?;
        Ok(actor)
    });
    started.map_or((None, Some(WHY_NOT)), |actor| (Some(actor), None))
}
