//! `daisy.Block`: one block, as workers and schedulers hold it.
//!
//! A block that a scheduler hands out is a cell of a task's grid; its id and its ROIs are computed
//! when somebody asks for them.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use daisy::Loan;
use daisy_block::{BlockStatus, LayoutError, TaskId, Tiling, block_index, cantor_number};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    sync::PyOnceLock,
    types::{PyInt, PyString, PyTuple},
};

use crate::{convert, error, roi::Roi};

/// One block: what it reads, what it writes, and what has become of it.
///
///     >>> block = Block(Roi((0,), (40,)), Roi((10,), (14,)), Roi((12,), (10,)), task_id="smooth")
///     >>> block.block_id
///     ('smooth', 1)
///
/// Args:
///     total_roi: everything that blocks of the task may read; ids are counted from its begin.
///     read_roi: what the block reads.
///     write_roi: what the block writes; together with the total ROI it gives the id.
///     block_id: the number of the block, or ``(task_id, number)``; computed if left out.
///     task_id: the name of its task.
///
/// Blocks are equal, and have equal hashes, if their ``block_id`` is.
#[pyclass(frozen, module = "daisy")]
pub(crate) struct Block {
    origin: Origin,
    status: AtomicU8,
    rois: Mutex<Rois>,
    loan: Option<Loan>,
}

/// Where a block comes from, which is what its name follows from.
#[derive(Clone)]
enum Origin {
    Cell { grid: Arc<Grid>, cell: u64 },
    Given { task_id: Arc<Py<PyAny>>, number: Number },
}

/// The number of a block that was made by hand.
#[derive(Clone)]
enum Number {
    Exact(u128),
    /// Whatever was given.
    Given(Arc<Py<PyInt>>),
    /// It does not fit 128 bits.
    TooLarge,
}

/// The ROIs that somebody asked for: these can be set, as can their offsets and shapes.
#[derive(Default)]
struct Rois {
    read: Option<Py<Roi>>,
    write: Option<Py<Roi>>,
}

/// The grid of a task, shared by all its blocks.
pub(crate) struct Grid {
    pub(crate) name: Py<PyString>,
    pub(crate) task: TaskId,
    pub(crate) tiling: Tiling,
}

impl Block {
    /// The block at a cell of a grid, which must exist.
    pub(crate) fn at(grid: Arc<Grid>, cell: u64) -> Self {
        Self {
            origin: Origin::Cell { grid, cell },
            status: AtomicU8::new(0),
            rois: Mutex::default(),
            loan: None,
        }
    }

    /// The same for a block that is handed to somebody who is to process it.
    pub(crate) fn lent(grid: Arc<Grid>, cell: u64, loan: Loan) -> Self {
        let status = AtomicU8::new(1);
        Self { status, loan: Some(loan), ..Self::at(grid, cell) }
    }

    /// The grid that the block comes from, and its cell there.
    #[inline]
    pub(crate) fn cell(&self) -> Option<(&Arc<Grid>, u64)> {
        match &self.origin {
            Origin::Cell { grid, cell } => Some((grid, *cell)),
            Origin::Given { .. } => None,
        }
    }

    #[inline]
    pub(crate) fn status(&self) -> BlockStatus {
        match self.status.load(Ordering::Relaxed) {
            0 => BlockStatus::Created,
            1 => BlockStatus::Processing,
            2 => BlockStatus::Success,
            _ => BlockStatus::Failed,
        }
    }

    /// The exact number of the block, where it has one that fits.
    pub(crate) fn exact_number(&self, py: Python<'_>) -> Option<u128> {
        match &self.origin {
            Origin::Cell { grid, cell } => grid.tiling.block_id(*cell).ok(),
            Origin::Given { number: Number::Exact(number), .. } => Some(*number),
            Origin::Given { number: Number::Given(number), .. } => number.bind(py).extract().ok(),
            Origin::Given { number: Number::TooLarge, .. } => None,
        }
    }

