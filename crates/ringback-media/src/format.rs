//! What a call agreed on, as far as an audio leg needs to know it.

use crate::codec::{AudioCodec, AudioCodecs};
use ringback_rtp::{AudioLevel, PayloadType};
use ringback_sdp::{Codec, MediaAddress, NegotiatedMedia};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How much audio is in a packet unless something else was agreed (RFC 3551 §4.2).
const PTIME: Duration = Duration::from_millis(20);
/// Packets are whole multiples of this.
const STEP: Duration = Duration::from_millis(10);
/// The most audio that is put into one packet.
const MAX_PTIME: Duration = Duration::from_millis(60);

/// A codec by the number that it goes by.
#[derive(Clone, Debug)]
pub struct AudioPayload {
    /// The payload type.
    pub number: PayloadType,
    /// What it means.
    pub codec: Arc<dyn AudioCodec>,
    /// How the receiver has described it.
    pub described: Arc<Codec>,
}

impl AudioPayload {
    /// The codec by the number that it wishes for, as we describe it.
    fn own(codec: Arc<dyn AudioCodec>) -> Option<Self> {
        let described = codec.description();
        let number = PayloadType::new(described.payload_type())?;
        Some(Self { number, codec, described: Arc::new(described) })
    }

    fn of(described: &Codec, codecs: &AudioCodecs) -> Option<Self> {
        let number = PayloadType::new(described.payload_type())?;
        Some(Self { number, codec: codecs.find(described)?.clone(), described: Arc::new(described.clone()) })
    }

    /// Ticks a second of its timestamps.
    pub fn clock_rate(&self) -> u32 {
        self.described.clock_rate()
    }

    /// The encoding name in SDP.
    pub fn name(&self) -> &str {
        self.described.name()
    }

    /// The highest rate that it carries, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.codec.sample_rates().last().copied().unwrap_or(self.clock_rate())
    }
}

/// The payload formats of a leg, by the numbers of either side.
#[derive(Clone, Debug)]
pub struct AudioFormat {
    /// What we send.
    pub send: AudioPayload,
    /// What the peer may send.
    pub receive: Vec<AudioPayload>,
    /// The number under which the peer takes telephone events (RFC 4733) with the clock of what we send, if it does.
    pub event_to_send: Option<PayloadType>,
    /// The numbers under which the peer may send telephone events, each with its clock.
    pub events_to_receive: Vec<(PayloadType, u32)>,
    /// The numbers under which it may send comfort noise (RFC 3389).
    pub noise_to_receive: Vec<PayloadType>,
    /// The number under which the peer takes payloads that repeat earlier ones of what we send (RFC 2198), if it does.
    pub red_to_send: Option<PayloadType>,
    /// The numbers under which it may send such.
    pub red_to_receive: Vec<PayloadType>,
    /// The number of the header extension by which we tell the peer the level of our audio (RFC 6464), where that was agreed on.
    pub level_to_send: Option<u8>,
    /// The number by which the peer tells it.
    pub level_to_receive: Option<u8>,
    /// How much audio goes into a packet: 10 to 60 ms, a multiple of 10 ms.
    pub ptime: Duration,
    /// Whether both sides read extended reports (RFC 3611), by which each tells how the other's speech comes through.
    pub extended_reports: bool,
}

/// What a payload type means on this leg.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    Audio(AudioPayload),
    /// Telephone events, by a clock of so many ticks a second.
    Event(u32),
    Noise,
    /// Payloads with earlier ones.
    Redundancy,
}

impl AudioFormat {
    /// Both ways by the number that the codec wishes for, 20 ms a packet, telephone events beside it.
    ///
    /// # Panics
    /// When the codec wishes for a number above 127, which no description can have.
    pub fn new(codec: impl AudioCodec + 'static) -> Self {
        Self::of(Arc::new(codec))
    }

    /// The same of a codec that others use as well.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn of(codec: Arc<dyn AudioCodec>) -> Self {
        let send = AudioPayload::own(codec).expect("a description has a payload type");
        let events = Codec::telephone_event_beside(send.clock_rate());
        let event = PayloadType::new(events.payload_type());
        Self {
            receive: vec![send.clone()],
            event_to_send: event,
            events_to_receive: event.map(|number| (number, events.clock_rate())).into_iter().collect(),
            noise_to_receive: Vec::new(),
            red_to_send: None,
            red_to_receive: Vec::new(),
            level_to_send: None,
            level_to_receive: None,
            ptime: send.codec.packet_time(PTIME),
            extended_reports: false,
            send,
        }
    }

    /// What an offer and its answer came to, where we speak `codecs`; `None` when there is none of them in it.
    pub fn negotiated(media: &NegotiatedMedia, codecs: &AudioCodecs) -> Option<Self> {
        let ptime = packet_time(media.ptime, media.maxptime);
        let send = media.send.iter().find_map(|it| AudioPayload::of(it, codecs))?;
        let number = |codec: &Codec| PayloadType::new(codec.payload_type());
        let events = media.telephone_events_to_receive();
        let level = media.header_extension(AudioLevel::URI);
        let redundancy = media.receive.iter().filter(|it| it.is_redundancy());
        Some(Self {
            ptime: send.codec.packet_time(ptime),
            extended_reports: media.extended_reports,
            receive: media.receive.iter().filter_map(|it| AudioPayload::of(it, codecs)).collect(),
            event_to_send: media.telephone_event_beside(&send.described).and_then(number),
            events_to_receive: events.filter_map(|it| Some((number(it)?, it.clock_rate()))).collect(),
            noise_to_receive: media
                .receive
                .iter()
                .filter(|it| it.is_comfort_noise())
                .filter_map(number)
                .collect(),
            red_to_send: media.redundancy_of(&send.described).and_then(number),
            red_to_receive: redundancy.filter_map(number).collect(),
            level_to_send: level.filter(|it| it.direction.sends()).map(|it| it.id),
            level_to_receive: level.filter(|it| it.direction.receives()).map(|it| it.id),
            send,
        })
    }

    pub(crate) fn meaning(&self, number: PayloadType) -> Option<Meaning> {
        let audio = self.receive.iter().find(|it| it.number == number).cloned().map(Meaning::Audio);
        let event = || {
            self.events_to_receive
                .iter()
                .find(|(it, _)| *it == number)
                .map(|(_, clock)| Meaning::Event(*clock))
        };
        let noise = || self.noise_to_receive.contains(&number).then_some(Meaning::Noise);
        let redundancy = || self.red_to_receive.contains(&number).then_some(Meaning::Redundancy);
        audio.or_else(event).or_else(noise).or_else(redundancy)
    }
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

