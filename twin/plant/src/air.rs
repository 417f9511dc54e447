//! Container air, structure, ceiling, HVAC, and the weather outside.
//!
//! Modelled: one air node, one node for racks and walls that the sun and the equipment warm, outside air that is constant
//! or follows a daily sine with its highest at 15 h, sun as a half sine from 6 to 18 h of a clear day; the ceiling sensor's
//! place as air plus a plume rise in proportion to the heat of vent gas and flame; air changed with outside; hot gas of a
//! deflagration that no longer fits leaves through the panels; HVAC units with a thermostat each, or driven by a
//! controller, which then keeps hysteresis and rest: compressor with hysteresis and least time off, electric heater, coil and element that follow with a lag, capacity and coefficient of
//! performance over outside temperature, circulation fan whose power warms the air; a coil or element whose fan
//! stops, which keeps what it holds but for what seeps into still air, and gives the rest when the fan turns again; failed
//! units; loss of mains. Not modelled: flow, humidity and latent heat, frost, clouds.
//! Constants: cell-and-thermal §6 and §10, mostly assumptions.

use core::f64::consts::PI;

use crate::cooling::over_ambient;
use crate::spec::{AirSpec, HvacSpec, InitialState};

/// Heat capacity of air per volume, J/(m³ K).
pub(crate) const AIR_J_PER_M3_K: f64 = 1206.0;
/// Hour of the warmest outside air, and of sunrise.
const WARMEST_H: f64 = 15.0;
const SUNRISE_H: f64 = 6.0;
/// Thermostats of the units are this far apart, K.
const STAGE_K: f64 = 0.5;
/// A coil or element without air flow gives what it holds to the still air with this time constant, s: some 20 W/K of a
/// heat capacity of 36 kJ/K. [A]
const STILL_S: f64 = 1800.0;

#[derive(Clone, Debug)]
pub(crate) struct Air {
    spec: AirSpec,
    weather: Weather,
    pub(crate) ambient_c: f64,
    /// Heat the sun gives to the structure, W.
    pub(crate) solar_w: f64,
    /// Mean air, °C.
    pub(crate) mean_c: f64,
    /// Racks and walls, °C.
    pub(crate) structure_c: f64,
    /// Rise at the ceiling over mean air, K.
    plume_k: f64,
    units: Vec<Unit>,
    /// HVAC allowed to run.
    pub(crate) hvac: bool,
    /// What a controller asks of the units, once there is one.
    pub(crate) demand: Option<Demand>,
    /// Mains present, for HVAC.
    pub(crate) powered: bool,
    /// Auxiliary supply present, for vent fan and damper.
    pub(crate) supplied: bool,
    /// Vent fan driven.
    pub(crate) fan: bool,
    /// Damper driven open; closes by spring.
    pub(crate) damper: bool,
    pub(crate) door_open: bool,
    /// Explosion panels have opened.
    pub(crate) panels_open: bool,
    /// Sensors' lag: ceiling, air, ambient, °C.
    pub(crate) sensed_c: [f64; 3],
    pub(crate) account: AirAccount,
}

/// What a controller asks of the units; the first ones are the ones that run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) fan: bool,
    pub(crate) cooling: usize,
    pub(crate) heating: usize,
}

/// Outside air and sun.
#[derive(Clone, Copy, Debug)]
struct Weather {
    mean_c: f64,
    swing_k: f64,
    start_hour: Option<f64>,
    /// Outside air by a fault, °C.
    held_c: Option<f64>,
}

/// An air conditioner with its heater.
#[derive(Clone, Copy, Debug)]
struct Unit {
    failed: bool,
    cooling: bool,
    heating: bool,
    /// Since the compressor stopped, s.
    off_s: f64,
    /// What coil and element give to moving air, as shares of the rating: they follow compressor and switch. They hold
    /// the response time times this.
    cold: f64,
    warm: f64,
}

/// Heat given to air and structure since the start, J, besides that of packs and equipment.
#[allow(clippy::struct_field_names, reason = "units are in the names")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AirAccount {
    /// By vent gas and flame.
    pub(crate) fire_j: f64,
    /// Taken out by compressors.
    pub(crate) cooled_j: f64,
    /// By electric heaters.
    pub(crate) heated_j: f64,
    /// By circulation fans.
    pub(crate) fan_j: f64,
    /// Lost to outside through envelope and openings.
    pub(crate) outside_j: f64,
    /// By the sun.
    pub(crate) solar_j: f64,
}

