//! Feature files: found, read, checked against the step vocabulary and the rig's topology.

use std::cell::LazyCell;
use std::path::{Path, PathBuf};

use bess_rig::{Attach, Rig, RigConfig, Role};
use bess_telemetry::Scenario;
use cucumber::codegen::WorldInventory;
use cucumber::feature::Ext as _;
use cucumber::gherkin::tagexpr::TagOperation;
use cucumber::gherkin::{self, GherkinEnv, StepType};
use cucumber::tag::Ext as _;
use cucumber::{World as _, step};

use crate::bench::Bench;
use crate::bench::{files_below, read_text};
use crate::mistake::Mistake;
use crate::session::{Session, StepText};
use crate::steps::{self, vocabulary};
use crate::topology::{Place, Topology};

/// Tags of scenarios that need something not every rig has: CAN buses that keep time, a bus between BMS and PCS,
/// BMUs that want addresses.
const TIMED_BUS: &str = "timed-bus";
const PCS_CAN: &str = "pcs-can";
const ENABLE_CHAIN: &str = "enable-chain";

/// Whether a rig has what scenarios with this tag need.
fn has(config: &RigConfig, tag: &str) -> bool {
    match tag {
        TIMED_BUS => config.can_buses.iter().any(|bus| bus.attach == Attach::Timed),
        PCS_CAN => config.devices.iter().any(|device| device.can.contains_key("bms")),
        ENABLE_CHAIN => config
            .devices
            .iter()
            .any(|device| device.settings.contains_key("addressing")),
        _ => true,
    }
}

/// One scenario, ready to run: background steps first, outlines expanded.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) file: String,
    pub(crate) feature: String,
    pub(crate) name: String,
    pub(crate) line: usize,
    /// Without `@`; those of the feature and the rule included.
    pub(crate) tags: Vec<String>,
    pub(crate) steps: Vec<PlannedStep>,
}

