//! The proof that no two blocks that may run at the same time are at the same chunk, one of them writing.

use alloc::vec::Vec;
use core::{fmt, ops::Range};

use daisy_geometry::{Coordinate, Roi};
use smallvec::SmallVec;

use crate::{Axis, LayoutError, Stencil, StencilAxis, Tiling};

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

/// The chunks of a grid along one axis: chunk `i` covers `[origin + i * shape, origin + (i + 1) * shape)`.
///
/// ```
/// use daisy_block::ChunkAxis;
/// assert_eq!(ChunkAxis::new(0, 10)?.around(&(-1..11)), -10..20);
/// assert_eq!(ChunkAxis::new(3, 5)?.around(&(3..13)), 3..13);
/// assert!(ChunkAxis::new(0, 0).is_err());
/// # Ok::<(), daisy_block::LayoutError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkAxis {
    origin: i64,
    shape: i64,
}

impl ChunkAxis {
    /// Chunks of one shape.
    ///
    /// # Errors
    /// [`LayoutError::BadChunkGrid`] where the shape is below 1.
    pub const fn new(origin: i64, shape: i64) -> Result<Self, LayoutError> {
        if shape < 1 {
            return Err(LayoutError::BadChunkGrid { expected_dims: 1, found_dims: 1 });
        }
        Ok(Self { origin, shape })
    }

    /// The axes of a grid of chunks, for a layout of `dims` axes.
    ///
    /// # Errors
    /// [`LayoutError::BadChunkGrid`] where the grid does not have as many, or a shape is below 1.
    pub fn all_of(chunks: &impl ChunkGrid, dims: usize) -> Result<Vec<Self>, LayoutError> {
        let (origin, shape) = (chunks.origin(), chunks.chunk_shape());
        let bad = LayoutError::BadChunkGrid { expected_dims: dims, found_dims: shape.dims() };
        if origin.dims() != dims || shape.dims() != dims {
            return Err(bad);
        }
        let axes = origin.iter().zip(shape.iter()).map(|(origin, shape)| Self::new(origin, shape));
        axes.collect::<Result<_, _>>().map_err(|_| bad)
    }

    /// All chunks that an interval meets; ends within [`Roi::LIMIT`].
    #[must_use]
    pub fn around(&self, interval: &Range<i64>) -> Range<i64> {
        let (origin, shape) = (i128::from(self.origin), i128::from(self.shape));
        let border = |chunk: i128| {
            let limit = i128::from(Roi::LIMIT);
            i64::try_from((origin + chunk * shape).clamp(-limit, limit)).unwrap_or(Roi::LIMIT)
        };
        let first = (i128::from(interval.start) - origin).div_euclid(shape);
        let end = (i128::from(interval.end) - origin + shape - 1).div_euclid(shape);
        border(first)..border(end)
    }

    /// Whether a chunk begins at `at`.
    #[must_use]
    pub fn is_border(&self, at: i64) -> bool {
        self.phase(at) == 0
    }

    /// How far beyond the border below it `at` lies.
    fn phase(&self, at: i64) -> i64 {
        let phase = (i128::from(at) - i128::from(self.origin)).rem_euclid(self.shape.into());
        i64::try_from(phase).unwrap_or(0)
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
/// blocks is not relied on. O(axes * chunk shape / gcd(chunk shape, write shape)) at most.
///
/// # Errors
/// [`LayoutError::BadChunkGrid`] where the chunk grid does not fit the layout, [`LayoutError::Geometry`] where
/// the stencil has another number of axes.
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
    Ok(shared_chunk_within(tiling, conflicts, chunks, false, MAX_PHASES)?.0)
}

/// The same for blocks that work in place: each reads its read ROI of the array that it writes.
///
/// Also a block that reads nothing that another one writes may be at its chunk.
///
/// # Errors
/// Those of [`shared_chunk`].
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
    Ok(shared_chunk_within(tiling, conflicts, chunks, true, MAX_PHASES)?.0)
}

/// Both proofs, of blocks that only write, and of those that read the array as well; and whether the answer
/// is exact: it errs on the safe side where there are more than `max_phases` phases along an axis.
#[doc(hidden)]
pub fn shared_chunk_within(
    tiling: &Tiling,
    conflicts: Option<&Stencil>,
    chunks: &impl ChunkGrid,
    reads: bool,
    max_phases: u32,
) -> Result<(Option<SharedChunk>, bool), LayoutError> {
    let chunks = ChunkAxis::all_of(chunks, tiling.dims())?;
    if let Some(stencil) = conflicts {
        LayoutError::check_dims(tiling.dims(), stencil.axes().len())?;
    }
    if tiling.num_cells() < 2 {
        return Ok((None, true));
    }
    let mut is_exact = true;
    let span = |(axis, chunks): (&Axis, &ChunkAxis)| {
        let find = if reads { reads_of_written } else { widest_sharing };
        let (span, is_known) = find(axis, chunks, max_phases.into());
        is_exact &= is_known;
        span
    };
    let spans: Spans = tiling.axes().iter().zip(&chunks).map(span).collect();
    let axis = offending_axis(&spans, conflicts);
    let lacks_conflict = conflicts.is_none();
    let describe =
        |axis| describe(axis, &tiling.axes()[axis], &chunks[axis], lacks_conflict, reads);
    Ok((axis.map(describe), is_exact))
}

