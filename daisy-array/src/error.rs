//! Everything that can be wrong with an array, as data: where, what was expected, what was found.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use daisy_block::{LayoutError, SharedChunk};
use daisy_geometry::{GeometryError, Roi};

use crate::{AttributeProblem, Difference, Dtype, Number, Occupant};

/// The error of a library or of the operating system that lies below another error.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation on an [`Array`](crate::Array) was refused or failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ArrayError {
    /// There is nothing at the path.
    NotFound {
        /// Where an array was looked for.
        path: PathBuf,
    },
    /// There is something at the path, but no Zarr array.
    NotAnArray {
        /// Where an array was looked for.
        path: PathBuf,
        /// What is there instead.
        found: Occupant,
    },
    /// An array should be created where there is one.
    AlreadyExists {
        /// The path of the existing array.
        path: PathBuf,
    },
    /// An array should be created where there is something that is not an array.
    Occupied {
        /// Where the array should go.
        path: PathBuf,
        /// What is there already.
        found: Occupant,
    },
    /// Something should be created among the chunks of an array.
    InsideArray {
        /// Where it should go.
        path: PathBuf,
        /// The path of the array.
        array: PathBuf,
    },
    /// The existing array is not the one that was described.
    Incompatible {
        /// The path of the existing array.
        path: PathBuf,
        /// All fields that differ.
        differences: Vec<Difference>,
    },
    /// The Zarr metadata cannot be read or ask for something that is not supported.
    Metadata {
        /// The path of the array.
        path: PathBuf,
        /// What the Zarr library says.
        source: Source,
    },
    /// An attribute that says where the voxels lie makes no sense.
    Attribute {
        /// The path of the array.
        path: PathBuf,
        /// The name of the attribute, or the path to it.
        key: String,
        /// What is wrong with it.
        problem: AttributeProblem,
    },
    /// The array has a data type that is not a [`Dtype`].
    UnsupportedDtype {
        /// The path of the array.
        path: PathBuf,
        /// The data type as Zarr names it.
        found: String,
    },
    /// Elements of another type than those of the array were asked for or given.
    DtypeMismatch {
        /// The path of the array.
        path: PathBuf,
        /// The type of the array.
        expected: Dtype,
        /// The type asked for or given.
        found: Dtype,
    },
    /// A field of an [`ArraySpec`](crate::ArraySpec) has the wrong number of axes.
    SpecDims {
        /// The field.
        field: &'static str,
        /// The number of axes of the field `shape`.
        expected: usize,
        /// The number of axes given.
        found: usize,
    },
    /// A field of an [`ArraySpec`](crate::ArraySpec) is too small on one axis.
    SpecTooSmall {
        /// The field.
        field: &'static str,
        /// The axis.
        axis: usize,
        /// The smallest value that makes sense.
        least: i64,
        /// The value given.
        found: i64,
    },
    /// The fill value of an [`ArraySpec`](crate::ArraySpec) is not of the array's type.
    SpecFillValue {
        /// The type of the array.
        expected: Dtype,
        /// The type of the fill value.
        found: Dtype,
    },
    /// A compression level that the codec does not have.
    SpecLevel {
        /// The largest level of the codec.
        most: u32,
        /// The level given.
        found: u32,
    },
    /// The shards of an [`ArraySpec`](crate::ArraySpec) are no multiple of its chunks.
    SpecShard {
        /// The axis.
        axis: usize,
        /// Voxels per chunk on it.
        chunk: i64,
        /// Voxels per shard on it.
        shard: i64,
    },
    /// What blocks write, for a [`ChunkPlan`](crate::ChunkPlan), is no whole number of voxels.
    SpecWriteShape {
        /// The axis.
        axis: usize,
        /// World units per voxel on it.
        voxel_size: i64,
        /// World units per block on it.
        found: i64,
    },
    /// An [`ArraySpec`](crate::ArraySpec) asks for something that Zarr v2 does not have.
    SpecNotInV2 {
        /// What it asks for.
        field: &'static str,
    },
    /// A world axis of an [`ArraySpec`](crate::ArraySpec) is called a channel.
    SpecChannel {
        /// The axis.
        axis: usize,
    },
    /// The attributes of an [`ArraySpec`](crate::ArraySpec) have no room for those that say where
    /// voxels lie.
    SpecAttribute {
        /// The path of the attribute.
        key: String,
        /// What is wrong with it.
        problem: AttributeProblem,
    },
    /// Blocks that may run at the same time would write one chunk, and the array is not told to
    /// lock its chunks.
    SharedChunk {
        /// The path of the array.
        path: PathBuf,
        /// Along which axis, and which write shapes are right. Lengths are in world units.
        shared: SharedChunk,
    },
    /// Blocks have another number of axes than the array has world axes.
    Layout {
        /// The path of the array.
        path: PathBuf,
        /// What does not fit.
        source: LayoutError,
    },
    /// A ROI has another number of axes than the array has world axes.
    Dims {
        /// The world axes of the array.
        expected: usize,
        /// The axes of the ROI.
        found: usize,
    },
    /// A ROI is unbounded on one axis.
    Unbounded {
        /// The ROI.
        roi: Box<Roi>,
    },
    /// A ROI does not begin or end on the border between two voxels.
    Misaligned {
        /// The ROI.
        roi: Box<Roi>,
        /// The first axis concerned.
        axis: usize,
        /// The voxel size on that axis.
        voxel_size: i64,
        /// Where the array begins on that axis; voxel borders are whole voxels away from it.
        offset: i64,
    },
    /// A ROI reaches beyond the array.
    Outside {
        /// The ROI.
        roi: Box<Roi>,
        /// The ROI of the array.
        array: Box<Roi>,
    },
    /// The data to be written do not have the shape of the ROI.
    Shape {
        /// The shape of the ROI in voxels, channels first.
        expected: Vec<usize>,
        /// The shape of the data.
        found: Vec<usize>,
    },
    /// The voxels of a ROI do not fit into memory.
    TooLarge {
        /// The shape in voxels, channels first.
        shape: Vec<i64>,
        /// The type of the elements.
        dtype: Dtype,
    },
    /// A view has no axis of that name, or no longer.
    NoSuchAxis {
        /// The name.
        axis: String,
        /// The names that there are.
        names: Vec<String>,
    },
    /// A view has no such entry along an axis.
    Index {
        /// The name of the axis.
        axis: String,
        /// The entry that was asked for.
        index: u64,
        /// The entries that there are.
        range: Range<u64>,
    },
    /// A value that a view reads does not fit the type that it should have.
    Cast {
        /// The path of the array.
        path: PathBuf,
        /// The value.
        value: Number,
        /// The type.
        dtype: Dtype,
    },
    /// What can only be read was to be written.
    ReadOnly {
        /// The path of the array.
        path: PathBuf,
    },
    /// The OME-NGFF metadata of an image.
    #[cfg(feature = "ome")]
    Ome {
        /// The path of the image, or of one of its levels.
        path: PathBuf,
        /// What is wrong with them.
        problem: crate::OmeProblem,
    },
    /// An object store cannot be reached, or refuses.
    #[cfg(feature = "remote")]
    Remote {
        /// The store, or the place in it.
        url: String,
        /// What it says.
        source: Source,
    },
    /// Coordinates overflow.
    Geometry(GeometryError),
    /// Voxels could not be read.
    Read {
        /// The path of the array.
        path: PathBuf,
        /// What was being read.
        roi: Box<Roi>,
        /// What the Zarr library or the operating system says.
        source: Source,
    },
    /// Voxels could not be written.
    Write {
        /// The path of the array.
        path: PathBuf,
        /// What was being written.
        roi: Box<Roi>,
        /// What the Zarr library or the operating system says.
        source: Source,
    },
    /// A file or folder could not be created, looked at or removed.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
}

