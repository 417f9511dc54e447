//! Certificates of devices that speak Modbus/TCP Security.

use serde::{Deserialize, Serialize};

/// PEM files of a device, as server and as client. A path is relative to the rig file that says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Its certificate, and those between it and the root.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// Whom it believes: root certificates of the other side.
    pub ca: String,
}

impl TlsFiles {
    /// The same with every path changed.
    #[must_use]
    pub(super) fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Self {
            certificate: change(&self.certificate),
            key: change(&self.key),
            ca: change(&self.ca),
        }
    }
}
