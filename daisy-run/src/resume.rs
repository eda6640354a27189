//! How a run goes on from the journal of its earlier starts.
//!
//! ```text
//!  journal --open--> Resumed --take_up--> TakenUp --start--> Started: a coordinator, and leases of earlier starts
//!                                                            that it cannot take up: their workers must have ended
//!                                                            before anything is lent (end_leases)
//! ```

use daisy_block::{BlockKey, TaskId};
use daisy_journal::{Disk, Journal, JournalError, Made, OpenLease, Resumed};
use daisy_sched::{
    Adopted, Adoption, Coordinator, CoordinatorConfig, CoordinatorError, Record, Scheduler,
    SchedulerBuilder, WorkerId,
};

/// The worker of leases at threads of the server: they end with it.
pub const INSIDE: WorkerId = WorkerId(u64::MAX);

/// What a run knows of its earlier starts.
#[derive(Debug)]
pub struct TakenUp {
    /// The scheduler that knows of them.
    pub scheduler: Scheduler,
    /// How many there were.
    pub epoch: u32,
    /// Leases that workers of earlier starts may still have, of blocks that can be lent back to them.
    pub adopted: Vec<Adopted>,
    /// Others: their blocks wait for something now.
    pub strange: Vec<Adopted>,
    /// As many more, of tasks that are not in this run.
    pub num_foreign: u64,
    /// Blocks that failed for good earlier and are left alone.
    pub failed: Vec<BlockKey>,
    /// By task: what other versions of its code finished.
    pub earlier: Vec<Vec<Made>>,
}

/// What a run starts with.
#[derive(Debug)]
pub struct Started {
    /// Has the scheduler, and the leases that it could take up.
    pub coordinator: Coordinator,
    /// Those leases.
    pub adopted: Vec<Adopted>,
    /// Leases that may still be at work and cannot be taken up.
    pub strange: Vec<Adopted>,
    /// As many more, of tasks that are not in this run.
    pub num_foreign: u64,
}

/// Takes over what is done, and finds out which leases may still be at work. `look_again` takes over what left no
/// record, of all that these blocks wait for. Blocks that are not requested now are left out.
///
/// # Errors
/// Those of the journal, which is to be committed afterwards.
pub fn take_up<D: Disk>(
    journal: &mut Journal<D>,
    mut earlier: SchedulerBuilder,
    resumed: Resumed,
    keep_failed: bool,
    look_again: impl FnOnce(&mut SchedulerBuilder, &[BlockKey]),
) -> Result<TakenUp, JournalError<D::Error>> {
    for (task, known) in (0..).map(TaskId::new).zip(&resumed.tasks) {
        for cells in known.done.stretches() {
            let _taken = earlier.take_over(task, cells);
        }
    }
    for &(key, attempts) in &resumed.attempts {
        let _is_noted = earlier.note_attempts(key, attempts);
    }
    let is_outside = |open: &&OpenLease| open.worker != INSIDE;
    let out: Vec<BlockKey> = resumed.open.iter().filter(is_outside).map(|open| open.key).collect();
    look_again(&mut earlier, &out);
    let mut lent = earlier.take_up();
    let (mut adopted, mut strange) = (Vec::new(), Vec::new());
    for open in resumed.open {
        let OpenLease { lease, worker, key, is_outdated } = open;
        if worker == INSIDE {
            journal.append(&Record::PutBack { lease, key })?;
        } else if lent.acquire_block(key).is_ok() {
            adopted.push(Adopted { lease, worker, key, is_outdated });
        } else {
            strange.push(Adopted { lease, worker, key, is_outdated });
        }
    }
    let mut failed = Vec::new();
    if keep_failed {
        for (task, known) in (0..).map(TaskId::new).zip(&resumed.tasks) {
            let keys = known.failed.stretches().flatten().map(|cell| BlockKey::new(task, cell));
            // A block that waits for another one now has not failed in this run.
            let acquired = keys.filter(|&key| lent.acquire_block(key).is_ok());
            failed.extend(acquired);
        }
    }
    let mut scheduler = lent.build();
    for &key in &failed {
        let _is_failed = scheduler.fail_for_good(key);
    }
    let (num_foreign, epoch) = (resumed.foreign_open, resumed.epoch);
    let earlier = resumed.tasks.into_iter().map(|task| task.earlier).collect();
    Ok(TakenUp { scheduler, epoch, adopted, strange, num_foreign, failed, earlier })
}

