//! What our side brings: its origin and its media.

use super::dtls::LocalDtls;
use super::extensions::HeaderExtension;
use super::feedback::FeedbackSet;
use super::ice::LocalIce;
use super::security::LocalSrtp;
use crate::{Codec, Direction, MediaKind, OriginField, Word};
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

/// Who we are in `o=`, the same for the whole session (RFC 3264 §8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The user; written as `-` when it is no word.
    pub username: String,
    /// A number that no other session of this user and host has, best a time or random.
    pub session_id: u64,
    /// The address of our host: in `o=` for good, in `c=` until
    /// [`crate::OfferAnswer::set_local_address`] says otherwise.
    pub address: IpAddr,
}

impl Origin {
    pub(super) fn field(&self, version: u64) -> OriginField {
        let username = Word::new(&self.username).unwrap_or(Word::from_static("-"));
        OriginField::new(username, self.session_id, version, self.address)
    }
}

/// A medium that we can have, and how we wish to have it. RTP only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// What it is.
    pub kind: MediaKind,
    /// The port at which we receive RTP. Zero when the medium is switched off.
    pub port: u16,
    /// Whether RTCP may come to the same port (RFC 5761). Without it RTCP is expected one port higher.
    pub rtcp_mux: bool,
    /// Whether we read extended reports: reference times, and the metrics of voice over IP (RFC 3611).
    pub extended_reports: bool,
    /// The header extensions that we understand (RFC 8285).
    pub header_extensions: Vec<HeaderExtension>,
    /// Whether we take a picture in several sizes, where the peer offers them (RFC 8853).
    pub takes_sizes: bool,
    /// The feedback that we understand.
    pub feedback: FeedbackSet,
    /// What we understand, best first. The numbers of dynamic formats are wishes.
    pub codecs: Vec<Codec>,
    /// Whether those of them that repeat others (RFC 2198) are in our offers; without, they are only answered.
    pub offers_redundancy: bool,
    /// The way we wish it to flow when nobody holds anybody.
    pub direction: Direction,
    /// How much audio we want in a packet (`a=ptime`), in whole milliseconds.
    pub ptime: Option<Duration>,
    /// Whether and how it is encrypted. Not for media in a bundle.
    pub srtp: LocalSrtp,
    /// Our certificate, where keys may come by DTLS. Not for media in a bundle.
    pub dtls: Option<LocalDtls>,
    /// Our candidates, where the way of the packets may be found by ICE. Not for media in a bundle, nor without
    /// [`rtcp_mux`](Self::rtcp_mux).
    pub ice: Option<LocalIce>,
}

impl LocalMedia {
    /// Speech in both directions with a shared port for RTP and RTCP, not encrypted.
    pub fn audio(port: u16, codecs: Vec<Codec>) -> Self {
        Self {
            kind: MediaKind::AUDIO,
            port,
            rtcp_mux: true,
            extended_reports: false,
            header_extensions: Vec::new(),
            takes_sizes: false,
            feedback: FeedbackSet::default(),
            codecs,
            offers_redundancy: false,
            direction: Direction::SendRecv,
            ptime: Some(Duration::from_millis(20)),
            srtp: LocalSrtp::default(),
            dtls: None,
            ice: None,
        }
    }

    /// Pictures in both directions with a shared port for RTP and RTCP, not encrypted.
    pub fn video(port: u16, codecs: Vec<Codec>) -> Self {
        Self { kind: MediaKind::VIDEO, ptime: None, ..Self::audio(port, codecs) }
    }

    /// Text as it is typed (RFC 4103), in both directions with a shared port for RTP and RTCP, not encrypted.
    pub fn text(port: u16) -> Self {
        Self {
            kind: MediaKind::TEXT,
            ptime: None,
            offers_redundancy: true,
            ..Self::audio(port, vec![Codec::redundant_text(), Codec::text()])
        }
    }

    /// The formats of an offer; `is_known` says whether repetition has been spoken of at this line.
    pub(super) fn offered_codecs(&self, is_known: bool) -> Cow<'_, [Codec]> {
        if self.offers_redundancy || is_known {
            return Cow::Borrowed(&self.codecs);
        }
        self.codecs.iter().filter(|codec| !codec.is_redundancy()).cloned().collect()
    }
}
