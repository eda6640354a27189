//! What will never run because it waits for a block that failed for good.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    Scheduler, id,
    pages::{PageState, cell_at, split},
};

impl Scheduler {
    /// Orphans everything that waits, directly or not, for a cell; each block once.
    ///
    /// O(orphans * neighbours). The work list holds runs of cells.
    pub(super) fn orphan_downstream(&mut self, task: usize, cell: u64) {
        let mut work: Vec<(usize, Range<u64>)> = alloc::vec![(task, cell..cell + 1)];
        let mut touched = alloc::vec![false; self.tasks.len()];
        while let Some((task, run)) = work.pop() {
            touched[task] = true;
            for place in 0..self.tasks[task].gated.len() {
                let gated = self.tasks[task].gated[place];
                let all = 0..self.tasks[gated].grid.num_cells();
                self.orphan(gated, all, &mut work);
            }
            for cell in run {
                self.orphan_readers(task, cell, &mut work);
            }
        }
        for task in (0..touched.len()).filter(|&task| touched[task]) {
            self.refresh_around(task);
        }
    }

    /// Orphans the cells that wait for one cell directly.
    fn orphan_readers(&mut self, task: usize, cell: u64, work: &mut Vec<(usize, Range<u64>)>) {
        let frontier = &mut self.tasks[task];
        let Some(index) = frontier.grid.index(cell) else { return };
        if let Some(conflict) = &mut frontier.conflict {
            let runs = conflict.downstream(&frontier.grid, index.as_slice());
            let runs: Vec<Range<u64>> = runs.map(|place| conflict.run(place).at(cell)).collect();
            for run in runs {
                self.orphan(task, run, work);
            }
        }
        for place in 0..self.tasks[task].outputs.len() {
            let edge = &self.tasks[task].outputs[place];
            let reader = edge.task;
            for run in edge.runs(index.as_slice()) {
                self.orphan(reader, run, work);
            }
        }
    }

    /// Orphans the cells of a run that are not finished, and puts them on the work list.
    fn orphan(&mut self, task: usize, run: Range<u64>, work: &mut Vec<(usize, Range<u64>)>) {
        for (page, places) in split(run) {
            let slot = match self.tasks[task].pages.state(page) {
                PageState::Live(slot) => slot,
                PageState::Done => continue,
                PageState::Absent => match self.open_page(task, page) {
                    Some(slot) => slot,
                    None => continue,
                },
            };
            let pages = &self.tasks[task].pages;
            let is_open = |&place: &usize| !pages.page(slot).is_finished(place);
            let open: Vec<u64> =
                places.clone().filter(is_open).map(|at| cell_at(page, at)).collect();
            let orphaned = self.tasks[task].finish_untouched(slot, places);
            self.tasks[task].tally.orphan(orphaned);
            for run in open.chunk_by(|a, b| a + 1 == *b) {
                if let (Some(&first), Some(&last)) = (run.first(), run.last()) {
                    self.dead[task].insert_range(first..=last);
                    work.push((task, first..last + 1));
                    self.report_orphans(task, first..last + 1);
                }
            }
        }
    }

    /// Notes orphans in the numbers of the task's whole grid, neighbouring runs as one.
    fn report_orphans(&mut self, task: usize, run: Range<u64>) {
        let frontier = &self.tasks[task];
        let mut note = |start: u64, end: u64| match self.orphans.last_mut() {
            Some((last, cells)) if *last == id(task) && cells.end == start => cells.end = end,
            _ => self.orphans.push((id(task), start..end)),
        };
        if frontier.is_whole {
            note(run.start, run.end);
            return;
        }
        for cell in run {
            let cell = frontier.global(cell);
            note(cell, cell + 1);
        }
    }
}
