//! A site: many containers behind stations and one point of interconnection (POI), with an ideal dispatcher for use
//! without device traffic.
//!
//! Modelled: every cell of every container, as in [`Plant`]; station losses, with the transformer's in the power
//! stage; auxiliary supply from the same grid; the dispatch limits in MW and MWh. Containers meet only at the POI, so
//! between two dispatches each runs for a second by itself, on whichever core is free: the results do not depend on
//! the number of threads. The dispatcher moves the same actuators as controllers do, but knows the truth and
//! is never late. Not modelled: medium-voltage cables, a main transformer, grid voltage that depends on power; the
//! transformer of a bare PCS that stands for a station, so such a site loses less than a real one. The voltage at the POI
//! (`poi_kv`) is information only.

use core::time::Duration;

use bess_types::{Actuation, Coil, CoolingMode, SimTime};
use rayon::prelude::*;

use crate::Plant;
use crate::cluster::Path;
use crate::rng;
use crate::spec::{InitialState, PlantConfigError, SiteSpec};
use crate::topology::{Place, PlantEvent};

/// Time between two dispatches.
pub const INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL_S: f64 = 1.0;
/// Window of cell voltages the dispatcher keeps, V (LFP, 2.8 to 3.6), and where it begins to reduce power, V.
const CELL_V: [f64; 2] = [2.8, 3.6];
const TAPER_V: f64 = 0.1;
/// A cluster is connected to the bus within this voltage of its own, V.
const CLOSING_GAP_V: f64 = 5.0;
/// The first is connected at this share of its voltage, or when the bus is this share of it below what precharge can
/// reach, since the bus bleeder divides the voltage; but never through a gap that welds.
const PRECHARGED: f64 = 0.98;
const SETTLED: f64 = 0.002;
/// A container gives no power before all its clusters are connected, since under load the bus leaves their voltage; one
/// that cannot connect is waited for no longer than this.
const CONNECTING: Duration = Duration::from_mins(1);
/// Coolant set-point, °C, and the cell temperatures that ask for heating and for cooling, °C.
const COOLANT_C: f64 = 22.0;
const HEAT_BELOW_C: f64 = 5.0;
const COOL_ABOVE_C: f64 = 24.0;
/// Below this share of its rating a container is not worth dispatching.
const LEAST_SHARE: f64 = 0.01;

/// The containers of a site and their dispatcher.
#[derive(Clone, Debug)]
pub struct Site {
    containers: Vec<Container>,
    power_limit_w: f64,
    energy_limit_j: f64,
    set_point_w: f64,
    now: SimTime,
    /// Energy given at the POI since the site was as full as it is, J.
    spent_j: f64,
    /// Energy exported and imported at the POI, J.
    exported_j: f64,
    imported_j: f64,
}

/// What a site shows at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SiteFigures {
    /// Mean power at the POI over the last second, W, positive exporting.
    pub poi_w: f64,
    /// Auxiliary power of all containers, W.
    pub auxiliary_w: f64,
    /// Mean state of charge, 0 to 1.
    pub soc: f64,
    /// Lowest and highest cell voltage, V.
    pub cell_v: [f64; 2],
    /// Lowest and highest cell temperature, °C.
    pub cell_c: [f64; 2],
    /// Power the site can take in and give out now, W at the power stages.
    pub able_w: [f64; 2],
    /// Clusters with a closed main path.
    pub clusters_connected: usize,
    /// Energy exported at the POI since the start, J.
    pub exported_j: f64,
    /// Energy imported, J.
    pub imported_j: f64,
}

/// Where a site's energy went since it was made, J; two of them give what happened in between.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SiteAccount {
    /// Exported at the POI.
    pub exported_j: f64,
    /// Imported at the POI.
    pub imported_j: f64,
    /// Held by cells and DC buses.
    pub stored_j: f64,
    /// Heat in cells, their balancing and shorts.
    pub cells_j: f64,
    /// Heat in busbars, cables, boxes, precharge resistors and bleeders.
    pub path_j: f64,
    /// Lost in power stages and, where stations have them, their transformers.
    pub converter_j: f64,
    /// Used by cooling, HVAC, fans and controls.
    pub auxiliary_j: f64,
    /// Gone with burnt cells and lost capacity.
    pub gone_j: f64,
    /// Moved through the cells, either way.
    pub throughput_j: f64,
}

