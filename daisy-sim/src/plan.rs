//! What there is to be done: tasks with random layouts, and what is the matter with each block.
//!
//! Which blocks conflict and which reads which is found out here by comparing every pair of ROIs, so that
//! the checkers do not believe what the product's arithmetic says.

use daisy_block::{BlockKey, Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{DependencyGraph, TaskGraph, TaskNode};
use daisy_sched::TaskConfig;

use crate::{
    dice::Dice,
    options::{Kind, Options},
};

/// What is the matter with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Nothing.
    Fine,
    /// It fails so often before it succeeds.
    Flaky(u32),
    /// It always fails.
    Failing,
    /// It always kills its worker.
    Poison,
    /// It never returns.
    Hanging,
    /// It was done before the run.
    DoneBefore,
    /// The check after it says so often that it is not done.
    Undone(u32),
}

/// One task.
pub(crate) struct TaskPlan {
    pub(crate) config: TaskConfig,
    pub(crate) max_retries: u32,
    /// The number of its first block among all blocks.
    pub(crate) first: usize,
    pub(crate) num_cells: usize,
    /// How long a block takes, in microseconds, both included.
    pub(crate) pace: (u64, u64),
    /// One in so many blocks takes five hundred times as long: what waits behind it is recalled.
    pub(crate) slow_one_in: Option<u64>,
}

/// Everything that is to be done; blocks of all tasks are numbered through.
pub(crate) struct Plan {
    pub(crate) tasks: Vec<TaskPlan>,
    pub(crate) graph: TaskGraph,
    pub(crate) natures: Vec<Nature>,
    /// The blocks of other tasks that each block reads.
    pub(crate) inputs: Vec<Vec<usize>>,
    /// What each block waits for, as the product says.
    pub(crate) gates: Vec<Vec<usize>>,
    /// A square table.
    conflicts: Vec<bool>,
    /// How many units there are of the one resource.
    pub(crate) units: u64,
}

/// The name of the one resource.
pub(crate) const RESOURCE: &str = "unit";

impl Plan {
    /// The tasks of a seed.
    pub(crate) fn new(options: &Options) -> Self {
        let mut dice = Dice::new(options.seed, 1);
        let mut graph = TaskGraph::new();
        let dims = dice.between(1, 2) as usize;
        let each = (options.blocks / options.tasks as u64).max(1);
        for place in 0..options.tasks {
            let layout = layout(dims, each, &mut dice);
            let node = layout.and_then(|layout| {
                TaskNode::new(format!("task {place}"), layout, !dice.one_in(3)).ok()
            });
            let Some(id) = node.and_then(|node| graph.add_task(node).ok()) else { continue };
            for up in 0..id.index() {
                if up + 1 == id.index() || dice.one_in(2) {
                    // There are no cycles among edges that lead upwards.
                    let _is_new = graph.add_edge(TaskId::new(up as u32), id);
                }
            }
        }
        let mut first = 0;
        let mut tasks = Vec::new();
        let units = dice.between(2, 4);
        let mut workers = options.workers;
        for id in graph.ids() {
            let num_cells = graph[id].tiling().num_cells() as usize;
            let mut task = task(options, (units, &mut workers), &mut dice);
            (task.first, task.num_cells) = (first, num_cells);
            first += num_cells;
            tasks.push(task);
        }
        let natures = tasks.iter().flat_map(|task| natures(options, task, &mut dice)).collect();
        let (inputs, conflicts) = neighbours(&graph, &tasks, first);
        let mut plan = Self { tasks, graph, natures, inputs, gates: Vec::new(), conflicts, units };
        plan.gates = plan.find_gates();
        plan
    }

    fn find_gates(&self) -> Vec<Vec<usize>> {
        let graph = DependencyGraph::new(self.graph.clone());
        let gates = |block: usize| {
            let upstream = graph.upstream(self.key(block));
            upstream.map(|keys| keys.map(|key| self.block(key)).collect()).unwrap_or_default()
        };
        (0..self.num_blocks()).map(gates).collect()
    }

    pub(crate) fn num_blocks(&self) -> usize {
        self.natures.len()
    }

    /// The number of a block among all blocks.
    pub(crate) fn block(&self, key: BlockKey) -> usize {
        self.tasks[key.task.index()].first + key.cell as usize
    }

    /// The task of a block.
    pub(crate) fn task_of(&self, block: usize) -> usize {
        self.tasks.iter().rposition(|task| task.first <= block && task.num_cells > 0).unwrap_or(0)
    }

    /// The name of a block.
    pub(crate) fn key(&self, block: usize) -> BlockKey {
        let task = self.task_of(block);
        BlockKey::new(TaskId::new(task as u32), (block - self.tasks[task].first) as u64)
    }

    /// Whether two blocks must not be at work at the same time: one writes what the other reads, or they
    /// are the same.
    pub(crate) fn conflict(&self, a: usize, b: usize) -> bool {
        a == b || self.conflicts[a * self.num_blocks() + b]
    }

    /// How often a block may fail.
    pub(crate) fn attempts(&self, block: usize) -> u32 {
        self.tasks[self.task_of(block)].max_retries + 1
    }
}

