//! A folder as a Zarr store in which every value is replaced as a whole or not at all.
//!
//! ```text
//!   set(key) --> .daisy-tmp-PID-N --(write)--> [sync file] --> rename over key --> [sync folder]
//!                      |                                          |
//!                killed here: a leftover that no key names        killed here: done
//! ```
//!
//! The store keeps nothing in memory, neither locks nor open files, so it costs the same however
//! many chunks a run touches, and any number of processes may use one folder.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use zarrs::storage::byte_range::{ByteRange, ByteRangeIterator, InvalidByteRangeError};
use zarrs::storage::{Bytes, MaybeBytesIterator, StorageError, StoreKey};

use super::{ArrayId, Files, Place, ZARR_JSON, ZARRAY, ZATTRS, ZGROUP, lock_of};
use crate::{ArrayError, Occupant};

/// How all temporary files begin. No Zarr key has such a name.
const TEMPORARY_PREFIX: &str = ".daisy-tmp-";

/// How often a write makes its folder, should someone delete it again and again; and the other way round.
const MAX_FOLDERS_MADE: usize = 8;

/// Ranges of one file that lie within so many bytes are read at once: a part of a chunk that is
/// not compressed is thousands of them.
const SPAN: u64 = 4 << 20;

/// The folder of an array with the files that writers lock. No Zarr key has such a name.
const LOCK_FOLDER: &str = ".daisy-locks";

/// The file in there that is locked while the array is replaced as a whole.
const ARRAY_LOCK: &str = "array";

/// Lock files per array, which its chunks share: few files, and two writers seldom wait for nothing.
const LOCKS: u64 = 256;

/// What a write outlives once it has returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The death of any process, at once. A power failure or a crash of the operating system may
    /// take back writes of the last seconds, and on some file systems leave empty files behind.
    #[default]
    Process,
    /// A power failure as well: file and folder are synced before a write returns. Much slower.
    Power,
}

/// A folder whose files are the values of a Zarr store.
#[derive(Clone, Debug)]
pub(crate) struct LocalStore {
    folder: PathBuf,
    durability: Durability,
}

