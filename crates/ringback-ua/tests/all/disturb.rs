//! Do not disturb, and calls that have to be answered by a machine (RFC 5373).

use crate::world::{PEER, SDP, World, audio, field, sdp};
use ringback_message::{HeaderId, Method, Request};
use ringback_sansio::Protocol;
use ringback_ua::{Account, DoNotDisturb, Outbound, Target, TurnedAway, UaEvent};

fn quiet(world: &mut World, quiet: Option<DoNotDisturb>) {
    let account = world.agents[0].account;
    world.act(0, |ua, _| ua.do_not_disturb(account, quiet));
}

fn invite(world: &mut World, from: &str) -> Request {
    let mut invite = world.peer_invite(0).body(SDP, sdp(9000)).build().unwrap();
    invite.set(HeaderId::FROM, format_args!("{from};tag=p")).unwrap();
    invite
}

fn turned_away(world: &mut World) -> TurnedAway {
    match world.event(0) {
        UaEvent::TurnedAway(call) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_may_not_be_disturbed_is_not_but_by_those_who_may() {
    for (how, status) in [(DoNotDisturb::busy(), 486), (DoNotDisturb::unavailable(), 480)] {
        let mut world = World::new(1);
        quiet(&mut world, Some(how.allow("sip:boss@example.com".parse().unwrap())));
        let stranger = invite(&mut world, "<sip:peer@example.com>");
        world.peer_sends(0, stranger.clone());
        assert_eq!(world.expect_final().status().as_u16(), status);
        assert_eq!(turned_away(&mut world).from, "<sip:peer@example.com>");
        world.no_event(0);
        world.run(1_000);
        let boss = invite(&mut world, "Boss <sip:boss@example.com>");
        world.peer_sends(0, boss);
        let call = world.incoming(0);
        world.act(0, |ua, now| ua.reject(now, call, ringback_message::StatusCode::DECLINE));
        quiet(&mut world, None);
        let again = invite(&mut world, "<sip:peer@example.com>");
        world.peer_sends(0, again);
        let call = world.incoming(0);
        world.act(0, |ua, now| ua.reject(now, call, ringback_message::StatusCode::DECLINE));
        world.finish();
    }
}

#[test]
fn whom_our_server_vouches_for_counts_before_what_from_says() {
    let mut world = World::new(1);
    quiet(&mut world, Some(DoNotDisturb::busy().allow("sip:boss@example.com".parse().unwrap())));
    let mut liar = invite(&mut world, "<sip:boss@example.com>");
    liar.push(HeaderId::P_ASSERTED_IDENTITY, "<sip:mallory@example.com>").unwrap();
    world.peer_sends(0, liar);
    assert_eq!(world.expect_final().status().as_u16(), 486);
    let call = turned_away(&mut world);
    assert_eq!(call.asserted.as_deref(), Some("<sip:mallory@example.com>"));
    let mut hidden = invite(&mut world, "<sip:anonymous@anonymous.invalid>");
    hidden.push(HeaderId::P_ASSERTED_IDENTITY, "<sip:boss@example.com>").unwrap();
    world.peer_sends(0, hidden);
    let call = world.incoming(0);
    world.act(0, |ua, now| ua.hangup(now, call));
    world.finish();
}

#[test]
fn options_tell_what_a_call_would_be_told_and_calls_that_are_up_go_on() {
    let mut world = World::new(1);
    let (call, invite) = world.peer_up();
    quiet(&mut world, Some(DoNotDisturb::busy()));
    let options = world.peer_request(0, Method::OPTIONS).build().unwrap();
    world.peer_sends(0, options);
    assert_eq!(world.expect_final().status().as_u16(), 486);
    let hold = world.peer_within(&invite, "b", Method::INVITE, 1);
    let hold = hold.header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>")).body(SDP, sdp(9000));
    let hold = hold.build().unwrap();
    world.peer_sends(0, hold.clone());
    let ok = world.expect_final();
    assert_eq!(ok.status().as_u16(), 200);
    let ack = world.peer_within(&invite, "b", Method::ACK, 1).build().unwrap();
    world.peer_sends(0, ack);
    world.end_with_peer(call);
}

#[test]
fn an_account_that_is_gone_cannot_be_quiet_and_another_is_not() {
    let mut world = World::new(1);
    let server = Outbound::Target(Target::Address(Protocol::Udp, PEER.parse().unwrap()));
    let second = Account::new("sip:second@example.com".parse().unwrap()).outbound(server);
    let second = world.agents[0].ua.add_account(second);
    world.act(0, |ua, _| ua.do_not_disturb(second, Some(DoNotDisturb::busy())));
    let first = invite(&mut world, "<sip:peer@example.com>");
    world.peer_sends(0, first);
    let call = world.incoming(0);
    world.act(0, |ua, now| ua.hangup(now, call));
    world.agents[0].ua.remove_account(second);
    assert!(world.agents[0].ua.do_not_disturb(second, None).is_err());
    world.finish();
}

#[test]
fn what_a_machine_has_to_answer_is_refused_where_none_does() {
    for (answers_by_itself, mode, status) in [
        (false, "Auto;require", Some(403)),
        (false, "Auto", None),
        (false, "Manual;require", None),
        (true, "Auto;require", None),
    ] {
        for id in [HeaderId::ANSWER_MODE, HeaderId::PRIV_ANSWER_MODE] {
            let mut world = World::with(1, |_, config| config.answers_by_itself = answers_by_itself);
            let invite = world.peer_invite(0).header(id, mode).header(HeaderId::REQUIRE, "answermode");
            let invite = invite.body(SDP, sdp(9000)).build().unwrap();
            world.peer_sends(0, invite.clone());
            if let Some(status) = status {
                assert_eq!(world.expect_final().status().as_u16(), status, "{mode}");
                world.no_event(0);
            } else {
                let call = world.incoming(0);
                world.act(0, |ua, now| match answers_by_itself {
                    true => ua.answer_by_itself(now, call, audio(0)),
                    false => ua.answer(now, call, audio(0)),
                });
                world.run(10);
                let ok = world.expect_final();
                let told = if answers_by_itself { "Auto" } else { "Manual" };
                assert_eq!(field(&ok, id), [told]);
                let ack = world.peer_within(&ok, "p", Method::ACK, 1);
                let ack = ack.build().unwrap();
                world.peer_sends(0, ack);
                world.act(0, |ua, now| ua.hangup(now, call));
            }
            world.run(200_000);
            world.finish();
        }
    }
}
