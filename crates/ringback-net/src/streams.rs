//! All streams of a driver, behind one lock: the transport machine, and the queues into which it writes.

use crate::connection::Direct;
use crate::drops::{self, Drops};
use crate::{NetConfig, OsEntropy};
use bytes::Bytes;
use futures::channel::mpsc;
use ringback_message::{Message, ParseError};
use ringback_sansio::{CloseReason, Entropy as _, Flow, FlowId, Machine as _, Map, Target};
use ringback_transport::{FromNetwork, Transport, TransportConfig, TransportOutput};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What the transport reports, to be handled without the lock.
pub(crate) enum Event<T> {
    /// And who says that it is not needed any more.
    Connect(Target, Arc<Notify>),
    /// How a race ended.
    Raced(u64, Option<Target>),
    Failed(T, CloseReason),
    Received(Flow, Message),
    Malformed(Flow, ParseError),
    /// To be written, without the lock.
    Write(Arc<Direct>, Bytes),
    /// To be sent.
    Datagram(FlowId, SocketAddr, Bytes),
    Mapped(Flow, SocketAddr),
    /// A flow of datagrams.
    Lost(Flow, CloseReason),
}

/// What waits to be written.
#[derive(Debug)]
pub(crate) enum Queued {
    Message(Bytes),
    /// What is left of a message.
    Rest(Bytes),
    /// Messages of so many octets that are encrypted already, and wait in the session of the connection.
    Sealed(usize),
    /// A ping of WebSocket.
    Ping,
}

impl Queued {
    /// What is written of it on a stream, which is pinged by a message of line ends.
    pub(crate) fn octets(&self) -> Option<&Bytes> {
        match self {
            Self::Message(bytes) | Self::Rest(bytes) => Some(bytes),
            Self::Sealed(_) | Self::Ping => None,
        }
    }

    /// How many octets wait.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Message(bytes) | Self::Rest(bytes) => bytes.len(),
            Self::Sealed(len) => *len,
            Self::Ping => 0,
        }
    }
}

/// The end of a connection that others write into.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) queue: mpsc::Sender<Queued>,
    pub(crate) queued: Arc<AtomicUsize>,
    /// Ends the connection at once.
    pub(crate) kill: Arc<Notify>,
    /// Where messages need not wait for their task.
    pub(crate) direct: Option<Arc<Direct>>,
}

#[derive(Debug)]
pub(crate) struct Streams<T> {
    transport: Transport<Option<T>>,
    writers: Map<FlowId, Writer>,
    /// Connections that are being made, and how their making is ended.
    making: Map<Target, Arc<Notify>>,
    max_queued_bytes: usize,
    drops: Arc<Drops>,
    next: u64,
    /// Connections with a task, those that only write out what is left included.
    pub(crate) alive: usize,
    /// No more connections.
    pub(crate) closing: bool,
    watched: Option<Instant>,
}

impl<T> Streams<T> {
    pub(crate) fn new(config: &NetConfig, drops: Arc<Drops>) -> Self {
        Self {
            transport: Transport::new(TransportConfig {
                secret: OsEntropy::new().next_u64(),
                ..config.transport
            }),
            writers: Map::default(),
            making: Map::default(),
            max_queued_bytes: config.max_queued_bytes,
            drops,
            // Below are the names of the UDP listeners.
            next: 1 << 32,
            alive: 0,
            closing: false,
            watched: None,
        }
    }

    pub(crate) fn set_max_streams(&mut self, all: usize, of_source: usize) {
        self.transport.set_max_streams(all, of_source);
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.transport.open_streams()
    }

    pub(crate) fn send(
        &mut self,
        now: Instant,
        tag: Option<T>,
        to: Target,
        bytes: Bytes,
        events: &mut Vec<Event<T>>,
    ) {
        self.transport.send(now, tag, to, bytes);
        self.pump(now, events);
    }

    pub(crate) fn keep(
        &mut self,
        now: Instant,
        flow: &Flow,
        every: Option<Duration>,
        events: &mut Vec<Event<T>>,
    ) {
        match every {
            Some(every) => self.transport.keep(now, flow, every),
            None => self.transport.forget(flow),
        }
        self.pump(now, events);
    }

    /// A name for a new connection.
    pub(crate) fn name(&mut self) -> FlowId {
        self.next += 1;
        FlowId(self.next)
    }

    /// Connects to the one of two targets that answers first.
    pub(crate) fn race(
        &mut self,
        now: Instant,
        token: u64,
        (first, second): (Target, Target),
        events: &mut Vec<Event<T>>,
    ) {
        self.transport.race(now, token, first, second);
        self.pump(now, events);
    }

    /// A connection is there: one to this target, where we made it. `false` when nobody needs it any more.
    pub(crate) fn opened(
        &mut self,
        now: Instant,
        to: Option<Target>,
        flow: Flow,
        writer: Writer,
        events: &mut Vec<Event<T>>,
    ) -> bool {
        if to.is_some_and(|to| self.making.remove(&to).is_none()) {
            return false;
        }
        self.alive += 1;
        self.writers.insert(flow.id, writer);
        self.transport.handle(
            now,
            match to {
                Some(to) => FromNetwork::Connected(to, flow),
                None => FromNetwork::Opened(flow),
            },
        );
        self.pump(now, events);
        true
    }