impl TakenUp {
    /// Makes the coordinator, with the leases that it can take up: not with those of too many units of a resource,
    /// say, and with none where all workers of earlier starts must have ended.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn start(
        mut self,
        mut config: CoordinatorConfig,
        all_have_ended: bool,
    ) -> Result<Started, CoordinatorError> {
        let (adopted, misfits) = if all_have_ended {
            (Vec::new(), self.adopted)
        } else {
            let mut adoption = Adoption::new(&self.scheduler, &config)?;
            self.adopted.into_iter().partition(|&one| adoption.admit(one).is_ok())
        };
        for misfit in &misfits {
            self.scheduler.put_back(misfit.key)?;
        }
        self.strange.extend(misfits);
        config.adopted.clone_from(&adopted);
        let coordinator = Coordinator::new(self.scheduler, config)?;
        Ok(Started { coordinator, adopted, strange: self.strange, num_foreign: self.num_foreign })
    }
}

impl Started {
    /// How many blocks workers of earlier starts may be at that cannot be lent back to them.
    #[must_use]
    pub fn num_strange(&self) -> u64 {
        self.strange.len() as u64 + self.num_foreign
    }

    /// Whether anything is left to be lent.
    #[must_use]
    pub fn has_open_blocks(&self) -> bool {
        let scheduler = self.coordinator.scheduler();
        let counts = scheduler.graph().tasks().ids().map(|task| scheduler.counts(task));
        counts.flatten().any(|counts| counts.finished() < counts.total)
    }
}

/// These leases of earlier starts are over, and those of tasks that are not in this run: their workers must have
/// ended.
///
/// # Errors
/// Those of the journal.
pub fn end_leases<D: Disk>(
    journal: &mut Journal<D>,
    leases: &[Adopted],
) -> Result<(), JournalError<D::Error>> {
    for &Adopted { lease, key, .. } in leases {
        journal.append(&Record::PutBack { lease, key })?;
    }
    journal.end_foreign_leases()?;
    journal.commit()
}

#[cfg(test)]
mod tests {
    use daisy_block::{Fit, Layout};
    use daisy_geometry::Roi;
    use daisy_graph::{TaskGraph, TaskNode};
    use daisy_journal::{JournalOptions, MemoryDisk};
    use daisy_sched::{LeaseId, SchedulerOptions, TaskConfig};

    use super::*;

    /// Nine blocks of one task.
    fn earlier() -> SchedulerBuilder {
        let roi = |end: i64| Roi::new([0], [end]).unwrap();
        let layout = Layout::new(roi(90), roi(10), roi(10), Fit::Valid).unwrap();
        let mut tasks = TaskGraph::new();
        tasks.add_task(TaskNode::new("task", layout, true).unwrap()).unwrap();
        Scheduler::builder(tasks, SchedulerOptions::default()).unwrap()
    }

    /// The leases with which a second start begins, of blocks 0 to 3 lent outside and 4 inside in the first.
    fn taken_up() -> (Journal<MemoryDisk>, TakenUp) {
        let graph = earlier();
        let graph = graph.graph().tasks();
        let (mut journal, _) =
            Journal::open(MemoryDisk::default(), graph, JournalOptions::default()).unwrap();
        for number in 0..5 {
            let worker = if number < 4 { WorkerId(number) } else { INSIDE };
            let key = BlockKey::new(TaskId::new(0), number);
            journal.append(&Record::Grant { lease: LeaseId(number), worker, key }).unwrap();
        }
        journal.commit().unwrap();
        let (mut journal, resumed) =
            Journal::open(journal.into_disk(), graph, JournalOptions::default()).unwrap();
        let taken_up = take_up(&mut journal, earlier(), resumed, false, |_, out| {
            assert_eq!(out.len(), 4);
        });
        (journal, taken_up.unwrap())
    }

    fn config() -> CoordinatorConfig {
        let needs = [("gpu".to_owned(), 2)].into();
        let task = TaskConfig { needs, ..TaskConfig::default() };
        let resources = [("gpu".to_owned(), 5)].into();
        CoordinatorConfig { epoch: 1, tasks: vec![task], resources, ..CoordinatorConfig::default() }
    }

    #[test]
    fn leases_of_too_many_units_are_given_back_and_the_others_kept() {
        let (_, taken_up) = taken_up();
        let leases = taken_up.adopted.clone();
        let started = taken_up.start(config(), false).unwrap();
        assert_eq!((&started.adopted[..], &started.strange[..]), leases.split_at(2));
        assert_eq!((started.coordinator.num_out(), started.num_strange()), (2, 2));
        assert!(started.has_open_blocks());
    }

    #[test]
    fn leases_of_workers_that_must_have_ended_are_over_in_the_journal_too() {
        let (mut journal, taken_up) = taken_up();
        let started = taken_up.start(config(), true).unwrap();
        assert_eq!((started.coordinator.num_out(), started.num_strange()), (0, 4));
        end_leases(&mut journal, &started.strange).unwrap();
        let graph = earlier();
        let graph = graph.graph().tasks();
        let (_, resumed) =
            Journal::open(journal.into_disk(), graph, JournalOptions::default()).unwrap();
        assert_eq!(resumed.open, []);
    }
}
