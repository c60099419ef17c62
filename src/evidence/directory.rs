//! A directory that was reached from its root without following a link, and stays open: every later step is
//! relative to its descriptor, so that swapping a path component for a symlink changes nothing.

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, StatVfsMountFlags};
use rustix::io::Errno;

use super::filesystem::FsClass;
use super::identity::ActingAs;
use super::mounts;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How a directory was come by, and so whose word it is that it belongs to an install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Somebody named it, or it lies below what somebody named.
    Named,
    /// A configuration leads there.
    Configured,
    /// A symbolic link below a state directory leads there: looked at, never acted on.
    Linked,
}

/// Why a directory that a configuration or a link leads to is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    #[error(transparent)]
    System(#[from] Errno),
    #[error(
        "belongs to uid {uid}, not to the owner of the state directory that leads there; name it as a PATH"
    )]
    ForeignOwner { uid: u32 },
    #[error("is a symbolic link that leads nowhere; is a volume not mounted here?")]
    LeadsNowhere,
}

impl Unreached {
    /// As the kernel would have put it.
    pub fn errno(self) -> Errno {
        match self {
            Self::System(error) => error,
            Self::ForeignOwner { .. } => Errno::PERM,
            Self::LeadsNowhere => Errno::LOOP,
        }
    }
}

/// An open directory with the facts that the safety rules need.
#[derive(Debug)]
pub struct Directory {
    pub fd: OwnedFd,
    pub path: PathBuf,
    pub dev: u64,
    pub ino: u64,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
    /// Whom this process acts as.
    pub euid: u32,
    pub filesystem: FsClass,
    pub reach: Reach,
}

impl Directory {
    /// Bytes that its owner can still write where it lies.
    pub fn free(&self) -> Option<u64> {
        let fs = rustix::fs::fstatvfs(self).ok()?;
        // Some blocks are kept for root.
        let (blocks, files) =
            if self.uid == 0 { (fs.f_bfree, fs.f_ffree) } else { (fs.f_bavail, fs.f_favail) };
        Some(if fs.f_files > 0 && files == 0 { 0 } else { blocks.saturating_mul(fs.f_frsize) })
    }

