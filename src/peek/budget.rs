//! How much one look at a database may cost. Its bytes are another program's: pages can lead in circles that only a
//! count ends, and rows can be larger than the memory that lockdoctor may use.

/// What is left of one look, over all its attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pages: u32,
    read: u64,
    kept: u64,
    log: u64,
}

/// What was spent to its end: the middle of a sentence.
pub(crate) type Spent = &'static str;

impl Budget {
    /// A busy state database of 464 MB takes some hundred pages a look (openclaw#148307).
    pub(crate) const WHOLE: Self = Self { pages: 100_000, read: 256 << 20, kept: 16 << 20, log: 1 << 30 };

    pub(crate) fn page(&mut self, bytes: usize) -> Result<(), Spent> {
        self.pages = self.pages.checked_sub(1).ok_or("it leads through 100 000 pages")?;
        self.read = self.read.checked_sub(bytes as u64).ok_or("256 MiB of its pages were read")?;
        Ok(())
    }

    /// Values that stay in memory.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<(), Spent> {
        self.kept = self.kept.checked_sub(bytes as u64).ok_or("its rows take 16 MiB of memory")?;
        Ok(())
    }

    /// A log that is gone through from its beginning.
    pub(crate) fn log(&mut self, bytes: u64) -> Result<(), Spent> {
        self.log = self.log.checked_sub(bytes).ok_or("its log takes 1 GiB")?;
        Ok(())
    }
}
