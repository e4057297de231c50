//! Plays a flow: holds, loses and delivers messages as its lines say, or leaves them to bad weather.

use super::agent::{self, Agent, Seen};
use super::laws;
use super::script::{Act, Fate, Line, users};
use crate::sim::{Network, Weather};
use bytes::Bytes;
use ringback_message::header::CSeq;
use ringback_message::{HeaderId, Message, Method, Request, UriBuf};
use ringback_sansio::{Flow, FlowId, Machine as _, Protocol};
use ringback_transport::FromNetwork;
use ringback_transport::via::{Inbound, receive};
use ringback_ua::{CallKey, UaInput, UaOutput};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// For how long the rough weather lasts, at most.
const ROUGH: Duration = Duration::from_secs(60);
/// How long a line waits for its message: longer than any transaction lasts.
const PATIENCE: Duration = Duration::from_secs(70);
/// The same in bad weather, where what is waited for may never come.
const SHORT_PATIENCE: Duration = Duration::from_secs(8);
/// How long a message takes in good weather.
const WAY: Duration = Duration::from_millis(5);
/// More steps than this take no end.
const MOST_STEPS: usize = 100_000;

struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    name: String,
    bytes: Bytes,
}

/// Users who are called together.
struct Team {
    name: String,
    members: Vec<String>,
    address: SocketAddr,
    /// Who has refused which call.
    refused: Vec<(SocketAddr, Vec<u8>)>,
}

pub(super) struct Stage {
    start: Instant,
    pub(super) now: Instant,
    pub(super) agents: Vec<Agent>,
    /// What was sent and no line has said yet what becomes of it. Without bad weather only, and until the last line.
    held: Vec<Packet>,
    holds: bool,
    /// Whether users wait in bad weather until they can do what they want to.
    pub(super) waits: bool,
    network: Network,
    /// What arrived, in order: who got what.
    got: Vec<(SocketAddr, String)>,
    sent: Vec<(SocketAddr, SocketAddr, String)>,
    /// How many of them lines were about.
    passed: Vec<String>,
    /// The first INVITE, and what To said in responses with a tag: for who sends by hand.
    invite: Option<Message>,
    tags: Vec<(SocketAddr, String)>,
    teams: Vec<Team>,
    ladder: String,
    steps: usize,
}

impl Stage {
    pub(super) fn new(lines: &[(usize, Line)], seed: Option<u64>) -> Self {
        let start = Instant::now();
        let timer = lines.iter().find_map(|(_, line)| match line {
            Line::Timer(seconds) => Some(*seconds),
            _ => None,
        });
        let everybody = users(lines);
        let agents = (0..everybody.len()).map(|number| {
            Agent::new(&everybody, number, seed.unwrap_or(0).wrapping_mul(1_000), timer.unwrap_or(1_800))
        });
        // Of neighbouring seeds some have it worse than others. A jitter beyond T1 loses order.
        let worse = |most: u64, by: u64| seed.map_or(0, |seed| most * (1 + seed / by % 8) / 8);
        let weather = Weather {
            loss: worse(300, 1),
            duplication: worse(200, 3),
            delay: WAY,
            jitter: Duration::from_millis(worse(1_500, 5)),
            partitions: Vec::new(),
            clears: start + ROUGH,
        };
        Self {
            start,
            now: start,
            agents: agents.collect(),
            held: Vec::new(),
            holds: seed.is_none(),
            waits: seed.is_some(),
            network: Network::new(weather, seed.unwrap_or(0)),
            got: Vec::new(),
            sent: Vec::new(),
            passed: Vec::new(),
            invite: None,
            tags: Vec::new(),
            teams: teams(lines),
            ladder: String::new(),
            steps: 0,
        }
    }

    pub(super) fn into_ladder(self) -> String {
        self.ladder
    }

