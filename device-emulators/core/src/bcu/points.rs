//! What a BCU knows and can be asked for. Current is positive when discharging.

use super::sequence;
use super::settings::BcuSettings;
use crate::addressing::MasterPoints;
use crate::point_list::point_list;
use crate::protection::{AlarmId, Severity};
use crate::{PointId, PointRange, PointTable};

/// Clusters one BAU addresses; rows of requests have this length.
pub const CLUSTERS: usize = 20;

point_list! {
    /// Points of a BCU.
    pub struct BcuPoints {
        /// Contactor sequence.
        state: state("state", sequence::STATES),
        /// Worst alarm level.
        alarm_level: state("alarm-level", Severity::NAMES),
        /// First of the alarms at the worst level.
        first_alarm: state("first-alarm", AlarmId::FIRST_ALARM_NAMES),
        /// Why it does not close although asked to.
        blocking: state("blocking", sequence::BLOCKING),
        /// A close request would be followed.
        ready: flag("ready"),
        /// Alarms at level 1, one bit each.
        alarms_warn: value("alarms-warn", "1", 0.0, 4_294_967_295.0),
        /// Alarms at level 2.
        alarms_alarm: value("alarms-alarm", "1", 0.0, 4_294_967_295.0),
        /// Alarms at level 3.
        alarms_fault: value("alarms-fault", "1", 0.0, 4_294_967_295.0),
        /// Auxiliary contact of K+.
        main_positive: flag("main-positive-closed"),
        /// Auxiliary contact of K−.
        main_negative: flag("main-negative-closed"),
        /// Auxiliary contact of K_pre.
        precharge: flag("precharge-closed"),
        /// Fuse is whole.
        fuse: flag("fuse-intact"),
        /// DC breaker is closed.
        breaker: flag("breaker-closed"),
        /// Coil command of K+.
        coil_positive: flag("coil-main-positive"),
        /// Coil command of K−.
        coil_negative: flag("coil-main-negative"),
        /// Coil command of K_pre.
        coil_precharge: flag("coil-precharge"),
        /// Shunt trip command of the DC breaker.
        breaker_trip: flag("breaker-trip"),
        /// Contactor coil supply.
        coil_supply: value("coil-supply", "V", 0.0, 60.0),
        /// Voltage of the cluster behind its contactors.
        cluster_voltage: value("cluster-voltage", "V", 0.0, 2000.0),
        /// Voltage of the stack bus.
        bus_voltage: value("bus-voltage", "V", 0.0, 2000.0),
        /// Cluster current.
        current: value("current", "A", -3276.8, 3276.7),
        /// State of charge.
        soc: value("soc", "%", 0.0, 100.0),
        /// State of health.
        soh: value("soh", "%", 0.0, 100.0),
        /// Highest cell voltage.
        cell_max: value("cell-voltage-max", "V", 0.0, 6.0),
        /// Its pack, from 1.
        cell_max_pack: value("cell-voltage-max-pack", "1", 0.0, 255.0),
        /// Its cell, from 1.
        cell_max_cell: value("cell-voltage-max-cell", "1", 0.0, 255.0),
        /// Lowest cell voltage.
        cell_min: value("cell-voltage-min", "V", 0.0, 6.0),
        /// Its pack, from 1.
        cell_min_pack: value("cell-voltage-min-pack", "1", 0.0, 255.0),
        /// Its cell, from 1.
        cell_min_cell: value("cell-voltage-min-cell", "1", 0.0, 255.0),
        /// Mean cell voltage.
        cell_mean: value("cell-voltage-mean", "V", 0.0, 6.0),
        /// Highest temperature.
        temperature_max: value("temperature-max", "°C", -40.0, 215.0),
        /// Its pack, from 1.
        temperature_max_pack: value("temperature-max-pack", "1", 0.0, 255.0),
        /// Lowest temperature.
        temperature_min: value("temperature-min", "°C", -40.0, 215.0),
        /// Its pack, from 1.
        temperature_min_pack: value("temperature-min-pack", "1", 0.0, 255.0),
        /// Mean of all sensors.
        temperature_mean: value("temperature-mean", "°C", -40.0, 215.0),
        /// Fastest rise of a pack's highest temperature.
        temperature_rise: value("temperature-rise", "K/min", -1000.0, 1000.0),
        /// Insulation resistance to earth.
        insulation: value("insulation-resistance", "Ω", 0.0, 1e9),
        /// Temperature in the high-voltage box.
        box_temperature: value("box-temperature", "°C", -40.0, 215.0),
        /// Charge current allowed now.
        charge_limit: value("charge-limit", "A", 0.0, 6553.5),
        /// Discharge current allowed now.
        discharge_limit: value("discharge-limit", "A", 0.0, 6553.5),
        /// BMUs heard lately.
        packs_online: value("packs-online", "1", 0.0, 255.0),
        /// Life counter to the BAU.
        life_counter: counter("life-counter", 255.0),
        /// Life counter to the BMUs.
        sync_counter: value("sync-counter", "1", 0.0, 255.0),
        /// Bleeding is allowed.
        balance_enable: flag("balance-enable"),
        /// Fan command to the BMUs (air-cooled packs).
        fan: value("fan", "%", 0.0, 100.0),
        /// Bleed down to this voltage (last command).
        balance_target: value("balance-target", "V", 0.0, 6.0),
        /// Cells to bleed, one bit each (last command).
        balance_cells: value("balance-cells", "1", 0.0, 17_592_186_044_415.0),
        /// BAU is heard and its counter moves.
        bau_online: flag("bau-online"),
        /// Remote I/O answers.
        io_online: flag("io-online"),
        /// Measuring unit is heard.
        hv_unit_online: flag("hv-unit-online"),
        /// What the BAU asks of this cluster.
        request: state("request", sequence::Request::NAMES),
        /// BAU: life counter.
        bau_life_counter: counter("bau-life-counter", 255.0),
        /// BAU: it sees an E-stop.
        bau_estop: flag("bau-estop"),
        /// BAU: it sees a fire stage.
        bau_fire: flag("bau-fire"),
        /// BAU: a change is a reset.
        bau_reset_counter: value("bau-reset-counter", "1", 0.0, 255.0),
    }
}

