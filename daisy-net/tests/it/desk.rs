//! A server and its workers without sockets, clocks or threads: what one side flushes, the other reads.

use std::collections::BTreeMap;

use daisy_block::{Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_net::{
    channel::{Channel, ChannelError, Security},
    session::{ClientConfig, ClientEvent, ClientSession, OwnEnd},
    switchboard::{CloseReason, Host, LineKey, Secrets, Switchboard, SwitchboardConfig, Terms},
    wire::{Hello, OutcomeItem, RefusalReason, ToServer, ToWorker, Verdict},
};
use daisy_sched::{
    Cause, Coordinator, CoordinatorConfig, CoordinatorError, Ending, Input, LeaseId, Moment,
    Outcome, Output, Scheduler, SchedulerOptions, Settlement, TaskConfig, WorkerId,
};

pub(crate) const KEY: [u8; 32] = [9; 32];

/// The coordinator's side.
pub(crate) struct Desk {
    pub(crate) coordinator: Coordinator,
    pub(crate) settled: Vec<(u64, Settlement)>,
    pub(crate) memory_kb: BTreeMap<WorkerId, u64>,
    /// The processes that the run started, and as which workers.
    pub(crate) children: BTreeMap<u32, WorkerId>,
}

impl Host for Desk {
    fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    fn handle(&mut self, now: Moment, input: Input) -> Result<(), CoordinatorError> {
        self.coordinator.handle(now, input)
    }

    fn name_worker(&mut self) -> WorkerId {
        self.coordinator.name_worker()
    }

    fn task(&self, name: &str) -> Option<TaskId> {
        let tasks = self.coordinator.scheduler().graph().tasks();
        tasks.ids().find(|&task| tasks[task].name() == name)
    }

    fn terms(&self, task: TaskId) -> Terms<'_> {
        let tasks = self.coordinator.scheduler().graph().tasks();
        Terms { layout: tasks[task].layout(), timeout_ms: 0, max_ahead: 256 }
    }

    fn process_of(&self, hello: &Hello) -> Option<WorkerId> {
        let process = self.children.get(&hello.pid).copied();
        process.filter(|process| hello.worker == Some(process.0))
    }

    fn settle(
        &mut self,
        now: Moment,
        worker: WorkerId,
        item: &OutcomeItem<&str>,
    ) -> Result<bool, CoordinatorError> {
        let outcome = match item.verdict {
            Verdict::Completed => Outcome::Completed,
            Verdict::Failed { .. } => Outcome::Failed(Cause(1)),
            Verdict::Returned => Outcome::Returned,
        };
        let lease = LeaseId(item.lease);
        self.handle(now, Input::Settle { worker, lease, outcome })?;
        Ok(self.coordinator.lease(lease).is_none())
    }

    fn joined(&mut self, _: WorkerId, _: Option<WorkerId>, _: &Hello) {}

    fn used(&mut self, worker: WorkerId, peak_memory_kb: u64, _: u64) {
        self.memory_kb.insert(worker, peak_memory_kb);
    }

    fn left(&mut self, now: Moment, worker: WorkerId) {
        let _is_known = self.handle(now, Input::Ended { worker, ending: Ending::Left });
    }
}

/// The whole: lines by number, each with at most one client.
pub(crate) struct Office {
    pub(crate) desk: Desk,
    pub(crate) board: Switchboard,
    pub(crate) clients: Vec<ClientSession>,
    /// The line of each client.
    lines: BTreeMap<usize, LineKey>,
    num_lines: u64,
    pub(crate) now: Moment,
    pub(crate) closed: Vec<(usize, CloseReason)>,
    pub(crate) events: Vec<(usize, ClientEvent)>,
    /// Whether turns are released as they end.
    pub(crate) releases: bool,
    pub(crate) last_turn: u64,
    pub(crate) is_done: bool,
}

impl Office {
    pub(crate) fn new(num_blocks: i64, reconnect_ms: u64) -> Self {
        Self::with_workers(num_blocks, reconnect_ms, 0)
    }

