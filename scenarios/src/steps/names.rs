//! The points that steps look at, by name: the one place to change when a point is renamed.

/// Prefix of a tag that asks for the truth of the plant.
pub(crate) const PLANT: &str = "plant:";

pub(crate) const EMS: &str = "site-01/ems";
pub(crate) const BAU: &str = "container-01/bau";
pub(crate) const PCS: &str = "container-01/pcs";
pub(crate) const SAFETY_RELAY: &str = "container-01/safety-relay";
pub(crate) const FIRE_PANEL: &str = "container-01/fire-panel";
pub(crate) const TRUE_CONTAINER: &str = "plant:container-01";
pub(crate) const TRUE_PCS: &str = "plant:container-01/pcs";

pub(crate) const TRUE_AIR: &str = "plant:container-01/air";
pub(crate) const TRUE_COOLANT: &str = "plant:container-01/coolant";
pub(crate) const TRUE_SUPPRESSION: &str = "plant:container-01/suppression";

/// Voltage, V, and current, A (positive discharging), of the stack's DC terminals.
pub(crate) const STACK_VOLTAGE: (&str, &str) = (TRUE_CONTAINER, "bus-voltage");
pub(crate) const STACK_CURRENT: (&str, &str) = (TRUE_CONTAINER, "bus-current");

/// Power at the point of interconnection, W, positive exporting.
pub(crate) const POI_POWER: (&str, &str) = ("plant:container-01/grid", "poi-active-power");

/// Values without events that features time; sampled at every plant tick.
pub(crate) const SAMPLED: &[(&str, &str)] = &[
    (TRUE_PCS, "active-power"),
    (TRUE_PCS, "reactive-power"),
    (TRUE_PCS, "gate"),
    (TRUE_PCS, "ac-contactor"),
    (TRUE_CONTAINER, "bus-voltage"),
    (TRUE_CONTAINER, "cells-in-runaway"),
    (TRUE_COOLANT, "flow"),
    (TRUE_SUPPRESSION, "flowing"),
    (PCS, "pcs-state"),
    (PCS, "trip-cause"),
    (PCS, "bms-charge-limit"),
    (PCS, "bms-discharge-limit"),
    (PCS, "bms-charge-enable"),
    (PCS, "bms-discharge-enable"),
    (FIRE_PANEL, "level"),
    (FIRE_PANEL, "gas-detector"),
    (FIRE_PANEL, "smoke-detector"),
    (FIRE_PANEL, "heat-detector"),
    (FIRE_PANEL, "release-feedback"),
    (SAFETY_RELAY, "safety-ok"),
    (SAFETY_RELAY, "lockout"),
];

/// Tag of a BMU; numbers from 1.
pub(crate) fn bmu(cluster: usize, pack: usize) -> String {
    format!("container-01/cluster-{cluster:02}/pack-{pack:02}/bmu")
}

/// Tag of a BCU; numbers from 1.
pub(crate) fn bcu(cluster: usize) -> String {
    format!("container-01/cluster-{cluster:02}/bcu")
}

/// Truth of a cluster; numbers from 1.
pub(crate) fn true_cluster(cluster: usize) -> String {
    format!("plant:container-01/cluster-{cluster:02}")
}

/// A BMU's point of a cell; number from 1, rows count from 0.
pub(crate) fn cell_voltage(cell: usize) -> String {
    format!("cell[{}].voltage", cell.saturating_sub(1))
}

/// The BAU's point of a cell; numbers from 1, rows count from 0.
pub(crate) fn reported_cell(cluster: usize, pack: usize, cell: usize, what: &str) -> String {
    let [cluster, pack, cell] = [cluster, pack, cell].map(|number| number.saturating_sub(1));
    format!("cluster[{cluster}].pack[{pack}].cell[{cell}].{what}")
}
