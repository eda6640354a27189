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
            if let Some(found) = unordered_pair(tasks, one, other, &axes) {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// One task's blocks at an array.
type Claim = (TaskId, Access);

fn unordered_pair(
    tasks: &TaskGraph,
    one: Claim,
    other: Claim,
    chunks: &[ChunkAxis],
) -> Option<UnorderedTasks> {
    let mut paths = paths(tasks, one.0, other.0);
    let (first, second) = if paths.is_empty() {
        paths = self::paths(tasks, other.0, one.0);
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
    if !sides.iter().all(Side::is_shared) {
        return None;
    }
    let mut offending = None;
    for path in &paths {
        let is_bad = |(axis, side): (usize, &Side<'_>)| {
            let ordered = |cell| ordered(tasks, path, axis, cell);
            !side.is_in_order(path.len() == 2, ordered)
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

/// Two tasks at an array, along one axis.
struct Side<'a> {
    up: &'a Axis,
    down: &'a Axis,
    /// What either does with it.
    access: (Access, Access),
    chunks: ChunkAxis,
}

impl Side<'_> {
    /// Cells of an axis that are looked at one by one.
    const MAX_CELLS: i64 = 1 << 18;

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

    /// Whether there is a pair of cells that share a chunk; of very many cells that is assumed.
    fn is_shared(&self) -> bool {
        let cells = self.down.num_cells();
        cells > Self::MAX_CELLS || (0..cells).any(|cell| !self.shared(cell).is_empty())
    }

    /// Whether each cell downstream waits for all that share a chunk with it.
    fn is_in_order(&self, is_direct: bool, ordered: impl Fn(i64) -> Range<i64>) -> bool {
        if is_direct && self.access.0 == Access::Writes && self.is_aligned() {
            return true;
        }
        let cells = self.down.num_cells();
        cells <= Self::MAX_CELLS
            && (0..cells).all(|cell| {
                let (shared, ordered) = (self.shared(cell), ordered(cell));
                shared.is_empty() || (ordered.start <= shared.start && shared.end <= ordered.end)
            })
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

/// Paths that are tried for a pair of tasks.
const MAX_PATHS: usize = 64;

/// The ways along data edges from a task downstream up to another one.
fn paths(tasks: &TaskGraph, up: TaskId, down: TaskId) -> Vec<Vec<TaskId>> {
    let mut found = Vec::new();
    let mut open = alloc::vec![alloc::vec![down]];
    // The shortest first: depth by depth.
    while !open.is_empty() && found.len() < MAX_PATHS {
        let mut longer = Vec::new();
        for path in open {
            let Some(&last) = path.last() else { continue };
            for &next in tasks.upstream(last) {
                let mut path = path.clone();
                path.push(next);
                if next == up {
                    found.push(path);
                } else if longer.len() < MAX_PATHS {
                    longer.push(path);
                }
            }
        }
        open = longer;
    }
    found
}
