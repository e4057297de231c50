//! What a REGISTER changes and what is answered (RFC 3261 §10.3), by the messages.

mod desk;

use desk::{Desk, expect, flow, values};
use proptest::prelude::*;
use ringback_message::{HeaderId, Message, Request, Response, StatusCode};
use ringback_registrar::{
    Aor, Change, CommitError, LocationStore, MemoryLocations, NotOurselves, PathPolicy, Refusal, Registrar,
    RegistrarConfig,
};
use ringback_sansio::{Protocol, SeededEntropy};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn rule_43_a_contact_lasts_as_long_as_it_says_or_the_request_says_or_we_say() {
    let lasts = |contact: &str, lines: &str| {
        let mut desk = Desk::new();
        let response = desk.register("a", 1, &format!("Contact: <sip:bob@192.0.2.4>{contact}\n{lines}"));
        values(&response, HeaderId::CONTACT)
            .pop()
            .map(|contact| contact.split_once("expires=").unwrap().1.to_owned())
    };
    let lasts = |contact: &str, lines: &str| lasts(contact, lines).unwrap_or_else(|| "refused".to_owned());
    assert_eq!(lasts("", ""), "3600");
    assert_eq!(lasts("", "Expires: 600"), "600");
    // Rule 43: what the contact says goes before what the request says.
    assert_eq!(lasts(";expires=120", "Expires: 600"), "120");
    assert_eq!(lasts(";expires=9999999", ""), "86400");
    assert_eq!(lasts("", "Expires: 99999999999999"), "86400");
    // RFC 3261 §20.10 and §20.19: what is malformed counts as not there.
    assert_eq!(lasts(";expires=soon", ""), "3600");
    assert_eq!(lasts("", "Expires: soon"), "3600");
    assert_eq!(lasts(";expires=59", ""), "refused");
}

#[test]
fn too_brief_is_423_with_what_would_do() {
    let mut desk = Desk::new();
    let response = desk.register("a", 1, "Contact: <sip:bob@192.0.2.4>;expires=59");
    expect(&response, 423, &[]);
    assert_eq!(values(&response, HeaderId::MIN_EXPIRES), ["60"]);
    assert_eq!(desk.refusal, Some(Refusal::TooBrief(60)));
    assert_eq!(desk.contacts(), Vec::<String>::new());
    // An hour is never too brief (§10.3 step 7).
    let mut desk = Desk::with(|config| config.min_expires = 7_200);
    let response = desk.register("a", 1, "Contact: <sip:bob@192.0.2.4>;expires=3600");
    expect(&response, 200, &["<sip:bob@192.0.2.4>;expires=3600"]);
}

#[test]
fn contacts_are_told_with_what_remains_and_end_without_a_word() {
    let mut desk = Desk::new();
    desk.register("a", 1, "Contact: <sip:bob@192.0.2.4>;expires=100");
    desk.pass(40);
    desk.register(
        "b",
        1,
        "Contact: \"Bob\" <sip:bob@192.0.2.5>;q=0.5;expires=300;+sip.instance=\"<urn:uuid:1>\"",
    );
    let response = desk.register("c", 1, "");
    expect(
        &response,
        200,
        &[
            "<sip:bob@192.0.2.4>;expires=60",
            "<sip:bob@192.0.2.5>;+sip.instance=\"<urn:uuid:1>\";q=0.5;expires=300",
        ],
    );
    desk.pass(60);
    let response = desk.register("c", 2, "");
    assert_eq!(values(&response, HeaderId::CONTACT).len(), 1);
    assert_eq!(desk.registrar.locations().len(), 2, "not taken out yet");
    let ended: Vec<Change> = desk.registrar.locations_mut().expire(desk.now).collect();
    assert!(
        matches!(&ended[..], [Change::Remove(aor, key)] if aor.user() == "bob" && key.to_string() == "sip:bob@192.0.2.4")
    );
    desk.pass(300);
    assert_eq!(desk.registrar.locations_mut().expire(desk.now).count(), 1);
    assert!(desk.registrar.locations().is_empty());
    assert_eq!(desk.registrar.locations().next_expiry(), None);
}

