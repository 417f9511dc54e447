//! The command line.

use std::path::{Path, PathBuf};

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use bess_telemetry::Command;

use crate::feed::{Access, Feed, Mistake, Transport, launch};
use crate::model::{Quantity, Tab};

/// Environment variable with the token of the control API, the same as bessrig's.
pub(crate) const TOKEN: &str = "BESSRIG_API_TOKEN";

/// The 3D view of a rig, live and replayed.
#[derive(Clone, Debug, Parser)]
#[command(name = "bess-viz", version, about)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["connect", "replay", "launch"]))]
pub struct Cli {
    /// Shows a rig that runs: address of its control API.
    #[arg(long, value_name = "HOST:PORT")]
    pub connect: Option<String>,
    /// Shows a recording.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Starts `bessrig run --rig RIG` and shows it.
    #[arg(long, value_name = "RIG")]
    pub launch: Option<PathBuf>,
    /// The program that --launch starts; beside this one or on the path if left out.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["connect", "replay"])]
    pub bessrig: Option<PathBuf>,
    /// More options for the `bessrig run` of --launch.
    #[arg(last = true, value_name = "OPTION", conflicts_with_all = ["connect", "replay"])]
    pub options: Vec<String>,
    /// Starts the first scenario of this feature file as soon as the rig is seen, and follows what happens; the path is
    /// looked up where bessrig was started.
    #[arg(long, value_name = "FEATURE", conflicts_with = "replay")]
    pub start: Option<String>,
    /// Starts this scenario of the feature file.
    #[arg(long, value_name = "NAME", requires = "start")]
    pub scenario: Option<String>,
    /// Plays a recording at once.
    #[arg(long, conflicts_with_all = ["connect", "launch", "screenshot", "frames"])]
    pub play: bool,
    /// Rig time that passes in a second, s: of a recording, or of a rig in virtual time.
    #[arg(long, value_name = "FACTOR", value_parser = rate)]
    pub rate: Option<f64>,
    /// File with the token of the control API; BESSRIG_API_TOKEN if left out.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["launch", "replay"])]
    pub token_file: Option<PathBuf>,
    /// Frames a second asked of a live rig.
    #[arg(long, value_name = "HZ", default_value_t = 10.0, value_parser = frames_a_second)]
    pub hz: f64,
    /// Makes one picture without a window and ends.
    #[arg(long, value_name = "PNG", conflicts_with = "frames")]
    pub screenshot: Option<PathBuf>,
    /// Makes numbered pictures for a film in a folder and ends.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["connect", "launch"])]
    pub frames: Option<PathBuf>,
    /// Plant time of the picture, or of a film's first: 312s, 90500ms or 5m12s. A live rig is shown as it is.
    #[arg(long, value_name = "TIME", value_parser = plant_time)]
    pub at: Option<u64>,
    /// Plant time of a film's last picture.
    #[arg(long, value_name = "TIME", value_parser = plant_time, requires = "frames")]
    pub until: Option<u64>,
    /// Pictures of a film for each second.
    #[arg(long, value_name = "HZ", default_value_t = 25.0, value_parser = frames_a_second)]
    pub fps: f64,
    /// Saved view, 1 to 9.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub view: Option<u8>,
    /// Size of the picture or window.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1280x720", value_parser = size)]
    pub size: (u32, u32),
    /// Tag to select.
    #[arg(long, value_name = "TAG")]
    pub select: Option<String>,
    /// Colours cells by this.
    #[arg(long, value_name = "QUANTITY", value_parser = PossibleValuesParser::new(Quantity::ALL.map(Quantity::key)).try_map(|text| quantity(&text)))]
    pub colour: Option<Quantity>,
    /// The camera goes where something happens.
    #[arg(long)]
    pub follow: bool,
    /// Shows the flat cell map in place of the scene.
    #[arg(long)]
    pub map: bool,
    /// What the lower region shows: timeline, plots, effects or control.
    #[arg(long, value_name = "TAB", value_parser = tab)]
    pub tab: Option<Tab>,
    /// Plots a point, as in "plant:container-01/pcs active-power"; may be given more than once.
    #[arg(long, value_name = "TAG POINT", value_parser = point)]
    pub plot: Vec<(String, String)>,
    /// Screen layout: operator, instructor, demo or ci.
    #[arg(long, value_name = "LAYOUT", value_parser = layout)]
    pub layout: Option<crate::model::Layout>,
}

