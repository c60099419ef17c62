//! One process of the demo: takes locks as OpenClaw does, at the word of the process that started it, and ends
//! with the pipe between them.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::evidence::process::Process;

/// What an actor can be told, one JSON document a line; it answers each with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Take a lock, made so many seconds ago, and keep it.
    Hold { lock: PathBuf, age: i64 },
    /// The gateway's own lock, which names the configuration.
    HoldGateway { lock: PathBuf, config: PathBuf },
    /// Take a lock and close it without removing it.
    Leak { lock: PathBuf },
    /// Create a lock and get no further.
    Create { lock: PathBuf },
    /// Start a thread and answer with its number.
    Thread,
}

/// Plays until the pipe closes.
pub fn play(title: &str) -> anyhow::Result<()> {
    rustix::thread::set_name(&CString::new(title)?)?;
    let mut open = Vec::new();
    let mut orders = BufReader::new(std::io::stdin());
    loop {
        let mut line = String::new();
        if orders.buffer().is_empty() {
            wait_as_node_does()?;
        }
        if orders.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let order = serde_json::from_str(&line).context("an order")?;
        let answer = carry_out(order, &mut open)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
}

/// In an event loop, so that it is seen to be idle.
fn wait_as_node_does() -> std::io::Result<()> {
    let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&events, std::io::stdin(), epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    let mut ready = Vec::with_capacity(1);
    rustix::io::retry_on_intr(|| epoll::wait(&events, spare_capacity(&mut ready), None))?;
    Ok(())
}

fn carry_out(order: Order, open: &mut Vec<File>) -> anyhow::Result<u32> {
    match order {
        Order::Hold { lock, age } => {
            open.push(create(&lock, &session_payload(std::process::id(), own_start_ticks(), made(age)))?);
        }
        Order::HoldGateway { lock, config } => open.push(create(&lock, &gateway_payload(&config))?),
        Order::Leak { lock } => {
            drop(create(&lock, &session_payload(std::process::id(), own_start_ticks(), made(140)))?);
        }
        Order::Create { lock } => open.push(create(&lock, b"")?),
        Order::Thread => return start_thread(),
    }
    Ok(std::process::id())
}

/// `open(path, "wx")`, then one write: what OpenClaw's acquirer does, in every version of the file era.
fn create(lock: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(lock)?;
    file.write_all(bytes)?;
    Ok(file)
}

fn start_thread() -> anyhow::Result<u32> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        tell.send(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()).ok();
        loop {
            std::thread::park();
        }
    });
    Ok(told.recv()?)
}

fn own_start_ticks() -> Option<u64> {
    Process::this().map(|process| process.start_ticks)
}

pub(super) fn made(seconds_ago: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::seconds(seconds_ago)
}

/// The bytes of a session lock of 2026.5.22 to 2026.7.35.
pub(super) fn session_payload(pid: u32, start_ticks: Option<u64>, made: DateTime<Utc>) -> Vec<u8> {
    let mut fields = json!({
        "pid": pid,
        "createdAt": made.to_rfc3339_opts(SecondsFormat::Millis, true),
        "maxHoldMs": 1_020_000,
    });
    if let Some(ticks) = start_ticks {
        fields["starttime"] = json!(ticks);
    }
    format!("{fields:#}\n").into_bytes()
}

fn gateway_payload(config: &Path) -> Vec<u8> {
    let fields = json!({
        "pid": std::process::id(),
        "createdAt": made(0).to_rfc3339_opts(SecondsFormat::Millis, true),
        "configPath": config,
        "startTime": own_start_ticks(),
    });
    fields.to_string().into_bytes()
}
