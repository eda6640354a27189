//! ROIs that are not multiples of voxels, moved by request and never otherwise.

use daisy_array::{Array, ArrayError, ArraySpec, Dtype, IfExists, MemoryStore};
use daisy_geometry::{Roi, Snap};
use ndarray::{Array1, arr0};

/// Ten voxels of 4 from -6 on, numbered.
fn array() -> Array {
    let spec = ArraySpec::new([10], Dtype::U8).voxel_size([4]).offset([-6]).chunk_shape([3]);
    let array = Array::create(MemoryStore::new().at("a"), &spec, IfExists::Error).unwrap();
    array.write(array.roi(), Array1::from_iter(0..10u8).view()).unwrap();
    array
}

fn roi(begin: i64, end: i64) -> Roi {
    Roi::from_begin_end([begin], [end]).unwrap()
}

#[test]
fn a_snapped_read_says_what_it_read() {
    let array = array();
    for (snap, expected, voxels) in [
        (Snap::Grow, roi(-2, 10), vec![1, 2, 3]),
        (Snap::Shrink, roi(2, 6), vec![2]),
        (Snap::Closest, roi(-2, 10), vec![1, 2, 3]),
    ] {
        let snapped = array.read_snapped::<u8>(&roi(-1, 9), snap).unwrap();
        assert_eq!((snapped.roi, snapped.has_moved), (expected, true));
        assert_eq!(snapped.voxels.into_raw_vec_and_offset().0, voxels);
    }
    let exact = array.read_snapped::<u8>(&roi(-2, 2), Snap::Grow).unwrap();
    assert_eq!((exact.roi, exact.has_moved), (roi(-2, 2), false));
}

#[test]
fn a_misaligned_write_never_lands_in_other_voxels() {
    let array = array();
    let error = array.write(&roi(-1, 7), Array1::from_elem(2, 9u8).view()).unwrap_err();
    assert!(matches!(error, ArrayError::Misaligned { axis: 0, voxel_size: 4, offset: -6, .. }));
    assert!(array.fill(&roi(-1, 7), 9u8).is_err());
    let before: Vec<u8> = array.read(array.roi()).unwrap().into_iter().collect();
    assert_eq!(before, (0..10).collect::<Vec<u8>>());

    let written =
        array.write_snapped(&roi(-1, 7), Snap::Shrink, Array1::from_elem(1, 9u8).view()).unwrap();
    assert_eq!(written, roi(2, 6));
    assert_eq!(array.read::<u8>(&roi(-2, 10)).unwrap().into_raw_vec_and_offset().0, [1, 9, 3]);
    // Data of another shape than the ROI that would be written are no guess.
    let wide = Array1::from_elem(2, 9u8);
    assert!(array.write_snapped(&roi(-1, 7), Snap::Shrink, wide.view()).is_err());
}

#[test]
fn snapping_knows_where_the_voxels_begin_and_may_leave_the_array() {
    let array = array();
    assert_eq!(array.snap(&roi(-7, 40), Snap::Grow).unwrap(), roi(-10, 42));
    assert!(matches!(
        array.read_snapped::<u8>(&roi(-7, 0), Snap::Grow),
        Err(ArrayError::Outside { .. })
    ));
    assert!(matches!(
        array.snap(&Roi::new([0, 0], [1, 1]).unwrap(), Snap::Grow),
        Err(ArrayError::Dims { expected: 1, found: 2 })
    ));
}

#[test]
fn one_value_without_axes_is_written_to_all_voxels() {
    let array = array();
    array.write(&roi(-2, 10), arr0(5u8).view()).unwrap();
    assert_eq!(
        array.read::<u8>(&roi(-6, 14)).unwrap().into_raw_vec_and_offset().0,
        [0, 5, 5, 5, 4]
    );
    let error = array.write(&roi(-2, 10), arr0(5u16).view()).unwrap_err();
    assert!(matches!(error, ArrayError::DtypeMismatch { .. }));
}
