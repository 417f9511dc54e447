//! Grid protection: trip elements, momentary cessation, loss of grid, enter-service window.
//!
//! Works on RMS phase voltages and frequency, one evaluation per control cycle. An element that starts to be
//! violated in the cycle at `t` trips in the first cycle at or after `t` + delay.

use bess_types::SimTime;

use super::settings::{Settings, Side, TripElement, seconds};

/// Why the grid protection tripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridTrip {
    /// A voltage element, upper side.
    OverVoltage,
    /// A voltage element, lower side.
    UnderVoltage,
    /// A frequency element, upper side.
    OverFrequency,
    /// A frequency element, lower side.
    UnderFrequency,
    /// All phases gone.
    LossOfGrid,
}

/// What the protection sees in one cycle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GridSample {
    /// Phase voltages, V line to neutral.
    pub phase_v: [f64; 3],
    /// Frequency, Hz; `None` while it cannot be measured, as with the voltage gone.
    pub frequency_hz: Option<f64>,
}

/// State of all grid elements.
#[derive(Clone, Debug)]
pub struct GridProtection {
    nominal_phase_v: f64,
    nominal_hz: f64,
    voltage: Vec<Timer>,
    frequency: Vec<Timer>,
    loss: Timer,
    cessation: (f64, f64),
    window_v: (f64, f64),
    window_hz: (f64, f64),
    delay: core::time::Duration,
    in_window_since: Option<SimTime>,
    ceased: bool,
}

#[derive(Clone, Debug)]
struct Timer {
    element: TripElement,
    since: Option<SimTime>,
}

impl Timer {
    fn new(element: TripElement) -> Self {
        Self { element, since: None }
    }

    fn expired(&mut self, now: SimTime, violated: bool) -> bool {
        if !violated {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now - since >= seconds(self.element.delay_s)
    }
}

impl GridProtection {
    /// All elements at rest.
    pub fn new(settings: &Settings) -> Self {
        Self {
            nominal_phase_v: settings.nominal_line_voltage_v / 3.0_f64.sqrt(),
            nominal_hz: settings.nominal_frequency_hz,
            voltage: settings.voltage_trip.iter().copied().map(Timer::new).collect(),
            frequency: settings.frequency_trip.iter().copied().map(Timer::new).collect(),
            loss: Timer::new(TripElement {
                side: Side::Under,
                limit_pu: settings.loss_of_grid_pu,
                delay_s: settings.loss_of_grid_s,
            }),
            cessation: (settings.cessation_below_pu, settings.cessation_above_pu),
            window_v: (
                settings.enter_service_voltage_min_pu,
                settings.enter_service_voltage_max_pu,
            ),
            window_hz: (
                settings.enter_service_frequency_min_hz,
                settings.enter_service_frequency_max_hz,
            ),
            delay: seconds(settings.enter_service_delay_s),
            in_window_since: None,
            ceased: false,
        }
    }

    /// Takes one cycle's sample; `None` if the voltages cannot be measured. Returns the element that has run out.
    pub fn evaluate(&mut self, now: SimTime, sample: Option<GridSample>) -> Option<GridTrip> {
        let Some(sample) = sample else {
            self.in_window_since = None;
            return None;
        };
        let pu = sample.phase_v.map(|v| v / self.nominal_phase_v);
        let low = pu.into_iter().fold(f64::INFINITY, f64::min);
        let high = pu.into_iter().fold(f64::NEG_INFINITY, f64::max);
        self.ceased = low < self.cessation.0 || high > self.cessation.1;

        let in_window = low >= self.window_v.0
            && high <= self.window_v.1
            && sample
                .frequency_hz
                .is_some_and(|hz| hz >= self.window_hz.0 && hz <= self.window_hz.1);
        if !in_window {
            self.in_window_since = None;
        } else if self.in_window_since.is_none() {
            self.in_window_since = Some(now);
        }

        // Every timer is advanced in every cycle; the first that has run out names the cause.
        let mut trip = self
            .loss
            .expired(now, high < self.loss.element.limit_pu)
            .then_some(GridTrip::LossOfGrid);
        for timer in &mut self.voltage {
            let (value, cause) = match timer.element.side {
                Side::Over => (high, GridTrip::OverVoltage),
                Side::Under => (low, GridTrip::UnderVoltage),
            };
            let violated = timer.element.side.violated(value, timer.element.limit_pu);
            if timer.expired(now, violated) {
                trip = trip.or(Some(cause));
            }
        }
        // With the voltage gone there is no frequency to judge; the voltage elements act.
        let hz_pu = sample
            .frequency_hz
            .filter(|_| low >= self.cessation.0)
            .map(|hz| hz / self.nominal_hz);
        for timer in &mut self.frequency {
            let cause = match timer.element.side {
                Side::Over => GridTrip::OverFrequency,
                Side::Under => GridTrip::UnderFrequency,
            };
            let violated = hz_pu.is_some_and(|hz| timer.element.side.violated(hz, timer.element.limit_pu));
            if timer.expired(now, violated) {
                trip = trip.or(Some(cause));
            }
        }
        trip
    }

    /// The gate must be blocked although the PCS stays connected.
    pub const fn ceased(&self) -> bool {
        self.ceased
    }

    /// Time the grid must still stay inside the enter-service window; the whole delay while it is outside.
    pub fn enter_service_remaining(&self, now: SimTime) -> core::time::Duration {
        self.in_window_since
            .map_or(self.delay, |since| self.delay.saturating_sub(now - since))
    }

    /// Whether the PCS may connect now.
    pub fn may_enter_service(&self, now: SimTime) -> bool {
        self.in_window_since
            .is_some_and(|since| now - since >= self.delay)
    }

    /// Starts the enter-service delay again, as after a trip.
    pub fn restart_delay(&mut self) {
        self.in_window_since = None;
    }
}
