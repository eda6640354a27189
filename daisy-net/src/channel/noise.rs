//! The Noise handshake and transport, through `snow`, with the randomness of the caller.
//!
//! The pattern `NNpsk0`: both sides know the run's key and prove it, and each connection has its own keys, so that
//! whoever learns the run's key later cannot read what was recorded before.

use core::{fmt, hint::black_box};

use snow::{
    Builder, HandshakeState, TransportState,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{CryptoResolver, DefaultResolver, RingResolver},
    types::{Cipher, Dh, Hash, Random},
};

use super::ChannelError;

/// The Noise protocol, to the letter.
pub const NOISE_PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";
/// The length of both handshake messages: a public key and a tag.
pub const HANDSHAKE_LEN: usize = 48;
/// What encryption adds to a record's plaintext.
pub const TAG_LEN: usize = 16;

/// How a connection is secured.
#[derive(Clone)]
pub enum Security {
    /// Not at all: for one machine, or for looking at what is said.
    Clear,
    /// Encrypted and authenticated by the key that both sides were given.
    Key([u8; 32]),
}

impl fmt::Debug for Security {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "Clear",
            Self::Key(_) => "Key(..)",
        })
    }
}

impl Drop for Security {
    fn drop(&mut self) {
        if let Self::Key(key) = self {
            wipe(key);
        }
    }
}

/// Overwrites a secret as well as safe code can: the value is looked at afterwards, so the write is not left out.
pub(super) fn wipe(secret: &mut [u8; 32]) {
    secret.fill(0);
    black_box(secret);
}

/// A client's handshake: its first message, and the state that reads the answer.
pub(super) fn initiate(
    key: &[u8; 32],
    prologue: &[u8],
    randomness: &[u8; 32],
) -> Result<(HandshakeState, [u8; HANDSHAKE_LEN]), ChannelError> {
    let mut state = builder(key, prologue, randomness)
        .and_then(Builder::build_initiator)
        .map_err(|_| ChannelError::Cipher)?;
    let message = write(&mut state)?;
    Ok((state, message))
}

/// A client reads the server's answer.
pub(super) fn complete(
    mut state: HandshakeState,
    answer: &[u8],
) -> Result<TransportState, ChannelError> {
    state.read_message(answer, &mut []).map_err(|_| ChannelError::Handshake)?;
    state.into_transport_mode().map_err(|_| ChannelError::Cipher)
}

/// A server reads a client's first message and answers it.
pub(super) fn respond(
    key: &[u8; 32],
    prologue: &[u8],
    randomness: &[u8; 32],
    message: &[u8],
) -> Result<(TransportState, [u8; HANDSHAKE_LEN]), ChannelError> {
    let mut state = builder(key, prologue, randomness)
        .and_then(Builder::build_responder)
        .map_err(|_| ChannelError::Cipher)?;
    state.read_message(message, &mut []).map_err(|_| ChannelError::WrongKey)?;
    let answer = write(&mut state)?;
    let state = state.into_transport_mode().map_err(|_| ChannelError::Cipher)?;
    Ok((state, answer))
}

fn write(state: &mut HandshakeState) -> Result<[u8; HANDSHAKE_LEN], ChannelError> {
    let mut message = [0; HANDSHAKE_LEN];
    match state.write_message(&[], &mut message) {
        Ok(HANDSHAKE_LEN) => Ok(message),
        _ => Err(ChannelError::Cipher),
    }
}

fn builder<'a>(
    key: &'a [u8; 32],
    prologue: &'a [u8],
    randomness: &[u8; 32],
) -> Result<Builder<'a>, snow::Error> {
    let resolver = Box::new(OneKey { randomness: *randomness });
    Builder::with_resolver(NOISE_PATTERN.parse()?, resolver).psk(0, key)?.prologue(prologue)
}

/// The default primitives, with a source of randomness that holds one private key and no more: that of this
/// connection. The same argument makes the same bytes, which is what simulations need.
struct OneKey {
    randomness: [u8; 32],
}

impl Drop for OneKey {
    fn drop(&mut self) {
        wipe(&mut self.randomness);
    }
}

impl CryptoResolver for OneKey {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once { left: Some(self.randomness) }))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        // Six times as fast as the default for records of a few hundred bytes.
        RingResolver.resolve_cipher(choice)
    }
}

/// Hands the bytes out once, all at once.
struct Once {
    left: Option<[u8; 32]>,
}

impl Drop for Once {
    fn drop(&mut self) {
        if let Some(left) = &mut self.left {
            wipe(left);
        }
    }
}

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        match self.left.take() {
            Some(mut bytes) if bytes.len() == dest.len() => {
                dest.copy_from_slice(&bytes);
                wipe(&mut bytes);
                Ok(())
            }
            _ => Err(snow::Error::Rng),
        }
    }
}
