//! How the tasks of a run stood when everything was last written down: what is known after a panic.

use std::mem;

use daisy_block::TaskId;
use daisy_sched::{Coordinator, Counts, TaskReport};

/// The reports of all tasks; of those that changed since, a new one is taken at every commit.
pub(crate) struct Standing {
    tasks: Vec<TaskReport>,
    changed: Vec<TaskId>,
    /// By task: whether it is in `changed`.
    has_changed: Vec<bool>,
    /// The last of them: mostly it is the next one too.
    last: Option<TaskId>,
    is_draining: bool,
}

impl Standing {
    pub(super) fn of(coordinator: &Coordinator) -> Self {
        let ids = coordinator.scheduler().graph().tasks().ids();
        let tasks: Vec<TaskReport> = ids.filter_map(|task| coordinator.report(task).ok()).collect();
        let has_changed = vec![false; tasks.len()];
        let is_draining = coordinator.is_draining();
        Self { tasks, changed: Vec::new(), has_changed, last: None, is_draining }
    }

    pub(crate) fn tasks(&self) -> &[TaskReport] {
        &self.tasks
    }

    pub(crate) const fn is_draining(&self) -> bool {
        self.is_draining
    }

    pub(super) fn counts(&self) -> Vec<Counts> {
        self.tasks.iter().map(|report| report.counts).collect()
    }

    /// Blocks of a task come to their end.
    #[inline]
    pub(super) fn touch(&mut self, task: TaskId) {
        if self.last != Some(task) {
            self.put_down(task);
        }
    }

    fn put_down(&mut self, task: TaskId) {
        self.last = Some(task);
        if !mem::replace(&mut self.has_changed[task.index()], true) {
            self.changed.push(task);
        }
    }

    /// Everything is written down.
    #[inline]
    pub(super) fn follow(&mut self, coordinator: &Coordinator) {
        self.last = None;
        for task in self.changed.drain(..) {
            self.has_changed[task.index()] = false;
            if let Ok(report) = coordinator.report(task) {
                self.tasks[task.index()] = report;
            }
        }
        self.is_draining = coordinator.is_draining();
    }

    /// The run broke off: nothing is under way any more.
    pub(super) fn settle(&mut self) {
        for TaskReport { counts, .. } in &mut self.tasks {
            counts.pending += counts.ready + counts.processing;
            (counts.ready, counts.processing) = (0, 0);
        }
    }
}
