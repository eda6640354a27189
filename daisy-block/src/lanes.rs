//! The block maths of up to four axes without a division or a loop of unknown length: the hot path.
//!
//! Everything is computed on arrays whose length, the number of axes, is known to the compiler. A
//! cell number is split by multiplying with reciprocals.

use daisy_geometry::{Coordinate, INLINE_AXES, Roi};

use crate::{Axis, Block, BlockKey};

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lanes {
    axes: [Lane; INLINE_AXES],
    dims: usize,
}

/// One axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Lane {
    /// Reciprocals of the stride of this axis, and of the stride of the next slower one.
    inner: Reciprocal,
    outer: Reciprocal,
    cells: i64,
    begin: i64,
    step: i64,
    context_lo: i64,
    context_hi: i64,
    write_limit: i64,
    read_limit: i64,
    /// What is added to a grid index to count it from the total ROI.
    from_total: i64,
}

impl Lanes {
    /// The lanes of a grid; `None` where it has too many axes.
    pub(crate) fn new(axes: &[Axis], strides: &[u64]) -> Option<Self> {
        if axes.len() > INLINE_AXES {
            return None;
        }
        let mut lanes = [Lane::default(); INLINE_AXES];
        for (lane, (axis, &stride)) in lanes.iter_mut().zip(axes.iter().zip(strides)) {
            *lane = Lane {
                inner: Reciprocal::new(stride),
                outer: Reciprocal::new(stride * axis.cells.unsigned_abs()),
                cells: axis.cells,
                begin: axis.begin,
                step: axis.step,
                context_lo: axis.context_lo,
                context_hi: axis.context_hi,
                write_limit: axis.write_limit,
                read_limit: axis.read_limit,
                from_total: axis.first,
            };
        }
        Some(Self { axes: lanes, dims: axes.len() })
    }

    /// The grid index of a cell of the grid.
    #[inline]
    pub(crate) fn index(&self, cell: u64) -> Coordinate {
        match self.dims {
            1 => self.index_of::<1>(cell).into(),
            2 => self.index_of::<2>(cell).into(),
            3 => self.index_of::<3>(cell).into(),
            _ => self.index_of::<4>(cell).into(),
        }
    }

    /// The block at a cell of the grid.
    #[inline]
    pub(crate) fn block(&self, key: BlockKey) -> Option<Block> {
        match self.dims {
            1 => self.block_of::<1>(key),
            2 => self.block_of::<2>(key),
            3 => self.block_of::<3>(key),
            _ => self.block_of::<4>(key),
        }
    }

    #[inline]
    fn index_of<const N: usize>(&self, cell: u64) -> [i64; N] {
        core::array::from_fn(|axis| {
            let lane = &self.axes[axis];
            let outer = lane.outer.quotient(cell).cast_signed();
            lane.inner.quotient(cell).cast_signed() - outer * lane.cells
        })
    }

    #[inline]
    fn block_of<const N: usize>(&self, key: BlockKey) -> Option<Block> {
        let index = self.index_of::<N>(key.cell);
        let begin: [i64; N] =
            core::array::from_fn(|axis| self.axes[axis].begin + index[axis] * self.axes[axis].step);
        let along = |value: fn(&Lane, i64) -> i64| -> [i64; N] {
            core::array::from_fn(|axis| value(&self.axes[axis], begin[axis]))
        };
        let write_end = along(|lane, begin| (begin + lane.step).min(lane.write_limit));
        let read_begin = along(|lane, begin| begin - lane.context_lo);
        let read_end =
            along(|lane, begin| (begin + lane.step + lane.context_hi).min(lane.read_limit));
        let index: [i64; N] = core::array::from_fn(|axis| index[axis] + self.axes[axis].from_total);
        let read_roi = Roi::from_arrays(read_begin, read_end).ok()?;
        let write_roi = Roi::from_arrays(begin, write_end).ok()?;
        Some(Block::new(key, read_roi, write_roi, index.into()))
    }
}

/// Division of numbers below 2^62 by one and the same divisor, as a multiplication.
///
/// With `2^(l-1) < d <= 2^l` and `m = floor(2^(62+l) / d) + 1`, `floor(n / d) = n * m >> (62 + l)` for
/// every `n < 2^62`: the error `n * (m - 2^(62+l) / d) / 2^(62+l)` is below `1 / d`. Of `4 * n * m`
/// only the upper half is needed, which is what the processor has an instruction for.
/// Source: T. Granlund and P. Montgomery, *Division by invariant integers using multiplication* (1994).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Reciprocal {
    factor: u64,
    shift: u32,
}

impl Reciprocal {
    /// The reciprocal of `divisor`; of 0, one that gives 0.
    fn new(divisor: u64) -> Self {
        if divisor == 0 {
            return Self::default();
        }
        let shift = 64 - (divisor - 1).leading_zeros();
        let factor = (1_u128 << (62 + shift)) / u128::from(divisor) + 1;
        // At most 2^63.
        Self { factor: u64::try_from(factor).unwrap_or(u64::MAX), shift }
    }

    #[inline]
    fn quotient(self, number: u64) -> u64 {
        let upper = (u128::from(number << 2) * u128::from(self.factor)) >> 64;
        // Half of a product of two 64-bit numbers; the shift is at most 62.
        (upper as u64) >> (self.shift & 63)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplying_with_the_reciprocal_is_dividing() {
        let numbers =
            [0, 1, 2, 3, 5, 7, 63, 64, 65, 999, 1 << 20, (1 << 31) - 1, (1 << 61) + 12345];
        let largest = (1_u64 << 62) - 1;
        for divisor in numbers.into_iter().filter(|&divisor| divisor > 0).chain([largest]) {
            let reciprocal = Reciprocal::new(divisor);
            for base in numbers.into_iter().chain([largest]) {
                for number in
                    [base, base / divisor * divisor, (base / divisor * divisor).max(1) - 1]
                {
                    assert_eq!(
                        reciprocal.quotient(number),
                        number / divisor,
                        "{number} / {divisor}"
                    );
                }
            }
        }
    }
}
