//! Subscriptions between two endpoints on loopback.

use ringback::{Audio, Endpoint, Lamp, Standing, SubscriptionEnd, SubscriptionEvent, Termination};

async fn endpoint(lamps: bool) -> (Endpoint, String) {
    let builder = Endpoint::builder().listen("udp:127.0.0.1:0").notifies("weather", "text/plain");
    let builder = if lamps { builder.busy_lamps() } else { builder };
    let endpoint = builder.answers_anyone().start().await.unwrap();
    let address = endpoint.listeners()[0].address.to_string();
    (endpoint, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_39_what_is_told_arrives_and_what_is_dropped_is_taken_back() {
    let (bob, address) = endpoint(true).await;
    let _account = bob.account("sip:bob@example.com").open().await.unwrap();
    let (alice, _) = endpoint(false).await;
    let account = alice.account("sip:alice@example.com").open().await.unwrap();
    let target = format!("sip:bob@{address}");

    let mut weather = account.subscribe(&target, "weather").start().await.unwrap();
    let asked = bob.subscriber().await.unwrap();
    assert_eq!((asked.package(), asked.from()), ("weather", "<sip:alice@example.com>"));
    let mut watcher = asked.accept("text/plain", "rain").unwrap();
    let Some(SubscriptionEvent::Notified(told)) = weather.next().await else { panic!("nothing was told") };
    assert_eq!((told.standing, told.content.unwrap().body.as_ref()), (Standing::Active, &b"rain"[..]));
    watcher.notify("text/plain", "sun").unwrap();
    let Some(SubscriptionEvent::Notified(told)) = weather.next().await else { panic!("nothing was told") };
    assert_eq!(told.content.unwrap().body.as_ref(), b"sun");
    drop(weather);
    watcher.gone().await;

    // The lamp of who has no calls.
    let mut lamp = account.subscribe(&target, "dialog").start().await.unwrap();
    let Some(SubscriptionEvent::Notified(told)) = lamp.next().await else { panic!("nothing was told") };
    let text = String::from_utf8(told.content.unwrap().body.to_vec()).unwrap();
    assert!(text.contains("version=\"0\"") && !text.contains("<state>"), "{text}");
    let call = account.call(&target).start().await.unwrap();
    let Some(SubscriptionEvent::Notified(told)) = lamp.next().await else { panic!("nothing was told") };
    let text = String::from_utf8(told.content.unwrap().body.to_vec()).unwrap();
    assert!(text.contains("version=\"1\"") && text.contains("<state>early</state>"), "{text}");
    assert!(text.contains("<identity>sip:alice@example.com</identity>"), "{text}");
    drop(call);
    let Some(SubscriptionEvent::Notified(told)) = lamp.next().await else { panic!("nothing was told") };
    let text = String::from_utf8(told.content.unwrap().body.to_vec()).unwrap();
    assert!(!text.contains("<state>"), "{text}");
    assert_eq!(lamp.unsubscribe().await, Some(SubscriptionEnd::Unsubscribed));

    // What nobody takes.
    let mut none = account.subscribe(&target, "presence").start().await.unwrap();
    let Some(SubscriptionEvent::Ended(SubscriptionEnd::Refused(status, _))) = none.next().await else {
        panic!("it was not refused")
    };
    assert_eq!(status.as_u16(), 489);
    let refused = account.publish("presence", "text/plain", "here").of(&target).start().await;
    assert!(refused.is_err_and(|error| error.to_string().contains("405")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lamp_shows_what_somebody_does_at_the_telephone() {
    let (bob, address) = endpoint(true).await;
    let _account = bob.account("sip:bob@example.com").open().await.unwrap();
    let (alice, _) = endpoint(false).await;
    let account = alice.account("sip:alice@example.com").open().await.unwrap();
    let target = format!("sip:bob@{address}");
    let mut lamp = account.watch(&target).await.unwrap();
    assert_eq!(lamp.next().await, Some(Lamp::Idle));
    let call = account.call(&target).start().await.unwrap();
    assert_eq!(lamp.next().await, Some(Lamp::Ringing));
    let answered = bob.incoming().await.unwrap().answer(Audio::silence()).await.unwrap();
    assert_eq!(lamp.next().await, Some(Lamp::Busy));
    drop((call, answered));
    assert_eq!(lamp.next().await, Some(Lamp::Idle));
    bob.end_watchers(Termination::NoResource).await;
    assert_eq!(lamp.next().await, Some(Lamp::Unknown));
    assert_eq!(lamp.next().await, None);
}
