//! `daisy.Client`, its part in Rust: the connection of a worker to its run.

use std::{
    collections::HashMap,
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use daisy::{ClientError, Loan, TaskId};
use pyo3::{
    exceptions::{PyConnectionError, PyRuntimeError, PyValueError},
    prelude::*,
    types::PyString,
};

use crate::{
    block::{Block, Grid},
    run::parsed,
    task::cell_of,
};

/// The connection of a worker to its run.
#[pyclass(frozen, subclass, module = "daisy._daisy")]
pub(crate) struct Connection {
    client: daisy::Client,
    grid: Arc<Grid>,
    /// The loans of blocks that are out, by their cells.
    loans: Mutex<HashMap<u64, (Loan, Instant)>>,
    /// The threads that keep a connection alive do not survive a fork.
    pid: u32,
}

impl Connection {
    fn loans(&self) -> MutexGuard<'_, HashMap<u64, (Loan, Instant)>> {
        self.loans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_process(&self) -> PyResult<()> {
        if self.pid == process::id() {
            return Ok(());
        }
        Err(PyRuntimeError::new_err(
            "this Client was made before this process was forked; make a new one here",
        ))
    }

    fn loan(&self, block: &Block, py: Python<'_>) -> PyResult<Loan> {
        let cell = cell_of(&self.grid, block, py)?;
        self.loans().get(&cell).map(|(loan, _)| *loan).ok_or_else(|| not_lent(cell))
    }
}

fn not_lent(cell: u64) -> PyErr {
    PyValueError::new_err(format!(
        "block {cell} is not lent to this client; release each acquired block once"
    ))
}

fn lost(error: &ClientError) -> PyErr {
    PyConnectionError::new_err(error.to_string())
}

#[pymethods]
impl Connection {
    /// Connects; None, with what is to be said of it, where the run is over.
    #[staticmethod]
    fn connect(py: Python<'_>, context: &str) -> PyResult<(Option<Self>, String)> {
        let context = parsed(context)?;
        let client = match py.detach(|| daisy::Client::with_context(&context)) {
            Ok(client) => client,
            Err(error) if error.is_run_over() => return Ok((None, error.to_string())),
            Err(error) => return Err(lost(&error)),
        };
        let name = PyString::intern(py, client.task()).unbind();
        let grid = Grid { name, task: TaskId::new(0), tiling: client.tiling().clone() };
        let (grid, loans) = (Arc::new(grid), Mutex::default());
        Ok((Some(Self { client, grid, loans, pid: process::id() }), String::new()))
    }

    /// Hands in everything and says goodbye. In a forked process, where the connection is none, nothing.
    fn leave(&self, py: Python<'_>) {
        if self.pid == process::id() {
            py.detach(|| self.client.leave());
        }
    }

    /// The name of the task that the worker works for.
    #[getter]
    fn task_id(&self, py: Python<'_>) -> Py<PyString> {
        self.grid.name.clone_ref(py)
    }

    /// The number by which the run knows the worker.
    #[getter]
    fn worker_id(&self) -> u64 {
        self.client.worker()
    }

    /// The next block; waits until there is one. None when there is nothing more to do.
    fn next_block(&self, py: Python<'_>) -> PyResult<Option<Block>> {
        self.check_process()?;
        let next = py.detach(|| self.client.acquire_loan()).map_err(|error| lost(&error))?;
        Ok(next.map(|(block, loan)| {
            let cell = block.key.cell;
            self.loans().insert(cell, (loan, Instant::now()));
            Block::lent(Arc::clone(&self.grid), cell, loan)
        }))
    }

    /// Gives a block back: done, or failed with a text that says why.
    #[pyo3(signature = (block, error = None))]
    fn hand_in(&self, block: &Bound<'_, Block>, error: Option<String>) -> PyResult<()> {
        self.check_process()?;
        let py = block.py();
        let cell = cell_of(&self.grid, block.get(), py)?;
        let (loan, start) = self.loans().remove(&cell).ok_or_else(|| not_lent(cell))?;
        let outcome = error.map_or(Ok(()), Err);
        py.detach(|| self.client.release(loan, outcome, start.elapsed()));
        Ok(())
    }

    /// The number of the loan of a block: later loans of the same block have larger ones, also in a resumed
    /// run. Stored with the data, it tells a late writer from the present one.
    fn lease(&self, block: &Bound<'_, Block>) -> PyResult<u64> {
        Ok(self.loan(block.get(), block.py())?.lease)
    }

    /// Which attempt at a block it is, from 1.
    fn attempt(&self, block: &Bound<'_, Block>) -> PyResult<u32> {
        Ok(self.loan(block.get(), block.py())?.attempt)
    }

    /// Whether the run still counts on this worker for a block: asks the server. False too if it does not
    /// answer.
    fn still_ours(&self, block: &Bound<'_, Block>) -> PyResult<bool> {
        self.check_process()?;
        let py = block.py();
        let loan = self.loan(block.get(), py)?;
        Ok(py.detach(|| self.client.is_ours(loan)))
    }
}

/// Where what a worker prints is kept, in the folder of logs.
#[pyfunction]
pub(crate) fn log_path(task: &str, worker: u64) -> std::path::PathBuf {
    daisy::log_path(task, daisy_sched::WorkerId(worker))
}
