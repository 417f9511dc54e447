//! Sensors: what devices see of the truth.
//!
//! Modelled: bias, gain and temperature drift fixed by seed, bounded noise, resolution, range (beyond it a reading is
//! invalid), saturation of gas and smoke detectors; stuck, off, noisy, drifting and dead sensors; broken and shorted
//! wires, noticed by the reader's diagnosis or not. Lags live with the quantity they belong to. Contacts, switches
//! and tachos are exact. A reading depends on seed, place, channel and time only, not on who sampled before.
//! A stated accuracy is the sum of all errors, so the parts in the data files add up to less; but that of cell voltages is
//! stated as typical (2 mV), and its parts, which are assumptions, may add up to more. Not modelled: errors
//! that depend on the rate of change, ageing of sensors, common-mode and switching disturbance.
//! Constants: cell-and-thermal §8, plant.md §3.

use bess_types::{Channel, Quality, Reading};

use crate::rng;
use crate::spec::{SensorSpec, SensorsSpec};
use crate::topology::{Place, Topology};

/// Values a channel has at a place; 0 where there is no such sensor.
pub(crate) fn values_at(topology: Topology, place: Place, channel: Channel) -> usize {
    match (channel, place.cluster, place.pack) {
        (Channel::CellVoltages, Some(_), Some(_)) => topology.cells_per_pack,
        (Channel::CellTemperatures, Some(_), Some(_)) => topology.sensors_per_pack(),
        (Channel::GridVoltages, None, None) => 3,
        (Channel::FanSpeed, Some(_), Some(_))
        | (
            Channel::ClusterVoltage
            | Channel::ClusterCurrent
            | Channel::InsulationResistance
            | Channel::AuxMainPositive
            | Channel::AuxMainNegative
            | Channel::AuxPrecharge
            | Channel::FuseIntact
            | Channel::BreakerClosed
            | Channel::HvBoxTemperature,
            Some(_),
            None,
        )
        | (Channel::BusVoltage | Channel::CoilSupply, _, None)
        | (
            Channel::GridFrequency
            | Channel::ActivePower
            | Channel::ReactivePower
            | Channel::ConverterDcVoltage
            | Channel::ConverterDcCurrent
            | Channel::AcContactorClosed
            | Channel::ConverterTemperature
            | Channel::PoiActivePower
            | Channel::PoiReactivePower
            | Channel::Hydrogen
            | Channel::CarbonMonoxide
            | Channel::Smoke
            | Channel::CeilingTemperature
            | Channel::AirTemperature
            | Channel::AmbientTemperature
            | Channel::AgentPressure
            | Channel::AgentFlow
            | Channel::CoolantSupply
            | Channel::CoolantReturn
            | Channel::CoolantFlow
            | Channel::DoorClosed
            | Channel::VentFanRunning
            | Channel::DamperClosed
            | Channel::HvacRunning,
            None,
            None,
        ) => 1,
        _ => 0,
    }
}

/// All sensors' errors and faults.
#[derive(Clone, Debug)]
pub(crate) struct Sensors {
    spec: SensorsSpec,
    seed: u64,
    faults: Vec<(Place, Channel, usize, SensorFault)>,
}

/// A fault of one sensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SensorFault {
    Stuck(f64),
    Offset(f64),
    /// One sigma beside its own noise.
    Noise(f64),
    /// Grows with time.
    Drift {
        per_hour: f64,
        since_nanos: u64,
    },
    Invalid,
    OpenWire {
        silent: bool,
    },
    Short,
}

impl Sensors {
    /// `box_rated_a` is what shares of the current sensor refer to.
    pub(crate) fn new(spec: &SensorsSpec, box_rated_a: f64, seed: u64) -> Self {
        let mut spec = spec.clone();
        spec.current = in_units_of(spec.current, box_rated_a);
        Self {
            spec,
            seed,
            faults: Vec::new(),
        }
    }

    /// Sets, replaces or removes one sensor's fault.
    pub(crate) fn set_fault(
        &mut self,
        place: Place,
        channel: Channel,
        index: usize,
        fault: Option<SensorFault>,
    ) {
        self.faults
            .retain(|&(p, c, i, _)| (p, c, i) != (place, channel, index));
        self.faults
            .extend(fault.map(|fault| (place, channel, index, fault)));
    }

