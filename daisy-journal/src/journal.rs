//! The journal of a run that is going on.

use daisy_block::{BlockKey, TaskId};
use daisy_graph::TaskGraph;
use daisy_sched::{Coordinator, Record};

use crate::{
    Damage, Damaged, Disk, Healed, JournalError, JournalOptions, JournalTuning, OpenLease, Origin,
    Resumed, ResumedTask, TaskDescription,
    batch::{Batch, Entry, number_of},
    replay::{Replayed, replay},
    snapshot,
    state::State,
};

/// The journal of a run: records go in by [`append`](Self::append), and to the disk by one
/// [`commit`](Self::commit) for all records of a turn.
///
/// ```text
///          append          commit            sync
///  record -------> batch ----------> file ----------> durable
///                            |                |
///                            '--- failure ----'--> poisoned: every later call is an error
/// ```
///
/// What is answered to workers must have been committed before (and synced, to survive a loss of
/// power), so that the file is always a prefix of history: losing its tail only means that blocks
/// are done again.
#[derive(Debug)]
pub struct Journal<D> {
    disk: D,
    state: State,
    /// The journal's number of each task of this run, by its id.
    numbers: Vec<TaskId>,
    batch: Batch,
    len: u64,
    snapshot: u64,
    tuning: JournalTuning,
    compact_above_bytes: u64,
    is_poisoned: bool,
}

impl<D: Disk> Journal<D> {
    /// Opens the journal on a disk, an empty one as a new journal, and begins a run of `tasks`.
    ///
    /// Tasks are known by their names. Those that the journal does not know are added; those that
    /// are not in this run are kept. A task of which (and of what is downstream) nothing is known
    /// may change. A torn tail is cut off. When this returns, the new epoch is durable.
    ///
    /// Where it fails before the first write, as with all errors but [`JournalError::Disk`], the
    /// file is as it was.
    ///
    /// # Errors
    /// [`JournalError::NotAJournal`], [`JournalError::NewerVersion`], [`JournalError::Damaged`]
    /// (unless the options say otherwise), [`JournalError::Changed`],
    /// [`JournalError::EpochsUsedUp`], [`JournalError::TooLong`], [`JournalError::Disk`].
    pub fn open(
        disk: D,
        tasks: &TaskGraph,
        options: JournalOptions,
    ) -> Result<(Self, Resumed), JournalError<D::Error>> {
        Self::open_with(disk, tasks, &[], options)
    }

    /// As [`open`](Self::open), for a run that says how it makes the blocks of its tasks: one for each, in the
    /// order of their ids.
    ///
    /// Blocks that another version of a task's code made stay done, and leases of workers that have it are told apart
    /// ([`OpenLease::is_outdated`]). Blocks that were written to another array are refused.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`JournalError::NewArray`] unless the options say otherwise.
    pub fn open_with(
        mut disk: D,
        tasks: &TaskGraph,
        origins: &[Origin],
        options: JournalOptions,
    ) -> Result<(Self, Resumed), JournalError<D::Error>> {
        let Replayed { mut state, end, snapshot, len, flaw } = replay(&mut disk)?;
        let bytes = len - end;
        let damaged = flaw.map(|flaw| Damaged { offset: end, bytes, flaw });
        if let (Some(Damaged { offset, bytes, flaw }), Damage::Refuse) = (&damaged, options.damage)
        {
            let (offset, bytes, flaw) = (*offset, *bytes, flaw.clone());
            return Err(JournalError::Damaged { offset, bytes, flaw });
        }
        let is_torn = damaged.is_none() && bytes > 0;
        let healed = is_torn.then_some(Healed { offset: end, bytes });

        let mut news = Vec::new();
        let numbers = match_tasks(&mut state, tasks, &mut news)?;
        let epoch = state.epoch().map_or(0, |last| last + 1);
        if epoch > Coordinator::MAX_EPOCH {
            return Err(JournalError::EpochsUsedUp);
        }
        for (number, origin) in numbers.iter().zip(origins) {
            note_origin(&mut state, number_of(*number), origin, (epoch, options), &mut news)?;
        }
        let resumed = resume(&state, &numbers, epoch);
        // The first epoch, or one more than the last, is never refused.
        let _is_next = state.start(epoch);
        let mut journal = Self {
            disk,
            state,
            numbers,
            batch: Batch::new(Some(epoch), options.tuning),
            len: end,
            snapshot,
            compact_above_bytes: options.compact_above_bytes,
            tuning: options.tuning,
            is_poisoned: false,
        };
        if end == 0 {
            journal.rewrite()?;
            journal.snapshot = 0;
        } else {
            let mut batch = Batch::new(None, options.tuning);
            batch.push(Entry::Start { epoch });
            news.extend_from_slice(batch.seal());
            journal.begin_at(end, len, &news)?;
        }
        Ok((journal, Resumed { healed, damaged, ..resumed }))
    }

