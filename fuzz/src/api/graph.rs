//! Tasks, and which of their blocks wait for which.

use daisy_block::{BlockKey, LayoutError, Stencil, TaskId};
use daisy_geometry::Coordinate;
use daisy_graph::{
    Access, DependencyGraph, GraphError, Lattice, Roots, TaskGraph, TaskNode, UnorderedTasks,
    inputs, readers, unordered_tasks, waiting,
};

use super::{
    call,
    text::{debug, ok, print},
    values::Values,
};

const STEPS: usize = 24;
const SHOWN: usize = 40;
/// Conflicting cells of a block that are looked at one by one.
const MAX_AROUND: u64 = 1 << 12;

/// Up to five tasks, mostly of the same number of axes, with any edges that do not close a cycle.
pub fn tasks(values: &mut Values<'_>) -> TaskGraph {
    let mut tasks = call!(TaskGraph::new());
    let dims = values.dims();
    for place in 0..1 + values.pick(5) {
        let dims = values.near_dims(dims);
        let Some(layout) = values.layout(dims) else { continue };
        let name = if values.rarely() { values.text() } else { format!("task {place}") };
        let Some(node) = ok(call!(TaskNode::new(name, layout, values.yes()))) else { continue };
        ok(call!(TaskGraph::add_task(&mut tasks, node)));
    }
    for _ in 0..values.pick(8) {
        let (up, down) = (values.task(tasks.num_tasks()), values.task(tasks.num_tasks()));
        if up < down || values.rarely() {
            ok(call!(TaskGraph::add_edge(&mut tasks, up, down)));
        }
    }
    tasks
}

/// How many cells around one conflict with it, at most.
pub fn around(stencil: &Stencil) -> u64 {
    let along =
        stencil.axes().iter().map(|axis| (axis.reach_lo + axis.reach_hi).unsigned_abs() + 1);
    along.fold(1, u64::saturating_mul)
}

pub fn run(values: &mut Values<'_>) {
    let tasks = tasks(values);
    let graph = call!(DependencyGraph::new(tasks.clone()));
    for _ in 0..STEPS {
        if !values.goes_on() {
            return;
        }
        match values.pick(7) {
            0 => of_tasks(&tasks, values),
            1 => of_graph(&graph, values),
            2 => of_block(&graph, values),
            3 => pairs(&tasks, values),
            4 => sharing(&tasks, values),
            5 => lattices(&tasks, values),
            _ => roots(&tasks, values),
        }
    }
}

fn of_tasks(tasks: &TaskGraph, values: &mut Values<'_>) {
    let num_tasks = call!(TaskGraph::num_tasks(tasks));
    let id = values.task(num_tasks);
    let up = call!(TaskGraph::upstream(tasks, id));
    let down = call!(TaskGraph::downstream(tasks, id));
    debug(&(up, down, call!(TaskGraph::find(tasks, &values.text()))));
    assert_eq!(call!(TaskGraph::topological_order(tasks)).len(), num_tasks);
    assert_eq!(call!(TaskGraph::last_tasks(tasks)).count() == 0, num_tasks == 0);
    assert!(call!(TaskGraph::to_dot(tasks)).contains("digraph"));
    let node = ok(call!(TaskGraph::task(tasks, id)));
    assert_eq!(node.is_some(), call!(TaskGraph::ids(tasks)).any(|other| other == id));
    let Some(node) = node else { return };
    assert_eq!(tasks.find(call!(TaskNode::name(node))), Some(id));
    assert_eq!(call!(TaskNode::layout(node)).dims(), call!(TaskNode::tiling(node)).dims());
    assert!(call!(TaskNode::stencil(node)).is_none_or(|stencil| !stencil.is_trivial()));
    debug(node);
}

fn of_graph(graph: &DependencyGraph, values: &mut Values<'_>) {
    let tasks = call!(DependencyGraph::tasks(graph));
    let task = values.task(tasks.num_tasks());
    let (blocks, roots) =
        (call!(DependencyGraph::num_blocks(graph)), call!(DependencyGraph::num_roots(graph)));
    assert!(roots <= blocks && (roots > 0) == (blocks > 0));
    for key in call!(DependencyGraph::roots(graph)).take(SHOWN) {
        assert!(graph.block(key).is_ok());
    }
    let levels = ok(call!(DependencyGraph::num_levels(graph, task)));
    let level = if values.yes() { values.natural() } else { 0 };
    for key in
        ok(call!(DependencyGraph::level(graph, task, level))).into_iter().flatten().take(SHOWN)
    {
        assert!(graph.block(key).is_ok() && levels.is_some_and(|levels| level < levels));
    }
    for level in ok(call!(DependencyGraph::levels(graph, task))).into_iter().flatten().take(3) {
        debug(&level.take(SHOWN).last());
    }
    // Blocks are written one by one, with all that they wait for.
    let is_small =
        tasks.ids().all(|id| tasks[id].stencil().is_none_or(|stencil| around(stencil) < 64));
    if is_small && blocks < 100 {
        assert!(call!(DependencyGraph::to_dot(graph, 99)).is_some());
    }
    assert_eq!(
        call!(DependencyGraph::to_dot(graph, blocks.saturating_sub(1))).is_none(),
        blocks > 0
    );
    debug(graph);
}

