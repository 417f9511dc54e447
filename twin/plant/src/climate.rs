//! The slow cycle of heat: packs, what flows through them, chiller, container air, supply of all that; and the accounts.

use bess_types::Channel;

use crate::cooling::{Cooling, Sensed};
use crate::fault::FaultError;
use crate::ledger::HeatLedger;
use crate::plant::{MEDIUM_PER_SLOW, Plant, SLOW_S};
use crate::topology::{Place, PlantEvent};

impl Plant {
    pub(crate) fn step_climate(&mut self) {
        self.air.step_weather(self.now.as_secs_f64());
        self.step_supply();
        let inlet_c = self.step_flow();
        let clusters = &self.stack.clusters;
        let exchange = self.thermal.step(
            SLOW_S,
            &mut self.cells.heat_j,
            &self.cells.soc,
            |c| clusters[c].slow_charge_c,
            inlet_c,
            self.air.mean_c,
        );
        let mut to_air_j = exchange.enclosure_j;
        if let Some(cooling) = &mut self.cooling {
            let read = |channel, celsius| {
                let now = self.now.as_nanos();
                self.sensors
                    .through_faults(now, Place::CONTAINER, channel, celsius)
            };
            let sensed = Sensed {
                supply_c: read(Channel::CoolantSupply, cooling.supply_c),
                return_c: read(Channel::CoolantReturn, cooling.return_c),
            };
            let ambient_c = self.air.ambient_c;
            if cooling.step(SLOW_S, exchange.carried_j, exchange.return_c, ambient_c, sensed) {
                self.events.push(PlantEvent {
                    at: self.now,
                    part: "coolant".into(),
                    point: "high-pressure",
                    value: 1.0,
                    text: "high-pressure switch tripped".into(),
                });
            }
        }
        if let Some(fans) = &self.fans {
            to_air_j += exchange.carried_j + fans.electrical_w * SLOW_S;
        }
        self.packs_to_air_w = to_air_j / SLOW_S;
    }

    /// Sets the flow through every pack; returns what enters them, °C.
    fn step_flow(&mut self) -> f64 {
        if let Some(cooling) = &self.cooling {
            for pack in 0..self.topology.packs() {
                self.thermal.set_flow(pack, cooling.pack_flow(pack));
            }
            return cooling.supply_c;
        }
        if let Some(fans) = &mut self.fans {
            fans.step(SLOW_S, self.auxiliary.supplied);
            for pack in 0..self.topology.packs() {
                self.thermal.set_flow(pack, fans.flow(pack));
            }
        }
        self.air.mean_c
    }

    fn step_supply(&mut self) {
        let fans_w = self.fans_w();
        if self.auxiliary.step(SLOW_S, self.grid.energised, fans_w) {
            let on = self.auxiliary.supplied;
            self.air.supplied = on;
            self.note(
                "",
                "auxiliary-supply",
                f64::from(on),
                if on { "auxiliary supply back" } else { "UPS empty" },
            );
            self.follow_supply();
        }
    }

    /// Power of pack fans and vent fan, W.
    fn fans_w(&self) -> f64 {
        let vent_w = if self.air.fan_runs() {
            self.spec.auxiliary.vent_fan_w
        } else {
            0.0
        };
        vent_w + self.fans.as_ref().map_or(0.0, |fans| fans.electrical_w)
    }

    /// Electrical power of cooling, HVAC, fans, controls and UPS charger, W.
    pub(crate) fn auxiliary_w(&self) -> f64 {
        let cooling_w = self.cooling.as_ref().map_or(0.0, Cooling::electrical_w);
        let steady_w = self.auxiliary.controls_w() + self.auxiliary.charger_w();
        steady_w + self.fans_w() + cooling_w + self.air.electrical_w()
    }

    pub(crate) fn loop_fault(&mut self, change: impl FnOnce(&mut Cooling)) -> Result<(), FaultError> {
        self.cooling
            .as_mut()
            .map(change)
            .ok_or(FaultError::NotFitted { part: "coolant loop" })
    }

    pub(crate) fn hvac_fault(&mut self, unit: usize, failed: bool) -> Result<(), FaultError> {
        if self.air.set_failed(unit, failed) {
            Ok(())
        } else {
            Err(FaultError::OutOfRange {
                part: "HVAC unit",
                index: unit,
                count: self.spec.air.hvac.units,
            })
        }
    }

