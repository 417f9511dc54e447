//! Triangles with flat colours, built by hand: boxes, tubes, discs, arrows.
//!
//! One vertex layout serves everything that is drawn, so that a scene is a handful of meshes and not thousands of entities.
//! Colours are linear. What the fourth component and the UV mean is said at the methods that set them.

use std::f32::consts::TAU;

use bevy::asset::RenderAssetUsages;
use bevy::math::{Quat, Vec2, Vec3};
use bevy::mesh::{Indices, Mesh, PrimitiveTopology};

use super::colour::Colour;

/// An axis-aligned box, m.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Block {
    /// Its corner with the lowest coordinates.
    pub min: Vec3,
    /// Its corner with the highest coordinates.
    pub max: Vec3,
}

impl Block {
    /// From its lowest corner and its size.
    pub fn new(min: Vec3, size: Vec3) -> Self {
        Self { min, max: min + size }
    }

    /// From the middle of its bottom and its size.
    pub fn standing(foot: Vec3, size: Vec3) -> Self {
        Self::new(foot - Vec3::new(size.x / 2.0, 0.0, size.z / 2.0), size)
    }

    /// From its middle and its size.
    pub fn around(centre: Vec3, size: Vec3) -> Self {
        Self::new(centre - size / 2.0, size)
    }

    /// Width, height, depth.
    pub fn size(&self) -> Vec3 {
        self.max - self.min
    }

    /// Its middle.
    pub fn centre(&self) -> Vec3 {
        (self.min + self.max) / 2.0
    }

    /// The same, elsewhere.
    pub fn moved(&self, by: Vec3) -> Self {
        Self {
            min: self.min + by,
            max: self.max + by,
        }
    }

    /// Larger by so much on every side.
    pub fn grown(&self, by: f32) -> Self {
        Self {
            min: self.min - by,
            max: self.max + by,
        }
    }

    /// The least box that holds both.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Where a ray enters: distance and the face's outward normal. None if it misses, or begins inside.
    pub fn hit(&self, origin: Vec3, direction: Vec3) -> Option<(f32, Vec3)> {
        let inverse = direction.recip();
        let (a, b) = ((self.min - origin) * inverse, (self.max - origin) * inverse);
        let (near, far) = (a.min(b), a.max(b));
        let enter = near.max_element();
        if enter < 0.0 || enter > far.min_element() {
            return None;
        }
        let axis = near.max_position();
        let mut normal = Vec3::ZERO;
        normal[axis] = -direction[axis].signum();
        Some((enter, normal))
    }
}

/// A side of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Towards +x.
    Right,
    /// Towards -x.
    Left,
    /// Towards +y.
    Top,
    /// Towards -y.
    Bottom,
    /// Towards +z.
    Front,
    /// Towards -z.
    Back,
}

impl Side {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Right,
        Self::Left,
        Self::Top,
        Self::Bottom,
        Self::Front,
        Self::Back,
    ];

    /// Its outward normal.
    pub const fn normal(self) -> Vec3 {
        match self {
            Self::Right => Vec3::X,
            Self::Left => Vec3::NEG_X,
            Self::Top => Vec3::Y,
            Self::Bottom => Vec3::NEG_Y,
            Self::Front => Vec3::Z,
            Self::Back => Vec3::NEG_Z,
        }
    }

    /// Corners of this side of a block as seen from outside: lower left, lower right, upper right, upper left.
    pub fn corners(self, block: &Block) -> [Vec3; 4] {
        let (a, b) = (block.min, block.max);
        match self {
            Self::Right => [(b.x, a.y, b.z), (b.x, a.y, a.z), (b.x, b.y, a.z), (b.x, b.y, b.z)],
            Self::Left => [(a.x, a.y, a.z), (a.x, a.y, b.z), (a.x, b.y, b.z), (a.x, b.y, a.z)],
            Self::Top => [(a.x, b.y, b.z), (b.x, b.y, b.z), (b.x, b.y, a.z), (a.x, b.y, a.z)],
            Self::Bottom => [(a.x, a.y, a.z), (b.x, a.y, a.z), (b.x, a.y, b.z), (a.x, a.y, b.z)],
            Self::Front => [(a.x, a.y, b.z), (b.x, a.y, b.z), (b.x, b.y, b.z), (a.x, b.y, b.z)],
            Self::Back => [(b.x, a.y, a.z), (a.x, a.y, a.z), (a.x, b.y, a.z), (b.x, b.y, a.z)],
        }
        .map(Vec3::from)
    }
}

