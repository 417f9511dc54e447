//! Electrical model of every cell, as structs of arrays.
//!
//! Modelled: open-circuit voltage with one-state hysteresis, R0 and two RC links whose resistance depends
//! on charge, temperature, direction and age, coulombic efficiency, self-discharge, spread, bleed resistors,
//! balancing converters and shorts. For a current constant over the step the RC links and the charge are exact
//! at any step size. Beyond the chemical range the open-circuit voltage runs off its last segment and further
//! current only heats. Capacity and resistance change with age from outside (`ageing.rs`).
//! Not modelled: the (below 3 mV) effect of temperature on open-circuit voltage, AC impedance.
//!
//! Capacity in the cold: the charge is still there, but slow diffusion keeps the electrodes' surface behind the mean,
//! so voltage is at its limit while a share of the charge is out of reach. With `1 − f(T)` that share at the
//! reference current, the surface lags by as much, in proportion to current; what it costs in voltage,
//! `OCV(SOC) − OCV(SOC − (1 − f))` over the reference current, is added to the slow RC link, for diffusion takes its time,
//! and mirrored when charging.
//! So it is always a loss and heats, it vanishes at rest and at 25 °C, a small current or a warm cell gets at the rest
//! of the charge, and no account needs a term for it.
//! Constants: `data/cells`, from domain notes cell-and-thermal §2–4.
//!
//! Energy: the stored energy is a state function, the integral of the open-circuit voltage over charge. All
//! that does not leave at the terminals lands in `heat_j`: resistance, RC, hysteresis, coulombic loss. Work
//! against hysteresis is all counted as heat, though right after a reversal a little of it comes back.
//!
//! A loaded cell is to its string a source of less voltage behind less resistance, solved with the string's current of the
//! same step: a short across a cell whose resistance is larger than its own is stable at any step.

use core::ops::Range;

use crate::kernel::{self, Drive, Sums};
use crate::spec::{ActiveBalancingSpec, CellSpec, OcvSpec, ResistanceSpec, UsableSpec};

/// The slow RC link follows the knee of the open-circuit voltage late and so would give back up to 1 % of the charge that
/// the cold keeps out of reach: the lag is deeper by this times the root of that share (fit to the shares at 0.5C).
const LATE: f64 = 0.0145;

/// Segments of the OCV grid per unit of charge: 0.5 % holds every knot.
const SEGMENTS: f64 = 200.0;
/// Lowest charge on the grid, −10 %.
const SOC_LOW: f64 = -0.1;
/// Grid segments from −10 % to 120 %.
const SEGMENT_COUNT: usize = 260;
const MONTH_S: f64 = 30.0 * 86_400.0;

/// Every cell of the container; all arrays by cell index.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    /// State of charge, 0 to 1.
    pub(crate) soc: Vec<f64>,
    /// Voltage of the fast RC link, V.
    v1_v: Vec<f64>,
    /// Voltage of the slow RC link, V.
    v2_v: Vec<f64>,
    /// Hysteresis state, +1 charge branch, −1 discharge branch.
    hysteresis: Vec<f64>,
    /// Current through bleed resistor, balancer and shorts beside the cluster's own, A.
    pub(crate) extra_a: Vec<f64>,
    /// Capacity, C; 0 once the cell has burnt.
    pub(crate) capacity_c: Vec<f64>,
    /// 1 / capacity; 0 once the cell has burnt.
    inverse_capacity: Vec<f64>,
    /// Total resistance now, Ω.
    pub(crate) resistance_ohm: Vec<f64>,
    /// 1 / resistance, S.
    conductance_s: Vec<f64>,
    /// Of the slow RC link: its share of the resistance, and what the lag of the electrodes' surface costs in the cold.
    slow_ohm: Vec<f64>,
    /// Its inverse.
    slow_s: Vec<f64>,
    /// The straight line of its OCV segment: offset and slope over charge, V, and the same of the loop.
    line: [Vec<f64>; 4],
    /// Charge at which its segment begins.
    segment_soc: Vec<f64>,
    /// The cell's own factor on resistance: spread and age.
    pub(crate) resistance_factor: Vec<f64>,
    /// Self-discharge, share of capacity per second.
    self_discharge: Vec<f64>,
    /// What is left of the source voltage, 1 healthy, 0 dead.
    source_scale: Vec<f64>,
    /// Heat made since it was last taken, J.
    pub(crate) heat_j: Vec<f64>,
    /// What is known of each cluster's cells.
    strings: Vec<CellString>,
    per_string: usize,
    arch: pulp::Arch,
    /// Cells with a bleed resistor or balancer on or a short, rising.
    tapped: Vec<Tap>,
    /// Active balancers at work.
    transfers: Vec<Transfer>,
    /// Heat made in bleed resistors and balancing converters, J.
    pub(crate) bleed_heat_j: f64,
    /// Heat made in shorts outside cells, J.
    pub(crate) external_heat_j: f64,
    /// Charge through bleed resistors, balancers and shorts, C.
    pub(crate) tap_c: f64,
    /// Energy moved through them either way, J.
    pub(crate) tap_moved_j: f64,
    /// Charge that went into side reactions (positive: charging lost), C.
    pub(crate) lost_c: f64,
    ocv: OcvTable,
    resistance: ResistanceTable,
    usable: UsableSpec,
    /// Current at which the usable shares hold, A.
    usable_a: f64,
    constants: Constants,
}

