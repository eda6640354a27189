//! A server: what `Hub`, `Network`, `Machine` and `RunJournal` of the facade do around the coordinator, the
//! switchboard and the journal, in the same order, without threads and sockets.
//!
//! ```text
//!  one turn:  what came -> inputs -> outputs -> records -> commit -> acknowledge, send, close
//!  one life:  running --- done, or the disk failed ---> farewell ---> over
//! ```
//! What it wants done in the world comes out as [`Effect`]s.

mod host;
mod observe;
mod start;
mod turn;

use std::collections::BTreeMap;

use daisy_block::{BlockKey, TaskId};
use daisy_journal::{Journal, MemoryDisk};
use daisy_net::switchboard::{LineKey, Switchboard};
use daisy_run::Phase;
use daisy_sched::{CheckId, Finding, Moment, Stage, WorkerId};

use self::host::Desk;
pub(crate) use self::{
    start::{HOST, NoStart, Start, security},
    turn::{CrashPoint, Turn},
};
use crate::{bug::Bug, timing};

/// What has come and waits for the next turn.
#[derive(Clone, Debug)]
pub(crate) enum Arrived {
    /// A connection, where it comes from, and randomness for it.
    Opened(LineKey, usize, String, [u8; 32]),
    Bytes(LineKey, Vec<u8>),
    Closed(LineKey),
    /// A child process was reaped, with its exit code if it was not killed.
    Gone(WorkerId, Option<i32>),
    Checked(CheckId, Finding),
    /// The disk has made durable what it was asked to.
    Synced,
    /// Somebody stops the run.
    Stopped,
}

/// What is to be done in the world.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Start a worker process.
    Start(WorkerId, TaskId),
    /// End one: politely at first, or at once.
    Kill { process: WorkerId, is_polite: bool },
    /// Call a check function.
    Check(CheckId, BlockKey, Stage),
    /// Bytes for a connection.
    Send(usize, Vec<u8>),
    /// A connection is closed; in good order if its peer was told why, or has closed it.
    Close(usize, bool),
    /// A sync of the journal begins.
    Sync,
}

/// A sync on its way.
#[derive(Clone, Copy, Debug)]
struct Syncing {
    turn: u64,
    /// How many completed blocks it makes durable.
    records: usize,
    /// And how many bytes.
    len: usize,
}

/// See the module's text.
pub(crate) struct Server {
    started: Moment,
    /// When it last looked at the world, by its own clock.
    seen: Moment,
    pub(crate) board: Switchboard,
    pub(crate) desk: Desk,
    journal: Journal<MemoryDisk>,
    pub(crate) inbox: Vec<Arrived>,
    lines: BTreeMap<LineKey, usize>,
    pub(crate) phase: Phase,
    /// Why nothing more can be done.
    pub(crate) fault: Option<String>,
    /// The disk failed, which the journal is expected to stop for.
    pub(crate) is_disk_full: bool,
    is_power: bool,
    syncing: Option<Syncing>,
    wanted: Option<u64>,
    last_synced: Option<u64>,
    pub(crate) synced_len: usize,
    pub(crate) wake_at: Option<Moment>,
    /// It is stopped until then.
    pub(crate) stopped_until: Option<Moment>,
}

impl Server {
    /// The server's clock.
    pub(crate) const fn clock(&self, now: Moment) -> Moment {
        Moment::from_micros(now.as_micros() - self.started.as_micros())
    }

    fn has_bug(&self, bug: Bug) -> bool {
        self.desk.notes.bug == Some(bug)
    }

    /// When it must look at the world again if nothing comes.
    pub(crate) fn next_deadline(&mut self) -> Option<Moment> {
        let due = self.desk.coordinator.next_deadline().map(|(at, _)| at);
        let due = due.filter(|_| self.phase.is_at_work());
        let beat = self.board.next_deadline();
        let farewell = match self.phase {
            Phase::Running | Phase::Over => None,
            // It looks around ten times a second.
            _ => Some(self.seen.after_ms(100)),
        };
        let at = due.into_iter().chain(beat).chain(farewell).min()?;
        Some(timing::after_us(self.started, at.as_micros()))
    }

    /// A process was started for a worker.
    pub(crate) fn add_child(&mut self, worker: WorkerId, task: TaskId, pid: usize) {
        self.desk.processes.started(worker, task, pid as u32);
    }

    /// The process that was started for a worker, if it has not ended.
    pub(crate) fn pid_of(&self, process: WorkerId) -> Option<usize> {
        let mut running = self.desk.processes.running();
        running.find(|&(worker, _)| worker == process).map(|(_, pid)| pid as usize)
    }

    /// The journal's disk, to make it fail.
    pub(crate) fn disk_mut(&mut self) -> &mut MemoryDisk {
        self.journal.disk_mut()
    }

    /// Its process is dead: what was written remains.
    pub(crate) fn into_disk(self) -> MemoryDisk {
        self.journal.into_disk()
    }
}
