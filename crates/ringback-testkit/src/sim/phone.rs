//! A phone of a simulation: a user agent, and what its user saw of each call.

use super::host::Core;
use super::plan;
use super::server::PASSWORD;
use bytes::Bytes;
use ringback_message::{Message, UriBuf};
use ringback_sansio::{CloseReason, Flow, Machine, Protocol, SeededEntropy, Target};
use ringback_transaction::Key;
use ringback_ua::{
    Account, AccountKey, CallKey, Ending, LocalAudio, Outbound, UaConfig, UaEvent, UaInput, UaOutput,
    UserAgent,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

/// One call as one side saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) call_id: String,
    pub(crate) is_caller: bool,
    pub(crate) begun: Instant,
    pub(crate) answered: Option<Instant>,
    pub(crate) ended: Option<(Instant, Ending)>,
    /// When the user of this side wanted it to end.
    pub(crate) given_up: Option<Instant>,
    /// Whether it was redirected.
    pub(crate) redirected: bool,
    /// When hold or resume was last asked for, agreed or refused.
    pub(crate) changed: Option<Instant>,
    /// What went against the order of events.
    pub(crate) faults: Vec<String>,
}

pub(crate) struct Phone {
    pub(crate) ua: UserAgent<SeededEntropy>,
    pub(crate) account: AccountKey,
    audio: SocketAddr,
    pub(crate) calls: BTreeMap<CallKey, Seen>,
    /// Calls that came in and whose fate is not decided yet.
    pub(crate) incoming: Vec<CallKey>,
    /// What happened since the last time, for the trace.
    pub(crate) news: Vec<String>,
    now: Instant,
}

impl Phone {
    pub(crate) fn new(
        now: Instant,
        plan::Phone { user, protocol, server }: plan::Phone,
        address: SocketAddr,
        seed: u64,
    ) -> Self {
        let mut config = UaConfig::default();
        config.transactions.locals.set(Protocol::Udp, address);
        config.transactions.locals.set(Protocol::Tcp, address);
        let mut ua = UserAgent::new(config, SeededEntropy::new(seed));
        let account = Account::new(uri(&format!("sip:user{user}@{}", plan::domain(server))))
            .credentials(format!("user{user}"), PASSWORD)
            .transport(protocol)
            .outbound(Outbound::Target(Target::Address(protocol, plan::server(server))));
        let account = ua.add_account(account);
        let audio = SocketAddr::new(address.ip(), 4_000);
        Self { ua, account, audio, calls: BTreeMap::new(), incoming: Vec::new(), news: Vec::new(), now }
    }

    pub(crate) fn audio(&self) -> LocalAudio {
        LocalAudio::new(self.audio)
    }

    /// Calls another phone; the Call-ID where that was possible.
    pub(crate) fn call(&mut self, now: Instant, whom: &str, offers: bool) -> Option<CallKey> {
        let (account, target, audio) = (self.account, uri(whom), self.audio());
        let call = if offers {
            self.ua.call(now, account, &target, audio)
        } else {
            self.ua.call_without_offer(now, account, &target, audio)
        };
        let key = call.ok()?;
        let call_id = self.ua.call_id(key)?.to_owned();
        self.calls.insert(key, Seen::new(self.now, call_id, true));
        Some(key)
    }

    /// Gives a call up where it is not over.
    pub(crate) fn hang_up(&mut self, now: Instant, key: CallKey) {
        if let Some(seen) = self.calls.get_mut(&key).filter(|seen| seen.ended.is_none()) {
            seen.given_up.get_or_insert(now);
            // Gone means that its end is on its way to us.
            let _ = self.ua.hangup(now, key);
        }
    }

    /// Whether some call is not over.
    pub(crate) fn is_busy(&self) -> bool {
        self.calls.values().any(|seen| seen.ended.is_none())
    }

