//! `bessrig run` and `bessrig host`: a rig on the wall clock until Ctrl-C.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bess_fieldbus::PacedDriver;
use bess_rig::{Attach, ClockMode, Driver, Health, ModbusAddress, Rig, RigConfig, Role};
use bess_types::{Reading, Tag};
use serde::Serialize;

use crate::bench::{Data, load_config, paced_driver};
use crate::cut::process::{self, Processes, command_line, die_with_parent};
use crate::evidence::ScenarioFolder;
use crate::mistake::Mistake;
use crate::steps::names;
use crate::suite::say;

/// Most bytes of each bus that `--out` keeps.
const TRACE_LIMIT: u64 = 64 << 20;

/// How a live run is done.
pub(crate) struct LiveOptions<'a> {
    /// Seed in place of the rig file's.
    pub(crate) seed: Option<u64>,
    /// Start the rig file's controller processes too.
    pub(crate) controllers: bool,
    /// Folder for the traces, the controllers' output and, at the end, the summary.
    pub(crate) out: Option<&'a Path>,
}

/// Runs the whole rig live, with its controller processes if asked for.
pub(crate) fn run(
    rig: &Path,
    data: &Data,
    options: &LiveOptions<'_>,
    interrupted: &AtomicBool,
) -> Result<(), Mistake> {
    let mut config = load_paced(rig, data)?;
    config.seed = options.seed.unwrap_or(config.seed);
    let shown = |cut| command_line(cut, "bessrig", &config.path).join(" ");
    if options.controllers {
        process::check(&config)?;
    }
    let built = Rig::new(&config, &data.library, Role::Rig)?;
    // what is printed as served is: a port that is taken shows here
    let mut driver = paced_driver(built, &config)?;
    say(&format!("{} (seed {})", config.title, config.seed));
    print_wires(driver.rig());
    print_lines(&driver);
    print_outsiders(driver.rig());
    let folder = options.out.map_or_else(
        || std::env::temp_dir().join(format!("bessrig-run-{}", std::process::id())),
        Path::to_owned,
    );
    let mut traces = options
        .out
        .map(|out| ScenarioFolder::create(out.to_owned(), config.effective_toml(), config.seed, TRACE_LIMIT))
        .transpose()?;
    if traces.is_some() {
        driver.rig_mut().record_modbus();
    }
    let mut processes = Processes::default();
    if options.controllers && !config.cuts.is_empty() {
        fs::create_dir_all(&folder)?;
        processes = Processes::start(&config, &folder).map_err(|text| Mistake::new(text, ""))?;
        for cut in &config.cuts {
            say(&format!("controller {}: {}", cut.name, shown(cut)));
        }
        say(&format!("controllers' output in {}", folder.display()));
    } else {
        for cut in &config.cuts {
            say(&format!(
                "controller {} is not started (--controllers does it): {}",
                cut.name,
                shown(cut)
            ));
        }
    }
    let ended = keep_running(&mut driver, traces.as_mut(), interrupted, &mut || {
        processes.notice_deaths()
    });
    if let Some(out) = options.out {
        write_summary(&driver, &config, out)?;
    }
    let died = processes.obituary();
    let logs = processes.logs();
    processes.stop();
    if options.out.is_none() && !logs.is_empty() {
        leave(&folder, &logs);
    }
    ended?;
    if let Some(traces) = &mut traces {
        traces.drain(driver.rig_mut())?;
        for note in traces.close(driver.rig().events())? {
            say(&note);
        }
    }
    if died.is_empty() {
        Ok(())
    } else {
        Err(Mistake::new(died, ""))
    }
}

/// Runs chosen devices of a rig over its wires only: no plant, nothing shared with the rig's process.
pub(crate) fn host(rig: &Path, data: &Data, tags: &[Tag], interrupted: &AtomicBool) -> Result<(), Mistake> {
    die_with_parent()?;
    let mut config = load_paced(rig, data)?;
    for tag in tags {
        if config.device(tag).is_none() {
            return Err(Mistake::new(
                format!("{}: there is no device {tag}", rig.display()),
                "name a tag of the rig file; `bessrig points` lists them",
            ));
        }
    }
    detach_others_buses(&mut config, tags);
    let built = Rig::new(&config, &data.library, Role::Host(tags))?;
    for tag in tags {
        say(&format!("hosting {tag}"));
    }
    let mut driver = paced_driver(built, &config)?;
    print_wires(driver.rig());
    print_lines(&driver);
    while !interrupted.load(Ordering::Relaxed) {
        advance(&mut driver, None, interrupted)?;
    }
    Ok(())
}

/// A process opens only the buses its devices are on: waking up for the frames of others costs as much as for its own.
fn detach_others_buses(config: &mut RigConfig, tags: &[Tag]) {
    let used: Vec<_> = tags
        .iter()
        .filter_map(|tag| config.device(tag))
        .flat_map(|device| device.can.values().cloned())
        .collect();
    for bus in &mut config.can_buses {
        if !used.contains(&bus.name) {
            bus.attach = Attach::Instant;
        }
    }
}