#[test]
fn a_refreshed_contact_ends_when_it_was_said_last_be_that_later_or_earlier() {
    let mut desk = Desk::new();
    let begin = desk.now;
    for (cseq, (seconds, passes)) in (1..).zip([(100, 90), (300, 50), (200, 100), (60, 0)]) {
        desk.register("a", cseq, &format!("Contact: <sip:bob@192.0.2.4>;expires={seconds}"));
        desk.pass(passes);
        assert_eq!(desk.registrar.locations_mut().expire(desk.now).count(), 0, "{seconds}");
        // Whoever waits until then finds something to do, or the next time to wait for.
        let next = desk.registrar.locations().next_expiry().unwrap();
        assert!(next > desk.now && next <= desk.now + Duration::from_secs(seconds), "{seconds}");
    }
    // Refreshed for the last time at 240, for a minute.
    assert_eq!(desk.registrar.locations().next_expiry(), Some(begin + Duration::from_secs(300)));
    desk.pass(60);
    assert_eq!(desk.registrar.locations_mut().expire(desk.now).count(), 1);
    assert_eq!(desk.registrar.locations().next_expiry(), None);
}

#[test]
fn preferences_order_contacts_and_of_equals_the_newest_comes_first() {
    let mut desk = Desk::new();
    desk.register(
        "a",
        1,
        "Contact: <sip:a@192.0.2.4>;q=0.2, <sip:b@192.0.2.4>;q=0.9, <sip:c@192.0.2.4>;q=0.2",
    );
    desk.register("b", 1, "Contact: <sip:d@192.0.2.4>");
    assert_eq!(desk.contacts(), ["sip:d@192.0.2.4", "sip:b@192.0.2.4", "sip:c@192.0.2.4", "sip:a@192.0.2.4"]);
}

#[test]
fn rule_43_contacts_are_the_same_when_their_uris_mean_the_same() {
    let mut desk = Desk::new();
    desk.register("a", 1, "Contact: <sip:bob@PHONE.example.com;transport=tcp>");
    let response = desk.register("a", 2, "Contact: <sip:b%6Fb@phone.example.com;Transport=TCP>;expires=500");
    expect(&response, 200, &["<sip:b%6Fb@phone.example.com;Transport=TCP>;expires=500"]);
    // The user part has letter case, a port that is written is not the default, and transport counts.
    for (cseq, other) in [
        (3, "sip:Bob@phone.example.com"),
        (4, "sip:bob@phone.example.com:5060"),
        (5, "sip:bob@phone.example.com"),
    ] {
        desk.register("a", cseq, &format!("Contact: <{other}>"));
    }
    assert_eq!(desk.contacts().len(), 4);
}

#[test]
fn zero_takes_a_contact_away_and_only_that() {
    let mut desk = Desk::new();
    desk.register("a", 1, "Contact: <sip:a@192.0.2.4>, <sip:b@192.0.2.4>, <sip:c@192.0.2.4>");
    let response = desk.register(
        "a",
        2,
        "Contact: <sip:b@192.0.2.4>;expires=0, <sip:d@192.0.2.4>, <sip:none@192.0.2.4>;expires=0",
    );
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(desk.contacts(), ["sip:d@192.0.2.4", "sip:c@192.0.2.4", "sip:a@192.0.2.4"]);
    desk.register("a", 3, "Contact: <sip:a@192.0.2.4>, <sip:c@192.0.2.4>\nExpires: 0");
    assert_eq!(desk.contacts(), ["sip:d@192.0.2.4"]);
}

#[test]
fn rule_72_a_star_takes_all_away_and_means_nothing_else() {
    let mut desk = Desk::new();
    desk.register("a", 1, "Contact: <sip:a@192.0.2.4>, <sip:b@192.0.2.4>");
    for lines in [
        "Contact: *",
        "Contact: *\nExpires: 3600",
        "Contact: *\nContact: <sip:c@192.0.2.4>\nExpires: 0",
        "Contact: <sip:c@192.0.2.4>, *\nExpires: 0",
        "Contact: *, *\nExpires: 0",
    ] {
        expect(&desk.register("a", 2, lines), 400, &[]);
        assert_eq!(desk.refusal, Some(Refusal::Wildcard));
    }
    assert_eq!(desk.contacts().len(), 2);
    expect(&desk.register("a", 2, "Contact: *\nExpires: 0"), 200, &[]);
    assert!(desk.registrar.locations().is_empty());
}

#[test]
fn rule_43_older_requests_of_the_same_registration_change_nothing_at_all() {
    let mut desk = Desk::new();
    desk.register("a", 5, "Contact: <sip:a@192.0.2.4>;expires=600");
    for (cseq, lines) in [
        (4, "Contact: <sip:a@192.0.2.4>;expires=100"),
        (5, "Contact: <sip:a@192.0.2.4>;expires=0"),
        // All or nothing: the new contact beside the old one is not taken either.
        (4, "Contact: <sip:new@192.0.2.4>, <sip:a@192.0.2.4>"),
        (3, "Contact: *\nExpires: 0"),
    ] {
        expect(&desk.register("a", cseq, lines), 500, &[]);
        assert_eq!(desk.refusal, Some(Refusal::OutOfOrder));
        assert_eq!(desk.changes, []);
    }
    let response = desk.register("a", 1, "");
    expect(&response, 200, &["<sip:a@192.0.2.4>;expires=600"]);
    // Another Call-ID, such as after a restart of the phone, knows no order.
    let response = desk.register("b", 1, "Contact: <sip:a@192.0.2.4>;expires=100");
    expect(&response, 200, &["<sip:a@192.0.2.4>;expires=100"]);
}

