//! One grid step of the DC side: clusters, bus and converter together.
//!
//! The step is cut where a contact moves, a fuse melts or the converter leaves its voltage window, so each
//! part has fixed circuits and `dc_bus.rs` solves it exactly, with the source voltages of the middle of the step.
//! A contact that rebounds opens the circuit, as there is no arc here. Made onto a voltage gap it welds if what goes
//! through until it rests is enough; breaking above its limit, also in a rebound, welds it too. The breaker opens at its
//! shunt trip or when its release sees a short circuit (cell-and-thermal §7, assumptions).

use core::time::Duration;

use bess_types::{Coil, SimTime};

use crate::cluster::{Cluster, Path, coil_name};
use crate::contactor::Move;
use crate::converter::{Converter, nanos};
use crate::dc_bus::{Branch, DcBus, Transient};
use crate::fuse::Fuse;
use crate::grid::Grid;
use crate::spec::{ContainerSpec, HvBoxSpec};
use crate::topology::{PlantEvent, cluster_name};

#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) bus: DcBus,
    pub(crate) converter: Converter,
    pub(crate) hv_box: HvBoxSpec,
    fuse: Fuse,
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
            fuse: Fuse::new(&spec.hv_box, step_s),
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
                    self.release_breakers(t, events);
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
        for (c, (cluster, &branch)) in self.clusters.iter().zip(&self.branches).enumerate() {
            if branch.conductance_s == 0.0 {
                continue;
            }
            let peak_a = transient
                .current_a(branch, 0.0)
                .abs()
                .max(transient.current_a(branch, limit_s).abs());
            let rise = cluster.fuse_rise;
            if self.fuse.may_melt(rise, peak_a, limit_s)
                && let Some(at_s) = self
                    .fuse
                    .melts_s(rise, limit_s, |t_s| transient.current_a2s(branch, t_s))
            {
                limit_s = at_s;
                first = Some((Cut::Fuse(c), at_s));
            }
        }
        first
    }

    fn commit(&mut self, transient: &Transient, load_a: f64, part_s: f64) {
        let volt_seconds = transient.voltage_vs(part_s);
        let dc_j = load_a * volt_seconds;
        self.converter_dc_j += dc_j;
        self.converter.dc_a = load_a;
        self.converter.book(part_s, dc_j);
        self.bus_heat_j += (self.bus.bleeder_s + self.bus.short_s) * transient.voltage_v2s(part_s);
        for (cluster, &branch) in self.clusters.iter_mut().zip(&self.branches) {
            if branch.conductance_s == 0.0 {
                cluster.current_a = 0.0;
                cluster.fuse_rise = self.fuse.after(cluster.fuse_rise, 0.0, part_s);
                continue;
            }
            let square_a2s = transient.current_a2s(branch, part_s);
            cluster.book(cluster.path(), transient.charge_c(branch, part_s), square_a2s);
            cluster.current_a = transient.current_a(branch, part_s);
            cluster.fuse_rise = self.fuse.after(cluster.fuse_rise, square_a2s, part_s);
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

    /// Short-circuit release of the breakers: slower than the fuse, there for what the fuse is slow at.
    fn release_breakers(&mut self, now: SimTime, events: &mut Vec<PlantEvent>) {
        for (c, cluster) in self.clusters.iter_mut().enumerate() {
            let current_a = cluster.current_a;
            if current_a.abs() > self.hv_box.breaker_instant_a
                && cluster.breaker_closed
                && cluster.breaker_due.is_none()
            {
                cluster.breaker_due = Some(now + Duration::from_nanos(nanos(self.hv_box.breaker_ms / 1e3)));
                let text = format!("short-circuit release at {current_a:.0} A");
                events.push(event(now, c, "breaker-release", 1.0, text));
            }
        }
    }

    /// Moves every switch due by `now`, in cluster order.
    fn switch(&mut self, now: SimTime, events: &mut Vec<PlantEvent>) {
        for c in 0..self.clusters.len() {
            if let Some(at) = self.clusters[c].breaker_due.filter(|&at| at <= now) {
                self.clusters[c].breaker_due = None;
                self.open_breaker(c, at, events);
            }
            for coil in Coil::ALL {
                while let Some((at, what)) = self.clusters[c].contactor_mut(coil).take_due(now) {
                    match what {
                        Move::Make => self.make(c, coil, at, events),
                        Move::Rebound => self.rebound(c, coil, at, events),
                        Move::Remake => self.clusters[c].contactor_mut(coil).touch_again(),
                        Move::Rest => self.rest(c, coil, at, events),
                        Move::Break => self.break_contact(c, coil, at, events),
                    }
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
        let cluster = &mut self.clusters[c];
        let before = cluster.path_at_rest();
        let open_v = cluster.sums.emf_v - self.bus.voltage_v;
        cluster.contactor_mut(coil).make(at, open_v);
        let after = cluster.path_at_rest();
        events.push(event(at, c, coil_name(coil), 1.0, "closed".into()));
        if coil == Coil::Precharge {
            return;
        }
        let completes = after != before && after != Path::Open;
        let gap_v = if completes { open_v } else { 0.0 };
        events.push(event(
            at,
            c,
            "closing-gap",
            gap_v,
            format!("{} onto {gap_v:.1} V", coil_name(coil)),
        ));
    }

    /// A contact that was made lets go again for a moment.
    fn rebound(&mut self, c: usize, coil: Coil, at: SimTime, events: &mut Vec<PlantEvent>) {
        let current_a = self.carried_a(c, coil);
        if current_a.abs() > self.hv_box.break_limit_a {
            let text = format!("{} rebounded at {current_a:.0} A", coil_name(coil));
            self.weld(c, coil, at, text, events);
            return;
        }
        self.clusters[c].contactor_mut(coil).let_go();
        if self.clusters[c].path() == Path::Open {
            self.clusters[c].current_a = 0.0;
        }
    }

    /// A contact comes to rest, molten or not.
    fn rest(&mut self, c: usize, coil: Coil, at: SimTime, events: &mut Vec<PlantEvent>) {
        let contactor = self.clusters[c].contactor_mut(coil);
        contactor.touch_again();
        let bounced = contactor.bounced(at);
        let name = coil_name(coil);
        events.push(event(
            at,
            c,
            "bounce",
            bounced.seconds * 1e3,
            format!(
                "{name} at rest after {:.1} ms and {} rebounds, {:.1} A²s",
                bounced.seconds * 1e3,
                bounced.rebounds,
                bounced.through_a2s
            ),
        ));
        if bounced.gap_v.abs() > self.hv_box.weld_gap_v && bounced.through_a2s > self.hv_box.weld_a2s {
            let text = format!(
                "{name} made onto {:.0} V, {:.0} A²s",
                bounced.gap_v, bounced.through_a2s
            );
            self.weld(c, coil, at, text, events);
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
        self.clusters[c].contactor_mut(coil).part(at);
        if self.clusters[c].path() == Path::Open {
            self.clusters[c].current_a = 0.0;
        }
        events.push(event(at, c, coil_name(coil), 0.0, "open".into()));
    }

    fn weld(&mut self, c: usize, coil: Coil, at: SimTime, text: String, events: &mut Vec<PlantEvent>) {
        self.clusters[c].contactor_mut(coil).weld();
        events.push(event(at, c, "welded", 1.0, text));
    }

    /// Current the contact would break: none while another contact carries it.
    fn carried_a(&self, c: usize, coil: Coil) -> f64 {
        let carries = self.clusters[c].path().through(coil);
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use bess_types::{Channel, Coil};

    use crate::testing::{build, close_all, coil, power, run, small, truth, uniform, when};
    use crate::{Place, Plant, PlantEvent, PlantFault};

    fn count(events: &[PlantEvent], point: &str, value: f64) -> usize {
        events
            .iter()
            .filter(|e| e.point == point && e.value == value)
            .count()
    }

    fn balanced(plant: &Plant) -> bool {
        let ledger = plant.ledger();
        ledger.residual_j.abs() < 1e-3 * ledger.throughput_j
    }

    /// K+ made onto a gap of some 100 V: what goes through while it rebounds decides.
    #[test]
    fn rebounds_open_the_circuit_and_let_through_what_welds() {
        let mut spec = small(1, 9);
        spec.container.hv_box.weld_a2s = 1e9;
        let closed = |bounce_ms| {
            let mut spec = spec.clone();
            spec.container.hv_box.bounce_ms = bounce_ms;
            let mut plant = build(&spec, &uniform(0.5));
            coil(&mut plant, 0, Coil::MainNegative, true);
            coil(&mut plant, 0, Coil::Precharge, true);
            run(&mut plant, 2.5);
            coil(&mut plant, 0, Coil::Precharge, false);
            run(&mut plant, 0.1);
            coil(&mut plant, 0, Coil::MainPositive, true);
            let events = run(&mut plant, 0.2);
            assert!(balanced(&plant));
            let gap_v = events.iter().find(|e| e.point == "closing-gap").unwrap().value;
            assert!((50.0..150.0).contains(&gap_v), "{gap_v}");
            let ohm = 1.0 / plant.stack.clusters[0].branch_if_closed().conductance_s;
            (0.5 * 9e-3 * gap_v * gap_v / ohm, events)
        };
        let (most_a2s, events) = closed(5.0);
        let rest = events.iter().find(|e| e.point == "bounce").unwrap();
        assert!(rest.value > 2.9 && rest.value <= 5.0, "{}", rest.text);
        // all of the charge would be ½ C V² / R
        let through_a2s: f64 = rest
            .text
            .split_whitespace()
            .rev()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        assert!(
            through_a2s > 0.2 * most_a2s && through_a2s < 1.001 * most_a2s,
            "{} of {most_a2s:.0}",
            rest.text
        );
        assert_eq!(closed(0.0).1.iter().filter(|e| e.point == "bounce").count(), 0);
    }

    #[test]
    fn contactors_chatter_under_load_on_a_weak_supply() {
        let mut plant = build(&small(2, 9), &uniform(0.6));
        close_all(&mut plant);
        power(&mut plant, 2.0e5);
        run(&mut plant, 1.0);
        plant
            .inject(&PlantFault::CoilSupplyVoltage { volts: 14.0 })
            .unwrap();
        let mut out = Vec::new();
        plant.sample(Place::cluster(0), Channel::CoilSupply, &mut out);
        assert!(out[0].ok().is_some_and(|v| (v - 14.0).abs() < 0.3));
        let events = run(&mut plant, 2.0);
        assert!(count(&events, "main-positive", 0.0) > 10 && count(&events, "main-positive", 1.0) > 10);
        assert!(
            events
                .iter()
                .any(|e| e.point == "breaking-current" && e.value > 20.0)
        );
        plant
            .clear(&PlantFault::CoilSupplyVoltage { volts: 0.0 })
            .unwrap();
        run(&mut plant, 0.5);
        assert_eq!(truth(&plant, "", "clusters-connected"), 2.0);
        assert!(balanced(&plant));
    }

    #[test]
    fn the_breaker_clears_a_short_that_the_fuse_does_not() {
        let mut spec = small(1, 9);
        spec.container.hv_box.fuse_a2s = 1e9;
        let mut plant = build(&spec, &uniform(0.5));
        close_all(&mut plant);
        let at_s = plant.now.as_secs_f64();
        plant.inject(&PlantFault::BusShort { ohm: 0.1 }).unwrap();
        let events = run(&mut plant, 0.2);
        let opened_s = when(&events, "breaker", 0.0).unwrap() - at_s;
        assert!((0.03..0.05).contains(&opened_s), "{opened_s}");
        assert_eq!(truth(&plant, "cluster-01", "current"), 0.0);
        assert!(balanced(&plant));
    }

    /// Twice the fuse's rating: too little for its integral, but it melts.
    #[test]
    fn an_overload_melts_the_fuse_after_a_minute() {
        let mut plant = build(&small(1, 9), &uniform(0.9));
        close_all(&mut plant);
        let ohm = truth(&plant, "cluster-01", "voltage") / 700.0;
        plant.inject(&PlantFault::BusShort { ohm }).unwrap();
        let at_s = plant.now.as_secs_f64();
        let events = run(&mut plant, 150.0);
        let melted_s = when(&events, "fuse", 0.0).unwrap() - at_s;
        assert!((20.0..140.0).contains(&melted_s), "{melted_s}");
        assert!(balanced(&plant));
    }
}
