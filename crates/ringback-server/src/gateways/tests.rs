//! Groups asked without a network.

use super::*;
use crate::ServerConfig;
use crate::due::Dues;
use ringback_message::{Method, Request, StatusCode};
use std::collections::BTreeMap;
use std::time::Duration;

const GROUPS: &str = r#"
[[gateways]]
name = "carrier"
probe = 0
failover = [404, 503]

[[gateways.members]]
uri = "sip:a.example.net;transport=tls"
weight = 3

[[gateways.members]]
uri = "sip:b.example.net"
calls = 1

[[gateways.members]]
uri = "sip:c.example.net"
priority = 1
calls_per_second = 2
"#;

fn gateways(now: Instant, seed: u64) -> Gateways {
    let config = ServerConfig::from_toml(GROUPS).unwrap();
    Gateways::new(&Dues::new(now), now, &config.gateways, seed).unwrap()
}

fn order(gateways: &Gateways, now: Instant) -> Vec<String> {
    let branches = gateways.branches(now, "carrier", "123", &request());
    assert!(branches.is_sorted_by(|a, b| a.q > b.q) && branches.iter().all(|branch| branch.is_spare));
    branches.iter().map(|branch| branch.uri.to_string()).collect()
}

fn request() -> Request {
    in_dialog(Method::INVITE, "call")
}

fn in_dialog(method: Method, call_id: &str) -> Request {
    let request = Request::builder(method, "sip:x").header(ringback_message::HeaderId::CALL_ID, call_id);
    request.header(ringback_message::HeaderId::FROM, "<sip:alice@example.com>;tag=a").build().unwrap()
}

/// The gates in the order of their hosts.
fn gates(gateways: &Gateways, now: Instant) -> BTreeMap<char, Arc<dyn Gate>> {
    let branches = gateways.branches(now, "carrier", "123", &request());
    branches
        .into_iter()
        .map(|branch| (branch.uri.as_str().chars().nth(8).unwrap(), branch.gate.unwrap()))
        .collect()
}

#[test]
fn members_are_drawn_by_weight_within_their_priority() {
    let now = Instant::now();
    let drawn = gateways(now, 7);
    let mut first = BTreeMap::new();
    for _ in 0..4_000 {
        let order = order(&drawn, now);
        assert_eq!(order.len(), 3);
        assert_eq!(order[2], "sip:123@c.example.net");
        *first.entry(order[0].clone()).or_insert(0) += 1;
    }
    let of_a = first["sip:123@a.example.net;transport=tls"];
    assert!((2_850..3_150).contains(&of_a), "{of_a} of 4000 where 3000 are right");
    let (one, same) = (gateways(now, 9), gateways(now, 9));
    assert!((0..100).all(|_| order(&one, now) == order(&same, now)), "the same seed draws the same");
    assert!(one.branches(now, "nobody", "123", &request()).is_empty());
}

#[test]
fn a_member_takes_so_many_calls_and_not_one_more() {
    let now = Instant::now();
    let gateways = gateways(now, 1);
    let gates_of = gates(&gateways, now);
    let b = &gates_of[&'b'];
    assert_eq!(b.enter(now, &mut request()), Ok(()));
    let second = gates(&gateways, now);
    assert_eq!(second[&'b'].enter(now, &mut request()), Err(StatusCode::SERVICE_UNAVAILABLE));
    // Answered: the call takes its room until the BYE.
    assert!(!b.left(now, Ok(StatusCode::OK)));
    assert!(second[&'b'].enter(now, &mut request()).is_err());
    gateways.in_dialog(b"another", &mut in_dialog(Method::BYE, "another"));
    gateways.in_dialog(b"call", &mut in_dialog(Method::INFO, "call"));
    assert!(second[&'b'].enter(now, &mut request()).is_err());
    gateways.in_dialog(b"call", &mut in_dialog(Method::BYE, "call"));
    assert!(second[&'b'].enter(now, &mut request()).is_ok());
    // What is forgotten takes no room.
    drop(second);
    let stats = gateways.stats(now);
    assert_eq!((stats[1].calls, stats[1].begun, stats[1].answered, stats[1].full), (0, 2, 1, 3));

    let c = |after: u64| gates_of[&'c'].enter(now + Duration::from_millis(after), &mut request()).is_ok();
    assert_eq!([c(0), c(1), c(2), c(501), c(502)], [true, true, false, true, false]);
}

