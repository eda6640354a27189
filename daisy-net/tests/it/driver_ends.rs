//! How connections end, and what their ends are called.

use std::{fs, io};

use daisy_net::driver::{Address, LineEvent, LineId, Lines, SendState, Stream};

use crate::driver::{DEADLINE, folder, loopback, until};

/// One client of `lines`, and its line.
fn pair(lines: &mut Lines) -> (Stream, LineId, String) {
    let stream = Stream::connect(&lines.local_addresses()[0], DEADLINE).unwrap();
    let (id, peer) = until(lines, |_, event| match event {
        LineEvent::Opened(id, peer) => Some((*id, peer.clone())),
        _ => None,
    });
    (stream, id, peer.text)
}

#[test]
fn a_line_that_is_closed_ends_in_order_and_one_that_is_aborted_is_reset() {
    let mut lines = loopback();
    let mut buffer = [0; 8];
    let (stream, id, _) = pair(&mut lines);
    lines.close(id);
    assert!(stream.wait_readable(Some(DEADLINE)).unwrap());
    assert_eq!(stream.try_read(&mut buffer).unwrap(), Some(0));
    let (stream, id, _) = pair(&mut lines);
    lines.abort(id);
    assert!(stream.wait_readable(Some(DEADLINE)).unwrap());
    let reset = stream.try_read(&mut buffer).unwrap_err();
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_line_that_cannot_take_its_last_words_is_reset() {
    let mut lines = loopback();
    let (stream, id, _) = pair(&mut lines);
    // More than the kernel takes, and nobody reads.
    while !matches!(lines.send(id, &mut vec![0; 1 << 18]), SendState::Kept(1..)) {}
    lines.close(id);
    let mut buffer = vec![0; 1 << 16];
    let end = loop {
        assert!(stream.wait_readable(Some(DEADLINE)).unwrap());
        match stream.try_read(&mut buffer) {
            Ok(Some(1..)) => {}
            other => break other,
        }
    };
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn both_ends_of_a_connection_call_the_clients_the_same() {
    let folder = folder("names");
    let unix = Address::Unix(folder.join("daisy.sock"));
    for address in ["127.0.0.1:0".parse().unwrap(), unix] {
        let mut lines = Lines::bind(&[address]).unwrap();
        let (stream, _, seen_as) = pair(&mut lines);
        let own_end = stream.own_end();
        assert!(own_end.is_local);
        if cfg!(target_os = "linux") || !seen_as.is_empty() {
            assert_eq!(own_end.name, seen_as);
        }
    }
    // A socket for both kinds of addresses sees an IPv4 client by an IPv6 address.
    if let Ok(mut lines) = Lines::bind(&["[::]:0".parse().unwrap()]) {
        let Address::Tcp { port, .. } = lines.local_addresses()[0] else { panic!() };
        let address = Address::Tcp { host: "127.0.0.1".into(), port };
        if let Ok(stream) = Stream::connect(&address, DEADLINE) {
            let peer = until(&mut lines, |_, event| match event {
                LineEvent::Opened(_, peer) => Some(peer.clone()),
                _ => None,
            });
            assert_eq!(stream.own_end().name, peer.text);
            assert!(peer.is_local, "{peer:?}");
        }
    }
    fs::remove_dir(folder).unwrap();
}
