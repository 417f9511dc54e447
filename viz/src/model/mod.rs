//! What is known now, of a rig that runs or of a recording at an instant.
//!
//! [`Model`] is told by the [feed](crate::feed) and read by scene and panels. It knows nothing of sockets, files and drawing,
//! and computes no physics: it keeps what it was told, with when it was told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bess_telemetry::{Cells, Description, Frame, Kind, Latch, PointDef, Points, Status, Truth};

pub mod alarms;
pub mod chronicle;
pub mod colour;
pub mod effects;
pub mod history;
pub mod index;
pub mod lanes;
pub mod run;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
pub mod view;

use alarms::group_tag;
pub use alarms::{Alarm, AlarmRow, AlarmState, Alarms, Level};
pub use chronicle::Chronicle;
pub use effects::Hop;
pub use history::{History, Sample};
pub use index::{CellPlace, Index};
pub use lanes::{Band, Lane, Lanes};
pub use run::Run;
pub use view::{Area, Layout, Quantity, Tab, View};

/// Notices kept for the reader.
const NOTICES: usize = 100;

/// What the picture is of. Only [`Showing::Live`] may be taken for the present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Showing {
    /// Nothing is known yet.
    #[default]
    NoData,
    /// A rig that runs.
    Live,
    /// A rig whose time stands.
    Paused,
    /// A rig of which nothing was heard for a while.
    Stale,
    /// A recording.
    Replay,
}

impl Showing {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoData => "NO DATA",
            Self::Live => "LIVE",
            Self::Paused => "PAUSED",
            Self::Stale => "STALE",
            Self::Replay => "REPLAY",
        }
    }
}

/// How the feed stands, told by it before each picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// A recording, and no rig.
    pub is_replay: bool,
    /// The rig is connected.
    pub is_open: bool,
    /// Since the last word of the rig, by the wall clock; none if there never was one.
    pub age: Option<Duration>,
    /// Where the data comes from: an address or a file.
    pub source: String,
    /// What stands in the way, if something does.
    pub trouble: Option<String>,
    /// No waiting helps against the trouble: the rig refuses this viewer, or was started here and has ended.
    pub is_final: bool,
    /// Frames this viewer left out because it was slow.
    pub skipped: u64,
    /// Nothing was done with its time yet; of a recording.
    pub is_fresh: bool,
    /// Time passes; of a recording.
    pub is_playing: bool,
    /// Rig time in a second, s; of a recording.
    pub rate: f64,
    /// First and last instant, ns; of a recording.
    pub span_ns: (u64, u64),
}

/// Cells that are older than this are not taken for now, ns.
const CELLS_OLD_NS: u64 = 2_000_000_000;
/// Rig time that goes back by more than this after a break is that of a rig that was started again, ns.
const BACK_NS: u64 = 1_000_000_000;

/// Longest silence of a live rig, which tells its status each second.
pub const SILENCE: Duration = Duration::from_secs(3);

/// A value of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// There is no such point.
    Absent,
    /// Nothing was told of it yet.
    Never,
    /// Told to have no valid value.
    Invalid,
    /// A value.
    Value(f64),
}

impl Reading {
    /// The value, if there is one.
    pub const fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Never | Self::Invalid => None,
        }
    }

    /// Of a state: whether it is on; none if that is not known.
    pub fn is_on(self) -> Option<bool> {
        self.value().map(|value| value != 0.0)
    }
}

/// Something the reader is to know: a refusal, a lost connection, a frame that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Counts from 0.
    pub number: u64,
    /// Whether it is a trouble; else it is good news.
    pub is_trouble: bool,
    /// For people.
    pub text: String,
}

/// Newest value of a point.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    at_ns: u64,
    value: Option<f64>,
    told: bool,
}

/// What is known now.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "window", derive(bevy::prelude::Resource))]
pub struct Model {
    index: Option<Arc<Index>>,
    slots: Vec<Slot>,
    cells: Option<Arc<Cells>>,
    status: Option<Status>,
    chronicle: Chronicle,
    history: History,
    link: Link,
    now_ns: u64,
    heard: bool,
    described: u64,
    /// Counts beginnings: of another rig, or of the same that was started again.
    begun: u64,
    /// The rig was described again as it was, and whether it is the one from before is not known yet.
    resumed: bool,
    /// What the rig before the break told of what happened, until it is told again.
    before: Chronicle,
    /// Frames that did not fit, and why the last one did not.
    misfits: u64,
    notices: VecDeque<Notice>,
    noticed: u64,
}

