//! The place in 3D.
//!
//! Read in this order: [`layout`] (where things stand, from the description), [`geometry`] (triangles), [`shell`] (what stands
//! still), [`state`] and [`devices`] (what changes), [`cells`] (the texture that colours cells), [`haze`] (gas, smoke, agent),
//! [`camera`] and [`pick`]. All of that is plain functions; this file hangs them on Bevy. There are three meshes and one texture
//! in all: what stands still, devices, haze, and a texel for each cell.

#![allow(
    clippy::needless_pass_by_value,
    reason = "Bevy hands systems their parameters by value"
)]

use bevy::asset::RenderAssetUsages;
use bevy::camera::visibility::{NoFrustumCulling, RenderLayers};
use bevy::camera::{CameraOutputMode, RenderTarget};
use bevy::core_pipeline::tonemapping::{DebandDither, Tonemapping};
use bevy::image::ImageSampler;
use bevy::prelude::*;
use bevy::render::render_resource::{BlendState, Extent3d, TextureDimension, TextureFormat};
use bevy_egui::{EguiGlobalSettings, PrimaryEguiContext};

mod callouts;
pub mod camera;
pub mod cells;
pub mod colour;
pub mod devices;
mod fire;
mod flight;
mod follow;
pub mod geometry;
pub mod haze;
pub mod input;
pub mod labels;
pub mod layout;
pub mod material;
pub mod pick;
mod racks;
#[cfg(test)]
mod sample;
pub mod shell;
mod sign;
pub mod state;

use camera::Orbit;
use cells::Shown;
use geometry::Geometry;
use haze::Sources;
use layout::{Place, Plan, Wanted};
use material::{HazeMaterial, PlantMaterial};
use state::{Known, State};

use crate::model::colour::{Scale, values};
use crate::model::{Area, CellPlace, Level, Model, Quantity, Showing, View};

/// The scene. Needs the resources [`Model`] and [`View`].
pub struct ScenePlugin {
    /// What it is drawn on; the window if none.
    pub target: Option<Handle<Image>>,
    /// Smooth edges: dear in software, so for pictures only.
    pub smooth: bool,
}

impl Plugin for ScenePlugin {
    fn build(&self, app: &mut App) {
        material::add(app);
        app.insert_resource(ClearColor(to_bevy(colour::BACKGROUND)))
            .insert_resource(Stage::default())
            .insert_resource(Surface {
                target: self.target.clone(),
                smooth: self.smooth,
            })
            .add_systems(Startup, set_up)
            .add_systems(
                Update,
                (
                    plan_site,
                    flight::wishes,
                    input::steer,
                    follow::follow,
                    flight::fly,
                    build_still,
                    draw_devices,
                    paint_cells,
                    draw_haze,
                    flight::aim,
                )
                    .chain()
                    .in_set(SceneSystems),
            )
            .add_systems(bevy_egui::EguiPrimaryContextPass, labels::paint);
    }
}

/// Everything the scene does before a picture.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SceneSystems;

#[derive(Resource)]
struct Surface {
    target: Option<Handle<Image>>,
    smooth: bool,
}

/// The camera of the scene; panels have one of their own.
#[derive(Component)]
pub struct SceneCamera;

/// The scene as it is now.
#[derive(Resource, Default)]
pub struct Stage {
    /// Where things stand.
    pub plan: Plan,
    /// Which container is shown with its cells.
    pub detailed: usize,
    /// Shells are seen from outside.
    pub is_closed: bool,
    /// Where the eye is.
    pub orbit: Orbit,
    /// Devices of the detailed container.
    pub state: State,
    /// Colours of cells.
    pub scale: Option<Scale>,
    flight: Option<Flight>,
    /// The saved view that is shown, and the part of the screen it was made for; none once a hand has moved the camera.
    saved: Option<(u8, Area)>,
    /// There was a picture before.
    is_begun: bool,
    /// What the plan was made of.
    planned: Option<Planned>,
    /// What still things were made of.
    built: Option<(Planned, bool, bool)>,
    /// What the texture was made of.
    painted: Option<Painted>,
    /// What devices were made of.
    drawn: Option<(State, u64, Option<String>, Planned)>,
    /// The pack that is pulled out to be looked into.
    pulled: Option<(u32, u32)>,
    /// What the camera has followed last, and the part of the screen it was framed for.
    followed: Option<(follow::Goal, Area)>,
}

impl Stage {
    /// The container that is shown with its cells.
    pub fn place(&self) -> Option<&Place> {
        self.plan.containers.get(self.detailed)
    }

    /// Of the other containers only the ground they stand on is shown.
    fn is_alone(&self) -> bool {
        self.built.is_some_and(|(.., alone)| alone)
    }

