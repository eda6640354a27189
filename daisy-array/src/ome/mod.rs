//! [`Multiscale`]: the levels of an OME-NGFF image, which are arrays of the same part of the world.

mod create;
mod decimal;
mod metadata;
mod units;

use std::fmt;

use crate::attributes::Attributes;
use crate::store::Store;
use crate::{Array, ArrayError, Location, Source, ZarrVersion};

/// The version of OME-NGFF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OmeVersion {
    /// Version 0.4, which is written in Zarr v2.
    V0_4,
    /// Version 0.5, which is written in Zarr v3.
    #[default]
    V0_5,
}

impl OmeVersion {
    /// The version of Zarr that it is written in.
    fn zarr(self) -> ZarrVersion {
        match self {
            Self::V0_4 => ZarrVersion::V2,
            Self::V0_5 => ZarrVersion::V3,
        }
    }
}

/// An OME-NGFF multiscale image: one array per level, the finest first.
///
/// Scales become voxel sizes and translations become offsets, both exactly: numbers that are not
/// whole world units are refused, so choose a finer [unit](OmeOptions). The translation is taken as
/// where the first voxel *begins*.
///
/// ```
/// use daisy_array::{ArraySpec, Dtype, IfExists, MemoryStore, Multiscale, OmeVersion};
/// use daisy_geometry::Coordinate;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let spec = ArraySpec::new([64, 64], Dtype::U8)
///     .voxel_size([4, 4])
///     .axis_names(["y", "x"])
///     .units(["nm", "nm"]);
/// let factors = [Coordinate::from([2, 2])];
/// Multiscale::create(store.at("a"), &spec, &factors, OmeVersion::V0_5, IfExists::Error)?;
///
/// let image = Multiscale::open(store.at("a"))?;
/// assert_eq!(image.levels()[1].voxel_size().as_slice(), [8, 8]);
/// assert_eq!(image.levels()[1].shape().as_slice(), [32, 32]);
/// assert_eq!(image.levels()[1].roi(), image.levels()[0].roi());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Multiscale {
    version: OmeVersion,
    name: Option<String>,
    levels: Vec<Array>,
}

/// How an image is opened; [`Multiscale::open`] does it by default.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct OmeOptions {
    space_unit: Option<String>,
    time_unit: Option<String>,
}

impl OmeOptions {
    /// The world unit of axes of space, such as `nm` or `nanometer`: scales and translations are
    /// converted to it, exactly. By default, that of each axis in the file.
    pub fn space_unit(mut self, unit: impl Into<String>) -> Self {
        self.space_unit = Some(unit.into());
        self
    }

    /// The same for axes of time, such as `ms`.
    pub fn time_unit(mut self, unit: impl Into<String>) -> Self {
        self.time_unit = Some(unit.into());
        self
    }
}

impl Multiscale {
    /// Opens the first image of a group.
    ///
    /// # Errors
    /// [`NotFound`](ArrayError::NotFound), [`Ome`](ArrayError::Ome) for metadata that make no
    /// sense or are not whole numbers, and those of [`Array::open`] for the levels.
    pub fn open(location: impl Into<Location>) -> Result<Self, ArrayError> {
        Self::open_with(location, &OmeOptions::default())
    }

    /// Opens the first image of a group, in other units than those of the file.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_with(
        location: impl Into<Location>,
        options: &OmeOptions,
    ) -> Result<Self, ArrayError> {
        let store = location.into().into_store();
        let ome = |problem| ArrayError::Ome { path: store.path(), problem };
        let attributes = metadata::read_group(&store)?;
        let image = metadata::Image::parse(&attributes).map_err(ome)?;
        let axes = image.axes(options).map_err(ome)?;
        // Attributes of a level are in the units of the file.
        let file_axes = image.axes(&OmeOptions::default()).map_err(ome)?;
        let levels = image.datasets().iter().map(|dataset| {
            let geometry = image.geometry(dataset, &axes).map_err(ome)?;
            let in_file = image.geometry(dataset, &file_axes).ok();
            let path = metadata::path_of(dataset).map_err(ome)?;
            open_level(&store.join(path), geometry, in_file)
        });
        let levels = levels.collect::<Result<_, _>>()?;
        Ok(Self { version: image.version, name: image.name(), levels })
    }

    /// The version of OME-NGFF.
    #[must_use]
    pub fn version(&self) -> OmeVersion {
        self.version
    }

    /// The name of the image, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The levels, the finest first; at least one.
    #[must_use]
    pub fn levels(&self) -> &[Array] {
        &self.levels
    }

    /// The levels, to be kept apart from each other.
    #[must_use]
    pub fn into_levels(self) -> Vec<Array> {
        self.levels
    }
}

