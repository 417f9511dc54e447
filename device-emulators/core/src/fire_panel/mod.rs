//! Fire detection and release panel.
//!
//! The order of acts is the point of this device: gas is met with ventilation, fire with the opposite. From level 2
//! on the fan is stopped, the damper closed and the HVAC off, and agent is released only once damper and fan are
//! *proven* closed and stopped; a panel that cannot prove it reports a failed isolation and holds the agent.
//! Alarms latch until reset; after a release nothing may be reset or vented for the hold time.

pub mod points;
pub mod settings;

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use bess_types::{Actuation, Channel, Line, Quality, Reading, SimTime};

use self::points::{DETECTORS, Detectors, FirePanelPoints, LEVELS, Sort};
use self::settings::Settings;
use crate::codec::modbus::{ModbusAccess, ModbusServer};
use crate::library::Library;
use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::{Device, DeviceFault, Input, Output, PointId, Points, Sense, Token, UnsupportedFault};

/// Evaluation cycle.
const CYCLE: Duration = Duration::from_millis(100);
/// Period of the temperature history and the life counter.
const SECOND: Duration = Duration::from_secs(1);

/// How far the panel has come; ordered, numbers as in [`points::LEVELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing.
    Normal,
    /// Gas.
    Prewarning,
    /// One detector.
    Level1,
    /// Confirmed: smoke and heat, or a person.
    Level2,
    /// Agent has flowed.
    Released,
    /// Heat persists after the release.
    Level3,
}

/// Where the release stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Release {
    /// Not asked for.
    Idle,
    /// Counting down.
    Counting { remaining: Duration },
    /// Valve driven, flow awaited.
    Driven { at: SimTime },
    /// Flow seen.
    Flowed { at: SimTime },
    /// No flow in time.
    Failed { at: SimTime },
}

impl Release {
    /// When the valve was driven.
    const fn driven_at(self) -> Option<SimTime> {
        match self {
            Self::Driven { at } | Self::Flowed { at } | Self::Failed { at } => Some(at),
            Self::Idle | Self::Counting { .. } => None,
        }
    }
}

/// What is driven now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Drives {
    ventilate: bool,
    hvac: bool,
}

/// Lines as last given, in the order of [`LINES`].
type LineLevels = [bool; 5];
const LINES: [Line; 5] = [
    Line::FirePrewarning,
    Line::FireLevel1,
    Line::FireLevel2,
    Line::FireReleased,
    Line::Sounder,
];

/// One fire panel.
#[derive(Debug)]
pub struct FirePanel {
    settings: Settings,
    ids: FirePanelPoints,
    detectors: Detectors,
    server: ModbusServer,
    points: Points,
    outbox: Outbox,
    senses: [Sense; 8],

    powered: bool,
    frozen: bool,
    next_cycle: SimTime,
    next_second: SimTime,
    last_cycle: Option<SimTime>,

    vent_request: bool,
    call_point_pressed: bool,
    hold: bool,

    gas_above_since: Option<SimTime>,
    gas_below_since: Option<SimTime>,
    prewarning: bool,
    smoke_since: [Option<SimTime>; DETECTORS],
    smoke_latched: [bool; DETECTORS],
    heat_latched: [bool; DETECTORS],
    /// Ceiling temperatures of the last seconds, oldest first.
    history: VecDeque<[Option<f64>; DETECTORS]>,
    call_point_latched: bool,
    /// A person started the release at the panel.
    started: bool,
    aborted: bool,
    silenced: bool,
    isolation_failed: bool,
    /// The one cylinder has been opened; no reset fills it again.
    spent: bool,
    stage: Stage,
    release: Release,
    drives: Option<Drives>,
    lines: Option<LineLevels>,
}

