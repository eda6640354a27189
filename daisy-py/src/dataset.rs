//! A stored Zarr array, read and written by boxes of voxels. What Python users see on top of it is
//! `daisy.Dataset` and `daisy.Array`.

use std::{mem, num::NonZeroU64};

use daisy::arrays::{
    Array, ArraySpec, BloscCodec, ChunkPlan, ChunkSharing, Compression, Dtype, IfExists,
    Multiscale, OmeOptions, OmeVersion, Scalar, ZarrVersion, ensure_group,
};
use daisy::{PyramidError, Reduce, downsample_roi};
use daisy_geometry::Coordinate;
use numpy::{IntoPyArray, PyArrayDescr, PyArrayDyn, PyArrayMethods};
use pyo3::{
    exceptions::{PyPermissionError, PyRuntimeError, PyTypeError, PyValueError},
    prelude::*,
};

use crate::{convert, error, place::Place, roi::Roi, wait::interruptible};

/// Calls something with the type of the elements.
macro_rules! with_element {
    ($dtype:expr, $element:ident => $body:expr) => {
        with_element!($dtype, $element => $body,
            Bool bool, U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32, I64 i64, F32 f32, F64 f64)
    };
    ($dtype:expr, $element:ident => $body:expr, $($variant:ident $type:ty),+) => {
        match $dtype {
            $(Dtype::$variant => { type $element = $type; $body })+
            other => Err(PyTypeError::new_err(format!("arrays of {other} have no counterpart in numpy"))),
        }
    };
}

/// A Zarr array, on disk or in an object store.
#[pyclass(frozen, module = "daisy._daisy")]
pub(crate) struct StoredArray {
    array: Array,
    is_writable: bool,
}

/// What an array that is made is like; the names are those of `daisy.prepare_ds`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct NewArray<'py> {
    shape: Vec<i64>,
    dtype: String,
    voxel_size: Vec<i64>,
    offset: Vec<i64>,
    channels: Vec<NonZeroU64>,
    axis_names: Option<Vec<String>>,
    units: Option<Vec<String>>,
    write_size: Option<Vec<i64>>,
    /// Voxels of what is compressed as a whole, and of the shard around it.
    chunk_shape: Option<Vec<i64>>,
    shard_shape: Option<Vec<i64>>,
    target: i64,
    fill_value: Option<Bound<'py, PyAny>>,
    compression: Option<(String, u32)>,
    zarr_format: u32,
    /// How many times coarser the other levels of an image are.
    factors: Vec<Vec<i64>>,
}

impl StoredArray {
    /// The array as tasks declare it.
    pub(crate) const fn array(&self) -> &Array {
        &self.array
    }

    fn new(array: Array, is_writable: bool, sharing: ChunkSharing) -> PyResult<Self> {
        if is_writable && array.is_read_only() {
            let path = array.path().display();
            return Err(PyPermissionError::new_err(format!(
                "{path} can only be read; open it with mode 'r', or copy it into a Zarr array"
            )));
        }
        Ok(Self { array: array.with_sharing(sharing), is_writable })
    }

    fn levels(image: Multiscale, is_writable: bool, chunk_sharing: &str) -> PyResult<Vec<Self>> {
        let sharing = sharing(chunk_sharing)?;
        let levels = image.into_levels();
        levels.into_iter().map(|level| Self::new(level, is_writable, sharing)).collect()
    }

    fn check_writable(&self) -> PyResult<()> {
        if self.is_writable {
            return Ok(());
        }
        let path = self.array.path().display();
        Err(PyPermissionError::new_err(format!(
            "{path} is open for reading; open it with mode 'r+'"
        )))
    }

    /// Whether its voxels are asked for on a network.
    fn is_remote(&self) -> bool {
        self.array.path().to_str().is_some_and(|path| path.contains("://"))
    }

    /// A box of voxels in world units.
    fn world(
        &self,
        begin: &Bound<'_, PyAny>,
        shape: &Bound<'_, PyAny>,
    ) -> PyResult<daisy_geometry::Roi> {
        let (begin, shape) = (convert::point(begin, "begin")?, convert::point(shape, "shape")?);
        let roi = begin.checked_mul(self.array.voxel_size()).and_then(|begin| {
            let shape = shape.checked_mul(self.array.voxel_size())?;
            daisy_geometry::Roi::new(begin.checked_add(self.array.offset())?, shape)
        });
        roi.map_err(|error| error::geometry(&error))
    }
}

#[pymethods]
impl StoredArray {
    /// The Zarr or N5 array at a place.
    #[staticmethod]
    fn open(
        py: Python<'_>,
        place: Place,
        is_writable: bool,
        chunk_sharing: &str,
    ) -> PyResult<Self> {
        let array = place.ask(py, Array::open)?;
        Self::new(array, is_writable, sharing(chunk_sharing)?)
    }

