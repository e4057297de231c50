//! Subscriptions of ours (RFC 6665 §4.1, rule 39): a notifier that is led by hand.

use crate::world::{PEER, World};
use ringback_message::header::{CSeq, CallId, Expires, From, To};
use ringback_message::{HeaderId, Message, Method, Request, RequestBuilder, StatusCode};
use ringback_ua::{Interest, Notification, Standing, SubscriptionEnd, SubscriptionKey, Termination, UaEvent};

const MWI: &str = "message-summary";

fn subscribe(world: &mut World, interest: Interest) -> (SubscriptionKey, Request) {
    let account = world.agents[0].account;
    let target = format!("sip:peer@{PEER}").parse().unwrap();
    let key = world.act(0, |ua, now| ua.subscribe(now, account, &target, interest));
    world.run(10);
    (key, world.expect(Method::SUBSCRIBE))
}

fn mwi(seconds: u32) -> Interest {
    Interest { expires: seconds, ..Interest::new(MWI) }
}

fn notify(world: &mut World, of: &Request, tag: &str, number: u32, state: &str) -> RequestBuilder {
    let of: Message = of.clone().into();
    world
        .peer_within(&of, tag, Method::NOTIFY, number)
        .header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>"))
        .header(HeaderId::SUBSCRIPTION_STATE, state)
}

/// The status that a NOTIFY is answered with.
fn told(world: &mut World, notify: RequestBuilder) -> u16 {
    world.mail.clear();
    world.peer_sends(0, notify.build().unwrap());
    world.run(10);
    let mail = std::mem::take(&mut world.mail);
    let status = mail.iter().find_map(Message::status).expect("an answer").as_u16();
    world.mail = mail.into_iter().filter(Message::is_request).collect();
    status
}

fn tell(world: &mut World, of: &Request, tag: &str, number: u32, state: &str) {
    let notify = notify(world, of, tag, number, state).header(HeaderId::EVENT, MWI);
    let notify = notify.body("application/simple-message-summary", "Messages-Waiting: yes\r\n");
    assert_eq!(told(world, notify), 200);
}

fn grant(world: &mut World, subscribe: &Request, seconds: u32) {
    let ok = World::reply(subscribe, 200, "n").header(HeaderId::EXPIRES, seconds).build().unwrap();
    world.peer_sends(0, ok);
    world.run(10);
}

fn notified(world: &mut World) -> Notification {
    match world.event(0) {
        UaEvent::Notified { notification, .. } => notification,
        other => panic!("{other:?}"),
    }
}

fn lapsed(world: &mut World) -> (SubscriptionEnd, u64) {
    match world.event(0) {
        UaEvent::SubscriptionLapsed { why, retry_in, .. } => (why, retry_in.as_secs()),
        other => panic!("{other:?}"),
    }
}

