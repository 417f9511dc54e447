//! From what a BCU hears to alarms and current limits.

use bess_types::SimTime;

use super::Bcu;
use super::estimate::LimitInputs;
use super::nodes::Extremes;
use super::sequence::State;
use crate::PointId;
use crate::defects::Defect;
use crate::protection::{AlarmId, Severity};

impl Bcu {
    /// Measurements to alarms and limits.
    pub(super) fn evaluate(&mut self, now: SimTime) {
        let testing = self.sequence.state() == State::Initialising;
        let extremes = self.nodes.extremes();
        self.publish_measurements(now, &extremes);
        let single = self.table.single;
        let (Some(cell_max), Some(cell_min), Some(cell_mean)) =
            (extremes.cell_max, extremes.cell_min, extremes.cell_mean)
        else {
            if !testing {
                self.evaluate_links(now);
                self.limit_to_zero();
            }
            return;
        };
        let current = self.points.get(single.current);
        let soc = self
            .soc
            .update(now, current.unwrap_or(0.0), cell_mean, cell_min, cell_max);
        self.points.set(single.soc, soc);
        if testing {
            return;
        }
        self.evaluate_cells(now, &extremes);
        self.evaluate_links(now);
        self.evaluate_currents(now, current);
        let usable = self.points.is_on(single.hv_unit_online)
            && !matches!(self.sequence.state(), State::Unloading | State::Opening);
        let (charge, discharge, reduced) = self.allowed();
        let (Some(temperature_max_c), Some(temperature_min_c), true) =
            (extremes.temperature_max, extremes.temperature_min, usable)
        else {
            self.limit_to_zero();
            return;
        };
        let inputs = LimitInputs {
            cell_max_v: cell_max,
            cell_min_v: cell_min,
            temperature_max_c,
            temperature_min_c,
            charge,
            discharge,
            reduced,
        };
        let [charge_a, discharge_a] = self.limiter.update(now, &inputs);
        self.points.set(single.charge_limit, charge_a);
        self.points.set(single.discharge_limit, discharge_a);
    }

    fn evaluate_cells(&mut self, now: SimTime, extremes: &Extremes) {
        use AlarmId as Id;
        let single = self.table.single;
        let settings = &self.settings;
        let cells = (settings.packs * settings.cells_per_pack) as f64;
        let cluster_v = self.points.get(single.cluster_voltage);
        let per_cell = cluster_v.map(|v| v / cells);
        let current = self.points.get(single.current);
        let charging = current.is_some_and(|a| a < -settings.charging_above_a);
        let (hot, cold) = (extremes.temperature_max, extremes.temperature_min);
        let soc = self.points.get(single.soc);
        let [soc_low, soc_high] = settings.spread_soc_pct;
        let spread_counts = soc.is_some_and(|soc| (soc_low..=soc_high).contains(&soc))
            && current.is_some_and(|a| a.abs() < settings.spread_current_a);
        let spread = difference(extremes.cell_max, extremes.cell_min).filter(|_| spread_counts);
        let insulation = self.points.get(single.insulation);
        let per_volt = cluster_v
            .filter(|v| *v >= settings.contactors.dead_bus_v)
            .and_then(|v| Some(insulation? / v));
        let alarms = &mut self.alarms;
        alarms.evaluate(now, Id::Cov, extremes.cell_max);
        alarms.evaluate(now, Id::Cuv, extremes.cell_min);
        alarms.evaluate(now, Id::Tov, per_cell);
        alarms.evaluate(now, Id::Tuv, per_cell);
        alarms.evaluate(now, Id::Cht, hot);
        alarms.evaluate(now, Id::Dht, hot);
        alarms.evaluate_each(now, Id::Clt, [cold, cold, cold.filter(|_| charging)]);
        alarms.evaluate(now, Id::Dlt, cold);
        alarms.evaluate(now, Id::Dt, difference(hot, cold));
        alarms.evaluate(now, Id::Dv, spread);
        alarms.evaluate(now, Id::Scl, soc);
        alarms.evaluate(now, Id::Sch, soc);
        alarms.evaluate(now, Id::Ins, per_volt);
        alarms.evaluate(now, Id::Hvb, self.points.get(single.box_temperature));
    }

