//! The coordinator together with what is told to observers and written down for the report.
//!
//! The thread pool and the serial mode drive the same machine: they give inputs and get back what
//! is left for them to do.

use std::{sync::Arc, time::Instant};

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{
    CheckId, Coordinator, CoordinatorError, Counts, FailureCause, Input, Lease, Moment, Output,
    Question, Settlement, Stage, WorkerId,
};

use super::{Pipeline, call::BlockError, ledger::Ledger, relay::Sender};
use crate::observer::Event;

/// What the machine wants its driver to do.
pub(super) enum Todo {
    /// Start a thread for a task.
    Start(WorkerId, TaskId),
    /// Have a block processed.
    Grant(Lease),
    /// Call a check function.
    Check(CheckId, BlockKey, Stage),
    /// Ask a mask.
    Ask(Box<Question>),
    /// Let a worker end.
    Dismiss(WorkerId),
}

pub(crate) struct Machine {
    pub(crate) coordinator: Coordinator,
    pub(crate) ledger: Ledger,
    sender: Option<Sender>,
    start: Instant,
    fault: Option<CoordinatorError>,
}

impl Machine {
    pub(super) fn new(
        pipeline: &Arc<Pipeline>,
        coordinator: Coordinator,
        sender: Option<Sender>,
    ) -> Self {
        let ledger = Ledger::new(pipeline.len());
        Self { coordinator, ledger, sender, start: Instant::now(), fault: None }
    }

    /// The present, as the machine counts it.
    pub(super) fn now(&self) -> Moment {
        self.moment_of(Instant::now())
    }

    /// A point in time as the machine counts it.
    pub(super) fn moment_of(&self, instant: Instant) -> Moment {
        let since = instant.saturating_duration_since(self.start);
        Moment::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// A moment as the operating system counts it; None if it never comes.
    pub(super) fn instant_of(&self, moment: Moment) -> Option<Instant> {
        self.start.checked_add(moment.since(Moment::ZERO))
    }

    /// When the run began.
    pub(crate) const fn start(&self) -> Instant {
        self.start
    }

    /// Takes in one thing that happened.
    #[inline]
    pub(super) fn handle(&mut self, now: Moment, input: Input) {
        if let Err(error) = self.coordinator.handle(now, input) {
            self.fault.get_or_insert(error);
        }
    }

    /// Takes in how an attempt at a check or a block went wrong.
    pub(super) fn keep(&mut self, error: BlockError) -> daisy_sched::Cause {
        self.ledger.keep(error)
    }

    /// The next thing to do; everything else that came out is written down and made known.
    #[inline]
    pub(super) fn poll(&mut self) -> Option<Todo> {
        loop {
            match self.coordinator.poll_output()? {
                Output::Grant(lease) => {
                    self.tell_granted(&lease);
                    return Some(Todo::Grant(lease));
                }
                Output::Settled { key, result: Settlement::Completed, .. } => {
                    self.tell_block(|| Event::Completed { key });
                }
                Output::Check { check, key, stage } => return Some(Todo::Check(check, key, stage)),
                Output::StartWorker { worker, task } => return Some(Todo::Start(worker, task)),
                Output::Ask(question) => return Some(Todo::Ask(question)),
                Output::Dismiss { worker } => return Some(Todo::Dismiss(worker)),
                other => self.note(other),
            }
        }
    }

    /// What is only to be written down and made known.
    fn note(&mut self, output: Output) {
        match output {
            Output::Settled { key, result: Settlement::Retry { attempts, why, .. }, .. } => {
                let why = self.ledger.take(why);
                self.tell_block(|| Event::Retry { key, attempts, why });
            }
            Output::Settled { key, result: Settlement::Failed { attempts, why }, .. } => {
                self.note_failed(key, attempts, why);
            }
            Output::Settled { key, result: Settlement::PutBack(_), .. } => {
                self.tell_block(|| Event::PutBack { key });
            }
            Output::Skipped { key } => self.tell_block(|| Event::Skipped { key }),
            Output::Overdue { key, .. } => self.tell_block(|| Event::Overdue { key }),
            Output::Orphaned { task, cells } => self.ledger.orphan(task, cells),
            Output::TaskEnded { task, ending } => {
                self.ledger.task(task).ending = Some(ending);
                self.tell(|| Event::TaskEnded { task });
            }
            _ => {}
        }
    }

    fn note_failed(&mut self, key: BlockKey, attempts: u32, why: FailureCause) {
        let why = self.ledger.take(why);
        self.tell_block(|| Event::Failed { key, attempts, why: why.clone() });
        self.ledger.fail(key, attempts, why);
    }

    #[inline]
    fn tell_granted(&mut self, lease: &Lease) {
        let task = self.ledger.task(lease.key.task);
        if !task.has_started {
            task.has_started = true;
            self.tell(|| Event::TaskStarted { task: lease.key.task });
        }
        self.tell_block(|| Event::Granted { key: lease.key, attempt: lease.attempt });
    }

    /// Tells observers something about a block, if any of them wants to know.
    #[inline]
    fn tell_block(&mut self, event: impl FnOnce() -> Event) {
        if let Some(sender) = self.sender.as_mut().filter(|sender| sender.wants_blocks()) {
            sender.send(event());
        }
    }

    fn tell(&mut self, event: impl FnOnce() -> Event) {
        if let Some(sender) = &mut self.sender {
            sender.send(event());
        }
    }

    /// The counts of all tasks.
    pub(super) fn counts(&self) -> Vec<Counts> {
        let ids = self.coordinator.scheduler().graph().tasks().ids();
        ids.map(|task| self.coordinator.counts(task).unwrap_or_default()).collect()
    }

    /// Whether nothing more is to be done: the run is over, or the machine refused an input.
    pub(super) const fn is_over(&self) -> bool {
        self.coordinator.is_done() || self.fault.is_some()
    }

    /// What the machine refused, if anything.
    pub(super) fn take_fault(&mut self) -> Option<CoordinatorError> {
        self.fault.take()
    }

    /// The way to the observers; they hear no more from here.
    pub(super) fn take_sender(&mut self) -> Option<Sender> {
        self.sender.take()
    }

    /// The init callback of a task failed: nothing of the task is run.
    pub(super) fn give_up_task(&mut self, task: TaskId, error: String) {
        let ledger = self.ledger.task(task);
        if ledger.init_error.is_none() {
            ledger.init_error = Some(error);
            let now = self.now();
            self.handle(now, Input::Abandon { task });
        }
    }
}
