//! `quarantine`: what was reclaimed is listed, put back, dropped.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::reclaim::{act, dead_lock, events, quarantine, quarantined, tombstone, tree};
use crate::support::{TestEnv, hold, own_pid, payload, start_ticks};

/// A lock that was reclaimed: its path, bytes, and id.
fn reclaimed(env: &TestEnv, id: &str) -> (PathBuf, Vec<u8>, String) {
    let (lock, bytes) = dead_lock(env, id);
    let kept = act(env).exits(0).lock(&lock)["quarantine_id"].as_str().expect("id").to_owned();
    (lock, bytes, kept)
}

#[test]
fn an_empty_quarantine_is_said_and_none_is_made() {
    let env = TestEnv::new("2026.5.22");
    let before = tree(env.home());
    let list = quarantine(&env, &["list"]).exits(0);
    assert_eq!(list.stdout, "The quarantine is empty.\n");
    quarantine(&env, &["purge"]).exits(0);
    assert_eq!(tree(env.home()), before);
}

#[test]
fn what_was_reclaimed_is_listed_with_its_story() {
    let env = TestEnv::new("2026.5.22");
    let (_, _, first) = reclaimed(&env, "a");
    let (_, _, second) = reclaimed(&env, "b");
    let before = tree(env.home());
    let list = quarantine(&env, &["list", "--json"]).exits(0).json();
    assert_eq!(list["schema"], "lockdoctor/quarantine/v1");
    let locks = list["locks"].as_array().expect("locks");
    assert_eq!(
        locks.iter().map(|lock| lock["id"].as_str()).collect::<Vec<_>>(),
        [Some(&*first), Some(&*second)]
    );
    assert_eq!(locks[0]["lock"], "agents/main/sessions/a.jsonl.lock");
    assert_eq!((&locks[0]["verdict"], &locks[0]["event"]), (&"stale".into(), &"reclaimed".into()));
    assert_eq!(tree(env.home()), before, "a look changes nothing");
    let table = quarantine(&env, &["list"]).exits(0).stdout;
    assert!(table.contains(&first) && table.contains("agents/main/sessions/b.jsonl.lock"), "{table}");
}

#[test]
fn programs_are_told_what_was_done() {
    let env = TestEnv::new("2026.5.22");
    let (_, _, id) = reclaimed(&env, "a");
    let restored = quarantine(&env, &["restore", &id, "--json"]).exits(0).json();
    assert_eq!(
        (&restored["schema"], &restored["restored"][0]["id"]),
        (&"lockdoctor/quarantine/v1".into(), &id.into())
    );
    let (_, _, id) = reclaimed(&env, "b");
    let purge = quarantine(&env, &["purge", "--older-than", "0s", "--format", "ndjson"]).exits(0);
    assert_eq!(purge.stdout.lines().count(), 1, "{purge:#?}");
    let purged = purge.json()["purged"].clone();
    assert!(purged.as_array().expect("ids").contains(&id.into()), "{purged:#}");
    let missing = quarantine(&env, &["restore", "nothing"]).exits(2);
    let command = format!("`lockdoctor quarantine list --state-dir {}`", env.state().display());
    assert!(missing.stderr.contains(&command), "{missing:#?}");
}

#[test]
fn a_bare_sessions_directory_has_a_quarantine_of_its_own() {
    let env = TestEnv::empty();
    let sessions = env.home().join("copy");
    fs::create_dir(&sessions).expect("directory");
    fs::write(sessions.join("a.jsonl.lock"), payload(crate::support::dead_pid(), Some(1))).expect("lock");
    let sessions = sessions.to_str().expect("UTF-8");
    let run = env.run(&["reclaim", sessions, "--yes", "--settle", "0s"]).exits(0);
    let next = format!("lockdoctor quarantine list --state-dir {sessions}");
    assert!(run.stdout.contains(&next), "{run:#?}");
    let list = env.run(&["quarantine", "list", "--state-dir", sessions]).exits(0);
    assert!(list.stdout.contains("a.jsonl.lock"), "{list:#?}");
}

#[test]
fn a_state_directory_need_not_have_agents() {
    let env = TestEnv::empty();
    for names in [["state/openclaw.sqlite", "workspace/x"], ["cron/jobs.json", "moltbot.json"]] {
        let state = env.home().join(names[0].replace('/', "-"));
        for name in names {
            let file = state.join(name);
            fs::create_dir_all(file.parent().expect("parent")).expect("directory");
            fs::write(file, "{}").expect("file");
        }
        let list = env.run(&["quarantine", "list", "--state-dir", &state.to_string_lossy()]).exits(0);
        assert_eq!(list.stdout, "The quarantine is empty.\n", "{names:?}");
        let other = state.join(names[0]).parent().expect("parent").to_string_lossy().into_owned();
        env.run(&["quarantine", "list", "--state-dir", &other]).exits(2);
    }
}

