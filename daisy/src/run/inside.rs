//! Stands for `outside` where there are no workers outside this process: nothing of it can exist.

use std::{
    convert::Infallible,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use daisy_block::TaskId;
use daisy_sched::{
    Coordinator, CoordinatorConfig, KillReason, Lease, LeaseId, Output, Scheduler, WorkerId,
};

use super::{
    Error, RunOptions,
    hub::{Hub, State},
};
use crate::Task;

pub(crate) struct Network(Infallible);
pub(crate) struct Outside {
    pub(super) children: Infallible,
    never: Infallible,
}
pub(crate) struct RunFile(Infallible);
pub(crate) struct RunJournal(Infallible);
pub(crate) type WorkerCommand = Infallible;
