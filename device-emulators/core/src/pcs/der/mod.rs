//! The PCS as a distributed resource: settings, enter service, grid-support functions, and which of them has its way.
//!
//! One truth, several views: SunSpec 702 to 712 and the older 120 to 124 bind the same points. What 123 says in another
//! form is kept in step here.
//!
//! Reactive power comes from the first of these that is on: volt-var, watt-var, power factor, set point. Functions that
//! act by themselves stand in front, so that a controller that repeats its set point does not switch them off. Active
//! power is the set point and what the droop adds, within: ratings, limit, volt-watt, storage rates, battery.
//!
//! Reading order: [`points`], [`curves`], then [`Der::power`] and [`Der::reactive`].

pub mod curves;
pub mod points;

use bess_types::{Reading, SimTime};

use self::curves::{Adoption, Droop, Polyline, Trip};
use self::points::DerTable;
use super::grid::EnterService;
use super::points::PcsPoints;
use super::settings::{Settings, Side, TripElement};
use crate::{PointId, Points};

/// 701 `ThrotSrc` bits.
pub mod throttle {
    /// The highest active power, or the limit.
    pub const MAX_W: u32 = 1;
    /// Reactive power went first.
    pub const FIXED_VAR: u32 = 1 << 2;
    /// Reactive power of the volt-var curve went first.
    pub const VOLT_VAR: u32 = 1 << 4;
    /// Frequency droop.
    pub const FREQ_WATT: u32 = 1 << 5;
    /// Reactive power of the watt-var curve went first.
    pub const WATT_VAR: u32 = 1 << 9;
    /// Volt-watt curve.
    pub const VOLT_WATT: u32 = 1 << 10;
    /// The battery, or the storage rates.
    pub const DERATED: u32 = 1 << 14;
}

/// What determines the reactive power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    SetPoint,
    PowerFactor,
    VoltVar,
    WattVar,
}

/// Grid as the functions see it.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Mean of the phases, % of nominal; `None` while it cannot be measured.
    pub voltage_pct: Option<f64>,
    /// Frequency, Hz; `None` likewise.
    pub frequency_hz: Option<f64>,
}

/// Active power within the limits, and what cut it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limited {
    /// W, positive when discharging.
    pub watts: f64,
    /// Bits of [`throttle`].
    pub source: u32,
}

/// The part of a PCS that IEEE 1547 is about.
#[derive(Debug)]
pub struct Der {
    /// Its points.
    pub table: DerTable,
    nominal_hz: f64,
    volt_var: Response,
    volt_watt: Response,
    droop: Response,
}

/// What the functions at power-up are.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportSettings {
    /// 705: % of nominal voltage to % of the highest apparent power.
    pub volt_var: Vec<[f64; 2]>,
    /// Its response time, s.
    pub volt_var_response_s: f64,
    /// 706: % of nominal voltage to % of the highest active power.
    pub volt_watt: Vec<[f64; 2]>,
    /// Its response time, s.
    pub volt_watt_response_s: f64,
    /// 712: % of the highest active power to % of the highest apparent power.
    pub watt_var: Vec<[f64; 2]>,
    /// 711: nothing happens up to this far from nominal, Hz.
    pub droop_deadband_hz: f64,
    /// 711: change of frequency, per unit, that asks for all of the power.
    pub droop_ratio: f64,
    /// Its response time, s.
    pub droop_response_s: f64,
}

/// 705 and 712 `DeptRef`, 704 `VarSetMod`: of the highest apparent power.
const OF_APPARENT: u8 = 3;

impl Der {
    /// With nothing preset yet.
    pub fn new(table: DerTable, settings: &Settings) -> Self {
        Self {
            table,
            nominal_hz: settings.nominal_frequency_hz,
            volt_var: Response::default(),
            volt_watt: Response::default(),
            droop: Response::default(),
        }
    }

