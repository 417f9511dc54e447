//! What a BAU knows and can be asked for. Current and power are positive when discharging.

use super::settings::BauSettings;
use crate::point_list::point_list;
use crate::protection::{AlarmId, Severity};
use crate::{PointRange, PointTable};

/// Names of [`super::Stack`], as point states.
pub const STACK_STATES: &[&str] = &[
    "initialising",
    "standby",
    "starting",
    "connected",
    "stopping",
    "fault",
    "fire",
    "emergency-stop",
];
/// Names of [`super::stack::Blocking`], as point states.
pub const BLOCKING: &[&str] = &[
    "none",
    "not-ready",
    "cluster-fault",
    "no-cluster",
    "pcs-offline",
    "door-open",
    "io-offline",
    "fire",
    "emergency-stop",
    "start-failed",
];
/// Names of fire levels, as point states; as the fire panel numbers them.
pub const FIRE_LEVELS: &[&str] = &[
    "normal",
    "pre-warning",
    "level-1",
    "level-2",
    "released",
    "level-3",
];
const CHARGE_STATES: &[&str] = &[
    "none",
    "off",
    "empty",
    "discharging",
    "charging",
    "full",
    "holding",
    "testing",
];
const COMMANDS: &[&str] = &["none", "start", "stop", "reset", "fire-reset"];
const OPERATIONS: &[&str] = &["none", "connect", "disconnect"];

