//! The journal of a run, in a file.

mod file;
mod shorten;
mod syncer;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use daisy_block::BlockKey;
use daisy_geometry::Roi;
use daisy_graph::TaskGraph;
#[cfg(feature = "graphs")]
use daisy_journal::TaskBlocks;
pub use daisy_journal::{
    Contents, Forgotten, ForgottenTask, JournalError, Made, Tail, TaskContents,
};
use daisy_journal::{Damage, ForgetOptions, Journal, JournalOptions, Origin};
use daisy_run::{INSIDE, TakenUp, end_leases, take_up};
use daisy_sched::{Adopted, Output, Record, SchedulerBuilder};

pub(crate) use self::file::{leads_to, new_beside, open_regular, resolved, sync_folder};
use self::{
    file::FileDisk,
    shorten::Shortening,
    syncer::{Request, Syncer},
};
use crate::{Error, Notice, run::RunFile};

/// A journal larger than this, and than twice what it would be compacted, is compacted: it is read again
/// in some 10 ms.
pub(crate) const COMPACT_ABOVE_BYTES: u64 = 1 << 20;
/// How often a journal is synced that only has to survive processes.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What a journal has to survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// The death of any process: nothing waits for the disk. It is synced once a second and at the end.
    #[default]
    Process,
    /// A loss of power: outcomes are acknowledged once they are on the disk. Block functions have to
    /// sync their data themselves before they return.
    Power,
}

/// How a run keeps its journal.
#[derive(Clone, Debug)]
pub(crate) struct Keeping {
    pub(crate) durability: Durability,
    pub(crate) keep_failed: bool,
    pub(crate) use_damaged: bool,
    pub(crate) accept_new_arrays: bool,
    /// How the blocks of each task are made.
    pub(crate) origins: Vec<Origin>,
    /// [`COMPACT_ABOVE_BYTES`]; less in tests.
    pub(crate) compact_above_bytes: u64,
}

/// The files of a run's journal, which no other run has meanwhile.
pub(crate) struct JournalFiles {
    disk: FileDisk,
    pub(crate) run_file: RunFile,
}

impl JournalFiles {
    /// Locks a journal, and reads what is beside it.
    ///
    /// # Errors
    /// [`Error::JournalInUse`], [`Error::JournalFile`].
    pub(crate) fn lock(journal: &Path) -> Result<Self, Error> {
        let disk = FileDisk::lock(journal, true)?;
        let run_file = RunFile::read(disk.path())?;
        Ok(Self { disk, run_file })
    }

    /// Whether a name leads to one of them.
    pub(crate) fn have(&self, name: &Path) -> bool {
        resolved(name).is_ok_and(|path| path == self.disk.path() || path == self.run_file.path())
    }
}

/// The journal of a run that is going on.
pub(crate) struct RunJournal {
    syncer: Syncer,
    journal: Journal<FileDisk>,
    path: PathBuf,
    durability: Durability,
    last_sync: Instant,
    is_dirty: bool,
    shortening: Shortening,
    /// Says how the run ended.
    run_file: RunFile,
}