/// Index distances along each axis, from the lowest to the highest, both included.
type Spans = SmallVec<[Range<i64>; 4]>;

fn describe(
    axis: usize,
    grid: &Axis,
    chunks: &ChunkAxis,
    lacks_conflict: bool,
    reads: bool,
) -> SharedChunk {
    let (step, chunk) = (grid.step(), chunks.shape);
    SharedChunk {
        axis,
        write_shape: step,
        chunk_shape: chunk,
        phase: chunks.phase(grid.write(0).start),
        good_write_shapes: (
            (step >= chunk).then(|| step - step % chunk),
            step.saturating_add(chunk - step % chunk).max(chunk),
        ),
        reads,
        lacks_conflict,
    }
}

/// How far below and above a block others write parts of its chunks along an axis, and whether no others are
/// included.
fn widest_sharing(axis: &Axis, chunks: &ChunkAxis, max_phases: i128) -> (Range<i64>, bool) {
    let (origin, chunk) = (i128::from(chunks.origin), i128::from(chunks.shape));
    let step = i128::from(axis.step());
    let phases = chunk / gcd(step, chunk);
    let mut widest = 0;
    // Border k lies between blocks k and k + 1; the phases repeat after chunk / gcd borders.
    let first = i128::from(axis.write(0).start) + step - origin;
    let borders = i128::from(axis.num_cells()) - 1;
    for border in 0..borders.min(phases).min(max_phases) {
        // From border k on, its chunk still reaches `rest` up: into ceil(rest / step) more blocks.
        let rest = (-(first + border * step)).rem_euclid(chunk);
        let reached = (rest + step - 1) / step;
        widest = widest.max(reached.min(borders - border));
    }
    let is_exact = phases <= max_phases || borders <= max_phases;
    if !is_exact {
        // Too many phases to try: the widest that any phase could give, which errs on the safe side.
        widest = widest.max(((chunk + step - 1) / step).min(borders));
    }
    let widest = i64::try_from(widest).unwrap_or(i64::MAX);
    (-widest..widest, is_exact)
}

/// How far below and above a block others write parts of the chunks that it reads, and whether no others are
/// included.
fn reads_of_written(axis: &Axis, chunks: &ChunkAxis, max_phases: i128) -> (Range<i64>, bool) {
    let (mut low, mut high) = (0, 0);
    let chunk = i128::from(chunks.shape);
    let period = chunk / gcd(i128::from(axis.step()), chunk);
    let cells = i128::from(axis.num_cells());
    let tried = i64::try_from(cells.min(max_phases)).unwrap_or(i64::MAX);
    // Blocks at the ends have fewer neighbours; one period after the first of them there is one with all.
    for cell in 0..tried {
        let written = axis.written_in(&chunks.around(&axis.read(cell)));
        low = low.min(written.start - cell);
        high = high.max(written.end - 1 - cell);
    }
    let first = axis.read(0);
    let own = axis.write(0);
    let context = i128::from(own.start - first.start).max(i128::from(first.end - own.end));
    let widest = (context + chunk - 1) / i128::from(axis.step()) + 1;
    let is_exact = cells <= max_phases || period + 2 * widest <= max_phases;
    if !is_exact {
        // Too many to try: the widest that there could be, which errs on the safe side.
        let widest = i64::try_from(widest.min(cells - 1)).unwrap_or(i64::MAX);
        (low, high) = (low.min(-widest), high.max(widest));
    }
    (low..high, is_exact)
}

/// Phases that are tried one by one; more occur only with chunks of more than a million voxels.
const MAX_PHASES: u32 = 1 << 20;

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// The first axis along which blocks share chunks although they may run at the same time.
///
/// Offsets of blocks that share a chunk form a box around zero, offsets of blocks that conflict the union of
/// the stencil's box and its mirror image. A box lies in the union of two iff it lies in one of them, or in
/// both along all axes but one and in the union along that one.
fn offending_axis(spans: &[Range<i64>], conflicts: Option<&Stencil>) -> Option<usize> {
    let mut shared_axes =
        spans.iter().enumerate().filter(|(_, span)| span.start < 0 || span.end > 0);
    let first = shared_axes.next().map(|(axis, _)| axis);
    let Some(stencil) = conflicts else { return first };
    let count_outside = |ends: fn(&StencilAxis) -> (i64, i64)| {
        let axes = stencil.axes().iter().map(ends).zip(spans);
        axes.filter(|((low, high), span)| span.start < *low || span.end > *high).count()
    };
    let alone = stencil.axes().iter().map(StencilAxis::reach).zip(spans);
    let outside =
        alone.into_iter().position(|(reach, span)| span.start < -reach || span.end > reach);
    let is_safe = count_outside(|axis| (-axis.reach_lo, axis.reach_hi)) == 0
        || count_outside(|axis| (-axis.reach_hi, axis.reach_lo)) == 0
        || count_outside(|axis| {
            let shorter = axis.reach_lo.min(axis.reach_hi);
            (-shorter, shorter)
        }) <= 1;
    outside.or_else(|| first.filter(|_| !is_safe))
}