point_list! {
    /// Points of a BAU.
    pub struct BauPoints {
        /// State of the stack.
        stack_state: state("stack-state", STACK_STATES),
        /// Worst alarm level of stack and clusters.
        alarm_level: state("alarm-level", Severity::NAMES),
        /// First alarm of the worst cluster.
        first_alarm: state("first-alarm", AlarmId::FIRST_ALARM_NAMES),
        /// That cluster, from 1; 0 none.
        first_alarm_cluster: value("first-alarm-cluster", "1", 0.0, 32.0),
        /// What holds a start back, or made it fail.
        blocking: state("blocking", BLOCKING),
        /// Fire stage.
        fire_level: state("fire-level", FIRE_LEVELS),
        /// An E-stop is pressed or latched.
        estop_seen: flag("estop-seen"),
        /// The stack is called off because of fire.
        fire_seen: flag("fire-seen"),
        /// Safety relay output.
        safety_ok: flag("safety-ok"),
        /// Connected clusters.
        clusters_connected: value("clusters-connected", "1", 0.0, 32.0),
        /// Clusters heard.
        clusters_reported: value("clusters-reported", "1", 0.0, 32.0),
        /// Bus voltage.
        bus_voltage: value("bus-voltage", "V", 0.0, 2000.0),
        /// BmsPermit output wanted.
        permit: flag("permit"),
        /// Explosion ventilation wanted.
        vent_request: flag("vent-request"),
        /// PCS answers.
        pcs_online: flag("pcs-online"),
        /// Fire panel answers.
        fire_panel_online: flag("fire-panel-online"),
        /// Chiller answers.
        chiller_online: flag("chiller-online"),
        /// HVAC answers.
        hvac_online: flag("hvac-online"),
        /// Container I/O answers.
        io_online: flag("io-online"),
        /// Highest temperature.
        temperature_max: value("temperature-max", "°C", -60.0, 300.0),
        /// Lowest temperature.
        temperature_min: value("temperature-min", "°C", -60.0, 300.0),
        /// Mean temperature.
        temperature_mean: value("temperature-mean", "°C", -60.0, 300.0),
        /// Charge current allowed now.
        charge_limit: value("charge-limit", "A", 0.0, 6553.5),
        /// Discharge current allowed now.
        discharge_limit: value("discharge-limit", "A", 0.0, 6553.5),
        /// Resets given to the BCUs.
        reset_counter: value("reset-counter", "1", 0.0, 255.0),
        /// Operator command; reads none.
        command: state("command", COMMANDS),
        /// What the chiller is told: 0 off, 1 circulate, 2 cool, 3 heat.
        cooling_mode: state("cooling-mode", &["off", "circulate", "cool", "heat"]),
        /// Coolant set-point.
        cooling_setpoint: value("cooling-setpoint", "°C", -40.0, 60.0),
        /// Life counter on the stack bus.
        life_counter: counter("life-counter", 255.0),

        /// 802 `AHRtg`.
        capacity: value("capacity", "Ah", 0.0, 65_534.0),
        /// 802 `WHRtg`.
        energy_rating: value("energy-rating", "Wh", 0.0, 6_553_400.0),
        /// 802 `WChaRteMax`.
        charge_power_max: value("charge-power-max", "W", 0.0, 6_553_400.0),
        /// 802 `WDisChaRteMax`.
        discharge_power_max: value("discharge-power-max", "W", 0.0, 6_553_400.0),
        /// 802 `SoCMax`.
        soc_max: value("soc-max", "%", 0.0, 100.0),
        /// 802 `SoCMin`.
        soc_min: value("soc-min", "%", 0.0, 100.0),
        /// 802 `SoC`: mean of the reporting clusters.
        soc: value("soc", "%", 0.0, 100.0),
        /// 802 `SoH`.
        soh: value("soh", "%", 0.0, 100.0),
        /// 802 `ChaSt`.
        charge_status: state("charge-status", CHARGE_STATES),
        /// 802 `LocRemCtl`.
        control_mode: state("control-mode", &["remote", "local"]),
        /// 802 `Hb`.
        heartbeat: counter("heartbeat", 65_535.0),
        /// 802 `CtrlHb`.
        controller_heartbeat: counter("controller-heartbeat", 65_535.0),
        /// 802 `AlmRst`; reads 0.
        alarm_reset: flag("alarm-reset"),
        /// 802 `Typ`.
        battery_type: value("battery-type", "1", 0.0, 99.0),
        /// 802 `State`.
        battery_state: value("battery-state", "1", 0.0, 99.0),
        /// 802 `Evt1`.
        events: value("events", "1", 0.0, 4_294_967_295.0),
        /// 802 `EvtVnd1`: what stops the stack or ails it, by bits.
        vendor_events: value("vendor-events", "1", 0.0, 4_294_967_294.0),
        /// 802 `V`.
        voltage: value("voltage", "V", 0.0, 2000.0),
        /// Highest cell voltage.
        cell_max: value("cell-voltage-max", "V", 0.0, 6.0),
        /// Its cluster, from 1.
        cell_max_cluster: value("cell-voltage-max-cluster", "1", 0.0, 255.0),
        /// Its pack, from 1.
        cell_max_pack: value("cell-voltage-max-pack", "1", 0.0, 255.0),
        /// Lowest cell voltage.
        cell_min: value("cell-voltage-min", "V", 0.0, 6.0),
        /// Its cluster, from 1.
        cell_min_cluster: value("cell-voltage-min-cluster", "1", 0.0, 255.0),
        /// Its pack, from 1.
        cell_min_pack: value("cell-voltage-min-pack", "1", 0.0, 255.0),
        /// Mean cell voltage.
        cell_mean: value("cell-voltage-mean", "V", 0.0, 6.0),
        /// Stack current.
        current: value("current", "A", -6000.0, 6000.0),
        /// 802 `AChaMax`.
        charge_current_max: value("charge-current-max", "A", 0.0, 6553.4),
        /// 802 `ADisChaMax`.
        discharge_current_max: value("discharge-current-max", "A", 0.0, 6553.4),
        /// Stack power.
        power: value("power", "W", -3_276_700.0, 3_276_700.0),
        /// 802 `SetOp`; reads none.
        set_operation: state("set-operation", OPERATIONS),
        /// 713 `WHAvail`: rated energy times state of charge times state of health.
        energy_available: value("energy-available", "Wh", 0.0, 6_553_400.0),
        /// 713 `Sta`.
        storage_status: state("storage-status", &["ok", "warning", "error"]),
        /// 715 `ControllerHb`.
        der_controller_heartbeat: counter("der-controller-heartbeat", 4_294_967_295.0),
        /// 803 `NCellBal`: cells that bleed, of the packs that say so.
        balancing_cells: value("balancing-cells", "1", 0.0, 65_534.0),
    }
}

