//! Several branches, one answer (RFC 3261 §16.7), and how they are taken back (§16.10).

use crate::common::*;
use ringback_message::HeaderId;
use ringback_sansio::Protocol;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Two statuses, and the one that goes up.
type Case = (u16, u16, u16);

/// An INVITE of Alice's that forks to Bob and Carol, and what went to them.
fn forked(element: &mut Element) -> (Sent, Sent) {
    element.user("bob", &[branch("sip:bob@192.0.2.20"), branch("sip:bob@192.0.2.30")]);
    element.udp(ALICE, &invite("1"));
    let mut sent = element.expect(&[
        "udp 192.0.2.10:5060 100",
        "udp 192.0.2.20:5060 INVITE sip:bob@192.0.2.20",
        "udp 192.0.2.30:5060 INVITE sip:bob@192.0.2.30",
    ]);
    let carol = sent.pop().unwrap();
    (sent.pop().unwrap(), carol)
}

#[test]
fn rule_18_provisional_responses_of_all_branches_go_up_and_no_100_does() {
    let mut element = Element::new();
    let (bob, carol) = forked(&mut element);
    element.udp(BOB, &bob.reply(100, ""));
    element.udp(BOB, &bob.reply(180, "b"));
    element.udp(CAROL, &carol.reply(183, "c"));
    element.expect(&["udp 192.0.2.10:5060 180", "udp 192.0.2.10:5060 183"]);
}

#[test]
fn rule_18_a_2xx_goes_up_at_once_and_the_others_are_told_it_was_answered_elsewhere() {
    let mut element = Element::new();
    let (bob, carol) = forked(&mut element);
    element.udp(BOB, &bob.reply(180, "b"));
    element.udp(CAROL, &carol.reply(180, "c"));
    element.take();
    element.udp(BOB, &bob.reply(200, "b"));
    let sent = element.expect(&["udp 192.0.2.10:5060 200", "udp 192.0.2.30:5060 CANCEL sip:bob@192.0.2.30"]);
    assert_eq!(sent[1].value(HeaderId::REASON), "SIP;cause=200;text=\"Call completed elsewhere\"");
    assert_eq!(sent[1].value(HeaderId::VIA), carol.value(HeaderId::VIA));
    assert_eq!(sent[1].values(HeaderId::VIA).len(), 1);
    element.udp(CAROL, &sent[1].reply(200, ""));
    element.udp(CAROL, &carol.reply(487, "c"));
    // The failure is acknowledged on its hop and goes no further.
    element.expect(&["udp 192.0.2.30:5060 ACK sip:bob@192.0.2.30"]);
    element.expect_end();
}

#[test]
fn rule_18_every_2xx_goes_up_also_one_that_crosses_the_cancel_and_its_copies() {
    let mut element = Element::new();
    let (bob, carol) = forked(&mut element);
    element.udp(BOB, &bob.reply(200, "b"));
    element.expect(&["udp 192.0.2.10:5060 200"]);
    element.udp(CAROL, &carol.reply(200, "c"));
    element.udp(BOB, &bob.reply(200, "b"));
    // One that forked behind Bob.
    element.udp(BOB, &bob.reply(200, "b2"));
    let sent = element.expect(&["udp 192.0.2.10:5060 200"; 3]);
    assert!(sent[2].value(HeaderId::TO).ends_with(";tag=b2"));
    element.expect_end();
    // After timers L and M there is no state, and it still passes (§16.7 step 9).
    element.udp(BOB, &bob.reply(200, "b"));
    let sent = element.expect(&["udp 192.0.2.10:5060 200"]);
    assert_eq!(sent[0].values(HeaderId::VIA), ["SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1"]);
    element.expect_end();
}