impl Planned {
    /// As telemetry tells it.
    pub(crate) fn told(&self) -> Scenario {
        Scenario {
            feature: self.feature.clone(),
            name: self.name.clone(),
            steps: self.steps.iter().map(PlannedStep::caption).collect(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct PlannedStep {
    pub(crate) keyword: String,
    pub(crate) text: StepText,
    /// As cucumber wants it, without the source bracket.
    pub(crate) step: gherkin::Step,
}

impl PlannedStep {
    /// The step as written, with its keyword.
    pub(crate) fn caption(&self) -> String {
        format!("{} {}", self.keyword.trim(), self.text.text)
    }
}

/// Reads every feature named; a folder stands for all features below it.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Vec<(FeatureFile, Vec<Planned>)>, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut loaded = Vec::new();
    for path in paths {
        let files = if path.is_dir() {
            match files_below(path, Some("feature")) {
                Ok(files) if files.is_empty() => {
                    mistakes.push(Mistake::new(
                        format!("{}: there is no .feature file in this folder", path.display()),
                        "name a feature file or a folder of feature files",
                    ));
                    continue;
                }
                Ok(files) => files,
                Err(mistake) => {
                    mistakes.push(mistake);
                    continue;
                }
            }
        } else {
            vec![path.clone()]
        };
        for file in files {
            match read(&file) {
                Ok(feature) => loaded.push(feature),
                Err(mistake) => mistakes.push(mistake),
            }
        }
    }
    if mistakes.is_empty() {
        Ok(loaded)
    } else {
        Err(mistakes)
    }
}

/// A feature file's path and text.
#[derive(Clone, Debug)]
pub(crate) struct FeatureFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

fn read(path: &Path) -> Result<(FeatureFile, Vec<Planned>), Mistake> {
    let name = path.to_string_lossy().into_owned();
    let text = read_text(path).map_err(|why| {
        Mistake::new(
            format!("{name}: {why}"),
            "name a feature file: plain text in Gherkin, ending in .feature",
        )
    })?;
    let parsed = gherkin::Feature::parse(&text, GherkinEnv::default()).map_err(|error| {
        let line = error_line(&error.to_string()).unwrap_or(1);
        Mistake::at_line(
            &name,
            &text,
            line,
            "this is not Gherkin",
            "a feature reads `Feature: …`, then `Scenario: …` with steps that begin with Given, When, Then or And",
        )
    })?;
    let expanded = parsed.expand_examples().map_err(|error| {
        Mistake::at_line(
            &name,
            &text,
            error.pos.line,
            format!("<{}> is in no column of the examples", error.name),
            "add the column, or correct the name between < and >",
        )
    })?;
    let planned = plan(&name, &expanded);
    Ok((FeatureFile { path: name, text }, planned))
}

/// `Error at 3:5: …` is on line 3.
fn error_line(text: &str) -> Option<usize> {
    text.strip_prefix("Error at ")?.split(':').next()?.parse().ok()
}

fn plan(file: &str, feature: &gherkin::Feature) -> Vec<Planned> {
    let backgrounds = |background: &Option<gherkin::Background>| {
        background.as_ref().map(|b| b.steps.clone()).unwrap_or_default()
    };
    let common = backgrounds(&feature.background);
    let plain = feature
        .scenarios
        .iter()
        .map(|scenario| (scenario, common.clone(), Vec::new()));
    let ruled = feature.rules.iter().flat_map(|rule| {
        let mut steps = common.clone();
        steps.extend(backgrounds(&rule.background));
        rule.scenarios
            .iter()
            .map(move |scenario| (scenario, steps.clone(), rule.tags.clone()))
    });
    plain
        .chain(ruled)
        .map(|(scenario, before, rule_tags)| {
            let mut tags = feature.tags.clone();
            tags.extend(rule_tags);
            tags.extend(scenario.tags.iter().cloned());
            Planned {
                file: file.into(),
                feature: feature.name.clone(),
                name: scenario.name.clone(),
                line: scenario.position.line,
                tags,
                steps: before.iter().chain(&scenario.steps).map(planned_step).collect(),
            }
        })
        .collect()
}

fn planned_step(step: &gherkin::Step) -> PlannedStep {
    let (words, source) = split_source(&step.value);
    let words = vocabulary::respaced(words);
    let mut clean = step.clone();
    clean.value.clone_from(&words);
    PlannedStep {
        keyword: step.keyword.trim().to_owned(),
        text: StepText {
            text: words,
            source: source.map(str::to_owned),
        },
        step: clean,
    }
}

/// `… [assumption §6]`: the words, and where the figure comes from.
fn split_source(text: &str) -> (&str, Option<&str>) {
    text.trim_end()
        .strip_suffix(']')
        .and_then(|rest| rest.rsplit_once('['))
        .map_or((text, None), |(words, source)| (words.trim_end(), Some(source)))
}

impl Planned {
    /// Whether the tag expression takes it.
    pub(crate) fn taken_by(&self, tags: &TagOperation) -> bool {
        tags.eval(&self.tags)
    }

    /// What stands behind a tag of this prefix: `limit-` of `@limit-6h` gives `6h`.
    pub(crate) fn tag_values<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.tags.iter().filter_map(move |tag| tag.strip_prefix(prefix))
    }
}

/// Every step must be known exactly once, and every part it names must exist in this rig.
pub(crate) fn check(file: &FeatureFile, scenarios: &[Planned], bench: &Bench) -> Vec<Mistake> {
    let collection = Session::collection();
    // built only if a step has a fault to aim
    let rig = LazyCell::new(|| Rig::new(&bench.config, &bench.data.library, Role::Rig).ok());
    let mut mistakes = Vec::new();
    let mut seen = Vec::new();
    for scenario in scenarios {
        // what needs more than this rig has is held against a rig that has it
        let aims = scenario.tags.iter().all(|tag| has(&bench.config, tag));
        for step in &scenario.steps {
            let line = step.step.position.line;
            let problem = step_problem(&collection, step, bench.names.topology())
                .or_else(|| fault_problem(&step.text.text, if aims { rig.as_ref() } else { None }));
            // A background step belongs to many scenarios; it is one mistake.
            if let Some((message, help)) = problem
                && !seen.contains(&(line, message.clone()))
            {
                seen.push((line, message.clone()));
                mistakes.push(Mistake::at_line(&file.path, &file.text, line, message, help));
            }
        }
        for wrong in scenario
            .tag_values("limit-")
            .filter(|value| limit(value).is_none())
        {
            mistakes.push(Mistake::at_line(
                &file.path,
                &file.text,
                scenario.line,
                format!("@limit-{wrong} is not a time"),
                "write a whole number of minutes or hours, as in @limit-90min or @limit-6h",
            ));
        }
    }
    mistakes
}

/// The time of a `@limit-…` tag.
pub(crate) fn limit(text: &str) -> Option<std::time::Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => return None,
    };
    Some(std::time::Duration::from_secs(number.checked_mul(seconds)?))
}

