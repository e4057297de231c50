//! Two legs and a network that loses, on virtual time.

use super::*;
use ringback_rtp::rtcp::{
    Compound, Feedback, RtcpPacket, write_full_intra_request, write_maximum_rate, write_nack,
    write_rate_request, write_receiver_report,
};
use ringback_rtp::{RtpPacket, RtpTime, SequenceNumber};
use ringback_sdp::{FeedbackKind, LocalMedia, OfferAnswer, Origin, SessionDescription};
use std::sync::Arc;

const STEP: Duration = Duration::from_millis(5);

/// What two sides agree on that both have VP8, these kinds of feedback, and maybe retransmissions.
fn agreed(kinds: &[FeedbackKind], has_repair: bool) -> [NegotiatedMedia; 2] {
    let side = |address: &str, number: u8| {
        let mut codecs = vec![Codec::new(number, "VP8", 90_000).unwrap()];
        if has_repair {
            codecs.push(Codec::retransmission(number + 1, number).unwrap());
        }
        let feedback = FeedbackSet::of(kinds.iter().copied());
        let video = LocalMedia { feedback, ..LocalMedia::video(4_000, codecs) };
        let origin = Origin { username: "-".into(), session_id: 1, address: address.parse().unwrap() };
        OfferAnswer::new(origin, vec![video])
    };
    let (mut alice, mut bob) = (side("192.0.2.1", 96), side("192.0.2.2", 100));
    let offer = alice.make_offer().unwrap().to_bytes();
    bob.receive_offer(&SessionDescription::parse(&offer).unwrap()).unwrap();
    let answer = bob.make_answer().unwrap().to_bytes();
    alice.receive_answer(&SessionDescription::parse(&answer).unwrap()).unwrap();
    [alice.negotiated()[0].clone(), bob.negotiated()[0].clone()]
}

fn at(party: usize) -> SocketAddr {
    ["192.0.2.1:4000", "192.0.2.2:4000"][party].parse().unwrap()
}

/// Two legs: the first sends pictures of four packets, the second takes them.
struct World {
    now: Instant,
    legs: [VideoLeg; 2],
    /// Whether the n-th datagram with a picture is lost.
    loses: fn(usize) -> bool,
    sent: usize,
    sequence: u16,
    key_due: bool,
    got: Vec<VideoPacket>,
    /// Datagrams of the second leg, all of them RTCP.
    told: Vec<Vec<u8>>,
    events: Vec<VideoLegEvent>,
}

impl World {
    fn new(kinds: &[FeedbackKind], has_repair: bool, loses: fn(usize) -> bool) -> Self {
        let now = crate::video::start();
        let epoch = Epoch { at: now, unix: Duration::from_secs(1_800_000_000) };
        let mut seed = 0;
        let legs = agreed(kinds, has_repair).map(|agreed| {
            seed += 1;
            let config = VideoLegConfig { agreed, cname: format!("leg {seed}"), epoch };
            VideoLeg::new(now, config, &mut SeededEntropy::new(seed))
        });
        Self {
            now,
            legs,
            loses,
            sent: 0,
            sequence: 65_500,
            key_due: true,
            got: Vec::new(),
            told: Vec::new(),
            events: Vec::new(),
        }
    }

    fn packet(&mut self, fragment: u8) -> VideoPacket {
        self.sequence = self.sequence.wrapping_add(1);
        let is_key = fragment == 0 && std::mem::take(&mut self.key_due);
        VideoPacket {
            stream: StreamId(0),
            rid: None,
            format: Codec::new(111, "VP8", 90_000).unwrap().into(),
            marker: fragment == 3,
            sequence: SequenceNumber(self.sequence),
            time: RtpTime(1_000 + self.sent as u32),
            payload: [&[if fragment == 0 { 0x10 } else { 0 }, u8::from(!is_key)][..], &[7; 200]]
                .concat()
                .into(),
        }
    }

