//! Where arrays are kept: folders on local disk, and memory.
//!
//! A [`Store`] is what one array sees: its own folder, with the keys of Zarr in it.

mod local;
mod location;
mod memory;
#[cfg(feature = "n5")]
mod n5;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "remote")]
mod s3;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};

use zarrs::storage::byte_range::ByteRangeIterator;
use zarrs::storage::{
    Bytes, MaybeBytesIterator, OffsetBytesIterator, ReadableStorageTraits, StorageError, StoreKey,
    StorePrefix, WritableStorageTraits, store_set_partial_many,
};

pub use self::local::Durability;
pub(crate) use self::local::LocalStore;
pub use self::location::{ArrayId, Location};
pub(crate) use self::memory::MemoryFolder;
pub use self::memory::MemoryStore;
#[cfg(feature = "remote")]
pub use self::remote::RemoteStore;
#[cfg(feature = "remote")]
pub use self::s3::S3Options;
use crate::{ArrayError, Occupant};

/// The metadata of Zarr v3.
pub(crate) const ZARR_JSON: &str = "zarr.json";
/// The metadata of an array of Zarr v2.
pub(crate) const ZARRAY: &str = ".zarray";
/// The attributes of Zarr v2.
pub(crate) const ZATTRS: &str = ".zattrs";
/// The metadata of a group of Zarr v2.
pub(crate) const ZGROUP: &str = ".zgroup";

/// Where one array is kept.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Local(LocalStore),
    Memory(MemoryFolder),
    #[cfg(feature = "n5")]
    N5(n5::N5Folder),
    #[cfg(feature = "remote")]
    Remote(remote::RemoteFolder),
}

/// What is at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing, or an empty folder.
    Free,
    Array,
    Taken(Occupant),
}

/// The files of a new array or group: names and contents.
pub(crate) type Files = Vec<(&'static str, Vec<u8>)>;

/// As long as it lives, no other writer changes the chunk, or nobody replaces the array.
#[allow(dead_code, reason = "what counts is when they are dropped")]
pub(crate) enum ChunkLock<'a> {
    File(File),
    Mutex(MutexGuard<'a, ()>),
    /// Of a store that has no locks.
    None,
}

impl Store {
    /// The place as errors name it.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Local(store) => store.folder().to_path_buf(),
            Self::Memory(store) => store.path(),
            #[cfg(feature = "n5")]
            Self::N5(store) => store.plain().path(),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.path(),
        }
    }

    /// A place below this one. `path` has no dots.
    #[cfg(feature = "ome")]
    pub(crate) fn join(&self, path: &str) -> Self {
        match self {
            Self::Local(store) => {
                Self::Local(LocalStore::new(&store.folder().join(path), store.durability()))
            }
            Self::Memory(store) => Self::Memory(store.join(path)),
            #[cfg(feature = "n5")]
            Self::N5(store) => store.plain().join(path),
            #[cfg(feature = "remote")]
            Self::Remote(store) => Self::Remote(store.join(path)),
        }
    }

    /// The same for all handles of one place, and for no others.
    pub(crate) fn id(&self) -> ArrayId {
        match self {
            Self::Local(store) => store.id(),
            Self::Memory(store) => store.id(),
            #[cfg(feature = "n5")]
            Self::N5(store) => store.plain().id(),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.id(),
        }
    }

    pub(crate) fn durability(&self) -> Durability {
        match self {
            Self::Local(store) => store.durability(),
            // What an object store has taken, it keeps.
            #[cfg(feature = "remote")]
            Self::Remote(_) => Durability::Power,
            _ => Durability::Process,
        }
    }

    /// The same place with another durability; memory has but one.
    pub(crate) fn with_durability(&self, durability: Durability) -> Self {
        match self {
            Self::Local(store) => Self::Local(LocalStore::new(store.folder(), durability)),
            other => other.clone(),
        }
    }

    /// Whether nothing can be written there.
    pub(crate) fn is_read_only(&self) -> bool {
        match self {
            #[cfg(feature = "n5")]
            Self::N5(_) => true,
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.is_read_only(),
            _ => false,
        }
    }

    /// The same place read as another format, if what is there is of one.
    #[cfg(feature = "n5")]
    pub(crate) fn in_other_format(&self) -> Result<Option<Self>, ArrayError> {
        Ok(n5::N5Folder::find(self)?.map(Self::N5))
    }

    /// The same place read as another format: there is none.
    #[cfg(not(feature = "n5"))]
    #[allow(clippy::unused_self, reason = "with n5, what is there decides")]
    pub(crate) fn in_other_format(&self) -> Result<Option<Self>, ArrayError> {
        Ok(None)
    }

    /// Looks at the place without changing anything.
    pub(crate) fn look(&self) -> Result<Place, ArrayError> {
        match self {
            Self::Local(store) => store.look(),
            Self::Memory(store) => Ok(store.look()),
            #[cfg(feature = "n5")]
            Self::N5(_) => Ok(Place::Array),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.look(),
        }
    }

    /// Whether there is anything, if only an empty folder.
    pub(crate) fn exists(&self) -> bool {
        match self {
            Self::Local(store) => store.folder().exists(),
            Self::Memory(store) => store.look() != Place::Free,
            #[cfg(feature = "n5")]
            Self::N5(_) => true,
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.look().is_ok_and(|place| place != Place::Free),
        }
    }

    /// Puts all files there at once; fails if something else is there.
    pub(crate) fn create(&self, files: &Files) -> io::Result<()> {
        match self {
            // Metadata are few and everything depends on them.
            Self::Local(store) => LocalStore::new(store.folder(), Durability::Power).create(files),
            Self::Memory(store) => store.create(files),
            #[cfg(feature = "n5")]
            Self::N5(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.create(files),
        }
    }

    /// Deletes an array, and nothing but an array.
    pub(crate) fn remove_array(&self) -> Result<(), ArrayError> {
        match self {
            Self::Local(store) => store.remove_array(),
            Self::Memory(store) => {
                store.remove_array();
                Ok(())
            }
            #[cfg(feature = "n5")]
            Self::N5(_) => Err(ArrayError::ReadOnly { path: self.path() }),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.remove_array(),
        }
    }

    /// Keeps others from replacing the array as a whole, as far as the store has locks. None if it
    /// is gone, or was replaced just now.
    pub(crate) fn lock_array(&self) -> io::Result<Option<ChunkLock<'_>>> {
        match self {
            Self::Local(store) => Ok(store.lock_array()?.map(ChunkLock::File)),
            Self::Memory(store) => {
                let lock = store.lock_array().lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Some(ChunkLock::Mutex(lock)))
            }
            #[cfg(any(feature = "n5", feature = "remote"))]
            _ => Ok(Some(ChunkLock::None)),
        }
    }

    /// Refuses a place among the chunks of an array, to which what is put there would belong.
    pub(crate) fn check_surroundings(&self) -> Result<(), ArrayError> {
        let around = match self {
            Self::Local(store) => store.array_around(),
            Self::Memory(store) => store.array_around(),
            #[cfg(feature = "n5")]
            Self::N5(_) => None,
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.array_around(),
        };
        match around {
            None => Ok(()),
            Some(array) => Err(ArrayError::InsideArray { path: self.path(), array }),
        }
    }

    /// Waits until no other writer is at the chunk of a key.
    pub(crate) fn lock(&self, key: &StoreKey) -> io::Result<ChunkLock<'_>> {
        match self {
            Self::Local(store) => store.lock(key).map(ChunkLock::File),
            Self::Memory(store) => Ok(ChunkLock::Mutex(
                // A panic elsewhere leaves whole chunks, as everything does.
                store.lock(key).lock().unwrap_or_else(PoisonError::into_inner),
            )),
            #[cfg(feature = "n5")]
            Self::N5(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "remote")]
            Self::Remote(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "an object store cannot lock chunks: write whole ones",
            )),
        }
    }
}

