//! Profiles of wires between battery and PCS, and of bought sensors: frames known from traces, read and written by the
//! products that ship.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::fmt::Write as _;

use bess_devices::codec::can::{CanPort, RemoteNode};
use bess_devices::kinds::point_table;
use bess_devices::{Library, Points};
use bess_types::{CanFrame, CanId, SimTime};

/// A frame from its candump form.
fn frame(text: &str) -> CanFrame {
    let (id, data) = text.split_once('#').unwrap();
    let raw = u32::from_str_radix(id, 16).unwrap();
    let id = if id.len() > 3 {
        CanId::Extended(raw)
    } else {
        CanId::Standard(u16::try_from(raw).unwrap())
    };
    let data: Vec<u8> = (0..data.len() / 2)
        .map(|i| u8::from_str_radix(&data[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    CanFrame::new(id, &data).unwrap()
}

/// A product's port with its points.
struct Side {
    port: CanPort,
    points: Points,
    remote: RemoteNode,
}

impl Side {
    fn new(product: &str, port: &str) -> Self {
        let library = Library::shipped();
        let product = library.product(product).unwrap();
        let table = point_table(&product).unwrap();
        Self {
            port: CanPort::compile(&product, port, &library, &table, 0).unwrap(),
            points: Points::new(table.into()),
            remote: RemoteNode::compile(&product, port, &library, 0).unwrap(),
        }
    }

    fn set(&mut self, values: &[(&str, f64)]) {
        for (name, value) in values {
            let id = self.points.table().find(name).unwrap();
            self.points.set(id, *value);
        }
    }

    fn check(points: &Points, name: &str, expected: f64, text: &str) {
        let value = points.get(points.table().find(name).unwrap()).unwrap();
        assert!(
            (value - expected).abs() < 1e-9,
            "{name} of {text}: {value}, not {expected}"
        );
    }

    /// The product writes this frame from these values, and another node reads them out of it.
    fn says(&mut self, message: &str, values: &[(&str, f64)], text: &str) {
        self.set(values);
        let message = self.port.message(message).unwrap();
        let sent = self.port.encode(message, &self.points);
        assert_eq!(sent, frame(text), "{sent} is not {text}");
        self.remote.receive(SimTime::ZERO, &sent).unwrap();
        for (name, value) in values {
            Self::check(&self.remote.points, name, *value, text);
        }
    }

    /// The product reads these values out of this frame.
    fn hears(&mut self, text: &str, values: &[(&str, f64)]) {
        self.port
            .receive(SimTime::ZERO, &frame(text), &mut self.points)
            .unwrap_or_else(|| panic!("{text} is not taken"));
        for (name, value) in values {
            Self::check(&self.points, name, *value, text);
        }
    }
}

#[test]
fn pylontech_lv() {
    let mut bms = Side::new("bau-pylontech-lv", "pcs");
    let mut pcs = Side::new("pcs-100-380-pylontech-lv", "bms");
    // protocols section 3.1: 53.2 V, 370.0 A, 370.0 A, 46.0 V
    let limits = "351#1402740E740ECC01";
    bms.says(
        "PYLON_LIMITS",
        &[
            ("charge-voltage", 53.2),
            ("charge-limit", 370.0),
            ("discharge-limit", 370.0),
            ("discharge-voltage", 46.0),
        ],
        limits,
    );
    pcs.hears(
        limits,
        &[
            ("bms-charge-voltage", 53.2),
            ("bms-charge-limit", 370.0),
            ("bms-discharge-limit", 370.0),
            ("bms-discharge-voltage", 46.0),
        ],
    );
    // of a public trace: 26 %, 100 %; discharging with 27 A at 49.86 V and 36.3 °C
    bms.says("PYLON_SOC", &[("soc", 26.0), ("soh", 100.0)], "355#1A006400");
    pcs.hears("355#1A006400", &[("bms-soc", 26.0), ("bms-soh", 100.0)]);
    bms.says(
        "PYLON_MEASURED",
        &[("voltage", 49.86), ("current", 27.0), ("temperature-mean", 36.3)],
        "356#7A13F2FE6B01",
    );
    pcs.hears(
        "356#7A13F2FE6B01",
        &[
            ("bms-voltage", 49.86),
            ("bms-current", 27.0),
            ("bms-temperature", 36.3),
        ],
    );
    bms.says("PYLON_ALARMS", &[("module-count", 10.0)], "359#000000000A504E");
    bms.says(
        "PYLON_ALARMS",
        &[
            ("over-voltage", 1.0),
            ("charge-over-current", 1.0),
            ("discharge-over-current-warning", 1.0),
            ("system-fault", 1.0),
        ],
        "359#020980000A504E",
    );
    bms.says(
        "PYLON_REQUESTS",
        &[("charge-enable", 1.0), ("discharge-enable", 1.0)],
        "35C#C000",
    );
    bms.says(
        "PYLON_REQUESTS",
        &[("charge-enable", 0.0), ("force-charge", 1.0)],
        "35C#6000",
    );
    pcs.hears(
        "35C#4000",
        &[("bms-charge-enable", 0.0), ("bms-discharge-enable", 1.0)],
    );
    bms.says("PYLON_MAKER", &[], "35E#50594C4F4E202020");
    pcs.says("INVERTER_ALIVE", &[], "305#0000000000000000");
    bms.hears("305#0000000000000000", &[]);
}

#[test]
fn pylontech_lv_13() {
    let mut bms = Side::new("bau-pylontech-lv-13", "pcs");
    let mut pcs = Side::new("pcs-100-380-pylontech-lv-13", "bms");
    // of a public trace; 52.8 V, 480 A, 480 A, 45 V
    let limits = "351#1002C012C012C201";
    bms.says(
        "PYLON_LIMITS",
        &[
            ("charge-voltage", 52.8),
            ("charge-limit", 480.0),
            ("discharge-limit", 480.0),
            ("discharge-voltage", 45.0),
        ],
        limits,
    );
    pcs.hears(limits, &[("bms-charge-limit", 480.0)]);
    pcs.hears("355#540060000000", &[("bms-soc", 84.0), ("bms-soh", 96.0)]);
    bms.says("PYLON_SOC", &[("soc", 84.25), ("soh", 96.0)], "355#54006000E920");
    let flags = [
        "over-voltage",
        "under-voltage",
        "over-temperature",
        "under-temperature",
    ];
    for flag in flags {
        bms.set(&[(flag, 0.0), (&format!("{flag}-warning"), 0.0)]);
    }
    for flag in ["charge-over-current", "discharge-over-current"] {
        bms.set(&[(flag, 0.0), (&format!("{flag}-warning"), 0.0)]);
    }
    bms.says("PYLON_ALARMS", &[("system-fault", 0.0)], "35A#A8828200A8820200");
    bms.says("PYLON_INFO", &[("capacity", 572.0)], "35F#4C4900013C020000");
}

#[test]
fn sma_lv() {
    let mut bms = Side::new("bau-sma-lv", "pcs");
    let mut pcs = Side::new("pcs-100-380-sma-lv", "bms");
    // the same layout as the Pylontech frame, little-endian
    bms.says(
        "SMA_LIMITS",
        &[
            ("charge-voltage", 53.2),
            ("charge-limit", 370.0),
            ("discharge-limit", 370.0),
            ("discharge-voltage", 46.0),
        ],
        "351#1402740E740ECC01",
    );
    pcs.hears("351#1402740E740ECC01", &[("bms-discharge-limit", 370.0)]);
    bms.says("SMA_SOC", &[("soc", 57.0), ("soh", 99.0)], "355#390063004416");
    bms.says("SMA_EVENTS", &[], "35B#0000000000000000");
    bms.says("SMA_MAKER", &[], "35E#4245535352494720");
    pcs.set(&[("bms-soh", 99.0), ("bms-charge-voltage", 53.2)]);
    pcs.says(
        "INVERTER_MEASURED",
        &[
            ("dc-voltage", 52.0),
            ("dc-current", -30.0),
            ("bms-temperature", 25.5),
            ("bms-soc", 57.0),
        ],
        "305#08022C01FF003A02",
    );
    bms.hears(
        "305#08022C01FF003A02",
        &[
            ("pcs-voltage", 52.0),
            ("pcs-current", -30.0),
            ("pcs-temperature", 25.5),
            ("pcs-soc", 57.0),
        ],
    );
    pcs.says("INVERTER_MODE", &[], "306#6300000000001402");
    bms.hears("306#6300000000001402", &[]);
    assert_eq!(
        bms.port
            .receive(SimTime::ZERO, &frame("00F#0000000000000000"), &mut bms.points),
        bms.port.received("QUICK_STOP")
    );
}

#[test]
fn byd_hv() {
    let mut bms = Side::new("bau-byd-hv", "pcs");
    let mut pcs = Side::new("pcs-100-380-byd-hv", "bms");
    // big-endian, discharge current before charge current
    let limits = "110#106807D001F40258";
    bms.says(
        "BYD_LIMITS",
        &[
            ("charge-voltage", 420.0),
            ("discharge-voltage", 200.0),
            ("discharge-limit", 50.0),
            ("charge-limit", 60.0),
        ],
        limits,
    );
    pcs.hears(
        limits,
        &[
            ("bms-charge-voltage", 420.0),
            ("bms-discharge-voltage", 200.0),
            ("bms-discharge-limit", 50.0),
            ("bms-charge-limit", 60.0),
        ],
    );
    let state = "150#21342710015403E8";
    bms.says(
        "BYD_STATE",
        &[
            ("soc", 85.0),
            ("soh", 100.0),
            ("remaining-capacity", 34.0),
            ("capacity", 100.0),
        ],
        state,
    );
    pcs.hears(state, &[("bms-soc", 85.0), ("bms-soh", 100.0)]);
    let measured = "1D0#0FA0FF9C00FA0000";
    bms.says(
        "BYD_MEASURED",
        &[("voltage", 400.0), ("current", -10.0), ("temperature-mean", 25.0)],
        measured,
    );
    pcs.hears(measured, &[("bms-voltage", 400.0), ("bms-current", -10.0)]);
    bms.says(
        "BYD_TEMPERATURES",
        &[("temperature-max", 28.5), ("temperature-min", -1.0)],
        "210#011DFFF600000000",
    );
    bms.says(
        "BYD_IDENT",
        &[("energy-rating", 24_000.0)],
        "250#0329006600F00209",
    );
    bms.says("BYD_IDENT_2", &[], "290#063710D900000000");
    bms.says("BYD_BRAND", &[], "2D0#0042594400000000");
    pcs.says("INVERTER_IDENT", &[], "151#0100000000000000");
    bms.hears(
        "091#0F96006400190000",
        &[
            ("pcs-voltage", 399.0),
            ("pcs-current", 10.0),
            ("pcs-temperature", 2.5),
        ],
    );
    bms.hears("0D1#0352000000000000", &[("pcs-soc", 85.0)]);
    pcs.says(
        "INVERTER_TIME",
        &[("clock", f64::from(0x65A0_F180))],
        "111#65A0F18000000000",
    );
    bms.hears("111#65A0F18000000000", &[("pcs-time", f64::from(0x65A0_F180))]);
}

#[test]
fn byd_hv_says_who_it_is_when_asked() {
    let mut bms = Side::new("bau-byd-hv", "pcs");
    bms.set(&[("energy-rating", 24_000.0)]);
    let said = answers(&mut bms, "151#0100000000000000");
    assert_eq!(
        said,
        "0.010000 250#0329006600F00209\n0.015000 290#063710D900000000\n0.020000 2D0#0042594400000000\n\
         0.025000 3D0#0042617474657279\n0.030000 3D0#012D426F78205072\n0.035000 3D0#02656D69756D2048\n\
         0.040000 3D0#0356530000000000\n"
    );
    assert_eq!(
        answers(&mut bms, "151#0042455353524947"),
        "",
        "a name asks nothing"
    );
}

#[test]
fn pylontech_hv() {
    let mut bms = Side::new("bau-pylontech-hv", "pcs");
    let mut pcs = Side::new("pcs-100-380-pylontech-hv", "bms");
    // of a public implementation: 246.9 V, 0 A, 18.1 °C, 46 %, 100 %
    let measured = "00004210#A50930759D042E64";
    bms.says(
        "HV_MEASURED",
        &[
            ("voltage", 246.9),
            ("current", 0.0),
            ("temperature-mean", 18.1),
            ("soc", 46.0),
            ("soh", 100.0),
        ],
        measured,
    );
    pcs.hears(
        measured,
        &[
            ("bms-voltage", 246.9),
            ("bms-current", 0.0),
            ("bms-temperature", 18.1),
            ("bms-soc", 46.0),
        ],
    );
    // discharging with 100 A
    bms.says("HV_MEASURED", &[("current", 100.0)], "00004210#A50948719D042E64");
    // 270.0 V, 202.5 V, 105.0 A, 105.0 A
    let limits = "00004220#8C0AE9074A794A79";
    bms.says(
        "HV_LIMITS",
        &[
            ("charge-voltage", 270.0),
            ("discharge-voltage", 202.5),
            ("charge-limit", 105.0),
            ("discharge-limit", 105.0),
        ],
        limits,
    );
    pcs.hears(
        limits,
        &[("bms-charge-limit", 105.0), ("bms-discharge-limit", 105.0)],
    );
    bms.says(
        "HV_CELLS",
        &[
            ("cell-voltage-max", 3.295),
            ("cell-voltage-min", 3.29),
            ("cell-voltage-max-cell", 3.0),
            ("cell-voltage-min-cell", 6.0),
        ],
        "00004230#DF0CDA0C03000600",
    );
    bms.says(
        "HV_TEMPERATURES",
        &[
            ("temperature-max", 15.0),
            ("temperature-min", 12.2),
            ("temperature-max-module", 2.0),
            ("temperature-min-module", 5.0),
        ],
        "00004240#7E04620402000500",
    );
    bms.says(
        "HV_MODULE_VOLTAGES",
        &[
            ("module-voltage-max", 49.425),
            ("module-voltage-max-module", 1.0),
            ("module-voltage-min", 49.35),
            ("module-voltage-min-module", 4.0),
        ],
        "00004260#11C1C6C001000400",
    );
    // idle; then charging, asked for, with an over-voltage
    bms.says(
        "HV_STATUS",
        &[("charge-status", 6.0)],
        "00004250#0300000000000000",
    );
    bms.says(
        "HV_STATUS",
        &[
            ("charge-status", 4.0),
            ("force-charge", 1.0),
            ("over-voltage", 1.0),
            ("system-fault", 1.0),
        ],
        "00004250#0900000100000A00",
    );
    bms.says(
        "HV_FORBIDDEN",
        &[("charge-enable", 0.0), ("discharge-enable", 1.0)],
        "00004280#AA00000000000000",
    );
    pcs.hears(
        "00004280#AA00000000000000",
        &[("bms-charge-enable", 0.0), ("bms-discharge-enable", 1.0)],
    );
    // 75 cells, 5 modules of 15, 45 V (here 48 V of LFP), 86 Ah
    bms.says(
        "HV_STRUCTURE",
        &[
            ("cells-in-series", 75.0),
            ("module-count", 5.0),
            ("cells-per-module", 15.0),
            ("module-voltage", 45.0),
            ("capacity", 86.0),
        ],
        "00007320#4B00050F2D005600",
    );
}

#[test]
fn pylontech_hv_answers_what_it_is_asked() {
    let mut bms = Side::new("bau-pylontech-hv", "pcs");
    let ids = |said: &str| -> Vec<String> {
        let id = |line: &str| {
            line.split_once(' ')
                .unwrap()
                .1
                .split_once('#')
                .unwrap()
                .0
                .to_owned()
        };
        said.lines().map(id).collect()
    };
    let ensemble = answers(&mut bms, "00004200#0000000000000000");
    let wanted: Vec<String> = (0x421..=0x429).map(|id| format!("0000{id:X}0")).collect();
    assert_eq!(ids(&ensemble), wanted);
    let system = answers(&mut bms, "00004200#0200000000000000");
    assert_eq!(ids(&system), ["00007310", "00007320", "00007330", "00007340"]);
    assert!(
        bms.port
            .receive(
                SimTime::ZERO,
                &frame("00004200#0100000000000000"),
                &mut bms.points
            )
            .is_none()
    );
    // the PCS asks for one and the other in turn
    let mut pcs = Side::new("pcs-100-380-pylontech-hv", "bms");
    pcs.port.start(SimTime::ZERO);
    assert_eq!(
        sent_until(&mut pcs, 1_000),
        "0.000000 00004200#0000000000000000\n0.500000 00004200#0200000000000000\n1.000000 00004200#0000000000000000\n"
    );
}

#[test]
fn ivt_s() {
    let mut ivt = Side::new("ivt-s", "cluster");
    // mux, counter and errors, then milliamperes, high byte first; counters begin at 0 when sent
    ivt.says("IVT_RESULT_I", &[("current", -150.0)], "521#0000FFFDB610");
    ivt.says(
        "IVT_RESULT_U1",
        &[("cluster-voltage", 745.92)],
        "522#0100000B61C0",
    );
    ivt.says("IVT_RESULT_U2", &[("bus-voltage", 0.25)], "523#0200000000FA");
    ivt.says("IVT_RESULT_U3", &[], "524#030000000000");
    ivt.says("IVT_RESULT_T", &[("box-temperature", -4.5)], "525#0400FFFFFFD3");
    ivt.says("IVT_RESULT_W", &[("power", -111_888.0)], "526#0500FFFE4AF0");
    ivt.says("IVT_RESULT_AS", &[("charge", 3_600.0)], "527#060000000E10");
    ivt.says("IVT_RESULT_WH", &[("energy", 1_000.0)], "528#0700000003E8");
    ivt.says(
        "IVT_RESULT_I",
        &[
            ("over-range", 1.0),
            ("current-fault", 1.0),
            ("measurement-fault", 1.0),
        ],
        "521#0070FFFDB610",
    );
    ivt.set(&[("mode", 1.0), ("startup-mode", 1.0)]);
    assert_eq!(
        answers(&mut ivt, "411#7400000000000000"),
        "0.001000 511#B401010000000000\n"
    );
    assert_eq!(
        answers(&mut ivt, "411#3400010000000000"),
        "0.001000 511#B400010000000000\n"
    );
    assert!(
        ivt.port
            .receive(SimTime::ZERO, &frame("411#3200000000000000"), &mut ivt.points)
            .is_none()
    );
}

#[test]
fn iso165c() {
    let mut monitor = Side::new("iso165c", "cluster");
    // 3,500 kΩ, low byte first
    monitor.says(
        "ISO_INFO",
        &[("insulation-resistance", 3_500_000.0)],
        "037#AC0DFE00000001FF",
    );
    monitor.says(
        "ISO_INFO",
        &[("insulation-resistance", 400_000.0)],
        "037#9001FE00200001FF",
    );
    monitor.says(
        "ISO_INFO",
        &[("insulation-resistance", 90_000.0)],
        "037#5A00FE00300201FF",
    );
    assert_eq!(
        answers(&mut monitor, "022#4C00000000000000"),
        "0.005000 023#4C5A000000000000\n"
    );
    assert_eq!(
        answers(&mut monitor, "022#6800000000000000"),
        "0.005000 023#6801000000000000\n"
    );
}

/// What a product says to a frame at time 0, with times in seconds.
fn answers(side: &mut Side, request: &str) -> String {
    let taken = side
        .port
        .receive(SimTime::ZERO, &frame(request), &mut side.points);
    assert!(taken.is_some(), "{request}");
    sent_until(side, 100)
}

fn sent_until(side: &mut Side, millis: u64) -> String {
    let mut text = String::new();
    while side.port.next_due() <= SimTime::from_millis(millis) {
        let now = side.port.next_due();
        side.port.transmit_due(now, &mut side.points, &mut |frame| {
            writeln!(text, "{:.6} {frame}", now.as_secs_f64()).unwrap();
        });
    }
    text
}
