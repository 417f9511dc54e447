//! One grid step of the DC side: clusters, bus and converter together.
//!
//! The step is cut where a contact moves, a fuse melts or the converter leaves its voltage window, so each
//! part has fixed circuits and `dc_bus.rs` solves it exactly; source voltages stand still within the step.
//! Making onto a voltage gap welds a main contact if the current during its bounce lets through enough;
//! breaking above its limit welds it too (cell-and-thermal §7, assumptions).

use core::time::Duration;

use bess_types::{Coil, SimTime};

use crate::cluster::{Cluster, Path, coil_name};
use crate::converter::{Converter, nanos};
use crate::dc_bus::{Branch, DcBus, Transient};
use crate::grid::Grid;
use crate::spec::{ContainerSpec, HvBoxSpec};
use crate::topology::{PlantEvent, cluster_name};

#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) bus: DcBus,
    pub(crate) converter: Converter,
    hv_box: HvBoxSpec,
    branches: Vec<Branch>,
    /// How far the filters of current and cell voltage follow in a step.
    follow: [f64; 2],
    /// Energy taken by the converter, J.
    pub(crate) converter_dc_j: f64,
    /// Energy in bleeder and bus short, J.
    pub(crate) bus_heat_j: f64,
}

/// Why a part of the step ends early.
enum Cut {
    Fuse(usize),
    Converter,
}

impl Stack {
    pub(crate) fn new(spec: &ContainerSpec, clusters: Vec<Cluster>, step_s: f64) -> Self {
        let lags = [spec.sensors.current_lag_s, spec.sensors.cell_voltage_lag_s];
        let branches = vec![Branch::default(); clusters.len()];
        Self {
            clusters,
            bus: DcBus {
                capacitance_f: spec.dc_bus.capacitance_mf * 1e-3,
                bleeder_s: 1e-3 / spec.dc_bus.bleeder_kohm,
                short_s: 0.0,
                voltage_v: 0.0,
            },
            converter: Converter::new(&spec.converter),
            hv_box: spec.hv_box.clone(),
            branches,
            follow: lags.map(|lag_s| {
                if lag_s > 0.0 {
                    -libm::expm1(-step_s / lag_s)
                } else {
                    1.0
                }
            }),
            converter_dc_j: 0.0,
            bus_heat_j: 0.0,
        }
    }

    /// From `start` to `end`; leaves each cluster's charge and squared current of the step.
    pub(crate) fn step(&mut self, start: SimTime, end: SimTime, grid: &Grid, events: &mut Vec<PlantEvent>) {
        let step_s = (end - start).as_secs_f64();
        for cluster in &mut self.clusters {
            cluster.charge_c = 0.0;
            cluster.square_a2s = 0.0;
        }
        self.converter
            .begin_step(end, step_s, self.bus.voltage_v, grid, events);
        let mut t = start;
        loop {
            self.switch(t, events);
            if t >= end {
                break;
            }
            let next = self
                .clusters
                .iter()
                .filter_map(Cluster::due)
                .min()
                .map_or(end, |due| due.min(end));
            let part_s = (next - t).as_secs_f64();
            let (load_a, transient) = self.solve(part_s);
            match self.first_cut(&transient, part_s) {
                None => {
                    self.commit(&transient, load_a, part_s);
                    t = next;
                }
                Some((cut, cut_s)) => {
                    self.commit(&transient, load_a, cut_s);
                    t += Duration::from_nanos(nanos(cut_s));
                    match cut {
                        Cut::Converter => self.converter.stop(t, events),
                        Cut::Fuse(c) => self.melt(c, t, &transient, cut_s, events),
                    }
                }
            }
        }
        self.finish(end, step_s, events);
    }

    /// Load current and motion of the bus for a part of the step, the converter at constant power.
    fn solve(&mut self, part_s: f64) -> (f64, Transient) {
        for (branch, cluster) in self.branches.iter_mut().zip(&self.clusters) {
            *branch = cluster.branch();
        }
        let power_w = self.converter.dc_power_w();
        if power_w == 0.0 {
            return (0.0, self.bus.transient(&self.branches, 0.0));
        }
        let limit_a = self.converter.dc_limit_a();
        let mut load_a = power_w / self.bus.voltage_v.max(1.0);
        for _ in 0..4 {
            let mean_v = self.bus.transient(&self.branches, load_a).voltage_vs(part_s) / part_s;
            load_a = (power_w / mean_v.max(1.0)).clamp(-limit_a, limit_a);
        }
        (load_a, self.bus.transient(&self.branches, load_a))
    }

