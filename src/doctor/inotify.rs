//! Can `watch` be told of every lock? Tried, not computed: the limits of user namespaces are set in another
//! place than those of the machine.

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::{Finding, Surroundings};
use crate::evidence::filesystem::FsClass;

/// What a watch of a directory asks for; here it only has to be granted.
const MASK: WatchFlags = WatchFlags::CREATE.union(WatchFlags::DELETE).union(WatchFlags::ONLYDIR);

pub(super) fn limits(around: &mut Surroundings) -> Vec<Finding> {
    let fd = match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
        Ok(fd) => fd,
        Err(Errno::MFILE) => {
            return vec![refused("instances", "no further inotify instance", around.us.uid)];
        }
        Err(error) => return vec![Finding::failure(format!("inotify is refused: {error}"))],
    };
    let mut watched = 0;
    let mut blind = Vec::new();
    for (directory, _) in around.directories() {
        if matches!(directory.filesystem, FsClass::Network | FsClass::Fuse) {
            blind.push(directory.path.display().to_string());
        }
        match inotify::add_watch(&fd, &directory.path, MASK) {
            Ok(_) => watched += 1,
            Err(Errno::NOSPC) => {
                let text = format!("room for {watched} watches only, and there are more directories");
                return vec![refused("watches", &text, around.us.uid)];
            }
            // Vanished, or not ours to read: other checks say so.
            Err(_) => {}
        }
    }
    let mut findings = vec![match watched {
        0 => Finding::note("no directory could be opened to try it (see install, uid)"),
        _ => Finding::good(format!("{} can be watched at once", directories(watched))),
    }];
    if !blind.is_empty() {
        let text = "changes made elsewhere are not reported there; watch falls back to polling";
        findings.push(Finding::warning(text).with_details(blind));
    }
    findings
}

fn directories(number: usize) -> String {
    if number == 1 { "1 directory".to_owned() } else { format!("{number} directories") }
}

fn refused(what: &str, text: &str, uid: u32) -> Finding {
    let setting = format!("max_user_{what}");
    let limit = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{setting}")).unwrap_or_default();
    Finding::failure(format!("{text} (fs.inotify.{setting} is {} for uid {uid})", limit.trim())).with_remedy(
        "raise the limit, on the host if this is a container; until then watch falls back to polling",
        [format!("sudo sysctl fs.inotify.{setting}={}", if what == "instances" { 512 } else { 524_288 })],
    )
}
