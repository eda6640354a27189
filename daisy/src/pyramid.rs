//! Pyramids: arrays of lower and lower resolution, each made block by block from the one before.

use std::{fmt, sync::Arc};

use daisy_array::{Array, ArrayError, ArraySpec, ChunkPlan, Dtype, Element};
use daisy_block::Fit;
use daisy_geometry::{Coordinate, Roi, div_ceil};
use ndarray::{ArrayD, Dimension};

use crate::{Task, TaskBuilder, TaskError};

/// What the voxels of a box become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduce {
    /// Their mean, for intensities; of whole numbers rounded, halves up.
    Mean,
    /// The value that occurs most often, for labels; of several the smallest.
    Mode,
}

/// Why an array cannot be made from another one.
#[non_exhaustive]
#[derive(Debug)]
pub enum PyramidError {
    /// A voxel of the coarse array is no whole number of voxels of the fine one.
    VoxelSize {
        /// The axis.
        axis: usize,
        /// The voxel size of the fine array, in world units.
        fine: i64,
        /// That of the coarse one.
        coarse: i64,
    },
    /// The arrays do not begin at the same place, or one of them ends too early.
    Extent {
        /// Where the fine array lies.
        fine: Box<Roi>,
        /// Where the coarse one lies.
        coarse: Box<Roi>,
    },
    /// The arrays hold different types, or have different channels or other axes.
    Voxels {
        /// Type and channels of the fine array.
        fine: (Dtype, Vec<u64>),
        /// Those of the coarse one.
        coarse: (Dtype, Vec<u64>),
    },
    /// The most frequent of values that are not whole numbers is asked for.
    ModeOfFloats {
        /// The type.
        dtype: Dtype,
    },
    /// Voxels of this type cannot be reduced.
    UnknownType {
        /// The type.
        dtype: Dtype,
    },
    /// There are no two arrays.
    TooFew,
    /// The task cannot be built.
    Task(TaskError),
    /// Voxels cannot be read or written.
    Array(ArrayError),
}

impl fmt::Display for PyramidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VoxelSize { axis, fine, coarse } => write!(
                f,
                "along axis {axis} a voxel of {coarse} is no whole number of voxels of {fine}; make the coarse array \
                 with coarse_spec"
            ),
            Self::Extent { fine, coarse } => write!(
                f,
                "an array over {coarse} is not the coarse one of {fine}; make it with coarse_spec"
            ),
            Self::Voxels { fine, coarse } => write!(
                f,
                "{coarse:?} and its axes are not the type, the channels and the axes of the fine array, {fine:?}; make \
                 the coarse array with coarse_spec"
            ),
            Self::ModeOfFloats { dtype } => {
                write!(
                    f,
                    "the most frequent value of {dtype:?} voxels makes no sense; use Reduce::Mean"
                )
            }
            Self::UnknownType { dtype } => write!(f, "voxels of type {dtype:?} cannot be reduced"),
            Self::TooFew => f.write_str("a pyramid has at least two arrays, the finest one first"),
            Self::Task(error) => error.fmt(f),
            Self::Array(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PyramidError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Task(error) => Some(error),
            Self::Array(error) => Some(error),
            _ => None,
        }
    }
}

/// What an array needs that is to have voxels so many times as large along each world axis: as many as it takes to
/// cover the fine array, of the same type and channels, in chunks of as many voxels.
///
/// A factor below 1 counts as 1.
pub fn coarse_spec(fine: &Array, factor: impl Into<Coordinate>) -> ArraySpec {
    let factor = factor.into();
    let dims = fine.shape().dims();
    let factor = |axis: usize| factor.get(axis).unwrap_or(1).max(1);
    let shape = Coordinate::from_fn(dims, |axis| div_ceil(fine.shape()[axis], factor(axis)));
    let voxel =
        Coordinate::from_fn(dims, |axis| fine.voxel_size()[axis].saturating_mul(factor(axis)));
    let kinds = fine.axes().iter().map(|axis| axis.kind).filter(|kind| kind.is_world());
    let channels = fine.channels().iter().filter_map(|&length| length.try_into().ok());
    let before = fine.axes().iter().take_while(|axis| axis.kind.is_world()).count();
    ArraySpec::new(shape, fine.dtype())
        .channels(channels)
        .channel_position(if fine.channels().is_empty() { 0 } else { before })
        .chunks(ChunkPlan::exact(fine.chunk_shape().clone()))
        .voxel_size(voxel)
        .offset(fine.offset().clone())
        .axis_names(fine.axis_names().to_vec())
        .axis_kinds(kinds)
        .units(fine.units().to_vec())
        .fill_value(fine.fill_value())
}

