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
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 10] = [
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
    ];
}
