//! Every point of a ROI, one after the other.

use core::iter::FusedIterator;

use super::Roi;
use crate::Coordinate;

/// The points of a bounded ROI in row-major order: the last axis runs fastest.
///
/// Made by [`Roi::points`].
#[derive(Clone, Debug)]
pub struct Points {
    begin: Coordinate,
    end: Coordinate,
    next: Option<Coordinate>,
}

impl Roi {
    /// The points of the ROI in row-major order, the last axis fastest; `None` if an axis is
    /// unbounded. An empty ROI has none. Cost: constant for each point.
    ///
    /// ```
    /// use daisy_geometry::{Coordinate, Roi};
    ///
    /// let points: Vec<_> = Roi::new([-1, 5], [2, 2])?.points().into_iter().flatten().collect();
    /// let expected = [[-1, 5], [-1, 6], [0, 5], [0, 6]].map(Coordinate::from);
    /// assert_eq!(points, expected);
    /// assert!(Roi::unbounded(1).points().is_none());
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    pub fn points(&self) -> Option<Points> {
        if self.is_unbounded() {
            return None;
        }
        let next = (!self.is_empty()).then(|| self.begin.clone());
        Some(Points { begin: self.begin.clone(), end: self.end.clone(), next })
    }
}

impl Iterator for Points {
    type Item = Coordinate;

    fn next(&mut self) -> Option<Coordinate> {
        let point = self.next.take()?;
        let mut following = point.clone();
        for axis in (0..point.dims()).rev() {
            following[axis] += 1;
            if following[axis] < self.end[axis] {
                self.next = Some(following);
                break;
            }
            following[axis] = self.begin[axis];
        }
        Some(point)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let Some(next) = &self.next else { return (0, Some(0)) };
        // The number in a mixed radix, the last axis being the lowest digit.
        let mut left = Some(0_usize);
        for axis in 0..next.dims() {
            let length = usize::try_from(self.end[axis].abs_diff(self.begin[axis])).ok();
            let behind = usize::try_from(next[axis].abs_diff(self.begin[axis])).ok();
            left = left.zip(length).zip(behind).and_then(|((left, length), behind)| {
                left.checked_mul(length)?.checked_add(length - 1 - behind)
            });
        }
        // `left` counts those after the next one.
        let left = left.and_then(|left| left.checked_add(1));
        (left.unwrap_or(usize::MAX), left)
    }
}

impl FusedIterator for Points {}
