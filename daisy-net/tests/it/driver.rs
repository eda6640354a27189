//! Real sockets on this machine, with ports that the kernel chooses. Nothing sleeps: every wait is a poll with a deadline
//! that is never reached when all is well.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Shutdown, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use daisy_net::{
    NetError,
    channel::Security,
    driver::{
        Address, BACKLOG_LIMIT, Client, ClientOptions, Ended, LineEvent, LineId, Lines, READ_LIMIT,
        ReadState, Ready, SendState, Stream, Why, raise_file_limit,
    },
    session::ClientConfig,
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn loopback() -> Lines {
    Lines::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap()
}

fn connect(lines: &Lines) -> Stream {
    Stream::connect(&lines.local_addresses()[0], DEADLINE).unwrap()
}

/// Polls until `want` finds what it looks for among the events.
pub(crate) fn until<T>(
    lines: &mut Lines,
    mut want: impl FnMut(&mut Lines, &LineEvent) -> Option<T>,
) -> T {
    let begin = Instant::now();
    let mut events = Vec::new();
    loop {
        assert!(begin.elapsed() < DEADLINE, "nothing came");
        lines.poll(Some(DEADLINE), &mut events).unwrap();
        let mut found = None;
        for event in events.drain(..) {
            found = found.or_else(|| want(lines, &event));
        }
        if let Some(found) = found {
            return found;
        }
    }
}

fn opened(lines: &mut Lines) -> LineId {
    until(lines, |_, event| match event {
        LineEvent::Opened(id, _) => Some(*id),
        _ => None,
    })
}

/// Reads all of a turn.
fn read_turn(lines: &mut Lines, id: LineId) -> (Vec<u8>, Option<Why>) {
    let mut buffer = [0; 10_000];
    let mut bytes = Vec::new();
    loop {
        match lines.read(id, &mut buffer) {
            ReadState::Bytes(count) => bytes.extend_from_slice(&buffer[..count]),
            ReadState::Later => return (bytes, None),
            ReadState::Closed(why) => return (bytes, Some(why)),
        }
    }
}

fn write_all(stream: &Stream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.try_write(bytes).unwrap() {
            Some(count) => bytes = &bytes[count..],
            None => assert!(stream.wait_writable(Some(DEADLINE)).unwrap()),
        }
    }
}

/// Reads `length` bytes, or until the end.
fn read_exact(stream: &Stream, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65_536];
    while bytes.len() < length {
        match stream.try_read(&mut buffer).unwrap() {
            Some(0) => break,
            Some(count) => bytes.extend_from_slice(&buffer[..count]),
            None => assert!(stream.wait_readable(Some(DEADLINE)).unwrap()),
        }
    }
    bytes
}

/// One turn of a server that sends back what it gets.
fn echo(lines: &mut Lines, event: &LineEvent) -> usize {
    let LineEvent::Readable(id) = event else { return 0 };
    let (mut bytes, why) = read_turn(lines, *id);
    let count = bytes.len();
    assert!(matches!(lines.send(*id, &mut bytes), SendState::Sent | SendState::Kept(_)));
    if why.is_some() {
        lines.close(*id);
    }
    count
}

fn echoes(lines: &mut Lines) {
    let stream = connect(lines);
    write_all(&stream, b"good morning");
    let mut left = 12;
    until(lines, |lines, event| {
        left -= echo(lines, event);
        (left == 0).then_some(())
    });
    assert_eq!(read_exact(&stream, 12), b"good morning");
    assert_eq!(lines.open_lines(), 1);
    drop(stream);
    until(lines, |lines, event| {
        echo(lines, event);
        (lines.open_lines() == 0).then_some(())
    });
}

pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("daisy-net-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    folder
}

#[test]
fn addresses_are_printed_as_they_are_parsed() {
    for text in ["127.0.0.1:0", "[::1]:80", "node7:40123", "unix:/run/daisy.sock", "unix:a b"] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    assert_eq!("[0:0::1]:1".parse::<Address>().unwrap().to_string(), "[::1]:1");
    for text in ["", "node7", ":80", "node7:", "node7:65536", "::1:80", "[::1]", "[x]:1", "unix:"] {
        assert!(matches!(text.parse::<Address>(), Err(NetError::Address { .. })), "{text}");
    }
}

#[test]
fn what_is_sent_comes_back() {
    echoes(&mut loopback());
    // A machine without IPv6 cannot bind it.
    if let Ok(mut lines) = Lines::bind(&["[::1]:0".parse().unwrap()]) {
        assert!(lines.local_addresses()[0].to_string().starts_with("[::1]:"));
        echoes(&mut lines);
    }
    let mut lines = Lines::bind(&["localhost:0".parse().unwrap()]).unwrap();
    echoes(&mut lines);
}

