//! Creating and opening: round trips of descriptions, and what is there already.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use daisy_array::{
    Array, ArrayError, ArraySpec, AxisKind, BloscCodec, ChunkPlan, Compression, Difference, Dtype,
    Durability, Element, IfExists, MemoryStore, Occupant, Scalar, ZarrVersion,
};
use daisy_geometry::{Coordinate, Roi};
use ndarray::ArrayD;

fn spec() -> ArraySpec {
    ArraySpec::new([30, 20, 10], Dtype::U8)
        .chunk_shape([8, 8, 8])
        .voxel_size([40, 4, 4])
        .offset([-80, 0, 2])
        .axis_names(["z", "y", "x"])
        .units(["nm", "nm", "nm"])
        .fill_value(7u8)
}

#[test]
fn what_is_described_is_what_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    for (name, version) in [("two", ZarrVersion::V2), ("three", ZarrVersion::V3)] {
        let path = folder.path().join("made/on/the/way").join(name);
        Array::create(&path, &spec().version(version), IfExists::Error).unwrap();
        let array = Array::open(&path).unwrap();
        assert_eq!(array.path(), path);
        assert_eq!(array.version(), version);
        assert_eq!(array.dtype(), Dtype::U8);
        assert_eq!(array.shape(), &Coordinate::from([30, 20, 10]));
        assert_eq!(array.chunk_shape(), &Coordinate::from([8, 8, 8]));
        assert_eq!(array.write_unit_world(), &Coordinate::from([320, 32, 32]));
        assert_eq!(array.voxel_size(), &Coordinate::from([40, 4, 4]));
        assert_eq!(array.offset(), &Coordinate::from([-80, 0, 2]));
        assert_eq!(array.roi(), &Roi::new([-80, 0, 2], [1200, 80, 40]).unwrap());
        assert_eq!(array.axis_names(), ["z", "y", "x"]);
        assert_eq!(array.units(), ["nm"; 3]);
        assert_eq!(array.fill_value(), Scalar::U8(7));
        assert!(array.channels().is_empty());
        let roi = Roi::new([-80, 0, 2], [40, 4, 4]).unwrap();
        assert_eq!(array.read::<u8>(&roi).unwrap(), ArrayD::from_elem(vec![1, 1, 1], 7));
    }
}

#[test]
fn defaults_are_unit_voxels_at_zero_and_chunks_of_a_quarter_million() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ArraySpec::new([1000, 1000, 10], Dtype::F32);
    let array = Array::create(folder.path().join("a"), &spec, IfExists::Error).unwrap();
    assert_eq!(array.chunk_shape(), &Coordinate::from([64, 64, 10]));
    assert_eq!(array.roi(), &Roi::new([0, 0, 0], [1000, 1000, 10]).unwrap());
    assert_eq!(array.axis_names(), ["d0", "d1", "d2"]);
    assert_eq!(array.durability(), Durability::Process);
}

#[test]
fn every_codec_makes_the_round_trip_with_and_without_shards() {
    let codecs = [
        Compression::None,
        Compression::Zstd { level: 1 },
        Compression::Gzip { level: 1 },
        Compression::Blosc { codec: BloscCodec::Lz4, level: 5 },
        Compression::Blosc { codec: BloscCodec::Zstd, level: 1 },
    ];
    let voxels = ArrayD::from_shape_fn(vec![20, 18], |i| (i[0] * 100 + i[1]) as u32);
    for compression in codecs {
        for (version, shard, checksum) in [
            (ZarrVersion::V2, None, false),
            (ZarrVersion::V3, None, true),
            (ZarrVersion::V3, Some([8, 8]), false),
            (ZarrVersion::V3, Some([4, 16]), true),
        ] {
            let mut spec = ArraySpec::new([20, 18], Dtype::U32)
                .chunk_shape([4, 8])
                .version(version)
                .compression(compression)
                .checksum(checksum);
            if let Some(shard) = shard {
                spec = spec.shard_shape(shard);
            }
            let store = MemoryStore::new();
            let array = Array::create(store.at("a/b"), &spec, IfExists::Error).unwrap();
            array.write(array.roi(), voxels.view()).unwrap();
            let again = Array::open(store.at("a/b")).unwrap();
            assert_eq!(again.read::<u32>(again.roi()).unwrap(), voxels);
            assert_eq!(again.chunk_shape(), &Coordinate::from([4, 8]));
            assert_eq!(again.shard_shape().cloned(), shard.map(Coordinate::from));
            let part = Roi::new([3, 7], [9, 4]).unwrap();
            let expected = crate::part(&voxels, &[3..12, 7..11]);
            assert_eq!(again.read::<u32>(&part).unwrap(), expected);
        }
    }
}

