//! Two channels without a network between them: whatever is split, altered, repeated or mixed up.

use daisy_net::{
    channel::{Channel, ChannelError, FIRST_RECORD_LIMIT, PLAINTEXT_LIMIT, RECORD_LIMIT, Security},
    wire::{FAILURE_LIMIT, OutcomeItem, ToServer, ToWorker, Verdict, WireError},
};
use proptest::{collection::vec, prelude::*};

use crate::wire_samples;

const KEY: Security = Security::Key([7; 32]);

/// What a side has received: the frames, kind and payload.
type Frames = Vec<(u8, Vec<u8>)>;

fn client(security: Security) -> Channel {
    Channel::client(security, [1; 32])
}

fn server(security: Security) -> Channel {
    Channel::server(security, [2; 32])
}

fn flush(channel: &mut Channel) -> Vec<u8> {
    let mut out = Vec::new();
    channel.flush(&mut out).unwrap();
    out
}

fn receive(channel: &mut Channel, bytes: &[u8]) -> Result<Frames, ChannelError> {
    let mut frames = Vec::new();
    channel.receive(bytes, |kind, payload| {
        frames.push((kind, payload.to_vec()));
        Ok::<_, ChannelError>(())
    })?;
    Ok(frames)
}

fn say(channel: &mut Channel, message: &ToServer) {
    message.encode_into(channel.put()).unwrap();
}

fn answer(channel: &mut Channel, message: &ToWorker) {
    message.encode_into(channel.put()).unwrap();
}

fn heard(frames: &Frames) -> Vec<ToServer> {
    frames.iter().map(|(kind, payload)| ToServer::decode(*kind, payload).unwrap()).collect()
}

fn hello() -> ToServer {
    wire_samples::to_server().swap_remove(0).1
}

/// Both sides open, and nothing said yet.
fn opened(security: &Security) -> (Channel, Channel) {
    let (mut client, mut server) = (client(security.clone()), server(security.clone()));
    assert_eq!(receive(&mut server, &flush(&mut client)), Ok(vec![]));
    assert_eq!(receive(&mut client, &flush(&mut server)), Ok(vec![]));
    assert!(client.is_open() && server.is_open());
    (client, server)
}

/// Both sides open, and `Hello` said.
fn greeted(security: &Security) -> (Channel, Channel) {
    let (mut client, mut server) = opened(security);
    say(&mut client, &hello());
    assert_eq!(heard(&receive(&mut server, &flush(&mut client)).unwrap()), [hello()]);
    (client, server)
}

#[test]
fn the_opening_has_the_sizes_that_are_written_down() {
    let mut client = client(KEY);
    let mut server = server(KEY);
    let call = flush(&mut client);
    assert_eq!((call.len(), &call[..10]), (58, b"daisy\x01\x01\0\0\x30".as_slice()));
    assert!(!client.is_open() && !server.is_open());
    receive(&mut server, &call).unwrap();
    assert!(server.is_open(), "the server has all it needs");
    assert!(!server.is_proven(), "and no proof: the call may be a recorded one");
    let reply = flush(&mut server);
    assert_eq!((reply.len(), &reply[..10]), (58, b"daisy\x01\x01\0\0\x30".as_slice()));
    receive(&mut client, &reply).unwrap();
    assert!(client.is_open());

    let mut client = Channel::client(Security::Clear, [1; 32]);
    assert_eq!(flush(&mut client), b"daisy\x01\0\0");
    let mut server = Channel::server(Security::Clear, [2; 32]);
    receive(&mut server, b"daisy\x01\0\0").unwrap();
    assert_eq!(flush(&mut server), b"daisy\x01\0\0");
    assert!(server.is_open());
}

