//! What holds whatever is done to a plant: acts, faults and surroundings are drawn at random from the whole documented
//! ranges, in any order.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a failed unwrap is the test failing; short positive times"
)]

use core::time::Duration;

use bess_types::{Actuation, Channel, Coil, CoolingMode, Quality};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError};

use crate::fault::Pole;
use crate::spec::{ActiveBalancingSpec, InitialState, PlantSpec};
use crate::testing::{STEP, air_spec, build, close_all, coil, run, small, uniform};
use crate::truth::{TruthPoint, TruthRef};
use crate::{Place, Plant, PlantEvent, PlantFault};

const CLUSTERS: usize = 2;
const PACKS: usize = 2;
/// Channels of sensors of every kind.
const CHANNELS: [Channel; 12] = [
    Channel::CellVoltages,
    Channel::CellTemperatures,
    Channel::ClusterVoltage,
    Channel::ClusterCurrent,
    Channel::BusVoltage,
    Channel::InsulationResistance,
    Channel::Hydrogen,
    Channel::CarbonMonoxide,
    Channel::Smoke,
    Channel::GridFrequency,
    Channel::AgentPressure,
    Channel::CoolantSupply,
];

/// What is done to the plant before it runs for a while.
#[derive(Clone, Debug)]
enum Deed {
    Act(Place, Actuation),
    Inject(PlantFault),
    Clear(PlantFault),
    /// Negative contacts and precharge of one cluster, and a little later all positive contacts, on whatever bus there is.
    Close,
    Sample(Place, Channel),
}

/// Two clusters of two packs on a power stage for their voltage.
fn rig(liquid: bool) -> PlantSpec {
    let mut spec = if liquid {
        small(CLUSTERS, PACKS)
    } else {
        air_spec(CLUSTERS, PACKS)
    };
    let container = &mut spec.container;
    let share = (PACKS * container.cells_per_pack) as f64 / 396.0;
    for volts in &mut container.converter.dc_range_v {
        *volts *= share;
    }
    container.converter.rated_va *= share * CLUSTERS as f64 / 9.0;
    container.pack.active_balancing = Some(ActiveBalancingSpec {
        current_a: 2.0,
        efficiency: 0.85,
    });
    spec
}

/// The whole range of [`InitialState::check`].
fn any_state() -> impl Strategy<Value = InitialState> {
    (
        (0.0..=1.0, 0.0..=1.0, 0.0..=0.2),
        (-40.0..=70.0, -50.0..=70.0),
        (0.0..=30.0, option::of(0.0..=24.0)),
        (0.3..=1.0, 0.0..=1.0, 0.0..=1.0),
        prop_oneof![Just(0.0), Just(1.0), 0.0..=1e6],
    )
        .prop_map(
            |(
                (soc, other_soc, soc_sigma),
                (cell_temperature_c, ambient_c),
                (ambient_swing_k, start_hour),
                (soh, capacity, resistance),
                ageing_clock,
            )| {
                let mut state = InitialState {
                    soc,
                    soc_by_cluster: vec![(1, other_soc)],
                    cell_temperature_c,
                    ambient_c,
                    ambient_swing_k,
                    start_hour,
                    soc_sigma,
                    soh,
                    ageing_clock,
                    ..InitialState::default()
                };
                let widest = 0.3 / state.sigma_factor();
                state.capacity_sigma = capacity * f64::min(0.2, widest * 0.999);
                state.resistance_sigma = resistance * widest * 0.999;
                state
            },
        )
}

fn any_place() -> impl Strategy<Value = Place> {
    (option::of(0..CLUSTERS + 1), option::of(0..PACKS + 1))
        .prop_map(|(cluster, pack)| Place { cluster, pack })
}

/// Numbers a controller may write: sensible, absurd, infinite, none.
fn any_watts() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -3e5..3e5, 1 => any::<f64>()]
}

