//! The streams that are open or being made, and who waits for them.

use crate::alias::Proof;
use crate::bindings::{Place, jittered};
use crate::race::{self, Outcome, Races};
use crate::{Frame, Framer, Identity, TransportConfig, TransportOutput};
use bytes::Bytes;
use ringback_message::Message;
use ringback_message::header::Via;
use ringback_sansio::{CloseReason, Flow, FlowId, Map, Protocol, Seal, Target, TimerQueue};
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
    /// A connection was tried long enough without its rival.
    Race(Target),
    /// A stream is to be kept open.
    Keep(FlowId),
    /// The answer to a ping is not there.
    Pong(FlowId),
    /// A datagram flow is to be kept open.
    Bind(Place),
}

#[derive(Debug)]
struct Stream<T> {
    flow: Flow,
    /// Whom it reaches, so that sends to him use it.
    reaches: Target,
    framer: Framer,
    /// How often it is pinged, if it is.
    every: Option<Duration>,
    /// Who the peer has proved to be, where it made the connection.
    proof: Option<Box<Proof>>,
    /// What was sent over a stream of our making from which nothing was heard yet: in TLS 1.3 a server says that it refuses
    /// our certificate when the connection seems to be made, and whoever takes connections for another may never answer.
    unheard: Option<Vec<T>>,
}

