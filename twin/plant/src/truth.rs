//! Named truth points: what checkers, reports and the viewer may read, past all sensors.

mod climate;

use bess_types::Coil;

use crate::cluster::{Cluster, Path};
use crate::plant::Plant;

/// One kind of truth point, for listing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruthPoint {
    /// Part pattern: empty for the container, `cluster-NN`, `cluster-NN/pack-NN/cell-NN`, `pcs`, …
    pub part: &'static str,
    /// Point name, in kebab-case.
    pub point: &'static str,
    /// Unit; empty for states and shares.
    pub unit: &'static str,
    /// Lowest value a viewer should expect.
    pub min: f64,
    /// Highest value a viewer should expect.
    pub max: f64,
    /// What it is.
    pub description: &'static str,
}

/// A truth point of one part, found once and read often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TruthRef {
    row: u16,
    cluster: u16,
    pack: u16,
    cell: u16,
}

impl Plant {
    /// A point of a part: `("cluster-03/pack-05/cell-17", "voltage")`. The container's own part is empty.
    pub fn find(&self, part: &str, point: &str) -> Option<TruthRef> {
        let mut at = TruthRef {
            row: 0,
            cluster: 0,
            pack: 0,
            cell: 0,
        };
        let mut pattern = part;
        if part.starts_with("cluster-") {
            let mut pieces = part.split('/');
            at.cluster = number(pieces.next()?, "cluster-", self.topology.clusters)?;
            pattern = CLUSTER;
            if let Some(pack) = pieces.next() {
                at.pack = number(pack, "pack-", self.topology.packs_per_cluster)?;
                pattern = PACK;
            }
            if let Some(cell) = pieces.next() {
                at.cell = number(cell, "cell-", self.topology.cells_per_pack)?;
                pattern = CELL;
            }
            if pieces.next().is_some() {
                return None;
            }
        }
        let row = rows().position(|row| row.about.part == pattern && row.about.point == point)?;
        at.row = u16::try_from(row).ok()?;
        Some(at)
    }

    /// The point's value now.
    pub fn truth(&self, at: TruthRef) -> f64 {
        let row = usize::from(at.row);
        let row = ROWS.get(row).unwrap_or_else(|| &climate::ROWS[row - ROWS.len()]);
        (row.read)(self, At(at))
    }

    /// Every kind of truth point.
    pub fn truth_points(&self) -> Vec<TruthPoint> {
        rows().map(|row| row.about).collect()
    }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(climate::ROWS)
}

/// Index behind `prefix`, 0-based; names count from 1 and have two digits.
fn number(text: &str, prefix: &str, count: usize) -> Option<u16> {
    let digits = text.strip_prefix(prefix).filter(|d| d.len() == 2)?;
    let index = digits.parse::<usize>().ok()?.checked_sub(1)?;
    (index < count).then(|| u16::try_from(index).ok()).flatten()
}

#[derive(Clone, Copy)]
struct At(TruthRef);

impl At {
    fn c(self) -> usize {
        usize::from(self.0.cluster)
    }

    fn cluster(self, plant: &Plant) -> &Cluster {
        &plant.stack.clusters[self.c()]
    }

    fn pack(self, plant: &Plant) -> usize {
        plant.topology.pack_index(self.c(), usize::from(self.0.pack))
    }

    fn cell(self, plant: &Plant) -> usize {
        plant
            .topology
            .cell_index(self.c(), usize::from(self.0.pack), usize::from(self.0.cell))
    }
}

struct Row {
    about: TruthPoint,
    read: fn(&Plant, At) -> f64,
}

const CONTAINER: &str = "";
const CLUSTER: &str = "cluster-NN";
const PACK: &str = "cluster-NN/pack-NN";
const CELL: &str = "cluster-NN/pack-NN/cell-NN";

const fn row(
    part: &'static str,
    point: &'static str,
    unit: &'static str,
    range: (f64, f64),
    description: &'static str,
    read: fn(&Plant, At) -> f64,
) -> Row {
    Row {
        about: TruthPoint {
            part,
            point,
            unit,
            min: range.0,
            max: range.1,
            description,
        },
        read,
    }
}

const BIT: (f64, f64) = (0.0, 1.0);
const CELL_V: (f64, f64) = (0.0, 5.0);
const CELL_C: (f64, f64) = (-20.0, 600.0);
const STACK_V: (f64, f64) = (0.0, 1500.0);
const RATED_W: (f64, f64) = (-1.9e6, 1.9e6);

