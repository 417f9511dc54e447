//! Where things stand: containers on the site, racks of packs in a container, equipment beside them. Sizes are those of the
//! description; what the catalogue does not say (where things stand, sizes of small parts) is decided here and in `racks`.
//!
//! Metres; x along a container's long side, y up, z towards its front.

use bess_telemetry::Description;
use bevy::math::Vec3;

use super::geometry::{Block, Texels};
use super::racks::{Shape, size_of};

/// Thickness of walls, m.
pub const WALL: f32 = 0.06;
/// Height of a container's floor above the ground, m.
pub const FLOOR: f32 = 0.18;

/// Between a container and its station, m.
const BESIDE: f32 = 1.1;

/// How a site is to be laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Container that is shown with its cells.
    pub detailed: usize,
    /// Pulls packs apart, 0 to 1.
    pub explode: f32,
    /// Cluster and pack of it, from 0, that is pulled out like a drawer.
    pub pulled: Option<(u32, u32)>,
}

/// The whole site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Containers in the order of the description.
    pub containers: Vec<Place>,
    /// Everything, seen from far.
    pub extent: Block,
    /// Size of the cell texture: columns, rows.
    pub texture: [u32; 2],
}

/// A container and what is in it and beside it. Blocks are those of the site, not of the container.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its tag.
    pub tag: String,
    /// Whether it is a cabinet.
    pub is_cabinet: bool,
    /// Whether it is cooled by liquid.
    pub is_liquid_cooled: bool,
    /// Its outside.
    pub shell: Block,
    /// Its inside.
    pub room: Block,
    /// Packs, cluster by cluster.
    pub packs: Vec<Pack>,
    /// HV boxes, one for each cluster.
    pub hv_boxes: Vec<HvBox>,
    /// Packs of each cluster.
    pub packs_per_cluster: u32,
    /// Cells of each pack.
    pub cells_per_pack: u32,
    /// Cells of a row of a pack, and rows.
    pub grid: [u32; 2],
    /// Place of its first cell in frames of cells.
    pub first_cell: u32,
    /// Place of its first cluster in frames of cells.
    pub first_cluster: u32,
    /// Where a texel for each pack is: a column for each cluster.
    pub summary: Texels,
    /// Equipment.
    pub equipment: Equipment,
}

/// A pack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pack {
    /// Its cluster, from 0.
    pub cluster: u32,
    /// Its place in the cluster, from 0.
    pub pack: u32,
    /// Where it is.
    pub block: Block,
    /// Whether its front looks to the back of the container.
    pub is_turned: bool,
    /// Its cells.
    pub texels: Texels,
}

/// The high-voltage box of a cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HvBox {
    /// Where it is.
    pub block: Block,
    /// Whether its front looks to the back of the container.
    pub is_turned: bool,
}

/// Everything but packs and HV boxes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Equipment {
    /// PCS, beside the container or in the cabinet.
    pub pcs: Vec<Block>,
    /// The grid's side: a kiosk with the point of connection.
    pub grid: Block,
    /// Chiller, or air conditioner.
    pub cooling: Block,
    /// Cabinet with controllers and fire panel.
    pub controls: Block,
    /// Foot and height of the agent's cylinder; its radius is a tenth of the height.
    pub cylinder: (Vec3, f32),
    /// Middle of the ventilator, in the back wall.
    pub vent: Vec3,
    /// The damper of its air intake, in the back wall.
    pub damper: Block,
    /// Leaf of the door, closed.
    pub door: Block,
    /// Middle of the E-stop's plate; its button looks to the front.
    pub estop: Vec3,
    /// Foot of the beacon.
    pub beacon: Vec3,
    /// Gas, smoke and heat detector, under the ceiling.
    pub detectors: [Vec3; 3],
    /// Nozzles of the agent, under the ceiling.
    pub nozzles: Vec<Vec3>,
}

impl Plan {
    /// Number of the saved view that shows all: the site, or the one container.
    pub fn overview(&self) -> u8 {
        if self.containers.len() > 1 { 9 } else { 1 }
    }

