//! Runs large enough for the sizes that are shipped: whatever is left for later is done later.

use std::collections::{BTreeMap, VecDeque};

use daisy_block::{Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_sched::{
    Cause, Coordinator, CoordinatorConfig, Input, Lease, Moment, Outcome, Output, Reason, Request,
    Scheduler, SchedulerOptions, WorkerId, WorkerKind,
};

use super::play::{A, B, external};

/// A run, and workers that always want the blocks that they were given once more.
struct Large {
    coordinator: Coordinator,
    leases: VecDeque<Lease>,
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
        let scheduler = Scheduler::new(tasks, options).unwrap();
        let config =
            CoordinatorConfig { tasks: vec![external(); 2], ..CoordinatorConfig::default() };
        let coordinator = Coordinator::new(scheduler, config).unwrap();
        let (leases, wanted) = (VecDeque::new(), BTreeMap::new());
        Self { coordinator, leases, wanted, num_turns: 0, most_orphaned: 0, is_done: false }
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