#[test]
fn late_responses_that_nobody_waits_for_stay_here() {
    let mut element = Element::new();
    let (bob, _) = forked(&mut element);
    let message =
        request("MESSAGE", "sip:bob@192.0.2.20", "2", "Call-ID: other").replacen("Call-ID: call\r\n", "", 1);
    element.udp(ALICE, &message);
    let message = element.take().pop().unwrap();
    element.expect_end_after_silence();
    element.udp(BOB, &bob.reply(486, "b"));
    element.udp(BOB, &bob.reply(180, "b"));
    // RFC 4320 §4.2: not even a 2xx, where it is not to INVITE.
    element.udp(BOB, &message.reply(200, "b"));
    // And nothing that bears no Via of ours.
    let stranger = bob.reply(200, "b").replace("192.0.2.1:5060;branch", "192.0.2.99:5060;branch");
    element.udp(BOB, &stranger);
    element.expect(&[]);
}

#[test]
fn rule_18_the_best_failure_goes_up_when_all_have_failed() {
    let answer = |first: u16, second: u16| {
        let mut element = Element::new();
        let (bob, carol) = forked(&mut element);
        element.udp(BOB, &bob.reply(first, "b"));
        element.expect(&["udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20"]);
        element.udp(CAROL, &carol.reply(second, "c"));
        let sent = element.take();
        let last = sent.last().unwrap().clone();
        element.udp(ALICE, &ack("1", last.value(HeaderId::TO).split_once("tag=").unwrap().1));
        element.expect_end();
        last.message.status().unwrap().as_u16()
    };
    // The rows of §16.7 step 6, each in both orders of arrival.
    let rows: &[(&str, &[Case])] = &[
        (
            "a 6xx is chosen whatever else there is",
            &[(603, 486, 603), (600, 302, 600), (604, 401, 604), (606, 500, 606), (603, 503, 603)],
        ),
        (
            "else one of the lowest class",
            &[
                (302, 486, 302),
                (301, 407, 301),
                (300, 500, 300),
                (486, 500, 486),
                (404, 501, 404),
                (408, 502, 408),
            ],
        ),
        (
            "of 4xx one that tells how to ask again",
            &[
                (401, 486, 401),
                (407, 486, 407),
                (415, 404, 415),
                (420, 480, 420),
                (484, 404, 484),
                (401, 484, 401),
                (415, 408, 415),
            ],
        ),
        ("of 4xx the one of somebody who was there", &[(486, 408, 486), (404, 408, 404)]),
        ("a 503 yields to all else", &[(503, 500, 500), (503, 501, 501), (503, 404, 404), (503, 302, 302)]),
        // Rule 18: upstream is not told that this proxy is overloaded.
        ("a 503 alone goes up as 500", &[(503, 503, 500)]),
    ];
    for (row, cases) in rows {
        for (one, other, best) in *cases {
            assert_eq!(answer(*one, *other), *best, "{row}: {one}, then {other}");
            assert_eq!(answer(*other, *one), *best, "{row}: {other}, then {one}");
        }
    }
    // Of equals the first.
    assert_eq!(
        (answer(486, 404), answer(404, 486), answer(600, 603), answer(603, 600)),
        (486, 404, 600, 603)
    );
}

#[test]
fn rule_18_a_failure_waits_for_all_branches_and_a_2xx_for_none() {
    for status in [302, 407, 486, 503] {
        let mut element = Element::new();
        let (bob, carol) = forked(&mut element);
        element.udp(BOB, &bob.reply(status, "b"));
        element.expect(&["udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20"]);
        element.udp(CAROL, &carol.reply(200, "c"));
        element.expect(&["udp 192.0.2.10:5060 200"]);
        element.expect_end();
    }
}

#[test]
fn rule_18_where_nobody_answers_at_all_408_goes_up() {
    let mut element = Element::new();
    let (bob, carol) = forked(&mut element);
    element.pass(33 * SECOND);
    let sent = element.take();
    assert_eq!(sent.last().unwrap().head(), "udp 192.0.2.10:5060 408");
    // What comes then stays here, unless somebody has picked up.
    element.udp(BOB, &bob.reply(404, "b"));
    element.expect(&[]);
    element.udp(CAROL, &carol.reply(200, "c"));
    element.expect(&["udp 192.0.2.10:5060 200"]);
    element.expect_end();
}

