//! Grid-support functions with stored curves (SunSpec 705 to 712).
//!
//! Curve 1 is the one that acts, and nobody writes it. A client writes one of the others, asks for it by number, and
//! reads the result: in progress while the machine looks at it, then completed, when curve 1 has become equal to it, or
//! failed, when it makes no sense and nothing has changed.

use core::time::Duration;

use bess_types::SimTime;

use super::super::settings::{Side, TripElement};
use crate::{PointId, PointRange, PointTable, Points};

/// Curves of each function, the acting one included.
pub const CURVES: usize = 3;
/// Time it takes to look at a curve and adopt it. An assumption.
const ADOPTION: Duration = Duration::from_millis(200);
/// Longest time a 32-bit register can say, s.
const TIME_MAX_S: f64 = 4_294_967_294.0;

/// Why a curve is refused.
pub type Refusal = &'static str;

/// The points of one stored curve, of whatever kind.
pub trait Stored {
    /// What they mean, if they mean anything.
    type Curve: Clone + core::fmt::Debug;

    /// All of them, in the same order for each curve of a function.
    fn points(&self) -> Vec<PointId>;

    /// The curve.
    ///
    /// # Errors
    /// If it makes no sense; the text says why.
    fn read(&self, points: &Points) -> Result<Self::Curve, Refusal>;
}

/// One function: switch, adoption, stored curves, and the curve that acts.
#[derive(Clone, Debug)]
pub struct Function<S: Stored> {
    /// Switches the function on.
    pub enable: PointId,
    request: PointId,
    result: PointId,
    result_name: &'static str,
    /// Time, time left and curve of the reversion, which the register map does.
    revert: Option<[PointId; 3]>,
    stored: [S; CURVES],
    active: Option<S::Curve>,
    pending: Option<(SimTime, usize)>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Point with the result.
    pub point: &'static str,
    /// Its value.
    pub result: u8,
    /// In words.
    pub text: String,
}

const RESULTS: &[&str] = &["in-progress", "completed", "failed"];
const IN_PROGRESS: u8 = 0;
const COMPLETED: u8 = 1;
const FAILED: u8 = 2;

impl<S: Stored> Function<S> {
    /// A function whose points begin with what `result_name` has before its `-adopt-result`.
    pub fn add_to(
        table: &mut PointTable,
        result_name: &'static str,
        reverts: bool,
        curve: impl Fn(&mut PointTable, &str) -> S,
    ) -> Self {
        let name = result_name.trim_end_matches("-adopt-result");
        let highest = CURVES as f64;
        let enable = table.flag(&format!("{name}-enable"));
        let request = table.value(&format!("{name}-adopt"), "1", 0.0, highest);
        let result = table.state(result_name, RESULTS);
        let revert = reverts.then(|| {
            let mut time = |what: &str| table.value(&format!("{name}-revert-{what}"), "s", 0.0, TIME_MAX_S);
            let times = [time("time"), time("remaining")];
            let curve = table.value(&format!("{name}-revert-curve"), "1", 0.0, highest);
            [times[0], times[1], curve]
        });
        Self {
            enable,
            request,
            result,
            result_name,
            revert,
            stored: core::array::from_fn(|k| curve(table, &format!("{name}[{k}]"))),
            active: None,
            pending: None,
        }
    }

    /// As at power-up: on or off, nothing asked for, every curve as `write` makes it.
    pub fn preset(&mut self, points: &mut Points, on: bool, mut write: impl FnMut(&S, &mut Points)) {
        points.set_flag(self.enable, on);
        points.set(self.request, 1.0);
        points.set(self.result, f64::from(COMPLETED));
        for (id, value) in self.revert.into_iter().flatten().zip([0.0, 0.0, 1.0]) {
            points.set(id, value);
        }
        for curve in &self.stored {
            write(curve, points);
        }
        self.active = self.stored[0].read(points).ok();
        self.pending = None;
    }

    /// The curve that acts, while the function is on.
    pub fn acting(&self, points: &Points) -> Option<&S::Curve> {
        self.active.as_ref().filter(|_| points.is_on(self.enable))
    }

    /// A client wrote `written`. Returns what is decided at once.
    pub fn on_write(&mut self, now: SimTime, written: PointId, points: &mut Points) -> Option<Adoption> {
        if written != self.request {
            return None;
        }
        self.pending = None;
        let asked = points.get(self.request).unwrap_or(0.0);
        match (0..CURVES).find(|k| asked == (k + 1) as f64) {
            // The acting one acts already.
            Some(0) => Some(self.decide(points, COMPLETED, "curve 1 acts already".into())),
            Some(k) => {
                self.pending = Some((now + ADOPTION, k));
                points.set(self.result, f64::from(IN_PROGRESS));
                None
            }
            None => Some(self.decide(points, FAILED, "there is no such curve".into())),
        }
    }

