//! The transport layer as a machine: bytes in, messages out, and the other way round.

use crate::bindings::{Act, Bindings, Place};
use crate::streams::{Deadline, Streams};
use crate::via::{self, Inbound};
use crate::{Frame, FramingLimits, Identity, stun};
use bytes::Bytes;
use ringback_message::{Limits, Message, ParseError, StatusCode};
use ringback_sansio::{CloseReason, Flow, FlowId, Machine, Protocol, Target};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How much the transport holds and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct TransportConfig {
    /// How much of one message a stream may send, and of its header section a datagram.
    pub framing: FramingLimits,
    /// Streams open at once.
    pub max_streams: usize,
    /// Streams open at once from one address (fault 3).
    pub max_streams_per_source: usize,
    /// Messages that wait for one connection to be made.
    pub max_waiting: usize,
    /// How long a stream may be silent.
    pub idle: Duration,
    /// How long a message may take from its first byte to its last (fault 3).
    pub message: Duration,
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// How long the answer to a ping may take, before the stream is taken for dead (RFC 5626 §4.4.1).
    pub pong: Duration,
    /// How often WebSocket connections are pinged (RFC 7118 §6), in both roles.
    pub web_socket_ping: Duration,
    /// Datagram flows that are kept at once.
    pub max_kept: usize,
    /// An unpredictable number, to be drawn by the driver: from it come the names of questions that are asked by datagrams,
    /// which nobody off the path may guess, and the spread of keep-alives.
    pub secret: u64,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            framing: FramingLimits::default(),
            max_streams: 20_000,
            max_streams_per_source: 10_000,
            max_waiting: 64,
            idle: Duration::from_secs(600),
            message: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            pong: Duration::from_secs(10),
            web_socket_ping: Duration::from_secs(50),
            max_kept: 1_024,
            secret: 0,
        }
    }
}

/// What the driver tells the transport.
#[derive(Clone, Debug)]
pub enum FromNetwork {
    /// A datagram, of SIP or of STUN. The flow's `id` is our socket, its `peer` the sender.
    Datagram(Flow, Bytes),
    /// A stream is open that the peer made, or one that we asked for by an address alone.
    Opened(Flow),
    /// A stream is open that we asked for by [`TransportOutput::Connect`], to this target.
    Connected(Target, Flow),
    /// The peer of a stream that it made has proved by a certificate to be this (RFC 5922). To be told before any bytes.
    Proved(FlowId, Vec<Identity>),
    /// Bytes from a stream.
    Bytes(FlowId, Bytes),
    /// One whole message of a stream that keeps messages apart: WebSocket (RFC 7118 §5).
    Message(FlowId, Bytes),
    /// A sign of life of a stream that is no message: a ping or pong of WebSocket.
    Alive(FlowId),
    /// A stream ended, for this reason.
    Closed(FlowId, CloseReason),
    /// A stream that we asked for could not be made.
    ConnectFailed(Target, CloseReason),
}

/// What the transport wants done, or reports. `T` is the tag that came with [`Transport::send`].
#[derive(Clone, Debug)]
pub enum TransportOutput<T> {
    /// Make a stream, never to [`Target::Flow`]; answer with [`FromNetwork::Connected`] or
    /// [`FromNetwork::ConnectFailed`].
    Connect(Target),
    /// Nobody waits any more for the stream that this asked for: stop making it.
    Abandon(Target),
    /// How [`Transport::race`] ended: which of the two is connected to, if one is. Once for each token.
    Raced(u64, Option<Target>),
    /// Write to a stream: over WebSocket one message.
    Write(FlowId, Bytes),
    /// Ask whether the other end of a WebSocket connection is there; tell what comes back by [`FromNetwork::Alive`].
    Ping(FlowId),
    /// Send a datagram from this socket to this address.
    Datagram(FlowId, SocketAddr, Bytes),
    /// Close a stream, for this reason.
    Close(FlowId, CloseReason),
    /// A valid message arrived.
    Received(Flow, Message),
    /// Something arrived that is no message; where it could be answered, it was.
    Malformed(Flow, ParseError),
    /// What was sent with this tag cannot arrive.
    Failed(T, CloseReason),
    /// The peer of a datagram flow that is [kept](Transport::keep) sees us at this address. Told once for each flow.
    Mapped(Flow, SocketAddr),
    /// A datagram flow that is kept is not what it was: nobody answers, or the peer sees us elsewhere than before. It is
    /// kept no longer. Streams tell it by their end.
    Lost(Flow, CloseReason),
}