    /// An office whose run starts so many workers; the first is child process 77.
    pub(crate) fn with_workers(num_blocks: i64, reconnect_ms: u64, num_workers: u32) -> Self {
        let mut tasks = TaskGraph::new();
        let (total, block) = (Roi::new([0], [num_blocks * 10]), Roi::new([0], [10]).unwrap());
        let layout = Layout::new(total.unwrap(), block.clone(), block, Fit::Valid).unwrap();
        tasks.add_task(TaskNode::new("double", layout, false).unwrap()).unwrap();
        let scheduler = Scheduler::new(tasks, SchedulerOptions::default()).unwrap();
        let external = TaskConfig { num_workers, ..TaskConfig::default() };
        let config = CoordinatorConfig { tasks: vec![external], ..CoordinatorConfig::default() };
        let coordinator = Coordinator::new(scheduler, config).unwrap();
        let board = Switchboard::new(SwitchboardConfig {
            security: Security::Key(KEY),
            secrets: Secrets::new(KEY),
            heartbeat_ms: 2_000,
            silence_ms: 6_000,
            reconnect_ms,
        });
        let (settled, memory_kb) = (Vec::new(), BTreeMap::new());
        let children = BTreeMap::from([(77, WorkerId(0))]);
        Self {
            desk: Desk { coordinator, settled, memory_kb, children },
            board,
            clients: Vec::new(),
            lines: BTreeMap::new(),
            num_lines: 0,
            now: Moment::ZERO,
            closed: Vec::new(),
            events: Vec::new(),
            releases: true,
            last_turn: 0,
            is_done: false,
        }
    }

    /// A worker that is connected and known.
    pub(crate) fn join(&mut self) -> usize {
        let client = self.add_client("double", Security::Key(KEY));
        self.connect(client);
        self.talk();
        client
    }

    pub(crate) fn add_client(&mut self, task: &str, security: Security) -> usize {
        let config = ClientConfig {
            task: task.into(),
            worker: None,
            security,
            heartbeat_ms: 2_000,
            pid: 1,
            host: "here".into(),
        };
        self.clients.push(ClientSession::new(config, self.now));
        self.clients.len() - 1
    }

    /// A client in process `pid` by the context of a worker that the run has started; it joins.
    pub(crate) fn join_as(&mut self, worker: WorkerId, pid: u32) -> usize {
        let config = ClientConfig {
            task: "double".into(),
            worker: Some(worker.0),
            security: Security::Key(KEY),
            heartbeat_ms: 2_000,
            pid,
            host: "here".into(),
        };
        self.clients.push(ClientSession::new(config, self.now));
        let client = self.clients.len() - 1;
        self.connect(client);
        self.talk();
        client
    }

    pub(crate) fn worker_of(&self, client: usize) -> WorkerId {
        WorkerId(self.clients[client].welcome().unwrap().worker)
    }

    pub(crate) fn connect(&mut self, client: usize) {
        self.num_lines += 1;
        let line = LineKey(self.num_lines << 32 | client as u64);
        let randomness = [self.num_lines as u8; 32];
        self.board.open(self.now, line, format!("client {client}"), randomness);
        let own_end = OwnEnd { name: format!("client {client}"), is_local: true };
        let randomness = randomness.map(|byte| byte ^ 0x55);
        self.clients[client].connect(self.now, own_end, randomness).unwrap();
        self.lines.insert(client, line);
    }

    /// The connection breaks; both sides learn of it.
    pub(crate) fn cut(&mut self, client: usize) {
        let line = self.lines.remove(&client).unwrap();
        self.board.closed(self.now, line, &mut self.desk);
        self.clients[client].disconnect(self.now);
    }

    /// Carries bytes to and fro until nobody has anything to say.
    pub(crate) fn talk(&mut self) {
        while self.clients_speak() | self.server_speaks() {}
    }

    pub(crate) fn clients_speak(&mut self) -> bool {
        let mut has_spoken = false;
        for (client, &line) in &self.lines {
            let mut bytes = Vec::new();
            self.clients[*client].flush(true, &mut bytes).unwrap();
            if !bytes.is_empty() {
                has_spoken = true;
                self.board.receive(self.now, line, &bytes, &mut self.desk);
            }
        }
        has_spoken
    }

    /// What a client has to say, which does not arrive yet.
    pub(crate) fn speech_of(&mut self, client: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.clients[client].flush(true, &mut bytes).unwrap();
        bytes
    }

    /// What a client said arrives.
    pub(crate) fn hear(&mut self, client: usize, bytes: &[u8]) {
        let line = self.line(client);
        self.board.receive(self.now, line, bytes, &mut self.desk);
    }

