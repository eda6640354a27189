//! Strangers who lie to a server while good workers work: the run succeeds, and nobody is charged.
//!
//! Some know nothing (random bytes, half an opening, a record that is too long, a wrong key); some have
//! the run's key, and so get as far as a welcome, and then talk nonsense or never read.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use daisy::Context;
use daisy_net::{
    channel::{Channel, ChannelError, Security},
    wire::{Hello, OutcomeItem, ToServer, Verdict},
};

use crate::{
    chance::Chance,
    history::History,
    plan::{ONLY, Plan},
    stage::{Stage, millis, pause},
};

const IDLE: usize = 300;
const ROUNDS: usize = 20;

/// Where the server is, and by which key it knows its workers.
struct Server {
    address: String,
    key: [u8; 32],
}

impl Server {
    fn of(stage: &Stage) -> Self {
        let text = stage.context(ONLY);
        let context: Context = text.parse().unwrap();
        let hex = text.rsplit("key=").next().unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        Self { address: context.addresses()[0].clone(), key: std::array::from_fn(byte) }
    }

    fn connect(&self) -> TcpStream {
        let line = TcpStream::connect(&self.address).unwrap();
        line.set_read_timeout(Some(millis(1_000))).unwrap();
        line.set_write_timeout(Some(millis(1_000))).unwrap();
        line
    }

    /// Says something; the server may hang up in the middle of it.
    fn say(&self, bytes: &[u8]) -> TcpStream {
        let mut line = self.connect();
        let _may_be_closed = line.write_all(bytes);
        line
    }

    /// A line with the right key, on which a hello for a task was sent.
    fn hello(&self, task: &str, chance: &mut Chance) -> (TcpStream, Channel) {
        let mut line = self.connect();
        let mut channel = Channel::client(Security::Key(self.key), chance.key());
        send(&mut line, &mut channel);
        hear(&mut line, &mut channel);
        assert!(channel.is_open(), "the server knows its own key");
        let hello = Hello { task: task.to_owned(), ..Hello::default() };
        ToServer::Hello(hello).encode_into(channel.put()).unwrap();
        send(&mut line, &mut channel);
        (line, channel)
    }
}

fn send(line: &mut TcpStream, channel: &mut Channel) {
    let mut bytes = Vec::new();
    // Frames that are none do not leave a channel.
    let _is_whole = channel.flush(&mut bytes);
    let _may_be_closed = line.write_all(&bytes);
}

/// Reads once; the kinds of the messages that came.
fn hear(line: &mut TcpStream, channel: &mut Channel) -> Vec<u8> {
    let (mut bytes, mut kinds) = ([0; 4_096], Vec::new());
    let count = line.read(&mut bytes).unwrap_or(0);
    let _is_good = channel.receive(&bytes[..count], |kind, _| {
        kinds.push(kind);
        Ok::<_, ChannelError>(())
    });
    kinds
}

/// Who does not know the key.
fn strangers(server: &Server, chance: &mut Chance) {
    let count = usize::try_from(chance.within(1..3_000)).unwrap();
    drop(server.say(&chance.bytes(count)));
    let mut opening = Vec::new();
    Channel::client(Security::Key(server.key), chance.key()).flush(&mut opening).unwrap();
    let cut = usize::try_from(chance.within(1..opening.len() as u64)).unwrap();
    drop(server.say(&opening[..cut]));
    // A good opening, then the longest record there is.
    let mut long = opening.clone();
    long.extend([0xFF; 70_000]);
    drop(server.say(&long));
    let mut wrong = Channel::client(Security::Key(chance.key()), chance.key());
    let mut line = server.connect();
    send(&mut line, &mut wrong);
    hear(&mut line, &mut wrong);
    assert!(!wrong.is_open(), "a wrong key was let in");
}

/// Who has the key and lies.
fn liars(server: &Server, chance: &mut Chance) {
    let (mut line, mut channel) = server.hello("nothing of that name", chance);
    assert_eq!(hear(&mut line, &mut channel), [73], "an unknown task is refused");
    let (mut line, mut channel) = server.hello(ONLY, chance);
    hear(&mut line, &mut channel);
    let forged = OutcomeItem { lease: chance.below(400), verdict: Verdict::Completed, micros: 1 };
    let forged = ToServer::Outcomes { first: 0, items: vec![forged] };
    forged.encode_into(channel.put()).unwrap();
    send(&mut line, &mut channel);
    let (mut line, mut channel) = server.hello(ONLY, chance);
    hear(&mut line, &mut channel);
    // A frame of a known kind and a right length, whose payload is anything.
    let payload = chance.bytes(usize::try_from(chance.within(1..100)).unwrap());
    channel.put().extend([3, u8::try_from(payload.len()).unwrap()]);
    channel.put().extend(payload);
    send(&mut line, &mut channel);
}

#[test]
fn strangers_and_liars_do_no_harm() {
    let plan = Plan {
        blocks: 300,
        slow_every: 2,
        slow_ms: 40,
        has_journal: false,
        listen: Some("127.0.0.1:0".to_owned()),
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(60));
    stage.start_server();
    let server = Server::of(&stage);
    let mut chance = Chance::new(7);
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| server.connect()).collect();
    // Asks, and never reads an answer.
    let (mut slow, mut channel) = server.hello(ONLY, &mut chance);
    for round in 0..ROUNDS {
        strangers(&server, &mut chance);
        liars(&server, &mut chance);
        for lease in 0..500 {
            ToServer::Ask { lease: lease + round as u64 }.encode_into(channel.put()).unwrap();
        }
        send(&mut slow, &mut channel);
        pause(millis(10));
        assert!(stage.server_code().is_none(), "over too soon, or dead: {}", stage.words());
    }
    drop((idle, slow));
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    assert_eq!(history.num_executions() as u64, stage.plan.blocks);
    assert_eq!(stage.report()["tasks"][0]["failed_attempts"], 0);
    stage.until_no_workers();
}
