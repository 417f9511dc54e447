//! All experiments, in the order of the report.

mod cell;
mod contacts;
mod converter;
mod cycle;
mod fire;
mod high_voltage;
mod insulation;
mod life;
mod paralleling;
mod presets;
mod runaway;
mod sensors;
mod thermal;

use crate::claim::{Basis, Claim, Expected, Source};
use crate::experiment::Experiment;

pub(crate) fn all() -> Vec<Experiment> {
    [
        cell::EXPERIMENTS,
        life::EXPERIMENTS,
        cycle::EXPERIMENTS,
        thermal::EXPERIMENTS,
        presets::EXPERIMENTS,
        high_voltage::EXPERIMENTS,
        paralleling::EXPERIMENTS,
        contacts::EXPERIMENTS,
        insulation::EXPERIMENTS,
        converter::EXPERIMENTS,
        runaway::EXPERIMENTS,
        fire::EXPERIMENTS,
        sensors::EXPERIMENTS,
    ]
    .concat()
}

/// A claim on one line.
const fn claim(
    id: &'static str,
    what: &'static str,
    unit: &'static str,
    expected: Expected,
    basis: Basis,
    source: Source,
) -> Claim {
    Claim {
        id,
        what,
        unit,
        source,
        expected,
        basis,
    }
}
