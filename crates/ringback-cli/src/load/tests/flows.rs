//! What a caller does with the answers of a peer that is written down here, message by message.

use super::{ANSWERER, CALLER, Cause, Kind, MINUTE, Side, Tally, User, World};
use ringback_message::{HeaderId, Message, Request, Response, StatusCode};
use ringback_net::{CloseReason, Flow, Outbox, Protocol};
use ringback_sansio::FlowId;
use std::time::Duration;

/// The caller alone, and what it sends.
struct Alone(World);

impl Alone {
    /// With a call placed; and its INVITE.
    fn new(change: impl FnOnce(&mut super::Plan)) -> (Self, Request) {
        let mut alone = Self(World::planned(1, Duration::ZERO, MINUTE, change));
        let invite = alone.wait(Duration::ZERO).remove(0);
        (alone, invite)
    }

    /// What is sent when so much time has passed.
    fn wait(&mut self, long: Duration) -> Vec<Request> {
        self.0.now += long;
        let mut out = Outbox::new();
        self.0.caller.handle_timeout(self.0.now, &mut out);
        requests(&out)
    }

    /// What is sent when this arrives.
    fn hear(&mut self, response: &Response) -> Vec<Request> {
        let (local, peer) = (CALLER.parse().unwrap(), ANSWERER.parse().unwrap());
        let flow = Flow { id: FlowId(0), protocol: Protocol::Udp, local, peer };
        let mut out = Outbox::new();
        let message = Message::parse(response.render()).unwrap();
        self.0.caller.received(self.0.now, flow, message, &mut out);
        self.0.caller.batch_ended(self.0.now, &mut out);
        requests(&out)
    }

    fn over(&mut self) -> Tally {
        assert_eq!(self.0.caller.active(), 0);
        self.0.caller.take()
    }
}

fn requests<T>(out: &Outbox<T>) -> Vec<Request> {
    out.sends()
        .map(|(_, bytes)| {
            let request = Request::try_from(Message::parse(bytes.clone()).unwrap()).unwrap();
            request.validate().expect("what we send is whole");
            request
        })
        .collect()
}

fn answer(request: &Request, status: StatusCode) -> Response {
    let reply = request.reply(status, Some("there"));
    reply.header(HeaderId::CONTACT, "<sip:bob@192.0.2.9:5090>").build().unwrap()
}

fn value(request: &Request, id: HeaderId) -> String {
    String::from_utf8(request.values(id).next().unwrap_or_default().to_vec()).unwrap()
}

fn methods(sent: &[Request]) -> Vec<&str> {
    sent.iter().map(|request| request.method().as_str()).collect()
}

#[test]
fn a_failure_is_acknowledged_under_the_branch_of_its_invite_each_time_it_comes() {
    let (mut alone, invite) = Alone::new(|_| {});
    let busy = answer(&invite, StatusCode::BUSY_HERE);
    for _ in 0..3 {
        let sent = alone.hear(&busy);
        assert_eq!(methods(&sent), ["ACK"]);
        assert_eq!(sent[0].uri().unwrap().to_string(), invite.uri().unwrap().to_string());
        for id in [HeaderId::VIA, HeaderId::FROM, HeaderId::CALL_ID] {
            assert_eq!(value(&sent[0], id), value(&invite, id), "{id:?}");
        }
        assert!(value(&sent[0], HeaderId::TO).ends_with(";tag=there"));
        assert_eq!(value(&sent[0], HeaderId::CSEQ), "1 ACK");
    }
    let tally = alone.over();
    assert_eq!((tally.failed.get(&Cause::Refused(StatusCode::BUSY_HERE)), tally.failures()), (Some(&1), 1));
    assert_eq!(alone.wait(MINUTE).len(), 0, "nothing is sent again");
}

