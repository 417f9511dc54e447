//! `bessrig`: scenarios in plain words against a battery container on real or virtual wires.
//!
//! Read in this order: [`session`] (one scenario's conversation with its rig), [`steps`] (the words of
//! features), [`watch`] (when a thing happened), [`suite`] (running and judging), [`feature`] (reading and
//! checking), [`cut`] (controller processes and broken controllers), [`evidence`] and [`report`] (what is
//! left behind), [`telemetry`] (what a run tells of itself), [`live`] and [`api`] (a rig that others watch and command), [`capture`] (traces for Wireshark), [`check`], [`maps`] (lists of vendors), [`catalogue`], [`validate`], [`site`] and [`cell`] (the other
//! commands).

#![forbid(unsafe_code)]

mod api;
mod bench;
mod capture;
mod catalogue;
mod cell;
mod check;
mod cut;
mod evidence;
mod faults;
mod feature;
mod live;
mod maps;
mod measure;
mod mistake;
mod nameplate;
mod report;
mod session;
mod site;
mod steps;
mod suite;
mod telemetry;
mod topology;
mod validate;
mod watch;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bess_types::{Tag, Verdict};
use clap::{Args, Parser, Subcommand};
use cucumber::gherkin::tagexpr::TagOperation;
use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::bench::{Bench, Data};
use crate::feature::Planned;
use crate::mistake::Mistake;
use crate::report::summary::{Summary, Totals, overall};
use crate::suite::{Options, say};

const DEFAULT_RIG: &str = "scenarios/rigs/liquid-20ft.toml";
const DEFAULT_FEATURES: &str = "features";
const DEFAULT_OUT: &str = "./bessrig-out";
const DEFAULT_TAGS: &str = "not @preset and not @timed-bus and not @pcs-can and not @enable-chain";

