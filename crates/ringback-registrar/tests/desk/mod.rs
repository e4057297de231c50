//! A registrar that is asked by the messages.

#![allow(dead_code, unreachable_pub, reason = "every test program uses its part")]

use ringback_message::{HeaderId, Message, Request, Response};
use ringback_registrar::{Aor, Change, MemoryLocations, Refusal, Registrar, RegistrarConfig};
use ringback_sansio::{Flow, FlowId, Protocol, SeededEntropy};
use std::time::{Duration, Instant};

/// A registrar for `example.com`, and bob.
pub struct Desk {
    pub now: Instant,
    pub registrar: Registrar<MemoryLocations, SeededEntropy>,
    pub user: Option<&'static str>,
    pub refusal: Option<Refusal>,
    pub changes: Vec<Change>,
}

impl Desk {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    pub fn with(change: impl FnOnce(&mut RegistrarConfig)) -> Self {
        let mut config =
            RegistrarConfig { domains: vec!["example.com".into()], ..RegistrarConfig::default() };
        change(&mut config);
        let registrar = Registrar::new(config, MemoryLocations::new(1_000), SeededEntropy::new(1));
        Self { now: Instant::now(), registrar, user: Some("bob"), refusal: None, changes: Vec::new() }
    }

    /// A REGISTER of bob's: Call-ID, CSeq number, and lines of its own.
    pub fn register(&mut self, call_id: &str, cseq: u32, lines: &str) -> Response {
        let to = if lines.contains("To:") { "" } else { "To: <sip:bob@example.com>\r\n" };
        let lines: String = lines.lines().map(|line| format!("{line}\r\n")).collect();
        self.raw(&format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK{cseq}\r\n\
             From: <sip:bob@example.com>;tag=1\r\n{to}Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}\r\n"
        ))
    }

    pub fn raw(&mut self, text: &str) -> Response {
        let request = Request::try_from(Message::parse(text.to_owned()).unwrap()).unwrap();
        let outcome = self.registrar.register(self.now, &request, &flow(), self.user);
        self.refusal = outcome.refusal;
        self.changes = outcome.changes;
        let response = Response::try_from(Message::parse(outcome.response).unwrap()).unwrap();
        assert_eq!(response.status(), outcome.status);
        response
    }

    /// What bob's contacts are, by falling preference.
    pub fn contacts(&self) -> Vec<String> {
        let bob = Aor::parse("sip:bob@example.com").unwrap();
        let found = self.registrar.locations().lookup(self.now, &bob);
        found.iter().map(|binding| binding.contact.to_string()).collect()
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

pub fn flow() -> Flow {
    Flow {
        id: FlowId(1),
        protocol: Protocol::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        peer: "192.0.2.4:5060".parse().unwrap(),
    }
}

pub fn values(response: &Response, id: HeaderId) -> Vec<String> {
    response.values(id).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

#[track_caller]
pub fn expect(response: &Response, status: u16, contacts: &[&str]) {
    assert_eq!(response.status().as_u16(), status, "{response:?}");
    assert_eq!(values(response, HeaderId::CONTACT), contacts);
    if status == 200 {
        assert!(values(response, HeaderId::TO)[0].contains(";tag="), "{response:?}");
    }
}
