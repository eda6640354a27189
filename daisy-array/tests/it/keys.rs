//! Attributes under keys of one's own, and those of other programs.

use std::fs;

use daisy_array::{
    Array, ArrayError, ArraySpec, AttributeProblem, AxisKind, Dtype, IfExists, MemoryStore,
    MetadataKeys, OpenOptions, ZarrVersion,
};
use daisy_geometry::Roi;
use serde_json::json;

fn keys() -> MetadataKeys {
    MetadataKeys::default()
        .voxel_size("scan/stages/0/pitch")
        .offset("scan/stages/0/start")
        .axis_names("axes")
        .units("scan/units")
        .types("scan/types")
}

#[test]
fn what_is_written_under_keys_of_ones_own_is_read_under_them() {
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let store = MemoryStore::new();
        let more = json!({"scan": {"operator": "me"}, "note": [1, 2]});
        let spec = ArraySpec::new([4, 6], Dtype::U8)
            .voxel_size([4, 5])
            .offset([-8, 5])
            .axis_names(["t", "x"])
            .axis_kinds([AxisKind::Time, AxisKind::Space])
            .units(["s", "nm"])
            .version(version)
            .keys(keys())
            .attributes(more.as_object().unwrap().clone());
        Array::create(store.at("a"), &spec, IfExists::Error).unwrap();
        let options = OpenOptions::default().keys(keys());
        let array = Array::open_with(store.at("a"), &options).unwrap();
        assert_eq!(array.roi(), &Roi::new([-8, 5], [16, 30]).unwrap());
        assert_eq!(
            (array.axis_names(), array.units()),
            (&["t".into(), "x".into()][..], &["s".into(), "nm".into()][..])
        );
        assert_eq!(array.axes()[0].kind, AxisKind::Time);
        assert_eq!(
            array.attributes()["scan"]["stages"],
            json!([{"pitch": [4, 5], "start": [-8, 5]}])
        );
        assert_eq!(array.attributes()["scan"]["operator"], "me");
        // The same description finds the same array, and another offset is not overlooked.
        Array::create(store.at("a"), &spec, IfExists::ReuseIfCompatible).unwrap();
        let moved = spec.offset([-8, 10]);
        match Array::create(store.at("a"), &moved, IfExists::ReuseIfCompatible).unwrap_err() {
            ArrayError::Incompatible { differences, .. } => {
                assert_eq!(differences.len(), 1);
                assert_eq!((differences[0].field, &*differences[0].wanted), ("offset", "(-8, 10)"));
            }
            error => panic!("{error}"),
        }
    }
}

#[test]
fn a_key_of_ones_own_that_is_missing_or_wrong_is_an_error_with_its_path() {
    let store = MemoryStore::new();
    let spec = ArraySpec::new([4], Dtype::U8).voxel_size([4]);
    Array::create(store.at("a"), &spec, IfExists::Error).unwrap();
    let open = |keys: MetadataKeys| match Array::open_with(
        store.at("a"),
        &OpenOptions::default().keys(keys),
    )
    .unwrap_err()
    {
        ArrayError::Attribute { key, problem, .. } => (key, problem),
        error => panic!("{error}"),
    };
    let default = MetadataKeys::default;
    let missing = ("scan/pitch".to_owned(), AttributeProblem::Missing);
    assert_eq!(open(default().voxel_size("scan/pitch")), missing);
    let no_list = ("voxel_size/0".to_owned(), AttributeProblem::NotAList);
    assert_eq!(open(default().offset("voxel_size/0")), no_list);

    let full = json!({"scan": 3}).as_object().unwrap().clone();
    let spec = spec.keys(default().voxel_size("scan/pitch")).attributes(full);
    let error = Array::create(store.at("b"), &spec, IfExists::Error).unwrap_err();
    assert!(matches!(
        error,
        ArrayError::SpecAttribute { problem: AttributeProblem::NoSuchPath, .. }
    ));
}

/// As daisy 0.2 and the library that followed it wrote them.
#[test]
fn the_keys_of_older_programs_are_understood_without_being_told() {
    let zarray = r#"{"zarr_format": 2, "shape": [3, 8, 8], "chunks": [3, 4, 4], "dtype": "|u1",
        "compressor": null, "fill_value": 0, "order": "C", "filters": null}"#;
    for (attributes, channels) in [
        (r#"{"resolution": [4, 5], "offset": [40, 0]}"#, 1),
        (r#"{"resolution": [2, 4, 5], "offset": [0, 40, 0]}"#, 0),
        (r#"{"voxel_size": [4.0, 5.0], "offset": [40, 0], "axis_names": ["c^", "y", "x"]}"#, 1),
        (
            r#"{"voxel_size": [4, 5], "offset": [40, 0], "units": ["nm", "nm"],
            "axis_names": ["c", "y", "x"], "types": ["channel", "space", "space"]}"#,
            1,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".zarray"), zarray).unwrap();
        fs::write(folder.path().join(".zattrs"), attributes).unwrap();
        let array = Array::open(folder.path()).unwrap();
        assert_eq!(array.channels().len(), channels, "{attributes}");
        let dims = array.voxel_size().dims();
        assert_eq!(array.voxel_size().as_slice()[dims - 2..], [4, 5]);
        assert_eq!(array.offset().as_slice()[dims - 2..], [40, 0]);
    }
    // Half a world unit is none.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".zarray"), zarray).unwrap();
    fs::write(folder.path().join(".zattrs"), r#"{"resolution": [1.5, 2, 3]}"#).unwrap();
    match Array::open(folder.path()).unwrap_err() {
        ArrayError::Attribute { key, problem, .. } => {
            assert_eq!(key, "resolution");
            let found = "1.5".to_owned();
            assert_eq!(problem, AttributeProblem::NotAnInteger { index: 0, found });
        }
        error => panic!("{error}"),
    }
}
