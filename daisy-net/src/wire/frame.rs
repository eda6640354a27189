//! Frames: kind, length, payload. The kind is known and the length within the kind's limit before anything is read.
//!
//! ```text
//! +------+----------------+---------------------+
//! | kind | length, varint | payload             |
//! |  u8  |   1 to 3 bytes | `length` bytes      |
//! +------+----------------+---------------------+
//! ```

use super::{error::WireError, limits::payload_limit, reader::Reader, writer::Writer};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a worker to the server: the kinds from 1.
    ToServer,
    /// From the server to a worker: the kinds from 65.
    ToWorker,
}

/// The frames of a plaintext, first to last; a wrong one is the last item.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    direction: Direction,
    reader: Reader<'a>,
}

impl<'a> Frames<'a> {
    /// The frames in `plaintext`.
    pub fn new(direction: Direction, plaintext: &'a [u8]) -> Self {
        Self { direction, reader: Reader::new(plaintext) }
    }

    /// How many bytes follow the frames that were read.
    pub fn left(&self) -> usize {
        self.reader.left()
    }

    fn read(&mut self) -> Result<(u8, &'a [u8]), WireError> {
        let kind = self.reader.byte("frame.kind")?;
        let limit = payload_limit(self.direction, kind)?;
        let found = self.reader.u64("frame.length")?;
        let length = usize::try_from(found).ok().filter(|length| *length <= limit);
        let Some(length) = length else {
            return Err(WireError::TooLong { at: "frame.length", limit: limit as u64, found });
        };
        Ok((kind, self.reader.bytes("frame.payload", length)?))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<(u8, &'a [u8]), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.left() == 0 {
            return None;
        }
        let item = self.read();
        if item.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(item)
    }
}

/// Appends a frame whose payload `fill` writes; on its error `out` is as it was.
pub(super) fn frame(
    out: &mut Vec<u8>,
    kind: u8,
    fill: impl FnOnce(&mut Writer<'_>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let open = OpenFrame::begin(out, kind);
    match fill(&mut Writer::new(out)) {
        Ok(()) => {
            open.end(out);
            Ok(())
        }
        Err(error) => {
            open.undo(out);
            Err(error)
        }
    }
}

/// A frame that is being written: its length is put in when the payload is complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenFrame {
    begin: usize,
}

/// The kind, and one byte for the length: enough for most frames.
const HEADER_LEN: usize = 2;

impl OpenFrame {
    pub(super) fn begin(out: &mut Vec<u8>, kind: u8) -> Self {
        let begin = out.len();
        out.extend_from_slice(&[kind, 0]);
        Self { begin }
    }

    /// How long the payload is so far.
    #[inline]
    pub(super) fn payload_len(self, out: &[u8]) -> usize {
        out.len().saturating_sub(self.begin.saturating_add(HEADER_LEN))
    }

    /// Puts the length in. A payload of 128 bytes or more makes room for a longer length by moving up.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        let length = self.payload_len(out);
        let mut bytes = [0_u8; 10];
        let mut used = 0_usize;
        let mut left = length;
        for byte in &mut bytes {
            used += 1;
            *byte = left as u8 & 0x7f;
            left >>= 7;
            if left == 0 {
                break;
            }
            *byte |= 0x80;
        }
        let at = self.begin.saturating_add(1);
        let encoded = bytes.iter().copied().take(used);
        if used == 1 {
            out.iter_mut().skip(at).zip(encoded).for_each(|(to, from)| *to = from);
        } else {
            drop(out.splice(at..=at, encoded));
        }
    }

    pub(super) fn undo(self, out: &mut Vec<u8>) {
        out.truncate(self.begin);
    }
}
