//! The words of steps told to people: `bessrig steps`, and what a step that is not known was perhaps meant to be.

use std::fmt::Write as _;
use std::sync::LazyLock;

use cucumber::gherkin::StepType;
use regex::Regex;

use super::{Entry, Phrase, battery, fire, links, pcs, rated, site};
use crate::mistake::Mistake;
use crate::suite::say;

/// Stands for a phrase in the form of a timing.
const PHRASE: &str = "PHRASE";

/// When a phrase has to be true.
pub(crate) struct Timing {
    /// How it is written, with [`PHRASE`] for each phrase.
    pub(crate) form: &'static str,
    /// What it asks for.
    about: &'static str,
    /// Regular expression of the step, with a group for each phrase.
    pattern: &'static str,
}

/// All timings.
pub(crate) const TIMINGS: &[Timing] = &[
    Timing {
        form: "within 200 ms PHRASE",
        about: "it comes true at most so long after the last When",
        pattern: r"within \d+(?:\.\d+)? (?:ms|s|min|h) (.+)",
    },
    Timing {
        form: "between 5 and 22 min later PHRASE",
        about: "it first comes true in this window after the last When",
        pattern: r"between \d+(?:\.\d+)? and \d+(?:\.\d+)? (?:ms|s|min|h) later (.+)",
    },
    Timing {
        form: "for 30 s PHRASE",
        about: "it is true now and stays so for so long",
        pattern: r"for \d+(?:\.\d+)? (?:ms|s|min|h) (.+)",
    },
    Timing {
        form: "still PHRASE",
        about: "it is true now",
        pattern: "still (.+)",
    },
    Timing {
        form: "first PHRASE, then PHRASE",
        about: "both have come true since the last When, in this order",
        pattern: "first (.+), then (.+)",
    },
    Timing {
        form: "by the time PHRASE, PHRASE",
        about: "when the first came true, the second was true",
        pattern: "by the time (.+), (.+)",
    },
];

/// The precondition that waits for a phrase.
const REACHED: &str = r"(.+) is reached within \d+(?:\.\d+)? (?:ms|s|min|h)";

/// Steps and phrases of one part of the plant.
struct Domain {
    name: &'static str,
    phrases: &'static [Entry],
    /// Examples of its own steps, one for each.
    steps: &'static [&'static str],
}

const DOMAINS: &[Domain] = &[
    Domain {
        name: "battery and its BMS",
        phrases: battery::PHRASES,
        steps: battery::STEPS,
    },
    Domain {
        name: "site, operator and safety chain",
        phrases: site::PHRASES,
        steps: site::STEPS,
    },
    Domain {
        name: "fire detection and fire fighting",
        phrases: fire::PHRASES,
        steps: fire::STEPS,
    },
    Domain {
        name: "PCS and grid",
        phrases: pcs::PHRASES,
        steps: pcs::STEPS,
    },
    Domain {
        name: "rated power",
        phrases: &[],
        steps: rated::STEPS,
    },
    Domain {
        name: "buses and links",
        phrases: links::PHRASES,
        steps: links::STEPS,
    },
    Domain {
        name: "time and controller processes",
        phrases: &[],
        steps: super::STEPS,
    },
];

/// Every phrase's row.
pub(super) fn phrases() -> impl Iterator<Item = &'static Entry> {
    DOMAINS.iter().flat_map(|domain| domain.phrases)
}

/// An example of every step but the timings: its keyword and its words.
fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = DOMAINS.iter().flat_map(|domain| domain.steps);
    all.filter_map(|step| step.split_once(' '))
}

/// Phrases that a step of `text` uses, or why one is not known; for checking before anything starts.
pub(crate) fn phrases_in(text: &str) -> Result<Vec<Phrase>, String> {
    static TIMED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        let patterns = TIMINGS.iter().map(|timing| timing.pattern).chain([REACHED]);
        patterns
            .map(|pattern| {
                Regex::new(&format!("^{pattern}$")).expect("patterns of timings are fixed and tested")
            })
            .collect()
    });
    let timed = TIMED.iter().filter_map(|regex| regex.captures(text));
    timed
        .flat_map(|captures| {
            let found = captures.iter().skip(1).flatten();
            found.map(|phrase| phrase.as_str().parse()).collect::<Vec<_>>()
        })
        .collect()
}

/// Numbers and units as steps have them: `200ms` is `200 ms`, and between words is one space. What is in quotes stays.
pub(crate) fn respaced(words: &str) -> String {
    static JOINED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b(\d+(?:\.\d+)?)((?:ms|min|s|h|kWh|kW|kvar|mV|V|A|K|C)\b|%|°C)")
            .expect("the pattern is fixed and tested")
    });
    if words.contains('"') {
        return words.to_owned();
    }
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    JOINED.replace_all(&words, "$1 $2").into_owned()
}

