//! Alarms as states, after ISA-18.2: unacknowledged, acknowledged, returned.

use std::collections::{BTreeMap, BTreeSet};

use bess_telemetry::{Event, Kind, Truth};

use super::index::{is_within, leaf};

/// How bad it is. Other systems number downwards, so it is always written with its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The rig's own trouble: late, stale, lost frames, a checker's finding.
    R,
    /// Warning.
    L1,
    /// Alarm.
    L2,
    /// Fault, or a protective action.
    L3,
}

impl Level {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::R => "R",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        }
    }
}

/// Whether somebody has seen it, and whether it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmState {
    /// Active, and nobody has seen it: the badge flashes.
    Unacknowledged,
    /// Active and seen: the badge is steady.
    Acknowledged,
    /// Gone before anybody saw it: a hollow badge that flashes.
    Returned,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Number of the event that raised it to its level.
    pub event: u64,
    /// Whose.
    pub tag: String,
    /// Which point.
    pub point: String,
    /// Whose word it is.
    pub truth: Truth,
    /// Whether it is a protective action and no report.
    pub is_trip: bool,
    /// The worst it was since it was raised.
    pub level: Level,
    /// For people.
    pub text: String,
    /// Value of the point.
    pub value: f64,
    /// When it was raised, ns.
    pub raised_ns: u64,
    /// When it ended, ns.
    pub ended_ns: Option<u64>,
    /// What caused it, where the log says so.
    pub cause: Option<u64>,
}

/// Tag of the group of points that an event of this word and tag is about: truth has `plant:` in front.
pub(super) fn group_tag(truth: Truth, tag: &str) -> String {
    match truth {
        Truth::T => format!("plant:{tag}"),
        _ => tag.to_owned(),
    }
}

impl Alarm {
    /// Tag of its group of points: truth has `plant:` in front.
    pub fn group(&self) -> String {
        group_tag(self.truth, &self.tag)
    }

    /// Whether it is still there.
    pub fn is_active(&self) -> bool {
        self.ended_ns.is_none()
    }
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmRow<'a> {
    /// The alarm that is shown.
    pub alarm: &'a Alarm,
    /// What is folded into it: the same, of other devices.
    pub folded: Vec<&'a Alarm>,
    /// The log says that the one above caused it.
    pub is_consequence: bool,
}

/// Alarms that are active, or that nobody has seen.
#[derive(Clone, Debug, Default)]
pub struct Alarms {
    /// By tag and point.
    by_point: BTreeMap<(String, String), Alarm>,
    /// Raising events that somebody has seen.
    acknowledged: BTreeSet<u64>,
    /// Points that were well before: only what was there can be lost.
    well: BTreeSet<(String, String)>,
    /// First of those that are there: its raising event.
    first_out: Option<(String, String)>,
    /// When alarms were raised of late, ns.
    raised: Vec<u64>,
}

/// How many alarms make a flood, and in which time, ns (EEMUA 191).
const FLOOD: usize = 10;
const FLOOD_NS: u64 = 600_000_000_000;

impl Alarms {
    pub(super) fn take(&mut self, event: &Event) {
        let key = (event.tag.clone(), event.point.clone());
        let on = event.value != 0.0;
        let lossy = is_loss(&event.point);
        match level(event) {
            Some(level) if !lossy || self.well.contains(&key) => self.raise(key, level, event),
            Some(_) => {}
            None => {
                if lossy && on {
                    self.well.insert(key.clone());
                }
                if matches!(event.kind, Kind::Alarm | Kind::Trip | Kind::Change) {
                    self.end(&key, event.at_ns);
                }
            }
        }
    }

    fn raise(&mut self, key: (String, String), level: Level, event: &Event) {
        if !self.by_point.values().any(|alarm| alarm.level != Level::R) && level != Level::R {
            self.first_out = Some(key.clone());
        }
        let raised = Alarm {
            event: event.id,
            tag: event.tag.clone(),
            point: event.point.clone(),
            truth: event.truth,
            is_trip: event.kind == Kind::Trip,
            level,
            text: event.text.clone(),
            value: event.value,
            raised_ns: event.at_ns,
            ended_ns: None,
            cause: event.cause,
        };
        if let Some(alarm) = self.by_point.get_mut(&key).filter(|alarm| alarm.is_active()) {
            // told again by another way, or less than it was
            alarm.value = event.value;
            if level > alarm.level {
                let raised_ns = alarm.raised_ns;
                *alarm = Alarm { raised_ns, ..raised };
            }
            return;
        }
        self.raised.retain(|at| *at + FLOOD_NS > event.at_ns);
        self.raised.push(event.at_ns);
        self.by_point.insert(key, raised);
    }