#[test]
fn one_bad_contact_spoils_the_request() {
    let mut desk = Desk::new();
    for (lines, status) in [
        ("Contact: <sip:a@192.0.2.4>, <sip:b@192.0.2.4>;expires=1", 423),
        ("Contact: <sip:a@192.0.2.4>, <sip:>", 400),
        ("Contact: <sip:a@192.0.2.4>\nContact: <sip:b@192.0.2.4", 400),
    ] {
        expect(&desk.register("a", 1, lines), status, &[]);
        assert!(desk.registrar.locations().is_empty());
    }
}

#[test]
fn fault_17_nobody_registers_for_somebody_else() {
    let mut desk = Desk::new();
    desk.user = Some("mallory");
    expect(&desk.register("a", 1, "Contact: <sip:mallory@192.0.2.66>"), 403, &[]);
    // Not even to look.
    expect(&desk.register("a", 2, ""), 403, &[]);
    desk.user = Some("bob@example.com");
    expect(&desk.register("a", 3, ""), 200, &[]);
    desk.user = None;
    expect(&desk.register("a", 4, ""), 200, &[]);
}

#[test]
fn only_users_of_our_domains_register() {
    let mut desk = Desk::new();
    desk.user = None;
    for (to, status) in [
        ("sip:bob@EXAMPLE.com", 200),
        ("sips:bob@example.com:5061", 200),
        ("sip:bob@example.org", 404),
        ("sip:example.com", 404),
        ("tel:+12025550142", 400),
    ] {
        let response = desk.register("a", 1, &format!("To: <{to}>"));
        assert_eq!(response.status().as_u16(), status, "{to}");
    }
    let mut desk = Desk::with(|config| config.domains = vec!["[2001:db8::1]".into(), "192.0.2.1".into()]);
    for to in ["sip:bob@192.0.2.1:5060", "sip:bob@[2001:DB8::1]"] {
        assert_eq!(desk.register("a", 1, &format!("To: <{to}>")).status(), StatusCode::OK, "{to}");
    }
}

#[test]
fn fault_17_contacts_are_limited_in_number_and_length() {
    let mut desk = Desk::with(|config| config.max_contacts = 2);
    desk.register("a", 1, "Contact: <sip:a@192.0.2.4>, <sip:b@192.0.2.4>");
    expect(&desk.register("a", 2, "Contact: <sip:c@192.0.2.4>"), 403, &[]);
    // In exchange for another there is room.
    let response = desk.register("a", 3, "Contact: <sip:c@192.0.2.4>, <sip:a@192.0.2.4>;expires=0");
    assert_eq!(response.status(), StatusCode::OK);
    let many: Vec<String> = (0..1_000).map(|at| format!("<sip:{at}@192.0.2.4>")).collect();
    expect(&desk.register("a", 4, &format!("Contact: {}", many.join(", "))), 403, &[]);
    let long = format!("Contact: <sip:{}@192.0.2.4>", "x".repeat(5_000));
    let mut desk = Desk::new();
    expect(&desk.register("a", 1, &long), 513, &[]);
    assert!(desk.registrar.locations().is_empty());
}

#[test]
fn a_full_store_refuses_new_contacts_and_lets_old_ones_be_refreshed() {
    let mut desk = Desk::new();
    desk.registrar =
        Registrar::new(desk.registrar.config().clone(), MemoryLocations::new(1), SeededEntropy::new(1));
    desk.register("a", 1, "Contact: <sip:a@192.0.2.4>");
    let response = desk.register("b", 1, "Contact: <sip:b@192.0.2.4>");
    expect(&response, 503, &[]);
    assert_eq!(values(&response, HeaderId::RETRY_AFTER), ["60"]);
    let response = desk.register("a", 2, "Contact: <sip:a@192.0.2.4>;expires=100");
    expect(&response, 200, &["<sip:a@192.0.2.4>;expires=100"]);
    let response =
        desk.register("a", 3, "Contact: <sip:a@192.0.2.4>;expires=0, <sip:b@192.0.2.4>;expires=70");
    expect(&response, 200, &["<sip:b@192.0.2.4>;expires=70"]);
}

