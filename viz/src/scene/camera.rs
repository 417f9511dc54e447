//! Where the eye is: it orbits a point. Nine saved views, flights to a tag, following what happens.

use std::f32::consts::FRAC_PI_2;

use bevy::math::{Quat, Vec2, Vec3};

use super::geometry::Block;
use super::layout::{Place, Plan};

/// How long a flight takes, s.
pub const FLIGHT_S: f32 = 0.6;
/// Height of the picture's angle, rad: narrow, so that little is distorted.
pub const FIELD: f32 = 0.26;
/// Above a container, for its beacon and for words, m.
const HEADROOM: f32 = 0.36;
/// Lowest and highest pitch, rad.
const PITCH: [f32; 2] = [0.05, 1.54];

/// An eye that looks at a point.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orbit {
    /// What it looks at, m.
    pub focus: Vec3,
    /// Direction it looks from: 0 from the front, growing to the right, rad.
    pub yaw: f32,
    /// How far above, rad.
    pub pitch: f32,
    /// How far away, m.
    pub distance: f32,
    /// Parallel lines stay parallel.
    pub is_flat: bool,
}

impl Default for Orbit {
    fn default() -> Self {
        Self {
            focus: Vec3::ZERO,
            yaw: 0.55,
            pitch: 0.38,
            distance: 12.0,
            is_flat: false,
        }
    }
}

impl Orbit {
    /// That sees the whole of a block, in the middle of a picture of this width over height.
    pub fn framing(block: &Block, yaw: f32, pitch: f32, aspect: f32) -> Self {
        let mut orbit = Self {
            focus: block.centre(),
            yaw,
            pitch,
            distance: 1.0,
            is_flat: false,
        };
        let (turn, half) = (orbit.rotation(), (FIELD / 2.0).tan());
        // near corners are drawn farther out than far ones, so the middle of the picture is not that of the block
        for _ in 0..4 {
            let seen = corners(block).map(|corner| turn.inverse() * (corner - orbit.focus));
            orbit.distance = seen
                .map(|seen| (seen.y.abs() / half).max(seen.x.abs() / (half * aspect)) + seen.z)
                .fold(0.3, f32::max);
            let drawn = corners(block).filter_map(|corner| orbit.project(corner, aspect));
            let (low, high) = drawn.fold((Vec2::MAX, Vec2::MIN), |(low, high), at| {
                (low.min(at), high.max(at))
            });
            let off = (low + high) / 2.0 * orbit.height() / 2.0;
            orbit.focus += turn * Vec3::new(off.x * aspect, off.y, 0.0);
        }
        orbit.distance *= 1.08;
        orbit
    }

    /// The same, without perspective.
    pub const fn flat(self) -> Self {
        Self {
            is_flat: true,
            ..self
        }
    }

    /// How the eye is turned.
    pub fn rotation(&self) -> Quat {
        Quat::from_rotation_y(self.yaw) * Quat::from_rotation_x(-self.pitch)
    }

    /// Where it is.
    pub fn eye(&self) -> Vec3 {
        self.focus + self.rotation() * Vec3::new(0.0, 0.0, self.distance)
    }

    /// Height of what is seen at the focus, m.
    pub fn height(&self) -> f32 {
        2.0 * self.distance * (FIELD / 2.0).tan()
    }

    /// Turned by a drag of so many heights of the picture.
    pub fn turned(mut self, drag: Vec2) -> Self {
        self.yaw -= drag.x * 3.0;
        self.pitch = (self.pitch + drag.y * 2.2).clamp(PITCH[0], PITCH[1]);
        self
    }

    /// Moved sideways by a drag of so many heights of the picture; never below the ground.
    pub fn moved(mut self, drag: Vec2) -> Self {
        let height = self.height();
        self.focus += self.rotation() * Vec3::new(-drag.x * height, drag.y * height, 0.0);
        self.focus.y = self.focus.y.max(0.0);
        self
    }

    /// Nearer by so many steps of a wheel.
    pub fn nearer(mut self, steps: f32) -> Self {
        self.distance = (self.distance * 0.9_f32.powf(steps)).clamp(0.25, 900.0);
        self
    }

    /// Between this and another, eased at both ends.
    pub fn towards(self, other: Self, share: f32) -> Self {
        let share = share.clamp(0.0, 1.0);
        let s = share * share * (3.0 - 2.0 * share);
        let mix = |a: f32, b: f32| a + (b - a) * s;
        // the short way round
        let mut turn = (other.yaw - self.yaw).rem_euclid(std::f32::consts::TAU);
        if turn > std::f32::consts::PI {
            turn -= std::f32::consts::TAU;
        }
        Self {
            focus: self.focus.lerp(other.focus, s),
            yaw: self.yaw + turn * s,
            pitch: mix(self.pitch, other.pitch),
            distance: (self.distance.ln() + (other.distance.ln() - self.distance.ln()) * s).exp(),
            is_flat: if share < 1.0 {
                self.is_flat && other.is_flat
            } else {
                other.is_flat
            },
        }
    }

