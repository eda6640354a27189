//! Messages that the wire tests share: one of each kind at least, and all of them at random.

use daisy_net::wire::{
    EndReason, Grant, Hello, LayoutFrame, OutcomeItem, RefusalReason, RoiFrame, ToServer, ToWorker,
    Verdict, Welcome,
};
use proptest::{collection::vec, option, prelude::*};

/// A worker's messages by the name of their golden file.
pub(crate) fn to_server() -> Vec<(&'static str, ToServer)> {
    let hello = Hello {
        task: "segment".into(),
        worker: None,
        secret: None,
        held: 0,
        heartbeat_ms: 2_000,
        pid: 4_711,
        host: "node7".into(),
    };
    let back = Hello { worker: Some(3), secret: Some([0xa5; 16]), held: 2, ..hello.clone() };
    let item = |lease, verdict, micros| OutcomeItem { lease, verdict, micros };
    let failed = |panicked, text: &str| Verdict::Failed { panicked, text: text.into() };
    let items = vec![
        item(1_000, Verdict::Completed, 127),
        item(1_001, failed(false, "no such chunk: größer"), 1_500),
        item(999, failed(true, ""), 0),
        item(u64::MAX, Verdict::Returned, u64::MAX),
    ];
    vec![
        ("hello", ToServer::Hello(hello)),
        ("hello_back", ToServer::Hello(back)),
        ("want", ToServer::Want { blocks: 300 }),
        ("outcomes", ToServer::Outcomes { first: 41, items }),
        ("heartbeat", ToServer::Heartbeat { clock: 1_500_000, peak_memory_kb: 123_456, cpu_ms: 0 }),
        ("ask", ToServer::Ask { lease: 1_001 }),
        ("leave", ToServer::Leave),
    ]
}

/// The server's messages by the name of their golden file.
pub(crate) fn to_worker() -> Vec<(&'static str, ToWorker)> {
    let grant = |lease, cell, attempt| Grant { lease, cell, attempt };
    let grants = vec![grant(1_000, 7, 1), grant(1_001, 8, 1), grant(999, 0, 2)];
    let end = |reason| ToWorker::End { reason };
    let refused = |reason, text: &str| ToWorker::Refused { reason, text: text.into() };
    vec![
        ("welcome", ToWorker::Welcome(welcome())),
        ("grants", ToWorker::Grants { items: grants }),
        ("ack", ToWorker::Ack { through: 44 }),
        ("recall", ToWorker::Recall { leases: vec![1_001, 999] }),
        ("heartbeat_back", ToWorker::Heartbeat { heard: 1_500_000 }),
        ("answer", ToWorker::Answer { lease: 1_001, is_open: true }),
        ("dismiss", ToWorker::Dismiss),
        ("end_timed_out", end(EndReason::TimedOut)),
        ("end_revoked", end(EndReason::Revoked)),
        ("end_drained", end(EndReason::Drained)),
        ("end_given_up", end(EndReason::GivenUp)),
        ("end_unknown", end(EndReason::Unknown)),
        ("refused_unknown_task", refused(RefusalReason::UnknownTask, "no task \"segmant\"")),
        ("refused_unknown_worker", refused(RefusalReason::UnknownWorker, "")),
        ("refused_full", refused(RefusalReason::Full, "2000 workers")),
        ("refused_ended", refused(RefusalReason::Ended, "")),
        ("refused_malformed", refused(RefusalReason::Malformed, "kind 9")),
    ]
}

/// Total [-5, 23) x [0, 10), read 12 x 10, write 7 x 5: context 5 | 0 on the first axis, none on the second.
pub(crate) fn welcome() -> Welcome {
    let roi =
        |begin: [i64; 2], shape: [i64; 2]| RoiFrame { begin: begin.into(), shape: shape.into() };
    Welcome {
        worker: 3,
        secret: [0xa5; 16],
        task: 1,
        heartbeat_ms: 2_000,
        silence_ms: 6_000,
        reconnect_ms: 60_000,
        timeout_ms: 0,
        max_ahead: 64,
        seen_as: "10.0.0.7:40123".into(),
        layout: LayoutFrame {
            total: roi([-5, 0], [28, 10]),
            read: roi([-5, 0], [12, 5]),
            write: roi([0, 0], [7, 5]),
            fit: 2,
        },
    }
}

