//! A journal that has grown is written anew while the run goes on, and the new file takes its place at the
//! end of a turn. Nothing waits for the disk: the thread that syncs the journal writes, too.
//!
//! ```text
//!           has grown            written               durable
//!   Long enough ----> Ordered -----------> Following -----------> (takes its place) --> Long enough
//!        ^               | failed              | failed
//!        '---------------+---------------------'   nothing is lost: later
//! ```
//! What is written meanwhile goes to both files, so that both have everything that anybody was told of.

use std::{io, mem};

use daisy_journal::{Journal, JournalError};

use super::{
    file::FileDisk,
    syncer::{Order, Request, Syncer},
};

/// See the module's text.
#[derive(Default)]
pub(super) struct Shortening {
    state: State,
    /// Where it could not be made shorter: how large it was.
    failed_at: u64,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    LongEnough,
    /// A file is being written with what the journal said when it had so many bytes.
    Ordered(Snapshot),
    /// Everything is in both files since this request to sync.
    Following(Snapshot, u64),
}

#[derive(Clone, Copy)]
struct Snapshot {
    /// The length of the journal that it was made of.
    from: u64,
    len: u64,
}

/// Of the journal, which then is of no use any more.
type Failure = JournalError<io::Error>;

impl Shortening {
    /// Goes on, after a commit; why it could not, if that is to be said.
    pub(super) fn go_on(
        &mut self,
        journal: &mut Journal<FileDisk>,
        syncer: &Syncer,
    ) -> Result<Option<io::Error>, Failure> {
        let result = match mem::take(&mut self.state) {
            State::LongEnough => self.begin(journal, syncer)?,
            State::Ordered(snapshot) => self.follow(snapshot, journal, syncer),
            State::Following(snapshot, number) => self.swap((snapshot, number), journal, syncer),
        };
        if result.is_err() {
            journal.disk_mut().drop_draft();
            self.failed_at = journal.len_bytes();
        }
        Ok(result.err())
    }

    fn begin(
        &mut self,
        journal: &mut Journal<FileDisk>,
        syncer: &Syncer,
    ) -> Result<io::Result<()>, Failure> {
        if let Some(error) = syncer.take_draft_failure() {
            // Of one that is in its place by now: what it has may be lost.
            journal.poison();
            return Err(JournalError::Disk(error));
        }
        let has_grown = journal.len_bytes() / 2 >= self.failed_at;
        if !journal.wants_compaction() || !has_grown {
            return Ok(Ok(()));
        }
        if !journal.disk().may_be_replaced() {
            let text = "it has several names, or another file has its name by now";
            return Ok(Err(io::Error::other(text)));
        }
        let content = journal.shorter()?;
        let disk = journal.disk();
        let (path, like) = (disk.path().to_path_buf(), disk.handle());
        let snapshot = Snapshot { from: journal.len_bytes(), len: content.len() as u64 };
        syncer.order(Order { journal: path, like, content });
        self.state = State::Ordered(snapshot);
        Ok(Ok(()))
    }

    fn follow(
        &mut self,
        snapshot: Snapshot,
        journal: &mut Journal<FileDisk>,
        syncer: &Syncer,
    ) -> io::Result<()> {
        let Some(draft) = syncer.take_draft() else {
            self.state = State::Ordered(snapshot);
            return Ok(());
        };
        let disk = journal.disk_mut();
        disk.follow(draft?, snapshot.from)?;
        let (file, draft) = (disk.handle(), disk.draft());
        let number = syncer.request(Request { turn: None, file, draft, new_name: None });
        self.state = State::Following(snapshot, number);
        Ok(())
    }

    fn swap(
        &mut self,
        (snapshot, number): (Snapshot, u64),
        journal: &mut Journal<FileDisk>,
        syncer: &Syncer,
    ) -> io::Result<()> {
        if let Some(error) = syncer.take_draft_failure() {
            return Err(error);
        }
        let disk = journal.disk_mut();
        if disk.draft().is_none() {
            return Err(io::Error::other("the new file could not be written to"));
        }
        if !syncer.has_synced(number) {
            self.state = State::Following(snapshot, number);
            return Ok(());
        }
        if !disk.may_be_replaced() {
            return Err(io::Error::other("it has several names by now"));
        }
        disk.swap()?;
        let (file, new_name) = (disk.handle(), Some(disk.path().to_path_buf()));
        syncer.request(Request { turn: None, file, draft: None, new_name });
        journal.note_replaced(snapshot.from, snapshot.len);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path, process::Command, thread};