impl LocalStore {
    pub(crate) fn new(folder: &Path, durability: Durability) -> Self {
        Self { folder: folder.to_path_buf(), durability }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// The path without links and dots, if the folder exists; else as far as it can be told.
    pub(crate) fn id(&self) -> ArrayId {
        let path = fs::canonicalize(&self.folder)
            .or_else(|_| std::path::absolute(&self.folder))
            .unwrap_or_else(|_| self.folder.clone());
        ArrayId(path.to_string_lossy().into_owned())
    }

    /// Makes the folder, which must not exist or be empty, with these files in it: all of them or
    /// nothing, even if other processes try the same.
    pub(crate) fn create(&self, files: &Files) -> io::Result<()> {
        let parent = parent_of(&self.folder);
        let (_, temporary) = self.create_temporary(parent, |path| fs::create_dir(path))?;
        let inside = Self::new(&temporary, self.durability);
        let result = files
            .iter()
            .try_for_each(|(name, value)| inside.publish(&temporary.join(name), value))
            .and_then(|()| fs::rename(&temporary, &self.folder));
        if result.is_err() {
            // The error that counts is the first one; a leftover does no harm.
            let _ = fs::remove_dir_all(&temporary);
        }
        result.and_then(|()| self.sync_folder(parent))
    }

    /// Locks the file of a chunk, of which each process and thread has its own handle. The operating
    /// system unlocks it when the handle is closed, however its owner dies.
    pub(crate) fn lock(&self, key: &StoreKey) -> io::Result<File> {
        let (file, _) = self.open_lock(&format!("{:02x}", lock_of(key, LOCKS)))?;
        file.lock()?;
        Ok(file)
    }

    /// Locks the array against others who would replace it. None if it is gone, or another one has
    /// taken its place while this waited: the lock lies in the folder, and goes with it.
    pub(crate) fn lock_array(&self) -> io::Result<Option<File>> {
        let Some((file, path)) = if_found(self.open_lock(ARRAY_LOCK))? else { return Ok(None) };
        match file.lock() {
            // A file system without locks: nobody can be kept away.
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(Some(file)),
            locked => locked?,
        }
        let is_there = if_found(fs::metadata(path))?
            .is_some_and(|there| file.metadata().is_ok_and(|locked| is_same_file(&locked, &there)));
        Ok(is_there.then_some(file))
    }

    /// Opens a file to be locked. Its folder is made, but not that of the array.
    fn open_lock(&self, name: &str) -> io::Result<(File, PathBuf)> {
        let folder = self.folder.join(LOCK_FOLDER);
        let path = folder.join(name);
        let open = || regular(OpenOptions::new().write(true).create(true).truncate(false), &path);
        let file = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match fs::create_dir(&folder) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    made => made?,
                }
                open()?
            }
            opened => opened?,
        };
        Ok((file, path))
    }

    /// The array in whose folder this one lies, if there is one.
    pub(crate) fn array_around(&self) -> Option<PathBuf> {
        let above = self.folder.ancestors().skip(1).map(|path| match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        });
        // Links and dots are resolved as far as there are folders.
        let parent = above.filter_map(|path| fs::canonicalize(path).ok()).next()?;
        let is_array = |path: &&Path| matches!(metadata(path), Ok(Some(Place::Array)));
        parent.ancestors().find(is_array).map(Path::to_path_buf)
    }

    fn path_of(&self, key: &StoreKey) -> PathBuf {
        self.folder.join(key.as_str())
    }

    /// Writes to a temporary file beside `target`, then gives it its name.
    fn publish(&self, target: &Path, value: &[u8]) -> io::Result<()> {
        let parent = parent_of(target);
        let create = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
        let (mut file, temporary) = self.create_temporary(parent, create)?;
        let result = file
            .write_all(value)
            .and_then(|()| self.sync(&file))
            .and_then(|()| fs::rename(&temporary, target));
        if result.is_err() {
            // The error that counts is the first one; a leftover does no harm.
            let _ = fs::remove_file(&temporary);
        }
        result.and_then(|()| self.sync_folder(parent))
    }

    /// Makes something with a name of its own in a folder; makes the folder if there is none.
    fn create_temporary<T>(
        &self,
        folder: &Path,
        create: impl Fn(&Path) -> io::Result<T>,
    ) -> io::Result<(T, PathBuf)> {
        let mut folders_left = MAX_FOLDERS_MADE;
        loop {
            let path = folder.join(temporary_name());
            match create(&path) {
                Ok(made) => return Ok((made, path)),
                // A leftover, or a process of the same number on another machine.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // No such folder, or not yet: another writer may make it at the same time.
                Err(error) if error.kind() == ErrorKind::NotFound && folders_left > 0 => {
                    folders_left -= 1;
                    self.create_folder(folder)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a folder and those above it, and syncs them as far as the durability asks for.
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|path| !path.exists()).collect();
        fs::create_dir_all(folder)?;
        missing.into_iter().try_for_each(|made| self.sync_folder(parent_of(made)))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Power => file.sync_all(),
        }
    }

    /// Makes the names in a folder durable. (Windows has no such call and needs none.)
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        match self.durability {
            Durability::Power if cfg!(unix) => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }
}

/// A name that no other call of this process gives.
pub(crate) fn temporary_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{TEMPORARY_PREFIX}{}-{number}", std::process::id())
}

/// The folder that a path lies in; that of a relative path of one part is the current one.
fn parent_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Opens a file to be read. What is none (a pipe, a device, a folder) may never end or never begin, and is refused.
fn open_file(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path)
}

