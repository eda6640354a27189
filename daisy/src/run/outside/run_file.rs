//! What a run that is started again needs to be found by its workers: `<journal>.run`.
//!
//! Lines of `name=value`: `key` (64 hexadecimal digits, or `none`), `secret` (64 more, from which
//! workers' secrets are made), `listen` and `advertise` (addresses,
//! any number). Only its owner can read it. The file is locked for as long as the run lives, which is
//! what keeps a second run off the same journal.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use daisy_net::{channel::Security, driver::Address};

use crate::{
    Error,
    workers::{hex, unhex},
};

/// The locked file of a run.
pub(crate) struct RunFile {
    file: File,
    path: PathBuf,
    /// What an earlier start of the run wrote there.
    pub(super) known: Option<Known>,
}

/// Where a run is found, and by which key.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) security: Security,
    /// From which workers' secrets are made; the key, where there is one.
    pub(super) secret: [u8; 32],
    pub(super) listen: Vec<Address>,
    pub(super) advertise: Vec<Address>,
}

impl RunFile {
    /// Locks the file beside a journal, and reads what is there.
    ///
    /// # Errors
    /// [`Error::JournalInUse`]: another run is at it.
    pub(crate) fn lock(journal: &Path) -> Result<Self, Error> {
        let mut name = OsString::from(journal.as_os_str());
        name.push(".run");
        let path = PathBuf::from(name);
        let io = |error: io::Error| Error::JournalFile { path: path.clone(), error };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(io)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::JournalInUse { path: journal.to_path_buf() },
            TryLockError::Error(error) => io(error),
        })?;
        // It may have been made by somebody with another umask.
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(io)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(io)?;
        let known = parse(&text);
        Ok(Self { file, path, known })
    }

    /// Writes down where the run is found.
    pub(super) fn write(&mut self, known: &Known) -> Result<(), Error> {
        let mut text = String::new();
        let key = match &known.security {
            Security::Clear => "none".to_owned(),
            Security::Key(key) => hex(key),
        };
        text.push_str(&format!("key={key}\nsecret={}\n", hex(&known.secret)));
        known.listen.iter().for_each(|address| text.push_str(&format!("listen={address}\n")));
        known.advertise.iter().for_each(|address| text.push_str(&format!("advertise={address}\n")));
        let written = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(text.as_bytes()))
            .and_then(|()| self.file.set_len(text.len() as u64))
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::JournalFile { path: self.path.clone(), error })
    }
}

fn parse(text: &str) -> Option<Known> {
    let (mut security, mut secret) = (None, None);
    let (mut listen, mut advertise) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let (name, value) = line.split_once('=')?;
        match name {
            "key" if value == "none" => security = Some(Security::Clear),
            "key" => security = Some(Security::Key(unhex(value)?)),
            "secret" => secret = Some(unhex(value)?),
            "listen" => listen.push(value.parse().ok()?),
            "advertise" => advertise.push(value.parse().ok()?),
            _ => {}
        }
    }
    Some(Known { security: security?, secret: secret?, listen, advertise })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_and_nobody_else_gets_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("run.journal");
        let mut first = RunFile::lock(&journal).unwrap();
        assert!(first.known.is_none());
        let known = Known {
            security: Security::Key([0xC3; 32]),
            secret: [1; 32],
            listen: vec!["127.0.0.1:4711".parse().unwrap(), "unix:/tmp/a=b".parse().unwrap()],
            advertise: vec!["host:4711".parse().unwrap()],
        };
        first.write(&known).unwrap();
        assert!(matches!(RunFile::lock(&journal), Err(Error::JournalInUse { .. })));
        let mode = std::fs::metadata(&first.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(first);
        let again = RunFile::lock(&journal).unwrap().known.unwrap();
        assert!(matches!(again.security, Security::Key(key) if key == [0xC3; 32]));
        assert_eq!((again.secret, again.listen), (known.secret, known.listen.clone()));
        assert_eq!(again.advertise, known.advertise);
    }
}
