//! The sockets of a run, and the turns of the thread that drives it.
//!
//! One turn: what came on the lines goes through the switchboard into the machine, what comes out is
//! routed and its records are written, and only then anything is sent.

use std::{
    mem,
    sync::Arc,
    thread::{self, Builder, JoinHandle},
    time::{Duration, Instant},
};

use daisy_net::{
    driver::{LineEvent, LineId, Lines, READ_LIMIT, ReadState, SendState},
    switchboard::{CloseReason, LineKey, Switchboard},
};
use daisy_run::Farewell;
use daisy_sched::Input;
use signal_hook::{consts::SIGCHLD, iterator::Signals};

use super::{Outside, expected::Expected, output, server::refused};
use crate::{
    BlockError, Error, Notice,
    run::{
        held::Held,
        hub::{Hub, State},
        machine::Machine,
    },
    workers::randomness,
};

/// How often the driver looks around without being woken.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// The same while the run waits for the last of its workers to end.
const LOOK_SOON: Duration = Duration::from_millis(50);
/// For how long processes may take to end once the machine has panicked.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often processes that were asked to end are looked at where nobody hears of their ends.
const REAP_EVERY: Duration = Duration::from_millis(5);
/// The most polls by which what waits in the sockets is taken in at once: one is good for about a hundred lines.
const CATCH_UP_POLLS: usize = 32;
/// Connections that are open in the largest runs this is made for.
pub(super) const MANY_LINES: u64 = 2_000 + Switchboard::MAX_STRANGERS as u64 + 64;

/// The sockets, and the thread that hears of children that ended.
pub(crate) struct Network {
    lines: Lines,
    events: Vec<LineEvent>,
    /// How many the last poll gave.
    num_events: usize,
    buffer: Vec<u8>,
    ended_children: Option<(signal_hook::iterator::Handle, JoinHandle<Option<()>>)>,
    /// The thread that reads what children write.
    output: Option<JoinHandle<Option<()>>>,
    /// What went wrong with the file limit; said once there are many workers.
    pub(super) limit: Option<String>,
    /// How many connections of nobody are kept.
    pub(super) max_strangers: usize,
    expected: Expected,
}

impl Network {
    pub(super) fn new(lines: Lines) -> Self {
        let (events, buffer) = (Vec::new(), vec![0; READ_LIMIT]);
        Self {
            lines,
            events,
            num_events: 0,
            buffer,
            ended_children: None,
            output: None,
            limit: None,
            max_strangers: Switchboard::MAX_STRANGERS,
            expected: Expected::default(),
        }
    }

    pub(super) const fn lines(&self) -> &Lines {
        &self.lines
    }

    /// A run begins: from now on the driver is woken when a child ends, and when the journal is synced.
    pub(in crate::run) fn begin(mut self, hub: &Arc<Hub>) -> Result<Self, Error> {
        let waker = self.lines.waker();
        hub.lock().turn(|state| {
            if let Some(journal) = state.machine.journal_mut() {
                journal.on_sync(move || {
                    let _is_awake = waker.wake();
                });
            }
        });
        self.watch_children(hub)?;
        self.listen_to_children(hub)?;
        for (id, task) in hub.pipeline.tasks() {
            // Nobody is started for such a task, so that nobody else would call it.
            if task.num_workers() == 0 && task.0.init.is_some() {
                let own = Arc::clone(hub);
                let init = move || own.watch(|| own.init(id));
                Builder::new().name("daisy init".to_owned()).spawn(init).map_err(Error::Thread)?;
            }
        }
        Ok(self)
    }

    fn watch_children(&mut self, hub: &Arc<Hub>) -> Result<(), Error> {
        let mut signals = Signals::new([SIGCHLD]).map_err(Error::Interrupt)?;
        let (handle, waker) = (signals.handle(), self.lines.waker());
        let own = Arc::clone(hub);
        let watch = move || {
            own.watch(|| {
                for _ in &mut signals {
                    let _is_awake = waker.wake();
                }
            })
        };
        let thread = Builder::new().name("daisy children".to_owned()).spawn(watch);
        self.ended_children = Some((handle, thread.map_err(Error::Thread)?));
        Ok(())
    }

