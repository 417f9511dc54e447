//! What experiments are made with: the shipped data, a plant under their hands, and runs of it in simulated time.

use core::time::Duration;

use bess_catalogue::Catalogue;
use bess_catalogue::product::{Agent, Container};
use bess_plant::spec::{AgentSpec, CellSpec};
use bess_plant::{InitialState, Place, Plant, PlantEvent, PlantFault, PlantSpec, TruthRef};
use bess_types::{Actuation, Channel, Coil, CoolingMode, Reading};

/// Electrical step of experiments on contacts and fire.
pub(crate) const FINE: Duration = Duration::from_millis(10);
/// Electrical step of experiments that take hours; the cell's links are exact at any step.
pub(crate) const COARSE: Duration = Duration::from_millis(100);
/// Seed of every experiment that names none.
const SEED: u64 = 42;

type Change = dyn Fn(&mut PlantSpec) + Send + Sync;

/// Where experiments take their plants from.
#[derive(Default)]
pub struct Lab {
    change: Option<Box<Change>>,
}

impl Lab {
    /// The shipped data.
    pub fn shipped() -> Self {
        Self::default()
    }

    /// The shipped data with a change, to see which rows notice it.
    pub fn changed(change: impl Fn(&mut PlantSpec) + Send + Sync + 'static) -> Self {
        Self {
            change: Some(Box::new(change)),
        }
    }

    /// A shipped container.
    pub(crate) fn container(&self, id: &str) -> Result<PlantSpec, String> {
        self.plant(id, None)
    }

    fn plant(&self, container: &str, cell: Option<&str>) -> Result<PlantSpec, String> {
        let mut spec = Catalogue::shipped()
            .plant(container, cell)
            .map_err(|error| error.to_string())?;
        if let Some(change) = &self.change {
            change(&mut spec);
        }
        Ok(spec)
    }

    /// Power and energy of a shipped container as printed, kW and kWh.
    pub(crate) fn printed(id: &str) -> Result<(f64, f64), String> {
        let container = Catalogue::shipped()
            .product::<Container>(id)
            .map_err(|error| error.to_string())?
            .value;
        container
            .rated_kw
            .zip(container.rated_kwh)
            .ok_or_else(|| format!("{id} has no printed figures"))
    }

    /// A shipped suppression agent.
    pub(crate) fn agent(id: &str) -> Result<AgentSpec, String> {
        let agent = Catalogue::shipped().product::<Agent>(id);
        Ok(agent.map_err(|error| error.to_string())?.value.agent)
    }

    /// A shipped cell.
    pub(crate) fn cell(&self, id: &str) -> Result<CellSpec, String> {
        Ok(self.plant("liq-20ft-1267", Some(id))?.cell)
    }

    /// The liquid-cooled container with fewer clusters and packs.
    pub(crate) fn liquid(&self, clusters: usize, packs: usize) -> Result<PlantSpec, String> {
        let mut spec = self.container("liq-20ft-1267")?;
        spec.container.clusters = clusters;
        spec.container.packs_per_cluster = packs;
        Ok(spec)
    }
}

/// All cells alike.
pub(crate) fn uniform(soc: f64) -> InitialState {
    InitialState {
        soc,
        soc_sigma: 0.0,
        capacity_sigma: 0.0,
        resistance_sigma: 0.0,
        ..InitialState::default()
    }
}

/// A plant and its clock.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) plant: Plant,
    step: Duration,
    now: bess_types::SimTime,
    /// All that happened so far.
    pub(crate) events: Vec<PlantEvent>,
}

impl Bench {
    pub(crate) fn new(spec: &PlantSpec, initial: &InitialState, step: Duration) -> Result<Self, String> {
        Self::seeded(SEED, spec, initial, step)
    }

    /// With sensors and spread of another seed.
    pub(crate) fn seeded(
        seed: u64,
        spec: &PlantSpec,
        initial: &InitialState,
        step: Duration,
    ) -> Result<Self, String> {
        Ok(Self {
            plant: Plant::new(spec, initial, seed, step).map_err(|error| error.to_string())?,
            step,
            now: bess_types::SimTime::ZERO,
            events: Vec::new(),
        })
    }

    /// Simulated time, s.
    pub(crate) fn seconds(&self) -> f64 {
        self.now.as_secs_f64()
    }

    /// One electrical step.
    pub(crate) fn step(&mut self) {
        self.now += self.step;
        self.plant.advance(self.now);
        self.events.extend(self.plant.drain_events());
    }

    /// Runs for a time.
    pub(crate) fn run(&mut self, seconds: f64) {
        self.run_until(seconds, |_| false);
    }

