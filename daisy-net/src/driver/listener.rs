//! A socket that connections come to, TCP or Unix.

use std::io;

use mio::{
    event::Source,
    net::{TcpListener, UnixListener},
};

use nix::sys::socket::{Backlog, listen};

use super::{
    address::Address,
    lines::Peer,
    socket::{Socket, keep_alive, name_of},
    unix_socket::{self, SocketFile},
};
use crate::NetError;

/// Connections that may wait to be accepted.
const QUEUE: i32 = 4_096;

#[derive(Debug)]
pub(super) struct Listener {
    kind: Kind,
    address: Address,
    /// Connections may be waiting: edge-triggered, so this stays set until `accept` finds none.
    pub(super) may_accept: bool,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    /// The file is removed after the listener is closed.
    Unix(UnixListener, #[expect(dead_code, reason = "held for its drop")] SocketFile),
}

/// Makes room for many workers that come at once, as far as the system allows; mio's queue is short.
fn lengthen_queue(listener: &TcpListener) {
    if let Ok(backlog) = Backlog::new(QUEUE) {
        // Without it they only wait longer.
        let _is_longer = listen(listener, backlog);
    }
}

impl Listener {
    /// Listens at the first socket address of `address` that can be had.
    pub(super) fn bind(address: &Address) -> Result<Self, NetError> {
        let wrong = |error| NetError::Bind { address: address.to_string(), error };
        if let Address::Unix(path) = address {
            let (listener, file) = unix_socket::bind(path).map_err(wrong)?;
            let kind = Kind::Unix(listener, file);
            return Ok(Self { kind, address: address.clone(), may_accept: false });
        }
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for candidate in address.resolve().map_err(wrong)? {
            let bound = TcpListener::bind(candidate)
                .and_then(|listener| Ok((listener.local_addr()?, listener)));
            match bound {
                Ok((bound, listener)) => {
                    lengthen_queue(&listener);
                    let kind = Kind::Tcp(listener);
                    return Ok(Self { kind, address: bound.into(), may_accept: false });
                }
                Err(error) => last = error,
            }
        }
        Err(wrong(last))
    }

    /// Where it listens, with the port that the kernel chose.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        match &mut self.kind {
            Kind::Tcp(listener) => listener,
            Kind::Unix(listener, _) => listener,
        }
    }

    /// One connection that is waiting, or `WouldBlock`.
    pub(super) fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (socket, from) = listener.accept()?;
                // A record is one write: waiting for more to send only costs time. A peer that is gone already
                // is found by reading.
                let _ = socket.set_nodelay(true);
                keep_alive(&socket);
                let peer =
                    Peer { text: name_of(from), is_local: from.ip().to_canonical().is_loopback() };
                Ok((Socket::Tcp(socket), peer))
            }
            Kind::Unix(listener, _) => {
                let (socket, _) = listener.accept()?;
                let socket = Socket::Unix(socket);
                let peer = Peer { text: socket.other_process(), is_local: true };
                Ok((socket, peer))
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{os::fd::AsFd, thread, time::Duration};

    use nix::sys::socket::{
        getsockopt,
        sockopt::{KeepAlive, TcpKeepIdle},
    };

    use super::{super::stream::Stream, *};

    #[test]
    fn the_system_looks_after_both_ends_of_a_connection() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let client = Stream::connect(listener.address(), Duration::from_secs(60)).unwrap();
        let server = loop {
            match listener.accept() {
                Ok((socket, _)) => break socket,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            thread::yield_now();
        };
        for end in [server.as_fd(), client.as_fd()] {
            assert_eq!(getsockopt(&end, KeepAlive), Ok(true));
            assert_eq!(getsockopt(&end, TcpKeepIdle), Ok(60));
        }
    }
}