    pub(super) fn play(&mut self, lines: &[(usize, Line)]) -> Result<(), String> {
        let mut claims = Vec::new();
        for (number, line) in lines {
            let at_line = |fault: String| format!("line {number}: {fault}");
            match line {
                Line::Message { from, to, name, fate } => {
                    self.message(from, to, name, *fate).map_err(at_line)?;
                }
                Line::Gets { who, name } => self.gets(who, name).map_err(at_line)?,
                Line::Act { who, with, act } => self.act(who, with.as_deref(), act).map_err(at_line)?,
                Line::After(time) => self.run(*time)?,
                Line::Timer(_) | Line::Team { .. } => {}
                claim => claims.push((*number, claim)),
            }
        }
        let is_exact = self.holds;
        self.holds = false;
        for packet in std::mem::take(&mut self.held) {
            self.deliver(&packet);
        }
        // What is still on its way comes to an end, glare and lost answers included.
        let clear = (self.start + ROUGH).saturating_duration_since(self.now);
        self.run(clear * u32::from(!is_exact) + PATIENCE)?;
        laws::agree(self)?;
        for (number, claim) in claims.into_iter().filter(|_| is_exact) {
            laws::claim(self, claim).map_err(|fault| format!("line {number}: {fault}"))?;
        }
        for number in 0..self.agents.len() {
            let live = |seen: &Seen| (!seen.ended).then_some(seen.key);
            let calls: Vec<CallKey> = self.agents[number].calls.iter().filter_map(live).collect();
            for call in calls {
                let now = self.now;
                // An error is that it has ended meanwhile, or is about to; the laws see whether that is so.
                let _ = self.agents[number].ua.hangup(now, call);
                self.drain();
            }
            let now = self.now;
            self.agents[number].unsubscribe_all(now);
            self.drain();
            self.run(PATIENCE)?;
        }
        self.run(4 * PATIENCE)?;
        laws::nothing_is_left(self)
    }

    pub(super) fn agent(&self, name: &str) -> &Agent {
        self.agents.iter().find(|agent| agent.name == name).expect("everybody who is named is there")
    }

    fn at(&self, name: &str) -> SocketAddr {
        self.agent(name).address
    }

    fn name_of(&self, address: SocketAddr) -> &str {
        let agent = agent::number_of(address.ip()).and_then(|number| self.agents.get(number));
        agent.map_or("nobody", |agent| &agent.name)
    }

    fn message(&mut self, from: &str, to: &str, name: &str, fate: Fate) -> Result<(), String> {
        let ends = (self.at(from), self.at(to));
        if !self.holds {
            let line = format!("{from} {to} {name}");
            let before = self.passed.iter().filter(|passed| **passed == line).count();
            self.passed.push(line);
            let goes =
                |packet: &(SocketAddr, SocketAddr, String)| (packet.0, packet.1) == ends && packet.2 == name;
            return match fate {
                Fate::Arrives => self.gets(to, name),
                _ => self
                    .until(SHORT_PATIENCE, |stage| {
                        stage.sent.iter().filter(|packet| goes(packet)).count() > before
                    })
                    .map(drop),
            };
        }
        let is_it = |packet: &Packet| (packet.from, packet.to) == ends && packet.name == name;
        if !self.until(PATIENCE, |stage| stage.held.iter().any(is_it))? {
            return Err(format!("{from} sends no {name} to {to}"));
        }
        let at = self.held.iter().position(is_it).expect("it is held");
        match fate {
            Fate::IsUnderWay => {
                // It waits for its `gets`, behind those that wait already.
                let packet = self.held.remove(at);
                self.held.push(packet);
            }
            Fate::IsLost => drop(self.held.remove(at)),
            Fate::Arrives => {
                let packet = self.held.remove(at);
                self.run(WAY)?;
                self.deliver(&packet);
            }
        }
        Ok(())
    }

    fn gets(&mut self, who: &str, name: &str) -> Result<(), String> {
        let to = self.at(who);
        if !self.holds {
            let line = format!("{who} gets {name}");
            let before = self.passed.iter().filter(|passed| **passed == line).count();
            self.passed.push(line);
            let is_it = |got: &&(SocketAddr, String)| got.0 == to && got.1 == name;
            return self
                .until(SHORT_PATIENCE, |stage| stage.got.iter().filter(is_it).count() > before)
                .map(drop);
        }
        let at = self.held.iter().position(|packet| packet.to == to && packet.name == name);
        let packet = self.held.remove(at.ok_or_else(|| format!("no {name} is under way to {who}"))?);
        self.run(WAY)?;
        self.deliver(&packet);
        Ok(())
    }

    fn act(&mut self, who: &str, with: Option<&str>, act: &Act) -> Result<(), String> {
        let number = self.agents.iter().position(|agent| agent.name == who).expect("everybody is there");
        let _ = writeln!(self.ladder, "{:>8.3} {who}: {act:?}", self.elapsed());
        if *act == Act::ByeByHand {
            let sent = self.bye_by_hand(number);
            return if self.holds { sent } else { Ok(()) };
        }
        let users = self.agents.iter().map(|agent| (agent.name.clone(), agent.address));
        let teams = self.teams.iter().map(|team| (team.name.clone(), team.address));
        let places: Vec<(String, SocketAddr)> = users.chain(teams).collect();
        let at = |name: &str| {
            places
                .iter()
                .find(|(known, _)| known == name)
                .map_or(agent::address(200, 0), |(_, address)| *address)
        };
        let patience = self.now + if self.waits { SHORT_PATIENCE } else { Duration::ZERO };
        loop {
            let now = self.now;
            let done = self.agents[number].act(now, act, with, at);
            self.drain();
            match done {
                Ok(()) => return Ok(()),
                Err(error) if self.holds => return Err(format!("{who} cannot: {error}")),
                // In bad weather the time for it may never come.
                Err(_) if now >= patience => return Ok(()),
                Err(_) => self.run(Duration::from_millis(50))?,
            }
        }
    }

