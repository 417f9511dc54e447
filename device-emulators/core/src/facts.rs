//! What a product file says of its device's points beyond name, unit and range: limits, which point tells whether a command
//! was followed, what outlasts its cause. For people and views; devices go by their settings themselves.

use std::collections::BTreeMap;

use bess_types::{Channel, Coil};

use crate::bcu::settings::BcuSettings;
use crate::bmu;
use crate::chiller;
use crate::fire_panel;
use crate::hvac;
use crate::pcs::settings::{Settings as PcsSettings, Side, TripElement};
use crate::product::{Product, ProductError};
use crate::protection::{AlarmId, LevelSettings, ResetBy, Severity};
use crate::remote_io::{self, Load};

/// A value at which a device raises an alarm or trips.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// What is raised, in the device's own word.
    pub alarm: &'static str,
    /// Its level, if the device has levels.
    pub level: Option<Severity>,
    /// Whether values above are the bad ones.
    pub is_upper: bool,
    /// Raised here, in the unit of the point,
    pub set: f64,
    /// once the value has been there for so long, s.
    pub delay_s: f64,
    /// The cause is gone from here on; none if that is inside `set` again.
    pub recover: Option<f64>,
    /// Whether a protective action follows: contactors open, a power stage or a compressor stops.
    pub trips: bool,
}

impl Limit {
    fn new(alarm: &'static str, is_upper: bool, set: f64) -> Self {
        Self {
            alarm,
            level: None,
            is_upper,
            set,
            delay_s: 0.0,
            recover: None,
            trips: false,
        }
    }

    fn above(alarm: &'static str, set: f64) -> Self {
        Self::new(alarm, true, set)
    }

    fn below(alarm: &'static str, set: f64) -> Self {
        Self::new(alarm, false, set)
    }

    fn after(self, delay_s: f64) -> Self {
        Self { delay_s, ..self }
    }

    fn trip(self) -> Self {
        Self { trips: true, ..self }
    }
}

/// What is known of a product's points, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointFacts {
    /// Limits that are held against them. Limits that follow other values are left out.
    pub limits: BTreeMap<String, Vec<Limit>>,
    /// The point that tells whether a command was followed, by the command's.
    pub feedback: BTreeMap<String, String>,
    /// What ends a state that outlasts its cause.
    pub latches: BTreeMap<String, ResetBy>,
}

impl PointFacts {
    fn limit(&mut self, point: impl Into<String>, limit: Limit) {
        self.limits.entry(point.into()).or_default().push(limit);
    }

    fn followed_by(&mut self, command: impl Into<String>, feedback: impl Into<String>) {
        self.feedback.insert(command.into(), feedback.into());
    }

    fn latches(&mut self, point: impl Into<String>, until: ResetBy) {
        self.latches.insert(point.into(), until);
    }

    pub(crate) fn of_bcu(product: &Product) -> Result<Self, ProductError> {
        let settings: BcuSettings = product.settings()?;
        let mut facts = Self::default();
        for (id, alarm) in &settings.alarms {
            let levels = [alarm.warn, alarm.alarm, alarm.fault];
            for (level, set) in Severity::LEVELS.into_iter().zip(levels) {
                let Some(set) = set else { continue };
                for watched in watched_by_bcu(*id, level, &settings) {
                    let limit = watched.limit(*id, level, set);
                    facts.limit(watched.point, limit);
                }
            }
            if alarm.fault.is_some() {
                facts.latches(id.point(), alarm.reset_by);
            }
        }
        facts.followed_by("coil-main-positive", "main-positive-closed");
        facts.followed_by("coil-main-negative", "main-negative-closed");
        facts.followed_by("coil-precharge", "precharge-closed");
        Ok(facts)
    }

    pub(crate) fn of_bau() -> Self {
        let mut facts = Self::default();
        facts.latches("estop-seen", ResetBy::Command);
        facts.latches("fire-seen", ResetBy::Command);
        facts
    }

