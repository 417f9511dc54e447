// Everything opaque. One short pair of shaders: on a software renderer the length of a shader times the pixels is what a
// picture costs. Colours are data, so there is a fixed shade for each direction of a face and no light.
//
// colour.a < 0: a face that shows cells; colour is (first column, first row, columns, -rows) of the cell texture and uv
// counts texels. Else uv runs from 0 to 1 where edges are drawn, and colour.a is 1 plain, 0.5 hatched, 0.25 without shade.

#import bevy_pbr::view_transformations::position_world_to_clip

@group(#{MATERIAL_BIND_GROUP}) @binding(0) var cells: texture_2d<f32>;

struct Vertex {
    @location(0) position: vec3<f32>,
    @location(1) normal: vec3<f32>,
    @location(2) uv: vec2<f32>,
    @location(5) colour: vec4<f32>,
}

struct Varying {
    @builtin(position) position: vec4<f32>,
    @location(0) uv: vec2<f32>,
    @location(1) @interpolate(flat) colour: vec4<f32>,
    @location(2) blend: vec3<f32>,
    @location(3) shade: f32,
}

@vertex
fn vertex(in: Vertex) -> Varying {
    var out: Varying;
    out.position = position_world_to_clip(in.position);
    out.uv = in.uv;
    out.colour = in.colour;
    let n = in.normal;
    let key = max(dot(n, vec3(0.32, 0.78, 0.54)), 0.0);
    let fill = max(dot(n, vec3(-0.70, 0.10, -0.70)), 0.0);
    let plain = 0.60 + 0.40 * key + 0.14 * fill;
    let data = 0.88 + 0.12 * max(n.y, 0.0) + 0.06 * abs(n.z);
    out.shade = select(plain, data, in.colour.a < 0.0);
    out.shade = select(out.shade, 1.0, in.colour.a > 0.2 && in.colour.a < 0.3);
    out.blend = in.colour.rgb * out.shade;
    return out;
}

const INK = vec3(0.0110, 0.0123, 0.0137);
const CASE = vec3(0.355, 0.376, 0.392);
const SELECTED = vec3(0.0, 0.162, 0.212);
const HOT = vec3(1.0, 0.72, 0.16);

// 1 on lines of 45 degrees across the picture, every `pitch` pixels.
fn hatch(at: vec2<f32>, pitch: f32) -> f32 {
    return step(0.62, fract((at.x + at.y) / pitch));
}

fn cell(uv: vec2<f32>, width: vec2<f32>, place: vec4<f32>, at: vec2<f32>) -> vec3<f32> {
    let count = vec2(place.z, -place.w);
    if any(uv < vec2(0.0)) || any(uv >= count) {
        return CASE;
    }
    let texel = textureLoad(cells, vec2<i32>(floor(place.xy + 0.5) + floor(uv)), 0);
    let marks = u32(texel.a * 255.0 + 0.5);
    let inside = fract(uv);
    let rim = min(inside, 1.0 - inside) / width;
    let pixels = min(rim.x, rim.y);
    let near = clamp(2.0 - 6.0 * max(width.x, width.y), 0.0, 1.0);
    var colour = texel.rgb;
    colour = mix(colour, colour * 0.55, (1.0 - smoothstep(0.3, 1.1, pixels)) * near);
    if marks == 0u {
        return colour;
    }
    let centre = (inside - 0.5) / width; // pixels from the middle
    let half = min(0.5 / width.x, 0.5 / width.y);
    if (marks & 64u) != 0u {
        colour = mix(HOT, colour, smoothstep(0.35, 0.9, length(centre) / max(half, 1.0)));
    }
    if (marks & 1u) != 0u {
        colour = mix(colour, colour * 0.55, hatch(at, 9.0));
    }
    if (marks & 32u) != 0u {
        colour = mix(colour, colour * 0.72, hatch(at, 5.0));
    }
    if (marks & 128u) != 0u {
        colour = mix(colour, CASE * 1.9, 0.75 * hatch(at, 15.0));
    }
    if (marks & 2u) != 0u {
        // in the middle, but in a corner where there is room for a figure
        let dot = length(centre + 0.30 * near / width) / max(half, 1.0);
        colour = mix(INK, colour, smoothstep(0.30 - 0.12 * near, 0.45 - 0.15 * near, dot));
    }
    if (marks & 4u) != 0u {
        let d = min(abs(inside.x - inside.y), abs(inside.x + inside.y - 1.0)) / max(width.x, width.y);
        colour = mix(INK, colour, smoothstep(0.7, 1.5, d));
    }
    if (marks & 8u) != 0u {
        colour = mix(INK, colour, smoothstep(0.9, 1.6, pixels));
    }
    if (marks & 16u) != 0u {
        colour = mix(SELECTED, colour, smoothstep(1.8, 2.6, pixels));
        colour = mix(vec3(1.0), colour, smoothstep(0.5, 0.9, abs(pixels - 2.6)));
    }
    return colour;
}

@fragment
fn fragment(in: Varying) -> @location(0) vec4<f32> {
    let width = max(fwidth(in.uv), vec2(1e-5));
    if in.colour.a < 0.0 {
        return vec4(cell(in.uv, width, in.colour, in.position.xy) * in.shade, 1.0);
    }
    var colour = in.blend;
    let rim = min(in.uv, 1.0 - in.uv) / width;
    colour *= mix(0.62, 1.0, smoothstep(0.2, 1.1, min(rim.x, rim.y)));
    if in.colour.a > 0.4 && in.colour.a < 0.6 {
        colour = mix(colour, colour * 0.5, hatch(in.position.xy, 9.0));
    }
    return vec4(colour, 1.0);
}