    /// A BYE in an early dialog, which a caller may send, although ours takes CANCEL.
    fn bye_by_hand(&mut self, number: usize) -> Result<(), String> {
        let from = self.agents[number].address;
        let Some(invite) = self.invite.clone() else { return Err("there is no INVITE".into()) };
        let to = self.got_from(from).ok_or("there is no early dialog")?;
        let request = Request::try_from(invite.clone()).map_err(|_| "no request")?;
        let bye = Request::builder(Method::BYE, request.uri_bytes())
            .header(HeaderId::VIA, format_args!("SIP/2.0/UDP {from};branch=z9hG4bKbyhand"))
            .header(HeaderId::MAX_FORWARDS, 70u8)
            .copy(&invite, HeaderId::FROM)
            .header(HeaderId::TO, to)
            .copy(&invite, HeaderId::CALL_ID)
            .header(HeaderId::CSEQ, "2000000000 BYE")
            .build()
            .map_err(|error| error.to_string())?;
        let peer = self.agents.iter().map(|agent| agent.address).find(|address| *address != from);
        self.carry(from, peer.ok_or("nobody is called")?, bye.render());
        Ok(())
    }

    /// What To says in the first response with a tag that somebody got.
    fn got_from(&self, who: SocketAddr) -> Option<String> {
        self.tags.iter().find(|(to, _)| *to == who).map(|(_, tag)| tag.clone())
    }

    /// Carries out what the agents ask for.
    fn drain(&mut self) {
        for number in 0..self.agents.len() {
            while let Some(output) = self.agents[number].ua.poll() {
                match output {
                    UaOutput::Transmit { to, bytes, .. } => {
                        let from = self.agents[number].address;
                        self.carry(from, to.peer(), bytes);
                    }
                    // Everybody has an address here.
                    UaOutput::Resolve(token, _) => {
                        let now = self.now;
                        self.agents[number].ua.handle(now, UaInput::Resolved(token, Ok(Vec::new())));
                    }
                    UaOutput::Keep(..) | UaOutput::Forget(_) | UaOutput::Unavailable(..) => {}
                    UaOutput::Event(event) => self.agents[number].heard(self.now, event),
                }
            }
        }
    }

    /// Whether a name stands for several users.
    pub(super) fn is_team(&self, name: &str) -> bool {
        self.teams.iter().any(|team| team.name == name)
    }

    /// What goes to a team goes to each of its members, as a proxy has it that forks and keeps no state.
    fn fork(&mut self, from: SocketAddr, members: &[String], bytes: &Bytes) {
        for member in members {
            let to = self.at(member);
            let message = Message::parse(bytes.clone()).expect("agents send messages");
            let Ok(mut request) = Request::try_from(message) else { continue };
            let uri: UriBuf = format!("sip:{member}@{to}").parse().expect("a URI");
            if request.set_uri(&uri).is_ok() {
                self.carry(from, to, request.render());
            }
        }
    }

    /// Whether a refusal waits at the proxy for what the others say (RFC 3261 §16.7 step 5).
    fn is_kept(&mut self, from: SocketAddr, response: &Message) -> bool {
        let is_refusal = response.status().is_some_and(|status| status.class() > 2);
        let is_invite = response.require::<CSeq>().is_ok_and(|cseq| cseq.method == Method::INVITE);
        let to = response.values(HeaderId::TO).next().map(String::from_utf8_lossy);
        let called = to.and_then(|to| Some(to.split_once("sip:")?.1.split_once('@')?.0.to_owned()));
        let team = self.teams.iter_mut().find(|team| Some(&team.name) == called.as_ref());
        let (true, true, Some(team)) = (is_refusal, is_invite, team) else { return false };
        let call_id = response.values(HeaderId::CALL_ID).next().unwrap_or_default().to_vec();
        if !team.refused.contains(&(from, call_id.clone())) {
            team.refused.push((from, call_id.clone()));
        }
        team.refused.iter().filter(|(_, call)| *call == call_id).count() < team.members.len()
    }

