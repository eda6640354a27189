//! Arrays that other programs wrote, as their files.

use std::fs;
use std::path::Path;

use daisy_array::{Array, ArrayError, AttributeProblem, Scalar, ZarrVersion};
use daisy_geometry::{Coordinate, Roi};

fn zarray(folder: &Path, zarray: &str, zattrs: &str) {
    fs::write(folder.join(".zarray"), zarray).unwrap();
    fs::write(folder.join(".zattrs"), zattrs).unwrap();
}

const BIG_ENDIAN: &str = r#"{"zarr_format": 2, "shape": [2, 3], "chunks": [2, 2], "dtype": ">u2",
    "compressor": null, "fill_value": null, "order": "F", "filters": null}"#;

#[test]
fn older_keys_and_dots_and_big_endian_columns_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    zarray(path, BIG_ENDIAN, r#"{"resolution": [40.0, 4.0], "offset": [-400, 8]}"#);
    // Column-major: [[1, 3], [2, 4]].
    fs::write(path.join("0.0"), [0, 1, 0, 2, 0, 3, 0, 4]).unwrap();
    let array = Array::open(path).unwrap();
    assert_eq!(array.version(), ZarrVersion::V2);
    assert_eq!(array.voxel_size(), &Coordinate::from([40, 4]));
    assert_eq!(array.roi(), &Roi::new([-400, 8], [80, 12]).unwrap());
    assert_eq!(array.fill_value(), Scalar::U16(0));
    let expected = ndarray::array![[1u16, 3, 0], [2, 4, 0]].into_dyn();
    assert_eq!(array.read::<u16>(array.roi()).unwrap(), expected);
    let last = Roi::new([-400, 16], [80, 4]).unwrap();
    array.write(&last, ndarray::array![[5u16], [6]].view()).unwrap();
    assert_eq!(fs::read(path.join("0.1")).unwrap()[..4], [0, 5, 0, 6]);
}

#[test]
fn a_voxel_size_shorter_than_the_shape_leaves_channels() {
    let folder = tempfile::tempdir().unwrap();
    zarray(folder.path(), BIG_ENDIAN, r#"{"voxel_size": [4], "offset": [8]}"#);
    let array = Array::open(folder.path()).unwrap();
    assert_eq!((array.channels(), array.shape()), (&[2u64][..], &Coordinate::from([3])));
    let part = array.read::<u16>(&Roi::new([8], [8]).unwrap()).unwrap();
    assert_eq!(part.shape(), [2, 2]);
}

#[test]
fn attributes_that_contradict_each_other_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    zarray(path, BIG_ENDIAN, r#"{"voxel_size": [4, 4], "offset": [8]}"#);
    let error = Array::open(path).unwrap_err();
    assert!(matches!(
        &error,
        ArrayError::Attribute {
            key,
            problem: AttributeProblem::Length { expected: 2, found: 1 },
            ..
        } if key == "offset"
    ));
    let text = error.to_string();
    assert!(text.ends_with("it has 1 entries: give 2"), "{text}");
    zarray(path, BIG_ENDIAN, r#"{"voxel_size": [1.5, 4]}"#);
    let text = Array::open(path).unwrap_err().to_string();
    assert!(text.ends_with("entry 0 is 1.5: give whole numbers, in a finer unit if need be"));
    zarray(path, BIG_ENDIAN, r#"{"voxel_size": [4, 4], "offset": [9223372036854775807, 0]}"#);
    assert!(matches!(Array::open(path), Err(ArrayError::Geometry(_))));
}

#[test]
fn metadata_that_are_broken_or_unsupported_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for bad in [
        "{",
        "[]",
        r#"{"zarr_format": 2}"#,
        &BIG_ENDIAN.replace("[2, 2]", "[2, 0]"),
        &BIG_ENDIAN.replace("[2, 2]", "[2]"),
        &BIG_ENDIAN.replace(r#""compressor": null"#, r#""compressor": {"id": "made-up"}"#),
    ] {
        zarray(path, bad, "{}");
        let error = Array::open(path).unwrap_err();
        assert!(matches!(error, ArrayError::Metadata { .. }), "{bad}: {error}");
    }
    let complex =
        BIG_ENDIAN.replace(">u2", "<c8").replace("null, \"order\"", "[0.0, 0.0], \"order\"");
    zarray(path, &complex, "{}");
    match Array::open(path).unwrap_err() {
        ArrayError::UnsupportedDtype { found, .. } => assert_eq!(found, "<c8"),
        error => panic!("{error}"),
    }
    zarray(path, BIG_ENDIAN, "not json");
    assert!(matches!(Array::open(path), Err(ArrayError::Metadata { .. })));
    fs::write(path.join("zarr.json"), "{").unwrap();
    assert!(matches!(Array::open(path), Err(ArrayError::Metadata { .. })));
}

/// Written by hand after the Zarr v3 specification: shards of 4 x 4 made of chunks of 2 x 2.
const SHARDED: &str = r#"{"zarr_format": 3, "node_type": "array", "shape": [8, 8],
    "data_type": "uint8", "fill_value": 0,
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
    "codecs": [{"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 2],
        "codecs": [{"name": "bytes"}], "index_codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}}],
    "attributes": {"voxel_size": [2, 2], "units": ["nm", "nm"]},
    "dimension_names": ["y", null]}"#;

#[test]
fn the_unit_of_writing_is_the_shard() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("zarr.json"), SHARDED).unwrap();
    let array = Array::open(folder.path()).unwrap();
    assert_eq!(array.chunk_shape(), &Coordinate::from([2, 2]));
    assert_eq!(array.shard_shape(), Some(&Coordinate::from([4, 4])));
    assert_eq!(array.write_unit_world(), &Coordinate::from([8, 8]));
    assert_eq!(array.axis_names(), ["y", "d1"]);
    array.fill(&Roi::new([0, 4], [6, 6]).unwrap(), 1u8).unwrap();
    let read = array.read_or_fill::<u8>(array.roi(), 0).unwrap();
    assert_eq!(read.iter().filter(|v| **v == 1).count(), 9);
    assert_eq!(array.read::<u8>(&Roi::new([4, 6], [4, 2]).unwrap()).unwrap().sum(), 1);
    assert!(folder.path().join("c.0.1").is_file());
    // An index that points beyond the file is an error, not a huge allocation.
    let shard = folder.path().join("c.0.0");
    let length = fs::metadata(&shard).unwrap().len();
    fs::write(&shard, vec![0x7f; length as usize]).unwrap();
    assert!(array.read::<u8>(&Roi::new([0, 0], [2, 8]).unwrap()).is_err());
}