    fn end(&mut self, key: &(String, String), at_ns: u64) {
        if let Some(alarm) = self.by_point.get_mut(key) {
            alarm.ended_ns.get_or_insert(at_ns);
        }
        self.forget();
    }

    /// What has ended and was seen is gone.
    fn forget(&mut self) {
        let acknowledged = &self.acknowledged;
        self.by_point
            .retain(|_, alarm| alarm.is_active() || !acknowledged.contains(&alarm.event));
        if !self
            .first_out
            .as_ref()
            .is_some_and(|key| self.by_point.contains_key(key))
        {
            self.first_out = None;
        }
    }

    /// Somebody has seen an alarm.
    pub fn acknowledge(&mut self, event: u64) {
        self.acknowledged.insert(event);
        self.forget();
    }

    /// Somebody has seen them all.
    pub fn acknowledge_all(&mut self) {
        self.acknowledged
            .extend(self.by_point.values().map(|alarm| alarm.event));
        self.forget();
    }

    pub(super) fn take_acknowledged(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.acknowledged)
    }

    pub(super) fn set_acknowledged(&mut self, acknowledged: BTreeSet<u64>) {
        self.acknowledged = acknowledged;
    }

    /// State of an alarm.
    pub fn state(&self, alarm: &Alarm) -> AlarmState {
        match (alarm.is_active(), self.acknowledged.contains(&alarm.event)) {
            (true, false) => AlarmState::Unacknowledged,
            (true, true) => AlarmState::Acknowledged,
            (false, _) => AlarmState::Returned,
        }
    }

    /// Whether it came first of those that are there.
    pub fn is_first_out(&self, alarm: &Alarm) -> bool {
        self.first_out
            .as_ref()
            .is_some_and(|(tag, point)| *tag == alarm.tag && *point == alarm.point)
    }

    /// In the order of a list: first-out, then worst, then unacknowledged, then newest.
    pub fn list(&self) -> Vec<&Alarm> {
        let mut list: Vec<_> = self.by_point.values().collect();
        list.sort_by_key(|alarm| {
            std::cmp::Reverse((
                self.is_first_out(alarm),
                alarm.is_active(),
                alarm.level,
                self.state(alarm) == AlarmState::Unacknowledged,
                alarm.raised_ns,
                alarm.event,
            ))
        });
        list
    }

    /// The list as rows: what the log says was caused by another stands below it, and in a flood the same alarm of many devices
    /// is one row, unless `unfolded` says otherwise of its point.
    pub fn rows(&self, unfolded: &BTreeSet<String>) -> Vec<AlarmRow<'_>> {
        let list = self.list();
        let known: BTreeSet<u64> = list.iter().map(|alarm| alarm.event).collect();
        let cause = |alarm: &Alarm| {
            let cause = alarm.cause?;
            (cause != alarm.event && known.contains(&cause)).then_some(cause)
        };
        let mut consequences: BTreeMap<u64, Vec<&Alarm>> = BTreeMap::new();
        for alarm in &list {
            if let Some(cause) = cause(alarm) {
                consequences.entry(cause).or_default().push(alarm);
            }
        }
        // each with its consequences below it; what causes itself in a circle comes at the end
        let mut order: Vec<(&Alarm, bool)> = Vec::new();
        let mut placed = BTreeSet::new();
        let roots = list.iter().filter(|alarm| cause(alarm).is_none());
        for first in roots.chain(&list) {
            let mut next = vec![(*first, cause(first).is_some())];
            while let Some((alarm, is_consequence)) = next.pop() {
                if placed.insert(alarm.event) {
                    order.push((alarm, is_consequence));
                    let below = consequences.get(&alarm.event).into_iter().flatten().rev();
                    next.extend(below.map(|alarm| (*alarm, true)));
                }
            }
        }
        let mut rows: Vec<AlarmRow> = Vec::new();
        let mut same = BTreeMap::new();
        for (alarm, is_consequence) in order {
            let folds = self.is_flood() && !unfolded.contains(&alarm.point);
            let kind = (
                alarm.point.as_str(),
                leaf(&alarm.tag),
                alarm.level,
                alarm.is_active(),
            );
            let row = same.get(&kind).copied().filter(|_| folds);
            if let Some(row) = row.and_then(|row: usize| rows.get_mut(row)) {
                row.folded.push(alarm);
                continue;
            }
            same.insert(kind, rows.len());
            rows.push(AlarmRow {
                alarm,
                folded: Vec::new(),
                is_consequence,
            });
        }
        rows
    }

    /// How many are active and nobody has seen.
    pub fn unseen(&self) -> usize {
        let state = |alarm| self.state(alarm);
        let all = self.by_point.values();
        all.filter(|alarm| state(alarm) != AlarmState::Acknowledged)
            .count()
    }

    /// How many of a level are active.
    pub fn count(&self, level: Level) -> usize {
        let active = self.by_point.values().filter(|alarm| alarm.is_active());
        active.filter(|alarm| alarm.level == level).count()
    }

    /// The worst active one of a part and of what is in it, and how many there are.
    pub fn worst_within(&self, tag: &str) -> Option<(Level, usize)> {
        let within = self
            .by_point
            .values()
            .filter(|alarm| alarm.is_active() && is_within(&alarm.tag, tag));
        within.fold(None, |worst, alarm| match worst {
            None => Some((alarm.level, 1)),
            Some((level, count)) => Some((alarm.level.max(level), count + 1)),
        })
    }

    /// Whether more come than people can take in.
    pub fn is_flood(&self) -> bool {
        self.raised.len() > FLOOD
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_point.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_point.is_empty()
    }
}

