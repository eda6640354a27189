//! The network: connections of two pipes each, and the ways between each worker and the server.
//!
//! A pipe never reorders or skips: what is lost on the way ends the connection, as TCP does it. Everything
//! else goes: each way has its own delay, is blocked for a while, or forgets its connections.

use std::collections::VecDeque;

use daisy_net::switchboard::LineKey;
use daisy_sched::Moment;

use crate::{
    dice::Dice,
    timing::{RETRANSMIT_MS, after_us},
};

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// From a worker.
    Up,
    /// To a worker.
    Down,
}

impl Way {
    /// The other one.
    pub(crate) const fn back(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// What arrives at an end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// The server has a new connection.
    Open,
    /// Bytes.
    Bytes(Vec<u8>),
    /// The other side, or somebody between who can, has ended the connection in good order.
    Eof,
    /// The connection was reset.
    Reset,
}

/// One direction of one connection.
#[derive(Default)]
struct Pipe {
    /// What is on its way, with the moment at which it arrives; the end of time where it is held.
    items: VecDeque<(Moment, Item)>,
    last_due: Moment,
    bytes: usize,
    /// Since when the sender has no acknowledgement, where they are blocked.
    unacknowledged_since: Option<Moment>,
}

/// One connection.
pub(crate) struct Conn {
    pub(crate) pid: Option<usize>,
    pub(crate) key: LineKey,
    /// Of which life of the server.
    pub(crate) life: u32,
    pipes: [Pipe; 2],
    /// Bytes vanish: somebody on the way, or one end, has forgotten the connection.
    pub(crate) is_forgotten: bool,
    /// The sender of this direction says nothing more.
    is_closed: [bool; 2],
}

/// The way between one process and the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) is_blocked: [bool; 2],
    /// The delay of each way, in microseconds, and by how much it varies.
    pub(crate) delay_us: [(u64, u64); 2],
    /// Somebody between refuses connections.
    pub(crate) is_walled: bool,
    /// Bytes arrive in pieces, with such pauses between them.
    pub(crate) pieces_us: Option<u64>,
}

impl Link {
    /// Whether anything passes.
    pub(crate) const fn is_free(&self) -> bool {
        !self.is_blocked[0] && !self.is_blocked[1]
    }

    /// How long it takes there and back.
    pub(crate) const fn round_trip_us(&self) -> u64 {
        self.delay_us[0].0 + self.delay_us[1].0
    }
}

/// All connections that ever were, and the links of all processes.
#[derive(Default)]
pub(crate) struct Net {
    pub(crate) conns: Vec<Conn>,
    pub(crate) links: Vec<Link>,
    /// The server's machine answers.
    pub(crate) is_host_up: bool,
    /// A server that is not ready yet listens.
    pub(crate) is_waiting: bool,
    /// Times at which something arrives, to be taken by the world.
    pub(crate) arrivals: Vec<(Moment, usize, Way)>,
}

impl Net {
    pub(crate) fn open(&mut self, pid: Option<usize>, key: LineKey, life: u32) -> usize {
        let (pipes, is_closed) = ([Pipe::default(), Pipe::default()], [false; 2]);
        self.conns.push(Conn { pid, key, life, pipes, is_forgotten: false, is_closed });
        self.conns.len() - 1
    }

    fn link_of(&self, conn: usize) -> Option<Link> {
        self.links.get(self.conns[conn].pid?).copied()
    }

    /// How many bytes are on a way.
    pub(crate) fn backlog(&self, conn: usize, way: Way) -> usize {
        self.conns[conn].pipes[way as usize].bytes
    }

