//! Runs planned scenarios, each on its own rig, and comes to a verdict on each.
//!
//! cucumber gives the language: Gherkin, step matching, arguments. The order of things is ours, because
//! verdicts depend on it: one scenario after the other on a paced rig, repeats only of what was
//! inconclusive, and a verdict that weighs steps, checkers and the rig's own health together.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bess_rig::{Blame, Health, Outsider, Violation};
use bess_types::{Event, Verdict};
use cucumber::World as _;
use serde::Serialize;

use crate::bench::Bench;
use crate::cut::process::{Processes, tail};
use crate::evidence::{ScenarioFolder, slug};
use crate::feature::{self, Planned};
use crate::maps;
use crate::measure::Measurement;
use crate::session::{Ending, Parts, Session};
use crate::telemetry::{RECORDING_FILE, Telemetry, Terms};

/// Longest a scenario may take, rig time, unless a `@limit-…` tag says otherwise.
const VIRTUAL_LIMIT: Duration = Duration::from_hours(1);
const PACED_LIMIT: Duration = Duration::from_mins(10);

/// How a run is done.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) out: PathBuf,
    pub(crate) candump_limit: u64,
    /// Whether recording.mcap is written, if the limit leaves room for it.
    pub(crate) recording: bool,
    pub(crate) jobs: usize,
    pub(crate) interrupted: Arc<AtomicBool>,
    /// How often an inconclusive scenario is repeated on a paced rig; in virtual time it would come out the same.
    pub(crate) repeats: usize,
    /// No line for each step.
    pub(crate) quiet: bool,
}

/// A step and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepResult {
    pub(crate) keyword: String,
    pub(crate) text: String,
    pub(crate) source: Option<String>,
    /// `None`: not reached.
    pub(crate) verdict: Option<Verdict>,
    /// Rig time when it began and when it was decided, s.
    pub(crate) began_s: Option<f64>,
    pub(crate) decided_s: Option<f64>,
    /// Indices into the scenario's measurements.
    pub(crate) measurements: Vec<usize>,
}

/// What a controller process printed in a scenario that did not pass.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ControllerLog {
    pub(crate) name: String,
    /// Below the output folder.
    pub(crate) file: String,
    pub(crate) last_lines: String,
}

/// A try that was repeated.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Attempt {
    pub(crate) verdict: Verdict,
    pub(crate) reason: Option<String>,
    pub(crate) health: Health,
    pub(crate) folder: String,
}

/// What came of a scenario.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ScenarioResult {
    pub(crate) feature: String,
    pub(crate) scenario: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) tags: Vec<String>,
    pub(crate) verdict: Verdict,
    pub(crate) reason: Option<String>,
    pub(crate) steps: Vec<StepResult>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) violations: Vec<Violation>,
    /// Rig time that passed, s.
    pub(crate) virtual_s: f64,
    /// Wall time that passed, s.
    pub(crate) wall_s: f64,
    pub(crate) health: Health,
    pub(crate) frames: u64,
    pub(crate) modbus_requests: u64,
    /// Earlier tries that were inconclusive.
    pub(crate) attempts: Vec<Attempt>,
    /// Of controller processes, unless it passed.
    pub(crate) controllers: Vec<ControllerLog>,
    /// What else is to be known, such as a log that was cut.
    pub(crate) notes: Vec<String>,
    /// Below the output folder.
    pub(crate) folder: String,
    /// The recording, below the output folder, if one was made.
    pub(crate) recording: Option<String>,
    #[serde(skip)]
    pub(crate) events: Vec<Event>,
}

impl ScenarioResult {
    /// Of a scenario that has not begun.
    fn of(planned: &Planned, folder: &str) -> Self {
        Self {
            feature: planned.feature.clone(),
            scenario: planned.name.clone(),
            file: planned.file.clone(),
            line: planned.line,
            tags: planned.tags.clone(),
            verdict: Verdict::Pass,
            reason: None,
            steps: planned
                .steps
                .iter()
                .map(|step| StepResult {
                    keyword: step.keyword.clone(),
                    text: step.text.text.clone(),
                    source: step.text.source.clone(),
                    verdict: None,
                    began_s: None,
                    decided_s: None,
                    measurements: Vec::new(),
                })
                .collect(),
            measurements: Vec::new(),
            violations: Vec::new(),
            virtual_s: 0.0,
            wall_s: 0.0,
            health: Health::default(),
            frames: 0,
            modbus_requests: 0,
            attempts: Vec::new(),
            controllers: Vec::new(),
            notes: Vec::new(),
            folder: folder.to_owned(),
            recording: None,
            events: Vec::new(),
        }
    }
}

