//! What is under the pointer: a ray against the blocks of the layout.

use bevy::math::Vec3;

use super::geometry::{Block, whole};
use super::layout::{Pack, Place, Plan};

/// The tag of the nearest thing a ray meets. Cells and devices of the detailed container; other containers as a whole. With
/// closed shells, its inside is not met.
pub fn pick(plan: &Plan, detailed: usize, closed: bool, from: Vec3, along: Vec3) -> Option<String> {
    let mut nearest: Option<(f32, String)> = None;
    let mut meet = |block: &Block, tag: &dyn Fn(Vec3, Vec3) -> String| {
        if let Some((far, normal)) = block.hit(from, along)
            && nearest.as_ref().is_none_or(|(best, _)| far < *best)
        {
            nearest = Some((far, tag(from + along * far, normal)));
        }
    };
    for (n, place) in plan.containers.iter().enumerate() {
        let of = |part: &str| format!("{}{part}", place.tag);
        let equipment = &place.equipment;
        if !place.is_cabinet {
            for pcs in &equipment.pcs {
                meet(pcs, &|_, _| of("/pcs"));
            }
        }
        meet(&equipment.grid, &|_, _| of("/grid"));
        if n != detailed || closed {
            meet(&place.shell, &|_, _| place.tag.clone());
            continue;
        }
        for pack in &place.packs {
            meet(&pack.block, &|at, normal| cell(place, pack, at, normal));
        }
        for (cluster, hv_box) in (1u32..).zip(&place.hv_boxes) {
            meet(&hv_box.block, &|_, _| of(&format!("/cluster-{cluster:02}/bcu")));
        }
        if place.is_cabinet {
            for pcs in &equipment.pcs {
                meet(pcs, &|_, _| of("/pcs"));
            }
        }
        let cooling = if place.is_liquid_cooled {
            "/chiller"
        } else {
            "/air"
        };
        meet(&equipment.cooling, &|_, _| of(cooling));
        meet(&equipment.controls, &|_, _| of("/fire-panel"));
        let (foot, height) = equipment.cylinder;
        let cylinder = Block::standing(foot, Vec3::new(height / 5.0, height, height / 5.0));
        meet(&cylinder, &|_, _| of("/suppression"));
        meet(
            &Block::around(equipment.estop, Vec3::new(0.28, 0.28, 0.3)),
            &|_, _| of("/safety-relay"),
        );
        for part in equipment.detectors {
            meet(&Block::around(part, Vec3::splat(0.26)), &|_, _| of("/fire-panel"));
        }
        meet(
            &Block::around(equipment.vent, Vec3::new(0.5, 0.5, 0.1)),
            &|_, _| of("/air"),
        );
        meet(&equipment.damper.grown(0.02), &|_, _| of("/air"));
    }
    nearest.map(|(_, tag)| tag)
}

/// The cell of a pack where a ray has met it: as its texture lies on the face.
fn cell(place: &Place, pack: &Pack, at: Vec3, normal: Vec3) -> String {
    let block = pack.block;
    let share = (at - block.min) / block.size();
    let mirror = |x: f32| if pack.is_turned { 1.0 - x } else { x };
    let back = if pack.is_turned { Vec3::Z } else { Vec3::NEG_Z };
    let of_pack = format!(
        "{}/cluster-{:02}/pack-{:02}",
        place.tag,
        pack.cluster + 1,
        pack.pack + 1
    );
    // how far along its columns and rows, from 0 to 1
    let (along, across) = if normal == back || normal == Vec3::NEG_Y {
        return of_pack;
    } else if normal == Vec3::Y {
        (mirror(1.0 - share.z), mirror(share.x))
    } else if normal == Vec3::X {
        (1.0 - share.z, share.y)
    } else if normal == Vec3::NEG_X {
        (share.z, share.y)
    } else {
        (mirror(share.x), share.y)
    };
    let step = |share: f32, count: u32| whole(share * count as f32).min(count - 1);
    let cell = step(across, place.grid[1]) * place.grid[0] + step(along, place.grid[0]);
    if cell < place.cells_per_pack {
        format!("{of_pack}/cell-{:02}", cell + 1)
    } else {
        of_pack
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::layout::Wanted;
    use crate::scene::sample;

    fn from_front(plan: &Plan, x: f32, y: f32) -> Option<String> {
        pick(plan, 0, false, Vec3::new(x, y, 30.0), Vec3::NEG_Z)
    }

    #[test]
    fn the_front_of_a_pack_shows_its_cells_in_rows_from_below() {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let pack = plan.containers[0].packs[9 * 2 + 4].block;
        let size = pack.size();
        let low = from_front(&plan, pack.min.x + size.x * 0.04, pack.min.y + size.y * 0.1);
        assert_eq!(low.as_deref(), Some("container-01/cluster-03/pack-05/cell-01"));
        let high = from_front(&plan, pack.max.x - size.x * 0.04, pack.max.y - size.y * 0.1);
        assert_eq!(high.as_deref(), Some("container-01/cluster-03/pack-05/cell-44"));
    }

    #[test]
    fn devices_have_their_tags_and_the_sky_has_none() {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let place = &plan.containers[0];
        let at = place.equipment.pcs[0].centre();
        assert_eq!(from_front(&plan, at.x, at.y).as_deref(), Some("container-01/pcs"));
        let at = place.hv_boxes[1].block.centre();
        assert_eq!(
            from_front(&plan, at.x, at.y).as_deref(),
            Some("container-01/cluster-02/bcu")
        );
        assert_eq!(from_front(&plan, 0.0, 90.0), None);
    }

    #[test]
    fn a_far_container_is_met_as_a_whole() {
        let plan = Plan::of(&sample::site(4), Wanted::default());
        let at = plan.containers[3].shell.centre();
        let tag = pick(&plan, 0, false, at + Vec3::Y * 40.0, Vec3::NEG_Y);
        assert_eq!(tag.as_deref(), Some("container-04"));
    }
}
