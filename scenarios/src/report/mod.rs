//! What a run leaves for people and machines: `summary.json`, `junit.xml`, `report.html`.

use std::fs;
use std::io;
use std::path::Path;

use crate::suite::ScenarioResult;

pub(crate) mod html;
pub(crate) mod junit;
pub(crate) mod summary;

/// Writes all three below `out`.
pub(crate) fn write(out: &Path, summary: &summary::Summary<'_>) -> io::Result<()> {
    fs::create_dir_all(out)?;
    fs::write(out.join("seed"), format!("{}\n", summary.seed))?;
    fs::write(out.join("summary.json"), serde_json::to_vec_pretty(summary)?)?;
    fs::write(out.join("junit.xml"), junit::render(summary)?)?;
    fs::write(out.join("report.html"), html::render(summary))
}

/// How a scenario is named outside: `feature: scenario`.
pub(crate) fn full_name(result: &ScenarioResult) -> String {
    format!("{}: {}", result.feature, result.scenario)
}