/// Hardware-in-the-loop rig for containerised battery storage.
///
/// Exit code: 0 pass, 1 inconclusive, 2 fail, 3 error.
#[derive(Parser)]
#[command(version, about, long_about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Folder with products/, dbc/, modbus/, cells/, packs/, hv-boxes/, pcs/, stations/, agents/, containers/ and sites/
    /// that are taken before the shipped ones.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run features and judge them.
    Test(TestArgs),
    /// Run a rig live until Ctrl-C; prints its buses and ports.
    Run {
        /// Rig file. One with a paced clock has real wires; in virtual time it can be paused, stepped and sped up over the
        /// control API.
        #[arg(long, value_name = "FILE")]
        rig: PathBuf,
        /// Seed in place of the rig file's.
        #[arg(long)]
        seed: Option<u64>,
        /// Start the rig file's controller processes too, instead of waiting for them on the wires.
        #[arg(long)]
        controllers: bool,
        /// Folder for a candump log of each bus, the Modbus messages and, at the end, summary.json with the last true values.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Write recording.mcap there too.
        #[arg(long, requires = "out")]
        record: bool,
        /// Where the control API listens, or "none" [default: 127.0.0.1:15080, or any free port there]. Addresses that are
        /// not loopback need a token.
        #[arg(long, value_name = "ADDRESS")]
        api: Option<String>,
        /// File with the token of the control API; else the environment variable BESSRIG_API_TOKEN is looked at.
        #[arg(long, value_name = "FILE")]
        api_token_file: Option<PathBuf>,
    },
    /// Run chosen devices of a rig in this process, over its wires only.
    Host {
        /// Rig file.
        #[arg(long, value_name = "FILE")]
        rig: PathBuf,
        /// Tags of the devices.
        #[arg(long = "device", value_name = "TAG", required = true, num_args = 1..)]
        devices: Vec<Tag>,
    },
    /// Put the traces of a run into one pcapng file: every CAN bus, Modbus on TCP, RTU lines.
    Capture(capture::CaptureArgs),
    /// Read rig, product, DBC, register and feature files as a run would, and say what is wrong.
    Check {
        /// Files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Rig that features are checked against.
        #[arg(long, default_value = DEFAULT_RIG, value_name = "FILE")]
        rig: PathBuf,
    },
    /// Read what others wrote into files of this rig.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Look into register maps, DBCs and products.
    #[command(subcommand)]
    Map(MapCommand),
    /// List every point of a rig with unit, range and where it is seen.
    Points {
        /// Rig file.
        #[arg(long, default_value = DEFAULT_RIG, value_name = "FILE")]
        rig: PathBuf,
    },
    /// List the faults of links: name, target, numbers and a step that uses each.
    Faults,
    /// List the words of features: timings, phrases, preconditions, causes and what was measured, each with an example, and
    /// the checkers that watch every scenario.
    Steps {
        /// Only what contains all these words.
        #[arg(value_name = "PATTERN")]
        pattern: Vec<String>,
    },
    /// List the products of the catalogue, or explain one: what it is made of, every figure with its origin, and what
    /// follows from them.
    Catalogue {
        /// Id of a product, number of a conflict in the sources, "conflicts" for all of these, or "sources" for what tags stand for.
        #[arg(value_name = "ID")]
        id: Option<String>,
    },
    /// Hold the twin against published, derived and assumed figures; prints one row each and writes validation.html and validation.json.
    Validate {
        /// Output folder.
        #[arg(long, default_value = "./bessrig-out/validation", value_name = "DIR")]
        out: PathBuf,
        /// Only experiments and rows whose name contains this.
        #[arg(long, value_name = "PATTERN")]
        only: Option<String>,
    },
    /// Run one cell of the catalogue through a current profile and write what it does, second by second.
    Cell {
        /// Id of the cell, such as lfp-300.
        cell: String,
        /// CSV with the columns seconds and amperes (discharging positive).
        #[arg(value_name = "FILE")]
        profile: PathBuf,
        #[command(flatten)]
        around: cell::Surroundings,
        /// CSV to write: time, current, voltage, temperature, state of charge, heat.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Run a site of the catalogue through one charge and discharge at its dispatch limits, in the plant alone.
    Site(site::SiteArgs),
    /// Run deliberately broken controllers; each must be caught by a shipped scenario.
    Selftest {
        /// Rig file.
        #[arg(long, default_value = DEFAULT_RIG, value_name = "FILE")]
        rig: PathBuf,
        /// Folder of the shipped features.
        #[arg(long, default_value = DEFAULT_FEATURES, value_name = "DIR")]
        features: PathBuf,
        /// Output folder.
        #[arg(long, default_value = "./bessrig-out/selftest", value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Subcommand)]
enum ImportCommand {
    /// A vendor's list of registers into a register map; says what it concluded and what it could not use.
    Registers(maps::ImportArgs),
}

#[derive(Subcommand)]
enum MapCommand {
    /// Say what cannot work in register maps, DBCs and products, what is hardly meant so, and what is good to know.
    Check(maps::check::CheckArgs),
    /// Write a product, DBC or register map as a table.
    Doc(maps::doc::DocArgs),
}

#[derive(Args)]
struct TestArgs {
    /// Feature files, or folders of them.
    #[arg(default_value = DEFAULT_FEATURES, value_name = "FEATURES")]
    features: Vec<PathBuf>,
    /// Rig file.
    #[arg(long, default_value = DEFAULT_RIG, value_name = "FILE")]
    rig: PathBuf,
    /// Only scenarios this tag expression takes, such as "not @long"; full cycles of any container are @preset, what needs timed
    /// CAN buses @timed-bus, a bus between BMS and PCS @pcs-can, BMUs that want addresses @enable-chain.
    #[arg(long, value_name = "EXPR", default_value = DEFAULT_TAGS)]
    tags: String,
    /// Seed in place of the rig file's.
    #[arg(long)]
    seed: Option<u64>,
    /// Output folder.
    #[arg(long, default_value = DEFAULT_OUT, value_name = "DIR")]
    out: PathBuf,
    /// Most MB kept of each bus, of the Modbus messages, and in recording.mcap, of a scenario; 0 keeps none of them.
    #[arg(long, default_value_t = 64, value_name = "MB")]
    candump_limit_mb: u64,
    /// Leave recording.mcap out, on a machine that has hardly time for a paced rig.
    #[arg(long)]
    no_recording: bool,
    /// Scenarios run side by side in virtual time [default: the number of cores, at most 4].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// How often an inconclusive scenario of a paced rig is repeated; a fail never is.
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=2))]
    repeats: u8,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            // clap's own code for a wrong command line is 2, which is a fail here.
            let code = if error.use_stderr() {
                Verdict::Error.exit_code()
            } else {
                0
            };
            return code.into();
        }
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::INFO)
        .without_time()
        .init();
    match carry_out(cli) {
        Ok(code) => code.into(),
        Err(mistakes) => {
            for mistake in &mistakes {
                show(mistake);
            }
            Verdict::Error.exit_code().into()
        }
    }
}

