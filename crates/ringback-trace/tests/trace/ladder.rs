//! Diagrams of a whole call, and of messages that mean harm.

use crate::scene::{EPOCH, Scene, at, sdp};
use bytes::Bytes;
use proptest::prelude::*;
use ringback_sansio::Protocol;
use ringback_trace::{Calls, LadderPrinter, Names, Outcome, Packet, TextStyle};
use std::time::Duration;

fn collected(packets: &[Packet]) -> Calls {
    let mut calls = Calls::new();
    for packet in packets {
        assert!(calls.add(packet), "{packet:?}");
    }
    calls
}

/// Every tag is closed in order, and there is no text outside of tags that looks like one.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("a tag without end: {part}"));
        assert!(!text.contains(|it: char| it.is_control() && it != '\n'), "{text:?}");
        let name = tag.split([' ', '/']).find(|it| !it.is_empty()).unwrap_or_default();
        assert!(["svg", "title", "style", "rect", "text", "path", "g"].contains(&name), "<{tag}>");
        assert_eq!(tag.matches('\'').count() % 2, 0, "{tag}");
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name), "closing {name}"),
            (false, false) => open.push(name),
            (false, true) => {}
        }
        for entity in text.split('&').skip(1) {
            assert!(
                ["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|it| entity.starts_with(it)),
                "{entity}"
            );
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_call_through_a_proxy_is_drawn_as_expected() {
    let scene = Scene::call();
    let calls = collected(&scene.packets);
    let call = calls.find("c4ll@example.com").expect("the call");
    let text = call.ladder(&scene.names()).text(&TextStyle { width: 90, ..Default::default() });
    assert_eq!(text, include_str!("call.txt"), "drawn:\n{text}");
    let svg = call.ladder(&scene.names()).svg();
    assert_well_formed(&svg);
    for part in [">Alice<", ">127.0.0.1:5060<", ">INVITE ↻<", ">SDP sendonly<", ">DTMF 5<", ">+2.9 s<"] {
        assert!(svg.contains(part), "{part}");
    }
}

#[test]
fn the_live_rows_are_those_of_the_diagram() {
    let mut scene = Scene::call_over(Protocol::Tcp);
    scene.packets.retain(|it| it.protocol == Protocol::Tcp);
    let style = TextStyle { width: 90, ..Default::default() };
    let whole = collected(&scene.packets).iter().next().map(|it| it.ladder(&scene.names()).text(&style));
    let mut printer = LadderPrinter::new(&["Alice", "ringback", "Bob"], scene.names(), style);
    let mut live = printer.header();
    scene.packets.iter().for_each(|it| live += &printer.message(it));
    live += &printer.footer();
    assert_eq!(Some(live), whole);
}

#[test]
fn live_rows_mark_what_is_sent_again_and_name_strangers() {
    let mut scene = Scene::new(Protocol::Udp);
    let ends = (scene.alice, scene.proxy);
    scene.sip(0, ends, "OPTIONS sip:example.com SIP/2.0", "1 OPTIONS", "", "");
    scene.sip(500, ends, "OPTIONS sip:example.com SIP/2.0", "1 OPTIONS", "", "");
    let stranger = "203.0.113.9:5060".parse().expect("an address");
    scene.sip(600, (stranger, scene.proxy), "OPTIONS sip:example.com SIP/2.0", "1 OPTIONS", "", "");
    let mut printer = LadderPrinter::new(&["Alice", "ringback"], scene.names(), TextStyle::default());
    let rows: Vec<String> = scene.packets.iter().map(|it| printer.message(it)).collect();
    assert!(!rows[0].contains('↻') && rows[1].contains("OPTIONS ↻"), "{rows:?}");
    assert!(rows[2].contains("OPTIONS from 203.0.113.9:5060 to ringback"), "{rows:?}");
    let row = printer.media(EPOCH + Duration::from_secs(3), scene.alice, scene.proxy, "RTP PCMA");
    assert!(row.starts_with("  +2.4 s ") && row.contains("◀══") && row.contains("══▶"), "{row}");
    assert!(printer.note(EPOCH, "Bob is \x1b[31mheld").contains("Bob is \\u{1b}[31mheld"));
}

#[test]
fn the_story_tells_what_the_diagram_shows() {
    let scene = Scene::call();
    let calls = collected(&scene.packets);
    let call = calls.iter().next().expect("the call");
    let story: Vec<String> = call.story(&scene.names()).iter().map(|it| it.trim_start().to_owned()).collect();
    assert_eq!(
        story,
        [
            "0.000  Alice calls sip:bob@example.com",
            "0.001  ringback asks for credentials",
            "0.003  Alice calls again, with credentials",
            "0.507  Bob rings",
            "2.010  Bob answers",
            "2.020  audio flows from Alice to Bob: 149 packets of PCMA, 0 lost",
            "2.031  audio flows from Bob to Alice: 148 packets of PCMA, 1 lost",
            "4.200  Alice dials 5",
            "5.001  Alice puts the call on hold",
            "8.001  Alice resumes the call",
            "8.020  audio flows from Alice to Bob: 99 packets of PCMA, 0 lost",
            "8.023  audio flows from Bob to Alice: 99 packets of PCMA, 0 lost",
            "10.011  Bob hangs up",
            "1 of 29 messages had to be sent again",
        ]
    );
    let outcome = call.outcome();
    let setup = Duration::from_millis(2_010);
    assert_eq!(outcome, Outcome::Completed { setup, talked: Duration::from_millis(8_001) });
    assert_eq!(outcome.to_string(), "answered after 2.0 s, talked for 8.0 s");
    assert_eq!(
        call.summary(&scene.names()),
        "INVITE sip:alice@example.com → sip:bob@example.com by Alice: answered after 2.0 s, talked for 8.0 s \
         (29 messages, 495 RTP packets)"
    );
}

#[test]
fn the_hints_say_what_matters() {
    let mut scene = Scene::new(Protocol::Udp);
    let ends = (scene.alice, scene.proxy);
    let proof = "Authorization: Digest username=\"a\"\r\n";
    for (start, cseq, extra, body) in [
        ("REGISTER sip:x SIP/2.0", "1 REGISTER", format!("{proof}Expires: 0\r\n"), String::new()),
        ("REGISTER sip:x SIP/2.0", "3 REGISTER", format!("{proof}Expires: 60\r\n"), String::new()),
        ("INVITE sip:x SIP/2.0", "4 INVITE", String::new(), sdp(4_000, "inactive", 1)),
        ("INVITE sip:x SIP/2.0", "5 INVITE", String::new(), sdp(0, "sendrecv", 1)),
        ("INVITE sip:x SIP/2.0", "6 INVITE", String::new(), "v=0\r\nnonsense".to_owned()),
        ("ACK sip:x SIP/2.0", "6 ACK", proof.to_owned(), String::new()),
    ] {
        scene.sip(0, ends, start, cseq, &extra, &body);
    }
    let text = collected(&scene.packets).ladder("x", &scene.names()).text(&TextStyle::default());
    for hint in [
        " REGISTER (expires 0 · credentials) ",
        " REGISTER (credentials) ",
        " INVITE (SDP inactive) ",
        " INVITE (SDP refused) ",
        " INVITE (SDP) ",
        "─ ACK ─",
    ] {
        assert!(text.contains(hint), "{hint} in\n{text}");
    }
}

#[test]
fn messages_are_shown_in_full() {
    let scene = Scene::call();
    let calls = collected(&scene.packets);
    let call = calls.iter().next().expect("the call");
    assert_eq!(call.messages().len(), call.message_count());
    let bye = call.messages().find(|it| it.contains("  BYE ")).expect("a BYE");
    let expected =
        "10.011  127.0.0.1:40733 → 127.0.0.1:5060 UDP\n  BYE sip:alice@127.0.0.1:40612 SIP/2.0\n  Via: ";
    assert!(bye.starts_with(expected), "{bye}");
    assert!(call.messages().any(|it| it.starts_with("0.505 ") && it.contains("UDP, again\n")));
}

#[test]
fn calls_that_fail_say_how() {
    let invite = "INVITE sip:bob@example.com SIP/2.0";
    for (responses, expected) in [
        (&[][..], "no final response"),
        (&["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"][..], "no final response"),
        (&["SIP/2.0 486 Busy Here"][..], "486 Busy Here"),
        (&["SIP/2.0 180 Ringing", "SIP/2.0 487 Request Terminated"][..], "cancelled"),
        (&["SIP/2.0 200 OK"][..], "answered after 10 ms"),
    ] {
        let mut scene = Scene::new(Protocol::Udp);
        let (there, back) = ((scene.alice, scene.bob), (scene.bob, scene.alice));
        scene.sip(0, there, invite, "1 INVITE", "", &sdp(4_000, "sendrecv", 1));
        for (millis, response) in (10..).step_by(10).zip(responses) {
            scene.sip(millis, back, response, "1 INVITE", "", "");
        }
        let calls = collected(&scene.packets);
        assert_eq!(calls.iter().next().map(|it| it.outcome().to_string()).as_deref(), Some(expected));
    }
}

#[test]
fn calls_and_registrations_of_a_capture_make_one_diagram() {
    let mut scene = Scene::call();
    let packets = std::mem::take(&mut scene.packets);
    let text = "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKr\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\n\
                From: <sip:bob@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nContent-Length: 0\r\n\r\n";
    scene.send(0, scene.bob, scene.proxy, text);
    scene.packets.extend(packets);
    let calls = collected(&scene.packets);
    assert_eq!(calls.len(), 2);
    let drawn = calls.ladder("Everything", &scene.names()).text(&TextStyle::default());
    assert_eq!((drawn.matches("REGISTER").count(), drawn.matches(" BYE ").count()), (1, 4));
}

#[test]
fn a_connection_belongs_to_whoever_opened_it() {
    // Alice listens at 5070 and opens a connection from some port; the proxy opens one to Bob.
    let mut scene = Scene::new(Protocol::Tcp);
    let (alice, outward) = (at("192.0.2.1:5070"), at("192.0.2.1:49152"));
    let (proxy, onward, bob) = (at("192.0.2.9:5060"), at("192.0.2.9:49153"), at("192.0.2.2:5060"));
    let options = |via: &str| {
        format!(
            "OPTIONS sip:bob@x SIP/2.0\r\nVia: SIP/2.0/TCP {via};branch=z9hG4bK1\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
             From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    scene.send(0, outward, proxy, &options("192.0.2.1:5070"));
    scene.send(1, onward, bob, &options("192.0.2.9"));
    let text = collected(&scene.packets).ladder("x", &Names::new()).text(&TextStyle::default());
    let heads: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(heads, [alice.to_string(), proxy.to_string(), bob.to_string()]);

    let mut names = Names::new();
    names.add(alice, "Alice").add(proxy, "proxy").add(bob, "Bob");
    let mut printer = LadderPrinter::new(&["Alice", "proxy", "Bob"], names, TextStyle::default());
    let rows: String = scene.packets.iter().map(|it| printer.message(it)).collect();
    assert_eq!(rows.matches("─ OPTIONS ─").count(), 2, "{rows}");
}

#[test]
fn fault_47_nothing_that_a_peer_writes_acts_on_a_terminal_or_a_page() {
    let mut scene = Scene::new(Protocol::Udp);
    let (there, back) = ((scene.alice, scene.bob), (scene.bob, scene.alice));
    scene.sip(0, there, "INVITE sip:bob@example.com SIP/2.0", "1 INVITE", "", "");
    scene.sip(1, back, "SIP/2.0 486 \x1b]0;owned\x07<script>alert('1')</script>\u{202e}", "1 INVITE", "", "");
    let harm = "\x1b[2J</title><script>&\"'";
    let text = format!(
        "MESSAGE sip:{harm} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKm\r\nFrom: <sip:{harm}>;tag=1\r\n\
         To: {harm}\r\nCall-ID: {harm}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
    );
    scene.send(2, scene.alice, scene.bob, &text);
    let mut names = Names::new();
    names.add(scene.alice, "<b>\x1b[1mAlice");
    let calls = collected(&scene.packets);
    for call in calls.iter() {
        let ladder = call.ladder(&names);
        assert_well_formed(&ladder.svg());
        let shown =
            ladder.text(&TextStyle::default()) + &call.story(&names).concat() + call.call_id() + call.from();
        assert!(!shown.contains(|it: char| it.is_control() && it != '\n' || it == '\u{202e}'), "{shown:?}");
    }
    assert_eq!(calls.len(), 2);
}

#[test]
fn a_flood_of_messages_and_participants_is_bounded() {
    let mut calls = Calls::new();
    let mut scene = Scene::new(Protocol::Udp);
    for n in 0..3_000u32 {
        let source = std::net::SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 5060));
        scene.sip(u64::from(n), (source, scene.proxy), "OPTIONS sip:a SIP/2.0", "1 OPTIONS", "", "");
    }
    let taken = scene.packets.iter().filter(|it| calls.add(it)).count();
    assert_eq!(taken, 2_000);
    let ladder = calls.iter().next().expect("one call").ladder(&Names::new());
    let text = ladder.text(&TextStyle::default());
    assert!(text.lines().all(|it| it.chars().count() <= 160), "{}", text.lines().next().unwrap_or_default());
    assert!(text.contains("others") && text.contains("1000 further messages"));
}

proptest! {
    #[test]
    fn any_octets_give_a_diagram_or_nothing(
        lines in prop::collection::vec(
            (0usize..8, prop::collection::vec(any::<u8>(), 0..40)), 0..8
        ),
        width in 0usize..300,
        unicode in any::<bool>(),
    ) {
        let mut octets = b"INVITE sip:x SIP/2.0\r\nCall-ID: 1\r\n".to_vec();
        let names: [&[u8]; 8] = [b"From: ", b"To: ", b"CSeq: 1 ", b"Call-ID: ", b"Authorization: ", b"v=0\r\n", b"\r\n", b"SIP/2.0 200 "];
        for (name, value) in lines {
            octets.extend(names[name]);
            octets.extend(value.iter().filter(|it| **it != b'\n'));
            octets.extend(b"\r\n");
        }
        octets.extend(b"\r\n");
        let mut scene = Scene::new(Protocol::Udp);
        scene.send(0, scene.alice, scene.bob, "");
        scene.packets[0].payload = Bytes::from(octets);
        let mut calls = Calls::new();
        if calls.add(&scene.packets[0]) {
            let ladder = calls.ladder("any", &scene.names());
            assert_well_formed(&ladder.svg());
            let text = ladder.text(&TextStyle { width, unicode, colour: false });
            prop_assert!(!text.contains(|it: char| it.is_control() && it != '\n'));
        }
    }
}