    /// Of a described rig.
    pub fn of(description: &Description, wanted: Wanted) -> Self {
        let shapes: Vec<Shape> = description.containers.iter().map(Shape::of).collect();
        let plots = plots(description, &shapes);
        let pitch = plots.iter().map(Plot::ground).fold(Vec3::ZERO, Vec3::max);
        let across = columns(plots.len(), pitch);
        let (texture, summaries) = texture(&shapes, wanted.detailed);
        let mut places = vec![None; shapes.len()];
        for (n, plot) in plots.iter().enumerate() {
            let foot = if plots.len() == 1 {
                Vec3::ZERO
            } else {
                Vec3::new(float(n % across) * pitch.x, 0.0, -float(n / across) * pitch.z)
            };
            for (row, (&at, shape)) in plot.containers.iter().zip(&plot.shapes).enumerate() {
                let wanted = Wanted {
                    pulled: wanted.pulled.filter(|_| at == wanted.detailed),
                    ..wanted
                };
                let behind = Vec3::new(0.0, 0.0, -float(row) * plot.row());
                let mut place = shape.place(foot + behind, summaries[at], wanted);
                if let Some(size) = plot.station {
                    place.equipment.stand_in(plot, row, foot, size);
                }
                places[at] = Some(place);
            }
        }
        let containers: Vec<Place> = places.into_iter().flatten().collect();
        let extent = containers
            .iter()
            .map(Place::extent)
            .reduce(|all, one| all.union(&one));
        Self {
            containers,
            extent: extent.unwrap_or_default(),
            texture,
        }
    }
}

/// What stands together on a site: containers behind one another with their station, or one by itself.
struct Plot<'a> {
    /// Places in the description.
    containers: Vec<usize>,
    shapes: Vec<&'a Shape<'a>>,
    /// Size of the station, which stands across the ends of its containers.
    station: Option<Vec3>,
}

/// Containers of a station whose size is known share it; others have their PCS beside them.
fn plots<'a>(description: &Description, shapes: &'a [Shape<'a>]) -> Vec<Plot<'a>> {
    let shared = |at: usize| {
        let is_in = |number: &u32| usize::try_from(*number).is_ok_and(|number| number == at);
        let station = description
            .site
            .stations
            .iter()
            .find(|station| station.containers.iter().any(is_in))?;
        // one PCS in place of a station is drawn as a PCS
        let is_pcs = station.product.id == shapes[at].of.pcs.id;
        let size = size_of(&station.product).filter(|_| !is_pcs && !shapes[at].of.is_cabinet)?;
        let containers = station
            .containers
            .iter()
            .filter_map(|number| usize::try_from(*number).ok());
        let containers: Vec<usize> = containers.filter(|number| *number < shapes.len()).collect();
        Some((containers, Vec3::new(size.z, size.y, size.x)))
    };
    let mut plots = Vec::new();
    for at in 0..shapes.len() {
        match shared(at) {
            Some((containers, _)) if containers[0] != at => {}
            Some((containers, size)) => plots.push(Plot {
                shapes: containers.iter().map(|&at| &shapes[at]).collect(),
                containers,
                station: Some(size),
            }),
            None => plots.push(Plot {
                containers: vec![at],
                shapes: vec![&shapes[at]],
                station: None,
            }),
        }
    }
    plots
}

impl Plot<'_> {
    /// From one container to the one behind it, m.
    fn row(&self) -> f32 {
        self.shapes
            .iter()
            .map(|shape| shape.footprint(0.0).z)
            .fold(0.0, f32::max)
    }

    /// The ground it takes, streets included.
    fn ground(&self) -> Vec3 {
        let of_station = self.station.map(|size| BESIDE + size.x);
        let ground = self
            .shapes
            .iter()
            .map(|shape| shape.footprint(of_station.unwrap_or(if shape.of.is_cabinet { 0.6 } else { 6.0 })));
        let mut ground = ground.fold(Vec3::ZERO, Vec3::max);
        ground.z *= float(self.shapes.len());
        ground
    }
}

impl Equipment {
    /// Puts PCS and grid into a container's share of a station: the PCS towards the container, transformer and switchgear behind.
    fn stand_in(&mut self, plot: &Plot<'_>, row: usize, foot: Vec3, size: Vec3) {
        let share = size.z / float(plot.shapes.len());
        let middle = foot.z - plot.row() * float(plot.shapes.len() - 1) / 2.0;
        let left = foot.x + plot.shapes[row].width() / 2.0 + BESIDE;
        let back = middle + size.z / 2.0 - share * float(row + 1);
        let at = |from: f32, to: f32| {
            Block::new(
                Vec3::new(left + size.x * from, foot.y + 0.15, back),
                Vec3::new(size.x * (to - from), size.y, share),
            )
        };
        self.pcs = vec![at(0.0, 0.55)];
        self.grid = at(0.55, 1.0);
    }
}

/// How many containers stand side by side, so that the site is about as wide as deep.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most the number of containers"
)]
fn columns(count: usize, pitch: Vec3) -> usize {
    let square = (float(count) * pitch.z / pitch.x.max(1.0)).sqrt().ceil() as usize;
    square.clamp(1, count.max(1))
}