    fn on_event(&mut self, event: UaEvent) {
        self.news.push(in_short(&event));
        let now = self.now;
        match event {
            UaEvent::Incoming(incoming) => {
                let seen = Seen::new(self.now, incoming.call_id, false);
                if let Some(old) = self.calls.insert(incoming.call, seen) {
                    self.fault(incoming.call, format!("a call came in under the key of {}", old.call_id));
                }
                self.incoming.push(incoming.call);
            }
            UaEvent::Trying { call } | UaEvent::Ringing { call, .. } | UaEvent::EarlyMedia { call, .. } => {
                let answered = self.open(call, "progress").is_some_and(|seen| seen.answered.is_some());
                answered.then(|| self.fault(call, "progress after the answer".to_owned()));
            }
            UaEvent::Redirected { call, .. } => {
                let redirected = self.open(call, "a redirection").map(|seen| {
                    seen.redirected = true;
                    seen.answered
                });
                if redirected.flatten().is_some() {
                    self.fault(call, "redirected after the answer".to_owned());
                }
            }
            UaEvent::Answered { call, .. } => {
                let answered = self.open(call, "an answer").map(|seen| seen.answered.replace(now));
                if answered.flatten().is_some() {
                    self.fault(call, "answered twice".to_owned());
                }
            }
            UaEvent::SessionChanged { call, .. } | UaEvent::ChangeRefused { call, .. } => {
                let seen = self.open(call, "a change").map(|seen| {
                    seen.changed = Some(now);
                    seen.answered
                });
                if seen == Some(None) {
                    self.fault(call, "a change before the answer".to_owned());
                }
            }
            UaEvent::Ended { call, ending } => {
                if let Some(seen) = self.open(call, "an end") {
                    seen.ended = Some((now, ending));
                }
            }
            _ => {}
        }
    }

    /// The call, where it is not over.
    fn open(&mut self, call: CallKey, what: &str) -> Option<&mut Seen> {
        let seen = self.calls.get_mut(&call)?;
        if seen.ended.is_some() {
            seen.faults.push(format!("{what} after the end"));
            return None;
        }
        Some(seen)
    }

    fn fault(&mut self, call: CallKey, what: String) {
        if let Some(seen) = self.calls.get_mut(&call) {
            seen.faults.push(what);
        }
    }
}

impl Seen {
    fn new(begun: Instant, call_id: String, is_caller: bool) -> Self {
        Self {
            begun,
            call_id,
            is_caller,
            answered: None,
            ended: None,
            given_up: None,
            redirected: false,
            changed: None,
            faults: Vec::new(),
        }
    }
}

impl Core for Phone {
    fn receive(&mut self, now: Instant, flow: Flow, message: Message) {
        self.ua.handle(now, UaInput::Message(flow, message));
    }

    fn failed(&mut self, now: Instant, key: Key, reason: CloseReason) {
        self.ua.handle(now, UaInput::Failed(key, reason));
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.ua.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.ua.poll_timeout()
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(Option<Key>, Target, Bytes)> {
        self.now = now;
        loop {
            match self.ua.poll()? {
                UaOutput::Transmit { key, to, bytes } => return Some((key, to, bytes)),
                // All hosts of a simulation have addresses.
                UaOutput::Resolve(token, _) => self.ua.handle(now, UaInput::Resolved(token, Ok(Vec::new()))),
                // No NAT stands in the way here, and no flow is forgotten.
                UaOutput::Keep(..) | UaOutput::Forget(_) | UaOutput::Unavailable(..) => {}
                UaOutput::Event(event) => self.on_event(event),
            }
        }
    }
}

fn uri(text: &str) -> UriBuf {
    text.parse().expect("a URI")
}

fn in_short(event: &UaEvent) -> String {
    match event {
        UaEvent::Incoming(incoming) => format!("hears {:?} come in: {}", incoming.call, incoming.call_id),
        UaEvent::Answered { call, .. } => format!("has {call:?} answered"),
        UaEvent::SessionChanged { call, session } => {
            format!("has {call:?} changed: holds {}, is held {}", session.held_by_us, session.held_by_them)
        }
        UaEvent::Ended { call, ending } => format!("has {call:?} ended {ending}"),
        UaEvent::RegistrationFailed { status, .. } => format!("could not register: {status}"),
        other => format!("{other:?}").chars().take(60).collect(),
    }
}
