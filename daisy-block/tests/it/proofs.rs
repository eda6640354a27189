//! Coverage and chunk alignment, voxel by voxel and pair by pair.

use std::collections::BTreeMap;

use daisy_block::{
    Coverage, Fit, Stencil, Tiling, shared_chunk, shared_chunk_in_place, shared_chunk_within,
};
use daisy_geometry::Coordinate;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::layouts::{NaiveBlock, blocks, ends, layouts, meet};

/// All voxels of a box.
fn voxels(ends: &[(i64, i64)]) -> Vec<Vec<i64>> {
    ends.iter().fold(vec![vec![]], |points, &(begin, end)| {
        let extend = |point: &Vec<i64>| (begin..end).map(|v| [&point[..], &[v]].concat()).collect();
        points.iter().flat_map(|point| -> Vec<Vec<i64>> { extend(point) }).collect()
    })
}

fn conflict(a: &NaiveBlock, b: &NaiveBlock) -> bool {
    meet(&a.read, &b.write) || meet(&b.read, &a.write)
}

/// The chunks that a box meets, as indices along each axis.
fn chunks_of(ends: &[(i64, i64)], origin: &[i64], shape: &[i64]) -> Vec<(i64, i64)> {
    let along = |axis: usize| {
        let (begin, end) = ends[axis];
        let of = |at: i64| (at - origin[axis]).div_euclid(shape[axis]);
        (of(begin), of(end - 1) + 1)
    };
    (0..ends.len()).map(along).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn coverage_is_right_about_every_voxel(layout in layouts(1..=3)) {
        let coverage = Coverage::of(&layout);
        let mut written: BTreeMap<Vec<i64>, usize> = BTreeMap::new();
        for block in blocks(&layout) {
            for voxel in voxels(&block.write) {
                *written.entry(voxel).or_default() += 1;
            }
        }
        prop_assert!(written.values().all(|&times| times == 1));
        let total = layout.total_write_roi();
        let mut is_complete = true;
        if !total.is_empty() {
            for voxel in voxels(&ends(&total)) {
                let missed = coverage.missed.iter().filter(|m| m.roi.contains_point(&voxel).unwrap()).count();
                prop_assert_eq!(missed, usize::from(!written.contains_key(&voxel)), "{:?}", voxel);
                is_complete &= written.contains_key(&voxel);
            }
        }
        prop_assert_eq!(coverage.is_complete(), is_complete);
        prop_assert!(layout.fit() == Fit::Valid || is_complete);
        prop_assert_eq!(!coverage.to_string().starts_with("every voxel"), !is_complete);
        let outside = written.keys().any(|voxel| !total.contains_point(voxel).unwrap());
        prop_assert_eq!(!coverage.overhangs.is_empty(), outside);
    }

    #[test]
    fn work_in_place_agrees_with_comparing_all_pairs(
        layout in layouts(1..=3),
        origin in prop::collection::vec(-5_i64..5, 3),
        shape in prop::collection::vec(1_i64..9, 3),
        with_conflict in any::<bool>(),
    ) {
        let dims = layout.dims();
        let tiling = Tiling::new(&layout);
        let stencil = Stencil::new(&tiling);
        let grid = (Coordinate::from_slice(&origin[..dims]), Coordinate::from_slice(&shape[..dims]));
        let found = shared_chunk_in_place(&tiling, with_conflict.then_some(&stencil), &grid).unwrap();
        let all = blocks(&layout);
        let mut expected = false;
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
            let chunks = |ends: &[(i64, i64)]| chunks_of(ends, &origin, &shape);
            let is_shared = meet(&chunks(&a.read), &chunks(&b.write));
            expected |= a.index != b.index && is_shared && !(with_conflict && conflict(a, b));
        }
        prop_assert_eq!(found.is_some(), expected, "{:?}", found);
        prop_assert!(found.is_none_or(|found| found.reads && found.lacks_conflict != with_conflict));
    }

    #[test]
    fn shared_chunks_agree_with_comparing_all_pairs(
        layout in layouts(1..=3),
        origin in prop::collection::vec(-5_i64..5, 3),
        shape in prop::collection::vec(1_i64..9, 3),
        with_conflict in any::<bool>(),
    ) {
        let dims = layout.dims();
        let tiling = Tiling::new(&layout);
        let stencil = Stencil::new(&tiling);
        let grid = (Coordinate::from_slice(&origin[..dims]), Coordinate::from_slice(&shape[..dims]));
        let found = shared_chunk(&tiling, with_conflict.then_some(&stencil), &grid).unwrap();
        let all = blocks(&layout);
        // Where a block is cut at the high end, the borders in between are still where they would be.
        let mut expected = false;
        for (place, a) in all.iter().enumerate() {
            for b in &all[..place] {
                let chunks = |block: &NaiveBlock| chunks_of(&block.write, &origin, &shape);
                expected |= meet(&chunks(a), &chunks(b)) && !(with_conflict && conflict(a, b));
            }
        }
        prop_assert_eq!(found.is_some(), expected, "{:?}", found);
        if let Some(found) = found {
            let (smaller, larger) = found.good_write_shapes;
            prop_assert_eq!(larger % found.chunk_shape, 0);
            prop_assert!(larger >= found.write_shape.min(found.chunk_shape));
            prop_assert!(smaller.is_none_or(|s| s % found.chunk_shape == 0 && s <= found.write_shape && s > 0));
            prop_assert_eq!((found.write_shape, found.chunk_shape), (layout.write_shape()[found.axis], shape[found.axis]));
        }
    }
}

