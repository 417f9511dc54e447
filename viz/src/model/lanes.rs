//! Lanes of the timeline: which part of the chain an event belongs to, and its state over time.

use std::collections::BTreeMap;

use bess_telemetry::{Event, Kind, PointName, Truth};

use super::alarms::Level;
use super::index::leaf;

/// A lane, from cause down to effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Faults and hands.
    Injected,
    /// Cells: stages of thermal runaway.
    Cell,
    /// Gas and smoke in the air.
    Gas,
    /// Detectors and the fire panel's stages.
    Detectors,
    /// BMS and EMS.
    Controller,
    /// Contactors of the clusters.
    Contactors,
    /// The PCS.
    Pcs,
    /// Ventilation and HVAC.
    Air,
    /// The fire-fighting agent.
    Suppression,
    /// Safety chain.
    Estop,
}

impl Lane {
    /// All, from the top down.
    pub const ALL: [Self; 10] = [
        Self::Injected,
        Self::Cell,
        Self::Gas,
        Self::Detectors,
        Self::Controller,
        Self::Contactors,
        Self::Pcs,
        Self::Air,
        Self::Suppression,
        Self::Estop,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Cell => "cells",
            Self::Gas => "gas",
            Self::Detectors => "detectors",
            Self::Controller => "controller",
            Self::Contactors => "contactors",
            Self::Pcs => "PCS",
            Self::Air => "ventilation",
            Self::Suppression => "suppression",
            Self::Estop => "E-stop",
        }
    }

    /// The lane of a point; `tag` with or without `plant:` in front.
    pub fn of_point(tag: &str, point: &str) -> Option<Self> {
        let of = leaf(tag);
        Some(match (of, point) {
            (_, "runaway-stage") => Self::Cell,
            ("safety-relay", _) | (_, "estop-a" | "estop-b" | "coil-supply" | "safety-ok") => Self::Estop,
            ("suppression", _)
            | (
                _,
                "valve-driven" | "release-feedback" | "countdown" | "countdown-active" | "suppression-hold",
            ) => Self::Suppression,
            ("fire-panel", "vent-fan-driven" | "vent-fan-running" | "damper-closed" | "hvac-allowed") => {
                Self::Air
            }
            ("fire-panel", _) | (_, "fire-level") => Self::Detectors,
            ("air", "vent-fan" | "damper-open" | "hvac" | "temperature") => Self::Air,
            ("air", _) => Self::Gas,
            ("pcs", _) => Self::Pcs,
            (_, "vent-request" | "vent-fan-running" | "hvac-running") => Self::Air,
            ("bau" | "ems" | "bcu" | "hmi", _) => Self::Controller,
            (
                _,
                "main-positive" | "main-negative" | "precharge" | "breaker" | "fuse" | "aux-main-positive"
                | "aux-main-negative" | "coil-main-positive" | "coil-main-negative",
            ) => Self::Contactors,
            (_, "contact" | "fault" | "device-fault" | "link-fault" | "operator") => Self::Injected,
            ("chiller" | "coolant", _) => Self::Air,
            ("grid" | "meter", _) => Self::Pcs,
            ("bmu", _) => Self::Controller,
            _ => return None,
        })
    }

    /// The lane of an event.
    pub fn of(event: &Event) -> Option<Self> {
        match event.kind {
            Kind::Fault | Kind::Hand | Kind::Step => Some(Self::Injected),
            Kind::Scenario | Kind::Verdict | Kind::Measurement | Kind::Finding => None,
            Kind::Alarm | Kind::Trip | Kind::Change => Self::of_point(&event.tag, &event.point),
        }
    }

    /// The lane of what a phrase looks at.
    pub fn of_points(points: &[PointName]) -> Option<Self> {
        points
            .iter()
            .find_map(|name| Self::of_point(&name.tag, &name.point))
    }
}

/// A stretch of a lane with one state.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Since when, ns.
    pub from_ns: u64,
    /// The state as a word.
    pub word: String,
    /// How bad it is; none is normal.
    pub level: Option<Level>,
}

/// States of all lanes over time.
#[derive(Clone, Debug, Default)]
pub struct Lanes {
    bands: BTreeMap<Lane, Vec<Band>>,
    /// Stage of each cell that is not normal.
    stages: BTreeMap<String, f64>,
    /// Poles of clusters: closed or not.
    poles: BTreeMap<(String, String), bool>,
    /// Faults that are there.
    faults: BTreeMap<String, String>,
    /// Newest values of other points that states hang on.
    values: BTreeMap<(String, String), f64>,
}

/// Longest memory of a lane.
const BANDS: usize = 4096;

