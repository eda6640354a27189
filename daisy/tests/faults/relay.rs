//! A worker that reaches its server through a relay, as an ssh tunnel is one: when that dies it ends the
//! connection in good order, and its system refuses new ones, while the server lives.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    history::History,
    plan::{ONLY, Plan},
    stage::{Stage, lives},
};

/// Carries one connection.
struct Relay {
    listener: TcpListener,
    ends: Vec<TcpStream>,
}

impl Relay {
    fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), ends: Vec::new() }
    }

    fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// Waits for a worker and connects it.
    fn connect(&mut self, server: &str) {
        let (worker, _) = self.listener.accept().unwrap();
        let server = TcpStream::connect(server).unwrap();
        for (from, to) in [(&worker, &server), (&server, &worker)] {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || {
                let _is_whole = io::copy(&mut from, &mut to);
            });
        }
        self.ends = vec![worker, server];
    }

    /// It dies, and nobody listens any more.
    fn die(self) {
        for end in self.ends {
            end.shutdown(Shutdown::Both).unwrap();
        }
    }
}

#[test]
fn a_worker_behind_a_relay_that_dies_has_ended_before_its_block_runs_elsewhere() {
    let plan = Plan {
        blocks: 40,
        workers: 0,
        slow_every: 40,
        slow_ms: 5_000,
        heartbeat_ms: 500,
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(60));
    stage.start_server();
    let context: daisy::Context = stage.context(ONLY).parse().unwrap();
    let address = context.addresses().remove(0);
    let mut relay = Relay::new();
    let escape = |address: &str| format!("address={}:", address.replace(':', "%3A"));
    let text = context.to_string().replace(&escape(&address), &escape(&relay.address()));
    let mut command = Command::new("env");
    command.arg(format!("DAISY_CONTEXT={text}"));
    stage.start_worker(ONLY, command);
    relay.connect(&address);
    let victim = stage.until("it begins a block", |events| {
        events.iter().find(|event| event.is("begin")).cloned()
    });
    stage.start_worker(ONLY, Command::new("env"));
    stage.until("the other one has done the rest", |events| {
        (events.iter().filter(|event| event.is("end")).count() == 39).then_some(())
    });
    // It ends by itself, which the history has to know.
    stage.note("kill", victim.pid);
    let since = Instant::now();
    relay.die();
    stage.until("the block runs elsewhere", |events| {
        let mut begins = events.iter().filter(|event| event.is("begin"));
        begins.find(|event| event.cell == victim.cell && event.pid != victim.pid).cloned()
    });
    assert!(!lives(victim.pid), "the block runs elsewhere while its old holder is at it");
    eprintln!("relay: the block ran elsewhere after {:.2} s", since.elapsed().as_secs_f64());
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    history.check_single();
    stage.until_no_workers();
}
