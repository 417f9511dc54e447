//! `bessrig selftest`: every deliberately broken controller must be caught by a shipped scenario.
//!
//! A scenario catches a defect if it fails with it (not: errs, or is inconclusive) and passes without it.

use std::collections::BTreeMap;

use bess_devices::defects::Defect;
use bess_types::Verdict;

use crate::bench::Bench;
use crate::evidence::slug;
use crate::feature::Planned;
use crate::mistake::Mistake;
use crate::suite::{self, Lines, Options, say};

/// The shipped scenario that catches a defect carries this tag with the defect's name behind it.
const TAG: &str = "catches-";

/// Which scenario is to catch which defect, from the scenarios' tags.
fn table(plan: &[Planned]) -> Result<Vec<(Defect, &Planned)>, Mistake> {
    Defect::ALL
        .into_iter()
        .map(|defect| {
            plan.iter()
                .find(|planned| planned.tag_values(TAG).any(|name| name == defect.name()))
                .map(|planned| (defect, planned))
                .ok_or_else(|| {
                    Mistake::new(
                        format!("no scenario has the tag @{TAG}{}", defect.name()),
                        "every defect needs a shipped scenario that catches it",
                    )
                })
        })
        .collect()
}

/// Runs the self-test; exit code 0 if every defect was caught, 2 if not.
pub(crate) fn selftest(bench: &Bench, plan: &[Planned], options: &Options) -> Result<u8, Mistake> {
    let table = table(plan)?;
    suite::quiet_steps();
    let mut sound: BTreeMap<String, Verdict> = BTreeMap::new();
    let mut caught = 0;
    for (defect, planned) in &table {
        let name = slug(&planned.name);
        let mut lines = Lines::new(false);
        let without = match sound.get(&name) {
            Some(verdict) => *verdict,
            None => {
                let folder = format!("sound-{name}");
                let verdict = suite::scenario(bench, planned, &folder, options, &mut lines).verdict;
                sound.insert(name.clone(), verdict);
                verdict
            }
        };
        let broken = Bench {
            config: bench.config.clone().with_defect(*defect),
            ..bench.clone()
        };
        let with = suite::scenario(
            &broken,
            planned,
            &format!("defect-{}", defect.name()),
            options,
            &mut lines,
        );
        if options.interrupted.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Mistake::new("interrupted", ""));
        }
        // A precondition that is not reached proves nothing about the step that is meant to catch the bug.
        let failed = with
            .steps
            .iter()
            .position(|step| step.verdict == Some(Verdict::Fail))
            .unwrap_or(with.steps.len());
        let by_then = with.steps[..failed]
            .iter()
            .any(|step| step.keyword.trim() == "When");
        let hit = without == Verdict::Pass && with.verdict == Verdict::Fail && by_then;
        caught += usize::from(hit);
        say(&format!(
            "{} {:<30} {} -> {}: \"{}\"{}",
            if hit { "caught" } else { "MISSED" },
            defect.name(),
            without,
            with.verdict,
            planned.name,
            with.reason
                .map(|why| format!("\n         {}", why.lines().next().unwrap_or_default()))
                .unwrap_or_default()
        ));
    }
    say(&format!("caught {caught} of {}", table.len()));
    Ok(if caught == table.len() {
        Verdict::Pass.exit_code()
    } else {
        Verdict::Fail.exit_code()
    })
}
