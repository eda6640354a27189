//! Schedulers that take up anything, and are told anything.

use std::collections::BTreeSet;

use daisy_block::{BlockKey, Order, TaskId};
use daisy_graph::{DependencyGraph, TaskGraph, inputs, readers};
use daisy_sched::{
    Counts, Failure, LookAhead, Moment, Paths, Question, Request, Scheduler, SchedulerBuilder,
    SchedulerError, SchedulerOptions, TakenUp, Tuning, Verdict,
};

use super::{
    call,
    graph::{around, tasks},
    text::{debug, ok, print},
    values::Values,
};

const STEPS: usize = 200;
/// Blocks up to which a run is brought to its end.
const MAX_TO_THE_END: u64 = 600;
/// Blocks up to which each may be looked at, as orders along a curve do.
const MAX_CELLS: u64 = 1 << 14;
/// Blocks that one waits for, or that wait for one: each is looked at where a block is done.
const MAX_NEIGHBOURS: u64 = 1 << 13;

/// What a graph costs: whatever looks at each block, or at each neighbour of one, is left out where it is large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub has_few_blocks: bool,
    pub has_few_neighbours: bool,
    /// Whether the first block that waits for nothing is soon found where cells are looked at one by one, as
    /// those of a task with a mask are, and of those that read it.
    has_near_roots: bool,
    blocks: u64,
}

impl Size {
    /// Whether a run can be brought to its end.
    pub const fn is_small(self) -> bool {
        self.blocks <= MAX_TO_THE_END && self.has_few_neighbours
    }
}

pub fn size(tasks: &TaskGraph) -> Size {
    let (mut blocks, mut neighbours, mut first_root) = (0_u64, 0_u64, 0_u64);
    let has_edges = tasks.ids().any(|id| !tasks.upstream(id).is_empty());
    for (id, node) in tasks.ids().filter_map(|id| Some((id, tasks.task(id).ok()?))) {
        let num_cells = node.tiling().num_cells();
        blocks = blocks.saturating_add(num_cells);
        for (axis, stride) in
            node.stencil().iter().flat_map(|stencil| stencil.axes()).zip(node.tiling().strides())
        {
            let last = (axis.period - 1).unsigned_abs();
            first_root = first_root.saturating_add(last.saturating_mul(*stride));
        }
        let around = node.stencil().map_or(1, around);
        neighbours = neighbours.saturating_add(around);
        for up in tasks.upstream(id).iter().filter_map(|&up| tasks.task(up).ok()) {
            let read = inputs(up, node, num_cells / 2).map_or(0, |cells| cells.num_cells());
            let read_by = readers(up, node, up.tiling().num_cells() / 2);
            let read_by = read_by.map_or(0, |cells| cells.num_cells());
            neighbours = neighbours.saturating_add(read).saturating_add(read_by);
        }
    }
    Size {
        has_few_blocks: blocks <= MAX_CELLS,
        has_few_neighbours: neighbours <= MAX_NEIGHBOURS,
        has_near_roots: first_root <= MAX_CELLS && (blocks <= MAX_CELLS || !has_edges),
        blocks,
    }
}

pub fn options(tasks: &TaskGraph, size: Size, values: &mut Values<'_>) -> SchedulerOptions {
    let num_tasks = tasks.num_tasks();
    let request = match values.pick(4) {
        0 => Request::Everything,
        1 => Request::Rois(
            (0..values.pick(6))
                .map(|_| {
                    let task = values.task(num_tasks);
                    let dims = tasks.task(task).map_or(1, |node| node.tiling().dims());
                    let dims = values.near_dims(dims);
                    (task, values.roi(dims))
                })
                .collect(),
        ),
        _ => Request::LastTasks,
    };
    let tuning = tuning(size, values);
    let masked = (0..values.pick(3)).map(|_| values.task(num_tasks)).collect();
    SchedulerOptions {
        order: if size.has_few_blocks { values.order() } else { Order::Sweep },
        request,
        count_all_orphans: values.yes() && size.has_few_blocks,
        max_retries: (0..values.pick(4)).map(|_| values.natural_32()).collect(),
        masked: if size.has_near_roots { masked } else { BTreeSet::new() },
        tuning: if values.yes() { Tuning::default() } else { tuning },
    }
}

