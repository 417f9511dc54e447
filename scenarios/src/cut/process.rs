//! Controller processes: started before a paced scenario, watched at every tick, never left behind.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bess_rig::RigConfig;
use bess_rig::config::CutConfig;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::mistake::Mistake;

/// Tells a `bessrig host` that it was started by a rig, and must not outlive it.
pub(crate) const SUPERVISED: &str = "BESSRIG_SUPERVISED";

/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// The processes of one scenario. Dropping it ends them.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    list: Vec<Controller>,
}

#[derive(Debug)]
struct Controller {
    name: String,
    child: Child,
    log: PathBuf,
    /// The scenario itself killed it.
    expected: bool,
    ended: Option<ExitStatus>,
}

/// Time left to new processes for loading before the rig's clock runs, so that it is not the rig's lateness.
const LOADING: Duration = Duration::from_millis(1500);

/// Every program that controllers are started with is there.
///
/// # Errors
/// At the entry of the first that is not.
pub(crate) fn check(config: &RigConfig) -> Result<(), Mistake> {
    let here = std::env::current_dir().unwrap_or_default();
    for cut in &config.cuts {
        let Some(program) = command_line(cut, "{bessrig}", &config.path).into_iter().next() else {
            continue;
        };
        let (found, help) = if program == "{bessrig}" {
            (true, String::new())
        } else if program.contains('/') {
            let help = format!(
                "paths in `start` are relative to the folder bessrig was started in, here {}",
                here.display()
            );
            (here.join(&program).is_file(), help)
        } else {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            let found = std::env::split_paths(&folders).any(|folder| folder.join(&program).is_file());
            (
                found,
                "no folder of PATH has it: correct the name, or give a path; `start` is no shell line".into(),
            )
        };
        if !found {
            return Err(cut
                .origin
                .error(
                    format!(
                        "controller `{}` cannot be started: there is no program `{program}`",
                        cut.name
                    ),
                    help,
                )
                .into());
        }
    }
    Ok(())
}

impl Processes {
    /// Starts every `[[cut]]` of the rig, each in its own process group, output into `folder`.
    pub(crate) fn start(config: &RigConfig, folder: &Path) -> Result<Self, String> {
        let mut processes = Self::default();
        for cut in &config.cuts {
            let bessrig = std::env::current_exe()
                .map_err(|error| format!("this binary's own path is unknown: {error}"))?;
            let argv = command_line(cut, &bessrig.to_string_lossy(), &config.path);
            let Some((program, arguments)) = argv.split_first() else {
                continue;
            };
            let log = folder.join(format!("{}.log", crate::evidence::slug(&cut.name)));
            let output = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
            let errors = output
                .try_clone()
                .map_err(|error| format!("{}: {error}", log.display()))?;
            let child = Command::new(program)
                .args(arguments)
                .env(SUPERVISED, "1")
                .stdin(Stdio::null())
                .stdout(output)
                .stderr(errors)
                .process_group(0)
                .spawn()
                .map_err(|error| {
                    format!(
                        "{}: controller process `{}` cannot be started: {program}: {error}",
                        cut.origin.line(),
                        cut.name
                    )
                })?;
            tracing::debug!(name = cut.name, pid = child.id(), "controller process started");
            processes.list.push(Controller {
                name: cut.name.clone(),
                child,
                log,
                expected: false,
                ended: None,
            });
        }
        if !processes.list.is_empty() {
            thread::sleep(LOADING);
        }
        Ok(processes)
    }

    /// Name of each, and where what it prints goes.
    pub(crate) fn logs(&self) -> Vec<(String, PathBuf)> {
        self.list
            .iter()
            .map(|controller| (controller.name.clone(), controller.log.clone()))
            .collect()
    }

    /// Whether one that should be alive is not.
    pub(crate) fn notice_deaths(&mut self) -> bool {
        let mut died = false;
        for controller in &mut self.list {
            controller.look();
            died |= controller.ended.is_some() && !controller.expected;
        }
        died
    }

