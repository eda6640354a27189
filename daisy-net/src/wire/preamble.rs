//! The first eight bytes each way: what they are, which version, how they are secured, whether it will do.
//!
//! ```text
//! +---+---+---+---+---+---------+----------+--------+
//! | d | a | i | s | y | version | security | status |
//! +---+---+---+---+---+---------+----------+--------+
//! ```

use super::error::WireError;

/// How every connection begins.
pub const MAGIC: [u8; 5] = *b"daisy";
/// The version that this crate speaks.
pub const VERSION: u8 = 1;
/// The length of a preamble in bytes.
pub const PREAMBLE_LEN: usize = 8;

/// The first eight bytes of a side. The codes are left as they came: only the reader knows what it can do with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// Which version of this protocol the side speaks.
    pub version: u8,
    /// 0 in the clear, 1 Noise.
    pub security: u8,
    /// 0 from a client, and from a server that accepts; else one of the codes of [`status`].
    pub status: u8,
}

/// The codes by which a server says what it thinks of a client's first bytes.
pub mod status {
    /// It goes on.
    pub const ACCEPTED: u8 = 0;
    /// The server speaks another version: the one in its preamble.
    pub const VERSION_NOT_SPOKEN: u8 = 1;
    /// The server takes encrypted connections only.
    pub const KEY_NEEDED: u8 = 2;
    /// The server has no key: it takes connections in the clear only.
    pub const NO_KEY: u8 = 3;
    /// The client's first handshake message is not made with the server's key.
    pub const WRONG_KEY: u8 = 4;
}

impl Preamble {
    /// As bytes.
    pub fn encode(self) -> [u8; PREAMBLE_LEN] {
        let [d, a, i, s, y] = MAGIC;
        [d, a, i, s, y, self.version, self.security, self.status]
    }

    /// From bytes; the codes may be any.
    ///
    /// # Errors
    /// [`WireError::NotDaisy`].
    pub fn decode(bytes: [u8; PREAMBLE_LEN]) -> Result<Self, WireError> {
        Self::check_start(&bytes)?;
        let [_, _, _, _, _, version, security, status] = bytes;
        Ok(Self { version, security, status })
    }

    /// Whether these can be the first bytes of a preamble, however few they are.
    ///
    /// # Errors
    /// [`WireError::NotDaisy`].
    pub fn check_start(bytes: &[u8]) -> Result<(), WireError> {
        if bytes.iter().zip(&MAGIC).all(|(found, expected)| found == expected) {
            return Ok(());
        }
        let mut found = [0; 5];
        found.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Err(WireError::NotDaisy { found })
    }
}
