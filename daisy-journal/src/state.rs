//! What a journal says: the same code follows records as they are written and as they are replayed.
//!
//! ```text
//!               Grant                      Done
//!   untouched --------> lent ------------------------------> done
//!       ^  ^             | | |  Attempt                       |
//!       |  '-- PutBack --' | '---------> attempted            |
//!       |                  |                 |  Grant         |
//!       |                  | Failed          '-----> lent     |
//!       |                  '-------> failed -------> lent     |
//!       '---------------------- forget -----------------------'
//! ```
//! A block in `lent` remembers its failed attempts until it is done or has failed for good. Whatever
//! is refused leaves everything as it was.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};

use daisy_block::{BlockKey, TaskId, Tiling};
use daisy_sched::{Coordinator, LeaseId, Record};

use crate::{
    Cells, Refusal, TaskDescription,
    batch::number_of,
    open::{Lent, OpenLeases},
    origin::TaskOrigin,
};

/// How a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Attempt { attempts: u32 },
    Failed { attempts: u32 },
    PutBack,
}

/// Everything a journal says; tasks have the journal's own numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    epoch: Option<u32>,
    tasks: Vec<TaskState>,
    numbers: BTreeMap<String, u32>,
    open: OpenLeases,
}

/// What is known of one task.
#[derive(Clone, Debug)]
pub(crate) struct TaskState {
    pub(crate) description: TaskDescription,
    num_cells: u64,
    /// Done, failed and lent are disjoint.
    pub(crate) done: Cells,
    pub(crate) failed: Cells,
    lent: Cells,
    /// Failed attempts of blocks that are neither done nor failed for good.
    pub(crate) attempts: BTreeMap<u64, u32>,
    pub(crate) origin: TaskOrigin,
}

impl State {
    pub(crate) const fn epoch(&self) -> Option<u32> {
        self.epoch
    }

    pub(crate) fn tasks(&self) -> &[TaskState] {
        &self.tasks
    }

    /// The journal's number of a task.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The open leases.
    pub(crate) const fn open(&self) -> &OpenLeases {
        &self.open
    }

    /// Adds a task, or describes one anew of which nothing is known.
    pub(crate) fn describe(&mut self, description: TaskDescription) -> Result<(), Refusal> {
        let num_cells = Tiling::new(&description.layout).num_cells();
        let Some(number) = self.number(&description.name) else {
            let number = self.tasks.len() as u32;
            self.numbers.insert(description.name.clone(), number);
            self.tasks.push(TaskState {
                description,
                num_cells,
                done: Cells::new(),
                failed: Cells::new(),
                lent: Cells::new(),
                attempts: BTreeMap::new(),
                origin: TaskOrigin::default(),
            });
            return Ok(());
        };
        if !self.may_change(&description.name) {
            return Err(Refusal::Described { name: description.name });
        }
        if let Some(task) = self.tasks.get_mut(number as usize) {
            task.description = description;
            task.num_cells = num_cells;
        }
        Ok(())
    }

    /// From an epoch on the blocks of a task are made by this version of its code.
    pub(crate) fn set_version(
        &mut self,
        number: u32,
        version: Option<String>,
        since: u32,
    ) -> Result<(), Refusal> {
        let task = self.tasks.get_mut(number as usize).ok_or(Refusal::UnknownTask { number })?;
        task.origin.set_version(version, since, &task.done);
        Ok(())
    }

    /// From now on the blocks of a task are written to these arrays.
    pub(crate) fn set_arrays(
        &mut self,
        number: u32,
        arrays: BTreeMap<String, u128>,
    ) -> Result<(), Refusal> {
        let task = self.tasks.get_mut(number as usize).ok_or(Refusal::UnknownTask { number })?;
        task.origin.set_arrays(arrays);
        Ok(())
    }

    /// Whether an open lease of a task is of a worker with another version of its code than now.
    pub(crate) fn is_outdated(&self, lease: LeaseId, task: TaskId) -> bool {
        self.tasks.get(task.index()).is_some_and(|task| task.origin.is_outdated(lease.0))
    }

    /// Whether nothing is known of a task's blocks, nor of those of any task downstream: with other
    /// ROIs, other blocks downstream might read it. O(tasks + edges).
    pub(crate) fn may_change(&self, name: &str) -> bool {
        let mut downstream: BTreeMap<&str, Vec<&TaskState>> = BTreeMap::new();
        for task in &self.tasks {
            for up in &task.description.upstream {
                downstream.entry(up).or_default().push(task);
            }
        }
        let (mut seen, mut ahead) = (BTreeSet::from([name]), vec![name]);
        while let Some(name) = ahead.pop() {
            let task = self.number(name).and_then(|number| self.tasks.get(number as usize));
            if !task.is_none_or(TaskState::is_blank) {
                return false;
            }
            for task in downstream.get(name).into_iter().flatten() {
                if seen.insert(&task.description.name) {
                    ahead.push(&task.description.name);
                }
            }
        }
        true
    }