impl Cli {
    /// The feed that is asked for, with what is to be done first.
    pub fn feed(&self) -> Result<Feed, Mistake> {
        let mut feed = self.source()?;
        if let Some(rate) = self.rate {
            if feed.is_replay() {
                feed.transport(Transport::Rate(rate));
            } else {
                feed.command_when_live(Command::Rate { rate });
            }
        }
        if self.play {
            feed.transport(Transport::Play);
        }
        if let Some(feature) = self.start.clone() {
            feed.command_when_live(Command::StartScenario {
                feature,
                scenario: self.scenario.clone(),
            });
        }
        Ok(feed)
    }

    fn source(&self) -> Result<Feed, Mistake> {
        if let Some(file) = &self.replay {
            return Feed::replay(file);
        }
        if let Some(rig) = &self.launch {
            if let Some(feature) = self.start.as_ref().filter(|path| !Path::new(path).is_file()) {
                return Err(Mistake::new(
                    format!("{feature}: there is no such feature file"),
                    "give the path of one, as in features/battery/thermal-runaway.feature",
                ));
            }
            let program = self.bessrig.clone().unwrap_or_else(launch::usual_program);
            return Feed::launch(&program, rig, &self.options);
        }
        let address = self.connect.clone().unwrap_or_default();
        if address
            .rsplit_once(':')
            .is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
        {
            return Err(Mistake::new(
                format!("--connect {address}: this is no address"),
                "give host and port, as in 127.0.0.1:15080; `bessrig run` prints them",
            ));
        }
        Ok(Feed::connect(Access {
            token: self.token()?,
            hz: self.hz,
            ..Access::to(address)
        }))
    }

    fn token(&self) -> Result<Option<String>, Mistake> {
        let text = match &self.token_file {
            Some(file) => Some(read_token(file)?),
            None => std::env::var(TOKEN).ok(),
        };
        Ok(text
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()))
    }
}

fn read_token(file: &Path) -> Result<String, Mistake> {
    std::fs::read_to_string(file)
        .map_err(|error| Mistake::new(format!("{}: {error}", file.display()), "check the path"))
}

fn frames_a_second(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(hz) if (0.1..=120.0).contains(&hz) => Ok(hz),
        _ => Err("give 0.1 to 120 a second".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=100.0).contains(&rate) => Ok(rate),
        _ => Err("give 0.1 to 100".into()),
    }
}

/// Plant time, ns: `312s`, `1.5s`, `90500ms`, `5m12s`, `1h2m3s`; a bare number is seconds.
pub fn plant_time(text: &str) -> Result<u64, String> {
    let wrong = || "give a time as in 312s, 90500ms or 5m12s".to_owned();
    let mut seconds = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let (number, unit) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let units = [
            ("ms", 1e-3),
            ("s", 1.0),
            ("min", 60.0),
            ("m", 60.0),
            ("h", 3600.0),
        ];
        let (name, worth) = units
            .into_iter()
            .find(|(name, _)| unit.starts_with(name))
            .or_else(|| unit.is_empty().then_some(("", 1.0)))
            .ok_or_else(wrong)?;
        seconds += number * worth;
        rest = &unit[name.len()..];
    }
    if seconds > 1e9 {
        return Err(wrong());
    }
    Ok(crate::model::effects::nanoseconds(seconds))
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('x').and_then(|(width, height)| {
        let number = |text: &str| text.parse::<u32>().ok();
        Some((number(width)?, number(height)?))
    });
    parts
        .filter(|(width, height)| (320..=7680).contains(width) && (200..=4320).contains(height))
        .ok_or_else(|| "give width and height, as in 1280x720; at least 320x200".into())
}

