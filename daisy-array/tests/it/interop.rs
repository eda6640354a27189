//! Other programs read what this crate writes, and the reverse.

use std::num::NonZeroU64;
use std::path::Path;

use daisy_array::{
    Array, ArrayError, ArraySpec, BloscCodec, Compression, Dtype, IfExists, ZarrVersion,
};
use daisy_geometry::Roi;
use ndarray::Array2;

use crate::python::{python, run};

/// Reads our arrays, and writes them again beside them.
const ZARR: &str = r#"
import sys, numpy as np, zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ZstdCodec
folder = sys.argv[1]
expected = np.arange(600, dtype=np.int32).reshape(30, 20) - 300
for name in ("2", "3", "sharded"):
    a = zarr.open_array(f"{folder}/{name}", mode="r")
    assert a.shape == (30, 20) and a.dtype == np.int32, (a.shape, a.dtype)
    assert list(a.attrs["offset"]) == [-40, 8] and list(a.attrs["voxel_size"]) == [4, 8]
    assert list(a.attrs["axis_names"]) == ["y", "x"] and list(a.attrs["units"]) == ["nm", "nm"]
    assert a.chunks == (7, 6) and a.shards == ((14, 12) if name == "sharded" else None)
    assert (a[:] == expected).all()
    more = {"shards": (14, 12)} if name == "sharded" else {}
    if name != "2":
        more["compressors"] = [BloscCodec(cname="lz4", shuffle="bitshuffle"), Crc32cCodec()]
    b = zarr.create_array(f"{folder}/python-{name}", shape=(30, 20), chunks=(7, 6), dtype="int32",
        zarr_format=2 if name == "2" else 3, attributes=dict(a.attrs), **more)
    b[:] = expected
"#;

/// Reads our array by world units, and makes one of its own.
const FUNLIB: &str = r#"
import sys, numpy as np
from funlib.geometry import Coordinate, Roi
from funlib.persistence import open_ds, prepare_ds
folder = sys.argv[1]
expected = np.arange(600, dtype=np.int32).reshape(30, 20) - 300
for name in ("2", "3", "sharded"):
    a = open_ds(f"{folder}/{name}")
    assert a.roi == Roi((-40, 8), (120, 160)) and a.voxel_size == Coordinate(4, 8), a.roi
    assert list(a.axis_names) == ["y", "x"] and list(a.units) == ["nm", "nm"]
    assert (a[Roi((-32, 24), (8, 16))] == expected[2:4, 2:4]).all()
b = prepare_ds(f"{folder}/funlib", shape=(2, 30, 20), offset=(-40, 8), voxel_size=(4, 8),
    axis_names=["c^", "y", "x"], units=["nm", "nm"], dtype=np.int32, chunk_shape=(2, 7, 6))
b[b.roi] = np.stack([expected, -expected])
"#;

fn write(path: &Path, spec: ArraySpec, compression: Compression) -> Array2<i32> {
    let spec = spec
        .chunk_shape([7, 6])
        .voxel_size([4, 8])
        .offset([-40, 8])
        .axis_names(["y", "x"])
        .units(["nm", "nm"])
        .compression(compression);
    let array = Array::create(path, &spec, IfExists::Error).unwrap();
    let values = Array2::from_shape_fn([30, 20], |(y, x)| (20 * y + x) as i32 - 300);
    array.write(array.roi(), values.view()).unwrap();
    values
}

/// The same values in Zarr v2, in v3 and in shards.
fn write_all(folder: &Path, compression: Compression) -> Array2<i32> {
    let spec = || ArraySpec::new([30, 20], Dtype::I32);
    write(&folder.join("2"), spec().version(ZarrVersion::V2), compression);
    write(&folder.join("sharded"), spec().shard_shape([14, 12]).checksum(true), compression);
    write(&folder.join("3"), spec(), compression)
}

#[test]
fn the_reference_implementation_reads_what_we_write_and_the_reverse() {
    let Some(python) = python() else { return };
    let codecs = [
        Compression::None,
        Compression::Zstd { level: 3 },
        Compression::Gzip { level: 5 },
        Compression::Blosc { codec: BloscCodec::Lz4, level: 5 },
    ];
    for compression in codecs {
        let folder = tempfile::tempdir().unwrap();
        let values = write_all(folder.path(), compression);
        run(python, ZARR, folder.path());
        for name in ["python-2", "python-3", "python-sharded"] {
            let array = Array::open(folder.path().join(name)).unwrap();
            assert_eq!(array.read::<i32>(array.roi()).unwrap(), values.clone().into_dyn());
            let twin = Array::open(folder.path().join("3")).unwrap();
            assert_eq!(array.roi(), twin.roi());
            assert_eq!(array.units(), twin.units());
        }
    }
}

#[test]
fn the_library_of_the_original_reads_what_we_write_and_the_reverse() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let values = write_all(folder.path(), Compression::default());
    run(python, FUNLIB, folder.path());
    let array = Array::open(folder.path().join("funlib")).unwrap();
    assert_eq!(array.roi(), &Roi::new([-40, 8], [120, 160]).unwrap());
    assert_eq!((array.channels(), array.axis_names()), (&[2][..], &["y".into(), "x".into()][..]));
    let first = array.view().select(&array.axes()[0].name.clone(), 0).unwrap();
    assert_eq!(first.read::<i32>(first.roi()).unwrap(), values.into_dyn());
    // Its arrays can be used as if they were ours, or are told apart.
    let spec = ArraySpec::new([30, 20], Dtype::I32)
        .channels([NonZeroU64::new(2).unwrap()])
        .chunk_shape([7, 6])
        .voxel_size([4, 8])
        .axis_names(["y", "x"])
        .units(["nm", "nm"]);
    let again = |offset: [i64; 2]| {
        let spec = spec.clone().offset(offset).version(array.version());
        Array::create(array.path(), &spec, IfExists::ReuseIfCompatible)
    };
    again([-40, 8]).unwrap();
    assert!(matches!(again([-40, 0]), Err(ArrayError::Incompatible { .. })));
}
