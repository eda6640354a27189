//! What the product does and should not: found by this simulator, reported, and stepped around here, each
//! behind a name, so that it is not found again and again. `true`: the world is as it is.

/// A block whose grant is lost with its connection stays lent for ever: its worker never heard of it, and
/// nobody asks. `false`: what a server has sent arrives before the connection breaks.
pub(crate) const GRANTS_GET_LOST: bool = true;