impl From<GeometryError> for ArrayError {
    fn from(error: GeometryError) -> Self {
        Self::Geometry(error)
    }
}

impl std::error::Error for ArrayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Metadata { source, .. }
            | Self::Read { source, .. }
            | Self::Write { source, .. } => Some(source.as_ref()),
            Self::Io { source, .. } => Some(source),
            #[cfg(feature = "remote")]
            Self::Remote { source, .. } => Some(source.as_ref()),
            Self::Geometry(source) => Some(source),
            Self::Layout { source, .. } => Some(source),
            Self::SharedChunk { shared, .. } => Some(shared),
            _ => None,
        }
    }
}

impl fmt::Display for ArrayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path } => {
                write!(f, "there is nothing at {}: check the path, or create it", path.display())
            }
            Self::NotAnArray { path, found } => {
                write!(f, "{} is {found}, not a Zarr array{}", path.display(), found.advice())
            }
            Self::AlreadyExists { path } => write!(
                f,
                "there is an array at {}: choose another path, reuse it or overwrite it",
                path.display()
            ),
            Self::Occupied { path, found } => write!(
                f,
                "cannot create an array at {}, there is {found}: move it away or choose another \
                 path",
                path.display()
            ),
            Self::InsideArray { path, array } => write!(
                f,
                "{} lies among the chunks of the array at {}: choose a path beside it",
                path.display(),
                array.display()
            ),
            Self::Incompatible { path, differences } => {
                write!(f, "the array at {} is another one:", path.display())?;
                for Difference { field, existing, wanted } in differences {
                    write!(f, " {field} is {existing}, wanted {wanted};")?;
                }
                f.write_str(" choose another path, or overwrite it")
            }
            Self::Metadata { path, source } => {
                let path = path.display();
                write!(f, "cannot make sense of the Zarr metadata of {path}: {source}; ")?;
                if cfg!(not(feature = "blosc")) && source.to_string().contains("blosc") {
                    return f.write_str("build with the feature `blosc`");
                }
                f.write_str("rewrite the array with what is supported")
            }
            Self::Attribute { path, key, problem } => {
                write!(f, "attribute {key:?} of {}: {problem}", path.display())
            }
            Self::UnsupportedDtype { path, found } => write!(
                f,
                "{} has the data type {found}: convert it to one of bool, u8 to u64, i8 to i64, \
                 f32, f64",
                path.display()
            ),
            Self::DtypeMismatch { path, expected, found } => write!(
                f,
                "{} holds {expected}, not {found}: use {expected} elements",
                path.display()
            ),
            _ => self.fmt_request(f),
        }
    }
}

