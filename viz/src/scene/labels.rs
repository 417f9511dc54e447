//! Words in the scene: what things are, what they are doing, badges of alarms. Painted flat over the picture, so that they are
//! never skewed, hidden or too small; at most a handful, the abnormal first.

use bevy::math::{Vec2, Vec3};
use bevy::prelude::{Res, Result};
use bevy_egui::EguiContexts;
use bevy_egui::egui::epaint::StrokeKind;
use bevy_egui::egui::{
    self, Align2, Color32, FontId, Id, LayerId, Order, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2,
};

use super::geometry::Block;
use super::layout::Place;
use super::state::State;
use super::{Stage, aspect};
use crate::model::colour::{self, Rgb};
use crate::model::{Area, Level, Model, Showing, View};

/// Most callouts at a time.
const CALLOUTS: usize = 6;
const TEXT: f32 = 12.0;
/// Weight of cells that burn or vent.
const HOT: u8 = 10;

/// Something to say about a place.
struct Callout {
    at: Vec3,
    text: String,
    level: Option<Level>,
    /// Abnormal ones come first.
    weight: u8,
}

/// Paints them into the scene's part of the screen.
pub(super) fn paint(
    mut contexts: EguiContexts,
    model: Res<Model>,
    view: Res<View>,
    stage: Res<Stage>,
) -> Result {
    let area = view.viewport;
    let Some(place) = stage.place().filter(|_| !view.cell_map && area.height > 1.0) else {
        return Ok(());
    };
    let frame = Rect::from_min_size(pos2(area.x, area.y), vec2(area.width, area.height));
    let painter = contexts
        .ctx_mut()?
        .layer_painter(LayerId::new(Order::Background, Id::new("scene")))
        .with_clip_rect(frame);
    let lens = Lens {
        stage: &stage,
        area,
        aspect: aspect(&view),
    };
    let mut taken = badges(&painter, &lens, &model);
    taken.extend(of_panels(frame));
    if stage.orbit.distance > 60.0 {
        return Ok(());
    }
    clusters(&painter, &lens, place);
    let mut said = callouts(place, &stage.state, &model);
    said.sort_by_key(|callout| std::cmp::Reverse(callout.weight));
    spread(&painter, &lens, frame, taken, said.iter());
    Ok(())
}

/// What panels paint over the scene: camera and quantity above, the legend below on the left.
fn of_panels(frame: Rect) -> [Rect; 2] {
    [
        Rect::from_min_max(frame.left_top(), frame.right_top() + vec2(0.0, 30.0)),
        Rect::from_min_max(
            frame.left_bottom() - vec2(0.0, 94.0),
            frame.left_bottom() + vec2(242.0, 0.0),
        ),
    ]
}

/// From the plant to the screen.
struct Lens<'a> {
    stage: &'a Stage,
    area: Area,
    aspect: f32,
}

impl Lens<'_> {
    /// Where a point is on the screen; none outside of the picture.
    fn see(&self, point: Vec3) -> Option<Pos2> {
        let at = self.stage.orbit.project(point, self.aspect)?;
        let inside = at.abs().cmplt(Vec2::ONE).all();
        inside.then(|| {
            pos2(
                self.area.x + f32::midpoint(at.x, 1.0) * self.area.width,
                self.area.y + (1.0 - at.y) / 2.0 * self.area.height,
            )
        })
    }

    /// Height on the screen of a metre at a point, logical pixels.
    fn metre(&self, point: Vec3) -> f32 {
        let up = self.stage.orbit.rotation() * Vec3::Y;
        let (a, b) = (
            self.stage.orbit.project(point, self.aspect),
            self.stage.orbit.project(point + up, self.aspect),
        );
        a.zip(b)
            .map_or(0.0, |(a, b)| (b - a).length() * self.area.height / 2.0)
    }
}

const fn solid([r, g, b]: Rgb) -> Color32 {
    Color32::from_rgb(r, g, b)
}