/// Sums over a cluster that its electrical path needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClusterSums {
    /// Source voltage at zero cluster current, V.
    pub(crate) emf_v: f64,
    /// Series resistance, R0 of the cells with their loads, Ω.
    pub(crate) r0_ohm: f64,
    /// How far a current has lowered the source voltage by the middle of its step, Ω.
    pub(crate) sag_ohm: f64,
}

/// Shortcuts of a cluster's cells in series.
#[derive(Clone, Copy, Debug, Default)]
struct CellString {
    /// No cell bleeds, is shorted, dies, or is near the end of its charge range: all carry the same charge.
    plain: bool,
    /// Cells or their loads are not what they were when the sums were made.
    changed: bool,
    /// Charge that may flow out and in before a cell leaves its OCV segment, C.
    room_c: [f64; 2],
    /// Sum of R0 while plain, Ω.
    r0_ohm: f64,
    /// Fall of the source voltage by the middle of a step, Ω.
    sag_ohm: f64,
}

/// A balancing channel works within these cell voltages, V (assumption: supply of its gate driver, protection).
const CHANNEL_V: [f64; 2] = [1.5, 4.0];

/// A load on single cells.
#[derive(Clone, Copy, Debug)]
struct Tap {
    cell: usize,
    bleed_s: f64,
    internal_s: f64,
    /// Short through the failed separator of a hot cell.
    separator_s: f64,
    external_s: f64,
    /// Heat of the shorts inside since last taken, J; it is part of `heat_j`.
    short_j: f64,
    /// Part in an active balancer: 1 gives, −1 takes, 0 none.
    part: f64,
    /// Current into the balancer, A.
    transfer_a: f64,
}

impl Tap {
    /// Of all that hangs on the cell, S.
    fn conductance_s(&self) -> f64 {
        self.bleed_s + self.internal_s + self.separator_s + self.external_s
    }
}

/// An active balancer at work on the cells of a pack.
#[derive(Clone, Debug)]
struct Transfer {
    cells: Range<usize>,
    spec: ActiveBalancingSpec,
}

#[derive(Clone, Copy, Debug)]
struct Constants {
    split: [f64; 3],
    /// Time constants of the RC links, s.
    tau_s: [f64; 2],
    decay: [f64; 2],
    gamma: f64,
    efficiency: f64,
    soc_min: f64,
    soc_max: f64,
    step_s: f64,
    /// Joints between a cell and the next, which heat it, Ω.
    joint_ohm: f64,
}

impl Cells {
    /// All cells at rest, on the middle of the hysteresis loop.
    pub(crate) fn new(
        spec: &CellSpec,
        soc: Vec<f64>,
        capacity_ah: &[f64],
        resistance_factor: Vec<f64>,
        per_string: usize,
        step_s: f64,
    ) -> Self {
        let n = soc.len();
        let self_discharge = spec.self_discharge_per_month / MONTH_S;
        let mut cells = Self {
            soc,
            v1_v: vec![0.0; n],
            v2_v: vec![0.0; n],
            hysteresis: vec![0.0; n],
            extra_a: vec![0.0; n],
            capacity_c: capacity_ah.iter().map(|ah| ah * 3600.0).collect(),
            inverse_capacity: capacity_ah.iter().map(|ah| 1.0 / (ah * 3600.0)).collect(),
            resistance_ohm: vec![1.0; n],
            conductance_s: vec![1.0; n],
            slow_ohm: vec![1.0; n],
            slow_s: vec![1.0; n],
            resistance_factor,
            self_discharge: vec![self_discharge; n],
            line: core::array::from_fn(|_| vec![0.0; n]),
            segment_soc: vec![f64::MAX; n],
            source_scale: vec![1.0; n],
            heat_j: vec![0.0; n],
            strings: vec![CellString::default(); n / per_string],
            per_string,
            arch: pulp::Arch::new(),
            tapped: Vec::with_capacity(n),
            transfers: Vec::new(),
            bleed_heat_j: 0.0,
            external_heat_j: 0.0,
            tap_c: 0.0,
            tap_moved_j: 0.0,
            lost_c: 0.0,
            ocv: OcvTable::new(&spec.ocv),
            resistance: ResistanceTable::new(&spec.resistance, spec.capacity_ah),
            usable: spec.usable.clone(),
            usable_a: spec.usable.rate_c * spec.capacity_ah,
            constants: Constants {
                split: spec.resistance.split,
                tau_s: spec.resistance.tau_s,
                decay: spec.resistance.tau_s.map(|tau| libm::exp(-step_s / tau)),
                gamma: spec.ocv.hysteresis_gamma,
                efficiency: spec.coulombic_efficiency,
                soc_min: spec.soc_min,
                soc_max: spec.soc_max,
                step_s,
                joint_ohm: 0.0,
            },
        };
        for i in 0..n {
            cells.enter_segment(i);
        }
        cells
    }

