//! Exact integer geometry: [`Coordinate`], a tuple of integers with element-wise arithmetic, and
//! [`Roi`], a half-open box that may be unbounded along some axes.
//!
//! ```
//! use daisy_geometry::{Coordinate, Roi, Snap};
//!
//! let voxel_size = Coordinate::from([10, 5]);
//! let roi = Roi::new([1, 1], [10, 10])? * &voxel_size;
//! assert_eq!(roi, Roi::new([10, 5], [100, 50])?);
//! assert_eq!((roi + 1).to_string(), "[11:111, 6:56] (100, 50)");
//!
//! let read = Roi::new([-3, 0], [7, 4])?;
//! assert_eq!(read.snap_to_grid(2, Snap::Grow)?, Roi::new([-4, 0], [8, 4])?);
//! assert!(read.intersect(&Roi::new([4, 0], [1, 1])?)?.is_empty()); // edges that touch do not meet
//! # Ok::<(), daisy_geometry::GeometryError>(())
//! ```
//!
//! # What holds everywhere
//!
//! - **Integers only.** No float is ever involved; rounding shows in the name
//!   ([`div_floor`], [`div_ceil`], [`div_round`]) and is right for negative divisors too.
//! - **Overflow never wraps.** Methods that can fail return a [`GeometryError`]; the operators, and the
//!   divisions of single numbers, panic in release builds as well, as those of the integers do, and
//!   have a form that does not.
//! - **No allocation up to four axes** ([`INLINE_AXES`]). More axes work, on the heap.
//! - No clock, thread, file or random number: the crate is `#![no_std]` and needs only `alloc`.
//!
//! # Features
//!
//! `serde` (off by default): a coordinate as a sequence, a ROI as `{offset, shape}`.

#![no_std]

extern crate alloc;

mod coordinate;
mod error;
mod operand;
mod roi;
mod scalar;
#[cfg(feature = "serde")]
mod serde;
mod text;

pub use coordinate::{Coordinate, INLINE_AXES, IntoIter};
pub use error::GeometryError;
pub use operand::Operand;
pub use roi::{Points, Roi, Snap};
pub use scalar::{
    Scalar, checked_div_ceil, checked_div_floor, checked_div_round, checked_rem_floor, div_ceil,
    div_floor, div_round, rem_floor,
};
