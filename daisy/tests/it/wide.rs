//! Blocks that read so far around that those they wait for are too many to be counted.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    iter,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use daisy::{
    Block, BlockEvent, BlockKey, ObservedTask, Observer, Roi, RunOutcome, RunReport, StopHandle,
    Task, TaskBuilder, TaskId, Verdict,
};

use crate::support::{line, quick, run_in_time as run};

/// A task of `side` blocks of one voxel along each axis, each of which reads `reach` more on each side.
fn wide(name: &str, side: i64, reach: i64, dims: usize) -> TaskBuilder {
    let cube = |begin: i64, end: i64| Roi::from_begin_end(vec![begin; dims], vec![end; dims]);
    let total = cube(-reach, side + reach).unwrap();
    Task::builder(name, total, cube(-reach, reach + 1).unwrap(), cube(0, 1).unwrap())
}

/// The block in the middle of 100 x 100 that was done before.
fn one_of_them() -> Result<Vec<Range<u64>>, Infallible> {
    Ok(iter::once(4_130..4_131).collect())
}

/// What became of the blocks of one task: each is begun and ended once, and apart from those it conflicts with.
#[derive(Default)]
struct Record {
    at_work: Vec<(u64, Roi, Roi)>,
    calls: BTreeMap<u64, usize>,
    conflicts: Vec<(u64, u64)>,
    most_at_once: usize,
}

impl Record {
    fn begin(&mut self, cell: u64, read: &Roi, write: &Roi) {
        for (other, its_read, its_write) in &self.at_work {
            if read.intersects(its_write).unwrap() || its_read.intersects(write).unwrap() {
                self.conflicts.push((*other, cell));
            }
        }
        self.at_work.push((cell, read.clone(), write.clone()));
        *self.calls.entry(cell).or_default() += 1;
        self.most_at_once = self.most_at_once.max(self.at_work.len());
    }

    fn end(&mut self, cell: u64) {
        self.at_work.retain(|(other, ..)| *other != cell);
    }

    /// All blocks but those that are not wanted ran once, and none beside one it conflicts with.
    fn check(&self, num_blocks: u64) {
        assert_eq!(self.conflicts, []);
        assert_eq!((self.calls.len() as u64, self.at_work.len()), (num_blocks, 0));
        assert!(self.calls.values().all(|&calls| calls == 1));
    }
}

/// A block function that records what it does.
fn recording(record: &Arc<Mutex<Record>>) -> impl Fn(&Block) + Send + Sync + 'static {
    let record = Arc::clone(record);
    move |block| {
        record.lock().unwrap().begin(block.key.cell, &block.read_roi, &block.write_roi);
        thread::yield_now();
        record.lock().unwrap().end(block.key.cell);
    }
}

#[test]
fn wide_contexts_with_a_block_that_was_done_before_run_all_others_apart() {
    for (num_workers, serial) in [(1, true), (1, false), (2, false)] {
        let record = Arc::default();
        let task = wide("wide", 100, 19, 2)
            .num_workers(num_workers)
            .blocks_done(one_of_them)
            .process(recording(&record))
            .build()
            .unwrap();
        let report = run(quick().serial(serial), &[task]).unwrap();
        let counts = report.tasks[0].counts;
        assert_eq!((counts.completed, counts.skipped), (9_999, 1), "{num_workers}: {report}");
        let record = record.lock().unwrap();
        record.check(9_999);
        assert!(!record.calls.contains_key(&4_130));
        assert!(record.most_at_once <= num_workers as usize);
    }
}

#[test]
fn masked_boxes_in_wide_contexts_leave_the_others_to_run_apart() {
    let hidden = Roi::from_begin_end([12, 8, 20], [22, 18, 30]).unwrap();
    for (num_workers, serial) in [(1, true), (2, false)] {
        let record = Arc::default();
        let hidden = hidden.clone();
        let task = wide("wide", 40, 5, 3)
            .num_workers(num_workers)
            .mask(move |roi| match roi.intersect(&hidden).unwrap() {
                shared if shared.is_empty() => Verdict::None,
                shared if shared == *roi => Verdict::All,
                _ => Verdict::Part,
            })
            .process(recording(&record))
            .build()
            .unwrap();
        let report = run(quick().serial(serial), &[task]).unwrap();
        let counts = report.tasks[0].counts;
        assert_eq!((counts.completed, counts.skipped), (63_000, 1_000), "{num_workers}: {report}");
        record.lock().unwrap().check(63_000);
    }
}

#[cfg(unix)]
#[test]
fn wide_contexts_in_worker_processes_run_all_blocks_apart() {
    let folder = tempfile::tempdir().unwrap();
    let task = wide("wide", 100, 19, 2).num_workers(2).blocks_done(one_of_them);
    let task = crate::outside::by_this_program(task, folder.path()).build().unwrap();
    let node = task.clone();
    let report = run(crate::outside::options(folder.path()), &[task]).unwrap();
    assert_eq!((report.tasks[0].counts.completed, report.tasks[0].counts.skipped), (9_999, 1));
    let mut record = Record::default();
    let tiling = daisy::Tiling::new(node.layout());
    for line in std::fs::read_to_string(folder.path().join("log")).unwrap().lines() {
        let [key, word, _] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let cell: u64 = key.rsplit('/').next().unwrap().parse().unwrap();
        let block = tiling.block(TaskId::new(0), cell).unwrap();
        match word {
            "begin" => record.begin(cell, &block.read_roi, &block.write_roi),
            _ => record.end(cell),
        }
    }
    record.check(9_999);
}

