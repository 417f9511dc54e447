//! The bar on top: what is looked at, when, how old, and how it stands.

use bess_telemetry::Verdict;
use bevy_egui::egui::{Align, Color32, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::Scope;
use super::paint::{self, FIGURE, LABEL, WORD, badge, rgb, text};
use crate::model::colour::{ENERGISED, SECONDARY, TEXT, of_level};
use crate::model::{AlarmState, Layout, Level, Showing, clock, run};

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let painter = ui.painter();
    let mut x = place.left();
    let mut take = |width: f32| {
        let part = Rect::from_min_max(pos2(x, place.top()), pos2(x + width, place.bottom()));
        x += width + 8.0;
        part
    };
    let rows = |part: Rect| part.split_top_bottom_at_fraction(0.5);

    let (top, bottom) = rows(take(212.0));
    let (rig, seed) = scope.model.description().map_or_else(
        || (scope.model.link().source.clone(), String::new()),
        |description| (description.rig.clone(), format!("seed {}", description.seed)),
    );
    text(painter, top, Align::Min, &rig, WORD);
    let role = match scope.view.layout {
        Layout::Operator => "operator",
        Layout::Instructor => "instructor",
        Layout::Demo => "demo",
        Layout::Ci => "evidence",
    };
    text(
        painter,
        bottom,
        Align::Min,
        &format!("{seed} · {role} · simulated plant"),
        LABEL,
    );

    chip(painter, take(80.0), scope.model.showing());

    let (top, bottom) = rows(take(112.0));
    text(
        painter,
        top,
        Align::Max,
        &clock(scope.model.now_ns()),
        FIGURE.sized(14.0),
    );
    text(painter, bottom, Align::Max, &rate(scope), LABEL);

    let (top, bottom) = rows(take(112.0));
    let (word, detail, whole) = age(scope);
    text(painter, top, Align::Min, &word, WORD);
    text(painter, bottom, Align::Min, &detail, LABEL);
    if let Some(whole) = whole {
        let response = ui.interact(top.union(bottom), ui.id().with("age"), Sense::hover());
        response.on_hover_text(whole);
    }

    let counts = 4.0 * 42.0;
    let end = place.right() - counts - 8.0;
    let middle = Rect::from_min_max(pos2(x, place.top()), pos2(end, place.bottom()));
    scenario(ui, middle, scope);
    levels(
        ui,
        Rect::from_min_max(pos2(place.right() - counts, place.top()), place.max),
        scope,
    );
}

/// The mode as a word in a box: only a live one is filled.
fn chip(painter: &bevy_egui::egui::Painter, place: Rect, showing: Showing) {
    let place = Rect::from_center_size(place.center(), vec2(place.width(), 22.0));
    let (fill, ink, stroke) = match showing {
        Showing::Live => (rgb(ENERGISED), [0xFF; 3], paint::outline(1.0)),
        Showing::Replay | Showing::Paused => (Color32::TRANSPARENT, TEXT, paint::outline(1.5)),
        Showing::Stale | Showing::NoData => (rgb(of_level(Level::R)), [0xFF; 3], paint::outline(1.5)),
    };
    painter.rect(place, 2.0, fill, stroke, StrokeKind::Inside);
    text(painter, place, Align::Center, showing.word(), WORD.coloured(ink));
}

fn rate(scope: &Scope) -> String {
    let link = scope.model.link();
    match scope.model.showing() {
        Showing::Replay if !link.is_playing => "standing".into(),
        Showing::Replay => format!("× {}", link.rate),
        Showing::NoData => "no time".into(),
        Showing::Paused => "time stands".into(),
        Showing::Live | Showing::Stale => {
            let rate = scope.model.status().and_then(|status| status.rate);
            rate.map_or_else(|| "plant time".into(), |rate| format!("× {rate}"))
        }
    }
}

/// How old the data is, what the rig's own troubles are, and the whole of it if that is more.
fn age(scope: &Scope) -> (String, String, Option<String>) {
    let link = scope.model.link();
    let word = match (link.is_replay, link.age) {
        (true, _) => "recorded".to_owned(),
        (false, None) => "never heard".to_owned(),
        (false, Some(age)) => format!("data {:.1} s old", age.as_secs_f32()),
    };
    let dropped = scope.model.status().map_or(0, |status| status.dropped) + link.skipped;
    let lost = scope.model.misfits() + scope.model.chronicle().missing();
    // what is missing in a recording stays on the picture
    let missing = scope
        .model
        .notices()
        .rev()
        .find(|notice| notice.is_trouble && link.is_replay);
    let trouble = link.trouble.as_ref().or(missing.map(|notice| &notice.text));
    let detail = match (trouble, dropped, lost) {
        (Some(trouble), _, _) => trouble.split(" — ").next().unwrap_or_default().to_owned(),
        (None, 0, 0) => "no frame lost".to_owned(),
        (None, dropped, 0) => format!("frames dropped: {dropped}"),
        (None, dropped, lost) => format!("frames lost: {}", dropped + lost),
    };
    let whole = trouble.map(|trouble| format!("{}: {trouble}", link.source));
    (word, detail, whole)
}

