//! What a run leaves behind while it runs: the event log, a candump text per bus, and Modbus messages if wanted.

use bess_types::{CanFrame, CanId, Event, FdFlags, SimTime};

pub(crate) mod modbus;

pub use modbus::{MessageKind, MessageLine, ModbusMessage};

use modbus::ModbusTrace;

/// Marks an error frame's identifier (linux/can.h).
const ERROR_FLAG: u32 = 0x2000_0000;

/// Event log and bus traces of one run.
#[derive(Debug, Default)]
pub struct Recorder {
    events: Vec<Event>,
    /// Beside each event, how many there were when it became known.
    arrivals: Vec<usize>,
    traces: Vec<Vec<u8>>,
    /// Only if somebody takes the messages: they cost more than a frame.
    pub(crate) modbus: Option<ModbusTrace>,
}

impl Recorder {
    pub(crate) fn new(buses: usize) -> Self {
        Self {
            events: vec![],
            arrivals: vec![],
            traces: vec![vec![]; buses],
            modbus: None,
        }
    }

    /// Puts an event where its time belongs: the plant tells at a tick what happened since the last one.
    pub(crate) fn event(&mut self, event: Event) {
        let later = self
            .events
            .iter()
            .rev()
            .take_while(|other| other.at > event.at)
            .count();
        let place = self.events.len() - later;
        self.arrivals.insert(place, self.events.len());
        self.events.insert(place, event);
    }

    /// The event log so far, in order of time.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Events that became known when there were `seen` already, or later; in order of time.
    pub fn events_after(&self, seen: usize) -> Vec<&Event> {
        let mut missing = self.events.len().saturating_sub(seen);
        let mut found = Vec::with_capacity(missing);
        for (event, arrival) in self.events.iter().zip(&self.arrivals).rev() {
            if missing == 0 {
                break;
            }
            if *arrival >= seen {
                found.push(event);
                missing -= 1;
            }
        }
        found.reverse();
        found
    }

    /// One line as `candump -L` writes it, rig time in place of the epoch.
    pub(crate) fn frame(&mut self, bus: usize, name: &str, at: SimTime, frame: &CanFrame) {
        let digits = if matches!(frame.id, CanId::Standard(_)) {
            3
        } else {
            8
        };
        self.line(
            bus,
            name,
            at,
            (frame.id.raw(), digits),
            frame.fd.map(FdFlags::nibble),
            frame.data(),
        );
    }

    /// An error frame as the Linux kernel reports it: `class` of error under the error flag, and its eight bytes.
    pub(crate) fn error_frame(&mut self, bus: usize, name: &str, at: SimTime, class: u32, data: [u8; 8]) {
        self.line(bus, name, at, (ERROR_FLAG | class, 8), None, &data);
    }

    fn line(
        &mut self,
        bus: usize,
        name: &str,
        at: SimTime,
        (id, digits): (u32, u32),
        fd: Option<u8>,
        data: &[u8],
    ) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let out = &mut self.traces[bus];
        let micros = at.as_nanos() / 1_000;
        out.push(b'(');
        decimal(out, micros / 1_000_000, 10);
        out.push(b'.');
        decimal(out, micros % 1_000_000, 6);
        out.extend_from_slice(b") ");
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        for digit in (0..digits).rev() {
            out.push(HEX[(id >> (4 * digit) & 0xF) as usize]);
        }
        out.push(b'#');
        if let Some(flags) = fd {
            out.extend([b'#', HEX[usize::from(flags & 0xF)]]);
        }
        for byte in data {
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 0xF)]);
        }
        out.push(b'\n');
    }

    pub(crate) fn drain_trace(&mut self, bus: usize, sink: &mut dyn FnMut(&[u8])) {
        if !self.traces[bus].is_empty() {
            sink(&self.traces[bus]);
            self.traces[bus].clear();
        }
    }
}

fn decimal(out: &mut Vec<u8>, value: u64, digits: usize) {
    let start = out.len();
    out.resize(start + digits, b'0');
    let mut rest = value;
    for slot in out[start..].iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn what_became_known_late_is_new_all_the_same() {
        let event = |ms, point: &str| Event {
            at: SimTime::from_millis(ms),
            tag: "site-01".parse().unwrap(),
            point: point.into(),
            value: 1.0,
            text: String::new(),
            source: bess_types::Source::Plant,
        };
        let mut recorder = Recorder::new(0);
        recorder.event(event(10, "a"));
        recorder.event(event(30, "c"));
        assert_eq!(recorder.events_after(0).len(), 2);
        recorder.event(event(20, "b"));
        recorder.event(event(40, "d"));
        let names = |seen| -> Vec<&str> {
            let new = recorder.events_after(seen);
            new.iter().map(|event| event.point.as_str()).collect()
        };
        assert_eq!(names(2), ["b", "d"]);
        assert_eq!(names(3), ["d"]);
        assert!(names(4).is_empty());
    }

    #[test]
    fn writes_candump_lines() {
        let mut recorder = Recorder::new(1);
        let long = CanFrame::new(CanId::Extended(0x18_20_A0_01), &[0x0C, 0xE4]).unwrap();
        let short = CanFrame::new(CanId::Standard(0x351), &[]).unwrap();
        recorder.frame(0, "cluster-can-01", SimTime::from_nanos(12_340_100_900), &long);
        recorder.frame(0, "cluster-can-01", SimTime::from_millis(12_350), &short);
        let mut text = Vec::new();
        recorder.drain_trace(0, &mut |bytes| text.extend_from_slice(bytes));
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "(0000000012.340100) cluster-can-01 1820A001#0CE4\n(0000000012.350000) cluster-can-01 351#\n"
        );
    }
}