#[test]
fn a_2xx_that_comes_again_is_acknowledged_again_even_after_the_call() {
    let (mut alone, invite) = Alone::new(|plan| plan.hold = Duration::ZERO);
    let ok = answer(&invite, StatusCode::OK);
    let sent = alone.hear(&ok);
    assert_eq!(methods(&sent), ["ACK", "BYE"], "without a hold time it is hung up at once");
    assert_eq!(methods(&alone.hear(&ok)), ["ACK"]);
    assert!(alone.hear(&answer(&sent[1], StatusCode::OK)).is_empty());
    assert_eq!(methods(&alone.hear(&ok)), ["ACK"]);
    let tally = alone.over();
    assert_eq!((tally.done, tally.retransmissions), (1, 2));
}

#[test]
fn the_requests_of_a_call_take_the_way_that_its_answer_told() {
    for (router, first, uri) in [
        ("<sip:192.0.2.7;lr>", "192.0.2.7:5060", "sip:bob@192.0.2.9:5090"),
        ("<sip:192.0.2.7:5070>", "192.0.2.7:5070", "sip:192.0.2.7:5070"),
    ] {
        let (mut alone, invite) = Alone::new(|_| {});
        let ok = invite.reply(StatusCode::OK, Some("there")).header(HeaderId::RECORD_ROUTE, "<sip:far;lr>");
        let ok =
            ok.header(HeaderId::RECORD_ROUTE, router).header(HeaderId::CONTACT, "<sip:bob@192.0.2.9:5090>");
        let ack = alone.hear(&ok.build().unwrap()).remove(0);
        let mut out = Outbox::new();
        alone.0.now += Duration::from_secs(5);
        alone.0.caller.handle_timeout(alone.0.now, &mut out);
        assert!(out.sends().all(|(to, _)| to.peer().to_string() == first));
        let bye = requests(&out).remove(0);
        for request in [ack, bye] {
            assert_eq!(request.uri().unwrap().to_string(), uri);
            let routes: Vec<_> = request.values(HeaderId::ROUTE).collect();
            let expected: [&[u8]; 2] = match uri.starts_with("sip:bob") {
                true => [router.as_bytes(), b"<sip:far;lr>"],
                false => [b"<sip:far;lr>", b"<sip:bob@192.0.2.9:5090>"],
            };
            assert_eq!(routes, expected);
        }
    }
}

#[test]
fn challenges_are_answered_and_the_ack_repeats_the_credentials() {
    let login = Some(("alice".to_owned(), "wonderland".to_owned()));
    let (mut alone, invite) =
        Alone::new(|plan| plan.users = vec![User { address: "sip:alice@example.com".to_owned(), login }]);
    let challenge = |request: &Request| {
        let reply = request.reply(StatusCode::UNAUTHORIZED, Some("there"));
        reply.header(HeaderId::WWW_AUTHENTICATE, "Digest realm=\"x\", nonce=\"y\"").build().unwrap()
    };
    let sent = alone.hear(&challenge(&invite));
    assert_eq!(methods(&sent), ["ACK", "INVITE"]);
    let again = &sent[1];
    assert_eq!(
        (value(again, HeaderId::CSEQ), value(&sent[0], HeaderId::CSEQ)),
        ("2 INVITE".into(), "1 ACK".into())
    );
    assert_ne!(value(again, HeaderId::VIA), value(&invite, HeaderId::VIA));
    assert!(value(again, HeaderId::AUTHORIZATION).contains("username=\"alice\""));
    assert_eq!(methods(&alone.hear(&challenge(&invite))), ["ACK"], "the first one came again");
    let ack = alone.hear(&answer(again, StatusCode::OK)).remove(0);
    assert_eq!(value(&ack, HeaderId::AUTHORIZATION), value(again, HeaderId::AUTHORIZATION));
    let bye = alone.wait(Duration::from_secs(5)).remove(0);
    assert_eq!(value(&bye, HeaderId::CSEQ), "3 BYE");
    let again = alone.hear(&challenge(&bye)).remove(0);
    assert!(value(&again, HeaderId::AUTHORIZATION).contains("username=\"alice\""));
    alone.hear(&answer(&again, StatusCode::OK));
    assert_eq!(alone.over().done, 1);
}