#[test]
fn what_is_said_before_the_channel_is_open_goes_out_after_it() {
    for security in [Security::Clear, KEY] {
        let (mut client, mut server) = (client(security.clone()), server(security));
        say(&mut client, &hello());
        say(&mut client, &ToServer::Want { blocks: 8 });
        answer(&mut server, &ToWorker::Heartbeat { heard: 0 });
        assert_eq!(receive(&mut server, &flush(&mut client)), Ok(vec![]));
        let reply = flush(&mut server);
        assert_eq!(receive(&mut client, &reply), Ok(vec![(69, vec![0])]));
        assert!(client.wants_flush());
        let said = receive(&mut server, &flush(&mut client)).unwrap();
        assert_eq!(heard(&said), [hello(), ToServer::Want { blocks: 8 }]);
        assert!(server.is_proven());
        assert!(!client.wants_flush());
        assert_eq!(flush(&mut client), [], "everything is said once");
    }
}

#[test]
fn the_same_randomness_makes_the_same_bytes() {
    let conversation = |randomness: u8| {
        let mut client = Channel::client(KEY, [randomness; 32]);
        let mut server = server(KEY);
        let mut all = flush(&mut client);
        receive(&mut server, &all).unwrap();
        let reply = flush(&mut server);
        receive(&mut client, &reply).unwrap();
        say(&mut client, &hello());
        all.extend(reply);
        all.extend(flush(&mut client));
        all
    };
    assert_eq!(conversation(1), conversation(1));
    assert_ne!(conversation(1), conversation(3));
}

#[test]
fn each_mismatch_is_told_to_both_sides() {
    let other = Security::Key([8; 32]);
    for (ours, theirs, error) in [
        (KEY, other, ChannelError::WrongKey),
        (Security::Clear, KEY, ChannelError::KeyNeeded),
        (KEY, Security::Clear, ChannelError::NoKey),
    ] {
        let (mut client, mut server) = (client(ours), server(theirs));
        say(&mut client, &hello());
        assert_eq!(receive(&mut server, &flush(&mut client)), Err(error));
        let reply = flush(&mut server);
        assert_eq!(reply.len(), 8, "{error}");
        assert_eq!(receive(&mut client, &reply), Err(error));
        assert_eq!((client.broken(), server.broken()), (Some(error), Some(error)));
        assert_eq!(receive(&mut client, &[]), Err(error), "and stays so");
        assert_eq!(flush(&mut server), [], "a refusal is said once");
    }
}

#[test]
fn another_version_is_named_on_both_sides() {
    let mut server = server(KEY);
    let error = receive(&mut server, b"daisy\x02\x01\0").unwrap_err();
    assert_eq!(error, ChannelError::Version { ours: 1, theirs: 2 });
    assert_eq!(flush(&mut server), b"daisy\x01\x01\x01");
    let mut client = client(KEY);
    let error = receive(&mut client, b"daisy\x03\x01\x01").unwrap_err();
    assert_eq!(error, ChannelError::Version { ours: 1, theirs: 3 });
    assert!(error.to_string().contains("version 1") && error.to_string().contains("version 3"));
}

#[test]
fn strangers_are_refused_at_their_first_wrong_byte_and_told_nothing() {
    let mut server = server(KEY);
    let not_daisy = WireError::NotDaisy { found: *b"G\0\0\0\0" };
    assert_eq!(receive(&mut server, b"G"), Err(ChannelError::Preamble(not_daisy)));
    assert_eq!(flush(&mut server), []);

    let unknown = |security, status| Err(ChannelError::UnknownCode { security, status });
    for (bytes, error) in [(b"daisy\x01\x02\0", (2, 0)), (b"daisy\x01\x01\x01", (1, 1))] {
        let mut server = Channel::server(KEY, [2; 32]);
        assert_eq!(receive(&mut server, bytes), unknown(error.0, error.1));
        assert_eq!(flush(&mut server), []);
    }
    assert_eq!(receive(&mut client(KEY), b"daisy\x01\x01\x09"), unknown(1, 9));
    assert_eq!(receive(&mut client(KEY), b"daisy\x01\x00\x00"), unknown(0, 0), "no way down");
}

