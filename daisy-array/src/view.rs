//! [`View`]: a part of an array, with its values seen in another way, without copying anything.

use daisy_geometry::{Coordinate, Roi};
use ndarray::{ArrayD, ArrayView, Dimension};

use crate::convert::{NotInRange, Op, convert};
use crate::voxels::{GridAxis, VoxelGrid};
use crate::{Array, ArrayError, Axis, AxisKind, Dtype, Element};

/// A part of an [`Array`], perhaps with its values seen in another way. Nothing is read before
/// [`read`](Self::read), and then only what is asked for.
///
/// A view of a smaller ROI, or of one channel or one time, can be written to as well. Where values
/// are seen in another way, there is no way back, and the view is read only.
///
/// ```
/// use daisy_array::{Array, ArrayError, ArraySpec, Dtype, IfExists, MemoryStore};
/// use daisy_geometry::Roi;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let two = std::num::NonZeroU64::new(2).ok_or("zero")?;
/// let spec = ArraySpec::new([8, 8], Dtype::U8).voxel_size([4, 4]).channels([two]);
/// let array = Array::create(MemoryStore::new().at("a"), &spec, IfExists::Error)?;
/// let corner = Roi::new([0, 0], [8, 8])?;
///
/// // Writes of a view go to the array ...
/// let green = array.view().select("c0", 1)?.within(&corner)?;
/// green.fill(&corner, 200u8)?;
/// assert_eq!(array.read::<u8>(&corner)?[[1, 0, 0]], 200);
///
/// // ... and values can be looked at in other types, but not written.
/// let mask = array.view().select("c0", 1)?.threshold(128.0);
/// assert_eq!(mask.dtype(), Dtype::Bool);
/// assert!(mask.read::<bool>(&corner)?.iter().all(|is_green| *is_green));
/// assert!(matches!(mask.fill(&corner, true), Err(ArrayError::ReadOnly { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct View<'a> {
    array: &'a Array,
    grid: VoxelGrid,
    /// The axes that are left, in the order of the data.
    axes: Vec<Axis>,
    ops: Vec<Op>,
}

impl Array {
    /// A view of all of the array, to be narrowed.
    pub fn view(&self) -> View<'_> {
        View { array: self, grid: self.grid.clone(), axes: self.axes().to_vec(), ops: Vec::new() }
    }
}

/// Making a view of a view.
impl View<'_> {
    /// Only the voxels of a ROI, which lies in this view.
    ///
    /// # Errors
    /// [`Dims`](ArrayError::Dims), [`Unbounded`](ArrayError::Unbounded),
    /// [`Misaligned`](ArrayError::Misaligned), [`Outside`](ArrayError::Outside).
    pub fn within(mut self, roi: &Roi) -> Result<Self, ArrayError> {
        let window = self.grid.voxels_inside(roi)?;
        self.grid.window = window;
        self.grid.roi = roi.clone();
        Ok(self)
    }

    /// Only one entry of an axis, which the view no longer has: a channel or a time. The index
    /// counts voxels from the beginning of the array, also where the view shows a part of it.
    ///
    /// # Errors
    /// - [`NoSuchAxis`](ArrayError::NoSuchAxis): no axis of that name is left.
    /// - [`Index`](ArrayError::Index): the view has no such entry.
    pub fn select(mut self, axis: &str, index: u64) -> Result<Self, ArrayError> {
        let Some(place) = self.axes.iter().position(|candidate| candidate.name == axis) else {
            let names = self.axes.iter().map(|axis| axis.name.clone()).collect();
            return Err(ArrayError::NoSuchAxis { axis: axis.to_owned(), names });
        };
        let world = self.axes.iter().take(place).filter(|axis| axis.kind.is_world()).count();
        let range = match self.axes.get(place).map(|axis| axis.kind) {
            Some(AxisKind::Channel) | None => self.channel_range(place),
            Some(_) => {
                // A window lies in the array, so it is not negative.
                let begin = self.grid.window.begin[world].unsigned_abs();
                begin..begin + self.grid.window.shape[world].unsigned_abs()
            }
        };
        if !range.contains(&index) {
            return Err(ArrayError::Index { axis: axis.to_owned(), index, range });
        }
        if self.axes.remove(place).kind.is_world() {
            self.grid.remove_world_axis(world)?;
        }
        if let Some(axis) = self.grid.kept_axes_mut().nth(place) {
            *axis = GridAxis::Fixed(index);
        }
        Ok(self)
    }

    /// Values as another type: the same number, with fractions cut off for integers and the nearest
    /// number for floats; as truth values, whether they are not zero. A number that the type cannot
    /// hold is an error of the read, never another number.
    pub fn cast(mut self, dtype: Dtype) -> Self {
        self.ops.push(Op::Cast(dtype));
        self
    }

    /// Whether values are at least `least`, as truth values. NaN is not.
    pub fn threshold(mut self, least: f64) -> Self {
        self.ops.push(Op::Threshold(least));
        self
    }

    /// Values times `factor` plus `shift`, rounded once, as `f64`; [cast](Self::cast) them for
    /// another type.
    pub fn scale(mut self, factor: f64, shift: f64) -> Self {
        self.ops.push(Op::Scale { factor, shift });
        self
    }
}

