//! What is asked of the functions of a task: checks and masks.

use std::collections::VecDeque;

use daisy_block::BlockKey;
use daisy_sched::{CheckId, Question, Stage};

use super::{call, hub::Hub};

/// What is to be asked of a task's functions.
#[derive(Default)]
pub(super) struct Inquiries {
    /// For the checkers.
    pub(super) open: VecDeque<Inquiry>,
    /// Checks after a block: for the worker that comes next, which is the one that ran it.
    pub(super) after: VecDeque<(CheckId, BlockKey)>,
    /// Checkers that wait, or are about to look.
    pub(super) checkers: usize,
}

/// A question before a block is run.
pub(super) enum Inquiry {
    Check(CheckId, BlockKey, Stage),
    Mask(Box<Question>),
}

/// What was found out about an inquiry.
pub(super) enum Answer {
    Check { check: CheckId, key: BlockKey, stage: Stage, found: Result<bool, String> },
    Mask(Box<Question>, daisy_sched::Verdict, Option<String>),
}

impl Hub {
    /// Calls the check function before or after a block.
    pub(super) fn check(&self, check: CheckId, key: BlockKey, stage: Stage) -> Answer {
        let block = self.pipeline.block(key).ok_or_else(|| "there is no such block".to_owned());
        let task = self.pipeline.task(key.task);
        let found = block.and_then(|block| call::check(task, &block, stage == Stage::After));
        Answer::Check { check, key, stage, found }
    }

    /// Asks the masks of a task.
    pub(super) fn mask(&self, question: Box<Question>) -> Answer {
        let (verdict, error) = call::masks(self.pipeline.task(question.task), &question.roi);
        Answer::Mask(question, verdict, error)
    }
}
