//! A smaller world in which the same promise is broken.

use crate::{Kind, Options, Promise, Telling, play};

/// So many worlds are tried at most.
const MAX_TRIES: usize = 400;

/// Makes a failing world smaller as long as the same promise is broken in it: fewer kinds of faults, a
/// shorter time, fewer workers, blocks and tasks.
#[must_use]
pub fn shrink(options: &Options, promise: Promise) -> Options {
    let mut best = options.clone();
    let mut tries = 0;
    let mut still_fails = |candidate: &Options| {
        tries += 1;
        let failure = play(candidate, Telling::Nothing).failure;
        tries <= MAX_TRIES && failure.is_some_and(|failure| failure.promise == promise)
    };
    loop {
        let before = best.clone();
        for candidate in smaller(&best) {
            if still_fails(&candidate) {
                best = candidate;
                break;
            }
        }
        if best == before {
            return best;
        }
    }
}

/// Worlds one step smaller, the most promising first.
fn smaller(options: &Options) -> Vec<Options> {
    let mut all = Vec::new();
    let mut push = |candidate: Options| {
        if candidate != *options {
            all.push(candidate);
        }
    };
    for kind in Kind::ALL {
        push(Options { kinds: options.kinds.without(kind), ..options.clone() });
    }
    push(Options { tasks: (options.tasks - 1).max(1), ..options.clone() });
    for (part, whole) in [(1, 2), (3, 4), (9, 10)] {
        let less = |value: u64, least: u64| (value * part / whole).max(least);
        push(Options { faults_ms: less(options.faults_ms, 500), ..options.clone() });
        push(Options { blocks: less(options.blocks, 1), ..options.clone() });
        push(Options { workers: less(options.workers, 1), ..options.clone() });
    }
    push(Options { is_encrypted: false, ..options.clone() });
    push(Options { addresses: 1, ..options.clone() });
    all
}
