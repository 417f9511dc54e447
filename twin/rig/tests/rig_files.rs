//! Every way a rig file can be wrong gives one message that names the file, the line and the remedy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed unwrap is the test failing"
)]

use bess_catalogue::{Catalogue, File, Kind};
use bess_devices::Library;
use bess_rig::{
    CanMedium, LineEnd, ModbusAddress, Rig, RigConfig, RigConfigError, Role, WireInput, WireOutput,
};
use bess_types::SimTime;

const CONTAINER: &str = include_str!("../../../scenarios/rigs/base/container.toml");
const BASE: &str = include_str!("../../../scenarios/rigs/liquid-20ft.toml");
const TCP: &str = include_str!("../../../scenarios/rigs/liquid-20ft-tcp.toml");
const RTU: &str = include_str!("../../../scenarios/rigs/liquid-20ft-rtu.toml");
const VCAN: &str = include_str!("../../../scenarios/rigs/liquid-20ft-vcan.toml");
const VCAN_3: &str = include_str!("../../../scenarios/rigs/liquid-20ft-vcan-3.toml");
const SOCKETCAND: &str = include_str!("../../../scenarios/rigs/liquid-20ft-socketcand.toml");
const SOCKETCAND_3: &str = include_str!("../../../scenarios/rigs/liquid-20ft-socketcand-3.toml");

/// Loads and builds `top.toml` with the shipped files beside it.
fn build(top: &str) -> Result<RigConfig, RigConfigError> {
    build_of(top, &Catalogue::shipped())
}

