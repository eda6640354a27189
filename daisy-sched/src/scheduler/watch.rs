//! What a block waits for where that is too much to be counted: it watches one block of it at a time.
//!
//! ```text
//!  untouched --the first block that it waits for is finished--> decided: is anything left?
//!      watching (a block that is left) <---yes---'   '---no---> ready
//!            '--that block is finished--> decided again
//! ```
//!
//! Of each cell, [`Scheduler::first_awaited`] names one block that it waits for, by arithmetic alone; as
//! long as that one is not finished, nothing is stored. Then all that the cell waits for is looked at, row
//! by row, and the cell is put into the list of a block that is left. So a finished block costs the cells
//! that wait for it alone, however wide the stencil is. Cells to be decided stand in a backlog, which is
//! worked off in steps of a bounded size. So are masked boxes that are being closed (see `closed.rs`).

use alloc::collections::{BTreeMap, VecDeque};
use core::ops::{ControlFlow, Range};

use daisy_block::{CellBox, CellRuns};
use daisy_geometry::Coordinate;
use smallvec::SmallVec;

use super::{
    Scheduler,
    around::{Ranges, Side},
    closed::Closing,
    edge::Edge,
    pages::PageState,
};

/// The cells of one task that watch others, and those that are to be decided.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// The watching cells, by the task and cell that they watch.
    watchers: BTreeMap<(usize, u64), SmallVec<[u64; 2]>>,
    /// Masked boxes that are not closed altogether.
    pub(super) closing: VecDeque<Closing>,
    backlog: VecDeque<Undecided>,
}

/// Cells of one task of which must be found out whether they may run.
#[derive(Clone, Debug)]
enum Undecided {
    /// The first block that it waits for is finished.
    Cell(u64),
    /// The block that they watched is finished.
    Woken(SmallVec<[u64; 2]>),
    /// All cells of a box.
    Box { runs: CellRuns, run: Range<u64>, kind: Kind },
    /// The cells that watch a cell of a closed box of `task`.
    Closed { task: usize, runs: CellRuns, run: Range<u64> },
}

/// Why a cell is to be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A block that it waits for is finished.
    Free,
    /// The block that it watched is finished.
    Woken,
    /// Blocks that it may wait for are closed, and that matters only if its page is live.
    IfLive,
    /// The same of blocks that it counts.
    Recount,
}

impl Watch {
    pub(super) fn is_idle(&self) -> bool {
        self.backlog.is_empty() && self.closing.is_empty()
    }

    /// Whether a masked box is not closed altogether.
    pub(super) fn is_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    /// Cells of a box may wait for less.
    pub(super) fn push_box(&mut self, runs: CellRuns, kind: Kind) {
        self.backlog.push_back(Undecided::Box { runs, run: 0..0, kind });
    }

    /// A cell is to be decided.
    pub(super) fn decide(&mut self, cell: u64) {
        self.backlog.push_back(Undecided::Cell(cell));
    }

    fn wake(&mut self, task: usize, cell: u64) {
        if let Some(cells) = self.watchers.remove(&(task, cell)) {
            self.backlog.push_back(Undecided::Woken(cells));
        }
    }

    /// Takes the next cell off the backlog; none inside where a step led to no cell.
    #[expect(clippy::option_option, reason = "such a step is not the end of the backlog")]
    fn next(&mut self) -> Option<Option<(u64, Kind)>> {
        let next = match self.backlog.front_mut()? {
            Undecided::Cell(cell) => {
                let cell = *cell;
                self.backlog.pop_front();
                return Some(Some((cell, Kind::Free)));
            }
            Undecided::Woken(cells) => cells.pop().map(|cell| (cell, Kind::Woken)),
            Undecided::Box { runs, run, kind } => {
                if run.is_empty() {
                    *run = runs.next().unwrap_or(0..0);
                }
                run.next().map(|cell| (cell, *kind))
            }
            Undecided::Closed { task, runs, run } => {
                if run.is_empty() {
                    *run = runs.next().unwrap_or(0..0);
                }
                let row = (*task, run.start)..(*task, run.end);
                let is_last = run.is_empty();
                let watched = self.watchers.range(row).next().map(|(&watched, _)| watched);
                run.start = watched.map_or(run.end, |(_, cell)| cell + 1);
                if let Some((task, cell)) = watched {
                    self.wake(task, cell);
                } else if is_last {
                    self.backlog.pop_front();
                }
                return Some(None);
            }
        };
        if next.is_none() {
            self.backlog.pop_front();
        }
        Some(next)
    }

    /// The box at the front of the backlog goes on at `cell`, as far as its run goes.
    fn skip_to(&mut self, cell: u64) {
        if let Some(Undecided::Box { run, .. }) = self.backlog.front_mut() {
            run.start = cell.min(run.end);
        }
    }
}

