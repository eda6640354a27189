//! The grid: every cell, its block, its number and its id.

use std::collections::BTreeSet;

use daisy_block::{BlockKey, CellBox, Plan, Stencil, TaskId, Tiling, cantor_number};
use daisy_geometry::Roi;
use proptest::prelude::*;

use crate::layouts::{blocks, ends, layouts, meet};

const TASK: TaskId = TaskId::new(7);

proptest! {
    #![proptest_config(ProptestConfig { cases: 8 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn blocks_agree_with_the_definition(layout in layouts(1..=6)) {
        let tiling = Tiling::new(&layout);
        let naive = blocks(&layout);
        prop_assert_eq!(tiling.num_cells(), naive.len() as u64);
        let mut cells = BTreeSet::new();
        for expected in &naive {
            let cell = tiling.cell_at(&expected.index).unwrap().unwrap();
            prop_assert!(cells.insert(cell));
            prop_assert_eq!(tiling.index(cell).unwrap().to_vec(), expected.index.clone());
            let block = tiling.block(TASK, cell).unwrap();
            prop_assert_eq!(block.key, BlockKey::new(TASK, cell));
            prop_assert_eq!(ends(&block.read_roi), expected.read.clone());
            prop_assert_eq!(ends(&block.write_roi), expected.write.clone());
            prop_assert_eq!(tiling.read_roi(cell), Some(block.read_roi.clone()));
            prop_assert_eq!(tiling.write_roi(cell), Some(block.write_roi.clone()));
            // SEMANTICS: the index counts from the total ROI, in steps of the unshrunk write ROI.
            let from_total: Vec<i64> = (0..layout.dims())
                .map(|axis| {
                    let step = layout.write_shape()[axis];
                    (expected.write[axis].0 - ends(layout.total_roi())[axis].0).div_euclid(step)
                })
                .collect();
            prop_assert_eq!(block.block_id(), cantor_number(&from_total));
            prop_assert_eq!(tiling.block_id(cell), cantor_number(&from_total));
        }
        prop_assert_eq!(cells, (0..naive.len() as u64).collect::<BTreeSet<_>>());
        prop_assert_eq!(tiling.block(TASK, naive.len() as u64), None);
        prop_assert_eq!(tiling.index(u64::MAX), None);
    }

    #[test]
    fn ascending_cells_sweep_along_the_longest_axis(layout in layouts(1..=4)) {
        let tiling = Tiling::new(&layout);
        let shape = tiling.grid_shape();
        let longest = (0..shape.dims()).max_by_key(|&axis| (shape[axis], -(axis as i64))).unwrap();
        let indices = (0..tiling.num_cells()).map(|cell| tiling.index(cell).unwrap());
        let mut keys: Vec<Vec<i64>> = Vec::new();
        for index in indices {
            let rest = (0..shape.dims()).filter(|&axis| axis != longest).map(|axis| index[axis]);
            keys.push(std::iter::once(index[longest]).chain(rest).collect());
        }
        prop_assert!(keys.is_sorted());
    }

    #[test]
    fn cells_that_touch_a_roi_are_a_box(
        (layout, roi) in layouts(1..=4).prop_flat_map(|layout| {
            let axis = prop_oneof![4 => (-12_i64..40, 0_i64..12).prop_map(Some), 1 => Just(None)];
            let roi = prop::collection::vec(axis, layout.dims());
            (Just(layout), roi.prop_map(|axes| Roi::from_axes(axes).unwrap()))
        }),
    ) {
        let tiling = Tiling::new(&layout);
        let span: Vec<(i64, i64)> = (0..roi.dims())
            .map(|axis| (roi.begin_at(axis).unwrap_or(-1000), roi.end_at(axis).unwrap_or(1000)))
            .collect();
        let writing = tiling.cells_writing(&roi).unwrap();
        let reading = tiling.cells_reading(&roi).unwrap();
        let mut cells = BTreeSet::new();
        for block in blocks(&layout) {
            let meets = |ends: &[(i64, i64)]| !roi.is_empty() && meet(ends, &span);
            prop_assert_eq!(writing.contains(&block.index), Ok(meets(&block.write)));
            prop_assert_eq!(reading.contains(&block.index), Ok(meets(&block.read)));
            if meets(&block.write) {
                cells.insert(tiling.cell_at(&block.index).unwrap().unwrap());
            }
        }
        prop_assert_eq!(writing.num_cells(), cells.len() as u64);
        let listed: Vec<u64> = tiling.cells_in(&writing).unwrap().collect();
        prop_assert!(listed.is_sorted());
        prop_assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), cells);
        let runs: Vec<_> = tiling.runs_in(&writing).unwrap().collect();
        prop_assert!(runs.iter().all(|run| !run.is_empty()));
        prop_assert_eq!(runs.into_iter().flatten().collect::<Vec<_>>(), listed);
    }

    #[test]
    fn a_part_of_a_grid_has_the_same_blocks(layout in layouts(1..=5), cuts in any::<[u8; 10]>()) {
        let tiling = Tiling::new(&layout);
        let cells = CellBox::new(tiling.axes().iter().zip(cuts.chunks(2)).map(|(axis, cut)| {
            let start = i64::from(cut[0]) % (axis.num_cells() + 1);
            start..start + i64::from(cut[1]) % (axis.num_cells() - start + 1)
        }));
        let part = tiling.part(&cells).unwrap();
        prop_assert_eq!(part.num_cells(), cells.num_cells());
        for renumbered in [part.clone(), part.row_major()] {
            for (cell, whole) in (0..renumbered.num_cells()).zip(tiling.cells_in(&cells).unwrap()) {
                let index = renumbered.index(cell).unwrap();
                let shifted: Vec<i64> =
                    cells.axes().iter().zip(index.iter()).map(|(range, i)| range.start + i).collect();
                let same = tiling.cell_at(&shifted).unwrap().unwrap();
                prop_assert_eq!(renumbered.write_roi(cell), tiling.write_roi(same));
                prop_assert_eq!(renumbered.read_roi(cell), tiling.read_roi(same));
                prop_assert_eq!(renumbered.block_id(cell), tiling.block_id(same));
                if renumbered == part {
                    prop_assert_eq!(same, whole);
                }
            }
        }
    }

    #[test]
    fn plans_add_up(layout in layouts(1..=3), conflict in any::<bool>()) {
        let plan = Plan::of(&layout, conflict);
        let tiling = Tiling::new(&layout);
        let naive = blocks(&layout);
        let volume = |ends: &[(i64, i64)]| ends.iter().map(|e| (e.1 - e.0) as u128).product::<u128>();
        prop_assert_eq!(plan.num_blocks, naive.len() as u64);
        prop_assert_eq!(plan.voxels_read, naive.iter().map(|b| volume(&b.read)).sum::<u128>());
        prop_assert_eq!(plan.voxels_written, naive.iter().map(|b| volume(&b.write)).sum::<u128>());
        let stencil = Stencil::new(&tiling);
        let mut sizes = std::collections::BTreeMap::new();
        for block in &naive {
            *sizes.entry(if conflict { stencil.level_at(&block.index).unwrap() } else { 0 }).or_insert(0_u64) += 1;
        }
        prop_assert_eq!(plan.max_parallelism, sizes.values().copied().max().unwrap_or(0));
        if !naive.is_empty() {
            prop_assert_eq!(plan.num_levels, sizes.len() as u64);
        }
    }
}

