//! Secrets of more than two hundred kinds, planted where gateways, people and files put them: none is in any outlet, by
//! construction and not by its look.

use std::fs;

use chrono::{TimeDelta, Utc};

use super::{Reader, Said, everything};
use crate::support::{TestEnv, dead_pid, payload};

/// With and without a name, a prefix or a shape.
const KINDS: &[&str] = &[
    // Passwords.
    "hunter22",
    "Tr0ub4dor&3x",
    "correcthorsebatterystaple",
    "Passw0rt!9",
    "qwertzuiop",
    "s3cr3tvalue",
    "abc123xyz",
    "letmein99",
    "P@ssw0rd2026",
    "zaq12wsx",
    "iloveyou44",
    "sommer2026!",
    // Tokens.
    "sk-ant-api03-AbCdEf0123456789",
    "sk-proj-9f8e7d6c5b4a",
    "xoxb-123456789012-abcdefABCDEF",
    "ghp_0123456789abcdefghijABCDEFGHIJ",
    "glpat-0123456789abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA1234567890abcdefghij",
    "ya29.a0AfH6SMBxyz",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
    "8123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    "hf_abcdefghijklmnop",
    "npm_0123456789abcdef",
    "whsec_MfKQ9r8GKYqr",
    "SG.ngeVfQFYQlKU0ufo8x5d1A",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "AQIDBAUGBwgJCgsMDQ4PEA",
    "dGhpcyBpcyBhIHNlY3JldA",
    "JBSWY3DPEHPK3PXP",
    "dop_v1_0a1b2c3d4e5f",
    "r8_Ab12Cd34Ef56",
    "pat-eu1-0a9b8c7d",
    "lin_api_0a9b8c7d6e5f",
    "secret_0a9b8c7d6e",
    "EAACEdEose0cBA0a9b8c",
    "shpat_0a9b8c7d6e5f",
    "sq0atp-0a9b8c7d6e",
    "-----BEGIN RSA PRIVATE KEY-----MIIEow",
    "ssh-ed25519 AAAAC3NzaC1lZDI1",
    "age1qyqszqgpqyqszqgpqyqszqg",
    // Numbers of people.
    "918273645",
    "00001111222",
    "1990-04-17",
    "17.04.1990",
    "DE89370400440532013000",
    "4111111111111111",
    "378282246310005",
    "123-45-6789",
    "12345678Z",
    "GB29NWBK60161331926819",
    "+491701234567",
    "0170 7654321",
    "(555) 123-4567",
    "00491709876543",
    "+1-555-010-0199",
    "١٢٣٤٥٦٧٨٩",
    "１２３４５６７８９",
    "९८७६५४३२१",
    "X1234567L",
    "AB 12 34 56 C",
    "756.9217.0769.85",
    "85123112345",
    // Names.
    "anna.muster@example.org",
    "joe.doe+x@firma.example",
    "anna@intranetz",
    "@annamuster",
    "anna_muster92",
    "Annegret Mustermann",
    "Jörg Weißmüller",
    "Müller-Lüdenscheidt",
    "Ólafur Arnaldsson",
    "王小明先生",
    "Владимир",
    "محمدعلي",
    "Anneliese",
    "O'Briensson",
    "Meier-Schulze",
    "Þórarinn",
    "Nguyễn Thị",
    "Siobhán",
    "Xiuying",
    "Oluwaseun",
    // What people wrote.
    "meet me at Hubertus",
    "Ich liebe dich sehr",
    "bitte niemandem weitersagen",
    "kündige mir bitte",
    "mon code est bleuâtre",
    "la clave es azulado",
    "パスワードはねこ",
    "мой пароль",
    "she moved to Leipzig",
    "Bankschließfach",
    "blutdruck 180zu90",
    "schwanger",
    "scheidung",
    "diagnose krebs",
    "vaterschaftstest",
    "insolvenzantrag",
    "gehaltserhoehung",
    "bewerbungsmappe",
    "kuendigungsschreiben",
    "überweisung",
    "verschlüsselt",
    "zugangsdaten",
    "vergissmeinnicht",
    "heimlichtuerei",
    // Places.
    "Hauptstraße 12b",
    "Leipziger Allee 7",
    "10115 Berlinmitte",
    "48.20820,16.37380",
    "W1A1AAX",
    "///daring.lion.racex",
    "192.168.17.230",
    "10.20.30.401",
    "2001:db8::8a2e:370:7334",
    "fe80::1ff:fe23:4567:890a",
    "00:1a:2b:3c:4d:5e",
    "intranet.firma.example",
    "https://user:hunter33@example.org/xyz",
    "https://example.org/geheim/pfadteil",
    "postgres://u:geheimwort@dbhost.example/x",
    "s3://kunden-muellerei/akte.pdf",
    "/srv/kundendaten/muellerei/akte.pdf",
    "/home/annamuster/xyz",
    "C:\\Users\\annamuster\\x.txt",
    "\\\\fileserver\\muellerei$",
    "~/muellerei/akte",
    "akte-muellerei-2026.pdf",
    "kunde_471100.csv",
    "ftp://annamuster@ftphost",
    "file:///home/annamuster/x",
    // Houses and their secrets.
    "PROJEKT-ADLERHORST",
    "Operation Walkueren",
    "codename bluefinx",
    "tenant-acmecorp",
    "acmecorp.example",
    "muellerei-gmbh",
    "aktenzeichen 12Js345",
    "vertragsnummer-998877",
    "kostenstelle4711x",
    "quartalszahlen",
    // Ids of channels.
    "U0123ABCDE",
    "C024BE91LX",
    "T9TK3CUKWX",
    "1465000000000000000",
    "-1001234567890",
    "1234567890@c.us",
    "491701112223@s.whatsapp.net",
    "!abcdefgh:matrixhost.example",
    "#geheimraum:matrixhost",
    "npub1xyzgeheimx",
    "0x71c7656ec7ab88b098defb751b7401b5f6d8976f",
    "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1",
    "19:meetingxyz@thread.v2",
    "oc_a0b1c2d3e4f5",
    // Web.
    "sessionid=deadbeefcafe",
    "PHPSESSID=geheim99x",
    "csrf-7f3a9b1c",
    "Bearer geheimtoken",
    "Basic dXNlcjpwdw0",
    "x-geheim: wert99x",
    "{\"geheim\":\"wert98x\"}",
    "<geheim>wert97x</geheim>",
    "geheim=wert96x",
    "geheim: wert95x",
    "[geheim](wert94x)",
    "`wert93x`",
    "otpauth://totp/x?secret=JBSWXX",
    "data:text/plain;base64,Z2VoZWlt",
    // Dress.
    "wert92x\u{200b}versteckt",
    "wert91x\u{202e}gnalrev",
    "wert90x\u{1b}[8mverdeckt",
    "WERT89X",
    "wErT88x",
    "w3rt87x",
    "wert-86x",
    "wert_85x",
    "wert.84x",
    "wert/83x",
    "%77%65%72%7482x",
    "wert81x%20leer",
    "\\u0077ert80x",
    "&#119;ert79x",
    "wert78x\twert77x",
    "'wert76x'",
    "\"wert75x\"",
    "(wert74x)",
    "wert73x;wert72x",
    "$wert71x",
    "${WERT70X}",
    "--wert69x",
    "wert68x=wert67x",
    "wert66x,wert65x",
    "*wert64x*",
    "_wert63x_",
    "wert62x|wert61x",
    "wert60x\\nwert59x",
    "wert58x~wert57x",
    "wert56x^wert55x",
    "wert54x!",
    "wert53x?wert52x",
    "¿wert51x",
    "«wert50x»",
    "wert49x…wert48x",
    "wert47x\u{a0}wert46x",
    "ẃert45x",
    "wert44x👍",
    "wert43x=",
    "==wert42x",
];

