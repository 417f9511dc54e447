//! A rig that is started here: `bessrig run --rig RIG`, and its control API.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use bess_telemetry::Command;

use super::live::{Access, Live};
use super::{Mistake, waiting};
use crate::model::{Link, Model};

/// Lines of trouble in the rig's output that are kept to say why it ended.
const LINES: usize = 12;
/// How long a rig may take to end when asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long to wait for the last words of a rig that has ended, should another process hold its output open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a rig says while it runs.
#[derive(Debug)]
enum Line {
    /// How it does.
    News(String),
    /// What is wrong.
    Trouble(String),
}

/// A rig that was started here. It ends with this.
#[derive(Debug)]
pub struct Launch {
    child: Child,
    lines: Receiver<Line>,
    /// Its last words of trouble.
    last: VecDeque<String>,
    live: Option<Live>,
    token: Option<String>,
    source: String,
    gone: Option<(Instant, ExitStatus)>,
    ended: Option<String>,
    /// Why commands were not carried out.
    refusals: Vec<&'static str>,
}

impl Launch {
    /// Starts it, at an address nobody uses unless `options` say one.
    pub fn start(program: &Path, rig: &Path, options: &[String]) -> Result<Self, Mistake> {
        if !rig.is_file() {
            return Err(Mistake::new(
                format!("{}: there is no such rig file", rig.display()),
                "give the path of a rig file, as in scenarios/rigs/liquid-20ft.toml",
            ));
        }
        let mut process = Process::new(program);
        process.arg("run").arg("--rig").arg(rig);
        let token = if has_address(options) {
            // which others may reach, so that it may ask for the token
            std::env::var(crate::cli::TOKEN).ok()
        } else {
            process
                .args(["--api", "127.0.0.1:0"])
                // on loopback it needs none
                .env_remove(crate::cli::TOKEN);
            None
        };
        let mut child = process
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Mistake::new(
                    format!("{}: {error}", program.display()),
                    "build bessrig (`cargo build --release`), or say where it is with --bessrig",
                )
            })?;
        let (sender, lines) = channel();
        follow(child.stdout.take(), &sender, Line::News);
        follow(child.stderr.take(), &sender, Line::Trouble);
        Ok(Self {
            child,
            lines,
            last: VecDeque::new(),
            live: None,
            token,
            source: rig.display().to_string(),
            gone: None,
            ended: None,
            refusals: Vec::new(),
        })
    }

    /// Number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hands over what has come since.
    pub fn poll(&mut self, model: &mut Model) {
        let all_said = loop {
            let line = match self.lines.try_recv() {
                Ok(line) => line,
                Err(why) => break why == TryRecvError::Disconnected,
            };
            let line = match line {
                Line::News(line) => line,
                Line::Trouble(line) => {
                    self.last.push_back(line.clone());
                    line
                }
            };
            if self.live.is_none()
                && let Some(address) = address_in(&line)
            {
                self.live = Some(Live::start(Access {
                    token: self.token.clone(),
                    ..Access::to(address)
                }));
            }
            if self.last.len() > LINES {
                self.last.pop_front();
            }
        };
        if self.gone.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.gone = Some((Instant::now(), status));
        }
        if self.ended.is_none()
            && let Some((since, status)) = self.gone
            && (all_said || since.elapsed() > LAST_WORDS)
        {
            let mut ended = format!("bessrig has ended ({status})");
            if !self.last.is_empty() {
                let said: Vec<_> = self.last.iter().map(|line| line.trim()).collect();
                ended = format!("{ended}: {}", said.join(" | "));
            }
            model.notice(true, ended.clone());
            self.ended = Some(ended);
            // nobody will be there again
            if let Some(live) = &mut self.live {
                live.end();
            }
        }
        match (&mut self.live, &self.ended) {
            (Some(live), None) => live.poll(model),
            // what it said last is old, and stays
            (Some(live), Some(why)) => {
                live.poll(model);
                let link = model.link().clone();
                model.set_link(Link {
                    trouble: Some(why.clone()),
                    is_final: true,
                    ..link
                });
            }
            (None, why) => {
                let is_final = why.is_some();
                let why = why.clone().unwrap_or_else(|| "starting".into());
                model.set_link(Link {
                    is_final,
                    ..waiting(&self.source, Some(why))
                });
            }
        }
        for why in self.refusals.drain(..) {
            model.notice(true, why);
        }
    }

    /// Tells the rig to do something.
    pub fn command(&mut self, command: Command) {
        match &mut self.live {
            _ if self.ended.is_some() => self.refusals.push("the rig has ended: start the viewer again"),
            Some(live) => live.command(command),
            None => self.refusals.push("the rig is still starting: ask again"),
        }
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        self.live = None;
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // asked first, so that it closes its recordings
        let pid = self.child.id().to_string();
        let asked = Process::new("kill").args(["-INT", &pid]).status();
        let until = Instant::now() + PATIENCE;
        while asked.as_ref().is_ok_and(ExitStatus::success) && Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines in a thread, so that the rig never waits for somebody to read them.
fn follow(output: Option<impl Read + Send + 'static>, sender: &Sender<Line>, line_of: fn(String) -> Line) {
    let Some(output) = output else { return };
    let sender = sender.clone();
    let _ = thread::Builder::new().name("rig-output".into()).spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { return };
            let line = line_of(String::from_utf8_lossy(&line).into_owned());
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

/// Whether options of `bessrig run` say where its control API is to be.
fn has_address(options: &[String]) -> bool {
    options
        .iter()
        .any(|option| option == "--api" || option.starts_with("--api="))
}

/// Where the control API is, if a line tells it: `… http://127.0.0.1:15080/api`.
fn address_in(line: &str) -> Option<String> {
    let rest = line.split_once("http://")?.1;
    let address = rest.split_once("/api")?.0;
    address.parse::<std::net::SocketAddr>().ok()?;
    Some(address.to_owned())
}

/// Where bessrig is unless told: beside this program, or wherever the shell would find it.
pub fn usual_program() -> PathBuf {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join("bessrig")))
        .filter(|path| path.is_file());
    beside.unwrap_or_else(|| PathBuf::from(OsStr::new("bessrig")))
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn the_address_is_found_in_what_bessrig_prints() {
        let line = "API     control            on http://127.0.0.1:15080/api";
        assert_eq!(address_in(line).as_deref(), Some("127.0.0.1:15080"));
        assert_eq!(address_in("see http://example.org/api"), None);
        assert_eq!(address_in("Modbus  pcs on 127.0.0.1:15020"), None);
    }
}
