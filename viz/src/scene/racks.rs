//! How racks and equipment fill a container or cabinet, and what stands beside it.

use bess_telemetry::{Container, Product};
use bevy::math::Vec3;

use super::geometry::{Block, Texels, whole};
use super::layout::{Equipment, FLOOR, HvBox, Pack, Place, WALL, Wanted};

/// Space under the ceiling that cables, lamps and detectors take, m.
const CEILING: f32 = 0.16;
/// In front of racks, where coolant pipes run, m.
const AISLE: f32 = 0.09;
/// Between packs, upwards and sideways, m.
const GAP: [f32; 2] = [0.006, 0.010];
/// Height of an HV box if the catalogue has no size, m.
const HV_HEIGHT: f32 = 0.22;
/// A PCS cabinet if the catalogue has no size, m.
const PCS_SIZE: Vec3 = Vec3::new(1.1, 2.0, 0.8);
/// Between two containers of a site, sideways and behind one another, m.
const STREET: [f32; 2] = [3.0, 3.0];

/// How racks fill a container.
pub(super) struct Shape<'a> {
    /// What the description says of it.
    pub(super) of: &'a Container,
    size: Vec3,
    pack: Vec3,
    hv_height: f32,
    /// Cells of a row, and rows.
    pub(super) grid: [u32; 2],
    /// Rows of racks from front to back.
    rows: u32,
    /// Clusters of a row of racks.
    per_row: u32,
    /// Stacks of packs that a cluster takes.
    stacks: u32,
    /// Packs on top of one another.
    layers: u32,
}

impl<'a> Shape<'a> {
    pub(super) fn of(container: &'a Container) -> Self {
        let pack = size_of(&container.pack).unwrap_or(Vec3::new(0.6, 0.235, 0.8));
        let hv_height = size_of(&container.hv_box).map_or(HV_HEIGHT, |size| size.y);
        let rows_of_cells = container.cell_rows.max(1);
        let grid = [
            container.cells_per_pack.div_ceil(rows_of_cells).max(1),
            rows_of_cells,
        ];
        let (clusters, packs) = (container.clusters.max(1), container.packs_per_cluster.max(1));
        let mut shape = Self {
            of: container,
            size: size_of(&container.product).unwrap_or_default(),
            pack,
            hv_height,
            grid,
            rows: 1,
            per_row: clusters,
            stacks: 1,
            layers: packs,
        };
        let height = if shape.size.y > 0.0 { shape.size.y } else { 2.3 };
        let most = whole((height - FLOOR - CEILING - hv_height) / (pack.y + GAP[0]) - 0.2).max(1);
        shape.stacks = packs.div_ceil(most);
        shape.layers = packs.div_ceil(shape.stacks);
        if shape.size == Vec3::ZERO {
            shape.size = shape.least_size();
        }
        if !container.is_cabinet {
            let most = whole((shape.size.z - 2.0 * WALL) / pack.z).clamp(1, 3);
            shape.rows = (2.min(most)..=most)
                .find(|&rows| shape.fits(rows))
                .unwrap_or(most);
        }
        shape.per_row = clusters.div_ceil(shape.rows);
        shape
    }

    /// Length of racks, if there are so many rows of them, leaves room for a bay of equipment.
    fn fits(&self, rows: u32) -> bool {
        let room = self.size.x - 2.0 * WALL;
        let bay = if room > 4.0 { 1.5 } else { 0.7 };
        self.rack_width() * self.of.clusters.div_ceil(rows) as f32 <= room - bay
    }

    /// Width of the stacks of a cluster.
    fn rack_width(&self) -> f32 {
        (self.pack.x + GAP[1]) * self.stacks as f32
    }

    /// A cabinet around its packs, PCS above them and cooling below.
    fn least_size(&self) -> Vec3 {
        let packs = (self.pack.y + GAP[0]) * self.layers as f32 + self.hv_height;
        Vec3::new(
            self.rack_width() * self.of.clusters as f32 + 2.0 * WALL + 0.08,
            FLOOR + packs + 0.36 + 0.42 + CEILING,
            self.pack.z + 2.0 * WALL + 0.2,
        )
    }

    /// Its length.
    pub(super) fn width(&self) -> f32 {
        self.size.x
    }

    /// The ground it takes on a site with what stands at its side, streets included.
    pub(super) fn footprint(&self, side: f32) -> Vec3 {
        Vec3::new(self.size.x + side + STREET[0], 0.0, self.size.z + STREET[1])
    }

