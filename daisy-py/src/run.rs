//! Runs: Python tasks as tasks of the facade, whose blocks run in worker processes or, serially, on the calling
//! thread. The interpreter is never held while a run waits.

use std::{
    collections::BTreeMap,
    panic::resume_unwind,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use daisy::{
    BlockResult, BoxError, Loan, Order, RunOptions, RunReport, StopHandle, TaskBuilder, TaskNode,
    Verdict, worker,
};
use pyo3::{
    call::PyCallArgs,
    exceptions::{PyKeyboardInterrupt, PyValueError},
    prelude::*,
    sync::PyOnceLock,
    types::{PyDict, PyString},
};

use crate::{
    block::{Block, Grid},
    convert,
    dataset::StoredArray,
    error,
    nudge::{self, Nudge},
    scheduler::Checks,
    task::{Tasks, layout_of},
    watcher::Watcher,
};

/// What it takes at most until a signal is heard by all.
const SIGNAL_TIME: Duration = Duration::from_millis(200);

/// What is chosen for a run; the names are those of `daisy.run_blockwise`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Settings<'py> {
    /// What starts the workers of each task, by its name; without one, everything runs on the calling thread.
    commands: Option<Bound<'py, PyDict>>,
    order: String,
    /// Pairs of a task's name and a ROI; nothing for all of the last tasks.
    request: Vec<(String, Bound<'py, PyAny>)>,
    everything: bool,
    resources: Vec<(String, u64)>,
    journal: Option<PathBuf>,
    accept_new_arrays: bool,
    /// The version of the code of each task, by its name.
    versions: BTreeMap<String, Option<String>>,
    /// Where to listen, and what workers are told to connect to if that is not it.
    listen: Option<(String, Option<String>)>,
    key_file: Option<PathBuf>,
    logs: Option<PathBuf>,
    count_all_orphans: bool,
    /// A `daisy._progress.Watch`.
    watch: Option<Py<PyAny>>,
    stop: Option<Py<Stop>>,
}

/// Stops a run from elsewhere.
#[pyclass(frozen, module = "daisy._daisy")]
pub(crate) struct Stop(StopHandle);

#[pymethods]
impl Stop {
    #[new]
    fn new() -> Self {
        Self(StopHandle::new())
    }

    /// Hands out nothing more; the run ends in good order.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }
}

/// Runs tasks and everything upstream of them: the report as JSON and as a table, and the KeyboardInterrupt that
/// ended the run, if one did.
#[pyfunction]
pub(crate) fn run(
    py: Python<'_>,
    tasks: &Bound<'_, PyAny>,
    settings: Settings<'_>,
) -> PyResult<(String, String, Option<PyErr>)> {
    let interrupt = Arc::default();
    let tasks = Tasks::collect(tasks)?;
    let handles = handles(py, &tasks, &settings, &interrupt)?;
    let mut options = RunOptions::new()
        .order(order(&settings.order)?)
        .request_everything(settings.everything)
        .serial(settings.commands.is_none())
        .count_all_orphans(settings.count_all_orphans)
        .handle_interrupt(true);
    for (name, roi) in &settings.request {
        let place = tasks.find(PyString::new(py, name).as_any())?;
        options = options.request(&handles[place], convert::roi(roi, "the ROI of a request")?);
    }
    for (name, total) in settings.resources {
        options = options.resource(name, total);
    }
    if let Some(path) = settings.journal {
        options = options.journal(path).accept_new_arrays(settings.accept_new_arrays);
    }
    if let Some((address, told)) = settings.listen {
        options = options.listen(address);
        if let Some(told) = told {
            options = options.advertise(told);
        }
    }
    if let Some(path) = settings.key_file {
        options = options.connection_file(path);
    }
    if let Some(folder) = settings.logs {
        options = options.logs(folder);
    }
    if let Some(stop) = &settings.stop {
        options = options.stop_handle(&stop.get().0);
    }
    #[cfg(feature = "planted-faults")]
    if let Some(inputs) = std::env::var("DAISY_PLANTED_FAULT").ok().and_then(|n| n.parse().ok()) {
        options = options.planted_fault(&daisy::PlantedFault::after(inputs));
    }
    let is_left = Arc::default();
    if let Some(watch) = settings.watch {
        options = options.observer(Watcher::new(py, watch, &tasks, &is_left)?);
    }
    nudge::wake_main_thread(py)?;
    let report = if settings.commands.is_some() {
        py.detach(|| run_apart(options, &handles, &is_left))?
    } else {
        run_here(py, options, &handles, &is_left)?
    };
    let raised = interrupt.lock().unwrap_or_else(PoisonError::into_inner).take();
    // Ctrl-C was noted by Python too, which raises KeyboardInterrupt here.
    let interrupt = raised.or_else(|| py.check_signals().err());
    if is_left.load(Ordering::SeqCst) {
        // Signals other than SIGINT are none of Python's, and of that only its main thread hears.
        return Err(interrupt.unwrap_or_else(|| PyKeyboardInterrupt::new_err(())));
    }
    match (report, interrupt) {
        (Some(Ok(report)), interrupt) => Ok((report.to_json(), report.to_string(), interrupt)),
        (_, Some(interrupt)) => Err(interrupt),
        (Some(Err(error)), None) => Err(error::run(&error)),
        // Only a run that was left has not ended.
        (None, None) => Err(PyKeyboardInterrupt::new_err(())),
    }
}

/// Makes a run on the calling thread, where the second Ctrl-C is raised in the function that is called.
fn run_here(
    py: Python<'_>,
    options: RunOptions,
    handles: &[daisy::Task],
    is_left: &Arc<AtomicBool>,
) -> PyResult<Option<Result<RunReport, daisy::Error>>> {
    let left = Arc::clone(is_left);
    let options = options.leave_by(move || left.store(true, Ordering::SeqCst));
    let nudge = Nudge::new(py)?;
    Ok(py.detach(|| {
        let report = options.run(handles);
        drop(nudge);
        Some(report)
    }))
}

/// Makes a run on a thread of its own, so that its caller can leave it at once at the second Ctrl-C: None then. It ends
/// by itself a little later, and tells Python nothing more.
fn run_apart(
    options: RunOptions,
    handles: &[daisy::Task],
    is_left: &Arc<AtomicBool>,
) -> PyResult<Option<Result<RunReport, daisy::Error>>> {
    let (over, come) = mpsc::channel();
    let (handles, leave, left) = (handles.to_vec(), over.clone(), Arc::clone(is_left));
    let options = options.leave_by(move || {
        left.store(true, Ordering::SeqCst);
        // The run may be over.
        let _is_awaited = leave.send(None);
    });
    let run = move || {
        let report = options.run(&handles);
        drop(handles);
        // It may have been left.
        let _is_awaited = over.send(Some(report));
    };
    let thread = thread::Builder::new().name("daisy run".to_owned()).spawn(run)?;
    match come.recv() {
        Ok(None) => Ok(None),
        Ok(report) => {
            let _is_over = thread.join();
            Ok(report)
        }
        Err(_) => match thread.join() {
            Ok(()) => Ok(None),
            Err(panic) => resume_unwind(panic),
        },
    }
}

/// Makes blocks of a journal undone: how many of which task are not done, or failed for good, any more.
#[pyfunction]
pub(crate) fn forget(
    journal: PathBuf,
    task: &str,
    roi: Option<&Bound<'_, PyAny>>,
    drop_open_leases: bool,
) -> PyResult<Vec<(String, u64)>> {
    let roi = roi.map(|roi| convert::roi(roi, "roi")).transpose()?;
    let forgotten = daisy::journal::forget(journal, task, roi.as_ref(), drop_open_leases);
    let forgotten = forgotten.map_err(|error| error::run(&error))?;
    Ok(forgotten.tasks.into_iter().map(|task| (task.name, task.done + task.failed)).collect())
}

/// The KeyboardInterrupt that was raised in a function of the user.
type Interrupt = Arc<Mutex<Option<PyErr>>>;

fn order(name: &str) -> PyResult<Order> {
    match name {
        "sweep" => Ok(Order::Sweep),
        "level" => Ok(Order::Level),
        "morton" => Ok(Order::Morton),
        _ => Err(PyValueError::new_err(format!(
            "unknown order {name:?}; use one of: sweep, level, morton"
        ))),
    }
}

/// The tasks, each in the place of its entry.
fn handles(
    py: Python<'_>,
    tasks: &Tasks,
    settings: &Settings<'_>,
    interrupt: &Interrupt,
) -> PyResult<Vec<daisy::Task>> {
    let commands = settings.commands.as_ref();
    let mut handles: Vec<Option<daisy::Task>> = vec![None; tasks.entries.len()];
    for id in tasks.graph.topological_order() {
        let entry = &tasks.entries[id.index()];
        let task = entry.task.bind(py);
        let builder = builder(task, &tasks.graph[id], commands.is_none())?;
        let interrupt = commands.is_none().then(|| Arc::clone(interrupt));
        let mut builder = functions(builder, task, &entry.grid, interrupt.as_ref())?;
        if let Some(Some(version)) = settings.versions.get(tasks.graph[id].name()) {
            builder = builder.version(version);
        }
        let builder = match commands {
            Some(commands) => {
                let command = commands.get_item(&entry.grid.name)?;
                let words: Vec<String> = command.map_or(Ok(Vec::new()), |words| words.extract())?;
                builder.worker_command(words)
            }
            None => {
                let function = task.getattr("process_function")?;
                let function = Function::new(&function, &entry.grid, interrupt);
                builder.process_loan(move |block, loan| function.process(block, loan))
            }
        };
        let upstream = tasks.graph.upstream(id).iter();
        let upstream = upstream.filter_map(|up| handles[up.index()].as_ref());
        let built = builder.upstream_tasks(upstream).build();
        let built = built.map_err(|error| PyValueError::new_err(error.to_string()))?;
        handles[id.index()] = Some(built);
    }
    Ok(handles.into_iter().flatten().collect())
}

/// Everything but functions.
fn builder(task: &Bound<'_, PyAny>, node: &TaskNode, is_serial: bool) -> PyResult<TaskBuilder> {
    let layout = node.layout();
    let mut builder = daisy::Task::builder(
        node.name(),
        layout.total_roi().clone(),
        layout.read_roi().clone(),
        layout.write_roi().clone(),
    )
    .fit(layout.fit())
    .read_write_conflict(task.getattr("read_write_conflict")?.is_truthy()?)
    .num_workers(task.getattr("num_workers")?.extract()?)
    .max_retries(task.getattr("max_retries")?.extract()?);
    if is_serial {
        builder = builder.num_workers(1);
    }
    if let Some(seconds) = task.getattr("timeout")?.extract::<Option<f64>>()? {
        let limit = Duration::try_from_secs_f64(seconds);
        builder = builder.timeout(limit.map_err(|error| PyValueError::new_err(error.to_string()))?);
    }
    if let Some(most) = task.getattr("max_failed_blocks")?.extract()? {
        builder = builder.max_failed_blocks(most);
    }
    for need in task.getattr("resources")?.cast::<PyDict>()?.items().iter() {
        let (name, amount): (String, u64) = need.extract()?;
        builder = builder.resource(name, amount);
    }
    for array in declared(task, "writes")? {
        builder = builder.writes(array.get().array());
    }
    for array in declared(task, "reads")? {
        builder = builder.reads(array.get().array());
    }
    Ok(builder)
}

/// The arrays that a task says it writes, or reads.
fn declared<'py>(task: &Bound<'py, PyAny>, which: &str) -> PyResult<Vec<Bound<'py, StoredArray>>> {
    let arrays = task.getattr(which)?.try_iter()?;
    arrays.map(|array| Ok(array?.getattr("data")?.getattr("stored")?.cast_into()?)).collect()
}