    /// Turns true values, held in `out`, into readings; `around_c` is the temperature of the electronics.
    pub(crate) fn read(
        &self,
        now_nanos: u64,
        place: Place,
        channel: Channel,
        around_c: f64,
        out: &mut [Reading],
    ) {
        if let Some(kind) = self.kind(channel) {
            let what = errs_like(place, channel);
            let mut bias = rng::stream(self.seed, what);
            let mut slope = rng::stream(self.seed, what ^ 0x534C_4F50_0000_0000);
            let mut noise = rng::stream(self.seed ^ rng::mix(now_nanos), !purpose(place, channel));
            let relative = channel == Channel::InsulationResistance;
            let slopes = kind.gain != 0.0 || kind.drift_per_k != 0.0;
            let saturates = matches!(
                channel,
                Channel::Hydrogen | Channel::CarbonMonoxide | Channel::Smoke | Channel::InsulationResistance
            );
            for reading in &mut *out {
                let scale = if relative { reading.value } else { 1.0 };
                let mut value = reading.value
                    + scale * (kind.bias * rng::symmetric(&mut bias) + kind.noise * rng::noise(&mut noise));
                if slopes {
                    value += reading.value * kind.gain * rng::symmetric(&mut slope)
                        + (around_c - 25.0) * kind.drift_per_k * rng::symmetric(&mut slope);
                }
                reading.value = value;
                digitise(kind, saturates, reading);
            }
        }
        for &(p, c, index, fault) in &self.faults {
            if (p, c) == (place, channel) && index < out.len() {
                self.break_sensor(now_nanos, place, channel, index, fault, out);
            }
        }
    }

    fn break_sensor(
        &self,
        now_nanos: u64,
        place: Place,
        channel: Channel,
        index: usize,
        fault: SensorFault,
        out: &mut [Reading],
    ) {
        let cells = channel == Channel::CellVoltages;
        let temperature = self
            .kind(channel)
            .filter(|&kind| core::ptr::eq(kind, &raw const self.spec.temperature));
        match fault {
            SensorFault::Stuck(value) => out[index] = Reading::valid(value),
            SensorFault::Offset(value) => out[index].value += value,
            SensorFault::Noise(sigma) => {
                let what = purpose(place, channel) ^ rng::mix(index as u64);
                let mut noise = rng::stream(self.seed ^ rng::mix(now_nanos), what);
                out[index].value += sigma * rng::noise(&mut noise);
            }
            SensorFault::Drift {
                per_hour,
                since_nanos,
            } => out[index].value += per_hour * now_nanos.saturating_sub(since_nanos) as f64 / 3.6e12,
            SensorFault::Invalid => out[index] = Reading::invalid(),
            // a wire between two cells floats at their middle
            SensorFault::OpenWire { silent: true } if cells => {
                if let Some(next) = out.get(index + 1).copied() {
                    let mean = f64::midpoint(out[index].value, next.value);
                    out[index].value = mean;
                    out[index + 1].value = mean;
                } else {
                    out[index].value = 0.0;
                }
            }
            // the pull current of the diagnosis draws it down to the cell's other end
            SensorFault::OpenWire { silent: false } if cells => {
                let value = out[index].value;
                if let Some(next) = out.get_mut(index + 1) {
                    next.value += value;
                }
                out[index] = Reading {
                    value: 0.0,
                    quality: Quality::OpenWire,
                };
            }
            SensorFault::OpenWire { silent: false } => {
                out[index] = Reading {
                    value: 0.0,
                    quality: Quality::OpenWire,
                }
            }
            // a thermistor without a wire looks as cold as its divider can show, a short one as hot
            SensorFault::OpenWire { silent: true } => {
                out[index].value = temperature.map_or(0.0, |kind| kind.range[0]);
            }
            SensorFault::Short => out[index].value = temperature.map_or(0.0, |kind| kind.range[1]),
        }
        if let Some(kind) = self.kind(channel) {
            for reading in out.iter_mut().skip(index).take(if cells { 2 } else { 1 }) {
                digitise(kind, false, reading);
            }
        }
    }

    /// A true value as the faults of its one sensor let it through, none if there is no reading: for what regulates on
    /// its own sensor.
    pub(crate) fn through_faults(
        &self,
        now_nanos: u64,
        place: Place,
        channel: Channel,
        value: f64,
    ) -> Option<f64> {
        let mut reading = [Reading::valid(value)];
        for &(p, c, index, fault) in &self.faults {
            if (p, c, index) == (place, channel, 0) {
                self.break_sensor(now_nanos, place, channel, index, fault, &mut reading);
            }
        }
        reading[0].ok()
    }

