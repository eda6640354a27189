//! A real volume, where there is one.

use daisy_array::Array;
use daisy_geometry::{Coordinate, Roi};

use crate::skipped::skipped;

#[test]
fn the_test_volume_can_be_read() {
    let Ok(path) = std::env::var("DAISY_TEST_VOLUME") else {
        return skipped("DAISY_TEST_VOLUME does not name a Zarr volume of type u8");
    };
    let array = Array::open(&path).unwrap();
    let whole = array.read::<u8>(array.roi()).unwrap();
    let voxels: i64 = array.shape().iter().product();
    assert_eq!(whole.len() as i64, voxels);
    assert!(whole.iter().any(|v| *v != whole[vec![0; whole.ndim()].as_slice()]), "it is not flat");

    // Any part read alone, with a margin outside of the volume, is that part of the whole.
    let part = array.shape() / 3;
    let begin = array.offset() - &(array.voxel_size() * &part);
    let roi = Roi::new(begin, array.voxel_size() * &(&part * 2)).unwrap();
    let read = array.read_or_fill::<u8>(&roi, 0).unwrap();
    for (index, value) in read.indexed_iter() {
        let in_whole: Option<Vec<usize>> = (0..part.dims())
            .map(|axis| index[axis].checked_sub(Coordinate::to_vec(&part)[axis] as usize))
            .collect();
        assert_eq!(*value, in_whole.map_or(0, |index| whole[index.as_slice()]));
    }
}
