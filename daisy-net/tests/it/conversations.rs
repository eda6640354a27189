//! Workers and a server talk: who says what, what a broken connection costs, and what nonsense does.

use std::collections::BTreeSet;

use daisy_net::{
    channel::{Channel, ChannelError, Security},
    session::{ClientError, ClientEvent, ClientReason, ClientSession, Fate, OwnEnd},
    switchboard::{CloseReason, LineKey, Switchboard},
    wire::{
        EndReason, Grant, Hello, LayoutFrame, OutcomeItem, RefusalReason, RoiFrame, ToServer,
        ToWorker, Verdict, Welcome,
    },
};
use daisy_sched::{Moment, PutBackReason, Settlement, WorkerId, WorkerKind};

use crate::desk::{KEY, Office};

#[test]
fn a_run_from_hello_to_goodbye() {
    let mut office = Office::new(3, 0);
    let worker = office.join();
    assert_eq!(office.events_of(worker), [ClientEvent::Welcome]);
    let welcome = office.clients[worker].welcome().unwrap();
    let layout = welcome.layout.to_layout().unwrap();
    assert_eq!(layout.total_roi().to_string(), "[0:30] (30)");
    office.want(worker, 2);
    assert_eq!(office.run_block(worker), Some(0));
    assert_eq!(office.run_block(worker), Some(1));
    assert_eq!(office.run_block(worker), None);
    assert_eq!(office.clients[worker].num_unacknowledged(), 2);
    // Outcomes and the next wish travel together.
    office.want(worker, 2);
    assert_eq!(office.clients[worker].num_unacknowledged(), 0);
    assert_eq!(office.run_block(worker), Some(2));
    office.talk();
    assert!(office.is_done);
    assert!(office.events_of(worker).contains(&ClientEvent::Dismissed));
    office.clients[worker].leave();
    office.talk();
    assert_eq!(office.counts().split(',').next(), Some("3 completed"));
}

#[test]
fn outcomes_are_acknowledged_only_when_their_records_are_safe() {
    let mut office = Office::new(3, 0);
    let worker = office.join();
    office.releases = false;
    office.want(worker, 3);
    office.run_block(worker);
    office.talk();
    let first = office.last_turn;
    office.run_block(worker);
    office.talk();
    assert_eq!(office.counts().split(',').next(), Some("2 completed"));
    assert_eq!(office.clients[worker].num_unacknowledged(), 2);
    office.board.release(first);
    office.talk();
    assert_eq!(office.clients[worker].num_unacknowledged(), 1);
    office.board.release(office.last_turn);
    office.talk();
    assert_eq!(office.clients[worker].num_unacknowledged(), 0);
    assert!(!office.board.has_unreleased());
}

#[test]
fn after_a_reconnect_unacknowledged_outcomes_are_sent_again_and_change_nothing() {
    let mut office = Office::new(4, 60_000);
    let worker = office.join();
    office.want(worker, 4);
    office.run_block(worker);
    // The outcome arrives, its acknowledgement does not.
    office.clients_speak();
    office.cut(worker);
    office.run_block(worker);
    assert_eq!(office.clients[worker].num_unacknowledged(), 2);
    office.connect(worker);
    office.talk();
    assert_eq!(office.clients[worker].num_unacknowledged(), 0);
    let completed =
        office.desk.settled.iter().filter(|(_, result)| *result == Settlement::Completed);
    assert_eq!(completed.count(), 2);
    assert_eq!(office.desk.coordinator.num_late(), 1);
    // The blocks that waited are still its own.
    assert_eq!(office.run_block(worker), Some(2));
}

