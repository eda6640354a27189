//! What a run that is started again needs to be found by its workers: `<journal>.run`.
//!
//! Lines of `name=value`: `key` (64 hexadecimal digits, or `none`), `secret` (64 more, from which
//! workers' secrets are made), `listen` and `advertise` (addresses, any number), `boot` (the kernel's
//! name for the time since it was booted; Linux only) and `state` (`running`, or `ended`: no worker of
//! the run was at a block any more). Lines with other names mean nothing. Only its owner can read it; each
//! time it is written as a whole, beside itself. What keeps a second run off is the lock on the journal.
//!
//! Grants are written before they are sent, but not synced. So after a loss of power workers on other
//! machines may be at blocks that the journal does not show as lent. Such a loss is known by a file that
//! says `running` and has another `boot`, or that does not say how its run ended: nothing is lent then
//! until those workers must have ended.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use daisy_net::{channel::Security, driver::Address};

use super::key_file;
use crate::{
    Durability, Error,
    journal::open_regular,
    workers::{hex, unhex},
};

/// How it begins.
const FIRST: &str = "key=";

/// See the module's text.
pub(crate) struct RunFile {
    path: PathBuf,
    journal: PathBuf,
    /// What an earlier start of the run wrote there.
    pub(super) known: Option<Known>,
    /// So much time has passed in this start that no worker of an earlier one can live.
    pub(super) has_waited: bool,
    life: Life,
    /// Blocks may have been lent.
    has_begun: bool,
}

/// What became of the last start of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Life {
    /// When it was, as the kernel names it.
    boot: Option<String>,
    /// It did not come to its end.
    is_running: bool,
    /// Nobody can tell: something is missing.
    is_torn: bool,
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
    /// Reads what is beside a journal, whose name leads there without links.
    ///
    /// # Errors
    /// [`Error::JournalFile`].
    pub(crate) fn read(journal: &Path) -> Result<Self, Error> {
        let mut name = journal.as_os_str().to_owned();
        name.push(".run");
        let path = PathBuf::from(name);
        let text = match read(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::JournalFile { path, error }),
        };
        if text.as_deref().is_some_and(|text| !is_run_file(text)) {
            return Err(Error::JournalFile { path, error: no_run_file() });
        }
        let (known, life) = text.as_deref().map(parse).unwrap_or_default();
        let journal = journal.to_path_buf();
        Ok(Self { path, journal, known, has_waited: false, life, has_begun: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the last start of the run did not come to its end, as far as is known.
    pub(super) const fn is_cut_off(&self) -> bool {
        self.life.is_running
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
            _ if self.life.is_torn => true,
            (Some(then), Some(now)) => *then != now,
            _ => durability == Durability::Power,
        };
        self.life.is_running && is_other
    }

    /// From now on blocks may be lent.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.has_begun = true;
        self.live(Life { boot: boot_id(), is_running: true, is_torn: false })
    }

    /// No block is lent any more.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        // What became of earlier starts is still so for one that lent nothing.
        if !self.has_begun {
            return Ok(());
        }
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
        text.push_str(&format!("{FIRST}{key}\nsecret={}\n", hex(&known.secret)));
        known.listen.iter().for_each(|address| text.push_str(&format!("listen={address}\n")));
        known.advertise.iter().for_each(|address| text.push_str(&format!("advertise={address}\n")));
        self.life.boot.iter().for_each(|boot| text.push_str(&format!("boot={boot}\n")));
        text.push_str(match (self.life.is_torn, self.life.is_running) {
            (true, _) => "state=unknown\n",
            (false, true) => "state=running\n",
            (false, false) => "state=ended\n",
        });
        let written = key_file::write(&self.path, &text, Some(&self.journal));
        let written =
            written.map_err(|error| Error::JournalFile { path: self.path.clone(), error });
        written.map(|_| ())
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    open_regular(path, fs::OpenOptions::new().read(true))?.read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| no_run_file())
}

