//! Names and numbers as databases have them: columns and fields for attributes of any name, signed
//! numbers for unsigned ones.

use std::ops::Range;

use crate::Attribute;

/// The names that tables and documents of our own use themselves, or that databases do.
const TAKEN: [&str; 14] = [
    "id", "cell", "u_cell", "u", "v", "position", "ctid", "xmin", "xmax", "cmin", "cmax",
    "tableoid", "rowid", "oid",
];

/// The column or field of the attribute at a place of the schema. Names that are plain are kept, so
/// that people can read the tables; others are replaced by their number.
pub(crate) fn field(place: usize, attribute: &Attribute) -> String {
    if is_plain(&attribute.name) { (*attribute.name).into() } else { format!("attr_{place}") }
}

fn is_plain(name: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let is_axis = name.len() == 2 && name.starts_with('p');
    starts
        && name.len() <= 50
        && name.bytes().all(is_word)
        && !name.starts_with("attr_")
        && !TAKEN.contains(&name)
        && !is_axis
}

/// A run of blocks as runs of the signed numbers of the same bits, first and last: at most two.
pub(crate) fn signed_runs(run: &Range<u64>) -> Vec<(i64, i64)> {
    const HALF: u64 = 1 << 63;
    let halves = [(run.start, run.end.min(HALF)), (run.start.max(HALF), run.end)];
    let some = halves.into_iter().filter(|(start, end)| start < end);
    some.map(|(start, end)| (start.cast_signed(), (end - 1).cast_signed())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttrType;

    #[test]
    fn only_plain_names_are_kept() {
        let name = |name: &str| field(3, &Attribute::new(name, AttrType::Bool));
        assert_eq!(name("score_2"), "score_2");
        for odd in ["id", "p0", "Score", "a b", "$gt", "a.b", "_id", "attr_1", "xmin", "\"", "2"] {
            assert_eq!(name(odd), "attr_3", "{odd}");
        }
    }

    #[test]
    fn runs_of_unsigned_numbers_are_split_where_the_sign_changes() {
        assert_eq!(signed_runs(&(3..5)), [(3, 4)]);
        assert_eq!(signed_runs(&(0..u64::MAX)), [(0, i64::MAX), (i64::MIN, -2)]);
        assert_eq!(signed_runs(&(5..5)), []);
    }
}
