//! Insulation to earth and what each cluster's monitor makes of it.
//!
//! Modelled: a healthy resistance per cluster, faults in parallel, clusters joined through closed contacts in
//! parallel, a first-order monitor. Not modelled: Y capacitance, disturbance of monitors by one another.
//! Constants: cell-and-thermal §7.

use crate::spec::InsulationSpec;

#[derive(Clone, Debug)]
pub(crate) struct Insulation {
    response_s: f64,
    healthy_s: Vec<f64>,
    fault_s: Vec<f64>,
    /// What each cluster's monitor is exposed to, Ω.
    pub(crate) true_ohm: Vec<f64>,
    /// What it has settled on, Ω.
    pub(crate) measured_ohm: Vec<f64>,
}

impl Insulation {
    /// `draw` gives a number in 0 to 1 for each cluster.
    pub(crate) fn new(spec: &InsulationSpec, clusters: usize, mut draw: impl FnMut() -> f64) -> Self {
        let [low, high] = spec.healthy_mohm;
        let healthy_s: Vec<f64> = (0..clusters)
            .map(|_| 1e-6 / (low + (high - low) * draw()))
            .collect();
        let ohm: Vec<f64> = healthy_s.iter().map(|s| 1.0 / s).collect();
        Self {
            response_s: spec.response_s,
            fault_s: vec![0.0; clusters],
            true_ohm: ohm.clone(),
            measured_ohm: ohm,
            healthy_s,
        }
    }

    pub(crate) fn set_fault(&mut self, cluster: usize, conductance_s: f64) {
        self.fault_s[cluster] = conductance_s;
    }

    /// One medium cycle; `joined` tells which clusters have a pole on the bus.
    pub(crate) fn step(&mut self, dt_s: f64, joined: impl Fn(usize) -> bool) {
        let own = |c: usize| self.healthy_s[c] + self.fault_s[c];
        let bus_s: f64 = (0..self.healthy_s.len()).filter(|&c| joined(c)).map(own).sum();
        let follow = -libm::expm1(-dt_s / self.response_s);
        for c in 0..self.healthy_s.len() {
            let seen_s = if joined(c) { bus_s } else { own(c) };
            self.true_ohm[c] = 1.0 / seen_s;
            self.measured_ohm[c] += (self.true_ohm[c] - self.measured_ohm[c]) * follow;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_spreads_over_joined_clusters_only() {
        let spec = InsulationSpec {
            healthy_mohm: [5.0, 5.0],
            response_s: 10.0,
        };
        let mut insulation = Insulation::new(&spec, 3, || 0.5);
        insulation.set_fault(0, 1e-5);
        for _ in 0..2000 {
            insulation.step(0.1, |c| c < 2);
        }
        assert!((insulation.measured_ohm[1] - 1.0 / (1e-5 + 4e-7)).abs() < 100.0);
        assert!((insulation.measured_ohm[2] - 5e6).abs() < 1.0);
    }
}
