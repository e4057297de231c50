//! Subscriptions of peers to a state of ours (RFC 6665 §4.2, rule 39).

use crate::world::{Fate, PEER, Packet, World};
use ringback_message::header::{Expires, MinExpires, SubscriptionState, To};
use ringback_message::{HeaderId, Message, Method, Request, RequestBuilder, Response};
use ringback_sansio::{Entropy as _, SeededEntropy};
use ringback_ua::{Content, Interest, Package, Standing, SubscriptionEnd, Termination, UaEvent, WatcherKey};

const XML: &str = "application/dialog-info+xml";

fn world(count: usize) -> World {
    World::with(count, |_, config| {
        config.packages = vec![Package::new("dialog", XML)];
        config.max_watchers = 20;
    })
}

fn state(text: &str) -> Content {
    Content::new(XML, text.to_owned())
}

fn subscribe(world: &mut World, seconds: u32) -> RequestBuilder {
    world
        .peer_request(0, Method::SUBSCRIBE)
        .header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>"))
        .header(HeaderId::EVENT, "dialog")
        .header(HeaderId::EXPIRES, seconds)
}

fn requested(world: &mut World) -> WatcherKey {
    match world.event(0) {
        UaEvent::SubscriptionRequested(subscriber) => subscriber.watcher,
        other => panic!("{other:?}"),
    }
}

fn gone(world: &mut World) {
    assert!(matches!(world.event(0), UaEvent::WatcherGone { .. }));
    world.no_event(0);
}

/// A subscription that was accepted, the answer to it and the first NOTIFY.
fn watched(world: &mut World, seconds: u32) -> (WatcherKey, Response, Request) {
    let request = subscribe(world, seconds).build().unwrap();
    world.peer_sends(0, request);
    let watcher = requested(world);
    world.act(0, |ua, now| ua.accept_subscription(now, watcher, Some(state("idle"))));
    world.run(10);
    let ok = world.expect_final();
    let notify = world.expect(Method::NOTIFY);
    (watcher, ok, notify)
}

fn answer(world: &mut World, notify: &Request, status: u16) {
    world.peer_sends(0, World::reply(notify, status, "p").build().unwrap());
    world.run(10);
}

fn standing(notify: &Request) -> String {
    notify.require::<SubscriptionState>().unwrap().to_string()
}

fn within(world: &mut World, ok: &Response, number: u32, seconds: u32) -> RequestBuilder {
    let ok: Message = ok.clone().into();
    // The peer made this dialog, so that its side is From.
    let from = ok.require::<ringback_message::header::From>().unwrap().to_string();
    let to = ok.require::<To>().unwrap().to_string();
    let mut request = world.peer_within(&ok, "p", Method::SUBSCRIBE, number).build().unwrap();
    request.set(HeaderId::FROM, from).unwrap();
    request.set(HeaderId::TO, to).unwrap();
    let mut builder = Request::builder(Method::SUBSCRIBE, request.uri_bytes());
    let copied = [HeaderId::VIA, HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ];
    for id in copied {
        builder = builder.copy(&request, id);
    }
    builder
        .header(HeaderId::MAX_FORWARDS, 70u8)
        .header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>"))
        .header(HeaderId::EXPIRES, seconds)
}

fn status(world: &mut World, request: RequestBuilder) -> Response {
    world.mail.clear();
    world.peer_sends(0, request.build().unwrap());
    world.run(10);
    world.expect_final()
}

