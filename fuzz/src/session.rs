//! Both halves of the protocol against a peer that says anything: the switchboard with its coordinator, and a
//! worker's session.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use core::time::Duration;
use daisy_block::TaskId;
use daisy_net::{
    channel::{Channel, ChannelError, Security},
    session::{ClientEvent, ClientSession, OwnEnd},
    switchboard::{CloseReason, LineKey, Secrets, Switchboard, SwitchboardConfig},
    wire::{
        Grant, Hello, LayoutFrame, OutcomeItem, RoiFrame, ToServer, ToWorker, Verdict, Welcome,
    },
};
use daisy_sched::{LookAhead, Moment, Output};

#[path = "../../daisy-net/tests/it/desk.rs"]
#[allow(dead_code, reason = "only some of it is needed here")]
mod desk;

use desk::{KEY, Office};

const BLOCKS: i64 = 20;
/// Lines that liars have at the same time.
const LINES: usize = 4;
/// Operations in one input; the rest of the bytes is ignored.
const OPERATIONS: usize = 256;
/// A frame of this length or less is made of the bytes.
const PAYLOAD: usize = 80;
/// What a switchboard has to say on a line in one turn at most, besides answers: all blocks granted, recalled,
/// and a welcome.
const TURN_LEN: usize = 8_192;
/// What an answer takes, over the question that it answers.
const ANSWER_LEN: usize = 8;

/// The first byte chooses the half, and whether the lines are encrypted, which takes its time; the others say what
/// the peer does.
pub fn session(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let mut dice = Unstructured::new(rest);
    let security = if choice & 2 == 0 { Security::Clear } else { Security::Key(KEY) };
    if choice & 1 == 0 {
        let mut town = Town::new(security);
        for _ in 0..OPERATIONS {
            if dice.is_empty() || town.step(&mut dice).is_err() {
                break;
            }
            town.check();
        }
        town.finish();
    } else {
        let mut worker = Worker::new(security);
        for _ in 0..OPERATIONS {
            if dice.is_empty() || worker.step(&mut dice).is_err() {
                break;
            }
            worker.check();
        }
    }
}

/// A server, and liars on its lines.
struct Town {
    office: Office,
    security: Security,
    liars: BTreeMap<usize, Liar>,
    num_lines: u64,
    /// Leases that anybody was told of.
    leases: Vec<u64>,
    /// What was heard in this turn, by line.
    heard: BTreeMap<LineKey, usize>,
}

struct Liar {
    key: LineKey,
    channel: Channel,
}

impl Town {
    fn new(security: Security) -> Self {
        let mut office = Office::new(BLOCKS, 60_000);
        let config = office.board.config().clone();
        office.board = Switchboard::new(SwitchboardConfig { security: security.clone(), ..config });
        let (liars, heard) = (BTreeMap::new(), BTreeMap::new());
        Self { office, security, liars, num_lines: 0, leases: Vec::new(), heard }
    }

    fn step(&mut self, dice: &mut Unstructured<'_>) -> Result<()> {
        let place = dice.choose_index(LINES)?;
        if !self.liars.contains_key(&place) {
            self.open(place);
        }
        match dice.int_in_range(0..=11_u8)? {
            0 => {
                let length = dice.int_in_range(1..=PAYLOAD)?.min(dice.len());
                let bytes = dice.bytes(length)?.to_vec();
                self.receive(place, &bytes);
            }
            1 => self.close(place),
            2 | 3 => {
                let hello = self.hello(dice)?;
                self.say(place, &ToServer::Hello(hello));
            }
            4 => {
                let (kind, length) = (dice.int_in_range(0..=7)?, dice.int_in_range(0..=PAYLOAD)?);
                let payload = dice.bytes(length.min(dice.len()))?.to_vec();
                self.frame(place, kind, &payload);
            }
            5 => {
                self.office.pass_ms(dice.int_in_range(0..=9_000)?);
                self.end_turn();
            }
            6 | 7 => self.end_turn(),
            8 => self.office.releases = dice.arbitrary()?,
            _ => {
                let message = self.message(dice)?;
                self.say(place, &message);
            }
        }
        Ok(())
    }

