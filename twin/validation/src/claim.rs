//! A reference figure (published, derived or assumed) and what the twin says to it.
//!
//! A claim cannot be written without a source: [`Source::new`] is evaluated when the crate is compiled and refuses an
//! empty one. Its range is read from the source by one of few rules, named in [`Expected`], before anything is run.

use core::fmt;

use bess_types::Verdict;
use serde::Serialize;

pub use bess_catalogue::Tag;

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// At least one.
    tags: &'static [Tag],
    /// Section of the domain notes: CT cells and heat, PS protection and sequences, PL plant.
    section: &'static str,
    /// The figure, in our words.
    figure: &'static str,
    /// The notes themselves call it weak.
    weak: bool,
}

impl Source {
    /// A source; one without tag, section or figure does not compile in a constant.
    ///
    /// # Panics
    /// If one of them is empty.
    pub const fn new(tags: &'static [Tag], section: &'static str, figure: &'static str) -> Self {
        assert!(!tags.is_empty(), "a source needs a tag");
        assert!(
            !section.is_empty() && !figure.is_empty(),
            "a source needs a section and a figure"
        );
        Self {
            tags,
            section,
            figure,
            weak: false,
        }
    }

    /// The same, marked as weak.
    #[must_use]
    pub const fn weak(self) -> Self {
        Self { weak: true, ..self }
    }

    /// Kinds of the source.
    pub const fn tags(&self) -> &'static [Tag] {
        self.tags
    }

    /// Section of the domain notes.
    pub const fn section(&self) -> &'static str {
        self.section
    }

    /// The figure, in our words.
    pub const fn figure(&self) -> &'static str {
        self.figure
    }

    /// Whether anything outside this project stands behind it: brochure, standard, paper, data sheet or public project.
    pub fn is_outside(&self) -> bool {
        let own = |tag: &Tag| matches!(tag, Tag::Derived | Tag::Assumption);
        !self.tags.iter().all(own)
    }

    /// Whether the figure is recalled, an assumption, or called weak by the notes.
    pub fn is_weak(&self) -> bool {
        self.weak || self.tags.contains(&Tag::Recalled)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for tag in self.tags {
            write!(f, "{tag} ")?;
        }
        f.write_str(self.section)
    }
}

/// The range a source allows, ends included, and how it was read from the source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// Lowest, if any.
    pub low: Option<f64>,
    /// Highest, if any.
    pub high: Option<f64>,
    /// Rule by which the range follows from the source.
    pub reading: &'static str,
}

impl Expected {
    /// The source states a range.
    pub const fn stated(low: f64, high: f64) -> Self {
        Self::read(low, high, "range as stated")
    }

    /// The source states "about x" and no spread: ± 10 %.
    pub const fn about(x: f64) -> Self {
        let margin = if x < 0.0 { -0.1 * x } else { 0.1 * x };
        Self::read(x - margin, x + margin, "“about” read as ±10 %")
    }

    /// The source states a figure and this spread, or an accuracy that gives it.
    pub const fn read(low: f64, high: f64, reading: &'static str) -> Self {
        assert!(low <= high, "a range has its ends in order");
        Self {
            low: Some(low),
            high: Some(high),
            reading,
        }
    }

    /// The source states an upper limit.
    pub const fn at_most(high: f64) -> Self {
        Self {
            low: None,
            high: Some(high),
            reading: "upper limit as stated",
        }
    }

    /// The source states a lower limit.
    pub const fn at_least(low: f64) -> Self {
        Self {
            low: Some(low),
            high: None,
            reading: "lower limit as stated",
        }
    }

    /// Whether a value lies within; nothing that is not a number does.
    pub fn holds(&self, value: f64) -> bool {
        value.is_finite()
            && self.low.is_none_or(|low| value >= low)
            && self.high.is_none_or(|high| value <= high)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.low, self.high) {
            (Some(low), Some(high)) => write!(f, "{} to {}", Figure(low), Figure(high)),
            (Some(low), None) => write!(f, "≥ {}", Figure(low)),
            (None, Some(high)) => write!(f, "≤ {}", Figure(high)),
            (None, None) => f.write_str("any"),
        }
    }
}