    /// One step of a cluster at a current of mean `mean_a` and mean square `mean_square_a2`, A and A².
    pub(crate) fn step(&mut self, cluster: usize, mean_a: f64, mean_square_a2: f64) -> ClusterSums {
        let range = cluster * self.per_string..(cluster + 1) * self.per_string;
        let drive = self.drive(mean_a, mean_square_a2);
        let string = self.strings[cluster];
        let charge_c = mean_a * drive.step_s;
        let room_c = [string.room_c[0] - charge_c, string.room_c[1] + charge_c];
        self.strings[cluster].room_c = room_c;
        let arch = self.arch;
        let (state, given) = self.columns(range.clone());
        let mut sums = if string.plain {
            let sums = arch.dispatch(kernel::Step::<true> { state, given, drive });
            Sums {
                r0_ohm: string.r0_ohm,
                ..sums
            }
        } else {
            arch.dispatch(kernel::Step::<false> { state, given, drive })
        };
        self.lost_c += sums.lost_c;
        if !string.plain || room_c[0] <= 0.0 || room_c[1] <= 0.0 {
            sums.emf_v += self.follow_segments(cluster);
            self.strings[cluster].r0_ohm = sums.r0_ohm;
        }
        self.loaded(
            range,
            ClusterSums {
                emf_v: sums.emf_v,
                r0_ohm: sums.r0_ohm,
                sag_ohm: self.strings[cluster].sag_ohm,
            },
        )
    }

    /// Gives every cell joints of a resistance, Ω, that heat it.
    pub(crate) fn set_joint(&mut self, ohm: f64) {
        self.constants.joint_ohm = ohm;
    }

    /// Without vector instructions from now on.
    #[cfg(test)]
    pub(crate) fn set_scalar(&mut self) {
        self.arch = pulp::Arch::Scalar;
    }

    /// Current and constants of a step.
    fn drive(&self, mean_a: f64, mean_square_a2: f64) -> Drive {
        let Constants {
            split,
            decay,
            gamma,
            efficiency,
            soc_min,
            soc_max,
            step_s,
            joint_ohm,
            ..
        } = self.constants;
        Drive {
            mean_a,
            mean_square_a2,
            joint_j: joint_ohm * mean_square_a2 * step_s,
            step_s,
            split: [split[0], split[1]],
            decay,
            gamma,
            efficiency,
            soc_range: [soc_min, soc_max],
        }
    }

    /// The cells of a range as the kernel takes them.
    fn columns(&mut self, range: Range<usize>) -> (kernel::State<'_>, kernel::Given<'_>) {
        let state = [
            &mut self.soc,
            &mut self.v1_v,
            &mut self.v2_v,
            &mut self.hysteresis,
            &mut self.heat_j,
        ];
        let [offset, slope, loop_offset, loop_slope] = &self.line;
        let given = [
            &self.inverse_capacity,
            &self.resistance_ohm,
            &self.conductance_s,
            &self.slow_ohm,
            &self.slow_s,
            offset,
            slope,
            loop_offset,
            loop_slope,
            &self.extra_a,
            &self.source_scale,
            &self.capacity_c,
        ];
        (
            state.map(|column| &mut column[range.clone()]),
            given.map(|column| &column[range.clone()]),
        )
    }

    /// Gives cells that have left their OCV segment the line of the next, and finds out how far the cluster is
    /// from the next such change. Returns by how much this changes the sum of source voltages, V.
    fn follow_segments(&mut self, cluster: usize) -> f64 {
        let Constants { soc_min, soc_max, .. } = self.constants;
        // half a segment clear of the ends, where charge stops to move
        let margin = 0.5 / SEGMENTS;
        let mut change_v = 0.0;
        let mut room = [f64::MAX; 2];
        let mut plain = true;
        let mut sag_ohm = 0.0;
        for i in cluster * self.per_string..(cluster + 1) * self.per_string {
            let soc = self.soc[i];
            if !(soc >= self.segment_soc[i] && soc < self.segment_soc[i] + 1.0 / SEGMENTS) {
                change_v += self.enter_segment(i);
            }
            let (low, high) = (self.segment_soc[i], self.segment_soc[i] + 1.0 / SEGMENTS);
            room[0] = room[0].min((soc - low) * self.capacity_c[i]);
            room[1] = room[1].min((high - soc) * self.capacity_c[i]);
            sag_ohm += self.sag_ohm(i);
            plain &= self.extra_a[i] == 0.0
                && self.source_scale[i] == 1.0
                && self.capacity_c[i] > 0.0
                && low > soc_min + margin
                && high < soc_max - margin;
        }
        let string = &mut self.strings[cluster];
        string.plain = plain;
        string.room_c = room;
        string.sag_ohm = sag_ohm;
        change_v
    }

