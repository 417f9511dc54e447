//! `bess-viz`: see the library.

use std::io::Write;
use std::process::ExitCode;

use bess_viz::cli::Cli;
use bess_viz::feed::Mistake;
use bess_viz::shot::{self, Wanted};
use bess_viz::{app, model};
use bevy::app::AppExit;
use clap::Parser;

fn main() -> ExitCode {
    match begin(&Cli::parse()) {
        Ok(code) => code,
        Err(mistake) => {
            say(&mistake.to_string());
            ExitCode::FAILURE
        }
    }
}

fn say(what: &str) {
    // nobody to tell if the terminal is gone
    let _ = writeln!(std::io::stderr(), "bess-viz: {what}");
}

fn begin(cli: &Cli) -> Result<ExitCode, Mistake> {
    let in_window = cli.screenshot.is_none() && cli.frames.is_none();
    app::can_draw(in_window)?;
    let mut feed = cli.feed()?;
    if !in_window && let Some(replay) = feed.as_replay() {
        // a picture has no room for it
        for note in replay.recording().notes() {
            say(&format!("{}: {note}", replay.recording().path().display()));
        }
    }
    let wanted = cli
        .screenshot
        .clone()
        .map(|file| Wanted::Picture { file, at_ns: cli.at })
        .or_else(|| {
            let folder = cli.frames.clone()?;
            Some(Wanted::Film {
                folder,
                from_ns: cli.at,
                to_ns: cli.until,
                fps: cli.fps,
            })
        });
    let mut view = model::View {
        selected: cli.select.clone(),
        wanted_camera: cli.view,
        cell_map: cli.map,
        tab: cli.tab.unwrap_or_default(),
        plotted: cli.plot.clone(),
        ..model::View::default()
    };
    if let Some(quantity) = cli.colour {
        view.quantity = quantity;
    }
    view.layout = cli.layout.unwrap_or(match wanted {
        Some(_) => model::Layout::Ci,
        None if cli.start.is_some() => model::Layout::Demo,
        None => model::Layout::Operator,
    });
    view.follow = cli.follow || (cli.start.is_some() && wanted.is_none());
    match wanted {
        Some(wanted) => shot::make(feed, view, cli.size, &wanted).map(|()| ExitCode::SUCCESS),
        None => Ok(match app::run(feed, view, cli.size)? {
            AppExit::Success => ExitCode::SUCCESS,
            AppExit::Error(code) => ExitCode::from(code.get()),
        }),
    }
}
