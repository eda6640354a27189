//! Making blocks, and everything downstream of them, undone.

use core::ops::Range;

use daisy_block::{CellBox, LayoutError, TaskId, Tiling};
use daisy_geometry::Roi;
use daisy_graph::{GraphError, TaskGraph};

use crate::{
    Damage, Disk, JournalError, JournalTuning, TaskDescription,
    batch::{Batch, number_of},
    frame::kind,
    replay::{Replayed, replay},
    snapshot::put_runs,
    state::{State, TaskState},
};

/// What to do about what stands in the way; the default is to leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ForgetOptions {
    /// What to do about damage before the end of the file.
    pub damage: Damage,
    /// Put all lent blocks back first. Only right where no worker is at work any more: what one
    /// hands in later is not taken.
    pub drop_open_leases: bool,
    /// Boxes of blocks of one task that are told apart; where they would be more, all blocks of one box
    /// around them are forgotten.
    pub max_boxes: usize,
}

impl Default for ForgetOptions {
    fn default() -> Self {
        Self { damage: Damage::Refuse, drop_open_leases: false, max_boxes: 256 }
    }
}

/// What has been forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// One for each task of which something was known and is not any more, in the order of adding.
    pub tasks: Vec<ForgottenTask>,
    /// How many leases were dropped.
    pub dropped_leases: u64,
}

/// What has been forgotten of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgottenTask {
    /// Its name.
    pub name: String,
    /// How many blocks were done and are not any more.
    pub done: u64,
    /// How many blocks had failed for good and may be tried again.
    pub failed: u64,
}

/// Blocks of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskBlocks {
    /// The name of the task.
    pub name: String,
    /// The numbers of their cells, as half-open runs.
    pub cells: Vec<Range<u64>>,
}

/// Makes the blocks of `task` that write into `roi` undone, all of them without one, and so the
/// blocks of all tasks downstream that read what they or blocks made undone write.
///
/// Failed attempts and failures of these blocks are forgotten as well. No run may use the journal.
/// Blocks of the same task are downstream of none: that they conflict only says that they do not run
/// at the same time. Cost: O(stretches + rows of blocks beside them), not O(blocks). When this returns, it is durable; a crash
/// on the way leaves nothing done whose input is forgotten.
///
/// # Errors
/// [`JournalError::UnknownTask`], [`JournalError::DimsMismatch`], [`JournalError::LeasesOpen`]
/// (unless the options say otherwise), and those of opening a journal.
///
/// ```
/// use daisy_block::{Fit, Layout};
/// use daisy_geometry::Roi;
/// use daisy_graph::{TaskGraph, TaskNode};
/// use daisy_journal::{ForgetOptions, Journal, JournalOptions, MemoryDisk, forget};
///
/// let block = Roi::new([0], [10])?;
/// let layout = Layout::new(Roi::new([0], [100])?, block.clone(), block, Fit::Valid)?;
/// let mut tasks = TaskGraph::new();
/// tasks.add_task(TaskNode::new("smooth", layout, false)?)?;
/// let (journal, _) = Journal::open(MemoryDisk::new(), &tasks, JournalOptions::default())?;
/// let mut disk = journal.into_disk();
///
/// let roi = Roi::new([25], [10])?;
/// let forgotten = forget(&mut disk, "smooth", Some(&roi), ForgetOptions::default())?;
/// assert!(forgotten.tasks.is_empty()); // nothing had been done
/// assert!(forget(&mut disk, "typo", None, ForgetOptions::default()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn forget<D: Disk>(
    disk: &mut D,
    task: &str,
    roi: Option<&Roi>,
    options: ForgetOptions,
) -> Result<Forgotten, JournalError<D::Error>> {
    let Plan { replayed, graph, boxes } = plan(disk, task, roi, options)?;
    let (mut state, end, len) = (replayed.state, replayed.end, replayed.len);
    let dropped_leases = state.open().len();
    let before = totals(&state);
    let mut news = put_back_all(&mut state);
    // What is downstream goes first: no prefix of this leaves a block done whose input is not.
    for &task in graph.topological_order().iter().rev() {
        for cells in boxes.get(task.index()).into_iter().flatten() {
            forget_box(&mut state, &graph, (task, cells), &mut news);
        }
    }
    if end < len {
        disk.truncate(end).map_err(JournalError::Disk)?;
    }
    if !news.is_empty() {
        disk.append(&news).map_err(JournalError::Disk)?;
    }
    disk.sync().map_err(JournalError::Disk)?;
    Ok(Forgotten { tasks: compare(&state, &before), dropped_leases })
}

