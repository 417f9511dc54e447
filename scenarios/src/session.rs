//! One scenario's conversation with its own rig: run, wait, command, observe, measure.
//!
//! Steps talk to [`Session`] and to nothing else, so they cannot know whether virtual time or the wall
//! clock drives the rig. Waiting looks backwards first: a thing that happened after the cause (the last
//! `When`) but before the question counts, with the instant the event log gives for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bess_rig::{Driver, Health, Rig, RigCommand};
use bess_types::{SimTime, Verdict};
use cucumber::World;

use crate::cut::process::Processes;
use crate::evidence::ScenarioFolder;
use crate::measure::{Bound, Measurement};
use crate::nameplate::Nameplate;
use crate::steps::Phrase;
use crate::telemetry::Telemetry;
use crate::topology::Topology;
use crate::watch::{Key, Names, Phase, Watch};

/// Why a scenario ends before its last step. The verdict is kept by the session.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Stop(String);

/// What a step gives back.
pub(crate) type Outcome = Result<(), Stop>;

/// How a scenario ended early.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
    /// A late rig cannot be the reason: the verdict stands whatever the rig's health.
    pub(crate) certain: bool,
}

/// The step now running, as written in the feature.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepText {
    pub(crate) text: String,
    /// Where its figure comes from: the bracket at the end of the step.
    pub(crate) source: Option<String>,
}

/// A scenario's rig, its driver and what was measured so far. The `World` of the cucumber steps.
#[derive(World)]
#[world(init = Self::refuse)]
pub(crate) struct Session {
    driver: Box<dyn Driver>,
    names: Arc<Names>,
    nameplate: Arc<Nameplate>,
    topology: Topology,
    watch: Watch,
    pub(crate) telemetry: Telemetry,
    pub(crate) processes: Processes,
    /// Where its traces go; none of a live rig that keeps none.
    pub(crate) folder: Option<ScenarioFolder>,
    interrupted: Arc<AtomicBool>,
    slice: Duration,
    limit: SimTime,
    cause: SimTime,
    pub(crate) step: StepText,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) ending: Option<Ending>,
}

/// What a session is made of.
pub(crate) struct Parts {
    pub(crate) driver: Box<dyn Driver>,
    pub(crate) names: Arc<Names>,
    pub(crate) nameplate: Arc<Nameplate>,
    pub(crate) telemetry: Telemetry,
    pub(crate) processes: Processes,
    pub(crate) folder: Option<ScenarioFolder>,
    pub(crate) interrupted: Arc<AtomicBool>,
    /// The scenario's own hard limit, so that nothing hangs.
    pub(crate) limit: Duration,
}

