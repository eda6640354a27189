//! When a worker must end: what its server may take it for, and what it may take its server for.
//!
//! ```text
//!                  broke                      proved dead                     connected
//!   known to it ----------> cut off, perhaps -------------> without a server ----------> greeting
//!        ^                        |                              ^                          |
//!        '-------- welcome -------'------------------------------'---- proved dead again ---'
//! ```
//!
//! A server lends a lost worker's blocks again a silence and a heartbeat after the last byte that it *read*
//! of it. So a worker counts its silence from the last sign of life that it *gave* and that the server has
//! answered, never from what it reads, which may have been under way, or have waited here, for long.

use daisy_sched::Moment;

use super::OwnEnd;
use crate::wire::Welcome;

/// What a refused connection says of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Nothing: something lies between (a tunnel, a proxy, a translation of addresses) that can end
    /// connections and refuse them by itself.
    Relayed,
    /// That it is dead, if its system ended the connection before in good order: walls that reset
    /// connections and refuse new ones do not do that.
    Direct,
    /// That it is dead: it is on this machine.
    Local,
}

#[derive(Debug)]
pub(super) struct Life {
    /// The last sign of life that the server has answered was given then.
    alive_at: Moment,
    hello_at: Moment,
    /// The last heartbeat was given then.
    pub(super) beat_at: Moment,
    reach: Reach,
    /// Since when there is no connection on which the server knows this worker.
    offline_since: Option<Moment>,
    /// The server's system ended the last such connection in good order.
    has_ended: bool,
    /// There was no server any more at some time since then.
    is_server_dead: bool,
    /// Since when a new server may take this worker for present.
    greeting_since: Option<Moment>,
    /// It should have ended then, and was not asked in time. Nothing changes that.
    over_since: Option<Moment>,
}

impl Life {
    pub(super) const fn new(now: Moment) -> Self {
        Self {
            alive_at: now,
            hello_at: now,
            beat_at: now,
            reach: Reach::Relayed,
            offline_since: Some(now),
            has_ended: false,
            is_server_dead: false,
            greeting_since: None,
            over_since: None,
        }
    }

    /// Whether the server knows this worker on the present connection.
    pub(super) const fn is_online(&self) -> bool {
        self.offline_since.is_none()
    }

    /// Whether it is known that the server, or its system, does not live any more.
    pub(super) const fn is_server_dead(&self) -> bool {
        self.is_server_dead
    }

