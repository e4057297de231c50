//! Conversations by text over networks that lose, double and reorder (RFC 4103), on virtual time.

use proptest::prelude::*;
use ringback_rtp::red::Redundant;
use ringback_rtp::text::{ERASE, MISSING, TextReceiver, TextSender, TooMuchText, Transcript};
use ringback_rtp::{PayloadType, SequenceNumber};
use ringback_sansio::{Entropy, SeededEntropy};
use std::time::{Duration, Instant};

const TEXT: PayloadType = PayloadType::new(98).expect("below 128");
const RED: PayloadType = PayloadType::new(100).expect("below 128");

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

/// A packet on the wire.
#[derive(Clone, Debug)]
struct Packet {
    at: Duration,
    sequence: SequenceNumber,
    ticks: u32,
    marker: bool,
    payload_type: PayloadType,
    payload: Vec<u8>,
}

/// What a sender sends who is given these texts at these times, until it is idle.
fn sent(red: Option<PayloadType>, most: u32, texts: &[(u64, &str)]) -> Vec<Packet> {
    let begin = start();
    let mut sender = TextSender::new(begin, TEXT, red, most);
    let mut packets: Vec<Packet> = Vec::new();
    let mut texts = texts.iter().peekable();
    for millis in (0..3_600_000).step_by(10) {
        let at = Duration::from_millis(millis);
        while let Some((_, text)) = texts.next_if(|(when, _)| *when <= millis) {
            sender.push(begin + at, text).expect("room");
        }
        while let Some(packet) = sender.poll(begin + at) {
            // The numbers wrap on the way.
            let sequence = SequenceNumber(65_530_u16.wrapping_add(packets.len() as u16));
            let (ticks, marker, payload_type) = (packet.ticks, packet.marker, packet.payload_type);
            let payload = packet.payload.to_vec();
            packets.push(Packet { at, sequence, ticks, marker, payload_type, payload });
        }
        if sender.is_idle() && texts.peek().is_none() {
            return packets;
        }
    }
    panic!("the sender never rests");
}

fn receive(receiver: &mut TextReceiver, packet: &Packet) -> String {
    if packet.payload_type == RED {
        receiver.receive_redundant(packet.sequence, &Redundant::parse(&packet.payload).expect("RED"));
    } else {
        receiver.receive(packet.sequence, &packet.payload);
    }
    receiver.take()
}

fn received<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> String {
    let mut receiver = TextReceiver::new();
    packets.into_iter().map(|packet| receive(&mut receiver, packet)).collect()
}

#[test]
fn what_is_typed_is_gathered_and_repeated_twice() {
    let packets = sent(Some(RED), 30, &[(1_000, "h"), (1_050, "e"), (1_120, "y"), (9_000, "x")]);
    let times: Vec<u64> = packets.iter().map(|it| it.at.as_millis() as u64).collect();
    // The beginning; the first character at once and the others 300 ms later; two packets that only repeat; and again.
    assert_eq!(times, [0, 300, 600, 1_000, 1_300, 1_600, 1_900, 9_000, 9_300, 9_600]);
    let marked: Vec<u64> = packets.iter().filter(|it| it.marker).map(|it| it.at.as_millis() as u64).collect();
    assert_eq!(marked, [0, 1_000, 9_000]);
    assert!(packets.iter().all(|it| it.payload_type == RED && u128::from(it.ticks) == it.at.as_millis()));
    let last = Redundant::parse(&packets[6].payload).expect("RED");
    let blocks: Vec<_> = last.repeated().map(|it| (it.offset, it.payload.to_vec())).collect();
    assert_eq!(blocks, [(600, b"ey".to_vec()), (300, vec![])]);
    assert_eq!(received(&packets), "heyx", "the beginning is not shown");
}

#[test]
fn two_packets_in_a_row_may_be_lost_and_three_are_marked() {
    let words: Vec<(u64, String)> = (0..10).map(|n| (1_000 + n * 300, format!("{n}"))).collect();
    let words: Vec<(u64, &str)> = words.iter().map(|(at, word)| (*at, word.as_str())).collect();
    let packets = sent(Some(RED), 30, &words);
    let typing = packets.iter().position(|it| it.at.as_millis() == 1_000).expect("typed");
    for (lost, expected) in
        [(1, "0123456789".to_owned()), (2, "0123456789".to_owned()), (3, format!("012{MISSING}456789"))]
    {
        let gap = typing + 3..typing + 3 + lost;
        let kept = packets.iter().enumerate().filter(|(n, _)| !gap.contains(n)).map(|it| it.1);
        assert_eq!(received(kept), expected, "{lost} lost");
    }
    // Without redundancy each loss shows.
    let plain = sent(None, 30, &words);
    let typing = plain.iter().position(|it| it.at.as_millis() == 1_000).expect("typed");
    let kept = plain.iter().enumerate().filter(|(n, _)| *n != typing + 4).map(|it| it.1);
    assert_eq!(received(kept), format!("0123{MISSING}56789"));
}