    /// Everything as at power-up.
    pub fn preset(&mut self, points: &mut Points, settings: &Settings) {
        self.volt_var = Response::default();
        self.volt_watt = Response::default();
        self.droop = Response::default();
        let ids = self.table.single;
        let (watts, va) = (settings.rated_power_w, settings.rated_apparent_va);
        let nominal_hz = settings.nominal_frequency_hz;
        for (id, value) in [
            (ids.rated_power, watts),
            (ids.rated_apparent, va),
            (ids.rated_reactive, va),
            (ids.rated_voltage, settings.nominal_line_voltage_v),
            (ids.rated_current, settings.rated_current_a()),
            (ids.rated_frequency, nominal_hz),
            (ids.power_max, watts),
            (ids.apparent_max, va),
            (ids.reactive_inject_max, va),
            (ids.reactive_absorb_max, va),
            (ids.charge_max, watts),
            (ids.discharge_max, watts),
            (ids.service, 1.0),
            (
                ids.service_voltage_max,
                settings.enter_service_voltage_max_pu * 100.0,
            ),
            (
                ids.service_voltage_min,
                settings.enter_service_voltage_min_pu * 100.0,
            ),
            (ids.service_frequency_max, settings.enter_service_frequency_max_hz),
            (ids.service_frequency_min, settings.enter_service_frequency_min_hz),
            (ids.service_delay, settings.enter_service_delay_s),
            (ids.service_ramp, settings.enter_service_ramp_s),
            (ids.reactive_ramp, settings.ramp_pct_per_s),
            (ids.factor_discharge, 1.0),
            (ids.factor_discharge_revert, 1.0),
            (ids.factor_charge, 1.0),
            (ids.factor_charge_revert, 1.0),
            (ids.signed_factor, 1.0),
            (ids.charge_rate, 100.0),
            (ids.discharge_rate, 100.0),
        ] {
            points.set(id, value);
        }
        for id in [
            ids.factor_discharge_enable,
            ids.factor_discharge_enable_revert,
            ids.factor_discharge_revert_time,
            ids.factor_discharge_revert_remaining,
            ids.factor_discharge_excitation,
            ids.factor_discharge_excitation_revert,
            ids.factor_charge_enable,
            ids.factor_charge_enable_revert,
            ids.factor_charge_revert_time,
            ids.factor_charge_revert_remaining,
            ids.factor_charge_excitation,
            ids.factor_charge_excitation_revert,
            ids.legacy_var_mode,
            ids.charge_rate_enable,
            ids.discharge_rate_enable,
            ids.rate_revert_time,
            ids.active_controls,
            ids.ride_through,
            ids.dc_energy_discharged,
            ids.dc_energy_charged,
        ] {
            points.set(id, 0.0);
        }
        self.preset_functions(points, settings);
    }

    fn preset_functions(&mut self, points: &mut Points, settings: &Settings) {
        let support = &settings.support;
        self.table.volt_var.preset(points, false, |curve, points| {
            curve.write(
                points,
                OF_APPARENT,
                support.volt_var_response_s,
                &support.volt_var,
            );
        });
        self.table.volt_watt.preset(points, false, |curve, points| {
            curve.write(points, 0, support.volt_watt_response_s, &support.volt_watt);
        });
        self.table.watt_var.preset(points, false, |curve, points| {
            curve.write(points, OF_APPARENT, 0.0, &support.watt_var);
        });
        let droop = Droop {
            deadband_hz: [support.droop_deadband_hz; 2],
            ratio: [support.droop_ratio; 2],
            response_s: support.droop_response_s,
            minimum_pct: -100.0,
        };
        self.table
            .droop
            .preset(points, false, |curve, points| curve.write(points, &droop));
        let cease = |side, limit_pu| TripElement {
            side,
            limit_pu,
            delay_s: 0.0,
        };
        let sets = [
            (
                Side::Under,
                &settings.voltage_trip,
                Some(settings.cessation_below_pu),
            ),
            (
                Side::Over,
                &settings.voltage_trip,
                Some(settings.cessation_above_pu),
            ),
            (Side::Under, &settings.frequency_trip, None),
            (Side::Over, &settings.frequency_trip, None),
        ];
        for (function, (side, elements, ceases)) in self.table.trips.iter_mut().zip(sets) {
            let trip = Trip {
                must: elements
                    .iter()
                    .copied()
                    .filter(|element| element.side == side)
                    .collect(),
                cease: ceases.map(|limit| cease(side, limit)).into_iter().collect(),
            };
            function.preset(points, true, |curve, points| curve.write(points, &trip));
        }
    }

