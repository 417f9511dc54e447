//! Units in data files against units of points.

/// How a unit of a data file is written in points, and by how much to multiply; units not listed stand as they are.
const ALIASES: &[(&str, &str, f64)] = &[
    ("", "1", 1.0),
    ("degC", "°C", 1.0),
    ("C", "°C", 1.0),
    ("Ohm", "Ω", 1.0),
    ("kOhm", "Ω", 1e3),
    ("MOhm", "Ω", 1e6),
    ("kΩ", "Ω", 1e3),
    ("mV", "V", 1e-3),
    ("kV", "V", 1e3),
    ("mA", "A", 1e-3),
    ("kA", "A", 1e3),
    ("kW", "W", 1e3),
    ("MW", "W", 1e6),
    ("kVA", "VA", 1e3),
    ("kvar", "var", 1e3),
    ("kWh", "Wh", 1e3),
    ("ms", "s", 1e-3),
    ("min", "s", 60.0),
    ("h", "s", 3600.0),
    ("kPa", "Pa", 1e3),
    ("bar", "Pa", 1e5),
    ("MPa", "Pa", 1e6),
    ("mHz", "Hz", 1e-3),
];

/// Factor from `unit` to `point_unit`; `None` if they measure different things.
pub fn factor(unit: &str, point_unit: &str) -> Option<f64> {
    if unit == point_unit {
        return Some(1.0);
    }
    let base = |name| {
        ALIASES
            .iter()
            .find(|alias| alias.0 == name)
            .map_or((name, 1.0), |alias| (alias.1, alias.2))
    };
    let (from, from_factor) = base(unit);
    let (to, to_factor) = base(point_unit);
    (from == to).then_some(from_factor / to_factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_within_a_quantity_only() {
        assert_eq!(factor("mV", "V"), Some(1e-3));
        assert_eq!(factor("degC", "°C"), Some(1.0));
        assert_eq!(factor("", "1"), Some(1.0));
        assert_eq!(factor("kWh", "kWh"), Some(1.0));
        assert_eq!(factor("W", "kW"), Some(1e-3));
        assert_eq!(factor("V", "A"), None);
        assert_eq!(factor("", "V"), None);
    }
}
