//! Mutations of seeds: bytes as a bad wire or disk makes them, and lines and numbers as people get them wrong.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng as _;

use crate::LONGEST;

/// What is put in place of numbers, or anywhere.
const WORDS: &[&str] = &[
    "0",
    "-1",
    "1",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "18446744073709551615",
    "-9223372036854775808",
    "1e308",
    "1e-320",
    "inf",
    "nan",
    "\"\"",
    "[]",
    "{}",
    "true",
    "é\u{1F50B}",
    "\r\n",
    "\0",
];

/// Mutations stacked on one input at most.
const MOST_AT_ONCE: usize = 4;

/// An endless row of mutated seeds.
#[derive(Debug)]
pub(crate) struct Mutator<'a> {
    seeds: &'a [Vec<u8>],
    random: Pcg32,
}

impl<'a> Mutator<'a> {
    /// The row of the target `name`.
    pub(crate) fn new(name: &str, seeds: &'a [Vec<u8>]) -> Self {
        let state = name
            .bytes()
            .fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Self {
            seeds,
            random: Pcg32::new(state, 1),
        }
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let seeds = self.seeds;
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(MOST_AT_ONCE) {
            self.mutate(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        match self.below(10) {
            0 => {
                let at = self.below(input.len());
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => {
                let at = self.below(input.len() + 1);
                let byte = [0, 1, 0x7F, 0x80, 0xFF][self.below(5)];
                input.insert(at, byte);
            }
            2 => {
                let range = self.range(input.len());
                input.drain(range);
            }
            3 => {
                let range = self.range(input.len());
                let copy = input[range].to_vec();
                let at = self.below(input.len() + 1);
                input.splice(at..at, copy);
            }
            4 => input.truncate(self.below(input.len() + 1)),
            5 => {
                let (line, other) = (self.line(input), self.line(input));
                let copy = input[line].to_vec();
                input.splice(other, copy);
            }
            6 => {
                let line = self.line(input);
                let copy = input[line.clone()].to_vec();
                input.splice(line.end..line.end, copy);
            }
            7 => {
                let line = self.line(input);
                input.drain(line);
            }
            8 => {
                let place = self.number(input);
                input.splice(place, WORDS[self.below(WORDS.len())].bytes());
            }
            _ => {
                let other = self.below(self.seeds.len());
                let other = &self.seeds[other];
                let line = self.line(other);
                let at = self.line(input).start;
                input.splice(at..at, other[line].to_vec());
            }
        }
    }

    /// A short stretch, its length mostly small.
    fn range(&mut self, len: usize) -> core::ops::Range<usize> {
        let start = self.below(len + 1);
        let most = 1 << self.below(9);
        start..(start + self.below(most + 1)).min(len)
    }

    /// A line, with its end.
    fn line(&mut self, input: &[u8]) -> core::ops::Range<usize> {
        let at = self.below(input.len() + 1);
        let start = input[..at]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let end = input[at..].iter().position(|byte| *byte == b'\n');
        start..end.map_or(input.len(), |end| at + end + 1)
    }

    /// A number written in digits, or an empty place.
    fn number(&mut self, input: &[u8]) -> core::ops::Range<usize> {
        let at = self.below(input.len() + 1);
        let in_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let Some(start) = input[at..].iter().position(in_number).map(|start| at + start) else {
            return at..at;
        };
        let len = input[start..].iter().position(|byte| !in_number(byte));
        start..len.map_or(input.len(), |len| start + len)
    }

    /// Uniform below `n`; 0 if there is nothing to choose from.
    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.random.next_u64() % n).unwrap_or(0)
    }
}
