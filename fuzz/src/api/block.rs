//! Layouts, their grids, and everything that follows from them.

use daisy_block::{
    Axis, Block, BlockKey, BlockStatus, CellBox, CellRuns, ChunkAxis, ChunkGrid, Coverage,
    Crossing, Fit, Layout, LayoutError, Missed, Order, Plan, SharedChunk, Stencil, StencilAxis,
    TaskId, Tiling, block_index, cantor_number, draw, shared_chunk, shared_chunk_in_place,
};
use daisy_geometry::{Coordinate, Roi};

use super::{
    call,
    text::{debug, ok, print},
    values::Values,
};

const STEPS: usize = 24;
/// What is looked at of anything long.
const SHOWN: usize = 50;

pub fn run(values: &mut Values<'_>) {
    let dims = values.dims();
    names(values);
    by_hand(values, dims);
    refused(values, dims);
    let Some(layout) = values.layout(dims) else { return };
    of_layout(&layout, values);
    // Another grid, which need not have as many axes.
    let dims = values.near_dims(dims);
    let others = values.layout(dims).map(|layout| call!(Tiling::new(&layout)));
    let mut tiling = call!(Tiling::new(&layout));
    for _ in 0..STEPS {
        if !values.goes_on() {
            return;
        }
        let other = others.as_ref().unwrap_or(&tiling).clone();
        match values.pick(9) {
            0 => boxes(&tiling, values),
            1 => cells(&tiling, values),
            2 => axes(&tiling, &other, values),
            3 => stencils(&tiling, &other, values),
            4 => chunks(&tiling, &other, values),
            5 => {
                let cells = values.cell_box(tiling.dims());
                tiling = ok(call!(Tiling::part(&tiling, &cells))).unwrap_or(tiling);
            }
            6 => tiling = call!(Tiling::row_major(&tiling)),
            7 => meetings(&tiling, values),
            _ => chunk_axis(values),
        }
    }
}

fn names(values: &mut Values<'_>) {
    let task = call!(TaskId::new(values.natural_32()));
    let key = call!(BlockKey::new(task, values.natural()));
    debug(&call!(TaskId::index(task)));
    print(&task);
    print(&key);
    print(&values.fit());
    print(&values.order());
    let all =
        [BlockStatus::Created, BlockStatus::Processing, BlockStatus::Success, BlockStatus::Failed];
    print(&values.one_of(&all));
    let text = values.text();
    ok(text.parse::<Fit>());
    ok(text.parse::<Order>());
}

/// What is made of parts that nothing has checked.
fn by_hand(values: &mut Values<'_>, dims: usize) {
    let (total, read, write) = (values.roi(dims), values.roi(dims), values.roi(dims));
    let task = TaskId::new(values.natural_32());
    let fit = values.fit();
    let (read, write) = match values.layout(dims).filter(|_| values.yes()) {
        Some(layout) => (layout.read_roi().clone(), layout.write_roi().clone()),
        None => (read, write),
    };
    if let Some(block) = ok(call!(Block::in_total(task, &total, read, write.clone(), fit))) {
        assert_eq!(call!(Block::task(&block)), task);
        ok(call!(Block::block_id(&block)));
        print(&block);
    }
    if let Some(index) = ok(call!(block_index(&total, &write))) {
        ok(call!(cantor_number(index.as_slice())));
    }
    let index = values.index(dims);
    ok(call!(cantor_number(&index)));
    ok(LayoutError::check_dims(values.pick(3), values.pick(3)));
    print(&SharedChunk {
        axis: values.natural() as usize,
        write_shape: values.number(),
        chunk_shape: values.number(),
        phase: values.number(),
        good_write_shapes: (values.yes().then(|| values.number()), values.number()),
        reads: values.yes(),
        lacks_conflict: values.yes(),
    });
    let missed = Missed {
        roi: write.clone(),
        axis: values.natural() as usize,
        remainder: values.number(),
        write_shape: values.number(),
    };
    let coverage = Coverage {
        total_write_roi: total,
        written: Some(write),
        missed: vec![missed; values.pick(3)],
        overhangs: Vec::new(),
    };
    print(&coverage);
    let plan = Plan {
        num_blocks: values.natural(),
        num_levels: values.natural(),
        max_parallelism: values.natural(),
        voxels_read: u128::from(values.natural()) << values.pick(65),
        voxels_written: values.natural().into(),
    };
    debug(&call!(Plan::read_amplification(&plan)));
    print(&plan);
}

fn refused(values: &mut Values<'_>, dims: usize) {
    let (total, read, write) = (values.roi(dims), values.roi(dims), values.roi(dims));
    ok(call!(Layout::new(total, read, write, values.fit())));
}