/// Runs every scenario; results in the order of the plan. An interrupt leaves the rest out.
pub(crate) fn run(bench: &Bench, plan: &[Planned], options: &Options) -> Vec<ScenarioResult> {
    quiet_steps();
    let slugs = folder_names(plan);
    let jobs = if bench.paced() {
        1
    } else {
        options.jobs.clamp(1, plan.len().max(1))
    };
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<ScenarioResult>>> = Mutex::new(vec![None; plan.len()]);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let (Some(planned), Some(slug)) = (plan.get(index), slugs.get(index)) else {
                return;
            };
            if options.interrupted.load(Ordering::Relaxed) {
                return;
            }
            let mut lines = Lines::new(jobs == 1 && !options.quiet);
            let result = scenario(bench, planned, slug, options, &mut lines);
            if !options.quiet {
                lines.finish();
            }
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results[index] = Some(result);
        }
    };
    if jobs == 1 {
        work();
    } else {
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(work);
            }
        });
    }
    results
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_iter()
        .flatten()
        .collect()
}

/// Runs one scenario, repeating it while it is inconclusive.
pub(crate) fn scenario(
    bench: &Bench,
    planned: &Planned,
    slug: &str,
    options: &Options,
    lines: &mut Lines,
) -> ScenarioResult {
    let mut attempts = Vec::new();
    loop {
        let folder = match attempts.len() {
            0 => slug.to_owned(),
            n => format!("{slug}-attempt-{}", n + 1),
        };
        let mut result = attempt(bench, planned, &folder, options, lines);
        let repeat = result.verdict == Verdict::Inconclusive
            && bench.paced()
            && attempts.len() < options.repeats
            && !options.interrupted.load(Ordering::Relaxed);
        if !repeat {
            result.attempts = attempts;
            return result;
        }
        lines.add(&format!(
            "  repeated ({} of at most {}), because it was inconclusive",
            attempts.len() + 1,
            options.repeats
        ));
        attempts.push(Attempt {
            verdict: result.verdict,
            reason: result.reason,
            health: result.health,
            folder: result.folder,
        });
    }
}

fn attempt(
    bench: &Bench,
    planned: &Planned,
    folder: &str,
    options: &Options,
    lines: &mut Lines,
) -> ScenarioResult {
    let begin = Instant::now();
    lines.add(&format!(
        "{}: {}  ({}:{})",
        planned.feature, planned.name, planned.file, planned.line
    ));
    let mut result = ScenarioResult::of(planned, folder);
    match open_session(bench, planned, &options.out.join(folder), options) {
        Ok(mut session) => {
            run_steps(&mut session, planned, &mut result, lines);
            close(&mut session, planned, &mut result);
        }
        Err(text) => {
            result.verdict = Verdict::Error;
            result.reason = Some(text);
        }
    }
    result.wall_s = begin.elapsed().as_secs_f64();
    if result.verdict != Verdict::Pass {
        for finding in maps::check::unserved(&bench.config, &bench.data.library) {
            let lacking = finding.to_string().replace("\n    ", "; ");
            lines.add(&format!("  {lacking}"));
            result.notes.push(lacking);
        }
    }
    for ControllerLog {
        name,
        file,
        last_lines,
    } in &result.controllers
    {
        let file = options.out.join(file);
        lines.add(&format!(
            "  controller {name} printed to {}, at the end:",
            file.display()
        ));
        for line in last_lines.lines() {
            lines.add(&format!("          {line}"));
        }
    }
    lines.add(&format!(
        "  {}{}  ({:.1} s of rig time in {:.1} s)\n",
        result.verdict,
        result
            .reason
            .as_ref()
            .map(|why| format!(": {why}"))
            .unwrap_or_default(),
        result.virtual_s,
        result.wall_s
    ));
    result
}

