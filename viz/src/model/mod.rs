//! What is known now.

pub mod view;

pub use view::{Area, Layout, Quantity, View};
