//! RTCP on the wire: compound packets read in place and written at the end of a buffer (RFC 3550 §6).

mod early;
mod extended;
mod feedback;
mod interval;
mod parse;
mod write;

pub use early::{Due, FeedbackTiming};
pub use extended::{
    BurstMetrics, Bursts, ExtendedBlock, ExtendedBlocks, ReferenceReport, ReferenceReports, UNAVAILABLE,
    VoipMetrics, write_extended_report,
};
pub use feedback::{
    Feedback, FullIntra, MAX_STATUSES, MaximumRate, Nacks, RateLimit, RateLimits, TransportFeedback,
    write_full_intra_request, write_maximum_rate, write_nack, write_picture_loss, write_rate_notification,
    write_rate_request, write_transport_feedback,
};
pub(crate) use interval::{Interval, MIN_INTERVAL};
use parse::word;
pub use parse::{Compound, Reports, RtcpError, RtcpPacket, SdesItem, SourceDescription, Sources};
use write::packet;
pub use write::{write_app, write_bye, write_receiver_report, write_sdes_cname, write_sender_report};

use crate::{RtpTime, Ssrc};
use std::time::Duration;

/// SDES item: the canonical name (RFC 3550 §6.5.1).
pub const SDES_CNAME: u8 = 1;

/// The first half of a sender report: how the clocks of sender and media belong together (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// The sender's wall clock.
    pub ntp: NtpTime,
    /// The same moment on the media clock.
    pub time: RtpTime,
    /// RTP packets sent so far; wraps.
    pub packets: u32,
    /// Payload octets sent so far; wraps.
    pub octets: u32,
}

/// What a receiver says about one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whom this is about.
    pub ssrc: Ssrc,
    /// Packets lost since the last report, in 256ths of those expected.
    pub fraction_lost: u8,
    /// Packets lost since the start, -8,388,608..=8,388,607; duplicates make it negative.
    pub lost: i32,
    /// The highest sequence number received, and in its upper half how often it wrapped.
    pub highest_sequence: u32,
    /// The interarrival jitter in ticks of the media clock (RFC 3550 §A.8).
    pub jitter: u32,
    /// The middle of the NTP time in the last sender report; zero when there was none.
    pub last_sr: u32,
    /// The time since that report came, in 65,536ths of a second.
    pub delay_since_last_sr: u32,
}

/// A 64-bit NTP timestamp: seconds since 1900 and their fraction (RFC 3550 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From the time since 1970; wraps in 2036, as RFC 3550 §4 expects.
    pub fn from_unix(unix: Duration) -> Self {
        /// Seventy years, seventeen of them with a leap day.
        const FROM_1900_TO_1970: u64 = 2_208_988_800;
        let seconds = unix.as_secs().wrapping_add(FROM_1900_TO_1970);
        Self((seconds << 32) | ((u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000))
    }

    /// The middle 32 bits, in 65,536ths of a second: how LSR is written.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// A span in 65,536ths of a second, as DLSR is written; ends at 18 hours.
pub fn to_middle(span: Duration) -> u32 {
    u32::try_from((span.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// The span back from 65,536ths of a second.
pub fn from_middle(span: u32) -> Duration {
    Duration::from_nanos((u64::from(span) * 1_000_000_000) >> 16)
}

/// Packet types (RFC 3550 §12.1).
mod kind {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const SOURCE_DESCRIPTION: u8 = 202;
    pub(super) const BYE: u8 = 203;
    pub(super) const APP: u8 = 204;
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
    pub(super) const EXTENDED_REPORT: u8 = 207;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_time_follows_the_example_of_rfc_3550_figure_2() {
        // RFC 3550 §6.4.1 figure 2: b44d:b705:2000:0000 has the middle b705:2000 and is 10 Nov 1995 11:33:25.125.
        let at = NtpTime::from_unix(Duration::from_millis(816_003_205_125));
        assert_eq!(at, NtpTime(0xb44d_b705_2000_0000));
        assert_eq!(at.middle(), 0xb705_2000);
        // The delay of 5.250 s in the same figure.
        assert_eq!(to_middle(Duration::from_millis(5_250)), 0x0005_4000);
        assert_eq!(from_middle(0x0005_4000), Duration::from_millis(5_250));
    }
}
