//! The hot loop: one electrical step of a string of cells, eight cells at a time.
//!
//! Written once, over [`Lanes`], and compiled for each instruction set the machine may have; `cell.rs` picks at
//! run time. Multiplications and additions are never fused and sums keep eight fixed lanes, so every instruction
//! set gives the same bits. A string without bleeding, shorted, dying or full-to-the-stop cells takes the `PLAIN`
//! form, in which all cells carry the same charge; the other form is always right.
//!
//! Within a segment of the OCV grid open-circuit voltage and loop width are straight lines over charge. Each cell
//! carries its line along, and `cell.rs` changes it when the cell leaves its segment.
#![allow(
    clippy::inline_always,
    reason = "only what is inlined into the dispatched function is compiled for its instruction set"
)]

use core::ops::{Add, Mul, Sub};

/// Cells taken together.
pub(crate) const WIDTH: usize = 8;

/// What moves in a step, in this order.
pub(crate) type State<'a> = [&'a mut [f64]; 5];
/// What holds over a step, in this order.
pub(crate) type Given<'a> = [&'a [f64]; 12];

/// The step's current and the constants of its cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drive {
    /// Mean current of the string, A.
    pub(crate) mean_a: f64,
    /// Its mean square, A².
    pub(crate) mean_square_a2: f64,
    /// Heat that the joints of a cell give it, J.
    pub(crate) joint_j: f64,
    /// Length, s.
    pub(crate) step_s: f64,
    /// Share of R0 and R1.
    pub(crate) split: [f64; 2],
    /// What the step leaves of the voltage of each RC link.
    pub(crate) decay: [f64; 2],
    /// e-folds of hysteresis per full capacity moved.
    pub(crate) gamma: f64,
    /// Share of charged coulombs that is stored.
    pub(crate) efficiency: f64,
    /// Charge beyond which current only heats.
    pub(crate) soc_range: [f64; 2],
}

/// Sums over the string after the step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// Source voltage of unloaded cells, V.
    pub(crate) emf_v: f64,
    /// R0, Ω; only of the form that is not plain.
    pub(crate) r0_ohm: f64,
    /// Charge that left the store but not the cell, C.
    pub(crate) lost_c: f64,
}

/// One step of a string, for [`pulp::Arch::dispatch`]; all slices have its length.
pub(crate) struct Step<'a, const PLAIN: bool> {
    pub(crate) state: State<'a>,
    pub(crate) given: Given<'a>,
    pub(crate) drive: Drive,
}

impl<const PLAIN: bool> pulp::WithSimd for Step<'_, PLAIN> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Sums {
        step::<PLAIN>(self.state, self.given, &self.drive)
    }
}