#[test]
fn a_worker_that_lost_its_connection_on_one_side_only_takes_its_place_again() {
    let mut office = Office::new(4, 60_000);
    let worker = office.join();
    office.want(worker, 1);
    // The server has not noticed: for it the old line is open still.
    office.clients[worker].disconnect(office.now);
    let old = office.line(worker);
    office.connect(worker);
    office.talk();
    assert!(office.clients[worker].is_online());
    assert_ne!(office.line(worker), old);
    assert_eq!(office.board.num_workers(), 1);
    // That the old line is closed in the end is nobody's loss.
    office.board.closed(office.now, old, &mut office.desk);
    office.run_block(worker);
    office.talk();
    assert_eq!(office.counts().split(',').next(), Some("1 completed"));
}

#[test]
fn a_recalled_block_comes_back_unless_it_was_begun() {
    let mut office = Office::new(3, 0);
    let slow = office.join();
    office.want(slow, 3);
    let begun = office.clients[slow].begin_block().unwrap();
    let idle = office.join();
    office.want(idle, 1);
    assert_eq!(office.clients[idle].num_waiting(), 0);
    office.pass_ms(4);
    office.talk();
    assert_eq!(office.clients[slow].num_waiting(), 0);
    assert_eq!(office.run_block(idle), Some(1));
    let put_back = Settlement::PutBack(PutBackReason::Returned);
    assert_eq!(
        office.desk.settled[..2],
        [(begun.lease + 1, put_back), (begun.lease + 2, put_back)]
    );
    office.clients[slow].settle(office.now, begun.lease, Verdict::Completed, 9);
    office.talk();
    assert_eq!(office.counts().split(',').next(), Some("2 completed"));
}

#[test]
fn silence_ends_a_worker_and_refused_connections_keep_it() {
    let mut office = Office::new(3, 60_000);
    let worker = office.join();
    let client = &mut office.clients[worker];
    assert_eq!(client.next_deadline(), Some((Moment::from_millis(1_000), ClientReason::Heartbeat)));
    assert_eq!(client.must_end_at(), Some(Moment::from_millis(6_000)));
    client.disconnect(Moment::from_millis(1_500));
    assert_eq!(client.must_end_at(), Some(Moment::from_millis(6_000)), "it may be cut off");
    client.note_refused();
    assert_eq!(client.must_end_at(), Some(Moment::from_millis(61_500)), "there is no server");
    // Without a journal it ends at once.
    let mut office = Office::new(3, 0);
    let worker = office.join();
    office.clients[worker].disconnect(Moment::from_millis(1_500));
    office.clients[worker].note_refused();
    assert_eq!(office.clients[worker].must_end_at(), Some(Moment::from_millis(1_500)));
}

#[test]
fn both_sides_give_signs_of_life() {
    let mut office = Office::new(3, 0);
    let worker = office.join();
    for _ in 0..20 {
        office.pass_ms(1_000);
        office.clients[worker].beat(office.now, 1_234, 0);
        office.talk();
        let end = office.clients[worker].must_end_at().unwrap();
        assert!(end.since(office.now).as_millis() >= 4_000);
    }
    assert_eq!(office.board.num_workers(), 1);
    assert_eq!(office.desk.memory_kb.values().next(), Some(&1_234));
}

#[test]
fn a_worker_that_is_silent_is_given_up_and_told_so_if_it_hears() {
    let mut office = Office::new(3, 0);
    let worker = office.join();
    office.want(worker, 1);
    office.clients[worker].begin_block().unwrap();
    office.events.clear();
    office.pass_ms(8_000);
    office.server_speaks();
    assert_eq!(office.clients[worker].look_after(office.now), Fate::MustEnd);
    assert_eq!(office.events_of(worker), [ClientEvent::End(EndReason::GivenUp)]);
    assert_eq!(office.closed, [(worker, CloseReason::GivenUp)]);
    // It comes back with a block that is not its own any more.
    office.connect(worker);
    office.talk();
    assert_eq!(office.events_of(worker), [ClientEvent::End(EndReason::Unknown)]);
}

