//! One connection of a server: what may still be read in this turn, and what the kernel has not taken yet.

use std::{io, mem, net::Shutdown};

use mio::event::Source;

use super::socket::Socket;

/// The most bytes read from one line in one turn.
pub const READ_LIMIT: usize = 65_536;
/// The most bytes kept for a line that reads too slowly.
pub const BACKLOG_LIMIT: usize = 1 << 20;

/// Why a line carries nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The peer has ended its side in order.
    Ended,
    /// The connection broke: reset, timed out, ...
    Broken(io::ErrorKind),
}

/// What reading gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadState {
    /// So many bytes: read again.
    Bytes(usize),
    /// Nothing more in this turn.
    Later,
    /// Nothing more at all. What is to be said to the peer can still be sent; then call `close`.
    Closed(Why),
}

/// What became of bytes to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendState {
    /// The kernel has them all.
    Sent,
    /// So many bytes are kept in all and go out when the peer has read some.
    Kept(usize),
    /// The peer reads too slowly: they are over [`BACKLOG_LIMIT`] and dropped. Close the line.
    Full,
    /// The line is broken, or its id names nothing; they are dropped. Close the line.
    Closed,
}

#[derive(Debug)]
pub(super) struct Line {
    socket: Socket,
    /// On the ready list: reading may give something.
    pub(super) is_ready: bool,
    /// The kernel reported an end or an error, which comes after the bytes: it is read up to.
    pub(super) is_ending: bool,
    /// What may still be read in this turn.
    budget: usize,
    backlog: Vec<u8>,
    /// How much of the backlog the kernel has taken.
    sent: usize,
    /// Writing has failed.
    broken: Option<io::ErrorKind>,
}

impl Line {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            is_ready: false,
            is_ending: false,
            budget: READ_LIMIT,
            backlog: Vec::new(),
            sent: 0,
            broken: None,
        }
    }

    pub(super) fn begin_turn(&mut self) {
        self.budget = READ_LIMIT;
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        self.socket.source()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> ReadState {
        if !self.is_ready {
            return ReadState::Later;
        }
        let size = self.budget.min(buffer.len());
        let part = match buffer.get_mut(..size) {
            // It stays ready.
            None | Some([]) => return ReadState::Later,
            Some(part) => part,
        };
        let state = match self.socket.read(part) {
            Ok(Some(0)) => ReadState::Closed(Why::Ended),
            Ok(Some(count)) => {
                self.budget = self.budget.saturating_sub(count);
                // Fewer than there was room for: that was all, and whatever comes now is reported. An end that came
                // before was reported with the bytes.
                self.is_ready = count == size || self.is_ending || self.is_broken();
                return ReadState::Bytes(count);
            }
            Ok(None) => match self.broken {
                Some(kind) => ReadState::Closed(Why::Broken(kind)),
                None => ReadState::Later,
            },
            Err(error) => ReadState::Closed(Why::Broken(error.kind())),
        };
        self.is_ready = false;
        state
    }

    pub(super) fn send(&mut self, bytes: &mut Vec<u8>) -> SendState {
        if self.is_broken() {
            return SendState::Closed;
        }
        let kept = self.backlog.len().saturating_sub(self.sent);
        if kept > 0 {
            // The kernel reports when it has room again; until then a call would be in vain.
            let total = kept.saturating_add(bytes.len());
            if total > BACKLOG_LIMIT {
                return SendState::Full;
            }
            self.backlog.append(bytes);
            return SendState::Kept(total);
        }
        let sent = match self.write(bytes) {
            Ok(sent) => sent,
            Err(error) => {
                self.broken = Some(error.kind());
                return SendState::Closed;
            }
        };
        let rest = bytes.get(sent..).unwrap_or_default();
        if rest.is_empty() {
            return SendState::Sent;
        }
        if rest.len() > BACKLOG_LIMIT {
            return SendState::Full;
        }
        self.backlog.extend_from_slice(rest);
        SendState::Kept(rest.len())
    }

    /// Writes until the kernel takes no more, and says how much it took.
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut left = bytes;
        while !left.is_empty() {
            match self.socket.write(left)? {
                Some(0) => return Err(io::ErrorKind::WriteZero.into()),
                Some(count) => left = left.get(count..).unwrap_or_default(),
                None => break,
            }
        }
        Ok(bytes.len() - left.len())
    }

    /// Goes on with what is kept; a failure is remembered for the reader.
    pub(super) fn write_backlog(&mut self) {
        let left = self.backlog.get(self.sent..).unwrap_or_default();
        if left.is_empty() {
            return;
        }
        match self.write(left) {
            Ok(count) => self.sent = self.sent.saturating_add(count),
            Err(error) => {
                self.broken = Some(error.kind());
                self.sent = self.backlog.len();
            }
        }
        if self.sent >= self.backlog.len() {
            // A line is seldom slow twice: its memory goes back.
            self.backlog = Vec::new();
            self.sent = 0;
        } else if self.sent > BACKLOG_LIMIT {
            let sent = mem::take(&mut self.sent).min(self.backlog.len());
            drop(self.backlog.drain(..sent));
        }
    }

    pub(super) fn close(mut self) {
        self.write_backlog();
        if !self.backlog.is_empty() {
            return self.abort();
        }
        // The connection may be broken already; there is nobody to tell.
        let _ = self.socket.shutdown(Shutdown::Write);
        // Closing with unread bytes would reset the connection, and the peer lose what was just sent.
        let mut rest = [0_u8; 4_096];
        for _ in 0..READ_LIMIT / rest.len() {
            if !matches!(self.socket.read(&mut rest), Ok(Some(1..))) {
                break;
            }
        }
    }

    pub(super) fn abort(self) {
        self.socket.reset_when_dropped();
    }
}
