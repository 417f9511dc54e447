//! Trips each ban once. The lint lane fails if clippy lets one pass, for example because of a misspelt path.

pub fn trips() -> f64 {
    let _ = std::time::Instant::now();
    let _ = std::time::SystemTime::now();
    std::thread::sleep(std::time::Duration::ZERO);
    let _: std::collections::HashMap<u8, u8> = Default::default();
    let _: std::collections::HashSet<u8> = Default::default();
    1f64.sin() + 1f64.cos() + 1f64.exp() + 1f64.ln() + 1f64.powf(2.0)
}
