//! The workers that a run starts: as many as there is work for, those that are expected from elsewhere, and those that
//! come to nothing.

use daisy_block::TaskId;

use super::{
    Cause, Coordinator, CoordinatorError, Output, Reason, TaskEnding, WorkerId,
    roster::{Death, Phase, Worker},
};

impl Coordinator {
    /// Starts the workers that a task lacks, if there is anything for them to do.
    pub(super) fn staff(&mut self, task: TaskId) -> Result<(), CoordinatorError> {
        let row = &self.tasks[task.index()];
        let is_over = self.is_draining || row.stop.is_some() || row.ending.is_some();
        if row.staff >= row.num_workers || is_over || !self.has_work(task) {
            return Ok(());
        }
        let row = &self.tasks[task.index()];
        if row.start_not_before.is_some_and(|until| until > self.now) {
            return Ok(());
        }
        let counts = self.scheduler.counts(task)?;
        let useful = u64::from(row.num_workers).min(counts.total - counts.finished());
        while u64::from(self.tasks[task.index()].staff) < useful {
            let worker = WorkerId(self.workers.insert(Worker::new(task, Phase::Starting)));
            let row = &mut self.tasks[task.index()];
            row.staff += 1;
            row.members.insert(worker);
            self.outputs.push_back(Output::StartWorker { worker, task });
        }
        Ok(())
    }

    /// A worker is expected from elsewhere. False if it is not, or not any more.
    pub(super) fn expect(&mut self, worker: WorkerId) -> bool {
        let until = self.now.after_ms(self.config.expect_ms);
        let Some(member) = self.workers.get(worker.0) else { return false };
        let is_new = member.phase == Phase::Starting && !self.expected.contains_key(&worker);
        if !is_new || member.is_dismissed || self.config.expect_ms == 0 {
            return false;
        }
        self.expected.insert(worker, self.now);
        self.timers.push(until, Reason::Expected(worker));
        true
    }

    /// Nobody has come for a worker that was expected from elsewhere.
    pub(super) fn expect_no_more(&mut self, worker: WorkerId) -> Result<(), CoordinatorError> {
        let member = self.workers.get(worker.0);
        if member.is_some_and(|member| member.phase == Phase::Starting) {
            self.outputs.push_back(Output::GivenUp { worker });
            return self.bury(worker, Death::Left);
        }
        Ok(())
    }

    /// A worker that this run started ended before it took a block.
    pub(super) fn note_early_end(
        &mut self,
        task: TaskId,
        death: Death,
    ) -> Result<(), CoordinatorError> {
        let row = &mut self.tasks[task.index()];
        let cause = match death {
            Death::Died(cause) | Death::DiedTogether(cause) => Some(cause),
            Death::Vanished => Some(Cause::default()),
            Death::Left | Death::Silent | Death::Explained => None,
        };
        row.early_ends += u32::from(cause.is_some());
        // Those that left in good order are no failures; but as many again would leave, too.
        row.early_leaves += u32::from(death == Death::Left);
        let rounds = row.early_ends.saturating_add(row.early_leaves / row.num_workers.max(1));
        let until = self.now.after_ms(self.config.backoff_of(rounds.max(1)));
        let has_timer = row.start_not_before.is_some();
        row.start_not_before = Some(row.start_not_before.map_or(until, |known| known.max(until)));
        if !has_timer {
            self.timers.push(until, Reason::StartBackoff(task));
        }
        let row = &self.tasks[task.index()];
        match cause {
            Some(cause) if row.early_ends >= row.early_end_bound => {
                self.stop_task(task, TaskEnding::WorkersFail(cause))
            }
            _ => Ok(()),
        }
    }
}
