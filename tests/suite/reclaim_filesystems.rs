//! Which mechanism serves on which file system: the lease that tells whether somebody has a lock open, and the
//! swap. Each is mounted on its own loop device; what cannot be mounted here is said. `--nocapture` prints the
//! table of docs/safety.md.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::reclaim::{Mounted, Results, events, quarantined, run, tombstone, tree};
use crate::support::{Owner, Run, TestEnv, dead_pid, hold, is_root, own_pid, payload, skipped, start_ticks};
use serde_json::Value;

/// A file system on which a state directory lies.
struct Volume {
    _mounts: Vec<Mounted>,
    state: PathBuf,
}

fn looped(env: &TestEnv, name: &str, megabytes: u64) -> Result<Volume, String> {
    let image = env.home().join(format!("{name}.image"));
    File::create(&image).expect("image").set_len(megabytes << 20).expect("size");
    run(Command::new(format!("mkfs.{name}")).arg("-q").arg(&image))?;
    let at = env.home().join(name);
    let mounted = Mounted::new(&["-o", "loop", "-t", name, image.to_str().expect("UTF-8")], &at)?;
    Ok(Volume { _mounts: vec![mounted], state: at.join("state") })
}

fn tmpfs(env: &TestEnv) -> Result<Volume, String> {
    let at = env.home().join("tmpfs");
    let mounted = Mounted::new(&["-t", "tmpfs", "tmpfs"], &at)?;
    Ok(Volume { _mounts: vec![mounted], state: at.join("state") })
}

/// `lower` may be on another file system, as an image's layers are: then a file's inode number changes when it
/// is copied up.
fn overlay(env: &TestEnv, lower: &Path, prepare: impl FnOnce(&Path)) -> Result<Volume, String> {
    let upper = env.home().join("overlay-upper");
    let base = Mounted::new(&["-t", "tmpfs", "tmpfs"], &upper)?;
    for name in ["upper", "work"] {
        fs::create_dir_all(upper.join(name)).expect("directory");
    }
    prepare(lower);
    let options =
        format!("lowerdir={},upperdir={1}/upper,workdir={1}/work", lower.display(), upper.display());
    let at = env.home().join("overlay");
    let mounted = Mounted::new(&["-t", "overlay", "-o", &options, "overlay"], &at)?;
    Ok(Volume { _mounts: vec![mounted, base], state: at.join("state") })
}

fn fuse(env: &TestEnv) -> Result<Volume, String> {
    let (below, at) = (env.home().join("below"), env.home().join("fuse"));
    fs::create_dir_all(below.join("state")).expect("directory");
    fs::create_dir_all(&at).expect("directory");
    run(Command::new("bindfs").arg(&below).arg(&at))?;
    Ok(Volume { _mounts: vec![Mounted::already(&at)], state: at.join("state") })
}

fn lockdoctor(env: &TestEnv, state: &Path, arguments: &[&str]) -> Run {
    let mut command = env.command(arguments);
    command.arg("--state-dir").arg(state);
    Run::of(command)
}

const ACT: [&str; 5] = ["reclaim", "--yes", "--settle", "0s", "--json"];

