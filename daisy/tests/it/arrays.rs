//! Arrays that tasks declare: runs that would lose data are refused by name, others are not.

use std::sync::Arc;

use daisy::{
    Error, Roi, RunOptions, Task, TaskBuilder,
    arrays::{Array, ArraySpec, ChunkSharing, Dtype, IfExists, MemoryStore},
};
use ndarray::ArrayD;

/// 64 voxels in chunks of 16.
fn array() -> Array {
    let spec = ArraySpec::new([64], Dtype::U8).chunk_shape([16]);
    Array::create(MemoryStore::new().at("array"), &spec, IfExists::Error).unwrap()
}

/// A task of blocks of so many voxels, which read so many more on each side.
fn task(name: &str, block: i64, context: i64) -> TaskBuilder {
    let roi = |begin: i64, shape: i64| Roi::new([begin], [shape]).unwrap();
    let total = roi(-context, 64 + 2 * context);
    Task::builder(name, total, roi(-context, block + 2 * context), roi(0, block))
        .read_write_conflict(false)
        .process(|_| ())
}

fn run(tasks: &[Task]) -> Result<(), Error> {
    RunOptions::new().run(tasks).map(|report| assert!(report.is_success()))
}

#[test]
fn blocks_that_share_chunks_are_refused_and_the_right_shapes_are_named() {
    let array = array();
    let error = run(&[task("odd", 24, 0).writes(&array).build().unwrap()]).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::SharedChunk { ref task, .. } if task == "odd"), "{text}");
    assert!(text.contains("axis 0") && text.contains("16 or 32"), "{text}");
    run(&[task("even", 32, 0).writes(&array).build().unwrap()]).unwrap();
}

#[test]
fn two_tasks_that_write_one_array_need_an_order() {
    let array = array();
    let one = task("one", 16, 0).writes(&array).build().unwrap();
    let other = task("other", 32, 0).writes(&array).build().unwrap();
    let error = run(&[one.clone(), other]).unwrap_err();
    let Error::UnorderedTasks { tasks, source, .. } = &error else { panic!("{error}") };
    assert_eq!((&*tasks.0, &*tasks.1, source.axis), ("one", "other", None));
    let after = task("other", 32, 0).writes(&array).upstream(&one).build().unwrap();
    run(&[after]).unwrap();
}

#[test]
fn a_reader_must_wait_for_all_writers_of_its_chunks() {
    let array = array();
    let write = |block| task("write", block, 0).writes(&array).build().unwrap();
    let read = |up: &Task| task("read", 16, 3).reads(&array).upstream(up).build().unwrap();
    run(&[read(&write(16))]).unwrap();
    // Readers alone disturb nobody.
    run(&[
        task("a", 5, 0).reads(&array).build().unwrap(),
        read(&task("b", 7, 0).reads(&array).build().unwrap()),
    ])
    .unwrap();
    let stranger = task("stranger", 16, 0).reads(&array).build().unwrap();
    let error = run(&[write(16), stranger]).unwrap_err();
    assert!(error.to_string().contains("make one of them upstream of the other"), "{error}");
}

#[test]
fn an_array_of_other_axes_is_refused() {
    let spec = ArraySpec::new([64, 64], Dtype::U8).chunk_shape([16, 16]);
    let array = Array::create(MemoryStore::new().at("flat"), &spec, IfExists::Error).unwrap();
    let error = run(&[task("line", 16, 0).writes(&array).build().unwrap()]).unwrap_err();
    assert!(matches!(error, Error::ChunkGrid { .. }), "{error}");
}

#[test]
fn blocks_that_share_locked_chunks_lose_nothing() {
    let array = Arc::new(array().with_sharing(ChunkSharing::Lock));
    let own = Arc::clone(&array);
    let task = task("fives", 5, 0)
        .fit(daisy::Fit::Shrink)
        .num_workers(4)
        .process(move |block| {
            let value = u8::try_from(block.key.cell).unwrap() + 1;
            let length = block.write_roi.size().unwrap() as usize;
            own.write(&block.write_roi, ArrayD::from_elem(vec![length], value).view()).unwrap();
        })
        .writes(&array)
        .build()
        .unwrap();
    run(&[task]).unwrap();
    let found = array.read::<u8>(array.roi()).unwrap();
    let expected: Vec<u8> = (0..64).map(|voxel| voxel / 5 + 1).collect();
    assert_eq!(found.into_raw_vec_and_offset().0, expected);
}