/// The size of the cell texture, and each container's rectangle of packs in it. Cells of the detailed container come first.
fn texture(shapes: &[Shape], detailed: usize) -> ([u32; 2], Vec<Texels>) {
    let cells = shapes.get(detailed).map_or([1, 1], |shape| {
        [
            shape.of.clusters * shape.grid[0],
            shape.of.packs_per_cluster * shape.grid[1],
        ]
    });
    let width = shapes
        .iter()
        .map(|shape| shape.of.clusters)
        .fold(cells[0].max(64), u32::max);
    let (mut at, mut high) = ([0, cells[1]], 0);
    let summaries = shapes
        .iter()
        .map(|shape| {
            let count = [shape.of.clusters, shape.of.packs_per_cluster];
            if at[0] + count[0] > width {
                at = [0, at[1] + high];
                high = 0;
            }
            let first = at;
            at[0] += count[0];
            high = high.max(count[1]);
            Texels { first, count }
        })
        .collect();
    ([width, at[1] + high], summaries)
}

impl Place {
    /// Cell `cell` of a pack, both from 0, as its place in frames of cells.
    pub fn cell(&self, cluster: u32, pack: u32, cell: u32) -> u32 {
        self.first_cell + (cluster * self.packs_per_cluster + pack) * self.cells_per_pack + cell
    }

    /// Everything that belongs to it, seen from far.
    pub fn extent(&self) -> Block {
        let equipment = &self.equipment;
        equipment
            .pcs
            .iter()
            .chain([&equipment.grid])
            .fold(self.shell, |extent, block| extent.union(block))
    }

    /// All packs of a cluster.
    pub fn cluster(&self, cluster: u32) -> impl Iterator<Item = &Pack> {
        self.packs.iter().filter(move |pack| pack.cluster == cluster)
    }

    /// Where the thing with this tag is: a part of the container, or a device.
    pub fn find(&self, tag: &str) -> Option<Block> {
        let rest = tag
            .strip_prefix("plant:")
            .unwrap_or(tag)
            .strip_prefix(&self.tag)?;
        let mut parts = rest.split('/').filter(|part| !part.is_empty());
        let Some(part) = parts.next() else {
            return Some(self.shell);
        };
        let equipment = &self.equipment;
        if let Some(cluster) = number(part, "cluster-") {
            let of_cluster = || self.cluster(cluster).map(|pack| pack.block);
            return match parts.next() {
                None => of_cluster().reduce(|all, block| all.union(&block)),
                Some(part) => match number(part, "pack-") {
                    Some(pack) => {
                        let pack = self.cluster(cluster).find(|other| other.pack == pack)?;
                        let cell = parts.next().and_then(|part| number(part, "cell-"));
                        Some(cell.map_or(pack.block, |cell| self.cell_block(pack, cell)))
                    }
                    None => self.hv_boxes.get(cluster as usize).map(|hv_box| hv_box.block),
                },
            };
        }
        match part {
            "pcs" => equipment.pcs.first().copied(),
            "grid" => Some(equipment.grid),
            "chiller" | "coolant" | "hvac" => Some(equipment.cooling),
            "bau" | "io" | "fire-panel" => Some(equipment.controls),
            "suppression" => {
                let (foot, height) = equipment.cylinder;
                Some(Block::standing(
                    foot,
                    Vec3::new(height / 5.0, height, height / 5.0),
                ))
            }
            "safety-relay" => Some(Block::around(equipment.estop, Vec3::splat(0.2))),
            "air" => Some(self.room),
            _ => None,
        }
    }

    /// A cell of a pack, as on the pack's top.
    pub fn cell_block(&self, pack: &Pack, cell: u32) -> Block {
        let [columns, rows] = self.grid.map(|n| n as f32);
        let size = pack.block.size();
        let (column, row) = ((cell % self.grid[0]) as f32, (cell / self.grid[0]) as f32);
        let depth = size.z / columns;
        let z = if pack.is_turned {
            pack.block.min.z + column * depth
        } else {
            pack.block.max.z - (column + 1.0) * depth
        };
        let width = size.x / rows;
        let x = if pack.is_turned {
            pack.block.max.x - (row + 1.0) * width
        } else {
            pack.block.min.x + row * width
        };
        Block::new(Vec3::new(x, pack.block.min.y, z), Vec3::new(width, size.y, depth))
    }
}

/// `7` of `cluster-08`.
fn number(part: &str, name: &str) -> Option<u32> {
    part.strip_prefix(name)?.parse::<u32>().ok()?.checked_sub(1)
}