impl ArrayError {
    /// The texts of what is wrong with a request rather than with an array.
    fn fmt_request(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpecDims { field, expected, found } => {
                write!(f, "{field} has {found} axes, shape has {expected}: give one value per axis")
            }
            Self::SpecTooSmall { field, axis, least, found } => {
                write!(f, "{field} is {found} on axis {axis}: give at least {least}")
            }
            Self::SpecFillValue { expected, found } => {
                write!(f, "the fill value is {found}, the array {expected}: give it as {expected}")
            }
            Self::SpecLevel { most, found } => {
                write!(f, "there is no compression level {found}: give at most {most}")
            }
            Self::SpecShard { axis, chunk, shard } => write!(
                f,
                "on axis {axis} shards are {shard} voxels and chunks {chunk}: make shards a \
                 multiple of chunks"
            ),
            Self::SpecWriteShape { axis, voxel_size, found } => write!(
                f,
                "blocks write {found} on axis {axis}, where voxels are {voxel_size} wide: give a \
                 multiple"
            ),
            Self::SpecNotInV2 { field } => {
                write!(f, "Zarr v2 has no {field}: use version 3, or do without")
            }
            Self::SpecChannel { axis } => {
                write!(f, "axis {axis} of the shape is a channel: give its length as a channel")
            }
            Self::SpecAttribute { key, problem } => write!(f, "attribute {key:?}: {problem}"),
            _ => self.fmt_access(f),
        }
    }

    /// The texts of what is wrong with a read or a write.
    fn fmt_access(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedChunk { path, shared } => {
                write!(f, "{}: {shared}; or let the array lock its chunks", path.display())
            }
            Self::Layout { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Dims { expected, found } => {
                write!(f, "the ROI has {found} axes, the array {expected}: give {expected}")
            }
            Self::Unbounded { roi } => {
                write!(f, "{roi} is unbounded: intersect it with the ROI of the array first")
            }
            Self::Misaligned { roi, axis, voxel_size, offset } => write!(
                f,
                "{roi} cuts through voxels on axis {axis}, where they are {voxel_size} wide and \
                 begin at {offset}: snap the ROI to that grid first"
            ),
            Self::Outside { roi, array } => write!(
                f,
                "{roi} reaches beyond the array, which is {array}: intersect the two, or read \
                 with a fill value"
            ),
            Self::Shape { expected, found } => {
                write!(f, "the data have shape {found:?}, the ROI {expected:?}: make them agree")
            }
            Self::TooLarge { shape, dtype } => {
                write!(f, "{shape:?} voxels of {dtype} do not fit into memory: read smaller ROIs")
            }
            Self::NoSuchAxis { axis, names } => {
                write!(f, "there is no axis {axis:?}: give one of {names:?}")
            }
            Self::Index { axis, index, range: Range { start, end } } => {
                write!(f, "axis {axis:?} has no entry {index}: give one of {start}..{end}")
            }
            Self::Cast { path, value, dtype } => write!(
                f,
                "{}: {dtype} cannot hold {value}: cast to another type, or scale first",
                path.display()
            ),
            Self::ReadOnly { path } => write!(
                f,
                "{} can only be read here: write to the array itself, where it is kept",
                path.display()
            ),
            #[cfg(feature = "remote")]
            Self::Remote { url, source } => {
                write!(f, "{url}: {source}; check address, network and credentials")
            }
            #[cfg(feature = "ome")]
            Self::Ome { path, problem } => write!(f, "{}: {problem}", path.display()),
            Self::Geometry(error) => write!(f, "{error}"),
            Self::Read { path, roi, source } => {
                write!(f, "cannot read {roi} of {}: {source}", path.display())
            }
            Self::Write { path, roi, source } => write!(
                f,
                "cannot write {roi} of {}: {source}; some of its chunks may be written, write it \
                 again",
                path.display()
            ),
            Self::Io { path, source } => {
                write!(f, "{}: {source}; check the path and its permissions", path.display())
            }
            _ => Ok(()),
        }
    }
}