impl FirePanel {
    /// A panel as the product describes, just powered up.
    ///
    /// # Errors
    /// If the product's settings or register map do not read.
    pub fn new(product: &Product, library: &Library) -> Result<Self, ProductError> {
        let settings: Settings = product.settings()?;
        let (table, ids, detectors) = points::table();
        let server = ModbusServer::of_product(product, library, &table)?;
        let senses = [
            Channel::Hydrogen,
            Channel::CarbonMonoxide,
            Channel::Smoke,
            Channel::CeilingTemperature,
            Channel::AgentPressure,
            Channel::AgentFlow,
            Channel::DamperClosed,
            Channel::VentFanRunning,
        ]
        .map(|channel| Sense {
            channel,
            period: CYCLE,
        });
        let mut panel = Self {
            ids,
            detectors,
            server,
            points: Points::new(Arc::new(table)),
            outbox: Outbox::default(),
            senses,
            powered: true,
            frozen: false,
            next_cycle: SimTime::ZERO,
            next_second: SimTime::ZERO,
            last_cycle: None,
            vent_request: false,
            call_point_pressed: false,
            hold: false,
            gas_above_since: None,
            gas_below_since: None,
            prewarning: false,
            smoke_since: [None; DETECTORS],
            smoke_latched: [false; DETECTORS],
            heat_latched: [false; DETECTORS],
            history: VecDeque::new(),
            call_point_latched: false,
            started: false,
            aborted: false,
            silenced: false,
            isolation_failed: false,
            spent: false,
            stage: Stage::Normal,
            release: Release::Idle,
            drives: None,
            lines: None,
            settings,
        };
        panel.preset_points();
        Ok(panel)
    }