/// The blocks that [`forget`] would make undone, whether anything is known of them or not.
///
/// For what else is kept of blocks elsewhere: take that away first, so that a crash in between leaves too little
/// done and not too much.
///
/// # Errors
/// Those of [`forget`].
pub fn blocks_to_forget<D: Disk>(
    disk: &mut D,
    task: &str,
    roi: Option<&Roi>,
    options: ForgetOptions,
) -> Result<Vec<TaskBlocks>, JournalError<D::Error>> {
    let Plan { replayed, graph, boxes } = plan(disk, task, roi, options)?;
    let tasks = replayed.state.tasks().iter().zip(graph.ids()).zip(&boxes);
    let runs = tasks.map(|((task, id), boxes)| {
        let of_box =
            |cells: &CellBox| graph[id].tiling().runs_in_unchecked(cells).collect::<Vec<_>>();
        let cells = boxes.iter().flat_map(of_box).collect();
        TaskBlocks { name: task.description.name.clone(), cells }
    });
    Ok(runs.filter(|blocks| !blocks.cells.is_empty()).collect())
}

/// What a journal says, and what of it is forgotten together: boxes of cells, in the places of their tasks.
struct Plan {
    replayed: Replayed,
    graph: TaskGraph,
    boxes: Vec<Vec<CellBox>>,
}

fn plan<D: Disk>(
    disk: &mut D,
    task: &str,
    roi: Option<&Roi>,
    options: ForgetOptions,
) -> Result<Plan, JournalError<D::Error>> {
    let mut replayed = replay(disk)?;
    let flaw = replayed.flaw.take();
    let (state, end, len) = (&replayed.state, replayed.end, replayed.len);
    if let (Some(flaw), Damage::Refuse) = (flaw, options.damage) {
        return Err(JournalError::Damaged { offset: end, bytes: len - end, flaw });
    }
    let first = first_boxes(state, task, roi)?;
    let open = state.open().len();
    if open > 0 && !options.drop_open_leases {
        return Err(JournalError::LeasesOpen { open });
    }
    let graph = graph_of(state).map_err(JournalError::Graph)?;
    let boxes = closure(&graph, first, options.max_boxes).map_err(JournalError::Graph)?;
    Ok(Plan { replayed, graph, boxes })
}

/// The blocks that are named by the caller, in the place of their task.
fn first_boxes<E>(
    state: &State,
    name: &str,
    roi: Option<&Roi>,
) -> Result<Vec<Vec<CellBox>>, JournalError<E>> {
    let tasks = || state.tasks().iter().map(|task| &task.description);
    let Some(task) = tasks().find(|task| task.name == name) else {
        let known = tasks().map(|task| task.name.clone()).collect();
        return Err(JournalError::UnknownTask { name: name.to_owned(), known });
    };
    let tiling = Tiling::new(&task.layout);
    let cells = match roi {
        None => tiling.all_cells(),
        Some(roi) if roi.dims() == tiling.dims() => tiling.cells_writing_unchecked(roi),
        Some(roi) => {
            let (expected, found) = (tiling.dims(), roi.dims());
            return Err(JournalError::DimsMismatch { expected, found });
        }
    };
    let of =
        |other: &TaskDescription| if other.name == name { vec![cells.clone()] } else { vec![] };
    Ok(tasks().map(of).collect())
}

/// All tasks of the journal as a graph; ids are the journal's numbers.
fn graph_of(state: &State) -> Result<TaskGraph, GraphError> {
    let mut graph = TaskGraph::new();
    for task in state.tasks() {
        graph.add_task(task.description.node()?)?;
    }
    for (down, task) in (0..).map(TaskId::new).zip(state.tasks()) {
        for up in task.description.upstream.iter().filter_map(|name| state.number(name)) {
            graph.add_edge(TaskId::new(up), down)?;
        }
    }
    Ok(graph)
}

/// Adds to the boxes of each task those of its blocks that read what is in the boxes upstream.
///
/// What the blocks of a box write is a box without gaps, and so are the cells that read it.
fn closure(
    graph: &TaskGraph,
    mut boxes: Vec<Vec<CellBox>>,
    max_boxes: usize,
) -> Result<Vec<Vec<CellBox>>, GraphError> {
    for task in graph.topological_order() {
        let of_task = boxes.get(task.index()).cloned().unwrap_or_default();
        let Ok(node) = graph.task(task) else { continue };
        for cells in &of_task {
            let Some(roi) = node.tiling().written_by(cells)? else { continue };
            for &down in graph.downstream(task) {
                let (Ok(reader), Some(boxes)) = (graph.task(down), boxes.get_mut(down.index()))
                else {
                    continue;
                };
                add_box(boxes, reader.tiling().cells_reading(&roi)?, max_boxes)?;
            }
        }
    }
    Ok(boxes)
}