/// Whether two blocks that may run at the same time share a chunk, by comparing all pairs.
fn is_any_shared(all: &[NaiveBlock], grid: (&[i64], &[i64]), reads: bool, conflicts: bool) -> bool {
    let chunks = |ends: &[(i64, i64)]| chunks_of(ends, grid.0, grid.1);
    all.iter().flat_map(|a| all.iter().map(move |b| (a, b))).any(|(a, b)| {
        let claimed = if reads { &a.read } else { &a.write };
        let is_shared = meet(&chunks(claimed), &chunks(&b.write));
        a.index != b.index && is_shared && !(conflicts && conflict(a, b))
    })
}

#[test]
fn with_more_phases_than_are_tried_no_shared_chunk_is_overlooked() {
    let mut taken: BTreeMap<(bool, bool, bool), usize> = BTreeMap::new();
    let ways = std::cell::RefCell::new(&mut taken);
    let grid = prop::collection::vec((-5_i64..5, 1_i64..12), 3);
    let cases = (layouts(1..=3), grid, any::<bool>(), any::<bool>(), 0_u32..6);
    let config = ProptestConfig {
        cases: 16 * ProptestConfig::default().cases,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&cases, |(layout, grid, reads, with_conflict, max_phases)| {
        let (origin, shape): (Vec<i64>, Vec<i64>) = grid[..layout.dims()].iter().copied().unzip();
        let tiling = Tiling::new(&layout);
        let stencil = with_conflict.then(|| Stencil::new(&tiling));
        let chunks = (Coordinate::from_slice(&origin), Coordinate::from_slice(&shape));
        let (found, is_exact) =
            shared_chunk_within(&tiling, stencil.as_ref(), &chunks, reads, max_phases).unwrap();
        let expected = is_any_shared(&blocks(&layout), (&origin, &shape), reads, with_conflict);
        prop_assert!(found.is_some() || !expected, "overlooked");
        prop_assert!(found.is_none() || expected || !is_exact, "invented: {:?}", found);
        *ways.borrow_mut().entry((reads, is_exact, expected)).or_default() += 1;
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\n{runner}");
    }
    // Both proofs were exact and were not, with shared chunks and without.
    assert_eq!(taken.len(), 8, "{taken:?}");
}

#[test]
fn a_chunk_grid_of_another_dimension_or_without_extent_is_refused() {
    let roi = |end| daisy_geometry::Roi::from_begin_end([0], [end]).unwrap();
    let layout = daisy_block::Layout::new(roi(30), roi(10), roi(10), Fit::Valid).unwrap();
    let tiling = Tiling::new(&layout);
    for (origin, shape) in [(vec![0, 0], vec![4, 4]), (vec![0], vec![0])] {
        let grid = (Coordinate::from(origin), Coordinate::from(shape));
        let error = shared_chunk(&tiling, None, &grid).unwrap_err();
        assert!(error.to_string().contains("chunk"), "{error}");
    }
}