/// The functions that are called in this process; in a serial run, KeyboardInterrupt may be raised in them.
fn functions(
    mut builder: TaskBuilder,
    task: &Bound<'_, PyAny>,
    grid: &Arc<Grid>,
    interrupt: Option<&Interrupt>,
) -> PyResult<TaskBuilder> {
    let py = task.py();
    let function = |function: Py<PyAny>| Function::new(function.bind(py), grid, interrupt.cloned());
    let Checks { before, after } = Checks::of(task)?;
    builder = match (before.map(function), after.map(function)) {
        (Some(before), Some(after)) => {
            builder.check_pair(move |block| before.check(block), move |block| after.check(block))
        }
        (Some(before), None) => builder.check(move |block| before.check(block)),
        _ => builder,
    };
    let mask = task.getattr("mask")?;
    if !mask.is_none() {
        let mask = function(mask.unbind());
        builder = builder.mask(move |roi| mask.mask(roi));
    }
    let init = task.getattr("init_callback_fn")?;
    if !init.is_none() {
        let init = function(init.unbind());
        builder = if interrupt.is_some() {
            builder.init(move || init.init(None))
        } else {
            builder.init_with_context(move |context| init.init(Some(context)))
        };
    }
    Ok(builder)
}

/// A Python function of the blocks of a task.
struct Function {
    function: Py<PyAny>,
    grid: Arc<Grid>,
    /// Where a KeyboardInterrupt is kept that was raised in it.
    interrupt: Option<Interrupt>,
}