    /// Goes on with an adoption; something is returned in the cycle it ends.
    pub fn run(&mut self, now: SimTime, points: &mut Points) -> Option<Adoption> {
        let (_, k) = self.pending.take_if(|(at, _)| now >= *at)?;
        Some(match self.stored[k].read(points) {
            Ok(curve) => {
                for (from, to) in self.stored[k].points().into_iter().zip(self.stored[0].points()) {
                    let reading = points.reading(from);
                    points.put(to, reading);
                }
                self.active = Some(curve);
                self.decide(points, COMPLETED, format!("curve {} acts", k + 1))
            }
            Err(why) => self.decide(points, FAILED, format!("curve {} refused: {why}", k + 1)),
        })
    }

    fn decide(&self, points: &mut Points, result: u8, text: String) -> Adoption {
        points.set(self.result, f64::from(result));
        Adoption {
            point: self.result_name,
            result,
            text,
        }
    }
}

/// Points of a curve through points (x, y), straight in between and level outside.
#[derive(Clone, Debug)]
pub struct PolylinePoints {
    count: PointId,
    reference: PointId,
    priority: Option<PointId>,
    centre: Option<PointId>,
    response: Option<PointId>,
    x: PointRange,
    y: PointRange,
    falls: bool,
}

/// A curve through points (x, y).
#[derive(Clone, Debug, PartialEq)]
pub struct Polyline {
    /// What y is a percentage of, by number of the function's own list.
    pub reference: u8,
    /// Reactive power goes before active power.
    pub reactive_first: bool,
    /// What x is a percentage of, % of nominal.
    pub centre_pct: f64,
    /// Time until 90 % of a step, s.
    pub response_s: f64,
    points: Vec<(f64, f64)>,
}

/// What a kind of polyline has besides its points.
#[derive(Clone, Copy, Debug)]
pub struct PolylineShape {
    /// Room for points.
    pub points: usize,
    /// Range of x, %.
    pub x_pct: (f64, f64),
    /// How many things y can be a percentage of.
    pub references: u8,
    /// It says which power goes first.
    pub has_priority: bool,
    /// It has a voltage of its own that x refers to.
    pub has_centre: bool,
    /// It has a response time.
    pub has_response: bool,
    /// y may not rise with x: a rising one would drive the grid away from nominal.
    pub falls: bool,
}

impl PolylinePoints {
    /// Adds the points of one curve.
    pub fn add_to(table: &mut PointTable, name: &str, shape: PolylineShape) -> Self {
        let (low, high) = shape.x_pct;
        Self {
            count: table.value(&format!("{name}.points"), "1", 0.0, shape.points as f64),
            reference: table.value(
                &format!("{name}.reference"),
                "1",
                0.0,
                f64::from(shape.references - 1),
            ),
            priority: shape
                .has_priority
                .then(|| table.value(&format!("{name}.priority"), "1", 0.0, 2.0)),
            centre: shape
                .has_centre
                .then(|| table.value(&format!("{name}.centre"), "%", 80.0, 120.0)),
            response: shape
                .has_response
                .then(|| table.value(&format!("{name}.response-time"), "s", 0.0, 1000.0)),
            x: table.row(&format!("{name}.x[{{}}]"), shape.points, "%", low, high),
            y: table.row(&format!("{name}.y[{{}}]"), shape.points, "%", -100.0, 100.0),
            falls: shape.falls,
        }
    }

    /// Writes a curve; what is beyond the points' room is left out.
    pub fn write(&self, points: &mut Points, reference: u8, response_s: f64, curve: &[[f64; 2]]) {
        let used = curve.len().min(self.x.len());
        points.set(self.count, used as f64);
        points.set(self.reference, f64::from(reference));
        for (id, value) in [
            (self.priority, 0.0),
            (self.centre, 100.0),
            (self.response, response_s),
        ] {
            if let Some(id) = id {
                points.set(id, value);
            }
        }
        for i in 0..self.x.len() {
            let [x, y] = curve.get(i).copied().unwrap_or_default();
            points.set(self.x.at(i), x);
            points.set(self.y.at(i), y);
        }
    }
}

impl Stored for PolylinePoints {
    type Curve = Polyline;

    fn points(&self) -> Vec<PointId> {
        let optional = [self.priority, self.centre, self.response];
        let rows = (0..self.x.len()).flat_map(|i| [self.x.at(i), self.y.at(i)]);
        [self.count, self.reference]
            .into_iter()
            .chain(optional.into_iter().flatten())
            .chain(rows)
            .collect()
    }

