//! Where a run stands in its life, from its first block to the end of its last worker.
//!
//! ```text
//!            stopped                  what is still out is elsewhere
//!  Running ----------> Draining -------------------------.
//!     |                   |  all is done, or a fault      |
//!     '-------------------'-------------------------------+--> Farewell -- a fault, or 5 s --> Killing
//!                                                                 |                              |
//!                                                                 '-- everybody has left --> Over <-- or 5 s more
//! ```

use core::time::Duration;

use daisy_sched::{Coordinator, Moment};

/// When a run is stopped, remote workers have so much time to hear of it and to end what they started.
const HEARD_WITHIN: Duration = Duration::from_secs(1);
/// For how long workers may take to leave at the end of a run, and processes once they are asked to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// See the module's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Blocks are handed out.
    #[default]
    Running,
    /// Nothing more is handed out; what is at work is waited for.
    Draining {
        /// Since when.
        since: Moment,
    },
    /// Nothing more is to be done: workers leave.
    Farewell {
        /// Since when.
        since: Moment,
        /// Since when nothing more was handed out, if the run was stopped.
        drained: Option<Moment>,
    },
    /// The processes that are still there were asked to end.
    Killing {
        /// Since when.
        since: Moment,
    },
    /// Nobody is waited for any more.
    Over,
}

/// What is left of a run at its farewell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Some of its processes have not ended.
    pub has_processes: bool,
    /// Workers are connected.
    pub has_workers: bool,
    /// It ended by a fault, of which nobody is told anything more.
    pub has_fault: bool,
}

/// What is to be done at a farewell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// Nothing yet.
    Wait,
    /// All processes are to be asked to end.
    EndAll,
    /// Nobody is waited for any more.
    Over,
}

impl Phase {
    /// The run is stopped: nothing more is handed out.
    pub const fn drain(&mut self, now: Moment) {
        if let Self::Running = self {
            *self = Self::Draining { since: now };
        }
    }

    /// Whether blocks may be handed out or are waited for.
    #[must_use]
    pub const fn is_at_work(self) -> bool {
        matches!(self, Self::Running | Self::Draining { .. })
    }

    /// Goes on to the farewell if nothing more is to be done; whether it is there, or beyond. A run that is stopped
    /// does not wait until remote workers must have ended, only until they have heard of it: what they have stays theirs
    /// until the next start.
    #[inline]
    pub fn look(
        &mut self,
        now: impl FnOnce() -> Moment,
        coordinator: &Coordinator,
        has_fault: bool,
    ) -> bool {
        let drained = match *self {
            Self::Running => None,
            Self::Draining { since } => Some(since),
            _ => return true,
        };
        let must_end = has_fault || coordinator.is_done();
        if !must_end && drained.is_none() {
            return false;
        }
        let now = now();
        let is_elsewhere =
            |since| coordinator.out_elsewhere(has_heard(since, now)) == coordinator.num_out();
        if must_end || drained.is_some_and(is_elsewhere) {
            *self = Self::Farewell { since: now, drained };
        }
        !self.is_at_work()
    }

    /// What is to be done at the farewell, and goes on.
    pub fn take_leave(&mut self, now: Moment, left: Left) -> Farewell {
        let (since, is_killing, had_time) = match *self {
            Self::Running | Self::Draining { .. } => return Farewell::Wait,
            Self::Farewell { since, drained } => {
                (since, false, drained.is_some_and(|drained| has_heard(drained, now)))
            }
            Self::Killing { since } => (since, true, true),
            Self::Over => return Farewell::Over,
        };
        let is_late = now.since(since) >= FAREWELL;
        let waits_for_workers = left.has_workers && !had_time && !left.has_fault;
        if (!left.has_processes && !waits_for_workers) || (is_killing && is_late) {
            *self = Self::Over;
            return Farewell::Over;
        }
        if (is_late || left.has_fault) && !is_killing {
            *self = Self::Killing { since: now };
            return Farewell::EndAll;
        }
        Farewell::Wait
    }
}

/// Whether workers have had the time to hear that the run is stopped, and to end.
fn has_heard(drained: Moment, now: Moment) -> bool {
    now.since(drained) >= HEARD_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Left = Left { has_processes: true, has_workers: true, has_fault: false };
    const NONE: Left = Left { has_processes: false, has_workers: false, has_fault: false };

    fn at(ms: u64) -> Moment {
        Moment::ZERO.after_ms(ms)
    }

    fn farewell(drained: Option<u64>) -> Phase {
        Phase::Farewell { since: at(0), drained: drained.map(at) }
    }

    #[test]
    fn processes_have_the_time_to_leave_and_to_end() {
        let mut phase = farewell(None);
        assert_eq!(phase.take_leave(at(4_999), ALL), Farewell::Wait);
        assert_eq!(phase.take_leave(at(5_000), ALL), Farewell::EndAll);
        assert_eq!(phase.take_leave(at(9_999), ALL), Farewell::Wait);
        assert_eq!(phase.take_leave(at(10_000), ALL), Farewell::Over);
        assert_eq!((phase, phase.take_leave(at(10_000), ALL)), (Phase::Over, Farewell::Over));
    }

    #[test]
    fn whoever_is_connected_is_waited_for_unless_he_has_heard_of_it() {
        let workers = Left { has_workers: true, ..NONE };
        assert_eq!(farewell(None).take_leave(at(0), NONE), Farewell::Over);
        assert_eq!(farewell(None).take_leave(at(1_000), workers), Farewell::Wait);
        assert_eq!(farewell(Some(0)).take_leave(at(999), workers), Farewell::Wait);
        assert_eq!(farewell(Some(0)).take_leave(at(1_000), workers), Farewell::Over);
    }

    #[test]
    fn after_a_fault_processes_are_ended_at_once() {
        let left = Left { has_fault: true, ..ALL };
        assert_eq!(farewell(None).take_leave(at(0), left), Farewell::EndAll);
        let left = Left { has_processes: false, ..left };
        assert_eq!(farewell(None).take_leave(at(0), left), Farewell::Over);
    }
}
