//! Laws of the user agent: whatever a peer does, calls end once, nothing is left, and what is sent can be read.

use super::machines::{answer, flow, inbound, local, peer, read};
use super::script::acts;
use ringback_message::{HeaderId, Message, Request, UriBuf};
use ringback_sansio::{Machine, Protocol, SeededEntropy, Target};
use ringback_ua::{Account, CallKey, LocalAudio, Outbound, UaConfig, UaEvent, UaInput, UaOutput, UserAgent};
use std::collections::HashSet;
use std::time::{Duration, Instant};

type Agent = UserAgent<SeededEntropy>;

/// After this long without input only a registration may be left, and it is taken back before.
const LONG: Duration = Duration::from_secs(3_600);

/// `udp`, `tcp`: a message comes. `echo N STATUS`: the peer answers what was sent as Nth, with the body of the act.
/// `call`, `call-late`, `text`, `options`, `register`, `unregister`: ours. `ring N`, `take N`, `refuse N STATUS`, `hold N`,
/// `resume N`, `hangup N`: the Nth call. `wait MILLISECONDS`.
pub(super) fn user_agent(input: &[u8]) {
    let mut world = World::new();
    let target = UriBuf::new("sip:bob@example.com").expect("a URI");
    for act in acts(input) {
        let now = world.now;
        let call = world.calls.get(act.number(0) as usize).copied();
        match (act.verb, call) {
            ("udp" | "tcp", _) => {
                if let Some((flow, message)) = inbound(&act) {
                    world.agent.handle(now, UaInput::Message(flow, message));
                }
            }
            ("echo", _) => world.echo(act.number(0) as usize, act.number(1), act.message),
            ("call", _) => {
                let call = world.agent.call(now, world.account, &target, audio());
                world.calls.extend(call.ok());
            }
            ("call-late", _) => {
                let call = world.agent.call_without_offer(now, world.account, &target, audio());
                world.calls.extend(call.ok());
            }
            ("text", _) => {
                let body = act.message.to_vec();
                let _ = world.agent.message(now, world.account, &target, "text/plain", body);
            }
            ("options", _) => drop(world.agent.options(now, world.account, &target)),
            ("register", _) => drop(world.agent.register(now, world.account)),
            ("unregister", _) => drop(world.agent.unregister(now, world.account)),
            ("ring", Some(call)) => drop(world.agent.ring(now, call)),
            ("take", Some(call)) => drop(world.agent.answer(now, call, audio())),
            ("refuse", Some(call)) => {
                if let Some(status) =
                    u16::try_from(act.number(1)).ok().and_then(ringback_message::StatusCode::new)
                {
                    let _ = world.agent.reject(now, call, status);
                }
            }
            ("hold", Some(call)) => drop(world.agent.hold(now, call)),
            ("resume", Some(call)) => drop(world.agent.resume(now, call)),
            ("hangup", Some(call)) => drop(world.agent.hangup(now, call)),
            ("wait", _) => world.run(act.pause()),
            _ => {}
        }
        world.drain();
    }
    world.finish();
}

struct World {
    now: Instant,
    agent: Agent,
    account: ringback_ua::AccountKey,
    calls: Vec<CallKey>,
    ended: HashSet<CallKey>,
    sent: Vec<(Target, Message)>,
}

impl World {
    fn new() -> Self {
        let mut config = UaConfig::default();
        config.transactions.locals.set(Protocol::Udp, local());
        config.transactions.locals.set(Protocol::Tcp, local());
        let mut agent = UserAgent::new(config, SeededEntropy::new(6));
        let account = Account::new(UriBuf::new("sip:alice@example.com").expect("a URI"))
            .credentials("alice", "secret")
            .outbound(Outbound::Target(Target::Address(Protocol::Udp, peer())));
        let account = agent.add_account(account);
        Self {
            now: Instant::now(),
            agent,
            account,
            calls: Vec::new(),
            ended: HashSet::new(),
            sent: Vec::new(),
        }
    }

    /// The peer answers a request of ours; an answer to INVITE names a contact, and may carry a description.
    fn echo(&mut self, number: usize, status: u64, body: &[u8]) {
        let Some((to, message)) = self.sent.get(number) else { return };
        let Ok(request) = Request::try_from(message.clone()) else { return };
        let Some(mut response) = answer(&request, status) else { return };
        let _ = response.push(HeaderId::CONTACT, "<sip:bob@192.0.2.9>");
        if !body.is_empty() {
            let _ = response.set_body(Some("application/sdp"), body.to_vec());
        }
        let flow = flow(to.protocol(), to.peer());
        self.agent.handle(self.now, UaInput::Message(flow, response.into()));
    }

    /// Fires every deadline of the next while.
    fn run(&mut self, pause: Duration) {
        let end = self.now + pause;
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.agent.handle_timeout(self.now);
            let yielded = self.drain();
            assert!(
                yielded || self.agent.poll_timeout().is_none_or(|next| next > self.now),
                "a driver never spins"
            );
        }
        self.now = end;
    }

    /// Takes all outputs; whether there were any.
    fn drain(&mut self) -> bool {
        let mut any = false;
        while let Some(output) = self.agent.poll() {
            any = true;
            match output {
                UaOutput::Transmit { to, bytes, .. } => self.sent.push((to, read(bytes))),
                UaOutput::Resolve(token, _) => {
                    let to = Target::Address(Protocol::Udp, peer());
                    self.agent.handle(self.now, UaInput::Resolved(token, Ok(vec![to])));
                }
                UaOutput::Event(UaEvent::Incoming(incoming)) => self.calls.push(incoming.call),
                UaOutput::Event(UaEvent::Ended { call, .. }) => {
                    assert!(self.ended.insert(call), "a call ends once")
                }
                UaOutput::Event(_) | UaOutput::Keep(..) | UaOutput::Forget(_) | UaOutput::Unavailable(..) => {
                }
            }
        }
        any
    }

    /// Ends what is up; then nothing may be left.
    fn finish(mut self) {
        for call in self.calls.clone() {
            let _ = self.agent.hangup(self.now, call);
        }
        let _ = self.agent.unregister(self.now, self.account);
        self.drain();
        self.run(LONG);
        assert!(self.calls.iter().all(|call| self.ended.contains(call)), "every call ends");
        assert!(self.agent.is_empty(), "nothing is left: {:?}", self.agent);
    }
}

fn audio() -> LocalAudio {
    LocalAudio::new(([192, 0, 2, 1], 4000).into())
}
