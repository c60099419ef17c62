//! Root reclaims in a state directory whose owner is hostile and at work at the same time: locks become links,
//! FIFOs and directories, directories become links elsewhere, the journal tells lies. Beside the state directory
//! lies a canary, root's own, built like a state directory with a dead lock in it: nothing in it may change,
//! not even a ctime. `LOCKDOCTOR_ATTACK_SECONDS` makes the races longer. Needs root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::reclaim::{
    Fact, Results, act, command_within, dead_lock, events, held_before_the_swap, reclaim, tombstone, tree,
};
use crate::support::{Run, TestEnv, dead_pid, fifo, is_root, payload, set_age, skipped};
use rustix::fs::{CWD, RenameFlags, renameat_with};

const HOSTILE: u32 = 4242;

fn not_root() -> bool {
    skipped(is_root(), "acting against another user needs root")
}

/// A state directory of the hostile user with a dead lock in it, and the canary.
struct Scene {
    env: TestEnv,
    lock: PathBuf,
    canary: PathBuf,
    before: BTreeMap<PathBuf, Fact>,
}

impl Scene {
    fn new() -> Self {
        let env = TestEnv::new("2026.5.22");
        let (lock, _) = dead_lock(&env, "a");
        let canary = env.home().join("canary");
        let sessions = canary.join("agents/main/sessions");
        fs::create_dir_all(&sessions).expect("canary");
        fs::create_dir_all(canary.join("lockdoctor/quarantine")).expect("canary");
        // Bait: what root would free if it were led here.
        let dead = payload(dead_pid(), Some(1));
        let files = ["agents/main/sessions/a.jsonl.lock", "a.jsonl.lock", "lockdoctor/quarantine/20260101-1"];
        for file in files {
            fs::write(canary.join(file), &dead).expect("canary");
        }
        for file in ["secret", "lockdoctor/journal.jsonl", "agents/main/sessions/a.jsonl", "openclaw.json"] {
            fs::write(canary.join(file), "canary\n").expect("canary");
            fs::set_permissions(canary.join(file), Permissions::from_mode(0o600)).expect("chmod");
        }
        chown(&env.state());
        let before = tree(&canary);
        Self { env, lock, canary, before }
    }

    #[track_caller]
    fn assert_unharmed(&self, context: &str) {
        let after = tree(&self.canary);
        let changed: BTreeSet<&PathBuf> = self
            .before
            .iter()
            .chain(&after)
            .filter(|(path, fact)| self.before.get(*path) != Some(fact) || after.get(*path) != Some(fact))
            .map(|(path, _)| path)
            .collect();
        assert!(changed.is_empty(), "{context}: the canary changed: {changed:#?}");
        // And nothing of root's was left to the hostile user, whom it would serve for the next trick.
        for (path, fact) in tree(&self.env.state()) {
            assert_eq!(fact.owner.0, HOSTILE, "{context}: {} is not the user's", path.display());
        }
    }
}

fn chown(path: &Path) {
    let owner = format!("{HOSTILE}:{HOSTILE}");
    crate::support::reclaim::run(Command::new("chown").args(["-hR", &owner]).arg(path)).expect("chown");
}

