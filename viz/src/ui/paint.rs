//! Shapes that states are told with: badges, breakers, bars, arrows, hatching, and text that stays in its place.

use bevy_egui::egui::{
    Align, Color32, FontId, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, Vec2, pos2,
    text::{LayoutJob, TextFormat},
    vec2,
};

use crate::model::colour::{DEAD, ENERGISED, Rgb, SECONDARY, TEXT, UNKNOWN, of_level};
use crate::model::{AlarmState, Level};

/// A colour of the model for egui.
pub(super) const fn rgb([r, g, b]: Rgb) -> Color32 {
    Color32::from_rgb(r, g, b)
}

/// How a text is written.
#[derive(Clone, Copy)]
pub(super) struct Face {
    size: f32,
    mono: bool,
    colour: Rgb,
}

/// A label.
pub(super) const LABEL: Face = Face {
    size: 12.0,
    mono: false,
    colour: SECONDARY,
};
/// Words that are read first.
pub(super) const WORD: Face = Face {
    size: 13.0,
    mono: false,
    colour: TEXT,
};
/// Figures.
pub(super) const FIGURE: Face = Face {
    size: 13.0,
    mono: true,
    colour: TEXT,
};

impl Face {
    pub(super) const fn coloured(self, colour: Rgb) -> Self {
        Self { colour, ..self }
    }

    pub(super) const fn sized(self, size: f32) -> Self {
        Self { size, ..self }
    }

    pub(super) fn font(self) -> FontId {
        if self.mono {
            FontId::monospace(self.size)
        } else {
            FontId::proportional(self.size)
        }
    }
}

/// Writes into a place, shortened with an ellipsis if it is too long; returns where it stands.
pub(super) fn text(painter: &Painter, place: Rect, align: Align, text: &str, face: Face) -> Rect {
    lines(painter, place, align, text, face, 1)
}

/// Writes at most so many lines into a place.
pub(super) fn lines(
    painter: &Painter,
    place: Rect,
    align: Align,
    text: &str,
    face: Face,
    rows: usize,
) -> Rect {
    let format = TextFormat::simple(face.font(), rgb(face.colour));
    let mut job = LayoutJob::single_section(text.to_owned(), format);
    job.wrap.max_width = place.width();
    job.wrap.max_rows = rows;
    job.wrap.break_anywhere = rows == 1;
    let galley = painter.layout_job(job);
    let size = galley.size();
    let x = match align {
        Align::Min => place.left(),
        Align::Center => place.center().x - size.x / 2.0,
        Align::Max => place.right() - size.x,
    };
    let at = pos2(x, place.center().y - size.y / 2.0).round();
    painter.galley(at, galley, rgb(face.colour));
    Rect::from_min_size(at, size)
}

/// Width of a text.
pub(super) fn width(painter: &Painter, text: &str, face: Face) -> f32 {
    painter
        .layout_no_wrap(text.to_owned(), face.font(), rgb(face.colour))
        .size()
        .x
}

/// Outline of all badges and symbols.
pub(super) fn outline(width: f32) -> Stroke {
    Stroke::new(width, rgb(TEXT))
}

/// The badge of a level: form, figure and colour say the same.
pub(super) fn badge(
    painter: &Painter,
    centre: Pos2,
    radius: f32,
    level: Level,
    state: AlarmState,
    flash: bool,
) {
    let seen = state == AlarmState::Acknowledged;
    if !seen && !flash {
        return;
    }
    let hollow = state == AlarmState::Returned;
    let fill = if hollow {
        Color32::WHITE
    } else {
        rgb(of_level(level))
    };
    let stroke = if hollow {
        Stroke::new(1.5, rgb(of_level(level)))
    } else {
        outline(1.5)
    };
    let round = |n: u8, turn: f32| -> Vec<Pos2> {
        (0..n)
            .map(|k| {
                let angle = (f32::from(k) + turn) / f32::from(n) * std::f32::consts::TAU;
                centre + radius * vec2(angle.sin(), -angle.cos())
            })
            .collect()
    };
    let (figure, light) = match level {
        Level::L3 => {
            let place = Rect::from_center_size(centre, Vec2::splat(radius * 1.75));
            painter.rect(place, 1.0, fill, stroke, StrokeKind::Middle);
            ("3", true)
        }
        Level::L2 => {
            let points = [
                centre + vec2(0.0, -radius * 1.05),
                centre + vec2(radius * 1.1, radius * 0.85),
                centre + vec2(-radius * 1.1, radius * 0.85),
            ];
            painter.add(Shape::convex_polygon(points.to_vec(), fill, stroke));
            ("2", false)
        }
        Level::L1 => {
            painter.circle(centre, radius * 0.95, fill, stroke);
            ("1", false)
        }
        Level::R => {
            painter.add(Shape::convex_polygon(round(6, 0.0), fill, stroke));
            ("R", true)
        }
    };
    let colour = if light && !hollow { [0xFF; 3] } else { TEXT };
    let lower = if level == Level::L2 { radius * 0.2 } else { 0.0 };
    let place = Rect::from_center_size(centre + vec2(0.0, lower), Vec2::splat(radius * 2.0));
    let face = Face {
        size: radius * 1.5,
        mono: true,
        colour,
    };
    text(painter, place, Align::Center, figure, face);
}

