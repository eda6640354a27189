#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod dependency;
mod error;
mod lattice;
mod roots;
mod sharing;
mod task_graph;

pub use dependency::{DependencyGraph, Explanation, inputs, readers, waiting};
pub use error::GraphError;
pub use lattice::Lattice;
pub use roots::Roots;
pub use sharing::{Access, UnorderedTasks, unordered_tasks};
#[doc(hidden)]
pub use sharing::{SharingSearch, unordered_tasks_within};
pub use task_graph::{TaskGraph, TaskNode};
