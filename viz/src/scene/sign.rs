//! Flat drawings on the faces of devices: plates, lamps, switches.

use std::f32::consts::FRAC_PI_2;

use bevy::math::{Vec2, Vec3};

use super::colour::{Colour, INK, L2, L3, OFF, ON, PALE, UNKNOWN};
use super::geometry::{Block, Geometry, Side};
use super::state::Known;

/// A flat drawing on a face.
pub(super) struct Sign<'a> {
    pub(super) geometry: &'a mut Geometry,
    origin: Vec3,
    right: Vec3,
    up: Vec3,
    out: Vec3,
}

impl<'a> Sign<'a> {
    /// On a side of a block, from its middle, a little before it.
    pub(super) fn on(geometry: &'a mut Geometry, block: &Block, side: Side) -> Self {
        let out = side.normal();
        let [a, b, _, d] = side.corners(block);
        let origin = block.centre() + out * (block.size() * out).length() / 2.0;
        Self {
            geometry,
            origin,
            right: (b - a).normalize_or_zero(),
            up: (d - a).normalize_or_zero(),
            out,
        }
    }

    pub(super) fn at(&self, place: Vec2, layer: f32) -> Vec3 {
        self.origin + self.right * place.x + self.up * place.y + self.out * (0.004 + 0.003 * layer)
    }

    pub(super) fn rectangle(&mut self, centre: Vec2, size: Vec2, layer: f32, colour: Colour) {
        self.turned(centre, size, 0.0, layer, colour);
    }

    /// A rectangle turned around its middle.
    pub(super) fn turned(&mut self, centre: Vec2, size: Vec2, angle: f32, layer: f32, colour: Colour) {
        let turn = Vec2::from_angle(angle);
        let half = size / 2.0;
        let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
            .map(|(x, y)| self.at(centre + turn.rotate(half * Vec2::new(x, y)), layer));
        self.geometry.plain_quad(corners, colour);
    }

    pub(super) fn hollow(&mut self, centre: Vec2, size: Vec2, line: f32, layer: f32, colour: Colour) {
        let half = size / 2.0;
        for (x, y) in [(0.0, half.y), (0.0, -half.y)] {
            self.rectangle(
                centre + Vec2::new(x, y),
                Vec2::new(size.x + line, line),
                layer,
                colour,
            );
        }
        for (x, y) in [(half.x, 0.0), (-half.x, 0.0)] {
            self.rectangle(
                centre + Vec2::new(x, y),
                Vec2::new(line, size.y - line),
                layer,
                colour,
            );
        }
    }

    pub(super) fn disc(&mut self, centre: Vec2, radius: f32, layer: f32, colour: Colour) {
        let at = self.at(centre, layer);
        self.geometry.disc(at, radius, self.out, colour);
    }

    /// A pole of a switch, `size` long: bridged when closed, a blade that stands off when open.
    pub(super) fn switch(&mut self, centre: Vec2, size: f32, look: Look) {
        let post = Vec2::new(size * 0.16, size * 0.30);
        for end in [-0.5, 0.5] {
            self.rectangle(centre + Vec2::new(end * size, 0.0), post, 1.0, INK);
        }
        let bar = Vec2::new(size * 0.9, size * 0.22);
        match look {
            Look::Closed => self.rectangle(centre, bar, 2.0, ON),
            Look::Open => {
                let angle = 0.75_f32;
                let hinge = centre - Vec2::new(size * 0.5, 0.0);
                let reach = Vec2::from_angle(angle) * size * 0.40;
                self.turned(hinge + reach, Vec2::new(size * 0.8, size * 0.10), angle, 2.0, OFF);
            }
            Look::Unknown => self.rectangle(centre, bar, 2.0, UNKNOWN.hatched()),
            Look::Disagrees { closed } => {
                let filled = if closed { L2 } else { PALE };
                self.rectangle(centre, bar + Vec2::splat(size * 0.10), 2.0, INK);
                self.rectangle(centre, bar, 3.0, filled);
                self.turned(centre, Vec2::new(size * 0.5, size * 0.10), FRAC_PI_2, 4.0, L2);
            }
            Look::Welded => {
                self.rectangle(centre, bar, 2.0, ON);
                for angle in [0.7, -0.7] {
                    self.turned(centre, Vec2::new(size * 0.62, size * 0.10), angle, 3.0, L3);
                }
            }
        }
    }

    /// Two lines crosswise.
    pub(super) fn cross(&mut self, centre: Vec2, size: f32, layer: f32, colour: Colour) {
        for angle in [0.785, -0.785] {
            self.turned(centre, Vec2::new(size, size * 0.16), angle, layer, colour);
        }
    }
}

/// How a switch looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Look {
    Closed,
    Open,
    Unknown,
    /// It is not as it is told to be.
    Disagrees {
        closed: bool,
    },
    Welded,
}

impl Look {
    pub(super) fn of(closed: Known, driven: Known, welded: bool) -> Self {
        match (closed, driven) {
            _ if welded => Self::Welded,
            (None, _) => Self::Unknown,
            (Some(closed), Some(driven)) if closed != driven => Self::Disagrees { closed },
            (Some(true), _) => Self::Closed,
            (Some(false), _) => Self::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contactor_that_is_not_as_told_is_shown_as_such() {
        assert_eq!(
            Look::of(Some(true), Some(false), false),
            Look::Disagrees { closed: true }
        );
        assert_eq!(
            Look::of(Some(false), Some(true), false),
            Look::Disagrees { closed: false }
        );
        assert_eq!(Look::of(Some(true), None, false), Look::Closed);
        assert_eq!(Look::of(Some(true), Some(true), true), Look::Welded);
    }
}