impl Scheduler {
    /// A block that others wait for without its being counted is completed or skipped.
    pub(super) fn wake_watchers(&mut self, task: usize, cell: u64, index: &Coordinate) {
        let frontier = &mut self.tasks[task];
        if let Some(around) = &frontier.around {
            let (grid, watch) = (&frontier.grid, &mut frontier.watch);
            watch.wake(task, cell);
            around.firsts_at(index.as_slice(), |first| {
                grid.cell_at_unchecked(first.as_slice())
                    .into_iter()
                    .for_each(|cell| watch.decide(cell));
            });
        }
        for place in 0..self.tasks[task].outputs.len() {
            let edge = &self.tasks[task].outputs[place];
            if edge.is_counted {
                continue;
            }
            let reader = edge.task;
            let runs = edge.grid.runs_along_unchecked(|axis| edge.lasts_at(axis, index[axis]));
            let watch = &mut self.tasks[reader].watch;
            watch.wake(task, cell);
            watch.push_box(runs, Kind::Free);
            self.follow_up(reader);
        }
        if self.tasks[task].around.is_some() {
            self.follow_up(task);
        }
    }

    /// Cells of a task wait for less: decides those that are to be decided, up to a bound.
    #[inline(always)]
    pub(super) fn follow_up(&mut self, task: usize) {
        let frontier = &self.tasks[task];
        if frontier.tally.ready > 0 && frontier.gates.is_empty() && frontier.watch.is_idle() {
            let rank = self.rank[task];
            self.open[rank / 64] |= 1 << (rank % 64);
        } else {
            self.decide_and_refresh(task);
        }
    }

    #[inline(never)]
    fn decide_and_refresh(&mut self, task: usize) {
        if self.tasks[task].watch.is_idle() {
            self.refresh(task);
        } else {
            let at_once = self.steps.min(self.options.tuning.max_steps_at_once);
            let mut steps = at_once;
            self.work_off(task, &mut steps);
            self.steps -= at_once - steps;
            self.paths.put_off += u64::from(!self.tasks[task].watch.is_idle());
        }
    }

    /// A box of blocks was closed without a word to those that wait for single ones.
    pub(super) fn wake_watchers_of_box(&mut self, task: usize, cells: &CellBox) {
        let Some(roi) = self.tasks[task].grid.written_by_unchecked(cells) else { return };
        if let Some(levels) =
            self.tasks[task].levels.as_ref().filter(|_| self.tasks[task].around.is_some())
        {
            let grown = levels.grow(cells);
            self.decide_live(task, task, cells, &grown);
        }
        for place in 0..self.tasks[task].outputs.len() {
            let edge = &self.tasks[task].outputs[place];
            if !edge.is_counted {
                let reader = edge.task;
                let readers = self.tasks[reader].grid.cells_reading_unchecked(&roi);
                self.decide_live(task, reader, cells, &readers);
            }
        }
    }

    /// The live cells of `waiting` are decided again, and those that watch a cell of `closed`.
    fn decide_live(&mut self, task: usize, reader: usize, closed: &CellBox, waiting: &CellBox) {
        let waiting = self.tasks[reader].grid.runs_in_unchecked(waiting);
        let runs = self.tasks[task].grid.runs_in_unchecked(closed);
        let watch = &mut self.tasks[reader].watch;
        watch.backlog.push_back(Undecided::Closed { task, runs, run: 0..0 });
        watch.push_box(waiting, Kind::IfLive);
    }

    /// Decides cells of a task until all are decided or about `steps` rows were looked at.
    pub(super) fn work_off(&mut self, task: usize, steps: &mut u64) {
        self.close_on(task, steps);
        while *steps > 0
            && let Some(next) = self.tasks[task].watch.next()
        {
            *steps -= 1;
            let Some((cell, kind)) = next else { continue };
            let pages = &self.tasks[task].pages;
            let page = pages.size().page_of(cell);
            match (kind, pages.state(page)) {
                (Kind::Recount, PageState::Live(slot)) => {
                    self.recount(task, slot, cell, steps);
                }
                (Kind::Recount | Kind::IfLive, state @ (PageState::Absent | PageState::Done)) => {
                    let end = pages.cells_of(page).end;
                    if state == PageState::Absent {
                        let is_passed = self.tasks[task].scan_again(page);
                        self.paths.scanned_again += u64::from(is_passed);
                    }
                    self.tasks[task].watch.skip_to(end);
                }
                _ => self.decide(task, cell, kind == Kind::Woken, steps),
            }
        }
        self.refresh(task);
    }