    use daisy_block::{BlockKey, Fit, Layout, TaskId};
    use daisy_geometry::Roi;
    use daisy_graph::{TaskGraph, TaskNode};
    use daisy_journal::JournalOptions;
    use daisy_sched::{LeaseId, Record, WorkerId};
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    use super::*;

    fn open(path: &Path) -> Journal<FileDisk> {
        let block = Roi::new([0], [1]).unwrap();
        let layout =
            Layout::new(Roi::new([0], [1_000_000]).unwrap(), block.clone(), block, Fit::Valid);
        let mut tasks = TaskGraph::new();
        tasks.add_task(TaskNode::new("task", layout.unwrap(), false).unwrap()).unwrap();
        let options = JournalOptions { compact_above_bytes: 2_000, ..JournalOptions::default() };
        Journal::open(FileDisk::lock(path, true).unwrap(), &tasks, options).unwrap().0
    }

    /// One turn more: a block is lent and done. What there is to say.
    fn turn(
        journal: &mut Journal<FileDisk>,
        shortening: &mut Shortening,
        syncer: &Syncer,
        cell: u64,
    ) -> Option<io::Error> {
        let (lease, key) = (LeaseId(cell), BlockKey::new(TaskId::new(0), cell));
        journal.append(&Record::Grant { lease, worker: WorkerId(0), key }).unwrap();
        journal.append(&Record::Done { lease, key }).unwrap();
        journal.commit().unwrap();
        thread::yield_now();
        shortening.go_on(journal, syncer).unwrap()
    }

    #[test]
    fn a_journal_is_made_shorter_while_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, syncer) = (open(&path), Syncer::start().unwrap());
        let (mut shortening, mut cell, mut before) = (Shortening::default(), 0, 0);
        while journal.len_bytes() >= before {
            before = journal.len_bytes();
            assert!(turn(&mut journal, &mut shortening, &syncer, cell).is_none());
            cell += 1;
        }
        for _ in 0..10 {
            turn(&mut journal, &mut shortening, &syncer, cell);
            cell += 1;
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), journal.len_bytes());
        assert!(syncer.close().is_none());
        drop(journal);
        let known = daisy_journal::inspect(&mut FileDisk::to_read(&path).unwrap()).unwrap();
        assert_eq!((known.tasks[0].done.num_cells(), known.tasks[0].num_open), (cell, 0));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_journal_that_cannot_be_made_shorter_goes_on_and_is_tried_again() {
        // In a process of its own, which has a limit on its files for a while.
        if env::var_os("DAISY_WITH_A_LIMIT").is_none() {
            let test = thread::current().name().unwrap().to_owned();
            let mut own = Command::new(env::current_exe().unwrap());
            own.args(["--exact", &test]).env("DAISY_WITH_A_LIMIT", "1");
            return assert!(own.output().unwrap().status.success());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, syncer) = (open(&path), Syncer::start().unwrap());
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 0, hard).unwrap();
        let (mut shortening, mut cell) = (Shortening::default(), 0);
        let mut go_on = |journal: &mut _| {
            cell += 1;
            turn(journal, &mut shortening, &syncer, cell - 1)
        };
        let why = loop {
            if let Some(why) = go_on(&mut journal) {
                break why;
            }
        };
        assert!(why.raw_os_error().is_some(), "the cause is the system's: {why}");
        let failed_at = journal.len_bytes();
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        let mut longest = failed_at;
        while journal.len_bytes() >= longest {
            longest = journal.len_bytes();
            assert!(go_on(&mut journal).is_none());
        }
        assert!(longest >= 2 * failed_at, "{longest} {failed_at}");
    }
}
