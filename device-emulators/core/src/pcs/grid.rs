//! Grid protection: trip elements, momentary cessation, loss of grid, enter-service window.
//!
//! Works on RMS phase voltages and frequency, one evaluation per control cycle. An element that starts to be
//! violated in the cycle at `t` trips in the first cycle at or after `t` + delay.

use core::time::Duration;

use bess_types::SimTime;

use super::der::curves::Trip;
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

/// When a PCS may connect.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EnterService {
    /// It may at all.
    pub permitted: bool,
    /// Lowest and highest voltage, pu.
    pub voltage_pu: (f64, f64),
    /// Lowest and highest frequency, Hz.
    pub frequency_hz: (f64, f64),
    /// How long the grid must have been inside.
    pub delay: Duration,
}

/// State of all grid elements.
#[derive(Clone, Debug)]
pub struct GridProtection {
    nominal_phase_v: f64,
    nominal_hz: f64,
    quantities: [Elements; 2],
    loss: Timer,
    frequency_from_pu: f64,
    enter: EnterService,
    in_window_since: Option<SimTime>,
    ceased: bool,
}

/// Elements of voltage, or of frequency.
#[derive(Clone, Debug, Default)]
struct Elements {
    trip: Vec<Timer>,
    cease: Vec<Timer>,
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
    /// Without trip elements, and with service not permitted, until [`GridProtection::set_elements`] and
    /// [`GridProtection::set_enter_service`] say more.
    pub fn new(settings: &Settings) -> Self {
        Self {
            nominal_phase_v: settings.nominal_line_voltage_v / 3.0_f64.sqrt(),
            nominal_hz: settings.nominal_frequency_hz,
            quantities: Default::default(),
            loss: Timer::new(TripElement {
                side: Side::Under,
                limit_pu: settings.loss_of_grid_pu,
                delay_s: settings.loss_of_grid_s,
            }),
            frequency_from_pu: settings.cessation_below_pu,
            enter: EnterService::default(),
            in_window_since: None,
            ceased: false,
        }
    }

    /// Replaces all elements by those of these curve sets: of voltage, of frequency. Timers of elements that stay go on.
    pub fn set_elements(&mut self, sets: &[Vec<&Trip>; 2]) {
        let timers = |old: &[Timer], new: &mut dyn Iterator<Item = TripElement>| -> Vec<Timer> {
            let same = |element: TripElement| old.iter().find(|timer| timer.element == element).cloned();
            new.map(|element| same(element).unwrap_or(Timer::new(element)))
                .collect()
        };
        for (elements, sets) in self.quantities.iter_mut().zip(sets) {
            let mut must = sets.iter().flat_map(|set| set.must.iter().copied());
            elements.trip = timers(&elements.trip, &mut must);
            let mut cease = sets.iter().flat_map(|set| set.cease.iter().copied());
            elements.cease = timers(&elements.cease, &mut cease);
        }
    }

    /// Sets when it may connect; a changed window is judged from the next sample on.
    pub fn set_enter_service(&mut self, enter: EnterService) {
        self.enter = enter;
    }

    /// Whether it may be connected at all.
    pub const fn service_permitted(&self) -> bool {
        self.enter.permitted
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

        let inside = |value: f64, (low, high): (f64, f64)| (low..=high).contains(&value);
        let in_window = self.enter.permitted
            && inside(low, self.enter.voltage_pu)
            && inside(high, self.enter.voltage_pu)
            && sample
                .frequency_hz
                .is_some_and(|hz| inside(hz, self.enter.frequency_hz));
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
        // With the voltage gone there is no frequency to judge; the voltage elements act.
        let hz_pu = sample
            .frequency_hz
            .filter(|_| low >= self.frequency_from_pu)
            .map(|hz| hz / self.nominal_hz);
        self.ceased = false;
        let extremes = [(Some(low), Some(high)), (hz_pu, hz_pu)];
        let causes = [
            [GridTrip::UnderVoltage, GridTrip::OverVoltage],
            [GridTrip::UnderFrequency, GridTrip::OverFrequency],
        ];
        for ((elements, (low, high)), [under, over]) in self.quantities.iter_mut().zip(extremes).zip(causes) {
            let violated = |element: TripElement| {
                let value = match element.side {
                    Side::Over => high,
                    Side::Under => low,
                };
                value.is_some_and(|value| element.side.violated(value, element.limit_pu))
            };
            for timer in &mut elements.trip {
                if timer.expired(now, violated(timer.element)) {
                    trip = trip.or(Some(match timer.element.side {
                        Side::Over => over,
                        Side::Under => under,
                    }));
                }
            }
            for timer in &mut elements.cease {
                self.ceased |= timer.expired(now, violated(timer.element));
            }
        }
        trip
    }

    /// Which trip timers run, as in SunSpec 122 `RtSt`: bits low voltage, high voltage, low frequency, high frequency.
    pub fn ride_through(&self) -> u8 {
        let mut bits = 0;
        for (elements, shift) in self.quantities.iter().zip([0, 2]) {
            for timer in elements.trip.iter().filter(|timer| timer.since.is_some()) {
                bits |= match timer.element.side {
                    Side::Under => 1 << shift,
                    Side::Over => 2 << shift,
                };
            }
        }
        bits
    }

    /// The gate must be blocked although the PCS stays connected.
    pub const fn ceased(&self) -> bool {
        self.ceased
    }

    /// Time the grid must still stay inside the enter-service window; the whole delay while it is outside.
    pub fn enter_service_remaining(&self, now: SimTime) -> Duration {
        let delay = self.enter.delay;
        self.in_window_since
            .map_or(delay, |since| delay.saturating_sub(now - since))
    }

    /// Whether the PCS may connect now.
    pub fn may_enter_service(&self, now: SimTime) -> bool {
        self.in_window_since
            .is_some_and(|since| now - since >= self.enter.delay)
    }

    /// Starts the enter-service delay again, as after a trip.
    pub fn restart_delay(&mut self) {
        self.in_window_since = None;
    }
}
