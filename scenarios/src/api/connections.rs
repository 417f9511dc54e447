//! Connections of the control API: so many at the same time, and none that says nothing for long. What others hold open
//! counts against the files that the rig's process may open, and its own wires need some.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at the same time.
pub(super) const CONNECTIONS: usize = 64;
/// How long a peer may say nothing; readers of streams are asked more often whether they are there.
pub(super) const SILENCE: Duration = Duration::from_mins(1);

/// Lets peers in while there is room; others find the connection closed at once.
pub(super) struct Connections {
    listener: TcpListener,
    places: Arc<Semaphore>,
    silence: Duration,
}

impl Connections {
    pub(super) fn new(listener: TcpListener, silence: Duration) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            silence,
        }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                let connection = Connection {
                    stream,
                    silence: self.silence,
                    silent: Box::pin(sleep(self.silence)),
                    _place: place,
                };
                return (connection, peer);
            }
            tracing::debug!("{peer}: {CONNECTIONS} connections are open already");
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One that ends when its peer has said nothing for too long.
pub(super) struct Connection {
    stream: TcpStream,
    silence: Duration,
    silent: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            this.silent.as_mut().reset(Instant::now() + this.silence);
            return Poll::Ready(read);
        }
        this.silent
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_silent_peer_is_sent_away_and_a_busy_one_is_not() {
        let silence = Duration::from_millis(400);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (listener, address) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            (Connections::new(listener, silence), address)
        });
        let server = std::thread::spawn(move || {
            runtime.block_on(async {
                let router = axum::Router::new().route("/", axum::routing::get(|| async { "here" }));
                let served = axum::serve(listener, router).into_future();
                drop(tokio::time::timeout(Duration::from_secs(20), served).await);
            });
        });
        let connect = || {
            let stream = std::net::TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream
        };
        let mut silent = connect();
        silent.write_all(b"GET / HT").unwrap();
        let mut busy = connect();
        let mut answer = [0; 512];
        for _ in 0..8 {
            busy.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            assert!(busy.read(&mut answer).unwrap() > 0);
            std::thread::sleep(silence / 4);
        }
        // what it began is answered with an error at most; then it is over
        let mut rest = Vec::new();
        silent.read_to_end(&mut rest).unwrap();
        assert!(!String::from_utf8_lossy(&rest).contains("here"));
        drop((silent, busy));
        drop(server);
    }
}
