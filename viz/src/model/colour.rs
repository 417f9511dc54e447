//! Colours of data and of states: even to the eye, ordered by lightness, safe for colour-vision deficiency.

use bess_telemetry::Cells;

use super::alarms::Level;
use super::view::Quantity;

/// A colour, sRGB.
pub type Rgb = [u8; 3];

/// Of panels.
pub const PANEL: Rgb = [0xE4, 0xE5, 0xE6];
/// Of the field behind the scene.
pub const VIEWPORT: Rgb = [0xCF, 0xD2, 0xD4];
/// Of the ground.
pub const FLOOR: Rgb = [0xBF, 0xC2, 0xC4];
/// Of text and outlines.
pub const TEXT: Rgb = [0x1B, 0x1D, 0x1F];
/// Of labels.
pub const SECONDARY: Rgb = [0x4A, 0x4E, 0x52];
/// Of equipment without energy: thin and hollow.
pub const DEAD: Rgb = [0x8A, 0x8F, 0x94];
/// Of equipment with energy: thick and filled.
pub const ENERGISED: Rgb = [0x4F, 0x54, 0x59];
/// Of what was injected.
pub const INJECTED: Rgb = [0x1F, 0x5F, 0xA8];
/// Of the selection.
pub const SELECTION: Rgb = [0x00, 0x70, 0x7F];
/// Of unknown values, under hatching.
pub const UNKNOWN: Rgb = [0xB4, 0xB8, 0xBB];

/// Colour of a level's badge.
pub const fn of_level(level: Level) -> Rgb {
    match level {
        Level::R => [0xA0, 0x20, 0x8C],
        Level::L1 => [0xF2, 0xC5, 0x00],
        Level::L2 => [0xE0, 0x70, 0x00],
        Level::L3 => [0xC8, 0x10, 0x2E],
    }
}

/// Cividis in ten steps.
const CIVIDIS: [Rgb; 10] = [
    [0x00, 0x20, 0x4D],
    [0x00, 0x33, 0x6F],
    [0x39, 0x48, 0x6B],
    [0x57, 0x5C, 0x6D],
    [0x70, 0x71, 0x73],
    [0x8A, 0x87, 0x79],
    [0xA6, 0x9D, 0x75],
    [0xC4, 0xB5, 0x6C],
    [0xE4, 0xCF, 0x5B],
    [0xFF, 0xEA, 0x46],
];
/// Vik, diverging, in nine steps.
const VIK: [Rgb; 9] = [
    [0x00, 0x12, 0x61],
    [0x02, 0x4D, 0x89],
    [0x33, 0x80, 0xAA],
    [0x8F, 0xBA, 0xD1],
    [0xEC, 0xE5, 0xE0],
    [0xDD, 0xAF, 0x93],
    [0xC3, 0x72, 0x46],
    [0x94, 0x34, 0x0C],
    [0x59, 0x00, 0x08],
];
/// One hue, from pale to dark.
const BLUES: [Rgb; 3] = [[0xDC, 0xE3, 0xEA], [0x7F, 0x9B, 0xB5], [0x1B, 0x3A, 0x5C]];

/// Colour at a place 0 to 1 of a quantity's map.
pub fn of_share(quantity: Quantity, share: f32) -> Rgb {
    match quantity {
        // never as far as the yellow of a warning
        Quantity::Temperature | Quantity::Voltage => along(&CIVIDIS, share * 0.8),
        Quantity::TemperatureDeviation | Quantity::VoltageDeviation | Quantity::Current => along(&VIK, share),
        Quantity::Soc => along(&BLUES, share),
        Quantity::Balancing | Quantity::Alarm => along(&[[0xC9, 0xCD, 0xD1], SECONDARY], share),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "both are within 0 and the number of steps"
)]
fn along(steps: &[Rgb], share: f32) -> Rgb {
    let at = share.clamp(0.0, 1.0) * (steps.len() - 1) as f32;
    let low = (at.floor() as usize).min(steps.len().saturating_sub(2));
    let part = at - low as f32;
    std::array::from_fn(|n| {
        let (a, b) = (f32::from(steps[low][n]), f32::from(steps[low + 1][n]));
        (a + (b - a) * part).round() as u8
    })
}

/// A colour between two.
pub fn mix(a: Rgb, b: Rgb, part: f32) -> Rgb {
    along(&[a, b], part)
}

/// What a legend says of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Name.
    pub name: &'static str,
    /// Unit; empty for states.
    pub unit: &'static str,
    /// Value at the lower end.
    pub low: f32,
    /// Value at the upper end.
    pub high: f32,
    /// Decimals that are shown.
    pub decimals: usize,
}

impl Scale {
    /// The fixed one of a quantity.
    pub const fn fixed(quantity: Quantity) -> Self {
        let (name, unit, low, high, decimals) = match quantity {
            Quantity::Temperature => ("cell temperature", "°C", 15.0, 45.0, 1),
            Quantity::TemperatureDeviation => ("temperature − cluster mean", "K", -5.0, 5.0, 1),
            Quantity::Voltage => ("cell voltage", "V", 2.8, 3.6, 3),
            Quantity::VoltageDeviation => ("voltage − cluster mean", "mV", -50.0, 50.0, 0),
            Quantity::Soc => ("state of charge", "%", 0.0, 100.0, 1),
            Quantity::Current => ("cluster current", "A", -200.0, 200.0, 1),
            Quantity::Balancing => ("balancing", "", 0.0, 1.0, 0),
            Quantity::Alarm => ("alarm", "", 0.0, 1.0, 0),
        };
        Self {
            name,
            unit,
            low,
            high,
            decimals,
        }
    }

