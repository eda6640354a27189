//! What the product does and should not: found by this simulator, reported, and stepped around here, each
//! behind a name, so that it is not found again and again. `true`: the world is as it is.

/// A block whose grant is lost with its connection stays lent for ever: its worker never heard of it, and
/// nobody asks. `false`: what a server has sent arrives before the connection breaks.
pub(crate) const GRANTS_GET_LOST: bool = true;
/// When the journal's disk has failed, the turn whose records are lost goes out all the same, and so do
/// those of the farewell: outcomes are acknowledged, and blocks lent, of which the journal knows nothing.
/// `false`: nothing is sent from then on.
pub(crate) const SENDS_AFTER_FAILED_WRITE: bool = true;