    fn listen_to_children(&mut self, hub: &Arc<Hub>) -> Result<(), Error> {
        let mut held = hub.lock();
        let has_children = hub.pipeline.tasks().any(|(_, task)| task.0.worker.is_some());
        let queue = held.written().output_queue().filter(|_| has_children);
        if let (Some(queue), Some(children)) = (queue, held.children()) {
            let (ear, thread) = output::listen(hub, queue)?;
            children.set_ear(Some(ear));
            self.output = Some(thread);
        }
        Ok(())
    }

    /// Waits until something happens on the lines or the time is over, and takes it in.
    pub(in crate::run) fn wait<'a>(
        &mut self,
        hub: &'a Hub,
        mut held: Held<'a>,
        wait: Option<Duration>,
    ) -> Held<'a> {
        let wait = held.turn(|state| longest_wait(state, Instant::now(), wait));
        let Some(wait) = wait else { return held };
        drop(held);
        let polled = self.lines.poll(Some(wait), &mut self.events);
        let mut held = hub.lock();
        held.turn(|state| {
            if let Err(error) = polled {
                state.machine.stop(refused("waiting for workers", error));
            }
            if let Some(outside) = &mut state.outside {
                outside.is_in_turn = true;
            }
            self.take_in(hub, state);
        });
        held
    }

    /// Takes in what waits in the sockets already; from lines that have more than a turn's share, that share.
    pub(in crate::run) fn catch_up<'a>(&mut self, hub: &'a Hub, mut held: Held<'a>) -> Held<'a> {
        for _ in 0..CATCH_UP_POLLS {
            held = self.wait(hub, held, Some(Duration::ZERO));
            if self.num_events == 0 {
                break;
            }
        }
        held
    }

    fn take_in(&mut self, hub: &Hub, state: &mut State) {
        let now = state.machine.now();
        self.num_events = self.events.len();
        for event in mem::take(&mut self.events) {
            let State { machine, outside: Some(outside), .. } = &mut *state else { return };
            match event {
                LineEvent::Opened(id, peer) => match randomness() {
                    Ok(bytes) => outside.board.open(now, key_of(id), peer.text, bytes),
                    Err(error) => machine.stop(refused("answering a worker", error)),
                },
                LineEvent::Readable(id) => self.read(hub, state, id),
                LineEvent::Starved(kind) => {
                    let why = self.limit.take().unwrap_or_else(|| kind.to_string());
                    machine.notice(Notice::NoConnections { why });
                }
            }
        }
        let Some(outside) = &mut state.outside else { return };
        outside.board.handle_timeout(now);
        self.bury(state);
        self.expected.look(&state.machine, &hub.pipeline);
    }

    fn read(&mut self, hub: &Hub, state: &mut State, id: LineId) {
        let now = state.machine.now();
        let key = key_of(id);
        loop {
            let read = self.lines.read(id, &mut self.buffer);
            let State { machine, outside: Some(outside), .. } = &mut *state else { return };
            let (board, mut desk) = outside.desk(machine);
            match read {
                ReadState::Bytes(count) => {
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    board.receive(now, key, bytes, &mut desk);
                }
                ReadState::Later => return,
                ReadState::Closed(_) => {
                    board.closed(now, key, &mut desk);
                    self.lines.close(id);
                    return;
                }
            }
            hub.carry_out(state);
        }
    }

    /// Tells the machine of processes that have ended.
    fn bury(&mut self, state: &mut State) {
        let State { machine, outside: Some(outside), .. } = &mut *state else { return };
        outside.children.look_after(Instant::now());
        for gone in outside.children.reap() {
            let (now, process) = (machine.now(), gone.worker);
            if !gone.end.concerns(process, &machine.coordinator) {
                continue;
            }
            let ending = gone.end.ending(|| {
                machine.ledger.note_worker_error(gone.task, gone.text.clone());
                machine.keep(BlockError::WorkerDied(gone.text))
            });
            // A worker that was given up is not known any more.
            let _is_known = machine.take_in(now, Input::ProcessEnded { process, ending });
        }
    }

    /// The end of a turn: everything was routed and written, and goes out.
    pub(in crate::run) fn end_turn(&mut self, hub: &Hub, state: &mut State) {
        hub.route(state);
        let State { machine, outside: Some(outside), .. } = &mut *state else { return };
        outside.is_in_turn = false;
        if machine.has_fault() {
            return;
        }
        let turn = outside.board.end_turn();
        release(machine, outside, turn);
        let now = machine.now();
        let mut closed = Vec::new();
        let lines = &mut self.lines;
        outside.board.flush(|key, bytes, closing| {
            let id = id_of(key);
            let sent = if bytes.is_empty() { SendState::Sent } else { lines.send(id, bytes) };
            match (sent, closing) {
                (SendState::Full, None) => closed.push((key, Some(CloseReason::SlowReader))),
                (SendState::Closed, _) => closed.push((key, None)),
                (_, Some(_)) => closed.push((key, closing)),
                _ => {}
            }
        });
        if closed.is_empty() {
            return;
        }
        for (key, reason) in closed {
            if reason.is_some() {
                machine.ledger.note_closed();
            }
            match reason {
                Some(reason) if !reason.is_said() => self.lines.abort(id_of(key)),
                _ => self.lines.close(id_of(key)),
            }
            let (board, mut desk) = outside.desk(machine);
            board.closed(now, key, &mut desk);
        }
        hub.route(state);
    }

    /// The run is over: lets everybody leave, and ends those that do not.
    pub(in crate::run) fn farewell(mut self, hub: &Hub) {
        hub.watch(|| self.let_leave(hub));
        end_children(hub);
        if let Some(thread) = self.output.take() {
            hub.lock().children().into_iter().for_each(|children| children.set_ear(None));
            let _is_over = thread.join();
        }
        if let Some((handle, thread)) = self.ended_children.take() {
            handle.close();
            let _is_over = thread.join();
        }
    }

    fn let_leave(&mut self, hub: &Hub) {
        loop {
            let mut held = hub.lock();
            let farewell = held.turn(|state| {
                self.end_turn(hub, state);
                let State { machine, outside: Some(outside), .. } = &mut *state else {
                    return Farewell::Over;
                };
                let has_workers = outside.board.num_workers() > 0;
                let farewell = machine.take_leave(!outside.children.is_empty(), has_workers);
                if farewell == Farewell::EndAll {
                    outside.children.kill_all();
                }
                farewell
            });
            if farewell.is_none_or(|farewell| farewell == Farewell::Over) {
                return;
            }
            drop(self.wait(hub, held, Some(Duration::from_millis(100))));
        }
    }
}

