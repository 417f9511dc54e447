//! The states of the machine, the steps of a start, and what can trip it, with the numbers they have on the wire.

use bess_types::SimTime;

use super::grid::GridTrip;
use super::points::CAUSES;

/// State of the machine; numbers as in [`points::STATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Disconnected, no start asked for.
    Off,
    /// Start asked for: waits for DC voltage, BMS and grid, then connects.
    Starting,
    /// Connected, gate blocked.
    Standby,
    /// Connected, following its set point.
    Running,
    /// Ramping down.
    Stopping,
    /// Disconnected and latched.
    Fault,
}

impl State {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Starting => 1,
            Self::Standby => 2,
            Self::Running => 3,
            Self::Stopping => 4,
            Self::Fault => 5,
        }
    }
}

/// What tripped the machine; numbers as in [`points::CAUSES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing.
    None,
    /// Hard-wired safety chain opened.
    SafetyChain,
    /// Hard-wired BMS permit opened.
    BmsPermitLine,
    /// BMS heartbeat stood still.
    BmsHeartbeat,
    /// A grid protection element.
    Grid(GridTrip),
    /// DC voltage above range.
    DcOverVoltage,
    /// DC voltage below range.
    DcUnderVoltage,
    /// Cabinet too hot.
    OverTemperature,
    /// AC contactor does not follow.
    AcContactor,
    /// DC voltage or BMS did not come in time after a start.
    PrecheckTimeout,
    /// A measurement it cannot do without is gone.
    Measurement,
}

impl Cause {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::SafetyChain => 1,
            Self::BmsPermitLine => 2,
            Self::BmsHeartbeat => 3,
            Self::Grid(GridTrip::OverVoltage) => 4,
            Self::Grid(GridTrip::UnderVoltage) => 5,
            Self::Grid(GridTrip::OverFrequency) => 6,
            Self::Grid(GridTrip::UnderFrequency) => 7,
            Self::Grid(GridTrip::LossOfGrid) => 8,
            Self::DcOverVoltage => 9,
            Self::DcUnderVoltage => 10,
            Self::OverTemperature => 11,
            Self::AcContactor => 12,
            Self::PrecheckTimeout => 13,
            Self::Measurement => 14,
        }
    }

    pub(super) fn name(self) -> &'static str {
        CAUSES[usize::from(self.number())]
    }

    /// An outside cause that is gone needs no reset of the PCS itself: a new start is the deliberate act.
    pub(super) const fn cleared_by_start(self) -> bool {
        matches!(
            self,
            Self::None | Self::SafetyChain | Self::BmsPermitLine | Self::BmsHeartbeat | Self::Grid(_)
        )
    }

    /// SunSpec 701 `Alrm` / 103 `Evt1` bit; bit 16 is the manufacturer's own.
    pub(super) const fn alarm_bit(self) -> u32 {
        match self {
            Self::None => 0,
            Self::DcOverVoltage => 1 << 1,
            Self::AcContactor => 1 << 2,
            Self::DcUnderVoltage => 1 << 3,
            Self::Grid(GridTrip::LossOfGrid) => 1 << 4,
            Self::SafetyChain => 1 << 6,
            Self::OverTemperature => 1 << 7,
            Self::Grid(GridTrip::OverFrequency) => 1 << 8,
            Self::Grid(GridTrip::UnderFrequency) => 1 << 9,
            Self::Grid(GridTrip::OverVoltage) => 1 << 10,
            Self::Grid(GridTrip::UnderVoltage) => 1 << 11,
            Self::BmsPermitLine | Self::BmsHeartbeat | Self::PrecheckTimeout | Self::Measurement => 1 << 16,
        }
    }
}

/// How far a start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// DC voltage and BMS, until the deadline.
    Precheck { deadline: SimTime },
    /// Enter-service window and delay.
    GridWait,
    /// Synchronising.
    Sync { until: SimTime },
    /// AC contactor driven, feedback awaited.
    Closing,
}
