//! Whatever is passed in, nothing panics: another number of axes is an error, and so is what does not exist.
#![allow(
    clippy::reversed_empty_ranges,
    clippy::single_range_in_vec_init,
    reason = "ranges of all kinds are what is passed in"
)]

use daisy_block::{
    Block, BlockKey, CellBox, ChunkAxis, Coverage, Crossing, Fit, Layout, LayoutError, Plan,
    Stencil, TaskId, Tiling, block_index, cantor_number, draw, shared_chunk, shared_chunk_in_place,
};
use daisy_geometry::{Coordinate, GeometryError, Roi};

const TASK: TaskId = TaskId::new(0);

fn roi(begin: &[i64], end: &[i64]) -> Roi {
    Roi::from_begin_end(begin, end).unwrap()
}

/// Five blocks of 10 along each axis, each reading 2 more on either side.
fn tiling(dims: usize) -> Tiling {
    let all = |begin, end| roi(&vec![begin; dims], &vec![end; dims]);
    Tiling::new(&Layout::new(all(-2, 52), all(-2, 12), all(0, 10), Fit::Valid).unwrap())
}

/// No block fits along axis 0; 2^59 do along each of the others.
fn without_blocks() -> Layout {
    let far = 1 << 59;
    let (read, write) =
        (roi(&[0, -far / 2, -far / 2, 0], &[9, 1, 1, 1]), roi(&[0; 4], &[9, 1, 1, 1]));
    Layout::new(roi(&[0; 4], &[5, far, far, far]), read, write, Fit::Valid).unwrap()
}

fn mismatch<T>(left: usize, right: usize) -> Result<T, LayoutError> {
    Err(GeometryError::DimsMismatch { left, right }.into())
}

#[test]
fn blocks_of_a_part_have_the_ids_of_the_whole() {
    let lopsided = Layout::new(
        roi(&[0, 0], &[90, 70]),
        roi(&[-25, -1], &[11, 10]),
        roi(&[0, 0], &[10, 10]),
        Fit::Shrink,
    );
    for whole in [tiling(2), Tiling::new(&lopsided.unwrap()), tiling(5)] {
        let cells = CellBox::new((0..whole.dims() as i64).map(|axis| axis % 3..3 + axis % 2));
        let last = |range: &std::ops::Range<i64>| range.end - range.start - 1;
        let inner = CellBox::new(cells.axes().iter().map(|range| last(range)..last(range) + 1));
        let part = whole.part(&cells).unwrap();
        for (cell, same) in (0..).zip(whole.cells_in(&cells).unwrap()) {
            assert_eq!(part.block_id(cell), whole.block_id(same));
            let (here, there) = (part.block(TASK, cell), whole.block(TASK, same));
            assert_eq!(here.unwrap().block_id(), there.unwrap().block_id());
        }
        // The part of a part.
        let index: Vec<i64> = cells.axes().iter().map(|range| range.end - 1).collect();
        let same = whole.cell_at(&index).unwrap().unwrap();
        assert_eq!(part.part(&inner).unwrap().block_id(0), whole.block_id(same));
    }
}

#[test]
fn a_part_of_another_number_of_axes_is_refused() {
    assert_eq!(tiling(2).part(&CellBox::new([1..3])), mismatch(2, 1));
    assert_eq!(tiling(1).part(&CellBox::new([1..3, 0..1])), mismatch(1, 2));
}

#[test]
fn a_part_beyond_every_bound_is_empty() {
    for range in [i64::MAX..i64::MIN, i64::MAX..i64::MAX, 5..i64::MIN, i64::MIN..i64::MIN] {
        assert_eq!(tiling(2).part(&CellBox::new([range, 0..5])).unwrap().num_cells(), 0);
    }
    let all = CellBox::new([i64::MIN..i64::MAX]);
    assert_eq!(tiling(1).part(&all).unwrap(), tiling(1));
}

#[test]
fn a_block_described_by_hand_is_the_block_of_the_grid_that_writes_there() {
    let grids = [
        (roi(&[0], &[60]), roi(&[-15], &[11]), roi(&[0], &[10])),
        (roi(&[0, 0], &[25, 25]), roi(&[0, 0], &[10, 10]), roi(&[0, 0], &[10, 10])),
        (roi(&[-9, 3], &[40, 35]), roi(&[-1, 0], &[8, 17]), roi(&[0, 1], &[5, 4])),
    ];
    for (total, read, write) in grids {
        for fit in [Fit::Valid, Fit::Overhang] {
            let layout = Layout::new(total.clone(), read.clone(), write.clone(), fit).unwrap();
            let tiling = Tiling::new(&layout);
            for cell in 0..tiling.num_cells() {
                let made = tiling.block(TASK, cell).unwrap();
                let (read, write) = (made.read_roi.clone(), made.write_roi.clone());
                assert_eq!(Block::in_total(TASK, &total, read, write.clone(), fit), Ok(made));
                let index = block_index(&total, &write).unwrap();
                assert_eq!(cantor_number(index.as_slice()), tiling.block_id(cell));
            }
        }
    }
}

