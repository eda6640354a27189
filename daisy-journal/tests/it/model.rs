//! A journal as a child would write it: one entry for each block, everything looked up by hand.

use std::collections::BTreeMap;

use daisy_block::{BlockKey, TaskId};
use daisy_journal::{Contents, Resumed};
use daisy_sched::{LeaseId, Record, WorkerId};

/// What is known of a block that is not untouched. A lent block keeps its attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) done: bool,
    pub(crate) failed: bool,
    pub(crate) lease: Option<(LeaseId, WorkerId)>,
    pub(crate) attempts: Option<u32>,
}

/// Blocks by the name of their task and their cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) epoch: Option<u32>,
    pub(crate) next_lease: u64,
    pub(crate) blocks: BTreeMap<(String, u64), Fate>,
}

impl Model {
    /// Follows a record; whether it can be true.
    pub(crate) fn apply(&mut self, record: &Record, name: &str, num_cells: u64) -> bool {
        if let Record::Grant { lease, worker, key } = *record {
            let fate = self.fate(name, key.cell);
            let may = key.cell < num_cells
                && lease.0 >= self.next_lease
                && Some((lease.0 >> 40) as u32) == self.epoch
                && fate.lease.is_none()
                && !fate.done;
            if may {
                self.next_lease = lease.0 + 1;
                self.set(
                    name,
                    key.cell,
                    Fate { lease: Some((lease, worker)), failed: false, ..fate },
                );
            }
            return may;
        }
        let (lease, cell, settled): (_, _, fn(Fate, u32) -> Fate) = match *record {
            Record::Start { .. } | Record::Grant { .. } => return false,
            Record::Done { lease, key } => {
                (lease, key.cell, |fate, _| Fate { done: true, attempts: None, ..fate })
            }
            Record::Attempt { lease, key, .. } => {
                (lease, key.cell, |fate, n| Fate { attempts: Some(n), ..fate })
            }
            Record::Failed { lease, key, .. } => {
                (lease, key.cell, |fate, _| Fate { failed: true, attempts: None, ..fate })
            }
            Record::PutBack { lease, key } => (lease, key.cell, |fate, _| fate),
        };
        let fate = self.fate(name, cell);
        let may = fate.lease.is_some_and(|(open, _)| open == lease);
        if may {
            let attempts = match *record {
                Record::Attempt { attempts, .. } => attempts,
                _ => 0,
            };
            self.set(name, cell, settled(Fate { lease: None, ..fate }, attempts));
        }
        may
    }

    pub(crate) fn fate(&self, name: &str, cell: u64) -> Fate {
        self.blocks.get(&(name.to_owned(), cell)).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, name: &str, cell: u64, fate: Fate) {
        if fate == Fate::default() {
            self.blocks.remove(&(name.to_owned(), cell));
        } else {
            self.blocks.insert((name.to_owned(), cell), fate);
        }
    }

    /// What a file says; epoch and blocks only.
    pub(crate) fn of(contents: &Contents) -> Self {
        let mut model = Self { epoch: contents.epoch, ..Self::default() };
        let name = |task: TaskId| contents.tasks[task.index()].description.name.clone();
        for (task, known) in (0..).map(TaskId::new).zip(&contents.tasks) {
            for cell in known.done.stretches().flatten() {
                model.change(name(task), cell, |fate| fate.done = true);
            }
            for cell in known.failed.stretches().flatten() {
                model.change(name(task), cell, |fate| fate.failed = true);
            }
            for &(cell, attempts) in &known.attempts {
                model.change(name(task), cell, |fate| fate.attempts = Some(attempts));
            }
            let num_open = contents.open.iter().filter(|open| open.key.task == task).count();
            assert_eq!(known.num_open, num_open as u64);
        }
        for open in &contents.open {
            let lease = Some((open.lease, open.worker));
            model.change(name(open.key.task), open.key.cell, |fate| fate.lease = lease);
        }
        model
    }

    fn change(&mut self, name: String, cell: u64, change: impl FnOnce(&mut Fate)) {
        change(self.blocks.entry((name, cell)).or_default());
    }

    /// The same blocks with nothing said about numbers that are to come.
    pub(crate) fn without_next(&self) -> Self {
        Self { next_lease: 0, ..self.clone() }
    }

    /// Compares with what a run of tasks of these names learns.
    pub(crate) fn check_resumed(&self, resumed: &Resumed, names: &[String]) {
        let mut found = Self { epoch: self.epoch, ..Self::default() };
        for (name, task) in names.iter().zip(&resumed.tasks) {
            for cell in task.done.stretches().flatten() {
                found.change(name.clone(), cell, |fate| fate.done = true);
            }
            for cell in task.failed.stretches().flatten() {
                found.change(name.clone(), cell, |fate| fate.failed = true);
            }
        }
        let name = |key: BlockKey| names[key.task.index()].clone();
        for &(key, attempts) in &resumed.attempts {
            found.change(name(key), key.cell, |fate| fate.attempts = Some(attempts));
        }
        for open in &resumed.open {
            let lease = Some((open.lease, open.worker));
            found.change(name(open.key), open.key.cell, |fate| fate.lease = lease);
        }
        let mut expected = self.without_next();
        expected.blocks.retain(|(name, _), _| names.contains(name));
        assert_eq!(found, expected);
        let foreign = self.blocks.iter().filter(|((name, _), _)| !names.contains(name));
        let foreign_open = foreign.filter(|(_, fate)| fate.lease.is_some()).count();
        assert_eq!(resumed.foreign_open, foreign_open as u64);
        assert_eq!(resumed.epoch, self.epoch.map_or(0, |last| last + 1));
    }
}
