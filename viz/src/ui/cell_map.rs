//! The flat cell map: clusters side by side, packs one above the other, every cell in its place. Numbers are judged here.

use bevy_egui::egui::{self, Align, Color32, Mesh, Pos2, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::paint::{self, LABEL, WORD, cross, hatch, outline, rgb, text};
use super::{Scope, legend};
use crate::model::colour::{self, SELECTION, TEXT, of_level, of_share};
use crate::model::{AlarmState, CellPlace, Level, Quantity};

/// Room for the names above, and below, points.
const HEAD: f32 = 24.0;
const FOOT: f32 = 8.0;

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let viewport = ui.max_rect();
    ui.painter().rect_filled(viewport, 0.0, rgb(colour::VIEWPORT));
    let Some(index) = scope.model.index().cloned() else {
        text(
            ui.painter(),
            viewport,
            Align::Center,
            "no rig described yet",
            LABEL,
        );
        return;
    };
    let selected = scope.view.selected.clone();
    let Some((number, of)) = scope.container().map(|(number, of)| (number, of.clone())) else {
        return;
    };
    let place = Rect::from_min_max(viewport.min + vec2(32.0, HEAD), viewport.max - vec2(6.0, FOOT));
    let (clusters, packs) = (of.clusters.max(1), of.packs_per_cluster.max(1));
    let rows = of.cell_rows.clamp(1, of.cells_per_pack.max(1));
    let columns = of.cells_per_pack.div_ceil(rows).max(1);
    let pitch = vec2(place.width() / clusters as f32, place.height() / packs as f32);
    let gap = vec2((pitch.x * 0.06).min(6.0), (pitch.y * 0.1).min(5.0));
    let box_of = |cluster: u32, pack: u32| {
        // pack 1 at the bottom, as it stands
        let row = packs - 1 - pack;
        let at = place.min + vec2(pitch.x * cluster as f32, pitch.y * row as f32);
        Rect::from_min_size(at, pitch - gap)
    };
    let cell_of = |place: CellPlace| {
        let pack = box_of(place.cluster, place.pack).shrink(1.0);
        let size = vec2(pack.width() / columns as f32, pack.height() / rows as f32);
        let (row, column) = (place.cell / columns, place.cell % columns);
        Rect::from_min_size(pack.min + vec2(size.x * column as f32, size.y * row as f32), size)
    };
    let painter = ui.painter().clone();
    let cells = scope.model.cells().cloned();
    let quantity = scope.view.quantity;
    let scale = legend::scale(scope);
    let first = of.first_cell as usize;
    let count = (clusters * packs * of.cells_per_pack) as usize;
    let values = cells
        .as_deref()
        .map(|cells| colour::values(quantity, cells, |cell| index.cluster_of_cell(cell)))
        .unwrap_or_default();
    let mut mesh = Mesh::default();
    let mut lost = Vec::new();
    let pixel = 1.0 / painter.pixels_per_point();
    for cluster in 0..clusters {
        let cluster_tag = format!("{}/cluster-{:02}", of.tag, cluster + 1);
        let head = Rect::from_min_size(
            pos2(place.left() + pitch.x * cluster as f32, place.top() - 18.0),
            vec2(pitch.x - gap.x, 16.0),
        );
        text(&painter, head, Align::Center, &format!("C{}", cluster + 1), WORD);
        if let Some((level, _)) = scope.model.alarms().worst_within(&cluster_tag) {
            paint::badge(
                &painter,
                head.right_center() - vec2(9.0, 0.0),
                6.5,
                level,
                AlarmState::Acknowledged,
                true,
            );
        }
        for pack in 0..packs {
            let part = box_of(cluster, pack);
            painter.rect_filled(part, 0.0, rgb([0x9A, 0x9F, 0xA4]));
            let tag = format!("{cluster_tag}/pack-{:02}", pack + 1);
            if cells.is_none() {
                hatch(&painter, part);
                continue;
            }
            let heard = scope
                .model
                .get(&format!("{cluster_tag}/bcu"), &format!("pack[{pack}].online"));
            if heard.is_on() == Some(false) {
                lost.push(part);
            }
            let alarm = (quantity == Quantity::Alarm)
                .then(|| worst_of_cells(scope, &tag))
                .flatten();
            for cell in 0..of.cells_per_pack {
                let at = CellPlace {
                    container: number,
                    cluster,
                    pack,
                    cell,
                };
                let n = first + ((cluster * packs + pack) * of.cells_per_pack + cell) as usize;
                let fill = match (alarm, values.get(n)) {
                    (Some(level), _) => rgb(of_level(level)),
                    (None, Some(value)) if value.is_finite() => rgb(of_share(quantity, scale.share(*value))),
                    _ => rgb(colour::UNKNOWN),
                };
                add(&mut mesh, cell_of(at), pixel, fill);
            }
        }
    }
    painter.add(egui::Shape::mesh(mesh));
    for part in lost {
        not_heard(&painter, part);
    }
    for pack in 0..packs {
        let part = box_of(0, pack);
        let name = Rect::from_min_max(
            pos2(viewport.left(), part.top()),
            pos2(part.left() - 4.0, part.bottom()),
        );
        text(&painter, name, Align::Max, &format!("P{}", pack + 1), LABEL);
    }
    if let Some(cells) = &cells {
        let place_of = |n: u32| {
            let n = n as usize;
            (first..first + count)
                .contains(&n)
                .then(|| index.cell_place(n).map(cell_of))
                .flatten()
        };
        for (list, level) in [
            (&cells.self_heating, Level::L1),
            (&cells.vented, Level::L2),
            (&cells.burning, Level::L3),
        ] {
            for part in list.iter().filter_map(|n| place_of(*n)) {
                painter.rect(
                    part.expand(1.0),
                    0.0,
                    rgb(of_level(level)),
                    outline(1.5),
                    StrokeKind::Middle,
                );
            }
        }
        for (list, colour) in [
            (&cells.vented, Color32::BLACK),
            (&cells.burnt_out, Color32::WHITE),
        ] {
            for part in list.iter().filter_map(|n| place_of(*n)) {
                if colour == Color32::WHITE {
                    painter.rect_filled(part, 0.0, rgb(TEXT));
                }
                cross(
                    &painter,
                    part.center(),
                    part.height().min(part.width()) * 0.45,
                    Stroke::new(2.0, colour),
                );
            }
        }
        ring_extremes(&painter, &values, first..first + count, scale.decimals, |n| {
            index.cell_place(n).map(cell_of)
        });
    }
    if let Some(tag) = &selected {
        outline_selected(&painter, &index, tag, number, &box_of, &cell_of);
    }
    pointer(
        ui,
        place,
        scope,
        &index,
        number,
        (clusters, packs, of.cells_per_pack),
        &box_of,
        &cell_of,
    );
}