    /// For how long there has been no connection on which the server knows this worker.
    pub(super) fn offline_ms(&self, now: Moment) -> u64 {
        let since = self.offline_since.map_or(0, |since| now.since(since).as_millis());
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// It holds nothing, so that no silence can do harm: it counts from now.
    pub(super) const fn start_over(&mut self, now: Moment) {
        self.alive_at = now;
        self.over_since = None;
    }

    /// A connection is there and a hello leaves.
    pub(super) fn connected(&mut self, now: Moment) {
        self.hello_at = now;
        if self.is_server_dead {
            self.greeting_since.get_or_insert(now);
        }
    }

    /// Whether a welcome comes so late that nothing may be begun after it.
    pub(super) fn is_stale(&self, now: Moment, welcome: &Welcome) -> bool {
        welcome.silence_ms > 0 && now >= self.hello_at.after_ms(welcome.silence_ms)
    }

    /// The server has answered the hello.
    pub(super) fn welcomed(&mut self, now: Moment, own_end: &OwnEnd, seen_as: &str) {
        self.alive_at = self.hello_at;
        self.beat_at = now;
        self.reach = reach(own_end, seen_as);
        self.offline_since = None;
        self.has_ended = false;
        self.is_server_dead = false;
        self.greeting_since = None;
    }

    /// The server has answered the heartbeat of that moment.
    pub(super) fn answered(&mut self, beat: Moment) {
        self.alive_at = self.alive_at.max(beat.min(self.beat_at));
    }

    /// Something came from the server. That is all there is to go by for who gives no signs of life.
    pub(super) fn heard(&mut self, now: Moment) {
        self.alive_at = now;
    }

    /// The server's system has ended the connection in good order.
    pub(super) const fn ended(&mut self) {
        self.has_ended |= self.is_online();
    }

    /// There is no connection any more. Whoever learns that after his time, since he was stopped say, cannot
    /// go on for want of a server: that one may have lent his blocks before it died.
    pub(super) fn broke(&mut self, now: Moment, welcome: Option<&Welcome>) {
        let end = welcome.and_then(|welcome| self.must_end_at(welcome));
        self.over_since = self.over_since.or(end.filter(|&end| end <= now));
        self.offline_since.get_or_insert(now);
    }

    /// Connecting was refused.
    pub(super) fn refused(&mut self) {
        let is_proof = match self.reach {
            Reach::Relayed => false,
            // Which server ended the connection before the present one was greeted is known, and no more.
            Reach::Direct => self.has_ended && self.greeting_since.is_none(),
            Reach::Local => true,
        };
        if is_proof && self.offline_since.is_some() {
            self.is_server_dead = true;
            self.greeting_since = None;
        }
    }

    /// When this worker must have ended unless it hears of its server.
    pub(super) fn must_end_at(&self, welcome: &Welcome) -> Option<Moment> {
        let silence = |moment: Moment| {
            let is_limited = welcome.silence_ms > 0;
            is_limited.then(|| moment.after_ms(welcome.silence_ms))
        };
        match self.offline_since {
            _ if self.over_since.is_some() => self.over_since,
            Some(since) if self.is_server_dead => {
                let end = since.after_ms(welcome.reconnect_ms);
                Some(self.greeting_since.and_then(silence).map_or(end, |at| end.min(at)))
            }
            _ => silence(self.alive_at),
        }
    }
}

fn reach(own_end: &OwnEnd, seen_as: &str) -> Reach {
    match own_end {
        OwnEnd { name, .. } if name.is_empty() || name != seen_as => Reach::Relayed,
        OwnEnd { is_local: true, .. } => Reach::Local,
        OwnEnd { is_local: false, .. } => Reach::Direct,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELCOME: fn() -> Welcome =
        || Welcome { silence_ms: 6_000, reconnect_ms: 60_000, ..Welcome::default() };

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// A worker that was welcomed at 100 after a hello at 50.
    fn known(own_end: &str, is_local: bool, seen_as: &str) -> Life {
        let mut life = Life::new(at(0));
        life.connected(at(50));
        life.welcomed(at(100), &OwnEnd { name: own_end.to_owned(), is_local }, seen_as);
        life
    }

    fn remote() -> Life {
        known("10.0.0.1:5", false, "10.0.0.1:5")
    }

    fn local() -> Life {
        known("127.0.0.1:5", true, "127.0.0.1:5")
    }

    fn end(life: &Life) -> u64 {
        life.must_end_at(&WELCOME()).unwrap().as_micros() / 1_000
    }

    #[test]
    fn silence_counts_from_what_was_given_and_answered() {
        let mut life = remote();
        assert_eq!(end(&life), 6_050, "from the hello, not from the welcome");
        life.beat_at = at(2_000);
        life.answered(at(1_000));
        assert_eq!(end(&life), 7_000);
        life.answered(at(500));
        assert_eq!(end(&life), 7_000, "an older answer changes nothing");
        life.answered(at(1 << 40));
        assert_eq!(end(&life), 8_000, "nor can the server answer what was never given");
    }

    #[test]
    fn a_refusal_by_a_wall_is_none_by_the_server() {
        let mut life = remote();
        life.broke(at(1_000), Some(&WELCOME()));
        life.refused();
        assert_eq!(end(&life), 6_050, "reset, then refused: that is what walls do");
        let mut life = remote();
        life.ended();
        life.broke(at(1_000), Some(&WELCOME()));
        assert_eq!(end(&life), 6_050);
        life.refused();
        assert_eq!(
            end(&life),
            61_000,
            "ended, then refused: that is what a dead server's system does"
        );
    }

    #[test]
    fn what_lies_between_can_end_and_refuse_by_itself() {
        for (own, seen) in [("127.0.0.1:5", "127.0.0.1:6"), ("pid:1", ""), ("", "")] {
            let mut life = known(own, true, seen);
            life.ended();
            life.broke(at(1_000), Some(&WELCOME()));
            life.refused();
            assert_eq!(end(&life), 6_050, "{own} {seen}");
        }
    }

    #[test]
    fn on_one_machine_a_refusal_is_enough() {
        let mut life = local();
        life.broke(at(1_000), Some(&WELCOME()));
        life.refused();
        assert_eq!(end(&life), 61_000);
    }

    #[test]
    fn whoever_learns_of_a_dead_server_after_his_time_does_not_live_on() {
        let mut life = local();
        life.broke(at(6_050), Some(&WELCOME()));
        life.refused();
        assert_eq!(end(&life), 6_050);
    }

    #[test]
    fn a_new_server_may_take_a_worker_for_present_from_its_hello_on() {
        let mut life = local();
        life.broke(at(1_000), Some(&WELCOME()));
        life.refused();
        life.connected(at(20_000));
        assert_eq!(end(&life), 26_000);
        life.broke(at(21_000), Some(&WELCOME()));
        life.connected(at(22_000));
        assert_eq!(end(&life), 26_000, "it may have heard the first hello only");
        life.refused();
        assert_eq!(end(&life), 61_000, "that server is gone too");
        life.connected(at(58_000));
        life.broke(at(59_000), Some(&WELCOME()));
        assert_eq!(end(&life), 61_000, "it may have heard no hello, and waits no longer");
    }

    #[test]
    fn elsewhere_a_refusal_proves_nothing_of_a_server_that_was_only_greeted() {
        let mut life = remote();
        life.ended();
        life.broke(at(1_000), Some(&WELCOME()));
        life.refused();
        life.connected(at(20_000));
        life.ended();
        life.broke(at(20_500), Some(&WELCOME()));
        life.refused();
        assert_eq!(end(&life), 26_000);
    }
}
