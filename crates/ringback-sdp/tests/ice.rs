//! ICE in offers and answers (RFC 8839), clause by clause of what stacks get wrong.

use ringback_sdp::{
    Codec, IceCredentials, LocalIce, LocalMedia, MAX_CANDIDATES, NegotiatedIce, NegotiationError,
    OfferAnswer, Origin, SessionDescription,
};

const ALICE: &str = "192.0.2.1";
const BOB: &str = "192.0.2.2";
/// What a peer that is no machine of ours says.
const PEER: &str = "a=rtcp-mux\na=ice-ufrag:peer1\na=ice-pwd:peerpeerpeerpeerpeer01\n\
                    a=candidate:1 1 UDP 2130706431 192.0.2.9 6000 typ host\n";

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.to_owned(), pwd: name.repeat(6) }
}

fn host(address: &str, port: u16) -> String {
    format!("1 1 udp 2130706431 {address} {port} typ host")
}

/// One side, whose credentials begin with its name; `spare` are those for restarts of the peer.
fn side(address: &str, name: &str, spare: &[&str], is_offered: bool) -> OfferAnswer {
    let ice = LocalIce {
        credentials: credentials(name),
        spare: spare.iter().map(|name| credentials(name)).collect(),
        candidates: vec![host(address, 4000)],
        is_offered,
    };
    let audio = LocalMedia { ice: Some(ice), ..LocalMedia::audio(4000, vec![Codec::pcmu()]) };
    let origin = Origin { username: "-".into(), session_id: 1, address: address.parse().unwrap() };
    OfferAnswer::new(origin, vec![audio])
}

fn phones() -> (OfferAnswer, OfferAnswer) {
    (side(ALICE, "alice", &["fresh"], true), side(BOB, "bobby", &["spare"], true))
}

fn wire(description: &SessionDescription) -> SessionDescription {
    SessionDescription::parse(&description.to_bytes()).unwrap()
}

/// One exchange, and what was said in it.
fn exchange(from: &mut OfferAnswer, to: &mut OfferAnswer) -> (String, String) {
    let offer = from.make_offer().unwrap();
    answered(from, to, &offer)
}

fn answered(from: &mut OfferAnswer, to: &mut OfferAnswer, offer: &SessionDescription) -> (String, String) {
    to.receive_offer(&wire(offer)).unwrap();
    let answer = to.make_answer().unwrap();
    from.receive_answer(&wire(&answer)).unwrap();
    (offer.to_string(), answer.to_string())
}

fn ice(side: &OfferAnswer) -> Option<&NegotiatedIce> {
    side.negotiated()[0].ice.as_ref()
}

fn ice_lines(text: &str) -> Vec<&str> {
    let is_ice = |line: &&str| {
        ["a=ice-", "a=candidate", "a=end-of-candidates"].iter().any(|start| line.starts_with(start))
    };
    text.lines().filter(is_ice).collect()
}

fn peer(connection: &str, port: u16, lines: &str) -> SessionDescription {
    let text = format!(
        "v=0\no=p 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 {connection}\nt=0 0\nm=audio {port} RTP/AVP 0\n{lines}"
    );
    SessionDescription::parse(text.as_bytes()).unwrap()
}

/// The answer to an offer.
fn answer(side: &mut OfferAnswer, offer: &SessionDescription) -> String {
    side.receive_offer(offer).unwrap();
    side.make_answer().unwrap().to_string()
}

#[test]
fn rule_52_both_sides_name_their_candidates_and_the_offerer_chooses() {
    let (mut alice, mut bob) = phones();
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert_eq!(
        ice_lines(&offer),
        [
            "a=ice-ufrag:alice",
            "a=ice-pwd:alicealicealicealicealicealice",
            "a=ice-options:ice2",
            "a=candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host",
            "a=end-of-candidates"
        ]
    );
    assert!(answer.contains("a=ice-ufrag:bobby") && answer.contains("192.0.2.2 4000 typ host"), "{answer}");
    let (a, b) = (ice(&alice).unwrap(), ice(&bob).unwrap());
    assert_eq!((&a.local, &a.remote), (&b.remote, &b.local));
    assert_eq!((a.is_controlling, b.is_controlling), (true, false));
    assert_eq!(b.remote_candidates, [host(ALICE, 4000)]);
    assert!(a.is_complete && b.is_complete && !a.peer_is_lite);
    // An offer the other way does not change who chooses.
    exchange(&mut bob, &mut alice);
    assert!(ice(&alice).unwrap().is_controlling && !ice(&bob).unwrap().is_controlling);
}

