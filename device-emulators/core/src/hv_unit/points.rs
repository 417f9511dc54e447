//! Points of a high-voltage box measuring unit.

use crate::point_list::point_list;

point_list! {
    /// Point ids of one measuring unit.
    pub struct HvUnitPoints {
        /// Voltage of the cluster behind its contactors, V.
        cluster_voltage: value("cluster-voltage", "V", 0.0, 2000.0),
        /// Voltage of the stack DC bus, V.
        bus_voltage: value("bus-voltage", "V", 0.0, 2000.0),
        /// Cluster current, A, positive discharging.
        current: value("current", "A", -3000.0, 3000.0),
        /// Insulation resistance to earth, Ω; the wire carries kΩ up to 65,533.
        insulation_resistance: value("insulation-resistance", "Ω", 0.0, 65_533_000.0),
        /// Temperature inside the box, °C.
        box_temperature: value("box-temperature", "°C", -40.0, 210.0),
        /// The cluster voltage has no usable value.
        cluster_voltage_fault: flag("cluster-voltage-fault"),
        /// The bus voltage has no usable value.
        bus_voltage_fault: flag("bus-voltage-fault"),
        /// The current has no usable value.
        current_fault: flag("current-fault"),
        /// The current is beyond the shunt's range.
        over_range: flag("over-range"),
        /// Rolling counter of the message with the current, or of the one the product names.
        life_counter: counter("life-counter", 255.0),
        /// Cluster voltage times current, W, positive discharging.
        power: value("power", "W", -6e6, 6e6),
        /// Charge since power-up, As, positive discharged.
        charge: value("charge", "As", -1e9, 1e9),
        /// Energy since power-up, Wh, positive discharged.
        energy: value("energy", "Wh", -1e9, 1e9),
        /// Current or a voltage has no usable value.
        measurement_fault: flag("measurement-fault"),
        /// Whether it sends its cyclic messages; a controller can set it.
        mode: state("mode", &["stop", "run"]),
        /// What it does after power-up; kept without supply.
        startup_mode: state("startup-mode", &["stop", "run"]),
    }
}
