//! One task for each connection: reads, and writes what is queued.

mod secure;

use crate::shared::Shared;
use crate::streams::Writer;
use crate::tap::Direction;
use crate::tls::{explain, is_about_trust};
use crate::{Core, Outbox};
use bytes::{Bytes, BytesMut};
use ringback_sansio::{CloseReason, Flow, FlowId, Protocol, Target};
use ringback_transport::FromNetwork;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

/// How much is read at once: little while little comes, for thousands of connections are idle.
const READ: std::ops::RangeInclusive<usize> = 1 << 10..=16 << 10;
/// How many queued messages are written at once.
const WRITES: usize = 64;
/// How long a peer that closed its side is given to read the rest.
const LINGER: Duration = Duration::from_secs(5);

/// Accepts connections, for ever.
pub(crate) async fn accept<C: Core>(
    shared: Arc<Shared<C>>,
    protocol: Protocol,
    listener: io::Result<std::net::TcpListener>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener?)?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) if protocol == Protocol::Tls => {
                shared.spawn(secure::accept(shared.clone(), stream, peer));
            }
            Ok((stream, peer)) => shared.spawn(plain(shared.clone(), None, stream, peer)),
            Err(error) => {
                // Fault 43: without file descriptors the connection stays in the queue, and accept would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Makes a connection that the transport asked for.
pub(crate) async fn connect<C: Core>(shared: Arc<Shared<C>>, to: Target) {
    let made = async {
        let is_spoken = match to.protocol() {
            Protocol::Tcp => true,
            Protocol::Tls => shared.config.tls.is_some(),
            Protocol::Udp | Protocol::Ws | Protocol::Wss => false,
        };
        if !is_spoken {
            return Err(CloseReason::NoRoute);
        }
        let stream = match TcpStream::connect(to.peer()).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(CloseReason::Refused);
            }
            Err(_) => return Err(CloseReason::Reset),
        };
        match to.protocol() {
            Protocol::Tcp => Ok(Made::Plain(stream)),
            Protocol::Tls => secure::connect(&shared, to, stream).await.map(Made::Secure),
            Protocol::Udp | Protocol::Ws | Protocol::Wss => Err(CloseReason::NoRoute),
        }
    };
    match tokio::time::timeout(shared.config.transport.connect, made)
        .await
        .unwrap_or(Err(CloseReason::TimedOut))
    {
        Ok(Made::Plain(stream)) => plain(shared, Some(to), stream, to.peer()).await,
        Ok(Made::Secure(stream)) => secure::serve(shared, Some(to), *stream, to.peer()).await,
        Err(reason) => tell(&shared, FromNetwork::ConnectFailed(to, reason)),
    }
}

/// A connection that was made.
enum Made {
    Plain(TcpStream),
    Secure(Box<secure::Outgoing>),
}

async fn plain<C: Core>(shared: Arc<Shared<C>>, to: Option<Target>, stream: TcpStream, peer: SocketAddr) {
    let local = prepared(&stream, peer);
    let (reader, writer) = stream.into_split();
    serve(shared, to, Ends { protocol: Protocol::Tcp, local, peer }, reader, writer).await;
}

/// Sets a new connection up, and says where our end of it is.
fn prepared(stream: &TcpStream, peer: SocketAddr) -> SocketAddr {
    // Both fail only when the connection is gone already, which reading will show.
    let _ = stream.set_nodelay(true);
    stream.local_addr().unwrap_or(peer)
}

/// The ends of a connection, and what is spoken on it.
#[derive(Clone, Copy)]
struct Ends {
    protocol: Protocol,
    local: SocketAddr,
    peer: SocketAddr,
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
    let now = Instant::now();
    let (mut events, mut out) = (Vec::new(), Outbox::new());
    let mut streams = shared.streams();
    streams.handle(now, input, &mut events);
    shared.watch(&mut streams);
    drop(streams);
    shared.handle_events(now, events, &mut out);
    shared.carry_out(now, &mut out);
    shared.wake();
}

