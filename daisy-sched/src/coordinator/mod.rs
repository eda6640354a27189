//! The scheduler together with leases, workers, retries, checks, budgets and timers.

mod config;
mod error;
mod io;
mod report;

use alloc::collections::VecDeque;

use daisy_block::TaskId;

use crate::{Counts, Moment, Scheduler};

pub use self::{
    config::{CoordinatorConfig, TaskConfig},
    error::CoordinatorError,
    io::{
        Cause, CheckId, Ending, FailureCause, Finding, Input, KillReason, Lease, LeaseId, Outcome, Output,
        PutBackReason, Reason, Settlement, Stage, TaskEnding, WorkerId, WorkerKind,
    },
    report::TaskReport,
};

/// See the crate's text.
#[derive(Clone, Debug)]
pub struct Coordinator {
    scheduler: Scheduler,
    outputs: VecDeque<Output>,
}

impl Coordinator {
    /// The largest number of blocks of which a worker's wish is remembered.
    pub const MAX_WANTED: u32 = 4_096;

    /// A coordinator of all blocks of a scheduler of which none was acquired.
    ///
    /// There are outputs to drain before the first input.
    ///
    /// # Errors
    /// [`CoordinatorError`]: what is wrong with the configuration.
    pub fn new(scheduler: Scheduler, config: CoordinatorConfig) -> Result<Self, CoordinatorError> {
        let _ = config;
        Ok(Self { scheduler, outputs: VecDeque::new() })
    }

    /// Takes in one thing that happened; drain [`Coordinator::poll_output`] after it.
    ///
    /// Time never goes back: an earlier `now` than before counts as the latest so far.
    ///
    /// # Errors
    /// [`CoordinatorError`] for an input that makes no sense; it has changed nothing.
    pub fn handle(&mut self, now: Moment, input: Input) -> Result<(), CoordinatorError> {
        let _ = (now, input);
        Ok(())
    }

    /// The next thing to do.
    #[inline]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to give [`Input::Timeout`], and what for.
    pub fn next_deadline(&mut self) -> Option<(Moment, Reason)> {
        None
    }

    /// An id for a worker that comes by itself.
    pub fn name_worker(&mut self) -> WorkerId {
        WorkerId(0)
    }

    /// The scheduler inside.
    #[must_use]
    pub const fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The counts of one task.
    ///
    /// # Errors
    /// [`CoordinatorError::UnknownTask`].
    pub fn counts(&self, task: TaskId) -> Result<Counts, CoordinatorError> {
        Ok(self.scheduler.counts(task)?)
    }

    /// How a task stands.
    ///
    /// # Errors
    /// [`CoordinatorError::UnknownTask`].
    pub fn report(&self, task: TaskId) -> Result<TaskReport, CoordinatorError> {
        let counts = self.counts(task)?;
        Ok(TaskReport {
            counts,
            ending: None,
            failed_attempts: 0,
            timeouts: 0,
            failed_checks: 0,
            first_check_error: None,
            workers: 0,
            early_ends: 0,
        })
    }

    /// Outcomes that came for leases that were over.
    #[must_use]
    pub const fn num_late(&self) -> u64 {
        0
    }

    /// Whether [`Output::Done`] was put out.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        false
    }
}
