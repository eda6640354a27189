//! Pipelines out of bytes: the dependency graph and the scheduler against brute force.

use arbitrary::{Result, Unstructured};
use daisy_block::{Fit, Order};
use daisy_sched::Tuning;

use crate::{
    dependencies,
    operations_test::{self, Call},
    oracle::{AxisSpec, Pipeline, TaskSpec},
    runs::{self, Script},
};

/// Every answer of the dependency graph equals what comparing all pairs of blocks says.
pub fn graph(bytes: &[u8]) {
    if let Ok(pipeline) = pipeline(&mut Unstructured::new(bytes)) {
        dependencies::check(&pipeline).unwrap();
    }
}

/// A whole run hands out every block that can run once, none too early, and counts right.
pub fn scheduler(bytes: &[u8]) {
    let bytes = &mut Unstructured::new(bytes);
    if let (Ok(mut script), Ok(pipeline)) = (script(bytes), pipeline(bytes)) {
        script.named = bytes.arbitrary().unwrap_or(false);
        script.tuning = tuning(bytes.arbitrary().unwrap_or(0));
        runs::run(&pipeline, &script).unwrap();
    }
}

/// Any sequence of calls, nonsense included, does what the naive model says.
pub fn operations(bytes: &[u8]) {
    let bytes = &mut Unstructured::new(bytes);
    if let Ok(pipeline) = pipeline(bytes) {
        let calls: Vec<Call> = std::iter::from_fn(|| call(bytes).ok()).take(200).collect();
        operations_test::apply(&pipeline, &calls, tuning(calls.len())).unwrap();
    }
}

/// The sizes that are shipped, or such that small grids take every way.
fn tuning(number: usize) -> Tuning {
    if number.is_multiple_of(3) {
        return Tuning::default();
    }
    Tuning {
        page_bits: 6,
        chunk_bits: 1,
        max_skipped_singly: 3,
        max_counted: [0, 30][number / 3 % 2],
        max_counted_readers: [0, 30][number / 6 % 2],
        max_steps: 1,
        max_steps_at_once: [0, 5][number / 12 % 2],
        max_found_ahead: 0,
        max_listed: [0, 20][number / 24 % 2],
        max_free_pages: 1,
    }
}

fn pipeline(bytes: &mut Unstructured<'_>) -> Result<Pipeline> {
    let dims = bytes.int_in_range(1..=4_usize)?;
    let num_tasks = bytes.int_in_range(1..=4_usize)?;
    let most = [80, 8, 4, 2][dims - 1];
    let mut tasks = Vec::new();
    for _ in 0..num_tasks {
        let mut axes = Vec::new();
        for _ in 0..dims {
            axes.push(AxisSpec {
                begin: bytes.int_in_range(-9..=9)?,
                cells: bytes.int_in_range(0..=most)?,
                rest: bytes.int_in_range(0..=3)?,
                write: bytes.int_in_range(1..=4)?,
                lo: bytes.int_in_range(0..=6)?,
                hi: bytes.int_in_range(0..=6)?,
            });
        }
        let fit = *bytes.choose(&[Fit::Valid, Fit::Overhang, Fit::Shrink])?;
        tasks.push(TaskSpec { axes, fit, conflict: bytes.arbitrary()? });
    }
    let mut edges = Vec::new();
    for _ in 0..bytes.int_in_range(0..=6)? {
        let (a, b) = (bytes.choose_index(num_tasks)?, bytes.choose_index(num_tasks)?);
        if a != b {
            edges.push((a.min(b), a.max(b)));
        }
    }
    Ok(Pipeline { tasks, edges })
}

fn script(bytes: &mut Unstructured<'_>) -> Result<Script> {
    let everything = bytes.arbitrary()?;
    Ok(Script {
        seed: bytes.arbitrary()?,
        order: *bytes.choose(&[Order::Sweep, Order::Level, Order::Morton])?,
        everything,
        roi_request: bytes.arbitrary::<bool>()? && !everything,
        fails_of_16: bytes.int_in_range(0..=8)?,
        finished_of_16: bytes.int_in_range(0..=8)?,
        masked: bytes.arbitrary()?,
        in_flight: bytes.int_in_range(1..=16)?,
        max_retries: bytes.int_in_range(0..=2)?,
        count_all_orphans: bytes.arbitrary()?,
        named: false,
        tuning: Tuning::default(),
    })
}

fn call(bytes: &mut Unstructured<'_>) -> Result<Call> {
    let number: u16 = bytes.arbitrary()?;
    let task = number as u8;
    Ok(match bytes.int_in_range(0..=13)? {
        0 => Call::Acquire,
        1 => Call::AcquireFrom(task),
        2 => Call::Hold(task),
        3 => Call::Start(number),
        4 => Call::Complete(number),
        5 => Call::Skip(number),
        6 => Call::PutBack(number),
        7 => Call::Fail(number),
        8 => Call::FailAndPark(number),
        9 => Call::FailForGood(number),
        10 => Call::TakeOver(number),
        11 => Call::NoteAttempts(number),
        12 => Call::Named(number),
        _ => Call::Answer(task),
    })
}
