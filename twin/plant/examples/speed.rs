//! How fast and how large sites are, as JSON lines `name value unit`, with the goal where there is one. Run through
//! `ci/bench`; with `--check` a missed goal is an error.
//!
//! Nothing but the plant runs: no device, no bus. A site is what `bessrig site` runs, in normal operation: all clusters
//! on their bus, all containers at the dispatch limit. The roof is the same arithmetic per cell without all that makes
//! cells a battery: no bus, contactors, converter, heat flow, segments of the OCV curve or dispatcher.
//!
//! How much faster than real time the site runs is the mean over two minutes of it, so with all that comes once a second and
//! once a minute. The other figures compare: each is the best of several short runs, site and roof in turns, because other
//! processes only ever make a run slower.
#![allow(
    clippy::disallowed_methods,
    clippy::inline_always,
    reason = "this example measures wall-clock time; only what is inlined is compiled for an instruction set"
)]

use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

use bess_catalogue::Catalogue;
use bess_plant::spec::SiteSpec;
use bess_plant::{InitialState, Site};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

#[path = "../../../ci/report.rs"]
mod report;

use report::Report;

type Failure = Box<dyn core::error::Error + Send + Sync>;

const CASE: &str = "jiayuguan";
const GRID_STEP: Duration = Duration::from_millis(10);
const STEPS_PER_S: usize = 100;
/// Site time until all is connected and polarised, s.
const WARM_UP_S: usize = 90;
/// Site time of a short run, s, and how many there are.
const RUN_S: usize = 1;
const RUNS: usize = 25;
/// Site time of the long run, s: the cells age once a minute.
const LONG_RUN_S: usize = 120;
/// Containers the cost is reported for.
const COUNTS: [usize; 4] = [1, 9, 18, 90];

/// Goals: this 2-core machine at least, of the roof at least, of real time at least, MB at most, and how much more
/// the same container may cost among 90 than among 9.
const CELL_STEPS_GOAL: f64 = 300e6;
const OVER_ROOF_GOAL: f64 = 1.0 / 3.0;
const REALTIME_GOAL: f64 = 5.0;
const MEMORY_GOAL_MB: f64 = 1000.0;
const LINEAR_GOAL: f64 = 1.25;

fn main() -> Result<(), Failure> {
    let check = std::env::args().any(|argument| argument == "--check");
    let spec = Catalogue::shipped().site(CASE)?;
    let mut report = Report::default();

    let cells = cells(&spec);
    let per_run = (cells * STEPS_PER_S * RUN_S) as f64;
    let every_core = pool(0)?;
    let mut site = every_core.install(|| warm(&spec))?;
    let threads = every_core.current_num_threads();
    let strings = &spec.stations[0].plant.container;
    // whole vectors of any instruction set
    let per_string = (strings.packs_per_cluster * strings.cells_per_pack).next_multiple_of(8);
    let mut roofs: Vec<Roof> = (0..threads)
        .map(|_| Roof::new(per_string, strings.clusters))
        .collect();
    let roof_steps = cells * STEPS_PER_S * RUN_S / (threads * per_string * strings.clusters);
    let (mut site_s, mut roof_s) = (f64::MAX, f64::MAX);
    for _ in 0..RUNS {
        site_s = site_s.min(every_core.install(|| run(&mut site, RUN_S)));
        let begin = Instant::now();
        every_core.install(|| roofs.par_iter_mut().for_each(|roof| roof.run(roof_steps)));
        roof_s = roof_s.min(begin.elapsed().as_secs_f64());
    }
    let roof_run = (roof_steps * threads * per_string * strings.clusters) as f64;
    let (rate, roof) = (per_run / site_s, roof_run / roof_s);
    report.at_least("cell_steps_per_second", rate, "1/s", CELL_STEPS_GOAL)?;
    Report::plain("cell_steps_roof", roof, "1/s")?;
    report.at_least("cell_steps_over_roof", rate / roof, "1", OVER_ROOF_GOAL)?;
    let long_s = every_core.install(|| run(&mut site, LONG_RUN_S));
    report.at_least(
        "site_308mwh_realtime_factor",
        LONG_RUN_S as f64 / long_s,
        "1",
        REALTIME_GOAL,
    )?;
    Report::plain("site_308mwh_realtime_factor_best", RUN_S as f64 / site_s, "1")?;
    report.at_most("site_308mwh_peak_memory", peak_memory_mb()?, "MB", MEMORY_GOAL_MB)?;
    drop(site);

    let one_core = pool(1)?;
    let mut sites = COUNTS
        .into_iter()
        .map(|count| one_core.install(|| warm(&part_of(&spec, count))))
        .collect::<Result<Vec<_>, _>>()?;
    let mut cost_ms = [f64::MAX; COUNTS.len()];
    for _ in 0..RUNS {
        for (site, cost_ms) in sites.iter_mut().zip(&mut cost_ms) {
            let containers = site.containers().len() as f64;
            let seconds = one_core.install(|| run(site, RUN_S));
            *cost_ms = cost_ms.min(1e3 * seconds / containers / RUN_S as f64);
        }
    }
    for (count, cost_ms) in COUNTS.into_iter().zip(cost_ms) {
        Report::plain(
            &format!("core_time_per_container_second_of_{count}"),
            cost_ms,
            "ms",
        )?;
    }
    report.at_most(
        "container_cost_of_90_over_9",
        cost_ms[3] / cost_ms[1],
        "1",
        LINEAR_GOAL,
    )?;

    if check && !report.missed.is_empty() {
        return Err(format!("missed: {}", report.missed.join(", ")).into());
    }
    Ok(())
}