#[test]
fn rule_39_a_watcher_hears_the_state_at_once_after_each_change_and_after_each_refresh() {
    let mut world = world(1);
    let (watcher, ok, first) = watched(&mut world, 600);
    assert_eq!(ok.status().as_u16(), 200);
    assert_eq!(ok.require::<Expires>().unwrap().0, 600);
    assert!(ok.has(HeaderId::CONTACT));
    assert_eq!(standing(&first), "active;expires=600");
    assert_eq!(
        (first.body().as_ref(), first.values(HeaderId::EVENT).next().unwrap()),
        (&b"idle"[..], &b"dialog"[..])
    );
    answer(&mut world, &first, 200);

    // One at a time and at least a second apart; of what changes meanwhile the newest is told.
    for text in ["ringing", "busy"] {
        world.act(0, |ua, now| ua.notify(now, watcher, state(text)));
    }
    world.run(500);
    assert_eq!(world.sent("NOTIFY"), 1);
    world.run(600);
    let second = world.expect(Method::NOTIFY);
    assert_eq!(second.body().as_ref(), b"busy");
    world.act(0, |ua, now| ua.notify(now, watcher, state("idle again")));
    world.run(300);
    assert!(world.mail.iter().all(|message| !message.is_request()), "one at a time");
    answer(&mut world, &second, 200);
    world.run(1_100);
    let third = world.expect(Method::NOTIFY);
    assert_eq!(third.body().as_ref(), b"idle again");
    answer(&mut world, &third, 200);
    // What is the same is not told.
    world.mail.clear();
    world.act(0, |ua, now| ua.notify(now, watcher, state("idle again")));
    world.run(2_000);
    assert_eq!(world.mail.len(), 0);

    // Rule 39: longer than the package has is shortened.
    let refresh = within(&mut world, &ok, 100, 90_000).header(HeaderId::EVENT, "dialog");
    let again = status(&mut world, refresh);
    assert_eq!((again.status().as_u16(), again.require::<Expires>().unwrap().0), (200, 3_600));
    let fourth = Request::try_from(world.last("NOTIFY")).unwrap();
    assert_eq!(standing(&fourth), "active;expires=3600");
    answer(&mut world, &fourth, 200);

    let leave = within(&mut world, &ok, 101, 0).header(HeaderId::EVENT, "dialog");
    assert_eq!(status(&mut world, leave).status().as_u16(), 200);
    let last = Request::try_from(world.last("NOTIFY")).unwrap();
    assert_eq!(standing(&last), "terminated;reason=timeout");
    gone(&mut world);
    answer(&mut world, &last, 200);
    assert!(world.agents[0].ua.subscriptions() == (0, 0));
    world.finish();
}

#[test]
fn rule_39_what_cannot_be_subscribed_to_is_refused_as_the_rfc_says() {
    let mut world = world(1);
    let other = world
        .peer_request(0, Method::SUBSCRIBE)
        .header(HeaderId::CONTACT, format_args!("<sip:peer@{PEER}>"))
        .header(HeaderId::EVENT, "presence");
    let refused = status(&mut world, other);
    assert_eq!(refused.status().as_u16(), 489);
    assert_eq!(refused.values(HeaderId::ALLOW_EVENTS).next().unwrap(), b"dialog");
    let nothing = world.peer_request(0, Method::SUBSCRIBE).header(HeaderId::CONTACT, "<sip:peer@192.0.2.99>");
    assert_eq!(status(&mut world, nothing).status().as_u16(), 489);
    let brief = subscribe(&mut world, 5);
    let brief = status(&mut world, brief);
    assert_eq!((brief.status().as_u16(), brief.require::<MinExpires>().unwrap().0), (423, 60));
    let picky = subscribe(&mut world, 600).header(HeaderId::ACCEPT, "text/html");
    assert_eq!(status(&mut world, picky).status().as_u16(), 406);
    let nowhere = world.peer_request(0, Method::SUBSCRIBE).header(HeaderId::EVENT, "dialog");
    assert_eq!(status(&mut world, nowhere).status().as_u16(), 400);
    world.no_event(0);
    world.finish();
}