#[test]
fn rule_18_challenges_of_all_branches_go_up_together() {
    let mut element = Element::new();
    let (bob, carol) = forked(&mut element);
    element.udp(BOB, &bob.reply_with(401, "b", "WWW-Authenticate: Digest realm=\"b\", nonce=\"1\""));
    element.udp(CAROL, &carol.reply_with(407, "c", "Proxy-Authenticate: Digest realm=\"c\", nonce=\"2\""));
    let sent = element.take();
    let up = sent.last().unwrap();
    assert_eq!(up.head(), "udp 192.0.2.10:5060 401");
    assert_eq!(up.value(HeaderId::WWW_AUTHENTICATE), "Digest realm=\"b\", nonce=\"1\"");
    assert_eq!(up.value(HeaderId::PROXY_AUTHENTICATE), "Digest realm=\"c\", nonce=\"2\"");
}

#[test]
fn rule_18_a_6xx_takes_the_others_back_and_begins_no_new_ones() {
    let mut element = Element::new();
    element.user(
        "bob",
        &[branch("sip:bob@192.0.2.20"), branch("sip:bob@192.0.2.30"), branch_q("sip:bob@192.0.2.40", 500)],
    );
    element.udp(ALICE, &invite("1"));
    let sent = element.take();
    assert_eq!(sent.len(), 3);
    element.udp(CAROL, &sent[2].reply(180, "c"));
    element.take();
    element.udp(BOB, &sent[1].reply(603, "b"));
    let cancel = element.expect(&[
        "udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20",
        "udp 192.0.2.30:5060 CANCEL sip:bob@192.0.2.30",
    ]);
    element.udp(CAROL, &cancel[1].reply(200, ""));
    element.udp(CAROL, &sent[2].reply(487, "c"));
    let up = element.expect(&["udp 192.0.2.30:5060 ACK sip:bob@192.0.2.30", "udp 192.0.2.10:5060 603"]);
    assert!(up[1].value(HeaderId::TO).ends_with("tag=b"));
    element.udp(ALICE, &ack("1", "b"));
    element.expect_end();
}

#[test]
fn a_2xx_after_the_failure_went_up_passes_without_state() {
    let mut element = Element::new();
    let (bob, carol) = forked(&mut element);
    element.udp(CAROL, &carol.reply(180, "c"));
    element.udp(BOB, &bob.reply(603, "b"));
    element.take();
    // Carol answers nothing to the CANCEL, so the branch is given up, and then she does answer.
    element.pass(33 * SECOND);
    let sent = element.take();
    assert!(sent.iter().any(|sent| sent.head() == "udp 192.0.2.10:5060 603"));
    element.udp(CAROL, &carol.reply(200, "c"));
    element.expect(&["udp 192.0.2.10:5060 200"]);
    element.expect_end();
}

#[test]
fn targets_are_tried_by_preference_and_equals_at_once() {
    let mut element = Element::new();
    element.user(
        "bob",
        &[
            branch_q("sip:bob@192.0.2.40", 100),
            branch_q("sip:bob@192.0.2.30", 500),
            branch_q("sip:bob@192.0.2.20", 500),
        ],
    );
    element.udp(ALICE, &invite("1"));
    let first = element.expect(&[
        "udp 192.0.2.10:5060 100",
        "udp 192.0.2.30:5060 INVITE sip:bob@192.0.2.30",
        "udp 192.0.2.20:5060 INVITE sip:bob@192.0.2.20",
    ]);
    element.udp(CAROL, &first[1].reply(486, "c"));
    element.udp(BOB, &first[2].reply(486, "b"));
    let second = element.expect(&[
        "udp 192.0.2.30:5060 ACK sip:bob@192.0.2.30",
        "udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20",
        "udp 192.0.2.40:5060 INVITE sip:bob@192.0.2.40",
    ]);
    assert_ne!(second[2].value(HeaderId::VIA), first[1].value(HeaderId::VIA), "a new branch");
    element.udp("192.0.2.40:5060", &second[2].reply(200, "d"));
    element.expect(&["udp 192.0.2.10:5060 200"]);
    element.expect_end();
}