    pub(crate) fn fan_fault(&mut self, cluster: usize, pack: usize, blocked: bool) -> Result<(), FaultError> {
        let fans = self
            .fans
            .as_mut()
            .ok_or(FaultError::NotFitted { part: "pack fan" })?;
        fans.blocked[self.topology.pack_index(cluster, pack)] = blocked;
        Ok(())
    }

    /// Accounts of heat since the start.
    pub fn heat_ledger(&self) -> HeatLedger {
        let air = &self.air.account;
        let cooling = self.cooling.as_ref();
        let of_loop = |figure: fn(&Cooling) -> f64| cooling.map_or(0.0, figure);
        let pack_fans_j = self.fans.as_ref().map_or(0.0, |fans| fans.electrical_j);
        let stored_j = self.heat_stored_j() - self.start_heat_j;
        let mut ledger = HeatLedger {
            stored_j,
            cells_j: self.thermal.taken_j + self.runaway.taken_j,
            reversible_j: self.thermal.reversible_j,
            equipment_j: self.equipment_j,
            fans_j: pack_fans_j + air.fan_j + of_loop(|c| c.pump_j),
            heaters_j: air.heated_j + of_loop(|c| c.heated_j),
            fire_j: air.fire_j + self.runaway.heat.gained_j(),
            solar_j: air.solar_j,
            chiller_j: of_loop(|c| c.cooled_j),
            hvac_j: air.cooled_j,
            outside_j: air.outside_j + of_loop(|c| c.leaked_j),
            ..HeatLedger::default()
        };
        let into = [
            ledger.cells_j,
            ledger.reversible_j,
            ledger.equipment_j,
            ledger.fans_j,
            ledger.heaters_j,
            ledger.fire_j,
            ledger.solar_j,
        ];
        let out = [ledger.chiller_j, ledger.hvac_j, ledger.outside_j];
        ledger.throughput_j = into.iter().chain(&out).map(|j| j.abs()).sum::<f64>() + stored_j.abs();
        ledger.residual_j = into.iter().sum::<f64>() - out.iter().sum::<f64>() - stored_j;
        ledger
    }

    /// Heat in everything that has a temperature, J over 0 °C.
    pub(crate) fn heat_stored_j(&self) -> f64 {
        let coolant_j = self.cooling.as_ref().map_or(0.0, Cooling::stored_j);
        let on_its_way_s =
            f64::from(MEDIUM_PER_SLOW - self.medium_in_slow) / f64::from(MEDIUM_PER_SLOW) * SLOW_S;
        self.thermal.stored_j() + coolant_j + self.air.stored_j() + self.packs_to_air_w * on_its_way_s
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap is the test failing; measured figures show with --nocapture"
)]
mod tests {
    use core::time::Duration;

    use bess_types::{Actuation, CoolingMode};

    use super::*;
    use crate::testing::{air_spec, build, close_all, power, run, small, truth, uniform, when};
    use crate::{InitialState, PlantFault, PlantSpec};

    /// Step of tests that take hours.
    const COARSE: Duration = Duration::from_millis(100);

    /// One pack with its share of the shipped container around it.
    fn share_of_container() -> PlantSpec {
        let mut spec = small(1, 1);
        let n = 81.0;
        let container = &mut spec.container;
        let cooling = container.cooling.as_mut().unwrap();
        for figure in [
            &mut cooling.flow_l_per_min,
            &mut cooling.volume_l,
            &mut cooling.heater_w,
            &mut cooling.pump_w,
            &mut cooling.capacity_w,
            &mut container.air.structure_j_per_k,
            &mut container.air.air_to_structure_w_per_k,
            &mut container.air.envelope_w_per_k,
            &mut container.auxiliary.controls_w,
        ] {
            *figure /= n;
        }
        cooling.condenser_k_per_kw *= n;
        container.air.volume_m3 = 0.4;
        container.air.ceiling_m3 = 0.1;
        // the check wants a little more than an 81st
        container.air.structure_j_per_k = container.air.structure_j_per_k.max(1e4);
        spec
    }

    fn cool(plant: &mut Plant, mode: CoolingMode, setpoint_c: f64) {
        plant.actuate(
            plant.now,
            Place::CONTAINER,
            &Actuation::Cooling { mode, setpoint_c },
        );
    }