impl Air {
    pub(crate) fn new(spec: &AirSpec, initial: &InitialState) -> Self {
        let start_c = initial.cell_temperature_c;
        let unit = Unit {
            failed: false,
            cooling: false,
            heating: false,
            off_s: spec.hvac.min_off_s,
            cold: 0.0,
            warm: 0.0,
        };
        let mut air = Self {
            spec: spec.clone(),
            weather: Weather {
                mean_c: initial.ambient_c,
                swing_k: initial.ambient_swing_k,
                start_hour: initial.start_hour,
                held_c: None,
            },
            ambient_c: initial.ambient_c,
            solar_w: 0.0,
            mean_c: start_c,
            structure_c: start_c,
            plume_k: 0.0,
            units: vec![unit; spec.hvac.units],
            hvac: false,
            demand: None,
            powered: true,
            supplied: true,
            fan: false,
            damper: false,
            door_open: false,
            panels_open: false,
            sensed_c: [start_c; 3],
            account: AirAccount::default(),
        };
        air.step_weather(0.0);
        air.sensed_c[2] = air.ambient_c;
        air
    }

    /// Outside air is held at a temperature, or follows the weather again.
    pub(crate) fn hold_ambient(&mut self, celsius: Option<f64>) {
        self.weather.held_c = celsius;
        if let Some(celsius) = celsius {
            self.ambient_c = celsius;
        } else if self.weather.start_hour.is_none() {
            self.ambient_c = self.weather.mean_c;
        }
    }

    /// An HVAC unit fails or is repaired; false if there is none of this number.
    pub(crate) fn set_failed(&mut self, unit: usize, failed: bool) -> bool {
        self.units
            .get_mut(unit)
            .map(|unit| unit.failed = failed)
            .is_some()
    }

    /// HVAC fans turn.
    pub(crate) fn circulates(&self) -> bool {
        self.fans_driven() && self.units.iter().any(|unit| !unit.failed)
    }

    fn fans_driven(&self) -> bool {
        self.hvac && self.powered && self.demand.is_none_or(|demand| demand.fan)
    }

    /// Vent fan turns.
    pub(crate) fn fan_runs(&self) -> bool {
        self.fan && self.supplied
    }

    /// Vent damper is open.
    pub(crate) fn damper_open(&self) -> bool {
        self.damper && self.supplied
    }

    /// Ceiling temperature, °C.
    pub(crate) fn ceiling_c(&self) -> f64 {
        self.mean_c + self.plume_k
    }

    /// Heat taken out of the air by HVAC, W.
    pub(crate) fn cooling_w(&self) -> f64 {
        self.given(|unit| unit.cold) * self.unit_w()
    }

    /// Heat put into the air by HVAC heaters, W.
    pub(crate) fn heating_w(&self) -> f64 {
        self.given(|unit| unit.warm) * self.spec.hvac.heater_w
    }

    /// Electrical power of HVAC, W.
    pub(crate) fn electrical_w(&self) -> f64 {
        let hvac = &self.spec.hvac;
        let cop = hvac.cop * over_ambient(hvac.cop_slope_per_k, self.ambient_c);
        let heaters_w = self.running(|unit| unit.heating) * hvac.heater_w;
        self.fan_w() + heaters_w + self.running(|unit| unit.cooling) * self.unit_w() / cop
    }

    /// Air changes with outside, 1/s.
    pub(crate) fn changes_per_s(&self) -> f64 {
        let [closed, damper, fan, door] = self.spec.changes_per_h;
        let through_vent = match (self.fan_runs(), self.damper_open()) {
            (true, true) => fan,
            (false, true) => damper,
            (_, false) => closed,
        };
        let through_openings = if self.panels_open || self.door_open {
            door
        } else {
            closed
        };
        through_vent.max(through_openings) / 3600.0
    }

    /// Heat in air and structure, J over 0 °C.
    pub(crate) fn stored_j(&self) -> f64 {
        self.air_j_per_k() * self.mean_c + self.spec.structure_j_per_k * self.structure_c
    }

    /// Sun and outside air at a time since the start, s.
    pub(crate) fn step_weather(&mut self, seconds: f64) {
        if let Some(start) = self.weather.start_hour {
            let hour = libm::fmod(start + seconds / 3600.0, 24.0);
            let day = libm::cos((hour - WARMEST_H) * PI / 12.0);
            self.ambient_c = self.weather.mean_c + self.weather.swing_k * day;
            self.solar_w = self.spec.solar_w * libm::sin((hour - SUNRISE_H) * PI / 12.0).max(0.0);
        }
        self.ambient_c = self.weather.held_c.unwrap_or(self.ambient_c);
    }