#[test]
fn rule_52_only_a_change_of_both_name_and_password_begins_anew_and_the_answer_follows() {
    let mut bob = side(BOB, "bobby", &["spare"], false);
    let first = answer(&mut bob, &peer("192.0.2.9", 6000, PEER));
    let before = ice(&bob).unwrap().clone();
    let half = |from: &str, to: &str| peer("192.0.2.9", 6000, &PEER.replace(from, to));
    for offer in [
        half("peer1", "peer2"),
        half("peerpeerpeerpeerpeer01", "peerpeerpeerpeerpeer02"),
        half("typ host", "typ host generation 7"),
    ] {
        let again = answer(&mut bob, &offer);
        assert_eq!(ice_lines(&again), ice_lines(&first));
        assert_eq!((&ice(&bob).unwrap().local, &ice(&bob).unwrap().remote), (&before.local, &before.remote));
    }
    let both = PEER.replace("peer1", "peer2").replace("peer01", "peer02");
    let restarted = answer(&mut bob, &peer("192.0.2.9", 6000, &both));
    assert!(
        restarted.contains("a=ice-ufrag:spare") && restarted.contains("a=ice-pwd:sparespare"),
        "{restarted}"
    );
    assert!(restarted.contains("192.0.2.2 4000 typ host"), "{restarted}");
    let after = ice(&bob).unwrap();
    assert!(after.local.restarts(&before.local) && after.remote.restarts(&before.remote));
    assert!(!after.is_controlling);
}

#[test]
fn rule_52_a_restart_of_ours_waits_for_its_answer() {
    let (mut alice, mut bob) = phones();
    exchange(&mut alice, &mut bob);
    let before = ice(&alice).unwrap().clone();
    assert!(alice.restart_ice(0, credentials("again")));
    let offer = alice.make_offer().unwrap();
    assert!(offer.to_string().contains("a=ice-ufrag:again"));
    // Refused: all is as it was, and a description that repeats the session says so.
    alice.rollback();
    assert_eq!(ice(&alice), Some(&before));
    let refresh = alice.repeat_offer().unwrap();
    assert!(refresh.to_string().contains("a=ice-ufrag:alice"));
    answered(&mut alice, &mut bob, &refresh);
    assert_eq!(ice(&alice).map(|ice| &ice.local), Some(&before.local));
    // And tried once more.
    exchange(&mut alice, &mut bob);
    let (a, b) = (ice(&alice).unwrap(), ice(&bob).unwrap());
    assert_eq!((a.local.ufrag.as_str(), a.remote.ufrag.as_str()), ("again", "spare"));
    assert_eq!((&a.local, &a.remote), (&b.remote, &b.local));
    assert!(a.is_controlling && !b.is_controlling);
    // It is done: the next offer is none.
    let (offer, _) = exchange(&mut alice, &mut bob);
    assert!(offer.contains("a=ice-ufrag:again"));
    assert!(!alice.restart_ice(1, credentials("other")));
}

#[test]
fn rule_52_a_restart_without_anything_fresh_is_refused_and_the_session_stays() {
    let mut bob = side(BOB, "bobby", &[], false);
    answer(&mut bob, &peer("192.0.2.9", 6000, PEER));
    assert!(bob.wants_ice_credentials());
    let before = ice(&bob).cloned();
    let restart = peer("192.0.2.9", 6000, &PEER.replace("peer1", "peer2").replace("peer01", "peer02"));
    bob.receive_offer(&restart).unwrap();
    assert_eq!(bob.make_answer(), Err(NegotiationError::NotAcceptable));
    bob.rollback();
    assert_eq!(ice(&bob).cloned(), before);
    bob.stock_ice(|| credentials("stock"));
    assert!(!bob.wants_ice_credentials());
    assert!(answer(&mut bob, &restart).contains("a=ice-ufrag:stock"));
}