    fn first_cut(&self, transient: &Transient, part_s: f64) -> Option<(Cut, f64)> {
        let mut first = None;
        let mut limit_s = part_s;
        if self.converter.running {
            for level_v in self.converter.dc_range_v() {
                if let Some(at_s) = transient.crossing_s(level_v, limit_s) {
                    limit_s = at_s;
                    first = Some((Cut::Converter, at_s));
                }
            }
        }
        let melting_a = 3.0 * self.hv_box.fuse_rated_a;
        for (c, (cluster, &branch)) in self.clusters.iter().zip(&self.branches).enumerate() {
            if branch.conductance_s == 0.0 {
                continue;
            }
            let left_a2s = self.hv_box.fuse_a2s - cluster.fuse_a2s;
            let melts = transient
                .current_a(branch, 0.0)
                .abs()
                .max(transient.current_a(branch, limit_s).abs())
                > melting_a;
            if melts && transient.current_a2s(branch, limit_s) > left_a2s {
                let (mut low_s, mut high_s) = (0.0, limit_s);
                for _ in 0..40 {
                    let middle_s = 0.5 * (low_s + high_s);
                    if transient.current_a2s(branch, middle_s) > left_a2s {
                        high_s = middle_s;
                    } else {
                        low_s = middle_s;
                    }
                }
                limit_s = high_s;
                first = Some((Cut::Fuse(c), high_s));
            }
        }
        first
    }

    fn commit(&mut self, transient: &Transient, load_a: f64, part_s: f64) {
        let melting_a = 3.0 * self.hv_box.fuse_rated_a;
        let volt_seconds = transient.voltage_vs(part_s);
        let dc_j = load_a * volt_seconds;
        self.converter_dc_j += dc_j;
        self.converter.dc_a = load_a;
        self.converter.book(part_s, dc_j);
        self.bus_heat_j += (self.bus.bleeder_s + self.bus.short_s) * transient.voltage_v2s(part_s);
        for (cluster, &branch) in self.clusters.iter_mut().zip(&self.branches) {
            if branch.conductance_s == 0.0 {
                cluster.current_a = 0.0;
                continue;
            }
            let square_a2s = transient.current_a2s(branch, part_s);
            cluster.book(cluster.path(), transient.charge_c(branch, part_s), square_a2s);
            cluster.current_a = transient.current_a(branch, part_s);
            if transient
                .current_a(branch, 0.0)
                .abs()
                .max(cluster.current_a.abs())
                > melting_a
            {
                cluster.fuse_a2s += square_a2s;
            } else {
                cluster.fuse_a2s *= libm::exp(-part_s);
            }
        }
        self.bus.voltage_v = transient.voltage_v(part_s);
    }

    fn melt(
        &mut self,
        c: usize,
        at: SimTime,
        transient: &Transient,
        at_s: f64,
        events: &mut Vec<PlantEvent>,
    ) {
        let current_a = transient.current_a(self.branches[c], at_s);
        let cluster = &mut self.clusters[c];
        cluster.fuse_intact = false;
        cluster.current_a = 0.0;
        events.push(event(at, c, "fuse", 0.0, format!("melted at {current_a:.0} A")));
    }

    /// Moves every switch due by `now`, in cluster order.
    fn switch(&mut self, now: SimTime, events: &mut Vec<PlantEvent>) {
        for c in 0..self.clusters.len() {
            if let Some(at) = self.clusters[c].breaker_due.filter(|&at| at <= now) {
                self.clusters[c].breaker_due = None;
                self.open_breaker(c, at, events);
            }
            for coil in Coil::ALL {
                match self.clusters[c].contactor_mut(coil).take_due(now) {
                    Some((at, true)) => self.make(c, coil, at, events),
                    Some((at, false)) => self.break_contact(c, coil, at, events),
                    None => {}
                }
            }
        }
    }

    /// Opens the breaker at once: it can break any current.
    pub(crate) fn open_breaker(&mut self, c: usize, at: SimTime, events: &mut Vec<PlantEvent>) {
        if self.clusters[c].breaker_closed {
            let current_a = self.present_current_a(c);
            self.clusters[c].breaker_closed = false;
            self.clusters[c].current_a = 0.0;
            events.push(event(at, c, "breaker", 0.0, format!("open at {current_a:.0} A")));
        }
    }