/// Diagonal hatching: nothing valid is known.
pub(super) fn hatch(painter: &Painter, place: Rect) {
    painter.rect_filled(place, 0.0, rgb(UNKNOWN));
    let painter = painter.with_clip_rect(place.intersect(painter.clip_rect()));
    let stroke = Stroke::new(1.0, rgb(SECONDARY).gamma_multiply(0.6));
    let mut x = place.left() - place.height();
    while x < place.right() {
        painter.line_segment(
            [pos2(x, place.bottom()), pos2(x + place.height(), place.top())],
            stroke,
        );
        x += 5.0;
    }
}

/// A contact in a line from left to right: closed is a filled bar, open is hollow with a gap, unknown is hatched.
pub(super) fn contact(painter: &Painter, place: Rect, closed: Option<bool>) {
    let middle = place.center();
    match closed {
        Some(true) => {
            let bar = Rect::from_center_size(middle, vec2(place.width(), 8.0));
            painter.rect_filled(bar, 0.0, rgb(ENERGISED));
        }
        Some(false) => {
            let stroke = Stroke::new(1.5, rgb(DEAD));
            let gap = place.width() * 0.14;
            let half =
                |from: f32, to: f32| Rect::from_min_max(pos2(from, middle.y - 4.0), pos2(to, middle.y + 4.0));
            painter.rect_stroke(
                half(place.left(), middle.x - gap),
                0.0,
                stroke,
                StrokeKind::Inside,
            );
            painter.rect_stroke(
                half(middle.x + gap, place.right()),
                0.0,
                stroke,
                StrokeKind::Inside,
            );
        }
        None => hatch(painter, Rect::from_center_size(middle, vec2(place.width(), 8.0))),
    }
}

/// A command that the feedback does not follow: the upper half is the command, the lower the feedback.
pub(super) fn split_contact(painter: &Painter, place: Rect, command: bool, feedback: bool) {
    let (top, bottom) = place.split_top_bottom_at_fraction(0.5);
    for (part, closed) in [(top, command), (bottom, feedback)] {
        let bar = Rect::from_center_size(part.center(), vec2(part.width(), 4.0));
        if closed {
            painter.rect_filled(bar, 0.0, rgb(ENERGISED));
        } else {
            painter.rect_stroke(bar, 0.0, Stroke::new(1.0, rgb(DEAD)), StrokeKind::Inside);
        }
    }
    let a = AlarmState::Acknowledged;
    badge(
        painter,
        place.right_top() + vec2(1.0, 1.0),
        4.0,
        Level::L1,
        a,
        true,
    );
}

