//! Named points: what a device knows and can be asked for, apart from any protocol.

use core::ops::Range;
use std::sync::Arc;

use bess_types::{Quality, Reading};

/// Index of a point in its device's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointId(u16);

impl PointId {
    /// Position in the table.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A row of equal points: `cell[0].voltage` to `cell[43].voltage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointRange {
    first: u16,
    len: u16,
}

impl PointRange {
    /// The `i`-th point of the row, 0-based.
    ///
    /// # Panics
    /// If `i` is outside the row.
    pub fn at(self, i: usize) -> PointId {
        assert!(i < self.len(), "point {i} of a row of {}", self.len);
        PointId(self.first + u16::try_from(i).unwrap_or(u16::MAX))
    }

    /// Number of points in the row.
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// Whether the row has no points.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    fn indices(self) -> Range<usize> {
        usize::from(self.first)..usize::from(self.first) + self.len()
    }
}

/// What a point is.
#[derive(Clone, Debug, PartialEq)]
pub struct PointDef {
    /// Kebab-case name; rows carry an index, as in `cell[17].voltage` (0-based).
    pub name: String,
    /// SI unit or field unit (`V`, `A`, `°C`, `%`, `W`, `Ω`, `s`, `1` for counts and states).
    pub unit: &'static str,
    /// Lowest value that makes sense.
    pub min: f64,
    /// Highest value that makes sense.
    pub max: f64,
    /// Names of the states, lowest value first; empty for a measured value. Changes of a state point go to the event log.
    pub states: &'static [&'static str],
    /// It counts and begins again after `max`, as heartbeats do: a register or signal too narrow for it carries what is left
    /// when its own numbers are used up.
    pub rolls: bool,
}

impl PointDef {
    /// The value of a state's name, or of a number.
    pub fn value_of(&self, text: &str) -> Option<f64> {
        match self.states.iter().position(|state| *state == text) {
            Some(at) => Some(at as f64),
            None => text.parse().ok(),
        }
    }

    /// Its states, for a message about a wrong one.
    pub fn states_in_words(&self) -> String {
        match self.states {
            [] => "the point has no states: give a number".into(),
            states => format!("its states are {}", states.join(", ")),
        }
    }
}

/// The points a kind of device has. Built once, then shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointTable {
    defs: Vec<PointDef>,
    /// Positions in the order of the names.
    by_name: Vec<u16>,
}

impl PointTable {
    /// Adds a measured or commanded value.
    pub fn value(&mut self, name: &str, unit: &'static str, min: f64, max: f64) -> PointId {
        self.push(PointDef {
            name: name.into(),
            unit,
            min,
            max,
            states: &[],
            rolls: false,
        })
    }

    /// Adds a count that begins again after `max`.
    pub fn counter(&mut self, name: &str, max: f64) -> PointId {
        self.push(PointDef {
            name: name.into(),
            unit: "1",
            min: 0.0,
            max,
            states: &[],
            rolls: true,
        })
    }

    /// Adds a state or flag; `states` names its values from 0 up.
    pub fn state(&mut self, name: &str, states: &'static [&'static str]) -> PointId {
        let max = states.len().saturating_sub(1) as f64;
        self.push(PointDef {
            name: name.into(),
            unit: "1",
            min: 0.0,
            max,
            states,
            rolls: false,
        })
    }

    /// Adds a yes/no point.
    pub fn flag(&mut self, name: &str) -> PointId {
        self.state(name, &["off", "on"])
    }

    /// Adds a row of `len` values; `{}` in `pattern` becomes the 0-based index.
    pub fn row(&mut self, pattern: &str, len: usize, unit: &'static str, min: f64, max: f64) -> PointRange {
        self.row_named(|i| pattern.replace("{}", &i.to_string()), len, unit, min, max)
    }

    /// Adds a row of `len` values, named by their 0-based index.
    pub fn row_named(
        &mut self,
        name: impl Fn(usize) -> String,
        len: usize,
        unit: &'static str,
        min: f64,
        max: f64,
    ) -> PointRange {
        let first = u16::try_from(self.defs.len()).unwrap_or(u16::MAX);
        for i in 0..len {
            self.value(&name(i), unit, min, max);
        }
        PointRange {
            first,
            len: u16::try_from(len).unwrap_or(u16::MAX),
        }
    }

    /// Narrows a point's range, as to a product's ratings.
    ///
    /// # Panics
    /// If the point is not of this table.
    pub fn limit(&mut self, id: PointId, min: f64, max: f64) {
        let def = &mut self.defs[id.index()];
        (def.min, def.max) = (min, max);
    }

    fn push(&mut self, def: PointDef) -> PointId {
        let place = self.place_of(&def.name);
        assert!(place.is_err(), "point {} defined twice", def.name);
        let id = PointId(u16::try_from(self.defs.len()).expect("a device has fewer than 65,536 points"));
        self.by_name.insert(place.unwrap_or_else(|place| place), id.0);
        self.defs.push(def);
        id
    }

    /// Where a name stands in the order of the names, or would stand.
    fn place_of(&self, name: &str) -> Result<usize, usize> {
        self.by_name
            .binary_search_by(|at| self.defs[usize::from(*at)].name.as_str().cmp(name))
    }

    /// The point with this name.
    pub fn find(&self, name: &str) -> Option<PointId> {
        self.place_of(name).ok().map(|place| PointId(self.by_name[place]))
    }

    /// The points of a row from the first on; `{}` in `pattern` is the 0-based index.
    pub fn find_row(&self, pattern: &str) -> Vec<PointId> {
        let ids = (0..).map(|i: usize| self.find(&pattern.replace("{}", &i.to_string())));
        ids.map_while(|id| id).collect()
    }

    /// The points whose names begin so, in order.
    pub fn beginning_with(&self, prefix: &str) -> Vec<PointId> {
        let first = self.place_of(prefix).unwrap_or_else(|place| place);
        let ids = self.by_name[first..].iter().map(|at| PointId(*at));
        let mut found: Vec<PointId> = ids
            .take_while(|id| self.def(*id).name.starts_with(prefix))
            .collect();
        found.sort_unstable();
        found
    }

    /// What a point is.
    pub fn def(&self, id: PointId) -> &PointDef {
        &self.defs[id.index()]
    }

    /// All points in order.
    pub fn iter(&self) -> impl Iterator<Item = (PointId, &PointDef)> {
        self.defs
            .iter()
            .enumerate()
            .map(|(i, def)| (PointId(u16::try_from(i).unwrap_or(u16::MAX)), def))
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.defs.len()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.defs.is_empty()
    }
}

