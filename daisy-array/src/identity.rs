//! What tells an array from one that is made anew in its place.

use std::io;

use serde_json::{Map, Value};
use zarrs::storage::{ReadableStorageTraits, StorageError, StoreKey, WritableStorageTraits};

use crate::store::{Place, Store, ZARR_JSON, ZATTRS};
use crate::{Array, ArrayError, Durability, Location};

/// The attribute: 32 hexadecimal digits.
const KEY: &str = "daisy_id";

impl Array {
    /// A number that no other array has, not even one that is made anew in its place.
    ///
    /// It is made at random when it is asked for the first time, and kept in the attribute `daisy_id`, so that it
    /// stays with an array that is moved, or brought back from a copy. A run with a journal remembers by it into
    /// which arrays its blocks were written.
    ///
    /// ```
    /// use daisy_array::{Array, ArraySpec, Dtype, IfExists, MemoryStore};
    ///
    /// let place = MemoryStore::new().at("labels");
    /// let spec = ArraySpec::new([64], Dtype::U8);
    /// let identity = Array::create(&place, &spec, IfExists::Error)?.identity()?;
    /// assert_eq!(Array::open(&place)?.identity()?, identity);
    /// assert_ne!(Array::create(&place, &spec, IfExists::Overwrite)?.identity()?, identity);
    /// # Ok::<(), daisy_array::ArrayError>(())
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](ArrayError::NotFound) if it was deleted meanwhile, [`ReadOnly`](ArrayError::ReadOnly) if it has
    /// none and nothing can be written there, [`Metadata`](ArrayError::Metadata), [`Io`](ArrayError::Io).
    pub fn identity(&self) -> Result<u128, ArrayError> {
        self.location().identity()
    }

    /// Where the array is.
    #[must_use]
    pub fn location(&self) -> Location {
        Location::of(self.inner.storage().as_ref().clone())
    }
}

impl Location {
    /// The identity of the array that is there now: see [`Array::identity`].
    ///
    /// # Errors
    /// Those of [`Array::identity`].
    pub fn identity(&self) -> Result<u128, ArrayError> {
        let store = self.clone().into_store();
        if let Some(known) = Metadata::read(&store)?.identity() {
            return Ok(known);
        }
        if store.is_read_only() {
            return Err(ArrayError::ReadOnly { path: store.path() });
        }
        let io = |source| ArrayError::Io { path: store.path(), source };
        let locked = store.lock_array().map_err(io)?;
        let Some(_lock) = locked else { return Err(ArrayError::NotFound { path: store.path() }) };
        let metadata = Metadata::read(&store)?;
        // Another process may have been faster.
        if metadata.identity().is_none() {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map_err(|error| io(io::Error::other(error)))?;
            metadata.with(u128::from_le_bytes(bytes)).write(&store)?;
        }
        // Where there are no locks, the last one counts.
        let known = Metadata::read(&store)?.identity();
        known.ok_or_else(|| ArrayError::NotFound { path: store.path() })
    }
}

/// The file that has the attributes of an array.
enum Metadata {
    /// They are all of it.
    V2(Map<String, Value>),
    /// They are a part of it.
    V3(Map<String, Value>),
}

impl Metadata {
    fn read(store: &Store) -> Result<Self, ArrayError> {
        if let Some(json) = read(store, ZARR_JSON)? {
            return Ok(Self::V3(json));
        }
        match store.look()? {
            // Without attributes there is no such file.
            Place::Array => Ok(Self::V2(read(store, ZATTRS)?.unwrap_or_default())),
            _ => Err(ArrayError::NotFound { path: store.path() }),
        }
    }

    fn write(self, store: &Store) -> Result<(), ArrayError> {
        let (file, json) = match self {
            Self::V2(json) => (ZATTRS, json),
            Self::V3(json) => (ZARR_JSON, json),
        };
        let text = serde_json::to_vec_pretty(&json).map_err(|error| wrong(store, error))?;
        // Metadata are few and everything depends on them.
        let store = store.with_durability(Durability::Power);
        let written = key(file).and_then(|key| store.set(&key, text.into()));
        written.map_err(|error| failed(&store, error))
    }

    fn attributes(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::V2(json) => Some(json),
            Self::V3(json) => json.get("attributes")?.as_object(),
        }
    }

    fn identity(&self) -> Option<u128> {
        let text = self.attributes()?.get(KEY)?.as_str()?;
        u128::from_str_radix(text, 16).ok()
    }

    fn with(self, identity: u128) -> Self {
        let mut attributes = self.attributes().cloned().unwrap_or_default();
        attributes.insert(KEY.into(), format!("{identity:032x}").into());
        match self {
            Self::V2(_) => Self::V2(attributes),
            Self::V3(mut json) => {
                json.insert("attributes".into(), attributes.into());
                Self::V3(json)
            }
        }
    }
}

fn read(store: &Store, file: &str) -> Result<Option<Map<String, Value>>, ArrayError> {
    let text = key(file).and_then(|key| store.get(&key)).map_err(|error| failed(store, error))?;
    text.map(|text| serde_json::from_slice(&text).map_err(|error| wrong(store, error))).transpose()
}

fn key(file: &str) -> Result<StoreKey, StorageError> {
    Ok(StoreKey::new(file)?)
}

fn failed(store: &Store, error: StorageError) -> ArrayError {
    ArrayError::Io { path: store.path(), source: io::Error::other(error) }
}

fn wrong(store: &Store, error: serde_json::Error) -> ArrayError {
    ArrayError::Metadata { path: store.path(), source: error.into() }
}