fn open_session(
    bench: &Bench,
    planned: &Planned,
    folder: &Path,
    options: &Options,
) -> Result<Session, String> {
    let config = &bench.config;
    let folder = ScenarioFolder::create(
        folder.to_owned(),
        config.effective_toml(),
        config.seed,
        options.candump_limit,
    )
    .map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut driver = bench.driver().map_err(|mistake| mistake.to_string())?;
    driver.rig_mut().record_modbus();
    let mut telemetry = Telemetry::new(Arc::clone(&bench.described));
    if options.recording && options.candump_limit > 0 {
        let terms = Terms {
            scenario: Some(planned.told()),
            paced: bench.paced(),
            live: bench.paced(),
            limit: options.candump_limit,
        };
        telemetry
            .record(folder.path(), terms)
            .map_err(|error| format!("{}: {error}", folder.path().display()))?;
    }
    let processes = if bench.paced() {
        Processes::start(config, folder.path())?
    } else {
        Processes::default()
    };
    Ok(Session::new(Parts {
        driver,
        names: Arc::clone(&bench.names),
        nameplate: Arc::clone(&bench.nameplate),
        telemetry,
        processes,
        folder: Some(folder),
        interrupted: Arc::clone(&options.interrupted),
        limit: limit(planned, bench.paced()),
    }))
}

/// Longest a scenario may take, rig time.
pub(crate) fn limit(planned: &Planned, paced: bool) -> Duration {
    let usual = if paced { PACED_LIMIT } else { VIRTUAL_LIMIT };
    planned
        .tag_values("limit-")
        .find_map(feature::limit)
        .unwrap_or(usual)
}

/// Runs a scenario on a rig that goes on afterwards, and tells its verdict. End-of-run checks are not made.
pub(crate) fn play(session: &mut Session, planned: &Planned, lines: &mut Lines) {
    let found_before = session.rig().violations().len();
    let mut result = ScenarioResult::of(planned, "");
    lines.add(&format!(
        "{}: {}  ({}:{})",
        planned.feature, planned.name, planned.file, planned.line
    ));
    run_steps(session, planned, &mut result, lines);
    let steps_measured = session.measurements.len();
    session.leave();
    let violations: Vec<_> = session.rig().violations()[found_before..]
        .iter()
        .filter(|violation| !planned.tag_values("allow-").any(|name| name == violation.checker))
        .cloned()
        .collect();
    let (verdict, reason) = verdict(
        session.ending.as_ref(),
        &session.measurements,
        &violations,
        &session.health(),
    );
    session.tell_end(steps_measured, verdict, reason.as_deref());
    let reason = reason.map(|why| format!(": {why}")).unwrap_or_default();
    lines.add(&format!("  {verdict}{reason}\n"));
}

fn run_steps(session: &mut Session, planned: &Planned, result: &mut ScenarioResult, lines: &mut Lines) {
    let collection = Session::collection();
    let name = format!("{}: {}", planned.feature, planned.name);
    session.tell_scenario(&name, planned.steps.len());
    for (number, (step, outcome)) in planned.steps.iter().zip(&mut result.steps).enumerate() {
        session.step = step.text.clone();
        let caption = step.caption();
        let now = session.now();
        session.telemetry.step_begins(now, number, &caption);
        outcome.began_s = Some(session.now().as_secs_f64());
        let before = session.measurements.len();
        match collection.find(&step.step) {
            Ok(Some((run, _, _, context))) => {
                let run = AssertUnwindSafe(|| futures::executor::block_on(run(session, context)));
                if let Err(payload) = in_step(run) {
                    // A step's own Err arrives as a panic of cucumber's making; its verdict is known already.
                    if session.ending.is_none() {
                        session.error(format!("the step panicked: {}", panic_text(payload.as_ref())));
                    }
                } else if session.ending.is_none() {
                    drop(session.finish_step());
                }
            }
            Ok(None) => drop(session.error(format!("no step definition for `{}`", step.text.text))),
            Err(error) => drop(session.error(error.to_string())),
        }
        let verdict = session
            .ending
            .as_ref()
            .map_or(Verdict::Pass, |ending| ending.verdict);
        outcome.verdict = Some(verdict);
        outcome.decided_s = Some(session.now().as_secs_f64());
        outcome.measurements = (before..session.measurements.len()).collect();
        let mut line = format!(
            "  {verdict:<5} {:>8.3} s {} {}",
            session.now().as_secs_f64(),
            step.keyword,
            step.text.text
        );
        for measured in &session.measurements[before..] {
            line.push_str("\n          ");
            line.push_str(&measured.figures());
        }
        lines.add(&line);
        session.tell_step(number, &caption, verdict, before);
        if session.ending.is_some() {
            break;
        }
    }
}