// What was meant.

/// The phrases that look most like `text`.
pub(super) fn nearest_phrases(text: &str) -> String {
    let listed = ranked(text, phrases().map(|entry| entry.example.to_owned()));
    let near = listed.iter().take(3).map(|(_, example)| format!("\n  {example}"));
    format!("the nearest are{}", near.collect::<String>())
}

/// Why no step of this kind has these words, and what to write instead.
pub(crate) fn unknown(words: &str, kind: StepType) -> (String, String) {
    let is_phrase = |text: &str| text.parse::<Phrase>().is_ok();
    if is_phrase(words) {
        let help = match kind {
            StepType::Given => format!("a Given waits for it with\n  {words} is reached within 30 s"),
            StepType::When | StepType::Then => {
                format!("say when it has to be so in a Then step:{}", timed(words))
            }
        };
        return (format!("`{words}` has no timing"), help);
    }
    let nearest = |found: Vec<(f64, String)>| {
        let near = found.into_iter().take(3).map(|(_, text)| format!("\n  {text}"));
        format!("the nearest are{}", near.collect::<String>())
    };
    let unknown = format!("`{words}` is not a step the rig knows");
    let own = ranked(words, of_kind(kind));
    if kind != StepType::Then {
        return (unknown, nearest(own));
    }
    // A timing and a phrase are compared apart: what follows the first few words may be a phrase.
    let ends = words.match_indices(' ').take(8).map(|(at, _)| at);
    let mut splits: Vec<(&str, &str)> = ends.map(|at| (&words[..at], &words[at + 1..])).collect();
    if let Some((timing, phrase)) = splits.iter().find(|(_, phrase)| is_phrase(phrase)) {
        return (
            format!("`{timing}` is not a timing the rig knows"),
            format!("the phrase after it is known; write{}", timed(phrase)),
        );
    }
    splits.push(("", words));
    let best = splits
        .iter()
        .filter_map(|(timing, rest)| {
            let all = phrases().map(|entry| entry.example.to_owned());
            let (score, phrase) = ranked(rest, all).into_iter().next()?;
            Some((score, *timing, phrase))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((score, timing, phrase)) if own.first().is_none_or(|(own, _)| score > *own) => {
            let lacks = if timing.is_empty() {
                "a Then step is a timing and a phrase"
            } else {
                "neither timing nor phrase are known as written"
            };
            (unknown, format!("{lacks}; the nearest are{}", timed(&phrase)))
        }
        _ => (unknown, nearest(own)),
    }
}

/// A kind's keyword.
pub(crate) fn keyword(kind: StepType) -> &'static str {
    match kind {
        StepType::Given => "Given",
        StepType::When => "When",
        StepType::Then => "Then",
    }
}

/// A phrase with each timing that takes one.
fn timed(phrase: &str) -> String {
    let single = TIMINGS
        .iter()
        .filter(|timing| timing.form.matches(PHRASE).count() == 1);
    single.fold(String::new(), |said, timing| {
        said + "\n  " + &timing.form.replace(PHRASE, phrase)
    })
}

/// Examples of the steps of one kind, without keyword.
fn of_kind(kind: StepType) -> impl Iterator<Item = String> {
    let wanted = keyword(kind);
    examples()
        .filter(move |(keyword, _)| *keyword == wanted)
        .map(|(_, words)| words.to_owned())
}

