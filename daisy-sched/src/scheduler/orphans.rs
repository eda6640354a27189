//! What will never run because it waits for a block that failed for good.

use alloc::{boxed::Box, vec::Vec};
use core::ops::{ControlFlow, Range};

use daisy_block::CellRuns;

use super::{Scheduler, around::Side, id};

/// Cells that will never be completed.
#[derive(Clone, Debug)]
pub(super) enum Doomed {
    /// A run, not empty. `is_known`: they failed or are orphaned, and what waits for them is to be. Else they
    /// are to be orphaned.
    Run { task: usize, run: Range<u64>, is_known: bool },
    /// Runs of cells to be orphaned.
    Rows { task: usize, runs: Box<CellRuns> },
}

impl Scheduler {
    /// Orphans everything that waits, directly or not, for a cell; each block once.
    ///
    /// O(orphans * neighbours), in steps of a bounded size: what is left stands in the work list, as runs
    /// of cells whose readers are orphaned.
    pub(super) fn orphan_downstream(&mut self, task: usize, cell: u64) {
        self.doomed.push(Doomed::Run { task, run: cell..cell + 1, is_known: true });
        self.orphan_on_if_left();
    }

    /// Goes on with what an earlier call left.
    #[inline]
    pub(super) fn orphan_on_if_left(&mut self) {
        if !self.doomed.is_empty() {
            let mut steps = self.steps;
            self.orphan_on(&mut steps);
            self.steps = steps;
        }
    }

    /// Works on the list until it is empty or about `steps` rows were looked at.
    pub(super) fn orphan_on(&mut self, steps: &mut u64) {
        // What is masked is skipped, whatever failed since the mask said so.
        for task in 0..self.tasks.len() {
            self.close_on(task, steps);
        }
        let mut touched = alloc::vec![false; self.tasks.len()];
        while *steps > 0
            && let Some(doomed) = self.doomed.pop()
        {
            *steps -= 1;
            let (task, run, is_known) = match doomed {
                Doomed::Run { task, run, is_known } => (task, run, is_known),
                Doomed::Rows { task, runs } => {
                    touched[task] = true;
                    self.doom_rows(task, *runs, steps);
                    continue;
                }
            };
            touched[task] = true;
            if is_known && self.tasks[task].is_unread() && self.tasks[task].gated.is_empty() {
                continue;
            }
            let next = self.tasks[task].closed.next_wanted(run.start);
            let Some(start) = next.filter(|&start| start < run.end) else { continue };
            let run = start..run.end;
            let size = self.tasks[task].pages.size();
            let page = size.page_of(run.start);
            let end = if is_known { run.start + 1 } else { run.end.min(size.cell_at(page + 1, 0)) };
            if end < run.end {
                self.doomed.push(Doomed::Run { task, run: end..run.end, is_known });
            }
            if !is_known {
                self.orphan(task, run.start..end, steps);
                continue;
            }
            for place in 0..self.tasks[task].gated.len() {
                let gated = self.tasks[task].gated[place];
                if self.tasks[gated].tally.has_untouched() {
                    let run = 0..self.tasks[gated].grid.num_cells();
                    self.doomed.push(Doomed::Run { task: gated, run, is_known: false });
                }
            }
            self.orphan_readers(task, run.start, steps);
        }
        if !self.doomed.is_empty() {
            self.has_backlog = true;
            self.paths.interrupted += 1;
        }
        for task in (0..touched.len()).filter(|&task| touched[task]) {
            self.refresh_around(task);
        }
    }

    /// Orphans the cells that wait for one cell directly.
    fn orphan_readers(&mut self, task: usize, cell: u64, steps: &mut u64) {
        let frontier = &mut self.tasks[task];
        let Some(index) = frontier.grid.index(cell) else { return };
        if let Some(conflict) = &mut frontier.conflict {
            let around = conflict.downstream(&frontier.grid, index.as_slice());
            let runs: Vec<Range<u64>> = around.iter().map(|run| run.at(cell)).collect();
            runs.into_iter().for_each(|run| self.doom(task, run, steps));
        } else if let Some(around) = &frontier.around {
            let mut boxes: Vec<CellRuns> = Vec::new();
            let _done = around.boxes(index.as_slice(), Side::Downstream, |ranges| {
                boxes.push(frontier.grid.runs_along_unchecked(|axis| ranges[axis].clone()));
                ControlFlow::Continue(())
            });
            boxes.into_iter().for_each(|runs| self.doom_rows(task, runs, steps));
        }
        for place in 0..self.tasks[task].outputs.len() {
            let edge = &self.tasks[task].outputs[place];
            let (reader, runs) = (edge.task, edge.runs(index.as_slice()));
            self.doom_rows(reader, runs, steps);
        }
    }

    /// Orphans the cells of some runs as far as the steps allow: of one at least.
    fn doom_rows(&mut self, task: usize, mut runs: CellRuns, steps: &mut u64) {
        while let Some(run) = runs.next() {
            self.doom(task, run, steps);
            if *steps == 0 {
                self.doomed.push(Doomed::Rows { task, runs: Box::new(runs) });
                return;
            }
        }
    }

    /// Orphans the cells of a run now, or later where they are many.
    fn doom(&mut self, task: usize, run: Range<u64>, steps: &mut u64) {
        if *steps > 0 && run.end - run.start <= self.tasks[task].pages.size().cells() as u64 {
            self.orphan(task, run, steps);
        } else if !run.is_empty() {
            self.doomed.push(Doomed::Run { task, run, is_known: false });
        }
    }

    /// Orphans the cells of a run that are not finished, and puts them on the work list.
    fn orphan(&mut self, task: usize, run: Range<u64>, steps: &mut u64) {
        let size = self.tasks[task].pages.size();
        for (page, places) in size.split(run) {
            // Each cell is looked at, which is quicker than a row.
            *steps = steps.saturating_sub(1 + places.len() as u64 / 16);
            let Some(slot) = self.live_page(task, page) else { continue };
            let pages = &self.tasks[task].pages;
            let is_open = |&place: &usize| !pages.page(slot).is_finished(place);
            let open: Vec<u64> =
                places.clone().filter(is_open).map(|at| size.cell_at(page, at)).collect();
            let orphaned = self.tasks[task].finish_untouched(slot, places);
            self.tasks[task].tally.orphan(orphaned);
            for run in open.chunk_by(|a, b| a + 1 == *b) {
                if let (Some(&first), Some(&last)) = (run.first(), run.last()) {
                    self.dead[task].insert_range(first..=last);
                    self.doomed.push(Doomed::Run { task, run: first..last + 1, is_known: true });
                    self.paths.orphaned += 1;
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
        if frontier.is_whole() {
            note(run.start, run.end);
            return;
        }
        for cell in run {
            let cell = frontier.global(cell);
            note(cell, cell + 1);
        }
    }
}