fn pool(threads: usize) -> Result<ThreadPool, rayon::ThreadPoolBuildError> {
    ThreadPoolBuilder::new().num_threads(threads).build()
}

fn cells(spec: &SiteSpec) -> usize {
    spec.stations
        .iter()
        .map(|group| {
            let container = &group.plant.container;
            group.containers() * container.clusters * container.packs_per_cluster * container.cells_per_pack
        })
        .sum()
}

/// The first containers of a site, with their share of its limits.
fn part_of(spec: &SiteSpec, containers: usize) -> SiteSpec {
    let share = containers as f64 / spec.containers() as f64;
    let mut part = spec.clone();
    part.stations.truncate(1);
    // each behind its own share of a station
    part.stations[0].count = containers;
    part.stations[0].containers_per_station = 1;
    part.power_limit_w *= share;
    part.energy_limit_wh *= share;
    part
}

/// A site that has been discharging for a while.
fn warm(spec: &SiteSpec) -> Result<Site, Failure> {
    let initial = InitialState {
        soc: 0.7,
        ..InitialState::default()
    };
    let mut site = Site::new(spec, &initial, 1, GRID_STEP)?;
    site.set_power_w(spec.power_limit_w);
    for _ in 0..WARM_UP_S {
        site.advance();
    }
    let figures = site.figures();
    let clusters: usize = spec
        .stations
        .iter()
        .map(|group| group.containers() * group.plant.container.clusters)
        .sum();
    if figures.clusters_connected != clusters || figures.poi_w < 0.98 * spec.power_limit_w {
        return Err(format!("the site is not in normal operation: {figures:?}").into());
    }
    Ok(site)
}

/// Wall-clock time of a run, s.
fn run(site: &mut Site, seconds: usize) -> f64 {
    let begin = Instant::now();
    for _ in 0..seconds {
        site.advance();
    }
    begin.elapsed().as_secs_f64()
}

/// High-water mark of the process, from /proc.
fn peak_memory_mb() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
}

/// The cells of one container as twelve columns of numbers, stepped by hand-written vector instructions.
struct Roof {
    /// Charge, two RC voltages, hysteresis, heat.
    state: [Vec<f64>; 5],
    /// Inverse capacity, resistance, conductance; offset and slope of the OCV line and of the loop.
    given: [Vec<f64>; 7],
    per_string: usize,
    emf_v: f64,
}

impl Roof {
    fn new(per_string: usize, strings: usize) -> Self {
        let column = |value: f64| vec![value; per_string * strings];
        Self {
            state: [0.6, 0.0, 0.0, 0.0, 0.0].map(column),
            given: [1.0 / 1.08e6, 9e-4, 1.0 / 9e-4, 3.2, 0.1, 0.01, 0.001].map(column),
            per_string,
            emf_v: 0.0,
        }
    }