/// The transport layer of one element.
#[derive(Debug)]
pub struct Transport<T> {
    sockets: Vec<(FlowId, Protocol, SocketAddr)>,
    streams: Streams<T>,
    bindings: Bindings,
    max_kept: usize,
    /// How much of a message is taken.
    limits: Limits,
    outputs: VecDeque<TransportOutput<T>>,
    now: Option<Instant>,
}

impl<T> Transport<T> {
    /// A transport without sockets.
    pub fn new(config: TransportConfig) -> Self {
        Self {
            sockets: Vec::new(),
            bindings: Bindings::new(config.secret),
            max_kept: config.max_kept,
            limits: config.framing.message,
            streams: Streams::new(config),
            outputs: VecDeque::new(),
            now: None,
        }
    }

    /// Keeps a flow open from now on, as RFC 5626 §4.4 says: streams by CRLF, WebSocket by pings, datagram flows by STUN. At
    /// least four fifths of `every` pass between two keep-alives. Peers have to know them: see
    /// [`keep_of`](crate::via::keep_of). A flow that does not answer is closed, or told as [`TransportOutput::Lost`].
    pub fn keep(&mut self, now: Instant, flow: &Flow, every: Duration) {
        let now = self.clamp(now);
        if flow.protocol.is_reliable() {
            return self.streams.keep(now, flow.id, every);
        }
        let place = (flow.id, flow.peer);
        let is_new = !self.bindings.contains(&place);
        if is_new && self.bindings.len() >= self.max_kept {
            return;
        }
        self.bindings.keep(*flow, every);
        if is_new {
            self.bind(now, place);
        }
    }

    /// Keeps a datagram flow no longer. A stream is kept as long as it is open.
    pub fn forget(&mut self, flow: &Flow) {
        let place = (flow.id, flow.peer);
        self.bindings.forget(&place);
        self.streams.timers.cancel(Deadline::Bind(place));
    }

    /// Tells of a socket that is bound: for datagrams the one to send from, for streams one that accepts.
    pub fn listen(&mut self, id: FlowId, protocol: Protocol, local: SocketAddr) {
        self.sockets.push((id, protocol, local));
    }

    /// The socket that datagrams to `peer` leave from.
    pub fn socket_for(&self, protocol: Protocol, peer: SocketAddr) -> Option<(FlowId, SocketAddr)> {
        let mut fitting =
            self.sockets.iter().filter(|(_, p, local)| *p == protocol && local.is_ipv4() == peer.is_ipv4());
        fitting.next().map(|(id, _, local)| (*id, *local))
    }

    /// Sends `bytes`. When they cannot arrive, `tag` comes back in [`TransportOutput::Failed`].
    pub fn send(&mut self, now: Instant, tag: T, to: Target, bytes: Bytes) {
        let now = self.clamp(now);
        match to {
            Target::Flow(flow) if !flow.protocol.is_reliable() => {
                self.outputs.push_back(TransportOutput::Datagram(flow.id, flow.peer, bytes));
            }
            Target::Flow(flow) => self.streams.send_on(now, tag, flow.id, bytes, &mut self.outputs),
            Target::Address(Protocol::Udp, peer) => match self.socket_for(Protocol::Udp, peer) {
                Some((id, _)) => self.outputs.push_back(TransportOutput::Datagram(id, peer, bytes)),
                None => self.outputs.push_back(TransportOutput::Failed(tag, CloseReason::NoRoute)),
            },
            Target::Address(..) | Target::Domain(..) => {
                self.streams.send_to(now, tag, to, bytes, &mut self.outputs)
            }
        }
    }

    /// Connects to the one of two addresses of a server that answers first, and tells by [`TransportOutput::Raced`]: `second`
    /// is tried when `first` is not there within a quarter of a second (RFC 8305 §5). Sends to either wait for it or use it,
    /// as ever; what nobody needs is given up. Both are targets of streams, and none is a [`Target::Flow`].
    pub fn race(&mut self, now: Instant, token: u64, first: Target, second: Target) {
        let now = self.clamp(now);
        self.streams.race(now, token, first, second, &mut self.outputs);
    }

