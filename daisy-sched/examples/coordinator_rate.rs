//! What a grant and its outcome cost: `cargo run --release -p daisy-sched --example coordinator_rate`.
//!
//! Blocks of a 1-D task without conflict, first from a bare scheduler, then through a coordinator with
//! one worker that takes one block at a time, with look-ahead, with a timeout, and with 100 workers.

use std::{error::Error, time::Instant};

use daisy_block::{Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_sched::{
    Coordinator, CoordinatorConfig, Input, Moment, Outcome, Output, Scheduler, SchedulerOptions,
    TaskConfig, WorkerId, WorkerKind,
};

const BLOCKS: i64 = 1_000_000;
const TASK: TaskId = TaskId::new(0);

fn main() -> Result<(), Box<dyn Error>> {
    let bare = bare()?;
    println!("{:<34} {bare:6.1} ns a block", "bare scheduler");
    let with_timeout = TaskConfig { timeout_ms: Some(60_000), ..TaskConfig::default() };
    for (name, config, workers, ahead) in [
        ("1 worker, one at a time", TaskConfig::default(), 1, 1),
        ("1 worker, 32 at once", TaskConfig::default(), 1, 32),
        ("1 worker, one at a time, timeout", with_timeout.clone(), 1, 1),
        ("1 worker, 32 at once, timeout", with_timeout, 1, 32),
        ("100 workers, one at a time", TaskConfig::default(), 100, 1),
        ("100 workers, 32 at once", TaskConfig::default(), 100, 32),
    ] {
        let time = coordinated(config, workers, ahead)?;
        println!("{name:<34} {time:6.1} ns a block, {:+6.1} to the scheduler", time - bare);
    }
    Ok(())
}

fn scheduler() -> Result<Scheduler, Box<dyn Error>> {
    let (total, block) = (Roi::new([0], [BLOCKS * 10])?, Roi::new([0], [10])?);
    let layout = Layout::new(total, block.clone(), block, Fit::Valid)?;
    let mut tasks = TaskGraph::new();
    tasks.add_task(TaskNode::new("line", layout, false)?)?;
    Ok(Scheduler::new(tasks, SchedulerOptions::default())?)
}

fn per_block(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / BLOCKS as f64
}

fn bare() -> Result<f64, Box<dyn Error>> {
    let mut scheduler = scheduler()?;
    let start = Instant::now();
    while let Some(key) = scheduler.acquire_from(TASK) {
        scheduler.complete(key)?;
    }
    Ok(per_block(start))
}

/// Every turn settles all blocks of one worker and asks for as many again.
fn coordinated(task: TaskConfig, workers: u32, ahead: u32) -> Result<f64, Box<dyn Error>> {
    let task = TaskConfig { num_workers: 0, ..task };
    let config = CoordinatorConfig { tasks: vec![task], ..CoordinatorConfig::default() };
    let mut coordinator = Coordinator::new(scheduler()?, config)?;
    let mut held: Vec<(WorkerId, Vec<_>)> = Vec::new();
    for _ in 0..workers {
        let worker = coordinator.name_worker();
        coordinator
            .handle(Moment::ZERO, Input::Joined { worker, task: TASK, kind: WorkerKind::Thread })?;
        held.push((worker, Vec::new()));
    }
    let start = Instant::now();
    let mut turn = 0;
    let mut micros = 0;
    while !coordinator.is_done() {
        micros += 1;
        let now = Moment::from_micros(micros);
        let (worker, leases) = &mut held[turn % workers as usize];
        for lease in leases.drain(..) {
            let outcome = Outcome::Completed;
            coordinator.handle(now, Input::Settle { worker: *worker, lease, outcome })?;
            while coordinator.poll_output().is_some() {}
        }
        coordinator.handle(now, Input::Want { worker: *worker, blocks: ahead })?;
        while let Some(output) = coordinator.poll_output() {
            if let Output::Grant(lease) = output {
                leases.push(lease.id);
            }
        }
        let _ = coordinator.next_deadline();
        turn += 1;
    }
    Ok(per_block(start))
}