    /// The trip curve sets that act now: those of voltage, those of frequency.
    pub fn trips(&self, points: &Points) -> [Vec<&Trip>; 2] {
        let [low_v, high_v, low_hz, high_hz] = &self.table.trips;
        [[low_v, high_v], [low_hz, high_hz]].map(|pair| {
            pair.into_iter()
                .filter_map(|function| function.acting(points))
                .collect()
        })
    }

    /// Whether `written` changes which trip elements act.
    pub fn is_trip_switch(&self, written: PointId) -> bool {
        self.table.trips.iter().any(|function| function.enable == written)
    }

    /// Takes a client's write to one of the points; what is decided at once comes back.
    pub fn on_write(
        &mut self,
        now: SimTime,
        written: PointId,
        pcs: &PcsPoints,
        points: &mut Points,
    ) -> Option<Adoption> {
        self.keep_views_in_step(written, pcs, points);
        let DerTable {
            volt_var,
            volt_watt,
            watt_var,
            droop,
            trips,
            ..
        } = &mut self.table;
        let polylines = [volt_var, volt_watt, watt_var];
        let adopted = polylines
            .into_iter()
            .find_map(|function| function.on_write(now, written, points));
        adopted
            .or_else(|| droop.on_write(now, written, points))
            .or_else(|| {
                trips
                    .iter_mut()
                    .find_map(|function| function.on_write(now, written, points))
            })
    }

    /// Goes on with adoptions. The second value says whether trip elements have changed.
    pub fn run(&mut self, now: SimTime, points: &mut Points) -> (Vec<Adoption>, bool) {
        let DerTable {
            volt_var,
            volt_watt,
            watt_var,
            droop,
            trips,
            ..
        } = &mut self.table;
        let polylines = [volt_var, volt_watt, watt_var];
        let mut adoptions: Vec<Adoption> = polylines
            .into_iter()
            .filter_map(|function| function.run(now, points))
            .collect();
        adoptions.extend(droop.run(now, points));
        let others = adoptions.len();
        adoptions.extend(trips.iter_mut().filter_map(|function| function.run(now, points)));
        let trips_changed = adoptions.len() > others;
        (adoptions, trips_changed)
    }

    /// 123 and 704 say the same in different words; the one that was written determines the other.
    fn keep_views_in_step(&self, written: PointId, pcs: &PcsPoints, points: &mut Points) {
        let ids = self.table.single;
        let get = |points: &Points, id| points.get(id).unwrap_or(0.0);
        if written == ids.signed_factor {
            let signed = get(points, ids.signed_factor);
            // Nothing is nearer to 0 than the power factor's own range goes.
            let lowest = points.table().def(ids.factor_discharge).min;
            points.set(ids.factor_discharge, signed.abs().max(lowest));
            points.set_flag(ids.factor_discharge_excitation, signed < 0.0);
        } else if written == ids.legacy_var_mode {
            let mode = get(points, ids.legacy_var_mode);
            if mode > 0.0 {
                points.set(pcs.reactive_mode, mode - 1.0);
            }
        }
        let sign = if points.is_on(ids.factor_discharge_excitation) {
            -1.0
        } else {
            1.0
        };
        points.set(ids.signed_factor, sign * get(points, ids.factor_discharge));
        let mode = get(points, pcs.reactive_mode);
        points.set(ids.legacy_var_mode, if mode < 3.0 { mode + 1.0 } else { 0.0 });
    }

