//! What stands still: ground, shells, racks, packs, bodies of equipment.

use bevy::math::{Vec2, Vec3};

use super::colour::{BACKGROUND, CABINET, Colour, FRAME, GROUND, SHELL};
use super::geometry::{Block, Geometry, Side};
use super::layout::{FLOOR, Pack, Place, Plan};

/// Inner sides of walls.
const WALL: Colour = Colour::rgb(0xd6_d9_da);
/// Floor inside.
const DECK: Colour = Colour::rgb(0xa6_aa_ad);
/// HV boxes.
const HV_BOX: Colour = Colour::rgb(0x9c_a1_a5);
/// Margin of a pack's case around its cells, m.
const CASE: f32 = 0.012;

/// Everything that stands still. With `closed` shells, containers are seen from outside; with `alone`, of the others only the
/// ground they stand on is drawn, so that none stands before the detailed one.
pub fn build(plan: &Plan, detailed: usize, closed: bool, alone: bool) -> Geometry {
    let mut geometry = Geometry::default();
    ground(&mut geometry, &plan.extent);
    for (n, place) in plan.containers.iter().enumerate() {
        if alone && n != detailed {
            let foot = place.shell.max.with_y(place.shell.min.y + FLOOR);
            let foot = Block {
                max: foot,
                ..place.shell
            };
            geometry.block_without(&foot, &[Side::Bottom], GROUND.times(0.93));
            continue;
        }
        shadow(&mut geometry, &place.shell, 0.9, 0.80);
        if n == detailed {
            container(&mut geometry, place, closed);
        } else {
            far_container(&mut geometry, place);
        }
        bodies(&mut geometry, place, n == detailed);
    }
    geometry
}

/// A plain that fades into the background.
fn ground(geometry: &mut Geometry, extent: &Block) {
    let size = extent.size();
    let near = Block {
        min: Vec3::new(extent.min.x - 4.0, 0.0, extent.min.z - 4.0),
        max: Vec3::new(extent.max.x + 4.0, 0.0, extent.max.z + 4.0),
    };
    let reach = size.x.max(size.z) * 2.0 + 20.0;
    geometry.plain_quad(Side::Top.corners(&near), GROUND);
    ring(geometry, &near, reach, [GROUND, BACKGROUND], 0.0);
}

/// Quads around the footprint of a block, from one colour to another.
fn ring(geometry: &mut Geometry, inner: &Block, reach: f32, [from, to]: [Colour; 2], y: f32) {
    let corner = |block: &Block, n: usize| {
        let mut corner = Side::Top.corners(block)[n];
        corner.y = y;
        corner
    };
    let outer = inner.grown(reach);
    for n in 0..4 {
        let next = (n + 1) % 4;
        geometry.blend_quad(
            [
                corner(&outer, n),
                corner(&outer, next),
                corner(inner, next),
                corner(inner, n),
            ],
            [to, to, from, from],
        );
    }
}

/// A soft shadow around what stands on the ground: there is no light that would cast one.
fn shadow(geometry: &mut Geometry, block: &Block, reach: f32, darkness: f32) {
    const LIFT: f32 = 0.004;
    let dark = GROUND.times(darkness);
    let foot = block.moved(Vec3::new(-0.12, 0.0, -0.12) * reach);
    let flat = Block {
        min: foot.min.with_y(LIFT),
        max: foot.max.with_y(LIFT),
    };
    geometry.plain_quad(Side::Top.corners(&flat), dark);
    ring(
        geometry,
        &flat,
        reach * 0.35,
        [dark, dark.towards(GROUND, 0.6)],
        LIFT,
    );
    ring(
        geometry,
        &flat.grown(reach * 0.35),
        reach * 0.65,
        [dark.towards(GROUND, 0.6), GROUND],
        LIFT,
    );
}

fn container(geometry: &mut Geometry, place: &Place, closed: bool) {
    let slab = Block {
        min: place.shell.min + Vec3::new(0.0, 0.05, 0.0),
        max: place.shell.max.with_y(place.shell.min.y + FLOOR),
    };
    geometry.block_without(&slab, &[Side::Top], FRAME.times(0.85));
    geometry.plain_quad(Side::Top.corners(&slab), DECK);
    if closed {
        outside(geometry, place);
    } else {
        let walls = [Side::Left, Side::Right, Side::Front, Side::Back];
        geometry.inside(&place.room, &walls, WALL);
        let ceiling = place.room;
        geometry.inside(&ceiling, &[Side::Top], WALL.times(0.92));
        frame(geometry, place);
        for pack in &place.packs {
            draw_pack(geometry, place, pack);
        }
        for hv_box in &place.hv_boxes {
            geometry.block(&hv_box.block, HV_BOX);
        }
        racks(geometry, place);
    }
}

