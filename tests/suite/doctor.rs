//! `lockdoctor doctor` in environments that are broken in one way each: it names what is wrong, and what to do.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::support::ship::{State, code, installed, is_root, lockdoctor, program, skipped, stdout};
use serde_json::Value;

/// The program where every user may run it.
struct Public {
    directory: tempfile::TempDir,
}

impl Public {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("tempdir");
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
        std::fs::copy(program(), directory.path().join("lockdoctor")).expect("copy");
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("lockdoctor")
    }
}

/// Runs a shell script with `$LD` and `$STATE` set. The script ends in the doctor's own exit status.
fn shell(wrapper: &[&str], script: &str, state: &Path) -> Output {
    let public = Public::new();
    let (first, rest) = wrapper.split_first().unwrap_or((&"env", &[]));
    Command::new(first)
        .args(rest)
        .args(["sh", "-ec", script])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/nonexistent")
        .env("LD", public.path())
        .env("STATE", state)
        .output()
        .expect("a shell")
}

/// A namespace of its own for a script; `false`: not permitted here.
fn may(wrapper: &[&str]) -> bool {
    let tried = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

#[track_caller]
fn says(output: &Output, expected: &[&str]) {
    let text = stdout(output);
    let errors = String::from_utf8_lossy(&output.stderr);
    for each in expected {
        assert!(text.contains(each), "'{each}' is missing in:\n{text}{errors}");
    }
}

fn readable_by_all(state: &State) {
    std::fs::set_permissions(state.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
}

const MOUNTS: &[&str] = &["unshare", "--mount"];
const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

#[test]
fn a_good_place_is_in_order() {
    let state = State::of_version("2026.3.13");
    let directory = state.path().to_string_lossy().into_owned();
    let checks = ["install", "version", "gateway", "uid", "writable", "journal", "lease", "swap", "clock"];
    let output = lockdoctor(&[&["doctor", "--state-dir", &directory], &checks[..]].concat());
    says(
        &output,
        &[
            "[✓] install",
            "OpenClaw 2026.3.13: sessions and their locks are files",
            "What was checked is in order.",
        ],
    );
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    let left: Vec<_> =
        std::fs::read_dir(state.path()).expect("list").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "doctor leaves nothing behind: {left:?}");
}

#[test]
fn checks_are_listed_and_run_by_name() {
    let list = stdout(&lockdoctor(&["doctor", "--list"]));
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 16 && names.contains(&"cron") && names.contains(&"lease"), "{names:?}");
    let state = State::of_version("2026.3.13");
    let directory = state.path().to_string_lossy().into_owned();
    for name in names {
        let output = lockdoctor(&["doctor", name, "--json", "--state-dir", &directory]);
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(json["schema"], "lockdoctor/doctor/v1");
        let ran = json["checks"].as_array().expect("checks");
        assert!(ran.iter().all(|check| check["name"] == name), "{name}: {ran:?}");
    }
    let unknown = lockdoctor(&["doctor", "nonsense"]);
    assert_eq!(code(&unknown), 2);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no check 'nonsense'"));
}

#[test]
fn without_an_install_it_says_where_it_looked() {
    let home = tempfile::tempdir().expect("tempdir");
    let output = Command::new(program())
        .args(["doctor", "install"])
        .env_clear()
        .env("HOME", home.path())
        .output()
        .expect("lockdoctor");
    // Gateways that happen to run on this machine are found through /proc.
    if code(&output) == 2 {
        says(
            &output,
            &["[✗] install", ".openclaw (the home directory)", "lockdoctor doctor --state-dir DIR"],
        );
    }
}

#[test]
fn the_wrong_uid() {
    if !is_root() || !installed("setpriv") {
        return skipped("the_wrong_uid", "needs root and setpriv(1)");
    }
    let state = State::of_version("2026.3.13");
    let closed = shell(&[], &format!("exec {NOBODY} $LD doctor uid --state-dir $STATE"), state.path());
    says(
        &closed,
        &["[✗] uid", "lockdoctor runs as uid 65534", "belongs to 0 (root)", "run lockdoctor as uid 0"],
    );
    assert_eq!(code(&closed), 1);
    let again = format!("sudo -u root lockdoctor doctor --state-dir {}", state.path().display());
    says(&closed, &[&again]);
    std::fs::set_permissions(state.path(), PermissionsExt::from_mode(0o700)).expect("chmod");
    let as_path = shell(&[], &format!("exec {NOBODY} $LD doctor install inotify $STATE/"), state.path());
    says(&as_path, &["[✗] install", "Permission denied", "[-] inotify"]);
    assert!(!stdout(&as_path).contains("a directory of its own"), "{}", stdout(&as_path));
    let home = format!("HOME=$STATE exec {NOBODY} $LD doctor uid --state-dir $STATE");
    says(&shell(&[], &home, state.path()), &["[✗] uid", "belongs to 0 (root)"]);
    readable_by_all(&state);
    let open = shell(&[], &format!("exec {NOBODY} $LD doctor uid writable --state-dir $STATE"), state.path());
    says(&open, &["[✗] uid", "[✗] writable", "may not be changed by this user"]);
}

