//! The proof that no two blocks that may run at the same time are at the same chunk, one of them writing.

use core::{fmt, ops::Range};

use daisy_geometry::{Coordinate, Roi, div_ceil, div_floor};
use smallvec::SmallVec;

use crate::{Axis, LayoutError, Stencil, Tiling};

/// A regular grid of storage chunks (or shards) in the units of a layout.
///
/// Chunk `i` covers `[origin + i * shape, origin + (i + 1) * shape)` per axis.
pub trait ChunkGrid {
    /// Where chunk zero begins.
    fn origin(&self) -> Coordinate;

    /// The shape of every chunk; what is written by one store operation (so with sharding: the shard).
    fn chunk_shape(&self) -> Coordinate;
}

/// A chunk grid given by its two coordinates.
impl ChunkGrid for (Coordinate, Coordinate) {
    fn origin(&self) -> Coordinate {
        self.0.clone()
    }

    fn chunk_shape(&self) -> Coordinate {
        self.1.clone()
    }
}

/// Two blocks that may run at the same time write parts of one chunk, or one reads what the other one writes.
///
/// The text names the axis and the nearest write shapes that are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedChunk {
    /// The first axis along which a chunk is shared by blocks that may run at the same time.
    pub axis: usize,
    /// What a block writes along it.
    pub write_shape: i64,
    /// The chunk shape along it.
    pub chunk_shape: i64,
    /// How far beyond a chunk border the first block begins, `0..chunk_shape`.
    pub phase: i64,
    /// The nearest write shapes that keep every block border on a chunk border: the largest one not
    /// above `write_shape` (if any) and the smallest one above it.
    pub good_write_shapes: (Option<i64>, i64),
    /// Whether blocks read the array as well: each its read ROI.
    pub reads: bool,
    /// Whether blocks never wait for one another; those that read it have to.
    pub lacks_conflict: bool,
}

impl fmt::Display for SharedChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { axis, write_shape, chunk_shape, phase, good_write_shapes, .. } = self;
        write!(f, "blocks that may run at the same time share chunks along axis {axis}: ")?;
        if self.reads && self.lacks_conflict {
            f.write_str(
                "they read what others write, and do not wait for them; let them conflict \
                 (read_write_conflict), or write another array; ",
            )?;
        }
        write!(f, "they write {write_shape} and chunks are {chunk_shape}; use a write shape of ")?;
        match good_write_shapes {
            (Some(smaller), larger) if smaller != larger => write!(f, "{smaller} or {larger}")?,
            (_, larger) => write!(f, "{larger}")?,
        }
        if *phase > 0 {
            write!(f, " and begin on a chunk border (the first block begins {phase} beyond one)")?;
        }
        Ok(())
    }
}

impl core::error::Error for SharedChunk {}

/// Proves that no two blocks that may run at the same time write the same chunk.
///
/// `conflicts` is the task's stencil where its blocks keep out of each other's way
/// (`read_write_conflict`), else `None`: then all blocks may run at the same time. Two blocks count
/// as ordered only if they conflict with each other; an order that follows only by way of third
/// blocks is not relied on. O(axes * chunk shape / gcd(chunk shape, write shape)) at most, O(2^axes)
/// with a stencil.
///
/// # Errors
/// [`LayoutError::BadChunkGrid`] where the chunk grid does not fit the layout.
///
/// ```
/// use daisy_block::{shared_chunk, Fit, Layout, Stencil, Tiling};
/// use daisy_geometry::{Coordinate, Roi};
///
/// let layout = Layout::new(Roi::new([0], [120])?, Roi::new([0], [24])?, Roi::new([2], [20])?, Fit::Valid)?;
/// let tiling = Tiling::new(&layout);
/// let chunks = (Coordinate::from([2]), Coordinate::from([8]));
/// // Without conflict all blocks may run at once, and 20 is no multiple of 8.
/// let shared = shared_chunk(&tiling, None, &chunks)?.ok_or("expected a shared chunk")?;
/// assert_eq!((shared.axis, shared.good_write_shapes), (0, (Some(16), 24)));
/// // With conflict neighbours never run at the same time, and no chunk spans more than two.
/// assert_eq!(shared_chunk(&tiling, Some(&Stencil::new(&tiling)), &chunks)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn shared_chunk(
    tiling: &Tiling,
    conflicts: Option<&Stencil>,
    chunks: &impl ChunkGrid,
) -> Result<Option<SharedChunk>, LayoutError> {
    prove(tiling, conflicts, chunks, false)
}