#[test]
fn a_worker_that_is_at_work_on_nothing_joins_again_as_another() {
    let mut office = Office::new(3, 0);
    let worker = office.join();
    // A block that waits is not begun.
    office.want(worker, 1);
    office.events.clear();
    let before = office.worker_of(worker);
    office.pass_ms(8_000);
    office.server_speaks();
    assert_eq!(office.events_of(worker), [ClientEvent::Stale], "it has to connect again");
    assert_eq!(office.clients[worker].look_after(office.now), Fate::Rejoin);
    office.connect(worker);
    office.talk();
    assert_eq!(office.events_of(worker), [ClientEvent::Welcome]);
    assert_ne!(office.worker_of(worker), before);
    for block in [0, 1, 2] {
        office.want(worker, 1);
        assert_eq!(office.run_block(worker), Some(block));
        office.talk();
    }
    assert!(office.is_done);
}

#[test]
fn silence_ends_nobody_who_is_at_work_on_nothing() {
    let mut office = Office::new(3, 0);
    let worker = office.join();
    let client = &mut office.clients[worker];
    let at = Moment::from_millis;
    assert_eq!(client.look_after(at(5_999)), Fate::GoOn);
    assert_eq!(client.look_after(at(6_000)), Fate::Rejoin);
    client.disconnect(at(6_000));
    assert_eq!(client.look_after(at(11_999)), Fate::GoOn);
    assert_eq!(client.look_after(at(12_000)), Fate::Rejoin);
    // It does not outlive its run for ever.
    assert_eq!(client.look_after(at(66_000)), Fate::Gone);
    // A server that is known to be dead is not looked for in a run without a journal.
    let mut office = Office::new(3, 0);
    let worker = office.join();
    office.clients[worker].disconnect(at(1_000));
    office.clients[worker].note_refused();
    assert_eq!(office.clients[worker].look_after(at(1_000)), Fate::Gone);
}

#[test]
fn blocks_that_wait_with_a_worker_that_does_something_else_are_given_back() {
    let mut office = Office::new(3, 0);
    let worker = office.join();
    office.want(worker, 3);
    assert_eq!(office.run_block(worker), Some(0));
    office.talk();
    let client = &mut office.clients[worker];
    assert_eq!((client.num_waiting(), client.num_begun()), (2, 0));
    let at = office.now.after_ms(ClientSession::REST_MS);
    assert_eq!(client.next_deadline(), Some((at, ClientReason::GiveBack)));
    client.handle_timeout(at, || (0, 0));
    assert_eq!((client.num_waiting(), client.num_unacknowledged()), (0, 2));
    office.talk();
    // Another one has something to do, and none has lost an attempt.
    let other = office.join();
    for block in [1, 2] {
        office.want(other, 1);
        assert_eq!(office.run_block(other), Some(block));
        office.talk();
    }
    assert!(office.is_done);
}

#[test]
fn outcomes_of_a_worker_that_was_given_up_are_not_said_by_another() {
    let mut office = Office::new(3, 0);
    let worker = office.join();
    office.want(worker, 1);
    let lease = office.clients[worker].begin_block().unwrap().lease;
    office.clients[worker].settle(office.now, lease, Verdict::Completed, 1);
    office.cut(worker);
    office.pass_ms(8_000);
    office.connect(worker);
    office.talk();
    assert_eq!(office.clients[worker].num_unacknowledged(), 0);
    // The block whose worker vanished is tried again after a pause.
    for _ in 0..2 {
        office.want(worker, 3);
        while office.run_block(worker).is_some() {
            office.talk();
        }
        office.pass_ms(1_000);
        office.talk();
    }
    assert!(office.is_done);
    let completed = office.desk.settled.iter().filter(|(_, how)| *how == Settlement::Completed);
    assert_eq!(completed.count(), 3);
}

