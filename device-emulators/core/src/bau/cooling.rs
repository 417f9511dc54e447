//! What the chiller is to do: decided from cell temperatures, and repeated so that the chiller knows it is looked after.

use bess_types::SimTime;

use super::auxiliaries::Chiller;
use super::points::BauPoints;
use super::settings::CoolingSettings;
use crate::Points;
use crate::controller::Tick;

/// The rules, and when they are looked at.
#[derive(Debug)]
pub(super) struct Cooling {
    rules: CoolingSettings,
    decide: Tick,
    repeat: Tick,
}

impl Cooling {
    pub(super) fn new(rules: CoolingSettings) -> Self {
        Self {
            rules,
            decide: Tick::new(rules.period_s),
            repeat: Tick::new(5.0),
        }
    }

    pub(super) fn start(&mut self, now: SimTime) {
        self.decide.start(now);
        self.repeat.start(now);
    }

    /// Decides, if it is time, and tells the chiller, if there is one.
    pub(super) fn step(
        &mut self,
        now: SimTime,
        single: &BauPoints,
        points: &mut Points,
        chiller: Option<&mut Chiller>,
    ) {
        let temperatures = [
            single.temperature_max,
            single.temperature_min,
            single.temperature_mean,
        ]
        .map(|id| points.get(id));
        let decide = self.decide.due(now);
        if decide {
            let (mode, setpoint) = match temperatures {
                [Some(max), Some(min), Some(mean)] => self.cooling_for(max, min, mean),
                _ => (2, self.rules.lost_setpoint_c),
            };
            points.set(single.cooling_mode, f64::from(mode));
            points.set(single.cooling_setpoint, setpoint);
        }
        if !decide && !self.repeat.due(now) {
            return;
        }
        if let (Some(chiller), Some(mode), Some(setpoint)) = (
            chiller,
            points.get(single.cooling_mode),
            points.get(single.cooling_setpoint),
        ) {
            chiller.tell(mode, setpoint, temperatures);
        }
    }

    /// Mode (0 off, 1 circulate, 2 cool, 3 heat) and set-point. Between the rules things stay as they are.
    fn cooling_for(&self, max: f64, min: f64, mean: f64) -> (u8, f64) {
        let rules = self.rules;
        let [strong_max, strong_mean, strong_setpoint] = rules.strong;
        let [cool_max, cool_mean, cool_setpoint] = rules.cool;
        let [circulate_max, circulate_mean] = rules.circulate;
        let [heat_min, heat_mean, heat_setpoint] = rules.heat;
        if max >= strong_max && mean >= strong_mean {
            (2, strong_setpoint)
        } else if max >= cool_max && mean >= cool_mean {
            (2, cool_setpoint)
        } else if min <= heat_min && mean <= heat_mean {
            (3, heat_setpoint)
        } else if max >= circulate_max && mean >= circulate_mean {
            (1, cool_setpoint)
        } else {
            (0, cool_setpoint)
        }
    }
}