    pub(crate) fn of_bmu(product: &Product) -> Result<Self, ProductError> {
        let settings = bmu::Settings::of(product)?;
        let mut facts = Self::default();
        let mut both = |points: Vec<String>, high: Limit, low: Limit| {
            for point in points {
                facts.limit(point.clone(), high.clone());
                facts.limit(point, low.clone());
            }
        };
        both(
            row("cell[{}].voltage", settings.cells),
            Limit::above("over-voltage", settings.over_voltage_v),
            Limit::below("under-voltage", settings.under_voltage_v),
        );
        both(
            row("temperature[{}]", settings.temperatures),
            Limit::above("over-temperature", settings.over_temperature_c),
            Limit::below("under-temperature", settings.under_temperature_c),
        );
        facts.limit(
            "cell-voltage-max",
            Limit::above("over-voltage", settings.over_voltage_v),
        );
        facts.limit(
            "cell-voltage-min",
            Limit::below("under-voltage", settings.under_voltage_v),
        );
        facts.limit(
            "temperature-max",
            Limit::above("over-temperature", settings.over_temperature_c),
        );
        facts.limit(
            "temperature-min",
            Limit::below("under-temperature", settings.under_temperature_c),
        );
        Ok(facts)
    }

    pub(crate) fn of_remote_io(product: &Product) -> Result<Self, ProductError> {
        let settings = remote_io::Settings::of(product)?;
        let mut facts = Self::default();
        for output in &settings.output {
            let Some(Load::Coil(coil)) = output.drives else {
                continue;
            };
            let contact = match coil {
                Coil::MainPositive => Channel::AuxMainPositive,
                Coil::MainNegative => Channel::AuxMainNegative,
                Coil::Precharge => Channel::AuxPrecharge,
            };
            let mut inputs = settings.input.iter();
            if let Some(input) = inputs.find(|input| input.channel == Some(contact)) {
                facts.followed_by(&output.point, &input.point);
            }
        }
        Ok(facts)
    }

    pub(crate) fn of_safety_relay() -> Self {
        let mut facts = Self::default();
        facts.latches("state", ResetBy::Hand);
        facts.latches("lockout", ResetBy::Hand);
        facts
    }

    pub(crate) fn of_pcs(product: &Product) -> Result<Self, ProductError> {
        let settings: PcsSettings = product.settings()?;
        let mut facts = Self::default();
        let delay_s = settings.dc_trip_delay_ms as f64 / 1000.0;
        for limit in [
            Limit::above("dc-over-voltage", settings.dc_voltage_max_v),
            Limit::below("dc-under-voltage", settings.dc_voltage_min_v),
        ] {
            facts.limit("dc-voltage", limit.after(delay_s).trip());
        }
        facts.limit(
            "cabinet-temperature",
            Limit::above("over-temperature", settings.cabinet_trip_c).trip(),
        );
        let trip = |element: &TripElement, names: [&'static str; 2], nominal: f64| {
            let is_upper = element.side == Side::Over;
            let name = names[usize::from(is_upper)];
            Limit::new(name, is_upper, element.limit_pu * nominal)
                .after(element.delay_s)
                .trip()
        };
        let phase_v = settings.nominal_line_voltage_v / 3.0_f64.sqrt();
        for element in &settings.voltage_trip {
            for phase in ["phase-voltage-a", "phase-voltage-b", "phase-voltage-c"] {
                let limit = trip(element, ["under-voltage", "over-voltage"], phase_v);
                facts.limit(phase, limit);
            }
        }
        for element in &settings.frequency_trip {
            let names = ["under-frequency", "over-frequency"];
            facts.limit("frequency", trip(element, names, settings.nominal_frequency_hz));
        }
        facts.followed_by("active-power-target", "active-power");
        facts.followed_by("reactive-power-target", "reactive-power");
        facts.latches("trip-cause", ResetBy::Command);
        Ok(facts)
    }