impl Model {
    /// What there is, once it is known.
    pub fn index(&self) -> Option<&Arc<Index>> {
        self.index.as_ref()
    }

    /// What there is, once it is known.
    pub fn description(&self) -> Option<&Description> {
        self.index.as_deref().map(Index::description)
    }

    /// Counts descriptions: what was built from an older one is of another rig.
    pub fn generation(&self) -> u64 {
        self.described
    }

    /// Counts beginnings: instants that were chosen before one are of another time.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// Newest frame of cells.
    pub fn cells(&self) -> Option<&Arc<Cells>> {
        self.cells.as_ref()
    }

    /// Age of the newest frame of cells, ns; none if it is new enough to be taken for now.
    pub fn old_cells_ns(&self) -> Option<u64> {
        let age = self.now_ns.saturating_sub(self.cells.as_ref()?.at_ns);
        (age > CELLS_OLD_NS).then_some(age)
    }

    /// Of when the cells are, in words; none if they are of now.
    pub fn old_cells(&self) -> Option<String> {
        let age = self.old_cells_ns()?;
        let at = self.now_ns.saturating_sub(age);
        Some(format!("{}, {} s ago", whole_clock(at), age / 1_000_000_000))
    }

    /// A tag as people say it; with its container where there is more than one.
    pub fn named(&self, tag: &str) -> String {
        let said = index::short(tag);
        let Some(index) = self.index.as_ref() else {
            return said;
        };
        match index.container_of(index::bare(tag)) {
            Some((_, container)) if index.description().containers.len() > 1 && container.tag != said => {
                format!("{} {said}", container.tag)
            }
            _ => said,
        }
    }

    /// Rig time that is shown, ns.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// How the rig itself does.
    pub fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    /// What happened.
    pub fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    /// Alarms.
    pub fn alarms(&self) -> &Alarms {
        &self.chronicle.now().alarms
    }

    /// The alarms, to acknowledge them.
    pub fn alarms_mut(&mut self) -> &mut Alarms {
        self.chronicle.alarms_mut()
    }

    /// The scenario, if one runs or has run.
    pub fn run(&self) -> Option<&Run> {
        self.chronicle.now().run.as_ref()
    }

    /// How values were.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How values were, to say what is watched.
    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// How the feed stands.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// What the picture is of.
    pub fn showing(&self) -> Showing {
        if self.index.is_none() || !self.heard {
            return Showing::NoData;
        }
        if self.link.is_replay {
            return Showing::Replay;
        }
        let silent = self.link.age.is_none_or(|age| age > SILENCE);
        if !self.link.is_open || silent {
            Showing::Stale
        } else if self.status.as_ref().is_some_and(|status| status.paused) {
            Showing::Paused
        } else {
            Showing::Live
        }
    }

    /// Index of a point; `tag` has `plant:` in front for truth.
    pub fn find(&self, tag: &str, point: &str) -> Option<u32> {
        self.index.as_ref()?.find(tag, point)
    }

    /// What a point is.
    pub fn definition(&self, index: u32) -> Option<(&str, Truth, &PointDef)> {
        let (group, def) = self.description()?.point(index)?;
        Some((group.tag.as_str(), group.truth, def))
    }

    /// Value of a point.
    pub fn read(&self, index: u32) -> Reading {
        match self.slots.get(index as usize) {
            None => Reading::Absent,
            Some(slot) if !slot.told => Reading::Never,
            Some(slot) => slot.value.map_or(Reading::Invalid, Reading::Value),
        }
    }

    /// When a point was last told, ns.
    pub fn told_ns(&self, index: u32) -> Option<u64> {
        let slot = self.slots.get(index as usize)?;
        slot.told.then_some(slot.at_ns)
    }

    /// Value of a point by name.
    pub fn get(&self, tag: &str, point: &str) -> Reading {
        self.find(tag, point)
            .map_or(Reading::Absent, |index| self.read(index))
    }

