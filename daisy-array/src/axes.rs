//! The axes of an array: what each of them is, and what it is called.

use std::fmt;

/// What an axis of an array is.
///
/// Axes of space and time are the *world axes*: they have a voxel size and an offset, and ROIs have
/// one entry for each of them, in the order of the array. A channel has neither and is in no ROI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AxisKind {
    /// An axis of space.
    #[default]
    Space,
    /// Time: a world axis too, with a voxel size of so many units per frame.
    Time,
    /// Values of one voxel beside each other: colours, affinities, probabilities.
    Channel,
}

impl AxisKind {
    /// Whether ROIs have an entry for such an axis.
    #[must_use]
    pub fn is_world(self) -> bool {
        self != Self::Channel
    }

    /// The name in metadata.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Space => "space",
            Self::Time => "time",
            Self::Channel => "channel",
        }
    }

    /// The kind of a name in metadata.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Space, Self::Time, Self::Channel].into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for AxisKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An axis of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Axis {
    /// Its name: `z`, `y`, `x`, `t`, `c`.
    pub name: String,
    /// What it is.
    pub kind: AxisKind,
    /// The world unit, such as `nm`; empty if it is not known, and for channels.
    pub unit: String,
}

impl Axis {
    pub(crate) fn channel(name: String) -> Self {
        Self { name, kind: AxisKind::Channel, unit: String::new() }
    }
}