/// Texts by likeness to `text`, the likest first. Which numbers stand in them does not count.
fn ranked(text: &str, all: impl Iterator<Item = String>) -> Vec<(f64, String)> {
    let shape = shape(text);
    let mut ranked: Vec<_> = all
        .map(|other| {
            (
                strsim::normalized_levenshtein(&shape, &self::shape(&other)),
                other,
            )
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked
}

/// A text with every number alike.
fn shape(text: &str) -> String {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d+(?:\.\d+)?").expect("the pattern is fixed and tested"));
    NUMBER.replace_all(&text.to_lowercase(), "0").into_owned()
}

// `bessrig steps`

/// Prints every timing, phrase and step, or those that contain all words of `pattern`, and the checkers.
///
/// # Errors
/// If nothing contains them.
pub(crate) fn list(pattern: Option<&str>) -> Result<(), Mistake> {
    let text = listed(pattern);
    if text.is_empty() {
        let pattern = pattern.unwrap_or_default();
        let all = examples().map(|(_, words)| words.to_owned());
        let all = all.chain(phrases().map(|entry| entry.example.to_owned()));
        let near = ranked(pattern, all)
            .into_iter()
            .take(3)
            .map(|(_, text)| format!("\n  {text}"));
        return Err(Mistake::new(
            format!("no step contains `{pattern}`"),
            format!("the nearest are{}", near.collect::<String>()),
        ));
    }
    say(text.trim_end());
    Ok(())
}

/// The list as text; empty if nothing matches.
fn listed(pattern: Option<&str>) -> String {
    let wanted: Vec<String> = pattern
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    let mut text = String::new();
    let mut section = |title: &str, rows: &mut dyn Iterator<Item = String>| {
        let rows: Vec<_> = rows
            .filter(|row| {
                let row = row.to_lowercase();
                wanted.iter().all(|word| row.contains(word))
            })
            .collect();
        if !rows.is_empty() {
            let _ = writeln!(text, "{title}");
            for row in rows {
                let _ = writeln!(text, "  {row}");
            }
            text.push('\n');
        }
    };
    section(
        "Then: a timing and a phrase, `Then within 200 ms the safety chain is open [source of the limit]`. Timings:",
        &mut TIMINGS
            .iter()
            .map(|timing| format!("{:<36} {}", timing.form, timing.about)),
    );
    for domain in DOMAINS {
        section(
            &format!("Phrases: {}", domain.name),
            &mut domain.phrases.iter().map(|entry| {
                let words = readable(entry.pattern);
                if words.contains('(') {
                    format!("{}\n      {words}", entry.example)
                } else {
                    entry.example.to_owned()
                }
            }),
        );
    }
    for (title, keyword) in [
        ("Given: preconditions, and limits that hold throughout", "Given"),
        ("When: causes; times count from the last one", "When"),
        ("Then: what was measured, without a timing", "Then"),
    ] {
        let mut own = examples().filter(|(own, _)| *own == keyword);
        section(
            title,
            &mut own.by_ref().map(|(keyword, words)| format!("{keyword} {words}")),
        );
    }
    section(
        "Checkers: watch every scenario, beside its steps; @allow-NAME at a scenario takes a finding as a note",
        &mut bess_rig::checker::list()
            .iter()
            .map(|(name, broken)| format!("{name:<23} {broken}")),
    );
    text
}

/// A phrase's pattern for people: alternatives in parentheses, N for a number, NAME for a name.
fn readable(pattern: &str) -> String {
    static PARTS: LazyLock<[(Regex, &str); 6]> = LazyLock::new(|| {
        [
            (r"\(\?(?:<\w+>|:)", "("),
            (r"\\d\+?(?:\(\\\.\\d\+\)\?)?", "N"),
            (r"\\S\+", "NAME"),
            (r"\((N|NAME)\)", "$1"),
            (r"\b(\w+)(\w)\?", "$1($2)"),
            (r"\)\?", ")"),
        ]
        .map(|(from, to)| (Regex::new(from).expect("the pattern is fixed and tested"), to))
    });
    let parts = PARTS.iter();
    parts.fold(pattern.to_owned(), |text, (from, to)| {
        from.replace_all(&text, *to).into_owned()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use cucumber::World as _;
    use cucumber::codegen::{StepConstructor as _, WorldInventory};
    use cucumber::gherkin::{Feature, GherkinEnv, Step};

    use super::*;
    use crate::session::Session;

    fn step(line: &str) -> Step {
        let text = format!("Feature: f\n  Scenario: s\n    {line}\n");
        let feature = Feature::parse(&text, GherkinEnv::default()).unwrap();
        feature.scenarios[0].steps[0].clone()
    }

    /// The regular expression of every step in the program.
    fn registered() -> Vec<(&'static str, Regex)> {
        let mut all = Vec::new();
        macro_rules! of {
            ($kind:ident) => {
                for item in inventory::iter::<<Session as WorldInventory>::$kind> {
                    let pattern = item.inner().1().as_str().to_owned();
                    all.push((stringify!($kind), Regex::new(&pattern).unwrap()));
                }
            };
        }
        of!(Given);
        of!(When);
        of!(Then);
        all
    }

    fn all_lines() -> Vec<String> {
        let timings = TIMINGS.iter();
        let timings = timings.map(|t| format!("Then {}", t.form.replace(PHRASE, "the stack is connected")));
        let steps = examples().map(|(keyword, words)| format!("{keyword} {words}"));
        timings.chain(steps).collect()
    }

    #[test]
    fn every_step_has_an_example_and_every_example_reads_as_one_step() {
        let collection = Session::collection();
        for line in all_lines() {
            let step = step(&line);
            assert!(collection.find(&step).unwrap().is_some(), "{line} is no step");
            assert_eq!(respaced(&step.value), step.value);
            let phrases = phrases_in(&step.value).unwrap();
            assert_eq!(
                phrases.len(),
                step.value.matches("the stack is connected").count(),
                "{line}"
            );
            assert!(
                links::fault_in(&step.value).is_none_or(|fault| fault.is_ok()),
                "{line}"
            );
        }
        for (kind, regex) in registered() {
            let has = all_lines().iter().any(|line| {
                line.strip_prefix(kind)
                    .is_some_and(|words| regex.is_match(words.trim()))
            });
            assert!(
                has,
                "no example in STEPS or TIMINGS reads as the {kind} step {regex}"
            );
        }
    }

    #[test]
    fn readable_patterns() {
        assert_eq!(
            readable(r"the load of (?<bus>\S+) (?:is|stays) below (?<percent>\d+(?:\.\d+)?) %"),
            "the load of NAME (is|stays) below N %"
        );
        assert_eq!(
            readable(
                r"(?<count>\d+) BMUs? of cluster (?<cluster>\d+) (?:have|has) (?:their|its) address(?:es)?"
            ),
            "N BMU(s) of cluster N (have|has) (their|its) address(es)"
        );
        for entry in phrases() {
            let left = ["\\", "?", "+", "<"];
            let words = readable(entry.pattern);
            assert!(left.iter().all(|sign| !words.contains(sign)), "{words}");
        }
    }

    #[test]
    fn joined_numbers_and_units_are_set_apart() {
        for (written, meant) in [
            (
                "within 200ms  the PCS is running",
                "within 200 ms the PCS is running",
            ),
            ("between 5 and 22min later x", "between 5 and 22 min later x"),
            (
                "the PCS delivers at least 800kW",
                "the PCS delivers at least 800 kW",
            ),
            (
                "cell 1 of pack 1 in cluster 1 reaches 90.5°C",
                "cell 1 of pack 1 in cluster 1 reaches 90.5 °C",
            ),
            (
                "the operator limits the PCS to 50% for 10s",
                "the operator limits the PCS to 50 % for 10 s",
            ),
        ] {
            assert_eq!(respaced(written), meant);
        }
        for same in [
            "fault can-drop with id 0x18A hits container-01/cluster-01/pack-03/bmu",
            "the operator asks the PCS for the volt-var curve 95/30 105/-30",
            "the controller process \"my 2s controller\" is killed",
        ] {
            assert_eq!(respaced(same), same);
        }
    }

    #[test]
    fn what_was_meant() {
        let said = |words: &str, kind| {
            let (message, help) = unknown(words, kind);
            format!("{message}; {help}")
        };
        for (words, kind, wanted) in [
            ("the PCS is running", StepType::Then, "has no timing"),
            (
                "the PCS is running",
                StepType::Then,
                "\n  within 200 ms the PCS is running",
            ),
            (
                "the PCS is running",
                StepType::Given,
                "\n  the PCS is running is reached within 30 s",
            ),
            (
                "in 2 s the PCS is running",
                StepType::Then,
                "`in 2 s` is not a timing",
            ),
            (
                "in 2 s the PCS is running",
                StepType::Then,
                "\n  for 30 s the PCS is running",
            ),
            (
                "the PCS is runing",
                StepType::Then,
                "\n  within 200 ms the PCS is running",
            ),
            (
                "after 1 s the contactors of cluster 17 are opened",
                StepType::Then,
                "\n  within 200 ms the contactors of cluster 3 are open",
            ),
            (
                "the mean state of charge is between 40 % and 60",
                StepType::Then,
                "\n  the mean state of charge is between",
            ),
            (
                "the E-stop button is pressed",
                StepType::When,
                "\n  the E-stop is pressed",
            ),
        ] {
            let said = said(words, kind);
            assert!(said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn the_list_can_be_narrowed() {
        let all = listed(None);
        for section in [
            "Timings:",
            "Phrases: PCS and grid",
            "\nGiven:",
            "\nWhen:",
            "Checkers:",
        ] {
            assert!(all.contains(section), "{all}");
        }
        let nails = listed(Some("NAIL cluster"));
        assert!(nails.contains("When a nail is driven into cell"), "{nails}");
        assert!(!nails.contains("Given") && !nails.contains("Checkers"), "{nails}");
        assert_eq!(listed(Some("perpetuum mobile")), "");
    }
}
