//! The text forms: what is written can be read again, what cannot be meant is refused with its
//! place.

use daisy_geometry::{Coordinate, GeometryError, Roi, Snap};
use proptest::prelude::*;

use crate::any_roi;

proptest! {
    #[test]
    fn coordinates_survive_being_written(axes in proptest::collection::vec(any::<i64>(), 0..7)) {
        let coordinate = Coordinate::from(axes);
        prop_assert_eq!(coordinate.to_string().parse(), Ok(coordinate));
    }

    #[test]
    fn rois_survive_being_written(roi in any_roi(0..=6_usize)) {
        let text = roi.to_string();
        prop_assert_eq!(text.parse(), Ok(roi.clone()));
        let (bounds, _shape) = text.split_once(" (").unwrap();
        prop_assert_eq!(bounds.parse(), Ok(roi));
    }

    #[test]
    fn no_text_is_too_odd(text in "[\\[\\](),: 0-9a-yNone+-]{0,24}|\\PC*") {
        // Whatever is read has a text form of its own.
        if let Ok(roi) = text.parse::<Roi>() {
            prop_assert_eq!(roi.to_string().parse(), Ok(roi));
        }
        if let Ok(coordinate) = text.parse::<Coordinate>() {
            prop_assert_eq!(coordinate.to_string().parse(), Ok(coordinate));
        }
    }
}

#[test]
fn the_text_forms_are_these() {
    let coordinate = Coordinate::<i64>::new([1, 2]);
    assert_eq!(coordinate.to_string(), "(1, 2)");
    assert_eq!(format!("{coordinate:?}"), "Coordinate(1, 2)");
    assert_eq!(Coordinate::<i64>::default().to_string(), "()");
    let roi = Roi::new([0, 5], [10, 4]).unwrap();
    assert_eq!(roi.to_string(), "[0:10, 5:9] (10, 4)");
    assert_eq!(format!("{roi:?}"), "Roi([0:10, 5:9] (10, 4))");
    let slab = Roi::from_axes([Some((0, 10)), None]).unwrap();
    assert_eq!(slab.to_string(), "[0:10, :] (10, None)");
    assert_eq!(Roi::empty(2).to_string(), "[empty, empty] (0, 0)");
}

#[test]
fn spaces_and_a_last_comma_do_no_harm() {
    assert_eq!(" ( 1 ,-2, ) ".parse(), Ok(Coordinate::<i64>::new([1, -2])));
    assert_eq!("7,".parse(), Ok(Coordinate::<i64>::new([7])));
    assert_eq!("[ 0 : 10 ,: , ]( 10,None )".parse(), Roi::from_axes([Some((0, 10)), None]));
}

#[test]
fn nonsense_coordinates_are_refused() {
    let nonsense = [
        "",
        " ",
        ",",
        "(",
        ")",
        "(1",
        "1)",
        "(1 2)",
        "1 2",
        "(1,,2)",
        "(,)",
        "-",
        "+",
        "1.5",
        "(1) 2",
        "9223372036854775808",
        "--1",
        "(1, None)",
        "²",
        "[1, 2]",
    ];
    for text in nonsense {
        assert!(text.parse::<Coordinate>().is_err(), "{text:?}");
    }
}

#[test]
fn nonsense_rois_are_refused() {
    let nonsense = [
        "",
        "[",
        "]",
        "0:10",
        "[0:10",
        "[0 10]",
        "[0:]",
        "[:10]",
        "[0:10] 10",
        "[0:10] (10",
        "[0:1] ()",
        "[0:1,,]",
        "[0:1]]",
        "[empty, 0:1]",
        "[0:1, empty]",
        "[empty] (None)",
        "[:] (0)",
        "[::]",
        "[0:4611686018427387904]",
        "[-9223372036854775808:9223372036854775807]",
        "[None:None]",
        "[0:1] (1) (1)",
        "[0:1] (1, 1)",
    ];
    for text in nonsense {
        assert!(text.parse::<Roi>().is_err(), "{text:?}");
    }
}

#[test]
fn an_error_names_the_place() {
    assert_eq!(
        "(1, x)".parse::<Coordinate>(),
        Err(GeometryError::Parse { expected: "an integer that fits", found: Some('x'), at: 4 })
    );
    assert_eq!(
        "[0:10".parse::<Roi>(),
        Err(GeometryError::Parse { expected: "`,` or the closing bracket", found: None, at: 5 })
    );
    assert_eq!(
        "[0:10, 5:9] (10, 5)".parse::<Roi>(),
        Err(GeometryError::ShapeDisagrees { axis: 1, expected: Some(4), found: Some(5) })
    );
    assert_eq!(
        "[0:10] (10, 5)".parse::<Roi>(),
        Err(GeometryError::DimsMismatch { left: 1, right: 2 })
    );
}

#[test]
fn modes_are_read_as_they_are_written() {
    for mode in [Snap::Grow, Snap::Shrink, Snap::Closest] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    for text in ["", "Grow", " grow", "growth"] {
        assert!(text.parse::<Snap>().is_err(), "{text:?}");
    }
}

#[test]
fn every_error_says_what_to_do() {
    let errors = [
        GeometryError::DimsMismatch { left: 1, right: 2 },
        GeometryError::Overflow { op: "addition" },
        GeometryError::DivisionByZero,
        GeometryError::NonPositiveVoxelSize { axis: 0, size: 0 },
        GeometryError::Unbounded { axis: 0 },
        GeometryError::NegativeBegin { axis: 0, begin: -1 },
        GeometryError::AxisOutOfRange { axis: 1, dims: 1 },
        GeometryError::HalfBounded { axis: 0 },
        GeometryError::ShapeDisagrees { axis: 0, expected: Some(1), found: None },
        GeometryError::Parse { expected: "`[`", found: Some('x'), at: 0 },
        GeometryError::Parse { expected: "`[`", found: None, at: 0 },
    ];
    for error in errors {
        let text = error.to_string();
        let (what, advice) = text.split_once(": ").unwrap();
        assert!(!what.is_empty() && !advice.is_empty(), "{text}");
    }
}
