//! `daisy.Scheduler`: which block may run next.
//!
//! The state machine is behind a lock that is never held while Python code runs: check functions may
//! look at the scheduler, and other threads go on meanwhile.

use std::sync::{Mutex, MutexGuard, PoisonError};

use daisy_block::{BlockKey, BlockStatus, Order, TaskId};
use daisy_sched::{Request, SchedulerError, SchedulerOptions};
use pyo3::{
    PyTraverseError, PyVisit,
    exceptions::{PyException, PyTypeError, PyValueError},
    prelude::*,
    sync::MutexExt,
    types::{PyDict, PyString, PyTuple},
};
use smallvec::SmallVec;

use crate::{
    block::Block,
    convert, error,
    graph::DependencyGraph,
    states::TaskStates,
    task::{Entry, Tasks},
};

/// Hands out blocks that may run, and keeps count of every block of every task.
///
///     >>> scheduler = Scheduler([task])
///     >>> while (block := scheduler.acquire_block(task.task_id)) is not None:
///     ...     block.status = BlockStatus.SUCCESS
///     ...     _ = scheduler.release_block(block)
///     >>> scheduler.task_states[task.task_id].is_done()
///     True
///
/// Args:
///     tasks: the tasks; everything upstream of them is taken in.
///     count_all_orphans: whether blocks that can never run are found and counted as orphaned. Else
///         they stay pending, which saves the walk over everything downstream of a failed block.
///
/// A block may run once all conflicting blocks of a lower level and all upstream blocks that it
/// reads are done. Blocks that may run come by level, then row by row. Raises ValueError for two
/// tasks of one name and for tasks that wait for each other.
#[pyclass(frozen, module = "daisy")]
pub(crate) struct Scheduler {
    machine: Mutex<Machine>,
    tasks: Tasks,
    checks: Vec<Checks>,
}

/// What is asked before and after a block.
pub(crate) struct Checks {
    pub(crate) before: Option<Py<PyAny>>,
    pub(crate) after: Option<Py<PyAny>>,
}

/// What changes.
struct Machine {
    scheduler: daisy_sched::Scheduler,
    check_errors: Vec<u64>,
}

impl Scheduler {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Machine> {
        self.machine.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn num_tasks(&self) -> usize {
        self.checks.len()
    }

    pub(crate) fn find(&self, task_id: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.tasks.find(task_id)
    }

    pub(crate) fn name(&self, py: Python<'_>, task: usize) -> Py<PyString> {
        self.tasks.entries[task].grid.name.clone_ref(py)
    }

    pub(crate) fn counts(&self, py: Python<'_>, task: usize) -> PyResult<daisy_sched::Counts> {
        self.lock(py).scheduler.counts(self.id(task)).map_err(|error| error::scheduler(&error))
    }

    pub(crate) fn check_errors(&self, py: Python<'_>, task: usize) -> u64 {
        self.lock(py).check_errors[task]
    }

    pub(crate) fn is_task_done(&self, py: Python<'_>, task: usize) -> PyResult<bool> {
        self.lock(py)
            .scheduler
            .is_task_done(self.id(task))
            .map_err(|error| error::scheduler(&error))
    }

    fn id(&self, task: usize) -> TaskId {
        self.tasks.entries[task].grid.task
    }

    fn block(&self, task: usize, key: BlockKey) -> Block {
        Block::at(self.tasks.entries[task].grid.clone(), key.cell)
    }

    /// A block of a task with a check function: blocks found done are skipped on the way.
    fn acquire_checked(
        &self,
        py: Python<'_>,
        task: usize,
        check: &Py<PyAny>,
    ) -> PyResult<Option<Py<Block>>> {
        loop {
            let Some(key) = self.lock(py).scheduler.hold_from(self.id(task)) else {
                return Ok(None);
            };
            let block = Py::new(py, self.block(task, key))?;
            let answer = self.ask(py, task, check, &block);
            let machine = &mut self.lock(py).scheduler;
            let settled = match &answer {
                Ok(true) => machine.skip(key),
                Ok(false) => machine.start(key),
                Err(_) => machine.put_back(key),
            };
            settled.map_err(|error| error::scheduler(&error))?;
            if !answer? {
                return Ok(Some(block));
            }
        }
    }

