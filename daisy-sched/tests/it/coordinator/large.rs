//! Runs large enough for the sizes that are shipped: whatever is left for later is done later.

use std::collections::{BTreeMap, VecDeque};

use daisy_block::{CellBox, Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_sched::{
    Cause, Coordinator, CoordinatorConfig, Input, Lease, Moment, Outcome, Output, Question, Reason,
    Request, Scheduler, SchedulerOptions, Tuning, Verdict, WorkerId, WorkerKind,
};

use super::play::{A, B, external};

/// A run, and workers that always want the blocks that they were given once more.
struct Large {
    coordinator: Coordinator,
    leases: VecDeque<Lease>,
    questions: VecDeque<Box<Question>>,
    wanted: BTreeMap<WorkerId, u32>,
    num_turns: u64,
    most_orphaned: u64,
    is_done: bool,
}

impl Large {
    /// So many blocks of some width, each read by those of one voxel that are within reach.
    fn new(above: i64, width: i64, context: i64) -> Self {
        let layout = |width: i64, total: i64, context: i64| {
            let roi = |begin: i64, end: i64| Roi::from_begin_end([begin], [end]).unwrap();
            let (total, write) = (roi(-context, total + context), roi(0, width));
            let read = write.grow(context, context).unwrap();
            TaskNode::new(
                format!("{width}"),
                Layout::new(total, read, write, Fit::Valid).unwrap(),
                false,
            )
        };
        let mut tasks = TaskGraph::new();
        let total = above * width;
        let above = tasks.add_task(layout(width, total, 0).unwrap()).unwrap();
        let below = tasks.add_task(layout(1, total, context).unwrap()).unwrap();
        tasks.add_edge(above, below).unwrap();
        let options = SchedulerOptions {
            request: Request::Everything,
            max_retries: vec![0; 2],
            ..SchedulerOptions::default()
        };
        Self::of(tasks, options)
    }

    fn of(tasks: TaskGraph, options: SchedulerOptions) -> Self {
        let scheduler = Scheduler::new(tasks, options).unwrap();
        let config =
            CoordinatorConfig { tasks: vec![external(); 2], ..CoordinatorConfig::default() };
        Self {
            coordinator: Coordinator::new(scheduler, config).unwrap(),
            leases: VecDeque::new(),
            questions: VecDeque::new(),
            wanted: BTreeMap::new(),
            num_turns: 0,
            most_orphaned: 0,
            is_done: false,
        }
    }

    fn tell(&mut self, input: Input) {
        self.coordinator.handle(Moment::ZERO, input).unwrap();
        let mut num_orphaned = 0;
        while let Some(output) = self.coordinator.poll_output() {
            match output {
                Output::Grant(lease) => {
                    *self.wanted.get_mut(&lease.worker).unwrap() -= 1;
                    self.leases.push_back(lease);
                }
                Output::Orphaned { cells, .. } => num_orphaned += cells.end - cells.start,
                Output::Ask(question) => self.questions.push_back(question),
                Output::Done => self.is_done = true,
                _ => {}
            }
        }
        self.most_orphaned = self.most_orphaned.max(num_orphaned);
    }

    fn join(&mut self, task: TaskId, blocks: u32) {
        let worker = self.coordinator.name_worker();
        self.wanted.insert(worker, blocks);
        self.tell(Input::Joined { worker, task, kind: WorkerKind::Thread });
        self.tell(Input::Want { worker, blocks });
    }

    /// Goes on with what was left, as a driver does.
    fn go_on(&mut self) {
        while let Some((Moment::ZERO, Reason::Backlog)) = self.coordinator.next_deadline() {
            self.num_turns += 1;
            self.tell(Input::Timeout);
        }
    }

    fn settle(&mut self, lease: Lease, outcome: Outcome) {
        let Lease { id, worker, key, .. } = lease;
        self.tell(Input::Settle { worker, lease: id, outcome });
        if key.task == B {
            *self.wanted.get_mut(&worker).unwrap() += 1;
            self.tell(Input::Want { worker, blocks: 1 });
        }
        self.go_on();
    }
}

#[test]
fn very_many_readers_of_few_blocks_run_or_are_orphaned() {
    let (above, width, context) = (4, 100_000, 700);
    let mut run = Large::new(above, width, context);
    (0..6).for_each(|_| run.join(B, 50));
    run.join(A, above as u32);
    let above: Vec<Lease> = run.leases.drain(..).collect();
    let [first @ .., last] = &above[..] else { panic!("{above:?}") };
    run.settle(*last, Outcome::Failed(Cause(1)));
    first.iter().for_each(|&lease| run.settle(lease, Outcome::Completed));
    while let Some(lease) = run.leases.pop_front() {
        run.settle(lease, Outcome::Completed);
    }
    assert!(run.is_done);
    let (counts, orphaned) = (run.coordinator.counts(B).unwrap(), (width + context) as u64);
    assert_eq!((counts.orphaned, counts.completed), (orphaned, counts.total - orphaned));
    let paths = run.coordinator.scheduler().paths();
    assert!(paths.decided > 200_000 && paths.put_off > 0, "{paths:?}");
    let paths = run.coordinator.paths();
    assert!(paths.displaced > 0 && paths.doubled > 0, "{paths:?}");
}

#[test]
fn very_many_blocks_are_orphaned_in_turns_of_a_bounded_size() {
    for (above, width, context) in [(1, 3_000_000, 0), (3, 1_000_000, 700)] {
        let mut run = Large::new(above, width, context);
        run.join(A, above as u32);
        for lease in run.leases.drain(..).collect::<Vec<_>>() {
            run.settle(lease, Outcome::Failed(Cause(1)));
        }
        assert!(run.is_done);
        assert_eq!(run.coordinator.counts(B).unwrap().orphaned, 3_000_000);
        assert!(run.num_turns > 5 && run.most_orphaned < 500_000, "{}", run.most_orphaned);
        assert!(run.coordinator.scheduler().paths().interrupted > 0);
    }
}

#[test]
fn a_masked_box_of_many_rows_is_closed_in_turns_of_a_bounded_size() {
    let masked = CellBox::new([0..30, 30..60, 0..30]);
    let layout = |context: i64| {
        let write = Roi::new([0; 3], [1; 3]).unwrap();
        let read = write.grow(context, context).unwrap();
        let total = Roi::new([0; 3], [60; 3]).unwrap().grow(context, context).unwrap();
        Layout::new(total, read, write, Fit::Valid).unwrap()
    };
    let mut tasks = TaskGraph::new();
    let above = tasks.add_task(TaskNode::new("above", layout(1), true).unwrap()).unwrap();
    let below = tasks.add_task(TaskNode::new("below", layout(2), false).unwrap()).unwrap();
    tasks.add_edge(above, below).unwrap();
    let grid = tasks[above].tiling().clone();
    let tuning = Tuning { max_steps: 256, ..Tuning::default() };
    let options = SchedulerOptions { masked: [above].into(), tuning, ..Default::default() };
    let mut run = Large::of(tasks, options);
    run.join(B, 100);
    run.join(A, 100);
    let is_masked = |cell: u64| masked.contains(grid.index(cell).unwrap().as_slice()).unwrap();
    let (mut num_left, mut done) = (0, vec![false; grid.num_cells() as usize]);
    loop {
        run.go_on();
        if let Some(question) = run.questions.pop_front() {
            let verdict = match question.cells.intersect(&masked).unwrap() {
                cells if cells.is_empty() => Verdict::None,
                cells if cells == question.cells => Verdict::All,
                _ => Verdict::Part,
            };
            let before = run.coordinator.counts(A).unwrap().skipped;
            let num_cells = question.cells.num_cells();
            run.tell(Input::Answered { question, verdict });
            let skipped = run.coordinator.counts(A).unwrap().skipped - before;
            assert!(skipped <= 256 * 30, "{skipped} in one turn");
            num_left += u32::from(verdict == Verdict::All && skipped < num_cells);
        } else if let Some(Lease { id, worker, key, .. }) = run.leases.pop_front() {
            if key.task == A {
                assert!(!is_masked(key.cell), "{key}");
                done[key.cell as usize] = true;
            } else {
                let index = grid.index(key.cell).unwrap();
                let around = |axis: usize| index[axis] - 2..index[axis] + 3;
                let mut read = grid.runs_along(around).flatten();
                assert!(read.all(|cell| done[cell as usize] || is_masked(cell)), "{key}");
            }
            *run.wanted.get_mut(&worker).unwrap() += 1;
            run.tell(Input::Settle { worker, lease: id, outcome: Outcome::Completed });
            run.tell(Input::Want { worker, blocks: 1 });
        } else {
            break;
        }
    }
    assert!(run.is_done && num_left > 0, "{num_left}");
    let (above, below) = (run.coordinator.counts(A).unwrap(), run.coordinator.counts(B).unwrap());
    assert_eq!((above.skipped, above.completed), (27_000, 189_000));
    assert_eq!(below.completed, 216_000);
    let paths = run.coordinator.scheduler().paths();
    assert!(paths.passed > 0 && paths.scanned_again > 0 && paths.recounted > 0, "{paths:?}");
}