impl SiteAccount {
    /// What happened since `start`; `stored_j` is the increase.
    #[must_use]
    pub fn since(&self, start: &Self) -> Self {
        Self {
            exported_j: self.exported_j - start.exported_j,
            imported_j: self.imported_j - start.imported_j,
            stored_j: self.stored_j - start.stored_j,
            cells_j: self.cells_j - start.cells_j,
            path_j: self.path_j - start.path_j,
            converter_j: self.converter_j - start.converter_j,
            auxiliary_j: self.auxiliary_j - start.auxiliary_j,
            gone_j: self.gone_j - start.gone_j,
            throughput_j: self.throughput_j - start.throughput_j,
        }
    }

    /// Of a difference: what came in and is neither stored nor in any of the sums, J; 0 if nothing is lost.
    pub fn residual_j(&self) -> f64 {
        let found_j = self.exported_j
            + self.stored_j
            + self.cells_j
            + self.path_j
            + self.converter_j
            + self.auxiliary_j
            + self.gone_j;
        self.imported_j - found_j
    }
}

impl Site {
    /// A site at rest. Containers differ by their seeds, which follow from the site's seed and their number.
    ///
    /// # Errors
    /// As [`Plant::new`].
    pub fn new(
        spec: &SiteSpec,
        initial: &InitialState,
        seed: u64,
        grid_step: Duration,
    ) -> Result<Self, PlantConfigError> {
        let containers = spec
            .stations
            .iter()
            .flat_map(|station| core::iter::repeat_n(&station.plant, station.containers()))
            .zip(0_u64..)
            .map(|(plant, number)| {
                let seed = rng::mix(seed ^ rng::mix(number));
                Plant::new(plant, initial, seed, grid_step).map(|plant| Container::new(plant, grid_step))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let energy_limit_j = spec.energy_limit_wh * 3600.0;
        let soc = mean_of(&containers, |container| container.seen.soc);
        Ok(Self {
            containers,
            power_limit_w: spec.power_limit_w,
            energy_limit_j,
            set_point_w: 0.0,
            now: SimTime::ZERO,
            spent_j: (1.0 - soc) * energy_limit_j,
            exported_j: 0.0,
            imported_j: 0.0,
        })
    }

    /// Power wanted at the POI, W, positive exporting; kept within the site's limits. Not a number counts as 0.
    pub fn set_power_w(&mut self, watts: f64) {
        let watts = if watts.is_finite() { watts } else { 0.0 };
        let limit_w = self.power_limit_w.max(0.0);
        self.set_point_w = watts.clamp(-limit_w, limit_w);
    }

    /// One [`INTERVAL`]: dispatch, then every container by itself, in parallel on the current rayon pool.
    pub fn advance(&mut self) {
        self.dispatch();
        self.containers.par_iter_mut().for_each(Container::advance);
        self.now += INTERVAL;
        let poi_j: f64 = self.containers.iter().map(|container| container.poi_j).sum();
        if poi_j > 0.0 {
            self.exported_j += poi_j;
            self.spent_j += poi_j;
        } else {
            self.imported_j -= poi_j;
        }
        if self.set_point_w < 0.0 {
            // a site that is charged has what its state of charge says, at least
            let by_soc_j = (1.0 - self.soc()) * self.energy_limit_j;
            self.spent_j = self.spent_j.min(by_soc_j.max(0.0));
        }
    }

    /// Time on the site's clock.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// The containers, in the order of the spec.
    pub fn containers(&self) -> impl ExactSizeIterator<Item = &Plant> {
        self.containers.iter().map(|container| &container.plant)
    }

    /// One container, counted from 0, for faults and samples.
    pub fn container_mut(&mut self, number: usize) -> Option<&mut Plant> {
        self.containers
            .get_mut(number)
            .map(|container| &mut container.plant)
    }

    /// Discrete changes since the last call, container by container, with its number.
    pub fn drain_events(&mut self) -> impl Iterator<Item = (usize, PlantEvent)> {
        self.containers
            .iter_mut()
            .enumerate()
            .flat_map(|(number, container)| container.plant.drain_events().map(move |event| (number, event)))
    }

    /// What the site shows now.
    pub fn figures(&self) -> SiteFigures {
        let mut figures = SiteFigures {
            soc: self.soc(),
            cell_v: [f64::MAX, f64::MIN],
            cell_c: [f64::MAX, f64::MIN],
            exported_j: self.exported_j,
            imported_j: self.imported_j,
            ..SiteFigures::default()
        };
        for container in &self.containers {
            let seen = &container.seen;
            figures.poi_w += container.poi_j / INTERVAL_S;
            figures.auxiliary_w += seen.auxiliary_w;
            figures.cell_v[0] = figures.cell_v[0].min(seen.cell_v[0]);
            figures.cell_v[1] = figures.cell_v[1].max(seen.cell_v[1]);
            figures.cell_c[0] = figures.cell_c[0].min(seen.cell_c[0]);
            figures.cell_c[1] = figures.cell_c[1].max(seen.cell_c[1]);
            figures.clusters_connected += seen.connected;
            figures.able_w[0] += seen.able_w[0];
            figures.able_w[1] += seen.able_w[1];
        }
        figures
    }

    /// Where the energy went since the site was made.
    pub fn account(&self) -> SiteAccount {
        let mut account = SiteAccount {
            exported_j: self.exported_j,
            imported_j: self.imported_j,
            ..SiteAccount::default()
        };
        for container in &self.containers {
            let ledger = container.plant.ledger();
            account.stored_j += ledger.stored_j + ledger.capacitor_j;
            account.cells_j += ledger.cell_heat_j + ledger.tap_heat_j;
            account.path_j += ledger.joint_heat_j + ledger.path_heat_j + ledger.bus_heat_j;
            account.converter_j += ledger.converter_loss_j;
            account.auxiliary_j += container.auxiliary_j;
            account.gone_j += ledger.burnt_j + ledger.aged_j;
            account.throughput_j += ledger.throughput_j;
        }
        account
    }

    fn soc(&self) -> f64 {
        mean_of(&self.containers, |container| container.seen.soc)
    }

    /// Shares the set-point among the containers by what each can take.
    fn dispatch(&mut self) {
        let auxiliary_w: f64 = self.containers.iter().map(|c| c.seen.auxiliary_w).sum();
        let exhausted = self.set_point_w > 0.0 && self.spent_j >= self.energy_limit_j;
        let idle = self.set_point_w == 0.0 || exhausted;
        let wanted_w = if idle { 0.0 } else { self.set_point_w + auxiliary_w };
        let way = usize::from(wanted_w > 0.0);
        let able_w: f64 = self.containers.iter().map(|c| c.seen.able_w[way]).sum();
        let share = if able_w > 0.0 {
            (wanted_w / able_w).clamp(-1.0, 1.0)
        } else {
            0.0
        };
        for container in &mut self.containers {
            let watts = share * container.seen.able_w[way];
            container.operate(watts);
        }
    }
}

fn mean_of(containers: &[Container], figure: impl Fn(&Container) -> f64) -> f64 {
    containers.iter().map(figure).sum::<f64>() / containers.len() as f64
}

/// A container and what its operator knows of it.
#[derive(Clone, Debug)]
struct Container {
    plant: Plant,
    grid_step: Duration,
    seen: Seen,
    /// Energy at the POI in the last interval, J.
    poi_j: f64,
    ac_j: f64,
    /// Energy its own supply has used since the start, J.
    auxiliary_j: f64,
}

/// What the operator looks at once per interval.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    soc: f64,
    cell_v: [f64; 2],
    cell_c: [f64; 2],
    auxiliary_w: f64,
    connected: usize,
    /// Power it can take in and give out, W at the power stage.
    able_w: [f64; 2],
}

impl Container {
    fn new(plant: Plant, grid_step: Duration) -> Self {
        let mut container = Self {
            plant,
            grid_step,
            seen: Seen::default(),
            poi_j: 0.0,
            ac_j: 0.0,
            auxiliary_j: 0.0,
        };
        container.look();
        container
    }

