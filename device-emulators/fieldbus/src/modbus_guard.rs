//! What stands between a TCP stream and the Modbus library's decoder.
//!
//! The library panics or drops the connection on requests whose counts contradict each other; a real part
//! answers exception 03. The guard passes whole ADUs only, one at a time, and replaces a malformed PDU by a
//! well-formed one of the same function, marked as malformed, so that the device still decides (a device
//! without supply stays silent). A broken ADU header ends the connection, as there is no telling where the next
//! ADU begins.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// ADU header: transaction, protocol, length, unit.
const HEADER: usize = 7;
/// Longest PDU of the protocol.
const MAX_PDU: usize = 253;

/// A TCP stream of which only well-formed requests can be read.
#[derive(Debug)]
pub(crate) struct GuardedStream {
    stream: Arc<TcpStream>,
    /// As received.
    raw: Vec<u8>,
    /// The ADU being passed on, and how much of it was.
    passing: Vec<u8>,
    passed: usize,
    /// Whether the ADU being passed on stands for a malformed one.
    malformed: Arc<AtomicBool>,
}

impl GuardedStream {
    /// Guards `stream`; the flag tells whether the request decoded last was malformed.
    pub(crate) fn new(stream: Arc<TcpStream>) -> (Self, Arc<AtomicBool>) {
        let malformed = Arc::new(AtomicBool::new(false));
        let guarded = Self {
            stream,
            raw: Vec::with_capacity(HEADER + MAX_PDU),
            passing: Vec::with_capacity(HEADER + MAX_PDU),
            passed: 0,
            malformed: Arc::clone(&malformed),
        };
        (guarded, malformed)
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.passed < this.passing.len() {
                let n = out.remaining().min(this.passing.len() - this.passed);
                out.put_slice(&this.passing[this.passed..this.passed + n]);
                this.passed += n;
                return Poll::Ready(Ok(()));
            }
            if let Some(malformed) = next_adu(&mut this.raw, &mut this.passing)? {
                this.passed = 0;
                this.malformed.store(malformed, Ordering::Relaxed);
                continue;
            }
            ready!(this.stream.poll_read_ready(context))?;
            let mut chunk = [0; HEADER + MAX_PDU];
            match this.stream.try_read(&mut chunk) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(n) => this.raw.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Moves the first complete ADU from `raw` to `adu`, made well-formed; whether it was malformed.
fn next_adu(raw: &mut Vec<u8>, adu: &mut Vec<u8>) -> io::Result<Option<bool>> {
    let Some(header) = raw.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let protocol = u16::from_be_bytes([header[2], header[3]]);
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    // The length counts the unit id and at least a function code.
    if protocol != 0 || !(2..=MAX_PDU + 1).contains(&length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("no Modbus TCP header: protocol {protocol}, length {length}"),
        ));
    }
    let end = HEADER - 1 + length;
    let Some(pdu) = raw.get(HEADER..end) else {
        return Ok(None);
    };
    let replacement = replacement(pdu);
    let pdu = replacement.map_or(pdu, |(pdu, _)| pdu);
    adu.clear();
    adu.extend_from_slice(&header[..4]);
    adu.extend_from_slice(&u16::try_from(pdu.len() + 1).unwrap_or(u16::MAX).to_be_bytes());
    adu.push(header[6]);
    adu.extend_from_slice(pdu);
    raw.drain(..end);
    Ok(Some(replacement.is_some_and(|(_, malformed)| malformed)))
}