static ROWS: &[Row] = &[
    row(CONTAINER, "soc", "", BIT, "mean state of charge", |p, _| {
        mean(p.cells.soc.iter().copied())
    }),
    row(
        CONTAINER,
        "cell-voltage-min",
        "V",
        CELL_V,
        "lowest cell voltage",
        |p, _| voltages(p, all(p)).fold(f64::MAX, f64::min),
    ),
    row(
        CONTAINER,
        "cell-voltage-max",
        "V",
        CELL_V,
        "highest cell voltage",
        |p, _| voltages(p, all(p)).fold(f64::MIN, f64::max),
    ),
    row(
        CONTAINER,
        "cell-temperature-min",
        "°C",
        CELL_C,
        "coldest cell",
        |p, _| temperatures(p, all(p)).fold(f64::MAX, f64::min),
    ),
    row(
        CONTAINER,
        "cell-temperature-max",
        "°C",
        CELL_C,
        "hottest cell",
        |p, _| temperatures(p, all(p)).fold(f64::MIN, f64::max),
    ),
    row(
        CONTAINER,
        "cell-temperature-mean",
        "°C",
        CELL_C,
        "mean cell temperature",
        |p, _| mean(temperatures(p, all(p))),
    ),
    row(
        CONTAINER,
        "cells-in-runaway",
        "",
        (0.0, 100.0),
        "cells in stage 3 now",
        |p, _| p.runaway.burning() as f64,
    ),
    row(CONTAINER, "bus-voltage", "V", STACK_V, "stack DC bus", |p, _| {
        p.stack.bus.voltage_v
    }),
    row(
        CONTAINER,
        "bus-current",
        "A",
        (-2000.0, 2000.0),
        "sum of cluster currents",
        |p, _| p.stack.clusters.iter().map(|c| c.current_a).sum(),
    ),
    row(
        CONTAINER,
        "clusters-connected",
        "",
        (0.0, 99.0),
        "clusters with a closed main path",
        |p, _| p.stack.clusters.iter().filter(|c| c.path() == Path::Main).count() as f64,
    ),
    row(
        CONTAINER,
        "coil-supply",
        "",
        BIT,
        "24 V coil supply present",
        |p, _| f64::from(p.coil_supply),
    ),
    row(
        CONTAINER,
        "coil-supply-voltage",
        "V",
        (0.0, 30.0),
        "at the contactor coils",
        |p, _| p.coil_supply_v(),
    ),
    row(CONTAINER, "door-open", "", BIT, "door open", |p, _| {
        f64::from(p.air.door_open)
    }),
    row(
        CONTAINER,
        "auxiliary-power",
        "W",
        (0.0, 40_000.0),
        "cooling, HVAC, fan, controls",
        |p, _| p.auxiliary_w(),
    ),
    row(
        CONTAINER,
        "energy-residual",
        "J",
        (-1e6, 1e6),
        "energy the DC side has lost or invented",
        |p, _| p.ledger().residual_j,
    ),
    row(
        CONTAINER,
        "energy-throughput",
        "J",
        (0.0, 1e12),
        "energy moved through the cells",
        |p, _| p.ledger().throughput_j,
    ),
    row(
        CONTAINER,
        "charge-residual",
        "C",
        (-1e3, 1e3),
        "charge lost or invented, summed over cells",
        |p, _| p.ledger().charge_residual_c,
    ),
    row(
        CLUSTER,
        "voltage",
        "V",
        STACK_V,
        "behind the contactors",
        |p, a| a.cluster(p).voltage_v(),
    ),
    row(
        CLUSTER,
        "current",
        "A",
        (-250.0, 250.0),
        "positive discharging",
        |p, a| a.cluster(p).current_a,
    ),
    row(CLUSTER, "soc", "", BIT, "mean state of charge", |p, a| {
        mean(a.cluster(p).cells.clone().map(|i| p.cells.soc[i]))
    }),
    row(CLUSTER, "soc-min", "", BIT, "lowest state of charge", |p, a| {
        a.cluster(p)
            .cells
            .clone()
            .map(|i| p.cells.soc[i])
            .fold(f64::MAX, f64::min)
    }),
    row(CLUSTER, "soc-max", "", BIT, "highest state of charge", |p, a| {
        a.cluster(p)
            .cells
            .clone()
            .map(|i| p.cells.soc[i])
            .fold(f64::MIN, f64::max)
    }),
    row(
        CLUSTER,
        "soh",
        "",
        BIT,
        "mean state of health: capacity over fresh capacity",
        |p, a| mean(a.cluster(p).cells.clone().map(|i| p.ageing.health(i).soh)),
    ),
    row(CLUSTER, "soh-min", "", BIT, "lowest state of health", |p, a| {
        a.cluster(p)
            .cells
            .clone()
            .map(|i| p.ageing.health(i).soh)
            .fold(f64::MAX, f64::min)
    }),
    row(
        CLUSTER,
        "cells-plating",
        "",
        (0.0, 1000.0),
        "cells that take charge below the plating temperature",
        |p, a| a.cluster(p).cells.clone().filter(|&i| p.ageing.plates(i)).count() as f64,
    ),
    row(CLUSTER, "main-positive", "", BIT, "K+ contact closed", |p, a| {
        contact(p, a, Coil::MainPositive)
    }),
    row(
        CLUSTER,
        "main-negative",
        "",
        BIT,
        "K− contact closed",
        |p, a| contact(p, a, Coil::MainNegative),
    ),
    row(CLUSTER, "precharge", "", BIT, "K_pre contact closed", |p, a| {
        contact(p, a, Coil::Precharge)
    }),
    row(CLUSTER, "welded", "", (0.0, 3.0), "welded contacts", |p, a| {
        Coil::ALL
            .iter()
            .filter(|&&k| a.cluster(p).contactor(k).welded)
            .count() as f64
    }),
    row(CLUSTER, "path-closed", "", BIT, "main path closed", |p, a| {
        f64::from(a.cluster(p).path() == Path::Main)
    }),
    row(CLUSTER, "breaker", "", BIT, "DC breaker closed", |p, a| {
        f64::from(a.cluster(p).breaker_closed)
    }),
    row(CLUSTER, "fuse", "", BIT, "fuse whole", |p, a| {
        f64::from(a.cluster(p).fuse_intact)
    }),
    row(
        CLUSTER,
        "fuse-rise",
        "",
        BIT,
        "how far its element is to melting",
        |p, a| a.cluster(p).fuse_rise.iter().sum(),
    ),
    row(
        CLUSTER,
        "precharge-resistor-energy",
        "J",
        (0.0, 30_000.0),
        "heat in the precharge resistor",
        |p, a| a.cluster(p).precharge_j,
    ),
    row(
        CLUSTER,
        "precharge-resistor-tripped",
        "",
        BIT,
        "its thermal switch open",
        |p, a| f64::from(a.cluster(p).precharge_tripped),
    ),
    row(
        CLUSTER,
        "insulation",
        "Ω",
        (0.0, 2e7),
        "resistance to earth its monitor is exposed to: the lower leg",
        |p, a| {
            let [positive, negative] = p.insulation.legs_ohm(a.c());
            positive.min(negative)
        },
    ),
    row(
        CLUSTER,
        "insulation-positive",
        "Ω",
        (0.0, 2e7),
        "positive leg to earth, with those of joined clusters",
        |p, a| p.insulation.legs_ohm(a.c())[0],
    ),
    row(
        CLUSTER,
        "insulation-negative",
        "Ω",
        (0.0, 2e7),
        "negative leg to earth, with those of joined clusters",
        |p, a| p.insulation.legs_ohm(a.c())[1],
    ),
    row(
        CLUSTER,
        "positive-to-earth",
        "V",
        STACK_V,
        "positive pole over earth, by its leakage alone",
        |p, a| p.insulation.positive_share(a.c()) * a.cluster(p).voltage_v(),
    ),
    row(
        CLUSTER,
        "hv-box-temperature",
        "°C",
        (-20.0, 100.0),
        "high-voltage box",
        |p, a| p.hv_box_c(a.c()),
    ),
    row(
        CLUSTER,
        "cell-voltage-min",
        "V",
        CELL_V,
        "lowest cell voltage",
        |p, a| voltages(p, a.cluster(p).cells.clone()).fold(f64::MAX, f64::min),
    ),
    row(
        CLUSTER,
        "cell-voltage-max",
        "V",
        CELL_V,
        "highest cell voltage",
        |p, a| voltages(p, a.cluster(p).cells.clone()).fold(f64::MIN, f64::max),
    ),
    row(
        CLUSTER,
        "cell-temperature-min",
        "°C",
        CELL_C,
        "coldest cell",
        |p, a| temperatures(p, a.cluster(p).cells.clone()).fold(f64::MAX, f64::min),
    ),
    row(
        CLUSTER,
        "cell-temperature-max",
        "°C",
        CELL_C,
        "hottest cell",
        |p, a| temperatures(p, a.cluster(p).cells.clone()).fold(f64::MIN, f64::max),
    ),
    row(
        CLUSTER,
        "cell-temperature-mean",
        "°C",
        CELL_C,
        "mean cell temperature",
        |p, a| mean(temperatures(p, a.cluster(p).cells.clone())),
    ),
    row(PACK, "voltage", "V", (0.0, 170.0), "sum of its cells", |p, a| {
        voltages(p, cells_of(p, a)).sum()
    }),
    row(PACK, "soc", "", BIT, "mean state of charge", |p, a| {
        mean(cells_of(p, a).map(|i| p.cells.soc[i]))
    }),
    row(
        PACK,
        "cell-voltage-min",
        "V",
        CELL_V,
        "lowest cell voltage",
        |p, a| voltages(p, cells_of(p, a)).fold(f64::MAX, f64::min),
    ),
    row(
        PACK,
        "cell-voltage-max",
        "V",
        CELL_V,
        "highest cell voltage",
        |p, a| voltages(p, cells_of(p, a)).fold(f64::MIN, f64::max),
    ),
    row(
        PACK,
        "cell-temperature-min",
        "°C",
        CELL_C,
        "coldest cell",
        |p, a| temperatures(p, cells_of(p, a)).fold(f64::MAX, f64::min),
    ),
    row(
        PACK,
        "cell-temperature-max",
        "°C",
        CELL_C,
        "hottest cell",
        |p, a| temperatures(p, cells_of(p, a)).fold(f64::MIN, f64::max),
    ),
    row(
        PACK,
        "plate-temperature",
        "°C",
        (-20.0, 100.0),
        "cooling plate and its coolant, or the air in its gaps",
        |p, a| p.thermal.pack_c(a.pack(p)),
    ),
    row(
        PACK,
        "cells-balancing",
        "",
        (0.0, 64.0),
        "cells whose bleed resistor or active balancer is on",
        |p, a| cells_of(p, a).filter(|&i| p.cells.balances(i)).count() as f64,
    ),
    row(PACK, "gas", "L", (0.0, 20.0), "vent gas in the pack", |p, a| {
        p.gas.pack_gas_l(a.pack(p))
    }),
    row(CELL, "voltage", "V", CELL_V, "at the terminals", |p, a| {
        p.cells.voltage_v(a.cell(p), a.cluster(p).current_a)
    }),
    row(
        CELL,
        "open-circuit-voltage",
        "V",
        CELL_V,
        "without hysteresis",
        |p, a| p.cells.ocv_v(a.cell(p)),
    ),
    row(CELL, "temperature", "°C", CELL_C, "mean of the cell", |p, a| {
        p.thermal.cell_c[a.cell(p)]
    }),
    row(
        CELL,
        "hottest-slice",
        "°C",
        CELL_C,
        "hottest fifth of the cell",
        |p, a| p.runaway.hottest_slice_c(a.cell(p), &p.thermal),
    ),
    row(CELL, "soc", "", BIT, "state of charge", |p, a| {
        p.cells.soc[a.cell(p)]
    }),
    row(CELL, "capacity", "Ah", (0.0, 350.0), "0 once burnt", |p, a| {
        p.cells.capacity_c[a.cell(p)] / 3600.0
    }),
    row(
        CELL,
        "resistance",
        "Ω",
        (0.0, 2e-3),
        "total DC resistance now",
        |p, a| p.cells.resistance_ohm[a.cell(p)],
    ),
    row(CELL, "soh", "", BIT, "capacity over fresh capacity", |p, a| {
        p.ageing.health(a.cell(p)).soh
    }),
    row(
        CELL,
        "resistance-growth",
        "",
        (0.0, 1.0),
        "resistance over fresh resistance, less 1",
        |p, a| p.ageing.health(a.cell(p)).resistance_factor - 1.0,
    ),
    row(
        CELL,
        "full-cycles",
        "",
        (0.0, 10_000.0),
        "equivalent full cycles, as ageing has seen them",
        |p, a| p.ageing.health(a.cell(p)).full_cycles,
    ),
    row(
        CELL,
        "plated-capacity",
        "",
        (0.0, 0.1),
        "share of capacity lost by lithium plating",
        |p, a| p.ageing.health(a.cell(p)).plated,
    ),
    row(
        CELL,
        "extra-current",
        "A",
        (-2.0, 1000.0),
        "through bleed resistor, balancer and shorts",
        |p, a| p.cells.extra_a[a.cell(p)],
    ),
    row(
        CELL,
        "balancing",
        "",
        BIT,
        "bleed resistor or active balancer on",
        |p, a| f64::from(p.cells.balances(a.cell(p))),
    ),
    row(
        CELL,
        "runaway-stage",
        "",
        (0.0, 4.0),
        "0 normal, 1 self-heating, 2 vented, 3 runaway, 4 burnt out",
        |p, a| p.runaway.stage(a.cell(p)),
    ),
    row(
        CELL,
        "vent-temperature",
        "°C",
        CELL_C,
        "hottest fifth when it vented; 0 until then",
        |p, a| p.runaway.vent_c(a.cell(p)),
    ),
    row(
        CELL,
        "runaway-temperature",
        "°C",
        CELL_C,
        "hottest fifth when it ran away; 0 until then",
        |p, a| p.runaway.runaway_c(a.cell(p)),
    ),
    row(
        CELL,
        "vented-gas",
        "L",
        (0.0, 300.0),
        "given off so far, at 25 °C",
        |p, a| p.runaway.given_off_l(a.cell(p)),
    ),
    row(
        CELL,
        "heat-to-next",
        "W",
        (-1000.0, 2000.0),
        "of a hot cell, through its large face to the next of the row",
        |p, a| p.runaway.to_next_w(a.cell(p)),
    ),
    row(
        "pcs",
        "active-power",
        "W",
        RATED_W,
        "at the AC terminals, positive discharging",
        |p, _| p.stack.converter.active_w,
    ),
    row(
        "pcs",
        "reactive-power",
        "var",
        RATED_W,
        "at the AC terminals",
        |p, _| p.stack.converter.reactive_var,
    ),
    row("pcs", "dc-voltage", "V", STACK_V, "DC terminals", |p, _| {
        p.stack.bus.voltage_v
    }),
    row(
        "pcs",
        "dc-current",
        "A",
        (-1936.0, 1936.0),
        "positive discharging",
        |p, _| p.stack.converter.dc_a,
    ),
    row("pcs", "gate", "", BIT, "gate pulses enabled", |p, _| {
        f64::from(p.stack.converter.gate)
    }),
    row("pcs", "ac-contactor", "", BIT, "closed", |p, _| {
        f64::from(p.stack.converter.ac_closed)
    }),
    row(
        "pcs",
        "running",
        "",
        BIT,
        "power stage transfers power",
        |p, _| f64::from(p.stack.converter.running),
    ),
    row("pcs", "power-present", "", BIT, "above 1 % of rated", |p, _| {
        f64::from(p.stack.converter.active_w.abs() > 0.01 * p.stack.converter.rated_va())
    }),
    row("pcs", "loss", "W", (0.0, 30_000.0), "heat of the PCS", |p, _| {
        p.stack.converter.loss_w
    }),
    row("pcs", "temperature", "°C", (-40.0, 100.0), "cabinet", |p, _| {
        p.air.ambient_c + p.stack.converter.rise_k
    }),
    row("grid", "energised", "", BIT, "grid present", |p, _| {
        f64::from(p.grid.energised)
    }),
    row(
        "grid",
        "voltage-pu",
        "",
        (0.0, 1.3),
        "at the PCS terminals",
        |p, _| p.grid.voltage_pu(),
    ),
    row(
        "grid",
        "frequency",
        "Hz",
        (45.0, 55.0),
        "of the source",
        |p, _| p.grid.frequency_hz,
    ),
    row(
        "grid",
        "poi-active-power",
        "W",
        RATED_W,
        "positive exporting",
        |p, _| p.poi_w(),
    ),
    row(
        "grid",
        "poi-reactive-power",
        "var",
        RATED_W,
        "positive exporting",
        |p, _| p.stack.converter.reactive_var,
    ),
    row("air", "temperature", "°C", (-20.0, 100.0), "mean", |p, _| {
        p.air.mean_c
    }),
    row(
        "air",
        "ceiling-temperature",
        "°C",
        (-20.0, 300.0),
        "with plume",
        |p, _| p.air.ceiling_c(),
    ),
    row(
        "air",
        "structure-temperature",
        "°C",
        (-20.0, 100.0),
        "racks and walls",
        |p, _| p.air.structure_c,
    ),
    row(
        "air",
        "ambient-temperature",
        "°C",
        (-40.0, 60.0),
        "outside",
        |p, _| p.air.ambient_c,
    ),
    row(
        "air",
        "hydrogen",
        "ppm",
        (0.0, 50_000.0),
        "at the ceiling",
        |p, _| p.gas.hydrogen_ppm(),
    ),
    row(
        "air",
        "hydrogen-mean",
        "ppm",
        (0.0, 50_000.0),
        "mean of the room",
        |p, _| p.gas.mean_hydrogen_ppm(),
    ),
    row(
        "air",
        "carbon-monoxide",
        "ppm",
        (0.0, 10_000.0),
        "at the ceiling",
        |p, _| p.gas.carbon_monoxide_ppm(),
    ),
    row("air", "smoke", "dB/m", (0.0, 1000.0), "at the ceiling", |p, _| {
        p.gas.smoke_db_per_m()
    }),
    row(
        "air",
        "gas-percent-lel",
        "%",
        (0.0, 200.0),
        "mean of the room, share of the lower explosive limit",
        |p, _| p.gas.lel_percent(),
    ),
    row(
        "air",
        "gas-ceiling-percent",
        "%",
        (0.0, 100.0),
        "at the ceiling, by volume",
        |p, _| p.gas.ceiling_percent(),
    ),
    row(
        "air",
        "vent-gas-flow",
        "L/s",
        (0.0, 20.0),
        "out of cells now",
        |p, _| p.gas.vent_l_per_s,
    ),
    row("air", "flame", "", BIT, "vent gas burns", |p, _| {
        f64::from(p.gas.flame)
    }),
    row("air", "deflagration", "", BIT, "has happened", |p, _| {
        f64::from(p.gas.deflagrated)
    }),
    row("air", "vent-fan", "", BIT, "running", |p, _| {
        f64::from(p.air.fan_runs())
    }),
    row("air", "damper-open", "", BIT, "open", |p, _| {
        f64::from(p.air.damper_open())
    }),
    row("air", "hvac", "", BIT, "circulating", |p, _| {
        f64::from(p.air.circulates())
    }),
    row("suppression", "pressure", "Pa", (0.0, 3e6), "cylinder", |p, _| {
        p.suppression.pressure_pa()
    }),
    row(
        "suppression",
        "concentration",
        "%",
        (0.0, 10.0),
        "by volume in the room",
        |p, _| p.suppression.percent(),
    ),
    row("suppression", "released", "", BIT, "valve has opened", |p, _| {
        f64::from(p.suppression.released())
    }),
    row("suppression", "flowing", "", BIT, "agent flows", |p, _| {
        f64::from(p.suppression.flowing)
    }),
];

