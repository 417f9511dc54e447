//! What a scenario leaves on disk: candump log of every bus, Modbus messages, event log, rig file, seed, controllers' output.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bess_rig::Rig;
use bess_types::Event;

/// Name of the file that marks a folder as one of ours.
const SEED_FILE: &str = "seed";

/// Behind the name of a bus, the file with its frames.
pub(crate) const CANDUMP_ENDING: &str = ".candump.log";
/// The Modbus messages, one a line.
pub(crate) const MODBUS_FILE: &str = "modbus.jsonl";

/// The folder of one attempt at one scenario.
#[derive(Debug)]
pub(crate) struct ScenarioFolder {
    path: PathBuf,
    cap: u64,
    traces: BTreeMap<String, Trace>,
}

#[derive(Debug)]
struct Trace {
    file: BufWriter<File>,
    written: u64,
    dropped: u64,
}

impl ScenarioFolder {
    /// Makes the folder anew, with the rig file and the seed in it. `cap` is the most bytes kept of a bus, and of the Modbus
    /// messages.
    pub(crate) fn create(path: PathBuf, rig_toml: &str, seed: u64, cap: u64) -> io::Result<Self> {
        if path.join(SEED_FILE).is_file() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        fs::write(path.join(SEED_FILE), format!("{seed}\n"))?;
        fs::write(path.join("rig.toml"), rig_toml)?;
        Ok(Self {
            path,
            cap,
            traces: BTreeMap::new(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the frames and messages seen since last time.
    pub(crate) fn drain(&mut self, rig: &mut Rig) -> io::Result<()> {
        let mut result = Ok(());
        rig.drain_candump(&mut |bus, lines| {
            if result.is_ok() {
                result = self.append(&format!("{bus}{CANDUMP_ENDING}"), lines);
            }
        });
        result?;
        let mut lines = Vec::new();
        for message in rig.drain_modbus() {
            serde_json::to_writer(&mut lines, &message)?;
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.append(MODBUS_FILE, &lines)
    }

    /// Lets others see what is written so far.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.traces.values_mut().try_for_each(|trace| trace.file.flush())
    }

    fn append(&mut self, name: &str, lines: &[u8]) -> io::Result<()> {
        if !self.traces.contains_key(name) {
            let file = File::create(self.path.join(name))?;
            self.traces.insert(
                name.into(),
                Trace {
                    file: BufWriter::with_capacity(1 << 18, file),
                    written: 0,
                    dropped: 0,
                },
            );
        }
        let Some(trace) = self.traces.get_mut(name) else {
            return Ok(());
        };
        let room = usize::try_from(self.cap.saturating_sub(trace.written)).unwrap_or(usize::MAX);
        let kept = if trace.dropped > 0 {
            0
        } else if lines.len() <= room {
            lines.len()
        } else {
            // Whole lines only.
            lines[..room]
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |end| end + 1)
        };
        trace.file.write_all(&lines[..kept])?;
        trace.written += kept as u64;
        trace.dropped += (lines.len() - kept) as u64;
        Ok(())
    }

    /// Writes the event log and closes the traces; returns what was cut off, for the summary.
    pub(crate) fn close(&mut self, events: &[Event]) -> io::Result<Vec<String>> {
        let mut out = BufWriter::new(File::create(self.path.join("events.jsonl"))?);
        for event in events {
            serde_json::to_writer(&mut out, event)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        let mut notes = Vec::new();
        for (name, trace) in &mut self.traces {
            trace.file.flush()?;
            if trace.dropped > 0 {
                notes.push(format!(
                    "{name} stops at {} MB; {} MB more were seen (option --candump-limit-mb)",
                    trace.written >> 20,
                    (trace.dropped >> 20) + 1
                ));
            }
        }
        Ok(notes)
    }
}

/// A file name for a scenario: lower-case words joined by '-'.
pub(crate) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.truncate(80);
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain() {
        assert_eq!(slug("E-stop: both channels!"), "e-stop-both-channels");
    }
}