impl Lanes {
    /// States of a lane, oldest first; each lasts until the next.
    pub fn bands(&self, lane: Lane) -> &[Band] {
        self.bands.get(&lane).map_or(&[], Vec::as_slice)
    }

    pub(super) fn take(&mut self, event: &Event, stimulus: bool) {
        let Some(lane) = Lane::of(event) else { return };
        let of = leaf(&event.tag).to_owned();
        let on = event.value != 0.0;
        self.values.insert((of.clone(), event.point.clone()), event.value);
        let value = |of: &str, point: &str| {
            let key = (of.to_owned(), point.to_owned());
            self.values.get(&key).copied()
        };
        let is_on = |of: &str, point: &str| value(of, point).is_some_and(|value| value != 0.0);
        let state: Option<(String, Option<Level>)> = match lane {
            Lane::Injected if stimulus => self.injected(event),
            Lane::Cell => Some(self.cells(event)),
            Lane::Contactors if event.truth == Truth::T => self.contactors(event),
            Lane::Detectors if of == "fire-panel" && event.point == "level" => {
                let level = match event.value {
                    value if value >= 3.0 => Some(Level::L3),
                    value if value >= 2.0 => Some(Level::L2),
                    value if value >= 1.0 => Some(Level::L1),
                    _ => None,
                };
                Some((event.text.clone(), level))
            }
            Lane::Controller if of == "bau" && event.point == "stack-state" => {
                let bad = matches!(event.text.as_str(), "fault" | "fire" | "emergency-stop");
                Some((event.text.clone(), bad.then_some(Level::L3)))
            }
            Lane::Pcs if event.point == "pcs-state" => {
                let word = event.text.split(':').next().unwrap_or_default();
                Some((word.to_owned(), (word == "fault").then_some(Level::L3)))
            }
            Lane::Pcs if event.point == "trip-cause" && on => {
                let why = event.text.trim_start_matches("trip: ");
                Some((format!("tripped: {why}"), Some(Level::L3)))
            }
            Lane::Air if event.truth == Truth::T => {
                let mut words = Vec::new();
                if is_on("air", "vent-fan") {
                    words.push("venting");
                } else if is_on("air", "damper-open") {
                    words.push("damper open");
                }
                if is_on("air", "hvac") {
                    words.push("HVAC on");
                }
                let word = if words.is_empty() {
                    "all off".into()
                } else {
                    words.join(", ")
                };
                Some((word, None))
            }
            Lane::Suppression => {
                let (word, level) = if is_on("suppression", "agent-design-reached") {
                    ("design concentration", Some(Level::L3))
                } else if is_on("suppression", "agent-released") {
                    ("agent flows", Some(Level::L3))
                } else if is_on("fire-panel", "valve-driven") {
                    ("valve driven", Some(Level::L3))
                } else if is_on("fire-panel", "suppression-hold") {
                    ("held", Some(Level::L2))
                } else if is_on("fire-panel", "countdown-active") {
                    ("countdown", Some(Level::L2))
                } else {
                    ("ready", None)
                };
                Some((word.to_owned(), level))
            }
            Lane::Estop if of == "safety-relay" && event.point == "state" => {
                let word = event.text.split(':').next().unwrap_or_default();
                Some(match word {
                    "ok" => ("closed".to_owned(), None),
                    "safe" => ("open (safe state)".to_owned(), Some(Level::L3)),
                    word => (word.to_owned(), Some(Level::L3)),
                })
            }
            _ => None,
        };
        if let Some((word, level)) = state {
            self.put(lane, event.at_ns, word, level);
        }
    }

    fn put(&mut self, lane: Lane, at_ns: u64, word: String, level: Option<Level>) {
        let bands = self.bands.entry(lane).or_default();
        match bands.last_mut() {
            Some(last) if last.word == word && last.level == level => {}
            // within one instant only the last state counts
            Some(last) if last.from_ns >= at_ns => {
                last.word = word;
                last.level = level;
            }
            _ => bands.push(Band {
                from_ns: at_ns,
                word,
                level,
            }),
        }
        if bands.len() > BANDS {
            bands.drain(..BANDS / 4);
        }
    }