/// A store that breaks.
struct Broken;

impl LocationStore for Broken {
    fn bindings(&self, _: Instant, _: &Aor) -> Vec<&ringback_registrar::Binding> {
        Vec::new()
    }

    fn commit(&mut self, _: Instant, _: &[Change]) -> Result<(), CommitError> {
        Err(CommitError::Failed)
    }
}

#[test]
fn a_store_that_fails_is_500_and_nothing_is_said_to_be_registered() {
    let mut registrar = Registrar::new(RegistrarConfig::default(), Broken, SeededEntropy::new(1));
    let text = "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n\
                To: <sip:a@x>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@192.0.2.4>\r\n\r\n";
    let request = Request::try_from(Message::parse(text).unwrap()).unwrap();
    let outcome = registrar.register(Desk::new().now, &request, &flow(), None);
    assert!(outcome.response.starts_with(b"SIP/2.0 500 "), "{:?}", outcome.response);
    assert_eq!((outcome.refusal, outcome.changes), (Some(Refusal::Store), Vec::new()));
}

#[test]
fn extensions_that_are_required_and_unknown_are_refused_by_name() {
    let mut desk = Desk::new();
    let response = desk.register("a", 1, "Contact: <sip:a@192.0.2.4>\nRequire: path, foo, gruu");
    expect(&response, 420, &[]);
    assert_eq!(values(&response, HeaderId::UNSUPPORTED), ["foo", "gruu"]);
}

#[test]
fn a_path_is_kept_and_told_to_those_who_know_what_it_is() {
    let path = "Path: <sip:p1.example.net;lr>, <sip:p2.example.net;lr>\nContact: <sip:a@10.0.0.1>";
    let mut desk = Desk::new();
    let response = desk.register("a", 1, &format!("{path}\nSupported: path"));
    expect(&response, 200, &["<sip:a@10.0.0.1>;expires=3600"]);
    assert_eq!(values(&response, HeaderId::PATH), ["<sip:p1.example.net;lr>", "<sip:p2.example.net;lr>"]);
    let bob = Aor::parse("sip:bob@example.com").unwrap();
    let kept = desk.registrar.locations().lookup(desk.now, &bob)[0].path.clone();
    assert_eq!(kept, ["<sip:p1.example.net;lr>", "<sip:p2.example.net;lr>"]);
    // RFC 3327 §5.3: who does not is not sent through strangers unseen.
    let response = desk.register("a", 2, path);
    expect(&response, 420, &[]);
    assert_eq!(values(&response, HeaderId::UNSUPPORTED), ["path"]);
    let mut desk = Desk::with(|config| config.path = PathPolicy::Lenient);
    let response = desk.register("a", 1, path);
    expect(&response, 200, &["<sip:a@10.0.0.1>;expires=3600"]);
    assert_eq!(values(&response, HeaderId::PATH), Vec::<String>::new());
}

#[test]
fn bindings_know_where_they_came_from() {
    let mut desk = Desk::new();
    desk.register("a", 7, "Contact: <sip:a@10.0.0.1>\nUser-Agent: Phone/1");
    let [Change::Put(aor, binding)] = &desk.changes[..] else { panic!("one change") };
    assert_eq!(aor.as_str(), "sip:bob@example.com");
    assert_eq!(
        (binding.flow, binding.received, binding.protocol),
        (Some(flow()), flow().peer, Protocol::Udp)
    );
    assert_eq!((binding.call_id.as_str(), binding.cseq), ("a", 7));
    assert_eq!(binding.user_agent.as_deref(), Some("Phone/1"));
}

#[test]
fn fault_18_contacts_that_lead_back_to_us_are_refused() {
    let mut desk = Desk::with(|config| {
        config.contacts = Arc::new(NotOurselves { addresses: vec!["192.0.2.1:5060".parse().unwrap()] });
    });
    expect(&desk.register("a", 1, "Contact: <sip:bob@192.0.2.1>"), 403, &[]);
    expect(&desk.register("a", 1, "Contact: <sip:bob@127.0.0.1:5070>"), 403, &[]);
}

#[test]
fn service_routes_are_told() {
    let mut desk = Desk::with(|config| config.service_route = vec!["<sip:192.0.2.1;lr>".into()]);
    let response = desk.register("a", 1, "Contact: <sip:a@192.0.2.4>");
    assert_eq!(values(&response, HeaderId::SERVICE_ROUTE), ["<sip:192.0.2.1;lr>"]);
}