    /// Puts something on its way.
    #[expect(
        clippy::too_many_arguments,
        reason = "the network has no clock and no dice of its own"
    )]
    pub(crate) fn send(&mut self, now: Moment, conn: usize, way: Way, item: Item, dice: &mut Dice) {
        let link = self.link_of(conn);
        let place = &mut self.conns[conn];
        if place.is_closed[way as usize] {
            return;
        }
        let is_end = matches!(item, Item::Eof | Item::Reset);
        if is_end {
            place.is_closed[way as usize] = true;
        }
        if place.is_forgotten {
            let is_reached = self.is_host_up && link.is_none_or(|link| link.is_free());
            if is_reached && !is_end {
                self.reset(now, conn, way, dice);
            }
            return;
        }
        let pieces = link.and_then(|link| link.pieces_us).filter(|_| dice.one_in(3));
        match (item, pieces) {
            (Item::Bytes(bytes), Some(pause)) if bytes.len() > 1 => {
                let at = dice.between(1, bytes.len() as u64 - 1) as usize;
                let (head, tail) = bytes.split_at(at);
                self.put(now, conn, way, (Item::Bytes(head.to_vec()), 0), dice);
                let wait = dice.below(pause);
                self.put(now, conn, way, (Item::Bytes(tail.to_vec()), wait), dice);
            }
            (item, _) => self.put(now, conn, way, (item, 0), dice),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the network has no clock and no dice of its own"
    )]
    fn put(
        &mut self,
        now: Moment,
        conn: usize,
        way: Way,
        (item, wait_us): (Item, u64),
        dice: &mut Dice,
    ) {
        let link = self.link_of(conn);
        let (delay, jitter) = link.map_or((100, 100), |link| link.delay_us[way as usize]);
        let is_blocked = link.is_some_and(|link| link.is_blocked[way as usize]);
        let is_deaf = link.is_some_and(|link| link.is_blocked[way.back() as usize]);
        let pipe = &mut self.conns[conn].pipes[way as usize];
        let mut due = after_us(now, delay + dice.below(jitter) + wait_us).max(pipe.last_due);
        if is_deaf {
            let since = *pipe.unacknowledged_since.get_or_insert(now);
            if now > since.after_ms(RETRANSMIT_MS) {
                due = Moment::MAX;
            }
        }
        if is_blocked {
            due = Moment::MAX;
        }
        pipe.last_due = due;
        if let Item::Bytes(bytes) = &item {
            pipe.bytes += bytes.len();
        }
        pipe.items.push_back((due, item));
        if due < Moment::MAX {
            self.arrivals.push((due, conn, way));
        }
    }

    /// Something has arrived, if its way is free: the next item that is due.
    pub(crate) fn take(&mut self, now: Moment, conn: usize, way: Way) -> Option<Item> {
        let is_blocked = self.link_of(conn).is_some_and(|link| link.is_blocked[way as usize]);
        let pipe = &mut self.conns[conn].pipes[way as usize];
        if is_blocked {
            pipe.items.iter_mut().for_each(|(due, _)| *due = Moment::MAX);
            pipe.last_due = Moment::MAX;
            return None;
        }
        pipe.items.front().filter(|(due, _)| *due <= now)?;
        let (_, item) = pipe.items.pop_front()?;
        if let Item::Bytes(bytes) = &item {
            pipe.bytes -= bytes.len();
        }
        Some(item)
    }

    /// A way is free again. What was held arrives once both ways are: until then what the sender repeats
    /// is what it has sent already, since nobody acknowledges it.
    pub(crate) fn unblock(&mut self, now: Moment, pid: usize, way: Way) {
        self.links[pid].is_blocked[way as usize] = false;
        let link = self.links[pid];
        if !link.is_free() {
            return;
        }
        for conn in 0..self.conns.len() {
            if self.conns[conn].pid != Some(pid) {
                continue;
            }
            for direction in [Way::Up, Way::Down] {
                let due = after_us(now, link.delay_us[direction as usize].0);
                let pipe = &mut self.conns[conn].pipes[direction as usize];
                pipe.unacknowledged_since = None;
                let mut is_held = false;
                for (at, _) in pipe.items.iter_mut().filter(|(at, _)| *at == Moment::MAX) {
                    *at = due;
                    is_held = true;
                }
                if pipe.last_due == Moment::MAX {
                    pipe.last_due = due;
                }
                if is_held {
                    self.arrivals.push((due, conn, direction));
                }
            }
        }
    }

    /// A connection breaks: what was on the way is lost from some point on, and both ends learn of it.
    #[expect(
        clippy::too_many_arguments,
        reason = "the network has no clock and no dice of its own"
    )]
    pub(crate) fn cut(
        &mut self,
        now: Moment,
        conn: usize,
        keeps: [bool; 2],
        end: &Item,
        dice: &mut Dice,
    ) {
        for way in [Way::Up, Way::Down] {
            let pipe = &mut self.conns[conn].pipes[way as usize];
            if !keeps[way as usize] {
                let kept = dice.place(pipe.items.len() + 1);
                let lost = pipe.items.split_off(kept);
                let bytes = |(_, item): &(Moment, Item)| match item {
                    Item::Bytes(bytes) => bytes.len(),
                    Item::Open | Item::Eof | Item::Reset => 0,
                };
                pipe.bytes -= lost.iter().map(bytes).sum::<usize>();
                pipe.last_due = pipe.items.back().map_or(now, |(due, _)| *due);
            }
            let wait = if dice.one_in(4) { dice.below(2_000_000) } else { dice.below(2_000) };
            if !self.conns[conn].is_closed[way as usize] {
                self.put(now, conn, way, (end.clone(), wait), dice);
                self.conns[conn].is_closed[way as usize] = true;
            }
        }
    }

    /// A connection is forgotten: bytes vanish from now on, also those on the way.
    pub(crate) fn forget(&mut self, conn: usize) {
        let place = &mut self.conns[conn];
        place.is_forgotten = true;
        for pipe in &mut place.pipes {
            pipe.items.clear();
            (pipe.bytes, pipe.last_due) = (0, Moment::ZERO);
        }
    }

    /// Whoever sends on a forgotten connection is told so.
    fn reset(&mut self, now: Moment, conn: usize, sender: Way, dice: &mut Dice) {
        let back = sender.back();
        self.put(now, conn, back, (Item::Reset, 0), dice);
        self.conns[conn].is_closed[sender as usize] = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net() -> (Net, usize, Dice) {
        let mut net = Net { is_host_up: true, ..Net::default() };
        let (is_blocked, delay_us) = ([false; 2], [(1_000, 1), (2_000, 1)]);
        net.links.push(Link { is_blocked, delay_us, is_walled: false, pieces_us: None });
        let conn = net.open(Some(0), LineKey(7), 0);
        (net, conn, Dice::new(1, 1))
    }

    #[test]
    fn what_is_held_arrives_in_its_order() {
        let (mut net, conn, mut dice) = net();
        let bytes = |byte: u8| Item::Bytes(vec![byte]);
        net.send(Moment::ZERO, conn, Way::Up, bytes(1), &mut dice);
        assert_eq!(net.take(Moment::ZERO, conn, Way::Up), None);
        net.links[0].is_blocked = [true, false];
        assert_eq!(net.take(Moment::from_millis(1), conn, Way::Up), None);
        net.send(Moment::from_millis(2), conn, Way::Up, bytes(2), &mut dice);
        net.unblock(Moment::from_millis(3), 0, Way::Up);
        let at = Moment::from_millis(4);
        assert_eq!(net.take(at, conn, Way::Up), Some(bytes(1)));
        assert_eq!(net.take(at, conn, Way::Up), Some(bytes(2)));
        assert_eq!(net.backlog(conn, Way::Up), 0);
    }

    #[test]
    fn whoever_sends_on_a_forgotten_connection_learns_of_it() {
        let (mut net, conn, mut dice) = net();
        net.forget(conn);
        net.send(Moment::ZERO, conn, Way::Down, Item::Bytes(vec![1]), &mut dice);
        assert_eq!(net.take(Moment::from_millis(9), conn, Way::Down), None);
        assert_eq!(net.take(Moment::from_millis(9), conn, Way::Up), Some(Item::Reset));
    }
}
