//! Insulation to earth, leg by leg, and what each cluster's monitor (IMD) makes of it.
//!
//! Modelled: a leakage from either pole of a cluster to earth, faults beside it, legs of clusters that are joined by a
//! closed contact in parallel; the Y capacitance of the legs, for which the monitor must wait after each change of
//! its measuring voltage. A monitor measures twice with opposite polarity and says the lower leg when both agree; a
//! change during a cycle costs that cycle, so it answers after one to two cycles. Of joined clusters the first one's
//! monitor alone measures, the others are locked by a line from box to box and have no value; with that line broken
//! all measure at once and each takes the inner resistance of the others for a leak.
//! Not modelled: leaks to the middle of a string, charging currents of the legs, capacitance of PCS and cables.
//! Constants: cell-and-thermal §7 (assumption).

use crate::spec::InsulationSpec;

/// Time constants of the legs a monitor waits for in each half of its cycle.
const SETTLE: f64 = 3.0;
/// Both halves of a cycle agree within this share.
const AGREE: f64 = 0.1;

/// Leakage of the positive and the negative leg, S.
type Legs = [f64; 2];

#[derive(Clone, Debug)]
pub(crate) struct Insulation {
    spec: InsulationSpec,
    healthy_s: Vec<Legs>,
    fault_s: Vec<Legs>,
    /// Leakage of each leg of every cluster through water of the agent, S.
    pub(crate) wet_s: f64,
    /// What each cluster's monitor is exposed to.
    exposed_s: Vec<Legs>,
    monitors: Vec<Monitor>,
    /// The line that lets one monitor at a time measure is broken.
    pub(crate) unlocked: bool,
}

impl Insulation {
    /// `draw` gives a number in 0 to 1 for each leg.
    pub(crate) fn new(spec: &InsulationSpec, clusters: usize, mut draw: impl FnMut() -> f64) -> Self {
        let [low, high] = spec.healthy_mohm;
        let mut leg = || 1e-6 / (low + (high - low) * draw());
        let healthy_s: Vec<Legs> = (0..clusters).map(|_| [leg(), leg()]).collect();
        Self {
            spec: spec.clone(),
            fault_s: vec![[0.0; 2]; clusters],
            wet_s: 0.0,
            exposed_s: healthy_s.clone(),
            monitors: healthy_s.iter().map(|&legs| Monitor::new(legs)).collect(),
            unlocked: false,
            healthy_s,
        }
    }

    /// Leakage of a fault on one leg, 0 the positive one, S.
    pub(crate) fn set_fault(&mut self, cluster: usize, leg: usize, conductance_s: f64) {
        self.fault_s[cluster][leg] = conductance_s;
    }

    /// Resistance of the positive and the negative leg to earth, as far as the cluster is joined with others, Ω.
    pub(crate) fn legs_ohm(&self, cluster: usize) -> [f64; 2] {
        self.exposed_s[cluster].map(|s| 1.0 / s)
    }

    /// Voltage of the positive pole over earth as a share of the voltage between the poles.
    pub(crate) fn positive_share(&self, cluster: usize) -> f64 {
        let [positive, negative] = self.exposed_s[cluster];
        negative / (positive + negative)
    }

    /// What the monitor says, Ω; nothing while it is locked or in its first cycle after that.
    pub(crate) fn measured_ohm(&self, cluster: usize) -> Option<f64> {
        self.monitors[cluster].reading_ohm
    }

    /// One medium cycle; `joined` tells which clusters have a pole on the bus.
    pub(crate) fn step(&mut self, dt_s: f64, joined: impl Fn(usize) -> bool) {
        let own = |c: usize| [0, 1].map(|leg| self.healthy_s[c][leg] + self.fault_s[c][leg] + self.wet_s);
        let clusters = self.monitors.len();
        let (mut bus_s, mut members, mut first) = ([0.0; 2], 0.0, None);
        for c in (0..clusters).filter(|&c| joined(c)) {
            let [positive, negative] = own(c);
            bus_s = [bus_s[0] + positive, bus_s[1] + negative];
            members += 1.0;
            first = first.or(Some(c));
        }
        let inner_s = 1e-3 / self.spec.monitor_kohm;
        for (c, monitor) in self.monitors.iter_mut().enumerate() {
            let (legs_s, together) = if joined(c) {
                (bus_s, members)
            } else {
                (own(c), 1.0)
            };
            self.exposed_s[c] = legs_s;
            if joined(c) && first != Some(c) && !self.unlocked {
                *monitor = Monitor::default();
                continue;
            }
            let others = if self.unlocked { together - 1.0 } else { 0.0 };
            let seen_s = legs_s.map(|s| s + others * inner_s);
            let tau_s = 2e-6 * self.spec.leg_uf * together / (seen_s[0] + seen_s[1] + 2.0 * inner_s);
            monitor.step(dt_s, seen_s, 0.5 * self.spec.monitor_s + SETTLE * tau_s);
        }
    }
}

