//! How far a database's log has been written back, and which readers keep it: the header of its `-shm`.
//!
//! After SQLite's `wal.c` (`WalIndexHdr`, `WalCkptInfo`), in the machine's own byte order. The bytes change under the
//! reader; the header is there twice, and counts only where both agree.

const HEADER: usize = 48;
/// Two headers, the checkpoint information with five read marks, eight lock bytes.
pub(crate) const LENGTH: usize = 136;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalState {
    /// Frames in the log that count.
    pub frames: u32,
    /// Of these, in the database already.
    pub written_back: u32,
    /// How far each reader slot may read.
    pub read_marks: [u32; 5],
}

impl WalState {
    pub(crate) fn parse(shm: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            shm.get(at..at + 4).and_then(|bytes| Some(u32::from_ne_bytes(bytes.try_into().ok()?)))
        };
        if shm.len() < LENGTH || shm[..HEADER] != shm[HEADER..2 * HEADER] || shm[12] == 0 {
            return None;
        }
        let mut read_marks = [0; 5];
        for (slot, mark) in read_marks.iter_mut().enumerate() {
            *mark = number(100 + 4 * slot)?;
        }
        Some(Self { frames: number(16)?, written_back: number(96)?, read_marks })
    }

    /// Whether a reader in `slot` keeps the log from being written back whole and started over.
    pub fn pins(&self, slot: usize) -> bool {
        let mark = self.read_marks.get(slot).copied().unwrap_or(0);
        // Slot 0 reads the database alone: it keeps nothing back, but the log cannot be started over under others.
        slot > 0 && mark < self.frames
    }
}
