//! The trend below the lanes: what is told of one point, and nothing between.

use bevy_egui::egui::{Align, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2};

use super::axis::Axis;
use super::{NOT_TOLD, untold};
use crate::model::colour::{SECONDARY, TEXT};
use crate::model::{Sample, state_name};
use crate::ui::Scope;
use crate::ui::paint::{self, FIGURE, LABEL, rgb, text};

/// Samples that are farther apart than this are seen one by one, points.
const SPARSE: f32 = 4.0;

/// What a trend shows in a column of the screen.
#[derive(Debug, PartialEq)]
struct Column {
    x: f32,
    low: f32,
    high: f32,
    /// First and last value, and when they were told, ns.
    first: f32,
    last: f32,
    first_ns: u64,
    last_ns: u64,
    /// Since when there is no value any more, ns.
    lost_ns: Option<u64>,
}

/// Samples gathered in columns of the screen.
fn columns(samples: impl Iterator<Item = Sample>, x: impl Fn(u64) -> f32) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for Sample { at_ns, value } in samples {
        let x = x(at_ns);
        match columns.last_mut() {
            Some(last) if !value.is_finite() => {
                last.lost_ns.get_or_insert(at_ns);
            }
            None if !value.is_finite() => {}
            Some(last) if last.x == x && last.lost_ns.is_none() => {
                last.low = last.low.min(value);
                last.high = last.high.max(value);
                (last.last, last.last_ns) = (value, at_ns);
            }
            _ => columns.push(Column {
                x,
                low: value,
                high: value,
                first: value,
                last: value,
                first_ns: at_ns,
                last_ns: at_ns,
                lost_ns: None,
            }),
        }
    }
    columns
}

/// The point of the trend: the first that is plotted, else the power of the PCS of the container that is looked at.
pub(super) fn trend_of(scope: &Scope) -> (String, String) {
    scope.view.plotted.first().cloned().unwrap_or_else(|| {
        let tag = scope.container().map_or("", |(_, of)| of.tag.as_str());
        (format!("plant:{tag}/pcs"), "active-power".to_owned())
    })
}

/// One trend below the lanes: the first plotted point, or the power of the PCS.
pub(super) fn strip(ui: &Ui, names: Rect, place: Rect, scope: &Scope, axis: &Axis) {
    let painter = ui.painter();
    let model = &*scope.model;
    let (of, point) = trend_of(scope);
    let name = Rect::from_x_y_ranges(names.x_range(), place.y_range());
    let Some(index) = model.find(&of, &point) else {
        let words = if model.index().is_some() {
            "no such point"
        } else {
            "no trend"
        };
        text(painter, name, Align::Min, words, LABEL);
        return;
    };
    let (top, bottom) = name.split_top_bottom_at_fraction(0.5);
    text(painter, top, Align::Min, &model.named(&of), LABEL);
    text(painter, bottom, Align::Min, &point, LABEL);
    let now = model.now_ns();
    let (from, to) = axis.span_ns();
    let samples = model.history().between(index, from, to.min(now));
    let columns = columns(samples, |ns| axis.x(ns).round());
    let (low, high) = columns
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), column| {
            (low.min(column.low), high.max(column.high))
        });
    if low > high {
        text(painter, place, Align::Center, NOT_TOLD, LABEL);
        return;
    }
    let span = (high - low).max(1e-6);
    let y = |value: f32| place.bottom() - 3.0 - (value - low) / span * (place.height() - 6.0);
    let clipped = painter.with_clip_rect(place);
    if let Some(first) = columns.first() {
        untold(&clipped, place, first.x.min(axis.x(now)));
    }
    let every_ns = model
        .definition(index)
        .map_or(0, |(_, _, def)| u64::from(def.recorded_every_ms) * 1_000_000);
    let solid = Stroke::new(1.5, rgb(TEXT));
    for (n, column) in columns.iter().enumerate() {
        clipped.line_segment(
            [pos2(column.x, y(column.low)), pos2(column.x, y(column.high))],
            solid,
        );
        let next = columns.get(n + 1);
        // it is told as long as it stays; from the last time it was told to the next value nothing is known
        let holds = match (column.lost_ns, next) {
            (Some(lost), _) => axis.x(lost),
            (None, Some(next)) if next.first == column.last => next.x,
            (None, Some(next)) => axis.x(next.first_ns.saturating_sub(every_ns).max(column.last_ns)),
            (None, None) => axis.x(now),
        };
        let holds = holds.max(column.x);
        let level = y(column.last);
        clipped.line_segment([pos2(column.x, level), pos2(holds, level)], solid);
        let Some(next) = next.filter(|next| column.lost_ns.is_none() && next.first != column.last) else {
            continue;
        };
        let link = [pos2(holds, level), pos2(next.x, y(next.first))];
        if next.x - holds < SPARSE {
            clipped.line_segment(link, solid);
        } else {
            let pale = Stroke::new(1.0, rgb(SECONDARY));
            clipped.extend(Shape::dashed_line(&link, pale, 3.0, 3.0));
            for at in link {
                clipped.circle_filled(at, 2.0, rgb(TEXT));
            }
        }
    }
    painter.rect_stroke(
        place,
        0.0,
        Stroke::new(1.0, rgb([0xC6, 0xC9, 0xCC])),
        StrokeKind::Inside,
    );
    if let Some((_, _, def)) = model.definition(index) {
        let words = |value: f32| {
            let value = f64::from(value);
            state_name(def, value).map_or_else(
                || crate::model::shown(def, crate::model::Reading::Value(value)),
                str::to_owned,
            )
        };
        let (top, bottom) = place.shrink2(vec2(4.0, 1.0)).split_top_bottom_at_fraction(0.5);
        for (part, value) in [(top, high), (bottom, low)] {
            let words = words(value);
            let face = FIGURE.sized(11.0).coloured(SECONDARY);
            let width = paint::width(painter, &words, face) + 4.0;
            painter.rect_filled(
                part.with_min_x(part.right() - width),
                2.0,
                rgb([0xEE, 0xEF, 0xEF]),
            );
            text(painter, part, Align::Max, &words, face);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_what_was_told_first_and_last_and_end_where_nothing_is() {
        let sample = |at_ns, value| Sample { at_ns, value };
        let samples = [
            sample(0, f32::NAN),
            sample(10, 5.0),
            sample(12, 1.0),
            sample(13, 3.0),
            sample(40, 3.0),
            sample(50, f32::NAN),
            sample(70, 2.0),
        ];
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let columns = columns(samples.into_iter(), |ns| (ns / 10) as f32);
        assert_eq!(columns.len(), 3);
        let first = &columns[0];
        assert_eq!((first.low, first.high), (1.0, 5.0));
        assert_eq!((first.first, first.last, first.last_ns), (5.0, 3.0, 13));
        assert_eq!((columns[1].lost_ns, columns[2].lost_ns), (Some(50), None));
    }
}
