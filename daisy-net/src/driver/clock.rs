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

    /// There is a connection: with a server on the same machine, it stands still from now on while that is suspended.
    pub(super) fn connected(&mut self, is_server_local: bool) {
        if is_server_local && self.booted.is_some() {
            *self = Self { offset: self.elapsed(), start: Instant::now(), booted: None };
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment::from_micros(u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.age(since_boot())
    }

    /// What it shows when the clock that goes on shows this.
    fn age(&self, since_boot: Option<Duration>) -> Duration {
        let booted = self.booted.and_then(|start| Some(since_boot?.saturating_sub(start)));
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
        clock.connected(true);
        let third = clock.now();
        assert!(second <= third && third.as_micros() < 60_000_000);
    }

    #[test]
    fn it_goes_on_while_the_machine_sleeps_unless_the_server_sleeps_with_it() {
        let hour = Duration::from_secs(3_600);
        let mut clock = Clock { booted: Some(Duration::ZERO), ..Clock::new() };
        clock.connected(false);
        // As if the machine had slept for an hour.
        assert_eq!(clock.age(Some(hour)), hour);
        clock.connected(true);
        let before = clock.elapsed();
        let much_later = since_boot().map(|now| now + 24 * hour);
        assert!(clock.age(much_later) < before + hour);
        // Once and for all: nothing that it has shown may come again.
        clock.connected(false);
        assert!(clock.elapsed() >= before && clock.age(much_later) < before + hour);
    }
}
