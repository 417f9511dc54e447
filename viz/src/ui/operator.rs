//! Commands: faults, the E-stop, scenarios. Everything goes through the control API, and what it refuses is shown.

use std::collections::BTreeMap;

use bess_telemetry::{Command, EstopChannel, Fault};
use bevy_egui::egui::{self, Align, Rect, Ui, UiBuilder, vec2};
use serde_json::Value;

use super::Scope;
use super::paint::{LABEL, WORD, text};
use crate::model::Level;
use crate::model::Showing;
use crate::model::colour::of_level;

/// Faults that are offered: name, and its numbers as they are usual.
const FAULTS: [(&str, &str); 8] = [
    ("nail", ""),
    ("hold-cell-temperature", "celsius=130"),
    ("contactor-welded", "coil=main-positive"),
    ("coolant-pump-failed", ""),
    ("grid-lost", ""),
    ("power-off", ""),
    ("can-disconnect", ""),
    ("modbus-silence", ""),
];

/// What the panel remembers.
#[derive(Debug)]
pub(super) struct State {
    fault: String,
    target: String,
    with: String,
    feature: String,
    scenario: String,
    /// Faults that were injected here, newest last.
    injected: Vec<Fault>,
}

/// Faults that are remembered to be cleared.
const REMEMBERED: usize = 3;

impl Default for State {
    fn default() -> Self {
        Self {
            fault: "nail".into(),
            target: String::new(),
            with: String::new(),
            feature: "features/battery/thermal-runaway.feature".into(),
            scenario: String::new(),
            injected: Vec::new(),
        }
    }
}

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    if scope.feed.is_replay() {
        text(
            ui.painter(),
            place,
            Align::Center,
            "a recording takes no commands",
            LABEL,
        );
        return;
    }
    let connected = matches!(scope.model.showing(), Showing::Live | Showing::Paused);
    let width = place.width() / 4.0;
    let column = |n: f32, wide: f32| {
        Rect::from_min_size(
            place.min + vec2(width * n, 0.0),
            vec2(width * wide - 14.0, place.height()),
        )
    };
    part(ui, column(0.0, 1.0), "E-stop", |ui| estop(ui, scope, connected));
    part(ui, column(1.0, 1.0), "fault", |ui| fault(ui, scope, connected));
    part(ui, column(2.0, 1.0), "scenario", |ui| {
        scenario(ui, scope, connected);
    });
    let answers = column(3.0, 1.0);
    part(ui, answers, "answers", |ui| {
        for notice in scope.model.notices().rev().take(6) {
            let colour = if notice.is_trouble {
                Some(of_level(Level::R))
            } else {
                None
            };
            let mut words = egui::RichText::new(&notice.text).size(12.0);
            if let Some(colour) = colour {
                words = words.color(super::paint::rgb(colour));
            }
            ui.add(egui::Label::new(words).wrap());
        }
    });
}

fn part(ui: &mut Ui, place: Rect, name: &str, show: impl FnOnce(&mut Ui)) {
    let (head, body) = place.split_top_bottom_at_y(place.top() + 20.0);
    text(ui.painter(), head, Align::Min, name, WORD);
    let mut child = ui.new_child(UiBuilder::new().max_rect(body).id_salt(name));
    child.set_clip_rect(body);
    child.spacing_mut().item_spacing = vec2(6.0, 5.0);
    show(&mut child);
}

/// A button that is greyed with its reason.
fn button(ui: &mut Ui, words: &str, reason: Option<&str>) -> bool {
    let response = ui.add_enabled(reason.is_none(), egui::Button::new(words));
    match reason {
        Some(reason) => {
            response.on_disabled_hover_text(reason);
            false
        }
        None => response.clicked(),
    }
}

fn estop(ui: &mut Ui, scope: &mut Scope, connected: bool) {
    let reason = (!connected).then_some("no rig is connected");
    let press = |channel| Command::EstopPress { channel };
    let mut wish = None;
    if button(ui, "press (A and B)", reason) {
        wish = Some(press(EstopChannel::Both));
    }
    ui.horizontal(|ui| {
        if button(ui, "only A", reason) {
            wish = Some(press(EstopChannel::A));
        }
        if button(ui, "only B", reason) {
            wish = Some(press(EstopChannel::B));
        }
    });
    if button(ui, "turn back", reason) {
        wish = Some(Command::EstopRelease {});
    }
    if button(ui, "safety reset", reason) {
        wish = Some(Command::EstopReset {});
    }
    if let Some(command) = wish {
        scope.feed.command(command);
    }
}