/// Opens a regular file, without waiting for what is none.
fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK);
    let file = match options.open(path) {
        // A regular file: of these alone another program may have a lease, which it gives back.
        #[cfg(unix)]
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            std::os::unix::fs::OpenOptionsExt::custom_flags(options, 0).open(path)?
        }
        opened => opened?,
    };
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(ErrorKind::InvalidData, format!("{} is no regular file", path.display())))
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_file(path)?;
    let length = file.metadata()?.len();
    let length = usize::try_from(length).map_err(|_| ErrorKind::OutOfMemory)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| ErrorKind::OutOfMemory)?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Treats what does not exist as `None`.
fn if_found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The values of the store.
impl LocalStore {
    pub(crate) fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, StorageError> {
        Ok(if_found(read_file(&self.path_of(key)))?.map(Bytes::from))
    }

    pub(crate) fn get_partial_many<'a>(
        &self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let Some(mut file) = if_found(open_file(&self.path_of(key)))? else { return Ok(None) };
        let size = file.metadata()?.len();
        let extents: Vec<_> = byte_ranges.map(|range| extent(range, size)).collect();
        let whole = Extent::around(extents.iter().flatten());
        let parts: Vec<Result<Bytes, StorageError>> = if extents.len() > 1 && whole.length <= SPAN {
            let bytes = whole.read(&mut file)?;
            let part = |extent: Extent| {
                let start = extent.start - whole.start;
                Extent { start, ..extent }.slice(&bytes)
            };
            extents.into_iter().map(|extent| Ok(part(extent?))).collect()
        } else {
            extents.into_iter().map(|extent| Ok(extent?.read(&mut file)?)).collect()
        };
        Ok(Some(Box::new(parts.into_iter())))
    }

    pub(crate) fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        Ok(if_found(fs::metadata(self.path_of(key)))?.map(|metadata| metadata.len()))
    }

    pub(crate) fn set(&self, key: &StoreKey, value: &[u8]) -> Result<(), StorageError> {
        Ok(self.publish(&self.path_of(key), value)?)
    }

    pub(crate) fn erase(&self, key: &StoreKey) -> Result<(), StorageError> {
        let path = self.path_of(key);
        if if_found(fs::remove_file(&path))?.is_some() {
            self.sync_folder(parent_of(&path))?;
        }
        Ok(())
    }
}

/// A part of a file that exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    start: u64,
    length: u64,
}

/// The part of a file of `size` bytes that a range means. Ranges come from what is in files (the
/// index of a shard), so they are checked before memory is allocated.
pub(crate) fn extent(range: ByteRange, size: u64) -> Result<Extent, StorageError> {
    let invalid = || InvalidByteRangeError::new(range, size);
    let (start, length) = match range {
        ByteRange::FromStart(start, None) => (start, size.checked_sub(start).ok_or_else(invalid)?),
        ByteRange::FromStart(start, Some(length)) => (start, length),
        ByteRange::Suffix(length) => (size.checked_sub(length).ok_or_else(invalid)?, length),
    };
    match start.checked_add(length) {
        Some(end) if end <= size => Ok(Extent { start, length }),
        _ => Err(invalid().into()),
    }
}

impl Extent {
    /// The smallest extent that has all of these in it.
    fn around<'a>(extents: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let start = extents.clone().map(|extent| extent.start).min().unwrap_or(0);
        let end = extents.map(|extent| extent.start + extent.length).max().unwrap_or(start);
        Self { start, length: end - start }
    }

    /// The part of a value that holds it.
    pub(crate) fn slice(self, value: &Bytes) -> Bytes {
        // Extents lie in the value, whose length fits.
        let begin = self.start as usize;
        value.slice(begin..begin + self.length as usize)
    }

    fn read(self, file: &mut File) -> io::Result<Bytes> {
        let length = usize::try_from(self.length).map_err(|_| ErrorKind::OutOfMemory)?;
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(self.start))?;
        file.read_exact(&mut bytes)?;
        Ok(Bytes::from(bytes))
    }
}