    /// Name of the state a point is in.
    pub fn state(&self, tag: &str, point: &str) -> Option<&str> {
        let index = self.find(tag, point)?;
        let value = self.read(index).value()?;
        let (_, _, def) = self.definition(index)?;
        state_name(def, value)
    }

    /// What the PCS with this tag says of itself, and whether it has tripped: the cause of a trip, else its state.
    pub fn pcs_says(&self, tag: &str) -> (String, bool) {
        let said = |point: &str| {
            let index = self.find(tag, point)?;
            let reading = self.read(index);
            let (_, _, def) = self.definition(index)?;
            Some((reading.is_on()?, shown(def, reading), self.told_ns(index)?))
        };
        match (said("trip-cause"), said("pcs-state")) {
            // it says another state since
            (Some((true, _, caused)), Some((_, state, told))) if told > caused && state != "fault" => {
                (format!("PCS {state}"), false)
            }
            (Some((true, cause, _)), _) => (format!("PCS TRIPPED: {cause}"), true),
            (_, Some((_, state, _))) => (format!("PCS {state}"), false),
            _ => ("PCS: not told".into(), false),
        }
    }

    /// What ends an alarm that outlasts its cause; none if it ends with it, or the stream does not say.
    pub fn latch_of(&self, alarm: &Alarm) -> Option<&'static str> {
        let (_, _, def) = self.definition(self.find(&alarm.group(), &alarm.point)?)?;
        def.latch.map(|latch| match latch {
            Latch::Command => "latched: stays until a reset over a wire, or the next start",
            Latch::Hand => "latched: stays until a person resets it at the device",
        })
    }

    /// The values that an alarm's limit is held against, as they are now, with the limit; as far as the stream tells.
    pub fn measured_against(&self, alarm: &Alarm) -> Vec<String> {
        let Some(index) = &self.index else {
            return Vec::new();
        };
        let word = alarm.point.strip_prefix("alarm-").unwrap_or(&alarm.point);
        let level = match alarm.level {
            Level::L3 => 3,
            Level::L2 => 2,
            Level::L1 | Level::R => 1,
        };
        let of_point = |(point, _, def): (u32, Truth, &PointDef)| {
            let limits = index.description().limits_of(def).iter();
            let limit = limits
                .filter(|limit| limit.alarm == word)
                .find(|limit| limit.level.is_none_or(|of| of == level))?;
            let sign = if limit.is_upper { '≥' } else { '≤' };
            let set = shown(def, Reading::Value(limit.set));
            Some(format!(
                "{} {} {sign} {set}",
                def.name,
                shown(def, self.read(point))
            ))
        };
        index.points_of(&alarm.tag).filter_map(of_point).take(4).collect()
    }

    /// Frames that did not fit what the rig said of itself.
    pub fn misfits(&self) -> u64 {
        self.misfits
    }

    /// Notices, oldest first.
    pub fn notices(&self) -> impl DoubleEndedIterator<Item = &Notice> {
        self.notices.iter()
    }

    /// Something the reader is to know.
    pub fn notice(&mut self, is_trouble: bool, text: impl Into<String>) {
        let text = text.into();
        if self.notices.back().is_some_and(|last| last.text == text) {
            return;
        }
        self.notices.push_back(Notice {
            number: self.noticed,
            is_trouble,
            text,
        });
        self.noticed += 1;
        if self.notices.len() > NOTICES {
            self.notices.pop_front();
        }
    }

    /// How the feed stands.
    pub fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// Takes what the rig says. What does not fit is left out, counted and noticed.
    pub fn apply(&mut self, frame: Frame) {
        let taken = match frame {
            Frame::Description(description) => self.describe(*description),
            Frame::Cells(cells) => self.take_cells(Arc::new(cells)),
            Frame::Points(points) => self.take_points(&points),
            Frame::Events(event) => {
                self.compare(&event);
                self.chronicle.push(event);
                Ok(())
            }
            Frame::Status(status) => {
                self.notice_restart(status.at_ns);
                self.now_ns = self.now_ns.max(status.at_ns);
                self.status = Some(status);
                Ok(())
            }
        };
        match taken {
            Ok(()) => self.heard |= self.cells.is_some() || self.slots.iter().any(|slot| slot.told),
            Err(why) => {
                self.misfits += 1;
                self.notice(true, format!("left out: {why}"));
            }
        }
    }

    /// After frames were applied: folds in events that are known now. Points are looked at now and then, but an event tells
    /// when a state changed, and to what: it counts until a later frame tells the point.
    pub fn settle(&mut self) {
        let now = if self.link.is_replay {
            self.now_ns
        } else {
            u64::MAX
        };
        let events = self.chronicle.go_to(now);
        let Some(index) = &self.index else { return };
        let is_state =
            |event: &&bess_telemetry::Event| matches!(event.kind, Kind::Change | Kind::Alarm | Kind::Trip);
        for event in events.iter().filter(is_state) {
            let found = index.find(&group_tag(event.truth, &event.tag), &event.point);
            let Some(slot) = found.and_then(|index| self.slots.get_mut(index as usize)) else {
                continue;
            };
            if slot.told && slot.at_ns < event.at_ns {
                *slot = Slot {
                    at_ns: event.at_ns,
                    value: Some(event.value),
                    told: true,
                };
            }
        }
    }

    fn describe(&mut self, description: Description) -> Result<(), String> {
        if self.description() == Some(&description) {
            // the same rig again after a break: what it did is told again, how it was is kept; unless it was started again
            self.before = std::mem::take(&mut self.chronicle);
            self.resumed = true;
            for slot in &mut self.slots {
                slot.told = false;
            }
            return Ok(());
        }
        let index = Index::new(description).map_err(|why| why.to_string())?;
        self.slots = vec![Slot::default(); index.point_count()];
        self.index = Some(Arc::new(index));
        self.chronicle = Chronicle::default();
        self.begin();
        self.described += 1;
        Ok(())
    }

    /// Forgets how it was; what was told since the description stays.
    fn begin(&mut self) {
        self.cells = None;
        self.status = None;
        self.history.clear();
        self.now_ns = 0;
        self.heard = false;
        self.resumed = false;
        self.before = Chronicle::default();
        self.begun += 1;
    }

    /// The first word of rig time after a break tells whether it is still the same run of the rig.
    fn notice_restart(&mut self, at_ns: u64) {
        if std::mem::take(&mut self.resumed) && at_ns.saturating_add(BACK_NS) < self.now_ns {
            self.restart();
        }
    }

    /// An event of the same number that is another one is of a rig that was started again, whatever its time.
    fn compare(&mut self, event: &bess_telemetry::Event) {
        if self.before.get(event.id).is_some_and(|before| before != event) {
            self.restart();
        } else if self.before.all().last().is_some_and(|last| last.id <= event.id) {
            self.before = Chronicle::default();
        }
    }

    fn restart(&mut self) {
        self.begin();
        self.notice(false, "the rig was started again");
    }

    fn take_cells(&mut self, cells: Arc<Cells>) -> Result<(), String> {
        let layout = &self.description().ok_or("cells before any description")?.cells;
        let count = layout.count as usize;
        let rows = [cells.voltage.len(), cells.temperature.len(), cells.soc.len()];
        if rows.iter().any(|n| *n != count) || cells.cluster_current.len() != layout.clusters as usize {
            return Err(format!("a frame of {} cells, not {count}", cells.voltage.len()));
        }
        let lists = [
            &cells.balancing,
            &cells.self_heating,
            &cells.vented,
            &cells.burning,
            &cells.burnt_out,
        ];
        if let Some(cell) = lists.into_iter().flatten().find(|cell| **cell as usize >= count) {
            return Err(format!("a frame of cells that names cell {cell} of {count}"));
        }
        self.notice_restart(cells.at_ns);
        self.now_ns = self.now_ns.max(cells.at_ns);
        self.history.take_cells(&cells);
        self.cells = Some(cells);
        Ok(())
    }

    fn take_points(&mut self, points: &Points) -> Result<(), String> {
        if self.index.is_none() {
            return Err("points before any description".into());
        }
        if points.index.len() != points.value.len() {
            return Err(format!(
                "a frame of {} points with {} values",
                points.index.len(),
                points.value.len()
            ));
        }
        if let Some(index) = points.index.iter().find(|n| **n as usize >= self.slots.len()) {
            return Err(format!(
                "a frame that names point {index} of {}",
                self.slots.len()
            ));
        }
        self.notice_restart(points.at_ns);
        for (index, value) in points.index.iter().zip(&points.value) {
            self.slots[*index as usize] = Slot {
                at_ns: points.at_ns,
                value: *value,
                told: true,
            };
        }
        self.now_ns = self.now_ns.max(points.at_ns);
        self.history.take_points(points);
        Ok(())
    }

    /// Another instant of a recording is to be shown: forgets values, keeps description, events and history. Frames from
    /// a complete one on up to that instant are to follow.
    pub fn rewind(&mut self) {
        self.slots.fill(Slot::default());
        self.cells = None;
        self.status = None;
        self.history.forget_cells();
        self.now_ns = 0;
    }

    /// The instant of a recording that is shown, ns.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Everything that happens in a recording.
    pub(crate) fn load_event(&mut self, event: bess_telemetry::Event) {
        self.chronicle.append(event);
    }
}