/// Numbers of clusters, on the fronts of their HV boxes, where they face the eye and are large enough.
fn clusters(painter: &Painter, lens: &Lens, place: &Place) {
    let eye = lens.stage.orbit.eye();
    if lens.stage.is_closed {
        return;
    }
    for (n, hv_box) in (1..).zip(&place.hv_boxes) {
        let block = hv_box.block;
        let front = if hv_box.is_turned {
            block.min.z
        } else {
            block.max.z
        };
        let faces = if hv_box.is_turned {
            eye.z < front
        } else {
            eye.z > front
        };
        let left = if hv_box.is_turned {
            block.max.x
        } else {
            block.min.x
        };
        let at = Vec3::new(left, block.max.y + 0.03, front);
        if !faces || lens.metre(at) < 45.0 {
            continue;
        }
        if let Some(at) = lens.see(at) {
            painter.text(
                at,
                Align2::LEFT_BOTTOM,
                format!("C{n}"),
                FontId::proportional(13.0),
                solid(colour::TEXT),
            );
        }
    }
}

/// A badge for each part with an active alarm, the worst of it.
fn badges(painter: &Painter, lens: &Lens, model: &Model) -> Vec<Rect> {
    let mut worst: Vec<(Block, Level, usize)> = Vec::new();
    for alarm in model
        .alarms()
        .list()
        .into_iter()
        .filter(|alarm| alarm.is_active())
    {
        let Some(block) = lens
            .stage
            .plan
            .containers
            .iter()
            .find_map(|place| place.find(&alarm.tag))
        else {
            continue;
        };
        match worst.iter_mut().find(|(other, ..)| *other == block) {
            Some((_, level, count)) => {
                *level = (*level).max(alarm.level);
                *count += 1;
            }
            None => worst.push((block, alarm.level, 1)),
        }
    }
    let mut taken = Vec::new();
    for (block, level, count) in worst {
        let top = Vec3::new(block.max.x, block.max.y, block.max.z);
        if let Some(at) = lens.see(top) {
            badge(painter, at, level, count);
            taken.push(Rect::from_center_size(at + vec2(8.0, 0.0), vec2(38.0, 20.0)));
        }
    }
    taken
}

/// Square 3, triangle 2, circle 1, hexagon R: form and number before colour.
pub fn badge(painter: &Painter, at: Pos2, level: Level, count: usize) {
    let size = 8.0;
    let outline = Stroke::new(1.5, solid(colour::TEXT));
    let fill = solid(colour::of_level(level));
    let around = |sides: u8, turn: f32| -> Vec<Pos2> {
        (0..sides)
            .map(|n| {
                let angle = (f32::from(n) / f32::from(sides) + turn) * std::f32::consts::TAU;
                at + vec2(angle.sin(), -angle.cos()) * size * 1.15
            })
            .collect()
    };
    let (shape, figure, ink) = match level {
        Level::L3 => {
            let square = Rect::from_center_size(at, vec2(size * 1.9, size * 1.9));
            (
                Shape::Rect(egui::epaint::RectShape::new(
                    square,
                    1.0,
                    fill,
                    outline,
                    StrokeKind::Middle,
                )),
                "3",
                Color32::WHITE,
            )
        }
        Level::L2 => (
            Shape::convex_polygon(around(3, 0.0), fill, outline),
            "2",
            solid(colour::TEXT),
        ),
        Level::L1 => {
            let circle = egui::epaint::CircleShape {
                center: at,
                radius: size,
                fill,
                stroke: outline,
            };
            (Shape::Circle(circle), "1", solid(colour::TEXT))
        }
        Level::R => (
            Shape::convex_polygon(around(6, 0.0), fill, outline),
            "R",
            Color32::WHITE,
        ),
    };
    painter.add(shape);
    let middle = if level == Level::L2 {
        at + vec2(0.0, 1.5)
    } else {
        at
    };
    painter.text(
        middle,
        Align2::CENTER_CENTER,
        figure,
        FontId::proportional(11.0),
        ink,
    );
    if count > 1 {
        let beside = at + vec2(size + 3.0, 0.0);
        painter.text(
            beside,
            Align2::LEFT_CENTER,
            format!("×{count}"),
            FontId::proportional(11.0),
            solid(colour::TEXT),
        );
    }
}

