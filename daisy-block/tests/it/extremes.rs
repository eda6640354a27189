//! Whatever a user writes, nothing panics: layouts at the limits of the numbers.

use daisy_block::{Coverage, Fit, Layout, Plan, Stencil, TaskId, Tiling, draw, shared_chunk};
use daisy_geometry::{Coordinate, Roi};
use proptest::prelude::*;

/// Total begin and shape, write shape, context, and a magnitude.
type AxisSpec = (i64, i64, i64, i64, i64);

/// Numbers of every size, often right at a limit.
fn number() -> impl Strategy<Value = i64> {
    let limits = [0, 1, 2, Layout::LIMIT, Roi::LIMIT, i64::MAX - 1, 1 << 30, 1 << 45];
    let near = (prop::sample::select(limits.to_vec()), -2_i64..=2, any::<bool>()).prop_map(
        |(limit, off, is_negative)| if is_negative { -limit } else { limit }.saturating_add(off),
    );
    prop_oneof![3 => -20_i64..20, 2 => near, 1 => any::<i64>()]
}

fn roi(dims: usize) -> impl Strategy<Value = Option<Roi>> {
    let ends = prop::collection::vec((number(), number()), dims);
    ends.prop_map(|ends| {
        let (begin, end): (Vec<i64>, Vec<i64>) = ends.into_iter().unzip();
        Roi::from_begin_end(begin, end).ok()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 78 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_whatever_the_numbers(
        (total, read, write, chunk, fit) in (1_usize..=6).prop_flat_map(|dims| {
            let fit = prop_oneof![Just(Fit::Valid), Just(Fit::Overhang), Just(Fit::Shrink)];
            (roi(dims), roi(dims), roi(dims), prop::collection::vec(number(), dims), fit)
        }),
    ) {
        let (Some(total), Some(read), Some(write)) = (total, read, write) else { return Ok(()) };
        let layout = match Layout::new(total, read, write, fit) {
            Ok(layout) => layout,
            Err(error) => {
                prop_assert!(error.to_string().len() > 10);
                return Ok(());
            }
        };
        check(&layout, &Coordinate::from(chunk))?;
    }

    #[test]
    fn nothing_panics_for_layouts_that_are_valid(
        (axes, fit) in (
            prop::collection::vec((number(), 1_i64..Layout::LIMIT, 1_i64..Layout::LIMIT, 0_i64..Layout::LIMIT, 0_i64..64), 1..4),
            prop_oneof![Just(Fit::Valid), Just(Fit::Overhang), Just(Fit::Shrink)],
        ),
    ) {
        let make = |ends: fn(&AxisSpec) -> (i64, i64)| {
            let (begin, end): (Vec<i64>, Vec<i64>) = axes.iter().map(ends).unzip();
            Roi::from_begin_end(begin, end).ok()
        };
        let total = make(|&(begin, total, _, _, m)| {
            let begin = begin % Layout::LIMIT;
            (begin, begin.saturating_add(shape(total, m)))
        });
        let read = make(|&(_, _, write, context, m)| (-shape(context, m), shape(write, m) + 3));
        let write = make(|&(_, _, write, _, m)| (0, shape(write, m)));
        let (Some(total), Some(read), Some(write)) = (total, read, write) else { return Ok(()) };
        if let Ok(layout) = Layout::new(total, read, write, fit) {
            check(&layout, &Coordinate::splat(layout.dims(), 7))?;
        }
    }
}

/// A size of any order of magnitude.
fn shape(size: i64, magnitude: i64) -> i64 {
    (size >> (magnitude % 60)).max(1)
}

/// Asks everything that a layout can answer.
fn check(layout: &Layout, chunk: &Coordinate) -> Result<(), TestCaseError> {
    let tiling = Tiling::new(layout);
    let stencil = Stencil::new(&tiling);
    let last = tiling.num_cells().checked_sub(1);
    for cell in [Some(0), last, last.map(|last| last / 2)].into_iter().flatten() {
        let Some(block) = tiling.block(TaskId::new(0), cell) else {
            prop_assert!(cell >= tiling.num_cells());
            continue;
        };
        let _ = block.block_id();
        let index = tiling.index(cell).unwrap();
        prop_assert_eq!(tiling.cell_at(index.as_slice()), Ok(Some(cell)));
        prop_assert!(
            tiling.cells_writing(&block.write_roi).unwrap().contains(index.as_slice()).unwrap()
        );
        prop_assert!(
            tiling.cells_reading(&block.read_roi).unwrap().contains(index.as_slice()).unwrap()
        );
        prop_assert!(stencil.level_at(index.as_slice()).unwrap() < stencil.num_levels());
        prop_assert!(block.read_roi.contains(&block.write_roi).unwrap());
        let _ = stencil.upstream(&tiling, cell).unwrap().take(3).count();
    }
    prop_assert!(
        tiling.cells_writing(&Roi::unbounded(layout.dims())).unwrap().num_cells()
            == tiling.num_cells()
    );
    let _ = (Coverage::of(layout).to_string(), Plan::of(layout, true).to_string());
    let _ =
        shared_chunk(&tiling, Some(&stencil), &(Coordinate::zeros(layout.dims()), chunk.clone()));
    let picture = draw(layout, layout.dims() - 1).unwrap();
    prop_assert!(picture.lines().all(|line| line.len() < 200));
    prop_assert!(draw(layout, layout.dims()).is_err());
    Ok(())
}
