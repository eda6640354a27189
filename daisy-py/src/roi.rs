//! `daisy.Roi`: a half-open box, whose offset and shape can be set.

use daisy_geometry::{GeometryError, Snap};
use pyo3::{
    exceptions::{PyIndexError, PyTypeError, PyValueError, PyZeroDivisionError},
    prelude::*,
    types::{PyDict, PySlice, PyTuple, PyType},
};

use crate::{convert, error};

/// A half-open box ``[offset, offset + shape)``, bounded or unbounded along each axis.
///
/// An axis without bounds has ``None`` in offset and shape. The canonical empty ROI, which is what
/// ROIs that do not meet have in common, has offsets that are all ``None`` and shapes that are all 0.
///
///     >>> Roi((0, 5), (10, 4))
///     [0:10, 5:9] (10, 4)
///     >>> Roi((0,), (10,)).intersect(Roi((10,), (5,))).empty  # touching edges do not meet
///     True
///     >>> Roi((-3,), (7,)).snap_to_grid((2,))
///     [-4:4] (8)
///
/// Args:
///     offset: where the box begins, one integer (or None) an axis.
///     shape: how long it is along each axis, in the same unit; None for an unbounded axis.
///
/// ``+`` and ``-`` move; ``*``, ``/`` (toward zero), ``//`` (down) and ``%`` act on offset and shape.
/// Bounds lie within +-(2**62 - 1). Equal are ROIs with equal bounds along every axis. As its offset
/// and shape can be set, a ROI has no hash.
#[pyclass(subclass, module = "daisy")]
#[derive(Clone)]
pub(crate) struct Roi {
    inner: daisy_geometry::Roi,
}

impl Roi {
    pub(crate) const fn new(inner: daisy_geometry::Roi) -> Self {
        Self { inner }
    }

    pub(crate) const fn inner(&self) -> &daisy_geometry::Roi {
        &self.inner
    }

    fn offsets(&self) -> convert::Entries {
        (0..self.inner.dims()).map(|axis| self.inner.begin_at(axis)).collect()
    }

    fn shapes(&self) -> convert::Entries {
        (0..self.inner.dims()).map(|axis| self.inner.shape_at(axis)).collect()
    }

    /// The same ROI with `change(offset, other)` and `change(shape, other)` along each bounded axis.
    fn changed(
        &self,
        other: &Bound<'_, PyAny>,
        change: impl Fn(i64, i64) -> Option<i64>,
    ) -> PyResult<Self> {
        let by = convert::operand(other, &self.inner, 1, "the divisor")?;
        if by.dims() != self.inner.dims() {
            let (left, right) = (self.inner.dims(), by.dims());
            return Err(error::geometry(&GeometryError::DimsMismatch { left, right }));
        }
        if by.iter().any(|by| by == 0) {
            return Err(PyZeroDivisionError::new_err(GeometryError::DivisionByZero.to_string()));
        }
        let apply = |entries: convert::Entries| -> convert::Entries {
            let axes = entries.into_iter().zip(by.iter());
            axes.map(|(entry, by)| entry.and_then(|entry| change(entry, by))).collect()
        };
        Ok(Self::new(convert::roi_of_entries(apply(self.offsets()), apply(self.shapes()))?))
    }
}

impl From<daisy_geometry::Roi> for Roi {
    fn from(inner: daisy_geometry::Roi) -> Self {
        Self { inner }
    }
}

/// The class of ROIs of `funlib.geometry`, if that is imported.
fn class_of_funlib(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let modules = py.import("sys")?.getattr("modules")?;
    match modules.get_item("funlib.geometry") {
        Ok(geometry) => geometry.getattr("Roi").map(Some),
        Err(_) => Ok(None),
    }
}

fn made(result: Result<daisy_geometry::Roi, GeometryError>) -> PyResult<Roi> {
    result.map(Roi::new).map_err(|error| error::geometry(&error))
}

#[pymethods]
impl Roi {
    #[new]
    fn py_new(offset: &Bound<'_, PyAny>, shape: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (offset, shape) =
            (convert::entries(offset, "offset")?, convert::entries(shape, "shape")?);
        Ok(Self::new(convert::roi_of_entries(offset, shape)?))
    }

