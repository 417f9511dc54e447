//! Units, which are in the names of figures.

/// The unit of the figure at this path; empty if it has none.
pub(crate) fn of(path: &str) -> String {
    let mut keys = path.rsplit('.');
    let key = keys.next().unwrap_or_default();
    let reading = keys
        .next()
        .map_or("", |sensor| find(SENSORS, |name| sensor == name));
    match key {
        "bias" | "noise" if reading == "Ω" => "p.u.".to_owned(), // an insulation reading is as good as its size
        "bias" | "noise" | "resolution" | "range" => reading.to_owned(),
        "drift_per_k" => format!("{reading}/K"),
        _ => of_key(key).to_owned(),
    }
}

fn of_key(key: &str) -> &'static str {
    let exact = find(WHOLE, |name| key == name);
    if exact.is_empty() {
        find(ENDINGS, |ending| {
            key == ending || key.strip_suffix(ending).is_some_and(|rest| rest.ends_with('_'))
        })
    } else {
        exact
    }
}

fn find(table: &[(&str, &'static str)], fits: impl Fn(&str) -> bool) -> &'static str {
    table
        .iter()
        .find(|(name, _)| fits(name))
        .map_or("", |(_, unit)| unit)
}

/// Readings of sensors.
const SENSORS: &[(&str, &str)] = &[
    ("cell_voltage", "V"),
    ("temperature", "°C"),
    ("high_voltage", "V"),
    ("current", "p.u."),
    ("converter_current", "A"),
    ("ac_voltage", "V"),
    ("frequency", "Hz"),
    ("power", "W"),
    ("flow", "L/min"),
    ("hydrogen", "ppm"),
    ("carbon_monoxide", "ppm"),
    ("smoke", "dB/m"),
    ("pressure", "Pa"),
    ("insulation", "Ω"),
    ("coil_supply", "V"),
];

/// Names whose ending would mislead.
const WHOLE: &[(&str, &str)] = &[
    ("healthy_mohm", "MΩ"),
    ("rate_c", "C"),
    ("rated_c_rate", "C"),
    ("power_mw", "MW"),
    ("gas_t90_s", "s"),
];

/// Endings, the longer before the shorter that they end with.
const ENDINGS: &[(&str, &str)] = &[
    ("j_per_kg_k", "J/(kg K)"),
    ("w_per_k", "W/K"),
    ("j_per_k", "J/K"),
    ("k_per_w", "K/W"),
    ("k_per_kw", "K/kW"),
    ("mv_per_k", "mV/K"),
    ("k_per_min", "K/min"),
    ("mv_per_min", "mV/min"),
    ("l_per_min", "L/min"),
    ("ml_per_s", "mL/s"),
    ("l_per_ah", "L/Ah"),
    ("g_per_ah", "g/Ah"),
    ("kg_per_l", "kg/L"),
    ("g_per_l", "g/L"),
    ("j_per_l", "J/L"),
    ("m2_per_g", "m²/g"),
    ("j_per_mol", "J/mol"),
    ("m3_per_h", "m³/h"),
    ("per_month", "1/month"),
    ("per_year", "1/year"),
    ("per_kelvin", "1/K"),
    ("per_k", "1/K"),
    ("per_h", "1/h"),
    ("per_s", "1/s"),
    ("percent", "%"),
    ("a2s", "A²s"),
    ("db_per_m", "dB/m"),
    ("pu", "p.u."),
    ("rpm", "1/min"),
    ("kva", "kVA"),
    ("kwh", "kWh"),
    ("mwh", "MWh"),
    ("wh", "Wh"),
    ("ah", "Ah"),
    ("kohm", "kΩ"),
    ("mohm", "mΩ"),
    ("ohm", "Ω"),
    ("va", "VA"),
    ("kv", "kV"),
    ("mv", "mV"),
    ("kw", "kW"),
    ("mf", "mF"),
    ("uf", "µF"),
    ("pa", "Pa"),
    ("hz", "Hz"),
    ("kg", "kg"),
    ("mm", "mm"),
    ("m3", "m³"),
    ("ms", "ms"),
    ("v", "V"),
    ("a", "A"),
    ("s", "s"),
    ("c", "°C"),
    ("k", "K"),
    ("l", "L"),
    ("m", "m"),
    ("j", "J"),
    ("w", "W"),
];
