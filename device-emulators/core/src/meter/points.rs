//! What a power meter shows. Power is positive when exporting.

use crate::PointTable;
use crate::point_list::point_list;

/// Highest power it can tell, W, and phase current, A: those of its transformers. An assumption; the strongest PCS has
/// 2750 kVA, and the lowest voltage is 380 V.
const POWER: f64 = 3.2e6;
const CURRENT: f64 = 5000.0;

point_list! {
    /// Points of a meter.
    pub struct MeterPoints {
        /// Phase voltage.
        voltage_a: value("phase-voltage-a", "V", 0.0, 3000.0),
        /// Phase voltage.
        voltage_b: value("phase-voltage-b", "V", 0.0, 3000.0),
        /// Phase voltage.
        voltage_c: value("phase-voltage-c", "V", 0.0, 3000.0),
        /// Mean phase voltage.
        voltage_phase: value("phase-voltage", "V", 0.0, 3000.0),
        /// Line voltage.
        voltage_ab: value("line-voltage-ab", "V", 0.0, 3000.0),
        /// Line voltage.
        voltage_bc: value("line-voltage-bc", "V", 0.0, 3000.0),
        /// Line voltage.
        voltage_ca: value("line-voltage-ca", "V", 0.0, 3000.0),
        /// Mean line voltage.
        voltage_line: value("line-voltage", "V", 0.0, 3000.0),
        /// Frequency.
        frequency: value("frequency", "Hz", 0.0, 100.0),
        /// Active power.
        active_power: value("active-power", "W", -POWER, POWER),
        /// Reactive power.
        reactive_power: value("reactive-power", "var", -POWER, POWER),
        /// Apparent power.
        apparent_power: value("apparent-power", "VA", 0.0, POWER),
        /// Power factor, sign of the active power.
        power_factor: value("power-factor", "1", -1.0, 1.0),
        /// One third of the active power.
        power_phase: value("active-power-phase", "W", -POWER, POWER),
        /// One third of the reactive power.
        reactive_phase: value("reactive-power-phase", "var", -POWER, POWER),
        /// One third of the apparent power.
        apparent_phase: value("apparent-power-phase", "VA", 0.0, POWER),
        /// Phase current, sign of the active power.
        current_phase: value("current-phase", "A", -CURRENT, CURRENT),
        /// Sum of the phase currents.
        current_total: value("current-total", "A", -3.0 * CURRENT, 3.0 * CURRENT),
        /// Energy exported since power-up.
        exported: value("energy-exported", "Wh", 0.0, 1e15),
        /// Energy imported since power-up.
        imported: value("energy-imported", "Wh", 0.0, 1e15),
    }
}

/// The table of every meter product.
pub fn table() -> (PointTable, MeterPoints) {
    let mut table = PointTable::default();
    let points = MeterPoints::add_to(&mut table);
    (table, points)
}
