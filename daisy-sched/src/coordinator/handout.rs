//! Who gets which block: exactly those workers are looked at that a change can feed.

use core::ops::Bound;

use daisy_block::{BlockKey, TaskId};

use super::{Coordinator, CoordinatorError, Output, WorkerId};

impl Coordinator {
    /// Whether the scheduler left something that matters for the next call.
    pub(super) const fn has_backlog(&self) -> bool {
        self.scheduler.has_backlog() && !self.is_draining && !self.is_done
    }

    /// Goes on where the scheduler stopped since a call must not take too long.
    pub(super) fn go_on(&mut self) -> Result<(), CoordinatorError> {
        self.scheduler.work();
        for place in 0..self.ids.len() {
            let task = self.ids[place];
            if self.tasks[place].is_hungry() {
                self.hand_out(task)?;
            }
            self.end_if_over(task)?;
        }
        Ok(())
    }

    pub(super) fn put_out_orphans(&mut self) {
        for (task, cells) in self.scheduler.take_orphans() {
            self.outputs.push_back(Output::Orphaned { task, cells });
        }
    }

    /// Something changed in a task: blocks of it or downstream of it may be ready, units of resources
    /// free, or the task may be over.
    #[inline]
    pub(super) fn move_on(&mut self, task: TaskId) -> Result<(), CoordinatorError> {
        let row = &self.tasks[task.index()];
        let num_downstream = row.downstream.len();
        if row.is_hungry() || !row.needs.is_empty() {
            self.hand_out(task)?;
        }
        for place in 0..num_downstream {
            let reader = self.tasks[task.index()].downstream[place];
            if self.tasks[reader.index()].is_hungry() {
                self.hand_out(reader)?;
            }
        }
        if self.tasks[task.index()].out == 0 {
            self.end_if_over(task)?;
        }
        Ok(())
    }

    /// Hands out blocks of a task to those that wait for them.
    pub(super) fn hand_out(&mut self, task: TaskId) -> Result<(), CoordinatorError> {
        if self.tasks[task.index()].needs.is_empty() {
            self.hand_out_of(task, None)
        } else {
            self.hand_out_needy()
        }
    }

    /// Hands out blocks to a worker that wants some and is in no waiting list yet.
    #[inline]
    pub(super) fn hand_out_to(
        &mut self,
        task: TaskId,
        worker: WorkerId,
    ) -> Result<(), CoordinatorError> {
        let row = &self.tasks[task.index()];
        if row.idle.is_empty() && row.needs.is_empty() {
            self.hand_out_of(task, Some(worker))
        } else {
            self.reseat(worker);
            self.hand_out(task)
        }
    }

    /// Hands out blocks of one task: to `first`, or to those that wait.
    pub(super) fn hand_out_of(
        &mut self,
        task: TaskId,
        first: Option<WorkerId>,
    ) -> Result<(), CoordinatorError> {
        let row = &self.tasks[task.index()];
        if self.is_draining || row.stop.is_some() || row.ending.is_some() {
            first.into_iter().for_each(|worker| self.reseat(worker));
            return Ok(());
        }
        let checks_before = row.checks_before;
        let mut share = None;
        let mut ran_dry = false;
        while let Some((worker, is_idle)) = self.next_taker(task, first, &mut share)? {
            if !self.has_block(task, is_idle) || !self.has_budget(task) {
                break;
            }
            let Some((key, is_suspect)) = self.next_block(task, is_idle)? else {
                ran_dry = true;
                break;
            };
            self.grant(key, worker);
            if is_suspect && let Some(member) = self.workers.get_mut(worker.0) {
                member.is_alone = true;
            }
            self.reseat_mates(worker);
            if first.is_none() {
                self.reseat(worker);
            }
        }
        if let Some(worker) = first {
            self.reseat(worker);
        }
        if checks_before {
            self.check_ahead(task)?;
        }
        self.staff(task)?;
        if !self.tasks[task.index()].idle.is_empty() {
            self.watch_queues(task);
        }
        if ran_dry { self.end_if_over(task) } else { Ok(()) }
    }

