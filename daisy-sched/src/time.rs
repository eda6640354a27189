//! Points in time as the driver tells them: the machines have no clock.

use core::{fmt, time::Duration};

/// A point in time: microseconds since the run began.
///
/// Arithmetic saturates: a deadline beyond the end of time is never reached.
///
/// ```
/// use core::time::Duration;
/// use daisy_sched::Moment;
///
/// let start = Moment::from_millis(1_500);
/// assert_eq!(start.after(Duration::from_secs(2)).to_string(), "3.500000 s");
/// assert_eq!(Moment::ZERO.since(start), Duration::ZERO);
/// assert_eq!(Moment::MAX.after(Duration::MAX), Moment::MAX);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The beginning of the run.
    pub const ZERO: Self = Self(0);
    /// Later than anything that happens.
    pub const MAX: Self = Self(u64::MAX);

    /// So many microseconds after the beginning of the run.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// So many milliseconds after the beginning of the run.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the beginning of the run.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The moment that much later.
    #[must_use]
    pub const fn after(self, time: Duration) -> Self {
        let micros = time.as_micros();
        let micros = if micros > u64::MAX as u128 { u64::MAX } else { micros as u64 };
        Self(self.0.saturating_add(micros))
    }

    /// The moment so many milliseconds later.
    #[must_use]
    pub const fn after_ms(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000)))
    }

    /// How long after `earlier` this is; zero if it is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
