//! Calls that make no sense, and requests and numbers of an unusual size: each is refused with a reason, or costs
//! what it has to.

use std::{iter::once, ops::Range};

use daisy_block::{BlockKey, CellBox, Fit, Layout, Order, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_sched::{
    Cause, Coordinator, CoordinatorConfig, Counts, Failure, Input, Lease, Moment, Outcome, Output,
    Request, Scheduler, SchedulerBuilder, SchedulerError, SchedulerOptions, TaskConfig, Tuning,
    Verdict, WorkerKind,
};

const A: TaskId = TaskId::new(0);
const B: TaskId = TaskId::new(1);

/// Chained tasks of blocks of one voxel in grids of a shape; each reads `context` voxels around its own.
fn tasks(shape: &[i64], context: i64, count: usize) -> TaskGraph {
    let mut tasks = TaskGraph::new();
    let filled = |entry: i64| vec![entry; shape.len()];
    for place in 0..count {
        let write = Roi::new(filled(0), filled(1)).unwrap();
        let total = Roi::new(filled(0), shape.to_vec()).unwrap();
        let [total, read] = [&total, &write].map(|roi| roi.grow(context, context).unwrap());
        let layout = Layout::new(total, read, write, Fit::Valid).unwrap();
        let task = TaskNode::new(format!("task {place}"), layout, false).unwrap();
        let task = tasks.add_task(task).unwrap();
        if place > 0 {
            tasks.add_edge(TaskId::new(place as u32 - 1), task).unwrap();
        }
    }
    tasks
}

fn builder(tasks: TaskGraph, request: Request) -> SchedulerBuilder {
    let options = SchedulerOptions { request, ..SchedulerOptions::default() };
    Scheduler::builder(tasks, options).unwrap()
}

fn key(task: TaskId, cell: u64) -> BlockKey {
    BlockKey::new(task, cell)
}

/// A range whose end lies below its begin.
fn backwards<T>(start: T, end: T) -> Range<T> {
    start..end
}

fn run_all(scheduler: &mut Scheduler) -> u64 {
    let mut blocks = 0;
    while let Some(key) = scheduler.acquire() {
        scheduler.complete(key).unwrap();
        blocks += 1;
    }
    blocks
}

#[test]
fn blocks_can_be_completed_between_those_that_were_taken_up() {
    let mut taken_up = builder(tasks(&[2], 0, 2), Request::LastTasks).take_up();
    taken_up.acquire_block(key(A, 0)).unwrap();
    let mut scheduler = taken_up.build();
    scheduler.complete(key(A, 0)).unwrap();
    assert_eq!(run_all(&mut scheduler), 3);
    assert!(scheduler.is_done() && scheduler.counts(B).unwrap().is_success());
}

#[test]
fn a_block_that_is_refused_changes_nothing() {
    let mut taken_up = builder(tasks(&[4], 0, 2), Request::LastTasks).take_up();
    let before = taken_up.clone().build();
    let wrong = |block| Err(SchedulerError::WrongState { block, expected: "ready" });
    assert_eq!(taken_up.acquire_block(key(B, 0)), wrong(key(B, 0)));
    let nobody = SchedulerError::UnknownTask { task: TaskId::new(2), num_tasks: 2 };
    assert_eq!(taken_up.acquire_block(key(TaskId::new(2), 0)), Err(nobody));
    let none = SchedulerError::UnknownBlock { block: key(A, u64::MAX) };
    assert_eq!(taken_up.acquire_block(key(A, u64::MAX)), Err(none));
    let mut scheduler = taken_up.build();
    for task in [A, B] {
        assert_eq!(scheduler.counts(task), before.counts(task));
    }
    assert_eq!(run_all(&mut scheduler), 8);
}

#[test]
fn the_attempt_after_the_most_that_can_be_counted_is_the_last() {
    let mut earlier = builder(tasks(&[1], 0, 1), Request::LastTasks);
    earlier.note_attempts(key(A, 0), u32::MAX).unwrap();
    let none = SchedulerError::UnknownBlock { block: key(A, 1) };
    assert_eq!(earlier.note_attempts(key(A, 1), 1), Err(none));
    let options = SchedulerOptions { max_retries: vec![u32::MAX], ..SchedulerOptions::default() };
    let mut endless = Scheduler::builder(tasks(&[1], 0, 1), options).unwrap();
    endless.note_attempts(key(A, 0), u32::MAX).unwrap();
    for builder in [earlier, endless] {
        let mut scheduler = builder.build();
        let block = scheduler.acquire().unwrap();
        assert_eq!(scheduler.fail(block), Ok(Failure::Final { attempts: u32::MAX }));
        assert!(scheduler.is_done());
    }
}

#[test]
fn answers_about_boxes_that_were_not_asked_for_are_refused() {
    let options = SchedulerOptions { masked: [A].into(), ..SchedulerOptions::default() };
    let mut scheduler = Scheduler::new(tasks(&[3, 3], 0, 1), options).unwrap();
    assert_eq!(scheduler.acquire(), None);
    let asked = scheduler.question().unwrap();
    let refused = Err(SchedulerError::NoSuchQuestion { task: A });
    let all = i64::MIN..i64::MAX;
    for cells in [
        CellBox::empty(2),
        CellBox::empty(0),
        CellBox::new(once(0..3)),
        CellBox::new([0..3, 0..3, 0..1]),
        CellBox::new([all.clone(), all.clone()]),
        CellBox::new([backwards(i64::MAX, i64::MIN), 0..3]),
        CellBox::new([0..i64::MAX, i64::MIN..3]),
    ] {
        assert_eq!(scheduler.answer(A, &cells, Verdict::All), refused, "{cells:?}");
    }
    scheduler.answer(A, &asked.cells, Verdict::None).unwrap();
    assert_eq!(run_all(&mut scheduler), 9);
}

#[test]
fn two_blocks_far_apart_in_the_largest_grids() {
    for edge in [1 << 14, 1 << 16] {
        let far = [0, edge - 1].map(|at| (B, Roi::new([at; 3], [1; 3]).unwrap()));
        let earlier = builder(tasks(&[edge; 3], 0, 2), Request::Rois(far.to_vec()));
        let mut scheduler = earlier.build();
        assert_eq!(scheduler.counts(A).unwrap().total, 2);
        assert_eq!(run_all(&mut scheduler), 4);
        assert!(scheduler.is_done());
    }
}

#[test]
fn very_many_requested_regions_that_overlap() {
    let mut dice = 1_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        ((dice >> 33) % sides) as i64
    };
    let edge = 1 << 8;
    let rois: Vec<(TaskId, Roi)> = (0..40_000)
        .map(|_| {
            let begin: Vec<i64> = (0..3).map(|_| roll(edge as u64 - 4)).collect();
            let shape: Vec<i64> = (0..3).map(|_| 1 + roll(2)).collect();
            (B, Roi::new(begin, shape).unwrap())
        })
        .collect();
    // The oracle: every voxel by itself.
    let voxels = rois.iter().flat_map(|(_, roi)| {
        let along = |axis: usize| roi.begin_at(axis).unwrap()..roi.end_at(axis).unwrap();
        along(0).flat_map(move |z| along(1).flat_map(move |y| along(2).map(move |x| (z, y, x))))
    });
    let wanted: std::collections::BTreeSet<_> = voxels.collect();
    let mut scheduler = builder(tasks(&[edge; 3], 0, 2), Request::Rois(rois)).build();
    for task in [A, B] {
        assert_eq!(scheduler.counts(task).unwrap().total, wanted.len() as u64);
    }
    assert_eq!(run_all(&mut scheduler), 2 * wanted.len() as u64);
}