    /// Goes to another place, at once or in a flight.
    fn go(&mut self, to: Orbit, at_once: bool) {
        if at_once {
            self.orbit = to;
            self.flight = None;
        } else {
            self.flight = Some(Flight {
                from: self.orbit,
                to,
                share: 0.0,
            });
        }
    }

    /// A hand on the camera ends a flight.
    fn steer(&mut self, to: Orbit) {
        self.orbit = to;
        self.saved = None;
        self.flight = None;
    }
}

struct Flight {
    from: Orbit,
    to: Orbit,
    share: f32,
}

/// What a plan is made of: which description, and how it is laid out.
type Planned = (u64, Wanted);

#[derive(Clone, PartialEq)]
struct Painted {
    plan: Planned,
    at_ns: Option<u64>,
    quantity: Quantity,
    automatic: bool,
    is_stale: bool,
    selected: Option<usize>,
    alarms: Vec<Option<Level>>,
    heard: Vec<Known>,
}

/// Handles of what is replaced as things change.
#[derive(Resource)]
struct Handles {
    still: Handle<Mesh>,
    devices: Handle<Mesh>,
    haze: Handle<Mesh>,
    cells: Handle<Image>,
    plant: Handle<PlantMaterial>,
}

fn to_bevy(colour: colour::Colour) -> Color {
    let [r, g, b] = colour.rgb;
    Color::srgb(r, g, b)
}