    fn fans(plant: &mut Plant, duty: f64) {
        let topology = plant.topology();
        for c in 0..topology.clusters {
            for p in 0..topology.packs_per_cluster {
                plant.actuate(plant.now, Place::pack(c, p), &Actuation::PackFan { duty });
            }
        }
    }

    fn coarse(spec: &PlantSpec, initial: &InitialState) -> Plant {
        Plant::new(spec, initial, 42, COARSE).unwrap()
    }

    fn hours(plant: &mut Plant, most: f64, mut done: impl FnMut(&Plant) -> bool) -> f64 {
        let start = plant.now;
        while (plant.now - start).as_secs_f64() < most * 3600.0 && !done(plant) {
            for _ in 0..600 {
                plant.advance(plant.now + COARSE);
            }
        }
        (plant.now - start).as_secs_f64() / 3600.0
    }

    fn assert_heat_closes(plant: &Plant) {
        let ledger = plant.heat_ledger();
        assert!(ledger.throughput_j > 1e5, "{ledger:?}");
        assert!(ledger.residual_j.abs() < 1e-6 * ledger.throughput_j, "{ledger:?}");
    }

    #[test]
    fn heat_of_a_liquid_container_is_accounted_for() {
        let initial = InitialState {
            ambient_c: 38.0,
            ambient_swing_k: 6.0,
            start_hour: Some(11.0),
            ..InitialState::default()
        };
        let mut plant = build(&small(2, 9), &initial);
        close_all(&mut plant);
        cool(&mut plant, CoolingMode::Cool, 22.0);
        plant.actuate(plant.now, Place::CONTAINER, &Actuation::Hvac { on: true });
        for (watts, fault) in [
            (3.8e5, PlantFault::CoolantLeak { l_per_min: 3.0 }),
            (-3.8e5, PlantFault::Door { open: true }),
            (2.0e5, PlantFault::CoolantPumpFailed),
        ] {
            power(&mut plant, watts);
            run(&mut plant, 900.0);
            plant.inject(&fault).unwrap();
            run(&mut plant, 300.0);
            plant.clear(&fault).unwrap();
        }
        let ledger = plant.heat_ledger();
        println!("{ledger:#?}");
        assert!(ledger.cells_j > 1e6 && ledger.chiller_j > 1e6 && ledger.solar_j > 1e6);
        assert!(ledger.reversible_j != 0.0 && ledger.outside_j != 0.0);
        assert_heat_closes(&plant);
    }

    #[test]
    fn heat_of_an_air_container_is_accounted_for() {
        let mut plant = build(&air_spec(1, 28), &uniform(0.9));
        close_all(&mut plant);
        plant.actuate(plant.now, Place::CONTAINER, &Actuation::Hvac { on: true });
        fans(&mut plant, 1.0);
        power(&mut plant, 1.9e5);
        run(&mut plant, 1800.0);
        fans(&mut plant, 0.3);
        run(&mut plant, 600.33);
        let ledger = plant.heat_ledger();
        assert!(ledger.cells_j > 1e5 && ledger.fans_j > 1e5 && ledger.chiller_j == 0.0);
        assert_heat_closes(&plant);
    }

    #[test]
    fn heat_of_a_fire_is_accounted_for() {
        let mut plant = build(&small(1, 2), &uniform(1.0));
        plant
            .inject(&PlantFault::Nail {
                cluster: 0,
                pack: 0,
                cell: 16,
            })
            .unwrap();
        plant
            .inject(&PlantFault::HeatCell {
                cluster: 0,
                pack: 1,
                cell: 3,
                kelvin_per_min: 6.0,
            })
            .unwrap();
        run(&mut plant, 900.0);
        plant.actuate(plant.now, Place::CONTAINER, &Actuation::ReleaseAgent);
        run(&mut plant, 300.0);
        let ledger = plant.heat_ledger();
        assert!(ledger.fire_j > 1.5e6, "{ledger:?}");
        assert_heat_closes(&plant);
    }

