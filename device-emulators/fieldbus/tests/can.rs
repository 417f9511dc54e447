//! SocketCAN. The frames themselves need CAN interfaces: `ci/vcan.sh --buses 10 -- env BESSRIG_VCAN=1 TEST-BINARY`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test of keeping the wall clock needs one of its own"
)]
#![allow(
    clippy::print_stdout,
    reason = "measurements and reasons for not running, for people"
)]

mod common;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bess_fieldbus::{FieldbusError, Limits, PacedDriver};
use bess_rig::{WireInput, WireOutput};
use bess_types::{CanFrame, CanId, FdFlags, SimTime};
use common::{Bench, open};
use socketcan::{
    CanAnyFrame, CanDataFrame, CanErrorFrame, CanFdFrame, CanFdSocket, CanRemoteFrame, CanSocket,
    EmbeddedFrame, ExtendedId, Socket, StandardId,
};

/// The CAN interfaces, for one test at a time; says so if there are none.
fn vcan() -> Option<MutexGuard<'static, ()>> {
    static ONE_TEST: Mutex<()> = Mutex::new(());
    if std::env::var_os("BESSRIG_VCAN").is_none_or(|v| v != "1") {
        println!("not run: needs vcan0..vcan9 and BESSRIG_VCAN=1 (ci/vcan.sh provides the interfaces)");
        return None;
    }
    Some(ONE_TEST.lock().unwrap_or_else(PoisonError::into_inner))
}

