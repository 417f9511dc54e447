//! `bessrig run` and `bessrig host`: a rig on the wall clock until Ctrl-C.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bess_rig::{Attach, ClockMode, Driver, Health, ModbusAddress, Rig, RigConfig, Role, VirtualDriver};
use bess_telemetry::Refusal;
use bess_types::{Reading, Tag};
use serde::Serialize;

use crate::api::{Address, Planner, Server};
use crate::bench::{Bench, Data, load_config, paced_driver};
use crate::cut::process::{self, Processes, command_line, die_with_parent};
use crate::evidence::ScenarioFolder;
use crate::feature::{self, Planned};
use crate::mistake::Mistake;
use crate::session::{Parts, Session};
use crate::steps::names;
use crate::suite::{self, Lines, say};
use crate::telemetry::hub::{Hub, refusal};
use crate::telemetry::{Telemetry, Terms};

/// Most bytes of each bus that `--out` keeps.
const TRACE_LIMIT: u64 = 64 << 20;
/// Most bytes of a recording, about: some hours.
const RECORDING_LIMIT: u64 = 1 << 30;
/// How often traces are written and a line is said, in rig time.
const SLICE: Duration = Duration::from_secs(1);

/// How a live run is done.
pub(crate) struct LiveOptions<'a> {
    /// Seed in place of the rig file's.
    pub(crate) seed: Option<u64>,
    /// Start the rig file's controller processes too.
    pub(crate) controllers: bool,
    /// Folder for the traces, the controllers' output and, at the end, the summary.
    pub(crate) out: Option<&'a Path>,
    /// Write a recording there too.
    pub(crate) record: bool,
    /// Where the control API is, if there is to be one.
    pub(crate) api: Option<Address>,
}

/// A live rig and what goes with it.
struct Live {
    bench: Arc<Bench>,
    driver: Box<dyn Driver>,
    telemetry: Telemetry,
    traces: Option<ScenarioFolder>,
    processes: Processes,
    interrupted: Arc<AtomicBool>,
}