#[test]
fn rule_39_in_its_dialog_event_and_id_have_to_match() {
    let mut world = world(1);
    let request = subscribe(&mut world, 600).build().unwrap();
    let mut request = request;
    request.set(HeaderId::EVENT, "dialog;id=x").unwrap();
    world.peer_sends(0, request);
    let watcher = requested(&mut world);
    world.act(0, |ua, now| ua.accept_subscription(now, watcher, None));
    world.run(10);
    let ok = world.expect_final();
    let notify = world.expect(Method::NOTIFY);
    assert_eq!(notify.values(HeaderId::EVENT).next().unwrap(), b"dialog;id=x");
    answer(&mut world, &notify, 200);
    for (number, event, expected) in [
        (50, "presence", 489),
        (51, "dialog", 481),
        (52, "dialog;id=y", 481),
        (40, "dialog;id=x", 500),
        (53, "dialog;id=x", 200),
    ] {
        let refresh = within(&mut world, &ok, number, 600).header(HeaderId::EVENT, event);
        assert_eq!(status(&mut world, refresh).status().as_u16(), expected, "{event}");
    }
    let notify = Request::try_from(world.last("NOTIFY")).unwrap();
    answer(&mut world, &notify, 200);
    world.act(0, |ua, now| ua.end_subscription(now, watcher, Termination::Probation, Some(30)));
    world.run(10);
    let last = Request::try_from(world.last("NOTIFY")).unwrap();
    assert_eq!(standing(&last), "terminated;reason=probation;retry-after=30");
    answer(&mut world, &last, 200);
    gone(&mut world);
    world.finish();
}

#[test]
fn rule_32_who_answers_481_or_nothing_to_a_notify_is_dropped_without_a_word() {
    for status in [Some(481), None] {
        let mut world = world(1);
        let (watcher, _, first) = watched(&mut world, 600);
        match status {
            Some(status) => answer(&mut world, &first, status),
            None => world.run(33_000),
        }
        gone(&mut world);
        let now = world.now;
        assert!(world.agents[0].ua.notify(now, watcher, state("busy")).is_err());
        world.mail.clear();
        world.run(5_000);
        assert!(world.mail.is_empty());
        world.finish();
    }
}

#[test]
fn rule_32_other_failures_of_a_notify_end_nothing() {
    let mut world = world(1);
    let (watcher, _, first) = watched(&mut world, 600);
    let busy = World::reply(&first, 503, "p").header(HeaderId::RETRY_AFTER, 20u32).build().unwrap();
    world.peer_sends(0, busy);
    world.run(19_000);
    assert_eq!(world.sent("NOTIFY"), 1);
    world.run(1_300);
    let second = Request::try_from(world.last("NOTIFY")).unwrap();
    assert_eq!((world.sent("NOTIFY"), second.body().as_ref()), (2, &b"idle"[..]));
    answer(&mut world, &second, 200);
    world.act(0, |ua, now| ua.end_subscription(now, watcher, Termination::NoResource, None));
    world.run(10);
    let last = Request::try_from(world.last("NOTIFY")).unwrap();
    answer(&mut world, &last, 200);
    gone(&mut world);
    world.finish();
}

#[test]
fn rule_39_who_does_not_refresh_is_told_that_it_is_over() {
    let mut world = world(1);
    let (_, _, first) = watched(&mut world, 60);
    answer(&mut world, &first, 200);
    world.run(59_000);
    assert_eq!(world.sent("NOTIFY"), 1);
    world.run(2_000);
    let last = Request::try_from(world.last("NOTIFY")).unwrap();
    assert_eq!(standing(&last), "terminated;reason=timeout");
    answer(&mut world, &last, 200);
    gone(&mut world);
    world.finish();
}

#[test]
fn who_asks_once_is_told_once() {
    let mut world = world(1);
    let (_, ok, only) = watched(&mut world, 0);
    assert_eq!(ok.require::<Expires>().unwrap().0, 0);
    assert_eq!(
        (standing(&only), only.body().as_ref()),
        ("terminated;reason=timeout".to_owned(), &b"idle"[..])
    );
    answer(&mut world, &only, 200);
    gone(&mut world);
    world.finish();
}

