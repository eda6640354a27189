//! Plays many worlds: `daisy-sim [--seeds N] [--first S] [--seed S] [--twice]`.
//!
//! With `--seed` one world is told in full. The exit code is 1 if a promise was broken in any of them.

use std::{env, process::ExitCode, time::Instant};

use daisy_sim::{Bug, Options, Telling, play, shrink};

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
    let (mut events, mut lives, mut innocent, mut broken, mut virtual_s) = (0, 0, 0, 0, 0);
    let mut played = 0;
    for seed in wanted.first..wanted.first.saturating_add(wanted.seeds) {
        let options = options(wanted, seed);
        let report = play(&options, Telling::Nothing);
        played += 1;
        events += report.events;
        lives += u64::from(report.lives);
        innocent += report.innocent;
        virtual_s += report.virtual_time.as_micros() / 1_000_000;
        if wanted.is_twice && play(&options, Telling::Nothing).hash != report.hash {
            println!("BROKEN: seed {seed} gives another hash the second time");
            broken += 1;
        }
        if let Some(failure) = report.failure {
            broken += 1;
            if wanted.is_all {
                println!("seed {seed}: {failure}");
            } else {
                explain(&options, &failure);
                break;
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{played} seeds in {seconds:.1} s: {:.0} seeds/s, {} events/s, {lives} servers, {virtual_s} s \
         of virtual time, {innocent} innocent blocks charged, {broken} broken",
        f64::from(u32::try_from(played).unwrap_or(u32::MAX)) / seconds,
        (events as f64 / seconds) as u64,
    );
    broken == 0
}

/// A failure, in the smallest world that can be found quickly.
fn explain(options: &Options, failure: &daisy_sim::Failure) {
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