    /// Lets so many streams be open from now on, and so many from one address. Where there are more already, all of them stay.
    pub fn set_max_streams(&mut self, all: usize, of_source: usize) {
        self.streams.set_most(all, of_source);
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    fn clamp(&mut self, now: Instant) -> Instant {
        let now = self.now.map_or(now, |seen| seen.max(now));
        self.now = Some(now);
        now
    }

    fn bind(&mut self, now: Instant, place: Place) {
        let act = self.bindings.due(now, place);
        self.act(place, act);
    }

    fn act(&mut self, place: Place, act: Option<Act>) {
        let timer = Deadline::Bind(place);
        match act {
            Some(Act::Ask(bytes, next)) => {
                self.outputs.push_back(TransportOutput::Datagram(place.0, place.1, bytes));
                self.streams.timers.set(timer, next);
            }
            Some(Act::Wait(next, news)) => {
                self.streams.timers.set(timer, next);
                if let (Some(seen), Some(flow)) = (news, self.bindings.flow(&place)) {
                    self.outputs.push_back(TransportOutput::Mapped(flow, seen));
                }
            }
            Some(Act::Lost(flow, reason)) => {
                self.streams.timers.cancel(timer);
                self.outputs.push_back(TransportOutput::Lost(flow, reason));
            }
            None => {}
        }
    }

    /// A datagram of STUN: a question, which is answered, or the answer to one of ours.
    fn stun(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        if let Some(answer) = stun::answer(bytes, flow.peer) {
            return self.outputs.push_back(TransportOutput::Datagram(flow.id, flow.peer, answer));
        }
        let place = (flow.id, flow.peer);
        let act = self.bindings.answered(now, place, bytes);
        self.act(place, act);
    }

    /// A message of WebSocket. What is wrong with one does not touch the next.
    fn message(&mut self, now: Instant, id: FlowId, bytes: Bytes) {
        let Some(flow) = self.streams.message(now, id) else { return };
        match &bytes[..] {
            b"\r\n\r\n" => {
                self.outputs.push_back(TransportOutput::Write(id, Bytes::from_static(b"\r\n")));
            }
            _ => self.receive(flow, bytes),
        }
    }

    fn receive(&mut self, flow: Flow, bytes: Bytes) {
        match via::receive_with(&flow, bytes, &self.limits) {
            Inbound::Message(message) => {
                if flow.protocol == Protocol::Tls {
                    self.streams.alias(flow.id, &message);
                }
                self.outputs.push_back(TransportOutput::Received(flow, message));
            }
            Inbound::KeepAlive => {}
            Inbound::Malformed(error, reply) => self.refuse(flow, error, reply),
        }
    }

    fn refuse(&mut self, flow: Flow, error: ParseError, reply: Option<(Target, Bytes)>) {
        if let Some((Target::Flow(to), bytes)) = reply {
            self.outputs.push_back(if flow.protocol.is_reliable() {
                TransportOutput::Write(flow.id, bytes)
            } else {
                TransportOutput::Datagram(to.id, to.peer, bytes)
            });
        }
        self.outputs.push_back(TransportOutput::Malformed(flow, error));
    }

    fn read(&mut self, now: Instant, id: FlowId, bytes: &Bytes) {
        let Some(flow) = self.streams.push(now, id, bytes) else { return };
        while let Some(frame) = self.streams.poll_frame(now, id) {
            match frame {
                Frame::Message(bytes) => self.receive(flow, bytes),
                Frame::Ping => {
                    self.outputs.push_back(TransportOutput::Write(id, Bytes::from_static(b"\r\n")))
                }
                Frame::Pong => {}
                Frame::Broken(error, head) => {
                    let reply = via::refuse(&flow, head, &self.limits, error);
                    self.refuse(flow, error, reply);
                    self.streams.close(id, CloseReason::Framing, &mut self.outputs);
                    break;
                }
            }
        }
    }
}

impl<T> Machine for Transport<T> {
    type Input = FromNetwork;
    type Output = TransportOutput<T>;

