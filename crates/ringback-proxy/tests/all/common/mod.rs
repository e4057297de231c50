//! A proxy on its transaction layer, virtual time, and whoever sends to it: raw messages in, raw messages out.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use ringback_message::{HeaderId, Message, Request, StatusCode, UriBuf};
use ringback_proxy::{
    Branch, Decision, Device, Hop, Ownership, Proxy, ProxyConfig, ProxyOutput, RoutePolicy, Token,
};
use ringback_sansio::{CloseReason, Flow, FlowId, Machine, Protocol, SeededEntropy, Target};
use ringback_transaction::{Key, ServerKey, TransactionConfig, TransactionInput, Transactions};
use ringback_transport::locate::{LocateError, NextHop};
use ringback_transport::via::{Inbound, receive};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What left the element.
#[derive(Clone, Debug)]
pub struct Sent {
    pub key: Option<Key>,
    pub to: Target,
    pub message: Message,
}

impl Sent {
    pub fn text(&self) -> String {
        String::from_utf8(self.message.render().to_vec()).unwrap()
    }

    /// All values of a field.
    pub fn values(&self, id: HeaderId) -> Vec<String> {
        self.message.values(id).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
    }

    pub fn value(&self, id: HeaderId) -> String {
        self.values(id).first().cloned().unwrap_or_else(|| panic!("no {id} in {}", self.text()))
    }

    pub fn request(&self) -> Request {
        Request::try_from(self.message.clone()).unwrap()
    }

    /// `udp 192.0.2.4:5060 INVITE sip:bob@192.0.2.4` or `udp 192.0.2.3:5060 100`.
    pub fn head(&self) -> String {
        let what = match (self.message.method(), self.message.status()) {
            (Some(method), _) => {
                format!("{method} {}", String::from_utf8_lossy(self.request().uri_bytes()))
            }
            (None, Some(status)) => status.to_string(),
            (None, None) => unreachable!("one or the other"),
        };
        format!("{} {} {what}", self.to.protocol(), self.to.peer())
    }

    /// The answer of whom this request was sent to.
    pub fn reply(&self, status: u16, tag: &str) -> String {
        self.reply_with(status, tag, "")
    }

    /// The same with header lines.
    pub fn reply_with(&self, status: u16, tag: &str, lines: &str) -> String {
        let status = StatusCode::new(status).unwrap();
        let mut reply = self.request().reply(status, (!tag.is_empty()).then_some(tag));
        for line in lines.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            reply = reply.other(name, value);
        }
        String::from_utf8(reply.build().unwrap().render().to_vec()).unwrap()
    }
}

/// Sends users of the domain to where a table says, all else to where it leads.
#[derive(Default)]
pub struct Table {
    pub users: BTreeMap<String, Vec<Branch>>,
    pub fixed: Option<Decision>,
    pub asked: usize,
    /// A host to which no redirection is followed.
    pub shunned: &'static str,
}

impl RoutePolicy for Table {
    fn redirected(&mut self, _: Instant, _: &Request, _: &Flow, contact: &UriBuf) -> SmallVec<[Branch; 2]> {
        let sip = contact.as_sip().unwrap();
        match (sip.host().to_string(), self.users.get(sip.user().unwrap_or_default())) {
            (host, Some(branches)) if host == "example.com" => branches.iter().cloned().collect(),
            (host, _) if host == self.shunned => SmallVec::new(),
            _ => SmallVec::from_iter([Branch::to(contact.clone())]),
        }
    }

    fn route(&mut self, _: Instant, request: &mut Request, hop: Hop<'_>) -> Decision {
        self.asked += 1;
        if let Some(fixed) = &self.fixed {
            return fixed.clone();
        }
        if !hop.own_uri {
            return Decision::Relay;
        }
        let user = request
            .uri()
            .unwrap()
            .as_sip()
            .and_then(ringback_message::SipUri::user)
            .unwrap_or_default()
            .to_owned();
        match self.users.get(&user) {
            Some(branches) => Decision::Forward(branches.iter().cloned().collect()),
            None if user.is_empty() => Decision::Local,
            None => Decision::reject(StatusCode::NOT_FOUND),
        }
    }
}

pub fn branch(uri: &str) -> Branch {
    Branch::to(UriBuf::new(uri).unwrap())
}

