//! Numbers as bytes: LEB128 varints, zigzag for signed ones.

/// The longest varint.
pub(crate) const MAX_VARINT_BYTES: usize = 10;

/// Writes `number`, seven bits a byte, lowest first; the top bit says that more follow.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a signed number so that small ones of either sign are short.
#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Writes a text as its length and its bytes.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Bytes that are read from the front; each method is `None` where they do not hold what it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Some(first.into());
        }
        let mut number = u64::from(first & 0x7f);
        for place in 1..MAX_VARINT_BYTES {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * place as u32;
            // The tenth byte holds the one bit that is left.
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    #[inline]
    pub(crate) fn signed(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.varint()?.try_into().ok()
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut numbers = vec![0, 1, 127, 128, 300, u64::MAX, u64::MAX - 1, 1 << 63];
        numbers.extend((0..64).map(|bit| 1 << bit));
        for number in numbers {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert!(out.len() <= MAX_VARINT_BYTES);
            let mut bytes = Bytes(&out);
            assert_eq!((bytes.varint(), bytes.is_empty()), (Some(number), true));
            out.clear();
            put_signed(&mut out, number.cast_signed());
            assert_eq!(Bytes(&out).signed(), Some(number.cast_signed()));
        }
        let mut out = Vec::new();
        put_signed(&mut out, -64);
        assert_eq!(out, [127]);
    }

    #[test]
    fn what_is_too_large_or_cut_off_is_refused() {
        let mut too_large = vec![0xff; 9];
        too_large.push(2);
        assert_eq!(Bytes(&too_large).varint(), None);
        assert_eq!(Bytes(&[0x80; 11]).varint(), None);
        assert_eq!(Bytes(&[0x80]).varint(), None);
        assert_eq!(Bytes(&[2, b'a']).text(), None);
        assert_eq!(Bytes(&[1, 0xff]).text(), None);
    }
}
