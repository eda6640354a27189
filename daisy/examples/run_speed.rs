//! How many blocks a second `run_blockwise` gets through: `run_speed [BLOCKS] [THREADS]`.
//!
//! One task in one dimension without conflict, whose block function does nothing.

use std::error::Error;

use daisy::{Roi, RunOptions, Task};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let blocks: i64 = arguments.next().map_or(Ok(10_000_000), |text| text.parse())?;
    let threads: u32 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let block = Roi::new([0], [10])?;
    let task = Task::builder("nothing", Roi::new([0], [10 * blocks])?, block.clone(), block)
        .read_write_conflict(false)
        .num_workers(threads)
        .process(|_| ())
        .build()?;
    let report = RunOptions::new().run(&[task])?;
    let rate = blocks as f64 / report.wall_time.as_secs_f64();
    println!("{report}\n{threads} threads: {:.2} M blocks/s", rate / 1e6);
    Ok(())
}