    pub(crate) fn handle(&mut self, now: Instant, input: FromNetwork, events: &mut Vec<Event<T>>) {
        if let FromNetwork::ConnectFailed(to, _) = &input {
            self.making.remove(to);
        }
        self.transport.handle(now, input);
        self.pump(now, events);
    }

    /// The connection ended, or is about to: nothing more is taken for it.
    pub(crate) fn closed(
        &mut self,
        now: Instant,
        id: FlowId,
        reason: CloseReason,
        events: &mut Vec<Event<T>>,
    ) {
        self.writers.remove(&id);
        self.transport.handle(now, FromNetwork::Closed(id, reason));
        self.pump(now, events);
    }

    /// Takes no more for any connection; what waits is still written.
    pub(crate) fn close_all(&mut self) {
        self.closing = true;
        self.writers.clear();
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, events: &mut Vec<Event<T>>) {
        self.transport.handle_timeout(now);
        self.pump(now, events);
    }

    /// Whether a deadline is earlier than the one that is waited for.
    pub(crate) fn has_earlier_deadline(&self) -> bool {
        match (self.transport.poll_timeout(), self.watched) {
            (Some(at), Some(watched)) => at < watched,
            (at, None) => at.is_some(),
            (None, Some(_)) => false,
        }
    }

    /// The deadline to wait for.
    pub(crate) fn watch_deadline(&mut self) -> Option<Instant> {
        self.watched = self.transport.poll_timeout();
        self.watched
    }

    fn pump(&mut self, now: Instant, events: &mut Vec<Event<T>>) {
        while let Some(output) = self.transport.poll() {
            match output {
                TransportOutput::Connect(to) => {
                    let given_up = Arc::new(Notify::new());
                    self.making.insert(to, given_up.clone());
                    events.push(Event::Connect(to, given_up));
                }
                TransportOutput::Abandon(to) => {
                    if let Some(given_up) = self.making.remove(&to) {
                        given_up.notify_one();
                    }
                }
                TransportOutput::Raced(token, there) => events.push(Event::Raced(token, there)),
                TransportOutput::Write(id, bytes) => {
                    match self.writers.get(&id).and_then(|writer| writer.direct.clone()) {
                        Some(direct) => events.push(Event::Write(direct, bytes)),
                        None => self.queue(now, id, Queued::Message(bytes)),
                    }
                }
                // The rest of the queue is written, then the task ends.
                TransportOutput::Close(id, reason) => {
                    self.queue_last(now, id, events);
                    self.drops.count(drops::word(reason));
                    self.writers.remove(&id);
                }
                TransportOutput::Received(flow, message) => events.push(Event::Received(flow, message)),
                TransportOutput::Malformed(flow, error) => events.push(Event::Malformed(flow, error)),
                TransportOutput::Failed(Some(tag), reason) => events.push(Event::Failed(tag, reason)),
                TransportOutput::Failed(None, _) => {}
                TransportOutput::Ping(id) => self.queue(now, id, Queued::Ping),
                TransportOutput::Datagram(id, to, bytes) => events.push(Event::Datagram(id, to, bytes)),
                TransportOutput::Mapped(flow, seen) => events.push(Event::Mapped(flow, seen)),
                TransportOutput::Lost(flow, reason) => events.push(Event::Lost(flow, reason)),
            }
        }
    }

    /// Queues what would be written to a connection that is about to be closed, so that its task does it before.
    fn queue_last(&mut self, now: Instant, id: FlowId, events: &mut Vec<Event<T>>) {
        let last =
            events.extract_if(.., |event| matches!(event, Event::Write(direct, _) if direct.flow.id == id));
        for event in last.collect::<Vec<_>>() {
            if let Event::Write(_, bytes) = event {
                self.queue(now, id, Queued::Message(bytes));
            }
        }
    }

    /// Takes what a connection did not take at once.
    pub(crate) fn queue_rest(&mut self, now: Instant, id: FlowId, rest: Queued, events: &mut Vec<Event<T>>) {
        self.queue(now, id, rest);
        self.pump(now, events);
    }

    fn queue(&mut self, now: Instant, id: FlowId, what: Queued) {
        let Some(writer) = self.writers.get_mut(&id) else { return };
        let len = what.len();
        let queued = writer.queued.fetch_add(len, Ordering::Relaxed);
        if queued + len > self.max_queued_bytes.max(len) || writer.queue.try_send(what).is_err() {
            // Fault 4: a peer that does not read is closed, not buffered. The transactions that wait for it have
            // timers of their own.
            self.drops.count(drops::word(CloseReason::SlowReader));
            writer.kill.notify_one();
            self.writers.remove(&id);
            self.transport.handle(now, FromNetwork::Closed(id, CloseReason::SlowReader));
        }
    }
}
