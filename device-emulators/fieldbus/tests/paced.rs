//! The owner loop: pace, lateness, interrupt.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test of keeping the wall clock needs one of its own"
)]
#![allow(
    clippy::print_stdout,
    reason = "measurements and reasons for not running, for people"
)]

mod common;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use bess_fieldbus::Steppable as _;
use bess_types::SimTime;
use common::{Bench, open};

#[test]
fn rig_time_keeps_wall_time() {
    let mut driver = open(Bench::new());
    let start = Instant::now();
    assert!(!driver.run(SimTime::from_millis(305), &mut |_| false));
    let took = start.elapsed();
    assert!((305..400).contains(&took.as_millis()), "{took:?}");
    assert_eq!(driver.rig().now(), SimTime::from_millis(305));
    assert_eq!(driver.rig().ticks, 30);
    let health = driver.health();
    assert!(health.paced);
    assert_eq!(health.ticks, 30);
    println!("lateness of ticks on an idle rig: {:?} us", health.lateness_us);
}

#[test]
fn a_slow_stop_condition_is_a_hard_miss() {
    let mut driver = open(Bench::new());
    let mut slept = false;
    driver.run(SimTime::from_millis(300), &mut |bench| {
        if bench.now() == SimTime::from_millis(100) && !slept {
            slept = true;
            thread::sleep(Duration::from_millis(80));
        }
        false
    });
    let health = driver.health();
    assert_eq!(driver.rig().ticks, 30, "no tick is skipped");
    // Due 110 and 120 ms: 70 and 60 ms late. 130 ms is at the limit; later ones only past the soft limit.
    assert!(health.hard_misses >= 2, "{health:?}");
    assert!(health.soft_misses >= 7, "{health:?}");
    assert!(health.lateness_us.max >= 69_000, "{health:?}");
    let why = health.inconclusive.unwrap();
    assert!(why.contains("the tick due at 0.110 s ran "), "{why}");
    assert!(why.contains("hard limit is 50 ms"), "{why}");
}

#[test]
fn time_between_runs_is_lateness() {
    let mut driver = open(Bench::new());
    driver.run(SimTime::from_millis(50), &mut |_| false);
    thread::sleep(Duration::from_millis(120));
    let again = Instant::now();
    driver.run(SimTime::from_millis(150), &mut |_| false);
    assert!(
        again.elapsed() < Duration::from_millis(50),
        "it catches up without waiting"
    );
    assert_eq!(driver.rig().ticks, 15);
    assert!(driver.health().hard_misses >= 5, "{:?}", driver.health());
}

#[test]
fn time_before_the_first_run_is_not() {
    let mut driver = open(Bench::new());
    thread::sleep(Duration::from_millis(80));
    driver.run(SimTime::from_millis(50), &mut |_| false);
    assert_eq!(driver.health().inconclusive, None);
}

#[test]
fn a_part_without_plant_is_late_and_stoppable_as_well() {
    let mut bench = Bench::new();
    bench.without_plant = true;
    let mut driver = open(bench);
    assert!(driver.run(SimTime::from_millis(1000), &mut |bench| bench.ticks == 2));
    thread::sleep(Duration::from_millis(80));
    driver.run(SimTime::from_millis(40), &mut |_| false);
    assert!(driver.health().hard_misses >= 1, "{:?}", driver.health());
}

#[test]
fn stops_on_condition_and_interrupt() {
    let mut driver = open(Bench::new());
    assert!(driver.run(SimTime::from_millis(1000), &mut |bench| bench.ticks == 3));
    assert_eq!(driver.rig().ticks, 3);
    let handle = driver.interrupt_handle();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        handle.store(true, Ordering::Relaxed);
    });
    driver.run_forever(&mut |_| false);
    other.join().unwrap();
    assert!(driver.rig().ticks < 40);
}