fn scenario(ui: &Ui, place: Rect, scope: &Scope) {
    let painter = ui.painter();
    let (top, bottom) = place.split_top_bottom_at_fraction(0.5);
    if let Some(why) = scope
        .model
        .status()
        .and_then(|status| status.inconclusive.as_ref())
    {
        let (mark, rest) = top.split_left_right_at_x(top.left() + 18.0);
        badge(
            painter,
            mark.center(),
            7.0,
            Level::R,
            AlarmState::Acknowledged,
            true,
        );
        text(
            painter,
            rest,
            Align::Min,
            &format!("nothing is proven: {why}"),
            WORD,
        );
    } else if let Some(run) = scope.model.run() {
        let verdict = run.verdict.map(|(_, verdict)| verdict);
        let words = verdict.map_or("running", run::word);
        let width = paint::width(painter, words, WORD) + 16.0;
        let (name, mark) = top.split_left_right_at_x(top.right() - width);
        let name_of = if run.name.is_empty() {
            "scenario"
        } else {
            &run.name
        };
        text(painter, name, Align::Min, name_of, WORD);
        verdict_box(painter, mark.shrink2(vec2(0.0, 0.5)), words, verdict);
    } else {
        let title = scope
            .model
            .description()
            .map_or("", |description| description.title.as_str());
        text(painter, top, Align::Min, title, WORD);
    }
    if let Some(step) = scope.model.run().and_then(run::Run::current) {
        let total = scope.model.run().map_or(0, |run| run.total);
        let mut words = format!("{}/{total} {}", step.number + 1, step.text);
        let reason = scope.model.run().map_or("", |run| run.reason.as_str());
        if !reason.is_empty() {
            words = format!("{words}: {reason}");
        }
        text(painter, bottom, Align::Min, &words, LABEL);
        let response = ui.interact(place, ui.id().with("scenario"), Sense::hover());
        response.on_hover_text(words);
    } else {
        text(painter, bottom, Align::Min, "no scenario", LABEL);
    }
}

/// A verdict: its word in a box; only what is bad has colour.
pub(super) fn verdict_box(
    painter: &bevy_egui::egui::Painter,
    place: Rect,
    words: &str,
    verdict: Option<Verdict>,
) {
    let (fill, ink) = match verdict {
        None => (Color32::TRANSPARENT, SECONDARY),
        Some(Verdict::Pass) => (rgb(ENERGISED), [0xFF; 3]),
        Some(Verdict::Inconclusive) => (rgb(of_level(Level::R)), [0xFF; 3]),
        Some(Verdict::Fail | Verdict::Error) => (rgb(of_level(Level::L3)), [0xFF; 3]),
    };
    painter.rect(
        place,
        2.0,
        fill,
        Stroke::new(1.0, rgb(SECONDARY)),
        StrokeKind::Inside,
    );
    text(
        painter,
        place,
        Align::Center,
        words,
        WORD.sized(12.0).coloured(ink),
    );
}

/// How many alarms of each level are active.
fn levels(ui: &Ui, place: Rect, scope: &Scope) {
    let painter = ui.painter();
    for (n, level) in [Level::L3, Level::L2, Level::L1, Level::R]
        .into_iter()
        .enumerate()
    {
        let left = place.left() + 42.0 * n as f32;
        let count = scope.model.alarms().count(level);
        let centre = pos2(left + 10.0, place.center().y);
        if count > 0 {
            badge(painter, centre, 7.5, level, AlarmState::Acknowledged, true);
        } else {
            let part = Rect::from_center_size(centre, vec2(20.0, 16.0));
            text(painter, part, Align::Center, level.name(), LABEL);
        }
        let part = Rect::from_min_max(pos2(left + 21.0, place.top()), pos2(left + 41.0, place.bottom()));
        let showing = scope.model.showing();
        let face = if count > 0 && showing != Showing::Stale {
            FIGURE
        } else {
            FIGURE.coloured(SECONDARY)
        };
        // of what was never told there is no number
        let words = match (count, showing) {
            (0, Showing::NoData) => "—".to_owned(),
            _ => count.to_string(),
        };
        text(painter, part, Align::Min, &words, face);
    }
}
