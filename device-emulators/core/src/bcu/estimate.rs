//! What the BCU works out from measurements: state of charge, current limits, temperature rise.

use bess_types::SimTime;

use super::settings::{LimitSettings, SocSettings};

/// Straight lines between breakpoints, level outside them. An empty curve is 1 everywhere.
pub fn interpolate(curve: &[[f64; 2]], x: f64) -> f64 {
    let Some(&[_, first]) = curve.first() else {
        return 1.0;
    };
    let mut below = [f64::NEG_INFINITY, first];
    for &[at, value] in curve {
        if x < at {
            if below[0] == f64::NEG_INFINITY {
                return value;
            }
            return below[1] + (value - below[1]) * (x - below[0]) / (at - below[0]);
        }
        below = [at, value];
    }
    below[1]
}

/// State of charge by counting ampere-hours, from an open-circuit estimate, corrected at both ends.
///
/// Between 25 % and 95 % the open-circuit curve of LFP is so flat that the first estimate can be 10 % off.
#[derive(Clone, Debug)]
pub struct SocCounter {
    settings: SocSettings,
    capacity_ah: f64,
    soc_pct: Option<f64>,
    last: Option<SimTime>,
}

impl SocCounter {
    /// `stored_pct` is what non-volatile memory holds; `None` estimates from the first voltages.
    pub fn new(settings: SocSettings, capacity_ah: f64, stored_pct: Option<f64>) -> Self {
        Self {
            settings,
            capacity_ah,
            soc_pct: stored_pct.map(|soc| soc.clamp(0.0, 100.0)),
            last: None,
        }
    }

    /// Counts one step and returns the present estimate, %.
    pub fn update(
        &mut self,
        now: SimTime,
        current_a: f64,
        cell_mean_v: f64,
        cell_min_v: f64,
        cell_max_v: f64,
    ) -> f64 {
        let dt = self.last.map_or(0.0, |last| (now - last).as_secs_f64());
        self.last = Some(now);
        let soc = self.soc_pct.unwrap_or_else(|| self.soc_at(cell_mean_v));
        let counted = soc - 100.0 * current_a * dt / 3600.0 / self.capacity_ah;
        let step = self.settings.correction_pct_per_s * dt;
        let corrected = if cell_max_v >= self.settings.full_v && current_a < 0.0 {
            counted.max(self.settings.full_pct.min(counted + step))
        } else if cell_min_v <= self.settings.empty_v && current_a > 0.0 {
            counted.min(self.settings.empty_pct.max(counted - step))
        } else {
            counted
        };
        let soc = corrected.clamp(0.0, 100.0);
        self.soc_pct = Some(soc);
        soc
    }

    /// Inverse of the open-circuit curve.
    fn soc_at(&self, cell_v: f64) -> f64 {
        let inverse: Vec<[f64; 2]> = self.settings.ocv.iter().map(|&[soc, v]| [v, soc]).collect();
        interpolate(&inverse, cell_v)
    }
}

/// What the current limits depend on.
#[derive(Clone, Copy, Debug)]
pub struct LimitInputs {
    /// Highest cell voltage, V.
    pub cell_max_v: f64,
    /// Lowest cell voltage, V.
    pub cell_min_v: f64,
    /// Highest temperature, °C.
    pub temperature_max_c: f64,
    /// Lowest temperature, °C.
    pub temperature_min_c: f64,
    /// Charging is allowed at all.
    pub charge: bool,
    /// Discharging is allowed at all.
    pub discharge: bool,
    /// An alarm halves the power.
    pub reduced: bool,
}

/// Current limits that fall at once and rise slowly.
#[derive(Clone, Debug)]
pub struct Limiter {
    settings: LimitSettings,
    rated_a: [f64; 2],
    present_a: [f64; 2],
    last: Option<SimTime>,
    never_falls: bool,
}

impl Limiter {
    /// `rated_a` is charge, then discharge. A limiter that never falls is a defect.
    pub fn new(settings: LimitSettings, rated_a: [f64; 2], never_falls: bool) -> Self {
        Self {
            settings,
            rated_a,
            present_a: [0.0; 2],
            last: None,
            never_falls,
        }
    }

    /// Takes one step and returns charge and discharge limit, A.
    pub fn update(&mut self, now: SimTime, inputs: &LimitInputs) -> [f64; 2] {
        let rise = self.last.map_or(0.0, |last| {
            (now - last).as_secs_f64() * self.settings.rise_a_per_s
        });
        self.last = Some(now);
        let shares = self.shares(inputs);
        for ((present, rated), share) in self.present_a.iter_mut().zip(self.rated_a).zip(shares) {
            let wanted = rated * share;
            let raised = wanted.min(*present + rise);
            *present = if self.never_falls {
                raised.max(*present)
            } else {
                raised
            };
        }
        self.present_a
    }

    /// Both limits are 0 from now on, and rise again from there.
    pub fn drop_to_zero(&mut self) {
        if !self.never_falls {
            self.present_a = [0.0; 2];
        }
    }

    fn shares(&self, inputs: &LimitInputs) -> [f64; 2] {
        let settings = &self.settings;
        let by_temperature = |curve: &[[f64; 2]]| {
            interpolate(curve, inputs.temperature_max_c).min(interpolate(curve, inputs.temperature_min_c))
        };
        let most = if inputs.reduced {
            settings.reduced_share
        } else {
            1.0
        };
        let charge = interpolate(&settings.charge_by_cell_v_max, inputs.cell_max_v)
            .min(interpolate(&settings.charge_by_cell_v_min, inputs.cell_min_v))
            .min(by_temperature(&settings.charge_by_temperature))
            .min(most);
        let discharge = interpolate(&settings.discharge_by_cell_v_min, inputs.cell_min_v)
            .min(by_temperature(&settings.discharge_by_temperature))
            .min(most);
        [
            if inputs.charge { charge } else { 0.0 },
            if inputs.discharge { discharge } else { 0.0 },
        ]
    }
}