/// What is known without reading voxels.
impl View<'_> {
    /// The array that is looked at.
    #[must_use]
    pub fn array(&self) -> &Array {
        self.array
    }

    /// The part of the world that can be read, one entry per world axis that is left.
    #[must_use]
    pub fn roi(&self) -> &Roi {
        &self.grid.roi
    }

    /// World units per voxel.
    #[must_use]
    pub fn voxel_size(&self) -> &Coordinate {
        &self.grid.voxel_size
    }

    /// Voxels per world axis.
    #[must_use]
    pub fn shape(&self) -> Coordinate {
        self.grid.shape()
    }

    /// The axes that are left, in the order of the data.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// The type of the values.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.ops.last().map_or(self.array.dtype(), |op| op.dtype())
    }

    /// Whether values are seen in another way, so that none can be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        !self.ops.is_empty()
    }

    fn channel_range(&self, place: usize) -> std::ops::Range<u64> {
        match self.grid.kept_axes().nth(place) {
            Some(GridAxis::Channel(length)) => 0..*length,
            _ => 0..0,
        }
    }
}

/// Reading and writing, with the contracts of [`Array`].
impl View<'_> {
    /// Reads exactly the voxels of a ROI.
    ///
    /// # Errors
    /// Those of [`Array::read`], where the type is that of the view, and
    /// [`Cast`](ArrayError::Cast) for a value that a type does not hold.
    pub fn read<T: Element>(&self, roi: &Roi) -> Result<ArrayD<T>, ArrayError> {
        self.check_dtype::<T>()?;
        if self.ops.is_empty() {
            return self.array.read_in(&self.grid, roi);
        }
        self.dispatch(roi)
    }

    /// Reads the voxels of a ROI that may reach beyond the view; what lies outside is `fill`, which
    /// is not seen in another way.
    ///
    /// # Errors
    /// Those of [`read`](Self::read) but for [`Outside`](ArrayError::Outside).
    pub fn read_or_fill<T: Element>(&self, roi: &Roi, fill: T) -> Result<ArrayD<T>, ArrayError> {
        self.check_dtype::<T>()?;
        self.array.assemble(&self.grid, roi, fill, |inside| self.read(inside))
    }

    /// Writes the voxels of a ROI, which lies in the view. The data have the axes that are left.
    ///
    /// A chunk holds all channels, so writing one of them covers chunks in part.
    ///
    /// # Errors
    /// Those of [`Array::write`], and [`ReadOnly`](ArrayError::ReadOnly).
    pub fn write<T: Element, D: Dimension>(
        &self,
        roi: &Roi,
        voxels: ArrayView<'_, T, D>,
    ) -> Result<(), ArrayError> {
        self.check_writable()?;
        self.array.write_in(&self.grid, roi, voxels.into_dyn())
    }

    /// Sets all voxels of a ROI, which lies in the view, to one value.
    ///
    /// # Errors
    /// Those of [`Array::fill`], and [`ReadOnly`](ArrayError::ReadOnly).
    pub fn fill<T: Element>(&self, roi: &Roi, value: T) -> Result<(), ArrayError> {
        self.check_writable()?;
        self.array.fill_in(&self.grid, roi, value)
    }

    /// Reads in the type of the array, and converts.
    fn dispatch<T: Element>(&self, roi: &Roi) -> Result<ArrayD<T>, ArrayError> {
        match self.array.dtype() {
            Dtype::Bool => self.read_converted::<bool, T>(roi),
            Dtype::U8 => self.read_converted::<u8, T>(roi),
            Dtype::U16 => self.read_converted::<u16, T>(roi),
            Dtype::U32 => self.read_converted::<u32, T>(roi),
            Dtype::U64 => self.read_converted::<u64, T>(roi),
            Dtype::I8 => self.read_converted::<i8, T>(roi),
            Dtype::I16 => self.read_converted::<i16, T>(roi),
            Dtype::I32 => self.read_converted::<i32, T>(roi),
            Dtype::I64 => self.read_converted::<i64, T>(roi),
            Dtype::F32 => self.read_converted::<f32, T>(roi),
            Dtype::F64 => self.read_converted::<f64, T>(roi),
        }
    }

    fn read_converted<S: Element, T: Element>(&self, roi: &Roi) -> Result<ArrayD<T>, ArrayError> {
        let voxels = self.array.read_in::<S>(&self.grid, roi)?;
        let shape = voxels.shape().to_vec();
        let values = convert(voxels.as_slice().unwrap_or_default(), &self.ops);
        let values = values.map_err(|NotInRange { value, dtype }| ArrayError::Cast {
            path: self.array.path().to_path_buf(),
            value,
            dtype,
        })?;
        ArrayD::from_shape_vec(shape, values).map_err(|error| ArrayError::Read {
            path: self.array.path().to_path_buf(),
            roi: roi.clone().into(),
            source: error.into(),
        })
    }

    fn check_dtype<T: Element>(&self) -> Result<(), ArrayError> {
        let (expected, found) = (self.dtype(), T::DTYPE);
        if expected == found {
            return Ok(());
        }
        Err(ArrayError::DtypeMismatch { path: self.array.path().to_path_buf(), expected, found })
    }

    fn check_writable(&self) -> Result<(), ArrayError> {
        if self.is_read_only() {
            return Err(ArrayError::ReadOnly { path: self.array.path().to_path_buf() });
        }
        Ok(())
    }
}