    /// One medium cycle: `heat_j` given to the air by packs and fans, `equipment_j` by boxes, cables, loads of single
    /// cells and controls to the racks that carry them, `burst_j` of a deflagration, `convective_w` from vent gas and flame.
    pub(crate) fn step(
        &mut self,
        dt_s: f64,
        heat_j: f64,
        equipment_j: f64,
        burst_j: f64,
        convective_w: f64,
        sensor_lag_s: f64,
    ) {
        self.step_units(dt_s);
        let (cooling_w, heating_w, fan_w) = (self.cooling_w(), self.heating_w(), self.fan_w());
        let air_j_per_k = self.air_j_per_k();
        let to_structure_w = (self.mean_c - self.structure_c) * self.spec.air_to_structure_w_per_k;
        let exchanged_j =
            (self.mean_c - self.ambient_c) * air_j_per_k * -libm::expm1(-self.changes_per_s() * dt_s);
        let out_w = (self.structure_c - self.ambient_c) * self.spec.envelope_w_per_k;
        let air_w = convective_w + heating_w + fan_w - cooling_w - to_structure_w;
        // at constant pressure the share T0/T1 of the gas stays, and with it of the heat
        let kept_j = burst_j / (1.0 + burst_j / (air_j_per_k * (self.mean_c + 273.15)));
        self.mean_c += (heat_j + kept_j + air_w * dt_s - exchanged_j) / air_j_per_k;
        self.structure_c +=
            (equipment_j + (to_structure_w + self.solar_w - out_w) * dt_s) / self.spec.structure_j_per_k;
        let account = &mut self.account;
        account.fire_j += convective_w * dt_s + burst_j;
        account.cooled_j += cooling_w * dt_s;
        account.heated_j += heating_w * dt_s;
        account.fan_j += fan_w * dt_s;
        account.outside_j += out_w * dt_s + exchanged_j + burst_j - kept_j;
        account.solar_j += self.solar_w * dt_s;

        let plume_k = convective_w / 1e3 * self.spec.plume_k_per_kw[usize::from(self.circulates())];
        self.plume_k += (plume_k - self.plume_k) * -libm::expm1(-dt_s / self.spec.plume_s);
        let follow = -libm::expm1(-dt_s / sensor_lag_s);
        for (sensed, now_c) in
            self.sensed_c
                .iter_mut()
                .zip([self.mean_c + self.plume_k, self.mean_c, self.ambient_c])
        {
            *sensed += (now_c - *sensed) * follow;
        }
    }

    /// Ceiling layer and room mix with this time constant, s.
    pub(crate) fn mixing_s(&self) -> f64 {
        self.spec.mixing_s[usize::from(self.circulates() || self.fan_runs())]
    }

    /// What the thermostats do; later units cool from warmer and heat from colder air on.
    fn step_units(&mut self, dt_s: f64) {
        let HvacSpec {
            setpoint_c,
            heat_setpoint_c,
            hysteresis_k,
            min_off_s,
            response_s,
            ..
        } = self.spec.hvac;
        let [in_flow, in_still] =
            [response_s, STILL_S.max(response_s)].map(|tau_s| -libm::expm1(-dt_s / tau_s));
        let allowed = self.fans_driven();
        let mut stage_k = 0.0;
        for (i, unit) in self.units.iter_mut().enumerate() {
            let runs = allowed && !unit.failed;
            let over_k = self.mean_c - (setpoint_c + stage_k);
            let under_k = heat_setpoint_c - stage_k - self.mean_c;
            // from one edge of the hysteresis to the other
            let edge_k = |on: bool| {
                if on {
                    -0.5 * hysteresis_k
                } else {
                    0.5 * hysteresis_k
                }
            };
            let rested = unit.cooling || unit.off_s >= min_off_s;
            let [cools, heats] = match self.demand {
                Some(demand) => [i < demand.cooling, i < demand.heating],
                None => [
                    rested && over_k > edge_k(unit.cooling),
                    under_k > edge_k(unit.heating),
                ],
            };
            let cools = runs && cools;
            unit.off_s = if cools || unit.cooling {
                0.0
            } else {
                unit.off_s + dt_s
            };
            unit.cooling = cools;
            unit.heating = runs && heats;
            let follow = if runs { in_flow } else { in_still };
            unit.cold += (f64::from(unit.cooling) - unit.cold) * follow;
            unit.warm += (f64::from(unit.heating) - unit.warm) * follow;
            stage_k += STAGE_K;
        }
    }

