//! Requests that are refused, each with its own error, and edge cases that are not.

use std::path::Path;

use daisy_array::{Array, ArrayError, ArraySpec, Dtype, IfExists};
use daisy_geometry::{Coordinate, Roi};
use ndarray::{Array2, ArrayD};

fn array(folder: &Path) -> Array {
    let spec =
        ArraySpec::new([10, 10], Dtype::U8).chunk_shape([4, 4]).voxel_size([4, 5]).offset([-8, 3]);
    Array::create(folder.join("a"), &spec, IfExists::Error).unwrap()
}

fn roi(offset: [i64; 2], shape: [i64; 2]) -> Roi {
    Roi::new(offset, shape).unwrap()
}

#[test]
fn an_array_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Array>();
    shared::<ArrayError>();
}

#[test]
fn a_roi_that_cuts_voxels_is_refused_by_every_call() {
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    for (bad, axis) in [
        (roi([-7, 3], [4, 5]), 0),
        (roi([-8, 3], [3, 5]), 0),
        (roi([-8, 0], [4, 5]), 1),
        (roi([-12, 4], [4, 5]), 1),
    ] {
        let one = ArrayD::<u8>::zeros(vec![1, 1]);
        for error in [
            array.read::<u8>(&bad).unwrap_err(),
            array.read_or_fill::<u8>(&bad, 0).unwrap_err(),
            array.write(&bad, one.view()).unwrap_err(),
            array.fill(&bad, 0u8).unwrap_err(),
        ] {
            match &error {
                ArrayError::Misaligned { axis: found, voxel_size, offset, .. } => {
                    let expected = [(4, -8), (5, 3)][axis];
                    assert_eq!((*found, (*voxel_size, *offset)), (axis, expected));
                }
                error => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_roi_that_reaches_beyond_is_refused_or_filled() {
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    array.fill(array.roi(), 1u8).unwrap();
    for outside in [
        roi([-12, 3], [8, 5]),
        roi([28, 3], [8, 5]),
        roi([-8, -2], [4, 10]),
        roi([400, 403], [4, 5]),
        array.roi().grow([4, 0], [0, 0]).unwrap(),
    ] {
        let error = array.read::<u8>(&outside).unwrap_err();
        assert!(matches!(error, ArrayError::Outside { .. }), "{error}");
        let shape: Vec<usize> = outside
            .shape()
            .unwrap()
            .iter()
            .zip([4, 5])
            .map(|(length, voxel)| (length / voxel) as usize)
            .collect();
        let data = ArrayD::<u8>::zeros(shape.clone());
        assert!(matches!(array.write(&outside, data.view()), Err(ArrayError::Outside { .. })));
        assert!(matches!(array.fill(&outside, 0u8), Err(ArrayError::Outside { .. })));
        let filled = array.read_or_fill::<u8>(&outside, 9).unwrap();
        assert_eq!(filled.shape(), shape);
        let inside = outside.intersect(array.roi()).unwrap().size().unwrap() / 20;
        assert_eq!(filled.iter().filter(|v| **v == 1).count() as u128, inside);
        assert_eq!(
            filled.iter().filter(|v| **v == 9).count() as u128,
            filled.len() as u128 - inside
        );
    }
    assert!(array.read::<u8>(array.roi()).unwrap().iter().all(|v| *v == 1));
}

#[test]
fn the_wrong_type_is_refused_with_both_names() {
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    let roi = array.roi();
    let data = Array2::<f32>::zeros([10, 10]);
    for error in [
        array.read::<f32>(roi).unwrap_err(),
        array.read_or_fill::<f32>(roi, 0.0).unwrap_err(),
        array.write(roi, data.view()).unwrap_err(),
        array.fill(roi, 0.0f32).unwrap_err(),
    ] {
        assert!(matches!(
            error,
            ArrayError::DtypeMismatch { expected: Dtype::U8, found: Dtype::F32, .. }
        ));
        assert!(error.to_string().ends_with("holds u8, not f32: use u8 elements"), "{error}");
    }
    assert!(matches!(array.read::<i8>(roi), Err(ArrayError::DtypeMismatch { .. })));
    assert!(matches!(array.read::<bool>(roi), Err(ArrayError::DtypeMismatch { .. })));
}

#[test]
fn data_of_another_shape_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    let two = roi([-8, 3], [8, 5]);
    for wrong in [vec![1, 2], vec![2], vec![2, 1, 1], vec![2, 2], vec![0, 1]] {
        let error = array.write(&two, ArrayD::<u8>::zeros(wrong.clone()).view()).unwrap_err();
        match error {
            ArrayError::Shape { expected, found } => {
                assert_eq!((expected, found), (vec![2, 1], wrong));
            }
            error => panic!("{error}"),
        }
    }
}

#[test]
fn views_in_any_memory_order_are_written_by_their_indices() {
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    let data = Array2::from_shape_fn([10, 10], |(y, x)| (10 * y + x) as u8);
    array.write(array.roi(), data.t()).unwrap();
    assert_eq!(array.read::<u8>(array.roi()).unwrap(), data.t().into_dyn());
    let mut flipped = data.view();
    flipped.invert_axis(ndarray::Axis(1));
    array.write(array.roi(), flipped).unwrap();
    assert_eq!(array.read::<u8>(array.roi()).unwrap(), flipped.into_dyn());
}

#[test]
fn dims_and_bounds_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    let line = Roi::new([-8], [4]).unwrap();
    assert!(matches!(array.read::<u8>(&line), Err(ArrayError::Dims { expected: 2, found: 1 })));
    let unbounded = Roi::unbounded(2);
    assert!(matches!(array.read::<u8>(&unbounded), Err(ArrayError::Unbounded { .. })));
    let slab: Roi = "[-8:0, :]".parse().unwrap();
    assert!(matches!(array.read_or_fill::<u8>(&slab, 0), Err(ArrayError::Unbounded { .. })));
}

#[test]
fn empty_rois_have_no_voxels_wherever_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    for (empty, shape) in [
        (roi([-8, 3], [0, 10]), [0, 2]),
        (roi([4000, 5003], [4, 0]), [1, 0]),
        (roi([-8, 3], [-8, 10]), [0, 2]),
        (Roi::empty(2), [0, 0]),
    ] {
        assert_eq!(array.read::<u8>(&empty).unwrap().shape(), shape);
        assert_eq!(array.read_or_fill::<u8>(&empty, 1).unwrap().shape(), shape);
        array.write(&empty, ArrayD::<u8>::zeros(shape.to_vec()).view()).unwrap();
        array.fill(&empty, 1u8).unwrap();
    }
}

#[test]
fn what_does_not_fit_into_memory_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    let half = (Roi::LIMIT - 100) / 20 * 20;
    let world = roi([-half - 8, -half + 3], [2 * half, 2 * half]);
    let error = array.read_or_fill::<u8>(&world, 0).unwrap_err();
    assert!(matches!(error, ArrayError::TooLarge { .. }), "{error}");
    // A lot of nothing is still nothing, but its shape must be one that ndarray can hold.
    let sheet = roi([-half - 8, 3], [2 * half, 0]);
    assert_eq!(array.read_or_fill::<u8>(&sheet, 0).unwrap().len(), 0);

    let spec = ArraySpec::new([1 << 40, 1 << 40], Dtype::F64);
    let huge = Array::create(folder.path().join("huge"), &spec, IfExists::Error).unwrap();
    assert!(matches!(huge.read::<f64>(huge.roi()), Err(ArrayError::TooLarge { .. })));
    let corner = Roi::new([(1 << 40) - 1, 0], [1, 1]).unwrap();
    huge.fill(&corner, 1.5f64).unwrap();
    assert_eq!(huge.read::<f64>(&corner).unwrap().sum(), 1.5);
    assert_eq!(huge.shape(), &Coordinate::from([1 << 40, 1 << 40]));
}

