//! Registering with a registrar that is led by hand: digest, refresh, limits, failures (rule 43).

use crate::world::{Fate, PEER, World, branch};
use ringback_auth::{Algorithm, Authenticator, Credentials, Ha1, Place, Verdict};
use ringback_message::header::{CSeq, Contact, Expires};
use ringback_message::{HeaderId, Method, Request, StatusCode};
use ringback_sansio::{CloseReason, Machine as _, SeededEntropy};
use ringback_ua::{Account, AccountKey, Outbound, Protocol, Target, UaEvent, UaInput};
use std::time::Duration;

fn register(world: &mut World) -> Request {
    let account = world.agents[0].account;
    world.act(0, |ua, now| ua.register(now, account));
    world.run(10);
    world.expect_newest(Method::REGISTER)
}

fn number(request: &Request) -> u32 {
    request.require::<CSeq>().unwrap().number
}

fn contact_expires(request: &Request) -> Option<u32> {
    request.require::<Contact<'_>>().unwrap().address().unwrap().expires()
}

fn accept(world: &mut World, request: &Request, seconds: u32) {
    let contact = request.values(HeaderId::CONTACT).next().unwrap().to_vec();
    let contact = String::from_utf8(contact).unwrap();
    let uri = contact.split('>').next().unwrap();
    // Somebody else is registered for longer; what counts is our own Contact.
    let ok = request
        .reply(StatusCode::OK, Some("r"))
        .header(HeaderId::CONTACT, "<sip:user0@192.0.2.77>;expires=9999")
        .header(HeaderId::CONTACT, format_args!("{uri}>;expires={seconds}"));
    world.peer_sends(0, ok.build().unwrap());
}

fn refuse(world: &mut World, request: &Request, status: u16) {
    let status = StatusCode::new(status).unwrap();
    world.peer_sends(0, request.reply(status, Some("r")).build().unwrap());
}

fn registered(world: &mut World) -> u64 {
    match world.event(0) {
        UaEvent::Registered { expires, .. } => expires.as_secs(),
        event => panic!("{event:?}"),
    }
}

fn failed(world: &mut World) -> (u16, Option<Duration>) {
    match world.event(0) {
        UaEvent::RegistrationFailed { status, retry_in, .. } => (status.as_u16(), retry_in),
        event => panic!("{event:?}"),
    }
}

fn unregister(world: &mut World) {
    let account = world.agents[0].account;
    world.act(0, |ua, now| ua.unregister(now, account));
    world.run(10);
    let request = world.expect_newest(Method::REGISTER);
    assert_eq!(contact_expires(&request), Some(0));
    refuse(world, &request, 200);
    assert!(matches!(world.event(0), UaEvent::Unregistered { .. }));
    world.finish();
}

#[test]
fn rule_43_a_registration_keeps_its_call_id_and_refreshes_itself() {
    let mut world = World::new(1);
    let first = register(&mut world);
    assert_eq!(first.uri_bytes(), b"sip:example.com");
    assert_eq!(contact_expires(&first), Some(3600));
    accept(&mut world, &first, 600);
    assert_eq!(registered(&mut world), 600);
    world.run(470_000);
    assert!(world.mail.is_empty());
    world.run(20_000);
    let second = world.expect_newest(Method::REGISTER);
    assert_eq!(number(&second), number(&first) + 1);
    assert!(second.values(HeaderId::CALL_ID).eq(first.values(HeaderId::CALL_ID)));
    accept(&mut world, &second, 600);
    assert_eq!(registered(&mut world), 600);
    unregister(&mut world);
}

#[test]
fn rule_43_too_brief_an_interval_is_raised_at_once() {
    let mut world = World::new(1);
    let first = register(&mut world);
    let status = StatusCode::INTERVAL_TOO_BRIEF;
    let refusal = first.reply(status, Some("r")).header(HeaderId::MIN_EXPIRES, 7200u32).build().unwrap();
    world.peer_sends(0, refusal);
    world.run(10);
    let second = world.expect_newest(Method::REGISTER);
    assert_eq!((contact_expires(&second), second.require::<Expires>().unwrap().0), (Some(7200), 7200));
    assert_eq!(number(&second), number(&first) + 1);
    accept(&mut world, &second, 7200);
    assert_eq!(registered(&mut world), 7200);
    unregister(&mut world);
}