/// Posts and rails, slim where they would hide something.
fn frame(geometry: &mut Geometry, place: &Place) {
    let thickness = if place.is_cabinet { 0.035 } else { 0.075 };
    geometry.frame(&place.shell, thickness, FRAME);
    if !place.is_cabinet {
        let size = Vec3::new(0.178, 0.118, 0.162);
        for corner in 0..8 {
            let pick = |bit: usize, low: f32, high: f32, size: f32| {
                if corner & bit == 0 {
                    low - 0.006
                } else {
                    high - size + 0.006
                }
            };
            let (a, b) = (place.shell.min, place.shell.max);
            let at = Vec3::new(
                pick(1, a.x, b.x, size.x),
                pick(2, a.y, b.y, size.y),
                pick(4, a.z, b.z, size.z),
            );
            geometry.block(&Block::new(at, size), FRAME.times(0.86));
        }
    }
}

/// The shell from outside: panels, doors along the long side, corner posts.
fn outside(geometry: &mut Geometry, place: &Place) {
    let shell = place.shell;
    let body = Block {
        min: shell.min + Vec3::new(0.02, FLOOR, 0.02),
        max: shell.max - Vec3::new(0.02, 0.0, 0.02),
    };
    geometry.quad(Side::Top.corners(&shell), SHELL);
    let along = if place.is_cabinet {
        1.0
    } else {
        shell.size().x.round()
    };
    for panel in slices(&body, along, Vec3::X) {
        for side in [Side::Front, Side::Back] {
            geometry.quad(side.corners(&panel), SHELL);
            handle(geometry, &panel, side);
        }
    }
    for panel in slices(&body, 3.0, Vec3::Z) {
        for side in [Side::Left, Side::Right] {
            geometry.quad(side.corners(&panel), SHELL);
        }
    }
    frame(geometry, place);
}

/// Equal slices of a block along an axis.
fn slices(block: &Block, count: f32, axis: Vec3) -> impl Iterator<Item = Block> {
    let (block, step) = (*block, block.size() * axis / count);
    (0..64u8)
        .map(f32::from)
        .take_while(move |&n| n < count)
        .map(move |n| {
            let min = block.min + step * n;
            Block {
                min,
                max: min + step + block.size() * (Vec3::ONE - axis),
            }
        })
}

fn handle(geometry: &mut Geometry, panel: &Block, side: Side) {
    let out = if side == Side::Front {
        panel.max.z
    } else {
        panel.min.z
    };
    let at = Vec3::new(panel.max.x - 0.09, panel.min.y + 1.1, out);
    geometry.block(&Block::around(at, Vec3::new(0.025, 0.22, 0.03)), FRAME.times(0.8));
}

fn draw_pack(geometry: &mut Geometry, place: &Place, pack: &Pack) {
    let size = pack.block.size();
    let [columns, rows] = place.grid.map(|n| n as f32);
    let margin = |across: f32, up: f32| {
        Vec2::new(
            CASE / (across - 2.0 * CASE) * columns,
            CASE / (up - 2.0 * CASE) * rows,
        )
    };
    let (front, back) = if pack.is_turned {
        (Side::Back, Side::Front)
    } else {
        (Side::Front, Side::Back)
    };
    geometry.cells(
        front.corners(&pack.block),
        pack.texels,
        margin(size.x, size.y),
        false,
    );
    for side in [Side::Left, Side::Right] {
        geometry.cells(
            side.corners(&pack.block),
            pack.texels,
            margin(size.z, size.y),
            false,
        );
    }
    let top = if pack.is_turned {
        let [a, b, c, d] = Side::Top.corners(&pack.block);
        [c, d, a, b]
    } else {
        Side::Top.corners(&pack.block)
    };
    geometry.cells(top, pack.texels, margin(size.z, size.x), true);
    geometry.quad(back.corners(&pack.block), CABINET.times(0.9));
}

