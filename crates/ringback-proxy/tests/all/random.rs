//! Random sequences of messages and time: nothing panics, everything ends (rules 56 and 59).

use crate::common::*;
use proptest::prelude::*;
use ringback_message::StatusCode;
use ringback_proxy::Decision;
use ringback_sansio::{Protocol, Target};
use std::collections::BTreeMap;
use std::time::Duration;

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    /// A request from Alice: method, user, branch, extra lines.
    Request(&'static str, &'static str, u8, &'static str),
    /// The same bytes as some earlier request of hers.
    Again(usize),
    /// Some request that we sent is answered.
    Answer(usize, u16, u8),
    /// What we sent comes back to us.
    Reflect(usize),
    /// What we sent could not be sent.
    Fail(usize),
    /// A name is resolved, or not.
    Resolve(usize, bool),
    /// A device wakes up, or cannot be woken.
    Wake(usize, bool),
    /// Milliseconds.
    Pass(u32),
    /// The policy changes its mind.
    Policy(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let method = prop::sample::select(vec![
        "INVITE", "INVITE", "INVITE", "CANCEL", "ACK", "BYE", "MESSAGE", "OPTIONS",
    ]);
    let uri = prop::sample::select(vec![
        "sip:bob@example.com",
        "sip:serial@example.com",
        "sip:named@example.com",
        "sip:self@example.com",
        "sip:asleep@example.com",
        "sip:192.0.2.1;lr",
        "sip:x@192.0.2.20",
        "tel:1",
    ]);
    let lines = prop::sample::select(vec![
        "",
        "To: <sip:bob@example.com>;tag=b",
        "Route: <sip:192.0.2.1;lr>, <sip:192.0.2.9>",
        "Route: <sip:192.0.2.1;lr>",
        "Route: junk",
        "Max-Forwards: 0",
        "Max-Breadth: 1",
        "Proxy-Require: x",
    ]);
    let status =
        prop::sample::select(vec![100u16, 180, 183, 200, 200, 302, 401, 404, 408, 486, 487, 503, 603]);
    prop_oneof![
        6 => (method, uri, 0..4u8, lines).prop_map(|(method, uri, branch, lines)| Step::Request(method, uri, branch, lines)),
        1 => any::<usize>().prop_map(Step::Again),
        8 => (any::<usize>(), status, 0..3u8).prop_map(|(at, status, tag)| Step::Answer(at, status, tag)),
        1 => any::<usize>().prop_map(Step::Reflect),
        1 => any::<usize>().prop_map(Step::Fail),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, found)| Step::Resolve(at, found)),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, wakes)| Step::Wake(at, wakes)),
        3 => prop_oneof![0..1_000u32, 0..40_000u32, 0..200_000u32].prop_map(Step::Pass),
        1 => (0..4u8).prop_map(Step::Policy),
    ]
}

