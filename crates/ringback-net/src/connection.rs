//! One task for each connection: reads, and writes what is queued.

mod direct;
mod pipe;
mod plain;
mod sealed;
mod secure;
mod upgrade;
mod web_socket;

use crate::shared::Shared;
use crate::streams::{Queued, Writer};
use crate::tap::Direction;
use crate::tls::{explain, is_about_trust};
use crate::{Core, Outbox, drops, sockets};
pub(crate) use direct::Direct;
use direct::End;
use futures::StreamExt as _;
use futures::channel::mpsc;
use pipe::{Octets, Part, Sink, Source};
use plain::Plain;
use ringback_sansio::{CloseReason, Flow, FlowId, Protocol, Target};
use ringback_transport::{FromNetwork, Identity};
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_rustls::client::TlsStream;
use web_socket::WebSocket;

/// How many queued messages are written at once.
const WRITES: usize = 64;
/// How long a peer that closed its side is given to read the rest.
const LINGER: Duration = Duration::from_secs(5);
/// How long it is waited for what a peer said before it broke a connection.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Accepts connections, as long as that is wanted.
pub(crate) async fn accept<C: Core>(
    shared: Arc<Shared<C>>,
    protocol: Protocol,
    listener: io::Result<std::net::TcpListener>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener?)?;
    let mut wanted = shared.accepts.subscribe();
    loop {
        let accepted = tokio::select! {
            biased;
            () = until(&mut wanted, false) => None,
            accepted = listener.accept() => Some(accepted),
        };
        let Some(accepted) = accepted else {
            until(&mut wanted, true).await;
            continue;
        };
        match accepted {
            Ok((stream, peer)) => match protocol {
                Protocol::Tls | Protocol::Wss => {
                    shared.spawn(secure::accept(shared.clone(), protocol, stream, peer));
                }
                Protocol::Ws => shared.spawn(accept_web_socket(shared.clone(), stream, peer)),
                Protocol::Tcp | Protocol::Udp => shared.spawn(plain(shared.clone(), None, stream, peer)),
            },
            Err(error) => {
                // Fault 43: without file descriptors the connection stays in the queue, and accept would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Waits until it is so. Cancel safe.
async fn until(wanted: &mut watch::Receiver<bool>, is_so: bool) {
    // The other end is held by who waits here, and so is not gone.
    let _ = wanted.wait_for(|wanted| *wanted == is_so).await;
}

/// Makes a connection that the transport asked for.
pub(crate) async fn connect<C: Core>(shared: Arc<Shared<C>>, to: Target, given_up: Arc<Notify>) {
    let made = tokio::time::timeout(shared.config.transport.connect, make(&shared, to));
    let made = tokio::select! {
        made = made => made,
        () = given_up.notified() => return,
    };
    match made.unwrap_or(Err(CloseReason::TimedOut)) {
        Ok(Made::Plain(stream)) => plain(shared, Some(to), stream, to.peer()).await,
        Ok(Made::Secure(stream)) => secure::serve(shared, Some(to), *stream, to.peer()).await,
        Ok(Made::WebSocket(socket, local)) => {
            let ends = Ends::new(Protocol::Ws, local, to.peer());
            web_socket::serve(shared, Some(to), ends, *socket).await;
        }
        Ok(Made::SecureWebSocket(socket, local)) => {
            let ends = Ends::new(Protocol::Wss, local, to.peer());
            web_socket::serve(shared, Some(to), ends, *socket).await;
        }
        Err(reason) => tell(&shared, FromNetwork::ConnectFailed(to, reason)),
    }
}

/// A connection that was made.
enum Made {
    Plain(TcpStream),
    Secure(Box<secure::Outgoing>),
    WebSocket(Box<WebSocket<TcpStream>>, SocketAddr),
    SecureWebSocket(Box<WebSocket<TlsStream<TcpStream>>>, SocketAddr),
}

async fn make<C: Core>(shared: &Arc<Shared<C>>, to: Target) -> Result<Made, CloseReason> {
    let is_spoken = match to.protocol() {
        Protocol::Tcp => true,
        Protocol::Tls => shared.config.tls.is_some(),
        Protocol::Ws => shared.config.web_socket.connects,
        Protocol::Wss => shared.config.web_socket.connects && shared.config.tls.is_some(),
        Protocol::Udp => false,
    };
    if !is_spoken {
        return Err(CloseReason::NoRoute);
    }
    let stream = match TcpStream::connect(to.peer()).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(CloseReason::Refused),
        Err(_) => return Err(CloseReason::Reset),
    };
    // Without the mark it goes as well.
    let _ = sockets::mark(SockRef::from(&stream), to.peer().is_ipv4(), &shared.config);
    match to.protocol() {
        Protocol::Tls => secure::connect(shared, to, stream).await.map(Made::Secure),
        Protocol::Ws => {
            let local = prepared(&stream, to.peer());
            let host = to.peer().to_string();
            let socket = web_socket::connect(&shared.config, "ws", &host, stream).await?;
            Ok(Made::WebSocket(Box::new(socket), local))
        }
        Protocol::Wss => {
            let secure::Outgoing { stream, local, name } = *secure::connect(shared, to, stream).await?;
            let host = format!("{name}:{}", to.peer().port());
            let socket = web_socket::connect(&shared.config, "wss", &host, stream).await?;
            Ok(Made::SecureWebSocket(Box::new(socket), local))
        }
        Protocol::Tcp | Protocol::Udp => Ok(Made::Plain(stream)),
    }
}

async fn plain<C: Core>(shared: Arc<Shared<C>>, to: Option<Target>, stream: TcpStream, peer: SocketAddr) {
    let local = prepared(&stream, peer);
    let (reader, writer) = stream.into_split();
    let writer = Arc::new(writer);
    let ends = Ends { direct: Some(End::Plain(writer.clone())), ..Ends::new(Protocol::Tcp, local, peer) };
    serve(shared, to, ends, Octets(reader), Plain(writer)).await;
}

/// Takes a client to WebSocket, as long as there is room for those who are on their way.
async fn accept_web_socket<C: Core>(shared: Arc<Shared<C>>, stream: TcpStream, peer: SocketAddr) {
    let guard = Handshake::new(shared.clone());
    if !guard.has_room() {
        return;
    }
    let local = prepared(&stream, peer);
    let upgraded = web_socket::accept(&shared.config, stream, peer);
    let upgraded = tokio::time::timeout(shared.config.handshake, upgraded).await;
    drop(guard);
    match upgraded {
        Ok(Some(socket)) => {
            web_socket::serve(shared, None, Ends::new(Protocol::Ws, local, peer), socket).await;
        }
        Ok(None) => shared.drops.count("no_web_socket"),
        Err(_) => shared.drops.count("handshake_too_slow"),
    }
}

/// Sets a new connection up, and says where our end of it is.
fn prepared(stream: &TcpStream, peer: SocketAddr) -> SocketAddr {
    // Both fail only when the connection is gone already, which reading will show.
    let _ = stream.set_nodelay(true);
    stream.local_addr().unwrap_or(peer)
}

/// The ends of a connection, and what is spoken on it.
struct Ends {
    protocol: Protocol,
    local: SocketAddr,
    peer: SocketAddr,
    /// Who a client has proved to be.
    identities: Vec<Identity>,
    /// What anybody may write into.
    direct: Option<End>,
}

impl Ends {
    fn new(protocol: Protocol, local: SocketAddr, peer: SocketAddr) -> Self {
        Self { protocol, local, peer, identities: Vec::new(), direct: None }
    }
}

/// Watches the times of all streams.
pub(crate) async fn watch<C: Core>(shared: Arc<Shared<C>>) -> io::Result<()> {
    loop {
        let deadline = shared.streams().watch_deadline();
        let sleep = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = shared.stream_deadline.notified() => continue,
        }
        let now = Instant::now();
        let (mut events, mut out) = (Vec::new(), Outbox::new());
        shared.streams().handle_timeout(now, &mut events);
        shared.handle_events(now, events, &mut out);
        shared.carry_out(now, &mut out);
        shared.wake();
    }
}

/// Tells the transport something, and carries out what comes of it.
fn tell<C: Core>(shared: &Arc<Shared<C>>, input: FromNetwork) {
    let (now, mut out) = (Instant::now(), Outbox::new());
    shared.tell(now, input, &mut out);
    shared.carry_out(now, &mut out);
    shared.wake();
}

async fn serve<C: Core>(
    shared: Arc<Shared<C>>,
    to: Option<Target>,
    ends: Ends,
    source: impl Source,
    sink: impl Sink,
) {
    // One that allocates for what waits, and nothing while nothing does.
    let (queue, waiting) = mpsc::channel(shared.config.max_queued);
    let (queued, kill) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let writer = Writer { queue, queued: queued.clone(), kill: kill.clone(), direct: None };
    let Some(flow) = open(&shared, to, ends, writer) else { return };
    let _alive = Alive(shared.clone());
    let reason = {
        let mut write = pin!(write(&shared, flow, sink, waiting, &queued));
        let mut read = pin!(read(&shared, flow, source));
        let (reason, is_writing) = tokio::select! {
            reason = &mut read => (reason, true),
            written = &mut write => match written {
                // By us, after it was silent for too long or spoke nonsense.
                Written::All => (CloseReason::TimedOut, false),
                Written::Late => (CloseReason::SlowReader, false),
                // What it said before it broke the connection says why.
                Written::Broken => {
                    let said = tokio::time::timeout(LAST_WORD, read).await;
                    (said.unwrap_or(CloseReason::Reset), false)
                }
            },
            () = kill.notified() => (CloseReason::SlowReader, true),
        };
        close(&shared, flow.id, reason);
        if is_writing && reason == CloseReason::Closed {
            // The peer said all it had to say, and may still want to hear the answers that are queued.
            let _ = tokio::time::timeout(LINGER, write).await;
        }
        reason
    };
    let now = Instant::now();
    let mut out = Outbox::new();
    shared.core.closed(now, flow, reason, &mut out);
    shared.carry_out(now, &mut out);
    shared.wake();
}

/// Counts a connection as long as its task lives, whatever ends it.
struct Alive<C: Core>(Arc<Shared<C>>);

impl<C: Core> Drop for Alive<C> {
    fn drop(&mut self) {
        self.0.streams().alive -= 1;
    }
}

fn open<C: Core>(
    shared: &Arc<Shared<C>>,
    to: Option<Target>,
    ends: Ends,
    mut writer: Writer,
) -> Option<Flow> {
    let now = Instant::now();
    let (mut events, mut out) = (Vec::new(), Outbox::new());
    let mut streams = shared.streams();
    if streams.closing {
        return None;
    }
    let Ends { protocol, local, peer, identities, direct } = ends;
    let flow = Flow { id: streams.name(), protocol, local, peer };
    writer.direct = direct.map(|direct| Arc::new(Direct::new(flow, direct, writer.queued.clone())));
    if !streams.opened(now, to, flow, writer, &mut events) {
        return None;
    }
    if !identities.is_empty() {
        streams.handle(now, FromNetwork::Proved(flow.id, identities), &mut events);
    }
    shared.watch(&mut streams);
    drop(streams);
    shared.handle_events(now, events, &mut out);
    shared.carry_out(now, &mut out);
    shared.wake();
    Some(flow)
}

fn close<C: Core>(shared: &Arc<Shared<C>>, id: FlowId, reason: CloseReason) {
    let now = Instant::now();
    let (mut events, mut out) = (Vec::new(), Outbox::new());
    shared.streams().closed(now, id, reason, &mut events);
    shared.handle_events(now, events, &mut out);
    shared.carry_out(now, &mut out);
}

/// Reads until the peer closes or breaks the connection, and says which.
async fn read<C: Core>(shared: &Arc<Shared<C>>, flow: Flow, mut source: impl Source) -> CloseReason {
    loop {
        // Tokio's budget makes this wait for the others when there is always more to read.
        let part = match source.next().await {
            Ok(Some(part)) => part,
            Ok(None) => return CloseReason::Closed,
            Err(error) => {
                shared.drops.count(drops::broken(&error));
                // In TLS 1.3 a server looks at our certificate when we are through with the handshake.
                if is_about_trust(&error) {
                    tracing::warn!(peer = %flow.peer, "TLS is over: {}", explain(&error));
                    return CloseReason::Untrusted;
                }
                return CloseReason::Reset;
            }
        };
        if let Part::Octets(bytes) | Part::Message(bytes) = &part {
            shared.tap(Instant::now(), Direction::In, &flow, bytes);
        }
        tell(
            shared,
            match part {
                Part::Octets(bytes) => FromNetwork::Bytes(flow.id, bytes),
                Part::Message(bytes) => FromNetwork::Message(flow.id, bytes),
                Part::Alive => FromNetwork::Alive(flow.id),
            },
        );
    }
}

/// How writing ended.
enum Written {
    /// The queue was closed, and nothing is left in it.
    All,
    /// The peer does not read.
    Late,
    /// The connection is broken.
    Broken,
}

/// Writes until the queue is closed and empty, or the peer does not read.
async fn write<C: Core>(
    shared: &Arc<Shared<C>>,
    flow: Flow,
    mut sink: impl Sink,
    mut waiting: mpsc::Receiver<Queued>,
    queued: &AtomicUsize,
) -> Written {
    let mut batch: Vec<Queued> = Vec::new();
    while let Some(first) = waiting.next().await {
        batch.push(first);
        while batch.len() < WRITES
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        match tokio::time::timeout(shared.config.write_timeout, sink.write(&batch)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Written::Broken,
            Err(_) => return Written::Late,
        }
        for what in batch.drain(..) {
            // Of a rest the message was seen when its front was written.
            if let Queued::Message(bytes) = &what {
                shared.tap(Instant::now(), Direction::Out, &flow, bytes);
            }
            queued.fetch_sub(what.len(), Ordering::Release);
        }
    }
    let _ = tokio::time::timeout(LINGER, sink.end()).await;
    Written::All
}

/// Counts a client that is on its way to a connection, as long as that lasts.
struct Handshake<C: Core>(Arc<Shared<C>>, usize);

impl<C: Core> Handshake<C> {
    fn new(shared: Arc<Shared<C>>) -> Self {
        let before = shared.handshakes.fetch_add(1, Ordering::Relaxed);
        Self(shared, before)
    }

    fn has_room(&self) -> bool {
        let has_room = self.1 < self.0.config.max_handshakes;
        if !has_room {
            self.0.drops.count("handshake_limit");
        }
        has_room
    }
}

impl<C: Core> Drop for Handshake<C> {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Ordering::Relaxed);
    }
}
