//! What a run that is started again needs to be found by its workers: `<journal>.run`.
//!
//! Lines of `name=value`: `key` (64 hexadecimal digits, or `none`), `secret` (64 more, from which
//! workers' secrets are made), `listen` and `advertise` (addresses, any number), `boot` (the kernel's
//! name for the time since it was booted; Linux only) and `state` (`running`, or `ended`: no worker of
//! the run was at a block any more). Lines with other names mean nothing. Only its owner can read it. The
//! file is locked for as long as the run lives, which is what keeps a second run off the same journal.
//!
//! Grants are written before they are sent, but not synced. So after a loss of power workers on other
//! machines may be at blocks that the journal does not show as lent. Such a loss is known by a file that
//! says `running` and has another `boot`: nothing is lent then until those workers must have ended.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use daisy_net::{channel::Security, driver::Address};

use crate::{
    Durability, Error,
    workers::{hex, unhex},
};

/// How long a lock may outlive the run that had it.
const PATIENCE: Duration = Duration::from_millis(500);

/// The locked file of a run.
pub(crate) struct RunFile {
    file: File,
    path: PathBuf,
    /// What an earlier start of the run wrote there.
    pub(super) known: Option<Known>,
    life: Life,
}

/// What became of the last start of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Life {
    /// When it was, as the kernel names it.
    boot: Option<String>,
    /// It did not come to its end.
    is_running: bool,
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
        lock_patiently(&file).map_err(|error| match error {
            TryLockError::WouldBlock => Error::JournalInUse { path: journal.to_path_buf() },
            TryLockError::Error(error) => io(error),
        })?;
        // It may have been made by somebody with another umask.
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(io)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(io)?;
        let (known, life) = parse(&text);
        Ok(Self { file, path, known, life })
    }

    /// Writes down where the run is found; what became of its last start stays there.
    pub(super) fn name(&mut self, known: Known) -> Result<(), Error> {
        self.known = Some(known);
        self.write()
    }

    /// Whether the machine may have lost its power while the last start ran: by the kernel's word, or,
    /// where that has none and a run has to survive it, for want of proof.
    pub(crate) fn may_have_lost_power(&self, durability: Durability) -> bool {
        let is_other = match (&self.life.boot, boot_id()) {
            (Some(then), Some(now)) => *then != now,
            _ => durability == Durability::Power,
        };
        self.known.is_some() && self.life.is_running && is_other
    }

    /// From now on blocks may be lent.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.live(Life { boot: boot_id(), is_running: true })
    }

    /// No block is lent any more.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        self.live(Life { is_running: false, ..self.life.clone() })
    }

    /// Nobody but threads of its own ever works for a run that is not found by anybody.
    fn live(&mut self, life: Life) -> Result<(), Error> {
        self.life = life;
        if self.known.is_some() { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Error> {
        let Some(known) = &self.known else { return Ok(()) };
        let mut text = String::new();
        let key = match &known.security {
            Security::Clear => "none".to_owned(),
            Security::Key(key) => hex(key),
        };
        text.push_str(&format!("key={key}\nsecret={}\n", hex(&known.secret)));
        known.listen.iter().for_each(|address| text.push_str(&format!("listen={address}\n")));
        known.advertise.iter().for_each(|address| text.push_str(&format!("advertise={address}\n")));
        self.life.boot.iter().for_each(|boot| text.push_str(&format!("boot={boot}\n")));
        text.push_str(if self.life.is_running { "state=running\n" } else { "state=ended\n" });
        let written = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(text.as_bytes()))
            .and_then(|()| self.file.set_len(text.len() as u64))
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::JournalFile { path: self.path.clone(), error })
    }
}

impl Drop for RunFile {
    /// Closing is not enough: a process that is being started by another thread has a copy of the file until it runs
    /// its own program.
    fn drop(&mut self) {
        let _of_no_use_any_more = self.file.unlock();
    }
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

/// What a file says. One that does not say how its run ended may be of one that did not.
fn parse(text: &str) -> (Option<Known>, Life) {
    let of = |wanted: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(name, _)| *name == wanted).map(|(_, value)| value)
    };
    let is_running = !text.is_empty() && of("state") != Some("ended");
    (parse_known(text), Life { boot: of("boot").map(str::to_owned), is_running })
}

fn parse_known(text: &str) -> Option<Known> {
    let (mut security, mut secret) = (None, None);
    let (mut listen, mut advertise) = (Vec::new(), Vec::new());
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
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

/// What the kernel calls the time since it was booted; None where it has no name for that.
fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim();
    (!id.is_empty()).then(|| id.to_owned())
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
        first.name(known.clone()).unwrap();
        assert!(matches!(RunFile::lock(&journal), Err(Error::JournalInUse { .. })));
        let mode = fs::metadata(&first.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(first);
        let again = RunFile::lock(&journal).unwrap().known.clone().unwrap();
        assert!(matches!(again.security, Security::Key(key) if key == [0xC3; 32]));
        assert_eq!((again.secret, again.listen), (known.secret, known.listen.clone()));
        assert_eq!(again.advertise, known.advertise);
    }

    #[test]
    fn a_copy_of_the_file_in_a_process_being_started_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("run.journal");
        let first = RunFile::lock(&journal).unwrap();
        let copy = first.file.try_clone().unwrap();
        drop(first);
        let second = RunFile::lock(&journal).unwrap();
        drop((second, copy));
        // Of one that was killed it does, until its program runs.
        let held =
            OpenOptions::new().write(true).open(folder.path().join("run.journal.run")).unwrap();
        held.try_lock().unwrap();
        let waiting = thread::spawn(move || RunFile::lock(&journal).is_ok());
        thread::park_timeout(PATIENCE / 10);
        drop(held);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn a_loss_of_power_is_told_from_an_end_and_from_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("run.journal");
        let path = folder.path().join("run.journal.run");
        let is_lost = |durability| RunFile::lock(&journal).unwrap().may_have_lost_power(durability);
        assert!(!is_lost(Durability::Power), "there was no run");
        let known = Known {
            security: Security::Clear,
            secret: [1; 32],
            listen: Vec::new(),
            advertise: Vec::new(),
        };
        RunFile::lock(&journal).unwrap().name(known).unwrap();
        assert!(!is_lost(Durability::Power), "nothing was lent");
        let mut file = RunFile::lock(&journal).unwrap();
        file.begin().unwrap();
        drop(file);
        assert!(!is_lost(Durability::Process), "a crash");
        assert_eq!(is_lost(Durability::Power), boot_id().is_none());
        let running = fs::read_to_string(&path).unwrap();
        let lines = |text: &str, skipped: &str| -> String {
            let kept = text.lines().filter(|line| !line.starts_with(skipped));
            kept.map(|line| format!("{line}\n")).collect()
        };
        let without = lines(&running, "boot=");
        fs::write(&path, format!("{without}boot=of another day\n")).unwrap();
        assert_eq!(is_lost(Durability::Process), boot_id().is_some());
        assert!(is_lost(Durability::Power));
        // As earlier versions left it.
        fs::write(&path, lines(&without, "state=")).unwrap();
        assert!(!is_lost(Durability::Process) && is_lost(Durability::Power));
        // What is said of where the run is found leaves that alone, until blocks are lent again.
        let mut file = RunFile::lock(&journal).unwrap();
        file.name(file.known.clone().unwrap()).unwrap();
        assert!(file.may_have_lost_power(Durability::Power));
        file.begin().unwrap();
        file.end().unwrap();
        drop(file);
        assert!(!is_lost(Durability::Power), "an end");
    }
}
