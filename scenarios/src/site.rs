//! `bessrig site`: a site of the catalogue through one charge and one discharge at its dispatch limits, with an ideal
//! dispatcher and without device traffic (`bess_plant::site`).
//!
//! A full cycle goes from empty to full to empty, where full and empty are what the cells' voltage window allows. Both
//! ends are reached the same way, by a discharge that is not counted before the charge, so that the energy in and out
//! belongs to the same charge. With `--hours` a part of a cycle starts half full and ends at the charge it started with.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bess_catalogue::product::{Cell, Site as SiteProduct};
use bess_catalogue::{Catalogue, Kind};
use bess_plant::site::{SiteAccount, SiteFigures};
use bess_plant::spec::{SiteSpec, StationSpec};
use bess_plant::{InitialState, Site};
use bess_telemetry::{Description, Scenario};
use bess_types::Verdict;
use clap::Args;
use serde::Serialize;

use crate::mistake::Mistake;
use crate::suite::say;
use crate::telemetry::{SiteRecording, describe_site};

const GRID_STEP: Duration = Duration::from_millis(10);
/// Site time for all clusters to connect, s.
const CONNECT_S: u32 = 90;
/// A full or empty site is one that takes or gives less than this share of its limit (assumption: C/20 of a cell test).
const CUT_OFF: f64 = 0.05;
/// Charge from which a site is emptied before a full cycle, and where a part of a cycle starts.
const NEARLY_EMPTY: f64 = 0.04;
const HALF: f64 = 0.5;
/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(5);
/// How well a limit is kept and reached (assumption, set-point accuracy of a power station controller).
const POWER_ACCURACY: f64 = 0.01;
const ENERGY_ACCURACY: f64 = 0.001;
/// Least share of the printed energy at the point of interconnection: the printed one is that of the cells, and a
/// discharge passes the battery (√0.96, brochure), PCS and any transformer (0.97) and auxiliaries (√0.968, both assumed).
const LEAST_ENERGY: f64 = 0.935;
/// Largest share of the energy moved that may be unaccounted for.
const UNACCOUNTED: f64 = 1e-3;
/// What happens to contacts and fuses in no normal operation.
const ABNORMAL: [&str; 4] = ["welded", "fuse", "breaker", "precharge-resistor-tripped"];

#[derive(Args)]
pub(crate) struct SiteArgs {
    /// Site of the catalogue; without one all are listed.
    case: Option<String>,
    /// Run a part of a cycle only: charge for half of these hours from half full, then discharge as much.
    #[arg(long, value_name = "H", value_parser = hours)]
    hours: Option<f64>,
    /// Run a full cycle; this is the default.
    #[arg(long, conflicts_with = "hours")]
    cycle: bool,
    /// Seed of the cells' spread.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Also write CASE.mcap there, for `bess-viz --replay`: all cells each five minutes, or each minute of less than an hour.
    #[arg(long)]
    record: bool,
    /// Folder for CASE.json.
    #[arg(long, default_value = "./bessrig-out/site", value_name = "DIR")]
    out: PathBuf,
    /// Threads; they change nothing but the speed [default: the number of cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

fn hours(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|hours| (0.01..=24.0).contains(hours))
        .ok_or_else(|| "give a number of hours from 0.01 to 24".to_owned())
}

