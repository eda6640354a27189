//! What a run decides: pure, so that the simulator plays what ships.
//!
//! | part | decides |
//! |---|---|
//! | [`Processes`] | which workers are in which process of the run, and what the end of one means |
//! | [`take_up`] | what a run knows when it starts with the journal of earlier starts |
//!
//! Nothing here has a clock, a socket, a thread or a file: those belong to the drivers.

mod processes;
mod resume;

pub use self::{
    processes::{EXIT_LOST, Ended, ProcessEnd, Processes, Stop},
    resume::{INSIDE, Started, TakenUp, end_leases, take_up},
};