    /// The next worker that can take a block, and whether it has none.
    ///
    /// Beyond its first block, a worker gets no more than its share of all blocks that can run now.
    #[inline]
    fn next_taker(
        &mut self,
        task: TaskId,
        first: Option<WorkerId>,
        share: &mut Option<usize>,
    ) -> Result<Option<(WorkerId, bool)>, CoordinatorError> {
        if let Some(worker) = first {
            let Some(member) = self.workers.get(worker.0) else { return Ok(None) };
            let beside = self.beside(worker);
            let is_alone = member.is_alone || beside.is_suspect;
            if member.wanted == 0 || is_alone || member.is_retired {
                return Ok(None);
            }
            let num_blocks = member.leases.len();
            let may_take = num_blocks == 0 || num_blocks < self.share(task, share)?;
            return Ok(may_take.then_some((worker, num_blocks == 0 && !beside.is_busy)));
        }
        if let Some(&worker) = self.tasks[task.index()].idle.first() {
            return Ok(Some((worker, true)));
        }
        if self.tasks[task.index()].busy.is_empty() {
            return Ok(None);
        }
        let share = self.share(task, share)?;
        let num_busy = self.tasks[task.index()].busy.len();
        for _ in 0..self.config.tuning.busy_workers_per_turn.clamp(1, num_busy) {
            let row = &mut self.tasks[task.index()];
            let current = row.busy_place;
            let from_here = |bound: Bound<WorkerId>| (bound, Bound::Unbounded);
            let here = row.busy.range(from_here(Bound::Included(current))).next();
            let Some(&worker) = here.or_else(|| row.busy.first()) else { return Ok(None) };
            if self.workers.get(worker.0).is_some_and(|member| member.leases.len() < share) {
                row.busy_place = worker;
                return Ok(Some((worker, false)));
            }
            row.busy_place = WorkerId(worker.0.saturating_add(1));
        }
        let is_left_out = num_busy > self.config.tuning.busy_workers_per_turn;
        self.busy_left_out += u64::from(is_left_out);
        Ok(None)
    }

    fn share(&self, task: TaskId, known: &mut Option<usize>) -> Result<usize, CoordinatorError> {
        if let Some(share) = *known {
            return Ok(share);
        }
        let joined = u64::from(self.tasks[task.index()].joined);
        let share = if joined <= 1 {
            usize::MAX
        } else {
            let counts = self.scheduler.counts(task)?;
            usize::try_from((counts.ready + counts.processing).div_ceil(joined))
                .unwrap_or(usize::MAX)
        };
        *known = Some(share);
        Ok(share)
    }

    /// Whether there seems to be a block for a worker.
    #[inline]
    fn has_block(&self, task: TaskId, is_idle: bool) -> bool {
        let row = &self.tasks[task.index()];
        let is_ready = if row.checks_before {
            !row.held.is_empty()
        } else {
            row.asked.is_none() && self.scheduler.has_ready(task)
        };
        is_ready || (is_idle && !row.held_suspects.is_empty())
    }

    /// Whether there seems to be anything for a worker to do in a task.
    pub(super) fn has_work(&self, task: TaskId) -> bool {
        self.has_block(task, true)
    }

    /// Takes the next block for a worker; it counts as processing. A suspect goes only to a worker
    /// that has nothing else.
    #[inline]
    fn next_block(
        &mut self,
        task: TaskId,
        is_idle: bool,
    ) -> Result<Option<(BlockKey, bool)>, CoordinatorError> {
        let row = &mut self.tasks[task.index()];
        if is_idle && let Some(key) = row.held_suspects.pop_front() {
            self.scheduler.start(key)?;
            return Ok(Some((key, true)));
        }
        if row.checks_before {
            let Some(key) = row.held.pop_front() else { return Ok(None) };
            self.scheduler.start(key)?;
            return Ok(Some((key, false)));
        }
        if row.asked.is_some() {
            return Ok(None);
        }
        if !self.suspects.is_empty() {
            return self.next_block_with_suspects(task, is_idle);
        }
        let key = self.scheduler.acquire_from(task);
        if key.is_none() {
            self.ask();
        }
        Ok(key.map(|key| (key, false)))
    }

    /// Sets suspects aside until a worker without blocks wants one.
    fn next_block_with_suspects(
        &mut self,
        task: TaskId,
        is_idle: bool,
    ) -> Result<Option<(BlockKey, bool)>, CoordinatorError> {
        loop {
            let Some(key) = self.scheduler.hold_from(task) else {
                self.ask();
                return Ok(None);
            };
            let is_suspect = self.suspects.contains(&key);
            if is_suspect && !is_idle {
                self.tasks[task.index()].held_suspects.push_back(key);
                continue;
            }
            self.scheduler.start(key)?;
            return Ok(Some((key, is_suspect)));
        }
    }
}