fn build_of(top: &str, catalogue: &Catalogue) -> Result<RigConfig, RigConfigError> {
    let read = |path: &str| match path {
        "rigs/top.toml" => Ok(top.to_owned()),
        "rigs/base/container.toml" => Ok(CONTAINER.to_owned()),
        "rigs/liquid-20ft.toml" => Ok(BASE.to_owned()),
        "rigs/liquid-20ft-tcp.toml" => Ok(TCP.to_owned()),
        "rigs/liquid-20ft-vcan.toml" => Ok(VCAN.to_owned()),
        "rigs/liquid-20ft-socketcand.toml" => Ok(SOCKETCAND.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let config = RigConfig::load("rigs/top.toml", catalogue, &read)?;
    Rig::new(&config, &Library::shipped(), Role::Rig)?;
    Ok(config)
}

/// The message as a person reads it.
fn complaint(top: &str) -> String {
    said(&build(top).expect_err("this rig file is wrong"))
}

/// The same, with a container `own` of eight packs in series with so many cells.
fn with_packs_of(cells: usize, top: &str) -> String {
    let shipped = Catalogue::shipped();
    let changed = |kind: Kind, id: &str, changes: &[(&str, String)]| {
        let text = shipped.file(kind, id).unwrap().text().to_owned();
        let change = |text: String, (from, to): &(&str, String)| text.replacen(from, to, 1);
        let text = changes.iter().fold(text, change);
        (kind, File::new(format!("own/{id}.toml"), text))
    };
    let pack = [
        ("\"pack-liq-1P44S\"", "\"own-pack\"".into()),
        ("cells = 44", format!("cells = {cells}")),
    ];
    let container = [
        ("\"liq-20ft-1267\"", "\"own\"".into()),
        ("\"pack-liq-1P44S\"", "\"own-pack\"".into()),
        ("packs_per_cluster = 9", "packs_per_cluster = 8".into()),
    ];
    let mut catalogue = shipped.clone();
    for (kind, file) in [
        changed(Kind::Pack, "pack-liq-1P44S", &pack),
        changed(Kind::Container, "liq-20ft-1267", &container),
    ] {
        catalogue.add(kind, file).unwrap();
    }
    said(&build_of(top, &catalogue).expect_err("this container does not suit the rig's devices"))
}

fn said(error: &RigConfigError) -> String {
    let line = match error.span() {
        Some(span) => error.text()[..span.start].matches('\n').count() + 1,
        None => 0,
    };
    format!("{}:{line}: {error}\nhelp: {}", error.file(), error.help())
}

#[test]
fn shipped_rig_files_build() {
    assert_eq!(
        build(BASE).unwrap().devices.len(),
        81 + 9 + 10 + 1 + 1 + 1 + 1 + 9 + 1 + 1 + 1 + 1
    );
    assert_eq!(build(TCP).unwrap().cuts.len(), 0);
    assert_eq!(build(RTU).unwrap().rtu_lines.len(), 1);
    assert_eq!(build(VCAN).unwrap().cuts[0].devices.len(), 10);
    assert_eq!(build(VCAN_3).unwrap().plant.clusters, 3);
    assert_eq!(build(SOCKETCAND).unwrap().cuts[0].devices.len(), 10);
    assert_eq!(build(SOCKETCAND_3).unwrap().plant.clusters, 3);
}

#[test]
fn the_rig_serves_its_buses_and_a_host_joins_them() {
    let config = build(SOCKETCAND_3).unwrap();
    let library = Library::shipped();
    let address = "127.0.0.1:29536".parse().unwrap();
    let bau = "container-01/bau".parse().unwrap();
    for (role, medium) in [
        (Role::Rig, CanMedium::Listen(address)),
        (Role::Host(&[bau]), CanMedium::Connect(address)),
    ] {
        let wires = Rig::new(&config, &library, role).unwrap().wires();
        assert_eq!(wires.can.len(), 4);
        assert!(wires.can.iter().all(|wire| wire.medium == medium), "{wires:?}");
    }
}

#[test]
fn effective_file_loads_again_and_says_the_same() {
    for file in [VCAN_3, RTU] {
        let merged = build(file).unwrap();
        let again = build(merged.effective_toml()).unwrap();
        assert_eq!(again.effective_toml(), merged.effective_toml());
        assert_eq!(again.devices.len(), merged.devices.len());
    }
}

#[test]
fn lines_are_opened_from_the_side_that_needs_them() {
    let ends = |text: &str, hosted: &[&str]| {
        let text = format!("inherits = \"liquid-20ft-rtu.toml\"\n[plant]\nclusters = 1\n{text}");
        let read = |path: &str| match path {
            "rigs/top.toml" => Ok(text.clone()),
            "rigs/base/container.toml" => Ok(CONTAINER.to_owned()),
            "rigs/liquid-20ft.toml" => Ok(BASE.to_owned()),
            "rigs/liquid-20ft-tcp.toml" => Ok(TCP.to_owned()),
            "rigs/liquid-20ft-rtu.toml" => Ok(RTU.to_owned()),
            _ => Err("no such file".to_owned()),
        };
        let config = RigConfig::load("rigs/top.toml", &Catalogue::shipped(), &read).unwrap();
        let tags: Vec<_> = hosted.iter().map(|tag| tag.parse().unwrap()).collect();
        let role = if tags.is_empty() {
            Role::Rig
        } else {
            Role::Host(&tags)
        };
        let rig = Rig::new(&config, &Library::shipped(), role).unwrap();
        let wires = rig.wires();
        let on_line = wires
            .servers
            .iter()
            .filter(|server| matches!(server.address, ModbusAddress::Line(_)));
        let on_line = on_line.count();
        let line = wires.lines.into_iter().next().unwrap();
        (line.end, line.asks, on_line)
    };
    let link = "/tmp/bessrig-aux".to_owned();
    let made = LineEnd::NewPty {
        link: Some(link.clone()),
    };
    assert_eq!(ends("", &[]), (made.clone(), false, 2));
    // The chiller is real: the BAU asks on the line, so nobody else does, and the fire panel does not answer there.
    let real = "[[chiller]]\ntag = \"container-01/chiller\"\nbacking = \"real\"\n";
    assert_eq!(ends(real, &[]), (made, true, 0));
    // The same chiller in a process of its own.
    assert_eq!(
        ends(real, &["container-01/chiller"]),
        (LineEnd::Pty(link), false, 1)
    );
    let tcp = "[[rtu_line]]\nname = \"aux\"\nattach = \"tcp\"\nlisten = \"127.0.0.1:15502\"\n";
    let address = "127.0.0.1:15502".parse().unwrap();
    assert_eq!(ends(tcp, &[]), (LineEnd::Listen(address), false, 2));
    assert_eq!(
        ends(&format!("{tcp}{real}"), &[]),
        (LineEnd::Connect(address), true, 0)
    );
    let serial = "[[rtu_line]]\nname = \"aux\"\nattach = \"serial\"\ndevice = \"/dev/ttyUSB0\"\n";
    assert_eq!(
        ends(serial, &[]),
        (LineEnd::Serial("/dev/ttyUSB0".into()), false, 2)
    );
}

#[test]
fn mistakes_are_explained() {
    let with = |text: &str| complaint(&format!("inherits = \"liquid-20ft.toml\"\n{text}"));
    let all = [
        ("unknown key", with("sed = 3\n")),
        ("wrong type", with("seed = \"three\"\n")),
        ("unknown word", with("[clock]\nmode = \"fast\"\n")),
        ("missing base", complaint("inherits = \"nowhere.toml\"\n")),
        ("circle", complaint("inherits = \"top.toml\"\n")),
        (
            "unknown product",
            with("[[meter]]\ntag = \"site-01/meter\"\nproduct = \"meterr\"\n"),
        ),
        (
            "product of another kind",
            with("[[meter]]\ntag = \"site-01/meter\"\nproduct = \"chiller\"\n"),
        ),
        (
            "bad tag",
            with("[[meter]]\ntag = \"Site 1\"\nproduct = \"meter\"\n"),
        ),
        (
            "duplicate tag in a file",
            with(
                "[[meter]]\ntag = \"a\"\nproduct = \"meter\"\n[[meter]]\ntag = \"a\"\nproduct = \"meter\"\n",
            ),
        ),
        (
            "duplicate tag by another kind",
            with("[[chiller]]\ntag = \"site-01/meter\"\nproduct = \"chiller\"\n"),
        ),
        (
            "two owners of a CAN id",
            with(
                "[[bmu]]\ntag = \"container-01/cluster-02/pack-03/spare\"\nproduct = \"rig-bmu-44\"\ncan = { cluster = \"cluster-can-02\" }\n",
            ),
        ),
        (
            "two owners of a unit id",
            with("[[meter]]\ntag = \"site-01/meter-2\"\nproduct = \"meter\"\nlisten = \"127.0.0.1:15060\"\n"),
        ),
        (
            "unknown bus",
            with(
                "[[hv_unit]]\ntag = \"container-01/cluster-01/x\"\nproduct = \"rig-hv-unit\"\ncan = { cluster = \"can9\" }\n",
            ),
        ),
        (
            "real device on a bus inside the rig",
            with("[[bau]]\ntag = \"container-01/bau\"\nbacking = \"real\"\n"),
        ),
        (
            "real device in virtual time",
            with("[[ems]]\ntag = \"site-01/ems\"\nbacking = \"real\"\n"),
        ),
        (
            "peer that does not exist",
            with("[[ems]]\ntag = \"site-01/ems\"\npeers = { bau = \"nobody\" }\n"),
        ),
        (
            "address that is none",
            with("[[meter]]\ntag = \"site-01/meter\"\nlisten = \"localhost\"\n"),
        ),
        (
            "a socketcand bus without address",
            with("[[can_bus]]\nname = \"stack-can\"\nattach = \"socketcand\"\n"),
        ),
        (
            "a socketcand bus with half an address",
            with("[[can_bus]]\nname = \"stack-can\"\nattach = \"socketcand\"\nlisten = \"29536\"\n"),
        ),
        (
            "a socketcand bus nobody can open",
            with(
                "[[can_bus]]\nname = \"stack can\"\nattach = \"socketcand\"\nlisten = \"127.0.0.1:29536\"\n",
            ),
        ),
        (
            "Modbus and socketcand on one port",
            with(
                "[[can_bus]]\nname = \"stack-can\"\nattach = \"socketcand\"\nlisten = \"127.0.0.1:15050\"\n",
            ),
        ),
        (
            "a line that does not exist",
            with("[[meter]]\ntag = \"site-01/meter\"\nline = \"aux\"\n"),
        ),
        (
            "a server in two places",
            with(
                "[[rtu_line]]\nname = \"aux\"\nattach = \"pty\"\n\
                 [[meter]]\ntag = \"site-01/meter\"\nline = \"aux\"\nlisten = \"127.0.0.1:15060\"\n",
            ),
        ),
        (
            "two owners of a unit id on a line",
            with(
                "[[rtu_line]]\nname = \"aux\"\nattach = \"pty\"\n\
                 [[meter]]\ntag = \"site-01/meter\"\nline = \"aux\"\n\
                 [[chiller]]\ntag = \"container-01/chiller\"\nline = \"aux\"\n",
            ),
        ),
        (
            "a reserved unit id on a line",
            with(
                "[[rtu_line]]\nname = \"aux\"\nattach = \"pty\"\n\
                 [[meter]]\ntag = \"site-01/meter\"\nline = \"aux\"\nunit = 248\n",
            ),
        ),
        ("a line without a wire", with("[[rtu_line]]\nname = \"aux\"\n")),
        (
            "a serial line without a device",
            with("[[rtu_line]]\nname = \"aux\"\nattach = \"serial\"\n"),
        ),
        (
            "a key of another kind of line",
            with("[[rtu_line]]\nname = \"aux\"\nattach = \"pty\"\ndevice = \"/dev/ttyS0\"\n"),
        ),
        (
            "a speed that is none",
            with("[[rtu_line]]\nname = \"aux\"\nattach = \"pty\"\nbaud = 9601\n"),
        ),
        (
            "two lines in one place",
            with(
                "[[rtu_line]]\nname = \"aux\"\nattach = \"pty\"\nlink = \"/tmp/aux\"\n\
                 [[rtu_line]]\nname = \"aux-2\"\nattach = \"pty\"\nlink = \"/tmp/aux\"\n",
            ),
        ),
        (
            "a measuring unit below the voltage of the cluster",
            with("[[hv_unit]]\ntag = \"container-01/cluster-{cluster}/hv-unit\"\nproduct = \"ivt-s\"\n"),
        ),
        (
            "a CAN port the product does not have",
            with("[[bau]]\ntag = \"container-01/bau\"\ncan = { pcs = \"stack-can\" }\n"),
        ),
        (
            "a CAN port without bus",
            with("[[pcs]]\ntag = \"container-01/pcs\"\nproduct = \"pcs-100-380-sma-lv\"\n"),
        ),
        (
            "a BCU that gives no addresses to BMUs that want them",
            with(
                "[[bmu]]\ntag = \"container-01/cluster-{cluster}/pack-{pack}/bmu\"\nsettings = { addressing = \"lss\" }\n",
            ),
        ),
        (
            "TLS on a line",
            with(
                "[[rtu_line]]\nname = \"aux\"\nattach = \"pty\"\n[[meter]]\ntag = \"site-01/meter\"\nline = \"aux\"\n\
                 tls = { certificate = \"m.pem\", key = \"m.key\", ca = \"ca.pem\" }\n",
            ),
        ),
        (
            "a key that TLS needs",
            with("[[meter]]\ntag = \"site-01/meter\"\ntls = { certificate = \"m.pem\", ca = \"ca.pem\" }\n"),
        ),
        (
            "TLS and plain TCP at one address",
            with(
                "[[meter]]\ntag = \"site-01/meter-2\"\nproduct = \"meter\"\nunit = 2\nlisten = \"127.0.0.1:15060\"\n\
                 tls = { certificate = \"m.pem\", key = \"m.key\", ca = \"ca.pem\" }\n",
            ),
        ),
        (
            "a client without a certificate",
            with(
                "[clock]\nmode = \"paced\"\n[[meter]]\ntag = \"site-01/meter\"\nbacking = \"real\"\n\
                 tls = { certificate = \"m.pem\", key = \"m.key\", ca = \"ca.pem\" }\n",
            ),
        ),
        ("too many clusters", with("[plant]\nclusters = 12\n")),
        ("unknown container", with("[plant]\ncontainer = \"liq-21ft\"\n")),
        (
            "BMUs that do not measure the packs",
            with("[plant]\ncontainer = \"air-20ft-1254\"\n"),
        ),
        (
            "packs that no BMU measures",
            with_packs_of(
                48,
                "inherits = \"liquid-20ft.toml\"\n[plant]\ncontainer = \"own\"\n",
            ),
        ),
        (
            "a BCU for other packs",
            with(
                "[[bcu]]\ntag = \"container-01/cluster-{cluster}/bcu\"\nsettings = { cells_per_pack = 18 }\n",
            ),
        ),
        (
            "a BCU for fewer packs",
            with("[[bcu]]\ntag = \"container-01/cluster-{cluster}/bcu\"\nsettings = { packs = 8 }\n"),
        ),
        (
            "a rig without products for what its base leaves open",
            complaint("inherits = \"base/container.toml\"\n[plant]\ncontainer = \"liq-20ft-1267\"\n"),
        ),
        (
            "a placeholder there is not, in a tag",
            with(
                "[[bmu]]\ntag = \"container-01/cluster-{cluster}/pack-{packs}/bmu\"\nproduct = \"rig-bmu-44\"\n",
            ),
        ),
        (
            "a placeholder there is not, in a fault's target",
            with("[[fault]]\nname = \"can-off\"\ntarget = \"cluster-can-{clusters}\"\n"),
        ),
        (
            "a container that is not there",
            with("[[pcs]]\ntag = \"container-1/pcs\"\nproduct = \"pcs-100-380\"\n"),
        ),
        (
            "a site that is not there",
            with("[[ems]]\ntag = \"site-1/ems\"\nbacking = \"real\"\n"),
        ),
        (
            "a cluster that is not there",
            with("[plant]\nclusters = 3\n[[bcu]]\ntag = \"container-01/cluster-04/bcu\"\n"),
        ),
        (
            "a BMU of no pack",
            with("[[bmu]]\ntag = \"container-01/cluster-01/bmu\"\nproduct = \"rig-bmu-44\"\n"),
        ),
        (
            "a second PCS that nobody asks",
            with(
                "[[pcs]]\ntag = \"container-01/psc\"\nproduct = \"pcs-100-380\"\nlisten = \"127.0.0.1:17020\"\n",
            ),
        ),
        (
            "a second meter that nobody reads",
            with("[[meter]]\ntag = \"site-01/metre\"\n"),
        ),
        (
            "a device without product in the top file",
            complaint(
                "inherits = \"base/container.toml\"\n[plant]\ncontainer = \"liq-20ft-1267\"\n[[chiller]]\ntag = \"container-01/chiller\"\n",
            ),
        ),
        (
            "a fault of a device that is not there",
            with("[[fault]]\nname = \"can-drop\"\ntarget = \"container-01/cluster-01/pack-3/bmu\"\n"),
        ),
        ("unknown initial value", with("[plant.initial]\nsoq = 0.5\n")),
        ("grid step", with("[plant]\ngrid_step_ms = 7\n")),
        ("limits", with("[clock]\nsoft_limit_ms = 60\n")),
        (
            "unknown product setting",
            with("[[pcs]]\ntag = \"container-01/pcs\"\nsettings = { nonsense = 1 }\n"),
        ),
        ("no plant", complaint("title = \"empty\"\n")),
        ("not TOML", complaint("title = \n")),
    ];
    let text: Vec<_> = all
        .iter()
        .map(|(what, said)| format!("## {what}\n{said}\n"))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn a_device_of_its_own_is_taken_if_somebody_asks_it() {
    let with = |text: &str| build(&format!("inherits = \"liquid-20ft-tcp.toml\"\n{text}"));
    let meter = "[[meter]]\ntag = \"site-01/aux\"\nproduct = \"meter\"\n";
    assert!(with(meter).is_err());
    with(&format!("{meter}listen = \"127.0.0.1:15061\"\n")).unwrap();
    with(&format!(
        "{meter}[[ems]]\ntag = \"site-01/ems\"\npeers = {{ meter = \"site-01/aux\" }}\n"
    ))
    .unwrap();
}

#[test]
fn who_is_outside_is_known_with_the_place_and_missed_until_it_is_heard() {
    let config = build(
        "inherits = \"liquid-20ft-tcp.toml\"\n[plant]\nclusters = 1\n\
         [[ems]]\ntag = \"site-01/ems\"\nbacking = \"real\"\nlisten = \"127.0.0.1:17050\"\n",
    )
    .unwrap();
    let mut rig = Rig::new(&config, &Library::shipped(), Role::Rig).unwrap();
    let outside = rig.outsiders();
    assert_eq!(outside.len(), 1);
    assert_eq!(outside[0].modbus.as_deref(), Some("127.0.0.1:17050"));
    assert_eq!(outside[0].asked_by[0].as_str(), "site-01/hmi");
    let mut asked = None;
    for second in 1..10 {
        rig.advance_to(SimTime::from_millis(1_000 * second));
        while let Some(output) = rig.poll_wire() {
            if let WireOutput::ModbusRequest { client, token, .. } = output {
                asked = Some((client, token));
            }
        }
    }
    let (client, token) = asked.unwrap();
    let missing = |rig: &Rig| rig.outsiders()[0].missing();
    let nobody = Some("nobody answers at 127.0.0.1:17050 for site-01/ems".to_owned());
    assert_eq!(missing(&rig), nobody);
    let mut reply = |reply| {
        let now = rig.now();
        rig.offer(now, WireInput::ModbusReply { client, token, reply });
        missing(&rig)
    };
    assert_eq!(reply(None), nobody, "a timeout is no answer");
    // the next request is answered, if only with a refusal
    let mut token = None;
    for _ in 0..50 {
        let at = rig.now() + core::time::Duration::from_millis(100);
        rig.advance_to(at);
        while let Some(output) = rig.poll_wire() {
            if let WireOutput::ModbusRequest { token: next, .. } = output {
                token = Some(next);
            }
        }
    }
    let reply = Some(Err(bess_types::ModbusException::ServerDeviceFailure));
    let now = rig.now();
    rig.offer(
        now,
        WireInput::ModbusReply {
            client,
            token: token.unwrap(),
            reply,
        },
    );
    assert_eq!(missing(&rig), None);
}
