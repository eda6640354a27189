//! Bytes from anybody: into the decoders of both directions, and into both ends of a channel.

use daisy_net::{
    channel::{Channel, ChannelError, Security},
    wire::{Direction, Frames, ToServer, ToWorker},
};

/// What a channel says to whatever bytes at most: a preamble and a handshake message.
const OPENING_LEN: usize = 58;

/// The first byte chooses what the others are for: a payload of a kind, a plaintext of frames, or the bytes of a
/// connection. Nothing panics, what decodes is encoded as it came, and a channel answers with no more than its opening.
pub fn frame(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    match choice % 8 {
        0 => {
            if let Some((kind, payload)) = rest.split_first() {
                to_server(*kind, payload);
                to_worker(*kind, payload);
            }
        }
        1 => {
            for (kind, payload) in Frames::new(Direction::ToServer, rest).filter_map(Result::ok) {
                to_server(kind, payload);
            }
            for (kind, payload) in Frames::new(Direction::ToWorker, rest).filter_map(Result::ok) {
                to_worker(kind, payload);
            }
        }
        2 => channel(Channel::server(Security::Clear, [1; 32]), b"", rest),
        3 => channel(Channel::server(Security::Clear, [1; 32]), b"daisy\x01\0\0", rest),
        4 => channel(Channel::server(Security::Key([2; 32]), [1; 32]), b"", rest),
        5 => channel(Channel::client(Security::Clear, [1; 32]), b"daisy\x01\0\0", rest),
        6 => channel(Channel::client(Security::Key([2; 32]), [1; 32]), b"", rest),
        _ => sealed(rest),
    }
}

fn to_server(kind: u8, payload: &[u8]) {
    let Ok(message) = ToServer::decode(kind, payload) else { return };
    let mut encoded = Vec::new();
    message.encode_into(&mut encoded).expect("what was decoded can be encoded");
    let frames: Vec<_> = Frames::new(Direction::ToServer, &encoded).collect();
    assert_eq!(frames, [Ok((kind, payload))], "{message:?}");
}

fn to_worker(kind: u8, payload: &[u8]) {
    let Ok(message) = ToWorker::decode(kind, payload) else { return };
    let mut encoded = Vec::new();
    message.encode_into(&mut encoded).expect("what was decoded can be encoded");
    let frames: Vec<_> = Frames::new(Direction::ToWorker, &encoded).collect();
    assert_eq!(frames, [Ok((kind, payload))], "{message:?}");
}

/// Feeds a channel pieces whose size the first byte says; twice as much at once is the same to it.
fn channel(mut channel: Channel, opening: &[u8], bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first() else { return };
    let whole = [opening, rest].concat();
    let mut out = Vec::new();
    let mut heard = 0;
    for piece in whole.chunks(usize::from(*size).max(1)) {
        let received = channel.receive(piece, |kind, payload| {
            heard += payload.len();
            to_server(kind, payload);
            to_worker(kind, payload);
            Ok::<_, ChannelError>(())
        });
        assert_eq!(received.err(), channel.broken());
        channel.flush(&mut out).expect("nothing was put in");
    }
    assert!(out.len() <= OPENING_LEN && heard <= rest.len());
}

/// Both ends open, then the client's records are altered: the first byte says where, the second how.
fn sealed(bytes: &[u8]) {
    let [place, change, plaintext @ ..] = bytes else { return };
    let mut client = Channel::client(Security::Key([2; 32]), [1; 32]);
    let mut server = Channel::server(Security::Key([2; 32]), [3; 32]);
    let (mut there, mut back) = (Vec::new(), Vec::new());
    client.flush(&mut there).expect("an opening");
    server.receive(&there, |_, _| Ok::<_, ChannelError>(())).expect("a good opening");
    server.flush(&mut back).expect("an opening");
    client.receive(&back, |_, _| Ok::<_, ChannelError>(())).expect("a good opening");
    there.clear();
    client.put().extend_from_slice(plaintext);
    if client.flush(&mut there).is_err() || there.is_empty() {
        return;
    }
    let at = usize::from(*place) % there.len();
    let is_length = is_length(&there, at);
    there[at] ^= change;
    let received = server.receive(&there, |_, _| Ok::<_, ChannelError>(()));
    // A record that seems to be longer than it is waits for the rest.
    assert!(*change == 0 || is_length || received.is_err(), "an altered record went through");
}

/// Whether a byte belongs to the length of a record.
fn is_length(mut records: &[u8], mut at: usize) -> bool {
    while let Some((length, rest)) = records.split_first_chunk::<2>() {
        let whole = 2 + usize::from(u16::from_be_bytes(*length));
        if at < whole {
            return at < 2;
        }
        at -= whole;
        records = &rest[whole - 2..];
    }
    false
}
