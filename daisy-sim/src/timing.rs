//! All times and limits of the simulated world, and those of the product that its glue repeats.

use core::time::Duration;

use daisy_sched::Moment;

/// How often workers and server promise a sign of life: the product's defaults, as the next two.
pub(crate) const HEARTBEAT_MS: u64 = 2_000;
/// After so much silence a worker ends itself.
pub(crate) const SILENCE_MS: u64 = 6_000;
/// For how long a worker whose server is gone tries to come back.
pub(crate) const RECONNECT_MS: u64 = 60_000;

/// How long one check may take: the coordinator's default.
pub(crate) const CHECK_TIMEOUT_MS: u64 = 60_000;

/// How long an attempt to connect to one address takes where nobody answers: `CONNECT` of the driver.
pub(crate) const CONNECT_MS: u64 = 1_000;
/// The first and the longest pause between attempts, in microseconds: `PAUSES` of the driver.
pub(crate) const PAUSES_US: (u64, u64) = (20_000, 1_000_000);
/// How long the helper waits before it looks whether a block is a long one: `TICK` of the driver.
pub(crate) const TICK_US: u64 = 1_000;
/// How long a worker that leaves waits for the last acknowledgement: `GOODBYE` of the driver.
pub(crate) const GOODBYE_MS: u64 = 5_000;
/// For how long a worker tries to reach its server at first: `CONNECT` of the facade.
pub(crate) const FIRST_CONNECT_MS: u64 = 60_000;
/// After SIGTERM a worker has so long to end: `TERM_GRACE` of the facade.
pub(crate) const TERM_GRACE_MS: u64 = 500;
/// The most bytes that a server keeps for a line: `BACKLOG_LIMIT` of the driver.
pub(crate) const BACKLOG_LIMIT: usize = 1 << 20;
pub(crate) use daisy_run::EXIT_LOST;

/// A sender whose bytes are not acknowledged for so long sends nothing new: what TCP makes of a way that is
/// blocked in the other direction only.
pub(crate) const RETRANSMIT_MS: u64 = 300;

/// After so long an outcome that was given is known to a server that is there, whatever its worker does.
pub(crate) const OUTCOME_MS: u64 = 3_000;
/// For so long after a fault it may be the reason for what happens.
pub(crate) const DISTURBED_MS: u64 = 100_000;

/// For how long a server that starts again waits for workers whose blocks it cannot adopt, or does not know of.
pub(crate) const STRANGERS_MS: u64 = RECONNECT_MS;
/// For so long a worker may outlive its run: the reconnect time, what its last attempt to connect takes,
/// the time for a goodbye, and for which it is elsewhere.
pub(crate) const OUTLIVE_MS: u64 = RECONNECT_MS + SILENCE_MS + GOODBYE_MS + 10_000 + 30_000;
/// Once faults have stopped the run must be over after so long.
pub(crate) const PATIENCE_MS: u64 = 3_600_000;
/// More events than any fair world has.
pub(crate) const MAX_EVENTS: u64 = 300_000;

/// The moment so many microseconds later.
pub(crate) const fn after_us(moment: Moment, micros: u64) -> Moment {
    moment.after(Duration::from_micros(micros))
}