    fn advance(&mut self) {
        let end = self.plant.now + INTERVAL;
        while self.plant.now < end {
            self.plant.advance(self.plant.now + self.grid_step);
        }
        let ac_j = self.plant.stack.converter.ac_j;
        let auxiliary_j = if self.plant.grid.energised {
            self.seen.auxiliary_w * INTERVAL_S
        } else {
            0.0
        };
        self.poi_j = ac_j - self.ac_j - auxiliary_j;
        self.auxiliary_j += auxiliary_j;
        self.ac_j = ac_j;
        self.look();
    }

    fn look(&mut self) {
        let plant = &self.plant;
        let mut seen = Seen {
            cell_v: [f64::MAX, f64::MIN],
            cell_c: [f64::MAX, f64::MIN],
            auxiliary_w: plant.auxiliary_w(),
            ..Seen::default()
        };
        for &celsius in &plant.thermal.cell_c {
            seen.cell_c[0] = seen.cell_c[0].min(celsius);
            seen.cell_c[1] = seen.cell_c[1].max(celsius);
        }
        seen.soc = plant.cells.soc.iter().sum::<f64>() / plant.cells.soc.len() as f64;
        let (mut total_a, mut most_a) = (0.0, 0.0_f64);
        for cluster in &plant.stack.clusters {
            for i in cluster.cells.clone() {
                let volts = plant.cells.voltage_v(i, cluster.current_a);
                seen.cell_v[0] = seen.cell_v[0].min(volts);
                seen.cell_v[1] = seen.cell_v[1].max(volts);
            }
            if cluster.path() == Path::Main {
                seen.connected += 1;
                total_a += cluster.current_a.abs();
                most_a = most_a.max(cluster.current_a.abs());
            }
        }
        // clusters do not share evenly: the busiest sets the limit
        let evenness = if most_a > 10.0 {
            total_a / (most_a * seen.connected as f64)
        } else {
            1.0
        };
        let boxes_w = plant.hv_box_rated_a() * seen.connected as f64 * evenness * plant.stack.bus.voltage_v;
        let rated_w = plant.stack.converter.rated_va();
        let most_w = boxes_w.min(rated_w);
        let connects = seen.connected < plant.stack.clusters.len() && plant.now < SimTime::ZERO + CONNECTING;
        let taper = |volts: f64| {
            let share = (volts / TAPER_V).clamp(0.0, 1.0);
            if !connects && share * most_w > LEAST_SHARE * rated_w {
                share
            } else {
                0.0
            }
        };
        seen.able_w = [
            most_w * taper(CELL_V[1] - seen.cell_v[1]),
            most_w * taper(seen.cell_v[0] - CELL_V[0]),
        ];
        self.seen = seen;
    }

