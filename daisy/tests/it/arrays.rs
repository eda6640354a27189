//! Arrays that tasks declare: runs that would lose data are refused by name, others are not.

use std::sync::Arc;

use daisy::{
    Error, PyramidError, Reduce, Roi, RunOptions, Task, TaskBuilder,
    arrays::{Array, ArraySpec, ChunkSharing, Dtype, IfExists, MemoryStore},
    coarse_spec, downsample, pyramid,
};
use ndarray::{ArrayD, Dimension, IxDyn};
use proptest::prelude::*;

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
fn work_in_place_is_refused_unless_those_that_read_each_other_wait() {
    let array = array();
    let in_place = |context, conflict| {
        let task = task("in place", 16, context).reads(&array).writes(&array);
        task.read_write_conflict(conflict).build().unwrap()
    };
    let error = run(&[in_place(3, false)]).unwrap_err();
    assert!(matches!(&error, Error::SharedChunk { source, .. } if source.reads), "{error}");
    assert!(error.to_string().contains("read_write_conflict"), "{error}");
    run(&[in_place(3, true)]).unwrap();
    run(&[in_place(0, false)]).unwrap();
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

/// What a coarse voxel is made of, straight from the definition; along channels the factor is 1.
fn window(fine: &ArrayD<u8>, coarse: &[usize], factors: &[usize]) -> Vec<u8> {
    let within =
        |index: &IxDyn| (0..factors.len()).all(|axis| index[axis] / factors[axis] == coarse[axis]);
    fine.indexed_iter().filter(|(index, _)| within(index)).map(|(_, &value)| value).collect()
}

fn naive(window: &[u8], reduce: Reduce) -> u8 {
    let count = window.len() as f64;
    match reduce {
        Reduce::Mean => {
            (window.iter().map(|&v| f64::from(v)).sum::<f64>() / count + 0.5).floor() as u8
        }
        Reduce::Mode => {
            let occurs = |value: u8| window.iter().filter(|&&other| other == value).count();
            (0..=u8::MAX).max_by_key(|&value| (occurs(value), u8::MAX - value)).unwrap()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn a_coarse_array_is_what_its_definition_says(
        shape in prop::collection::vec(1_i64..9, 1..4),
        factor in prop::collection::vec(1_i64..4, 3),
        chunk in 1_i64..4,
        channels in prop::option::of((1_u64..3, 0_usize..4)),
        is_mode in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let dims = shape.len();
        let spec = ArraySpec::new(shape.clone(), Dtype::U8)
            .chunk_shape(vec![chunk; dims])
            .voxel_size(vec![4; dims])
            .offset(vec![-8; dims])
            .channels(channels.map(|(length, _)| length.try_into().unwrap()))
            .channel_position(channels.map_or(0, |(_, place)| place.min(dims)));
        let store = MemoryStore::new();
        let fine = Array::create(store.at("fine"), &spec, IfExists::Error).unwrap();
        let with_channel = |world: &[i64], channel: fn(u64) -> usize| {
            let mut axes: Vec<usize> = world.iter().map(|&length| length as usize).collect();
            if let Some((length, place)) = channels {
                axes.insert(place.min(dims), channel(length));
            }
            axes
        };
        let lengths = with_channel(&shape, |length| length as usize);
        let mut state = seed;
        let voxels = ArrayD::from_shape_simple_fn(lengths, || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 60) as u8
        });
        fine.write(fine.roi(), voxels.view()).unwrap();
        let spec = coarse_spec(&fine, factor[..dims].to_vec());
        let coarse = Array::create(store.at("coarse"), &spec, IfExists::Error).unwrap();
        let levels = [Arc::new(fine), Arc::new(coarse)];
        let reduce = if is_mode { Reduce::Mode } else { Reduce::Mean };
        run(&[pyramid(&levels, reduce, 2).unwrap()]).unwrap();
        let found = levels[1].read::<u8>(levels[1].roi()).unwrap();
        let factors = with_channel(&factor[..dims], |_| 1);
        for (index, &value) in found.indexed_iter() {
            let window = window(&voxels, index.slice(), &factors);
            prop_assert_eq!(value, naive(&window, reduce), "at {:?}", index);
        }
    }
}

#[test]
fn arrays_that_are_no_pyramid_are_refused() {
    let store = MemoryStore::new();
    let make = |name: &str, spec: &ArraySpec| {
        Arc::new(Array::create(store.at(name), spec, IfExists::Error).unwrap())
    };
    let spec = ArraySpec::new([8], Dtype::F32).voxel_size([4]);
    let fine = make("fine", &spec);
    let error = |coarse: &ArraySpec, name: &str, reduce| {
        downsample("level", Arc::clone(&fine), make(name, coarse), reduce).err().unwrap()
    };
    let odd = ArraySpec::new([5], Dtype::F32).voxel_size([6]);
    let error_of = error(&odd, "odd", Reduce::Mean);
    assert!(
        matches!(error_of, PyramidError::VoxelSize { axis: 0, fine: 4, coarse: 6 }),
        "{error_of}"
    );
    let moved = ArraySpec::new([4], Dtype::F32).voxel_size([8]).offset([4]);
    assert!(matches!(error(&moved, "moved", Reduce::Mean), PyramidError::Extent { .. }));
    let other = ArraySpec::new([4], Dtype::U8).voxel_size([8]);
    assert!(matches!(error(&other, "other", Reduce::Mean), PyramidError::Voxels { .. }));
    let right = coarse_spec(&fine, [2]);
    assert!(matches!(error(&right, "right", Reduce::Mode), PyramidError::ModeOfFloats { .. }));
    assert!(matches!(pyramid(&[fine], Reduce::Mean, 1), Err(PyramidError::TooFew)));
}

/// Runs with a journal know the arrays that their blocks were written to.
#[cfg(all(unix, feature = "workers"))]
mod with_a_journal {
    use std::{fs, path::Path};

    use daisy::journal::{self, JournalError};

    use super::*;

    fn create(path: &Path) -> Array {
        let spec = ArraySpec::new([64], Dtype::U8).chunk_shape([16]);
        Array::create(path, &spec, IfExists::ReuseIfCompatible).unwrap()
    }

    /// Writes 7 everywhere.
    fn fill(folder: &Path, output: &Path, accepts: bool) -> Result<u64, Error> {
        let array = Arc::new(create(output));
        let own = Arc::clone(&array);
        let write = move |block: &daisy::Block| {
            own.write(&block.write_roi, ArrayD::from_elem(IxDyn(&[16]), 7_u8).view())
        };
        let task = task("fill", 16, 0).process(write).writes(&array).build().unwrap();
        let options = RunOptions::new().journal(folder.join("j")).accept_new_arrays(accepts);
        Ok(options.run(&[task])?.tasks[0].counts.completed)
    }

    fn is_filled(output: &Path) -> bool {
        let array = create(output);
        array.read::<u8>(array.roi()).unwrap().iter().all(|voxel| *voxel == 7)
    }

    #[test]
    fn a_run_whose_output_was_deleted_is_refused_and_does_it_again_when_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, output) = (folder.path(), folder.path().join("out.zarr"));
        assert_eq!(fill(folder, &output, false).unwrap(), 4);
        assert_eq!(fill(folder, &output, false).unwrap(), 0);
        fs::remove_dir_all(&output).unwrap();
        for _ in 0..2 {
            let error = fill(folder, &output, false).unwrap_err();
            let is_it = matches!(&error, Error::Journal { error: JournalError::NewArray { task, done: 4, .. }, .. }
                if task == "fill");
            assert!(is_it, "{error}");
            let text = error.to_string();
            assert!(text.contains("out.zarr") && text.contains("forget"), "{text}");
        }
        journal::forget(folder.join("j"), "fill", None, false).unwrap();
        assert_eq!(fill(folder, &output, false).unwrap(), 4);
        assert!(is_filled(&output));
        assert_eq!(fill(folder, &output, false).unwrap(), 0);
    }

    #[test]
    fn an_output_that_was_moved_or_brought_back_is_the_same_and_another_may_be_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, output) = (folder.path(), folder.path().join("out.zarr"));
        let moved = folder.join("moved.zarr");
        assert_eq!(fill(folder, &output, false).unwrap(), 4);
        fs::rename(&output, &moved).unwrap();
        assert_eq!(fill(folder, &moved, false).unwrap(), 0);
        assert!(fill(folder, &output, false).is_err(), "that is a new one");
        fs::remove_dir_all(&output).unwrap();
        fs::rename(&moved, &output).unwrap();
        assert_eq!(fill(folder, &output, false).unwrap(), 0);
        fs::remove_dir_all(&output).unwrap();
        assert_eq!(fill(folder, &output, true).unwrap(), 0);
        assert_eq!(fill(folder, &output, false).unwrap(), 0, "once accepted it is the one");
    }
}