fn sessions(state: &Path) -> PathBuf {
    let sessions = state.join("agents/main/sessions");
    fs::create_dir_all(&sessions).expect("sessions");
    fs::write(state.join("openclaw.json"), r#"{"meta": {"lastTouchedVersion": "2026.5.22"}}"#)
        .expect("config");
    sessions
}

/// Held is seen, leaked is seen, a dead owner's lock is freed: what a file system must be good for.
#[track_caller]
fn assert_serves(env: &TestEnv, name: &str, volume: &Volume) {
    let state = &volume.state;
    let directory = sessions(state);
    let [held, leaked, stale] =
        ["held", "leaked", "stale"].map(|id| directory.join(format!("{id}.jsonl.lock")));
    let live = payload(own_pid(), Some(start_ticks(own_pid())));
    let open = hold(&held, &live);
    let mut owner = Owner::start();
    let let_go = owner.leak(&leaked);
    let dead = payload(dead_pid(), Some(1));
    fs::write(&stale, &dead).expect("lock");

    let scan = lockdoctor(env, state, &["scan", "--json"]);
    scan.says(&held, "held").says(&leaked, "leaked no-writer");
    let evidence = |lock: &Path| scan.lock(lock)["evidence"].clone();
    assert_eq!((&evidence(&held)["writer"], &evidence(&stale)["writer"]), (&"open".into(), &"none".into()));
    assert_eq!(evidence(&held)["filesystem"], "local");

    let run = lockdoctor(env, state, &ACT).exits(0);
    assert_eq!((run.result(&leaked), run.result(&stale)), ("reclaimed".into(), "reclaimed".into()), "{name}");
    assert_eq!(fs::read(&held).expect("held"), live);
    assert!(tombstone(&leaked).is_some() && tombstone(&stale).is_some());
    let kept: Vec<Vec<u8>> = quarantined(state).into_values().collect();
    assert!(kept.len() == 2 && kept.contains(&let_go) && kept.contains(&dead), "{name}: {kept:?}");
    assert_eq!(events(state), ["intent", "reclaimed", "intent", "reclaimed"], "{name}");
    lockdoctor(env, state, &["scan", "--json"]).exits(0).says(&stale, "freed");
    eprintln!("| {name} | asked, believed after the self-test | renameat2(EXCHANGE) |");
    drop(open);
}

fn serves(name: &str, volume: impl FnOnce(&TestEnv) -> Result<Volume, String>) {
    if skipped(is_root(), "mounting needs root") {
        return;
    }
    let env = TestEnv::empty();
    match volume(&env) {
        Ok(volume) => assert_serves(&env, name, &volume),
        Err(why) => eprintln!("SKIPPED: {name}: {why}"),
    }
}

#[test]
fn ext4() {
    serves("ext4", |env| looped(env, "ext4", 32));
}

#[test]
fn xfs() {
    serves("xfs", |env| looped(env, "xfs", 320));
}

#[test]
fn btrfs() {
    serves("btrfs", |env| looped(env, "btrfs", 128));
}

#[test]
fn f2fs() {
    serves("f2fs", |env| looped(env, "f2fs", 64));
}

#[test]
fn on_tmpfs() {
    serves("tmpfs", tmpfs);
}

#[test]
fn overlayfs() {
    serves("overlayfs", |env| {
        let lower = env.home().join("lower");
        fs::create_dir_all(&lower).expect("lower");
        overlay(env, &lower, |_| {})
    });
}

/// A lock that was baked into an image: the swap copies it up, and with it comes another inode number.
#[test]
fn a_lock_in_a_lower_layer_of_another_file_system() {
    if skipped(is_root(), "mounting needs root") {
        return;
    }
    let env = TestEnv::empty();
    let dead = payload(dead_pid(), Some(1));
    let lower = env.home().join("lower");
    let image = lower.join("state");
    let volume = overlay(&env, &lower, |_| {
        let lock = sessions(&image).join("a.jsonl.lock");
        fs::write(lock, &dead).expect("lock");
    });
    let volume = match volume {
        Ok(volume) => volume,
        Err(why) => return eprintln!("SKIPPED: overlayfs: {why}"),
    };
    let below = tree(&lower);
    let lock = volume.state.join("agents/main/sessions/a.jsonl.lock");
    let run = lockdoctor(&env, &volume.state, &ACT).exits(0);
    assert_eq!(run.result(&lock), "reclaimed", "{:?}", events(&volume.state));
    assert!(tombstone(&lock).is_some());
    assert_eq!(quarantined(&volume.state).into_values().collect::<Vec<_>>(), [dead]);
    assert_eq!(tree(&lower), below, "the image is as it was");
}

/// btrfs gives each subvolume a device number of its own and renames nothing across: the sessions get a home
/// of their own.
#[test]
fn a_btrfs_subvolume() {
    if skipped(is_root(), "mounting needs root") {
        return;
    }
    let env = TestEnv::empty();
    let volume = match looped(&env, "btrfs", 128) {
        Ok(volume) => volume,
        Err(why) => return eprintln!("SKIPPED: btrfs: {why}"),
    };
    let main = volume.state.join("agents/main");
    fs::create_dir_all(&main).expect("agent");
    run(Command::new("btrfs").args(["-q", "subvolume", "create"]).arg(main.join("sessions")))
        .expect("subvolume");
    let directory = sessions(&volume.state);
    let lock = directory.join("a.jsonl.lock");
    fs::write(&lock, payload(dead_pid(), Some(1))).expect("lock");
    let run = lockdoctor(&env, &volume.state, &ACT).exits(0);
    assert_eq!(run.result(&lock), "reclaimed");
    assert_eq!(events(&directory), ["intent", "reclaimed"]);
    assert!(events(&volume.state).is_empty());
}

/// FUSE knows neither the swap nor who else has a file open below it: judged by what can be seen, never acted
/// upon, and the reason is said.
#[test]
fn on_fuse_nothing_is_done_and_the_reason_is_said() {
    if skipped(is_root(), "mounting needs root") {
        return;
    }
    let env = TestEnv::empty();
    let volume = match fuse(&env) {
        Ok(volume) => volume,
        Err(why) => return eprintln!("SKIPPED: bindfs: {why}"),
    };
    let directory = sessions(&volume.state);
    let lock = directory.join("a.jsonl.lock");
    fs::write(&lock, payload(dead_pid(), Some(1))).expect("lock");
    let before = tree(&volume.state);
    let scan = lockdoctor(&env, &volume.state, &["scan", "--json"]);
    let seen = scan.lock(&lock);
    assert_eq!((&seen["verdict"], &seen["action"]), (&"indeterminate".into(), &"none".into()), "{seen:#}");
    assert_eq!(seen["evidence"]["filesystem"], "fuse");
    let note = seen["evidence"]["note"].as_str().expect("the reason").to_owned();
    let run = lockdoctor(&env, &volume.state, &ACT).exits(2);
    assert_eq!(run.json()["locks"].as_array().map(Vec::len), Some(0));
    assert!(
        run.stderr.contains("1 lock cannot be judged from here. See: lockdoctor doctor"),
        "{}",
        run.stderr
    );
    assert_eq!(tree(&volume.state), before);
    eprintln!("| FUSE (bindfs) | not asked: {note} | none: not acted upon |");
}

/// A file system of this kernel's own that cannot swap is refused at the swap, and said.
#[test]
fn a_file_system_that_cannot_swap_is_refused() {
    if skipped(crate::support::strace::works(), "strace(1) is missing or may not trace") {
        return;
    }
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes) = crate::support::reclaim::dead_lock(&env, "a");
    let without = ["inject=renameat2:error=EINVAL:when=2".to_owned()];
    let traced = crate::support::strace::trace(&env, &ACT, &without);
    let json: Value = serde_json::from_str(&traced.stdout).expect("JSON");
    assert_eq!(json["locks"][0]["result"], "failed");
    let error = json["locks"][0]["error"].as_str().expect("error");
    assert!(error.contains("cannot swap two names"), "{error}");
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
    assert!(quarantined(&env.state()).is_empty());
}
