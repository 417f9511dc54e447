//! The whole liquid-cooled container at 0.5C: efficiency, heat, coolant, spreads, balances.

use bess_plant::{InitialState, TruthRef};

use super::claim;
use crate::chart::{Chart, Points};
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, COARSE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        id: "container-cycle",
        title: "The liquid-cooled container at 0.5C",
        about: "All 3,564 cells with their spread cycle at 150 A per cluster between 2.8 and 3.6 V of the first cell \
                to get there, chiller at 22 °C, 25 °C outside. One cycle to settle, one that is judged.",
        claims: &[
            claim(
                "container-round-trip",
                "round trip of the stack at its DC terminals",
                "%",
                Expected::stated(95.0, 97.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::Brochure],
                    "CT §1, §11 check 1",
                    "battery round trip 96 %, accepted 95 to 97 %",
                ),
            ),
            claim(
                "container-heat",
                "mean irreversible heat of all cells over the cycle",
                "kW",
                Expected::about(36.0),
                Basis::Derived,
                Source::new(
                    &[Tag::Derived],
                    "CT §6",
                    "3,564 cells at 7 W ohmic and 3.3 W hysteresis: about 36 kW at 0.5C",
                ),
            ),
            claim(
                "coolant-rise",
                "mean coolant rise from supply to return over the cycle",
                "K",
                Expected::about(2.4),
                Basis::Derived,
                Source::new(
                    &[Tag::Derived],
                    "CT §6",
                    "2.4 K between inlet and outlet at 36 kW and 250 L/min of 40 % glycol",
                ),
            ),
            claim(
                "cell-over-coolant",
                "mean cell temperature over mean coolant, over the cycle",
                "K",
                Expected::stated(4.0, 5.0),
                Basis::Derived,
                Source::new(
                    &[Tag::Derived],
                    "CT §11 check 3, §6",
                    "steady difference of cell and coolant 4 to 5 K at 0.5C (0.43 K/W at about 10 W)",
                ),
            ),
            claim(
                "pack-temperature-spread",
                "largest difference between cells of a pack",
                "K",
                Expected::at_most(3.0),
                Basis::Predicted,
                Source::new(
                    &[Tag::Assumption],
                    "CT §6",
                    "target for the spread of cells in a pack: below 3 K",
                ),
            ),
            claim(
                "stack-temperature-spread",
                "largest difference between cells of the stack",
                "K",
                Expected::at_most(5.0),
                Basis::Predicted,
                Source::new(
                    &[Tag::Assumption, Tag::Brochure],
                    "CT §6, PL §7",
                    "target for the spread in a stack: below 5 K; the brochure prints ΔT ≤ 5 °C for cabinets",
                ),
            ),
            claim(
                "energy-balance",
                "energy lost or invented, share of the energy moved",
                "%",
                BALANCE,
                Basis::Predicted,
                BALANCE_SOURCE,
            ),
            claim(
                "charge-balance",
                "charge lost or invented, share of the charge moved",
                "%",
                BALANCE,
                Basis::Predicted,
                BALANCE_SOURCE,
            ),
        ],
        run: container_cycle,
    },
    Experiment {
        id: "passive-cooling",
        title: "A pack cools down",
        about: "A pack at rest at 35 °C, coolant taken to 25 °C. The time constant is the integral of cell over coolant \
                divided by the fall of the cell, so the way the coolant gets cold does not count.",
        claims: &[claim(
            "passive-cooling-time-constant",
            "time constant of a cell to its coolant",
            "s",
            Expected::about(2500.0),
            Basis::Derived,
            Source::new(
                &[Tag::Derived],
                "CT §6",
                "0.43 K/W and about 5.9 kJ/K per cell: time constant about 2,500 s",
            ),
        )],
        run: passive_cooling,
    },
    Experiment {
        id: "balancing",
        title: "Passive balancing",
        about: "One cell of a pack at rest has its bleed resistor on for two hours.",
        claims: &[claim(
            "balancing-time",
            "hours to take 1 % of charge out of a 300 Ah cell",
            "h",
            Expected::about(30.0),
            Basis::Derived,
            Source::new(&[Tag::Derived], "CT §4", "30 h at 100 mA (33 Ω at 3.3 V)"),
        )],
        run: balancing,
    },
];

