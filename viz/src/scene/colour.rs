//! Colours of the plant, for the renderer. Those of data and of alarms are the model's. Grey is normal; no state is told by
//! colour alone.

use crate::model::Level;
use crate::model::colour::{self, Rgb};

/// A colour with opacity, as on the screen (sRGB).
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colour {
    /// Red, green, blue, 0 to 1.
    pub rgb: [f32; 3],
    /// Opacity, 0 to 1; of opaque things, what their faces are like.
    pub alpha: f32,
}

impl Colour {
    /// From `0xRRGGBB`.
    pub const fn rgb(hex: u32) -> Self {
        Self {
            rgb: [byte(hex >> 16), byte(hex >> 8), byte(hex)],
            alpha: 1.0,
        }
    }

    /// From bytes.
    pub const fn of([red, green, blue]: Rgb) -> Self {
        Self {
            rgb: [byte(red as u32), byte(green as u32), byte(blue as u32)],
            alpha: 1.0,
        }
    }

    /// The same, more or less opaque.
    pub const fn with_alpha(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    /// Of an opaque thing: hatched, as what is unknown.
    pub const fn hatched(self) -> Self {
        self.with_alpha(0.5)
    }

    /// Of an opaque thing: as it is, without light; for lamps and signs.
    pub const fn glowing(self) -> Self {
        self.with_alpha(0.25)
    }

    /// Darker (below 1) or lighter.
    pub fn times(self, factor: f32) -> Self {
        Self {
            rgb: self.rgb.map(|channel| (channel * factor).clamp(0.0, 1.0)),
            ..self
        }
    }

    /// Between this (0) and another (1).
    pub fn towards(self, other: Self, share: f32) -> Self {
        let mix = |n: usize| self.rgb[n] + (other.rgb[n] - self.rgb[n]) * share;
        Self {
            rgb: [mix(0), mix(1), mix(2)],
            alpha: self.alpha + (other.alpha - self.alpha) * share,
        }
    }

    /// For the renderer, which reckons in linear light.
    pub fn linear(self) -> [f32; 4] {
        let [r, g, b] = self.rgb.map(|channel| {
            if channel <= 0.040_45 {
                channel / 12.92
            } else {
                ((channel + 0.055) / 1.055).powf(2.4)
            }
        });
        [r, g, b, self.alpha]
    }

    /// As bytes, without opacity.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a byte"
    )]
    pub fn bytes(self) -> [u8; 3] {
        self.rgb
            .map(|channel| (channel.clamp(0.0, 1.0) * 255.0 + 0.5) as u8)
    }

    /// Grey of the same lightness.
    pub fn grey(self) -> Self {
        let [r, g, b] = self.rgb;
        Self {
            rgb: [0.299 * r + 0.587 * g + 0.114 * b; 3],
            ..self
        }
    }
}

const fn byte(hex: u32) -> f32 {
    (hex & 0xff) as f32 / 255.0
}

/// Behind everything.
pub const BACKGROUND: Colour = Colour::of(colour::VIEWPORT);
/// Ground.
pub const GROUND: Colour = Colour::of(colour::FLOOR);
/// Steel of a container.
pub const SHELL: Colour = Colour::rgb(0xdd_df_e0);
/// Frames, racks, plinths.
pub const FRAME: Colour = Colour::rgb(0x9a_9f_a3);
/// A cabinet.
pub const CABINET: Colour = Colour::rgb(0xb4_b8_bb);
/// Equipment without power.
pub const OFF: Colour = Colour::of(colour::DEAD);
/// Equipment with power.
pub const ON: Colour = Colour::of(colour::ENERGISED);
/// Text, outlines.
pub const INK: Colour = Colour::of(colour::TEXT);
/// A recess, a screen.
pub const DARK: Colour = Colour::rgb(0x33_37_3b);
/// Nearly white.
pub const PALE: Colour = Colour::rgb(0xf2_f3_f4);
/// Level 3, fault.
pub const L3: Colour = Colour::of(colour::of_level(Level::L3));
/// Level 2, alarm.
pub const L2: Colour = Colour::of(colour::of_level(Level::L2));
/// Level 1, warning.
pub const L1: Colour = Colour::of(colour::of_level(Level::L1));
/// Selection.
pub const SELECTED: Colour = Colour::of(colour::SELECTION);
/// Nothing is known.
pub const UNKNOWN: Colour = Colour::of(colour::UNKNOWN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_survives_the_way_there_and_back() {
        assert_eq!(Colour::rgb(0x12_80_ff).bytes(), [0x12, 0x80, 0xff]);
    }
}
