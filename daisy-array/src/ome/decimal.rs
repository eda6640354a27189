//! Decimal numbers as metadata have them, multiplied and added exactly.

use std::fmt;

use serde_json::Value;

/// Digits that a power of ten may have, so that no number of a file makes work.
const MAX_POWER: i32 = 36;

/// `digits * 10^power`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i128,
    power: i32,
}

impl Decimal {
    pub(super) const ZERO: Self = Self { digits: 0, power: 0 };
    pub(super) const ONE: Self = Self { digits: 1, power: 0 };

    /// The number as it is written: the shortest text that means it.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = value.as_number()?.to_string();
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (text.as_str(), 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let places = i32::try_from(fraction.len()).ok()?;
        Self::reduced(digits, exponent.checked_sub(places)?)
    }

    /// Ten to a power.
    pub(super) fn power_of_ten(power: i32) -> Self {
        Self { digits: 1, power }
    }

    pub(super) fn checked_mul(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        Self::reduced(digits, self.power.checked_add(other.power)?)
    }

    pub(super) fn checked_add(self, other: Self) -> Option<Self> {
        let power = self.power.min(other.power);
        let digits = self.at_power(power)?.checked_add(other.at_power(power)?)?;
        Self::reduced(digits, power)
    }

    /// The number, if it is whole.
    pub(super) fn to_whole(self) -> Option<i64> {
        i64::try_from(self.at_power(0)?).ok()
    }

    /// The digits before a smaller power.
    fn at_power(self, power: i32) -> Option<i128> {
        if self.digits == 0 {
            return Some(0);
        }
        let places = self.power.checked_sub(power).filter(|places| *places <= MAX_POWER)?;
        self.digits.checked_mul(10i128.checked_pow(u32::try_from(places).ok()?)?)
    }

    /// Without zeros at the end.
    fn reduced(mut digits: i128, mut power: i32) -> Option<Self> {
        if digits == 0 {
            return Some(Self::ZERO);
        }
        while digits % 10 == 0 {
            digits /= 10;
            power = power.checked_add(1)?;
        }
        Some(Self { digits, power })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.power {
            0 => write!(f, "{}", self.digits),
            power => write!(f, "{}e{power}", self.digits),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decimal(value: Value) -> Decimal {
        Decimal::from_json(&value).unwrap()
    }

    #[test]
    fn numbers_are_what_is_written() {
        let thousand = Decimal::power_of_ten(3);
        for (written, whole) in [
            (json!(4.0), Some(4)),
            (json!(4), Some(4)),
            (json!(1.5), None),
            (json!(1e3), Some(1000)),
            (json!(-0.5), None),
            (json!(1e300), None),
            (json!(9_007_199_254_740_993i64), Some(9_007_199_254_740_993)),
            (json!(0.0), Some(0)),
        ] {
            assert_eq!(decimal(written.clone()).to_whole(), whole, "{written}");
        }
        // In binary floating point, 0.029 * 1000 is not 29.
        assert_eq!(decimal(json!(0.029)).checked_mul(thousand).unwrap().to_whole(), Some(29));
        assert_eq!(decimal(json!(0.0295)).checked_mul(thousand).unwrap().to_whole(), None);
        let sum = decimal(json!(0.1)).checked_add(decimal(json!(0.9))).unwrap();
        assert_eq!(sum, Decimal::ONE);
        assert_eq!(Decimal::from_json(&json!("4")), None);
        assert_eq!(Decimal::from_json(&json!(null)), None);
    }
}
