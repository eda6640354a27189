//! Messages to bytes and back; what is not a message is refused with its reason.

use daisy_net::wire::{
    Direction, FAILURE_LIMIT, FIRST_LIMIT, Frames, Grant, GrantsReader, GrantsWriter, ITEMS_LIMIT,
    LIST_LIMIT, OutcomeItem, OutcomesReader, OutcomesWriter, Preamble, Reader, RecallReader,
    RecallWriter, ToServer, ToWorker, Verdict, WireError, Writer, kind, payload_limit,
};
use proptest::{collection::vec, prelude::*};

use crate::wire_samples;

fn frames(direction: Direction, bytes: &[u8]) -> Vec<(u8, &[u8])> {
    Frames::new(direction, bytes).collect::<Result<_, _>>().unwrap()
}

fn encode_to_server(message: &ToServer) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode_into(&mut bytes).unwrap();
    bytes
}

fn encode_to_worker(message: &ToWorker) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode_into(&mut bytes).unwrap();
    bytes
}

fn encode_number(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).u64(value);
    bytes
}

#[test]
fn numbers_take_as_few_bytes_as_they_can() {
    for (value, bytes) in [
        (0, vec![0]),
        (127, vec![0x7f]),
        (128, vec![0x80, 1]),
        (300, vec![0xac, 2]),
        (u64::MAX, [vec![0xff; 9], vec![1]].concat()),
    ] {
        assert_eq!(encode_number(value), bytes);
        assert_eq!(Reader::new(&bytes).u64("n"), Ok(value));
    }
}

#[test]
fn hostile_numbers_are_refused() {
    let read = |bytes: &[u8]| Reader::new(bytes).u64("n");
    let overlong = Err(WireError::Overlong { at: "n" });
    assert_eq!(read(&[0x80, 0]), overlong, "0 in two bytes");
    assert_eq!(read(&[0xff, 0x80, 0]), overlong);
    assert_eq!(read(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]), overlong);
    let too_big = Err(WireError::TooBig { at: "n", limit: u64::MAX, found: u64::MAX });
    assert_eq!(read(&[[0xff; 9].as_slice(), &[2]].concat()), too_big, "65 bits");
    assert_eq!(read(&[0xff; 1_000]), too_big, "never ends");
    for length in 0..10 {
        let truncated = Err(WireError::Truncated { at: "n", expected: 1, found: 0 });
        assert_eq!(read(&vec![0x80; length]), truncated);
    }
    let found = u64::from(u32::MAX) + 1;
    assert_eq!(
        Reader::new(&encode_number(found)).u32("n"),
        Err(WireError::TooBig { at: "n", limit: u64::from(u32::MAX), found })
    );
}

#[test]
fn texts_are_cut_at_a_character_or_refused() {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).text_cut(4, "größer");
    assert_eq!(
        Reader::new(&bytes).text("t", 4),
        Ok("gr\u{f6}"),
        "4 bytes with the whole character"
    );
    bytes.clear();
    Writer::new(&mut bytes).text_cut(3, "größer");
    assert_eq!(Reader::new(&bytes).text("t", 4), Ok("gr"), "half a character is none");
    assert_eq!(
        Reader::new(b"\x05hallo").text("t", 4),
        Err(WireError::TooLong { at: "t", limit: 4, found: 5 })
    );
    assert_eq!(
        Reader::new(b"\x03a\xffb").text("t", 4),
        Err(WireError::NotUtf8 { at: "t", valid: 1 })
    );
    let huge = [encode_number(u64::MAX), b"hallo".to_vec()].concat();
    assert_eq!(
        Reader::new(&huge).text("t", usize::MAX),
        Err(WireError::Truncated { at: "t", expected: usize::MAX, found: 5 })
    );
}