#[inline(always)]
fn step<const PLAIN: bool>(state: State<'_>, given: Given<'_>, drive: &Drive) -> Sums {
    let n = state[0].len();
    let [soc, v1, v2, hysteresis, heat] = state;
    let [
        inverse,
        ohm,
        siemens,
        slow_ohm,
        slow_siemens,
        line0,
        line1,
        line2,
        line3,
        extra,
        scale,
        capacity,
    ] = given;
    let (soc, soc_tail) = soc.as_chunks_mut::<WIDTH>();
    let whole = soc.len();
    let (v1, v1_tail) = split_mut(v1, whole);
    let (v2, v2_tail) = split_mut(v2, whole);
    let (hysteresis, hysteresis_tail) = split_mut(hysteresis, whole);
    let (heat, heat_tail) = split_mut(heat, whole);
    let (inverse, inverse_tail) = split(inverse, whole);
    let (ohm, ohm_tail) = split(ohm, whole);
    let (siemens, siemens_tail) = split(siemens, whole);
    let (slow_ohm, slow_ohm_tail) = split(slow_ohm, whole);
    let (slow_siemens, slow_siemens_tail) = split(slow_siemens, whole);
    let (line0, line0_tail) = split(line0, whole);
    let (line1, line1_tail) = split(line1, whole);
    let (line2, line2_tail) = split(line2, whole);
    let (line3, line3_tail) = split(line3, whole);
    let (extra, extra_tail) = split(extra, whole);
    let (scale, scale_tail) = split(scale, whole);
    let (capacity, capacity_tail) = split(capacity, whole);

    let mut sums = [Lanes::ZERO; 3];
    for k in 0..whole {
        let (next, parts) = chunk::<PLAIN>(
            [soc[k], v1[k], v2[k], hysteresis[k], heat[k]],
            [
                inverse[k],
                ohm[k],
                siemens[k],
                slow_ohm[k],
                slow_siemens[k],
                line0[k],
                line1[k],
                line2[k],
                line3[k],
                extra[k],
                scale[k],
                capacity[k],
            ],
            drive,
        );
        [soc[k], v1[k], v2[k], hysteresis[k], heat[k]] = next;
        add(&mut sums, parts);
    }
    if !soc_tail.is_empty() {
        // zeros in the lanes beyond the string's end add nothing to voltage and resistance
        let (next, mut parts) = chunk::<PLAIN>(
            [
                padded(soc_tail),
                padded(v1_tail),
                padded(v2_tail),
                padded(hysteresis_tail),
                padded(heat_tail),
            ],
            [
                padded(inverse_tail),
                padded(ohm_tail),
                padded(siemens_tail),
                padded(slow_ohm_tail),
                padded(slow_siemens_tail),
                padded(line0_tail),
                padded(line1_tail),
                padded(line2_tail),
                padded(line3_tail),
                padded(extra_tail),
                padded(scale_tail),
                padded(capacity_tail),
            ],
            drive,
        );
        let left = soc_tail.len();
        soc_tail.copy_from_slice(&next[0][..left]);
        v1_tail.copy_from_slice(&next[1][..left]);
        v2_tail.copy_from_slice(&next[2][..left]);
        hysteresis_tail.copy_from_slice(&next[3][..left]);
        heat_tail.copy_from_slice(&next[4][..left]);
        // but the string's charge would count as lost in them
        parts[2].0[left..].fill(0.0);
        add(&mut sums, parts);
    }
    let charge = Charge::of(drive);
    Sums {
        emf_v: sums[0].sum(),
        r0_ohm: sums[1].sum(),
        lost_c: if PLAIN {
            (charge.stored_c - charge.passed_c) * n as f64
        } else {
            sums[2].sum()
        },
    }
}

#[inline(always)]
fn split(column: &[f64], whole: usize) -> (&[[f64; WIDTH]], &[f64]) {
    let (chunks, tail) = column.as_chunks();
    (&chunks[..whole], tail)
}

#[inline(always)]
fn split_mut(column: &mut [f64], whole: usize) -> (&mut [[f64; WIDTH]], &mut [f64]) {
    let (chunks, tail) = column.as_chunks_mut();
    (&mut chunks[..whole], tail)
}

#[inline(always)]
fn padded(tail: &[f64]) -> [f64; WIDTH] {
    let mut lanes = [0.0; WIDTH];
    lanes[..tail.len()].copy_from_slice(tail);
    lanes
}

#[inline(always)]
fn add(sums: &mut [Lanes; 3], parts: [Lanes; 3]) {
    sums[0] = sums[0] + parts[0];
    sums[1] = sums[1] + parts[1];
    sums[2] = sums[2] + parts[2];
}

/// Charge of a step, C.
#[derive(Clone, Copy)]
struct Charge {
    passed_c: f64,
    stored_c: f64,
}

impl Charge {
    #[inline(always)]
    fn of(drive: &Drive) -> Self {
        let passed_c = drive.mean_a * drive.step_s;
        let kept = if passed_c < 0.0 { drive.efficiency } else { 1.0 };
        Self {
            passed_c,
            stored_c: passed_c * kept,
        }
    }
}

