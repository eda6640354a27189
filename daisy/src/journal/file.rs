//! A file as a journal's disk, locked by what it is and not by its name.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    },
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use daisy_journal::Disk;
use nix::{errno::Errno, fcntl::OFlag};

use crate::{Error, workers::randomness};

/// How long a lock may outlive the run that had it.
const PATIENCE: Duration = Duration::from_millis(500);

/// An append-only file, which no other run of this machine can have meanwhile.
#[derive(Debug)]
pub(crate) struct FileDisk {
    /// Where it lies, behind all links.
    path: PathBuf,
    /// Shared with the thread that syncs it.
    file: Arc<File>,
    /// What is to take its place: what is written goes to both.
    draft: Option<Draft>,
}

/// A file beside a journal that is to take its place, or else goes.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    file: Arc<File>,
    is_in_place: bool,
}

impl FileDisk {
    /// Opens and locks a file; with `makes`, also one that is not there yet: its folder then knows of it
    /// for good.
    ///
    /// # Errors
    /// [`Error::JournalInUse`], [`Error::JournalFile`].
    pub(crate) fn lock(name: &Path, makes: bool) -> Result<Self, Error> {
        let io = |error| Error::JournalFile { path: name.to_path_buf(), error };
        let path = resolved(name).map_err(io)?;
        loop {
            let is_new = !path.exists();
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(makes);
            let file = open_regular(&path, &mut options).map_err(io)?;
            if is_new {
                sync_folder(&path).map_err(io)?;
            }
            lock_patiently(&file).map_err(|error| match error {
                TryLockError::WouldBlock => Error::JournalInUse { path: name.to_path_buf() },
                TryLockError::Error(error) => io(error),
            })?;
            let disk = Self { path: path.clone(), file: Arc::new(file), draft: None };
            // The run that had it may have put another one in its place.
            if disk.is_in_place() {
                if makes {
                    remove_drafts(&path).map_err(io)?;
                }
                return Ok(disk);
            }
        }
    }

    /// Opens a file to read it, whoever has it.
    pub(super) fn to_read(name: &Path) -> io::Result<Self> {
        let path = resolved(name)?;
        let file = open_regular(&path, OpenOptions::new().read(true))?;
        Ok(Self { path, file: Arc::new(file), draft: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Whether the file still is what its name leads to.
    pub(super) fn is_in_place(&self) -> bool {
        leads_to(&self.path, &self.file)
    }

    /// Whether another file may take its place: other names of it would be left with an old journal.
    pub(super) fn may_be_replaced(&self) -> bool {
        self.is_in_place() && self.file.metadata().is_ok_and(|file| file.nlink() == 1)
    }

    /// From now on what is written goes to a draft too, which has everything up to `from`.
    pub(super) fn follow(&mut self, draft: Draft, from: u64) -> io::Result<()> {
        let end = self.len()?;
        let mut tail = vec![0; usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut tail, from)?;
        (&*draft.file).write_all(&tail)?;
        self.draft = Some(draft);
        Ok(())
    }

    /// What is to take the place of the file, if there is anything.
    pub(super) fn draft(&self) -> Option<Arc<File>> {
        self.draft.as_ref().map(|draft| Arc::clone(&draft.file))
    }

    pub(super) fn drop_draft(&mut self) {
        self.draft = None;
    }

    /// The draft takes the place of the file; its folder is to be synced then.
    pub(super) fn swap(&mut self) -> io::Result<()> {
        let Some(mut draft) = self.draft.take() else { return Ok(()) };
        draft.put_in_place(&self.path)?;
        self.take(&draft);
        Ok(())
    }

    fn take(&mut self, draft: &Draft) {
        let old = std::mem::replace(&mut self.file, Arc::clone(&draft.file));
        let _of_no_use_any_more = old.unlock();
    }
}

impl Draft {
    /// A durable file with this content beside a journal, locked, with the mode and the owner of that one.
    pub(super) fn write(journal: &Path, like: &File, content: &[u8]) -> io::Result<Self> {
        let (path, file) = new_beside(journal)?;
        let draft = Self { path, file: Arc::new(file), is_in_place: false };
        let mut file = &*draft.file;
        file.try_lock().map_err(io::Error::from)?;
        let (own, wanted) = (file.metadata()?, like.metadata()?);
        if (own.uid(), own.gid()) != (wanted.uid(), wanted.gid()) {
            fchown(file, Some(wanted.uid()), Some(wanted.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(wanted.mode() & 0o7777))?;
        file.write_all(content)?;
        file.sync_all()?;
        Ok(draft)
    }

    fn put_in_place(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.is_in_place = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _is_gone = fs::remove_file(&self.path);
        }
    }
}

impl Drop for FileDisk {
    /// Closing is not enough: a process that is being started by another thread has a copy of the file until it runs
    /// its own program.
    fn drop(&mut self) {
        let _of_no_use_any_more = self.file.unlock();
    }
}

impl Disk for FileDisk {
    type Error = io::Error;

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        if let Some(draft) = &self.draft
            && (&*draft.file).write_all(bytes).is_err()
        {
            // The journal itself is whole.
            self.draft = None;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn replace(&mut self, content: &[u8]) -> io::Result<()> {
        if !self.may_be_replaced() {
            if self.len()? > 0 {
                return Err(io::Error::other(
                    "the file has several names, or another file has its name by now; leave it one",
                ));
            }
            self.append(content)?;
            return self.sync();
        }
        let mut draft = Draft::write(&self.path, &self.file, content)?;
        draft.put_in_place(&self.path)?;
        self.take(&draft);
        sync_folder(&self.path)
    }
}

/// Where a name leads, behind all links; there may be no file yet.
pub(crate) fn resolved(name: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = folder_of(name);
            if let Ok(target) = fs::read_link(name) {
                return resolved(&folder.join(target));
            }
            let name = name.file_name().ok_or(error)?;
            Ok(fs::canonicalize(folder)?.join(name))
        }
        result => result,
    }
}

/// Whether a name leads to a file, and not by a link.
pub(crate) fn leads_to(path: &Path, file: &File) -> bool {
    let names = (file.metadata(), fs::symlink_metadata(path));
    matches!(names, (Ok(own), Ok(found)) if (own.dev(), own.ino()) == (found.dev(), found.ino()))
}

/// A new file that is to take the place of another one, which may be there; only its owner can read it. Its name is
/// one that no file of anybody else has.
pub(crate) fn new_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let number = randomness()?.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut name = draft_prefix(path)?;
    name.push(number + DRAFT);
    let new = folder_of(path).join(name);
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create_new(true).mode(0o600).open(&new)?;
    Ok((new, file))
}

/// How the names of such files end.
const DRAFT: &str = ".new";
/// File systems know names of 255 bytes.
const LONGEST_PREFIX: usize = 200;

/// How the names of such files begin: those of long names are no longer.
fn draft_prefix(path: &Path) -> io::Result<OsString> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.as_bytes();
    let mut prefix = OsString::from(".");
    prefix.push(OsStr::from_bytes(name.get(..LONGEST_PREFIX).unwrap_or(name)));
    prefix.push(".");
    Ok(prefix)
}

/// Removes such files that processes which were killed have left; nobody else may be about to make one.
fn remove_drafts(path: &Path) -> io::Result<()> {
    let prefix = draft_prefix(path)?;
    for entry in fs::read_dir(folder_of(path))?.flatten() {
        let name = entry.file_name();
        let number = name.as_bytes().strip_prefix(prefix.as_bytes());
        let number = number.and_then(|number| number.strip_suffix(DRAFT.as_bytes()));
        if number
            .is_some_and(|number| number.len() == 16 && number.iter().all(u8::is_ascii_hexdigit))
        {
            // What cannot be removed is in nobody's way.
            let _is_gone = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Opens a regular file; nothing else, and no link.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Some devices do something when they are opened.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(no_regular_file());
    }
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = options.custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_regular_file()) }
}

