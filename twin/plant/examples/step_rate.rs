//! How fast the plant runs: prints cell steps per second as one JSON line.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this example prints wall-clock speed"
)]

use core::time::Duration;
use std::time::Instant;

use bess_catalogue::Catalogue;
use bess_plant::{InitialState, Place, Plant};
use bess_types::{Actuation, Coil, SimTime};

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let spec = Catalogue::shipped().plant("liq-20ft-1267", None)?;
    let step = Duration::from_millis(10);
    let mut plant = Plant::new(&spec, &InitialState::default(), 1, step)?;
    let mut now = SimTime::ZERO;
    let mut run = |plant: &mut Plant, steps: u32| {
        for _ in 0..steps {
            now += step;
            plant.advance(now);
        }
        now
    };
    let coil = |plant: &mut Plant, cluster: usize, coil: Coil, at: SimTime| {
        plant.actuate(
            at,
            Place::cluster(cluster),
            &Actuation::Coil {
                coil,
                energised: true,
            },
        );
    };
    for k in 0..plant.topology().clusters {
        coil(&mut plant, k, Coil::MainNegative, SimTime::ZERO);
    }
    coil(&mut plant, 0, Coil::Precharge, SimTime::ZERO);
    let at = run(&mut plant, 1000);
    for k in 0..plant.topology().clusters {
        coil(&mut plant, k, Coil::MainPositive, at);
    }
    let at = run(&mut plant, 100);
    plant.actuate(
        at,
        Place::CONTAINER,
        &Actuation::Converter {
            gate: true,
            ac_contactor: true,
            active_power_w: 1.6e6,
            reactive_power_var: 0.0,
        },
    );
    run(&mut plant, 1000);
    let steps = 10_000_u32;
    let mut seconds = f64::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        run(&mut plant, steps / 5);
        seconds = seconds.min(begin.elapsed().as_secs_f64() * 5.0);
    }
    let rate = f64::from(steps) * plant.topology().cells() as f64 / seconds;
    println!("{{\"name\":\"plant-cell-steps\",\"value\":{rate:.0},\"unit\":\"1/s\"}}");
    Ok(())
}