fn any_act() -> impl Strategy<Value = (Place, Actuation)> {
    let modes = prop_oneof![
        Just(CoolingMode::Off),
        Just(CoolingMode::Circulate),
        Just(CoolingMode::Heat),
        Just(CoolingMode::Cool)
    ];
    let act = prop_oneof![
        (0_usize..3, any::<bool>()).prop_map(|(k, energised)| Actuation::Coil {
            coil: Coil::ALL[k],
            energised
        }),
        Just(Actuation::BreakerTrip),
        any::<bool>().prop_map(|on| Actuation::CoilSupply { on }),
        any::<u64>().prop_map(|cells| Actuation::Balancing { cells }),
        (any::<u64>(), any::<u64>())
            .prop_map(|(sources, sinks)| Actuation::ActiveBalancing { sources, sinks }),
        (any::<bool>(), any::<bool>(), any_watts(), any_watts()).prop_map(
            |(gate, ac_contactor, active_power_w, reactive_power_var)| Actuation::Converter {
                gate,
                ac_contactor,
                active_power_w,
                reactive_power_var
            }
        ),
        any_watts().prop_map(|active_power_w| Actuation::Converter {
            gate: true,
            ac_contactor: true,
            active_power_w,
            reactive_power_var: 0.0,
        }),
        (modes, prop_oneof![-30.0..70.0, any::<f64>()])
            .prop_map(|(mode, setpoint_c)| Actuation::Cooling { mode, setpoint_c }),
        (any::<bool>(), any::<bool>())
            .prop_map(|(fan, damper_open)| Actuation::Ventilation { fan, damper_open }),
        any::<bool>().prop_map(|on| Actuation::Hvac { on }),
        (any::<bool>(), 0_u8..4, 0_u8..4).prop_map(|(fan, cooling, heating)| Actuation::HvacDemand {
            fan,
            cooling,
            heating
        }),
        prop_oneof![0.0..=1.0, any::<f64>()].prop_map(|duty| Actuation::PackFan { duty }),
        Just(Actuation::ReleaseAgent),
    ];
    (any_place(), act)
}

