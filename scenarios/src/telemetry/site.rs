//! The recording of a whole site: a plant for each container, and no devices. The same stream as of a rig, looked at more
//! rarely, because a site has ninety times the cells and hours to tell of.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bess_plant::site::SiteFigures;
use bess_plant::{Plant, PlantEvent, TruthRef};
use bess_telemetry::{Cells, Description, PointDef, Points, Truth};
use bess_types::{SimTime, Verdict};

use super::describe::{CellPoints, PointList, SITE, container_tag, plant_points};
use super::log::Log;
use super::sample::{Rounding, add_cells};
use super::sink::{Item, Sink, Terms};
use crate::steps::names::PLANT;

/// Site time between two looks at cells in a run of less than an hour, and in a longer one, s.
const CELLS_EVERY_S: [u64; 2] = [60, 300];
/// Looks at points for each look at cells.
const POINTS: u64 = 5;
/// Most bytes, about.
const LIMIT: u64 = 1 << 30;

/// What a site shows besides its containers.
const FIGURES: [Figure; 4] = [
    Figure {
        name: "poi-active-power",
        unit: "W",
        min: -1e9,
        max: 1e9,
        of: |figures| figures.poi_w,
    },
    Figure {
        name: "auxiliary-power",
        unit: "W",
        min: 0.0,
        max: 1e7,
        of: |figures| figures.auxiliary_w,
    },
    Figure {
        name: "soc",
        unit: "",
        min: 0.0,
        max: 1.0,
        of: |figures| figures.soc,
    },
    Figure {
        name: "clusters-connected",
        unit: "",
        min: 0.0,
        max: 1e4,
        of: |figures| figures.clusters_connected as f64,
    },
];

struct Figure {
    name: &'static str,
    unit: &'static str,
    min: f64,
    max: f64,
    of: fn(&SiteFigures) -> f64,
}

impl Figure {
    fn definition(&self) -> PointDef {
        PointDef {
            name: self.name.into(),
            unit: self.unit.into(),
            min: self.min,
            max: self.max,
            resolution: Rounding::of_range(self.min, self.max).resolution(),
            ..PointDef::default()
        }
    }
}

/// A recording of a site under way.
pub(crate) struct SiteRecording {
    sink: Sink,
    log: Log,
    cells_every_s: u64,
    /// Events handed over so far.
    events: usize,
    /// By container.
    cells: Vec<CellPoints>,
    /// By index of the description: the container and its point; behind them those of [`FIGURES`].
    points: Vec<(usize, TruthRef)>,
    roundings: Vec<Rounding>,
    last: Vec<f64>,
    /// The phase under way.
    phase: Option<(usize, String)>,
}

impl SiteRecording {
    /// Begins one of a run of about `expected_s`. `description` lacks cells and points yet.
    pub(crate) fn create<'a>(
        file: &Path,
        mut description: Description,
        expected_s: f64,
        plants: impl Iterator<Item = &'a Plant>,
    ) -> io::Result<Self> {
        let cells_every_s = CELLS_EVERY_S[usize::from(expected_s >= 3600.0)];
        let mut list = PointList::default();
        let (mut cells, mut points) = (Vec::new(), Vec::new());
        for ((number, plant), container) in plants.enumerate().zip(&mut description.containers) {
            container.first_cell = description.cells.count;
            container.first_cluster = description.cells.clusters;
            let of = CellPoints::of(plant);
            of.add_to(&mut description.cells);
            cells.push(of);
            for (tag, defs, places) in plant_points(plant, &container.tag) {
                list.add(tag, Truth::T, defs, Vec::new());
                points.extend(places.into_iter().map(|place| (number, place)));
            }
        }
        list.add(
            format!("{PLANT}{SITE}"),
            Truth::T,
            FIGURES.iter().map(Figure::definition).collect(),
            Vec::new(),
        );
        list.finish(&mut description);
        let every_ms = u32::try_from(1000 * cells_every_s / POINTS).unwrap_or(u32::MAX);
        for def in description.tables.iter_mut().flatten() {
            def.recorded_every_ms = every_ms;
        }
        let roundings: Vec<_> = description
            .all_points()
            .map(|(_, def)| Rounding::of_resolution(def.resolution))
            .collect();
        let mut log = Log::default();
        if let Some(scenario) = &description.scenario {
            log.scenario(SimTime::ZERO, &scenario.name, scenario.steps.len());
        }
        let terms = Terms {
            scenario: description.scenario.clone(),
            paced: false,
            live: false,
            limit: LIMIT,
        };
        Ok(Self {
            sink: Sink::create(file, &description, terms)?,
            log,
            cells_every_s,
            events: 0,
            last: vec![f64::NAN; roundings.len()],
            cells,
            points,
            roundings,
            phase: None,
        })
    }

    /// Another phase begins; the one before is over.
    pub(crate) fn phase(&mut self, at: SimTime, number: usize, name: &str) {
        self.phase_ends(at);
        self.log.step(at, number, name, None);
        self.phase = Some((number, name.to_owned()));
    }

    fn phase_ends(&mut self, at: SimTime) {
        if let Some((number, name)) = self.phase.take() {
            self.log.step(at, number, &name, Some(Verdict::Pass));
        }
    }

    /// What happens in no normal operation has happened in a container, counted from 0.
    pub(crate) fn abnormal(&mut self, number: usize, event: &PlantEvent) {
        self.log.plant(&container_tag(number), event);
    }

    /// After a second of the site.
    pub(crate) fn second<'a>(
        &mut self,
        at: SimTime,
        plants: impl Iterator<Item = &'a Plant>,
        figures: &SiteFigures,
    ) {
        self.put_events();
        let second = at.as_nanos() / 1_000_000_000;
        if second > 1 && !second.is_multiple_of(self.cells_every_s / POINTS) {
            return;
        }
        let plants: Vec<_> = plants.collect();
        let complete = second <= 1 || second.is_multiple_of(self.cells_every_s);
        let mut frame = Points {
            at_ns: at.as_nanos(),
            complete,
            ..Points::default()
        };
        let of_plants = self.points.iter().map(|(number, at)| plants[*number].truth(*at));
        let of_site = FIGURES.iter().map(|figure| (figure.of)(figures));
        let values = of_plants.chain(of_site).zip(&self.roundings).zip(&mut self.last);
        for (index, ((value, rounding), last)) in (0..).zip(values) {
            let value = rounding.round(value);
            if complete || value != *last {
                *last = value;
                frame.index.push(index);
                frame.value.push(Some(value).filter(|value| value.is_finite()));
            }
        }
        self.sink.put(Item::Points(frame));
        if complete {
            let mut frame = Cells {
                at_ns: at.as_nanos(),
                ..Cells::default()
            };
            for (plant, of) in plants.into_iter().zip(&self.cells) {
                add_cells(&mut frame, plant, of);
            }
            self.sink.put(Item::Cells(frame));
        }
    }

    /// Ends it with what the run amounts to; says what is missing in it.
    pub(crate) fn close(mut self, at: SimTime, verdict: Verdict) -> io::Result<Vec<String>> {
        self.phase_ends(at);
        self.log.verdict(at, verdict, None);
        self.put_events();
        self.sink.close()
    }

    fn put_events(&mut self) {
        for event in &self.log.events()[self.events..] {
            self.sink.offer(Item::Event(Arc::clone(event)));
        }
        self.events = self.log.events().len();
    }
}