/// Adds a box unless it lies in another one.
fn add_box(boxes: &mut Vec<CellBox>, cells: CellBox, max_boxes: usize) -> Result<(), LayoutError> {
    let is_inside = |inner: &CellBox, outer: &CellBox| inner.intersect(outer).as_ref() == Ok(inner);
    if cells.is_empty() || boxes.iter().any(|other| is_inside(&cells, other)) {
        return Ok(());
    }
    let dims = cells.dims();
    boxes.retain(|other| !is_inside(other, &cells));
    boxes.push(cells);
    if boxes.len() > max_boxes.max(1) {
        // Several paths for each of many tasks in between: rather forget too much than too little.
        let hull = boxes.iter().try_fold(CellBox::empty(dims), |hull, other| hull.hull(other))?;
        *boxes = vec![hull];
    }
    Ok(())
}

/// Ends all leases; the frame that says so.
fn put_back_all(state: &mut State) -> Vec<u8> {
    let mut batch = Batch::new(state.epoch(), JournalTuning::default());
    batch.put_back(state, |_| true);
    batch.seal().to_vec()
}

/// Forgets what is known of the blocks of a box, and notes it.
fn forget_box(
    state: &mut State,
    graph: &TaskGraph,
    (task, cells): (TaskId, &CellBox),
    news: &mut Vec<u8>,
) {
    let (Ok(node), Some(of_task)) = (graph.task(task), state.tasks().get(task.index())) else {
        return;
    };
    let number = number_of(task);
    let runs: Vec<Range<u64>> = known_parts(node.tiling(), cells, of_task)
        .iter()
        .flat_map(|part| node.tiling().runs_in_unchecked(part))
        .filter(|run| of_task.knows_any(run))
        .collect();
    put_runs(news, kind::FORGET, number, runs.iter().cloned());
    for run in &runs {
        // No block is lent any more, and the cells are those of the task.
        let _is_free = state.forget(number, run);
    }
}

/// The parts of a box in which something may be known, ascending: a grid may have more rows than can be
/// looked at. Each is as wide as the box, and as long along the slowest axis as there are known stretches.
fn known_parts(tiling: &Tiling, cells: &CellBox, task: &TaskState) -> Vec<CellBox> {
    let Some(&slowest) = tiling.sweep_axes().first() else { return Vec::new() };
    // Cells of one index along the slowest axis.
    let slab = tiling.strides().get(slowest).map_or(1, |&stride| stride.max(1));
    let known = task.done.stretches().chain(task.failed.stretches());
    let known = known.chain(task.attempts.keys().map(|&cell| cell..cell.saturating_add(1)));
    let mut slabs: Vec<Range<u64>> = Vec::new();
    for run in known {
        let run = run.start / slab..run.end.saturating_sub(1) / slab + 1;
        match slabs.last_mut() {
            Some(last) if last.start <= run.start && run.start <= last.end => {
                last.end = last.end.max(run.end);
            }
            _ => slabs.push(run),
        }
    }
    slabs.sort_unstable_by_key(|run| run.start);
    slabs.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    let entry = |slab: u64| i64::try_from(slab).unwrap_or(i64::MAX);
    let part = |slabs: &Range<u64>| {
        let axes = cells.axes().iter().enumerate().map(|(axis, range)| {
            if axis != slowest {
                return range.clone();
            }
            range.start.max(entry(slabs.start))..range.end.min(entry(slabs.end))
        });
        CellBox::new(axes)
    };
    slabs.iter().map(part).filter(|part| !part.is_empty()).collect()
}

/// How many blocks of each task are done, and have failed.
fn totals(state: &State) -> Vec<(u64, u64)> {
    state.tasks().iter().map(|task| (task.done.num_cells(), task.failed.num_cells())).collect()
}

fn compare(state: &State, before: &[(u64, u64)]) -> Vec<ForgottenTask> {
    let differences =
        state.tasks().iter().zip(before).zip(totals(state)).map(|((task, before), after)| {
            ForgottenTask {
                name: task.description.name.clone(),
                done: before.0 - after.0,
                failed: before.1 - after.1,
            }
        });
    differences.filter(|task| task.done + task.failed > 0).collect()
}