    /// Seven cells vent unlit and deflagrate, an eighth burns until the agent has put it out.
    #[test]
    fn heat_of_flame_deflagration_and_agent_is_accounted_for() {
        let mut plant = build(&small(1, 2), &uniform(1.0));
        let nail = |cell| PlantFault::Nail {
            cluster: 0,
            pack: 0,
            cell,
        };
        for cell in (0..42).step_by(6) {
            plant.inject(&nail(cell)).unwrap();
        }
        run(&mut plant, 250.0);
        plant.inject(&nail(21)).unwrap();
        run(&mut plant, 60.0);
        assert_eq!(plant.ledger().combustion_j, 0.0);
        let mean_c = plant.air.mean_c;
        plant.inject(&PlantFault::Spark).unwrap();
        let mut events = run(&mut plant, 0.2);
        let burst_j = plant.ledger().combustion_j;
        assert_eq!(when(&events, "deflagration", 1.0).is_some(), burst_j > 1e6);
        assert!((5e6..20e6).contains(&burst_j), "{burst_j}");
        assert!(plant.air.mean_c > mean_c + 50.0 && plant.air.mean_c < 2.0 * (mean_c + 273.15));
        events.extend(run(&mut plant, 30.0));
        assert!(when(&events, "flame", 1.0).is_some());
        plant.actuate(plant.now, Place::CONTAINER, &Actuation::ReleaseAgent);
        events = run(&mut plant, 20.0);
        assert!(when(&events, "flame", 0.0).is_some());
        let ledger = plant.ledger();
        run(&mut plant, 100.0);
        assert_eq!(plant.ledger().combustion_j, ledger.combustion_j);
        // no more than all gas of eight cells and the vapour of the one that burns can give
        let ledger = plant.ledger();
        println!("{ledger:#?}");
        assert!(
            ledger.combustion_j < 8.0 * 180.0 * 14_500.0 + 810.0 * 14_600.0,
            "{ledger:?}"
        );
        assert!(plant.runaway.heat.agent_j > 0.0);
        let fire_j = ledger.combustion_j + ledger.ejecta_j + plant.runaway.heat.gained_j();
        assert!((plant.heat_ledger().fire_j - fire_j).abs() < 1e-6 * fire_j);
        assert_heat_closes(&plant);
    }

    /// A frozen battery takes what its heat capacity and the heater's power say until it may be charged.
    #[test]
    fn the_chillers_heater_thaws_a_frozen_battery() {
        let initial = InitialState {
            cell_temperature_c: -30.0,
            ambient_c: -30.0,
            ..uniform(0.4)
        };
        let mut plant = coarse(&share_of_container(), &initial);
        cool(&mut plant, CoolingMode::Heat, 25.0);
        let coldest = plant.find("", "cell-temperature-min").unwrap();
        let took_h = hours(&mut plant, 40.0, |plant| plant.truth(coldest) > 5.0);
        // cells, plates and loop by 35 K with heater and pump
        let j_per_k = 44.0 * 5.985e3 + 15.0 * 900.0 + 210.0 / 81.0 * 3675.0;
        let ideal_h = j_per_k * 35.0 / (13_500.0 / 81.0) / 3600.0;
        println!("−30 °C to 5 °C: {took_h:.1} h, {ideal_h:.1} h without losses");
        assert!(
            (1.0..1.2).contains(&(took_h / ideal_h)),
            "{took_h} against {ideal_h}"
        );
        assert_heat_closes(&plant);
        close_all_coarse(&mut plant);
        power(&mut plant, -1.0e4);
        hours(&mut plant, 1.0 / 6.0, |_| false);
        let events: Vec<PlantEvent> = plant.drain_events().collect();
        assert_eq!(when(&events, "lithium-plating", 1.0), None);
    }

    fn close_all_coarse(plant: &mut Plant) {
        use bess_types::Coil;
        for (coil, seconds) in [
            (Coil::MainNegative, 1),
            (Coil::Precharge, 10),
            (Coil::MainPositive, 1),
        ] {
            plant.actuate(
                plant.now,
                Place::cluster(0),
                &Actuation::Coil {
                    coil,
                    energised: true,
                },
            );
            for _ in 0..seconds * 10 {
                plant.advance(plant.now + COARSE);
            }
        }
    }

    #[test]
    fn hvac_heaters_thaw_an_air_cooled_battery() {
        let initial = InitialState {
            cell_temperature_c: -30.0,
            ambient_c: -30.0,
            ..uniform(0.4)
        };
        let mut spec = air_spec(1, 17);
        spec.container.air.hvac.heater_w = 1500.0;
        let mut plant = coarse(&spec, &initial);
        plant.actuate(plant.now, Place::CONTAINER, &Actuation::Hvac { on: true });
        fans(&mut plant, 1.0);
        let coldest = plant.find("", "cell-temperature-min").unwrap();
        let hours_on = hours(&mut plant, 40.0, |plant| plant.truth(coldest) > 5.0);
        let ledger = plant.heat_ledger();
        println!(
            "−30 °C to 5 °C: {hours_on:.1} h, {:.0} kWh of heaters",
            ledger.heaters_j / 3.6e6
        );
        // cells alone need this much, of heaters, fans and controls
        let cells_j = 238.0 * 5.985e3 * 35.0;
        let power_w = 2.0 * (1500.0 + 300.0) + 17.0 * 12.0 + 500.0;
        assert!(
            hours_on > cells_j / power_w / 3600.0 && hours_on < 40.0,
            "{hours_on}"
        );
        assert_heat_closes(&plant);
    }

