//! Why the wires could not be opened.

use std::io;
use std::net::SocketAddr;

use bess_types::Tag;

/// The rig's wires could not be opened. Trouble that starts later is no error: it is counted and makes
/// the run inconclusive.
#[derive(Debug, thiserror::Error)]
pub enum FieldbusError {
    /// The kernel knows no CAN sockets.
    #[error(
        "bus `{bus}` needs CAN interface `{interface}`, but this kernel has no CAN sockets (AF_CAN); \
         run the command as `ci/vcan.sh -- ...`, which brings a kernel that has them, or load the modules: \
         modprobe can-raw vcan; or give the buses attach = \"socketcand\", which needs none"
    )]
    NoCanSockets {
        /// Bus name in the rig file.
        bus: String,
        /// Network interface.
        interface: String,
    },
    /// The network interface does not exist.
    #[error(
        "bus `{bus}`: there is no interface `{interface}`; create it with \
         `ip link add dev {interface} type vcan && ip link set {interface} up`, or run as `ci/vcan.sh -- ...`"
    )]
    NoSuchInterface {
        /// Bus name in the rig file.
        bus: String,
        /// Network interface.
        interface: String,
    },
    /// The network interface exists but does not carry CAN.
    #[error("bus `{bus}`: interface `{interface}` is not a CAN interface")]
    NotACanInterface {
        /// Bus name in the rig file.
        bus: String,
        /// Network interface.
        interface: String,
    },
    /// The network interface carries classic frames only, but devices speak CAN FD.
    #[error(
        "bus `{bus}`: devices speak CAN FD on it, but interface `{interface}` carries classic frames only; \
         `ip link set {interface} down mtu 72 && ip link set {interface} up` for a vcan, \
         `ip link set {interface} type can bitrate 500000 dbitrate 2000000 fd on` for a CAN controller"
    )]
    ClassicInterface {
        /// Bus name in the rig file.
        bus: String,
        /// Network interface.
        interface: String,
    },
    /// The network interface is there but down.
    #[error("bus `{bus}`: interface `{interface}` is down; `ip link set {interface} up`")]
    InterfaceDown {
        /// Bus name in the rig file.
        bus: String,
        /// Network interface.
        interface: String,
    },
    /// Another failure while opening a CAN interface.
    #[error("bus `{bus}`: cannot {action} CAN interface `{interface}`")]
    Can {
        /// Bus name in the rig file.
        bus: String,
        /// Network interface.
        interface: String,
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another program has the port of a bus.
    #[error(
        "bus `{bus}`: its address {address} for socketcand is in use by another program; stop that one \
         (`ss -ltnp 'sport = :{port}'` names it) or give the bus another `listen` in the rig file",
        port = address.port()
    )]
    BusAddressInUse {
        /// Bus name in the rig file; the first of those with this address.
        bus: String,
        /// Address in the rig file.
        address: SocketAddr,
    },
    /// Another failure while opening a bus for socketcand clients.
    #[error("bus `{bus}`: cannot listen for socketcand clients on {address}")]
    ListenForBus {
        /// Bus name in the rig file; the first of those with this address.
        bus: String,
        /// Address in the rig file.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another program, or another device of the rig, has the port.
    #[error(
        "{tag}: its Modbus address {address} is in use by another program; stop that one \
         (`ss -ltnp 'sport = :{port}'` names it) or give {tag} another `listen` in the rig file",
        port = address.port()
    )]
    AddressInUse {
        /// Whose server.
        tag: Tag,
        /// Address in the rig file.
        address: SocketAddr,
    },
    /// Another failure while opening a Modbus server.
    #[error("{tag}: cannot listen for Modbus on {address}")]
    Listen {
        /// Whose server.
        tag: Tag,
        /// Address in the rig file.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of a device that speaks TLS.
    #[error("TLS file `{file}`: {why}; `tls` in the rig file wants PEM files: certificate, key, ca")]
    Certificate {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// An RTU line could not be opened.
    #[error("RTU line `{line}`: cannot {what}")]
    Line {
        /// Name in the rig file.
        line: String,
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A thread or the TCP runtime could not be started.
    #[error("cannot start the {what}")]
    Start {
        /// Which part.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
