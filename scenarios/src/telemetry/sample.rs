//! Values of cells and points at one instant, rounded as the description says.

use bess_plant::Plant;
use bess_rig::Rig;
use bess_telemetry::{Cells, PointDef, Points};
use bess_types::Reading;

use super::describe::{CellPoints, Described};

/// A multiple of a power of ten that values are rounded to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rounding(Option<i32>);

impl Rounding {
    pub(crate) const WHOLE: Self = Self(Some(0));
    pub(crate) const VOLTAGE: Self = Self(Some(3));
    pub(crate) const TEMPERATURE: Self = Self(Some(1));
    pub(crate) const SOC: Self = Self(Some(3));
    pub(crate) const CURRENT: Self = Self(Some(2));
    pub(crate) const SMOKE: Self = Self(Some(2));

    /// For a value of this range: the power of ten that has ten thousand or more of its steps in it.
    pub(crate) fn of_range(min: f64, max: f64) -> Self {
        let step = (max - min) / 1e4;
        let digits = (-9..=9).find(|digits| step >= 10f64.powi(-digits));
        Self(digits.filter(|_| step.is_finite()))
    }

    /// The coarser of both; what has no end of a range is not rounded.
    pub(crate) fn coarser(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(a, b)| a.min(b)))
    }

    /// As a point's definition states it.
    pub(crate) fn of_resolution(resolution: f64) -> Self {
        let digits = (-9..=9).find(|&digits| Self(Some(digits)).resolution() == resolution);
        Self(digits)
    }

    /// What values are multiples of; 0 if they are not rounded.
    pub(crate) fn resolution(self) -> f64 {
        match self.0 {
            None => 0.0,
            Some(digits) if digits >= 0 => 1.0 / 10f64.powi(digits),
            Some(digits) => 10f64.powi(-digits),
        }
    }

    /// The nearest multiple; the one nearest to zero has no sign.
    pub(crate) fn round(self, value: f64) -> f64 {
        let rounded = match self.0 {
            None => value,
            Some(digits) if digits >= 0 => {
                let scale = 10f64.powi(digits);
                (value * scale).round() / scale
            }
            Some(digits) => {
                let scale = 10f64.powi(-digits);
                (value / scale).round() * scale
            }
        };
        rounded + 0.0
    }
}

/// Plant truth of every cell now; none without a plant.
pub(crate) fn cells(rig: &Rig, described: &Described) -> Option<Cells> {
    let mut frame = Cells {
        at_ns: rig.now().as_nanos(),
        ..Cells::default()
    };
    add_cells(&mut frame, rig.plant()?, &described.cells);
    Some(frame)
}

/// Adds the cells and clusters of a plant to a frame, behind those that are in it.
pub(super) fn add_cells(frame: &mut Cells, plant: &Plant, of: &CellPoints) {
    // whatever has cells has as many voltages
    let first = frame.voltage.len();
    for (row, points, rounding) in [
        (&mut frame.voltage, &of.voltage, Rounding::VOLTAGE),
        (&mut frame.temperature, &of.temperature, Rounding::TEMPERATURE),
        (&mut frame.soc, &of.soc, Rounding::SOC),
        (&mut frame.cluster_current, &of.cluster_current, Rounding::CURRENT),
    ] {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "rounded to far fewer digits than f32 has"
        )]
        row.extend(points.iter().map(|at| rounding.round(plant.truth(*at)) as f32));
    }
    let number = |cell: usize| u32::try_from(first + cell).unwrap_or(u32::MAX);
    for (cell, at) in of.balancing.iter().enumerate() {
        if plant.truth(*at) != 0.0 {
            frame.balancing.push(number(cell));
        }
    }
    // 0 normal, 1 self-heating, 2 vented, 3 runaway, 4 burnt out
    for (cell, at) in of.stage.iter().enumerate() {
        let stage = plant.truth(*at);
        let list = if stage >= 4.0 {
            &mut frame.burnt_out
        } else if stage >= 3.0 {
            &mut frame.burning
        } else if stage >= 2.0 {
            &mut frame.vented
        } else if stage >= 1.0 {
            &mut frame.self_heating
        } else {
            continue;
        };
        list.push(number(cell));
    }
}

/// Times between looks up to this one are cut short when something happens, ns.
const HASTENED_NS: u64 = 1_000_000_000;

