//! Laws of the user agent: whatever a peer does, calls, subscriptions and publications end once, nothing is left, and what
//! is sent can be read.

use super::machines::{answer, flow, inbound, local, peer, read};
use super::script::acts;
use ringback_message::{HeaderId, Message, Request, UriBuf};
use ringback_sansio::{Machine, Protocol, SeededEntropy, Target};
use ringback_transport::via::{Inbound, receive};
use ringback_ua::{
    Account, CallKey, Content, DoNotDisturb, Interest, LocalAudio, Opening, Outbound, Package,
    PublicationKey, Receipt, SubscriptionKey, Termination, UaConfig, UaEvent, UaInput, UaOutput, UserAgent,
    WatcherKey,
};
use std::collections::HashSet;
use std::time::{Duration, Instant};

type Agent = UserAgent<SeededEntropy>;

/// After this long without input only a registration may be left, and it is taken back before.
const LONG: Duration = Duration::from_secs(7_200);

/// `udp`, `tcp`: a message comes. `echo N STATUS`: the peer answers what was sent as Nth, with the body of the act.
/// `call`, `call-late`, `call-later`, `text`, `follow`, `options`, `register`, `unregister`: ours; `quiet N`: whether calls may
/// disturb. `ring N`, `take N`, `refuse N STATUS`, `hold N`, `resume N`, `close N` (what was offered), `describe N`, `write N`,
/// `hangup N`: the Nth call. `watch SECONDS`, `unwatch N`: our Nth subscription, to `presence` by several.
/// `publish SECONDS`, `republish N`, `unpublish N`: our Nth publication. `admit N`, `deny N STATUS`, `tell N`, `dismiss N`:
/// the Nth subscription of a peer. `within N NUMBER METHOD STATE EXPIRES`: the peer sends this in the dialog of what was sent
/// as Nth, with the body of the act. `wait MILLISECONDS`.
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
            ("within", _) => world.within(&act.words, act.message),
            ("call", _) => {
                let call = world.agent.call(now, world.account, &target, audio());
                world.calls.extend(call.ok());
            }
            ("call-late", _) => {
                let call = world.agent.call_without_offer(now, world.account, &target, audio());
                world.calls.extend(call.ok());
            }
            ("call-later", _) => {
                let opening = Opening::LaterAnswer;
                let call = world.agent.call_as(now, world.account, &target, opening, Vec::new());
                world.calls.extend(call.ok());
            }
            ("close", Some(call)) => drop(world.agent.answer_offer(now, call, audio())),
            ("describe", Some(call)) => {
                let other = LocalAudio::new(([192, 0, 2, 7], 4100).into());
                let _ = world.agent.redescribe(now, call, other, act.number(1) > 0);
            }
            ("write", Some(call)) => {
                let _ = world.agent.message_in_call(now, call, "text/plain", act.message.to_vec());
            }
            ("quiet", _) => {
                let quiet = (act.number(0) > 0).then(DoNotDisturb::busy);
                let _ = world.agent.do_not_disturb(world.account, quiet);
            }
            ("follow", _) => {
                let (body, unix) = (act.message.to_vec(), Duration::from_secs(act.number(0)));
                let account = world.account;
                let _ = world.agent.message_with_receipts(now, account, &target, "text/plain", body, unix);
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
            (verb, _) => world.event_act(verb, act.number(0), act.number(1), act.message),
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
    subscriptions: Vec<SubscriptionKey>,
    unsubscribed: HashSet<SubscriptionKey>,
    watchers: Vec<WatcherKey>,
    gone: HashSet<WatcherKey>,
    publications: Vec<PublicationKey>,
    unpublished: HashSet<PublicationKey>,
    sent: Vec<(Target, Message)>,
}

