//! What a PCS knows and can be asked for. Power and current are positive when discharging.

use super::der::points::DerTable;
use super::settings::Settings;
use crate::point_list::point_list;
use crate::{PointId, PointTable};

/// Names of [`super::State`].
pub const STATES: &[&str] = &["off", "starting", "standby", "running", "stopping", "fault"];
/// Names of [`super::Cause`].
pub const CAUSES: &[&str] = &[
    "none",
    "safety-chain",
    "bms-permit-line",
    "bms-heartbeat",
    "grid-over-voltage",
    "grid-under-voltage",
    "grid-over-frequency",
    "grid-under-frequency",
    "loss-of-grid",
    "dc-over-voltage",
    "dc-under-voltage",
    "over-temperature",
    "ac-contactor",
    "precheck-timeout",
    "measurement",
];
const LINK: &[&str] = &["ok", "lost", "stopped"];
const COMMAND: &[&str] = &["none", "start", "stop", "reset"];
const OPERATION: &[&str] = &["stop", "start", "enter-standby", "exit-standby"];
const POWER_MODE: &[&str] = &["percent", "watts"];
const VAR_MODE: &[&str] = &[
    "percent-of-active",
    "percent-of-reactive",
    "percent-of-available",
    "percent-of-apparent",
    "vars",
];
const INVERTER: &[&str] = &[
    "off",
    "sleeping",
    "starting",
    "running",
    "throttled",
    "shutting-down",
    "fault",
    "standby",
];

