//! Views: what they show, what they read, and what can be written through them.

use std::fs;
use std::num::NonZeroU64;

use daisy_array::{
    Array, ArrayError, ArraySpec, AxisKind, ChunkSharing, Dtype, IfExists, Location, MemoryStore,
    Number,
};
use daisy_geometry::{Coordinate, Roi};
use ndarray::{Array2, ArrayD};
use proptest::prelude::*;

use crate::part;

/// Axes t, colour, y, x; voxels of 5 x 4 x 4 from (100, 0, -8).
fn film(location: Location) -> (Array, ArrayD<u16>) {
    let spec = ArraySpec::new([3, 8, 6], Dtype::U16)
        .axis_names(["t", "y", "x"])
        .axis_kinds([AxisKind::Time, AxisKind::Space, AxisKind::Space])
        .voxel_size([5, 4, 4])
        .offset([100, 0, -8])
        .chunk_shape([1, 4, 3])
        .channels([NonZeroU64::new(2).unwrap()])
        .channel_names(["colour"])
        .channel_position(1);
    let values = ArrayD::from_shape_fn(vec![3, 2, 8, 6], |i| {
        (1000 * i[0] + 100 * i[1] + 10 * i[2] + i[3]) as u16
    });
    let array = Array::create(location, &spec, IfExists::Error).unwrap();
    array.write(array.roi(), values.view()).unwrap();
    (array, values)
}

fn in_memory() -> (Array, ArrayD<u16>) {
    film(MemoryStore::new().at("film"))
}

fn flat(voxels: ArrayD<u16>, shape: [usize; 2]) -> ArrayD<u16> {
    voxels.into_shape_with_order(shape).unwrap().into_dyn()
}

#[test]
fn selected_axes_are_gone_and_the_others_stay() {
    let (array, values) = in_memory();
    let frame = array.view().select("t", 2).unwrap().select("colour", 1).unwrap();
    assert_eq!(frame.roi(), &Roi::new([0, -8], [32, 24]).unwrap());
    assert_eq!(frame.shape(), Coordinate::from([8, 6]));
    assert_eq!(frame.voxel_size(), &Coordinate::from([4, 4]));
    let names: Vec<&str> = frame.axes().iter().map(|axis| axis.name.as_str()).collect();
    assert_eq!(names, ["y", "x"]);
    let roi = Roi::new([4, -4], [8, 12]).unwrap();
    let expected = flat(part(&values, &[2..3, 1..2, 1..3, 1..4]), [2, 3]);
    assert_eq!(frame.read::<u16>(&roi).unwrap(), expected);
    // The order of the selections does not matter.
    let other = array.view().select("colour", 1).unwrap().select("t", 2).unwrap();
    assert_eq!(other.read::<u16>(&roi).unwrap(), expected);
    // An axis of space can be selected too.
    let line = array.view().select("y", 3).unwrap();
    let read = line.read::<u16>(&Roi::new([100, -8], [15, 24]).unwrap()).unwrap();
    assert_eq!(read.shape(), [3, 2, 6]);
    assert_eq!(read[[1, 1, 5]], 1135);
}