    /// Window and delay for entering service, as set now.
    pub fn enter_service(&self, points: &Points) -> EnterService {
        let ids = self.table.single;
        let get = |id| points.get(id).unwrap_or(0.0);
        EnterService {
            permitted: points.is_on(ids.service),
            voltage_pu: (
                get(ids.service_voltage_min) / 100.0,
                get(ids.service_voltage_max) / 100.0,
            ),
            frequency_hz: (get(ids.service_frequency_min), get(ids.service_frequency_max)),
            delay: super::settings::seconds(get(ids.service_delay)),
        }
    }

    /// Highest active power as set, W.
    pub fn power_max(&self, points: &Points) -> f64 {
        points.get(self.table.single.power_max).unwrap_or(0.0)
    }

    /// Highest apparent power as set, VA.
    pub fn apparent_max(&self, points: &Points) -> f64 {
        points.get(self.table.single.apparent_max).unwrap_or(0.0)
    }

    /// Active power for the set point `asked`, W, with what the functions add and take. `battery` is the most it can
    /// charge and discharge, W; `elapsed_s` the time since the last cycle.
    pub fn power(
        &mut self,
        asked: f64,
        battery: (f64, f64),
        grid: Grid,
        pcs: &PcsPoints,
        points: &Points,
        elapsed_s: f64,
    ) -> Limited {
        let ids = self.table.single;
        let get = |id| points.get(id).unwrap_or(0.0);
        let max = self.power_max(points);
        let discharge_max = get(ids.discharge_max).min(max);
        let charge_max = get(ids.charge_max).min(max);
        let mut limited = Limited {
            watts: asked,
            source: 0,
        };
        let droop = self.table.droop.acting(points).zip(grid.frequency_hz);
        let added = droop.map(|(droop, hz)| droop.at(hz, self.nominal_hz));
        let response_s = droop.map_or(0.0, |(droop, _)| droop.response_s);
        if let Some(added) = self.droop.follow(added, 0.0, response_s, elapsed_s)
            && added != 0.0
        {
            let lowest = droop.map_or(-max, |(droop, _)| droop.minimum_pct / 100.0 * max);
            limited.watts = (asked + added * max).max(lowest.min(asked));
            limited.source |= throttle::FREQ_WATT;
        }
        limited.within(-charge_max, discharge_max, 0);
        if points.is_on(pcs.limit_enable) {
            limited.within(
                f64::NEG_INFINITY,
                get(pcs.limit_percent) / 100.0 * max,
                throttle::MAX_W,
            );
        }
        let volt_watt = self.table.volt_watt.acting(points).zip(grid.voltage_pct);
        let share = volt_watt.map(|(curve, pct)| {
            let base = if curve.reference == 1 {
                battery.1.min(discharge_max)
            } else {
                max
            };
            curve.at(pct) / 100.0 * base
        });
        let response_s = volt_watt.map_or(0.0, |(curve, _)| curve.response_s);
        if let Some(most) = self.volt_watt.follow(share, max, response_s, elapsed_s) {
            limited.within(f64::NEG_INFINITY, most.max(-charge_max), throttle::VOLT_WATT);
        }
        let rate = |enable, rate| {
            if points.is_on(enable) {
                get(rate) / 100.0
            } else {
                1.0
            }
        };
        let charge = charge_max * rate(ids.charge_rate_enable, ids.charge_rate);
        let discharge = discharge_max * rate(ids.discharge_rate_enable, ids.discharge_rate);
        limited.within(
            -charge.min(battery.0),
            discharge.min(battery.1),
            throttle::DERATED,
        );
        limited
    }