fn contact(plant: &Plant, at: At, coil: Coil) -> f64 {
    f64::from(at.cluster(plant).contactor(coil).closed())
}

fn all(plant: &Plant) -> core::ops::Range<usize> {
    0..plant.topology.cells()
}

fn cells_of(plant: &Plant, at: At) -> core::ops::Range<usize> {
    plant.topology.pack_cells(at.pack(plant))
}

fn voltages(plant: &Plant, cells: core::ops::Range<usize>) -> impl Iterator<Item = f64> {
    let per_cluster = plant.topology.cells_per_cluster();
    cells.map(move |i| {
        plant
            .cells
            .voltage_v(i, plant.stack.clusters[i / per_cluster].current_a)
    })
}

fn temperatures(plant: &Plant, cells: core::ops::Range<usize>) -> impl Iterator<Item = f64> {
    plant.thermal.cell_c[cells].iter().copied()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    sum / n
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    #[test]
    fn every_listed_point_can_be_found_and_read() {
        let plant = crate::testing::plant(0.5);
        for point in plant.truth_points() {
            let part = point.part.replace("NN", "02");
            let at = plant.find(&part, point.point).unwrap();
            let value = plant.truth(at);
            assert!(value.is_finite(), "{part} {}: {value}", point.point);
        }
        assert_eq!(plant.find("cluster-10", "voltage"), None);
        assert_eq!(plant.find("cluster-01/pack-01/cell-45", "voltage"), None);
        assert_eq!(plant.find("cluster-1", "voltage"), None);
    }

    #[test]
    fn points() {
        let lines: Vec<String> = crate::testing::plant(0.5)
            .truth_points()
            .iter()
            .map(|p| {
                format!(
                    "{} {} [{}] {}..{}: {}",
                    if p.part.is_empty() { "." } else { p.part },
                    p.point,
                    p.unit,
                    p.min,
                    p.max,
                    p.description
                )
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