point_list! {
    /// Points of a PCS.
    pub struct PcsPoints {
        /// State machine.
        state: state("pcs-state", STATES),
        /// What tripped it last; cleared by the next start or reset.
        trip_cause: state("trip-cause", CAUSES),
        /// Bit n set: cause n (as in `trip-cause`) stands and blocks.
        fault_word: value("fault-word", "1", 0.0, 4_294_967_295.0),
        /// State in SunSpec's words (701 `InvSt`; 103 `St` is one more).
        inverter_state: state("inverter-state", INVERTER),
        /// On or off in SunSpec's words (701 `St`).
        operating: flag("operating"),
        /// SunSpec 701 `Alrm`, 103 `Evt1` bits.
        alarms: value("alarms", "1", 0.0, 4_294_967_295.0),
        /// Battery DC switch of the cabinet.
        dc_switch: flag("dc-switch-closed"),
        /// AC contactor's auxiliary contact.
        ac_contactor: flag("ac-contactor-closed"),
        /// Gate pulses enabled.
        gate: flag("gate-enabled"),
        /// Time the grid must still stay good before it connects.
        enter_service_remaining: value("enter-service-remaining", "s", 0.0, 65_535.0),
        /// Hard-wired safety chain healthy.
        safety_ok: flag("safety-ok"),
        /// Hard-wired BMS permit healthy.
        bms_permit_line: flag("bms-permit-line"),
        /// BMS heartbeat.
        bms_link: state("bms-link", LINK),
        /// EMS heartbeat.
        ems_link: state("ems-link", LINK),
        /// +1 each second (715 `DERHb`).
        life_counter: counter("life-counter", 4_294_967_295.0),
        /// What the power stage is asked for.
        power_target: value("active-power-target", "W", -1e7, 1e7),
        /// Reactive likewise.
        reactive_target: value("reactive-power-target", "var", -1e7, 1e7),

        /// Grid phase voltage.
        voltage_a: value("phase-voltage-a", "V", 0.0, 2000.0),
        /// Grid phase voltage.
        voltage_b: value("phase-voltage-b", "V", 0.0, 2000.0),
        /// Grid phase voltage.
        voltage_c: value("phase-voltage-c", "V", 0.0, 2000.0),
        /// Mean phase voltage.
        voltage_phase: value("phase-voltage", "V", 0.0, 2000.0),
        /// Line voltage, magnitudes taken at 120°.
        voltage_ab: value("line-voltage-ab", "V", 0.0, 3000.0),
        /// Line voltage.
        voltage_bc: value("line-voltage-bc", "V", 0.0, 3000.0),
        /// Line voltage.
        voltage_ca: value("line-voltage-ca", "V", 0.0, 3000.0),
        /// Mean line voltage.
        voltage_line: value("line-voltage", "V", 0.0, 3000.0),
        /// Grid frequency.
        frequency: value("frequency", "Hz", 0.0, 100.0),
        /// Active power at the AC terminals.
        active_power: value("active-power", "W", -1e7, 1e7),
        /// Reactive power at the AC terminals.
        reactive_power: value("reactive-power", "var", -1e7, 1e7),
        /// Apparent power.
        apparent_power: value("apparent-power", "VA", 0.0, 1e7),
        /// Power factor, −1 to 1, sign of the active power.
        power_factor: value("power-factor", "1", -1.0, 1.0),
        /// Sum of the phase currents as SunSpec 103 `A` wants it.
        current_total: value("ac-current-total", "A", 0.0, 20_000.0),
        /// Phase current, balanced.
        current_phase: value("ac-current-phase", "A", 0.0, 10_000.0),
        /// One third of the active power.
        power_phase: value("active-power-phase", "W", -1e7, 1e7),
        /// One third of the reactive power.
        reactive_phase: value("reactive-power-phase", "var", -1e7, 1e7),
        /// One third of the apparent power.
        apparent_phase: value("apparent-power-phase", "VA", 0.0, 1e7),
        /// DC voltage.
        dc_voltage: value("dc-voltage", "V", 0.0, 2000.0),
        /// DC current.
        dc_current: value("dc-current", "A", -10_000.0, 10_000.0),
        /// Magnitude of the DC current, for registers that have no sign.
        dc_current_magnitude: value("dc-current-magnitude", "A", 0.0, 10_000.0),
        /// DC power.
        dc_power: value("dc-power", "W", -1e7, 1e7),
        /// Cabinet temperature.
        cabinet_temperature: value("cabinet-temperature", "°C", -60.0, 150.0),
        /// Energy discharged to the grid since power-up.
        energy_discharged: value("energy-discharged", "Wh", 0.0, 1e15),
        /// Energy charged from the grid since power-up.
        energy_charged: value("energy-charged", "Wh", 0.0, 1e15),
        /// How much of rated power the limits take away.
        throttle: value("throttle", "%", 0.0, 200.0),
        /// 701 `ThrotSrc` bits.
        throttle_source: value("throttle-source", "1", 0.0, 4_294_967_295.0),

        /// BMS: life counter.
        bms_heartbeat: counter("bms-heartbeat", 65_535.0),
        /// BMS: highest charge current.
        bms_charge_limit: value("bms-charge-limit", "A", 0.0, 6553.5),
        /// BMS: highest discharge current.
        bms_discharge_limit: value("bms-discharge-limit", "A", 0.0, 6553.5),
        /// BMS: power allowed at all.
        bms_permit: flag("bms-permit"),
        /// BMS: its own state number, for display.
        bms_state: value("bms-state", "1", 0.0, 65_535.0),
        /// BMS: stop in an orderly way.
        bms_stop: flag("bms-stop"),
        /// BMS: state of charge, for 713.
        bms_soc: value("bms-soc", "%", 0.0, 100.0),
        /// BMS: state of health, for 713.
        bms_soh: value("bms-soh", "%", 0.0, 100.0),
        /// BMS: rated energy, for 713.
        bms_energy_rating: value("bms-energy-rating", "Wh", 0.0, 6_553_400.0),
        /// Energy that can be had (713 `WHAvail`).
        energy_available: value("energy-available", "Wh", 0.0, 6_553_400.0),
        /// 713 `Sta`.
        storage_status: state("storage-status", &["ok", "warning", "error"]),
        /// Vendor command; reads none.
        command: state("command", COMMAND),
        /// Panel switch: remote starts and set points are ignored in local.
        local: state("local-control", &["remote", "local"]),

        /// 715 `ControllerHb`.
        controller_heartbeat: counter("controller-heartbeat", 4_294_967_295.0),
        /// 715 `OpCtl`.
        operation: state("operation", OPERATION),
        /// 715 `AlarmReset`; reads 0.
        alarm_reset: flag("alarm-reset"),

        /// 704 `WMaxLimPctEna`.
        limit_enable: flag("active-power-limit-enable"),
        /// 704 `WMaxLimPct`; bounds discharging only.
        limit_percent: value("active-power-limit", "%", 0.0, 100.0),
        /// 704 `WMaxLimPctRvrt`.
        limit_percent_revert: value("active-power-limit-revert", "%", 0.0, 100.0),
        /// 704 `WMaxLimPctEnaRvrt`.
        limit_enable_revert: flag("active-power-limit-enable-revert"),
        /// 704 `WMaxLimPctRvrtTms`.
        limit_revert_time: value("active-power-limit-revert-time", "s", 0.0, 65_534.0),
        /// 704 `WMaxLimPctRvrtRem`.
        limit_revert_remaining: value("active-power-limit-revert-remaining", "s", 0.0, 65_534.0),

        /// 704 `WSetEna`.
        power_enable: flag("active-power-enable"),
        /// 704 `WSetMod`.
        power_mode: state("active-power-mode", POWER_MODE),
        /// 704 `WSet`.
        power_setpoint: value("active-power-setpoint", "W", -1e7, 1e7),
        /// 704 `WSetRvrt`.
        power_setpoint_revert: value("active-power-setpoint-revert", "W", -1e7, 1e7),
        /// 704 `WSetPct`.
        power_percent: value("active-power-percent", "%", -100.0, 100.0),
        /// 704 `WSetPctRvrt`.
        power_percent_revert: value("active-power-percent-revert", "%", -100.0, 100.0),
        /// 704 `WSetEnaRvrt`.
        power_enable_revert: flag("active-power-enable-revert"),
        /// 704 `WSetRvrtTms`; 0 means no reversion.
        power_revert_time: value("active-power-revert-time", "s", 0.0, 4_294_967_294.0),
        /// 704 `WSetRvrtRem`.
        power_revert_remaining: value("active-power-revert-remaining", "s", 0.0, 4_294_967_294.0),

        /// 704 `VarSetEna`.
        reactive_enable: flag("reactive-power-enable"),
        /// 704 `VarSetMod`.
        reactive_mode: state("reactive-power-mode", VAR_MODE),
        /// 704 `VarSetPri`.
        reactive_priority: state("reactive-power-priority", &["active", "reactive", "vendor"]),
        /// 704 `VarSet`.
        reactive_setpoint: value("reactive-power-setpoint", "var", -1e7, 1e7),
        /// 704 `VarSetRvrt`.
        reactive_setpoint_revert: value("reactive-power-setpoint-revert", "var", -1e7, 1e7),
        /// 704 `VarSetPct`.
        reactive_percent: value("reactive-power-percent", "%", -100.0, 100.0),
        /// 704 `VarSetPctRvrt`.
        reactive_percent_revert: value("reactive-power-percent-revert", "%", -100.0, 100.0),
        /// 704 `VarSetEnaRvrt`.
        reactive_enable_revert: flag("reactive-power-enable-revert"),
        /// 704 `VarSetRvrtTms`.
        reactive_revert_time: value("reactive-power-revert-time", "s", 0.0, 65_534.0),
        /// 704 `VarSetRvrtRem`.
        reactive_revert_remaining: value("reactive-power-revert-remaining", "s", 0.0, 65_534.0),
        /// 704 `WRmp`.
        ramp: value("active-power-ramp", "%/s", 1.0, 65_534.0),
    }
}