/// Plinth and posts of the racks.
fn racks(geometry: &mut Geometry, place: &Place) {
    let clusters = u32::try_from(place.hv_boxes.len()).unwrap_or(0);
    for cluster in 0..clusters {
        let Some(rack) = place
            .cluster(cluster)
            .map(|pack| pack.block)
            .reduce(|all, block| all.union(&block))
        else {
            continue;
        };
        let base = Block {
            min: Vec3::new(rack.min.x, place.room.min.y, rack.min.z + 0.08),
            max: Vec3::new(rack.max.x, rack.min.y - 0.004, rack.max.z - 0.08),
        };
        geometry.block_without(&base, &[Side::Bottom], FRAME.times(0.8));
    }
}

/// Bodies of equipment; what shows a state is drawn by `devices`.
fn bodies(geometry: &mut Geometry, place: &Place, is_detailed: bool) {
    let equipment = &place.equipment;
    if !place.is_cabinet {
        for pcs in &equipment.pcs {
            shadow(geometry, pcs, 0.5, 0.84);
            plinth(geometry, pcs);
            geometry.block(pcs, CABINET);
            louvres(geometry, pcs);
        }
        cables(geometry, place);
    }
    shadow(geometry, &equipment.grid, 0.5, 0.84);
    plinth(geometry, &equipment.grid);
    geometry.block(&equipment.grid, CABINET.times(0.94));
    let roof = equipment.grid;
    let roof = Block {
        min: roof.min.with_y(roof.max.y) - Vec3::new(0.05, 0.0, 0.05),
        max: roof.max + Vec3::new(0.05, 0.06, 0.05),
    };
    geometry.block(&roof, FRAME);
    if !is_detailed {
        return;
    }
    if place.is_cabinet {
        for pcs in &equipment.pcs {
            geometry.block(pcs, CABINET);
        }
    }
    geometry.block(&equipment.cooling, CABINET.times(1.04));
    geometry.block(&equipment.controls, CABINET);
}

fn plinth(geometry: &mut Geometry, block: &Block) {
    let foot = Block {
        min: Vec3::new(block.min.x - 0.08, 0.0, block.min.z - 0.08),
        max: Vec3::new(block.max.x + 0.08, block.min.y, block.max.z + 0.08),
    };
    geometry.block_without(&foot, &[Side::Bottom], GROUND.times(0.93));
}

fn louvres(geometry: &mut Geometry, body: &Block) {
    let size = body.size();
    for n in 0..7u8 {
        let y = body.min.y + size.y * 0.12 + f32::from(n) * size.y * 0.045;
        let slat = Block::around(
            Vec3::new(body.centre().x, y, body.max.z),
            Vec3::new(size.x * 0.7, size.y * 0.018, 0.012),
        );
        geometry.block_without(&slat, &[Side::Back], FRAME);
    }
}

/// Trays from the container over the PCS to the grid.
fn cables(geometry: &mut Geometry, place: &Place) {
    let equipment = &place.equipment;
    for pcs in &equipment.pcs {
        let z = pcs.centre().z;
        for (from, to) in [(place.shell.max.x, pcs.min.x), (pcs.max.x, equipment.grid.min.x)] {
            let tray = Block {
                min: Vec3::new(from, 0.10, z - 0.14),
                max: Vec3::new(to, 0.22, z + 0.14),
            };
            geometry.block_without(&tray, &[Side::Left, Side::Right], FRAME.times(0.9));
        }
    }
}

/// A container of a site: a closed box whose long sides show a texel for each pack.
fn far_container(geometry: &mut Geometry, place: &Place) {
    let shell = place.shell;
    geometry.block_without(&shell, &[Side::Bottom], SHELL.times(0.97));
    let size = shell.size();
    for side in [Side::Front, Side::Back] {
        let out = if side == Side::Front { 0.012 } else { -0.012 };
        let field = Block {
            min: shell.min + Vec3::new(size.x * 0.06, size.y * 0.16, out),
            max: shell.max + Vec3::new(-size.x * 0.24, -size.y * 0.14, out),
        };
        geometry.cells(side.corners(&field), place.summary, Vec2::splat(0.1), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::layout::Wanted;
    use crate::scene::sample;

    #[test]
    fn a_site_costs_little_more_than_its_detailed_container() {
        let one = build(&Plan::of(&sample::liquid(), Wanted::default()), 0, false, false).triangles();
        let site = build(&Plan::of(&sample::site(90), Wanted::default()), 0, false, false).triangles();
        let alone = build(&Plan::of(&sample::site(90), Wanted::default()), 0, false, true).triangles();
        assert!(one < 6_000, "{one}");
        assert!(alone - one <= 89 * 10, "{}", alone - one);
        assert!((site - one) / 89 < 250, "{}", (site - one) / 89);
    }
}
