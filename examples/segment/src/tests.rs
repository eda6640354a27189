//! The example `segment`: the same result as the whole volume at once, however it is cut and run.

use std::path::Path;

use daisy::{Fit, Order, RunOptions};
use daisy_array::{Array, ArraySpec, Dtype, IfExists};

use super::{
    input::Input,
    ops::Kernel,
    phantom,
    pipeline::{Segmentation, Settings},
    reference,
};

const THRESHOLD: u8 = 90;

fn settings(block: [i64; 3], fit: Fit, workers: u32) -> Settings {
    let kernel = Kernel::binomial(2).unwrap();
    Settings { block, fit, workers, processes: None, threshold: THRESHOLD, kernel }
}

/// A phantom that does not begin at the origin, with voxels that are no cubes.
fn phantom_array(folder: &Path, shape: [usize; 3], seed: u64) -> Array {
    let spec = ArraySpec::new(shape.map(|length| length as i64), Dtype::U8)
        .chunk_shape([16, 16, 16])
        .voxel_size([40, 8, 8])
        .offset([-80, 16, 0]);
    let array = Array::create(folder.join("in.zarr"), &spec, IfExists::Overwrite).unwrap();
    array.write(array.roi(), phantom::phantom(shape, seed).view()).unwrap();
    array
}

/// Segments a volume and compares with the whole volume at once; gives the number of objects.
fn check(array: Array, folder: &Path, settings: &Settings, options: RunOptions) -> u64 {
    let input = Input::new(array).unwrap();
    let segmentation = Segmentation::create(input, folder, settings.clone(), true).unwrap();
    let report = options.run(&[segmentation.tasks().unwrap()]).unwrap();
    assert!(report.is_success(), "{report}");
    let volumes = segmentation.volumes().unwrap();
    let whole = reference::segment(&volumes.input, &settings.kernel, settings.threshold);
    assert!(whole.smoothed == volumes.smoothed, "the smoothed volumes differ");
    reference::equal_up_to_renaming(&volumes.labels, &whole.labels).unwrap();
    segmentation.mapping().unwrap().count()
}

#[test]
fn any_cut_of_any_size_gives_the_same_result() {
    let folder = tempfile::tempdir().unwrap();
    let shapes_and_blocks =
        [([40, 41, 43], [16, 16, 16]), ([13, 50, 30], [7, 50, 9]), ([20, 30, 31], [64, 64, 64])];
    for (shape, block) in shapes_and_blocks {
        for (fit, workers, order) in [
            (Fit::Shrink, 1, Order::Sweep),
            (Fit::Shrink, 4, Order::Level),
            (Fit::Overhang, 3, Order::Morton),
        ] {
            let array = phantom_array(folder.path(), shape, 5);
            let settings = settings(block, fit, workers);
            check(array, folder.path(), &settings, RunOptions::new().order(order));
        }
    }
}

#[test]
fn valid_gives_the_same_result_where_blocks_divide_the_volume() {
    let folder = tempfile::tempdir().unwrap();
    let array = phantom_array(folder.path(), [32, 48, 64], 6);
    let settings = settings([16, 16, 32], Fit::Valid, 2);
    assert!(check(array, folder.path(), &settings, RunOptions::new()) > 0);
}

#[test]
fn serial_mode_gives_the_same_result() {
    let folder = tempfile::tempdir().unwrap();
    let array = phantom_array(folder.path(), [30, 33, 35], 7);
    let settings = settings([16, 16, 16], Fit::Shrink, 2);
    check(array, folder.path(), &settings, RunOptions::new().serial(true));
}

#[test]
fn values_that_are_not_bytes_are_scaled_to_their_range() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [20, 21, 22];
    let bytes = phantom::phantom(shape, 8);
    let low = f64::from(*bytes.iter().min().unwrap());
    let high = f64::from(*bytes.iter().max().unwrap());
    let spec = ArraySpec::new(shape.map(|length| length as i64), Dtype::I16);
    let array = Array::create(folder.path().join("in.zarr"), &spec, IfExists::Error).unwrap();
    array.write(array.roi(), bytes.mapv(|v| 100 * i16::from(v) - 7_000).view()).unwrap();
    let input = Input::new(array).unwrap();
    let expected = bytes.mapv(|v| ((f64::from(v) - low) * 255.0 / (high - low)).round() as u8);
    assert_eq!(input.read(input.array.roi()).unwrap(), expected);
    // Outside it is dark, whatever the darkest value is.
    let around = input.read(&input.array.roi().grow(1, 2).unwrap()).unwrap();
    assert_eq!((around[[0, 5, 5]], around[[21, 5, 5]]), (0, 0));
    assert_eq!(around[[1, 1, 1]], expected[[0, 0, 0]]);
    let again = Array::open(folder.path().join("in.zarr")).unwrap();
    check(again, folder.path(), &settings([8, 9, 10], Fit::Shrink, 2), RunOptions::new());
}

/// Needs the environment variable `DAISY_TEST_VOLUME`: the path of a Zarr volume.
#[test]
fn a_real_volume_gives_the_same_result() {
    let Some(path) = std::env::var_os("DAISY_TEST_VOLUME") else {
        println!("skipped: DAISY_TEST_VOLUME is not set to the path of a Zarr volume");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for fit in [Fit::Shrink, Fit::Overhang] {
        let settings = Settings { threshold: 200, ..settings([64, 64, 64], fit, 2) };
        let array = Array::open(Path::new(&path)).unwrap();
        assert!(check(array, folder.path(), &settings, RunOptions::new()) > 1);
    }
}
