//! What the listener answers, and to whom.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::watch::{Watch, holder};
use crate::support::{TestEnv, dead_pid, has, payload, skipped};

#[test]
fn foreign_hosts_odd_methods_and_long_heads_are_refused() {
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &["--allow-host", "status.example"]);
    let ask = |request: &str| watch.request(request).0.lines().next().unwrap_or_default().to_owned();
    let get = |host: &str| ask(&format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(get("localhost:80"), "HTTP/1.1 200 OK");
    assert_eq!(get("status.example"), "HTTP/1.1 200 OK");
    assert_eq!(get("127.0.0.1"), "HTTP/1.1 200 OK");
    assert_eq!(get("rebound.example"), "HTTP/1.1 421 Misdirected Request");
    assert_eq!(ask("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    assert_eq!(ask("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(ask("GET /etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"), "HTTP/1.1 404 Not Found");
    assert_eq!(ask("\x16\x03\x01 nonsense\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "y".repeat(9000));
    assert_eq!(ask(&long), "HTTP/1.1 431 Request Header Fields Too Large");
    let (head, body) = watch.request("HEAD /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty(), "{head}");
}

#[test]
fn slow_clients_and_many_of_them_hold_nobody_up() {
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &[]);
    let mut slow: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(&watch.address).expect("connect");
            stream.write_all(b"GET / HT").expect("write");
            stream
        })
        .collect();
    let asked = Instant::now();
    assert!(watch.get("/healthz").0.starts_with("HTTP/1.1 200"));
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    let many: Vec<TcpStream> = (0..100).filter_map(|_| TcpStream::connect(&watch.address).ok()).collect();
    drop(many);
    slow[0].set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
    let mut nothing = Vec::new();
    slow[0].read_to_end(&mut nothing).ok();
    assert!(asked.elapsed() < Duration::from_secs(8), "cut off after 5 s: {:?}", asked.elapsed());
    assert!(watch.get("/healthz").0.starts_with("HTTP/1.1 200"));
}

/// Whoever asks for much and reads nothing makes room for whoever asks next.
#[test]
fn those_who_do_not_read_their_answer_hold_nobody_up() {
    use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
    let env = TestEnv::new("2026.4.15");
    for lock in 0..300 {
        std::fs::write(env.session(&format!("{lock}")), payload(dead_pid(), Some(1))).expect("lock");
    }
    let watch = Watch::start(&env, &[]);
    let address: std::net::SocketAddr = watch.address.parse().expect("address");
    let slow: Vec<TcpStream> = (0..40)
        .map(|_| {
            let client = socket(AddressFamily::INET, SocketType::STREAM, None).expect("socket");
            sockopt::set_socket_recv_buffer_size(&client, 1024).expect("buffer");
            connect(&client, &address).expect("connect");
            let mut stream = TcpStream::from(client);
            stream.write_all(b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("write");
            stream
        })
        .collect();
    let asked = Instant::now();
    // While each of them is answered for the first time, the loop has much to do.
    while !watch.get("/healthz").0.starts_with("HTTP/1.1 200") {
        assert!(asked.elapsed() < Duration::from_secs(20), "shut out");
    }
    let asked = Instant::now();
    for _ in 0..10 {
        assert!(watch.get("/healthz").0.starts_with("HTTP/1.1 200"));
    }
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    drop(slow);
}

#[test]
fn the_status_tells_what_is_there_and_hides_who_it_is() {
    let env = TestEnv::new("2026.4.15");
    let lock = env.session("11111111-2222-4333-8444-555555555555");
    std::fs::write(
        lock.with_file_name("sessions.json"),
        r#"{"agent:main:telegram:direct:+4915112345678": {"sessionId": "11111111-2222-4333-8444-555555555555"}}"#,
    )
    .expect("store");
    let owner = holder(&lock);
    let watch = Watch::start(&env, &[]);
    watch.verdict(&lock, "held");
    let status = watch.status();
    assert_eq!(status["schema"], "lockdoctor/status/v1");
    let shown = &status["locks"][0];
    assert_eq!(shown["verdict"], "held");
    assert_eq!(shown["agent"], "main");
    assert_eq!(shown["owner"]["pid"], owner.id());
    assert!(shown["limit_ms"].as_u64() > Some(0) && shown["age_ms"].as_u64() < Some(60_000), "{shown}");
    let key = shown["session_key"].as_str().expect("key");
    assert!(
        key.starts_with("agent:main:telegram:direct:…") && !status.to_string().contains("4915112345678"),
        "{key}"
    );
}

#[test]
fn no_label_names_a_path_a_pid_or_a_session() {
    let env = TestEnv::new("2026.4.15");
    let lock = env.session("secretsession");
    std::fs::write(&lock, payload(dead_pid(), Some(1))).expect("write");
    let watch = Watch::start(&env, &[]);
    watch.verdict(&lock, "stale");
    for accept in ["", "Accept: application/openmetrics-text; version=1.0.0\r\n"] {
        let (head, body) =
            watch.request(&format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n"));
        assert!(!body.contains("secretsession") && !body.contains("pid=") && !body.contains('/'), "{body}");
        assert!(body.contains(r#"lockdoctor_locks{kind="session",verdict="stale"} 1"#), "{body}");
        assert!(
            body.contains(r#"lockdoctor_reclaims_total{reason="no-writer",result="failed"} 0"#),
            "{body}"
        );
        assert_eq!(head.contains("openmetrics-text"), !accept.is_empty(), "{head}");
        assert_eq!(body.ends_with("# EOF\n"), !accept.is_empty());
    }
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    if skipped(has("promtool"), "promtool is not installed (Debian: prometheus)") {
        return;
    }
    let env = TestEnv::new("2026.4.15");
    let watch = Watch::start(&env, &[]);
    let (_, body) = watch.get("/metrics");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    promtool.stdin.take().expect("piped").write_all(body.as_bytes()).expect("write");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