/// A bar over a range, with the value as a filled part from zero or from the lower end.
pub(super) fn bar(painter: &Painter, place: Rect, value: f64, low: f64, high: f64) {
    painter.rect_filled(place, 1.0, rgb([0xD2, 0xD5, 0xD8]));
    if high <= low {
        return;
    }
    #[allow(clippy::cast_possible_truncation, reason = "a place on the screen")]
    let x = |value: f64| place.left() + place.width() * ((value - low) / (high - low)).clamp(0.0, 1.0) as f32;
    let from = x(0.0_f64.clamp(low, high));
    let to = x(value);
    let filled = Rect::from_min_max(
        pos2(from.min(to), place.top()),
        pos2(from.max(to).max(from.min(to) + 1.0), place.bottom()),
    );
    painter.rect_filled(filled, 0.0, rgb(ENERGISED));
    if value > high || value < low {
        let edge = if value > high { place.right() } else { place.left() };
        let out = if value > high { 1.0 } else { -1.0 };
        arrow(
            painter,
            pos2(edge - 5.0 * out, place.center().y),
            pos2(edge + 2.0 * out, place.center().y),
            outline(1.5),
        );
    }
}

/// A limit on a bar: a post in the colour of what it raises, with an outline.
pub(super) fn limit(painter: &Painter, place: Rect, set: f64, (low, high): (f64, f64), level: Level) {
    if !(low..=high).contains(&set) || high <= low {
        return;
    }
    #[allow(clippy::cast_possible_truncation, reason = "a place on the screen")]
    let x = place.left() + place.width() * ((set - low) / (high - low)) as f32;
    let post = Rect::from_center_size(pos2(x, place.center().y), vec2(3.0, place.height() + 5.0));
    painter.rect(
        post,
        0.0,
        rgb(of_level(level)),
        outline(0.75),
        StrokeKind::Outside,
    );
}

/// An arrow with a filled head.
pub(super) fn arrow(painter: &Painter, from: Pos2, to: Pos2, stroke: Stroke) {
    let way = to - from;
    if way.length() < 1.0 {
        return;
    }
    let along = way.normalized();
    let head = (4.0 + stroke.width * 1.2).min(way.length());
    let side = along.rot90() * head * 0.55;
    let neck = to - along * head;
    painter.line_segment([from, neck], stroke);
    painter.add(Shape::convex_polygon(
        vec![to, neck + side, neck - side],
        stroke.color,
        Stroke::NONE,
    ));
}

/// The bolt of what was injected.
pub(super) fn bolt(painter: &Painter, centre: Pos2, size: f32) {
    let at = |x: f32, y: f32| centre + size * vec2(x, y);
    let colour = rgb(crate::model::colour::INJECTED);
    painter.add(Shape::convex_polygon(
        vec![at(0.15, -0.5), at(-0.3, 0.1), at(0.05, 0.05)],
        colour,
        Stroke::NONE,
    ));
    painter.add(Shape::convex_polygon(
        vec![at(-0.15, 0.5), at(0.3, -0.1), at(-0.05, -0.05)],
        colour,
        Stroke::NONE,
    ));
}

/// A padlock: it stays until it is released.
pub(super) fn padlock(painter: &Painter, centre: Pos2) {
    let body = Rect::from_center_size(centre + vec2(0.0, 2.0), vec2(9.0, 7.0));
    painter.rect_filled(body, 1.0, rgb(TEXT));
    let bow: Vec<_> = (0..=8_u8)
        .map(|n| {
            let angle = f32::from(n) / 8.0 * std::f32::consts::PI;
            centre + vec2(-3.0 * angle.cos(), -1.5 - 3.5 * angle.sin())
        })
        .collect();
    painter.line(bow, outline(1.5));
}

/// A cross: vented, tripped, missed.
pub(super) fn cross(painter: &Painter, centre: Pos2, radius: f32, stroke: Stroke) {
    for turn in [1.0, -1.0] {
        let way = vec2(radius, radius * turn);
        painter.line_segment([centre - way, centre + way], stroke);
    }
}

/// A line of so many points in a place.
pub(super) fn sparkline(painter: &Painter, points: Vec<Pos2>, colour: Rgb) {
    if points.len() > 1 {
        painter.line(points, Stroke::new(1.5, rgb(colour)));
    }
}

/// Lays out every figure in every size of figures: a glyph that is first used in a picture comes to the screen only in the next.
pub(super) fn prepare(ctx: &bevy_egui::egui::Context) {
    let painter = ctx.debug_painter();
    for size in [11.0, 12.0, 12.5, 13.0, 14.0] {
        // again and again, because a glyph is kept apart for each fraction of a pixel it begins at
        width(&painter, &"0123456789".repeat(10), FIGURE.sized(size));
    }
}
