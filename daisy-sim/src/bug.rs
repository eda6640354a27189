//! Bugs planted in the simulator's own glue, so that it is itself tested.

/// A bug that the glue of the simulator has on demand. The product's code has none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// Outcomes are acknowledged, and blocks lent, before their records are written.
    AckBeforeWrite,
    /// In a run that survives a loss of power, outcomes are acknowledged before the disk has them.
    AckBeforeSync,
    /// The server takes lost remote workers for ended long before they must have ended themselves.
    ShortSilence,
    /// A worker does not send its outcomes again once its connection has broken.
    NoResend,
    /// A server that is started again does not know which blocks are lent.
    ForgetLeases,
    /// A server that is started again uses the numbers of the first one.
    SameEpoch,
    /// Recalled blocks are lent elsewhere before their worker has given them back.
    RecallUnconfirmed,
    /// A closed connection counts as the death of its worker.
    BlameConnection,
    /// A child process counts as ended when it is killed, not when it is reaped.
    ReapTooEarly,
    /// A worker takes each refused connection for the death of its server.
    TrustRefusals,
    /// A worker gives no signs of life while it is not at work on a block.
    SilentWhenIdle,
    /// A worker sends an outcome when it asks for the next block, not before.
    OutcomeWithNext,
    /// The end of a launcher counts as the end of the worker that it launched.
    LauncherIsWorker,
    /// Whoever comes by the context of a child says that it is that child, and is believed.
    AnybodyIsChild,
    /// What workers of older code hand in is taken.
    TrustOldCode,
    /// A run that was stopped takes all its workers for ended when it is started again.
    StoppedIsEnded,
    /// A server goes on although its journal could not be written.
    GoOnWithoutJournal,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::AckBeforeWrite,
        Self::AckBeforeSync,
        Self::ShortSilence,
        Self::NoResend,
        Self::ForgetLeases,
        Self::SameEpoch,
        Self::RecallUnconfirmed,
        Self::BlameConnection,
        Self::ReapTooEarly,
        Self::TrustRefusals,
        Self::SilentWhenIdle,
        Self::OutcomeWithNext,
        Self::LauncherIsWorker,
        Self::AnybodyIsChild,
        Self::TrustOldCode,
        Self::StoppedIsEnded,
        Self::GoOnWithoutJournal,
    ];
}
