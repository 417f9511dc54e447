//! What an emulated device can do to the plant, and the hard-wired lines between devices.

use serde::{Deserialize, Serialize};

/// A contactor of the cluster's high-voltage box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coil {
    /// K+, in the positive pole.
    MainPositive,
    /// K−, in the negative pole.
    MainNegative,
    /// K_pre, in series with the precharge resistor, across K+.
    Precharge,
}

impl Coil {
    /// All coils of a high-voltage box.
    pub const ALL: [Self; 3] = [Self::MainPositive, Self::MainNegative, Self::Precharge];
}

/// What the liquid chiller is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoolingMode {
    /// Pump and compressor off.
    #[default]
    Off,
    /// Pump only.
    Circulate,
    /// Pump and compressor.
    Cool,
    /// Pump and heater.
    Heat,
}

/// One act of a device on the plant, at the device's own place. Held until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Actuation {
    /// Drive a contactor coil of the cluster. Without coil supply nothing moves.
    Coil {
        /// Which contactor.
        coil: Coil,
        /// Coil driven.
        energised: bool,
    },
    /// Energise the shunt trip of the cluster's DC breaker; the breaker stays open until closed by hand.
    BreakerTrip,
    /// The 24 V supply of every contactor coil in the container.
    CoilSupply {
        /// Supply present.
        on: bool,
    },
    /// Cells of the pack whose bleed resistor is on; bit 0 is cell 1.
    Balancing {
        /// One bit per cell.
        cells: u64,
    },
    /// Cells of the pack that the active balancer takes charge from, and cells it gives it to; bit 0 is cell 1. A cell
    /// in both does neither. Needs a pack with active balancing and at least one of each.
    ActiveBalancing {
        /// Cells that give.
        sources: u64,
        /// Cells that take.
        sinks: u64,
    },
    /// PCS power stage.
    Converter {
        /// Gate pulses enabled.
        gate: bool,
        /// AC contactor driven closed.
        ac_contactor: bool,
        /// Wanted active power, W, positive discharging.
        active_power_w: f64,
        /// Wanted reactive power, var.
        reactive_power_var: f64,
    },
    /// Liquid cooling.
    Cooling {
        /// What the chiller does.
        mode: CoolingMode,
        /// Coolant supply set-point, °C.
        setpoint_c: f64,
    },
    /// Explosion-vent fan and its damper.
    Ventilation {
        /// Fan driven.
        fan: bool,
        /// Damper driven open; closes by spring.
        damper_open: bool,
    },
    /// Container HVAC (air circulation) allowed to run.
    Hvac {
        /// Allowed.
        on: bool,
    },
    /// What the controller of the container HVAC asks of its units, first unit first. Before the first demand each unit
    /// goes by a thermostat of its own.
    HvacDemand {
        /// Fans driven; without them nothing runs.
        fan: bool,
        /// Compressors driven.
        cooling: u8,
        /// Heaters on.
        heating: u8,
    },
    /// Fan of the pack.
    PackFan {
        /// Duty of its PWM, 0 to 1.
        duty: f64,
    },
    /// Open the suppression cylinder valve. Not reversible.
    ReleaseAgent,
}

/// A hard-wired signal between devices, named at the receiving terminal. `true` is the energised or
/// healthy level, so a broken wire reads as the safe state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// E-stop channel A healthy (normally closed contact).
    EstopA,
    /// E-stop channel B healthy (normally closed contact).
    EstopB,
    /// Safety reset push-button pressed.
    SafetyReset,
    /// Safety relay output: coil supply and PCS enable present.
    SafetyOk,
    /// PCS may run: BMS trip output healthy.
    BmsPermit,
    /// BAU asks for explosion ventilation.
    VentRequest,
    /// Fire panel at pre-warning or above.
    FirePrewarning,
    /// Fire panel at level 1 or above.
    FireLevel1,
    /// Fire panel at level 2 (confirmed) or above.
    FireLevel2,
    /// Fire panel has released agent.
    FireReleased,
    /// Manual call point pressed.
    ManualCallPoint,
    /// Suppression hold (abort) button at the door pressed.
    SuppressionHold,
    /// Sounder and beacon driven.
    Sounder,
    /// Enable input of a BMU: the one before it in the chain has its address.
    EnableIn,
    /// Enable output of a BCU or BMU, wired to the [`Line::EnableIn`] of the next BMU.
    EnableOut,
}
