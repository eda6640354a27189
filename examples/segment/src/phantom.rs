//! A synthetic volume to segment: branching neurites in a dark, noisy background.
//!
//! Each neurite is a tree of tubes. A tip walks through the volume in small steps, its direction
//! drifts, now and then it branches, and at each step it leaves a bright ball behind. Trees keep
//! away from each other (see [`Territory`]), so a good segmentation finds at most about one
//! component per tree. The same shape and seed give the same bytes on every machine: the only
//! floating-point operations are the ones IEEE 754 defines exactly.

use std::ops::Range;

use ndarray::{Array3, ArrayViewMut3, Slice};

/// Voxels per tree: sets how crowded the volume is.
const VOXELS_PER_TREE: usize = 150_000;
/// Probability, in 1/1024, that a tip branches at a step.
const BRANCH_PER_1024: u64 = 14;
/// Directions a blocked tip tries before it ends.
const TURNS: usize = 12;
/// Thinnest tube, in voxels.
const MIN_RADIUS: f64 = 1.5;
/// Brightness on the axis of a tube, before noise.
const CORE: f64 = 190.0;
/// How much darker the surface of a tube is than its axis.
const FALLOFF: f64 = 60.0;

/// Makes a volume of `shape` (z, y, x) from `seed`.
///
/// The background lies in 0..64 with some bright speckles of one voxel; neurites lie in 130..254.
/// Cost: linear in the number of voxels, about half a second for 256 x 320 x 384.
pub(crate) fn phantom(shape: [usize; 3], seed: u64) -> Array3<u8> {
    let mut rng = SplitMix64(seed);
    let mut volume = Array3::zeros(shape);
    if volume.is_empty() {
        return volume;
    }
    let mut territory = Territory::new(shape);
    let trees = (volume.len() / VOXELS_PER_TREE).clamp(3, usize::from(u16::MAX) - 1) as u16;
    for tree in 1..=trees {
        grow_tree(&mut volume, &mut territory, tree, &mut rng);
    }
    add_noise(&mut volume, &mut rng);
    volume
}

/// The growing end of a branch.
#[derive(Clone, Copy, Debug)]
struct Tip {
    position: [f64; 3],
    direction: [f64; 3],
    radius: f64,
    steps_left: usize,
}

impl Tip {
    /// A new root somewhere in the volume.
    fn root(shape: [usize; 3], rng: &mut SplitMix64) -> Self {
        let longest = shape.into_iter().max().unwrap_or(0);
        Self {
            position: shape.map(|length| rng.unit() * length as f64),
            direction: unit([rng.signed(), rng.signed(), rng.signed()]),
            radius: 2.0 + 2.0 * rng.unit(),
            steps_left: longest,
        }
    }

    /// The tip one step further, its direction changed at random by up to `drift`.
    fn step(&self, drift: f64, rng: &mut SplitMix64) -> Self {
        let direction = unit(self.direction.map(|d| d + drift * rng.signed()));
        let stride = 0.5 * self.radius;
        let mut position = self.position;
        for (p, d) in position.iter_mut().zip(direction) {
            *p += stride * d;
        }
        Self { position, direction, steps_left: self.steps_left - 1, ..*self }
    }

    /// A thinner side branch.
    fn branch(&self, rng: &mut SplitMix64) -> Self {
        Self {
            direction: unit(self.direction.map(|d| d + 1.2 * rng.signed())),
            radius: (0.8 * self.radius).max(MIN_RADIUS),
            steps_left: self.steps_left * 2 / 3,
            ..*self
        }
    }
}

/// Grows one tree until all its tips have ended.
fn grow_tree(volume: &mut Array3<u8>, territory: &mut Territory, tree: u16, rng: &mut SplitMix64) {
    let mut tips = vec![Tip::root(territory.shape, rng)];
    while let Some(mut tip) = tips.pop() {
        while tip.steps_left > 0 {
            let Some(next) = free_step(&tip, territory, tree, rng) else { break };
            tip = next;
            territory.claim(&tip, tree);
            stamp_ball(volume, &tip);
            if rng.next() % 1024 < BRANCH_PER_1024 {
                tips.push(tip.branch(rng));
            }
        }
    }
}

/// A step that stays inside the volume and away from other trees; turns more sharply each time.
fn free_step(tip: &Tip, territory: &Territory, tree: u16, rng: &mut SplitMix64) -> Option<Tip> {
    (0..TURNS)
        .map(|turn| tip.step(0.2 + 0.15 * turn as f64, rng))
        .find(|next| territory.is_free(next, tree))
}

/// Which tree owns which part of the volume, in cells of a few voxels; 0 is nobody.
///
/// A tree claims the cells up to [`Territory::MARGIN`] voxels around its tubes and its tubes stay
/// out of cells that others claimed, so at least that many voxels lie between two trees.
struct Territory {
    shape: [usize; 3],
    owners: Array3<u16>,
}

impl Territory {
    /// Voxels per cell and axis.
    const CELL: usize = 4;
    /// Least distance between two trees, in voxels.
    const MARGIN: f64 = 4.0;