/// Every kind of fault, over the range it accepts or a wide part of it where that is open; a part too many now and then,
/// which is refused.
fn any_fault() -> impl Strategy<Value = PlantFault> {
    let at = || (0..CLUSTERS, 0..PACKS, 0_usize..44);
    let at_coil = || (0..CLUSTERS + 1, 0_usize..3).prop_map(|(c, k)| (c, Coil::ALL[k]));
    let ohm = |low: f64, high: f64| (libm::log(low)..libm::log(high)).prop_map(libm::exp);
    let cell = prop_oneof![
        (at(), 0.0..=60.0).prop_map(|((cluster, pack, cell), kelvin_per_min)| PlantFault::HeatCell {
            cluster,
            pack,
            cell,
            kelvin_per_min,
        }),
        (at(), -40.0..=300.0).prop_map(|((cluster, pack, cell), celsius)| {
            PlantFault::HoldCellTemperature {
                cluster,
                pack,
                cell,
                celsius,
            }
        }),
        (at(), ohm(1e-4, 1e6)).prop_map(|((cluster, pack, cell), ohm)| PlantFault::CellShort {
            cluster,
            pack,
            cell,
            ohm
        }),
        (at(), ohm(1e-4, 1e6)).prop_map(|((cluster, pack, cell), ohm)| PlantFault::CellExternalShort {
            cluster,
            pack,
            cell,
            ohm
        }),
        at().prop_map(|(cluster, pack, cell)| PlantFault::Nail { cluster, pack, cell }),
        (at(), 0.0..=1.0).prop_map(|((cluster, pack, cell), soc)| PlantFault::CellSoc {
            cluster,
            pack,
            cell,
            soc,
        }),
    ];
    let path = prop_oneof![
        at_coil().prop_map(|(cluster, coil)| PlantFault::ContactorWelded { cluster, coil }),
        at_coil().prop_map(|(cluster, coil)| PlantFault::ContactorStuckOpen { cluster, coil }),
        (at_coil(), any::<bool>()).prop_map(|((cluster, coil), closed)| PlantFault::AuxStuck {
            cluster,
            coil,
            closed
        }),
        (0..CLUSTERS).prop_map(|cluster| PlantFault::FuseBlown { cluster }),
        (0..CLUSTERS).prop_map(|cluster| PlantFault::BreakerOpen { cluster }),
        at_coil().prop_map(|(cluster, coil)| PlantFault::ContactorChatter { cluster, coil }),
        at_coil().prop_map(|(cluster, coil)| PlantFault::AuxInverted { cluster, coil }),
        (at_coil(), 0.1..=10.0).prop_map(|((cluster, coil), factor)| PlantFault::ContactorSlow {
            cluster,
            coil,
            factor
        }),
        (0.0..=60.0).prop_map(|volts| PlantFault::CoilSupplyVoltage { volts }),
        (0..CLUSTERS, any::<bool>(), ohm(1.0, 1e9)).prop_map(|(cluster, positive, ohm)| {
            PlantFault::Insulation {
                cluster,
                pole: if positive { Pole::Positive } else { Pole::Negative },
                ohm,
            }
        }),
        Just(PlantFault::MonitorLockBroken),
        ohm(1e-3, 1e9).prop_map(|ohm| PlantFault::BusShort { ohm }),
        (0..CLUSTERS, 0.0..=1.0).prop_map(|(cluster, soc)| PlantFault::ClusterSoc { cluster, soc }),
    ];
    let around = prop_oneof![
        (0.0..=1.5, 0.0..=5.0).prop_map(|(pu, ramp_s)| PlantFault::GridVoltage { pu, ramp_s }),
        (40.0..=70.0).prop_map(|hz| PlantFault::GridFrequency { hz }),
        Just(PlantFault::GridLost),
        Just(PlantFault::Spark),
        Just(PlantFault::CoolantPumpFailed),
        Just(PlantFault::ChillerFailed),
        (0.0..=1.0).prop_map(|share| PlantFault::CondenserBlocked { share }),
        (0.0..=1.0).prop_map(|share| PlantFault::RefrigerantLoss { share }),
        (0.0..=1e4).prop_map(|l_per_min| PlantFault::CoolantLeak { l_per_min }),
        (0..CLUSTERS, 0..PACKS).prop_map(|(cluster, pack)| PlantFault::PackFanBlocked { cluster, pack }),
        (0_usize..3).prop_map(|unit| PlantFault::HvacFailed { unit }),
        Just(PlantFault::AgentEmpty),
        Just(PlantFault::AgentValveStuck),
        any::<bool>().prop_map(|open| PlantFault::Door { open }),
        (-50.0..=70.0).prop_map(|celsius| PlantFault::Ambient { celsius }),
    ];
    let at_sensor = || (any_place(), 0..CHANNELS.len(), 0_usize..25);
    let sensor = (at_sensor(), -1e9..=1e9, any::<bool>(), 0..7).prop_map(
        |((place, channel, index), value, silent, kind)| {
            let channel = CHANNELS[channel];
            match kind {
                0 => PlantFault::SensorStuck {
                    place,
                    channel,
                    index,
                    value,
                },
                1 => PlantFault::SensorOffset {
                    place,
                    channel,
                    index,
                    value,
                },
                2 => PlantFault::SensorNoise {
                    place,
                    channel,
                    index,
                    value: f64::abs(value),
                },
                3 => PlantFault::SensorDrift {
                    place,
                    channel,
                    index,
                    per_hour: value,
                },
                4 => PlantFault::SensorInvalid {
                    place,
                    channel,
                    index,
                },
                5 => PlantFault::SensorShort {
                    place,
                    channel,
                    index,
                },
                _ => PlantFault::SensorOpenWire {
                    place,
                    channel,
                    index,
                    silent,
                },
            }
        },
    );
    prop_oneof![5 => cell, 4 => path, 4 => around, 1 => sensor]
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => any_act().prop_map(|(place, act)| Deed::Act(place, act)),
        4 => any_fault().prop_map(Deed::Inject),
        2 => any_fault().prop_map(Deed::Clear),
        2 => Just(Deed::Close),
        1 => (any_place(), 0..CHANNELS.len()).prop_map(|(place, k)| Deed::Sample(place, CHANNELS[k])),
    ]
}