    #[test]
    fn pack_fans_follow_their_duty_and_a_held_one_lets_its_pack_get_warm() {
        let mut spec = air_spec(1, 28);
        // one cluster is too little for units that rest for three minutes
        spec.container.air.hvac.min_off_s = 10.0;
        let mut plant = build(&spec, &uniform(0.9));
        close_all(&mut plant);
        fans(&mut plant, 1.0);
        run(&mut plant, 3.0);
        // two or three seconds of a lag of two
        let speed = truth(&plant, "cluster-01/pack-01", "fan-speed");
        assert!((3000.0 * 0.6..3000.0 * 0.8).contains(&speed), "{speed}");
        let mut out = Vec::new();
        plant.sample(Place::pack(0, 0), Channel::FanSpeed, &mut out);
        assert_eq!(out[0].ok(), Some(speed));
        let held = PlantFault::PackFanBlocked { cluster: 0, pack: 2 };
        plant.inject(&held).unwrap();
        plant.actuate(plant.now, Place::CONTAINER, &Actuation::Hvac { on: true });
        power(&mut plant, 1.9e5);
        run(&mut plant, 5000.0);
        let pack_c =
            |plant: &Plant, n| truth(plant, &format!("cluster-01/pack-0{n}"), "cell-temperature-max");
        let warmer_k = pack_c(&plant, 3) - pack_c(&plant, 2);
        println!("a pack whose fan is held is {warmer_k:.1} K warmer");
        assert!(warmer_k > 1.5, "{warmer_k}");
        assert_eq!(truth(&plant, "cluster-01/pack-03", "fan-speed"), 0.0);
        assert_eq!(truth(&plant, "cluster-01/pack-03", "air-flow"), 5.0);
        // all others at full speed
        assert!((plant.fans_w() - 27.0 * 12.0).abs() < 0.1);
        plant.clear(&held).unwrap();
        fans(&mut plant, 0.5);
        run(&mut plant, 20.0);
        assert!(
            (plant.fans_w() - 28.0 * 12.0 / 8.0).abs() < 0.1,
            "cube of the speed"
        );
        let mut liquid = build(&small(1, 1), &uniform(0.5));
        assert_eq!(
            liquid.inject(&PlantFault::PackFanBlocked { cluster: 0, pack: 0 }),
            Err(FaultError::NotFitted { part: "pack fan" })
        );
        liquid.sample(Place::pack(0, 0), Channel::FanSpeed, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn without_mains_cooling_stands_and_the_ups_holds_the_contactors_for_a_while() {
        let mut spec = small(1, 9);
        // a minute of controls
        spec.container.auxiliary.ups_wh = 500.0 / 60.0;
        let mut plant = build(&spec, &uniform(0.5));
        close_all(&mut plant);
        cool(&mut plant, CoolingMode::Cool, 15.0);
        run(&mut plant, 300.0);
        assert!(truth(&plant, "", "auxiliary-power") > 2500.0);
        plant.inject(&PlantFault::GridLost).unwrap();
        let events = run(&mut plant, 50.0);
        assert!(truth(&plant, "coolant", "flow") == 0.0 && when(&events, "auxiliary-supply", 0.0).is_none());
        assert_eq!(truth(&plant, "", "auxiliary-power"), 500.0);
        let events = run(&mut plant, 15.0);
        assert!(when(&events, "coil-supply", 0.0).is_some() && when(&events, "main-positive", 0.0).is_some());
        plant.clear(&PlantFault::GridLost).unwrap();
        let events = run(&mut plant, 3.0);
        assert!(when(&events, "coil-supply", 1.0).is_some());
        assert!((truth(&plant, "", "auxiliary-power") - 500.0 - 200.0 - 1500.0).abs() < 1.0);
    }
}
