//! How busy the gateway is, and whether it answers: CPU time over a quarter of a second, and one request to its
//! port on this machine. A connection alone proves nothing, as the kernel accepts for a blocked event loop too.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::facts::Sample;
use crate::diagnosis::input::{GatewayFact, GatewayState, LoadSample};
use crate::evidence::Owner;
use crate::evidence::process::look_up;
use crate::install::gateway;

const SAMPLE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(2);

/// What the diagnosis is told of a gateway.
pub fn fact(gateway: &gateway::Gateway, configured_port: Option<u16>, sample: Sample) -> GatewayFact {
    let up = gateway.up.and_then(|up| TimeDelta::from_std(up).ok());
    let mut fact = GatewayFact {
        state: match gateway.state {
            gateway::GatewayState::Running => GatewayState::Running,
            gateway::GatewayState::Starting => GatewayState::Starting,
            gateway::GatewayState::Down => GatewayState::Down,
            gateway::GatewayState::Unknown => GatewayState::Unknown,
        },
        pid: gateway.pid,
        started_at: up.map(|up| Utc::now() - up),
        ..GatewayFact::default()
    };
    if let (Some(pid), Sample::Take) = (gateway.pid, sample) {
        fact.load = load(pid);
        fact.answers = gateway.port.or(configured_port).map(answers);
    }
    fact
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

/// Any byte of an answer counts; its meaning does not matter.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let asked = TcpStream::connect_timeout(&address, PATIENCE).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
        stream.read(&mut [0; 1])
    });
    asked.is_ok_and(|read| read > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_that_never_answers_does_not_answer() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        assert!(!answers(silent.local_addr().expect("address").port()));
    }

    #[test]
    fn a_server_answers() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let port = server.local_addr().expect("address").port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().expect("accept");
            stream.write_all(b"HTTP/1.0 404\r\n\r\n").expect("write");
        });
        assert!(answers(port));
        thread.join().expect("server");
    }
}
