//! The scheduler alone: one thread acquires blocks, computes their ROIs and releases them.

use std::{hint::black_box, time::Instant};

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{Question, Request, Scheduler, SchedulerOptions, Verdict};

use crate::{
    Error,
    measure::{Options, Outcome, in_fresh_process, number},
    pipeline, run, takeover, turns,
};

/// What runs without being named, and the rate to reach in millions of blocks a second.
const WORKLOADS: [(&str, f64); 23] = [
    ("line:10000000", 30.0),
    ("cube:200", 25.0),
    ("linec:10000000", 15.0),
    ("cubec:100", 8.0),
    ("cubec:300", 8.0),
    ("cubew:1000:7", 0.2),
    ("squarew:10000:19", 0.2),
    ("readw:1000:7", 0.0),
    ("turns:cubew:1000:7", 0.2),
    ("turns:squarew:10000:19", 0.2),
    ("turns:cubew:1000:50", 0.0),
    ("masked:cubec:1000", 0.0),
    ("masked:cubew:1000:7", 0.0),
    ("chain3:100", 6.0),
    ("chain3c:100", 6.0),
    ("chain:100:1000", 10.0),
    ("fan:100:1000", 10.0),
    ("gather:1000000", 5.0),
    ("run:2000000:1", 2.0),
    ("run:2000000:2", 2.0),
    ("first:2154", 0.0),
    ("takeover:random", 0.0),
    ("takeover:stretches", 0.0),
];

