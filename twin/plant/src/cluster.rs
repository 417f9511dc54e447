//! The high-voltage path of one cluster: breaker, fuse, contactors, precharge resistor, and what it carries.
//!
//! Modelled: joints of the packs, cables and box as resistances in series, the heat of the joints into the cells they join
//! (`kernel.rs`), that of the rest to the racks; precharge resistor as an energy store with a thermal switch. Contacts are in `contactor.rs`, the fuse in `fuse.rs`, what they
//! do to one another in `stack.rs`.
//! Not modelled: arcs, joints that age or come loose, resistance over temperature.
//! Constants: cell-and-thermal §7.

use core::ops::Range;

use bess_types::{Coil, SimTime};
use rand_pcg::Pcg32;

use crate::cell::ClusterSums;
use crate::contactor::{Contactor, Times};
use crate::dc_bus::Branch;
use crate::fuse::Rise;
use crate::rng;
use crate::spec::HvBoxSpec;

/// How the cluster is connected to the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Open,
    Precharge,
    Main,
}

impl Path {
    /// Whether the current goes through this contact.
    pub(crate) const fn through(self, coil: Coil) -> bool {
        match self {
            Self::Open => false,
            Self::Precharge => !matches!(coil, Coil::MainPositive),
            Self::Main => !matches!(coil, Coil::Precharge),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// Its cells.
    pub(crate) cells: Range<usize>,
    /// K+, K−, K_pre in the order of [`Coil::ALL`].
    contactors: [Contactor; 3],
    commanded: [bool; 3],
    pub(crate) breaker_closed: bool,
    pub(crate) breaker_due: Option<SimTime>,
    pub(crate) fuse_intact: bool,
    /// How far the fuse is to melting.
    pub(crate) fuse_rise: Rise,
    /// Heat in the precharge resistor, J.
    pub(crate) precharge_j: f64,
    pub(crate) precharge_tripped: bool,
    /// Source voltage and R0 of the cells.
    pub(crate) sums: ClusterSums,
    /// How far the source voltage will have moved by itself by the middle of the coming step, V, if it moves on as in the
    /// last. What the step's current does to it is [`ClusterSums::sag_ohm`]. The path takes the voltage of the middle for
    /// the whole step; that of its start, which falls, would deliver more than the cells give.
    drift_v: f64,
    /// Joints of all packs, Ω.
    joints_ohm: f64,
    /// Cables and box, Ω.
    path_ohm: f64,
    precharge_ohm: f64,
    /// Charge through the path in this step, C.
    pub(crate) charge_c: f64,
    /// Squared current over this step, A²s.
    pub(crate) square_a2s: f64,
    /// Current at the end of the step, A.
    pub(crate) current_a: f64,
    /// Mean current of the last step, A.
    pub(crate) mean_a: f64,
    /// Current behind the filters of the current sensor and of the cell voltage inputs, A.
    pub(crate) sensed_a: [f64; 2],
    /// Charge since the last slow cycle, C.
    pub(crate) slow_charge_c: f64,
    /// Direction of the last current that counted.
    pub(crate) charging: bool,
    /// Heat in cables, box and precharge resistor, J.
    pub(crate) path_heat_j: f64,
    /// Heat in the joints, J; the cells get it.
    pub(crate) joint_heat_j: f64,
    /// Charge delivered since the start, C.
    pub(crate) delivered_c: f64,
    /// Charge moved either way since the start, C.
    pub(crate) moved_c: f64,
    /// Rise of the box over air, K.
    pub(crate) box_rise_k: f64,
    /// Mean square current since the last slow cycle, A²s.
    pub(crate) slow_square_a2s: f64,
}

impl Cluster {
    pub(crate) fn new(
        cells: Range<usize>,
        spec: &HvBoxSpec,
        [joints_ohm, cables_ohm]: [f64; 2],
        rng: &mut Pcg32,
    ) -> Self {
        let times = [0, 1, 2].map(|_| Times::draw(spec, || rng::symmetric(rng)));
        let contactors = times.map(|times| Contactor::new(times, rng::seed(rng)));
        Self {
            cells,
            contactors,
            commanded: [false; 3],
            breaker_closed: true,
            breaker_due: None,
            fuse_intact: true,
            fuse_rise: [0.0; 2],
            precharge_j: 0.0,
            precharge_tripped: false,
            sums: ClusterSums::default(),
            drift_v: 0.0,
            joints_ohm,
            path_ohm: cables_ohm + spec.path_mohm * 1e-3,
            precharge_ohm: spec.precharge_ohm,
            charge_c: 0.0,
            square_a2s: 0.0,
            current_a: 0.0,
            mean_a: 0.0,
            sensed_a: [0.0; 2],
            slow_charge_c: 0.0,
            charging: false,
            path_heat_j: 0.0,
            joint_heat_j: 0.0,
            delivered_c: 0.0,
            moved_c: 0.0,
            box_rise_k: 0.0,
            slow_square_a2s: 0.0,
        }
    }

    pub(crate) fn contactor(&self, coil: Coil) -> &Contactor {
        &self.contactors[slot(coil)]
    }

    pub(crate) fn contactor_mut(&mut self, coil: Coil) -> &mut Contactor {
        &mut self.contactors[slot(coil)]
    }

    /// Coil command of the controller; nothing moves without supply.
    pub(crate) fn command(&mut self, now: SimTime, coil: Coil, energised: bool, supply_v: f64) {
        self.commanded[slot(coil)] = energised;
        self.contactors[slot(coil)].drive(now, energised, supply_v);
    }

    /// Coil supply changes.
    pub(crate) fn supply(&mut self, now: SimTime, supply_v: f64) {
        for (contactor, commanded) in self.contactors.iter_mut().zip(self.commanded) {
            contactor.drive(now, commanded, supply_v);
        }
    }

    /// How the contacts stand.
    pub(crate) fn path(&self) -> Path {
        self.path_by(Contactor::touching)
    }

    /// How they would stand without rebounds.
    pub(crate) fn path_at_rest(&self) -> Path {
        self.path_by(Contactor::closed)
    }

    fn path_by(&self, closed: fn(&Contactor) -> bool) -> Path {
        let closed = |coil| closed(self.contactor(coil));
        if !(self.breaker_closed && self.fuse_intact && closed(Coil::MainNegative)) {
            Path::Open
        } else if closed(Coil::MainPositive) {
            Path::Main
        } else if closed(Coil::Precharge) && !self.precharge_tripped {
            Path::Precharge
        } else {
            Path::Open
        }
    }

    /// Sums after a step.
    pub(crate) fn stepped(&mut self, sums: ClusterSums) {
        self.drift_v = 0.5 * (sums.emf_v - self.sums.emf_v) + self.sums.sag_ohm * self.mean_a;
        self.sums = sums;
    }

    /// The cluster as the bus sees it.
    pub(crate) fn branch(&self) -> Branch {
        let ohm = self.series_ohm() + self.sums.sag_ohm;
        let conductance_s = match self.path() {
            Path::Open => 0.0,
            Path::Precharge => 1.0 / (ohm + self.precharge_ohm),
            Path::Main => 1.0 / ohm,
        };
        Branch {
            emf_v: self.sums.emf_v + self.drift_v,
            conductance_s,
        }
    }

    /// The cluster as the bus would see it with its main path closed.
    #[cfg(test)]
    pub(crate) fn branch_if_closed(&self) -> Branch {
        Branch {
            emf_v: self.sums.emf_v,
            conductance_s: 1.0 / (self.series_ohm() + self.sums.sag_ohm),
        }
    }

    /// Voltage at the cluster's terminals behind the contactors, V.
    pub(crate) fn voltage_v(&self) -> f64 {
        self.sums.emf_v - self.series_ohm() * self.current_a
    }

    /// Of cells, joints, cables and box, Ω.
    fn series_ohm(&self) -> f64 {
        self.sums.r0_ohm + self.joints_ohm + self.path_ohm
    }

    /// Books a part of the step.
    pub(crate) fn book(&mut self, path: Path, charge_c: f64, square_a2s: f64) {
        self.charge_c += charge_c;
        self.square_a2s += square_a2s;
        self.joint_heat_j += self.joints_ohm * square_a2s;
        self.path_heat_j += self.path_ohm * square_a2s;
        if path == Path::Precharge {
            let heat_j = self.precharge_ohm * square_a2s;
            self.path_heat_j += heat_j;
            self.precharge_j += heat_j;
        }
        for (coil, contactor) in Coil::ALL.into_iter().zip(&mut self.contactors) {
            if contactor.bouncing() && path.through(coil) {
                contactor.heat(square_a2s);
            }
        }
    }

    /// Earliest time one of its switches moves.
    pub(crate) fn due(&self) -> Option<SimTime> {
        self.contactors
            .iter()
            .filter_map(Contactor::due)
            .chain(self.breaker_due)
            .min()
    }
}

const fn slot(coil: Coil) -> usize {
    match coil {
        Coil::MainPositive => 0,
        Coil::MainNegative => 1,
        Coil::Precharge => 2,
    }
}

/// Point name of a contact.
pub(crate) const fn coil_name(coil: Coil) -> &'static str {
    match coil {
        Coil::MainPositive => "main-positive",
        Coil::MainNegative => "main-negative",
        Coil::Precharge => "precharge",
    }
}
