//! The control API of a live rig: HTTP and WebSocket, JSON throughout.
//!
//! | | |
//! |---|---|
//! | `GET /api/description` | what there is |
//! | `GET /api/points?match=PATTERN,…` | points with their present values |
//! | `GET /api/stream` | WebSocket: frames by subscription (`stream`) |
//! | `POST /api/commands` | commands |
//!
//! A thread of its own serves it. It holds no lock the rig could wait for: what it wants of the rig goes over a bounded
//! channel (`telemetry::hub`). On loopback it needs no token, but takes no requests that a web page made; on any other
//! address it does not start without one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc::TrySendError;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bess_telemetry::{Command, CommandReply, PointValue, Refusal};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::feature::Planned;
use crate::mistake::Mistake;
use crate::telemetry::Described;
use crate::telemetry::hub::{Order, Orders, refusal};
use connections::{Connections, SILENCE};

mod connections;
mod stream;
#[cfg(test)]
mod tests;

/// Where it is served unless told otherwise, if nobody else is there.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15080);
/// Environment variable with the token.
const TOKEN: &str = "BESSRIG_API_TOKEN";
/// Largest body, bytes: commands are short.
const LARGEST_BODY: usize = 1 << 16;
/// How long an answer of the rig is waited for. A rig that stands still at a debugger answers nobody.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads and checks a scenario: path of its feature, and its name.
pub(crate) type Planner = Arc<dyn Fn(&str, Option<&str>) -> Result<Planned, Refusal> + Send + Sync>;

/// Where and for whom the API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Address to listen at; the usual one, or any free port if that is taken, if left out.
    at: Option<SocketAddr>,
    token: Option<String>,
}

impl Address {
    /// From the command line: `none` is no API at all. The token is in a file, or in the environment.
    pub(crate) fn read(at: Option<&str>, token_file: Option<&Path>) -> Result<Option<Self>, Mistake> {
        if at == Some("none") {
            return Ok(None);
        }
        let at: Option<SocketAddr> = at
            .map(|text| {
                text.parse().map_err(|_| {
                    Mistake::new(
                        format!("--api {text}: this is no address"),
                        "give an IP address and a port, as in 127.0.0.1:15080, or none",
                    )
                })
            })
            .transpose()?;
        let token = match token_file {
            Some(file) => {
                let text = crate::bench::read_text(file)
                    .map_err(|why| Mistake::new(format!("{}: {why}", file.display()), "check the path"))?;
                Some(text)
            }
            None => std::env::var(TOKEN).ok(),
        };
        let token = token
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        if let Some(token) = &token
            && (token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(Mistake::new(
                "the token of the control API can be guessed or has blanks in it",
                "take 16 or more letters and digits, as `openssl rand -hex 16` gives",
            ));
        }
        if let Some(at) = at.filter(|at| !at.ip().is_loopback())
            && token.is_none()
        {
            return Err(Mistake::new(
                format!("--api {at}: others could command this rig"),
                format!("give a token: --api-token-file FILE, or the environment variable {TOKEN}"),
            ));
        }
        Ok(Some(Self { at, token }))
    }
}

/// A control API that is served until this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What handlers share.
pub(crate) struct Door {
    orders: Orders,
    described: Arc<Described>,
    description: Bytes,
    token: Option<String>,
    plan: Planner,
    /// Readers that are connected.
    readers: AtomicUsize,
    next_reader: AtomicU64,
}