/// What is looked for: the pieces that blanks and signs leave whole, and that say something.
fn pieces(kind: &str) -> Vec<&str> {
    let pieces = kind.split(|c: char| !c.is_alphanumeric());
    let says = |piece: &&str| piece.chars().count() >= 6 || !piece.is_ascii() && piece.chars().count() >= 3;
    let mut found: Vec<&str> = pieces.filter(says).collect();
    found.push(kind);
    found
}

/// Words that OpenClaw or lockdoctor write themselves.
fn is_ours(piece: &str) -> bool {
    [
        "example",
        "secret",
        "PRIVATE",
        "thread",
        "Operation",
        "diagnose",
        "sessionid",
        "base64",
        "ed25519",
        "Bearer",
        "password",
    ]
    .contains(&piece)
}

/// Each kind where a gateway's line has text of others.
fn lines(kind: &str) -> [String; 8] {
    let quoted = serde_json::to_string(kind).expect("JSON");
    [
        format!("[telegram] handler failed: Error: {kind}"),
        format!(
            "[diagnostic] lane task error: lane=session:agent:main:main durationMs=20 error=\"Error: {kind}\""
        ),
        format!(
            "[diagnostic] stuck session: sessionId=unknown sessionKey=agent:main:main state=processing age=515s \
             queueDepth=2 reason={kind} classification={kind} lastAssistant=\"{kind}\" recovery=none"
        ),
        format!("[{kind}] message failed: {kind}"),
        format!(
            "[agent/embedded] [model-fetch] error provider={kind} model={kind} elapsedMs=5 name=Error message={kind}"
        ),
        format!("{{\"error\":{quoted},\"token\":{quoted}}}"),
        format!("{kind} lane wait exceeded: lane=main waitedMs=99000 queueAhead=3 {kind}"),
        format!("[gateway] removed stale session lock: sessions.json.lock ({kind})"),
    ]
}

