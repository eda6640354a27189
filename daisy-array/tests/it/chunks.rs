//! Blocks and the chunks that they write.

use daisy_array::{Array, ArraySpec, Dtype, IfExists};
use daisy_block::{Fit, Layout, Tiling, shared_chunk};
use daisy_geometry::Roi;

#[test]
fn blocks_that_share_chunks_of_an_array_are_found_and_good_shapes_named() {
    let folder = tempfile::tempdir().unwrap();
    let spec =
        ArraySpec::new([64, 64], Dtype::U8).chunk_shape([16, 8]).voxel_size([4, 5]).offset([-8, 3]);
    let array = Array::create(folder.path().join("a"), &spec, IfExists::Error).unwrap();
    let shared = |write: [i64; 2]| {
        let block = Roi::new([0, 0], write).unwrap();
        let layout = Layout::new(array.roi().clone(), block.clone(), block, Fit::Shrink).unwrap();
        shared_chunk(&Tiling::new(&layout), None, &array).unwrap()
    };
    assert_eq!(shared([64, 40]), None);
    assert_eq!(shared([128, 120]), None);
    let found = shared([64, 60]).unwrap();
    assert_eq!((found.axis, found.phase), (1, 0));
    assert_eq!(found.good_write_shapes, (Some(40), 80));
}
