//! What the threads of a run share: the machine behind one lock, and who waits for what.
//!
//! ```text
//!            Hub (one lock: the machine, rows, queues of checks)
//!           /        |               \
//!   driver thread  workers (a Seat each)  checkers (before blocks, masks)
//!   clock, starts  run blocks, report      call check functions
//! ```
//!
//! Everybody who gives the machine an input carries out what comes out of it ([`Hub::route`])
//! before letting go of the lock. Locks are taken in the order hub, desk. What is behind the hub's lock is
//! reached through [`Held::turn`] only, so that a panic there ends the run.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use daisy_block::TaskId;
use daisy_sched::{Counts, Finding, Input, Lease, LookAhead, Moment, Outcome, Stage, WorkerId};

use super::{
    Pipeline, call,
    held::{self, Held},
    inquiry::{Answer, Inquiries, Inquiry},
    machine::{Machine, Todo},
    outside::Outside,
    seat::{Done, Seat},
};

/// After so long a block at work no longer keeps back what lies on its worker's desk.
const STALE: Duration = Duration::from_millis(2 * LookAhead::TIME.as_millis() as u64);

/// See the module's text.
pub(in crate::run) struct Hub {
    pub(super) pipeline: Arc<Pipeline>,
    state: Mutex<State>,
    /// Threads that came while another one had the lock, and wait for it.
    num_waiting: AtomicUsize,
    /// Wakes the thread that drives the run, unless it waits for sockets.
    pub(super) driver: Condvar,
    lobbies: Vec<Lobby>,
    is_serial: bool,
}

/// What the threads of one task share beside the lock.
struct Lobby {
    /// Wakes a checker.
    inquiries: Condvar,
    init: OnceLock<Result<(), String>>,
}

/// What is behind the lock.
pub(in crate::run) struct State {
    pub(super) machine: Machine,
    /// Workers outside this process, if the run has any.
    pub(super) outside: Option<Outside>,
    pub(super) rows: Vec<Row>,
    slots: BTreeMap<WorkerId, usize>,
    /// Slots whose workers have ended, for others.
    free_slots: Vec<usize>,
    /// Workers whose threads are at their end, for the driver to let go.
    pub(super) ended: Vec<WorkerId>,
    /// The slot of the worker that got the last block: blocks are granted in stretches.
    last_slot: usize,
    pub(super) starts: VecDeque<Start>,
    pub(super) inquiries: Vec<Inquiries>,
    /// For how long the driver waits.
    pub(super) armed: Option<Moment>,
    /// The driver looks after desks with several blocks.
    pub(super) is_ticking: bool,
    pub(super) is_closing: bool,
    /// In serial mode, since when the block at work is at work.
    pub(super) serial_since: Option<Instant>,
    scratch: Vec<Done>,
}

/// One worker.
pub(super) struct Row {
    pub(super) seat: Arc<Seat>,
    pub(super) worker: WorkerId,
    pub(super) task: TaskId,
    /// Blocks it asked for and has not got.
    pub(super) asked: u32,
    pub(super) is_parked: bool,
    /// It was parked, was woken, and has not got the lock since.
    pub(super) is_woken: bool,
    pub(super) is_dismissed: bool,
}

/// A thread to be started.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// For the worker of this slot.
    Worker(usize),
    /// Not a thread but a process, of this worker.
    Process(WorkerId, TaskId),
    /// To make checks of a task.
    Checker(TaskId),
}

