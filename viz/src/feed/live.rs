//! A rig that runs, over its control API.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bess_telemetry::{Command, CommandReply, Frame, Refusal, Subscribe};
use tungstenite::http::Uri;
use tungstenite::{ClientRequestBuilder, Error, HandshakeError, Message as Word, WebSocket};

use super::http;
use super::outbox::{CHANNEL, Message, Outbox, Trouble};
use crate::cli::TOKEN;
use crate::model::{Link, Model};

/// First and longest time between two tries to connect.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// How long the rig may take to agree to the stream.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How often a silent connection looks whether it is to end.
const GLANCE: Duration = Duration::from_millis(100);
/// Silence after which a connection is given up: the rig tells its status each second.
const DEAD: Duration = Duration::from_secs(10);
/// Commands on the way.
const COMMANDS: usize = 16;
/// Messages taken for one picture.
const AT_ONCE: usize = 4 * CHANNEL;

/// Where a rig is and how to get in.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Host and port.
    pub address: String,
    /// Token, if the rig asks for one.
    pub token: Option<String>,
    /// Frames of cells and points a second.
    pub hz: f64,
}

impl Access {
    /// Without a token, ten frames a second.
    pub fn to(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            token: None,
            hz: 10.0,
        }
    }
}

type Answer = Result<CommandReply, Refusal>;

/// A live feed.
#[derive(Debug)]
pub struct Live {
    access: Access,
    messages: Receiver<Message>,
    commands: SyncSender<Command>,
    answers: Receiver<(Command, Answer)>,
    stop: Arc<AtomicBool>,
    is_open: bool,
    heard: Option<Instant>,
    trouble: Option<Trouble>,
    skipped: u64,
    /// A command that found no room.
    refused: bool,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Live {
    /// Begins to connect.
    pub fn start(access: Access) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, messages) = sync_channel(CHANNEL);
        let (commands, orders) = sync_channel::<Command>(COMMANDS);
        let (answering, answers) = sync_channel(COMMANDS);
        let reader = {
            let (access, stop) = (access.clone(), Arc::clone(&stop));
            let outbox = Outbox::new(sender);
            move || read(&access, outbox, &stop)
        };
        let commander = {
            let access = access.clone();
            move || {
                for command in orders {
                    let answer = http::command(&access, &command);
                    if answering.send((command, answer)).is_err() {
                        return;
                    }
                }
            }
        };
        // neither is waited for at the end: a thread in the midst of a connection would hold up the window
        let spawned = thread::Builder::new()
            .name("feed".into())
            .spawn(reader)
            .and_then(|_| thread::Builder::new().name("commands".into()).spawn(commander));
        Self {
            access,
            messages,
            commands,
            answers,
            stop,
            is_open: false,
            heard: None,
            trouble: spawned.err().map(|error| error.to_string().into()),
            skipped: 0,
            refused: false,
        }
    }

    /// Hands over what has come since.
    pub fn poll(&mut self, model: &mut Model) {
        for message in self.messages.try_iter().take(AT_ONCE) {
            match message {
                // words that were on the way when it ended
                Message::Opened | Message::Lost(_) if self.stop.load(Ordering::Relaxed) => {}
                Message::Opened => {
                    self.is_open = true;
                    self.trouble = None;
                    model.notice(false, format!("connected to {}", self.access.address));
                }
                Message::Frame(frame, at) => {
                    self.heard = Some(at);
                    model.apply(*frame);
                }
                Message::Lost(trouble) => {
                    self.is_open = false;
                    model.notice(true, format!("{}: {}", self.access.address, trouble.why));
                    self.trouble = Some(trouble);
                }
                Message::Note(text) => model.notice(true, text),
                Message::Skipped(count) => self.skipped = count,
            }
        }
        for (command, answer) in self.answers.try_iter() {
            let name = name_of(&command);
            match answer {
                Ok(CommandReply { at_ns }) => {
                    model.notice(
                        false,
                        format!("{name}: accepted at {}", crate::model::clock(at_ns)),
                    );
                }
                Err(Refusal { error, remedy }) => {
                    model.notice(true, format!("{name} refused: {error} — {remedy}"));
                }
            }
        }
        if std::mem::take(&mut self.refused) {
            model.notice(true, "too many commands wait for the rig");
        }
        model.set_link(Link {
            is_open: self.is_open,
            age: self.heard.map(|at| at.elapsed()),
            source: self.access.address.clone(),
            trouble: self.trouble.as_ref().map(|trouble| trouble.why.clone()),
            is_final: self.trouble.as_ref().is_some_and(|trouble| trouble.refused),
            skipped: self.skipped,
            ..Link::default()
        });
        model.settle();
    }

    /// Stops trying: the rig is known to have ended.
    pub fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.is_open = false;
    }

    /// Tells the rig to do something.
    pub fn command(&mut self, command: Command) {
        if let Err(TrySendError::Full(_)) = self.commands.try_send(command) {
            self.refused = true;
        }
    }
}

