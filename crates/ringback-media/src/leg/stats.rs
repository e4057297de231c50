//! The figures of a leg.

use super::AudioLeg;
use ringback_srtp::Profile;
use std::time::Duration;

/// Plain figures since the start of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegStats {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Payload octets sent.
    pub octets_sent: u64,
    /// RTP packets accepted.
    pub packets_received: u64,
    /// Payload octets accepted.
    pub octets_received: u64,
    /// Packets that never came, less duplicates (RFC 3550 §A.3).
    pub lost: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that were dropped for want of room, or when the sender's clock jumped.
    pub discarded: u64,
    /// Datagrams from strangers.
    pub foreign: u64,
    /// Datagrams that were malformed, out of every order, or of a kind that was not agreed on.
    pub refused: u64,
    /// Datagrams that were not protected as agreed: forged, replayed, or in clear.
    pub forged: u64,
    /// How packets are protected now; `None` of those in clear.
    pub encryption: Option<Profile>,
    /// Interarrival jitter (RFC 3550 §A.8).
    pub jitter: Duration,
    /// The round trip, once the peer has reported.
    pub round_trip: Option<Duration>,
    /// What the peer lost of our stream, by its last report.
    pub remote_lost: Option<i32>,
    /// The jitter of our stream at the peer, by its last report.
    pub remote_jitter: Option<Duration>,
    /// How much speech was made up because it did not come in time.
    pub concealed: Duration,
    /// How much speech was played stretched, shortened, or joined to what was made up.
    pub altered: Duration,
    /// How long the last frame waited in the jitter buffer.
    pub delay: Duration,
    /// How long frames should wait there, by what was learnt about the network.
    pub target_delay: Duration,
}

impl AudioLeg {
    /// The figures up to now.
    pub fn stats(&self) -> LegStats {
        let (session, jitter) = (self.session.stats(), self.playout.stats());
        LegStats {
            packets_sent: session.packets_sent,
            octets_sent: session.octets_sent,
            packets_received: session.packets_received,
            octets_received: session.octets_received,
            lost: session.lost,
            late: jitter.late,
            duplicates: jitter.duplicates,
            discarded: jitter.discarded,
            foreign: self.foreign,
            refused: session.refused + self.unknown,
            forged: self.forged,
            encryption: self.encryption(),
            jitter: session.jitter,
            round_trip: session.rtt,
            remote_lost: session.remote_lost,
            remote_jitter: session.remote_jitter,
            concealed: self.playout.concealed(),
            altered: self.playout.altered(),
            delay: jitter.delay,
            target_delay: jitter.target,
        }
    }
}
