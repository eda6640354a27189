//! The text forms: `(1, -2)` for a coordinate, `[0:10, 5:9] (10, 4)` for a ROI.
//!
//! ```text
//! coordinate = "(" numbers ")" | numbers          at least one number without the parentheses
//! roi        = "[" axes "]" [ "(" entries ")" ]   the entries are the shape and have to agree
//! axis       = number ":" number | ":" | "empty"  `:` is unbounded; all are `empty` or none is
//! entry      = number | "None"
//! ```
//!
//! Lists are separated by commas, one more may follow the last element, and spaces may stand
//! between any two words.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::error::Entry;
use crate::{Coordinate, GeometryError, Roi, Scalar};

/// Reads `(1, -2)` and `1, -2`.
///
/// ```
/// use daisy_geometry::Coordinate;
///
/// assert_eq!("(1, -2)".parse(), Ok(Coordinate::<i64>::new([1, -2])));
/// assert_eq!(" 3,4 ".parse(), Ok(Coordinate::<i64>::new([3, 4])));
/// assert!("(1, 2".parse::<Coordinate>().is_err());
/// assert!("300".parse::<Coordinate<i8>>().is_err());
/// ```
impl<T: Scalar> FromStr for Coordinate<T> {
    type Err = GeometryError;

    fn from_str(text: &str) -> Result<Self, GeometryError> {
        let mut cursor = Cursor { text, at: 0 };
        let axes = if cursor.eat('(') {
            cursor.list_until(')', Cursor::number)?
        } else {
            let mut axes = Vec::from([cursor.number()?]);
            while cursor.eat(',') && !cursor.is_at_end() {
                axes.push(cursor.number()?);
            }
            axes
        };
        cursor.expect_end()?;
        Ok(axes.into())
    }
}

/// Writes `[0:10, 5:9] (10, 4)`, an unbounded axis as `:` and `None`, each axis of the canonical
/// empty ROI as `empty` and `0`.
impl fmt::Display for Roi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for axis in 0..self.dims() {
            f.write_str(if axis == 0 { "" } else { ", " })?;
            match (self.begin_at(axis), self.end_at(axis)) {
                (Some(begin), Some(end)) => write!(f, "{begin}:{end}")?,
                _ if self.is_canonical_empty() => f.write_str("empty")?,
                _ => f.write_str(":")?,
            }
        }
        f.write_str("] (")?;
        for axis in 0..self.dims() {
            f.write_str(if axis == 0 { "" } else { ", " })?;
            write!(f, "{}", Entry(self.shape_at(axis)))?;
        }
        f.write_str(")")
    }
}

/// Reads what `Display` writes, with or without the shape.
///
/// ```
/// use daisy_geometry::{GeometryError, Roi};
///
/// assert_eq!("[0:10, 5:9] (10, 4)".parse(), Roi::new([0, 5], [10, 4]));
/// assert_eq!("[-3:-1, :]".parse(), Roi::from_axes([Some((-3, 2)), None]));
/// assert_eq!("[empty] (0)".parse(), Ok(Roi::empty(1)));
/// assert_eq!(
///     "[0:10] (11)".parse::<Roi>(),
///     Err(GeometryError::ShapeDisagrees { axis: 0, expected: Some(10), found: Some(11) })
/// );
/// ```
impl FromStr for Roi {
    type Err = GeometryError;

    fn from_str(text: &str) -> Result<Self, GeometryError> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.expect('[', "`[`")?;
        let axes = cursor.list_until(']', Cursor::axis)?;
        let empties = axes.iter().filter(|axis| matches!(axis, Axis::Empty)).count();
        let roi = match empties {
            0 => Self::from_axes_of_text(&axes)?,
            all if all == axes.len() => Self::empty(all),
            _ => return Err(cursor.error("`empty` for every axis or for none")),
        };
        if cursor.eat('(') {
            let shape = cursor.list_until(')', Cursor::entry)?;
            check_shape(&roi, &shape)?;
        }
        cursor.expect_end()?;
        Ok(roi)
    }
}

/// One axis of a ROI as it is written.
enum Axis {
    Bounded { begin: i64, end: i64 },
    Unbounded,
    Empty,
}

impl Roi {
    fn from_axes_of_text(axes: &[Axis]) -> Result<Self, GeometryError> {
        let mut bounds = Vec::with_capacity(axes.len());
        for axis in axes {
            bounds.push(match axis {
                Axis::Bounded { begin, end } => {
                    let shape = end.checked_sub(*begin);
                    let overflow = GeometryError::Overflow { op: "the shape of a ROI" };
                    Some((*begin, shape.ok_or(overflow)?))
                }
                _ => None,
            });
        }
        Self::from_axes(bounds)
    }
}

fn check_shape(roi: &Roi, shape: &[Option<i64>]) -> Result<(), GeometryError> {
    if shape.len() != roi.dims() {
        return Err(GeometryError::DimsMismatch { left: roi.dims(), right: shape.len() });
    }
    for (axis, &found) in shape.iter().enumerate() {
        let expected = roi.shape_at(axis);
        if found != expected {
            return Err(GeometryError::ShapeDisagrees { axis, expected, found });
        }
    }
    Ok(())
}

/// A text and how far it is read.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// What is left to read, without the spaces before it.
    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn is_at_end(&mut self) -> bool {
        self.rest().is_empty()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn eat_word(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn expect(&mut self, wanted: char, expected: &'static str) -> Result<(), GeometryError> {
        if self.eat(wanted) { Ok(()) } else { Err(self.error(expected)) }
    }

    fn expect_end(&mut self) -> Result<(), GeometryError> {
        if self.is_at_end() { Ok(()) } else { Err(self.error("nothing")) }
    }

    /// The elements of a list whose opening bracket is read already.
    fn list_until<V>(
        &mut self,
        closing: char,
        element: impl Fn(&mut Self) -> Result<V, GeometryError>,
    ) -> Result<Vec<V>, GeometryError> {
        let mut list = Vec::new();
        while !self.eat(closing) {
            list.push(element(self)?);
            if !self.eat(',') && !self.rest().starts_with(closing) {
                return Err(self.error("`,` or the closing bracket"));
            }
        }
        Ok(list)
    }

    fn number<T: Scalar>(&mut self) -> Result<T, GeometryError> {
        let rest = self.rest();
        let unsigned = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let digits =
            unsigned.len() - unsigned.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let length = rest.len() - unsigned.len() + digits;
        match T::from_str_radix(rest.get(..length).unwrap_or_default(), 10) {
            Ok(number) if digits > 0 => {
                self.at += length;
                Ok(number)
            }
            _ => Err(self.error("an integer that fits")),
        }
    }

    fn axis(&mut self) -> Result<Axis, GeometryError> {
        if self.eat(':') {
            return Ok(Axis::Unbounded);
        }
        if self.eat_word("empty") {
            return Ok(Axis::Empty);
        }
        let begin = self.number()?;
        self.expect(':', "`:`")?;
        let end = self.number()?;
        Ok(Axis::Bounded { begin, end })
    }

    fn entry(&mut self) -> Result<Option<i64>, GeometryError> {
        if self.eat_word("None") { Ok(None) } else { self.number().map(Some) }
    }

    fn error(&mut self, expected: &'static str) -> GeometryError {
        let found = self.rest().chars().next();
        GeometryError::Parse { expected, found, at: self.at }
    }
}