fn layout(dims: usize, blocks: u64, dice: &mut Dice) -> Option<Layout> {
    let side = if dims == 1 { blocks } else { (1..8).rev().find(|n| n * n <= blocks).unwrap_or(1) };
    let (mut total, mut read, mut write) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..dims {
        let shape = dice.between(2, 9) as i64;
        let (low, high) = (dice.below(5) as i64, dice.below(5) as i64);
        let (low, high) = if dice.one_in(3) { (0, 0) } else { (low, high) };
        let extra = dice.below(shape as u64) as i64;
        let length = side as i64 * shape + extra + low + high;
        total.push((dice.below(7) as i64 - 3 - low, length));
        read.push((-low, low + shape + high));
        write.push((0, shape));
    }
    let roi = |axes: &[(i64, i64)]| {
        let (begin, shape): (Vec<i64>, Vec<i64>) = axes.iter().copied().unzip();
        Roi::new(begin, shape).ok()
    };
    let fit = dice.pick(&[Fit::Valid, Fit::Overhang, Fit::Shrink]).unwrap_or(Fit::Valid);
    Layout::new(roi(&total)?, roi(&read)?, roi(&write)?, fit).ok()
}

fn task(options: &Options, (units, workers): (u64, &mut u64), dice: &mut Dice) -> TaskPlan {
    let is_slow = dice.one_in(3);
    let is_timed = options.has(Kind::Hanging) && !dice.one_in(4);
    let timeout_ms = dice.between(4_000, 20_000);
    let pace = match (is_slow, is_timed) {
        (true, false) => (500_000, 12_000_000),
        (true, true) => (100_000, timeout_ms * 250),
        (false, _) => dice.pick(&[(100, 900), (200, 30_000), (5_000, 400_000)]).unwrap_or((1, 9)),
    };
    let slow_one_in = (pace.1 < 1_000).then(|| dice.between(3, 12));
    // Tasks without workers of their own live on those that come by themselves.
    let own = if dice.one_in(4) { 0 } else { dice.between(1, 3).min(*workers) };
    *workers -= own;
    let needs = if options.has(Kind::Needs) && !dice.one_in(3) {
        vec![(RESOURCE.to_owned(), dice.between(1, units))]
    } else {
        Vec::new()
    };
    let config = TaskConfig {
        num_workers: own as u32,
        timeout_ms: is_timed.then_some(timeout_ms),
        check_before: options.has(Kind::CheckBefore) && !dice.one_in(3),
        check_after: options.has(Kind::CheckAfter) && !dice.one_in(3),
        checks_ahead: dice.between(1, 8) as u32,
        needs,
        max_failed_blocks: None,
        // Random deaths before the first block are no reason to end a task here.
        max_early_ends: Some(1_000_000),
    };
    TaskPlan {
        config,
        max_retries: dice.between(0, 3) as u32,
        first: 0,
        num_cells: 0,
        pace,
        slow_one_in,
    }
}

fn natures(options: &Options, task: &TaskPlan, dice: &mut Dice) -> Vec<Nature> {
    let config = &task.config;
    let mut nature = || match dice.below(30) {
        0 if options.has(Kind::Poison) => Nature::Poison,
        1 if options.has(Kind::Failing) => Nature::Failing,
        2..5 if options.has(Kind::Failing) => {
            Nature::Flaky(dice.below(u64::from(task.max_retries) + 1) as u32)
        }
        5 if config.timeout_ms.is_some() => Nature::Hanging,
        6..9 if config.check_before => Nature::DoneBefore,
        9 if config.check_after => {
            Nature::Undone(dice.below(u64::from(task.max_retries) + 1) as u32)
        }
        _ => Nature::Fine,
    };
    (0..task.num_cells).map(|_| nature()).collect()
}

/// A box of cells of the world, axis by axis, half-open.
type Extent = Vec<(i64, i64)>;

fn extent(roi: Option<Roi>) -> Extent {
    let Some(roi) = roi else { return Vec::new() };
    let axis = |axis| Some((roi.begin_at(axis)?, roi.end_at(axis)?));
    (0..roi.dims()).filter_map(axis).collect()
}

fn meet(a: &Extent, b: &Extent) -> bool {
    !a.is_empty() && a.iter().zip(b).all(|(a, b)| a.0.max(b.0) < a.1.min(b.1))
}

/// Who reads whom, and who conflicts with whom.
fn neighbours(
    graph: &TaskGraph,
    tasks: &[TaskPlan],
    num_blocks: usize,
) -> (Vec<Vec<usize>>, Vec<bool>) {
    let mut rois: Vec<(usize, Extent, Extent)> = Vec::new();
    for (place, id) in graph.ids().enumerate() {
        let tiling = graph[id].tiling();
        for cell in 0..tasks[place].num_cells as u64 {
            rois.push((place, extent(tiling.read_roi(cell)), extent(tiling.write_roi(cell))));
        }
    }
    let ids: Vec<TaskId> = graph.ids().collect();
    let (mut inputs, mut conflicts) =
        (vec![Vec::new(); num_blocks], vec![false; num_blocks * num_blocks]);
    for (a, (task, read, write)) in rois.iter().enumerate() {
        for (b, (other, its_read, its_write)) in rois.iter().enumerate() {
            let is_input = graph.upstream(ids[*task]).contains(&ids[*other]);
            if is_input && meet(read, its_write) {
                inputs[a].push(b);
                conflicts[a * num_blocks + b] = true;
                conflicts[b * num_blocks + a] = true;
            }
            let is_exclusive = task == other && graph[ids[*task]].stencil().is_some();
            if is_exclusive && (meet(read, its_write) || meet(write, its_read)) {
                conflicts[a * num_blocks + b] = true;
            }
        }
    }
    (inputs, conflicts)
}
