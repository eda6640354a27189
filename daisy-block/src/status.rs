//! What has become of a block, as workers see and say it.

use core::fmt;

/// The status of a [`Block`](crate::Block), set by whoever holds it.
///
/// ```text
/// Created --acquire--> Processing --release--> Success
///                                         '--> Failed
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BlockStatus {
    /// Described, but not handed out yet.
    #[default]
    Created,
    /// In the hands of a worker.
    Processing,
    /// Processed; its write ROI holds the result.
    Success,
    /// Not processed; it may be tried again.
    Failed,
}

impl fmt::Display for BlockStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Processing => "processing",
            Self::Success => "success",
            Self::Failed => "failed",
        })
    }
}
