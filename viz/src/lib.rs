//! The 3D view of a rig, live and replayed.
//!
//! A process of its own: it subscribes to a rig's control API or reads a recording, and it commands over the same API. It
//! computes no physics and invents nothing: what is unknown is drawn as unknown. Read in this order: [`model`] (what is known
//! now), [`feed`] (where it comes from), then `scene` (the place in 3D) and `ui` (panels).

#![forbid(unsafe_code)]

#[cfg(feature = "window")]
pub mod app;
pub mod cli;
pub mod feed;
pub mod model;

#[cfg(feature = "window")]
pub mod scene;
#[cfg(feature = "window")]
pub mod shot;
#[cfg(feature = "window")]
pub mod ui;