    /// What coils or elements give to the air now, in ratings of one unit.
    fn given(&self, share: impl Fn(&Unit) -> f64) -> f64 {
        let driven = self.fans_driven();
        let response_s = self.spec.hvac.response_s;
        let still = response_s / STILL_S.max(response_s);
        self.units
            .iter()
            .map(|unit| share(unit) * if driven && !unit.failed { 1.0 } else { still })
            .sum()
    }

    fn running(&self, how: impl Fn(&Unit) -> bool) -> f64 {
        self.units.iter().filter(|unit| how(unit)).count() as f64
    }

    /// Cooling of one unit now, W.
    fn unit_w(&self) -> f64 {
        self.spec.hvac.capacity_w * over_ambient(self.spec.hvac.capacity_slope_per_k, self.ambient_c)
    }

    fn fan_w(&self) -> f64 {
        if self.fans_driven() {
            self.running(|unit| !unit.failed) * self.spec.hvac.fan_w
        } else {
            0.0
        }
    }

    fn air_j_per_k(&self) -> f64 {
        self.spec.volume_m3 * AIR_J_PER_M3_K
    }
}

#[cfg(test)]
#[allow(clippy::print_stdout, reason = "measured figures show with --nocapture")]
mod tests {
    use super::*;

    fn air(initial: &InitialState) -> Air {
        let mut air = Air::new(&crate::testing::air_spec(1, 1).container.air, initial);
        air.hvac = true;
        air
    }

    fn still(cell_temperature_c: f64, ambient_c: f64) -> InitialState {
        InitialState {
            cell_temperature_c,
            ambient_c,
            ..InitialState::default()
        }
    }

    /// A heat load for a time; temperatures at which the first unit switched.
    fn run(air: &mut Air, seconds: f64, load_w: f64) -> Vec<(bool, f64, f64)> {
        let mut switched = Vec::new();
        let mut t = 0.0;
        while t < seconds {
            let before = air.units[0].cooling;
            air.step(0.1, load_w * 0.1, 0.0, 0.0, 0.0, 15.0);
            t += 0.1;
            if air.units[0].cooling != before {
                switched.push((!before, t, air.mean_c));
            }
        }
        switched
    }

    #[test]
    fn thermostats_have_hysteresis_and_compressors_rest() {
        let mut air = air(&still(22.0, 25.0));
        let switched = run(&mut air, 7200.0, 3000.0);
        println!("{:.1?}", &switched[..4]);
        assert!(switched.len() > 4, "{switched:?}");
        // on above 23 °C or when rested, off below 21 °C
        assert!((switched[0].2 - 23.0).abs() < 0.1, "{switched:?}");
        for pair in switched.windows(2) {
            let [(_, from_s, _), (on, at_s, celsius)] = *pair else {
                continue;
            };
            if on {
                assert!(at_s - from_s >= 179.9 && celsius >= 22.9, "{switched:?}");
            } else {
                assert!((celsius - 21.0).abs() < 0.6, "{switched:?}");
            }
        }
    }

    #[test]
    fn a_failed_unit_leaves_its_load_to_the_other() {
        let mut both = air(&still(22.0, 35.0));
        run(&mut both, 7200.0, 15_000.0);
        let mut one = air(&still(22.0, 35.0));
        assert!(one.set_failed(0, true) && !one.set_failed(2, true));
        run(&mut one, 7200.0, 15_000.0);
        println!(
            "15 kW in: structure at {:.1} °C with two units, {:.1} °C with one",
            both.structure_c, one.structure_c
        );
        // the structure shows the mean: air alone swings while the compressors rest
        assert!(both.structure_c < 40.0 && one.structure_c > 60.0);
        assert!((one.cooling_w() - 11_000.0).abs() < 1e-6, "{}", one.cooling_w());
        // compressor 11 kW / 2.8, one fan
        assert!((one.electrical_w() - (11_000.0 / 2.8 + 300.0)).abs() < 1e-6);
        one.powered = false;
        run(&mut one, 1.0, 0.0);
        assert_eq!(one.electrical_w(), 0.0);
    }

