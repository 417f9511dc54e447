//! Three-level alarms: thresholds with hysteresis, delay and latch, evaluated the same way by every controller.
//!
//! Convention of the rig: **warn** (report, perhaps derate) < **alarm** (no charge and/or no discharge) <
//! **fault** (contactors open, latched). Warn and alarm clear themselves once the quantity has been inside
//! its recovery limit for the hold time; a fault stays until its cause is gone *and* it is reset.
//! All figures come from the product file; which side of a limit is bad belongs to the [`AlarmId`].

use core::time::Duration;
use std::collections::BTreeMap;

use bess_types::SimTime;
use serde::Deserialize;

/// How bad: the rig's three levels, and none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Severity {
    /// Nothing active.
    #[default]
    None,
    /// Level 1.
    Warn,
    /// Level 2.
    Alarm,
    /// Level 3.
    Fault,
}

impl Severity {
    /// Names of the levels, as point states.
    pub const NAMES: &'static [&'static str] = &["none", "warn", "alarm", "fault"];
    /// The levels that can be active, mildest first.
    pub const LEVELS: [Self; 3] = [Self::Warn, Self::Alarm, Self::Fault];

    /// 0 to 3.
    pub const fn number(self) -> usize {
        self as usize
    }
}

/// What is watched. The order is the bit order of the alarm sets on the stack bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmId {
    /// Cell voltage high, V.
    Cov,
    /// Cell voltage low, V.
    Cuv,
    /// Cluster voltage high, V for each cell in series.
    Tov,
    /// Cluster voltage low, V for each cell in series.
    Tuv,
    /// Temperature too high to charge, °C.
    Cht,
    /// Temperature too high to discharge, °C.
    Dht,
    /// Temperature too low to charge, °C.
    Clt,
    /// Temperature too low to discharge, °C.
    Dlt,
    /// Spread of cell temperatures, K.
    Dt,
    /// Temperature rise, K/min.
    Dtr,
    /// Spread of cell voltages, V.
    Dv,
    /// Charge current against its limit, ratio.
    Occ,
    /// Discharge current against its limit, ratio.
    Ocd,
    /// State of charge low, %.
    Scl,
    /// State of charge high, %.
    Sch,
    /// Insulation resistance, Ω/V.
    Ins,
    /// Terminal temperature, °C.
    Pol,
    /// High-voltage box temperature, °C.
    Hvb,
    /// Silence of a node, s.
    Com,
    /// Unusable sensor channels in one pack, as a severity number.
    Sen,
    /// Auxiliary supply away from 24 V; distance to nominal, V.
    Aux,
    /// Contactor feedback that contradicts its command, 0 or 1.
    Ctf,
    /// Interlock chain, as a severity number.
    Ilk,
    /// Fire detection, as a severity number.
    Fire,
    /// Precharge given up, 0 or 1.
    Prc,
}

impl AlarmId {
    /// All ids, in bit order.
    pub const ALL: [Self; 25] = [
        Self::Cov,
        Self::Cuv,
        Self::Tov,
        Self::Tuv,
        Self::Cht,
        Self::Dht,
        Self::Clt,
        Self::Dlt,
        Self::Dt,
        Self::Dtr,
        Self::Dv,
        Self::Occ,
        Self::Ocd,
        Self::Scl,
        Self::Sch,
        Self::Ins,
        Self::Pol,
        Self::Hvb,
        Self::Com,
        Self::Sen,
        Self::Aux,
        Self::Ctf,
        Self::Ilk,
        Self::Fire,
        Self::Prc,
    ];