/// Runs it; the exit code is that of the worst row.
pub(crate) fn run(args: &SiteArgs, catalogue: &Catalogue, interrupted: &AtomicBool) -> Result<u8, Mistake> {
    let Some(case) = &args.case else {
        return list(catalogue).map(|()| 0);
    };
    let product = catalogue.product::<SiteProduct>(case)?.value;
    let spec = catalogue.site(case)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.map_or(0, usize::from))
        .build()
        .map_err(|error| {
            Mistake::new(
                format!("no threads: {error}"),
                "give a smaller number after --threads",
            )
        })?;
    let cells: usize = spec
        .stations
        .iter()
        .map(|group| group.containers() * cells_of(group))
        .sum();
    say(&format!(
        "{case}, {}: {} containers, {cells} cells, {} threads, seed {}",
        product.title,
        spec.containers(),
        pool.current_num_threads(),
        args.seed
    ));
    // before the minutes that it takes
    let file = args.out.join(format!("{case}.json"));
    let unwritable = |error: std::io::Error| unwritten(&file, &error);
    fs::create_dir_all(&args.out).map_err(unwritable)?;
    let (report, notes) = pool.install(|| cycle(args, &product, &spec, catalogue, interrupted))?;
    for line in report.table().iter().chain(&notes) {
        say(line);
    }
    let json = serde_json::to_string_pretty(&report).map_err(|error| Mistake::new(error.to_string(), ""))?;
    fs::write(&file, json + "\n").map_err(unwritable)?;
    say(&format!("{}: {}", report.verdict, file.display()));
    Ok(report.verdict.exit_code())
}

fn list(catalogue: &Catalogue) -> Result<(), Mistake> {
    for id in catalogue.ids(Kind::Site) {
        let title = catalogue.product::<SiteProduct>(id)?.value.title;
        let spec = catalogue.site(id)?;
        say(&format!("{id:<12} {title}, {} containers", spec.containers()));
    }
    Ok(())
}

fn cells_of(group: &StationSpec) -> usize {
    let container = &group.plant.container;
    container.clusters * container.packs_per_cluster * container.cells_per_pack
}

/// What a run leaves.
#[derive(Debug, Serialize)]
struct Report {
    case: String,
    title: String,
    seed: u64,
    containers: usize,
    full_cycle: bool,
    charge: Phase,
    discharge: Phase,
    /// What loses `energy.pcs_mwh`.
    #[serde(skip)]
    power_stage: &'static str,
    /// Shares of the energy in, and what became of it over charge and discharge, MWh.
    energy: Energy,
    /// Energy out over the energy in that is not still stored.
    round_trip: f64,
    site_s: u64,
    #[serde(skip)]
    wall_s: f64,
    #[serde(skip)]
    times_real_time: f64,
    rows: Vec<Row>,
    verdict: Verdict,
}