/// End of the scenario: what the checkers, the rig's health and the steps amount to together.
fn close(session: &mut Session, planned: &Planned, result: &mut ScenarioResult) {
    let logs = session.processes.logs();
    let steps_measured = session.measurements.len();
    let finished = in_step(AssertUnwindSafe(|| session.finish()));
    if let Err(payload) = finished
        && session.ending.is_none()
    {
        session.error(format!(
            "the end of the run panicked: {}",
            panic_text(payload.as_ref())
        ));
    }
    let health = session.health();
    let counters = session.rig().counters();
    result.virtual_s = session.now().as_secs_f64();
    result.frames = counters.frames_sent + counters.frames_received;
    result.modbus_requests = counters.modbus_requests;
    result.events = session.rig().events().to_vec();
    let (allowed, violations): (Vec<_>, Vec<_>) = session
        .rig()
        .violations()
        .iter()
        .cloned()
        .partition(|violation| planned.tag_values("allow-").any(|name| name == violation.checker));
    result.notes.extend(allowed.iter().map(|violation| {
        format!(
            "{} at {} allowed by tag: {}",
            violation.checker, violation.at, violation.text
        )
    }));
    let closed = session.folder.as_mut().map(|folder| folder.close(&result.events));
    match closed.unwrap_or_else(|| Ok(Vec::new())) {
        Ok(notes) => result.notes.extend(notes),
        Err(error) => drop(session.error(format!("evidence cannot be written: {error}"))),
    }
    let judged = verdict(
        session.ending.as_ref(),
        &session.measurements,
        &violations,
        &health,
    );
    let missing: Vec<_> = session
        .rig()
        .outsiders()
        .iter()
        .filter_map(Outsider::missing)
        .collect();
    let certain = session.ending.as_ref().is_some_and(|ending| ending.certain);
    (result.verdict, result.reason) = without_controller(judged, &missing, certain);
    if result.verdict == Verdict::Pass {
        let unneeded = missing
            .iter()
            .map(|missing| format!("{missing}; the scenario passed without"));
        result.notes.extend(unneeded);
    } else {
        result.controllers = logs
            .into_iter()
            .map(|(name, log)| ControllerLog {
                name,
                file: format!(
                    "{}/{}",
                    result.folder,
                    log.file_name().unwrap_or_default().to_string_lossy()
                ),
                last_lines: tail(&log),
            })
            .collect();
    }
    session.tell_end(steps_measured, result.verdict, result.reason.as_deref());
    if session.telemetry.is_recording() {
        result.recording = Some(format!("{}/{RECORDING_FILE}", result.folder));
    }
    match session.telemetry.close() {
        Ok(notes) => result.notes.extend(notes),
        Err(error) => {
            result.verdict = Verdict::Error;
            result.reason = Some(format!("evidence cannot be written: {error}"));
        }
    }
    result.measurements = std::mem::take(&mut session.measurements);
    result.violations = violations;
    result.health = health;
}

/// The verdict and its reason.
fn verdict(
    ending: Option<&Ending>,
    measurements: &[Measurement],
    violations: &[Violation],
    health: &Health,
) -> (Verdict, Option<String>) {
    let mut verdict = Verdict::Pass;
    let mut reason = None;
    let mut worsen = |to: Verdict, why: String| {
        if to > verdict {
            verdict = to;
            reason = Some(why);
        }
    };
    if let Some(ending) = ending {
        worsen(ending.verdict, ending.text.clone());
    }
    for measured in measurements.iter().filter(|m| m.verdict == Verdict::Fail) {
        worsen(
            Verdict::Fail,
            format!("{}: {}", measured.step, measured.figures()),
        );
    }
    for violation in violations {
        let to = match violation.blames {
            Blame::Controller => Verdict::Fail,
            // A fault of the twin says nothing about the controller.
            Blame::Plant => Verdict::Error,
            Blame::Rig => Verdict::Inconclusive,
        };
        worsen(
            to,
            format!(
                "{} of {} at {}: {}",
                violation.checker, violation.tag, violation.at, violation.text
            ),
        );
    }
    // A late rig says inconclusive, never fail; but a controller that died did so whatever the rig did.
    let certain = ending.is_some_and(|ending| ending.certain);
    if let Some(late) = &health.inconclusive
        && !certain
        && verdict <= Verdict::Fail
        && verdict != Verdict::Inconclusive
    {
        let was = reason
            .map(|why| format!(" (else {verdict}: {why})"))
            .unwrap_or_default();
        return (Verdict::Inconclusive, Some(format!("{late}{was}")));
    }
    (verdict, reason)
}

