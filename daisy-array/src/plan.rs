//! How large chunks and shards should be.

use daisy_geometry::Coordinate;

use crate::ArrayError;

/// The chunk length per axis that plans come near to by themselves.
const USUAL_TARGET: i64 = 128;

/// The same where chunks are collected in shards, and so may be small.
const SHARDED_TARGET: i64 = 64;

/// How an array is cut into chunks, and chunks are collected in shards.
///
/// ```
/// use daisy_array::{Array, ArraySpec, ChunkPlan, Dtype, IfExists};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// // Blocks write 300 x 2800 world units, which are 300 x 700 voxels of 1 x 4.
/// let spec = ArraySpec::new([3000, 7000], Dtype::U8)
///     .voxel_size([1, 4])
///     .chunks(ChunkPlan::for_writes([300, 2800]));
/// let array = Array::create(folder.path().join("a.zarr"), &spec, IfExists::Error)?;
/// // Divisors of 300 and 700, near to 128.
/// assert_eq!(array.chunk_shape().as_slice(), [150, 140]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkPlan {
    /// These shapes, in voxels.
    Exact {
        /// Voxels per chunk: what is compressed as a whole.
        chunk: Coordinate,
        /// Voxels per shard, a multiple of the chunk: what is written as a whole. None where each
        /// chunk is a file of its own.
        shard: Option<Coordinate>,
    },
    /// Made for blocks that write so many world units: whatever is written as a whole divides the
    /// write shape, so that blocks side by side never share a chunk if the first one begins at a
    /// chunk border.
    ForWrites {
        /// What a block writes, in world units: a multiple of the voxel size.
        write_shape: Coordinate,
        /// The chunk length to come near to on each axis, in voxels: of the divisors of the write
        /// shape the one nearest in proportion, the larger one of two.
        target: i64,
        /// Whether what a block writes becomes one shard.
        sharded: bool,
    },
}

impl ChunkPlan {
    /// Chunks of so many voxels, each a file.
    pub fn exact(chunk: impl Into<Coordinate>) -> Self {
        Self::Exact { chunk: chunk.into(), shard: None }
    }

    /// Chunks for blocks that write so many world units, near 128 voxels per axis.
    pub fn for_writes(write_shape: impl Into<Coordinate>) -> Self {
        let write_shape = write_shape.into();
        Self::ForWrites { write_shape, target: USUAL_TARGET, sharded: false }
    }

    /// A shard for each block that writes so many world units, of chunks near 64 voxels per axis.
    pub fn for_writes_sharded(write_shape: impl Into<Coordinate>) -> Self {
        let write_shape = write_shape.into();
        Self::ForWrites { write_shape, target: SHARDED_TARGET, sharded: true }
    }

    /// The shapes of chunk and shard in voxels.
    pub(crate) fn shapes(&self, voxel_size: &Coordinate) -> Result<Shapes, ArrayError> {
        let (write_shape, target, sharded) = match self {
            Self::Exact { chunk, shard } => return Ok((chunk.clone(), shard.clone())),
            Self::ForWrites { write_shape, target, sharded } => (write_shape, *target, *sharded),
        };
        let (expected, found) = (voxel_size.dims(), write_shape.dims());
        if found != expected {
            return Err(ArrayError::SpecDims { field: "write_shape", expected, found });
        }
        for (axis, (length, voxel_size)) in write_shape.iter().zip(voxel_size.iter()).enumerate() {
            if length < 1 {
                let field = "write_shape";
                return Err(ArrayError::SpecTooSmall { field, axis, least: 1, found: length });
            }
            if length % voxel_size != 0 {
                return Err(ArrayError::SpecWriteShape { axis, voxel_size, found: length });
            }
        }
        let written = write_shape / voxel_size;
        let chunk = Coordinate::from_fn(written.dims(), |axis| divisor_near(written[axis], target));
        Ok((chunk, sharded.then_some(written)))
    }
}

/// The shapes of a chunk and, if there are shards, of a shard.
pub(crate) type Shapes = (Coordinate, Option<Coordinate>);

/// The divisor of a positive number that is nearest to `target` in proportion, the larger one of
/// two that are as near. O(square root of the number).
pub(crate) fn divisor_near(number: i64, target: i64) -> i64 {
    let target = i128::from(target.max(1));
    // How far off: the larger over the smaller, as a fraction.
    let distance = |divisor: i64| match i128::from(divisor) {
        divisor if divisor < target => (target, divisor),
        divisor => (divisor, target),
    };
    let is_nearer = |one: i64, other: i64| {
        let ((a, b), (c, d)) = (distance(one), distance(other));
        a * d < c * b || (a * d == c * b && one > other)
    };
    let mut best = number;
    let mut low = 1;
    while i128::from(low) * i128::from(low) <= i128::from(number) {
        if number % low == 0 {
            for divisor in [low, number / low] {
                if is_nearer(divisor, best) {
                    best = divisor;
                }
            }
        }
        low += 1;
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chunks_divide_what_a_block_writes() {
        for (written, target, expected) in [
            (1, 128, 1),
            (100, 128, 100),
            (128, 128, 128),
            (256, 128, 128),
            (300, 128, 150),
            (700, 128, 140),
            (1024, 64, 64),
            // 64 and 256 are as near to 128.
            (64 * 5 * 256, 128, 128),
            (257, 128, 257),
            // A prime: one voxel, or all of them.
            (65_537, 128, 1),
        ] {
            assert_eq!(divisor_near(written, target), expected, "{written}");
        }
    }

    proptest! {
        #[test]
        fn no_divisor_is_nearer(number in 1..5000i64, target in 1..300i64) {
            let found = divisor_near(number, target);
            prop_assert_eq!(number % found, 0);
            let off = |d: i64| (d as f64 / target as f64).ln().abs();
            for divisor in (1..=number).filter(|d| number % d == 0) {
                prop_assert!(off(found) <= off(divisor) + 1e-9);
            }
        }
    }
}
