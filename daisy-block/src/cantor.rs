//! Block ids that users of daisy know: Cantor numbers of the block's index, exact.

use crate::LayoutError;

/// The Cantor number of `index`, the generalised Cantor pairing function in any number of axes.
///
/// Distinct indices of one length have distinct numbers, and the numbers of all indices with a
/// coordinate sum below `s` come before those with sum `s`. Costs O(n^2) multiplications.
///
/// # Errors
/// [`LayoutError::IdOverflow`] where an entry is negative or the number does not fit `u128`.
///
/// ```
/// use daisy_block::cantor_number;
/// assert_eq!(cantor_number(&[2, 4]), Ok(23));
/// assert_eq!(cantor_number(&[3, 2, 1]), Ok(74));
/// assert!(cantor_number(&[-1]).is_err());
/// ```
///
/// Source: M. Lisi, *Some remarks on the Cantor pairing function*, Le Matematiche 62 (2007).
pub fn cantor_number(index: &[i64]) -> Result<u128, LayoutError> {
    let mut number = 0_u128;
    let mut sum = 0_u128;
    for (axis, &entry) in index.iter().enumerate() {
        let entry = u128::try_from(entry).map_err(|_| LayoutError::IdOverflow)?;
        sum = sum.checked_add(entry).ok_or(LayoutError::IdOverflow)?;
        let below = pyramid(axis as u128 + 1, sum)?;
        number = number.checked_add(below).ok_or(LayoutError::IdOverflow)?;
    }
    Ok(number)
}

/// How many indices of `dims` axes have a coordinate sum below `edge`: C(edge + dims - 1, dims).
fn pyramid(dims: u128, edge: u128) -> Result<u128, LayoutError> {
    let mut count = 1_u128;
    for k in 0..dims {
        // C(edge + k, k + 1) = C(edge + k - 1, k) * (edge + k) / (k + 1), exact at every step.
        let (factor, divisor) = reduce(edge.checked_add(k).ok_or(LayoutError::IdOverflow)?, k + 1);
        let (rest, divisor) = reduce(count, divisor);
        debug_assert_eq!(divisor, 1, "a binomial coefficient is an integer");
        count = rest.checked_mul(factor).ok_or(LayoutError::IdOverflow)?;
    }
    Ok(count)
}

/// The fraction `a / b` in lowest terms, so that only a result too large overflows.
fn reduce(a: u128, b: u128) -> (u128, u128) {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1), b / x.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_the_published_examples() {
        for (index, number) in [
            (&[5][..], 5),
            (&[2, 2], 12),
            (&[2, 4], 23),
            (&[4, 2], 25),
            (&[1, 0, 0], 3),
            (&[0, 1, 0], 2),
            (&[0, 0, 1], 1),
            (&[1, 2, 3], 63),
            (&[3, 2, 1], 74),
            (&[1, 2, 3, 4], 778),
        ] {
            assert_eq!(cantor_number(index), Ok(number), "{index:?}");
        }
    }

    #[test]
    fn small_indices_have_distinct_numbers_without_gaps() {
        let mut numbers = alloc::vec::Vec::new();
        for a in 0..6_i64 {
            for b in 0..6 - a {
                for c in 0..6 - a - b {
                    numbers.push(cantor_number(&[a, b, c]).unwrap());
                }
            }
        }
        numbers.sort_unstable();
        assert!(numbers.iter().enumerate().all(|(place, &number)| number == place as u128));
    }

    #[test]
    fn a_number_too_large_is_an_error_and_the_largest_that_fits_is_not() {
        assert_eq!(cantor_number(&[i64::MAX; 6]), Err(LayoutError::IdOverflow));
        assert_eq!(cantor_number(&[i64::MAX]), Ok(i64::MAX as u128));
        assert!(cantor_number(&[i64::MAX, i64::MAX]).is_ok());
    }
}