    /// Names of the `first-alarm` point's states: none, then every id in bit order.
    pub const FIRST_ALARM_NAMES: &'static [&'static str] = &[
        "none", "cov", "cuv", "tov", "tuv", "cht", "dht", "clt", "dlt", "dt", "dtr", "dv", "occ", "ocd",
        "scl", "sch", "ins", "pol", "hvb", "com", "sen", "aux", "ctf", "ilk", "fire", "prc",
    ];

    /// Bit position in an alarm set.
    pub const fn bit(self) -> usize {
        self as usize
    }

    /// Its number in a `first-alarm` point: 1 for the first id, 0 being none.
    pub const fn number(self) -> usize {
        self as usize + 1
    }

    /// Kebab-case name, as in the product file.
    pub const fn name(self) -> &'static str {
        Self::FIRST_ALARM_NAMES[self.number()]
    }

    /// Name of the point that shows this alarm's severity.
    pub const fn point(self) -> &'static str {
        const POINTS: [&str; 25] = [
            "alarm-cov",
            "alarm-cuv",
            "alarm-tov",
            "alarm-tuv",
            "alarm-cht",
            "alarm-dht",
            "alarm-clt",
            "alarm-dlt",
            "alarm-dt",
            "alarm-dtr",
            "alarm-dv",
            "alarm-occ",
            "alarm-ocd",
            "alarm-scl",
            "alarm-sch",
            "alarm-ins",
            "alarm-pol",
            "alarm-hvb",
            "alarm-com",
            "alarm-sen",
            "alarm-aux",
            "alarm-ctf",
            "alarm-ilk",
            "alarm-fire",
            "alarm-prc",
        ];
        POINTS[self.bit()]
    }

    /// Whether values below the limit are the bad ones.
    pub(crate) const fn low_is_bad(self) -> bool {
        matches!(
            self,
            Self::Cuv | Self::Tuv | Self::Clt | Self::Dlt | Self::Scl | Self::Ins
        )
    }
}

/// One level of one alarm, as in the product file.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelSettings {
    /// Reached at this value (for low alarms: at or below it).
    pub set: f64,
    /// Left at this value; `set` itself if absent.
    pub recover: Option<f64>,
    /// How long the value has to stay beyond `set`, s.
    #[serde(default)]
    pub delay_s: f64,
}

/// How a latched fault is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetBy {
    /// By a reset command over the bus, once the cause is gone.
    #[default]
    Command,
    /// By hand at the cluster only: power off and on.
    Hand,
}

/// The levels of one alarm, as in the product file.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmSettings {
    /// Level 1.
    pub warn: Option<LevelSettings>,
    /// Level 2.
    pub alarm: Option<LevelSettings>,
    /// Level 3, latched.
    pub fault: Option<LevelSettings>,
    /// What releases level 3.
    #[serde(default)]
    pub reset_by: ResetBy,
}

/// Every alarm of a product.
pub type AlarmTable = BTreeMap<AlarmId, AlarmSettings>;

/// All alarms of one controller with their present levels.
#[derive(Clone, Debug)]
pub struct AlarmBoard {
    monitors: Vec<Option<Monitor>>,
}

impl AlarmBoard {
    /// Watches the alarms of `table`; warn and alarm need `clear_hold_s` inside their recovery limit to clear.
    pub fn new(table: &AlarmTable, clear_hold_s: f64) -> Self {
        let monitors = AlarmId::ALL
            .iter()
            .map(|id| {
                table
                    .get(id)
                    .map(|settings| Monitor::new(*id, settings, clear_hold_s))
            })
            .collect();
        Self { monitors }
    }

    /// Takes the present value of a watched quantity; `None` (no usable value) leaves everything as it is.
    pub fn evaluate(&mut self, now: SimTime, id: AlarmId, value: Option<f64>) {
        self.evaluate_each(now, id, [value; 3]);
    }

    /// As [`Self::evaluate`], where the levels of one alarm look at different values.
    pub fn evaluate_each(&mut self, now: SimTime, id: AlarmId, values: [Option<f64>; 3]) {
        if let Some(monitor) = &mut self.monitors[id.bit()] {
            monitor.evaluate(now, values);
        }
    }

    /// Releases every latched fault whose cause is gone and that may be reset over the bus.
    pub fn reset(&mut self) {
        self.monitors.iter_mut().flatten().for_each(Monitor::reset);
    }

    /// Present level of one alarm.
    pub fn severity(&self, id: AlarmId) -> Severity {
        self.monitors[id.bit()]
            .as_ref()
            .map_or(Severity::None, Monitor::severity)
    }