/// The last values of a live run, for whoever looked at its wires to compare.
#[derive(Serialize)]
struct LiveSummary<'a> {
    rig_title: &'a str,
    seed: u64,
    virtual_s: f64,
    clusters: usize,
    /// Plant truth in SI units, by `tag point`.
    truth: BTreeMap<String, f64>,
    health: Health,
}

fn write_summary(driver: &dyn Driver, config: &RigConfig, out: &Path) -> Result<(), Mistake> {
    let rig = driver.rig();
    let clusters = config.plant.clusters;
    let mut wanted: Vec<(String, &str)> = [
        "soc",
        "bus-voltage",
        "bus-current",
        "cell-voltage-min",
        "cell-voltage-max",
        "cell-temperature-min",
        "cell-temperature-max",
    ]
    .map(|point| (names::TRUE_CONTAINER.to_owned(), point))
    .into();
    wanted.push((names::TRUE_PCS.to_owned(), "active-power"));
    wanted.push((names::TRUE_PCS.to_owned(), "dc-voltage"));
    for cluster in 1..=clusters {
        for point in ["voltage", "current", "soc"] {
            wanted.push((names::true_cluster(cluster), point));
        }
    }
    let truth = wanted
        .into_iter()
        .filter_map(|(tag, point)| {
            let value = rig.observe(&rig.resolve(&tag, point)?).and_then(Reading::ok)?;
            Some((format!("{tag} {point}"), value))
        })
        .collect();
    let summary = LiveSummary {
        rig_title: &config.title,
        seed: config.seed,
        virtual_s: rig.now().as_secs_f64(),
        clusters,
        truth,
        health: driver.health(),
    };
    let text = serde_json::to_string_pretty(&summary).map_err(|error| Mistake::new(error.to_string(), ""))?;
    fs::write(out.join("summary.json"), text + "\n")?;
    say(&format!("summary: {}", out.join("summary.json").display()));
    Ok(())
}

fn load_paced(rig: &Path, data: &Data) -> Result<RigConfig, Mistake> {
    let config = load_config(rig, data.catalogue()?)?;
    if config.clock.mode == ClockMode::Paced {
        Ok(config)
    } else {
        Err(Mistake::new(
            format!("{}: this rig runs in virtual time", rig.display()),
            "a live rig needs [clock] mode = \"paced\" and its buses attached to wires, as in liquid-20ft-socketcand.toml",
        ))
    }
}

fn print_wires(rig: &Rig) {
    let wires = rig.wires();
    for wire in &wires.can {
        say(&format!("CAN     {:<18} on {}", wire.name, wire.medium));
    }
    for server in &wires.servers {
        let place = match server.address {
            ModbusAddress::Tcp(address) => address.to_string(),
            ModbusAddress::Tls(address) => format!("{address}, TLS"),
            ModbusAddress::Line(line) => {
                let line = wires.lines.iter().find(|wire| wire.line == line);
                format!(
                    "RTU line {}, unit {}",
                    line.map_or("", |line| &line.name),
                    server.unit
                )
            }
        };
        say(&format!("Modbus  {:<18} on {place}", server.tag.as_str()));
    }
}

/// Tells whom the rig asks and listens for outside this process.
fn print_outsiders(rig: &Rig) {
    for outsider in rig.outsiders() {
        if let Some(place) = &outsider.modbus {
            let by: Vec<_> = outsider.asked_by.iter().map(Tag::as_str).collect();
            say(&format!(
                "Modbus  {:<18} is asked at {place} (by {})",
                outsider.tag.as_str(),
                by.join(", ")
            ));
        }
        if !outsider.buses.is_empty() {
            say(&format!(
                "CAN     {:<18} is listened for on {}",
                outsider.tag.as_str(),
                outsider.buses.join(", ")
            ));
        }
    }
}

/// What controllers printed stays for whoever wants to read it; if they printed nothing, nothing does.
fn leave(folder: &Path, logs: &[(String, PathBuf)]) {
    let said = |log: &Path| fs::metadata(log).is_ok_and(|log| log.len() > 0);
    if logs.iter().any(|(_, log)| said(log)) {
        say(&format!("controllers' output stays in {}", folder.display()));
    } else if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!("{}: {error}", folder.display());
    }
}

/// Tells where the RTU lines are: a pseudo-terminal has its path from the kernel.
fn print_lines(driver: &PacedDriver) {
    for (name, place) in driver.lines() {
        say(&format!("RTU     {name:<18} on {place}"));
    }
}

/// A second of rig time, or less if interrupted.
fn advance(
    driver: &mut dyn Driver,
    traces: Option<&mut ScenarioFolder>,
    interrupted: &AtomicBool,
) -> Result<(), Mistake> {
    let until = driver.rig().now() + Duration::from_secs(1);
    driver
        .run(until, &mut |_| interrupted.load(Ordering::Relaxed))
        .map_err(|error| Mistake::new(error.to_string(), ""))?;
    match traces {
        Some(folder) => {
            folder.drain(driver.rig_mut())?;
            folder.flush()?;
        }
        // Nobody reads the trace: candump does, on the wire.
        None => driver.rig_mut().drain_candump(&mut |_, _| {}),
    }
    Ok(())
}

fn keep_running(
    driver: &mut dyn Driver,
    mut traces: Option<&mut ScenarioFolder>,
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
        advance(driver, traces.as_deref_mut(), interrupted)?;
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
