//! Ratings, settings and controls of SunSpec 702 to 704, the legacy view of them in 120 to 124, and DC energy.

use super::curves::{DroopPoints, Function, PolylinePoints, PolylineShape, TripPoints};
use crate::pcs::settings::{Settings, Side};
use crate::point_list::point_list;
use crate::{PointId, PointTable};

const EXCITATION: &[&str] = &["over-excited", "under-excited"];
const LEGACY_VAR_MODE: &[&str] = &[
    "none",
    "percent-of-active",
    "percent-of-reactive",
    "percent-of-available",
];
/// 124 `ChaSt`.
const CHARGE_STATUS: &[&str] = &[
    "unknown",
    "off",
    "empty",
    "discharging",
    "charging",
    "full",
    "holding",
    "testing",
];

point_list! {
    /// Points of a PCS as a distributed resource.
    pub struct DerPoints {
        /// 702 `WMaxRtg`.
        rated_power: value("rated-active-power", "W", 0.0, 1e7),
        /// 702 `VAMaxRtg`.
        rated_apparent: value("rated-apparent-power", "VA", 0.0, 1e7),
        /// 702 `VarMaxInjRtg` and `VarMaxAbsRtg`.
        rated_reactive: value("rated-reactive-power", "var", 0.0, 1e7),
        /// 702 `VNomRtg`, line to line.
        rated_voltage: value("rated-voltage", "V", 0.0, 3000.0),
        /// 702 `AMaxRtg`, of all phases together.
        rated_current: value("rated-current", "A", 0.0, 30_000.0),
        /// 121 `ECPNomHz`.
        rated_frequency: value("rated-frequency", "Hz", 0.0, 100.0),
        /// 702 `WMax`: what percentages of active power refer to, and the most it gives.
        power_max: value("active-power-max", "W", 0.0, 1e7),
        /// 702 `VAMax`.
        apparent_max: value("apparent-power-max", "VA", 0.0, 1e7),
        /// 702 `VarMaxInj`.
        reactive_inject_max: value("reactive-power-inject-max", "var", 0.0, 1e7),
        /// 702 `VarMaxAbs`.
        reactive_absorb_max: value("reactive-power-absorb-max", "var", 0.0, 1e7),
        /// 702 `WChaRteMax`, 124 `WChaMax`.
        charge_max: value("charge-power-max", "W", 0.0, 1e7),
        /// 702 `WDisChaRteMax`.
        discharge_max: value("discharge-power-max", "W", 0.0, 1e7),

        /// 703 `ES`, 123 `Conn`: it may be connected.
        service: state("service-permit", &["disabled", "enabled"]),
        /// 703 `ESVHi`.
        service_voltage_max: value("service-voltage-max", "%", 100.0, 120.0),
        /// 703 `ESVLo`.
        service_voltage_min: value("service-voltage-min", "%", 50.0, 100.0),
        /// 703 `ESHzHi`.
        service_frequency_max: value("service-frequency-max", "Hz", 0.0, 100.0),
        /// 703 `ESHzLo`.
        service_frequency_min: value("service-frequency-min", "Hz", 0.0, 100.0),
        /// 703 `ESDlyTms`.
        service_delay: value("service-delay", "s", 0.0, 600.0),
        /// 703 `ESRmpTms`.
        service_ramp: value("service-ramp-time", "s", 0.0, 1000.0),

        /// 704 `PFWInjEna`: power factor while it discharges.
        factor_discharge_enable: flag("power-factor-discharge-enable"),
        /// 704 `PFWInjEnaRvrt`.
        factor_discharge_enable_revert: flag("power-factor-discharge-enable-revert"),
        /// 704 `PFWInjRvrtTms`.
        factor_discharge_revert_time: value("power-factor-discharge-revert-time", "s", 0.0, 65_534.0),
        /// 704 `PFWInjRvrtRem`.
        factor_discharge_revert_remaining: value("power-factor-discharge-revert-remaining", "s", 0.0, 65_534.0),
        /// 704 `PFWAbsEna`: power factor while it charges.
        factor_charge_enable: flag("power-factor-charge-enable"),
        /// 704 `PFWAbsEnaRvrt`.
        factor_charge_enable_revert: flag("power-factor-charge-enable-revert"),
        /// 704 `PFWAbsRvrtTms`.
        factor_charge_revert_time: value("power-factor-charge-revert-time", "s", 0.0, 65_534.0),
        /// 704 `PFWAbsRvrtRem`.
        factor_charge_revert_remaining: value("power-factor-charge-revert-remaining", "s", 0.0, 65_534.0),
        /// 704 `PFWInj.PF`.
        factor_discharge: value("power-factor-discharge", "1", 0.1, 1.0),
        /// 704 `PFWInj.Ext`.
        factor_discharge_excitation: state("power-factor-discharge-excitation", EXCITATION),
        /// 704 `PFWInjRvrt.PF`.
        factor_discharge_revert: value("power-factor-discharge-revert", "1", 0.1, 1.0),
        /// 704 `PFWInjRvrt.Ext`.
        factor_discharge_excitation_revert: state("power-factor-discharge-excitation-revert", EXCITATION),
        /// 704 `PFWAbs.PF`.
        factor_charge: value("power-factor-charge", "1", 0.1, 1.0),
        /// 704 `PFWAbs.Ext`.
        factor_charge_excitation: state("power-factor-charge-excitation", EXCITATION),
        /// 704 `PFWAbsRvrt.PF`.
        factor_charge_revert: value("power-factor-charge-revert", "1", 0.1, 1.0),
        /// 704 `PFWAbsRvrt.Ext`.
        factor_charge_excitation_revert: state("power-factor-charge-excitation-revert", EXCITATION),
        /// 704 `VarRmp`.
        reactive_ramp: value("reactive-power-ramp", "%/s", 1.0, 65_534.0),

        /// 123 `OutPFSet`: `power-factor-discharge`, negative when under-excited.
        signed_factor: value("power-factor-signed", "1", -1.0, 1.0),
        /// 123 `VArPct_Mod`: `reactive-power-mode` as far as 123 has it.
        legacy_var_mode: state("reactive-power-percent-mode", LEGACY_VAR_MODE),
        /// 124 `StorCtl_Mod` bit 0: `charge-rate` acts.
        charge_rate_enable: flag("charge-rate-enable"),
        /// 124 `StorCtl_Mod` bit 1: `discharge-rate` acts.
        discharge_rate_enable: flag("discharge-rate-enable"),
        /// 124 `InWRte`: most charging, % of the highest.
        charge_rate: value("charge-rate", "%", 0.0, 100.0),
        /// 124 `OutWRte`: most discharging, % of the highest.
        discharge_rate: value("discharge-rate", "%", 0.0, 100.0),
        /// 124 `InOutWRte_RvrtTms`: after it both rates are 100 % again; 0 is for ever.
        rate_revert_time: value("storage-rate-revert-time", "s", 0.0, 65_534.0),
        /// 124 `ChaSt`.
        charge_status: state("charge-status", CHARGE_STATUS),
        /// 122 `StorConn` bits.
        storage_connection: value("storage-connection", "1", 0.0, 15.0),
        /// 122 `ECPConn`: connected.
        grid_connection: flag("grid-connection"),
        /// 122 `VArAval`: reactive power that the present active power leaves.
        reactive_available: value("reactive-power-available", "var", 0.0, 1e7),
        /// 122 `WAval`: most it can discharge now.
        power_available: value("active-power-available", "W", 0.0, 1e7),
        /// 122 `StActCtl` bits: what determines its power now.
        active_controls: value("active-controls", "1", 0.0, 4_294_967_294.0),
        /// 122 `RtSt` bits: a trip timer runs.
        ride_through: value("ride-through", "1", 0.0, 15.0),

        /// 714 `DCWhInj`: out of the battery since power-up.
        dc_energy_discharged: value("dc-energy-discharged", "Wh", 0.0, 1e15),
        /// 714 `DCWhAbs`: into the battery since power-up.
        dc_energy_charged: value("dc-energy-charged", "Wh", 0.0, 1e15),
    }
}

