#![doc = include_str!("../README.md")]
//!
//! # Driving a coordinator
//!
//! **Mutate one, drain all**: every [`Coordinator::handle`] is followed by [`Coordinator::poll_output`]
//! until it returns `None`, before the next input. The recipe of every driver:
//!
//! 1. Make a [`Coordinator`] and drain its first outputs.
//! 2. Do what the outputs say: start a worker, carry a block to it, call a check function, kill a
//!    process. Nothing is done by the coordinator itself, and nothing has to be done at once.
//! 3. Wait until something happens, at most until [`Coordinator::next_deadline`].
//! 4. Tell it, with the time: [`Input::Timeout`] if the deadline came first. Drain. Back to 2, until
//!    [`Output::Done`].
//!
//! The time is whatever the driver says; it never goes back. The same inputs at the same times give
//! the same outputs. An input that makes no sense (an unknown worker, somebody else's lease, a
//! second answer) is refused with a typed error and changes nothing; an outcome that comes too late
//! or twice is no error, since honest workers do that: it is counted, put out as [`Output::Late`] and
//! ignored.
//!
//! A complete driver that is a worker itself and makes time pass as it likes:
//!
//! ```
//! use std::collections::VecDeque;
//!
//! use daisy_block::{Fit, Layout};
//! use daisy_geometry::Roi;
//! use daisy_graph::{TaskGraph, TaskNode};
//! use daisy_sched::{
//!     Cause, Coordinator, CoordinatorConfig, Finding, Input, Moment, Outcome, Output, Scheduler,
//!     SchedulerOptions, Verdict, WorkerKind,
//! };
//!
//! let block = Roi::new([0], [10])?;
//! let layout = Layout::new(Roi::new([0], [50])?, block.clone(), block, Fit::Valid)?;
//! let mut tasks = TaskGraph::new();
//! let task = tasks.add_task(TaskNode::new("square", layout, true)?)?;
//! let scheduler = Scheduler::new(tasks, SchedulerOptions::default())?;
//! let mut coordinator = Coordinator::new(scheduler, CoordinatorConfig::default())?;
//!
//! let mut now = Moment::ZERO;
//! let mut inputs = VecDeque::new();
//! while !coordinator.is_done() {
//!     while let Some(output) = coordinator.poll_output() {
//!         match output {
//!             Output::StartWorker { worker, task } => {
//!                 inputs.push_back(Input::Joined { worker, task, kind: WorkerKind::Thread });
//!                 inputs.push_back(Input::Want { worker, blocks: 1 });
//!             }
//!             Output::Grant(lease) => {
//!                 // The work. Block 3 fails at the first attempt.
//!                 let is_bad = lease.key.cell == 3 && lease.attempt == 1;
//!                 let outcome = if is_bad { Outcome::Failed(Cause(1)) } else { Outcome::Completed };
//!                 let worker = lease.worker;
//!                 inputs.push_back(Input::Settle { worker, lease: lease.id, outcome });
//!                 inputs.push_back(Input::Want { worker, blocks: 1 });
//!             }
//!             Output::Check { check, .. } => {
//!                 inputs.push_back(Input::Checked { check, finding: Finding::NotDone });
//!             }
//!             Output::Ask(question) => {
//!                 inputs.push_back(Input::Answered { question, verdict: Verdict::None });
//!             }
//!             // For observers, journals, process supervisors.
//!             _ => {}
//!         }
//!     }
//!     if let Some(input) = inputs.pop_front() {
//!         coordinator.handle(now, input)?;
//!     } else if let Some((at, _reason)) = coordinator.next_deadline() {
//!         now = at; // A real driver waits here, for this moment or the next input.
//!         coordinator.handle(now, Input::Timeout)?;
//!     }
//! }
//! let report = coordinator.report(task)?;
//! assert!(report.counts.is_success());
//! assert_eq!((report.counts.completed, report.failed_attempts), (5, 1));
//! assert_eq!(now, Moment::from_millis(1_000)); // the back-off
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who stands for a lost block
//!
//! A lease number fences the accounts, not the data: so a block is lent again only once its holder
//! has stopped. A thread stops when its function returns, a child process when it is reaped, a
//! remote worker when it reports, or when it must have ended itself after so much silence
//! ([`CoordinatorConfig::silence_ms`] and one heartbeat after its last byte). Until then the block
//! counts as processing, and nothing that conflicts with it starts. One case is left: a remote
//! machine that is stopped and woken later.
#![no_std]

extern crate alloc;

mod broken;
mod coordinator;
mod counts;
mod error;
mod look_ahead;
mod record;
mod scheduler;
mod time;

pub use coordinator::{
    Adopted, Adoption, Cause, CheckId, Coordinator, CoordinatorConfig, CoordinatorError,
    CoordinatorPaths, CoordinatorTuning, Ending, FailureCause, Finding, Input, KillReason, Lease,
    LeaseId, Misfit, Outcome, Output, PutBackReason, Reason, Settlement, Stage, TaskConfig,
    TaskEnding, TaskReport, WorkerId, WorkerKind,
};
pub use counts::Counts;
pub use error::SchedulerError;
pub use look_ahead::LookAhead;
pub use record::Record;
pub use scheduler::{
    Failure, Paths, Question, Request, Scheduler, SchedulerBuilder, SchedulerOptions, TakenUp,
    Tuning, Verdict,
};
pub use time::Moment;