pub fn branch_q(uri: &str, q: u16) -> Branch {
    Branch { q, ..branch(uri) }
}

/// A device of Bob's that may be asleep.
pub fn device(prid: &str) -> Arc<Device> {
    let (aor, provider) = ("sip:bob@example.com".into(), "apns".into());
    Arc::new(Device { aor, provider, param: None, prid: prid.into() })
}

/// One who is reached there when the device has woken up.
pub fn sleeper(uri: &str, prid: &str) -> Branch {
    Branch { wake: Some(device(prid)), ..branch(uri) }
}

pub struct Element {
    pub now: Instant,
    pub transactions: Transactions<SeededEntropy>,
    pub proxy: Proxy,
    pub policy: Table,
    pub sent: Vec<Sent>,
    pub questions: Vec<(Token, NextHop)>,
    pub unavailable: Vec<(Target, Option<std::time::Duration>)>,
    pub undecided: Vec<(Token, String)>,
    pub local: Vec<(ServerKey, Request)>,
    /// Devices that are to be woken, while somebody waits for them.
    pub asleep: Vec<(Token, Arc<Device>)>,
}

impl Element {
    pub fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    /// An element of `example.com` at 192.0.2.1 (UDP and TCP) and 2001:db8::1 (UDP).
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    pub fn with(
        change: impl FnOnce(&mut ProxyConfig),
        change_transactions: impl FnOnce(&mut TransactionConfig),
    ) -> Self {
        let here: [SocketAddr; 2] =
            ["192.0.2.1:5060".parse().unwrap(), "[2001:db8::1]:5060".parse().unwrap()];
        let mut transactions = TransactionConfig { trying_at_once: true, ..TransactionConfig::default() };
        transactions.locals.set(Protocol::Udp, here[0]);
        transactions.locals.set(Protocol::Tcp, here[0]);
        transactions.locals.set(Protocol::Udp, here[1]);
        change_transactions(&mut transactions);
        let mut config = ProxyConfig::new(Ownership::new(here, ["example.com"]));
        change(&mut config);
        Self {
            now: Instant::now(),
            transactions: Transactions::new(transactions, SeededEntropy::new(1)),
            proxy: Proxy::new(config, &mut SeededEntropy::new(2)),
            policy: Table::default(),
            sent: Vec::new(),
            questions: Vec::new(),
            unavailable: Vec::new(),
            undecided: Vec::new(),
            local: Vec::new(),
            asleep: Vec::new(),
        }
    }

    pub fn user(&mut self, name: &str, branches: &[Branch]) {
        self.policy.users.insert(name.to_owned(), branches.to_vec());
    }

    /// A datagram arrives.
    pub fn udp(&mut self, from: &str, text: &str) {
        self.arrive(Protocol::Udp, from, text);
    }

    pub fn arrive(&mut self, protocol: Protocol, from: &str, text: &str) {
        let peer: SocketAddr = from.parse().unwrap();
        let local = if peer.is_ipv4() { "192.0.2.1:5060" } else { "[2001:db8::1]:5060" };
        let flow = Flow { id: FlowId(1), protocol, local: local.parse().unwrap(), peer };
        match receive(&flow, text.to_owned().into()) {
            Inbound::Message(message) => {
                self.transactions.handle(self.now, TransactionInput::Message(flow, message));
            }
            Inbound::KeepAlive | Inbound::Malformed(..) => {}
        }
        self.drain();
    }

    /// What was sent under this key could not be sent.
    pub fn fail(&mut self, key: Option<Key>) {
        let input = TransactionInput::Failed(key.unwrap(), CloseReason::Refused);
        self.transactions.handle(self.now, input);
        self.drain();
    }

    pub fn resolve(&mut self, token: Token, targets: &[Target]) {
        self.resolve_to(token, if targets.is_empty() { Err(LocateError::NotFound) } else { Ok(targets) });
    }

    pub fn resolve_to(&mut self, token: Token, found: Result<&[Target], LocateError>) {
        self.proxy.resolved(self.now, &mut self.transactions, token, found);
        self.drain();
    }

    pub fn decide(&mut self, token: Token, decision: Decision) {
        self.proxy.decided(self.now, &mut self.transactions, token, decision);
        self.drain();
    }