/// All points of a BCU: the single ones and the rows.
#[derive(Clone, Copy, Debug)]
pub struct BcuTable {
    /// Single points.
    pub single: BcuPoints,
    /// Level of each alarm, in the order of [`AlarmId::ALL`].
    pub alarms: [PointId; AlarmId::ALL.len()],
    /// BAU: request for each cluster, as [`sequence::Request`] numbers.
    pub requests: PointRange,
    /// Whether each pack's BMU is heard, 0 or 1.
    pub pack_online: PointRange,
    /// What its BMUs say, for the BAU.
    pub packs: PackRows,
    /// Addresses of the BMUs, if the product can give them.
    pub addressing: Option<MasterPoints>,
}

/// Rows of what the BMUs say. Cells and sensors count through all packs of the cluster, in their order.
#[derive(Clone, Copy, Debug)]
pub struct PackRows {
    /// Of each cell.
    pub cell_voltage: PointRange,
    /// Of each sensor.
    pub temperature: PointRange,
    /// Of each pack.
    pub voltage: PointRange,
    /// Cells that bleed, one bit each, of each pack.
    pub balance_map: PointRange,
}

impl PackRows {
    fn add_to(table: &mut PointTable, settings: &BcuSettings) -> Self {
        let packs = settings.packs;
        let cells = packs * settings.cells_per_pack;
        let sensors = packs * settings.temperatures_per_pack;
        Self {
            cell_voltage: table.row("cell[{}].voltage", cells, "V", 0.0, 6.0),
            temperature: table.row("temperature[{}]", sensors, "°C", -40.0, 210.0),
            voltage: table.row("pack[{}].voltage", packs, "V", 0.0, 2000.0),
            // whole up to 2^53; the code of "no value" is above
            balance_map: table.row("pack[{}].balance-map", packs, "1", 0.0, 4_503_599_627_370_494.0),
        }
    }
}

impl BcuTable {
    /// Builds the table of a product that can give its BMUs addresses, or cannot.
    pub fn build(settings: &BcuSettings, gives_addresses: bool) -> (PointTable, Self) {
        let mut table = PointTable::default();
        let single = BcuPoints::add_to(&mut table);
        let alarms = AlarmId::ALL.map(|id| table.state(id.point(), Severity::NAMES));
        let requests = table.row("bau-request[{}]", CLUSTERS, "1", 0.0, 3.0);
        let pack_online = table.row("pack[{}].online", settings.packs, "1", 0.0, 1.0);
        let packs = PackRows::add_to(&mut table, settings);
        let addressing = gives_addresses.then(|| MasterPoints::add_to(&mut table));
        let points = Self {
            single,
            alarms,
            requests,
            pack_online,
            packs,
            addressing,
        };
        (table, points)
    }
}