fn ended(world: &mut World) -> SubscriptionEnd {
    match world.event(0) {
        UaEvent::SubscriptionEnded { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

fn call_id(request: &Request) -> String {
    request.require::<CallId>().unwrap().0.to_owned()
}

fn asks(request: &Request) -> u32 {
    request.require::<Expires>().unwrap().0
}

/// Lets time pass until the next SUBSCRIBE.
fn next(world: &mut World) -> Request {
    world.mail.clear();
    let steps = (0..10_000).take_while(|_| {
        world.run(100);
        !world.mail.iter().any(Message::is_request)
    });
    assert!(steps.count() < 10_000);
    world.expect(Method::SUBSCRIBE)
}

/// Takes it back, and has the peer say so.
fn leave(world: &mut World, key: SubscriptionKey, of: &Request, number: u32) {
    world.act(0, |ua, now| ua.unsubscribe(now, key));
    world.run(10);
    let last = world.expect(Method::SUBSCRIBE);
    assert_eq!(asks(&last), 0);
    grant(world, &last, 0);
    tell(world, of, "n", number, "terminated;reason=timeout");
    notified(world);
    assert_eq!(ended(world), SubscriptionEnd::Unsubscribed);
    world.no_event(0);
    world.finish();
}

#[test]
fn rule_39_a_notify_may_come_before_the_2xx_and_makes_the_dialog() {
    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, mwi(600));
    assert_eq!(first.values(HeaderId::EVENT).next().unwrap(), MWI.as_bytes());
    let early = notify(&mut world, &first, "n", 5, "active;expires=600")
        .header(HeaderId::EVENT, MWI)
        .header(HeaderId::RECORD_ROUTE, format_args!("<sip:{PEER};lr>"))
        .body("text/plain", "none");
    assert_eq!(told(&mut world, early), 200);
    let heard = notified(&mut world);
    assert_eq!((heard.notifier, heard.standing), (0, Standing::Active));
    assert_eq!(heard.content.unwrap().body, "none");
    grant(&mut world, &first, 600);

    // It is refreshed in the same dialog, by the way that the NOTIFY recorded.
    world.run(490_000);
    let second = world.expect(Method::SUBSCRIBE);
    assert_eq!(call_id(&second), call_id(&first));
    assert_eq!(second.require::<To>().unwrap().tag(), Some("n"));
    assert_eq!(second.require::<From>().unwrap().tag(), first.require::<From>().unwrap().tag());
    assert!(second.require::<CSeq>().unwrap().number > first.require::<CSeq>().unwrap().number);
    assert_eq!(second.uri_bytes(), format!("sip:peer@{PEER}").as_bytes());
    assert!(second.has(HeaderId::ROUTE));
    grant(&mut world, &second, 600);
    tell(&mut world, &first, "n", 6, "active;expires=600");
    notified(&mut world);
    leave(&mut world, key, &first, 7);
}

#[test]
fn rule_39_of_forks_only_the_first_is_heard_unless_the_package_has_several() {
    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, mwi(600));
    tell(&mut world, &first, "n", 1, "active;expires=600");
    let other = notify(&mut world, &first, "m", 1, "active").header(HeaderId::EVENT, MWI);
    assert_eq!(told(&mut world, other), 481);
    notified(&mut world);
    grant(&mut world, &first, 600);
    leave(&mut world, key, &first, 2);

    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, Interest { takes_forks: true, ..mwi(600) });
    for (tag, notifier) in [("n", 0), ("m", 1)] {
        tell(&mut world, &first, tag, 1, "active;expires=600");
        assert_eq!(notified(&mut world).notifier, notifier);
    }
    grant(&mut world, &first, 600);
    // One that leaves takes nobody along.
    tell(&mut world, &first, "m", 2, "terminated;reason=noresource");
    assert_eq!(notified(&mut world).standing, Standing::Terminated(Termination::NoResource));
    world.no_event(0);
    leave(&mut world, key, &first, 2);
}

#[test]
fn rule_39_timer_n_ends_what_nobody_notifies() {
    let mut world = World::new(1);
    let (_, first) = subscribe(&mut world, mwi(600));
    grant(&mut world, &first, 600);
    world.run(31_000);
    world.no_event(0);
    world.run(2_000);
    assert_eq!(ended(&mut world), SubscriptionEnd::Silent);
    // Who comes too late finds nothing.
    let late = notify(&mut world, &first, "n", 1, "active").header(HeaderId::EVENT, MWI);
    assert_eq!(told(&mut world, late), 481);
    world.finish();
}

#[test]
fn rule_39_timer_n_runs_after_each_refresh() {
    let mut world = World::new(1);
    let (_, first) = subscribe(&mut world, mwi(600));
    grant(&mut world, &first, 600);
    tell(&mut world, &first, "n", 1, "active;expires=600");
    notified(&mut world);
    let second = next(&mut world);
    grant(&mut world, &second, 600);
    world.run(31_900);
    world.no_event(0);
    world.run(200);
    let (why, retry_in) = lapsed(&mut world);
    assert_eq!(why, SubscriptionEnd::Silent);
    assert!((15..=30).contains(&retry_in), "{retry_in}");
    let third = next(&mut world);
    assert_ne!(call_id(&third), call_id(&first));
    world.peer_sends(0, World::reply(&third, 403, "n").build().unwrap());
    assert!(matches!(ended(&mut world), SubscriptionEnd::Refused(StatusCode::FORBIDDEN, _)));
    world.finish();
}