#[test]
fn an_unknown_kind_and_a_wrong_direction_are_told_apart() {
    let payload: &[u8] = &[];
    for found in 0..=u8::MAX {
        let to_server = ToServer::decode(found, payload);
        let to_worker = ToWorker::decode(found, payload);
        let unknown = WireError::UnknownKind { found };
        let wrong = WireError::WrongDirection { found };
        match found {
            1..=6 => assert_eq!(to_worker, Err(wrong)),
            65..=73 => assert_eq!(to_server, Err(wrong)),
            _ => assert_eq!((to_server, to_worker), (Err(unknown), Err(unknown))),
        }
    }
}

#[test]
fn a_frame_is_as_long_as_its_kind_allows_and_no_longer() {
    for (direction, kinds) in [(Direction::ToServer, 1..=6), (Direction::ToWorker, 65..=73)] {
        for kind in kinds {
            let limit = payload_limit(direction, kind).unwrap();
            let fits = [vec![kind], encode_number(limit as u64), vec![0; limit]].concat();
            assert_eq!(frames(direction, &fits), [(kind, &*vec![0; limit])]);
            // The length alone is enough to refuse it.
            let over = [vec![kind], encode_number(limit as u64 + 1)].concat();
            let (limit, found) = (limit as u64, limit as u64 + 1);
            let error = WireError::TooLong { at: "frame.length", limit, found };
            let mut walk = Frames::new(direction, &over);
            assert_eq!(walk.next(), Some(Err(error)));
            assert_eq!(walk.next(), None);
        }
    }
}

#[test]
fn the_longest_messages_are_exactly_as_long_as_their_limits() {
    let longest = [
        ToServer::Hello(daisy_net::wire::Hello {
            task: "t".repeat(1_024),
            worker: Some(u64::MAX),
            secret: Some([255; 16]),
            held: u32::MAX,
            heartbeat_ms: u32::MAX,
            pid: u32::MAX,
            host: "h".repeat(300),
        }),
        ToServer::Want { blocks: u32::MAX },
        ToServer::Heartbeat { clock: u64::MAX, peak_memory_kb: u64::MAX, cpu_ms: u64::MAX },
        ToServer::Ask { lease: u64::MAX },
        ToServer::Leave,
    ];
    for message in longest {
        let bytes = encode_to_server(&message);
        let [(kind, payload)] = frames(Direction::ToServer, &bytes)[..] else { panic!() };
        assert_eq!(payload.len(), payload_limit(Direction::ToServer, kind).unwrap());
        ToServer::decode(kind, payload).unwrap();
    }
    let mut welcome = wire_samples::welcome();
    let roi = daisy_net::wire::RoiFrame { begin: vec![i64::MIN; 16], shape: vec![i64::MAX; 16] };
    welcome.worker = u64::MAX;
    (welcome.task, welcome.max_ahead) = (u32::MAX, u32::MAX);
    (welcome.heartbeat_ms, welcome.silence_ms) = (u64::MAX, u64::MAX);
    (welcome.reconnect_ms, welcome.timeout_ms) = (u64::MAX, u64::MAX);
    welcome.seen_as = "s".repeat(70);
    let layout = &mut welcome.layout;
    (layout.total, layout.read, layout.write) = (roi.clone(), roi.clone(), roi);
    let refused = ToWorker::Refused {
        reason: daisy_net::wire::RefusalReason::Malformed,
        text: "x".repeat(2_000),
    };
    let answer = ToWorker::Answer { lease: u64::MAX, is_open: true };
    for message in [ToWorker::Welcome(welcome), refused, answer] {
        let bytes = encode_to_worker(&message);
        let [(kind, payload)] = frames(Direction::ToWorker, &bytes)[..] else { panic!() };
        assert_eq!(payload.len(), payload_limit(Direction::ToWorker, kind).unwrap());
        ToWorker::decode(kind, payload).unwrap();
    }
}

