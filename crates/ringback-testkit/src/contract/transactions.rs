//! The transaction layer under the contract.

use super::wire::{as_request, flow, local, one, peer, pick, protocol, request, response, status};
use super::{Journal, Subject};
use ringback_message::{HeaderId, Method, Request};
use ringback_sansio::{CloseReason, Entropy, Machine, Protocol, SeededEntropy, Target};
use ringback_transaction::{
    ClientKey, Key, ServerKey, TransactionConfig, TransactionInput, TransactionOutput, Transactions,
};
use std::time::Instant;

/// Requests and responses from both sides.
#[derive(Debug, Default)]
pub struct TransactionsSubject {
    clients: Vec<ClientKey>,
    servers: Vec<(ServerKey, Request)>,
    sent: Vec<(Target, Request)>,
}

impl Subject for TransactionsSubject {
    type Machine = Transactions<SeededEntropy>;
    const MOST_OUTPUTS: usize = 4;

    fn start(_: Instant, seed: u64) -> (Self::Machine, Self) {
        let mut config =
            TransactionConfig { trying_at_once: seed.is_multiple_of(2), ..TransactionConfig::default() };
        config.locals.set(Protocol::Udp, local());
        config.locals.set(Protocol::Tcp, local());
        (Transactions::new(config, SeededEntropy::new(seed)), Self::default())
    }

    fn act(
        &mut self,
        machine: &mut Self::Machine,
        now: Instant,
        entropy: &mut SeededEntropy,
        journal: &mut Journal,
    ) {
        match entropy.below(8) {
            0 | 1 => {
                let protocol = protocol(entropy);
                if let Some(message) = request(entropy, protocol, "sip:alice@192.0.2.1", "") {
                    machine.handle(now, TransactionInput::Message(flow(protocol), message));
                }
            }
            2 => {
                let to = Target::Address(protocol(entropy), peer());
                let method = Method::new(one(entropy, &["INVITE", "OPTIONS", "BYE"])).expect("a method");
                if let Ok(key) = machine.request(now, to, outgoing(&method)) {
                    journal.begins(format!("{key:?}"));
                    self.clients.push(key);
                }
            }
            3 | 4 => {
                if let Some(at) = pick(entropy, &self.sent)
                    && let Some(response) = response(entropy, &self.sent[at].1)
                {
                    let flow = flow(self.sent[at].0.protocol());
                    machine.handle(now, TransactionInput::Message(flow, response.into()));
                }
            }
            5 => {
                let status = status(entropy);
                if let Some(at) = pick(entropy, &self.servers) {
                    let (key, request) = &self.servers[at];
                    let response =
                        request.reply(status, Some("us")).build().expect("any request can be answered");
                    // Gone is an answer as well.
                    let _ = machine.respond(now, *key, response);
                }
            }
            6 => {
                if let Some(at) = pick(entropy, &self.clients) {
                    let _ = machine.cancel(now, self.clients[at], None);
                }
            }
            _ => {
                let servers = self.servers.iter().map(|(key, _)| Key::Server(*key));
                let keys: Vec<Key> = self.clients.iter().copied().map(Key::Client).chain(servers).collect();
                if let Some(at) = pick(entropy, &keys) {
                    machine.handle(now, TransactionInput::Failed(keys[at], CloseReason::Reset));
                }
            }
        }
    }

    fn hear(&mut self, output: TransactionOutput, journal: &mut Journal) {
        match output {
            TransactionOutput::Transmit { to, bytes, .. } => {
                journal.said(&bytes);
                self.sent.extend(as_request(&bytes).map(|request| (to, request)));
            }
            TransactionOutput::Request(key, _, request) => {
                journal.begins(format!("{key:?}"));
                self.servers.push((key, *request));
            }
            TransactionOutput::Cancelled(key, _) => journal.mentions(&format!("{key:?}")),
            TransactionOutput::Response(key, _, response) => {
                journal.mentions(&format!("{key:?}"));
                journal.said(response.render());
            }
            TransactionOutput::Stray(_, message) => journal.said(message.render()),
            TransactionOutput::Ended(key, end) => {
                journal.said(format!("{end:?}"));
                journal.ends(match key {
                    Key::Client(key) => format!("{key:?}"),
                    Key::Server(key) => format!("{key:?}"),
                });
            }
        }
    }

    fn close(&mut self, machine: &mut Self::Machine, now: Instant) {
        for (key, request) in &self.servers {
            let busy = ringback_message::StatusCode::BUSY_HERE;
            let response = request.reply(busy, Some("us")).build().expect("any request can be answered");
            let _ = machine.respond(now, *key, response);
        }
        for key in &self.clients {
            let _ = machine.cancel(now, *key, None);
        }
    }

    fn is_empty(machine: &Self::Machine) -> bool {
        machine.is_empty()
    }
}

fn outgoing(method: &Method) -> Request {
    Request::builder(method.clone(), "sip:bob@192.0.2.9")
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .header(HeaderId::FROM, "<sip:alice@example.com>;tag=a")
        .header(HeaderId::TO, "<sip:bob@example.com>")
        .header(HeaderId::CALL_ID, "ours")
        .header(HeaderId::CSEQ, format_args!("1 {method}"))
        .build()
        .expect("a request")
}