pub(crate) fn no_regular_file() -> io::Error {
    let text = "this is no regular file; name another one, or one that does not exist yet";
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Makes the names in the folder of a file durable, where the file system has that.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let synced = File::open(folder_of(path))?.sync_all();
    let lacks_it = |error: &io::Error| {
        let code = error.raw_os_error().map(Errno::from_raw);
        matches!(code, Some(Errno::EINVAL | Errno::ENOTSUP | Errno::ENOSYS))
    };
    synced.or_else(|error| if lacks_it(&error) { Ok(()) } else { Err(error) })
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Locks a file. One that was killed while it started a process leaves it locked for a moment more.
fn lock_patiently(file: &File) -> Result<(), TryLockError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            // Nobody tells when a lock is free, but to those who wait without end.
            Err(TryLockError::WouldBlock) if Instant::now() < end => {
                thread::park_timeout(PATIENCE / 50);
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_file_in_a_process_being_started_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let first = FileDisk::lock(&path, true).unwrap();
        assert!(matches!(FileDisk::lock(&path, true), Err(Error::JournalInUse { .. })));
        let copy = first.file.try_clone().unwrap();
        drop(first);
        let second = FileDisk::lock(&path, true).unwrap();
        drop((second, copy));
        // Of one that was killed it does, until its program runs.
        let held = OpenOptions::new().write(true).open(&path).unwrap();
        held.try_lock().unwrap();
        let waiting = thread::spawn(move || FileDisk::lock(&path, true).is_ok());
        thread::park_timeout(PATIENCE / 10);
        drop(held);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn a_draft_has_everything_and_takes_the_place_of_the_file_with_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut disk = FileDisk::lock(&path, true).unwrap();
        disk.append(b"long, 1").unwrap();
        let draft = Draft::write(&path, &disk.file, b"short").unwrap();
        disk.append(b", 2").unwrap();
        disk.follow(draft, 7).unwrap();
        disk.append(b", 3").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"long, 1, 2, 3");
        disk.swap().unwrap();
        disk.append(b", 4").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short, 2, 3, 4");
        assert!(matches!(FileDisk::lock(&path, true), Err(Error::JournalInUse { .. })));
        let draft = Draft::write(&path, &disk.file, b"of no use").unwrap();
        disk.follow(draft, 5).unwrap();
        drop(disk);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (left, _) = new_beside(&path).unwrap();
        let others =
            ["journal.new", ".journal.new", ".journal.0123456789abcdex.new", "journal.run"];
        others.iter().for_each(|name| fs::write(folder.path().join(name), "mine").unwrap());
        drop(FileDisk::lock(&path, true).unwrap());
        assert!(!left.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), others.len() + 1);
    }
}