#[test]
fn what_cannot_be_sent_leaves_the_buffer_as_it_was() {
    let mut bytes = b"before".to_vec();
    let mut hello = daisy_net::wire::Hello { task: "t".repeat(1_025), ..Default::default() };
    let too_long = WireError::TooLong { at: "Hello.task", limit: 1_024, found: 1_025 };
    assert_eq!(ToServer::Hello(hello.clone()).encode_into(&mut bytes), Err(too_long));
    hello.task.pop();
    assert_eq!(ToServer::Hello(hello).encode_into(&mut Vec::new()), Ok(()));

    let outcomes = ToServer::Outcomes { first: FIRST_LIMIT + 1, items: Vec::new() };
    assert!(matches!(outcomes.encode_into(&mut bytes), Err(WireError::TooBig { .. })));

    let mut welcome = wire_samples::welcome();
    welcome.layout.write.shape.pop();
    let axes = WireError::Axes { at: "Welcome.layout.write", expected: 2, found: 1 };
    assert_eq!(ToWorker::Welcome(welcome.clone()).encode_into(&mut bytes), Err(axes));
    welcome.layout = Default::default();
    let empty = WireError::Empty { at: "Welcome.layout.axes" };
    assert_eq!(ToWorker::Welcome(welcome.clone()).encode_into(&mut bytes), Err(empty));
    welcome.layout.total.begin = vec![0; 17];
    let too_long = WireError::TooLong { at: "Welcome.layout.axes", limit: 16, found: 17 };
    assert_eq!(ToWorker::Welcome(welcome).encode_into(&mut bytes), Err(too_long));
    assert_eq!(bytes, b"before");
}

#[test]
fn codes_without_a_meaning_are_refused() {
    let code = |at, limit, found| WireError::UnknownCode { at, limit, found };
    assert_eq!(ToWorker::decode(kind::END, &[5]), Err(code("End.reason", 4, 5)));
    assert_eq!(ToWorker::decode(kind::REFUSED, &[5, 0]), Err(code("Refused.reason", 4, 5)));
    assert_eq!(ToWorker::decode(kind::ANSWER, &[1, 2]), Err(code("Answer.is_open", 1, 2)));
    assert_eq!(
        ToServer::decode(kind::OUTCOMES, &[1, 2, 4, 0]),
        Err(code("Outcomes.verdict", 3, 4))
    );
    let mut bytes = encode_to_worker(&ToWorker::Welcome(wire_samples::welcome()));
    *bytes.last_mut().unwrap() = 3;
    assert_eq!(ToWorker::decode(kind::WELCOME, &bytes[2..]), Err(code("Welcome.layout.fit", 2, 3)));
}

#[test]
fn trailing_bytes_are_refused() {
    for (_, message) in wire_samples::to_server() {
        if matches!(message, ToServer::Outcomes { .. }) {
            continue;
        }
        let bytes = encode_to_server(&message);
        let [(kind, payload)] = frames(Direction::ToServer, &bytes)[..] else { panic!() };
        let longer = [payload, &[0]].concat();
        let error = ToServer::decode(kind, &longer).unwrap_err();
        assert!(matches!(error, WireError::Trailing { found: 1, .. } | WireError::TooLong { .. }));
    }
}

#[test]
fn a_list_of_nothing_is_no_frame() {
    let mut bytes = Vec::new();
    GrantsWriter::new(&mut bytes).finish();
    RecallWriter::new(&mut bytes).finish();
    assert_eq!(OutcomesWriter::new(&mut bytes, 9).finish(), 9);
    assert!(bytes.is_empty());
    let empty = |at| WireError::Empty { at };
    assert_eq!(ToWorker::decode(kind::GRANTS, &[]), Err(empty("Grants.items")));
    assert_eq!(ToWorker::decode(kind::RECALL, &[]), Err(empty("Recall.leases")));
    assert_eq!(ToServer::decode(kind::OUTCOMES, &[9]), Err(empty("Outcomes.items")));
}

