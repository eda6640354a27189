//! Which blocks are wanted, and the frontiers that follow.

use alloc::vec::Vec;

use daisy_block::{CellBox, Order, TaskId, Tiling};
use daisy_geometry::{Coordinate, Roi};
use daisy_graph::TaskGraph;
use smallvec::SmallVec;

use super::{
    Scheduler, SchedulerOptions,
    edge::Edge,
    frontier::{Frontier, Parts},
    mask::Mask,
    resolved::Resolved,
    wanted::Wanted,
};
use crate::SchedulerError;

/// Which blocks of which tasks are wanted.
///
/// Whatever is requested is expanded to whole blocks and to exactly the upstream blocks that they
/// read, directly or through others. Blocks that are not needed are not part of the run and not in
/// any count; they do not hold up those that are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Request {
    /// All blocks of the tasks that nothing is downstream of.
    #[default]
    LastTasks,
    /// All blocks of all tasks, even of upstream tasks where nobody reads them.
    Everything,
    /// The blocks that write into these ROIs.
    Rois(Vec<(TaskId, Roi)>),
}

/// One frontier for each task.
pub(super) fn frontiers(
    tasks: &TaskGraph,
    options: &SchedulerOptions,
) -> Result<Vec<Frontier>, SchedulerError> {
    let wanted = wanted(tasks, &options.request)?;
    let hulls: Vec<CellBox> =
        tasks.ids().map(|task| hull(tasks, task, &wanted[task.index()])).collect();
    let mut frontiers = Vec::new();
    for task in tasks.ids() {
        let node = &tasks[task];
        let grid_of = |task: TaskId| {
            let part = tasks[task].tiling().part_unchecked(&hulls[task.index()]);
            if options.order == Order::Level { part.row_major() } else { part }
        };
        let grid = grid_of(task);
        if grid.num_cells() > Scheduler::MAX_BLOCKS {
            return Err(SchedulerError::TooManyBlocks { task, limit: Scheduler::MAX_BLOCKS });
        }
        let hull = &hulls[task.index()];
        let origin = Coordinate::from_fn(node.tiling().dims(), |axis| hull.axes()[axis].start);
        let only = only(&grid, &origin, &wanted[task.index()], task)?;
        let closed = Resolved::new(grid.num_cells(), only, options.tuning.max_listed);
        let (gates, inputs): (Vec<_>, Vec<_>) = tasks
            .upstream(task)
            .iter()
            .map(|&up| Edge::input(up.index(), &grid, grid_of(up), &options.tuning))
            .partition(|edge| awaits_all(&grid, &edge.grid));
        let masked = options.masked.contains(&task).then(|| Mask::new(grid.all_cells()));
        let is_whole = grid == *node.tiling();
        let parts = Parts {
            is_whole,
            origin,
            inputs,
            gates: gates.into_iter().map(|edge| edge.task).collect(),
            closed,
            mask: masked.filter(|_| grid.num_cells() > 0),
            order: options.order,
            tuning: options.tuning,
            grid,
        };
        let frontier = Frontier::new(node, parts);
        if frontier.max_waits > u64::from(u32::MAX) {
            return Err(SchedulerError::TooManyInputs { task, limit: u32::MAX.into() });
        }
        frontiers.push(frontier);
    }
    link(&mut frontiers);
    Ok(frontiers)
}

/// Tells each upstream task who waits for it.
fn link(frontiers: &mut [Frontier]) {
    for task in 0..frontiers.len() {
        for place in 0..frontiers[task].inputs.len() {
            let input = &frontiers[task].inputs[place];
            let (up, edge) = (input.task, input.reversed(task, frontiers[task].grid.clone()));
            frontiers[up].outputs.push(edge);
        }
        for place in 0..frontiers[task].gates.len() {
            let up = frontiers[task].gates[place];
            frontiers[up].gated.push(task);
        }
    }
}

