//! Which logs to read: those that were named, else those of the installs at hand and the journal's known units.

use std::path::{Path, PathBuf};

use crate::gatewaylog::{Journal, KNOWN_UNITS, Manager, Owners, Places, Source};
use crate::install::Install;
use crate::install::environment::{Environment, home};
use crate::survey::Survey;

/// The logs that gateways of these installs write.
pub fn discovered(survey: &Survey) -> Vec<Source> {
    let installs = survey.roots.iter().filter_map(|root| root.install.as_ref());
    let state_dirs = survey.roots.iter().map(|root| root.path.clone());
    let places = places(installs, state_dirs.collect());
    // Opening what is no log says why.
    let files = places.logs().into_iter().chain(places.unreadable()).map(Source::Found);
    let units = KNOWN_UNITS.iter().flat_map(|unit| {
        [Manager::User, Manager::System]
            .map(|manager| Source::Journal(Journal { unit: (*unit).to_owned(), manager }))
    });
    // Without systemd there is no journal to ask.
    let has_journal = PathBuf::from("/run/systemd/system").exists();
    files.chain(units.filter(|_| has_journal)).collect()
}

/// Where gateways of these installs write their logs.
pub fn places<'a>(installs: impl Iterator<Item = &'a Install>, state_dirs: Vec<PathBuf>) -> Places {
    let environment = Environment::of_this_process();
    let us = rustix::process::geteuid().as_raw();
    let mut places = Places {
        homes: home(&environment).into_iter().collect(),
        temp_dirs: [Some("/tmp"), environment.get("TMPDIR")]
            .into_iter()
            .flatten()
            .map(PathBuf::from)
            .collect(),
        state_dirs,
        ..Places::default()
    };
    let mut elsewhere = false;
    for install in installs {
        places.uids.insert(install.root.uid);
        let configured = install.config.logging_file.clone();
        elsewhere |= !configured.as_ref().and_then(|file| file.parent()).is_some_and(Path::is_dir);
        places.configured.extend(configured);
    }
    // All gateways of a machine share the temporary directories: what others wrote there is no part of the story.
    if !places.configured.is_empty() && !elsewhere {
        places.temp_dirs.clear();
    }
    if places.uids.is_empty() {
        places.uids.insert(us);
    }
    places.owners = Owners::Only(places.uids.iter().copied().chain([0, us]).collect());
    places
}
