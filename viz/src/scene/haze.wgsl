// Everything translucent: a colour, and a fade away from uv (4, 4) where uv is beyond 2.

#import bevy_pbr::view_transformations::position_world_to_clip

struct Vertex {
    @location(0) position: vec3<f32>,
    @location(2) uv: vec2<f32>,
    @location(5) colour: vec4<f32>,
}

struct Varying {
    @builtin(position) position: vec4<f32>,
    @location(0) uv: vec2<f32>,
    @location(1) colour: vec4<f32>,
}

@vertex
fn vertex(in: Vertex) -> Varying {
    return Varying(position_world_to_clip(in.position), in.uv, in.colour);
}

@fragment
fn fragment(in: Varying) -> @location(0) vec4<f32> {
    let out = in.uv - 4.0;
    let d = 1.0 - min(dot(out, out), 1.0);
    return vec4(in.colour.rgb, in.colour.a * select(1.0, d * d, in.uv.x > 2.0));
}
