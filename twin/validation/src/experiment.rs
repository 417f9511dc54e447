//! An experiment: claims, and a run of the plant that answers them.

use bess_types::Verdict;

use crate::chart::Chart;
use crate::claim::{Claim, Row};
use crate::lab::Lab;

/// Claims that one run of the plant answers.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// Short name, in kebab-case.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// What is done, and what a reader should know about it.
    pub about: &'static str,
    /// What it answers.
    pub claims: &'static [Claim],
    /// Does it.
    pub(crate) run: fn(&Lab) -> Result<Findings, String>,
}

/// What an experiment found.
#[derive(Default)]
pub(crate) struct Findings {
    values: Vec<(&'static str, f64, String)>,
    charts: Vec<Chart>,
}

impl Findings {
    /// The value of a claim.
    pub(crate) fn set(&mut self, claim: &'static str, value: f64) {
        self.values.push((claim, value, String::new()));
    }

    /// The value of a claim and what a reader should know about it.
    pub(crate) fn set_noted(&mut self, claim: &'static str, value: f64, note: impl Into<String>) {
        self.values.push((claim, value, note.into()));
    }

    /// A picture of the run.
    pub(crate) fn draw(&mut self, chart: Chart) {
        self.charts.push(chart);
    }
}

/// An experiment after its run.
pub struct Judged {
    /// The experiment.
    pub experiment: Experiment,
    /// One row for each claim, in the order of the claims.
    pub rows: Vec<Row>,
    /// Pictures.
    pub charts: Vec<Chart>,
}

impl Experiment {
    /// Runs it and judges every claim.
    pub(crate) fn judge(&self, lab: &Lab) -> Judged {
        let (findings, failure) = match (self.run)(lab) {
            Ok(findings) => (findings, "the experiment gave no value".to_owned()),
            Err(message) => (Findings::default(), message),
        };
        let rows = self
            .claims
            .iter()
            .map(|claim| {
                let found = findings.values.iter().find(|(id, ..)| *id == claim.id);
                let (value, note) = match found {
                    Some((_, value, note)) if value.is_finite() => (Some(*value), note.clone()),
                    Some((_, value, note)) => (None, format!("the value is {value}. {note}")),
                    None => (None, failure.clone()),
                };
                let verdict = match value {
                    Some(value) if claim.expected.holds(value) => Verdict::Pass,
                    Some(_) => Verdict::Fail,
                    None => Verdict::Error,
                };
                Row {
                    claim: *claim,
                    experiment: self.id,
                    value,
                    note,
                    verdict,
                }
            })
            .collect();
        Judged {
            experiment: *self,
            rows,
            charts: findings.charts,
        }
    }
}