#[test]
fn finished_stretches_beside_what_is_requested() {
    let part = (A, Roi::new([100, 100, 100], [200, 300, 250]).unwrap());
    let mut earlier = builder(tasks(&[500; 3], 0, 1), Request::Rois(vec![part]));
    // All of the task at once, however many rows that are: what is not requested does not count.
    assert_eq!(earlier.take_over(A, 0..100_000_000), Ok(15_000_000));
    assert_eq!(earlier.take_over(A, 100_000_000..u64::MAX), Ok(0));
    assert_eq!(earlier.take_over(A, backwards(u64::MAX, 0)), Ok(0));
    let scheduler = earlier.build();
    assert!(scheduler.counts(A).unwrap().is_success());
}

#[test]
fn a_stretch_of_most_of_a_very_large_grid_in_any_order() {
    for order in [Order::Sweep, Order::Level, Order::Morton] {
        let far = [1, 1 << 13].map(|at| (A, Roi::new([at, 1, 2], [1, 20, 30]).unwrap()));
        let request = Request::Rois(far.to_vec());
        let options = SchedulerOptions { request, order, ..SchedulerOptions::default() };
        // Axes of which the fastest is not the last one.
        let tasks = tasks(&[1 << 14, 21, 32], 0, 1);
        let mut earlier = Scheduler::builder(tasks, options).unwrap();
        let plane = 21 * 32;
        let taken =
            [0..plane, 0..plane << 12, plane << 12..plane << 13, 0..plane << 13, 0..u64::MAX];
        let taken = taken.map(|cells| earlier.take_over(A, cells).unwrap());
        assert_eq!(taken, [0, 600, 0, 0, 600], "{order}");
        assert!(earlier.build().is_done());
    }
}