#[test]
fn each_client_by_one_context_is_a_worker_of_its_own() {
    let mut office = Office::with_workers(8, 0, 1);
    office.server_speaks();
    let clients: Vec<usize> = (0..4).map(|_| office.join_as(WorkerId(0), 77)).collect();
    let workers: BTreeSet<WorkerId> =
        clients.iter().map(|&client| office.worker_of(client)).collect();
    assert_eq!(workers.len(), 4);
    assert!(office.closed.is_empty(), "none takes the place of another");
    let kind = |office: &Office, client| office.desk.coordinator.kind_of(office.worker_of(client));
    let local = Some(WorkerKind::LocalProcess { heartbeats: true });
    assert!(clients.iter().all(|&client| kind(&office, client) == local));
    let mut leases = BTreeSet::new();
    for &client in &clients {
        office.want(client, 1);
        leases.insert(office.clients[client].begin_block().unwrap().cell);
    }
    assert_eq!(leases.len(), 4, "each has a block that no other has");
    // One whose connection breaks is back with its secret, as the same.
    let before = office.worker_of(clients[2]);
    office.cut(clients[2]);
    office.connect(clients[2]);
    office.talk();
    assert_eq!(office.worker_of(clients[2]), before);
}

#[test]
fn whoever_comes_through_a_launcher_is_elsewhere() {
    let mut office = Office::with_workers(8, 0, 1);
    office.server_speaks();
    // Child 77 is `srun`, and these are two of the processes that it started, by its context.
    let (first, second) = (office.join_as(WorkerId(0), 1_001), office.join_as(WorkerId(0), 1_002));
    let remote = Some(WorkerKind::Remote { heartbeats: true });
    assert_eq!(office.worker_of(first), WorkerId(0), "it is the worker that was asked for");
    assert_ne!(office.worker_of(second), WorkerId(0));
    for client in [first, second] {
        assert_eq!(office.desk.coordinator.kind_of(office.worker_of(client)), remote);
    }
}

#[test]
fn whoever_has_the_wrong_key_is_nobody() {
    let mut office = Office::new(3, 0);
    let stranger = office.add_client("double", Security::Key([1; 32]));
    office.connect(stranger);
    office.talk();
    assert_eq!(office.closed, [(stranger, CloseReason::Channel(ChannelError::WrongKey))]);
    assert_eq!(office.board.num_workers(), 0);
}

#[test]
fn an_unknown_task_is_refused_with_its_name() {
    let mut office = Office::new(3, 0);
    let lost = office.add_client("triple", Security::Key(KEY));
    office.connect(lost);
    office.talk();
    let [ClientEvent::Refused(RefusalReason::UnknownTask, text)] = &office.events_of(lost)[..]
    else {
        panic!("not refused");
    };
    assert!(text.contains("'triple'"));
}

/// An outcome of that number.
fn outcome(first: u64, lease: u64) -> ToServer {
    let item = OutcomeItem { lease, verdict: Verdict::Completed, micros: u64::MAX };
    ToServer::Outcomes { first, items: vec![item] }
}

#[test]
fn each_breach_ends_its_line_with_its_reason() {
    let breaches: [(&[ToServer], CloseReason); 4] = [
        (
            &[ToServer::Want { blocks: 4_096 }, ToServer::Want { blocks: u32::MAX }],
            CloseReason::Greedy,
        ),
        (&[outcome(1, 0)], CloseReason::Gap),
        (&[outcome(0, 1 << 50)], CloseReason::Nonsense),
        (&[ToServer::Hello(Hello::default())], CloseReason::OutOfOrder),
    ];
    for (messages, reason) in breaches {
        let mut office = Office::new(100, 0);
        let good = office.join();
        office.want(good, 1);
        let bad = office.add_client("double", Security::Key(KEY));
        office.connect(bad);
        assert_eq!(office.forge(bad, messages), Some(RefusalReason::Malformed), "{reason}");
        assert_eq!(office.closed, [(bad, reason)]);
        office.closed.clear();
        assert_eq!(office.run_block(good), Some(0));
        office.talk();
        assert!(office.closed.iter().all(|&(client, _)| client == bad), "the other goes on");
    }
}

