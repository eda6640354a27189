//! The thread pool: threads of its own for every task, one machine for all.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use daisy_block::TaskId;
use daisy_sched::{Ending, Input, Moment, Reason, WorkerId};

use super::{
    hub::{Hub, Start, State},
    outside::Network,
    worker,
};
use crate::BlockError;

/// How often the driver looks after desks with several blocks.
const TICK: Duration = Duration::from_millis(4);
/// A deadline that is seen so much later than it was due was missed because this process stood still: it was
/// stopped, swapped out, or had no processor.
const STALL: Duration = Duration::from_millis(100);

/// The threads of a run.
#[derive(Default)]
struct Threads {
    workers: BTreeMap<WorkerId, JoinHandle<Option<()>>>,
    checkers: Vec<Checker>,
}

/// A thread that makes the checks of a task.
struct Checker {
    task: TaskId,
    /// It is in a function of the user.
    is_calling: Arc<AtomicBool>,
    thread: JoinHandle<Option<()>>,
}

/// Runs everything; returns when no block is at work any more.
///
/// A check function or mask that never returns keeps its thread beyond the end of the run.
pub(super) fn run(hub: &Arc<Hub>, network: Option<Network>) {
    let mut driver = Driver { network, threads: Threads::default(), has_caught_up: false };
    hub.watch(|| driver.drive(hub));
    if let Some(network) = driver.network {
        network.farewell(hub);
    }
    driver.threads.join(hub);
}

/// The thread that drives a run: it starts threads and processes, and has the clock and the sockets.
struct Driver {
    network: Option<Network>,
    threads: Threads,
    has_caught_up: bool,
}

/// What the driver does next.
enum Step {
    /// It looks again at once.
    Again,
    /// It goes on at once with what was left, after everybody else had a turn.
    GoOn,
    /// It takes in what came while this process stood still.
    CatchUp,
    /// It waits until something happens, or for so long.
    Wait(Option<Duration>),
    End,
}

impl Driver {
    fn drive(&mut self, hub: &Arc<Hub>) {
        let mut held = hub.lock();
        held.turn(|state| hub.route(state));
        loop {
            let step = held.turn(|state| self.step(hub, state)).unwrap_or(Step::End);
            held = match (step, &mut self.network) {
                (Step::Again, _) | (Step::CatchUp, None) => held,
                (Step::GoOn, None) => held.step_aside(),
                (Step::GoOn, Some(network)) => {
                    network.wait(hub, held.step_aside(), Some(Duration::ZERO))
                }
                (Step::CatchUp, Some(network)) => network.catch_up(hub, held),
                (Step::Wait(time), Some(network)) => network.wait(hub, held, time),
                (Step::Wait(time), None) => held.wait(&hub.driver, time),
                (Step::End, _) => return,
            };
        }
    }

    fn step(&mut self, hub: &Arc<Hub>, state: &mut State) -> Step {
        if state.is_closing {
            return Step::End;
        }
        while let Some(start) = state.starts.pop_front() {
            self.threads.start(hub, start, state);
        }
        self.threads.let_go(state);
        let now = Instant::now();
        let due = state.machine.coordinator.next_deadline();
        let moment = state.machine.moment_of(now);
        if let Some((due, reason)) = due.filter(|&(due, _)| due <= moment) {
            let is_stalled = moment.since(due) >= STALL && self.network.is_some();
            if is_stalled && !mem::replace(&mut self.has_caught_up, true) {
                // Those who seem to be silent or late may have spoken meanwhile.
                return Step::CatchUp;
            }
            self.has_caught_up = false;
            state.machine.handle(moment, Input::Timeout);
            hub.route(state);
            if reason != Reason::Backlog {
                return Step::Again;
            }
        }
        if state.is_ticking {
            state.is_ticking = hub.tidy_desks(state, now);
        }
        if let Some(network) = &mut self.network {
            network.end_turn(hub, state);
        }
        if !state.starts.is_empty() || state.is_closing {
            return Step::Again;
        }
        let due = state.machine.coordinator.next_deadline();
        if due.is_some_and(|(_, reason)| reason == Reason::Backlog) {
            return Step::GoOn;
        }
        let due = due.map(|(deadline, _)| deadline);
        state.armed = due;
        Step::Wait(wait_until(state, due, Instant::now()))
    }
}

/// For how long the driver has nothing to do; None for as long as nobody wakes it.
fn wait_until(state: &State, due: Option<Moment>, now: Instant) -> Option<Duration> {
    let due = due.and_then(|due| state.machine.instant_of(due));
    let due = due.map(|due| due.saturating_duration_since(now));
    let tick = state.is_ticking.then_some(TICK);
    due.into_iter().chain(tick).min()
}

impl Threads {
    fn start(&mut self, hub: &Arc<Hub>, start: Start, state: &mut State) {
        match start {
            Start::Worker(slot) => self.start_worker(hub, slot, state),
            Start::Process(worker, task) => start_process(hub, worker, task, state),
            Start::Checker(task) => self.start_checker(hub, task, state),
        }
    }

