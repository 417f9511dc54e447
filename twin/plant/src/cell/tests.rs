#![allow(clippy::print_stdout, reason = "measured figures show with --nocapture")]

use super::*;

const STEP_S: f64 = 0.01;
const SLOW: SlowDecay = SlowDecay {
    dt_s: 0.0,
    hysteresis_keep: 1.0,
};

fn one_cell(soc: f64, capacity_ah: f64) -> (Cells, CellSpec) {
    let mut spec = crate::testing::spec().cell;
    spec.capacity_ah = capacity_ah;
    let mut cells = Cells::new(&spec, vec![soc], &[capacity_ah], vec![1.0], 1, STEP_S);
    cells.refresh(0..1, &[25.0], false, false, &SLOW);
    (cells, spec)
}

fn run(cells: &mut Cells, current_a: f64, seconds: u32) {
    for _ in 0..seconds {
        for _ in 0..100 {
            cells.step(0, current_a, current_a * current_a);
        }
        cells.refresh(0..1, &[25.0], current_a < 0.0, current_a == 0.0, &SLOW);
    }
}

#[test]
fn table_holds_every_knot() {
    let spec = crate::testing::spec().cell.ocv;
    let table = OcvTable::new(&spec);
    for ((p, v), h) in spec
        .soc_percent
        .iter()
        .zip(&spec.voltage_v)
        .zip(&spec.hysteresis_mv)
    {
        let soc = p / 100.0;
        let s = table.segment(soc);
        assert!(
            (s[0] + s[1] * soc - v).abs() < 1e-9 && (s[2] + s[3] * soc - h / 1e3).abs() < 1e-9,
            "{p} %"
        );
    }
}

#[test]
fn rc_links_are_exact_for_constant_current() {
    let (mut cells, spec) = one_cell(0.5, 300.0);
    let r = cells.resistance_ohm[0];
    for _ in 0..4000 {
        cells.step(0, 150.0, 22_500.0);
    }
    let expected = |k: usize| {
        spec.resistance.split[k + 1] * r * 150.0 * (1.0 - libm::exp(-40.0 / spec.resistance.tau_s[k]))
    };
    assert!((cells.v1_v[0] - expected(0)).abs() < 1e-12);
    assert!((cells.v2_v[0] - expected(1)).abs() < 1e-12);
}

/// Acceptance check 2 of cell-and-thermal §11, stated for the 280 Ah cell.
#[test]
fn rest_after_half_c_discharge_recovers_as_measured() {
    let (mut cells, _) = one_cell(1.0, 280.0);
    run(&mut cells, 140.0, 3600);
    assert!((cells.soc[0] - 0.5).abs() < 0.001);
    let loaded_v = cells.voltage_v(0, 140.0);
    let at_once_mv = (cells.voltage_v(0, 0.0) - loaded_v) * 1e3;
    run(&mut cells, 0.0, 60);
    let minute_mv = (cells.voltage_v(0, 0.0) - loaded_v) * 1e3;
    run(&mut cells, 0.0, 7200);
    let all_mv = (cells.voltage_v(0, 0.0) - loaded_v) * 1e3;
    assert!((24.0..28.0).contains(&at_once_mv), "at once {at_once_mv}");
    assert!((33.0..38.0).contains(&minute_mv), "after 60 s {minute_mv}");
    assert!((45.0..50.0).contains(&all_mv), "in all {all_mv}");
}

/// Acceptance check 1: 2.8–3.6 V at 0.5C and 25 °C.
#[test]
fn round_trip_is_95_to_97_percent() {
    let (mut cells, _) = one_cell(0.5, 300.0);
    let mut half_cycle = |current_a: f64, until: &dyn Fn(f64) -> bool| {
        let mut energy_j = 0.0;
        loop {
            for _ in 0..100 {
                energy_j += cells.voltage_v(0, current_a) * current_a.abs() * STEP_S;
                cells.step(0, current_a, current_a * current_a);
                if until(cells.voltage_v(0, current_a)) {
                    return energy_j;
                }
            }
            cells.refresh(0..1, &[25.0], current_a < 0.0, false, &SLOW);
        }
    };
    half_cycle(150.0, &|v| v <= 2.8);
    let charged_j = half_cycle(-150.0, &|v| v >= 3.6);
    let discharged_j = half_cycle(150.0, &|v| v <= 2.8);
    let efficiency = discharged_j / charged_j;
    println!("round trip {efficiency:.4}, {:.1} Wh out", discharged_j / 3600.0);
    assert!((0.95..0.97).contains(&efficiency), "{efficiency}");
}