#[test]
fn the_most_preferred_targets_are_kept_where_there_are_too_many() {
    let mut element = Element::with(|config| config.max_branches = 2, |_| {});
    element.user(
        "bob",
        &[branch_q("sip:a@192.0.2.21", 1), branch_q("sip:b@192.0.2.22", 9), branch_q("sip:c@192.0.2.23", 5)],
    );
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    let sent = element.expect(&["udp 192.0.2.22:5060 MESSAGE sip:b@192.0.2.22"]);
    element.udp("192.0.2.22:5060", &sent[0].reply(404, "b"));
    let sent = element.expect(&["udp 192.0.2.23:5060 MESSAGE sip:c@192.0.2.23"]);
    element.udp("192.0.2.23:5060", &sent[0].reply(410, "c"));
    element.expect(&["udp 192.0.2.10:5060 404"]);
    element.expect_end();
}

#[test]
fn of_other_methods_only_the_first_final_response_goes_up() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20"), branch("sip:bob@192.0.2.30")]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    let sent = element.take();
    element.udp(BOB, &sent[0].reply(200, "b"));
    element.udp(CAROL, &sent[1].reply(200, "c"));
    let up = element.expect(&["udp 192.0.2.10:5060 200"]);
    assert!(up[0].value(HeaderId::TO).ends_with("tag=b"));
    element.expect_end();
}

#[test]
fn rule_9_no_408_to_other_methods_is_put_on_the_wire() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    element.pass(70 * SECOND);
    let up: Vec<_> = element.take().into_iter().filter(|sent| !sent.message.is_request()).collect();
    // RFC 4320 §4.1: only the 100 that stops retransmission.
    assert_eq!(up.iter().map(Sent::head).collect::<Vec<_>>(), ["udp 192.0.2.10:5060 100"]);
    element.expect_end();
}

#[test]
fn a_branch_that_answers_nothing_counts_as_408() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element.udp(ALICE, &invite("1"));
    element.pass(33 * SECOND);
    assert_eq!(element.take().pop().unwrap().head(), "udp 192.0.2.10:5060 408");
    element.expect_end();
}

#[test]
fn rule_14_a_cancel_is_answered_at_once_and_passed_on_with_its_reason() {
    let mut element = Element::new();
    let (bob, carol) = forked(&mut element);
    element.udp(BOB, &bob.reply(180, "b"));
    element.take();
    element.udp(ALICE, &cancel("1", "Reason: SIP;cause=487;text=\"changed my mind\""));
    let sent = element.expect(&["udp 192.0.2.10:5060 200", "udp 192.0.2.20:5060 CANCEL sip:bob@192.0.2.20"]);
    assert_eq!(sent[1].value(HeaderId::REASON), "SIP;cause=487;text=\"changed my mind\"");
    element.udp(BOB, &sent[1].reply(200, ""));
    element.udp(BOB, &bob.reply(487, "b"));
    element.expect(&["udp 192.0.2.20:5060 ACK sip:bob@192.0.2.20"]);
    // Rule 13: Carol has shown no sign of life, so hers waits until she does.
    element.udp(CAROL, &carol.reply(100, ""));
    let sent = element.expect(&["udp 192.0.2.30:5060 CANCEL sip:bob@192.0.2.30"]);
    element.udp(CAROL, &sent[0].reply(200, ""));
    element.udp(CAROL, &carol.reply(487, "c"));
    let sent = element.expect(&["udp 192.0.2.30:5060 ACK sip:bob@192.0.2.30", "udp 192.0.2.10:5060 487"]);
    let tag = sent[1].value(HeaderId::TO).split_once("tag=").unwrap().1.to_owned();
    element.udp(ALICE, &ack("1", &tag));
    element.expect_end();
}

#[test]
fn rule_14_a_cancel_that_matches_nothing_is_481() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element.udp(ALICE, &cancel("9", ""));
    element.expect(&["udp 192.0.2.10:5060 481"]);
    element.expect_end();
}

