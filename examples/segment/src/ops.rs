//! What one block of each task computes, as pure functions on arrays.
//!
//! Every function gives the same voxels whether it sees a whole volume or one block of it with
//! enough context, because all arithmetic is on integers and rounds once, at the end. Axes are
//! (z, y, x), x fastest.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use ndarray::{Array3, ArrayView3, Axis, Slice};

// --- smooth ----------------------------------------------------------------------------------

/// A binomial kernel: the integer stand-in for a Gaussian with variance `radius / 2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    weights: Vec<u32>,
}

impl Kernel {
    /// The largest radius for which three passes over `u8` still fit in a `u32`.
    pub(crate) const MAX_RADIUS: usize = 4;

    /// The row 2 * `radius` of Pascal's triangle: radius 2 is 1, 4, 6, 4, 1. `None` above
    /// [`Kernel::MAX_RADIUS`].
    pub(crate) fn binomial(radius: usize) -> Option<Self> {
        if radius > Self::MAX_RADIUS {
            return None;
        }
        let mut weights = vec![1];
        for _ in 0..2 * radius {
            let left = weights.iter().copied().chain([0]);
            let right = [0].into_iter().chain(weights.iter().copied());
            weights = left.zip(right).map(|(a, b)| a + b).collect();
        }
        Some(Self { weights })
    }

    /// How far the kernel reaches, in voxels: the context that smoothing needs on each side.
    pub(crate) fn radius(&self) -> usize {
        self.weights.len() / 2
    }

    /// The weights along one axis; they add up to 4^radius.
    pub(crate) fn weights(&self) -> &[u32] {
        &self.weights
    }
}

/// Smooths a volume that reaches `kernel.radius()` voxels beyond the wanted result on every side.
///
/// The result is smaller by the radius on each side of each axis (empty if nothing is left). Halves
/// round up. Whoever calls this decides what lies outside the volume; the pipeline uses 0.
pub(crate) fn smooth(padded: &ArrayView3<'_, u8>, kernel: &Kernel) -> Array3<u8> {
    let mut sums = padded.mapv(u32::from);
    for axis in 0..3 {
        sums = convolve(&sums.view(), Axis(axis), kernel.weights());
    }
    // The weights of all three axes together add up to 4^(3 * radius), a power of two.
    let shift = 6 * kernel.radius();
    let half = (1 << shift) / 2;
    sums.mapv(|sum| ((sum + half) >> shift) as u8)
}

/// Weighted sums along one axis, only where the weights fit inside.
fn convolve(volume: &ArrayView3<'_, u32>, axis: Axis, weights: &[u32]) -> Array3<u32> {
    let length = (volume.len_of(axis) + 1).saturating_sub(weights.len());
    let mut shape = volume.raw_dim();
    shape[axis.index()] = length;
    let mut sums = Array3::zeros(shape);
    if length == 0 {
        return sums;
    }
    for (first, &weight) in weights.iter().enumerate() {
        let shifted = volume.slice_axis(axis, Slice::from(first..first + length));
        sums.zip_mut_with(&shifted, |sum, value| *sum += weight * value);
    }
    sums
}

// --- label -----------------------------------------------------------------------------------

/// Labels the 6-connected components of the voxels that are at least `threshold`.
///
/// Components get `first_id`, `first_id + 1`, ... in the order in which a scan meets them;
/// background is 0. Returns the labels and the number of components. Cost: linear, apart from the
/// inverse Ackermann function; the memory is the result and a few words per run of voxels.
pub(crate) fn label(
    volume: &ArrayView3<'_, u8>,
    threshold: u8,
    first_id: u64,
) -> (Array3<u64>, u64) {
    let mut runs = Runs::find(volume, threshold);
    let (depth, height, _) = volume.dim();
    for row in 0..depth * height {
        if row % height > 0 {
            runs.join_rows(row - 1, row);
        }
        if row >= height {
            runs.join_rows(row - height, row);
        }
    }
    let mut labels = Array3::zeros(volume.raw_dim());
    let count = runs.paint(&mut labels, first_id);
    (labels, count)
}

/// Foreground as runs along x: far fewer things to join than voxels.
struct Runs {
    /// The voxels of each run within its row; rows follow each other.
    spans: Vec<Range<usize>>,
    /// The runs of row `r` are `row_ends[r]..row_ends[r + 1]`; the first entry is 0.
    row_ends: Vec<usize>,
    sets: DisjointSets,
}