fn step_problem(
    collection: &step::Collection<Session>,
    step: &PlannedStep,
    topology: Topology,
) -> Option<(String, String)> {
    let words = &step.text.text;
    if let Some(lack) = Place::all_in(words)
        .into_iter()
        .find_map(|place| topology.lacks(place))
    {
        return Some((lack, "name a part that this rig has".into()));
    }
    match collection.find(&step.step) {
        Err(error) => {
            return Some((
                format!("`{words}` matches more than one step"),
                format!("this is a mistake in the step definitions: {error}"),
            ));
        }
        Ok(None) => {
            let kinds = [StepType::Given, StepType::When, StepType::Then];
            let other = kinds.into_iter().find(|kind| {
                let as_other = gherkin::Step {
                    ty: *kind,
                    ..step.step.clone()
                };
                matches!(collection.find(&as_other), Ok(Some(_)))
            });
            return Some(match other {
                Some(kind) => (
                    format!(
                        "`{words}` is a {} step and stands here as a {}",
                        vocabulary::keyword(kind),
                        vocabulary::keyword(step.step.ty)
                    ),
                    format!("write {} {words}", vocabulary::keyword(kind)),
                ),
                None => vocabulary::unknown(words, step.step.ty),
            });
        }
        Ok(Some(_)) => {}
    }
    match vocabulary::phrases_in(words) {
        Err(message) => {
            let (message, help) = message
                .split_once("; ")
                .unwrap_or((&message, "see the shipped features"));
            Some((message.to_owned(), help.to_owned()))
        }
        Ok(phrases) => phrases
            .iter()
            .find_map(|phrase| phrase.condition(topology).err())
            .map(|message| (message, "correct the phrase".to_owned())),
    }
}

/// What is wrong with the fault a step begins.
fn fault_problem(words: &str, rig: Option<&Rig>) -> Option<(String, String)> {
    let fault = match steps::links::fault_in(words)? {
        Ok(fault) => fault,
        Err(message) => {
            return Some((
                message,
                "`bessrig faults` lists them with their numbers and a step for each".into(),
            ));
        }
    };
    let refused = rig?.accepts(&fault).err()?;
    Some((
        refused.to_string(),
        "`bessrig points` lists the tags of a rig, `bessrig faults` what each fault can hit".into(),
    ))
}

/// The step vocabulary must be reachable: the compiler sees no caller of a step function.
const _: fn() = || {
    fn registered<W: WorldInventory>() {}
    registered::<Session>();
};

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn source_bracket_is_split_off() {
        assert_eq!(
            split_source("within 1 s x [assumption §6]"),
            ("within 1 s x", Some("assumption §6"))
        );
        assert_eq!(split_source("within 1 s x"), ("within 1 s x", None));
    }

    #[test]
    fn limits_of_tags() {
        assert_eq!(limit("6h").unwrap().as_secs(), 21_600);
        assert_eq!(limit("90min").unwrap().as_secs(), 5_400);
        assert!(limit("soon").is_none());
    }
}
