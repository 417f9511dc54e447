//! The cell texture: a texel for each cell of the detailed container, a texel for each pack of all containers. Colour is the
//! quantity shown, or the cell's stage once it heats itself; the fourth byte says what is drawn over it.

use std::collections::BTreeSet;

use bess_telemetry::Cells;

use super::colour::{CABINET, Colour, DARK, L1, L2, L3, UNKNOWN};
use super::layout::{Pack, Place, Plan};
use super::state::Known;
use crate::model::colour::{self, Scale};
use crate::model::{Level, Quantity};

/// What is drawn over a texel: bits of its fourth byte, as in `plant.wgsl`.
pub mod mark {
    /// Nothing is known: hatched.
    pub const UNKNOWN: u8 = 1;
    /// Balancing: a dot.
    pub const BALANCING: u8 = 2;
    /// Vented or burnt out: a cross.
    pub const VENTED: u8 = 4;
    /// At an alarm: outlined in ink.
    pub const ALARM: u8 = 8;
    /// Selected: outlined.
    pub const SELECTED: u8 = 16;
    /// Stale: hatched finely.
    pub const STALE: u8 = 32;
    /// In thermal runaway: a glowing core.
    pub const BURNING: u8 = 64;
    /// Of a pack whose BMU is not heard any more: hatched widely.
    pub const LOST: u8 = 128;
}

/// How a cell is, past its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing.
    #[default]
    Sound,
    /// Heats itself.
    SelfHeating,
    /// Has vented.
    Vented,
    /// Burns.
    Burning,
    /// Has burnt out.
    BurntOut,
}

/// What is shown of cells.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The newest frame; an empty one if there was none.
    pub cells: &'a Cells,
    /// A value of each cell, in the order of the frame; NaN where there is none.
    pub values: &'a [f32],
    /// Whether they are too old to be believed.
    pub is_stale: bool,
    /// What they are.
    pub quantity: Quantity,
    /// In which range.
    pub scale: Scale,
    /// Worst alarm that concerns each pack, in the order of the frame; if it is alarms that are shown.
    pub levels: &'a [Option<Level>],
    /// Place of the selected cell.
    pub selected: Option<usize>,
    /// Whether the BMU of each pack of the detailed container is heard.
    pub heard: &'a [Known],
}

fn stages(cells: &Cells, count: usize) -> Vec<Stage> {
    let mut stages = vec![Stage::Sound; count];
    for (list, stage) in [
        (&cells.self_heating, Stage::SelfHeating),
        (&cells.vented, Stage::Vented),
        (&cells.burning, Stage::Burning),
        (&cells.burnt_out, Stage::BurntOut),
    ] {
        for &cell in list {
            if let Some(old) = stages.get_mut(cell as usize) {
                *old = stage;
            }
        }
    }
    stages
}

impl Shown<'_> {
    /// Colour of a value, and the marks over it.
    fn texel(&self, value: f32, stage: Stage) -> (Colour, u8) {
        let (colour, marks) = match stage {
            Stage::SelfHeating => (L1, mark::ALARM),
            Stage::Vented => (L2, mark::ALARM | mark::VENTED),
            Stage::Burning => (L3, mark::ALARM | mark::BURNING),
            Stage::BurntOut => (DARK, mark::VENTED),
            Stage::Sound if value.is_nan() => (UNKNOWN, mark::UNKNOWN),
            Stage::Sound => (
                Colour::of(colour::of_share(self.quantity, self.scale.share(value))),
                0,
            ),
        };
        self.aged(colour, marks)
    }

    /// Colour of a pack's worst alarm.
    fn level(&self, level: Option<Level>) -> (Colour, u8) {
        let calm = Colour::of(colour::of_share(Quantity::Alarm, 0.0));
        let (colour, marks) = match level {
            _ if self.values.is_empty() => (UNKNOWN, mark::UNKNOWN),
            Some(level) => (Colour::of(colour::of_level(level)), mark::ALARM),
            None => (calm, 0),
        };
        self.aged(colour, marks)
    }

    fn aged(&self, colour: Colour, marks: u8) -> (Colour, u8) {
        if self.is_stale {
            (colour.grey(), marks | mark::STALE)
        } else {
            (colour, marks)
        }
    }

    fn value(&self, cell: u32) -> f32 {
        self.values.get(cell as usize).copied().unwrap_or(f32::NAN)
    }
}