/// What a client without a session comes to that says so much in its first turn, and in its second.
fn said_by_hand(first: &[u8], second: &[u8]) -> (Office, Vec<ToWorker>, Vec<CloseReason>) {
    let mut office = Office::new(3, 0);
    let line = LineKey(99 << 32 | 99);
    office.board.open(office.now, line, String::new(), [1; 32]);
    let mut channel = Channel::client(Security::Key(KEY), [2; 32]);
    channel.put().extend_from_slice(first);
    let (mut heard, mut closed) = (Vec::new(), Vec::new());
    for turn in 0..3 {
        if turn == 2 {
            channel.put().extend_from_slice(second);
        }
        let mut bytes = Vec::new();
        channel.flush(&mut bytes).unwrap();
        office.board.receive(office.now, line, &bytes, &mut office.desk);
        let mut answer = Vec::new();
        office.board.flush(|_, bytes, closing| {
            answer.append(bytes);
            closed.extend(closing);
        });
        let hear = |kind, payload: &[u8]| {
            heard.push(ToWorker::decode(kind, payload).unwrap());
            Ok::<(), ChannelError>(())
        };
        channel.receive(&answer, hear).unwrap();
    }
    (office, heard, closed)
}

fn encoded(message: &ToServer) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode_into(&mut bytes).unwrap();
    bytes
}

fn hello() -> Vec<u8> {
    encoded(&ToServer::Hello(Hello { task: "double".into(), ..Hello::default() }))
}

#[test]
fn a_message_that_is_none_is_said_to_be_so() {
    for bytes in [&[99, 0][..], &[73, 0], &[2, 200], &[4, 1]] {
        let (_, heard, closed) = said_by_hand(&hello(), bytes);
        let [ToWorker::Welcome(_), ToWorker::Refused { reason, .. }] = &heard[..] else {
            panic!("{heard:?}");
        };
        assert_eq!(*reason, RefusalReason::Malformed);
        assert!(matches!(closed[..], [CloseReason::Message(_)]), "{closed:?}");
    }
}

#[test]
fn a_line_that_its_worker_has_left_is_closed_after_a_while() {
    let (mut office, _, closed) = said_by_hand(&hello(), &encoded(&ToServer::Leave).repeat(2));
    assert_eq!(closed, []);
    let mut closed = Vec::new();
    for (ms, reasons) in [(Switchboard::HELLO_MS - 1, &[][..]), (1_001, &[CloseReason::Left])] {
        office.now = office.now.after_ms(ms);
        assert!(office.board.next_deadline().is_some());
        office.board.handle_timeout(office.now);
        office.board.flush(|_, bytes, closing| {
            bytes.clear();
            closed.extend(closing);
        });
        assert_eq!(closed, reasons);
    }
}

#[test]
fn nothing_is_heard_before_the_welcome_has_left() {
    let mut office = Office::new(3, 0);
    let line = LineKey(99 << 32 | 99);
    office.board.open(office.now, line, String::new(), [1; 32]);
    let mut channel = Channel::client(Security::Key(KEY), [2; 32]);
    let hello = Hello { task: "double".into(), ..Hello::default() };
    ToServer::Hello(hello).encode_into(channel.put()).unwrap();
    let mut bytes = Vec::new();
    channel.flush(&mut bytes).unwrap();
    office.board.receive(office.now, line, &bytes, &mut office.desk);
    let mut answer = Vec::new();
    office.board.flush(|_, bytes, _| answer.append(bytes));
    channel.receive(&answer, |_, _| Ok::<(), ChannelError>(())).unwrap();
    bytes.clear();
    channel.flush(&mut bytes).unwrap();
    ToServer::Want { blocks: 1 }.encode_into(channel.put()).unwrap();
    channel.flush(&mut bytes).unwrap();
    office.board.receive(office.now, line, &bytes, &mut office.desk);
    let mut closed = Vec::new();
    office.board.flush(|_, bytes, closing| {
        bytes.clear();
        closed.extend(closing);
    });
    assert_eq!(closed, [CloseReason::OutOfOrder]);
}