/// What stands behind an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The figure itself is one of the model's inputs; the row shows that the model carries it out.
    Input,
    /// A parameter was chosen so that the model meets this figure.
    Calibrated,
    /// The figure was itself worked out from inputs of the model; the row shows that the model agrees with that arithmetic.
    Derived,
    /// Nothing was chosen for this figure, and it does not follow by arithmetic from the inputs.
    Predicted,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Calibrated => "calibrated",
            Self::Derived => "derived",
            Self::Predicted => "predicted",
        })
    }
}

/// One figure the twin is held against: published, derived or assumed, as its source says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// Short name, in kebab-case.
    pub id: &'static str,
    /// What is compared, under which conditions.
    pub what: &'static str,
    /// Unit of range and value; empty for counts and shares.
    pub unit: &'static str,
    /// Where the figure comes from.
    pub source: Source,
    /// What it allows.
    pub expected: Expected,
    /// Whether the model was made to meet it.
    pub basis: Basis,
}

/// A claim with the model's answer.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The figure.
    #[serde(flatten)]
    pub claim: Claim,
    /// Experiment that answered it.
    pub experiment: &'static str,
    /// What the model gives; none if the experiment failed.
    pub value: Option<f64>,
    /// The value was not reached while the experiment watched, so it is more than this.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub beyond: bool,
    /// What a reader should know about the value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Pass inside the range, fail outside, error without a value.
    pub verdict: Verdict,
}

impl Row {
    /// The value as people write it; none if the experiment failed.
    pub fn shown(&self) -> Option<String> {
        let sign = if self.beyond { "> " } else { "" };
        self.value.map(|value| format!("{sign}{}", Figure(value)))
    }
}

/// A figure with up to four significant digits, as people write it.
#[derive(Clone, Copy, Debug)]
pub struct Figure(pub f64);

impl fmt::Display for Figure {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "digits of a finite number, clamped"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = self.0;
        if !x.is_finite() || x == 0.0 {
            return write!(f, "{x}");
        }
        let size = x.abs();
        if !(1e-4..1e7).contains(&size) {
            return write!(f, "{x:.2e}");
        }
        let digits = (3.0 - libm::floor(libm::log10(size))).clamp(0.0, 7.0) as usize;
        let text = format!("{x:.digits$}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_can_fail() {
        assert!(Expected::stated(1.0, 2.0).holds(1.0) && !Expected::stated(1.0, 2.0).holds(2.001));
        assert!(Expected::about(26.0).holds(28.5) && !Expected::about(26.0).holds(28.7));
        assert!(Expected::at_most(3.0).holds(-5.0) && !Expected::at_most(3.0).holds(3.1));
        assert!(!Expected::at_least(3.0).holds(2.9) && !Expected::at_least(3.0).holds(f64::INFINITY));
        assert!(!Expected::stated(0.0, 1.0).holds(f64::NAN));
    }

    #[test]
    fn figures_read_as_people_write_them() {
        let text = |x| Figure(x).to_string();
        assert_eq!(
            [
                text(0.958_34),
                text(12_507.3),
                text(450.0),
                text(-0.000_28),
                text(3.0)
            ],
            ["0.9583", "12507", "450", "-0.00028", "3"]
        );
    }

    #[test]
    fn arithmetic_and_assumptions_are_no_outside_source() {
        let outside = |tags| Source::new(tags, "CT §1", "x").is_outside();
        assert!(!outside(&[Tag::Derived, Tag::Assumption]));
        assert!(
            outside(&[Tag::Assumption, Tag::S(22)]) && outside(&[Tag::Brochure]) && outside(&[Tag::Recalled])
        );
    }

    #[test]
    #[should_panic(expected = "a source needs a tag")]
    fn a_source_needs_a_tag() {
        let _ = Source::new(&[], "CT §1", "x");
    }
}
