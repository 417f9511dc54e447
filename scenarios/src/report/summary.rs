//! The machine-readable outcome of a run.

use bess_types::Verdict;
use serde::Serialize;

use crate::suite::ScenarioResult;

/// `summary.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    /// Version of bessrig.
    pub(crate) version: &'static str,
    /// Rig file, as named.
    pub(crate) rig: String,
    pub(crate) rig_title: String,
    pub(crate) seed: u64,
    /// Wall clock kept, real wires.
    pub(crate) paced: bool,
    /// Worst of the scenarios; error if the run was broken off.
    pub(crate) verdict: Verdict,
    /// Why the run is not complete, if so.
    pub(crate) incomplete: Option<String>,
    pub(crate) totals: Totals,
    /// Rig time of all scenarios, s.
    pub(crate) virtual_s: f64,
    /// Wall time of the run, s.
    pub(crate) wall_s: f64,
    pub(crate) scenarios: &'a [ScenarioResult],
}

/// Scenarios by verdict.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Totals {
    pub(crate) planned: usize,
    pub(crate) pass: usize,
    pub(crate) inconclusive: usize,
    pub(crate) fail: usize,
    pub(crate) error: usize,
}

impl Totals {
    pub(crate) fn of(results: &[ScenarioResult], planned: usize) -> Self {
        let count = |verdict| results.iter().filter(|result| result.verdict == verdict).count();
        Self {
            planned,
            pass: count(Verdict::Pass),
            inconclusive: count(Verdict::Inconclusive),
            fail: count(Verdict::Fail),
            error: count(Verdict::Error),
        }
    }
}

/// The verdict of a run: the worst of its scenarios, and error if some were not run at all.
pub(crate) fn overall(results: &[ScenarioResult], planned: usize) -> Verdict {
    if results.len() < planned {
        return Verdict::Error;
    }
    results
        .iter()
        .map(|result| result.verdict)
        .max()
        .unwrap_or(Verdict::Error)
}