/// Runs the workloads in fresh processes and prints a table, or one JSON object a line.
pub(crate) fn suite(options: &Options) -> Result<(), Error> {
    let named: Vec<(&str, f64)> = match &options.workloads[..] {
        [] => WORKLOADS.to_vec(),
        named => named.iter().map(|name| (name.as_str(), goal(name))).collect(),
    };
    if !options.json {
        println!(
            "| workload | window | blocks | M blocks/s | reach | first block, us | longest turn, ms | peak, MiB |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    }
    for (workload, goal) in named {
        let line = in_fresh_process(workload, options)?;
        if options.json {
            println!("{line}");
            continue;
        }
        let value = |key| number(&line, key);
        let reach = if goal > 0.0 { goal.to_string() } else { "-".into() };
        println!(
            "| {workload} | {} | {} | {:.2} | {reach} | {:.1} | {} | {:.1} |",
            value("window"),
            value("blocks"),
            value("blocks_per_s") / 1e6,
            value("first_block_s") * 1e6,
            turn(value("longest_turn_s")),
            value("rss_peak_kb") / 1024.0,
        );
    }
    Ok(())
}

/// The longest turn in ms, where turns were measured.
fn turn(seconds: f64) -> String {
    if seconds > 0.0 { format!("{:.2}", seconds * 1e3) } else { "-".into() }
}

/// The rate to reach for a workload of any size.
fn goal(workload: &str) -> f64 {
    let kind = |name: &str| name.split(':').next().map(str::to_owned);
    let same = WORKLOADS.iter().find(|(name, _)| kind(name) == kind(workload));
    same.map_or(0.0, |(_, goal)| *goal)
}

/// Runs one workload in this process.
pub(crate) fn one(workload: &str, window: usize) -> Result<Outcome, Error> {
    match workload.split_once(':') {
        Some(("takeover", pattern)) => return takeover::one(workload, pattern),
        Some(("first", blocks)) => return first(workload, blocks.parse()?),
        Some(("run", sizes)) => return run::one(workload, sizes),
        Some(("turns", tasks)) => return turns::one(workload, tasks, false),
        Some(("masked", tasks)) => return turns::one(workload, tasks, true),
        _ => {}
    }
    let tasks = pipeline::tasks(workload)?;
    let total: u64 = tasks.ids().map(|task| tasks[task].tiling().num_cells()).sum();
    let start = Instant::now();
    let mut options = SchedulerOptions { request: Request::Everything, ..Default::default() };
    if workload.starts_with("ball") {
        options.masked.insert(TaskId::new(0));
    }
    let mut scheduler = Scheduler::new(tasks, options)?;
    let first = acquire(&mut scheduler)?.ok_or("no block")?;
    let first_block_s = start.elapsed().as_secs_f64();
    let most = if is_wide(workload) { MOST_WIDE } else { u64::MAX };
    let run = if window == 1 {
        run_singly(&mut scheduler, first, most)
    } else {
        run_window(&mut scheduler, first, window, most)
    };
    let blocks = run?;
    if is_wide(workload) {
        return Ok(Outcome { first_block_s, ..Outcome::since(start, workload, window, blocks) });
    }
    let outcome = Outcome { first_block_s, ..Outcome::since(start, workload, window, blocks) };
    let skipped: u64 = (0..scheduler.graph().tasks().num_tasks())
        .map(|task| scheduler.counts(TaskId::new(task as u32)).map_or(0, |counts| counts.skipped))
        .sum();
    if !scheduler.is_done() || blocks + skipped != total {
        return Err(format!("{blocks} blocks ran and {skipped} were skipped of {total}").into());
    }
    Ok(outcome)
}

/// Blocks of a grid too large to be run to its end.
pub(crate) const MOST_WIDE: u64 = 2_000_000;

fn is_wide(workload: &str) -> bool {
    ["cubew", "squarew", "readw"].iter().any(|kind| workload.starts_with(kind))
}

/// The time to the first block alone.
fn first(workload: &str, blocks: i64) -> Result<Outcome, Error> {
    let tasks = pipeline::tasks(&format!("cubec:{blocks}"))?;
    let start = Instant::now();
    let options = SchedulerOptions { request: Request::Everything, ..Default::default() };
    let mut scheduler = Scheduler::new(tasks, options)?;
    let key = scheduler.acquire().ok_or("no block")?;
    black_box(&scheduler.block(key));
    let first_block_s = start.elapsed().as_secs_f64();
    Ok(Outcome { first_block_s, ..Outcome::since(start, workload, 1, 1) })
}

fn run_singly(scheduler: &mut Scheduler, first: BlockKey, most: u64) -> Result<u64, Error> {
    let mut next = Some(first);
    let mut blocks = 0;
    while let Some(key) = next {
        black_box(&scheduler.block(key));
        scheduler.complete(key)?;
        blocks += 1;
        if blocks == most {
            break;
        }
        next = acquire(scheduler)?;
    }
    Ok(blocks)
}

/// `window` blocks are in flight and are released in random order.
fn run_window(
    scheduler: &mut Scheduler,
    first: BlockKey,
    window: usize,
    most: u64,
) -> Result<u64, Error> {
    let mut out = Vec::with_capacity(window);
    black_box(&scheduler.block(first));
    out.push(first);
    let mut blocks = 0;
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    loop {
        while out.len() < window {
            let Some(key) = acquire(scheduler)? else { break };
            black_box(&scheduler.block(key));
            out.push(key);
        }
        if out.is_empty() || blocks == most {
            return Ok(blocks);
        }
        // xorshift64 (G. Marsaglia, 2003)
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let place = ((u128::from(random) * out.len() as u128) >> 64) as usize;
        scheduler.complete(out.swap_remove(place))?;
        blocks += 1;
    }
}

/// Acquires a block; where a mask is asked for, keeps a ball of 1 % of the blocks.
#[inline]
fn acquire(scheduler: &mut Scheduler) -> Result<Option<BlockKey>, Error> {
    match scheduler.acquire() {
        Some(key) => Ok(Some(key)),
        None => answer_and_acquire(scheduler),
    }
}

#[cold]
fn answer_and_acquire(scheduler: &mut Scheduler) -> Result<Option<BlockKey>, Error> {
    while let Some(question) = scheduler.question() {
        let side = scheduler.graph().tasks()[question.task].tiling().grid_shape()[0];
        let verdict = ball(&question, side as f64);
        scheduler.answer(question.task, &question.cells, verdict)?;
        if let Some(key) = scheduler.acquire() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// A ball in the middle of a cube that holds 1 % of its volume.
fn ball(question: &Question, side: f64) -> Verdict {
    let radius = side * (0.01 * 3.0 / (4.0 * std::f64::consts::PI)).cbrt();
    let (mut nearest, mut farthest) = (0.0, 0.0);
    for range in question.cells.axes() {
        let (low, high) = (range.start as f64 - side / 2.0, (range.end - 1) as f64 - side / 2.0);
        let near = if low > 0.0 {
            low
        } else if high < 0.0 {
            -high
        } else {
            0.0
        };
        let far = low.abs().max(high.abs());
        nearest += near * near;
        farthest += far * far;
    }
    if nearest > radius * radius {
        Verdict::All
    } else if farthest <= radius * radius {
        Verdict::None
    } else if question.cells.num_cells() > 1 {
        Verdict::Part
    } else {
        Verdict::None
    }
}