    /// Makes the state follow a record of the run that goes on; its task has the journal's number.
    #[inline]
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), Refusal> {
        match *record {
            Record::Start { .. } => Err(Refusal::HasBegun { epoch: self.epoch.unwrap_or(0) }),
            Record::Grant { lease, worker, key } => self.grant(one(lease)?, Lent { worker, key }),
            Record::Done { lease, key } => self.settle(one(lease)?, Some(key), Ending::Done),
            Record::Attempt { lease, key, attempts } => {
                self.settle(one(lease)?, Some(key), Ending::Attempt { attempts })
            }
            Record::Failed { lease, key, attempts } => {
                self.settle(one(lease)?, Some(key), Ending::Failed { attempts })
            }
            Record::PutBack { lease, key } => self.settle(one(lease)?, Some(key), Ending::PutBack),
        }
    }

    /// A run begins. Leases of earlier ones stay open: their workers may still be at work.
    pub(crate) const fn start(&mut self, epoch: u32) -> Result<(), Refusal> {
        let comes_after = match self.epoch {
            Some(last) => epoch > last,
            None => true,
        };
        if !comes_after || epoch > Coordinator::MAX_EPOCH {
            return Err(Refusal::Epoch { found: epoch, last: self.epoch });
        }
        self.epoch = Some(epoch);
        Ok(())
    }

    /// Lends the block of `first` and those behind it, one for each lease.
    #[inline]
    pub(crate) fn grant(&mut self, leases: Range<u64>, first: Lent) -> Result<(), Refusal> {
        let lease = LeaseId(leases.start);
        if self.epoch.is_none_or(|epoch| {
            [leases.start, leases.end - 1].iter().any(|lease| lease >> 40 != u64::from(epoch))
        }) {
            return Err(Refusal::OtherEpoch { lease, epoch: self.epoch });
        }
        let (cells, number) = (cells_behind(first.key, &leases), first.key.task);
        self.lend(leases, first)?;
        if let Some(task) = self.tasks.get_mut(number.index())
            && !task.failed.is_empty()
        {
            task.failed.remove_all(&cells);
        }
        Ok(())
    }

    #[inline]
    fn lend(&mut self, leases: Range<u64>, first: Lent) -> Result<(), Refusal> {
        let key = first.key;
        let cells = cells_behind(key, &leases);
        self.open.check(&leases)?;
        let task = self.task_with(key, &cells)?;
        if task.done.meets(&cells) {
            return Err(Refusal::Done { key });
        }
        // One cell is looked for and put in at once: workers mostly take one block at a time.
        let is_single = cells.end == key.cell + 1;
        let is_free = if is_single { task.lent.insert(key.cell) } else { !task.lent.meets(&cells) };
        if !is_free {
            return Err(Refusal::Lent { key });
        }
        if !is_single {
            task.lent.insert_all(cells);
        }
        self.open.open(leases, first);
        Ok(())
    }

    /// Ends leases, the first of which is of block `expected` if that is given.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        mut leases: Range<u64>,
        expected: Option<BlockKey>,
        ending: Ending,
    ) -> Result<(), Refusal> {
        while leases.start < leases.end {
            let (number, cells) = self.open.close(leases.clone(), expected)?;
            leases.start += cells.end - cells.start;
            let Some(task) = self.tasks.get_mut(number.index()) else { continue };
            task.lent.remove_all(&cells);
            match ending {
                Ending::Done | Ending::Failed { .. } => {
                    drop_attempts(&mut task.attempts, &cells);
                    let ended =
                        if ending == Ending::Done { &mut task.done } else { &mut task.failed };
                    ended.insert_all(cells);
                }
                Ending::Attempt { attempts } => {
                    task.attempts.extend(cells.map(|cell| (cell, attempts)));
                }
                Ending::PutBack => {}
            }
        }
        Ok(())
    }

    /// A stretch of blocks of a snapshot that are done, or have failed for good.
    pub(crate) fn restore(
        &mut self,
        number: u32,
        cells: Range<u64>,
        are_done: bool,
    ) -> Result<(), Refusal> {
        let key = BlockKey::new(TaskId::new(number), cells.start);
        let task = self.task_with(key, &cells)?;
        let (target, other) =
            if are_done { (&mut task.done, &task.failed) } else { (&mut task.failed, &task.done) };
        let length = cells.end - cells.start;
        let of_target = if are_done { Refusal::Done { key } } else { Refusal::Failed { key } };
        if other.meets(&cells) {
            return Err(if are_done { Refusal::Failed { key } } else { Refusal::Done { key } });
        }
        if task.lent.meets(&cells) {
            return Err(Refusal::Lent { key });
        }
        drop_attempts(&mut task.attempts, &cells);
        if target.insert_all(cells) == length { Ok(()) } else { Err(of_target) }
    }

    /// The failed attempts of a block of a snapshot.
    pub(crate) fn restore_attempts(&mut self, key: BlockKey, attempts: u32) -> Result<(), Refusal> {
        let task = self.task_with(key, &(key.cell..key.cell.saturating_add(1)))?;
        if task.done.contains(key.cell) {
            return Err(Refusal::Done { key });
        }
        if task.failed.contains(key.cell) {
            return Err(Refusal::Failed { key });
        }
        task.attempts.insert(key.cell, attempts);
        Ok(())
    }

    /// An open lease of a snapshot, of this epoch or an earlier one.
    pub(crate) fn restore_open(&mut self, lease: LeaseId, lent: Lent) -> Result<(), Refusal> {
        if self.epoch.is_none_or(|epoch| lease.0 >> 40 > u64::from(epoch)) {
            return Err(Refusal::OtherEpoch { lease, epoch: self.epoch });
        }
        let task = self.tasks.get(lent.key.task.index());
        if task.is_some_and(|task| task.failed.contains(lent.key.cell)) {
            return Err(Refusal::Failed { key: lent.key });
        }
        self.lend(one(lease)?, lent)
    }

    /// Makes a stretch of blocks undone, as if nothing had ever been tried; none may be lent.
    pub(crate) fn forget(&mut self, number: u32, cells: &Range<u64>) -> Result<(), Refusal> {
        let key = BlockKey::new(TaskId::new(number), cells.start);
        let task = self.task_with(key, cells)?;
        if task.lent.meets(cells) {
            return Err(Refusal::Lent { key });
        }
        task.done.remove_all(cells);
        task.failed.remove_all(cells);
        drop_attempts(&mut task.attempts, cells);
        task.origin.forget(cells);
        Ok(())
    }

    /// Makes the state take as little memory as it can.
    pub(crate) fn optimize(&mut self) {
        for task in &mut self.tasks {
            task.done.optimize();
            task.failed.optimize();
        }
    }

    /// The task of `key`, which has all of `cells`.
    fn task_with(&mut self, key: BlockKey, cells: &Range<u64>) -> Result<&mut TaskState, Refusal> {
        let task = self.tasks.get_mut(number_of(key.task) as usize);
        let has_all = |task: &&mut TaskState| !cells.is_empty() && cells.end <= task.num_cells;
        task.filter(has_all).ok_or(Refusal::UnknownBlock { key })
    }
}