    /// Takes the line of the segment the cell is in; returns the change of its source voltage, V.
    fn enter_segment(&mut self, i: usize) -> f64 {
        let before_v = self.source_v(i);
        let k = OcvTable::index(self.soc[i]);
        self.segment_soc[i] = OcvTable::start(k);
        for (column, figure) in self.line.iter_mut().zip(self.ocv.segments[k]) {
            column[i] = figure;
        }
        self.source_v(i) - before_v
    }

    /// Source voltage by the line the cell carries, V.
    fn source_v(&self, i: usize) -> f64 {
        let [offset, slope, loop_offset, loop_slope] = self.line.each_ref().map(|column| column[i]);
        let soc = self.soc[i];
        self.source_scale[i] * (offset + slope * soc + (loop_offset + loop_slope * soc) * self.hysteresis[i])
    }

    /// The cluster of a cell is no longer what its shortcuts and sums say.
    fn disturb(&mut self, i: usize) {
        let string = &mut self.strings[i / self.per_string];
        string.plain = false;
        string.changed = true;
    }

    /// Whether a cluster's cells or their loads have changed since its sums were made.
    pub(crate) fn changed(&self, cluster: usize) -> bool {
        self.strings[cluster].changed
    }

    /// Sums of a cluster without stepping it.
    pub(crate) fn sums(&mut self, cluster: usize) -> ClusterSums {
        self.strings[cluster].changed = false;
        let range = cluster * self.per_string..(cluster + 1) * self.per_string;
        let mut sums = ClusterSums::default();
        for i in range.clone() {
            sums.emf_v += self.emf_v(i);
            sums.r0_ohm += self.r0_ohm(i);
            sums.sag_ohm += self.sag_ohm(i);
        }
        self.loaded(range, sums)
    }

    /// Sums of a range with what hangs on its cells: a cell and its loads are together a source of less voltage behind less
    /// resistance.
    fn loaded(&self, range: Range<usize>, mut sums: ClusterSums) -> ClusterSums {
        let first = self.tapped.partition_point(|tap| tap.cell < range.start);
        for tap in self.tapped[first..].iter().take_while(|tap| tap.cell < range.end) {
            let (emf_v, r0) = (self.emf_v(tap.cell), self.r0_ohm(tap.cell));
            let left = 1.0 / (1.0 + r0 * tap.conductance_s());
            sums.emf_v += (emf_v - r0 * tap.transfer_a) * left - emf_v;
            sums.r0_ohm += r0 * left - r0;
            sums.sag_ohm += self.sag_ohm(tap.cell) * (left * left - 1.0);
        }
        sums
    }

    /// How far a current lowers a cell's source voltage by the middle of its step, by its charge and its RC links, Ω.
    fn sag_ohm(&self, i: usize) -> f64 {
        let Constants {
            split, decay, step_s, ..
        } = self.constants;
        let by_charge = self.source_scale[i] * self.line[1][i] * self.inverse_capacity[i] * step_s;
        let links =
            self.resistance_ohm[i] * split[1] * (1.0 - decay[0]) + self.slow_ohm[i] * (1.0 - decay[1]);
        0.5 * (by_charge + links)
    }

    /// Source voltage less RC voltages: what is left when current stops, V.
    pub(crate) fn emf_v(&self, i: usize) -> f64 {
        let segment = self.ocv.segment(self.soc[i]);
        let source = segment[0]
            + segment[1] * self.soc[i]
            + (segment[2] + segment[3] * self.soc[i]) * self.hysteresis[i];
        self.source_scale[i] * source - self.v1_v[i] - self.v2_v[i]
    }

    /// Terminal voltage at a cluster current, V.
    pub(crate) fn voltage_v(&self, i: usize, cluster_a: f64) -> f64 {
        self.emf_v(i) - self.r0_ohm(i) * (cluster_a + self.extra_a[i])
    }

    /// Open-circuit voltage without hysteresis, V.
    pub(crate) fn ocv_v(&self, i: usize) -> f64 {
        self.ocv.at(self.soc[i])
    }

    /// Energy stored chemically, J; a burnt cell has none.
    pub(crate) fn stored_j(&self, range: Range<usize>) -> f64 {
        range
            .map(|i| self.capacity_c[i] * self.ocv.integral(self.soc[i]))
            .sum()
    }

