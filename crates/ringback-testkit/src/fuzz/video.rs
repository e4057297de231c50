//! Laws of the pictures that are passed on: whatever comes, memory is bounded and what goes is whole.

use ringback_media::{
    Layer, RoomOutput, StreamId, VideoIncoming, VideoLeg, VideoLegConfig, VideoMode, VideoPacket, VideoRoom,
};
use ringback_rtp::rtcp::Compound;
use ringback_rtp::{Datagram, RtpPacket, RtpTime, SequenceNumber};
use ringback_sansio::{Epoch, SeededEntropy};
use ringback_sdp::{
    Codec, FeedbackKind, FeedbackSet, LocalMedia, NegotiatedMedia, OfferAnswer, Origin, SessionDescription,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Datagrams of a peer to a leg that sends as well. What the leg sends can be read, and there is an end to it.
///
/// Two octets of length before each datagram; a length of zero lets time pass and sends a packet.
pub(super) fn video_leg(input: &[u8]) {
    let mut now = start();
    let config = VideoLegConfig {
        agreed: agreed(),
        cname: "fuzz".to_owned(),
        epoch: Epoch { at: now, unix: Duration::from_secs(1_800_000_000) },
    };
    let mut leg = VideoLeg::new(now, config, &mut SeededEntropy::new(1));
    let peer = "192.0.2.1:4000".parse().expect("an address");
    let (mut rest, mut sequence) = (input, 0u16);
    while let [high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (datagram, after) = tail.split_at(length);
        rest = after;
        let mut out = Vec::new();
        if datagram.is_empty() {
            now += Duration::from_millis(20);
            sequence = sequence.wrapping_add(1);
            leg.send(now, usize::from(*low % 3), &packet(sequence, &[0x10, 1, 2, 3]), &mut out);
        } else if let Ok(VideoIncoming::Packet(packet)) = leg.receive(now, peer, &mut datagram.to_vec()) {
            assert!(packet.payload.len() <= datagram.len());
            leg.request_key_frame(packet.stream);
        }
        let mut sent = 0;
        out.clear();
        while leg.poll_transmit(now, &mut out).is_some() {
            match Datagram::classify(&out) {
                Datagram::Rtp => assert!(RtpPacket::parse(&out).is_ok()),
                Datagram::Rtcp => assert!(Compound::parse(&out).is_ok()),
                Datagram::Other => panic!("neither RTP nor RTCP"),
            }
            out.clear();
            sent += 1;
            assert!(sent < 1_000, "there is no end to it");
        }
        while leg.poll_event().is_some() {}
        assert!(leg.poll_timeout(now).is_some());
    }
}

/// Parties come, speak, publish anything and leave. What a receiver gets goes on from packet to packet.
///
/// Eight octets a step: what happens, to whom, which stream, a sequence number, and three octets of payload.
pub(super) fn video_room(input: &[u8]) {
    let mut now = start();
    let mode = if input.len().is_multiple_of(2) { VideoMode::Switch } else { VideoMode::Forward(2) };
    let mut room = VideoRoom::new(mode);
    let mut parties = vec![room.join(), room.join(), room.join()];
    parties.iter().for_each(|key| room.set_formats(now, *key, vec![vp8()]));
    for step in input.chunks_exact(8) {
        now += Duration::from_millis(u64::from(step[0] >> 3));
        let at = usize::from(step[1]) % parties.len();
        let key = parties[at];
        match step[0] & 7 {
            0..=2 => {
                let sequence = u16::from_be_bytes([step[3], step[4]]);
                let packet = VideoPacket { stream: StreamId(step[2]), ..packet(sequence, &step[5..]) };
                room.publish(now, key, &packet);
            }
            3 => room.set_floor(now, Some(key)),
            4 => room.key_frame_wanted(now, key, usize::from(step[2])),
            5 => room.set_estimate(now, key, u64::from(step[2]) << (step[3] & 31)),
            6 if parties.len() < 8 => {
                parties.push(room.join());
                room.set_layer(now, key, Layer::Smallest);
            }
            6 => room.stream_ended(now, key, StreamId(step[2])),
            _ if parties.len() > 2 => {
                room.leave(now, parties.swap_remove(at));
            }
            _ => room.set_formats(now, key, vec![vp8()]),
        }
        if room.poll_timeout(now).is_some_and(|due| due <= now) {
            room.handle_timeout(now);
        }
        let mut outputs = 0;
        while let Some(output) = room.poll() {
            outputs += 1;
            match output {
                RoomOutput::Forward { to, line, .. } => assert!(parties.contains(&to) && line < 8),
                RoomOutput::KeyFrame { party, .. } => assert!(parties.contains(&party)),
            }
        }
        assert!(outputs <= 64, "{outputs} from one step");
        assert_eq!(room.len(), parties.len());
    }
}

fn vp8() -> Codec {
    Codec::new(96, "VP8", 90_000).expect("in its range")
}

fn packet(sequence: u16, payload: &[u8]) -> VideoPacket {
    VideoPacket {
        stream: StreamId(0),
        rid: None,
        format: Arc::new(vp8()),
        marker: true,
        sequence: SequenceNumber(sequence),
        time: RtpTime(u32::from(sequence) * 3_000),
        payload: payload.into(),
    }
}

/// VP8 with what repairs it, and all feedback that there is.
fn agreed() -> NegotiatedMedia {
    let offer = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=video 4000 RTP/AVPF 96 97\n\
                 a=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\na=rtcp-mux\na=rtcp-fb:* nack\n\
                 a=rtcp-fb:* nack pli\na=rtcp-fb:* ccm fir\na=rtcp-fb:* ccm tmmbr\na=rtcp-fb:* goog-remb\n";
    let repair = Codec::retransmission(97, 96).expect("in its range");
    let feedback = FeedbackSet::of(FeedbackKind::ALL);
    let video = LocalMedia { feedback, ..LocalMedia::video(5_000, vec![vp8(), repair]) };
    let address = "192.0.2.2".parse().expect("an address");
    let origin = Origin { username: "-".to_owned(), session_id: 1, address };
    let mut ours = OfferAnswer::new(origin, vec![video]);
    ours.receive_offer(&SessionDescription::parse(offer.as_bytes()).expect("an offer")).expect("ours");
    ours.make_answer().expect("an answer");
    ours.negotiated()[0].clone()
}

/// Any moment does: a run depends only on what passes after it.
fn start() -> Instant {
    Instant::now()
}
