//! Redirections that are followed (RFC 3261 §16.7 step 4).

use crate::common::*;
use ringback_message::HeaderId;

const TO_CAROL: &str = "Contact: <sip:carol@192.0.2.40>";

fn following() -> Element {
    let mut element = Element::with(|config| config.recursion = true, |_| {});
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element
}

/// The one response that was sent.
#[track_caller]
fn answer(element: &mut Element, status: u16) -> Sent {
    let mut sent = element.take();
    let heads: Vec<String> = sent.iter().map(Sent::head).collect();
    assert!(sent.len() == 1 && heads[0].contains(&status.to_string()), "{heads:?}");
    sent.remove(0)
}

#[test]
fn a_redirection_is_told_the_sender_unless_it_is_to_be_followed() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    let sent = element.expect_only("MESSAGE");
    element.udp(BOB, &sent.reply_with(302, "b", TO_CAROL));
    assert_eq!(answer(&mut element, 302).value(HeaderId::CONTACT), "<sip:carol@192.0.2.40>");
}

#[test]
fn whom_a_redirection_names_is_asked_instead_and_history_tells_of_it() {
    let mut element = following();
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", "Supported: histinfo"));
    let first = element.expect_only("MESSAGE");
    element.udp(BOB, &first.reply_with(302, "b", &format!("{TO_CAROL};q=0.5, <sip:dave@192.0.2.41>;q=0.9")));
    let second = element.expect_only("MESSAGE sip:dave@192.0.2.41");
    assert_eq!(
        second.values(HeaderId::HISTORY_INFO),
        [
            "<sip:bob@example.com>;index=1",
            "<sip:bob@192.0.2.20?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1",
            "<sip:dave@192.0.2.41>;index=1.2;mp=1",
        ]
    );
    element.udp(BOB, &second.reply(486, "d"));
    let third = element.expect_only("MESSAGE sip:carol@192.0.2.40");
    assert_eq!(third.values(HeaderId::HISTORY_INFO)[2..], ["<sip:carol@192.0.2.40>;index=1.3;mp=1"]);
    // A redirection of whom a redirection named.
    element.udp(BOB, &third.reply_with(301, "c", "Contact: <sip:erin@192.0.2.42>"));
    let fourth = element.expect_only("MESSAGE sip:erin@192.0.2.42");
    assert_eq!(
        fourth.values(HeaderId::HISTORY_INFO)[1..],
        [
            "<sip:bob@192.0.2.20?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1",
            "<sip:carol@192.0.2.40?Reason=SIP%3Bcause%3D301>;index=1.3;mp=1",
            "<sip:erin@192.0.2.42>;index=1.4;mp=1",
        ]
    );
    element.udp(BOB, &fourth.reply(404, "e"));
    // Of 486 and 404 the first; what was followed is no answer.
    answer(&mut element, 486);
    element.expect_end_after_silence();
}

#[test]
fn a_user_of_ours_is_asked_where_he_is() {
    let mut element = following();
    element.user("carol", &[branch("sip:carol@192.0.2.40")]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", "Supported: histinfo"));
    let sent = element.expect_only("MESSAGE");
    element.udp(BOB, &sent.reply_with(302, "b", "Contact: <sip:carol@example.com>"));
    let sent = element.expect_only("MESSAGE sip:carol@192.0.2.40");
    assert_eq!(
        sent.values(HeaderId::HISTORY_INFO)[2..],
        ["<sip:carol@example.com>;index=1.2;mp=1", "<sip:carol@192.0.2.40>;index=1.2.1;rc=1.2"]
    );
    element.udp(BOB, &sent.reply(200, "c"));
    answer(&mut element, 200);
}

#[test]
fn rings_of_redirections_end() {
    let mut element = following();
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    let sent = element.expect_only("MESSAGE");
    // Whom it was for, and whom it was redirected from.
    for own in ["sip:bob@example.com", "sip:bob@192.0.2.20"] {
        let mut element = following();
        element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
        let sent = element.expect_only("MESSAGE");
        element.udp(BOB, &sent.reply_with(302, "b", &format!("Contact: <{own}>")));
        assert_eq!(answer(&mut element, 302).value(HeaderId::CONTACT), format!("<{own}>"));
    }
    // And those that always name somebody else, after ten.
    let mut sent = sent;
    for number in 1..10 {
        let next = format!("Contact: <sip:{number}@192.0.2.99>");
        element.udp(BOB, &sent.reply_with(302, "b", &next));
        sent = element.expect_only(&format!("MESSAGE sip:{number}@192.0.2.99"));
    }
    element.udp(BOB, &sent.reply_with(302, "b", TO_CAROL));
    answer(&mut element, 302);
    element.expect_end_after_silence();
}

#[test]
fn what_cannot_be_followed_is_told_the_sender() {
    for (uri, contact) in [
        ("sip:bob@example.com", "<tel:+358555>"),
        ("sip:bob@example.com", "<mailto:bob@example.com>"),
        ("sip:bob@example.com", "<sip:bob@shunned.example>"),
        ("sips:bob@example.com", "<sip:carol@192.0.2.40>"),
    ] {
        let mut element = following();
        element.policy.shunned = "shunned.example";
        element.udp(ALICE, &request("MESSAGE", uri, "1", ""));
        let sent = element.expect_only("MESSAGE");
        element.udp(BOB, &sent.reply_with(302, "b", &format!("Contact: {contact}")));
        assert_eq!(answer(&mut element, 302).value(HeaderId::CONTACT), contact);
    }
    // What is left of a redirection is an answer, where nobody else has a better one.
    let mut element = following();
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    let sent = element.expect_only("MESSAGE");
    element.udp(BOB, &sent.reply_with(302, "b", &format!("{TO_CAROL}, <tel:+358555>")));
    let sent = element.expect_only("MESSAGE sip:carol@192.0.2.40");
    element.udp(BOB, &sent.reply(486, "c"));
    assert_eq!(answer(&mut element, 302).value(HeaderId::CONTACT), "<tel:+358555>");
}

#[test]
fn nobody_is_asked_for_whom_the_sender_gave_up_or_another_has_answered() {
    let mut element = following();
    element.udp(ALICE, &invite("1"));
    let sent = element.expect_only("INVITE");
    element.udp(BOB, &sent.reply(180, "b"));
    element.take();
    element.udp(ALICE, &cancel("1", ""));
    element.take();
    element.udp(BOB, &sent.reply_with(302, "b", TO_CAROL));
    let sent = element.take();
    assert!(!sent.iter().any(|sent| sent.head().contains("INVITE")), "{:?}", sent.len());
    assert!(sent.iter().any(|sent| sent.head().contains("302")));
}

#[test]
fn requests_that_pass_by_and_those_of_a_dialog_are_left_alone() {
    let mut element = following();
    element.udp(ALICE, &request("MESSAGE", "sip:bob@192.0.2.20", "1", ""));
    let sent = element.expect_only("MESSAGE");
    element.udp(BOB, &sent.reply_with(302, "b", TO_CAROL));
    answer(&mut element, 302);
    let in_dialog = request("MESSAGE", "sip:bob@example.com", "2", "To: <sip:bob@example.com>;tag=b");
    element.udp(ALICE, &in_dialog);
    let sent = element.expect_only("MESSAGE");
    element.udp(BOB, &sent.reply_with(302, "b", TO_CAROL));
    answer(&mut element, 302);
}
