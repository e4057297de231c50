//! A small network on virtual time: user agents, and a peer that is led by hand.
#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::Bytes;
use ringback_message::header::{CSeq, CallId, Contact, From, To, Via};
use ringback_message::{HeaderId, Message, Method, Request, Response, ResponseBuilder, StatusCode};
use ringback_sansio::{CloseReason, Flow, FlowId, Machine, SeededEntropy};
use ringback_transport::locate::NextHop;
use ringback_transport::via::{Inbound, receive};
use ringback_ua::{
    Account, AccountKey, CallKey, EndedBy, Ending, LocalAudio, Outbound, Protocol, Session, Target, Token,
    UaConfig, UaEvent, UaInput, UaOutput, UserAgent,
};
use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Where the peer is that tests lead by hand.
pub(crate) const PEER: &str = "192.0.2.99:5060";

/// One message on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) bytes: Bytes,
}

impl Packet {
    pub(crate) fn message(&self) -> Message {
        Message::parse(self.bytes.clone()).unwrap()
    }

    /// Its method or status, with the method it belongs to: `INVITE`, `200 INVITE`.
    pub(crate) fn name(&self) -> String {
        let message = self.message();
        let method = message.require::<CSeq>().map_or("?".to_owned(), |cseq| cseq.method.to_string());
        match message.status() {
            Some(status) => format!("{status} {method}"),
            None => method,
        }
    }
}

/// What becomes of a message.
pub(crate) enum Fate {
    Arrives,
    IsLost,
    Takes(Duration),
    /// As `Arrives`, and once more.
    Doubles,
}

pub(crate) struct Agent {
    pub(crate) ua: UserAgent<SeededEntropy>,
    pub(crate) address: SocketAddr,
    pub(crate) account: AccountKey,
    pub(crate) events: VecDeque<UaEvent>,
    /// The flows that it wants kept, and those that it wants kept no longer.
    pub(crate) avoided: Vec<(Target, Option<Duration>)>,
    pub(crate) kept: Vec<(Flow, Option<Duration>)>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    start: Instant,
    pub(crate) agents: Vec<Agent>,
    in_flight: Vec<(Instant, u64, Packet)>,
    serial: u64,
    /// All that was sent, lost or not.
    pub(crate) log: Vec<Packet>,
    /// What the peer got and has not looked at.
    pub(crate) mail: VecDeque<Message>,
    pub(crate) fate: Box<dyn FnMut(&Packet) -> Fate>,
    /// Nobody takes streams there.
    pub(crate) refuses_streams: HashSet<SocketAddr>,
    /// What every name resolves to.
    pub(crate) names: Vec<Target>,
    /// Whether the resolver answers at once.
    pub(crate) resolves: bool,
    questions: Vec<(usize, Token)>,
    peer_cseq: u32,
}

