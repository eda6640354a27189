//! Block ids that users of daisy know: Cantor numbers of the block's index, exact.

use daisy_geometry::{Coordinate, Roi, div_floor};

use crate::{Field, LayoutError};

/// The index that the id of a block is made of: where its write ROI begins, counted from the begin of
/// the total ROI in steps of its shape.
///
/// `write_roi` is the one before it is cut to fit. Indices of blocks below the total ROI are negative.
///
/// # Errors
/// [`LayoutError::DimsMismatch`], [`LayoutError::Unbounded`], and [`LayoutError::NotPositive`] for the
/// shape of `write_roi`.
///
/// ```
/// use daisy_block::{block_index, cantor_number};
/// use daisy_geometry::Roi;
/// let (total, write) = (Roi::new([-5, 0], [90, 90])?, Roi::new([25, 47], [10, 10])?);
/// let index = block_index(&total, &write)?;
/// assert_eq!(index.as_slice(), [3, 4]);
/// assert_eq!(cantor_number(index.as_slice()), Ok(31));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn block_index(total_roi: &Roi, write_roi: &Roi) -> Result<Coordinate, LayoutError> {
    let (expected, found) = (total_roi.dims(), write_roi.dims());
    if expected != found {
        return Err(LayoutError::DimsMismatch { field: Field::WriteRoi, expected, found });
    }
    let (total, _) = total_roi.bounds().ok_or(LayoutError::Unbounded { field: Field::TotalRoi })?;
    let (begin, end) =
        write_roi.bounds().ok_or(LayoutError::Unbounded { field: Field::WriteRoi })?;
    let along = |axis: usize| match end[axis] - begin[axis] {
        shape @ ..=0 => Err(LayoutError::NotPositive { field: Field::WriteRoi, axis, shape }),
        shape => Ok(index_along(total[axis], begin[axis], shape)),
    };
    (0..found).map(along).collect()
}

/// The same along one axis.
pub(crate) fn index_along(total_begin: i64, write_begin: i64, write_shape: i64) -> i64 {
    div_floor(write_begin - total_begin, write_shape)
}

/// The Cantor number of `index`, the generalised Cantor pairing function in any number of axes.
///
/// Distinct indices of one length have distinct numbers, and the numbers of all indices with a
/// coordinate sum below `s` come before those with sum `s`. Costs O(n^2) multiplications.
///
/// # Errors
/// [`LayoutError::NegativeIndex`] where an entry is negative, [`LayoutError::IdOverflow`] where the number
/// does not fit `u128`.
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
        let negative = LayoutError::NegativeIndex { axis, index: entry };
        let entry = u128::try_from(entry).map_err(|_| negative)?;
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
