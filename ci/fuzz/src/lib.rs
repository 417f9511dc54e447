//! Fuzz targets as tests: one closure, two ways to feed it.
//!
//! In any test run, [`Target::check`] gives the closure its seeds and a fixed number of mutations of them, the same ones
//! every time. Built by `ci/fuzz.sh`, libFuzzer feeds it instead, led by what code each input reaches, from the same seeds.
//! Either way a panic and an input that needs more memory than the target allows are failures.
//!
//! Seeds are what the caller gives and the files below `fuzz/NAME` of its crate. An input that once failed belongs there.

#![forbid(unsafe_code)]
#![cfg_attr(
    fuzzing_libfuzzer,
    allow(
        dead_code,
        unused_imports,
        reason = "libFuzzer makes the inputs, not what is here for it"
    )
)]

mod mutate;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use mutate::Mutator;

/// Longest input, bytes: twice the longest shipped file.
const LONGEST: usize = 1 << 16;
/// Sets how many mutations a test run tries, for all targets.
const RUNS: &str = "BESSRIG_FUZZ_RUNS";

/// Something that takes bytes from outside, and what it may cost.
#[derive(Debug)]
pub struct Target {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    memory: (u64, u64),
    runs: usize,
}

impl Target {
    /// A target of the crate in `folder` (its `CARGO_MANIFEST_DIR`), with the seeds below `fuzz/NAME`.
    ///
    /// # Panics
    /// If a seed cannot be read.
    pub fn new(folder: &str, name: &'static str) -> Self {
        Self {
            name,
            seeds: files(&Path::new(folder).join("fuzz").join(name)),
            memory: (1 << 20, 256),
            runs: 1000,
        }
    }

    /// More seeds.
    #[must_use]
    pub fn seeds<T: AsRef<[u8]>>(mut self, seeds: impl IntoIterator<Item = T>) -> Self {
        self.seeds
            .extend(seeds.into_iter().map(|seed| seed.as_ref().to_vec()));
        self
    }

    /// What it may have allocated at once: `base` bytes, and `per_byte` for each byte of the input. 1 MiB and 256 unless
    /// told.
    #[must_use]
    pub fn memory(self, base: u64, per_byte: u64) -> Self {
        Self {
            memory: (base, per_byte),
            ..self
        }
    }

    /// How many mutations a test run tries; 1,000 unless told.
    #[must_use]
    pub fn runs(self, runs: usize) -> Self {
        Self { runs, ..self }
    }

    /// Feeds `target`.
    ///
    /// # Panics
    /// If there are no seeds, or an input makes it panic or take too much memory; that input is in the message and in a file
    /// it names.
    pub fn check(self, target: impl Fn(&[u8])) {
        assert!(!self.seeds.is_empty(), "{}: no seeds", self.name);
        self.feed(&target);
    }

    #[cfg(not(fuzzing_libfuzzer))]
    fn feed(&self, target: &impl Fn(&[u8])) {
        let runs = std::env::var(RUNS).ok().and_then(|runs| runs.parse().ok());
        for seed in &self.seeds {
            self.one(seed, target);
        }
        let mut mutator = Mutator::new(self.name, &self.seeds);
        for _ in 0..runs.unwrap_or(self.runs) {
            self.one(&mutator.next(), target);
        }
    }

    /// Does not return from the target that `ci/fuzz.sh` asks for; others end at once.
    #[cfg(fuzzing_libfuzzer)]
    fn feed(&self, target: &impl Fn(&[u8])) {
        let wanted = |name: &str| std::env::var(name).unwrap_or_default();
        if wanted("BESSRIG_FUZZ_TARGET") != self.name {
            return;
        }
        let corpus = PathBuf::from(wanted("BESSRIG_FUZZ_CORPUS"));
        for (number, seed) in self.seeds.iter().enumerate() {
            write(&corpus.join(format!("seed-{number:03}")), seed);
        }
        // bolero wants it said that a panic leaves nothing half done: the process ends with it
        let one = AssertUnwindSafe(|input: &[u8]| self.one(input, target));
        bolero::check!()
            .with_shrink_time(core::time::Duration::ZERO)
            .for_each(|input: &[u8]| (*one)(input));
    }

    /// One input.
    fn one(&self, input: &[u8], target: &impl Fn(&[u8])) {
        let mut outcome = Ok(());
        let used = allocation_counter::measure(|| {
            outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
        });
        if let Err(panic) = outcome {
            let shown = self.keep(input);
            if let Some(text) = text_of(panic.as_ref()) {
                panic!("{}: {text}\n{shown}", self.name);
            }
            resume_unwind(panic);
        }
        let (base, per_byte) = self.memory;
        let allowed = base + per_byte * input.len() as u64;
        assert!(
            used.bytes_max <= allowed,
            "{}: {} bytes of memory for an input of {}, {allowed} are allowed\n{}",
            self.name,
            used.bytes_max,
            input.len(),
            self.keep(input)
        );
    }

    /// Writes a failed input to a file; what to tell about it.
    fn keep(&self, input: &[u8]) -> String {
        let path = std::env::temp_dir().join(format!("bessrig-fuzz-{}", self.name));
        write(&path, input);
        let start = input[..input.len().min(200)].escape_ascii();
        format!("input of {} bytes in {}: {start}", input.len(), path.display())
    }
}

/// The text of a panic, if it has one.
fn text_of(panic: &(dyn std::any::Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
}

/// Contents of the files of a folder in the order of their names; none if there is no such folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    paths.iter().map(read).collect()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[cfg(all(test, not(fuzzing_libfuzzer)))]
mod tests {
    use super::*;

    const SEED: &str = "[settings]\ncells = 44\nlimit = 3.65\n";

    fn found(target: impl Fn(&[u8])) -> Option<String> {
        let check = || Target::new("", "own").seeds([SEED]).check(target);
        let panic = catch_unwind(AssertUnwindSafe(check)).err()?;
        text_of(panic.as_ref()).map(str::to_owned)
    }

    #[test]
    fn planted_bugs_are_found() {
        assert_eq!(found(|_| {}), None);
        let trusts_numbers = |input: &[u8]| {
            let text = String::from_utf8_lossy(input);
            let cells = text.lines().find_map(|line| line.strip_prefix("cells = "));
            let cells: u64 = cells.and_then(|cells| cells.parse().ok()).unwrap_or(0);
            assert!(cells < 1 << 40, "so many cells");
        };
        let told = found(trusts_numbers).expect("numbers are made extreme");
        assert!(told.starts_with("own: so many cells\ninput of "), "{told}");
        let grows = |input: &[u8]| {
            let lines = input.split(|byte| *byte == b'\n').count() - 1;
            drop(vec![0_u8; if lines > 3 { 2 << 20 } else { 0 }]);
        };
        let told = found(grows).expect("lines are doubled");
        assert!(told.contains("bytes of memory"), "{told}");
    }

    #[test]
    fn every_run_tries_the_same() {
        let seeds = [SEED.as_bytes().to_vec()];
        let (mut a, mut b) = (Mutator::new("x", &seeds), Mutator::new("x", &seeds));
        for _ in 0..100 {
            assert_eq!(a.next(), b.next());
        }
    }
}