fn tuning(size: Size, values: &mut Values<'_>) -> Tuning {
    let counted = values.natural();
    Tuning {
        page_bits: values.natural_32(),
        chunk_bits: values.natural_32(),
        max_skipped_singly: values.natural(),
        // Each class of blocks looks at all of its neighbours then.
        max_counted: if size.has_few_neighbours { counted.min(1 << 9) } else { counted },
        max_counted_readers: values.natural(),
        max_steps: if values.yes() { values.natural() } else { values.pick(4) as u64 },
        max_steps_at_once: values.natural(),
        max_found_ahead: values.natural(),
        max_listed: values.natural(),
        max_free_pages: values.natural_32() as usize,
    }
}

/// A scheduler, and the blocks of it that are out.
pub struct Start {
    pub scheduler: Scheduler,
    pub size: Size,
    pub named: Vec<BlockKey>,
}

/// What an earlier run has left behind, and a scheduler that goes on from there.
pub fn taken_up(values: &mut Values<'_>) -> Option<Start> {
    let tasks = tasks(values);
    let size = size(&tasks);
    let options = options(&tasks, size, values);
    if values.rarely() && size.has_few_neighbours {
        let scheduler = ok(call!(Scheduler::new(tasks, options)))?;
        return Some(Start { scheduler, size, named: Vec::new() });
    }
    let mut builder = ok(call!(Scheduler::builder(tasks, options)))?;
    for _ in 0..values.pick(8) {
        let key = any_key(call!(SchedulerBuilder::graph(&builder)), values);
        match values.pick(4) {
            0 | 1 if size.has_few_blocks => {
                let run = key.cell..key.cell.saturating_add(values.natural());
                let run = if values.rarely() { values.run() } else { run };
                ok(call!(SchedulerBuilder::take_over(&mut builder, key.task, run)));
            }
            2 => drop(ok(call!(SchedulerBuilder::note_attempts(
                &mut builder,
                key,
                values.natural_32()
            )))),
            _ if size.has_few_neighbours => {
                let limit = values.pick(200);
                let found =
                    ok(call!(SchedulerBuilder::unfinished_inputs(&mut builder, key, limit)));
                assert!(found.flatten().is_none_or(|found| found.len() <= limit));
            }
            _ => {}
        }
    }
    if values.rarely() {
        let scheduler = call!(SchedulerBuilder::build(builder));
        return Some(Start { scheduler, size, named: Vec::new() });
    }
    let mut taken_up = call!(SchedulerBuilder::take_up(builder));
    let mut named = Vec::new();
    for _ in 0..values.pick(8) {
        let key = any_key(call!(TakenUp::graph(&taken_up)), values);
        if size.has_few_neighbours && size.has_few_blocks {
            named.extend(ok(call!(TakenUp::acquire_block(&mut taken_up, key))).map(|()| key));
        }
    }
    Some(Start { scheduler: call!(TakenUp::build(taken_up)), size, named })
}

/// Mostly a block that there is.
fn any_key(graph: &DependencyGraph, values: &mut Values<'_>) -> BlockKey {
    let mut key = values.key(graph.tasks().num_tasks());
    if let Ok(node) = graph.tasks().task(key.task)
        && !values.rarely()
    {
        key.cell %= node.tiling().num_cells().max(1);
    }
    key
}

pub fn run(values: &mut Values<'_>) {
    plain(values);
    let Some(Start { mut scheduler, size, named }) = taken_up(values) else { return };
    if !size.has_few_neighbours {
        return;
    }
    let mut session = Session { out: named.into_iter().collect(), asked: Vec::new(), size };
    let before = counts(&scheduler);
    for _ in 0..STEPS {
        if !values.goes_on() {
            break;
        }
        session.step(&mut scheduler, values);
        let now = counts(&scheduler);
        assert!(now.iter().zip(&before).all(|(now, before)| now.total == before.total));
    }
    if size.is_small() {
        session.finish(&mut scheduler);
    }
}

