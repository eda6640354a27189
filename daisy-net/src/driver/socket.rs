//! A connected socket, TCP or Unix, that never blocks.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
};

use mio::{
    Interest, Registry, Token,
    event::Source,
    net::{TcpStream, UnixStream},
};

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

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown(how),
            Self::Unix(socket) => socket.shutdown(how),
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