impl Hub {
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        machine: Machine,
        outside: Option<Outside>,
        is_serial: bool,
    ) -> Self {
        held::note_places();
        let tasks = 0..pipeline.len();
        let lobby = |_| Lobby { inquiries: Condvar::new(), init: OnceLock::new() };
        let lobbies = tasks.clone().map(lobby).collect();
        let state = State {
            machine,
            outside,
            rows: Vec::new(),
            slots: BTreeMap::new(),
            free_slots: Vec::new(),
            ended: Vec::new(),
            last_slot: 0,
            starts: VecDeque::new(),
            inquiries: tasks.map(|_| Inquiries::default()).collect(),
            armed: None,
            is_ticking: false,
            is_closing: false,
            serial_since: None,
            scratch: Vec::new(),
        };
        let driver = Condvar::new();
        let (state, num_waiting) = (Mutex::new(state), AtomicUsize::new(0));
        Self { pipeline, state, num_waiting, driver, lobbies, is_serial }
    }

    pub(super) fn lock(&self) -> Held<'_> {
        if let Some(held) = self.try_lock() {
            return held;
        }
        self.num_waiting.fetch_add(1, Ordering::Relaxed);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.num_waiting.fetch_sub(1, Ordering::Relaxed);
        Held::new(self, state)
    }

    /// The lock, unless another thread has it.
    pub(super) fn try_lock(&self) -> Option<Held<'_>> {
        match self.state.try_lock() {
            Ok(state) => Some(Held::new(self, state)),
            Err(TryLockError::Poisoned(error)) => Some(Held::new(self, error.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Whether a thread waits for the lock, or was woken and is on its way to it.
    pub(super) fn is_wanted(&self, state: &State) -> bool {
        let is_called = |asked: &Inquiries| asked.checkers > 0 && !asked.open.is_empty();
        self.num_waiting.load(Ordering::Relaxed) > 0
            || state.rows.iter().any(|row| row.is_woken)
            || state.inquiries.iter().any(is_called)
    }

    /// Does what a thread of the run does; if that panics, the run ends.
    pub(super) fn watch<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(work));
        done.map_err(|panic| self.lock().break_off(panic)).ok()
    }

    /// The counts of all tasks; after a panic those that are known.
    pub(super) fn counts(&self) -> Vec<Counts> {
        let mut held = self.lock();
        let counts = held.turn(|state| state.machine.counts());
        counts.unwrap_or_else(|| held.written().standing().counts())
    }

    /// Wakes checkers of a task that wait for something to look at.
    pub(super) fn inquiries(&self, task: TaskId) -> &Condvar {
        &self.lobbies[task.index()].inquiries
    }

    fn call_init(&self, task: TaskId) -> Result<(), String> {
        let handle = self.pipeline.task(task);
        // By which workers find this run; empty where there are none outside.
        let context = self.lock().turn(|state| {
            let outside = state.outside.as_ref();
            outside.map_or_else(String::new, |outside| outside.context(handle.name()))
        });
        context.map_or(Ok(()), |context| call::init(handle, &context))
    }

    /// Whether the init callback of a task went well; None if it was not called yet, or has not returned.
    pub(super) fn init_went_well(&self, task: TaskId) -> Option<bool> {
        self.lobbies[task.index()].init.get().map(Result::is_ok)
    }

    /// Calls the init callback of a task, unless it was called; whoever comes meanwhile waits. If it
    /// fails, nothing of the task is run. Not to be called with the lock held.
    pub(super) fn init(&self, task: TaskId) {
        let init = &self.lobbies[task.index()].init;
        if let Err(error) = init.get_or_init(|| self.call_init(task)) {
            self.lock().turn(|state| {
                state.machine.give_up_task(task, error.clone());
                self.route(state);
            });
        }
    }

    /// Wakes the thread that drives the run.
    pub(super) fn wake_driver(&self, state: &State) {
        match &state.outside {
            Some(outside) => outside.wake(),
            None => self.driver.notify_one(),
        }
    }

    /// Carries out everything that the machine wants done, and writes down what must be.
    pub(super) fn route(&self, state: &mut State) {
        if self.is_serial {
            self.driver.notify_one();
            return;
        }
        self.carry_out(state);
        state.machine.commit();
        if let Some(outside) = &mut state.outside {
            outside.rouse();
        }
        if state.machine.is_over() && !mem::replace(&mut state.is_closing, true) {
            self.close(state);
        }
        self.arm(state);
    }

    /// Carries out everything that the machine wants done; to be followed by [`Hub::route`].
    pub(super) fn carry_out(&self, state: &mut State) {
        while let Some(todo) = state.machine.poll() {
            match todo {
                Todo::Grant(lease) => {
                    let is_outside =
                        state.outside.as_mut().is_some_and(|outside| outside.grant(&lease));
                    if !is_outside
                        && state.grant(lease)
                        && !mem::replace(&mut state.is_ticking, true)
                    {
                        self.wake_driver(state);
                    }
                }
                Todo::Start(worker, task) => {
                    if self.pipeline.task(task).0.worker.is_some() {
                        state.starts.push_back(Start::Process(worker, task));
                    } else {
                        state.add_row(worker, task);
                    }
                    self.wake_driver(state);
                }
                Todo::Check(check, key, Stage::After) if state.outside.is_some() => {
                    // Whoever ran the block is not here to call the function.
                    self.inquire(state, key.task, Inquiry::Check(check, key, Stage::After));
                }
                Todo::Check(check, key, Stage::After) => {
                    state.inquiries[key.task.index()].after.push_back((check, key));
                }
                Todo::Check(check, key, Stage::Before) => {
                    self.inquire(state, key.task, Inquiry::Check(check, key, Stage::Before));
                }
                Todo::Ask(question) => {
                    self.inquire(state, question.task, Inquiry::Mask(question));
                }
                Todo::Dismiss(worker) => state.dismiss(worker),
                Todo::Kill(worker, reason) => {
                    state.outside.iter_mut().for_each(|outside| outside.kill(worker, reason));
                }
                Todo::Recall(worker, leases) => {
                    state.outside.iter_mut().for_each(|outside| outside.recall(worker, &leases));
                }
                Todo::Settled(worker, lease) => {
                    state.outside.iter_mut().for_each(|outside| outside.settled(worker, lease));
                }
                Todo::GiveUp(worker) => {
                    state.outside.iter_mut().for_each(|outside| outside.give_up(worker));
                }
            }
        }
    }

    /// Lets a checker of the task know, or has one started if all are busy.
    fn inquire(&self, state: &mut State, task: TaskId, inquiry: Inquiry) {
        let inquiries = &mut state.inquiries[task.index()];
        inquiries.open.push_back(inquiry);
        if inquiries.open.len() > inquiries.checkers {
            state.starts.push_back(Start::Checker(task));
            self.wake_driver(state);
        } else {
            self.lobbies[task.index()].inquiries.notify_one();
        }
    }

    /// Wakes everybody, because the run is over. After a fault there may be blocks on desks: they are not begun.
    pub(super) fn close(&self, state: &State) {
        self.wake_driver(state);
        for row in &state.rows {
            row.seat.desk().waiting.clear();
            row.seat.wake.notify_one();
        }
        self.lobbies.iter().for_each(|lobby| lobby.inquiries.notify_all());
    }

    /// Wakes the driver if there is an earlier deadline than the one it waits for.
    fn arm(&self, state: &mut State) {
        let Some((deadline, _)) = state.machine.coordinator.next_deadline() else { return };
        if state.armed.is_none_or(|armed| deadline < armed) {
            state.armed = Some(deadline);
            self.wake_driver(state);
        }
    }

    /// Reports what lies behind blocks that take long, and gives what waits there to idle workers.
    /// False if there is nothing to look after any more.
    pub(super) fn tidy_desks(&self, state: &mut State, now: Instant) -> bool {
        let mut is_any = false;
        for slot in 0..state.rows.len() {
            let (num_waiting, num_done, is_stale) = {
                let desk = state.rows[slot].seat.desk();
                let time = desk.running_since.map(|since| now.saturating_duration_since(since));
                (desk.waiting.len(), desk.done.len(), time.is_some_and(|time| time >= STALE))
            };
            is_any |= num_waiting + num_done > 0;
            if is_stale {
                state.report(slot);
                let task = state.rows[slot].task;
                if num_waiting > 0 && state.rows.iter().any(|row| row.is_parked && row.task == task)
                {
                    state.take_back(slot);
                }
            }
        }
        self.route(state);
        is_any
    }

    /// The first Ctrl-C: hands out nothing more.
    pub(super) fn interrupt(&self) -> AtWork {
        self.lock().turn(|state| self.drain(state)).unwrap_or_default()
    }

    fn drain(&self, state: &mut State) -> AtWork {
        let now = Instant::now();
        for slot in 0..state.rows.len() {
            state.report(slot);
            state.take_back(slot);
        }
        let moment = state.machine.now();
        let (workers, since_outside) = state.machine.coordinator.at_work_outside();
        state.machine.drain(moment);
        self.route(state);
        let since = state.rows.iter().filter_map(|row| row.seat.desk().running_since);
        let since = since.chain(state.serial_since);
        let times: Vec<Duration> =
            since.map(|since| now.saturating_duration_since(since)).collect();
        let outside = since_outside.map(|since| moment.since(since));
        let longest = times.iter().copied().chain(outside).max().unwrap_or_default();
        AtWork { blocks: times.len(), workers, longest }
    }
}