    /// Takes a record into the batch.
    ///
    /// Grants come in the order of their leases' numbers, as a coordinator makes them. The record of
    /// the start of this run has been written by [`open`](Self::open).
    ///
    /// # Errors
    /// [`JournalError::Refused`] for what cannot be true after all records so far: an unknown or
    /// finished block, a lease that is not open, another start; nothing has happened then, and the
    /// journal goes on.
    /// [`JournalError::Poisoned`].
    #[inline]
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError<D::Error>> {
        if self.is_poisoned {
            return Err(JournalError::Poisoned);
        }
        let local = self.in_own_numbers(record);
        if let Err(refusal) = self.state.apply(&local) {
            return Err(JournalError::Refused { record: *record, refusal });
        }
        self.batch.push(Entry::of(&local));
        Ok(())
    }

    /// Ends all leases of tasks that are not in this run: their workers are known to have ended. The
    /// blocks are undone again.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`].
    pub fn end_foreign_leases(&mut self) -> Result<(), JournalError<D::Error>> {
        if self.is_poisoned {
            return Err(JournalError::Poisoned);
        }
        let numbers = &self.numbers;
        self.batch.put_back(&mut self.state, |task| !numbers.contains(&task));
        Ok(())
    }

    /// Writes all records since the last commit with one append; they survive the death of this
    /// process, but not yet a loss of power. Without records it does nothing.
    ///
    /// # Errors
    /// [`JournalError::Disk`], which poisons the journal; [`JournalError::Poisoned`].
    pub fn commit(&mut self) -> Result<(), JournalError<D::Error>> {
        if self.is_poisoned {
            return Err(JournalError::Poisoned);
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let frames = self.batch.seal();
        let written = self.disk.append(frames);
        self.len += frames.len() as u64;
        self.batch.clear();
        self.poison_on(written)
    }

    /// Makes all that is committed durable.
    ///
    /// # Errors
    /// [`JournalError::Disk`], which poisons the journal; [`JournalError::Poisoned`].
    pub fn sync(&mut self) -> Result<(), JournalError<D::Error>> {
        if self.is_poisoned {
            return Err(JournalError::Poisoned);
        }
        let synced = self.disk.sync();
        self.poison_on(synced)
    }

    /// Stops the journal as a failed write of its own would: for a disk whose syncs are done
    /// elsewhere, where one has failed.
    pub const fn poison(&mut self) {
        self.is_poisoned = true;
    }

    /// Whether the file has grown so much since its last snapshot that another one is due.
    #[must_use]
    pub const fn wants_compaction(&self) -> bool {
        self.len > self.compact_above_bytes && self.len / 2 > self.snapshot
    }

    /// Commits, and then puts a snapshot of everything known in the place of the file: atomic and
    /// durable. O(stretches of done blocks), in memory too.
    ///
    /// # Errors
    /// [`JournalError::Disk`], which poisons the journal; [`JournalError::Poisoned`].
    pub fn compact(&mut self) -> Result<(), JournalError<D::Error>> {
        self.commit()?;
        self.state.optimize();
        self.rewrite()
    }

    /// Commits, and gives a snapshot of everything known, for whoever puts it in the place of the file by
    /// itself: together with what is committed from now on it is as good as that, and shorter. O(stretches
    /// of done blocks), in memory too.
    ///
    /// # Errors
    /// [`JournalError::Disk`], which poisons the journal; [`JournalError::Poisoned`].
    pub fn shorter(&mut self) -> Result<Vec<u8>, JournalError<D::Error>> {
        self.commit()?;
        self.state.optimize();
        snapshot::write(&self.state, self.tuning)
    }

    /// The disk has a snapshot of so many bytes now in the place of its first `from` ones.
    pub const fn note_replaced(&mut self, from: u64, snapshot: u64) {
        self.len = self.len.saturating_sub(from).saturating_add(snapshot);
        self.snapshot = snapshot;
    }

    /// The length of the file in bytes, without what is not committed.
    #[must_use]
    pub const fn len_bytes(&self) -> u64 {
        self.len
    }

    /// The disk.
    #[must_use]
    pub const fn disk(&self) -> &D {
        &self.disk
    }

    /// The disk, to be told things that do not concern the journal.
    #[must_use]
    pub const fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Ends the use of the journal; what is not committed is lost.
    #[must_use]
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// Cuts the file off at its good end and writes what a new run begins with.
    fn begin_at(&mut self, end: u64, len: u64, news: &[u8]) -> Result<(), JournalError<D::Error>> {
        if end < len {
            self.disk.truncate(end).map_err(JournalError::Disk)?;
        }
        self.disk.append(news).map_err(JournalError::Disk)?;
        self.len += news.len() as u64;
        self.disk.sync().map_err(JournalError::Disk)
    }

    fn rewrite(&mut self) -> Result<(), JournalError<D::Error>> {
        let content = snapshot::write(&self.state, self.tuning)?;
        let replaced = self.disk.replace(&content);
        self.len = content.len() as u64;
        self.snapshot = self.len;
        self.poison_on(replaced)
    }

    fn poison_on(&mut self, done: Result<(), D::Error>) -> Result<(), JournalError<D::Error>> {
        done.map_err(|error| {
            self.is_poisoned = true;
            JournalError::Disk(error)
        })
    }

    /// The record with the journal's number of its task.
    #[inline]
    fn in_own_numbers(&self, record: &Record) -> Record {
        let mut local = *record;
        match &mut local {
            Record::Start { .. } => {}
            Record::Grant { key, .. }
            | Record::Done { key, .. }
            | Record::Attempt { key, .. }
            | Record::Failed { key, .. }
            | Record::PutBack { key, .. } => {
                // A task that is not in this run becomes one that no journal has.
                let none = TaskId::new(u32::MAX);
                key.task = self.numbers.get(key.task.index()).copied().unwrap_or(none);
            }
        }
        local
    }
}

/// Finds or adds each task of a run; the journal's numbers by task id, and in `news` the frames
/// that the file lacks.
fn match_tasks<E>(
    state: &mut State,
    tasks: &TaskGraph,
    news: &mut Vec<u8>,
) -> Result<Vec<TaskId>, JournalError<E>> {
    let mut numbers = Vec::new();
    for task in tasks.ids() {
        let now = TaskDescription::of(tasks, task).map_err(JournalError::Graph)?;
        let known = state.number(&now.name).and_then(|number| state.tasks().get(number as usize));
        let before = known.map(|known| &known.description);
        if before != Some(&now) {
            if let Some(before) = before
                && let Some(field) = before.first_difference(&now)
                && !state.may_change(&now.name)
            {
                let (before, task) = (Box::new(before.clone()), now.name.clone());
                return Err(JournalError::Changed { task, field, before, now: Box::new(now) });
            }
            snapshot::put_task_frame(news, &now)?;
            // That it may change has been made sure of.
            let _may_change = state.describe(now.clone());
        }
        numbers.push(TaskId::new(state.number(&now.name).unwrap_or(u32::MAX)));
    }
    Ok(numbers)
}

/// Takes over how a run makes the blocks of one task; in `news` the frames that the file lacks.
fn note_origin<E>(
    state: &mut State,
    number: u32,
    origin: &Origin,
    (epoch, options): (u32, JournalOptions),
    news: &mut Vec<u8>,
) -> Result<(), JournalError<E>> {
    let Some(task) = state.tasks().get(number as usize) else { return Ok(()) };
    let before = task.origin.now();
    let new_array = task.origin.new_array(origin).filter(|_| !task.done.is_empty());
    if let Some(array) = new_array.filter(|_| !options.accept_new_arrays) {
        let (task, done) = (task.description.name.clone(), task.done.num_cells());
        return Err(JournalError::NewArray { task, array: array.to_owned(), done });
    }
    let has_other_arrays = !origin.arrays.is_empty() && before.arrays != origin.arrays;
    if before.version != origin.version {
        snapshot::put_version_frame(news, number, epoch, origin.version.as_deref())?;
        // The task is there.
        let _is_known = state.set_version(number, origin.version.clone(), epoch);
    }
    if has_other_arrays {
        snapshot::put_arrays_frame(news, number, &origin.arrays)?;
        let _is_known = state.set_arrays(number, origin.arrays.clone());
    }
    Ok(())
}

/// What the state means to a run whose tasks have these numbers.
fn resume(state: &State, numbers: &[TaskId], epoch: u32) -> Resumed {
    let mut ids: Vec<Option<TaskId>> = vec![None; state.tasks().len()];
    for (id, number) in (0..).map(TaskId::new).zip(numbers) {
        if let Some(place) = ids.get_mut(number.index()) {
            *place = Some(id);
        }
    }
    let id_of = |number: TaskId| ids.get(number.index()).copied().flatten();
    let (mut tasks, mut attempts) = (Vec::new(), Vec::new());
    for (id, number) in (0..).map(TaskId::new).zip(numbers) {
        let Some(task) = state.tasks().get(number_of(*number) as usize) else { continue };
        let (done, failed) = (task.done.clone(), task.failed.clone());
        tasks.push(ResumedTask { done, failed, earlier: task.origin.earlier().to_vec() });
        attempts.extend(task.attempts.iter().map(|(&cell, &n)| (BlockKey::new(id, cell), n)));
    }
    let open: Vec<OpenLease> = state
        .open()
        .iter()
        .filter_map(|(lease, lent)| {
            let key = BlockKey::new(id_of(lent.key.task)?, lent.key.cell);
            let is_outdated = state.is_outdated(lease, lent.key.task);
            Some(OpenLease { lease, worker: lent.worker, key, is_outdated })
        })
        .collect();
    let foreign_open = state.open().len() - open.len() as u64;
    Resumed { epoch, tasks, open, attempts, foreign_open, healed: None, damaged: None }
}
