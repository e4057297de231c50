//! What our side brings to a call, audio and maybe pictures beside it, and what both sides have agreed on.

use crate::LocalText;
use ringback_sansio::Entropy;
use ringback_sdp::{
    Codec, Direction, HeaderExtension, IceCredentials, LocalDtls, LocalIce, LocalMedia, LocalSrtp, MediaKind,
    NegotiatedMedia, OfferAnswer, Origin,
};
use std::net::SocketAddr;
use std::time::Duration;

/// The place of the audio among our media.
const AUDIO: usize = 0;

/// The audio that we can have in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAudio {
    /// Where we receive RTP: address and port as the peer must see them.
    pub rtp: SocketAddr,
    /// What we understand, best first.
    pub codecs: Vec<Codec>,
    /// How much audio we want in a packet, in whole milliseconds.
    pub ptime: Duration,
    /// Whether RTCP may come to the same port; without it RTCP is expected one port higher.
    pub rtcp_mux: bool,
    /// Whether extended reports of RTCP are read (RFC 3611).
    pub extended_reports: bool,
    /// The header extensions of RTP packets that we understand (RFC 8285).
    pub header_extensions: Vec<HeaderExtension>,
    /// Whether we offer those of the codecs that repeat others (RFC 2198); without, they are only answered.
    pub offers_redundancy: bool,
    /// Whether and how it is encrypted.
    pub srtp: LocalSrtp,
    /// Our certificate, where keys may come by DTLS.
    pub dtls: Option<LocalDtls>,
    /// Our candidates, where the way of the packets may be found by ICE.
    pub ice: Option<LocalIce>,
    /// Pictures beside it, at the same address and a port of their own.
    pub video: Option<Box<LocalMedia>>,
    /// What we bring for text beside it.
    pub text: Option<Box<LocalText>>,
}

impl LocalAudio {
    /// G.711 and DTMF, 20 ms a packet, RTP and RTCP at one port, not encrypted.
    pub fn new(rtp: SocketAddr) -> Self {
        let codecs = vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event()];
        Self {
            rtp,
            codecs,
            ptime: Duration::from_millis(20),
            rtcp_mux: true,
            extended_reports: false,
            header_extensions: Vec::new(),
            offers_redundancy: false,
            srtp: LocalSrtp::default(),
            dtls: None,
            ice: None,
            video: None,
            text: None,
        }
    }

    /// The same with other codecs, best first.
    #[must_use]
    pub fn codecs(mut self, codecs: Vec<Codec>) -> Self {
        self.codecs = codecs;
        self
    }

    /// The same, with extended reports of RTCP, by which both sides tell how the other's speech comes through.
    #[must_use]
    pub fn extended_reports(mut self) -> Self {
        self.extended_reports = true;
        self
    }

    /// The same, with header extensions of RTP packets.
    #[must_use]
    pub fn header_extensions(mut self, extensions: Vec<HeaderExtension>) -> Self {
        self.header_extensions = extensions;
        self
    }

    /// The same; those of the codecs that repeat others are offered, or only answered.
    #[must_use]
    pub fn offers_redundancy(mut self, is_offered: bool) -> Self {
        self.offers_redundancy = is_offered;
        self
    }

    /// The same, encrypted as `srtp` says.
    #[must_use]
    pub fn srtp(mut self, srtp: LocalSrtp) -> Self {
        self.srtp = srtp;
        self
    }

    /// The same, with keys by DTLS where `dtls` says so.
    #[must_use]
    pub fn dtls(mut self, dtls: Option<LocalDtls>) -> Self {
        self.dtls = dtls;
        self
    }

    /// The same, with ICE.
    #[must_use]
    pub fn ice(mut self, ice: Option<LocalIce>) -> Self {
        self.ice = ice;
        self
    }

    /// The same, with pictures beside it.
    #[must_use]
    pub fn video(mut self, video: Option<LocalMedia>) -> Self {
        self.video = video.map(Box::new);
        self
    }

    /// The same, with text beside it.
    #[must_use]
    pub fn text(mut self, text: Option<LocalText>) -> Self {
        self.text = text.map(Box::new);
        self
    }

    /// The machine that negotiates it.
    pub(crate) fn negotiate(mut self, entropy: &mut dyn Entropy) -> OfferAnswer {
        // Random and below 2^62: some peers read the number into a signed integer.
        let session_id = entropy.next_u64() >> 2;
        let origin = Origin { username: "-".to_owned(), session_id, address: self.rtp.ip() };
        let text = self.text.take().map(|text| text.media());
        let video = self.video.take().map(|video| *video);
        OfferAnswer::new(origin, [Some(self.media()), video, text].into_iter().flatten().collect())
    }

    pub(crate) fn media(self) -> LocalMedia {
        LocalMedia {
            rtcp_mux: self.rtcp_mux,
            extended_reports: self.extended_reports,
            header_extensions: self.header_extensions,
            offers_redundancy: self.offers_redundancy,
            ptime: Some(self.ptime),
            srtp: self.srtp,
            dtls: self.dtls,
            ice: self.ice,
            ..LocalMedia::audio(self.rtp.port(), self.codecs)
        }
    }
}