    /// Direction from the eye through a place of the picture, both coordinates from -1 to 1, upwards positive; and where it begins.
    pub fn ray(&self, place: Vec2, aspect: f32) -> (Vec3, Vec3) {
        let half = (FIELD / 2.0).tan();
        let turn = self.rotation();
        if self.is_flat {
            let out = self.distance * half;
            let aside = turn * Vec3::new(place.x * out * aspect, place.y * out, 0.0);
            return (self.eye() + aside, turn * Vec3::NEG_Z);
        }
        let direction = turn * Vec3::new(place.x * half * aspect, place.y * half, -1.0);
        (self.eye(), direction.normalize())
    }

    /// Where a point is in the picture, as for [`Self::ray`]; none if it is behind the eye.
    pub fn project(&self, point: Vec3, aspect: f32) -> Option<Vec2> {
        let seen = self.rotation().inverse() * (point - self.eye());
        if seen.z > -0.05 {
            return None;
        }
        let half = (FIELD / 2.0).tan();
        let depth = if self.is_flat { self.distance } else { -seen.z };
        Some(Vec2::new(
            seen.x / (depth * half * aspect),
            seen.y / (depth * half),
        ))
    }
}

fn corners(block: &Block) -> impl Iterator<Item = Vec3> {
    let block = *block;
    (0..8u8).map(move |n| {
        let pick = |bit: u8, low: f32, high: f32| if n & bit == 0 { low } else { high };
        Vec3::new(
            pick(1, block.min.x, block.max.x),
            pick(2, block.min.y, block.max.y),
            pick(4, block.min.z, block.max.z),
        )
    })
}

/// A saved view.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// What it is called.
    pub name: String,
    /// Where the eye is.
    pub orbit: Orbit,
    /// Shells are shown from outside.
    pub closed: bool,
}

/// Saved view 1 to 9 of a container; the selected tag decides what views 4 and 5 look at. None for any other number.
pub fn saved(plan: &Plan, detailed: usize, number: u8, selected: Option<&str>, aspect: f32) -> Option<Saved> {
    let place = plan.containers.get(detailed)?;
    let (shell, room) = (place.shell, place.room);
    let named = |name: &str, orbit: Orbit| {
        Some(Saved {
            name: name.into(),
            orbit,
            closed: false,
        })
    };
    // what stands on the roof, and room for what is said of it
    let outside = Block {
        max: shell.max + Vec3::Y * HEADROOM,
        ..shell
    };
    // the arrow of power lies before all of it
    let all = place.extent().union(&outside);
    let overview = Block {
        min: all.min.with_y(0.2),
        max: all.max + Vec3::Z * 0.35,
    };
    match number {
        1 => named("1 overview", Orbit::framing(&overview, 0.42, 0.40, aspect)),
        2 => named("2 front side", Orbit::framing(&outside, 0.12, 0.16, aspect)),
        3 => named("3 back side", Orbit::framing(&outside, 3.02, 0.16, aspect)),
        4 => {
            let (cluster, turned) = selected_cluster(place, selected);
            let block = place
                .cluster(cluster)
                .map(|pack| pack.block)
                .reduce(|all, block| all.union(&block))?;
            let block = place
                .hv_boxes
                .get(cluster as usize)
                .map_or(block, |hv_box| block.union(&hv_box.block));
            let orbit = Orbit::framing(
                &block,
                if turned { std::f32::consts::PI } else { 0.0 },
                0.0,
                aspect,
            )
            .flat();
            named(&format!("4 cluster {}", cluster + 1), orbit)
        }
        5 => {
            let pack = selected_pack(place, selected)?;
            let name = format!("5 cluster {} pack {}", pack.cluster + 1, pack.pack + 1);
            let yaw = if pack.is_turned {
                std::f32::consts::PI + 0.25
            } else {
                0.25
            };
            // what rises from a cell is seen, too
            let lidless = Block {
                max: pack.block.max + Vec3::Y * 0.12,
                ..pack.block
            };
            named(&name, Orbit::framing(&lidless.grown(0.03), yaw, 0.85, aspect))
        }
        6 => named(
            "6 from above",
            Orbit::framing(&room, 0.0, FRAC_PI_2 - 0.42, aspect),
        ),
        7 => {
            let equipment = &place.equipment;
            let path = equipment
                .pcs
                .iter()
                .chain([&equipment.cooling])
                .fold(equipment.grid, |all, block| all.union(block));
            // with the arrow on the ground before them
            let path = Block {
                max: path.max + Vec3::Z * 0.5,
                ..path
            };
            named("7 power path", Orbit::framing(&path, 0.30, 0.36, aspect))
        }
        8 => Some(Saved {
            name: "8 as a responder sees it".into(),
            orbit: Orbit::framing(&outside, 0.62, 0.12, aspect),
            closed: true,
        }),
        9 => named("9 site", Orbit::framing(&plan.extent, 0.5, 0.55, aspect)),
        _ => None,
    }
}

