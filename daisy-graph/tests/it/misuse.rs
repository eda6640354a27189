//! Whatever is passed in, nothing panics: another number of axes is an error, and so is what does not exist.
#![allow(clippy::single_range_in_vec_init, reason = "boxes of one axis are what is passed in")]

use daisy_block::{CellBox, Fit, Layout, LayoutError, Stencil, TaskId, Tiling};
use daisy_geometry::{Coordinate, GeometryError, Roi};
use daisy_graph::{
    Access, DependencyGraph, GraphError, Lattice, Roots, TaskGraph, TaskNode, inputs, readers,
    unordered_tasks, waiting,
};

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