    /// Energy stored in the RC links, J.
    pub(crate) fn polarisation_j(&self) -> f64 {
        let Constants { split, tau_s, .. } = self.constants;
        (0..self.soc.len())
            .map(|i| {
                let fast = self.v1_v[i] * self.v1_v[i] * self.conductance_s[i] / split[1];
                let slow = self.v2_v[i] * self.v2_v[i] * self.slow_s[i];
                0.5 * (tau_s[0] * fast + tau_s[1] * slow)
            })
            .sum()
    }

    /// A cell's resistance is another from now on; `lag_ohm` comes on top in the slow link. RC links keep their time
    /// constants, so their capacitance goes with the conductance; what they hold stays, which makes their voltage go with
    /// the root of the resistance.
    fn set_resistance(&mut self, i: usize, ohm: f64, lag_ohm: f64) {
        let conductance_s = 1.0 / ohm;
        let slow_ohm = self.constants.split[2] * ohm + lag_ohm;
        let slow_s = 1.0 / slow_ohm;
        self.v1_v[i] *= libm::sqrt(self.conductance_s[i] / conductance_s);
        self.v2_v[i] *= libm::sqrt(self.slow_s[i] / slow_s);
        self.resistance_ohm[i] = ohm;
        self.conductance_s[i] = conductance_s;
        self.slow_ohm[i] = slow_ohm;
        self.slow_s[i] = slow_s;
    }

    /// Currents through bleed resistors, balancing converters and shorts in the coming step, and their heat in it, for the
    /// mean current of a cell's cluster and its mean square, A and A². What cells give a converter and others do not get is
    /// its loss.
    pub(crate) fn step_taps(&mut self, current: impl Fn(usize) -> [f64; 2]) {
        self.share_out(|cell| current(cell)[0]);
        let Constants { decay, step_s, .. } = self.constants;
        for k in 0..self.tapped.len() {
            let tap = self.tapped[k];
            let i = tap.cell;
            self.strings[i / self.per_string].plain = false;
            let [mean_a, square_a2] = current(i);
            let ripple_a2 = square_a2 - mean_a * mean_a;
            let (r0, conductance_s) = (self.r0_ohm(i), tap.conductance_s());
            // all by the middle of the step
            let relaxed_v = 0.5 * (self.v1_v[i] * (1.0 - decay[0]) + self.v2_v[i] * (1.0 - decay[1]));
            let (emf_v, ohm) = (self.emf_v(i) + relaxed_v, r0 + self.sag_ohm(i));
            let left = 1.0 / (1.0 + ohm * conductance_s);
            let voltage = (emf_v - ohm * (mean_a + tap.transfer_a)) * left;
            self.extra_a[i] = voltage * conductance_s + tap.transfer_a;
            self.tap_c += self.extra_a[i] * step_s;
            self.tap_moved_j += (emf_v * self.extra_a[i]).abs() * step_s;
            let square_j = (voltage * voltage + r0 * left * (r0 * left) * ripple_a2) * step_s;
            let short_j = square_j * (tap.internal_s + tap.separator_s);
            self.tapped[k].short_j += short_j;
            // a ripple of the cluster's current goes past the cell in part, where the kernel heats it by all of it
            self.heat_j[i] += short_j + r0 * (left * left - 1.0) * ripple_a2 * step_s;
            self.bleed_heat_j += square_j * tap.bleed_s + voltage * tap.transfer_a * step_s;
            self.external_heat_j += square_j * tap.external_s;
        }
    }

    /// Heat made beside the cells: in bleed resistors, balancing converters and shorts outside cells, J.
    pub(crate) fn tap_heat_j(&self) -> f64 {
        self.bleed_heat_j + self.external_heat_j
    }

    /// Currents of the active balancers' channels: as much as the givers have or the takers can take.
    fn share_out(&mut self, cluster_of: impl Fn(usize) -> f64) {
        for t in 0..self.transfers.len() {
            let Transfer { cells, spec } = self.transfers[t].clone();
            let first = self.tapped.partition_point(|tap| tap.cell < cells.start);
            let end = self.tapped.partition_point(|tap| tap.cell < cells.end);
            let (mut offered_w, mut wanted_w) = (0.0, 0.0);
            for k in first..end {
                let tap = self.tapped[k];
                let full_a = tap.part * spec.current_a;
                let r0 = self.r0_ohm(tap.cell);
                let voltage = self.emf_v(tap.cell) - r0 * (cluster_of(tap.cell) + full_a);
                let works = (CHANNEL_V[0]..CHANNEL_V[1]).contains(&voltage);
                let transfer_a = if works { full_a } else { 0.0 };
                self.tapped[k].transfer_a = transfer_a;
                offered_w += (voltage * transfer_a).max(0.0) * spec.efficiency;
                wanted_w -= (voltage * transfer_a).min(0.0);
            }
            let moved_w = f64::min(offered_w, wanted_w);
            let share = |of_w: f64| if of_w > 0.0 { moved_w / of_w } else { 0.0 };
            let (giving, taking) = (share(offered_w), share(wanted_w));
            for tap in &mut self.tapped[first..end] {
                tap.transfer_a *= if tap.part > 0.0 { giving } else { taking };
            }
        }
    }