#[test]
fn nothing_is_shown_twice_or_out_of_order() {
    let words: Vec<(u64, String)> = (0..200).map(|n| (1_000 + n * 170, format!("{n} "))).collect();
    let words: Vec<(u64, &str)> = words.iter().map(|(at, word)| (*at, word.as_str())).collect();
    let packets = sent(Some(RED), 100, &words);
    let expected: String = words.iter().map(|it| it.1).collect();
    for seed in 0..50 {
        let mut random = SeededEntropy::new(seed);
        let mut wire: Vec<(u64, &Packet)> = Vec::new();
        let mut is_lost = false;
        for packet in &packets {
            // One is lost, and the next may be late: more than two that are not there yet are taken for lost.
            is_lost = random.below(4) == 0 && !is_lost;
            for _ in 0..(if is_lost { 0 } else { 1 + random.below(2) }) {
                // Some overtake the one before.
                wire.push((packet.at.as_millis() as u64 + random.below(400), packet));
            }
        }
        wire.sort_by_key(|it| it.0);
        // The last ones may be lost, as nothing follows them.
        let text = received(wire.iter().map(|it| it.1));
        assert!(expected.starts_with(text.trim_end_matches(char::is_numeric)), "seed {seed}: {text}");
        assert!(text.len() + 12 > expected.len(), "seed {seed}: {text}");
    }
}

#[test]
fn no_ten_seconds_have_more_characters_than_the_peer_takes() {
    let page = "ä".repeat(2_000);
    let packets = sent(Some(RED), 30, &[(0, &page)]);
    let new = |packet: &Packet| {
        let text = Redundant::parse(&packet.payload).expect("RED").payload.to_vec();
        String::from_utf8(text).expect("UTF-8").chars().count()
    };
    for first in &packets {
        let span = first.at..first.at + Duration::from_secs(10);
        let count: usize = packets.iter().filter(|it| span.contains(&it.at)).map(new).sum();
        assert!(count <= 300, "{count} characters from {:?} on", first.at);
    }
    assert_eq!(received(&packets), page);
    assert!(packets.last().expect("many").at < Duration::from_secs(80));
}

#[test]
fn lines_erasures_and_controls_come_as_they_are_meant() {
    let mut receiver = TextReceiver::new();
    let mut hear = |n: u16, text: &[u8]| {
        receiver.receive(SequenceNumber(n), text);
        receiver.take()
    };
    assert_eq!(
        hear(1, "\u{feff}one\u{2028}two\r\nthree\rfour\nfive\u{8}\u{7}".as_bytes()),
        "one\ntwo\nthree\nfour\nfive\u{8}"
    );
    assert_eq!(hear(2, "\u{1b}[1;31mred\u{9b}0m \u{1b}Gx\u{1}".as_bytes()), "red x");
    assert_eq!(hear(3, b"\x1b"), "");
    assert_eq!(hear(4, b"[2J\xff"), format!("{MISSING}"));
    let mut sender = TextSender::new(start(), TEXT, None, 30);
    sender.push(start(), "a\u{1b}[31m\u{7}\nb").expect("room");
    let packet = sender.poll(start() + Duration::from_secs(1)).expect("due");
    assert_eq!(packet.payload, "\u{feff}a[31m\u{2028}b".as_bytes());
}

#[test]
fn what_waits_stays_bounded_on_either_side() {
    let begin = start();
    let mut sender = TextSender::new(begin, TEXT, None, 30);
    assert_eq!(sender.push(begin, &"x".repeat(8_192)), Err(TooMuchText));
    sender.push(begin, &"x".repeat(8_000)).expect("room");
    assert_eq!(sender.push(begin, &"x".repeat(200)), Err(TooMuchText));
    let mut receiver = TextReceiver::new();
    for n in 0..1_000 {
        receiver.receive(SequenceNumber(n), &[b'x'; 1_000]);
    }
    let text = receiver.take();
    assert!(text.len() < 20_000 && text.ends_with(MISSING));
    let mut transcript = Transcript::default();
    let lines = transcript.push(&"y".repeat(100_000));
    assert!(lines.iter().all(|line| line.len() <= 1_024) && transcript.line().len() < 1_024);
}

#[test]
fn erasing_ends_where_the_line_begins() {
    let mut transcript = Transcript::default();
    let erase = ERASE.to_string();
    assert_eq!(transcript.push(&format!("ab{}c\nde{erase}", erase.repeat(9))), ["c"]);
    assert_eq!(transcript.line(), "d");
    assert_eq!((transcript.end().as_str(), transcript.line()), ("d", ""));
}

proptest! {
    #[test]
    fn whatever_comes_is_shown_without_controls(
        packets in prop::collection::vec((any::<u16>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..40),
    ) {
        let mut receiver = TextReceiver::new();
        for (sequence, is_red, payload) in packets {
            match Redundant::parse(&payload) {
                Ok(redundant) if is_red => receiver.receive_redundant(SequenceNumber(sequence), &redundant),
                _ => receiver.receive(SequenceNumber(sequence), &payload),
            }
            let text = receiver.take();
            prop_assert!(!text.chars().any(|it| it.is_control() && it != '\n' && it != ERASE), "{:?}", text);
        }
    }

    #[test]
    fn what_is_pushed_arrives(texts in prop::collection::vec("[a-zäß€😀 \n]{0,20}", 0..10)) {
        let given: Vec<(u64, &str)> = (0..).map(|n| n * 137).zip(texts.iter().map(String::as_str)).collect();
        prop_assert_eq!(received(&sent(Some(RED), 50, &given)), texts.concat());
    }
}
