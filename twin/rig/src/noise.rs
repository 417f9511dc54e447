//! The rig's own random numbers: a sequence from a seed, the same on every machine.

/// A sequence (`SplitMix64`, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    /// The sequence of `seed` at the place `what`.
    pub(crate) fn new(seed: u64, what: u64) -> Self {
        let mut noise = Self(seed ^ what.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        noise.next();
        noise
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// From 0 to 1, 1 left out.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of the whole numbers below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True in this share of the calls.
    pub(crate) fn hits(&mut self, share: f64) -> bool {
        share >= 1.0 || (share > 0.0 && self.unit() < share)
    }
}
