//! A fuse, from short circuits to hours of overload.
//!
//! Modelled: the element, which heats by the square of the current and gives its heat to the body within tens of
//! milliseconds, and the body, which takes minutes. The element melts when both rises add up to its melting point. So
//! below the lowest melting current it never does, between 1.6 and 3 times rated it takes seconds to minutes, and far
//! above only the pre-arcing integral counts.
//! Not modelled: arcing (current ends when it melts), temperature around it, ageing by surges.
//! Constants: cell-and-thermal §7; shape of a gPV curve (assumption).

use crate::spec::HvBoxSpec;

/// Rise of element and body, as shares of the rise at which the element melts.
pub(crate) type Rise = [f64; 2];

/// How rises follow the square of the current.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fuse {
    /// Rise per A²s before anything is lost.
    per_a2s: [f64; 2],
    tau_s: [f64; 2],
    /// For parts of the same length, which most steps are.
    cached: Decay,
}

#[derive(Clone, Copy, Debug)]
struct Decay {
    part_s: f64,
    left: [f64; 2],
    /// Mean of what is left of heat that came during the part.
    taken: [f64; 2],
}

impl Decay {
    fn over(part_s: f64, tau_s: [f64; 2]) -> Self {
        let left = tau_s.map(|tau_s| libm::exp(-part_s / tau_s));
        let taken = tau_s.map(|tau_s| -tau_s / part_s * libm::expm1(-part_s / tau_s));
        Self { part_s, left, taken }
    }
}

impl Fuse {
    /// `step_s` is the usual length of a part.
    pub(crate) fn new(spec: &HvBoxSpec, step_s: f64) -> Self {
        let lowest_a = spec.fuse_limit * spec.fuse_rated_a;
        let element = 1.0 / spec.fuse_a2s;
        let body = 1.0 / (lowest_a * lowest_a) - element * spec.fuse_element_s;
        let tau_s = [spec.fuse_element_s, spec.fuse_body_s];
        Self {
            per_a2s: [element, body / spec.fuse_body_s],
            tau_s,
            cached: Decay::over(step_s, tau_s),
        }
    }

    /// Whether it can melt at all within a part with this peak current.
    pub(crate) fn may_melt(&self, rise: Rise, peak_a: f64, part_s: f64) -> bool {
        let most = peak_a * peak_a * part_s * (self.per_a2s[0] + self.per_a2s[1]);
        rise[0] + rise[1] + most >= 1.0
    }

    /// Rises after a part with this squared current, A²s.
    pub(crate) fn after(&self, rise: Rise, square_a2s: f64, part_s: f64) -> Rise {
        let decay = if part_s == self.cached.part_s {
            self.cached
        } else {
            Decay::over(part_s, self.tau_s)
        };
        let each = |k: usize| rise[k] * decay.left[k] + square_a2s * self.per_a2s[k] * decay.taken[k];
        [each(0), each(1)]
    }

    /// When it melts within a part, if it does; `square_a2s` is the squared current up to a time.
    pub(crate) fn melts_s(&self, rise: Rise, part_s: f64, square_a2s: impl Fn(f64) -> f64) -> Option<f64> {
        let melts = |at_s: f64| {
            let [element, body] = self.after(rise, square_a2s(at_s), at_s);
            element + body >= 1.0
        };
        if !melts(part_s) {
            return None;
        }
        let (mut low_s, mut high_s) = (0.0, part_s);
        for _ in 0..40 {
            let middle_s = 0.5 * (low_s + high_s);
            if melts(middle_s) {
                high_s = middle_s;
            } else {
                low_s = middle_s;
            }
        }
        Some(high_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Melting time at a constant multiple of rated current.
    fn melting_s(spec: &HvBoxSpec, times_rated: f64, step_s: f64) -> Option<f64> {
        let fuse = Fuse::new(spec, step_s);
        let square = times_rated * times_rated * spec.fuse_rated_a * spec.fuse_rated_a;
        let (mut rise, mut passed_s) = ([0.0; 2], 0.0);
        while passed_s < 4.0 * 3600.0 {
            if let Some(at_s) = fuse.melts_s(rise, step_s, |t_s| square * t_s) {
                return Some(passed_s + at_s);
            }
            rise = fuse.after(rise, square * step_s, step_s);
            passed_s += step_s;
        }
        None
    }

    #[test]
    fn the_curve_goes_from_never_over_minutes_to_milliseconds() {
        let spec = crate::testing::spec().container.hv_box;
        let at = |times_rated| melting_s(&spec, times_rated, 0.01);
        assert_eq!([at(1.0), at(1.13), at(1.29)], [None; 3]);
        let times: Vec<f64> = [1.45, 1.6, 2.0, 3.0, 5.0, 20.0]
            .into_iter()
            .map(|times| at(times).unwrap_or(f64::NAN))
            .collect();
        assert!(times.is_sorted_by(|a, b| a > b), "{times:?}");
        assert!(
            times[0] < 3600.0 && times[1] > 60.0 && times[2] > 30.0,
            "{times:?}"
        );
        assert!((5.0..60.0).contains(&times[3]), "{times:?}");
        // far above, the integral alone
        let a2s = times[5] * 400.0 * spec.fuse_rated_a * spec.fuse_rated_a;
        assert!((a2s / spec.fuse_a2s - 1.0).abs() < 0.05, "{a2s}");
    }

    #[test]
    fn steps_of_any_length_give_the_same_curve() {
        let spec = crate::testing::spec().container.hv_box;
        for times_rated in [1.6, 3.0] {
            let times = [0.01, 0.1, 0.007].map(|step_s| melting_s(&spec, times_rated, step_s));
            let apart = times.map(|t| (t.unwrap_or(f64::NAN) / times[0].unwrap_or(f64::NAN) - 1.0).abs());
            assert!(apart.iter().all(|&apart| apart < 1e-3), "{times:?}");
        }
    }
}