/// Points that someone looks at, and what was last seen of them.
pub(crate) struct Chosen {
    points: Vec<Look>,
    /// The different times between looks, ns; 0: always.
    periods: Vec<u64>,
    /// Of the look before, ns.
    last_ns: Option<u64>,
    /// Something happened since: what is due within a second is due now.
    hastened: bool,
}

struct Look {
    index: u32,
    /// Which of the periods.
    period: usize,
    rounding: Rounding,
    last: Option<f64>,
}

impl Chosen {
    /// Those that `every_ms` gives a time for; rarer than at every look.
    pub(crate) fn new(
        described: &Described,
        every_ms: impl Fn(&bess_telemetry::PointGroup, &PointDef) -> Option<u32>,
    ) -> Self {
        let mut periods = Vec::new();
        let mut points = Vec::new();
        for (index, (group, def)) in (0..).zip(described.description.all_points()) {
            let Some(every_ms) = every_ms(group, def) else {
                continue;
            };
            let every_ns = u64::from(every_ms) * 1_000_000;
            let known = periods.iter().position(|period| *period == every_ns);
            points.push(Look {
                index,
                period: known.unwrap_or(periods.len()),
                rounding: Rounding::of_resolution(def.resolution),
                last: None,
            });
            if known.is_none() {
                periods.push(every_ns);
            }
        }
        Self {
            points,
            periods,
            last_ns: None,
            hastened: false,
        }
    }

    /// Something happened: the next look is at all that is looked at each second or more often.
    pub(crate) fn hasten(&mut self) {
        self.hastened = true;
    }

    /// Those with these indices, which rise, at every look.
    pub(crate) fn of(described: &Described, indices: &[u32]) -> Self {
        let mut chosen = Self::new(described, |_, _| Some(0));
        chosen
            .points
            .retain(|point| indices.binary_search(&point.index).is_ok());
        chosen
    }

    /// What recordings look at.
    pub(crate) fn recorded(described: &Described) -> Self {
        Self::new(described, |_, def| {
            Some(def.recorded_every_ms).filter(|every| *every > 0)
        })
    }

    /// Values that changed since the last look, of points whose time has come; all of them if `complete`, or at the first
    /// look.
    pub(crate) fn look(&mut self, rig: &Rig, described: &Described, complete: bool) -> Points {
        let at_ns = rig.now().as_nanos();
        let before = self.last_ns.replace(at_ns);
        let complete = complete || before.is_none();
        let mut frame = Points {
            at_ns,
            complete,
            ..Points::default()
        };
        let hastened = std::mem::take(&mut self.hastened);
        let due = |period: &u64| {
            complete
                || (hastened && *period <= HASTENED_NS)
                || before.is_none_or(|before| *period == 0 || at_ns / period != before / period)
        };
        let due: Vec<bool> = self.periods.iter().map(due).collect();
        for point in &mut self.points {
            if !due[point.period] {
                continue;
            }
            let key = &described.points[point.index as usize];
            let value = rig
                .observe(key)
                .and_then(Reading::ok)
                .filter(|value| value.is_finite())
                .map(|value| point.rounding.round(value));
            if complete || value != point.last {
                point.last = value;
                frame.index.push(point.index);
                frame.value.push(value);
            }
        }
        frame
    }

    /// Makes the next look complete: the reader has lost the last one.
    pub(crate) fn forget(&mut self) {
        self.last_ns = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_ten_thousand_steps_or_more() {
        let resolution = |min, max| Rounding::of_range(min, max).resolution();
        assert_eq!(resolution(0.0, 1500.0), 0.1);
        assert_eq!(resolution(-1.9e6, 1.9e6), 100.0);
        assert_eq!(resolution(45.0, 55.0), 0.001);
        assert_eq!(resolution(0.0, 1.0), 0.0001);
        assert_eq!(resolution(f64::NEG_INFINITY, 1.0), 0.0);
        for resolution in [0.0, 0.0001, 0.1, 1.0, 100.0] {
            assert_eq!(Rounding::of_resolution(resolution).resolution(), resolution);
        }
    }

    #[test]
    fn rounded_values_are_short() {
        assert_eq!(Rounding::VOLTAGE.round(3.301_499).to_string(), "3.301");
        assert_eq!(Rounding(Some(-2)).round(854_949.0).to_string(), "854900");
        assert_eq!(Rounding::CURRENT.round(-0.001).to_string(), "0");
    }
}