#[test]
fn the_example_of_the_fits_has_exactly_its_blocks() {
    let writes = |fit| {
        let roi = |begin, end| Roi::from_begin_end([begin], [end]).unwrap();
        let layout = daisy_block::Layout::new(roi(0, 27), roi(0, 10), roi(2, 8), fit).unwrap();
        let tiling = Tiling::new(&layout);
        let of = |cell| ends(&tiling.write_roi(cell).unwrap())[0];
        (0..tiling.num_cells()).map(of).collect::<Vec<_>>()
    };
    assert_eq!(writes(daisy_block::Fit::Valid), [(2, 8), (8, 14), (14, 20)]);
    assert_eq!(writes(daisy_block::Fit::Overhang), [(2, 8), (8, 14), (14, 20), (20, 26)]);
    assert_eq!(writes(daisy_block::Fit::Shrink), [(2, 8), (8, 14), (14, 20), (20, 25)]);
}

#[test]
fn an_id_too_large_is_an_error_but_the_layout_works() {
    let far = 1_i64 << 58;
    let roi = |begin: i64, end: i64| Roi::from_begin_end(vec![begin; 3], vec![end; 3]).unwrap();
    // Few cells, but far away from the origin of the total ROI: the context is large.
    let layout = daisy_block::Layout::new(
        Roi::from_begin_end(vec![0; 3], vec![far + 8; 3]).unwrap(),
        roi(-far, 1),
        roi(0, 1),
        daisy_block::Fit::Valid,
    )
    .unwrap();
    let tiling = Tiling::new(&layout);
    let block = tiling.block(TASK, tiling.num_cells() - 1).unwrap();
    assert_eq!(block.block_id(), Err(daisy_block::LayoutError::IdOverflow));
    assert_eq!(block.write_roi, roi(far + 7, far + 8));
}
