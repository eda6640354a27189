//! Each wrong layout is refused with the field, what came and what to do.

use daisy_block::{Field, Fit, Layout, LayoutError};
use daisy_geometry::Roi;

fn roi(begin: &[i64], end: &[i64]) -> Roi {
    Roi::from_begin_end(begin, end).unwrap()
}

fn refused(total: Roi, read: Roi, write: Roi) -> (LayoutError, String) {
    let error = Layout::new(total, read, write, Fit::Valid).unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[test]
fn no_axes() {
    let none = || roi(&[], &[]);
    assert_eq!(refused(none(), none(), none()).0, LayoutError::NoAxes);
}

#[test]
fn differing_numbers_of_axes() {
    let (error, text) = refused(roi(&[0, 0], &[9, 9]), roi(&[0, 0], &[3, 3]), roi(&[0], &[3]));
    assert_eq!(error, LayoutError::DimsMismatch { field: Field::WriteRoi, expected: 2, found: 1 });
    assert!(text.contains("write_roi has 1 axes, total_roi has 2"), "{text}");
}

#[test]
fn an_unbounded_or_canonically_empty_roi() {
    for total in [Roi::unbounded(1), Roi::empty(1)] {
        let (error, text) = refused(total, roi(&[0], &[3]), roi(&[0], &[3]));
        assert_eq!(error, LayoutError::Unbounded { field: Field::TotalRoi });
        assert!(text.contains("total_roi"), "{text}");
    }
}

#[test]
fn zero_and_negative_shapes() {
    let (error, text) = refused(roi(&[0], &[9]), roi(&[0], &[3]), roi(&[1], &[1]));
    assert_eq!(error, LayoutError::NotPositive { field: Field::WriteRoi, axis: 0, shape: 0 });
    assert!(text.contains("write_roi has shape 0 along axis 0"), "{text}");
    let (error, _) = refused(roi(&[0, 0], &[9, -1]), roi(&[0, 0], &[3, 3]), roi(&[0, 0], &[3, 3]));
    assert_eq!(error, LayoutError::NotPositive { field: Field::TotalRoi, axis: 1, shape: -1 });
}

#[test]
fn a_write_roi_that_leaves_the_read_roi() {
    let (error, text) = refused(roi(&[0], &[9]), roi(&[1], &[3]), roi(&[0], &[3]));
    assert!(matches!(error, LayoutError::WriteOutsideRead { axis: 0, .. }));
    assert!(text.contains("[0, 3)") && text.contains("[1, 3)") && text.contains("grow"), "{text}");
}

#[test]
fn coordinates_beyond_the_limit_and_grids_beyond_numbering() {
    let far = Layout::LIMIT;
    let (error, _) = refused(roi(&[0], &[far + 1]), roi(&[0], &[1]), roi(&[0], &[1]));
    assert_eq!(error, LayoutError::TooFar { axis: 0, limit: far });
    let edge = 1 << 21;
    let all = |end: i64| roi(&[0; 3], &[end; 3]);
    let (error, text) = refused(all(edge), all(1), all(1));
    assert_eq!(error, LayoutError::TooManyBlocks { limit: Layout::MAX_BLOCKS });
    assert!(text.contains("larger write_roi"), "{text}");
    assert!(Layout::new(all(edge - 1), all(2), all(2), Fit::Valid).is_ok());
}

#[test]
fn a_total_too_small_for_one_block_has_none() {
    for fit in [Fit::Valid, Fit::Overhang, Fit::Shrink] {
        let layout = Layout::new(roi(&[0], &[4]), roi(&[0], &[9]), roi(&[3], &[5]), fit).unwrap();
        assert_eq!(daisy_block::Tiling::new(&layout).num_cells(), 0);
        assert!(layout.total_write_roi().is_empty());
    }
}