/// The same for blocks that work in place: each reads its read ROI of the array that it writes.
///
/// Also a block that reads nothing that another one writes may be at its chunk.
///
/// # Errors
/// [`LayoutError::BadChunkGrid`] where the chunk grid does not fit the layout.
///
/// ```
/// use daisy_block::{shared_chunk_in_place, Fit, Layout, Stencil, Tiling};
/// use daisy_geometry::{Coordinate, Roi};
///
/// let layout = Layout::new(Roi::new([0], [120])?, Roi::new([0], [24])?, Roi::new([2], [20])?, Fit::Valid)?;
/// let tiling = Tiling::new(&layout);
/// let chunks = (Coordinate::from([2]), Coordinate::from([20]));
/// let shared = shared_chunk_in_place(&tiling, None, &chunks)?.ok_or("neighbours read what is written")?;
/// assert!(shared.to_string().contains("read_write_conflict"));
/// assert_eq!(shared_chunk_in_place(&tiling, Some(&Stencil::new(&tiling)), &chunks)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn shared_chunk_in_place(
    tiling: &Tiling,
    conflicts: Option<&Stencil>,
    chunks: &impl ChunkGrid,
) -> Result<Option<SharedChunk>, LayoutError> {
    prove(tiling, conflicts, chunks, true)
}

/// Both proofs: of blocks that only write, and of those that read the array as well.
fn prove(
    tiling: &Tiling,
    conflicts: Option<&Stencil>,
    chunks: &impl ChunkGrid,
    reads: bool,
) -> Result<Option<SharedChunk>, LayoutError> {
    let grid = grid_of(tiling, chunks)?;
    if tiling.num_cells() < 2 {
        return Ok(None);
    }
    let span = |axis: usize| {
        let (along, origin, shape) = (&tiling.axes()[axis], grid.0[axis], grid.1[axis]);
        if reads {
            return reads_of_written(along, origin, shape);
        }
        let widest = widest_sharing(along, i128::from(origin), i128::from(shape));
        -widest..widest
    };
    let spans: Spans = (0..tiling.dims()).map(span).collect();
    let axis = offending_axis(&spans, conflicts);
    Ok(axis.map(|axis| describe(tiling, axis, &grid, conflicts.is_none(), reads)))
}

/// Origin and shape of the chunks.
fn grid_of(
    tiling: &Tiling,
    chunks: &impl ChunkGrid,
) -> Result<(Coordinate, Coordinate), LayoutError> {
    let (origin, shape) = (chunks.origin(), chunks.chunk_shape());
    let dims = tiling.dims();
    if origin.dims() != dims || shape.dims() != dims || shape.iter().any(|chunk| chunk < 1) {
        return Err(LayoutError::BadChunkGrid { expected_dims: dims, found_dims: shape.dims() });
    }
    Ok((origin, shape))
}

/// Index distances along each axis, from the lowest to the highest, both included.
type Spans = SmallVec<[Range<i64>; 4]>;

fn describe(
    tiling: &Tiling,
    axis: usize,
    (origin, shape): &(Coordinate, Coordinate),
    lacks_conflict: bool,
    reads: bool,
) -> SharedChunk {
    let grid = &tiling.axes()[axis];
    let (step, chunk) = (grid.step(), shape[axis]);
    let begin = i128::from(grid.write(0).start) - i128::from(origin[axis]);
    SharedChunk {
        axis,
        write_shape: step,
        chunk_shape: chunk,
        phase: i64::try_from(begin.rem_euclid(i128::from(chunk))).unwrap_or(0),
        good_write_shapes: (
            (step >= chunk).then(|| step - step % chunk),
            step.saturating_add(chunk - step % chunk).max(chunk),
        ),
        reads,
        lacks_conflict,
    }
}

/// The largest index distance of two blocks that write parts of one chunk along an axis.
fn widest_sharing(axis: &Axis, origin: i128, chunk: i128) -> i64 {
    let step = i128::from(axis.step());
    let mut widest = 0;
    // Border k lies between blocks k and k + 1; the phases repeat after chunk / gcd borders.
    let first = i128::from(axis.write(0).start) + step - origin;
    let borders = i128::from(axis.num_cells()) - 1;
    for border in 0..borders.min(chunk / gcd(step, chunk)).min(MAX_PHASES) {
        // From border k on, its chunk still reaches `rest` up: into ceil(rest / step) more blocks.
        let rest = (-(first + border * step)).rem_euclid(chunk);
        let reached = (rest + step - 1) / step;
        widest = widest.max(reached.min(borders - border));
    }
    if chunk / gcd(step, chunk) > MAX_PHASES && borders > MAX_PHASES {
        // Too many phases to try: the widest that any phase could give, which errs on the safe side.
        widest = widest.max(((chunk + step - 1) / step).min(borders));
    }
    i64::try_from(widest).unwrap_or(i64::MAX)
}