#[test]
fn a_registrar_that_is_never_content_is_given_up() {
    let mut world = World::new(1);
    let mut request = register(&mut world);
    for least in [4000u32, 5000, 6000, 7000] {
        let refusal = request.reply(StatusCode::INTERVAL_TOO_BRIEF, Some("r"));
        world.peer_sends(0, refusal.header(HeaderId::MIN_EXPIRES, least).build().unwrap());
        world.run(10);
        if least < 7000 {
            request = world.expect_newest(Method::REGISTER);
        }
    }
    assert_eq!(failed(&mut world), (423, None));
    world.finish();
}

struct Passwords;

impl Credentials for Passwords {
    fn ha1(&self, user: &str, realm: &str, algorithm: Algorithm) -> Option<Ha1> {
        (user == "user0").then(|| Ha1::new(user, realm, "secret", algorithm))
    }
}

/// A registrar with digest: judges the next REGISTER, and challenges or accepts.
fn judge(world: &mut World, registrar: &mut Authenticator, unix: u64) -> (Request, Verdict) {
    let request = world.expect_newest(Method::REGISTER);
    let unix = Duration::from_secs(unix);
    let verdict = registrar.authenticate(unix, &request, Place::Server, &Passwords);
    match &verdict {
        Verdict::Accepted { .. } => accept(world, &request, 600),
        verdict => {
            let stale = *verdict == Verdict::Stale;
            let mut entropy = SeededEntropy::new(unix.as_secs());
            let refusal = registrar.demand(unix, &request, Place::Server, stale, &mut entropy);
            world.peer_sends(0, refusal.build().unwrap());
        }
    }
    world.run(10);
    (request, verdict)
}