    fn start_worker(&mut self, hub: &Arc<Hub>, slot: usize, state: &mut State) {
        let row = &state.rows[slot];
        let (task, worker) = (row.task, row.worker);
        let name = format!("{} {worker}", hub.pipeline.task(task).name());
        let own = Arc::clone(hub);
        let work = move || own.watch(|| worker::work(&own, slot));
        match Builder::new().name(thread_name(name)).spawn(work) {
            Ok(thread) => {
                self.workers.insert(worker, thread);
            }
            Err(error) => {
                state.end_row(slot);
                could_not_start(hub, worker, task, state, error.to_string());
            }
        }
    }

    /// Without the thread, checks run out of their time; without any at all the task cannot go on.
    fn start_checker(&mut self, hub: &Arc<Hub>, task: TaskId, state: &mut State) {
        let name = format!("{} checks", hub.pipeline.task(task).name());
        let (own, is_calling) = (Arc::clone(hub), Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&is_calling);
        let check = move || own.watch(|| worker::make_checks(&own, task, &flag));
        match Builder::new().name(thread_name(name)).spawn(check) {
            Ok(thread) => self.checkers.push(Checker { task, is_calling, thread }),
            Err(error) => {
                state.machine.ledger.note_worker_error(task, error.to_string());
                if self.checkers.iter().all(|checker| checker.task != task) {
                    state.machine.give_up_task(task, format!("no thread for checks: {error}"));
                    hub.route(state);
                }
            }
        }
    }

    /// Gives back what is kept of threads that are at their end: each has a stack until then.
    fn let_go(&mut self, state: &mut State) {
        for worker in state.ended.drain(..) {
            self.workers.remove(&worker);
        }
    }

    /// Waits for all threads but those that are stuck in a check.
    fn join(self, hub: &Hub) {
        for thread in self.workers.into_values() {
            let _is_over = thread.join();
        }
        let held = hub.lock();
        let is_idle = |checker: &Checker| !checker.is_calling.load(Ordering::Acquire);
        let idle: Vec<Checker> = self.checkers.into_iter().filter(is_idle).collect();
        drop(held);
        for checker in idle {
            let _ = checker.thread.join();
        }
    }
}

/// Starts a worker process, once the init callback of its task went well.
fn start_process(hub: &Arc<Hub>, worker: WorkerId, task: TaskId, state: &mut State) {
    let handle = hub.pipeline.task(task);
    match hub.init_went_well(task) {
        Some(true) => {}
        None if handle.0.init.is_none() => {}
        None => return start_after_init(hub, worker, task, state),
        Some(false) => {
            let now = state.machine.now();
            state.machine.handle(now, Input::Ended { worker, ending: Ending::Left });
            return hub.route(state);
        }
    }
    let State { outside: Some(outside), .. } = &mut *state else { return };
    let Some(command) = &handle.0.worker else { return };
    if let Err(error) = outside.children.start(worker, task, handle, command) {
        let text = format!("a worker process could not be started: {error}");
        could_not_start(hub, worker, task, state, text);
    }
}

/// The callback may take its time: it is called on a thread, which then asks for the process again.
fn start_after_init(hub: &Arc<Hub>, worker: WorkerId, task: TaskId, state: &mut State) {
    let own = Arc::clone(hub);
    let init = move || {
        own.watch(|| {
            own.init(task);
            own.lock().turn(|state| {
                state.starts.push_back(Start::Process(worker, task));
                own.wake_driver(state);
            });
        })
    };
    if let Err(error) = Builder::new().name("daisy init".to_owned()).spawn(init) {
        could_not_start(hub, worker, task, state, error.to_string());
    }
}

fn could_not_start(hub: &Hub, worker: WorkerId, task: TaskId, state: &mut State, text: String) {
    state.machine.ledger.note_worker_error(task, text.clone());
    let cause = state.machine.keep(BlockError::Failed(text));
    let now = state.machine.now();
    state.machine.handle(now, Input::Ended { worker, ending: Ending::Died(cause) });
    hub.route(state);
}

/// Names of threads must not contain zero bytes.
fn thread_name(name: String) -> String {
    name.replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::{Roi, Task, run::held::tests::hub_of};

    #[test]
    fn what_a_thread_had_is_given_back_when_it_ends() {
        const BLOCKS: u64 = 200;
        let begun = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&begun);
        let block = Roi::new([0], [10]).unwrap();
        // Each block takes until the next one is begun, on the thread that is started in its place.
        let task = Task::builder("late", Roi::new([0], [2_000]).unwrap(), block.clone(), block)
            .timeout(Duration::from_millis(1))
            .max_retries(0)
            .process(move |_| {
                let place = counter.fetch_add(1, Ordering::SeqCst) + 1;
                while place < BLOCKS && counter.load(Ordering::SeqCst) <= place {
                    std::thread::yield_now();
                }
            })
            .build()
            .unwrap();
        let hub = hub_of(task);
        run(&hub, None);
        let mut held = hub.lock();
        let calls = held.written().ledger.task(TaskId::new(0)).times.count();
        let rows = held.turn(|state| state.rows.len()).unwrap();
        assert_eq!((begun.load(Ordering::SeqCst), calls), (BLOCKS, BLOCKS));
        assert!(rows < 100, "{rows} rows are kept");
    }
}