point_list! {
    /// Points of a BAU with a CAN port towards the PCS.
    pub struct PcsBusPoints {
        /// The PCS has been silent on the bus for too long.
        keep_alive_lost: flag("pcs-keep-alive-lost"),
        /// Charge up to this.
        charge_voltage: value("charge-voltage", "V", 0.0, 2000.0),
        /// Discharge down to this.
        discharge_voltage: value("discharge-voltage", "V", 0.0, 2000.0),
        /// Charging is allowed.
        charge_enable: flag("charge-enable"),
        /// Discharging is allowed.
        discharge_enable: flag("discharge-enable"),
        /// Charging is asked for: the state of charge is low.
        force_charge: flag("force-charge"),
        /// Charge left.
        remaining_capacity: value("remaining-capacity", "Ah", 0.0, 65_534.0),
        /// Modules (packs) in series.
        module_count: value("module-count", "1", 0.0, 255.0),
        /// Cells in a module.
        cells_per_module: value("cells-per-module", "1", 0.0, 255.0),
        /// Cells in series.
        cells_in_series: value("cells-in-series", "1", 0.0, 65_535.0),
        /// Nominal voltage of a module.
        module_voltage: value("module-voltage", "V", 0.0, 2000.0),
        /// Highest voltage of a module.
        module_voltage_max: value("module-voltage-max", "V", 0.0, 2000.0),
        /// Its module, counted in its cluster from 1.
        module_voltage_max_at: value("module-voltage-max-module", "1", 0.0, 255.0),
        /// Lowest voltage of a module.
        module_voltage_min: value("module-voltage-min", "V", 0.0, 2000.0),
        /// Its module.
        module_voltage_min_at: value("module-voltage-min-module", "1", 0.0, 255.0),
        /// The cell of the highest voltage, counted in its cluster from 1.
        cell_voltage_max_at: value("cell-voltage-max-cell", "1", 0.0, 65_535.0),
        /// The cell of the lowest voltage.
        cell_voltage_min_at: value("cell-voltage-min-cell", "1", 0.0, 65_535.0),
        /// The module of the highest temperature.
        temperature_max_at: value("temperature-max-module", "1", 0.0, 255.0),
        /// The module of the lowest temperature.
        temperature_min_at: value("temperature-min-module", "1", 0.0, 255.0),
        /// The stack is stopped by a fault, fire or an E-stop.
        system_fault: flag("system-fault"),
        /// An alarm of a cluster, as in 802 `Evt1`.
        over_temperature: flag("over-temperature"),
        /// A warning likewise.
        over_temperature_warning: flag("over-temperature-warning"),
        /// Alarm.
        under_temperature: flag("under-temperature"),
        /// Warning.
        under_temperature_warning: flag("under-temperature-warning"),
        /// Alarm.
        charge_over_current: flag("charge-over-current"),
        /// Warning.
        charge_over_current_warning: flag("charge-over-current-warning"),
        /// Alarm.
        discharge_over_current: flag("discharge-over-current"),
        /// Warning.
        discharge_over_current_warning: flag("discharge-over-current-warning"),
        /// Alarm.
        over_voltage: flag("over-voltage"),
        /// Warning.
        over_voltage_warning: flag("over-voltage-warning"),
        /// Alarm.
        under_voltage: flag("under-voltage"),
        /// Warning.
        under_voltage_warning: flag("under-voltage-warning"),
        /// DC voltage as the PCS says.
        pcs_voltage: value("pcs-voltage", "V", 0.0, 6553.5),
        /// DC current as the PCS says.
        pcs_current: value("pcs-current", "A", -3276.8, 3276.7),
        /// Battery temperature as the PCS says.
        pcs_temperature: value("pcs-temperature", "°C", -100.0, 200.0),
        /// State of charge as the PCS counts it.
        pcs_soc: value("pcs-soc", "%", 0.0, 100.0),
        /// Time of day as the PCS says, since 1970.
        pcs_time: value("pcs-time", "s", 0.0, 4_294_967_295.0),
    }
}