    /// Whether no mount of its file system can be written. One that is read-only only here says nothing of others.
    pub fn is_on_read_only_filesystem(&self) -> bool {
        let here = rustix::fs::fstatvfs(self).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY));
        let device = format!("{}:{}", rustix::fs::major(self.dev), rustix::fs::minor(self.dev));
        here && mounts::of("self").is_some_and(|mounts| mounts::is_read_only(&device, &mounts))
    }

    /// Opens a root that the user or the configuration named. Links in this path are the user's own choice
    /// and are followed; nothing below it is.
    pub fn open_root(path: &Path) -> Result<Self, Errno> {
        let fd = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
        Self::from_fd(fd, path.to_owned(), None)
    }

    /// Opens `relative` below this directory without following any link.
    pub fn open_beneath(&self, relative: &Path) -> Result<Self, Errno> {
        let fd = open_beneath(self.fd.as_fd(), relative)?;
        Self::from_fd(fd, self.path.join(relative), Some(self))
    }

    /// Opens `path`, to which a configuration or a link leads, as the owner of the state directory `root`, and only if
    /// it belongs to that owner: with root's rights anybody's configuration would lead us anywhere.
    pub fn open_led_to(path: &Path, reach: Reach, root: &Self) -> Result<Self, Unreached> {
        let seen_from = container_root(&root.path).map(|base| Self::open_root(&base)).transpose()?;
        let inside = seen_from.as_ref().map_or(path, |base| path.strip_prefix(&base.path).unwrap_or(path));
        let inside = inside.strip_prefix("/").unwrap_or(inside).to_owned();
        let fd = {
            let _acting = ActingAs::owner_of(root)?;
            match &seen_from {
                // In a container's own view of the file system its absolute paths and links lead where it says.
                Some(base) => {
                    rustix::fs::openat2(base, &inside, DIRECTORY, Mode::empty(), ResolveFlags::IN_ROOT)?
                }
                None => match rustix::fs::open(path, DIRECTORY, Mode::empty()) {
                    Err(Errno::NOENT) if leads_nowhere(path) => return Err(Unreached::LeadsNowhere),
                    opened => opened?,
                },
            }
        };
        let real = match &seen_from {
            Some(base) => base.path.join(inside),
            None => std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
                .unwrap_or_else(|_| path.to_owned()),
        };
        let path = if reach == Reach::Linked || seen_from.is_some() { real } else { path.to_owned() };
        let directory = Self { reach, ..Self::from_fd(fd, path, None)? };
        let ours = directory.euid != 0 && directory.uid == directory.euid;
        if directory.uid == root.uid || ours {
            Ok(directory)
        } else {
            Err(Unreached::ForeignOwner { uid: directory.uid })
        }
    }

    /// Where the kernel says that it lies.
    pub fn real_path(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/self/fd/{}", self.fd.as_raw_fd())).ok()
    }

    fn from_fd(fd: OwnedFd, path: PathBuf, above: Option<&Self>) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(&fd)?;
        let known = above.filter(|above| above.dev == stat.st_dev);
        let filesystem = known.map_or_else(|| FsClass::of(fd.as_fd()), |above| above.filesystem);
        Ok(Self {
            path,
            dev: stat.st_dev,
            ino: stat.st_ino,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode,
            euid: above.map_or_else(|| rustix::process::geteuid().as_raw(), |above| above.euid),
            filesystem,
            reach: above.map_or(Reach::Named, |above| above.reach),
            fd,
        })
    }

    /// Calls `each` with the raw name and type of every entry, in directory order, without a stat.
    ///
    /// Names are passed borrowed: a sessions directory may hold 100 000 transcripts that nobody wants.
    pub fn for_each_entry(&self, mut each: impl FnMut(&[u8], FileType)) -> Result<(), Errno> {
        // From the start again; btrfs shows later entries only after a seek.
        rustix::fs::seek(&self.fd, SeekFrom::Start(0))?;
        let mut buffer = vec![MaybeUninit::<u8>::uninit(); 64 * 1024];
        let mut entries = RawDir::new(&self.fd, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                each(name, entry.file_type());
            }
        }
        Ok(())
    }

    /// The names of the sub-directories, links not followed, sorted.
    pub fn subdirectories(&self) -> Result<Vec<OsString>, Errno> {
        let mut names = Vec::new();
        self.for_each_entry(|name, kind| {
            if matches!(kind, FileType::Directory | FileType::Unknown | FileType::Symlink) {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        })?;
        names.sort_unstable();
        Ok(names)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `/proc/PID/root`, if `path` lies below it: a container's view of the file system.
pub fn container_root(path: &Path) -> Option<PathBuf> {
    let mut parts = path.strip_prefix("/proc").ok()?.components();
    let (Some(Component::Normal(pid)), Some(Component::Normal(root))) = (parts.next(), parts.next()) else {
        return None;
    };
    let is_pid = !pid.is_empty() && pid.as_bytes().iter().all(u8::is_ascii_digit);
    (is_pid && root == "root").then(|| Path::new("/proc").join(pid).join("root"))
}

/// Whether what is missing on the way is the target of a link, and not a name.
fn leads_nowhere(path: &Path) -> bool {
    let there = |path: &&Path| path.symlink_metadata().is_ok();
    path.ancestors().find(there).is_some_and(Path::is_symlink)
}

fn open_beneath(root: BorrowedFd<'_>, relative: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, relative, DIRECTORY | OFlags::NOFOLLOW, Mode::empty(), resolve) {
        // Kernels before 5.6 lack openat2(2); old container seccomp profiles refuse it with EPERM.
        Err(Errno::NOSYS | Errno::PERM) => open_component_wise(root, relative),
        other => other,
    }
}

fn open_component_wise(root: BorrowedFd<'_>, relative: &Path) -> Result<OwnedFd, Errno> {
    let flags = DIRECTORY | OFlags::NOFOLLOW;
    let mut current = rustix::fs::openat(root, ".", flags, Mode::empty())?;
    for component in relative.components() {
        match component {
            Component::Normal(name) => current = rustix::fs::openat(&current, name, flags, Mode::empty())?,
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(Errno::XDEV),
        }
    }
    Ok(current)
}