    /// What a check says; one that raises is counted, its first error is logged, and it says no.
    /// What is no `Exception`, as an interrupt, is passed on.
    fn ask(
        &self,
        py: Python<'_>,
        task: usize,
        check: &Py<PyAny>,
        block: &Py<Block>,
    ) -> PyResult<bool> {
        let answer = check.bind(py).call1((block,)).and_then(|answer| answer.is_truthy());
        let Err(error) = answer else { return answer };
        if !error.is_instance_of::<PyException>(py) {
            return Err(error);
        }
        let count = {
            let count = &mut self.lock(py).check_errors[task];
            *count += 1;
            *count
        };
        if count == 1 {
            let details = PyDict::new(py);
            details.set_item("exc_info", error)?;
            let logger = py.import("logging")?.call_method1("getLogger", ("daisy",))?;
            let text = "a check of task '%s' failed at %r; more such errors are counted only";
            let arguments = (text, self.name(py, task), block);
            logger.call_method("error", arguments, Some(&details))?;
        }
        Ok(false)
    }

    /// Settles a block and says which tasks have more blocks ready than before.
    #[inline]
    fn settle(
        &self,
        py: Python<'_>,
        key: BlockKey,
        is_done: bool,
    ) -> Result<Vec<usize>, SchedulerError> {
        let affected = &self.tasks.entries[key.task.index()].affected;
        let machine = &mut self.lock(py).scheduler;
        let before: SmallVec<[u64; 8]> =
            affected.iter().map(|&task| ready(machine, task)).collect();
        if is_done {
            machine.complete(key)?;
        } else {
            machine.fail(key)?;
        }
        let mut more = Vec::new();
        for (&task, before) in affected.iter().zip(before) {
            if ready(machine, task) > before {
                more.push(task.index());
            }
        }
        Ok(more)
    }
}

#[inline]
fn ready(machine: &daisy_sched::Scheduler, task: TaskId) -> u64 {
    machine.counts(task).map_or(0, |counts| counts.ready)
}

#[pymethods]
impl Scheduler {
    #[new]
    #[pyo3(signature = (tasks, count_all_orphans = true))]
    fn py_new(tasks: &Bound<'_, PyAny>, count_all_orphans: bool) -> PyResult<Self> {
        let py = tasks.py();
        let tasks = Tasks::collect(tasks)?;
        let mut checks = Vec::new();
        let mut max_retries = Vec::new();
        for entry in &tasks.entries {
            let task = entry.task.bind(py);
            checks.push(Checks::of(task)?);
            max_retries.push(task.getattr("max_retries")?.extract()?);
        }
        let options = SchedulerOptions {
            order: Order::Level,
            request: Request::Everything,
            count_all_orphans,
            max_retries,
            ..SchedulerOptions::default()
        };
        let scheduler = daisy_sched::Scheduler::new(tasks.graph.clone(), options)
            .map_err(|error| error::scheduler(&error))?;
        let machine = Mutex::new(Machine { scheduler, check_errors: vec![0; checks.len()] });
        Ok(Self { machine, tasks, checks })
    }

    /// A block of the task that may run now, or None.
    ///
    /// If the task has a check function, blocks are asked for first: those found done are skipped
    /// here, and unlock what waits for them. Raises KeyError for a task that is not there.
    #[inline]
    fn acquire_block(&self, task_id: &Bound<'_, PyAny>) -> PyResult<Option<Py<Block>>> {
        let py = task_id.py();
        let task = self.tasks.find(task_id)?;
        if let Some(check) = &self.checks[task].before {
            return self.acquire_checked(py, task, check);
        }
        let key = self.lock(py).scheduler.acquire_from(self.id(task));
        key.map(|key| Py::new(py, self.block(task, key))).transpose()
    }

