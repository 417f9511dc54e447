//! `/api/stream`: a reader says what it wants, then gets frames until it goes.
//!
//! Nothing is sent before the reader's first message, a [`Subscribe`]; a later one replaces it. What cannot be read is
//! answered with a [`bess_telemetry::Refusal`] and changes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use bess_telemetry::{Subscribe, Topic};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Door, Refused, chosen};
use crate::telemetry::Chosen;
use crate::telemetry::hub::{Order, Packet, QUEUE, Wants};

/// Readers at the same time; each has a queue of its own.
pub(super) const READERS: usize = 16;
/// Longest message of a reader, bytes.
pub(super) const LONGEST: usize = 1 << 16;
/// Time for the first message, and for a frame to be taken by the network.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a reader is asked whether it is still there; one that is gone without a word does not answer.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Least time between two wishes of a reader.
const BETWEEN_WISHES: Duration = Duration::from_millis(100);

pub(super) async fn connect(
    State(door): State<Arc<Door>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let upgrade = upgrade.map_err(|error| {
        Refused::new(
            error.status(),
            error.body_text(),
            "open it with a WebSocket client",
        )
    })?;
    if door.readers.fetch_add(1, Ordering::SeqCst) >= READERS {
        door.readers.fetch_sub(1, Ordering::SeqCst);
        return Err(Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{READERS} readers are connected"),
            "close one",
        ));
    }
    let place = Place(Arc::clone(&door));
    Ok(upgrade
        .max_message_size(LONGEST)
        .max_frame_size(LONGEST)
        .on_upgrade(|socket| serve(door, socket, place)))
}

/// One reader's place; free again when dropped, also if no stream came of it.
struct Place(Arc<Door>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(door: Arc<Door>, mut socket: WebSocket, place: Place) {
    let number = door.next_reader.fetch_add(1, Ordering::Relaxed);
    let (sender, mut frames) = mpsc::channel(QUEUE);
    let first = timeout(PATIENCE, wish(&door, &mut socket, number, &sender)).await;
    if let Ok(Some(topics)) = first {
        let described = !topics.contains(&Topic::Description) || {
            let text = String::from_utf8_lossy(&door.description);
            let text = format!("{{\"topic\":\"description\",\"frame\":{text}}}");
            send(&mut socket, Message::text(text)).await
        };
        let mut pings = tokio::time::interval(PING_EVERY);
        let mut ready_at = tokio::time::Instant::now();
        let mut open = described;
        while open {
            open = tokio::select! {
                frame = frames.recv() => match frame {
                    Some(frame) => send(&mut socket, Message::text(frame.text())).await,
                    None => false,
                },
                _ = pings.tick() => send(&mut socket, Message::Ping(Bytes::new())).await,
                () = tokio::time::sleep_until(ready_at), if tokio::time::Instant::now() < ready_at => true,
                read = socket.recv(), if tokio::time::Instant::now() >= ready_at => {
                    ready_at = tokio::time::Instant::now() + BETWEEN_WISHES;
                    hear(&door, &mut socket, number, &sender, read).await.is_some()
                }
            };
        }
    }
    drop(place);
}

/// Waits for a wish that can be read; none if the reader has gone.
async fn wish(
    door: &Door,
    socket: &mut WebSocket,
    number: u64,
    sender: &mpsc::Sender<Arc<Packet>>,
) -> Option<Vec<Topic>> {
    loop {
        let read = socket.recv().await;
        let topics = hear(door, socket, number, sender, read).await?;
        if !topics.is_empty() {
            return Some(topics);
        }
    }
}

/// Takes a message; the topics if it was a wish, none of them if not. `None`: the reader has gone.
async fn hear(
    door: &Door,
    socket: &mut WebSocket,
    number: u64,
    sender: &mpsc::Sender<Arc<Packet>>,
    read: Option<Result<Message, axum::Error>>,
) -> Option<Vec<Topic>> {
    let text = match read? {
        Ok(Message::Text(text)) => text,
        Ok(Message::Binary(_)) => "binary".into(),
        Ok(Message::Ping(_) | Message::Pong(_)) => return Some(Vec::new()),
        Ok(Message::Close(_)) | Err(_) => return None,
    };
    let refused = match wants(door, text.as_str()) {
        Ok(wants) => {
            let topics = wants.topics.clone();
            let order = Order::Subscribe {
                reader: number,
                wants,
                sender: sender.clone(),
            };
            match door.order(order) {
                Ok(()) => return Some(topics),
                Err(refused) => refused,
            }
        }
        Err(refused) => refused,
    };
    let text = serde_json::to_string(&refused.1).unwrap_or_default();
    send(socket, Message::text(text)).await.then(Vec::new)
}

fn wants(door: &Door, text: &str) -> Result<Wants, Refused> {
    let asked: Subscribe = serde_json::from_str(text).map_err(|error| {
        Refused::new(
            StatusCode::BAD_REQUEST,
            format!("this is no subscription: {error}"),
            "send an object such as {\"topics\": [\"cells\", \"events\"], \"points\": [\"container-01/pcs\"], \"hz\": 10}",
        )
    })?;
    if !(0.1..=20.0).contains(&asked.hz) {
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            format!("{} frames a second", asked.hz),
            "give 0.1 to 20 as `hz`",
        ));
    }
    let described = &door.described;
    let chosen = if asked.points.is_empty() {
        // sums over many cells change slowly and cost the rig more than others
        Chosen::recorded(described)
    } else {
        let indices = chosen(described, &asked.points)?;
        Chosen::of(described, &indices)
    };
    Ok(Wants {
        topics: if asked.topics.is_empty() {
            Topic::ALL.to_vec()
        } else {
            asked.topics
        },
        chosen,
        every: Duration::from_secs_f64(1.0 / asked.hz),
    })
}

/// Sends; whether the reader still takes it.
async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(PATIENCE, socket.send(message)).await, Ok(Ok(())))
}
