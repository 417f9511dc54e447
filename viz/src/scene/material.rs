//! The two materials: everything opaque, and everything translucent.

use bevy::asset::uuid_handle;
use bevy::mesh::MeshVertexBufferLayoutRef;
use bevy::pbr::{MaterialPipeline, MaterialPipelineKey};
use bevy::prelude::*;
use bevy::render::render_resource::{AsBindGroup, RenderPipelineDescriptor, SpecializedMeshPipelineError};
use bevy::shader::ShaderRef;

const PLANT: Handle<Shader> = uuid_handle!("6d2b8c5e-0c5b-4c5f-9f0c-3b1f0b7e5a01");
const HAZE: Handle<Shader> = uuid_handle!("6d2b8c5e-0c5b-4c5f-9f0c-3b1f0b7e5a02");

/// Everything opaque.
#[derive(Asset, AsBindGroup, TypePath, Clone, Debug)]
pub struct PlantMaterial {
    /// A texel for each cell.
    #[texture(0)]
    pub cells: Handle<Image>,
}

impl Material for PlantMaterial {
    fn vertex_shader() -> ShaderRef {
        PLANT.into()
    }

    fn fragment_shader() -> ShaderRef {
        PLANT.into()
    }

    fn enable_prepass() -> bool {
        false
    }

    fn enable_shadows() -> bool {
        false
    }
}

/// Everything translucent.
#[derive(Asset, AsBindGroup, TypePath, Clone, Debug)]
pub struct HazeMaterial {}

impl Material for HazeMaterial {
    fn vertex_shader() -> ShaderRef {
        HAZE.into()
    }

    fn fragment_shader() -> ShaderRef {
        HAZE.into()
    }

    fn alpha_mode(&self) -> AlphaMode {
        AlphaMode::Blend
    }

    fn enable_prepass() -> bool {
        false
    }

    fn enable_shadows() -> bool {
        false
    }

    fn specialize(
        _: &MaterialPipeline,
        descriptor: &mut RenderPipelineDescriptor,
        _: &MeshVertexBufferLayoutRef,
        _: MaterialPipelineKey<Self>,
    ) -> Result<(), SpecializedMeshPipelineError> {
        // a layer of gas is seen from below, too
        descriptor.primitive.cull_mode = None;
        Ok(())
    }
}

/// Registers both. Their shaders are in the binary, so that the first picture waits for no file.
pub fn add(app: &mut App) {
    app.add_plugins((
        MaterialPlugin::<PlantMaterial>::default(),
        MaterialPlugin::<HazeMaterial>::default(),
    ));
    let mut shaders = app.world_mut().resource_mut::<Assets<Shader>>();
    for (handle, source, name) in [
        (PLANT, include_str!("plant.wgsl"), "plant.wgsl"),
        (HAZE, include_str!("haze.wgsl"), "haze.wgsl"),
    ] {
        if let Err(error) = shaders.insert(handle.id(), Shader::from_wgsl(source, name)) {
            error!("{name}: {error}");
        }
    }
}
