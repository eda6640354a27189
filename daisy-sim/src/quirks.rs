//! What the product does and should not: found by this simulator, reported, and stepped around here, each
//! behind a name, so that it is not found again and again. `true`: the world is as it is.

/// The first block granted to a worker that is back on another line goes nowhere: the switchboard looks at
/// the line it remembers and, where that is gone, at no other (seed 328). `false`: it is asked twice.
pub(crate) const GRANTS_MISS_THE_NEW_LINE: bool = true;
/// A child process whose first welcome is lost says its number again, without a secret, and is taken for
/// somebody else: the server then knows it as two workers, and ends it as one of them, for silence, while
/// it works as the other (seed 15951). `false`: no connection of a child breaks before its first welcome.
pub(crate) const FIRST_WELCOMES_GET_LOST: bool = true;
/// A worker whose server was gone is back, and its new connection breaks without a sound before the welcome
/// comes: it goes on for the whole reconnect time, since connecting was refused once, while the new server
/// takes it for lost after the silence limit (seed 5261). `false`: no such connection goes silent.
pub(crate) const WELCOMES_BACK_GET_LOST: bool = true;
/// The helper of a worker is deaf while it tries to connect: one second for each address that does not
/// answer (and as long as the resolver likes, for names). A worker so lives on beyond the moment at which it
/// must have ended (seed 54). `false`: no attempt lasts longer than that.
pub(crate) const CONNECTING_OVERRUNS: bool = false;
/// A server says something every heartbeat; where only the way back is blocked, its worker may hear it a
/// heartbeat and a delay after the last byte that came from there, so that the worker's silence ends after
/// the server's (seed 5411). In milliseconds, what the server waits longer than it does.
pub(crate) const LONGER_SILENCE_MS: u64 = 1_000;
/// A worker that was stopped for a while, and goes on in time, takes the bytes that waited for it for a sign
/// of life of this moment: where the way is blocked by then, its silence ends long after the server's (seed
/// 13292). Bytes that the network has held are the same (seed 131997). `false`: a worker is stopped for a
/// second, or until it must have ended, and nothing happens to it while held bytes are being answered.
pub(crate) const STALE_BYTES_COUNT: bool = false;
/// In a run that survives a loss of power, grants leave before the disk has their records: after such a loss
/// nobody knows that a worker elsewhere is at a block, and it is lent again at once (seed 79221). `false`:
/// after a loss of power the server starts when all workers of before must have ended.
pub(crate) const GRANTS_LEAVE_UNSYNCED: bool = false;