#[derive(Debug)]
pub(crate) struct Streams<T> {
    config: TransportConfig,
    open: Map<FlowId, Stream<T>>,
    /// Connection reuse: the stream to use for a peer.
    by_peer: Map<Target, FlowId>,
    by_source: Map<IpAddr, usize>,
    connecting: Map<Target, Vec<(T, Bytes)>>,
    races: Races,
    jitter: Seal,
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
            races: Races::default(),
            jitter: Seal::keyed(config.secret),
            timers: TimerQueue::new(),
        }
    }

    pub(crate) fn set_most(&mut self, all: usize, of_source: usize) {
        (self.config.max_streams, self.config.max_streams_per_source) = (all, of_source);
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
            return self.lose(now, &reaches, out);
        }
        self.by_source.insert(flow.peer.ip(), of_source + 1);
        // Fault 46: whoever connects to us has not proved to be who is meant by the address that he came from.
        if waiting.is_some() || !flow.protocol.is_secure() {
            self.by_peer.insert(reaches, flow.id);
        }
        let framer = Framer::new(self.config.framing);
        let is_ours = waiting.is_some();
        let (tags, waiting): (Vec<T>, Vec<Bytes>) = waiting.into_iter().flatten().unzip();
        let unheard = is_ours.then_some(tags);
        self.open.insert(flow.id, Stream { flow, reaches, framer, every: None, proof: None, unheard });
        self.timers.set(Deadline::Idle(flow.id), now + self.config.idle);
        if is_web_socket(flow.protocol) {
            self.keep(now, flow.id, self.config.web_socket_ping);
        }
        out.extend(waiting.into_iter().map(|bytes| TransportOutput::Write(flow.id, bytes)));
        let outcome = self.races.connected(&reaches);
        self.race_on(now, outcome, out);
    }

    /// Connects to the one of two targets that answers first.
    pub(crate) fn race(
        &mut self,
        now: Instant,
        token: u64,
        first: Target,
        second: Target,
        out: &mut Outputs<T>,
    ) {
        let is_there = |target: &&Target| self.by_peer.contains_key(*target);
        if let Some(there) = [first, second].iter().find(is_there) {
            return out.push_back(TransportOutput::Raced(token, Some(*there)));
        }
        if self.races.start(token, first, second) {
            self.timers.set(Deadline::Race(first), now + race::DELAY);
            self.begin(now, first, out);
        }
    }

    /// The first target of a race has had its time alone.
    pub(crate) fn race_late(&mut self, now: Instant, first: Target, out: &mut Outputs<T>) {
        if let Some(second) = self.races.late(&first) {
            self.begin(now, second, out);
        }
    }

    /// Connects, where that is not under way.
    fn begin(&mut self, now: Instant, to: Target, out: &mut Outputs<T>) {
        if self.connecting.contains_key(&to) {
            return;
        }
        if self.open.len() + self.connecting.len() >= self.config.max_streams {
            return self.lose(now, &to, out);
        }
        self.connect(now, to, Vec::new(), out);
    }

    fn connect(&mut self, now: Instant, to: Target, waiting: Vec<(T, Bytes)>, out: &mut Outputs<T>) {
        self.connecting.insert(to, waiting);
        self.timers.set(Deadline::Connect(to), now + self.config.connect);
        out.push_back(TransportOutput::Connect(to));
    }

    /// A target of a race does not answer.
    fn lose(&mut self, now: Instant, to: &Target, out: &mut Outputs<T>) {
        let outcome = self.races.failed(to);
        self.race_on(now, outcome, out);
    }

    fn race_on(&mut self, now: Instant, outcome: Outcome, out: &mut Outputs<T>) {
        for first in outcome.over {
            self.timers.cancel(Deadline::Race(first));
        }
        out.extend(outcome.told.into_iter().map(|(token, there)| TransportOutput::Raced(token, there)));
        for lost in outcome.lost {
            // Somebody may send to just this one, or run it against another.
            let is_idle = self.connecting.get(&lost).is_some_and(Vec::is_empty);
            if is_idle && !self.races.wants(&lost) {
                self.connecting.remove(&lost);
                self.timers.cancel(Deadline::Connect(lost));
                out.push_back(TransportOutput::Abandon(lost));
            }
        }
        if let Some(next) = outcome.begin {
            self.begin(now, next, out);
        }
    }

    pub(crate) fn send_on(&mut self, now: Instant, tag: T, id: FlowId, bytes: Bytes, out: &mut Outputs<T>) {
        let Some(stream) = self.open.get_mut(&id) else {
            return out.push_back(TransportOutput::Failed(tag, CloseReason::Closed));
        };
        // More than a few at once have their own timers to tell.
        if let Some(unheard) = stream.unheard.as_mut().filter(|sent| sent.len() < self.config.max_waiting) {
            unheard.push(tag);
        }
        self.timers.set(Deadline::Idle(id), now + self.config.idle);
        out.push_back(TransportOutput::Write(id, bytes));
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
        self.connect(now, to, vec![(tag, bytes)], out);
    }

    pub(crate) fn connect_failed(
        &mut self,
        now: Instant,
        to: Target,
        reason: CloseReason,
        out: &mut Outputs<T>,
    ) {
        self.timers.cancel(Deadline::Connect(to));
        let Some(waiting) = self.connecting.remove(&to) else { return };
        out.extend(waiting.into_iter().map(|(tag, _)| TransportOutput::Failed(tag, reason)));
        self.lose(now, &to, out);
    }

    /// The peer of a stream that it made has a certificate, which was checked.
    pub(crate) fn proved(&mut self, id: FlowId, identities: Vec<Identity>) {
        if let Some(stream) = self.open.get_mut(&id).filter(|_| !identities.is_empty()) {
            stream.proof = Some(Box::new(Proof::new(identities)));
        }
    }

    /// Lets requests to the peer of a stream go over it, where this request asks for that and the peer has proved to be
    /// whom it says (RFC 5923 §8.2). Connections of our own making stay what they are.
    pub(crate) fn alias(&mut self, id: FlowId, message: &Message) {
        let Some(stream) = self.open.get_mut(&id) else { return };
        let Some(proof) = stream.proof.as_mut().filter(|_| message.is_request()) else { return };
        let Some(Ok(via)) = message.first::<Via<'_>>() else { return };
        if proof.ask(&stream.flow, &via) {
            for target in proof.targets(&stream.flow) {
                self.by_peer.entry(target).or_insert(id);
            }
        }
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
        if let Some(stream) = self.open.get_mut(&id) {
            stream.unheard = None;
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

    /// The flow of a stream on which a message has begun that has not ended.
    pub(crate) fn in_mid_message(&self, id: FlowId) -> Option<Flow> {
        let stream = self.open.get(&id)?;
        stream.framer.is_partial().then_some(stream.flow)
    }

    /// Closes a stream of our own accord.
    pub(crate) fn close(&mut self, id: FlowId, reason: CloseReason, out: &mut Outputs<T>) {
        if self.open.contains_key(&id) {
            out.push_back(TransportOutput::Close(id, reason));
        }
        self.closed(id, reason, out);
    }

    /// Forgets a stream that ended. What was written to it before is not known to be lost, and the transactions above have
    /// their own timers for that; but where the other end never said a word, it is as if there had been no connection.
    pub(crate) fn closed(&mut self, id: FlowId, reason: CloseReason, out: &mut Outputs<T>) {
        let Some(mut stream) = self.open.remove(&id) else { return };
        let unheard = stream.unheard.take().into_iter().flatten();
        out.extend(unheard.map(|tag| TransportOutput::Failed(tag, reason)));
        let aliases = stream.proof.iter().flat_map(|proof| proof.targets(&stream.flow));
        for reached in aliases.chain([stream.reaches]) {
            if self.by_peer.get(&reached) == Some(&id) {
                self.by_peer.remove(&reached);
            }
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