impl World {
    fn new() -> Self {
        let packages = vec![Package::new("dialog", "text/plain")];
        let mut config = UaConfig { packages, ..UaConfig::default() };
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
            subscriptions: Vec::new(),
            unsubscribed: HashSet::new(),
            watchers: Vec::new(),
            gone: HashSet::new(),
            publications: Vec::new(),
            unpublished: HashSet::new(),
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

    /// A request of the peer in the dialog of a request of ours, which it may begin.
    fn within(&mut self, words: &[&str], body: &[u8]) {
        let word = |place: usize| words.get(place).copied().unwrap_or_default();
        let at: usize = word(0).parse().unwrap_or(0);
        let Some((to, message)) = self.sent.get(at) else { return };
        let text = |id| message.values(id).next().map(String::from_utf8_lossy).unwrap_or_default();
        let from = text(HeaderId::TO);
        let tag = if from.contains(";tag=") { "" } else { ";tag=w" };
        let (number, method) = (word(1).parse().unwrap_or(0u32), word(2));
        let protocol = to.protocol();
        let mut request = format!(
            "{method} sip:alice@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/{} 192.0.2.9;branch=z9hG4bKw{number}{method}\r\n\
             Max-Forwards: 70\r\nFrom: {from}{tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:bob@192.0.2.9>\r\nEvent: {}\r\nSubscription-State: {}\r\nExpires: {}\r\n\
             Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            protocol.as_via(),
            text(HeaderId::FROM),
            text(HeaderId::CALL_ID),
            text(HeaderId::EVENT),
            word(3),
            word(4),
            body.len(),
        )
        .into_bytes();
        request.extend_from_slice(body);
        let flow = flow(protocol, to.peer());
        if let Inbound::Message(message) = receive(&flow, request.into()) {
            self.agent.handle(self.now, UaInput::Message(flow, message));
        }
    }

    fn event_act(&mut self, verb: &str, number: u64, more: u64, body: &[u8]) {
        let (agent, now, account) = (&mut self.agent, self.now, self.account);
        let target = UriBuf::new("sip:bob@example.com").expect("a URI");
        let seconds = u32::try_from(number).unwrap_or(u32::MAX);
        let at = number as usize;
        let content = Content::new("text/plain", body.to_vec());
        match verb {
            "watch" => {
                let interest =
                    Interest { expires: seconds, takes_forks: more > 0, ..Interest::new("presence") };
                self.subscriptions.extend(agent.subscribe(now, account, &target, interest).ok());
            }
            "unwatch" => {
                if let Some(key) = self.subscriptions.get(at) {
                    let _ = agent.unsubscribe(now, *key);
                }
            }
            "publish" => {
                let lasts = Duration::from_secs(seconds.into());
                let key = agent.publish(now, account, &target, "presence", content, lasts);
                self.publications.extend(key.ok());
            }
            "republish" | "unpublish" => {
                if let Some(key) = self.publications.get(at).copied() {
                    let _ = match verb {
                        "republish" => agent.republish(now, key, content),
                        _ => agent.unpublish(now, key),
                    };
                }
            }
            "admit" | "deny" | "tell" | "dismiss" => {
                let Some(key) = self.watchers.get(at).copied() else { return };
                let status = u16::try_from(more).ok().and_then(ringback_message::StatusCode::new);
                let _ = match verb {
                    "admit" => agent.accept_subscription(now, key, Some(content)),
                    "deny" => agent.refuse_subscription(
                        now,
                        key,
                        status.unwrap_or(ringback_message::StatusCode::DECLINE),
                    ),
                    "tell" => agent.notify(now, key, content),
                    _ => agent.end_subscription(now, key, Termination::NoResource, None),
                };
            }
            _ => {}
        }
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
                UaOutput::Event(UaEvent::MessageReceived { wish: Some(wish), .. }) => {
                    // Whoever asks is told, whatever it says that it is.
                    let _ = self.agent.tell_receipt(self.now, &wish, Receipt::Delivered);
                }
                UaOutput::Event(UaEvent::Ended { call, .. }) => {
                    assert!(self.ended.insert(call), "a call ends once")
                }
                UaOutput::Event(UaEvent::SubscriptionEnded { subscription, .. }) => {
                    assert!(self.unsubscribed.insert(subscription), "a subscription ends once");
                }
                UaOutput::Event(UaEvent::SubscriptionRequested(subscriber)) => {
                    self.watchers.push(subscriber.watcher);
                }
                UaOutput::Event(UaEvent::WatcherGone { watcher }) => {
                    assert!(self.gone.insert(watcher), "a watcher goes once");
                }
                UaOutput::Event(
                    UaEvent::Unpublished { publication }
                    | UaEvent::PublicationFailed { publication, retry_in: None, .. },
                ) => assert!(self.unpublished.insert(publication), "a publication ends once"),
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
        for key in self.subscriptions.clone() {
            let _ = self.agent.unsubscribe(self.now, key);
        }
        for key in self.publications.clone() {
            let _ = self.agent.unpublish(self.now, key);
        }
        let _ = self.agent.unregister(self.now, self.account);
        self.drain();
        self.run(LONG);
        assert!(self.calls.iter().all(|call| self.ended.contains(call)), "every call ends");
        assert!(
            self.subscriptions.iter().all(|key| self.unsubscribed.contains(key)),
            "every subscription ends"
        );
        assert!(self.watchers.iter().all(|key| self.gone.contains(key)), "every watcher goes");
        assert!(self.publications.iter().all(|key| self.unpublished.contains(key)), "every publication ends");
        assert!(self.agent.is_empty(), "nothing is left: {:?}", self.agent);
    }
}

fn audio() -> LocalAudio {
    LocalAudio::new(([192, 0, 2, 1], 4000).into())
}
