//! Names with a number in them: `BMU_CELLV_{k}`, `CellV_{i}`, `cell[{i}].voltage`.

/// Numbers a pattern's placeholders stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures(Vec<(String, usize)>);

impl Captures {
    /// One placeholder with its number.
    pub fn one(name: &str, value: usize) -> Self {
        Self(vec![(name.into(), value)])
    }

    /// These and those of `other`; `None` if they disagree on a placeholder.
    pub fn merged(&self, other: &Self) -> Option<Self> {
        let mut all = self.0.clone();
        for (name, value) in &other.0 {
            match all.iter().find(|(known, _)| known == name) {
                Some((_, known)) if known != value => return None,
                Some(_) => {}
                None => all.push((name.clone(), *value)),
            }
        }
        Some(Self(all))
    }

    /// Puts the numbers into a pattern's placeholders, which may reckon with them: `{i}`, `{4k+i}`, `{12*page+i-1}`.
    /// What has an unknown name in it, or comes out negative, is left as it stands.
    pub fn fill(&self, pattern: &str) -> String {
        let mut text = String::new();
        let mut rest = pattern;
        while let Some((head, tail)) = rest.split_once('{') {
            let Some((inside, after)) = tail.split_once('}') else {
                break;
            };
            text += head;
            match self.reckon(inside).and_then(|sum| usize::try_from(sum).ok()) {
                Some(value) => text += &value.to_string(),
                None => text.extend(["{", inside, "}"]),
            }
            rest = after;
        }
        text + rest
    }

    /// The first placeholder of a pattern that has no number here, as it stands in it.
    pub fn unknown_in(&self, pattern: &str) -> Option<String> {
        let mut rest = pattern;
        while let Some((inside, after)) = rest.split_once('{').and_then(|(_, tail)| tail.split_once('}')) {
            if self.reckon(inside).is_none() {
                return Some(format!("{{{inside}}}"));
            }
            rest = after;
        }
        None
    }

    /// The placeholders there are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// A sum of numbers, names and multiples of names.
    fn reckon(&self, sum: &str) -> Option<i64> {
        let mut total = 0;
        for term in sum.replace('-', "+-").split('+').filter(|term| !term.is_empty()) {
            let (sign, term) = term.strip_prefix('-').map_or((1, term), |term| (-1, term));
            let digits = term.bytes().take_while(u8::is_ascii_digit).count();
            let (factor, name) = term.split_at(digits);
            let name = name.strip_prefix('*').unwrap_or(name).trim();
            let factor: i64 = if factor.is_empty() {
                1
            } else {
                factor.parse().ok()?
            };
            let value = match name {
                "" => 1,
                name => i64::try_from(self.0.iter().find(|(known, _)| known == name)?.1).ok()?,
            };
            total += sign * factor * value;
        }
        Some(total)
    }
}

/// Whether a name has a placeholder.
pub fn is_pattern(name: &str) -> bool {
    name.contains('{')
}

/// Matches `name` against `pattern`; a placeholder stands for one or more digits, leading zeros allowed.
pub fn matches(pattern: &str, name: &str) -> Option<Captures> {
    let Some((head, rest)) = pattern.split_once('{') else {
        return (pattern == name).then(Captures::default);
    };
    let (placeholder, tail) = rest.split_once('}')?;
    let after = name.strip_prefix(head)?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let value = after[..digits].parse().ok()?;
    let rest = matches(tail, &after[digits..])?;
    Captures::one(placeholder, value).merged(&rest)
}

/// The name in `names` most like `name`, if any is near.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let limit = name.len() / 3 + 1;
    names
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Edits between two names, letter case not counting (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn captures_numbers() {
        let captured = matches("BMU_CELLV_{k}", "BMU_CELLV_07").unwrap();
        assert_eq!(captured.fill("frame {k}"), "frame 7");
        assert_eq!(matches("BMU_CELLV_{k}", "BMU_CELLV_"), None);
        assert_eq!(matches("BMU_CELLV_{k}", "BMU_CELLV_7x"), None);
        assert_eq!(matches("A", "A"), Some(Captures::default()));
        let both = matches("p{k}c{i}", "p3c17").unwrap();
        assert_eq!(both.fill("pack[{k}].cell[{i}]"), "pack[3].cell[17]");
        assert_eq!(matches("p{k}c{k}", "p3c17"), None);
    }

    #[test]
    fn reckons_with_numbers() {
        let both = Captures::one("k", 3).merged(&Captures::one("i", 2)).unwrap();
        assert_eq!(both.fill("cell[{4k+i}].voltage"), "cell[14].voltage");
        assert_eq!(both.fill("cell[{4*k+i-1}]"), "cell[13]");
        assert_eq!(both.fill("{i}{k}"), "23");
        assert_eq!(both.fill("{i-5}"), "{i-5}", "there is no cell below 0");
        assert_eq!(both.fill("{n} {4k+n} {"), "{n} {4k+n} {");
        assert_eq!(both.unknown_in("cell[{4k+i}].{4*n+1}"), Some("{4*n+1}".into()));
        assert_eq!(
            both.unknown_in("cell[{4k+i-90}]"),
            None,
            "there is no such cell, but such a number"
        );
    }

    #[test]
    fn finds_the_nearest_name() {
        let names = ["cluster-voltage", "bus-voltage"];
        assert_eq!(
            nearest("cluster_voltage", names.into_iter()),
            Some("cluster-voltage".into())
        );
        assert_eq!(nearest("soc", names.into_iter()), None);
    }
}