/// A view of the thing with this tag.
pub fn of_tag(plan: &Plan, tag: &str, aspect: f32) -> Option<(usize, Orbit)> {
    plan.containers.iter().enumerate().find_map(|(n, place)| {
        let block = place.find(tag)?;
        let turned = place
            .packs
            .iter()
            .find(|pack| pack.is_turned && pack.block.grown(0.01).union(&block) == pack.block.grown(0.01))
            .is_some();
        let least = block.grown(0.25_f32.max(block.size().max_element() * 0.15));
        let pitch = if tag.contains("/cell-") { 0.62 } else { 0.26 };
        Some((
            n,
            Orbit::framing(
                &least,
                if turned { std::f32::consts::PI + 0.3 } else { 0.3 },
                pitch,
                aspect,
            ),
        ))
    })
}

/// The cluster that is meant, and whether its front looks to the back.
fn selected_cluster(place: &Place, selected: Option<&str>) -> (u32, bool) {
    let at = selected_pack(place, selected);
    (
        at.map_or(0, |pack| pack.cluster),
        at.is_some_and(|pack| pack.is_turned),
    )
}

/// The pack that is selected, or the first of the cluster that is, or the first.
pub(super) fn selected_pack<'a>(place: &'a Place, selected: Option<&str>) -> Option<&'a super::layout::Pack> {
    let block = selected
        .filter(|tag| tag.contains("/cluster-"))
        .and_then(|tag| place.find(tag));
    let within = |pack: &&super::layout::Pack| {
        block.is_some_and(|block| pack.block.grown(0.005).union(&block) == pack.block.grown(0.005))
    };
    let around = |pack: &&super::layout::Pack| block.is_some_and(|block| block.union(&pack.block) == block);
    let beneath = |pack: &&super::layout::Pack| {
        block.is_some_and(|block| {
            place
                .hv_boxes
                .get(pack.cluster as usize)
                .is_some_and(|hv_box| hv_box.block == block)
        })
    };
    place
        .packs
        .iter()
        .find(within)
        .or_else(|| place.packs.iter().find(around))
        .or_else(|| place.packs.iter().find(beneath))
        .or_else(|| place.packs.first())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;
    use crate::scene::layout::Wanted;
    use crate::scene::sample;

    const ASPECT: f32 = 728.0 / 452.0;

    #[test]
    fn every_saved_view_has_its_subject_in_the_picture() {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let tag = "container-01/cluster-07/pack-03/cell-02";
        for number in 1..=9 {
            let view = saved(&plan, 0, number, Some(tag), ASPECT).unwrap();
            assert!(view.orbit.eye().y > 0.0, "{}", view.name);
            let focus = view.orbit.project(view.orbit.focus, ASPECT).unwrap();
            assert!(focus.length() < 1e-3);
        }
        assert!(saved(&plan, 0, 0, None, ASPECT).is_none());
    }

    #[test]
    fn a_framed_block_fills_the_picture_and_is_not_clipped() {
        let block = Block::new(Vec3::new(-3.0, 0.0, -1.2), Vec3::new(6.0, 2.9, 2.4));
        for (yaw, pitch) in [(0.0, 0.0), (0.5, 0.4), (2.0, 1.2)] {
            let orbit = Orbit::framing(&block, yaw, pitch, ASPECT);
            let reach = corners(&block)
                .map(|corner| orbit.project(corner, ASPECT).unwrap().abs().max_element())
                .fold(0.0, f32::max);
            assert!((0.7..=1.0).contains(&reach), "{yaw} {pitch}: {reach}");
        }
    }

    #[test]
    fn a_ray_goes_where_the_point_is_drawn() {
        let orbit = Orbit {
            focus: Vec3::new(1.0, 1.0, 0.0),
            ..Orbit::default()
        };
        for orbit in [orbit, orbit.flat()] {
            let point = Vec3::new(0.3, 1.9, 0.7);
            let place = orbit.project(point, ASPECT).unwrap();
            let (from, along) = orbit.ray(place, ASPECT);
            let off = (point - from).cross(along).length();
            assert!(off < 1e-3, "{off}");
        }
    }

    #[test]
    fn a_flight_begins_and_ends_where_it_should_and_turns_the_short_way() {
        let from = Orbit {
            yaw: 0.1,
            ..Orbit::default()
        };
        let to = Orbit {
            yaw: 6.2,
            distance: 3.0,
            ..Orbit::default()
        };
        assert_eq!(from.towards(to, 0.0).distance, from.distance);
        let end = from.towards(to, 1.0);
        assert!((end.distance - 3.0).abs() < 1e-3);
        assert!((from.towards(to, 0.5).yaw - 0.1).abs() < 0.2);
    }

    #[test]
    fn a_tag_is_framed_from_its_front() {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let (_, front) = of_tag(&plan, "container-01/cluster-01/pack-01", ASPECT).unwrap();
        let (_, back) = of_tag(&plan, "container-01/cluster-09/pack-01", ASPECT).unwrap();
        assert!(front.eye().z > 0.0 && back.eye().z < 0.0);
        assert!(of_tag(&plan, "nowhere", ASPECT).is_none());
    }
}