/// The counts of all tasks, each of which adds up.
pub fn counts(scheduler: &Scheduler) -> Vec<Counts> {
    let ids = call!(Scheduler::graph(scheduler)).tasks().ids();
    let all: Vec<Counts> = ids.map(|id| call!(Scheduler::counts(scheduler, id)).unwrap()).collect();
    let mut is_over = true;
    for (task, counts) in (0..).map(TaskId::new).zip(&all) {
        let open = counts.ready + counts.processing + counts.pending;
        assert_eq!(
            u128::from(call!(Counts::finished(counts))) + u128::from(open),
            counts.total.into()
        );
        let is_done = ok(call!(Scheduler::is_task_done(scheduler, task))).unwrap();
        assert!(!is_done || counts.ready + counts.processing == 0, "{counts}");
        is_over &= counts.ready + counts.processing == 0;
    }
    assert!(!call!(Scheduler::is_done(scheduler)) || is_over);
    all
}

struct Session {
    out: BTreeSet<BlockKey>,
    asked: Vec<Question>,
    size: Size,
}

impl Session {
    fn step(&mut self, scheduler: &mut Scheduler, values: &mut Values<'_>) {
        let before = counts(scheduler);
        let key = self.key(scheduler, values);
        let result = match values.pick(16) {
            0..5 => {
                self.acquire(scheduler, values);
                Ok(false)
            }
            5 | 6 => call!(Scheduler::complete(scheduler, key)).map(|()| true),
            7 => call!(Scheduler::skip(scheduler, key)).map(|()| true),
            8 => call!(Scheduler::start(scheduler, key)).map(|()| false),
            9 => call!(Scheduler::put_back(scheduler, key)).map(|()| true),
            10 => call!(Scheduler::fail(scheduler, key)).map(|failure| {
                check_failure(scheduler, key, failure);
                true
            }),
            11 => call!(Scheduler::fail_and_park(scheduler, key)).map(|failure| {
                check_failure(scheduler, key, failure);
                matches!(failure, Failure::Final { .. })
            }),
            12 => call!(Scheduler::fail_for_good(scheduler, key)).map(|()| true),
            13 => {
                look_inside(scheduler, key, values);
                Ok(false)
            }
            _ => self.answer(scheduler, values).map(|()| false),
        };
        match ok(result) {
            Some(true) => assert!(self.out.remove(&key), "{key} was not handed out"),
            Some(false) => {}
            None => assert_eq!(counts(scheduler), before, "a refused call changes nothing"),
        }
    }

    fn key(&self, scheduler: &Scheduler, values: &mut Values<'_>) -> BlockKey {
        if values.rarely() || self.out.is_empty() {
            return any_key(scheduler.graph(), values);
        }
        let place = values.pick(self.out.len());
        self.out.iter().nth(place).copied().unwrap_or(BlockKey::new(TaskId::new(0), 0))
    }

    fn acquire(&mut self, scheduler: &mut Scheduler, values: &mut Values<'_>) {
        let task = values.task(scheduler.graph().tasks().num_tasks());
        let has_ready = call!(Scheduler::has_ready(scheduler, task));
        let key = match values.pick(4) {
            0 => call!(Scheduler::hold_from(scheduler, task)),
            1 => call!(Scheduler::acquire_from(scheduler, task)),
            _ => call!(Scheduler::acquire(scheduler)),
        };
        if let Some(key) = key {
            let is_new = self.out.insert(key);
            assert!(is_new, "{key} is handed out twice");
            self.check_conflicts(scheduler, key);
        } else if !has_ready {
            debug(&task);
        }
        self.asked.extend(call!(Scheduler::question(scheduler)));
    }

    /// What is out does not touch the data of `key`.
    fn check_conflicts(&self, scheduler: &Scheduler, key: BlockKey) {
        let Ok(node) = scheduler.graph().tasks().task(key.task) else { return };
        let Some(stencil) = node.stencil() else { return };
        let Some(index) = node.tiling().index(key.cell) else { return };
        for other in self.out.iter().filter(|other| other.task == key.task).take(32) {
            let other = node.tiling().index(other.cell).unwrap();
            let offset = index.checked_sub(&other).unwrap();
            assert_eq!(stencil.conflicts(offset.as_slice()), Ok(false), "{key} and {other}");
        }
    }