impl RunJournal {
    /// Opens a journal, and makes a scheduler that knows what was done before; `look_again` takes over what
    /// left no record, of all that these blocks wait for.
    pub(crate) fn open(
        files: JournalFiles,
        earlier: SchedulerBuilder,
        keeping: &Keeping,
        look_again: impl FnOnce(&mut SchedulerBuilder, &[BlockKey]),
    ) -> Result<(Self, TakenUp, Option<Notice>), Error> {
        let JournalFiles { disk, run_file } = files;
        let path = disk.path().to_path_buf();
        let wrong = |error: JournalError<_>| journal_error(&path, error);
        let damage = if keeping.use_damaged { Damage::UseWhatIsBefore } else { Damage::Refuse };
        let options = JournalOptions {
            damage,
            compact_above_bytes: keeping.compact_above_bytes,
            accept_new_arrays: keeping.accept_new_arrays,
            ..JournalOptions::default()
        };
        let graph: &TaskGraph = earlier.graph().tasks();
        let opened = Journal::open_with(disk, graph, &keeping.origins, options);
        let (mut journal, resumed) = opened.map_err(wrong)?;
        let damaged = resumed.damaged.as_ref().map(|damaged| Notice::JournalDamaged {
            journal: path.clone(),
            offset: damaged.offset,
        });
        let taken_up = take_up(&mut journal, earlier, resumed, keeping.keep_failed, look_again)
            .map_err(wrong)?;
        journal.commit().map_err(wrong)?;
        let syncer = Syncer::start().map_err(Error::Thread)?;
        let (last_sync, is_dirty) = (Instant::now(), false);
        let (durability, shortening) = (keeping.durability, Shortening::default());
        let own =
            Self { syncer, journal, path, durability, last_sync, is_dirty, shortening, run_file };
        Ok((own, taken_up, damaged))
    }

    /// Writes down what must be remembered of an output. `is_inside` says that a block is lent to a
    /// thread of this process.
    #[inline]
    pub(crate) fn record(&mut self, output: &Output, is_inside: bool) -> Result<(), Error> {
        let Some(mut record) = Record::of(output) else { return Ok(()) };
        if let Record::Grant { worker, .. } = &mut record
            && is_inside
        {
            *worker = INSIDE;
        }
        self.is_dirty = true;
        self.journal.append(&record).map_err(|error| journal_error(&self.path, error))
    }

    /// Everything that was recorded goes to the file. There may be something to say then.
    #[inline]
    pub(crate) fn commit(&mut self) -> Result<Option<Notice>, Error> {
        if let Some(error) = self.syncer.take_failure() {
            self.journal.poison();
            return Err(journal_error(&self.path, JournalError::Disk(error)));
        }
        if !self.is_dirty {
            return Ok(None);
        }
        self.is_dirty = false;
        self.journal.commit().map_err(|error| journal_error(&self.path, error))?;
        let shortened = self.shortening.go_on(&mut self.journal, &self.syncer);
        let why_not = shortened.map_err(|error| journal_error(&self.path, error))?;
        if self.last_sync.elapsed() >= SYNC_EVERY {
            self.last_sync = Instant::now();
            self.sync_up_to(None);
        }
        let journal = || self.path.clone();
        Ok(why_not.map(|why| Notice::JournalStaysLong { journal: journal(), why: why.to_string() }))
    }

    fn sync_up_to(&self, turn: Option<u64>) {
        let disk = self.journal.disk();
        let (file, draft) = (disk.handle(), disk.draft());
        self.syncer.request(Request { turn, file, draft, new_name: None });
    }

    /// The last turn whose records are as durable as they have to be; `turn` was just committed.
    pub(crate) fn durable_turn(&self, turn: u64) -> Option<u64> {
        match self.durability {
            Durability::Process => Some(turn),
            Durability::Power => self.syncer.last_done(),
        }
    }

    /// Asks for everything up to a turn, which was just committed, to be made durable.
    pub(crate) fn request_sync(&self, turn: u64) {
        self.sync_up_to(Some(turn));
    }

    /// These leases of earlier starts are over: their workers must have ended.
    pub(crate) fn end_leases(&mut self, leases: &[Adopted]) -> Result<(), Error> {
        end_leases(&mut self.journal, leases).map_err(|error| journal_error(&self.path, error))
    }

    /// Whether grants of an earlier start may have been lost with the machine's power.
    pub(crate) fn may_lack_grants(&self) -> bool {
        self.run_file.may_have_lost_power(self.durability)
    }