    /// The worst level of all, and the alarm that reached it first.
    pub fn worst(&self) -> (Severity, Option<AlarmId>) {
        let mut worst = (Severity::None, SimTime::NEVER, None);
        for monitor in self.monitors.iter().flatten() {
            let severity = monitor.severity();
            let since = monitor.active_since(severity);
            if severity > worst.0 || (severity == worst.0 && since < worst.1) {
                worst = (severity, since, Some(monitor.id));
            }
        }
        match worst {
            (Severity::None, ..) => (Severity::None, None),
            (severity, _, id) => (severity, id),
        }
    }

    /// The alarms active at `level`, one bit each.
    pub fn bits(&self, level: Severity) -> u32 {
        self.monitors
            .iter()
            .flatten()
            .filter(|monitor| monitor.is_active(level))
            .fold(0, |bits, monitor| bits | 1 << monitor.id.bit())
    }

    /// The alarms active at `level` or above.
    pub fn active(&self, level: Severity) -> impl Iterator<Item = AlarmId> + '_ {
        self.monitors
            .iter()
            .flatten()
            .filter(move |monitor| monitor.severity() >= level)
            .map(|monitor| monitor.id)
    }
}

/// One alarm with its levels.
#[derive(Clone, Debug)]
struct Monitor {
    id: AlarmId,
    levels: [Option<Level>; 3],
    reset_by: ResetBy,
    clear_hold: Duration,
}

/// One level at run time.
#[derive(Clone, Copy, Debug)]
struct Level {
    set: f64,
    recover: f64,
    delay: Duration,
    beyond_since: Option<SimTime>,
    inside_since: Option<SimTime>,
    active_since: Option<SimTime>,
    cause: bool,
}

impl Monitor {
    fn new(id: AlarmId, settings: &AlarmSettings, clear_hold_s: f64) -> Self {
        let level = |settings: Option<LevelSettings>| {
            settings.map(|level| Level {
                set: level.set,
                recover: level.recover.unwrap_or(level.set),
                delay: seconds(level.delay_s),
                beyond_since: None,
                inside_since: None,
                active_since: None,
                cause: false,
            })
        };
        Self {
            id,
            levels: [level(settings.warn), level(settings.alarm), level(settings.fault)],
            reset_by: settings.reset_by,
            clear_hold: seconds(clear_hold_s),
        }
    }

    fn evaluate(&mut self, now: SimTime, values: [Option<f64>; 3]) {
        for (severity, (level, value)) in Severity::LEVELS
            .into_iter()
            .zip(self.levels.iter_mut().zip(values))
        {
            let (Some(level), Some(value)) = (level, value) else {
                continue;
            };
            level.observe(now, value, self.id.low_is_bad());
            let recovered = level
                .inside_since
                .is_some_and(|since| now - since >= self.clear_hold);
            if severity != Severity::Fault && recovered {
                level.active_since = None;
            }
        }
    }

    fn reset(&mut self) {
        let [.., Some(fault)] = &mut self.levels else {
            return;
        };
        if self.reset_by == ResetBy::Command && !fault.cause {
            fault.active_since = None;
        }
    }

    fn severity(&self) -> Severity {
        Severity::LEVELS
            .into_iter()
            .rev()
            .find(|level| self.is_active(*level))
            .unwrap_or_default()
    }

    fn is_active(&self, level: Severity) -> bool {
        self.active_since(level) != SimTime::NEVER
    }

    fn active_since(&self, level: Severity) -> SimTime {
        level
            .number()
            .checked_sub(1)
            .and_then(|i| self.levels[i]?.active_since)
            .unwrap_or(SimTime::NEVER)
    }
}

impl Level {
    /// Below the resolution of any signal, above the rounding of a decoded one.
    const ROUNDING: f64 = 1e-9;

    fn observe(&mut self, now: SimTime, value: f64, low_is_bad: bool) {
        let (beyond, inside) = if low_is_bad {
            (
                value <= self.set + Self::ROUNDING,
                value >= self.recover - Self::ROUNDING,
            )
        } else {
            (
                value >= self.set - Self::ROUNDING,
                value <= self.recover + Self::ROUNDING,
            )
        };
        if beyond {
            self.inside_since = None;
            let since = *self.beyond_since.get_or_insert(now);
            if now - since >= self.delay {
                self.cause = true;
                self.active_since.get_or_insert(now);
            }
            return;
        }
        self.beyond_since = None;
        if inside {
            self.cause = false;
            self.inside_since.get_or_insert(now);
        } else {
            self.inside_since = None;
        }
    }
}