/// Fills the texture: four bytes for each texel, row by row.
pub fn paint(plan: &Plan, detailed: usize, shown: &Shown) -> Vec<u8> {
    let [width, height] = plan.texture;
    let mut texture = Texture {
        width,
        bytes: vec![0; (width * height * 4) as usize],
    };
    let stages = stages(shown.cells, shown.values.len());
    let stage = |cell: u32| stages.get(cell as usize).copied().unwrap_or_default();
    let balancing: BTreeSet<u32> = shown.cells.balancing.iter().copied().collect();
    let of_alarms = shown.quantity == Quantity::Alarm;
    let mut levels = shown.levels.iter().copied();
    for (n, place) in plan.containers.iter().enumerate() {
        for (within, pack) in place.packs.iter().enumerate() {
            let is_lost = n == detailed && shown.heard.get(within) == Some(&Some(false));
            let cells = (0..place.cells_per_pack).map(|cell| place.cell(pack.cluster, pack.pack, cell));
            let level = levels.next().flatten();
            let worst = cells.clone().map(stage).max().unwrap_or_default();
            let of_pack = if of_alarms && worst == Stage::Sound {
                shown.level(level)
            } else {
                shown.texel(of_pack(shown, cells.clone()), worst)
            };
            texture.set(
                [
                    place.summary.first[0] + pack.cluster,
                    place.summary.first[1] + pack.pack,
                ],
                of_pack,
            );
            if n != detailed {
                continue;
            }
            for (within, cell) in (0u32..).zip(cells) {
                let (colour, mut marks) = if of_alarms && stage(cell) == Stage::Sound {
                    shown.level(level)
                } else {
                    shown.texel(shown.value(cell), stage(cell))
                };
                if is_lost {
                    marks |= mark::LOST;
                }
                if balancing.contains(&cell) {
                    marks |= mark::BALANCING;
                }
                if shown.selected == Some(cell as usize) {
                    marks |= mark::SELECTED;
                }
                texture.set(slot(place, pack, within), (colour, marks));
            }
            // where the last row of the grid has no cell, the pack's case shows
            for within in place.cells_per_pack..place.grid[0] * place.grid[1] {
                texture.set(slot(place, pack, within), (CABINET, 0));
            }
        }
    }
    texture.bytes
}

/// Texel of a cell of a pack.
fn slot(place: &Place, pack: &Pack, within: u32) -> [u32; 2] {
    [
        pack.texels.first[0] + within % place.grid[0],
        pack.texels.first[1] + within / place.grid[0],
    ]
}

/// A pack as one value: the one farthest from normal of temperatures and states, the mean of everything else.
fn of_pack(shown: &Shown, cells: impl Iterator<Item = u32>) -> f32 {
    let highest = matches!(shown.quantity, Quantity::Temperature | Quantity::Balancing);
    let (mut sum, mut count, mut most) = (0.0, 0.0, f32::NAN);
    for value in cells
        .map(|cell| shown.value(cell))
        .filter(|value| !value.is_nan())
    {
        sum += value;
        count += 1.0;
        most = most.max(value);
    }
    if highest { most } else { sum / count }
}

struct Texture {
    width: u32,
    bytes: Vec<u8>,
}

