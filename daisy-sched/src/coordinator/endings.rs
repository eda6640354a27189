//! The ends of tasks and of the run.

use alloc::vec;

use daisy_block::TaskId;

use super::{
    Coordinator, CoordinatorError, KillReason, Output, TaskEnding, WorkerId, roster::Worker,
};

impl Coordinator {
    /// Nothing more of a task is handed out. What waits for its blocks will not run.
    pub(super) fn stop_task(
        &mut self,
        task: TaskId,
        ending: TaskEnding,
    ) -> Result<(), CoordinatorError> {
        let row = &mut self.tasks[task.index()];
        if row.stop.is_some() || row.ending.is_some() {
            return Ok(());
        }
        row.stop = Some(ending);
        self.let_go(task)?;
        self.dismiss_all(task);
        self.end_if_over(task)
    }

    /// Hands out nothing more; ends worker processes, lets threads finish.
    pub(super) fn drain(&mut self) -> Result<(), CoordinatorError> {
        if core::mem::replace(&mut self.is_draining, true) {
            return Ok(());
        }
        for place in 0..self.ids.len() {
            let task = self.ids[place];
            self.let_go(task)?;
            self.dismiss_all(task);
            let members: vec::Vec<WorkerId> =
                self.tasks[task.index()].members.iter().copied().collect();
            for worker in members {
                // One that has left needs no telling, and its process goes on without it.
                let is_to_end = |member: &Worker| !member.is_dismissed || member.has_left;
                if self.workers.get(worker.0).is_some_and(is_to_end) {
                    self.kill(worker, KillReason::Drained);
                }
            }
        }
        Ok(())
    }

    /// Ends a task if nothing more can happen in it, and the tasks downstream that only waited for it.
    pub(super) fn end_if_over(&mut self, task: TaskId) -> Result<(), CoordinatorError> {
        if !self.is_over(task)? {
            return Ok(());
        }
        let mut work = vec![task];
        while let Some(task) = work.pop() {
            if self.is_over(task)? {
                let ending = self.tasks[task.index()].stop.unwrap_or(TaskEnding::Finished);
                self.end_task(task, ending);
                work.extend_from_slice(&self.tasks[task.index()].downstream);
            }
        }
        Ok(())
    }

    /// The run is over once every task has ended, or nothing is out any more while draining.
    pub(super) fn end_run_if_over(&mut self) {
        if self.is_done || self.num_out > 0 || (self.open_tasks > 0 && !self.is_draining) {
            return;
        }
        for place in 0..self.ids.len() {
            if self.tasks[place].ending.is_none() {
                self.end_task(self.ids[place], TaskEnding::Drained);
            }
        }
        self.is_done = true;
        self.outputs.push_back(Output::Done);
    }

    fn end_task(&mut self, task: TaskId, ending: TaskEnding) {
        self.tasks[task.index()].ending = Some(ending);
        self.open_tasks -= 1;
        self.outputs.push_back(Output::TaskEnded { task, ending });
        self.dismiss_all(task);
    }

    /// Whether nothing more can happen in a task that has not ended.
    fn is_over(&self, task: TaskId) -> Result<bool, CoordinatorError> {
        let row = &self.tasks[task.index()];
        if row.ending.is_some() || row.out > 0 {
            return Ok(false);
        }
        if row.stop.is_some() {
            return Ok(true);
        }
        let is_idle = row.open_checks == 0
            && row.parked == 0
            && row.held.is_empty()
            && row.held_suspects.is_empty();
        if !is_idle {
            return Ok(false);
        }
        let counts = self.scheduler.counts(task)?;
        if counts.finished() == counts.total {
            return Ok(true);
        }
        let has_ended = |up: &TaskId| self.tasks[up.index()].ending.is_some();
        Ok(!self.scheduler.has_ready(task)
            && !self.has_backlog()
            && self.tasks[task.index()].upstream.iter().all(has_ended))
    }
}