/// The folder as a whole.
impl LocalStore {
    /// Looks at the folder without changing anything.
    pub(crate) fn look(&self) -> Result<Place, ArrayError> {
        let path = &self.folder;
        let io = |source| ArrayError::Io { path: path.clone(), source };
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() => return Ok(Place::Taken(Occupant::File)),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Place::Free),
            Err(error) => return Err(io(error)),
        }
        if let Some(place) = metadata(path).map_err(io)? {
            return Ok(place);
        }
        Ok(match if_found(first_entry(path, |_| false)).map_err(io)?.flatten() {
            // Another process may have removed it just now.
            None => Place::Free,
            // Metadata are there before any chunk: another process may have put both just now.
            Some(entry) => metadata(path)
                .map_err(io)?
                .unwrap_or(Place::Taken(Occupant::Folder { entry: Some(entry) })),
        })
    }

    /// Deletes an array, and nothing but an array. It disappears at once, then its files are
    /// deleted.
    pub(crate) fn remove_array(&self) -> Result<(), ArrayError> {
        let path = &self.folder;
        let io = |source| ArrayError::Io { path: path.clone(), source };
        let entry = if_found(first_entry(path, is_part_of_array)).map_err(io)?.flatten();
        if let Some(entry) = entry {
            let found = Occupant::ArrayWith { entry };
            return Err(ArrayError::Occupied { path: path.clone(), found });
        }
        let removed = fs::canonicalize(path).and_then(|there| {
            let aside = there.with_file_name(temporary_name());
            fs::rename(path, &aside).and_then(|()| remove_folder(&aside))
        });
        // Another process may have been faster.
        if_found(removed).map(drop).map_err(io)
    }
}

/// Deletes a folder in which others, who looked for it under its old name, may still make a file.
fn remove_folder(folder: &Path) -> io::Result<()> {
    let mut tries_left = MAX_FOLDERS_MADE;
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty && tries_left > 0 => {
                tries_left -= 1;
            }
            removed => return removed,
        }
    }
}

/// Whether two files are one.
#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether two files are one: elsewhere, a folder with an open file cannot be moved away.
#[cfg(not(unix))]
const fn is_same_file(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

/// What the Zarr metadata in a folder say that it is, if there are any.
fn metadata(folder: &Path) -> io::Result<Option<Place>> {
    if let Some(json) = if_found(read_file(&folder.join(ZARR_JSON)))? {
        return Ok(Some(node_type(&json)));
    }
    Ok(if folder.join(ZARRAY).try_exists()? {
        Some(Place::Array)
    } else if folder.join(ZGROUP).try_exists()? {
        Some(Place::Taken(Occupant::Group))
    } else {
        None
    })
}

/// What the metadata of Zarr v3 say that they are of.
pub(crate) fn node_type(json: &[u8]) -> Place {
    let json: Value = serde_json::from_slice(json).unwrap_or_default();
    match json.get("node_type").and_then(Value::as_str) {
        Some("array") => Place::Array,
        Some("group") => Place::Taken(Occupant::Group),
        _ => Place::Taken(Occupant::Folder { entry: Some(ZARR_JSON.into()) }),
    }
}

/// The first entry of a folder, by name, that is not `known`.
fn first_entry(folder: &Path, known: fn(&str) -> bool) -> io::Result<Option<PathBuf>> {
    let mut first: Option<PathBuf> = None;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let is_first = first.as_ref().is_none_or(|first| name < *first.as_os_str());
        if is_first && !name.to_str().is_some_and(known) {
            first = Some(name.into());
        }
    }
    Ok(first)
}

