//! Calls that make no sense, and grids of an unusual size: nothing panics, and each costs what it has to.

use daisy_block::{Fit, Layout, Tiling};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_journal::{Cells, ForgetOptions, MemoryDisk, forget};

use crate::files::{append, contents, done, grant, key, lease, open};

#[test]
fn no_cell_lies_in_a_run_whose_end_lies_below_its_start() {
    // So many are kept as one stretch.
    let cells = Cells::from_iter(0..1 << 22);
    for (start, end) in [(100, 50), (u64::MAX, 0), (1 << 22, 1 << 21), (7, 7)] {
        assert_eq!(cells.num_in(&(start..end)), 0);
    }
    assert_eq!(cells.num_in(&(100..150)), 50);
}

#[test]
fn forgetting_costs_what_is_known_however_large_the_grid() {
    // 2^60 blocks, in 2^40 rows.
    let (total, block) =
        (Roi::new([0; 3], [1 << 20; 3]).unwrap(), Roi::new([0; 3], [1; 3]).unwrap());
    let layout = Layout::new(total, block.clone(), block, Fit::Valid).unwrap();
    let tiling = Tiling::new(&layout);
    let mut tasks = TaskGraph::new();
    tasks.add_task(TaskNode::new("all", layout, false).unwrap()).unwrap();
    let (mut journal, _) = open(MemoryDisk::new(), &tasks);
    let cells = [[5, 5, 5], [5, 1 << 19, 5], [1000, 0, 7], [1 << 19, 7, 7]]
        .map(|index| tiling.cell_at(&index).unwrap().unwrap());
    for (number, cell) in (0..).zip(cells) {
        append(
            &mut journal,
            &[grant(lease(0, number), key(0, cell)), done(lease(0, number), key(0, cell))],
        );
    }
    let mut disk = journal.into_disk();
    let roi = Roi::new([0, 0, 0], [1 << 19; 3]).unwrap();
    let forgotten = forget(&mut disk, "all", Some(&roi), ForgetOptions::default()).unwrap();
    assert_eq!(forgotten.tasks[0].done, 2);
    let left = contents(&disk).tasks[0].done.clone();
    assert_eq!(left, Cells::from_iter([cells[1], cells[3]]));
}