#[test]
fn a_list_goes_on_in_another_frame_after_4096_items() {
    for (count, expected) in [(ITEMS_LIMIT, vec![4_096]), (ITEMS_LIMIT + 1, vec![4_096, 1])] {
        let grants: Vec<_> = (0..count as u64)
            .map(|cell| Grant { lease: 1_000_000 + cell, cell: 3 * cell, attempt: 1 })
            .collect();
        let bytes = encode_to_worker(&ToWorker::Grants { items: grants.clone() });
        let frames = frames(Direction::ToWorker, &bytes);
        let read: Vec<Vec<_>> = frames
            .iter()
            .map(|(_, payload)| GrantsReader::new(payload).collect::<Result<_, _>>().unwrap())
            .collect();
        assert_eq!(read.iter().map(Vec::len).collect::<Vec<_>>(), expected);
        assert_eq!(read.concat(), grants);
    }
    // One more item than may be, in one frame.
    let payload = vec![2; ITEMS_LIMIT + 1];
    let error = WireError::TooLong { at: "Recall.leases", limit: 4_096, found: 4_097 };
    assert_eq!(RecallReader::new(&payload).last(), Some(Err(error)));
    assert_eq!(RecallReader::new(&payload[1..]).filter(Result::is_ok).count(), 4_096);
}

#[test]
fn a_list_goes_on_in_another_frame_at_the_limit_of_its_bytes() {
    let item = |text| OutcomeItem {
        lease: 5,
        verdict: Verdict::Failed { panicked: false, text },
        micros: 0,
    };
    // Each of the first seven takes 1 + 1 + 1 + 2 + 4096 bytes, and the number of the first 1: 4,060 are left.
    let long = "x".repeat(FAILURE_LIMIT + 100);
    let left = LIST_LIMIT - 1 - 7 * (5 + FAILURE_LIMIT);
    for (text, count) in [("y".repeat(left - 5), 1), ("y".repeat(left - 4), 2)] {
        let mut items = vec![item(long.clone()); 7];
        items.push(item(text));
        let bytes = encode_to_server(&ToServer::Outcomes { first: 100, items });
        let frames = frames(Direction::ToServer, &bytes);
        assert_eq!(frames.len(), count);
        if count == 1 {
            assert_eq!(frames[0].1.len(), LIST_LIMIT);
        } else {
            let second = OutcomesReader::new(frames[1].1).unwrap();
            assert_eq!(second.first(), 107, "the numbers go on");
            assert_eq!(second.map(|item| item.unwrap().lease).collect::<Vec<_>>(), [5]);
        }
    }
}

#[test]
fn a_wrong_item_is_the_last_one() {
    let mut bytes = Vec::new();
    let mut writer = GrantsWriter::new(&mut bytes);
    (0..3).for_each(|cell| writer.push(Grant { lease: cell, cell, attempt: 1 }));
    writer.finish();
    let items: Vec<_> = GrantsReader::new(&bytes[2..bytes.len() - 1]).collect();
    assert_eq!(items.len(), 3);
    assert!(items[0].is_ok() && items[1].is_ok());
    assert!(matches!(items[2], Err(WireError::Truncated { at: "Grants.attempt", .. })));
}

#[test]
fn another_protocol_is_recognised_by_its_first_byte() {
    let error = Preamble::check_start(b"G").unwrap_err();
    assert_eq!(error, WireError::NotDaisy { found: *b"G\0\0\0\0" });
    assert!(error.to_string().contains("check the address"));
    assert_eq!(Preamble::check_start(b"dai"), Ok(()));
    assert_eq!(
        Preamble::decode(*b"daisy\x01\x01\x04"),
        Ok(Preamble { version: 1, security: 1, status: 4 })
    );
}

#[test]
fn secrets_are_not_printed() {
    for (name, message) in wire_samples::to_server() {
        assert!(!format!("{message:?}").contains("165"), "{name}");
    }
    for (name, message) in wire_samples::to_worker() {
        assert!(!format!("{message:?}").contains("165"), "{name}");
    }
}