/// Eight cells: their state after the step and their parts of the sums.
#[inline(always)]
fn chunk<const PLAIN: bool>(
    state: [[f64; WIDTH]; 5],
    given: [[f64; WIDTH]; 12],
    drive: &Drive,
) -> ([[f64; WIDTH]; 5], [Lanes; 3]) {
    let soc = Lanes(state[0]);
    let v1_v = Lanes(state[1]);
    let v2_v = Lanes(state[2]);
    let hysteresis = Lanes(state[3]);
    let heat_j = Lanes(state[4]);
    let inverse_capacity = Lanes(given[0]);
    let resistance_ohm = Lanes(given[1]);
    let conductance_s = Lanes(given[2]);
    let slow_ohm = Lanes(given[3]);
    let slow_s = Lanes(given[4]);
    let offset = Lanes(given[5]);
    let slope = Lanes(given[6]);
    let loop_offset = Lanes(given[7]);
    let loop_slope = Lanes(given[8]);
    let extra_a = Lanes(given[9]);
    let source_scale = Lanes(given[10]);
    let capacity_c = Lanes(given[11]);
    let Drive {
        step_s,
        split,
        decay,
        gamma,
        ..
    } = *drive;

    let all = Charge::of(drive);
    let (current_a, passed_c, stored_c) = if PLAIN {
        (
            Lanes::all(drive.mean_a),
            Lanes::all(all.passed_c),
            Lanes::all(all.stored_c),
        )
    } else {
        let current_a = extra_a + drive.mean_a;
        let passed_c = current_a * step_s;
        let stored_c = passed_c.negative_or(passed_c * drive.efficiency, passed_c);
        (current_a, passed_c, stored_c)
    };

    let ocv = offset + slope * soc;
    let loop_v = (loop_offset + loop_slope * soc) * hysteresis;

    let unbound = soc - stored_c * inverse_capacity;
    let (next_soc, released_c) = if PLAIN {
        (unbound, stored_c)
    } else {
        let bound = unbound.at_most(drive.soc_range[1]).at_least(drive.soc_range[0]);
        (bound, (soc - bound) * capacity_c)
    };

    let (toward, moved) = if PLAIN {
        (
            Lanes::all(if all.passed_c < 0.0 { 1.0 } else { -1.0 }),
            inverse_capacity * (gamma * all.passed_c.abs()),
        )
    } else {
        (
            passed_c.negative_or(Lanes::all(1.0), Lanes::all(-1.0)),
            passed_c.abs() * inverse_capacity * gamma,
        )
    };
    let moved = moved.at_most(1.0);
    let next_hysteresis = toward + (hysteresis - toward) * (moved * (moved * 0.5 - 1.0) + 1.0);

    let push = resistance_ohm * current_a;
    let next_v1 = v1_v * decay[0] + push * (split[1] * (1.0 - decay[0]));
    let next_v2 = v2_v * decay[1] + slow_ohm * current_a * (1.0 - decay[1]);
    let (twice1, twice2) = (next_v1 + v1_v, next_v2 + v2_v);
    let rc_j = twice1 * twice1 * (0.25 * step_s / split[1]) * conductance_s
        + twice2 * twice2 * (0.25 * step_s) * slow_s;
    let (r0_j, source_j) = if PLAIN {
        (
            resistance_ohm * (split[0] * step_s * drive.mean_square_a2),
            ocv * (all.stored_c - all.passed_c) - loop_v * all.passed_c,
        )
    } else {
        (
            resistance_ohm
                * (split[0] * step_s)
                * (extra_a * (extra_a + 2.0 * drive.mean_a) + drive.mean_square_a2),
            released_c * ocv - passed_c * source_scale * (ocv + loop_v),
        )
    };
    let next_heat = heat_j + (r0_j + rc_j + source_j + drive.joint_j);

    let source = (offset + slope * next_soc) + (loop_offset + loop_slope * next_soc) * next_hysteresis;
    let (emf_v, r0_ohm, lost_c) = if PLAIN {
        (source - (next_v1 + next_v2), Lanes::ZERO, Lanes::ZERO)
    } else {
        (
            source_scale * source - (next_v1 + next_v2),
            resistance_ohm * split[0],
            released_c - passed_c,
        )
    };
    (
        [next_soc.0, next_v1.0, next_v2.0, next_hysteresis.0, next_heat.0],
        [emf_v, r0_ohm, lost_c],
    )
}

/// Eight numbers, element by element: what the compiler turns into vector instructions.
#[derive(Clone, Copy)]
struct Lanes([f64; WIDTH]);

impl Lanes {
    const ZERO: Self = Self([0.0; WIDTH]);

    #[inline(always)]
    fn all(x: f64) -> Self {
        Self([x; WIDTH])
    }

    #[inline(always)]
    fn abs(mut self) -> Self {
        for x in &mut self.0 {
            *x = x.abs();
        }
        self
    }

    #[inline(always)]
    fn at_most(mut self, high: f64) -> Self {
        for x in &mut self.0 {
            *x = if *x < high { *x } else { high };
        }
        self
    }

