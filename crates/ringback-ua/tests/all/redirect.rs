//! Redirections (rule 25), with a peer that is led by hand, and what refusals advise.

use crate::world::{SDP, World, branch, sdp};
use ringback_message::header::{CSeq, From, To};
use ringback_message::{HeaderId, Message, Method, Request};
use ringback_ua::{Advice, EndedBy, UaEvent};

fn moved(world: &mut World, invite: &Request, contacts: &str) {
    let moved = invite.reply(ringback_message::StatusCode::MOVED_TEMPORARILY, Some("r"));
    world.peer_sends(0, moved.header(HeaderId::CONTACT, contacts).build().unwrap());
    world.run(10);
}

fn refuse(world: &mut World, invite: &Request, status: u16) {
    world.peer_sends(0, World::reply(invite, status, "r").build().unwrap());
    world.run(10);
}

fn uri(invite: &Request) -> String {
    String::from_utf8_lossy(invite.uri_bytes()).into_owned()
}

fn number(message: &Message) -> u32 {
    message.require::<CSeq>().unwrap().number
}

fn redirects(world: &mut World) -> usize {
    let count = world.agents[0].events.iter().filter(|it| matches!(it, UaEvent::Redirected { .. })).count();
    world.agents[0].events.retain(|event| matches!(event, UaEvent::Ended { .. } | UaEvent::Answered { .. }));
    count
}

#[test]
fn rule_25_contacts_are_tried_by_q_in_the_same_call() {
    let mut world = World::new(1);
    let call = world.call_peer(0);
    let first = world.expect(Method::INVITE);
    let contacts =
        "<sip:c@192.0.2.50>;q=0.1, <sip:a@192.0.2.51?Subject=x>;q=0.9, <tel:+1>, <sip:b@192.0.2.52>;q=0.5";
    moved(&mut world, &first, contacts);
    let mut last = first.clone();
    for expected in ["sip:a@192.0.2.51", "sip:b@192.0.2.52", "sip:c@192.0.2.50"] {
        let next = world.expect(Method::INVITE);
        assert_eq!(uri(&next), expected);
        assert_eq!(
            next.values(HeaderId::CALL_ID).next().unwrap(),
            first.values(HeaderId::CALL_ID).next().unwrap()
        );
        assert_eq!(next.require::<From<'_>>().unwrap().tag(), first.require::<From<'_>>().unwrap().tag());
        assert_eq!(next.require::<To<'_>>().unwrap().tag(), None);
        assert!(number(&next) > number(&last) && branch(&next) != branch(&last));
        assert_eq!(next.body(), first.body());
        if expected.contains("sip:c") {
            world.peer_sends(0, World::reply(&next, 200, "c").body(SDP, sdp(9000)).build().unwrap());
        } else {
            refuse(&mut world, &next, 486);
        }
        last = next;
    }
    world.run(10);
    assert_eq!(redirects(&mut world), 3);
    world.answered(0);
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    let bye = world.expect(Method::BYE);
    world.peer_sends(0, World::reply(&bye, 200, "c").build().unwrap());
    world.finish();
}

#[test]
fn rule_25_loops_end_and_so_do_endless_chains() {
    let mut world = World::new(1);
    world.call_peer(0);
    let first = world.expect(Method::INVITE);
    moved(&mut world, &first, "<sip:a@192.0.2.51>");
    let second = world.expect(Method::INVITE);
    // Back to the start, written in another way, and to itself.
    moved(&mut world, &second, &format!("<SIP:peer@{}>, <sip:%61@192.0.2.51>", crate::world::PEER));
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(302)));
    world.finish();

    let mut world = World::new(1);
    world.call_peer(0);
    for hop in 0..6 {
        let invite = world.expect(Method::INVITE);
        moved(&mut world, &invite, &format!("<sip:hop{hop}@192.0.2.51>"));
    }
    assert_eq!(redirects(&mut world), 5);
    let ending = world.ended(0);
    assert_eq!(ending.advice, Some(Advice::TryInstead(vec!["sip:hop5@192.0.2.51".into()])));
    world.finish();
}

