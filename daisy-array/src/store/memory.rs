//! Arrays in memory, shared by all threads of a process.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use zarrs::storage::byte_range::ByteRangeIterator;
use zarrs::storage::{Bytes, MaybeBytesIterator, StoreKey};

use super::{ArrayId, Files, Location, Place, ZARR_JSON, ZARRAY, ZGROUP, lock_of};
use crate::Occupant;

/// Locks that the chunks of a store share.
const LOCKS: usize = 64;

/// A place for arrays in the memory of this process: for tests, and for results that need not
/// outlive it.
///
/// Clones are the same store. What is written is there until the last clone and the last array in
/// it are gone. Chunks are compressed, as on disk.
///
/// ```
/// use daisy_array::{Array, ArraySpec, Dtype, IfExists, MemoryStore};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let spec = ArraySpec::new([8, 8], Dtype::U8);
/// let array = Array::create(store.at("raw"), &spec, IfExists::Error)?;
/// array.fill(array.roi(), 3u8)?;
/// let again = Array::open(store.at("raw"))?;
/// assert_eq!(again.read::<u8>(again.roi())?.sum(), 64 * 3);
/// assert_eq!(again.id(), array.id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// No two stores of a process have the same number.
    number: u64,
    values: RwLock<BTreeMap<String, Bytes>>,
    locks: [Mutex<()>; LOCKS],
    /// Held by who creates or replaces an array.
    replacing: Mutex<()>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store, different from all others.
    #[must_use]
    pub fn new() -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let shared = Shared {
            number: COUNTER.fetch_add(1, Ordering::Relaxed),
            values: RwLock::default(),
            locks: std::array::from_fn(|_| Mutex::default()),
            replacing: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A place in the store, such as `"raw"` or `"volumes/raw"`.
    #[must_use]
    pub fn at(&self, path: &str) -> Location {
        Location::memory(self, path)
    }

    fn values(&self) -> RwLockReadGuard<'_, BTreeMap<String, Bytes>> {
        // Every change is one insertion or removal, so a panic leaves nothing half done.
        self.shared.values.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn values_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Bytes>> {
        self.shared.values.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a store that one array has.
#[derive(Clone, Debug)]
pub(crate) struct MemoryFolder {
    store: MemoryStore,
    /// Empty, or ends in a slash.
    prefix: String,
}

impl MemoryFolder {
    pub(crate) fn new(store: &MemoryStore, path: &str) -> Self {
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        let prefix = parts.flat_map(|part| [part, "/"]).collect();
        Self { store: store.clone(), prefix }
    }

    #[cfg(feature = "ome")]
    pub(crate) fn join(&self, path: &str) -> Self {
        Self::new(&self.store, &format!("{}{path}", self.prefix))
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.id().0.into()
    }

    pub(crate) fn id(&self) -> ArrayId {
        let path = self.prefix.trim_end_matches('/');
        ArrayId(format!("memory-{}:/{path}", self.store.shared.number))
    }

    /// The array in whose folder this one lies, if there is one.
    pub(crate) fn array_around(&self) -> Option<PathBuf> {
        let mut path = self.prefix.trim_end_matches('/');
        while let Some((above, _)) = path.rsplit_once('/') {
            let folder = Self::new(&self.store, above);
            if folder.look() == Place::Array {
                return Some(folder.path());
            }
            path = above;
        }
        None
    }

    pub(crate) fn look(&self) -> Place {
        self.look_at(&self.store.values())
    }

    fn look_at(&self, values: &BTreeMap<String, Bytes>) -> Place {
        if let Some(json) = values.get(&self.full(ZARR_JSON)) {
            return super::local::node_type(json);
        }
        if values.contains_key(&self.full(ZARRAY)) {
            return Place::Array;
        }
        if values.contains_key(&self.full(ZGROUP)) {
            return Place::Taken(Occupant::Group);
        }
        match values.range(self.prefix.clone()..).next() {
            Some((key, _)) if key.starts_with(&self.prefix) => {
                let entry = key.strip_prefix(&self.prefix).and_then(|rest| rest.split('/').next());
                Place::Taken(Occupant::Folder { entry: entry.map(PathBuf::from) })
            }
            _ => Place::Free,
        }
    }

    pub(crate) fn create(&self, files: &Files) -> io::Result<()> {
        // Who is about to replace something sees nothing half of which is new.
        let _lock = self.lock_array().lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = self.store.values_mut();
        if self.look_at(&values) != Place::Free {
            return Err(ErrorKind::AlreadyExists.into());
        }
        for (name, value) in files {
            values.insert(self.full(name), value.clone().into());
        }
        Ok(())
    }

    pub(crate) fn remove_array(&self) {
        self.store.values_mut().retain(|key, _| !key.starts_with(&self.prefix));
    }

    pub(crate) fn lock(&self, key: &StoreKey) -> &Mutex<()> {
        // As many as there are, so the index is right.
        &self.store.shared.locks[lock_of(key, LOCKS as u64) as usize]
    }

    /// One for all arrays of the store, as it is held for a moment.
    pub(crate) fn lock_array(&self) -> &Mutex<()> {
        &self.store.shared.replacing
    }

    pub(crate) fn get(&self, key: &StoreKey) -> Option<Bytes> {
        self.store.values().get(&self.full(key.as_str())).cloned()
    }

    pub(crate) fn get_partial_many<'a>(
        &self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> MaybeBytesIterator<'a> {
        let value = self.get(key)?;
        let parts = byte_ranges.map(move |range| {
            let size = value.len() as u64;
            let extent = super::local::extent(range, size)?;
            Ok(extent.slice(&value))
        });
        Some(Box::new(parts))
    }

    pub(crate) fn set(&self, key: &StoreKey, value: Bytes) {
        self.store.values_mut().insert(self.full(key.as_str()), value);
    }

    pub(crate) fn erase(&self, key: &StoreKey) {
        self.store.values_mut().remove(&self.full(key.as_str()));
    }
}
