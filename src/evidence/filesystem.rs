//! What kind of file system a directory lies on: whether only this kernel can have its files open, whether
//! the lease probe and the swap were measured there. statfs(2), `linux/magic.h`.

use std::os::fd::BorrowedFd;

/// Classes that differ in what the kernel can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FsClass {
    /// ext2/3/4, xfs, btrfs, tmpfs: lease and swap were measured.
    LocalMeasured,
    /// overlayfs: measured too, but a process that works on one of its layers has another file open.
    Overlay,
    /// Another local file system: the self-test decides.
    Local,
    /// NFS, SMB, Ceph, 9p, AFS, virtiofs: another kernel may hold the file open.
    Network,
    /// FUSE: the kernel knows only what comes through this mount.
    Fuse,
    Unknown,
}

impl FsClass {
    /// From `statfs.f_type`.
    pub fn from_magic(magic: u64) -> Self {
        match magic {
            0xEF53 | 0x5846_5342 | 0x9123_683E | 0x0102_1994 => Self::LocalMeasured,
            0x794C_7630 => Self::Overlay,
            // f2fs, zfs, bcachefs, jfs, reiserfs, nilfs2, exfat, vfat, ramfs, squashfs, erofs, hugetlbfs
            0xF2F5_2010 | 0x2FC1_2FC1 | 0xCA45_1A4E | 0x3153_464A | 0x5265_4973 | 0x3434 | 0x2011_BAB0
            | 0x4D44 | 0x8584_58F6 | 0x7371_7368 | 0xE0F5_E1E2 | 0x9584_58F6 => Self::Local,
            // nfs, smb, cifs, smb2, ceph, 9p, afs, coda, gfs2, ocfs2, lustre
            0x6969 | 0x517B | 0xFF53_4D42 | 0xFE53_4D42 | 0x00C3_6400 | 0x0102_1997 | 0x5346_414F
            | 0x7375_7245 | 0x0116_1970 | 0x7461_636F | 0x0BD0_0BD0 => Self::Network,
            0x6573_5546 => Self::Fuse,
            _ => Self::Unknown,
        }
    }

    pub fn of(fd: BorrowedFd<'_>) -> Self {
        rustix::fs::fstatfs(fd).map_or(Self::Unknown, |fs| Self::from_magic(fs.f_type as u64 & 0xFFFF_FFFF))
    }

    /// Only this kernel can have the files of such a file system open.
    pub fn has_one_kernel(self) -> bool {
        matches!(self, Self::LocalMeasured | Self::Overlay | Self::Local)
    }

    /// The lease was tried on it, so it is believed where it cannot be tried.
    pub fn was_measured(self) -> bool {
        matches!(self, Self::LocalMeasured | Self::Overlay)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::LocalMeasured | Self::Overlay | Self::Local => "local",
            Self::Network => "network",
            Self::Fuse => "fuse",
            Self::Unknown => "unknown",
        }
    }
}
