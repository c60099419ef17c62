//! The recipes of docs/notifications.md, as they stand there, against stand-ins of the services.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::{has, skipped};

const EVENT: &str = r#"{"schema":"lockdoctor/event/v1","event":"finding","at":"2026-11-29T20:00:00.000Z","host":"box","title":"✗ Telegram …5678 (main): the gateway forgot a lock (box)","text":"The gateway forgot \"this\" lock.\nlockdoctor reclaim --yes","finding":{"code":"leaked-lock","severity":"critical"},"act":null}"#;

/// The script on the page whose comment begins with `name`.
fn recipe(name: &str) -> String {
    let page = include_str!("../../../docs/notifications.md");
    let scripts = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut scripts = scripts.filter(|script| script.contains(&format!("# {name}")));
    scripts.next().expect("it stands on the page").to_owned()
}

/// Takes one HTTP request and tells its body.
fn http() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("client");
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).expect("a line") > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(number) = lower.strip_prefix("content-length:") {
                length = number.trim().parse().expect("a number");
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("body");
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("answer");
        sender.send(String::from_utf8(body).expect("UTF-8")).ok();
    });
    (address, receiver)
}

fn run(script: &str, variables: &[(&str, &str)]) {
    let mut child = Command::new("sh")
        .args(["-c", script])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sh");
    child.stdin.take().expect("piped").write_all(format!("{EVENT}\n").as_bytes()).expect("write");
    assert!(child.wait().expect("ends").success());
}

fn title_and_text() -> (String, String) {
    let event: Value = serde_json::from_str(EVENT).expect("JSON");
    let of = |key: &str| event[key].as_str().expect("text").to_owned();
    (of("title"), of("text"))
}

#[test]
fn every_recipe_says_title_and_text_to_its_service() {
    if skipped(has("jq") && has("curl"), "jq and curl are needed") {
        return;
    }
    let (title, text) = title_and_text();
    let services: [(&str, &str, &[&str]); 4] = [
        ("telegram.sh", "https://api.telegram.org", &[]),
        ("slack.sh", "", &["text"]),
        ("discord.sh", "", &["content"]),
        ("ntfy.sh", "https://ntfy.sh", &["title", "message"]),
    ];
    for (name, service, keys) in services {
        let (address, received) = http();
        let url = format!("http://{address}");
        let script = recipe(name);
        let script = if service.is_empty() { script } else { script.replace(service, &url) };
        run(&script, &[("TOKEN", "t"), ("CHAT", "7"), ("TOPIC", "x"), ("URL", &url)]);
        let body = received.recv_timeout(Duration::from_secs(10)).expect("a request");
        let said = if let Ok(json) = serde_json::from_str::<Value>(&body) {
            keys.iter().map(|key| json[*key].as_str().expect("text").to_owned()).collect::<String>()
        } else {
            // A form: what is not a letter is spelt with percent signs.
            let words = body.replace("%20", " ").replace('+', " ");
            let told = words.starts_with("chat_id=7&text=") && words.contains("lockdoctor reclaim --yes");
            assert!(told, "{body}");
            format!("{title}{text}")
        };
        assert!(said.contains(&title) && said.contains(&text), "{name}: {body}");
    }
}

#[test]
fn the_recipe_for_mail_is_taken_by_a_mail_server() {
    if skipped(has("jq") && has("curl"), "jq and curl are needed") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    let (sender, received) = channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("client");
        let mut reader = BufReader::new(stream);
        let say = |reader: &mut BufReader<std::net::TcpStream>, line: &str| {
            reader.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("answer");
        };
        say(&mut reader, "220 box");
        let (mut line, mut mail, mut in_mail) = (String::new(), String::new(), false);
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            match line.trim_end() {
                "." if in_mail => {
                    in_mail = false;
                    say(&mut reader, "250 taken");
                }
                _ if in_mail => mail.push_str(&line),
                "DATA" => {
                    in_mail = true;
                    say(&mut reader, "354 go on");
                }
                "QUIT" => {
                    say(&mut reader, "221 bye");
                    break;
                }
                _ => say(&mut reader, "250 ok"),
            }
            line.clear();
        }
        sender.send(mail).ok();
    });
    let script = recipe("mail.sh").replace("127.0.0.1:25", &address);
    run(&script, &[("FROM", "a@box.example"), ("TO", "b@box.example")]);
    let mail = received.recv_timeout(Duration::from_secs(10)).expect("a mail");
    let (_, text) = title_and_text();
    assert!(mail.contains("Subject: =?UTF-8?B?") && mail.contains("To: b@box.example"), "{mail}");
    assert!(text.lines().all(|line| mail.contains(line)), "{mail}");
}