/// Whether a text is one of these, or what a loss of power left of one.
fn is_run_file(text: &str) -> bool {
    text.starts_with(FIRST) || FIRST.starts_with(text) || text.bytes().all(|byte| byte == 0)
}

fn no_run_file() -> io::Error {
    let text = "this is another file, where the run would write how its workers find it; name the journal otherwise, or \
                move this file";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// What a file says. One that does not say how its run ended may be of one that did not.
fn parse(text: &str) -> (Option<Known>, Life) {
    let of = |wanted: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(name, _)| *name == wanted).map(|(_, value)| value)
    };
    let known = parse_known(text);
    let is_torn = known.is_none() || !matches!(of("state"), Some("running" | "ended"));
    let is_running = is_torn || of("state") != Some("ended");
    (known, Life { boot: of("boot").map(str::to_owned), is_running, is_torn })
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn known() -> Known {
        Known {
            security: Security::Key([0xC3; 32]),
            secret: [1; 32],
            listen: vec!["127.0.0.1:4711".parse().unwrap(), "unix:/tmp/a=b".parse().unwrap()],
            advertise: vec!["host:4711".parse().unwrap()],
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("run.journal");
        fs::write(&journal, "").unwrap();
        let mut first = RunFile::read(&journal).unwrap();
        assert!(first.known.is_none());
        let known = known();
        first.name(known.clone()).unwrap();
        let mode = fs::metadata(&first.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = RunFile::read(&journal).unwrap().known.unwrap();
        assert!(matches!(again.security, Security::Key(key) if key == [0xC3; 32]));
        assert_eq!((again.secret, again.listen), (known.secret, known.listen.clone()));
        assert_eq!(again.advertise, known.advertise);
    }

    #[test]
    fn a_file_that_is_torn_may_be_of_a_run_that_lost_its_power() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("run.journal");
        fs::write(&journal, "").unwrap();
        let mut file = RunFile::read(&journal).unwrap();
        file.name(known()).unwrap();
        file.begin().unwrap();
        let path = folder.path().join("run.journal.run");
        let whole = fs::read(&path).unwrap();
        let is_lost = |durability| RunFile::read(&journal).unwrap().may_have_lost_power(durability);
        for len in 0..whole.len() - 1 {
            fs::write(&path, &whole[..len]).unwrap();
            assert!(is_lost(Durability::Process) && is_lost(Durability::Power), "{len} bytes");
        }
        // It is so until blocks are lent, whatever is written before.
        let mut file = RunFile::read(&journal).unwrap();
        file.name(known()).unwrap();
        file.end().unwrap();
        assert!(is_lost(Durability::Process));
        file.begin().unwrap();
        assert!(!is_lost(Durability::Process));
    }

    #[test]
    fn a_loss_of_power_is_told_from_an_end_and_from_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("run.journal");
        fs::write(&journal, "").unwrap();
        let path = folder.path().join("run.journal.run");
        let is_lost = |durability| RunFile::read(&journal).unwrap().may_have_lost_power(durability);
        assert!(!is_lost(Durability::Power), "there was no run");
        let known = Known {
            security: Security::Clear,
            secret: [1; 32],
            listen: Vec::new(),
            advertise: Vec::new(),
        };
        RunFile::read(&journal).unwrap().name(known).unwrap();
        assert!(!is_lost(Durability::Power), "nothing was lent");
        let mut file = RunFile::read(&journal).unwrap();
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
        // Where the kernel has no name for it.
        fs::write(&path, &without).unwrap();
        assert!(!is_lost(Durability::Process) && is_lost(Durability::Power));
        // What is said of where the run is found leaves that alone, until blocks are lent again.
        let mut file = RunFile::read(&journal).unwrap();
        file.name(file.known.clone().unwrap()).unwrap();
        assert!(file.may_have_lost_power(Durability::Power));
        file.begin().unwrap();
        file.end().unwrap();
        drop(file);
        assert!(!is_lost(Durability::Power), "an end");
    }
}