/// Name of the state behind a number.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a list has no state at a negative or huge place; `as` saturates"
)]
pub fn state_name(def: &PointDef, value: f64) -> Option<&str> {
    let whole = value >= 0.0 && value.fract() == 0.0;
    let name = def.states.get(value as usize).filter(|_| whole)?;
    Some(name)
}

/// A value as it is shown: a state's name, or a figure with fixed decimals and its unit.
pub fn shown(def: &PointDef, reading: Reading) -> String {
    let value = match reading {
        Reading::Absent => return "no such point".into(),
        Reading::Never => return "not told".into(),
        Reading::Invalid => return "—".into(),
        Reading::Value(value) => value,
    };
    if !def.states.is_empty() {
        return state_name(def, value).map_or_else(|| format!("state {value}?"), str::to_owned);
    }
    if is_share(def) {
        return format!("{:.1} %", value * 100.0).replace('-', "−");
    }
    let decimals = match def.unit.as_str() {
        "V" if def.max <= 10.0 => 3,
        "V" | "A" | "°C" | "K" | "%" | "bar" | "dB/m" | "K/min" | "L/min" | "L/s" => 1,
        "Hz" => 3,
        // flags and counts have no unit either
        "" | "1" if value.fract() != 0.0 => 3,
        _ => 0,
    };
    let (value, unit) = scaled(value, &def.unit);
    let decimals = if unit == def.unit { decimals } else { 1 };
    let unit = if unit == "1" { "" } else { unit };
    format!("{value:.decimals$} {unit}").trim_end().replace('-', "−")
}

