//! Panels: status bar, one-line diagram, alarms, inspector, timeline, plots, transport, cell map, operator panel, legend.
//!
//! The screen is laid out once, at 1280 by 720 points; larger ones are scaled by their height, and what is left in width goes to
//! the viewport. Badges, breakers and arrows are painted, so that no font has to have them.

#![allow(
    clippy::needless_pass_by_value,
    reason = "Bevy hands systems their parameters by value"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use bess_telemetry::Container;
use bevy::prelude::*;
use bevy_egui::egui::{self, FontFamily, Rect, UiBuilder, pos2, vec2};
use bevy_egui::{EguiContexts, EguiPrimaryContextPass};

use crate::feed::{Feed, Transport};
use crate::model::index::bare;
use crate::model::{Area, Layout, Model, Showing, Tab, View};

mod alarm_list;
pub(crate) mod banner;
mod caption;
mod cell_map;
mod effects;
mod inspector;
mod legend;
mod one_line;
mod operator;
mod paint;
mod plots;
mod status_bar;
mod timeline;
mod transport;

/// Size that panels are laid out for, points.
const SCREEN: egui::Vec2 = vec2(1280.0, 720.0);
/// Heights of bars and widths of columns, points.
const STATUS: f32 = 36.0;
const TRANSPORT: f32 = 32.0;
const TIMELINE: f32 = 200.0;
const ONE_LINE: f32 = 256.0;
const RIGHT: f32 = 296.0;
const ALARMS: f32 = 212.0;
/// Of the demo layout.
const DEMO_RIGHT: f32 = 320.0;
const DEMO_CAPTION: f32 = 92.0;

/// All panels. Needs the resources [`Model`], [`View`] and [`Feed`], and `EguiPlugin`.
pub struct UiPlugin;

impl Plugin for UiPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Panels>()
            .add_systems(EguiPrimaryContextPass, draw);
    }
}

/// What panels remember.
#[derive(Debug, Default, Resource)]
struct Panels {
    dressed: bool,
    search: String,
    /// Point of the inspector whose trend is shown.
    trend: Option<String>,
    timeline: timeline::State,
    /// Points whose alarms stand one by one in a flood.
    unfolded: BTreeSet<String>,
    operator: operator::State,
    /// Repeats at the end; of a recording.
    looped: bool,
    /// Which beginning of the rig the chosen instants are of.
    begun: u64,
}

/// What a panel is drawn with.
struct Scope<'a> {
    model: &'a mut Model,
    view: &'a mut View,
    feed: &'a mut Feed,
    panels: &'a mut Panels,
    /// Whether badges of unacknowledged alarms are on: they flash at 1 Hz, but never in a picture that is compared.
    flash: bool,
}

impl Scope<'_> {
    /// The container that is looked at, with its number: that of the selection, the one opened in the scene, or the first.
    fn container(&self) -> Option<(usize, &Container)> {
        let index = self.model.index()?;
        let selected = self.view.selected.as_deref();
        let of_selected = selected.and_then(|tag| index.container_of(bare(tag)));
        let at = |number: usize| Some((number, index.description().containers.get(number)?));
        of_selected
            .or_else(|| at(self.view.opened.unwrap_or(0)))
            .or_else(|| at(0))
    }
}

fn draw(
    mut contexts: EguiContexts,
    mut model: ResMut<Model>,
    mut view: ResMut<View>,
    mut feed: ResMut<Feed>,
    mut panels: ResMut<Panels>,
    time: Res<Time>,
) -> Result {
    let ctx = contexts.ctx_mut()?;
    if !panels.dressed {
        dress(ctx);
        panels.dressed = true;
    }
    if panels.begun != model.begun() {
        panels.begun = model.begun();
        panels.timeline = timeline::State::default();
    }
    paint::prepare(ctx);
    let screen = ctx.viewport_rect();
    let zoom = ctx.zoom_factor();
    let wanted = (screen.width() * zoom / SCREEN.x).min(screen.height() * zoom / SCREEN.y);
    let wanted = (wanted * 8.0).round() / 8.0;
    if wanted > 0.2 && (wanted - zoom).abs() > 0.01 {
        ctx.set_zoom_factor(wanted);
    }
    let frozen = view.layout == Layout::Ci || matches!(model.showing(), Showing::Replay | Showing::Paused);
    let mut scope = Scope {
        flash: frozen || time.elapsed_secs().fract() < 0.5,
        model: &mut model,
        view: &mut view,
        feed: &mut feed,
        panels: &mut panels,
    };
    let mut root = egui::Ui::new(
        ctx.clone(),
        "panels".into(),
        UiBuilder::new()
            .layer_id(egui::LayerId::background())
            .max_rect(screen),
    );
    keys(ctx, &mut scope);
    let viewport = match scope.view.layout {
        Layout::Demo => demo(&mut root, screen, &mut scope),
        Layout::Operator | Layout::Instructor | Layout::Ci => operator_screen(&mut root, screen, &mut scope),
    };
    let area = Area {
        x: viewport.min.x * zoom,
        y: viewport.min.y * zoom,
        width: viewport.width() * zoom,
        height: viewport.height() * zoom,
    };
    // only a write marks it changed
    if scope.view.viewport != area {
        scope.view.viewport = area;
    }
    Ok(())
}

