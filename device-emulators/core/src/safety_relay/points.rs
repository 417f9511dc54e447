//! What a safety relay shows on its front.

use crate::PointTable;
use crate::point_list::point_list;

/// Names of [`super::State`].
pub const STATES: &[&str] = &["safe", "ok", "lockout"];

point_list! {
    /// Points of a safety relay.
    pub struct SafetyRelayPoints {
        /// State of the relay.
        state: state("state", STATES),
        /// Channel A closed.
        estop_a: flag("estop-a"),
        /// Channel B closed.
        estop_b: flag("estop-b"),
        /// Output: enable and coil supply present.
        safety_ok: flag("safety-ok"),
        /// Locked out after a discrepancy.
        lockout: flag("lockout"),
        /// Both channels are closed and only the reset is missing.
        reset_awaited: flag("reset-awaited"),
    }
}

/// The table of every safety relay product.
pub fn table() -> (PointTable, SafetyRelayPoints) {
    let mut table = PointTable::default();
    let points = SafetyRelayPoints::add_to(&mut table);
    (table, points)
}