    /// What the block writes.
    pub(crate) fn written(&self, py: Python<'_>) -> PyResult<daisy_geometry::Roi> {
        Ok(self.py_write_roi(py)?.borrow(py).inner().clone())
    }

    fn rois(&self) -> MutexGuard<'_, Rois> {
        self.rois.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the ROIs: the object that was handed out before, or a new one.
    fn roi(
        &self,
        py: Python<'_>,
        place: fn(&mut Rois) -> &mut Option<Py<Roi>>,
        compute: fn(&Tiling, u64) -> Option<daisy_geometry::Roi>,
    ) -> PyResult<Py<Roi>> {
        if let Some(roi) = place(&mut self.rois()) {
            return Ok(roi.clone_ref(py));
        }
        let computed = match &self.origin {
            Origin::Cell { grid, cell } => compute(&grid.tiling, *cell),
            Origin::Given { .. } => None,
        };
        let no_roi = || PyValueError::new_err("the block has no ROI; make it with three ROIs");
        let roi = Py::new(py, Roi::new(computed.ok_or_else(no_roi)?))?;
        Ok(place(&mut self.rois()).get_or_insert(roi).clone_ref(py))
    }

    fn number<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let exact = match &self.origin {
            Origin::Cell { grid, cell } => grid.tiling.block_id(*cell),
            Origin::Given { number: Number::Exact(number), .. } => Ok(*number),
            Origin::Given { number: Number::Given(number), .. } => {
                return Ok(number.bind(py).clone().into_any());
            }
            Origin::Given { number: Number::TooLarge, .. } => Err(LayoutError::IdOverflow),
        };
        let exact = exact.map_err(|error| error::layout(&error))?;
        // Small ones take the short way.
        match u64::try_from(exact) {
            Ok(small) => Ok(small.into_pyobject(py)?.into_any()),
            Err(_) => Ok(exact.into_pyobject(py)?.into_any()),
        }
    }

    fn from_parts(
        task_id: Py<PyAny>,
        number: Number,
        read: Roi,
        write: Roi,
        py: Python<'_>,
    ) -> PyResult<Self> {
        let rois = Rois { read: Some(Py::new(py, read)?), write: Some(Py::new(py, write)?) };
        Ok(Self {
            origin: Origin::Given { task_id: Arc::new(task_id), number },
            status: AtomicU8::new(0),
            rois: Mutex::new(rois),
            loan: None,
        })
    }
}

#[pymethods]
impl Block {
    #[new]
    #[pyo3(signature = (total_roi, read_roi, write_roi, block_id = None, task_id = None))]
    fn py_new(
        total_roi: &Bound<'_, PyAny>,
        read_roi: &Bound<'_, PyAny>,
        write_roi: &Bound<'_, PyAny>,
        block_id: Option<&Bound<'_, PyAny>>,
        task_id: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = total_roi.py();
        let total = convert::roi(total_roi, "total_roi")?;
        let read = convert::roi(read_roi, "read_roi")?;
        let write = convert::roi(write_roi, "write_roi")?;
        let (named, given) = match block_id {
            Some(id) if id.is_instance_of::<PyTuple>() => {
                let (name, number): (Bound<'_, PyAny>, Bound<'_, PyAny>) = id.extract()?;
                (Some(name), Some(number))
            }
            id => (None, id.cloned()),
        };
        let number = match given {
            Some(number) => Number::Given(Arc::new(integer(&number)?)),
            None => number_of(&total, &write)?,
        };
        let task_id = task_id.cloned().or(named).map_or_else(|| py.None(), Bound::unbind);
        Self::from_parts(task_id, number, read.into(), write.into(), py)
    }

    /// The name of the block's task, or None.
    #[getter]
    pub(crate) fn task_id(&self, py: Python<'_>) -> Py<PyAny> {
        match &self.origin {
            Origin::Cell { grid, .. } => grid.name.clone_ref(py).into_any(),
            Origin::Given { task_id, .. } => task_id.clone_ref(py),
        }
    }