/// Everything; returns where the scene is.
fn operator_screen(ui: &mut egui::Ui, screen: Rect, scope: &mut Scope) -> Rect {
    let (w, h) = (screen.width(), screen.height());
    let lower = h - TRANSPORT - TIMELINE;
    let area = |x: f32, y: f32, x2: f32, y2: f32| Rect::from_min_max(pos2(x, y), pos2(x2, y2));
    let middle = area(ONE_LINE, STATUS, w - RIGHT, lower);
    panel(ui, area(0.0, 0.0, w, STATUS), |ui| status_bar::show(ui, scope));
    panel(ui, area(0.0, STATUS, ONE_LINE, lower), |ui| {
        one_line::show(ui, scope);
        banner::fade(ui, ui.clip_rect(), scope.model);
    });
    let viewport = over_scene(ui, middle, scope);
    panel(ui, area(w - RIGHT, STATUS, w, STATUS + ALARMS), |ui| {
        alarm_list::show(ui, scope);
        let list = ui.clip_rect();
        banner::fade(ui, list.with_min_y(list.top() + 24.0), scope.model);
    });
    panel(ui, area(w - RIGHT, STATUS + ALARMS, w, lower), |ui| {
        inspector::show(ui, scope);
        // what is searched and chosen does not grow old
        let values = ui.clip_rect();
        banner::fade(ui, values.with_min_y(values.top() + 24.0), scope.model);
    });
    panel(ui, area(0.0, lower, w, h - TRANSPORT), |ui| {
        match scope.view.tab {
            Tab::Timeline => timeline::show(ui, scope),
            Tab::Plots => plots::show(ui, scope),
            Tab::Effects => effects::show(ui, scope),
            Tab::Control => operator::show(ui, scope),
        }
    });
    panel(ui, area(0.0, h - TRANSPORT, w, h), |ui| {
        transport::show(ui, scope);
    });
    viewport
}

/// A large picture and captions; returns where the scene is.
fn demo(ui: &mut egui::Ui, screen: Rect, scope: &mut Scope) -> Rect {
    let (w, h) = (screen.width(), screen.height());
    let lower = h - TRANSPORT - DEMO_CAPTION;
    let area = |x: f32, y: f32, x2: f32, y2: f32| Rect::from_min_max(pos2(x, y), pos2(x2, y2));
    let middle = area(0.0, STATUS, w - DEMO_RIGHT, lower);
    panel(ui, area(0.0, 0.0, w, STATUS), |ui| status_bar::show(ui, scope));
    let viewport = over_scene(ui, middle, scope);
    let split = STATUS + ALARMS;
    panel(ui, area(w - DEMO_RIGHT, STATUS, w, split), |ui| {
        alarm_list::show(ui, scope);
        let list = ui.clip_rect();
        banner::fade(ui, list.with_min_y(list.top() + 24.0), scope.model);
    });
    panel(ui, area(w - DEMO_RIGHT, split, w, lower), |ui| {
        caption::hops(ui, scope);
    });
    panel(ui, area(0.0, lower, w, h - TRANSPORT), |ui| {
        caption::show(ui, scope);
    });
    panel(ui, area(0.0, h - TRANSPORT, w, h), |ui| {
        transport::show(ui, scope);
    });
    viewport
}

/// Bar and legend around the scene, or around the flat cell map in its place; returns where the scene is.
fn over_scene(ui: &mut egui::Ui, middle: Rect, scope: &mut Scope) -> Rect {
    let mut child = ui.new_child(UiBuilder::new().max_rect(middle));
    child.set_clip_rect(middle);
    let viewport = legend::show(&mut child, scope);
    if scope.view.cell_map {
        let mut map = child.new_child(UiBuilder::new().max_rect(viewport));
        map.set_clip_rect(viewport);
        cell_map::show(&mut map, scope);
    }
    banner::show(&child, viewport, scope);
    viewport
}