#[test]
fn what_nobody_decides_is_refused() {
    let mut world = world(1);
    let request = subscribe(&mut world, 600).build().unwrap();
    world.peer_sends(0, request);
    requested(&mut world);
    world.run(9_000);
    assert_eq!(world.expect_final().status().as_u16(), 480);
    gone(&mut world);
    world.finish();
}

/// Fault 36: a bomb of subscriptions is refused from a number on, and each is told at its pace.
#[test]
fn more_subscriptions_than_allowed_are_refused_and_none_is_forgotten() {
    let mut world = world(1);
    let (mut taken, mut refused) = (Vec::new(), 0);
    for number in 0..100u32 {
        // Two peers in turn; either may have sixteen, and both together twenty.
        let mut request = subscribe(&mut world, 600).build().unwrap();
        let from = format!("<sip:peer{}@example.com>;tag=t{number}", number % 2);
        request.set(HeaderId::FROM, from).unwrap();
        world.peer_sends(0, request);
        if world.agents[0].events.is_empty() {
            let response = world.expect_final();
            assert_eq!(response.status().as_u16(), 503);
            assert!(response.has(HeaderId::RETRY_AFTER));
            refused += 1;
        } else {
            let watcher = requested(&mut world);
            world.act(0, |ua, now| ua.accept_subscription(now, watcher, Some(state("idle"))));
            world.run(10);
            let notify = world.expect(Method::NOTIFY);
            let tag = format!("t{number}");
            world.peer_sends(0, World::reply(&notify, 200, &tag).build().unwrap());
            taken.push(watcher);
        }
    }
    assert_eq!((taken.len(), refused), (20, 80));
    let before = world.sent("NOTIFY");
    for change in 0..50 {
        for watcher in &taken {
            world.act(0, |ua, now| ua.notify(now, *watcher, state(&change.to_string())));
        }
    }
    assert!(world.sent("NOTIFY") - before <= 20);
    // None of them answers any more.
    world.run(40_000);
    assert_eq!(world.agents[0].ua.subscriptions(), (0, 0));
    world.finish();
}

/// Two of our agents, with losses, delays and copies: what is told last arrives, and nothing is left.
#[test]
fn a_watcher_hears_the_last_state_however_bad_the_network_is() {
    for seed in 0..60 {
        let mut world = World::direct(2);
        for (index, agent) in world.agents.iter_mut().enumerate() {
            let mut config =
                ringback_ua::UaConfig { packages: vec![Package::new("dialog", XML)], ..Default::default() };
            config.transactions.locals.set(ringback_ua::Protocol::Udp, agent.address);
            agent.ua = ringback_ua::UserAgent::new(config, SeededEntropy::new(seed * 2 + index as u64 + 1));
            let account = ringback_ua::Account::new(format!("sip:user{index}@example.com").parse().unwrap());
            agent.account = agent.ua.add_account(account);
        }
        let mut dice = SeededEntropy::new(seed);
        world.fate = Box::new(move |_: &Packet| match dice.below(10) {
            0 | 1 => Fate::IsLost,
            2 => Fate::Doubles,
            3 => Fate::Takes(std::time::Duration::from_millis(dice.below(900))),
            _ => Fate::Arrives,
        });
        let account = world.agents[0].account;
        let interest = Interest { expires: 120, ..Interest::new("dialog") };
        let subscription = world.act(0, |ua, now| ua.subscribe(now, account, &World::uri(1), interest));
        let mut watchers: Vec<WatcherKey> = Vec::new();
        let (mut heard, mut last) = (Vec::new(), "state".to_owned());
        let mut is_over = false;
        for step in 0..120 {
            world.run(2_500);
            while let Some(event) = world.agents[1].events.pop_front() {
                match event {
                    UaEvent::SubscriptionRequested(subscriber) => {
                        let watcher = subscriber.watcher;
                        let content = Some(state(&last));
                        world.act(1, |ua, now| ua.accept_subscription(now, watcher, content));
                        watchers.push(watcher);
                    }
                    UaEvent::WatcherGone { watcher } => watchers.retain(|known| *known != watcher),
                    other => panic!("{other:?}"),
                }
            }
            while let Some(event) = world.agents[0].events.pop_front() {
                match event {
                    UaEvent::Notified { notification, .. } => {
                        if notification.standing == Standing::Active {
                            heard.push(
                                String::from_utf8(notification.content.unwrap().body.to_vec()).unwrap(),
                            );
                        }
                    }
                    UaEvent::SubscriptionLapsed { .. } => {}
                    // With so many losses the first attempt may fail.
                    UaEvent::SubscriptionEnded { why, .. } => {
                        assert!(
                            matches!(why, SubscriptionEnd::Silent | SubscriptionEnd::Refused(..)),
                            "{why}"
                        );
                        is_over = true;
                    }
                    other => panic!("{other:?}"),
                }
            }
            if step < 80 {
                last = format!("state {step}");
                for watcher in watchers.clone() {
                    let content = state(&last);
                    // One that just left is not told any more.
                    let _ = world.act(1, |ua, now| Ok::<_, ()>(ua.notify(now, watcher, content)));
                }
            }
        }
        assert!(is_over || heard.last() == Some(&last), "seed {seed}: {:?} is not {last}", heard.last());
        if !is_over {
            world.act(0, |ua, now| ua.unsubscribe(now, subscription));
        }
        world.run(400_000);
        let told = world.agents[0].events.iter();
        let ends = told.filter(|event| matches!(event, UaEvent::SubscriptionEnded { .. })).count();
        assert_eq!(ends, usize::from(!is_over), "seed {seed}");
        world.finish();
    }
}