impl Server {
    /// Serves the rig behind `orders`.
    pub(crate) fn start(
        address: Address,
        orders: Orders,
        described: Arc<Described>,
        plan: Planner,
    ) -> Result<Self, Mistake> {
        let Address { at, token } = address;
        let listener = match at {
            Some(at) => TcpListener::bind(at).map_err(|error| {
                Mistake::new(
                    format!("--api {at}: {error}"),
                    "another rig may have it: give another port, or `--api none`",
                )
            })?,
            None => TcpListener::bind(USUAL).or_else(|_| TcpListener::bind((USUAL.ip(), 0)))?,
        };
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let description = serde_json::to_vec(&described.description)
            .map_err(|error| Mistake::new(error.to_string(), ""))?;
        let door = Arc::new(Door {
            orders,
            described,
            description: description.into(),
            token,
            plan,
            readers: AtomicUsize::new(0),
            next_reader: AtomicU64::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("control-api".into()).spawn(move || {
            runtime.block_on(async {
                let listener = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => listener,
                    Err(error) => {
                        tracing::error!("the control API cannot listen: {error}");
                        return;
                    }
                };
                tokio::select! {
                    served = axum::serve(Connections::new(listener, SILENCE), router(door)).into_future() => {
                        if let Err(error) = served {
                            tracing::error!("the control API has ended: {error}");
                        }
                    }
                    // a dropped sender means stop as well; dropping the runtime then closes every connection
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the control API's thread panicked");
        }
    }
}

fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route("/api/description", get(description))
        .route("/api/points", get(points))
        .route("/api/stream", get(stream::connect))
        .route("/api/commands", post(commands))
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&door), admit))
        .with_state(door)
}

/// A refusal with its status.
pub(crate) struct Refused(StatusCode, Refusal);

impl Refused {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self(status, refusal(error, remedy))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

async fn nothing_here() -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        "there is nothing here",
        "GET /api/description, /api/points, /api/stream (WebSocket); POST /api/commands",
    )
}