impl Runs {
    /// All runs of voxels that are at least `threshold`.
    fn find(volume: &ArrayView3<'_, u8>, threshold: u8) -> Self {
        let mut spans = Vec::new();
        let mut row_ends = vec![0];
        for row in volume.rows() {
            let mut begin = None;
            for (x, &value) in row.iter().enumerate() {
                match (begin, value >= threshold) {
                    (None, true) => begin = Some(x),
                    (Some(first), false) => {
                        spans.push(first..x);
                        begin = None;
                    }
                    _ => {}
                }
            }
            spans.extend(begin.map(|first| first..row.len()));
            row_ends.push(spans.len());
        }
        let sets = DisjointSets::new(spans.len());
        Self { spans, row_ends, sets }
    }

    /// Joins the runs of two neighbouring rows that share an x.
    fn join_rows(&mut self, left_row: usize, right_row: usize) {
        let (mut left, left_end) = (self.row_ends[left_row], self.row_ends[left_row + 1]);
        let (mut right, right_end) = (self.row_ends[right_row], self.row_ends[right_row + 1]);
        while left < left_end && right < right_end {
            let (a, b) = (&self.spans[left], &self.spans[right]);
            let a_ends_first = a.end < b.end;
            if a.start < b.end && b.start < a.end {
                self.sets.join(left, right);
            }
            if a_ends_first {
                left += 1;
            } else {
                right += 1;
            }
        }
    }

    /// Numbers the components from `first_id`, writes them, and says how many there are.
    fn paint(mut self, labels: &mut Array3<u64>, first_id: u64) -> u64 {
        let mut ids: Vec<u64> = Vec::with_capacity(self.spans.len());
        let mut count = 0;
        for run in 0..self.spans.len() {
            // A set is known by its smallest member, so its id exists before any other run asks.
            let root = self.sets.find(run);
            if root == run {
                ids.push(first_id + count);
                count += 1;
            } else {
                ids.push(ids[root]);
            }
        }
        for (row, mut voxels) in labels.rows_mut().into_iter().enumerate() {
            let runs = self.row_ends[row]..self.row_ends[row + 1];
            for (span, id) in self.spans[runs.clone()].iter().zip(&ids[runs]) {
                voxels.slice_axis_mut(Axis(0), Slice::from(span.clone())).fill(*id);
            }
        }
        count
    }
}

// --- stitch ----------------------------------------------------------------------------------

/// The pairs of different ids that touch across the faces of a block.
///
/// `labels` reaches one voxel beyond the block; `block` says where in it the block lies. Only the
/// faces that have a neighbour in `labels` are looked at, so reading one voxel beyond on the high
/// sides alone sees every face of a volume exactly once. Pairs are `(smaller, larger)`, sorted,
/// each once; background (0) touches nothing.
pub(crate) fn touching_pairs(
    labels: &ArrayView3<'_, u64>,
    block: &[Range<usize>; 3],
) -> Vec<(u64, u64)> {
    let mut pairs = BTreeSet::new();
    for (axis, range) in block.iter().enumerate() {
        let length = labels.len_of(Axis(axis));
        // As long as the labels along this axis, as wide as the block along the others.
        let mut column = block.clone();
        column[axis] = 0..length;
        let column = part(labels, &column);
        let faces = [range.start, range.end];
        // A face lies between layer `face - 1` and layer `face`, one of them in the block.
        for face in faces.into_iter().filter(|face| *face > 0 && *face < length) {
            let low = column.index_axis(Axis(axis), face - 1);
            let high = column.index_axis(Axis(axis), face);
            let mut last = (0, 0);
            for (&a, &b) in low.iter().zip(high.iter()) {
                if a != 0 && b != 0 && a != b && (a, b) != last {
                    pairs.insert((a.min(b), a.max(b)));
                    last = (a, b);
                }
            }
        }
    }
    pairs.into_iter().collect()
}

// --- merge -----------------------------------------------------------------------------------

/// From the ids of single blocks to the ids of the whole volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    ids: Vec<u64>,
    finals: Vec<u64>,
    count: u64,
}

impl Mapping {
    /// A mapping from `(id, final id)` pairs in any order.
    pub(crate) fn from_pairs(pairs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut pairs: Vec<(u64, u64)> = pairs.into_iter().collect();
        pairs.sort_unstable();
        pairs.dedup_by_key(|pair| pair.0);
        let (ids, finals): (Vec<u64>, Vec<u64>) = pairs.into_iter().unzip();
        let count = finals.iter().copied().max().unwrap_or(0);
        Self { ids, finals, count }
    }

    /// How many final ids there are; they are 1 to this number.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The final id of an id; background stays background.
    ///
    /// # Errors
    /// [`UnknownId`] if the mapping was made without this id.
    pub(crate) fn final_id(&self, id: u64) -> Result<u64, UnknownId> {
        if id == 0 {
            return Ok(0);
        }
        let index = self.ids.binary_search(&id).map_err(|_| UnknownId { id })?;
        Ok(self.finals[index])
    }
}

