//! Whatever is passed in, nothing panics: another number of axes is an error, and so is what does not exist.
#![allow(clippy::single_range_in_vec_init, reason = "boxes of one axis are what is passed in")]

use daisy_block::{
    Block, BlockKey, CellBox, ChunkAxis, Crossing, Fit, Layout, LayoutError, Plan, Stencil, TaskId,
    Tiling, block_index, cantor_number, draw, shared_chunk, shared_chunk_in_place,
};
use daisy_geometry::{Coordinate, GeometryError, Roi};
use daisy_graph::{
    Access, DependencyGraph, GraphError, Lattice, Roots, TaskGraph, TaskNode, inputs, readers,
    unordered_tasks, waiting,
};
use proptest::prelude::*;

fn roi(begin: &[i64], end: &[i64]) -> Roi {
    Roi::from_begin_end(begin, end).unwrap()
}

/// Five blocks of 10 along each axis, each reading 2 more on either side.
fn node(name: &str, dims: usize) -> TaskNode {
    let all = |begin, end| roi(&vec![begin; dims], &vec![end; dims]);
    let layout = Layout::new(all(-2, 52), all(-2, 12), all(0, 10), Fit::Valid).unwrap();
    TaskNode::new(name, layout, true).unwrap()
}

/// No block fits along axis 0; 2^59 do along each of the others.
fn without_blocks(name: &str) -> TaskNode {
    let far = 1 << 59;
    let (read, write) = (roi(&[0, -1, -1, -1], &[9, 2, 2, 2]), roi(&[0; 4], &[9, 1, 1, 1]));
    let layout = Layout::new(roi(&[0; 4], &[5, far, far, far]), read, write, Fit::Valid);
    TaskNode::new(name, layout.unwrap(), true).unwrap()
}

fn graph(nodes: impl IntoIterator<Item = TaskNode>) -> TaskGraph {
    let mut tasks = TaskGraph::new();
    for node in nodes {
        tasks.add_task(node).unwrap();
    }
    tasks
}

fn mismatch<T>(left: usize, right: usize) -> Result<T, GraphError> {
    Err(LayoutError::from(GeometryError::DimsMismatch { left, right }).into())
}

#[test]
fn an_unknown_task_that_claims_an_array_is_an_error() {
    let (tasks, nobody) = (graph([node("a", 1)]), TaskId::new(7));
    let found = unordered_tasks(
        &tasks,
        &[(nobody, Access::Reads)],
        &(Coordinate::zeros(1), Coordinate::ones(1)),
    );
    assert_eq!(found, Err(GraphError::UnknownTask { task: nobody, num_tasks: 1 }));
}

#[test]
fn tasks_that_claim_an_array_have_its_number_of_axes() {
    let tasks = graph([node("a", 1), node("b", 2)]);
    let claims = [0, 1].map(|task| (TaskId::new(task), Access::Writes));
    for dims in [1, 2, 3] {
        let chunks = (Coordinate::zeros(dims), Coordinate::ones(dims));
        let error = unordered_tasks(&tasks, &claims, &chunks).unwrap_err();
        assert!(matches!(error, GraphError::Layout(LayoutError::BadChunkGrid { .. })), "{error}");
    }
}

#[test]
fn blocks_share_a_chunk_however_far_its_origin() {
    let tasks = graph([node("a", 1), node("b", 1)]);
    let claims = [0, 1].map(|task| (TaskId::new(task), Access::Writes));
    for origin in [i64::MIN, i64::MIN + 1, i64::MAX] {
        for shape in [1, i64::MAX] {
            let chunks = (Coordinate::from([origin]), Coordinate::from([shape]));
            assert!(unordered_tasks(&tasks, &claims, &chunks).unwrap().is_some(), "{chunks:?}");
        }
    }
}

