//! What the threads of a task do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{CheckId, Ending, Input, Lease, LookAhead, Stage, WorkerId, WorkerKind};

use super::{
    call::{self, BlockError},
    hub::{Hub, State},
    inquiry::{Answer, Inquiry},
    seat::{Done, Seat},
    stats::BlockTimes,
};
use crate::{Loan, Task, task::Inner};

/// What a worker has to do next.
enum Next {
    /// There are blocks on its desk.
    Blocks,
    /// A block that it ran is to be checked.
    Check(CheckId, BlockKey),
    /// Nothing more.
    End,
}

/// A worker thread, from its start to its end.
struct Worker<'a> {
    hub: &'a Hub,
    slot: usize,
    id: WorkerId,
    task: TaskId,
    handle: &'a Task,
    seat: Arc<Seat>,
    ahead: LookAhead,
    times: BlockTimes,
}

/// Works for a task until there is nothing more to do, and leaves what it measured.
pub(super) fn work(hub: &Hub, slot: usize) {
    let row = hub.lock().turn(|state| {
        let row = &state.rows[slot];
        (row.worker, row.task, Arc::clone(&row.seat))
    });
    let Some((id, task, seat)) = row else { return };
    hub.init(task);
    let handle = hub.pipeline.task(task);
    let ahead = LookAhead::new(most_ahead(&handle.0));
    let times = BlockTimes::new();
    let times = Worker { hub, slot, id, task, handle, seat, ahead, times }.run();
    let mut held = hub.lock();
    held.written().ledger.task(task).times.merge(&times);
    held.turn(|state| {
        state.end_row(slot);
        hub.wake_driver(state);
    });
}

/// Blocks that hold something dear while they wait, or whose time runs, are given singly.
fn most_ahead(task: &Inner) -> u32 {
    let has_checks = task.checks.before.is_some() || task.checks.after.is_some();
    let is_single = task.timeout.is_some() || !task.needs.is_empty() || has_checks;
    if is_single { 1 } else { LookAhead::MAX_BLOCKS }
}

impl Worker<'_> {
    fn run(mut self) -> BlockTimes {
        let mut answer = None;
        self.join();
        loop {
            match self.exchange(answer.take()) {
                Next::Blocks => self.run_blocks(),
                Next::Check(check, key) => {
                    answer = Some(self.hub.check(check, key, Stage::After));
                }
                Next::End => return self.times,
            }
        }
    }

    fn join(&self) {
        self.hub.lock().turn(|state| {
            let (worker, task, now) = (self.id, self.task, state.machine.now());
            let kind = WorkerKind::Thread;
            if !state.is_closing {
                state.machine.handle(now, Input::Joined { worker, task, kind });
                self.hub.route(state);
            }
        });
    }

    /// Runs the blocks on the desk; comes back early after one that took long, to report it.
    fn run_blocks(&mut self) {
        let mut begin = Instant::now();
        let mut next = self.seat.next(None, begin);
        while let Some(lease) = next {
            let error = self.run_block(&lease);
            let end = Instant::now();
            let time = end - begin;
            self.times.record(lease.key, time);
            let done = Done { lease: lease.id, error };
            if self.ahead.note(time) {
                let mut desk = self.seat.desk();
                desk.done.push(done);
                desk.running_since = None;
                return;
            }
            next = self.seat.next(Some(done), end);
            begin = end;
        }
    }

    #[inline]
    fn run_block(&self, lease: &Lease) -> Option<Box<BlockError>> {
        let tiling = self.handle.0.node.tiling();
        let Some(block) = tiling.block(self.task, lease.key.cell) else {
            let text = format!("there is no block {}", lease.key);
            return Some(Box::new(BlockError::Failed(text)));
        };
        let Some(process) = &self.handle.0.process else {
            let text = "the task has no block function".to_owned();
            return Some(Box::new(BlockError::Failed(text)));
        };
        call::process(process, &block, Loan::of(lease)).err().map(Box::new)
    }

    /// Reports, asks for more, and waits until there is something to do.
    fn exchange(&mut self, answer: Option<Answer>) -> Next {
        let wanted = self.ahead.blocks();
        let mut held = self.hub.lock();
        let mut next = held.turn(|state| {
            self.report(state, answer, wanted);
            self.next(state)
        });
        loop {
            match next {
                Some(Some(next)) => return next,
                Some(None) => held = held.wait(&self.seat.wake, None),
                None => return Next::End,
            }
            next = held.turn(|state| self.next(state));
        }
    }

    fn report(&self, state: &mut State, answer: Option<Answer>, wanted: u32) {
        state.report(self.slot);
        if let Some(answer) = answer {
            state.answer(answer);
        }
        // More than its share would be taken away from the others.
        let counts = state.machine.coordinator.counts(self.task).unwrap_or_default();
        let share = counts.ready / u64::from(self.handle.num_workers().max(1));
        let wanted = u32::try_from(share).unwrap_or(u32::MAX).clamp(1, wanted);
        let lying = self.seat.desk().waiting.len();
        let row = &mut state.rows[self.slot];
        if lying == 0 && wanted > row.asked && !row.is_dismissed {
            let blocks = wanted - row.asked;
            row.asked = wanted;
            let now = state.machine.now();
            state.machine.handle(now, Input::Want { worker: self.id, blocks });
        }
        self.hub.route(state);
    }

    /// What there is to do; None if it has to wait for that.
    fn next(&self, state: &mut State) -> Option<Next> {
        let row = &mut state.rows[self.slot];
        (row.is_parked, row.is_woken) = (false, false);
        if state.is_closing {
            return Some(Next::End);
        }
        if let Some((check, key)) = state.inquiries[self.task.index()].after.pop_front() {
            return Some(Next::Check(check, key));
        }
        if !self.seat.desk().waiting.is_empty() {
            return Some(Next::Blocks);
        }
        if state.rows[self.slot].is_dismissed {
            let (now, ending) = (state.machine.now(), Ending::Left);
            state.machine.handle(now, Input::Ended { worker: self.id, ending });
            self.hub.route(state);
            return Some(Next::End);
        }
        state.rows[self.slot].is_parked = true;
        None
    }
}

/// Makes the checks before blocks of a task, and asks its masks, until the run is over.
///
/// `is_calling` is true while a function of the user runs; it changes under the hub's lock.
pub(super) fn make_checks(hub: &Hub, task: TaskId, is_calling: &AtomicBool) {
    hub.init(task);
    let mut held = hub.lock();
    held.turn(|state| state.inquiries[task.index()].checkers += 1);
    loop {
        let inquiry = held.turn(|state| {
            let inquiry = state.inquiries[task.index()].open.pop_front();
            if inquiry.is_some() && !state.is_closing {
                state.inquiries[task.index()].checkers -= 1;
                is_calling.store(true, Ordering::Release);
            }
            (!state.is_closing).then_some(inquiry)
        });
        let Some(inquiry) = inquiry.flatten() else { return };
        let Some(inquiry) = inquiry else {
            held = held.wait(hub.inquiries(task), None);
            continue;
        };
        drop(held);
        let answer = match inquiry {
            Inquiry::Check(check, key, stage) => hub.check(check, key, stage),
            Inquiry::Mask(question) => hub.mask(question),
        };
        held = hub.lock();
        is_calling.store(false, Ordering::Release);
        held.turn(|state| {
            state.inquiries[task.index()].checkers += 1;
            if !state.is_closing {
                state.answer(answer);
                hub.route(state);
            }
        });
    }
}