#[test]
fn a_missing_interface_is_named_with_the_remedy() {
    let error = PacedDriver::new(Bench::new().with_can("vcan77"), Limits::default())
        .err()
        .unwrap();
    let text = error.to_string();
    match error {
        FieldbusError::NoCanSockets { .. } => assert!(vcan().is_none(), "this kernel has CAN sockets"),
        FieldbusError::NoSuchInterface { .. } => {
            assert!(text.contains("ip link add dev vcan77 type vcan"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(
        text.contains("bus-0") && text.contains("vcan77") && text.contains("ci/vcan.sh -- "),
        "{text}"
    );
}

fn frame(id: u32, data: &[u8]) -> CanFrame {
    CanFrame::new(CanId::Extended(id), data).unwrap()
}

fn outside(id: u32, data: &[u8]) -> CanDataFrame {
    CanDataFrame::new(ExtendedId::new(id).unwrap(), data).unwrap()
}

/// What was offered, with its bus.
fn heard(driver: &PacedDriver<Bench>) -> Vec<String> {
    let inputs = driver.rig().seen.iter().map(|(_, input)| match input {
        WireInput::Can { bus, frame } => format!("{bus} {frame}"),
        WireInput::CanError { bus, class, data } => format!("{bus} error {class:X} {data:?}"),
        other => panic!("{other:?}"),
    });
    inputs.collect()
}

/// `ip` with these words.
fn ip(words: &str) -> bool {
    Command::new("ip")
        .args(words.split(' '))
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn can_fd_goes_both_ways_where_the_interface_carries_it() {
    let Some(_vcan) = vcan() else { return };
    if !ip("link add dev vcan91 type vcan") {
        println!("not run: may not create vcan91");
        return;
    }
    assert!(ip("link set vcan91 mtu 16") && ip("link set vcan91 up"));
    let classic = PacedDriver::new(Bench::new().with_can("vcan91").speaking_fd(), Limits::default()).err();
    assert!(
        matches!(classic, Some(FieldbusError::ClassicInterface { .. })),
        "{classic:?}"
    );
    assert!(ip("link set vcan91 down") && ip("link set vcan91 mtu 72") && ip("link set vcan91 up"));
    let peer = CanFdSocket::open("vcan91").unwrap();
    let flags = FdFlags {
        bit_rate_switch: true,
        error_passive: false,
    };
    let long = CanFrame::new_fd(CanId::Extended(0x18_10_A0_01), flags, &[7; 64]).unwrap();
    let mut driver = open(Bench::new().with_can("vcan91").speaking_fd().ticking(move |_| {
        [long, frame(5, &[1]), long]
            .map(|frame| WireOutput::Can { bus: 0, frame })
            .into()
    }));
    driver.run(SimTime::from_millis(20), &mut |_| false);
    let mut fd = CanFdFrame::new(StandardId::new(6).unwrap(), &[9; 24]).unwrap();
    fd.set_brs(true);
    peer.write_frame(&fd).unwrap();
    driver.run(SimTime::from_millis(60), &mut |_| false);
    assert_eq!(heard(&driver), [format!("0 006##1{}", "09".repeat(24))]);
    for _ in 0..2 {
        for expected in [64, 1, 64] {
            let heard = peer.read_frame().unwrap();
            assert_eq!(heard.data().len(), expected);
            match heard {
                CanAnyFrame::Fd(frame) => assert!(expected == 64 && frame.is_brs() && !frame.is_esi()),
                other => assert!(expected == 1 && matches!(other, CanAnyFrame::Normal(_))),
            }
        }
    }
    assert_eq!(driver.health().dropped_frames, 0);
    assert!(ip("link del dev vcan91"));
}

#[test]
fn frames_go_both_ways_and_others_are_counted() {
    let Some(_vcan) = vcan() else { return };
    let peer = CanFdSocket::open("vcan1").unwrap();
    let mut driver = open(Bench::new().with_can("vcan0").with_can("vcan1").ticking(|at| {
        let ms = at.as_nanos() / 1_000_000;
        vec![
            WireOutput::Can {
                bus: 1,
                frame: frame(0x18_10_A0_01, &ms.to_le_bytes()),
            },
            WireOutput::Can {
                bus: 1,
                frame: frame(0x18_20_A0_01, &[]),
            },
        ]
    }));
    driver.run(SimTime::from_millis(20), &mut |_| false);
    peer.write_frame(&outside(0x1234, &[1, 2, 3])).unwrap();
    peer.write_frame(&CanDataFrame::new(StandardId::new(0x123).unwrap(), &[]).unwrap())
        .unwrap();
    peer.write_frame(&CanRemoteFrame::new_remote(StandardId::new(5).unwrap(), 2).unwrap())
        .unwrap();
    peer.write_frame(&CanErrorFrame::new_error(0x84, &[0, 0x10, 0, 0, 0, 0, 128, 7]).unwrap())
        .unwrap();
    driver.run(SimTime::from_millis(100), &mut |_| false);

    assert_eq!(
        heard(&driver),
        [
            "1 00001234#010203",
            "1 123#",
            "1 error 84 [0, 16, 0, 0, 0, 0, 128, 7]"
        ],
        "own frames do not come back"
    );
    assert_eq!(driver.health().undecoded, 1, "the remote frame");
    assert_eq!(driver.health().dropped_frames, 0);
    for n in 1..=10_u64 {
        for id in [0x18_10_A0_01, 0x18_20_A0_01] {
            let heard = peer.read_frame().unwrap();
            assert_eq!(heard.id(), ExtendedId::new(id).unwrap().into(), "frame pair {n}");
            if id == 0x18_10_A0_01 {
                assert_eq!(heard.data(), (n * 10).to_le_bytes());
            }
        }
    }
}

#[test]
fn arrivals_carry_the_time_the_kernel_saw_them() {
    let Some(_vcan) = vcan() else { return };
    let peer = CanSocket::open("vcan0").unwrap();
    let mut driver = open(Bench::new().with_can("vcan0"));
    driver.run(SimTime::from_millis(20), &mut |_| false);
    // While the owner is away, three frames 30 ms apart: they keep their distance.
    for _ in 0..3 {
        peer.write_frame(&outside(1, &[])).unwrap();
        thread::sleep(Duration::from_millis(30));
    }
    driver.run(SimTime::from_millis(200), &mut |_| false);
    let at: Vec<_> = driver.rig().seen.iter().map(|(at, _)| *at).collect();
    assert_eq!(at.len(), 3);
    assert!(
        at[1] - at[0] >= Duration::from_millis(25) && at[2] - at[1] >= Duration::from_millis(25),
        "{at:?}"
    );
}

#[test]
fn an_interface_that_goes_is_inconclusive_not_a_crash_and_is_used_again_when_it_is_back() {
    let Some(_vcan) = vcan() else { return };
    if !ip("link add dev vcan90 type vcan") {
        println!("not run: may not create vcan90");
        return;
    }
    let down = PacedDriver::new(Bench::new().with_can("vcan90"), Limits::default()).err();
    assert!(
        matches!(down, Some(FieldbusError::InterfaceDown { .. })),
        "{down:?}"
    );
    assert!(ip("link set vcan90 up"));
    let mut driver = open(Bench::new().with_can("vcan90").ticking(|_| {
        vec![WireOutput::Can {
            bus: 0,
            frame: frame(1, &[]),
        }]
    }));
    driver.run(SimTime::from_millis(20), &mut |_| false);
    // Both ways, and how much was lost so far.
    let works = |driver: &mut PacedDriver<Bench>| {
        let peer = CanSocket::open("vcan90").unwrap();
        peer.set_nonblocking(true).unwrap();
        let seen = driver.rig().seen.len();
        peer.write_frame(&outside(0x77, &[])).unwrap();
        // Time that `ip` took has to be caught up with first.
        let limit = bess_fieldbus::Steppable::now(driver.rig()) + Duration::from_secs(10);
        assert!(
            driver.run(limit, &mut |bench| bench.seen.len() > seen),
            "it hears"
        );
        let lost = driver.health().dropped_frames;
        common::run_for(driver, Duration::from_millis(100));
        assert!(peer.read_frame().is_ok(), "it sends");
        assert_eq!(driver.health().dropped_frames, lost, "no more is lost");
        lost
    };
    assert_eq!(works(&mut driver), 0);
    assert!(ip("link set vcan90 down"));
    common::run_for(&mut driver, Duration::from_millis(200));
    assert!(ip("link set vcan90 up"));
    let down = works(&mut driver);
    assert!(down > 0);
    assert!(ip("link del dev vcan90"));
    common::run_for(&mut driver, Duration::from_millis(300));
    assert!(ip("link add dev vcan90 type vcan") && ip("link set vcan90 up"));
    thread::sleep(Duration::from_millis(800));
    assert!(works(&mut driver) > down);
    let health = driver.health();
    assert!(health.inconclusive.unwrap().contains("vcan90"));
    assert!(ip("link del dev vcan90"));
    let lo = PacedDriver::new(Bench::new().with_can("lo"), Limits::default()).err();
    assert!(
        matches!(lo, Some(FieldbusError::NotACanInterface { .. })),
        "{lo:?}"
    );
}

/// The load of a container: 5,000 frames a second each way over ten buses. Prints what it costs.
#[test]
fn five_thousand_frames_a_second_over_ten_buses() {
    let Some(_vcan) = vcan() else { return };
    let mut bench = Bench::new();
    for n in 0..10 {
        bench = bench.with_can(&format!("vcan{n}"));
    }
    let mut driver = open(bench.ticking(|_| {
        (0..50)
            .map(|n| WireOutput::Can {
                bus: n % 10,
                frame: frame(u32::try_from(n).unwrap(), &[1; 8]),
            })
            .collect()
    }));
    // The peer begins when the driver's sockets are open, so that every frame has somebody to hear it.
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&stop);
    let peer = thread::spawn(move || {
        let sockets: Vec<_> = (0..10)
            .map(|n| CanSocket::open(&format!("vcan{n}")).unwrap())
            .collect();
        let start = Instant::now();
        let mut sent = 0;
        while !done.load(Ordering::Relaxed) {
            let due = start + Duration::from_millis(10) * (sent / 50);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            for n in 0..50 {
                sockets[n % 10]
                    .write_frame(&outside(u32::try_from(n).unwrap(), &[0; 8]))
                    .unwrap();
                sent += 1;
            }
        }
        sent
    });
    let cpu = common::cpu_seconds();
    driver.run(SimTime::from_millis(4000), &mut |_| false);
    let cpu = common::cpu_seconds() - cpu;
    stop.store(true, Ordering::Relaxed);
    let sent = peer.join().unwrap();
    driver.run(SimTime::from_millis(4200), &mut |_| false);
    let got = driver
        .rig()
        .seen
        .iter()
        .filter(|(_, input)| matches!(input, WireInput::Can { .. }))
        .count();
    let health = driver.health();
    println!(
        "received {got} of {sent}, CPU of driver and peer {:.1} %",
        cpu / 4.0 * 100.0
    );
    println!("{health:#?}");
    assert_eq!(got, usize::try_from(sent).unwrap());
    assert_eq!(health.dropped_frames, 0);
}