    pub fn drain(&mut self) {
        loop {
            if let Some(output) = self.transactions.poll() {
                self.proxy.handle(self.now, &mut self.transactions, &mut self.policy, output);
            } else if let Some(output) = self.proxy.poll() {
                match output {
                    ProxyOutput::Transmit { key, to, bytes } => {
                        let message = Message::parse(bytes).unwrap();
                        self.sent.push(Sent { key, to, message });
                    }
                    ProxyOutput::Local(key, _, request) => self.local.push((key, *request)),
                    ProxyOutput::Resolve(token, hop) => self.questions.push((token, hop)),
                    ProxyOutput::Decide(token, what) => self.undecided.push((token, what)),
                    ProxyOutput::Unavailable(to, after) => self.unavailable.push((to, after)),
                    ProxyOutput::Wake(token, device) => self.asleep.push((token, device)),
                    ProxyOutput::Forget(token) => self.asleep.retain(|(own, _)| *own != token),
                }
            } else {
                return;
            }
        }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        [self.transactions.poll_timeout(), self.proxy.poll_timeout()].into_iter().flatten().min()
    }

    /// Lets time pass, firing what is due on the way.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.transactions.handle_timeout(self.now);
            self.proxy.handle_timeout(self.now, &mut self.transactions);
            self.drain();
        }
        self.now = end;
    }

    /// Takes what was sent since the last time.
    pub fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// Takes what was sent and says it in short.
    #[track_caller]
    pub fn expect(&mut self, heads: &[&str]) -> Vec<Sent> {
        let sent = self.take();
        let got: Vec<String> = sent.iter().map(Sent::head).collect();
        assert_eq!(got, heads);
        sent
    }

    /// Takes what was sent, which must be one request of this method; copies of it and responses do not matter.
    #[track_caller]
    pub fn expect_only(&mut self, method: &str) -> Sent {
        let mut sent = self.take();
        sent.retain(|sent| sent.message.is_request());
        let first = sent.first().cloned().expect("a request was sent");
        assert!(first.head().contains(method), "{}", first.head());
        assert!(sent.iter().all(|other| other.text() == first.text()));
        first
    }

    /// Waits until nothing is pending any more, whatever is sent meanwhile.
    #[track_caller]
    pub fn expect_end_after_silence(&mut self) {
        self.expect_end();
        self.take();
    }

    /// Waits until nothing is pending any more, and sees that nothing is left.
    #[track_caller]
    pub fn expect_end(&mut self) {
        self.pass(Duration::from_secs(600));
        assert!(self.transactions.is_empty(), "{:?}", self.transactions);
        assert!(self.proxy.is_empty(), "{:?}", self.proxy);
        assert_eq!(self.next_deadline(), None);
    }
}

pub const ALICE: &str = "192.0.2.10:5060";
pub const BOB: &str = "192.0.2.20:5060";
pub const CAROL: &str = "192.0.2.30:5060";

/// A request of Alice's, with lines of its own behind the usual ones.
pub fn request(method: &str, uri: &str, branch: &str, lines: &str) -> String {
    let number = if lines.contains("CSeq:") { String::new() } else { format!("CSeq: 1 {method}\r\n") };
    let to = if lines.contains("To:") { "" } else { "To: <sip:bob@example.com>\r\n" };
    let hops = if lines.contains("Max-Forwards:") { "" } else { "Max-Forwards: 70\r\n" };
    let lines: String = lines.lines().map(|line| format!("{line}\r\n")).collect();
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{branch}\r\n{hops}\
         From: <sip:alice@example.com>;tag=a\r\n{to}Call-ID: call\r\n{number}{lines}Content-Length: 0\r\n\r\n"
    )
}

pub fn invite(branch: &str) -> String {
    request("INVITE", "sip:bob@example.com", branch, "Contact: <sip:alice@192.0.2.10>")
}

pub fn cancel(branch: &str, lines: &str) -> String {
    request("CANCEL", "sip:bob@example.com", branch, lines)
}

/// The ACK of Alice's to a failure.
pub fn ack(branch: &str, tag: &str) -> String {
    request("ACK", "sip:bob@example.com", branch, &format!("To: <sip:bob@example.com>;tag={tag}"))
}
