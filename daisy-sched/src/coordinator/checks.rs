//! Check functions before and after blocks, and the questions about masks.

use alloc::{boxed::Box, collections::VecDeque};

use daisy_block::{BlockKey, TaskId};

use super::{
    CheckId, Coordinator, CoordinatorError, FailureCause, Finding, LeaseId, Output, Stage,
    lease::LeaseState, numbered::Numbered,
};
use crate::{Moment, Question, SchedulerError, Verdict};

/// A check function that was called and has not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenCheck {
    pub(super) key: BlockKey,
    /// The lease of a block that is checked after it was run.
    pub(super) lease: Option<LeaseId>,
    pub(super) deadline: Moment,
}

/// The open checks. All have the same time limit, so they are due in the order in which they began.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    pub(super) open: Numbered<OpenCheck>,
    in_order: VecDeque<CheckId>,
    /// A timer watches the oldest.
    pub(super) is_timed: bool,
}

impl Checks {
    pub(super) fn new(epoch: u32, place_bits: u32) -> Self {
        Self { open: Numbered::new(epoch, place_bits), in_order: VecDeque::new(), is_timed: false }
    }
}

impl Coordinator {
    /// Takes ready blocks to be checked, as many as may be checked ahead.
    pub(super) fn check_ahead(&mut self, task: TaskId) -> Result<(), CoordinatorError> {
        loop {
            let row = &self.tasks[task.index()];
            if row.open_checks as usize + row.held.len() >= row.checks_ahead || row.asked.is_some()
            {
                return Ok(());
            }
            let Some(key) = self.scheduler.hold_from(task) else {
                self.ask();
                return self.end_if_over(task);
            };
            self.tasks[task.index()].open_checks += 1;
            self.open_check(key, None);
        }
    }

    /// A worker says that a block is done: what does the check function say?
    pub(super) fn check_after(&mut self, id: LeaseId, key: BlockKey) {
        if let Some(lease) = self.leases.get_mut(id.0) {
            let (worker, state) = (lease.worker, lease.state);
            lease.state = LeaseState::Checking;
            self.open_check(key, Some(id));
            self.leave_worker(worker, id, state);
        }
    }

    fn open_check(&mut self, key: BlockKey, lease: Option<LeaseId>) {
        let deadline = self.now.after_ms(self.config.check_timeout_ms);
        let check = CheckId(self.checks.open.insert(OpenCheck { key, lease, deadline }));
        self.checks.in_order.push_back(check);
        let stage = if lease.is_some() { Stage::After } else { Stage::Before };
        self.outputs.push_back(Output::Check { check, key, stage });
        self.watch_checks();
    }

    /// The oldest open check.
    pub(super) fn oldest_check(&mut self) -> Option<(CheckId, OpenCheck)> {
        while let Some(&check) = self.checks.in_order.front() {
            if let Some(open) = self.checks.open.get(check.0) {
                return Some((check, *open));
            }
            self.checks.in_order.pop_front();
        }
        None
    }

    pub(super) fn checked(
        &mut self,
        check: CheckId,
        finding: Finding,
    ) -> Result<(), CoordinatorError> {
        let Some(open) = self.checks.open.remove(check.0) else {
            if self.checks.open.was_issued(check.0) {
                return Ok(()); // It took too long, or nobody needs it any more.
            }
            return Err(CoordinatorError::UnknownCheck { check });
        };
        self.oldest_check();
        match (open.lease, finding) {
            (Some(lease), Finding::Done) => return self.complete(lease),
            (Some(lease), Finding::NotDone) => self.fail(lease, FailureCause::NotDone)?,
            (Some(lease), Finding::Raised(cause)) => {
                self.fail(lease, FailureCause::CheckRaised(cause))?;
            }
            (None, Finding::Done) => {
                self.tasks[open.key.task.index()].open_checks -= 1;
                self.scheduler.skip(open.key)?;
                self.suspects.remove(&open.key);
                self.outputs.push_back(Output::Skipped { key: open.key });
            }
            (None, Finding::NotDone) => self.hold(open.key),
            (None, Finding::Raised(cause)) => {
                let row = &mut self.tasks[open.key.task.index()];
                row.failed_checks += 1;
                row.first_check_error.get_or_insert(cause);
                self.hold(open.key);
            }
        }
        self.move_on(open.key.task)
    }

    /// The oldest check took too long.
    pub(super) fn time_out_check(&mut self) -> Result<(), CoordinatorError> {
        let Some((check, open)) = self.oldest_check() else { return Ok(()) };
        self.checks.open.remove(check.0);
        match open.lease {
            Some(lease) => self.fail(lease, FailureCause::CheckTimedOut)?,
            None => {
                self.tasks[open.key.task.index()].failed_checks += 1;
                self.hold(open.key);
            }
        }
        self.move_on(open.key.task)
    }

    /// A checked block is to be run as soon as a worker can take it.
    fn hold(&mut self, key: BlockKey) {
        let row = &mut self.tasks[key.task.index()];
        row.open_checks -= 1;
        if self.suspects.contains(&key) {
            row.held_suspects.push_back(key);
        } else {
            row.held.push_back(key);
        }
    }

    /// Nobody needs the open checks before blocks of a task any more, nor what they found.
    pub(super) fn let_go(&mut self, task: TaskId) -> Result<(), CoordinatorError> {
        let row = &mut self.tasks[task.index()];
        let mut keys: VecDeque<BlockKey> = core::mem::take(&mut row.held);
        keys.append(&mut row.held_suspects);
        if row.open_checks > 0 {
            row.open_checks = 0;
            for &check in &self.checks.in_order {
                let is_void = |open: &OpenCheck| open.lease.is_none() && open.key.task == task;
                if self.checks.open.get(check.0).is_some_and(is_void) {
                    keys.extend(self.checks.open.remove(check.0).map(|open| open.key));
                }
            }
        }
        for key in keys {
            self.scheduler.put_back(key)?;
        }
        Ok(())
    }

    // ---- masks ----

    /// Puts out the question, if there is one, that keeps the scheduler from giving a block.
    pub(super) fn ask(&mut self) -> bool {
        let Some(question) = self.scheduler.question() else { return false };
        let asked = &mut self.tasks[question.task.index()].asked;
        if asked.as_deref() != Some(&question) {
            *asked = Some(Box::new(question.clone()));
            self.outputs.push_back(Output::Ask(Box::new(question)));
        }
        true
    }

    pub(super) fn answered(
        &mut self,
        question: &Question,
        verdict: Verdict,
    ) -> Result<(), CoordinatorError> {
        let task = question.task;
        self.check_task(task)?;
        if self.tasks[task.index()].asked.as_deref() != Some(question) {
            return Err(SchedulerError::NoSuchQuestion { task }.into());
        }
        let row = &mut self.tasks[task.index()];
        row.asked = None;
        if row.stop.is_some() || self.is_draining {
            return Ok(()); // Nobody needs it any more.
        }
        self.scheduler.answer(task, &question.cells, verdict)?;
        self.move_on(task)
    }
}
