//! How fast the plant runs: prints cell steps per second as one JSON line.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this example prints wall-clock speed"
)]

use core::time::Duration;
use std::time::Instant;

use bess_plant::spec::{LFP_300, LIQ_20FT_1267};
use bess_plant::{InitialState, Plant, PlantSpec};
use bess_types::SimTime;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let spec = PlantSpec {
        cell: toml::from_str(LFP_300)?,
        container: toml::from_str(LIQ_20FT_1267)?,
    };
    let step = Duration::from_millis(10);
    let mut plant = Plant::new(&spec, &InitialState::default(), 1, step)?;
    let steps = 20_000_u32;
    let mut now = SimTime::ZERO;
    let begin = Instant::now();
    for _ in 0..steps {
        now += step;
        plant.advance(now);
    }
    let seconds = begin.elapsed().as_secs_f64();
    let rate = f64::from(steps) * plant.topology().cells() as f64 / seconds;
    println!("{{\"name\":\"plant-cell-steps\",\"value\":{rate:.0},\"unit\":\"1/s\"}}");
    Ok(())
}