/// How far below and above a block others write parts of the chunks that it reads.
fn reads_of_written(axis: &Axis, origin: i64, chunk: i64) -> Range<i64> {
    let (mut low, mut high) = (0, 0);
    let period = i128::from(chunk) / gcd(i128::from(axis.step()), i128::from(chunk));
    let cells = i128::from(axis.num_cells());
    let tried = i64::try_from(cells.min(MAX_PHASES)).unwrap_or(i64::MAX);
    // Blocks at the ends have fewer neighbours; one period after the first of them there is one with all.
    for cell in 0..tried {
        let written = axis.written_in(&chunks_around(&axis.read(cell), origin, chunk));
        low = low.min(written.start - cell);
        high = high.max(written.end - 1 - cell);
    }
    let first = axis.read(0);
    let own = axis.write(0);
    let context = i128::from(own.start - first.start).max(i128::from(first.end - own.end));
    let widest = (context + i128::from(chunk) - 1) / i128::from(axis.step()) + 1;
    if cells > MAX_PHASES && period + 2 * widest > MAX_PHASES {
        // Too many to try: the widest that there could be, which errs on the safe side.
        let widest = i64::try_from(widest.min(cells - 1)).unwrap_or(i64::MAX);
        (low, high) = (low.min(-widest), high.max(widest));
    }
    low..high
}

/// All chunks that an interval meets, along one axis: chunk `i` covers `[origin + i * chunk, origin + (i + 1) * chunk)`.
///
/// ```
/// assert_eq!(daisy_block::chunks_around(&(-1..11), 0, 10), -10..20);
/// assert_eq!(daisy_block::chunks_around(&(3..13), 3, 5), 3..13);
/// ```
#[must_use]
pub fn chunks_around(interval: &Range<i64>, origin: i64, chunk: i64) -> Range<i64> {
    let border = |chunks: i64| {
        chunks.saturating_mul(chunk).saturating_add(origin).clamp(-Roi::LIMIT, Roi::LIMIT)
    };
    let first = div_floor(interval.start.saturating_sub(origin), chunk);
    let end = div_ceil(interval.end.saturating_sub(origin), chunk);
    border(first)..border(end)
}

/// Phases that are tried one by one; more occur only with chunks of more than a million voxels.
const MAX_PHASES: i128 = 1 << 20;

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// The first axis along which blocks share chunks although they may run at the same time.
///
/// Offsets of blocks that share a chunk form a box around zero. It lies in the union of the stencil's box
/// and its mirror image iff each of its corners does.
fn offending_axis(spans: &[Range<i64>], conflicts: Option<&Stencil>) -> Option<usize> {
    let dims = spans.len();
    let shared_axes = || (0..dims).filter(|&axis| spans[axis].start < 0 || spans[axis].end > 0);
    let Some(stencil) = conflicts else { return shared_axes().next() };
    let is_alone_safe = |axis: usize| {
        let alone = |offset| Coordinate::from_fn(dims, |i| if i == axis { offset } else { 0 });
        let is_safe = |offset| offset == 0 || stencil.conflicts(alone(offset).as_slice());
        is_safe(spans[axis].start) && is_safe(spans[axis].end)
    };
    if let Some(axis) = shared_axes().find(|&axis| !is_alone_safe(axis)) {
        return Some(axis);
    }
    let axes: SmallVec<[usize; 4]> = shared_axes().collect();
    (0..1_u64 << axes.len().min(63)).find_map(|signs| {
        let mut corner = Coordinate::zeros(dims);
        for (bit, &axis) in axes.iter().enumerate() {
            let span = &spans[axis];
            corner[axis] = if signs >> bit & 1 == 1 { span.end } else { span.start };
        }
        // The block itself does not count.
        let is_safe =
            corner.iter().all(|offset| offset == 0) || stencil.conflicts(corner.as_slice());
        if is_safe { None } else { axes.first().copied() }
    })
}