/// Ends and reaps the processes of a run whose machine panicked: nothing else hears of them any more.
fn end_children(hub: &Hub) {
    let deadline = Instant::now() + FAREWELL;
    let mut is_killing = false;
    loop {
        let mut held = hub.lock();
        if !held.written().is_broken() {
            return;
        }
        let Some(children) = held.children() else { return };
        if !mem::replace(&mut is_killing, true) {
            children.kill_all();
        }
        let now = Instant::now();
        children.look_after(now);
        children.reap();
        if children.is_empty() || now >= deadline {
            return;
        }
        drop(held);
        thread::park_timeout(REAP_EVERY);
    }
}

/// For how long nothing has to be done unless somebody wakes the driver: no longer than `wait`.
fn longest_wait(state: &State, now: Instant, wait: Option<Duration>) -> Duration {
    let outside = state.outside.as_ref();
    let beat = outside.and_then(|outside| outside.board.next_deadline());
    let beat = beat.and_then(|beat| state.machine.instant_of(beat));
    let kill = outside.and_then(|outside| outside.children.next_kill());
    let due = beat.into_iter().chain(kill).map(|at| at.saturating_duration_since(now));
    let most = if state.machine.coordinator.is_draining() { LOOK_SOON } else { LOOK_AROUND };
    wait.into_iter().chain(due).fold(most, Duration::min)
}