const BALANCE: Expected = Expected::read(-0.1, 0.1, "limit as stated, either way");
const BALANCE_SOURCE: Source = Source::new(
    &[Tag::Assumption],
    "CT §11 check 5",
    "energy and charge balance close to better than 0.1 %",
);

/// 0.5C of a 300 Ah cell.
const HALF_C_A: f64 = 150.0;

struct Truths {
    voltage: [TruthRef; 2],
    mean_c: TruthRef,
    coolant: [TruthRef; 2],
    stack_c: [TruthRef; 2],
    packs_c: Vec<[TruthRef; 2]>,
}

/// Sums over the judged cycle.
#[derive(Default)]
struct Record {
    samples: f64,
    rise_k: f64,
    over_coolant_k: f64,
    pack_spread_k: f64,
    stack_spread_k: f64,
    curves: [Points; 4],
    spread: [Points; 2],
}

fn container_cycle(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("liq-20ft-1267")?;
    let mut bench = Bench::new(&spec, &InitialState::default(), COARSE)?;
    let points = points(&bench)?;
    bench.cool(22.0);
    bench.close_all();
    half_cycle(&mut bench, HALF_C_A, &points, None)?;
    half_cycle(&mut bench, -HALF_C_A, &points, None)?;
    let (begin, begin_s) = (bench.plant.ledger(), bench.seconds());
    let mut record = Record::default();
    half_cycle(&mut bench, HALF_C_A, &points, Some(&mut record))?;
    let middle = bench.plant.ledger();
    half_cycle(&mut bench, -HALF_C_A, &points, Some(&mut record))?;
    let (end, end_s) = (bench.plant.ledger(), bench.seconds());

    let discharged_j = middle.delivered_dc_j - begin.delivered_dc_j;
    let charged_j = middle.delivered_dc_j - end.delivered_dc_j;
    // what is left in the cells differs a little between begin and end of the cycle
    let taken_j = begin.stored_j - end.stored_j;
    let mut findings = Findings::default();
    findings.set_noted(
        "container-round-trip",
        discharged_j / (charged_j + taken_j) * 100.0,
        format!("{:.3} MWh out at the stack's DC terminals", discharged_j / 3.6e9),
    );
    findings.set(
        "container-heat",
        (end.cell_heat_j - begin.cell_heat_j) / (end_s - begin_s) / 1e3,
    );
    findings.set("coolant-rise", record.rise_k / record.samples);
    findings.set("cell-over-coolant", record.over_coolant_k / record.samples);
    findings.set("pack-temperature-spread", record.pack_spread_k);
    findings.set("stack-temperature-spread", record.stack_spread_k);
    findings.set("energy-balance", end.residual_j / end.throughput_j * 100.0);
    findings.set(
        "charge-balance",
        end.charge_residual_c / end.charge_throughput_c * 100.0,
    );
    let [cells, supply, back, volts] = record.curves;
    findings.draw(
        Chart::new("Temperatures of the judged cycle", "time, h", "°C")
            .curve("mean of the cells", cells)
            .curve("coolant supply", supply)
            .curve("coolant return", back),
    );
    let [pack, stack] = record.spread;
    findings.draw(
        Chart::new("Spread of cell temperatures", "time, h", "K")
            .curve("widest pack", pack)
            .curve("stack", stack)
            .band("target for a pack", 0.0, 3.0),
    );
    findings.draw(Chart::new("Stack voltage", "time, h", "V").curve("DC bus", volts));
    Ok(findings)
}

fn points(bench: &Bench) -> Result<Truths, String> {
    let topology = bench.plant.topology();
    let pair = |part: &str, points: [&str; 2]| -> Result<[TruthRef; 2], String> {
        Ok([bench.point(part, points[0])?, bench.point(part, points[1])?])
    };
    let extremes = ["cell-temperature-min", "cell-temperature-max"];
    let mut packs_c = Vec::new();
    for c in 1..=topology.clusters {
        for p in 1..=topology.packs_per_cluster {
            packs_c.push(pair(&format!("cluster-{c:02}/pack-{p:02}"), extremes)?);
        }
    }
    Ok(Truths {
        voltage: pair("", ["cell-voltage-min", "cell-voltage-max"])?,
        mean_c: bench.point("", "cell-temperature-mean")?,
        coolant: pair("coolant", ["supply-temperature", "return-temperature"])?,
        stack_c: pair("", extremes)?,
        packs_c,
    })
}

