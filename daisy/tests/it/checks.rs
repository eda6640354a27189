//! Check functions, masks, init callbacks.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use daisy::{BlockError, Ending, RunOptions, Verdict};

use crate::support::{Calls, Counter, line, quick, roi};

fn both() -> [RunOptions; 2] {
    [quick(), quick().serial(true)]
}

#[test]
fn blocks_found_done_are_skipped_and_unlock_what_waits_for_them() {
    for (options, workers) in both().into_iter().zip([3, 1]) {
        let calls = Calls::default();
        let first = line("first", 100)
            .num_workers(workers)
            .check(|block| block.key.cell % 3 == 0)
            .process(calls.function())
            .build()
            .unwrap();
        let second = line("second", 100).upstream(&first).process(|_| ()).build().unwrap();
        let report = options.run(&[second]).unwrap();
        assert!(report.is_success());
        assert_eq!(calls.total(), 66);
        let counts = report.tasks[0].counts;
        assert_eq!((counts.skipped, counts.completed), (34, 66));
        assert_eq!(report.tasks[1].counts.completed, 100);
    }
}

#[test]
fn a_single_check_is_asked_before_only() {
    for options in both() {
        let task = line("t", 10).check(|_| false).process(|_| ()).build().unwrap();
        let report = options.run(&[task]).unwrap();
        assert_eq!((report.tasks[0].counts.completed, report.tasks[0].failed_attempts), (10, 0));
    }
}

#[test]
fn a_pair_asks_after_the_block_too() {
    for options in both() {
        let done: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
        let (checked, runs) = (Arc::clone(&done), Calls::default());
        let calls = runs.clone();
        let task = line("t", 10)
            .check_pair(|_| false, move |block| checked.lock().unwrap().contains(&block.key.cell))
            .process(move |block| {
                // Block 4 needs two calls; block 5 is never done.
                let is_done = match block.key.cell {
                    4 => runs.note(block) == 2,
                    5 => runs.note(block) == 99,
                    _ => true,
                };
                if is_done {
                    done.lock().unwrap().insert(block.key.cell);
                }
            })
            .build()
            .unwrap();
        let report = options.run(&[task]).unwrap();
        let task = &report.tasks[0];
        assert_eq!(calls.each(), [2, 3]);
        assert_eq!((task.counts.completed, task.counts.failed), (9, 1));
        assert_eq!((task.failures[0].block.cell, &task.failures[0].why), (5, &BlockError::NotDone));
    }
}

#[test]
fn a_check_that_fails_is_counted_and_the_block_runs() {
    for options in both() {
        let task = line("t", 10)
            .check(|block| if block.key.cell == 1 { Err("disk on fire") } else { Ok(false) })
            .process(|_| ())
            .build()
            .unwrap();
        let report = options.run(&[task]).unwrap();
        let task = &report.tasks[0];
        assert_eq!((task.counts.completed, task.failed_checks), (10, 1));
        assert_eq!(task.first_check_error.as_deref(), Some("disk on fire"));
    }
}

#[test]
fn a_check_after_a_block_that_fails_is_a_failed_attempt() {
    for options in both() {
        let task = line("t", 1)
            .max_retries(1)
            .check_pair(|_| false, |_| -> bool { panic!("no idea") })
            .process(|_| ())
            .build()
            .unwrap();
        let report = options.run(&[task]).unwrap();
        let why = &report.tasks[0].failures[0].why;
        assert_eq!(*why, BlockError::CheckFailed("panicked: no idea".to_owned()));
        assert_eq!(report.tasks[0].failed_attempts, 2);
    }
}

#[test]
fn a_check_that_hangs_costs_its_time_limit_and_no_more() {
    let is_over = Counter::default();
    let over = is_over.clone();
    let task = line("t", 3)
        .check(move |block| {
            while block.key.cell == 0 && over.value() == 0 {
                std::thread::yield_now();
            }
            false
        })
        .process(|_| ())
        .build()
        .unwrap();
    let report = quick().check_timeout(Duration::from_millis(20)).run(&[task]).unwrap();
    is_over.add();
    assert_eq!(report.tasks[0].counts.completed, 3);
    assert!(report.tasks[0].failed_checks >= 1);
}