#[test]
fn requested_regions_that_cut_each_other_into_very_many_parts() {
    let slab = |axis: usize, at: i64| {
        let mut ends = [[0; 3], [10_000; 3]];
        (ends[0][axis], ends[1][axis]) = (at * 20, at * 20 + 1);
        (A, Roi::from_begin_end(ends[0], ends[1]).unwrap())
    };
    let request = Request::Rois((0..600).map(|slabs| slab(slabs % 3, slabs as i64 / 3)).collect());
    let options = SchedulerOptions { request, ..SchedulerOptions::default() };
    let refused = Scheduler::builder(tasks(&[10_000; 3], 0, 1), options).map(drop);
    assert_eq!(refused, Err(SchedulerError::RequestTooFine { task: A }));
}

#[test]
fn a_masked_task_that_does_not_exist() {
    let options = SchedulerOptions { masked: [B].into(), ..SchedulerOptions::default() };
    let refused = Scheduler::builder(tasks(&[4], 0, 1), options).map(drop);
    assert_eq!(refused, Err(SchedulerError::UnknownTask { task: B, num_tasks: 1 }));
}

#[test]
fn counts_that_were_set_by_hand_may_hold_anything() {
    let counts =
        |completed, skipped, total| Counts { completed, skipped, total, ..Counts::default() };
    let all = counts(u64::MAX, 2, 1);
    assert_eq!((all.finished(), all.is_success()), (u64::MAX, false));
    assert!(counts(u64::MAX, 0, u64::MAX).is_success());
}

#[test]
fn a_deadline_at_the_end_of_time_is_never_reached() {
    let scheduler = builder(tasks(&[3], 0, 1), Request::LastTasks).build();
    let task = TaskConfig { num_workers: 0, ..TaskConfig::default() };
    let config = CoordinatorConfig { tasks: vec![task], ..CoordinatorConfig::default() };
    let mut coordinator = Coordinator::new(scheduler, config).unwrap();
    let kind = WorkerKind::LocalProcess { heartbeats: false };
    for blocks in [3, 1] {
        let worker = coordinator.name_worker();
        coordinator.handle(Moment::ZERO, Input::Joined { worker, task: A, kind }).unwrap();
        coordinator.handle(Moment::ZERO, Input::Want { worker, blocks }).unwrap();
    }
    // The second one has nothing to do, so that the first one is asked for its blocks again and again.
    assert!(coordinator.next_deadline().is_some());
    coordinator.handle(Moment::MAX, Input::Timeout).unwrap();
    assert_eq!(coordinator.next_deadline(), None);
}