#[test]
fn a_broken_chunk_is_an_error_and_never_read_as_voxels() {
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    array.fill(array.roi(), 3u8).unwrap();
    let chunk = array.path().join("c/0/0");
    let bytes = std::fs::read(&chunk).unwrap();
    std::fs::write(&chunk, &bytes[..bytes.len() / 2]).unwrap();
    let broken = roi([-8, 3], [4, 5]);
    let error = array.read::<u8>(&broken).unwrap_err();
    assert!(matches!(error, ArrayError::Read { .. }), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let error = array.fill(&broken, 1u8).unwrap_err();
    assert!(matches!(error, ArrayError::Write { .. }), "{error}");
    // Replacing the whole chunk repairs it.
    array.fill(&roi([-8, 3], [16, 20]), 4u8).unwrap();
    assert_eq!(array.read::<u8>(&broken).unwrap()[[0, 0]], 4);
}

#[test]
fn a_path_that_cannot_be_is_an_error_of_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("a.zarr");
    let error = Array::open(&below).unwrap_err();
    assert!(matches!(error, ArrayError::Io { .. }), "{error}");
    let error = Array::create(&below, &ArraySpec::new([1], Dtype::U8), IfExists::Overwrite);
    assert!(matches!(error, Err(ArrayError::Io { .. })));
}

#[test]
fn errors_say_what_to_do() {
    let error = Array::open("/no/such/place").unwrap_err();
    assert!(matches!(error, ArrayError::NotFound { .. }));
    assert_eq!(
        error.to_string(),
        "there is nothing at /no/such/place: check the path, or create it"
    );
    let folder = tempfile::tempdir().unwrap();
    let array = array(folder.path());
    assert_eq!(
        array.read::<u8>(&roi([-8, 3], [4, 6])).unwrap_err().to_string(),
        "[-8:-4, 3:9] (4, 6) cuts through voxels on axis 1, where they are 5 wide and begin at 3: \
         snap the ROI to that grid first"
    );
    assert_eq!(
        array.read::<u8>(&roi([-12, 3], [4, 5])).unwrap_err().to_string(),
        "[-12:-8, 3:8] (4, 5) reaches beyond the array, which is [-8:32, 3:53] (40, 50): \
         intersect the two, or read with a fill value"
    );
}
