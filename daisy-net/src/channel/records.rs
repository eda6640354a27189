//! Records in and out: a length, then frames, in the clear or sealed.
//!
//! Coming in, a record that is whole in what was received is read where it is; only the part of one waits for the rest.
//! Going out, all frames of a turn share as few records as they fit into.

use std::mem;

use super::{
    Channel, ChannelError, FIRST_RECORD_LIMIT, LENGTH_LEN, PLAINTEXT_LIMIT, RECORD_LIMIT, Stage,
    Stop, TAG_LEN, append_record, fill,
};
use crate::wire::{Direction, Frames};

/// The shortest plaintext: a frame without a payload.
const PLAINTEXT_LEAST: usize = 2;

/// The largest memory of a record in parts that is kept for the next one: most are a few hundred bytes long.
const PARTIAL_KEPT: usize = 4_096;

/// Records in.
impl Channel {
    pub(super) fn records<E>(
        &mut self,
        mut input: &[u8],
        sink: &mut impl FnMut(u8, &[u8]) -> Result<(), E>,
    ) -> Result<(), Stop<E>> {
        if !self.partial.is_empty() {
            fill(&mut self.partial, LENGTH_LEN, &mut input);
            let Some(length) = self.body_len(&self.partial)? else { return Ok(()) };
            fill(&mut self.partial, LENGTH_LEN + length, &mut input);
            if self.partial.len() < LENGTH_LEN + length {
                return Ok(());
            }
            let mut record = mem::take(&mut self.partial);
            let result = self.record(record.get(LENGTH_LEN..).unwrap_or_default(), sink);
            if record.capacity() <= PARTIAL_KEPT {
                record.clear();
                self.partial = record;
            }
            result?;
        }
        // Records that have come whole are read where they are.
        while let Some(length) = self.body_len(input)? {
            let Some((record, rest)) = input.split_at_checked(LENGTH_LEN + length) else { break };
            input = rest;
            self.record(record.get(LENGTH_LEN..).unwrap_or_default(), sink)?;
        }
        self.partial.extend_from_slice(input);
        Ok(())
    }

    /// The length of the record at the beginning of `bytes`, once it is there and in its bounds.
    fn body_len(&self, bytes: &[u8]) -> Result<Option<usize>, ChannelError> {
        let Some([high, low]) = bytes.first_chunk::<LENGTH_LEN>() else { return Ok(None) };
        let found = usize::from(u16::from_be_bytes([*high, *low]));
        let (least, largest) = match &self.stage {
            Stage::Sealed(_) => (PLAINTEXT_LEAST + TAG_LEN, RECORD_LIMIT),
            _ => (PLAINTEXT_LEAST, PLAINTEXT_LIMIT),
        };
        let is_first = !self.is_client && !self.has_received;
        let most = if is_first { FIRST_RECORD_LIMIT } else { largest };
        if found < least || found > most {
            return Err(ChannelError::RecordLength { least, most, found });
        }
        Ok(Some(found))
    }

    fn record<E>(
        &mut self,
        body: &[u8],
        sink: &mut impl FnMut(u8, &[u8]) -> Result<(), E>,
    ) -> Result<(), Stop<E>> {
        let plaintext = match &mut self.stage {
            Stage::Sealed(state) => {
                let length = body.len().saturating_sub(TAG_LEN);
                if self.plaintext.len() < length {
                    self.plaintext.resize(length, 0);
                }
                let out = self.plaintext.get_mut(..length).unwrap_or_default();
                state.read_message(body, out).map_err(|_| ChannelError::Record)?;
                &*out
            }
            _ => body,
        };
        self.has_received = true;
        let direction = if self.is_client { Direction::ToWorker } else { Direction::ToServer };
        for frame in Frames::new(direction, plaintext) {
            let (kind, payload) = frame.map_err(ChannelError::Frame)?;
            sink(kind, payload).map_err(Stop::Sink)?;
        }
        Ok(())
    }
}

/// Records out.
impl Channel {
    pub(super) fn flush_frames(
        &mut self,
        mut frames: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ChannelError> {
        if self.is_client && !self.has_sent {
            // The first frame is the `Hello`. It goes alone, since a server takes a short first record only.
            let (first, rest) = self.cut(frames, 0)?;
            self.seal(first, out)?;
            frames = rest;
        }
        while !frames.is_empty() {
            let (head, rest) = self.cut(frames, PLAINTEXT_LIMIT)?;
            self.seal(head, out)?;
            frames = rest;
        }
        Ok(())
    }

    /// As many whole frames as fit into `limit`, but at least one, and what follows them.
    fn cut<'a>(
        &self,
        frames: &'a [u8],
        limit: usize,
    ) -> Result<(&'a [u8], &'a [u8]), ChannelError> {
        if frames.len() <= limit {
            return Ok((frames, &[]));
        }
        let direction = if self.is_client { Direction::ToServer } else { Direction::ToWorker };
        let mut walk = Frames::new(direction, frames);
        let mut end = 0;
        while let Some(frame) = walk.next() {
            frame.map_err(ChannelError::Frame)?;
            let here = frames.len() - walk.left();
            if here > limit && end > 0 {
                break;
            }
            end = here;
            if here > limit {
                break;
            }
        }
        Ok(frames.split_at_checked(end).unwrap_or((frames, &[])))
    }

    /// Appends one record that holds `plaintext`.
    fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), ChannelError> {
        self.has_sent = true;
        let Stage::Sealed(state) = &mut self.stage else {
            append_record(out, plaintext);
            return Ok(());
        };
        let length = plaintext.len().saturating_add(TAG_LEN);
        let announced = u16::try_from(length).map_err(|_| ChannelError::Cipher)?;
        out.extend(announced.to_be_bytes());
        let begin = out.len();
        out.resize(begin.saturating_add(length), 0);
        let body = out.get_mut(begin..).unwrap_or_default();
        state.write_message(plaintext, body).map_err(|_| ChannelError::Cipher)?;
        Ok(())
    }
}