    fn read(&self, points: &Points) -> Result<Polyline, Refusal> {
        let used = whole(points, self.count, self.x.len()).filter(|used| *used >= 2);
        let used = used.ok_or("it needs two points at least")?;
        let value = |id: PointId| points.get(id).ok_or("a value is missing");
        let mut curve = Vec::new();
        for i in 0..used {
            curve.push((value(self.x.at(i))?, value(self.y.at(i))?));
        }
        if curve.windows(2).any(|pair| pair[1].0 < pair[0].0) {
            return Err("its points are not in order");
        }
        if self.falls && curve.windows(2).any(|pair| pair[1].1 > pair[0].1) {
            return Err("it rises");
        }
        let or = |id: Option<PointId>, default: f64| id.map_or(Ok(default), value);
        Ok(Polyline {
            reference: whole(points, self.reference, 255)
                .and_then(|number| u8::try_from(number).ok())
                .ok_or("a value is missing")?,
            reactive_first: or(self.priority, 0.0)? == 1.0,
            centre_pct: or(self.centre, 100.0)?,
            response_s: or(self.response, 0.0)?,
            points: curve,
        })
    }
}

impl Polyline {
    /// y at x.
    pub fn at(&self, x: f64) -> f64 {
        let after = self.points.partition_point(|point| point.0 <= x);
        match (
            after.checked_sub(1).map(|i| self.points[i]),
            self.points.get(after),
        ) {
            (Some((x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
            (Some((_, y)), None) | (None, Some(&(_, y))) => y,
            (None, None) => 0.0,
        }
    }
}

/// Points of a frequency droop.
#[derive(Clone, Debug)]
pub struct DroopPoints {
    deadband: [PointId; 2],
    ratio: [PointId; 2],
    response: PointId,
    minimum: PointId,
}

/// A frequency droop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Droop {
    /// Nothing happens up to this far above and below nominal, Hz.
    pub deadband_hz: [f64; 2],
    /// Change of frequency, per unit of nominal, that asks for all of the power, above and below.
    pub ratio: [f64; 2],
    /// Time until 90 % of a step, s.
    pub response_s: f64,
    /// It goes no lower than this, % of the highest active power; negative is charging.
    pub minimum_pct: f64,
}

impl DroopPoints {
    /// Adds the points of one droop.
    pub fn add_to(table: &mut PointTable, name: &str) -> Self {
        let mut side = |what: &str, unit, max| {
            ["over", "under"].map(|side| table.value(&format!("{name}.{side}-{what}"), unit, 0.0, max))
        };
        Self {
            deadband: side("deadband", "Hz", 10.0),
            ratio: side("ratio", "1", 1.0),
            response: table.value(&format!("{name}.response-time"), "s", 0.0, 1000.0),
            minimum: table.value(&format!("{name}.minimum"), "%", -100.0, 100.0),
        }
    }

    /// Writes a droop.
    pub fn write(&self, points: &mut Points, droop: &Droop) {
        for side in [0, 1] {
            points.set(self.deadband[side], droop.deadband_hz[side]);
            points.set(self.ratio[side], droop.ratio[side]);
        }
        points.set(self.response, droop.response_s);
        points.set(self.minimum, droop.minimum_pct);
    }
}

impl Stored for DroopPoints {
    type Curve = Droop;

    fn points(&self) -> Vec<PointId> {
        let sides = self.deadband.into_iter().chain(self.ratio);
        sides.chain([self.response, self.minimum]).collect()
    }

    fn read(&self, points: &Points) -> Result<Droop, Refusal> {
        let value = |id: PointId| points.get(id).ok_or("a value is missing");
        let both = |ids: [PointId; 2]| Ok::<_, Refusal>([value(ids[0])?, value(ids[1])?]);
        let droop = Droop {
            deadband_hz: both(self.deadband)?,
            ratio: both(self.ratio)?,
            response_s: value(self.response)?,
            minimum_pct: value(self.minimum)?,
        };
        if droop.ratio.iter().any(|ratio| *ratio <= 0.0) {
            return Err("a ratio is 0");
        }
        Ok(droop)
    }
}

impl Droop {
    /// Power it adds at this frequency, per unit of the highest active power.
    pub fn at(&self, hz: f64, nominal_hz: f64) -> f64 {
        let [over, under] = self.deadband_hz;
        if hz > nominal_hz + over {
            (nominal_hz + over - hz) / (nominal_hz * self.ratio[0])
        } else if hz < nominal_hz - under {
            (nominal_hz - under - hz) / (nominal_hz * self.ratio[1])
        } else {
            0.0
        }
    }
}

/// Points of one trip curve set: must trip, may trip, momentary cessation.
#[derive(Clone, Debug)]
pub struct TripPoints {
    side: Side,
    nominal: f64,
    zones: [ZonePoints; 3],
}

#[derive(Clone, Copy, Debug)]
struct ZonePoints {
    count: PointId,
    limit: PointRange,
    delay: PointRange,
}

/// Room for points in each part of a trip curve set.
pub const TRIP_POINTS: usize = 4;

/// A trip curve set. Each point is an element of its own: beyond its limit for its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trip {
    /// Elements that trip; limits per unit of nominal.
    pub must: Vec<TripElement>,
    /// Elements that block the gate while they last.
    pub cease: Vec<TripElement>,
}

impl TripPoints {
    /// Adds the points of one set; limits are in `unit`, of which `nominal` is nominal, and at most twice that.
    pub fn add_to(table: &mut PointTable, name: &str, side: Side, unit: &'static str, nominal: f64) -> Self {
        let zones = ["must-trip", "may-trip", "cease"].map(|zone| {
            let name = format!("{name}.{zone}");
            ZonePoints {
                count: table.value(&format!("{name}.points"), "1", 0.0, TRIP_POINTS as f64),
                limit: table.row(
                    &format!("{name}.limit[{{}}]"),
                    TRIP_POINTS,
                    unit,
                    0.0,
                    2.0 * nominal,
                ),
                delay: table.row(&format!("{name}.delay[{{}}]"), TRIP_POINTS, "s", 0.0, 3000.0),
            }
        });
        Self { side, nominal, zones }
    }

