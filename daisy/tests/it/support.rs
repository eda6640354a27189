//! What most tests need.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use daisy::{
    Block, BlockEvent, BlockKey, BlockResult, Error, Notice, ObservedTask, Observer, Roi,
    RunOptions, RunReport, Task, TaskBuilder, TaskId,
};

/// A ROI in one dimension.
pub(crate) fn roi(begin: i64, end: i64) -> Roi {
    Roi::new([begin], [end - begin]).unwrap()
}

/// A task of so many blocks in one dimension, without context; has no process function yet.
pub(crate) fn line(name: &str, blocks: i64) -> TaskBuilder {
    Task::builder(name, roi(0, 10 * blocks), roi(0, 10), roi(0, 10))
}

/// No run that is made by [`run_in_time`] takes that long.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// What a run says; it is made on a thread of its own, so that one that hangs fails the test.
pub(crate) fn run_in_time(options: RunOptions, tasks: &[Task]) -> Result<RunReport, Error> {
    let (tell, told) = mpsc::channel();
    let tasks = tasks.to_vec();
    thread::spawn(move || tell.send(options.run(&tasks)));
    match told.recv_timeout(LIMIT) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the run hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the run panicked"),
    }
}

/// Runs without waiting between attempts.
pub(crate) fn quick() -> RunOptions {
    RunOptions::new().backoff(Duration::ZERO, Duration::ZERO)
}

/// Counts the calls for each block.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<BTreeMap<BlockKey, usize>>>);

impl Calls {
    /// Notes a call; returns how many there were for this block, with this one.
    pub(crate) fn note(&self, block: &Block) -> usize {
        let mut calls = self.0.lock().unwrap();
        let calls = calls.entry(block.key).or_default();
        *calls += 1;
        *calls
    }

    /// A block function that notes its calls.
    pub(crate) fn function(&self) -> impl Fn(&Block) + Send + Sync + 'static {
        let calls = self.clone();
        move |block| {
            calls.note(block);
        }
    }

    /// A block function that notes its calls and fails so many times for each block of `cells`.
    pub(crate) fn failing(
        &self,
        cells: &'static [u64],
        times: usize,
    ) -> impl Fn(&Block) -> BlockResult + Send + Sync + 'static {
        let calls = self.clone();
        move |block| {
            let is_bad = cells.contains(&block.key.cell);
            if calls.note(block) <= times && is_bad { Err("bad block".into()) } else { Ok(()) }
        }
    }

    pub(crate) fn total(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }

    /// How often the blocks were called: one entry for each block that was.
    pub(crate) fn each(&self) -> Vec<usize> {
        self.0.lock().unwrap().values().copied().collect()
    }
}

/// A number that threads add to.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn value(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Writes down what it is told.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Observer for Log {
    fn run_started(&mut self, tasks: &[ObservedTask]) {
        self.note(format!("run of {} x {}", tasks[0].num_blocks, tasks[0].name));
    }

    fn task_started(&mut self, task: TaskId) {
        self.note(format!("{task} started"));
    }

    fn block_granted(&mut self, block: BlockKey, attempt: u32) {
        self.note(format!("{block} granted, attempt {attempt}"));
    }

    fn block_settled(&mut self, block: BlockKey, event: &BlockEvent) {
        self.note(format!("{block} {event:?}"));
    }

    fn task_ended(&mut self, task: TaskId) {
        self.note(format!("{task} ended"));
    }

    fn run_ended(&mut self, report: &RunReport) {
        self.note(format!("run ended, {:?}", report.outcome));
    }
}

/// Sends what a run says of itself.
pub(crate) fn notices() -> (Hears<impl FnMut(&Notice) + Send + 'static>, mpsc::Receiver<Notice>) {
    let (tell, said) = mpsc::channel();
    (Hears(move |notice: &Notice| drop(tell.send(notice.clone()))), said)
}

/// Is told what a run says of itself.
pub(crate) struct Hears<F>(pub(crate) F);

impl<F: FnMut(&Notice) + Send> Observer for Hears<F> {
    fn wants_notices(&self) -> bool {
        true
    }

    fn noticed(&mut self, notice: &Notice) {
        (self.0)(notice);
    }
}