/// A charge or a discharge.
#[derive(Clone, Copy, Debug, Serialize)]
struct Phase {
    seconds: u64,
    /// At the point of interconnection, positive either way.
    energy_mwh: f64,
    peak_mw: f64,
    mean_mw: f64,
    soc_start: f64,
    soc_end: f64,
    cell_v: [f64; 2],
    cell_c: [f64; 2],
    /// Welded contacts, blown fuses and the like.
    abnormal_events: usize,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[allow(
    clippy::struct_field_names,
    reason = "the unit is in the name, as in every figure"
)]
struct Energy {
    imported_mwh: f64,
    exported_mwh: f64,
    cells_mwh: f64,
    path_mwh: f64,
    /// With transformers where stations have them.
    pcs_mwh: f64,
    auxiliaries_mwh: f64,
    still_stored_mwh: f64,
    aged_mwh: f64,
    unaccounted_mwh: f64,
}

/// A figure held against what it has to be.
#[derive(Clone, Debug, Serialize)]
struct Row {
    what: &'static str,
    value: f64,
    unit: &'static str,
    range: [f64; 2],
    source: String,
    verdict: Verdict,
}

impl Row {
    fn new(what: &'static str, value: f64, unit: &'static str, range: [f64; 2], source: String) -> Self {
        let verdict = if (range[0]..=range[1]).contains(&value) {
            Verdict::Pass
        } else {
            Verdict::Fail
        };
        Self {
            what,
            value,
            unit,
            range,
            source,
            verdict,
        }
    }
}

fn cycle(
    args: &SiteArgs,
    product: &SiteProduct,
    spec: &SiteSpec,
    catalogue: &Catalogue,
    interrupted: &AtomicBool,
) -> Result<(Report, Vec<String>), Mistake> {
    let initial = InitialState {
        soc: if args.hours.is_some() { HALF } else { NEARLY_EMPTY },
        ..InitialState::default()
    };
    let site = Site::new(spec, &initial, args.seed, GRID_STEP).map_err(|error| {
        Mistake::new(
            error.to_string(),
            "check the site's products with `bessrig check`",
        )
    })?;
    let expected_h = args
        .hours
        .unwrap_or(2.1 * spec.energy_limit_wh / spec.power_limit_w);
    let mut course = Course::new(site, expected_h * 3600.0, interrupted);
    if args.record {
        let description = describe(args, product, spec, catalogue)?;
        let file = recording_file(args, spec);
        let recording =
            SiteRecording::create(&file, description, course.expected_s, course.site.containers());
        course.recording = Some(recording.map_err(|error| unwritten(&file, &error))?);
    }
    course.begin("connect");
    let mut connected = 0;
    for _ in 0..CONNECT_S {
        connected = course.second()?.clusters_connected;
    }
    let limit_w = spec.power_limit_w;
    if args.hours.is_none() {
        course.phase("empty", limit_w, limit_w, |_, _| false)?;
    }
    let start = course.site.account();
    let half_s = args.hours.map(|hours| hours * 1800.0);
    let charge = course.phase("charge", -limit_w, limit_w, |seconds, _| {
        half_s.is_some_and(|half_s| seconds as f64 >= half_s)
    })?;
    let back = charge.soc_start;
    let partly = args.hours.is_some();
    let discharge = course.phase("discharge", limit_w, limit_w, |_, figures| {
        partly && figures.soc <= back
    })?;
    let moved = course.site.account().since(&start);
    let energy = Energy::of(&moved);
    let mut rows = rows(product, spec, catalogue, !partly, [&charge, &discharge], &moved)?;
    rows.insert(0, clusters_row(spec, connected));
    rows.push(Row::new(
        "welded contacts, open fuses and the like",
        course.abnormal_events as f64,
        "",
        [0.0, 0.0],
        "normal operation, from connecting on".into(),
    ));
    let wall_s = course.since.elapsed().as_secs_f64();
    let site_s = course.site.now().as_nanos() / 1_000_000_000;
    let verdict = rows.iter().map(|row| row.verdict).max().unwrap_or(Verdict::Error);
    let notes = match course.recording.take() {
        Some(recording) => recording
            .close(course.site.now(), verdict)
            .map_err(|error| unwritten(&recording_file(args, spec), &error))?,
        None => Vec::new(),
    };
    let report = Report {
        case: spec.id.clone(),
        title: product.title.clone(),
        seed: args.seed,
        containers: spec.containers(),
        full_cycle: !partly,
        power_stage: power_stage(spec, catalogue),
        charge,
        discharge,
        energy,
        round_trip: share(energy.exported_mwh, energy.imported_mwh - energy.still_stored_mwh),
        site_s,
        wall_s,
        times_real_time: site_s as f64 / wall_s,
        verdict,
        rows,
    };
    Ok((report, notes))
}

fn recording_file(args: &SiteArgs, spec: &SiteSpec) -> PathBuf {
    args.out.join(format!("{}.mcap", spec.id))
}

fn unwritten(file: &Path, error: &std::io::Error) -> Mistake {
    Mistake::unwritable(format!("{}: {error}", file.display()))
}

/// What a viewer is told of the site; each phase is a step.
fn describe(
    args: &SiteArgs,
    product: &SiteProduct,
    spec: &SiteSpec,
    catalogue: &Catalogue,
) -> Result<Description, Mistake> {
    let steps = PHASES
        .iter()
        .filter(|phase| args.hours.is_none() || **phase != "empty");
    let scenario = Scenario {
        feature: product.title.clone(),
        name: "one charge and one discharge at the dispatch limits".into(),
        steps: steps.map(|phase| (*phase).to_owned()).collect(),
    };
    Ok(Description {
        scenario: Some(scenario),
        ..describe_site(&product.title, spec, args.seed, catalogue)?
    })
}

/// What stands between DC and the POI, as a line of the account: a PCS that stands for a station has no transformer.
fn power_stage(spec: &SiteSpec, catalogue: &Catalogue) -> &'static str {
    let pcs = catalogue.ids(Kind::Pcs);
    let bare = |group: &StationSpec| pcs.contains(&group.id.as_str());
    if spec.stations.iter().all(bare) {
        "lost in PCS, no transformer"
    } else if spec.stations.iter().any(bare) {
        "lost in PCS, some with transformer"
    } else {
        "lost in PCS and transformer"
    }
}

