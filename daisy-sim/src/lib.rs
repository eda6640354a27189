//! Whole clusters of daisy in one thread, under a seeded clock, network and disk.
//!
//! ```text
//!   seed -> Options -> World: queue of events in virtual time
//!                        |-- server    Coordinator + Switchboard + Journal on a MemoryDisk
//!                        |-- workers   a ClientSession each, driven as the driver does
//!                        |-- network   delays, pieces, cuts, partitions, forgotten connections
//!                        |-- faults    kinds switched on and off by the seed
//!                        '-- checkers  one for each promise of the product
//! ```
//! The machines are the product's own; what stands between them and the system (threads, sockets, files,
//! processes) is repeated here in a few hundred lines. The same seed gives the same world, event by event.
//!
//! ```
//! use daisy_sim::{Options, Telling, play};
//!
//! let report = play(&Options::of(7), Telling::Nothing);
//! assert_eq!(report.hash, play(&Options::of(7), Telling::Tail).hash);
//! ```

mod bug;
mod check;
mod dice;
mod net;
mod options;
mod plan;
mod process;
mod server;
mod shrink;
mod timing;
mod trace;
mod world;

pub use bug::Bug;
pub use check::{Failure, Promise};
pub use options::{Kind, Kinds, Options};
pub use shrink::shrink;
pub use trace::Telling;
pub use world::Report;

/// Plays one world to its end, or to the first broken promise.
#[must_use]
pub fn play(options: &Options, telling: Telling) -> Report {
    world::play(options, telling)
}