/// One monitor and where it is in its cycle.
#[derive(Clone, Copy, Debug, Default)]
struct Monitor {
    reading_ohm: Option<f64>,
    /// Part of the present half that is over.
    progress: f64,
    /// Leakage over time of the present half, S s, and that time, s.
    sum_ss: Legs,
    time_s: f64,
    /// Mean leakage of the first half.
    first_s: Option<Legs>,
}

impl Monitor {
    /// A monitor that has measured for a while.
    fn new(legs_s: Legs) -> Self {
        Self {
            reading_ohm: Some(1.0 / legs_s[0].max(legs_s[1])),
            ..Self::default()
        }
    }

    fn step(&mut self, dt_s: f64, seen_s: Legs, half_s: f64) {
        self.progress += dt_s / half_s;
        self.time_s += dt_s;
        for (sum, s) in self.sum_ss.iter_mut().zip(seen_s) {
            *sum += s * dt_s;
        }
        if self.progress < 1.0 {
            return;
        }
        let mean_s = self.sum_ss.map(|sum| sum / self.time_s);
        let reading_ohm = self.reading_ohm;
        let first_s = self.first_s;
        *self = Self {
            reading_ohm,
            ..Self::default()
        };
        match first_s {
            None => self.first_s = Some(mean_s),
            Some(first_s) => {
                let agrees =
                    |leg: usize| (first_s[leg] - mean_s[leg]).abs() <= AGREE * first_s[leg].max(mean_s[leg]);
                if agrees(0) && agrees(1) {
                    let leg = |leg: usize| 0.5 * (first_s[leg] + mean_s[leg]);
                    self.reading_ohm = Some(1.0 / leg(0).max(leg(1)));
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    fn insulation(leg_uf: f64) -> Insulation {
        let spec = InsulationSpec {
            healthy_mohm: [5.0, 5.0],
            leg_uf,
            monitor_s: 11.0,
            monitor_kohm: 500.0,
        };
        Insulation::new(&spec, 3, || 0.5)
    }

    /// Seconds until the first cluster's monitor says less than 150 kΩ.
    fn response_s(insulation: &mut Insulation, joined: impl Fn(usize) -> bool + Copy) -> f64 {
        for tenth in 0_u16..2000 {
            if insulation.measured_ohm(0).is_some_and(|ohm| ohm < 150e3) {
                return f64::from(tenth) / 10.0;
            }
            insulation.step(0.1, joined);
        }
        f64::NAN
    }

    #[test]
    fn a_fault_spreads_over_joined_clusters_only() {
        let mut insulation = insulation(0.2);
        insulation.set_fault(1, 0, 1e-5);
        for _ in 0..1000 {
            insulation.step(0.1, |c| c < 2);
        }
        let joined_ohm = 1.0 / (1e-5 + 4e-7);
        assert!((insulation.measured_ohm(0).unwrap() - joined_ohm).abs() < 100.0);
        assert_eq!(insulation.measured_ohm(1), None, "locked by the first");
        assert!((insulation.measured_ohm(2).unwrap() - 5e6).abs() < 1.0);
        assert!((insulation.legs_ohm(0)[1] - 2.5e6).abs() < 1.0);
        // the faulty pole stands near earth
        assert!(insulation.positive_share(0) < 0.05);
    }

    #[test]
    fn a_monitor_answers_after_one_to_two_cycles_later_with_more_capacitance() {
        let (mut shortest, mut longest) = (f64::MAX, 0.0_f64);
        for phase in 0..60 {
            let mut insulation = insulation(0.2);
            for _ in 0..2 * phase {
                insulation.step(0.1, |_| false);
            }
            insulation.set_fault(0, 1, 1.0 / 75e3);
            let response_s = response_s(&mut insulation, |_| false);
            shortest = shortest.min(response_s);
            longest = longest.max(response_s);
        }
        assert!(
            shortest > 10.0 && longest > 18.0 && longest < 23.0,
            "{shortest} {longest}"
        );
        let slow_s = |leg_uf| {
            let mut insulation = insulation(leg_uf);
            insulation.set_fault(0, 1, 1.0 / 75e3);
            response_s(&mut insulation, |_| true)
        };
        assert!(slow_s(2.0) > slow_s(0.2) + 1.0);
    }

    #[test]
    fn monitors_without_their_line_take_one_another_for_a_leak() {
        let mut insulation = insulation(0.2);
        insulation.unlocked = true;
        for _ in 0..1000 {
            insulation.step(0.1, |_| true);
        }
        let expected_ohm = 1.0 / (3.0 / 5e6 + 2.0 / 500e3);
        for c in 0..3 {
            assert!((insulation.measured_ohm(c).unwrap() - expected_ohm).abs() < 10.0);
        }
    }
}
