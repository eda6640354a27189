//! The world: one queue of events in virtual time, and everything that they happen to.

mod client;
mod faults;
mod house;
mod strangers;
mod worker;

use std::{collections::BTreeMap, rc::Rc};

use daisy_journal::MemoryDisk;
use daisy_net::channel::Channel;
use daisy_sched::{CheckId, Moment, Stage, WorkerId};

use crate::{
    check::{Bounds, Checks, Death, Failure, Promise},
    dice::Dice,
    net::{Item, Net, Way},
    options::Options,
    plan::Plan,
    process::{Life, Process},
    server::Server,
    timing,
    trace::{Telling, Trace},
};

/// Something that happens at its moment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// Something on a connection arrives.
    Arrive(usize, Way),
    /// The server has a turn.
    Turn,
    /// A worker looks around.
    Step(usize),
    /// The next fault.
    Fault,
    /// A way is free again.
    Unblock(usize, Way),
    /// Nobody between refuses a worker's connections any more.
    TearDown(usize),
    /// A stopped process goes on.
    Continue(usize),
    /// A stopped process must have ended itself by now.
    Excuse(usize),
    /// A process is killed.
    Kill(usize, Death),
    /// The server of that life kills a process that it had asked to end.
    Grace(u32, usize),
    /// A process is asked to end.
    Terminate(usize),
    /// A server of that life learns that its child has ended.
    Reap(u32, WorkerId, Death),
    /// A check function answers, asked by a server of that life.
    Answer(u32, CheckId, usize, Stage),
    /// The disk of a server of that life has synced.
    Synced(u32),
    /// The server's machine is up again.
    Boot,
    /// The server is started again.
    Restart,
    /// Workers come by themselves to tasks that have none.
    Supply,
    /// Faults stop.
    Calm,
    /// Patience is over.
    Late,
}

/// What a simulation came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The promise that was broken, if any.
    pub failure: Option<Failure>,
    /// A hash of everything that was said, written and decided.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    /// How long the world lasted.
    pub virtual_time: Moment,
    /// How many servers there were.
    pub lives: u32,
    /// How many processes there were.
    pub processes: usize,
    /// Attempts that blocks lost because the network was away for so long that a worker ended itself.
    pub innocent: u64,
    /// The last lines of the story, if they were kept.
    pub story: Vec<String>,
}

/// See the module's text.
pub(crate) struct World {
    options: Options,
    plan: Rc<Plan>,
    now: Moment,
    queue: BTreeMap<(Moment, u64), Event>,
    num_scheduled: u64,
    dice: Dice,
    net: Net,
    server: Option<Server>,
    /// Of the server, while there is none.
    disk: MemoryDisk,
    life: u32,
    /// The last life ended by a loss of power.
    lost_power: bool,
    /// The last life was stopped in good order.
    was_stopped: bool,
    /// The server has waited for workers of an earlier start.
    has_waited: bool,
    /// How often each slot for connections was used in this life, and which are free.
    slots: (Vec<u64>, Vec<usize>),
    processes: Vec<Process>,
    strangers: BTreeMap<usize, Channel>,
    /// How often the function of each block has returned.
    returns: Vec<u32>,
    checks: Checks,
    trace: Trace,
    is_calm: bool,
    /// When the run was over and its server gone.
    gone: Option<Moment>,
}

/// Plays a whole world.
pub(crate) fn play(options: &Options, telling: Telling) -> Report {
    let plan = Rc::new(Plan::new(options));
    let mut checks = Checks::new(&plan);
    checks.ledger.is_power = options.is_power;
    let mut world = World {
        options: options.clone(),
        now: Moment::ZERO,
        queue: BTreeMap::new(),
        num_scheduled: 0,
        dice: Dice::new(options.seed, 2),
        net: Net::default(),
        server: None,
        disk: MemoryDisk::new(),
        life: 0,
        lost_power: false,
        was_stopped: false,
        has_waited: false,
        slots: (Vec::new(), Vec::new()),
        processes: Vec::new(),
        strangers: BTreeMap::new(),
        returns: vec![0; plan.num_blocks()],
        plan,
        checks,
        trace: Trace::new(telling),
        is_calm: false,
        gone: None,
    };
    world.net.is_host_up = true;
    world.start_server();
    world.schedule_us(0, Event::Supply);
    let first = world.dice.between(1, 2_000);
    world.schedule_us(first * 1_000, Event::Fault);
    world.schedule_us(options.faults_ms * 1_000, Event::Calm);
    world.run()
}