pub(crate) fn any_grant() -> impl Strategy<Value = Grant> {
    (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(lease, cell, attempt)| Grant {
        lease,
        cell,
        attempt,
    })
}

pub(crate) fn any_item() -> impl Strategy<Value = OutcomeItem> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Completed),
        1 => (any::<bool>(), ".{0,40}").prop_map(|(panicked, text)| Verdict::Failed { panicked, text }),
        1 => Just(Verdict::Returned),
    ];
    (any::<u64>(), verdict, any::<u64>()).prop_map(|(lease, verdict, micros)| OutcomeItem {
        lease,
        verdict,
        micros,
    })
}

fn any_hello() -> impl Strategy<Value = Hello> {
    let who = (".{0,40}", option::of(any::<u64>()), option::of(any::<[u8; 16]>()));
    (who, any::<[u32; 3]>(), ".{0,40}").prop_map(|((task, worker, secret), numbers, host)| {
        let [held, heartbeat_ms, pid] = numbers;
        Hello { task, worker, secret, held, heartbeat_ms, pid, host }
    })
}

fn any_roi(axes: usize) -> impl Strategy<Value = RoiFrame> {
    (vec(any::<i64>(), axes), vec(any::<i64>(), axes))
        .prop_map(|(begin, shape)| RoiFrame { begin, shape })
}

fn any_welcome() -> impl Strategy<Value = Welcome> {
    let layout = (1_usize..=16).prop_flat_map(|axes| {
        (any_roi(axes), any_roi(axes), any_roi(axes), 0_u8..=2)
            .prop_map(|(total, read, write, fit)| LayoutFrame { total, read, write, fit })
    });
    let longs = any::<[u64; 5]>();
    (longs, any::<[u8; 16]>(), any::<[u32; 2]>(), "[a-z0-9:.]{0,64}", layout).prop_map(
        |(longs, secret, ints, seen_as, layout)| {
            let [worker, heartbeat_ms, silence_ms, reconnect_ms, timeout_ms] = longs;
            let [task, max_ahead] = ints;
            Welcome {
                worker,
                secret,
                task,
                heartbeat_ms,
                silence_ms,
                reconnect_ms,
                timeout_ms,
                max_ahead,
                seen_as,
                layout,
            }
        },
    )
}

/// Any message of a worker that is one frame.
pub(crate) fn any_to_server() -> impl Strategy<Value = ToServer> {
    prop_oneof![
        any_hello().prop_map(ToServer::Hello),
        any::<u32>().prop_map(|blocks| ToServer::Want { blocks }),
        (0..=u64::MAX / 2, vec(any_item(), 1..20))
            .prop_map(|(first, items)| ToServer::Outcomes { first, items }),
        any::<[u64; 3]>().prop_map(|[clock, peak_memory_kb, cpu_ms]| ToServer::Heartbeat {
            clock,
            peak_memory_kb,
            cpu_ms
        }),
        any::<u64>().prop_map(|lease| ToServer::Ask { lease }),
        Just(ToServer::Leave),
    ]
}

/// Any message of the server that is one frame.
pub(crate) fn any_to_worker() -> impl Strategy<Value = ToWorker> {
    prop_oneof![
        any_welcome().prop_map(ToWorker::Welcome),
        vec(any_grant(), 1..50).prop_map(|items| ToWorker::Grants { items }),
        any::<u64>().prop_map(|through| ToWorker::Ack { through }),
        any::<u64>().prop_map(|heard| ToWorker::Heartbeat { heard }),
        vec(any::<u64>(), 1..50).prop_map(|leases| ToWorker::Recall { leases }),
        (any::<u64>(), any::<bool>())
            .prop_map(|(lease, is_open)| ToWorker::Answer { lease, is_open }),
        (0..to_worker().len()).prop_map(|index| to_worker().swap_remove(index).1),
    ]
}