fn carry_out(cli: Cli) -> Result<u8, Vec<Mistake>> {
    let one = |mistake: Mistake| vec![mistake];
    let interrupted = on_interrupt().map_err(one)?;
    let data = bench::data(cli.data.as_deref()).map_err(one)?;
    match cli.command {
        Command::Test(args) => test(&args, data, interrupted),
        Command::Run {
            rig,
            seed,
            controllers,
            out,
            record,
            api,
            api_token_file,
        } => {
            let options = live::LiveOptions {
                seed,
                controllers,
                out: out.as_deref(),
                record,
                api: api::Address::read(api.as_deref(), api_token_file.as_deref()).map_err(one)?,
            };
            live::run(&rig, &data, options, &interrupted).map_err(one)?;
            Ok(0)
        }
        Command::Host { rig, devices } => {
            live::host(&rig, &data, &devices, &interrupted).map_err(one)?;
            Ok(0)
        }
        Command::Capture(args) => {
            capture::run(&args).map_err(one)?;
            Ok(0)
        }
        Command::Check { files, rig } => check_all(&files, &rig, &data),
        Command::Import(ImportCommand::Registers(args)) => {
            maps::import_registers(&args, &data.library)?;
            Ok(0)
        }
        Command::Map(MapCommand::Check(args)) => maps::check::run(&args, &data.library),
        Command::Map(MapCommand::Doc(args)) => {
            maps::doc::run(&args, &data).map_err(one)?;
            Ok(0)
        }
        Command::Points { rig } => {
            points(&rig, &data).map_err(one)?;
            Ok(0)
        }
        Command::Faults => {
            faults::list();
            Ok(0)
        }
        Command::Steps { pattern } => {
            let pattern = pattern.join(" ");
            steps::vocabulary::list(Some(&*pattern).filter(|words| !words.is_empty())).map_err(one)?;
            Ok(0)
        }
        Command::Catalogue { id } => {
            catalogue::run(data.catalogue().map_err(one)?, id.as_deref()).map_err(one)?;
            Ok(0)
        }
        Command::Validate { out, only } => {
            if cli.data.is_some() {
                return Err(vec![Mistake::new(
                    "validate holds the shipped data against published figures and does not read --data",
                    "leave --data out; `bessrig --data DIR check` and `test` take products of your own",
                )]);
            }
            validate::run(&out, only.as_deref(), &interrupted).map_err(one)
        }
        Command::Cell {
            cell,
            profile,
            around,
            out,
        } => {
            cell::run(data.catalogue().map_err(one)?, &cell, &profile, &around, &out).map_err(one)?;
            Ok(0)
        }
        Command::Site(args) => {
            let catalogue = data.catalogue().map_err(one)?;
            site::run(&args, catalogue, &interrupted).map_err(one)
        }
        Command::Selftest { rig, features, out } => {
            let bench = Bench::load(&rig, data, None).map_err(one)?;
            let plan = plan(&[features], None, &bench)?;
            let options = Options {
                out,
                candump_limit: 0,
                recording: false,
                jobs: 1,
                interrupted,
                repeats: 0,
                quiet: true,
            };
            cut::defects::selftest(&bench, &plan, &options).map_err(one)
        }
    }
}

fn test(args: &TestArgs, data: Arc<Data>, interrupted: Arc<AtomicBool>) -> Result<u8, Vec<Mistake>> {
    let bench = Bench::load(&args.rig, data, args.seed).map_err(|mistake| vec![mistake])?;
    let plan = plan(&args.features, Some(&args.tags), &bench)?;
    if bench.paced() {
        cut::process::check(&bench.config).map_err(|mistake| vec![mistake])?;
    }
    // before the minutes that scenarios take
    std::fs::create_dir_all(&args.out)
        .map_err(|error| vec![Mistake::unwritable(format!("{}: {error}", args.out.display()))])?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = Options {
        out: args.out.clone(),
        candump_limit: args.candump_limit_mb << 20,
        recording: !args.no_recording,
        jobs: args.jobs.unwrap_or(cores.min(4)).max(1),
        interrupted,
        repeats: usize::from(args.repeats),
        quiet: false,
    };
    say(&format!(
        "{}: {} scenarios, seed {}, {}\n",
        bench.config.title,
        plan.len(),
        bench.config.seed,
        if bench.paced() {
            "paced, on wires"
        } else {
            "virtual time"
        }
    ));
    let begin = Instant::now();
    let results = suite::run(&bench, &plan, &options);
    let verdict = overall(&results, plan.len());
    let incomplete = options
        .interrupted
        .load(Ordering::Relaxed)
        .then(|| format!("interrupted after {} of {} scenarios", results.len(), plan.len()));
    let totals = Totals::of(&results, plan.len());
    let summary = Summary {
        version: env!("CARGO_PKG_VERSION"),
        rig: args.rig.to_string_lossy().into_owned(),
        rig_title: bench.config.title.clone(),
        seed: bench.config.seed,
        paced: bench.paced(),
        verdict,
        incomplete,
        totals,
        virtual_s: results.iter().map(|result| result.virtual_s).sum(),
        wall_s: begin.elapsed().as_secs_f64(),
        scenarios: &results,
    };
    report::write(&args.out, &summary)
        .map_err(|error| vec![Mistake::unwritable(format!("{}: {error}", args.out.display()))])?;
    if let Some(why) = &summary.incomplete {
        say(why);
    }
    say(&format!(
        "{verdict}: {} pass, {} inconclusive, {} fail, {} error; {:.0} s of rig time in {:.1} s\nreport: {}",
        totals.pass,
        totals.inconclusive,
        totals.fail,
        totals.error,
        summary.virtual_s,
        summary.wall_s,
        args.out.join("report.html").display()
    ));
    Ok(verdict.exit_code())
}

