//! Kills at random, for a while; then the run is left alone, and must come to a good end.
//!
//! `DAISY_MAYHEM_SECONDS` says for how long, `DAISY_MAYHEM_SEED` which chance. The same seed does not make
//! the same run, but the same sequence of blows.

use std::{
    collections::BTreeSet,
    env, fs,
    time::{Duration, Instant},
};

use daisy::journal::{Contents, Tail};
use nix::sys::signal::Signal;

use crate::{
    chance::Chance,
    history::History,
    plan::{CHAIN, Plan},
    records, roles,
    stage::{Stage, millis, pause},
};

const HEARTBEAT_MS: u64 = 500;
/// After so long a stopped worker has been given up: three heartbeats, one more, and some time.
const GIVEN_UP_MS: u64 = 4 * HEARTBEAT_MS;
/// For so long workers outlive their server.
const RECONNECT_MS: u64 = 6_000;
/// How long a server is away: often not at all, mostly for so long at most, at times for longer than workers
/// wait.
const PAUSES_MS: (u64, u64) = (1_500, 8_000);
/// The longest pause between two attempts to connect, and some time to do it.
const ATTEMPT_MS: u64 = 1_200;
/// How long a run may take when it is left alone.
const CALM: Duration = Duration::from_secs(60);

/// What was done.
#[derive(Debug, Default)]
struct Blows {
    kills: usize,
    stops: usize,
    naps: usize,
    crashes: usize,
    /// Crashes after which the server was away for longer than workers wait.
    absences: usize,
}

/// Done blocks at a start of the server: none of them is begun after it.
struct Known {
    place: usize,
    done: BTreeSet<(String, u64)>,
}

struct Mayhem {
    stage: Stage,
    chance: Chance,
    blows: Blows,
    strikes: usize,
    known: Vec<Known>,
    /// Since when no server was there for long enough that all workers must have come back.
    down_since: Option<Instant>,
    up_since: Instant,
    /// A second name of the journal, which stays when it is compacted at the end.
    has_link: bool,
    /// Stopped processes, and when they are woken.
    asleep: Vec<(Instant, i32)>,
}

#[test]
fn mayhem() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("DAISY_MAYHEM_SECONDS").unwrap_or(8);
    let seed = number("DAISY_MAYHEM_SEED").unwrap_or(28);
    eprintln!("mayhem: seed {seed}, {seconds} s");
    let plan = Plan {
        is_chain: true,
        blocks: 55 * seconds,
        workers: 2,
        slow_every: 5,
        slow_ms: 60,
        retries: 10_000,
        heartbeat_ms: HEARTBEAT_MS,
        reconnect_ms: RECONNECT_MS,
        ..Plan::default()
    };
    let limit = Duration::from_secs(seconds) + CALM;
    let mut mayhem = Mayhem {
        stage: Stage::new(plan, limit),
        chance: Chance::new(seed),
        blows: Blows::default(),
        strikes: 0,
        known: Vec::new(),
        down_since: None,
        up_since: Instant::now(),
        has_link: false,
        asleep: Vec::new(),
    };
    mayhem.stage.start_server();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut is_over = false;
    while !is_over && Instant::now() < end {
        pause(millis(mayhem.chance.within(30..250)));
        mayhem.wake(Instant::now());
        is_over = mayhem.strike();
    }
    mayhem.finish(is_over);
}

impl Mayhem {
    /// Does something to somebody; true if the run is over.
    fn strike(&mut self) -> bool {
        if let Some(code) = self.stage.server_code() {
            assert_eq!(code, 0, "{}", self.stage.words());
            return true;
        }
        self.link();
        let dice = self.chance.below(100);
        self.strikes += 1;
        let workers = self.stage.workers();
        // At least one, early enough that somebody outlives it; and rarely before the last one is over, or
        // nothing else would happen.
        let may_crash = !workers.is_empty() || self.chance.below(8) == 0;
        if (dice < 7 && may_crash) || self.strikes == 8 {
            return self.crash();
        }
        let sleepers: Vec<i32> = self.asleep.iter().map(|(_, pid)| *pid).collect();
        let awake: Vec<i32> = workers.into_iter().filter(|pid| !sleepers.contains(pid)).collect();
        let Some(worker) = self.chance.pick(&awake) else { return false };
        let (what, signal, rest) = match dice {
            7..50 => {
                self.blows.kills += 1;
                ("kill", Signal::SIGKILL, None)
            }
            50..75 => {
                self.blows.naps += 1;
                ("nap", Signal::SIGSTOP, Some(self.chance.within(10..GIVEN_UP_MS / 4)))
            }
            _ => {
                self.blows.stops += 1;
                (
                    "stop",
                    Signal::SIGSTOP,
                    Some(self.chance.within(GIVEN_UP_MS / 4..2 * GIVEN_UP_MS)),
                )
            }
        };
        self.stage.signal(what, worker, signal);
        self.asleep.extend(rest.map(|rest| (Instant::now() + millis(rest), worker)));
        false
    }

