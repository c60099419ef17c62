//! What is mounted where: `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `8:1`, as in `st_dev`.
    pub device: String,
    /// What of the file system is mounted.
    pub root: PathBuf,
    pub at: PathBuf,
    /// `ext4`.
    pub kind: String,
    /// Those of the file system: one of its mounts may have stricter ones.
    options: String,
}

/// As `pid` sees them, a number or `self`; `None`: its table cannot be read.
pub fn of(pid: impl Display) -> Option<Vec<Mount>> {
    std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok().map(|text| parse(&text))
}

/// The mount that `path` lies on.
pub fn around<'a>(path: &Path, mounts: &'a [Mount]) -> Option<&'a Mount> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.at));
    above.max_by_key(|mount| mount.at.components().count())
}

pub(super) fn parse(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (of_mount, of_filesystem) = line.split_once(" - ")?;
        let mut fields = of_mount.split(' ').skip(2);
        let (device, root, at) = (fields.next()?, fields.next()?, fields.next()?);
        let mut rest = of_filesystem.split(' ');
        let (kind, options) = (rest.next()?, rest.nth(1)?);
        Some(Mount {
            device: device.to_owned(),
            root: unescaped(root).into(),
            at: unescaped(at).into(),
            kind: kind.to_owned(),
            options: options.to_owned(),
        })
    };
    text.lines().filter_map(mount).collect()
}

/// Whether no mount of the file system on `device` can be written.
pub(super) fn is_read_only(device: &str, mounts: &[Mount]) -> bool {
    let read_only = |mount: &Mount| mount.options.split(',').any(|option| option == "ro");
    mounts.iter().any(|mount| mount.device == device && read_only(mount))
}

impl Mount {
    /// It is an overlay, and shows `path` as another file system.
    pub fn is_overlay_over(&self, path: &Path) -> bool {
        const LAYERS: [&str; 4] = ["upperdir=", "lowerdir=", "lowerdir+=", "datadir+="];
        let layers = self
            .options
            .split(',')
            .filter_map(|option| LAYERS.iter().find_map(|name| option.strip_prefix(name)))
            .flat_map(|layers| layers.split(':'));
        let is_below = |layer: &str| layer.len() > 1 && path.starts_with(unescaped(layer));
        self.kind == "overlay" && layers.into_iter().any(is_below)
    }
}

/// The kernel writes a space as `\040`, and so on.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                out.push_str(&part[3..]);
            }
            None => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(line: &str) -> Mount {
        parse(line).remove(0)
    }

    #[test]
    fn odd_characters_in_mount_points_are_read() {
        assert_eq!(unescaped(r"/a\040b\134c"), r"/a b\c");
    }

    #[test]
    fn a_filesystem_is_read_only_by_its_own_options() {
        let table = |of_mount: &str, of_filesystem: &str| {
            parse(&format!(
                "36 35 98:0 / /mnt {of_mount},noatime master:1 - ext4 /dev/sda {of_filesystem},errors=remount-ro"
            ))
        };
        assert!(is_read_only("98:0", &table("rw", "ro")));
        assert!(!is_read_only("98:0", &table("ro", "rw")), "only this mount");
        assert!(!is_read_only("98:1", &table("rw", "ro")), "another device");
    }

    #[test]
    fn a_layer_of_an_overlay_is_told_by_the_table_of_mounts() {
        let shows = |options: &str, layer: &str| {
            mount(&format!("36 35 0:50 / /m rw - overlay overlay {options}"))
                .is_overlay_over(Path::new(layer))
        };
        let options = "rw,lowerdir=/var/l/A:/var/l/B,upperdir=/var/lib/docker/overlay2/x/diff,workdir=/w";
        for layer in ["/var/lib/docker/overlay2/x/diff/root/.openclaw", "/var/l/B/root"] {
            assert!(shows(options, layer), "{layer}");
        }
        assert!(!shows(options, "/home/node/.openclaw"));
        assert!(shows("rw,lowerdir+=/var/l/C,upperdir=/u", "/var/l/C/root"));
        assert!(shows(r"rw,lowerdir=/var/l\040x,upperdir=/u", "/var/l x/root"));
        let other = mount("36 35 8:1 / / rw - ext4 /dev/sda rw");
        assert!(!other.is_overlay_over(Path::new("/var/l/B/root")));
    }
}
