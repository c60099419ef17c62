//! A message that waits for a left-over lock gets in within a second of the swap, in every version and for
//! every kind of lock that this version would not free by itself. Needs node and, the first time, npm.

use std::fs;

use crate::real::{Node, StateDir, bystander, each_package};
use crate::support::dead_pid;

const LIMIT_MS: u64 = 1000;

#[test]
fn a_waiter_gets_in_within_a_second_of_the_swap() {
    let [stranger, lookalike] = ["sleep", "openclaw"].map(bystander);
    each_package(|key| rescue(key, [stranger.pid(), lookalike.pid()]));
}

fn rescue(key: &str, [stranger, lookalike]: [u32; 2]) {
    let state = StateDir::new(key);
    let pids = [stranger, lookalike, dead_pid()].map(|p| p.to_string());
    let sessions = state.sessions();
    let mut args = vec![key, sessions.to_str().unwrap()];
    args.extend(pids.iter().map(String::as_str));
    let mut waiter = Node::spawn("waiter.mjs", &args);
    let mut frees_itself = Vec::new();
    let waiting = loop {
        let said = waiter.next().expect("it says that it is waiting");
        if said["event"] == "waiting" {
            break said;
        }
        frees_itself.push(said["kind"].to_string());
    };
    let stuck = waiting["kinds"].as_array().unwrap();
    let reclaimed = state.reclaim();
    for lock in waiting["locks"].as_array().unwrap() {
        let lock = std::path::Path::new(lock.as_str().unwrap());
        assert_eq!(reclaimed.result(lock), "reclaimed", "{key}: {}", reclaimed.0);
    }
    let mut rescued = Vec::new();
    loop {
        let said = waiter.next().expect("it says that it is done");
        match said["event"].as_str() {
            Some("in") => {
                let after = said["after_swap_ms"].as_u64().unwrap();
                assert!(after <= LIMIT_MS, "{key}: {} got in {after} ms after the swap", said["kind"]);
                rescued.push(format!("{} {after} ms", said["kind"]));
            }
            Some("done") => {
                assert_eq!(said["left"].as_array().unwrap().len(), 0, "{key}: locks were left: {said}");
                break;
            }
            _ => panic!("{key}: {said}"),
        }
    }
    assert_eq!(rescued.len(), stuck.len(), "{key}: {rescued:?} of {stuck:?}");
    assert!(!stuck.is_empty(), "{key}: nothing was stuck: this showed nothing");
    let litter = fs::read_dir(&sessions)
        .unwrap()
        .flatten()
        .filter(|e| !e.path().to_string_lossy().ends_with(".jsonl"));
    let litter: Vec<_> = litter.map(|e| e.file_name()).collect();
    assert!(litter.is_empty(), "{key}: left in the sessions directory: {litter:?}");
    eprintln!("{key}: let in after {}; frees itself: {}", rescued.join(", "), frees_itself.join(", "));
}