    fn carry(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        if let Some(team) = self.teams.iter().find(|team| team.address == to) {
            return self.fork(from, &team.members.clone(), &bytes);
        }
        let message = Message::parse(bytes.clone()).expect("agents send messages");
        if self.is_kept(from, &message) {
            return;
        }
        let name = name(&message);
        if name == "INVITE"
            && let Some((call_id, cseq)) = identity(&message)
            && let Some(agent) = self.agents.iter_mut().find(|agent| agent.address == from)
        {
            agent.invites(&call_id, cseq);
        }
        if self.invite.is_none() && message.method() == Some(&Method::INVITE) {
            self.invite = Some(message);
        }
        self.sent.push((from, to, name.clone()));
        let mut arrives = true;
        if self.holds {
            self.held.push(Packet { from, to, name: name.clone(), bytes });
        } else {
            arrives = self.network.datagram(self.now, from, to, FlowId(1), &bytes);
        }
        let arrow = if arrives { "->" } else { "-x" };
        let (from, to) = (self.name_of(from).to_owned(), self.name_of(to).to_owned());
        let _ = writeln!(self.ladder, "{:>8.3} {from} {arrow} {to}: {name}", self.elapsed());
    }

    fn deliver(&mut self, packet: &Packet) {
        let flow = Flow { id: FlowId(1), protocol: Protocol::Udp, local: packet.to, peer: packet.from };
        self.arrived(flow, packet.bytes.clone());
    }

    fn arrived(&mut self, flow: Flow, bytes: Bytes) {
        let Some(number) = self.agents.iter().position(|agent| agent.address == flow.local) else { return };
        let Inbound::Message(message) = receive(&flow, bytes) else { return };
        let name = name(&message);
        let _ = writeln!(self.ladder, "{:>8.3} {} gets {name}", self.elapsed(), self.agents[number].name);
        if message.status().is_some_and(|status| status.as_u16() > 100)
            && let Some(to) = message.values(HeaderId::TO).next()
        {
            self.tags.push((flow.local, String::from_utf8_lossy(to).into_owned()));
        }
        if name.ends_with(" INVITE")
            && let Some((call_id, cseq)) = identity(&message)
        {
            self.agents[number].responded(&call_id, cseq);
        }
        self.got.push((flow.local, name));
        let now = self.now;
        self.agents[number].ua.handle(now, UaInput::Message(flow, message));
        self.drain();
    }

    fn elapsed(&self) -> f64 {
        self.now.duration_since(self.start).as_secs_f64()
    }

    /// Lets time pass until something is so, step by step; whether it came to be.
    fn until(&mut self, patience: Duration, is_so: impl Fn(&Self) -> bool) -> Result<bool, String> {
        let until = self.now + patience;
        while !is_so(self) {
            match self.next().filter(|at| *at <= until) {
                Some(at) => self.step(at)?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn run(&mut self, time: Duration) -> Result<(), String> {
        let until = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.step(at)?;
        }
        self.now = until;
        Ok(())
    }

    fn next(&self) -> Option<Instant> {
        let timers = self.agents.iter().filter_map(|agent| agent.ua.poll_timeout());
        timers.chain(self.network.next()).min()
    }

    fn step(&mut self, at: Instant) -> Result<(), String> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err("it takes no end".into());
        }
        self.now = self.now.max(at);
        while let Some((_, what)) = self.network.arrived(self.now) {
            if let FromNetwork::Datagram(flow, bytes) = what {
                self.arrived(flow, bytes);
            }
        }
        for number in 0..self.agents.len() {
            let now = self.now;
            if self.agents[number].ua.poll_timeout().is_some_and(|at| at <= now) {
                self.agents[number].ua.handle_timeout(now);
                self.drain();
            }
        }
        Ok(())
    }
}

fn teams(lines: &[(usize, Line)]) -> Vec<Team> {
    let teams = lines.iter().filter_map(|(_, line)| match line {
        Line::Team { name, members } => Some((name.clone(), members.clone())),
        _ => None,
    });
    // Beyond all users.
    let place = |(number, (name, members))| Team {
        name,
        members,
        address: agent::address(100 + number, 0),
        refused: Vec::new(),
    };
    teams.enumerate().map(place).collect()
}

/// Call-ID, and the number of CSeq.
fn identity(message: &Message) -> Option<(Vec<u8>, u32)> {
    let call_id = message.values(HeaderId::CALL_ID).next()?;
    Some((call_id.to_vec(), message.require::<CSeq>().ok()?.number))
}

/// `INVITE`, or `200 INVITE`.
fn name(message: &Message) -> String {
    let method = message.require::<CSeq>().map_or_else(|_| "?".to_owned(), |cseq| cseq.method.to_string());
    match message.status() {
        Some(status) => format!("{status} {method}"),
        None => method,
    }
}