/// Cells on a face: a rectangle of the cell texture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Texels {
    /// Column and row of its first texel.
    pub first: [u32; 2],
    /// Columns and rows.
    pub count: [u32; 2],
}

/// Triangles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Geometry {
    /// Corners, m.
    pub positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    uvs: Vec<[f32; 2]>,
    colours: Vec<[f32; 4]>,
    indices: Vec<u32>,
}

/// Corners of a quad whose lines are drawn.
const EDGED: [[f32; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
/// A quad without lines.
const PLAIN: [[f32; 2]; 4] = [[0.5, 0.5]; 4];
/// A quad that fades away from its middle, which is at (4, 4); for translucent things only.
const FADING: [[f32; 2]; 4] = [[3.0, 3.0], [5.0, 3.0], [5.0, 5.0], [3.0, 5.0]];

impl Geometry {
    /// How many triangles.
    pub fn triangles(&self) -> usize {
        self.indices.len() / 3
    }

    /// Mean opacity of its corners.
    #[cfg(test)]
    pub(super) fn opacity(&self) -> f32 {
        let sum: f32 = self.colours.iter().map(|[.., alpha]| alpha).sum();
        sum / self.colours.len().max(1) as f32
    }

    fn corner(&mut self, position: Vec3, normal: Vec3, uv: [f32; 2], colour: [f32; 4]) {
        self.positions.push(position.into());
        self.normals.push(normal.into());
        self.uvs.push(uv);
        self.colours.push(colour);
    }

    fn face(&mut self, corners: [Vec3; 4], uvs: [[f32; 2]; 4], colours: [[f32; 4]; 4]) {
        let first = self.next();
        let normal = (corners[1] - corners[0])
            .cross(corners[3] - corners[0])
            .normalize_or_zero();
        for n in 0..4 {
            self.corner(corners[n], normal, uvs[n], colours[n]);
        }
        self.indices.extend([0, 1, 2, 0, 2, 3].map(|n| first + n));
    }

    fn next(&self) -> u32 {
        u32::try_from(self.positions.len()).unwrap_or(u32::MAX)
    }

    /// A quad with thin darker edges; corners counter-clockwise.
    pub fn quad(&mut self, corners: [Vec3; 4], colour: Colour) {
        self.face(corners, EDGED, [colour.linear(); 4]);
    }

    /// A quad without edges.
    pub fn plain_quad(&mut self, corners: [Vec3; 4], colour: Colour) {
        self.face(corners, PLAIN, [colour.linear(); 4]);
    }

    /// A quad without edges whose corners have colours of their own.
    pub fn blend_quad(&mut self, corners: [Vec3; 4], colours: [Colour; 4]) {
        self.face(corners, PLAIN, colours.map(Colour::linear));
    }

    /// A quad that fades from its middle to its edges.
    pub fn puff(&mut self, centre: Vec3, right: Vec3, up: Vec3, colour: Colour) {
        let corners = [
            centre - right - up,
            centre + right - up,
            centre + right + up,
            centre - right + up,
        ];
        self.face(corners, FADING, [colour.linear(); 4]);
    }

    /// A side of a block that shows cells, with a margin of `margin` texels around them. Turned: columns run upwards.
    pub fn cells(&mut self, corners: [Vec3; 4], texels: Texels, margin: Vec2, turned: bool) {
        let [u0, v0, columns, rows] =
            [texels.first[0], texels.first[1], texels.count[0], texels.count[1]].map(|n| n as f32);
        let (left, right) = (-margin.x, columns + margin.x);
        let (low, high) = (-margin.y, rows + margin.y);
        let uvs = if turned {
            [[left, low], [left, high], [right, high], [right, low]]
        } else {
            [[left, low], [right, low], [right, high], [left, high]]
        };
        self.face(corners, uvs, [[u0, v0, columns, -rows]; 4]);
    }

    /// A box.
    pub fn block(&mut self, block: &Block, colour: Colour) {
        for side in Side::ALL {
            self.quad(side.corners(block), colour);
        }
    }

    /// A box without some of its sides.
    pub fn block_without(&mut self, block: &Block, without: &[Side], colour: Colour) {
        for side in Side::ALL.into_iter().filter(|side| !without.contains(side)) {
            self.quad(side.corners(block), colour);
        }
    }

    /// The inner sides of a box: seen only from within, or through a side that faces away.
    pub fn inside(&mut self, block: &Block, sides: &[Side], colour: Colour) {
        for side in sides {
            let [a, b, c, d] = side.corners(block);
            self.quad([b, a, d, c], colour);
        }
    }

    /// The twelve edges of a box as beams.
    pub fn frame(&mut self, block: &Block, thickness: f32, colour: Colour) {
        let (a, b, t) = (block.min, block.max, thickness);
        for (x, z) in [(a.x, a.z), (b.x - t, a.z), (a.x, b.z - t), (b.x - t, b.z - t)] {
            self.block(
                &Block::new(Vec3::new(x, a.y, z), Vec3::new(t, b.y - a.y, t)),
                colour,
            );
        }
        for y in [a.y, b.y - t] {
            for z in [a.z, b.z - t] {
                let beam = Block::new(Vec3::new(a.x + t, y, z), Vec3::new(b.x - a.x - 2.0 * t, t, t));
                self.block_without(&beam, &[Side::Left, Side::Right], colour);
            }
            for x in [a.x, b.x - t] {
                let beam = Block::new(Vec3::new(x, y, a.z + t), Vec3::new(t, t, b.z - a.z - 2.0 * t));
                self.block_without(&beam, &[Side::Front, Side::Back], colour);
            }
        }
    }

    /// A straight tube or cone from `from` to `to`; its ends are closed where their radius is not 0.
    pub fn tube(&mut self, from: Vec3, to: Vec3, radii: [f32; 2], sides: u32, colour: Colour) {
        let axis = (to - from).normalize_or_zero();
        let right = axis.any_orthonormal_vector();
        let up = axis.cross(right);
        let colour = colour.linear();
        let first = self.next();
        for n in 0..=sides {
            let out = around(n, sides, right, up);
            // a cone's normals lean; that of the shaft is near enough for the light there is
            self.corner(from + out * radii[0], out, [0.5, 0.5], colour);
            self.corner(to + out * radii[1], out, [0.5, 0.5], colour);
        }
        for n in 0..sides {
            let at = first + 2 * n;
            self.indices.extend([at, at + 2, at + 1, at + 1, at + 2, at + 3]);
        }
        for (centre, radius, normal) in [(from, radii[0], -axis), (to, radii[1], axis)] {
            if radius > 0.0 {
                self.fan(centre, radius, normal, sides, colour);
            }
        }
    }

    /// A disc.
    pub fn disc(&mut self, centre: Vec3, radius: f32, normal: Vec3, colour: Colour) {
        self.fan(centre, radius, normal, 24, colour.linear());
    }

    fn fan(&mut self, centre: Vec3, radius: f32, normal: Vec3, sides: u32, colour: [f32; 4]) {
        let right = normal.any_orthonormal_vector();
        let up = normal.cross(right);
        let first = self.next();
        self.corner(centre, normal, [0.5, 0.5], colour);
        for n in 0..=sides {
            self.corner(
                centre + around(n, sides, right, up) * radius,
                normal,
                [0.5, 0.5],
                colour,
            );
        }
        for n in 1..=sides {
            self.indices.extend([first, first + n, first + n + 1]);
        }
    }

    /// A flat ring.
    pub fn ring(&mut self, centre: Vec3, radii: [f32; 2], normal: Vec3, colour: Colour) {
        const SIDES: u32 = 32;
        let right = normal.any_orthonormal_vector();
        let up = normal.cross(right);
        let first = self.next();
        for n in 0..=SIDES {
            let out = around(n, SIDES, right, up);
            self.corner(centre + out * radii[0], normal, [0.5, 0.5], colour.linear());
            self.corner(centre + out * radii[1], normal, [0.5, 0.5], colour.linear());
        }
        for n in 0..SIDES {
            let at = first + 2 * n;
            self.indices.extend([at, at + 1, at + 2, at + 1, at + 3, at + 2]);
        }
    }

    /// Half a ball, bulging along `normal`.
    pub fn dome(&mut self, centre: Vec3, radius: f32, normal: Vec3, flatness: f32, colour: Colour) {
        const STEPS: u32 = 5;
        const SIDES: u32 = 20;
        let right = normal.any_orthonormal_vector();
        let up = normal.cross(right);
        let first = self.next();
        for step in 0..=STEPS {
            let angle = TAU / 4.0 * ratio(step, STEPS);
            for n in 0..=SIDES {
                let out = around(n, SIDES, right, up) * angle.cos() + normal * angle.sin();
                let reach = around(n, SIDES, right, up) * angle.cos() + normal * (angle.sin() * flatness);
                self.corner(centre + reach * radius, out, [0.5, 0.5], colour.linear());
            }
        }
        for step in 0..STEPS {
            for n in 0..SIDES {
                let at = first + step * (SIDES + 1) + n;
                let above = at + SIDES + 1;
                self.indices.extend([at, at + 1, above, at + 1, above + 1, above]);
            }
        }
    }

    /// A pipe through points.
    pub fn pipe(&mut self, points: &[Vec3], radius: f32, colour: Colour) {
        for pair in points.windows(2) {
            self.tube(pair[0], pair[1], [radius; 2], 12, colour);
        }
        for &bend in points.iter().skip(1).take(points.len().saturating_sub(2)) {
            self.dome(bend, radius, Vec3::Y, 1.0, colour);
            self.dome(bend, radius, Vec3::NEG_Y, 1.0, colour);
        }
    }

    /// A flat arrow that lies on the plane with this normal.
    pub fn arrow(&mut self, from: Vec3, to: Vec3, width: f32, normal: Vec3, colour: Colour) {
        let along = to - from;
        let head = along.normalize_or_zero() * (width * 1.5).min(along.length() * 0.6);
        let side = along.normalize_or_zero().cross(normal) * (width / 2.0);
        let neck = to - head;
        self.plain_quad([from + side, neck + side, neck - side, from - side], colour);
        self.triangle([neck + side * 2.2, to, neck - side * 2.2], colour);
    }

    /// A triangle without edges; corners counter-clockwise.
    pub fn triangle(&mut self, corners: [Vec3; 3], colour: Colour) {
        let normal = (corners[1] - corners[0])
            .cross(corners[2] - corners[0])
            .normalize_or_zero();
        let first = self.next();
        for corner in corners {
            self.corner(corner, normal, [0.5, 0.5], colour.linear());
        }
        self.indices.extend([0, 1, 2].map(|n| first + n));
    }

    /// Takes in other triangles, turned and then moved.
    pub fn add(&mut self, other: &Self, turn: Quat, place: Vec3) {
        let first = self.next();
        self.positions.extend(
            other
                .positions
                .iter()
                .map(|p| (turn * Vec3::from(*p) + place).to_array()),
        );
        self.normals
            .extend(other.normals.iter().map(|n| (turn * Vec3::from(*n)).to_array()));
        self.uvs.extend(&other.uvs);
        self.colours.extend(&other.colours);
        self.indices.extend(other.indices.iter().map(|n| first + n));
    }

    /// Sorts quads so that those farther from the eye are drawn first: what is translucent must be. Quads only.
    pub fn sort_from(&mut self, eye: Vec3) {
        let far = |quad: &[u32]| {
            let middle = (self.at(quad[0]) + self.at(quad[2])) / 2.0;
            middle.distance_squared(eye)
        };
        let mut quads: Vec<(f32, [u32; 6])> = self
            .indices
            .chunks_exact(6)
            .filter_map(|quad| Some((far(quad), quad.try_into().ok()?)))
            .collect();
        quads.sort_by(|a, b| b.0.total_cmp(&a.0));
        self.indices = quads.into_iter().flat_map(|(_, quad)| quad).collect();
    }

    fn at(&self, index: u32) -> Vec3 {
        self.positions
            .get(index as usize)
            .copied()
            .unwrap_or_default()
            .into()
    }

    /// As a mesh.
    pub fn mesh(self) -> Mesh {
        Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD)
            .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, self.positions)
            .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, self.normals)
            .with_inserted_attribute(Mesh::ATTRIBUTE_UV_0, self.uvs)
            .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, self.colours)
            .with_inserted_indices(Indices::U32(self.indices))
    }
}

