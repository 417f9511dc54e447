//! A stopped process, in a test file of its own because all of the process stops.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

mod common;

use std::process::Command;
use std::time::Duration;

use bess_types::SimTime;
use common::{Bench, open};

#[test]
fn a_stopped_process_catches_up_and_owns_up() {
    let mut driver = open(Bench::new());
    driver.run(SimTime::from_millis(20), &mut |_| false);
    let me = std::process::id();
    let mut shell = Command::new("sh")
        .arg("-c")
        .arg(format!("sleep 0.1; kill -STOP {me}; sleep 0.3; kill -CONT {me}"))
        .spawn()
        .unwrap();
    driver.run(SimTime::from_millis(800), &mut |_| false);
    shell.wait().unwrap();
    assert_eq!(driver.rig().ticks, 80, "every tick was made");
    let health = driver.health();
    assert!(health.hard_misses >= 20, "{health:?}");
    assert!(health.lateness_us.max >= 250_000, "{health:?}");
    let why = health.inconclusive.unwrap();
    assert!(why.contains("the rig was late: the tick due at "), "{why}");
    // Afterwards it is on time again.
    driver.run(SimTime::from_millis(1000), &mut |_| false);
    let later = driver.health();
    assert!(later.hard_misses - health.hard_misses <= 1, "{later:?}");
    assert!(later.lateness_us.p50 < Duration::from_millis(5).as_micros().try_into().unwrap());
}
