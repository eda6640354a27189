//! Ten million finished blocks taken over from an earlier run, in different patterns.

use std::{hint::black_box, ops::Range, time::Instant};

use daisy_block::TaskId;
use daisy_sched::{Scheduler, SchedulerOptions};

use crate::{Error, measure::Outcome, pipeline};

const FINISHED: u64 = 10_000_000;

/// Takes over [`FINISHED`] blocks: `stretch`, `stretches` (every other block), or `random` (scattered
/// over a hundred times as many), and acquires the first block that is left.
pub(crate) fn one(workload: &str, pattern: &str) -> Result<Outcome, Error> {
    let (side, finished): (i64, Box<dyn Iterator<Item = Range<u64>>>) = match pattern {
        "stretch" => (300, Box::new(std::iter::once(0..FINISHED))),
        "stretches" => (300, Box::new((0..FINISHED).map(|cell| 2 * cell..2 * cell + 1))),
        "random" => (
            1000,
            Box::new((0..FINISHED).map(|place| {
                let cell = place * 100 + (place.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 100;
                cell..cell + 1
            })),
        ),
        other => return Err(format!("unknown pattern '{other}'").into()),
    };
    let tasks = pipeline::tasks(&format!("cubec:{side}"))?;
    let start = Instant::now();
    let mut earlier = Scheduler::builder(tasks, SchedulerOptions::default())?;
    for cells in finished {
        earlier.take_over(TaskId::new(0), cells)?;
    }
    let mut scheduler = earlier.build();
    let outcome = Outcome::since(start, workload, 1, FINISHED);
    let key = scheduler.acquire().ok_or("no block")?;
    black_box(scheduler.block(key));
    let counts = scheduler.counts(TaskId::new(0))?;
    if counts.skipped != FINISHED {
        return Err(format!("{} blocks were taken over of {FINISHED}", counts.skipped).into());
    }
    Ok(Outcome { first_block_s: start.elapsed().as_secs_f64(), ..outcome })
}