/// Rows with one point for each cluster.
#[derive(Clone, Copy, Debug)]
pub struct ClusterRows {
    /// BCU's sequence state.
    pub state: PointRange,
    /// BCU is heard and its counter moves.
    pub online: PointRange,
    /// Worst level.
    pub alarm_level: PointRange,
    /// First alarm.
    pub first_alarm: PointRange,
    /// Voltage behind the contactors.
    pub voltage: PointRange,
    /// Current.
    pub current: PointRange,
    /// State of charge.
    pub soc: PointRange,
    /// Highest cell voltage.
    pub cell_max: PointRange,
    /// Lowest cell voltage.
    pub cell_min: PointRange,
    /// Highest temperature.
    pub temperature_max: PointRange,
    /// Lowest temperature.
    pub temperature_min: PointRange,
    /// Charge current allowed.
    pub charge_limit: PointRange,
    /// Discharge current allowed.
    pub discharge_limit: PointRange,
    /// Feedback bits 0 to 4 (K+, K−, K_pre, fuse, breaker), coil commands bits 8 to 10.
    pub contactors: PointRange,
    /// Contactors alone that are closed, bits 0 to 2 (K+, K−, K_pre): SunSpec knows no other bits.
    pub closed_contactors: PointRange,
    /// What is asked of the cluster.
    pub request: PointRange,
}

point_list! {
    /// Extremes over the clusters that are heard, and where they are, counted from 1.
    pub struct BankPoints {
        /// Cluster with the highest temperature.
        temperature_max_cluster: value("temperature-max-cluster", "1", 0.0, 255.0),
        /// Its pack.
        temperature_max_pack: value("temperature-max-pack", "1", 0.0, 255.0),
        /// Cluster with the lowest temperature.
        temperature_min_cluster: value("temperature-min-cluster", "1", 0.0, 255.0),
        /// Its pack.
        temperature_min_pack: value("temperature-min-pack", "1", 0.0, 255.0),
        /// Highest voltage of a cluster.
        voltage_max: value("cluster-voltage-max", "V", 0.0, 2000.0),
        /// Its cluster.
        voltage_max_cluster: value("cluster-voltage-max-cluster", "1", 0.0, 255.0),
        /// Lowest voltage of a cluster.
        voltage_min: value("cluster-voltage-min", "V", 0.0, 2000.0),
        /// Its cluster.
        voltage_min_cluster: value("cluster-voltage-min-cluster", "1", 0.0, 255.0),
        /// Mean voltage of the clusters.
        voltage_mean: value("cluster-voltage-mean", "V", 0.0, 2000.0),
        /// Highest current of a cluster.
        current_max: value("cluster-current-max", "A", -3276.0, 3276.0),
        /// Its cluster.
        current_max_cluster: value("cluster-current-max-cluster", "1", 0.0, 255.0),
        /// Lowest current of a cluster.
        current_min: value("cluster-current-min", "A", -3276.0, 3276.0),
        /// Its cluster.
        current_min_cluster: value("cluster-current-min-cluster", "1", 0.0, 255.0),
        /// Mean current of the clusters.
        current_mean: value("cluster-current-mean", "A", -3276.0, 3276.0),
    }
}

/// Points of the bank: extremes, and rows with one point for each cluster.
#[derive(Clone, Copy, Debug)]
pub struct BankTable {
    /// Extremes.
    pub single: BankPoints,
    /// Packs in it.
    pub packs: PointRange,
    /// State of health.
    pub soh: PointRange,
    /// Pack of the highest cell.
    pub cell_max_pack: PointRange,
    /// Pack of the lowest cell.
    pub cell_min_pack: PointRange,
    /// Mean cell voltage.
    pub cell_mean: PointRange,
    /// Mean temperature.
    pub temperature_mean: PointRange,
    /// Hottest pack.
    pub temperature_max_pack: PointRange,
    /// Coldest pack.
    pub temperature_min_pack: PointRange,
    /// Bit 0: may be connected; bit 1: contactors closed.
    pub status: PointRange,
    /// 803 `StrConFail`.
    pub connection_failure: PointRange,
    /// 803 `StrDisRsn`.
    pub disabled_reason: PointRange,
    /// As 802 `Evt1`, of one cluster.
    pub events: PointRange,
    /// As 802 `EvtVnd1`, of one cluster.
    pub vendor_events: PointRange,
    /// Cells that bleed, of the packs that say so.
    pub balancing_cells: PointRange,
}

