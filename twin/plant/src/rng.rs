//! Randomness that depends on the seed and on what it is for, never on order of use.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

/// A stream for one purpose: `what` names it.
pub(crate) fn stream(seed: u64, what: u64) -> Pcg32 {
    Pcg32::new(mix(seed), mix(what ^ 0x9E37_79B9_7F4A_7C15))
}

/// A seed for a part.
pub(crate) fn seed(rng: &mut Pcg32) -> u64 {
    rng.next_u64()
}

/// Uniform in 0 to 1, both excluded.
pub(crate) fn uniform(rng: &mut Pcg32) -> f64 {
    (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0
}

/// Uniform in −1 to 1.
pub(crate) fn symmetric(rng: &mut Pcg32) -> f64 {
    2.0 * uniform(rng) - 1.0
}

/// Standard normal, cut at three sigma (Box–Muller, drawn again beyond).
pub(crate) fn normal(rng: &mut Pcg32) -> f64 {
    loop {
        let radius = libm::sqrt(-2.0 * libm::log(uniform(rng)));
        let x = radius * libm::cos(2.0 * core::f64::consts::PI * uniform(rng));
        if x.abs() <= 3.0 {
            return x;
        }
    }
}

/// Nearly normal with sigma 1, bounded at ±3.5: the sum of four uniforms, cheap enough for every reading.
pub(crate) fn noise(rng: &mut Pcg32) -> f64 {
    let sum: f64 = (0..4).map(|_| uniform(rng)).sum();
    (sum - 2.0) * 1.732_050_807_568_877_2
}

/// SplitMix64 finaliser.
pub(crate) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_unit_sigma() {
        let mut rng = stream(1, 2);
        let n = 20_000;
        let square: f64 = (0..n).map(|_| noise(&mut rng)).map(|x| x * x).sum();
        assert!((square / f64::from(n) - 1.0).abs() < 0.05);
    }
}