/// With a token, whoever has it. Without, only who is on this machine, and no web page that is open there: its requests name
/// the page they come from, or a host that is no address.
async fn admit(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Refused> {
    let headers = request.headers();
    match &door.token {
        Some(token) => {
            let given = text(headers, header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
            if !given.is_some_and(|given| same(given.trim(), token)) {
                return Err(Refused::new(
                    StatusCode::UNAUTHORIZED,
                    "the token is missing or wrong",
                    "send the header `Authorization: Bearer TOKEN`, with the token this rig was started with",
                ));
            }
        }
        None => {
            let host = text(headers, header::HOST).unwrap_or_default();
            let here = host.parse::<SocketAddr>().is_ok_and(|at| at.ip().is_loopback())
                || host.rsplit_once(':').is_some_and(|(name, _)| name == "localhost");
            let page = text(headers, header::ORIGIN);
            if !here || page.is_some_and(|page| page != format!("http://{host}")) {
                return Err(Refused::new(
                    StatusCode::FORBIDDEN,
                    "this rig does not listen to web pages of others",
                    "ask 127.0.0.1 or localhost from a program, or start the rig with a token",
                ));
            }
        }
    }
    Ok(next.run(request).await)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Takes as long whatever differs.
fn same(given: &str, token: &str) -> bool {
    let differing = given
        .bytes()
        .zip(token.bytes())
        .fold(0, |seen, (a, b)| seen | (a ^ b));
    given.len() == token.len() && differing == 0
}

async fn description(State(door): State<Arc<Door>>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        door.description.clone(),
    )
        .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Patterns, separated by commas; every point if left out.
    #[serde(rename = "match")]
    pattern: Option<String>,
}

async fn points(
    State(door): State<Arc<Door>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Vec<PointValue>>, Refused> {
    let Query(asked) = asked.map_err(|error| {
        Refused::new(
            StatusCode::BAD_REQUEST,
            error.body_text(),
            "ask /api/points?match=TAG,TAG%20POINT,BEGINNING*",
        )
    })?;
    let patterns: Vec<String> = asked
        .pattern
        .iter()
        .flat_map(|text| text.split(','))
        .map(str::to_owned)
        .collect();
    let indices = chosen(&door.described, &patterns)?;
    let (answer, answered) = oneshot::channel();
    door.order(Order::Read {
        indices: indices.clone(),
        answer,
    })?;
    let values = wait_for(answered).await?;
    let description = &door.described.description;
    let row = |(index, value): (u32, Option<f64>)| {
        let (group, def) = description.point(index)?;
        Some(PointValue {
            index,
            tag: group.tag.clone(),
            truth: group.truth,
            point: def.clone(),
            value: value.filter(|value| value.is_finite()),
        })
    };
    Ok(Json(indices.into_iter().zip(values).filter_map(row).collect()))
}

/// Indices of the points that a pattern fits; all of them without patterns.
fn chosen(described: &Described, patterns: &[String]) -> Result<Vec<u32>, Refused> {
    let all = || (0_u32..).zip(described.description.all_points());
    if patterns.is_empty() {
        return Ok(all().map(|(index, _)| index).collect());
    }
    let mut used = vec![false; patterns.len()];
    let mut found = Vec::new();
    for (index, (group, def)) in all() {
        let mut fits = false;
        for (pattern, used) in patterns.iter().zip(&mut used) {
            if fits_pattern(pattern, &group.tag, &def.name) {
                *used = true;
                fits = true;
            }
        }
        if fits {
            found.push(index);
        }
    }
    if let Some((pattern, _)) = patterns.iter().zip(used).find(|(_, used)| !used) {
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            format!("no point fits `{pattern}`"),
            "a pattern is TAG, TAG POINT, or the beginning of either with * behind it; GET /api/points lists them all",
        ));
    }
    Ok(found)
}

fn fits_pattern(pattern: &str, tag: &str, point: &str) -> bool {
    let rest_of = |whole: &str| pattern.strip_prefix(tag).is_some_and(|rest| rest == whole);
    match pattern.strip_suffix('*') {
        Some(beginning) => match beginning.split_once(' ') {
            Some((of_tag, of_point)) => of_tag == tag && point.starts_with(of_point),
            None => tag.starts_with(beginning),
        },
        None => pattern == tag || rest_of(&format!(" {point}")),
    }
}

async fn commands(
    State(door): State<Arc<Door>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<CommandReply>, Refused> {
    let body = body.map_err(|error| {
        Refused::new(
            error.status(),
            error.body_text(),
            format!("a command has at most {LARGEST_BODY} bytes"),
        )
    })?;
    // a form of a web page cannot say this without asking first
    if !text(&headers, header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a command is JSON",
            "send the header `Content-Type: application/json`",
        ));
    }
    let command: Command = serde_json::from_slice(&body).map_err(|error| {
        Refused::new(
            StatusCode::BAD_REQUEST,
            format!("this is no command: {error}"),
            "send an object such as {\"command\": \"estop-press\"}",
        )
    })?;
    let (answer, answered) = oneshot::channel();
    let order = match command {
        Command::StartScenario { feature, scenario } => {
            let plan = Arc::clone(&door.plan);
            let planned = tokio::task::spawn_blocking(move || plan(&feature, scenario.as_deref())).await;
            let planned = planned
                .map_err(|error| {
                    Refused::new(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        error.to_string(),
                        "look at the rig's log",
                    )
                })?
                .map_err(|refusal| Refused(StatusCode::BAD_REQUEST, refusal))?;
            Order::Play {
                planned: Box::new(planned),
                answer,
            }
        }
        command => Order::Command { command, answer },
    };
    door.order(order)?;
    match wait_for(answered).await? {
        Ok(reply) => Ok(Json(reply)),
        Err(refusal) => Err(Refused(StatusCode::CONFLICT, refusal)),
    }
}

impl Door {
    /// Leaves an order for the rig. It never waits.
    fn order(&self, order: Order) -> Result<(), Refused> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => Refused::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests wait for the rig",
                "ask again, less often; /api/stream has values without asking",
            ),
            TrySendError::Disconnected(_) => Refused::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the rig has ended",
                "start it again",
            ),
        })
    }
}

async fn wait_for<T>(answered: oneshot::Receiver<T>) -> Result<T, Refused> {
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the rig does not answer",
            "look at its terminal; it may be ending",
        )),
    }
}
