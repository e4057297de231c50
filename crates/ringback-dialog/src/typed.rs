//! The text that we can have in a call beside its audio (RFC 4103).

use ringback_sdp::{LocalDtls, LocalIce, LocalMedia, LocalSrtp};

/// What our side brings for text as it is typed. Its address is that of the audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalText {
    /// The port at which we receive RTP and RTCP.
    pub port: u16,
    /// Whether and how it is encrypted.
    pub srtp: LocalSrtp,
    /// Our certificate, where keys may come by DTLS.
    pub dtls: Option<LocalDtls>,
    /// Our candidates, where the way of the packets may be found by ICE.
    pub ice: Option<LocalIce>,
}

impl LocalText {
    /// At this port, in clear.
    pub fn new(port: u16) -> Self {
        Self { port, srtp: LocalSrtp::default(), dtls: None, ice: None }
    }

    pub(crate) fn media(self) -> LocalMedia {
        LocalMedia { srtp: self.srtp, dtls: self.dtls, ice: self.ice, ..LocalMedia::text(self.port) }
    }
}