/// An id that no block reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownId {
    /// The id.
    pub(crate) id: u64,
}

impl fmt::Display for UnknownId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id {} was not reported by any block: label all blocks before merging", self.id)
    }
}

impl std::error::Error for UnknownId {}

// --- relabel ---------------------------------------------------------------------------------

/// Replaces every id by its final id.
///
/// # Errors
/// [`UnknownId`] if an id is not in the mapping.
pub(crate) fn relabel(
    labels: &ArrayView3<'_, u64>,
    mapping: &Mapping,
) -> Result<Array3<u64>, UnknownId> {
    let mut result = labels.to_owned();
    // Neighbours mostly have the same id: remembering one answer saves most searches.
    let (mut last_id, mut last_final) = (0, 0);
    for voxel in &mut result {
        if *voxel != last_id {
            last_id = *voxel;
            last_final = mapping.final_id(last_id)?;
        }
        *voxel = last_final;
    }
    Ok(result)
}

// --- shared ----------------------------------------------------------------------------------

/// The part of a volume that lies in a box. (The macro `ndarray::s!` cannot stand beside
/// `forbid(unsafe_code)`.)
pub(crate) fn part<'a, T>(
    volume: &'a ArrayView3<'_, T>,
    ranges: &[Range<usize>; 3],
) -> ArrayView3<'a, T> {
    volume.slice_each_axis(|axis| Slice::from(ranges[axis.axis.index()].clone()))
}

/// Disjoint sets of 0..n, each known by its smallest member.
#[derive(Clone, Debug)]
struct DisjointSets {
    parents: Vec<usize>,
}

impl DisjointSets {
    fn new(count: usize) -> Self {
        Self { parents: (0..count).collect() }
    }