#[test]
fn tasks_without_blocks_share_no_chunk_and_have_no_roots() {
    let tasks = graph([without_blocks("a"), without_blocks("b")]);
    let (a, b) = (TaskId::new(0), TaskId::new(1));
    let chunks = (Coordinate::zeros(4), Coordinate::ones(4));
    let claims = [(a, Access::Writes), (b, Access::Reads)];
    assert_eq!(unordered_tasks(&tasks, &claims, &chunks), Ok(None));
    let graph = DependencyGraph::new(tasks);
    assert_eq!((graph.num_roots(), graph.num_blocks(), graph.num_levels(a)), (0, 0, Ok(1)));
    assert_eq!((graph.roots().count(), graph.level(a, 0).unwrap().count()), (0, 0));
    assert_eq!(graph.levels(a).unwrap().map(Iterator::count).sum::<usize>(), 0);
    let tiling = graph.tasks()[a].tiling();
    let all = Lattice::of_level(tiling, None, 0, &tiling.all_cells()).unwrap();
    assert_eq!((all.num_cells(), all.next_from(0), all.run_from(0)), (0, None, None));
}

#[test]
fn roots_are_those_of_grids_and_boxes_of_as_many_axes() {
    let (line, square) = (node("line", 1), node("square", 2));
    let grid = square.tiling();
    assert_eq!(Roots::new(grid, square.stencil(), &[0], &[]), mismatch(2, 1));
    assert_eq!(Roots::new(grid, line.stencil(), &[0, 0], &[]), mismatch(2, 1));
    assert_eq!(Roots::new(grid, None, &[0, 0], &[CellBox::new([0..2])]), mismatch(2, 1));
}

#[test]
fn of_where_a_grid_begins_in_another_one_only_the_residue_matters() {
    let line = node("line", 1);
    let roots = |origin: i64| {
        Roots::new(line.tiling(), line.stencil(), &[origin], &[])
            .unwrap()
            .iter()
            .collect::<Vec<_>>()
    };
    for (far, near) in [(i64::MAX, 1), (i64::MIN, 0), (-3, 1), (2, 0)] {
        assert_eq!(roots(far), roots(near));
    }
    assert_eq!((roots(0), roots(1)), (vec![1, 3], vec![0, 2, 4]));
    let all = CellBox::new([i64::MIN..i64::MAX]);
    let none = Roots::new(line.tiling(), line.stencil(), &[0], &[all]).unwrap();
    assert_eq!((none.num_cells(), none.next_from(u64::MAX)), (0, None));
}

#[test]
fn a_level_is_that_of_a_box_and_a_stencil_of_as_many_axes() {
    let (line, square) = (node("line", 1), node("square", 2));
    let grid = square.tiling();
    let level = |stencil, cells: &CellBox| Lattice::of_level(grid, stencil, 0, cells);
    assert_eq!(level(square.stencil(), &CellBox::new([0..2])), mismatch(2, 1));
    assert_eq!(level(line.stencil(), &grid.all_cells()), mismatch(2, 1));
    let far = |range: std::ops::Range<i64>| CellBox::new([range, 0..5]);
    for outside in [i64::MAX - 1..i64::MAX, i64::MIN..i64::MIN + 1, i64::MAX..i64::MAX] {
        assert_eq!(level(square.stencil(), &far(outside)).unwrap().num_cells(), 0);
    }
    let all = level(square.stencil(), &far(i64::MIN..i64::MAX)).unwrap();
    assert_eq!((all.num_cells(), all.next_from(u64::MAX), all.run_from(u64::MAX)), (4, None, None));
}

#[test]
fn a_level_of_the_stencil_of_a_larger_grid_may_have_no_cell() {
    let layout = |total: [i64; 2], context: i64| {
        Tiling::new(
            &Layout::new(
                roi(&[0, 0], &total),
                roi(&[-context, 0], &[1, 1]),
                roi(&[0, 0], &[1, 1]),
                Fit::Valid,
            )
            .unwrap(),
        )
    };
    let (tall, flat) = (layout([1 << 59, 2], 1 << 57), layout([2, 1 << 59], 0));
    let (flat, stencil) = (flat.row_major(), Stencil::new(&tall));
    let level = Lattice::of_level(&flat, Some(&stencil), 0, &flat.all_cells()).unwrap();
    assert_eq!((level.num_cells(), level.next_from(0)), (0, None));
}