/// Present values of a table's points. A point is `Invalid` until first set.
#[derive(Clone, Debug)]
pub struct Points {
    table: Arc<PointTable>,
    values: Vec<Reading>,
}

impl Points {
    /// All points of `table`, not yet valid.
    pub fn new(table: Arc<PointTable>) -> Self {
        let values = vec![Reading::invalid(); table.len()];
        Self { table, values }
    }

    /// The table.
    pub fn table(&self) -> &Arc<PointTable> {
        &self.table
    }

    /// Value with its quality.
    #[inline]
    pub fn reading(&self, id: PointId) -> Reading {
        self.values[id.index()]
    }

    /// The value if valid.
    pub fn get(&self, id: PointId) -> Option<f64> {
        self.reading(id).ok()
    }

    /// The value if valid and not zero.
    pub fn is_on(&self, id: PointId) -> bool {
        self.get(id).is_some_and(|value| value != 0.0)
    }

    /// Sets a valid value.
    pub fn set(&mut self, id: PointId, value: f64) {
        self.values[id.index()] = Reading::valid(value);
    }

    /// Moves a life counter of 16 bits on: after 65,535 comes 0.
    pub(crate) fn count(&mut self, id: PointId) {
        let next = (self.get(id).unwrap_or(0.0) + 1.0) % 65_536.0;
        self.set(id, next);
    }

    /// Sets a yes/no point.
    pub fn set_flag(&mut self, id: PointId, on: bool) {
        self.set(id, f64::from(u8::from(on)));
    }

    /// Sets a value with its quality.
    #[inline]
    pub fn put(&mut self, id: PointId, reading: Reading) {
        self.values[id.index()] = reading;
    }

    /// Marks a point as having no usable value.
    pub fn invalidate(&mut self, id: PointId) {
        self.values[id.index()].quality = Quality::Invalid;
    }

    /// All readings of a row.
    pub fn row(&self, range: PointRange) -> &[Reading] {
        &self.values[range.indices()]
    }

    /// All readings of a row, to be written.
    pub fn row_mut(&mut self, range: PointRange) -> &mut [Reading] {
        &mut self.values[range.indices()]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn rows_expand_and_are_found_by_name() {
        let mut table = PointTable::default();
        let total = table.value("pack-voltage", "V", 0.0, 200.0);
        let cells = table.row("cell[{}].voltage", 3, "V", 0.0, 5.0);
        assert_eq!(table.find("cell[2].voltage"), Some(cells.at(2)));
        assert_eq!(table.find("cell[3].voltage"), None);
        assert_eq!(table.find_row("cell[{}].voltage"), [0, 1, 2].map(|i| cells.at(i)));
        assert_eq!(table.beginning_with("cell["), table.find_row("cell[{}].voltage"));
        assert_eq!(table.beginning_with("pack"), [total]);
        assert_eq!(table.beginning_with("z"), []);
        let mut points = Points::new(Arc::new(table));
        assert_eq!(points.get(total), None);
        points.set(cells.at(1), 3.3);
        assert_eq!(points.row(cells)[1].ok(), Some(3.3));
    }
}