/// Rows with one point for each pack or each cell of all clusters, the packs of a cluster and the cells of a pack side by
/// side. Cells are numbered from 1 in their pack.
#[derive(Clone, Copy, Debug)]
pub struct PackRows {
    /// Cells in it.
    pub cells: PointRange,
    /// As its BMU measures it.
    pub voltage: PointRange,
    /// Highest cell voltage.
    pub cell_max: PointRange,
    /// Its cell.
    pub cell_max_cell: PointRange,
    /// Lowest cell voltage.
    pub cell_min: PointRange,
    /// Its cell.
    pub cell_min_cell: PointRange,
    /// Mean cell voltage.
    pub cell_mean: PointRange,
    /// Highest temperature.
    pub temperature_max: PointRange,
    /// The first of its cells.
    pub temperature_max_cell: PointRange,
    /// Lowest temperature.
    pub temperature_min: PointRange,
    /// The first of its cells.
    pub temperature_min_cell: PointRange,
    /// Mean of its sensors.
    pub temperature_mean: PointRange,
    /// Cells that bleed.
    pub balancing_cells: PointRange,
    /// Of each cell.
    pub cell_voltage: PointRange,
    /// Of each cell: its sensor, which may lie on several.
    pub cell_temperature: PointRange,
    /// Of each cell: 805 `CellSt`, bit 0 while it bleeds.
    pub cell_status: PointRange,
}

impl PackRows {
    fn add_to(table: &mut PointTable, settings: &BauSettings) -> Self {
        let packs = settings.packs_per_cluster;
        let of_pack = |i: usize| format!("cluster[{}].pack[{}]", i / packs, i % packs);
        let all_packs = settings.max_clusters * packs;
        let mut row = |name: &str, unit, min, max| {
            table.row_named(|i| format!("{}.{name}", of_pack(i)), all_packs, unit, min, max)
        };
        let (volts, celsius) = ((0.0, 6.0), (-60.0, 300.0));
        let cells = row("cells", "1", 0.0, 255.0);
        let voltage = row("voltage", "V", 0.0, 2000.0);
        let mut extreme = |name: &str, unit, (min, max)| {
            (
                row(name, unit, min, max),
                row(&format!("{name}-cell"), "1", 0.0, 255.0),
            )
        };
        let (cell_max, cell_max_cell) = extreme("cell-voltage-max", "V", volts);
        let (cell_min, cell_min_cell) = extreme("cell-voltage-min", "V", volts);
        let (temperature_max, temperature_max_cell) = extreme("temperature-max", "°C", celsius);
        let (temperature_min, temperature_min_cell) = extreme("temperature-min", "°C", celsius);
        let cell_mean = row("cell-voltage-mean", "V", volts.0, volts.1);
        let temperature_mean = row("temperature-mean", "°C", celsius.0, celsius.1);
        let balancing_cells = row("balancing-cells", "1", 0.0, 255.0);
        let per_pack = settings.cells_per_pack;
        let mut row = |name: &str, unit, (min, max)| {
            let named = |i: usize| format!("{}.cell[{}].{name}", of_pack(i / per_pack), i % per_pack);
            table.row_named(named, all_packs * per_pack, unit, min, max)
        };
        Self {
            cells,
            voltage,
            cell_max,
            cell_max_cell,
            cell_min,
            cell_min_cell,
            cell_mean,
            temperature_max,
            temperature_max_cell,
            temperature_min,
            temperature_min_cell,
            temperature_mean,
            balancing_cells,
            cell_voltage: row("voltage", "V", volts),
            cell_temperature: row("temperature", "°C", celsius),
            cell_status: row("status", "1", (0.0, 4_294_967_294.0)),
        }
    }
}

impl BankTable {
    fn add_to(table: &mut PointTable, settings: &BauSettings) -> Self {
        let single = BankPoints::add_to(table);
        let mut row = |name: &str, unit, min, max| {
            let pattern = format!("cluster[{{}}].{name}");
            table.row(&pattern, settings.max_clusters, unit, min, max)
        };
        Self {
            single,
            packs: row("packs", "1", 0.0, 255.0),
            soh: row("soh", "%", 0.0, 100.0),
            cell_max_pack: row("cell-voltage-max-pack", "1", 0.0, 255.0),
            cell_min_pack: row("cell-voltage-min-pack", "1", 0.0, 255.0),
            cell_mean: row("cell-voltage-mean", "V", 0.0, 6.0),
            temperature_mean: row("temperature-mean", "°C", -60.0, 300.0),
            temperature_max_pack: row("temperature-max-pack", "1", 0.0, 255.0),
            temperature_min_pack: row("temperature-min-pack", "1", 0.0, 255.0),
            status: row("status", "1", 0.0, 3.0),
            connection_failure: row("connection-failure", "1", 0.0, 8.0),
            disabled_reason: row("disabled-reason", "1", 0.0, 4.0),
            events: row("events", "1", 0.0, 4_294_967_294.0),
            vendor_events: row("vendor-events", "1", 0.0, 4_294_967_294.0),
            balancing_cells: row("balancing-cells", "1", 0.0, 65_534.0),
        }
    }
}