/// Everything a PCS has as a distributed resource: points and functions with curves.
#[derive(Clone, Debug)]
pub struct DerTable {
    /// Single points.
    pub single: DerPoints,
    /// 705.
    pub volt_var: Function<PolylinePoints>,
    /// 706.
    pub volt_watt: Function<PolylinePoints>,
    /// 712.
    pub watt_var: Function<PolylinePoints>,
    /// 711.
    pub droop: Function<DroopPoints>,
    /// 707 to 710: low and high voltage, low and high frequency.
    pub trips: [Function<TripPoints>; 4],
}

impl DerTable {
    /// Adds the points of a PCS with these settings.
    pub fn add_to(table: &mut PointTable, settings: &Settings) -> Self {
        let single = DerPoints::add_to(table);
        single.limit(table, settings);
        let voltage = PolylineShape {
            points: 4,
            x_pct: (0.0, 200.0),
            references: 4,
            has_priority: true,
            has_centre: true,
            has_response: true,
            falls: true,
        };
        let watt = PolylineShape {
            references: 2,
            has_priority: false,
            has_centre: false,
            ..voltage
        };
        let watt_var = PolylineShape {
            points: 6,
            x_pct: (-100.0, 100.0),
            has_centre: false,
            has_response: false,
            falls: false,
            ..voltage
        };
        let mut polyline = |result, shape| {
            Function::add_to(table, result, true, |table, name| {
                PolylinePoints::add_to(table, name, shape)
            })
        };
        let volt_var = polyline("volt-var-adopt-result", voltage);
        let volt_watt = polyline("volt-watt-adopt-result", watt);
        let watt_var = polyline("watt-var-adopt-result", watt_var);
        let hz = settings.nominal_frequency_hz;
        let trip = |(result, side, unit, nominal)| {
            Function::add_to(table, result, false, |table, name| {
                TripPoints::add_to(table, name, side, unit, nominal)
            })
        };
        let trips = [
            ("low-voltage-trip-adopt-result", Side::Under, "%", 100.0),
            ("high-voltage-trip-adopt-result", Side::Over, "%", 100.0),
            ("low-frequency-trip-adopt-result", Side::Under, "Hz", hz),
            ("high-frequency-trip-adopt-result", Side::Over, "Hz", hz),
        ]
        .map(trip);
        Self {
            single,
            volt_var,
            volt_watt,
            watt_var,
            droop: Function::add_to(table, "droop-adopt-result", true, DroopPoints::add_to),
            trips,
        }
    }
}

