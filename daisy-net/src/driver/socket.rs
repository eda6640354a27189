//! A connected socket, TCP or Unix, that never blocks.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr},
    os::fd::{AsFd, BorrowedFd},
    process,
};

use mio::{
    Interest, Registry, Token,
    event::Source,
    net::{TcpStream, UnixStream},
};
#[cfg(target_os = "linux")]
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::{
    libc::linger,
    sys::socket::{
        setsockopt,
        sockopt::{KeepAlive, Linger},
    },
};

use crate::session::OwnEnd;

/// Both kinds of sockets behind the same calls.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// What has come, as far as it fits; `None` when nothing has, 0 at the end.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        retry(|| match self {
            Self::Tcp(socket) => (&mut &*socket).read(buffer),
            Self::Unix(socket) => (&mut &*socket).read(buffer),
        })
    }

    /// Hands bytes to the kernel; `None` when it takes none now.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        retry(|| match self {
            Self::Tcp(socket) => (&mut &*socket).write(bytes),
            Self::Unix(socket) => (&mut &*socket).write(bytes),
        })
    }

    /// This end, as the other one should see it.
    pub(super) fn own_end(&self) -> OwnEnd {
        match self {
            Self::Tcp(socket) => match (socket.local_addr(), socket.peer_addr()) {
                (Ok(own), Ok(peer)) => {
                    let is_local = own.ip().to_canonical() == peer.ip().to_canonical();
                    OwnEnd {
                        name: name_of(own),
                        is_local: is_local || own.ip().to_canonical().is_loopback(),
                    }
                }
                _ => OwnEnd::default(),
            },
            Self::Unix(_) => OwnEnd { name: name_of_process(process::id()), is_local: true },
        }
    }

    /// Where the other end of a Unix socket is; empty where the system does not say.
    pub(super) fn other_process(&self) -> String {
        #[cfg(target_os = "linux")]
        if let Ok(peer) = getsockopt(self, PeerCredentials) {
            return u32::try_from(peer.pid()).map_or_else(|_| String::new(), name_of_process);
        }
        String::new()
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown(how),
            Self::Unix(socket) => socket.shutdown(how),
        }
    }

    /// Lets the other end see a reset when this is dropped. A Unix socket knows none.
    pub(super) fn reset_when_dropped(&self) {
        if let Self::Tcp(socket) = self {
            // If it is broken already it has been reset.
            let _is_set = setsockopt(socket, Linger, &linger { l_onoff: 1, l_linger: 0 });
        }
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(socket) => socket,
            Self::Unix(socket) => socket,
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(self.source(), token, Interest::READABLE | Interest::WRITABLE)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// Has the system look whether the peer is still there: one that promised no signs of life would hold its blocks, or
/// be waited for, for ever when its machine is gone.
pub(super) fn keep_alive(socket: &TcpStream) {
    // Where the system has no such option, only those that promised are noticed.
    let _is_set = setsockopt(socket, KeepAlive, &true);
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::sockopt::{TcpKeepCount, TcpKeepIdle, TcpKeepInterval};
        let _is_set = setsockopt(socket, TcpKeepIdle, &60);
        let _is_set = setsockopt(socket, TcpKeepInterval, &15);
        let _is_set = setsockopt(socket, TcpKeepCount, &4);
    }
}

/// An address as both ends of a connection write it, whatever kind of socket they have.
pub(super) fn name_of(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

/// The end of a Unix socket has no name but its process's.
fn name_of_process(pid: u32) -> String {
    format!("pid:{pid}")
}

/// A signal is no reason to stop, and "not now" is no error.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
