//! Numbers and texts to bytes, appended to a buffer that the caller reuses: the mirror image of the reader.

use super::error::WireError;

/// Appends fields to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self, value: u8) {
        self.out.push(value);
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    /// An unsigned number in as few bytes as it needs: 1 to 10.
    #[inline]
    pub fn u64(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// A signed number, zigzag: 0, -1, 1, -2 are 0, 1, 2, 3.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.u64(((value << 1) ^ (value >> 63)) as u64);
    }

    /// An unsigned number as its zigzag difference (modulo 2^64) to `before`.
    #[inline]
    pub fn delta(&mut self, before: u64, value: u64) {
        self.i64(value.wrapping_sub(before) as i64);
    }

    /// A yes or no: 1 or 0.
    pub fn flag(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    /// A text that must arrive whole: its length, then UTF-8.
    ///
    /// # Errors
    /// [`WireError::TooLong`] over `limit` bytes; nothing is appended.
    pub fn text(&mut self, at: &'static str, limit: usize, value: &str) -> Result<(), WireError> {
        if value.len() > limit {
            let (limit, found) = (limit as u64, value.len() as u64);
            return Err(WireError::TooLong { at, limit, found });
        }
        self.u64(value.len() as u64);
        self.bytes(value.as_bytes());
        Ok(())
    }

    /// A text for people: what is over `limit` bytes is cut off at the border of a character.
    pub fn text_cut(&mut self, limit: usize, value: &str) {
        let cut = (0..=limit.min(value.len())).rev().find_map(|end| value.get(..end));
        let kept = cut.unwrap_or_default();
        self.u64(kept.len() as u64);
        self.bytes(kept.as_bytes());
    }
}
