//! `resume:stretch`, `resume:stretches`: ten million finished blocks read again from a journal in a file.
//!
//! The journal is made first, by the crate that runs use; what is measured is a run that is started with it: from the
//! start to its first block. `+snapshot` compacts it before, as the end of a run does.

use std::{env, fs, sync::Mutex, time::Instant};

use daisy::{Roi, RunOptions, Task};
use daisy_block::{BlockKey, Fit, Layout, TaskId};
use daisy_graph::{TaskGraph, TaskNode};
use daisy_journal::{Journal, JournalOptions, MemoryDisk};
use daisy_sched::{LeaseId, Record, WorkerId};

use crate::{Error, measure::rss_peak_kb, net::NetOutcome};

/// Finished blocks.
const BLOCKS: u64 = 10_000_000;
/// Blocks that one worker had at a time.
const BATCH: u64 = 256;

pub(crate) fn run(workload: &str, kind: &str, is_compact: bool) -> Result<NetOutcome, Error> {
    // Every other block of twice as many are as many stretches as blocks; of half the blocks here.
    let (done, step) = match kind {
        "stretch" => (BLOCKS, 1),
        "stretches" => (BLOCKS / 2, 2),
        _ => return Err(format!("unknown workload {workload}").into()),
    };
    let end = i64::try_from(done * step + 1)? * 10;
    let (total, block) = (Roi::new([0], [end])?, Roi::new([0], [10])?);
    let folder = env::temp_dir().join(format!("daisy-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let path = folder.join("journal");
    let layout = Layout::new(total.clone(), block.clone(), block.clone(), Fit::Valid)?;
    let bytes = journal(layout, (done, step), is_compact)?;
    fs::write(&path, &bytes)?;
    let first = std::sync::Arc::new(Mutex::new(None));
    let seen = std::sync::Arc::clone(&first);
    let task = Task::builder("empty", total, block.clone(), block)
        .read_write_conflict(false)
        .process(move |_| {
            if let Ok(mut first) = seen.lock() {
                first.get_or_insert_with(Instant::now);
            }
        })
        .build()?;
    let start = Instant::now();
    let report = RunOptions::new().journal(&path).run(&[task])?;
    if !report.is_success() {
        return Err(report.to_string().into());
    }
    fs::remove_dir_all(&folder)?;
    let first = first.lock().map_err(|_| "a block panicked")?.ok_or("no block was left")?;
    let elapsed = first - start;
    Ok(NetOutcome {
        workload: workload.to_owned(),
        blocks: done,
        seconds: elapsed.as_secs_f64(),
        latencies: vec![elapsed],
        rss_peak_kb: rss_peak_kb(),
        journal_bytes: bytes.len() as u64,
        ..NetOutcome::default()
    })
}

/// The journal of a run in which `done` blocks were done, `step` apart.
fn journal(layout: Layout, (done, step): (u64, u64), is_compact: bool) -> Result<Vec<u8>, Error> {
    let mut tasks = TaskGraph::new();
    tasks.add_task(TaskNode::new("empty", layout, false)?)?;
    let options = JournalOptions { compact_above_bytes: u64::MAX, ..JournalOptions::default() };
    let (mut journal, _) = Journal::open(MemoryDisk::new(), &tasks, options)?;
    for first in (0..done).step_by(usize::try_from(BATCH)?) {
        let of = |number: u64| (LeaseId(number), BlockKey::new(TaskId::new(0), number * step));
        for number in first..(first + BATCH).min(done) {
            let (lease, key) = of(number);
            journal.append(&Record::Grant { lease, worker: WorkerId(0), key })?;
        }
        for number in first..(first + BATCH).min(done) {
            let (lease, key) = of(number);
            journal.append(&Record::Done { lease, key })?;
        }
        journal.commit()?;
    }
    if is_compact {
        journal.compact()?;
    }
    Ok(journal.into_disk().bytes().to_vec())
}