/// Whether a point tells that something good is there, so that 0 is the alarm.
fn is_loss(point: &str) -> bool {
    matches!(point, "permit" | "safety-ok" | "fuse" | "breaker")
}

/// Which level an event raises, if any.
fn level(event: &Event) -> Option<Level> {
    let on = event.value != 0.0;
    match event.kind {
        Kind::Finding => Some(Level::R),
        Kind::Trip => Some(Level::L3),
        // the sum of others, which are in the list themselves
        Kind::Alarm if event.point == "alarm-level" => None,
        Kind::Alarm if !on => None,
        Kind::Alarm if event.point.starts_with("alarm-") => Some(match event.value {
            value if value >= 3.0 => Level::L3,
            value if value >= 2.0 => Level::L2,
            _ => Level::L1,
        }),
        // stages of the fire panel: pre-warning, level 1, level 2, released, level 3
        Kind::Alarm if event.point == "level" => Some(match event.value {
            value if value >= 3.0 => Level::L3,
            value if value >= 2.0 => Level::L2,
            _ => Level::L1,
        }),
        Kind::Alarm => Some(Level::L2),
        _ => None,
    }
}

/// What an alarm is about, in words; the point's own name if there are none.
pub fn subject(point: &str) -> &str {
    match point {
        "alarm-cov" => "cell voltage high",
        "alarm-cuv" => "cell voltage low",
        "alarm-tov" => "cluster voltage high",
        "alarm-tuv" => "cluster voltage low",
        "alarm-cht" => "too hot to charge",
        "alarm-dht" => "too hot to discharge",
        "alarm-clt" => "too cold to charge",
        "alarm-dlt" => "too cold to discharge",
        "alarm-dt" => "temperature spread",
        "alarm-dtr" => "temperature rise",
        "alarm-dv" => "voltage spread",
        "alarm-occ" => "charge current",
        "alarm-ocd" => "discharge current",
        "alarm-scl" => "SOC low",
        "alarm-sch" => "SOC high",
        "alarm-ins" => "insulation",
        "alarm-pol" => "terminals hot",
        "alarm-hvb" => "HV box hot",
        "alarm-com" => "node silent",
        "alarm-sen" => "sensors unusable",
        "alarm-aux" => "24 V supply",
        "alarm-ctf" => "contactor feedback",
        "alarm-ilk" => "interlock open",
        "alarm-fire" => "fire detection",
        "alarm-prc" => "precharge given up",
        "gas-detector" => "gas detected",
        "smoke-detector" => "smoke detected",
        "heat-detector" => "heat detected",
        "manual-call-point" => "call point",
        "level" => "fire stage",
        "permit" => "permit withdrawn",
        "safety-ok" => "safety chain open",
        "trip-cause" => "tripped",
        "breaker-trip" => "breaker tripped",
        "valve-driven" => "agent valve",
        "agent-released" => "agent released",
        "high-pressure" => "refrigerant pressure",
        "lockout" => "locked out",
        other => other,
    }
}
