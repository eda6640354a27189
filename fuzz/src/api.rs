//! Every public function of the five lower crates, called with whatever the bytes say.
//!
//! Numbers are small ones, the limits of the crates and the ends of their types; layouts are mostly valid,
//! and sometimes absurd. No call panics, and the simple truths that are cheap to check hold. What is left
//! out: operators that panic as those of integers do, and calls whose documented cost is in proportion to a
//! number that is huge.

mod block;
mod coordinator;
mod geometry;
mod graph;
mod journal;
mod scheduler;
mod text;
mod values;

use std::{cell::RefCell, collections::BTreeMap};

use values::Values;

thread_local! {
    static CALLS: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Calls a function by its path, and counts the call: what is counted is what is called.
macro_rules! call {
    ($owner:ident :: $name:ident ( $($argument:expr),* $(,)? )) => {{
        $crate::api::note(concat!(stringify!($owner), "::", stringify!($name)));
        $owner::$name($($argument),*)
    }};
    ($name:ident ( $($argument:expr),* $(,)? )) => {{
        $crate::api::note(stringify!($name));
        $name($($argument),*)
    }};
}
use call;

fn note(name: &'static str) {
    CALLS.with_borrow_mut(|calls| *calls.entry(name).or_default() += 1);
}

/// How often this thread has called each function, as `Type::function` or `function`.
pub fn api_calls() -> BTreeMap<&'static str, u64> {
    CALLS.with_borrow(Clone::clone)
}

/// The first byte chooses a crate, all others what is done with it.
pub fn api(bytes: &[u8]) {
    let mut values = Values::new(bytes);
    match values.pick(12) {
        0 => geometry::run(&mut values),
        1 | 2 => block::run(&mut values),
        3 | 4 => graph::run(&mut values),
        5..8 => scheduler::run(&mut values),
        8..10 => coordinator::run(&mut values),
        _ => journal::run(&mut values),
    }
}
