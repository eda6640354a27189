//! Grids too large for the oracle, with the sizes that are shipped: wide contexts, masked boxes, blocks with
//! very many readers. What may run is looked up cell by cell, straight from the definition.

use std::iter::once;

use daisy_block::{BlockKey, CellBox, Fit, Layout, Order, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_sched::{Paths, Request, Scheduler, SchedulerOptions, Verdict};

const TASK: TaskId = TaskId::new(0);

/// One task of blocks of one voxel, each of which reads some voxels below and above along every axis.
#[derive(Clone, Debug)]
struct Case {
    shape: Vec<i64>,
    /// Below and above, along each axis.
    context: Vec<(i64, i64)>,
    order: Order,
    /// Cells that were finished before.
    finished: Vec<std::ops::Range<u64>>,
    masked: Option<CellBox>,
    in_flight: usize,
}

impl Case {
    fn new(shape: &[i64], context: &[(i64, i64)]) -> Self {
        Self {
            shape: shape.to_vec(),
            context: context.to_vec(),
            order: Order::Sweep,
            finished: Vec::new(),
            masked: None,
            in_flight: 7,
        }
    }

    fn tasks(&self) -> TaskGraph {
        let dims = self.shape.len();
        let along = |each: &dyn Fn(usize) -> i64| (0..dims).map(each).collect::<Vec<_>>();
        let roi = |begin, end| Roi::from_begin_end(begin, end).unwrap();
        let (lo, hi) = (|axis: usize| self.context[axis].0, |axis: usize| self.context[axis].1);
        let total = roi(along(&|axis| -lo(axis)), along(&|axis| self.shape[axis] + hi(axis)));
        let read = roi(along(&|axis| -lo(axis)), along(&|axis| 1 + hi(axis)));
        let write = roi(along(&|_| 0), along(&|_| 1));
        let layout = Layout::new(total, read, write, Fit::Valid).unwrap();
        let mut tasks = TaskGraph::new();
        tasks.add_task(TaskNode::new("task", layout, true).unwrap()).unwrap();
        tasks
    }

    /// Whether the cell at `b` must be done before the cell at `a` runs: they conflict, and its level is lower.
    fn waits(&self, a: &[i64], b: &[i64]) -> bool {
        let reads = |a: &[i64], b: &[i64]| {
            let axes = self.context.iter().zip(a.iter().zip(b));
            axes.into_iter().all(|(&(lo, hi), (a, b))| (a - lo..=a + hi).contains(b))
        };
        let residues = |index: &[i64]| {
            let axes = index.iter().zip(self.context.iter().zip(&self.shape));
            let residue = |(entry, (context, len)): (&i64, (&(i64, i64), &i64))| {
                entry % (context.0.max(context.1) + 1).min(*len)
            };
            axes.map(residue).collect::<Vec<_>>()
        };
        (reads(a, b) || reads(b, a)) && residues(b) > residues(a)
    }

    /// Runs every block and looks up at each whether it may run; which ways that took.
    fn run(&self) -> Paths {
        let options = SchedulerOptions {
            order: self.order,
            masked: self.masked.iter().map(|_| TASK).collect(),
            ..SchedulerOptions::default()
        };
        let mut earlier = Scheduler::builder(self.tasks(), options).unwrap();
        let tiling = earlier.graph().tasks()[TASK].tiling().clone();
        let mut is_done = vec![false; tiling.num_cells() as usize];
        for cells in &self.finished {
            earlier.take_over(TASK, cells.clone()).unwrap();
            cells.clone().for_each(|cell| is_done[cell as usize] = true);
        }
        let is_masked = |index: &[i64]| {
            self.masked.as_ref().is_some_and(|cells| cells.contains(index).unwrap())
        };
        let mut scheduler = earlier.build();
        let mut out: Vec<BlockKey> = Vec::new();
        let mut ran = vec![false; is_done.len()];
        let mut dice = 1_u64;
        loop {
            while out.len() < self.in_flight {
                let Some(key) = acquire(&mut scheduler, self.masked.as_ref()) else { break };
                let index = tiling.index(key.cell).unwrap();
                let index = index.as_slice();
                assert!(
                    !is_masked(index) && !is_done[key.cell as usize] && !ran[key.cell as usize]
                );
                let around = CellBox::new(
                    self.context
                        .iter()
                        .zip(index)
                        .map(|(&(lo, hi), &entry)| entry - lo.max(hi)..entry + lo.max(hi) + 1),
                );
                for other in
                    tiling.cells_in(&around).unwrap().filter(|&other| !is_done[other as usize])
                {
                    let at = tiling.index(other).unwrap();
                    let is_open = !is_masked(at.as_slice()) && self.waits(index, at.as_slice());
                    assert!(!is_open, "{key} before {other} of {self:?}");
                }
                ran[key.cell as usize] = true;
                out.push(key);
            }
            dice = dice.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            let Some(place) = (dice >> 33).checked_rem(out.len() as u64) else { break };
            let key = out.swap_remove(place as usize);
            scheduler.complete(key).unwrap();
            is_done[key.cell as usize] = true;
        }
        assert!(scheduler.is_done() && scheduler.counts(TASK).unwrap().is_success(), "{self:?}");
        for cell in 0..tiling.num_cells() {
            let index = tiling.index(cell).unwrap();
            let is_settled = is_done[cell as usize] || is_masked(index.as_slice());
            assert!(is_settled, "{cell} never ran of {self:?}");
        }
        scheduler.paths()
    }
}

/// Acquires a block, answering what a mask is asked for on the way.
fn acquire(scheduler: &mut Scheduler, masked: Option<&CellBox>) -> Option<BlockKey> {
    loop {
        let key = scheduler.acquire();
        if key.is_some() {
            return key;
        }
        let question = scheduler.question()?;
        let inside = question.cells.intersect(masked.unwrap()).unwrap();
        let verdict = match inside.num_cells() {
            0 => Verdict::None,
            cells if cells == question.cells.num_cells() => Verdict::All,
            _ => Verdict::Part,
        };
        scheduler.answer(question.task, &question.cells, verdict).unwrap();
    }
}

#[test]
fn one_finished_block_amid_a_reach_of_nineteen_blocks() {
    let case = Case::new(&[100, 100], &[(19, 19); 2]);
    Case { finished: once(4130..4131).collect(), ..case }.run();
}

#[test]
fn a_masked_box_amid_a_reach_of_five_blocks() {
    let case = Case::new(&[40, 40, 40], &[(5, 5); 3]);
    for begin in [10, 20] {
        let masked = CellBox::new([0; 3].map(|_| begin..begin + 10));
        let paths = Case { masked: Some(masked), ..case.clone() }.run();
        let skipped = paths.skipped_singly + paths.skipped_as_box;
        assert!(skipped > 0 && paths.watching > 0, "{paths:?}");
    }
}

#[test]
fn a_masked_box_that_is_skipped_as_a_whole() {
    let masked = CellBox::new([0..20, 20..40, 10..40]);
    for (context, is_counted) in [((1, 1), true), ((0, 2), true), ((4, 3), false)] {
        let case = Case::new(&[40, 40, 40], &[context; 3]);
        let paths = Case { masked: Some(masked.clone()), in_flight: 300, ..case }.run();
        assert!(paths.skipped_as_box > 0, "{paths:?}");
        assert_eq!(
            (paths.recounted > 0, paths.watching > 0),
            (is_counted, !is_counted),
            "{paths:?}"
        );
    }
}

#[test]
fn wide_contexts_of_any_kind_with_finished_stretches() {
    let mut dice = 7_u64;
    let mut roll = |sides: i64| {
        dice = dice.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        ((dice >> 33) % sides as u64) as i64
    };
    // Shape and reach by number of axes.
    let kinds: [(&[i64], i64); 6] = [
        (&[100, 100], 19),
        (&[9_000], 700),
        (&[64, 130], 23),
        (&[24, 20, 28], 5),
        (&[100, 100], 22),
        (&[9, 8, 10, 7], 3),
    ];
    let mut watching = 0;
    for round in 0..18 {
        let (shape, reach) = kinds[round % kinds.len()];
        let mut along = |_: &i64| match round {
            0..6 => (reach, reach),
            _ => (roll(reach + 1), reach - roll(3)),
        };
        let context: Vec<(i64, i64)> = shape.iter().map(&mut along).collect();
        let cells: i64 = shape.iter().product();
        let finished = (0..1 + roll(3)).map(|_| {
            let start = roll(cells);
            start as u64..(start + 1 + roll(40)).min(cells) as u64
        });
        let finished = finished.collect();
        let order = [Order::Sweep, Order::Level, Order::Morton][round / 6];
        let in_flight = 1 + roll(40) as usize;
        let case = Case::new(shape, &context);
        watching += Case { finished, order, in_flight, ..case }.run().watching;
    }
    assert!(watching > 10_000, "{watching}");
}

#[test]
fn two_blocks_that_are_read_by_thousands_each() {
    let layout = |total: i64, width: i64, context: i64| {
        let roi = |begin: i64, end: i64| Roi::from_begin_end([begin], [end]).unwrap();
        let (total, write) = (roi(-context, total + context), roi(0, width));
        Layout::new(total, write.grow(context, context).unwrap(), write, Fit::Valid).unwrap()
    };
    let mut tasks = TaskGraph::new();
    let above =
        tasks.add_task(TaskNode::new("above", layout(9_000, 3_000, 0), false).unwrap()).unwrap();
    let below =
        tasks.add_task(TaskNode::new("below", layout(9_000, 1, 700), true).unwrap()).unwrap();
    tasks.add_edge(above, below).unwrap();
    let options = SchedulerOptions { request: Request::Everything, ..SchedulerOptions::default() };
    let mut scheduler = Scheduler::new(tasks, options).unwrap();
    let (mut is_done, mut num_ran) = ([false; 3], 0);
    while let Some(key) = scheduler.acquire() {
        if key.task == above {
            is_done[key.cell as usize] = true;
        } else {
            let at = key.cell as i64;
            let read = [at - 700, at + 700].map(|end| (end.clamp(0, 8_999) / 3_000) as usize);
            assert!((read[0]..=read[1]).all(|cell| is_done[cell]), "{key} too early");
            num_ran += 1;
        }
        scheduler.complete(key).unwrap();
    }
    assert_eq!(num_ran, 9_000);
    assert!(scheduler.is_done() && scheduler.paths().decided > 8_000);
}

#[test]
fn conflicts_that_need_long_counters_and_more_pages_than_are_kept() {
    let paths = Case::new(&[12, 12, 12], &[(3, 3); 3]).run();
    assert!(paths.long_waits > 0 && paths.watching == 0, "{paths:?}");
    let case = Case::new(&[300_000], &[(0, 0)]);
    let paths = Case { in_flight: 300_000, ..case }.run();
    assert!(paths.shed > 0, "{paths:?}");
}