    /// Finds out whether a cell waits for anything; if so, it watches a block of that.
    fn decide(&mut self, task: usize, cell: u64, was_woken: bool, steps: &mut u64) {
        *steps = steps.saturating_sub(1);
        let size = self.tasks[task].pages.size();
        let place = size.place_of(cell);
        let Some(slot) = self.live_page(task, size.page_of(cell)) else { return };
        let page = self.tasks[task].pages.page_mut(slot);
        if was_woken {
            page.clear_watching(place);
        }
        if page.is_watching(place) || !page.is_undecided(place) {
            return;
        }
        let Some(index) = self.tasks[task].grid.index(cell) else { return };
        self.paths.decided += 1;
        if let Some((other, awaited)) = self.first_awaited(task, &index)
            && !self.is_settled(other, awaited)
        {
            return;
        }
        let found = self.find_awaited(task, &index, steps);
        let frontier = &mut self.tasks[task];
        let page = frontier.pages.page_mut(slot);
        if let Some(watched) = found {
            page.set_watching(place);
            frontier.watch.watchers.entry(watched).or_default().push(cell);
            self.paths.watching += 1;
            return;
        }
        page.set_ready(place);
        frontier.tally.ready += 1;
        frontier.queue.push(&mut frontier.pages, slot, place..place + 1);
    }

    /// One block that is not counted, by arithmetic alone, that the cell at `index` waits for.
    pub(super) fn first_awaited(&self, task: usize, index: &Coordinate) -> Option<(usize, u64)> {
        let frontier = &self.tasks[task];
        let around = frontier.around.as_ref();
        if let Some(first) = around.and_then(|around| around.first(index.as_slice())) {
            return Some((task, frontier.grid.cell_at_unchecked(first.as_slice())?));
        }
        let inputs = frontier.inputs.iter().filter(|edge| !edge.is_counted);
        inputs.into_iter().find_map(|edge| Some((edge.task, edge.last_of(index)?)))
    }

    /// A block, not counted, that the cell at `index` waits for and that is not settled.
    ///
    /// Those that are finished last as a rule are looked at first, so that cells seldom watch in vain.
    fn find_awaited(
        &self,
        task: usize,
        index: &Coordinate,
        steps: &mut u64,
    ) -> Option<(usize, u64)> {
        let frontier = &self.tasks[task];
        let inputs = || frontier.inputs.iter().filter(|edge| !edge.is_counted);
        let is_open = |edge: &&Edge, cell: u64| !self.is_settled(edge.task, cell);
        if let Some(edge) =
            inputs().find(|edge| edge.last_of(index).is_some_and(|cell| is_open(edge, cell)))
        {
            return Some((edge.task, edge.last_of(index)?));
        }
        let mut found = None;
        if let Some(around) = &frontier.around {
            let mut look = |is_last_only: bool| {
                around.boxes(index.as_slice(), Side::Upstream, |ranges: &Ranges| {
                    let cell = if is_last_only {
                        let last = around.last_of(ranges, index.as_slice());
                        let cell = frontier.grid.cell_at_unchecked(last.as_slice());
                        cell.filter(|&cell| !self.is_settled(task, cell))
                    } else {
                        let runs = frontier.grid.runs_along_unchecked(|axis| ranges[axis].clone());
                        self.first_unsettled(task, runs, steps)
                    };
                    found = cell.map(|cell| (task, cell));
                    if cell.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
            };
            if look(true).is_break() || look(false).is_break() {
                return found;
            }
        }
        inputs().find_map(|edge| {
            let cell = self.first_unsettled(edge.task, edge.runs(index.as_slice()), steps)?;
            Some((edge.task, cell))
        })
    }

    fn first_unsettled(&self, task: usize, mut runs: CellRuns, steps: &mut u64) -> Option<u64> {
        runs.find_map(|run| self.first_unsettled_in(task, run, steps))
    }

    /// Whether a cell is completed or skipped.
    pub(super) fn is_settled(&self, task: usize, cell: u64) -> bool {
        let frontier = &self.tasks[task];
        let size = frontier.pages.size();
        let is_finished = match frontier.pages.state(size.page_of(cell)) {
            PageState::Done => true,
            PageState::Live(slot) => frontier.pages.page(slot).is_finished(size.place_of(cell)),
            PageState::Absent => frontier.closed.contains(cell),
        };
        is_finished && !self.dead[task].contains(cell)
    }

    /// The first cell of a run that is neither completed nor skipped.
    fn first_unsettled_in(&self, task: usize, run: Range<u64>, steps: &mut u64) -> Option<u64> {
        let frontier = &self.tasks[task];
        let size = frontier.pages.size();
        for (number, places) in size.split(run.clone()) {
            *steps = steps.saturating_sub(1);
            let open = match frontier.pages.state(number) {
                PageState::Done => None,
                PageState::Live(slot) => {
                    let place = frontier.pages.page(slot).first_unfinished(places);
                    place.map(|place| size.cell_at(number, place))
                }
                PageState::Absent if frontier.closed.is_empty() => {
                    Some(size.cell_at(number, places.start))
                }
                PageState::Absent => frontier.closed.first_not_in(
                    size.cell_at(number, places.start)..size.cell_at(number, places.end),
                ),
            };
            if open.is_some() {
                return open;
            }
        }
        // Dead cells are finished, but will never be settled.
        let dead = &self.dead[task];
        if dead.is_empty() || dead.range_cardinality(run.clone()) == 0 {
            return None;
        }
        let mut dead = dead.iter();
        dead.advance_to(run.start);
        dead.next().filter(|&cell| cell < run.end)
    }
}
