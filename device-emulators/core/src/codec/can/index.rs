//! From a frame to its message: by identifier, then by what tells the pages of a multiplexed one.

use bess_types::{CanFrame, CanId};

use super::key;
use super::layout::{Layout, Mark};

/// Finds an identifier's position in a list: a hash table with open addressing, at most half full.
#[derive(Clone, Debug)]
pub(super) struct IdTable {
    slots: Box<[Slot]>,
    /// From the top bits of a hash to a slot.
    shift: u32,
}

/// Key and position.
type Slot = (u32, u32);

/// The position in an empty slot.
const NONE: u32 = u32::MAX;

impl IdTable {
    /// A table of a list of keys as [`key`] makes them, each of which is there once.
    pub(super) fn new(keys: &[u32]) -> Self {
        let size = (keys.len() * 2).next_power_of_two().max(2);
        let mut table = Self {
            slots: vec![(0, NONE); size].into(),
            shift: 32 - size.trailing_zeros(),
        };
        for (&key, position) in keys.iter().zip(0..) {
            let mut at = table.home(key);
            while table.slots[at].1 != NONE {
                at = (at + 1) & (size - 1);
            }
            table.slots[at] = (key, position);
        }
        table
    }

    /// The position of an identifier, if it is in the list.
    #[inline]
    pub(super) fn get(&self, id: CanId) -> Option<usize> {
        let key = key(id);
        let mut at = self.home(key);
        loop {
            let (there, position) = self.slots[at];
            if position == NONE {
                return None;
            }
            if there == key {
                return Some(position as usize);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Where a key is looked for first (Fibonacci hashing).
    #[inline]
    fn home(&self, key: u32) -> usize {
        (key.wrapping_mul(0x9E37_79B1) >> self.shift) as usize
    }
}

/// Layouts in list order, found by identifier and page.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub layouts: Vec<Layout>,
    /// Positions in `firsts`.
    ids: IdTable,
    /// Keys, ascending, and where their pages begin.
    firsts: Vec<(u32, u32)>,
    /// By identifier, those of one in list order.
    pages: Vec<Page>,
}

/// How a layout is told from others of its identifier.
#[derive(Clone, Copy, Debug)]
struct Page {
    key: u32,
    layout: u32,
    mark: Mark,
}

impl Index {
    pub(super) fn new(layouts: Vec<Layout>) -> Self {
        let mut pages: Vec<Page> = (0..)
            .zip(&layouts)
            .map(|(at, layout)| Page {
                key: key(layout.id),
                layout: at,
                mark: layout.mark(),
            })
            .collect();
        pages.sort_by_key(|page| page.key);
        let mut firsts: Vec<(u32, u32)> = pages.iter().map(|page| page.key).zip(0..).collect();
        firsts.dedup_by_key(|first| first.0);
        let keys: Vec<u32> = firsts.iter().map(|first| first.0).collect();
        Self {
            layouts,
            ids: IdTable::new(&keys),
            firsts,
            pages,
        }
    }

    /// Identifiers as keys, ascending, each with where its pages begin.
    pub(super) fn firsts(&self) -> &[(u32, u32)] {
        &self.firsts
    }

    /// Whether a message has this identifier.
    pub(super) fn has(&self, id: CanId) -> bool {
        self.ids.get(id).is_some()
    }

    /// The message, and the page of it, that a frame is.
    #[inline]
    pub(super) fn find(&self, frame: &CanFrame) -> Option<usize> {
        let (_, first) = self.firsts[self.ids.get(frame.id)?];
        self.page_from(first, frame)
    }

    /// The same for one whose identifier has its pages from `first`.
    #[inline]
    pub(super) fn page_from(&self, first: u32, frame: &CanFrame) -> Option<usize> {
        let word = frame.word();
        let pages = &self.pages[first as usize..];
        let key = pages.first()?.key;
        let same = pages.iter().take_while(|page| page.key == key);
        let mut same = same.map(|page| (page.layout as usize, page.mark));
        let found = same.find(|(at, mark)| {
            word & mark.mask == mark.value && (mark.is_all || self.layouts[*at].is_page(frame))
        });
        found.map(|(at, _)| at)
    }
}