#[test]
fn a_handshake_message_has_one_length() {
    let length = |found| Err(ChannelError::HandshakeLength { expected: 48, found });
    for found in [0, 47, 49, 65_535] {
        let announced = (found as u16).to_be_bytes();
        let bytes = [b"daisy\x01\x01\0".as_slice(), &announced].concat();
        assert_eq!(receive(&mut server(KEY), &bytes), length(found));
        assert_eq!(receive(&mut client(KEY), &bytes), length(found));
    }
}

/// Each bit of what opens a connection matters: flipped, the connection does not come about.
#[test]
fn an_altered_opening_ends_the_connection() {
    let call = flush(&mut client(KEY));
    for bit in 0..8 * call.len() {
        let mut altered = call.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(receive(&mut server(KEY), &altered).is_err(), "bit {bit} of the call");
    }
    let mut there = server(KEY);
    receive(&mut there, &call).unwrap();
    let reply = flush(&mut there);
    for bit in 0..8 * reply.len() {
        let mut here = client(KEY);
        let mut altered = reply.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(receive(&mut here, &altered).is_err(), "bit {bit} of the reply");
        assert!(!here.is_open());
    }
}

#[test]
fn an_altered_repeated_or_missing_record_ends_the_connection() {
    let (mut client, mut server) = greeted(&KEY);
    let mut records = Vec::new();
    for blocks in 1..=3 {
        say(&mut client, &ToServer::Want { blocks });
        records.push(flush(&mut client));
    }
    let (mut repeated, mut missing) = (Vec::new(), Vec::new());
    repeated.extend_from_slice(&records[0]);
    repeated.extend_from_slice(&records[0]);
    missing.extend_from_slice(&records[1]);
    assert_eq!(receive(&mut server, &repeated), Err(ChannelError::Record));
    assert_eq!(receive(&mut server, &records[1]), Err(ChannelError::Record), "for good");

    let (_, mut server) = greeted(&KEY);
    assert_eq!(receive(&mut server, &missing), Err(ChannelError::Record));
    for at in 2..records[0].len() {
        let (_, mut server) = greeted(&KEY);
        let mut altered = records[0].clone();
        altered[at] ^= 0x10;
        assert_eq!(receive(&mut server, &altered), Err(ChannelError::Record), "byte {at}");
    }
    let (mut client, mut server) = greeted(&KEY);
    say(&mut client, &ToServer::Want { blocks: 1 });
    let own = flush(&mut client);
    assert_eq!(receive(&mut client, &own), Err(ChannelError::Record), "turned back");
    assert_eq!(receive(&mut server, &own).unwrap().len(), 1);
}

#[test]
fn a_recorded_call_opens_nothing_to_whoever_repeats_it() {
    let mut caller = client(KEY);
    let call = flush(&mut caller);
    let mut first = server(KEY);
    receive(&mut first, &call).unwrap();
    receive(&mut caller, &flush(&mut first)).unwrap();
    say(&mut caller, &hello());
    let record = flush(&mut caller);

    let mut second = Channel::server(KEY, [9; 32]);
    receive(&mut second, &call).unwrap();
    assert_eq!(receive(&mut second, &record), Err(ChannelError::Record));
    assert!(!second.is_proven());
}