/// What is worth saying now.
fn callouts(place: &Place, state: &State, model: &Model) -> Vec<Callout> {
    let mut said = Vec::new();
    let equipment = &place.equipment;
    let mut say = |at: Vec3, weight: u8, level: Option<Level>, text: String| {
        said.push(Callout {
            at,
            text,
            level,
            weight,
        });
    };
    let top = |block: &Block| block.centre().with_y(block.max.y);
    if model.showing() == Showing::NoData {
        return said;
    }
    hot_cells(place, model, &mut say);
    if let Some(pcs) = equipment.pcs.first() {
        let word = match state.pcs.gate {
            _ if state.pcs.fault == Some(true) => "TRIPPED",
            Some(true) => "running",
            Some(false) => "BLOCKED",
            None => "unknown",
        };
        let power = state.pcs.power.map_or("—".to_owned(), kilowatts);
        let abnormal = state.pcs.fault == Some(true);
        say(
            top(pcs),
            if abnormal { 5 } else { 3 },
            abnormal.then_some(Level::L3),
            format!("PCS {word}  {power}"),
        );
    }
    match state.grid.energised {
        Some(true) => {}
        Some(false) => say(
            top(&equipment.grid),
            5,
            Some(Level::L3),
            "grid: no voltage".into(),
        ),
        None => say(top(&equipment.grid), 2, None, "grid: —".into()),
    }
    let ceiling = Vec3::new(
        place.room.centre().x - place.room.size().x * 0.3,
        place.room.max.y,
        place.room.max.z,
    );
    if let Some(lel) = state.air.gas_lel.filter(|&lel| lel > 0.05) {
        let at_ceiling = state
            .air
            .gas_ceiling
            .map_or(String::new(), |share| format!(", {share:.1} % at the ceiling"));
        say(
            ceiling,
            6,
            None,
            format!("vent gas {lel:.1} % of LEL{at_ceiling}"),
        );
    }
    if let Some(smoke) = state.air.smoke.filter(|&smoke| smoke > 0.05) {
        let at = ceiling + Vec3::X * place.room.size().x * 0.3;
        say(at, 5, None, format!("smoke {smoke:.1} dB/m"));
    }
    if state.estop.is_pressed() == Some(true) {
        say(equipment.estop, 8, Some(Level::L3), "E-STOP pressed".into());
    }
    let (foot, height) = equipment.cylinder;
    match (state.fire.flowing, state.fire.released) {
        (Some(true), _) => say(foot + Vec3::Y * height, 8, Some(Level::L3), "agent flows".into()),
        (_, Some(true)) => say(
            foot + Vec3::Y * height,
            6,
            Some(Level::L3),
            "agent released".into(),
        ),
        _ => {}
    }
    if let Some(left) = state.fire.countdown {
        say(
            top(&equipment.controls),
            9,
            Some(Level::L3),
            format!("release in {left:.0} s"),
        );
    }
    if state.air.vent == Some(true) {
        say(equipment.vent, 4, None, "ventilation runs".into());
    }
    let flow = state.coolant.flow;
    if place.is_liquid_cooled {
        let stands = flow.is_some_and(|flow| flow <= 1.0);
        let text = match (flow, state.coolant.supply, state.coolant.back) {
            (Some(flow), Some(to), Some(back)) if flow > 1.0 => {
                format!("coolant {flow:.0} L/min, {to:.1} to {back:.1} °C")
            }
            (Some(_), ..) => "no coolant flow".into(),
            _ => "coolant —".into(),
        };
        let lost = stands && state.coolant.pump == Some(true);
        say(
            top(&equipment.cooling),
            if lost { 5 } else { 1 },
            lost.then_some(Level::L2),
            text,
        );
    }
    if state.door_open == Some(true) {
        say(top(&equipment.door), 5, None, "door open".into());
    }
    said
}

/// The hottest cell of each pack in which something is wrong.
fn hot_cells(place: &Place, model: &Model, say: &mut impl FnMut(Vec3, u8, Option<Level>, String)) {
    let (Some(cells), Some(index)) = (model.cells(), model.index()) else {
        return;
    };
    let lists = [
        (&cells.burning, "thermal runaway", Level::L3),
        (&cells.vented, "vented", Level::L2),
        (&cells.self_heating, "heats itself", Level::L2),
    ];
    for (list, word, level) in lists {
        for &cell in list.iter().take(2) {
            let Some(tag) = index.cell_tag(cell as usize) else {
                continue;
            };
            let Some(block) = tag.rsplit_once('/').and_then(|(pack, _)| place.find(pack)) else {
                continue;
            };
            let degrees = cells
                .temperature
                .get(cell as usize)
                .map_or(String::new(), |t| format!("  {t:.0} °C"));
            let at = index.cell_place(cell as usize);
            let name = at.map_or(tag, |at| {
                format!("C{} P{} cell {}", at.cluster + 1, at.pack + 1, at.cell + 1)
            });
            say(
                block.centre().with_z(block.max.z),
                HOT,
                Some(level),
                format!("{name} {word}{degrees}"),
            );
        }
        if !list.is_empty() {
            break;
        }
    }
}