    /// Error model of a measuring channel; contacts, switches and tachos have none.
    fn kind(&self, channel: Channel) -> Option<&SensorSpec> {
        let spec = &self.spec;
        Some(match channel {
            Channel::CellVoltages => &spec.cell_voltage,
            Channel::CellTemperatures
            | Channel::HvBoxTemperature
            | Channel::ConverterTemperature
            | Channel::CeilingTemperature
            | Channel::AirTemperature
            | Channel::AmbientTemperature
            | Channel::CoolantSupply
            | Channel::CoolantReturn => &spec.temperature,
            Channel::ClusterVoltage | Channel::BusVoltage | Channel::ConverterDcVoltage => &spec.high_voltage,
            Channel::ClusterCurrent => &spec.current,
            Channel::ConverterDcCurrent => &spec.converter_current,
            Channel::GridVoltages => &spec.ac_voltage,
            Channel::GridFrequency => &spec.frequency,
            Channel::ActivePower
            | Channel::ReactivePower
            | Channel::PoiActivePower
            | Channel::PoiReactivePower => &spec.power,
            Channel::CoolantFlow => &spec.flow,
            Channel::Hydrogen => &spec.hydrogen,
            Channel::CarbonMonoxide => &spec.carbon_monoxide,
            Channel::Smoke => &spec.smoke,
            Channel::AgentPressure => &spec.pressure,
            Channel::InsulationResistance => &spec.insulation,
            Channel::CoilSupply => &spec.coil_supply,
            Channel::AuxMainPositive
            | Channel::AuxMainNegative
            | Channel::AuxPrecharge
            | Channel::FuseIntact
            | Channel::BreakerClosed
            | Channel::AcContactorClosed
            | Channel::AgentFlow
            | Channel::DoorClosed
            | Channel::VentFanRunning
            | Channel::DamperClosed
            | Channel::HvacRunning
            | Channel::FanSpeed => return None,
        })
    }
}

/// An error model stated in shares of `unit`.
fn in_units_of(kind: SensorSpec, unit: f64) -> SensorSpec {
    SensorSpec {
        bias: kind.bias * unit,
        gain: kind.gain,
        drift_per_k: kind.drift_per_k * unit,
        noise: kind.noise * unit,
        resolution: kind.resolution * unit,
        range: kind.range.map(|end| end * unit),
    }
}

/// Resolution and range.
fn digitise(kind: &SensorSpec, saturates: bool, reading: &mut Reading) {
    let value = libm::round(reading.value / kind.resolution) * kind.resolution;
    let [low, high] = kind.range;
    // What cannot be negative (an RMS value, a pressure) reads zero, whatever the bias.
    let value = if low == 0.0 { value.max(0.0) } else { value };
    if saturates {
        reading.value = value.clamp(low, high);
    } else if (low..=high).contains(&value) {
        reading.value = value;
    } else if reading.quality == Quality::Valid {
        *reading = Reading::invalid();
    }
}

/// The sensor group whose bias and slope one has. A high-voltage box measures its cluster and the bus through dividers of
/// one kind with one reference, so both err alike: their difference, which decides on closing, is better than either. Noise
/// is each one's own.
fn errs_like(place: Place, channel: Channel) -> u64 {
    match channel {
        Channel::BusVoltage if place.cluster.is_some() => purpose(place, Channel::ClusterVoltage),
        other => purpose(place, other),
    }
}

