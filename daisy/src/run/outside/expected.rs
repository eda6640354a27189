//! Workers that a run waits for: those that what was started for them has handed on, and those of tasks that start none.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use daisy_block::TaskId;

use crate::{
    Notice,
    run::{Pipeline, machine::Machine},
};

/// It is said when the first of them has been expected for so long, so that those that are started together are
/// counted together;
const AFTER: Duration = Duration::from_secs(1);
/// when their number changes, but not more often than this;
const CHANGE: Duration = Duration::from_secs(10);
/// and again after so long.
const AGAIN: Duration = Duration::from_secs(60);

/// Says for how many of them the run waits.
#[derive(Default)]
pub(super) struct Expected {
    /// When it was last said, and the number.
    said: Option<(Instant, usize)>,
    /// When tasks without workers were last looked for.
    looked: Option<Instant>,
    /// When it is said that a task has none.
    without: BTreeMap<TaskId, Instant>,
}

impl Expected {
    /// Says it if there is something new.
    pub(super) fn look(&mut self, machine: &Machine, pipeline: &Pipeline) {
        self.look_for_handed_on(machine);
        if self.looked.is_none_or(|at| at.elapsed() >= AFTER) {
            self.looked = Some(Instant::now());
            pipeline.tasks().for_each(|(task, handle)| {
                if handle.num_workers() == 0 {
                    self.look_for_any(machine, task, handle.name());
                }
            });
        }
    }

    fn look_for_handed_on(&mut self, machine: &Machine) {
        let (workers, Some(since)) = machine.coordinator.expected() else {
            self.said = None;
            return;
        };
        let longest = machine.now().since(since);
        let is_due = match self.said {
            None => longest >= AFTER,
            Some((at, said)) => {
                at.elapsed() >= AGAIN || (said != workers && at.elapsed() >= CHANGE)
            }
        };
        if is_due {
            self.said = Some((Instant::now(), workers));
            let limit = Duration::from_millis(machine.coordinator.config().expect_ms);
            machine.notice(Notice::WaitsForWorkers { workers, longest, limit });
        }
    }

    /// Of a task whose workers all come from elsewhere.
    fn look_for_any(&mut self, machine: &Machine, task: TaskId, name: &str) {
        let blocks = machine.coordinator.counts(task).map_or(0, |counts| counts.ready);
        if blocks == 0 || machine.coordinator.num_workers(task) > 0 {
            self.without.remove(&task);
            return;
        }
        let now = Instant::now();
        let due = self.without.entry(task).or_insert(now + AFTER);
        if *due <= now {
            *due = now + AGAIN;
            machine.notice(Notice::NoWorkers { task: name.to_owned(), blocks });
        }
    }
}
