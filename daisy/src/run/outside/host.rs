//! What is kept of what workers outside this process say.

use std::time::Duration;

use daisy_block::{BlockKey, TaskId};
use daisy_net::wire::Hello;
use daisy_run::{Notes, RunTask};
use daisy_sched::{Cause, Input, LookAhead, WorkerId};

use super::Pipeline;
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

/// The tasks of a run, as workers know them. Of those that hold something dear while they wait, blocks are given singly.
pub(in crate::run) fn tasks(pipeline: &Pipeline) -> Vec<RunTask> {
    let tasks = pipeline.tasks().map(|(_, task)| {
        let timeout = task.0.timeout.unwrap_or_default().as_nanos().div_ceil(1_000_000);
        RunTask {
            name: task.name().to_owned(),
            layout: task.0.node.layout().clone(),
            timeout_ms: u64::try_from(timeout).unwrap_or(u64::MAX),
            max_ahead: if task.0.needs.is_empty() { LookAhead::MAX_BLOCKS } else { 1 },
            is_checked: task.0.checks.after.is_some(),
        }
    });
    tasks.collect()
}
