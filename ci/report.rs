//! Figures of a benchmark as JSON lines on standard output, and the goals that were missed. Part of every example that
//! `ci/bench` runs.
#![allow(dead_code, reason = "each example uses its part")]

use std::io::{self, Write as _};

/// Prints figures; keeps the names of missed goals.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) missed: Vec<String>,
}

impl Report {
    pub(crate) fn plain(name: &str, value: f64, unit: &str) -> io::Result<()> {
        writeln!(
            io::stdout(),
            r#"{{"name":"{name}","value":{value:.3},"unit":"{unit}"}}"#
        )
    }

    pub(crate) fn at_least(&mut self, name: &str, value: f64, unit: &str, goal: f64) -> io::Result<()> {
        self.judged(name, value, unit, (">=", goal), value >= goal)
    }

    pub(crate) fn at_most(&mut self, name: &str, value: f64, unit: &str, goal: f64) -> io::Result<()> {
        self.judged(name, value, unit, ("<=", goal), value <= goal)
    }

    fn judged(
        &mut self,
        name: &str,
        value: f64,
        unit: &str,
        (sign, goal): (&str, f64),
        met: bool,
    ) -> io::Result<()> {
        if !met {
            self.missed.push(name.to_owned());
        }
        writeln!(
            io::stdout(),
            r#"{{"name":"{name}","value":{value:.3},"unit":"{unit}","goal":"{sign} {goal:.3}","met":{met}}}"#
        )
    }
}