    /// Where the box begins: a Coordinate, with None for an unbounded axis.
    ///
    /// Setting it moves the box.
    #[getter]
    fn offset<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::coordinate(py, self.offsets())
    }

    #[setter]
    fn set_offset(&mut self, offset: &Bound<'_, PyAny>) -> PyResult<()> {
        let offset = convert::entries(offset, "offset")?;
        self.inner = convert::roi_of_entries(offset, self.shapes())?;
        Ok(())
    }

    /// How long the box is along each axis: a Coordinate, with None for an unbounded axis.
    ///
    /// Setting it keeps the offset.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::coordinate(py, self.shapes())
    }

    #[setter]
    fn set_shape(&mut self, shape: &Bound<'_, PyAny>) -> PyResult<()> {
        let shape = convert::entries(shape, "shape")?;
        self.inner = convert::roi_of_entries(self.offsets(), shape)?;
        Ok(())
    }

    /// The lowest point of the box: the same as ``offset``.
    #[getter]
    fn begin<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.offset(py)
    }

    /// The lowest point above the box along every axis: ``offset + shape``.
    #[getter]
    fn end<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::coordinate(py, (0..self.inner.dims()).map(|axis| self.inner.end_at(axis)))
    }

    /// ``offset + shape / 2``, rounded down; None along an unbounded axis.
    #[getter]
    fn center<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let along = |axis| {
            let (begin, shape) = (self.inner.begin_at(axis)?, self.inner.shape_at(axis)?);
            Some(begin + shape.div_euclid(2))
        };
        convert::coordinate(py, (0..self.inner.dims()).map(along))
    }

    /// The number of axes.
    #[getter]
    fn dims(&self) -> usize {
        self.inner.dims()
    }

    /// The number of points; None if an axis is unbounded, 0 if the ROI is empty.
    #[getter]
    fn size(&self) -> PyResult<Option<u128>> {
        self.inner.checked_size().map_err(|error| error::geometry(&error))
    }

    /// Whether no point lies inside: some shape is zero or negative.
    #[getter]
    fn empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Whether some axis is unbounded.
    #[getter]
    fn unbounded(&self) -> bool {
        self.inner.is_unbounded()
    }

    /// Whether ``other``, a point or another ROI, lies inside.
    ///
    /// A point at ``end`` does not: the box is half-open. An unbounded axis contains everything, a
    /// bounded one never an unbounded one. The canonical empty ROI is contained in every ROI.
    fn contains(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let result = if other.is_instance_of::<Self>() || other.hasattr("offset")? {
            self.inner.contains(&convert::roi(other, "other")?)
        } else {
            self.inner.contains_point(convert::point(other, "the point")?)
        };
        result.map_err(|error| error::geometry(&error))
    }

    /// Whether some point lies in both ROIs. Edges that touch do not meet.
    fn intersects(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let other = convert::roi(other, "other")?;
        self.inner.intersects(&other).map_err(|error| error::geometry(&error))
    }

    /// What both ROIs have in common; the canonical empty ROI if that is nothing.
    fn intersect(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        made(self.inner.intersect(&convert::roi(other, "other")?))
    }

    /// The smallest ROI around both; an empty one is left out.
    fn union(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        made(self.inner.union(&convert::roi(other, "other")?))
    }

    /// The ROI moved by an integer (along every axis) or a coordinate.
    fn shift(&self, by: &Bound<'_, PyAny>) -> PyResult<Self> {
        made(self.inner.shift(convert::operand(by, &self.inner, 0, "the shift")?))
    }

    /// The ROI with its lower edges moved down by ``amount_neg`` and its upper edges up by ``amount_pos``.
    ///
    /// Each is an integer for all axes or a coordinate; negative amounts shrink.
    #[pyo3(
        signature = (amount_neg = None, amount_pos = None),
        text_signature = "($self, amount_neg=0, amount_pos=0)"
    )]
    fn grow(
        &self,
        amount_neg: Option<&Bound<'_, PyAny>>,
        amount_pos: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let amount = |value: Option<&Bound<'_, PyAny>>, what| match value {
            Some(value) => convert::operand(value, &self.inner, 0, what),
            None => Ok(daisy_geometry::Coordinate::zeros(self.inner.dims())),
        };
        let (neg, pos) = (amount(amount_neg, "amount_neg")?, amount(amount_pos, "amount_pos")?);
        made(self.inner.grow(neg, pos))
    }

    /// The ROI with its edges on multiples of ``voxel_size`` (an integer or a coordinate, at least 1).
    ///
    /// ``mode``: ``"grow"`` moves edges outward, ``"shrink"`` inward (past nothing: the shape is 0),
    /// ``"closest"`` to the nearest multiple, an exact half down. Unbounded axes stay.
    #[pyo3(signature = (voxel_size, mode = "grow"))]
    fn snap_to_grid(&self, voxel_size: &Bound<'_, PyAny>, mode: &str) -> PyResult<Self> {
        let mode = match mode {
            "grow" => Snap::Grow,
            "shrink" => Snap::Shrink,
            "closest" => Snap::Closest,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "unknown mode {mode:?}; use one of: grow, shrink, closest"
                )));
            }
        };
        let voxel_size = convert::operand(voxel_size, &self.inner, 1, "voxel_size")?;
        made(self.inner.snap_to_grid(voxel_size, mode))
    }

    /// The ROI without one axis; negative numbers count from the last one.
    #[pyo3(signature = (dim = 0))]
    fn squeeze(&self, dim: isize) -> PyResult<Self> {
        let dims = self.inner.dims();
        let axis = if dim < 0 { dims.checked_add_signed(dim) } else { dim.try_into().ok() };
        let axis = axis.ok_or_else(|| {
            PyIndexError::new_err(format!(
                "axis {dim} of {dims}; name one between -{dims} and {dims}"
            ))
        })?;
        made(self.inner.squeeze(axis))
    }

    /// The ROI as a tuple of slices, to index arrays with.
    ///
    /// An unbounded axis is ``slice(None)``. numpy takes a negative start as counted from the end:
    /// move such a ROI into the array first.
    fn to_slices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let slice = py.get_type::<PySlice>();
        let mut slices = Vec::new();
        for axis in 0..self.inner.dims() {
            slices.push(match (self.inner.begin_at(axis), self.inner.end_at(axis)) {
                (Some(begin), Some(end)) => slice.call1((begin, end))?,
                _ if self.inner.shape_at(axis).is_some() => slice.call1((0, 0))?,
                _ => slice.call1((py.None(),))?,
            });
        }
        PyTuple::new(py, slices)
    }

    /// The same as ``to_slices``.
    fn get_bounding_box<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.to_slices(py)
    }

    /// A ROI of its own with the same bounds.
    fn copy(&self) -> Self {
        self.clone()
    }

    fn __add__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        refuse_roi(other, "+")?;
        self.shift(other)
    }

    fn __sub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        refuse_roi(other, "-")?;
        let by = convert::operand(other, &self.inner, 0, "the shift")?;
        made(self.inner.shift_back(by))
    }

    fn __mul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        refuse_roi(other, "*")?;
        made(self.inner.scale(convert::operand(other, &self.inner, 1, "the factor")?))
    }

    fn __truediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        refuse_roi(other, "/")?;
        self.changed(other, i64::checked_div)
    }

    fn __floordiv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        refuse_roi(other, "//")?;
        self.changed(other, daisy_geometry::checked_div_floor)
    }

    fn __mod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        refuse_roi(other, "%")?;
        self.changed(other, daisy_geometry::checked_rem_floor)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        if let Ok(other) = other.cast::<Self>() {
            return self.inner == other.borrow().inner;
        }
        convert::roi(other, "other").is_ok_and(|other| self.inner == other)
    }

    fn __repr__(&self) -> String {
        self.inner.to_string()
    }

    /// `funlib.geometry` asks `isinstance()`: what is written with it takes these ROIs for its own.
    #[getter(__class__)]
    fn class<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Ok(class_of_funlib(slf.py())?.unwrap_or_else(|| slf.get_type().into_any()))
    }

    /// ROIs of `funlib.geometry` are equal if they have the same fields.
    #[getter(__dict__)]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match class_of_funlib(py)? {
            Some(class) => class.call1((self.offset(py)?, self.shape(py)?))?.getattr("__dict__"),
            None => Ok(PyDict::new(py).into_any()),
        }
    }

    #[expect(clippy::type_complexity, reason = "what pickle wants: a class and its arguments")]
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyType>, (Bound<'py, PyAny>, Bound<'py, PyAny>))> {
        let (py, this) = (slf.py(), slf.borrow());
        Ok((slf.get_type(), (this.offset(py)?, this.shape(py)?)))
    }
}

/// ROIs are moved and scaled by numbers and coordinates, not by ROIs.
fn refuse_roi(other: &Bound<'_, PyAny>, operator: &str) -> PyResult<()> {
    if other.is_instance_of::<Roi>() {
        return Err(PyTypeError::new_err(format!(
            "a ROI {operator} a ROI has no meaning; give an integer or a coordinate, or use union or intersect"
        )));
    }
    Ok(())
}