    /// Kills the server and starts it again, at once or later.
    fn crash(&mut self) -> bool {
        self.blows.crashes += 1;
        if self.up_since.elapsed() > millis(ATTEMPT_MS) {
            self.down_since = None;
        }
        let down_since = *self.down_since.get_or_insert_with(Instant::now);
        self.stage.kill_server();
        let away = match self.chance.below(10) {
            0..5 => 0,
            5..9 => self.chance.below(PAUSES_MS.0),
            _ => self.chance.within(PAUSES_MS.0..PAUSES_MS.1),
        };
        pause(millis(away));
        // A server that was killed at once may not have made its journal.
        let made = fs::exists(self.stage.path("journal")).unwrap();
        let done = if made { done_blocks(&self.stage.journal()) } else { BTreeSet::new() };
        if let Some(before) = self.known.last() {
            let lost: Vec<_> = before.done.difference(&done).collect();
            assert!(lost.is_empty(), "were done and are not any more: {lost:?}");
        }
        let place = self.stage.events().len();
        self.known.push(Known { place, done });
        if down_since.elapsed() + millis(ATTEMPT_MS) > millis(RECONNECT_MS) {
            self.blows.absences += 1;
            self.stage.note("away", 0);
        }
        self.stage.start_server();
        self.up_since = Instant::now();
        false
    }

    /// Keeps hold of the journal's file.
    fn link(&mut self) {
        let (file, link) = (self.stage.path("journal"), self.stage.path("journal.whole"));
        self.has_link = self.has_link || fs::hard_link(file, link).is_ok();
    }

    /// Each block stands in the journal as accepted once: not less, and never twice.
    fn check_records(&self, plan: &Plan) {
        assert!(self.has_link, "the journal was never there");
        let tally = records::tally(&self.stage.path("journal.whole"));
        let once = tally.values().filter(|(_, accepted)| *accepted == 1).count() as u64;
        let other = tally.iter().find(|(_, (_, accepted))| *accepted != 1);
        assert_eq!((once, other), (plan.num_blocks(), None));
        let lent: u64 = tally.values().map(|(lent, _)| u64::from(*lent)).sum();
        eprintln!("mayhem: the journal has {lent} loans, and {once} blocks accepted once each");
    }

    /// Wakes those whose time has come.
    fn wake(&mut self, now: Instant) {
        let (due, asleep) = self.asleep.drain(..).partition(|(at, _)| *at <= now);
        self.asleep = asleep;
        for (_, pid) in Vec::from_iter::<Vec<(Instant, i32)>>(due) {
            self.stage.signal("wake", pid, Signal::SIGCONT);
        }
    }

    /// The faults stop, the run ends; what must be so is so.
    fn finish(mut self, is_over: bool) {
        let calm = Instant::now();
        self.wake(calm + Duration::from_secs(60));
        if !is_over {
            let code = self.stage.wait_server();
            assert_eq!(code, 0, "{}", self.stage.words());
        }
        let calm = calm.elapsed();
        let journal = self.stage.journal();
        assert_eq!((&journal.tail, journal.open.len()), (&Tail::Clean, 0));
        let plan = self.stage.plan.clone();
        assert_eq!(done_blocks(&journal).len() as u64, plan.num_blocks());
        self.check_records(&plan);
        assert_eq!(self.stage.report()["outcome"], "success", "{}", self.stage.report());
        let history = History::new(self.stage.events());
        history.check_complete(&plan);
        history.check_single();
        history.check_chain();
        self.known.iter().for_each(|known| history.check_done_since(known.place, &known.done));
        let numbers = fs::read(self.stage.path(&format!("numbers_{}", CHAIN[2]))).unwrap();
        let numbers = numbers.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        assert!(numbers.eq((0..plan.blocks).map(roles::last_number)), "the result is wrong");
        let handed_in = self.handed_in_later(&history);
        // In a short run it may happen that nobody had anything to hand in later: adoption has tests of its own.
        let is_long = plan.blocks >= 55 * 60;
        assert!(handed_in > 0 || !is_long, "no worker outlived its server");
        self.stage.until_no_workers();
        eprintln!(
            "mayhem: {:?}, {} blocks in {} executions, {handed_in} handed in to a later server, over \
             {:.1} s after the last blow",
            self.blows,
            plan.num_blocks(),
            history.num_executions(),
            calm.as_secs_f64()
        );
    }

    /// Blocks that were begun under one server, not done for all that the next one knew, and yet never
    /// begun again: their worker handed them in to it.
    fn handed_in_later(&self, history: &History) -> usize {
        let last = history.by_block.iter().filter_map(|(key, all)| Some((key, all.last()?)));
        let is_handed_in = |key: &(String, u64), begin: usize| {
            self.known.iter().any(|known| begin < known.place && !known.done.contains(key))
        };
        last.filter(|(key, one)| is_handed_in(key, one.begin)).count()
    }
}

fn done_blocks(journal: &Contents) -> BTreeSet<(String, u64)> {
    let tasks = journal.tasks.iter();
    let cells = tasks.flat_map(|task| {
        let name = &task.description.name;
        task.done.stretches().flatten().map(move |cell| (name.clone(), cell))
    });
    cells.collect()
}