    /// Reactive power, var, positive injected, for this active power; that is cut where reactive power goes first.
    /// `obeys` is whether set points count.
    pub fn reactive(
        &mut self,
        limited: Limited,
        obeys: bool,
        grid: Grid,
        pcs: &PcsPoints,
        points: &Points,
        elapsed_s: f64,
    ) -> (Limited, f64) {
        let mut limited = limited;
        let ids = self.table.single;
        let get = |id| points.get(id).unwrap_or(0.0);
        let apparent = self.apparent_max(points);
        let of = |reference: u8, percent: f64| {
            let base = match reference {
                0 => self.power_max(points),
                1 if percent < 0.0 => get(ids.reactive_absorb_max),
                1 => get(ids.reactive_inject_max),
                2 => leg(apparent, limited.watts),
                _ => apparent,
            };
            percent / 100.0 * base
        };
        let control = self.control(limited.watts, points);
        let volt_var = self.table.volt_var.acting(points).zip(grid.voltage_pct);
        let aimed =
            volt_var.map(|(curve, pct)| of(curve.reference, curve.at(pct * 100.0 / curve.centre_pct)));
        let (asked, reactive_first, source) = match control {
            Control::VoltVar => {
                let first = volt_var.is_some_and(|(curve, _)| curve.reactive_first);
                let response_s = volt_var.map_or(0.0, |(curve, _)| curve.response_s);
                let followed = self.volt_var.follow(aimed, 0.0, response_s, elapsed_s);
                (followed.unwrap_or(0.0), first, throttle::VOLT_VAR)
            }
            Control::WattVar => {
                let percent = limited.watts / self.power_max(points) * 100.0;
                let curve = self.table.watt_var.acting(points);
                let asked = curve.map_or(0.0, |curve: &Polyline| of(curve.reference, curve.at(percent)));
                (
                    asked,
                    curve.is_some_and(|curve| curve.reactive_first),
                    throttle::WATT_VAR,
                )
            }
            Control::PowerFactor => {
                let (factor, excitation) = if limited.watts < 0.0 {
                    (ids.factor_charge, ids.factor_charge_excitation)
                } else {
                    (ids.factor_discharge, ids.factor_discharge_excitation)
                };
                let factor = get(factor);
                let magnitude = limited.watts.abs() * leg(1.0, factor) / factor;
                let sign = if points.is_on(excitation) { -1.0 } else { 1.0 };
                (sign * magnitude, false, 0)
            }
            Control::SetPoint => {
                let asked = if !obeys || !points.is_on(pcs.reactive_enable) {
                    0.0
                } else if get(pcs.reactive_mode) == 4.0 {
                    get(pcs.reactive_setpoint)
                } else {
                    let reference = [0, 1, 2, 3]
                        .into_iter()
                        .find(|n| f64::from(*n) == get(pcs.reactive_mode));
                    of(reference.unwrap_or(OF_APPARENT), get(pcs.reactive_percent))
                };
                (asked, get(pcs.reactive_priority) == 1.0, throttle::FIXED_VAR)
            }
        };
        if control != Control::VoltVar {
            self.volt_var = Response::default();
        }
        let asked = asked.clamp(-get(ids.reactive_absorb_max), get(ids.reactive_inject_max));
        let reactive = if reactive_first {
            let reactive = asked.clamp(-apparent, apparent);
            let room = leg(apparent, reactive);
            limited.within(-room, room, source);
            reactive
        } else {
            limited.within(-apparent, apparent, throttle::MAX_W);
            let room = leg(apparent, limited.watts);
            asked.clamp(-room, room)
        };
        (limited, reactive)
    }

    fn control(&self, watts: f64, points: &Points) -> Control {
        let ids = self.table.single;
        let factor = if watts < 0.0 {
            ids.factor_charge_enable
        } else {
            ids.factor_discharge_enable
        };
        if points.is_on(self.table.volt_var.enable) {
            Control::VoltVar
        } else if points.is_on(self.table.watt_var.enable) {
            Control::WattVar
        } else if points.is_on(factor) {
            Control::PowerFactor
        } else {
            Control::SetPoint
        }
    }

    /// Counts the energy of the battery's side.
    pub fn count_dc_energy(&self, watts: f64, hours: f64, points: &mut Points) {
        let ids = self.table.single;
        let id = if watts > 0.0 {
            ids.dc_energy_discharged
        } else {
            ids.dc_energy_charged
        };
        let total = points.get(id).unwrap_or(0.0);
        points.set(id, total + (watts * hours).abs());
    }

