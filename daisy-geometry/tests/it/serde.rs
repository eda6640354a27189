//! The serialised form: sequences and `{offset, shape}`, checked on the way in.

use daisy_geometry::{Coordinate, Roi};
use proptest::prelude::*;
use serde_json::{from_str, to_string};

use crate::any_roi;

proptest! {
    #[test]
    fn coordinates_survive(axes in proptest::collection::vec(any::<i64>(), 0..7)) {
        let coordinate = Coordinate::from(axes);
        let text = to_string(&coordinate).unwrap();
        prop_assert_eq!(from_str::<Coordinate>(&text).unwrap(), coordinate);
    }

    #[test]
    fn rois_survive(roi in any_roi(0..=6_usize)) {
        prop_assert_eq!(from_str::<Roi>(&to_string(&roi).unwrap()).unwrap(), roi);
    }
}

#[test]
fn the_forms_are_these() {
    let coordinate = Coordinate::<i64>::new([1, -2]);
    assert_eq!(to_string(&coordinate).unwrap(), "[1,-2]");
    let slab = Roi::from_axes([Some((-1, 3)), None]).unwrap();
    assert_eq!(to_string(&slab).unwrap(), r#"{"offset":[-1,null],"shape":[3,null]}"#);
    let empty = Roi::empty(2);
    assert_eq!(to_string(&empty).unwrap(), r#"{"offset":[null,null],"shape":[0,0]}"#);
}

#[test]
fn nonsense_is_refused() {
    let nonsense = [
        "[]",
        "null",
        r#"{"offset":[0]}"#,
        r#"{"offset":[0],"shape":[1,2]}"#,
        r#"{"offset":[null],"shape":[5]}"#,
        r#"{"offset":[0],"shape":[null]}"#,
        r#"{"offset":[null,null],"shape":[0,null]}"#,
        r#"{"offset":[9223372036854775807],"shape":[1]}"#,
        r#"{"offset":[4611686018427387904],"shape":[0]}"#,
        r#"{"offset":[-9223372036854775808],"shape":[-1]}"#,
        r#"{"offset":[0.5],"shape":[1]}"#,
        r#"{"offset":[0],"shape":[1],"more":1}"#,
    ];
    for text in nonsense {
        assert!(from_str::<Roi>(text).is_err(), "{text}");
    }
    assert!(from_str::<Coordinate<i8>>("[128]").is_err());
    assert!(from_str::<Coordinate>("{}").is_err());
}
