//! Whole worlds: good ones hold, the same seed gives the same world, and planted bugs are found.

mod planted;
mod worlds;
