//! Where a node lies, and the exact test whether that is inside a ROI.
//!
//! Positions are `f64`: users store centroids of synapses and skeleton nodes that do not lie on
//! whole world units, and all files that are opened here hold them so. Whole numbers up to 2^53
//! in magnitude are exact. ROIs have `i64` bounds, and `x as f64` may round a bound beyond 2^53
//! into or out of the box. So a bound is replaced once by the smallest `f64` that is not below it:
//! for every `f64` `p`, `p >= bound` and `p < bound` are then the same comparisons of `f64`s, here
//! and in each database.

use std::fmt;

use daisy_geometry::{Coordinate, Roi};

use crate::GraphError;

/// The largest number of axes of a position.
pub const MAX_DIMS: usize = 6;

/// A point in world units: 1 to [`MAX_DIMS`] finite numbers.
///
/// ```
/// use daisy_graphdb::Position;
///
/// let centroid = Position::new([-3.5, 0.0, 12.25])?;
/// assert_eq!((centroid.dims(), centroid.axes()[0]), (3, -3.5));
/// assert!(Position::new([f64::NAN]).is_err());
/// # Ok::<(), daisy_graphdb::GraphError>(())
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Position {
    dims: u8,
    axes: [f64; MAX_DIMS],
}

impl Position {
    /// A position from its coordinates, first axis first.
    ///
    /// # Errors
    ///
    /// [`GraphError::PositionDims`] if there are none or more than [`MAX_DIMS`],
    /// [`GraphError::PositionNotFinite`] if one is infinite or not a number.
    #[inline]
    pub fn new(axes: impl AsRef<[f64]>) -> Result<Self, GraphError> {
        let given = axes.as_ref();
        if given.is_empty() || given.len() > MAX_DIMS {
            return Err(GraphError::PositionDims { expected: MAX_DIMS, found: given.len() });
        }
        if let Some(axis) = given.iter().position(|value| !value.is_finite()) {
            return Err(GraphError::PositionNotFinite { axis });
        }
        let mut axes = [0.0; MAX_DIMS];
        for (place, value) in axes.iter_mut().zip(given) {
            *place = *value;
        }
        Ok(Self { dims: u8::try_from(given.len()).unwrap_or(u8::MAX), axes })
    }

    /// The number of axes.
    #[must_use]
    pub fn dims(&self) -> usize {
        usize::from(self.dims)
    }

    /// The coordinates, first axis first.
    #[must_use]
    pub fn axes(&self) -> &[f64] {
        self.axes.get(..self.dims()).unwrap_or(&self.axes)
    }

    /// Whether the position lies in the half-open box; exact for every `f64`. False if the number
    /// of axes differs.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    /// use daisy_graphdb::Position;
    ///
    /// let roi = Roi::new([-10], [10])?;
    /// assert!(Position::new([-10.0])?.is_in(&roi) && Position::new([-0.5])?.is_in(&roi));
    /// assert!(!Position::new([0.0])?.is_in(&roi));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_in(&self, roi: &Roi) -> bool {
        self.dims() == roi.dims() && Bounds::new(roi).contains(self)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.axes())
    }
}

impl TryFrom<&Coordinate> for Position {
    type Error = GraphError;

    /// The nearest position; exact up to 2^53 in magnitude.
    #[expect(clippy::cast_precision_loss, reason = "documented")]
    fn try_from(point: &Coordinate) -> Result<Self, GraphError> {
        Self::new(point.iter().map(|axis| axis as f64).collect::<Vec<_>>())
    }
}

/// A ROI as bounds of `f64`s: infinite where unbounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    dims: usize,
    begin: [f64; MAX_DIMS],
    end: [f64; MAX_DIMS],
}

impl Bounds {
    /// The bounds of a ROI of at most [`MAX_DIMS`] axes.
    pub(crate) fn new(roi: &Roi) -> Self {
        let mut bounds = Self {
            dims: roi.dims().min(MAX_DIMS),
            begin: [f64::NEG_INFINITY; MAX_DIMS],
            end: [f64::INFINITY; MAX_DIMS],
        };
        let is_empty = roi.is_empty();
        for (axis, (begin, end)) in bounds.begin.iter_mut().zip(&mut bounds.end).enumerate() {
            if is_empty {
                (*begin, *end) = (0.0, 0.0);
                continue;
            }
            *begin = roi.begin_at(axis).map_or(*begin, at_least);
            *end = roi.end_at(axis).map_or(*end, at_least);
        }
        bounds
    }

    /// The same, and unbounded along some axes.
    #[cfg(feature = "sqlite")]
    pub(crate) fn unbounded_along(mut self, axes: &[bool; MAX_DIMS]) -> Self {
        for ((begin, end), is_unbounded) in self.begin.iter_mut().zip(&mut self.end).zip(axes) {
            if *is_unbounded {
                (*begin, *end) = (f64::NEG_INFINITY, f64::INFINITY);
            }
        }
        self
    }

    /// Whether no position is inside.
    pub(crate) fn is_empty(&self) -> bool {
        self.axes().any(|(begin, end)| begin >= end)
    }

    /// Begin and end of each axis.
    pub(crate) fn axes(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.begin.iter().copied().zip(self.end.iter().copied()).take(self.dims)
    }

    /// Whether a position is inside.
    pub(crate) fn contains(&self, position: &Position) -> bool {
        let mut pairs = self.axes().zip(position.axes());
        pairs.all(|((begin, end), p)| begin <= *p && *p < end)
    }
}

/// The smallest `f64` that is not below a whole number.
#[expect(clippy::cast_precision_loss, reason = "the rounding is looked at")]
fn at_least(bound: i64) -> f64 {
    let nearest = bound as f64;
    // Beyond 2^53 every f64 is whole; the comparison is exact in 128 bits.
    if (nearest as i128) < i128::from(bound) { nearest.next_up() } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_beyond_2_to_the_53_is_not_rounded_into_the_box() {
        let bound = (1_i64 << 53) + 1; // no f64; the nearest is one below
        let below = Position::new([(1_i64 << 53) as f64]).unwrap();
        let above = Position::new([((1_i64 << 53) + 2) as f64]).unwrap();
        let from = Roi::from_begin_end([bound], [Roi::LIMIT]).unwrap();
        let to = Roi::from_begin_end([0], [bound]).unwrap();
        assert!(!below.is_in(&from) && above.is_in(&from));
        assert!(below.is_in(&to) && !above.is_in(&to));
    }

    #[test]
    fn an_unbounded_axis_contains_every_number() {
        let slab = Roi::from_axes([None, Some((0, 1))]).unwrap();
        assert!(Position::new([-1e300, 0.5]).unwrap().is_in(&slab));
        assert!(!Position::new([-1e300, 1.0]).unwrap().is_in(&slab));
        assert!(!Position::new([0.0]).unwrap().is_in(&slab));
    }

    #[test]
    fn nothing_is_in_an_empty_roi() {
        for roi in [Roi::empty(1), Roi::new([0], [0]).unwrap(), Roi::new([5], [-9]).unwrap()] {
            assert!(!Position::new([0.0]).unwrap().is_in(&roi), "{roi}");
            assert!(Bounds::new(&roi).is_empty());
        }
    }

    #[test]
    fn positions_have_one_to_six_finite_axes() {
        assert!(Position::new([]).is_err());
        assert!(Position::new([0.0; 6]).is_ok());
        assert!(Position::new([0.0; 7]).is_err());
        assert!(Position::new([0.0, f64::INFINITY]).is_err());
    }
}
