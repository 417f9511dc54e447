//! Open Modbus requests: who gets the reply.

use std::collections::BTreeMap;

use bess_devices::Token;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A device of this rig.
    Device { client: usize, token: Token },
    /// Somebody on the wire.
    Wire { token: u64 },
}

/// Requests given to servers and not yet answered.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests {
    next: u64,
    open: BTreeMap<u64, Asker>,
}

impl OpenRequests {
    pub(crate) fn open(&mut self, asker: Asker) -> Token {
        self.next += 1;
        self.open.insert(self.next, asker);
        Token(self.next)
    }

    pub(crate) fn close(&mut self, token: Token) -> Option<Asker> {
        self.open.remove(&token.0)
    }
}
