//! From time to places and back: linear, or with equal gaps between events.

use bevy_egui::egui::{Align, Painter, Rangef, Rect, Stroke, pos2, vec2};

use crate::model::{Hop, Lane, Model};
use crate::ui::paint::{self, FIGURE, rgb, text};

/// Most instants that an axis by events tells apart.
const MOST: usize = 28;
/// Instants closer than this are one, ns.
const APART_NS: u64 = 200_000;
/// Below this share of the span a typical latency cannot be seen, and gaps are made equal.
const UNSEEN: f64 = 0.02;

/// An axis of time.
pub(super) struct Axis {
    range: Rangef,
    /// When what is looked at began; 0 if it did not yet.
    t0_ns: u64,
    has_t0: bool,
    /// Linear: first and last, s. By events: the same of its instants.
    span: (f64, f64),
    /// Instants with equal gaps, ns; none if linear.
    instants: Vec<u64>,
}

impl Axis {
    /// For what the model knows: from shortly before t0 to the end.
    pub(super) fn of(model: &Model, zoom: Option<(f64, f64)>, events: Option<bool>, range: Rangef) -> Self {
        let (from, to) = span(model);
        let t0 = model.chronicle().now().t0_ns;
        let (t0_ns, has_t0) = (t0.unwrap_or(0), t0.is_some());
        let hops: Vec<&Hop> = model
            .chronicle()
            .now()
            .hops
            .iter()
            .filter(|hop| hop.is_latency() && !hop.is_hold())
            .collect();
        let by_events = events.unwrap_or_else(|| {
            let mut latencies: Vec<f64> = hops.iter().filter_map(|hop| hop.judged.measured).collect();
            latencies.sort_by(f64::total_cmp);
            let typical = latencies.get(latencies.len() / 2);
            typical.is_some_and(|typical| typical / (to - from).max(1e-9) < UNSEEN)
        });
        let instants = if by_events {
            instants(model, &hops, t0_ns)
        } else {
            Vec::new()
        };
        if instants.len() > 2 {
            let seconds = |ns: &u64| *ns as f64 / 1e9;
            let ends = (
                instants.first().map_or(from, seconds),
                instants.last().map_or(to, seconds),
            );
            return Self {
                range,
                t0_ns,
                has_t0,
                span: ends,
                instants,
            };
        }
        Self {
            range,
            t0_ns,
            has_t0,
            span: zoom.unwrap_or((from, to)),
            instants: Vec::new(),
        }
    }

    pub(super) fn is_by_events(&self) -> bool {
        !self.instants.is_empty()
    }

    /// First and last instant, s.
    pub(super) fn span(&self) -> (f64, f64) {
        self.span
    }

    /// First and last instant, ns.
    pub(super) fn span_ns(&self) -> (u64, u64) {
        let ns = crate::model::effects::nanoseconds;
        (ns(self.span.0), ns(self.span.1))
    }

    /// Place of an instant; outside the range if it is not within the span.
    #[allow(clippy::cast_possible_truncation, reason = "a place on the screen")]
    pub(super) fn x(&self, at_ns: u64) -> f32 {
        let share = if self.instants.is_empty() {
            let seconds = at_ns as f64 / 1e9;
            (seconds - self.span.0) / (self.span.1 - self.span.0).max(1e-9)
        } else {
            let n = self.instants.partition_point(|instant| *instant <= at_ns);
            let gaps = (self.instants.len() - 1) as f64;
            if n == 0 {
                -0.01
            } else if n == self.instants.len() {
                if at_ns == self.instants[n - 1] { 1.0 } else { 1.01 }
            } else {
                let (a, b) = (self.instants[n - 1], self.instants[n]);
                ((n - 1) as f64 + (at_ns - a) as f64 / (b - a) as f64) / gaps
            }
        };
        self.range.min + share.clamp(-10.0, 10.0) as f32 * self.range.span()
    }

