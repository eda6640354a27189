//! Where an array is, as users say it, and which array it is.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{LocalStore, MemoryFolder, MemoryStore, Store};
use crate::Durability;

/// Where an array is or should be: a path on local disk, or a place in a [`MemoryStore`].
///
/// Functions take `impl Into<Location>`, so a path or text will do.
#[derive(Clone, Debug)]
pub struct Location(Store);

impl Location {
    pub(crate) fn into_store(self) -> Store {
        self.0
    }

    pub(crate) fn of(store: Store) -> Self {
        Self(store)
    }

    pub(crate) fn memory(store: &MemoryStore, path: &str) -> Self {
        Self(Store::Memory(MemoryFolder::new(store, path)))
    }
}

/// All that names a path: `&str`, `&Path`, `&PathBuf`, `&String`, `&OsString`.
impl<P: AsRef<Path> + ?Sized> From<&P> for Location {
    fn from(path: &P) -> Self {
        Self(Store::Local(LocalStore::new(path.as_ref(), Durability::default())))
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::from(&path)
    }
}

impl From<String> for Location {
    fn from(path: String) -> Self {
        Self::from(&path)
    }
}

impl From<OsString> for Location {
    fn from(path: OsString) -> Self {
        Self::from(&path)
    }
}

impl From<&Self> for Location {
    fn from(location: &Self) -> Self {
        location.clone()
    }
}

/// Which array a handle is of: equal for two handles exactly if they are of the same place.
///
/// On local disk that is the path without links and dots, so it is the same whichever way a folder
/// was reached. (Two mounts of one file system have two paths.)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrayId(pub(crate) String);

impl fmt::Display for ArrayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
