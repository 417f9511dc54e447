//! As much HTTP as commands need: one request, one answer, one connection.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bess_telemetry::{Command, CommandReply, Refusal};

use super::live::Access;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take: the rig itself waits up to 5 s.
const PATIENCE: Duration = Duration::from_secs(8);
/// Largest answer that is read, bytes.
const LARGEST: u64 = 1 << 20;

/// Opens a connection.
pub(super) fn open(address: &str) -> Result<TcpStream, String> {
    let places = address.to_socket_addrs().map_err(|error| error.to_string())?;
    let mut why = "the name leads nowhere".to_owned();
    for place in places {
        match TcpStream::connect_timeout(&place, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// Tells the rig to do something.
pub(super) fn command(access: &Access, command: &Command) -> Result<CommandReply, Refusal> {
    let unsaid = |error: String, remedy: &str| Refusal {
        error,
        remedy: remedy.to_owned(),
    };
    let body = serde_json::to_string(command).map_err(|error| unsaid(error.to_string(), ""))?;
    let (status, body) = post(access, "/api/commands", &body)
        .map_err(|error| unsaid(error, "see whether the rig still runs"))?;
    if status == 200 {
        return serde_json::from_slice(&body).map_err(|error| {
            unsaid(
                format!("the answer cannot be read: {error}"),
                "is this a bessrig?",
            )
        });
    }
    Err(serde_json::from_slice(&body)
        .unwrap_or_else(|_| unsaid(format!("answered with status {status}"), "is this a bessrig?")))
}

/// Posts JSON; status and body of the answer.
fn post(access: &Access, path: &str, body: &str) -> Result<(u16, Vec<u8>), String> {
    let mut stream = open(&access.address)?;
    let io = |error: std::io::Error| error.to_string();
    stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(io)?;
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n",
        access.address,
        body.len()
    );
    if let Some(token) = &access.token {
        let _ = write!(head, "Authorization: Bearer {token}\r\n");
    }
    stream
        .write_all(format!("{head}\r\n{body}").as_bytes())
        .map_err(io)?;
    let mut answer = Vec::new();
    // who has answered in full may cut the connection as it likes
    let read = stream.take(LARGEST).read_to_end(&mut answer);
    split(&answer).ok_or_else(|| match read {
        Err(error) => error.to_string(),
        Ok(_) => "the answer is no HTTP".to_owned(),
    })
}

/// Status and body of an answer that is complete.
fn split(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    if !first.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let status = first.next()?.parse().ok()?;
    let body = &answer[end + 4..];
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Some(body.len()), |(_, value)| value.trim().parse().ok())?;
    Some((status, body.get(..length)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split;

    #[test]
    fn an_answer_is_read_when_it_is_complete() {
        let answer =
            b"HTTP/1.1 409 Conflict\r\ncontent-type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(split(answer), Some((409, b"{}".to_vec())));
        assert_eq!(split(&answer[..answer.len() - 1]), None);
        assert_eq!(split(b"SSH-2.0-OpenSSH\r\n\r\n"), None);
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(answer: Vec<u8>, length in any::<i64>()) {
            let _ = split(&answer);
            let mut framed = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
            framed.extend(&answer);
            let _ = split(&framed);
        }
    }
}