    /// What an operator does at this moment: connects, cools, sets the power.
    fn operate(&mut self, watts: f64) {
        self.connect();
        self.condition();
        let running = self.seen.connected > 0 && watts != 0.0;
        self.act(
            Place::CONTAINER,
            &Actuation::Converter {
                gate: running,
                ac_contactor: self.seen.connected > 0,
                active_power_w: watts,
                reactive_power_var: 0.0,
            },
        );
    }

    /// The bus is precharged from the first cluster; each cluster follows when the bus stands near its own voltage.
    fn connect(&mut self) {
        let bus_v = self.plant.stack.bus.voltage_v;
        for c in 0..self.plant.stack.clusters.len() {
            let cluster = &self.plant.stack.clusters[c];
            let emf_v = cluster.sums.emf_v;
            let gap_v = (emf_v - bus_v).abs();
            let first = c == 0 && self.seen.connected == 0;
            let near = gap_v
                < if first {
                    self.first_gap_v(emf_v)
                } else {
                    CLOSING_GAP_V
                };
            let closed = |coil| cluster.contactor(coil).closed();
            let (positive, negative) = (closed(Coil::MainPositive), closed(Coil::MainNegative));
            let precharges = first && !positive;
            if positive {
                if closed(Coil::Precharge) {
                    self.coil(c, Coil::Precharge, false);
                }
            } else if !negative {
                if precharges || near {
                    self.coil(c, Coil::MainNegative, true);
                }
            } else if near {
                self.coil(c, Coil::MainPositive, true);
            } else if precharges {
                self.coil(c, Coil::Precharge, true);
            }
        }
    }

    /// Gap through which the first cluster is connected, V.
    fn first_gap_v(&self, emf_v: f64) -> f64 {
        let stack = &self.plant.stack;
        let ratio = stack.hv_box.precharge_ohm * stack.bus.bleeder_s;
        let left = ratio / (1.0 + ratio) + SETTLED;
        (left.max(1.0 - PRECHARGED) * emf_v).min(stack.hv_box.weld_gap_v)
    }