/// A number of its own for every sensor group.
fn purpose(place: Place, channel: Channel) -> u64 {
    let part = |index: Option<usize>| index.map_or(0, |i| i as u64 + 1);
    (channel as u64) << 32 | part(place.cluster) << 16 | part(place.pack)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACK: Place = Place::pack(0, 0);

    fn sensors() -> Sensors {
        let container = crate::testing::spec().container;
        Sensors::new(&container.sensors, container.hv_box.rated_a, 7)
    }

    fn read(sensors: &Sensors, now_nanos: u64, channel: Channel, truth: &[f64]) -> Vec<Reading> {
        let mut out: Vec<Reading> = truth.iter().map(|&value| Reading::valid(value)).collect();
        sensors.read(now_nanos, PACK, channel, 25.0, &mut out);
        out
    }

    #[test]
    fn cell_voltages_stay_within_their_accuracy() {
        let sensors = sensors();
        let place = Place::pack(3, 4);
        for now in 0..200 {
            let mut out = vec![Reading::valid(3.3); 44];
            sensors.read(now, place, Channel::CellVoltages, 25.0, &mut out);
            // bias 2 mV, noise bounded at 3.5 mV, half a step
            assert!(out.iter().all(|r| (r.value - 3.3).abs() <= 0.0061));
        }
    }

    /// Any box of any seed, over the whole scale and the temperatures a container may have: never beyond 0.5 % of full
    /// scale, and the budget is used.
    #[test]
    fn accuracies_are_total_errors() {
        let container = crate::testing::spec().container;
        for (channel, full_scale, box_a) in [
            (Channel::ClusterVoltage, 1500.0, 250.0),
            (Channel::ClusterCurrent, 150.0, 150.0),
            (Channel::ClusterCurrent, 400.0, 400.0),
        ] {
            let mut worst = 0.0_f64;
            for seed in 0..400 {
                let sensors = Sensors::new(&container.sensors, box_a, seed);
                for (now, share) in [(1, -1.0), (2, 0.0), (3, 1.0)] {
                    for around_c in [-5.0, 55.0] {
                        let mut out = [Reading::valid(share * full_scale)];
                        sensors.read(now, Place::cluster(0), channel, around_c, &mut out);
                        worst = worst.max((out[0].value - share * full_scale).abs() / full_scale);
                    }
                }
            }
            assert!((0.003..0.005).contains(&worst), "{channel:?} {box_a}: {worst}");
        }
    }

    #[test]
    fn a_wire_between_two_cells_shows_on_both() {
        let mut sensors = sensors();
        let truth = [3.1, 3.2, 3.3, 3.4];
        let open = |silent| Some(SensorFault::OpenWire { silent });
        sensors.set_fault(PACK, Channel::CellVoltages, 1, open(false));
        let out = read(&sensors, 0, Channel::CellVoltages, &truth);
        assert_eq!(out[1].quality, Quality::OpenWire);
        assert_eq!(
            out[2].quality,
            Quality::Invalid,
            "the sum of both is beyond its range"
        );
        assert!(out[0].ok().is_some() && out[3].ok().is_some());
        sensors.set_fault(PACK, Channel::CellVoltages, 1, open(true));
        let out = read(&sensors, 0, Channel::CellVoltages, &truth);
        assert_eq!(out[1], out[2]);
        assert!(out[1].ok().is_some_and(|v| (v - 3.25).abs() < 0.007));
        sensors.set_fault(PACK, Channel::CellVoltages, 3, open(true));
        assert_eq!(
            read(&sensors, 0, Channel::CellVoltages, &truth)[3].ok(),
            Some(0.0)
        );
    }

    #[test]
    fn a_thermistor_without_wire_is_cold_and_a_short_one_hot() {
        let mut sensors = sensors();
        for (fault, celsius) in [
            (SensorFault::OpenWire { silent: true }, Some(-45.0)),
            (SensorFault::OpenWire { silent: false }, None),
            (SensorFault::Short, Some(150.0)),
            (SensorFault::Invalid, None),
        ] {
            sensors.set_fault(PACK, Channel::CellTemperatures, 0, Some(fault));
            let out = read(&sensors, 0, Channel::CellTemperatures, &[25.0, 25.0]);
            assert_eq!(out[0].ok(), celsius, "{fault:?}");
            assert!(out[1].ok().is_some());
        }
    }

    #[test]
    fn drift_grows_and_noise_is_new_each_time() {
        let mut sensors = sensors();
        let hour = 3_600_000_000_000;
        let drift = SensorFault::Drift {
            per_hour: 0.1,
            since_nanos: hour,
        };
        sensors.set_fault(PACK, Channel::CellVoltages, 0, Some(drift));
        let first = |sensors: &Sensors, now| read(sensors, now, Channel::CellVoltages, &[3.3])[0].value;
        assert!((first(&sensors, hour) - 3.3).abs() < 0.007);
        assert!((first(&sensors, 3 * hour) - 3.5).abs() < 0.007);
        sensors.set_fault(PACK, Channel::CellVoltages, 0, Some(SensorFault::Noise(0.05)));
        let values: Vec<f64> = (0..200).map(|now| first(&sensors, now) - 3.3).collect();
        let rms = libm::sqrt(values.iter().map(|x| x * x).sum::<f64>() / 200.0);
        assert!((0.04..0.06).contains(&rms), "{rms}");
    }

    #[test]
    fn out_of_range_is_invalid_and_detectors_saturate() {
        let sensors = sensors();
        let out = read(&sensors, 0, Channel::CellTemperatures, &[400.0]);
        assert_eq!(out[0].quality, Quality::Invalid);
        let mut out = vec![Reading::valid(1e5)];
        sensors.read(0, Place::CONTAINER, Channel::Hydrogen, 25.0, &mut out);
        assert_eq!(out[0].ok(), Some(2000.0));
    }
}