    /// Place of a value between both ends, clamped to 0 and 1.
    pub fn share(&self, value: f32) -> f32 {
        let span = self.high - self.low;
        if span > 0.0 {
            ((value - self.low) / span).clamp(0.0, 1.0)
        } else {
            0.5
        }
    }

    /// Least span of a range around values: below it differences say nothing.
    fn least(&self) -> f32 {
        match self.unit {
            "V" => 0.01,
            "mV" => 10.0,
            _ => 1.0,
        }
    }

    /// With ends at round values around all `values`, or at the least span with them in its middle; unchanged without any.
    #[must_use]
    pub fn around(self, values: impl Iterator<Item = f32>) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        if low > high {
            return self;
        }
        let least = self.least();
        if high - low < least {
            let middle = f32::midpoint(low, high);
            return Self {
                low: middle - least / 2.0,
                high: middle + least / 2.0,
                ..self
            };
        }
        let step = 10_f32.powf((high - low).log10().floor()) / 2.0;
        Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            ..self
        }
    }
}

/// Values of a quantity for every cell, in the order of the frame; NaN where there is none.
pub fn values(quantity: Quantity, cells: &Cells, cluster_of: impl Fn(usize) -> Option<usize>) -> Vec<f32> {
    let against_mean = |row: &[f32], factor: f32| {
        let mut sums: Vec<(f32, u32)> = vec![(0.0, 0); cells.cluster_current.len()];
        let of: Vec<_> = (0..row.len()).map(&cluster_of).collect();
        for (value, cluster) in row.iter().zip(&of) {
            if let Some((sum, count)) = cluster.and_then(|n| sums.get_mut(n)) {
                *sum += value;
                *count += 1;
            }
        }
        let mean = |cluster: usize| {
            let (sum, count) = sums.get(cluster)?;
            Some(sum / (*count).max(1) as f32)
        };
        let rows = row.iter().zip(of);
        rows.map(|(value, cluster)| {
            cluster
                .and_then(mean)
                .map_or(f32::NAN, |mean| (value - mean) * factor)
        })
        .collect()
    };
    match quantity {
        Quantity::Temperature => cells.temperature.clone(),
        Quantity::TemperatureDeviation => against_mean(&cells.temperature, 1.0),
        Quantity::Voltage => cells.voltage.clone(),
        Quantity::VoltageDeviation => against_mean(&cells.voltage, 1000.0),
        Quantity::Soc => cells.soc.iter().map(|soc| soc * 100.0).collect(),
        Quantity::Current => (0..cells.voltage.len())
            .map(|cell| {
                let current = cluster_of(cell).and_then(|n| cells.cluster_current.get(n));
                current.copied().unwrap_or(f32::NAN)
            })
            .collect(),
        Quantity::Balancing | Quantity::Alarm => {
            let mut row = vec![0.0; cells.voltage.len()];
            if quantity == Quantity::Balancing {
                for cell in &cells.balancing {
                    if let Some(place) = row.get_mut(*cell as usize) {
                        *place = 1.0;
                    }
                }
            }
            row
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance([r, g, b]: Rgb) -> f64 {
        let linear = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    #[test]
    fn maps_are_ordered_by_lightness() {
        for quantity in [Quantity::Temperature, Quantity::Soc] {
            let steps: Vec<_> = (0..=40_u8)
                .map(|n| luminance(of_share(quantity, f32::from(n) / 40.0)))
                .collect();
            let rising = steps.windows(2).all(|pair| pair[1] > pair[0]);
            let falling = steps.windows(2).all(|pair| pair[1] < pair[0]);
            assert!(rising || falling, "{quantity:?}: {steps:?}");
        }
    }

    #[test]
    fn the_temperature_map_stays_clear_of_a_warning() {
        let [r, g, b] = of_share(Quantity::Temperature, 1.0);
        let [wr, wg, wb] = of_level(Level::L1);
        let apart = [r.abs_diff(wr), g.abs_diff(wg), b.abs_diff(wb)];
        assert!(apart.iter().any(|n| *n > 60), "{apart:?}");
    }

    #[test]
    fn a_range_around_values_is_round_and_holds_them() {
        let scale = Scale::fixed(Quantity::Temperature).around([23.37, 24.91, f32::NAN].into_iter());
        assert!(scale.low <= 23.37 && scale.high >= 24.91, "{scale:?}");
        assert!(scale.high - scale.low < 3.0, "{scale:?}");
        for (quantity, value, least) in [
            (Quantity::Voltage, 3.3, 0.01),
            (Quantity::Temperature, 25.0, 1.0),
            (Quantity::Soc, 50.0, 1.0),
            (Quantity::Current, 0.0, 1.0),
        ] {
            let flat = Scale::fixed(quantity).around([value, value].into_iter());
            assert!((flat.high - flat.low - least).abs() < 1e-5, "{flat:?}");
            assert!(
                (flat.share(value) - 0.5).abs() < 0.01,
                "equal values are in the middle"
            );
        }
        let none = Scale::fixed(Quantity::Soc).around(std::iter::empty());
        assert_eq!(none, Scale::fixed(Quantity::Soc));
    }

    #[test]
    fn deviations_are_against_the_mean_of_the_cluster() {
        let cells = Cells {
            voltage: vec![3.0, 3.2, 3.4, 3.4],
            temperature: vec![20.0; 4],
            cluster_current: vec![1.0, 2.0],
            ..Cells::default()
        };
        let row = values(Quantity::VoltageDeviation, &cells, |cell| Some(cell / 2));
        let near = |a: f32, b: f32| (a - b).abs() < 0.01;
        assert!(
            near(row[0], -100.0) && near(row[1], 100.0) && near(row[2], 0.0),
            "{row:?}"
        );
        let none = values(Quantity::Current, &cells, |_| None);
        assert!(none.iter().all(|value| value.is_nan()));
    }
}