    /// What a worker could say.
    fn message(&self, dice: &mut Unstructured<'_>) -> Result<ToServer> {
        let lease = self.lease(dice)?;
        Ok(match dice.int_in_range(0..=7_u8)? {
            0 | 1 => ToServer::Want { blocks: dice.int_in_range(0..=30)? },
            2 => ToServer::Ask { lease },
            3 => ToServer::Heartbeat {
                clock: dice.arbitrary()?,
                peak_memory_kb: dice.arbitrary()?,
                cpu_ms: 0,
            },
            4 => ToServer::Leave,
            _ => {
                let mut items = Vec::new();
                for _ in 0..dice.int_in_range(1..=4_u8)? {
                    let verdict = match dice.int_in_range(0..=3_u8)? {
                        0 | 1 => Verdict::Completed,
                        2 => Verdict::Returned,
                        _ => Verdict::Failed { panicked: dice.arbitrary()?, text: "?".to_owned() },
                    };
                    let lease = self.lease(dice)?;
                    items.push(OutcomeItem { lease, verdict, micros: dice.arbitrary()? });
                }
                let first =
                    if dice.ratio(7, 8)? { dice.int_in_range(0..=9)? } else { u64::MAX / 2 };
                ToServer::Outcomes { first, items }
            }
        })
    }

    /// One that somebody has or had, or none.
    fn lease(&self, dice: &mut Unstructured<'_>) -> Result<u64> {
        if self.leases.is_empty() || dice.ratio(1, 8)? {
            return dice.arbitrary();
        }
        dice.choose(&self.leases).copied()
    }

    fn hello(&self, dice: &mut Unstructured<'_>) -> Result<Hello> {
        let worker: Option<u64> =
            if dice.arbitrary()? { Some(dice.int_in_range(0..=9)?) } else { None };
        let right = Secrets::new(KEY).of(worker.unwrap_or_default());
        let secret = *dice.choose(&[None, Some(right), Some([1; 16])])?;
        let task = if dice.ratio(7, 8)? { "double" } else { "" };
        let heartbeat_ms = *dice.choose(&[0, 2_000])?;
        let held = dice.int_in_range(0..=2)?;
        Ok(Hello { task: task.to_owned(), worker, secret, held, heartbeat_ms, ..Hello::default() })
    }

    /// A line on which the handshake is done.
    fn open(&mut self, place: usize) {
        self.num_lines += 1;
        let key = LineKey(self.num_lines << 32 | place as u64);
        let randomness = [self.num_lines as u8; 32];
        self.office.board.open(self.office.now, key, String::new(), randomness);
        let security = self.security.clone();
        let channel = Channel::client(security, randomness.map(|byte| byte ^ 0x55));
        self.liars.insert(place, Liar { key, channel });
        self.send(place);
        self.end_turn();
    }

    fn close(&mut self, place: usize) {
        if let Some(liar) = self.liars.remove(&place) {
            self.office.board.closed(self.office.now, liar.key, &mut self.office.desk);
        }
    }

    fn say(&mut self, place: usize, message: &ToServer) {
        let Some(liar) = self.liars.get_mut(&place) else { return };
        message.encode_into(liar.channel.put()).expect("short enough");
        self.send(place);
    }

    fn frame(&mut self, place: usize, kind: u8, payload: &[u8]) {
        let Some(liar) = self.liars.get_mut(&place) else { return };
        liar.channel.put().extend([kind, payload.len() as u8]);
        liar.channel.put().extend_from_slice(payload);
        self.send(place);
    }

    fn send(&mut self, place: usize) {
        let Some(liar) = self.liars.get_mut(&place) else { return };
        let mut bytes = Vec::new();
        // Frames of kinds that no worker sends do not leave a channel.
        let _is_whole = liar.channel.flush(&mut bytes);
        self.receive(place, &bytes);
    }

    fn receive(&mut self, place: usize, bytes: &[u8]) {
        let Some(liar) = self.liars.get(&place) else { return };
        *self.heard.entry(liar.key).or_default() += bytes.len();
        self.office.board.receive(self.office.now, liar.key, bytes, &mut self.office.desk);
    }

    /// As a driver does it: what comes out is routed, and then everything is sent.
    fn end_turn(&mut self) {
        let Office { desk, board, releases, is_done, .. } = &mut self.office;
        while let Some(output) = desk.coordinator.poll_output() {
            match output {
                Output::Grant(lease) => {
                    let _is_on_a_line = board.grant(&lease);
                }
                Output::Recall { worker, leases } => board.recall(worker, &leases),
                Output::Dismiss { worker } => board.dismiss(worker),
                Output::Kill { worker, reason } => board.kill(worker, reason),
                Output::GivenUp { worker } => board.give_up(worker),
                Output::Settled { lease, worker, .. } => board.settled(worker, lease),
                Output::Done => *is_done = true,
                _ => {}
            }
        }
        let turn = board.end_turn();
        if *releases {
            board.release(turn);
        }
        let mut sent = Vec::new();
        board.flush(|key, bytes, closing| sent.push((key, std::mem::take(bytes), closing)));
        let heard = std::mem::take(&mut self.heard);
        for (key, bytes, closing) in sent {
            let heard = heard.get(&key).copied().unwrap_or_default();
            assert!(bytes.len() <= TURN_LEN + ANSWER_LEN * heard, "{} for {heard}", bytes.len());
            self.hear(key, &bytes, closing);
        }
    }

