//! `turns:WORKLOAD`: a coordinator with eight workers that have up to 256 blocks each, as a server drives it; what
//! is measured beside the rate is the longest time that one input and all its outputs take, which is how long
//! the lock of a run is held. `masked:WORKLOAD` is the same with the lower half of the first task's blocks along each
//! axis masked, as one box.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use daisy_block::{CellBox, TaskId};
use daisy_sched::{
    Coordinator, CoordinatorConfig, Input, Moment, Outcome as BlockOutcome, Output, Request,
    Scheduler, SchedulerOptions, TaskConfig, Verdict, WorkerKind,
};

use crate::{Error, measure::Outcome, pipeline, scheduler::MOST_WIDE};

const WORKERS: u32 = 8;
const AHEAD: u32 = 256;

pub(crate) fn one(workload: &str, tasks: &str, is_masked: bool) -> Result<Outcome, Error> {
    let tasks = pipeline::tasks(tasks)?;
    let start = Instant::now();
    let mut options = SchedulerOptions { request: Request::Everything, ..Default::default() };
    let whole = tasks[TaskId::new(0)].tiling().all_cells();
    if is_masked {
        options.masked.insert(TaskId::new(0));
    }
    let task = TaskConfig { num_workers: WORKERS, ..TaskConfig::default() };
    let config = CoordinatorConfig {
        tasks: tasks.ids().map(|_| task.clone()).collect(),
        ..CoordinatorConfig::default()
    };
    let mut coordinator = Coordinator::new(Scheduler::new(tasks, options)?, config)?;
    let mut inputs = VecDeque::new();
    let (mut blocks, mut longest, mut first_block_s) = (0, Duration::ZERO, 0.0);
    while !coordinator.is_done() && blocks < MOST_WIDE {
        while let Some(output) = coordinator.poll_output() {
            match output {
                Output::StartWorker { worker, task } => {
                    let kind = WorkerKind::Remote { heartbeats: false };
                    inputs.push_back(Input::Joined { worker, task, kind });
                    inputs.push_back(Input::Want { worker, blocks: AHEAD });
                }
                Output::Grant(lease) => {
                    if first_block_s == 0.0 {
                        first_block_s = start.elapsed().as_secs_f64();
                    }
                    let (worker, lease) = (lease.worker, lease.id);
                    let outcome = BlockOutcome::Completed;
                    inputs.push_back(Input::Settle { worker, lease, outcome });
                    inputs.push_back(Input::Want { worker, blocks: 1 });
                    blocks += 1;
                }
                Output::Ask(question) => {
                    let verdict = lower_half(&whole, &question.cells);
                    inputs.push_back(Input::Answered { question, verdict });
                }
                _ => {}
            }
        }
        // The time stands still, so that nothing is recalled: only what was left for later is due.
        let is_due = coordinator.next_deadline().is_some_and(|(at, _)| at <= Moment::ZERO);
        let input = if is_due { Some(Input::Timeout) } else { inputs.pop_front() };
        let Some(input) = input else { break };
        let turn = Instant::now();
        coordinator.handle(Moment::ZERO, input)?;
        longest = longest.max(turn.elapsed());
    }
    let longest_turn_s = longest.as_secs_f64();
    Ok(Outcome { first_block_s, longest_turn_s, ..Outcome::since(start, workload, 1, blocks) })
}

/// Masks the lower half along each axis.
fn lower_half(whole: &CellBox, cells: &CellBox) -> Verdict {
    let axes = || whole.axes().iter().zip(cells.axes());
    if axes().all(|(all, range)| range.end <= all.end / 2) {
        Verdict::All
    } else if axes().any(|(all, range)| range.start >= all.end / 2) {
        Verdict::None
    } else {
        Verdict::Part
    }
}
