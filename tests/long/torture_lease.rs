//! OpenClaw's real `acquireGatewayLock`, its owners killed and stopped at random, beside `reclaim --leases`: no gateway that
//! runs or starts may lose its row, and who goes by age alone takes some. `tests/real/torture-lease.mjs` does it, for
//! longer if it is told so. Needs root, node 24 and a real 2026.9.6 (`LOCKDOCTOR_LAB`).

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const VERSION: &str = "2026.9.6";

fn skipped(why: &str) {
    assert!(std::env::var_os("LOCKDOCTOR_REQUIRE_REAL").is_none(), "required, but {why}");
    eprintln!("SKIPPED: {why}");
}

/// `Err`: why it cannot be run here.
fn torture(way: &str, seconds: u32) -> Result<Value, String> {
    let lab = std::env::var_os("LOCKDOCTOR_LAB").ok_or("LOCKDOCTOR_LAB is not set: no real gateways")?;
    if !PathBuf::from(&lab).join(format!("openclaw-{VERSION}")).exists() {
        return Err(format!("openclaw {VERSION} is not installed"));
    }
    if !rustix::process::geteuid().is_root() {
        return Err("not root: owners cannot have host names of their own".to_owned());
    }
    let node = std::env::var("LOCKDOCTOR_NODE").unwrap_or_else(|_| "node".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/torture-lease.mjs");
    let output = Command::new(&node)
        .arg(script)
        .args([way, &seconds.to_string()])
        .envs([("LAB_DIR", lab), ("VERSION", VERSION.into()), ("STOPS", "1".into())])
        .env("LOCKDOCTOR", env!("CARGO_BIN_EXE_lockdoctor"))
        .output()
        .map_err(|error| format!("{node} cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    eprintln!("{said}");
    Ok(serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

fn lost(count: &Value) -> u64 {
    let number = |key: &str| count[key].as_u64().unwrap_or_default();
    number("lost") + number("lost-while-starting") + number("robbed")
}

#[test]
fn no_gateway_that_runs_or_starts_loses_its_row() {
    for way in ["act", "child"] {
        match torture(way, 60 / crate::thinned(3) as u32) {
            Ok(count) => assert_eq!(lost(&count), 0, "{count:#}"),
            Err(why) => return skipped(&why),
        }
    }
}

/// Otherwise the torture sees nothing.
#[test]
fn whoever_goes_by_age_alone_takes_rows_of_the_living() {
    match torture("naive", 60 / crate::thinned(3) as u32) {
        Ok(count) => assert!(lost(&count) > 0, "{count:#}"),
        Err(why) => skipped(&why),
    }
}