    /// How far the panel has come.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    fn preset_points(&mut self) {
        let ids = self.ids;
        for id in [
            ids.start,
            ids.abort,
            ids.silence,
            ids.reset,
            ids.vent,
            ids.life_counter,
        ] {
            self.points.set(id, 0.0);
        }
        self.points.set_flag(ids.mode, self.settings.auto_mode);
        self.publish();
    }

    // --- one cycle -----------------------------------------------------------------------------------------

    fn cycle(&mut self, now: SimTime) {
        let elapsed = self.last_cycle.map_or(Duration::ZERO, |last| now - last);
        self.last_cycle = Some(now);
        if now >= self.next_second {
            self.next_second = (now + Duration::from_nanos(1)).next_multiple(SECOND, Duration::ZERO);
            self.on_second();
        }
        self.watch_gas(now);
        self.watch_smoke(now);
        self.watch_heat();
        if self.call_point_pressed && !self.call_point_latched {
            self.call_point_latched = true;
            self.outbox
                .note("manual-call-point", 1.0, "manual call point pressed");
        }
        self.run_release(now, elapsed);
        self.judge(now);
        self.act();
        self.publish();
    }

    fn on_second(&mut self) {
        if !self.frozen {
            self.points.count(self.ids.life_counter);
        }
        let mut sample = [None; DETECTORS];
        for (slot, reading) in sample.iter_mut().zip(self.points.row(self.detectors.heat.value)) {
            *slot = reading.ok();
        }
        self.history.push_back(sample);
        while self.history.len() > self.settings.heat_rate_window_s as usize + 1 {
            self.history.pop_front();
        }
    }

    fn watch_gas(&mut self, now: SimTime) {
        let h2 = self.points.get(self.ids.hydrogen);
        let co = self.points.get(self.ids.carbon_monoxide);
        let over = |ratio: f64| {
            h2.is_some_and(|ppm| ppm >= self.settings.hydrogen_ppm * ratio)
                || co.is_some_and(|ppm| ppm >= self.settings.carbon_monoxide_ppm * ratio)
        };
        let (above, near) = (over(1.0), over(self.settings.gas_clear_ratio));
        let since = if above {
            *self.gas_above_since.get_or_insert(now)
        } else {
            now
        };
        if !above {
            self.gas_above_since = None;
        }
        if above && !self.prewarning && now - since >= secs(self.settings.gas_delay_s) {
            self.prewarning = true;
            self.outbox.note("gas-detector", 1.0, "gas above its threshold");
        }
        let below_since = if near {
            now
        } else {
            *self.gas_below_since.get_or_insert(now)
        };
        if near {
            self.gas_below_since = None;
        }
        if !near && self.prewarning && now - below_since >= secs(self.settings.gas_clear_s) {
            self.prewarning = false;
            self.outbox.note("gas-detector", 0.0, "gas cleared");
        }
    }

    fn watch_smoke(&mut self, now: SimTime) {
        for i in 0..DETECTORS {
            let smoke = self.points.get(self.detectors.smoke.value.at(i));
            if smoke.is_none_or(|value| value < self.settings.smoke_db_per_m) {
                self.smoke_since[i] = None;
                continue;
            }
            let since = *self.smoke_since[i].get_or_insert(now);
            if !self.smoke_latched[i] && now - since >= secs(self.settings.smoke_delay_s) {
                self.smoke_latched[i] = true;
                self.outbox
                    .note("smoke-detector", 1.0, format!("smoke detector {}", i + 1));
            }
        }
    }

    fn watch_heat(&mut self) {
        for i in 0..DETECTORS {
            if !self.heat_latched[i] && self.is_hot(i) {
                self.heat_latched[i] = true;
                self.outbox
                    .note("heat-detector", 1.0, format!("heat detector {}", i + 1));
            }
        }
    }

    /// Whether the heat detector's own criterion holds now.
    fn is_hot(&self, i: usize) -> bool {
        let hot = self
            .points
            .get(self.detectors.heat.value.at(i))
            .is_some_and(|t| t >= self.settings.heat_c);
        hot || self
            .heat_rate(i)
            .is_some_and(|rate| rate >= self.settings.heat_rate_k_per_min)
    }

    /// Rise over the window, K/min; `None` until the window is full.
    fn heat_rate(&self, i: usize) -> Option<f64> {
        let window = self.settings.heat_rate_window_s;
        if self.history.len() <= window as usize {
            return None;
        }
        let (first, last) = (self.history.front()?[i]?, self.history.back()?[i]?);
        Some((last - first) * 60.0 / f64::from(window))
    }

    /// Two independent detectors, or a person.
    fn confirmed(&self) -> bool {
        self.both_latched() || self.by_person()
    }

    /// In manual mode the detectors alone do not release.
    fn release_wanted(&self) -> bool {
        let automatic = self.points.is_on(self.ids.mode) && self.both_latched();
        (automatic || self.by_person()) && !self.aborted
    }

    fn both_latched(&self) -> bool {
        self.smoke_latched.contains(&true) && self.heat_latched.contains(&true)
    }

    const fn by_person(&self) -> bool {
        self.call_point_latched || self.started
    }

    fn isolated(&self) -> bool {
        self.points.is_on(self.ids.damper_closed) && self.points.get(self.ids.fan_running) == Some(0.0)
    }

    fn run_release(&mut self, now: SimTime, elapsed: Duration) {
        match self.release {
            Release::Idle => {
                if self.release_wanted() {
                    self.release = Release::Counting {
                        remaining: secs(self.settings.countdown_s),
                    };
                    self.outbox
                        .note("countdown-active", 1.0, "release countdown started");
                }
            }
            Release::Counting { remaining } => {
                if self.hold {
                    if self.settings.hold_restarts {
                        self.release = Release::Counting {
                            remaining: secs(self.settings.countdown_s),
                        };
                    }
                    return;
                }
                let remaining = remaining.saturating_sub(elapsed);
                self.release = Release::Counting { remaining };
                if !remaining.is_zero() {
                    return;
                }
                if self.spent {
                    self.release = Release::Failed { at: now };
                    self.outbox.note("release-failed", 1.0, "no agent left");
                } else if self.isolated() {
                    self.isolation_failed = false;
                    self.spent = true;
                    self.release = Release::Driven { at: now };
                    self.outbox.actuate(Actuation::ReleaseAgent);
                    self.outbox.note("valve-driven", 1.0, "agent release");
                } else if !self.isolation_failed {
                    self.isolation_failed = true;
                    self.outbox.note(
                        "isolation-failed",
                        1.0,
                        "release held: damper or fan not proven closed and stopped",
                    );
                }
            }
            Release::Driven { at } => {
                if self.points.is_on(self.ids.agent_flow) {
                    self.release = Release::Flowed { at };
                    self.outbox.note("release-feedback", 1.0, "agent flows");
                } else if now - at >= secs(self.settings.release_feedback_s) {
                    self.release = Release::Failed { at };
                    self.outbox.note("release-failed", 1.0, "no flow after release");
                }
            }
            Release::Failed { at } => {
                if self.points.is_on(self.ids.agent_flow) {
                    self.release = Release::Flowed { at };
                    self.outbox.note("release-feedback", 1.0, "agent flows, late");
                }
            }
            Release::Flowed { .. } => {}
        }
    }

    fn judge(&mut self, now: SimTime) {
        let heat = (0..DETECTORS).any(|i| self.is_hot(i));
        let persists = heat
            && self
                .release
                .driven_at()
                .is_some_and(|at| now - at >= secs(self.settings.level_3_after_s));
        let one = self.smoke_latched.contains(&true) || self.heat_latched.contains(&true);
        let seen = if persists || self.stage == Stage::Level3 {
            Stage::Level3
        } else if matches!(self.release, Release::Flowed { .. }) {
            Stage::Released
        } else if self.confirmed() || self.release != Release::Idle {
            Stage::Level2
        } else if one {
            Stage::Level1
        } else if self.prewarning {
            Stage::Prewarning
        } else {
            Stage::Normal
        };
        // From level 1 on only a reset leads down; the latches see to levels 1 and 2.
        self.enter(seen);
    }

    fn enter(&mut self, stage: Stage) {
        if stage == self.stage {
            return;
        }
        if stage > self.stage {
            self.silenced = false;
        }
        self.stage = stage;
        let number = stage as u8;
        self.outbox
            .note("level", f64::from(number), LEVELS[usize::from(number)]);
    }

    /// Whether manual ventilation is allowed at this stage.
    fn may_vent_by_hand(&self, now: SimTime) -> bool {
        match self.release.driven_at() {
            None => self.stage < Stage::Level2,
            Some(at) => now - at >= secs(self.settings.post_hold_s),
        }
    }

    fn act(&mut self) {
        let by_hand = self.points.is_on(self.ids.vent);
        let ventilate = if self.stage >= Stage::Level2 {
            by_hand
        } else {
            self.prewarning || self.vent_request || by_hand
        };
        let drives = Drives {
            ventilate,
            hvac: self.stage < Stage::Level2,
        };
        if self.drives.is_none_or(|old| old.ventilate != ventilate) {
            self.outbox.actuate(Actuation::Ventilation {
                fan: ventilate,
                damper_open: ventilate,
            });
        }
        if self.drives.is_none_or(|old| old.hvac != drives.hvac) {
            self.outbox.actuate(Actuation::Hvac { on: drives.hvac });
        }
        self.drives = Some(drives);

        let levels = [
            self.prewarning || self.stage >= Stage::Prewarning,
            self.stage >= Stage::Level1,
            self.stage >= Stage::Level2,
            matches!(self.release, Release::Flowed { .. }),
            self.stage >= Stage::Level1 && !self.silenced,
        ];
        for (i, line) in LINES.into_iter().enumerate() {
            if self.lines.is_none_or(|old| old[i] != levels[i]) {
                self.outbox.line(line, levels[i]);
            }
        }
        self.lines = Some(levels);
    }

    // --- inputs --------------------------------------------------------------------------------------------

    fn on_sample(&mut self, channel: Channel, readings: &[Reading]) {
        let ids = self.ids;
        let single = match channel {
            Channel::Hydrogen => Some(ids.hydrogen),
            Channel::CarbonMonoxide => Some(ids.carbon_monoxide),
            Channel::AgentPressure => Some(ids.agent_pressure),
            Channel::AgentFlow => Some(ids.agent_flow),
            Channel::DamperClosed => Some(ids.damper_closed),
            Channel::VentFanRunning => Some(ids.fan_running),
            _ => None,
        };
        if let Some(id) = single {
            let highest = readings
                .iter()
                .filter_map(|reading| reading.ok())
                .filter(|value| value.is_finite())
                .reduce(f64::max);
            self.points
                .put(id, highest.map_or(Reading::invalid(), Reading::valid));
        }
        let rows = match channel {
            Channel::Hydrogen => self.detectors.hydrogen,
            Channel::CarbonMonoxide => self.detectors.carbon_monoxide,
            Channel::Smoke => self.detectors.smoke,
            Channel::CeilingTemperature => self.detectors.heat,
            _ => return,
        };
        let p = &mut self.points;
        for (i, reading) in readings.iter().take(DETECTORS).enumerate() {
            let usable = reading.ok().is_some_and(f64::is_finite);
            let shown = if usable { *reading } else { Reading::invalid() };
            p.put(rows.value.at(i), shown);
            p.set(rows.kind.at(i), f64::from(rows.sort as u8));
            p.set_flag(rows.online.at(i), reading.quality != Quality::OpenWire);
            p.set_flag(rows.fault.at(i), !usable);
        }
    }

    fn on_write(&mut self, now: SimTime, id: PointId) {
        let ids = self.ids;
        let on = self.points.is_on(id);
        if id == ids.vent {
            if on && !self.may_vent_by_hand(now) {
                self.points.set_flag(id, false);
                self.outbox.note(
                    "vent-command",
                    0.0,
                    "ventilation refused: fire confirmed, or agent must stay in",
                );
            }
            return;
        }
        if id == ids.mode {
            self.outbox.note(
                "mode",
                f64::from(u8::from(on)),
                if on { "auto" } else { "manual" },
            );
            return;
        }
        if ![ids.start, ids.abort, ids.silence, ids.reset].contains(&id) {
            return;
        }
        self.points.set_flag(id, false);
        if !on {
            return;
        }
        if id == ids.start {
            self.started = true;
            self.aborted = false;
        } else if id == ids.abort {
            if matches!(self.release, Release::Idle | Release::Counting { .. }) {
                self.aborted = true;
                self.started = false;
                self.release = Release::Idle;
                self.isolation_failed = false;
                self.outbox.note("countdown-active", 0.0, "release aborted");
            }
        } else if id == ids.silence {
            self.silenced = true;
        } else {
            self.on_reset(now);
        }
    }

    fn on_reset(&mut self, now: SimTime) {
        let held = self
            .release
            .driven_at()
            .is_some_and(|at| now - at < secs(self.settings.post_hold_s));
        let smoke = (0..DETECTORS).any(|i| self.smoke_since[i].is_some());
        let heat = (0..DETECTORS).any(|i| self.is_hot(i));
        let why = if held {
            "reset refused: agent must stay in"
        } else if smoke || heat || self.call_point_pressed {
            "reset refused: a detector or the call point still stands"
        } else {
            ""
        };
        if !why.is_empty() {
            self.outbox.note("reset", 0.0, why);
            return;
        }
        self.smoke_latched = [false; DETECTORS];
        self.heat_latched = [false; DETECTORS];
        self.call_point_latched = false;
        self.started = false;
        self.aborted = false;
        self.silenced = false;
        self.isolation_failed = false;
        self.release = Release::Idle;
        self.points.set_flag(self.ids.vent, false);
        self.outbox.note("reset", 1.0, "alarms reset");
        // Level 3 does not stand by itself once its latches are gone.
        self.enter(if self.prewarning {
            Stage::Prewarning
        } else {
            Stage::Normal
        });
    }

    // --- points --------------------------------------------------------------------------------------------

    fn publish(&mut self) {
        let ids = self.ids;
        let rate = (0..DETECTORS).filter_map(|i| self.heat_rate(i)).reduce(f64::max);
        let remaining = match self.release {
            Release::Counting { remaining } => remaining.as_secs_f64().ceil(),
            _ => 0.0,
        };
        let p = &mut self.points;
        p.set(ids.level, f64::from(self.stage as u8));
        p.set(
            ids.system_level,
            match self.stage {
                Stage::Normal | Stage::Prewarning => 0.0,
                Stage::Level1 => 1.0,
                Stage::Level2 | Stage::Released => 2.0,
                Stage::Level3 => 3.0,
            },
        );
        p.set_flag(ids.prewarning, self.prewarning);
        p.set_flag(ids.smoke_alarm, self.smoke_latched.contains(&true));
        p.set_flag(ids.heat_alarm, self.heat_latched.contains(&true));
        p.set_flag(ids.call_point, self.call_point_latched);
        p.set_flag(ids.hold, self.hold);
        p.set(ids.countdown, remaining);
        p.set_flag(
            ids.countdown_active,
            matches!(self.release, Release::Counting { .. }),
        );
        p.set_flag(ids.release_failed, matches!(self.release, Release::Failed { .. }));
        p.set_flag(ids.isolation_failed, self.isolation_failed);
        p.set_flag(ids.valve, self.release.driven_at().is_some());
        p.put(ids.heat_rate, rate.map_or(Reading::invalid(), Reading::valid));
        let low = p
            .get(ids.agent_pressure)
            .is_some_and(|pa| pa < self.settings.agent_pressure_min_pa);
        p.set_flag(ids.agent_low, low);
        let detectors = self.detectors.each();
        let mut faults = detectors.iter().flat_map(|rows| p.row(rows.fault));
        let blind = p.get(ids.hydrogen).is_none()
            || p.get(ids.carbon_monoxide).is_none()
            || faults.any(|fault| fault.ok() == Some(1.0));
        let failed = matches!(self.release, Release::Failed { .. });
        p.set_flag(ids.fault, low || blind || failed || self.isolation_failed);
        let drives = self.drives.unwrap_or(Drives {
            ventilate: false,
            hvac: true,
        });
        p.set_flag(ids.fan, drives.ventilate);
        p.set_flag(ids.hvac, drives.hvac);
        p.set_flag(ids.sounder, self.lines.is_some_and(|levels| levels[4]));
        let over = |limit: f64| move |value: Option<f64>| value.is_some_and(|ppm| ppm >= limit);
        let (hydrogen, monoxide) = (
            over(self.settings.hydrogen_ppm),
            over(self.settings.carbon_monoxide_ppm),
        );
        for i in 0..DETECTORS {
            for rows in detectors {
                if p.get(rows.kind.at(i)).is_none() {
                    continue;
                }
                let value = p.get(rows.value.at(i));
                let alarm = match rows.sort {
                    Sort::Hydrogen => hydrogen(value),
                    Sort::CarbonMonoxide => monoxide(value),
                    Sort::Smoke => self.smoke_latched[i],
                    Sort::Heat => self.heat_latched[i],
                };
                p.set_flag(rows.alarm.at(i), alarm);
            }
        }
    }

    /// The supply comes back: latches are gone, the hard-wired inputs are not.
    fn cold_start(&mut self) {
        self.points = Points::new(Arc::clone(self.points.table()));
        self.last_cycle = None;
        self.gas_above_since = None;
        self.gas_below_since = None;
        self.prewarning = false;
        self.smoke_since = [None; DETECTORS];
        self.smoke_latched = [false; DETECTORS];
        self.heat_latched = [false; DETECTORS];
        self.history.clear();
        self.call_point_latched = false;
        self.started = false;
        self.aborted = false;
        self.silenced = false;
        self.isolation_failed = false;
        self.stage = Stage::Normal;
        self.release = Release::Idle;
        self.drives = None;
        self.lines = None;
        self.server.restart();
        self.preset_points();
    }

    fn on_request(
        &mut self,
        now: SimTime,
        access: ModbusAccess<'_>,
        request: &bess_types::ModbusRequest,
        token: Token,
    ) {
        let mut written = Vec::new();
        let reply = self
            .server
            .serve(now, access, request, &mut self.points, &mut written);
        self.on_written(now, &written);
        self.outbox.reply(token, reply);
    }

    fn on_written(&mut self, now: SimTime, written: &[PointId]) {
        for id in written {
            self.on_write(now, *id);
        }
    }

    /// Side effects of the register map take their time.
    fn let_time_pass(&mut self, now: SimTime) {
        let mut written = Vec::new();
        self.server.tick(now, &mut self.points, &mut written);
        self.on_written(now, &written);
    }
}