async fn serve<C: Core>(
    shared: Arc<Shared<C>>,
    to: Option<Target>,
    ends: Ends,
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
) {
    let (queue, waiting) = mpsc::channel(shared.config.max_queued);
    let (queued, kill) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let Some(flow) = open(&shared, to, ends, Writer { queue, queued: queued.clone(), kill: kill.clone() })
    else {
        return;
    };
    let _alive = Alive(shared.clone());
    {
        let mut write = pin!(write(&shared, flow, writer, waiting, &queued));
        let over = tokio::select! {
            () = read(&shared, flow, reader) => false,
            () = &mut write => true,
            () = kill.notified() => true,
        };
        close(&shared, flow.id);
        if !over {
            // The peer said all it had to say, and may still want to hear the answers that are queued.
            let _ = tokio::time::timeout(LINGER, write).await;
        }
    }
    let now = Instant::now();
    let mut out = Outbox::new();
    shared.core.closed(now, flow, &mut out);
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

fn open<C: Core>(shared: &Arc<Shared<C>>, to: Option<Target>, ends: Ends, writer: Writer) -> Option<Flow> {
    let now = Instant::now();
    let (mut events, mut out) = (Vec::new(), Outbox::new());
    let mut streams = shared.streams();
    if streams.closing {
        return None;
    }
    let Ends { protocol, local, peer } = ends;
    let flow = Flow { id: streams.name(), protocol, local, peer };
    streams.opened(now, to, flow, writer, &mut events);
    shared.watch(&mut streams);
    drop(streams);
    shared.handle_events(now, events, &mut out);
    shared.carry_out(now, &mut out);
    shared.wake();
    Some(flow)
}

fn close<C: Core>(shared: &Arc<Shared<C>>, id: FlowId) {
    let now = Instant::now();
    let (mut events, mut out) = (Vec::new(), Outbox::new());
    shared.streams().closed(now, id, &mut events);
    shared.handle_events(now, events, &mut out);
    shared.carry_out(now, &mut out);
}

/// Reads until the peer closes or breaks the connection.
async fn read<C: Core>(shared: &Arc<Shared<C>>, flow: Flow, mut reader: impl AsyncRead + Unpin) {
    let mut buffer = BytesMut::new();
    let mut want = *READ.start();
    loop {
        buffer.reserve(want);
        // Tokio's budget makes this wait for the others when there is always more to read.
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return,
            Err(error) => {
                // In TLS 1.3 a server looks at our certificate when we are through with the handshake.
                if is_about_trust(&error) {
                    tracing::warn!(peer = %flow.peer, "TLS is over: {}", explain(&error));
                }
                return;
            }
            Ok(read) if read >= want => want = (want * 4).min(*READ.end()),
            Ok(_) => want = *READ.start(),
        }
        let bytes = buffer.split().freeze();
        shared.tap(Instant::now(), Direction::In, &flow, &bytes);
        tell(shared, FromNetwork::Bytes(flow.id, bytes));
    }
}

/// Writes until the queue is closed and empty, or the peer does not read.
async fn write<C: Core>(
    shared: &Arc<Shared<C>>,
    flow: Flow,
    mut writer: impl AsyncWrite + Unpin,
    mut waiting: mpsc::Receiver<Bytes>,
    queued: &AtomicUsize,
) {
    let mut batch: Vec<Bytes> = Vec::new();
    while waiting.recv_many(&mut batch, WRITES).await > 0 {
        let bytes = match &batch[..] {
            [only] => only.clone(),
            several => Bytes::from(several.concat()),
        };
        let written = async {
            writer.write_all(&bytes).await?;
            // TLS may keep a rest to itself.
            writer.flush().await
        };
        let written = tokio::time::timeout(shared.config.write_timeout, written).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
        queued.fetch_sub(bytes.len(), Ordering::Relaxed);
        shared.tap(Instant::now(), Direction::Out, &flow, &bytes);
        batch.clear();
    }
    let _ = writer.shutdown().await;
}