/// Plays the steps and returns all that was sent.
fn play(steps: &[Step]) -> Vec<String> {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20"), branch("sip:bob@192.0.2.30")]);
    element
        .user("serial", &[branch_q("sip:s@192.0.2.20", 900), branch_q("sip:s@192.0.2.30;transport=tcp", 1)]);
    element.user("named", &[branch("sip:n@phone.example.net"), branch("sip:n@192.0.2.30")]);
    element.user("self", &[branch("sip:self@192.0.2.1"), branch("sip:bob@192.0.2.1")]);
    let asleep = [sleeper("sip:a@192.0.2.20", "x"), sleeper("sip:a@192.0.2.30", "y")];
    element.user("asleep", &[branch("sip:a@192.0.2.20:7"), asleep[0].clone(), asleep[1].clone()]);
    let (mut received, mut sent) = (Vec::new(), Vec::<Sent>::new());
    for step in steps {
        match step {
            Step::Request(method, uri, branch, lines) => {
                let text = request(method, uri, &branch.to_string(), lines);
                element.udp(ALICE, &text);
                received.push(text);
            }
            Step::Again(at) if !received.is_empty() => element.udp(ALICE, &received[at % received.len()]),
            Step::Answer(at, status, tag) if !sent.is_empty() => {
                let asked = &sent[at % sent.len()];
                if asked.message.is_request() {
                    let text = asked.reply(*status, &format!("t{tag}"));
                    element.arrive(asked.to.protocol(), &asked.to.peer().to_string(), &text);
                }
            }
            Step::Reflect(at) if !sent.is_empty() => {
                let sent = &sent[at % sent.len()];
                element.arrive(sent.to.protocol(), "192.0.2.1:5060", &sent.text());
            }
            Step::Fail(at) if !sent.is_empty() => {
                if let Some(key) = sent[at % sent.len()].key {
                    element.fail(Some(key));
                }
            }
            Step::Resolve(at, found) if !element.questions.is_empty() => {
                let at = at % element.questions.len();
                let (token, _) = element.questions.swap_remove(at);
                let targets = [Target::Address(Protocol::Udp, BOB.parse().unwrap())];
                element.resolve(token, &targets[..usize::from(*found)]);
            }
            Step::Wake(at, wakes) if !element.asleep.is_empty() => {
                let at = at % element.asleep.len();
                let (token, device) = element.asleep.swap_remove(at);
                let branch = &asleep[usize::from(&*device.prid == "y")];
                element.proxy.woken(element.now, &mut element.transactions, token, wakes.then_some(branch));
                element.drain();
            }
            Step::Pass(time) => element.pass(Duration::from_millis((*time).into())),
            Step::Policy(what) => {
                element.policy.fixed = match what {
                    0 => Some(Decision::Relay),
                    1 => Some(Decision::reject(StatusCode::FORBIDDEN)),
                    _ => None,
                }
            }
            Step::Again(_)
            | Step::Answer(..)
            | Step::Reflect(_)
            | Step::Fail(_)
            | Step::Resolve(..)
            | Step::Wake(..) => {}
        }
        // Each input causes a bounded number of outputs.
        assert!(element.sent.len() < 400, "{} outputs for {step:?}", element.sent.len());
        sent.extend(element.take());
    }
    // In the end every question is answered and every local request as well.
    for (key, request) in std::mem::take(&mut element.local) {
        let answer = request.reply(StatusCode::TEMPORARILY_UNAVAILABLE, Some("local")).build().unwrap();
        // One that was cancelled has its answer.
        let _ = element.transactions.respond(element.now, key, answer);
        element.drain();
    }
    while let Some((token, _)) = element.questions.pop() {
        element.resolve(token, &[]);
    }
    element.expect_end();
    sent.extend(element.take());
    sent.iter().map(Sent::text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_ends_and_the_same_inputs_give_the_same_bytes(steps in prop::collection::vec(step(), 1..60)) {
        prop_assert_eq!(play(&steps), play(&steps));
    }

    #[test]
    fn every_invite_gets_one_failure_or_successes_and_nothing_after(steps in prop::collection::vec(step(), 1..60)) {
        // Each request under a branch of its own, nothing that cannot be sent, and no answer so late that its branch was
        // given up before: such a 2xx passes without state, and the failure of the others may follow it.
        let mut requests = 0;
        let mut steps = steps;
        steps.retain_mut(|step| match step {
            Step::Request(method, _, branch, _) if !matches!(*method, "CANCEL" | "ACK") => {
                *branch = requests;
                requests += 1;
                true
            }
            Step::Fail(_) => false,
            Step::Pass(time) => {
                *time %= 500;
                true
            }
            _ => true,
        });
        let mut finals = BTreeMap::<String, Vec<String>>::new();
        for text in play(&steps) {
            let is_invite = text.lines().any(|line| line.starts_with("CSeq: ") && line.ends_with("INVITE"));
            let Some(via) = text.lines().find(|line| line.starts_with("Via: ")) else { continue };
            if let Some(rest) = text.strip_prefix("SIP/2.0 ").filter(|rest| is_invite && via.contains("192.0.2.10;") && !rest.starts_with('1')) {
                let seen = finals.entry(via.to_owned()).or_default();
                let failure = seen.iter().find(|text| !text.starts_with('2'));
                // Copies of the failure, and any 2xx, may follow.
                prop_assert!(rest.starts_with('2') || seen.is_empty() || failure.is_some_and(|own| own == rest), "{seen:?} then {rest}");
                seen.push(rest.to_owned());
            }
        }
        for step in &steps {
            if let Step::Request("INVITE", _, branch, _) = step {
                let via = format!("Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{branch}");
                prop_assert!(finals.contains_key(&via), "no final response to {via}");
            }
        }
    }
}