    fn condition(&mut self) {
        let mode = if self.seen.cell_c[0] < HEAT_BELOW_C {
            CoolingMode::Heat
        } else if self.seen.cell_c[1] > COOL_ABOVE_C {
            CoolingMode::Cool
        } else {
            CoolingMode::Off
        };
        self.act(
            Place::CONTAINER,
            &Actuation::Cooling {
                mode,
                setpoint_c: COOLANT_C,
            },
        );
        self.act(Place::CONTAINER, &Actuation::Hvac { on: true });
        if self.plant.fans.is_some() {
            let duty = f64::from(mode == CoolingMode::Cool);
            let topology = self.plant.topology();
            for cluster in 0..topology.clusters {
                for pack in 0..topology.packs_per_cluster {
                    self.act(Place::pack(cluster, pack), &Actuation::PackFan { duty });
                }
            }
        }
    }

    fn coil(&mut self, cluster: usize, coil: Coil, energised: bool) {
        self.act(Place::cluster(cluster), &Actuation::Coil { coil, energised });
    }

    fn act(&mut self, place: Place, action: &Actuation) {
        self.plant.actuate(self.plant.now, place, action);
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap is the test failing; measured figures show with --nocapture"
)]
mod tests {
    use bess_types::Channel;

    use super::*;
    use crate::spec::StationSpec;
    use crate::testing::{STEP, small, spec};

    fn site(spec: crate::PlantSpec, containers: usize, soc: f64) -> Site {
        let rated_w = spec.container.converter.rated_va * containers as f64;
        let spec = SiteSpec {
            id: "test".into(),
            stations: vec![StationSpec {
                id: "station".into(),
                count: containers,
                containers_per_station: 1,
                plant: spec,
            }],
            poi_kv: 35.0,
            power_limit_w: 0.95 * rated_w,
            energy_limit_wh: 2.0 * rated_w,
        };
        let initial = InitialState {
            soc,
            ..InitialState::default()
        };
        Site::new(&spec, &initial, 11, STEP).unwrap()
    }

    fn run(site: &mut Site, seconds: u32) {
        for _ in 0..seconds {
            site.advance();
        }
    }

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    }

    /// Everything a run leaves behind: all state there is, each number in as many digits as tell it from its neighbours,
    /// what happened, and what sensors say.
    fn everything(threads: usize) -> String {
        use core::fmt::Write as _;
        let mut site = site(small(3, 9), 3, 0.4);
        let mut text = String::new();
        pool(threads).install(|| {
            run(&mut site, 30);
            site.set_power_w(1.2e6);
            run(&mut site, 40);
            site.container_mut(1)
                .unwrap()
                .inject(&crate::PlantFault::Nail {
                    cluster: 0,
                    pack: 0,
                    cell: 3,
                })
                .unwrap();
            site.set_power_w(-9e5);
            run(&mut site, 40);
        });
        for (number, event) in site.drain_events() {
            writeln!(text, "{number} {event:?}").unwrap();
        }
        let mut readings = Vec::new();
        for number in 0..3 {
            let plant = site.container_mut(number).unwrap();
            for channel in [Channel::CellVoltages, Channel::CellTemperatures] {
                plant.sample(Place::pack(0, 0), channel, &mut readings);
                writeln!(text, "{readings:?}").unwrap();
            }
        }
        let (figures, account) = (site.figures(), site.account());
        assert!(account.residual_j().is_finite());
        write!(text, "{figures:?}\n{account:?}\n{site:?}").unwrap();
        text
    }

    #[test]
    fn threads_change_no_bit() {
        let one = everything(1);
        assert!(one.len() > 1_000_000, "{}", one.len());
        assert!(one.contains("stage: Runaway"), "the fault shows");
        assert!(one == everything(2), "one thread and two differ");
        assert!(one == everything(3), "one thread and three differ");
        assert!(one == everything(1), "a rerun differs");
    }

    #[test]
    fn energy_is_accounted_for_up_to_the_point_of_interconnection() {
        let mut site = site(small(2, 9), 2, 0.5);
        run(&mut site, 40);
        let start = (site.account(), site.figures());
        for watts in [-6e5, 6e5] {
            site.set_power_w(watts);
            run(&mut site, 120);
        }
        let moved = site.account().since(&start.0);
        let residual_j = moved.residual_j();
        println!("{moved:?}\nresidual {residual_j} J");
        assert!(residual_j.abs() < 1e-4 * moved.throughput_j, "{residual_j}");
        assert!(moved.imported_j > 6.9e7 && moved.exported_j > 6.9e7, "{moved:?}");
        for loss_j in [moved.cells_j, moved.path_j, moved.converter_j, moved.auxiliary_j] {
            assert!(loss_j > 1e4, "{moved:?}");
        }
    }

