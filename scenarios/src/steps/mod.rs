//! The words of features.
//!
//! A step is a *timing* and a *phrase*. The timings are here. A phrase says something about the plant that is true or not:
//! "the contactors of cluster 3 are open". Each domain module lists its phrases, and its own causes
//! (`When …`) and preconditions (`Given …`) with an example of each. Every phrase goes with every timing. `bessrig steps`
//! ([`vocabulary`]) lists them all.
//!
//! A bracket at the end of a step, `[assumption §6]`, says where its figure comes from and goes to the report.

#![allow(
    clippy::needless_pass_by_value,
    reason = "cucumber hands step arguments over by value"
)]

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use cucumber::{Parameter, given, then, when};
use regex::{Captures, Regex};

use crate::session::{Outcome, Session};
use crate::topology::Topology;
use crate::watch::{Demand, Demands, Test};

pub(crate) mod battery;
pub(crate) mod fire;
pub(crate) mod links;
pub(crate) mod names;
pub(crate) mod pcs;
pub(crate) mod rated;
pub(crate) mod site;
pub(crate) mod vocabulary;

/// A length of time: `200 ms`, `1.5 s`, `11 min`, `2 h`.
#[derive(Clone, Copy, Debug, PartialEq, Parameter)]
#[param(name = "span", regex = r"\d+(?:\.\d+)? (?:ms|s|min|h)")]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = text.split_once(' ').ok_or("a time needs a unit")?;
        let number: f64 = number.parse().map_err(|error| format!("{number}: {error}"))?;
        let seconds = match unit {
            "ms" => number / 1e3,
            "s" => number,
            "min" => number * 60.0,
            "h" => number * 3600.0,
            _ => return Err(format!("unknown unit `{unit}`")),
        };
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

/// Something that is true of the plant or not, in words.
#[derive(Clone, Debug, PartialEq, Eq, Parameter)]
#[param(name = "phrase", regex = r".+")]
pub(crate) struct Phrase {
    text: String,
    entry: usize,
}

/// One row of a domain's phrase table.
pub(crate) struct Entry {
    /// Regular expression of the whole phrase.
    pub(crate) pattern: &'static str,
    /// What it looks like, for the list of steps and for the message that a phrase is not known.
    pub(crate) example: &'static str,
    /// What it demands.
    pub(crate) demands: fn(&Captures<'_>, Topology) -> Result<Demands, String>,
}

/// All phrases, compiled.
static PHRASES: LazyLock<Vec<(Regex, &'static Entry)>> = LazyLock::new(|| {
    vocabulary::phrases()
        .map(|entry| {
            let regex = Regex::new(&format!("^(?:{})$", entry.pattern))
                .expect("phrase patterns are fixed and tested");
            (regex, entry)
        })
        .collect()
});

impl FromStr for Phrase {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut found = PHRASES
            .iter()
            .enumerate()
            .filter(|(_, (regex, _))| regex.is_match(text));
        let Some((entry, _)) = found.next() else {
            return Err(format!(
                "`{text}` is not a phrase the rig knows; {}",
                vocabulary::nearest_phrases(text)
            ));
        };
        if let Some((_, (_, other))) = found.next() {
            return Err(format!(
                "`{text}` is ambiguous: it also reads as `{}`",
                other.example
            ));
        }
        Ok(Self {
            text: text.into(),
            entry,
        })
    }
}

impl Phrase {
    /// What it demands of a rig of this size.
    pub(crate) fn condition(&self, topology: Topology) -> Result<Demands, String> {
        let (regex, entry) = &PHRASES[self.entry];
        let captures = regex.captures(&self.text).ok_or("the phrase no longer matches")?;
        (entry.demands)(&captures, topology)
    }