/// The worst alarm of a pack, or of the cluster around it as far as it is about cells.
fn worst_of_cells(scope: &Scope, pack: &str) -> Option<Level> {
    let cluster = pack.rsplit_once('/').map_or(pack, |(cluster, _)| cluster);
    let own = scope.model.alarms().worst_within(pack);
    let around = scope.model.alarms().worst_within(&format!("{cluster}/bcu"));
    own.max(around).map(|(level, _)| level)
}

/// A pack whose BMU is not heard any more: hatched widely over what is the plant's truth, as in the scene.
fn not_heard(painter: &egui::Painter, place: Rect) {
    let painter = painter.with_clip_rect(place.intersect(painter.clip_rect()));
    let mut x = place.left() - place.height();
    while x < place.right() {
        painter.line_segment(
            [pos2(x, place.bottom()), pos2(x + place.height(), place.top())],
            Stroke::new(4.0, rgb(colour::PANEL)),
        );
        x += 12.0;
    }
    let name = Rect::from_center_size(place.center(), vec2(62.0, 14.0));
    painter.rect_filled(name, 2.0, rgb(colour::PANEL));
    text(&painter, name, Align::Center, "no data", LABEL.coloured(TEXT));
}

/// Adds a cell on whole pixels, with a gap of one to the next, so that all gaps look alike.
fn add(mesh: &mut Mesh, place: Rect, pixel: f32, colour: Color32) {
    let snapped = |at: Pos2| ((at.to_vec2() / pixel).round() * pixel).to_pos2();
    let (from, to) = (snapped(place.min), snapped(place.max));
    let gap = if place.width().min(place.height()) > 3.0 * pixel {
        pixel
    } else {
        0.0
    };
    mesh.add_colored_rect(Rect::from_min_max(from, to - vec2(gap, gap)), colour);
}