#[test]
fn rule_39_what_is_granted_is_only_ever_shorter() {
    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, mwi(600));
    grant(&mut world, &first, 100);
    tell(&mut world, &first, "n", 1, "active;expires=100000");
    notified(&mut world);
    tell(&mut world, &first, "n", 2, "active;expires=60");
    notified(&mut world);
    world.run(31_000);
    let second = world.expect(Method::SUBSCRIBE);
    // What is asked for stays the same.
    assert_eq!(asks(&second), 600);
    grant(&mut world, &second, 100_000);
    tell(&mut world, &first, "n", 3, "active");
    notified(&mut world);
    world.run(490_000);
    let third = world.expect(Method::SUBSCRIBE);
    grant(&mut world, &third, 600);
    tell(&mut world, &first, "n", 4, "active");
    notified(&mut world);
    leave(&mut world, key, &first, 5);
}

#[test]
fn rule_39_package_and_id_have_to_match() {
    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, mwi(600));
    grant(&mut world, &first, 600);
    let number = std::cell::Cell::new(0);
    let status = |world: &mut World, event: Option<&str>, state: Option<&str>| {
        number.set(number.get() + 1);
        let of: Message = first.clone().into();
        let mut notify = world
            .peer_within(&of, "n", Method::NOTIFY, number.get())
            .header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>"));
        if let Some(event) = event {
            notify = notify.header(HeaderId::EVENT, event);
        }
        if let Some(state) = state {
            notify = notify.header(HeaderId::SUBSCRIPTION_STATE, state);
        }
        told(world, notify)
    };
    assert_eq!(status(&mut world, Some("presence"), Some("active")), 489);
    assert_eq!(status(&mut world, Some("Message-Summary"), Some("active")), 489);
    assert_eq!(status(&mut world, Some("message-summary;id=7"), Some("active")), 481);
    assert_eq!(status(&mut world, None, Some("active")), 400);
    assert_eq!(status(&mut world, Some(MWI), None), 400);
    world.no_event(0);
    assert_eq!(status(&mut world, Some(MWI), Some("active;expires=600")), 200);
    notified(&mut world);
    // An old one.
    let old = notify(&mut world, &first, "n", 1, "active").header(HeaderId::EVENT, MWI);
    assert_eq!(told(&mut world, old), 500);
    leave(&mut world, key, &first, 20);
}

#[test]
fn rule_39_the_reason_says_whether_and_when_it_begins_anew() {
    for (state, wait) in [
        ("terminated;reason=deactivated;retry-after=500", Some(0..=0)),
        ("terminated;reason=timeout", Some(0..=0)),
        ("terminated;reason=probation;retry-after=90", Some(90..=90)),
        ("terminated;reason=giveup", Some(15..=30)),
        ("terminated", Some(15..=30)),
        ("terminated;reason=rejected;retry-after=9", None),
        ("terminated;reason=noresource", None),
        ("terminated;reason=invariant", None),
    ] {
        let mut world = World::new(1);
        let (key, first) = subscribe(&mut world, mwi(600));
        grant(&mut world, &first, 600);
        tell(&mut world, &first, "n", 1, "active;expires=600");
        tell(&mut world, &first, "n", 2, state);
        notified(&mut world);
        notified(&mut world);
        let Some(wait) = wait else {
            assert!(matches!(ended(&mut world), SubscriptionEnd::Terminated(_)), "{state}");
            world.finish();
            continue;
        };
        let (_, retry_in) = lapsed(&mut world);
        assert!(wait.contains(&retry_in), "{state}: {retry_in}");
        world.run(retry_in * 1_000 + 1_000);
        let second = world.expect(Method::SUBSCRIBE);
        assert_ne!(call_id(&second), call_id(&first), "{state}");
        assert_eq!(second.require::<To>().unwrap().tag(), None);
        grant(&mut world, &second, 600);
        tell(&mut world, &second, "n", 1, "active;expires=600");
        notified(&mut world);
        leave(&mut world, key, &second, 2);
    }
}