/// Whether a name in the folder of an array can be part of that array: metadata, chunks, locks or
/// leftovers.
pub(crate) fn is_part_of_array(name: &str) -> bool {
    let is_chunk_key = |name: &str| name.chars().all(|c| c.is_ascii_digit() || c == '.');
    [ZARR_JSON, ZARRAY, ZATTRS, LOCK_FOLDER, "c"].contains(&name)
        || name.starts_with(TEMPORARY_PREFIX)
        || is_chunk_key(name.strip_prefix("c.").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> StoreKey {
        StoreKey::new(name).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn values_are_replaced_and_no_temporary_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        for durability in [Durability::Process, Durability::Power] {
            let store = LocalStore::new(&folder.path().join("a/b"), durability);
            store.set(&key("c/0/1"), b"old and long").unwrap();
            store.set(&key("c/0/1"), b"new").unwrap();
            assert_eq!(store.get(&key("c/0/1")).unwrap(), Some(Bytes::from_static(b"new")));
            assert_eq!(names(&folder.path().join("a/b/c/0")), ["1"]);
            assert_eq!(store.get(&key("c/9/9")).unwrap(), None);
            assert_eq!(store.size_key(&key("c/0/1")).unwrap(), Some(3));
            store.erase(&key("c/0/1")).unwrap();
            store.erase(&key("c/0/1")).unwrap();
            assert_eq!(store.get(&key("c/0/1")).unwrap(), None);
        }
    }

    #[test]
    fn writers_may_meet_in_a_new_folder() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path(), Durability::Process);
        for round in 0..200 {
            let barrier = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for writer in 0..4 {
                    let (store, barrier) = (&store, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        store.set(&key(&format!("{round}/c/{writer}")), b"").unwrap();
                    });
                }
            });
        }
    }

    #[test]
    fn only_one_of_many_creators_succeeds() {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("a/b");
        let store = LocalStore::new(&folder, Durability::Process);
        let create = |n: u8| store.create(&vec![("x", vec![n]), ("y", vec![n])]).is_ok();
        let created: Vec<bool> = std::thread::scope(|scope| {
            let creators: Vec<_> = (0..8).map(|n| scope.spawn(move || create(n))).collect();
            creators.into_iter().map(|creator| creator.join().unwrap()).collect()
        });
        assert_eq!(created.iter().filter(|created| **created).count(), 1);
        let winner = created.iter().position(|created| *created).unwrap() as u8;
        assert_eq!(store.get(&key("x")).unwrap(), Some(Bytes::from(vec![winner])));
        assert_eq!(store.get(&key("y")).unwrap(), Some(Bytes::from(vec![winner])));
        assert_eq!(
            (names(&folder), names(folder.parent().unwrap())),
            (vec!["x".to_owned(), "y".to_owned()], vec!["b".to_owned()])
        );
    }

    #[test]
    fn ranges_are_checked_against_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path(), Durability::Process);
        store.set(&key("x"), b"0123456789").unwrap();
        let part = |range| {
            let parts = store.get_partial_many(&key("x"), Box::new(std::iter::once(range)));
            parts.unwrap().unwrap().next().unwrap().map(|bytes| bytes.to_vec())
        };
        assert_eq!(part(ByteRange::FromStart(7, None)).unwrap(), b"789");
        assert_eq!(part(ByteRange::FromStart(2, Some(3))).unwrap(), b"234");
        assert_eq!(part(ByteRange::Suffix(2)).unwrap(), b"89");
        assert!(part(ByteRange::FromStart(2, Some(9))).is_err());
        assert!(part(ByteRange::FromStart(u64::MAX, Some(2))).is_err());
        assert!(part(ByteRange::FromStart(11, None)).is_err());
        assert!(part(ByteRange::Suffix(11)).is_err());
        let many = [ByteRange::FromStart(8, Some(2)), ByteRange::FromStart(1, Some(3))];
        let parts = store.get_partial_many(&key("x"), Box::new(many.into_iter())).unwrap();
        let parts: Vec<Bytes> = parts.unwrap().map(Result::unwrap).collect();
        assert_eq!(parts, ["89", "123"]);
        let one_bad = [ByteRange::FromStart(8, Some(2)), ByteRange::FromStart(9, Some(2))];
        let parts = store.get_partial_many(&key("x"), Box::new(one_bad.into_iter())).unwrap();
        let good: Vec<bool> = parts.unwrap().map(|part| part.is_ok()).collect();
        assert_eq!(good, [true, false]);
        assert!(store.get_partial_many(&key("y"), Box::new([].into_iter())).unwrap().is_none());
    }
}