/// An array whose geometry is known from the group. Where it says something itself, it must be the
/// same, in the units asked for or in those of the file.
fn open_level(
    store: &Store,
    geometry: Attributes,
    in_file: Option<Attributes>,
) -> Result<Array, ArrayError> {
    let own = Array::open(Location::of(store.clone()))?;
    let says_something = ["voxel_size", "resolution", "offset"]
        .into_iter()
        .any(|key| own.attributes().contains_key(key));
    let axes = own.axes().len();
    if axes != geometry.axes.len() {
        let problem = OmeProblem::Axes { expected: geometry.axes.len(), found: axes };
        return Err(ArrayError::Ome { path: store.path(), problem });
    }
    let says = |geometry: &Attributes| {
        *own.voxel_size() == geometry.voxel_size && *own.offset() == geometry.offset
    };
    if says_something && !says(&geometry) && !in_file.is_some_and(|geometry| says(&geometry)) {
        return Err(ArrayError::Ome { path: store.path(), problem: OmeProblem::Contradicts });
    }
    Array::with_attributes(own.inner, geometry)
}

/// What is wrong with the OME-NGFF metadata of a group.
#[derive(Debug)]
#[non_exhaustive]
pub enum OmeProblem {
    /// There is no image in the group.
    NoImage,
    /// They break the rules of their version.
    Invalid {
        /// What the library for OME-NGFF says.
        source: Source,
    },
    /// An axis has a type that is none of space, time and channel.
    AxisType {
        /// The name of the axis.
        axis: String,
    },
    /// A scale or translation is not a whole number of world units.
    NotWhole {
        /// `"scale"` or `"translation"`.
        field: &'static str,
        /// The name of the axis.
        axis: String,
        /// The number, in world units.
        found: String,
    },
    /// Scales must be positive, and this one is not.
    NotPositive {
        /// The name of the axis.
        axis: String,
    },
    /// A unit cannot be converted to the one that was asked for.
    Unit {
        /// The name of the axis.
        axis: String,
        /// Its unit in the file; empty if there is none.
        found: String,
        /// The unit asked for.
        wanted: String,
    },
    /// A level has another number of axes than the image.
    Axes {
        /// The axes of the image.
        expected: usize,
        /// The axes of the level.
        found: usize,
    },
    /// The path of a level leads out of the group, or says nothing.
    Path {
        /// The path.
        found: String,
    },
    /// A level has attributes of its own that say something else about where its voxels lie.
    Contradicts,
    /// A level cannot be made with these factors: one of them is not positive, or is not one per
    /// world axis.
    Factors {
        /// The factors of the level.
        found: Vec<i64>,
    },
    /// The image that should be overwritten has a level that the new one does not have.
    MoreLevels {
        /// The path of the level.
        path: String,
    },
}

impl fmt::Display for OmeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoImage => f.write_str("it has no multiscales: check the path"),
            Self::Invalid { source } => {
                write!(f, "its OME-NGFF metadata are invalid: {source}; correct them")
            }
            Self::AxisType { axis } => {
                write!(f, "axis {axis:?} is no space, time or channel: give it one of these types")
            }
            Self::NotWhole { field, axis, found } => write!(
                f,
                "the {field} along {axis:?} is {found} world units: open it in a finer unit, in \
                 which it is whole"
            ),
            Self::NotPositive { axis } => {
                write!(f, "the scale along {axis:?} is not positive: correct it")
            }
            Self::Unit { axis, found, wanted } => {
                write!(f, "the unit {found:?} of axis {axis:?} is no power of ten of {wanted:?}")
            }
            Self::Axes { expected, found } => {
                write!(f, "it has {found} axes and the image {expected}: correct the metadata")
            }
            Self::Path { found } => {
                write!(f, "the path {found:?} of a level is not below the image: correct it")
            }
            Self::Contradicts => f.write_str(
                "its own attributes say something else than those of the image: remove one of the \
                 two",
            ),
            Self::Factors { found } => {
                write!(f, "a level cannot be {found:?} times coarser: give one factor per axis")
            }
            Self::MoreLevels { path } => {
                write!(f, "the image there has a level {path:?} more: delete it yourself")
            }
        }
    }
}
