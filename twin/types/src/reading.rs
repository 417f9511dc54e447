//! What a sensor says: a value with its validity, on a named channel.

use serde::{Deserialize, Serialize};

/// Whether a sampled value may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    /// Measured and inside the sensor's range.
    #[default]
    Valid,
    /// No usable value: never sampled, out of range, or the sensor says so.
    Invalid,
    /// The sense wire is open.
    OpenWire,
}

/// One sampled value, in the channel's unit.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Value in the channel's unit; meaningless unless `quality` is `Valid`.
    pub value: f64,
    /// Whether the value may be used.
    pub quality: Quality,
}

impl Reading {
    /// A usable value.
    pub const fn valid(value: f64) -> Self {
        Self {
            value,
            quality: Quality::Valid,
        }
    }

    /// No usable value.
    pub const fn invalid() -> Self {
        Self {
            value: 0.0,
            quality: Quality::Invalid,
        }
    }

    /// The value, if it may be used.
    pub fn ok(self) -> Option<f64> {
        (self.quality == Quality::Valid).then_some(self.value)
    }
}

/// What a sensor measures, relative to the place of the device it is wired to. Contacts read 1 when closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Every cell voltage of the pack, V.
    CellVoltages,
    /// Every temperature sensor of the pack, °C; one sensor for each two neighbouring cells.
    CellTemperatures,
    /// Voltage of the cluster behind its contactors, V.
    ClusterVoltage,
    /// Voltage of the stack DC bus, V.
    BusVoltage,
    /// Cluster current, A, positive discharging.
    ClusterCurrent,
    /// Insulation resistance to earth seen by the cluster's monitor, Ω.
    InsulationResistance,
    /// Auxiliary contact of the positive main contactor.
    AuxMainPositive,
    /// Auxiliary contact of the negative main contactor.
    AuxMainNegative,
    /// Auxiliary contact of the precharge contactor.
    AuxPrecharge,
    /// Cluster fuse indicator: 1 while the fuse is whole.
    FuseIntact,
    /// Cluster DC breaker auxiliary contact.
    BreakerClosed,
    /// Contactor coil supply, V.
    CoilSupply,
    /// Temperature inside the high-voltage box, °C.
    HvBoxTemperature,
    /// Grid phase voltages at the PCS terminals, V line to neutral (three values).
    GridVoltages,
    /// Grid frequency, Hz.
    GridFrequency,
    /// PCS active power at its AC terminals, W, positive discharging.
    ActivePower,
    /// PCS reactive power at its AC terminals, var.
    ReactivePower,
    /// PCS DC terminal voltage, V.
    ConverterDcVoltage,
    /// PCS DC current, A, positive discharging.
    ConverterDcCurrent,
    /// PCS AC contactor auxiliary contact.
    AcContactorClosed,
    /// PCS cabinet temperature, °C.
    ConverterTemperature,
    /// Active power at the point of interconnection, W, positive exporting.
    PoiActivePower,
    /// Reactive power at the point of interconnection, var.
    PoiReactivePower,
    /// Hydrogen in the container air, ppm by volume.
    Hydrogen,
    /// Carbon monoxide in the container air, ppm by volume.
    CarbonMonoxide,
    /// Smoke obscuration at the container ceiling, dB/m.
    Smoke,
    /// Air temperature at the container ceiling, °C.
    CeilingTemperature,
    /// Mean container air temperature, °C.
    AirTemperature,
    /// Outside air temperature, °C.
    AmbientTemperature,
    /// Suppression agent cylinder pressure, Pa.
    AgentPressure,
    /// Suppression discharge pressure switch: 1 once agent flows.
    AgentFlow,
    /// Coolant supply temperature, °C.
    CoolantSupply,
    /// Coolant return temperature, °C.
    CoolantReturn,
    /// Coolant flow, L/min.
    CoolantFlow,
    /// Container door switch: 1 when closed.
    DoorClosed,
    /// Explosion-vent fan proven running.
    VentFanRunning,
    /// Vent damper end switch: 1 when fully closed.
    DamperClosed,
    /// HVAC fan proven running.
    HvacRunning,
    /// Speed of the pack's fan by its tacho, rpm; nothing in a pack without fan.
    FanSpeed,
}
