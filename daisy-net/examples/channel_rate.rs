//! How fast a channel is: records of 256 bytes and of 64 KiB through both its ends, in the clear and sealed, and grants
//! and outcomes through their writers and readers. One thread, no sockets.
//!
//! `cargo run --release -p daisy-net --example channel_rate`

use std::{hint::black_box, time::Instant};

use daisy_net::{
    channel::{Channel, ChannelError, PLAINTEXT_LIMIT, Security},
    wire::{
        Grant, GrantsReader, GrantsWriter, OutcomeItem, OutcomesReader, OutcomesWriter, ToServer,
        Verdict, kind,
    },
};

/// How much plaintext each measurement moves.
const TOTAL: usize = 256 << 20;

fn main() -> Result<(), ChannelError> {
    println!("through both ends             MB/s   messages/s   ns/message");
    for (name, security) in [("clear", Security::Clear), ("sealed", Security::Key([7; 32]))] {
        for size in [256, PLAINTEXT_LIMIT] {
            let (mut client, mut server) = open(&security)?;
            let message = outcomes(size);
            let turns = TOTAL / message.len();
            let begin = Instant::now();
            let moved = pass(&mut client, &mut server, &message, turns)?;
            let seconds = begin.elapsed().as_secs_f64();
            report(&format!("{name}, {} bytes", message.len()), moved, turns, seconds);
        }
    }
    lists()
}

/// Opens a channel and says `Hello`.
fn open(security: &Security) -> Result<(Channel, Channel), ChannelError> {
    let mut client = Channel::client(security.clone(), [1; 32]);
    let mut server = Channel::server(security.clone(), [2; 32]);
    let mut bytes = Vec::new();
    client.flush(&mut bytes)?;
    server.receive(&bytes, |_, _| Ok::<_, ChannelError>(()))?;
    bytes.clear();
    server.flush(&mut bytes)?;
    client.receive(&bytes, |_, _| Ok::<_, ChannelError>(()))?;
    ToServer::Leave.encode_into(client.put())?;
    pass(&mut client, &mut server, &[], 1)?;
    Ok((client, server))
}

/// Frames of outcomes, at most `size` bytes.
fn outcomes(size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last = 0;
    for lease in 0.. {
        let before = bytes.len();
        let item = OutcomeItem::<&str> { lease, verdict: Verdict::Completed, micros: 100 };
        let mut writer = OutcomesWriter::new(&mut bytes, 0);
        for _ in 0..30 {
            writer.push(&item);
        }
        writer.finish();
        if bytes.len() > size {
            bytes.truncate(before);
            break;
        }
        last = bytes.len();
    }
    bytes.truncate(last);
    bytes
}

/// Sends a message `turns` times, and says how many bytes of payload came out.
fn pass(
    client: &mut Channel,
    server: &mut Channel,
    message: &[u8],
    turns: usize,
) -> Result<usize, ChannelError> {
    let mut wire = Vec::new();
    let mut moved = 0;
    for _ in 0..turns {
        client.put().extend_from_slice(message);
        wire.clear();
        client.flush(&mut wire)?;
        server.receive(&wire, |_, payload| {
            moved += payload.len();
            Ok::<_, ChannelError>(())
        })?;
    }
    Ok(moved)
}

/// Grants and outcomes of neighbouring blocks to bytes and back.
fn lists() -> Result<(), ChannelError> {
    const ITEMS: u64 = 20_000_000;
    let mut bytes = Vec::new();
    let begin = Instant::now();
    let mut sum = 0;
    let mut length = 0;
    for batch in 0..ITEMS / 4_000 {
        bytes.clear();
        let mut writer = GrantsWriter::new(&mut bytes);
        for cell in batch * 4_000..(batch + 1) * 4_000 {
            writer.push(Grant { lease: 77 + cell, cell, attempt: 1 });
        }
        writer.finish();
        length += bytes.len();
        for (_, payload) in frames(&bytes)? {
            for grant in GrantsReader::new(payload) {
                sum += black_box(grant?).cell;
            }
        }
    }
    report("grants, written and read", length, ITEMS as usize, begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    length = 0;
    for batch in 0..ITEMS / 4_000 {
        bytes.clear();
        let mut writer = OutcomesWriter::new(&mut bytes, batch * 4_000);
        for lease in batch * 4_000..(batch + 1) * 4_000 {
            writer.push(&OutcomeItem::<&str> { lease, verdict: Verdict::Completed, micros: 100 });
        }
        writer.finish();
        length += bytes.len();
        for (_, payload) in frames(&bytes)? {
            for item in OutcomesReader::new(payload)? {
                sum += black_box(item?).lease;
            }
        }
    }
    report("outcomes, written and read", length, ITEMS as usize, begin.elapsed().as_secs_f64());
    black_box(sum);
    Ok(())
}

fn frames(bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, ChannelError> {
    use daisy_net::wire::{Direction, Frames};
    let is_grants = bytes.first() == Some(&kind::GRANTS);
    let direction = if is_grants { Direction::ToWorker } else { Direction::ToServer };
    Ok(Frames::new(direction, bytes).collect::<Result<_, _>>()?)
}

fn report(name: &str, bytes: usize, messages: usize, seconds: f64) {
    println!(
        "{name:26} {:7.0} {:12.0} {:12.1}",
        bytes as f64 / 1e6 / seconds,
        messages as f64 / seconds,
        1e9 * seconds / messages as f64
    );
}
