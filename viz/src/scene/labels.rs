//! Words and signs in the scene: numbers of clusters, figures of cells, letters of detectors, badges of alarms; callouts are in
//! [`super::callouts`]. Painted flat over the picture, so that they are never skewed or too small.

use bevy::math::{Vec2, Vec3};
use bevy::prelude::{Res, Result};
use bevy_egui::EguiContexts;
use bevy_egui::egui::epaint::StrokeKind;
use bevy_egui::egui::{
    self, Align2, Color32, FontId, Id, LayerId, Order, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2,
};

use super::geometry::Block;
use super::layout::Place;
use super::{Stage, aspect, callouts};
use crate::model::colour::{self, Rgb};
use crate::model::{Area, Level, Model, Quantity, Showing, View};
use crate::ui::banner;

/// Paints them into the scene's part of the screen.
pub(super) fn paint(
    mut contexts: EguiContexts,
    model: Res<Model>,
    view: Res<View>,
    stage: Res<Stage>,
) -> Result {
    let context = contexts.ctx_mut()?;
    // panels are scaled, and points of the screen are theirs
    let zoom = context.zoom_factor();
    let area = Area {
        x: view.viewport.x / zoom,
        y: view.viewport.y / zoom,
        width: view.viewport.width / zoom,
        height: view.viewport.height / zoom,
    };
    let Some(place) = stage.place().filter(|_| !view.cell_map && area.height > 1.0) else {
        return Ok(());
    };
    let frame = Rect::from_min_size(pos2(area.x, area.y), vec2(area.width, area.height));
    let painter = context
        .layer_painter(LayerId::new(Order::Background, Id::new("scene")))
        .with_clip_rect(frame);
    let lens = Lens {
        stage: &stage,
        place,
        area,
        aspect: aspect(&view),
    };
    let mut taken = badges(&painter, &lens, &model);
    if stage.orbit.distance > super::NEAR {
        return Ok(());
    }
    figures(&painter, &lens, &model, view.quantity);
    clusters(&painter, &lens, &mut taken);
    let is_stale = model.showing() == Showing::Stale;
    if is_stale {
        taken.push(banner::strip(frame));
    }
    detectors(&painter, &lens, &mut taken, is_stale);
    callouts::paint(&painter, &lens, frame, taken, &model);
    Ok(())
}

/// From the plant to the screen.
pub(super) struct Lens<'a> {
    pub(super) stage: &'a Stage,
    pub(super) place: &'a Place,
    area: Area,
    aspect: f32,
}