    #[test]
    fn a_controller_takes_the_thermostats_place() {
        let mut air = air(&still(22.0, 35.0));
        air.demand = Some(Demand {
            fan: true,
            cooling: 1,
            heating: 0,
        });
        run(&mut air, 600.0, 0.0);
        assert!(air.circulates() && air.units[0].cooling && !air.units[1].cooling);
        assert!(air.mean_c < 20.0, "cools on without a thermostat: {}", air.mean_c);
        air.demand = Some(Demand {
            fan: false,
            cooling: 2,
            heating: 2,
        });
        run(&mut air, 1.0, 0.0);
        assert!(!air.circulates());
        assert_eq!(air.electrical_w(), 0.0, "nothing runs without its fan");
    }

    /// Both compressors run for 40 s, then everything stops: the air comes back to racks and walls, and what the coils hold
    /// is there when the fans turn again. In all it is what the compressors took.
    #[test]
    fn a_coil_without_air_flow_keeps_its_cold() {
        let mut air = air(&still(22.7, 24.0));
        let demand = |fan, cooling| {
            Some(Demand {
                fan,
                cooling,
                heating: 0,
            })
        };
        air.demand = demand(true, 2);
        run(&mut air, 40.0, 0.0);
        let (flowing_w, cold_c) = (air.cooling_w(), air.mean_c);
        air.demand = demand(false, 0);
        assert!(air.cooling_w() < 0.1 * flowing_w, "{}", air.cooling_w());
        run(&mut air, 60.0, 0.0);
        println!(
            "{cold_c:.1} °C, after 60 s without fans {:.1} °C, structure {:.1} °C",
            air.mean_c, air.structure_c
        );
        assert!(air.mean_c > cold_c, "{} from {cold_c}", air.mean_c);
        assert!(air.structure_c - air.mean_c < 3.0, "{}", air.mean_c);
        let still_c = air.mean_c;
        air.demand = demand(true, 0);
        run(&mut air, 20.0, 0.0);
        assert!(air.mean_c < still_c - 2.0, "{} from {still_c}", air.mean_c);
        run(&mut air, 900.0, 0.0);
        let taken_j = 2.0 * air.unit_w() * 40.0;
        assert!(
            (air.account.cooled_j / taken_j - 1.0).abs() < 0.005,
            "{} of {taken_j}",
            air.account.cooled_j
        );
    }

    #[test]
    fn heaters_hold_their_own_set_point() {
        let mut air = air(&still(-30.0, -30.0));
        run(&mut air, 36_000.0, 0.0);
        // the element's lag makes the air swing past the edges
        let hour = (0..3600).map(|_| {
            run(&mut air, 1.0, 0.0);
            air.mean_c
        });
        let mean_c = hour.sum::<f64>() / 3600.0;
        assert!((13.0..16.5).contains(&mean_c), "{mean_c}");
        assert!(air.account.heated_j > 0.0 && air.account.cooled_j == 0.0);
    }

    #[test]
    fn sun_and_outside_air_follow_the_day() {
        let initial = InitialState {
            ambient_swing_k: 8.0,
            start_hour: Some(9.0),
            ..still(25.0, 20.0)
        };
        let mut air = air(&initial);
        let mut at = |hour: f64| {
            air.step_weather((hour - 9.0) * 3600.0);
            (air.ambient_c, air.solar_w)
        };
        let close = |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() < 1e-9 && (b - d).abs() < 1e-6;
        assert!(
            close(at(12.0), (20.0 + 8.0 * libm::sqrt(0.5), 4000.0)),
            "{:?}",
            at(12.0)
        );
        assert!((at(15.0).0 - 28.0).abs() < 1e-9);
        assert!(close(at(27.0), (12.0, 0.0)), "{:?}", at(27.0));
        air.hold_ambient(Some(-5.0));
        air.step_weather(0.0);
        assert_eq!(air.ambient_c, -5.0);
    }

    /// 1 kW on the structure of a closed container at 47 W/K.
    #[test]
    fn the_envelope_lets_its_heat_through() {
        let mut air = air(&still(25.0, 25.0));
        air.hvac = false;
        air.spec.changes_per_h = [0.0; 4];
        run(&mut air, 200_000.0, 1000.0);
        let rise_k = air.structure_c - 25.0;
        assert!((rise_k - 1000.0 / 47.0).abs() < 0.01, "{rise_k}");
    }
}
