//! What the reference controllers share: a watch on state points, a tick, a supply.

use core::time::Duration;

use bess_types::SimTime;

use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::protection::seconds;
use crate::{PointId, PointTable, Points};

/// Notes every change of the named state points.
#[derive(Debug)]
pub(crate) struct Watch {
    watched: Vec<(PointId, &'static str, Option<f64>)>,
}

impl Watch {
    /// Watches those of `names` the table has.
    pub(crate) fn new(table: &PointTable, names: impl IntoIterator<Item = &'static str>) -> Self {
        let watched = names
            .into_iter()
            .filter_map(|name| Some((table.find(name)?, name, None)))
            .collect();
        Self { watched }
    }

    pub(crate) fn note_changes(&mut self, points: &Points, outbox: &mut Outbox) {
        for (id, name, last) in &mut self.watched {
            let present = points.get(*id);
            if present == *last {
                continue;
            }
            *last = present;
            let Some(value) = present else { continue };
            let states = points.table().def(*id).states;
            outbox.note(
                name,
                value,
                states
                    .iter()
                    .enumerate()
                    .find(|(i, _)| *i as f64 == value)
                    .map_or_else(|| value.to_string(), |(_, state)| (*state).to_owned()),
            );
        }
    }
}

/// A fixed evaluation period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    period: Duration,
    next: SimTime,
}

impl Tick {
    pub(crate) fn new(period_s: f64) -> Self {
        Self {
            period: seconds(period_s).max(Duration::from_millis(1)),
            next: SimTime::ZERO,
        }
    }

    pub(crate) fn start(&mut self, now: SimTime) {
        self.next = now;
    }

    pub(crate) fn next(&self) -> SimTime {
        self.next
    }

    /// Whether the period is over; if so, the next one begins.
    pub(crate) fn due(&mut self, now: SimTime) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.period;
        }
        due
    }
}

/// Whether the controller is supplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    Off,
    /// Supply is back; the program starts with the next input.
    ColdStart,
    On,
}

/// Whether `since` lies at least `limit_s` back; never having happened counts as long ago.
pub(crate) fn older_than(now: SimTime, since: Option<SimTime>, limit_s: f64) -> bool {
    since.is_none_or(|since| now - since > seconds(limit_s))
}

/// Points of another device's product that this controller relies on.
pub(crate) fn needed<const N: usize>(
    product: &Product,
    table: &PointTable,
    names: [&str; N],
) -> Result<[PointId; N], ProductError> {
    let mut found = Vec::with_capacity(N);
    for name in names {
        found.push(need(product, table, name)?);
    }
    Ok(found.try_into().expect("as many points as names"))
}

/// A point of another device's product that this controller relies on.
pub(crate) fn need(product: &Product, table: &PointTable, name: &str) -> Result<PointId, ProductError> {
    table.find(name).ok_or_else(|| ProductError::UnknownPoint {
        place: product.source().place(0..0),
        point: name.into(),
        nearest: None,
    })
}
