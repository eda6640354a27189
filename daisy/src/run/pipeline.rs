//! From task handles to what the machine needs: a graph, and settings by task number.

use std::{collections::BTreeMap, collections::BTreeSet, ops::Range, sync::Arc, time::Duration};

use daisy_block::{Block, BlockKey, TaskId};
use daisy_graph::TaskGraph;
use daisy_sched::{
    CoordinatorConfig, Request, Scheduler, SchedulerBuilder, SchedulerError, SchedulerOptions,
    TaskConfig,
};

use super::{Error, RunOptions};
use crate::{Task, task::Inner};

/// Threads that make the checks of a task whose blocks run outside: checks wait for disks, not cores.
const MIN_CHECKERS: u32 = 2;
const MAX_CHECKERS: u32 = 16;

/// All tasks of a run, each once; a task's number is its place.
pub(crate) struct Pipeline {
    tasks: Vec<Task>,
}

impl Pipeline {
    /// The given tasks and everything upstream of them, upstream first.
    pub(crate) fn new(wanted: &[Task]) -> Self {
        let mut tasks: Vec<Task> = Vec::new();
        let mut seen: BTreeSet<*const Inner> = BTreeSet::new();
        // A task is visited twice: first to put what is upstream before it, then to add it.
        let mut stack: Vec<(&Task, bool)> = wanted.iter().rev().map(|task| (task, false)).collect();
        while let Some((task, is_upstream_done)) = stack.pop() {
            if is_upstream_done {
                tasks.push(task.clone());
            } else if seen.insert(Arc::as_ptr(&task.0)) {
                stack.push((task, true));
                stack.extend(task.0.upstream.iter().rev().map(|up| (up, false)));
            }
        }
        Self { tasks }
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        (0..).map(TaskId::new).zip(&self.tasks)
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn task(&self, id: TaskId) -> &Task {
        &self.tasks[id.index()]
    }

    /// The block of a key that the machine gave out.
    pub(crate) fn block(&self, key: BlockKey) -> Option<Block> {
        self.task(key.task).0.node.tiling().block(key.task, key.cell)
    }

    /// The tasks and who waits for whom.
    pub(crate) fn graph(&self) -> Result<TaskGraph, Error> {
        let mut graph = TaskGraph::new();
        let mut ids: BTreeMap<*const Inner, TaskId> = BTreeMap::new();
        for task in &self.tasks {
            let id = graph.add_task(task.0.node.clone())?;
            ids.insert(Arc::as_ptr(&task.0), id);
            for up in task.0.upstream.iter().filter_map(|up| ids.get(&Arc::as_ptr(&up.0))) {
                graph.add_edge(*up, id)?;
            }
        }
        Ok(graph)
    }

    /// A scheduler in the making.
    pub(crate) fn earlier(&self, options: &RunOptions) -> Result<SchedulerBuilder, Error> {
        let masked = self.tasks().filter(|(_, task)| !task.0.masks.is_empty());
        let settings = SchedulerOptions {
            order: options.order,
            request: self.request(options)?,
            count_all_orphans: options.count_all_orphans,
            max_retries: self.tasks.iter().map(|task| task.0.max_retries).collect(),
            masked: masked.map(|(id, _)| id).collect(),
            ..SchedulerOptions::default()
        };
        Ok(Scheduler::builder(self.graph()?, settings)?)
    }

    /// Asks all stores which blocks are done.
    pub(crate) fn blocks_done(&self) -> Result<Vec<(TaskId, Range<u64>)>, Error> {
        let mut done = Vec::new();
        for (id, task) in self.tasks() {
            for ask in &task.0.done {
                let name = || task.name().to_owned();
                let runs = ask().map_err(|source| Error::BlocksDone { task: name(), source })?;
                done.extend(runs.into_iter().map(|cells| (id, cells)));
            }
        }
        Ok(done)
    }

    /// Serial runs have no workers outside this process.
    pub(crate) fn check_serial(&self, options: &RunOptions) -> Result<(), Error> {
        let outside = self.tasks.iter().find(|task| options.serial && task.0.process.is_none());
        match outside {
            Some(task) => Err(Error::SerialOutside { task: task.name().to_owned() }),
            None => Ok(()),
        }
    }

    fn request(&self, options: &RunOptions) -> Result<Request, Error> {
        if options.requests.is_empty() {
            return Ok(if options.everything { Request::Everything } else { Request::LastTasks });
        }
        let mut rois = Vec::new();
        for (wanted, roi) in &options.requests {
            let found = self.tasks().find(|(_, task)| task.is_same(wanted));
            let (id, _) =
                found.ok_or_else(|| Error::RequestedTask { task: wanted.name().to_owned() })?;
            rois.push((id, roi.clone()));
        }
        Ok(Request::Rois(rois))
    }

    /// How the machine of a run works.
    pub(crate) fn config(&self, options: &RunOptions) -> CoordinatorConfig {
        CoordinatorConfig {
            tasks: self.tasks.iter().map(|task| task_config(&task.0, options.serial)).collect(),
            resources: options.resources.clone(),
            backoff_ms: millis(options.backoff),
            max_backoff_ms: millis(options.max_backoff),
            // Whoever debugs in serial mode stops at breakpoints for as long as it takes.
            check_timeout_ms: if options.serial {
                u64::MAX / 1_000_000
            } else {
                millis(options.check_timeout).max(1)
            },
            ..CoordinatorConfig::default()
        }
    }
}

/// Takes over what the tasks' stores say is done, but for blocks that are still out: their workers are to
/// come back to them.
pub(crate) fn take_over_done(
    done: &[(TaskId, Range<u64>)],
    earlier: &mut SchedulerBuilder,
    out: &BTreeSet<BlockKey>,
) -> Result<(), SchedulerError> {
    for (task, cells) in done {
        let mut begin = cells.start;
        let first = BlockKey::new(*task, cells.start);
        let end = BlockKey::new(*task, cells.end.max(cells.start));
        for key in out.range(first..end) {
            earlier.take_over(*task, begin..key.cell)?;
            begin = key.cell + 1;
        }
        earlier.take_over(*task, begin..cells.end)?;
    }
    Ok(())
}

fn task_config(task: &Inner, is_serial: bool) -> TaskConfig {
    let num_workers = if is_serial { 1 } else { task.num_workers };
    TaskConfig {
        num_workers,
        timeout_ms: task.timeout.filter(|_| !is_serial).map(|limit| millis(limit).max(1)),
        check_before: task.checks.before.is_some(),
        check_after: task.checks.after.is_some(),
        // As many as there are threads to make them, so that no check waits while its time runs.
        checks_ahead: if task.worker.is_some() || num_workers == 0 {
            num_workers.clamp(MIN_CHECKERS, MAX_CHECKERS)
        } else {
            num_workers
        },
        needs: task.needs.iter().map(|(name, amount)| (name.clone(), *amount)).collect(),
        max_failed_blocks: task.max_failed_blocks,
        max_early_ends: None,
    }
}

/// Whole milliseconds, rounded up.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
