//! What a run decides: pure, so that the simulator plays what ships.
//!
//! | part | decides |
//! |---|---|
//! | [`Phase`] | when a run is over, and how long who is left is waited for |
//! | [`RunHost`] | what it means that a worker joins, hands in an outcome, leaves |
//! | [`Processes`] | which workers are in which process of the run, and what the end of one means |
//! | [`take_up`] | what a run knows when it starts with the journal of earlier starts |
//!
//! Nothing here has a clock, a socket, a thread or a file: those belong to the drivers.

#[cfg(feature = "net")]
mod host;
mod phase;
#[cfg(feature = "net")]
mod processes;
#[cfg(feature = "journal")]
mod resume;

pub use self::phase::{Farewell, Left, Phase};
#[cfg(feature = "journal")]
pub use self::resume::{INSIDE, Started, TakenUp, end_leases, take_up};
#[cfg(feature = "net")]
pub use self::{
    host::{Notes, RunHost},
    processes::{EXIT_LOST, Ended, ProcessEnd, Processes, Stop},
};