    /// Writes a set; nothing that may trip.
    pub fn write(&self, points: &mut Points, trip: &Trip) {
        for (zone, elements) in self.zones.iter().zip([&trip.must[..], &[][..], &trip.cease[..]]) {
            let used = elements.len().min(TRIP_POINTS);
            points.set(zone.count, used as f64);
            for i in 0..TRIP_POINTS {
                let element = elements.get(i);
                points.set(
                    zone.limit.at(i),
                    element.map_or(0.0, |element| element.limit_pu * self.nominal),
                );
                points.set(zone.delay.at(i), element.map_or(0.0, |element| element.delay_s));
            }
        }
    }

    fn zone(&self, zone: ZonePoints, points: &Points) -> Result<Vec<TripElement>, Refusal> {
        let used = whole(points, zone.count, TRIP_POINTS).ok_or("a value is missing")?;
        let mut elements = Vec::new();
        for i in 0..used {
            let value = |id: PointId| points.get(id).ok_or("a value is missing");
            elements.push(TripElement {
                side: self.side,
                limit_pu: value(zone.limit.at(i))? / self.nominal,
                delay_s: value(zone.delay.at(i))?,
            });
        }
        let outer = |element: &TripElement| match self.side {
            Side::Over => element.limit_pu,
            Side::Under => -element.limit_pu,
        };
        if elements.iter().any(|element| match self.side {
            Side::Over => element.limit_pu < 1.0,
            Side::Under => element.limit_pu > 1.0,
        }) {
            return Err("a limit is on the wrong side of nominal");
        }
        elements.sort_by(|a, b| outer(a).total_cmp(&outer(b)));
        if elements.windows(2).any(|pair| pair[1].delay_s > pair[0].delay_s) {
            return Err("it waits longer for the worse");
        }
        Ok(elements)
    }
}

impl Stored for TripPoints {
    type Curve = Trip;

    fn points(&self) -> Vec<PointId> {
        let zone = |zone: &ZonePoints| {
            let (limit, delay, count) = (zone.limit, zone.delay, zone.count);
            [count]
                .into_iter()
                .chain((0..TRIP_POINTS).flat_map(move |i| [limit.at(i), delay.at(i)]))
        };
        self.zones.iter().flat_map(zone).collect()
    }

    fn read(&self, points: &Points) -> Result<Trip, Refusal> {
        let [must, may, cease] = self.zones.map(|zone| self.zone(zone, points));
        may?;
        let trip = Trip {
            must: must?,
            cease: cease?,
        };
        if trip.must.is_empty() {
            return Err("it never trips");
        }
        Ok(trip)
    }
}

/// A whole number from 0 to `most`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number within a range of indices"
)]
fn whole(points: &Points, id: PointId, most: usize) -> Option<usize> {
    let value = points.get(id)?;
    (value.fract() == 0.0 && (0.0..=most as f64).contains(&value)).then_some(value as usize)
}