/// Runs the whole rig live, with its controller processes if asked for. In virtual time it keeps the pace that it is told,
/// real time at first.
pub(crate) fn run(
    rig: &Path,
    data: &Arc<Data>,
    options: LiveOptions<'_>,
    interrupted: &Arc<AtomicBool>,
) -> Result<(), Mistake> {
    let bench = Arc::new(Bench::load(rig, Arc::clone(data), options.seed)?);
    let config = &bench.config;
    let shown = |cut| command_line(cut, "bessrig", &config.path).join(" ");
    if options.controllers {
        process::check(config)?;
    }
    let built = Rig::new(config, &data.library, Role::Rig)?;
    // what is printed as served is: a port that is taken shows here
    let (mut driver, rtu_lines): (Box<dyn Driver>, _) = if bench.paced() {
        let driver = paced_driver(built, config)?;
        let rtu_lines = driver.lines().to_vec();
        (Box::new(driver), rtu_lines)
    } else {
        (Box::new(VirtualDriver::new(built)), Vec::new())
    };
    let mut telemetry = Telemetry::new(Arc::clone(&bench.described));
    let served = options
        .api
        .map(|address| {
            let (hub, orders) = Hub::new(bench.paced(), Arc::clone(interrupted));
            telemetry.open(hub);
            Server::start(address, orders, Arc::clone(&bench.described), planner(&bench))
        })
        .transpose()?;
    say(&format!("{} (seed {})", config.title, config.seed));
    print_wires(driver.rig());
    print_lines(&rtu_lines);
    print_outsiders(driver.rig());
    if let Some(server) = &served {
        say(&format!(
            "API     {:<18} on http://{}/api",
            "control",
            server.address()
        ));
    }
    let folder = options.out.map_or_else(
        || std::env::temp_dir().join(format!("bessrig-run-{}", std::process::id())),
        Path::to_owned,
    );
    let traces = options
        .out
        .map(|out| ScenarioFolder::create(out.to_owned(), config.effective_toml(), config.seed, TRACE_LIMIT))
        .transpose()?;
    if traces.is_some() {
        driver.rig_mut().record_modbus();
    }
    if options.record {
        let terms = Terms {
            scenario: None,
            paced: bench.paced(),
            live: true,
            limit: RECORDING_LIMIT,
        };
        telemetry.record(&folder, terms)?;
    }
    let mut processes = Processes::default();
    if options.controllers && !config.cuts.is_empty() {
        fs::create_dir_all(&folder)?;
        processes = Processes::start(config, &folder).map_err(|text| Mistake::new(text, ""))?;
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
    let mut live = Live {
        bench: Arc::clone(&bench),
        driver,
        telemetry,
        traces,
        processes,
        interrupted: Arc::clone(interrupted),
    };
    let mut ended = Ok(());
    while !interrupted.load(Ordering::Relaxed) && !live.processes.notice_deaths() && ended.is_ok() {
        match live.keep_running() {
            Ok(Some(planned)) => live = live.play(&planned),
            Ok(None) => {}
            Err(mistake) => ended = Err(mistake),
        }
    }
    let Live {
        mut driver,
        mut telemetry,
        mut traces,
        mut processes,
        ..
    } = live;
    drop(served);
    let recorded = telemetry.close();
    if let Some(out) = options.out {
        write_summary(&*driver, config, out)?;
    }
    let died = processes.obituary();
    let logs = processes.logs();
    processes.stop();
    if options.out.is_none() && !logs.is_empty() {
        leave(&folder, &logs);
    }
    ended?;
    let mut notes = recorded?;
    if let Some(traces) = &mut traces {
        traces.drain(driver.rig_mut())?;
        notes.extend(traces.close(driver.rig().events())?);
    }
    for note in notes {
        say(&note);
    }
    if died.is_empty() {
        Ok(())
    } else {
        Err(Mistake::new(died, ""))
    }
}

/// Reads and checks a scenario that is to run on this rig.
fn planner(bench: &Arc<Bench>) -> Planner {
    let bench = Arc::clone(bench);
    Arc::new(move |path, name| {
        let path = PathBuf::from(path);
        if path.extension().is_none_or(|extension| extension != "feature") || !path.is_file() {
            return Err(refusal(
                format!("{}: this is no feature file", path.display()),
                "give the path of a .feature file, from where bessrig was started",
            ));
        }
        let told = |mistakes: Vec<Mistake>| -> Refusal {
            let texts: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            refusal(
                texts.join("; "),
                format!("`bessrig check {}` says more", path.display()),
            )
        };
        let loaded = feature::load(std::slice::from_ref(&path)).map_err(told)?;
        let mut names = Vec::new();
        for (file, scenarios) in loaded {
            names.extend(scenarios.iter().map(|planned| planned.name.clone()));
            let mut scenarios = scenarios.into_iter();
            let wanted = scenarios.find(|planned| name.is_none_or(|name| planned.name == name));
            if let Some(planned) = wanted {
                let mistakes = feature::check(&file, std::slice::from_ref(&planned), &bench);
                return if mistakes.is_empty() {
                    Ok(planned)
                } else {
                    Err(told(mistakes))
                };
            }
        }
        Err(refusal(
            format!(
                "{}: there is no scenario `{}`",
                path.display(),
                name.unwrap_or_default()
            ),
            if names.is_empty() {
                "write one into it, or give another file".into()
            } else {
                format!("give the name of one of its scenarios: {}", names.join("; "))
            },
        ))
    })
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
    print_lines(driver.lines());
    while !interrupted.load(Ordering::Relaxed) {
        let until = driver.rig().now() + SLICE;
        driver.run(until, &mut |_| interrupted.load(Ordering::Relaxed));
        drain(&mut driver, None)?;
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
fn print_lines(lines: &[(String, String)]) {
    for (name, place) in lines {
        say(&format!("RTU     {name:<18} on {place}"));
    }
}

impl Live {
    /// Runs on until interrupted, a controller's process has died, or somebody wants a scenario, which is returned.
    fn keep_running(&mut self) -> Result<Option<Box<Planned>>, Mistake> {
        let watched = [
            (names::TRUE_PCS, "active-power", "P", 1e-3, "kW"),
            (names::TRUE_CONTAINER, "soc", "SOC", 100.0, "%"),
            (names::BAU, "alarm-level", "alarm", 1.0, ""),
        ]
        .map(|(tag, point, label, scale, unit)| (self.driver.rig().resolve(tag, point), label, scale, unit));
        let mut until = self.driver.rig().now() + SLICE;
        let mut said = Instant::now();
        while !self.interrupted.load(Ordering::Relaxed) && !self.processes.notice_deaths() {
            let Self {
                driver,
                telemetry,
                interrupted,
                ..
            } = self;
            driver
                .run(until, &mut |rig| {
                    telemetry.tick(rig) || interrupted.load(Ordering::Relaxed)
                })
                .map_err(|error| Mistake::new(error.to_string(), ""))?;
            telemetry.between(&mut **driver);
            if let Some(planned) = telemetry.take_scenario() {
                return Ok(Some(planned));
            }
            if driver.rig().now() < until {
                continue;
            }
            until = driver.rig().now() + SLICE;
            drain(&mut **driver, self.traces.as_mut())?;
            let health = self.driver.health();
            // virtual time may pass fast
            if !health.paced && said.elapsed() < SLICE {
                continue;
            }
            said = Instant::now();
            let rig = self.driver.rig();
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
            if health.paced {
                let late = health.lateness_us;
                let _ = write!(
                    line,
                    "  late p99 {} µs, max {} µs, past limit {}",
                    late.p99, late.max, health.hard_misses
                );
            }
            say(&line);
        }
        Ok(None)
    }

    /// Runs a scenario from the present state; the rig goes on afterwards.
    fn play(self, planned: &Planned) -> Self {
        let Self {
            bench,
            driver,
            telemetry,
            traces,
            processes,
            interrupted,
        } = self;
        let mut session = Session::new(Parts {
            driver,
            names: Arc::clone(&bench.names),
            nameplate: Arc::clone(&bench.nameplate),
            telemetry,
            processes,
            folder: traces,
            interrupted: Arc::clone(&interrupted),
            limit: suite::limit(planned, bench.paced()),
        });
        suite::play(&mut session, planned, &mut Lines::new(true));
        let (driver, telemetry, processes, traces) = session.into_parts();
        Self {
            bench,
            driver,
            telemetry,
            traces,
            processes,
            interrupted,
        }
    }
}

/// Writes the traces on, if there are any.
fn drain(driver: &mut dyn Driver, traces: Option<&mut ScenarioFolder>) -> Result<(), Mistake> {
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