#[test]
fn changes_played_back_make_the_same_store() {
    let mut desk = Desk::new();
    let mut copy = MemoryLocations::new(1_000);
    for (cseq, lines) in [
        "Contact: <sip:a@192.0.2.4>, <sip:b@192.0.2.4>;q=0.1",
        "Contact: <sip:A@192.0.2.4>, <sip:b@192.0.2.4;x=1>",
        "Contact: <sip:a@192.0.2.4>;expires=0, <sip:%62@192.0.2.4>",
        "Contact: <sip:c@192.0.2.4>",
    ]
    .into_iter()
    .enumerate()
    {
        desk.register("a", cseq as u32 + 1, lines);
        copy.commit(desk.now, &desk.changes).unwrap();
    }
    let bob = Aor::parse("sip:bob@example.com").unwrap();
    assert_eq!(copy.lookup(desk.now, &bob), desk.registrar.locations().lookup(desk.now, &bob));
}

/// The registrations of RFC 3665 §2: what is printed goes in, and the contacts that come back are those printed.
#[test]
fn rfc_3665_2_registrations() {
    let read = |name: &str| {
        let path = format!("{}/tests/rfc3665/{name}", env!("CARGO_MANIFEST_DIR"));
        String::from_utf8(std::fs::read(path).unwrap()).unwrap()
    };
    let mut desk = Desk::with(|config| {
        config.domains = vec!["biloxi.example.com".into()];
        config.max_expires = u32::MAX;
    });
    // Each flow is printed with a Call-ID and CSeq of its own making; as one history they need an order.
    for (cseq, (request, response)) in [
        ("2-1-register-new/f03-register-bob-sipserver.sip", "2-1-register-new/f04-200-sipserver-bob.sip"),
        (
            "2-2-register-update-contacts/f01-register-bob-sipserver.sip",
            "2-2-register-update-contacts/f02-200-sipserver-bob.sip",
        ),
        ("2-3-register-fetch/f01-register-bob-sipserver.sip", "2-3-register-fetch/f02-200-sipserver-bob.sip"),
        (
            "2-4-register-cancel/f01-register-bob-sipserver.sip",
            "2-4-register-cancel/f02-200-sipserver-bob.sip",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let text = read(request).replace("CSeq: 1 REGISTER", &format!("CSeq: {} REGISTER", cseq + 2));
        // The server of 2.2 lets a mail address be for ever; here it is asked for.
        let text = text
            .replace("mailto:bob@biloxi.example.com", "<mailto:bob@biloxi.example.com>;expires=4294967295");
        let got = desk.raw(&text);
        let printed = Response::try_from(Message::parse(read(response)).unwrap()).unwrap();
        assert_eq!(got.status(), printed.status());
        let sorted = |response: &Response| {
            let mut contacts = values(response, HeaderId::CONTACT);
            contacts.sort();
            contacts
        };
        assert_eq!(sorted(&got), sorted(&printed), "{request}");
    }
    assert!(desk.registrar.locations().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, a refusal changes nothing, the limits hold, and the answer tells what the store holds.
    #[test]
    fn refusals_change_nothing_and_answers_tell_the_truth(
        steps in prop::collection::vec((0..3u8, 0..6u32, prop::collection::vec((0..4u8, 0..200u32, 0..5u8), 0..4), 0..90u64), 1..30)
    ) {
        let mut desk = Desk::with(|config| config.max_contacts = 3);
        for (call, cseq, contacts, pause) in steps {
            let before = desk.contacts();
            let lines: Vec<String> = contacts.iter().map(|(name, expires, form)| match form {
                0 => "Contact: *\nExpires: 0".to_owned(),
                1 => format!("Contact: <sip:{name}@HOST>;expires={expires}"),
                2 => format!("Contact: <sip:{name}@host>;expires=0"),
                3 => format!("Contact: <sip:{name}@host;transport=tcp>;q=0.{expires}"),
                _ => format!("Contact: sip:{name}@host;expires={}", expires + 60),
            }).collect();
            let response = desk.register(&call.to_string(), cseq, &lines.join("\n"));
            let after = desk.contacts();
            if response.status() == StatusCode::OK {
                prop_assert_eq!(values(&response, HeaderId::CONTACT).len(), after.len());
                prop_assert!(after.len() <= 3);
            } else {
                prop_assert_eq!(before, after);
                prop_assert_eq!(&desk.changes[..], &[]);
            }
            desk.pass(pause);
        }
        desk.pass(100_000);
        while desk.registrar.locations_mut().expire(desk.now).next().is_some() {}
        prop_assert!(desk.registrar.locations().is_empty());
    }
}