    /// Runs until something is so, at most for a time; whether it came to be so.
    pub(crate) fn run_until(&mut self, seconds: f64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.seconds() + seconds - 0.5 * self.step.as_secs_f64();
        while self.seconds() < end {
            if done(self) {
                return true;
            }
            self.step();
        }
        done(self)
    }

    /// A truth point, to be read often.
    pub(crate) fn point(&self, part: &str, point: &str) -> Result<TruthRef, String> {
        self.plant
            .find(part, point)
            .ok_or_else(|| format!("the plant has no point `{point}` of `{part}`"))
    }

    /// A truth point now.
    pub(crate) fn truth(&self, part: &str, point: &str) -> Result<f64, String> {
        Ok(self.plant.truth(self.point(part, point)?))
    }

    /// The first of a channel's sensors now; NaN if it says nothing.
    pub(crate) fn sensed(&mut self, channel: Channel, out: &mut Vec<Reading>) -> f64 {
        self.plant.sample(Place::CONTAINER, channel, out);
        out.first().and_then(|reading| reading.ok()).unwrap_or(f64::NAN)
    }

    /// Spread of a pack's cell voltages as its monitoring unit reads them now, V.
    pub(crate) fn sensed_spread_v(&mut self, place: Place, out: &mut Vec<Reading>) -> f64 {
        self.plant.sample(place, Channel::CellVoltages, out);
        let volts = || out.iter().filter_map(|reading| reading.ok());
        volts().fold(f64::MIN, f64::max) - volts().fold(f64::MAX, f64::min)
    }

    /// When an event of a part first took a value, s; parts are compared by their end.
    pub(crate) fn when(&self, part: &str, point: &str, value: f64) -> Option<f64> {
        self.events
            .iter()
            .find(|e| e.part.ends_with(part) && e.point == point && e.value == value)
            .map(|e| e.at.as_secs_f64())
    }

    pub(crate) fn actuate(&mut self, place: Place, action: Actuation) {
        self.plant.actuate(self.now, place, &action);
    }

    pub(crate) fn inject(&mut self, fault: &PlantFault) -> Result<(), String> {
        self.plant.inject(fault).map_err(|error| error.to_string())
    }

    pub(crate) fn coil(&mut self, cluster: usize, coil: Coil, energised: bool) {
        self.actuate(Place::cluster(cluster), Actuation::Coil { coil, energised });
    }

    /// Precharges the bus from the first cluster and closes all clusters.
    pub(crate) fn close_all(&mut self) {
        self.coil(0, Coil::MainNegative, true);
        self.run(0.1);
        self.coil(0, Coil::Precharge, true);
        self.run(10.0);
        for cluster in 0..self.plant.topology().clusters {
            self.coil(cluster, Coil::MainNegative, true);
            self.coil(cluster, Coil::MainPositive, true);
            self.run(0.2);
        }
        self.coil(0, Coil::Precharge, false);
        self.run(0.1);
    }

    /// PCS running at an active power at its AC terminals, W.
    pub(crate) fn power(&mut self, active_power_w: f64) {
        self.actuate(
            Place::CONTAINER,
            Actuation::Converter {
                gate: true,
                ac_contactor: true,
                active_power_w,
                reactive_power_var: 0.0,
            },
        );
    }

    /// Liquid cooling to a supply temperature.
    pub(crate) fn cool(&mut self, setpoint_c: f64) {
        self.actuate(
            Place::CONTAINER,
            Actuation::Cooling {
                mode: CoolingMode::Cool,
                setpoint_c,
            },
        );
    }

    /// Fans of all packs at a share of their full speed.
    pub(crate) fn drive_fans(&mut self, duty: f64) {
        let topology = self.plant.topology();
        for cluster in 0..topology.clusters {
            for pack in 0..topology.packs_per_cluster {
                self.actuate(Place::pack(cluster, pack), Actuation::PackFan { duty });
            }
        }
    }

    /// Runs at a constant mean cluster current, A, discharging positive, until `done` or for a time. Returns
    /// whether it was done. The PCS is driven like by a current controller: its power follows the bus voltage.
    pub(crate) fn current(
        &mut self,
        amperes: f64,
        seconds: f64,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, String> {
        let clusters = self.plant.topology().clusters as f64;
        let (voltage, current, power) = (
            self.point("", "bus-voltage")?,
            self.point("", "bus-current")?,
            self.point("pcs", "active-power")?,
        );
        let wanted_a = amperes * clusters;
        Ok(self.run_until(seconds, |bench| {
            if done(bench) {
                return true;
            }
            let plant = &bench.plant;
            let (bus_v, bus_a) = (plant.truth(voltage), plant.truth(current));
            // what the PCS loses shows as current it does not deliver
            let missing_w = (wanted_a - bus_a) * bus_v;
            bench.power(plant.truth(power) + missing_w);
            false
        }))
    }
}
