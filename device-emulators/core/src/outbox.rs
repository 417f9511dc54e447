//! What a device has still to put out.

use std::collections::VecDeque;

use bess_types::{Actuation, CanFrame, Line, ModbusReply};

use crate::{Output, Token};

/// Outputs of a device, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
}

impl Outbox {
    pub(crate) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    /// A frame for one of the CAN ports.
    pub(crate) fn can(&mut self, port: u8, frame: CanFrame) {
        self.push(Output::Can { port, frame });
    }

    pub(crate) fn line(&mut self, line: Line, level: bool) {
        self.push(Output::Line { line, level });
    }

    pub(crate) fn actuate(&mut self, actuation: Actuation) {
        self.push(Output::Actuate(actuation));
    }

    /// A change worth an entry in the event log.
    pub(crate) fn note(&mut self, point: &'static str, value: f64, text: impl Into<String>) {
        self.push(Output::Note {
            point,
            value,
            text: text.into(),
        });
    }

    pub(crate) fn reply(&mut self, token: Token, reply: ModbusReply) {
        self.push(Output::ModbusReply {
            token,
            reply: Some(reply),
        });
    }

    /// Leaves a request unanswered.
    pub(crate) fn no_reply(&mut self, token: Token) {
        self.push(Output::ModbusReply { token, reply: None });
    }
}