/// Lets the outcomes of all turns that are durable enough be acknowledged.
fn release(machine: &mut Machine, outside: &mut Outside, turn: u64) {
    let board = &mut outside.board;
    let Some(journal) = machine.journal_mut() else { return board.release(turn) };
    if let Some(durable) = journal.durable_turn(turn) {
        board.release(durable);
    }
    if board.has_unreleased() {
        journal.request_sync(turn);
    }
}

fn key_of(id: LineId) -> LineKey {
    LineKey(id.to_bits())
}

fn id_of(key: LineKey) -> LineId {
    LineId::from_bits(key.0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use daisy_block::TaskId;
    use daisy_net::{
        channel::Security,
        switchboard::{Secrets, SwitchboardConfig},
    };
    use daisy_sched::{KillReason, WorkerId};

    use super::*;
    use crate::{
        Context, Roi, RunOptions, Task,
        run::{
            Pipeline,
            outside::{Children, prepare},
            relay::Notifier,
        },
        task::WorkerCommand,
    };

    /// A run of ten blocks for which no worker was started, and its sockets.
    fn run_in(folder: &Path) -> (Arc<Hub>, Network) {
        let block = Roi::new([0], [10]).unwrap();
        let task = Task::builder("task", Roi::new([0], [100]).unwrap(), block.clone(), block)
            .num_workers(0)
            .build()
            .unwrap();
        let (pipeline, options) = (Arc::new(Pipeline::new(&[task])), RunOptions::new());
        let earlier = pipeline.earlier(&options).unwrap();
        let config = pipeline.config(&options);
        let prepared = prepare(&pipeline, earlier, config, &options, None).unwrap();
        let network = Network::new(Lines::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap());
        let config = SwitchboardConfig {
            security: Security::Clear,
            secrets: Secrets::new([1; 32]),
            heartbeat_ms: 2_000,
            silence_ms: 6_000,
            reconnect_ms: 0,
        };
        let addresses = network.lines().local_addresses();
        let (task, worker, security) = (String::new(), None, Security::Clear);
        let (reconnect_ms, is_for_leader) = (None, false);
        let context = Context { addresses, task, worker, security, reconnect_ms, is_for_leader };
        let children = Children::new(context, folder.to_path_buf());
        let outside = Outside::new(Switchboard::new(config), children, network.lines().waker());
        let machine = Machine::new(&pipeline, prepared, (None, Notifier::new(None)), false);
        (Arc::new(Hub::new(pipeline, machine, Some(outside), false)), network)
    }

    #[test]
    fn the_driver_sleeps_no_longer_than_until_a_process_is_to_be_killed() {
        let folder = tempfile::tempdir().unwrap();
        let (hub, mut network) = run_in(folder.path());
        let mut held = hub.lock();
        let wait_from =
            |held: &mut Held<'_>, now| held.turn(|state| longest_wait(state, now, None)).unwrap();
        let (id, worker) = (TaskId::new(0), WorkerId(7));
        let words = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"];
        let command = WorkerCommand::Program(words.map(Into::into).to_vec().into());
        let children = held.children().unwrap();
        children.start(worker, id, hub.pipeline.task(id), &command).unwrap();
        let log = folder.path().join("task/worker_7.log");
        while std::fs::read(&log).unwrap().is_empty() {
            thread::yield_now();
        }
        assert_eq!(wait_from(&mut held, Instant::now()), LOOK_AROUND);
        let asked = Instant::now();
        held.children().unwrap().kill(worker, KillReason::Drained);
        let wait = wait_from(&mut held, asked);
        assert!(wait >= Duration::from_millis(500) && wait < LOOK_AROUND, "{wait:?}");
        // By then it is killed; its end wakes nobody here, where no run listens for it.
        while !held.children().unwrap().is_empty() {
            held = network.wait(&hub, held, None);
        }
        assert!(asked.elapsed() >= Duration::from_millis(500));
        assert_eq!(wait_from(&mut held, Instant::now()), LOOK_AROUND);
    }
}
