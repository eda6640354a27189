//! What other versions of a task's code did in earlier starts of a run.

use crate::{EarlierVersion, Notice};

/// Of one task.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) task: String,
    /// The version of its code in this run.
    pub(crate) version: Option<String>,
    /// Finished blocks of other versions, oldest first.
    pub(crate) earlier: Vec<EarlierVersion>,
    /// Workers that outlived the last start with other code.
    pub(crate) outdated_workers: u64,
    /// The blocks that these have.
    pub(crate) outdated_blocks: u64,
}

impl History {
    /// What there is to say of it when the run begins.
    #[cfg_attr(
        not(all(unix, feature = "workers")),
        allow(dead_code, reason = "there are no earlier starts in this build")
    )]
    pub(crate) fn notices(&self) -> impl Iterator<Item = Notice> {
        let other = (!self.earlier.is_empty()).then(|| Notice::EarlierVersions {
            task: self.task.clone(),
            version: self.version.clone(),
            earlier: self.earlier.clone(),
        });
        let outdated = (self.outdated_workers > 0).then(|| Notice::OutdatedWorkers {
            task: self.task.clone(),
            workers: self.outdated_workers,
            blocks: self.outdated_blocks,
        });
        other.into_iter().chain(outdated)
    }
}