impl World {
    fn run(mut self) -> Report {
        let mut events = 0;
        while self.checks.failure.is_none() && !self.is_over() {
            let Some(((at, _), event)) = self.queue.pop_first() else {
                self.fail(Promise::Ends, "nothing will ever happen again".to_owned());
                break;
            };
            events += 1;
            self.now = self.now.max(at);
            self.checks.now = self.now;
            self.handle(event);
            for (at, conn, way) in std::mem::take(&mut self.net.arrivals) {
                self.schedule(at, Event::Arrive(conn, way));
            }
            if events > timing::MAX_EVENTS {
                self.fail(Promise::Ends, format!("{events} events and no end"));
            }
        }
        let Self { checks, trace, .. } = self;
        Report {
            failure: checks.failure,
            hash: trace.hash(),
            events,
            virtual_time: self.now,
            lives: self.life,
            processes: self.processes.len(),
            innocent: checks.innocent,
            story: trace.into_lines(),
        }
    }

    fn is_over(&self) -> bool {
        self.gone.is_some() && self.processes.iter().all(Process::is_dead)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive(conn, way) => self.arrive(conn, way),
            Event::Turn => self.server_turn(None),
            Event::Step(pid) => {
                if self.processes[pid].wake_at == Some(self.now) {
                    self.processes[pid].wake_at = None;
                    self.step(pid);
                }
            }
            Event::Fault => self.next_fault(),
            Event::Unblock(pid, way) => self.unblock(pid, way),
            Event::TearDown(pid) => self.tear_down(pid),
            Event::Continue(pid) => self.go_on(pid),
            Event::Excuse(pid) => self.excuse(pid),
            Event::Kill(pid, death) => self.die(pid, death),
            Event::Grace(life, pid) if life == self.life && self.server.is_some() => {
                self.die(pid, Death::ByServer);
            }
            Event::Grace(..) => {}
            Event::Terminate(pid) => self.terminate(pid),
            Event::Reap(life, worker, death) => self.reap(life, worker, death),
            Event::Answer(life, check, block, stage) => self.answer(life, check, block, stage),
            Event::Synced(life) => self.synced(life),
            Event::Boot => self.net.is_host_up = true,
            Event::Restart => self.start_server(),
            Event::Supply => self.supply(),
            Event::Calm => self.calm(),
            Event::Late => self.be_impatient(),
        }
    }

    fn schedule(&mut self, at: Moment, event: Event) {
        self.num_scheduled += 1;
        self.queue.insert((at.max(self.now), self.num_scheduled), event);
    }

    fn schedule_us(&mut self, micros: u64, event: Event) {
        self.schedule(timing::after_us(self.now, micros), event);
    }

    fn fail(&mut self, promise: Promise, text: String) {
        self.checks.hold(promise, Err(text));
    }

    /// Something arrives at an end of a connection.
    fn arrive(&mut self, conn: usize, way: Way) {
        while let Some(item) = self.net.take(self.now, conn, way) {
            match (way, self.net.conns[conn].pid) {
                (Way::Up, _) => self.arrive_at_server(conn, item),
                (Way::Down, Some(pid)) => {
                    let process = &mut self.processes[pid];
                    if process.conn == Some(conn) && !process.is_dead() {
                        process.inbox.push_back(item);
                        self.step(pid);
                    }
                }
                (Way::Down, None) => self.arrive_at_stranger(conn, &item),
            }
        }
    }

    fn send(&mut self, conn: usize, way: Way, item: Item) {
        if let Item::Bytes(bytes) = &item {
            self.trace.mix(bytes);
            if let (Way::Down, Some(pid)) = (way, self.net.conns[conn].pid) {
                self.check_bounds(pid, conn);
            }
        }
        self.net.send(self.now, conn, way, item, &mut self.dice);
    }

    fn check_bounds(&mut self, pid: usize, conn: usize) {
        let session = &self.processes[pid].session;
        let bounds = Bounds {
            waiting: session.num_waiting(),
            begun: session.num_begun(),
            unacknowledged: session.num_unacknowledged(),
            backlog: self.net.backlog(conn, Way::Down),
        };
        let is_held = bounds.hold(self.plan.num_blocks());
        self.checks.hold(Promise::Bounds, is_held);
    }

    /// The run should be over by now, and its workers gone.
    fn be_impatient(&mut self) {
        let Some(gone) = self.gone else {
            let counts = self.server.as_ref().map(|server| {
                let tasks = self.plan.graph.ids();
                let counts = tasks.filter_map(|task| server.desk.coordinator.counts(task).ok());
                counts.map(|counts| counts.to_string()).collect::<Vec<_>>().join("; ")
            });
            let text = format!("the run does not end: {}", counts.unwrap_or_default());
            return self.fail(Promise::Ends, text);
        };
        for pid in 0..self.processes.len() {
            if self.processes[pid].life != Life::Dead {
                let is_gone = Bounds::outlive(pid, gone, self.now);
                self.checks.hold(Promise::Bounds, is_gone);
            }
        }
    }
}