impl Device for FirePanel {
    fn senses(&self) -> &[Sense] {
        &self.senses
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        match input {
            Input::Line {
                line: Line::VentRequest,
                level,
            } => self.vent_request = level,
            Input::Line {
                line: Line::ManualCallPoint,
                level,
            } => self.call_point_pressed = level,
            Input::Line {
                line: Line::SuppressionHold,
                level,
            } => self.hold = level,
            Input::ModbusRequest { token, .. } if !self.powered => {
                self.outbox.no_reply(token);
            }
            Input::ModbusRequest {
                access,
                request,
                token,
                ..
            } => self.on_request(now, access, request, token),
            Input::Sensed { channel, readings } if self.powered => self.on_sample(channel, readings),
            Input::Wake if self.powered && now >= self.next_cycle => {
                self.next_cycle = (now + Duration::from_nanos(1)).next_multiple(CYCLE, Duration::ZERO);
                self.cycle(now);
            }
            _ => {}
        }
        if self.powered {
            self.let_time_pass(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn next_wake(&self) -> SimTime {
        if self.powered {
            self.next_cycle.min(self.server.next_due())
        } else {
            SimTime::NEVER
        }
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply() || fault.is_of_counters()
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => {
                if self.powered {
                    self.powered = false;
                    for line in LINES {
                        self.outbox.line(line, false);
                    }
                    // The damper closes by spring and the fan stops; the HVAC interlock drops out as well.
                    self.outbox.actuate(Actuation::Ventilation {
                        fan: false,
                        damper_open: false,
                    });
                    self.outbox.actuate(Actuation::Hvac { on: false });
                }
            }
            DeviceFault::PowerOn => {
                if !self.powered {
                    self.powered = true;
                    self.cold_start();
                }
            }
            DeviceFault::FreezeCounters => self.frozen = true,
            DeviceFault::UnfreezeCounters => self.frozen = false,
            other => return Err(UnsupportedFault { fault: *other }),
        }
        Ok(())
    }

    fn points(&self) -> &Points {
        &self.points
    }
}

fn secs(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