    /// An active balancer moves charge between cells of its pack, which starts at `cells.start`; masks count from
    /// there. Without a cell on both sides it rests.
    pub(crate) fn set_transfer(
        &mut self,
        cells: Range<usize>,
        sources: u64,
        sinks: u64,
        spec: ActiveBalancingSpec,
    ) {
        let count = cells.len().min(64);
        let mask = u64::MAX >> (64 - count.max(1));
        let (sources, sinks) = (sources & !sinks & mask, sinks & !sources & mask);
        let works = sources != 0 && sinks != 0;
        self.transfers.retain(|transfer| transfer.cells != cells);
        if works {
            self.transfers.push(Transfer {
                cells: cells.clone(),
                spec,
            });
        }
        for k in 0..count {
            let on = |mask: u64| f64::from(works && mask >> k & 1 == 1);
            self.change_tap(cells.start + k, |tap| {
                tap.part = on(sources) - on(sinks);
                tap.transfer_a = 0.0;
            });
        }
    }

    /// Bleed resistor of a cell on or off.
    pub(crate) fn set_bleed(&mut self, cell: usize, conductance_s: f64) {
        self.change_tap(cell, |tap| tap.bleed_s = conductance_s);
    }

    /// Short inside a cell; 0 S removes it.
    pub(crate) fn set_internal_short(&mut self, cell: usize, conductance_s: f64) {
        self.change_tap(cell, |tap| tap.internal_s = conductance_s);
    }

    /// Short through the failed separator of a hot cell; 0 S removes it.
    pub(crate) fn set_separator_short(&mut self, cell: usize, conductance_s: f64) {
        self.change_tap(cell, |tap| tap.separator_s = conductance_s);
    }

    /// Heat that shorts inside a cell have made since last asked, J; it is part of `heat_j`.
    pub(crate) fn take_short_j(&mut self, cell: usize) -> f64 {
        let at = self.tapped.partition_point(|tap| tap.cell < cell);
        match self.tapped.get_mut(at) {
            Some(tap) if tap.cell == cell => core::mem::take(&mut tap.short_j),
            _ => 0.0,
        }
    }

    /// Short across a cell's terminals; 0 S removes it.
    pub(crate) fn set_external_short(&mut self, cell: usize, conductance_s: f64) {
        self.change_tap(cell, |tap| tap.external_s = conductance_s);
    }

    /// Whether the cell's bleed resistor is on or its active balancer works on it.
    pub(crate) fn balances(&self, cell: usize) -> bool {
        self.tapped
            .iter()
            .any(|tap| tap.cell == cell && (tap.bleed_s > 0.0 || tap.part != 0.0))
    }

    fn change_tap(&mut self, cell: usize, change: impl FnOnce(&mut Tap)) {
        let at = self.tapped.partition_point(|tap| tap.cell < cell);
        if self.tapped.get(at).is_none_or(|tap| tap.cell != cell) {
            self.tapped.insert(
                at,
                Tap {
                    cell,
                    bleed_s: 0.0,
                    internal_s: 0.0,
                    separator_s: 0.0,
                    external_s: 0.0,
                    short_j: 0.0,
                    part: 0.0,
                    transfer_a: 0.0,
                },
            );
        }
        change(&mut self.tapped[at]);
        self.disturb(cell);
        let tap = self.tapped[at];
        if tap.conductance_s() == 0.0 && tap.part == 0.0 {
            self.tapped.remove(at);
            self.extra_a[cell] = 0.0;
        }
    }

    /// Resistances for the temperatures now; `charging` picks the table. Self-discharge and the decay of
    /// hysteresis over `dt_s` ride along, because they too are slow.
    pub(crate) fn refresh(
        &mut self,
        range: Range<usize>,
        temperature_c: &[f64],
        charging: bool,
        idle: bool,
        slow: &SlowDecay,
    ) {
        for i in range.clone().step_by(self.per_string) {
            self.disturb(i);
        }
        for i in range {
            let r = self.resistance.at(self.soc[i], temperature_c[i], charging) * self.resistance_factor[i];
            self.set_resistance(i, r, self.lag_ohm(i, temperature_c[i], charging));
            let leak = (self.self_discharge[i] * slow.dt_s * self.inverse_capacity[i] * self.capacity_c[i])
                .min((self.soc[i] - self.constants.soc_min).max(0.0));
            self.heat_j[i] += leak * self.capacity_c[i] * self.ocv_v(i);
            self.soc[i] -= leak;
            self.lost_c += leak * self.capacity_c[i];
            if idle {
                self.hysteresis[i] *= slow.hysteresis_keep;
            }
        }
    }