    /// A contact touches.
    pub(crate) fn make(&mut self, c: usize, coil: Coil, at: SimTime, events: &mut Vec<PlantEvent>) {
        let before = self.clusters[c].path();
        self.clusters[c].contactor_mut(coil).set(at, true);
        let after = self.clusters[c].path();
        events.push(event(at, c, coil_name(coil), 1.0, "closed".into()));
        if coil == Coil::Precharge {
            return;
        }
        let completes = after != before && after != Path::Open;
        let gap_v = if completes {
            self.clusters[c].sums.emf_v - self.bus.voltage_v
        } else {
            0.0
        };
        events.push(event(
            at,
            c,
            "closing-gap",
            gap_v,
            format!("{} onto {gap_v:.1} V", coil_name(coil)),
        ));
        if gap_v.abs() > self.hv_box.weld_gap_v {
            for (branch, cluster) in self.branches.iter_mut().zip(&self.clusters) {
                *branch = cluster.branch();
            }
            let transient = self.bus.transient(&self.branches, 0.0);
            let through_a2s = transient.current_a2s(self.branches[c], self.hv_box.bounce_ms * 1e-3);
            if through_a2s > self.hv_box.weld_a2s {
                self.weld(
                    c,
                    coil,
                    at,
                    format!("{} made onto {gap_v:.0} V, {through_a2s:.0} A²s", coil_name(coil)),
                    events,
                );
            }
        }
    }

    /// A contact wants to part.
    pub(crate) fn break_contact(&mut self, c: usize, coil: Coil, at: SimTime, events: &mut Vec<PlantEvent>) {
        let current_a = self.carried_a(c, coil);
        if current_a.abs() > 10.0 {
            events.push(event(
                at,
                c,
                "breaking-current",
                current_a,
                format!("{} breaks {current_a:.0} A", coil_name(coil)),
            ));
        }
        if current_a.abs() > self.hv_box.break_limit_a {
            self.weld(
                c,
                coil,
                at,
                format!("{} broke {current_a:.0} A", coil_name(coil)),
                events,
            );
            return;
        }
        self.clusters[c].contactor_mut(coil).set(at, false);
        if self.clusters[c].path() == Path::Open {
            self.clusters[c].current_a = 0.0;
        }
        events.push(event(at, c, coil_name(coil), 0.0, "open".into()));
    }

    fn weld(&mut self, c: usize, coil: Coil, at: SimTime, text: String, events: &mut Vec<PlantEvent>) {
        self.clusters[c].contactor_mut(coil).welded = true;
        events.push(event(at, c, "welded", 1.0, text));
    }

    /// Current the contact would break: none while another contact carries it.
    fn carried_a(&self, c: usize, coil: Coil) -> f64 {
        let cluster = &self.clusters[c];
        let carries = match (coil, cluster.path()) {
            (_, Path::Open) | (Coil::Precharge, Path::Main) => false,
            (Coil::MainPositive, path) => path == Path::Main,
            (Coil::MainNegative | Coil::Precharge, _) => true,
        };
        if carries { self.present_current_a(c) } else { 0.0 }
    }

    fn present_current_a(&self, c: usize) -> f64 {
        let branch = self.clusters[c].branch();
        branch.conductance_s * (branch.emf_v - self.bus.voltage_v)
    }

    fn finish(&mut self, end: SimTime, step_s: f64, events: &mut Vec<PlantEvent>) {
        let keep = libm::exp(-step_s / self.hv_box.precharge_cooling_s);
        for (c, cluster) in self.clusters.iter_mut().enumerate() {
            cluster.mean_a = cluster.charge_c / step_s;
            for (sensed_a, follow) in cluster.sensed_a.iter_mut().zip(self.follow) {
                let behind_a = cluster.mean_a - *sensed_a;
                // settled: an endless tail would end in subnormal numbers
                *sensed_a += if behind_a.abs() < 1e-9 {
                    behind_a
                } else {
                    behind_a * follow
                };
            }
            cluster.slow_charge_c += cluster.charge_c;
            cluster.slow_square_a2s += cluster.square_a2s;
            cluster.delivered_c += cluster.charge_c;
            cluster.moved_c += cluster.charge_c.abs();
            if cluster.path() == Path::Open && cluster.current_a.abs() > 0.1 {
                events.push(event(
                    end,
                    c,
                    "open-contactor-current",
                    cluster.current_a,
                    "current through an open path".into(),
                ));
            }
            if cluster.precharge_j == 0.0 {
                continue;
            }
            cluster.precharge_j *= keep;
            let trip_j = self.hv_box.precharge_trip_j;
            if !cluster.precharge_tripped && cluster.precharge_j > trip_j {
                cluster.precharge_tripped = true;
                if cluster.path() == Path::Open {
                    cluster.current_a = 0.0;
                }
                events.push(event(
                    end,
                    c,
                    "precharge-resistor-tripped",
                    1.0,
                    "thermal switch open".into(),
                ));
            } else if cluster.precharge_tripped && cluster.precharge_j < 0.5 * trip_j {
                cluster.precharge_tripped = false;
                events.push(event(
                    end,
                    c,
                    "precharge-resistor-tripped",
                    0.0,
                    "thermal switch closed again".into(),
                ));
            }
        }
    }
}

fn event(at: SimTime, cluster: usize, point: &'static str, value: f64, text: String) -> PlantEvent {
    PlantEvent {
        at,
        part: cluster_name(cluster),
        point,
        value,
        text,
    }
}