#[test]
fn a_plan_cuts_what_blocks_write_into_chunks() {
    let spec = ArraySpec::new([1000, 1000], Dtype::U8).voxel_size([4, 2]);
    let planned = |plan: ChunkPlan| {
        Array::create(MemoryStore::new().at("a"), &spec.clone().chunks(plan), IfExists::Error)
    };
    let array = planned(ChunkPlan::for_writes([2000, 400])).unwrap();
    assert_eq!(array.chunk_shape(), &Coordinate::from([125, 100]));
    let array = planned(ChunkPlan::for_writes_sharded([2000, 400])).unwrap();
    assert_eq!(array.chunk_shape(), &Coordinate::from([50, 50]));
    assert_eq!(array.shard_shape(), Some(&Coordinate::from([500, 200])));
    let error = planned(ChunkPlan::for_writes([2000, 401])).unwrap_err();
    assert!(matches!(error, ArrayError::SpecWriteShape { axis: 1, voxel_size: 2, found: 401 }));
    let error = planned(ChunkPlan::for_writes([2000])).unwrap_err();
    assert!(matches!(error, ArrayError::SpecDims { field: "write_shape", .. }));
}

fn round_trip<T: Element + PartialEq + Into<Scalar>>(folder: &Path, values: [T; 3], fill: T) {
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let path = folder.join(format!("{}-{version:?}", T::DTYPE));
        let spec = ArraySpec::new([4], T::DTYPE).chunk_shape([3]).version(version).fill_value(fill);
        let array = Array::create(&path, &spec, IfExists::Error).unwrap();
        let array = array.with_durability(Durability::Power);
        array.write(&Roi::new([0], [3]).unwrap(), ndarray::arr1(&values).view()).unwrap();
        let array = Array::open(&path).unwrap();
        let expected = format!("{:?}", [values[0], values[1], values[2], fill]);
        let read = array.read::<T>(array.roi()).unwrap();
        assert_eq!(format!("{:?}", read.as_slice().unwrap()), expected);
        let wanted: Scalar = fill.into();
        assert_eq!(array.fill_value().to_string(), wanted.to_string());
        // The fill value is compared as well, even where a number does not equal itself.
        Array::create(&path, &spec, IfExists::ReuseIfCompatible).unwrap();
    }
}

#[test]
fn what_writes_voxels_has_the_durability_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let blosc = Compression::Blosc { codec: BloscCodec::Lz4, level: 1 };
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        for (name, compression) in [("plain", Compression::None), ("blosc", blosc)] {
            let path = folder.path().join(format!("{name}-{version:?}"));
            let spec = ArraySpec::new([4], Dtype::U8).version(version).compression(compression);
            let array = Array::create(&path, &spec, IfExists::Error).unwrap();
            assert_eq!(array.durability(), Durability::Process);
            let array = array.with_durability(Durability::Power);
            assert_eq!(array.durability(), Durability::Power, "{name} {version:?}");
            assert_eq!(
                array.with_durability(Durability::Process).durability(),
                Durability::Process
            );
        }
    }
}

#[test]
fn every_type_makes_the_round_trip_in_both_formats() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    round_trip(folder, [true, false, true], false);
    round_trip(folder, [0u8, 1, u8::MAX], 3);
    round_trip(folder, [0u16, 1, u16::MAX], 3);
    round_trip(folder, [0u32, 1, u32::MAX], 3);
    round_trip(folder, [0u64, 1, u64::MAX], u64::MAX);
    round_trip(folder, [0i8, i8::MIN, i8::MAX], -3);
    round_trip(folder, [0i16, i16::MIN, i16::MAX], -3);
    round_trip(folder, [0i32, i32::MIN, i32::MAX], -3);
    round_trip(folder, [0i64, i64::MIN, i64::MAX], i64::MIN);
    round_trip(folder, [0.1f32, f32::MIN, f32::INFINITY], f32::NAN);
    round_trip(folder, [0.1f64, f64::MIN, f64::NEG_INFINITY], f64::NEG_INFINITY);
}

