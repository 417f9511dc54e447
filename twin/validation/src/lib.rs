//! The twin held against reference figures: published, derived or assumed; each row says which.
//!
//! Read in this order:
//! - [`claim`]: a reference figure with its source, the range it allows, and whether the model was made to meet it
//! - `lab`: shipped data and a plant under an experiment's hands
//! - [`experiment`]: a run of the plant that answers claims; `experiments`: all of them
//! - [`chart`], [`page`]: what people see
//!
//! Ranges are those of the sources, or a tolerance chosen around a single figure, never what the model gives. A row outside its
//! range is a fail and stays one until the model or the reading of the source is mended.

#![forbid(unsafe_code)]

pub mod chart;
pub mod claim;
pub mod experiment;
mod experiments;
mod lab;
pub mod page;

use core::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bess_types::Verdict;
use serde::Serialize;

pub use claim::{Claim, Row};
pub use experiment::{Experiment, Judged};
pub use lab::Lab;

/// Every experiment, in the order of the report.
pub fn experiments() -> Vec<Experiment> {
    experiments::all()
}

/// No experiment and no row has this in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NothingToRun {
    /// What was asked for.
    pub pattern: String,
    /// Names there are.
    pub known: Vec<&'static str>,
}

impl fmt::Display for NothingToRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no experiment or row is named like `{}`", self.pattern)
    }
}

impl core::error::Error for NothingToRun {}

/// All that was found.
pub struct Report {
    /// Experiments in their order, each with the rows asked for.
    pub judged: Vec<Judged>,
}

/// How many rows ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// All rows.
    pub rows: usize,
    /// Inside their range.
    pub pass: usize,
    /// Outside.
    pub fail: usize,
    /// Without a value.
    pub error: usize,
    /// Passing rows that nothing was chosen for and whose figure comes from outside this project.
    pub predicted: usize,
    /// Passing rows that nothing was chosen for, but whose figure is only derived or assumed.
    pub predicted_own: usize,
}

impl Report {
    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.judged.iter().flat_map(|judged| &judged.rows)
    }

    /// How many rows ended how.
    pub fn totals(&self) -> Totals {
        let count = |verdict| self.rows().filter(|row| row.verdict == verdict).count();
        let predicted = |outside| {
            let counts = |row: &&Row| {
                row.verdict == Verdict::Pass
                    && row.claim.basis == claim::Basis::Predicted
                    && row.claim.source.is_outside() == outside
            };
            self.rows().filter(counts).count()
        };
        Totals {
            rows: self.rows().count(),
            pass: count(Verdict::Pass),
            fail: count(Verdict::Fail),
            error: count(Verdict::Error),
            predicted: predicted(true),
            predicted_own: predicted(false),
        }
    }

    /// The worst verdict.
    pub fn verdict(&self) -> Verdict {
        self.rows().map(|row| row.verdict).max().unwrap_or(Verdict::Error)
    }

    /// The report for machines.
    pub fn json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Document<'a> {
            verdict: Verdict,
            totals: Totals,
            rows: Vec<&'a Row>,
        }
        serde_json::to_string_pretty(&Document {
            verdict: self.verdict(),
            totals: self.totals(),
            rows: self.rows().collect(),
        })
        .map(|text| text + "\n")
    }
}

/// Runs the experiments whose name, or one of whose rows, contains `only`; all without. The result does not depend
/// on `threads`.
pub fn run(lab: &Lab, only: Option<&str>, threads: usize) -> Result<Report, NothingToRun> {
    run_unless(&AtomicBool::new(false), lab, only, threads)
}

/// The same; no experiment begins once `stop` is set, and the report is about those that had begun.
pub fn run_unless(
    stop: &AtomicBool,
    lab: &Lab,
    only: Option<&str>,
    threads: usize,
) -> Result<Report, NothingToRun> {
    let wanted = |experiment: &Experiment, claim: &Claim| {
        only.is_none_or(|only| experiment.id.contains(only) || claim.id.contains(only))
    };
    let chosen: Vec<Experiment> = experiments()
        .into_iter()
        .filter(|e| e.claims.iter().any(|claim| wanted(e, claim)))
        .collect();
    if chosen.is_empty() {
        return Err(NothingToRun {
            pattern: only.unwrap_or_default().into(),
            known: experiments().iter().map(|e| e.id).collect(),
        });
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(chosen.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, chosen.len()) {
            scope.spawn(|| {
                let left = |k: &usize| *k < chosen.len() && !stop.load(Ordering::Relaxed);
                while let Some(k) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(left) {
                    let judged = chosen[k].judge(lab);
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((k, judged));
                }
            });
        }
    });
    let mut judged = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    judged.sort_by_key(|(k, _)| *k);
    let judged = judged
        .into_iter()
        .map(|(_, mut judged)| {
            let experiment = judged.experiment;
            judged.rows.retain(|row| wanted(&experiment, &row.claim));
            judged
        })
        .collect();
    Ok(Report { judged })
}