impl Function {
    fn new(function: &Bound<'_, PyAny>, grid: &Arc<Grid>, interrupt: Option<Interrupt>) -> Self {
        Self { function: function.clone().unbind(), grid: Arc::clone(grid), interrupt }
    }

    /// Calls the function. A process that it has forked and that comes back out of it is no part of the run: it ends.
    fn call<'py>(
        &self,
        py: Python<'py>,
        arguments: impl PyCallArgs<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static END_FORK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let process = std::process::id();
        let result = self.function.bind(py).call1(arguments);
        if std::process::id() != process {
            let error = result.as_ref().err().map(|error| error.value(py));
            let ended = END_FORK.import(py, "daisy._errors", "end_fork");
            let _never = ended.and_then(|end_fork| end_fork.call1((error,)));
            std::process::abort();
        }
        result
    }

    /// Calls a block function; what it raises is the error, with its traceback.
    fn process(&self, block: &daisy::Block, loan: Loan) -> BlockResult {
        Python::attach(|py| {
            let own = Block::lent(Arc::clone(&self.grid), block.key.cell, loan);
            let own = Bound::new(py, own).map_err(text)?;
            match self.call(py, (&own,)) {
                Ok(_) if own.get().status() == daisy::BlockStatus::Failed => {
                    Err("the function set the block's status to FAILED".into())
                }
                Ok(_) => Ok(()),
                Err(error) => {
                    let described = described(py, &error, &own);
                    self.keep(py, error);
                    Err(described.into())
                }
            }
        })
    }

    /// What was raised as an error; its text has the traceback.
    fn raised(&self, py: Python<'_>, error: PyErr) -> BoxError {
        let described = described(py, &error, py.None().bind(py));
        self.keep(py, error);
        described.into()
    }

    /// Keeps a KeyboardInterrupt for the caller of the run.
    fn keep(&self, py: Python<'_>, error: PyErr) {
        if error.is_instance_of::<PyKeyboardInterrupt>(py)
            && let Some(interrupt) = &self.interrupt
        {
            interrupt.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            // The thread that hears of the same Ctrl-C ends the run; not one more block is begun.
            py.detach(|| thread::park_timeout(SIGNAL_TIME));
        }
    }

    fn check(&self, block: &daisy::Block) -> Result<bool, BoxError> {
        Python::attach(|py| {
            let own = Block::at(Arc::clone(&self.grid), block.key.cell);
            let answer = self.call(py, (own,)).and_then(|answer| answer.is_truthy());
            answer.map_err(|error| self.raised(py, error))
        })
    }

    /// True: nothing is to be done there. False: everything is. None: it depends.
    fn mask(&self, roi: &daisy::Roi) -> Result<Verdict, BoxError> {
        Python::attach(|py| {
            let answer = self.call(py, (crate::roi::Roi::from(roi.clone()),));
            let answer = answer.map_err(|error| self.raised(py, error))?;
            if answer.is_none() {
                return Ok(Verdict::Part);
            }
            let is_all = answer.is_truthy().map_err(|error| self.raised(py, error))?;
            Ok(if is_all { Verdict::All } else { Verdict::None })
        })
    }

    fn init(&self, context: Option<&str>) -> BlockResult {
        static OF_TEXT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        Python::attach(|py| {
            let of_text = OF_TEXT.import(py, "daisy.context", "of_text").map_err(text)?;
            let context = of_text.call1((context,)).map_err(text)?;
            self.call(py, (context,)).map_err(|error| self.raised(py, error)).map(drop)
        })
    }
}