    /// Everything in its place, the container's foot here.
    pub(super) fn place(&self, foot: Vec3, summary: Texels, wanted: Wanted) -> Place {
        let shell = Block::standing(foot, self.size);
        let room = Block {
            min: shell.min + Vec3::new(WALL, FLOOR, WALL),
            max: shell.max - Vec3::splat(WALL),
        };
        let (packs, hv_boxes) = self.racks(&room, wanted);
        let equipment = if self.of.is_cabinet {
            self.in_cabinet(&shell, &room)
        } else {
            self.in_container(&shell, &room)
        };
        Place {
            tag: self.of.tag.clone(),
            is_cabinet: self.of.is_cabinet,
            is_liquid_cooled: self.of.is_liquid_cooled,
            shell,
            room,
            packs,
            hv_boxes,
            packs_per_cluster: self.of.packs_per_cluster,
            cells_per_pack: self.of.cells_per_pack,
            grid: self.grid,
            first_cell: self.of.first_cell,
            first_cluster: self.of.first_cluster,
            summary,
            equipment,
        }
    }

    /// Height of the lowest pack.
    fn lowest(&self, room: &Block) -> f32 {
        room.min.y + if self.of.is_cabinet { 0.44 } else { 0.14 }
    }

    fn racks(&self, room: &Block, wanted: Wanted) -> (Vec<Pack>, Vec<HvBox>) {
        let explode = wanted.explode;
        let (mut packs, mut hv_boxes) = (Vec::new(), Vec::new());
        let free = (room.max.z - room.min.z) - self.pack.z * self.rows as f32;
        let aisle = AISLE.min(free / 2.0);
        let between = if self.rows > 1 {
            (free - 2.0 * aisle) / (self.rows - 1) as f32
        } else {
            0.0
        };
        let pitch = self.pack + Vec3::new(GAP[1], GAP[0], 0.0);
        for cluster in 0..self.of.clusters {
            let (row, column) = (cluster / self.per_row, cluster % self.per_row);
            let is_turned = self.rows > 1 && row + 1 == self.rows;
            let left = room.min.x + 0.02 + column as f32 * self.rack_width();
            let front = if self.rows > 1 {
                room.max.z - aisle - row as f32 * (self.pack.z + between)
            } else {
                room.max.z - free / 2.0
            };
            let out = if is_turned { -1.0 } else { 1.0 };
            let corner = Vec3::new(left, self.lowest(room), front - self.pack.z);
            for pack in 0..self.of.packs_per_cluster {
                let (stack, layer) = (pack / self.layers, pack % self.layers);
                let pulled = if wanted.pulled == Some((cluster, pack)) {
                    self.pack.z
                } else {
                    0.0
                };
                let apart = (explode * 1.6 * (layer + 1) as f32 / self.layers as f32 + pulled) * out;
                let place = corner
                    + Vec3::new(stack as f32 * pitch.x, layer as f32 * pitch.y, apart)
                    + Vec3::new(0.0, explode * 0.12 * layer as f32, 0.0);
                let texels = Texels {
                    first: [cluster * self.grid[0], pack * self.grid[1]],
                    count: self.grid,
                };
                packs.push(Pack {
                    cluster,
                    pack,
                    block: Block::new(place, self.pack),
                    is_turned,
                    texels,
                });
            }
            let top = corner + Vec3::new(0.0, self.layers as f32 * pitch.y + 0.02, 0.0);
            let width = self.rack_width() - GAP[1];
            let size = size_of(&self.of.hv_box).unwrap_or(Vec3::new(width, self.hv_height, self.pack.z));
            let lift = Vec3::new(0.0, explode * 0.12 * self.layers as f32, 0.0);
            hv_boxes.push(HvBox {
                block: Block::new(top + lift, size),
                is_turned,
            });
        }
        (packs, hv_boxes)
    }

    fn in_container(&self, shell: &Block, room: &Block) -> Equipment {
        let racks_end = room.min.x + 0.02 + self.rack_width() * self.per_row as f32;
        let bay = Block {
            min: Vec3::new(racks_end + 0.04, room.min.y, room.min.z),
            max: room.max,
        };
        let (left, right) = (bay.min.x, bay.max.x);
        let wide = right - left;
        let cooling_width = (wide * 0.48).clamp(0.3, 0.85);
        let cooling_depth = (room.max.z - room.min.z) * 0.46;
        let cooling = Block::new(
            Vec3::new(
                right - cooling_width,
                room.min.y,
                room.max.z - cooling_depth - 0.06,
            ),
            Vec3::new(cooling_width, 1.75, cooling_depth),
        );
        let controls_width = (wide - cooling_width - 0.12).clamp(0.25, 0.7);
        let controls = Block::new(
            Vec3::new(left + 0.04, room.min.y, room.max.z - 0.5),
            Vec3::new(controls_width, 1.95, 0.44),
        );
        let ceiling = room.max.y;
        let along = |share: f32| room.min.x + (racks_end - room.min.x) * share;
        let middle = f32::midpoint(room.min.z, room.max.z);
        let ahead = shell.max.z;
        Equipment {
            pcs: self.outdoor_pcs(shell),
            grid: self.kiosk(shell),
            cooling,
            controls,
            cylinder: (Vec3::new(right - 0.22, room.min.y, room.min.z + 0.3), 1.3),
            vent: Vec3::new(right - 0.42, ceiling - 0.38, room.min.z),
            damper: Block::new(
                Vec3::new(left + 0.06, ceiling - 0.62, room.min.z - 0.01),
                Vec3::new((wide - 0.95).clamp(0.2, 0.6), 0.45, 0.02),
            ),
            door: Block::new(
                Vec3::new(shell.max.x - 0.03, shell.min.y + FLOOR, room.min.z + 0.3),
                Vec3::new(0.04, 2.15, 0.9),
            ),
            estop: Vec3::new(shell.max.x - 0.09, shell.min.y + 1.45, ahead + 0.03),
            beacon: Vec3::new(shell.max.x - 0.2, shell.max.y, ahead - 0.2),
            detectors: [0.22, 0.5, 0.78].map(|share| Vec3::new(along(share), ceiling, middle)),
            nozzles: [0.1, 0.36, 0.64, 0.9]
                .map(|share| Vec3::new(along(share), ceiling - 0.08, middle))
                .to_vec(),
        }
    }

