//! The proof that blocks of different tasks never are at the same chunk of an array at the same time.
//!
//! Two tasks that read and write one array may do so where the order of their blocks keeps them apart: a block
//! waits for what it reads, and for nothing else. A chunk is read and written as a whole, and holds voxels that
//! a block never asked for. So it is not enough that a block waits for the writers of its voxels.

use alloc::vec::Vec;
use core::{fmt, ops::Range};

use daisy_block::{Axis, ChunkAxis, ChunkGrid, TaskId};

use crate::{GraphError, TaskGraph};

/// What the blocks of a task do with an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Each block reads its read ROI.
    Reads,
    /// Each block writes its write ROI.
    Writes,
}

/// Blocks of two tasks may be at one chunk of an array at the same time, and one of them writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnorderedTasks {
    /// One of the tasks: where there is an order between them, the one upstream.
    pub first: TaskId,
    /// What it does with the array.
    pub first_access: Access,
    /// The other one.
    pub second: TaskId,
    /// What it does with the array.
    pub second_access: Access,
    /// Along which axis a block shares chunks with blocks that it does not wait for; None where neither task is
    /// upstream of the other.
    pub axis: Option<usize>,
}

impl fmt::Display for UnorderedTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = |access| match access {
            Access::Reads => "reads",
            Access::Writes => "writes",
        };
        let Self { first, first_access, second, second_access, axis } = self;
        write!(
            f,
            "blocks of task {} ({} the array) and of task {} ({} it) may be at one chunk at the same time",
            first.index(),
            does(*first_access),
            second.index(),
            does(*second_access)
        )?;
        match axis {
            Some(axis) => write!(
                f,
                ": along axis {axis} chunks reach beyond the blocks that are waited for; let the write shape of \
                 the writing task be a multiple of the chunk shape"
            ),
            None => f.write_str(": make one of them upstream of the other"),
        }
    }
}

impl core::error::Error for UnorderedTasks {}

/// Looks for tasks of which blocks may be at one chunk of an array at the same time, one of them writing.
///
/// `claims` are the tasks that declare the array. Pairs of blocks of one task are not looked at: that is
/// [`shared_chunk`](daisy_block::shared_chunk) and its sister for work in place. Only order along data edges counts, direct or by way of other
/// tasks, not order that follows from conflicts; so the answer errs on the safe side. Cost: pairs of claims times
/// paths between their tasks (of which 64 are tried) times cells along each axis; an axis of more than 2^18 cells
/// is right only where each chunk lies within one block of a writing task that the reader waits for directly.
///
/// # Errors
/// [`GraphError::UnknownTask`], and [`GraphError::Layout`] where the chunk grid does not fit a task's layout.
///
/// ```
/// use daisy_block::{Fit, Layout};
/// use daisy_geometry::{Coordinate, Roi};
/// use daisy_graph::{Access, TaskGraph, TaskNode, unordered_tasks};
///
/// let task = |name, context: i64| -> Result<TaskNode, Box<dyn std::error::Error>> {
///     let read = Roi::new([-context], [10 + 2 * context])?;
///     let total = Roi::new([-context], [100 + 2 * context])?;
///     Ok(TaskNode::new(name, Layout::new(total, read, Roi::new([0], [10])?, Fit::Valid)?, false)?)
/// };
/// let mut tasks = TaskGraph::new();
/// let (smooth, find) = (tasks.add_task(task("smooth", 0)?)?, tasks.add_task(task("find", 2)?)?);
/// let claims = [(smooth, Access::Writes), (find, Access::Reads)];
/// let chunks = |shape: i64| (Coordinate::from([0]), Coordinate::from([shape]));
///
/// let shared = unordered_tasks(&tasks, &claims, &chunks(10))?.ok_or("no order yet")?;
/// assert_eq!(shared.axis, None);
/// tasks.add_edge(smooth, find)?;
/// assert_eq!(unordered_tasks(&tasks, &claims, &chunks(10))?, None);
/// // A chunk of 20 holds voxels of a block that is not waited for.
/// assert_eq!(unordered_tasks(&tasks, &claims, &chunks(20))?.ok_or("shared")?.axis, Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn unordered_tasks(
    tasks: &TaskGraph,
    claims: &[(TaskId, Access)],
    chunks: &impl ChunkGrid,
) -> Result<Option<UnorderedTasks>, GraphError> {
    unordered_tasks_within(tasks, claims, chunks, &mut SharingSearch::default())
}

