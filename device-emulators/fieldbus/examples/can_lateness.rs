//! How late frames due every 10 ms are handed to the kernel, as JSON lines with the goal. Run through `ci/bench-wires.sh`.
//!
//! `can_lateness INTERFACE SECONDS [--check]`. The driver is the one every paced rig has; the rig is the least there can be, so
//! that the figure is the driver's and the host's own.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be made ends here")]

#[path = "../../../ci/report.rs"]
mod report;

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Duration;

use bess_rig::WireOutput;
use bess_types::{CanFrame, CanId};
use common::{Bench, open, run_for};
use report::Report;

/// Goal on a quiet host.
const P99_GOAL_US: f64 = 500.0;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (interface, seconds, check) = match arguments[..] {
        [interface, seconds] => (interface, seconds.parse()?, false),
        [interface, seconds, "--check"] => (interface, seconds.parse()?, true),
        _ => return Err("can_lateness INTERFACE SECONDS [--check]".into()),
    };
    let frame = CanFrame::new(CanId::Extended(0x18FF_0001), &[0x55; 8]).unwrap();
    let every_tick = move |_| vec![WireOutput::Can { bus: 0, frame }];
    let mut driver = open(Bench::new().with_can(interface).ticking(every_tick));
    run_for(&mut driver, Duration::from_secs(seconds));

    let health = driver.health();
    if health.dropped_frames > 0 {
        return Err(format!("{} frames were lost", health.dropped_frames).into());
    }
    let late = health.send_jitter_us;
    Report::plain("can_send_lateness_p50", late.p50 as f64, "us")?;
    Report::plain("can_send_lateness_max", late.max as f64, "us")?;
    let mut report = Report::default();
    report.at_most("can_send_lateness_p99", late.p99 as f64, "us", P99_GOAL_US)?;
    if check && !report.missed.is_empty() {
        return Err(format!("missed: {}", report.missed.join(", ")).into());
    }
    Ok(())
}