fn of_layout(layout: &Layout, values: &mut Values<'_>) {
    let dims = call!(Layout::dims(layout));
    let rois = (call!(Layout::total_roi(layout)), call!(Layout::read_roi(layout)));
    debug(&(rois, call!(Layout::write_roi(layout)), call!(Layout::fit(layout))));
    debug(&(call!(Layout::context_lo(layout)), call!(Layout::context_hi(layout))));
    debug(&(call!(Layout::write_shape(layout)), call!(Layout::total_write_roi(layout))));
    let coverage = call!(Coverage::of(layout));
    print(&coverage);
    assert!(call!(Coverage::is_complete(&coverage)) || layout.fit() == Fit::Valid);
    let plan = call!(Plan::of(layout, values.yes()));
    debug(&call!(Plan::read_amplification(&plan)));
    print(&plan);
    assert!(plan.num_blocks <= Layout::MAX_BLOCKS && plan.max_parallelism <= plan.num_blocks);
    let axis = values.pick(dims + 2);
    assert_eq!(ok(call!(draw(layout, axis))).is_some(), axis < dims);
}

fn boxes(tiling: &Tiling, values: &mut Values<'_>) {
    let dims = tiling.dims();
    let (a, other_dims) = (values.cell_box(dims), values.near_dims(dims));
    let b = values.cell_box(other_dims);
    let a = if values.yes() { call!(Tiling::all_cells(tiling)) } else { a };
    let is_same = a.dims() == b.dims();
    debug(&(call!(CellBox::axes(&a)), call!(CellBox::new(a.axes().iter().cloned()))));
    let (size, index) = (call!(CellBox::num_cells(&a)), values.index(other_dims));
    assert_eq!(call!(CellBox::is_empty(&a)), size == 0);
    let empty = call!(CellBox::empty(dims));
    assert_eq!(call!(CellBox::dims(&empty)), dims);
    assert_eq!(ok(call!(CellBox::contains(&a, &index))).is_some(), is_same);
    let met = ok(call!(CellBox::intersect(&a, &b)));
    let rest = ok(call!(CellBox::without(&a, &b)));
    if let (Some(met), Some(rest)) = (met, rest) {
        let sum = rest.iter().map(CellBox::num_cells).fold(met.num_cells(), u64::saturating_add);
        assert!(sum == size || size == u64::MAX);
    }
    ok(call!(CellBox::hull(&a, &b)));
    let runs = ok(call!(Tiling::runs_in(tiling, &b)));
    if let Some(runs) = &runs {
        let inside = b.intersect(&tiling.all_cells()).unwrap().num_cells();
        let shown: u64 = runs.clone().take(SHOWN).map(|run| run.end - run.start).sum();
        assert!(shown <= inside && (shown > 0) == (inside > 0));
    }
    debug(&runs);
    let cells = ok(call!(Tiling::cells_in(tiling, &b)));
    for cell in cells.into_iter().flatten().take(SHOWN) {
        let index = tiling.index(cell).unwrap();
        assert_eq!(b.contains(index.as_slice()), Ok(true));
    }
    let along: CellRuns =
        call!(Tiling::runs_along(tiling, |axis| a.axes().get(axis).cloned().unwrap_or(0..9)));
    debug(&along.take(SHOWN).last());
    ok(call!(Tiling::written_by(tiling, &b)));
    ok(call!(Tiling::read_by(tiling, &b)));
}

fn cells(tiling: &Tiling, values: &mut Values<'_>) {
    let num_cells = call!(Tiling::num_cells(tiling));
    let cell = if values.yes() { values.natural() } else { values.natural() % num_cells.max(1) };
    let exists = cell < num_cells;
    let (dims, task) = (call!(Tiling::dims(tiling)), TaskId::new(values.natural_32()));
    debug(&(call!(Tiling::grid_shape(tiling)), call!(Tiling::strides(tiling))));
    assert_eq!(call!(Tiling::sweep_axes(tiling)).len(), dims);
    let index = call!(Tiling::index(tiling, cell));
    assert_eq!(index.is_some(), exists);
    if let Some(index) = index {
        assert_eq!(call!(Tiling::cell_at(tiling, index.as_slice())), Ok(Some(cell)));
    }
    let index = values.index(dims);
    if let Some(cell) = ok(call!(Tiling::cell_at(tiling, &index))).flatten() {
        assert_eq!(tiling.index(cell), Some(Coordinate::from(index)));
    }
    ok(call!(Tiling::cell_at(tiling, &[values.number()])));
    let write = call!(Tiling::write_roi(tiling, cell));
    let read = call!(Tiling::read_roi(tiling, cell));
    let block = call!(Tiling::block(tiling, task, cell));
    let id = ok(call!(Tiling::block_id(tiling, cell)));
    assert_eq!((write.is_some(), read.is_some(), block.is_some()), (exists, exists, exists));
    if let (Some(block), Some(write), Some(read)) = (block, write, read) {
        assert_eq!((&block.write_roi, &block.read_roi), (&write, &read));
        assert_eq!((call!(Block::task(&block)), ok(call!(Block::block_id(&block)))), (task, id));
        print(&block);
    }
}