impl Energy {
    fn of(moved: &SiteAccount) -> Self {
        let mwh = |joules: f64| joules / 3.6e9;
        Self {
            imported_mwh: mwh(moved.imported_j),
            exported_mwh: mwh(moved.exported_j),
            cells_mwh: mwh(moved.cells_j),
            path_mwh: mwh(moved.path_j),
            pcs_mwh: mwh(moved.converter_j),
            auxiliaries_mwh: mwh(moved.auxiliary_j),
            still_stored_mwh: mwh(moved.stored_j),
            aged_mwh: mwh(moved.gone_j),
            unaccounted_mwh: mwh(moved.residual_j()),
        }
    }
}

/// Clusters that are on their bus when power is asked for first.
fn clusters_row(spec: &SiteSpec, connected: usize) -> Row {
    let clusters: usize = spec
        .stations
        .iter()
        .map(|group| group.containers() * group.plant.container.clusters)
        .sum();
    Row::new(
        "clusters connected",
        connected as f64,
        "",
        [clusters as f64; 2],
        format!(
            "{connected} of {clusters} within {CONNECT_S} s: precharge, then each at the voltage of the bus"
        ),
    )
}

fn rows(
    product: &SiteProduct,
    spec: &SiteSpec,
    catalogue: &Catalogue,
    full: bool,
    [charge, discharge]: [&Phase; 2],
    moved: &SiteAccount,
) -> Result<Vec<Row>, Mistake> {
    let power = |phase: &Phase, what| {
        let (low, high) = (1.0 - POWER_ACCURACY, 1.0 + POWER_ACCURACY);
        Row::new(
            what,
            phase.peak_mw,
            "MW",
            [low * product.power_mw, high * product.power_mw],
            format!(
                "catalogue: {} MW printed, kept within 1 % (assumption)",
                product.power_mw
            ),
        )
    };
    let least = if full { LEAST_ENERGY } else { 0.0 };
    let cell_id = &spec.stations[0].plant.cell.id;
    let window_v = catalogue.product::<Cell>(cell_id)?.value.window_v;
    let outermost = |k: usize, pick: fn(f64, f64) -> f64| pick(charge.cell_v[k], discharge.cell_v[k]);
    Ok(vec![
        power(charge, "highest charging power"),
        power(discharge, "highest discharging power"),
        Row::new(
            "energy of the discharge",
            discharge.energy_mwh,
            "MWh",
            [
                least * product.energy_mwh,
                (1.0 + ENERGY_ACCURACY) * product.energy_mwh,
            ],
            format!(
                "catalogue: {} MWh printed, the most dispatched",
                product.energy_mwh
            ),
        ),
        Row::new(
            "lowest cell voltage",
            outermost(0, f64::min),
            "V",
            window_v,
            format!("catalogue: window of {cell_id}"),
        ),
        Row::new(
            "highest cell voltage",
            outermost(1, f64::max),
            "V",
            window_v,
            format!("catalogue: window of {cell_id}"),
        ),
        Row::new(
            "energy unaccounted for",
            share(moved.residual_j().abs(), moved.throughput_j) * 100.0,
            "%",
            [0.0, UNACCOUNTED * 100.0],
            "conservation: share of the energy moved".into(),
        ),
    ])
}

