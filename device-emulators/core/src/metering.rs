//! What metering makes of its samples: means over measuring windows, and nothing below what it starts at.

/// It stops again below this share of what it starts at, so that a load near the threshold does not flicker. [A]
const STOPS_AT: f64 = 0.8;

/// One measuring window of quantities that start together: active and reactive power, or one alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<const N: usize> {
    sums: [f64; N],
    counts: [u32; N],
    runs: bool,
}

impl<const N: usize> Default for Window<N> {
    fn default() -> Self {
        Self {
            sums: [0.0; N],
            counts: [0; N],
            runs: false,
        }
    }
}

impl<const N: usize> Window<N> {
    /// A sample of the `i`-th quantity; an unusable one has no part in the mean.
    pub(crate) fn add(&mut self, i: usize, sample: Option<f64>) {
        if let Some(value) = sample {
            self.sums[i] += value;
            self.counts[i] += 1;
        }
    }

    /// Ends the window: the means, all zero while their magnitude is below `start`; none without a usable sample.
    pub(crate) fn close(&mut self, start: f64) -> [Option<f64>; N] {
        let means: [Option<f64>; N] =
            core::array::from_fn(|i| (self.counts[i] > 0).then(|| self.sums[i] / f64::from(self.counts[i])));
        let magnitude = means.iter().flatten().map(|mean| mean * mean).sum::<f64>().sqrt();
        let runs = magnitude >= if self.runs { STOPS_AT * start } else { start };
        *self = Self {
            runs,
            ..Self::default()
        };
        means.map(|mean| mean.map(|mean| if runs { mean } else { 0.0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_near_the_start_does_not_flicker() {
        let mut window = Window::<1>::default();
        let mut shown = |samples: &[f64]| {
            for &sample in samples {
                window.add(0, Some(sample));
            }
            window.close(10.0)[0]
        };
        assert_eq!(shown(&[9.0, 10.0]), Some(0.0));
        assert_eq!(
            shown(&[9.0, 11.0]),
            Some(10.0),
            "the mean starts it, not a sample"
        );
        assert_eq!(shown(&[8.0, 9.0]), Some(8.5), "it has started");
        assert_eq!(shown(&[7.0, 8.0]), Some(0.0));
        assert_eq!(shown(&[9.0, 10.0]), Some(0.0));
        assert_eq!(shown(&[]), None);
    }

    #[test]
    fn both_powers_start_together_and_an_unusable_sample_is_left_out() {
        let mut window = Window::<2>::default();
        window.add(0, Some(-6.0));
        window.add(0, None);
        window.add(1, Some(8.0));
        assert_eq!(window.close(10.0), [Some(-6.0), Some(8.0)]);
        window.add(0, Some(1.0));
        assert_eq!(window.close(10.0), [Some(0.0), None]);
    }
}