fn meetings(tiling: &Tiling, values: &mut Values<'_>) {
    let dims = values.near_dims(tiling.dims());
    let roi = values.roi(dims);
    let writing = ok(call!(Tiling::cells_writing(tiling, &roi)));
    let reading = ok(call!(Tiling::cells_reading(tiling, &roi)));
    assert_eq!(
        (writing.is_some(), reading.is_some()),
        (dims == tiling.dims(), dims == tiling.dims())
    );
    for cell in writing.iter().flat_map(|cells| tiling.cells_in(cells).unwrap()).take(8) {
        assert_eq!(tiling.write_roi(cell).unwrap().intersects(&roi), Ok(true));
    }
    for cell in reading.iter().flat_map(|cells| tiling.cells_in(cells).unwrap()).take(8) {
        assert_eq!(tiling.read_roi(cell).unwrap().intersects(&roi), Ok(true));
    }
}

fn axes(tiling: &Tiling, other: &Tiling, values: &mut Values<'_>) {
    for (a, b) in call!(Tiling::axes(tiling)).iter().zip(other.axes()) {
        let (index, interval) = (values.number(), values.interval());
        let cells = call!(Axis::num_cells(a));
        debug(&(call!(Axis::step(a)), call!(Axis::write(a, index)), call!(Axis::read(a, index))));
        for met in [call!(Axis::written_in(a, &interval)), call!(Axis::reading(a, &interval))] {
            assert!(met.is_empty() || (met.start >= 0 && met.end <= cells));
        }
        debug(&call!(Axis::reach(a)));
        for crossing in [call!(Crossing::inputs(a, b)), call!(Crossing::readers(a, b))] {
            let met = call!(Crossing::cells(&crossing, index));
            assert!(met.is_empty() || (met.start >= 0 && met.end <= b.num_cells()));
            debug(&(crossing, crossing.cells(0), crossing.cells(cells - 1)));
        }
    }
}

fn stencils(tiling: &Tiling, other: &Tiling, values: &mut Values<'_>) {
    let stencil = call!(Stencil::new(other));
    let (dims, levels) = (values.near_dims(other.dims()), call!(Stencil::num_levels(&stencil)));
    assert_eq!(call!(Stencil::is_trivial(&stencil)), levels == 1);
    let reaches = call!(Stencil::axes(&stencil)).iter().map(|axis| call!(StencilAxis::reach(axis)));
    let around = reaches.fold(1_i64, |all, reach| all.saturating_mul(2 * reach + 1));
    let index = values.index(dims);
    ok(call!(Stencil::conflicts(&stencil, &index)));
    let level = ok(call!(Stencil::level_at(&stencil, &index)));
    assert!(level.is_none_or(|level| level < levels));
    let by_hand = StencilAxis {
        reach_lo: values.number(),
        reach_hi: values.number(),
        period: values.number(),
    };
    debug(&(by_hand, call!(StencilAxis::reach(&by_hand))));
    // Conflicting cells are looked at one after the other.
    if around > 1 << 12 {
        return;
    }
    let cell = values.natural() % tiling.num_cells().max(1);
    let upstream = ok(call!(Stencil::upstream(&stencil, tiling, cell)));
    let downstream = ok(call!(Stencil::downstream(&stencil, tiling, cell)));
    if let (Some(upstream), Some(downstream)) = (upstream, downstream) {
        for other in upstream.chain(downstream) {
            assert!(other != cell && other < tiling.num_cells());
        }
    }
}

fn chunk_grid(dims: usize, values: &mut Values<'_>) -> (Coordinate, Coordinate) {
    let (first, second) = (values.near_dims(dims), values.near_dims(dims));
    let shape =
        (0..second).map(|_| if values.rarely() { values.number() } else { values.small(0..40) });
    let shape: Coordinate = shape.collect();
    (values.coordinate(first), shape)
}

fn chunks(tiling: &Tiling, other: &Tiling, values: &mut Values<'_>) {
    let chunks = chunk_grid(tiling.dims(), values);
    let (origin, shape) =
        (call!(ChunkGrid::origin(&chunks)), call!(ChunkGrid::chunk_shape(&chunks)));
    ok(call!(ChunkAxis::all_of(&chunks, tiling.dims())));
    // As many phases as a chunk has voxels are tried along each axis.
    let is_slow = shape.iter().any(|shape| shape > 1 << 10) && !values.rarely();
    if is_slow || origin.dims() > 4 {
        return;
    }
    let stencil = values.yes().then(|| Stencil::new(other));
    let written = ok(call!(shared_chunk(tiling, stencil.as_ref(), &chunks)));
    let in_place = ok(call!(shared_chunk_in_place(tiling, stencil.as_ref(), &chunks)));
    for shared in written.into_iter().chain(in_place).flatten() {
        print(&shared);
    }
}

fn chunk_axis(values: &mut Values<'_>) {
    let Some(axis) = ok(call!(ChunkAxis::new(values.number(), values.number()))) else { return };
    let interval = values.interval();
    let around = call!(ChunkAxis::around(&axis, &interval));
    assert!((-Roi::LIMIT..=Roi::LIMIT).contains(&around.start));
    debug(&call!(ChunkAxis::is_border(&axis, values.number())));
}