/// Which of `locks` guards the chunk of a key: always the same one (FNV-1a).
pub(crate) fn lock_of(key: &StoreKey, locks: u64) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = key.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    (hash ^ (hash >> 32)) % locks
}

impl From<LocalStore> for Arc<Store> {
    fn from(store: LocalStore) -> Self {
        Self::new(Store::Local(store))
    }
}

impl ReadableStorageTraits for Store {
    fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, StorageError> {
        match self {
            Self::Local(store) => store.get(key),
            Self::Memory(store) => Ok(store.get(key)),
            #[cfg(feature = "n5")]
            Self::N5(store) => store.get(key),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.get(key),
        }
    }

    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        match self {
            Self::Local(store) => store.get_partial_many(key, byte_ranges),
            Self::Memory(store) => Ok(store.get_partial_many(key, byte_ranges)),
            #[cfg(feature = "n5")]
            Self::N5(store) => store.get_partial_many(key, byte_ranges),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.get_partial_many(key, byte_ranges),
        }
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        match self {
            Self::Local(store) => store.size_key(key),
            Self::Memory(store) => Ok(store.get(key).map(|value| value.len() as u64)),
            #[cfg(feature = "n5")]
            Self::N5(store) => Ok(store.get(key)?.map(|value| value.len() as u64)),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.size_key(key),
        }
    }

    fn supports_get_partial(&self) -> bool {
        match self {
            // Blocks are unpacked as a whole.
            #[cfg(feature = "n5")]
            Self::N5(_) => false,
            _ => true,
        }
    }
}

impl WritableStorageTraits for Store {
    fn set(&self, key: &StoreKey, value: Bytes) -> Result<(), StorageError> {
        match self {
            Self::Local(store) => store.set(key, &value),
            Self::Memory(store) => {
                store.set(key, value);
                Ok(())
            }
            #[cfg(feature = "n5")]
            Self::N5(_) => Err(StorageError::ReadOnly),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.set(key, value),
        }
    }

    fn set_partial_many(
        &self,
        key: &StoreKey,
        offset_values: OffsetBytesIterator<'_>,
    ) -> Result<(), StorageError> {
        store_set_partial_many(self, key, offset_values)
    }

    fn erase(&self, key: &StoreKey) -> Result<(), StorageError> {
        match self {
            Self::Local(store) => store.erase(key),
            Self::Memory(store) => {
                store.erase(key);
                Ok(())
            }
            #[cfg(feature = "n5")]
            Self::N5(_) => Err(StorageError::ReadOnly),
            #[cfg(feature = "remote")]
            Self::Remote(store) => store.erase(key),
        }
    }

    fn erase_prefix(&self, _prefix: &StorePrefix) -> Result<(), StorageError> {
        // Arrays remove single chunks only; whole folders go in `create`, with more care.
        Err(StorageError::Unsupported("erasing a folder of an array".to_owned()))
    }

    fn supports_set_partial(&self) -> bool {
        false
    }
}
