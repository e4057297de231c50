//! What a call agreed on, as far as an audio leg needs to know it.

use crate::Law;
use ringback_rtp::PayloadType;
use ringback_sdp::{Codec, MediaAddress, NegotiatedMedia};
use std::net::SocketAddr;
use std::time::Duration;

/// How much audio is in a packet unless something else was agreed (RFC 3551 §4.2).
const PTIME: Duration = Duration::from_millis(20);
/// Packets are whole multiples of this.
const STEP: Duration = Duration::from_millis(10);
/// The most audio that is put into one packet.
const MAX_PTIME: Duration = Duration::from_millis(60);

/// The payload formats of a leg, by the numbers of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// What we send.
    pub send: (PayloadType, Law),
    /// What the peer may send.
    pub receive: Vec<(PayloadType, Law)>,
    /// The number under which the peer takes telephone events (RFC 4733), if it does.
    pub event_to_send: Option<PayloadType>,
    /// The numbers under which the peer may send telephone events.
    pub events_to_receive: Vec<PayloadType>,
    /// How much audio goes into a packet: 10 to 60 ms, a multiple of 10 ms.
    pub ptime: Duration,
}

/// What a payload type means on this leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Audio(Law),
    Event,
}

impl AudioFormat {
    /// Both ways with the static number of the law, 20 ms a packet, telephone events as 101.
    pub fn new(law: Law) -> Self {
        let number = match law {
            Law::Mu => PayloadType::PCMU,
            Law::A => PayloadType::PCMA,
        };
        let event = PayloadType::new(101);
        Self {
            send: (number, law),
            receive: vec![(number, law)],
            event_to_send: event,
            events_to_receive: event.into_iter().collect(),
            ptime: PTIME,
        }
    }

    /// What an offer and its answer came to; `None` when there is no G.711 in it.
    pub fn negotiated(media: &NegotiatedMedia) -> Option<Self> {
        let ptime = media.ptime.unwrap_or(PTIME).min(media.maxptime.unwrap_or(MAX_PTIME));
        let steps = ptime.as_millis() / STEP.as_millis();
        let most = MAX_PTIME.as_millis() / STEP.as_millis();
        Some(Self {
            send: media.send.iter().find_map(speech)?,
            receive: media.receive.iter().filter_map(speech).collect(),
            event_to_send: media.telephone_event_to_send().and_then(event),
            events_to_receive: media.telephone_events_to_receive().filter_map(event).collect(),
            ptime: STEP * steps.clamp(1, most) as u32,
        })
    }

    pub(crate) fn meaning(&self, number: PayloadType) -> Option<Meaning> {
        let audio = self.receive.iter().find(|(it, _)| *it == number).map(|(_, law)| Meaning::Audio(*law));
        audio.or_else(|| self.events_to_receive.contains(&number).then_some(Meaning::Event))
    }
}

fn speech(codec: &Codec) -> Option<(PayloadType, Law)> {
    let law =
        Law::from_name(codec.name()).filter(|_| codec.clock_rate() == 8_000 && codec.channels() == 1)?;
    Some((PayloadType::new(codec.payload_type())?, law))
}

fn event(codec: &Codec) -> Option<PayloadType> {
    PayloadType::new(codec.payload_type()).filter(|_| codec.clock_rate() == 8_000)
}

/// Where the peer said that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Where it takes RTP, and most likely sends it from.
    pub rtp: SocketAddr,
    /// Where it takes RTCP; the same when both share a port.
    pub rtcp: SocketAddr,
    /// Whether both share a port (RFC 5761).
    pub rtcp_mux: bool,
}

impl PeerAddress {
    /// The addresses of an offer or answer; `None` when they are names, or there is nowhere to send to.
    pub fn negotiated(media: &NegotiatedMedia) -> Option<Self> {
        let rtp = media.remote_rtp.as_ref()?.socket_addr()?;
        let rtcp = media.remote_rtcp.as_ref().and_then(MediaAddress::socket_addr).unwrap_or(rtp);
        Some(Self { rtp, rtcp, rtcp_mux: media.rtcp_mux })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sdp::{LocalMedia, OfferAnswer, Origin, SessionDescription};

    fn agreed(lines: &str) -> NegotiatedMedia {
        let address = "192.0.2.2".parse().expect("an address");
        let codecs = vec![Codec::pcma(), Codec::pcmu(), Codec::telephone_event()];
        let origin = Origin { username: "b".into(), session_id: 1, address };
        let mut bob = OfferAnswer::new(origin, vec![LocalMedia::audio(6000, codecs)]);
        let offer =
            format!("v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}");
        bob.receive_offer(&SessionDescription::parse(offer.as_bytes()).expect("an offer")).expect("audio");
        bob.make_answer().expect("an answer");
        bob.negotiated()[0].clone()
    }

    #[test]
    fn numbers_packet_time_and_addresses_are_those_of_the_negotiation() {
        let media = agreed(
            "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\na=rtcp:4009\r\n",
        );
        let format = AudioFormat::negotiated(&media).expect("G.711");
        assert_eq!(format.send, (PayloadType::PCMU, Law::Mu));
        assert_eq!(format.meaning(PayloadType::PCMU), Some(Meaning::Audio(Law::Mu)));
        assert_eq!(format.event_to_send, PayloadType::new(96));
        assert_eq!(format.event_to_send.and_then(|it| format.meaning(it)), Some(Meaning::Event));
        assert_eq!(PayloadType::new(13).and_then(|it| format.meaning(it)), None);
        assert_eq!(format.ptime, Duration::from_millis(30));
        let peer = PeerAddress::negotiated(&media).expect("addresses");
        assert_eq!((peer.rtp.port(), peer.rtcp.port(), peer.rtcp_mux), (4000, 4009, false));
    }

    #[test]
    fn a_packet_time_out_of_reason_is_brought_into_range() {
        for (asked, given) in
            [("a=ptime:1\r\n", 10), ("a=ptime:500\r\n", 60), ("a=ptime:25\r\n", 20), ("", 20)]
        {
            let media = agreed(&format!("m=audio 4000 RTP/AVP 8\r\n{asked}"));
            let format = AudioFormat::negotiated(&media).expect("G.711");
            assert_eq!(format.ptime, Duration::from_millis(given), "{asked}");
        }
    }
}
