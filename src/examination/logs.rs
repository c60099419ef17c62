//! Which logs to read: those that were named, else those of the installs at hand and the journal's known units.

use std::path::PathBuf;

use crate::gatewaylog::{Journal, KNOWN_UNITS, Manager, Places, Source};
use crate::openclaw::config::{Environment, home};
use crate::survey::Survey;

/// The logs that gateways of these installs write.
pub fn discovered(survey: &Survey) -> Vec<Source> {
    let environment = Environment::of_this_process();
    let installs = || survey.roots.iter().filter_map(|root| root.install.as_ref());
    let uid =
        installs().next().map_or_else(|| rustix::process::geteuid().as_raw(), |install| install.root.uid);
    let places = Places {
        homes: home(&environment).into_iter().collect(),
        uid,
        temp_dirs: [Some("/tmp"), environment.get("TMPDIR")]
            .into_iter()
            .flatten()
            .map(PathBuf::from)
            .collect(),
        state_dirs: survey.roots.iter().map(|root| root.path.clone()).collect(),
        configured: installs().filter_map(|install| install.config.logging_file.clone()).collect(),
    };
    // Anybody may have made /tmp/openclaw first: a log that a stranger wrote must not speak for the gateway.
    let ours = [0, rustix::process::geteuid().as_raw(), uid];
    let trusted = |path: &PathBuf| rustix::fs::lstat(path).is_ok_and(|stat| ours.contains(&stat.st_uid));
    let files = places.logs().into_iter().filter(trusted).map(Source::Found);
    let units = KNOWN_UNITS.iter().flat_map(|unit| {
        [Manager::User, Manager::System]
            .map(|manager| Source::Journal(Journal { unit: (*unit).to_owned(), manager }))
    });
    // Without systemd there is no journal to ask.
    let has_journal = PathBuf::from("/run/systemd/system").exists();
    files.chain(units.filter(|_| has_journal)).collect()
}
