//! Why a stack is stopped or not well, beside what its clusters report: SunSpec 802 `EvtVnd1`, and what of it `Evt1` shows.

use core::ops::BitOr;

use bess_types::SimTime;

use super::auxiliaries::{Chiller, Hvac};
use super::{Bau, Stack};
use crate::codec::modbus::ModbusPeer;
use crate::controller::older_than;
use crate::protection::Severity;

/// A cause. Its number is its bit in 802 `EvtVnd1`, where the register map has its name in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cause {
    Fire,
    ThermalRunaway,
    EmergencyStop,
    SafetyChainOpen,
    /// More clusters with a fault than the stack may have.
    ClustersFaulty,
    /// A contactor of a cluster that is asked to close.
    ContactorFailed,
    NoClusterLeft,
    BcuSilent,
    IoSilent,
    FirePanelSilent,
    PcsSilent,
    EmsSilent,
    ChillerSilent,
    HvacSilent,
    PcsTripped,
    ChillerAlarm,
    ChillerStopped,
    HvacAlarm,
    HvacStopped,
    HvacFan,
    // What clusters report and `Evt1` has no bit for; how bad it is they say themselves.
    Sensors,
    AuxiliarySupply,
    Interlock,
    Precharge,
}

/// 802 `Evt1`: something does not answer.
const COMMUNICATION_ERROR: u8 = 0;
/// A contactor is not as commanded.
const CONTACTOR_ERROR: u8 = 20;
const FAN_ERROR: u8 = 21;
/// See the vendor's events.
pub(super) const OTHER_ALARM: u8 = 25;
/// See the vendor's events.
pub(super) const OTHER_WARNING: u8 = 26;

impl Cause {
    const ALL: [Self; 24] = [
        Self::Fire,
        Self::ThermalRunaway,
        Self::EmergencyStop,
        Self::SafetyChainOpen,
        Self::ClustersFaulty,
        Self::ContactorFailed,
        Self::NoClusterLeft,
        Self::BcuSilent,
        Self::IoSilent,
        Self::FirePanelSilent,
        Self::PcsSilent,
        Self::EmsSilent,
        Self::ChillerSilent,
        Self::HvacSilent,
        Self::PcsTripped,
        Self::ChillerAlarm,
        Self::ChillerStopped,
        Self::HvacAlarm,
        Self::HvacStopped,
        Self::HvacFan,
        Self::Sensors,
        Self::AuxiliarySupply,
        Self::Interlock,
        Self::Precharge,
    ];

    /// How bad it is for the stack.
    const fn severity(self) -> Severity {
        match self {
            Self::Fire
            | Self::ThermalRunaway
            | Self::EmergencyStop
            | Self::SafetyChainOpen
            | Self::ClustersFaulty
            | Self::ContactorFailed
            | Self::NoClusterLeft
            | Self::BcuSilent => Severity::Fault,
            Self::IoSilent
            | Self::FirePanelSilent
            | Self::PcsSilent
            | Self::ChillerStopped
            | Self::HvacStopped
            | Self::HvacFan => Severity::Alarm,
            Self::EmsSilent
            | Self::ChillerSilent
            | Self::HvacSilent
            | Self::PcsTripped
            | Self::ChillerAlarm
            | Self::HvacAlarm => Severity::Warn,
            Self::Sensors | Self::AuxiliarySupply | Self::Interlock | Self::Precharge => Severity::None,
        }
    }

    /// The bit of 802 `Evt1` that fits it.
    const fn event(self) -> Option<u8> {
        match self {
            Self::BcuSilent
            | Self::IoSilent
            | Self::FirePanelSilent
            | Self::PcsSilent
            | Self::EmsSilent
            | Self::ChillerSilent
            | Self::HvacSilent => Some(COMMUNICATION_ERROR),
            Self::ContactorFailed => Some(CONTACTOR_ERROR),
            Self::HvacFan => Some(FAN_ERROR),
            _ => match self.severity() {
                Severity::None => None,
                Severity::Warn => Some(OTHER_WARNING),
                Severity::Alarm | Severity::Fault => Some(OTHER_ALARM),
            },
        }
    }
}

