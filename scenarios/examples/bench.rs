//! Speed and size of the virtual rig, as JSON lines `name value unit`. Run through `ci/bench`.
//!
//! One thread does everything, so real time over wall time is the figure for one core.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use bess_catalogue::Catalogue;
use bess_devices::hmi::HmiTarget;
use bess_devices::library::Library;
use bess_rig::{Driver, Rig, RigCommand, RigConfig, Role, VirtualDriver};
use bess_types::SimTime;

const WARM_UP_S: u64 = 40;
const MEASURED_S: u64 = 120;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let started = Instant::now();
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "scenarios/rigs/liquid-20ft.toml".into());
    let config = RigConfig::load(&path, &Catalogue::shipped(), &|path| {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    })?;
    let rig = Rig::new(&config, &Library::shipped(), Role::Rig)?;
    let mut driver = VirtualDriver::new(rig);

    driver.run(SimTime::from_millis(10_000), &mut |rig| {
        rig.counters().frames_sent > 0
    })?;
    report("startup_to_first_frame", started.elapsed().as_secs_f64(), "s")?;

    // Bring the container into operation, so that contactors are closed and current flows while measuring.
    for (point, value) in [("mode", 1.0), ("power-setpoint", 855_000.0), ("command", 1.0)] {
        let command = RigCommand::Operator {
            target: HmiTarget::Ems,
            point: point.into(),
            value,
        };
        driver.run(
            driver.rig().now() + std::time::Duration::from_secs(2),
            &mut |_| false,
        )?;
        driver.rig_mut().command(command)?;
    }
    run(&mut driver, WARM_UP_S)?;

    let before = driver.rig().counters();
    let wall = Instant::now();
    let trace_bytes = run(&mut driver, MEASURED_S)?;
    let seconds = wall.elapsed().as_secs_f64();
    let after = driver.rig().counters();
    #[allow(
        clippy::cast_precision_loss,
        reason = "counts of a two-minute run are far below 2^52"
    )]
    {
        report("virtual_time_over_real_time", MEASURED_S as f64 / seconds, "1")?;
        report(
            "frames_per_simulated_second",
            (after.frames_sent - before.frames_sent) as f64 / MEASURED_S as f64,
            "1/s",
        )?;
        report(
            "frames_per_wall_second",
            (after.frames_sent - before.frames_sent) as f64 / seconds,
            "1/s",
        )?;
        report(
            "candump_bytes_per_simulated_second",
            trace_bytes as f64 / MEASURED_S as f64,
            "B/s",
        )?;
    }
    report("peak_memory", peak_memory_mb()?, "MB")?;
    Ok(())
}

/// Runs for `seconds`, taking the trace away each second as a scenario does; returns the bytes written.
fn run(driver: &mut VirtualDriver, seconds: u64) -> Result<usize, Box<dyn Error + Send + Sync>> {
    let mut bytes = 0;
    for _ in 0..seconds {
        driver.run(
            driver.rig().now() + std::time::Duration::from_secs(1),
            &mut |_| false,
        )?;
        driver.rig_mut().drain_candump(&mut |_, text| bytes += text.len());
    }
    Ok(bytes)
}

fn report(name: &str, value: f64, unit: &str) -> std::io::Result<()> {
    writeln!(
        std::io::stdout(),
        r#"{{"name":"{name}","value":{value:.3},"unit":"{unit}"}}"#
    )
}

/// High-water mark of the process, from /proc.
fn peak_memory_mb() -> Result<f64, Box<dyn Error + Send + Sync>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
}