/// Rise of each pack's highest temperature over a sliding window of seconds.
#[derive(Clone, Debug)]
pub struct RiseWatch {
    window_s: usize,
    packs: Vec<Vec<f64>>,
    next: usize,
}

impl RiseWatch {
    /// A watch over so many packs.
    pub fn new(packs: usize, window_s: usize) -> Self {
        Self {
            window_s: window_s.max(1),
            packs: vec![Vec::new(); packs],
            next: 0,
        }
    }

    /// Takes each pack's highest temperature, once a second; returns the fastest rise, K/min. Until the
    /// window is full the rise is taken from the oldest value there is, over the whole window.
    pub fn sample(&mut self, hottest_c: impl Iterator<Item = Option<f64>>) -> Option<f64> {
        let mut fastest = None;
        for (history, hottest) in self.packs.iter_mut().zip(hottest_c) {
            let Some(hottest) = hottest else { continue };
            if history.len() < self.window_s {
                let oldest = history.first().copied().unwrap_or(hottest);
                history.push(hottest);
                fastest = Some(max_of(fastest, hottest - oldest));
            } else {
                let oldest = core::mem::replace(&mut history[self.next], hottest);
                fastest = Some(max_of(fastest, hottest - oldest));
            }
        }
        self.next = (self.next + 1) % self.window_s;
        fastest.map(|rise: f64| rise * 60.0 / self.window_s as f64)
    }
}

fn max_of(present: Option<f64>, value: f64) -> f64 {
    present.map_or(value, |present: f64| present.max(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_level_outside_and_straight_inside() {
        let curve = [[0.0, 0.0], [18.0, 1.0], [35.0, 1.0], [40.0, 0.0]];
        for (x, y) in [(-5.0, 0.0), (9.0, 0.5), (20.0, 1.0), (37.5, 0.5), (50.0, 0.0)] {
            assert_eq!(interpolate(&curve, x), y, "at {x}");
        }
        assert_eq!(interpolate(&[], 3.0), 1.0);
    }

    #[test]
    fn soc_starts_from_voltage_and_counts() {
        let settings = SocSettings {
            ocv: vec![[0.0, 2.5], [50.0, 3.3], [100.0, 3.5]],
            full_v: 3.55,
            full_pct: 98.0,
            empty_v: 2.8,
            empty_pct: 3.0,
            correction_pct_per_s: 0.5,
        };
        let mut soc = SocCounter::new(settings.clone(), 300.0, None);
        assert_eq!(soc.update(SimTime::ZERO, 150.0, 3.3, 3.3, 3.3), 50.0);
        let later = soc.update(SimTime::from_millis(3_600_000), 150.0, 3.3, 3.3, 3.3);
        assert!(later.abs() < 1e-9, "half an hour's worth is all gone: {later}");
        let mut soc = SocCounter::new(settings, 300.0, Some(60.0));
        soc.update(SimTime::ZERO, -150.0, 3.4, 3.4, 3.56);
        let corrected = soc.update(SimTime::from_millis(10_000), -150.0, 3.4, 3.4, 3.56);
        assert!(corrected > 65.0, "pulled towards full: {corrected}");
    }

    #[test]
    fn limits_fall_at_once_and_rise_slowly() {
        let settings = LimitSettings {
            charge_by_cell_v_max: vec![[3.45, 1.0], [3.65, 0.0]],
            charge_by_cell_v_min: vec![],
            discharge_by_cell_v_min: vec![],
            charge_by_temperature: vec![],
            discharge_by_temperature: vec![],
            rise_a_per_s: 10.0,
            reduced_share: 0.5,
        };
        let mut inputs = LimitInputs {
            cell_max_v: 3.3,
            cell_min_v: 3.3,
            temperature_max_c: 25.0,
            temperature_min_c: 25.0,
            charge: true,
            discharge: true,
            reduced: false,
        };
        let mut limiter = Limiter::new(settings.clone(), [175.0; 2], false);
        assert_eq!(limiter.update(SimTime::ZERO, &inputs), [0.0; 2]);
        assert_eq!(limiter.update(SimTime::from_millis(1_000), &inputs), [10.0; 2]);
        assert_eq!(limiter.update(SimTime::from_millis(60_000), &inputs), [175.0; 2]);
        inputs.charge = false;
        inputs.reduced = true;
        assert_eq!(limiter.update(SimTime::from_millis(60_050), &inputs), [0.0, 87.5]);
        let mut stuck = Limiter::new(settings, [175.0; 2], true);
        stuck.update(
            SimTime::ZERO,
            &LimitInputs {
                charge: true,
                ..inputs
            },
        );
        stuck.update(
            SimTime::from_millis(60_000),
            &LimitInputs {
                charge: true,
                ..inputs
            },
        );
        assert_eq!(stuck.update(SimTime::from_millis(60_050), &inputs), [87.5; 2]);
    }

    #[test]
    fn rise_is_per_pack_and_per_minute() {
        let mut watch = RiseWatch::new(2, 60);
        for second in 0..60 {
            let rise = watch.sample([Some(25.0), Some(30.0)].into_iter());
            assert_eq!(rise, Some(0.0), "second {second}");
        }
        let rise = watch.sample([Some(35.0), Some(30.0)].into_iter());
        assert_eq!(rise, Some(10.0));
    }
}