#[test]
fn energy_of_one_cell_balances_through_both_ends() {
    let (mut cells, _) = one_cell(0.5, 300.0);
    let start_j = cells.stored_j(0..1) + cells.polarisation_j();
    let (mut delivered_j, mut moved_j) = (0.0, 0.0);
    for (current_a, seconds) in [(150.0, 3900), (-150.0, 7700), (0.0, 600), (150.0, 1800)] {
        for _ in 0..seconds {
            for _ in 0..100 {
                let before = cells.voltage_v(0, current_a);
                cells.step(0, current_a, current_a * current_a);
                let work = 0.5 * (before + cells.voltage_v(0, current_a)) * current_a * STEP_S;
                delivered_j += work;
                moved_j += work.abs();
            }
            cells.refresh(0..1, &[25.0], current_a < 0.0, false, &SLOW);
        }
    }
    let left_j = start_j - cells.stored_j(0..1) - cells.polarisation_j() - delivered_j - cells.heat_j[0];
    println!("one cell: residual {left_j:.1} J of {moved_j:.3e} J");
    assert!(left_j.abs() < 1e-3 * moved_j, "{left_j} J of {moved_j} J");
}

#[test]
fn overcharge_and_reversal_only_heat() {
    let (mut cells, spec) = one_cell(0.99, 300.0);
    run(&mut cells, -150.0, 1200);
    assert_eq!(cells.soc[0], spec.soc_max);
    assert!((4.5..5.5).contains(&cells.voltage_v(0, -150.0)));
    let (mut cells, spec) = one_cell(0.01, 300.0);
    run(&mut cells, 150.0, 1200);
    assert_eq!(cells.soc[0], spec.soc_min);
    assert!(cells.voltage_v(0, 150.0) < 0.1);
}

#[test]
fn a_bleed_resistor_takes_its_100_ma() {
    let (mut cells, _) = one_cell(0.5, 300.0);
    cells.set_bleed(0, 1.0 / 33.0);
    cells.step_taps(|_| [0.0; 2]);
    assert!((cells.extra_a[0] - 0.1).abs() < 0.001);
    cells.set_bleed(0, 0.0);
    assert_eq!(cells.extra_a[0], 0.0);
}

/// One cell by the book: the table looked up at every step, no shortcuts. What `kernel.rs` must agree with.
#[derive(Clone, Copy, Debug, Default)]
struct ByTheBook {
    soc: f64,
    v1_v: f64,
    v2_v: f64,
    hysteresis: f64,
    heat_j: f64,
}

impl ByTheBook {
    fn step(&mut self, i: usize, cells: &Cells, mean_a: f64) {
        let Constants {
            split,
            decay,
            gamma,
            efficiency,
            soc_min,
            soc_max,
            step_s,
            ..
        } = cells.constants;
        let (capacity_c, r) = (cells.capacity_c[i], cells.resistance_ohm[i]);
        let (extra_a, scale) = (cells.extra_a[i], cells.source_scale[i]);
        let current_a = mean_a + extra_a;
        let charge_c = current_a * step_s;
        let [offset, slope, loop_offset, loop_slope] = cells.ocv.segment(self.soc);
        let ocv_v = offset + slope * self.soc;
        let loop_v = (loop_offset + loop_slope * self.soc) * self.hysteresis;
        let stored_c = if charge_c < 0.0 {
            charge_c * efficiency
        } else {
            charge_c
        };
        let soc = if capacity_c > 0.0 {
            (self.soc - stored_c / capacity_c).clamp(soc_min, soc_max)
        } else {
            self.soc
        };
        let released_c = (self.soc - soc) * capacity_c;
        let toward = if charge_c < 0.0 { 1.0 } else { -1.0 };
        let moved = if capacity_c > 0.0 {
            gamma * charge_c.abs() / capacity_c
        } else {
            0.0
        };
        self.hysteresis = toward + (self.hysteresis - toward) * (1.0 - moved + 0.5 * moved * moved);
        let ohm = [split[1] * r, cells.slow_ohm[i]];
        let link = |v: f64, k: usize| decay[k] * v + (1.0 - decay[k]) * ohm[k] * current_a;
        let (v1_v, v2_v) = (link(self.v1_v, 0), link(self.v2_v, 1));
        let rc_w =
            f64::midpoint(v1_v, self.v1_v).powi(2) / ohm[0] + f64::midpoint(v2_v, self.v2_v).powi(2) / ohm[1];
        self.heat_j += (split[0] * r * current_a * current_a + rc_w) * step_s + released_c * ocv_v
            - charge_c * scale * (ocv_v + loop_v);
        (self.soc, self.v1_v, self.v2_v) = (soc, v1_v, v2_v);
    }

