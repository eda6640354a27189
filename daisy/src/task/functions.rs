//! The functions that users give to a task, in the forms they like to write them.

use std::{error::Error, ffi::OsString, ops::Range, sync::Arc};

use daisy_block::Block;
use daisy_geometry::Roi;
use daisy_sched::{Lease, Verdict};

/// Any error that can cross threads.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a block function gives; handy as the return type of a closure with `?` in it.
pub type BlockResult = Result<(), BoxError>;

/// Which loan of a block a block function works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Loan {
    /// The number of the lease: later loans of the same block have larger ones, also in a resumed run with the same
    /// journal. Stored with the data, it tells a late writer from the present one.
    pub lease: u64,
    /// Which attempt at the block it is, from 1.
    pub attempt: u32,
}

impl Loan {
    #[cfg(all(unix, feature = "workers"))]
    pub(crate) const fn new(lease: u64, attempt: u32) -> Self {
        Self { lease, attempt }
    }

    pub(crate) const fn of(lease: &Lease) -> Self {
        Self { lease: lease.id.0, attempt: lease.attempt }
    }
}

/// What a block function or an init callback may return: nothing, or a `Result` with any error.
pub trait BlockOutcome {
    /// The outcome as one type.
    ///
    /// # Errors
    /// The error of the block function.
    fn into_result(self) -> BlockResult;
}

impl BlockOutcome for () {
    fn into_result(self) -> BlockResult {
        Ok(())
    }
}

impl<E: Into<BoxError>> BlockOutcome for Result<(), E> {
    fn into_result(self) -> BlockResult {
        self.map_err(Into::into)
    }
}

/// What a check function may return: an answer, or a `Result` with any error.
pub trait CheckAnswer<T> {
    /// The answer as one type.
    ///
    /// # Errors
    /// The error of the check function.
    fn into_answer(self) -> Result<T, BoxError>;
}

impl CheckAnswer<Self> for bool {
    fn into_answer(self) -> Result<Self, BoxError> {
        Ok(self)
    }
}

impl CheckAnswer<Self> for Verdict {
    fn into_answer(self) -> Result<Self, BoxError> {
        Ok(self)
    }
}

impl<T, E: Into<BoxError>> CheckAnswer<T> for Result<T, E> {
    fn into_answer(self) -> Result<T, BoxError> {
        self.map_err(Into::into)
    }
}

pub(crate) type ProcessFn = Arc<dyn Fn(&Block, Loan) -> BlockResult + Send + Sync>;
pub(crate) type CheckFn = Arc<dyn Fn(&Block) -> Result<bool, BoxError> + Send + Sync>;
/// Which blocks are done already, as runs of cells.
pub(crate) type DoneFn = Arc<dyn Fn() -> Result<Vec<Range<u64>>, BoxError> + Send + Sync>;
pub(crate) type InitFn = Arc<dyn Fn(&str) -> BlockResult + Send + Sync>;
pub(crate) type MaskFn = Arc<dyn Fn(&Roi) -> Result<Verdict, BoxError> + Send + Sync>;

/// The check functions of a task.
#[derive(Clone, Default)]
pub(crate) struct Checks {
    pub(crate) before: Option<CheckFn>,
    pub(crate) after: Option<CheckFn>,
}

pub(crate) fn check_fn<F, R>(check: F) -> CheckFn
where
    F: Fn(&Block) -> R + Send + Sync + 'static,
    R: CheckAnswer<bool>,
{
    Arc::new(move |block: &Block| check(block).into_answer())
}

pub(crate) fn mask_fn<F, R>(mask: F) -> MaskFn
where
    F: Fn(&Roi) -> R + Send + Sync + 'static,
    R: CheckAnswer<Verdict>,
{
    Arc::new(move |roi: &Roi| mask(roi).into_answer())
}

/// How worker processes of a task are started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(unix, feature = "workers")),
    allow(dead_code, reason = "there are no worker processes in this build")
)]
pub(crate) enum WorkerCommand {
    /// This program with its own arguments.
    Itself,
    /// Another one.
    Program(Arc<Vec<OsString>>),
}