    #[inline(always)]
    fn at_least(mut self, low: f64) -> Self {
        for x in &mut self.0 {
            *x = if *x > low { *x } else { low };
        }
        self
    }

    /// `yes` where this is below zero, else `no`.
    #[inline(always)]
    fn negative_or(mut self, yes: Self, no: Self) -> Self {
        for k in 0..WIDTH {
            self.0[k] = if self.0[k] < 0.0 { yes.0[k] } else { no.0[k] };
        }
        self
    }

    /// Sum in a fixed order.
    #[inline(always)]
    fn sum(self) -> f64 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}

macro_rules! element_by_element {
    ($($trait:ident $function:ident $assign:tt),*) => {$(
        impl $trait for Lanes {
            type Output = Self;
            #[inline(always)]
            fn $function(mut self, other: Self) -> Self {
                for k in 0..WIDTH {
                    self.0[k] $assign other.0[k];
                }
                self
            }
        }

        impl $trait<f64> for Lanes {
            type Output = Self;
            #[inline(always)]
            fn $function(mut self, other: f64) -> Self {
                for x in &mut self.0 {
                    *x $assign other;
                }
                self
            }
        }
    )*};
}

element_by_element!(Add add +=, Sub sub -=, Mul mul *=);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    const CELLS: usize = 397;

    /// Seventeen columns of numbers as a string may have them.
    fn columns() -> ([Vec<f64>; 5], [Vec<f64>; 12]) {
        let mut rng = rng::stream(3, 5);
        let mut column = |mean: f64, half: f64| {
            (0..CELLS)
                .map(|_| mean + half * rng::symmetric(&mut rng))
                .collect::<Vec<f64>>()
        };
        let state = [
            column(0.5, 0.5),
            column(0.0, 0.01),
            column(0.0, 0.01),
            column(0.0, 1.0),
            column(1.0, 1.0),
        ];
        let given = [
            column(1e-6, 1e-8),
            column(5e-4, 5e-5),
            column(2e3, 2e2),
            column(1.5e-4, 1e-5),
            column(7e3, 5e2),
            column(3.2, 0.1),
            column(0.2, 0.2),
            column(0.02, 0.01),
            column(0.0, 0.01),
            column(0.0, 10.0),
            column(0.5, 0.5),
            column(1e6, 1e4),
        ];
        (state, given)
    }

    const DRIVE: Drive = Drive {
        mean_a: 150.0,
        mean_square_a2: 22_600.0,
        joint_j: 0.01,
        step_s: 0.01,
        split: [0.55, 0.2],
        decay: [0.999_5, 0.999_98],
        gamma: 60.0,
        efficiency: 0.999,
        soc_range: [-0.03, 1.05],
    };

    fn bits<const PLAIN: bool>(run: &dyn Fn(Step<'_, PLAIN>) -> Sums) -> Vec<u64> {
        let (mut state, given) = columns();
        let mut sums = Sums::default();
        for k in 0..400 {
            let mean_a = if k % 100 < 50 { DRIVE.mean_a } else { -170.0 };
            sums = run(Step {
                state: state.each_mut().map(Vec::as_mut_slice),
                given: given.each_ref().map(Vec::as_slice),
                drive: Drive { mean_a, ..DRIVE },
            });
        }
        state
            .iter()
            .flatten()
            .copied()
            .chain([sums.emf_v, sums.r0_ohm, sums.lost_c])
            .map(f64::to_bits)
            .collect()
    }

    fn every_way<const PLAIN: bool>() {
        let plain = bits::<PLAIN>(&|step| super::step::<PLAIN>(step.state, step.given, &step.drive));
        assert!(bits::<PLAIN>(&|step| pulp::Arch::new().dispatch(step)) == plain);
        #[cfg(target_arch = "x86_64")]
        {
            use pulp::Simd;
            if let Some(v3) = pulp::x86::V3::try_new() {
                assert!(bits::<PLAIN>(&|step| Simd::vectorize(v3, step)) == plain);
            }
            if let Some(v4) = pulp::x86::V4::try_new() {
                assert!(bits::<PLAIN>(&|step| Simd::vectorize(v4, step)) == plain);
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        every_way::<true>();
        every_way::<false>();
    }
}
