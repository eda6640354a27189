//! Plays many worlds: `daisy-sim [--seeds N] [--first S] [--seed S] [--twice]`.
//!
//! With `--seed` one world is told in full. The exit code is 1 if a promise was broken in any of them.

use std::{
    collections::BTreeMap,
    env,
    num::NonZero,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use daisy_sim::{Bug, Failure, Options, Telling, play, shrink};

const USAGE: &str =
    "usage: daisy-sim [--seeds N] [--first S] [--seed S] [--twice] [--bug NAME] [--all]";

/// What the command line says.
struct Wanted {
    seeds: u64,
    first: u64,
    seed: Option<u64>,
    is_twice: bool,
    /// Goes on after a failure.
    is_all: bool,
    bug: Option<Bug>,
}

fn main() -> ExitCode {
    let Some(wanted) = wanted() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let is_good = match wanted.seed {
        Some(seed) => tell(&options(&wanted, seed)),
        None => play_all(&wanted),
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn wanted() -> Option<Wanted> {
    let mut wanted =
        Wanted { seeds: 1_000, first: 0, seed: None, is_twice: false, is_all: false, bug: None };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seeds" => wanted.seeds = arguments.next()?.parse().ok()?,
            "--first" => wanted.first = arguments.next()?.parse().ok()?,
            "--seed" => wanted.seed = Some(arguments.next()?.parse().ok()?),
            "--twice" => wanted.is_twice = true,
            "--all" => wanted.is_all = true,
            "--bug" => {
                let name = arguments.next()?;
                let found = Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name);
                wanted.bug = Some(found?);
            }
            _ => return None,
        }
    }
    Some(wanted)
}

fn options(wanted: &Wanted, seed: u64) -> Options {
    let options = Options::of(seed);
    match wanted.bug {
        Some(bug) => options.with_bug(bug),
        None => options,
    }
}

/// One world in full.
fn tell(options: &Options) -> bool {
    println!("{options}");
    let report = play(options, Telling::All);
    println!(
        "{} events in {}, {} servers, {} workers, hash {:016x}",
        report.events, report.virtual_time, report.lives, report.processes, report.hash
    );
    match report.failure {
        Some(failure) => {
            println!("BROKEN: {failure}");
            false
        }
        None => true,
    }
}

fn play_all(wanted: &Wanted) -> bool {
    println!(
        "seeds {} to {}{}{}",
        wanted.first,
        wanted.first + wanted.seeds.saturating_sub(1),
        if wanted.is_twice { ", each twice" } else { "" },
        wanted.bug.map_or_else(String::new, |bug| format!(", planted: {bug:?}")),
    );
    let start = Instant::now();
    let end = wanted.first.saturating_add(wanted.seeds);
    let sums = Mutex::new(Sums { next: wanted.first, ..Sums::default() });
    let num_threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..num_threads {
            scope.spawn(|| while play_next(wanted, end, &sums) {});
        }
    });
    let sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (seed, failure) in &sums.broken {
        match failure {
            None => println!("BROKEN: seed {seed} gives another hash the second time"),
            Some(failure) if wanted.is_all => println!("seed {seed}: {failure}"),
            Some(failure) => explain(&options(wanted, *seed), failure),
        }
        if !wanted.is_all {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let Sums { played, events, lives, virtual_s, innocent, broken, .. } = sums;
    println!(
        "{played} seeds in {seconds:.1} s: {:.0} seeds/s, {:.0} events/s, {lives} servers, {virtual_s} s \
         of virtual time, {innocent} innocent blocks charged, {} broken",
        played as f64 / seconds,
        events as f64 / seconds,
        broken.len(),
    );
    broken.is_empty()
}

/// What came of the worlds so far.
#[derive(Default)]
struct Sums {
    /// The seed of the next one.
    next: u64,
    played: u64,
    events: u64,
    lives: u64,
    innocent: u64,
    virtual_s: u64,
    /// Those that broke a promise, and those that went another way the second time.
    broken: BTreeMap<u64, Option<Failure>>,
}

/// Plays one more world; false if that was all, or one is broken and not all are wanted.
fn play_next(wanted: &Wanted, end: u64, sums: &Mutex<Sums>) -> bool {
    let sums = || sums.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = {
        let mut sums = sums();
        if sums.next == end || !(wanted.is_all || sums.broken.is_empty()) {
            return false;
        }
        sums.next += 1;
        sums.next - 1
    };
    let options = options(wanted, seed);
    let report = play(&options, Telling::Nothing);
    let is_other = wanted.is_twice && play(&options, Telling::Nothing).hash != report.hash;
    let mut sums = sums();
    sums.played += 1;
    sums.events += report.events;
    sums.lives += u64::from(report.lives);
    sums.innocent += report.innocent;
    sums.virtual_s += report.virtual_time.as_micros() / 1_000_000;
    if is_other || report.failure.is_some() {
        sums.broken.insert(seed, report.failure);
    }
    true
}

/// A failure, in the smallest world that can be found quickly.
fn explain(options: &Options, failure: &Failure) {
    println!("BROKEN: {failure}\n  {options}");
    let small = shrink(options, failure.promise);
    let report = play(&small, Telling::Tail);
    println!("  smaller: {small}");
    report.story.iter().for_each(|line| println!("    {line}"));
    if let Some(failure) = report.failure {
        println!("  {failure}");
    }
    println!("  replay: daisy-sim --seed {}", options.seed);
}