/// The boxes of blocks wanted of each task, upstream blocks included.
fn wanted(tasks: &TaskGraph, request: &Request) -> Result<Vec<Vec<CellBox>>, SchedulerError> {
    let mut wanted: Vec<Vec<CellBox>> = tasks.ids().map(|_| Vec::new()).collect();
    let mut want = |task: TaskId, cells: CellBox| wanted[task.index()].push(cells);
    match request {
        Request::LastTasks => {
            tasks.last_tasks().for_each(|task| want(task, tasks[task].tiling().all_cells()));
        }
        Request::Everything => {
            tasks.ids().for_each(|task| want(task, tasks[task].tiling().all_cells()));
        }
        Request::Rois(rois) => {
            for (task, roi) in rois {
                let unknown =
                    SchedulerError::UnknownTask { task: *task, num_tasks: tasks.num_tasks() };
                let tiling = tasks.task(*task).map_err(|_| unknown)?.tiling();
                let (expected, found) = (tiling.dims(), roi.dims());
                if expected != found {
                    return Err(SchedulerError::RequestDims { task: *task, expected, found });
                }
                want(*task, tiling.cells_writing_unchecked(roi));
            }
        }
    }
    for task in tasks.topological_order().into_iter().rev() {
        let boxes = simplified(core::mem::take(&mut wanted[task.index()]));
        for cells in &boxes {
            // Blocks lie side by side, so what the blocks of a box read is a box of upstream blocks.
            let Some(roi) = tasks[task].tiling().read_by_unchecked(cells) else { continue };
            for &up in tasks.upstream(task) {
                wanted[up.index()].push(tasks[up].tiling().cells_writing_unchecked(&roi));
            }
        }
        wanted[task.index()] = boxes;
    }
    Ok(wanted)
}

/// The same cells in fewer boxes: empty and equal ones are dropped, and along each axis boxes that touch or
/// overlap and are alike otherwise are joined. O(boxes * log boxes) for each axis.
fn simplified(mut boxes: Vec<CellBox>) -> Vec<CellBox> {
    boxes.retain(|cells| !cells.is_empty());
    let Some(hull) = boxes.iter().cloned().reduce(|hull, cells| hull.hull_unchecked(&cells)) else {
        return boxes;
    };
    if boxes.contains(&hull) {
        return alloc::vec![hull];
    }
    let dims = hull.dims();
    for axis in 0..dims {
        let others = |cells: &CellBox| {
            let others = cells.axes().iter().enumerate().filter(|&(other, _)| other != axis);
            others.map(|(_, range)| (range.start, range.end)).collect::<SmallVec<[_; 4]>>()
        };
        boxes.sort_by_cached_key(|cells| (others(cells), cells.axes()[axis].start));
        boxes.dedup_by(|next, last| {
            let is_joined =
                others(next) == others(last) && next.axes()[axis].start <= last.axes()[axis].end;
            if is_joined {
                *last = last.hull_unchecked(next);
            }
            is_joined
        });
    }
    boxes
}

/// The wanted cells of a grid; none where they are one box, since that is the grid then.
fn only(
    grid: &Tiling,
    origin: &Coordinate,
    wanted: &[CellBox],
    task: TaskId,
) -> Result<Option<Wanted>, SchedulerError> {
    if wanted.len() < 2 {
        return Ok(None);
    }
    let moved = wanted.iter().filter_map(|cells| shifted(cells, origin, -1));
    let only = Wanted::new(grid, &moved.collect::<Vec<_>>());
    only.map(Some).ok_or(SchedulerError::RequestTooFine { task })
}

fn hull(tasks: &TaskGraph, task: TaskId, boxes: &[CellBox]) -> CellBox {
    let none = CellBox::empty(tasks[task].tiling().dims());
    boxes.iter().fold(none, |hull, cells| hull.hull_unchecked(cells))
}

/// Whether every cell of `grid` reads every cell of `upstream`.
fn awaits_all(grid: &Tiling, upstream: &Tiling) -> bool {
    if grid.num_cells() == 0 || upstream.num_cells() == 0 {
        return false;
    }
    grid.axes().iter().zip(upstream.axes()).all(|(here, there)| {
        // Read intervals only ever move up, so the first and the last cell decide.
        let all = 0..there.num_cells();
        [0, here.num_cells() - 1].iter().all(|&end| there.written_in(&here.read(end)) == all)
    })
}

/// A box moved by `origin`, once up or down; none where that cannot be.
pub(super) fn shifted(cells: &CellBox, origin: &Coordinate, sign: i64) -> Option<CellBox> {
    if cells.dims() != origin.dims() {
        return None;
    }
    let moved = |entry: i64, by: i64| entry.checked_add(sign * by);
    let axes: Option<SmallVec<[_; 4]>> = cells
        .axes()
        .iter()
        .zip(origin.iter())
        .map(|(range, by)| Some(moved(range.start, by)?..moved(range.end, by)?))
        .collect();
    axes.map(CellBox::new)
}