    /// The levels of the OME-NGFF image at a place, the finest first, in units of space and of time.
    #[staticmethod]
    fn open_levels(
        py: Python<'_>,
        place: Place,
        units: (Option<String>, Option<String>),
        is_writable: bool,
        chunk_sharing: &str,
    ) -> PyResult<Vec<Self>> {
        let mut options = OmeOptions::default();
        if let Some(unit) = units.0 {
            options = options.space_unit(unit);
        }
        if let Some(unit) = units.1 {
            options = options.time_unit(unit);
        }
        let image = place.ask(py, move |location| Multiscale::open_with(location, &options))?;
        Self::levels(image, is_writable, chunk_sharing)
    }

    /// Makes a Zarr array, or opens the one that is there if it is the same; replaces one that differs, or refuses.
    #[staticmethod]
    fn create(
        py: Python<'_>,
        place: Place,
        new: NewArray<'_>,
        replace: bool,
        chunk_sharing: &str,
    ) -> PyResult<Self> {
        let sharing = sharing(chunk_sharing)?;
        let (spec, if_exists) = (spec(new)?, if_exists(replace));
        let array = place.ask(py, move |location| Array::create(location, &spec, if_exists))?;
        Self::new(array, true, sharing)
    }

    /// Makes the levels of an OME-NGFF image, each so many times coarser than the first, or opens those that
    /// are there if they are the same.
    #[staticmethod]
    fn create_levels(
        py: Python<'_>,
        place: Place,
        mut new: NewArray<'_>,
        replace: bool,
        chunk_sharing: &str,
    ) -> PyResult<Vec<Self>> {
        let factors = mem::take(&mut new.factors);
        let version = if new.zarr_format == 2 { OmeVersion::V0_4 } else { OmeVersion::V0_5 };
        let (spec, if_exists) = (spec(new)?, if_exists(replace));
        let factors: Vec<Coordinate> = factors.into_iter().map(Coordinate::from).collect();
        let image = place.ask(py, move |location| {
            Multiscale::create(location, &spec, &factors, version, if_exists)
        })?;
        Self::levels(image, true, chunk_sharing)
    }

    /// Makes a group of a place unless it is one, or an array.
    #[staticmethod]
    fn ensure_group(py: Python<'_>, place: Place, zarr_format: u32) -> PyResult<()> {
        place.ask(py, move |location| ensure_group(location, version(zarr_format)))
    }

    /// Reads a box that lies in the array: voxels along the world axes, with all channels.
    fn read<'py>(
        slf: &Bound<'py, Self>,
        begin: &Bound<'py, PyAny>,
        shape: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, own) = (slf.py(), slf.get());
        let roi = own.world(begin, shape)?;
        with_element!(own.array.dtype(), T => {
            let voxels = if own.is_remote() {
                let own = slf.clone().unbind();
                interruptible(py, move || own.get().array.read::<T>(&roi))?
            } else {
                py.detach(|| own.array.read::<T>(&roi))
            };
            let voxels = voxels.map_err(|error| error::array(&error))?;
            Ok(voxels.into_pyarray(py).into_any())
        })
    }

    /// Writes a box that lies in the array. The data have its type and shape, or no axes.
    fn write(
        &self,
        begin: &Bound<'_, PyAny>,
        shape: &Bound<'_, PyAny>,
        voxels: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.check_writable()?;
        let roi = self.world(begin, shape)?;
        with_element!(self.array.dtype(), T => {
            let voxels = voxels.cast::<PyArrayDyn<T>>()?;
            let borrowed = voxels.try_readonly();
            let borrowed = borrowed.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
            let view = borrowed.as_array();
            let written = voxels.py().detach(|| self.array.write(&roi, view));
            written.map_err(|error| error::array(&error))
        })
    }

    /// Fills a part of this array from a finer one, an empty one only checks that the two go together.
    fn fill_from(
        &self,
        py: Python<'_>,
        fine: Bound<'_, Self>,
        reduce: &str,
        roi: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let reduce = match reduce {
            "mean" => Reduce::Mean,
            "mode" => Reduce::Mode,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "unknown reduce {reduce:?}; use \"mean\" for intensities, \"mode\" for labels"
                )));
            }
        };
        self.check_writable()?;
        let (fine, roi) = (fine.get(), convert::roi(roi, "roi")?);
        let filled = py.detach(|| downsample_roi(&fine.array, &self.array, roi, reduce));
        filled.map_err(|error| match error {
            PyramidError::Array(error) => error::array(&error),
            error => PyValueError::new_err(error.to_string()),
        })
    }

    #[getter]
    fn is_writable(&self) -> bool {
        self.is_writable
    }

    #[getter]
    fn chunk_sharing(&self) -> &'static str {
        match self.array.sharing() {
            ChunkSharing::Lock => "lock",
            ChunkSharing::Unchecked => "unchecked",
            _ => "refuse",
        }
    }

    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        with_element!(self.array.dtype(), T => Ok(numpy::dtype::<T>(py)))
    }

    /// Voxels along all axes, in the order in which they are stored.
    #[getter]
    fn shape(&self) -> Vec<u64> {
        let mut channels = self.array.channels().iter().copied();
        let mut world = self.array.shape().iter().map(i64::unsigned_abs);
        let axes = self.array.axes().iter();
        axes.filter_map(|axis| if axis.kind.is_world() { world.next() } else { channels.next() })
            .collect()
    }

    /// Name, kind and unit of all axes.
    #[getter]
    fn axes(&self) -> Vec<(String, String, String)> {
        let axes = self.array.axes().iter();
        axes.map(|axis| (axis.name.clone(), axis.kind.to_string(), axis.unit.clone())).collect()
    }

    #[getter]
    fn roi(&self) -> Roi {
        self.array.roi().clone().into()
    }

    #[getter]
    fn voxel_size<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::bounded(py, self.array.voxel_size())
    }

    /// Voxels per world axis of what is compressed as a whole.
    #[getter]
    fn chunk_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::bounded(py, self.array.chunk_shape())
    }

    /// Voxels per world axis of what is written as a whole.
    #[getter]
    fn write_unit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::bounded(py, self.array.write_unit())
    }

    /// All attributes as JSON.
    #[getter]
    fn attributes(&self) -> String {
        serde_json::Value::Object(self.array.attributes().clone()).to_string()
    }
}