#[test]
fn what_blocks_read_is_asked_of_tasks_of_as_many_axes_and_cells_that_exist() {
    let (line, square) = (node("line", 1), node("square", 2));
    let differ = |error| matches!(error, GraphError::DimsMismatch { upstream_dims: 1, .. });
    assert!(differ(inputs(&line, &square, 0).unwrap_err()));
    assert!(differ(readers(&line, &square, 0).unwrap_err()));
    assert!(differ(waiting(&line, &square).unwrap_err()));
    let nowhere = || Err(LayoutError::NoSuchCell { cell: 5, num_cells: 5 }.into());
    assert_eq!(inputs(&line, &line, 5), nowhere());
    assert_eq!(readers(&line, &line, 5), nowhere());
    assert_eq!(inputs(&line, &line, 0), Ok(CellBox::new([0..2])));
}

/// Numbers of every size, often right at a limit.
fn number() -> impl Strategy<Value = i64> {
    let limits = [0, 1, Layout::LIMIT, Roi::LIMIT, i64::MAX, i64::MIN, 1 << 30, 1 << 45];
    let near = (prop::sample::select(limits.to_vec()), -2_i64..=2)
        .prop_map(|(limit, off)| limit.saturating_add(off));
    prop_oneof![4 => -20_i64..60, 2 => near, 1 => any::<i64>()]
}

/// As many numbers as there mostly are axes, and at times another number of them.
fn numbers(dims: usize) -> impl Strategy<Value = Vec<i64>> {
    let dims = prop_oneof![8 => Just(dims), 1 => 0_usize..20];
    dims.prop_flat_map(|dims| prop::collection::vec(number(), dims))
}

