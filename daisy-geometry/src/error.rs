//! Everything that can be wrong with a piece of geometry, as data: what was expected, what came,
//! and on which axis. The text of an error says what to do next.

use core::fmt;

/// Why an operation on a [`Coordinate`](crate::Coordinate) or a [`Roi`](crate::Roi) was refused.
///
/// ```
/// use daisy_geometry::{Coordinate, GeometryError};
///
/// let error = Coordinate::from([1, 2]).checked_add(Coordinate::from([1, 2, 3])).unwrap_err();
/// assert_eq!(error, GeometryError::DimsMismatch { left: 2, right: 3 });
/// assert_eq!(
///     error.to_string(),
///     "2 axes meet 3: give both operands the same number of axes"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// The operands do not have the same number of axes.
    DimsMismatch {
        /// Axes of the left operand, or of the value itself.
        left: usize,
        /// Axes of the right operand, or those that were asked for.
        right: usize,
    },
    /// The exact result does not fit its type, or a bound of a ROI leaves
    /// [`Roi::LIMIT`](crate::Roi::LIMIT).
    Overflow {
        /// What was being computed.
        op: &'static str,
    },
    /// A divisor is zero on some axis.
    DivisionByZero,
    /// A voxel size is zero or negative, so that there is no grid to snap to.
    NonPositiveVoxelSize {
        /// The first axis concerned.
        axis: usize,
        /// The size given for it.
        size: i64,
    },
    /// The operation needs a bounded axis and this one has no bounds.
    Unbounded {
        /// The first axis concerned.
        axis: usize,
    },
    /// A ROI used as an index starts before the array does.
    NegativeBegin {
        /// The first axis concerned.
        axis: usize,
        /// Where the ROI begins on it.
        begin: i64,
    },
    /// There is no such axis.
    AxisOutOfRange {
        /// The axis asked for.
        axis: usize,
        /// The number of axes there are.
        dims: usize,
    },
    /// Of offset and shape only one is missing, on an axis of a ROI that is not the empty one.
    HalfBounded {
        /// The first axis concerned.
        axis: usize,
    },
    /// The shape written behind a ROI is not the shape of its bounds.
    ShapeDisagrees {
        /// The first axis concerned.
        axis: usize,
        /// The shape that follows from the bounds, none if the axis is unbounded.
        expected: Option<i64>,
        /// The shape that was written.
        found: Option<i64>,
    },
    /// A text is not the text form of what it should be.
    Parse {
        /// What could have stood there.
        expected: &'static str,
        /// The character that stood there, none at the end of the text.
        found: Option<char>,
        /// Where, in bytes from the start.
        at: usize,
    },
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DimsMismatch { left, right } => {
                write!(f, "{left} axes meet {right}: give both operands the same number of axes")
            }
            Self::Overflow { op } => {
                write!(f, "{op} overflows: use smaller numbers or a coarser unit")
            }
            Self::DivisionByZero => {
                f.write_str("a divisor is zero: give a divisor other than zero on every axis")
            }
            Self::NonPositiveVoxelSize { axis, size } => {
                write!(f, "voxel size {size} on axis {axis}: give a size of at least 1")
            }
            Self::Unbounded { axis } => {
                write!(f, "axis {axis} is unbounded: intersect with a bounded ROI first")
            }
            Self::NegativeBegin { axis, begin } => {
                write!(f, "the ROI begins at {begin} on axis {axis}: shift it into the array first")
            }
            Self::AxisOutOfRange { axis, dims } => {
                write!(f, "axis {axis} of {dims}: axes count from zero, name one below {dims}")
            }
            Self::HalfBounded { axis } => write!(
                f,
                "offset and shape disagree about axis {axis} being unbounded: give both or neither"
            ),
            Self::ShapeDisagrees { axis, expected, found } => write!(
                f,
                "axis {axis} is written with shape {}, its bounds say {}: correct one of them",
                Entry(*found),
                Entry(*expected)
            ),
            Self::Parse { expected, found: Some(found), at } => {
                write!(f, "{found:?} at byte {at}: write {expected} there")
            }
            Self::Parse { expected, found: None, at } => {
                write!(f, "the text ends at byte {at}: write {expected} there")
            }
        }
    }
}

impl core::error::Error for GeometryError {}

/// A bound or shape as users see it: the number, or `None` where there is none.
pub(crate) struct Entry(pub(crate) Option<i64>);

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => fmt::Display::fmt(&value, f),
            None => f.write_str("None"),
        }
    }
}

/// The plain form of a checked operation: its value, or a panic with the error's text.
#[inline]
#[track_caller]
pub(crate) fn or_panic<V>(result: Result<V, GeometryError>) -> V {
    match result {
        Ok(value) => value,
        Err(error) => refuse(&error),
    }
}

/// Kept out of line so that the hot paths stay small.
#[cold]
#[inline(never)]
#[track_caller]
fn refuse(error: &GeometryError) -> ! {
    panic!("{error}")
}