fn fault(ui: &mut Ui, scope: &mut Scope, connected: bool) {
    let enabled = scope
        .model
        .description()
        .is_some_and(|description| description.faults_enabled);
    let selected = scope.view.selected.clone();
    let state = &mut scope.panels.operator;
    ui.horizontal(|ui| {
        ui.label("name");
        ui.add(egui::TextEdit::singleline(&mut state.fault).desired_width(120.0));
        egui::ComboBox::from_id_salt("faults")
            .width(18.0)
            .selected_text("")
            .show_ui(ui, |ui| {
                for (name, with) in FAULTS {
                    if ui.selectable_label(state.fault == name, name).clicked() {
                        state.fault = name.into();
                        state.with = with.into();
                    }
                }
            });
    });
    ui.horizontal(|ui| {
        ui.label("target");
        ui.add(
            egui::TextEdit::singleline(&mut state.target)
                .hint_text("tag")
                .desired_width(128.0),
        );
        if let Some(selected) = selected
            && ui.small_button("selected").clicked()
        {
            state.target = selected;
        }
    });
    ui.horizontal(|ui| {
        ui.label("with");
        ui.add(
            egui::TextEdit::singleline(&mut state.with)
                .hint_text("celsius=130 …")
                .desired_width(190.0),
        );
    });
    let numbers = numbers(&state.with);
    let reason = match (connected, enabled, &numbers) {
        (false, ..) => Some("no rig is connected"),
        (_, false, _) => Some("the rig file does not let outsiders inject faults"),
        (_, _, Err(why)) => Some(why.as_str()),
        _ if state.fault.trim().is_empty() => Some("name a fault"),
        _ if state.target.trim().is_empty() => Some("name its target: a tag, or a bus for faults of links"),
        _ => None,
    };
    let mut wish = None;
    ui.horizontal(|ui| {
        let fault = || Fault {
            name: state.fault.trim().to_owned(),
            target: state.target.trim().to_owned(),
            with: numbers.clone().unwrap_or_default(),
            for_ms: None,
        };
        if button(ui, "inject", reason) {
            wish = Some(Command::InjectFault { fault: fault() });
        }
        if button(ui, "clear", reason) {
            wish = Some(Command::ClearFault { fault: fault() });
        }
    });
    if let Some(reason) = reason {
        ui.label(egui::RichText::new(reason).size(12.0));
    }
    if let Some(Command::InjectFault { fault }) = &wish {
        state.injected.retain(|other| other != fault);
        state.injected.push(fault.clone());
        let gone = state.injected.len().saturating_sub(REMEMBERED);
        state.injected.drain(..gone);
    }
    let mut cleared = None;
    for (n, fault) in state.injected.iter().enumerate() {
        ui.horizontal(|ui| {
            if button(ui, "clear", (!connected).then_some("no rig is connected")) {
                cleared = Some(n);
            }
            let words = format!("{} {}", fault.name, crate::model::index::short(&fault.target));
            ui.add(egui::Label::new(egui::RichText::new(words).size(12.0)).truncate())
                .on_hover_text("asked for here; what the rig made of it stands under answers");
        });
    }
    if let Some(n) = cleared {
        wish = Some(Command::ClearFault {
            fault: state.injected.remove(n),
        });
    }
    if let Some(command) = wish {
        scope.feed.command(command);
    }
}

/// Numbers and choices of a fault: `celsius=130 mode=slow`.
fn numbers(text: &str) -> Result<BTreeMap<String, Value>, String> {
    text.split_whitespace()
        .map(|part| {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}`: give name=value"))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            Ok((name.to_owned(), value))
        })
        .collect()
}

fn scenario(ui: &mut Ui, scope: &mut Scope, connected: bool) {
    let running = scope.model.run().is_some_and(|run| run.verdict.is_none());
    let state = &mut scope.panels.operator;
    ui.label(egui::RichText::new("feature file, from where bessrig was started").size(12.0));
    ui.add(egui::TextEdit::singleline(&mut state.feature).desired_width(f32::INFINITY));
    ui.label(egui::RichText::new("scenario; the first if empty").size(12.0));
    ui.add(egui::TextEdit::singleline(&mut state.scenario).desired_width(f32::INFINITY));
    let reason = match (connected, running) {
        (false, _) => Some("no rig is connected"),
        (_, true) => Some("a scenario runs"),
        _ if state.feature.trim().is_empty() => Some("name a feature file"),
        _ => None,
    };
    let name = state.scenario.trim();
    let command = Command::StartScenario {
        feature: state.feature.trim().to_owned(),
        scenario: (!name.is_empty()).then(|| name.to_owned()),
    };
    if button(ui, "start", reason) {
        scope.feed.command(command);
    }
    if let Some(reason) = reason {
        ui.label(egui::RichText::new(reason).size(12.0));
    }
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn numbers_of_a_fault_are_read() {
        let read = numbers("celsius=130 mode=slow on=true").expect("all have a name");
        let text = serde_json::to_string(&read).expect("plain values");
        assert_eq!(text, r#"{"celsius":130,"mode":"slow","on":true}"#);
        assert!(numbers("130").is_err());
    }
}