/// Fresh credentials for ICE (RFC 8445 §5.3): 48 bits of name, 144 of password. `entropy` has to be fit for secrets.
pub fn ice_credentials(entropy: &mut dyn Entropy) -> IceCredentials {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut octets = [0; 32];
    entropy.fill(&mut octets);
    let text = octets.map(|octet| char::from(DIGITS[usize::from(octet % 64)]));
    IceCredentials { ufrag: text[..8].iter().collect(), pwd: text[8..].iter().collect() }
}

/// What both sides have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The audio. Not [active](NegotiatedMedia::is_active) when one side has refused it.
    pub audio: NegotiatedMedia,
    /// The pictures; `None` where one side has none.
    pub video: Option<NegotiatedMedia>,
    /// The text beside it (RFC 4103); `None` where there is none, or one side has refused it.
    pub text: Option<NegotiatedMedia>,
    /// Whether we hold the peer.
    pub held_by_us: bool,
    /// Whether the peer holds us.
    pub held_by_them: bool,
}

impl Session {
    /// What a finished exchange of offer and answer amounts to; `None` before the first.
    pub(crate) fn of(negotiation: &OfferAnswer) -> Option<Self> {
        let media = negotiation.negotiated();
        let of_kind = |kind: MediaKind| media.iter().filter(move |media| media.kind == kind);
        let text = of_kind(MediaKind::TEXT).find(|media| media.is_active()).cloned();
        let video = of_kind(MediaKind::VIDEO).find(|media| media.local.is_some()).cloned();
        let mut audio = of_kind(MediaKind::AUDIO);
        let first = audio.clone().next().or(media.first())?;
        let ours = audio.clone().find(|media| media.local == Some(AUDIO));
        let audio = ours.or(audio.find(|media| media.is_active())).unwrap_or(first).clone();
        let held_by_them = audio.is_held_by_peer();
        Some(Self { audio, video, text, held_by_us: negotiation.is_holding(), held_by_them })
    }

    /// Where our RTP goes. `None` when nowhere, or when the peer gave a name instead of an address.
    pub fn remote_rtp(&self) -> Option<SocketAddr> {
        self.audio.remote_rtp.as_ref()?.socket_addr()
    }

    /// Where our RTCP goes.
    pub fn remote_rtcp(&self) -> Option<SocketAddr> {
        self.audio.remote_rtcp.as_ref()?.socket_addr()
    }

    /// The codec to send with, by the peer's payload type.
    pub fn codec(&self) -> Option<&Codec> {
        self.audio.codec()
    }

    /// What may come in, by our payload types.
    pub fn receives(&self) -> &[Codec] {
        &self.audio.receive
    }

    /// The payload type to send DTMF with; `None` when the peer takes none.
    pub fn telephone_event(&self) -> Option<u8> {
        self.audio.telephone_event_to_send().map(Codec::payload_type)
    }

    /// Which way audio flows, from our view.
    pub fn direction(&self) -> Direction {
        self.audio.direction
    }

    /// How much audio to send in a packet: what the peer wants, at most what it takes, else 20 ms.
    pub fn ptime(&self) -> Duration {
        let wanted = self.audio.ptime.unwrap_or(Duration::from_millis(20));
        self.audio.maxptime.map_or(wanted, |most| wanted.min(most))
    }
}