#[test]
fn rule_52_a_refresh_of_the_session_begins_nothing() {
    let (mut alice, mut bob) = phones();
    let (first, first_answer) = exchange(&mut alice, &mut bob);
    let before = (ice(&alice).cloned(), ice(&bob).cloned());
    let refresh = alice.repeat_offer().unwrap();
    let (again, again_answer) = answered(&mut alice, &mut bob, &refresh);
    assert_eq!((again, again_answer), (first, first_answer));
    // Nor does a refresh from the side that has answered.
    let refresh = bob.repeat_offer().unwrap();
    let (offer, answer) = answered(&mut bob, &mut alice, &refresh);
    assert!(offer.contains("a=ice-ufrag:bobby") && answer.contains("a=ice-ufrag:alice"));
    assert_eq!((ice(&alice).cloned(), ice(&bob).cloned()), before);
}

#[test]
fn rule_52_candidates_are_kept_on_hold_and_after() {
    let (mut alice, mut bob) = phones();
    let (first, _) = exchange(&mut alice, &mut bob);
    alice.hold();
    let (held, answer) = exchange(&mut alice, &mut bob);
    assert!(held.contains("a=sendonly") && answer.contains("a=recvonly"));
    assert_eq!(ice_lines(&held), ice_lines(&first));
    assert!(ice(&alice).is_some() && ice(&bob).is_some());
    alice.resume();
    let (resumed, _) = exchange(&mut alice, &mut bob);
    assert_eq!(ice_lines(&resumed), ice_lines(&first));
    // Hold in the old style names an address that nobody has; the candidates still count.
    let mut bob = side(BOB, "bobby", &[], false);
    assert!(answer_has_ice(&mut bob, &peer("0.0.0.0", 6000, PEER)));
}

fn answer_has_ice(side: &mut OfferAnswer, offer: &SessionDescription) -> bool {
    let text = answer(side, offer);
    assert!(!text.contains("ice-mismatch"), "{text}");
    ice(side).is_some()
}

#[test]
fn rule_52_an_address_that_is_no_candidate_is_a_mismatch_and_falls_back() {
    let mut bob = side(BOB, "bobby", &["spare"], true);
    for offer in [peer("198.51.100.1", 6000, PEER), peer("192.0.2.9", 6002, PEER)] {
        let text = answer(&mut bob, &offer);
        assert_eq!(ice_lines(&text), ["a=ice-mismatch"]);
        let media = &bob.negotiated()[0];
        assert!(media.ice.is_none() && media.remote_rtp.is_some());
    }
    // What the answer says of ours counts alike, and what it is itself.
    for lines in [
        "a=rtcp-mux\na=ice-mismatch\n".to_owned(),
        format!("{PEER}a=ice-mismatch\n"),
        PEER.replace("6000", "6002"),
    ] {
        let mut alice = side(ALICE, "alice", &[], true);
        alice.make_offer().unwrap();
        alice.receive_answer(&peer("192.0.2.9", 6000, &lines)).unwrap();
        assert!(ice(&alice).is_none() && alice.negotiated()[0].remote_rtp.is_some(), "{lines}");
    }
}

#[test]
fn rule_52_where_reports_have_a_port_of_their_own_media_are_plain() {
    let mut bob = side(BOB, "bobby", &[], true);
    let text = answer(&mut bob, &peer("192.0.2.9", 6000, &PEER.replace("a=rtcp-mux\n", "")));
    assert!(ice_lines(&text).is_empty() && ice(&bob).is_none(), "{text}");
    let mut alice = side(ALICE, "alice", &[], true);
    alice.make_offer().unwrap();
    alice.receive_answer(&peer("192.0.2.9", 6000, &PEER.replace("a=rtcp-mux\n", ""))).unwrap();
    assert!(ice(&alice).is_none());
    // Somebody on the way has taken the candidates out, and left the rest.
    let bare = "a=rtcp-mux\na=ice-ufrag:peer1\na=ice-pwd:peerpeerpeerpeerpeer01\n";
    let text = answer(&mut side(BOB, "bobby", &[], true), &peer("192.0.2.9", 6000, bare));
    assert!(ice_lines(&text).is_empty(), "{text}");
    // A peer without ICE at all is one more.
    let (mut alice, mut bob) = (side(ALICE, "alice", &[], true), side(BOB, "bobby", &[], false));
    bob.make_offer().unwrap();
    assert!(!bob.capabilities().unwrap().to_string().contains("ice-ufrag"));
    bob.rollback();
    let plain = answer(&mut alice, &peer("192.0.2.9", 6000, "a=rtcp-mux\n"));
    assert!(ice_lines(&plain).is_empty() && ice(&alice).is_none());
}