point_list! {
    /// Points of a PCS with a CAN port towards the battery.
    pub struct BmsBusPoints {
        /// BMS: charge up to this.
        charge_voltage: value("bms-charge-voltage", "V", 0.0, 6553.5),
        /// BMS: discharge down to this.
        discharge_voltage: value("bms-discharge-voltage", "V", 0.0, 6553.5),
        /// BMS: charging is allowed.
        charge_enable: flag("bms-charge-enable"),
        /// BMS: discharging is allowed.
        discharge_enable: flag("bms-discharge-enable"),
        /// BMS: voltage it measures.
        voltage: value("bms-voltage", "V", 0.0, 6553.5),
        /// BMS: current it measures.
        current: value("bms-current", "A", -6553.5, 6553.5),
        /// BMS: temperature it measures.
        temperature: value("bms-temperature", "°C", -100.0, 200.0),
        /// Its clock, since 1970.
        clock: value("clock", "s", 0.0, 4_294_967_295.0),
    }
}

/// The table of a PCS with these settings, with or without a CAN port towards the battery.
pub fn table(
    settings: &Settings,
    has_bms_bus: bool,
) -> (PointTable, PcsPoints, Option<BmsBusPoints>, DerTable) {
    let mut table = PointTable::default();
    let points = PcsPoints::add_to(&mut table);
    points.limit(&mut table, settings);
    let bus = has_bms_bus.then(|| BmsBusPoints::add_to(&mut table));
    let der = DerTable::add_to(&mut table, settings);
    (table, points, bus, der)
}

/// What a measurement may be beyond its rating: an overload the power stage does not stand for longer. An assumption.
const OVERLOAD: f64 = 1.2;

impl PcsPoints {
    /// Ranges that follow from the product's ratings; scale factors are fitted to them.
    fn limit(&self, table: &mut PointTable, settings: &Settings) {
        let va = OVERLOAD * settings.rated_apparent_va.max(settings.rated_power_w);
        let amps = OVERLOAD * settings.rated_phase_current_a();
        let line_v = 1.5 * settings.nominal_line_voltage_v;
        let dc_amps = va / settings.dc_voltage_min_v;
        let mut limit = |ids: &[PointId], low: f64, high: f64| {
            for id in ids {
                table.limit(*id, low, high);
            }
        };
        let signed = [
            self.active_power,
            self.reactive_power,
            self.power_phase,
            self.reactive_phase,
            self.dc_power,
        ];
        limit(&signed, -va, va);
        limit(&[self.apparent_power, self.apparent_phase], 0.0, va);
        limit(&[self.current_total], 0.0, 3.0 * amps);
        limit(&[self.current_phase], 0.0, amps);
        limit(&[self.dc_current], -dc_amps, dc_amps);
        limit(&[self.dc_current_magnitude], 0.0, dc_amps);
        let lines = [
            self.voltage_ab,
            self.voltage_bc,
            self.voltage_ca,
            self.voltage_line,
        ];
        limit(&lines, 0.0, line_v);
        // A set point beyond the rating is refused (exception 03), as SunSpec's device specification has it for values out
        // of range [R].
        let watts = settings.rated_power_w;
        limit(&[self.power_setpoint, self.power_setpoint_revert], -watts, watts);
        let vars = settings.rated_apparent_va;
        limit(
            &[self.reactive_setpoint, self.reactive_setpoint_revert],
            -vars,
            vars,
        );
        let phases = [self.voltage_a, self.voltage_b, self.voltage_c, self.voltage_phase];
        limit(&phases, 0.0, line_v / 3.0_f64.sqrt());
    }
}
