//! OME-NGFF images: written and read, by hand-written metadata of others, exactly or not at all.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use daisy_array::{
    Array, ArrayError, ArraySpec, AxisKind, Dtype, IfExists, MemoryStore, Multiscale, OmeOptions,
    OmeProblem, OmeVersion, ZarrVersion,
};
use daisy_geometry::{Coordinate, Roi};
use ndarray::ArrayD;

const VERSIONS: [(OmeVersion, ZarrVersion); 2] =
    [(OmeVersion::V0_4, ZarrVersion::V2), (OmeVersion::V0_5, ZarrVersion::V3)];

fn film() -> ArraySpec {
    ArraySpec::new([3, 9, 8], Dtype::U16)
        .axis_names(["t", "y", "x"])
        .axis_kinds([AxisKind::Time, AxisKind::Space, AxisKind::Space])
        .units(["s", "nm", "nm"])
        .voxel_size([5, 4, 6])
        .offset([100, 0, -8])
        .chunk_shape([1, 4, 4])
        .channels([NonZeroU64::new(2).unwrap()])
        .channel_names(["c"])
        .channel_position(1)
}

fn factors() -> [Coordinate; 2] {
    [Coordinate::from([1, 2, 2]), Coordinate::from([1, 4, 4])]
}

#[test]
fn what_is_written_is_opened_in_both_versions() {
    for (version, zarr) in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.zarr");
        let made =
            Multiscale::create(&path, &film(), &factors(), version, IfExists::Error).unwrap();
        for (level, array) in made.levels().iter().enumerate() {
            array.fill(array.roi(), level as u16 + 1).unwrap();
        }
        let image = Multiscale::open(&path).unwrap();
        assert_eq!((image.version(), image.name()), (version, None));
        let [fine, middle, coarse] = image.levels() else { panic!("three levels") };
        assert_eq!(fine.version(), zarr);
        assert_eq!(fine.roi(), &Roi::new([100, 0, -8], [15, 36, 48]).unwrap());
        assert_eq!(fine.channels(), [2]);
        assert_eq!(fine.units(), ["second", "nanometer", "nanometer"]);
        assert_eq!(middle.voxel_size(), &Coordinate::from([5, 8, 12]));
        // Nine voxels are five of twice the size, and three of four times.
        assert_eq!(middle.shape(), &Coordinate::from([3, 5, 4]));
        assert_eq!(coarse.shape(), &Coordinate::from([3, 3, 2]));
        assert_eq!(coarse.chunk_shape(), &Coordinate::from([1, 4, 4]));
        for (level, array) in image.levels().iter().enumerate() {
            let values = array.read::<u16>(array.roi()).unwrap();
            assert!(values.iter().all(|value| *value == level as u16 + 1));
            // An array opened alone lies where the image says.
            let alone = Array::open(path.join(level.to_string())).unwrap();
            assert_eq!(alone.roi(), array.roi());
            assert_eq!(alone.id(), array.id());
        }
    }
}

#[test]
fn an_existing_image_is_kept_unless_told_otherwise() {
    for (version, _) in VERSIONS {
        let store = MemoryStore::new();
        let create = |spec: &ArraySpec, if_exists| {
            Multiscale::create(store.at("a"), spec, &factors(), version, if_exists)
        };
        let first = create(&film(), IfExists::Error).unwrap();
        first.levels()[2].fill(first.levels()[2].roi(), 3u16).unwrap();
        assert!(matches!(create(&film(), IfExists::Error), Err(ArrayError::AlreadyExists { .. })));
        let again = create(&film(), IfExists::ReuseIfCompatible).unwrap();
        let coarse = &again.levels()[2];
        assert!(coarse.read::<u16>(coarse.roi()).unwrap().iter().all(|value| *value == 3));

        let elsewhere = film().offset([100, 0, -9]);
        match create(&elsewhere, IfExists::ReuseIfCompatible).unwrap_err() {
            ArrayError::Incompatible { differences, .. } => {
                assert_eq!(differences.len(), 1);
                assert_eq!(differences[0].field, "levels");
                assert!(differences[0].existing.starts_with("0: (5, 4, 6) from (100, 0, -8)"));
                assert!(differences[0].wanted.starts_with("0: (5, 4, 6) from (100, 0, -9)"));
            }
            error => panic!("{error}"),
        }
        let new = create(&elsewhere, IfExists::Overwrite).unwrap();
        assert_eq!(new.levels()[0].offset(), &Coordinate::from([100, 0, -9]));
        assert!(
            new.levels()[2].read::<u16>(new.levels()[2].roi()).unwrap().iter().all(|v| *v == 0)
        );
        // A level that would be left over is not deleted.
        let fewer = Multiscale::create(store.at("a"), &film(), &[], version, IfExists::Overwrite);
        let problem = ome_problem(fewer.unwrap_err());
        assert!(matches!(problem, OmeProblem::MoreLevels { path } if path == "1"));
    }
}

