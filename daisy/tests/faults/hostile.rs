//! Strangers and liars at a server while good workers work: the run succeeds, and nobody is charged.
//!
//! Some know nothing (random bytes, half an opening, a record that is too long, a wrong key, an opening
//! heard before, nothing at all); some have the run's key, and so get as far as a welcome, and then talk
//! nonsense, hand in other workers' blocks, keep blocks to themselves, or never read. Each does so a fixed number of
//! times; one block waits for them, so that the run does not end before.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

use daisy::Context;
use daisy_net::{
    channel::{Channel, ChannelError, Security},
    driver::raise_file_limit,
    wire::{Hello, OutcomeItem, ToServer, ToWorker, Verdict},
};

use crate::{
    chance::Chance,
    history::History,
    plan::{ONLY, Plan},
    stage::Stage,
};

/// Connections on which nobody ever says anything.
const IDLE: usize = 1_000;
const BLOCKS: u64 = 300;
const SLOW_MS: u64 = 40;
type Attack = fn(&Target, &mut Chance);
/// Who attacks, each on a thread of its own, and how often.
const ATTACKS: [(Attack, usize); 5] =
    [(stranger, 100), (parrot, 100), (liar, 50), (hoarder, 2), (deaf, 2)];
/// The server's largest memory.
const MEMORY_KB: u64 = 200 * 1_024;
/// Only where something hangs does anybody wait so long for the server.
const HANGS: Duration = Duration::from_secs(30);

/// Where the server is, and by which key it knows its workers.
struct Target {
    address: String,
    key: [u8; 32],
}

impl Target {
    fn of(stage: &Stage) -> Self {
        let text = stage.context(ONLY);
        let context: Context = text.parse().unwrap();
        let hex = text.rsplit("key=").next().unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        Self { address: context.addresses()[0].clone(), key: std::array::from_fn(byte) }
    }

    fn connect(&self) -> TcpStream {
        let line = TcpStream::connect(&self.address).unwrap();
        line.set_read_timeout(Some(HANGS)).unwrap();
        line.set_write_timeout(Some(HANGS)).unwrap();
        line
    }

    /// Says something; the server may hang up in the middle of it.
    fn say(&self, bytes: &[u8]) -> TcpStream {
        let mut line = self.connect();
        let _may_be_closed = line.write_all(bytes);
        line
    }

    /// A line with the right key, on which a hello was said.
    fn hello(&self, hello: Hello, chance: &mut Chance) -> Liar {
        let mut liar = self.dial(self.key, chance);
        assert!(liar.channel.is_open());
        liar.say(&ToServer::Hello(hello));
        liar
    }

    /// A line on which both ends have said their openings, if the server knows the key.
    fn dial(&self, key: [u8; 32], chance: &mut Chance) -> Liar {
        let mut liar = Liar {
            line: self.connect(),
            channel: Channel::client(Security::Key(key), chance.key()),
            said: Vec::new(),
        };
        liar.send();
        liar.hear_until(|channel, _| channel.is_open());
        liar
    }
}

/// Somebody who has the key.
struct Liar {
    line: TcpStream,
    channel: Channel,
    /// The bytes of each of its sendings.
    said: Vec<Vec<u8>>,
}

impl Liar {
    /// Sends what was put into the channel.
    fn try_send(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        // Frames that are none do not leave a channel.
        let _is_whole = self.channel.flush(&mut bytes);
        let result = self.line.write_all(&bytes);
        self.said.push(bytes);
        result
    }

    /// The same; the server may hang up in the middle of it.
    fn send(&mut self) {
        let _may_be_closed = self.try_send();
    }

    fn say(&mut self, message: &ToServer) {
        message.encode_into(self.channel.put()).unwrap();
        self.send();
    }

    /// The next messages; none if the server hangs up.
    fn hear(&mut self) -> Vec<ToWorker> {
        self.hear_until(|_, messages| !messages.is_empty())
    }

    /// Reads until that is enough, or the server hangs up; the messages that came.
    fn hear_until(&mut self, is_enough: impl Fn(&Channel, &[ToWorker]) -> bool) -> Vec<ToWorker> {
        let (mut bytes, mut messages) = ([0; 4_096], Vec::new());
        while !is_enough(&self.channel, &messages) {
            let count = match self.line.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("the server says nothing: {error}"),
            };
            let _is_good = self.channel.receive(&bytes[..count], |kind, payload| {
                messages.extend(ToWorker::decode(kind, payload));
                Ok::<_, ChannelError>(())
            });
        }
        messages
    }
}

fn worker() -> Hello {
    Hello { task: ONLY.to_owned(), ..Hello::default() }
}