    fn run(&mut self, pictures: usize) {
        for _ in 0..pictures {
            for fragment in 0..4 {
                let packet = self.packet(fragment);
                let mut out = Vec::new();
                if self.legs[0].send(self.now, 0, &packet, &mut out) {
                    self.pass(0, out);
                }
            }
            for _ in 0..6 {
                self.now += STEP;
                self.turn();
            }
        }
    }

    /// Both legs send what they have to; what arrives arrives within the step.
    fn turn(&mut self) {
        for party in 0..2 {
            let mut out = Vec::new();
            while self.legs[party].poll_transmit(self.now, &mut out).is_some() {
                if party == 1 {
                    self.told.push(out.clone());
                }
                self.pass(party, std::mem::take(&mut out));
            }
        }
        while let Some(event) = self.legs[0].poll_event() {
            self.key_due |= matches!(event, VideoLegEvent::KeyFrameWanted { .. });
            self.events.push(event);
        }
    }

    fn pass(&mut self, from: usize, mut datagram: Vec<u8>) {
        let is_picture = from == 0 && !(192..224).contains(&datagram[1]);
        self.sent += usize::from(is_picture);
        if is_picture && (self.loses)(self.sent) {
            return;
        }
        match self.legs[1 - from].receive(self.now, at(from), &mut datagram) {
            Ok(VideoIncoming::Packet(packet)) => self.got.push(packet),
            Ok(VideoIncoming::Late | VideoIncoming::Rtcp) => {}
            Err(refused) => panic!("refused: {refused}"),
        }
    }