pub(crate) fn audio(agent: usize) -> LocalAudio {
    LocalAudio::new(format!("192.0.2.{}:{}", agent + 1, 4000 + 2 * agent).parse().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

impl World {
    /// `count` agents named `user0`, `user1` and so on at 192.0.2.1:5060 and up.
    pub(crate) fn new(count: usize) -> Self {
        Self::with(count, |_, _| ())
    }

    pub(crate) fn with(count: usize, mut configure: impl FnMut(usize, &mut UaConfig)) -> Self {
        let now = start();
        let agents = (0..count)
            .map(|index| {
                let address: SocketAddr = format!("192.0.2.{}:5060", index + 1).parse().unwrap();
                let mut config = UaConfig::default();
                config.transactions.locals.set(Protocol::Udp, address);
                config.transactions.locals.set(Protocol::Tcp, address);
                configure(index, &mut config);
                let mut ua = UserAgent::new(config, SeededEntropy::new(index as u64 + 1));
                let aor = format!("sip:user{index}@example.com").parse().unwrap();
                let account = Account::new(aor)
                    .credentials(format!("user{index}"), "secret")
                    .outbound(Outbound::Target(Target::Address(Protocol::Udp, PEER.parse().unwrap())));
                let account = ua.add_account(account);
                Agent { ua, address, account, events: VecDeque::new(), kept: Vec::new(), avoided: Vec::new() }
            })
            .collect();
        Self {
            now,
            start: now,
            agents,
            in_flight: Vec::new(),
            serial: 0,
            log: Vec::new(),
            mail: VecDeque::new(),
            fate: Box::new(|_| Fate::Arrives),
            refuses_streams: HashSet::new(),
            names: Vec::new(),
            resolves: true,
            questions: Vec::new(),
            peer_cseq: 0,
        }
    }

    /// As [`new`](Self::new), but requests go straight to where their URI leads.
    pub(crate) fn direct(count: usize) -> Self {
        let mut world = Self::new(count);
        for (index, agent) in world.agents.iter_mut().enumerate() {
            agent.ua.remove_account(agent.account);
            let account = Account::new(format!("sip:user{index}@example.com").parse().unwrap());
            agent.account = agent.ua.add_account(account);
        }
        world
    }

    pub(crate) fn ua(&mut self, agent: usize) -> (&mut UserAgent<SeededEntropy>, Instant) {
        (&mut self.agents[agent].ua, self.now)
    }

    /// A URI that reaches an agent.
    pub(crate) fn uri(agent: usize) -> ringback_message::UriBuf {
        format!("sip:user{agent}@192.0.2.{}:5060", agent + 1).parse().unwrap()
    }

    pub(crate) fn call(&mut self, from: usize, to: usize) -> CallKey {
        let account = self.agents[from].account;
        let (ua, now) = self.ua(from);
        let call = ua.call(now, account, &Self::uri(to), audio(from)).unwrap();
        self.drain();
        call
    }

    /// Agent `from` calls the peer.
    pub(crate) fn call_peer(&mut self, from: usize) -> CallKey {
        let account = self.agents[from].account;
        let (ua, now) = self.ua(from);
        let call = ua.call(now, account, &format!("sip:peer@{PEER}").parse().unwrap(), audio(from)).unwrap();
        self.run(10);
        call
    }

    /// A call between agents 0 and 1, answered and acknowledged.
    pub(crate) fn up(&mut self) -> (CallKey, CallKey) {
        let calling = self.call(0, 1);
        self.run(50);
        let called = self.incoming(1);
        self.act(1, |ua, now| ua.answer(now, called, audio(1)));
        self.run(100);
        self.answered(0);
        self.answered(1);
        self.agents[0].events.clear();
        (calling, called)
    }

    pub(crate) fn act<R: std::fmt::Debug, X: std::fmt::Debug>(
        &mut self,
        agent: usize,
        command: impl FnOnce(&mut UserAgent<SeededEntropy>, Instant) -> Result<R, X>,
    ) -> R {
        let (ua, now) = self.ua(agent);
        let result = command(ua, now).unwrap();
        self.drain();
        result
    }

    /// Carries out what the agents ask for.
    pub(crate) fn drain(&mut self) {
        for index in 0..self.agents.len() {
            while let Some(output) = self.agents[index].ua.poll() {
                match output {
                    UaOutput::Transmit { key, to, bytes } => {
                        if to.protocol() == Protocol::Tcp && self.refuses_streams.contains(&to.peer()) {
                            let (ua, now) = self.ua(index);
                            if let Some(key) = key {
                                ua.handle(now, UaInput::Failed(key, CloseReason::Refused));
                            }
                            continue;
                        }
                        let from = self.agents[index].address;
                        self.carry(Packet { from, to: to.peer(), protocol: to.protocol(), bytes });
                    }
                    UaOutput::Resolve(token, NextHop::Name(_)) => {
                        self.questions.push((index, token));
                        if self.resolves {
                            self.answer_questions();
                        }
                    }
                    UaOutput::Resolve(_, NextHop::Known(target)) => panic!("{target:?} is known"),
                    UaOutput::Keep(flow, every) => self.agents[index].kept.push((flow, Some(every))),
                    UaOutput::Unavailable(to, after) => self.agents[index].avoided.push((to, after)),
                    UaOutput::Forget(flow) => self.agents[index].kept.push((flow, None)),
                    UaOutput::Event(event) => self.agents[index].events.push_back(event),
                }
            }
        }
    }

    pub(crate) fn answer_questions(&mut self) {
        for (agent, token) in std::mem::take(&mut self.questions) {
            let names = self.names.clone();
            let (ua, now) = self.ua(agent);
            ua.handle(now, UaInput::Resolved(token, Ok(names)));
        }
    }

    /// Puts a message on the wire that nobody sent.
    pub(crate) fn inject(&mut self, packet: Packet) {
        self.serial += 1;
        self.in_flight.push((self.now, self.serial, packet));
    }

    fn carry(&mut self, packet: Packet) {
        self.log.push(packet.clone());
        let reliable = packet.protocol.is_reliable();
        let delays: &[Duration] = match (self.fate)(&packet) {
            Fate::IsLost if !reliable => &[],
            Fate::Takes(time) => &[time],
            Fate::Doubles if !reliable => &[Duration::from_millis(5), Duration::from_millis(9)],
            _ => &[Duration::from_millis(5)],
        };
        for delay in delays {
            self.serial += 1;
            self.in_flight.push((self.now + *delay, self.serial, packet.clone()));
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet { from, to, protocol, bytes } = packet;
        if to == PEER.parse().unwrap() {
            self.mail.push_back(Message::parse(bytes).unwrap());
            return;
        }
        let Some(index) = self.agents.iter().position(|agent| agent.address == to) else { return };
        let flow = Flow { id: FlowId(1), protocol, local: to, peer: from };
        match receive(&flow, bytes) {
            Inbound::Message(message) => {
                let (ua, now) = self.ua(index);
                ua.handle(now, UaInput::Message(flow, message));
            }
            Inbound::KeepAlive => {}
            Inbound::Malformed(_, Some((to, bytes))) => {
                self.carry(Packet { from: flow.local, to: to.peer(), protocol, bytes });
            }
            Inbound::Malformed(_, None) => {}
        }
        self.drain();
    }

    fn next(&self) -> Option<Instant> {
        let wire = self.in_flight.iter().map(|(at, _, _)| *at).min();
        let timers = self.agents.iter().filter_map(|agent| agent.ua.poll_timeout()).min();
        [wire, timers].into_iter().flatten().min()
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        self.drain();
        let mut steps = 0;
        while let Some(at) = self.next().filter(|at| *at <= until) {
            steps += 1;
            assert!(steps < 200_000, "the world spins");
            self.now = self.now.max(at);
            self.in_flight.sort_by_key(|(at, serial, _)| (*at, *serial));
            while self.in_flight.first().is_some_and(|(at, _, _)| *at <= self.now) {
                let (_, _, packet) = self.in_flight.remove(0);
                self.deliver(packet);
            }
            for index in 0..self.agents.len() {
                let (ua, now) = self.ua(index);
                if ua.poll_timeout().is_some_and(|at| at <= now) {
                    ua.handle_timeout(now);
                    self.drain();
                }
            }
        }
        self.now = until;
    }

    /// Lets all timers run out, and checks that nothing is left.
    pub(crate) fn finish(&mut self) {
        self.run(200_000);
        for agent in &self.agents {
            assert!(agent.ua.is_empty(), "{:?} at {} is left", agent.ua, agent.address);
            assert_eq!(agent.ua.calls(), 0);
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    // ---- what agents heard

    pub(crate) fn event(&mut self, agent: usize) -> UaEvent {
        self.agents[agent].events.pop_front().expect("there is an event")
    }

    pub(crate) fn no_event(&self, agent: usize) {
        assert!(self.agents[agent].events.is_empty(), "{:?}", self.agents[agent].events);
    }

    fn find<R>(&mut self, agent: usize, what: impl Fn(&UaEvent) -> Option<R>) -> R {
        while let Some(event) = self.agents[agent].events.pop_front() {
            if let Some(found) = what(&event) {
                return found;
            }
        }
        panic!("no such event at agent {agent}");
    }

    pub(crate) fn incoming(&mut self, agent: usize) -> CallKey {
        self.find(agent, |event| match event {
            UaEvent::Incoming(incoming) => Some(incoming.call),
            _ => None,
        })
    }

    pub(crate) fn answered(&mut self, agent: usize) -> Session {
        self.find(agent, |event| match event {
            UaEvent::Answered { session, .. } => Some(session.clone()),
            _ => None,
        })
    }

    pub(crate) fn changed(&mut self, agent: usize) -> Session {
        self.find(agent, |event| match event {
            UaEvent::SessionChanged { session, .. } => Some(session.clone()),
            _ => None,
        })
    }

    pub(crate) fn ended(&mut self, agent: usize) -> Ending {
        self.find(agent, |event| match event {
            UaEvent::Ended { ending, .. } => Some(ending.clone()),
            _ => None,
        })
    }

    pub(crate) fn ended_by(&mut self, agent: usize) -> (EndedBy, Option<u16>) {
        let ending = self.ended(agent);
        (ending.by, ending.status.map(StatusCode::as_u16))
    }

    // ---- calls with the peer

    /// A call of agent 0 that the peer has answered, with the tag `b`.
    pub(crate) fn peer_up(&mut self) -> (CallKey, Request) {
        let call = self.call_peer(0);
        let invite = self.expect(Method::INVITE);
        self.peer_sends(0, Self::reply(&invite, 200, "b").body(SDP, sdp(9000)).build().unwrap());
        self.answered(0);
        self.mail.clear();
        (call, invite)
    }

    /// Agent 0 hangs up, and nothing is left. Gives the BYE.
    pub(crate) fn end_with_peer(&mut self, call: CallKey) -> Request {
        self.act(0, |ua, now| ua.hangup(now, call));
        self.run(10);
        let bye = self.expect(Method::BYE);
        self.peer_sends(0, Self::reply(&bye, 200, "b").build().unwrap());
        self.finish();
        bye
    }

    // ---- what the wire saw

    /// The names of all messages, in the order they were sent.
    pub(crate) fn wire(&self) -> Vec<String> {
        self.log.iter().map(Packet::name).collect()
    }

    pub(crate) fn sent(&self, name: &str) -> usize {
        self.log.iter().filter(|packet| packet.name() == name).count()
    }

    /// The last message of a name.
    pub(crate) fn last(&self, name: &str) -> Message {
        self.log.iter().rev().find(|packet| packet.name() == name).expect("it was sent").message()
    }

    // ---- the peer

    /// Takes the next request out of the peer's mail, passing over everything else.
    pub(crate) fn expect(&mut self, method: Method) -> Request {
        while let Some(message) = self.mail.pop_front() {
            if let Ok(request) = Request::try_from(message)
                && *request.method() == method
            {
                return request;
            }
        }
        panic!("the peer got no {method}");
    }

    /// Takes the newest request of a method, and forgets all mail: copies of older ones do not matter.
    pub(crate) fn expect_newest(&mut self, method: Method) -> Request {
        let requests = self.mail.drain(..).filter_map(|message| Request::try_from(message).ok());
        requests.filter(|request| *request.method() == method).last().expect("the peer got one")
    }

    /// Takes the next final response out of the peer's mail.
    pub(crate) fn expect_final(&mut self) -> Response {
        while let Some(message) = self.mail.pop_front() {
            if let Ok(response) = Response::try_from(message)
                && response.status().is_final()
            {
                return response;
            }
        }
        panic!("the peer got no final response");
    }

    /// Sends a message of the peer to an agent.
    pub(crate) fn peer_sends(&mut self, agent: usize, message: impl Into<Message>) {
        let bytes = message.into().render();
        self.peer_sends_bytes(agent, bytes);
    }

    pub(crate) fn peer_sends_bytes(&mut self, agent: usize, bytes: impl Into<Bytes>) {
        let to = self.agents[agent].address;
        self.carry(Packet { from: PEER.parse().unwrap(), to, protocol: Protocol::Udp, bytes: bytes.into() });
        self.run(10);
    }

    /// Starts a response of the peer, with a Contact.
    pub(crate) fn reply(request: &Request, status: u16, tag: &str) -> ResponseBuilder {
        let status = StatusCode::new(status).unwrap();
        request.reply(status, Some(tag)).header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>"))
    }

    /// A new INVITE of the peer, without a body.
    pub(crate) fn peer_invite(&mut self, agent: usize) -> ringback_message::RequestBuilder {
        self.peer_request(agent, Method::INVITE).header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>"))
    }

    /// A new request of the peer outside of dialogs.
    pub(crate) fn peer_request(&mut self, agent: usize, method: Method) -> ringback_message::RequestBuilder {
        self.peer_cseq += 1;
        let number = self.peer_cseq;
        Request::builder(method.clone(), Self::uri(agent))
            .header(HeaderId::VIA, format_args!("SIP/2.0/UDP {PEER};branch=z9hG4bKpeer{number}"))
            .header(HeaderId::MAX_FORWARDS, 70u8)
            .header(HeaderId::FROM, "<sip:peer@example.com>;tag=p")
            .header(HeaderId::TO, format_args!("<sip:user{agent}@example.com>"))
            .header(HeaderId::CALL_ID, format_args!("peer{number}"))
            .header(HeaderId::CSEQ, CSeq { number, method })
    }

    /// A request of the peer in the dialog that a message of the agent belongs to: a response to the peer's INVITE,
    /// or an INVITE or ACK of the agent to which the peer gave `tag`.
    pub(crate) fn peer_within(
        &mut self,
        dialog: &Message,
        tag: &str,
        method: Method,
        number: u32,
    ) -> ringback_message::RequestBuilder {
        self.peer_cseq += 1;
        let branch = self.peer_cseq;
        let (from, to) = match dialog.is_request() {
            true => {
                let to = dialog.require::<To>().unwrap();
                (format!("{};tag={tag}", to.address()), dialog.require::<From>().unwrap().to_string())
            }
            false => {
                (dialog.require::<From>().unwrap().to_string(), dialog.require::<To>().unwrap().to_string())
            }
        };
        let target = dialog.first::<Contact>().map_or_else(
            || Self::uri(0).to_string(),
            |contact| contact.unwrap().address().unwrap().uri.to_string(),
        );
        Request::builder(method.clone(), &target)
            .header(HeaderId::VIA, format_args!("SIP/2.0/UDP {PEER};branch=z9hG4bKwithin{branch}"))
            .header(HeaderId::MAX_FORWARDS, 70u8)
            .header(HeaderId::FROM, from)
            .header(HeaderId::TO, to)
            .header(HeaderId::CALL_ID, dialog.require::<CallId>().unwrap().0)
            .header(HeaderId::CSEQ, CSeq { number, method })
    }
}

/// A description of the peer, G.711 at this port.
pub(crate) fn sdp(port: u16) -> String {
    sdp_with(port, 1, "")
}

pub(crate) fn sdp_with(port: u16, version: u32, more: &str) -> String {
    format!(
        "v=0\r\no=peer 1 {version} IN IP4 192.0.2.99\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n{more}"
    )
}

pub(crate) const SDP: &str = "application/sdp";

/// All values of a field.
pub(crate) fn field(message: &Message, id: HeaderId) -> Vec<String> {
    message.values(id).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

/// The branch of the topmost Via.
pub(crate) fn branch(message: &Message) -> String {
    message.require::<Via>().unwrap().branch().unwrap().to_owned()
}
