//! How values were: what plots and sparklines are drawn from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bess_telemetry::{Cells, Points};

/// Samples kept of a point that nobody watches, of a live rig: ten minutes, once a second.
const RING: usize = 600;
const APART_NS: u64 = 1_000_000_000;
/// Samples kept of a point that is watched.
const WATCHED_RING: usize = 12_000;
/// Frames of cells kept, and how far apart they are at least.
const CELL_FRAMES: usize = 121;
const CELLS_APART_NS: u64 = 500_000_000;

/// A value at an instant; NaN where there was no valid one.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Rig time, ns.
    pub at_ns: u64,
    /// Value.
    pub value: f32,
}

/// Samples of every point, and the newest frames of cells.
#[derive(Clone, Debug, Default)]
pub struct History {
    points: BTreeMap<u32, VecDeque<Sample>>,
    watched: BTreeSet<u32>,
    /// All there is of a recording is in already.
    complete: bool,
    cells: VecDeque<Arc<Cells>>,
}

impl History {
    /// Takes values as they come.
    pub(super) fn take_points(&mut self, frame: &Points) {
        if self.complete {
            return;
        }
        for (index, value) in frame.index.iter().zip(&frame.value) {
            self.put(*index, frame.at_ns, *value, false);
        }
    }

    /// Takes values of a recording, to be kept for good.
    pub fn load(&mut self, frame: &Points) {
        self.complete = true;
        for (index, value) in frame.index.iter().zip(&frame.value) {
            self.put(*index, frame.at_ns, *value, true);
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "for drawing, seven digits do")]
    fn put(&mut self, index: u32, at_ns: u64, value: Option<f64>, for_good: bool) {
        let watched = self.watched.contains(&index);
        let samples = self.points.entry(index).or_default();
        let value = value.map_or(f32::NAN, |value| value as f32);
        if let Some(last) = samples.back() {
            let same = last.value == value || (last.value.is_nan() && value.is_nan());
            let early = !watched && !for_good && at_ns < last.at_ns.saturating_add(APART_NS);
            if at_ns < last.at_ns || (same && for_good) {
                return;
            }
            if early {
                // the newest of a second stands for it
                if let Some(last) = samples.back_mut() {
                    last.value = value;
                }
                return;
            }
        }
        samples.push_back(Sample { at_ns, value });
        let most = if watched { WATCHED_RING } else { RING };
        if !for_good && samples.len() > most {
            samples.pop_front();
        }
    }

    pub(super) fn take_cells(&mut self, frame: &Arc<Cells>) {
        if let Some(last) = self.cells.back() {
            if frame.at_ns < last.at_ns {
                self.cells.clear();
            } else if frame.at_ns < last.at_ns + CELLS_APART_NS {
                return;
            }
        }
        self.cells.push_back(Arc::clone(frame));
        if self.cells.len() > CELL_FRAMES {
            self.cells.pop_front();
        }
    }

    /// Forgets frames of cells: another instant is looked at.
    pub(super) fn forget_cells(&mut self) {
        self.cells.clear();
    }

    /// Keeps every sample of a point from now on.
    pub fn watch(&mut self, index: u32) {
        self.watched.insert(index);
    }

    /// Samples of a point, oldest first. Each holds until the next.
    pub fn samples(&self, index: u32) -> impl DoubleEndedIterator<Item = Sample> + '_ {
        self.points.get(&index).into_iter().flatten().copied()
    }

    /// Samples of a point in a span of time, with the one that holds at its beginning.
    pub fn between(&self, index: u32, from_ns: u64, to_ns: u64) -> impl Iterator<Item = Sample> + '_ {
        let samples = self.points.get(&index);
        let (first, end) = samples.map_or((0, 0), |samples| {
            (
                samples
                    .partition_point(|sample| sample.at_ns <= from_ns)
                    .saturating_sub(1),
                samples.partition_point(|sample| sample.at_ns <= to_ns),
            )
        });
        samples
            .into_iter()
            .flat_map(move |samples| samples.range(first..end.max(first)).copied())
    }

    /// A number of each kept frame of cells, oldest first.
    pub fn of_cells<'a>(
        &'a self,
        pick: impl Fn(&Cells) -> Option<f32> + 'a,
    ) -> impl Iterator<Item = Sample> + 'a {
        self.cells.iter().filter_map(move |frame| {
            let value = pick(frame)?;
            Some(Sample {
                at_ns: frame.at_ns,
                value,
            })
        })
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