#[test]
fn a_view_has_no_voxels_outside_of_its_roi() {
    let (array, _) = in_memory();
    let roi = Roi::new([105, 4, 0], [5, 8, 8]).unwrap();
    let view = array.view().within(&roi).unwrap();
    assert_eq!(view.roi(), &roi);
    let wider = Roi::new([105, 0, 0], [5, 8, 8]).unwrap();
    assert!(matches!(view.read::<u16>(&wider), Err(ArrayError::Outside { .. })));
    let read = view.read_or_fill::<u16>(&wider, 9).unwrap();
    assert_eq!(read.into_raw_vec_and_offset().0, [9, 9, 1012, 1013, 9, 9, 1112, 1113]);
    assert!(view.clone().within(&wider).is_err());
    // Entries keep their numbers in a part.
    assert!(view.clone().select("t", 1).is_ok());
    match view.select("t", 0).unwrap_err() {
        ArrayError::Index { axis, index: 0, range } => assert_eq!((&*axis, range), ("t", 1..2)),
        error => panic!("{error}"),
    }
    let error = array.view().select("z", 0).unwrap_err().to_string();
    assert_eq!(error, r#"there is no axis "z": give one of ["t", "colour", "y", "x"]"#);
    let cut = Roi::new([105, 5, 0], [5, 8, 8]).unwrap();
    assert!(matches!(array.view().within(&cut), Err(ArrayError::Misaligned { axis: 1, .. })));
}

#[test]
fn what_is_written_through_a_view_is_in_the_array() {
    for sharing in [ChunkSharing::Refuse, ChunkSharing::Lock] {
        let (array, mut values) = in_memory();
        let array = array.with_sharing(sharing);
        let frame = array.view().select("t", 1).unwrap().select("colour", 0).unwrap();
        let patch = Array2::from_elem([4, 5], 7u16);
        frame.write(&Roi::new([8, -8], [16, 20]).unwrap(), patch.view()).unwrap();
        frame.fill(&Roi::new([8, 12], [4, 4]).unwrap(), 8u16).unwrap();
        for y in 2..6 {
            for x in 0..5 {
                values[[1, 0, y, x].as_slice()] = 7;
            }
        }
        values[[1, 0, 2, 5].as_slice()] = 8;
        assert_eq!(array.read::<u16>(array.roi()).unwrap(), values);
    }
}

#[test]
fn values_seen_in_another_way_are_read_only() {
    let (array, values) = in_memory();
    let views =
        [array.view().cast(Dtype::U16), array.view().threshold(5.0), array.view().scale(2.0, 0.0)];
    for view in views {
        assert!(view.is_read_only());
        let error = view.fill(array.roi(), 0u16).unwrap_err();
        assert!(matches!(error, ArrayError::ReadOnly { .. }), "{error}");
    }
    assert_eq!(array.read::<u16>(array.roi()).unwrap(), values);
}

#[test]
fn values_are_cast_scaled_and_compared_after_reading() {
    let (array, values) = in_memory();
    let all = array.roi();
    let view = array.view().scale(0.5, -1.0).cast(Dtype::F32);
    assert_eq!(view.dtype(), Dtype::F32);
    assert_eq!(view.read::<f32>(all).unwrap(), values.mapv(|v| f32::from(v) * 0.5 - 1.0));
    let view = array.view().threshold(1000.0);
    assert_eq!(view.read::<bool>(all).unwrap(), values.mapv(|v| v >= 1000));
    let outside = Roi::new([95, 0, -8], [5, 4, 4]).unwrap();
    assert!(view.read_or_fill::<bool>(&outside, true).unwrap().iter().all(|v| *v));
    let error = view.read::<u16>(all).unwrap_err();
    assert!(matches!(
        error,
        ArrayError::DtypeMismatch { expected: Dtype::Bool, found: Dtype::U16, .. }
    ));
    match array.view().cast(Dtype::U8).read::<u8>(all).unwrap_err() {
        ArrayError::Cast { value, dtype: Dtype::U8, .. } => assert_eq!(value, Number::Int(1000)),
        error => panic!("{error}"),
    }
}

#[test]
fn reading_a_view_reads_no_chunk_that_it_does_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film");
    let (array, values) = film(path.clone().into());
    // All other chunks are broken.
    for t in 0..3 {
        for (y, x) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            if (t, y, x) != (1, 1, 0) {
                fs::write(path.join(format!("c/{t}/0/{y}/{x}")), "broken").unwrap();
            }
        }
    }
    let roi = Roi::new([16, -8], [16, 12]).unwrap();
    let view = array.view().select("t", 1).unwrap().select("colour", 1).unwrap();
    let view = view.within(&roi).unwrap().cast(Dtype::U32);
    let expected = flat(part(&values, &[1..2, 1..2, 4..8, 0..3]), [4, 3]);
    assert_eq!(view.read::<u32>(&roi).unwrap(), expected.mapv(u32::from));
    let wider = Roi::new([12, -8], [16, 12]).unwrap();
    view.read_or_fill::<u32>(&wider, 0).unwrap();
    assert!(array.view().select("t", 1).unwrap().read::<u16>(&wider).is_err());
}

proptest! {
    #[test]
    fn a_part_of_a_view_is_that_part_of_what_the_view_shows(
        (y0, y1, x0, x1) in (0..8i64, 0..8i64, 0..6i64, 0..6i64),
        (t, colour) in (0..3u64, 0..2u64),
        (margin, factor) in (0..3i64, 1..5u8),
    ) {
        let (array, _) = in_memory();
        let view = array.view().select("t", t).unwrap().select("colour", colour).unwrap();
        let view = view.scale(f64::from(factor), 0.25).cast(Dtype::U32);
        let whole = view.read::<u32>(view.roi()).unwrap();
        let (begin, end) = ([y0.min(y1), x0.min(x1)], [y0.max(y1), x0.max(x1)]);
        let world = |[y, x]: [i64; 2]| [4 * y, 4 * x - 8];
        let roi = Roi::from_begin_end(world(begin), world(end)).unwrap();
        let inner = view.clone().within(&roi).unwrap();
        let wider = roi.grow(4 * margin, 4 * margin).unwrap();
        let read = inner.read_or_fill::<u32>(&wider, 77).unwrap();
        for (index, value) in read.indexed_iter() {
            let y = index[0] as i64 - margin;
            let x = index[1] as i64 - margin;
            let inside = (0..end[0] - begin[0]).contains(&y) && (0..end[1] - begin[1]).contains(&x);
            let place = [(begin[0] + y) as usize, (begin[1] + x) as usize];
            let expected = if inside { whole[place.as_slice()] } else { 77 };
            prop_assert_eq!(*value, expected);
        }
    }
}
