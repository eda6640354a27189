//! Arrays in object stores: S3 for reading and writing, HTTP for reading.
//!
//! Calls wait for a thread of their own that talks to the network, so they may come from anywhere,
//! from asynchronous code too.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, GetOptions, GetRange, ListResult, ObjectStore, ObjectStoreExt, PutMode,
    RetryConfig,
};
use tokio::runtime::Runtime;
use zarrs::storage::byte_range::{ByteRange, ByteRangeIterator};
use zarrs::storage::{Bytes, MaybeBytesIterator, StorageError, StoreKey};

use super::local::{is_part_of_array, node_type};
use super::s3::S3Options;
use super::{ArrayId, Files, Location, Place, Store, ZARR_JSON, ZARRAY, ZGROUP};
use crate::{ArrayError, Occupant, Source};

/// For how long a server may not even be connected.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An S3 bucket, or a place on an HTTP server.
///
/// In S3 each chunk is put as a whole or not at all, and is durable once it is written. Chunks
/// cannot be locked. HTTP is for reading. Of shards, only the index and the chunks that are asked
/// for are fetched. Clones are the same store.
#[derive(Clone)]
pub struct RemoteStore {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
    /// What comes before the path in names.
    url: String,
    is_read_only: bool,
}

impl fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteStore").field(&self.shared.url).finish()
    }
}

impl RemoteStore {
    /// A bucket of S3, or of something that speaks S3. Nothing is asked of it yet.
    ///
    /// ```no_run
    /// use daisy_array::{Array, RemoteStore, S3Options};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bucket = RemoteStore::s3(&S3Options::new("volumes").anonymous())?;
    /// let array = Array::open(bucket.at("fly/raw"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Remote`](ArrayError::Remote): the options make no sense, or there are no credentials.
    pub fn s3(options: &S3Options) -> Result<Self, ArrayError> {
        let builder = options.builder();
        if !options.has_credentials(&builder) {
            let source = "there are no credentials: give a key and its secret, say that none are \
                          needed (anonymous), or that the machine has a role"
                .into();
            return Err(ArrayError::Remote { url: options.url(), source });
        }
        Self::new(options.url(), false, || Ok(Arc::new(builder.build()?)))
    }

    /// For how long at most a web server may say nothing, if nothing else is said.
    pub const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

    /// A place on an HTTP server, such as `https://example.org/volumes`. Nothing is asked of it
    /// yet.
    ///
    /// # Errors
    /// [`Remote`](ArrayError::Remote): the URL makes no sense.
    pub fn http(url: impl Into<String>) -> Result<Self, ArrayError> {
        Self::http_with_timeout(url, Self::HTTP_TIMEOUT)
    }

    /// The same for a server that may say nothing for so long: after a request, and in the middle of
    /// an answer. So long, too, what failed is tried again.
    ///
    /// # Errors
    /// Those of [`http`](Self::http).
    pub fn http_with_timeout(
        url: impl Into<String>,
        timeout: Duration,
    ) -> Result<Self, ArrayError> {
        let url = url.into().trim_end_matches('/').to_owned();
        // What is long may take long: what counts is how long nothing comes.
        let options = ClientOptions::new()
            .with_allow_http(url.starts_with("http:"))
            .with_connect_timeout(timeout.min(CONNECT_TIMEOUT))
            .with_read_timeout(timeout)
            .with_timeout_disabled();
        let builder = HttpBuilder::new().with_url(&url).with_client_options(options);
        let builder = builder.with_retry(retries(timeout));
        Self::new(url, true, || Ok(Arc::new(builder.build()?)))
    }

