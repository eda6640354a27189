//! What is kept of what workers outside this process say.

use std::time::Duration;

use daisy_block::{BlockKey, TaskId};
use daisy_net::wire::Hello;
use daisy_run::Notes;
use daisy_sched::{Cause, Input, WorkerId};

use crate::{
    BlockError,
    run::{ledger::Ledger, machine::Planted},
};

/// The ledger, to write into it.
pub(in crate::run) struct Kept<'a> {
    pub(in crate::run) ledger: &'a mut Ledger,
    pub(in crate::run) planted: &'a Planted,
}

impl Notes for Kept<'_> {
    #[inline]
    fn pass(&mut self, input: Input) -> Input {
        self.planted.pass();
        input
    }

    fn failed(&mut self, text: &str, panicked: bool) -> Cause {
        let text = text.to_owned();
        self.ledger.keep(if panicked {
            BlockError::Panicked(text)
        } else {
            BlockError::Failed(text)
        })
    }

    #[inline]
    fn took(&mut self, key: BlockKey, micros: u64) {
        self.ledger.task(key.task).times.record(key, Duration::from_micros(micros));
    }

    fn joined(&mut self, task: TaskId, worker: WorkerId, hello: &Hello) {
        self.ledger.note_joined(task, worker, (hello.host.clone(), hello.pid));
    }

    fn used(&mut self, task: TaskId, worker: WorkerId, peak_memory_kb: u64, cpu_ms: u64) {
        self.ledger.note_used(task, worker, peak_memory_kb, cpu_ms);
    }
}