    /// Over-current: warn and alarm against the limit published now, fault against the rating.
    fn evaluate_currents(&mut self, now: SimTime, current: Option<f64>) {
        let single = self.table.single;
        let settings = &self.settings;
        let ratio = |amperes: Option<f64>, limit: PointId, rated: f64| {
            let limit = self
                .points
                .get(limit)
                .unwrap_or(rated)
                .max(settings.current_floor_a);
            let against_limit = amperes.map(|a| a / limit);
            [against_limit, against_limit, amperes.map(|a| a / rated)]
        };
        let charge = current.map(|a| (-a).max(0.0));
        let discharge = current.map(|a| a.max(0.0));
        let charge = ratio(charge, single.charge_limit, settings.rated_charge_a);
        let discharge = ratio(discharge, single.discharge_limit, settings.rated_discharge_a);
        self.alarms.evaluate_each(now, AlarmId::Occ, charge);
        self.alarms.evaluate_each(now, AlarmId::Ocd, discharge);
    }

    /// Silence of nodes, the supply, the contactors and the interlock chain.
    fn evaluate_links(&mut self, now: SimTime) {
        let silence = self
            .nodes
            .silence_s(now)
            .max(self.io.silence_s(now, self.started));
        let inputs = self.inputs(now);
        let supply = self.points.get(self.table.single.coil_supply);
        let supply_off = supply.is_some_and(|v| v < self.settings.coil_supply_off_v);
        let deviation = supply.map(|v| (v - self.settings.coil_supply_nominal_v).abs());
        let broken = self.io.is_fresh(now)
            && (!self.points.is_on(self.table.single.fuse) || !self.points.is_on(self.table.single.breaker));
        let ignores_estop = self.defect == Some(Defect::IgnoredEstop);
        let interlock = if (supply_off && !ignores_estop) || broken {
            3.0
        } else {
            0.0
        };
        let mismatch = self.sequence.mismatch(&inputs);
        let alarms = &mut self.alarms;
        alarms.evaluate(now, AlarmId::Com, Some(silence));
        alarms.evaluate(now, AlarmId::Aux, deviation.filter(|_| !supply_off));
        alarms.evaluate(now, AlarmId::Ctf, mismatch.map(|on| f64::from(u8::from(on))));
        let given_up = f64::from(u8::from(self.sequence.given_up()));
        alarms.evaluate(now, AlarmId::Prc, Some(given_up));
        alarms.evaluate(now, AlarmId::Ilk, Some(interlock).filter(|_| supply.is_some()));
    }

    /// Once a second: what needs a look at every sensor.
    pub(super) fn survey_packs(&mut self, now: SimTime) {
        let single = self.table.single;
        let extremes = self.nodes.extremes();
        self.publish_places(&extremes);
        self.publish_packs();
        if self.sequence.state() == State::Initialising {
            return;
        }
        let rise = self.rise.sample(self.nodes.hottest());
        if let Some(rise) = rise {
            self.points.set(single.temperature_rise, rise);
        }
        self.alarms.evaluate(now, AlarmId::Dtr, rise);
        let worst = self.nodes.sensor_severity(now).number() as f64;
        self.alarms.evaluate(now, AlarmId::Sen, Some(worst));
        if self.balancing.due(now) {
            self.balance(&extremes);
        }
    }

    /// Charging allowed, discharging allowed, power reduced: what the active alarms leave.
    fn allowed(&self) -> (bool, bool, bool) {
        use AlarmId as Id;
        let (mut charge, mut discharge, mut reduced) = (true, true, false);
        for id in self.alarms.active(Severity::Alarm) {
            match (id, self.alarms.severity(id)) {
                (Id::Dt | Id::Pol | Id::Hvb, Severity::Alarm) => reduced = true,
                (Id::Cov | Id::Tov | Id::Cht | Id::Clt | Id::Sch, Severity::Alarm) => charge = false,
                (Id::Cuv | Id::Tuv | Id::Dht | Id::Dlt | Id::Scl, Severity::Alarm) => discharge = false,
                _ => (charge, discharge) = (false, false),
            }
        }
        (charge, discharge, reduced)
    }

    pub(super) fn limit_to_zero(&mut self) {
        self.limiter.drop_to_zero();
        if self.defect != Some(Defect::StuckLimits) {
            self.points.set(self.table.single.charge_limit, 0.0);
            self.points.set(self.table.single.discharge_limit, 0.0);
        }
    }
}

fn difference(high: Option<f64>, low: Option<f64>) -> Option<f64> {
    Some(high? - low?)
}