proptest! {
    #[test]
    fn every_message_of_a_worker_comes_back(message in wire_samples::any_to_server()) {
        let bytes = encode_to_server(&message);
        let frames = frames(Direction::ToServer, &bytes);
        prop_assert_eq!(frames.len(), 1);
        prop_assert_eq!(ToServer::decode(frames[0].0, frames[0].1), Ok(message));
    }

    #[test]
    fn every_message_of_the_server_comes_back(message in wire_samples::any_to_worker()) {
        let bytes = encode_to_worker(&message);
        let frames = frames(Direction::ToWorker, &bytes);
        prop_assert_eq!(frames.len(), 1);
        prop_assert_eq!(ToWorker::decode(frames[0].0, frames[0].1), Ok(message));
    }

    /// Lists may end after any whole item; everything else must be whole.
    #[test]
    fn every_truncation_is_refused_or_a_shorter_list(
        to_server in wire_samples::any_to_server(),
        to_worker in wire_samples::any_to_worker(),
    ) {
        let bytes = encode_to_server(&to_server);
        let (kind, payload) = frames(Direction::ToServer, &bytes)[0];
        for end in 0..payload.len() {
            match ToServer::decode(kind, &payload[..end]) {
                Ok(ToServer::Outcomes { items, .. }) => {
                    let ToServer::Outcomes { items: all, .. } = &to_server else { panic!() };
                    prop_assert!(!items.is_empty() && all.starts_with(&items));
                }
                found => prop_assert!(found.is_err()),
            }
        }
        let bytes = encode_to_worker(&to_worker);
        let (kind, payload) = frames(Direction::ToWorker, &bytes)[0];
        for end in 0..payload.len() {
            match ToWorker::decode(kind, &payload[..end]) {
                Ok(ToWorker::Grants { items }) => {
                    let ToWorker::Grants { items: all } = &to_worker else { panic!() };
                    prop_assert!(!items.is_empty() && all.starts_with(&items));
                }
                Ok(ToWorker::Recall { leases }) => {
                    let ToWorker::Recall { leases: all } = &to_worker else { panic!() };
                    prop_assert!(!leases.is_empty() && all.starts_with(&leases));
                }
                found => prop_assert!(found.is_err()),
            }
        }
        for end in 1..bytes.len() {
            let last = Frames::new(Direction::ToWorker, &bytes[..end]).last().unwrap();
            prop_assert!(last.is_err(), "half a frame is none");
        }
    }

    #[test]
    fn long_lists_come_back_whatever_they_hold(
        grants in vec(wire_samples::any_grant(), 0..9_000),
        items in vec(wire_samples::any_item(), 0..3_000),
    ) {
        let bytes = encode_to_worker(&ToWorker::Grants { items: grants.clone() });
        let read = frames(Direction::ToWorker, &bytes)
            .into_iter()
            .flat_map(|(_, payload)| GrantsReader::new(payload));
        prop_assert_eq!(read.collect::<Result<Vec<_>, _>>(), Ok(grants));

        let bytes = encode_to_server(&ToServer::Outcomes { first: 7, items: items.clone() });
        let mut read = Vec::new();
        for (_, payload) in frames(Direction::ToServer, &bytes) {
            let reader = OutcomesReader::new(payload).unwrap();
            prop_assert_eq!(reader.first(), 7 + read.len() as u64);
            read.extend(reader.map(|item| item.unwrap().into_owned()));
        }
        prop_assert_eq!(read, items);
    }

    /// One message has one encoding: what can be decoded is encoded as it came.
    #[test]
    fn arbitrary_bytes_never_panic_and_decode_to_their_own_encoding(
        kind in prop_oneof![1_u8..=6, 65_u8..=73, any::<u8>()],
        payload in prop_oneof![vec(any::<u8>(), 0..60), vec(0_u8..4, 0..60)],
    ) {
        if let Ok(message) = ToServer::decode(kind, &payload) {
            let bytes = encode_to_server(&message);
            prop_assert_eq!(frames(Direction::ToServer, &bytes), vec![(kind, &*payload)]);
        }
        if let Ok(message) = ToWorker::decode(kind, &payload) {
            let bytes = encode_to_worker(&message);
            prop_assert_eq!(frames(Direction::ToWorker, &bytes), vec![(kind, &*payload)]);
        }
    }
}
