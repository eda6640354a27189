//! Time as the pure machines count it, from a start of its own.

use std::time::{Duration, Instant};

use daisy_sched::Moment;

/// A clock that goes on while the machine is suspended, where the system has one: a worker on a laptop that
/// was closed for an hour must not take it for a moment. With its server on the same machine it should: both slept.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    /// What it shows at the start.
    offset: Duration,
    /// What the clock that goes on showed at the start; none where there is no such clock.
    booted: Option<Duration>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), offset: Duration::ZERO, booted: since_boot() }
    }

    /// From now on it stands still while the machine is suspended.
    pub(super) fn sleep_with_machine(&mut self) {
        if self.booted.is_some() {
            *self = Self { offset: self.elapsed(), start: Instant::now(), booted: None };
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment::from_micros(u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn elapsed(&self) -> Duration {
        let booted = self.booted.and_then(|start| Some(since_boot()?.saturating_sub(start)));
        self.offset.saturating_add(booted.unwrap_or_else(|| self.start.elapsed()))
    }
}

/// The time since the machine was booted, suspended or not.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_BOOTTIME).ok().map(Into::into)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
const fn since_boot() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_at_zero_and_never_goes_back() {
        let clock = Clock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second && first.as_micros() < 60_000_000);
        let mut clock = clock;
        clock.sleep_with_machine();
        let third = clock.now();
        assert!(second <= third && third.as_micros() < 60_000_000);
    }
}
