//! The units of OME-NGFF, and how they become each other.

use super::decimal::Decimal;

/// Names, what else they are called, and the power of ten of a metre or second.
const UNITS: [(&str, &[&str], i32); 21] = [
    ("angstrom", &["Å", "Angstrom"], -10),
    ("picometer", &["pm"], -12),
    ("nanometer", &["nm"], -9),
    ("micrometer", &["um", "µm", "μm", "micron", "microns"], -6),
    ("millimeter", &["mm"], -3),
    ("centimeter", &["cm"], -2),
    ("decimeter", &["dm"], -1),
    ("meter", &["m"], 0),
    ("kilometer", &["km"], 3),
    ("femtometer", &["fm"], -15),
    ("attometer", &["am"], -18),
    ("attosecond", &["as"], -18),
    ("femtosecond", &["fs"], -15),
    ("picosecond", &["ps"], -12),
    ("nanosecond", &["ns"], -9),
    ("microsecond", &["us", "µs", "μs"], -6),
    ("millisecond", &["ms"], -3),
    ("centisecond", &["cs"], -2),
    ("decisecond", &["ds"], -1),
    ("second", &["s"], 0),
    ("kilosecond", &["ks"], 3),
];

fn find(unit: &str) -> Option<&'static (&'static str, &'static [&'static str], i32)> {
    UNITS.iter().find(|(name, others, _)| *name == unit || others.contains(&unit))
}

/// The name that OME-NGFF has for a unit, or the unit itself.
pub(super) fn ome_name(unit: &str) -> &str {
    find(unit).map_or(unit, |(name, _, _)| name)
}

/// How many `to` one `from` is, if both are lengths or both are times.
pub(super) fn factor(from: &str, to: &str) -> Option<Decimal> {
    if from == to {
        return Some(Decimal::ONE);
    }
    let (from, to) = (find(from)?, find(to)?);
    let is_time = |name: &str| name.ends_with("second");
    (is_time(from.0) == is_time(to.0)).then(|| Decimal::power_of_ten(from.2 - to.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_each_other_by_powers_of_ten() {
        assert_eq!(factor("micrometer", "nm"), Some(Decimal::power_of_ten(3)));
        assert_eq!(factor("nm", "nanometer"), Some(Decimal::ONE));
        assert_eq!(factor("foot", "foot"), Some(Decimal::ONE));
        assert_eq!(factor("foot", "nm"), None);
        assert_eq!(factor("second", "meter"), None);
        assert_eq!(ome_name("µm"), "micrometer");
        assert_eq!(ome_name("parsec"), "parsec");
    }
}
