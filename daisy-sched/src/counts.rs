//! How many blocks of a task are in which state; nobody else changes these numbers.

use core::fmt;

/// The blocks of one task by state.
///
/// ```text
///            inputs done            start                   complete
///  pending ---------------> ready ---------> processing ---------------> completed
///     | ^                   |  ^                 | |
///     | |                   |  '-----------------' |  put back, failed with attempts left
///     | '-------------------|----------------------'  failed, waits for its back-off
///     |                     |                      |
///     | an input failed     | masked, found done   | failed for good
///     v                     v                      v
///  orphaned              skipped                failed
/// ```
///
/// At every moment `total = ready + processing + completed + skipped + failed + orphaned + pending`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Blocks asked for.
    pub total: u64,
    /// May run now, as far as is known; blocks being pre-checked included.
    pub ready: u64,
    /// In the hands of a worker, or being post-checked.
    pub processing: u64,
    /// Done in this run.
    pub completed: u64,
    /// Found done, or masked.
    pub skipped: u64,
    /// Failed for good.
    pub failed: u64,
    /// Never to run, because they wait for a block that failed for good.
    pub orphaned: u64,
    /// Waiting: for other blocks or for the end of a back-off.
    pub pending: u64,
}

impl Counts {
    /// Blocks of which nothing more is to be expected.
    #[must_use]
    pub const fn finished(&self) -> u64 {
        let done = self.completed.saturating_add(self.skipped);
        done.saturating_add(self.failed).saturating_add(self.orphaned)
    }

    /// Whether every block asked for was completed or skipped.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        // Fields that were set by hand may hold anything.
        matches!(self.completed.checked_add(self.skipped), Some(done) if done == self.total)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, ready, processing, completed, skipped, failed, orphaned, pending } = self;
        write!(
            f,
            "{completed} completed, {skipped} skipped, {failed} failed, {orphaned} orphaned, \
             {processing} processing, {ready} ready, {pending} pending of {total}"
        )
    }
}

/// The counters behind [`Counts`]: one method for each edge of its diagram.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    total: u64,
    /// Ready blocks in the frontier, and roots that were not touched yet.
    pub(crate) ready: u64,
    held: u64,
    processing: u64,
    parked: u64,
    completed: u64,
    skipped: u64,
    failed: u64,
    orphaned: u64,
}

impl Tally {
    pub(crate) fn new(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    /// `is_open` says whether ready blocks may run: no whole upstream task is awaited any more.
    pub(crate) const fn counts(&self, is_open: bool) -> Counts {
        let ready = self.held + if is_open { self.ready } else { 0 };
        let known = ready + self.processing + self.completed + self.skipped;
        Counts {
            total: self.total,
            ready,
            processing: self.processing,
            completed: self.completed,
            skipped: self.skipped,
            failed: self.failed,
            orphaned: self.orphaned,
            pending: self.total - known - self.failed - self.orphaned,
        }
    }

    /// Blocks that downstream tasks may still have to wait for.
    pub(crate) const fn unfinished(&self) -> u64 {
        self.total - self.completed - self.skipped
    }

    /// Blocks that are under way or wait for their back-off.
    pub(crate) const fn num_out(&self) -> u64 {
        self.held + self.processing + self.parked
    }

    /// Whether there are blocks that are neither finished nor out.
    pub(crate) const fn has_untouched(&self) -> bool {
        self.unfinished() > self.failed + self.orphaned + self.num_out()
    }

    /// Whether anything is under way or waits for its back-off.
    pub(crate) const fn is_busy(&self) -> bool {
        self.num_out() > 0
    }

    pub(crate) const fn hold(&mut self) {
        self.ready -= 1;
        self.held += 1;
    }

    pub(crate) const fn start(&mut self) {
        self.held -= 1;
        self.processing += 1;
    }

    pub(crate) const fn acquire(&mut self) {
        self.ready -= 1;
        self.processing += 1;
    }

    pub(crate) const fn let_go(&mut self, from: Out) {
        *self.of(from) -= 1;
    }

    pub(crate) const fn park(&mut self) {
        self.processing -= 1;
        self.parked += 1;
    }

    pub(crate) const fn complete(&mut self) {
        self.processing -= 1;
        self.completed += 1;
    }

    pub(crate) const fn fail(&mut self) {
        self.processing -= 1;
        self.failed += 1;
    }

    pub(crate) const fn skip(&mut self, from: Out) {
        *self.of(from) -= 1;
        self.skipped += 1;
    }

    /// Blocks nobody looked at are masked or taken over.
    pub(crate) const fn skip_untouched(&mut self, blocks: u64) {
        self.skipped += blocks;
    }

    pub(crate) const fn orphan(&mut self, blocks: u64) {
        self.orphaned += blocks;
    }

    const fn of(&mut self, state: Out) -> &mut u64 {
        match state {
            Out::Held => &mut self.held,
            Out::Processing => &mut self.processing,
            Out::Parked => &mut self.parked,
        }
    }
}

/// Where a block is that is neither untouched, ready nor finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// Taken to be checked; still counts as ready.
    Held,
    /// At work.
    Processing,
    /// Waiting for the end of its back-off.
    Parked,
}
