//! What can be chosen for a run, observers, the report.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use daisy::{
    BlockEvent, BlockKey, CoordinatorError, Counts, Error, ObservedTask, Observer, Order,
    RunOptions, RunOutcome, StopHandle,
};

use crate::support::{Calls, Counter, Log, line, quick, roi};

#[test]
fn only_what_is_requested_and_what_it_needs_runs() {
    for serial in [false, true] {
        let (up_calls, calls) = (Calls::default(), Calls::default());
        let up = line("up", 100).process(up_calls.function()).build().unwrap();
        let task = line("t", 100).upstream(&up).process(calls.function()).build().unwrap();
        let options =
            quick().serial(serial).request(&task, roi(15, 31)).request(&task, roi(500, 510));
        let report = options.run(std::slice::from_ref(&task)).unwrap();
        assert!(report.is_success());
        assert_eq!((calls.total(), up_calls.total()), (4, 4));
        assert_eq!(report.tasks[0].counts.total, 4);
    }
}

#[test]
fn a_request_for_a_task_outside_the_run_is_an_error() {
    let task = line("t", 1).process(|_| ()).build().unwrap();
    let stranger = line("stranger", 1).process(|_| ()).build().unwrap();
    let error = quick().request(&stranger, roi(0, 1)).run(&[task]).unwrap_err();
    assert!(matches!(&error, Error::RequestedTask { task } if task == "stranger"));
}

#[test]
fn options_that_make_no_sense_are_errors() {
    let swapped = RunOptions::new().backoff(Duration::from_secs(2), Duration::from_secs(1));
    assert!(matches!(swapped.run(&[]), Err(Error::BadDuration { option: "backoff", .. })));
    let none = RunOptions::new().check_timeout(Duration::ZERO);
    assert!(matches!(none.run(&[]), Err(Error::BadDuration { option: "check_timeout", .. })));
}

#[test]
fn a_handle_stops_all_its_runs_those_too_that_begin_later() {
    for serial in [false, true] {
        let (stop, enough, calls) = (StopHandle::new(), StopHandle::new(), Calls::default());
        let (stops, count) = (stop.clone(), calls.function());
        let task = line("t", 1_000_000).process(move |block| {
            stops.stop();
            count(block)
        });
        let task = [task.build().unwrap()];
        let run = |stop: &StopHandle| quick().serial(serial).stop_handle(stop).run(&task).unwrap();
        let report = run(&stop);
        assert_eq!(report.outcome, RunOutcome::Interrupted);
        let counts = report.tasks[0].counts;
        assert_eq!((counts.completed, counts.processing), (calls.total() as u64, 0));
        assert!((1..1_000_000).contains(&counts.completed));
        assert!(stop.is_stopped() && !enough.is_stopped());
        enough.stop();
        assert_eq!(run(&enough).outcome, RunOutcome::Interrupted);
        assert_eq!(calls.total() as u64, counts.completed, "nothing was begun");
    }
}

