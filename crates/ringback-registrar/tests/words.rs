//! A registrar that knows requests by their words answers and keeps what one does that reads each of them.

mod desk;

use desk::Desk;
use proptest::prelude::*;
use ringback_message::{Message, Request};
use ringback_registrar::{
    Aor, Binding, Change, CommitError, LocationStore, MemoryLocations, Registrar, RegistrarConfig,
};
use ringback_sansio::{Flow, FlowId, Protocol, SeededEntropy};
use std::time::{Duration, Instant};

/// Notes no words.
struct Reading(MemoryLocations);

impl LocationStore for Reading {
    fn bindings(&self, now: Instant, aor: &Aor) -> Vec<&Binding> {
        self.0.bindings(now, aor)
    }

    fn commit(&mut self, now: Instant, changes: &[Change]) -> Result<(), CommitError> {
        self.0.commit(now, changes)
    }
}

/// One REGISTER of few different ones, so that they come again.
#[derive(Clone, Debug)]
struct Said {
    user: usize,
    contacts: usize,
    call: usize,
    cseq: u32,
    line: usize,
    port: u16,
    later: u64,
}

const CONTACTS: [&str; 9] = [
    "Contact: <sip:a@192.0.2.4>",
    "Contact: <sip:a@192.0.2.4>;expires=70",
    "Contact: <sip:A@192.0.2.4>;q=0.5",
    "Contact: <sip:a@192.0.2.4>;expires=0",
    "Contact: <sip:a@192.0.2.4;x=1>, <sip:b@192.0.2.5>;expires=0",
    "Contact: <sip:a@192.0.2.4>\r\nContact: <sip:b@192.0.2.5>",
    "Contact: <sip:a@192.0.2.4>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\nSupported: outbound",
    "Contact: *\r\nExpires: 0",
    "Subject: what is there?",
];
const LINES: [&str; 4] = ["", "User-Agent: x\r\n", "Supported: path\r\n", "X-Odd: 1\r\n"];

fn said() -> impl Strategy<Value = Said> {
    // Mostly the first of each, again and again.
    let low = |most: usize| prop_oneof![4 => Just(0), 1 => 0..most];
    (0..2usize, low(CONTACTS.len()), low(3), 1..6u32, low(LINES.len()), 1..3u16, 0..90u64).prop_map(
        |(user, contacts, call, cseq, line, port, later)| Said {
            user,
            contacts,
            call,
            cseq,
            line,
            port,
            later,
        },
    )
}

fn request(said: &Said, number: usize) -> Request {
    let Said { user, contacts, call, cseq, line, .. } = said;
    let (user, contacts, line) = (["bob", "carol"][*user], CONTACTS[*contacts], LINES[*line]);
    // The Call-ID grows and shrinks.
    let call = "c".repeat(3 * call + 1);
    let text = format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{number}\r\nFrom: <sip:{user}@example.com>;tag={number}\r\n\
         To: <sip:{user}@example.com>\r\nCall-ID: {call}\r\nCSeq: {cseq} REGISTER\r\n{line}{contacts}\r\nContent-Length: 0\r\n\r\n"
    );
    Request::try_from(Message::parse(text).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_known_by_its_words_does_what_reading_it_would_do(all in prop::collection::vec(said(), 1..40)) {
        let config = RegistrarConfig { max_contacts: 2, ..RegistrarConfig::default() };
        let mut knowing = Registrar::new(config.clone(), MemoryLocations::new(10), SeededEntropy::new(1));
        let mut reading = Registrar::new(config, Reading(MemoryLocations::new(10)), SeededEntropy::new(1));
        let mut now = Desk::new().now;
        for (number, said) in all.iter().enumerate() {
            now += Duration::from_secs(said.later);
            let local = "192.0.2.1:5060".parse().unwrap();
            let peer = ([192, 0, 2, 4], said.port).into();
            let flow = Flow { id: FlowId(0), protocol: Protocol::Udp, local, peer };
            let request = request(said, number);
            let one = knowing.register(now, &request, &flow, None);
            let other = reading.register(now, &request, &flow, None);
            prop_assert_eq!(&one.response, &other.response, "{:?}", said);
            prop_assert_eq!(&one.changes, &other.changes, "{:?}", said);
            prop_assert_eq!((one.is_refresh, one.refusal), (other.is_refresh, other.refusal));
            let expired = |store: &mut MemoryLocations| store.expire(now).collect::<Vec<_>>();
            prop_assert_eq!(expired(knowing.locations_mut()), expired(&mut reading.locations_mut().0));
            for user in ["bob", "carol"] {
                let aor = Aor::parse(&format!("sip:{user}@example.com")).unwrap();
                let kept = knowing.locations().lookup(now, &aor);
                prop_assert_eq!(kept, reading.locations().0.lookup(now, &aor));
            }
        }
    }
}

#[test]
fn another_configuration_has_everything_read_again() {
    let config = RegistrarConfig::default();
    let mut registrar = Registrar::new(config, MemoryLocations::new(10), SeededEntropy::new(1));
    let (now, flow) = (Desk::new().now, {
        let local = "192.0.2.1:5060".parse().unwrap();
        Flow { id: FlowId(0), protocol: Protocol::Udp, local, peer: "192.0.2.4:5060".parse().unwrap() }
    });
    let of = |cseq| Said { user: 0, contacts: 0, call: 0, cseq, line: 0, port: 1, later: 0 };
    for cseq in 1..4 {
        let outcome = registrar.register(now, &request(&of(cseq), 1), &flow, None);
        assert!(outcome.response.starts_with(b"SIP/2.0 200 "), "{:?}", outcome.response);
    }
    registrar.config_mut().max_expires = 100;
    let outcome = registrar.register(now, &request(&of(4), 1), &flow, None);
    let response = String::from_utf8_lossy(&outcome.response).into_owned();
    assert!(response.contains(";expires=100\r\n"), "{response}");
}