    /// What is injected. What was set before the start is how things are.
    fn injected(&mut self, event: &Event) -> Option<(String, Option<Level>)> {
        match event.kind {
            Kind::Fault => {
                let key = format!("{} {} {}", event.tag, fault_name(&event.text), place(&event.text));
                if event.value == 0.0 {
                    self.faults.remove(&key);
                } else {
                    self.faults.insert(key, event.text.clone());
                }
            }
            Kind::Hand => {
                let key = format!("{} {}", event.tag, event.text);
                if event.value == 0.0 {
                    self.faults.insert(key, event.text.clone());
                } else {
                    self.faults.remove(&key);
                }
            }
            _ => return None,
        }
        let word = match self.faults.len() {
            0 => "none".to_owned(),
            1 => self
                .faults
                .values()
                .next()
                .map(|text| plain(text))
                .unwrap_or_default(),
            n => {
                let last = plain(&event.text);
                format!("{last} (+{})", n - 1)
            }
        };
        Some((word, None))
    }

    fn cells(&mut self, event: &Event) -> (String, Option<Level>) {
        if event.value == 0.0 {
            self.stages.remove(&event.tag);
        } else {
            self.stages.insert(event.tag.clone(), event.value);
        }
        let count = |stage: f64| self.stages.values().filter(|value| **value == stage).count();
        let burning = count(3.0);
        let vented = count(2.0);
        let heating = count(1.0);
        let out = count(4.0);
        let say = |n: usize, word: &str| {
            if n == 1 {
                word.to_owned()
            } else {
                format!("{n} {word}")
            }
        };
        if burning > 0 {
            (say(burning, "in runaway"), Some(Level::L3))
        } else if vented > 0 {
            (say(vented, "vented"), Some(Level::L2))
        } else if heating > 0 {
            (say(heating, "self-heating"), Some(Level::L1))
        } else if out > 0 {
            (say(out, "burnt out"), Some(Level::L2))
        } else {
            ("normal".into(), None)
        }
    }

    fn contactors(&mut self, event: &Event) -> Option<(String, Option<Level>)> {
        if !matches!(event.point.as_str(), "main-positive" | "main-negative") {
            return None;
        }
        self.poles
            .insert((event.tag.clone(), event.point.clone()), event.value != 0.0);
        let mut clusters: BTreeMap<&str, bool> = BTreeMap::new();
        for ((tag, _), closed) in &self.poles {
            let entry = clusters.entry(tag).or_insert(true);
            *entry &= closed;
        }
        let closed = clusters.values().filter(|closed| **closed).count();
        Some(match closed {
            0 => ("all open".to_owned(), None),
            n if n == clusters.len() => (format!("{n} closed"), None),
            n => (format!("{n} of {} closed", clusters.len()), None),
        })
    }
}

/// Name of a fault as the log tells it: up to its numbers.
fn fault_name(text: &str) -> &str {
    text.split([' ', '{', '(', ':']).next().unwrap_or(text)
}

/// Fields of a fault as the log tells it: `cluster: 2`, `celsius: 130.0`.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let inner = text
        .split_once('{')
        .and_then(|(_, rest)| Some(rest.rsplit_once('}')?.0))
        .unwrap_or_default();
    inner
        .split(',')
        .filter_map(|field| field.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
}

/// `MainPositive` as `main positive`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// Where a fault sits, as people say it: `C3 P5 cell 17`. The log counts from 0.
fn place(text: &str) -> String {
    let part = |name: &str, word: &str| {
        let number: u64 = fields(text).find(|(of, _)| *of == name)?.1.parse().ok()?;
        Some(format!("{word}{}", number + 1))
    };
    let parts = [part("cluster", "C"), part("pack", "P"), part("cell", "cell ")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A fault of the log for people: `HoldCellTemperature { cluster: 2, pack: 4, cell: 16, celsius: 130.0 }` becomes
/// `hold cell temperature 130 °C · C3 P5 cell 17`.
pub fn plain(text: &str) -> String {
    let name = fault_name(text);
    if name.contains('-') || name.chars().all(char::is_lowercase) {
        return text.to_owned();
    }
    let mut words = spaced(name);
    if let Some(channel) = words.strip_prefix("estop ") {
        return format!("E-stop {}", channel.to_uppercase());
    }
    if let Some((_, coil)) = fields(text).find(|(of, _)| *of == "coil") {
        words = format!("{words} {}", spaced(coil));
    }
    for (name, unit) in [
        ("celsius", "°C"),
        ("kelvin_per_min", "K/min"),
        ("volts", "V"),
        ("ohm", "Ω"),
    ] {
        let number = fields(text)
            .find(|(of, _)| *of == name)
            .and_then(|(_, value)| value.parse().ok());
        if let Some(number) = number {
            words = format!("{words} {} {unit}", super::effects::figure(number));
        }
    }
    let place = place(text);
    if place.is_empty() {
        words.trim_end().to_owned()
    } else {
        format!("{} · {place}", words.trim_end())
    }
}
