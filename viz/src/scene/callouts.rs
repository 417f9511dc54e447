//! What is worth saying of places in the scene, and where there is room for it: at most a handful, the abnormal first.

use bess_telemetry::{Event, Kind};
use bevy::math::Vec3;
use bevy_egui::egui::epaint::StrokeKind;
use bevy_egui::egui::{self, Align2, Color32, FontId, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

use super::Stage;
use super::geometry::Block;
use super::labels::{Lens, badge, solid};
use super::layout::{Pack, Place};
use super::state::State;
use crate::model::colour;
use crate::model::{Level, Model, Showing};

/// Most callouts at a time.
const CALLOUTS: usize = 6;
const TEXT: f32 = 12.0;
/// Room for a clock.
const CLOCK: f32 = 16.0;
/// Weight of cells that burn or vent.
const HOT: u8 = 10;

/// Something to say about a place.
#[derive(Default)]
struct Callout {
    at: Vec3,
    text: String,
    sign: Option<Badge>,
    /// A share of the lower explosive limit, %, drawn as a bar with the alarm lines of the field.
    of_limit: Option<f32>,
    /// A line of its own under the bar.
    foot: Option<String>,
    /// Abnormal ones come first.
    weight: u8,
}

/// What a callout begins with.
#[derive(Clone, Copy)]
enum Badge {
    Of(Level),
    /// Injected on purpose.
    Injected,
}

/// Paints them; what is in `taken` is kept clear of.
pub(super) fn paint(painter: &Painter, lens: &Lens, frame: Rect, taken: Vec<Rect>, model: &Model) {
    let mut said = callouts(lens.stage, lens.place, model);
    said.sort_by_key(|callout| std::cmp::Reverse(callout.weight));
    spread(
        painter,
        lens,
        frame,
        taken,
        said,
        model.showing() == Showing::Stale,
    );
}

/// What is worth saying now.
fn callouts(stage: &Stage, place: &Place, model: &Model) -> Vec<Callout> {
    let mut said = Vec::new();
    let (equipment, state) = (&place.equipment, &stage.state);
    let mut say = |at: Vec3, weight: u8, level: Option<Level>, text: String| {
        said.push(Callout {
            at,
            text,
            sign: level.map(Badge::Of),
            weight,
            ..Callout::default()
        });
    };
    let top = |block: &Block| block.centre().with_y(block.max.y);
    if model.showing() == Showing::NoData {
        return said;
    }
    hot_cells(stage, place, model, &mut say);
    not_heard(place, state, &mut say);
    if let Some(pcs) = equipment.pcs.first() {
        let (words, has_tripped) = model.pcs_says(&format!("{}/pcs", place.tag));
        let power = state.pcs.power.map_or("—".to_owned(), kilowatts);
        let abnormal = has_tripped || state.pcs.fault == Some(true);
        say(
            top(pcs),
            if abnormal { 5 } else { 3 },
            abnormal.then_some(Level::L3),
            format!("{words}  {power}"),
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
    if let Some(smoke) = state.air.smoke.filter(|&smoke| smoke > 0.05) {
        let at = ceiling + Vec3::X * place.room.size().x * 0.3;
        let decimals = usize::from(smoke < 10.0);
        say(at, 5, None, format!("smoke {smoke:.decimals$} dB/m"));
    }
    if state.air.flame == Some(true) {
        let at = ceiling + Vec3::X * place.room.size().x * 0.15;
        say(at, 9, Some(Level::L3), "flame: vent gas burns".into());
    }
    if state.estop.is_pressed() == Some(true) {
        say(equipment.estop, 8, Some(Level::L3), "E-STOP pressed".into());
    }
    let (foot, height) = equipment.cylinder;
    let valve = foot + Vec3::Y * height;
    // where it comes out is where it is looked for
    let nozzle = equipment.nozzles.last().copied().unwrap_or(valve);
    match (state.fire.flowing, state.fire.released) {
        (Some(true), _) => say(nozzle, 8, Some(Level::L3), "agent flows".into()),
        (_, Some(true)) => say(valve, 6, Some(Level::L3), "agent released".into()),
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
    if let Some(lel) = state.air.gas_lel.filter(|&lel| lel > 0.05) {
        let at_ceiling = |share| format!("at the ceiling {share:.1} vol %");
        said.push(Callout {
            at: ceiling,
            text: format!("vent gas, mean of the room: {lel:.1} % of LEL"),
            of_limit: Some(lel),
            foot: state.air.gas_ceiling.map(at_ceiling),
            weight: 6,
            ..Callout::default()
        });
    }
    injected(place, model, &mut said);
    said
}

/// Faults on links and devices that were injected and last.
fn injected(place: &Place, model: &Model, said: &mut Vec<Callout>) {
    let mut lasting: Vec<&Event> = Vec::new();
    for event in model.chronicle().past() {
        let is_of_device = matches!(event.point.as_str(), "link-fault" | "device-fault");
        if event.kind != Kind::Fault || !is_of_device {
            continue;
        }
        lasting.retain(|other| other.tag != event.tag || other.point != event.point);
        if event.value != 0.0 {
            lasting.push(event);
        }
    }
    for event in lasting {
        let Some(block) = place.find(&event.tag) else {
            continue;
        };
        let is_pack = event.tag.contains("/pack-");
        let pack = place
            .packs
            .iter()
            .find(|pack| is_pack && pack.block == block)
            .map(front);
        // "begins: can-bus-off hits TAG for 40 s"
        let words = event.text.trim_start_matches("begins: ");
        let name = words.split_whitespace().next().unwrap_or(words);
        said.push(Callout {
            at: pack.unwrap_or(block.centre().with_y(block.max.y)),
            text: format!("injected: {name}"),
            sign: Some(Badge::Injected),
            weight: 8,
            ..Callout::default()
        });
    }
}

/// Middle of a pack's front.
fn front(pack: &Pack) -> Vec3 {
    let block = pack.block;
    let z = if pack.is_turned { block.min.z } else { block.max.z };
    block.centre().with_z(z)
}

/// BMUs that their BCU does not hear: which, if it tells that, else how many.
fn not_heard(place: &Place, state: &State, say: &mut impl FnMut(Vec3, u8, Option<Level>, String)) {
    let lost = place.packs.iter().zip(&state.packs_heard);
    let mut lost = lost.filter_map(|(pack, heard)| (*heard == Some(false)).then_some(pack));
    if let Some(pack) = lost.next() {
        let name = format!("C{} P{}", pack.cluster + 1, pack.pack + 1);
        let text = match lost.count() {
            0 => format!("{name} BMU not heard"),
            more => format!("{name} and {more} more BMUs not heard"),
        };
        say(front(pack), 7, None, text);
        return;
    }
    let all = place.packs_per_cluster;
    for (n, (cluster, hv_box)) in (1..).zip(state.clusters.iter().zip(&place.hv_boxes)) {
        if let Some(online) = cluster.packs_online.filter(|&online| u32::from(online) < all) {
            let block = hv_box.block;
            let z = if hv_box.is_turned {
                block.min.z
            } else {
                block.max.z
            };
            let at = block.centre().with_z(z);
            say(at, 7, None, format!("C{n}: {online} of {all} BMUs heard"));
        }
    }
}

/// Cells in which something is wrong, the worst kind of it by name and the others by number.
fn hot_cells(
    stage: &Stage,
    place: &Place,
    model: &Model,
    say: &mut impl FnMut(Vec3, u8, Option<Level>, String),
) {
    let (Some(cells), Some(index)) = (model.cells(), model.index()) else {
        return;
    };
    let lists = [
        (&cells.burning, "thermal runaway", Some(Level::L3)),
        (&cells.vented, "vented", Some(Level::L2)),
        (&cells.self_heating, "heats itself", Some(Level::L1)),
        (&cells.burnt_out, "burnt out", None),
    ];
    let mut weight = HOT;
    for (list, word, level) in lists {
        // of a pack that is looked into every cell is told already
        let most = if stage.pulled.is_some() { 1 } else { 2 };
        for &cell in list.iter().take(most) {
            let Some(at) = index
                .cell_place(cell as usize)
                .filter(|at| at.container == stage.detailed)
            else {
                continue;
            };
            let Some(point) = super::front_of_cell(place, at, stage.pulled) else {
                continue;
            };
            let degrees = cells
                .temperature
                .get(cell as usize)
                .map_or(String::new(), |t| format!("  {t:.0} °C"));
            let name = format!("C{} P{} cell {}", at.cluster + 1, at.pack + 1, at.cell + 1);
            let more = match list.len() {
                0..=2 => String::new(),
                n => format!("  ({n} cells)"),
            };
            say(point, weight, level, format!("{name} {word}{degrees}{more}"));
        }
        if !list.is_empty() && stage.pulled.is_some() {
            return;
        }
        if !list.is_empty() {
            // those that come after it are said only if there is room
            weight = 4;
        }
    }
}

fn kilowatts(power: f32) -> String {
    let sign = if power < -500.0 { "−" } else { "" };
    format!("{sign}{:.0} kW", power.abs() / 1000.0)
}

/// Paints callouts beside what they speak of, so that they neither overlap nor leave the picture. What is hidden is left out, but
/// for cells that burn or vent: of those it is said that they are behind something. What is old is faded and wears a clock.
fn spread(
    painter: &Painter,
    lens: &Lens,
    frame: Rect,
    mut taken: Vec<Rect>,
    said: Vec<Callout>,
    is_stale: bool,
) {
    let ink = if is_stale {
        solid(colour::SECONDARY).gamma_multiply(0.75)
    } else {
        solid(colour::TEXT)
    };
    let ink = Stroke::new(1.0, ink);
    // flames and gas over a cell stay in sight
    let plumes = said
        .iter()
        .filter(|callout| callout.weight >= HOT)
        .filter_map(|callout| lens.see(callout.at));
    taken.extend(plumes.map(|at| Rect::from_min_max(at - vec2(16.0, 52.0), at + vec2(16.0, 8.0))));
    let (mut leaders, mut boxes) = (Vec::new(), Vec::new());
    let mut placed = Vec::new();
    for callout in said {
        let Some(anchor) = lens.see(callout.at) else {
            continue;
        };
        if placed.len() == CALLOUTS {
            break;
        }
        let is_hidden = lens.is_hidden(callout.at);
        if is_hidden && (callout.weight < HOT || lens.stage.is_closed) {
            continue;
        }
        let words = if is_hidden {
            format!("behind: {}", callout.text)
        } else {
            callout.text
        };
        let lay = |words| painter.layout_no_wrap(words, FontId::proportional(TEXT), ink.color);
        let (text, foot) = (lay(words), callout.foot.map(lay));
        let below = foot.as_ref().map_or(egui::Vec2::ZERO, |foot| foot.size());
        let wide = text.size().x.max(below.x)
            + if callout.sign.is_some() { 34.0 } else { 14.0 }
            + if is_stale { CLOCK } else { 0.0 };
        let high = text.size().y + below.y + if callout.of_limit.is_some() { 28.0 } else { 8.0 };
        let room = Room {
            frame,
            taken: &taken,
            boxes: &boxes,
            leaders: &leaders,
        };
        let Some(rect) = room.free_place(anchor, vec2(wide, high), callout.weight >= HOT) else {
            continue;
        };
        let leader = [near(rect, anchor), anchor];
        // lines below boxes, whichever came first
        if is_hidden {
            painter.extend(Shape::dashed_line(&leader, ink, 3.0, 3.0));
            painter.circle_stroke(anchor, 3.0, ink);
        } else {
            painter.line_segment(leader, ink);
            painter.circle_filled(anchor, 2.0, ink.color);
        }
        leaders.push(leader);
        taken.push(rect);
        boxes.push(rect);
        placed.push((
            rect,
            text,
            callout.sign,
            callout.of_limit.map(|percent| (percent, foot)),
        ));
    }
    for (rect, text, sign, gauge) in placed {
        painter.rect(
            rect,
            2.0,
            solid(colour::PANEL).gamma_multiply(0.96),
            Stroke::new(1.0, solid(colour::SECONDARY)),
            StrokeKind::Inside,
        );
        let mut left = rect.left() + 7.0;
        if let Some(sign) = sign {
            let at = pos2(rect.left() + 14.0, rect.center().y);
            match sign {
                Badge::Of(level) => badge(painter, at, level, 1),
                Badge::Injected => bolt(painter, at),
            }
            left += 20.0;
        }
        if is_stale {
            clock(painter, pos2(rect.right() - 11.0, rect.top() + 11.0));
        }
        let under = rect.top() + 4.0 + text.size().y;
        painter.galley(pos2(left, rect.top() + 4.0), text, ink.color);
        if let Some((percent, foot)) = gauge {
            let bar = Rect::from_min_max(
                pos2(rect.left() + 8.0, under + 2.0),
                pos2(rect.right() - 16.0, under + 8.0),
            );
            limit_bar(painter, bar, percent, ink.color);
            if let Some(foot) = foot {
                painter.galley(pos2(left, under + 22.0), foot, ink.color);
            }
        }
    }
}

/// Where a leader leaves a box.
fn near(rect: Rect, anchor: Pos2) -> Pos2 {
    pos2(
        anchor.x.clamp(rect.left(), rect.right()),
        anchor.y.clamp(rect.top(), rect.bottom()),
    )
}

/// How much of the lower explosive limit there is, with the lines at which gas alarms of the field stand.
fn limit_bar(painter: &Painter, bar: Rect, percent: f32, ink: Color32) {
    painter.rect(
        bar,
        0.0,
        Color32::WHITE,
        Stroke::new(1.0, solid(colour::SECONDARY)),
        StrokeKind::Outside,
    );
    let at = |percent: f32| bar.left() + bar.width() * (percent / 100.0).clamp(0.0, 1.0);
    let filled = bar.with_max_x(at(percent).max(bar.left() + 1.5));
    painter.rect_filled(filled, 0.0, ink);
    for (line, words) in [(10.0, "10"), (25.0, "25"), (100.0, "LEL")] {
        let x = at(line);
        painter.vline(
            x,
            (bar.top() - 2.0)..=(bar.bottom() + 2.0),
            Stroke::new(1.0, solid(colour::TEXT)),
        );
        painter.text(
            pos2(x, bar.bottom() + 1.0),
            Align2::CENTER_TOP,
            words,
            FontId::proportional(11.0),
            solid(colour::TEXT),
        );
    }
}

/// What is old wears a clock.
fn clock(painter: &Painter, at: Pos2) {
    let stroke = Stroke::new(1.2, solid(colour::SECONDARY));
    painter.circle_stroke(at, 5.5, stroke);
    painter.line_segment([at, at + vec2(0.0, -3.5)], stroke);
    painter.line_segment([at, at + vec2(2.6, 1.3)], stroke);
}

/// The bolt of what was injected.
fn bolt(painter: &Painter, at: Pos2) {
    let points = [
        (1.0, -8.0),
        (-5.0, 1.5),
        (-1.0, 1.5),
        (-2.0, 8.0),
        (5.0, -2.5),
        (0.8, -2.5),
    ]
    .map(|(x, y)| at + vec2(x, y));
    let blue = solid(colour::INJECTED);
    // two triangles and the middle: the shape is not convex
    for part in [
        vec![points[0], points[1], points[2], points[5]],
        vec![points[2], points[3], points[4], points[5]],
    ] {
        painter.add(Shape::convex_polygon(part, blue, Stroke::NONE));
    }
}

/// What a callout has to keep clear of.
struct Room<'a> {
    frame: Rect,
    taken: &'a [Rect],
    /// Callouts that have their place.
    boxes: &'a [Rect],
    leaders: &'a [[Pos2; 2]],
}

impl Room<'_> {
    /// The place nearest above, else below or aside, that nobody has; `aside` keeps clear of what rises from the anchor. If there
    /// is one whose leader crosses no other box and which no leader crosses, that one.
    fn free_place(&self, anchor: Pos2, size: egui::Vec2, aside: bool) -> Option<Rect> {
        let steps = [0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0];
        let lifts = if aside {
            [-48.0, -76.0, 110.0, 138.0, -104.0, -132.0, 166.0]
        } else {
            [26.0, 54.0, 82.0, 110.0, -26.0, -54.0, -82.0]
        };
        let inside = self.frame.shrink(4.0);
        let free = lifts
            .into_iter()
            .flat_map(|lift| steps.map(|step| (lift, step)))
            .filter_map(|(lift, step)| {
                let centre = anchor + vec2(step * 46.0, -lift);
                let rect = Rect::from_center_size(centre, size);
                let shift = vec2(
                    (inside.left() - rect.left()).max(0.0) - (rect.right() - inside.right()).max(0.0),
                    (inside.top() - rect.top()).max(0.0) - (rect.bottom() - inside.bottom()).max(0.0),
                );
                let rect = rect.translate(shift);
                let free = self.taken.iter().all(|other| !other.expand(3.0).intersects(rect));
                (free && inside.contains_rect(rect) && !rect.expand(4.0).contains(anchor)).then_some(rect)
            });
        let places: Vec<Rect> = free.collect();
        let clear = |rect: &&Rect| {
            let own = [near(**rect, anchor), anchor];
            !self.boxes.iter().any(|other| crosses(*other, own))
                && !self.leaders.iter().any(|leader| crosses(**rect, *leader))
        };
        places.iter().find(clear).or(places.first()).copied()
    }
}

/// Whether a line goes through a box.
fn crosses(rect: Rect, [from, to]: [Pos2; 2]) -> bool {
    let steps = 24_u8;
    (0..=steps).any(|n| rect.contains(from.lerp(to, f32::from(n) / f32::from(steps))))
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
            let room = Room {
                frame,
                taken: &taken,
                boxes: &taken,
                leaders: &[],
            };
            let Some(rect) = room.free_place(pos2(690.0, 30.0), vec2(160.0, 22.0), false) else {
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