/// A course's phases; only a full cycle empties the site first.
const PHASES: [&str; 4] = ["connect", "empty", "charge", "discharge"];

/// A site on its way, with what the user sees of it.
struct Course<'a> {
    site: Site,
    expected_s: f64,
    interrupted: &'a AtomicBool,
    since: Instant,
    told: Instant,
    phase: &'static str,
    /// Phases begun.
    phases: usize,
    /// What happened to contacts and fuses so far, connecting included.
    abnormal_events: usize,
    recording: Option<SiteRecording>,
}

impl<'a> Course<'a> {
    fn new(site: Site, expected_s: f64, interrupted: &'a AtomicBool) -> Self {
        let now = Instant::now();
        Self {
            site,
            expected_s,
            interrupted,
            since: now,
            told: now,
            phase: "",
            phases: 0,
            abnormal_events: 0,
            recording: None,
        }
    }

    /// Another phase begins.
    fn begin(&mut self, phase: &'static str) {
        if let Some(recording) = &mut self.recording {
            recording.phase(self.site.now(), self.phases, phase);
        }
        self.phase = phase;
        self.phases += 1;
    }

    fn second(&mut self) -> Result<SiteFigures, Mistake> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Mistake::new("interrupted", ""));
        }
        let first = self.site.now() == bess_types::SimTime::ZERO;
        self.site.advance();
        let events = self.site.drain_events();
        for (number, event) in events.filter(|(_, event)| ABNORMAL.contains(&event.point)) {
            self.abnormal_events += 1;
            if let Some(recording) = &mut self.recording {
                recording.abnormal(number, &event);
            }
        }
        let figures = self.site.figures();
        if let Some(recording) = &mut self.recording {
            recording.second(self.site.now(), self.site.containers(), &figures);
        }
        let progress = self.told.elapsed() >= PROGRESS;
        if first || progress {
            self.told = Instant::now();
        }
        if progress {
            self.tell(&figures);
        }
        Ok(figures)
    }

    fn tell(&self, figures: &SiteFigures) {
        let site_s = self.site.now().as_secs_f64();
        let wall_s = self.since.elapsed().as_secs_f64();
        let left_s = (self.expected_s + f64::from(CONNECT_S) - site_s).max(0.0) * wall_s / site_s;
        say(&format!(
            "{:<9} {:>5.2} h  SOC {:>5.1} %  {:>8.2} MW  cells {:.3} to {:.3} V, {:.1} to {:.1} °C  {:.0} x real time, {} left",
            self.phase,
            site_s / 3600.0,
            100.0 * figures.soc,
            figures.poi_w / 1e6,
            figures.cell_v[0],
            figures.cell_v[1],
            figures.cell_c[0],
            figures.cell_c[1],
            site_s / wall_s,
            duration(left_s)
        ));
    }

    /// Runs at a set-point until the site no longer follows it, or until `enough`.
    fn phase(
        &mut self,
        name: &'static str,
        watts: f64,
        limit_w: f64,
        enough: impl Fn(u64, &SiteFigures) -> bool,
    ) -> Result<Phase, Mistake> {
        self.begin(name);
        self.site.set_power_w(watts);
        let before = self.site.figures();
        let abnormal_before = self.abnormal_events;
        let mut phase = Phase {
            seconds: 0,
            energy_mwh: 0.0,
            peak_mw: 0.0,
            mean_mw: 0.0,
            soc_start: before.soc,
            soc_end: before.soc,
            cell_v: [f64::MAX, f64::MIN],
            cell_c: [f64::MAX, f64::MIN],
            abnormal_events: 0,
        };
        loop {
            let figures = self.second()?;
            let given_w = figures.poi_w * watts.signum();
            phase.seconds += 1;
            phase.energy_mwh += given_w / 3.6e9;
            phase.peak_mw = phase.peak_mw.max(given_w / 1e6);
            phase.soc_end = figures.soc;
            phase.cell_v = widened(phase.cell_v, figures.cell_v);
            phase.cell_c = widened(phase.cell_c, figures.cell_c);
            if given_w < CUT_OFF * limit_w || enough(phase.seconds, &figures) {
                break;
            }
        }
        phase.mean_mw = phase.energy_mwh * 3600.0 / phase.seconds as f64;
        phase.abnormal_events = self.abnormal_events - abnormal_before;
        Ok(phase)
    }
}

