//! Files with keys: from their first moment on only their owner can read them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use crate::{
    Context,
    journal::{leads_to, new_beside, open_regular, resolved, sync_folder},
};

/// A key file has at most so many bytes: more tasks have longer names than this.
const MAX_BYTES: u64 = 1 << 26;

/// Puts a new file in the place of one that may be there; its owner is that of the file `like`, if there is
/// one.
pub(super) fn write(path: &Path, text: &str, like: Option<&Path>) -> io::Result<File> {
    let (new, file) = new_beside(path)?;
    let written = fill(file, text, like).and_then(|file| {
        fs::rename(&new, path)?;
        sync_folder(path)?;
        Ok(file)
    });
    if written.is_err() {
        let _is_gone = fs::remove_file(&new);
    }
    written
}

fn fill(mut file: File, text: &str, like: Option<&Path>) -> io::Result<File> {
    if let Some(wanted) = like.map(fs::metadata).transpose()?
        && wanted.uid() != file.metadata()?.uid()
    {
        // Root goes on with the run of a user, who goes on with it later.
        let _is_given = fchown(&file, Some(wanted.uid()), Some(wanted.gid()));
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(file)
}

/// The file by which workers find a run, for as long as it lives.
pub(super) struct KeyFile {
    path: PathBuf,
    file: File,
}

impl KeyFile {
    /// Writes it where a name leads: no other file than one of these loses its place.
    pub(super) fn new(path: &Path, text: &str) -> io::Result<Self> {
        let path = resolved(path)?;
        match open_regular(&path, OpenOptions::new().read(true)) {
            Ok(file) if is_key_file(&file) => {}
            Ok(_) => {
                let text = "there is another file already; name one that does not exist yet";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = write(&path, text, None)?;
        Ok(Self { path, file })
    }
}

/// Whether a file has nothing but contexts.
fn is_key_file(file: &File) -> bool {
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    read.is_ok_and(|len| len as u64 <= MAX_BYTES)
        && text.lines().all(|line| line.parse::<Context>().is_ok())
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        if leads_to(&self.path, &self.file) {
            // Without its run a key opens nothing.
            let _is_gone = fs::remove_file(&self.path);
        }
    }
}