#[test]
fn masked_regions_are_skipped_as_boxes() {
    for options in both() {
        let (calls, questions) = (Calls::default(), Counter::default());
        let asked = questions.clone();
        let wanted = roi(2_000, 2_100);
        let task = line("t", 1_000)
            .mask(move |roi| {
                asked.add();
                match (wanted.contains(roi).unwrap(), wanted.intersects(roi).unwrap()) {
                    (true, _) => Verdict::None,
                    (_, true) => Verdict::Part,
                    _ => Verdict::All,
                }
            })
            .process(calls.function())
            .build()
            .unwrap();
        let report = options.run(&[task]).unwrap();
        assert!(report.is_success());
        let counts = report.tasks[0].counts;
        assert_eq!((counts.completed, counts.skipped), (10, 990));
        assert_eq!(calls.each(), [1; 10]);
        assert!(questions.value() < 100, "{} questions", questions.value());
    }
}

#[test]
fn a_region_found_done_and_a_mask_add_up() {
    let task = line("t", 16)
        .mask(|roi| half(roi.begin_at(0), roi.end_at(0), 0, 80))
        .check_region(|roi| half(roi.begin_at(0), roi.end_at(0), 120, 160))
        .process(|_| ())
        .build()
        .unwrap();
    let report = quick().run(&[task]).unwrap();
    let counts = report.tasks[0].counts;
    assert_eq!((counts.completed, counts.skipped), (4, 12));
}

/// Everything in [low, high) is to be skipped.
fn half(begin: Option<i64>, end: Option<i64>, low: i64, high: i64) -> Verdict {
    let (begin, end) = (begin.unwrap(), end.unwrap());
    if low <= begin && end <= high {
        Verdict::All
    } else if end <= low || high <= begin {
        Verdict::None
    } else {
        Verdict::Part
    }
}

#[test]
fn a_mask_that_fails_skips_nothing_and_is_told() {
    for options in both() {
        let task =
            line("t", 4).mask(|_| Err::<Verdict, _>("no mask")).process(|_| ()).build().unwrap();
        let report = options.run(&[task]).unwrap();
        let task = &report.tasks[0];
        assert_eq!((task.counts.completed, task.counts.skipped), (4, 0));
        assert_eq!(task.first_check_error.as_deref(), Some("no mask"));
    }
}

#[test]
fn init_is_called_once_before_the_first_block_and_the_first_check() {
    for options in both() {
        let order: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let (init, check, process) = (order.clone(), order.clone(), order.clone());
        let task = line("t", 50)
            .num_workers(4)
            .init(move || init.lock().unwrap().push("init"))
            .check(move |_| {
                check.lock().unwrap().push("check");
                false
            })
            .process(move |_| process.lock().unwrap().push("process"))
            .build()
            .unwrap();
        assert!(options.run(&[task]).unwrap().is_success());
        let order = order.lock().unwrap();
        assert_eq!(order[0], "init");
        assert_eq!(order.iter().filter(|what| **what == "init").count(), 1);
    }
}

#[test]
fn if_init_fails_nothing_of_the_task_runs() {
    for options in both() {
        let calls = Calls::default();
        let bad = line("bad", 5)
            .num_workers(3)
            .init(|| Err("no output folder"))
            .process(calls.function())
            .build()
            .unwrap();
        let other = line("other", 5).process(|_| ()).build().unwrap();
        let report = options.run(&[bad, other]).unwrap();
        assert!(!report.is_success());
        assert_eq!(calls.total(), 0);
        assert_eq!(report.tasks[0].ending, Ending::InitFailed("no output folder".to_owned()));
        assert!(report.tasks[1].counts.is_success());
    }
}
