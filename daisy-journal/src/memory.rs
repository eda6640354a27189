//! A disk in memory that can crash, tear and run full: for tests, simulators and fuzzers.

use core::fmt;

use crate::Disk;

/// A [`Disk`] in memory that knows which of its bytes would survive a loss of power.
///
/// ```
/// use daisy_journal::{Disk, MemoryDisk};
///
/// let mut disk = MemoryDisk::new();
/// disk.append(b"durable")?;
/// disk.sync()?;
/// disk.append(b", lost")?;
/// disk.crash(2); // two bytes of what was not synced reach the platter
/// assert_eq!(disk.bytes(), b"durable, ");
/// # Ok::<(), daisy_journal::MemoryDiskError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    bytes: Vec<u8>,
    synced: usize,
    room: Option<usize>,
    fails_to_sync: bool,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), synced: 0, room: None, fails_to_sync: false }
    }

    /// The content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The content, to be damaged.
    #[must_use]
    pub const fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// How many bytes from the start are durable.
    #[must_use]
    pub fn synced_len(&self) -> usize {
        self.synced.min(self.bytes.len())
    }

    /// Loses power: of what is not synced only the first `kept` bytes remain.
    pub fn crash(&mut self, kept: usize) {
        self.bytes.truncate(self.synced_len().saturating_add(kept));
        self.synced = self.bytes.len();
    }

    /// Loses power where the file had already grown: of what is not synced all but the first `kept`
    /// bytes read as zeros.
    pub fn crash_to_zeros(&mut self, kept: usize) {
        let from = self.synced_len().saturating_add(kept);
        for byte in self.bytes.iter_mut().skip(from) {
            *byte = 0;
        }
        self.synced = self.bytes.len();
    }

    /// After so many more bytes the disk is full; `None`: never. An append that meets the end is
    /// written up to it, a replacement not at all.
    pub const fn set_room(&mut self, bytes: Option<usize>) {
        self.room = bytes;
    }

    /// Whether `sync` fails from now on.
    pub const fn fail_syncs(&mut self, fails: bool) {
        self.fails_to_sync = fails;
    }

    /// Takes room for `bytes`; how many of them fit.
    fn take_room(&mut self, bytes: usize) -> usize {
        let Some(room) = &mut self.room else { return bytes };
        let fitting = bytes.min(*room);
        *room -= fitting;
        fitting
    }
}

impl From<Vec<u8>> for MemoryDisk {
    /// A disk with that content, all of it durable.
    fn from(bytes: Vec<u8>) -> Self {
        Self { synced: bytes.len(), bytes, ..Self::new() }
    }
}

impl Disk for MemoryDisk {
    type Error = MemoryDiskError;

    fn len(&mut self) -> Result<u64, MemoryDiskError> {
        Ok(self.bytes.len() as u64)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), MemoryDiskError> {
        let fitting = self.take_room(bytes.len());
        self.bytes.extend(bytes.iter().take(fitting));
        if fitting == bytes.len() { Ok(()) } else { Err(MemoryDiskError::Full) }
    }

    fn sync(&mut self) -> Result<(), MemoryDiskError> {
        if self.fails_to_sync {
            return Err(MemoryDiskError::Sync);
        }
        self.synced = self.bytes.len();
        Ok(())
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, MemoryDiskError> {
        let behind = usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..));
        let behind = behind.unwrap_or_default();
        let count = behind.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), behind.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn truncate(&mut self, len: u64) -> Result<(), MemoryDiskError> {
        self.bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        self.synced = self.synced_len();
        Ok(())
    }

    fn replace(&mut self, content: &[u8]) -> Result<(), MemoryDiskError> {
        if self.take_room(content.len()) < content.len() {
            return Err(MemoryDiskError::Full);
        }
        if self.fails_to_sync {
            return Err(MemoryDiskError::Sync);
        }
        content.clone_into(&mut self.bytes);
        self.synced = self.bytes.len();
        Ok(())
    }
}

/// What can go wrong on a [`MemoryDisk`], on demand.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryDiskError {
    /// There is no room left: see [`MemoryDisk::set_room`].
    Full,
    /// Nothing can be made durable: see [`MemoryDisk::fail_syncs`].
    Sync,
}

impl fmt::Display for MemoryDiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "no space is left on the disk; make room and resume",
            Self::Sync => "the disk could not make its content durable; check the disk and resume",
        })
    }
}

impl core::error::Error for MemoryDiskError {}