    pub(crate) fn of_fire_panel(product: &Product) -> Result<Self, ProductError> {
        use fire_panel::points::DETECTORS;
        let settings: fire_panel::settings::Settings = product.settings()?;
        let mut facts = Self::default();
        for (gas, ppm) in [
            ("hydrogen", settings.hydrogen_ppm),
            ("carbon-monoxide", settings.carbon_monoxide_ppm),
        ] {
            let limit = Limit {
                recover: Some(ppm * settings.gas_clear_ratio),
                ..Limit::above("gas", ppm).after(settings.gas_delay_s)
            };
            facts.limit(gas, limit.clone());
            for point in row(&format!("{gas}[{{}}].concentration"), DETECTORS) {
                facts.limit(point, limit.clone());
            }
        }
        for point in row("smoke[{}].obscuration", DETECTORS) {
            let smoke = Limit::above("smoke", settings.smoke_db_per_m);
            facts.limit(point, smoke.after(settings.smoke_delay_s));
        }
        for point in row("heat[{}].temperature", DETECTORS) {
            facts.limit(point, Limit::above("heat", settings.heat_c));
        }
        facts.limit("heat-rate", Limit::above("heat", settings.heat_rate_k_per_min));
        let pressure = Limit::below("agent-low", settings.agent_pressure_min_pa);
        facts.limit("agent-pressure", pressure);
        facts.followed_by("valve-driven", "release-feedback");
        facts.followed_by("vent-fan-driven", "vent-fan-running");
        for point in ["smoke-detector", "heat-detector", "manual-call-point"] {
            facts.latches(point, ResetBy::Command);
        }
        for point in row("smoke[{}].alarm", DETECTORS)
            .into_iter()
            .chain(row("heat[{}].alarm", DETECTORS))
        {
            facts.latches(point, ResetBy::Command);
        }
        Ok(facts)
    }

    pub(crate) fn of_chiller(product: &Product) -> Result<Self, ProductError> {
        let settings: chiller::Settings = product.settings()?;
        let mut facts = Self::default();
        facts.limit(
            "supply-temperature",
            Limit::above("over-temperature", settings.supply_alarm_c),
        );
        let flow = Limit::below("flow-low", settings.flow_min_l_per_min);
        facts.limit("flow", flow.after(settings.flow_delay_s as f64).trip());
        facts.followed_by("pump", "flow-ok");
        Ok(facts)
    }

    pub(crate) fn of_hvac(product: &Product) -> Result<Self, ProductError> {
        let settings = hvac::Settings::of(product)?;
        let mut facts = Self::default();
        facts.limit(
            "air-temperature",
            Limit::above("high-temperature", settings.high_alarm_c),
        );
        facts.limit(
            "air-temperature",
            Limit::below("low-temperature", settings.low_alarm_c),
        );
        facts.followed_by("fan-driven", "fan-running");
        Ok(facts)
    }
}

/// Names of a row of points.
fn row(pattern: &str, len: usize) -> Vec<String> {
    (0..len).map(|i| pattern.replace("{}", &i.to_string())).collect()
}

/// A point that a BCU watches: the limit there is `offset` + `factor` · setting.
struct Watched {
    point: String,
    factor: f64,
    offset: f64,
}

impl Watched {
    fn limit(&self, id: AlarmId, level: Severity, setting: LevelSettings) -> Limit {
        let here = |value: f64| self.offset + self.factor * value;
        Limit {
            alarm: id.name(),
            level: Some(level),
            is_upper: id.low_is_bad() == (self.factor < 0.0),
            set: here(setting.set),
            delay_s: setting.delay_s,
            recover: setting.recover.map(here),
            trips: level == Severity::Fault,
        }
    }
}