/// Counts the blocks of "other" that were completed after "bad" had failed and before "wide" ended.
#[derive(Clone, Default)]
struct Between {
    names: BTreeMap<TaskId, String>,
    has_failed: Arc<AtomicBool>,
    has_ended: Arc<AtomicBool>,
    num_completed: Arc<AtomicUsize>,
    /// Stops the run once "bad" has failed.
    stop: Option<StopHandle>,
}

impl Observer for Between {
    fn run_started(&mut self, tasks: &[ObservedTask]) {
        self.names = tasks.iter().map(|task| (task.id, task.name.clone())).collect();
    }

    fn block_settled(&mut self, _: BlockKey, event: &BlockEvent) {
        match event {
            BlockEvent::Failed { .. } => {
                self.has_failed.store(true, Ordering::SeqCst);
                self.stop.iter().for_each(StopHandle::stop);
            }
            BlockEvent::Completed if self.has_failed.load(Ordering::SeqCst) => {
                let is_before = !self.has_ended.load(Ordering::SeqCst);
                self.num_completed.fetch_add(usize::from(is_before), Ordering::SeqCst);
            }
            _ => {}
        }
    }

    fn task_ended(&mut self, task: TaskId) {
        if self.names[&task] == "wide" {
            self.has_ended.store(true, Ordering::SeqCst);
        }
    }
}

/// A block that fails for good once it is told to, and very many blocks that wait for it.
fn orphaning(side: i64, has_begun: impl Fn() -> bool + Send + Sync + 'static) -> Task {
    let volume = Roi::from_begin_end([0; 2], [side; 2]).unwrap();
    let bad = Task::builder("bad", volume.clone(), volume.clone(), volume)
        .max_retries(0)
        .process(move |_| {
            while !has_begun() {
                thread::park_timeout(Duration::from_millis(1));
            }
            Err::<(), _>("no good")
        })
        .build()
        .unwrap();
    wide("wide", side, 19, 2).upstream(&bad).process(|_| ()).build().unwrap()
}

fn check_orphans(report: &RunReport, num_orphans: u64, num_others: u64, between: &Between) {
    let counts = |name: &str| report.tasks.iter().find(|task| task.name == name).unwrap().counts;
    assert_eq!(counts("bad").failed, 1, "{report}");
    let wide = counts("wide");
    assert_eq!((wide.orphaned, wide.total), (num_orphans, num_orphans), "{report}");
    let others = report.tasks.iter().find(|task| task.name != "bad" && task.name != "wide");
    assert_eq!(others.unwrap().counts.completed, num_others, "{report}");
    let num_between = between.num_completed.load(Ordering::SeqCst);
    println!("{num_between} others while {num_orphans} blocks were orphaned");
    assert!(num_between >= 5, "others had to wait: {num_between} were completed");
}

#[test]
fn others_go_on_while_very_many_blocks_are_orphaned() {
    let between = Between::default();
    let (num_begun, has_ended) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&between.has_ended));
    let begun = Arc::clone(&num_begun);
    let wide = orphaning(300, move || begun.load(Ordering::SeqCst) >= 5);
    let other = line("other", 20_000).process(move |_| {
        num_begun.fetch_add(1, Ordering::SeqCst);
        // So long that each is reported by itself.
        if !has_ended.load(Ordering::SeqCst) {
            thread::park_timeout(Duration::from_millis(3));
        }
    });
    let options = quick().observer(between.clone());
    let report = run(options, &[wide, other.build().unwrap()]).unwrap();
    check_orphans(&report, 90_000, 20_000, &between);
}

#[cfg(unix)]
#[test]
fn worker_processes_are_heard_while_very_many_blocks_are_orphaned() {
    let (between, folder) = (Between::default(), tempfile::tempdir().unwrap());
    let log = folder.path().join("log");
    let wide = orphaning(300, move || log.exists());
    let other = crate::outside::outside("count", 1_000, folder.path()).num_workers(1);
    let options = crate::outside::options(folder.path()).observer(between.clone());
    let report = run(options, &[wide, other.build().unwrap()]).unwrap();
    check_orphans(&report, 90_000, 1_000, &between);
}

#[test]
fn a_serial_run_counts_very_many_orphans_exactly() {
    let report = run(quick().serial(true), &[orphaning(100, || true)]).unwrap();
    assert_eq!(report.tasks[1].counts.orphaned, 10_000, "{report}");
}

#[test]
fn a_stop_is_heard_while_very_many_blocks_are_orphaned() {
    for serial in [true, false] {
        let stop = StopHandle::new();
        let between = Between { stop: Some(stop.clone()), ..Between::default() };
        let options = quick().serial(serial).stop_handle(&stop).observer(between);
        let report = run(options, &[orphaning(1_000, || true)]).unwrap();
        assert_eq!(report.outcome, RunOutcome::Interrupted, "{report}");
        let wide = report.tasks[1].counts;
        assert_eq!(wide.orphaned + wide.pending, 1_000_000, "{report}");
        assert!(wide.pending > 500_000, "the run went on: {report}");
    }
}