#[test]
fn it_goes_back_over_our_own_tombstone() {
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes, id) = reclaimed(&env, "a");
    let inode = fs::metadata(env.state().join("lockdoctor/quarantine").join(&id)).expect("kept").ino();
    let restored = quarantine(&env, &["restore", &id]).exits(0);
    assert_eq!(restored.stdout, "agents/main/sessions/a.jsonl.lock is back.\n");
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
    assert_eq!(fs::metadata(&lock).expect("lock").ino(), inode);
    assert!(quarantined(&env.state()).is_empty(), "the tombstone is gone");
    assert_eq!(events(&env.state()), ["intent", "reclaimed", "restoring", "restored"]);
    env.scan().exits(1).says(&lock, "stale dead-pid no-writer");
    quarantine(&env, &["restore", &id]).exits(2);
}

#[test]
fn it_goes_back_to_a_free_name() {
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes, id) = reclaimed(&env, "a");
    fs::remove_file(&lock).expect("a waiter removed the tombstone, and has let go since");
    quarantine(&env, &["restore", &id]).exits(0);
    assert_eq!(fs::read(&lock).expect("lock"), bytes);
}

#[test]
fn it_never_goes_over_a_lock() {
    let env = TestEnv::new("2026.5.22");
    let (lock, bytes, id) = reclaimed(&env, "a");
    fs::remove_file(&lock).expect("a waiter removed the tombstone");
    let newer = payload(own_pid(), Some(start_ticks(own_pid())));
    let open = hold(&lock, &newer);
    let refused = quarantine(&env, &["restore", &id]).exits(2);
    assert!(refused.stderr.contains("the name is taken"), "{refused:#?}");
    assert_eq!(fs::read(&lock).expect("lock"), newer);
    assert_eq!(quarantined(&env.state())[&id], bytes, "it stays where it is");
    drop(open);
}

#[test]
fn what_does_not_exist_is_said() {
    let env = TestEnv::new("2026.5.22");
    reclaimed(&env, "a");
    let refused = quarantine(&env, &["restore", "20260101T000000.000Z-1"]).exits(2);
    assert!(refused.stderr.contains("not in the quarantine"), "{refused:#?}");
    fs::remove_dir_all(env.sessions("main")).expect("the agent is gone");
    let id = quarantined(&env.state()).into_keys().next().expect("id");
    let refused = quarantine(&env, &["restore", &id]).exits(2);
    assert!(refused.stderr.contains("cannot be opened any more"), "{refused:#?}");
}

#[test]
fn purge_drops_what_is_old_enough_and_says_so_first() {
    let env = TestEnv::new("2026.5.22");
    let (lock, _, id) = reclaimed(&env, "a");
    assert_eq!(quarantine(&env, &["purge"]).exits(0).stdout, "0 locks dropped.\n");
    assert_eq!(quarantine(&env, &["purge", "--older-than", "1h"]).exits(0).stdout, "0 locks dropped.\n");
    assert!(quarantined(&env.state()).contains_key(&id));
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(quarantine(&env, &["purge", "--older-than", "10ms"]).exits(0).stdout, "1 lock dropped.\n");
    assert!(quarantined(&env.state()).is_empty());
    assert_eq!(events(&env.state()).last().expect("entries"), "purged");
    assert!(tombstone(&lock).is_some(), "the tombstone is not in the quarantine's keeping");
}

#[test]
fn the_quarantine_keeps_its_bounds_by_itself() {
    let env = TestEnv::new("2026.5.22");
    reclaimed(&env, "a");
    let kept = env.state().join("lockdoctor/quarantine");
    let yesterday = (chrono::Utc::now() - chrono::TimeDelta::days(1)).format("%Y%m%dT%H%M%S");
    for n in 0..1001 {
        fs::write(kept.join(format!("{yesterday}.{n:03}Z-{n}")), b"old").expect("kept");
    }
    fs::write(kept.join("20200101T000000.000Z-1"), b"older than 30 days").expect("kept");
    reclaimed(&env, "b");
    let names = quarantined(&env.state());
    assert_eq!(names.len(), 1000);
    assert!(!names.contains_key("20200101T000000.000Z-1"));
    assert_eq!(names.iter().filter(|(_, bytes)| *bytes != b"old").count(), 2, "the oldest went");
    assert_eq!(events(&env.state()).iter().filter(|event| *event == "purged").count(), 4);
}
