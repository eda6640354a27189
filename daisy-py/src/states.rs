//! How far the tasks of a scheduler are: `daisy.TaskState` and the mapping of all of them.
//!
//! Both look at the scheduler when they are asked, so handing one out costs next to nothing.

use pyo3::{
    PyTraverseError, PyVisit,
    exceptions::PyKeyError,
    prelude::*,
    types::{PyList, PyString},
};

use crate::scheduler::Scheduler;

/// How many blocks of one task are in which state, as of now.
///
/// ``total_block_count = ready_count + processing_count + completed_count + failed_count +
/// orphaned_count + pending_count`` at every moment; completed blocks include skipped ones.
#[pyclass(frozen, module = "daisy")]
pub(crate) struct TaskState {
    scheduler: Py<Scheduler>,
    task: usize,
}

impl TaskState {
    fn counts(&self, py: Python<'_>) -> PyResult<daisy_sched::Counts> {
        self.scheduler.get().counts(py, self.task)
    }
}

#[pymethods]
impl TaskState {
    /// Whether a block of the task was handed out, or found done, already.
    #[getter]
    fn started(&self, py: Python<'_>) -> PyResult<bool> {
        let counts = self.counts(py)?;
        Ok(counts.processing + counts.completed + counts.skipped + counts.failed > 0)
    }

    /// All blocks of the task.
    #[getter]
    fn total_block_count(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.counts(py)?.total)
    }

    /// Blocks that may run now.
    #[getter]
    fn ready_count(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.counts(py)?.ready)
    }

    /// Blocks that were acquired and not released.
    #[getter]
    fn processing_count(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.counts(py)?.processing)
    }

    /// Blocks that are done, those included that were found done.
    #[getter]
    fn completed_count(&self, py: Python<'_>) -> PyResult<u64> {
        let counts = self.counts(py)?;
        Ok(counts.completed + counts.skipped)
    }

    /// Blocks that a check found done.
    #[getter]
    fn skipped_count(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.counts(py)?.skipped)
    }

    /// Blocks that failed for good.
    #[getter]
    fn failed_count(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.counts(py)?.failed)
    }

    /// Blocks that can never run, since they wait for one that failed for good.
    #[getter]
    fn orphaned_count(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.counts(py)?.orphaned)
    }

    /// Blocks that wait for others.
    #[getter]
    fn pending_count(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.counts(py)?.pending)
    }

    /// How often a check function raised an exception.
    #[getter]
    fn check_error_count(&self, py: Python<'_>) -> u64 {
        self.scheduler.get().check_errors(py, self.task)
    }

    /// Whether nothing more can happen in the task.
    fn is_done(&self, py: Python<'_>) -> PyResult<bool> {
        self.scheduler.get().is_task_done(py, self.task)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let counts = self.counts(py)?;
        Ok(format!(
            "TaskState({} completed ({} skipped), {} failed, {} orphaned, {} processing, {} ready, {} pending of {})",
            counts.completed + counts.skipped,
            counts.skipped,
            counts.failed,
            counts.orphaned,
            counts.processing,
            counts.ready,
            counts.pending,
            counts.total
        ))
    }

    /// So that states which a task of their scheduler holds are collected.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.scheduler)
    }
}

/// The states of tasks by name: a mapping that always shows the present.
#[pyclass(frozen, mapping, module = "daisy")]
pub(crate) struct TaskStates {
    scheduler: Py<Scheduler>,
    /// The tasks in the mapping, by their places; all of them if there is no list.
    tasks: Option<Vec<usize>>,
}

impl TaskStates {
    pub(crate) const fn new(scheduler: Py<Scheduler>, tasks: Option<Vec<usize>>) -> Self {
        Self { scheduler, tasks }
    }

    fn places(&self) -> Vec<usize> {
        match &self.tasks {
            Some(tasks) => tasks.clone(),
            None => (0..self.scheduler.get().num_tasks()).collect(),
        }
    }

    fn state(&self, py: Python<'_>, task: usize) -> TaskState {
        TaskState { scheduler: self.scheduler.clone_ref(py), task }
    }

    fn find(&self, task_id: &Bound<'_, PyAny>) -> Option<usize> {
        let place = self.scheduler.get().find(task_id).ok()?;
        self.tasks.as_ref().is_none_or(|tasks| tasks.contains(&place)).then_some(place)
    }
}

#[pymethods]
impl TaskStates {
    fn __len__(&self) -> usize {
        self.tasks.as_ref().map_or_else(|| self.scheduler.get().num_tasks(), Vec::len)
    }

    fn __bool__(&self) -> bool {
        self.__len__() > 0
    }

    fn __contains__(&self, task_id: &Bound<'_, PyAny>) -> bool {
        self.find(task_id).is_some()
    }

    fn __getitem__(&self, task_id: &Bound<'_, PyAny>) -> PyResult<TaskState> {
        let missing = || PyKeyError::new_err(task_id.clone().unbind());
        Ok(self.state(task_id.py(), self.find(task_id).ok_or_else(missing)?))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.keys(py)?.call_method0("__iter__")
    }

    /// The names of the tasks.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.places().into_iter().map(|task| self.scheduler.get().name(py, task)))
    }

    /// Their states.
    fn values(&self, py: Python<'_>) -> Vec<TaskState> {
        self.places().into_iter().map(|task| self.state(py, task)).collect()
    }

    /// Pairs of both.
    fn items(&self, py: Python<'_>) -> Vec<(Py<PyString>, TaskState)> {
        let pair = |task| (self.scheduler.get().name(py, task), self.state(py, task));
        self.places().into_iter().map(pair).collect()
    }

    /// The state of a task, or ``default``.
    #[pyo3(signature = (task_id, default = None))]
    fn get(&self, task_id: &Bound<'_, PyAny>, default: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        let py = task_id.py();
        match self.find(task_id) {
            Some(task) => Ok(Py::new(py, self.state(py, task))?.into_any()),
            None => Ok(default.unwrap_or_else(|| py.None())),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut parts = Vec::new();
        for task in self.places() {
            let name = self.scheduler.get().name(py, task);
            parts.push(format!(
                "{}: {}",
                name.bind(py).repr()?,
                self.state(py, task).__repr__(py)?
            ));
        }
        Ok(format!("{{{}}}", parts.join(", ")))
    }

    /// So that states which a task of their scheduler holds are collected.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.scheduler)
    }
}