/// `part` of `whole`; 0 of nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

fn widened(range: [f64; 2], seen: [f64; 2]) -> [f64; 2] {
    [range[0].min(seen[0]), range[1].max(seen[1])]
}

fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("about {seconds:.0} s")
    } else {
        format!("about {:.0} min", seconds / 60.0)
    }
}

impl Report {
    fn table(&self) -> Vec<String> {
        let mut lines = vec![format!("{:<34} {:>12} {:>12}", "", "charge", "discharge")];
        let phases = [&self.charge, &self.discharge];
        let mut line = |what: &str, figure: &dyn Fn(&Phase) -> String| {
            let [charge, discharge] = phases.map(figure);
            lines.push(format!("{what:<34} {charge:>12} {discharge:>12}"));
        };
        line("time, h", &|phase| {
            format!("{:.2}", phase.seconds as f64 / 3600.0)
        });
        line("energy at the POI, MWh", &|phase| {
            format!("{:.3}", phase.energy_mwh)
        });
        line("highest power at the POI, MW", &|phase| {
            format!("{:.3}", phase.peak_mw)
        });
        line("mean power at the POI, MW", &|phase| {
            format!("{:.3}", phase.mean_mw)
        });
        line("SOC, %", &|phase| {
            format!("{:.1} to {:.1}", 100.0 * phase.soc_start, 100.0 * phase.soc_end)
        });
        line("cell voltage, V", &|phase| {
            format!("{:.2} to {:.2}", phase.cell_v[0], phase.cell_v[1])
        });
        line("cell temperature, °C", &|phase| {
            format!("{:.1} to {:.1}", phase.cell_c[0], phase.cell_c[1])
        });
        lines.push(String::new());
        lines.push(format!("{:<34} {:>12} {:>12}", "of the energy in", "MWh", "%"));
        let energy = &self.energy;
        for (what, mwh) in [
            ("in at the POI", energy.imported_mwh),
            ("out at the POI", energy.exported_mwh),
            ("heat in cells", energy.cells_mwh),
            ("heat in busbars and boxes", energy.path_mwh),
            (self.power_stage, energy.pcs_mwh),
            ("used by auxiliaries", energy.auxiliaries_mwh),
            ("still stored", energy.still_stored_mwh),
            ("gone with capacity", energy.aged_mwh),
            ("unaccounted for", energy.unaccounted_mwh),
        ] {
            let percent = 100.0 * share(mwh, energy.imported_mwh);
            lines.push(format!("{what:<34} {mwh:>12.4} {percent:>12.2}"));
        }
        lines.push(format!(
            "round trip at the POI {:.1} %; {:.2} h of site time in {:.1} s, {:.0} x real time",
            100.0 * self.round_trip,
            self.site_s as f64 / 3600.0,
            self.wall_s,
            self.times_real_time
        ));
        lines.push(String::new());
        for row in &self.rows {
            lines.push(format!(
                "{:<5} {:<42} {:>9.3} {:<4} {:>8.3} to {:<8.3} {}",
                row.verdict, row.what, row.value, row.unit, row.range[0], row.range[1], row.source
            ));
        }
        lines
    }
}