/// What to pass on instead of `pdu`, and whether it was malformed; `None` if it may pass as it is.
fn replacement(pdu: &[u8]) -> Option<(&'static [u8], bool)> {
    let word = |at: usize| {
        pdu.get(at..at + 2)
            .map_or(0, |b| usize::from(b[0]) << 8 | usize::from(b[1]))
    };
    let byte = |at: usize| pdu.get(at).map_or(0, |b| usize::from(*b));
    let (well_formed, instead): (bool, &'static [u8]) = match pdu[0] {
        1 => (pdu.len() == 5, &[1, 0, 0, 0, 1]),
        2 => (pdu.len() == 5, &[2, 0, 0, 0, 1]),
        3 => (pdu.len() == 5, &[3, 0, 0, 0, 1]),
        4 => (pdu.len() == 5, &[4, 0, 0, 0, 1]),
        5 => (pdu.len() == 5 && matches!(word(3), 0 | 0xFF00), &[5, 0, 0, 0, 0]),
        6 => (pdu.len() == 5, &[6, 0, 0, 0, 0]),
        15 => (
            pdu.len() == 6 + byte(5) && byte(5) == word(3).div_ceil(8),
            &[15, 0, 0, 0, 1, 1, 0],
        ),
        16 => (
            pdu.len() == 6 + byte(5) && byte(5) == 2 * word(3),
            &[16, 0, 0, 0, 1, 2, 0, 0],
        ),
        // Functions the rig does not decode: their content is no matter, but the library would look at it.
        0x11 => return Some((&[0x11], false)),
        0x16 => return Some((&[0x16, 0, 0, 0, 0, 0, 0], false)),
        0x17 => return Some((&[0x17, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0], false)),
        0x2B => return Some((&[0x2B, 0x0E, 1, 0], false)),
        // The library ends the connection at 128 and above, which no client may send.
        _ => (true, &[]),
    };
    (!well_formed).then_some((instead, true))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use tokio_modbus::Request;
    use tokio_modbus::bytes::Bytes;

    use super::*;

    fn adu(pdu: &[u8]) -> Vec<u8> {
        let mut adu = vec![0, 7, 0, 0, 0, u8::try_from(pdu.len() + 1).unwrap(), 1];
        adu.extend_from_slice(pdu);
        adu
    }

    #[test]
    fn good_requests_pass_unchanged_one_by_one() {
        let first = adu(&[3, 0, 1, 0, 2]);
        let second = adu(&[16, 0, 1, 0, 1, 2, 0xAB, 0xCD]);
        let mut raw = [first.clone(), second.clone(), vec![0, 8]].concat();
        let mut out = Vec::new();
        assert_eq!(next_adu(&mut raw, &mut out).unwrap(), Some(false));
        assert_eq!(out, first);
        assert_eq!(next_adu(&mut raw, &mut out).unwrap(), Some(false));
        assert_eq!(out, second);
        assert_eq!(next_adu(&mut raw, &mut out).unwrap(), None);
        assert_eq!(raw, [0, 8]);
    }

    #[test]
    fn contradicting_counts_are_replaced() {
        for pdu in [
            &[15, 0, 0, 0xFF, 0xFF, 1, 0][..],
            &[16, 0, 0, 0x80, 0x00, 0],
            &[16, 0, 0, 0, 2, 2, 0, 0],
            &[5, 0, 0, 0x12, 0x34],
            &[3, 0],
            &[6],
        ] {
            let mut raw = adu(pdu);
            let mut out = Vec::new();
            assert_eq!(next_adu(&mut raw, &mut out).unwrap(), Some(true), "{pdu:?}");
            assert_eq!(out[HEADER], pdu[0]);
            assert_eq!(
                replacement(&out[HEADER..]),
                None,
                "the replacement is well-formed"
            );
        }
    }

    #[test]
    fn a_broken_header_is_an_error() {
        let mut out = Vec::new();
        for header in [
            [0, 0, 0, 1, 0, 6, 1],
            [0, 0, 0, 0, 0, 0, 1],
            [0, 0, 0, 0, 0, 1, 1],
            [0, 0, 0, 0, 1, 0, 1],
        ] {
            assert!(next_adu(&mut header.to_vec(), &mut out).is_err(), "{header:?}");
        }
    }

    proptest::proptest! {
        /// Whatever a client sends, what passes the guard is decoded, or refused in good order.
        #[test]
        fn nothing_that_passes_upsets_the_library(
            function in proptest::sample::select(vec![0_u8, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 20, 22, 23, 24, 43, 127, 128, 255]),
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..252),
        ) {
            let pdu = [&[function][..], &rest].concat();
            let mut out = Vec::new();
            let malformed = next_adu(&mut adu(&pdu), &mut out).unwrap();
            proptest::prop_assert!(malformed.is_some());
            let request = Request::try_from(Bytes::copy_from_slice(&out[HEADER..]));
            proptest::prop_assert_eq!(request.is_ok(), function < 128);
        }

        #[test]
        fn any_bytes_are_split_or_refused(mut raw: Vec<u8>) {
            let mut out = Vec::new();
            let before = raw.len();
            let taken = matches!(next_adu(&mut raw, &mut out), Ok(Some(_)));
            proptest::prop_assert_eq!(taken, raw.len() < before);
        }
    }
}