fn set_up(
    mut commands: Commands,
    surface: Res<Surface>,
    mut egui: ResMut<EguiGlobalSettings>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut images: ResMut<Assets<Image>>,
    mut plants: ResMut<Assets<PlantMaterial>>,
    mut hazes: ResMut<Assets<HazeMaterial>>,
) {
    egui.auto_create_primary_context = false;
    let cells = images.add(texture([1, 1], vec![0; 4]));
    let handles = Handles {
        still: meshes.add(nothing().mesh()),
        devices: meshes.add(nothing().mesh()),
        haze: meshes.add(nothing().mesh()),
        plant: plants.add(PlantMaterial { cells: cells.clone() }),
        cells,
    };
    for mesh in [&handles.still, &handles.devices] {
        commands.spawn((
            Mesh3d(mesh.clone()),
            MeshMaterial3d(handles.plant.clone()),
            NoFrustumCulling,
        ));
    }
    commands.spawn((
        Mesh3d(handles.haze.clone()),
        MeshMaterial3d(hazes.add(HazeMaterial {})),
        NoFrustumCulling,
    ));
    commands.insert_resource(handles);
    let target = surface
        .target
        .clone()
        .map_or_else(RenderTarget::default, |image| RenderTarget::Image(image.into()));
    commands.spawn((
        SceneCamera,
        Camera3d::default(),
        target.clone(),
        Tonemapping::None,
        DebandDither::Disabled,
        if surface.smooth { Msaa::Sample4 } else { Msaa::Off },
    ));
    commands.spawn((
        PrimaryEguiContext,
        Camera3d::default(),
        Camera {
            order: 1,
            output_mode: CameraOutputMode::Write {
                blend_state: Some(BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                clear_color: ClearColorConfig::None,
            },
            clear_color: ClearColorConfig::Custom(Color::NONE),
            ..default()
        },
        target,
        RenderLayers::none(),
        Tonemapping::None,
        DebandDither::Disabled,
        Msaa::Off,
    ));
}

/// Nearer than this it is one container that is looked at, and no site, m.
const NEAR: f32 = 60.0;

/// A mesh cannot be empty: a triangle without area.
fn nothing() -> Geometry {
    let mut geometry = Geometry::default();
    geometry.plain_quad([Vec3::ZERO; 4], colour::GROUND);
    geometry
}

fn texture([width, height]: [u32; 2], bytes: Vec<u8>) -> Image {
    let size = Extent3d {
        width,
        height,
        depth_or_array_layers: 1,
    };
    let mut image = Image::new(
        size,
        TextureDimension::D2,
        bytes,
        TextureFormat::Rgba8UnormSrgb,
        RenderAssetUsages::MAIN_WORLD | RenderAssetUsages::RENDER_WORLD,
    );
    image.sampler = ImageSampler::nearest();
    image
}

/// Width over height of the scene's part of the screen.
fn aspect(view: &View) -> f32 {
    if view.viewport.height > 1.0 {
        view.viewport.width / view.viewport.height
    } else {
        16.0 / 9.0
    }
}

/// Replans when the rig is another one, another container comes near, or packs are pulled apart.
fn plan_site(model: Res<Model>, mut view: ResMut<View>, mut stage: ResMut<Stage>) {
    let Some(description) = model.description() else {
        return;
    };
    let near = nearest(&stage, &view);
    // only a write marks it changed
    if view.opened != Some(near) {
        view.opened = Some(near);
    }
    let key = (
        model.generation(),
        Wanted {
            detailed: near,
            explode: view.explode,
            pulled: stage.pulled,
        },
    );
    if stage.planned == Some(key) {
        return;
    }
    let is_new = stage.planned.is_none_or(|(generation, ..)| generation != key.0);
    stage.plan = Plan::of(description, key.1);
    stage.detailed = near;
    stage.planned = Some(key);
    if is_new {
        stage.saved = None;
        stage.pulled = None;
        stage.is_begun = false;
        view.wanted_camera = view.wanted_camera.or(Some(stage.plan.overview()));
    }
}

/// The container that is shown with its cells: that of the selection, or the one that is looked at from near.
fn nearest(stage: &Stage, view: &View) -> usize {
    let containers = &stage.plan.containers;
    let of_selected = view.selected.as_deref().and_then(|tag| {
        containers.iter().position(|place| {
            tag.strip_prefix(&place.tag)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    });
    if let Some(n) = of_selected {
        return n;
    }
    let away = |n: usize| containers[n].shell.centre().distance(stage.orbit.focus);
    let best = (0..containers.len())
        .min_by(|&a, &b| away(a).total_cmp(&away(b)))
        .unwrap_or(0);
    // another one must be clearly nearer, so that it does not change to and fro
    let present = stage.detailed.min(containers.len().saturating_sub(1));
    if best != present && stage.orbit.distance < 40.0 && away(best) < away(present) * 0.9 {
        best
    } else {
        present
    }
}

fn build_still(mut stage: ResMut<Stage>, handles: Option<Res<Handles>>, mut meshes: ResMut<Assets<Mesh>>) {
    let (Some(handles), Some(planned)) = (handles, stage.planned) else {
        return;
    };
    // farther away it is the site that is looked at; a little hysteresis, so that it does not flicker
    let site = Orbit::framing(&stage.plan.extent, 0.5, 0.55, 1.9).distance;
    let near = NEAR.min(site * 0.7) * if stage.is_alone() { 1.1 } else { 1.0 };
    let alone = stage.plan.containers.len() > 1 && stage.orbit.distance < near;
    let key = (planned, stage.is_closed, alone);
    if stage.built != Some(key) {
        let geometry = shell::build(&stage.plan, stage.detailed, stage.is_closed, alone);
        replace(&mut meshes, &handles.still, geometry);
        stage.built = Some(key);
    }
}

fn replace(meshes: &mut Assets<Mesh>, handle: &Handle<Mesh>, geometry: Geometry) {
    let geometry = if geometry.triangles() == 0 {
        nothing()
    } else {
        geometry
    };
    if let Err(error) = meshes.insert(handle.id(), geometry.mesh()) {
        error!("a mesh is gone: {error}");
    }
}

fn paint_cells(
    model: Res<Model>,
    view: Res<View>,
    mut stage: ResMut<Stage>,
    handles: Option<Res<Handles>>,
    mut images: ResMut<Assets<Image>>,
    mut plants: ResMut<Assets<PlantMaterial>>,
) {
    let (Some(handles), Some(plan), Some(index)) = (handles, stage.planned, model.index()) else {
        return;
    };
    let cells = model.cells().map(AsRef::as_ref);
    let of_alarms = view.quantity == Quantity::Alarm;
    let painted = Painted {
        plan,
        at_ns: cells.map(|cells| cells.at_ns),
        quantity: view.quantity,
        automatic: view.automatic_range,
        is_stale: model.showing() == Showing::Stale,
        selected: view.selected.as_deref().and_then(|tag| index.cell_index(tag)),
        alarms: if of_alarms {
            levels(&model, &stage.plan)
        } else {
            Vec::new()
        },
        heard: stage.state.packs_heard.clone(),
    };
    if stage.painted.as_ref() == Some(&painted) {
        return;
    }
    let nothing = bess_telemetry::Cells::default();
    let cells = cells.unwrap_or(&nothing);
    let values = values(view.quantity, cells, |cell| index.cluster_of_cell(cell));
    let fixed = Scale::fixed(view.quantity);
    let scale = if view.automatic_range {
        fixed.around(values.iter().copied())
    } else {
        fixed
    };
    let shown = Shown {
        cells,
        values: &values,
        is_stale: painted.is_stale,
        quantity: view.quantity,
        scale,
        levels: &painted.alarms,
        selected: painted.selected,
        heard: &painted.heard,
    };
    let bytes = cells::paint(&stage.plan, stage.detailed, &shown);
    let size = stage.plan.texture;
    let same_size = images
        .get(&handles.cells)
        .is_some_and(|image| [image.width(), image.height()] == size);
    if same_size {
        if let Some(mut image) = images.get_mut(&handles.cells) {
            image.data = Some(bytes);
        }
    } else {
        if let Err(error) = images.insert(handles.cells.id(), texture(size, bytes)) {
            error!("the cell texture is gone: {error}");
        }
        // its bind group holds the old texture
        if let Some(mut material) = plants.get_mut(&handles.plant) {
            material.cells = handles.cells.clone();
        }
    }
    stage.scale = Some(scale);
    stage.painted = Some(painted);
}

/// Worst alarm that concerns each pack: its own, or one of its cluster's controller.
fn levels(model: &Model, plan: &Plan) -> Vec<Option<Level>> {
    let worst = |tag: &str| model.alarms().worst_within(tag).map(|(level, _)| level);
    let mut levels = Vec::new();
    for place in &plan.containers {
        for pack in &place.packs {
            let cluster = format!("{}/cluster-{:02}", place.tag, pack.cluster + 1);
            let own = worst(&format!("{cluster}/pack-{:02}", pack.pack + 1));
            levels.push(own.max(worst(&format!("{cluster}/bcu"))));
        }
    }
    levels
}

fn seconds(at_ns: u64) -> f64 {
    at_ns as f64 / 1e9
}

fn draw_devices(
    model: Res<Model>,
    view: Res<View>,
    mut stage: ResMut<Stage>,
    handles: Option<Res<Handles>>,
    mut meshes: ResMut<Assets<Mesh>>,
) {
    let Some(handles) = handles else { return };
    let Some(place) = stage.place() else { return };
    let clusters = u32::try_from(place.hv_boxes.len()).unwrap_or(0);
    let state = State::read(&place.tag, clusters, place.packs_per_cluster, &|tag, point| {
        model.get(tag, point).value()
    });
    let Some(planned) = stage.planned else { return };
    let key = (state, model.now_ns(), view.selected.clone(), planned);
    if stage.drawn.as_ref() == Some(&key) {
        return;
    }
    let mut geometry = devices::draw(place, &key.0, seconds(key.1));
    if let Some(block) = view.selected.as_deref().and_then(|tag| place.find(tag)) {
        geometry.frame(&block.grown(0.012), 0.012, colour::SELECTED.glowing());
    }
    replace(&mut meshes, &handles.devices, geometry);
    stage.state = key.0.clone();
    stage.drawn = Some(key);
}

fn draw_haze(
    model: Res<Model>,
    stage: Res<Stage>,
    handles: Option<Res<Handles>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut was_clear: Local<bool>,
) {
    let (Some(handles), Some(place)) = (handles, stage.place()) else {
        return;
    };
    let turn = stage.orbit.rotation();
    let sources = sources(&model, &stage, place);
    let mut geometry = if stage.is_closed {
        Geometry::default()
    } else {
        haze::draw(
            place,
            &stage.state,
            &sources,
            seconds(model.now_ns()),
            [turn * Vec3::X, turn * Vec3::Y],
        )
    };
    let is_clear = geometry.triangles() == 0;
    if is_clear && *was_clear {
        return;
    }
    *was_clear = is_clear;
    geometry.sort_from(stage.orbit.eye());
    replace(&mut meshes, &handles.haze, geometry);
}

/// Where gas and heat come from: the front of the packs whose cells vent or run away.
fn sources(model: &Model, stage: &Stage, place: &Place) -> Sources {
    let (Some(cells), Some(index)) = (model.cells(), model.index()) else {
        return Sources::default();
    };
    let front = |cell: &u32| {
        let at = index
            .cell_place(*cell as usize)
            .filter(|at| at.container == stage.detailed)?;
        front_of_cell(place, at, stage.pulled)
    };
    Sources {
        venting: cells.vented.iter().filter_map(front).collect(),
        runaway: cells.burning.iter().filter_map(front).collect(),
    }
}

/// Where a cell is seen: on the front of its pack, or on its top if the pack is pulled out.
fn front_of_cell(place: &Place, at: CellPlace, pulled: Option<(u32, u32)>) -> Option<Vec3> {
    let pack = place
        .packs
        .get((at.cluster * place.packs_per_cluster + at.pack) as usize)?;
    let block = place.cell_block(pack, at.cell);
    if pulled == Some((at.cluster, at.pack)) {
        return Some(block.centre().with_y(block.max.y));
    }
    let [columns, rows] = place.grid.map(|n| n as f32);
    let across = ((at.cell % place.grid[0]) as f32 + 0.5) / columns;
    let up = ((at.cell / place.grid[0]) as f32 + 0.5) / rows;
    let (across, z) = if pack.is_turned {
        (1.0 - across, pack.block.min.z - 0.01)
    } else {
        (across, pack.block.max.z + 0.01)
    };
    let size = pack.block.size();
    Some(Vec3::new(
        pack.block.min.x + size.x * across,
        pack.block.min.y + size.y * up,
        z,
    ))
}
