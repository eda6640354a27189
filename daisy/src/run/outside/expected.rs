//! Workers that are expected from elsewhere: what was started for them has handed them on.

use std::time::{Duration, Instant};

use crate::{Notice, run::machine::Machine};

/// It is said when the first of them has been expected for so long, so that those that are started together are
/// counted together;
const AFTER: Duration = Duration::from_secs(1);
/// when their number changes, but not more often than this;
const CHANGE: Duration = Duration::from_secs(10);
/// and again after so long.
const AGAIN: Duration = Duration::from_secs(60);

/// Says for how many of them the run waits.
#[derive(Default)]
pub(super) struct Expected {
    /// When it was last said, and the number.
    said: Option<(Instant, usize)>,
}

impl Expected {
    /// Says it if there is something new.
    pub(super) fn look(&mut self, machine: &Machine) {
        let (workers, Some(since)) = machine.coordinator.expected() else {
            self.said = None;
            return;
        };
        let longest = machine.now().since(since);
        let is_due = match self.said {
            None => longest >= AFTER,
            Some((at, said)) => {
                at.elapsed() >= AGAIN || (said != workers && at.elapsed() >= CHANGE)
            }
        };
        if is_due {
            self.said = Some((Instant::now(), workers));
            let limit = Duration::from_millis(machine.coordinator.config().expect_ms);
            machine.notice(Notice::WaitsForWorkers { workers, longest, limit });
        }
    }
}
