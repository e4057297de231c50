//! Proxy and transactions, as one machine, under the contract.

use super::wire::{as_request, flow, local, pick, protocol, request, response};
use super::{Journal, Subject};
use ringback_message::{Request, UriBuf};
use ringback_proxy::{Branch, Decision, Hop, Ownership, Proxy, ProxyConfig, ProxyOutput, RoutePolicy, Token};
use ringback_sansio::{CloseReason, Entropy, Machine, Protocol, SeededEntropy, Target};
use ringback_transaction::{Key, ServerKey, TransactionConfig, TransactionInput, Transactions};
use ringback_transport::locate::LocateError;
use std::time::Instant;

/// A proxy on its transactions.
#[derive(Debug)]
pub struct Stack {
    transactions: Transactions<SeededEntropy>,
    proxy: Proxy,
    now: Option<Instant>,
}

/// Some fork, some are tried one after the other, some have names.
struct Everywhere;

impl RoutePolicy for Everywhere {
    fn route(&mut self, _: Instant, request: &mut Request, hop: Hop<'_>) -> Decision {
        if !hop.own_uri {
            return Decision::Relay;
        }
        let user = request.uri().ok().and_then(|uri| uri.as_sip()?.user().map(str::to_owned));
        let to = |uri: &str, q| Branch { q, ..Branch::to(uri.parse::<UriBuf>().expect("a URI")) };
        let branches = match user.as_deref() {
            Some("fork") => vec![to("sip:b@192.0.2.9", 1000), to("sip:b@192.0.2.9;transport=tcp", 1000)],
            Some("serial") => vec![to("sip:b@192.0.2.9", 900), to("sip:c@192.0.2.9", 100)],
            Some("named") => vec![to("sip:b@phone.example.net", 1000)],
            Some("loop") => vec![to("sip:loop@192.0.2.1", 1000)],
            Some(_) => vec![to("sip:b@192.0.2.9", 1000)],
            None => return Decision::Local,
        };
        Decision::Forward(branches.into())
    }
}

impl Stack {
    fn pump(&mut self, now: Instant) {
        self.now = Some(self.now.map_or(now, |seen| seen.max(now)));
        while let Some(output) = self.transactions.poll() {
            self.proxy.handle(now, &mut self.transactions, &mut Everywhere, output);
        }
    }
}

impl Machine for Stack {
    type Input = TransactionInput;
    type Output = ProxyOutput;

    fn handle(&mut self, now: Instant, input: TransactionInput) {
        self.transactions.handle(now, input);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        self.pump(now);
        self.proxy.handle_timeout(now, &mut self.transactions);
        self.pump(now);
    }

    fn poll(&mut self) -> Option<ProxyOutput> {
        self.proxy.poll()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.transactions.poll_timeout(), self.proxy.poll_timeout()].into_iter().flatten().min()
    }
}

/// Requests that fork and fail, and whoever answers them.
#[derive(Default)]
pub struct ProxySubject {
    sent: Vec<(Option<Key>, Target, Request)>,
    questions: Vec<Token>,
    local: Vec<(ServerKey, Request)>,
}

impl Subject for ProxySubject {
    type Machine = Stack;
    // Two branches, each with a retransmission, a CANCEL or an ACK, and the answer.
    const MOST_OUTPUTS: usize = 8;

    fn start(_: Instant, seed: u64) -> (Stack, Self) {
        let mut config =
            TransactionConfig { trying_at_once: seed.is_multiple_of(2), ..TransactionConfig::default() };
        config.locals.set(Protocol::Udp, local());
        config.locals.set(Protocol::Tcp, local());
        let transactions = Transactions::new(config, SeededEntropy::new(seed));
        let ownership = Ownership::new([local()], ["example.com"]);
        let proxy = Proxy::new(ProxyConfig::new(ownership), &mut SeededEntropy::new(seed ^ 1));
        (Stack { transactions, proxy, now: None }, Self::default())
    }

    fn act(&mut self, machine: &mut Stack, now: Instant, entropy: &mut SeededEntropy, _: &mut Journal) {
        match entropy.below(8) {
            0..3 => {
                let protocol = protocol(entropy);
                let user = ["fork", "serial", "named", "loop", "x"][entropy.below(5) as usize];
                let uri = if entropy.below(9) == 0 {
                    "sip:192.0.2.1".into()
                } else {
                    format!("sip:{user}@example.com")
                };
                if let Some(message) = request(entropy, protocol, &uri, "") {
                    machine.handle(now, TransactionInput::Message(flow(protocol), message));
                }
            }
            3..6 => {
                if let Some(at) = pick(entropy, &self.sent)
                    && let Some(response) = response(entropy, &self.sent[at].2)
                {
                    let flow = flow(self.sent[at].1.protocol());
                    machine.handle(now, TransactionInput::Message(flow, response.into()));
                }
            }
            6 => {
                if let Some(at) = pick(entropy, &self.sent)
                    && let Some(key) = self.sent[at].0
                {
                    machine.handle(now, TransactionInput::Failed(key, CloseReason::Refused));
                }
            }
            _ => {
                if let Some(at) = pick(entropy, &self.questions) {
                    let token = self.questions.swap_remove(at);
                    let found = [Target::Address(Protocol::Udp, super::wire::peer())];
                    let found = &found[..entropy.below(2) as usize];
                    machine.proxy.resolved(now, &mut machine.transactions, token, Ok(found));
                    machine.pump(now);
                }
            }
        }
    }

    fn hear(&mut self, output: ProxyOutput, journal: &mut Journal) {
        match output {
            ProxyOutput::Transmit { key, to, bytes } => {
                journal.said(&bytes);
                // As many may be due at once as there are keys.
                if let Some(key) = key.map(|key| format!("{key:?}")) {
                    journal.knows(key);
                }
                self.sent.extend(as_request(&bytes).map(|request| (key, to, request)));
            }
            ProxyOutput::Local(key, _, request) => self.local.push((key, *request)),
            ProxyOutput::Resolve(token, _) => self.questions.push(token),
            ProxyOutput::Decide(..)
            | ProxyOutput::Unavailable(..)
            | ProxyOutput::Wake(..)
            | ProxyOutput::Forget(_) => {}
        }
    }

    fn close(&mut self, machine: &mut Stack, now: Instant) {
        for token in self.questions.drain(..) {
            machine.proxy.resolved(now, &mut machine.transactions, token, Err(LocateError::NotFound));
        }
        for (key, request) in self.local.drain(..) {
            let busy = ringback_message::StatusCode::BUSY_HERE;
            let response = request.reply(busy, Some("us")).build().expect("any request can be answered");
            let _ = machine.transactions.respond(now, key, response);
        }
        machine.pump(now);
    }

    fn is_empty(machine: &Stack) -> bool {
        machine.transactions.is_empty() && machine.proxy.is_empty()
    }
}