    /// The instant at a place.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the number of instants"
    )]
    pub(super) fn ns(&self, x: f32) -> u64 {
        let share = f64::from(((x - self.range.min) / self.range.span()).clamp(0.0, 1.0));
        if self.instants.is_empty() {
            let seconds = self.span.0 + share * (self.span.1 - self.span.0);
            return crate::model::effects::nanoseconds(seconds);
        }
        let at = share * (self.instants.len() - 1) as f64;
        let n = (at.floor() as usize).min(self.instants.len() - 2);
        let (a, b) = (self.instants[n], self.instants[n + 1]);
        a + ((at - n as f64) * (b - a) as f64) as u64
    }

    /// Ticks with times from t0 on; by events also the gaps between them.
    pub(super) fn draw(&self, painter: &Painter, place: Rect, down_to: f32) {
        let faint = Stroke::new(1.0, rgb([0xD0, 0xD3, 0xD5]));
        let mut free = place.left();
        let mut put = |x: f32, words: &str| {
            let width = paint::width(painter, words, FIGURE.sized(11.0));
            let left = (x - width / 2.0).clamp(place.left(), place.right() - width);
            if left >= free {
                let part = Rect::from_min_size(pos2(left, place.top()), vec2(width + 1.0, place.height()));
                text(painter, part, Align::Min, words, FIGURE.sized(11.0));
                free = left + width + 8.0;
            }
        };
        if self.instants.is_empty() {
            let span = self.span.1 - self.span.0;
            let step = nice(span / 12.0);
            let t0 = self.t0_ns as f64 / 1e9;
            let mut n = ((self.span.0 - t0) / step).ceil();
            while n * step + t0 <= self.span.1 {
                let at = n * step;
                let x = self.range.min + self.range.span() * share((at + t0 - self.span.0) / span.max(1e-9));
                painter.vline(x, place.bottom()..=down_to, faint);
                put(x, &self.said(at));
                n += 1.0;
            }
            return;
        }
        for instant in &self.instants {
            let x = self.x(*instant);
            painter.vline(x, place.bottom()..=down_to, faint);
            put(x, &self.said((*instant as f64 - self.t0_ns as f64) / 1e9));
        }
    }

    /// A time as an axis tells it: without a beginning it is that of the clock.
    fn said(&self, seconds: f64) -> String {
        if self.has_t0 {
            offset(seconds)
        } else {
            format!("{} s", crate::model::effects::figure(seconds))
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a share of the screen")]
fn share(value: f64) -> f32 {
    value.clamp(-1.0, 2.0) as f32
}

/// A time from t0 on, in the unit that fits.
fn offset(seconds: f64) -> String {
    let sign = if seconds < -1e-9 { "−" } else { "+" };
    let size = seconds.abs();
    if size < 1e-9 {
        "t0".into()
    } else if size < 0.9995 {
        format!(
            "{sign}{} ms",
            crate::model::effects::figure((size * 1e4).round() / 10.0)
        )
    } else {
        format!(
            "{sign}{} s",
            crate::model::effects::figure((size * 1e3).round() / 1e3)
        )
    }
}

/// A step of 1, 2 or 5 times a power of ten, at least `least`.
pub(in crate::ui) fn nice(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-6).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|n| n * power)
        .find(|step| *step >= least)
        .unwrap_or(power * 10.0)
}

/// What is looked at, s: from shortly before t0 to the end of the recording, or to now.
fn span(model: &Model) -> (f64, f64) {
    let link = model.link();
    let now = model.now_ns() as f64 / 1e9;
    let t0 = model.chronicle().now().t0_ns.map(|ns| ns as f64 / 1e9);
    let (first, last) = if link.is_replay {
        (link.span_ns.0 as f64 / 1e9, link.span_ns.1 as f64 / 1e9)
    } else {
        // with some room for what comes
        (t0.unwrap_or((now - 120.0).max(0.0)), now + 5.0)
    };
    let from = t0.map_or(first, |t0| t0 - (last - t0).max(1.0) * 0.06).max(0.0);
    (from, last.max(from + 1.0))
}

/// Instants at which something begins, is seen or changes, from just before t0 on.
fn instants(model: &Model, hops: &[&Hop], t0_ns: u64) -> Vec<u64> {
    let mut all: Vec<u64> = hops
        .iter()
        .flat_map(|hop| [Some(hop.judged.cause_ns), hop.judged.seen_ns])
        .flatten()
        .collect();
    let lanes = &model.chronicle().now().lanes;
    let changes = Lane::ALL
        .into_iter()
        .flat_map(|lane| lanes.bands(lane))
        .map(|band| band.from_ns);
    let changes: Vec<u64> = changes.filter(|at| *at >= t0_ns).collect();
    // what was measured comes first; what else changed as far as there is room
    let room = MOST.saturating_sub(all.len());
    all.extend(changes.into_iter().take(room));
    all.push(t0_ns);
    all.sort_unstable();
    all.dedup_by(|later, earlier| *later - *earlier < APART_NS);
    all.truncate(MOST);
    if let Some(first) = all.first().copied() {
        all.insert(0, first.saturating_sub(1_000_000_000));
    }
    let end = if model.link().is_replay {
        model.link().span_ns.1
    } else {
        model.now_ns()
    };
    if all.last().is_some_and(|last| end > last + APART_NS) {
        all.push(end);
    }
    all.dedup();
    all
}