    /// What the dead ones left: exit status and the last lines they said.
    pub(crate) fn obituary(&self) -> String {
        self.list
            .iter()
            .filter(|controller| !controller.expected)
            .filter_map(|controller| {
                let status = controller.ended?;
                let how = match (status.signal(), status.code()) {
                    (Some(signal), _) => format!("was killed by signal {signal}"),
                    (None, Some(code)) => format!("exited with status {code}"),
                    (None, None) => "ended".into(),
                };
                let mut text = format!("controller process `{}` {how}", controller.name);
                let tail = tail(&controller.log);
                if !tail.is_empty() {
                    text.push_str("; its last words:\n");
                    text.push_str(&tail);
                }
                Some(text)
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Kills one at once, as part of the scenario.
    pub(crate) fn kill(&mut self, name: &str) -> Result<(), String> {
        let controller = self.find(name)?;
        controller.expected = true;
        controller.signal(Signal::KILL)
    }

    /// Stops one from running, as part of the scenario; it stays in memory and on the bus.
    pub(crate) fn freeze(&mut self, name: &str) -> Result<(), String> {
        self.find(name)?.signal(Signal::STOP)
    }

    /// Lets a frozen one run again.
    pub(crate) fn thaw(&mut self, name: &str) -> Result<(), String> {
        self.find(name)?.signal(Signal::CONT)
    }

    fn find(&mut self, name: &str) -> Result<&mut Controller, String> {
        let known: Vec<_> = self.list.iter().map(|c| c.name.clone()).collect();
        self.list
            .iter_mut()
            .find(|controller| controller.name == name)
            .ok_or_else(|| {
                if known.is_empty() {
                    "this rig starts no controller process".into()
                } else {
                    format!("no controller process `{name}`; there are {}", known.join(", "))
                }
            })
    }

    /// Ends them all: SIGTERM, and SIGKILL for those still there after [`GRACE`].
    pub(crate) fn stop(&mut self) {
        for controller in &mut self.list {
            controller.look();
            if controller.ended.is_none() {
                // A stopped process takes no other signal before it is continued.
                drop(controller.signal(Signal::CONT));
                drop(controller.signal(Signal::TERM));
            }
        }
        let deadline = Instant::now() + GRACE;
        while self.list.iter().any(|controller| controller.ended.is_none()) {
            if Instant::now() >= deadline {
                for controller in &mut self.list {
                    if controller.ended.is_none() {
                        drop(controller.signal(Signal::KILL));
                        controller.ended = controller.child.wait().ok();
                    }
                }
                break;
            }
            thread::sleep(Duration::from_millis(10));
            for controller in &mut self.list {
                controller.look();
            }
        }
        self.list.clear();
    }
}

/// What starts a controller; without a command line of its own it is `bessrig host` with its devices.
pub(crate) fn command_line(cut: &CutConfig, bessrig: &str, rig: &str) -> Vec<String> {
    if cut.start.is_empty() {
        let fixed = [bessrig, "host", "--rig", rig, "--device"].map(str::to_owned);
        return fixed
            .into_iter()
            .chain(cut.devices.iter().map(ToString::to_string))
            .collect();
    }
    cut.start
        .iter()
        .map(|word| word.replace("{bessrig}", bessrig).replace("{rig}", rig))
        .collect()
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Controller {
    fn look(&mut self) {
        if self.ended.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.ended = Some(status);
        }
    }

    /// To its whole process group, so that nothing it started is left behind.
    fn signal(&self, signal: Signal) -> Result<(), String> {
        let group = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or("the process has no id")?;
        kill_process_group(group, signal)
            .map_err(|error| format!("signal to controller process `{}`: {error}", self.name))
    }
}

/// The last lines of a log file.
pub(crate) fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// In a supervised `bessrig host`: ends with its parent, even if that was killed.
pub(crate) fn die_with_parent() -> io::Result<()> {
    if std::env::var_os(SUPERVISED).is_some() {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    }
    Ok(())
}