    /// The smallest member of the set; halves the path on the way.
    fn find(&mut self, mut member: usize) -> usize {
        while self.parents[member] != member {
            self.parents[member] = self.parents[self.parents[member]];
            member = self.parents[member];
        }
        member
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.parents[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::super::phantom::SplitMix64;
    use super::super::reference::{equal_up_to_renaming, flood_fill};
    use super::*;

    /// Random voxels below `limit`.
    fn noise(shape: [usize; 3], limit: u64, seed: u64) -> Array3<u8> {
        let mut rng = SplitMix64(seed);
        Array3::from_shape_fn(shape, |_| (rng.next() % limit) as u8)
    }

    /// The definition of smoothing: one weighted sum per voxel over all three axes at once.
    fn smooth_naive(padded: &Array3<u8>, kernel: &Kernel) -> Array3<u8> {
        let reach = 2 * kernel.radius();
        let (depth, height, width) = padded.dim();
        let shape = [depth - reach, height - reach, width - reach];
        Array3::from_shape_fn(shape, |(z, y, x)| {
            let window = part(&padded.view(), &[z, y, x].map(|i| i..i + reach + 1)).to_owned();
            let weight = |i: usize| f64::from(kernel.weights()[i]);
            let (sum, total) = window.indexed_iter().fold((0.0, 0.0), |(sum, total), (i, v)| {
                let w = weight(i.0) * weight(i.1) * weight(i.2);
                (sum + w * f64::from(*v), total + w)
            });
            (sum / total + 0.5).floor() as u8
        })
    }

    #[test]
    fn kernels_are_rows_of_pascals_triangle() {
        let weights = |radius| Kernel::binomial(radius).map(|k| k.weights().to_vec());
        assert_eq!(weights(0), Some(vec![1]));
        assert_eq!(weights(2), Some(vec![1, 4, 6, 4, 1]));
        assert_eq!(weights(Kernel::MAX_RADIUS + 1), None);
    }

    #[test]
    fn smoothing_is_the_weighted_mean() {
        for radius in 0..=Kernel::MAX_RADIUS {
            let kernel = Kernel::binomial(radius).unwrap();
            let volume = noise([11, 10, 13], 256, radius as u64);
            assert_eq!(smooth(&volume.view(), &kernel), smooth_naive(&volume, &kernel));
        }
    }

    #[test]
    fn the_brightest_volume_does_not_overflow() {
        let kernel = Kernel::binomial(Kernel::MAX_RADIUS).unwrap();
        let volume = Array3::from_elem([9, 9, 9], 255);
        assert_eq!(smooth(&volume.view(), &kernel), Array3::from_elem([1, 1, 1], 255));
    }

    #[test]
    fn a_volume_thinner_than_the_kernel_leaves_nothing() {
        let kernel = Kernel::binomial(2).unwrap();
        assert_eq!(smooth(&noise([4, 9, 9], 256, 1).view(), &kernel).dim(), (0, 5, 5));
    }

    #[test]
    fn smoothing_a_block_with_context_is_smoothing_the_volume() {
        let kernel = Kernel::binomial(2).unwrap();
        let padded = noise([20, 19, 18], 256, 5);
        let whole = smooth(&padded.view(), &kernel);
        let block = smooth(&part(&padded.view(), &[3..12, 4..15, 5..14]), &kernel);
        assert_eq!(block, part(&whole.view(), &[3..8, 4..11, 5..10]));
    }

    #[test]
    fn labels_are_the_connected_components() {
        for seed in 0..200 {
            let mut rng = SplitMix64(seed);
            let shape = [0; 3].map(|_| (rng.next() % 9) as usize);
            let volume = noise(shape, 2 + seed % 4, seed);
            let (labels, count) = label(&volume.view(), 1, 1);
            let expected = flood_fill(&volume, 1);
            equal_up_to_renaming(&labels, &expected).unwrap();
            assert_eq!(count, expected.iter().copied().max().unwrap_or(0));
        }
    }

    #[test]
    fn ids_start_at_the_first_id_and_have_no_gaps() {
        let volume = Array3::from_shape_vec([1, 2, 5], vec![9, 0, 9, 0, 9, 9, 0, 9, 9, 9]).unwrap();
        let (labels, count) = label(&volume.view(), 9, 100);
        assert_eq!(count, 2);
        let expected = vec![100, 0, 101, 0, 101, 100, 0, 101, 101, 101];
        assert_eq!(labels, Array3::from_shape_vec([1, 2, 5], expected).unwrap());
    }

    #[test]
    fn labelling_a_view_that_is_not_contiguous_works() {
        let volume = noise([8, 9, 10], 2, 3);
        let volume = volume.view();
        let mut odd = part(&volume, &[1..7, 2..8, 3..9]);
        odd.slice_axis_inplace(Axis(2), Slice::new(0, None, 2));
        assert_eq!(label(&odd, 1, 1), label(&odd.to_owned().view(), 1, 1));
    }

    /// The definition of touching: every voxel of the block against its six neighbours outside.
    fn pairs_naive(labels: &Array3<u64>, block: &[Range<usize>; 3]) -> Vec<(u64, u64)> {
        let is_inside = |i: [usize; 3]| (0..3).all(|axis| block[axis].contains(&i[axis]));
        let mut pairs = BTreeSet::new();
        for ((z, y, x), &a) in labels.indexed_iter().filter(|(i, _)| is_inside((*i).into())) {
            for axis in 0..3 {
                for step in [usize::MAX, 1] {
                    let mut next = [z, y, x];
                    next[axis] = next[axis].wrapping_add(step);
                    match labels.get(next) {
                        Some(&b) if !is_inside(next) && a != 0 && b != 0 && a != b => {
                            pairs.insert((a.min(b), a.max(b)));
                        }
                        _ => {}
                    }
                }
            }
        }
        pairs.into_iter().collect()
    }

    #[test]
    fn touching_pairs_are_all_neighbours_across_faces_and_no_others() {
        let mut rng = SplitMix64(11);
        for seed in 0..300 {
            let labels = noise([6, 7, 5], 6, seed).mapv(u64::from);
            let block = [6, 7, 5].map(|length| {
                let begin = rng.next() % 3;
                begin as usize..length - (rng.next() % 2) as usize
            });
            assert_eq!(touching_pairs(&labels.view(), &block), pairs_naive(&labels, &block));
        }
    }

    #[test]
    fn corners_and_edges_do_not_touch() {
        let mut labels = Array3::zeros([2, 2, 2]);
        labels[[0, 0, 0]] = 1;
        labels[[1, 1, 0]] = 2;
        labels[[1, 1, 1]] = 3;
        assert_eq!(touching_pairs(&labels.view(), &[0..1, 0..1, 0..1]), vec![]);
    }

    #[test]
    fn relabelling_keeps_background_and_refuses_unknown_ids() {
        let mapping = Mapping::from_pairs([(5, 1), (6, 2)]);
        let labels = Array3::from_shape_vec([1, 1, 4], vec![5, 0, 6, 6]).unwrap();
        let expected = Array3::from_shape_vec([1, 1, 4], vec![1, 0, 2, 2]).unwrap();
        assert_eq!(relabel(&labels.view(), &mapping), Ok(expected));
        let stray = Array3::from_elem([1, 1, 1], 7);
        assert_eq!(relabel(&stray.view(), &mapping), Err(UnknownId { id: 7 }));
    }
}
