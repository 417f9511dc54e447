//! From a frame to its message: by identifier, then by what tells the pages of a multiplexed one.

use bess_types::{CanFrame, CanId};

use super::key;
use super::layout::{Layout, Mark};

/// Finds what belongs to an identifier: a hash table with open addressing, at most half full.
#[derive(Clone, Debug)]
pub(super) struct IdTable<T> {
    slots: Box<[Option<(u32, T)>]>,
    /// From the top bits of a hash to a slot.
    shift: u32,
}

impl<T: Copy> IdTable<T> {
    /// A table of keys as [`key`] makes them, each of which is there once.
    pub(super) fn new(list: &[(u32, T)]) -> Self {
        let size = (list.len() * 2).next_power_of_two().max(2);
        let mut table = Self {
            slots: vec![None; size].into(),
            shift: 32 - size.trailing_zeros(),
        };
        for &(key, value) in list {
            let mut at = table.home(key);
            while table.slots[at].is_some() {
                at = (at + 1) & (size - 1);
            }
            table.slots[at] = Some((key, value));
        }
        table
    }

    /// What belongs to an identifier, if it is in the list.
    #[inline]
    pub(super) fn get(&self, id: CanId) -> Option<T> {
        let key = key(id);
        let mut at = self.home(key);
        loop {
            let (there, value) = self.slots[at]?;
            if there == key {
                return Some(value);
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
    /// Where the pages of an identifier begin.
    ids: IdTable<u32>,
    /// The same as a list, ascending.
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
        Self {
            layouts,
            ids: IdTable::new(&firsts),
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
        self.page_from(self.ids.get(frame.id)?, frame)
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