#[test]
fn whoever_comes_to_a_task_that_is_over_is_told_so() {
    let mut office = Office::new(1, 0);
    let worker = office.join();
    office.want(worker, 1);
    assert_eq!(office.run_block(worker), Some(0));
    office.talk();
    let late = office.join();
    let [ClientEvent::Refused(RefusalReason::Ended, _)] = &office.events_of(late)[..] else {
        panic!("not refused");
    };
}

#[test]
fn nonsense_ends_the_line_of_whoever_says_it_and_nothing_else() {
    let mut office = Office::new(9, 0);
    let (good, bad) = (office.join(), office.join());
    office.want(good, 1);
    office.want(bad, 1);
    // An outcome of somebody else's lease.
    let theirs = office.clients[good].begin_block().unwrap().lease;
    let own = office.clients[bad].begin_block().unwrap().lease;
    let config_of = |office: &mut Office| office.add_client("double", Security::Key(KEY));
    let forger = config_of(&mut office);
    office.connect(forger);
    office.talk();
    office.clients[bad].settle(office.now, own, Verdict::Completed, 1);
    office.talk();
    assert_eq!(office.board.num_workers(), 3);
    let refusal = office.forge(forger, &[outcome(0, theirs)]);
    assert_eq!(refusal, Some(RefusalReason::Malformed), "it is told why");
    assert_eq!(office.closed, [(forger, CloseReason::Nonsense)]);
    assert_eq!(office.counts().split(',').next(), Some("1 completed"));
    office.clients[good].settle(office.now, theirs, Verdict::Completed, 1);
    office.talk();
    assert_eq!(office.counts().split(',').next(), Some("2 completed"));
}

#[test]
fn where_few_files_can_be_open_strangers_have_a_small_share() {
    let mut office = Office::new(3, 0);
    office.board = Switchboard::new(office.board.config().clone()).with_max_strangers(3);
    let worker = office.join();
    let lines: Vec<LineKey> = (100..105).map(|place| LineKey(1 << 40 | place)).collect();
    for &line in &lines {
        office.board.open(office.now, line, String::new(), [3; 32]);
    }
    let mut closed = Vec::new();
    office.board.flush(|line, _, closing| closed.push((line, closing)));
    let crowded = |line: &LineKey| (*line, Some(CloseReason::Crowded));
    assert_eq!(closed, lines[..2].iter().map(crowded).collect::<Vec<_>>(), "the oldest");
    office.want(worker, 1);
    assert_eq!(office.run_block(worker), Some(0));
}

#[test]
fn strangers_are_bounded_in_number_and_time() {
    let mut office = Office::new(3, 0);
    let worker = office.join();
    for place in 0..Switchboard::MAX_STRANGERS as u64 + 5 {
        let line = LineKey(1 << 40 | (100 + place));
        office.board.open(office.now, line, String::new(), [3; 32]);
    }
    let mut closed = Vec::new();
    office.board.flush(|line, _, closing| closed.push((line, closing)));
    assert_eq!(closed.len(), 5);
    assert!(closed.iter().all(|(_, closing)| *closing == Some(CloseReason::Crowded)));
    for (line, _) in closed {
        office.board.closed(office.now, line, &mut office.desk);
    }
    for _ in 0..11 {
        office.pass_ms(1_000);
        office.clients[worker].beat(office.now, 0, 0);
        office.clients_speak();
    }
    let mut timed_out = 0;
    office
        .board
        .flush(|_, _, closing| timed_out += usize::from(closing == Some(CloseReason::NoHello)));
    assert_eq!(timed_out, Switchboard::MAX_STRANGERS);
    assert_eq!(office.board.num_workers(), 1);
}

#[test]
fn a_question_about_a_lease_is_answered() {
    let mut office = Office::new(2, 0);
    let worker = office.join();
    office.want(worker, 1);
    let lease = office.clients[worker].begin_block().unwrap().lease;
    office.events.clear();
    assert!(office.clients[worker].ask(lease) && office.clients[worker].ask(lease + 1));
    office.talk();
    let answer = |lease, is_open| ClientEvent::Answer { lease, is_open };
    assert_eq!(office.events_of(worker), [answer(lease, true), answer(lease + 1, false)]);
}

