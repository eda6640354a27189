//! Zarr arrays on local disk, read and written by regions of interest in world units.
//!
//! An [`Array`] is a Zarr v2 or v3 array together with where its voxels lie: a voxel size and an
//! offset in integer world units (nanometres, say). [`Roi`](daisy_geometry::Roi)s in world units
//! go in, [`ndarray`] arrays come out, and the reverse.
//!
//! ```
//! use daisy_array::{Array, ArraySpec, Dtype, IfExists};
//! use daisy_geometry::Roi;
//! use ndarray::ArrayD;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("raw.zarr");
//! let spec = ArraySpec::new([100, 200, 300], Dtype::U8)
//!     .voxel_size([40, 4, 4])
//!     .offset([-400, 0, 0])
//!     .axis_names(["z", "y", "x"])
//!     .units(["nm", "nm", "nm"]);
//! let array = Array::create(&path, &spec, IfExists::Error)?;
//!
//! // Two sections of 3 x 3 voxels, the first of them at z = -400 nm.
//! let roi = Roi::new([-400, 8, 8], [80, 12, 12])?;
//! array.write(&roi, ArrayD::<u8>::ones(vec![2, 3, 3]).view())?;
//!
//! // One section earlier than the array begins: what lies outside is filled.
//! let wider = Roi::new([-440, 8, 8], [80, 12, 12])?;
//! let voxels = array.read_or_fill::<u8>(&wider, 9)?;
//! assert_eq!((voxels[[0, 0, 0]], voxels[[1, 0, 0]]), (9, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # What holds everywhere
//!
//! - **Nothing is rounded.** A ROI that does not lie on the array's voxel grid is an error, and so
//!   is a voxel size that is not a whole number.
//! - **Nothing is deleted or reinterpreted silently.** See [`IfExists`].
//! - **A chunk is whole or absent.** Each chunk goes to a temporary file that is then renamed, so a
//!   writer that is killed leaves the old chunk or the new one. [`Durability`] says what is still
//!   there after a power failure.
//! - **Writers of different chunks never disturb each other**, in threads or processes. A write
//!   that covers a chunk in part reads it, changes it and writes it back: two such writes to *one*
//!   chunk at the same time lose one of the two. Give blocks shapes that are multiples of
//!   [`Array::chunk_shape_world`]; an array is a [`ChunkGrid`](daisy_block::ChunkGrid), so
//!   [`shared_chunk`](daisy_block::shared_chunk) tells beforehand whether blocks would disturb
//!   each other.
//! - **A call works in its own thread.** Nothing is handed to a pool: block-wise processing has a
//!   thread or process per worker already.
//! - **Nothing is cached.** A read decodes every chunk that it meets, so blocks that are large
//!   against their context and begin where chunks do are read fastest.

mod array;
mod attributes;
mod chunks;
mod create;
mod element;
mod error;
mod spec;
mod store;
mod voxels;

pub use array::Array;
pub use element::{Dtype, Element, Scalar};
pub use error::{ArrayError, AttributeProblem, Difference, Occupant, Source};
pub use spec::{ArraySpec, Compression, IfExists, ZarrVersion};
pub use store::Durability;