#[test]
fn rule_32_the_last_word_is_said_once_to_who_answers_that_it_should_come_later() {
    // Alone, and behind a NOTIFY that was on its way.
    for is_behind in [false, true] {
        let mut world = world(1);
        let (watcher, _, first) = watched(&mut world, 600);
        let later = |notify: &Request| {
            World::reply(notify, 503, "p").header(HeaderId::RETRY_AFTER, 0u32).build().unwrap()
        };
        if !is_behind {
            answer(&mut world, &first, 200);
        }
        world.act(0, |ua, now| ua.end_subscription(now, watcher, Termination::NoResource, None));
        if is_behind {
            world.peer_sends(0, later(&first));
        }
        world.run(10);
        let last = Request::try_from(world.last("NOTIFY")).unwrap();
        assert_eq!(standing(&last), "terminated;reason=noresource");
        gone(&mut world);
        world.peer_sends(0, later(&last));
        world.run(60_000);
        assert_eq!(world.sent("NOTIFY"), 2);
        assert_eq!(world.agents[0].ua.subscriptions(), (0, 0));
        world.finish();
    }
}

#[test]
fn who_wants_to_be_told_again_at_once_and_never_takes_it_is_told_every_few_seconds() {
    let mut world = world(1);
    let (watcher, _, first) = watched(&mut world, 600);
    let mut notify = first;
    for _ in 0..20 {
        let later = World::reply(&notify, 503, "p").header(HeaderId::RETRY_AFTER, 0u32).build().unwrap();
        world.mail.clear();
        world.peer_sends(0, later);
        world.run(4_900);
        assert!(world.mail.is_empty(), "not before its time");
        world.run(200);
        notify = Request::try_from(world.last("NOTIFY")).unwrap();
    }
    assert_eq!(world.sent("NOTIFY"), 21);
    answer(&mut world, &notify, 200);
    world.act(0, |ua, now| ua.end_subscription(now, watcher, Termination::NoResource, None));
    world.run(10);
    let last = Request::try_from(world.last("NOTIFY")).unwrap();
    answer(&mut world, &last, 200);
    gone(&mut world);
    world.finish();
}