fn quantity(text: &str) -> Result<Quantity, String> {
    Quantity::ALL
        .into_iter()
        .find(|quantity| quantity.key() == text)
        .ok_or_else(|| {
            let keys: Vec<_> = Quantity::ALL.into_iter().map(Quantity::key).collect();
            format!("give one of {}", keys.join(", "))
        })
}

fn tab(text: &str) -> Result<Tab, String> {
    Tab::ALL
        .into_iter()
        .find(|tab| tab.key() == text)
        .ok_or_else(|| "give timeline, plots, effects or control".into())
}

fn point(text: &str) -> Result<(String, String), String> {
    text.split_once(' ')
        .map(|(tag, point)| (tag.to_owned(), point.to_owned()))
        .ok_or_else(|| "give a tag and a point of it, with a blank between".into())
}

fn layout(text: &str) -> Result<crate::model::Layout, String> {
    use crate::model::Layout;
    Layout::ALL
        .into_iter()
        .find(|layout| layout.key() == text)
        .ok_or_else(|| "give operator, instructor, demo or ci".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, ns) in [
            ("312s", 312_000_000_000),
            ("1.5s", 1_500_000_000),
            ("90500ms", 90_500_000_000),
            ("5m12s", 312_000_000_000),
            ("1h2min3s", 3_723_000_000_000),
            ("7", 7_000_000_000),
        ] {
            assert_eq!(plant_time(text), Ok(ns), "{text}");
        }
        for text in ["", "s", "-5s", "5 parsecs", "1e3s", "99999999999s", "5°"] {
            assert!(plant_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mistakes_name_the_remedy() {
        let parse = |args: &[&str]| Cli::try_parse_from([&["bess-viz"], args].concat());
        assert!(parse(&[]).is_err());
        assert!(parse(&["--connect", "a:1", "--replay", "b"]).is_err());
        assert!(parse(&["--replay", "b", "--view", "10"]).is_err());
        assert!(parse(&["--replay", "b", "--size", "1280"]).is_err());
        assert!(parse(&["--replay", "b", "--colour", "taste"]).is_err());
        // what belongs to another source is not passed over
        for of_another in [
            &["--replay", "b", "--start", "x.feature"][..],
            &["--replay", "b", "--token-file", "t"],
            &["--replay", "b", "--bessrig", "p"],
            &["--connect", "a:1", "--frames", "f"],
            &["--connect", "a:1", "--", "--seed", "2"],
            &["--launch", "r", "--token-file", "t"],
        ] {
            assert!(parse(of_another).is_err(), "{of_another:?}");
        }
        assert!(parse(&["--connect", "a:1", "--scenario", "of nothing"]).is_err());
        assert!(parse(&["--connect", "a:1", "--play"]).is_err());
        assert!(parse(&["--connect", "a:1", "--rate", "1000"]).is_err());
        let cli = parse(&["--launch", "rig.toml", "--start", "/no.feature"]).expect("looked at later");
        let mistake = cli.feed().expect_err("no feature").to_string();
        assert!(mistake.contains("/no.feature"), "{mistake}");
        let cli = parse(&["--connect", "nowhere"]).expect("an address is looked at later");
        let mistake = cli.feed().expect_err("no port");
        assert!(mistake.to_string().contains("127.0.0.1:15080"), "{mistake}");
        let cli = parse(&["--replay", "/nowhere.mcap"]).expect("a path is looked at later");
        let mistake = cli.feed().expect_err("no file").to_string();
        assert!(
            mistake.contains("/nowhere.mcap") && mistake.contains("bessrig test"),
            "{mistake}"
        );
    }
}
