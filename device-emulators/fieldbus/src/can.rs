//! The rig's CAN buses, whatever carries them outside the process.

use std::sync::Arc;

use bess_rig::{CanMedium, CanWire};
use bess_types::{CanFrame, SimTime};

use crate::error::FieldbusError;
use crate::health::{Accounts, Losses};
use crate::modbus_server::Runtime;
use crate::paced::{Clock, Inbox};
use crate::socketcan::{self, Interfaces};
use crate::socketcand::client::Link;
use crate::socketcand::server::{self, Hub};

/// All buses that leave the process, open.
#[derive(Debug)]
pub(crate) struct CanBuses {
    /// By the rig's bus number; none for a bus inside the rig.
    wires: Vec<Option<Wire>>,
    interfaces: Interfaces,
}

#[derive(Debug)]
enum Wire {
    /// Place among the interfaces.
    Interface(usize),
    Served(Arc<Hub>),
    Joined(Link),
}

impl CanBuses {
    /// Opens every bus.
    pub(crate) fn open(wires: &[CanWire], runtime: &Runtime, inbox: &Inbox) -> Result<Self, FieldbusError> {
        let mut interfaces = Vec::new();
        let mut served = Vec::new();
        let mut open = Vec::new();
        for CanWire {
            bus,
            name,
            medium,
            fd,
        } in wires
        {
            let wire = match medium {
                CanMedium::Interface(interface) => {
                    interfaces.push(socketcan::Wire {
                        bus: *bus,
                        name: name.clone(),
                        interface: interface.clone(),
                        fd: *fd,
                    });
                    Wire::Interface(interfaces.len() - 1)
                }
                CanMedium::Listen(address) => {
                    let hub = Hub::new(*bus, name, inbox);
                    served.push((*address, Arc::clone(&hub)));
                    Wire::Served(hub)
                }
                CanMedium::Connect(address) => Wire::Joined(Link::join(*bus, name, *address, runtime, inbox)),
            };
            if open.len() <= *bus {
                open.resize_with(bus + 1, || None);
            }
            open[*bus] = Some(wire);
        }
        let interfaces = Interfaces::open(&interfaces, inbox)?;
        server::serve(&served, runtime, inbox)?;
        Ok(Self {
            wires: open,
            interfaces,
        })
    }

    /// Takes a frame due at `due`. One for an interface waits for [`CanBuses::flush`].
    pub(crate) fn queue(
        &mut self,
        bus: usize,
        due: SimTime,
        frame: &CanFrame,
        clock: &Clock,
        accounts: &mut Accounts,
    ) {
        match self.wires.get(bus).and_then(Option::as_ref) {
            Some(Wire::Interface(place)) => {
                self.interfaces.queue(*place, due, frame);
                return;
            }
            Some(Wire::Served(hub)) => hub.send(frame),
            Some(Wire::Joined(link)) => link.send(frame),
            None => unreachable!("the rig sent a frame on bus {bus}, which is no wire bus"),
        }
        accounts.sent(due, clock.now());
    }

    /// Whether frames wait to be sent.
    pub(crate) fn backlog(&self) -> bool {
        self.interfaces.backlog()
    }

    /// Sends what the kernel takes.
    pub(crate) fn flush(&mut self, clock: &Clock, accounts: &mut Accounts, losses: &Losses) {
        self.interfaces.flush(clock, accounts, losses);
    }
}