#[test]
fn axes_that_no_image_may_have_are_refused_before_anything_is_made() {
    let store = MemoryStore::new();
    let create = |spec: &ArraySpec, factors: &[Coordinate]| {
        let version = OmeVersion::V0_5;
        Multiscale::create(store.at("a"), spec, factors, version, IfExists::Error).unwrap_err()
    };
    let one_axis = ArraySpec::new([8], Dtype::U8);
    assert!(matches!(ome_problem(create(&one_axis, &[])), OmeProblem::Invalid { .. }));
    let channel_last = ArraySpec::new([8, 8], Dtype::U8)
        .channels([NonZeroU64::new(2).unwrap()])
        .channel_position(2);
    assert!(matches!(ome_problem(create(&channel_last, &[])), OmeProblem::Invalid { .. }));
    let factor = Coordinate::from([1, 0, 2]);
    assert!(matches!(ome_problem(create(&film(), &[factor])), OmeProblem::Factors { .. }));
    assert!(matches!(Multiscale::open(store.at("a")), Err(ArrayError::NotFound { .. })));
}

fn ome_problem(error: ArrayError) -> OmeProblem {
    match error {
        ArrayError::Ome { problem, .. } => problem,
        error => panic!("{error}"),
    }
}

/// An image as others write it, in micrometres, with one level of 4 x 6 voxels without attributes.
fn foreign(folder: &Path, transformations: &str, of_image: &str) {
    let axes = r#"[{"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"}]"#;
    let image = format!(
        r#"{{"multiscales": [{{"version": "0.4", "name": "cells", "axes": {axes}, {of_image}
            "datasets": [{{"path": "deep/s0", "coordinateTransformations": {transformations}}}]}}],
            "omero": {{"channels": []}}}}"#
    );
    fs::write(folder.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    fs::write(folder.join(".zattrs"), image).unwrap();
    let level = folder.join("deep/s0");
    fs::create_dir_all(&level).unwrap();
    let zarray = r#"{"zarr_format": 2, "shape": [4, 6], "chunks": [2, 2], "dtype": "|u1",
        "compressor": null, "fill_value": 5, "order": "C", "filters": null,
        "dimension_separator": "/"}"#;
    fs::write(level.join(".zarray"), zarray).unwrap();
}

#[test]
fn fractions_are_refused_in_a_coarse_unit_and_exact_in_a_fine_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let transformations = r#"[{"type": "scale", "scale": [0.029, 0.004]},
        {"type": "translation", "translation": [-1.5, 2]}]"#;
    foreign(path, transformations, "");
    match ome_problem(Multiscale::open(path).unwrap_err()) {
        OmeProblem::NotWhole { field, axis, found } => {
            assert_eq!((field, &*axis, &*found), ("scale", "y", "29e-3"));
        }
        problem => panic!("{problem}"),
    }
    let image = Multiscale::open_with(path, &OmeOptions::default().space_unit("nm")).unwrap();
    assert_eq!(image.name(), Some("cells"));
    let level = &image.levels()[0];
    assert_eq!(level.voxel_size(), &Coordinate::from([29, 4]));
    assert_eq!(level.offset(), &Coordinate::from([-1500, 2000]));
    assert_eq!(
        (level.units(), level.axis_names()),
        (&["nm".into(), "nm".into()][..], &["y".into(), "x".into()][..])
    );
    assert_eq!(level.read::<u8>(level.roi()).unwrap(), ArrayD::from_elem(vec![4, 6], 5u8));
    // Not even a nanometre is fine enough here.
    foreign(path, &transformations.replace("0.004", "0.0045"), "");
    let in_nanometres = OmeOptions::default().space_unit("nanometer");
    let problem = ome_problem(Multiscale::open_with(path, &in_nanometres).unwrap_err());
    assert!(matches!(problem, OmeProblem::NotWhole { field: "scale", .. }), "{problem}");
    let seconds = OmeOptions::default().space_unit("s");
    let problem = ome_problem(Multiscale::open_with(path, &seconds).unwrap_err());
    assert!(matches!(problem, OmeProblem::Unit { .. }), "{problem}");
}

