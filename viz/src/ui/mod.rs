//! Panels: status bar, one-line diagram, alarms, inspector, timeline, transport, cell map.

use bevy::prelude::*;

/// All panels. Needs the resources [`crate::model::Model`], [`crate::model::View`] and [`crate::feed::Feed`].
pub struct UiPlugin;

impl Plugin for UiPlugin {
    fn build(&self, _app: &mut App) {}
}