#[test]
fn a_block_described_by_hand_is_cut_to_fit() {
    let (total, read, write) = (roi(&[0], &[27]), roi(&[18], &[28]), roi(&[20], &[26]));
    let cut = Block::in_total(TASK, &total, read.clone(), write.clone(), Fit::Shrink).unwrap();
    assert_eq!((cut.key, cut.write_roi), (BlockKey::new(TASK, 3), roi(&[20], &[25])));
    let error = Block::in_total(TASK, &total, read, write, Fit::Valid).unwrap_err();
    assert_eq!(error, LayoutError::NotInGrid { axis: 0, begin: 20 });
}

#[test]
fn a_block_described_by_hand_that_no_shift_gives_is_refused() {
    let refused = |total: i64, read: i64, write: i64| {
        let (read, write) =
            (roi(&[0, read], &[10, read + 14]), roi(&[0, write], &[10, write + 10]));
        Block::in_total(TASK, &roi(&[0, 0], &[30, total]), read, write, Fit::Valid).unwrap_err()
    };
    let off = |begin| LayoutError::NotInGrid { axis: 1, begin };
    assert_eq!(refused(34, -42, -40), off(-40));
    assert_eq!(refused(34, 1, 3), off(3));
    assert_eq!(refused(34, 30, 32), off(32));
    // There is no block at all.
    assert!(matches!(refused(13, 0, 2), LayoutError::NotInGrid { .. }));
}

