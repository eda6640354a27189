#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod coordinator;
mod counts;
mod error;
mod scheduler;
mod time;

pub use coordinator::{
    Cause, CheckId, Coordinator, CoordinatorConfig, CoordinatorError, Ending, FailureCause, Finding, Input,
    KillReason, Lease, LeaseId, Outcome, Output, PutBackReason, Reason, Settlement, Stage, TaskConfig,
    TaskEnding, TaskReport, WorkerId, WorkerKind,
};
pub use counts::Counts;
pub use error::SchedulerError;
pub use scheduler::{Failure, Question, Request, Scheduler, SchedulerOptions, Verdict};
pub use time::Moment;