/// Reads and checks the features; nothing has started yet.
fn plan(features: &[PathBuf], tags: Option<&str>, bench: &Bench) -> Result<Vec<Planned>, Vec<Mistake>> {
    let default_tags = tags == Some(DEFAULT_TAGS);
    let tags: Option<TagOperation> = tags
        .map(|text| {
            text.parse().map_err(|_| {
                vec![Mistake::new(
                    format!("--tags {text:?} is not a tag expression"),
                    "write tags with @, joined by and, or, not and parentheses: \"@fire and not @long\"",
                )]
            })
        })
        .transpose()?;
    let loaded = feature::load(features)?;
    let mistakes: Vec<_> = loaded
        .iter()
        .flat_map(|(file, scenarios)| {
            let taken: Vec<_> = scenarios
                .iter()
                .filter(|planned| tags.as_ref().is_none_or(|tags| planned.taken_by(tags)))
                .cloned()
                .collect();
            feature::check(file, &taken, bench)
        })
        .collect();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let plan: Vec<_> = loaded
        .into_iter()
        .flat_map(|(_, scenarios)| scenarios)
        .filter(|planned| tags.as_ref().is_none_or(|tags| planned.taken_by(tags)))
        .collect();
    if plan.is_empty() {
        let help = if default_tags {
            format!(
                "name a feature with scenarios; the default is --tags \"{DEFAULT_TAGS}\"; give --tags @preset for full cycles"
            )
        } else {
            "name a feature with scenarios, or widen the expression after --tags".into()
        };
        return Err(vec![Mistake::new("no scenario is left to run", help)]);
    }
    Ok(plan)
}

fn check_all(files: &[PathBuf], rig: &Path, data: &Arc<Data>) -> Result<u8, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    for file in files {
        match check::file(file, rig, data) {
            Ok(passed) => {
                for warning in &passed.warnings {
                    say(&warning.to_string());
                }
                let warnings = match passed.warnings.len() {
                    0 => String::new(),
                    1 => ", 1 warning".to_owned(),
                    n => format!(", {n} warnings"),
                };
                say(&format!("ok  {}: {}{warnings}", file.display(), passed.what));
            }
            Err(found) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() { Ok(0) } else { Err(mistakes) }
}

fn points(rig: &Path, data: &Data) -> Result<(), Mistake> {
    let config = bench::load_config(rig, data.catalogue()?)?;
    let built = bess_rig::Rig::new(&config, &data.library, bess_rig::Role::Rig)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut lines = || -> std::io::Result<()> {
        writeln!(
            out,
            "{:<46} {:<28} {:<6} {:>12} {:>12} {:<7} states",
            "tag", "point", "unit", "min", "max", "source"
        )?;
        for point in built.points() {
            let source = match point.source {
                bess_types::Source::Plant => "plant",
                bess_types::Source::Wire => "wire",
                bess_types::Source::Device => "device",
                bess_types::Source::Rig => "rig",
            };
            writeln!(
                out,
                "{:<46} {:<28} {:<6} {:>12} {:>12} {source:<7} {}",
                point.tag,
                point.point,
                point.unit,
                point.min,
                point.max,
                point.states.join(" ")
            )?;
        }
        out.flush()
    };
    // `bessrig points | head` ends the pipe early; that is no error.
    drop(lines());
    Ok(())
}

/// Set by Ctrl-C or SIGTERM; a second Ctrl-C ends the process at once.
fn on_interrupt() -> Result<Arc<AtomicBool>, Mistake> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let interrupted = Arc::new(AtomicBool::new(false));
    let code = i32::from(Verdict::Error.exit_code());
    signal_hook::flag::register_conditional_shutdown(SIGINT, code, Arc::clone(&interrupted))?;
    signal_hook::flag::register(SIGINT, Arc::clone(&interrupted))?;
    signal_hook::flag::register(SIGTERM, Arc::clone(&interrupted))?;
    Ok(interrupted)
}

fn show(mistake: &Mistake) {
    // A terminal wraps by itself; messages stay the same wherever the files are.
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_wrap_lines(false)
        .without_cause_chain();
    let mut text = String::new();
    if handler.render_report(&mut text, mistake.diagnostic()).is_err() {
        text = mistake.to_string();
    }
    drop(writeln!(std::io::stderr().lock(), "{}", text.trim_end()));
}
