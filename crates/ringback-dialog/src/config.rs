//! How calls are set up.

use ringback_sdp::{Codec, LocalDtls, LocalSrtp};
use ringback_transaction::Timings;

/// How calls are set up.
#[derive(Clone, Debug)]
pub struct CallsConfig {
    /// Timer values, the same as those of the transaction layer.
    pub timings: Timings,
    /// At most so many calls; a further INVITE is answered 486.
    pub max_calls: usize,
    /// What is spoken at all. An offer with none of it is answered 488 without asking the application.
    pub codecs: Vec<Codec>,
    /// Whether and how our media are encrypted, as [`LocalAudio`](crate::LocalAudio) will say: for what is refused before it rings.
    pub srtp: LocalSrtp,
    /// Our certificate for DTLS-SRTP, as [`LocalAudio`](crate::LocalAudio) will say.
    pub dtls: Option<LocalDtls>,
    /// Whether peers may transfer us (REFER) and take over a call of ours that they know (Replaces).
    pub accepts_transfers: bool,
    /// How often a call of ours is tried at another address because of a redirection (3xx); 0 is never.
    pub max_redirects: u32,
    /// How long a session lasts at most without a sign of life, in seconds (RFC 4028); less than 90 counts as 90.
    /// `None` leaves that to the peers.
    pub session_expires: Option<u32>,
}

impl Default for CallsConfig {
    fn default() -> Self {
        Self {
            timings: Timings::default(),
            max_calls: 10_000,
            codecs: vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event()],
            srtp: LocalSrtp::default(),
            dtls: None,
            accepts_transfers: false,
            max_redirects: 5,
            // RFC 4028 §4 recommends it.
            session_expires: Some(1_800),
        }
    }
}