fn of_block(graph: &DependencyGraph, values: &mut Values<'_>) {
    let tasks = graph.tasks();
    let mut key = values.key(tasks.num_tasks());
    let node = tasks.task(key.task).ok();
    if let Some(node) = node.filter(|_| values.yes()) {
        key.cell %= node.tiling().num_cells().max(1);
    }
    let block = ok(call!(DependencyGraph::block(graph, key)));
    block.iter().for_each(print);
    if node.and_then(TaskNode::stencil).is_some_and(|stencil| around(stencil) > MAX_AROUND) {
        return;
    }
    let upstream = ok(call!(DependencyGraph::upstream(graph, key)));
    let downstream = ok(call!(DependencyGraph::downstream(graph, key)));
    assert_eq!((upstream.is_some(), downstream.is_some()), (block.is_some(), block.is_some()));
    let others = upstream.into_iter().flatten().take(SHOWN);
    for other in others.chain(downstream.into_iter().flatten().take(SHOWN)) {
        assert!(graph.block(other).is_ok() && other != key);
    }
    ok(call!(DependencyGraph::explain(graph, key))).iter().for_each(print);
}

fn pairs(tasks: &TaskGraph, values: &mut Values<'_>) {
    let (up, down) = (values.task(tasks.num_tasks()), values.task(tasks.num_tasks()));
    let (Ok(up), Ok(down)) = (tasks.task(up), tasks.task(down)) else { return };
    let cell = values.natural() % (down.tiling().num_cells().max(1) + 3);
    let met = [
        (ok(call!(inputs(up, down, cell))), up),
        (ok(call!(readers(up, down, cell))), down),
        (ok(call!(waiting(up, down))), down),
    ];
    for (cells, node) in met.into_iter().filter_map(|(cells, node)| Some((cells?, node))) {
        assert!(cells.num_cells() <= node.tiling().num_cells());
    }
}

fn sharing(tasks: &TaskGraph, values: &mut Values<'_>) {
    let access = |values: &mut Values<'_>| values.one_of(&[Access::Reads, Access::Writes]);
    let num_claims = values.pick(4);
    let claims: Vec<_> =
        (0..num_claims).map(|_| (values.task(tasks.num_tasks()), access(values))).collect();
    print(&UnorderedTasks {
        first: values.task(3),
        first_access: access(values),
        second: values.task(3),
        second_access: access(values),
        axis: values.yes().then_some(usize::MAX),
    });
    // Cells are looked at one by one, along each axis of up to 2^18.
    let is_long =
        |id: &TaskId| tasks[*id].tiling().axes().iter().any(|axis| axis.num_cells() > 1 << 9);
    if tasks.ids().any(|id| is_long(&id)) && !values.rarely() {
        return;
    }
    let dims = tasks.ids().next().map_or(1, |id| tasks[id].tiling().dims());
    let dims = values.near_dims(dims);
    let shape: Coordinate = (0..dims).map(|_| values.small(0..30)).collect();
    let chunks = (values.coordinate(dims), shape);
    if let Some(Some(found)) = ok(call!(unordered_tasks(tasks, &claims, &chunks))) {
        print(&found);
    }
}

fn lattices(tasks: &TaskGraph, values: &mut Values<'_>) {
    let (task, other) = (values.task(tasks.num_tasks()), values.task(tasks.num_tasks()));
    let (Ok(task), Ok(other)) = (tasks.task(task), tasks.task(other)) else { return };
    let (tiling, stencil) = (task.tiling(), Stencil::new(other.tiling()));
    let dims = values.near_dims(tiling.dims());
    let within = values.cell_box(dims);
    let stencil = values.yes().then_some(&stencil);
    let level = values.natural() % (stencil.map_or(1, Stencil::num_levels) + 1);
    let Some(lattice) = ok(call!(Lattice::of_level(tiling, stencil, level, &within))) else {
        return;
    };
    debug(&lattice);
    let size = call!(Lattice::num_cells(&lattice));
    let from = values.natural();
    let next = call!(Lattice::next_from(&lattice, from));
    assert!(next.is_none_or(|cell| cell >= from && cell < tiling.num_cells()));
    let run = call!(Lattice::run_from(&lattice, from));
    assert_eq!(run.map(|run| run.0), next);
    let shown = call!(Lattice::iter(&lattice)).take(SHOWN).count() as u64;
    assert!(shown == size.min(SHOWN as u64) || tiling.num_cells() == 0);
}

fn roots(tasks: &TaskGraph, values: &mut Values<'_>) {
    let (task, other) = (values.task(tasks.num_tasks()), values.task(tasks.num_tasks()));
    let (Ok(task), Ok(other)) = (tasks.task(task), tasks.task(other)) else { return };
    let tiling = task.tiling();
    let (own, foreign) = (Stencil::new(tiling), Stencil::new(other.tiling()));
    let stencil = values.one_of(&[None, Some(&own), Some(&foreign)]);
    let dims = values.near_dims(tiling.dims());
    let boxes: Vec<_> = (0..values.pick(4)).map(|_| values.cell_box(dims)).collect();
    let origin = if values.yes() { values.numbers(dims) } else { vec![0; dims] };
    let Some(roots) = ok(call!(Roots::new(tiling, stencil, &origin, &boxes))) else { return };
    let from = values.natural();
    let next = call!(Roots::next_from(&roots, from));
    assert!(next.is_none_or(|cell| cell >= from && cell < tiling.num_cells()));
    assert_eq!(call!(Roots::run_from(&roots, from)).map(|run| run.0), next);
    let shown = call!(Roots::iter(&roots)).take(SHOWN).count() as u64;
    assert_eq!(shown, call!(Roots::num_cells(&roots)).min(SHOWN as u64));
    debug(&roots);
    print(&GraphError::from(LayoutError::NoAxes));
    print(&GraphError::UnknownBlock {
        block: BlockKey::new(TaskId::new(0), from),
        num_blocks: next,
    });
}
