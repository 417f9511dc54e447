//! From a thread that must go on reading to a picture that must not wait.
//!
//! What finds no room in the channel waits here. What waits is thinned: of frames of cells only the newest is kept, points are
//! put together into one frame. Events are kept all; when many wait, reading stops, and the rig keeps them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Instant;

use bess_telemetry::{Cells, Event, Frame, Points};

/// Messages on the way.
pub(super) const CHANNEL: usize = 256;
/// Events that wait before reading stops.
const EVENTS: usize = 4096;

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) why: String,
    /// The rig asks for another token.
    pub(super) refused: bool,
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self { why, refused: false }
    }
}

/// What a thread tells of a live rig.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// The connection stands.
    Opened,
    /// The rig said something.
    Frame(Box<Frame>, Instant),
    /// The connection is gone, or could not be made.
    Lost(Trouble),
    /// Something the reader is to know.
    Note(String),
    /// So many frames were left out so far.
    Skipped(u64),
}

/// The sending end.
pub(super) struct Outbox {
    sender: SyncSender<Message>,
    /// In their order.
    waiting: VecDeque<Message>,
    cells: Option<Cells>,
    points: Option<Points>,
    events: VecDeque<Event>,
    heard: Instant,
    skipped: u64,
    told: u64,
}

impl Outbox {
    pub(super) fn new(sender: SyncSender<Message>) -> Self {
        Self {
            sender,
            waiting: VecDeque::new(),
            cells: None,
            points: None,
            events: VecDeque::new(),
            heard: Instant::now(),
            skipped: 0,
            told: 0,
        }
    }

    /// Hands a frame over, or keeps it. Whether anybody is there to take it.
    pub(super) fn frame(&mut self, frame: Frame) -> bool {
        self.heard = Instant::now();
        if !self.flush() {
            return false;
        }
        if self.is_empty() {
            return self.send(Message::Frame(Box::new(frame), self.heard));
        }
        match frame {
            Frame::Cells(cells) => self.skipped += u64::from(self.cells.replace(cells).is_some()),
            Frame::Points(points) => match &mut self.points {
                Some(waiting) => {
                    merge(waiting, points);
                    self.skipped += 1;
                }
                None => self.points = Some(points),
            },
            Frame::Events(event) => self.events.push_back(event),
            // all before it is of another rig, or told again
            Frame::Description(description) => {
                self.cells = None;
                self.points = None;
                self.events.clear();
                self.waiting.push_back(Message::Frame(
                    Box::new(Frame::Description(description)),
                    self.heard,
                ));
            }
            Frame::Status(status) => {
                self.waiting.retain(|message| {
                    !matches!(message, Message::Frame(frame, _) if matches!(**frame, Frame::Status(_)))
                });
                self.waiting
                    .push_back(Message::Frame(Box::new(Frame::Status(status)), self.heard));
            }
        }
        true
    }

    /// Hands something else over, or keeps it.
    pub(super) fn say(&mut self, message: Message) -> bool {
        if !self.flush() {
            return false;
        }
        if self.is_empty() {
            return self.send(message);
        }
        if self.waiting.len() < CHANNEL {
            self.waiting.push_back(message);
        }
        true
    }