    /// What the lag of the electrodes' surface costs in the cold, Ω.
    fn lag_ohm(&self, i: usize, temperature_c: f64, charging: bool) -> f64 {
        let out_of_reach = 1.0 - interpolate(&self.usable.temperature_c, &self.usable.share, temperature_c);
        if out_of_reach <= 0.0 {
            return 0.0;
        }
        let out_of_reach = out_of_reach + LATE * libm::sqrt(out_of_reach);
        let Constants { soc_min, soc_max, .. } = self.constants;
        let surface = if charging {
            (self.soc[i] + out_of_reach).min(soc_max)
        } else {
            (self.soc[i] - out_of_reach).max(soc_min)
        };
        (self.ocv.at(surface) - self.ocv.at(self.soc[i])).abs() / self.usable_a
    }

    /// Self-discharge of a cell, share of capacity per 30 days.
    pub(crate) fn set_self_discharge(&mut self, i: usize, per_month: f64) {
        self.self_discharge[i] = per_month / MONTH_S;
    }

    /// The cell's capacity has fallen to `capacity_c`; charge and energy that went with it, C and J. Its state of
    /// charge stays.
    pub(crate) fn fade(&mut self, i: usize, capacity_c: f64) -> (f64, f64) {
        let lost = self.capacity_c[i] - capacity_c;
        self.capacity_c[i] = capacity_c;
        self.inverse_capacity[i] = 1.0 / capacity_c;
        self.disturb(i);
        (lost * self.soc[i], lost * self.ocv.integral(self.soc[i]))
    }

    /// A degraded cell: more resistance until the next refresh.
    pub(crate) fn degrade(&mut self, i: usize, factor: f64) {
        self.disturb(i);
        let lag_ohm = self.slow_ohm[i] - self.constants.split[2] * self.resistance_ohm[i];
        self.set_resistance(i, self.resistance_ohm[i] * factor, lag_ohm);
    }

    /// Charge stored, C.
    pub(crate) fn stored_c(&self, range: Range<usize>) -> f64 {
        range.map(|i| self.capacity_c[i] * self.soc[i]).sum()
    }

    /// Puts a cluster's cells around a state of charge, at rest; their distance from the mean stays.
    pub(crate) fn reseat(&mut self, range: Range<usize>, soc: f64) {
        let mean = self.soc[range.clone()].iter().sum::<f64>() / range.len() as f64;
        for i in range.clone() {
            self.soc[i] = (self.soc[i] - mean + soc).clamp(0.0, 1.0);
            self.v1_v[i] = 0.0;
            self.v2_v[i] = 0.0;
            self.hysteresis[i] = 0.0;
            self.enter_segment(i);
        }
        for i in range.step_by(self.per_string) {
            self.disturb(i);
        }
    }

    /// What its taps leave of a cell's source voltage when they are counted as part of the source.
    pub(crate) fn loaded_scale(&self, i: usize) -> f64 {
        let source_v = self.source_v(i);
        if source_v > 0.0 {
            (1.0 - self.r0_ohm(i) * self.extra_a[i] / source_v).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Changes what is left of a cell's source voltage.
    pub(crate) fn set_source_scale(&mut self, i: usize, scale: f64) {
        self.source_scale[i] = scale;
        self.disturb(i);
    }

    /// The cell no longer stores anything; returns the energy it held, J. Its voltage follows `source_scale`.
    pub(crate) fn kill(&mut self, i: usize) -> f64 {
        let held_j = self.stored_j(i..i + 1);
        self.capacity_c[i] = 0.0;
        self.inverse_capacity[i] = 0.0;
        self.disturb(i);
        held_j
    }

    fn r0_ohm(&self, i: usize) -> f64 {
        self.constants.split[0] * self.resistance_ohm[i]
    }
}

/// What happens to a cell in the slow cycle besides resistance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlowDecay {
    /// Length of the cycle, s.
    pub(crate) dt_s: f64,
    /// Share of the hysteresis state kept over one cycle at rest.
    pub(crate) hysteresis_keep: f64,
}

impl SlowDecay {
    /// Over a cycle of `dt_s`.
    pub(crate) fn new(spec: &CellSpec, dt_s: f64) -> Self {
        Self {
            dt_s,
            hysteresis_keep: libm::exp(-dt_s / spec.ocv.hysteresis_rest_s),
        }
    }
}

/// Open-circuit voltage, hysteresis and the energy integral on the 0.5 % grid: every knot is on it.
#[derive(Clone, Debug)]
struct OcvTable {
    /// OCV offset and slope, hysteresis offset and slope, all over charge.
    segments: Vec<[f64; 4]>,
    /// Integral of OCV from 0 to the segment's start, V.
    integrals: Vec<f64>,
}

impl OcvTable {
    fn new(spec: &OcvSpec) -> Self {
        let knots: Vec<f64> = spec.soc_percent.iter().map(|p| p / 100.0).collect();
        let mut segments = Vec::with_capacity(SEGMENT_COUNT);
        for k in 0..SEGMENT_COUNT {
            let (low, high) = (Self::start(k), Self::start(k + 1));
            let (v_low, v_high) = (
                extrapolate(&knots, &spec.voltage_v, low),
                extrapolate(&knots, &spec.voltage_v, high),
            );
            let (h_low, h_high) = (
                interpolate(&knots, &spec.hysteresis_mv, low) / 1e3,
                interpolate(&knots, &spec.hysteresis_mv, high) / 1e3,
            );
            let v_slope = (v_high - v_low) * SEGMENTS;
            let h_slope = (h_high - h_low) * SEGMENTS;
            segments.push([v_low - v_slope * low, v_slope, h_low - h_slope * low, h_slope]);
        }
        let area = |segment: &[f64; 4], from: f64, to: f64| {
            (to - from) * (segment[0] + segment[1] * 0.5 * (from + to))
        };
        let mut integrals = vec![0.0; SEGMENT_COUNT];
        let zero = 20; // −10 % is 20 segments below 0
        for k in zero + 1..SEGMENT_COUNT {
            integrals[k] = integrals[k - 1] + area(&segments[k - 1], Self::start(k - 1), Self::start(k));
        }
        for k in (0..zero).rev() {
            integrals[k] = integrals[k + 1] - area(&segments[k], Self::start(k), Self::start(k + 1));
        }
        Self { segments, integrals }
    }