#[test]
fn rule_39_a_notifier_that_ends_it_again_and_again_is_not_hurried_after() {
    let mut world = World::new(1);
    let (key, mut latest) = subscribe(&mut world, mwi(600));
    let mut waits = Vec::new();
    for _ in 0..4 {
        grant(&mut world, &latest, 600);
        tell(&mut world, &latest, "n", 1, "terminated;reason=deactivated");
        notified(&mut world);
        let (_, wait) = lapsed(&mut world);
        waits.push(wait);
        world.run(wait * 1_000 + 1_000);
        latest = world.expect(Method::SUBSCRIBE);
    }
    assert!(waits[0] == 0 && waits[1] >= 30 && waits[3] >= 120, "{waits:?}");
    tell(&mut world, &latest, "n", 1, "active");
    notified(&mut world);
    grant(&mut world, &latest, 600);
    leave(&mut world, key, &latest, 2);
}

#[test]
fn rule_39_423_is_answered_with_a_longer_one_and_489_with_nothing() {
    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, mwi(60));
    let brief = World::reply(&first, 423, "n").header(HeaderId::MIN_EXPIRES, 900u32).build().unwrap();
    world.peer_sends(0, brief);
    let second = world.expect(Method::SUBSCRIBE);
    assert_eq!((asks(&second), call_id(&second)), (900, call_id(&first)));
    assert!(second.require::<CSeq>().unwrap().number > first.require::<CSeq>().unwrap().number);
    grant(&mut world, &second, 900);
    tell(&mut world, &second, "n", 1, "active;expires=900");
    notified(&mut world);
    leave(&mut world, key, &second, 2);

    let mut world = World::new(1);
    let (_, first) = subscribe(&mut world, mwi(60));
    world.peer_sends(0, World::reply(&first, 489, "n").build().unwrap());
    assert!(matches!(ended(&mut world), SubscriptionEnd::Refused(StatusCode::BAD_EVENT, _)));
    // One that asks for ever more is mad.
    let (_, _) = subscribe(&mut world, mwi(60));
    for least in [100u32, 200, 300, 400] {
        let latest = world.last("SUBSCRIBE");
        let latest = Request::try_from(latest).unwrap();
        let brief = World::reply(&latest, 423, "n").header(HeaderId::MIN_EXPIRES, least).build().unwrap();
        world.peer_sends(0, brief);
    }
    assert!(matches!(ended(&mut world), SubscriptionEnd::Refused(StatusCode::INTERVAL_TOO_BRIEF, _)));
    world.finish();
}

#[test]
fn rule_32_481_to_a_refresh_ends_that_subscription_and_no_call() {
    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, mwi(600));
    let (other, beside) = subscribe(&mut world, mwi(3_600));
    for of in [&first, &beside] {
        grant(&mut world, of, asks(of));
        tell(&mut world, of, "n", 1, "active");
        notified(&mut world);
    }
    world.run(490_000);
    let refresh = world.expect(Method::SUBSCRIBE);
    assert_eq!(call_id(&refresh), call_id(&first));
    world.peer_sends(0, World::reply(&refresh, 481, "n").build().unwrap());
    let (why, retry_in) = lapsed(&mut world);
    assert!(matches!(why, SubscriptionEnd::Refused(StatusCode::CALL_DOES_NOT_EXIST, _)));
    // The other one is still there.
    tell(&mut world, &beside, "n", 2, "active;expires=3600");
    notified(&mut world);
    world.run(retry_in * 1_000 + 1_000);
    let anew = world.expect(Method::SUBSCRIBE);
    grant(&mut world, &anew, 600);
    tell(&mut world, &anew, "n", 1, "active");
    notified(&mut world);
    world.act(0, |ua, now| ua.unsubscribe(now, other));
    world.run(10);
    let last = world.expect(Method::SUBSCRIBE);
    // Who knows nothing of it has nothing to tell of its end.
    world.peer_sends(0, World::reply(&last, 481, "n").build().unwrap());
    assert_eq!(ended(&mut world), SubscriptionEnd::Unsubscribed);
    leave(&mut world, key, &anew, 2);
}