impl Texture {
    fn set(&mut self, [column, row]: [u32; 2], (colour, marks): (Colour, u8)) {
        let at = ((row * self.width + column) * 4) as usize;
        if let Some(texel) = self.bytes.get_mut(at..at + 4) {
            let [r, g, b] = colour.bytes();
            texel.copy_from_slice(&[r, g, b, marks]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;
    use crate::scene::layout::Wanted;
    use crate::scene::sample;

    fn shown(cells: &Cells) -> Shown<'_> {
        Shown {
            cells,
            values: &cells.temperature,
            is_stale: false,
            quantity: Quantity::Temperature,
            scale: Scale::fixed(Quantity::Temperature),
            levels: &[],
            selected: None,
            heard: &[],
        }
    }

    fn at_40_degrees() -> [u8; 3] {
        colour::of_share(
            Quantity::Temperature,
            Scale::fixed(Quantity::Temperature).share(40.0),
        )
    }

    fn at(texture: &[u8], plan: &Plan, [column, row]: [u32; 2]) -> [u8; 4] {
        let at = ((row * plan.texture[0] + column) * 4) as usize;
        texture[at..at + 4].try_into().unwrap()
    }

    #[test]
    fn a_cell_has_its_texel_and_its_pack_the_hottest() {
        let description = sample::liquid();
        let plan = Plan::of(&description, Wanted::default());
        let mut cells = sample::cells(&description);
        let place = &plan.containers[0];
        let hot = place.cell(2, 4, 16);
        cells.temperature[hot as usize] = 40.0;
        let texture = paint(
            &plan,
            0,
            &Shown {
                selected: Some(hot as usize),
                ..shown(&cells)
            },
        );
        let [r, g, b] = at_40_degrees();
        assert_eq!(
            at(&texture, &plan, [2 * 11 + 5, 4 * 4 + 1]),
            [r, g, b, mark::SELECTED]
        );
        let first = place.summary.first;
        assert_eq!(at(&texture, &plan, [first[0] + 2, first[1] + 4]), [r, g, b, 0]);
    }

    #[test]
    fn a_cell_in_runaway_leaves_the_map_and_a_burnt_one_is_crossed() {
        let description = sample::liquid();
        let plan = Plan::of(&description, Wanted::default());
        let mut cells = sample::cells(&description);
        cells.burning = vec![0];
        cells.burnt_out = vec![1];
        let texture = paint(&plan, 0, &shown(&cells));
        let [r, g, b] = L3.bytes();
        assert_eq!(
            at(&texture, &plan, [0, 0]),
            [r, g, b, mark::ALARM | mark::BURNING]
        );
        assert_eq!(at(&texture, &plan, [1, 0])[3], mark::VENTED);
    }

    #[test]
    fn unknown_stale_and_known_differ() {
        let description = sample::liquid();
        let plan = Plan::of(&description, Wanted::default());
        let cells = sample::cells(&description);
        let unknown = paint(&plan, 0, &shown(&Cells::default()));
        assert_eq!(at(&unknown, &plan, [0, 0])[3], mark::UNKNOWN);
        let stale = paint(
            &plan,
            0,
            &Shown {
                is_stale: true,
                ..shown(&cells)
            },
        );
        let [r, g, b, marks] = at(&stale, &plan, [0, 0]);
        assert_eq!((marks, r == g && g == b), (mark::STALE, true));
    }

    #[test]
    fn a_pack_whose_bmu_is_not_heard_is_marked_and_keeps_its_colours() {
        let description = sample::liquid();
        let plan = Plan::of(&description, Wanted::default());
        let cells = sample::cells(&description);
        let calm = paint(&plan, 0, &shown(&cells));
        let mut heard = vec![Some(true); 81];
        heard[2] = Some(false);
        let lost = paint(
            &plan,
            0,
            &Shown {
                heard: &heard,
                ..shown(&cells)
            },
        );
        let [r, g, b, marks] = at(&calm, &plan, [0, 2 * 4]);
        assert_eq!(at(&lost, &plan, [0, 2 * 4]), [r, g, b, marks | mark::LOST]);
        assert_eq!(at(&lost, &plan, [0, 0]), at(&calm, &plan, [0, 0]));
    }

    #[test]
    fn a_frame_shorter_than_the_description_is_unknown_where_it_ends() {
        let description = sample::liquid();
        let plan = Plan::of(&description, Wanted::default());
        let cells = Cells {
            temperature: vec![20.0; 3],
            ..Cells::default()
        };
        let texture = paint(&plan, 0, &shown(&cells));
        assert_eq!(at(&texture, &plan, [2, 0])[3], 0);
        assert_eq!(at(&texture, &plan, [3, 0])[3], mark::UNKNOWN);
    }
}
