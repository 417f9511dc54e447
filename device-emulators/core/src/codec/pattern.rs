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

    /// Puts the numbers into a pattern's placeholders.
    pub fn fill(&self, pattern: &str) -> String {
        self.0.iter().fold(pattern.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), &value.to_string())
        })
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
    fn finds_the_nearest_name() {
        let names = ["cluster-voltage", "bus-voltage"];
        assert_eq!(
            nearest("cluster_voltage", names.into_iter()),
            Some("cluster-voltage".into())
        );
        assert_eq!(nearest("soc", names.into_iter()), None);
    }
}
