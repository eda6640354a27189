//! Large writes in parts: what is sent at once has a limit in rows and in bytes.

/// The parts of a list, in order: each has at most `most` items and about `bytes` bytes, but at
/// least one item.
pub(crate) fn parts<'a, T>(
    mut items: &'a [T],
    (most, bytes): (usize, usize),
    size: impl Fn(&T) -> usize + 'a,
) -> impl Iterator<Item = &'a [T]> {
    std::iter::from_fn(move || {
        let mut sum = 0_usize;
        let fits = |item: &&T| {
            sum = sum.saturating_add(size(item));
            sum <= bytes
        };
        let count = items.iter().take(most).take_while(fits).count().max(1);
        let (part, rest) = items.split_at_checked(count)?;
        items = rest;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_on_both_limits() {
        let split = |items: &[usize], limits| {
            parts(items, limits, |item| *item).map(<[usize]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(split(&[1, 1, 1], (2, 100)), [vec![1, 1], vec![1]]);
        assert_eq!(split(&[3, 2, 1, 5], (9, 5)), [vec![3, 2], vec![1], vec![5]]);
        assert_eq!(split(&[3, 3], (9, 5)), [vec![3], vec![3]]);
        assert_eq!(split(&[900, 1], (9, 5)), [vec![900], vec![1]]); // one item always goes
        assert!(split(&[], (9, 5)).is_empty());
    }
}