#[test]
fn channels_come_first_in_every_read_and_write() {
    let folder = tempfile::tempdir().unwrap();
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let path = folder.path().join(format!("{version:?}"));
        let spec = ArraySpec::new([6, 5], Dtype::I16)
            .channels([NonZeroU64::new(2).unwrap()])
            .chunk_shape([4, 4])
            .voxel_size([10, 10])
            .version(version);
        Array::create(&path, &spec, IfExists::Error).unwrap();
        let array = Array::open(&path).unwrap();
        assert_eq!((array.channels(), array.shape()), (&[2u64][..], &Coordinate::from([6, 5])));
        assert_eq!(array.chunk_shape(), &Coordinate::from([4, 4]));
        assert_eq!(array.axis_names(), ["d0", "d1"]);
        let values =
            ArrayD::from_shape_fn(vec![2, 3, 5], |i| (100 * i[0] + 10 * i[1] + i[2]) as i16);
        array.write(&Roi::new([20, 0], [30, 50]).unwrap(), values.view()).unwrap();
        let read = array.read_or_fill::<i16>(&Roi::new([40, 40], [10, 20]).unwrap(), -1).unwrap();
        assert_eq!(read, ndarray::array![[[24i16, -1]], [[124, -1]]].into_dyn());
        array.fill(&Roi::new([40, 40], [10, 10]).unwrap(), 5i16).unwrap();
        let read = array.read::<i16>(&Roi::new([40, 30], [10, 20]).unwrap()).unwrap();
        assert_eq!(read, ndarray::array![[[23i16, 5]], [[123, 5]]].into_dyn());
    }
}

#[test]
fn an_existing_array_is_kept_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let path = folder.path().join(format!("{version:?}"));
        let spec = spec().version(version);
        let array = Array::create(&path, &spec, IfExists::Error).unwrap();
        let roi = array.roi().clone();
        array.fill(&roi, 9u8).unwrap();
        let sum = |array: &Array| -> u64 {
            array.read::<u8>(&roi).unwrap().iter().map(|v| u64::from(*v)).sum()
        };

        let error = Array::create(&path, &spec, IfExists::Error).unwrap_err();
        assert!(matches!(error, ArrayError::AlreadyExists { .. }), "{error}");
        let other_codec = spec.clone().compression(Compression::None);
        let reused = Array::create(&path, &other_codec, IfExists::ReuseIfCompatible).unwrap();
        assert_eq!(sum(&reused), 9 * 6000);
        // Leftovers of killed writers are no reason not to overwrite.
        fs::write(path.join(".daisy-tmp-1-1"), "half").unwrap();
        let fresh = Array::create(&path, &spec, IfExists::Overwrite).unwrap();
        assert_eq!(sum(&fresh), 7 * 6000);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert!(names.len() <= 2, "nothing stays beside the arrays: {names:?}");
    }
}