    /// Takes a block back, and sees by its status what has become of it.
    ///
    /// ``SUCCESS``: it is done, unless the second of the task's two check functions says no.
    /// ``FAILED``: it is handed out again, behind all others, at most ``max_retries`` times; then it
    /// has failed for good, and what waits for it is orphaned.
    ///
    /// Returns the states of those tasks that have more blocks ready than before. Raises ValueError,
    /// and changes nothing, for any other status and for a block that is not acquired.
    #[inline]
    fn release_block(slf: &Bound<'_, Self>, block: &Bound<'_, PyAny>) -> PyResult<TaskStates> {
        let (py, this) = (slf.py(), slf.get());
        let block = block.cast::<Block>().map_err(|_| {
            let found = convert::type_name(block);
            PyTypeError::new_err(format!("a {found} is no block; give what acquire_block gave"))
        })?;
        let (task, cell) = this.tasks.locate(block.get(), py)?;
        let is_done = match (block.get().status(), &this.checks[task].after) {
            (BlockStatus::Success, None) => true,
            (BlockStatus::Success, Some(check)) => {
                this.ask(py, task, check, &block.clone().unbind())?
            }
            (BlockStatus::Failed, _) => false,
            _ => return Err(undecided(block)),
        };
        let settled = this.settle(py, BlockKey::new(this.id(task), cell), is_done);
        let more = settled.map_err(|error| match error {
            SchedulerError::WrongState { .. } => PyValueError::new_err(format!(
                "block {:?} is not acquired; release each acquired block once",
                block
            )),
            error => error::scheduler(&error),
        })?;
        Ok(TaskStates::new(slf.clone().unbind(), Some(more)))
    }

    /// The state of every task by its name: a mapping that always shows the present.
    #[getter]
    fn task_states(slf: &Bound<'_, Self>) -> TaskStates {
        TaskStates::new(slf.clone().unbind(), None)
    }

    /// The tasks that have a block to hand out.
    fn get_ready_tasks(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        let machine = &self.lock(py).scheduler;
        let is_ready = |entry: &&Entry| ready(machine, entry.grid.task) > 0;
        self.tasks.entries.iter().filter(is_ready).map(|entry| entry.task.clone_ref(py)).collect()
    }

    /// All tasks by their names.
    #[getter]
    fn task_map<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.tasks.by_name(py)
    }

    /// Which block waits for which.
    #[getter]
    fn dependency_graph(&self, py: Python<'_>) -> PyResult<DependencyGraph> {
        let tasks = self.tasks.entries.iter().map(|entry| entry.task.clone_ref(py));
        DependencyGraph::of(PyTuple::new(py, tasks)?.as_any())
    }

    /// Whether nothing more can happen in any task.
    fn is_done(&self, py: Python<'_>) -> bool {
        self.lock(py).scheduler.is_done()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for entry in &self.tasks.entries {
            visit.call(&entry.task)?;
        }
        for check in self.checks.iter().flat_map(|checks| [&checks.before, &checks.after]) {
            visit.call(check)?;
        }
        Ok(())
    }
}

impl Checks {
    /// One function is asked before; of a pair, the second is asked after.
    pub(crate) fn of(task: &Bound<'_, PyAny>) -> PyResult<Self> {
        let check = task.getattr("check_function")?;
        if check.is_none() {
            return Ok(Self { before: None, after: None });
        }
        match check.extract::<(Py<PyAny>, Py<PyAny>)>() {
            Ok((before, after)) => Ok(Self { before: Some(before), after: Some(after) }),
            Err(_) => Ok(Self { before: Some(check.unbind()), after: None }),
        }
    }
}

fn undecided(block: &Bound<'_, Block>) -> PyErr {
    match block.get().py_status(block.py()) {
        Ok(status) => PyValueError::new_err(format!(
            "block {block:?} comes back with {:?}; set its status to SUCCESS or FAILED",
            status.bind(block.py())
        )),
        Err(error) => error,
    }
}
