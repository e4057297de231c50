//! The user agent under the contract.

use super::wire::{as_request, flow, local, peer, pick, protocol, request, response};
use super::{Journal, Subject};
use ringback_message::{Request, StatusCode, UriBuf};
use ringback_sansio::{CloseReason, Entropy, Machine, Protocol, SeededEntropy, Target};
use ringback_transaction::Key;
use ringback_ua::{
    Account, AccountKey, CallKey, Content, Interest, LocalAudio, Outbound, Package, PublicationKey,
    SubscriptionKey, Token, UaConfig, UaEvent, UaInput, UaOutput, UserAgent, WatcherKey,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A user who changes his mind, and a peer who answers as it likes.
#[derive(Debug)]
pub struct UserAgentSubject {
    account: AccountKey,
    calls: Vec<CallKey>,
    sent: Vec<(Option<Key>, Target, Request)>,
    /// Our tags, as the peer saw them.
    tags: Vec<String>,
    questions: Vec<Token>,
    subscriptions: Vec<SubscriptionKey>,
    watchers: Vec<WatcherKey>,
    publications: Vec<PublicationKey>,
}

impl UserAgentSubject {
    fn command(
        &mut self,
        machine: &mut UserAgent<SeededEntropy>,
        now: Instant,
        entropy: &mut SeededEntropy,
        journal: &mut Journal,
    ) {
        let target: UriBuf =
            if entropy.below(4) == 0 { "sip:bob@phone.example.net" } else { "sip:bob@192.0.2.9" }
                .parse()
                .expect("a URI");
        let call = pick(entropy, &self.calls).map(|at| self.calls[at]);
        // What the machine refuses is as good as what it does.
        match (entropy.below(18), call) {
            (13.., _) => self.event_command(machine, now, &target, entropy, journal),
            (0 | 1, _) => {
                if let Ok(call) = machine.call(now, self.account, &target, audio()) {
                    self.begin(call, journal);
                }
            }
            (2, _) => {
                if let Ok(call) = machine.call_without_offer(now, self.account, &target, audio()) {
                    self.begin(call, journal);
                }
            }
            (3, _) => drop(machine.register(now, self.account)),
            (4, _) => drop(machine.unregister(now, self.account)),
            (5, _) => {
                if let Ok(request) = machine.message(now, self.account, &target, "text/plain", "hello") {
                    journal.begins(format!("{request:?}"));
                }
            }
            (6, Some(call)) => drop(machine.ring(now, call)),
            (7 | 8, Some(call)) => drop(machine.answer(now, call, audio())),
            (9, Some(call)) => drop(machine.reject(now, call, StatusCode::BUSY_HERE)),
            (10, Some(call)) => drop(machine.hold(now, call)),
            (11, Some(call)) => drop(machine.resume(now, call)),
            (_, Some(call)) => drop(machine.hangup(now, call)),
            (_, None) => {}
        }
    }

    fn event_command(
        &mut self,
        machine: &mut UserAgent<SeededEntropy>,
        now: Instant,
        target: &UriBuf,
        entropy: &mut SeededEntropy,
        journal: &mut Journal,
    ) {
        let content = Content::new("text/plain", entropy.below(9).to_string());
        let watcher = pick(entropy, &self.watchers).map(|at| self.watchers[at]);
        match (entropy.below(7), watcher) {
            (0, _) => {
                let interest = Interest { expires: 60, ..Interest::new("dialog") };
                if let Ok(key) = machine.subscribe(now, self.account, target, interest) {
                    journal.begins(format!("{key:?}"));
                    self.subscriptions.push(key);
                }
            }
            (1, _) => {
                if let Some(at) = pick(entropy, &self.subscriptions) {
                    let _ = machine.unsubscribe(now, self.subscriptions[at]);
                }
            }
            (2, _) => {
                let lasts = Duration::from_secs(60);
                let published = machine.publish(now, self.account, target, "presence", content, lasts);
                if let Ok(key) = published {
                    journal.begins(format!("{key:?}"));
                    self.publications.push(key);
                }
            }
            (3, _) => {
                if let Some(at) = pick(entropy, &self.publications) {
                    let _ = machine.unpublish(now, self.publications[at]);
                }
            }
            (4, Some(watcher)) => drop(machine.accept_subscription(now, watcher, Some(content))),
            (5, Some(watcher)) => drop(machine.notify(now, watcher, content)),
            (_, Some(watcher)) => drop(machine.refuse_subscription(now, watcher, StatusCode::FORBIDDEN)),
            (_, None) => {}
        }
    }

    fn begin(&mut self, call: CallKey, journal: &mut Journal) {
        journal.begins(format!("{call:?}"));
        self.calls.push(call);
    }
}

impl Subject for UserAgentSubject {
    type Machine = UserAgent<SeededEntropy>;
    // An early end of a call that forked: ACK and BYE for each fork, and what the user is told.
    const MOST_OUTPUTS: usize = 32;

    fn start(_: Instant, seed: u64) -> (Self::Machine, Self) {
        let mut config = UaConfig { answers_anyone: true, max_calls: 20, ..UaConfig::default() };
        config.packages = vec![Package::new("dialog", "text/plain")];
        config.transactions.locals.set(Protocol::Udp, local());
        config.transactions.locals.set(Protocol::Tcp, local());
        let mut ua = UserAgent::new(config, SeededEntropy::new(seed));
        let mut account = Account::new("sip:alice@example.com".parse().expect("a URI"))
            .credentials("alice", "secret")
            .expires(Duration::from_secs(600));
        if seed.is_multiple_of(2) {
            account = account.outbound(Outbound::Target(Target::Address(Protocol::Udp, peer())));
        }
        let account = ua.add_account(account);
        let (calls, sent, tags, questions) = Default::default();
        let (subscriptions, watchers, publications) = Default::default();
        let subject = Self { account, calls, sent, tags, questions, subscriptions, watchers, publications };
        (ua, subject)
    }

    fn act(
        &mut self,
        machine: &mut Self::Machine,
        now: Instant,
        entropy: &mut SeededEntropy,
        journal: &mut Journal,
    ) {
        match entropy.below(9) {
            0..3 => self.command(machine, now, entropy, journal),
            3 | 4 => {
                let protocol = protocol(entropy);
                let tag = pick(entropy, &self.tags).filter(|_| entropy.below(3) > 0);
                let tag = tag.map(|at| self.tags[at].clone()).unwrap_or_default();
                if let Some(message) = request(entropy, protocol, "sip:alice@192.0.2.1", &tag) {
                    machine.handle(now, UaInput::Message(flow(protocol), message));
                }
            }
            5..7 => {
                if let Some(at) = pick(entropy, &self.sent)
                    && let Some(response) = response(entropy, &self.sent[at].2)
                {
                    let flow = flow(self.sent[at].1.protocol());
                    machine.handle(now, UaInput::Message(flow, response.into()));
                }
            }
            7 => {
                if let Some(at) = pick(entropy, &self.questions) {
                    let token = self.questions.swap_remove(at);
                    let found =
                        [Protocol::Tcp, Protocol::Udp].map(|protocol| Target::Address(protocol, peer()));
                    let found = found[..entropy.below(3) as usize].to_vec();
                    machine.handle(now, UaInput::Resolved(token, Ok(found)));
                }
            }
            _ => {
                if let Some(at) = pick(entropy, &self.sent)
                    && let Some(key) = self.sent[at].0
                {
                    machine.handle(now, UaInput::Failed(key, CloseReason::Reset));
                }
            }
        }
    }

    fn hear(&mut self, output: UaOutput, journal: &mut Journal) {
        match output {
            UaOutput::Transmit { key, to, bytes } => {
                journal.said(&bytes);
                if let Some(key) = key.map(|key| format!("{key:?}")) {
                    journal.knows(key);
                }
                let text = String::from_utf8_lossy(&bytes);
                let tags = text.lines().filter_map(|line| Some(line.split_once(";tag=")?.1.to_owned()));
                self.tags.extend(tags.filter(|tag| tag.len() > 8).take(2));
                self.sent.extend(as_request(&bytes).map(|request| (key, to, request)));
            }
            UaOutput::Resolve(token, _) => self.questions.push(token),
            UaOutput::Keep(..) | UaOutput::Forget(_) | UaOutput::Unavailable(..) => {}
            UaOutput::Event(event) => {
                journal.said(format!("{event:?}"));
                match event {
                    UaEvent::Incoming(incoming) => self.begin(incoming.call, journal),
                    UaEvent::Ended { call, .. } => journal.ends(format!("{call:?}")),
                    UaEvent::Reply { request, .. } => journal.ends(format!("{request:?}")),
                    UaEvent::SubscriptionRequested(subscriber) => {
                        journal.begins(format!("{:?}", subscriber.watcher));
                        self.watchers.push(subscriber.watcher);
                    }
                    UaEvent::WatcherGone { watcher } => journal.ends(format!("{watcher:?}")),
                    UaEvent::SubscriptionEnded { subscription, .. } => {
                        journal.ends(format!("{subscription:?}"));
                    }
                    UaEvent::Notified { subscription, .. }
                    | UaEvent::SubscriptionLapsed { subscription, .. } => {
                        journal.mentions(&format!("{subscription:?}"));
                    }
                    UaEvent::Unpublished { publication }
                    | UaEvent::PublicationFailed { publication, retry_in: None, .. } => {
                        journal.ends(format!("{publication:?}"));
                    }
                    UaEvent::Published { publication, .. } => {
                        journal.mentions(&format!("{publication:?}"));
                    }
                    UaEvent::Trying { call }
                    | UaEvent::Ringing { call, .. }
                    | UaEvent::EarlyMedia { call, .. }
                    | UaEvent::Answered { call, .. }
                    | UaEvent::SessionChanged { call, .. }
                    | UaEvent::ChangeRefused { call, .. } => journal.mentions(&format!("{call:?}")),
                    _ => {}
                }
            }
        }
    }

    fn close(&mut self, machine: &mut Self::Machine, now: Instant) {
        for token in self.questions.drain(..) {
            machine.handle(now, UaInput::Resolved(token, Ok(Vec::new())));
        }
        for call in self.calls.drain(..) {
            // Gone means that it is over.
            let _ = machine.hangup(now, call);
        }
        for subscription in self.subscriptions.drain(..) {
            let _ = machine.unsubscribe(now, subscription);
        }
        for publication in self.publications.drain(..) {
            let _ = machine.unpublish(now, publication);
        }
        machine.remove_account(self.account);
    }

    fn is_empty(machine: &Self::Machine) -> bool {
        machine.is_empty()
    }
}

fn audio() -> LocalAudio {
    LocalAudio::new(SocketAddr::new(local().ip(), 4_000))
}
