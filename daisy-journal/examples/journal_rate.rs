//! How fast journals are written and resumed, and how large they are: `cargo run --release --example
//! journal_rate`.

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

use daisy_block::{BlockKey, Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_journal::{Disk, Journal, JournalOptions, MemoryDisk, Resumed};
use daisy_sched::{LeaseId, Record, WorkerId};

const BLOCKS: u64 = 10_000_000;
/// Records of one turn are committed together.
const TURN: u64 = 64;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // First, so that the peak of memory is its own.
    sweep(100_000_000)?;
    println!("{BLOCKS} blocks, grant + done each, {TURN} grants a turn");
    written("one stretch, 1 worker", 1, |place| place, 1)?;
    written("one stretch, 16 workers, a block at a time", 1, |place| place, 16)?;
    written("every other block, 1 worker", 2, |place| 2 * place, 1)?;
    // An odd factor and a power of two make a permutation.
    let scattered = |place: u64| (place * 0x9E37_79B1) & ((1 << 24) - 1);
    written("scattered over 2^24 cells, 16 workers", 2, scattered, 16)?;
    compacted("one stretch", |place| place, BLOCKS)?;
    compacted("5 * 10^6 stretches", |place| 2 * place, BLOCKS / 2)
}

/// A task of at least that many blocks.
fn tasks(blocks: u64) -> Outcome<TaskGraph> {
    let block = Roi::new([0], [1])?;
    let total = Roi::new([0], [i64::try_from(blocks)?.max(1 << 24)])?;
    let mut tasks = TaskGraph::new();
    let layout = Layout::new(total, block.clone(), block, Fit::Valid)?;
    tasks.add_task(TaskNode::new("smooth", layout, false)?)?;
    Ok(tasks)
}

/// Grants and settles blocks turn by turn; those of a turn are settled in the next one.
fn run<D: Disk<Error: Error + 'static>>(
    journal: &mut Journal<D>,
    cell: impl Fn(u64) -> u64,
    blocks: u64,
    workers: u64,
) -> Outcome<()> {
    let task = TaskId::new(0);
    for turn in (0..blocks).step_by(usize::try_from(TURN)?) {
        for place in turn.saturating_sub(TURN)..turn {
            let (lease, key) = (LeaseId(place), BlockKey::new(task, cell(place)));
            journal.append(&Record::Done { lease, key })?;
        }
        for place in turn..(turn + TURN).min(blocks) {
            let (lease, key) = (LeaseId(place), BlockKey::new(task, cell(place)));
            let worker = WorkerId(place % workers);
            journal.append(&Record::Grant { lease, worker, key })?;
        }
        journal.commit()?;
    }
    Ok(())
}

fn written(name: &str, spread: u64, cell: impl Fn(u64) -> u64, workers: u64) -> Outcome<()> {
    let tasks = tasks(BLOCKS * spread)?;
    let (mut journal, _) = Journal::open(MemoryDisk::new(), &tasks, JournalOptions::default())?;
    let start = Instant::now();
    run(&mut journal, cell, BLOCKS, workers)?;
    let took = start.elapsed();
    let rate = 2.0 * BLOCKS as f64 / took.as_secs_f64() / 1e6;
    let bytes = journal.len_bytes() as f64 / BLOCKS as f64;
    println!("{name}: {rate:.1} M records/s, {bytes:.2} bytes/block");
    let (resumed, took) = resume(&mut journal.into_disk(), &tasks)?;
    println!("    resumed without compaction in {took:?}, {} blocks done", resumed.0);
    Ok(())
}

fn compacted(name: &str, cell: impl Fn(u64) -> u64, blocks: u64) -> Outcome<()> {
    let tasks = tasks(BLOCKS)?;
    let (mut journal, _) = Journal::open(MemoryDisk::new(), &tasks, JournalOptions::default())?;
    run(&mut journal, cell, blocks, 1)?;
    let start = Instant::now();
    journal.compact()?;
    let took = start.elapsed();
    println!("{name}: compacted in {took:?}, {} bytes", journal.len_bytes());
    let mut disk = journal.into_disk();
    let ((done, stretches), took) = resume(&mut disk, &tasks)?;
    println!("    resumed in {took:?}: {done} blocks done in {stretches} stretches");
    Ok(())
}

/// The whole of a resume: replay, and the runs collected; done blocks and stretches.
fn resume(disk: &mut MemoryDisk, tasks: &TaskGraph) -> Outcome<((u64, usize), Duration)> {
    let start = Instant::now();
    let (journal, resumed): (_, Resumed) = Journal::open(disk, tasks, JournalOptions::default())?;
    let runs: Vec<_> = resumed.tasks.iter().flat_map(|task| task.done.stretches()).collect();
    let took = start.elapsed();
    black_box(&journal);
    let done = resumed.tasks.iter().map(|task| task.done.num_cells()).sum();
    Ok(((done, runs.len()), took))
}

/// A long sweep with the compaction that the journal wants.
fn sweep(blocks: u64) -> Outcome<()> {
    let tasks = tasks(blocks)?;
    let (mut journal, _) = Journal::open(MemoryDisk::new(), &tasks, JournalOptions::default())?;
    let task = TaskId::new(0);
    let (mut compactions, mut largest) = (0, 0);
    let start = Instant::now();
    for turn in (0..blocks).step_by(1_000) {
        for place in turn..turn + 1_000 {
            let (lease, key) = (LeaseId(place), BlockKey::new(task, place));
            journal.append(&Record::Grant { lease, worker: WorkerId(place % 7), key })?;
        }
        for place in turn..turn + 1_000 {
            let (lease, key) = (LeaseId(place), BlockKey::new(task, place));
            journal.append(&Record::Done { lease, key })?;
        }
        journal.commit()?;
        largest = largest.max(journal.len_bytes());
        if journal.wants_compaction() {
            journal.compact()?;
            compactions += 1;
        }
    }
    let took = start.elapsed();
    println!(
        "{blocks} blocks in sweep order: {took:?}, {compactions} compactions, at most {largest} bytes"
    );
    let ((done, stretches), took) = resume(&mut journal.into_disk(), &tasks)?;
    println!("    resumed in {took:?}: {done} blocks done in {stretches} stretches");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("    peak memory, file included:{}", peak.unwrap_or(" unknown").replace('\t', " "));
    Ok(())
}
