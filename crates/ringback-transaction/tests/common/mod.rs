//! A transaction layer, virtual time, and what a peer and a user see of it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_sansio::{CloseReason, Flow, FlowId, Machine, Protocol, SeededEntropy, Target};
use ringback_transaction::{
    ClientKey, End, Key, ServerKey, TransactionConfig, TransactionInput, TransactionOutput, Transactions,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub const PEER: &str = "192.0.2.9:5060";

/// What the layer did, and when, in milliseconds since the start.
#[derive(Clone, Debug)]
pub enum Seen {
    /// To the wire: key, target, message.
    Wire(Option<Key>, Target, Message),
    Request(ServerKey, Request),
    Cancelled(ServerKey),
    Response(ClientKey, Response),
    Stray(Message),
    Ended(Key, End),
}

pub struct Layer {
    start: Instant,
    pub now: Instant,
    pub transactions: Transactions<SeededEntropy>,
    pub seen: Vec<(u64, Seen)>,
    /// Every request that was passed up.
    pub asked: BTreeMap<ServerKey, Request>,
}

impl Layer {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    pub fn with(change: impl FnOnce(&mut TransactionConfig)) -> Self {
        let mut config = TransactionConfig::default();
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            config.locals.set(protocol, "192.0.2.1:5060".parse().unwrap());
        }
        change(&mut config);
        let now = Instant::now();
        Self {
            start: now,
            now,
            transactions: Transactions::new(config, SeededEntropy::new(1)),
            seen: Vec::new(),
            asked: BTreeMap::new(),
        }
    }

    pub fn drain(&mut self) {
        let at = self.now.duration_since(self.start).as_millis() as u64;
        while let Some(output) = self.transactions.poll() {
            let seen = match output {
                TransactionOutput::Transmit { key, to, bytes } => {
                    Seen::Wire(key, to, Message::parse(bytes).unwrap())
                }
                TransactionOutput::Request(key, _, request) => {
                    self.asked.insert(key, (*request).clone());
                    Seen::Request(key, *request)
                }
                TransactionOutput::Cancelled(key, _) => Seen::Cancelled(key),
                TransactionOutput::Response(key, _, response) => Seen::Response(key, *response),
                TransactionOutput::Stray(_, message) => Seen::Stray(*message),
                TransactionOutput::Ended(key, end) => Seen::Ended(key, end),
            };
            self.seen.push((at, seen));
        }
    }

    pub fn take(&mut self) -> Vec<(u64, Seen)> {
        std::mem::take(&mut self.seen)
    }

    /// Takes what was seen, each as `500 INVITE`, `0 up 180`, `32000 ended TimedOut`.
    pub fn said(&mut self) -> Vec<String> {
        self.take().into_iter().map(|(at, seen)| format!("{at} {}", say(&seen))).collect()
    }

    #[track_caller]
    pub fn expect(&mut self, expected: &[&str]) -> Vec<Seen> {
        let seen = self.take();
        let said: Vec<String> = seen.iter().map(|(at, seen)| format!("{at} {}", say(seen))).collect();
        assert_eq!(said, expected);
        seen.into_iter().map(|(_, seen)| seen).collect()
    }

    pub fn arrive(&mut self, protocol: Protocol, text: &str) {
        let flow = flow(protocol);
        let message = Message::parse(text.to_owned()).unwrap();
        self.transactions.handle(self.now, TransactionInput::Message(flow, message));
        self.drain();
    }

    pub fn udp(&mut self, text: &str) {
        self.arrive(Protocol::Udp, text);
    }

    /// The same while there is too much to do.
    pub fn overloaded(&mut self, text: &str, later: Option<u32>) {
        let message = Message::parse(text.to_owned()).unwrap();
        let input = TransactionInput::Overloaded(flow(Protocol::Udp), message, later);
        self.transactions.handle(self.now, input);
        self.drain();
    }

    pub fn fail(&mut self, key: Key, reason: CloseReason) {
        self.transactions.handle(self.now, TransactionInput::Failed(key, reason));
        self.drain();
    }

    /// Sends a request, and says under which key and what went out.
    pub fn request(&mut self, method: &str, protocol: Protocol) -> (ClientKey, Request) {
        let to = Target::Address(protocol, PEER.parse().unwrap());
        let key = self.transactions.request(self.now, to, outgoing(method)).unwrap();
        self.drain();
        let Some((_, Seen::Wire(_, _, message))) = self.seen.last().cloned() else { panic!("it was sent") };
        (key, Request::try_from(message).unwrap())
    }

    pub fn respond(&mut self, key: ServerKey, status: u16, tag: &str) -> bool {
        let Some(request) = self.asked.get(&key) else { return false };
        let response = request.reply(code(status), (!tag.is_empty()).then_some(tag)).build().unwrap();
        let sent = self.transactions.respond(self.now, key, response).is_ok();
        self.drain();
        sent
    }

    pub fn cancel(&mut self, key: ClientKey) -> bool {
        let cancelled = self.transactions.cancel(self.now, key, None).is_ok();
        self.drain();
        cancelled
    }

    /// A request arrives and is passed up.
    pub fn incoming(&mut self, protocol: Protocol, text: &str) -> ServerKey {
        self.arrive(protocol, text);
        let found = self.seen.iter().find_map(|(_, seen)| match seen {
            Seen::Request(key, _) => Some(*key),
            _ => None,
        });
        found.expect("a new request")
    }

    pub fn pass(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(at) = self.transactions.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.transactions.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Says what time it is.
    pub fn transactions_timeout(&mut self) {
        self.transactions.handle_timeout(self.now);
        let now = self.now;
        self.now = self.now.max(self.start);
        self.drain();
        self.now = now;
    }

    /// Waits for the end of all that is alive.
    pub fn finish(&mut self) {
        self.pass(3_600_000);
        assert!(self.transactions.is_empty(), "{:?}", self.transactions);
        assert_eq!(self.transactions.poll_timeout(), None);
    }
}

pub fn say(seen: &Seen) -> String {
    match seen {
        Seen::Wire(_, _, message) => match (message.method(), message.status()) {
            (Some(method), _) => method.to_string(),
            (None, Some(status)) => status.to_string(),
            (None, None) => unreachable!("one or the other"),
        },
        Seen::Request(_, request) => format!("request {}", request.method()),
        Seen::Cancelled(_) => "cancelled".to_owned(),
        Seen::Response(_, response) => format!("up {}", response.status()),
        Seen::Stray(message) => {
            format!(
                "stray {}",
                message.method().map_or_else(|| message.status().unwrap().to_string(), Method::to_string)
            )
        }
        Seen::Ended(_, end) => format!("ended {end:?}"),
    }
}

pub fn flow(protocol: Protocol) -> Flow {
    Flow { id: FlowId(1), protocol, local: "192.0.2.1:5060".parse().unwrap(), peer: PEER.parse().unwrap() }
}

pub fn code(status: u16) -> StatusCode {
    StatusCode::new(status).unwrap()
}

pub fn outgoing(method: &str) -> Request {
    Request::builder(Method::new(method).unwrap(), "sip:bob@192.0.2.9")
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .header(HeaderId::ROUTE, "<sip:192.0.2.9;lr>")
        .header(HeaderId::FROM, "<sip:alice@192.0.2.1>;tag=a")
        .header(HeaderId::TO, "<sip:bob@192.0.2.9>")
        .header(HeaderId::CALL_ID, "call")
        .header(HeaderId::CSEQ, format_args!("7 {method}"))
        .build()
        .unwrap()
}

/// The answer to what we sent.
pub fn reply(request: &Request, status: u16, tag: &str) -> String {
    let tag = (!tag.is_empty()).then_some(tag);
    String::from_utf8(request.reply(code(status), tag).build().unwrap().render().to_vec()).unwrap()
}

/// A request of the peer's.
pub fn theirs(method: &str, branch: &str) -> String {
    theirs_with(method, &format!("SIP/2.0/UDP 192.0.2.9;branch={branch}"), "")
}

pub fn theirs_with(method: &str, via: &str, to_tag: &str) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:alice@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:bob@192.0.2.9>;tag=b\r\n\
         To: <sip:alice@192.0.2.1>{to_tag}\r\nCall-ID: theirs\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}