#[test]
fn the_transformations_of_the_image_come_after_those_of_the_level() {
    let folder = tempfile::tempdir().unwrap();
    let level = r#"[{"type": "scale", "scale": [0.5, 2]},
        {"type": "translation", "translation": [1.5, 3]}]"#;
    let image = r#""coordinateTransformations": [{"type": "scale", "scale": [8, 10]},
        {"type": "translation", "translation": [100, 0]}],"#;
    foreign(folder.path(), level, image);
    let image = Multiscale::open(folder.path()).unwrap();
    assert_eq!(image.levels()[0].voxel_size(), &Coordinate::from([4, 20]));
    assert_eq!(image.levels()[0].offset(), &Coordinate::from([112, 30]));
}

#[test]
fn numbers_that_single_precision_does_not_hold_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let level = r#"[{"type": "scale", "scale": [16777217, 1]},
        {"type": "translation", "translation": [123456789, -16777219]}]"#;
    foreign(folder.path(), level, "");
    let image = Multiscale::open(folder.path()).unwrap();
    assert_eq!(image.levels()[0].voxel_size(), &Coordinate::from([16_777_217, 1]));
    assert_eq!(image.levels()[0].offset(), &Coordinate::from([123_456_789, -16_777_219]));
}

#[test]
fn levels_that_say_themselves_where_they_lie_say_it_in_the_units_of_the_file() {
    let store = MemoryStore::new();
    let spec = ArraySpec::new([64, 64], Dtype::U8)
        .voxel_size([4, 4])
        .offset([8, 0])
        .axis_names(["y", "x"])
        .units(["nm", "nm"]);
    Multiscale::create(store.at("a"), &spec, &[], OmeVersion::V0_5, IfExists::Error).unwrap();
    let finer = OmeOptions::default().space_unit("angstrom");
    let image = Multiscale::open_with(store.at("a"), &finer).unwrap();
    assert_eq!(image.levels()[0].voxel_size(), &Coordinate::from([40, 40]));
    assert_eq!(image.levels()[0].offset(), &Coordinate::from([80, 0]));
}

#[test]
fn metadata_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let scale = r#"[{"type": "scale", "scale": [4, 4]}]"#;
    foreign(path, scale, "");
    let zattrs = fs::read_to_string(path.join(".zattrs")).unwrap();
    let problem = |from: &str, to: &str| {
        assert!(zattrs.contains(from));
        fs::write(path.join(".zattrs"), zattrs.replace(from, to)).unwrap();
        ome_problem(Multiscale::open(path).unwrap_err())
    };
    for out in ["../s0", "/s0", "deep/../../s0", ""] {
        assert!(matches!(problem("deep/s0", out), OmeProblem::Path { found } if found == out));
    }
    assert!(matches!(problem("[4, 4]", "[4, 0]"), OmeProblem::NotPositive { axis } if axis == "x"));
    assert!(matches!(problem("[4, 4]", "[4]"), OmeProblem::Invalid { .. }));
    assert!(matches!(problem("multiscales", "plates"), OmeProblem::NoImage));
    assert!(matches!(problem("0.4", "0.1"), OmeProblem::Invalid { .. }));
    // A level that says itself where it lies, and says something else.
    fs::write(path.join(".zattrs"), &zattrs).unwrap();
    fs::write(path.join("deep/s0/.zattrs"), r#"{"resolution": [4, 4]}"#).unwrap();
    Multiscale::open(path).unwrap();
    fs::write(path.join("deep/s0/.zattrs"), r#"{"resolution": [4, 8]}"#).unwrap();
    let problem = ome_problem(Multiscale::open(path).unwrap_err());
    assert!(matches!(problem, OmeProblem::Contradicts), "{problem}");
    assert!(matches!(
        Multiscale::open(path.join("deep/s0")),
        Err(ArrayError::Ome { problem: OmeProblem::NoImage, .. })
    ));
}
