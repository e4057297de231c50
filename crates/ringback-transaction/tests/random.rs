//! Random sequences of everything that can happen: every key ends once, nothing is left, and a run can be repeated.

mod common;

use common::*;
use proptest::prelude::*;
use ringback_sansio::{CloseReason, Protocol};
use ringback_transaction::{ClientKey, Key, ServerKey};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Request(bool, bool),
    Incoming(&'static str, u8, bool),
    Answer(usize, u16),
    Respond(usize, u16),
    Cancel(usize),
    Fail(usize),
    Pass(u64),
    /// Time goes backwards.
    Earlier(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let status = || prop::sample::select(vec![100u16, 180, 200, 302, 408, 486, 487, 503, 603]);
    let method = prop::sample::select(vec!["INVITE", "INVITE", "ACK", "CANCEL", "OPTIONS", "BYE"]);
    prop_oneof![
        2 => (any::<bool>(), any::<bool>()).prop_map(|(invite, tcp)| Step::Request(invite, tcp)),
        4 => (method, 0..6u8, any::<bool>()).prop_map(|(method, branch, tcp)| Step::Incoming(method, branch, tcp)),
        4 => (any::<usize>(), status()).prop_map(|(at, status)| Step::Answer(at, status)),
        4 => (any::<usize>(), status()).prop_map(|(at, status)| Step::Respond(at, status)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Fail),
        3 => prop_oneof![0..1_000u64, 0..40_000u64].prop_map(Step::Pass),
        1 => (1..10_000u64).prop_map(Step::Earlier),
    ]
}

fn play(steps: &[Step]) -> Result<Vec<String>, TestCaseError> {
    let mut layer = Layer::with(|config| (config.max_client, config.max_server) = (8, 8));
    let (mut clients, mut servers, mut history) =
        (Vec::<ClientKey>::new(), Vec::<ServerKey>::new(), Vec::new());
    let (mut sent, mut ended) = (Vec::new(), BTreeMap::<Key, usize>::new());
    for step in steps {
        match step {
            Step::Request(invite, tcp) => {
                let to = ringback_sansio::Target::Address(protocol(*tcp), PEER.parse().unwrap());
                let request = outgoing(if *invite { "INVITE" } else { "OPTIONS" });
                if let Ok(key) = layer.transactions.request(layer.now, to, request) {
                    clients.push(key);
                }
                layer.drain();
            }
            Step::Incoming(method, branch, tcp) => {
                // Half of the branches have no cookie.
                let cookie = if *branch % 2 == 0 { "z9hG4bK" } else { "old" };
                let via = format!("SIP/2.0/{} 192.0.2.9;branch={cookie}{branch}", protocol(*tcp).as_via());
                layer.arrive(protocol(*tcp), &theirs_with(method, &via, ""));
            }
            Step::Answer(at, status) if !sent.is_empty() => {
                let request: &ringback_message::Request = &sent[at % sent.len()];
                layer.udp(&reply(request, *status, "t"));
            }
            Step::Respond(at, status) if !servers.is_empty() => {
                layer.respond(servers[at % servers.len()], *status, "t");
            }
            Step::Cancel(at) if !clients.is_empty() => {
                layer.cancel(clients[at % clients.len()]);
            }
            Step::Fail(at) if clients.len() + servers.len() > 0 => {
                let keys =
                    clients.iter().copied().map(Key::from).chain(servers.iter().copied().map(Key::from));
                let keys: Vec<Key> = keys.collect();
                layer.fail(keys[at % keys.len()], CloseReason::Reset);
            }
            Step::Pass(time) => layer.pass(*time),
            Step::Earlier(by) => {
                let now = layer.now;
                layer.now = now.checked_sub(std::time::Duration::from_millis(*by)).unwrap_or(now);
                layer.transactions_timeout();
                layer.now = now;
            }
            Step::Answer(..) | Step::Respond(..) | Step::Cancel(_) | Step::Fail(_) => {}
        }
        let seen = layer.take();
        prop_assert!(seen.len() < 300, "bounded by its input");
        collect(seen, &mut servers, &mut sent, &mut ended, &mut history)?;
        prop_assert!(layer.transactions.clients() <= 16 && layer.transactions.servers() <= 8);
    }
    // An INVITE rings for as long as its user likes, so each user makes an end.
    for key in &servers {
        layer.respond(*key, 486, "t");
    }
    for key in &clients {
        layer.cancel(*key);
    }
    layer.finish();
    let seen = layer.take();
    collect(seen, &mut servers, &mut sent, &mut ended, &mut history)?;
    for key in clients.iter().copied().map(Key::from).chain(servers.iter().copied().map(Key::from)) {
        prop_assert_eq!(ended.remove(&key), Some(1), "{:?} ends once", key);
    }
    prop_assert!(ended.is_empty(), "{ended:?} was never handed out");
    Ok(history)
}

fn protocol(tcp: bool) -> Protocol {
    if tcp { Protocol::Tcp } else { Protocol::Udp }
}

fn collect(
    seen: Vec<(u64, Seen)>,
    servers: &mut Vec<ServerKey>,
    sent: &mut Vec<ringback_message::Request>,
    ended: &mut BTreeMap<Key, usize>,
    history: &mut Vec<String>,
) -> Result<(), TestCaseError> {
    for (at, seen) in seen {
        match &seen {
            Seen::Request(key, _) => servers.push(*key),
            Seen::Ended(key, _) => *ended.entry(*key).or_default() += 1,
            Seen::Response(key, _) => {
                prop_assert!(!ended.contains_key(&Key::from(*key)), "nothing after the end");
            }
            Seen::Cancelled(key) => {
                prop_assert!(!ended.contains_key(&Key::from(*key)), "nothing after the end");
            }
            Seen::Wire(_, _, message) => {
                sent.extend(ringback_message::Request::try_from(message.clone()).ok());
                history.push(String::from_utf8_lossy(&message.render()).into_owned());
            }
            Seen::Stray(_) => {}
        }
        history.push(format!("{at} {}", say(&seen)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_key_ends_once_and_a_run_can_be_repeated(steps in prop::collection::vec(step(), 1..80)) {
        prop_assert_eq!(play(&steps)?, play(&steps)?);
    }
}
