//! Where a request has been (RFC 7044).

use crate::common::*;
use ringback_message::HeaderId;

fn stations(sent: &Sent) -> Vec<String> {
    sent.values(HeaderId::HISTORY_INFO)
}

#[test]
fn rfc_7044_each_branch_tells_where_the_request_was_for_and_where_it_goes() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20"), branch_q("sip:bob@192.0.2.30", 500)]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", "Supported: histinfo"));
    let first = element.expect_only("MESSAGE");
    assert_eq!(stations(&first), ["<sip:bob@example.com>;index=1", "<sip:bob@192.0.2.20>;index=1.1;rc=1"]);
    element.udp(BOB, &first.reply(486, "b"));
    let second = element.expect_only("MESSAGE");
    assert_eq!(stations(&second), ["<sip:bob@example.com>;index=1", "<sip:bob@192.0.2.30>;index=1.2;rc=1"]);
}

#[test]
fn stations_are_added_to_those_that_came() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    for (came, added) in [
        ("<sip:bob@example.com>;index=1.1", vec!["<sip:bob@192.0.2.20>;index=1.1.1;rc=1.1"]),
        (
            "<sip:team@example.org>;index=1",
            vec!["<sip:bob@example.com>;index=1.1", "<sip:bob@192.0.2.20>;index=1.1.1;rc=1.1"],
        ),
    ] {
        let lines = format!("History-Info: {came}");
        element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", &format!("{}", came.len()), &lines));
        let sent = element.expect_only("MESSAGE");
        assert_eq!(stations(&sent)[1..], added, "{came}");
    }
}

#[test]
fn nobody_is_told_who_did_not_ask_and_floods_are_left_alone() {
    let mut element = Element::new();
    element.user("bob", &[branch("sip:bob@192.0.2.20")]);
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "1", ""));
    assert!(stations(&element.expect_only("MESSAGE")).is_empty());
    let many: Vec<String> =
        (1..=65).map(|at| format!("History-Info: <sip:x@example.org>;index={at}")).collect();
    element.udp(ALICE, &request("MESSAGE", "sip:bob@example.com", "2", &many.join("\n")));
    assert_eq!(stations(&element.expect_only("MESSAGE")).len(), 65);
}