/// Blocks of one voxel, of which each reads one of two tasks of such blocks and one of a task of blocks of four.
/// Each call looks at so many rows of cells.
fn three_inputs(max_steps: u64) -> Coordinator {
    let roi = |end: i64| Roi::from_begin_end([0], [end]).unwrap();
    let mut tasks = TaskGraph::new();
    for (place, write) in (0..).zip([4, 1, 1, 1]) {
        let layout = Layout::new(roi(8), roi(write), roi(write), Fit::Valid).unwrap();
        tasks.add_task(TaskNode::new(format!("task {place}"), layout, false).unwrap()).unwrap();
    }
    (0..3).for_each(|up| tasks.add_edge(TaskId::new(up), TaskId::new(3)).unwrap());
    let tuning = Tuning { max_counted_readers: 0, max_steps, ..Tuning::default() };
    let (count_all_orphans, max_retries) = (false, vec![0; 4]);
    let options =
        SchedulerOptions { tuning, count_all_orphans, max_retries, ..SchedulerOptions::default() };
    let task = TaskConfig { num_workers: 0, ..TaskConfig::default() };
    let config = CoordinatorConfig { tasks: vec![task; 4], ..CoordinatorConfig::default() };
    Coordinator::new(Scheduler::new(tasks, options).unwrap(), config).unwrap()
}

/// A worker of a task that wants one block.
fn hire(coordinator: &mut Coordinator, task: TaskId) {
    let worker = coordinator.name_worker();
    let joined = Input::Joined { worker, task, kind: WorkerKind::Thread };
    coordinator.handle(Moment::ZERO, joined).unwrap();
    coordinator.handle(Moment::ZERO, Input::Want { worker, blocks: 1 }).unwrap();
}

/// The next block that is granted, if there is time to look for it.
fn granted(coordinator: &mut Coordinator) -> Option<Lease> {
    for _ in 0..20 {
        while let Some(output) = coordinator.poll_output() {
            if let Output::Grant(lease) = output {
                return Some(lease);
            }
        }
        coordinator.handle(Moment::ZERO, Input::Timeout).unwrap();
    }
    None
}

fn settle(coordinator: &mut Coordinator, lease: Lease, outcome: Outcome) {
    let (worker, lease) = (lease.worker, lease.id);
    coordinator.handle(Moment::ZERO, Input::Settle { worker, lease, outcome }).unwrap();
}

#[test]
fn a_block_that_fails_while_others_are_still_looked_for_does_not_hide_them() {
    let [wide, first, second, down] = [0, 1, 2, 3].map(TaskId::new);
    for max_steps in [0, 1, 2, 3, 4, 5, 16_384] {
        let mut coordinator = three_inputs(max_steps);
        let mut take = |task: TaskId| {
            hire(&mut coordinator, task);
            granted(&mut coordinator).unwrap()
        };
        let last = take(wide);
        let [of_second, of_first] = [second, first].map(|task| [(); 3].map(|()| take(task)));
        for lease in of_second.into_iter().chain([of_first[0], of_first[2]]) {
            settle(&mut coordinator, lease, Outcome::Completed);
        }
        // The second block downstream goes on waiting, for the one of `first` that is still out.
        settle(&mut coordinator, last, Outcome::Completed);
        hire(&mut coordinator, down);
        let failing = granted(&mut coordinator).unwrap();
        settle(&mut coordinator, failing, Outcome::Failed(Cause::default()));
        hire(&mut coordinator, down);
        let other = granted(&mut coordinator).map(|lease| lease.key);
        assert_eq!((failing.key, other), (key(down, 0), Some(key(down, 2))), "{max_steps} steps");
    }
}
