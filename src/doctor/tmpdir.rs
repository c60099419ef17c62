//! Up to 2026.7.35 the gateway's own lock lies in its temporary directory (Node's `os.tmpdir()`: TMPDIR, TMP,
//! TEMP, else /tmp). If ours is another, lockdoctor does not see that lock.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::surroundings::Place;
use super::{Finding, Surroundings};
use crate::install::Install;
use crate::install::environment::Environment;
use crate::words::shell_word;

pub(super) fn same(around: &mut Surroundings) -> Vec<Finding> {
    let ours = temporary_directory(&around.environment);
    let findings: Vec<Finding> =
        around.installs().filter_map(|(place, install)| compare(place, install, &ours)).collect();
    if findings.is_empty() {
        return vec![Finding::note(format!("no gateway to compare with; ours is {}", ours.display()))];
    }
    findings
}

fn compare(place: &Place, install: &Install, ours: &Path) -> Option<Finding> {
    let pid = install.gateway.pid?;
    let Some(environment) = Environment::of_process(pid) else {
        let text = format!("the environment of the gateway (pid {pid}) cannot be read (see uid)");
        return Some(Finding::note(text));
    };
    let theirs = temporary_directory(&environment);
    if theirs != ours {
        let (here, there) = (ours.display(), theirs.display());
        return Some(
            Finding::warning(format!(
                "the gateway's is {there}, ours is {here}: its own lock is not seen there"
            ))
            .with_remedy(
                "run lockdoctor with the gateway's",
                [format!("TMPDIR={} lockdoctor doctor{}", shell_word(&there.to_string()), place.scope())],
            ),
        );
    }
    let inside = PathBuf::from(format!("/proc/{pid}/root")).join(theirs.strip_prefix("/").unwrap_or(&theirs));
    let number = |path: &Path| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    Some(match (number(&inside), number(ours)) {
        (Ok(there), Ok(here)) if there != here => Finding::warning(format!(
            "the gateway has a {} of its own (PrivateTmp= in its unit, or a container): its own lock is not seen",
            ours.display()
        ))
        .with_remedy(
            "nothing, if the gateway is found all the same (see gateway); else share its /tmp",
            ["JoinsNamespaceOf=openclaw-gateway.service   # with PrivateTmp=yes in lockdoctor's unit".to_owned()],
        ),
        _ => Finding::good(format!("{}, as the gateway's", ours.display())),
    })
}

fn temporary_directory(environment: &Environment) -> PathBuf {
    let named = ["TMPDIR", "TMP", "TEMP"].iter().find_map(|name| environment.get(name));
    let named = named.unwrap_or("/tmp");
    PathBuf::from(if named.len() > 1 { named.trim_end_matches('/') } else { named })
}
