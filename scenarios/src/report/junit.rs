//! The outcome in the form CI servers read.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bess_types::Verdict;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::summary::Summary;
use crate::suite::ScenarioResult;

pub(crate) fn render(summary: &Summary<'_>) -> io::Result<String> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for result in summary.scenarios {
        suites
            .entry(&result.feature)
            .or_insert_with(|| TestSuite::new(result.feature.clone()))
            .add_test_case(case(result));
    }
    let mut report = Report::new("bessrig");
    report.set_time(Duration::from_secs_f64(summary.wall_s));
    report.add_test_suites(suites.into_values());
    report.to_string().map_err(io::Error::other)
}

fn case(result: &ScenarioResult) -> TestCase {
    let status = match result.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Inconclusive | Verdict::Fail => bad(NonSuccessKind::Failure, result),
        Verdict::Error => bad(NonSuccessKind::Error, result),
    };
    let mut case = TestCase::new(result.scenario.clone(), status);
    case.set_classname(result.file.clone());
    case.set_time(Duration::from_secs_f64(result.wall_s));
    let figures: Vec<_> = result
        .measurements
        .iter()
        .map(|measured| format!("{}: {}", measured.step, measured.figures()))
        .collect();
    case.set_system_out(figures.join("\n"));
    case
}

fn bad(kind: NonSuccessKind, result: &ScenarioResult) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(result.verdict.to_string());
    if let Some(reason) = &result.reason {
        status.set_message(reason.lines().next().unwrap_or_default());
        status.set_description(reason.clone());
    }
    status
}
