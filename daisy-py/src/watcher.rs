//! What happens in a run, told to a Python object: `daisy._progress.Watch`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use daisy::{BlockEvent, BlockKey, Counts, ObservedTask, Observer, RunReport, TaskId};
use pyo3::prelude::*;

use crate::{
    block::{Block, Grid},
    task::Tasks,
};

/// Calls the methods of a `Watch`; one that raises does not break the run.
pub(crate) struct Watcher {
    watch: Py<PyAny>,
    wants_blocks: bool,
    by_name: BTreeMap<String, Arc<Grid>>,
    /// The grids of tasks by their numbers in the run.
    grids: BTreeMap<TaskId, Arc<Grid>>,
    /// The caller has left the run: Python hears nothing more, and may be at its end.
    is_left: Arc<AtomicBool>,
}

impl Watcher {
    pub(crate) fn new(
        py: Python<'_>,
        watch: Py<PyAny>,
        tasks: &Tasks,
        is_left: &Arc<AtomicBool>,
    ) -> PyResult<Self> {
        let wants_blocks = watch.getattr(py, "wants_blocks")?.is_truthy(py)?;
        let grids = tasks.entries.iter().map(|entry| &entry.grid);
        let by_name = grids.map(|grid| Ok((grid.name.extract(py)?, Arc::clone(grid))));
        let by_name = by_name.collect::<PyResult<_>>()?;
        let (grids, is_left) = (BTreeMap::new(), Arc::clone(is_left));
        Ok(Self { watch, wants_blocks, by_name, grids, is_left })
    }

    fn tell(&self, tell: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>) {
        if self.is_left.load(Ordering::SeqCst) {
            return;
        }
        Python::attach(|py| {
            let watch = self.watch.bind(py);
            if let Err(error) = tell(watch) {
                error.write_unraisable(py, Some(watch));
            }
        });
    }

    /// Calls a method with the name of a task.
    fn tell_of(&self, method: &str, task: TaskId) {
        if let Some(grid) = self.grids.get(&task).filter(|_| self.wants_blocks) {
            self.tell(|watch| watch.call_method1(method, (&grid.name,)));
        }
    }
}

impl Observer for Watcher {
    fn wants_blocks(&self) -> bool {
        self.wants_blocks
    }

    fn wants_failures(&self) -> bool {
        true
    }

    fn run_started(&mut self, tasks: &[ObservedTask]) {
        let grids = tasks.iter();
        let grids = grids.filter_map(|task| Some((task.id, self.by_name.get(&task.name)?.clone())));
        self.grids = grids.collect();
        let rows: Vec<_> = tasks.iter().map(|task| (&task.name, task.num_blocks)).collect();
        self.tell(|watch| watch.call_method1("start", (rows,)));
    }

    fn task_started(&mut self, task: TaskId) {
        self.tell_of("task_started", task);
    }

    fn block_granted(&mut self, block: BlockKey, _: u32) {
        self.tell_of("granted", block.task);
    }

    fn block_settled(&mut self, block: BlockKey, event: &BlockEvent) {
        match event {
            BlockEvent::Failed { attempts, why } | BlockEvent::Retry { attempts, why } => {
                if let Some(grid) = self.grids.get(&block.task) {
                    let failed = Block::at(Arc::clone(grid), block.cell);
                    let is_last = matches!(event, BlockEvent::Failed { .. });
                    let what = (failed, *attempts, is_last, why.to_string());
                    self.tell(|watch| watch.call_method1("failed", what));
                }
            }
            BlockEvent::Completed | BlockEvent::PutBack => {}
            _ => return,
        }
        self.tell_of("settled", block.task);
    }

    fn task_ended(&mut self, task: TaskId) {
        self.tell_of("task_ended", task);
    }

    fn progress(&mut self, counts: &[Counts]) {
        let row = |counts: &Counts| {
            let Counts { total, ready, processing, completed, skipped, .. } = *counts;
            let Counts { failed, orphaned, pending, .. } = *counts;
            (total, ready, processing, completed, skipped, failed, orphaned, pending)
        };
        let rows: Vec<_> = counts.iter().map(row).collect();
        self.tell(|watch| watch.call_method1("update", (rows,)));
    }

    fn run_ended(&mut self, _: &RunReport) {
        self.tell(|watch| watch.call_method0("close"));
    }
}