/// Rings around the lowest and the highest value.
fn ring_extremes(
    painter: &egui::Painter,
    values: &[f32],
    of: std::ops::Range<usize>,
    decimals: usize,
    place_of: impl Fn(usize) -> Option<Rect>,
) {
    let known = || {
        of.clone()
            .filter(|n| values.get(*n).is_some_and(|value| value.is_finite()))
    };
    let by = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
    let (Some(low), Some(high)) = (known().min_by(by), known().max_by(by)) else {
        return;
    };
    if values[low] == values[high] {
        return;
    }
    for (n, words) in [(low, "min"), (high, "max")] {
        let Some(part) = place_of(n) else { continue };
        let ring = part.expand(3.0);
        painter.rect_stroke(ring, 3.0, Stroke::new(3.0, Color32::WHITE), StrokeKind::Middle);
        painter.rect_stroke(ring, 3.0, Stroke::new(1.5, rgb(TEXT)), StrokeKind::Middle);
        let words = format!("{words} {:.decimals$}", values[n]).replace('-', "−");
        let width = paint::width(painter, &words, LABEL.sized(11.0)) + 6.0;
        let mut name = Rect::from_min_size(ring.right_top() + vec2(2.0, -3.0), vec2(width, 13.0));
        if name.right() > painter.clip_rect().right() {
            name = name.translate(vec2(ring.left() - 2.0 - name.right(), 0.0));
        }
        painter.rect_filled(name, 2.0, rgb(colour::PANEL));
        text(
            painter,
            name,
            Align::Center,
            &words,
            LABEL.sized(11.0).coloured(TEXT),
        );
    }
}

fn outline_selected(
    painter: &egui::Painter,
    index: &crate::model::Index,
    tag: &str,
    container: usize,
    box_of: &dyn Fn(u32, u32) -> Rect,
    cell_of: &dyn Fn(CellPlace) -> Rect,
) {
    let stroke = Stroke::new(2.0, rgb(SELECTION));
    if let Some(place) = index.cell_index(tag).and_then(|n| index.cell_place(n)) {
        painter.rect_stroke(cell_of(place).expand(1.0), 1.0, stroke, StrokeKind::Outside);
        return;
    }
    let Some(range) = index.cells_of(tag).filter(|range| !range.is_empty()) else {
        return;
    };
    let ends = [range.start, range.end - 1].map(|n| index.cell_place(n));
    if let [Some(first), Some(last)] = ends
        && first.container == container
        && !(first.cluster == 0
            && last.cluster + 1 == index.description().containers[container].clusters
            && tag == index.description().containers[container].tag)
    {
        let whole = box_of(first.cluster, first.pack).union(box_of(last.cluster, last.pack));
        painter.rect_stroke(whole.expand(2.0), 1.0, stroke, StrokeKind::Outside);
    }
}

/// The cell under the pointer: what it is on hovering, selected on a click.
#[allow(
    clippy::too_many_arguments,
    reason = "the geometry of the map, handed on as it is"
)]
fn pointer(
    ui: &Ui,
    place: Rect,
    scope: &mut Scope,
    index: &crate::model::Index,
    container: usize,
    (clusters, packs, cells_per_pack): (u32, u32, u32),
    box_of: &dyn Fn(u32, u32) -> Rect,
    cell_of: &dyn Fn(CellPlace) -> Rect,
) {
    let response = ui.interact(place, ui.id().with("cells"), Sense::click());
    let Some(at) = response.hover_pos() else { return };
    let Some(found) = under(at, (clusters, packs, cells_per_pack), container, box_of, cell_of) else {
        return;
    };
    let Some(n) = index.cell_at(found) else { return };
    let Some(tag) = index.cell_tag(n) else { return };
    if response.clicked() {
        scope.view.selected = Some(tag.clone());
    }
    let told = scope.model.cells().map(|cells| {
        let value = |row: &[f32]| row.get(n).copied().unwrap_or(f32::NAN);
        format!(
            "{tag}\n{:.3} V   {:.1} °C   SOC {:.1} %",
            value(&cells.voltage),
            value(&cells.temperature),
            value(&cells.soc) * 100.0
        )
    });
    response.on_hover_text(told.unwrap_or(tag));
}

fn under(
    at: Pos2,
    (clusters, packs, cells): (u32, u32, u32),
    container: usize,
    box_of: &dyn Fn(u32, u32) -> Rect,
    cell_of: &dyn Fn(CellPlace) -> Rect,
) -> Option<CellPlace> {
    let mut boxes = (0..clusters).flat_map(|cluster| (0..packs).map(move |pack| (cluster, pack)));
    let (cluster, pack) = boxes.find(|(cluster, pack)| box_of(*cluster, *pack).contains(at))?;
    (0..cells)
        .map(|cell| CellPlace {
            container,
            cluster,
            pack,
            cell,
        })
        .find(|place| cell_of(*place).contains(at))
}