    /// ``(task_id, number)``, unique among all blocks: the number is the Cantor number of the
    /// block's index, counted from the begin of the total ROI in steps of the write ROI's shape.
    ///
    /// Raises OverflowError where the number does not fit 128 bits.
    #[getter]
    fn block_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (self.task_id(py), self.number(py)?).into_pyobject(py)
    }

    /// What the block reads.
    #[getter(read_roi)]
    fn py_read_roi(&self, py: Python<'_>) -> PyResult<Py<Roi>> {
        self.roi(py, |rois| &mut rois.read, Tiling::read_roi)
    }

    #[setter(read_roi)]
    fn set_read_roi(&self, read_roi: &Bound<'_, PyAny>) -> PyResult<()> {
        let roi = own(read_roi, "read_roi")?;
        // The old one is let go of after the lock.
        let _old = self.rois().read.replace(roi);
        Ok(())
    }

    /// What the block writes.
    #[getter(write_roi)]
    fn py_write_roi(&self, py: Python<'_>) -> PyResult<Py<Roi>> {
        self.roi(py, |rois| &mut rois.write, Tiling::write_roi)
    }

    #[setter(write_roi)]
    fn set_write_roi(&self, write_roi: &Bound<'_, PyAny>) -> PyResult<()> {
        let roi = own(write_roi, "write_roi")?;
        // The old one is let go of after the lock.
        let _old = self.rois().write.replace(roi);
        Ok(())
    }

    /// What has become of the block: a BlockStatus, set by whoever holds the block.
    #[getter(status)]
    pub(crate) fn py_status(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let members = members(py)?.get(usize::from(self.status.load(Ordering::Relaxed)));
        members
            .map(|member| member.clone_ref(py))
            .ok_or_else(|| PyValueError::new_err("no such status"))
    }

    #[setter(status)]
    fn set_status(&self, status: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut members = members(status.py())?.iter();
        let place = members.position(|member| member.is(status)).ok_or_else(|| {
            PyTypeError::new_err(format!("{status:?} is no status; give a daisy.BlockStatus"))
        })?;
        self.status.store(place as u8, Ordering::Relaxed);
        Ok(())
    }

    /// The same as ``status``.
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.py_status(py)
    }

    #[setter]
    fn set_state(&self, state: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set_status(state)
    }

    /// The number of the loan under which the block is worked at: later loans of the same block have larger ones,
    /// also in a resumed run. None for a block that no run has lent. It is not pickled.
    #[getter]
    fn lease(&self) -> Option<u64> {
        self.loan.map(|loan| loan.lease)
    }

    /// Which attempt at the block this is, from 1; None for a block that no run has lent.
    #[getter]
    fn attempt(&self) -> Option<u32> {
        self.loan.map(|loan| loan.attempt)
    }

    /// A block of its own with the same name, ROIs and status.
    fn copy(&self, py: Python<'_>) -> PyResult<Self> {
        let read = self.py_read_roi(py)?.borrow(py).clone();
        let write = self.py_write_roi(py)?.borrow(py).clone();
        let rois = Rois { read: Some(Py::new(py, read)?), write: Some(Py::new(py, write)?) };
        Ok(Self {
            origin: self.origin.clone(),
            status: AtomicU8::new(self.status.load(Ordering::Relaxed)),
            rois: Mutex::new(rois),
            loan: self.loan,
        })
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = other.py();
        let Ok(other) = other.cast::<Self>() else { return Ok(false) };
        let other = other.get();
        if let (Origin::Cell { grid, cell }, Origin::Cell { grid: other_grid, cell: other_cell }) =
            (&self.origin, &other.origin)
            && Arc::ptr_eq(grid, other_grid)
        {
            return Ok(cell == other_cell);
        }
        if !self.task_id(py).bind(py).eq(other.task_id(py))? {
            return Ok(false);
        }
        match (self.exact_number(py), other.exact_number(py)) {
            (Some(left), Some(right)) => Ok(left == right),
            // Two numbers that do not fit 128 bits: blocks that write the same are the same.
            (None, None) => match (self.number(py), other.number(py)) {
                (Ok(left), Ok(right)) => left.eq(right),
                _ => Ok(self.written(py)? == other.written(py)?),
            },
            _ => Ok(false),
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<u64> {
        let mut hasher = DefaultHasher::new();
        self.task_id(py).bind(py).hash()?.hash(&mut hasher);
        match self.exact_number(py) {
            Some(number) => number.hash(&mut hasher),
            None => u128::MAX.hash(&mut hasher),
        }
        Ok(hasher.finish())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let number = self.number(py).map_or_else(|_| "?".to_owned(), |number| number.to_string());
        let read = self.py_read_roi(py)?;
        let write = self.py_write_roi(py)?;
        let (read, write) = (read.borrow(py), write.borrow(py));
        Ok(format!(
            "{}/{number} with read ROI {} and write ROI {}",
            self.task_id(py).bind(py),
            read.inner(),
            write.inner()
        ))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        static RESTORE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let (py, this) = (slf.py(), slf.get());
        let restore = RESTORE.import(py, "daisy._daisy", "restored_block")?;
        let arguments = (
            this.task_id(py),
            this.number(py).ok(),
            this.py_read_roi(py)?,
            this.py_write_roi(py)?,
            this.status.load(Ordering::Relaxed),
        );
        (restore, arguments).into_pyobject(py)
    }
}

/// A block as it was pickled.
#[pyfunction]
#[pyo3(signature = (task_id, number, read_roi, write_roi, status))]
pub(crate) fn restored_block(
    task_id: Bound<'_, PyAny>,
    number: Option<Bound<'_, PyAny>>,
    read_roi: Bound<'_, Roi>,
    write_roi: Bound<'_, Roi>,
    status: u8,
) -> PyResult<Block> {
    let number = match number {
        Some(number) => Number::Given(Arc::new(integer(&number)?)),
        None => Number::TooLarge,
    };
    let rois = Rois { read: Some(read_roi.unbind()), write: Some(write_roi.unbind()) };
    Ok(Block {
        origin: Origin::Given { task_id: Arc::new(task_id.unbind()), number },
        status: AtomicU8::new(status.min(3)),
        rois: Mutex::new(rois),
        loan: None,
    })
}

/// The number that follows from where a write ROI lies in the total ROI.
fn number_of(total: &daisy_geometry::Roi, write: &daisy_geometry::Roi) -> PyResult<Number> {
    match block_index(total, write).and_then(|index| cantor_number(index.as_slice())) {
        Ok(number) => Ok(Number::Exact(number)),
        Err(LayoutError::IdOverflow) => Ok(Number::TooLarge),
        Err(error) => Err(PyValueError::new_err(format!("{error}; or give a block_id"))),
    }
}

/// The ROI object itself if it is one of ours: whoever set it may go on changing it.
fn own(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Py<Roi>> {
    match value.cast::<Roi>() {
        Ok(roi) => Ok(roi.clone().unbind()),
        Err(_) => Py::new(value.py(), Roi::new(convert::roi(value, what)?)),
    }
}

/// A Python integer of any size.
fn integer(value: &Bound<'_, PyAny>) -> PyResult<Py<PyInt>> {
    if let Ok(number) = value.cast::<PyInt>() {
        return Ok(number.clone().unbind());
    }
    let index = value.call_method0("__index__").map_err(|_| {
        PyTypeError::new_err(format!("block_id {value:?} is no number; give an integer"))
    })?;
    Ok(index.cast_into::<PyInt>()?.unbind())
}

/// The members of `daisy.BlockStatus`, each at the place of its value.
fn members(py: Python<'_>) -> PyResult<&[Py<PyAny>]> {
    static MEMBERS: PyOnceLock<Vec<Py<PyAny>>> = PyOnceLock::new();
    let load = || py.import("daisy._status")?.getattr("MEMBERS")?.extract();
    MEMBERS.get_or_try_init(py, load).map(Vec::as_slice)
}