fn leaks(said: &[Said], kinds: &[&str], to: impl Fn(&Said) -> bool) -> Vec<String> {
    let mut leaks = Vec::new();
    for said in said.iter().filter(|said| to(said)) {
        for kind in kinds {
            for piece in pieces(kind).into_iter().filter(|piece| !is_ours(piece)) {
                if let Some(at) = said.text.find(piece) {
                    let around: String = said.text[..at].chars().rev().take(60).collect();
                    let around: String = around.chars().rev().collect();
                    leaks.push(format!("{}: {kind:?} ({piece}) behind {around:?}", said.outlet));
                    break;
                }
            }
        }
    }
    leaks
}

#[test]
fn what_others_wrote_in_a_log_is_in_no_outlet() {
    assert!(KINDS.len() >= 200, "{}", KINDS.len());
    let env = TestEnv::new("2026.5.22");
    let lock = env.session("3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42");
    fs::write(&lock, payload(dead_pid(), Some(1))).expect("lock");
    let log = env.home().join("gateway.log");
    let all: Vec<String> = KINDS.iter().flat_map(|kind| lines(kind)).collect();
    let now = Utc::now();
    let stamped: Vec<String> = all
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let at = now - TimeDelta::milliseconds(100 * (all.len() - index) as i64);
            format!("{} {}", at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true), line.replace('\n', " "))
        })
        .collect();
    fs::write(&log, stamped.join("\n")).expect("log");
    let said = everything(&env, &env.state(), &log, &lock);
    let diagnosis = said.iter().find(|said| said.outlet == "diagnose --json").expect("diagnose");
    assert!(diagnosis.text.contains("message-failed"), "nothing was recognised: {diagnosis:#?}");
    let found = leaks(&said, KINDS, |_| true);
    assert!(found.is_empty(), "{} of {}: {found:#?}", found.len(), KINDS.len() * said.len());
}

