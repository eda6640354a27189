//! Connections of nobody: silence, random bytes, wrong tasks, wrong secrets, nonsense after a good hello.

use daisy_net::{
    channel::{Channel, ChannelError},
    wire::{Hello, OutcomeItem, ToServer, Verdict},
};

use super::World;
use crate::{
    net::{Item, Way},
    server::security,
};

impl World {
    /// Somebody connects.
    pub(super) fn stranger(&mut self) {
        if self.server.is_none() || !self.net.is_host_up {
            return;
        }
        let key = self.next_key();
        let conn = self.net.open(None, key, self.life - 1);
        self.send(conn, Way::Up, Item::Open);
        let kind = self.dice.below(6);
        let now = self.now;
        self.trace.tell(now, || format!("stranger {conn} of kind {kind}"));
        match kind {
            0 => return,
            1 => {
                let bytes = self.dice.bytes().to_vec();
                return self.send(conn, Way::Up, Item::Bytes(bytes));
            }
            _ => {}
        }
        let mut channel = Channel::client(security(&self.options), self.dice.bytes());
        let known: Vec<u64> = self.checks.pids.keys().map(|worker| worker.0).collect();
        let leases: Vec<u64> = self.checks.loans.keys().map(|lease| lease.0).collect();
        let task = if kind == 2 { "no such task" } else { "task 0" };
        let hello = Hello {
            task: task.to_owned(),
            worker: if kind == 3 { self.dice.pick(&known) } else { None },
            secret: (kind == 3).then_some([1; 16]),
            pid: u32::MAX,
            ..Hello::default()
        };
        let lease = self.dice.pick(&leases).unwrap_or(5);
        let items = vec![OutcomeItem { lease, verdict: Verdict::Completed, micros: 1 }];
        let messages = [
            ToServer::Hello(hello),
            if kind == 4 {
                ToServer::Ask { lease }
            } else {
                ToServer::Outcomes { first: 3, items }
            },
        ];
        for message in messages {
            // A hello this short always can be sent.
            let _is_encoded = message.encode_into(channel.put());
        }
        self.strangers.insert(conn, channel);
        self.flush_stranger(conn);
    }

    fn flush_stranger(&mut self, conn: usize) {
        let Some(channel) = self.strangers.get_mut(&conn) else { return };
        let mut bytes = Vec::new();
        if channel.flush(&mut bytes).is_ok() && !bytes.is_empty() {
            self.send(conn, Way::Up, Item::Bytes(bytes));
        }
    }

    pub(super) fn arrive_at_stranger(&mut self, conn: usize, item: &Item) {
        let Some(channel) = self.strangers.get_mut(&conn) else { return };
        let is_over = match item {
            Item::Bytes(bytes) => {
                channel.receive(bytes, |_, _| Ok::<(), ChannelError>(())).is_err()
            }
            Item::Open | Item::Eof | Item::Reset => true,
        };
        if is_over {
            self.dismiss_stranger(conn);
        } else {
            self.flush_stranger(conn);
        }
    }

    fn dismiss_stranger(&mut self, conn: usize) {
        if self.strangers.remove(&conn).is_some() {
            self.send(conn, Way::Up, Item::Eof);
        }
    }

    /// All of them go.
    pub(super) fn dismiss_strangers(&mut self) {
        let all: Vec<usize> = self.strangers.keys().copied().collect();
        all.into_iter().for_each(|conn| self.dismiss_stranger(conn));
    }
}
