//! Fixtures of this crate's tests.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::time::Duration;

use bess_types::{Actuation, Coil, SimTime};

use crate::spec::{AgentSpec, AirflowSpec, ContainerSpec, HousingSpec, InitialState, PcsSpec, PlantSpec};
use crate::{Place, Plant, PlantEvent, Topology};

/// A product file as the catalogue ships it.
macro_rules! product {
    ($path:literal) => {
        toml::from_str::<toml::Table>(include_str!(concat!("../../catalogue/data/", $path, ".toml"))).unwrap()
    };
}

/// Default grid step.
pub(crate) const STEP: Duration = Duration::from_millis(10);

/// The shipped liquid container.
pub(crate) fn spec() -> PlantSpec {
    let container = product!("containers/liq-20ft-1267");
    let pack = product!("packs/pack-liq-1P44S");
    PlantSpec {
        cell: part(&product!("cells/lfp-300"), "cell"),
        container: ContainerSpec::compose(
            "liq-20ft-1267",
            Topology {
                clusters: part(&container, "clusters"),
                packs_per_cluster: part(&container, "packs_per_cluster"),
                cells_per_pack: part(&pack, "cells"),
            },
            part(&pack, "pack"),
            part(&product!("hv-boxes/SJ-H15-250"), "hv_box"),
            pcs(),
            HousingSpec {
                insulation: part(&container, "insulation"),
                cooling: Some(part(&container, "cooling")),
                air: part(&container, "air"),
                gas: part(&container, "gas"),
                suppression: part(&container, "suppression"),
                agent: agent("C6F12O"),
                auxiliary: part(&container, "auxiliary"),
                sensors: part(&container, "sensors"),
            },
        ),
    }
}

/// A shipped agent.
pub(crate) fn agent(id: &str) -> AgentSpec {
    let product = match id {
        "C6F12O" => product!("agents/C6F12O"),
        "HFC-227ea" => product!("agents/HFC-227ea"),
        "aerosol" => product!("agents/aerosol"),
        "water-mist" => product!("agents/water-mist"),
        _ => panic!("no agent {id}"),
    };
    part(&product, "agent")
}

/// Its PCS.
pub(crate) fn pcs() -> PcsSpec {
    let pcs = product!("pcs/SJPCS-1725-M");
    PcsSpec {
        converter: part(&pcs, "converter"),
        dc_bus: part(&pcs, "dc_bus"),
        grid: part(&pcs, "grid"),
    }
}

/// A key of a product file as the structure that it holds.
pub(crate) fn part<T: serde::de::DeserializeOwned>(product: &toml::Table, key: &str) -> T {
    product[key].clone().try_into().unwrap()
}

/// The same with fewer clusters and packs.
pub(crate) fn small(clusters: usize, packs: usize) -> PlantSpec {
    let mut spec = spec();
    spec.container.clusters = clusters;
    spec.container.packs_per_cluster = packs;
    spec
}

/// A small air-cooled container: packs of 14 cells in two rows, each with a fan.
pub(crate) fn air_spec(clusters: usize, packs: usize) -> PlantSpec {
    let mut spec = small(clusters, packs);
    let container = &mut spec.container;
    container.cells_per_pack = 14;
    container.cooling = None;
    container.pack.rows = 2;
    container.pack.cell_to_cell_k_per_w = 3.0;
    container.pack.enclosure_w_per_k = 5.0;
    container.pack.plate = None;
    container.pack.airflow = Some(AirflowSpec {
        cell_to_air_k_per_w: 0.7,
        cell_to_air_still_k_per_w: 3.0,
        flow_m3_per_h: 100.0,
        draught_m3_per_h: 5.0,
        fan_rpm: 3000.0,
        fan_w: 12.0,
        fan_s: 2.0,
        segments: 7,
    });
    container.air.hvac.units = 2;
    container.air.hvac.capacity_w = 11_000.0;
    container.air.hvac.heater_w = 6000.0;
    container.air.hvac.setpoint_c = 22.0;
    container.air.hvac.heat_setpoint_c = 15.0;
    spec
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

/// The shipped container at a state of charge.
pub(crate) fn plant(soc: f64) -> Plant {
    build(
        &spec(),
        &InitialState {
            soc,
            ..InitialState::default()
        },
    )
}

pub(crate) fn build(spec: &PlantSpec, initial: &InitialState) -> Plant {
    Plant::new(spec, initial, 42, STEP).unwrap()
}

/// Runs for a time and returns what happened.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "short positive times"
)]
pub(crate) fn run(plant: &mut Plant, seconds: f64) -> Vec<PlantEvent> {
    let steps = (seconds * 100.0).round() as u64;
    for _ in 0..steps {
        let next = plant.now + STEP;
        plant.advance(next);
    }
    plant.drain_events().collect()
}

pub(crate) fn coil(plant: &mut Plant, cluster: usize, coil: Coil, energised: bool) {
    plant.actuate(
        plant.now,
        Place::cluster(cluster),
        &Actuation::Coil { coil, energised },
    );
}

/// Precharges the bus from the first cluster and closes all clusters.
pub(crate) fn close_all(plant: &mut Plant) -> Vec<PlantEvent> {
    let clusters = plant.topology().clusters;
    coil(plant, 0, Coil::MainNegative, true);
    let mut events = run(plant, 0.1);
    coil(plant, 0, Coil::Precharge, true);
    events.extend(run(plant, 10.0));
    for c in 0..clusters {
        coil(plant, c, Coil::MainNegative, true);
        coil(plant, c, Coil::MainPositive, true);
        events.extend(run(plant, 0.2));
    }
    coil(plant, 0, Coil::Precharge, false);
    events.extend(run(plant, 0.1));
    events
}

/// PCS running at an active power.
pub(crate) fn power(plant: &mut Plant, watts: f64) {
    plant.actuate(
        plant.now,
        Place::CONTAINER,
        &Actuation::Converter {
            gate: true,
            ac_contactor: true,
            active_power_w: watts,
            reactive_power_var: 0.0,
        },
    );
}

/// Truth of a point.
pub(crate) fn truth(plant: &Plant, part: &str, point: &str) -> f64 {
    plant.truth(plant.find(part, point).unwrap())
}

/// When an event first took a value, s.
pub(crate) fn when(events: &[PlantEvent], point: &str, value: f64) -> Option<f64> {
    events
        .iter()
        .find(|e| e.point == point && e.value == value)
        .map(|e| e.at.as_secs_f64())
}

/// Millisecond times.
pub(crate) const MS: fn(u64) -> SimTime = SimTime::from_millis;