fn around(n: u32, sides: u32, right: Vec3, up: Vec3) -> Vec3 {
    let (sin, cos) = (TAU * ratio(n, sides)).sin_cos();
    right * cos + up * sin
}

fn ratio(n: u32, of: u32) -> f32 {
    n as f32 / of as f32
}

/// Whole units of a length or count; 0 of a negative one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small count"
)]
pub(super) fn whole(x: f32) -> u32 {
    x.max(0.0) as u32
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    const GREY: Colour = Colour::rgb(0x80_80_80);

    /// Every triangle's winding agrees with the normals of its corners: else the light is wrong or it is culled.
    fn wound(geometry: &Geometry) {
        for triangle in geometry.indices.chunks_exact(3) {
            let [a, b, c] = [0, 1, 2].map(|n| geometry.at(triangle[n]));
            let normal = Vec3::from(geometry.normals[triangle[0] as usize]);
            let across = (b - a).cross(c - a);
            assert!(
                across.length() < 1e-6 || across.dot(normal) > 0.0,
                "{a} {b} {c} {normal}"
            );
        }
    }

    #[test]
    fn shapes_face_outwards() {
        let mut geometry = Geometry::default();
        geometry.block(&Block::new(Vec3::ONE, Vec3::splat(2.0)), GREY);
        geometry.frame(&Block::new(Vec3::ZERO, Vec3::new(6.0, 3.0, 2.0)), 0.1, GREY);
        geometry.tube(Vec3::ZERO, Vec3::new(0.3, 1.0, 2.0), [0.1, 0.1], 12, GREY);
        geometry.disc(Vec3::ZERO, 1.0, Vec3::Z, GREY);
        geometry.ring(Vec3::ZERO, [0.5, 1.0], Vec3::Y, GREY);
        geometry.dome(Vec3::ZERO, 1.0, Vec3::NEG_X, 0.5, GREY);
        geometry.arrow(Vec3::ZERO, Vec3::X, 0.1, Vec3::Y, GREY);
        let quads = geometry.clone();
        wound(&quads);
        let sides: Vec<Vec3> = Side::ALL.iter().map(|side| side.normal()).collect();
        for (quad, normal) in geometry.normals.chunks(4).zip(sides) {
            assert_eq!(Vec3::from(quad[0]), normal);
        }
    }

    #[test]
    fn a_ray_enters_a_block_where_it_should() {
        let block = Block::new(Vec3::ZERO, Vec3::ONE);
        let (far, normal) = block.hit(Vec3::new(0.5, 0.5, 3.0), Vec3::NEG_Z).unwrap();
        assert!((far - 2.0).abs() < 1e-6);
        assert_eq!(normal, Vec3::Z);
        assert!(block.hit(Vec3::new(1.5, 0.5, 3.0), Vec3::NEG_Z).is_none());
        assert!(block.hit(Vec3::new(0.5, 0.5, 3.0), Vec3::Z).is_none(), "behind");
    }

    #[test]
    fn translucent_quads_are_drawn_from_far_to_near() {
        let mut geometry = Geometry::default();
        for z in [3.0, 1.0, 2.0] {
            geometry.puff(Vec3::new(0.0, 0.0, z), Vec3::X, Vec3::Y, GREY);
        }
        geometry.sort_from(Vec3::ZERO);
        let order: Vec<f32> = geometry
            .indices
            .chunks(6)
            .map(|quad| geometry.at(quad[0]).z)
            .collect();
        assert_eq!(order, [3.0, 2.0, 1.0]);
    }
}
