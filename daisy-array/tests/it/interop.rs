//! The reference implementation reads what this crate writes, and the reverse.

use std::path::Path;
use std::process::Command;

use daisy_array::{Array, ArraySpec, Compression, Dtype, IfExists, ZarrVersion};
use ndarray::Array2;

/// Opens the arrays that `written` says, checks attributes and sums, writes others back.
const SCRIPT: &str = r#"
import sys, numpy as np, zarr
folder = sys.argv[1]
for name in ("2", "3"):
    a = zarr.open_array(f"{folder}/{name}", mode="r")
    assert a.shape == (30, 20) and a.dtype == np.int32, (a.shape, a.dtype)
    assert list(a.attrs["offset"]) == [-40, 8] and list(a.attrs["voxel_size"]) == [4, 8]
    assert list(a.attrs["axis_names"]) == ["y", "x"] and list(a.attrs["units"]) == ["nm", "nm"]
    expected = np.arange(600, dtype=np.int32).reshape(30, 20) - 300
    assert (a[:] == expected).all()
    b = zarr.create_array(f"{folder}/python-{name}", shape=(30, 20), chunks=(7, 6),
        dtype="int32", zarr_format=int(name), attributes=dict(a.attrs)) \
        if hasattr(zarr, "create_array") else \
        zarr.open_array(f"{folder}/python-{name}", mode="w", shape=(30, 20), chunks=(7, 6), dtype="int32")
    b.attrs.update(dict(a.attrs))
    b[:] = expected
"#;

fn python() -> Option<&'static str> {
    let has_zarr = |python: &&str| {
        Command::new(python)
            .args(["-c", "import zarr, numpy"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    ["python3", "python"].into_iter().find(has_zarr)
}

fn write(path: &Path, version: ZarrVersion, compression: Compression) -> Array2<i32> {
    let spec = ArraySpec::new([30, 20], Dtype::I32)
        .chunk_shape([7, 6])
        .voxel_size([4, 8])
        .offset([-40, 8])
        .axis_names(["y", "x"])
        .units(["nm", "nm"])
        .version(version)
        .compression(compression);
    let array = Array::create(path, &spec, IfExists::Error).unwrap();
    let values = Array2::from_shape_fn([30, 20], |(y, x)| (20 * y + x) as i32 - 300);
    array.write(array.roi(), values.view()).unwrap();
    values
}

#[test]
fn python_reads_what_we_write_and_the_reverse() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: no python with the packages zarr and numpy on the PATH");
        return;
    };
    let codecs =
        [Compression::None, Compression::Zstd { level: 3 }, Compression::Gzip { level: 5 }];
    for compression in codecs {
        let folder = tempfile::tempdir().unwrap();
        let values = write(&folder.path().join("2"), ZarrVersion::V2, compression);
        write(&folder.path().join("3"), ZarrVersion::V3, compression);
        let output = Command::new(python).args(["-c", SCRIPT]).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for name in ["python-2", "python-3"] {
            let array = Array::open(folder.path().join(name)).unwrap();
            assert_eq!(array.read::<i32>(array.roi()).unwrap(), values.clone().into_dyn());
            let twin = Array::open(folder.path().join("3")).unwrap();
            assert_eq!(array.roi(), twin.roi());
            assert_eq!(array.units(), twin.units());
        }
    }
}
