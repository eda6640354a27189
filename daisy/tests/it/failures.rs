//! Blocks that fail, hang or panic, and what becomes of those that wait for them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use daisy::{BlockError, Ending, RunOptions, RunOutcome};

use crate::support::{Calls, Counter, line, quick};

/// Threads and serial mode.
fn both() -> [RunOptions; 2] {
    [quick(), quick().serial(true)]
}

#[test]
fn a_block_that_fails_twice_comes_through() {
    for options in both() {
        let calls = Calls::default();
        let task = line("t", 20).process(calls.failing(&[3, 7], 2)).build().unwrap();
        let report = options.run(&[task]).unwrap();
        assert!(report.is_success());
        assert_eq!(calls.total(), 24);
        assert_eq!(report.tasks[0].failed_attempts, 4);
        assert!(report.tasks[0].failures.is_empty());
    }
}

#[test]
fn a_block_that_always_fails_orphans_exactly_what_reads_it() {
    for options in both() {
        let calls = Calls::default();
        let task = line("bad", 20).max_retries(1).process(calls.failing(&[3, 4, 9], 99));
        let bad = task.build().unwrap();
        let after = line("after", 20).upstream(&bad).process(|_| ()).build().unwrap();
        let last = line("last", 20).upstream(&after).process(|_| ()).build().unwrap();
        let report = options.run(&[last]).unwrap();
        assert_eq!((report.outcome, report.exit_code()), (RunOutcome::Failed, 1));
        assert_eq!(calls.total(), 23);
        let bad = report.task("bad").unwrap();
        assert_eq!((bad.counts.failed, bad.counts.completed), (3, 17));
        let mut cells: Vec<u64> = bad.failures.iter().map(|failed| failed.block.cell).collect();
        cells.sort_unstable();
        assert_eq!(cells, [3, 4, 9]);
        let first = &bad.failures[0];
        assert_eq!((first.attempts, first.block_id), (2, Some(first.block.cell.into())));
        assert_eq!(first.why, BlockError::Failed("bad block".to_owned()));
        for name in ["after", "last"] {
            let task = report.task(name).unwrap();
            assert_eq!((task.counts.orphaned, task.counts.completed), (3, 17));
            assert_eq!(task.orphans, [3..5, 9..10]);
            assert_eq!(task.ending, Ending::Finished);
        }
        assert!(report.has_all_orphans);
    }
}

#[test]
fn orphans_that_are_not_counted_are_pending() {
    let calls = Calls::default();
    let bad = line("bad", 5).max_retries(0).process(calls.failing(&[0], 9)).build().unwrap();
    let after = line("after", 5).upstream(&bad).process(|_| ()).build().unwrap();
    let report = quick().count_all_orphans(false).run(&[after]).unwrap();
    let counts = report.tasks[1].counts;
    assert_eq!((counts.completed, counts.orphaned, counts.pending), (4, 0, 1));
    assert!(!report.has_all_orphans);
}

#[test]
fn the_first_thousand_failures_have_a_cause_the_rest_are_stretches() {
    let task = line("t", 1_500).max_retries(0).process(|_| Err("no")).build().unwrap();
    let report = quick().run(&[task]).unwrap();
    let task = &report.tasks[0];
    assert_eq!(task.counts.failed, 1_500);
    assert_eq!(task.failures.len(), 1_000);
    let rest: u64 = task.more_failures.iter().map(|cells| cells.end - cells.start).sum();
    assert_eq!(rest, 500);
    assert!(report.to_string().contains("1495 more blocks failed"), "{report}");
}

#[test]
fn a_panic_is_a_failed_attempt_and_nothing_else() {
    for options in both() {
        let task = line("t", 5)
            .max_retries(0)
            .process(|block| assert!(block.key.cell != 2, "block {} is bad", block.key.cell))
            .build()
            .unwrap();
        let report = options.run(&[task]).unwrap();
        let task = &report.tasks[0];
        assert_eq!((task.counts.completed, task.counts.failed), (4, 1));
        assert_eq!(task.failures[0].why, BlockError::Panicked("block 2 is bad".to_owned()));
    }
}

#[test]
fn errors_are_told_with_their_sources() {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no number")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let task = line("t", 1)
        .max_retries(0)
        .process(|_| "x".parse::<i32>().map(|_| ()).map_err(Outer))
        .build()
        .unwrap();
    let report = quick().run(&[task]).unwrap();
    let why = report.tasks[0].failures[0].why.to_string();
    assert_eq!(why, "no number: invalid digit found in string");
}

#[test]
fn too_many_failed_blocks_end_a_task() {
    let calls = Calls::default();
    let (function, counts) = (calls.clone(), calls.clone());
    let task = line("t", 1_000)
        .max_retries(0)
        .max_failed_blocks(3)
        .process(move |block| {
            function.note(block);
            Err::<(), _>("no")
        })
        .build()
        .unwrap();
    let report = quick().serial(true).run(&[task]).unwrap();
    assert_eq!(report.tasks[0].ending, Ending::TooManyFailedBlocks);
    assert_eq!(report.tasks[0].counts.failed, 3);
    assert_eq!(counts.total(), 3);
    assert_eq!(report.outcome, RunOutcome::Failed);
}

#[test]
fn a_block_past_its_time_limit_is_a_failed_attempt_once_it_returns() {
    // The block hangs until the observer has heard that it is overdue: nothing depends on how fast
    // anything is.
    static IS_OVERDUE: AtomicBool = AtomicBool::new(false);
    struct Watch;
    impl daisy::Observer for Watch {
        fn block_settled(&mut self, _: daisy::BlockKey, event: &daisy::BlockEvent) {
            if *event == daisy::BlockEvent::Overdue {
                IS_OVERDUE.store(true, Ordering::SeqCst);
            }
        }
    }
    let calls = Counter::default();
    let counter = calls.clone();
    let task = line("t", 1)
        .timeout(Duration::from_millis(20))
        .max_retries(5)
        .process(move |_| {
            if counter.add() == 0 {
                while !IS_OVERDUE.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
        })
        .build()
        .unwrap();
    let report = quick().observer(Watch).run(&[task]).unwrap();
    assert!(report.is_success());
    let task = &report.tasks[0];
    assert!(task.timeouts >= 1 && task.failed_attempts >= 1);
    assert!(calls.value() >= 2);
}

#[test]
fn what_a_terminal_obeys_does_not_come_with_the_text_of_an_error() {
    let task = line("a", 4)
        .max_retries(0)
        .check(|_| Err::<bool, _>("\u{1b}]0;title\u{7}no check"))
        .process(|block| match block.key.cell {
            0 => Err("\u{1b}[2J\u{1b}[31mred\u{1b}[0m\nand \u{202e}more"),
            1 => panic!("\u{9b}2Jloud"),
            _ => Ok(()),
        })
        .build()
        .unwrap();
    let report = quick().run(&[task]).unwrap();
    let summary = &report.tasks[0];
    let mut why: Vec<String> = summary.failures.iter().map(|one| one.why.to_string()).collect();
    why.sort();
    assert_eq!(why, ["panicked: loud", "red\nand more"]);
    assert_eq!(summary.first_check_error.as_deref(), Some("no check"));
    assert!(!report.to_string().contains('\u{1b}') && !report.to_json().contains("u001b"));
}