/// Lowest setting, as a share of the rating: nothing is set to 0, for it is what percentages refer to. An assumption.
const LOWEST_SETTING: f64 = 0.01;

impl DerPoints {
    /// Ranges that follow from the product's ratings: no setting goes beyond its rating.
    fn limit(&self, table: &mut PointTable, settings: &Settings) {
        let (watts, va) = (settings.rated_power_w, settings.rated_apparent_va);
        let mut limit = |ids: &[PointId], low: f64, high: f64| {
            for id in ids {
                table.limit(*id, low, high);
            }
        };
        limit(&[self.rated_power, self.power_available], 0.0, watts);
        limit(
            &[self.rated_apparent, self.rated_reactive, self.reactive_available],
            0.0,
            va,
        );
        limit(&[self.rated_voltage], 0.0, settings.nominal_line_voltage_v);
        limit(&[self.rated_current], 0.0, settings.rated_current_a());
        let powers = [self.power_max, self.charge_max, self.discharge_max];
        limit(&powers, LOWEST_SETTING * watts, watts);
        let apparents = [
            self.apparent_max,
            self.reactive_inject_max,
            self.reactive_absorb_max,
        ];
        limit(&apparents, LOWEST_SETTING * va, va);
        let hz = settings.nominal_frequency_hz;
        limit(&[self.service_frequency_max], hz, 1.1 * hz);
        limit(&[self.service_frequency_min], 0.9 * hz, hz);
    }
}