impl TaskState {
    pub(crate) const fn num_cells(&self) -> u64 {
        self.num_cells
    }

    /// How many blocks are lent.
    pub(crate) fn num_lent(&self) -> u64 {
        self.lent.num_cells()
    }

    /// Whether anything is known of some of these blocks.
    pub(crate) fn knows_any(&self, cells: &Range<u64>) -> bool {
        self.done.meets(cells)
            || self.failed.meets(cells)
            || self.attempts.range(cells.clone()).next().is_some()
    }

    /// Whether nothing is known of any block.
    fn is_blank(&self) -> bool {
        let Self { done, failed, lent, attempts, .. } = self;
        done.is_empty() && failed.is_empty() && lent.is_empty() && attempts.is_empty()
    }
}

/// One lease as a run of them.
#[inline]
const fn one(lease: LeaseId) -> Result<Range<u64>, Refusal> {
    match lease.0.checked_add(1) {
        Some(end) => Ok(lease.0..end),
        None => Err(Refusal::LeaseNotOpen { lease }),
    }
}

/// As many cells from that of `first` on as there are leases.
const fn cells_behind(first: BlockKey, leases: &Range<u64>) -> Range<u64> {
    first.cell..first.cell.saturating_add(leases.end - leases.start)
}

#[inline]
fn drop_attempts(attempts: &mut BTreeMap<u64, u32>, cells: &Range<u64>) {
    if attempts.is_empty() {
        return;
    }
    while let Some((&cell, _)) = attempts.range(cells.clone()).next() {
        attempts.remove(&cell);
    }
}
