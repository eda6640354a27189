//! `run_blockwise` in process with an empty function.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use daisy::{Roi, RunOptions, Task};

use crate::{Error, measure::Outcome};

/// `N` or `N:THREADS`: N one-dimensional blocks on some threads.
pub(crate) fn one(workload: &str, sizes: &str) -> Result<Outcome, Error> {
    let (blocks, threads) = sizes.split_once(':').unwrap_or((sizes, "1"));
    let blocks: i64 = blocks.parse()?;
    let (total, block) = (Roi::new([0], [blocks * 10])?, Roi::new([0], [10])?);
    let first_block_ns = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&first_block_ns);
    let start = Instant::now();
    let task = Task::builder("empty", total, block.clone(), block)
        .read_write_conflict(false)
        .num_workers(threads.parse()?)
        .process(move |_| {
            if seen.load(Ordering::Relaxed) == 0 {
                seen.store(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
            }
        })
        .build()?;
    let report = RunOptions::new().run(&[task])?;
    let counts = report.tasks.first().ok_or("no task")?.counts;
    if !report.is_success() || counts.completed != blocks.unsigned_abs() {
        return Err(format!("{counts}").into());
    }
    let outcome = Outcome::since(start, workload, 1, counts.completed);
    let first_block_s = first_block_ns.load(Ordering::Relaxed) as f64 * 1e-9;
    Ok(Outcome { first_block_s, ..outcome })
}
