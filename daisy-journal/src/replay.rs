//! From a file to what it says, as far as it can be trusted.

use crate::{
    Disk, Flaw, JournalError, VERSION,
    frame::{Found, FrameReader, HEADER_BYTES, Header, is_torn, kind, read_all, read_header},
    parts,
    state::State,
};

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) state: State,
    /// Where the last good frame ends: the length of what is used. 0 for a file in the making.
    pub(crate) end: u64,
    /// Where the last part of a snapshot ends; 0 if there is none.
    pub(crate) snapshot: u64,
    /// The length of the file.
    pub(crate) len: u64,
    /// What is wrong with what follows, if it is more than a torn tail.
    pub(crate) flaw: Option<Flaw>,
}

/// Reads the whole file; changes nothing.
pub(crate) fn replay<D: Disk>(disk: &mut D) -> Result<Replayed, JournalError<D::Error>> {
    let len = disk.len().map_err(JournalError::Disk)?;
    let header = read_all(disk, 0, HEADER_BYTES as usize).map_err(JournalError::Disk)?;
    match read_header(&header) {
        Header::Good => {}
        Header::Unfinished => return Ok(Replayed { len, ..Replayed::default() }),
        Header::Foreign => return Err(JournalError::NotAJournal),
        Header::Bad => {
            return Err(JournalError::Damaged { offset: 0, bytes: len, flaw: Flaw::Header });
        }
        Header::Newer(found) => {
            return Err(JournalError::NewerVersion { found, supported: VERSION });
        }
    }
    let mut replayed = read_until(disk, len)?;
    if matches!(replayed.flaw, Some(Flaw::Length { .. } | Flaw::Checksum))
        && is_torn(disk, replayed.end, len).map_err(JournalError::Disk)?
    {
        replayed.flaw = None;
    }
    if let Some(flaw @ (Flaw::Kind { .. } | Flaw::Payload | Flaw::Layout(_) | Flaw::Refused(_))) =
        replayed.flaw
    {
        // Part of a frame that makes no sense has been followed: once more, without it.
        let end = replayed.end;
        replayed = Replayed { len, flaw: Some(flaw), ..read_until(disk, end)? };
    }
    Ok(replayed)
}

/// Follows the frames up to `limit` or the first flaw.
fn read_until<D: Disk>(disk: &mut D, limit: u64) -> Result<Replayed, JournalError<D::Error>> {
    let mut replayed = Replayed { end: HEADER_BYTES, len: limit, ..Replayed::default() };
    let mut frames = FrameReader::new(disk, HEADER_BYTES, limit);
    loop {
        match frames.next().map_err(JournalError::Disk)? {
            Found::End => return Ok(replayed),
            Found::Bad { start, flaw } => {
                debug_assert_eq!(start, replayed.end);
                replayed.flaw = Some(flaw);
                return Ok(replayed);
            }
            Found::Frame { payload, start, end } => {
                debug_assert_eq!(start, replayed.end);
                if let Err(flaw) = parts::replay(payload, &mut replayed.state) {
                    replayed.flaw = Some(flaw);
                    return Ok(replayed);
                }
                if payload.first().is_some_and(|kind| (kind::DONE..=kind::OPEN).contains(kind)) {
                    replayed.snapshot = end;
                }
                replayed.end = end;
            }
        }
    }
}
