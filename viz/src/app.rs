//! Feed, scene and panels put together as one Bevy application, with a window or without.

#![allow(
    clippy::needless_pass_by_value,
    reason = "Bevy hands systems their parameters by value"
)]

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use bevy::app::{PluginGroupBuilder, TerminalCtrlCHandlerPlugin};
use bevy::log::{Level, LogPlugin};
use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::render::renderer::{RenderInstance, WgpuWrapper};
use bevy::render::settings::{Backends, RenderCreation, WgpuSettings};
use bevy::window::WindowResolution;
use bevy::winit::WinitSettings;
use bevy_egui::EguiPlugin;

use crate::feed::{Feed, Mistake};
use crate::model::{Area, Model, View};
use crate::scene::{SceneCamera, ScenePlugin, SceneSystems};
use crate::ui::UiPlugin;

/// The parts that every application has. The scene is drawn on `target`, or on the window.
pub(crate) fn compose(app: &mut App, feed: Feed, view: View, target: Option<Handle<Image>>, smooth: bool) {
    app.add_plugins(EguiPlugin::default())
        .insert_resource(Model::default())
        .insert_resource(view)
        .insert_resource(feed)
        .add_plugins((ScenePlugin { target, smooth }, UiPlugin))
        .add_systems(PreUpdate, hear)
        .add_systems(Update, whole_screen.before(SceneSystems));
}

/// What to do without a display.
const NO_DISPLAY: &str = "use --screenshot or --frames, or xvfb-run";

/// Whether there is what a picture needs, and a window if one is wanted: Bevy itself panics without.
pub fn can_draw(in_window: bool) -> Result<(), Mistake> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if in_window && cfg!(target_os = "linux") && !is_set("DISPLAY") {
        let what = if is_set("WAYLAND_DISPLAY") {
            "no display: the window needs X11, on Wayland Xwayland, and DISPLAY is not set"
        } else {
            "no display: DISPLAY is not set"
        };
        return Err(Mistake::new(what, NO_DISPLAY));
    }
    let instance = RenderInstance(Arc::new(WgpuWrapper::new(default())));
    if bevy::tasks::block_on(instance.enumerate_adapters(Backends::PRIMARY)).is_empty() {
        return Err(Mistake::new(
            "no Vulkan driver",
            "apt-get install mesa-vulkan-drivers, which draws without a graphics card",
        ));
    }
    Ok(())
}

/// What both kinds of application want of Bevy.
pub(crate) fn plugins() -> PluginGroupBuilder {
    DefaultPlugins
        .set(RenderPlugin {
            synchronous_pipeline_compilation: true,
            render_creation: RenderCreation::Automatic(Box::new(WgpuSettings {
                backends: Some(Backends::PRIMARY),
                ..default()
            })),
            ..default()
        })
        .set(LogPlugin {
            level: Level::WARN,
            filter: "wgpu=error,bevy_render::renderer=error,bevy_egui::render=error".into(),
            ..default()
        })
}

/// Runs in a window until it is closed.
pub fn run(feed: Feed, view: View, size: (u32, u32)) -> Result<AppExit, Mistake> {
    let mut app = App::new();
    end_with_signals();
    let window = Window {
        title: "bess-viz".into(),
        resolution: WindowResolution::new(size.0, size.1),
        ..default()
    };
    let plugins = plugins().set(WindowPlugin {
        primary_window: Some(window),
        ..default()
    });
    // a display that does not answer is known only here, and Bevy panics
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let added = panic::catch_unwind(AssertUnwindSafe(|| {
        app.add_plugins(plugins);
    }));
    panic::set_hook(hook);
    if let Err(why) = added {
        let why = why.downcast_ref::<String>().map_or("unknown", String::as_str);
        let display = std::env::var("DISPLAY").unwrap_or_default();
        return Err(Mistake::new(
            format!("no window can be opened on display `{display}`: {why}"),
            NO_DISPLAY,
        ));
    }
    // the rig goes on while another window has the focus
    app.insert_resource(WinitSettings::continuous());
    compose(&mut app, feed, view, None, false);
    Ok(app.run())
}

/// Ctrl-C, SIGTERM and a closed terminal end the application in order, so that a rig that it started ends too.
pub(crate) fn end_with_signals() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    // Bevy by itself hears Ctrl-C only, and leaves it alone where somebody else does
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        return;
    };
    let _ = std::thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in &mut signals {
            TerminalCtrlCHandlerPlugin::gracefully_exit();
        }
    });
}

fn hear(mut feed: ResMut<Feed>, mut model: ResMut<Model>, time: Res<Time<Real>>) {
    let elapsed = if time.is_added() {
        Duration::ZERO
    } else {
        time.delta()
    };
    feed.poll(&mut model, elapsed);
}

/// Until panels say where the scene is to be, it has the whole screen.
fn whole_screen(mut view: ResMut<View>, cameras: Query<&Camera, With<SceneCamera>>) {
    if view.viewport.height >= 1.0 {
        return;
    }
    if let Some(size) = cameras.iter().find_map(Camera::logical_target_size) {
        view.viewport = Area {
            x: 0.0,
            y: 0.0,
            width: size.x,
            height: size.y,
        };
    }
}