/// Does something as the hostile user would; it cannot do more than that user.
fn as_hostile(script: &str, scene: &Scene) {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(scene.env.state()).env("CANARY", &scene.canary);
    shell.uid(HOSTILE).gid(HOSTILE);
    let output = shell.output().expect("sh");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What the hostile user does before lockdoctor comes, and whether lockdoctor can still do its work.
#[test]
fn traps_that_were_laid_before() {
    if not_root() {
        return;
    }
    let traps: [(&str, &str); 18] = [
        ("a link for the lock", "ln -sf $CANARY/a.jsonl.lock agents/main/sessions/a.jsonl.lock"),
        ("a link for lockdoctor's directory", "ln -s $CANARY/lockdoctor lockdoctor"),
        (
            "a link for the quarantine",
            "mkdir -m 700 lockdoctor; ln -s $CANARY/lockdoctor/quarantine lockdoctor/quarantine",
        ),
        ("a link for the journal", "mkdir -m 700 lockdoctor; ln -s $CANARY/secret lockdoctor/journal.jsonl"),
        (
            "a dangling link for the journal",
            "mkdir -m 700 lockdoctor; ln -s $CANARY/new lockdoctor/journal.jsonl",
        ),
        ("a FIFO for the journal", "mkdir -m 700 lockdoctor; mkfifo lockdoctor/journal.jsonl"),
        ("a directory for the journal", "mkdir -m 700 -p lockdoctor/journal.jsonl"),
        ("a hard link for the journal", "mkdir -m 700 lockdoctor; echo >x; ln x lockdoctor/journal.jsonl"),
        ("a file for lockdoctor's directory", "echo > lockdoctor"),
        (
            "a link for the old journal",
            "mkdir -m 700 lockdoctor; ln -s $CANARY/secret lockdoctor/journal.1.jsonl",
        ),
        ("a link for the agents", "mv agents away; ln -s $CANARY/agents agents"),
        ("a link for an agent", "mv agents/main away; ln -s $CANARY/agents/main agents/main"),
        (
            "a link for the sessions",
            "mv agents/main/sessions away; ln -s $CANARY/agents/main/sessions agents/main/sessions",
        ),
        ("lockdoctor's directory open to all", "mkdir lockdoctor; chmod 777 lockdoctor"),
        (
            "a quarantine open to all",
            "mkdir -m 700 lockdoctor; mkdir lockdoctor/quarantine; chmod 777 lockdoctor/quarantine",
        ),
        ("a lock beside itself", "ln agents/main/sessions/a.jsonl.lock agents/main/sessions/b.jsonl.lock"),
        ("a link for the configuration", "ln -sf $CANARY/openclaw.json openclaw.json"),
        ("a link for the guard", "ln -s $CANARY/secret agents/main/sessions/a.jsonl.lock.reclaim"),
    ];
    for (what, trap) in traps {
        let scene = Scene::new();
        as_hostile(trap, &scene);
        let run = act(&scene.env);
        scene.assert_unharmed(what);
        let freed = tombstone(&scene.lock).is_some();
        eprintln!("{what}: exit {}, {}", run.code, if freed { "freed" } else { "left alone" });
        let harmless = ["a link for the old journal", "a link for the configuration"];
        assert_eq!(freed, harmless.contains(&what), "{what}: {run:#?}");
    }
}

/// A journal that means to lead root elsewhere: recovery reads it before anything else.
#[test]
fn lies_in_the_journal_lead_nowhere() {
    if not_root() {
        return;
    }
    let ids = ["../../../canary/a.jsonl.lock", "../x", "..", ".", "", "/etc/passwd", "a/b"];
    let locks =
        ["../canary/a.jsonl.lock", "/etc/passwd", "agents/../../canary/secret", "..", "", "openclaw.json"];
    for event in ["intent", "restoring"] {
        for id in ids.into_iter().chain(["20260101T000000.000Z-1"]) {
            for lock in locks.into_iter().step_by(crate::thinned(5)) {
                let scene = Scene::new();
                let stones = format!("{{\"pid\":4194305,\"lockdoctor\":\"\",\"lockdoctorId\":{id:?}}}");
                let line = format!(
                    "{{\"at\":\"2026-01-01T00:00:00Z\",\"id\":{id:?},\"event\":{event:?},\"by\":{{\"pid\":1,\"uid\":0,\"version\":\"\"}},\"lock\":{lock:?},\"inode\":1}}"
                );
                as_hostile(
                    &format!(
                        "umask 077; mkdir -p lockdoctor/quarantine; echo '{line}' > lockdoctor/journal.jsonl; \
                         echo '{stones}' > lockdoctor/quarantine/20260101T000000.000Z-1; echo '{stones}' > lockdoctor/x"
                    ),
                    &scene,
                );
                act(&scene.env).exits(0);
                let context = format!("{event} {id:?} {lock:?}");
                scene.assert_unharmed(&context);
                assert!(scene.env.state().join("lockdoctor/x").exists(), "{context}: not in the quarantine");
                assert!(tombstone(&scene.lock).is_some(), "{context}: it still does its work");
                let on_state = |words: &[&str]| {
                    let mut command = scene.env.command(words);
                    command.arg("--state-dir").arg(scene.env.state());
                    command
                };
                let listed = Run::of(on_state(&["quarantine", "list", "--json"])).exits(0);
                assert_eq!(listed.json()["schema"], "lockdoctor/quarantine/v1");
                for name in [id, "../../../canary/secret"] {
                    let mut command = on_state(&["quarantine", "restore"]);
                    assert_ne!(
                        Run::of({
                            command.args(["--", name]);
                            command
                        })
                        .code,
                        0,
                        "{context}"
                    );
                }
                scene.assert_unharmed(&context);
            }
        }
    }
}

/// What replaces what in the very instant before the swap, and whether the judged lock is freed all the same.
#[test]
fn traps_that_spring_at_the_swap() {
    if not_root() || skipped(crate::support::strace::works(), "strace(1) is missing or may not trace") {
        return;
    }
    let sessions = "agents/main/sessions";
    let traps: [(&str, String); 11] = [
        ("a link", format!("ln -sfn $CANARY/secret {sessions}/a.jsonl.lock")),
        ("a FIFO", format!("rm {sessions}/a.jsonl.lock; mkfifo {sessions}/a.jsonl.lock")),
        ("a directory", format!("rm {sessions}/a.jsonl.lock; mkdir {sessions}/a.jsonl.lock")),
        ("a hard link", format!("echo > x; rm {sessions}/a.jsonl.lock; ln x {sessions}/a.jsonl.lock")),
        ("the agents", "mv agents away; ln -s $CANARY/agents agents".to_owned()),
        ("the agent", "mv agents/main away; ln -s $CANARY/agents/main agents/main".to_owned()),
        ("the sessions", format!("mv {sessions} away; ln -s $CANARY/{sessions} {sessions}")),
        ("lockdoctor's directory", "mv lockdoctor away; ln -s $CANARY/lockdoctor lockdoctor".to_owned()),
        (
            "the quarantine",
            "cd lockdoctor; mv quarantine away; ln -s $CANARY/lockdoctor/quarantine quarantine".to_owned(),
        ),
        (
            "the tombstone",
            "cd lockdoctor/quarantine; for f in *; do rm $f; ln -s $CANARY/secret $f; done".to_owned(),
        ),
        (
            "the journal",
            "cd lockdoctor; mv journal.jsonl away; ln -s $CANARY/secret journal.jsonl".to_owned(),
        ),
    ];
    for (what, trap) in traps {
        let scene = Scene::new();
        let words = ["strace", "-f", "-o", "/dev/null", "-e", "inject=renameat2:delay_enter=400000:when=2"];
        let arguments = ["reclaim", "--yes", "--settle", "0s", "--json"];
        let mut command = command_within(&scene.env, &words, &arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("strace");
        held_before_the_swap(&scene.env);
        as_hostile(&trap, &scene);
        let output = child.wait_with_output().expect("lockdoctor");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code().is_some_and(|code| code >= 0) && !errors.contains("panicked"),
            "{errors}"
        );
        scene.assert_unharmed(what);
        let said = String::from_utf8_lossy(&output.stdout);
        let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        eprintln!("{what}: {}", json["locks"][0]["result"]);
        // What was put under the lock's name is there again.
        let kind = fs::symlink_metadata(&scene.lock).map(|metadata| metadata.file_type());
        match what {
            "a link" => assert!(kind.expect("there").is_symlink()),
            "a directory" => assert!(kind.expect("there").is_dir()),
            "a hard link" => assert_eq!(fs::read(&scene.lock).expect("there"), b"\n"),
            _ => {}
        }
    }
}

fn seconds() -> Duration {
    let given = std::env::var("LOCKDOCTOR_ATTACK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(given.unwrap_or(4 / crate::thinned(2) as u64))
}

/// The hostile process itself; a test that does nothing unless it was started as one.
#[test]
fn hostile_process() {
    let (Some(state), Some(canary)) = (std::env::var_os("ATTACK_STATE"), std::env::var_os("ATTACK_CANARY"))
    else {
        return;
    };
    Attacker { state: state.into(), canary: canary.into() }.attack();
}

struct Attacker {
    state: PathBuf,
    canary: PathBuf,
}

impl Attacker {
    /// Until it is killed: lays out a dead lock, then replaces something by something else, in turn.
    fn attack(&self) {
        let sessions = self.state.join("agents/main/sessions");
        let lock = sessions.join("a.jsonl.lock");
        let dead = payload(dead_pid(), Some(1));
        let directories: [(PathBuf, &str); 5] = [
            (self.state.join("agents"), "agents"),
            (self.state.join("agents/main"), "agents/main"),
            (sessions.clone(), "agents/main/sessions"),
            (self.state.join("lockdoctor"), "lockdoctor"),
            (self.state.join("lockdoctor/quarantine"), "lockdoctor/quarantine"),
        ];
        let files = [self.state.join("lockdoctor/journal.jsonl"), lock.clone()];
        let mut round = 0_usize;
        loop {
            round += 1;
            fs::write(sessions.join("bait"), &dead).ok();
            fs::rename(sessions.join("bait"), &lock).ok();
            // Sometimes at once, sometimes in the middle of what lockdoctor does then.
            let pause = if round.is_multiple_of(3) { 60_000 } else { 3000 };
            std::thread::sleep(Duration::from_micros((round as u64 * 7919) % pause));
            match round % 3 {
                0 => {
                    let (directory, beneath) = &directories[round / 3 % directories.len()];
                    self.flicker(directory, |evil| symlink(self.canary.join(beneath), evil).is_ok());
                }
                1 => {
                    let file = &files[round / 3 % files.len()];
                    let kind = round / 6 % 5;
                    self.flicker(file, |evil| match kind {
                        0 => symlink(self.canary.join("secret"), evil).is_ok(),
                        1 => symlink(self.canary.join("a.jsonl.lock"), evil).is_ok(),
                        2 => fs::create_dir(evil).is_ok(),
                        3 => {
                            fifo(evil);
                            true
                        }
                        // Refused by the kernel (fs.protected_hardlinks), or a change of the canary of its own.
                        _ => fs::hard_link(self.state.join("openclaw.json"), evil).is_ok(),
                    });
                }
                _ => self.spoil_the_quarantine(round),
            }
        }
    }

    /// Exchanges what is at `path` with something evil, some times, and ends as it was.
    fn flicker(&self, path: &Path, make: impl FnOnce(&Path) -> bool) {
        let evil = self.state.join("evil");
        fs::remove_dir_all(&evil).or_else(|_| fs::remove_file(&evil)).ok();
        if !make(&evil) {
            return;
        }
        for _ in 0..6 {
            renameat_with(CWD, &evil, CWD, path, RenameFlags::EXCHANGE).ok();
            std::thread::sleep(Duration::from_micros(150));
        }
    }

    fn spoil_the_quarantine(&self, round: usize) {
        let quarantine = self.state.join("lockdoctor/quarantine");
        for entry in fs::read_dir(&quarantine).into_iter().flatten().flatten() {
            fs::remove_file(entry.path()).ok();
            if round.is_multiple_of(2) {
                symlink(self.canary.join("secret"), entry.path()).ok();
            }
        }
        if round.is_multiple_of(5)
            && let Ok(mut journal) =
                OpenOptions::new().append(true).open(self.state.join("lockdoctor/journal.jsonl"))
        {
            let line = "{\"at\":\"2026-01-01T00:00:00Z\",\"id\":\"../../../canary/a.jsonl.lock\",\"event\":\"intent\",\"by\":{\"pid\":1,\"uid\":0,\"version\":\"\"},\"lock\":\"agents/main/sessions/a.jsonl.lock\",\"inode\":1}\n";
            journal.write_all(line.as_bytes()).ok();
        }
        // Lest lockdoctor give up on a journal or a directory that stays spoilt.
        if round.is_multiple_of(7) {
            fs::remove_dir_all(self.state.join("lockdoctor")).ok();
        }
    }
}

struct Hostile(Child);

impl Hostile {
    fn start(scene: &Scene) -> Self {
        let copy = scene.env.home().join("hostile");
        crate::support::reclaim::install(&std::env::current_exe().expect("test binary"), &copy);
        let mut command = Command::new(&copy);
        command.args(["--exact", "attack::hostile_process"]).env("ATTACK_STATE", scene.env.state());
        command.env("ATTACK_CANARY", &scene.canary).current_dir("/").stdout(Stdio::null());
        Self(command.uid(HOSTILE).gid(HOSTILE).spawn().expect("hostile process"))
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_race_with_a_hostile_owner_changes_nothing_outside() {
    if not_root() {
        return;
    }
    let scene = Scene::new();
    let mut hostile = Hostile::start(&scene);
    let end = Instant::now() + seconds();
    let (mut runs, mut freed, mut failed) = (0, 0, BTreeMap::<String, usize>::new());
    while Instant::now() < end {
        let run = reclaim(&scene.env, &["--yes", "--settle", "0s", "--no-breaker", "--json"]);
        assert!((0..=2).contains(&run.code), "{run:#?}");
        runs += 1;
        let json = serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap_or_default();
        for lock in json["locks"].as_array().into_iter().flatten() {
            freed += usize::from(lock["result"] == "reclaimed");
            if let Some(error) = lock["error"].as_str() {
                *failed.entry(error.replace(&*scene.env.home().to_string_lossy(), "")).or_default() += 1;
            }
        }
        scene.assert_canary_unharmed(runs);
    }
    assert!(hostile.0.try_wait().expect("hostile").is_none(), "it gave up early");
    drop(hostile);
    scene.assert_unharmed("in the end");
    eprintln!("{runs} runs, {freed} locks freed; refused for: {failed:#?}");
    assert!(freed > 0, "it never got to do anything, so this shows nothing");
    // Once it is over, lockdoctor works as ever.
    fs::remove_dir_all(scene.env.state()).expect("spoilt");
    fs::create_dir_all(scene.env.state()).expect("state");
    let (lock, _) = dead_lock(&scene.env, "a");
    chown(&scene.env.state());
    assert_eq!(act(&scene.env).exits(0).result(&lock), "reclaimed");
    assert_eq!(events(&scene.env.state()), ["intent", "reclaimed"]);
}

impl Scene {
    fn assert_canary_unharmed(&self, run: usize) {
        assert!(tree(&self.canary) == self.before, "run {run}: the canary changed");
    }
}

/// The attack can succeed: it does against whoever works by path with root's rights.
#[test]
fn control_a_reclaimer_by_path_is_led_astray() {
    if not_root() {
        return;
    }
    let scene = Scene::new();
    let _hostile = Hostile::start(&scene);
    let lock = scene.lock.clone();
    let store = scene.env.state().join("lockdoctor");
    let end = Instant::now() + Duration::from_secs(60);
    while tree(&scene.canary) == scene.before {
        assert!(Instant::now() < end, "the attack achieved nothing in 60 s");
        fs::create_dir_all(store.join("quarantine")).ok();
        if fs::symlink_metadata(&lock).is_ok_and(|metadata| metadata.is_file()) {
            let journal = OpenOptions::new().append(true).create(true).open(store.join("journal.jsonl"));
            journal.and_then(|mut journal| journal.write_all(b"intent\n")).ok();
            fs::rename(&lock, store.join("quarantine/kept")).ok();
        }
    }
}

/// The owner of the directory above a state directory can replace all of it.
#[test]
fn a_state_directory_that_becomes_a_link_is_not_followed_further_than_it_is_trusted() {
    if not_root() {
        return;
    }
    let scene = Scene::new();
    // A link to a directory of root's own, where the hostile user left a lock of its own making.
    let sticky = scene.env.home().join("sticky");
    fs::create_dir_all(sticky.join("agents/main/sessions")).expect("directory");
    fs::set_permissions(sticky.join("agents/main/sessions"), Permissions::from_mode(0o1777)).expect("chmod");
    let bait = sticky.join("agents/main/sessions/a.jsonl.lock");
    fs::write(&bait, payload(dead_pid(), Some(1))).expect("bait");
    set_age(&bait, Duration::from_hours(1));
    chown(&bait);
    let before = tree(&sticky);
    let mut command = scene.env.command(&["reclaim", "--yes", "--settle", "0s", "--json", "--state-dir"]);
    command.arg(&sticky);
    let run = Run::of(command);
    assert_eq!(tree(&sticky), before, "{run:#?}");
    assert_eq!(fs::metadata(&bait).expect("bait").uid(), HOSTILE);
}