/// What is at work when a run is interrupted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AtWork {
    /// Blocks in threads.
    pub(super) blocks: usize,
    /// Workers outside this process.
    pub(super) workers: usize,
    /// For how long the longest of them has been.
    pub(super) longest: Duration,
}

impl State {
    /// A worker is to be started.
    pub(super) fn add_row(&mut self, worker: WorkerId, task: TaskId) {
        let seat = Arc::new(Seat::new());
        let (is_parked, is_woken, is_dismissed) = (false, false, false);
        let row = Row { seat, worker, task, asked: 0, is_parked, is_woken, is_dismissed };
        let slot = self.free_slots.pop().unwrap_or(self.rows.len());
        match self.rows.get_mut(slot) {
            Some(place) => *place = row,
            None => self.rows.push(row),
        }
        self.slots.insert(worker, slot);
        self.starts.push_back(Start::Worker(slot));
    }

    /// The thread of a worker is at its end.
    pub(super) fn end_row(&mut self, slot: usize) {
        let worker = self.rows[slot].worker;
        self.slots.remove(&worker);
        self.free_slots.push(slot);
        self.ended.push(worker);
    }

    #[inline]
    fn slot_of(&mut self, worker: WorkerId) -> Option<usize> {
        if self.rows.get(self.last_slot).is_none_or(|row| row.worker != worker) {
            self.last_slot = *self.slots.get(&worker)?;
        }
        Some(self.last_slot)
    }

