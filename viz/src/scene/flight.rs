//! The camera as people ask for it: saved views, flights, following, and its part of the screen.

use bevy::camera::{ScalingMode, Viewport};
use bevy::prelude::*;

use super::camera::{self, FLIGHT_S};
use super::layout::{Plan, Wanted};
use super::{SceneCamera, Stage, Surface, aspect};
use crate::model::{Layout, Model, View};

/// Takes what panels and keys ask of the camera.
pub(super) fn wishes(
    model: Res<Model>,
    surface: Res<Surface>,
    mut view: ResMut<View>,
    mut stage: ResMut<Stage>,
) {
    let at_once = is_at_once(&view, &surface);
    if stage.plan.containers.is_empty() || view.viewport.height < 1.0 {
        return;
    }
    // a saved view fits its part of the screen, whatever becomes of that
    let refit = stage
        .saved
        .filter(|(_, area)| *area != view.viewport)
        .map(|(number, _)| number);
    let wanted = view.wanted_camera.or(refit);
    // what is selected, or else where something happens
    let subject = view.selected.clone().or_else(|| worst_cell(&model));
    if let Some(number) = wanted {
        let looked_into = (number == 5)
            .then(|| camera::selected_pack(stage.place()?, subject.as_deref()))
            .flatten()
            .map(|pack| (pack.cluster, pack.pack));
        pull(&model, &mut stage, looked_into);
    }
    if let Some(number) = wanted {
        let of = stage.detailed;
        let at_once = at_once || view.wanted_camera.is_none();
        view.wanted_camera = None;
        show_saved(&mut view, &mut stage, of, number, subject.as_deref(), at_once);
    }
    if view.fly_to.is_some()
        && let Some(tag) = view.fly_to.take()
    {
        show_tag(&model, &mut view, &mut stage, &tag, at_once);
    }
}

/// Whether the camera is there without a flight: pictures that are compared, and those of which each is made by hand.
pub(super) fn is_at_once(view: &View, surface: &Surface) -> bool {
    view.layout == Layout::Ci || surface.target.is_some()
}

/// Goes to a saved view of a container; the first of all without a flight.
pub(super) fn show_saved(
    view: &mut View,
    stage: &mut Stage,
    container: usize,
    number: u8,
    subject: Option<&str>,
    at_once: bool,
) {
    let Some(saved) = camera::saved(&stage.plan, container, number, subject, aspect(view)) else {
        return;
    };
    let is_first = !std::mem::replace(&mut stage.is_begun, true);
    stage.go(saved.orbit, at_once || is_first);
    stage.is_closed = saved.closed;
    stage.saved = Some((number, view.viewport));
    view.camera_name = saved.name;
}

/// Goes to the thing with this tag.
pub(super) fn show_tag(model: &Model, view: &mut View, stage: &mut Stage, tag: &str, at_once: bool) {
    let Some((_, orbit)) = camera::of_tag(&stage.plan, tag, aspect(view)) else {
        return;
    };
    pull(model, stage, None);
    stage.go(orbit, at_once);
    stage.is_closed = false;
    stage.saved = None;
    tag.clone_into(&mut view.camera_name);
}

/// Pulls this pack out of its rack, or none, and lays the site out anew if that is another one.
pub(super) fn pull(model: &Model, stage: &mut Stage, pulled: Option<(u32, u32)>) {
    if stage.pulled != pulled
        && let (Some(description), Some((generation, wanted))) = (model.description(), stage.planned)
    {
        let wanted = Wanted { pulled, ..wanted };
        stage.plan = Plan::of(description, wanted);
        stage.planned = Some((generation, wanted));
        stage.pulled = pulled;
    }
}

/// A cell in thermal runaway, else one that has vented, else one that heats itself.
pub(super) fn worst_cell(model: &Model) -> Option<String> {
    let cells = model.cells()?;
    let lists = [&cells.burning, &cells.vented, &cells.self_heating];
    let cell = lists.into_iter().find_map(|list| list.first().copied())?;
    model.index()?.cell_tag(cell as usize)
}

pub(super) fn fly(time: Res<Time>, mut stage: ResMut<Stage>) {
    let passed = time.delta_secs();
    if let Some(flight) = &mut stage.flight {
        flight.share += passed / FLIGHT_S;
        let orbit = flight.from.towards(flight.to, flight.share);
        let done = flight.share >= 1.0;
        stage.orbit = orbit;
        if done {
            stage.flight = None;
        }
    }
}

/// Puts Bevy's camera where the eye is, in the scene's part of the screen.
pub(super) fn aim(
    stage: Res<Stage>,
    view: Res<View>,
    mut cameras: Query<(&mut Camera, &mut Transform, &mut Projection), With<SceneCamera>>,
) {
    for (mut camera, mut transform, mut projection) in &mut cameras {
        let orbit = stage.orbit;
        *transform = Transform::from_translation(orbit.eye()).with_rotation(orbit.rotation());
        *projection = if orbit.is_flat {
            let mut flat = OrthographicProjection::default_3d();
            flat.scaling_mode = ScalingMode::FixedVertical {
                viewport_height: orbit.height(),
            };
            flat.near = -50.0;
            flat.far = 500.0;
            Projection::Orthographic(flat)
        } else {
            let near = (orbit.distance * 0.02).clamp(0.02, 1.0);
            Projection::Perspective(PerspectiveProjection {
                fov: camera::FIELD,
                near,
                far: 3000.0,
                ..default()
            })
        };
        camera.is_active = !view.cell_map;
        camera.viewport = viewport(&view, &camera);
    }
}

/// The scene's part of the screen in physical pixels, within the target.
fn viewport(view: &View, camera: &Camera) -> Option<Viewport> {
    let (whole, factor) = (camera.physical_target_size()?, camera.target_scaling_factor()?);
    let area = view.viewport;
    if area.width < 1.0 || area.height < 1.0 {
        return None;
    }
    let place = (Vec2::new(area.x, area.y) * factor)
        .max(Vec2::ZERO)
        .as_uvec2()
        .min(whole.saturating_sub(UVec2::ONE));
    let size = (Vec2::new(area.width, area.height) * factor)
        .as_uvec2()
        .min(whole - place)
        .max(UVec2::ONE);
    Some(Viewport {
        physical_position: place,
        physical_size: size,
        ..default()
    })
}