fn kilowatts(power: f32) -> String {
    let sign = if power < -500.0 { "−" } else { "" };
    format!("{sign}{:.0} kW", power.abs() / 1000.0)
}

/// Paints callouts beside what they speak of, so that they neither overlap nor leave the picture.
fn spread<'a>(
    painter: &Painter,
    lens: &Lens,
    frame: Rect,
    mut taken: Vec<Rect>,
    said: impl Iterator<Item = &'a Callout>,
) {
    let mut count = 0;
    for callout in said {
        let Some(anchor) = lens.see(callout.at) else {
            continue;
        };
        if count == CALLOUTS {
            break;
        }
        let text = painter.layout_no_wrap(
            callout.text.clone(),
            FontId::proportional(TEXT),
            solid(colour::TEXT),
        );
        let wide = text.size().x + if callout.level.is_some() { 34.0 } else { 14.0 };
        let size = vec2(wide, text.size().y + 8.0);
        let Some(rect) = free_place(anchor, size, frame, &taken, callout.weight >= HOT) else {
            continue;
        };
        let near = pos2(
            anchor.x.clamp(rect.left(), rect.right()),
            anchor.y.clamp(rect.top(), rect.bottom()),
        );
        painter.line_segment([near, anchor], Stroke::new(1.0, solid(colour::TEXT)));
        painter.circle_filled(anchor, 2.0, solid(colour::TEXT));
        painter.rect(
            rect,
            2.0,
            solid(colour::PANEL).gamma_multiply(0.96),
            Stroke::new(1.0, solid(colour::SECONDARY)),
            StrokeKind::Inside,
        );
        let mut left = rect.left() + 7.0;
        if let Some(level) = callout.level {
            badge(painter, pos2(rect.left() + 14.0, rect.center().y), level, 1);
            left += 20.0;
        }
        painter.galley(pos2(left, rect.top() + 4.0), text, solid(colour::TEXT));
        taken.push(rect);
        count += 1;
    }
}

/// The place nearest above, else below or aside, that nobody has; `aside` keeps clear of what rises from the anchor.
fn free_place(anchor: Pos2, size: egui::Vec2, frame: Rect, taken: &[Rect], aside: bool) -> Option<Rect> {
    let steps = [0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0];
    let lifts = if aside {
        [-48.0, -76.0, 110.0, 138.0, -104.0, -132.0, 166.0]
    } else {
        [26.0, 54.0, 82.0, 110.0, -26.0, -54.0, -82.0]
    };
    lifts
        .into_iter()
        .flat_map(|lift| steps.map(|step| (lift, step)))
        .find_map(|(lift, step)| {
            let centre = anchor + vec2(step * 46.0, -lift);
            let rect = Rect::from_center_size(centre, size);
            let inside = frame.shrink(6.0);
            let shift = vec2(
                (inside.left() - rect.left()).max(0.0) - (rect.right() - inside.right()).max(0.0),
                (inside.top() - rect.top()).max(0.0) - (rect.bottom() - inside.bottom()).max(0.0),
            );
            let rect = rect.translate(shift);
            let free = taken.iter().all(|other| !other.expand(3.0).intersects(rect));
            (free && inside.contains_rect(rect) && !rect.expand(4.0).contains(anchor)).then_some(rect)
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn callouts_of_one_place_do_not_cover_one_another() {
        let frame = Rect::from_min_size(pos2(0.0, 0.0), vec2(700.0, 400.0));
        let mut taken = Vec::new();
        for _ in 0..6 {
            let Some(rect) = free_place(pos2(690.0, 30.0), vec2(160.0, 22.0), frame, &taken, false) else {
                break;
            };
            assert!(frame.contains_rect(rect));
            assert!(taken.iter().all(|other: &Rect| !other.intersects(rect)));
            taken.push(rect);
        }
        assert!(taken.len() > 2, "even in a corner");
    }

    #[test]
    fn power_has_a_sign_and_no_minus_nought() {
        assert_eq!(kilowatts(-855_400.0), "−855 kW");
        assert_eq!(kilowatts(-20.0), "0 kW");
    }
}