    /// What 122 and 124 say of the moment.
    pub fn publish(&self, moment: Moment, pcs: &PcsPoints, points: &mut Points) {
        let ids = self.table.single;
        let bit = |n: u32, on: bool| u32::from(on) << n;
        let available = moment.can_discharge_w > 0.0 || moment.can_charge_w > 0.0;
        let storage = bit(0, moment.connected) | bit(1, available) | bit(2, moment.pulsing);
        points.set(ids.storage_connection, f64::from(storage));
        points.set_flag(ids.grid_connection, points.is_on(pcs.ac_contactor));
        let most = points
            .get(ids.discharge_max)
            .unwrap_or(0.0)
            .min(self.power_max(points));
        let can = moment.can_discharge_w.min(most).max(0.0);
        points.set(ids.power_available, can);
        let watts = points.get(pcs.active_power);
        let room = watts.map(|watts| leg(self.apparent_max(points), watts));
        points.put(
            ids.reactive_available,
            room.map_or(Reading::invalid(), Reading::valid),
        );
        let control = self.control(watts.unwrap_or(0.0), points);
        let trips = &self.table.trips;
        let controls = bit(0, points.is_on(pcs.power_enable))
            | bit(
                1,
                control == Control::SetPoint && points.is_on(pcs.reactive_enable),
            )
            | bit(2, control == Control::PowerFactor)
            | bit(3, control == Control::VoltVar)
            | bit(4, points.is_on(self.table.droop.enable))
            | bit(7, points.is_on(trips[0].enable))
            | bit(8, points.is_on(trips[1].enable))
            | bit(10, points.is_on(self.table.volt_watt.enable))
            | bit(13, points.is_on(trips[2].enable))
            | bit(14, points.is_on(trips[3].enable));
        points.set(ids.active_controls, f64::from(controls));
        points.set(ids.ride_through, f64::from(moment.ride_through));
        let watts = points.get(pcs.dc_power).unwrap_or(0.0);
        let status = match (moment.connected, points.get(pcs.bms_soc)) {
            (false, _) => 1.0,
            _ if watts > IDLE_W => 3.0,
            _ if watts < -IDLE_W => 4.0,
            (_, Some(0.0)) => 2.0,
            (_, Some(100.0)) => 5.0,
            _ => 6.0,
        };
        points.set(ids.charge_status, status);
    }
}

/// Below this at the DC side the battery holds its charge, W. An assumption.
const IDLE_W: f64 = 500.0;

/// What [`Der::publish`] is told.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// AC contactor driven.
    pub connected: bool,
    /// Gate enabled.
    pub pulsing: bool,
    /// Most the battery can be charged with, W.
    pub can_charge_w: f64,
    /// Most it can give, W.
    pub can_discharge_w: f64,
    /// Bits of 122 `RtSt`.
    pub ride_through: u8,
}

impl Limited {
    fn within(&mut self, low: f64, high: f64, source: u32) {
        if self.watts < low || self.watts > high {
            self.watts = self.watts.clamp(low.min(high), high);
            self.source |= source;
        }
    }
}

/// A first-order response: 90 % of a step in the response time.
#[derive(Clone, Copy, Debug, Default)]
struct Response(Option<f64>);

impl Response {
    /// Follows `target`, at first from `start`; without a target it forgets.
    fn follow(&mut self, target: Option<f64>, start: f64, response_s: f64, elapsed_s: f64) -> Option<f64> {
        let Some(target) = target else {
            self.0 = None;
            return None;
        };
        let from = self.0.unwrap_or(start);
        // ln 10 time constants are 90 %; the backward step is stable for any length.
        let weight = elapsed_s * core::f64::consts::LN_10;
        let share = if response_s > 0.0 {
            weight / (response_s + weight)
        } else {
            1.0
        };
        self.0 = Some(from + (target - from) * share);
        self.0
    }
}

/// The other leg of a right triangle.
pub fn leg(hypotenuse: f64, leg: f64) -> f64 {
    (hypotenuse * hypotenuse - leg * leg).max(0.0).sqrt()
}