/// A worker in the clear, and a server that says what the test wants.
fn puppet() -> (ClientSession, Channel) {
    let mut office = Office::new(3, 0);
    let place = office.add_client("double", Security::Clear);
    let mut client = office.clients.swap_remove(place);
    client.connect(Moment::ZERO, OwnEnd::default(), [1; 32]).unwrap();
    let mut server = Channel::server(Security::Clear, [2; 32]);
    let mut bytes = Vec::new();
    client.flush(true, &mut bytes).unwrap();
    server.receive(&bytes, |_, _| Ok::<(), ChannelError>(())).unwrap();
    (client, server)
}

fn tell(
    (client, server): &mut (ClientSession, Channel),
    message: &ToWorker,
) -> Result<(), ClientError> {
    message.encode_into(server.put()).unwrap();
    let mut bytes = Vec::new();
    server.flush(&mut bytes).unwrap();
    client.receive(Moment::ZERO, &bytes)
}

fn hearty_welcome(max_ahead: u32) -> ToWorker {
    let roi = |end: i64| RoiFrame { begin: vec![0], shape: vec![end] };
    let layout = LayoutFrame { total: roi(100), read: roi(10), write: roi(10), fit: 0 };
    ToWorker::Welcome(Welcome { max_ahead, layout, ..Welcome::default() })
}

#[test]
fn a_second_welcome_is_out_of_order() {
    let mut puppet = puppet();
    tell(&mut puppet, &hearty_welcome(4)).unwrap();
    assert_eq!(tell(&mut puppet, &hearty_welcome(4)), Err(ClientError::OutOfOrder));
}

#[test]
fn a_welcome_that_comes_too_late_is_not_relied_on() {
    let mut office = Office::new(3, 60_000);
    let client = office.add_client("double", Security::Key(KEY));
    office.connect(client);
    office.clients_speak();
    office.server_speaks();
    // The hello waits, since the server has something else to do.
    let hello = office.speech_of(client);
    office.pass_ms(7_000);
    office.hear(client, &hello);
    office.server_speaks();
    assert_eq!(office.events_of(client), [ClientEvent::Stale]);
    assert!(!office.clients[client].is_online());
    office.cut(client);
    office.connect(client);
    office.talk();
    assert_eq!(office.events_of(client), [ClientEvent::Welcome]);
    office.want(client, 1);
    assert_eq!(office.run_block(client), Some(0));
}

#[test]
fn a_server_cannot_make_a_worker_take_more_than_it_asked_for() {
    let mut puppet = puppet();
    tell(&mut puppet, &hearty_welcome(u32::MAX)).unwrap();
    puppet.0.want(Some(u32::MAX));
    let grants = |leases: std::ops::Range<u64>| {
        let grant = |lease| Grant { lease, cell: 0, attempt: 1 };
        ToWorker::Grants { items: leases.map(grant).collect() }
    };
    tell(&mut puppet, &grants(1..257)).unwrap();
    assert_eq!(puppet.0.num_waiting(), 256);
    assert_eq!(tell(&mut puppet, &grants(257..258)), Err(ClientError::Unasked));
}

#[test]
fn blocks_whose_grant_was_lost_with_the_connection_are_granted_again() {
    let mut office = Office::new(4, 60_000);
    let worker = office.join();
    office.want(worker, 2);
    // More blocks are granted, but the line breaks before they arrive.
    office.run_block(worker);
    office.clients[worker].want(Some(3));
    office.clients_speak();
    office.cut(worker);
    assert_eq!(office.clients[worker].num_waiting(), 1);
    office.connect(worker);
    office.talk();
    let mut cells = Vec::new();
    while let Some(cell) = office.run_block(worker) {
        cells.push(cell);
    }
    assert_eq!(cells, [1, 2, 3]);
    office.talk();
    assert!(office.is_done, "{}", office.counts());
}