#[test]
fn who_does_not_answer_is_left_alone_for_a_while() {
    let now = Instant::now();
    let gateways = gateways(now, 1);
    let gates = gates(&gateways, now);
    for (answer, goes_on, stays) in [
        (Ok(StatusCode::NOT_FOUND), true, true),
        (Ok(StatusCode::BUSY_HERE), false, true),
        (Ok(StatusCode::SERVER_INTERNAL_ERROR), false, true),
        (Err(StatusCode::REQUEST_TIMEOUT), true, false),
    ] {
        gates[&'a'].enter(now, &mut request()).unwrap();
        assert_eq!(gates[&'a'].left(now, answer), goes_on, "{answer:?}");
        assert_eq!(order(&gateways, now).len(), if stays { 3 } else { 2 }, "{answer:?}");
    }
    assert_eq!(order(&gateways, now + Duration::from_secs(29)).len(), 2);
    assert_eq!(order(&gateways, now + Duration::from_secs(30)).len(), 3);
    let a = gateways.members()[0].clone();
    assert!(a.probed(now, Some(StatusCode::METHOD_NOT_ALLOWED)), "whoever refuses is there");
    assert_eq!(order(&gateways, now).len(), 3);
    assert!(a.probed(now, None) && !a.probed(now, Some(StatusCode::SERVICE_UNAVAILABLE)));
    assert_eq!(order(&gateways, now + Duration::from_secs(3_600)).len(), 2, "until it answers");
}

#[test]
fn a_call_whose_end_nobody_hears_of_is_over_some_day() {
    let now = Instant::now();
    let gateways = gateways(now, 1);
    let gates = gates(&gateways, now);
    gates[&'b'].enter(now, &mut request()).unwrap();
    gates[&'b'].left(now, Ok(StatusCode::OK));
    gateways.calls.sweep(now + Duration::from_secs(3_600));
    assert_eq!(gateways.stats(now)[1].calls, 1);
    gateways.calls.sweep(now + Duration::from_secs(86_400));
    assert_eq!(gateways.stats(now)[1].calls, 0);
}

#[test]
fn a_group_that_cannot_be_used_is_refused_with_its_name() {
    for (text, said) in [
        ("[[gateways]]\nmembers = [{ uri = 'sip:a' }]", "needs a name of its own"),
        ("[[gateways]]\nname = 'x'", "gateways x: there is no member"),
        ("[[gateways]]\nname = 'x'\nmembers = [{ uri = 'a' }]", "gateways x: `a` is no SIP URI"),
        ("[[gateways]]\nname = 'x'\nmembers = [{ uri = 'sip:u@a' }]", "has a user"),
        ("[[gateways]]\nname = 'x'\nmembers = [{ uri = 'sip:a', weight = 0 }]", "weight of sip:a"),
        ("[[gateways]]\nname = 'x'\nprobe = 1\nmembers = [{ uri = 'sip:a' }]", "probe = 1 is a flood"),
        ("[[gateways]]\nname = 'x'\ntimeout = 0\nmembers = [{ uri = 'sip:a' }]", "timeout = 0"),
        ("[[gateways]]\nname = 'x'\nfailover = [200]\nmembers = [{ uri = 'sip:a' }]", "after 200"),
        ("[[gateways]]\nname = 'x'\nmembers = [{ uri = 'sip:a', user = 'u' }]", "a user needs a password"),
        ("[[gateways]]\nname = 'x'\nmembers = [{ uri = 'sip:a', register = true }]", "register needs user"),
        ("[[routes]]\nname = 'r'\ngateway = 'x'", "route r: gateway = 'x' is no group"),
    ] {
        let error = ServerConfig::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn members_of_which_nothing_else_is_said_stay_who_they_were() {
    let now = Instant::now();
    let gateways = gateways(now, 7);
    let gate = gates(&gateways, now).remove(&'b').unwrap();
    gate.enter(now, &mut request()).unwrap();
    let calls = || -> Vec<(String, u32)> {
        gateways.stats(now).into_iter().map(|own| (own.uri, own.calls)).collect()
    };
    let [a, b, c] =
        ["sip:a.example.net;transport=tls", "sip:b.example.net", "sip:c.example.net"].map(str::to_owned);
    assert_eq!(calls(), [(a.clone(), 0), (b.clone(), 1), (c, 0)]);
    // One goes, one changes its place, one comes.
    let next = "[[gateways]]\nname = 'carrier'\nprobe = 0\nfailover = [404, 503]\n\
        [[gateways.members]]\nuri = 'sip:d.example.net'\n[[gateways.members]]\nuri = 'sip:b.example.net'\ncalls = 1\n\
        [[gateways.members]]\nuri = 'sip:a.example.net;transport=tls'\nweight = 3";
    let next = ServerConfig::from_toml(next).unwrap().gateways;
    gateways.renew(now, &next);
    assert_eq!(calls(), [("sip:d.example.net".to_owned(), 0), (b.clone(), 1), (a, 0)]);
    // Whoever is told something else is somebody else, and what began before ends all the same.
    let mut other = next;
    other[0].timeout = 9;
    gateways.renew(now, &other);
    assert!(calls().into_iter().all(|(_, calls)| calls == 0));
    gate.left(now, Ok(StatusCode::OK));
    assert!(gateways.knows(b"call"));
    gateways.renew(now, &[]);
    assert!(!gateways.is_empty(), "a call of theirs is up");
    gateways.in_dialog(b"call", &mut in_dialog(Method::BYE, "call"));
    assert!(gateways.is_empty());
}
