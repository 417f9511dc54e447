//! The stack's DC bus: clusters as source voltage and resistance in parallel onto the capacitor of the PCS
//! DC link, its bleeder, and the converter's current.
//!
//! With sources, resistances and load current constant, the bus is one RC circuit; its voltage, and every
//! branch's mean and mean-square current, follow in closed form. So currents shared and circulating between
//! clusters are exact at any step, and the energies of all parts add up.
//! Not modelled: inductance (a contact breaks at once, without arc energy), cable resonance.
//! Constants: `data/containers`, DC link 5–20 mF per MW (assumption).

/// A cluster as the bus sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Branch {
    /// Source voltage, V.
    pub(crate) emf_v: f64,
    /// Conductance of the path, S; 0 while open: nothing flows either way.
    pub(crate) conductance_s: f64,
}

/// The bus and what hangs on it besides clusters and converter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DcBus {
    /// Capacitance, F.
    pub(crate) capacitance_f: f64,
    /// Bleeder, S.
    pub(crate) bleeder_s: f64,
    /// Short across the bus, S; 0 without.
    pub(crate) short_s: f64,
    /// Voltage now, V.
    pub(crate) voltage_v: f64,
}

impl DcBus {
    /// How the bus moves from now on while nothing switches.
    pub(crate) fn transient(&self, branches: &[Branch], load_a: f64) -> Transient {
        let mut conductance_s = self.bleeder_s + self.short_s;
        let mut driven_a = -load_a;
        for branch in branches {
            conductance_s += branch.conductance_s;
            driven_a += branch.conductance_s * branch.emf_v;
        }
        let final_v = driven_a / conductance_s;
        Transient {
            final_v,
            offset_v: self.voltage_v - final_v,
            tau_s: self.capacitance_f / conductance_s,
        }
    }

    /// Energy in the capacitor, J.
    pub(crate) fn stored_j(&self) -> f64 {
        0.5 * self.capacitance_f * self.voltage_v * self.voltage_v
    }
}

/// V(t) = `final_v` + `offset_v`·exp(−t/`tau_s`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transient {
    pub(crate) final_v: f64,
    pub(crate) offset_v: f64,
    pub(crate) tau_s: f64,
}

impl Transient {
    /// Bus voltage after `t_s`.
    pub(crate) fn voltage_v(&self, t_s: f64) -> f64 {
        self.final_v + self.offset_v * libm::exp(-t_s / self.tau_s)
    }

    /// Integral of the bus voltage from now to `t_s`, V s.
    pub(crate) fn voltage_vs(&self, t_s: f64) -> f64 {
        self.final_v * t_s - self.offset_v * self.tau_s * libm::expm1(-t_s / self.tau_s)
    }

    /// Integral of the squared bus voltage, V² s.
    pub(crate) fn voltage_v2s(&self, t_s: f64) -> f64 {
        square_integral(self.final_v, self.offset_v, self.tau_s, t_s)
    }

    /// When the voltage passes `level_v` within `t_s`.
    pub(crate) fn crossing_s(&self, level_v: f64, t_s: f64) -> Option<f64> {
        let share = (level_v - self.final_v) / self.offset_v;
        if !(share > 0.0 && share < 1.0) {
            return None;
        }
        let at = -self.tau_s * libm::log(share);
        (at < t_s).then_some(at)
    }

    /// Branch current after `t_s`, A.
    pub(crate) fn current_a(&self, branch: Branch, t_s: f64) -> f64 {
        branch.conductance_s * (branch.emf_v - self.voltage_v(t_s))
    }

    /// Charge through the branch, C.
    pub(crate) fn charge_c(&self, branch: Branch, t_s: f64) -> f64 {
        branch.conductance_s * (branch.emf_v * t_s - self.voltage_vs(t_s))
    }

    /// Integral of the squared branch current, A² s.
    pub(crate) fn current_a2s(&self, branch: Branch, t_s: f64) -> f64 {
        branch.conductance_s
            * branch.conductance_s
            * square_integral(branch.emf_v - self.final_v, -self.offset_v, self.tau_s, t_s)
    }
}

/// Integral of (a + b·exp(−t/tau))² from 0 to `t_s`.
fn square_integral(a: f64, b: f64, tau_s: f64, t_s: f64) -> f64 {
    let once = -tau_s * libm::expm1(-t_s / tau_s);
    let twice = -0.5 * tau_s * libm::expm1(-2.0 * t_s / tau_s);
    a * a * t_s + 2.0 * a * b * once + b * b * twice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bus(voltage_v: f64) -> DcBus {
        DcBus {
            capacitance_f: 0.01,
            bleeder_s: 1e-12,
            short_s: 0.0,
            voltage_v,
        }
    }

    #[test]
    fn two_clusters_settle_at_their_circulating_current() {
        let branches = [
            Branch {
                emf_v: 1310.0,
                conductance_s: 1.0 / 0.157,
            },
            Branch {
                emf_v: 1300.0,
                conductance_s: 1.0 / 0.157,
            },
        ];
        let transient = bus(1300.0).transient(&branches, 0.0);
        let expected = 10.0 / (2.0 * 0.157);
        assert!((transient.current_a(branches[0], 1.0) - expected).abs() < 1e-6);
        assert!((transient.current_a(branches[1], 1.0) + expected).abs() < 1e-6);
    }

    #[test]
    fn energy_of_a_precharge_is_exact() {
        let branch = Branch {
            emf_v: 1300.0,
            conductance_s: 1.0 / 150.0,
        };
        let mut bus = bus(0.0);
        let transient = bus.transient(&[branch], 0.0);
        let (mut delivered, mut heat) = (0.0, 0.0);
        for _ in 0..3000 {
            let transient = bus.transient(&[branch], 0.0);
            delivered += branch.emf_v * transient.charge_c(branch, 0.01);
            heat += transient.current_a2s(branch, 0.01) / branch.conductance_s;
            bus.voltage_v = transient.voltage_v(0.01);
        }
        assert!((bus.voltage_v - transient.voltage_v(30.0)).abs() < 1e-6);
        assert!((delivered - heat - bus.stored_j()).abs() < 1e-6 * delivered);
        assert!(
            (heat - bus.stored_j()).abs() < 1e-3 * heat,
            "a full precharge heats the resistor by what it stores"
        );
        let at = transient.crossing_s(0.95 * 1300.0, 30.0);
        assert!(at.is_some_and(|t| (t - 1.5 * libm::log(20.0)).abs() < 1e-3));
    }
}