#[test]
fn every_difference_is_named_with_both_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    Array::create(&path, &spec(), IfExists::Error).unwrap();
    let other = ArraySpec::new([30, 20, 11], Dtype::U16)
        .chunk_shape([8, 8, 4])
        .voxel_size([40, 4, 5])
        .offset([-80, 0, 0])
        .axis_names(["t", "y", "x"])
        .units(["nm", "nm", "um"])
        .version(ZarrVersion::V2);
    let error = Array::create(&path, &other, IfExists::ReuseIfCompatible).unwrap_err();
    let text = error.to_string();
    let ArrayError::Incompatible { differences, .. } = error else { panic!("{text}") };
    let difference = |field, existing: &str, wanted: &str| Difference {
        field,
        existing: existing.to_owned(),
        wanted: wanted.to_owned(),
    };
    let expected = [
        difference("zarr_version", "V3", "V2"),
        difference("shape", "(30, 20, 10)", "(30, 20, 11)"),
        difference("dtype", "u8", "u16"),
        difference("chunk_shape", "(8, 8, 8)", "(8, 8, 4)"),
        difference("voxel_size", "(40, 4, 4)", "(40, 4, 5)"),
        difference("offset", "(-80, 0, 2)", "(-80, 0, 0)"),
        difference("axis_names", r#"["z", "y", "x"]"#, r#"["t", "y", "x"]"#),
        difference("units", r#"["nm", "nm", "nm"]"#, r#"["nm", "nm", "um"]"#),
        difference("fill_value", "7", "0"),
    ];
    assert_eq!(differences, expected);
    assert!(text.contains("dtype is u8, wanted u16;"), "{text}");
}

#[test]
fn what_is_not_an_array_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let all = [
        IfExists::Error,
        IfExists::ReuseIfCompatible,
        IfExists::ReplaceIfDifferent,
        IfExists::Overwrite,
    ];
    let refused = |path: &Path| {
        for if_exists in all {
            let error = Array::create(path, &spec(), if_exists).unwrap_err();
            assert!(matches!(error, ArrayError::Occupied { .. }), "{error}");
        }
        match Array::open(path).unwrap_err() {
            ArrayError::NotAnArray { found, .. } => found,
            error => panic!("{error}"),
        }
    };

    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert_eq!(refused(&file), Occupant::File);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    let thesis = folder.path().join("thesis");
    fs::create_dir(&thesis).unwrap();
    fs::write(thesis.join("chapter-1"), "precious").unwrap();
    assert_eq!(refused(&thesis), Occupant::Folder { entry: Some("chapter-1".into()) });
    assert!(thesis.join("chapter-1").exists());

    let group = folder.path().join("group");
    fs::create_dir(&group).unwrap();
    fs::write(group.join("zarr.json"), r#"{"zarr_format": 3, "node_type": "group"}"#).unwrap();
    assert_eq!(refused(&group), Occupant::Group);
    let group = folder.path().join("group-2");
    fs::create_dir(&group).unwrap();
    fs::write(group.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    assert_eq!(refused(&group), Occupant::Group);

    // An array with something else in its folder is only reused.
    let mixed = folder.path().join("mixed");
    Array::create(&mixed, &spec(), IfExists::Error).unwrap();
    fs::write(mixed.join("notes.txt"), "precious").unwrap();
    let error = Array::create(&mixed, &spec(), IfExists::Overwrite).unwrap_err();
    let ArrayError::Occupied { found, .. } = error else { panic!("{error}") };
    assert_eq!(found, Occupant::ArrayWith { entry: "notes.txt".into() });
    Array::create(&mixed, &spec(), IfExists::ReuseIfCompatible).unwrap();
}

#[test]
fn an_empty_folder_is_no_obstacle_and_no_array() {
    let folder = tempfile::tempdir().unwrap();
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let path = folder.path().join(format!("{version:?}"));
        fs::create_dir(&path).unwrap();
        let error = Array::open(&path).unwrap_err();
        assert!(matches!(
            error,
            ArrayError::NotAnArray { found: Occupant::Folder { entry: None }, .. }
        ));
        Array::create(&path, &spec().version(version), IfExists::Error).unwrap();
        assert_eq!(Array::open(&path).unwrap().offset(), &Coordinate::from([-80, 0, 2]));
    }
}

#[test]
fn a_wrong_description_names_its_field_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let refuse = |spec: &ArraySpec| {
        let error = Array::create(&path, spec, IfExists::Overwrite).unwrap_err();
        assert!(!path.exists());
        error
    };
    let small = |field, axis, least, found| {
        format!("{field} is {found} on axis {axis}: give at least {least}")
    };
    assert_eq!(refuse(&spec().chunk_shape([8, 0, 8])).to_string(), small("chunk_shape", 1, 1, 0));
    assert_eq!(refuse(&spec().voxel_size([8, 8, -1])).to_string(), small("voxel_size", 2, 1, -1));
    let negative = ArraySpec::new([3, -3], Dtype::U8);
    assert_eq!(refuse(&negative).to_string(), small("shape", 1, 0, -3));
    for (spec, wrong) in [
        (spec().chunk_shape([8, 8]), "chunk_shape"),
        (spec().voxel_size([8]), "voxel_size"),
        (spec().offset([0; 4]), "offset"),
        (spec().axis_names(["x"]), "axis_names"),
        (spec().axis_kinds([AxisKind::Space]), "axis_kinds"),
        (spec().shard_shape([8, 8]), "shard_shape"),
        (spec().units(["nm"; 4]), "units"),
    ] {
        match refuse(&spec) {
            ArrayError::SpecDims { field, expected: 3, .. } => assert_eq!(field, wrong),
            error => panic!("{error}"),
        }
    }
    let error = refuse(&spec().fill_value(7u16));
    assert!(matches!(error, ArrayError::SpecFillValue { expected: Dtype::U8, found: Dtype::U16 }));
    let error = refuse(&spec().compression(Compression::Gzip { level: 10 }));
    assert!(matches!(error, ArrayError::SpecLevel { most: 9, found: 10 }));
    let error = refuse(&spec().compression(Compression::Zstd { level: 23 }));
    assert!(matches!(error, ArrayError::SpecLevel { most: 22, found: 23 }));
    let error = refuse(&ArraySpec::new([i64::MAX], Dtype::U8).voxel_size([2]));
    assert!(matches!(error, ArrayError::Geometry(_)), "{error}");
    let error = refuse(&ArraySpec::new([10], Dtype::U8).offset([i64::MAX]));
    assert!(matches!(error, ArrayError::Geometry(_)), "{error}");
}

#[test]
fn arrays_with_no_voxels_or_no_axes_work() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ArraySpec::new([0, 5], Dtype::U8);
    let array = Array::create(folder.path().join("a"), &spec, IfExists::Error).unwrap();
    let array = Array::open(array.path()).unwrap();
    assert_eq!(array.read::<u8>(array.roi()).unwrap().shape(), [0, 5]);
    array.fill(array.roi(), 3u8).unwrap();
    let spec = ArraySpec::new(Coordinate::default(), Dtype::U8);
    match Array::create(folder.path().join("b"), &spec, IfExists::Error) {
        Ok(array) => assert_eq!(array.read::<u8>(array.roi()).unwrap().len(), 1),
        Err(error) => panic!("{error}"),
    }
}
