//! Workers outside this process: the state behind the hub's lock, and what the hub asks of it.
//!
//! ```text
//!   hub (lock) -- Outside: switchboard (lines), children (processes)
//!     ^                        ^
//!     |                        |
//!   everybody            Network (sockets): only the thread that drives the run
//! ```

mod children;
mod expected;
mod group;
mod host;
mod key_file;
mod network;
mod options;
mod output;
mod prepare;
mod recheck;
mod run_file;
mod server;

use daisy_net::{driver::LineWaker, switchboard::Switchboard};
use daisy_run::RunHost;
use daisy_sched::{KillReason, Lease, LeaseId, WorkerId};

pub(super) use self::{
    children::Children,
    host::Kept,
    prepare::{open_for_lending, prepare},
};
pub(crate) use self::{
    group::has_others, network::Network, options::OutsideOptions, prepare::lock_journal,
    run_file::RunFile,
};
use super::machine::Machine;
pub(crate) use crate::journal::{JournalFiles, RunJournal};
pub use children::log_path;
pub use server::Server;

/// What stands behind the hub's lock in a run that has workers outside.
pub(crate) struct Outside {
    pub(super) board: Switchboard,
    pub(super) children: Children,
    waker: LineWaker,
    /// The driver is at it and will flush by itself.
    pub(super) is_in_turn: bool,
    has_news: bool,
}

impl Outside {
    pub(super) const fn new(board: Switchboard, children: Children, waker: LineWaker) -> Self {
        Self { board, children, waker, is_in_turn: false, has_news: false }
    }

    /// The switchboard, and the run as its host.
    pub(super) fn desk<'a>(
        &'a mut self,
        machine: &'a mut Machine,
    ) -> (&'a mut Switchboard, RunHost<'a, Kept<'a>>) {
        let Self { board, children, .. } = self;
        let (coordinator, notes) = machine.listeners();
        (board, RunHost { coordinator, processes: &mut children.processes, notes })
    }

    /// By which workers of a task find this run.
    pub(super) fn context(&self, task: &str) -> String {
        self.children.context().for_task(task).to_string()
    }

    /// A worker on a line gets a block; false if that worker is not outside.
    #[inline]
    pub(super) fn grant(&mut self, lease: &Lease) -> bool {
        let is_ours = self.board.grant(lease);
        self.has_news |= is_ours;
        is_ours
    }

    pub(super) fn recall(&mut self, worker: WorkerId, leases: &[LeaseId]) {
        self.board.recall(worker, leases);
        self.has_news = true;
    }

    pub(super) fn settled(&mut self, worker: WorkerId, lease: LeaseId) {
        self.board.settled(worker, lease);
        self.has_news = true;
    }

    pub(super) fn dismiss(&mut self, worker: WorkerId) {
        self.board.dismiss(worker);
        self.has_news = true;
    }

    pub(super) fn kill(&mut self, worker: WorkerId, reason: KillReason) {
        if self.children.processes.is_told(worker, reason) {
            self.board.kill(worker, reason);
        }
        self.children.kill(worker, reason);
        self.has_news = true;
    }

    pub(super) fn give_up(&mut self, worker: WorkerId) {
        self.board.give_up(worker);
        self.has_news = true;
    }

    /// Wakes the driver if there is something to be sent and it does not know.
    pub(super) fn rouse(&mut self) {
        if std::mem::take(&mut self.has_news) && !self.is_in_turn {
            self.wake();
        }
    }

    /// Wakes the driver.
    pub(super) fn wake(&self) {
        // It looks around by itself once a second.
        let _is_awake = self.waker.wake();
    }
}