/// How much is looked at, and how often that was not all: then the answer errs on the safe side.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct SharingSearch {
    /// Cells of an axis that are looked at one by one.
    pub max_cells: i64,
    /// Paths that are tried for a pair of tasks.
    pub max_paths: usize,
    /// Axes of which the cells were looked at.
    pub axes_seen: u64,
    /// Axes with too many cells.
    pub axes_unseen: u64,
    /// Pairs of tasks with more paths than are tried.
    pub paths_left_out: u64,
}

impl Default for SharingSearch {
    fn default() -> Self {
        let (axes_seen, axes_unseen, paths_left_out) = (0, 0, 0);
        Self { max_cells: 1 << 18, max_paths: 64, axes_seen, axes_unseen, paths_left_out }
    }
}

/// [`unordered_tasks`] with other sizes.
#[doc(hidden)]
pub fn unordered_tasks_within(
    tasks: &TaskGraph,
    claims: &[(TaskId, Access)],
    chunks: &impl ChunkGrid,
    search: &mut SharingSearch,
) -> Result<Option<UnorderedTasks>, GraphError> {
    let mut axes = Vec::new();
    for &(task, _) in claims {
        axes = ChunkAxis::all_of(chunks, tasks.task(task)?.tiling().dims())?;
    }
    for (place, &one) in claims.iter().enumerate() {
        for &other in &claims[place + 1..] {
            let is_read_only = one.1 == Access::Reads && other.1 == Access::Reads;
            if one.0 == other.0 || is_read_only {
                continue;
            }
            if let Some(found) = search.unordered_pair(tasks, (one, other), &axes) {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// One task's blocks at an array.
type Claim = (TaskId, Access);

impl SharingSearch {
    fn unordered_pair(
        &mut self,
        tasks: &TaskGraph,
        (one, other): (Claim, Claim),
        chunks: &[ChunkAxis],
    ) -> Option<UnorderedTasks> {
        let mut paths = self.paths(tasks, one.0, other.0);
        let (first, second) = if paths.is_empty() {
            paths = self.paths(tasks, other.0, one.0);
            if paths.is_empty() { (one, other) } else { (other, one) }
        } else {
            (one, other)
        };
        let (up, down) = (tasks[first.0].tiling(), tasks[second.0].tiling());
        if up.num_cells() == 0 || down.num_cells() == 0 {
            return None;
        }
        let sides: Vec<Side<'_>> = up
            .axes()
            .iter()
            .zip(down.axes())
            .zip(chunks)
            .map(|((up, down), &chunks)| Side { up, down, access: (first.1, second.1), chunks })
            .collect();
        if !sides.iter().all(|side| self.is_shared(side)) {
            return None;
        }
        let mut offending = None;
        for path in &paths {
            let is_bad = |(axis, side): (usize, &Side<'_>)| {
                let ordered = |cell| ordered(tasks, path, axis, cell);
                !self.is_in_order(side, path.len() == 2, ordered)
            };
            // One path that keeps all pairs apart is enough.
            let bad = sides.iter().enumerate().position(is_bad)?;
            offending.get_or_insert(bad);
        }
        Some(UnorderedTasks {
            first: first.0,
            first_access: first.1,
            second: second.0,
            second_access: second.1,
            axis: offending,
        })
    }

    /// Whether the cells of an axis are few enough to be looked at.
    const fn looks_at(&mut self, side: &Side<'_>) -> bool {
        let are_few = side.down.num_cells() <= self.max_cells;
        *(if are_few { &mut self.axes_seen } else { &mut self.axes_unseen }) += 1;
        are_few
    }

    /// Whether there is a pair of cells that share a chunk; of very many cells that is assumed.
    fn is_shared(&mut self, side: &Side<'_>) -> bool {
        let mut cells = 0..side.down.num_cells();
        !self.looks_at(side) || cells.any(|cell| !side.shared(cell).is_empty())
    }

    /// Whether each cell downstream waits for all that share a chunk with it.
    fn is_in_order(
        &mut self,
        side: &Side<'_>,
        is_direct: bool,
        ordered: impl Fn(i64) -> Range<i64>,
    ) -> bool {
        if is_direct && side.access.0 == Access::Writes && side.is_aligned() {
            return true;
        }
        let mut cells = 0..side.down.num_cells();
        self.looks_at(side)
            && cells.all(|cell| {
                let (shared, ordered) = (side.shared(cell), ordered(cell));
                shared.is_empty() || (ordered.start <= shared.start && shared.end <= ordered.end)
            })
    }

    /// The ways along data edges from a task downstream up to another one.
    fn paths(&mut self, tasks: &TaskGraph, up: TaskId, down: TaskId) -> Vec<Vec<TaskId>> {
        // Only what leads to `up` is followed, so that ways that end elsewhere take no place.
        let mut leads = alloc::vec![false; tasks.ids().count()];
        for task in tasks.topological_order() {
            let is_below = |&above: &TaskId| above == up || leads[above.index()];
            leads[task.index()] = tasks.upstream(task).iter().any(is_below);
        }
        let mut found = Vec::new();
        let mut open = alloc::vec![alloc::vec![down]];
        // The shortest first: depth by depth.
        while !open.is_empty() && found.len() < self.max_paths {
            let mut longer = Vec::new();
            for path in open {
                let Some(&last) = path.last() else { continue };
                for &next in tasks.upstream(last) {
                    let path = || path.iter().copied().chain([next]).collect();
                    if next == up {
                        found.push(path());
                    } else if leads[next.index()] {
                        longer.push(path());
                    }
                    if longer.len() > self.max_paths {
                        longer.pop();
                        self.paths_left_out += 1;
                    }
                }
            }
            open = longer;
        }
        self.paths_left_out += open.len() as u64;
        found
    }
}

/// Two tasks at an array, along one axis.
struct Side<'a> {
    up: &'a Axis,
    down: &'a Axis,
    /// What either does with it.
    access: (Access, Access),
    chunks: ChunkAxis,
}

impl Side<'_> {
    /// The cells upstream that share a chunk with a cell downstream.
    fn shared(&self, cell: i64) -> Range<i64> {
        let claimed = match self.access.1 {
            Access::Reads => self.down.read(cell),
            Access::Writes => self.down.write(cell),
        };
        if claimed.is_empty() {
            return 0..0;
        }
        let claimed = self.chunks.around(&claimed);
        match self.access.0 {
            Access::Reads => self.up.reading(&claimed),
            Access::Writes => self.up.written_in(&claimed),
        }
    }

    /// Whether each chunk lies within one cell upstream; a cut cell leaves part of its last chunk to nobody.
    fn is_aligned(&self) -> bool {
        let last = self.up.write(self.up.num_cells() - 1);
        if last.end - last.start != self.up.step() {
            return false;
        }
        // Then all borders between cells are borders of chunks.
        let first = self.up.write(0);
        self.chunks.is_border(first.start) && self.chunks.is_border(first.start + self.up.step())
    }
}

/// The cells upstream that a cell waits for along a path, from the task downstream to the one upstream.
fn ordered(tasks: &TaskGraph, path: &[TaskId], axis: usize, cell: i64) -> Range<i64> {
    let mut cells = cell..cell + 1;
    for pair in path.windows(2) {
        let [down, up] = pair else { continue };
        if cells.is_empty() {
            return 0..0;
        }
        let (down, up) = (&tasks[*down].tiling().axes()[axis], &tasks[*up].tiling().axes()[axis]);
        // Cells that follow one another read without a gap.
        cells = up.written_in(&(down.read(cells.start).start..down.read(cells.end - 1).end));
    }
    cells
}