/// Points that show what an alarm watches; none where it watches a difference, a time or a ratio to a moving limit.
fn watched_by_bcu(id: AlarmId, level: Severity, settings: &BcuSettings) -> Vec<Watched> {
    use AlarmId as Id;
    let cells = settings.packs * settings.cells_per_pack;
    let scaled = |point: &str, offset, factor| Watched {
        point: point.into(),
        factor,
        offset,
    };
    let one_and_row = |one: &str, pattern: &str, len| {
        let all = core::iter::once(one.to_owned()).chain(row(pattern, len));
        all.map(|point| scaled(&point, 0.0, 1.0)).collect()
    };
    let of_cells = |one| one_and_row(one, "cell[{}].voltage", cells);
    let of_sensors = |one| {
        one_and_row(
            one,
            "temperature[{}]",
            settings.packs * settings.temperatures_per_pack,
        )
    };
    match (id, level) {
        (Id::Cov, _) => of_cells("cell-voltage-max"),
        (Id::Cuv, _) => of_cells("cell-voltage-min"),
        (Id::Tov | Id::Tuv, _) => vec![scaled("cluster-voltage", 0.0, cells as f64)],
        (Id::Cht | Id::Dht, _) => of_sensors("temperature-max"),
        (Id::Clt | Id::Dlt, _) => of_sensors("temperature-min"),
        (Id::Dtr, _) => vec![scaled("temperature-rise", 0.0, 1.0)],
        // charging is negative
        (Id::Occ, Severity::Fault) => vec![scaled("current", 0.0, -settings.rated_charge_a)],
        (Id::Ocd, Severity::Fault) => vec![scaled("current", 0.0, settings.rated_discharge_a)],
        (Id::Scl | Id::Sch, _) => vec![scaled("soc", 0.0, 1.0)],
        (Id::Hvb, _) => vec![scaled("box-temperature", 0.0, 1.0)],
        (Id::Aux, _) => [-1.0, 1.0]
            .map(|side| scaled("coil-supply", settings.coil_supply_nominal_v, side))
            .into(),
        _ => vec![],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;
    use crate::kinds::{point_facts, point_table};
    use crate::library::Library;

    fn facts_of(id: &str) -> PointFacts {
        point_facts(&Library::shipped().product(id).unwrap()).unwrap()
    }

    /// Alarm, level, whether above is bad, set, recover.
    type InShort = (&'static str, Option<usize>, bool, f64, Option<f64>);

    fn limits(id: &str, point: &str) -> Vec<InShort> {
        let facts = facts_of(id);
        let of = facts.limits[point].iter();
        of.map(|limit| {
            (
                limit.alarm,
                limit.level.map(Severity::number),
                limit.is_upper,
                limit.set,
                limit.recover,
            )
        })
        .collect()
    }

    /// A fact of a point that is not there would be lost without a word.
    #[test]
    fn every_fact_is_of_a_point_of_its_product() {
        let library = Library::shipped();
        let mut found = 0;
        for id in library.product_ids() {
            let product = library.product(&id).unwrap();
            let table = point_table(&product).unwrap();
            let facts = point_facts(&product).unwrap();
            let names = (facts.limits.keys())
                .chain(facts.feedback.keys())
                .chain(facts.feedback.values())
                .chain(facts.latches.keys());
            for name in names {
                assert!(table.find(name).is_some(), "{id} has no point `{name}`");
                found += 1;
            }
        }
        assert!(found > 1000, "{found}");
    }

    #[test]
    fn a_bcu_holds_its_thresholds_against_its_points() {
        let high = limits("bcu-396s", "cell-voltage-max");
        assert_eq!(
            high,
            [
                ("cov", Some(1), true, 3.55, Some(3.45)),
                ("cov", Some(2), true, 3.60, Some(3.45)),
                ("cov", Some(3), true, 3.65, None),
            ]
        );
        let cell = limits("bcu-396s", "cell[395].voltage");
        assert_eq!(cell.len(), 6, "{cell:?}");
        assert_eq!(
            limits("bcu-396s", "current"),
            [
                ("occ", Some(3), false, -218.75, None),
                ("ocd", Some(3), true, 218.75, None)
            ]
        );
        let supply = limits("bcu-396s", "coil-supply");
        assert_eq!(supply[0], ("aux", Some(1), false, 22.0, Some(22.5)));
        assert_eq!(supply[1], ("aux", Some(1), true, 26.0, Some(25.5)));
        let cluster = limits("bcu-396s", "cluster-voltage");
        assert!((cluster[2].3 - 3.63 * 396.0).abs() < 1e-9, "{cluster:?}");
        let facts = facts_of("bcu-396s");
        assert_eq!(facts.latches["alarm-cov"], ResetBy::Command);
        assert_eq!(facts.latches["alarm-ins"], ResetBy::Hand);
        assert!(!facts.latches.contains_key("alarm-scl"), "it has no level 3");
    }

    #[test]
    fn commands_and_feedback_are_pairs() {
        let io = facts_of("rig-hv-box-io").feedback;
        assert_eq!(io["coil-main-negative"], "aux-main-negative");
        assert_eq!(io.len(), 3, "the shunt trip has no contact of its own");
        assert_eq!(facts_of("hvac").feedback["fan-driven"], "fan-running");
    }

    #[test]
    fn a_pcs_trips_at_its_settings() {
        let dc = limits("pcs-500-400", "dc-voltage");
        assert_eq!(dc[0], ("dc-over-voltage", None, true, 1000.0, None));
        assert_eq!(dc[1], ("dc-under-voltage", None, false, 620.0, None));
        let facts = facts_of("pcs-500-400");
        assert!(facts.limits["frequency"].iter().all(|limit| limit.trips));
    }
}
