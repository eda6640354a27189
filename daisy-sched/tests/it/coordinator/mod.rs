//! The coordinator: transcripts of what goes in and comes out, and random operations beside a model.

mod comebacks;
mod large;
mod model;
mod play;
mod processes;
mod transcripts;
mod world;
