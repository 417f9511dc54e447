//! `bessrig run` and `bessrig host`: a rig on the wall clock until Ctrl-C.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bess_devices::library::Library;
use bess_rig::{ClockMode, Driver, Rig, RigConfig, Role};
use bess_types::{Reading, Tag};

use crate::bench::{load_config, paced_driver};
use crate::cut::process::{Processes, command_line, die_with_parent};
use crate::mistake::Mistake;
use crate::steps::names;
use crate::suite::say;

/// Runs the whole rig live, with its controller processes if `start_controllers`.
pub(crate) fn run(
    rig: &Path,
    library: &Arc<Library>,
    seed: Option<u64>,
    start_controllers: bool,
    interrupted: &AtomicBool,
) -> Result<(), Mistake> {
    let mut config = load_paced(rig)?;
    config.seed = seed.unwrap_or(config.seed);
    let shown = |cut| command_line(cut, "bessrig", &config.path).join(" ");
    let built = Rig::new(&config, library, Role::Rig)?;
    say(&format!("{} (seed {})", config.title, config.seed));
    print_wires(&built);
    let mut driver = paced_driver(built, &config)?;
    let folder = std::env::temp_dir().join(format!("bessrig-run-{}", std::process::id()));
    let mut processes = Processes::default();
    if start_controllers && !config.cuts.is_empty() {
        std::fs::create_dir_all(&folder)?;
        processes = Processes::start(&config, &folder).map_err(|text| Mistake::new(text, ""))?;
        for cut in &config.cuts {
            say(&format!("controller {}: {}", cut.name, shown(cut)));
        }
        say(&format!("controllers' output in {}", folder.display()));
    } else {
        for cut in &config.cuts {
            say(&format!(
                "controller {} is expected from: {}",
                cut.name,
                shown(cut)
            ));
        }
    }
    let ended = keep_running(&mut driver, interrupted, &mut || processes.notice_deaths());
    let died = processes.obituary();
    processes.stop();
    ended?;
    if died.is_empty() {
        Ok(())
    } else {
        Err(Mistake::new(died, ""))
    }
}

/// Runs chosen devices of a rig over its wires only: no plant, nothing shared with the rig's process.
pub(crate) fn host(
    rig: &Path,
    library: &Arc<Library>,
    tags: &[Tag],
    interrupted: &AtomicBool,
) -> Result<(), Mistake> {
    die_with_parent()?;
    let config = load_paced(rig)?;
    for tag in tags {
        if config.device(tag).is_none() {
            return Err(Mistake::new(
                format!("{}: there is no device {tag}", rig.display()),
                "name a tag of the rig file; `bessrig points` lists them",
            ));
        }
    }
    let built = Rig::new(&config, library, Role::Host(tags))?;
    for tag in tags {
        say(&format!("hosting {tag}"));
    }
    print_wires(&built);
    let mut driver = paced_driver(built, &config)?;
    while !interrupted.load(Ordering::Relaxed) {
        advance(&mut driver, interrupted)?;
    }
    Ok(())
}

fn load_paced(rig: &Path) -> Result<RigConfig, Mistake> {
    let config = load_config(rig)?;
    if config.clock.mode == ClockMode::Paced {
        Ok(config)
    } else {
        Err(Mistake::new(
            format!("{}: this rig runs in virtual time", rig.display()),
            "a live rig needs [clock] mode = \"paced\" and its buses attached to wires, as in liquid-20ft-vcan.toml",
        ))
    }
}

fn print_wires(rig: &Rig) {
    let wires = rig.wires();
    for wire in &wires.can {
        say(&format!("CAN     {:<18} on {}", wire.name, wire.interface));
    }
    for server in &wires.servers {
        say(&format!("Modbus  {:<18} on {}", server.tag, server.listen));
    }
}

/// A second of rig time, or less if interrupted.
fn advance(driver: &mut dyn Driver, interrupted: &AtomicBool) -> Result<(), Mistake> {
    let until = driver.rig().now() + Duration::from_secs(1);
    driver
        .run(until, &mut |_| interrupted.load(Ordering::Relaxed))
        .map_err(|error| Mistake::new(error.to_string(), ""))?;
    // Nobody reads the trace here: candump does, on the wire.
    driver.rig_mut().drain_candump(&mut |_, _| {});
    Ok(())
}

fn keep_running(
    driver: &mut dyn Driver,
    interrupted: &AtomicBool,
    died: &mut dyn FnMut() -> bool,
) -> Result<(), Mistake> {
    let watched = [
        (names::TRUE_PCS, "active-power", "P", 1e-3, "kW"),
        (names::TRUE_CONTAINER, "soc", "SOC", 100.0, "%"),
        (names::BAU, "alarm-level", "alarm", 1.0, ""),
    ]
    .map(|(tag, point, label, scale, unit)| (driver.rig().resolve(tag, point), label, scale, unit));
    while !interrupted.load(Ordering::Relaxed) && !died() {
        advance(driver, interrupted)?;
        let rig = driver.rig();
        let mut line = format!("t {}", rig.now());
        for (key, label, scale, unit) in &watched {
            let value = key
                .as_ref()
                .and_then(|key| rig.observe(key))
                .and_then(Reading::ok);
            line.push_str(&value.map_or_else(
                || format!("  {label} –"),
                |value| format!("  {label} {:.1} {unit}", value * scale),
            ));
        }
        let health = driver.health();
        say(&format!(
            "{line}  late p99 {} µs, max {} µs, past limit {}",
            health.lateness_us.p99, health.lateness_us.max, health.hard_misses
        ));
    }
    Ok(())
}
