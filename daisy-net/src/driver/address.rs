//! Where a server listens, or where a client finds it: TCP by host and port, or a Unix socket by path.

use std::{
    fmt, io,
    net::{Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    str::FromStr,
};

use crate::NetError;

/// `host:port`, `127.0.0.1:0`, `[::1]:0` or `unix:/path`.
///
/// The address a server binds and the one its workers are told are two things: it may bind `0.0.0.0:0` and tell them
/// `node7:40123`.
///
/// ```
/// use daisy_net::driver::Address;
///
/// let address: Address = "[::1]:0".parse()?;
/// assert_eq!(address, Address::Tcp { host: "::1".into(), port: 0 });
/// assert_eq!(address.to_string(), "[::1]:0");
/// assert!("node7".parse::<Address>().is_err(), "a port is missing");
/// # Ok::<(), daisy_net::NetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A name or an IP address (v6 without brackets), and a port; 0 lets the kernel choose when binding.
    Tcp {
        /// The name or IP address.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// The socket addresses of a TCP address: several when the name has several.
    ///
    /// # Errors
    /// When the name cannot be resolved, or it is a path.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Tcp { host, port } => Ok((host.as_str(), *port).to_socket_addrs()?.collect()),
            Self::Unix(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl FromStr for Address {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let wrong = || NetError::Address { found: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().map_err(|_| wrong())?.to_string(),
            None if host.is_empty() || host.contains([':', '[', ']', '/']) => return Err(wrong()),
            None => host.to_owned(),
        };
        Ok(Self::Tcp { host, port })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