/// From a few steps to a minute.
fn any_pause() -> impl Strategy<Value = Duration> {
    prop_oneof![
        3 => (1_u64..20).prop_map(|tenths| Duration::from_millis(100 * tenths)),
        2 => (2_u64..15).prop_map(Duration::from_secs),
        1 => (15_u64..60).prop_map(Duration::from_secs),
    ]
}

/// Every truth point of every part.
fn all_points(plant: &Plant) -> Vec<(String, TruthPoint, TruthRef)> {
    let topology = plant.topology();
    let mut points = Vec::new();
    for point in plant.truth_points() {
        let depth = point.part.matches("NN").count();
        let count = |level: usize, of: usize| if depth > level { of } else { 1 };
        for c in 1..=count(0, topology.clusters) {
            for p in 1..=count(1, topology.packs_per_cluster) {
                for k in 1..=count(2, topology.cells_per_pack) {
                    let mut part = point.part.to_owned();
                    for number in [c, p, k] {
                        part = part.replacen("NN", &format!("{number:02}"), 1);
                    }
                    let at = plant.find(&part, point.point).unwrap();
                    points.push((format!("{part} {}", point.point), point, at));
                }
            }
        }
    }
    points
}

fn advance(plant: &mut Plant, step: Duration, time: Duration) {
    for _ in 0..time.as_nanos() / step.as_nanos() {
        plant.advance(plant.now + step);
    }
}

fn look(
    plant: &mut Plant,
    step: Duration,
    points: &[(String, TruthPoint, TruthRef)],
) -> Result<Vec<PlantEvent>, TestCaseError> {
    let events: Vec<_> = plant.drain_events().collect();
    for event in &events {
        prop_assert!(event.value.is_finite(), "{event:?}");
        prop_assert!(event.point != "open-contactor-current", "{event:?}");
    }
    for (name, point, at) in points {
        let value = plant.truth(*at);
        prop_assert!(value.is_finite(), "{name} is {value}");
        match point.unit {
            // amounts and concentrations
            "L" | "L/s" | "ppm" | "dB/m" | "%" | "Pa" | "Ω" | "Ah" => {
                prop_assert!(value >= 0.0, "{name} is {value}");
            }
            "°C" => prop_assert!((-90.0..1500.0).contains(&value), "{name} is {value}"),
            _ => {}
        }
        let whole = match (point.unit, point.point) {
            ("ppm", _) => 1e6,
            (_, "gas-ceiling-percent" | "concentration") => 100.0,
            (_, "soh") => 1.0,
            _ => f64::INFINITY,
        };
        prop_assert!(value <= whole * (1.0 + 1e-9), "{name} is {value}");
    }
    balance(plant, step)?;
    Ok(events)
}

