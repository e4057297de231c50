//! One task for each connection: reads, and writes what is queued.

use crate::shared::Shared;
use crate::streams::Writer;
use crate::tap::Direction;
use crate::{Core, Outbox};
use bytes::{Bytes, BytesMut};
use ringback_sansio::{CloseReason, Flow, FlowId, Protocol};
use ringback_transport::FromNetwork;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

/// How much is read at once.
const READ: usize = 16 << 10;
/// How many queued messages are written at once.
const WRITES: usize = 64;
/// How long a peer that closed its side is given to read the rest.
const LINGER: Duration = Duration::from_secs(5);

/// Accepts connections, for ever.
pub(crate) async fn accept<C: Core>(
    shared: Arc<Shared<C>>,
    listener: io::Result<std::net::TcpListener>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener?)?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => shared.spawn(serve(shared.clone(), stream, peer)),
            Err(error) => {
                // Fault 43: without file descriptors the connection stays in the queue, and accept would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Makes a connection that the transport asked for.
pub(crate) async fn connect<C: Core>(shared: Arc<Shared<C>>, protocol: Protocol, peer: SocketAddr) {
    if protocol != Protocol::Tcp {
        return tell(&shared, FromNetwork::ConnectFailed(protocol, peer, CloseReason::NoRoute));
    }
    let reason = match tokio::time::timeout(shared.config.transport.connect, TcpStream::connect(peer)).await {
        Ok(Ok(stream)) => return serve(shared, stream, peer).await,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => CloseReason::Refused,
        Ok(Err(_)) => CloseReason::Reset,
        Err(_) => CloseReason::TimedOut,
    };
    tell(&shared, FromNetwork::ConnectFailed(protocol, peer, reason));
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

async fn serve<C: Core>(shared: Arc<Shared<C>>, stream: TcpStream, peer: SocketAddr) {
    // Both fail only when the connection is gone already, which reading will show.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().unwrap_or(peer);
    let (queue, waiting) = mpsc::channel(shared.config.max_queued);
    let (queued, kill) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let Some(flow) = open(&shared, local, peer, Writer { queue, queued: queued.clone(), kill: kill.clone() })
    else {
        return;
    };
    let _alive = Alive(shared.clone());
    let (reader, writer) = stream.into_split();
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

fn open<C: Core>(
    shared: &Arc<Shared<C>>,
    local: SocketAddr,
    peer: SocketAddr,
    writer: Writer,
) -> Option<Flow> {
    let now = Instant::now();
    let (mut events, mut out) = (Vec::new(), Outbox::new());
    let mut streams = shared.streams();
    if streams.closing {
        return None;
    }
    let flow = Flow { id: streams.name(), protocol: Protocol::Tcp, local, peer };
    streams.opened(now, flow, writer, &mut events);
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
async fn read<C: Core>(shared: &Arc<Shared<C>>, flow: Flow, mut reader: OwnedReadHalf) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        // Tokio's budget makes this wait for the others when there is always more to read.
        match reader.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
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
    mut writer: OwnedWriteHalf,
    mut waiting: mpsc::Receiver<Bytes>,
    queued: &AtomicUsize,
) {
    let mut batch: Vec<Bytes> = Vec::with_capacity(WRITES);
    while waiting.recv_many(&mut batch, WRITES).await > 0 {
        let bytes = match &batch[..] {
            [only] => only.clone(),
            several => Bytes::from(several.concat()),
        };
        let written = tokio::time::timeout(shared.config.write_timeout, writer.write_all(&bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
        queued.fetch_sub(bytes.len(), Ordering::Relaxed);
        shared.tap(Instant::now(), Direction::Out, &flow, &bytes);
        batch.clear();
    }
    let _ = writer.shutdown().await;
}