/// Whether it is a share of a whole, told as a fraction: a state of charge or of health.
fn is_share(def: &PointDef) -> bool {
    let is_soc = def
        .name
        .split(['-', '.'])
        .any(|word| matches!(word, "soc" | "soh"));
    matches!(def.unit.as_str(), "" | "1") && def.min >= 0.0 && def.max == 1.0 && is_soc
}

/// Large figures in kilo and mega.
fn scaled(value: f64, unit: &str) -> (f64, &str) {
    let kilo = |name| (value / 1e3, name);
    let mega = |name| (value / 1e6, name);
    match unit {
        "W" if value.abs() >= 1e6 => mega("MW"),
        "W" if value.abs() >= 1e3 => kilo("kW"),
        "var" if value.abs() >= 1e3 => kilo("kvar"),
        "VA" if value.abs() >= 1e3 => kilo("kVA"),
        "Wh" if value.abs() >= 1e6 => mega("MWh"),
        "Wh" if value.abs() >= 1e3 => kilo("kWh"),
        "J" if value.abs() >= 1e6 => mega("MJ"),
        "J" if value.abs() >= 1e3 => kilo("kJ"),
        "Pa" => (value / 1e5, "bar"),
        "Ω" if value.abs() >= 1e6 => mega("MΩ"),
        "Ω" if value.abs() >= 1e3 => kilo("kΩ"),
        _ => (value, unit),
    }
}

/// Rig time as hours, minutes, seconds and milliseconds.
pub fn clock(at_ns: u64) -> String {
    let ms = at_ns / 1_000_000;
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

/// Rig time as hours, minutes and whole seconds.
pub fn whole_clock(at_ns: u64) -> String {
    let s = at_ns / 1_000_000_000;
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}