#[test]
fn rule_52_a_peer_that_trickles_may_have_no_candidate_yet() {
    let nothing =
        "a=rtcp-mux\na=ice-ufrag:peer1\na=ice-pwd:peerpeerpeerpeerpeer01\na=ice-options:trickle ice2\n";
    let mut bob = side(BOB, "bobby", &[], false);
    assert!(answer_has_ice(&mut bob, &peer("0.0.0.0", 9, nothing)));
    assert!(!ice(&bob).unwrap().is_complete);
    let ended = format!("{nothing}a=end-of-candidates\n");
    assert!(answer_has_ice(&mut bob, &peer("0.0.0.0", 9, &ended)));
    assert!(ice(&bob).unwrap().is_complete);
    // Without the tag nothing more comes in any case.
    assert!(answer_has_ice(&mut bob, &peer("192.0.2.9", 6000, PEER)) && ice(&bob).unwrap().is_complete);
}

#[test]
fn rule_52_a_lite_peer_leaves_the_choice_to_us() {
    let mut bob = side(BOB, "bobby", &[], false);
    let offer = peer("192.0.2.9", 6000, PEER).to_string().replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n");
    answer(&mut bob, &SessionDescription::parse(offer.as_bytes()).unwrap());
    let ice = ice(&bob).unwrap();
    assert!(ice.peer_is_lite && ice.is_controlling);
}

#[test]
fn credentials_of_the_session_stand_for_its_media() {
    let mut bob = side(BOB, "bobby", &[], false);
    let lines = "a=rtcp-mux\na=candidate:1 1 UDP 2130706431 192.0.2.9 6000 typ host\n";
    let offer = peer("192.0.2.9", 6000, lines)
        .to_string()
        .replace("t=0 0\r\n", "t=0 0\r\na=ice-ufrag:whole\r\na=ice-pwd:wholewholewholewhole01\r\n");
    answer(&mut bob, &SessionDescription::parse(offer.as_bytes()).unwrap());
    assert_eq!(ice(&bob).unwrap().remote.ufrag, "whole");
}

#[test]
fn thousands_of_candidates_are_not_looked_at() {
    let many: String = (0..400)
        .map(|port| format!("a=candidate:{port} 1 udp 1 192.0.2.9 {} typ host\n", 7000 + port))
        .collect();
    let mut bob = side(BOB, "bobby", &[], false);
    assert!(answer_has_ice(&mut bob, &peer("192.0.2.9", 6000, &format!("{PEER}{many}"))));
    assert_eq!(ice(&bob).unwrap().remote_candidates.len(), MAX_CANDIDATES);
}

#[test]
fn rule_52_a_move_takes_the_candidates_along_and_begins_anew() {
    let (mut alice, mut bob) = phones();
    exchange(&mut alice, &mut bob);
    let (from, to) = (ALICE.parse().unwrap(), "192.0.2.77".parse().unwrap());
    alice.set_local_address(to);
    alice.move_ice(from, to, || credentials("moved"));
    let (offer, answer) = exchange(&mut alice, &mut bob);
    assert!(offer.contains("a=ice-ufrag:moved") && offer.contains(" 192.0.2.77 4000 typ host"), "{offer}");
    assert!(answer.contains("a=ice-ufrag:spare"), "{answer}");
    assert_eq!(ice(&bob).unwrap().remote_candidates, [host("192.0.2.77", 4000)]);
}

#[test]
fn passwords_do_not_show_in_logs() {
    let (mut alice, mut bob) = phones();
    exchange(&mut alice, &mut bob);
    let shown = format!("{:?}", alice.negotiated());
    assert!(shown.contains("alice") && !shown.contains("alicealice"), "{shown}");
}
