//! The scenario: which step, with what verdict.

use bess_telemetry::{Event, Kind, Verdict};

/// A scenario that runs or has run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Name of feature and scenario.
    pub name: String,
    /// When it began, ns.
    pub began_ns: u64,
    /// How many steps it has.
    pub total: usize,
    /// Steps that have begun.
    pub steps: Vec<Step>,
    /// What it amounts to, and since when.
    pub verdict: Option<(u64, Verdict)>,
    /// Why it amounts to that, if something went wrong.
    pub reason: String,
}

/// A step of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its place in the scenario, from 0.
    pub number: usize,
    /// The caption.
    pub text: String,
    /// When it began, ns.
    pub began_ns: u64,
    /// When it was decided, ns, and how.
    pub decided: Option<(u64, Verdict)>,
    /// Number of the event with which it began.
    pub event: u64,
}

impl Run {
    pub(super) fn take(run: &mut Option<Self>, event: &Event) {
        match event.kind {
            Kind::Scenario => {
                *run = Some(Self {
                    name: event.text.clone(),
                    began_ns: event.at_ns,
                    total: count(event.value),
                    ..Self::default()
                });
            }
            Kind::Step => {
                let run = run.get_or_insert_with(|| Self {
                    began_ns: event.at_ns,
                    ..Self::default()
                });
                let number = count(event.value);
                match (
                    event.verdict,
                    run.steps.iter_mut().rfind(|step| step.number == number),
                ) {
                    (Some(verdict), Some(step)) => step.decided = Some((event.at_ns, verdict)),
                    (verdict, _) => run.steps.push(Step {
                        number,
                        text: event.text.clone(),
                        began_ns: event.at_ns,
                        decided: verdict.map(|verdict| (event.at_ns, verdict)),
                        event: event.id,
                    }),
                }
                run.total = run.total.max(number + 1);
            }
            Kind::Verdict => {
                if let (Some(run), Some(verdict)) = (run, event.verdict) {
                    run.verdict = Some((event.at_ns, verdict));
                    run.reason.clone_from(&event.text);
                }
            }
            _ => {}
        }
    }

    /// The step that is carried out, or else the last one.
    pub fn current(&self) -> Option<&Step> {
        self.steps.last()
    }
}

/// A count out of a number on the wire.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped before; NaN becomes 0"
)]
fn count(value: f64) -> usize {
    value.clamp(0.0, 1e6) as usize
}

/// A verdict as a word.
pub const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::Fail => "FAIL",
        Verdict::Error => "ERROR",
    }
}