/// A set of causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Causes(u32);

impl Causes {
    /// Those that stand.
    pub(super) fn of(causes: &[(Cause, bool)]) -> Self {
        let standing = causes.iter().filter(|(_, stands)| *stands);
        Self(standing.fold(0, |bits, (cause, _)| bits | 1 << *cause as u8))
    }

    pub(super) const fn has(self, cause: Cause) -> bool {
        self.0 & 1 << cause as u8 != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// 802 `EvtVnd1`.
    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    fn each(self) -> impl Iterator<Item = Cause> {
        Cause::ALL.into_iter().filter(move |cause| self.has(*cause))
    }

    /// The worst of them.
    pub(super) fn severity(self) -> Severity {
        self.each().map(Cause::severity).max().unwrap_or_default()
    }

    /// 802 `Evt1`.
    pub(super) fn events(self) -> u32 {
        let bits = self.each().filter_map(Cause::event);
        bits.fold(0, |events, bit| events | 1 << bit)
    }
}

impl BitOr for Causes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Bau {
    /// What stands now, and what is latched until it is reset.
    pub(super) fn causes(&self, now: SimTime) -> Causes {
        let settings = &self.settings;
        let lost = |client: Option<&ModbusPeer>, limit_s| {
            client.is_some_and(|client| self.lost(now, client, limit_s))
        };
        let panel = self.fire_panel.as_ref().map(|panel| &panel.peer);
        let chiller = self.chiller.as_ref().map(|chiller| &chiller.peer);
        let hvac = self.hvac.as_ref().map(|hvac| &hvac.peer);
        let keep_alive_lost = (self.pcs_bus.as_ref()).is_some_and(|bus| bus.is_lost(now, self.started));
        // In its self-test it waits for the others to start.
        let awake = self.state != Stack::Initialising;
        let chiller_fault = self.chiller.as_ref().map(Chiller::fault).unwrap_or_default();
        let hvac_fault = self.hvac.as_ref().map(Hvac::fault).unwrap_or_default();
        let standing = Causes::of(&[
            (Cause::Fire, self.latches.fire),
            (Cause::ThermalRunaway, self.latches.runaway),
            (Cause::BcuSilent, self.clusters.any_lost()),
            (Cause::IoSilent, awake && !self.io.is_fresh(now)),
            (Cause::FirePanelSilent, lost(panel, settings.fire_lost_s)),
            (
                Cause::PcsSilent,
                awake && lost(Some(&self.pcs.peer), settings.pcs_lost_s) || keep_alive_lost,
            ),
            (Cause::EmsSilent, self.ems_gone(now)),
            (Cause::ChillerSilent, lost(chiller, settings.chiller_lost_s)),
            (Cause::HvacSilent, lost(hvac, settings.hvac_lost_s)),
            (Cause::PcsTripped, self.pcs.has_tripped()),
            (Cause::ChillerAlarm, chiller_fault.is_alarm()),
            (Cause::ChillerStopped, chiller_fault.is_stop()),
            (Cause::HvacAlarm, hvac_fault.is_alarm()),
            (Cause::HvacStopped, hvac_fault.is_stop() && !hvac_fault.is_fan()),
            (Cause::HvacFan, hvac_fault.is_fan()),
        ]);
        standing | self.latches.held | self.fault_held
    }

    /// Whether the EMS was heard once and is silent since.
    pub(super) fn ems_gone(&self, now: SimTime) -> bool {
        self.last_ems.is_some() && older_than(now, self.last_ems, self.settings.ems_lost_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_bit_and_is_seen_in_the_standard_events_too() {
        for (bit, cause) in Cause::ALL.into_iter().enumerate() {
            let causes = Causes::of(&[(cause, true)]);
            assert_eq!(causes.bits(), 1 << bit, "{cause:?}");
            let own = causes.severity() != Severity::None;
            assert_eq!(causes.events() != 0, own, "{cause:?}");
        }
        assert!(Causes::of(&[(Cause::Fire, false)]).is_empty());
    }
}