/// A verdict on a controller that gave no sign of life at all says nothing about it: that is an error of the setting. One
/// whose process died did so by itself.
fn without_controller(
    (verdict, reason): (Verdict, Option<String>),
    missing: &[String],
    certain: bool,
) -> (Verdict, Option<String>) {
    if missing.is_empty() || certain || matches!(verdict, Verdict::Pass | Verdict::Error) {
        return (verdict, reason);
    }
    let was = reason
        .map(|why| format!(" (else {verdict}: {why})"))
        .unwrap_or_default();
    (Verdict::Error, Some(format!("{}{was}", missing.join("; "))))
}

/// One folder name for each scenario, all different.
pub(crate) fn folder_names(plan: &[Planned]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for planned in plan {
        let base = slug(&planned.name);
        let mut name = base.clone();
        let mut n = 1;
        while names.contains(&name) {
            n += 1;
            name = format!("{base}-{n}");
        }
        names.push(name);
    }
    names
}

/// Lines about one scenario: at once, or together at its end when scenarios run side by side.
pub(crate) struct Lines {
    live: bool,
    kept: String,
}

impl Lines {
    pub(crate) fn new(live: bool) -> Self {
        Self {
            live,
            kept: String::new(),
        }
    }

    fn add(&mut self, line: &str) {
        if self.live {
            say(line);
        } else {
            self.kept += line;
            self.kept.push('\n');
        }
    }

    fn finish(&mut self) {
        if !self.kept.is_empty() {
            say(self.kept.trim_end_matches('\n'));
            say("");
        }
    }
}

/// A line for the user. A closed pipe is not an error of the run.
pub(crate) fn say(line: &str) {
    drop(writeln!(io::stdout().lock(), "{line}"));
}

thread_local! {
    static IN_STEP: Cell<bool> = const { Cell::new(false) };
    static WHERE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps a panic inside a step off the terminal: it becomes the step's verdict, with its place.
pub(crate) fn quiet_steps() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if IN_STEP.get() {
            WHERE.set(info.location().map(ToString::to_string).unwrap_or_default());
        } else {
            usual(info);
        }
    }));
}

fn in_step<T>(run: AssertUnwindSafe<impl FnOnce() -> T>) -> thread::Result<T> {
    IN_STEP.set(true);
    let result = panic::catch_unwind(run);
    IN_STEP.set(false);
    result
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    format!("{text} ({})", WHERE.take())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late() -> Health {
        Health {
            inconclusive: Some("tick 60 ms late".into()),
            ..Health::default()
        }
    }

    fn failed(certain: bool) -> Ending {
        Ending {
            verdict: Verdict::Fail,
            text: "too slow".into(),
            certain,
        }
    }

    #[test]
    fn a_controller_that_was_never_there_is_no_fail() {
        let nobody = ["nobody answers at 127.0.0.1:17050 for site-01/ems".to_owned()];
        let judged = |verdict, certain, missing: &[String]| {
            without_controller((verdict, Some("too slow".into())), missing, certain)
        };
        let (verdict, reason) = judged(Verdict::Fail, false, &nobody);
        assert_eq!(verdict, Verdict::Error);
        assert_eq!(
            reason.as_deref(),
            Some("nobody answers at 127.0.0.1:17050 for site-01/ems (else fail: too slow)")
        );
        assert_eq!(judged(Verdict::Inconclusive, false, &nobody).0, Verdict::Error);
        assert_eq!(
            judged(Verdict::Fail, false, &[]).0,
            Verdict::Fail,
            "it was there and vanished"
        );
        assert_eq!(
            judged(Verdict::Fail, true, &nobody).0,
            Verdict::Fail,
            "its process died"
        );
        assert_eq!(judged(Verdict::Pass, false, &nobody).0, Verdict::Pass);
    }

    #[test]
    fn a_late_rig_is_never_a_fail() {
        assert_eq!(verdict(None, &[], &[], &late()).0, Verdict::Inconclusive);
        assert_eq!(
            verdict(Some(&failed(false)), &[], &[], &late()).0,
            Verdict::Inconclusive
        );
        assert_eq!(verdict(Some(&failed(true)), &[], &[], &late()).0, Verdict::Fail);
        assert_eq!(
            verdict(Some(&failed(false)), &[], &[], &Health::default()).0,
            Verdict::Fail
        );
    }
}
