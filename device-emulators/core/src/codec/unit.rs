//! Units in data files against units of points, and how others write them.

/// How a unit of a data file is written in points, and by how much to multiply; units not listed stand as they are.
const ALIASES: &[(&str, &str, f64)] = &[
    ("", "1", 1.0),
    ("mΩ", "Ω", 1e-3),
    ("kΩ", "Ω", 1e3),
    ("MΩ", "Ω", 1e6),
    ("µV", "V", 1e-6),
    ("mV", "V", 1e-3),
    ("kV", "V", 1e3),
    ("mA", "A", 1e-3),
    ("kA", "A", 1e3),
    ("kW", "W", 1e3),
    ("MW", "W", 1e6),
    ("kVA", "VA", 1e3),
    ("MVA", "VA", 1e6),
    ("kvar", "var", 1e3),
    ("Mvar", "var", 1e6),
    ("kWh", "Wh", 1e3),
    ("MWh", "Wh", 1e6),
    ("ms", "s", 1e-3),
    ("min", "s", 60.0),
    ("h", "s", 3600.0),
    ("kPa", "Pa", 1e3),
    ("bar", "Pa", 1e5),
    ("MPa", "Pa", 1e6),
    ("mHz", "Hz", 1e-3),
    ("kHz", "Hz", 1e3),
    ("Ah", "As", 3600.0),
    ("mAh", "As", 3.6),
];

/// Other spellings of a unit.
const SPELLINGS: &[(&str, &[&str])] = &[
    (
        "",
        &["-", "--", "/", "—", "N/A", "n/a", "NA", "1", "none", "None", "无"],
    ),
    (
        "°C",
        &[
            "degC",
            "C",
            "℃",
            "ºC",
            "°c",
            "deg C",
            "DegC",
            "deg.C",
            "deg. C",
            "degc",
            "Celsius",
            "celsius",
            "deg Celsius",
            "degree C",
            "degrees C",
            "Grad C",
        ],
    ),
    (
        "V",
        &[
            "v", "Volt", "Volts", "volt", "volts", "VDC", "Vdc", "V DC", "V dc", "V d.c.", "VAC", "Vac",
            "V AC", "V ac", "伏",
        ],
    ),
    ("mV", &["mv", "MV", "mVolt", "millivolt", "Millivolt"]),
    ("µV", &["uV", "μV"]),
    ("kV", &["KV", "kv"]),
    (
        "A",
        &[
            "a", "Amp", "Amps", "amp", "amps", "Ampere", "ampere", "ADC", "Adc", "A DC", "A dc", "A d.c.",
            "AAC", "Aac", "A AC", "A ac", "安",
        ],
    ),
    ("mA", &["ma", "milliampere"]),
    ("kA", &["KA"]),
    ("W", &["Watt", "Watts", "watt", "watts", "w"]),
    ("kW", &["KW", "Kw", "kw"]),
    ("VA", &["va"]),
    ("kVA", &["KVA", "kva"]),
    ("MVA", &["Mva", "mva"]),
    ("MW", &["Mw"]),
    ("var", &["Var", "VAr", "VAR"]),
    ("kvar", &["KVar", "kVar", "KVAR", "kVAr", "kVAR", "Kvar"]),
    ("Mvar", &["MVar", "MVAr", "MVAR"]),
    ("Wh", &["WH", "wh"]),
    ("kWh", &["KWh", "KWH", "kwh", "kWH", "kW.h", "kW·h", "kW h"]),
    ("MWh", &["MWH", "Mwh", "MW.h", "MW·h", "MW h"]),
    ("Ah", &["AH", "ah", "A.h", "A h"]),
    ("mAh", &["mAH", "mah"]),
    // the sign of its own (U+2126) beside the Greek letter
    ("Ω", &["\u{2126}", "Ohm", "ohm", "Ohms", "ohms", "OHM"]),
    ("mΩ", &["m\u{2126}", "mOhm", "mohm", "milliohm"]),
    (
        "kΩ",
        &[
            "k\u{2126}",
            "K\u{2126}",
            "KΩ",
            "kohm",
            "kOhm",
            "KOhm",
            "KOHM",
            "kohms",
            "kOhms",
        ],
    ),
    ("MΩ", &["M\u{2126}", "MOhm", "Mohm", "MOHM"]),
    ("Hz", &["HZ", "hz"]),
    ("s", &["sec", "Sec", "S", "second", "seconds", "Seconds", "秒"]),
    ("ms", &["msec", "mS", "毫秒"]),
    ("min", &["Min", "minute", "minutes", "mins", "分钟", "分"]),
    ("h", &["hour", "hours", "hr", "hrs", "H", "小时"]),
    (
        "%",
        &[
            "percent", "Percent", "pct", "%RH", "% RH", "%rh", "RH%", "%rF", "% rF", "％",
        ],
    ),
    (
        "L/min",
        &["l/min", "LPM", "lpm", "L/Min", "l/Min", "ltr/min", "Liter/min"],
    ),
    ("rpm", &["RPM", "1/min", "U/min", "r/min"]),
];