/// A command as it is written on the wire.
fn name_of(command: &Command) -> String {
    serde_json::to_value(command)
        .ok()
        .and_then(|value| Some(value.get("command")?.as_str()?.replace('-', " ")))
        .map(|name| name.replace("estop", "E-stop"))
        .unwrap_or_default()
}

/// Connects and reads until told to stop, again and again.
fn read(access: &Access, mut outbox: Outbox, stop: &AtomicBool) {
    let mut wait = FIRST_WAIT;
    while !stop.load(Ordering::Relaxed) {
        let trouble = match connect(access) {
            Ok(socket) => {
                wait = FIRST_WAIT;
                if !outbox.say(Message::Opened) {
                    return;
                }
                match listen(socket, access, &mut outbox, stop) {
                    Some(why) => why.into(),
                    None => return,
                }
            }
            Err(trouble) => trouble,
        };
        if !outbox.say(Message::Lost(trouble)) {
            return;
        }
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if stop.load(Ordering::Relaxed) || !outbox.flush() {
                return;
            }
            thread::sleep(GLANCE.min(wait));
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn connect(access: &Access) -> Result<WebSocket<TcpStream>, Trouble> {
    let stream = http::open(&access.address)
        .map_err(|error| format!("{error} — is `bessrig run` there? It prints where its control API is"))?;
    let io = |error: std::io::Error| error.to_string();
    stream.set_nodelay(true).map_err(io)?;
    stream.set_read_timeout(Some(HANDSHAKE)).map_err(io)?;
    stream.set_write_timeout(Some(HANDSHAKE)).map_err(io)?;
    let uri: Uri = format!("ws://{}/api/stream", access.address)
        .parse()
        .map_err(|error| Trouble::from(format!("this is no address: {error}")))?;
    let mut request = ClientRequestBuilder::new(uri);
    if let Some(token) = &access.token {
        request = request.with_header("Authorization", format!("Bearer {token}"));
    }
    let (socket, _) = tungstenite::client(request, stream).map_err(|error| match error {
        HandshakeError::Failure(Error::Http(answer)) => {
            let body = answer.body().as_deref().unwrap_or_default();
            let status = answer.status().as_u16();
            let why = match serde_json::from_slice::<Refusal>(body) {
                Ok(Refusal { error, .. }) if status == 401 => {
                    format!("{error} — give it in a file with --token-file, or in {TOKEN}")
                }
                Ok(Refusal { error, remedy }) => format!("{error} — {remedy}"),
                Err(_) => format!("answers with status {status} — is this a bessrig?"),
            };
            Trouble {
                why,
                refused: status == 401,
            }
        }
        HandshakeError::Failure(error) => error.to_string().into(),
        HandshakeError::Interrupted(_) => "does not answer".to_owned().into(),
    })?;
    socket.get_ref().set_read_timeout(Some(GLANCE)).map_err(io)?;
    Ok(socket)
}

/// Reads until the connection ends, and says why; none if nobody listens any more.
fn listen(
    mut socket: WebSocket<TcpStream>,
    access: &Access,
    outbox: &mut Outbox,
    stop: &AtomicBool,
) -> Option<String> {
    let wish = Subscribe {
        hz: access.hz.clamp(0.1, 20.0),
        ..Subscribe::default()
    };
    let wish = serde_json::to_string(&wish).unwrap_or_default();
    if let Err(error) = socket.send(Word::text(wish)) {
        return Some(error.to_string());
    }
    let mut heard = Instant::now();
    loop {
        if stop.load(Ordering::Relaxed) || !outbox.flush() {
            let _ = socket.close(None);
            return None;
        }
        if outbox.is_full() {
            thread::sleep(GLANCE);
            heard = Instant::now();
            continue;
        }
        let taken = match socket.read() {
            Ok(Word::Text(text)) => {
                heard = Instant::now();
                take(text.as_str(), outbox)
            }
            Ok(Word::Binary(_)) => outbox.say(Message::Note("left out: binary data".into())),
            Ok(Word::Ping(_) | Word::Pong(_) | Word::Frame(_)) => true,
            Err(Error::Io(error)) if is_silence(&error) => {
                if heard.elapsed() > DEAD {
                    return Some(format!("silent for {} s", DEAD.as_secs()));
                }
                true
            }
            Ok(Word::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                return Some("the rig has ended".into());
            }
            Err(error) => return Some(error.to_string()),
        };
        if !taken {
            return None;
        }
    }
}

fn is_silence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// Takes a message of the rig.
fn take(text: &str, outbox: &mut Outbox) -> bool {
    match serde_json::from_str::<Frame>(text) {
        Ok(frame) => outbox.frame(frame),
        Err(error) => outbox.say(Message::Note(match serde_json::from_str::<Refusal>(text) {
            Ok(Refusal { error, remedy }) => format!("{error} — {remedy}"),
            Err(_) => format!("left out: a frame that cannot be read ({error})"),
        })),
    }
}