    /// The points it looks at, for the report.
    pub(crate) fn subject(&self) -> String {
        self.text.clone()
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A demand on a point.
pub(crate) fn demand(tag: impl Into<String>, point: impl Into<String>, test: Test) -> Demand {
    Demand {
        tag: tag.into(),
        point: point.into(),
        test,
    }
}

/// What a single point must hold.
pub(crate) fn one(tag: impl Into<String>, point: impl Into<String>, test: Test) -> Demands {
    Demands::all(vec![demand(tag, point, test)])
}

/// A numbered group of a phrase.
pub(crate) fn number(captures: &Captures<'_>, name: &str) -> Result<usize, String> {
    captures
        .name(name)
        .and_then(|digits| digits.as_str().parse().ok())
        .ok_or_else(|| format!("the phrase names no {name}"))
}

// Timings; `vocabulary` tells them.

#[then(expr = "within {span} {phrase}")]
fn within(session: &mut Session, limit: Span, phrase: Phrase) -> Outcome {
    let deadline = session.cause() + limit.0;
    let at = session.until(&phrase, deadline)?;
    session.record_time(&phrase, at, limit.0)
}

#[then(regex = r"^between (\d+(?:\.\d+)?) and (\d+(?:\.\d+)?) (ms|s|min|h) later (.+)$")]
fn between(session: &mut Session, low: f64, high: f64, unit: String, phrase: Phrase) -> Outcome {
    let scale = format!("1 {unit}")
        .parse::<Span>()
        .map_err(|error| session.error(error))?
        .0
        .as_secs_f64();
    let cause = session.cause();
    let deadline = cause + Duration::from_secs_f64(high * scale);
    let Some(at) = session.until(&phrase, deadline)? else {
        return session.record_time(&phrase, None, deadline - cause);
    };
    let bound = crate::measure::Bound::Between(low * scale, high * scale);
    let outcome = session.record_value(&phrase.subject(), "s", (at - cause).as_secs_f64(), bound);
    session.was_latency_of(&phrase, at);
    outcome
}

#[then(expr = "for {span} {phrase}")]
fn stays(session: &mut Session, duration: Span, phrase: Phrase) -> Outcome {
    let begin = session.now();
    let broken = session.broken_within(&phrase, duration.0)?;
    let kept = broken.map_or(duration.0, |at| at - begin);
    session.record_value(
        &format!("{phrase}, kept for"),
        "s",
        kept.as_secs_f64(),
        crate::measure::Bound::AtLeast(duration.0.as_secs_f64()),
    )
}

#[then(expr = "still {phrase}")]
fn still(session: &mut Session, phrase: Phrase) -> Outcome {
    if session.holds(&phrase)? {
        return Ok(());
    }
    Err(session.fail(format!("no longer true: {phrase}")))
}

#[then(regex = r"^first (.+), then (.+)$")]
fn in_order(session: &mut Session, first: Phrase, second: Phrase) -> Outcome {
    let now = session.now();
    let earlier = session.until(&first, now)?;
    let later = session.until(&second, now)?;
    let Some(earlier) = earlier else {
        return Err(session.fail(format!("not seen so far: {first}")));
    };
    // An order of which one half has not happened proves nothing: a step before must wait for it.
    let Some(later) = later else {
        return Err(session.fail(format!("not seen so far: {second}")));
    };
    let lead = later.as_secs_f64() - earlier.as_secs_f64();
    if earlier <= session.cause() || later <= session.cause() {
        return Err(session.fail("both halves must happen after the last When: one of them was so already"));
    }
    session.record_value(
        &format!("lead of \"{first}\" over \"{second}\""),
        "s",
        lead,
        crate::measure::Bound::AtLeast(0.0),
    )
}

#[then(regex = r"^by the time (.+), (.+)$")]
fn by_the_time(session: &mut Session, moment: Phrase, state: Phrase) -> Outcome {
    let now = session.now();
    let Some(at) = session.until(&moment, now)? else {
        return Err(session.fail(format!("not seen so far: {moment}")));
    };
    if session.held_at(&state, at)? {
        return Ok(());
    }
    Err(session.fail(format!("at {at}, when {moment}, it was not so that {state}")))
}

/// An example of each step here.
pub(super) const STEPS: &[&str] = &[
    "When 30 s pass",
    "Given 2 s have passed",
    "When the controller process \"bms\" is killed",
    "When the controller process \"bms\" stops responding",
    "When the controller process \"bms\" responds again",
];

#[when(expr = "{span} pass(es)")]
fn pass(session: &mut Session, duration: Span) -> Outcome {
    session.run_for(duration.0)?;
    session.mark_cause();
    Ok(())
}

#[given(expr = "{span} have passed")]
fn have_passed(session: &mut Session, duration: Span) -> Outcome {
    session.run_for(duration.0)
}

#[when(expr = "the controller process {string} is killed")]
fn kill(session: &mut Session, name: String) -> Outcome {
    session.mark_cause();
    let name = name.trim_matches('"');
    session.processes.kill(name).map_err(|text| session.error(text))
}

#[when(expr = "the controller process {string} stops responding")]
fn freeze(session: &mut Session, name: String) -> Outcome {
    session.mark_cause();
    let name = name.trim_matches('"');
    session.processes.freeze(name).map_err(|text| session.error(text))
}

#[when(expr = "the controller process {string} responds again")]
fn thaw(session: &mut Session, name: String) -> Outcome {
    session.mark_cause();
    let name = name.trim_matches('"');
    session.processes.thaw(name).map_err(|text| session.error(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn every_example_reads_as_its_own_phrase_only() {
        let topology = Topology {
            clusters: 9,
            packs: 9,
            cells: 44,
        };
        for (regex, entry) in PHRASES.iter() {
            let phrase: Phrase = entry.example.parse().unwrap();
            assert!(regex.is_match(entry.example), "{}", entry.example);
            assert!(!phrase.condition(topology).unwrap().list.is_empty());
        }
    }

    #[test]
    fn unknown_phrase_names_the_nearest() {
        let error = "the contactors of cluster 3 are opened"
            .parse::<Phrase>()
            .unwrap_err();
        assert!(error.contains("the contactors of cluster 3 are open"), "{error}");
    }

    #[test]
    fn spans() {
        assert_eq!("200 ms".parse::<Span>().unwrap().0, Duration::from_millis(200));
        assert_eq!("11 min".parse::<Span>().unwrap().0, Duration::from_mins(11));
        assert!("11 days".parse::<Span>().is_err());
    }
}