/// Names that people gave: whoever sits here may read them, nobody else.
#[test]
fn what_people_named_does_not_leave_the_machine() {
    const NAMES: &[&str] = &[
        "annamuster",
        "kunde471100",
        "praxisdrmeier",
        "muellerei",
        "vertriebx",
        "491701234567",
        "geheimraum",
    ];
    let env = TestEnv::new("2026.5.22");
    let stale = payload(dead_pid(), Some(1));
    let state = env.state();
    let mut first = None;
    let mut lines = Vec::new();
    for name in NAMES {
        let sessions = env.sessions(name);
        let lock = sessions.join(format!("akte {name}.jsonl.lock"));
        fs::write(lock.with_extension(""), "{}\n").expect("transcript");
        fs::write(&lock, &stale).expect("lock");
        fs::write(sessions.join(format!("{name}.jsonl.lock")), &stale).expect("lock");
        let key = format!("agent:{name}:whatsapp:direct:{name}");
        let store = serde_json::json!({&key: {"sessionId": name, "status": "running", "startedAt": 1, "title": name}});
        fs::write(sessions.join("sessions.json"), store.to_string()).expect("store");
        let path = lock.display();
        for line in [
            format!("[diagnostic] lane wait exceeded: lane=session:{key} waitedMs=99999 queueAhead=3"),
            format!(
                "[diagnostic] stuck session: sessionId={name} sessionKey={key} state=processing age=900s queueDepth=2 reason=stale_session_state recovery=none"
            ),
            format!(
                "[diagnostic] lane task error: lane=session:{key} durationMs=10000 error=\"Error: session file locked (timeout 10000ms): pid=1 {path}\""
            ),
            format!("[agent/embedded] embedded run timeout: runId={name} sessionId={name} timeoutMs=600000"),
            format!("[session-write-lock] releasing lock held for 1200000ms (max=720000ms): {path}"),
            format!("[{name}] message failed for {name}"),
        ] {
            let at = Utc::now() - TimeDelta::seconds(60 - lines.len() as i64);
            lines.push(format!("{} {line}", at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)));
        }
        first.get_or_insert(lock);
    }
    fs::write(state.join(".env"), "TELEGRAM_BOT_TOKEN=geheimraum\n").expect(".env");
    let moved = env.home().join("praxisdrmeier akten");
    fs::create_dir_all(&moved).expect("directory");
    fs::write(moved.join("muellerei.json"), "no JSON").expect("store");
    fs::write(moved.join("muellerei.json.lock"), &stale).expect("lock");
    env.config(&format!(
        r#"{{"meta": {{"lastTouchedVersion": "2026.4.15"}}, "session": {{"store": "{}"}},
            "channels": {{"telegram": {{"botToken": "geheimraum"}}}}, "$include": "./annamuster.json"}}"#,
        moved.join("muellerei.json").display()
    ));
    let log = env.home().join("gateway.log");
    fs::write(&log, lines.join("\n")).expect("log");
    // The state directory lies in somebody's home.
    let home = env.home().join("annamuster");
    fs::create_dir(&home).expect("directory");
    fs::rename(&state, home.join(".openclaw")).expect("rename");
    let lock = first.expect("a lock");
    let lock = home.join(".openclaw").join(lock.strip_prefix(&state).expect("below"));
    let said = everything(&env, &home.join(".openclaw"), &log, &lock);
    let scan = said.iter().find(|said| said.outlet == "scan --all --json").expect("scan");
    assert!(NAMES.iter().all(|name| scan.text.contains(name)), "they are not there to be seen: {scan:#?}");
    let found = leaks(&said, NAMES, |said| said.reader == Reader::Elsewhere);
    assert!(found.is_empty(), "{found:#?}");
    let secrets = leaks(&said, &["TELEGRAM_BOT_TOKEN"], |_| true);
    assert!(secrets.is_empty(), "{secrets:#?}");
}