const fn if_exists(replace: bool) -> IfExists {
    if replace { IfExists::ReplaceIfDifferent } else { IfExists::ReuseIfCompatible }
}

const fn version(zarr_format: u32) -> ZarrVersion {
    if zarr_format == 2 { ZarrVersion::V2 } else { ZarrVersion::V3 }
}

fn sharing(name: &str) -> PyResult<ChunkSharing> {
    match name {
        "refuse" => Ok(ChunkSharing::Refuse),
        "lock" => Ok(ChunkSharing::Lock),
        "unchecked" => Ok(ChunkSharing::Unchecked),
        _ => Err(PyValueError::new_err(format!(
            "unknown chunk_sharing {name:?}; use one of: refuse, lock, unchecked"
        ))),
    }
}

fn spec(new: NewArray<'_>) -> PyResult<ArraySpec> {
    let dtype = dtype(&new.dtype)?;
    let mut spec = ArraySpec::new(new.shape, dtype)
        .voxel_size(new.voxel_size)
        .offset(new.offset)
        .channels(new.channels)
        .compression(compression(new.compression)?)
        .version(version(new.zarr_format));
    if let Some(names) = new.axis_names {
        spec = spec.axis_names(names);
    }
    if let Some(units) = new.units {
        spec = spec.units(units);
    }
    if let Some(write_shape) = new.write_size.filter(|_| new.chunk_shape.is_none()) {
        let (write_shape, target) = (write_shape.into(), new.target);
        spec = spec.chunks(ChunkPlan::ForWrites { write_shape, target, sharded: false });
    }
    if let Some(chunk) = new.chunk_shape {
        spec = spec.chunk_shape(chunk);
    }
    if let Some(shard) = new.shard_shape {
        spec = spec.shard_shape(shard);
    }
    if let Some(value) = new.fill_value {
        let scalar: PyResult<Scalar> =
            with_element!(dtype, T => Ok(value.extract::<T>().map(Scalar::from)?));
        spec = spec.fill_value(scalar?);
    }
    Ok(spec)
}

/// The type by the name that numpy has for it.
fn dtype(name: &str) -> PyResult<Dtype> {
    Ok(match name {
        "bool" => Dtype::Bool,
        "uint8" => Dtype::U8,
        "uint16" => Dtype::U16,
        "uint32" => Dtype::U32,
        "uint64" => Dtype::U64,
        "int8" => Dtype::I8,
        "int16" => Dtype::I16,
        "int32" => Dtype::I32,
        "int64" => Dtype::I64,
        "float32" => Dtype::F32,
        "float64" => Dtype::F64,
        _ => {
            return Err(PyTypeError::new_err(format!(
                "dtype is {name}; use bool, uint8 to uint64, int8 to int64, float32 or float64"
            )));
        }
    })
}

/// A compression by its name and level; nothing for none.
fn compression(wanted: Option<(String, u32)>) -> PyResult<Compression> {
    let Some((name, level)) = wanted else { return Ok(Compression::None) };
    Ok(match &*name {
        "zstd" => Compression::Zstd { level },
        "gzip" => Compression::Gzip { level },
        "blosc-lz4" => Compression::Blosc { codec: BloscCodec::Lz4, level },
        "blosc-zstd" => Compression::Blosc { codec: BloscCodec::Zstd, level },
        _ => {
            return Err(PyValueError::new_err(format!(
                "unknown compressor {name:?}; use zstd, gzip, or blosc with lz4 or zstd"
            )));
        }
    })
}