#[test]
fn root_without_its_rights() {
    if !is_root() || !installed("setpriv") {
        return skipped("root_without_its_rights", "needs root and setpriv(1)");
    }
    let state = State::of_version("2026.3.13");
    std::os::unix::fs::chown(state.path(), Some(1000), Some(1000)).expect("chown");
    let with = shell(&[], "exec $LD doctor uid --state-dir $STATE", state.path());
    says(&with, &["[✓] uid", "with the rights to act for 1000"]);
    readable_by_all(&state);
    let without = "exec setpriv --bounding-set -all --inh-caps -all $LD doctor uid --state-dir $STATE";
    let without = shell(&[], without, state.path());
    says(&without, &["[✗] uid", "belongs to 1000", "run lockdoctor as uid 1000"]);
}

/// Reclaim works there as the pod's user, so nobody is sent to uid 0.
#[test]
fn a_volume_of_kubernetes_is_used_by_its_group() {
    if !is_root() || !installed("setpriv") {
        return skipped("a_volume_of_kubernetes_is_used_by_its_group", "needs root and setpriv(1)");
    }
    let state = State::of_version("2026.3.13");
    let script = "chgrp -R 1777 $STATE; chmod -R g+rwX $STATE; find $STATE -type d -exec chmod 2775 {} +; \
                  exec setpriv --reuid 1777 --regid 1777 --clear-groups $LD doctor uid writable journal --state-dir $STATE";
    let output = shell(&[], script, state.path());
    says(&output, &["[✓] uid", "whom the group of", "[✓] writable", "[✓] journal"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
}

#[test]
fn a_pid_namespace_of_its_own() {
    let wrapper = ["unshare", "--pid", "--fork", "--mount-proc"];
    if !may(&wrapper) {
        return skipped("a_pid_namespace_of_its_own", "unshare --pid is not permitted");
    }
    let state = State::of_version("2026.3.13");
    let output = shell(&wrapper, "$LD doctor pid-namespace --state-dir $STATE", state.path());
    says(
        &output,
        &[
            "[!] pid-namespace",
            "PID namespace of its own",
            "--pid=container:GATEWAY",
            "shareProcessNamespace",
        ],
    );
    assert_eq!(code(&output), 1);
}

#[test]
fn the_proc_of_another_namespace() {
    let wrapper = ["unshare", "--pid", "--fork"];
    if !may(&wrapper) {
        return skipped("the_proc_of_another_namespace", "unshare --pid is not permitted");
    }
    let state = State::of_version("2026.3.13");
    let output = shell(&wrapper, "$LD doctor hidepid --state-dir $STATE", state.path());
    says(&output, &["[✗] hidepid", "/proc shows another PID namespace"]);
}

#[test]
fn a_read_only_volume() {
    if !may(MOUNTS) {
        return skipped("a_read_only_volume", "unshare --mount is not permitted");
    }
    let state = State::of_version("2026.3.13");
    let script = "mount --bind $STATE $STATE; mount -o remount,bind,ro $STATE
        $LD doctor writable journal swap --state-dir $STATE";
    let output = shell(MOUNTS, script, state.path());
    says(&output, &["[✗] writable", "mounted read-only", "drop `:ro`", "[✗] journal", "[-] swap"]);
    assert_eq!(code(&output), 1);
}

#[test]
fn a_fuse_mount() {
    if !may(MOUNTS) || !installed("bindfs") || !Path::new("/dev/fuse").exists() {
        return skipped("a_fuse_mount", "needs root, bindfs(1) and /dev/fuse");
    }
    let state = State::of_version("2026.3.13");
    let script = "mkdir /tmp/ld-fuse-$$; bindfs --no-allow-other $STATE /tmp/ld-fuse-$$
        $LD doctor filesystem lease swap --state-dir /tmp/ld-fuse-$$ || rc=$?
        fusermount3 -u /tmp/ld-fuse-$$ || fusermount -u /tmp/ld-fuse-$$ || umount /tmp/ld-fuse-$$
        rmdir /tmp/ld-fuse-$$; exit $rc";
    let output = shell(MOUNTS, script, state.path());
    says(&output, &["[!] filesystem", "(FUSE)", "[-] lease", "[✗] swap", "cannot exchange two names"]);
    assert_eq!(code(&output), 1);
}

#[test]
fn a_sessions_directory_on_a_mount_of_its_own() {
    if !may(MOUNTS) {
        return skipped("a_sessions_directory_on_a_mount_of_its_own", "unshare --mount is not permitted");
    }
    let state = State::of_version("2026.3.13");
    let script = "mount --bind $STATE/agents $STATE/agents; $LD doctor swap --state-dir $STATE";
    let output = shell(MOUNTS, script, state.path());
    says(&output, &["[✗] swap", "on a mount of their own", "agents/main/sessions"]);
}

#[test]
fn a_proc_that_hides_processes() {
    if !may(MOUNTS) || !is_root() || !installed("setpriv") {
        return skipped("a_proc_that_hides_processes", "needs root and setpriv(1)");
    }
    let state = State::of_version("2026.3.13");
    readable_by_all(&state);
    let script =
        format!("mount -t proc -o hidepid=2 proc /proc; exec {NOBODY} $LD doctor hidepid --state-dir $STATE");
    let output = shell(MOUNTS, &script, state.path());
    says(&output, &["[!] hidepid", "hides other users' processes"]);
    assert_eq!(code(&output), 1);
}

#[test]
fn inotify_limits() {
    let wrapper = ["unshare", "--user", "--map-root-user"];
    if !may(&wrapper) {
        return skipped("inotify_limits", "user namespaces are not permitted");
    }
    let state = State::of_version("2026.3.13");
    let watches = "echo 1 > /proc/sys/user/max_inotify_watches; $LD doctor inotify --state-dir $STATE";
    let output = shell(&wrapper, watches, state.path());
    says(&output, &["[✗] inotify", "room for 1 watches only", "fs.inotify.max_user_watches="]);
    assert_eq!(code(&output), 1);
    let instances = "echo 0 > /proc/sys/user/max_inotify_instances; $LD doctor inotify --state-dir $STATE";
    let output = shell(&wrapper, instances, state.path());
    says(&output, &["[✗] inotify", "no further inotify instance", "fs.inotify.max_user_instances="]);
}

#[test]
fn the_sqlite_era() {
    let state = State::of_version("2026.9.6");
    let directory = state.path().to_string_lossy().into_owned();
    let output = lockdoctor(&["doctor", "version", "--state-dir", &directory]);
    says(&output, &["[✓] version", "OpenClaw 2026.9.6: sessions", "are rows in SQLite"]);
    assert_eq!(code(&output), 0);
}

#[test]
fn cron_jobs_that_delete_locks() {
    if !may(MOUNTS) {
        return skipped("cron_jobs_that_delete_locks", "unshare --mount is not permitted");
    }
    let state = State::of_version("2026.3.13");
    let line = r#"*/2 * * * * find ~/.clawdbot/agents -name "*.lock" -mmin +2 -delete"#;
    let script = format!(
        r"mount -t tmpfs none /var/spool; mkdir -p /var/spool/cron/crontabs
        echo '{line}' > /var/spool/cron/crontabs/node
        mkdir /var/spool/cron.d; mount --bind /var/spool/cron.d /etc/cron.d
        echo '* * * * * root /var/spool/clear.sh' > /etc/cron.d/clear
        printf '#!/bin/sh\nrm -f /home/node/.openclaw/agents/*/sessions/*.lock\n' > /var/spool/clear.sh
        $LD doctor cron --state-dir $STATE"
    );
    if !Path::new("/etc/cron.d").is_dir() {
        return skipped("cron_jobs_that_delete_locks", "there is no /etc/cron.d to mount over");
    }
    let output = shell(MOUNTS, &script, state.path());
    says(
        &output,
        &[
            "[✗] cron",
            "the crontab of node deletes locks, live ones too",
            line,
            "sudo crontab -e -u node",
            "/etc/cron.d/clear runs /var/spool/clear.sh, which deletes locks",
            "sudo systemctl enable --now lockdoctor-reclaim@",
            "systemctl --user enable --now lockdoctor-reclaim.timer",
        ],
    );
    assert_eq!(code(&output), 1);
}

/// A process that looks like a gateway of `state`, until it is dropped.
struct Gateway {
    child: Child,
    _directory: tempfile::TempDir,
}

impl Gateway {
    fn start(state: &Path, tmpdir: &Path) -> Self {
        let directory = tempfile::tempdir().expect("tempdir");
        let program = directory.path().join("openclaw-gateway");
        std::fs::copy("/bin/sleep", &program).expect("copy");
        let child = Command::new(program)
            .arg("60")
            .env_clear()
            .env("OPENCLAW_STATE_DIR", state)
            .env("TMPDIR", tmpdir)
            .spawn()
            .expect("sleep(1)");
        Self { child, _directory: directory }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn another_tmpdir_than_the_gateways() {
    let state = State::of_version("2026.3.13");
    let directory = state.path().to_string_lossy().into_owned();
    let elsewhere = tempfile::tempdir().expect("tempdir");
    let _gateway = Gateway::start(state.path(), elsewhere.path());
    let output = lockdoctor(&["doctor", "gateway", "pid-namespace", "tmpdir", "--state-dir", &directory]);
    let there = elsewhere.path().display();
    let expected = format!("the gateway's is {there}, ours is /tmp");
    says(
        &output,
        &["[✓] gateway", "shared with the gateway", "[!] tmpdir", &expected, &format!("TMPDIR={there}")],
    );
    assert_eq!(code(&output), 1);
}

#[test]
fn a_journal_that_cannot_be_written() {
    let state = State::of_version("2026.3.13");
    let directory = state.path().to_string_lossy().into_owned();
    std::os::unix::fs::symlink("/tmp", state.path().join("lockdoctor")).expect("symlink");
    let output = lockdoctor(&["doctor", "journal", "--state-dir", &directory]);
    says(&output, &["[✗] journal", "is not a directory that lockdoctor made"]);
    if !may(MOUNTS) {
        return skipped("a_journal_that_cannot_be_written (full disk)", "unshare --mount is not permitted");
    }
    let script = "mount -t tmpfs -o size=64k none $STATE; mkdir -p $STATE/agents/main/sessions
        dd if=/dev/zero of=$STATE/fill bs=4k 2>/dev/null || true; $LD doctor journal --state-dir $STATE";
    let output = shell(MOUNTS, script, state.path());
    says(&output, &["[✗] journal", "no space left"]);
}

#[test]
fn a_directory_that_everybody_can_write() {
    let state = State::of_version("2026.3.13");
    std::fs::set_permissions(state.sessions(), PermissionsExt::from_mode(0o777)).expect("chmod");
    let directory = state.path().to_string_lossy().into_owned();
    let output = lockdoctor(&["doctor", "writable", "--state-dir", &directory]);
    says(&output, &["[✗] writable", "can be written by everybody", "chmod o-w"]);
}

#[test]
fn a_clock_that_was_set_back() {
    let state = State::of_version("2026.3.13");
    let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_hours(24);
    let sessions = std::fs::File::open(state.sessions()).expect("open");
    sessions.set_modified(tomorrow).expect("utimes");
    let directory = state.path().to_string_lossy().into_owned();
    let output = lockdoctor(&["doctor", "clock", "--state-dir", &directory]);
    says(&output, &["[!] clock", "behind what was written before"]);
}

#[test]
fn it_fits_into_a_narrow_terminal() {
    if !installed("script") {
        return skipped("it_fits_into_a_narrow_terminal", "needs script(1)");
    }
    let state = State::of_version("2026.9.6");
    let command =
        format!("stty cols 60 rows 24; {} doctor version --state-dir {}", program(), state.path().display());
    let output = Command::new("script").args(["-qec", &command, "/dev/null"]).stdin(Stdio::null()).output();
    let output = output.expect("script(1)");
    let text = stdout(&output);
    assert!(text.contains("are rows in SQLite"), "{text}");
    for line in text.lines().filter(|line| !line.contains("lockdoctor ")) {
        let plain = line.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
        assert!(plain.trim_end().chars().count() <= 60, "{line:?}");
    }
}
