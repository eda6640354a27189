//! Everything that can be wrong with a layout, each with what came and what to do.

use core::fmt;

use daisy_geometry::GeometryError;

/// Which ROI of a layout an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The total ROI of the task.
    TotalRoi,
    /// The ROI each block reads.
    ReadRoi,
    /// The ROI each block writes.
    WriteRoi,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TotalRoi => "total_roi",
            Self::ReadRoi => "read_roi",
            Self::WriteRoi => "write_roi",
        })
    }
}

/// Why a layout, or a question about one, is refused.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// The ROIs have no axes.
    NoAxes,
    /// The ROIs have more axes than a layout can have.
    TooManyAxes {
        /// The largest number of axes.
        limit: usize,
        /// Axes of the total ROI.
        found: usize,
    },
    /// An ROI has another number of axes than the total ROI.
    DimsMismatch {
        /// The ROI that differs.
        field: Field,
        /// Axes of the total ROI.
        expected: usize,
        /// Axes of `field`.
        found: usize,
    },
    /// An ROI is unbounded, or empty without an offset.
    Unbounded {
        /// The ROI that has no bounds.
        field: Field,
    },
    /// An ROI is zero or negative along an axis.
    NotPositive {
        /// The ROI in question.
        field: Field,
        /// The axis in question.
        axis: usize,
        /// Its shape along that axis.
        shape: i64,
    },
    /// The write ROI is not inside the read ROI.
    WriteOutsideRead {
        /// The first axis along which it sticks out.
        axis: usize,
        /// Begin and end of the read ROI along it.
        read: (i64, i64),
        /// Begin and end of the write ROI along it.
        write: (i64, i64),
    },
    /// A coordinate that a block would have lies beyond what exact integer maths is done with.
    TooFar {
        /// The axis in question.
        axis: usize,
        /// The largest absolute coordinate allowed.
        limit: i64,
    },
    /// The grid has more cells than can be numbered.
    TooManyBlocks {
        /// The largest number of blocks of one task.
        limit: u64,
    },
    /// A cell that the grid does not have.
    NoSuchCell {
        /// The number that came.
        cell: u64,
        /// How many cells there are.
        num_cells: u64,
    },
    /// A write ROI that is none of those that shifting it over the total ROI gives.
    NotInGrid {
        /// The first axis along which no block of the grid begins there.
        axis: usize,
        /// Where the write ROI begins along it.
        begin: i64,
    },
    /// A block id of an index below the total ROI.
    NegativeIndex {
        /// The first axis in question.
        axis: usize,
        /// The index along it.
        index: i64,
    },
    /// A block id that does not fit 128 bits.
    IdOverflow,
    /// A grid of chunks whose shape is not positive or whose number of axes differs.
    BadChunkGrid {
        /// Axes of the layout.
        expected_dims: usize,
        /// Axes of the chunk grid.
        found_dims: usize,
    },
    /// A name that is none of the known ones.
    UnknownName {
        /// What was being named.
        what: &'static str,
        /// The names that exist.
        expected: &'static str,
    },
    /// The ROI arithmetic failed, or the numbers of axes of what meets in a call differ.
    Geometry(GeometryError),
}

impl LayoutError {
    /// Refuses differing numbers of axes.
    #[doc(hidden)]
    #[inline]
    pub const fn check_dims(left: usize, right: usize) -> Result<(), Self> {
        if left == right {
            return Ok(());
        }
        Err(Self::Geometry(GeometryError::DimsMismatch { left, right }))
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAxes => write!(f, "total_roi has no axes; give ROIs of at least one axis"),
            Self::TooManyAxes { limit, found } => {
                write!(f, "total_roi has {found} axes; give ROIs of at most {limit}")
            }
            Self::DimsMismatch { field, expected, found } => write!(
                f,
                "{field} has {found} axes, total_roi has {expected}; give all three ROIs the same number"
            ),
            Self::Unbounded { field } => {
                write!(f, "{field} has no bounds; give every axis an offset and a shape")
            }
            Self::NotPositive { field, axis, shape } => {
                write!(
                    f,
                    "{field} has shape {shape} along axis {axis}; every shape must be at least 1"
                )
            }
            Self::WriteOutsideRead { axis, read, write } => write!(
                f,
                "write_roi [{}, {}) leaves read_roi [{}, {}) along axis {axis}; grow read_roi until \
                 it contains write_roi",
                write.0, write.1, read.0, read.1
            ),
            Self::TooFar { axis, limit } => write!(
                f,
                "blocks would reach beyond +-{limit} along axis {axis}; move the ROIs closer to the \
                 origin or use a larger unit"
            ),
            Self::TooManyBlocks { limit } => {
                write!(f, "the grid has more than {limit} blocks; use a larger write_roi")
            }
            Self::NoSuchCell { cell, num_cells } => {
                write!(f, "there is no block {cell}; the grid has {num_cells}, numbered from 0")
            }
            Self::NotInGrid { axis, begin } => write!(
                f,
                "no block of the grid begins to write at {begin} along axis {axis}; give the ROIs of one, as \
                 they are before they are cut"
            ),
            Self::NegativeIndex { axis, index } => write!(
                f,
                "index {index} along axis {axis} has no number: ids count from the begin of total_roi; move \
                 the block inside"
            ),
            Self::IdOverflow => write!(
                f,
                "the block id does not fit 128 bits; name the block by its BlockKey instead"
            ),
            Self::BadChunkGrid { expected_dims, found_dims } => write!(
                f,
                "a chunk grid needs {expected_dims} axes with positive chunk shapes, this one has \
                 {found_dims} axes or a chunk shape below 1"
            ),
            Self::UnknownName { what, expected } => {
                write!(f, "unknown {what}; use one of: {expected}")
            }
            Self::Geometry(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for LayoutError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Geometry(error) => Some(error),
            _ => None,
        }
    }
}

impl From<GeometryError> for LayoutError {
    fn from(error: GeometryError) -> Self {
        Self::Geometry(error)
    }
}