#[test]
fn a_call_is_taken_back_only_once_something_came() {
    let (mut alone, invite) = Alone::new(|plan| plan.timeout = Duration::from_millis(100));
    assert!(alone.wait(Duration::from_millis(100)).is_empty());
    let cancel = alone.hear(&answer(&invite, StatusCode::TRYING)).remove(0);
    assert_eq!(
        (cancel.method().as_str(), value(&cancel, HeaderId::VIA)),
        ("CANCEL", value(&invite, HeaderId::VIA))
    );
    // It is lost, and comes again.
    assert_eq!(methods(&alone.wait(Duration::from_millis(500))), ["CANCEL"]);
    assert!(alone.hear(&answer(&cancel, StatusCode::OK)).is_empty());
    assert!(alone.wait(Duration::from_secs(1)).is_empty());
    assert_eq!(methods(&alone.hear(&answer(&invite, StatusCode::REQUEST_TERMINATED))), ["ACK"]);
    assert_eq!(alone.over().failed.get(&Cause::Unanswered), Some(&1));
}

#[test]
fn a_call_that_was_taken_back_and_has_no_end_is_over_after_64_t1() {
    let (mut alone, invite) = Alone::new(|plan| plan.timeout = Duration::from_millis(100));
    let ringing = answer(&invite, StatusCode::RINGING);
    assert!(alone.hear(&ringing).is_empty());
    let cancel = alone.wait(Duration::from_millis(100)).remove(0);
    alone.hear(&answer(&cancel, StatusCode::OK));
    assert!((0..33).all(|_| alone.wait(Duration::from_secs(1)).is_empty()));
    assert_eq!(alone.over().failed.get(&Cause::Unanswered), Some(&1));
}

#[test]
fn requests_that_are_no_calls_are_repeated_and_end_with_their_response() {
    for kind in [Kind::Options, Kind::Message, Kind::Register] {
        let (mut alone, request) = Alone::new(|plan| plan.kind = kind);
        assert_eq!(methods(&alone.wait(Duration::from_millis(500))), [kind.method().as_str()]);
        alone.hear(&answer(&request, StatusCode::TRYING));
        assert!(alone.wait(Duration::from_millis(900)).is_empty());
        assert!(alone.hear(&answer(&request, StatusCode::OK)).is_empty());
        let tally = alone.over();
        assert_eq!((tally.done, tally.retransmissions), (1, 1));
    }
}

#[test]
fn a_request_that_comes_back_ends_its_call() {
    let (mut alone, invite) = Alone::new(|_| {});
    let branch = super::super::writing::branch_of(&answer(&invite, StatusCode::OK)).expect("it is ours");
    let whose = super::super::hub::Whose::Call(branch.key.to_bits());
    alone.0.caller.failed(alone.0.now, whose, CloseReason::Reset, &mut Outbox::new());
    assert_eq!(alone.over().failed.get(&Cause::Unreachable), Some(&1));
}

#[test]
fn responses_that_are_not_ours_change_nothing() {
    let (mut alone, invite) = Alone::new(|_| {});
    let text = String::from_utf8(answer(&invite, StatusCode::OK).render().to_vec()).unwrap();
    let branch = value(&invite, HeaderId::VIA).rsplit_once("z9hG4bK").unwrap().1.to_owned();
    for other in ["", "0", "000000000000000000000000000000000001", &"0".repeat(32), &branch[1..], "\u{e9}"] {
        let text = text.replace(&branch, other);
        if let Ok(Ok(response)) = Message::parse(text).map(Response::try_from) {
            assert!(alone.hear(&response).iter().all(|it| it.method().as_str() == "ACK"));
        }
    }
    assert_eq!(alone.0.caller.active(), 1);
}

#[test]
fn a_call_survives_the_loss_of_any_message() {
    let lines = ["INVITE", "SIP/2.0 100", "SIP/2.0 180", "SIP/2.0 200", "ACK", "BYE"];
    for line in lines {
        for times in 1..=2 {
            let mut world = World::new(3, Duration::from_millis(300), MINUTE);
            world.losses = vec![(line, times)];
            world.run(MINUTE);
            let (ours, theirs) = world.over();
            assert_eq!((ours.done, ours.failures(), theirs.done), (3, 0, 3), "{line} {times}");
        }
    }
}
