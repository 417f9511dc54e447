//! Sensors: what devices see of the truth.
//!
//! Modelled: bias fixed by seed, bounded noise, resolution, range, saturation of gas and smoke detectors,
//! stuck values, offsets, open wires; lags live with the quantity they belong to. Contacts and switches are
//! exact. A reading depends on seed, place, channel and time only, not on who sampled before.
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
        (
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
    OpenWire,
}

impl Sensors {
    pub(crate) fn new(spec: &SensorsSpec, seed: u64) -> Self {
        Self {
            spec: spec.clone(),
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

    /// Turns true values, held in `out`, into readings.
    pub(crate) fn read(&self, now_nanos: u64, place: Place, channel: Channel, out: &mut [Reading]) {
        if let Some(kind) = self.kind(channel) {
            let what = purpose(place, channel);
            let mut bias = rng::stream(self.seed, what);
            let mut noise = rng::stream(self.seed ^ rng::mix(now_nanos), !what);
            let relative = channel == Channel::InsulationResistance;
            let saturates = matches!(
                channel,
                Channel::Hydrogen | Channel::CarbonMonoxide | Channel::Smoke | Channel::InsulationResistance
            );
            for reading in &mut *out {
                let scale = if relative { reading.value } else { 1.0 };
                let value = reading.value
                    + scale * (kind.bias * rng::symmetric(&mut bias) + kind.noise * rng::noise(&mut noise));
                let value = libm::round(value / kind.resolution) * kind.resolution;
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
        }
        for &(p, c, index, fault) in &self.faults {
            if (p, c) == (place, channel)
                && let Some(reading) = out.get_mut(index)
            {
                match fault {
                    SensorFault::Stuck(value) => *reading = Reading::valid(value),
                    SensorFault::Offset(value) => reading.value += value,
                    SensorFault::OpenWire => {
                        *reading = Reading {
                            value: 0.0,
                            quality: Quality::OpenWire,
                        }
                    }
                }
            }
        }
    }

    /// Error model of a measuring channel; contacts and switches have none.
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
            | Channel::HvacRunning => return None,
        })
    }
}

/// A number of its own for every sensor group. A high-voltage box measures its cluster and the bus with one
/// converter, so both readings err alike: their difference, which decides on closing, is better than either.
fn purpose(place: Place, channel: Channel) -> u64 {
    let channel = match channel {
        Channel::BusVoltage if place.cluster.is_some() => Channel::ClusterVoltage,
        other => other,
    };
    let part = |index: Option<usize>| index.map_or(0, |i| i as u64 + 1);
    (channel as u64) << 32 | part(place.cluster) << 16 | part(place.pack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_voltages_stay_within_their_accuracy() {
        let sensors = Sensors::new(&crate::testing::spec().container.sensors, 7);
        let place = Place::pack(3, 4);
        for now in 0..200 {
            let mut out = vec![Reading::valid(3.3); 44];
            sensors.read(now, place, Channel::CellVoltages, &mut out);
            // bias 2 mV, noise bounded at 3.5 mV, half a step
            assert!(out.iter().all(|r| (r.value - 3.3).abs() <= 0.0061));
        }
    }

    #[test]
    fn faults_hit_one_value() {
        let mut sensors = Sensors::new(&crate::testing::spec().container.sensors, 7);
        let place = Place::pack(0, 0);
        sensors.set_fault(place, Channel::CellVoltages, 5, Some(SensorFault::OpenWire));
        let mut out = vec![Reading::valid(3.3); 44];
        sensors.read(0, place, Channel::CellVoltages, &mut out);
        assert_eq!(out[5].quality, Quality::OpenWire);
        assert!(out[4].ok().is_some() && out[6].ok().is_some());
    }

    #[test]
    fn out_of_range_is_invalid_and_detectors_saturate() {
        let sensors = Sensors::new(&crate::testing::spec().container.sensors, 7);
        let mut out = vec![Reading::valid(400.0)];
        sensors.read(0, Place::pack(0, 0), Channel::CellTemperatures, &mut out);
        assert_eq!(out[0].quality, Quality::Invalid);
        let mut out = vec![Reading::valid(1e5)];
        sensors.read(0, Place::CONTAINER, Channel::Hydrogen, &mut out);
        assert_eq!(out[0].ok(), Some(2000.0));
    }
}