/// A unit as others write it, in this rig's spelling; one that is not known stands as it is. Brackets around it are left out.
pub fn spelled(unit: &str) -> &str {
    let unit = unit.trim();
    let bare = [('[', ']'), ('(', ')')]
        .into_iter()
        .find_map(|(open, close)| unit.strip_prefix(open)?.strip_suffix(close))
        .unwrap_or(unit)
        .trim();
    SPELLINGS
        .iter()
        .find(|(_, others)| others.contains(&bare))
        .map_or(bare, |(own, _)| own)
}

/// A unit's quantity, by the unit points have of it, and the factor to that.
fn base(unit: &str) -> (&str, f64) {
    let unit = spelled(unit);
    ALIASES
        .iter()
        .find(|alias| alias.0 == unit)
        .map_or((unit, 1.0), |alias| (alias.1, alias.2))
}

/// Factor from `unit` to `point_unit`; `None` if they measure different things.
pub fn factor(unit: &str, point_unit: &str) -> Option<f64> {
    let (from, from_factor) = base(unit);
    let (to, to_factor) = base(point_unit);
    (from == to).then_some(from_factor / to_factor)
}

/// Units of the same quantity as a point's.
pub fn of_quantity(point_unit: &'static str) -> Vec<&'static str> {
    let (quantity, _) = base(point_unit);
    let listed = ALIASES
        .iter()
        .filter(|alias| alias.1 == quantity && !alias.0.is_empty());
    let mut all = vec![quantity];
    all.extend(listed.map(|alias| alias.0));
    all
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

    #[test]
    fn usual_spellings_are_known() {
        for (unit, point_unit, expected) in [
            ("Volt", "V", 1.0),
            ("[mV]", "V", 1e-3),
            ("mv", "V", 1e-3),
            ("deg C", "°C", 1.0),
            ("Celsius", "°C", 1.0),
            ("℃", "°C", 1.0),
            ("ºC", "°C", 1.0),
            (" [°C] ", "°C", 1.0),
            ("Ohm", "Ω", 1.0),
            ("kOhm", "Ω", 1e3),
            ("Ω", "Ω", 1.0),
            ("KW", "W", 1e3),
            ("-", "1", 1.0),
            ("[%]", "%", 1.0),
            ("Amps", "A", 1.0),
            ("RPM", "rpm", 1.0),
            ("MWh", "Wh", 1e6),
            ("MW·h", "Wh", 1e6),
            ("Mvar", "var", 1e6),
            ("MVAr", "var", 1e6),
            ("MVA", "VA", 1e6),
            ("l/min", "L/min", 1.0),
            ("L/min", "L/min", 1.0),
            ("V DC", "V", 1.0),
            ("Vdc", "V", 1.0),
            ("[V AC]", "V", 1.0),
            ("A DC", "A", 1.0),
            ("°C", "°C", 1.0),
            ("degC", "°C", 1.0),
            ("%RH", "%", 1.0),
            ("% rF", "%", 1.0),
            ("mΩ", "Ω", 1e-3),
            ("m\u{2126}", "Ω", 1e-3),
            ("kΩ", "Ω", 1e3),
            ("K\u{2126}", "Ω", 1e3),
            ("Hz", "Hz", 1.0),
            ("s", "s", 1.0),
            ("ms", "s", 1e-3),
            ("min", "s", 60.0),
            ("h", "s", 3600.0),
            ("小时", "s", 3600.0),
        ] {
            assert_eq!(factor(unit, point_unit), Some(expected), "{unit}");
        }
        assert_eq!(of_quantity("V"), ["V", "µV", "mV", "kV"]);
        assert_eq!(of_quantity("rpm"), ["rpm"]);
    }

    #[test]
    fn no_spelling_stands_for_two_units() {
        let mut all: Vec<&str> = SPELLINGS
            .iter()
            .flat_map(|(own, others)| others.iter().copied().chain([*own]))
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
