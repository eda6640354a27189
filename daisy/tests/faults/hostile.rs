//! Strangers and liars at a server while good workers work: the run succeeds, and nobody is charged.
//!
//! Some know nothing (random bytes, half an opening, a record that is too long, a wrong key, an opening
//! heard before, nothing at all); some have the run's key, and so get as far as a welcome, and then talk
//! nonsense, hand in other workers' blocks, keep blocks to themselves, or never read.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
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
    stage::{Stage, millis, pause},
};

/// Connections on which nobody ever says anything.
const IDLE: usize = 1_000;
const BLOCKS: u64 = 300;
const SLOW_MS: u64 = 40;
/// The server's largest memory.
const MEMORY_KB: u64 = 200 * 1_024;
/// What the blocks take without anybody's harm: half of them are slow, and there are two workers.
const IDEAL: Duration = Duration::from_millis(BLOCKS / 2 * SLOW_MS / 2);

/// Where the server is, and by which key it knows its workers.
struct Target {
    address: String,
    key: [u8; 32],
    is_over: AtomicBool,
    rounds: AtomicUsize,
    /// Liars that the server told no.
    refused: AtomicUsize,
    /// Lines on which so much was left unread that the server hung up.
    cut_short: AtomicUsize,
}

impl Target {
    fn of(stage: &Stage) -> Self {
        let text = stage.context(ONLY);
        let context: Context = text.parse().unwrap();
        let hex = text.rsplit("key=").next().unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        let none = || AtomicUsize::new(0);
        Self {
            address: context.addresses()[0].clone(),
            key: std::array::from_fn(byte),
            is_over: AtomicBool::new(false),
            rounds: none(),
            refused: none(),
            cut_short: none(),
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// A new line; None once the server is gone.
    fn connect(&self) -> Option<TcpStream> {
        let line = TcpStream::connect(&self.address).ok()?;
        line.set_read_timeout(Some(millis(1_000))).unwrap();
        line.set_write_timeout(Some(millis(1_000))).unwrap();
        Some(line)
    }

    /// Says something; the server may hang up in the middle of it.
    fn say(&self, bytes: &[u8]) -> Option<TcpStream> {
        let mut line = self.connect()?;
        let _may_be_closed = line.write_all(bytes);
        Some(line)
    }

    /// A line with the right key, on which a hello was said.
    fn hello(&self, hello: Hello, chance: &mut Chance) -> Option<Liar> {
        let mut liar = Liar {
            line: self.connect()?,
            channel: Channel::client(Security::Key(self.key), chance.key()),
            said: Vec::new(),
        };
        liar.send();
        liar.hear();
        ToServer::Hello(hello).encode_into(liar.channel.put()).unwrap();
        liar.send();
        liar.channel.is_open().then_some(liar)
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
    /// Sends what was put into the channel; false if it does not go out.
    fn send(&mut self) -> bool {
        let mut bytes = Vec::new();
        // Frames that are none do not leave a channel.
        let _is_whole = self.channel.flush(&mut bytes);
        let is_sent = self.line.write_all(&bytes).is_ok();
        self.said.push(bytes);
        is_sent
    }

    fn say(&mut self, message: &ToServer) -> bool {
        message.encode_into(self.channel.put()).unwrap();
        self.send()
    }

    /// Reads once; the messages that came.
    fn hear(&mut self) -> Vec<ToWorker> {
        let (mut bytes, mut messages) = ([0; 4_096], Vec::new());
        let count = self.line.read(&mut bytes).unwrap_or(0);
        let _is_good = self.channel.receive(&bytes[..count], |kind, payload| {
            messages.extend(ToWorker::decode(kind, payload));
            Ok::<_, ChannelError>(())
        });
        messages
    }
}

fn worker() -> Hello {
    Hello { task: ONLY.to_owned(), ..Hello::default() }
}

/// Who does not know the key.
fn stranger(target: &Target, chance: &mut Chance) -> Option<()> {
    let count = chance.within(1..30_000);
    target.say(&chance.bytes(usize::try_from(count).unwrap()))?;
    let mut opening = Vec::new();
    Channel::client(Security::Key(target.key), chance.key()).flush(&mut opening).unwrap();
    let cut = usize::try_from(chance.within(1..opening.len() as u64)).unwrap();
    let half = target.say(&opening[..cut])?;
    half.shutdown(Shutdown::Write).ok()?;
    // A good opening, then the longest record there is.
    let mut long = opening.clone();
    long.extend([0xFF; 70_000]);
    target.say(&long)?;
    let mut wrong = Liar {
        line: target.connect()?,
        channel: Channel::client(Security::Key(chance.key()), chance.key()),
        said: Vec::new(),
    };
    wrong.send();
    wrong.hear();
    assert!(!wrong.channel.is_open(), "a wrong key was let in");
    Some(())
}

/// Who has heard a conversation, and says the worker's part again.
fn parrot(target: &Target, chance: &mut Chance) -> Option<()> {
    let good = target.hello(worker(), chance)?;
    let [opening, hello] = &good.said[..] else { panic!("two sendings") };
    let mut line = target.say(opening)?;
    // The server's own opening is new: so the record does not fit.
    let mut answer = vec![0; opening.len()];
    line.read_exact(&mut answer).ok()?;
    line.write_all(hello).ok()?;
    let mut more = [0; 1];
    assert!(!matches!(line.read(&mut more), Ok(1..)), "an old hello was answered");
    Some(())
}

/// Who has the key and lies.
fn liar(target: &Target, chance: &mut Chance) -> Option<()> {
    let unknown = Hello { task: "nothing of that name".to_owned(), ..Hello::default() };
    let answer = target.hello(unknown, chance)?.hear();
    assert!(matches!(answer[..], [] | [ToWorker::Refused { .. }]), "{answer:?}");
    target.refused.fetch_add(answer.len(), Ordering::SeqCst);
    let back = Hello { worker: Some(chance.below(4)), secret: Some([7; 16]), held: 1, ..worker() };
    let answer = target.hello(back, chance)?.hear();
    assert!(matches!(answer[..], [] | [ToWorker::Refused { .. }]), "{answer:?}");
    for lease in [chance.below(BLOCKS), chance.next() >> 1] {
        let mut liar = target.hello(worker(), chance)?;
        liar.hear();
        let verdict = match chance.below(3) {
            0 => Verdict::Completed,
            1 => Verdict::Returned,
            _ => Verdict::Failed { panicked: true, text: "x".repeat(4_000) },
        };
        let items = vec![OutcomeItem { lease, verdict, micros: u64::MAX }];
        liar.say(&ToServer::Outcomes { first: chance.below(9), items });
    }
    let mut liar = target.hello(worker(), chance)?;
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
    Some(())
}

/// Who takes blocks, and is never heard of again; it promised to be.
fn hoarder(target: &Target, chance: &mut Chance) -> Option<()> {
    let mut hoarder = target.hello(Hello { heartbeat_ms: 100, ..worker() }, chance)?;
    hoarder.say(&ToServer::Want { blocks: 4 });
    // It is given up, and the line is closed: what it never reads ends sometime.
    let since = Instant::now();
    while !target.is_over() && since.elapsed() < Duration::from_secs(3) {
        pause(millis(50));
    }
    Some(())
}

/// Who asks, and never reads an answer.
fn deaf(target: &Target, chance: &mut Chance) -> Option<()> {
    let mut deaf = target.hello(worker(), chance)?;
    deaf.hear();
    while !target.is_over() {
        for lease in 0..4_000 {
            ToServer::Ask { lease }.encode_into(deaf.channel.put()).unwrap();
        }
        if !deaf.send() {
            target.cut_short.fetch_add(1, Ordering::SeqCst);
            break;
        }
        pause(millis(1));
    }
    Some(())
}

#[test]
fn strangers_and_liars_do_no_harm() {
    // This process has the other ends of all these lines.
    let _or_fewer_of_them = raise_file_limit(4_096);
    let plan = Plan {
        blocks: BLOCKS,
        slow_every: 2,
        slow_ms: SLOW_MS,
        heartbeat_ms: 300,
        has_journal: false,
        listen: Some("127.0.0.1:0".to_owned()),
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(60));
    stage.start_server();
    let target = Target::of(&stage);
    let since = Instant::now();
    let (code, memory_kb) = thread::scope(|scope| {
        let attacks = [stranger, parrot, liar, hoarder, deaf];
        for (seed, attack) in (0..).zip(attacks) {
            let target = &target;
            scope.spawn(move || {
                let mut chance = Chance::new(seed);
                while !target.is_over() && attack(target, &mut chance).is_some() {
                    target.rounds.fetch_add(1, Ordering::SeqCst);
                    pause(millis(5));
                }
            });
        }
        let idle: Vec<TcpStream> = (0..IDLE).filter_map(|_| target.connect()).collect();
        let ended = watch(&mut stage, since);
        target.is_over.store(true, Ordering::SeqCst);
        drop(idle);
        ended
    });
    let took = since.elapsed();
    let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
    let (rounds, cut_short) = (count(&target.rounds), count(&target.cut_short));
    eprintln!(
        "hostile: {rounds} attacks, {cut_short} deaf ones cut short; {:.1} s for blocks of {:.1} s, the \
         server's memory {} MiB at most",
        took.as_secs_f64(),
        IDEAL.as_secs_f64(),
        memory_kb / 1_024
    );
    assert_eq!(code, Some(0), "{}", stage.words());
    assert!(rounds > 20 && count(&target.refused) > 0, "{rounds}");
    assert!(memory_kb > 0 && memory_kb < MEMORY_KB, "{memory_kb} KiB");
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    assert_eq!(history.num_executions() as u64, stage.plan.blocks);
    assert_eq!(stage.report()["tasks"][0]["failed_attempts"], 0);
    stage.until_no_workers();
}

/// Waits for the end of the server, within bounds; its exit code and its largest memory in KiB.
fn watch(stage: &mut Stage, since: Instant) -> (Option<i32>, u64) {
    let status = format!("/proc/{}/status", stage.server_pid());
    let mut memory_kb = 0;
    while since.elapsed() < Duration::from_secs(40) {
        if let Some(code) = stage.server_code() {
            return (Some(code), memory_kb);
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        memory_kb = peak.unwrap_or(0).max(memory_kb);
        pause(millis(20));
    }
    (None, memory_kb)
}