impl Session {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            driver,
            names,
            nameplate,
            telemetry,
            processes,
            folder,
            interrupted,
            limit,
        } = parts;
        let topology = names.topology();
        let watch = Watch::new(&names, driver.rig());
        // Short slices when paced: frames wait for nobody while a second's worth of log is written.
        let slice = if driver.health().paced {
            Duration::from_millis(100)
        } else {
            Duration::from_secs(1)
        };
        let limit = driver.rig().now() + limit;
        Self {
            driver,
            names,
            nameplate,
            topology,
            watch,
            telemetry,
            processes,
            folder,
            interrupted,
            slice,
            limit,
            cause: SimTime::ZERO,
            step: StepText::default(),
            measurements: Vec::new(),
            ending: None,
        }
    }

    /// cucumber's own way of making a world is not used: a session needs a rig.
    fn refuse() -> Result<Self, Stop> {
        Err(Stop("a session is made from a rig, by the suite".into()))
    }

    pub(crate) fn topology(&self) -> Topology {
        self.topology
    }

    /// What the catalogue says of the rig's container.
    pub(crate) fn nameplate(&self) -> Arc<Nameplate> {
        Arc::clone(&self.nameplate)
    }

    pub(crate) fn now(&self) -> SimTime {
        self.driver.rig().now()
    }

    /// When the last cause was.
    pub(crate) fn cause(&self) -> SimTime {
        self.cause
    }

    /// Makes this instant the cause that time bounds count from.
    pub(crate) fn mark_cause(&mut self) {
        self.cause = self.now();
        self.telemetry.mark_cause();
        self.watch.start_over(self.driver.rig());
    }

    pub(crate) fn rig(&self) -> &Rig {
        self.driver.rig()
    }

    pub(crate) fn health(&self) -> Health {
        self.driver.health()
    }

    /// Acts on the rig now; what follows is measured from here.
    pub(crate) fn command(&mut self, command: RigCommand) -> Outcome {
        self.telemetry.before_command(self.driver.rig());
        self.driver
            .rig_mut()
            .command(command)
            .map_err(|error| self.error(format!("the rig refuses: {error}")))?;
        self.telemetry.after_command(self.driver.rig());
        Ok(())
    }

    /// The present value of a point; an unknown point is a mistake in the step, not a verdict.
    pub(crate) fn observe(&mut self, tag: &str, point: &str) -> Result<Option<f64>, Stop> {
        let key = self.key(tag, point)?;
        Ok(self
            .driver
            .rig()
            .observe(&key.point)
            .and_then(bess_types::Reading::ok))
    }

    /// Runs on for `duration`.
    pub(crate) fn run_for(&mut self, duration: Duration) -> Outcome {
        let until = self.now() + duration;
        self.run(until, &mut |_| false).map(drop)
    }

    /// When `phrase` first held since the cause: looked up in the log, else waited for until `deadline`.
    pub(crate) fn until(&mut self, phrase: &Phrase, deadline: SimTime) -> Result<Option<SimTime>, Stop> {
        let condition = self.condition(phrase)?;
        let cause = self.cause;
        if let Some(at) = self.watch.first_time(&condition, cause, self.driver.rig()) {
            return Ok(Some(at));
        }
        if self.now() >= deadline {
            return Ok(None);
        }
        let stopped = self.run(deadline, &mut |rig| condition.holds(rig))?;
        let now = self.now();
        let at = self.watch.first_time(&condition, cause, self.driver.rig());
        Ok(at.or(stopped.then_some(now)))
    }

    /// Whether `phrase` holds at this instant.
    pub(crate) fn holds(&mut self, phrase: &Phrase) -> Result<bool, Stop> {
        let condition = self.condition(phrase)?;
        Ok(condition.holds(self.driver.rig()))
    }

    /// Whether `phrase` held at `at`, between the cause and now.
    pub(crate) fn held_at(&mut self, phrase: &Phrase, at: SimTime) -> Result<bool, Stop> {
        let condition = self.condition(phrase)?;
        Ok(self.watch.held_at(&condition, self.cause, at, self.driver.rig()))
    }

    /// When `phrase` first stopped holding, if it does within `duration` from now.
    pub(crate) fn broken_within(
        &mut self,
        phrase: &Phrase,
        duration: Duration,
    ) -> Result<Option<SimTime>, Stop> {
        let condition = self.condition(phrase)?;
        if !condition.holds(self.driver.rig()) {
            return Ok(Some(self.now()));
        }
        let until = self.now() + duration;
        let stopped = self.run(until, &mut |rig| !condition.holds(rig))?;
        Ok(stopped.then(|| self.now()))
    }

    /// Waits for a precondition; a `Given` that never comes true is the controller's or plant's failure.
    pub(crate) fn reach(&mut self, phrase: &Phrase, limit: Duration) -> Outcome {
        let begin = self.now();
        let condition = self.condition(phrase)?;
        if condition.holds(self.driver.rig()) || self.run(begin + limit, &mut |rig| condition.holds(rig))? {
            return Ok(());
        }
        let state = condition.describe(self.driver.rig());
        Err(self.fail(format!(
            "precondition not reached: {phrase} within {} s ({state})",
            limit.as_secs_f64()
        )))
    }

    /// From now to the end of the scenario a value must stay inside `low..=high`.
    pub(crate) fn keep_between(&mut self, points: &[(String, &str)], low: f64, high: f64) -> Outcome {
        let keys = points
            .iter()
            .map(|(tag, point)| self.key(tag, point))
            .collect::<Result<Vec<_>, _>>()?;
        let step = self.step.clone();
        self.watch.add_envelope(keys, low, high, step);
        Ok(())
    }

    /// A charge or discharge since the last cause, with its energies.
    pub(crate) fn phase(&self, charging: bool) -> Phase {
        self.watch.phase(charging)
    }

    /// Charges and discharges done so far.
    pub(crate) fn phases(&mut self) -> &mut Vec<Phase> {
        self.watch.phases()
    }

    /// Records a time bound: `at` is when it happened, or `None` if it did not.
    pub(crate) fn record_time(&mut self, phrase: &Phrase, at: Option<SimTime>, limit: Duration) -> Outcome {
        let cause = self.cause;
        let measured = at.map(|at| at.since(cause).as_secs_f64());
        let points = self.points_of(phrase);
        let verdict = if measured.is_some_and(|t| t <= limit.as_secs_f64()) {
            Verdict::Pass
        } else {
            Verdict::Fail
        };
        let subject = phrase.subject();
        self.measurements.push(Measurement {
            points,
            ..Measurement::time(&self.step, subject, cause, at, limit, verdict)
        });
        if verdict == Verdict::Pass {
            return Ok(());
        }
        let state = self.condition(phrase)?.describe(self.driver.rig());
        Err(self.fail(match measured {
            Some(t) => format!("{phrase} took {t:.3} s, allowed are {:.3} s", limit.as_secs_f64()),
            None => format!("{phrase}: not within {:.3} s ({state})", limit.as_secs_f64()),
        }))
    }

    /// Says what the last figure was the latency of: when `phrase` came true.
    pub(crate) fn was_latency_of(&mut self, phrase: &Phrase, at: SimTime) {
        let points = self.points_of(phrase);
        if let Some(last) = self.measurements.last_mut() {
            last.points = points;
            last.seen = Some(at);
        }
    }

    /// Tags and points a phrase looks at.
    fn points_of(&self, phrase: &Phrase) -> Vec<(String, String)> {
        let demands = phrase.condition(self.topology).map(|demands| demands.list);
        let points = demands.unwrap_or_default().into_iter();
        points.map(|demand| (demand.tag, demand.point)).collect()
    }

    /// Records a value against its bounds.
    pub(crate) fn record_value(&mut self, subject: &str, unit: &str, value: f64, bound: Bound) -> Outcome {
        let verdict = if bound.margin(value) >= 0.0 {
            Verdict::Pass
        } else {
            Verdict::Fail
        };
        let (cause, now) = (self.cause, self.now());
        self.measurements.push(Measurement::value(
            &self.step, subject, unit, cause, now, value, bound, verdict,
        ));
        if verdict == Verdict::Pass {
            Ok(())
        } else {
            Err(self.fail(format!("{subject} is {value:.3} {unit}, allowed is {bound}")))
        }
    }

    /// The controller or the plant broke a requirement.
    pub(crate) fn fail(&mut self, text: impl Into<String>) -> Stop {
        self.end(Verdict::Fail, text.into(), false)
    }

    /// The scenario cannot be carried out as written.
    pub(crate) fn error(&mut self, text: impl Into<String>) -> Stop {
        self.end(Verdict::Error, text.into(), true)
    }

    /// Closes the running step: an envelope left during it ends the scenario.
    pub(crate) fn finish_step(&mut self) -> Outcome {
        match self.watch.first_breach() {
            Some(text) => Err(self.fail(text)),
            None => Ok(()),
        }
    }

    /// Ends the scenario and not the run: envelopes as measurements.
    pub(crate) fn leave(&mut self) {
        let cause = self.cause;
        self.measurements.extend(self.watch.envelope_measurements(cause));
    }

    /// Ends the run: end-of-run checks, last frames, envelopes as measurements, processes stopped.
    pub(crate) fn finish(&mut self) {
        self.driver.rig_mut().finish();
        self.leave();
        self.processes.stop();
        if let Err(error) = self.drain() {
            self.end(
                Verdict::Error,
                format!("evidence cannot be written: {error}"),
                true,
            );
        }
    }

    /// Tells that a scenario begins.
    pub(crate) fn tell_scenario(&mut self, name: &str, steps: usize) {
        self.telemetry.scenario_begins(self.driver.rig(), name, steps);
    }

    /// Tells that a step is decided, with what it measured: the figures from number `before` on.
    pub(crate) fn tell_step(&mut self, number: usize, caption: &str, verdict: Verdict, before: usize) {
        let measured = self.measurements.get(before..).unwrap_or_default();
        self.telemetry
            .step_ends(self.driver.rig(), number, caption, verdict, measured);
    }

    /// Tells what the scenario amounts to, and figures of no step: those from number `before` on.
    pub(crate) fn tell_end(&mut self, before: usize, verdict: Verdict, reason: Option<&str>) {
        let measured = self.measurements.get(before..).unwrap_or_default();
        self.telemetry.measured(self.driver.rig(), measured);
        self.telemetry.end(self.driver.rig(), verdict, reason);
    }

    /// Gives back what a live rig goes on with.
    pub(crate) fn into_parts(self) -> (Box<dyn Driver>, Telemetry, Processes, Option<ScenarioFolder>) {
        (self.driver, self.telemetry, self.processes, self.folder)
    }

    /// Writes the traces on.
    fn drain(&mut self) -> io::Result<()> {
        match &mut self.folder {
            Some(folder) => folder.drain(self.driver.rig_mut()),
            None => {
                self.driver.rig_mut().drain_candump(&mut |_, _| {});
                Ok(())
            }
        }
    }

    fn end(&mut self, verdict: Verdict, text: String, certain: bool) -> Stop {
        if self.ending.is_none() {
            self.ending = Some(Ending {
                verdict,
                text: text.clone(),
                certain,
            });
        }
        Stop(text)
    }

    fn key(&mut self, tag: &str, point: &str) -> Result<Key, Stop> {
        self.names
            .key(self.driver.rig(), tag, point)
            .ok_or_else(|| self.error(format!("this rig has no point {point} of {tag}")))
    }

    fn condition(&mut self, phrase: &Phrase) -> Result<crate::watch::Condition, Stop> {
        let names = Arc::clone(&self.names);
        phrase
            .condition(self.topology)
            .and_then(|terms| terms.resolve(&names, self.driver.rig()))
            .map_err(|text| self.error(text))
    }

    /// Runs to `until` in slices, or until `stop` says so; between slices the evidence is written.
    fn run(&mut self, until: SimTime, stop: &mut dyn FnMut(&Rig) -> bool) -> Result<bool, Stop> {
        let mut here = self.now();
        while here < until {
            here = (here + self.slice).min(until);
            let Self {
                driver,
                watch,
                telemetry,
                processes,
                ..
            } = self;
            let mut stopped = false;
            let mut died = false;
            let run = driver.run(here, &mut |rig| {
                watch.tick(rig);
                let called = telemetry.tick(rig);
                died = processes.notice_deaths();
                stopped = stop(rig);
                died || stopped || called
            });
            if let Err(error) = run {
                return Err(self.error(format!("the driver gave up: {error}")));
            }
            // whoever called the driver back is served here; then the slice goes on
            here = self.now();
            self.telemetry.between(&mut *self.driver);
            if let Err(error) = self.drain() {
                return Err(self.error(format!("evidence cannot be written: {error}")));
            }
            if died {
                let text = self.processes.obituary();
                return Err(self.end(Verdict::Fail, text, true));
            }
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(self.error("interrupted before the end"));
            }
            if stopped {
                return Ok(true);
            }
            if self.now() >= self.limit {
                let limit = self.limit;
                return Err(self.error(format!(
                    "the scenario's own limit of {limit} is used up; split it, or give it a tag such as @limit-6h"
                )));
            }
        }
        Ok(false)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("now", &self.now())
            .field("cause", &self.cause)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}
