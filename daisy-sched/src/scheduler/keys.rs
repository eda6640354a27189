//! Places in an order, and searches in one.

use daisy_block::{Order, Tiling};

use super::conflict::Conflict;

/// The place of a cell in an order other than by number.
pub(super) fn order_key(
    order: Order,
    grid: &Tiling,
    conflict: Option<&Conflict>,
    cell: u64,
) -> u128 {
    let Some(index) = grid.index(cell) else { return u128::MAX };
    match order {
        Order::Sweep => cell.into(),
        Order::Level => {
            let level = conflict.map_or(0, |conflict| conflict.level_at(index.as_slice()));
            u128::from(level) << 64 | u128::from(cell)
        }
        Order::Morton => {
            let mut key = 0_u128;
            let bits = (0..64_u32).rev();
            for bit in bits {
                for (axis, entry) in grid.axes().iter().zip(index.iter()) {
                    // Bits that no index along this axis has are left out: the key stays short.
                    if (axis.num_cells() - 1) >> bit.min(62) != 0 {
                        key = key << 1 | u128::from(entry.unsigned_abs() >> bit.min(63) & 1);
                    }
                }
            }
            key
        }
    }
}

/// The least number from 1 to `most` for which something holds; it holds for `most`, and for every
/// number above one for which it does.
pub(super) fn least(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut below, mut least) = (0, most);
    while least - below > 1 {
        let middle = below + (least - below) / 2;
        if holds(middle) { least = middle } else { below = middle }
    }
    least
}