/// A figure of the product file as a duration; negative figures count as zero.
pub(crate) fn seconds(s: f64) -> Duration {
    Duration::try_from_secs_f64(s).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: AlarmSettings = AlarmSettings {
        warn: Some(LevelSettings {
            set: 3.55,
            recover: Some(3.45),
            delay_s: 2.0,
        }),
        alarm: None,
        fault: Some(LevelSettings {
            set: 3.65,
            recover: None,
            delay_s: 0.7,
        }),
        reset_by: ResetBy::Command,
    };

    struct Bench {
        board: AlarmBoard,
        ms: u64,
    }

    impl Bench {
        fn new(settings: AlarmSettings) -> Self {
            let table = AlarmTable::from([(AlarmId::Cov, settings)]);
            Self {
                board: AlarmBoard::new(&table, 10.0),
                ms: 0,
            }
        }

        fn hold(&mut self, value: f64, ms: u64) -> Severity {
            for _ in 0..ms / 50 {
                self.ms += 50;
                self.board
                    .evaluate(SimTime::from_millis(self.ms), AlarmId::Cov, Some(value));
            }
            self.board.severity(AlarmId::Cov)
        }
    }

    #[test]
    fn warn_waits_for_its_delay_and_clears_after_hysteresis_and_hold() {
        let mut bench = Bench::new(LEVELS);
        assert_eq!(bench.hold(3.549, 60_000), Severity::None);
        assert_eq!(bench.hold(3.551, 2_000), Severity::None);
        assert_eq!(bench.hold(3.551, 50), Severity::Warn);
        assert_eq!(bench.hold(3.451, 60_000), Severity::Warn, "not yet recovered");
        assert_eq!(bench.hold(3.449, 10_000), Severity::Warn);
        assert_eq!(bench.hold(3.449, 50), Severity::None);
    }

    #[test]
    fn a_glitch_shorter_than_the_delay_is_ignored() {
        let mut bench = Bench::new(LEVELS);
        for _ in 0..5 {
            assert_eq!(bench.hold(3.7, 650), Severity::None);
            assert_eq!(bench.hold(3.3, 50), Severity::None);
        }
    }

    #[test]
    fn a_fault_needs_its_cause_gone_and_a_reset() {
        let mut bench = Bench::new(LEVELS);
        assert_eq!(bench.hold(3.66, 1_000), Severity::Fault);
        bench.board.reset();
        assert_eq!(
            bench.hold(3.3, 60_000),
            Severity::Fault,
            "reset came while the cause stood"
        );
        bench.board.reset();
        assert_eq!(bench.board.severity(AlarmId::Cov), Severity::None);
    }

    #[test]
    fn a_fault_reset_by_hand_ignores_the_command() {
        let mut bench = Bench::new(AlarmSettings {
            reset_by: ResetBy::Hand,
            ..LEVELS
        });
        bench.hold(3.66, 1_000);
        bench.hold(3.3, 1_000);
        bench.board.reset();
        assert_eq!(bench.board.severity(AlarmId::Cov), Severity::Fault);
    }

    #[test]
    fn the_first_of_the_worst_is_named() {
        let table = AlarmTable::from([(AlarmId::Cov, LEVELS), (AlarmId::Dt, LEVELS)]);
        let mut board = AlarmBoard::new(&table, 10.0);
        for ms in (0..2_000).step_by(50) {
            board.evaluate(SimTime::from_millis(ms), AlarmId::Dt, Some(4.0));
            board.evaluate(SimTime::from_millis(ms + 1_000), AlarmId::Cov, Some(4.0));
        }
        assert_eq!(board.worst(), (Severity::Fault, Some(AlarmId::Dt)));
        assert_eq!(
            board.bits(Severity::Fault),
            1 << AlarmId::Dt.bit() | 1 << AlarmId::Cov.bit()
        );
    }

    #[test]
    fn names_follow_the_bit_order() {
        for (i, id) in AlarmId::ALL.into_iter().enumerate() {
            assert_eq!(id.bit(), i);
            assert_eq!(id.point(), format!("alarm-{}", id.name()));
        }
    }
}