    pub(crate) fn server_speaks(&mut self) -> bool {
        self.route();
        self.last_turn = self.board.end_turn();
        if self.releases {
            self.board.release(self.last_turn);
        }
        let mut sent = Vec::new();
        self.board.flush(|line, bytes, closing| sent.push((line, bytes.clone(), closing)));
        let has_spoken = !sent.is_empty();
        for (line, bytes, closing) in sent {
            let found = self.lines.iter().find(|(_, its)| **its == line);
            let Some((&client, _)) = found else { continue };
            let result = self.clients[client].receive(self.now, &bytes);
            while let Some(event) = self.clients[client].poll_event() {
                self.events.push((client, event));
            }
            if let Some(reason) = closing {
                self.closed.push((client, reason));
                self.cut(client);
            } else {
                result.unwrap();
            }
        }
        has_spoken
    }

    fn route(&mut self) {
        while let Some(output) = self.desk.coordinator.poll_output() {
            match output {
                Output::Grant(lease) => {
                    // Who is gone is granted it again when it is back.
                    let _is_on_a_line = self.board.grant(&lease);
                }
                Output::Recall { worker, leases } => self.board.recall(worker, &leases),
                Output::Dismiss { worker } => self.board.dismiss(worker),
                Output::Kill { worker, reason } => self.board.kill(worker, reason),
                Output::GivenUp { worker } => self.board.give_up(worker),
                Output::Settled { lease, result, worker, .. } => {
                    self.board.settled(worker, lease);
                    self.desk.settled.push((lease.0, result));
                }
                Output::Done => self.is_done = true,
                _ => {}
            }
        }
    }

    /// Time passes, and whoever has something to do at its end does it.
    pub(crate) fn pass_ms(&mut self, millis: u64) {
        self.now = self.now.after(core::time::Duration::from_millis(millis));
        self.desk.coordinator.handle(self.now, Input::Timeout).unwrap();
        self.board.handle_timeout(self.now);
    }

    pub(crate) fn want(&mut self, client: usize, blocks: u32) {
        self.clients[client].want(Some(blocks));
        self.talk();
    }

    /// A client runs its next block; gives its cell.
    pub(crate) fn run_block(&mut self, client: usize) -> Option<u64> {
        let grant = self.clients[client].begin_block()?;
        self.clients[client].settle(self.now, grant.lease, Verdict::Completed, 5);
        Some(grant.cell)
    }

    pub(crate) fn events_of(&mut self, client: usize) -> Vec<ClientEvent> {
        let all = std::mem::take(&mut self.events);
        let (mine, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(of, _)| *of == client);
        self.events = others;
        mine.into_iter().map(|(_, event)| event).collect()
    }

    /// Says something in a client's name that it would never say; why the server refuses it then.
    pub(crate) fn forge(&mut self, client: usize, messages: &[ToServer]) -> Option<RefusalReason> {
        // A client of its own on a line of its own, whose hello is good.
        let line = self.line(client);
        self.board.closed(self.now, line, &mut self.desk);
        let line = LineKey(line.0 | 1 << 50);
        self.lines.insert(client, line);
        self.board.open(self.now, line, String::new(), [77; 32]);
        let mut channel = Channel::client(Security::Key(KEY), [78; 32]);
        let hello = Hello { task: "double".into(), ..Hello::default() };
        ToServer::Hello(hello).encode_into(channel.put()).unwrap();
        let mut refusal = None;
        // The opening, the hello and its answer; then what it never should say.
        for turn in 0..3 {
            if turn == 2 {
                messages.iter().for_each(|message| message.encode_into(channel.put()).unwrap());
            }
            let mut bytes = Vec::new();
            channel.flush(&mut bytes).unwrap();
            self.board.receive(self.now, line, &bytes, &mut self.desk);
            self.route();
            let mut answer = Vec::new();
            self.board.flush(|_, bytes, closing| {
                answer.append(bytes);
                self.closed.extend(closing.map(|why| (client, why)));
            });
            let heard = channel.receive(&answer, |kind, payload| {
                if let Ok(ToWorker::Refused { reason, .. }) = ToWorker::decode(kind, payload) {
                    refusal = Some(reason);
                }
                Ok::<(), ChannelError>(())
            });
            heard.unwrap();
        }
        refusal
    }

    pub(crate) fn line(&self, client: usize) -> LineKey {
        self.lines[&client]
    }

    pub(crate) fn counts(&self) -> String {
        self.desk.coordinator.counts(TaskId::new(0)).unwrap().to_string()
    }
}