    /// Whether so much waits that reading has to stop.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= EVENTS
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.cells.is_none() && self.points.is_none() && self.events.is_empty()
    }

    /// Hands over what waits, as far as there is room.
    pub(super) fn flush(&mut self) -> bool {
        while let Some(message) = self.next() {
            match self.sender.try_send(message) {
                Ok(()) => {}
                Err(TrySendError::Full(message)) => {
                    self.put_back(message);
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        if self.skipped != self.told && self.sender.try_send(Message::Skipped(self.skipped)).is_ok() {
            self.told = self.skipped;
        }
        true
    }

    fn next(&mut self) -> Option<Message> {
        let heard = self.heard;
        let frame = |frame| Message::Frame(Box::new(frame), heard);
        self.waiting
            .pop_front()
            .or_else(|| self.points.take().map(|points| frame(Frame::Points(points))))
            .or_else(|| self.cells.take().map(|cells| frame(Frame::Cells(cells))))
            .or_else(|| self.events.pop_front().map(|event| frame(Frame::Events(event))))
    }

    fn put_back(&mut self, message: Message) {
        match message {
            Message::Frame(frame, heard) => match *frame {
                Frame::Points(points) => self.points = Some(points),
                Frame::Cells(cells) => self.cells = Some(cells),
                Frame::Events(event) => self.events.push_front(event),
                frame => self.waiting.push_front(Message::Frame(Box::new(frame), heard)),
            },
            message => self.waiting.push_front(message),
        }
    }

    fn send(&mut self, message: Message) -> bool {
        match self.sender.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(message)) => {
                self.put_back(message);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// Lays a newer frame over an older one.
fn merge(waiting: &mut Points, newer: Points) {
    if newer.complete || newer.index.len() != newer.value.len() {
        *waiting = newer;
        return;
    }
    let pairs = |frame: &mut Points| {
        let index = std::mem::take(&mut frame.index);
        index.into_iter().zip(std::mem::take(&mut frame.value))
    };
    let mut all: BTreeMap<u32, Option<f64>> = pairs(waiting).collect();
    let mut newer = newer;
    all.extend(pairs(&mut newer));
    waiting.at_ns = newer.at_ns;
    (waiting.index, waiting.value) = all.into_iter().unzip();
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use bess_telemetry::Status;
    use proptest::prelude::*;

    use super::*;

    fn points(at_ns: u64, pairs: &[(u32, f64)]) -> Frame {
        Frame::Points(Points {
            at_ns,
            complete: false,
            index: pairs.iter().map(|(index, _)| *index).collect(),
            value: pairs.iter().map(|(_, value)| Some(*value)).collect(),
        })
    }

    fn cells(at_ns: u64) -> Frame {
        Frame::Cells(Cells {
            at_ns,
            ..Cells::default()
        })
    }

    #[test]
    fn what_finds_no_room_is_thinned_and_counted() {
        let (sender, receiver) = sync_channel(1);
        let mut outbox = Outbox::new(sender);
        assert!(outbox.frame(points(1, &[(0, 1.0), (1, 1.0)])));
        for at in 2..10 {
            assert!(outbox.frame(points(
                at,
                &[(1, 2.0 + f64::from(u32::try_from(at).unwrap_or(0)))]
            )));
            assert!(outbox.frame(cells(at)));
        }
        let mut got = Vec::new();
        for _ in 0..10 {
            got.extend(receiver.try_iter());
            assert!(outbox.flush());
        }
        let frames: Vec<_> = got
            .iter()
            .filter_map(|message| match message {
                Message::Frame(frame, _) => Some(&**frame),
                _ => None,
            })
            .collect();
        assert_eq!(
            frames,
            [
                &points(1, &[(0, 1.0), (1, 1.0)]),
                &points(9, &[(1, 11.0)]),
                &cells(9)
            ]
        );
        assert!(matches!(got.last(), Some(Message::Skipped(14))), "{got:?}");
    }

    #[test]
    fn a_reader_that_is_gone_is_noticed() {
        let (sender, receiver) = sync_channel(1);
        let mut outbox = Outbox::new(sender);
        drop(receiver);
        assert!(!outbox.frame(cells(1)));
        assert!(!outbox.say(Message::Opened));
    }

    proptest! {
        /// However slow the reader is: the newest value of every point and every event reach it, in order.
        #[test]
        fn nothing_that_counts_is_lost(
            steps in proptest::collection::vec((0_u8..4, 0_u32..5, 0_usize..4), 1..200),
        ) {
            let (sender, receiver) = sync_channel(2);
            let mut outbox = Outbox::new(sender);
            let mut sent = BTreeMap::new();
            let mut events = 0;
            let mut got = Vec::new();
            for (n, (what, point, taken)) in steps.iter().enumerate() {
                let at_ns = n as u64;
                let value = f64::from(u32::try_from(n).unwrap_or(0));
                let frame = match what {
                    0 => {
                        sent.insert(*point, value);
                        points(at_ns, &[(*point, value)])
                    }
                    1 => cells(at_ns),
                    2 => {
                        events += 1;
                        Frame::Events(Event {
                            id: events - 1,
                            at_ns,
                            kind: bess_telemetry::Kind::Change,
                            truth: bess_telemetry::Truth::T,
                            tag: String::new(),
                            point: String::new(),
                            value: 0.0,
                            text: String::new(),
                            cause: None,
                            verdict: None,
                            judged: None,
                        })
                    }
                    _ => Frame::Status(Status { at_ns, ..Status::default() }),
                };
                prop_assert!(outbox.frame(frame));
                got.extend(receiver.try_iter().take(*taken));
            }
            for _ in 0..400 {
                got.extend(receiver.try_iter());
                prop_assert!(outbox.flush());
            }
            let mut values = BTreeMap::new();
            let mut ids = Vec::new();
            for message in got {
                if let Message::Frame(frame, _) = message {
                    match *frame {
                        Frame::Points(frame) => values.extend(
                            frame.index.into_iter().zip(frame.value.into_iter().map(Option::unwrap_or_default)),
                        ),
                        Frame::Events(event) => ids.push(event.id),
                        _ => {}
                    }
                }
            }
            prop_assert_eq!(values, sent);
            prop_assert_eq!(ids, (0..events).collect::<Vec<_>>());
        }
    }
}