/// A layout of any size, mostly one that is accepted: total begin and shape, write shape, contexts.
fn any_layout(dims: usize) -> impl Strategy<Value = Layout> {
    let size = (0_u32..60, 0_i64..64).prop_map(|(magnitude, more)| (1_i64 << magnitude) + more);
    let axis =
        (-Layout::LIMIT / 2..Layout::LIMIT / 2, size.clone(), size.clone(), size, any::<[u8; 2]>());
    let fit = prop_oneof![Just(Fit::Valid), Just(Fit::Overhang), Just(Fit::Shrink)];
    (prop::collection::vec(axis, dims), fit).prop_filter_map("refused", |(axes, fit)| {
        let of = |ends: &dyn Fn(usize) -> (i64, i64)| {
            let (begin, end): (Vec<i64>, Vec<i64>) = (0..axes.len()).map(ends).unzip();
            Roi::from_begin_end(begin, end).ok()
        };
        let context = |axis: usize, side: usize| match axes[axis].4[side] % 3 {
            0 => 0,
            1 => i64::from(axes[axis].4[side]),
            _ => axes[axis].3 / 2,
        };
        let total = of(&|axis| (axes[axis].0, axes[axis].0.saturating_add(axes[axis].1)))?;
        let read = of(&|axis| (-context(axis, 0), axes[axis].2.saturating_add(context(axis, 1))))?;
        Layout::new(total, read, of(&|axis| (0, axes[axis].2))?, fit).ok()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_whatever_is_asked(
        (layouts, points, cell, axis) in (1_usize..=6).prop_flat_map(|dims| (
            prop::collection::vec(any_layout(dims), 2),
            prop::collection::vec(numbers(dims), 4),
            any::<u64>(),
            0_usize..8,
        )),
    ) {
        let node = |layout: &Layout, name| TaskNode::new(name, layout.clone(), true).unwrap();
        let (up, down) = (node(&layouts[0], "up"), node(&layouts[1], "down"));
        let pairs = |a: &[i64], b: &[i64]| CellBox::new(a.iter().zip(b).map(|(a, b)| *a..*b));
        let boxes = [pairs(&points[0], &points[1]), pairs(&points[2], &points[3])];
        let chunks = (Coordinate::from_slice(&points[0]), Coordinate::from_slice(&points[1]));
        let num_cells = up.tiling().num_cells();
        // Some answers take as long as there are cells; of those only small grids are asked.
        let is_small = num_cells < 2_000 && down.tiling().num_cells() < 2_000;
        for cell in [0, cell, cell % num_cells.max(1), num_cells.saturating_sub(1)] {
            ask_blocks(&up, &boxes, &points, cell);
            let _ = (inputs(&up, &down, cell), readers(&up, &down, cell), waiting(&up, &down));
            let upstream = |stencil: &Stencil| {
                let cells = stencil.upstream(down.tiling(), cell);
                cells.map(|cells| cells.take(if is_small { 99 } else { 0 }).count())
            };
            let _ = up.stencil().map(upstream);
        }
        ask_axes(up.tiling(), down.tiling(), &points);
        let _ = (draw(&layouts[0], axis), Plan::of(&layouts[0], true).to_string());
        for stencil in [None, up.stencil(), down.stencil()] {
            if is_small {
                let _ = shared_chunk(up.tiling(), stencil, &chunks);
                let _ = shared_chunk_in_place(up.tiling(), stencil, &chunks);
            }
            let level = Lattice::of_level(up.tiling(), stencil, cell % 3, &boxes[0]);
            let _ = level.map(|cells| (cells.next_from(cell), cells.run_from(cell), cells.num_cells()));
            let roots = Roots::new(up.tiling(), stencil, &points[0], &boxes);
            let _ = roots.map(|cells| (cells.next_from(cell), cells.run_from(cell), cells.num_cells()));
        }
        let mut tasks = graph([up, down]);
        let claims = [0, 1].map(|task| (TaskId::new(task), Access::Writes));
        if tasks.add_edge(TaskId::new(0), TaskId::new(1)).is_ok() {
            let graph = DependencyGraph::new(tasks);
            let _ = (graph.num_roots(), graph.num_blocks(), graph.roots().next());
            for task in [0, 1, 2].map(TaskId::new).into_iter().filter(|_| is_small) {
                let key = BlockKey::new(task, cell % num_cells.max(1));
                let _ = graph.upstream(key).map(Iterator::count);
                let _ = graph.downstream(key).map(Iterator::count);
                let _ = graph.explain(key).map(|explanation| explanation.to_string());
                let _ = unordered_tasks(graph.tasks(), &claims, &chunks);
            }
        }
    }
}

/// Asks what there is to ask about a grid, with boxes, points and a cell that may be anything.
fn ask_blocks(node: &TaskNode, boxes: &[CellBox; 2], points: &[Vec<i64>], cell: u64) {
    let (tiling, layout) = (node.tiling(), node.layout());
    for (cells, point) in boxes.iter().zip(points) {
        let _ = (cells.num_cells(), cells.contains(point), cells.without(&boxes[0]));
        let _ = (cells.intersect(&boxes[1]), cells.hull(&boxes[1]));
        let _ = (tiling.written_by(cells), tiling.read_by(cells), tiling.cell_at(point));
        let _ = tiling.runs_in(cells).map(|runs| runs.take(3).count());
        if let Ok(part) = tiling.part(cells) {
            let _ = (part.block_id(cell), part.block(TaskId::new(0), 0), part.row_major());
        }
        let stencil = Stencil::new(tiling);
        let _ = (stencil.conflicts(point), stencil.level_at(point), cantor_number(point));
        if let Ok(roi) = Roi::from_begin_end(&point[..], &points[3][..]) {
            let _ = (tiling.cells_writing(&roi), tiling.cells_reading(&roi));
            let _ = block_index(layout.total_roi(), &roi);
            let total = layout.total_roi();
            let _ = Block::in_total(TaskId::new(0), total, roi.clone(), roi, layout.fit());
        }
    }
    let _ = (tiling.index(cell), tiling.block(TaskId::new(0), cell), tiling.block_id(cell));
    let along =
        |axis: usize| *points[0].get(axis).unwrap_or(&0)..*points[1].get(axis).unwrap_or(&9);
    let _ = tiling.runs_along(along).take(3).count();
}

/// The same about single axes.
fn ask_axes(up: &Tiling, down: &Tiling, points: &[Vec<i64>]) {
    for ((up, down), (a, b)) in
        up.axes().iter().zip(down.axes()).zip(points[0].iter().zip(&points[1]))
    {
        let _ = (up.write(*a), up.read(*a), up.written_in(&(*a..*b)), up.reading(&(*a..*b)));
        let _ = (Crossing::inputs(down, up).cells(*a), Crossing::readers(up, down).cells(*b));
        let chunks = ChunkAxis::new(*a, *b);
        let _ = chunks.map(|chunks| (chunks.around(&(*b..*a)), chunks.is_border(*a)));
    }
}
