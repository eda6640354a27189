//! Calls of user functions: panics become errors.

use std::{
    any::Any,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use daisy_block::Block;
use daisy_geometry::Roi;
use daisy_sched::Verdict;

use crate::{
    BoxError, Loan, Task,
    task::{MaskFn, ProcessFn},
};

/// Why an attempt at a block failed.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// The block function returned an error; its text, with those of its sources.
    Failed(String),
    /// The block function panicked; its message.
    Panicked(String),
    /// It took longer than the task's timeout.
    TimedOut,
    /// The check after it said that the block is not done.
    NotDone,
    /// The check after it failed; the text of its error.
    CheckFailed(String),
    /// The check after it took too long.
    CheckTimedOut,
    /// The worker that had the block is gone.
    WorkerLost,
    /// The worker process that had the block died: how, and what it said last.
    WorkerDied(String),
}

impl BlockError {
    /// The longest text of an error that is kept, in bytes; the rest is cut off.
    pub const MAX_TEXT: usize = 4_096;

    /// The same with another text, where it has one.
    pub(super) fn map_text(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Failed(text) => Self::Failed(change(text)),
            Self::Panicked(text) => Self::Panicked(change(text)),
            Self::CheckFailed(text) => Self::CheckFailed(change(text)),
            Self::WorkerDied(text) => Self::WorkerDied(change(text)),
            other => other,
        }
    }
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => f.write_str(text),
            Self::Panicked(text) => write!(f, "panicked: {text}"),
            Self::TimedOut => f.write_str("took longer than the task's timeout"),
            Self::NotDone => f.write_str("the check after it says that it is not done"),
            Self::CheckFailed(text) => write!(f, "the check after it failed: {text}"),
            Self::CheckTimedOut => f.write_str("the check after it took too long"),
            Self::WorkerLost => f.write_str("its worker is gone"),
            Self::WorkerDied(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for BlockError {}

/// Calls a block function.
#[inline]
pub(crate) fn process(function: &ProcessFn, block: &Block, loan: Loan) -> Result<(), BlockError> {
    match caught(|| function(block, loan)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(text)) => Err(BlockError::Failed(text)),
        Err(message) => Err(BlockError::Panicked(message)),
    }
}

/// Calls the check function before or after a block; without one the block is not done.
pub(super) fn check(task: &Task, block: &Block, is_after: bool) -> Result<bool, String> {
    let checks = &task.0.checks;
    let function = if is_after { &checks.after } else { &checks.before };
    let Some(function) = function else { return Ok(false) };
    flat(caught(|| function(block)))
}

/// Asks all masks and region checks of a task: skipped is what any of them says.
///
/// The first error is returned with the answer of the others.
pub(super) fn masks(task: &Task, roi: &Roi) -> (Verdict, Option<String>) {
    let (mut verdict, mut error) = (Verdict::None, None);
    for mask in &task.0.masks {
        match mask_of(mask, roi) {
            Ok(Verdict::All) => return (Verdict::All, error),
            Ok(Verdict::Part) => verdict = Verdict::Part,
            Ok(Verdict::None) => {}
            Err(text) => error = error.or(Some(text)),
        }
    }
    (verdict, error)
}

fn mask_of(mask: &MaskFn, roi: &Roi) -> Result<Verdict, String> {
    flat(caught(|| mask(roi)))
}

/// Calls the init callback, if there is one.
pub(super) fn init(task: &Task, context: &str) -> Result<(), String> {
    task.0.init.as_ref().map_or(Ok(()), |init| flat(caught(|| init(context))))
}

/// Calls a function of the user: what it says, the text of its error, or the message of its panic. Its
/// error is its own type, whose methods may panic too.
fn caught<T>(call: impl FnOnce() -> Result<T, BoxError>) -> Result<Result<T, String>, String> {
    catch_unwind(AssertUnwindSafe(|| call().map_err(|error| text_of(&error)))).map_err(message_of)
}

fn flat<T>(caught: Result<Result<T, String>, String>) -> Result<T, String> {
    caught.unwrap_or_else(|message| Err(format!("panicked: {message}")))
}

/// The text of an error and of its sources.
fn text_of(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next.filter(|_| text.len() < BlockError::MAX_TEXT) {
        let cause = source.to_string();
        // Many errors repeat their source in their own text.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = source.source();
    }
    shortened(text)
}

/// What was given to `panic!`.
pub(super) fn message_of(panic: Box<dyn Any + Send>) -> String {
    let panic = match panic.downcast::<&str>() {
        Ok(text) => return shortened((*text).to_owned()),
        Err(panic) => panic,
    };
    match panic.downcast::<String>() {
        Ok(text) => shortened(*text),
        Err(panic) => {
            // It is of any type, and dropping it may panic again.
            mem::forget(panic);
            "with a value that is no text".to_owned()
        }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > BlockError::MAX_TEXT {
        let end = (0..=BlockError::MAX_TEXT).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
        text.push_str("...");
    }
    text
}