/// An exception as an error; its text has the traceback.
fn text(error: PyErr) -> BoxError {
    Python::attach(|py| described(py, &error, py.None().bind(py)).into())
}

/// The text of an exception with its traceback; it is logged too if a block function raised it.
fn described(py: Python<'_>, error: &PyErr, block: &Bound<'_, PyAny>) -> String {
    static DESCRIBE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let describe = DESCRIBE.import(py, "daisy._errors", "describe");
    let raised = (error.value(py), error.traceback(py), block);
    let described = describe.and_then(|describe| describe.call1(raised));
    described
        .and_then(|described| described.extract())
        .unwrap_or_else(|_| format!("{} (its text cannot be had)", error.get_type(py)))
}

/// Works at the blocks of a run, in a worker process: the exit code with which it should end.
#[pyfunction]
pub(crate) fn work(
    py: Python<'_>,
    context: &str,
    function: &Bound<'_, PyAny>,
    task: (Bound<'_, PyString>, Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>, String),
) -> PyResult<i32> {
    let (name, total, read, write, fit) = task;
    let grid = grid(&name, &total, [(&read, "read_roi"), (&write, "write_roi")], &fit)?;
    let context = parsed(context)?;
    let function = Function::new(function, &grid, None);
    Ok(py.detach(move || worker::work(&context, move |block, loan| function.process(block, loan))))
}

/// A context from its text.
pub(crate) fn parsed(context: &str) -> PyResult<daisy::Context> {
    let wrong = |error: daisy::ContextError| PyValueError::new_err(error.to_string());
    context.parse().map_err(wrong)
}

fn grid(
    name: &Bound<'_, PyString>,
    total: &Bound<'_, PyAny>,
    block: [(&Bound<'_, PyAny>, &str); 2],
    fit: &str,
) -> PyResult<Arc<Grid>> {
    let layout = layout_of(&name.to_string(), convert::roi(total, "total_roi")?, block, fit)?;
    let tiling = daisy::Tiling::new(&layout);
    Ok(Arc::new(Grid { name: name.clone().unbind(), task: daisy::TaskId::new(0), tiling }))
}