    fn emf_v(&self, i: usize, cells: &Cells) -> f64 {
        let [offset, slope, loop_offset, loop_slope] = cells.ocv.segment(self.soc);
        cells.source_scale[i]
            * (offset + slope * self.soc + (loop_offset + loop_slope * self.soc) * self.hysteresis)
            - self.v1_v
            - self.v2_v
    }
}

/// Both ends, the knees, reversals, a bleeding cell, a short, a dying and a dead cell.
#[test]
fn steps_agree_with_the_book() {
    const CELLS: usize = 19;
    let spec = crate::testing::spec().cell;
    let spread = |k: usize| (k as f64 - 9.0) / 9.0;
    let soc: Vec<f64> = (0..CELLS).map(|k| 0.9 + 0.02 * spread(k)).collect();
    let capacity_ah: Vec<f64> = (0..CELLS).map(|k| 30.0 + 0.5 * spread(k * 7 % CELLS)).collect();
    let factor: Vec<f64> = (0..CELLS).map(|k| 1.0 + 0.1 * spread(k * 5 % CELLS)).collect();
    let mut cells = Cells::new(&spec, soc, &capacity_ah, factor, CELLS, STEP_S);
    cells.refresh(0..CELLS, &[25.0; CELLS], false, false, &SLOW);
    let mut book: Vec<ByTheBook> = (0..CELLS)
        .map(|i| ByTheBook {
            soc: cells.soc[i],
            ..ByTheBook::default()
        })
        .collect();
    let (mut plain_steps, mut worst_v) = (0, 0.0_f64);
    for (second, current_a) in [
        (-30.0, 700),
        (15.0, 900),
        (-60.0, 100),
        (0.0, 60),
        (45.0, 2200),
        (-20.0, 300),
    ]
    .into_iter()
    .flat_map(|(current_a, seconds)| core::iter::repeat_n(current_a, seconds))
    .enumerate()
    {
        match second {
            600 => cells.set_bleed(3, 1.0 / 33.0),
            900 => cells.set_bleed(3, 0.0),
            1000 => cells.set_internal_short(18, 0.5),
            1010 => cells.set_internal_short(18, 0.0),
            3000 => cells.set_source_scale(7, 0.6),
            3500 => {
                cells.kill(7);
                cells.set_source_scale(7, 0.0);
            }
            _ => {}
        }
        for _ in 0..100 {
            plain_steps += usize::from(cells.strings[0].plain);
            cells.step_taps(|_| [current_a, current_a * current_a]);
            for (i, cell) in book.iter_mut().enumerate() {
                cell.step(i, &cells, current_a);
            }
            let taps_j: Vec<f64> = cells.heat_j.clone();
            let sums = cells.step(0, current_a, current_a * current_a);
            let (mut emf_v, mut r0_ohm) = (0.0, 0.0);
            for (i, cell) in book.iter_mut().enumerate() {
                let r0 = cells.r0_ohm(i);
                let load = cells.tapped.iter().find(|tap| tap.cell == i);
                let left = 1.0 / (1.0 + r0 * load.map_or(0.0, Tap::conductance_s));
                emf_v += cell.emf_v(i, &cells) * left;
                r0_ohm += r0 * left;
                // the heat of a short inside the cell is booked by the taps
                let step_j = cells.heat_j[i] - taps_j[i];
                let book_j = core::mem::take(&mut cell.heat_j);
                assert!(
                    (step_j - book_j).abs() < 1e-9 * taps_j[i].abs().max(1.0),
                    "{i} at {second} s: {step_j} {book_j} {}",
                    cells.soc[i]
                );
            }
            worst_v = worst_v.max((sums.emf_v - emf_v).abs());
            assert!((sums.r0_ohm - r0_ohm).abs() < 1e-12);
        }
        let (before_ohm, before_slow_ohm) = (cells.resistance_ohm.clone(), cells.slow_ohm.clone());
        cells.refresh(0..CELLS, &[25.0; CELLS], current_a < 0.0, current_a == 0.0, &SLOW);
        // the energy of an RC link, half its capacitance times its voltage squared, outlasts a new resistance
        for (i, cell) in book.iter_mut().enumerate() {
            cell.v1_v *= libm::sqrt(cells.resistance_ohm[i] / before_ohm[i]);
            cell.v2_v *= libm::sqrt(cells.slow_ohm[i] / before_slow_ohm[i]);
        }
    }
    for (i, cell) in book.iter().enumerate() {
        assert!(
            (cells.soc[i] - cell.soc).abs() < 1e-11,
            "{i}: {} {}",
            cells.soc[i],
            cell.soc
        );
        assert!((cells.emf_v(i) - cell.emf_v(i, &cells)).abs() < 1e-9, "{i}");
    }
    println!("{plain_steps} plain steps, sum of voltages at most {worst_v:.1e} V off");
    assert!(worst_v < 1e-8, "{worst_v}");
    assert!(plain_steps > 100_000, "{plain_steps}");
}