/// Accounts of energy, charge and heat: within 0.02 % of the energy that has moved, and for the one step in which a
/// current or a load is switched on, 0.2 J at the usual step, which goes with the square of the step. Charge and heat close
/// as far as numbers go.
fn balance(plant: &Plant, step: Duration) -> Result<(), TestCaseError> {
    let ledger = plant.ledger();
    let steps = step.as_secs_f64() / STEP.as_secs_f64();
    let energy_j = 2e-4 * ledger.throughput_j + 0.2 * steps * steps;
    prop_assert!(
        ledger.residual_j.abs() <= energy_j,
        "energy: {energy_j} J allowed, {ledger:?}"
    );
    prop_assert!(
        ledger.converter_residual_j.abs() <= 1e-9 * ledger.throughput_j + 1e-3,
        "converter: {ledger:?}"
    );
    prop_assert!(
        ledger.charge_residual_c.abs() <= 1e-9 * ledger.charge_throughput_c + 1e-3,
        "charge: {ledger:?}"
    );
    let heat = plant.heat_ledger();
    prop_assert!(
        heat.residual_j.abs() <= 1e-6 * heat.throughput_j + 0.1,
        "heat: {heat:?}"
    );
    for heat_j in [
        ledger.joint_heat_j,
        ledger.path_heat_j,
        ledger.tap_heat_j,
        ledger.bus_heat_j,
        ledger.converter_loss_j,
    ] {
        prop_assert!(heat_j >= 0.0, "{ledger:?}");
    }
    Ok(())
}

fn deed(plant: &mut Plant, step: Duration, deed: &Deed) -> Result<(), TestCaseError> {
    match deed {
        Deed::Act(place, act) => plant.actuate(plant.now, *place, act),
        // refusals are part of the game
        Deed::Inject(fault) => drop(plant.inject(fault)),
        Deed::Clear(fault) => drop(plant.clear(fault)),
        Deed::Close => {
            for c in 0..CLUSTERS {
                coil(plant, c, Coil::MainNegative, true);
            }
            coil(plant, 0, Coil::Precharge, true);
            advance(plant, step, Duration::from_secs(8));
            for c in 0..CLUSTERS {
                coil(plant, c, Coil::MainPositive, true);
            }
            advance(plant, step, Duration::from_millis(100));
            coil(plant, 0, Coil::Precharge, false);
        }
        Deed::Sample(place, channel) => {
            let mut readings = Vec::new();
            plant.sample(*place, *channel, &mut readings);
            for reading in readings {
                prop_assert!(
                    reading.value.is_finite() || reading.quality != Quality::Valid,
                    "{place} {channel:?}"
                );
            }
        }
    }
    Ok(())
}

/// The same cases in every run. `PROPTEST_RNG_SEED` and `PROPTEST_CASES` try others and more.
fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    ProptestConfig {
        failure_persistence: None,
        rng_seed: match given.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            seed @ RngSeed::Fixed(_) => seed,
        },
        ..given
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn nothing_makes_nonsense(
        seed in any::<u64>(),
        liquid in any::<bool>(),
        state in any_state(),
        step_ms in prop_oneof![3 => Just(10_u64), 1 => Just(5), 1 => Just(20), 1 => Just(100)],
        deeds in vec((any_deed(), any_pause()), 1..16),
    ) {
        let step = Duration::from_millis(step_ms);
        let mut plant = Plant::new(&rig(liquid), &state, seed, step).unwrap();
        let points = all_points(&plant);
        for (next, pause) in deeds {
            deed(&mut plant, step, &next)?;
            look(&mut plant, step, &points)?;
            advance(&mut plant, step, pause);
            look(&mut plant, step, &points)?;
        }
    }
}

/// A plant that has been through the worst, stepped with or without vector instructions.
fn battered(scalar: bool) -> String {
    let mut plant = build(&small(3, 3), &InitialState::default());
    if scalar {
        plant.cells.set_scalar();
    }
    close_all(&mut plant);
    for (fault, seconds) in [
        (
            PlantFault::CellShort {
                cluster: 0,
                pack: 1,
                cell: 7,
                ohm: 0.02,
            },
            20.0,
        ),
        (
            PlantFault::Nail {
                cluster: 2,
                pack: 1,
                cell: 17,
            },
            90.0,
        ),
        (PlantFault::BusShort { ohm: 0.5 }, 5.0),
        (PlantFault::Ambient { celsius: -20.0 }, 30.0),
    ] {
        plant.inject(&fault).unwrap();
        run(&mut plant, seconds);
    }
    let mut text = format!("{:?} {plant:?}", plant.ledger());
    // the one thing that may differ
    let arch = text.find("arch: ").unwrap();
    let end = arch + text[arch..].find(", tapped").unwrap();
    text.replace_range(arch..end, "");
    text
}

