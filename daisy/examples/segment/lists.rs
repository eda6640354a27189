//! Lists of numbers that one task leaves for another: one file for each block.
//!
//! A block that is run again replaces its file by the same content, and a file is there as a whole
//! or not at all, so a block that is tried again changes nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Makes the names of temporary files unique in this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder of lists of pairs, one for each block of a task.
#[derive(Clone, Debug)]
pub(crate) struct Lists {
    folder: PathBuf,
}

impl Lists {
    /// A folder; if it is to be fresh, what was in it is removed.
    pub(crate) fn create(folder: &Path, is_fresh: bool) -> io::Result<Self> {
        if is_fresh
            && let Err(error) = fs::remove_dir_all(folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Stores the list of a block.
    pub(crate) fn write(
        &self,
        cell: u64,
        pairs: impl IntoIterator<Item = (u64, u64)>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (first, second) in pairs {
            bytes.extend_from_slice(&first.to_le_bytes());
            bytes.extend_from_slice(&second.to_le_bytes());
        }
        let unique = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let temporary = self.folder.join(format!(".{cell}.{}.{}", unique.0, unique.1));
        fs::write(&temporary, bytes)?;
        fs::rename(temporary, self.path(cell))
    }

    /// The list of a block.
    pub(crate) fn read(&self, cell: u64) -> io::Result<Vec<(u64, u64)>> {
        let path = self.path(cell);
        let broken = || {
            let text = format!("{} is not a list of pairs; run all tasks again", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let bytes = fs::read(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        let (pairs, rest) = bytes.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(broken());
        }
        let pair = |both: &[u8; 16]| {
            let (first, second) = both.split_first_chunk::<8>()?;
            Some((u64::from_le_bytes(*first), u64::from_le_bytes(second.try_into().ok()?)))
        };
        pairs.iter().map(pair).collect::<Option<_>>().ok_or_else(broken)
    }

    fn path(&self, cell: u64) -> PathBuf {
        self.folder.join(cell.to_string())
    }
}
