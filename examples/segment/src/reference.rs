//! The same computation on the whole volume at once, by other and simpler algorithms.
//!
//! The block-wise result is compared with this one, so nothing here shares code with `ops`, apart
//! from the weights of the kernel.

use std::collections::HashMap;
use std::fmt;

use ndarray::{Array3, Axis, Zip};

use super::ops::Kernel;

/// What the whole pipeline makes of a volume.
pub(crate) struct Segmentation {
    /// The input, smoothed.
    pub(crate) smoothed: Array3<u8>,
    /// The 6-connected components of what is at least the threshold; 0 is background.
    pub(crate) labels: Array3<u64>,
}

/// Smooths and labels a whole volume in memory. What lies outside counts as 0.
pub(crate) fn segment(input: &Array3<u8>, kernel: &Kernel, threshold: u8) -> Segmentation {
    let smoothed = smooth(input, kernel);
    let labels = flood_fill(&smoothed, threshold);
    Segmentation { smoothed, labels }
}

/// Smooths lane by lane, looking up each neighbour and taking 0 where there is none.
pub(crate) fn smooth(input: &Array3<u8>, kernel: &Kernel) -> Array3<u8> {
    let mut sums = input.mapv(u64::from);
    for axis in 0..3 {
        let mut next = Array3::zeros(sums.raw_dim());
        Zip::from(sums.lanes(Axis(axis))).and(next.lanes_mut(Axis(axis))).for_each(
            |lane, mut out| {
                for (position, sum) in out.iter_mut().enumerate() {
                    for (i, weight) in kernel.weights().iter().enumerate() {
                        let neighbour = (position + i).checked_sub(kernel.radius());
                        let value = neighbour.and_then(|n| lane.get(n)).copied().unwrap_or(0);
                        *sum += u64::from(*weight) * value;
                    }
                }
            },
        );
        sums = next;
    }
    let total: u64 = kernel.weights().iter().map(|w| u64::from(*w)).sum::<u64>().pow(3);
    sums.mapv(|sum| ((2 * sum + total) / (2 * total)) as u8)
}

/// Labels 6-connected components one after the other, by flooding each from its first voxel.
pub(crate) fn flood_fill(volume: &Array3<u8>, threshold: u8) -> Array3<u64> {
    let mut labels = Array3::zeros(volume.raw_dim());
    let mut count = 0;
    let mut stack = Vec::new();
    for ((z, y, x), &value) in volume.indexed_iter() {
        if value < threshold || labels[[z, y, x]] != 0 {
            continue;
        }
        count += 1;
        labels[[z, y, x]] = count;
        stack.push([z, y, x]);
        while let Some(voxel) = stack.pop() {
            for next in neighbours(voxel) {
                let is_new = labels.get(next) == Some(&0);
                if is_new && volume[next] >= threshold {
                    labels[next] = count;
                    stack.push(next);
                }
            }
        }
    }
    labels
}

/// The six voxels that share a face; outside the volume on the low side they wrap to huge indices.
fn neighbours([z, y, x]: [usize; 3]) -> [[usize; 3]; 6] {
    let down = |i: usize| i.wrapping_sub(1);
    [[down(z), y, x], [z + 1, y, x], [z, down(y), x], [z, y + 1, x], [z, y, down(x)], [z, y, x + 1]]
}

/// Where two label volumes first differ by more than the names of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// They are not even of one shape.
    Shape {
        /// Shape of the left volume.
        left: Vec<usize>,
        /// Shape of the right volume.
        right: Vec<usize>,
    },
    /// At `voxel` one volume continues an object that the other does not.
    Voxel {
        /// (z, y, x) of the first such voxel in scan order.
        voxel: [usize; 3],
        /// Id in the left volume.
        left: u64,
        /// Id in the right volume.
        right: u64,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { left, right } => write!(f, "shapes differ: {left:?} and {right:?}"),
            Self::Voxel { voxel, left, right } => write!(
                f,
                "labels differ at voxel {voxel:?}: {left} on the left, {right} on the right, and \
                 at least one of the two was paired with another id before"
            ),
        }
    }
}

impl std::error::Error for Difference {}

/// Compares two label volumes voxel for voxel, allowing any one-to-one renaming of ids.
///
/// Background is 0 in both and is never renamed.
///
/// # Errors
/// The first [`Difference`] in scan order.
pub(crate) fn equal_up_to_renaming(
    left: &Array3<u64>,
    right: &Array3<u64>,
) -> Result<(), Difference> {
    if left.dim() != right.dim() {
        let (left, right) = (left.shape().to_vec(), right.shape().to_vec());
        return Err(Difference::Shape { left, right });
    }
    let mut to_right = HashMap::from([(0, 0)]);
    let mut to_left = HashMap::from([(0, 0)]);
    let mut last = (0, 0);
    for (((z, y, x), &a), &b) in left.indexed_iter().zip(right.iter()) {
        if (a, b) == last {
            continue;
        }
        last = (a, b);
        if *to_right.entry(a).or_insert(b) != b || *to_left.entry(b).or_insert(a) != a {
            return Err(Difference::Voxel { voxel: [z, y, x], left: a, right: b });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ids: [u64; 5]) -> Array3<u64> {
        Array3::from_shape_vec([1, 1, 5], ids.to_vec()).unwrap()
    }

    fn difference_at(x: usize, left: u64, right: u64) -> Result<(), Difference> {
        Err(Difference::Voxel { voxel: [0, 0, x], left, right })
    }

    #[test]
    fn renamed_ids_are_equal() {
        assert_eq!(equal_up_to_renaming(&row([0, 1, 1, 2, 0]), &row([0, 7, 7, 1, 0])), Ok(()));
    }

    #[test]
    fn a_split_a_merge_and_lost_voxels_are_found() {
        let left = row([1, 1, 0, 2, 2]);
        assert_eq!(equal_up_to_renaming(&left, &row([1, 3, 0, 2, 2])), difference_at(1, 1, 3));
        assert_eq!(equal_up_to_renaming(&left, &row([5, 5, 0, 5, 5])), difference_at(3, 2, 5));
        assert_eq!(equal_up_to_renaming(&left, &row([5, 0, 0, 6, 6])), difference_at(1, 1, 0));
        assert_eq!(equal_up_to_renaming(&left, &row([5, 5, 9, 6, 6])), difference_at(2, 0, 9));
        let other_shape = Array3::zeros([1, 2, 2]);
        assert!(matches!(equal_up_to_renaming(&left, &other_shape), Err(Difference::Shape { .. })));
    }

    #[test]
    fn outside_the_volume_is_zero() {
        let kernel = Kernel::binomial(1).unwrap();
        let volume = Array3::from_elem([1, 1, 1], 255);
        // Only the middle weight of each axis meets the voxel: 255 / 8.
        assert_eq!(smooth(&volume, &kernel), Array3::from_elem([1, 1, 1], 32));
    }

    #[test]
    fn diagonal_neighbours_are_two_components() {
        let volume = Array3::from_shape_vec([1, 2, 2], vec![9, 0, 0, 9]).unwrap();
        let segmentation = segment(&volume, &Kernel::binomial(0).unwrap(), 9);
        assert_eq!(segmentation.smoothed, volume);
        let expected = Array3::from_shape_vec([1, 2, 2], vec![1, 0, 0, 2]).unwrap();
        assert_eq!(segmentation.labels, expected);
    }
}
