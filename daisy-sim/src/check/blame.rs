//! Only blocks that are to blame lose attempts: those that fail, take too long, or were alone with a worker
//! that died by itself.

use daisy_sched::{FailureCause, Moment};

use crate::timing;

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// Its block killed it.
    Poisoned(usize),
    /// Somebody killed it.
    Killed,
    /// The server killed it.
    ByServer,
    /// It ended itself, with this exit code.
    Exit(i32),
    /// Its machine lost power.
    Power,
}

/// What is known about an attempt that a block has lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    pub(crate) why: FailureCause,
    pub(crate) block: usize,
    /// The block's function, or the check after it, has really failed.
    pub(crate) has_failed: bool,
    pub(crate) is_undone: bool,
    /// How many blocks its worker had, itself included.
    pub(crate) company: usize,
    /// How its worker's process ended, if it has.
    pub(crate) death: Option<Death>,
    pub(crate) granted: Moment,
    pub(crate) timeout_ms: Option<u64>,
}

impl Charge {
    /// Whether the block is to blame; true if it is not and nobody can know better: the network was away
    /// for so long that its worker ended itself, or joined again.
    pub(crate) fn judge(&self, now: Moment) -> Result<bool, String> {
        let Self { why, block, company, death, .. } = *self;
        let wrong = |what: &str| Err(format!("block {block} lost an attempt by {why:?}, {what}"));
        match why {
            FailureCause::Reported(_) if self.has_failed => Ok(false),
            FailureCause::Reported(_) => wrong("but its function did not fail"),
            FailureCause::NotDone if self.is_undone => Ok(false),
            FailureCause::NotDone => wrong("but the check after it did not say so"),
            FailureCause::TimedOut => {
                let time = now.since(self.granted).as_millis();
                match self.timeout_ms {
                    Some(limit) if time >= u128::from(limit) => Ok(false),
                    _ => wrong("but had time left"),
                }
            }
            FailureCause::WorkerDied(_) | FailureCause::WorkerVanished if company > 1 => {
                wrong("but was not alone at its worker")
            }
            FailureCause::WorkerDied(_) | FailureCause::WorkerVanished => match death {
                Some(Death::Poisoned(other)) if other != block => wrong("but another one did it"),
                Some(Death::Poisoned(_) | Death::Killed) => Ok(false),
                // The one that killed it may have been an earlier server, which had no time to say so.
                Some(Death::Exit(_) | Death::ByServer) if why == FailureCause::WorkerVanished => {
                    Ok(true)
                }
                Some(Death::Power) if why == FailureCause::WorkerVanished => Ok(false),
                // It was not at work, and joins again as another one; whether it was is looked at elsewhere.
                None if why == FailureCause::WorkerVanished => Ok(true),
                None => wrong("but its worker lives"),
                Some(Death::ByServer) => wrong("but the server killed its worker"),
                Some(Death::Exit(_) | Death::Power) => wrong("but its worker ended in good order"),
            },
            FailureCause::CheckRaised(_) => wrong("but no check function failed"),
            // Check functions are quick here; the server itself was stopped for so long.
            FailureCause::CheckTimedOut => {
                let time = now.since(self.granted).as_millis();
                let is_late = time >= u128::from(timing::CHECK_TIMEOUT_MS);
                if is_late { Ok(true) } else { wrong("but no check function took so long") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use daisy_sched::Cause;

    use super::*;

    const DIED: FailureCause = FailureCause::WorkerDied(Cause(0));

    fn charge(why: FailureCause) -> Charge {
        Charge {
            why,
            block: 7,
            has_failed: false,
            is_undone: false,
            company: 1,
            death: None,
            granted: Moment::ZERO,
            timeout_ms: None,
        }
    }

    #[test]
    fn failures_that_did_not_happen_are_seen() {
        let reported = charge(FailureCause::Reported(Cause(0)));
        assert!(reported.judge(Moment::ZERO).is_err());
        assert_eq!(Charge { has_failed: true, ..reported }.judge(Moment::ZERO), Ok(false));
        let undone = charge(FailureCause::NotDone);
        assert!(undone.judge(Moment::ZERO).is_err());
        assert_eq!(Charge { is_undone: true, ..undone }.judge(Moment::ZERO), Ok(false));
        let late = Charge { timeout_ms: Some(10), ..charge(FailureCause::TimedOut) };
        assert!(late.judge(Moment::from_millis(9)).is_err());
        assert_eq!(late.judge(Moment::from_millis(10)), Ok(false));
        let checked = charge(FailureCause::CheckTimedOut);
        assert!(checked.judge(Moment::from_millis(timing::CHECK_TIMEOUT_MS - 1)).is_err());
        assert_eq!(checked.judge(Moment::from_millis(timing::CHECK_TIMEOUT_MS)), Ok(true));
    }

    #[test]
    fn the_wrong_block_blamed_for_a_death_is_seen() {
        let judge = |why, death| Charge { death, ..charge(why) }.judge(Moment::ZERO);
        assert!(judge(DIED, None).is_err());
        assert!(judge(DIED, Some(Death::Poisoned(6))).is_err());
        assert!(judge(DIED, Some(Death::ByServer)).is_err());
        assert!(judge(DIED, Some(Death::Exit(0))).is_err());
        assert_eq!(judge(DIED, Some(Death::Poisoned(7))), Ok(false));
        assert_eq!(judge(DIED, Some(Death::Killed)), Ok(false));
        assert_eq!(judge(FailureCause::WorkerVanished, Some(Death::Exit(75))), Ok(true));
        let company = Charge { company: 2, death: Some(Death::Killed), ..charge(DIED) };
        assert!(company.judge(Moment::ZERO).is_err());
    }
}
