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
    values: Vec<Found>,
    charts: Vec<Chart>,
}

/// The value of a claim.
struct Found {
    claim: &'static str,
    value: f64,
    /// It is more than this.
    beyond: bool,
    note: String,
}

impl Findings {
    /// The value of a claim.
    pub(crate) fn set(&mut self, claim: &'static str, value: f64) {
        self.set_noted(claim, value, "");
    }

    /// The value of a claim and what a reader should know about it.
    pub(crate) fn set_noted(&mut self, claim: &'static str, value: f64, note: impl Into<String>) {
        self.values.push(Found {
            claim,
            value,
            beyond: false,
            note: note.into(),
        });
    }

    /// A value that was not reached while the experiment watched, for which there is a lower limit only.
    pub(crate) fn set_beyond(&mut self, claim: &'static str, watched: f64, note: impl Into<String>) {
        self.values.push(Found {
            claim,
            value: watched,
            beyond: true,
            note: note.into(),
        });
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
                let found = findings.values.iter().find(|found| found.claim == claim.id);
                let beyond = found.is_some_and(|found| found.beyond);
                let (value, note) = match found {
                    Some(found) if found.value.is_finite() => (Some(found.value), found.note.clone()),
                    Some(found) => (None, format!("the value is {}. {}", found.value, found.note)),
                    None => (None, failure.clone()),
                };
                let within =
                    |value| claim.expected.holds(value) && !(beyond && claim.expected.high.is_some());
                let verdict = match value {
                    Some(value) if within(value) => Verdict::Pass,
                    Some(_) => Verdict::Fail,
                    None => Verdict::Error,
                };
                Row {
                    claim: *claim,
                    experiment: self.id,
                    value,
                    beyond,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::{Basis, Expected, Source, Tag};

    const fn claim(expected: Expected) -> Claim {
        Claim {
            id: "time",
            what: "time to the next",
            unit: "min",
            source: Source::new(&[Tag::Assumption], "CT §10", "more than 2 h"),
            expected,
            basis: Basis::Predicted,
        }
    }

    #[test]
    fn what_was_not_reached_meets_a_lower_limit_only() {
        const CLAIMS: [[Claim; 1]; 3] = [
            [claim(Expected::at_least(120.0))],
            [claim(Expected::at_least(240.0))],
            [claim(Expected::stated(120.0, 300.0))],
        ];
        let verdicts = CLAIMS.each_ref().map(|claims| {
            let experiment = Experiment {
                id: "barrier",
                title: "",
                about: "",
                claims,
                run: |_| {
                    let mut findings = Findings::default();
                    findings.set_beyond("time", 200.0, "none");
                    Ok(findings)
                },
            };
            let row = experiment.judge(&Lab::shipped()).rows.remove(0);
            assert_eq!(row.shown().as_deref(), Some("> 200"));
            row.verdict
        });
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Fail, Verdict::Fail]);
    }
}