#[test]
fn instruction_sets_and_reruns_change_no_bit_of_a_plant() {
    let plain = battered(true);
    assert!(plain.len() > 100_000 && plain.contains("stage: Runaway"));
    assert!(plain == battered(false), "vector instructions change something");
    assert!(plain == battered(true), "a rerun differs");
}

#[test]
fn the_property_test_sees_closed_clusters_power_and_fire() {
    let step = STEP;
    let mut plant = build(&rig(true), &uniform(0.5));
    let points = all_points(&plant);
    deed(&mut plant, step, &Deed::Close).unwrap();
    let power = Actuation::Converter {
        gate: true,
        ac_contactor: true,
        active_power_w: 4e4,
        reactive_power_var: 0.0,
    };
    deed(&mut plant, step, &Deed::Act(Place::CONTAINER, power)).unwrap();
    let nail = PlantFault::Nail {
        cluster: 0,
        pack: 0,
        cell: 3,
    };
    deed(&mut plant, step, &Deed::Inject(nail)).unwrap();
    advance(&mut plant, step, Duration::from_mins(1));
    look(&mut plant, step, &points).unwrap();
    let value = |wanted: &str| {
        let (_, _, at) = points.iter().find(|(name, ..)| name == wanted).unwrap();
        plant.truth(*at)
    };
    assert_eq!(value(" clusters-connected"), 2.0);
    assert!(value("pcs active-power") > 3.9e4, "{}", value("pcs active-power"));
    assert!(value("air hydrogen") > 1.0 && value("air smoke") > 0.0);
    assert!(plant.ledger().burnt_j > 0.0);
    let heat = plant.heat_ledger();
    for heat_j in [heat.cells_j, heat.equipment_j, heat.fire_j] {
        assert!(heat_j > 1e3, "{heat:?}");
    }
}

/// A cell of an ohm amid milliohms, shorted: string current goes past it through the short, and is what the two sources
/// and all resistances make it. Solved from one step to the next instead of within the step, such a load makes the
/// current swing up, which is how a fire at an ageing clock of a million lost energy.
#[test]
fn a_short_across_a_wreck_keeps_the_accounts() {
    for (step, fault) in [(10, true), (10, false), (100, true), (100, false)] {
        let step = Duration::from_millis(step);
        let mut state = uniform(0.9);
        state.soc_by_cluster = vec![(1, 0.1)];
        let mut plant = Plant::new(&rig(true), &state, 1, step).unwrap();
        plant.cells.resistance_factor[0] = 3000.0;
        let (cluster, pack, cell, ohm) = (0, 0, 0, 0.005);
        plant
            .inject(&if fault {
                PlantFault::CellExternalShort {
                    cluster,
                    pack,
                    cell,
                    ohm,
                }
            } else {
                PlantFault::CellShort {
                    cluster,
                    pack,
                    cell,
                    ohm,
                }
            })
            .unwrap();
        deed(&mut plant, step, &Deed::Close).unwrap();
        advance(&mut plant, step, Duration::from_secs(3));
        balance(&plant, step).unwrap();
        assert!(plant.cells.resistance_ohm[0] > 0.5);
        let mut last_a = plant.stack.clusters[0].mean_a;
        assert!(last_a > 100.0, "{last_a}");
        for _ in 0..300 {
            advance(&mut plant, step, step);
            let now_a = plant.stack.clusters[0].mean_a;
            assert!(
                (now_a - last_a).abs() < 0.02 * last_a,
                "{last_a} A, then {now_a} A"
            );
            last_a = now_a;
            balance(&plant, step).unwrap();
        }
    }
}