#[test]
fn rule_25_what_is_refused_everywhere_is_not_tried_elsewhere_and_giving_up_is_final() {
    let mut world = World::new(1);
    world.call_peer(0);
    let first = world.expect(Method::INVITE);
    moved(&mut world, &first, "<sip:a@192.0.2.51>, <sip:b@192.0.2.52>");
    let second = world.expect(Method::INVITE);
    refuse(&mut world, &second, 603);
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(603)));
    world.finish();

    let mut world = World::new(1);
    let call = world.call_peer(0);
    let first = world.expect(Method::INVITE);
    world.peer_sends(0, World::reply(&first, 180, "b").build().unwrap());
    world.act(0, |ua, now| ua.hangup(now, call));
    world.run(10);
    moved(&mut world, &first, "<sip:a@192.0.2.51>");
    assert_eq!(world.ended(0).by, EndedBy::Us);
    assert_eq!(world.sent("INVITE"), 1);
    world.finish();
}

#[test]
fn rule_36_a_secure_call_is_not_redirected_to_an_open_one() {
    let mut world = World::new(1);
    let account = world.agents[0].account;
    let target = "sips:peer@example.com".parse().unwrap();
    world.act(0, |ua, now| ua.call(now, account, &target, crate::world::audio(0)));
    world.run(10);
    let first = world.expect(Method::INVITE);
    moved(&mut world, &first, "<sip:a@192.0.2.51>");
    assert_eq!(world.ended_by(0), (EndedBy::Peer, Some(302)));
    world.finish();
}

#[test]
fn rule_25_the_policy_may_be_not_to_follow() {
    let mut world = World::with(1, |_, config| config.max_redirects = 0);
    world.call_peer(0);
    let first = world.expect(Method::INVITE);
    moved(&mut world, &first, "<sip:a@192.0.2.51>");
    let ending = world.ended(0);
    assert_eq!(ending.advice, Some(Advice::TryInstead(vec!["sip:a@192.0.2.51".into()])));
    assert!(ending.to_string().contains("sip:a@192.0.2.51"));
    world.finish();
}

#[test]
fn rule_25_refusals_say_what_would_do() {
    let strings = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    for (status, id, value, advice) in [
        (405, HeaderId::ALLOW, "BYE, ACK", Some(Advice::Allows(strings(&["BYE", "ACK"])))),
        (413, HeaderId::RETRY_AFTER, "5", Some(Advice::RetryAfter(5))),
        (415, HeaderId::ACCEPT, "text/plain", Some(Advice::Accepts(strings(&["text/plain"])))),
        (416, HeaderId::WARNING, "", None),
        (420, HeaderId::UNSUPPORTED, "timer", Some(Advice::Unsupported(strings(&["timer"])))),
        (421, HeaderId::REQUIRE, "x, y", Some(Advice::Requires(strings(&["x", "y"])))),
        (422, HeaderId::MIN_SE, "90", Some(Advice::LongerSession(90))),
        (484, HeaderId::WARNING, "", None),
        (486, HeaderId::RETRY_AFTER, "60 (lunch)", Some(Advice::RetryAfter(60))),
        (488, HeaderId::WARNING, "304 h \"No audio\"", Some(Advice::Warning(304, "No audio".into()))),
        (606, HeaderId::WARNING, "370 h \"Too much\"", Some(Advice::Warning(370, "Too much".into()))),
    ] {
        let mut world = World::new(1);
        world.call_peer(0);
        let invite = world.expect(Method::INVITE);
        let refusal = World::reply(&invite, status, "r");
        let refusal = if value.is_empty() { refusal } else { refusal.header(id, value) };
        world.peer_sends(0, refusal.build().unwrap());
        assert_eq!(world.ended(0).advice, advice, "{status}");
        world.finish();
    }
}