/// A task that fills a coarse array from a fine one, one chunk (or shard) of the coarse array a block.
///
/// At the high ends, where the fine array does not fill the last voxels, what there is counts. The builder is
/// returned, for workers and for what is upstream.
///
/// ```
/// use daisy::{pyramid, Reduce, arrays::{Array, ArraySpec, Dtype, IfExists, MemoryStore}, coarse_spec};
/// use ndarray::ArrayD;
/// use std::sync::Arc;
///
/// let store = MemoryStore::new();
/// let fine = Array::create(store.at("s0"), &ArraySpec::new([5], Dtype::U8), IfExists::Error)?;
/// fine.write(fine.roi(), ArrayD::from_shape_vec(vec![5], vec![1, 2, 7, 9, 4_u8])?.view())?;
/// let coarse = Array::create(store.at("s1"), &coarse_spec(&fine, [2]), IfExists::Error)?;
/// let levels = [Arc::new(fine), Arc::new(coarse)];
/// let last = pyramid(&levels, Reduce::Mean, 2)?;
/// assert!(daisy::run_blockwise(&[last])?.is_success());
/// assert_eq!(levels[1].read::<u8>(levels[1].roi())?.into_raw_vec_and_offset().0, [2, 8, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`PyramidError`]: the arrays do not go together.
pub fn downsample(
    name: impl Into<String>,
    fine: Arc<Array>,
    coarse: Arc<Array>,
    reduce: Reduce,
) -> Result<TaskBuilder, PyramidError> {
    factors_of(&fine, &coarse, reduce)?;
    // A chunk of an array never is unbounded.
    let block = Roi::new(coarse.offset().clone(), coarse.write_unit_world().clone())
        .unwrap_or_else(|_| coarse.roi().clone());
    let builder = Task::builder(name, coarse.roi().clone(), block.clone(), block)
        .fit(Fit::Shrink)
        .read_write_conflict(false)
        .reads(&fine)
        .writes(&coarse);
    Ok(builder
        .process(move |block| downsample_roi(&fine, &coarse, block.write_roi.clone(), reduce)))
}

/// Fills a part of a coarse array from a fine one: what a block of [`downsample`] does, for tasks of another kind. Its
/// bounds lie on borders of coarse voxels; nothing is read or written for an empty one.
///
/// # Errors
/// [`PyramidError`]: the arrays do not go together, or cannot be read or written.
pub fn downsample_roi(
    fine: &Array,
    coarse: &Array,
    roi: Roi,
    reduce: Reduce,
) -> Result<(), PyramidError> {
    let factors = factors_of(fine, coarse, reduce)?;
    if roi.is_empty() {
        return Ok(());
    }
    macro_rules! by_type {
        ($($dtype:ident: $type:ty),* $(,)?) => {
            match fine.dtype() {
                $(Dtype::$dtype => reduce_as::<$type>((fine, coarse), &roi, &factors, reduce),)*
                other => return Err(PyramidError::UnknownType { dtype: other }),
            }
        };
    }
    let reduced = by_type!(
        Bool: bool, U8: u8, U16: u16, U32: u32, U64: u64, I8: i8, I16: i16, I32: i32, I64: i64, F32: f32,
        F64: f64,
    );
    reduced.map_err(PyramidError::Array)
}

/// Tasks that fill each of several arrays from the one before, the finest one first, which is there; the last one is
/// returned, with the others upstream. Each has `num_workers` threads.
///
/// The levels of an OME-NGFF image are such arrays (feature `ome`):
///
#[cfg_attr(
    feature = "ome",
    doc = r#"