/// A pack whose first cell is 1 % too full, at rest: hours until it is level with the rest, and the pack.
fn hours_to_level(start: impl Fn(&mut Cells)) -> (f64, Cells) {
    const N: usize = 44;
    let spec = crate::testing::spec().cell;
    let soc: Vec<f64> = (0..N).map(|i| if i == 0 { 0.61 } else { 0.6 }).collect();
    let mut cells = Cells::new(&spec, soc, &[300.0; N], vec![1.0; N], N, 1.0);
    start(&mut cells);
    let (start_c, start_j) = (cells.stored_c(0..N), cells.stored_j(0..N));
    let mut seconds = 0_u32;
    while cells.soc[0] > cells.soc[1] {
        cells.refresh(0..N, &[25.0; N], false, true, &SLOW);
        cells.step_taps(|_| [0.0; 2]);
        cells.step(0, 0.0, 0.0);
        seconds += 1;
        assert!(seconds < 200_000);
    }
    let released_c = start_c - cells.stored_c(0..N);
    let passed_c = cells.tap_c + cells.lost_c;
    assert!(
        (released_c - passed_c).abs() < 1e-3,
        "{released_c} against {passed_c}"
    );
    let heat_j = cells.heat_j.iter().sum::<f64>() + cells.bleed_heat_j;
    let stored_j = cells.stored_j(0..N) + cells.polarisation_j();
    let residual_j = start_j - stored_j - heat_j;
    assert!(residual_j.abs() < 0.02 * heat_j, "{residual_j} of {heat_j}");
    (f64::from(seconds) / 3600.0, cells)
}

/// cell-and-thermal §4: 1 % of 300 Ah.
#[test]
fn one_percent_takes_30_hours_at_100_ma() {
    let (hours, cells) = hours_to_level(|cells| cells.set_bleed(0, 1.0 / 33.0));
    println!(
        "bleeding 1 %: {hours:.1} h, {:.1} Wh of heat",
        cells.bleed_heat_j / 3600.0
    );
    assert!((28.0..32.0).contains(&hours), "{hours}");
}

#[test]
fn one_percent_takes_1_5_to_3_hours_at_2_to_1_a() {
    for (current_a, expected_h) in [(1.0, 3.0), (2.0, 1.5)] {
        let spec = ActiveBalancingSpec {
            current_a,
            efficiency: 0.88,
        };
        let (hours, cells) = hours_to_level(|cells| cells.set_transfer(0..44, 1, u64::MAX - 1, spec));
        let taken_j = 3.0 * 3600.0 * 3.3;
        println!(
            "{current_a} A moves 1 %: {hours:.2} h, {:.2} Wh of loss",
            cells.bleed_heat_j / 3600.0
        );
        assert!((hours / expected_h - 1.0).abs() < 0.05, "{hours}");
        assert!(
            (cells.bleed_heat_j / taken_j - 0.12).abs() < 0.01,
            "{}",
            cells.bleed_heat_j
        );
        assert!(cells.soc[1] > 0.6, "the others got it");
    }
}

#[test]
fn a_balancer_gives_no_more_than_takers_take_and_stops_at_dead_cells() {
    let spec = ActiveBalancingSpec {
        current_a: 2.0,
        efficiency: 0.9,
    };
    let cell = crate::testing::spec().cell;
    let mut cells = Cells::new(&cell, vec![0.5; 4], &[300.0; 4], vec![1.0; 4], 4, 1.0);
    cells.refresh(0..4, &[25.0; 4], false, true, &SLOW);
    cells.set_transfer(0..4, 0b0111, 0b1100, spec);
    cells.step_taps(|_| [0.0; 2]);
    // cell 3 is on both sides and does neither; cells 1 and 2 feed cell 4
    assert_eq!(cells.extra_a[2], 0.0);
    assert!((cells.extra_a[3] + 2.0).abs() < 1e-9, "{}", cells.extra_a[3]);
    let given_a = cells.extra_a[0] + cells.extra_a[1];
    assert!((given_a - 2.0 / 0.9).abs() < 0.01, "{given_a}");
    cells.set_source_scale(3, 0.0);
    cells.step_taps(|_| [0.0; 2]);
    assert_eq!(cells.extra_a, [0.0; 4]);
    cells.set_transfer(0..4, 0, 0, spec);
    assert!(cells.tapped.is_empty() && cells.transfers.is_empty());
}