/// One way until the first cell reaches the end of the operating window.
fn half_cycle(
    bench: &mut Bench,
    amperes: f64,
    points: &Truths,
    mut record: Option<&mut Record>,
) -> Result<(), String> {
    let bus = bench.point("", "bus-voltage")?;
    let mut steps = 0_u32;
    let ended = bench.current(amperes, 9000.0, |bench| {
        steps += 1;
        if !steps.is_multiple_of(10) {
            return false;
        }
        let truth = |at: TruthRef| bench.plant.truth(at);
        if let Some(record) = record.as_mut().filter(|_| steps.is_multiple_of(300)) {
            let t_h = bench.seconds() / 3600.0;
            let [supply_c, return_c] = points.coolant.map(truth);
            let mean_c = truth(points.mean_c);
            let span = |[low, high]: [TruthRef; 2]| truth(high) - truth(low);
            let pack_k = points.packs_c.iter().map(|&p| span(p)).fold(0.0, f64::max);
            let stack_k = span(points.stack_c);
            record.samples += 1.0;
            record.rise_k += return_c - supply_c;
            record.over_coolant_k += mean_c - f64::midpoint(supply_c, return_c);
            record.pack_spread_k = record.pack_spread_k.max(pack_k);
            record.stack_spread_k = record.stack_spread_k.max(stack_k);
            for (curve, value) in record
                .curves
                .iter_mut()
                .zip([mean_c, supply_c, return_c, truth(bus)])
            {
                curve.push((t_h, value));
            }
            record.spread[0].push((t_h, pack_k));
            record.spread[1].push((t_h, stack_k));
        }
        if amperes > 0.0 {
            truth(points.voltage[0]) <= 2.8
        } else {
            truth(points.voltage[1]) >= 3.6
        }
    })?;
    if ended {
        Ok(())
    } else {
        Err(format!("at {amperes} A no cell reached its limit within 2.5 h"))
    }
}

fn passive_cooling(lab: &Lab) -> Result<Findings, String> {
    let initial = InitialState {
        cell_temperature_c: 35.0,
        ..uniform(0.5)
    };
    let mut bench = Bench::new(&lab.liquid(1, 1)?, &initial, COARSE)?;
    bench.cool(25.0);
    let (cell, plate) = (
        bench.point("", "cell-temperature-mean")?,
        bench.point("cluster-01/pack-01", "plate-temperature")?,
    );
    let start_c = bench.plant.truth(cell);
    let mut over_ks = 0.0;
    let (mut cells, mut plates) = (Vec::new(), Vec::new());
    bench.run_until(7200.0, |bench| {
        let (cell_c, plate_c) = (bench.plant.truth(cell), bench.plant.truth(plate));
        over_ks += (cell_c - plate_c) * COARSE.as_secs_f64();
        let t = bench.seconds();
        if cells.last().is_none_or(|&(last, _)| t - last >= 30.0) {
            cells.push((t, cell_c));
            plates.push((t, plate_c));
        }
        false
    });
    let fallen_k = start_c - bench.plant.truth(cell);
    let mut findings = Findings::default();
    findings.set("passive-cooling-time-constant", over_ks / fallen_k);
    findings.draw(
        Chart::new("Cooling down", "time, s", "°C")
            .curve("cells", cells)
            .curve("plate and coolant", plates),
    );
    Ok(findings)
}

fn balancing(lab: &Lab) -> Result<Findings, String> {
    let mut bench = Bench::new(&lab.liquid(1, 1)?, &uniform(0.5), COARSE)?;
    let (bled, other) = (
        bench.point("cluster-01/pack-01/cell-01", "soc")?,
        bench.point("cluster-01/pack-01/cell-02", "soc")?,
    );
    bench.actuate(
        bess_plant::Place::pack(0, 0),
        bess_types::Actuation::Balancing { cells: 1 },
    );
    bench.run(7200.0);
    let moved = bench.plant.truth(other) - bench.plant.truth(bled);
    let mut findings = Findings::default();
    findings.set("balancing-time", 0.01 / moved * 2.0);
    Ok(findings)
}
