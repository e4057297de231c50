//! WebSocket around a stream (RFC 6455, RFC 7118): the handshake, and one SIP message for each of its messages.

use super::Ends;
use super::pipe::{Part, Sink, Source};
use super::upgrade::{self, LONGEST, SIP, Verdict};
use crate::drops::Drops;
use crate::shared::Shared;
use crate::streams::Queued;
use crate::{Core, NetConfig};
use bytes::BytesMut;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use ringback_sansio::{CloseReason, Target};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// How much is read at once: most connections are idle most of the time.
const READ: usize = 2 << 10;

/// A WebSocket over `S`.
pub(super) type WebSocket<S> = WebSocketStream<Watched<S>>;

/// Answers a client that wants WebSocket; `None` where it was refused or went away. The caller limits the time.
pub(super) async fn accept<S>(config: &NetConfig, mut stream: S, peer: SocketAddr) -> Option<WebSocket<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = BytesMut::with_capacity(1 << 10);
    loop {
        // One octet too many is enough to see that it is too long.
        let room = LONGEST - request.len().min(LONGEST);
        let read = (&mut stream).take(room as u64).read_buf(&mut request).await;
        if !matches!(read, Ok(1..)) {
            return None;
        }
        match upgrade::judge(&request, &config.web_socket.origins) {
            Verdict::Incomplete => {}
            Verdict::Accepted(answer) => {
                stream.write_all(&answer).await.ok()?;
                stream.flush().await.ok()?;
                let limits = limits(config);
                return Some(
                    WebSocketStream::from_raw_socket(stream.into(), Role::Server, Some(limits)).await,
                );
            }
            Verdict::Refused(answer, why) => {
                tracing::debug!(%peer, "no WebSocket with a client: {why}");
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                return None;
            }
        }
    }
}

/// Asks a server for WebSocket.
pub(super) async fn connect<S>(
    config: &NetConfig,
    scheme: &str,
    host: &str,
    stream: S,
) -> Result<WebSocket<S>, CloseReason>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let url = format!("{scheme}://{host}{}", config.web_socket.path);
    let mut request = url.into_client_request().map_err(|_| CloseReason::NoRoute)?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SIP));
    match tokio_tungstenite::client_async_with_config(request, stream.into(), Some(limits(config))).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => {
            tracing::warn!("no WebSocket with {host}: {error}");
            Err(match error {
                Error::Io(_) => CloseReason::Reset,
                _ => CloseReason::Refused,
            })
        }
    }
}

/// What one message may be (fault 28): no more than over any other stream.
fn limits(config: &NetConfig) -> WebSocketConfig {
    let most = config.transport.framing.longest();
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_write_buffer_size(config.max_queued_bytes + most)
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
}

/// Runs a connection.
pub(super) async fn serve<C: Core, S>(
    shared: Arc<Shared<C>>,
    to: Option<Target>,
    ends: Ends,
    socket: WebSocket<S>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let has_begun = socket.get_ref().has_begun.clone();
    let patience = shared.config.transport.message;
    let verdict = Arc::new(Mutex::new(None));
    let (sink, source) = socket.split();
    let drops = shared.drops.clone();
    let source = Messages { source, has_begun, patience, late: None, verdict: verdict.clone(), drops };
    super::serve(shared, to, ends, source, Replies { sink, verdict }).await;
}

/// Why we close, where the peer has to be told.
type CloseVerdict = Arc<Mutex<Option<CloseCode>>>;

/// The messages of the other side.
struct Messages<S> {
    source: SplitStream<WebSocket<S>>,
    has_begun: Arc<AtomicBool>,
    patience: Duration,
    /// When a message that has begun is late.
    late: Option<Pin<Box<Sleep>>>,
    verdict: CloseVerdict,
    drops: Arc<Drops>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Source for Messages<S> {
    async fn next(&mut self) -> io::Result<Option<Part>> {
        loop {
            let (code, reason) = match poll_fn(|cx| self.poll_next(cx)).await {
                Some(Ok(Message::Text(text))) => return Ok(Some(Part::Message(text.into()))),
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(Part::Message(bytes))),
                // What answers a ping is written by the next read.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(Some(Part::Alive)),
                Some(Ok(Message::Frame(_))) => continue,
                // Answered by the other half.
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Err(Error::Io(error))) => return Err(error),
                Some(Err(Error::Capacity(_))) => (CloseCode::Size, "web_socket_too_large"),
                Some(Err(Error::Utf8(_))) => (CloseCode::Invalid, "web_socket_not_understood"),
                // That is how it sees a connection that is gone.
                Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                    self.drops.count("stream_without_farewell");
                    return Ok(None);
                }
                Some(Err(Error::Protocol(_))) => (CloseCode::Protocol, "web_socket_not_understood"),
                Some(Err(Error::AttackAttempt)) => (CloseCode::Policy, "stream_message_too_slow"),
                Some(Err(_)) => return Ok(None),
            };
            self.drops.count(reason);
            *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
            return Ok(None);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    /// The next message; one that has begun has to end in time (fault 3).
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        if let Poll::Ready(message) = self.source.poll_next_unpin(cx) {
            self.has_begun.store(false, Ordering::Relaxed);
            self.late = None;
            return Poll::Ready(message);
        }
        if !self.has_begun.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        late.as_mut().poll(cx).map(|()| Some(Err(Error::AttackAttempt)))
    }
}

/// The messages to the other side.
struct Replies<S> {
    sink: SplitSink<WebSocket<S>, Message>,
    verdict: CloseVerdict,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Sink for Replies<S> {
    async fn write(&mut self, batch: &[Queued]) -> io::Result<()> {
        for what in batch {
            let message = match what {
                // RFC 7118 §5.1: only UTF-8 may go as text, which is what scripts like best.
                // There is no rest of a message here: each is one frame.
                Queued::Message(bytes) | Queued::Rest(bytes) => match Utf8Bytes::try_from(bytes.clone()) {
                    Ok(text) => Message::Text(text),
                    Err(_) => Message::Binary(bytes.clone()),
                },
                Queued::Ping => Message::Ping(bytes::Bytes::new()),
                // Of those that write past their task.
                Queued::Sealed(_) => continue,
            };
            self.sink.feed(message).await.map_err(io::Error::other)?;
        }
        self.sink.flush().await.map_err(io::Error::other)
    }

    async fn end(&mut self) {
        let verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
        let code = verdict.unwrap_or(CloseCode::Normal);
        let frame = CloseFrame { code, reason: Utf8Bytes::default() };
        // When the peer has closed there is nothing to say any more.
        let _ = self.sink.send(Message::Close(Some(frame))).await;
        let _ = self.sink.close().await;
    }
}

/// A stream that shows whether anything was read from it lately.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    has_begun: Arc<AtomicBool>,
}

impl<S> From<S> for Watched<S> {
    fn from(stream: S) -> Self {
        Self { stream, has_begun: Arc::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.has_begun.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
