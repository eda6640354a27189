//! The bytes of version 1, once and for all: `golden/v1` holds each message and a whole conversation in the clear.
//!
//! A change of these files is a new version of the protocol. They are written by
//! `cargo test -p daisy-net --test it -- --ignored write_the_golden_files`, which never replaces one.

use std::{fs, path::PathBuf};

use daisy_net::{
    channel::{Channel, ChannelError, Security},
    wire::{Direction, Frames, OutcomeItem, ToServer, ToWorker, Verdict},
};

use crate::wire_samples;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "it", "golden", "v1"].iter().collect()
}

fn golden(name: &str) -> Vec<u8> {
    let path = folder().join(name).with_extension("bin");
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What both sides of a conversation have sent.
#[derive(Default)]
struct Tape {
    client: Vec<u8>,
    server: Vec<u8>,
}

/// Hello and welcome, four blocks granted and worked on, one recalled, a heartbeat, dismissed, gone.
fn converse() -> Tape {
    let mut client = Channel::client(Security::Clear, [1; 32]);
    let mut server = Channel::server(Security::Clear, [2; 32]);
    let mut tape = Tape::default();
    let [hello, ..] = wire_samples::to_server().try_into().map(|all: [_; 7]| all).unwrap();
    let grants = (0..4).map(|cell| daisy_net::wire::Grant { lease: 100 + cell, cell, attempt: 1 });
    let item = |lease, verdict| OutcomeItem { lease, verdict, micros: 250 };
    let failed = Verdict::Failed { panicked: false, text: "out of memory".into() };
    let done = vec![item(100, Verdict::Completed), item(101, failed)];
    let rest = vec![item(103, Verdict::Returned), item(102, Verdict::Completed)];
    let turns: [(Vec<ToServer>, Vec<ToWorker>); 6] = [
        (vec![], vec![]),
        (vec![hello.1], vec![ToWorker::Welcome(wire_samples::welcome())]),
        (vec![ToServer::Want { blocks: 4 }], vec![ToWorker::Grants { items: grants.collect() }]),
        (
            vec![ToServer::Outcomes { first: 0, items: done }, ToServer::Want { blocks: 2 }],
            vec![ToWorker::Ack { through: 1 }, ToWorker::Recall { leases: vec![103] }],
        ),
        (
            vec![
                ToServer::Outcomes { first: 2, items: rest },
                ToServer::Heartbeat { clock: 1_500_000, peak_memory_kb: 2_048, cpu_ms: 12 },
            ],
            vec![
                ToWorker::Ack { through: 3 },
                ToWorker::Heartbeat { heard: 1_500_000 },
                ToWorker::Dismiss,
            ],
        ),
        (vec![ToServer::Leave], vec![]),
    ];
    for (said, answered) in turns {
        said.iter().for_each(|message| message.encode_into(client.put()).unwrap());
        let mut out = Vec::new();
        client.flush(&mut out).unwrap();
        server.receive(&out, |_, _| Ok::<_, ChannelError>(())).unwrap();
        tape.client.append(&mut out);
        answered.iter().for_each(|message| message.encode_into(server.put()).unwrap());
        server.flush(&mut out).unwrap();
        client.receive(&out, |_, _| Ok::<_, ChannelError>(())).unwrap();
        tape.server.append(&mut out);
    }
    tape
}

fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (name, message) in wire_samples::to_server() {
        let mut bytes = Vec::new();
        message.encode_into(&mut bytes).unwrap();
        files.push((name.to_owned(), bytes));
    }
    for (name, message) in wire_samples::to_worker() {
        let mut bytes = Vec::new();
        message.encode_into(&mut bytes).unwrap();
        files.push((name.to_owned(), bytes));
    }
    let tape = converse();
    files.push(("conversation_client".to_owned(), tape.client));
    files.push(("conversation_server".to_owned(), tape.server));
    files
}

#[test]
#[ignore = "writes files; for a new version of the protocol"]
fn write_the_golden_files() {
    for (name, bytes) in files() {
        let path = folder().join(name).with_extension("bin");
        if !path.exists() {
            fs::write(path, bytes).unwrap();
        }
    }
}

#[test]
fn every_golden_file_is_what_we_write_and_no_other_is_there() {
    let files = files();
    for (name, bytes) in &files {
        assert_eq!(&golden(name), bytes, "{name}: this is another version of the protocol");
    }
    assert_eq!(fs::read_dir(folder()).unwrap().count(), files.len());
}

#[test]
fn every_golden_message_decodes_and_is_encoded_as_it_was() {
    for (name, message) in wire_samples::to_server() {
        let bytes = golden(name);
        let [Ok((kind, payload))] =
            Frames::new(Direction::ToServer, &bytes).collect::<Vec<_>>()[..]
        else {
            panic!("{name}")
        };
        let decoded = ToServer::decode(kind, payload).unwrap();
        assert_eq!(decoded, message, "{name}");
        let mut again = Vec::new();
        decoded.encode_into(&mut again).unwrap();
        assert_eq!(again, bytes, "{name}");
    }
    for (name, message) in wire_samples::to_worker() {
        let bytes = golden(name);
        let [Ok((kind, payload))] =
            Frames::new(Direction::ToWorker, &bytes).collect::<Vec<_>>()[..]
        else {
            panic!("{name}")
        };
        let decoded = ToWorker::decode(kind, payload).unwrap();
        assert_eq!(decoded, message, "{name}");
        let mut again = Vec::new();
        decoded.encode_into(&mut again).unwrap();
        assert_eq!(again, bytes, "{name}");
    }
}

/// A message of each of a conversation's kinds, in the order in which they are said.
#[test]
fn the_golden_conversation_is_understood_by_both_sides() {
    let mut kinds = Vec::new();
    let mut server = Channel::server(Security::Clear, [9; 32]);
    server
        .receive(&golden("conversation_client"), |kind, payload| {
            ToServer::decode(kind, payload)?;
            kinds.push(kind);
            Ok::<_, ChannelError>(())
        })
        .unwrap();
    assert_eq!(kinds, [1, 2, 3, 2, 3, 4, 6]);
    kinds.clear();
    let mut client = Channel::client(Security::Clear, [9; 32]);
    client
        .receive(&golden("conversation_server"), |kind, payload| {
            ToWorker::decode(kind, payload)?;
            kinds.push(kind);
            Ok::<_, ChannelError>(())
        })
        .unwrap();
    assert_eq!(kinds, [65, 66, 67, 68, 67, 69, 71]);
}
