//! Nothing grows without bounds, and no worker outlives its run.

use daisy_sched::{LookAhead, Moment};

use crate::timing;

/// What a worker's session holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) waiting: usize,
    pub(crate) begun: usize,
    pub(crate) unacknowledged: usize,
    /// Bytes on the way that the server has not been rid of.
    pub(crate) backlog: usize,
}

impl Bounds {
    /// Whether a session of a world with so many blocks is within its limits.
    pub(crate) fn hold(&self, blocks: usize) -> Result<(), String> {
        let most = LookAhead::MAX_BLOCKS as usize;
        // Each block can be handed back several times before the first acknowledgement.
        if self.waiting > most || self.begun > 1 || self.unacknowledged > 16 * blocks + 64 {
            return Err(format!("a worker holds too much: {self:?}"));
        }
        if self.backlog > timing::BACKLOG_LIMIT {
            return Err(format!("the server keeps too many bytes for one worker: {self:?}"));
        }
        Ok(())
    }

    /// Whether a worker may still be there at `now`, where its server was gone for good at `gone`.
    pub(crate) fn outlive(pid: usize, gone: Moment, now: Moment) -> Result<(), String> {
        let limit = gone.after_ms(timing::OUTLIVE_MS);
        if now <= limit {
            return Ok(());
        }
        Err(format!("p{pid} is still there at {now}; its run was over at {gone}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_beyond_their_limits_and_workers_that_stay_are_seen() {
        let bounds = Bounds { waiting: 256, begun: 1, unacknowledged: 30, backlog: 1 << 20 };
        bounds.hold(10).unwrap();
        assert!(Bounds { waiting: 257, ..bounds }.hold(10).is_err());
        assert!(Bounds { begun: 2, ..bounds }.hold(10).is_err());
        assert!(Bounds { unacknowledged: 1_000, ..bounds }.hold(10).is_err());
        assert!(Bounds { backlog: (1 << 20) + 1, ..bounds }.hold(10).is_err());
        Bounds::outlive(0, Moment::ZERO, Moment::from_millis(timing::OUTLIVE_MS)).unwrap();
        assert!(Bounds::outlive(0, Moment::ZERO, Moment::MAX).is_err());
    }
}