fn float(n: usize) -> f32 {
    n as f32
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;
    use crate::scene::sample;

    /// No two packs share space and none sticks out.
    fn sound(place: &Place) {
        for (n, pack) in place.packs.iter().enumerate() {
            let block = pack.block;
            assert!(
                block.min.cmpge(place.room.min - 1e-3).all() && block.max.cmple(place.room.max + 1e-3).all(),
                "pack {n} of {} sticks out: {block:?} of {:?}",
                place.tag,
                place.room
            );
            for other in &place.packs[n + 1..] {
                let apart = block.max.cmple(other.block.min + 1e-4) | other.block.max.cmple(block.min + 1e-4);
                assert!(apart.any(), "{pack:?} in {other:?}");
            }
        }
        for hv_box in &place.hv_boxes {
            assert!(
                hv_box.block.max.y <= place.room.max.y,
                "{}: {hv_box:?}",
                place.tag
            );
        }
    }

    #[test]
    fn the_liquid_container_has_five_clusters_in_front_and_four_behind() {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let place = &plan.containers[0];
        sound(place);
        assert_eq!(place.packs.len(), 81);
        assert!((place.shell.size() - Vec3::new(6.058, 2.896, 2.438)).length() < 1e-3);
        let turned = place.hv_boxes.iter().filter(|hv_box| hv_box.is_turned).count();
        assert_eq!(turned, 4);
        assert_eq!(place.grid, [11, 4]);
        assert_eq!(place.cell(1, 0, 0), 396);
        let depth = place.packs[0].block.size().z;
        assert!((depth - 1.069).abs() < 1e-3);
    }

    #[test]
    fn every_shape_of_container_and_cabinet_holds_its_packs() {
        for description in sample::all() {
            let plan = Plan::of(&description, Wanted::default());
            sound(&plan.containers[0]);
        }
    }

    #[test]
    fn tags_are_found_down_to_the_cell() {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let place = &plan.containers[0];
        let pack = place.find("container-01/cluster-03/pack-05").unwrap();
        let cell = place
            .find("plant:container-01/cluster-03/pack-05/cell-17")
            .unwrap();
        assert_eq!(pack.union(&cell), pack);
        assert!(cell.size().x < 0.25 && cell.size().z < 0.11);
        assert_eq!(
            place.find("container-01/cluster-03/bcu"),
            Some(place.hv_boxes[2].block)
        );
        assert_eq!(place.find("container-01/pcs"), Some(place.equipment.pcs[0]));
        assert_eq!(place.find("container-02/pcs"), None);
        assert_eq!(place.find("container-01/cluster-77"), None);
    }

    #[test]
    fn a_site_stands_apart_and_its_packs_have_texels_of_their_own() {
        let plan = Plan::of(
            &sample::site(90),
            Wanted {
                detailed: 3,
                ..Wanted::default()
            },
        );
        assert_eq!(plan.containers.len(), 90);
        for (n, place) in plan.containers.iter().enumerate() {
            for other in &plan.containers[n + 1..] {
                let (a, b) = (place.extent(), other.extent());
                assert!((a.max.cmple(b.min) | b.max.cmple(a.min)).any());
                let (a, b) = (place.summary, other.summary);
                let apart = |axis: usize| {
                    a.first[axis] + a.count[axis] <= b.first[axis]
                        || b.first[axis] + b.count[axis] <= a.first[axis]
                };
                assert!(apart(0) || apart(1));
            }
            assert!(
                place.summary.first[1] >= 36,
                "below the detailed container's cells"
            );
            assert!(place.summary.first[0] + place.summary.count[0] <= plan.texture[0]);
            assert!(place.summary.first[1] + place.summary.count[1] <= plan.texture[1]);
        }
    }

    #[test]
    fn two_containers_share_a_station_as_large_as_it_is() {
        let plan = Plan::of(&sample::with_stations(5), Wanted::default());
        let whole = |place: &Place| place.equipment.pcs[0].union(&place.equipment.grid);
        for pair in plan.containers[..4].chunks(2) {
            let [front, back] = pair else {
                panic!("two of each")
            };
            let station = whole(front).union(&whole(back));
            assert!((station.size() - Vec3::new(3.0, 3.1, 6.5)).length() < 1e-3);
            assert!(
                whole(front).min.z > whole(back).max.z - 1e-3,
                "each has its share"
            );
            for place in pair {
                let (shell, pcs) = (place.shell, place.equipment.pcs[0]);
                assert!(pcs.min.x > shell.max.x + 1.0);
                let z = pcs.centre().z;
                assert!(shell.min.z < z && z < shell.max.z, "cables go straight");
            }
        }
        let alone = &plan.containers[4];
        assert!(alone.equipment.pcs[0].size().x < 2.0, "a PCS of its own");
        for (n, place) in plan.containers.iter().enumerate() {
            for other in &plan.containers[n + 1..] {
                let (a, b) = (place.extent().grown(-1e-3), other.extent().grown(-1e-3));
                assert!((a.max.cmple(b.min) | b.max.cmple(a.min)).any());
            }
        }
    }
}