    /// Steps string by string, since in a battery the current of the next step needs all strings' voltages.
    fn run(&mut self, steps: usize) {
        let arch = Arch::new();
        for _ in 0..steps {
            let columns = self.state[0].len();
            for start in (0..columns).step_by(self.per_string) {
                let range = start..start + self.per_string;
                self.emf_v = arch.dispatch(RoofStep {
                    state: self.state.each_mut().map(|column| &mut column[range.clone()]),
                    given: self.given.each_ref().map(|column| &column[range.clone()]),
                    current_a: black_box(150.0),
                });
            }
        }
        black_box(self.emf_v);
    }
}

struct RoofStep<'a> {
    state: [&'a mut [f64]; 5],
    given: [&'a [f64]; 7],
    current_a: f64,
}

impl WithSimd for RoofStep<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        const STEP_S: f64 = 0.01;
        const SPLIT: [f64; 3] = [0.55, 0.2, 0.25];
        const DECAY: [f64; 2] = [0.9995, 0.99998];
        const GAMMA: f64 = 60.0;
        const STORED: f64 = 0.999;
        let passed_c = self.current_a * STEP_S;
        let stored_c = if passed_c < 0.0 {
            passed_c * STORED
        } else {
            passed_c
        };
        let all = |x: f64| simd.splat_f64s(x);
        let fma = |a, b, c| simd.mul_add_e_f64s(a, b, c);
        let mul = |a, b| simd.mul_f64s(a, b);
        let add = |a, b| simd.add_f64s(a, b);
        let sub = |a, b| simd.sub_f64s(a, b);
        let toward = all(if passed_c < 0.0 { 1.0 } else { -1.0 });
        let current = all(self.current_a);
        let less_c = all(-stored_c);
        let moved_by = all(GAMMA * passed_c.abs());
        let (one, half) = (all(1.0), all(0.5));
        let decay = DECAY.map(all);
        let rise = [SPLIT[1] * (1.0 - DECAY[0]), SPLIT[2] * (1.0 - DECAY[1])].map(all);
        let rc_share = [0.25 * STEP_S / SPLIT[1], 0.25 * STEP_S / SPLIT[2]].map(all);
        let r0_share = all(SPLIT[0] * STEP_S * self.current_a * self.current_a);
        let side_c = all(stored_c - passed_c);
        let loop_c = all(-passed_c);

        let [soc, v1, v2, hysteresis, heat] = self.state.map(|column| S::as_mut_simd_f64s(column).0);
        let [inverse, ohm, siemens, line0, line1, line2, line3] =
            self.given.map(|column| S::as_simd_f64s(column).0);
        let mut sum = all(0.0);
        for k in 0..soc.len() {
            let ocv = fma(line1[k], soc[k], line0[k]);
            let loop_v = mul(fma(line3[k], soc[k], line2[k]), hysteresis[k]);
            let next_soc = fma(less_c, inverse[k], soc[k]);
            let moved = simd.min_f64s(mul(inverse[k], moved_by), one);
            let keep = fma(moved, sub(mul(moved, half), one), one);
            let next_hysteresis = fma(sub(hysteresis[k], toward), keep, toward);
            let push = mul(ohm[k], current);
            let next_v1 = fma(v1[k], decay[0], mul(push, rise[0]));
            let next_v2 = fma(v2[k], decay[1], mul(push, rise[1]));
            let (twice1, twice2) = (add(next_v1, v1[k]), add(next_v2, v2[k]));
            let rc = fma(
                mul(twice1, twice1),
                rc_share[0],
                mul(mul(twice2, twice2), rc_share[1]),
            );
            let source_j = fma(ocv, side_c, mul(loop_v, loop_c));
            let made = fma(ohm[k], r0_share, fma(rc, siemens[k], source_j));
            heat[k] = add(heat[k], made);
            let next_ocv = fma(line1[k], next_soc, line0[k]);
            let source = fma(fma(line3[k], next_soc, line2[k]), next_hysteresis, next_ocv);
            sum = add(sum, sub(source, add(next_v1, next_v2)));
            soc[k] = next_soc;
            v1[k] = next_v1;
            v2[k] = next_v2;
            hysteresis[k] = next_hysteresis;
        }
        simd.reduce_sum_f64s(sum)
    }
}
