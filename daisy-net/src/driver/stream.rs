//! One connection of a client: never blocks except in [`Stream::wait`], and can be waited on from two threads.

use std::{
    io,
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    time::{Duration, Instant},
};

use mio::net::{TcpStream, UnixStream};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    address::Address,
    resolver::Resolver,
    socket::{Socket, keep_alive},
};
use crate::{NetError, session::OwnEnd};

/// How long a full Unix socket is left alone before it is tried again, in milliseconds.
const FULL_PAUSE_MS: u8 = 10;

/// A connection to a server.
///
/// Every call takes `&self`: one thread may wait for bytes while another one writes. Two threads that read, or two that
/// write, get each other's parts; keep a lock around the whole of a record.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
}

/// What can be done without waiting. Both are set when the connection is gone: the call says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// Bytes, the end or an error can be read.
    pub readable: bool,
    /// Bytes can be written, or an error is to be had.
    pub writable: bool,
}

impl Stream {
    /// Connects to `address` within `timeout`, trying all that its name stands for.
    ///
    /// # Errors
    /// [`NetError::Refused`] when nobody listens: each of the addresses refuses, or there is no socket file.
    /// [`NetError::Unreachable`] for everything else: no route, no such name, no answer in time.
    pub fn connect(address: &Address, timeout: Duration) -> Result<Self, NetError> {
        Self::connect_by(&mut Resolver::default(), address, timeout)
    }

    /// The same, by somebody who may have looked the name up before.
    pub(super) fn connect_by(
        resolver: &mut Resolver,
        address: &Address,
        timeout: Duration,
    ) -> Result<Self, NetError> {
        let deadline = Instant::now().checked_add(timeout);
        let unreachable = |error| NetError::Unreachable { address: address.to_string(), error };
        let connected = match address {
            Address::Unix(path) => connect_unix(path, deadline).map(Socket::Unix),
            Address::Tcp { host, port } => {
                let found = resolver.resolve(host, *port, timeout).map_err(unreachable)?;
                connect_tcp(&found, deadline).map(Socket::Tcp)
            }
        };
        match connected {
            Ok(socket) => Ok(Self { socket }),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(NetError::Refused { address: address.to_string() })
            }
            Err(error) => Err(unreachable(error)),
        }
    }

    /// Reads what has come, as far as it fits into `buffer`; `None` when nothing has, 0 at the end of the connection.
    ///
    /// # Errors
    /// What the system says about the connection.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.socket.read(buffer)
    }

    /// Hands bytes to the kernel and says how many it took; `None` when it takes none now.
    ///
    /// # Errors
    /// What the system says about the connection.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        self.socket.write(bytes)
    }

    /// Waits until bytes can be read (if `read`) or written (if `write`), or `timeout` is over; `None` waits for ever.
    ///
    /// # Errors
    /// What the system says about waiting.
    pub fn wait(&self, read: bool, write: bool, timeout: Option<Duration>) -> io::Result<Ready> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, read);
        flags.set(PollFlags::POLLOUT, write);
        loop {
            let mut polled = [PollFd::new(self.socket.as_fd(), flags)];
            match poll(&mut polled, poll_timeout(deadline)) {
                Ok(0) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                Ok(_) => {
                    let [polled] = polled;
                    let found = polled.revents().unwrap_or(PollFlags::empty());
                    let gone = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
                    let any = |flag| found.intersects(gone | flag);
                    return Ok(Ready {
                        readable: read && any(PollFlags::POLLIN),
                        writable: write && any(PollFlags::POLLOUT),
                    });
                }
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until something can be read; false when `timeout` is over first.
    ///
    /// # Errors
    /// What the system says about waiting.
    pub fn wait_readable(&self, timeout: Option<Duration>) -> io::Result<bool> {
        Ok(self.wait(true, false, timeout)?.readable)
    }

    /// Waits until something can be written; false when `timeout` is over first.
    ///
    /// # Errors
    /// What the system says about waiting.
    pub fn wait_writable(&self, timeout: Option<Duration>) -> io::Result<bool> {
        Ok(self.wait(false, true, timeout)?.writable)
    }

    /// This end, as the server should see it.
    pub fn own_end(&self) -> OwnEnd {
        self.socket.own_end()
    }

    /// Ends both directions; whoever waits wakes up.
    ///
    /// # Errors
    /// What the system says; mostly that the connection is gone already.
    pub fn shutdown(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Both)
    }
}

/// For those who wait for many connections at once.
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The time that is left, in whole milliseconds rounded up: waking early would only mean waiting again.
fn poll_timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let left = deadline.saturating_duration_since(Instant::now());
    let whole = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(whole).unwrap_or(PollTimeout::MAX)
}

/// Refused only when every address refuses: a host that is partly unreachable may well have its server there.
fn connect_tcp(
    candidates: &[std::net::SocketAddr],
    deadline: Option<Instant>,
) -> io::Result<TcpStream> {
    let mut failed: Option<io::Error> = None;
    for candidate in candidates {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let connected = match left {
            Some(Duration::ZERO) => Err(io::ErrorKind::TimedOut.into()),
            Some(left) => std::net::TcpStream::connect_timeout(candidate, left),
            None => std::net::TcpStream::connect(candidate),
        };
        match connected.and_then(prepare) {
            Ok(socket) => return Ok(socket),
            Err(error) => {
                let is_refusal = error.kind() == io::ErrorKind::ConnectionRefused;
                if failed.is_none() || !is_refusal {
                    failed = Some(error);
                }
            }
        }
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn prepare(socket: std::net::TcpStream) -> io::Result<TcpStream> {
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    let socket = TcpStream::from_std(socket);
    keep_alive(&socket);
    Ok(socket)
}

/// A Unix socket answers at once, or has a full queue: then it is tried again.
fn connect_unix(path: &Path, deadline: Option<Instant>) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path) {
            Ok(socket) => return Ok(socket),
            // A server removes its socket file when it ends.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match poll(&mut [], FULL_PAUSE_MS) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