/// All points of a BAU.
#[derive(Clone, Copy, Debug)]
pub struct BauTable {
    /// Single points.
    pub single: BauPoints,
    /// Rows of clusters.
    pub cluster: ClusterRows,
    /// Of the CAN port towards the PCS, if the product has it.
    pub pcs_bus: Option<PcsBusPoints>,
    /// Of the clusters as a bank.
    pub bank: BankTable,
    /// Rows of packs and cells.
    pub packs: PackRows,
}

impl BauTable {
    /// Builds the table of a product with or without a CAN port towards the PCS.
    pub fn build(settings: &BauSettings, has_pcs_bus: bool) -> (PointTable, Self) {
        let mut table = PointTable::default();
        let single = BauPoints::add_to(&mut table);
        single.limit(&mut table, settings);
        let mut row = |name: &str, unit, min, max| {
            table.row(
                &format!("cluster[{{}}].{name}"),
                settings.max_clusters,
                unit,
                min,
                max,
            )
        };
        let cluster = ClusterRows {
            state: row("state", "1", 0.0, 255.0),
            online: row("online", "1", 0.0, 1.0),
            alarm_level: row("alarm-level", "1", 0.0, 3.0),
            first_alarm: row("first-alarm", "1", 0.0, 255.0),
            voltage: row("voltage", "V", 0.0, 2000.0),
            current: row("current", "A", -3276.0, 3276.0),
            soc: row("soc", "%", 0.0, 100.0),
            cell_max: row("cell-voltage-max", "V", 0.0, 6.0),
            cell_min: row("cell-voltage-min", "V", 0.0, 6.0),
            temperature_max: row("temperature-max", "°C", -60.0, 300.0),
            temperature_min: row("temperature-min", "°C", -60.0, 300.0),
            charge_limit: row("charge-limit", "A", 0.0, 6553.5),
            discharge_limit: row("discharge-limit", "A", 0.0, 6553.5),
            contactors: row("contactors", "1", 0.0, 65_535.0),
            closed_contactors: row("closed-contactors", "1", 0.0, 7.0),
            request: row("request", "1", 0.0, 3.0),
        };
        let pcs_bus = has_pcs_bus.then(|| PcsBusPoints::add_to(&mut table));
        let bank = BankTable::add_to(&mut table, settings);
        let packs = PackRows::add_to(&mut table, settings);
        (
            table,
            Self {
                single,
                cluster,
                pcs_bus,
                bank,
                packs,
            },
        )
    }
}

/// What a measurement may be beyond its rating. An assumption.
const OVERLOAD: f64 = 1.2;

impl BauPoints {
    /// Ranges that follow from the clusters' ratings; scale factors are fitted to them.
    fn limit(&self, table: &mut PointTable, settings: &BauSettings) {
        let clusters = settings.max_clusters as f64;
        let watts = clusters * settings.cluster_power_w;
        // 1 C is the most any of the containers is rated for.
        let amps = OVERLOAD * clusters * settings.cluster_capacity_ah;
        table.limit(self.power, -OVERLOAD * watts, OVERLOAD * watts);
        table.limit(self.current, -amps, amps);
        for (id, most) in [
            (self.energy_rating, clusters * settings.cluster_energy_wh),
            (self.energy_available, clusters * settings.cluster_energy_wh),
            (self.charge_power_max, watts),
            (self.discharge_power_max, watts),
            (self.charge_current_max, amps),
            (self.discharge_current_max, amps),
        ] {
            table.limit(id, 0.0, most);
        }
    }
}