    fn new(shape: [usize; 3]) -> Self {
        Self { shape, owners: Array3::zeros(shape.map(|length| length.div_ceil(Self::CELL))) }
    }

    /// Whether the tip is inside the volume and its ball meets no cell of another tree.
    fn is_free(&self, tip: &Tip, tree: u16) -> bool {
        let inside =
            tip.position.iter().zip(self.shape).all(|(&p, length)| p >= 0.0 && p < length as f64);
        let others = |owner: &u16| *owner != 0 && *owner != tree;
        let ranges = self.cells(tip, 0.0);
        let cells =
            self.owners.slice_each_axis(|axis| Slice::from(ranges[axis.axis.index()].clone()));
        inside && !cells.iter().any(others)
    }

    /// Claims the free cells around the tip for the tree.
    fn claim(&mut self, tip: &Tip, tree: u16) {
        let cells = self.cells(tip, Self::MARGIN);
        for owner in part_mut(&mut self.owners, &cells).iter_mut().filter(|owner| **owner == 0) {
            *owner = tree;
        }
    }

    /// The cells that the ball of the tip, made larger by `margin`, may meet.
    fn cells(&self, tip: &Tip, margin: f64) -> [Range<usize>; 3] {
        bounding_box(tip.position, tip.radius + margin, self.shape)
            .map(|voxels| voxels.start / Self::CELL..voxels.end.div_ceil(Self::CELL))
    }
}

/// The part of a volume that lies in a box.
fn part_mut<'a, T>(volume: &'a mut Array3<T>, ranges: &[Range<usize>; 3]) -> ArrayViewMut3<'a, T> {
    volume.slice_each_axis_mut(|axis| Slice::from(ranges[axis.axis.index()].clone()))
}

/// Draws the ball of the tip, brightest in the middle, over what is darker.
fn stamp_ball(volume: &mut Array3<u8>, tip: &Tip) {
    let &[depth, height, width] = volume.shape() else { return };
    let ball = bounding_box(tip.position, tip.radius, [depth, height, width]);
    for ((z, y, x), voxel) in part_mut(volume, &ball).indexed_iter_mut() {
        let index = [z, y, x];
        let distance_squared: f64 = (0..3)
            .map(|axis| (ball[axis].start + index[axis]) as f64 - tip.position[axis])
            .map(|difference| difference * difference)
            .sum();
        let depth = distance_squared / (tip.radius * tip.radius);
        if depth <= 1.0 {
            *voxel = (*voxel).max((CORE - FALLOFF * depth) as u8);
        }
    }
}

/// The voxels of a volume of `shape` within `radius` of a point on every axis.
fn bounding_box(point: [f64; 3], radius: f64, shape: [usize; 3]) -> [Range<usize>; 3] {
    [0, 1, 2].map(|axis| {
        // A float becomes the nearest value in range, so a negative begin becomes 0.
        let begin = (point[axis] - radius).ceil() as usize;
        let end = (point[axis] + radius).floor() as usize + 1;
        begin.min(shape[axis])..end.min(shape[axis])
    })
}

/// Adds noise in 0..64 to every voxel, and makes one dark voxel in 128 a bright speckle.
fn add_noise(volume: &mut Array3<u8>, rng: &mut SplitMix64) {
    for voxel in volume.iter_mut() {
        let bits = rng.next();
        // The mean of two uniform values is more often near the middle.
        let noise = ((bits & 63) + ((bits >> 6) & 63)) / 2;
        let speckle = if (bits >> 12) & 127 == 0 && *voxel == 0 { 120 } else { 0 };
        *voxel = voxel.saturating_add(noise as u8).saturating_add(speckle);
    }
}

/// The vector with length 1, or the first axis if it has no length.
fn unit(vector: [f64; 3]) -> [f64; 3] {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length > 0.0 { vector.map(|v| v / length) } else { [1.0, 0.0, 0.0] }
}

/// Steele, Lea and Flood's SplitMix64 generator (OOPSLA 2014): small, fast, good enough here.
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    /// The next 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number in [-1, 1).
    fn signed(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_the_published_numbers() {
        let mut rng = SplitMix64(1_234_567);
        assert_eq!(
            [rng.next(), rng.next(), rng.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_volume_and_another_seed_another() {
        let shape = [20, 30, 41];
        assert_eq!(phantom(shape, 7), phantom(shape, 7));
        assert_ne!(phantom(shape, 7), phantom(shape, 8));
    }

    #[test]
    fn there_is_more_background_than_neurite_and_some_of_both() {
        let volume = phantom([64, 64, 64], 1);
        let bright = volume.iter().filter(|v| **v >= 130).count();
        assert!(bright > volume.len() / 500, "{bright} bright voxels");
        assert!(bright < volume.len() / 3, "{bright} bright voxels");
    }

    #[test]
    fn any_shape_will_do() {
        for shape in [[0, 5, 5], [1, 1, 1], [1, 200, 1], [3, 2, 70]] {
            assert_eq!(phantom(shape, 3).shape(), shape);
        }
    }
}