    #[test]
    fn power_waits_for_the_clusters() {
        let mut site = site(small(3, 9), 1, 0.6);
        site.set_power_w(3e5);
        run(&mut site, 60);
        let figures = site.figures();
        assert_eq!(figures.clusters_connected, 3, "{figures:?}");
        assert!((figures.poi_w - 3e5).abs() < 2e3, "{figures:?}");
    }

    #[test]
    fn a_cluster_that_cannot_connect_is_not_waited_for_forever() {
        let mut site = site(small(3, 9), 1, 0.6);
        site.container_mut(0)
            .unwrap()
            .inject(&crate::PlantFault::FuseBlown { cluster: 2 })
            .unwrap();
        site.set_power_w(3e5);
        run(&mut site, 50);
        assert!(site.figures().poi_w < 0.0, "{:?}", site.figures());
        run(&mut site, 20);
        let figures = site.figures();
        assert_eq!(figures.clusters_connected, 2);
        assert!((figures.poi_w - 3e5).abs() < 2e3, "{figures:?}");
    }

    #[test]
    fn a_bleeder_that_divides_the_voltage_does_not_keep_the_clusters_out() {
        for (bleeder_kohm, connected) in [(6.3, 2), (4.35, 2), (1.0, 0)] {
            let mut spec = small(2, 9);
            spec.container.dc_bus.bleeder_kohm = bleeder_kohm;
            let mut site = site(spec, 1, 0.5);
            run(&mut site, 60);
            let figures = site.figures();
            assert_eq!(
                figures.clusters_connected, connected,
                "{bleeder_kohm} kΩ: {figures:?}"
            );
            assert!(site.drain_events().all(|(_, event)| event.point != "welded"));
        }
    }

    #[test]
    fn containers_differ_and_share_the_set_point() {
        let mut site = site(spec(), 2, 0.6);
        run(&mut site, 30);
        let figures = site.figures();
        assert_eq!(figures.clusters_connected, 18);
        site.set_power_w(2.0e6);
        run(&mut site, 20);
        let figures = site.figures();
        assert!((figures.poi_w - 2.0e6).abs() < 2e3, "{figures:?}");
        let first: Vec<f64> = site.containers().map(|plant| plant.cells.soc[0]).collect();
        assert!(first[0] != first[1]);
        site.set_power_w(f64::NAN);
        run(&mut site, 10);
        let figures = site.figures();
        assert!(
            figures.poi_w < 0.0 && figures.poi_w > -3e4,
            "only auxiliaries: {figures:?}"
        );
        assert!(site.drain_events().all(|(_, event)| event.point != "welded"));
    }

    #[test]
    fn cells_stay_in_their_window_at_both_ends() {
        let mut spec = small(1, 9);
        // a sixth of the capacity with the resistance of the whole: a cycle in forty minutes
        spec.cell.capacity_ah /= 6.0;
        spec.cell.resistance.calibration /= 6.0;
        spec.container.converter.rated_va /= 9.0;
        let mut site = site(spec, 1, 0.5);
        run(&mut site, 20);
        for watts in [1e9, -1e9, 1e9] {
            site.set_power_w(watts);
            for _ in 0..1300 {
                site.advance();
                let [low, high] = site.figures().cell_v;
                assert!(
                    low > CELL_V[0] - 0.05 && high < CELL_V[1] + 0.05,
                    "{low} {high} at {}",
                    site.now()
                );
            }
            let figures = site.figures();
            println!("{watts:e}: {figures:?}");
            assert!(
                if watts > 0.0 {
                    figures.soc < 0.1
                } else {
                    figures.soc > 0.9
                },
                "{figures:?}"
            );
        }
        for plant in site.containers() {
            let ledger = plant.ledger();
            assert!(ledger.residual_j.abs() < 1e-3 * ledger.throughput_j, "{ledger:?}");
        }
    }

    #[test]
    fn the_energy_limit_ends_a_discharge() {
        let mut site = site(small(2, 9), 1, 1.0);
        run(&mut site, 20);
        site.energy_limit_j = 60.0 * 1e5;
        site.spent_j = 0.0;
        site.set_power_w(1e5);
        run(&mut site, 90);
        let figures = site.figures();
        assert!((figures.exported_j - 60.0 * 1e5).abs() < 2e5, "{figures:?}");
        assert!(figures.poi_w < 0.0);
    }
}