    /// How often the second leg has told something that `is` says.
    fn count(&self, is: impl Fn(&Feedback<'_>) -> bool) -> usize {
        let feedback = |datagram: &Vec<u8>| {
            let compound = Compound::parse(datagram).expect("what goes is a whole compound");
            compound
                .packets()
                .filter(|packet| matches!(packet, RtcpPacket::Feedback { feedback, .. } if is(feedback)))
                .count()
        };
        self.told.iter().map(feedback).sum()
    }

    /// The numbers that came, in their order, from the first.
    fn numbers(&self) -> Vec<u16> {
        let first = self.got[0].sequence;
        let mut numbers: Vec<u16> =
            self.got.iter().map(|it| it.sequence.distance_from(first) as u16).collect();
        numbers.sort_unstable();
        numbers
    }
}

#[test]
fn what_is_lost_is_asked_for_and_comes_in_a_stream_of_its_own_or_as_it_was() {
    use FeedbackKind::{Nack, PictureLoss};
    for has_repair in [true, false] {
        let mut world = World::new(&[Nack, PictureLoss], has_repair, |n| n % 10 == 3);
        world.run(100);
        (0..100).for_each(|_| {
            world.now += STEP;
            world.turn();
        });
        assert_eq!(world.numbers(), (0..400).collect::<Vec<u16>>(), "repair: {has_repair}");
        let (sender, receiver) = (world.legs[0].stats(), world.legs[1].stats());
        assert_eq!((receiver.lost, receiver.packets_received), (0, 400));
        assert!((40..=60).contains(&receiver.recovered), "{receiver:?}");
        assert!(sender.sent_again >= receiver.recovered && sender.sent_again < 80, "{sender:?}");
        assert!((30..=80).contains(&world.count(|it| matches!(it, Feedback::Nack(_)))));
        assert_eq!(world.count(|it| matches!(it, Feedback::PictureLoss)), 0);
        // Reports have come and gone: the way there and back takes less than a step.
        assert!(sender.round_trip.is_some_and(|it| it <= STEP), "{sender:?}");
        let first = &world.got[0];
        assert_eq!((first.format.payload_type(), first.marker, first.stream), (96, false, StreamId(0)));
        assert!(world.got.iter().all(|it| it.payload.len() == 202));
    }
}

#[test]
fn protected_packets_are_sent_again_as_well() {
    use ringback_sdp::Word;
    let key = |letter: &str| format!("inline:{}", letter.repeat(40));
    let crypto = |local: &str, remote: &str| NegotiatedCrypto {
        suite: Word::new("AES_CM_128_HMAC_SHA1_80").unwrap(),
        local: key(local),
        remote: key(remote),
    };
    for has_repair in [true, false] {
        let mut world = World::new(&[FeedbackKind::Nack], has_repair, |n| n % 10 == 3);
        world.legs[0].secure(Some(&crypto("A", "B"))).unwrap();
        world.legs[1].secure(Some(&crypto("B", "A"))).unwrap();
        world.run(50);
        let stats = world.legs[1].stats();
        assert!(stats.encryption.is_some() && stats.forged == 0 && stats.recovered >= 18, "{stats:?}");
        // What nobody can read is not to be looked into.
        world.told.clear();
    }
}

#[test]
fn what_never_comes_is_given_up_and_a_key_frame_is_asked_for() {
    use FeedbackKind::{FullIntraRequest, Nack, PictureLoss};
    for (kinds, is_loss) in
        [(&[Nack, PictureLoss, FullIntraRequest][..], true), (&[FullIntraRequest], false), (&[], true)]
    {
        let mut world = World::new(kinds, true, |_| false);
        world.run(10);
        // More than anybody would ask for.
        world.loses = |_| true;
        world.run(60);
        world.loses = |_| false;
        world.run(60);
        let asked = |world: &World| {
            (
                world.count(|it| matches!(it, Feedback::PictureLoss)),
                world.count(|it| matches!(it, Feedback::FullIntraRequest(_))),
            )
        };
        let (losses, requests) = asked(&world);
        assert!(world.legs[1].stats().lost >= 240, "{:?}", world.legs[1].stats());
        match (kinds.is_empty(), is_loss) {
            (true, _) => assert_eq!((losses, requests), (0, 0)),
            (false, true) => assert!((1..5).contains(&losses) && requests == 0, "{losses}, {requests}"),
            (false, false) => assert!(losses == 0 && (1..5).contains(&requests), "{losses}, {requests}"),
        }
        assert_eq!(world.events.contains(&VideoLegEvent::KeyFrameWanted { line: 0 }), !kinds.is_empty());
    }
}

#[test]
fn the_application_may_ask_for_a_key_frame_as_often_as_it_likes() {
    let mut world = World::new(&[FeedbackKind::PictureLoss], false, |_| false);
    world.run(10);
    for _ in 0..30 {
        world.legs[1].request_key_frame(StreamId(0));
        world.legs[1].request_key_frame(StreamId(9));
        world.run(1);
    }
    // Nine hundred milliseconds, and each request is answered.
    let asked = world.count(|it| matches!(it, Feedback::PictureLoss));
    assert!((3..=4).contains(&asked), "{asked}");
    assert_eq!(world.legs[1].stats().key_frames_asked, asked as u64);
}

/// Feedback of the peer about the first stream of a leg, whose number is `ours`.
fn told(ours: Ssrc, write: impl FnOnce(&mut Vec<u8>, Ssrc)) -> Vec<u8> {
    let mut out = Vec::new();
    write_receiver_report(&mut out, Ssrc(5), &[]);
    write(&mut out, ours);
    out
}

#[test]
fn a_storm_of_questions_is_answered_in_measure() {
    let mut world = World::new(&[FeedbackKind::Nack], true, |_| false);
    world.run(100);
    let ours = world.legs[0].lines[0].ssrc;
    let newest = world.got.last().unwrap().sequence;
    for _ in 0..50 {
        let all = (0..400u16).map(|n| SequenceNumber(newest.0.wrapping_sub(400 - n)));
        let mut datagram = told(ours, |out, ours| write_nack(out, Ssrc(5), ours, all));
        world.legs[0].receive(world.now, at(1), &mut datagram).unwrap();
        world.turn();
        world.now += Duration::from_millis(1);
    }
    assert!(world.legs[0].stats().sent_again < 400, "{:?}", world.legs[0].stats());
    assert!(world.legs[0].again.len() <= MAX_AGAIN);
}

#[test]
fn requests_and_limits_of_the_peer_are_told_once() {
    let mut world = World::new(&[FeedbackKind::RateRequest], false, |_| false);
    world.run(1);
    let ours = world.legs[0].lines[0].ssrc;
    for number in [7, 7, 8] {
        let mut datagram =
            told(ours, |out, ours| write_full_intra_request(out, Ssrc(5), &[(ours, number), (Ssrc(9), 1)]));
        world.legs[0].receive(world.now, at(1), &mut datagram).unwrap();
        world.turn();
    }
    let mut remb = told(ours, |out, ours| write_maximum_rate(out, Ssrc(5), 500_000, &[ours]));
    world.legs[0].receive(world.now, at(1), &mut remb).unwrap();
    let limit = RateLimit { ssrc: ours, bit_rate: 1, overhead: 40 };
    let mut request = told(ours, |out, _| write_rate_request(out, Ssrc(5), &[limit]));
    world.legs[0].receive(world.now, at(1), &mut request).unwrap();
    world.turn();
    use VideoLegEvent::{Estimate, KeyFrameWanted};
    assert_eq!(
        world.events,
        [KeyFrameWanted { line: 0 }, KeyFrameWanted { line: 0 }, Estimate(500_000), Estimate(30_000)]
    );
    // The limit is acknowledged with the next that goes.
    (0..100).for_each(|_| {
        world.now += STEP;
        world.turn();
    });
    assert!(world.legs[0].limit.is_none());
}

#[test]
fn forged_streams_do_not_push_aside_those_that_flow() {
    let mut world = World::new(&[FeedbackKind::Nack], true, |_| false);
    world.run(10);
    let mut refused = 0;
    for ssrc in 0..1_000u32 {
        let mut datagram = Vec::new();
        RtpPacket {
            marker: false,
            payload_type: ringback_rtp::PayloadType::new(if ssrc % 3 == 0 { 97 } else { 96 }).unwrap(),
            sequence: SequenceNumber((ssrc * 7_919) as u16),
            time: RtpTime(ssrc),
            ssrc: Ssrc(ssrc),
            contributors: Default::default(),
            extension: None,
            payload: &[0x10, 0, 0, 0],
        }
        .write(&mut datagram);
        refused += usize::from(world.legs[1].receive(world.now, at(0), &mut datagram).is_err());
    }
    assert!(refused >= 600, "{refused}");
    assert_eq!(world.legs[1].sources.len(), MAX_SOURCES);
    let before = world.got.len();
    world.run(10);
    assert_eq!(world.got.len(), before + 40);
    // An unknown number, our own stream, a stranger, and no media at all.
    let ours = world.legs[1].lines[0].ssrc.0.to_be_bytes();
    let unknown = vec![0x80, 50, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2];
    let looped = [&[0x80, 96, 0, 1, 0, 0, 0, 0][..], &ours, &[1, 2]].concat();
    for (from, mut datagram) in [
        (at(0), unknown.clone()),
        (at(0), looped),
        ("198.51.100.1:9".parse().unwrap(), unknown),
        (at(0), vec![0; 40]),
    ] {
        assert!(world.legs[1].receive(world.now, from, &mut datagram).is_err());
    }
    let stats = world.legs[1].stats();
    assert!(stats.crowded >= 600 && stats.foreign == 1 && stats.refused >= 603, "{stats:?}");
}

#[test]
fn sizes_are_told_by_their_names_and_forged_names_are_counted() {
    use ringback_rtp::{Element, Extension};
    use ringback_sdp::{NegotiatedExtension, REPAIRED_RTP_STREAM_ID, RTP_STREAM_ID};
    let [_, mut agreed] = agreed(&[FeedbackKind::Nack], true);
    let extension = |id, uri: &str| NegotiatedExtension {
        id,
        uri: uri.to_owned(),
        direction: Direction::SendRecv,
        attributes: String::new(),
    };
    agreed.header_extensions = vec![extension(4, RTP_STREAM_ID), extension(5, REPAIRED_RTP_STREAM_ID)];
    agreed.sizes = vec!["q".to_owned(), "f".to_owned()];
    let mut world = World::new(&[], false, |_| false);
    let config = VideoLegConfig { agreed, cname: "sizes".to_owned(), epoch: world.legs[1].epoch };
    let mut leg = VideoLeg::new(world.now, config, &mut SeededEntropy::new(9));
    let mut take = |now, ssrc, number, sequence, (id, name): (u8, &str), payload: &[u8]| {
        let (mut memory, mut datagram) = (Vec::new(), Vec::new());
        RtpPacket {
            marker: false,
            payload_type: ringback_rtp::PayloadType::new(number).unwrap(),
            sequence: SequenceNumber(sequence),
            time: RtpTime(0),
            ssrc: Ssrc(ssrc),
            contributors: Default::default(),
            extension: Extension::compose(&[Element { id, octets: name.as_bytes() }], &mut memory),
            payload,
        }
        .write(&mut datagram);
        match leg.receive(now, at(0), &mut datagram) {
            Ok(VideoIncoming::Packet(packet)) => Some((packet.stream.0, packet.rid, packet.sequence.0)),
            _ => None,
        }
    };
    let name = |text: &str| Some(Arc::<str>::from(text));
    let now = world.now;
    assert_eq!(take(now, 1, 96, 10, (4, "q"), &[0x10, 0]), Some((0, name("q"), 10)));
    assert_eq!(take(now, 2, 96, 10, (4, "f"), &[0x10, 0]), Some((1, name("f"), 10)));
    // Both miss the same number of theirs; what is sent again says whose it is.
    take(now, 1, 96, 12, (4, "q"), &[0, 1]);
    take(now, 2, 96, 12, (4, "f"), &[0, 1]);
    assert_eq!(take(now, 9, 97, 1, (5, "f"), &[0, 11, 0, 1]), Some((1, name("f"), 11)));
    assert_eq!(take(now, 8, 97, 1, (5, "q"), &[0, 11, 0, 1]), Some((0, name("q"), 11)));
    // A name that nobody agreed on, and one that another stream has.
    assert_eq!(take(now, 3, 96, 1, (4, "x"), &[0x10, 0]), Some((2, None, 1)));
    assert_eq!(take(now, 4, 96, 1, (4, "q"), &[0x10, 0]), Some((3, None, 1)));
    world.now += PAUSE;
    assert_eq!(take(world.now, 4, 96, 2, (4, "q"), &[0, 1]), Some((3, name("q"), 2)), "it has begun anew");
    assert_eq!(leg.stats().misnamed, 2);
}

#[test]
fn each_place_is_a_stream_of_its_own_and_all_are_reported() {
    let mut world = World::new(&[], false, |_| false);
    world.run(1);
    for line in [0, 1, 2, MAX_LINES] {
        let packet = world.packet(0);
        let mut out = Vec::new();
        let is_sent = world.legs[0].send(world.now, line, &packet, &mut out);
        assert_eq!(is_sent, line < MAX_LINES);
        if is_sent {
            world.pass(0, out);
        }
    }
    assert_eq!(world.legs[0].stats().unsendable, 1);
    let streams: Vec<u8> = world.got.iter().rev().take(3).map(|it| it.stream.0).collect();
    assert_eq!(streams, [2, 1, 0]);
    (0..400).for_each(|_| {
        world.now += STEP;
        world.turn();
    });
    assert!(world.legs[1].sources.iter().all(|source| source.last_sr.is_some()));
    let other = Codec::new(96, "H264", 90_000).unwrap();
    let packet = VideoPacket { format: other.into(), ..world.packet(0) };
    assert!(!world.legs[0].send(world.now, 0, &packet, &mut Vec::new()));
    let mut bye = Vec::new();
    assert!(world.legs[0].close(world.now, "over", &mut bye));
    world.legs[1].receive(world.now, at(0), &mut bye).unwrap();
    assert!(world.legs[1].sources.is_empty());
    let ended = std::iter::from_fn(|| world.legs[1].poll_event());
    assert_eq!(ended.filter(|it| matches!(it, VideoLegEvent::StreamEnded(_))).count(), 3);
    assert!(!world.legs[0].close(world.now, "over", &mut bye));
    assert_eq!(world.legs[0].poll_timeout(world.now), None);
}