#[test]
fn a_peer_that_has_said_everything_still_hears() {
    let mut lines = loopback();
    let address = lines.local_addresses()[0].to_string();
    let mut peer = TcpStream::connect(address).unwrap();
    let id = opened(&mut lines);
    io::Write::write_all(&mut peer, b"bye").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    until(&mut lines, |lines, event| {
        assert_eq!(event, &LineEvent::Readable(id));
        let (bytes, why) = read_turn(lines, id);
        heard.extend(bytes);
        why
    });
    assert_eq!(heard, b"bye");
    assert_eq!(lines.send(id, &mut b"farewell".to_vec()), SendState::Sent);
    lines.close(id);
    let mut answer = String::new();
    io::Read::read_to_string(&mut peer, &mut answer).unwrap();
    assert_eq!(answer, "farewell");
    assert_eq!(lines.open_lines(), 0);
}

#[test]
fn an_end_is_seen_whether_it_comes_with_the_last_bytes_or_after_them() {
    let mut lines = loopback();
    for comes_with_them in [true, false] {
        let mut stream = Some(connect(&lines));
        let id = opened(&mut lines);
        write_all(stream.as_ref().unwrap(), b"that was all");
        if comes_with_them {
            stream = None;
        }
        let mut said = Vec::new();
        until(&mut lines, |lines, event| {
            assert_eq!(*event, LineEvent::Readable(id));
            let (bytes, why) = read_turn(lines, id);
            said.extend(bytes);
            if said.len() == 12 {
                stream = None;
            }
            why.map(|why| assert_eq!(why, Why::Ended))
        });
        assert_eq!(said, b"that was all");
        lines.close(id);
    }
}

#[test]
fn a_line_that_is_closed_with_unread_bytes_still_delivers_what_was_sent() {
    let mut lines = loopback();
    let stream = connect(&lines);
    let id = opened(&mut lines);
    write_all(&stream, &[1; 5_000]);
    until(&mut lines, |_, event| (event == &LineEvent::Readable(id)).then_some(()));
    assert_eq!(lines.send(id, &mut b"refused".to_vec()), SendState::Sent);
    lines.close(id);
    assert_eq!(read_exact(&stream, 100), b"refused");
}

#[test]
fn a_reset_connection_is_broken() {
    let mut lines = loopback();
    let stream = connect(&lines);
    let id = opened(&mut lines);
    assert_eq!(lines.send(id, &mut b"never read".to_vec()), SendState::Sent);
    // Closing with unread bytes resets the connection.
    assert!(stream.wait_readable(Some(DEADLINE)).unwrap());
    drop(stream);
    let why = until(&mut lines, |lines, event| match event {
        LineEvent::Readable(id) => read_turn(lines, *id).1,
        _ => None,
    });
    assert_eq!(why, Why::Broken(io::ErrorKind::ConnectionReset));
    lines.close(id);
}

#[test]
fn a_slow_reader_is_full_and_the_others_go_on() {
    let mut lines = loopback();
    let slow = connect(&lines);
    let slow_id = opened(&mut lines);
    let fast = connect(&lines);
    let fast_id = opened(&mut lines);
    let mut kept = 0;
    let mut sends = 0;
    loop {
        sends += 1;
        assert!(sends < 10_000, "the kernel takes everything");
        match lines.send(slow_id, &mut vec![7; 32_768]) {
            SendState::Sent => assert_eq!(kept, 0),
            SendState::Kept(count) => {
                assert!(count > kept && count <= BACKLOG_LIMIT);
                kept = count;
            }
            SendState::Full => break,
            SendState::Closed => panic!(),
        }
    }
    assert!(kept > BACKLOG_LIMIT - 32_768);
    assert_eq!(lines.send(fast_id, &mut b"hi".to_vec()), SendState::Sent);
    assert_eq!(read_exact(&fast, 2), b"hi");
    lines.close(slow_id);
    drop(slow);
    assert_eq!(lines.open_lines(), 1);
}