    fn new(
        url: String,
        is_read_only: bool,
        build: impl FnOnce() -> Result<Arc<dyn ObjectStore>, Error>,
    ) -> Result<Self, ArrayError> {
        // Another part of the program may have chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |source: Source| ArrayError::Remote { url: url.clone(), source };
        let store = build().map_err(|error| failed(error.into()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("daisy-array-remote")
            .enable_all()
            .build()
            .map_err(|error| failed(error.into()))?;
        Ok(Self { shared: Arc::new(Shared { store, runtime, url, is_read_only }) })
    }

    /// A place in the store, such as `"volumes/raw"`.
    #[must_use]
    pub fn at(&self, path: &str) -> Location {
        Location::of(Store::Remote(RemoteFolder { store: self.clone(), prefix: Path::from(path) }))
    }

    /// Waits for what the thread of the store finds.
    fn wait<T, F>(&self, ask: impl FnOnce(Arc<dyn ObjectStore>) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        let answer = ask(self.shared.store.clone());
        self.shared.runtime.spawn(async move {
            // Whoever asked waits for it.
            let _ = sender.send(answer.await);
        });
        receiver.recv().unwrap_or_else(|error| {
            Err(Error::Generic { store: "daisy-array", source: error.into() })
        })
    }
}

pub(super) fn retries(timeout: Duration) -> RetryConfig {
    RetryConfig { retry_timeout: timeout, ..RetryConfig::default() }
}

/// The part of a store that one array has.
#[derive(Clone, Debug)]
pub(crate) struct RemoteFolder {
    store: RemoteStore,
    prefix: Path,
}

/// What is not there is none.
fn if_found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn storage(error: Error) -> StorageError {
    StorageError::Other(error.to_string())
}

impl RemoteFolder {
    fn full(&self, key: &str) -> Path {
        key.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    #[cfg(feature = "ome")]
    pub(crate) fn join(&self, path: &str) -> Self {
        Self { store: self.store.clone(), prefix: self.full(path) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.id().0.into()
    }

    pub(crate) fn id(&self) -> ArrayId {
        ArrayId(format!("{}/{}", self.store.shared.url, self.prefix))
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.store.shared.is_read_only
    }

    fn get_at(&self, path: Path) -> Result<Option<Bytes>, Error> {
        if_found(self.store.wait(|store| async move { store.get(&path).await?.bytes().await }))
    }

    pub(crate) fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, StorageError> {
        self.get_at(self.full(key.as_str())).map_err(storage)
    }

    /// Ranges with a beginning and a length together, all others one by one.
    pub(crate) fn get_partial_many<'a>(
        &self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let path = self.full(key.as_str());
        let ranges: Vec<ByteRange> = byte_ranges.collect();
        let bounded = |range: &ByteRange| match *range {
            ByteRange::FromStart(start, Some(length)) => Some(start..start.checked_add(length)?),
            _ => None,
        };
        if let Some(ranges) = ranges.iter().map(bounded).collect::<Option<Vec<_>>>() {
            let wanted = ranges.clone();
            let parts =
                self.store.wait(|store| async move { store.get_ranges(&path, &ranges).await });
            let Some(parts) = if_found(parts).map_err(storage)? else { return Ok(None) };
            let is_whole = parts.len() == wanted.len()
                && parts
                    .iter()
                    .zip(&wanted)
                    .all(|(part, range)| part.len() as u64 == range.end - range.start);
            if !is_whole {
                return Err(StorageError::Other("a range reaches beyond the object".to_owned()));
            }
            return Ok(Some(Box::new(parts.into_iter().map(Ok))));
        }
        let mut parts = Vec::new();
        for range in ranges {
            let range = match range {
                ByteRange::FromStart(start, None) => GetRange::Offset(start),
                ByteRange::FromStart(start, Some(length)) => {
                    GetRange::Bounded(start..start.saturating_add(length))
                }
                ByteRange::Suffix(length) => GetRange::Suffix(length),
            };
            let (path, options) =
                (path.clone(), GetOptions { range: Some(range), ..GetOptions::default() });
            let part = self
                .store
                .wait(|store| async move { store.get_opts(&path, options).await?.bytes().await });
            let Some(part) = if_found(part).map_err(storage)? else { return Ok(None) };
            parts.push(Ok(part));
        }
        Ok(Some(Box::new(parts.into_iter())))
    }

    pub(crate) fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        let path = self.full(key.as_str());
        let head = self.store.wait(|store| async move { store.head(&path).await });
        Ok(if_found(head).map_err(storage)?.map(|found| found.size))
    }

    pub(crate) fn set(&self, key: &StoreKey, value: Bytes) -> Result<(), StorageError> {
        self.check_writable()?;
        let path = self.full(key.as_str());
        self.store
            .wait(|store| async move { store.put(&path, value.into()).await })
            .map(|_| ())
            .map_err(storage)
    }

    pub(crate) fn erase(&self, key: &StoreKey) -> Result<(), StorageError> {
        self.check_writable()?;
        let path = self.full(key.as_str());
        let deleted = self.store.wait(|store| async move { store.delete(&path).await });
        if_found(deleted).map(|_| ()).map_err(storage)
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        if self.is_read_only() { Err(StorageError::ReadOnly) } else { Ok(()) }
    }
}

/// The folder as a whole.
impl RemoteFolder {
    fn failed(&self, error: Error) -> ArrayError {
        self.unreachable(error.into())
    }

    pub(crate) fn unreachable(&self, source: Source) -> ArrayError {
        ArrayError::Remote { url: self.id().0, source }
    }

    pub(crate) fn look(&self) -> Result<Place, ArrayError> {
        let get = |name| self.get_at(self.full(name)).map_err(|error| self.failed(error));
        if let Some(json) = get(ZARR_JSON)? {
            return Ok(node_type(&json));
        }
        if get(ZARRAY)?.is_some() {
            return Ok(Place::Array);
        }
        if get(ZGROUP)?.is_some() {
            return Ok(Place::Taken(Occupant::Group));
        }
        if self.is_read_only() {
            // Few servers list what they have, and nothing will be put there anyhow.
            return Ok(Place::Free);
        }
        let entry = self.entries(&self.prefix)?.first().cloned();
        Ok(match entry {
            None => Place::Free,
            Some(entry) => Place::Taken(Occupant::Folder { entry: Some(entry.into()) }),
        })
    }

    /// The array in whose folder this one lies, if there is one. A place above that may not be looked
    /// at is none.
    pub(crate) fn array_around(&self) -> Option<PathBuf> {
        if self.is_read_only() {
            return None;
        }
        let names: Vec<_> = self.prefix.parts().collect();
        (1..names.len()).rev().find_map(|length| {
            let prefix = names[..length].iter().cloned().collect();
            let folder = Self { store: self.store.clone(), prefix };
            let get = |name| folder.get_at(folder.full(name)).ok().flatten();
            let is_array = get(ZARR_JSON).is_some_and(|json| node_type(&json) == Place::Array)
                || get(ZARRAY).is_some();
            is_array.then(|| folder.path())
        })
    }

    fn list(&self, prefix: &Path) -> Result<ListResult, ArrayError> {
        let prefix = prefix.clone();
        self.store
            .wait(|store| async move { store.list_with_delimiter(Some(&prefix)).await })
            .map_err(|error| self.failed(error))
    }

    /// The names of what is in a folder.
    fn entries(&self, prefix: &Path) -> Result<Vec<String>, ArrayError> {
        let ListResult { common_prefixes, objects, .. } = self.list(prefix)?;
        let paths = common_prefixes.into_iter().chain(objects.into_iter().map(|o| o.location));
        let mut names: Vec<String> =
            paths.filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// Puts all files there, none over another. The last one decides; who is slower with another one
    /// than the same file has changed nothing.
    pub(crate) fn create(&self, files: &Files) -> io::Result<()> {
        if self.is_read_only() {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        for (index, (name, value)) in files.iter().enumerate() {
            let (path, new) = (self.full(name), value.clone());
            let put = self.store.wait(|store| async move {
                store.put_opts(&path, new.into(), PutMode::Create.into()).await
            });
            let is_last = index + 1 == files.len();
            match put {
                Err(Error::AlreadyExists { .. })
                    if !is_last
                        && self.get_at(self.full(name)).map_err(io::Error::other)?.as_deref()
                            == Some(value) => {}
                put => put.map(drop).map_err(io::Error::other)?,
            }
        }
        Ok(())
    }

    /// Deletes an array, and nothing but an array: its metadata first, so that a half-deleted one
    /// is none.
    pub(crate) fn remove_array(&self) -> Result<(), ArrayError> {
        if self.is_read_only() {
            return Err(ArrayError::ReadOnly { path: self.path() });
        }
        let entries = self.entries(&self.prefix)?;
        if let Some(entry) = entries.iter().find(|name| !is_part_of_array(name)) {
            let found = Occupant::ArrayWith { entry: entry.into() };
            return Err(ArrayError::Occupied { path: self.path(), found });
        }
        let mut folders = vec![self.prefix.clone()];
        while let Some(folder) = folders.pop() {
            let ListResult { common_prefixes, objects, .. } = self.list(&folder)?;
            for object in objects {
                let deleted =
                    self.store.wait(|store| async move { store.delete(&object.location).await });
                if_found(deleted).map_err(|error| self.failed(error))?;
            }
            folders.extend(common_prefixes);
        }
        Ok(())
    }
}