    fn answer(
        &mut self,
        scheduler: &mut Scheduler,
        values: &mut Values<'_>,
    ) -> Result<(), SchedulerError> {
        let mut verdict = values.one_of(&[Verdict::All, Verdict::None, Verdict::Part]);
        if !self.size.has_few_blocks && verdict == Verdict::All {
            verdict = Verdict::Part;
        }
        let question = if values.rarely() { None } else { self.asked.pop() };
        let (task, cells) = match question {
            Some(question) => (question.task, question.cells),
            None => {
                let dims = values.dims();
                (values.task(4), values.cell_box(dims))
            }
        };
        call!(Scheduler::answer(scheduler, task, &cells, verdict))
    }

    /// Everything runs to its end, and every block is accounted for.
    fn finish(mut self, scheduler: &mut Scheduler) {
        for key in core::mem::take(&mut self.out) {
            ok(scheduler.put_back(key));
        }
        let mut calls = 0;
        loop {
            calls += 1;
            assert!(calls < 40 * MAX_TO_THE_END, "this run does not end");
            if let Some(key) = scheduler.acquire() {
                scheduler.complete(key).unwrap();
                continue;
            }
            let Some(question) = scheduler.question() else { break };
            scheduler.answer(question.task, &question.cells, Verdict::None).unwrap();
        }
        let all = counts(scheduler);
        let is_whole = all.iter().all(|counts| counts.failed == 0);
        assert!(scheduler.is_done());
        let is_counted = scheduler.options().count_all_orphans || is_whole;
        assert!(!is_counted || all.iter().all(|counts| counts.pending == 0), "{all:?}");
        assert!(!is_whole || all.iter().all(|counts| call!(Counts::is_success(counts))));
    }
}

fn look_inside(scheduler: &mut Scheduler, key: BlockKey, values: &mut Values<'_>) {
    debug(call!(Scheduler::options(scheduler)));
    debug(&call!(Scheduler::attempts(scheduler, key)));
    for (task, run) in call!(Scheduler::take_orphans(scheduler)) {
        assert!(run.start < run.end && scheduler.block(BlockKey::new(task, run.end - 1)).is_some());
    }
    if let Some(block) = call!(Scheduler::block(scheduler, key)) {
        print(&block);
    }
    let paths = call!(Scheduler::paths(scheduler));
    debug(&call!(Paths::named(&paths)));
    let task = TaskId::new(values.natural_32());
    ok(call!(Scheduler::counts(scheduler, task)));
    ok(call!(Scheduler::is_task_done(scheduler, task)));
}

fn check_failure(scheduler: &Scheduler, key: BlockKey, failure: Failure) {
    let (Failure::Retry { attempts } | Failure::Final { attempts }) = failure;
    assert!(attempts > 0);
    let known = scheduler.attempts(key);
    assert!(matches!(failure, Failure::Final { .. }) || known == attempts);
}

/// What needs no scheduler.
fn plain(values: &mut Values<'_>) {
    let now = match values.pick(3) {
        0 => call!(Moment::from_micros(values.natural())),
        1 => call!(Moment::from_millis(values.natural())),
        _ => Moment::MAX,
    };
    let later = call!(Moment::after(now, values.duration()));
    assert!(later >= now && call!(Moment::after_ms(now, values.natural())) >= now);
    debug(&(call!(Moment::since(now, later)), call!(Moment::since(later, now))));
    debug(&call!(Moment::as_micros(later)));
    print(&later);
    let limit = values.natural_32();
    let mut ahead = call!(LookAhead::new(limit));
    for _ in 0..values.pick(6) {
        call!(LookAhead::note(&mut ahead, values.duration()));
        let blocks = call!(LookAhead::blocks(&mut ahead));
        assert!(blocks >= 1 && blocks <= limit.max(1));
    }
    let mut any = || if values.yes() { values.natural() } else { 0 };
    let counts = Counts {
        total: any(),
        ready: any(),
        processing: any(),
        completed: any(),
        skipped: any(),
        failed: any(),
        orphaned: any(),
        pending: any(),
    };
    debug(&(call!(Counts::finished(&counts)), call!(Counts::is_success(&counts))));
    print(&counts);
}