/// How much audio goes into a packet for a peer whose description has these `a=ptime` and `a=maxptime` (RFC 8866 §6.4): 20 ms where
/// it has none, and always 10 to 60 ms, a multiple of 10 ms.
pub fn packet_time(ptime: Option<Duration>, maxptime: Option<Duration>) -> Duration {
    let ptime = ptime.unwrap_or(PTIME).min(maxptime.unwrap_or(MAX_PTIME));
    let steps = ptime.as_millis() / STEP.as_millis();
    let most = MAX_PTIME.as_millis() / STEP.as_millis();
    STEP * steps.clamp(1, most) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sdp::{LocalMedia, OfferAnswer, Origin, SessionDescription};

    fn agreed(lines: &str) -> NegotiatedMedia {
        let address = "192.0.2.2".parse().expect("an address");
        let codecs = AudioCodecs::default().offer();
        let origin = Origin { username: "b".into(), session_id: 1, address };
        let mut bob = OfferAnswer::new(origin, vec![LocalMedia::audio(6000, codecs)]);
        let offer =
            format!("v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}");
        bob.receive_offer(&SessionDescription::parse(offer.as_bytes()).expect("an offer")).expect("audio");
        bob.make_answer().expect("an answer");
        bob.negotiated()[0].clone()
    }

    fn format(lines: &str) -> AudioFormat {
        AudioFormat::negotiated(&agreed(lines), &AudioCodecs::default()).expect("a codec")
    }

    fn means(format: &AudioFormat, number: u8) -> String {
        match format.meaning(PayloadType::new(number).expect("a number")) {
            Some(Meaning::Audio(payload)) => payload.name().to_owned(),
            Some(Meaning::Event(clock)) => format!("events/{clock}"),
            Some(Meaning::Noise) => "noise".to_owned(),
            Some(Meaning::Redundancy) => "redundancy".to_owned(),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn numbers_packet_time_and_addresses_are_those_of_the_negotiation() {
        let lines =
            "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\na=rtcp:4009\r\n";
        let (media, format) = (agreed(lines), format(lines));
        assert_eq!((format.send.number, format.send.name()), (PayloadType::PCMU, "PCMU"));
        assert_eq!(format.event_to_send, PayloadType::new(96));
        assert_eq!([0, 96, 13].map(|it| means(&format, it)), ["PCMU", "events/8000", "nothing"]);
        assert_eq!(format.ptime, Duration::from_millis(30));
        let peer = PeerAddress::negotiated(&media).expect("addresses");
        assert_eq!((peer.rtp.port(), peer.rtcp.port(), peer.rtcp_mux), (4000, 4009, false));
    }

    #[test]
    fn a_packet_time_out_of_reason_is_brought_into_range() {
        for (asked, given) in
            [("a=ptime:1\r\n", 10), ("a=ptime:500\r\n", 60), ("a=ptime:25\r\n", 20), ("", 20)]
        {
            let format = format(&format!("m=audio 4000 RTP/AVP 8\r\n{asked}"));
            assert_eq!(format.ptime, Duration::from_millis(given), "{asked}");
        }
    }

    #[test]
    fn rule_50_events_and_noise_have_the_clock_of_a_codec() {
        let format = format(
            "m=audio 4000 RTP/AVP 96 9 8 13 97 98\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
             a=rtpmap:97 telephone-event/48000\r\na=rtpmap:98 telephone-event/8000\r\na=ptime:30\r\n",
        );
        assert_eq!(
            (format.send.name(), format.send.clock_rate(), format.send.sample_rate()),
            ("opus", 48_000, 48_000)
        );
        assert_eq!(format.send.described.fmtp(), Some("useinbandfec=1"), "what the peer likes");
        assert_eq!(format.event_to_send, PayloadType::new(97));
        let meanings = [96, 9, 8, 13, 97, 98, 0].map(|it| means(&format, it));
        assert_eq!(meanings, ["opus", "G722", "PCMA", "noise", "events/48000", "events/8000", "nothing"]);
        assert_eq!(format.ptime, Duration::from_millis(20), "there are no frames of 30 ms");
        let wide = format.receive.iter().find(|it| it.name() == "G722").expect("agreed");
        assert_eq!((wide.clock_rate(), wide.sample_rate()), (8_000, 16_000));
    }
}