    fn hear(&mut self, key: LineKey, bytes: &[u8], closing: Option<CloseReason>) {
        let found = self.liars.iter_mut().find(|(_, liar)| liar.key == key);
        let Some((&place, liar)) = found else { return };
        let leases = &mut self.leases;
        let heard = liar.channel.receive(bytes, |kind, payload| {
            let message = ToWorker::decode(kind, payload).expect("the server says what it should");
            if let ToWorker::Grants { items } = message {
                leases.extend(items.iter().map(|grant| grant.lease));
            }
            Ok::<_, ChannelError>(())
        });
        assert!(heard.is_ok() || liar.channel.broken().is_some(), "{heard:?}");
        if closing.is_some() {
            self.close(place);
        }
    }

    fn check(&self) {
        let counts = self.office.desk.coordinator.counts(TaskId::new(0)).expect("the task");
        let known = counts.ready + counts.processing + counts.finished() + counts.pending;
        assert_eq!((counts.total, known), (BLOCKS as u64, BLOCKS as u64), "{counts}");
        assert!(self.office.board.num_workers() <= self.liars.len());
    }

    /// The liars go, and a good worker comes: it runs whatever is left, and the run ends.
    fn finish(mut self) {
        (0..LINES).for_each(|place| self.close(place));
        self.office.releases = true;
        self.leases.clear();
        let mut worker = None;
        for _ in 0..4 * BLOCKS as usize {
            self.end_turn();
            if self.office.is_done {
                return;
            }
            // Longer than anybody is waited for, and than any block waits.
            self.office.pass_ms(61_000);
            self.end_turn();
            let place = LINES;
            if worker.is_none_or(|key| self.liars.get(&place).is_none_or(|liar| liar.key != key)) {
                self.open(place);
                let hello = Hello { task: "double".to_owned(), ..Hello::default() };
                self.say(place, &ToServer::Hello(hello));
                worker = self.liars.get(&place).map(|liar| liar.key);
            }
            self.end_turn();
            self.say(place, &ToServer::Want { blocks: 4 });
            self.end_turn();
            let granted = std::mem::take(&mut self.leases);
            let verdict = || Verdict::Completed;
            let item = |&lease: &u64| OutcomeItem { lease, verdict: verdict(), micros: 1 };
            let items: Vec<_> = granted.iter().map(item).collect();
            if !items.is_empty() {
                self.say(place, &ToServer::Outcomes { first: 0, items });
            }
        }
        panic!("the run never ends: {}", self.office.counts());
    }
}

/// A worker, and a server that says anything.
struct Worker {
    session: ClientSession,
    security: Security,
    server: Option<Channel>,
    now: Moment,
    num_lines: u8,
    begun: Vec<u64>,
    /// How many blocks it asked for at a time, at most.
    most: usize,
    next_lease: u64,
}

impl Worker {
    fn new(security: Security) -> Self {
        let mut office = Office::new(1, 0);
        let place = office.add_client("double", security.clone());
        let session = office.clients.swap_remove(place);
        let (now, begun, most) = (Moment::ZERO, Vec::new(), LookAhead::MAX_BLOCKS as usize);
        let mut own =
            Self { session, security, server: None, now, num_lines: 0, begun, most, next_lease: 0 };
        own.connect();
        own.say(&ToWorker::Welcome(welcome(1)));
        own
    }

    fn step(&mut self, dice: &mut Unstructured<'_>) -> Result<()> {
        if self.server.is_none() {
            self.connect();
        }
        match dice.int_in_range(0..=15_u8)? {
            0 => {
                let length = dice.int_in_range(1..=PAYLOAD)?.min(dice.len());
                let bytes = dice.bytes(length)?.to_vec();
                self.receive(&bytes);
            }
            1 => self.disconnect(),
            2 => {
                let (kind, length) = (dice.int_in_range(64..=74)?, dice.int_in_range(0..=PAYLOAD)?);
                let payload = dice.bytes(length.min(dice.len()))?.to_vec();
                if let Some(server) = &mut self.server {
                    server.put().extend([kind, payload.len() as u8]);
                    server.put().extend(payload);
                }
                self.send();
            }
            3 => self.now = self.now.after(Duration::from_millis(dice.int_in_range(0..=9_000)?)),
            4..=8 => self.act(dice)?,
            9 => {
                let other = u64::from(dice.ratio(1, 4)?);
                self.say(&ToWorker::Welcome(welcome(1 + other)));
            }
            _ => {
                let message = self.message(dice)?;
                self.say(&message);
            }
        }
        Ok(())
    }