    /// From now on blocks are lent.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.run_file.begin()
    }

    /// From now on `wake` is called whenever a sync is done.
    pub(crate) fn on_sync(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.syncer.on_done(wake);
    }

    /// The end of a run; if it is whole, no block is lent any more.
    pub(crate) fn finish(self, is_whole: bool) -> Result<Option<Notice>, Error> {
        let Self { syncer, mut journal, path, mut run_file, .. } = self;
        let wrong = |error: JournalError<_>| journal_error(&path, error);
        let failure = syncer.close();
        journal.disk_mut().drop_draft();
        journal.commit().map_err(wrong)?;
        journal.sync().map_err(wrong)?;
        if let Some(error) = failure {
            return Err(wrong(JournalError::Disk(error)));
        }
        // Where there is no room for that, the journal is as good, only longer.
        let _is_short = journal.compact();
        if !journal.disk().is_in_place() {
            return Ok(Some(Notice::JournalGone { journal: path }));
        }
        if is_whole {
            run_file.end()?;
        }
        Ok(None)
    }
}

/// Makes blocks of a finished or interrupted run undone: those of `task` that write into `roi` (all of
/// them without one), and everything downstream of them. The next run with this journal does them
/// again.
///
/// No run may be using the journal. With `drop_open_leases`, blocks that workers of a crashed run may
/// still have are made undone too; make sure that those workers have ended.
///
/// # Errors
/// [`Error::JournalInUse`], [`Error::Journal`].
pub fn forget(
    journal: impl AsRef<Path>,
    task: &str,
    roi: Option<&Roi>,
    drop_open_leases: bool,
) -> Result<Forgotten, Error> {
    let options = ForgetOptions { drop_open_leases, ..ForgetOptions::default() };
    with_disk(journal.as_ref(), |disk, wrong| {
        daisy_journal::forget(disk, task, roi, options).map_err(wrong)
    })
}

/// As [`forget`], and the blocks' marks in stores of graphs go too (`commit_block`), so that their results are written
/// again. What they wrote before stays until then: write with `Write::replace`, and nothing of it is left.
///
/// The marks of all runs are removed, before the journal's: if this is interrupted, do it again. Marks are known by
/// the names of tasks.
///
/// # Errors
/// Those of [`forget`], and [`Error::Graphs`].
#[cfg(feature = "graphs")]
pub fn forget_with_marks(
    journal: impl AsRef<Path>,
    task: &str,
    roi: Option<&Roi>,
    drop_open_leases: bool,
    stores: &[&dyn daisy_graphdb::GraphStore],
) -> Result<Forgotten, Error> {
    let options = ForgetOptions { drop_open_leases, ..ForgetOptions::default() };
    with_disk(journal.as_ref(), |disk, wrong| {
        let blocks = daisy_journal::blocks_to_forget(disk, task, roi, options).map_err(wrong)?;
        for store in stores {
            for TaskBlocks { name, cells } in &blocks {
                store.forget(name, cells).map_err(Error::Graphs)?;
            }
        }
        daisy_journal::forget(disk, task, roi, options).map_err(wrong)
    })
}

/// Does something to a journal that no run uses meanwhile.
fn with_disk<T>(
    path: &Path,
    action: impl FnOnce(
        &mut FileDisk,
        &dyn Fn(JournalError<std::io::Error>) -> Error,
    ) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut disk = FileDisk::lock(path, false)?;
    action(&mut disk, &|error| journal_error(path, error))
}

/// What a journal says: its tasks and how much of them is done. Also while a run uses it.
///
/// # Errors
/// [`Error::Journal`], [`Error::JournalFile`].
pub fn inspect(journal: impl AsRef<Path>) -> Result<Contents, Error> {
    let path = journal.as_ref();
    let disk = FileDisk::to_read(path);
    let mut disk = disk.map_err(|error| Error::JournalFile { path: path.into(), error })?;
    daisy_journal::inspect(&mut disk).map_err(|error| journal_error(path, error))
}

fn journal_error(path: &Path, error: JournalError<std::io::Error>) -> Error {
    Error::Journal { path: path.to_path_buf(), error }
}
