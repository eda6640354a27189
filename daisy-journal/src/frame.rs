//! The file: a header, then frames of a length, a checksum and a payload. `JOURNAL.md` draws them.

use crate::{Disk, Flaw};

/// The format this crate writes, and the newest it reads.
pub const VERSION: u32 = 1;

/// The length of the header: magic, version and checksum.
pub const HEADER_BYTES: u64 = 16;

/// The largest payload of a frame, checked before memory is allocated.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

const MAGIC: [u8; 8] = *b"daisyjnl";

/// Length and checksum before each payload.
pub(crate) const PREFIX_BYTES: usize = 8;

/// A reader asks for at least so much at a time.
const READ_BYTES: usize = 256 << 10;

/// Bytes that may be summed up in search of a frame behind a bad one: some milliseconds.
const SEARCH_BYTES: usize = 64 << 20;

/// The kinds of payload: their first byte.
pub(crate) mod kind {
    pub(crate) const TASK: u8 = 1;
    pub(crate) const EVENTS: u8 = 2;
    pub(crate) const FORGET: u8 = 3;
    pub(crate) const DONE: u8 = 4;
    pub(crate) const FAILED: u8 = 5;
    pub(crate) const ATTEMPTS: u8 = 6;
    pub(crate) const OPEN: u8 = 7;
    pub(crate) const VERSION: u8 = 8;
    pub(crate) const ARRAYS: u8 = 9;
    pub(crate) const LAST: u8 = ARRAYS;
}

/// The header of a new file.
pub(crate) fn header() -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    let [version, sum] =
        [VERSION, crc32c::crc32c_append(crc32c::crc32c(&MAGIC), &VERSION.to_le_bytes())];
    let bytes = MAGIC.into_iter().chain(version.to_le_bytes()).chain(sum.to_le_bytes());
    for (to, from) in header.iter_mut().zip(bytes) {
        *to = from;
    }
    header
}

/// What the first bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// A journal of this version.
    Good,
    /// Nothing, or the beginning of a header: a file in the making.
    Unfinished,
    /// Something else.
    Foreign,
    /// A header that was changed.
    Bad,
    /// A journal of a newer version.
    Newer(u32),
}

/// Looks at up to [`HEADER_BYTES`] bytes, all that the file has of them.
pub(crate) fn read_header(bytes: &[u8]) -> Header {
    if bytes.len() < HEADER_BYTES as usize {
        return if header().starts_with(bytes) { Header::Unfinished } else { Header::Foreign };
    }
    let Some((summed, rest)) = bytes.split_at_checked(12) else { return Header::Foreign };
    let (Some(magic), Some(version), Some(sum)) =
        (summed.get(..8), le_u32(summed, 8), le_u32(rest, 0))
    else {
        return Header::Foreign;
    };
    if magic != MAGIC {
        Header::Foreign
    } else if crc32c::crc32c(summed) != sum || version == 0 {
        Header::Bad
    } else if version > VERSION {
        Header::Newer(version)
    } else {
        Header::Good
    }
}

/// Begins a frame behind `out`; [`end_frame`] with the result completes it.
pub(crate) fn begin_frame(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    out.push(kind);
    start
}

/// Completes the frame that began at `start`: everything behind its prefix is its payload.
pub(crate) fn end_frame(out: &mut [u8], start: usize) {
    let Some((prefix, payload)) =
        out.get_mut(start..).and_then(|frame| frame.split_at_mut_checked(PREFIX_BYTES))
    else {
        return;
    };
    debug_assert!((1..=MAX_PAYLOAD_BYTES).contains(&payload.len()), "{} bytes", payload.len());
    // No payload is longer than a megabyte.
    let length = (payload.len() as u32).to_le_bytes();
    let sum = crc32c::crc32c_append(crc32c::crc32c(&length), payload).to_le_bytes();
    for (to, from) in prefix.iter_mut().zip(length.into_iter().chain(sum)) {
        *to = from;
    }
}

/// Whether `bytes` begin with a frame whose checksum is right.
fn is_frame(bytes: &[u8], payload_bytes: usize) -> bool {
    let (Some(length), Some(sum), Some(payload)) =
        (bytes.get(..4), le_u32(bytes, 4), bytes.get(PREFIX_BYTES..PREFIX_BYTES + payload_bytes))
    else {
        return false;
    };
    crc32c::crc32c_append(crc32c::crc32c(length), payload) == sum
}

fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let number = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*number))
}

/// The length of a payload, if it may be that long.
fn payload_bytes(prefix: &[u8]) -> Result<usize, Flaw> {
    let found = le_u32(prefix, 0).unwrap_or(0);
    match found as usize {
        length @ 1..=MAX_PAYLOAD_BYTES => Ok(length),
        _ => Err(Flaw::Length { found }),
    }
}

/// What a [`FrameReader`] finds.
pub(crate) enum Found<'a> {
    /// The payload of the next frame, and where the frame begins and ends.
    Frame { payload: &'a [u8], start: u64, end: u64 },
    /// The end of the file, right behind a frame.
    End,
    /// No frame.
    Bad { start: u64, flaw: Flaw },
}

/// Reads frame by frame through a window of at most one frame and one read.
pub(crate) struct FrameReader<'a, D> {
    disk: &'a mut D,
    window: Vec<u8>,
    /// How much at the front of the window is behind us.
    passed: usize,
    /// Where in the file the window ends.
    end: u64,
    /// Nothing from here on is looked at.
    limit: u64,
    /// How much is read at once, or more where a frame is longer.
    read_bytes: usize,
}

impl<'a, D: Disk> FrameReader<'a, D> {
    /// A reader of the frames between two places of the file.
    pub(crate) const fn new(disk: &'a mut D, start: u64, limit: u64) -> Self {
        Self { disk, window: Vec::new(), passed: 0, end: start, limit, read_bytes: READ_BYTES }
    }

    /// The next frame, or why there is none.
    pub(crate) fn next(&mut self) -> Result<Found<'_>, D::Error> {
        let available = self.fill(PREFIX_BYTES)?;
        let start = self.end - (self.window.len() - self.passed) as u64;
        if available == 0 {
            return Ok(Found::End);
        }
        if available < PREFIX_BYTES {
            return Ok(Found::Bad { start, flaw: Flaw::Length { found: 0 } });
        }
        let payload_bytes = match payload_bytes(self.window.get(self.passed..).unwrap_or_default())
        {
            Ok(length) => length,
            Err(flaw) => return Ok(Found::Bad { start, flaw }),
        };
        let frame_bytes = PREFIX_BYTES + payload_bytes;
        if self.fill(frame_bytes)? < frame_bytes {
            let found = payload_bytes as u32;
            return Ok(Found::Bad { start, flaw: Flaw::Length { found } });
        }
        let frame = self.window.get(self.passed..self.passed + frame_bytes).unwrap_or_default();
        if !is_frame(frame, payload_bytes) {
            return Ok(Found::Bad { start, flaw: Flaw::Checksum });
        }
        self.passed += frame_bytes;
        let payload = frame.get(PREFIX_BYTES..).unwrap_or_default();
        Ok(Found::Frame { payload, start, end: start + frame_bytes as u64 })
    }

    /// Makes the window hold `wanted` bytes ahead; how many it holds, fewer only at the end.
    fn fill(&mut self, wanted: usize) -> Result<usize, D::Error> {
        let available = self.window.len() - self.passed;
        if available >= wanted {
            return Ok(available);
        }
        self.window.drain(..self.passed);
        self.passed = 0;
        let left = usize::try_from(self.limit - self.end).unwrap_or(usize::MAX);
        let more = left.min((wanted - available).max(self.read_bytes));
        let from = self.end;
        let read = read_more(self.disk, from, &mut self.window, more)?;
        self.end += read as u64;
        Ok(self.window.len())
    }
}

/// Reads `count` bytes, fewer only at the end, behind `into`; how many came.
fn read_more<D: Disk>(
    disk: &mut D,
    from: u64,
    into: &mut Vec<u8>,
    count: usize,
) -> Result<usize, D::Error> {
    let before = into.len();
    into.resize(before + count, 0);
    let mut read = 0;
    while read < count {
        let rest = into.get_mut(before + read..).unwrap_or_default();
        let came = disk.read_at(from + read as u64, rest)?.min(count - read);
        if came == 0 {
            break;
        }
        read += came;
    }
    into.truncate(before + read);
    Ok(read)
}

/// The first `count` bytes from `offset` on, fewer only at the end.
pub(crate) fn read_all<D: Disk>(
    disk: &mut D,
    offset: u64,
    count: usize,
) -> Result<Vec<u8>, D::Error> {
    let mut bytes = Vec::new();
    read_more(disk, offset, &mut bytes, count)?;
    Ok(bytes)
}