/// Who does not know the key.
fn stranger(target: &Target, chance: &mut Chance) {
    let count = chance.within(1..30_000);
    target.say(&chance.bytes(usize::try_from(count).unwrap()));
    let mut opening = Vec::new();
    Channel::client(Security::Key(target.key), chance.key()).flush(&mut opening).unwrap();
    let cut = usize::try_from(chance.within(1..opening.len() as u64)).unwrap();
    let half = target.say(&opening[..cut]);
    let _may_be_closed = half.shutdown(Shutdown::Write);
    // A good opening, then the longest record there is.
    let mut long = opening.clone();
    long.extend([0xFF; 70_000]);
    target.say(&long);
    let wrong = target.dial(chance.key(), chance);
    assert!(!wrong.channel.is_open(), "a wrong key was let in");
}

/// Who has heard a conversation, and says the worker's part again.
fn parrot(target: &Target, chance: &mut Chance) {
    let good = target.hello(worker(), chance);
    let [opening, hello] = &good.said[..] else { panic!("two sendings") };
    let mut line = target.say(opening);
    // The server's own opening is new: so the record does not fit.
    let mut answer = vec![0; opening.len()];
    line.read_exact(&mut answer).unwrap();
    line.write_all(hello).unwrap();
    let mut more = [0; 1];
    assert!(!matches!(line.read(&mut more), Ok(1..)), "an old hello was answered");
}

/// Who has the key and lies.
fn liar(target: &Target, chance: &mut Chance) {
    let unknown = Hello { task: "nothing of that name".to_owned(), ..Hello::default() };
    let answer = target.hello(unknown, chance).hear();
    assert!(matches!(answer[..], [ToWorker::Refused { .. }]), "{answer:?}");
    let back = Hello { worker: Some(chance.below(4)), secret: Some([7; 16]), held: 1, ..worker() };
    let answer = target.hello(back, chance).hear();
    assert!(matches!(answer[..], [ToWorker::Refused { .. }]), "{answer:?}");
    for lease in [chance.below(BLOCKS), chance.next() >> 1] {
        let mut liar = target.hello(worker(), chance);
        liar.hear();
        let verdict = match chance.below(3) {
            0 => Verdict::Completed,
            1 => Verdict::Returned,
            _ => Verdict::Failed { panicked: true, text: "x".repeat(4_000) },
        };
        let items = vec![OutcomeItem { lease, verdict, micros: u64::MAX }];
        liar.say(&ToServer::Outcomes { first: chance.below(9), items });
    }
    let mut liar = target.hello(worker(), chance);
    liar.hear();
    // Frames of known kinds and right lengths, whose payload is anything. No wants: whoever gets a block
    // and vanishes looks like a worker that died at it, which costs the block an attempt by right.
    for _ in 0..chance.within(1..6) {
        let length = chance.within(0..20);
        let kind = chance.pick(&[1, 3, 4, 5, 6]).unwrap();
        liar.channel.put().extend([kind, length].map(|byte| u8::try_from(byte).unwrap()));
        let payload = chance.bytes(usize::try_from(length).unwrap());
        liar.channel.put().extend(payload);
    }
    liar.send();
}

/// Who takes blocks, and is never heard of again; it promised to be.
fn hoarder(target: &Target, chance: &mut Chance) {
    let mut hoarder = target.hello(Hello { heartbeat_ms: 100, ..worker() }, chance);
    hoarder.say(&ToServer::Want { blocks: 4 });
    // It is given up, and the line is closed.
    hoarder.hear_until(|_, _| false);
}

/// Who asks, and never reads an answer, until the server hangs up.
fn deaf(target: &Target, chance: &mut Chance) {
    let mut deaf = target.hello(worker(), chance);
    deaf.hear();
    let error = loop {
        for lease in 0..4_000 {
            ToServer::Ask { lease }.encode_into(deaf.channel.put()).unwrap();
        }
        if let Err(error) = deaf.try_send() {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

#[test]
fn strangers_and_liars_do_no_harm() {
    // This process has the other ends of all these lines.
    let _or_fewer_of_them = raise_file_limit(4_096);
    let plan = Plan {
        blocks: BLOCKS,
        slow_every: 2,
        slow_ms: SLOW_MS,
        held: Some(BLOCKS - 1),
        heartbeat_ms: 300,
        has_journal: false,
        listen: Some("127.0.0.1:0".to_owned()),
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(90));
    stage.start_server();
    let target = Target::of(&stage);
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| target.connect()).collect();
    thread::scope(|scope| {
        for (seed, (attack, times)) in (0..).zip(ATTACKS) {
            let target = &target;
            scope.spawn(move || {
                let mut chance = Chance::new(seed);
                (0..times).for_each(|_| attack(target, &mut chance));
            });
        }
    });
    let memory_kb = peak_memory_kb(stage.server_pid());
    stage.let_go();
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    drop(idle);
    assert!(memory_kb < MEMORY_KB, "{memory_kb} KiB");
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    assert_eq!(history.num_executions() as u64, stage.plan.blocks);
    assert_eq!(stage.report()["tasks"][0]["failed_attempts"], 0);
    stage.until_no_workers();
}

/// The most memory that a process has had.
fn peak_memory_kb(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}