#[test]
fn what_is_kept_goes_out_in_order_when_the_peer_reads() {
    let mut lines = loopback();
    let stream = connect(&lines);
    let id = opened(&mut lines);
    let mut sent = Vec::new();
    let mut number = 0_u32;
    // Until more is kept than half of what may be.
    loop {
        let part: Vec<u8> = (0..4_096).flat_map(|index| (number + index).to_le_bytes()).collect();
        number += 4_096;
        sent.extend_from_slice(&part);
        match lines.send(id, &mut part.clone()) {
            SendState::Kept(count) if count > BACKLOG_LIMIT / 2 => break,
            SendState::Sent | SendState::Kept(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let total = sent.len();
    let reader = thread::spawn(move || {
        let bytes = read_exact(&stream, total);
        write_all(&stream, b"all");
        (stream, bytes)
    });
    let answer = until(&mut lines, |lines, event| match event {
        LineEvent::Readable(id) => Some(read_turn(lines, *id)),
        _ => None,
    });
    assert_eq!(answer, (b"all".to_vec(), None));
    let (stream, bytes) = reader.join().unwrap();
    assert!(bytes == sent, "{} bytes of {total}", bytes.len());
    assert_eq!(lines.send(id, &mut b"next".to_vec()), SendState::Sent, "nothing is kept any more");
    assert_eq!(read_exact(&stream, 4), b"next");
}

/// Each turn gives a line 64 KiB, and the next one does not wait for news.
#[test]
fn a_loud_line_has_its_turn_and_no_more() {
    let mut lines = loopback();
    let stream = connect(&lines);
    let id = opened(&mut lines);
    let writer = thread::spawn(move || {
        write_all(&stream, &vec![1; 40 * READ_LIMIT]);
        stream
    });
    let (mut total, mut most) = (0, 0);
    let mut events = Vec::new();
    let mut was_cut = false;
    while total < 40 * READ_LIMIT {
        let begin = Instant::now();
        lines.poll(Some(DEADLINE), &mut events).unwrap();
        assert!(!was_cut || begin.elapsed() < DEADLINE / 2, "a poll slept on a ready line");
        assert!(events.len() <= 1);
        for event in events.drain(..) {
            assert_eq!(event, LineEvent::Readable(id));
            let count = read_turn(&mut lines, id).0.len();
            was_cut = count == READ_LIMIT;
            (total, most) = (total + count, most.max(count));
        }
    }
    assert_eq!((total, most), (40 * READ_LIMIT, READ_LIMIT));
    drop(writer.join().unwrap());
}

#[test]
fn two_hundred_connections_come_speak_and_go() {
    let mut lines = loopback();
    let mut streams = Vec::new();
    // In groups, since the kernel queues 128 connections that are not accepted yet.
    for group in 0..4 {
        streams.extend((50 * group..50 * (group + 1)).map(|number: u8| (number, connect(&lines))));
        until(&mut lines, |lines, _| (lines.open_lines() == streams.len()).then_some(()));
    }
    for (number, stream) in &streams {
        write_all(stream, &[*number; 100]);
    }
    let mut left = 200 * 100;
    until(&mut lines, |lines, event| {
        left -= echo(lines, event);
        (left == 0).then_some(())
    });
    assert_eq!(lines.open_lines(), 200);
    for (number, stream) in &streams {
        assert_eq!(read_exact(stream, 100), [*number; 100]);
    }
    drop(streams);
    until(&mut lines, |lines, event| {
        echo(lines, event);
        (lines.open_lines() == 0).then_some(())
    });
    // Their slots are used again.
    echoes(&mut lines);
}

#[test]
fn an_old_id_never_reaches_a_new_connection() {
    let mut lines = loopback();
    let first = connect(&lines);
    let old = opened(&mut lines);
    write_all(&first, b"old");
    until(&mut lines, |_, event| (event == &LineEvent::Readable(old)).then_some(()));
    lines.close(old);
    drop(first);
    let second = connect(&lines);
    let new = opened(&mut lines);
    assert_ne!(old, new);
    write_all(&second, b"new");
    assert_eq!(lines.read(old, &mut [0; 10]), ReadState::Closed(Why::Ended));
    assert_eq!(lines.send(old, &mut b"for the old one".to_vec()), SendState::Closed);
    lines.close(old);
    assert_eq!(lines.open_lines(), 1);
    let heard = until(&mut lines, |lines, event| match event {
        LineEvent::Readable(id) => Some((*id, read_turn(lines, *id).0)),
        _ => None,
    });
    assert_eq!(heard, (new, b"new".to_vec()));
    assert_eq!(second.try_read(&mut [0; 10]).unwrap(), None, "nothing was sent to it");
}

#[test]
fn another_thread_wakes_a_poll() {
    let mut lines = loopback();
    let waker = lines.waker();
    let other = thread::spawn(move || waker.wake().unwrap());
    let begin = Instant::now();
    lines.poll(Some(DEADLINE), &mut Vec::new()).unwrap();
    assert!(begin.elapsed() < DEADLINE);
    other.join().unwrap();
    // The wake-up is used up: this one waits.
    let mut events = Vec::new();
    let begin = Instant::now();
    lines.poll(Some(Duration::from_millis(20)), &mut events).unwrap();
    assert!(events.is_empty() && begin.elapsed() >= Duration::from_millis(20));
}

#[test]
fn several_addresses_share_one_poll() {
    let folder = folder("several");
    let unix = Address::Unix(folder.join("s"));
    let mut lines =
        Lines::bind(&["127.0.0.1:0".parse().unwrap(), unix, "127.0.0.1:0".parse().unwrap()])
            .unwrap();
    let addresses = lines.local_addresses();
    let streams: Vec<_> = addresses.iter().map(|at| Stream::connect(at, DEADLINE)).collect();
    let mut peers = Vec::new();
    until(&mut lines, |_, event| {
        if let LineEvent::Opened(_, peer) = event {
            peers.push(peer.clone());
        }
        (peers.len() == 3).then_some(())
    });
    assert!(peers.iter().all(|peer| peer.is_local));
    assert_eq!(peers.iter().filter(|peer| peer.text.starts_with("pid:")).count(), 1);
    drop((streams, lines));
    fs::remove_dir(folder).unwrap();
}

#[test]
fn a_unix_socket_is_its_owners_and_goes_with_the_server() {
    let folder = folder("unix");
    let path = folder.join("daisy.sock");
    let address = Address::Unix(path.clone());
    assert!(matches!(Stream::connect(&address, DEADLINE), Err(NetError::Refused { .. })));
    let mut lines = Lines::bind(std::slice::from_ref(&address)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    echoes(&mut lines);
    let again = Lines::bind(std::slice::from_ref(&address)).unwrap_err();
    let NetError::Bind { error, .. } = again else { panic!("{again}") };
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    drop(lines);
    assert!(!path.exists());

    // What is no socket stays as it is.
    fs::write(&path, "precious").unwrap();
    assert!(Lines::bind(std::slice::from_ref(&address)).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();

    // A socket that a killed server left behind is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    echoes(&mut Lines::bind(&[address]).unwrap());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    fs::remove_dir(folder).unwrap();
}

#[test]
fn a_server_removes_only_its_own_socket_file() {
    let folder = folder("own");
    let path = folder.join("s");
    let lines = Lines::bind(&[Address::Unix(path.clone())]).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "somebody else's").unwrap();
    drop(lines);
    assert!(path.exists());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn of_servers_that_find_one_dead_socket_one_listens() {
    let folder = folder("dead");
    let path = folder.join("s");
    for _ in 0..100 {
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let barrier = Barrier::new(4);
        let bind = || {
            barrier.wait();
            Lines::bind(&[Address::Unix(path.clone())]).ok()
        };
        let servers: Vec<Lines> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(bind)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(servers.len(), 1, "servers listen at one name");
        drop(servers);
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_client_may_wait_for_ever_to_be_let_in() {
    let server = loopback();
    let config = ClientConfig {
        task: "task".to_owned(),
        worker: None,
        security: Security::Clear,
        heartbeat_ms: 1_000,
        pid: 1,
        host: String::new(),
    };
    let ended = Client::connect(ClientOptions {
        config,
        addresses: server.local_addresses(),
        connect_timeout: Duration::MAX,
        refused_timeout: Duration::MAX,
        on_end: Box::new(|_| ()),
        randomness: || Err(io::ErrorKind::Unsupported.into()),
    });
    assert!(matches!(ended, Err(Ended::Thread(_))));
}

#[test]
fn nobody_there_and_no_way_there_are_told_apart() {
    let address = loopback().local_addresses()[0].clone();
    let error = Stream::connect(&address, DEADLINE).unwrap_err();
    assert!(matches!(error, NetError::Refused { .. }), "{error}");
    let too_long = Address::Unix(format!("/{}", "x".repeat(300)).into());
    let error = Stream::connect(&too_long, DEADLINE).unwrap_err();
    assert!(matches!(error, NetError::Unreachable { .. }), "{error}");
    let lines = loopback();
    let error = Stream::connect(&lines.local_addresses()[0], Duration::ZERO).unwrap_err();
    let NetError::Unreachable { error, .. } = error else { panic!("{error}") };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn an_address_in_use_is_named() {
    let lines = loopback();
    let error = Lines::bind(&lines.local_addresses()).unwrap_err();
    assert!(error.to_string().contains(&lines.local_addresses()[0].to_string()), "{error}");
    let many = vec!["127.0.0.1:0".parse().unwrap(); 64];
    assert!(matches!(Lines::bind(&many), Err(NetError::Bind { .. })));
    assert_eq!(Lines::bind(&many[..63]).unwrap().local_addresses().len(), 63);
}

#[test]
fn one_thread_waits_while_another_writes() {
    let mut lines = loopback();
    let stream = connect(&lines);
    let id = opened(&mut lines);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| stream.wait(true, false, Some(DEADLINE)).unwrap());
        write_all(&stream, b"ping");
        until(&mut lines, |lines, event| (echo(lines, event) == 4).then_some(()));
        assert_eq!(waiting.join().unwrap(), Ready { readable: true, writable: false });
    });
    assert_eq!(read_exact(&stream, 4), b"ping");
    assert_eq!(stream.wait(true, false, Some(Duration::ZERO)).unwrap(), Ready::default());
    assert!(stream.wait(true, true, Some(DEADLINE)).unwrap().writable);
    // Ending it wakes whoever waits.
    thread::scope(|scope| {
        let waiting = scope.spawn(|| stream.wait_readable(None).unwrap());
        stream.shutdown().unwrap();
        assert!(waiting.join().unwrap());
    });
    assert_eq!(stream.try_read(&mut [0; 4]).unwrap(), Some(0));
    lines.close(id);
}

/// Runs an ignored test of this file in a process of its own, with its own limits on open files.
fn run_limited(test: &str, soft: u32, hard: u32) {
    let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--test-threads", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn running_out_of_files_pauses_accepting_and_says_so_once() {
    run_limited("driver::inside_out_of_files", 60, 60);
}

#[test]
#[ignore = "needs limits of its own; run by the test above"]
fn inside_out_of_files() {
    let mut lines = loopback();
    let mut streams = Vec::new();
    // Connecting takes a file as well: keep two for accepting, use up the others.
    let mut files = Vec::new();
    streams.extend((0..8).map(|_| connect(&lines)));
    while let Ok(file) = fs::File::open("/dev/null") {
        files.push(file);
    }
    files.truncate(files.len() - 2);
    let mut opened = Vec::new();
    let (mut starved, mut polls) = (0, 0);
    let begin = Instant::now();
    let mut events = Vec::new();
    while begin.elapsed() < Duration::from_millis(350) {
        polls += 1;
        lines.poll(Some(Duration::from_millis(350)), &mut events).unwrap();
        for event in events.drain(..) {
            match event {
                LineEvent::Opened(id, _) => opened.push(id),
                LineEvent::Starved(_) => starved += 1,
                LineEvent::Readable(_) => panic!(),
            }
        }
    }
    assert_eq!((opened.len(), starved), (2, 1));
    assert!(polls < 12, "{polls} polls in 350 ms: it spins");
    drop(files);
    while opened.len() < 8 {
        assert!(begin.elapsed() < DEADLINE);
        lines.poll(Some(DEADLINE), &mut events).unwrap();
        let ids = events.drain(..).filter_map(|event| match event {
            LineEvent::Opened(id, _) => Some(id),
            _ => None,
        });
        opened.extend(ids);
    }
}

#[test]
fn the_limit_on_files_is_raised_as_far_as_it_goes() {
    run_limited("driver::inside_limits", 100, 150);
}

#[test]
#[ignore = "needs limits of its own; run by the test above"]
fn inside_limits() {
    let at = |wanted| raise_file_limit(wanted).map(|limit| (limit.soft, limit.hard));
    assert_eq!(at(50).unwrap(), (100, 150), "never lowered");
    assert_eq!(at(120).unwrap(), (120, 150));
    let error = at(2_000).unwrap_err();
    assert!(matches!(error, NetError::FileLimit { wanted: 2_000, hard: 150 }), "{error}");
    assert_eq!(at(0).unwrap(), (150, 150), "as far as it goes");
}

/// Lines are told apart by their ids in any order.
#[test]
fn ids_are_keys() {
    let mut lines = loopback();
    let streams: Vec<_> = (0..3).map(|_| connect(&lines)).collect();
    let mut names = BTreeMap::new();
    until(&mut lines, |_, event| {
        if let LineEvent::Opened(id, peer) = event {
            assert!(names.insert(*id, peer.text.clone()).is_none());
        }
        (names.len() == 3).then_some(())
    });
    drop(streams);
}