#[test]
fn rule_24_a_challenge_is_answered_and_its_nonce_used_again() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        for qop in [ringback_auth::Qop::Auth, ringback_auth::Qop::AuthInt] {
            let mut world = World::new(1);
            let mut registrar = Authenticator::new("example.com", [7; 32]);
            registrar.algorithms(&[algorithm]).qop(&[qop]);
            let account = world.agents[0].account;
            world.act(0, |ua, now| ua.register(now, account));
            world.run(10);
            let (first, verdict) = judge(&mut world, &mut registrar, 1_000);
            assert_eq!(verdict, Verdict::Missing);
            let (second, verdict) = judge(&mut world, &mut registrar, 1_000);
            assert!(matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
            assert_eq!(number(&second), number(&first) + 1);
            assert_ne!(branch(&second), branch(&first));
            assert!(second.values(HeaderId::FROM).eq(first.values(HeaderId::FROM)));
            registered(&mut world);
            // The refresh needs no challenge.
            world.run(500_000);
            let (_, verdict) = judge(&mut world, &mut registrar, 1_100);
            assert!(matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
            registered(&mut world);
            // A nonce that has grown old is replaced without asking anybody.
            world.run(500_000);
            let (_, verdict) = judge(&mut world, &mut registrar, 2_000);
            assert_eq!(verdict, Verdict::Stale);
            let (_, verdict) = judge(&mut world, &mut registrar, 2_000);
            assert!(matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
            registered(&mut world);
            unregister(&mut world);
        }
    }
}

#[test]
fn rule_24_a_wrong_password_is_tried_once() {
    let mut world = World::new(1);
    let agent = &mut world.agents[0];
    agent.ua.remove_account(agent.account);
    let outbound = Outbound::Target(Target::Address(Protocol::Udp, PEER.parse().unwrap()));
    let account = Account::new("sip:user0@example.com".parse().unwrap()).credentials("user0", "wrong");
    agent.account = agent.ua.add_account(account.outbound(outbound));
    let mut registrar = Authenticator::new("example.com", [7; 32]);
    let account: AccountKey = world.agents[0].account;
    world.act(0, |ua, now| ua.register(now, account));
    world.run(10);
    for _ in 0..2 {
        judge(&mut world, &mut registrar, 1_000);
    }
    assert_eq!(failed(&mut world), (401, None));
    assert_eq!(world.sent("REGISTER"), 2);
    world.finish();
}

#[test]
fn rule_43_failures_that_may_pass_are_tried_again_at_growing_intervals() {
    let mut world = World::new(1);
    let mut request = register(&mut world);
    let mut waits = Vec::new();
    for _ in 0..4 {
        refuse(&mut world, &request, 500);
        let (status, wait) = failed(&mut world);
        assert_eq!(status, 500);
        let wait = wait.unwrap();
        waits.push(wait);
        world.run(wait.as_millis() as u64 + 50);
        request = world.expect_newest(Method::REGISTER);
    }
    for (index, wait) in waits.into_iter().enumerate() {
        let longest = Duration::from_secs(30 << index);
        assert!(wait >= longest / 2 && wait <= longest, "{index}: {wait:?}");
    }
    accept(&mut world, &request, 600);
    registered(&mut world);
    unregister(&mut world);
}

#[test]
fn rule_43_retry_after_is_heeded() {
    let mut world = World::new(1);
    let request = register(&mut world);
    let refusal =
        request.reply(StatusCode::SERVICE_UNAVAILABLE, Some("r")).header(HeaderId::RETRY_AFTER, 300u32);
    world.peer_sends(0, refusal.build().unwrap());
    assert_eq!(failed(&mut world), (503, Some(Duration::from_secs(300))));
    let account = world.agents[0].account;
    world.act(0, |ua, now| ua.unregister(now, account));
    world.run(10);
    let request = world.expect_newest(Method::REGISTER);
    assert_eq!(contact_expires(&request), Some(0));
    refuse(&mut world, &request, 200);
    world.finish();
}

#[test]
fn a_registrar_that_does_not_answer_is_tried_again() {
    let mut world = World::new(1);
    world.fate = Box::new(|_| Fate::IsLost);
    let account = world.agents[0].account;
    world.act(0, |ua, now| ua.register(now, account));
    world.run(33_000);
    let (status, wait) = failed(&mut world);
    assert_eq!(status, 408);
    assert!(wait.is_some());
    world.fate = Box::new(|_| Fate::Arrives);
    world.run(30_000);
    let request = world.expect_newest(Method::REGISTER);
    accept(&mut world, &request, 600);
    registered(&mut world);
    unregister(&mut world);
}

#[test]
fn unregistering_while_a_registration_is_in_flight_waits_for_it() {
    let mut world = World::new(1);
    let account = world.agents[0].account;
    let first = register(&mut world);
    world.act(0, |ua, now| ua.unregister(now, account));
    world.run(10);
    assert!(world.mail.is_empty());
    accept(&mut world, &first, 600);
    world.run(10);
    registered(&mut world);
    let second = world.expect_newest(Method::REGISTER);
    assert_eq!(contact_expires(&second), Some(0));
    refuse(&mut world, &second, 200);
    assert!(matches!(world.event(0), UaEvent::Unregistered { .. }));
    world.finish();
}

#[test]
fn an_account_that_was_never_registered_is_unregistered_at_once() {
    let mut world = World::new(1);
    let account = world.agents[0].account;
    world.act(0, |ua, now| ua.unregister(now, account));
    assert!(matches!(world.event(0), UaEvent::Unregistered { .. }));
    world.finish();
    assert!(world.log.is_empty());
}

#[test]
fn a_binding_behind_another_address_counts_and_one_for_no_time_does_not() {
    let mut world = World::new(1);
    let request = register(&mut world);
    let ok = request.reply(StatusCode::OK, Some("r"));
    let ok = ok.header(HeaderId::CONTACT, "<sip:user0@198.51.100.7:1234>;expires=0").build().unwrap();
    world.peer_sends(0, ok);
    let (status, wait) = failed(&mut world);
    assert_eq!(status, 200);
    world.run(wait.unwrap().as_millis() as u64 + 50);
    let request = world.expect_newest(Method::REGISTER);
    let ok = request.reply(StatusCode::OK, Some("r")).header(HeaderId::EXPIRES, 50u32);
    let ok = ok.header(HeaderId::CONTACT, "<sip:user0@198.51.100.7:1234>;expires=90").build().unwrap();
    world.peer_sends(0, ok);
    assert_eq!(registered(&mut world), 90);
    unregister(&mut world);
}

/// Accepts a REGISTER as a registrar does that wants keep-alives.
fn accept_and_keep(world: &mut World, request: &Request, more: &str) {
    let text = String::from_utf8(request.reply(StatusCode::OK, Some("r")).build().unwrap().render().to_vec());
    let text = text.unwrap().replacen(";keep\r\n", &format!(";keep=29\r\n{more}"), 1);
    world.peer_sends_bytes(0, text.replacen("\r\n\r\n", "\r\nExpires: 600\r\n\r\n", 1));
}

#[test]
fn rule_42_the_flow_of_a_registration_is_kept_where_the_registrar_wants_that() {
    let mut world = World::new(1);
    let first = register(&mut world);
    accept(&mut world, &first, 600);
    assert_eq!(registered(&mut world), 600);
    assert!(world.agents[0].kept.is_empty(), "one that does not know `keep` would not answer");
    world.run(490_000);
    let second = world.expect_newest(Method::REGISTER);
    accept_and_keep(&mut world, &second, "");
    assert_eq!(registered(&mut world), 600);
    let kept = std::mem::take(&mut world.agents[0].kept);
    let [(flow, Some(every))] = kept[..] else { panic!("{kept:?}") };
    assert_eq!((flow.peer.to_string().as_str(), every.as_secs()), (PEER, 29));
    world.run(490_000);
    let third = world.expect_newest(Method::REGISTER);
    accept_and_keep(&mut world, &third, "Flow-Timer: 50\r\n");
    assert_eq!(registered(&mut world), 600);
    assert_eq!(world.agents[0].kept.pop(), Some((flow, Some(Duration::from_secs(50)))));
    unregister(&mut world);
    assert_eq!(world.agents[0].kept.pop(), Some((flow, None)));
}

#[test]
fn rule_42_a_lost_flow_is_registered_anew() {
    let mut world = World::new(1);
    let first = register(&mut world);
    accept_and_keep(&mut world, &first, "");
    assert_eq!(registered(&mut world), 600);
    let (flow, _) = world.agents[0].kept[0];
    let lose = |world: &mut World, flow, reason| {
        world.act(0, |ua, now| {
            ua.handle(now, UaInput::Closed(flow, reason));
            Ok::<_, ()>(())
        });
        world.run(10);
    };
    // Our NAT gave us another address: the registrar is there, and is told at once.
    lose(&mut world, flow, CloseReason::Reset);
    let second = world.expect_newest(Method::REGISTER);
    accept_and_keep(&mut world, &second, "");
    assert_eq!(registered(&mut world), 600);
    // It does not answer any more: everybody else has noticed that as well.
    lose(&mut world, flow, CloseReason::TimedOut);
    let (status, retry_in) = failed(&mut world);
    let wait = retry_in.unwrap();
    assert!(status == 430 && wait >= Duration::from_secs(15) && wait <= Duration::from_secs(30), "{wait:?}");
    assert!(world.mail.is_empty());
    world.run(30_000);
    let third = world.expect_newest(Method::REGISTER);
    assert_eq!(number(&third), number(&first) + 2);
    accept_and_keep(&mut world, &third, "");
    assert_eq!(registered(&mut world), 600);
    // Another one's.
    let other = ringback_sansio::Flow { peer: "203.0.113.1:5060".parse().unwrap(), ..flow };
    lose(&mut world, other, CloseReason::TimedOut);
    assert!(world.mail.is_empty() && world.agents[0].events.is_empty());
    unregister(&mut world);
}

/// Accepts a REGISTER that came from elsewhere than it says.
fn accept_from(world: &mut World, request: &Request, seen: &str, seconds: u32) {
    let (ip, port) = seen.split_once(':').unwrap();
    let via = String::from_utf8(request.values(HeaderId::VIA).next().unwrap().to_vec()).unwrap();
    let via = via.replace(";rport", &format!(";rport={port};received={ip}"));
    let contact = String::from_utf8(request.values(HeaderId::CONTACT).next().unwrap().to_vec()).unwrap();
    let uri = contact.split('>').next().unwrap();
    let ok = request.reply(StatusCode::OK, Some("r"));
    let ok = ok.header(HeaderId::CONTACT, format_args!("{uri}>;expires={seconds}"));
    let mut ok = ok.build().unwrap();
    ok.replace_front(HeaderId::VIA, &via).unwrap();
    world.peer_sends(0, ok);
}

/// The contacts, without what names the user agent.
fn contacts(request: &Request) -> Vec<String> {
    let values = request.values(HeaderId::CONTACT).map(|value| String::from_utf8(value.to_vec()).unwrap());
    let bare = |value: String| match value.split_once(";+sip.instance=") {
        Some((before, after)) => format!("{before}{}", &after[after.find(";expires").unwrap()..]),
        None => value,
    };
    values.map(bare).collect()
}

#[test]
fn rfc_3581_the_address_that_the_registrar_sees_is_registered_and_told() {
    const SEEN: &str = "198.51.100.7:40000";
    let mut world = World::new(1);
    let first = register(&mut world);
    assert_eq!(contacts(&first), ["<sip:user0@192.0.2.1:5060>;expires=3600"]);
    accept_from(&mut world, &first, SEEN, 600);
    let second = world.expect_newest(Method::REGISTER);
    let [new, old] = &contacts(&second)[..] else { panic!("{second:?}") };
    assert_eq!(new, "<sip:user0@198.51.100.7:40000>;expires=3600");
    assert_eq!(old, "<sip:user0@192.0.2.1:5060>;expires=0", "the one that leads nowhere is taken back");
    assert_eq!(number(&second), number(&first) + 1);
    accept_from(&mut world, &second, SEEN, 600);
    assert_eq!(registered(&mut world), 600, "once");
    assert!(world.mail.is_empty() && world.agents[0].events.is_empty(), "and that is all");

    // The refresh says the same, and so do calls.
    world.run(490_000);
    let third = world.expect_newest(Method::REGISTER);
    assert_eq!(contacts(&third), ["<sip:user0@198.51.100.7:40000>;expires=3600"]);
    accept_from(&mut world, &third, SEEN, 600);
    registered(&mut world);
    let account = world.agents[0].account;
    let target = "sip:peer@example.com".parse().unwrap();
    world.act(0, |ua, now| ua.call(now, account, &target, crate::world::audio(0)));
    world.run(10);
    let invite = world.expect_newest(Method::INVITE);
    assert_eq!(contacts(&invite), ["<sip:user0@198.51.100.7:40000>"]);
    let busy = World::reply(&invite, 486, "b").build().unwrap();
    world.peer_sends(0, busy);
    world.event(0);
    world.mail.clear();
    unregister(&mut world);
}

#[test]
fn a_nat_that_gives_every_request_another_port_is_followed_a_few_times_only() {
    let mut world = World::new(1);
    let mut request = register(&mut world);
    let mut asked = 1;
    for port in 40_000..40_020 {
        accept_from(&mut world, &request, &format!("198.51.100.7:{port}"), 600);
        match world.mail.is_empty() {
            true => break,
            false => request = world.expect_newest(Method::REGISTER),
        }
        asked += 1;
    }
    assert_eq!(asked, 4);
    assert_eq!(registered(&mut world), 600);
    unregister(&mut world);
}

#[test]
fn a_registrar_that_wants_the_address_we_have_gets_it() {
    let mut world = World::new(1);
    let first = register(&mut world);
    accept_from(&mut world, &first, "198.51.100.7:40000", 600);
    let second = world.expect_newest(Method::REGISTER);
    refuse(&mut world, &second, 403);
    let third = world.expect_newest(Method::REGISTER);
    assert_eq!(contacts(&third), ["<sip:user0@192.0.2.1:5060>;expires=3600"]);
    accept_from(&mut world, &third, "198.51.100.7:40000", 600);
    assert_eq!(registered(&mut world), 600);
    assert!(world.mail.is_empty());
    unregister(&mut world);
}

#[test]
fn whoever_knows_his_address_learns_none() {
    let mut world = World::with(1, |_, config| config.learns_address = false);
    let first = register(&mut world);
    accept_from(&mut world, &first, "198.51.100.7:40000", 600);
    assert_eq!(registered(&mut world), 600);
    assert!(world.mail.is_empty());
    unregister(&mut world);
}
