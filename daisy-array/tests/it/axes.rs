//! Axes of space and time, which are of the world, and channels, which are not.

use std::num::NonZeroU64;

use daisy_array::{
    Array, ArrayError, ArraySpec, AxisKind, Dtype, IfExists, MemoryStore, ZarrVersion,
};
use daisy_geometry::Roi;
use ndarray::Array4;

use crate::part;

fn films() -> Vec<(Array, Array4<u16>)> {
    let spec = ArraySpec::new([3, 8, 6], Dtype::U16)
        .axis_names(["t", "y", "x"])
        .axis_kinds([AxisKind::Time, AxisKind::Space, AxisKind::Space])
        .units(["s", "nm", "nm"])
        .voxel_size([5, 4, 4])
        .offset([100, 0, -8])
        .chunk_shape([1, 4, 4])
        .channels([NonZeroU64::new(2).unwrap()])
        .channel_names(["colour"])
        .channel_position(1);
    let values = Array4::from_shape_fn([3, 2, 8, 6], |(t, c, y, x)| {
        (1000 * t + 100 * c + 10 * y + x) as u16
    });
    [ZarrVersion::V2, ZarrVersion::V3]
        .into_iter()
        .map(|version| {
            let store = MemoryStore::new();
            let spec = spec.clone().version(version);
            let array = Array::create(store.at("film"), &spec, IfExists::Error).unwrap();
            array.write(array.roi(), values.view()).unwrap();
            (Array::open(store.at("film")).unwrap(), values.clone())
        })
        .collect()
}

#[test]
fn time_is_an_axis_of_rois_and_channels_are_not() {
    for (film, values) in films() {
        assert_eq!(film.roi(), &Roi::new([100, 0, -8], [15, 32, 24]).unwrap());
        assert_eq!(film.axis_names(), ["t", "y", "x"]);
        assert_eq!(film.units(), ["s", "nm", "nm"]);
        let axes: Vec<_> = film.axes().iter().map(|axis| (&*axis.name, axis.kind)).collect();
        let expected = [
            ("t", AxisKind::Time),
            ("colour", AxisKind::Channel),
            ("y", AxisKind::Space),
            ("x", AxisKind::Space),
        ];
        assert_eq!(axes, expected);
        assert_eq!(film.channels(), [2]);
        let second_frame = Roi::new([105, 4, 0], [5, 8, 8]).unwrap();
        let read = film.read::<u16>(&second_frame).unwrap();
        assert_eq!(read, part(&values, &[1..2, 0..2, 1..3, 2..4]));
    }
}

#[test]
fn margins_are_filled_in_all_channels() {
    for (film, values) in films() {
        let wider = Roi::new([95, -4, -8], [15, 8, 8]).unwrap();
        let read = film.read_or_fill::<u16>(&wider, 7).unwrap();
        assert_eq!(read.shape(), [3, 2, 2, 2]);
        assert_eq!(
            part(&read, &[1..3, 0..2, 1..2, 0..2]),
            part(&values, &[0..2, 0..2, 0..1, 0..2])
        );
        assert!(part(&read, &[0..1, 0..2, 0..2, 0..2]).iter().all(|value| *value == 7));
        assert!(part(&read, &[0..3, 0..2, 0..1, 0..2]).iter().all(|value| *value == 7));
    }
}

#[test]
fn a_channel_among_the_world_axes_of_a_description_is_refused() {
    let spec = ArraySpec::new([2, 3], Dtype::U8).axis_kinds([AxisKind::Channel, AxisKind::Space]);
    let error = Array::create(MemoryStore::new().at("a"), &spec, IfExists::Error).unwrap_err();
    assert!(matches!(error, ArrayError::SpecChannel { axis: 0 }));
    let spec = ArraySpec::new([2], Dtype::U8).channel_position(2);
    assert!(Array::create(MemoryStore::new().at("a"), &spec, IfExists::Error).is_err());
}
