//! A Unix socket that nobody but its owner can connect to, from its first moment on.
//!
//! A socket file is created with the rights that the umask leaves, and the umask belongs to the whole process, so it is
//! not touched here. The file is created inside a new directory of mode 0700 instead, gets its mode 0600 there, and only
//! then its name: there is no moment at which somebody else could connect. (Some old systems ignore the mode of a socket
//! file; there the directory must be private.) The name is given by a hard link, which never replaces anything, so of two
//! servers at the same path one is told that the address is in use.

use std::{
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use mio::net::UnixListener;

/// For how long a server that binds in the same folder is waited for.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

/// The name of a bound socket: it goes when this is dropped, if it still is that socket's.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Ok(found) = fs::symlink_metadata(&self.path) else { return };
        if (found.dev(), found.ino()) == (self.device, self.inode) {
            // Nobody is left to be told that it could not be removed; the next bind replaces a dead socket.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`. A socket file that nobody listens at is replaced.
pub(super) fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    // Of two servers that find the same dead socket, the second one would remove the first one's.
    let _alone = lock_folder(parent);
    remove_dead(path)?;
    let private = create_private(parent)?;
    let result = bind_inside(&private.join("s"), path);
    // What is left in it has its real name by now, or none.
    let _ = fs::remove_file(private.join("s"));
    let _ = fs::remove_dir(&private);
    result
}

fn bind_inside(inside: &Path, path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let listener = UnixListener::bind(inside)?;
    fs::set_permissions(inside, Permissions::from_mode(0o600))?;
    match fs::hard_link(inside, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        // A file system without hard links.
        Err(_) => fs::rename(inside, path)?,
    }
    let found = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), device: found.dev(), inode: found.ino() };
    Ok((listener, file))
}

/// Keeps other servers from binding in a folder until it is dropped; None where the file system has no such
/// locks, or another program keeps it.
fn lock_folder(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    let end = Instant::now() + LOCK_WITHIN;
    loop {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) if Instant::now() < end => {
                thread::park_timeout(LOCK_WITHIN / 100);
            }
            Err(_) => return None,
        }
    }
}

/// A socket that refuses connections was left behind by a process that is gone.
fn remove_dead(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// A new directory, for its owner only. Its name is short: a socket's path has about a hundred bytes.
fn create_private(parent: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let private = parent.join(format!(".d{:x}.{number:x}", process::id()));
        match DirBuilder::new().mode(0o700).create(&private) {
            Ok(()) => return Ok(private),
            // Left behind by a process that had the same number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