#[test]
fn the_first_record_of_a_client_is_short() {
    for (security, least) in [(Security::Clear, 2), (KEY, 18)] {
        let most = FIRST_RECORD_LIMIT;
        for (found, is_fine) in [(least - 1, false), (least, true), (most, true), (most + 1, false)]
        {
            let (_, mut server) = opened(&security);
            let received = receive(&mut server, &(found as u16).to_be_bytes());
            let error = ChannelError::RecordLength { least, most, found };
            assert_eq!(received, if is_fine { Ok(vec![]) } else { Err(error) });
        }
    }
    // The longest `Hello` is short enough, whatever is said with it.
    let (mut client, mut server) = opened(&KEY);
    let long = daisy_net::wire::Hello {
        task: "t".repeat(1_024),
        worker: Some(u64::MAX),
        secret: Some([0; 16]),
        held: u32::MAX,
        heartbeat_ms: u32::MAX,
        pid: u32::MAX,
        host: "h".repeat(255),
    };
    say(&mut client, &ToServer::Hello(long));
    (0..1_000).for_each(|lease| say(&mut client, &ToServer::Ask { lease }));
    let out = flush(&mut client);
    assert_eq!(usize::from(u16::from_be_bytes([out[0], out[1]])), FIRST_RECORD_LIMIT);
    assert_eq!(receive(&mut server, &out).unwrap().len(), 1_001);
}