impl Lens<'_> {
    /// Where a point is on the screen; none outside of the picture.
    pub(super) fn see(&self, point: Vec3) -> Option<Pos2> {
        let at = self.stage.orbit.project(point, self.aspect)?;
        let inside = at.abs().cmplt(Vec2::ONE).all();
        inside.then(|| {
            pos2(
                self.area.x + f32::midpoint(at.x, 1.0) * self.area.width,
                self.area.y + (1.0 - at.y) / 2.0 * self.area.height,
            )
        })
    }

    /// Whether something stands between the eye and a point; what is at the point itself does not count.
    pub(super) fn is_hidden(&self, point: Vec3) -> bool {
        const NEAR: f32 = 0.05;
        let orbit = &self.stage.orbit;
        let point = point + Vec3::Y * 0.015;
        let back = orbit.rotation() * Vec3::Z;
        let (from, along) = if orbit.is_flat {
            (point + back * 50.0, -back)
        } else {
            (orbit.eye(), (point - orbit.eye()).normalize_or_zero())
        };
        let distance = from.distance(point);
        let hides = |block: &Block| block.hit(from, along).is_some_and(|(at, _)| at < distance - NEAR);
        let (place, equipment) = (self.place, &self.place.equipment);
        let inside = || {
            let packs = place.packs.iter().map(|pack| &pack.block);
            let boxes = place.hv_boxes.iter().map(|hv_box| &hv_box.block);
            packs
                .chain(boxes)
                .chain([&equipment.cooling, &equipment.controls])
        };
        equipment.pcs.iter().chain([&equipment.grid]).any(hides)
            || if self.stage.is_closed {
                hides(&place.shell)
            } else {
                inside().any(hides)
            }
    }

    /// Where a block wears a badge: the upper edge of that long side that faces the eye; an HV box its front, beside its number.
    fn brow(&self, block: &Block) -> Vec3 {
        let of_cluster = self.place.hv_boxes.iter().find(|hv_box| hv_box.block == *block);
        if let Some(hv_box) = of_cluster {
            let share = if hv_box.is_turned { 0.28 } else { 0.72 };
            let z = if hv_box.is_turned {
                block.min.z
            } else {
                block.max.z
            };
            return Vec3::new(block.min.x + block.size().x * share, block.max.y, z);
        }
        let faces_front = (self.stage.orbit.rotation() * Vec3::Z).z >= 0.0;
        let z = if faces_front { block.max.z } else { block.min.z };
        Vec3::new(block.centre().x, block.max.y, z)
    }

    /// Whether a block is an HV box whose front is not seen, and its top hardly.
    fn is_turned_away(&self, block: &Block) -> bool {
        let back = self.stage.orbit.rotation() * Vec3::Z;
        let mut boxes = self.place.hv_boxes.iter();
        back.y < 0.3 && boxes.any(|hv_box| hv_box.block == *block && hv_box.is_turned == (back.z > 0.0))
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

pub(super) const fn solid([r, g, b]: Rgb) -> Color32 {
    Color32::from_rgb(r, g, b)
}

/// Numbers of clusters, over the fronts of their HV boxes, where they face the eye and are large enough.
fn clusters(painter: &Painter, lens: &Lens, taken: &mut Vec<Rect>) {
    let eye = lens.stage.orbit.eye();
    if lens.stage.is_closed {
        return;
    }
    for (n, hv_box) in (1..).zip(&lens.place.hv_boxes) {
        let block = hv_box.block;
        let (left, front, faces) = if hv_box.is_turned {
            (block.max.x, block.min.z, eye.z < block.min.z)
        } else {
            (block.min.x, block.max.z, eye.z > block.max.z)
        };
        let at = Vec3::new(left, block.max.y, front);
        if !faces || lens.metre(at) < 45.0 || lens.is_hidden(at) {
            continue;
        }
        if let Some(at) = lens.see(at) {
            let place = Rect::from_min_size(at + vec2(2.0, -17.0), vec2(22.0, 15.0));
            painter.rect_filled(place, 2.0, solid(colour::PANEL).gamma_multiply(0.85));
            painter.text(
                place.center(),
                Align2::CENTER_CENTER,
                format!("C{n}"),
                FontId::proportional(12.0),
                solid(colour::TEXT),
            );
            taken.push(place);
        }
    }
}

/// What a detector detects: gas, smoke, heat; where there is room for the letter. Struck through: nothing is told of it; faded: old.
fn detectors(painter: &Painter, lens: &Lens, taken: &mut Vec<Rect>, is_stale: bool) {
    if lens.stage.is_closed {
        return;
    }
    let equipment = &lens.place.equipment;
    let tripped = lens.stage.state.fire.detectors;
    for ((&at, letter), tripped) in equipment.detectors.iter().zip(["G", "S", "H"]).zip(tripped) {
        if lens.metre(at) < 50.0 || lens.is_hidden(at) {
            continue;
        }
        if let Some(at) = lens.see(at) {
            let place = Rect::from_center_size(at, vec2(16.0, 16.0));
            if taken.iter().any(|other| other.intersects(place)) {
                continue;
            }
            taken.push(place);
            let (fill, ink) = match tripped {
                Some(true) => (solid(colour::of_level(Level::L3)), Color32::WHITE),
                Some(false) => (solid(colour::PANEL), solid(colour::TEXT)),
                None => (solid(colour::UNKNOWN), solid(colour::SECONDARY)),
            };
            let edge = Stroke::new(1.0, solid(colour::TEXT));
            let fade = if is_stale { 0.5 } else { 1.0 };
            painter.circle(at, 8.0, fill.gamma_multiply(fade), edge);
            if tripped.is_none() {
                for aside in [-4.0, 0.0, 4.0] {
                    // chords of the disc, upwards to the right
                    let half = (64.0_f32 - aside * aside).sqrt() * std::f32::consts::FRAC_1_SQRT_2;
                    let middle = at + vec2(aside, aside) * std::f32::consts::FRAC_1_SQRT_2;
                    painter.line_segment(
                        [middle + vec2(-half, half), middle + vec2(half, -half)],
                        Stroke::new(1.0, solid(colour::SECONDARY).gamma_multiply(0.6)),
                    );
                }
            }
            painter.text(at, Align2::CENTER_CENTER, letter, FontId::proportional(11.0), ink);
        }
    }
}

/// The value of each cell of a pack that is pulled out, on its top.
fn figures(painter: &Painter, lens: &Lens, model: &Model, quantity: Quantity) {
    let Some((cluster, pack)) = lens.stage.pulled else {
        return;
    };
    let (Some(cells), Some(index), Some(scale)) = (model.cells(), model.index(), lens.stage.scale) else {
        return;
    };
    if matches!(quantity, Quantity::Alarm | Quantity::Balancing) {
        return;
    }
    let values = colour::values(quantity, cells, |cell| index.cluster_of_cell(cell));
    let place = lens.place;
    let Some(of) = place.cluster(cluster).find(|other| other.pack == pack) else {
        return;
    };
    let right = lens.stage.orbit.rotation() * Vec3::X;
    for within in 0..place.cells_per_pack {
        let n = place.cell(cluster, pack, within) as usize;
        let block = place.cell_block(of, within);
        let top = block.centre().with_y(block.max.y);
        let half = right * block.size().x.min(block.size().z * 2.0) / 2.0;
        let (Some(at), Some(a), Some(b)) = (lens.see(top), lens.see(top - half), lens.see(top + half)) else {
            continue;
        };
        let Some(value) = values.get(n).filter(|value| value.is_finite()) else {
            continue;
        };
        if (b - a).length() < 26.0 {
            continue;
        }
        let has_left_scale = [
            &cells.self_heating,
            &cells.vented,
            &cells.burning,
            &cells.burnt_out,
        ]
        .iter()
        .any(|list| list.iter().any(|&cell| cell as usize == n));
        let decimals = scale.decimals;
        let text = format!("{value:.decimals$}").replace('-', "−");
        if has_left_scale {
            // over flames and crosses
            let plate = Rect::from_center_size(at, vec2(8.0 + 6.2 * text.chars().count() as f32, 14.0));
            painter.rect_filled(plate, 2.0, solid(colour::TEXT).gamma_multiply(0.75));
        }
        let [r, g, b] = colour::of_share(quantity, scale.share(*value)).map(f32::from);
        let is_dark = has_left_scale || 0.3 * r + 0.6 * g + 0.1 * b < 120.0;
        let ink = if is_dark {
            Color32::WHITE
        } else {
            solid(colour::TEXT)
        };
        painter.text(at, Align2::CENTER_CENTER, text, FontId::monospace(11.0), ink);
    }
}

/// A badge for each part with an active alarm, the worst of it. A closed container wears those of all that is in it.
fn badges(painter: &Painter, lens: &Lens, model: &Model) -> Vec<Rect> {
    let mut worst: Vec<(Block, Level, usize)> = Vec::new();
    for alarm in model
        .alarms()
        .list()
        .into_iter()
        .filter(|alarm| alarm.is_active())
    {
        let containers = &lens.stage.plan.containers;
        let Some((n, block)) = containers
            .iter()
            .enumerate()
            .find_map(|(n, place)| Some((n, place.find(&alarm.tag)?)))
        else {
            continue;
        };
        let shell = containers[n].shell;
        if n != lens.stage.detailed && lens.stage.is_alone() {
            continue;
        }
        let is_shut = (lens.stage.is_closed || n != lens.stage.detailed) && shell.union(&block) == shell;
        let block = if is_shut { shell } else { block };
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
        let brow = lens.brow(&block);
        if lens.is_hidden(brow) || lens.is_turned_away(&block) {
            continue;
        }
        if let Some(at) = lens.see(brow) {
            // whole, even at the edge of the picture
            let (area, at) = (lens.area, at - vec2(0.0, 10.0));
            let at = at.clamp(
                pos2(area.x + 12.0, area.y + 12.0),
                pos2(area.x + area.width - 30.0, area.y + area.height - 12.0),
            );
            let place = Rect::from_center_size(at + vec2(8.0, 0.0), vec2(38.0, 20.0));
            badge(painter, at, level, count);
            taken.push(place);
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::super::camera;
    use super::super::layout::{Plan, Wanted};
    use super::super::sample;
    use super::*;

    fn stage(view: u8) -> Stage {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let saved = camera::saved(&plan, 0, view, None, 1.9).unwrap();
        Stage {
            orbit: saved.orbit,
            is_closed: saved.closed,
            plan,
            ..Stage::default()
        }
    }

    fn is_hidden(view: u8, point: impl Fn(&Place) -> Vec3) -> bool {
        let stage = stage(view);
        let lens = Lens {
            stage: &stage,
            place: stage.place().unwrap(),
            area: Area::default(),
            aspect: 1.9,
        };
        lens.is_hidden(point(lens.place))
    }

    #[test]
    fn what_stands_behind_something_is_hidden() {
        let front = |place: &Place| place.packs[4].block.centre().with_z(place.packs[4].block.max.z);
        assert!(!is_hidden(2, front), "seen from its front");
        assert!(is_hidden(3, front), "from the other side racks stand before it");
        assert!(is_hidden(8, front), "the shell is shut");
        assert!(!is_hidden(8, |place| place.equipment.estop), "on the shell");
        let pcs = |place: &Place| {
            let block = place.equipment.pcs[0];
            block.centre().with_y(block.max.y)
        };
        assert!(!is_hidden(1, pcs) && !is_hidden(7, pcs));
    }
}
