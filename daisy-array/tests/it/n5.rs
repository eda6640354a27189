//! N5 arrays, written here byte by byte after the N5 specification: first axis fastest, big-endian.

use std::fs;
use std::path::Path;

use daisy_array::{Array, ArrayError, ArraySpec, Dtype, IfExists, Occupant};
use daisy_geometry::{Coordinate, Roi};
use ndarray::ArrayD;

/// Voxels along x, y, z.
const SIZE: [u32; 3] = [5, 4, 3];
const BLOCK: [u32; 3] = [2, 4, 2];

fn value(x: u32, y: u32, z: u32) -> u16 {
    (1000 * z + 100 * y + x) as u16
}

/// A gzip member that holds bytes as they are.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let length = bytes.len() as u16;
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    member.extend(length.to_le_bytes());
    member.extend((!length).to_le_bytes());
    member.extend(bytes);
    member.extend((!crc).to_le_bytes());
    member.extend(u32::from(length).to_le_bytes());
    member
}

/// An array without its last block, which was never written. Blocks are cut off at the border.
fn write(folder: &Path, compression: &str, more: &str) {
    fs::create_dir_all(folder).unwrap();
    let attributes = format!(
        r#"{{"dimensions": [5, 4, 3], "blockSize": [2, 4, 2], "dataType": "uint16",
            "compression": {{"type": "{compression}"}}{more}}}"#
    );
    fs::write(folder.join("attributes.json"), attributes).unwrap();
    for (block_x, block_z) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)] {
        let begin = [block_x * BLOCK[0], 0, block_z * BLOCK[2]];
        let shape: Vec<u32> =
            (0..3).map(|axis| BLOCK[axis].min(SIZE[axis] - begin[axis])).collect();
        let mut header = vec![0, 0, 0, 3];
        shape.iter().for_each(|length| header.extend(length.to_be_bytes()));
        let mut voxels = Vec::new();
        for z in 0..shape[2] {
            for y in 0..shape[1] {
                for x in 0..shape[0] {
                    voxels.extend(value(begin[0] + x, y, begin[2] + z).to_be_bytes());
                }
            }
        }
        let payload = if compression == "gzip" { gzip(&voxels) } else { voxels };
        let file = folder.join(format!("{block_x}/0/{block_z}"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, [header, payload].concat()).unwrap();
    }
}

fn expected() -> ArrayD<u16> {
    ArrayD::from_shape_fn(vec![3, 4, 5], |i| {
        let is_missing = i[0] >= 2 && i[2] >= 4;
        if is_missing { 0 } else { value(i[2] as u32, i[1] as u32, i[0] as u32) }
    })
}

#[test]
fn the_last_axis_is_the_fastest_as_everywhere() {
    for compression in ["raw", "gzip"] {
        let folder = tempfile::tempdir().unwrap();
        let more = r#", "resolution": [4, 5.0, 40], "offset": [8, 0, -40],
            "axis_names": ["x", "y", "z"], "units": ["nm", "nm", "um"]"#;
        write(folder.path(), compression, more);
        let array = Array::open(folder.path()).unwrap();
        assert_eq!(array.dtype(), Dtype::U16);
        assert_eq!(array.shape(), &Coordinate::from([3, 4, 5]));
        assert_eq!(array.chunk_shape(), &Coordinate::from([2, 4, 2]));
        assert_eq!(array.roi(), &Roi::new([-40, 0, 8], [120, 20, 20]).unwrap());
        assert_eq!(array.axis_names(), ["z", "y", "x"]);
        assert_eq!(array.units(), ["um", "nm", "nm"]);
        assert_eq!(array.read::<u16>(array.roi()).unwrap(), expected());
        let part = Roi::new([0, 5, 12], [80, 10, 12]).unwrap();
        let of_expected = crate::part(&expected(), &[1..3, 1..3, 1..4]);
        assert_eq!(array.read::<u16>(&part).unwrap(), of_expected);
    }
}

#[test]
fn pixel_resolutions_are_understood_where_nothing_else_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let pixel = r#", "pixelResolution": {"dimensions": [4.0, 5.0, 40.0], "unit": "nm"}"#;
    write(folder.path(), "raw", pixel);
    let array = Array::open(folder.path()).unwrap();
    assert_eq!(array.voxel_size(), &Coordinate::from([40, 5, 4]));
    assert_eq!(array.units(), ["nm"; 3]);
    write(folder.path(), "raw", &pixel.replace("4.0,", "4.5,"));
    assert!(matches!(Array::open(folder.path()), Err(ArrayError::Attribute { .. })));
    // Of a level of a pyramid it is not clear whose resolution that is.
    write(folder.path(), "raw", &format!(r#"{pixel}, "downsamplingFactors": [2, 2, 1]"#));
    let error = Array::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("downsamplingFactors"), "{error}");
}

#[test]
fn n5_is_for_reading() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "raw", "");
    let array = Array::open(folder.path()).unwrap();
    assert!(array.is_read_only());
    let error = array.fill(array.roi(), 1u16).unwrap_err();
    assert!(matches!(error, ArrayError::ReadOnly { .. }), "{error}");
    assert!(matches!(
        array.view().write(array.roi(), expected().view()),
        Err(ArrayError::ReadOnly { .. })
    ));
    // And never overwritten, whatever was asked for.
    let spec = ArraySpec::new([3, 4, 5], Dtype::U16);
    let error = Array::create(folder.path(), &spec, IfExists::Overwrite).unwrap_err();
    assert!(matches!(error, ArrayError::Occupied { found: Occupant::Folder { .. }, .. }));
    assert_eq!(array.read::<u16>(array.roi()).unwrap(), expected());
}

#[test]
fn what_is_broken_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for unsupported in ["jpeg", "xz"] {
        write(folder.path(), unsupported, "");
        assert!(matches!(Array::open(folder.path()), Err(ArrayError::Metadata { .. })));
    }
    write(folder.path(), "gzip", "");
    let array = Array::open(folder.path()).unwrap();
    let block = folder.path().join("0/0/0");
    let good = fs::read(&block).unwrap();
    array.read::<u16>(array.roi()).unwrap();
    let broken = |bytes: &[u8]| {
        fs::write(&block, bytes).unwrap();
        let error = array.read::<u16>(array.roi()).unwrap_err();
        assert!(matches!(error, ArrayError::Read { .. }), "{error}");
    };
    for length in 0..good.len() {
        broken(&good[..length]);
    }
    // Another mode, other axes, more voxels than a block has, fewer than are there.
    for (place, byte) in [(1, 1), (3, 2), (4, 255), (7, 1)] {
        let mut bytes = good.clone();
        bytes[place] = byte;
        broken(&bytes);
    }
}

#[test]
fn a_block_is_not_unpacked_beyond_its_size() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "gzip", "");
    let block = folder.path().join("0/0/0");
    let header = fs::read(&block).unwrap()[..16].to_vec();
    fs::write(&block, [header, gzip(&[0; 60_000])].concat()).unwrap();
    let array = Array::open(folder.path()).unwrap();
    let error = array.read::<u16>(array.roi()).unwrap_err().to_string();
    assert!(error.contains("unpacks to more than the 32 bytes"), "{error}");
}
