//! RFC 4733 §5: the example of table 5 (the digits 911), with packets lost, doubled and swapped.

use ringback_rtp::event::{Event, EventReceiver, EventReport, EventSender};
use ringback_rtp::{RtpPacket, RtpTime};
use serde_json::Value;
use std::time::{Duration, Instant};

const FIXTURE: &str = include_str!("fixtures/rfc4733.json");

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

fn fixture() -> Value {
    serde_json::from_str(FIXTURE).expect("the fixture is JSON")
}

fn octets(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("a string of hex digits");
    let pairs = (0..hex.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits")).collect()
}

/// `(time in ms, sequence number, packet)` of table 5.
fn table() -> Vec<(u64, u64, Vec<u8>)> {
    let fixture = fixture();
    let rows = fixture["table5"].as_array().expect("rows");
    let number = |row: &Value, name: &str| row[name].as_u64().expect("a number");
    rows.iter().map(|row| (number(row, "time_ms"), number(row, "seq"), octets(&row["rtp_hex"]))).collect()
}

/// What a receiver reports of these packets: the digits, and their lengths in ticks.
fn hear(packets: &[(u64, u64, Vec<u8>)]) -> (String, Vec<u64>) {
    let begin = start();
    let mut receiver = EventReceiver::new();
    for (at, _, datagram) in packets {
        let now = begin + Duration::from_millis(*at);
        let packet = RtpPacket::parse(datagram).expect("the fixture is RTP");
        receiver.receive(now, packet.time, packet.payload);
    }
    receiver.handle_timeout(begin + Duration::from_secs(5));
    let mut heard = (String::new(), Vec::new());
    while let Some(report) = receiver.poll() {
        match report {
            EventReport::Started(event) => heard.0.extend(event.digit()),
            EventReport::Ended(_, duration) => heard.1.push(duration),
        }
    }
    heard
}

#[test]
fn table_5_is_heard_as_911() {
    assert_eq!(hear(&table()), ("911".to_owned(), vec![1_600, 2_000, 1_760]));
}

#[test]
fn losses_duplicates_and_swaps_leave_every_digit_once() {
    let fixture = fixture();
    let variants = fixture["loss_variants"].as_array().expect("variants");
    let has = |list: &Value, sequence: u64| {
        list.as_array().is_some_and(|list| list.iter().any(|it| it.as_u64() == Some(sequence)))
    };
    for variant in variants {
        let mut packets = table();
        packets.retain(|(_, sequence, _)| !has(&variant["drop_seq"], *sequence));
        let doubled: Vec<_> =
            packets.iter().filter(|it| has(&variant["duplicate_seq"], it.1)).cloned().collect();
        packets.extend(doubled);
        packets.sort_by_key(|(at, sequence, _)| (*at, *sequence));
        for pair in variant["swap_seq"].as_array().into_iter().flatten() {
            let place =
                |n: usize| packets.iter().position(|it| Some(it.1) == pair[n].as_u64()).expect("listed");
            let (a, b) = (place(0), place(1));
            packets.swap(a, b);
        }
        let expected = variant["expect"].as_str().and_then(|it| it.split(':').next()).expect("digits");
        assert_eq!(hear(&packets).0, expected, "{variant}");
    }
}

#[test]
fn odd_payloads_are_survived() {
    let heard = |hex: &str| {
        let mut receiver = EventReceiver::new();
        receiver.receive(start(), RtpTime(0), &octets(&Value::from(hex)));
        receiver.reset();
        std::iter::from_fn(|| receiver.poll()).filter(|it| matches!(it, EventReport::Started(_))).count()
    };
    let expected = [
        ("01", 0),
        ("018a0000", 0),
        ("010affff", 1),
        ("ff0a0320", 0),
        ("010a0190020a0190", 2),
        ("014a0190", 1),
    ];
    let fixture = fixture();
    let listed: Vec<_> = fixture["payload_oddities"]
        .as_array()
        .expect("oddities")
        .iter()
        .map(|it| it["payload_hex"].as_str().expect("hex"))
        .collect();
    assert_eq!(listed, expected.map(|(hex, _)| hex));
    for (hex, starts) in expected {
        assert_eq!(heard(hex), starts, "{hex}");
    }
}

#[test]
fn our_sender_writes_the_third_digit_as_table_5_does() {
    // 220 ms in packets of 50 ms: four updates, then the end three times.
    let mut sender = EventSender::new(20, 0);
    sender.push(Event(1), 1_760).expect("room");
    let ours: Vec<_> = (0..10)
        .filter_map(|period| sender.poll(RtpTime(11_200 + period * 400), RtpTime(11_600 + period * 400)))
        .collect();
    let table: Vec<_> = table().into_iter().filter(|it| it.1 >= 14).collect();
    assert_eq!(ours.len(), table.len());
    for (ours, (_, sequence, theirs)) in ours.iter().zip(&table) {
        let theirs = RtpPacket::parse(theirs).expect("the fixture is RTP");
        assert_eq!(
            (ours.time, ours.marker, &ours.payload.octets()[..]),
            (theirs.time, theirs.marker, theirs.payload),
            "packet {sequence}"
        );
    }
}
