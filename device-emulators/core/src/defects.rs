//! Deliberately broken variants of the reference controllers, exactly one known bug each.
//!
//! A suite that passes on the right controllers proves little; it must also fail on these. A defect is
//! given to a controller when it is built (`defect` in its configuration) and cannot be switched later.

use serde::{Deserialize, Serialize};

use crate::product::DeviceKind;

/// One known bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defect {
    /// Opens on a level 3 alarm 3 s too late.
    LateTrip,
    /// Level 3 of cell over-voltage and of charge over-temperature is set too high.
    WrongThreshold,
    /// Takes no notice of the E-stop: coil commands and permit stay on.
    IgnoredEstop,
    /// Heartbeats and life counters stand still while data still flows.
    FrozenHeartbeat,
    /// Closes onto a live bus whatever the voltage gap.
    ClosesOntoVoltageGap,
    /// Closes K+ without precharge.
    NoPrecharge,
    /// Takes no notice of the temperatures of pack 1.
    IgnoresOneSensor,
    /// Starts again by itself once an E-stop was released and reset.
    RestartsAfterEstopRelease,
    /// Opens and derates, but reports no alarm.
    SilentAlarm,
    /// Current limits rise but never fall.
    StuckLimits,
    /// Takes no notice of the gas pre-warning.
    IgnoresFirePrewarning,
    /// Leaves the emergency stop by itself once it was released.
    NoResetNeeded,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::LateTrip,
        Self::WrongThreshold,
        Self::IgnoredEstop,
        Self::FrozenHeartbeat,
        Self::ClosesOntoVoltageGap,
        Self::NoPrecharge,
        Self::IgnoresOneSensor,
        Self::RestartsAfterEstopRelease,
        Self::SilentAlarm,
        Self::StuckLimits,
        Self::IgnoresFirePrewarning,
        Self::NoResetNeeded,
    ];

    /// Name in scenario and rig files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LateTrip => "late-trip",
            Self::WrongThreshold => "wrong-threshold",
            Self::IgnoredEstop => "ignored-estop",
            Self::FrozenHeartbeat => "frozen-heartbeat",
            Self::ClosesOntoVoltageGap => "closes-onto-voltage-gap",
            Self::NoPrecharge => "no-precharge",
            Self::IgnoresOneSensor => "ignores-one-sensor",
            Self::RestartsAfterEstopRelease => "restarts-after-estop-release",
            Self::SilentAlarm => "silent-alarm",
            Self::StuckLimits => "stuck-limits",
            Self::IgnoresFirePrewarning => "ignores-fire-prewarning",
            Self::NoResetNeeded => "no-reset-needed",
        }
    }

    /// What is wrong, one sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::LateTrip => "opens on a level 3 alarm 3 s too late",
            Self::WrongThreshold => {
                "level 3 of cell over-voltage (+0.15 V) and of charge over-temperature (+15 °C) is set too high"
            }
            Self::IgnoredEstop => "takes no notice of the E-stop: coil commands and permit stay on",
            Self::FrozenHeartbeat => "heartbeats and life counters stand still while data still flows",
            Self::ClosesOntoVoltageGap => "closes onto a live bus whatever the voltage gap",
            Self::NoPrecharge => "closes K+ without precharge",
            Self::IgnoresOneSensor => "takes no notice of the temperatures of pack 1",
            Self::RestartsAfterEstopRelease => "starts again by itself once an E-stop was released and reset",
            Self::SilentAlarm => "opens and derates, but reports no alarm",
            Self::StuckLimits => "current limits rise but never fall",
            Self::IgnoresFirePrewarning => "takes no notice of the gas pre-warning",
            Self::NoResetNeeded => "leaves the emergency stop by itself once it was released",
        }
    }

    /// The controllers it is to be given to; to all of a rig at once, or the others mask it.
    pub const fn kinds(self) -> &'static [DeviceKind] {
        match self {
            Self::LateTrip
            | Self::WrongThreshold
            | Self::NoPrecharge
            | Self::IgnoresOneSensor
            | Self::SilentAlarm
            | Self::StuckLimits => &[DeviceKind::Bcu],
            Self::FrozenHeartbeat
            | Self::RestartsAfterEstopRelease
            | Self::IgnoresFirePrewarning
            | Self::NoResetNeeded => &[DeviceKind::Bau],
            Self::IgnoredEstop | Self::ClosesOntoVoltageGap => &[DeviceKind::Bcu, DeviceKind::Bau],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defect_has_its_name_and_a_device() {
        for defect in Defect::ALL {
            let text = format!("defect = \"{}\"", defect.name());
            #[derive(Deserialize)]
            struct File {
                defect: Defect,
            }
            let read: Result<File, _> = toml::from_str(&text);
            assert_eq!(read.map(|file| file.defect), Ok(defect));
            assert!(!defect.kinds().is_empty());
        }
    }
}