/// A panel at a fixed place: whatever it draws, it does not leave it.
fn panel(ui: &mut egui::Ui, rect: Rect, show: impl FnOnce(&mut egui::Ui)) {
    let painter = ui.painter();
    painter.rect_filled(rect, 0.0, paint::rgb(crate::model::colour::PANEL));
    painter.rect_stroke(
        rect,
        0.0,
        egui::Stroke::new(1.0, paint::rgb([0xB9, 0xBC, 0xBF])),
        egui::StrokeKind::Inside,
    );
    let inner = rect.shrink2(vec2(6.0, 3.0));
    let mut child = ui.new_child(
        UiBuilder::new()
            .max_rect(inner)
            .id_salt(format!("{:?}", rect.min)),
    );
    child.set_clip_rect(rect.shrink(1.0));
    show(&mut child);
}

/// Keys that work wherever the pointer is.
fn keys(ctx: &egui::Context, scope: &mut Scope) {
    if ctx.egui_wants_keyboard_input() {
        return;
    }
    let pressed = |key| ctx.input(|input| input.key_pressed(key));
    if pressed(egui::Key::M) {
        scope.view.cell_map = !scope.view.cell_map;
    }
    if pressed(egui::Key::Space) {
        let playing = if scope.feed.is_replay() {
            scope.model.link().is_playing
        } else {
            scope.model.showing() == Showing::Live
        };
        scope.feed.transport(if playing {
            Transport::Pause
        } else {
            Transport::Play
        });
    }
    if pressed(egui::Key::ArrowRight) {
        scope.feed.transport(Transport::Step(1000));
    }
    if pressed(egui::Key::ArrowLeft) {
        scope.feed.transport(Transport::Step(-1000));
    }
}

/// Colours, sizes and fonts.
fn dress(ctx: &egui::Context) {
    use crate::model::colour::{PANEL, SELECTION, TEXT};
    let mut fonts = egui::FontDefinitions::default();
    // the proportional face lacks arrows and geometric shapes; Hack has them
    if let Some(names) = fonts.families.get_mut(&FontFamily::Proportional) {
        names.insert(1, "Hack".into());
    }
    for data in fonts.font_data.values_mut() {
        Arc::make_mut(data).tweak.y_offset_factor = 0.0;
    }
    ctx.set_fonts(fonts);
    let mut visuals = egui::Visuals::light();
    visuals.panel_fill = paint::rgb(PANEL);
    visuals.window_fill = paint::rgb(PANEL);
    visuals.override_text_color = Some(paint::rgb(TEXT));
    visuals.selection.bg_fill = paint::rgb(SELECTION).gamma_multiply(0.35);
    visuals.selection.stroke = egui::Stroke::new(1.5, paint::rgb(SELECTION));
    visuals.extreme_bg_color = paint::rgb([0xF4, 0xF5, 0xF5]);
    for widget in [
        &mut visuals.widgets.inactive,
        &mut visuals.widgets.hovered,
        &mut visuals.widgets.active,
        &mut visuals.widgets.open,
    ] {
        widget.corner_radius = egui::CornerRadius::same(2);
    }
    visuals.widgets.inactive.weak_bg_fill = paint::rgb([0xD2, 0xD5, 0xD8]);
    visuals.widgets.inactive.bg_stroke = egui::Stroke::new(1.0, paint::rgb([0x9A, 0x9F, 0xA4]));
    visuals.widgets.hovered.weak_bg_fill = paint::rgb([0xC4, 0xCA, 0xCE]);
    ctx.set_theme(egui::Theme::Light);
    ctx.set_visuals_of(egui::Theme::Light, visuals);
    ctx.all_styles_mut(|style| {
        style.animation_time = 0.0;
        style.spacing.item_spacing = vec2(4.0, 2.0);
        style.spacing.button_padding = vec2(5.0, 1.0);
        style.spacing.interact_size.y = 20.0;
        style.text_styles = [
            (egui::TextStyle::Small, egui::FontId::proportional(12.0)),
            (egui::TextStyle::Body, egui::FontId::proportional(13.0)),
            (egui::TextStyle::Button, egui::FontId::proportional(13.0)),
            (egui::TextStyle::Heading, egui::FontId::proportional(15.0)),
            (egui::TextStyle::Monospace, egui::FontId::monospace(13.0)),
        ]
        .into();
    });
}