#[test]
fn rule_32_a_refresh_that_fails_in_a_way_that_may_pass_is_tried_again_while_the_subscription_lasts() {
    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, mwi(600));
    grant(&mut world, &first, 600);
    tell(&mut world, &first, "n", 1, "active;expires=600");
    notified(&mut world);
    world.run(490_000);
    let refresh = world.expect(Method::SUBSCRIBE);
    world.peer_sends(0, World::reply(&refresh, 500, "n").build().unwrap());
    world.no_event(0);
    world.run(70_000);
    let again = world.expect_newest(Method::SUBSCRIBE);
    assert_eq!(again.require::<To>().unwrap().tag(), Some("n"));
    grant(&mut world, &again, 600);
    tell(&mut world, &first, "n", 2, "active;expires=600");
    notified(&mut world);
    leave(&mut world, key, &first, 3);
}

#[test]
fn who_asks_once_hears_once() {
    let mut world = World::new(1);
    let (_, first) = subscribe(&mut world, mwi(0));
    assert_eq!(asks(&first), 0);
    tell(&mut world, &first, "n", 1, "terminated;reason=timeout");
    grant(&mut world, &first, 0);
    assert!(notified(&mut world).content.is_some());
    assert_eq!(ended(&mut world), SubscriptionEnd::Terminated(Termination::Timeout));
    world.no_event(0);
    world.finish();
}

#[test]
fn what_is_taken_back_before_anybody_told_anything_is_taken_back_from_the_first_who_does() {
    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, mwi(600));
    world.act(0, |ua, now| ua.unsubscribe(now, key));
    world.run(10);
    tell(&mut world, &first, "n", 1, "active;expires=600");
    let last = world.expect(Method::SUBSCRIBE);
    assert_eq!((asks(&last), last.require::<To>().unwrap().tag()), (0, Some("n")));
    grant(&mut world, &first, 600);
    grant(&mut world, &last, 0);
    tell(&mut world, &first, "n", 2, "terminated;reason=timeout");
    notified(&mut world);
    notified(&mut world);
    assert_eq!(ended(&mut world), SubscriptionEnd::Unsubscribed);
    world.finish();
}

#[test]
fn what_is_not_answered_ends() {
    let mut world = World::new(1);
    world.fate = Box::new(|_| crate::world::Fate::IsLost);
    let account = world.agents[0].account;
    let target = format!("sip:peer@{PEER}").parse().unwrap();
    world.act(0, |ua, now| ua.subscribe(now, account, &target, mwi(600)));
    world.run(40_000);
    assert!(matches!(ended(&mut world), SubscriptionEnd::Silent | SubscriptionEnd::Refused(..)));
    world.finish();
}

#[test]
fn a_challenge_is_answered_and_the_number_grows() {
    let mut world = World::new(1);
    let (key, first) = subscribe(&mut world, mwi(600));
    let challenge = World::reply(&first, 407, "n")
        .header(HeaderId::PROXY_AUTHENTICATE, r#"Digest realm="example.com", nonce="abc""#)
        .build()
        .unwrap();
    world.peer_sends(0, challenge);
    let second = world.expect(Method::SUBSCRIBE);
    assert!(second.has(HeaderId::PROXY_AUTHORIZATION));
    assert!(second.require::<CSeq>().unwrap().number > first.require::<CSeq>().unwrap().number);
    grant(&mut world, &second, 600);
    tell(&mut world, &second, "n", 1, "active");
    notified(&mut world);
    leave(&mut world, key, &second, 2);
}
