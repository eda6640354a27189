//! What a run decides: pure, so that the simulator plays what ships.
//!
//! | part | decides |
//! |---|---|
//! | [`Phase`] | when a run is over, and how long who is left is waited for |
//! | [`Processes`] | which workers are in which process of the run, and what the end of one means |
//! | [`take_up`] | what a run knows when it starts with the journal of earlier starts |
//!
//! Nothing here has a clock, a socket, a thread or a file: those belong to the drivers.

mod phase;
#[cfg(feature = "net")]
mod processes;
#[cfg(feature = "journal")]
mod resume;

pub use self::phase::{Farewell, Left, Phase};
#[cfg(feature = "net")]
pub use self::processes::{EXIT_LOST, Ended, ProcessEnd, Processes, Stop};
#[cfg(feature = "journal")]
pub use self::resume::{INSIDE, Started, TakenUp, end_leases, take_up};
