//! What happens where shifting the write ROI does not tile the total ROI.

use core::{fmt, str::FromStr};

use crate::LayoutError;

/// How blocks are fitted to the high end of a total ROI (the low end always fits).
///
/// The drawings are made by the code, for total ROI `[0, 28)`, a context of 5 and a write ROI of 7:
///
/// ```
/// use daisy_block::{draw, Fit, Layout};
/// use daisy_geometry::Roi;
///
/// let picture = |fit| -> Result<String, Box<dyn std::error::Error>> {
///     let (total, read, write) = (Roi::new([0], [28])?, Roi::new([0], [17])?, Roi::new([5], [7])?);
///     Ok(draw(&Layout::new(total, read, write, fit)?, 0)?)
/// };
/// assert_eq!(picture(Fit::Valid)?, "\
/// |---------------------------|     total ROI
///
/// |rrrr|wwwwww|rrrr|                block 1
///        |rrrr|wwwwww|rrrr|         block 2
///                                   no further block
/// ");
/// assert_eq!(picture(Fit::Overhang)?, "\
/// |---------------------------|     total ROI
///
/// |rrrr|wwwwww|rrrr|                block 1
///        |rrrr|wwwwww|rrrr|         block 2
///               |rrrr|wwwwww|rrrr|  block 3 (overhanging)
/// ");
/// assert_eq!(picture(Fit::Shrink)?, "\
/// |---------------------------|     total ROI
///
/// |rrrr|wwwwww|rrrr|                block 1
///        |rrrr|wwwwww|rrrr|         block 2
///               |rrrr|www|rrrr|     block 3 (shrunk)
/// ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Fit {
    /// Only blocks whose whole write ROI lies in the total write ROI.
    #[default]
    Valid,
    /// Every block whose write ROI begins in the total write ROI, even if its ROIs stick out.
    Overhang,
    /// As `Overhang`, but both ROIs of such a block are cut so that none leaves the total ROI; the
    /// context stays the same.
    Shrink,
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::Overhang => "overhang",
            Self::Shrink => "shrink",
        })
    }
}

impl FromStr for Fit {
    type Err = LayoutError;

    /// Parses `valid`, `overhang` or `shrink`.
    ///
    /// ```
    /// use daisy_block::Fit;
    /// assert_eq!("shrink".parse(), Ok(Fit::Shrink));
    /// assert!("tight".parse::<Fit>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, LayoutError> {
        match text {
            "valid" => Ok(Self::Valid),
            "overhang" => Ok(Self::Overhang),
            "shrink" => Ok(Self::Shrink),
            _ => Err(LayoutError::UnknownName { what: "fit", expected: "valid, overhang, shrink" }),
        }
    }
}