#[test]
fn a_resource_bounds_how_many_blocks_run_at_once() {
    let running = Arc::new(Mutex::new((0_u32, 0_u32)));
    let inside = Arc::clone(&running);
    let task = line("t", 60)
        .num_workers(6)
        .resource("licence", 1)
        .process(move |_| {
            {
                let mut running = inside.lock().unwrap();
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            std::thread::yield_now();
            inside.lock().unwrap().0 -= 1;
        })
        .build()
        .unwrap();
    assert!(quick().resource("licence", 2).run(std::slice::from_ref(&task)).unwrap().is_success());
    assert!(running.lock().unwrap().1 <= 2);

    let unknown = quick().run(std::slice::from_ref(&task)).unwrap_err();
    assert!(matches!(unknown, Error::Coordinator(CoordinatorError::UnknownResource { .. })));
    let too_few = quick().resource("licence", 0).run(&[task]).unwrap_err();
    assert!(matches!(too_few, Error::Coordinator(CoordinatorError::NeedTooLarge { .. })));
}

#[test]
fn order_and_mode_change_nothing_in_the_counts() {
    let mut reports = Vec::new();
    for order in [Order::Sweep, Order::Level, Order::Morton] {
        for serial in [false, true] {
            let calls = Calls::default();
            let bad = line("bad", 40).max_retries(1).process(calls.failing(&[5, 30], 99));
            let bad = bad.build().unwrap();
            let after = line("after", 40).upstream(&bad).num_workers(2).process(|_| ());
            let report =
                quick().order(order).serial(serial).run(&[after.build().unwrap()]).unwrap();
            reports.push(report.tasks.iter().map(|task| task.counts).collect::<Vec<_>>());
        }
    }
    assert!(reports.iter().all(|counts| *counts == reports[0]), "{reports:?}");
}

#[test]
fn observers_are_told_everything_in_order() {
    for serial in [false, true] {
        let (log, calls) = (Log::default(), Calls::default());
        let task = line("t", 1).process(calls.failing(&[0], 1)).build().unwrap();
        quick().serial(serial).observer(log.clone()).run(&[task]).unwrap();
        let expected = [
            "run of 1 x t",
            "#0 started",
            "#0/0 granted, attempt 1",
            r#"#0/0 Retry { attempts: 1, why: Failed("bad block") }"#,
            "#0/0 granted, attempt 2",
            "#0/0 Completed",
            "#0 ended",
            "run ended, Success",
        ];
        assert_eq!(log.lines(), expected);
    }
}

#[test]
fn a_slow_observer_loses_events_and_holds_nothing_up() {
    struct Slow(Counter, Counter, Arc<Mutex<Vec<Counts>>>);
    impl Observer for Slow {
        fn run_started(&mut self, _: &[ObservedTask]) {
            // Until the last block has run, nothing is taken out of the queue.
            while self.0.value() == 0 {
                std::thread::yield_now();
            }
        }
        fn block_settled(&mut self, _: BlockKey, _: &BlockEvent) {
            self.1.add();
        }
        fn progress(&mut self, counts: &[Counts]) {
            *self.2.lock().unwrap() = counts.to_vec();
        }
    }
    let (is_over, heard, counts) = (Counter::default(), Counter::default(), Arc::default());
    let slow = Slow(is_over.clone(), heard.clone(), Arc::clone(&counts));
    let task = line("t", 20_000)
        .process(move |block| {
            if block.key.cell == 19_999 {
                is_over.add();
            }
        })
        .build()
        .unwrap();
    let report = quick().observer(slow).run(&[task]).unwrap();
    assert!(report.is_success());
    assert!(report.dropped_events > 0);
    assert!(heard.value() < 20_000);
    assert_eq!(counts.lock().unwrap()[0].completed, 20_000);
}

#[test]
fn an_observer_may_hear_of_failures_alone() {
    #[derive(Clone, Default)]
    struct Failures(Log);
    impl Observer for Failures {
        fn wants_blocks(&self) -> bool {
            false
        }
        fn wants_failures(&self) -> bool {
            true
        }
        fn block_granted(&mut self, block: BlockKey, attempt: u32) {
            self.0.block_granted(block, attempt);
        }
        fn block_settled(&mut self, block: BlockKey, event: &BlockEvent) {
            self.0.block_settled(block, event);
        }
    }
    // More blocks than the queue has room for; nobody looks before the last of them.
    let (failures, calls) = (Failures::default(), Calls::default());
    let process = calls.failing(&[7], 9);
    let task = line("t", 20_000).max_retries(1).process(process).build().unwrap();
    let report = quick().observer(failures.clone()).run(&[task]).unwrap();
    assert_eq!((report.tasks[0].counts.failed, report.dropped_events), (1, 0));
    let lines = failures.0.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("#0/7 Retry { attempts: 1"), "{lines:?}");
    assert!(lines[1].starts_with("#0/7 Failed { attempts: 2"), "{lines:?}");
    assert!(report.to_string().contains("t: block 7 writing [70:80]"), "{report}");
}

#[test]
fn an_observer_that_panics_hears_no_more() {
    struct Bad(Counter);
    impl Observer for Bad {
        fn block_settled(&mut self, _: BlockKey, _: &BlockEvent) {
            self.0.add();
            panic!("cannot look");
        }
    }
    let heard = Counter::default();
    let log = Log::default();
    let task = line("t", 10).process(|_| ()).build().unwrap();
    let report = quick().observer(Bad(heard.clone())).observer(log.clone()).run(&[task]).unwrap();
    assert!(report.is_success());
    assert_eq!(heard.value(), 1);
    assert_eq!(log.lines().last().unwrap(), "run ended, Success");
}

#[test]
fn the_report_is_valid_json_with_everything_in_it() {
    let calls = Calls::default();
    let bad = line("bad", 20).max_retries(0).process(calls.failing(&[2], 9)).build().unwrap();
    let after = line("after", 20).upstream(&bad).process(|_| ()).build().unwrap();
    let report = quick().run(&[after]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["outcome"], "failed");
    assert_eq!(json["exit_code"], 1);
    let bad = &json["tasks"][0];
    assert_eq!(bad["counts"]["completed"], 19);
    assert_eq!(bad["failures"][0]["why"], "bad block");
    assert_eq!(bad["failures"][0]["write_roi"]["offset"][0], 20);
    assert_eq!(bad["failures"][0]["block_id"], "2");
    assert_eq!(bad["slowest"].as_array().unwrap().len(), 10);
    assert!(bad["median_s"].is_number());
    assert_eq!(json["tasks"][1]["orphans"][0][1], 3);
    assert_eq!(json["tasks"][1]["ending"]["kind"], "finished");
}

#[test]
fn the_report_is_a_table_for_people() {
    let task = line("smooth", 3).process(|_| ()).build().unwrap();
    let text = quick().run(&[task]).unwrap().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("task    blocks  done  skipped  failed"), "{text}");
    assert!(lines[1].starts_with("smooth       3     3        0       0"), "{text}");
    assert!(lines[2].starts_with("success in "), "{text}");
}