#[test]
fn more_than_a_record_holds_is_cut_between_frames() {
    for security in [Security::Clear, KEY] {
        let (mut client, mut server) = greeted(&security);
        let text = "x".repeat(FAILURE_LIMIT);
        let verdict = Verdict::Failed { panicked: false, text };
        let items = vec![OutcomeItem { lease: 1, verdict, micros: 0 }; 60];
        say(&mut client, &ToServer::Outcomes { first: 0, items });
        let said = client.put().len();
        assert!(said > 3 * PLAINTEXT_LIMIT);
        let out = flush(&mut client);
        let mut rest = out.as_slice();
        let mut records = 0;
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            rest = &after[length..];
            assert!(rest.is_empty() || length > RECORD_LIMIT / 2, "as few as they fit into");
            records += 1;
        }
        let frames = receive(&mut server, &out).unwrap();
        assert!(frames.len() >= records && records >= 4);
        let items = heard(&frames).into_iter().map(|message| match message {
            ToServer::Outcomes { items, .. } => items.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(items.sum::<usize>(), 60);
    }
}

#[test]
fn a_record_is_as_long_as_it_can_be_and_no_longer() {
    // 65,519 bytes of plaintext: frames of 2 bytes and one of 3.
    let mut frames = vec![(6_u8, vec![])];
    let mut plaintext = vec![6, 0];
    plaintext.extend([2, 1, 5]);
    frames.push((2, vec![5]));
    while plaintext.len() < PLAINTEXT_LIMIT {
        plaintext.extend([6, 0]);
        frames.push((6, vec![]));
    }
    assert_eq!(plaintext.len(), PLAINTEXT_LIMIT);
    let (mut client, mut server) = greeted(&KEY);
    client.put().extend_from_slice(&plaintext);
    let out = flush(&mut client);
    assert_eq!(out.len(), 2 + RECORD_LIMIT);
    assert_eq!(receive(&mut server, &out), Ok(frames));

    let (_, mut server) = greeted(&Security::Clear);
    let announced = (PLAINTEXT_LIMIT as u16 + 1).to_be_bytes();
    let (least, most, found) = (2, PLAINTEXT_LIMIT, PLAINTEXT_LIMIT + 1);
    assert_eq!(
        receive(&mut server, &announced),
        Err(ChannelError::RecordLength { least, most, found })
    );
}

#[test]
fn a_frame_does_not_span_records() {
    let (_, mut server) = greeted(&Security::Clear);
    let error = receive(&mut server, b"\0\x02\x02\x01\0\x02\x05\x06").unwrap_err();
    let truncated = WireError::Truncated { at: "frame.payload", expected: 1, found: 0 };
    assert_eq!(error, ChannelError::Frame(truncated));
}

#[test]
fn an_error_of_the_caller_ends_the_channel() {
    #[derive(Debug, PartialEq)]
    enum Mine {
        Enough,
        Channel(ChannelError),
    }
    impl From<ChannelError> for Mine {
        fn from(error: ChannelError) -> Self {
            Self::Channel(error)
        }
    }
    let (mut client, mut server) = greeted(&KEY);
    say(&mut client, &ToServer::Leave);
    let out = flush(&mut client);
    assert_eq!(server.receive(&out, |_, _| Err(Mine::Enough)), Err(Mine::Enough));
    let again = server.receive(&[], |_, _| Ok(()));
    assert_eq!(again, Err(Mine::Channel(ChannelError::Ended)));
}

#[test]
fn what_is_put_in_has_to_be_frames() {
    let (mut client, _) = opened(&KEY);
    client.put().extend_from_slice(b"no frames");
    let error = client.flush(&mut Vec::new()).unwrap_err();
    assert_eq!(error, ChannelError::Frame(WireError::UnknownKind { found: b'n' }));
    assert_eq!(client.broken(), Some(error));
}

#[test]
fn keys_are_not_printed() {
    let printed = format!("{:?} {:?} {:?}", KEY, client(KEY), server(KEY));
    assert_eq!(
        printed,
        "Key(..) Channel { side: \"client\", stage: \"Called\", .. } Channel { side: \"server\", stage: \"Listening\", .. }"
    );
}

fn in_pieces(channel: &mut Channel, mut bytes: &[u8], sizes: &[usize]) -> Frames {
    let mut frames = Vec::new();
    for size in sizes.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (head, rest) = bytes.split_at(bytes.len().min(*size));
        frames.extend(receive(channel, head).unwrap());
        bytes = rest;
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn every_split_gives_the_same_frames(
        messages in vec(vec(wire_samples::any_to_server(), 0..5), 1..6),
        is_sealed in any::<bool>(),
        sizes in vec(1_usize..200, 1..8),
    ) {
        let security = if is_sealed { KEY } else { Security::Clear };
        let (mut client, mut server) = (client(security.clone()), server(security));
        in_pieces(&mut server, &flush(&mut client), &sizes);
        in_pieces(&mut client, &flush(&mut server), &sizes);
        let mut expected = vec![hello()];
        let mut bytes = Vec::new();
        say(&mut client, &hello());
        for turn in messages {
            turn.iter().for_each(|message| say(&mut client, message));
            client.flush(&mut bytes).unwrap();
            expected.extend(turn);
        }
        let frames = in_pieces(&mut server, &bytes, &sizes);
        prop_assert_eq!(heard(&frames), expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..300),
        prefix in 0_usize..3,
        is_sealed in any::<bool>(),
    ) {
        let security = if is_sealed { KEY } else { Security::Clear };
        let prefixes = [b"".as_slice(), b"daisy\x01\0\0", b"daisy\x01\x01\0\0\x30"];
        let bytes = [prefixes[prefix], &bytes].concat();
        for mut channel in [client(security.clone()), server(security.clone())] {
            let _ = receive(&mut channel, &bytes);
            prop_assert!(flush(&mut channel).len() <= 58);
        }
    }
}

/// Every place where a conversation can be cut in two.
#[test]
fn every_cut_in_two_gives_the_same_frames() {
    for security in [Security::Clear, KEY] {
        let mut here = client(security.clone());
        say(&mut here, &hello());
        let call = flush(&mut here);
        for cut in 0..=call.len() {
            let (mut client, mut server) = (client(security.clone()), server(security.clone()));
            flush(&mut client);
            receive(&mut server, &call[..cut]).unwrap();
            receive(&mut server, &call[cut..]).unwrap();
            let reply = flush(&mut server);
            let cut = cut.min(reply.len());
            receive(&mut client, &reply[..cut]).unwrap();
            receive(&mut client, &reply[cut..]).unwrap();
            say(&mut client, &hello());
            say(&mut client, &ToServer::Leave);
            let said = flush(&mut client);
            let cut = cut.min(said.len());
            let mut frames = receive(&mut server, &said[..cut]).unwrap();
            frames.extend(receive(&mut server, &said[cut..]).unwrap());
            assert_eq!(heard(&frames), [hello(), ToServer::Leave]);
        }
    }
}