```
use daisy::{Reduce, arrays::{ArraySpec, Dtype, IfExists, MemoryStore, Multiscale, OmeVersion}, pyramid};
use std::sync::Arc;

let store = MemoryStore::new();
let spec = ArraySpec::new([64, 64], Dtype::U8)
    .voxel_size([4, 4])
    .axis_names(["y", "x"])
    .units(["nm", "nm"]);
let factors = [[2, 2].into(), [4, 4].into()];
let image = Multiscale::create(store.at("image"), &spec, &factors, OmeVersion::V0_5, IfExists::Error)?;
let levels: Vec<_> = image.into_levels().into_iter().map(Arc::new).collect();
levels[0].fill(levels[0].roi(), 7_u8)?;
assert!(daisy::run_blockwise(&[pyramid(&levels, Reduce::Mean, 2)?])?.is_success());

let image = Multiscale::open(store.at("image"))?;
let coarse = &image.levels()[2];
assert_eq!(coarse.voxel_size().as_slice(), [16, 16]);
assert!(coarse.read::<u8>(coarse.roi())?.iter().all(|&voxel| voxel == 7));
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
)]
///
/// # Errors
/// [`PyramidError`]: arrays that follow one another do not go together.
pub fn pyramid(
    levels: &[Arc<Array>],
    reduce: Reduce,
    num_workers: u32,
) -> Result<Task, PyramidError> {
    let mut last: Option<Task> = None;
    for (level, pair) in (1..).zip(levels.windows(2)) {
        let [fine, coarse] = pair else { continue };
        let name = format!("level {level}");
        let builder = downsample(name, Arc::clone(fine), Arc::clone(coarse), reduce)?;
        let builder = builder.num_workers(num_workers).upstream_tasks(&last);
        last = Some(builder.build().map_err(PyramidError::Task)?);
    }
    last.ok_or(PyramidError::TooFew)
}

/// How many fine voxels a coarse one has along each axis of the data: one along channels.
fn factors_of(fine: &Array, coarse: &Array, reduce: Reduce) -> Result<Vec<usize>, PyramidError> {
    if matches!(fine.dtype(), Dtype::F32 | Dtype::F64) && reduce == Reduce::Mode {
        return Err(PyramidError::ModeOfFloats { dtype: fine.dtype() });
    }
    let roi = |array: &Array| Box::new(array.roi().clone());
    let extent = || PyramidError::Extent { fine: roi(fine), coarse: roi(coarse) };
    let dims = fine.shape().dims();
    if dims != coarse.shape().dims() || fine.offset() != coarse.offset() {
        return Err(extent());
    }
    let voxels = |array: &Array| (array.dtype(), array.channels().to_vec());
    let kinds = |array: &Array| array.axes().iter().map(|axis| axis.kind).collect::<Vec<_>>();
    if voxels(fine) != voxels(coarse) || kinds(fine) != kinds(coarse) {
        return Err(PyramidError::Voxels { fine: voxels(fine), coarse: voxels(coarse) });
    }
    let mut factors = Vec::new();
    for axis in 0..dims {
        let (small, large) = (fine.voxel_size()[axis], coarse.voxel_size()[axis]);
        if large % small != 0 {
            return Err(PyramidError::VoxelSize { axis, fine: small, coarse: large });
        }
        let factor = large / small;
        if coarse.shape()[axis] != div_ceil(fine.shape()[axis], factor) {
            return Err(extent());
        }
        factors.push(usize::try_from(factor).map_err(|_| extent())?);
    }
    let mut factors = factors.into_iter();
    let each = kinds(fine).into_iter();
    Ok(each.map(|kind| if kind.is_world() { factors.next().unwrap_or(1) } else { 1 }).collect())
}

fn reduce_as<T: Voxel>(
    (fine, coarse): (&Array, &Array),
    roi: &Roi,
    factors: &[usize],
    reduce: Reduce,
) -> Result<(), ArrayError> {
    let voxels = fine.read::<T>(&roi.intersect(fine.roi())?)?;
    let reduced = reduced(&voxels, factors, reduce);
    coarse.write(roi, reduced.view())
}

/// The coarse voxels of fine ones.
fn reduced<T: Voxel>(fine: &ArrayD<T>, factors: &[usize], reduce: Reduce) -> ArrayD<T> {
    let fine = fine.as_standard_layout();
    let (lengths, voxels) = (fine.shape(), fine.as_slice().unwrap_or_default());
    let pairs = lengths.iter().zip(factors);
    let shape: Vec<usize> = pairs.map(|(length, factor)| length.div_ceil(*factor)).collect();
    let (Some((length, outer)), Some((factor, _)), Some((width, before))) =
        (lengths.split_last(), factors.split_last(), shape.split_last())
    else {
        return fine.to_owned();
    };
    let mut reduced = Vec::with_capacity(shape.iter().product());
    let (mut rows, mut window): (Vec<usize>, Vec<T>) = (Vec::new(), Vec::new());
    for index in ndarray::indices(before) {
        rows_of(index.slice(), outer, factors, &mut rows);
        for begin in (0..*width).map(|place| place * factor) {
            let end = (begin + factor).min(*length);
            window.clear();
            for row in rows.iter().map(|row| row * length) {
                window.extend_from_slice(voxels.get(row + begin..row + end).unwrap_or_default());
            }
            reduced.push(match reduce {
                Reduce::Mean => T::mean(&window),
                Reduce::Mode => T::mode(&mut window),
            });
        }
    }
    let mut reduced = reduced.into_iter();
    ArrayD::from_shape_simple_fn(shape, || reduced.next().unwrap_or_else(T::zero))
}

/// The numbers of the rows of fine voxels that a row of coarse ones is made of, given the index of that.
fn rows_of(index: &[usize], lengths: &[usize], factors: &[usize], rows: &mut Vec<usize>) {
    rows.clear();
    rows.push(0);
    for ((place, length), factor) in index.iter().zip(lengths).zip(factors) {
        let (begin, end) = (place * factor, (place * factor + factor).min(*length));
        *rows = rows.iter().flat_map(|row| (begin..end).map(move |at| row * length + at)).collect();
    }
}

/// Voxels of which there is a mean and a most frequent one.
trait Voxel: Element + Copy + PartialOrd {
    fn mean(window: &[Self]) -> Self;

    fn mode(window: &mut [Self]) -> Self {
        window.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        let mut best: Option<(usize, Self)> = None;
        for run in window.chunk_by(|a, b| a == b) {
            if let Some(&value) = run.first()
                && best.is_none_or(|(length, _)| run.len() > length)
            {
                best = Some((run.len(), value));
            }
        }
        best.map_or_else(Self::zero, |(_, value)| value)
    }

    fn zero() -> Self;
}

macro_rules! whole {
    ($($type:ty: $sum:ty),*) => {$(
        impl Voxel for $type {
            #[expect(clippy::cast_possible_truncation, reason = "a mean lies between the values")]
            fn mean(window: &[Self]) -> Self {
                let count = window.len().max(1) as $sum;
                let sum: $sum = window.iter().map(|&value| <$sum>::from(value)).sum();
                (2 * sum + count).div_euclid(2 * count) as Self
            }

            fn zero() -> Self {
                0
            }
        }
    )*};
}

// Sums are exact in windows of up to 2^29 voxels.
whole!(u8: i64, u16: i64, u32: i64, u64: i128, i8: i64, i16: i64, i32: i64, i64: i128);

/// The mean of yes and no is what at least half of them say.
impl Voxel for bool {
    fn mean(window: &[Self]) -> Self {
        2 * window.iter().filter(|&&value| value).count() >= window.len()
    }

    fn zero() -> Self {
        false
    }
}

macro_rules! real {
    ($($type:ty),*) => {$(
        impl Voxel for $type {
            #[allow(clippy::cast_possible_truncation, reason = "back to what it was")]
            fn mean(window: &[Self]) -> Self {
                let sum: f64 = window.iter().map(|&value| f64::from(value)).sum();
                (sum / window.len().max(1) as f64) as Self
            }

            fn zero() -> Self {
                0.0
            }
        }
    )*};
}

real!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_rounded_and_never_overflow() {
        assert_eq!(u8::mean(&[255, 255, 255]), 255);
        assert_eq!((u8::mean(&[1, 2]), i8::mean(&[-1, -2]), i8::mean(&[-2, -2, -1])), (2, -1, -2));
        assert_eq!(u64::mean(&[u64::MAX, u64::MAX]), u64::MAX);
        assert_eq!(f32::mean(&[1.0, 2.0]), 1.5);
    }

    #[test]
    fn the_most_frequent_value_wins_and_of_several_the_smallest() {
        assert_eq!(u64::mode(&mut [7, 3, 7, 3, 9]), 3);
        assert_eq!(u64::mode(&mut [9, 7, 9]), 9);
    }
}