    /// What its own program does.
    fn act(&mut self, dice: &mut Unstructured<'_>) -> Result<()> {
        match dice.int_in_range(0..=8_u8)? {
            0 | 1 => self.session.want(Some(dice.int_in_range(0..=64)?)),
            2 => self.session.want(None),
            3 | 4 => self.begun.extend(self.session.begin_block().map(|grant| grant.lease)),
            5 => {
                if let Some(lease) = self.begun.pop() {
                    self.session.settle(self.now, lease, Verdict::Completed, dice.arbitrary()?);
                }
            }
            6 => self.session.give_back(self.now),
            7 => {
                self.session.ask(dice.arbitrary()?);
                self.session.beat(self.now, 1, 1);
            }
            _ => self.session.leave(),
        }
        self.flush();
        Ok(())
    }

    /// What a server could say.
    fn message(&mut self, dice: &mut Unstructured<'_>) -> Result<ToWorker> {
        let known = |dice: &mut Unstructured<'_>, next: u64| dice.int_in_range(0..=next);
        Ok(match dice.int_in_range(0..=9_u8)? {
            0 => ToWorker::Ack { through: dice.int_in_range(0..=40)? },
            1 => ToWorker::Recall { leases: vec![known(dice, self.next_lease)?] },
            2 => ToWorker::Heartbeat { heard: dice.arbitrary()? },
            3 => ToWorker::Answer { lease: dice.arbitrary()?, is_open: dice.arbitrary()? },
            4 if dice.ratio(1, 4)? => ToWorker::Dismiss,
            _ => {
                let mut items = Vec::new();
                for _ in 0..dice.int_in_range(1..=40_u8)? {
                    let is_new = dice.ratio(3, 4)?;
                    let lease =
                        if is_new { self.next_lease } else { known(dice, self.next_lease)? };
                    self.next_lease += u64::from(is_new);
                    items.push(Grant { lease, cell: dice.arbitrary()?, attempt: 1 });
                }
                ToWorker::Grants { items }
            }
        })
    }

    fn connect(&mut self) {
        self.num_lines = self.num_lines.wrapping_add(1);
        let randomness = [self.num_lines; 32];
        self.session.connect(self.now, OwnEnd::default(), randomness).expect("a short hello");
        let security = self.security.clone();
        self.server = Some(Channel::server(security, randomness.map(|byte| byte ^ 0x55)));
        self.flush();
        self.send();
        self.flush();
    }

    fn disconnect(&mut self) {
        self.server = None;
        self.session.disconnect(self.now);
    }

    fn say(&mut self, message: &ToWorker) {
        if let Some(server) = &mut self.server {
            message.encode_into(server.put()).expect("short enough");
        }
        self.send();
    }

    fn send(&mut self) {
        let Some(server) = &mut self.server else { return };
        let mut bytes = Vec::new();
        let _is_whole = server.flush(&mut bytes);
        self.receive(&bytes);
    }

    fn receive(&mut self, bytes: &[u8]) {
        let received = self.session.receive(self.now, bytes);
        while let Some(event) = self.session.poll_event() {
            if let ClientEvent::End(_) | ClientEvent::Refused(..) = event {
                self.disconnect();
            }
        }
        if received.is_err() {
            self.disconnect();
        }
    }

    /// Everything goes out; the server understands it.
    fn flush(&mut self) {
        let mut bytes = Vec::new();
        self.session.flush(true, &mut bytes).expect("good frames");
        let Some(server) = &mut self.server else { return };
        let heard = server.receive(&bytes, |kind, payload| {
            ToServer::decode(kind, payload).expect("a worker says what it should");
            Ok::<_, ChannelError>(())
        });
        if heard.is_err() {
            // The server's own bytes were bad, and it was told so.
            self.disconnect();
        }
    }

    fn check(&mut self) {
        // What was asked for, and what the server took to be here already.
        let most = 2 * self.most;
        assert!(self.session.num_waiting() <= most, "{} blocks wait", self.session.num_waiting());
        assert_eq!(self.session.num_begun(), self.begun.len());
        let _is_some = self.session.next_deadline();
    }
}

fn welcome(worker: u64) -> Welcome {
    let roi = |end: i64| RoiFrame { begin: vec![0], shape: vec![end] };
    let layout = LayoutFrame { total: roi(100), read: roi(10), write: roi(10), fit: 0 };
    Welcome {
        worker,
        max_ahead: LookAhead::MAX_BLOCKS,
        silence_ms: 6_000,
        reconnect_ms: 60_000,
        heartbeat_ms: 2_000,
        layout,
        ..Welcome::default()
    }
}