#[test]
fn an_index_is_that_of_a_bounded_block_of_as_many_axes() {
    let total = roi(&[0, 0], &[9, 9]);
    for (other, what) in [
        (roi(&[0], &[3]), "write_roi has 1 axes"),
        (Roi::unbounded(2), "write_roi has no bounds"),
        (roi(&[0, 3], &[1, 3]), "write_roi has shape 0 along axis 1"),
    ] {
        let error = block_index(&total, &other).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    assert!(block_index(&Roi::unbounded(2), &total).is_err());
    let ends = (roi(&[-Roi::LIMIT], &[0]), roi(&[Roi::LIMIT - 1], &[Roi::LIMIT]));
    assert_eq!(block_index(&ends.0, &ends.1), Ok(Coordinate::from([2 * Roi::LIMIT - 1])));
    assert_eq!(block_index(&ends.1, &ends.0), Ok(Coordinate::from([-2])));
}

#[test]
fn a_negative_index_has_no_number_and_the_error_says_so() {
    let error = cantor_number(&[3, -1]).unwrap_err();
    assert_eq!(error, LayoutError::NegativeIndex { axis: 1, index: -1 });
    assert!(error.to_string().starts_with("index -1 along axis 1"), "{error}");
    assert!(!cantor_number(&[i64::MIN]).unwrap_err().to_string().contains("128"));
    assert_eq!(cantor_number(&[]), Ok(0));
}

#[test]
fn a_cell_that_does_not_exist_has_no_id_and_the_error_says_so() {
    for cell in [5, u64::MAX] {
        let error = tiling(1).block_id(cell).unwrap_err();
        assert_eq!(error, LayoutError::NoSuchCell { cell, num_cells: 5 });
        assert!(error.to_string().contains("the grid has 5"), "{error}");
    }
}

#[test]
fn a_grid_without_blocks_may_be_huge_along_other_axes() {
    let layout = without_blocks();
    let tiling = Tiling::new(&layout);
    assert_eq!((tiling.num_cells(), tiling.index(0), tiling.block(TASK, 0)), (0, None, None));
    let ends = CellBox::new([0..1, 1 << 58..1 << 59, 1 << 58..1 << 59, 1 << 58..1 << 59]);
    for cells in [tiling.all_cells(), ends.clone()] {
        assert_eq!(tiling.cells_in(&cells).unwrap().count(), 0);
        assert_eq!(tiling.part(&cells).unwrap().num_cells(), 0);
        assert_eq!(tiling.read_by(&cells), Ok(None));
    }
    assert_eq!(tiling.row_major().cell_at(&[0, 1 << 58, 1 << 58, 1 << 58]), Ok(None));
    let stencil = Stencil::new(&tiling);
    assert_eq!(stencil.num_levels(), 1);
    assert_eq!(stencil.level_at(&[0, 1 << 58, 1 << 58, 3]), Ok(0));
    let plan = Plan::of(&layout, true);
    assert_eq!((plan.num_blocks, plan.num_levels, plan.max_parallelism), (0, 1, 0));
    assert_eq!((plan.voxels_read, plan.voxels_written), (0, 0));
    assert_eq!(Coverage::of(&layout).written, None);
    assert!((0..4).all(|axis| !draw(&layout, axis).unwrap().is_empty()));
    let chunks = (Coordinate::zeros(4), Coordinate::ones(4));
    assert_eq!(shared_chunk(&tiling, Some(&stencil), &chunks), Ok(None));
}

#[test]
fn offsets_at_the_ends_of_the_numbers_conflict_with_nothing() {
    let stencil = Stencil::new(&tiling(1));
    for offset in [i64::MIN, i64::MIN + 1, i64::MAX] {
        assert_eq!(stencil.conflicts(&[offset]), Ok(false));
        assert!(stencil.level_at(&[offset]).unwrap() < stencil.num_levels());
    }
}

#[test]
fn a_stencil_meets_offsets_indices_and_grids_of_its_number_of_axes() {
    let stencil = Stencil::new(&tiling(2));
    assert_eq!(stencil.conflicts(&[1]), mismatch(2, 1));
    assert_eq!(stencil.level_at(&[1, 2, 3]), mismatch(2, 3));
    assert_eq!(stencil.upstream(&tiling(1), 0).map(Iterator::count), mismatch(2, 1));
    assert_eq!(stencil.downstream(&tiling(3), 0).map(Iterator::count), mismatch(2, 3));
    let nowhere = LayoutError::NoSuchCell { cell: 25, num_cells: 25 };
    assert_eq!(stencil.upstream(&tiling(2), 25).map(Iterator::count), Err(nowhere));
    for dims in [1, 3] {
        let chunks = (Coordinate::zeros(dims), Coordinate::splat(dims, 3));
        assert_eq!(shared_chunk(&tiling(dims), Some(&stencil), &chunks), mismatch(dims, 2));
        assert_eq!(
            shared_chunk_in_place(&tiling(dims), Some(&stencil), &chunks),
            mismatch(dims, 2)
        );
    }
}

#[test]
fn boxes_meet_boxes_and_indices_of_their_number_of_axes() {
    let (line, square) = (CellBox::new([0..3]), CellBox::new([0..3, 0..3]));
    assert_eq!(line.contains(&[1, 1]), mismatch(1, 2));
    assert_eq!(line.intersect(&square), mismatch(1, 2));
    assert_eq!(square.hull(&line), mismatch(2, 1));
    assert_eq!(line.hull(&CellBox::empty(0)), mismatch(1, 0));
    assert_eq!(line.without(&square), mismatch(1, 2));
    let grid = tiling(2);
    let (segment, sheet) = (roi(&[0], &[5]), Roi::unbounded(2));
    assert_eq!(grid.cells_writing(&segment), mismatch(2, 1));
    assert_eq!(grid.cells_reading(&segment), mismatch(2, 1));
    assert_eq!(grid.cells_writing(&sheet), Ok(grid.all_cells()));
    assert_eq!(grid.written_by(&line), mismatch(2, 1));
    assert_eq!(grid.read_by(&line), mismatch(2, 1));
    assert_eq!(grid.runs_in(&line).map(Iterator::count), mismatch(2, 1));
    assert_eq!(grid.cells_in(&line).map(Iterator::count), mismatch(2, 1));
    assert_eq!(grid.cell_at(&[1, 1, 1]), mismatch(2, 3));
    assert_eq!(grid.cell_at(&[1, 5]), Ok(None));
}

#[test]
fn boxes_reach_to_the_ends_of_the_numbers() {
    let all = CellBox::new([i64::MIN..i64::MAX]);
    let inverted = CellBox::new([i64::MAX..i64::MIN]);
    assert_eq!((all.num_cells(), inverted.num_cells()), (u64::MAX, 0));
    assert_eq!(all.contains(&[i64::MIN]), Ok(true));
    assert!(all.intersect(&inverted).unwrap().is_empty());
    assert_eq!(all.hull(&inverted), Ok(all.clone()));
    assert_eq!(all.without(&CellBox::new([0..1])).unwrap().len(), 2);
    let grid = tiling(1);
    assert_eq!(grid.cells_in(&all).unwrap().count(), 5);
    assert_eq!(grid.cells_in(&inverted).unwrap().count(), 0);
    assert_eq!(grid.written_by(&all), Ok(Some(roi(&[0], &[50]))));
}

#[test]
fn runs_of_ranges_outside_of_the_grid_are_cut_at_its_border() {
    let grid = tiling(2);
    let runs = |range: std::ops::Range<i64>| grid.runs_along(|_| range.clone()).collect::<Vec<_>>();
    assert_eq!(runs(i64::MIN..i64::MAX), [0..25]);
    assert_eq!(runs(-3..2), [0..2, 5..7]);
    assert!(runs(i64::MAX..i64::MIN).is_empty() && runs(5..9).is_empty());
}

#[test]
fn cells_beyond_the_grid_lie_where_the_numbers_end() {
    let axis = tiling(1).axes()[0];
    assert_eq!(axis.write(i64::MAX), i64::MAX..i64::MAX);
    assert_eq!(axis.write(i64::MIN), i64::MIN..i64::MIN + 10);
    assert_eq!(axis.read(i64::MAX), i64::MAX - 2..i64::MAX);
    assert_eq!(axis.read(i64::MIN), i64::MIN..i64::MIN + 12);
    assert_eq!(axis.read(6), 58..72);
}

#[test]
fn intervals_of_any_length_meet_the_cells_that_they_cover() {
    for shift in [-(1 << 59), 0, 1 << 59] {
        let at = |begin, end| roi(&[shift + begin], &[shift + end]);
        let layout = Layout::new(at(-2, 52), at(-2, 12), at(0, 10), Fit::Shrink).unwrap();
        let axis = Tiling::new(&layout).axes()[0];
        let met = |interval| (axis.written_in(&interval), axis.reading(&interval));
        assert_eq!(met(i64::MIN..i64::MAX), (0..5, 0..5));
        assert_eq!(met(shift + 25..i64::MAX), (2..5, 2..5));
        assert_eq!(met(i64::MIN..shift + 9), (0..1, 0..2));
        for outside in [i64::MIN..i64::MIN + 1, i64::MAX - 1..i64::MAX, i64::MAX..i64::MIN] {
            assert_eq!(met(outside), (0..0, 0..0));
        }
    }
}

#[test]
fn a_crossing_of_a_cell_beyond_the_grid_meets_nothing() {
    let axis = tiling(1).axes()[0];
    for crossing in [Crossing::inputs(&axis, &axis), Crossing::readers(&axis, &axis)] {
        for index in [i64::MIN, -9, 9, i64::MAX] {
            assert_eq!(crossing.cells(index), 0..0);
        }
        assert_eq!(crossing.cells(4), 3..5);
    }
}

#[test]
fn chunks_without_a_length_are_refused() {
    for shape in [0, -5, i64::MIN] {
        assert!(matches!(ChunkAxis::new(0, shape), Err(LayoutError::BadChunkGrid { .. })));
    }
    let flat = (Coordinate::zeros(2), Coordinate::from([3, 0]));
    let bad = LayoutError::BadChunkGrid { expected_dims: 2, found_dims: 2 };
    assert_eq!(ChunkAxis::all_of(&flat, 2), Err(bad.clone()));
    assert_eq!(shared_chunk(&tiling(2), None, &flat), Err(bad));
}

#[test]
fn chunks_around_an_interval_contain_it_however_far_their_origin() {
    for origin in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
        assert_eq!(ChunkAxis::new(origin, 1).unwrap().around(&(0..1)), 0..1);
        for shape in [2, 7, 1 << 40, i64::MAX] {
            let around = ChunkAxis::new(origin, shape).unwrap().around(&(-3..4));
            assert!(around.start <= -3 && around.end >= 4, "{origin}, {shape}: {around:?}");
        }
        let ends = ChunkAxis::new(origin, 3).unwrap().around(&(i64::MIN..i64::MAX));
        assert_eq!(ends, -Roi::LIMIT..Roi::LIMIT);
    }
}

#[test]
fn a_layout_of_too_many_axes_is_refused() {
    let of = |dims: usize| {
        let all = |end: i64| roi(&vec![0; dims], &vec![end; dims]);
        Layout::new(all(4), all(2), all(2), Fit::Valid)
    };
    assert!(of(Layout::MAX_DIMS).is_ok());
    let error = of(Layout::MAX_DIMS + 1).unwrap_err();
    assert_eq!(error, LayoutError::TooManyAxes { limit: 16, found: 17 });
    assert!(error.to_string().contains("at most 16"), "{error}");
}

#[test]
fn an_axis_that_does_not_exist_is_not_drawn() {
    let error = draw(&without_blocks(), 4).unwrap_err();
    assert_eq!(error, GeometryError::AxisOutOfRange { axis: 4, dims: 4 }.into());
}