    fn in_cabinet(&self, shell: &Block, room: &Block) -> Equipment {
        let top = self.lowest(room) + (self.pack.y + GAP[0]) * self.layers as f32 + self.hv_height;
        let inner = room.size();
        let middle = room.centre();
        let ceiling = room.max.y;
        let pcs = size_of(&self.of.pcs).unwrap_or(Vec3::new(inner.x - 0.1, 0.28, inner.z - 0.2));
        Equipment {
            pcs: vec![Block::standing(
                Vec3::new(middle.x, top + 0.05, middle.z),
                pcs.min(inner - 0.04),
            )],
            grid: self.kiosk(shell),
            cooling: Block::new(
                Vec3::new(room.min.x + 0.04, room.min.y, room.max.z - 0.62),
                Vec3::new(inner.x * 0.62, 0.4, 0.58),
            ),
            controls: Block::new(
                Vec3::new(room.min.x + inner.x * 0.68, room.min.y, room.max.z - 0.42),
                Vec3::new(inner.x * 0.3, 0.4, 0.38),
            ),
            cylinder: (Vec3::new(room.max.x - 0.1, room.min.y, room.min.z + 0.12), 0.42),
            vent: Vec3::new(middle.x, ceiling - 0.14, room.min.z),
            damper: Block::new(
                Vec3::new(room.min.x + 0.08, room.min.y + 0.06, room.min.z - 0.01),
                Vec3::new(inner.x * 0.4, 0.24, 0.02),
            ),
            door: Block::new(
                Vec3::new(shell.max.x - 0.02, shell.min.y + FLOOR, room.min.z + 0.05),
                Vec3::new(0.03, self.size.y - FLOOR - 0.12, inner.z - 0.1),
            ),
            estop: Vec3::new(shell.max.x - 0.045, shell.min.y + 1.35, shell.max.z + 0.02),
            beacon: Vec3::new(shell.max.x - 0.12, shell.max.y, shell.max.z - 0.12),
            detectors: [0.25, 0.5, 0.75]
                .map(|share| Vec3::new(room.min.x + inner.x * share, ceiling, room.max.z - 0.15)),
            nozzles: vec![Vec3::new(middle.x, ceiling - 0.05, middle.z)],
        }
    }

    /// PCS side by side, to the right of the container.
    fn outdoor_pcs(&self, shell: &Block) -> Vec<Block> {
        let size = size_of(&self.of.pcs).unwrap_or(PCS_SIZE);
        let count = self.of.pcs_count.max(1);
        let depth = size.z + 0.15;
        let first = shell.centre().z + depth * (count - 1) as f32 / 2.0;
        (0..count)
            .map(|n| {
                let foot = Vec3::new(
                    shell.max.x + 1.1 + size.x / 2.0,
                    shell.min.y + 0.15,
                    first - depth * n as f32,
                );
                Block::standing(foot, size)
            })
            .collect()
    }

    fn kiosk(&self, shell: &Block) -> Block {
        let pcs_width = size_of(&self.of.pcs).unwrap_or(PCS_SIZE).x;
        let beside = if self.of.is_cabinet {
            0.9
        } else {
            1.1 + pcs_width + 0.9
        };
        let size = if self.of.is_cabinet {
            Vec3::new(0.5, 1.2, 0.5)
        } else {
            Vec3::new(0.9, 1.5, 1.2)
        };
        Block::standing(
            Vec3::new(
                shell.max.x + beside + size.x / 2.0,
                shell.min.y + 0.15,
                shell.centre().z,
            ),
            size,
        )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "millimetres to metres, for pictures"
)]
pub(super) fn size_of(product: &Product) -> Option<Vec3> {
    product
        .size
        .map(|size| Vec3::new(size.width_mm as f32, size.height_mm as f32, size.depth_mm as f32) / 1000.0)
}
