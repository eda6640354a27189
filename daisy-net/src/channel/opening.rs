//! The way to an open channel: preambles, then the handshake if there is a key.
//!
//! Bytes are taken one expectation at a time, so what is held is never more than [`PREAMBLE_LEN`] and one handshake
//! message, and what cannot become what is expected is refused at its first byte.

use std::mem;

use super::{
    Channel, ChannelError, HANDSHAKE_LEN, LENGTH_LEN, Security, Stage, append_record, code, fill,
    noise,
};
use crate::wire::{PREAMBLE_LEN, Preamble, VERSION, status};

impl Channel {
    /// Takes what belongs to the opening off the front of `input`; true once the channel is open.
    pub(super) fn open(&mut self, input: &mut &[u8]) -> Result<bool, ChannelError> {
        loop {
            let expected = match &self.stage {
                Stage::Clear | Stage::Sealed(_) => return Ok(true),
                Stage::Broken(error) => return Err(*error),
                Stage::Called(_) => PREAMBLE_LEN,
                Stage::Accepted(_) => LENGTH_LEN + HANDSHAKE_LEN,
                Stage::Listening { .. } => self.listening_len()?,
            };
            fill(&mut self.partial, expected, input);
            self.check_start()?;
            // A server learns from the preamble whether more is to come.
            if self.partial.len() < expected {
                return Ok(false);
            }
            if matches!(self.stage, Stage::Listening { .. })
                && self.listening_len()? > self.partial.len()
            {
                continue;
            }
            self.advance()?;
        }
    }

    /// Bytes that cannot become what is waited for are refused at once: whoever sends them would never send the rest.
    fn check_start(&self) -> Result<(), ChannelError> {
        let handshake = match &self.stage {
            Stage::Accepted(_) => self.partial.get(..),
            _ => {
                Preamble::check_start(&self.partial).map_err(ChannelError::Preamble)?;
                self.partial.get(PREAMBLE_LEN..)
            }
        };
        if let Some([high, low, ..]) = handshake {
            let found = usize::from(u16::from_be_bytes([*high, *low]));
            if found != HANDSHAKE_LEN {
                return Err(ChannelError::HandshakeLength { expected: HANDSHAKE_LEN, found });
            }
        }
        Ok(())
    }

    /// How many bytes a server waits for: a preamble, and the handshake message when the preamble is good and there is
    /// a key. A preamble that is not good is refused here.
    fn listening_len(&mut self) -> Result<usize, ChannelError> {
        let Stage::Listening { security, .. } = &self.stage else { return Ok(PREAMBLE_LEN) };
        let Some(bytes) = self.partial.first_chunk::<PREAMBLE_LEN>() else {
            return Ok(PREAMBLE_LEN);
        };
        let preamble = Preamble::decode(*bytes).map_err(ChannelError::Preamble)?;
        let wrong =
            ChannelError::UnknownCode { security: preamble.security, status: preamble.status };
        let ours = code(security);
        let (refusal, error) = match (preamble.version, preamble.security, preamble.status) {
            (VERSION, theirs, 0) if theirs == ours => {
                let message = if ours == 0 { 0 } else { LENGTH_LEN + HANDSHAKE_LEN };
                return Ok(PREAMBLE_LEN + message);
            }
            (VERSION, 0, 0) => (status::KEY_NEEDED, ChannelError::KeyNeeded),
            (VERSION, 1, 0) => (status::NO_KEY, ChannelError::NoKey),
            // No code of this version is any other, so nobody waits for the answer.
            (VERSION, ..) => return Err(wrong),
            (theirs, ..) => {
                (status::VERSION_NOT_SPOKEN, ChannelError::Version { ours: VERSION, theirs })
            }
        };
        self.say(ours, refusal);
        Err(error)
    }

    /// A server's preamble.
    fn say(&mut self, security: u8, status: u8) {
        self.opening.extend(Preamble { version: VERSION, security, status }.encode());
    }

    /// Everything that was waited for is in `partial`.
    fn advance(&mut self) -> Result<(), ChannelError> {
        let received = mem::take(&mut self.partial);
        let placeholder = Stage::Broken(ChannelError::Cipher);
        self.stage = match mem::replace(&mut self.stage, placeholder) {
            Stage::Called(state) => {
                check_answer(&received, state.is_some())?;
                state.map_or(Stage::Clear, Stage::Accepted)
            }
            Stage::Accepted(state) => {
                let answer = received.get(LENGTH_LEN..).unwrap_or_default();
                Stage::Sealed(Box::new(noise::complete(*state, answer)?))
            }
            Stage::Listening { security, mut randomness } => {
                let stage = self.answer(&security, &randomness, &received);
                noise::wipe(&mut randomness);
                stage?
            }
            open => open,
        };
        Ok(())
    }

    /// A server answers a client whose preamble is good.
    fn answer(
        &mut self,
        security: &Security,
        randomness: &[u8; 32],
        received: &[u8],
    ) -> Result<Stage, ChannelError> {
        let Security::Key(key) = security else {
            self.say(0, status::ACCEPTED);
            return Ok(Stage::Clear);
        };
        let (prologue, rest) = received.split_at_checked(PREAMBLE_LEN).unwrap_or_default();
        let message = rest.get(LENGTH_LEN..).unwrap_or_default();
        match noise::respond(key, prologue, randomness, message) {
            Ok((state, answer)) => {
                self.say(1, status::ACCEPTED);
                append_record(&mut self.opening, &answer);
                Ok(Stage::Sealed(Box::new(state)))
            }
            Err(error) => {
                self.say(1, status::WRONG_KEY);
                Err(error)
            }
        }
    }
}

/// What a client makes of the server's preamble.
fn check_answer(received: &[u8], has_key: bool) -> Result<(), ChannelError> {
    let bytes = received.first_chunk::<PREAMBLE_LEN>().copied().unwrap_or_default();
    let preamble = Preamble::decode(bytes).map_err(ChannelError::Preamble)?;
    match (preamble.version, preamble.security, preamble.status) {
        (_, _, status::VERSION_NOT_SPOKEN) => {
            Err(ChannelError::Version { ours: VERSION, theirs: preamble.version })
        }
        (_, _, status::KEY_NEEDED) => Err(ChannelError::KeyNeeded),
        (_, _, status::NO_KEY) => Err(ChannelError::NoKey),
        (_, _, status::WRONG_KEY) => Err(ChannelError::WrongKey),
        (VERSION, security, status::ACCEPTED) if security == u8::from(has_key) => Ok(()),
        (_, security, status) => Err(ChannelError::UnknownCode { security, status }),
    }
}
