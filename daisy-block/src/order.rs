//! In which order blocks that may run are handed out.

use core::{fmt, str::FromStr};

use crate::LayoutError;

/// The hand-out order among blocks that may run; the result of a run never depends on it.
///
/// ```
/// use daisy_block::Order;
/// assert_eq!("morton".parse(), Ok(Order::Morton));
/// assert_eq!(Order::default(), Order::Sweep);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Order {
    /// By cell number: row-major with the longest axis of the grid slowest, so that a slab moves
    /// through the volume, the frontier stays thin and chunks stay in cache.
    #[default]
    Sweep,
    /// By level (a class of blocks of which no two conflict), then row-major: the order that daisy 1.x users know.
    /// Where blocks are masked or taken over, a scheduler remembers each block that may run, in 33 bytes.
    Level,
    /// Along a Z-order curve (G. M. Morton, 1966). A scheduler looks at all blocks before the first one, and
    /// remembers each that may run, in 33 bytes: for up to some 10^8 blocks.
    Morton,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sweep => "sweep",
            Self::Level => "level",
            Self::Morton => "morton",
        })
    }
}

impl FromStr for Order {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        match text {
            "sweep" => Ok(Self::Sweep),
            "level" => Ok(Self::Level),
            "morton" => Ok(Self::Morton),
            _ => Err(LayoutError::UnknownName { what: "order", expected: "sweep, level, morton" }),
        }
    }
}