    fn start(k: usize) -> f64 {
        (k as f64 - 20.0) / SEGMENTS
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the grid"
    )]
    fn index(soc: f64) -> usize {
        (((soc - SOC_LOW) * SEGMENTS) as u32 as usize).min(SEGMENT_COUNT - 1)
    }

    #[inline]
    fn segment(&self, soc: f64) -> [f64; 4] {
        self.segments[Self::index(soc)]
    }

    /// Open-circuit voltage without hysteresis, V.
    fn at(&self, soc: f64) -> f64 {
        let segment = self.segment(soc);
        segment[0] + segment[1] * soc
    }

    fn integral(&self, soc: f64) -> f64 {
        let k = Self::index(soc);
        let segment = self.segments[k];
        let start = Self::start(k);
        self.integrals[k] + (soc - start) * (segment[0] + segment[1] * 0.5 * (start + soc))
    }
}

/// Resistance over charge and temperature, both directions.
#[derive(Clone, Debug)]
struct ResistanceTable {
    spec: ResistanceSpec,
    scale_ohm: f64,
}

impl ResistanceTable {
    fn new(spec: &ResistanceSpec, capacity_ah: f64) -> Self {
        Self {
            spec: spec.clone(),
            scale_ohm: spec.calibration * spec.table_capacity_ah / capacity_ah * 1e-3,
        }
    }

    fn at(&self, soc: f64, temperature_c: f64, charging: bool) -> f64 {
        let rows = if charging {
            &self.spec.charge_mohm
        } else {
            &self.spec.discharge_mohm
        };
        let (row, share) = bracket(&self.spec.soc, soc);
        let (column, column_share) = bracket(&self.spec.temperature_c, temperature_c);
        let along =
            |row: usize| rows[row][column] + (rows[row][column + 1] - rows[row][column]) * column_share;
        let table = along(row) + (along(row + 1) - along(row)) * share;
        let coldest = self.spec.temperature_c[0];
        let cold = if temperature_c < coldest {
            libm::exp(self.spec.arrhenius_k * (1.0 / (temperature_c + 273.15) - 1.0 / (coldest + 273.15)))
        } else {
            1.0
        };
        table * cold * self.scale_ohm
    }
}

/// Segment of `x` among rising knots and the share within it, 0 to 1: flat outside.
pub(crate) fn bracket(knots: &[f64], x: f64) -> (usize, f64) {
    let k = knots.partition_point(|&knot| knot <= x).clamp(1, knots.len() - 1) - 1;
    (k, ((x - knots[k]) / (knots[k + 1] - knots[k])).clamp(0.0, 1.0))
}

/// Linear between knots, flat outside.
pub(crate) fn interpolate(knots: &[f64], values: &[f64], x: f64) -> f64 {
    let (k, share) = bracket(knots, x);
    values[k] + (values[k + 1] - values[k]) * share
}

/// Linear between knots, and along the end segments outside.
fn extrapolate(knots: &[f64], values: &[f64], x: f64) -> f64 {
    let (k, _) = bracket(knots, x);
    values[k] + (values[k + 1] - values[k]) * (x - knots[k]) / (knots[k + 1] - knots[k])
}

#[cfg(test)]
mod tests;
