//! Bytes to numbers and texts: every step is checked, nothing is indexed, nothing is allocated.
//!
//! Numbers are LEB128: seven bits a byte, the lowest first, the top bit says that more follow. Only the shortest
//! form is taken, so that one message has one encoding.

use super::error::WireError;

/// Reads fields off the front of a payload.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// One byte.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when none is left.
    #[inline]
    pub fn byte(&mut self, at: &'static str) -> Result<u8, WireError> {
        let Some((first, rest)) = self.bytes.split_first() else {
            return Err(WireError::Truncated { at, expected: 1, found: 0 });
        };
        self.bytes = rest;
        Ok(*first)
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when fewer are left.
    pub fn bytes(&mut self, at: &'static str, length: usize) -> Result<&'a [u8], WireError> {
        let Some((head, rest)) = self.bytes.split_at_checked(length) else {
            return Err(WireError::Truncated { at, expected: length, found: self.bytes.len() });
        };
        self.bytes = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when fewer are left.
    pub fn array<const N: usize>(&mut self, at: &'static str) -> Result<[u8; N], WireError> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<N>() else {
            return Err(WireError::Truncated { at, expected: N, found: self.bytes.len() });
        };
        self.bytes = rest;
        Ok(*head)
    }

    /// An unsigned number.
    ///
    /// # Errors
    /// [`WireError::Truncated`]; [`WireError::Overlong`]; [`WireError::TooBig`] over 64 bits.
    #[inline]
    pub fn u64(&mut self, at: &'static str) -> Result<u64, WireError> {
        match self.bytes.split_first() {
            // Most numbers are differences to the one before and take one byte.
            Some((first, rest)) if *first < 0x80 => {
                self.bytes = rest;
                Ok(u64::from(*first))
            }
            _ => self.long(at),
        }
    }

    fn long(&mut self, at: &'static str) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(at)?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte holds one bit.
            if shift == 63 && byte > 1 {
                return Err(WireError::TooBig { at, limit: u64::MAX, found: u64::MAX });
            }
            value |= bits << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    return Err(WireError::Overlong { at });
                }
                return Ok(value);
            }
        }
        Err(WireError::TooBig { at, limit: u64::MAX, found: u64::MAX })
    }

    /// An unsigned number of 32 bits.
    ///
    /// # Errors
    /// As [`u64`](Self::u64); [`WireError::TooBig`] over 32 bits.
    #[inline]
    pub fn u32(&mut self, at: &'static str) -> Result<u32, WireError> {
        let found = self.u64(at)?;
        u32::try_from(found).map_err(|_| WireError::TooBig {
            at,
            limit: u64::from(u32::MAX),
            found,
        })
    }

    /// A signed number, zigzag: 0, -1, 1, -2 are 0, 1, 2, 3.
    ///
    /// # Errors
    /// As [`u64`](Self::u64).
    #[inline]
    pub fn i64(&mut self, at: &'static str) -> Result<i64, WireError> {
        let raw = self.u64(at)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// An unsigned number as its zigzag difference (modulo 2^64) to `before`.
    ///
    /// # Errors
    /// As [`u64`](Self::u64).
    #[inline]
    pub fn delta(&mut self, at: &'static str, before: u64) -> Result<u64, WireError> {
        Ok(before.wrapping_add(self.i64(at)? as u64))
    }

    /// A yes or no: 1 or 0.
    ///
    /// # Errors
    /// [`WireError::Truncated`]; [`WireError::UnknownCode`].
    pub fn flag(&mut self, at: &'static str) -> Result<bool, WireError> {
        Ok(self.code(at, 1)? == 1)
    }

    /// A code from 0 to `limit`.
    ///
    /// # Errors
    /// [`WireError::Truncated`]; [`WireError::UnknownCode`].
    #[inline]
    pub fn code(&mut self, at: &'static str, limit: u8) -> Result<u8, WireError> {
        match self.byte(at)? {
            found if found <= limit => Ok(found),
            found => Err(WireError::UnknownCode { at, limit, found }),
        }
    }

    /// A text of at most `limit` bytes: its length, then UTF-8.
    ///
    /// # Errors
    /// [`WireError::TooLong`], [`WireError::Truncated`], [`WireError::NotUtf8`], and those of [`u64`](Self::u64).
    pub fn text(&mut self, at: &'static str, limit: usize) -> Result<&'a str, WireError> {
        let found = self.u64(at)?;
        let length = usize::try_from(found).ok().filter(|length| *length <= limit);
        let Some(length) = length else {
            return Err(WireError::TooLong { at, limit: limit as u64, found });
        };
        let bytes = self.bytes(at, length)?;
        core::str::from_utf8(bytes)
            .map_err(|error| WireError::NotUtf8 { at, valid: error.valid_up_to() })
    }

    /// Ends the reading of `at`: nothing may be left.
    ///
    /// # Errors
    /// [`WireError::Trailing`].
    pub fn finish(self, at: &'static str) -> Result<(), WireError> {
        match self.bytes.len() {
            0 => Ok(()),
            found => Err(WireError::Trailing { at, found }),
        }
    }
}