/// Whether what is at `offset`, where no frame is, can only be an append that was cut short: it
/// reaches to the end of the file, or only zeros follow, and no frame begins inside.
///
/// The search keeps a changed length in the middle of a file from passing for the end of it.
pub(crate) fn is_torn<D: Disk>(disk: &mut D, offset: u64, len: u64) -> Result<bool, D::Error> {
    let left = usize::try_from(len - offset).unwrap_or(usize::MAX);
    if left < PREFIX_BYTES {
        return Ok(true);
    }
    let prefix = read_all(disk, offset, PREFIX_BYTES)?;
    let Ok(payload_bytes) = payload_bytes(&prefix) else { return is_zero(disk, offset, len) };
    let bytes = read_all(disk, offset, left.min(PREFIX_BYTES + payload_bytes))?;
    Ok(is_zero(disk, offset + bytes.len() as u64, len)? && !may_hold_frame(&bytes, SEARCH_BYTES))
}

/// Whether the file is zero from `offset` to `len`.
fn is_zero<D: Disk>(disk: &mut D, mut offset: u64, len: u64) -> Result<bool, D::Error> {
    let mut chunk = Vec::new();
    while offset < len {
        chunk.clear();
        let count = usize::try_from(len - offset).unwrap_or(usize::MAX).min(READ_BYTES);
        let read = read_more(disk, offset, &mut chunk, count)?;
        if chunk.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        if read == 0 {
            break;
        }
        offset += read as u64;
    }
    Ok(true)
}

/// Whether a frame begins somewhere behind the first byte; also if looking would take too long.
fn may_hold_frame(bytes: &[u8], search_bytes: usize) -> bool {
    let mut summed = 0;
    for start in 1..bytes.len().saturating_sub(PREFIX_BYTES) {
        let rest = bytes.get(start..).unwrap_or_default();
        let Ok(payload_bytes) = payload_bytes(rest) else { continue };
        let is_kind = rest.get(PREFIX_BYTES).is_some_and(|kind| (1..=kind::LAST).contains(kind));
        if !is_kind || rest.len() < PREFIX_BYTES + payload_bytes {
            continue;
        }
        summed += payload_bytes;
        if summed > search_bytes || is_frame(rest, payload_bytes) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MemoryDisk;

    fn frames(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            let start = begin_frame(&mut bytes, kind::EVENTS);
            bytes.extend_from_slice(payload);
            end_frame(&mut bytes, start);
        }
        bytes
    }

    proptest! {
        #[test]
        fn frames_are_the_same_however_little_is_read_at_once(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..9),
            rest in prop::collection::vec(any::<u8>(), 0..30),
            read_bytes in prop_oneof![1_usize..200, Just(READ_BYTES)],
        ) {
            let bytes = [frames(&payloads), rest.clone()].concat();
            let len = bytes.len() as u64;
            let mut disk = MemoryDisk::from(bytes.clone());
            let mut reader = FrameReader { read_bytes, ..FrameReader::new(&mut disk, 0, len) };
            let mut from = 0;
            for payload in &payloads {
                let Found::Frame { payload: found, start, end } = reader.next().unwrap() else {
                    panic!("a frame is missing");
                };
                prop_assert_eq!((&found[1..], start), (&payload[..], from));
                prop_assert_eq!(end, from + (PREFIX_BYTES + found.len()) as u64);
                from = end;
            }
            match reader.next().unwrap() {
                Found::End => prop_assert!(rest.is_empty()),
                Found::Bad { start, .. } => prop_assert!(!rest.is_empty() && start == from),
                Found::Frame { .. } => prop_assert!(rest.len() > PREFIX_BYTES),
            }
        }

        #[test]
        fn a_frame_is_never_overlooked_however_little_is_searched(
            before in prop::collection::vec(prop_oneof![Just(0_u8), 1..8_u8], 1..60),
            payload in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
            search_bytes in 0_usize..80,
        ) {
            let frame = frames(payload.as_slice());
            // What is searched ends some bytes behind the last frame that counts.
            let bytes = [before, frame, vec![0; PREFIX_BYTES + 1]].concat();
            let found = may_hold_frame(&bytes, search_bytes);
            prop_assert!(found || payload.is_none());
            prop_assert!(found || !may_hold_frame(&bytes, SEARCH_BYTES));
        }
    }
}