#[test]
fn a_cancel_reaches_branches_whose_name_is_not_known_yet() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@phone.example.net")]);
    element.udp(ALICE, &invite("1"));
    let (token, _) = element.questions.pop().unwrap();
    element.udp(ALICE, &cancel("1", ""));
    let sent =
        element.expect(&["udp 192.0.2.10:5060 100", "udp 192.0.2.10:5060 200", "udp 192.0.2.10:5060 487"]);
    assert_eq!(sent[1].value(HeaderId::TO), sent[2].value(HeaderId::TO));
    element.resolve(token, &[ringback_sansio::Target::Address(Protocol::Udp, BOB.parse().unwrap())]);
    element.expect(&[]);
    element.expect_end();
}

#[test]
fn rule_17_timer_c_is_restarted_by_what_rings_and_not_by_100() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element.udp(ALICE, &invite("1"));
    let bob = element.take().pop().unwrap();
    element.udp(BOB, &bob.reply(180, "b"));
    element.pass(184 * SECOND);
    element.udp(BOB, &bob.reply(183, "b"));
    element.pass(184 * SECOND);
    assert!(element.take().iter().all(|sent| !sent.message.is_request()), "it may go on ringing");
    element.udp(BOB, &bob.reply(100, "b"));
    element.pass(2 * SECOND);
    let sent = element.expect_only("CANCEL");
    element.udp(BOB, &sent.reply(200, ""));
    element.udp(BOB, &bob.reply(487, "b"));
    assert_eq!(element.take().pop().unwrap().head(), "udp 192.0.2.10:5060 487");
    element.expect_end();
}

#[test]
fn rule_17_what_ignores_the_cancel_of_timer_c_counts_as_408() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element.udp(ALICE, &invite("1"));
    let bob = element.take().pop().unwrap();
    element.udp(BOB, &bob.reply(180, "b"));
    element.pass(186 * SECOND);
    element.expect_only("CANCEL");
    element.pass(33 * SECOND);
    assert_eq!(element.take().pop().unwrap().head(), "udp 192.0.2.10:5060 408");
    element.expect_end();
}

#[test]
fn what_cannot_be_sent_is_500_and_the_other_branch_may_still_answer() {
    let mut element = Element::new();
    let (bob, carol) = forked(&mut element);
    element.fail(bob.key);
    element.expect(&[]);
    element.udp(CAROL, &carol.reply(200, "c"));
    element.expect(&["udp 192.0.2.10:5060 200"]);
    element.expect_end();
    let (bob, carol) = forked(&mut element);
    element.fail(bob.key);
    element.fail(carol.key);
    element.expect(&["udp 192.0.2.10:5060 500"]);
    element.expect_end();
}

#[test]
fn when_the_caller_is_gone_what_rings_is_taken_back() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    let text = invite("1").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    element.arrive(Protocol::Tcp, "192.0.2.10:40000", &text);
    let sent = element.take();
    element.udp(BOB, &sent[1].reply(180, "b"));
    let up = element.expect(&["tcp 192.0.2.10:40000 180"]);
    // The stream is gone, and calling back is refused.
    element.fail(up[0].key);
    let again = element.expect(&["tcp 192.0.2.10:5060 180"]);
    element.fail(again[0].key);
    element.expect(&["udp 192.0.2.20:5060 CANCEL sip:bob@192.0.2.20"]);
    assert_eq!(element.proxy.len(), 0);
    // An answer that crosses it has nobody to go to but where its Via leads.
    element.udp(BOB, &sent[1].reply(200, "b"));
    element.expect(&["tcp 192.0.2.10:5060 200"]);
    element.expect_end();
}

#[test]
fn a_response_whose_vias_were_stripped_goes_nowhere() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element.udp(ALICE, &invite("1"));
    let bob = element.take().pop().unwrap();
    let strip = |text: String| text.replace("Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n", "");
    element.udp(BOB, &strip(bob.reply(180, "b")));
    element.expect(&[]);
    element.udp(BOB, &strip(bob.reply(200, "b")));
    element.expect(&["udp 192.0.2.10:5060 502"]);
    element.expect_end();
}
