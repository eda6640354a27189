//! Files with keys: from their first moment on only their owner can read them.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use crate::journal::{leads_to, new_beside, no_regular_file, resolved, sync_folder};

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
    /// Writes it where a name leads.
    pub(super) fn new(path: &Path, text: &str) -> io::Result<Self> {
        let path = resolved(path)?;
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(no_regular_file());
        }
        let file = write(&path, text, None)?;
        Ok(Self { path, file })
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        if leads_to(&self.path, &self.file) {
            // Without its run a key opens nothing.
            let _is_gone = fs::remove_file(&self.path);
        }
    }
}
