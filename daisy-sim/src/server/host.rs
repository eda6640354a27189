//! A run as the switchboard's host, and what is kept of what workers say.

use daisy_block::{BlockKey, TaskId};
use daisy_net::{switchboard::Switchboard, wire::Hello};
use daisy_run::{Notes, Processes, RunHost};
use daisy_sched::{Cause, Coordinator, Ending, Input, WorkerId};

use crate::bug::Bug;

/// What a server has behind its switchboard.
pub(crate) struct Desk {
    pub(crate) coordinator: Coordinator,
    pub(crate) processes: Processes,
    pub(crate) notes: Kept,
}

/// What is kept.
pub(crate) struct Kept {
    /// Workers that said hello in this turn, with their processes.
    pub(crate) joined: Vec<(WorkerId, usize)>,
    pub(crate) bug: Option<Bug>,
}

impl Desk {
    pub(crate) fn new(coordinator: Coordinator, host: &str, bug: Option<Bug>) -> Self {
        let notes = Kept { joined: Vec::new(), bug };
        Self { coordinator, processes: Processes::new(host.to_owned()), notes }
    }

    /// Does something with the switchboard that concerns the run.
    pub(super) fn at<T>(
        &mut self,
        board: &mut Switchboard,
        work: impl FnOnce(&mut Switchboard, &mut RunHost<'_, &mut Kept>) -> T,
    ) -> T {
        let Self { coordinator, processes, notes } = self;
        work(board, &mut RunHost { coordinator, processes, notes })
    }
}

impl Notes for &mut Kept {
    fn pass(&mut self, input: Input) -> Input {
        match input {
            Input::Disconnected { worker } if self.bug == Some(Bug::BlameConnection) => {
                Input::Ended { worker, ending: Ending::Died(Cause::default()) }
            }
            input => input,
        }
    }

    fn failed(&mut self, _: &str, _: bool) -> Cause {
        Cause::default()
    }

    fn took(&mut self, _: BlockKey, _: u64) {}

    fn joined(&mut self, _: TaskId, worker: WorkerId, hello: &Hello) {
        self.joined.push((worker, hello.pid as usize));
    }

    fn used(&mut self, _: TaskId, _: WorkerId, _: u64, _: u64) {}
}
