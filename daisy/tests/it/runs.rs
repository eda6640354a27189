//! Whole runs without trouble: which blocks run, in which order, how often.

use std::sync::{Arc, Mutex};

use daisy::{BlockKey, Fit, Roi, RunOptions, Task, run_blockwise};

use crate::support::{Calls, line, quick, roi};

#[test]
fn every_block_runs_once() {
    for workers in [1, 2, 7] {
        let calls = Calls::default();
        let task =
            line("fill", 1_000).num_workers(workers).process(calls.function()).build().unwrap();
        let report = RunOptions::new().run(&[task]).unwrap();
        assert!(report.is_success());
        assert_eq!(calls.each(), vec![1; 1_000]);
        assert_eq!(report.tasks[0].counts.completed, 1_000);
        assert_eq!(report.tasks[0].num_calls, 1_000);
    }
}

#[test]
fn nothing_to_do_is_a_success() {
    assert!(run_blockwise(&[]).unwrap().is_success());
    for options in [RunOptions::new(), RunOptions::new().serial(true)] {
        let too_small = Task::builder("none", roi(0, 5), roi(0, 10), roi(0, 10))
            .process(|_| -> () { panic!("there is no block") })
            .build()
            .unwrap();
        assert_eq!(too_small.num_blocks(), 0);
        let report = options.run(&[too_small]).unwrap();
        assert!(report.is_success());
        assert_eq!(report.tasks[0].counts.total, 0);
    }
}

#[test]
fn a_block_never_runs_before_what_it_reads() {
    for (workers, serial) in [(1, false), (3, false), (1, true)] {
        let done: Arc<Mutex<Vec<BlockKey>>> = Arc::default();
        let note = |done: &Arc<Mutex<Vec<BlockKey>>>| {
            let done = Arc::clone(done);
            move |block: &daisy::Block| done.lock().unwrap().push(block.key)
        };
        let total = Roi::new([0, 0], [100, 60]).unwrap();
        let write = Roi::new([0, 0], [10, 10]).unwrap();
        let read = write.grow(3, 5).unwrap();
        let first = Task::builder("first", total.clone(), write.clone(), write.clone())
            .num_workers(workers)
            .process(note(&done))
            .build()
            .unwrap();
        let second = Task::builder("second", total.grow(3, 5).unwrap(), read, write)
            .num_workers(workers)
            .fit(Fit::Shrink)
            .upstream(&first)
            .process(note(&done))
            .build()
            .unwrap();
        let report = RunOptions::new().serial(serial).run(std::slice::from_ref(&second)).unwrap();
        assert!(report.is_success());
        let done = done.lock().unwrap();
        assert_eq!(done.len(), 120);
        for (place, key) in done.iter().enumerate().filter(|(_, key)| key.task.index() == 1) {
            let tiling = daisy::Tiling::new(second.layout());
            let reads = tiling.block(key.task, key.cell).unwrap().read_roi;
            let inputs = daisy::Tiling::new(first.layout());
            for cell in inputs.cells_in(&inputs.cells_writing(&reads).unwrap()).unwrap() {
                let input = BlockKey::new(daisy::TaskId::new(0), cell);
                assert!(done[..place].contains(&input), "{key} ran before {input}");
            }
        }
    }
}

#[test]
fn conflicting_blocks_never_run_at_the_same_time() {
    let running: Arc<Mutex<Vec<(Roi, Roi)>>> = Arc::default();
    let inside = Arc::clone(&running);
    let task = Task::builder("smooth", roi(-3, 1_003), roi(-3, 13), roi(0, 10))
        .num_workers(4)
        .process(move |block| {
            let mine = (block.read_roi.clone(), block.write_roi.clone());
            {
                let mut others = inside.lock().unwrap();
                for (read, write) in others.iter() {
                    assert!(
                        !read.intersects(&mine.1).unwrap() && !write.intersects(&mine.0).unwrap()
                    );
                }
                others.push(mine.clone());
            }
            std::thread::yield_now();
            inside.lock().unwrap().retain(|other| *other != mine);
        })
        .build()
        .unwrap();
    let report = RunOptions::new().run(&[task]).unwrap();
    assert!(report.is_success(), "{report}");
    assert_eq!(report.tasks[0].counts.completed, 100);
}

#[test]
fn a_task_reached_by_two_paths_is_one_task() {
    let calls = Calls::default();
    let top = line("top", 10).process(calls.function()).build().unwrap();
    let side = |name| line(name, 10).upstream(&top).process(|_| ()).build().unwrap();
    let (left, right) = (side("left"), side("right"));
    let bottom =
        line("bottom", 10).upstream_tasks([&left, &right, &left]).process(|_| ()).build().unwrap();
    let report = quick().run(&[bottom.clone(), top.clone(), bottom]).unwrap();
    assert!(report.is_success());
    assert_eq!(report.tasks.len(), 4);
    assert_eq!(calls.each(), vec![1; 10]);
}

#[test]
fn a_long_chain_of_tasks_neither_runs_nor_is_dropped_on_the_stack() {
    let mut last = line("t0", 1).process(|_| ()).build().unwrap();
    for number in 1..2_000 {
        let name = format!("t{number}");
        last = line(&name, 1).upstream(&last).process(|_| ()).build().unwrap();
    }
    let last = line("last", 1).upstream(&last).process(|_| ()).build().unwrap();
    let report = RunOptions::new().serial(true).run(&[last]).unwrap();
    assert!(report.is_success());
    assert_eq!(report.tasks.len(), 2_001);
}

#[test]
fn a_slow_block_does_not_keep_back_the_outcomes_before_it() {
    // The worker of `first` gets many blocks at once, the last of which waits for `second` to have
    // seen all the others: it can only go on if their outcomes are reported meanwhile.
    let seen = crate::support::Counter::default();
    let (waits, adds) = (seen.clone(), seen.clone());
    let first = line("first", 2_000)
        .process(move |block| {
            while block.key.cell == 1_999 && waits.value() < 1_999 {
                std::thread::yield_now();
            }
        })
        .build()
        .unwrap();
    let second = line("second", 2_000)
        .upstream(&first)
        .process(move |_| {
            adds.add();
        })
        .build()
        .unwrap();
    assert!(RunOptions::new().run(&[second]).unwrap().is_success());
    assert_eq!(seen.value(), 2_000);
}
