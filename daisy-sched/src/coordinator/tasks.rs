//! What the coordinator keeps of each task.

use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};

use daisy_block::{BlockKey, TaskId};

use super::{
    Cause, CoordinatorConfig, CoordinatorError, TaskEnding, WorkerId,
    budget::{Needs, needs_of},
    roster::Seat,
};
use crate::{Moment, Question, Scheduler};

/// One task: what was configured, who works for it, and what of it is where.
#[derive(Clone, Debug)]
pub(super) struct TaskRow {
    pub(super) upstream: Vec<TaskId>,
    pub(super) downstream: Vec<TaskId>,
    pub(super) num_workers: u32,
    pub(super) timeout_ms: Option<u64>,
    pub(super) checks_before: bool,
    pub(super) checks_after: bool,
    pub(super) checks_ahead: usize,
    pub(super) max_failed_blocks: Option<u64>,
    pub(super) early_end_bound: u32,
    pub(super) needs: Needs,

    /// Blocks on lease.
    pub(super) out: u64,
    /// Blocks in their back-off.
    pub(super) parked: u64,
    pub(super) open_checks: u32,
    /// Blocks found not done that wait for a worker.
    pub(super) held: VecDeque<BlockKey>,
    /// Suspects that wait for a worker that has nothing else.
    pub(super) held_suspects: VecDeque<BlockKey>,
    /// The open question about its mask.
    pub(super) asked: Option<Box<Question>>,

    /// Everybody who was started for it or joined it, and has not ended.
    pub(super) members: BTreeSet<WorkerId>,
    pub(super) joined: u32,
    /// Workers that count towards `num_workers`.
    pub(super) staff: u32,
    pub(super) early_ends: u32,
    /// Workers that left in good order before they took a block.
    pub(super) early_leaves: u32,
    pub(super) start_not_before: Option<Moment>,
    /// Workers that wait and have nothing to do.
    pub(super) idle: BTreeSet<WorkerId>,
    /// Workers that have blocks and can take more.
    pub(super) busy: BTreeSet<WorkerId>,
    /// Workers that have blocks, whether they can take more or not.
    pub(super) working: u32,
    /// When it is looked whether blocks wait at workers while others have nothing to do.
    pub(super) recall_at: Option<Moment>,
    /// Where among them the search goes on.
    pub(super) busy_place: WorkerId,

    /// Why nothing more of it is handed out.
    pub(super) stop: Option<TaskEnding>,
    pub(super) ending: Option<TaskEnding>,
    pub(super) failed_attempts: u64,
    pub(super) timeouts: u64,
    pub(super) failed_checks: u64,
    pub(super) first_check_error: Option<Cause>,
}

impl TaskRow {
    pub(super) fn new(
        scheduler: &Scheduler,
        task: TaskId,
        config: &CoordinatorConfig,
    ) -> Result<Self, CoordinatorError> {
        let options = config.tasks.get(task.index()).cloned().unwrap_or_default();
        let tasks = scheduler.graph().tasks();
        Ok(Self {
            upstream: tasks.upstream(task).to_vec(),
            downstream: tasks.downstream(task).to_vec(),
            num_workers: options.num_workers,
            timeout_ms: options.timeout_ms,
            checks_before: options.check_before,
            checks_after: options.check_after,
            checks_ahead: options.checks_ahead.max(1) as usize,
            max_failed_blocks: options.max_failed_blocks,
            early_end_bound: options.early_end_bound(),
            needs: needs_of(config, task, &options.needs)?,
            out: 0,
            parked: 0,
            open_checks: 0,
            held: VecDeque::new(),
            held_suspects: VecDeque::new(),
            asked: None,
            members: BTreeSet::new(),
            joined: 0,
            staff: 0,
            early_ends: 0,
            early_leaves: 0,
            start_not_before: None,
            idle: BTreeSet::new(),
            busy: BTreeSet::new(),
            working: 0,
            recall_at: None,
            busy_place: WorkerId(0),
            stop: None,
            ending: None,
            failed_attempts: 0,
            timeouts: 0,
            failed_checks: 0,
            first_check_error: None,
        })
    }

    /// Whether anybody could do something with a ready block.
    #[inline]
    pub(super) fn is_hungry(&self) -> bool {
        !self.idle.is_empty()
            || !self.busy.is_empty()
            || self.checks_before
            || self.staff < self.num_workers
    }

    pub(super) fn enter(&mut self, seat: Seat, worker: WorkerId) {
        match seat {
            Seat::None => {}
            Seat::Idle => {
                self.idle.insert(worker);
            }
            Seat::Busy => {
                self.busy.insert(worker);
            }
        }
    }

    pub(super) fn leave(&mut self, seat: Seat, worker: WorkerId) {
        match seat {
            Seat::None => {}
            Seat::Idle => {
                self.idle.remove(&worker);
            }
            Seat::Busy => {
                self.busy.remove(&worker);
            }
        }
    }
}
