//! The streams that are open or being made, and who waits for them.

use crate::bindings::{Place, jittered};
use crate::{Frame, Framer, TransportConfig, TransportOutput};
use bytes::Bytes;
use ringback_sansio::{CloseReason, Flow, FlowId, Hasher, Map, Protocol, Target, TimerQueue};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// A stream was silent too long.
    Idle(FlowId),
    /// A message took too long to arrive whole.
    Message(FlowId),
    /// A connection took too long to be made.
    Connect(Target),
    /// A stream is to be kept open.
    Keep(FlowId),
    /// The answer to a ping is not there.
    Pong(FlowId),
    /// A datagram flow is to be kept open.
    Bind(Place),
}

#[derive(Debug)]
struct Stream {
    flow: Flow,
    /// Whom it reaches, so that sends to him use it.
    reaches: Target,
    framer: Framer,
    /// How often it is pinged, if it is.
    every: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Streams<T> {
    config: TransportConfig,
    open: Map<FlowId, Stream>,
    /// Connection reuse: the stream to use for a peer.
    by_peer: Map<Target, FlowId>,
    by_source: Map<IpAddr, usize>,
    connecting: Map<Target, Vec<(T, Bytes)>>,
    jitter: Hasher,
    pub(crate) timers: TimerQueue<Deadline>,
}

type Outputs<T> = VecDeque<TransportOutput<T>>;

impl<T> Streams<T> {
    pub(crate) fn new(config: TransportConfig) -> Self {
        Self {
            config,
            open: Map::default(),
            by_peer: Map::default(),
            by_source: Map::default(),
            connecting: Map::default(),
            jitter: Hasher::keyed(config.secret),
            timers: TimerQueue::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn opened(&mut self, now: Instant, reaches: Target, flow: Flow, out: &mut Outputs<T>) {
        let waiting = self.connecting.remove(&reaches);
        self.timers.cancel(Deadline::Connect(reaches));
        let of_source = self.by_source.get(&flow.peer.ip()).copied().unwrap_or(0);
        if self.open.len() >= self.config.max_streams || of_source >= self.config.max_streams_per_source {
            out.push_back(TransportOutput::Close(flow.id, CloseReason::Limit));
            let failed = waiting.into_iter().flatten();
            out.extend(failed.map(|(tag, _)| TransportOutput::Failed(tag, CloseReason::Limit)));
            return;
        }
        self.by_source.insert(flow.peer.ip(), of_source + 1);
        // Fault 46: whoever connects to us has not proved to be who is meant by the address that he came from.
        if waiting.is_some() || !flow.protocol.is_secure() {
            self.by_peer.insert(reaches, flow.id);
        }
        let framer = Framer::new(self.config.framing);
        self.open.insert(flow.id, Stream { flow, reaches, framer, every: None });
        self.timers.set(Deadline::Idle(flow.id), now + self.config.idle);
        if is_web_socket(flow.protocol) {
            self.keep(now, flow.id, self.config.web_socket_ping);
        }
        let waiting = waiting.into_iter().flatten();
        out.extend(waiting.map(|(_, bytes)| TransportOutput::Write(flow.id, bytes)));
    }

    pub(crate) fn send_on(&mut self, now: Instant, tag: T, id: FlowId, bytes: Bytes, out: &mut Outputs<T>) {
        if self.open.contains_key(&id) {
            self.timers.set(Deadline::Idle(id), now + self.config.idle);
            out.push_back(TransportOutput::Write(id, bytes));
        } else {
            out.push_back(TransportOutput::Failed(tag, CloseReason::Closed));
        }
    }

    pub(crate) fn send_to(&mut self, now: Instant, tag: T, to: Target, bytes: Bytes, out: &mut Outputs<T>) {
        if let Some(id) = self.by_peer.get(&to) {
            return self.send_on(now, tag, *id, bytes, out);
        }
        if let Some(waiting) = self.connecting.get_mut(&to) {
            if waiting.len() < self.config.max_waiting {
                waiting.push((tag, bytes));
            } else {
                out.push_back(TransportOutput::Failed(tag, CloseReason::Limit));
            }
            return;
        }
        if self.open.len() + self.connecting.len() >= self.config.max_streams {
            out.push_back(TransportOutput::Failed(tag, CloseReason::Limit));
            return;
        }
        self.connecting.insert(to, vec![(tag, bytes)]);
        self.timers.set(Deadline::Connect(to), now + self.config.connect);
        out.push_back(TransportOutput::Connect(to));
    }

    pub(crate) fn connect_failed(&mut self, to: Target, reason: CloseReason, out: &mut Outputs<T>) {
        self.timers.cancel(Deadline::Connect(to));
        let waiting = self.connecting.remove(&to).into_iter().flatten();
        out.extend(waiting.map(|(tag, _)| TransportOutput::Failed(tag, reason)));
    }

    /// Takes bytes of a stream; `None` when it is not open any more.
    pub(crate) fn push(&mut self, now: Instant, id: FlowId, bytes: &[u8]) -> Option<Flow> {
        let stream = self.open.get_mut(&id)?;
        stream.framer.push(bytes);
        let flow = stream.flow;
        self.heard(now, id);
        Some(flow)
    }

    /// Takes a whole message of a stream that keeps them apart; `None` when it is not open any more.
    pub(crate) fn message(&mut self, now: Instant, id: FlowId) -> Option<Flow> {
        let flow = self.open.get(&id)?.flow;
        self.heard(now, id);
        Some(flow)
    }

    /// Whatever it was, the peer is there.
    pub(crate) fn heard(&mut self, now: Instant, id: FlowId) {
        if self.open.contains_key(&id) {
            self.timers.set(Deadline::Idle(id), now + self.config.idle);
            self.timers.cancel(Deadline::Pong(id));
        }
    }

    /// Pings a stream from now on.
    pub(crate) fn keep(&mut self, now: Instant, id: FlowId, every: Duration) {
        let Some(stream) = self.open.get_mut(&id) else { return };
        let least = is_web_socket(stream.flow.protocol).then_some(self.config.web_socket_ping);
        let every = least.map_or(every, |least| least.min(every));
        stream.every = Some(every);
        self.timers.set(Deadline::Keep(id), now + jittered(self.jitter, id.0, every));
    }

    /// It is time for a ping.
    pub(crate) fn ping(&mut self, now: Instant, id: FlowId, out: &mut Outputs<T>) {
        let Some(stream) = self.open.get_mut(&id) else { return };
        let Some(every) = stream.every else { return };
        // Each time another part of it, and the same in every run.
        let salt = id.0 ^ self.timers.len() as u64;
        self.timers.set(Deadline::Keep(id), now + jittered(self.jitter, salt, every));
        if self.timers.deadline(Deadline::Pong(id)).is_some() {
            return;
        }
        self.timers.set(Deadline::Pong(id), now + self.config.pong);
        out.push_back(match is_web_socket(stream.flow.protocol) {
            true => TransportOutput::Ping(id),
            false => {
                stream.framer.expect_pong();
                TransportOutput::Write(id, Bytes::from_static(b"\r\n\r\n"))
            }
        });
    }

    pub(crate) fn poll_frame(&mut self, now: Instant, id: FlowId) -> Option<Frame> {
        let stream = self.open.get_mut(&id)?;
        let frame = stream.framer.poll();
        let deadline = Deadline::Message(id);
        if !stream.framer.is_partial() {
            self.timers.cancel(deadline);
        } else if frame.is_some() || self.timers.deadline(deadline).is_none() {
            self.timers.set(deadline, now + self.config.message);
        }
        frame
    }

    /// Closes a stream of our own accord.
    pub(crate) fn close(&mut self, id: FlowId, reason: CloseReason, out: &mut Outputs<T>) {
        if self.open.contains_key(&id) {
            out.push_back(TransportOutput::Close(id, reason));
        }
        self.closed(id);
    }

    /// Forgets a stream that ended. What was written to it before is not known to be lost: the transactions
    /// above have their own timers for that.
    pub(crate) fn closed(&mut self, id: FlowId) {
        let Some(stream) = self.open.remove(&id) else { return };
        if self.by_peer.get(&stream.reaches) == Some(&id) {
            self.by_peer.remove(&stream.reaches);
        }
        if let Some(count) = self.by_source.get_mut(&stream.flow.peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&stream.flow.peer.ip());
            }
        }
        self.timers.cancel(Deadline::Idle(id));
        self.timers.cancel(Deadline::Message(id));
        self.timers.cancel(Deadline::Keep(id));
        self.timers.cancel(Deadline::Pong(id));
    }
}

/// Whether messages come whole, and pings are none of them (RFC 7118 §5, §6).
fn is_web_socket(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Ws | Protocol::Wss)
}