    fn handle(&mut self, now: Instant, input: FromNetwork) {
        let now = self.clamp(now);
        match input {
            FromNetwork::Datagram(flow, bytes) if stun::is_stun(&bytes) => self.stun(now, flow, &bytes),
            FromNetwork::Datagram(flow, bytes) => self.receive(flow, bytes),
            FromNetwork::Opened(flow) => {
                let reaches = Target::Address(flow.protocol, flow.peer);
                self.streams.opened(now, reaches, flow, &mut self.outputs);
            }
            FromNetwork::Connected(target, flow) => {
                self.streams.opened(now, target, flow, &mut self.outputs);
            }
            FromNetwork::Proved(id, identities) => self.streams.proved(id, identities),
            FromNetwork::Bytes(id, bytes) => self.read(now, id, &bytes),
            FromNetwork::Message(id, bytes) => self.message(now, id, bytes),
            FromNetwork::Alive(id) => self.streams.heard(now, id),
            FromNetwork::Closed(id, reason) => {
                if let Some(flow) = self.streams.in_mid_message(id) {
                    let error = ParseError::with_status(0, "message cut short", StatusCode::BAD_REQUEST);
                    self.outputs.push_back(TransportOutput::Malformed(flow, error));
                }
                self.streams.closed(id, reason, &mut self.outputs);
            }
            FromNetwork::ConnectFailed(target, reason) => {
                self.streams.connect_failed(now, target, reason, &mut self.outputs);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.clamp(now);
        while let Some(deadline) = self.streams.timers.pop_expired(now) {
            match deadline {
                Deadline::Idle(id) => self.streams.close(id, CloseReason::Idle, &mut self.outputs),
                Deadline::Message(id) => self.streams.close(id, CloseReason::TimedOut, &mut self.outputs),
                Deadline::Pong(id) => self.streams.close(id, CloseReason::Reset, &mut self.outputs),
                Deadline::Keep(id) => self.streams.ping(now, id, &mut self.outputs),
                Deadline::Bind(place) => self.bind(now, place),
                Deadline::Connect(target) => {
                    self.streams.connect_failed(now, target, CloseReason::TimedOut, &mut self.outputs);
                }
                Deadline::Race(first) => self.streams.race_late(now, first, &mut self.outputs),
            }
        }
    }

    fn poll(&mut self) -> Option<TransportOutput<T>> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.streams.timers.next()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;
    use ringback_sansio::DomainId;

    const MESSAGE: &[u8] = b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

    fn stream(id: u64) -> Flow {
        let peer = SocketAddr::new([192, 0, 2, 1].into(), 7_000 + id as u16);
        Flow { id: FlowId(id), protocol: Protocol::Tcp, local: "192.0.2.10:5060".parse().unwrap(), peer }
    }

    fn drain(transport: &mut Transport<u8>) -> Vec<String> {
        let name = |output| match output {
            TransportOutput::Connect(to) => format!("connect {}", to.peer()),
            TransportOutput::Abandon(to) => format!("abandon {}", to.peer()),
            TransportOutput::Raced(token, there) => format!("raced {token} {there:?}"),
            TransportOutput::Write(id, bytes) => format!("write {} {}", id.0, bytes.len()),
            TransportOutput::Datagram(id, to, _) => format!("datagram {} {to}", id.0),
            TransportOutput::Close(id, _) => format!("close {}", id.0),
            TransportOutput::Received(flow, _) => format!("received {}", flow.id.0),
            TransportOutput::Malformed(_, error) => format!("malformed {}", error.rule),
            TransportOutput::Failed(tag, reason) => format!("failed {tag} {reason}"),
            TransportOutput::Ping(id) => format!("ping {}", id.0),
            TransportOutput::Mapped(flow, seen) => format!("mapped {} {seen}", flow.id.0),
            TransportOutput::Lost(flow, reason) => format!("lost {} {reason}", flow.id.0),
        };
        std::iter::from_fn(|| transport.poll()).map(name).collect()
    }

    #[test]
    fn waiting_sends_share_one_connection() {
        let now = Instant::now();
        let mut transport = Transport::new(TransportConfig::default());
        let peer = stream(1).peer;
        transport.send(now, 1, Target::Address(Protocol::Tcp, peer), Bytes::from_static(b"one"));
        transport.send(now, 2, Target::Address(Protocol::Tcp, peer), Bytes::from_static(b"second"));
        assert_eq!(drain(&mut transport), ["connect 192.0.2.1:7001"]);
        transport.handle(now, FromNetwork::Opened(stream(1)));
        assert_eq!(drain(&mut transport), ["write 1 3", "write 1 6"]);
        transport.send(now, 3, Target::Address(Protocol::Tcp, peer), Bytes::from_static(b"reused"));
        assert_eq!(drain(&mut transport), ["write 1 6"]);
        transport.handle(now, FromNetwork::Bytes(FlowId(1), Bytes::from_static(b"\r\n")));
        transport.handle(now, FromNetwork::Closed(FlowId(1), CloseReason::Closed));
        transport.send(now, 4, Target::Flow(stream(1)), Bytes::from_static(b"late"));
        assert_eq!(drain(&mut transport), ["failed 4 closed by the peer"]);
        assert_eq!((transport.open_streams(), transport.poll_timeout()), (0, None));
    }

    #[test]
    fn fault_46_connections_are_shared_only_with_those_who_mean_the_same_peer() {
        let now = Instant::now();
        let mut transport = Transport::new(TransportConfig::default());
        let flow = |id| Flow { protocol: Protocol::Tls, peer: stream(1).peer, ..stream(id) };
        let to = |domain| Target::Domain(Protocol::Tls, stream(1).peer, DomainId(domain));
        transport.handle(now, FromNetwork::Opened(flow(1)));
        transport.send(now, 1, Target::Address(Protocol::Tls, stream(1).peer), Bytes::from_static(b"1"));
        transport.send(now, 2, to(1), Bytes::from_static(b"22"));
        transport.send(now, 3, to(2), Bytes::from_static(b"333"));
        assert_eq!(drain(&mut transport), ["connect 192.0.2.1:7001"; 3]);
        transport.handle(now, FromNetwork::Connected(to(2), flow(2)));
        transport.handle(now, FromNetwork::ConnectFailed(to(1), CloseReason::Refused));
        assert_eq!(drain(&mut transport), ["write 2 3", "failed 2 connection refused"]);
        transport.send(now, 4, to(2), Bytes::from_static(b"4444"));
        assert_eq!(drain(&mut transport), ["write 2 4"]);
    }

    #[test]
    fn what_was_sent_to_somebody_who_never_said_a_word_comes_back_when_he_hangs_up() {
        let now = Instant::now();
        let mut transport = Transport::new(TransportConfig::default());
        let to = Target::Address(Protocol::Tcp, stream(1).peer);
        let closed = || FromNetwork::Closed(FlowId(1), CloseReason::Untrusted);
        transport.send(now, 1, to, Bytes::from_static(b"one"));
        transport.handle(now, FromNetwork::Connected(to, stream(1)));
        transport.send(now, 2, to, Bytes::from_static(b"two"));
        drain(&mut transport);
        transport.handle(now, closed());
        let refused = "the certificate was refused";
        assert_eq!(drain(&mut transport), [format!("failed 1 {refused}"), format!("failed 2 {refused}")]);
        // Whoever spoke may have taken what was sent; and what we did not connect to is known to be spoken.
        transport.send(now, 3, to, Bytes::from_static(b"three"));
        transport.handle(now, FromNetwork::Connected(to, stream(1)));
        transport.handle(now, FromNetwork::Bytes(FlowId(1), Bytes::from_static(b"\r\n")));
        transport.handle(now, closed());
        transport.handle(now, FromNetwork::Opened(stream(1)));
        transport.send(now, 4, to, Bytes::from_static(b"four"));
        transport.handle(now, closed());
        let failed = |said: &String| said.starts_with("failed");
        assert!(!drain(&mut transport).iter().any(failed));
    }

    #[test]
    fn failed_connections_give_every_tag_back() {
        let now = Instant::now();
        let mut transport = Transport::new(TransportConfig { max_waiting: 2, ..TransportConfig::default() });
        for tag in 1..=3 {
            transport.send(now, tag, Target::Address(Protocol::Tcp, stream(1).peer), Bytes::new());
        }
        assert_eq!(drain(&mut transport), ["connect 192.0.2.1:7001", "failed 3 a limit was reached"]);
        let deadline = transport.poll_timeout().unwrap();
        transport.handle_timeout(deadline);
        assert_eq!(drain(&mut transport), ["failed 1 timed out", "failed 2 timed out"]);
        transport.send(now, 4, Target::Address(Protocol::Udp, stream(1).peer), Bytes::new());
        assert_eq!(drain(&mut transport), ["failed 4 no listener can reach the target"]);
    }

    #[test]
    fn fault_3_a_message_that_does_not_end_closes_the_stream() {
        let now = Instant::now();
        let config = TransportConfig::default();
        let mut transport = Transport::<u8>::new(config);
        transport.handle(now, FromNetwork::Opened(stream(1)));
        let mut at = now;
        for octet in MESSAGE.iter().take(20) {
            transport.handle(at, FromNetwork::Bytes(FlowId(1), Bytes::copy_from_slice(&[*octet])));
            at += Duration::from_secs(1);
            transport.handle_timeout(at);
        }
        assert_eq!(drain(&mut transport), ["close 1"]);
        assert_eq!(transport.open_streams(), 0);
    }

    #[test]
    fn a_message_that_is_cut_short_is_told_and_an_end_between_messages_is_not() {
        let now = Instant::now();
        let mut transport = Transport::<u8>::new(TransportConfig::default());
        for (id, cut) in (1..).zip([0, 1, MESSAGE.len() - 1, MESSAGE.len()]) {
            transport.handle(now, FromNetwork::Opened(stream(id)));
            transport.handle(now, FromNetwork::Bytes(FlowId(id), Bytes::from_static(&MESSAGE[..cut])));
            transport.handle(now, FromNetwork::Closed(FlowId(id), CloseReason::Closed));
            let told = match cut {
                0 => vec![],
                cut if cut < MESSAGE.len() => vec!["malformed message cut short".to_owned()],
                _ => vec![format!("received {id}")],
            };
            assert_eq!(drain(&mut transport), told, "{cut} octets");
        }
    }

    #[test]
    fn fault_3_sources_have_a_share() {
        let now = Instant::now();
        let config = TransportConfig { max_streams_per_source: 2, ..TransportConfig::default() };
        let mut transport = Transport::<u8>::new(config);
        for id in 1..=3 {
            transport.handle(now, FromNetwork::Opened(stream(id)));
        }
        assert_eq!(drain(&mut transport), ["close 3"]);
        transport.handle(now, FromNetwork::Closed(FlowId(1), CloseReason::Closed));
        transport.handle(now, FromNetwork::Opened(stream(4)));
        assert_eq!(drain(&mut transport), Vec::<String>::new());
    }

    #[test]
    fn streams_carry_messages_pings_and_their_end() {
        let now = Instant::now();
        let mut transport = Transport::<u8>::new(TransportConfig::default());
        transport.handle(now, FromNetwork::Opened(stream(1)));
        transport.handle(now, FromNetwork::Bytes(FlowId(1), [MESSAGE, b"\r\n\r\n", MESSAGE].concat().into()));
        assert_eq!(drain(&mut transport), ["received 1", "write 1 2", "received 1"]);
        let broken = String::from_utf8_lossy(MESSAGE).replace("Length: 0", "Length: -1");
        transport.handle(now, FromNetwork::Bytes(FlowId(1), broken.into()));
        let outputs = drain(&mut transport);
        assert!(
            matches!(&outputs[..], [write, malformed, close] if write.starts_with("write 1") && malformed == "malformed Content-Length" && close == "close 1"),
            "{outputs:?}"
        );
    }

    /// The time until what comes next, at which it then is.
    fn step(transport: &mut Transport<u8>, now: &mut Instant) -> (u64, Vec<String>) {
        let at = transport.poll_timeout().unwrap();
        let passed = at - std::mem::replace(now, at);
        transport.handle_timeout(at);
        (passed.as_secs(), drain(transport))
    }

    #[test]
    fn rule_42_kept_streams_are_pinged_and_die_without_a_pong_in_ten_seconds() {
        let mut now = Instant::now();
        let mut transport = Transport::<u8>::new(TransportConfig::default());
        transport.handle(now, FromNetwork::Opened(stream(1)));
        transport.keep(now, &stream(1), Duration::from_secs(120));
        for _ in 0..3 {
            let (passed, said) = step(&mut transport, &mut now);
            assert!((96..=120).contains(&passed), "{passed}");
            assert_eq!(said, ["write 1 4"]);
            // Alone it is the answer; behind it a ping of theirs is one.
            transport.handle(now, FromNetwork::Bytes(FlowId(1), b"\r\n"[..].into()));
            transport.handle(now, FromNetwork::Bytes(FlowId(1), b"\r\n\r\n"[..].into()));
            assert_eq!(drain(&mut transport), ["write 1 2"]);
        }
        assert_eq!(step(&mut transport, &mut now).1, ["write 1 4"]);
        assert_eq!(step(&mut transport, &mut now), (10, vec!["close 1".to_owned()]));
        assert_eq!(transport.poll_timeout(), None);
    }

    #[test]
    fn rfc_7118_messages_come_whole_and_one_that_is_none_touches_no_other() {
        let mut now = Instant::now();
        let mut transport = Transport::<u8>::new(TransportConfig::default());
        let flow = Flow { protocol: Protocol::Ws, ..stream(1) };
        transport.handle(now, FromNetwork::Opened(flow));
        let without_length = String::from_utf8_lossy(MESSAGE).replace("Content-Length: 0\r\n", "");
        for (message, said) in [
            (MESSAGE, &["received 1"][..]),
            (without_length.as_bytes(), &["received 1"]),
            (b"\r\n\r\n", &["write 1 2"]),
            (b"\r\n", &[]),
            (b"rubbish", &["malformed start line"]),
            (MESSAGE, &["received 1"]),
        ] {
            transport.handle(now, FromNetwork::Message(FlowId(1), Bytes::copy_from_slice(message)));
            let heard = drain(&mut transport);
            assert_eq!(heard.len(), said.len(), "{heard:?}");
            assert!(
                heard.iter().zip(said).all(|(heard, said)| heard.split(' ').next() == said.split(' ').next())
            );
        }
        // It is pinged without having been asked to.
        for _ in 0..2 {
            let (passed, said) = step(&mut transport, &mut now);
            assert!((40..=50).contains(&passed), "{passed}");
            assert_eq!(said, ["ping 1"]);
            transport.handle(now, FromNetwork::Alive(FlowId(1)));
        }
        assert_eq!(step(&mut transport, &mut now).1, ["ping 1"]);
        assert_eq!(step(&mut transport, &mut now), (10, vec!["close 1".to_owned()]));
    }

    #[test]
    fn datagram_flows_are_kept_by_stun_and_questions_of_others_are_answered() {
        let now = Instant::now();
        let mut here = Transport::<u8>::new(TransportConfig { max_kept: 1, ..TransportConfig::default() });
        let mut there = Transport::<u8>::new(TransportConfig::default());
        let flow = Flow { protocol: Protocol::Udp, ..stream(1) };
        here.keep(now, &flow, Duration::from_secs(29));
        here.keep(now, &Flow { protocol: Protocol::Udp, ..stream(2) }, Duration::from_secs(29));
        let Some(TransportOutput::Datagram(_, _, question)) = here.poll() else { panic!("it asks") };
        there.handle(
            now,
            FromNetwork::Datagram(Flow { peer: "198.51.100.1:9".parse().unwrap(), ..flow }, question),
        );
        let Some(TransportOutput::Datagram(_, to, answer)) = there.poll() else { panic!("it answers") };
        assert_eq!(to.to_string(), "198.51.100.1:9");
        here.handle(now, FromNetwork::Datagram(flow, answer));
        assert_eq!(
            drain(&mut here),
            ["mapped 1 198.51.100.1:9"],
            "and no second flow, for that is the limit"
        );
        here.forget(&flow);
        assert_eq!(here.poll_timeout(), None);
        here.keep(now, &flow, Duration::from_secs(29));
        let mut at = now;
        let said: Vec<String> =
            std::iter::from_fn(|| here.poll_timeout().map(|_| step(&mut here, &mut at).1))
                .flatten()
                .collect();
        assert_eq!(said.last().map(String::as_str), Some("lost 1 timed out"));
    }
}
