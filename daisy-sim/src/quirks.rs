//! What the product does and should not: found by this simulator, reported, and stepped around here, each
//! behind a name, so that it is not found again and again.

/// A worker counts its silence from the last byte it *reads* of its server, the server counts from the last
/// byte it reads of the worker, and nothing ties the two together. So the worker's silence may end up to a
/// whole silence after the server's, and its blocks are lent again while it is at them:
///
/// - only the way back is blocked, and the server still speaks: a heartbeat after the last byte that came
///   from there, or many seconds after it, where the server itself was stopped;
/// - the worker was stopped for a while, goes on in time, and takes the bytes that waited for it for a sign
///   of life of this moment, as it does with bytes that the network has held.
///
/// Where the server's messages named the last sign of life they answer, and a worker counted from the moment
/// at which it gave that one, none of this could happen. Until then the server waits so many milliseconds
/// longer here than it does; with 0 the product is as it is.
pub(crate) const LONGER_SILENCE_MS: u64 = 6_000;
/// In a run that survives a loss of power, grants leave before the disk has their records: after such a loss
/// nobody knows that a worker elsewhere is at a block, and it is lent again at once. `false`: after a loss of
/// power the server starts when all workers of before must have ended. `true`: the product as it is.
pub(crate) const GRANTS_LEAVE_UNSYNCED: bool = false;
