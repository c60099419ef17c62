//! How busy the gateway is, and whether it answers: its process state, CPU time over a quarter of a second, and one
//! request to its port on this machine. A connection alone proves nothing, as the kernel accepts for a blocked event
//! loop too.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::facts::Sample;
use crate::diagnosis::input::{
    ConfigFact, Disk, GatewayFact, GatewayState, LoadSample, Readiness, Suspended,
};
use crate::evidence::Owner;
use crate::evidence::directory::Directory;
use crate::evidence::process::{look_up, read_proc};
use crate::install::config::Config;
use crate::install::gateway;
use crate::leases::Workings;
use crate::words::printable;

const SAMPLE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(2);
/// A gateway that ended on a full disk left its logs' 4 MB free, and a start copies its databases.
const LITTLE: u64 = 16 << 20;
/// A healthy answer has some hundred bytes.
const LONGEST_ANSWER: u64 = 64 << 10;

/// What the diagnosis is told of a gateway.
pub fn fact(
    gateway: &gateway::Gateway,
    config: &Config,
    workings: Option<&Workings>,
    root: &Directory,
    sample: Sample,
) -> GatewayFact {
    let mut fact = GatewayFact {
        state: match gateway.state {
            gateway::GatewayState::Running => GatewayState::Running,
            gateway::GatewayState::Starting => GatewayState::Starting,
            gateway::GatewayState::Down => GatewayState::Down,
            gateway::GatewayState::Unknown => GatewayState::Unknown,
        },
        pid: gateway.pid,
        started_at: gateway.started_at,
        suspended: gateway.pid.and_then(|pid| suspended(pid, sample)),
        config: ConfigFact {
            broken: config.broken.as_ref().map(|how| {
                let name = config.path.as_deref().and_then(Path::file_name).unwrap_or_default();
                format!("{} {how}", printable(&name.to_string_lossy()))
            }),
            changed_at: config.changed_at,
        },
        disk: if workings.is_some() { disk(root) } else { Disk::Fine },
        workings: workings.cloned(),
        ..GatewayFact::default()
    };
    let asks = sample != Sample::Skip && fact.suspended.is_none();
    if let Some(pid) = gateway.pid.filter(|_| asks) {
        if let Some(port) = port(gateway, config.gateway_port) {
            fact = fact.having(listen(pid, port));
        }
        if sample == Sample::Take && fact.load.is_none() {
            fact.load = load(pid);
        }
    }
    fact
}

fn disk(root: &Directory) -> Disk {
    if root.is_on_read_only_filesystem() {
        return Disk::ReadOnly;
    }
    root.free().filter(|bytes| *bytes < LITTLE).map_or(Disk::Fine, Disk::Little)
}

/// What came of asking a gateway's port.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    answers: Option<bool>,
    readiness: Option<Readiness>,
    /// Of one that does not answer.
    load: Option<LoadSample>,
}

impl Heard {
    /// But for its load, which is never the same.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.answers == other.answers && self.readiness == other.readiness
    }
}

impl GatewayFact {
    #[must_use]
    pub fn having(self, heard: Heard) -> Self {
        Self { answers: heard.answers, readiness: heard.readiness, load: heard.load.or(self.load), ..self }
    }
}

/// The port that a gateway can be asked on from here: another network has ports of its own.
pub fn port(gateway: &gateway::Gateway, configured: Option<u16>) -> Option<u16> {
    let pid = gateway.pid?;
    gateway.port.or(configured).filter(|_| shares_our_network(pid))
}

/// Asks whether the gateway `pid` answers on `port`; one that does not is asked twice, as one pause of its event loop is
/// no silence.
pub fn listen(pid: u32, port: u16) -> Heard {
    let asked = match ask(port) {
        Asked::Silent => ask(port),
        answered => answered,
    };
    match asked {
        Asked::Answered(readiness) => Heard { answers: Some(true), readiness, load: None },
        Asked::Silent => Heard { answers: Some(false), readiness: None, load: load(pid) },
        Asked::NobodyThere => Heard::default(),
    }
}

fn shares_our_network(pid: u32) -> bool {
    let network = |whose: &str| std::fs::read_link(format!("/proc/{whose}/ns/net")).ok();
    network(&pid.to_string()).is_none_or(|theirs| Some(theirs) == network("self"))
}

fn suspended(pid: u32, sample: Sample) -> Option<Suspended> {
    let state = || look_up(pid).process().map(|process| process.state);
    match state()? {
        'T' | 't' => Some(Suspended::Stopped),
        _ if is_frozen(pid) => Some(Suspended::Frozen),
        // A moment of it is ordinary.
        'D' if sample != Sample::Skip => {
            std::thread::sleep(SAMPLE);
            (state() == Some('D')).then_some(Suspended::Disk)
        }
        _ => None,
    }
}