    /// Puts a block on its worker's desk; true if the worker may have others there, or at work.
    #[inline]
    fn grant(&mut self, lease: Lease) -> bool {
        let Some(slot) = self.slot_of(lease.worker) else { return false };
        let row = &mut self.rows[slot];
        row.asked = row.asked.saturating_sub(1);
        row.seat.give(lease);
        let was_parked = mem::replace(&mut row.is_parked, false);
        if was_parked {
            row.is_woken = true;
            row.seat.wake.notify_one();
        }
        !was_parked
    }

    fn dismiss(&mut self, worker: WorkerId) {
        self.outside.iter_mut().for_each(|outside| outside.dismiss(worker));
        if let Some(slot) = self.slot_of(worker) {
            let row = &mut self.rows[slot];
            row.is_dismissed = true;
            row.is_woken |= row.is_parked;
            row.seat.wake.notify_one();
        }
    }

    /// Tells the machine what became of the blocks of a worker.
    #[inline]
    pub(super) fn report(&mut self, slot: usize) {
        let mut done = mem::take(&mut self.scratch);
        mem::swap(&mut self.rows[slot].seat.desk().done, &mut done);
        if !done.is_empty() {
            let (worker, now) = (self.rows[slot].worker, self.machine.now());
            for Done { lease, error } in done.drain(..) {
                let outcome = match error {
                    None => Outcome::Completed,
                    Some(error) => Outcome::Failed(self.machine.keep(*error)),
                };
                self.machine.handle(now, Input::Settle { worker, lease, outcome });
            }
        }
        self.scratch = done;
    }

    /// Gives the blocks back that a worker has not begun.
    pub(super) fn take_back(&mut self, slot: usize) {
        let (worker, now) = (self.rows[slot].worker, self.machine.now());
        let waiting = mem::take(&mut self.rows[slot].seat.desk().waiting);
        for lease in waiting {
            let outcome = Outcome::Returned;
            self.machine.handle(now, Input::Settle { worker, lease: lease.id, outcome });
        }
    }

    /// Tells the machine what a check function or a mask said.
    pub(super) fn answer(&mut self, answer: Answer) {
        let now = self.machine.now();
        match answer {
            Answer::Check { check, key, stage, found } => {
                let finding = match found {
                    Ok(true) => Finding::Done,
                    Ok(false) => Finding::NotDone,
                    Err(error) => {
                        Finding::Raised(self.machine.ledger.keep_check_error(key, stage, error))
                    }
                };
                self.machine.handle(now, Input::Checked { check, finding });
            }
            Answer::Mask(question, verdict, error) => {
                if let Some(error) = error {
                    self.machine.ledger.task(question.task).mask_errors += 1;
                    self.machine.ledger.note_check_error(question.task, error);
                }
                self.machine.take_answer(now, question, verdict);
            }
        }
    }
}