/// By a cgroup's freezer. Of the first cgroup version the kernel says so itself: state D, in the freezer's own wait. Of
/// the second a file names the state of all processes in the group.
fn is_frozen(pid: u32) -> bool {
    if read_proc(pid, "wchan").is_some_and(|place| place.contains("refrigerator")) {
        return true;
    }
    let Some(groups) = read_proc(pid, "cgroup") else { return false };
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    group.is_some_and(|group| {
        let events = std::fs::read_to_string(format!("/sys/fs/cgroup/{group}/cgroup.events"));
        events.is_ok_and(|events| events.lines().any(|line| line == "frozen 1"))
    })
}

fn load(pid: u32) -> Option<LoadSample> {
    let Owner::Alive(before) = look_up(pid) else { return None };
    let started = Instant::now();
    std::thread::sleep(SAMPLE);
    let Owner::Alive(after) = look_up(pid) else { return None };
    let over = started.elapsed();
    let ticks = after.cpu_ticks.saturating_sub(before.cpu_ticks) as f64;
    let seconds = ticks / rustix::param::clock_ticks_per_second() as f64;
    Some(LoadSample {
        cores: seconds / over.as_secs_f64(),
        over_ms: over.as_millis() as u64,
        state: after.state,
    })
}

enum Asked {
    /// Any byte counts; what it says of itself is more than that.
    Answered(Option<Readiness>),
    /// Connected, and no byte came.
    Silent,
    /// Nobody listens here, which says nothing of a gateway in a container.
    NobodyThere,
}

fn ask(port: u16) -> Asked {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else { return Asked::NobodyThere };
    let mut answer = Vec::new();
    let talk = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        // A gateway that keeps the connection open has answered all the same.
        stream.take(LONGEST_ANSWER).read_to_end(&mut answer)
    };
    let talked = talk();
    match talked {
        _ if !answer.is_empty() => Asked::Answered(readiness(&answer)),
        Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Asked::NobodyThere,
        _ => Asked::Silent,
    }
}

#[derive(Deserialize)]
struct Said {
    ready: bool,
    #[serde(default)]
    failing: Vec<String>,
    #[serde(default)]
    suppressed: Vec<String>,
}

fn readiness(answer: &[u8]) -> Option<Readiness> {
    let text = String::from_utf8_lossy(answer);
    let (_, body) = text.split_once("\r\n\r\n")?;
    let said: Said = serde_json::from_str(body).ok()?;
    let words = |all: Vec<String>| all.into_iter().filter(|word| is_word(word)).take(20).collect();
    Some(Readiness { ready: said.ready, failing: words(said.failing), suppressed: words(said.suppressed) })
}

/// `gateway-draining`, `agent-database:main`: whatever else answers on the port is not quoted.
fn is_word(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn served(answer: &'static [u8]) -> Asked {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let port = server.local_addr().expect("address").port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().expect("accept");
            assert!(stream.read(&mut [0; 512]).expect("asked") > 0);
            stream.write_all(answer).expect("write");
        });
        let asked = ask(port);
        thread.join().expect("server");
        asked
    }

    #[test]
    fn a_listener_that_never_answers_is_silent_and_a_closed_port_says_nothing() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let port = silent.local_addr().expect("address").port();
        assert!(matches!(ask(port), Asked::Silent));
        drop(silent);
        assert!(matches!(ask(port), Asked::NobodyThere));
    }

    #[test]
    fn what_a_gateway_says_of_itself_is_read_and_nothing_else() {
        assert!(matches!(served(b"HTTP/1.0 404\r\n\r\n"), Asked::Answered(None)));
        let said = br#"{"ready":false,"failing":["gateway-draining","<script>"],"uptimeMs":7}"#;
        let answer: &'static [u8] = [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", &said[..]].concat().leak();
        let Asked::Answered(Some(readiness)) = served(answer) else { panic!("an answer") };
        assert_eq!((readiness.ready, readiness.failing), (false, vec!["gateway-draining".to_owned()]));
    }

    #[test]
    fn a_stopped_process_is_seen_as_such() {
        let mut child =
            std::process::Command::new("sh").args(["-c", "kill -STOP $$; :"]).spawn().expect("sh");
        let deadline = Instant::now() + Duration::from_secs(5);
        while suspended(child.id(), Sample::Skip) != Some(Suspended::Stopped) {
            assert!(Instant::now() < deadline, "never seen");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("ours");
        child.wait().expect("ours");
    }
}
