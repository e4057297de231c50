//! How often to send RTCP (RFC 3550 §6.2, §6.3, §A.7).

use ringback_sansio::{Entropy, SeededEntropy};
use std::time::Duration;

/// The least average time between two reports of one member (RFC 3550 §6.2).
pub(crate) const MIN_INTERVAL: Duration = Duration::from_secs(5);
/// While at most a quarter of the members send, a quarter of the bandwidth is theirs (RFC 3550 §6.2).
const SENDER_SHARE: f64 = 0.25;
/// Reconsideration lets the timer converge too early by this factor, `e - 3/2` (RFC 3550 §6.3.1).
const COMPENSATION: f64 = std::f64::consts::E - 1.5;
/// IPv4 and UDP headers count as RTCP (RFC 3550 §6.2).
const UDP_IP_OVERHEAD: usize = 28;

/// What the interval depends on.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    /// Octets a second that all RTCP of the session may take: a twentieth of the session's bandwidth.
    pub(crate) bandwidth: f64,
    /// How many take part, ourselves included.
    pub(crate) members: u32,
    /// How many of them send.
    pub(crate) senders: u32,
    /// Whether we are one of these.
    pub(crate) we_sent: bool,
    /// Whether no RTCP has been sent yet, which halves the minimum.
    pub(crate) initial: bool,
    /// The minimum; feedback profiles have another (RFC 4585 §3.4).
    pub(crate) least: Duration,
    average_size: f64,
}

impl Interval {
    /// For a session that has not begun.
    pub(crate) fn new(bandwidth: f64) -> Self {
        // RFC 3550 §6.3.2: the size of the packet that will be sent first; SR, one block, SDES are about this.
        Self {
            bandwidth,
            members: 1,
            senders: 0,
            we_sent: false,
            initial: true,
            least: MIN_INTERVAL,
            average_size: 128.0,
        }
    }

    /// Counts a compound packet that was sent or received (RFC 3550 §6.3.3).
    pub(crate) fn saw_packet(&mut self, length: usize) {
        self.average_size += ((length + UDP_IP_OVERHEAD) as f64 - self.average_size) / 16.0;
    }

    /// The time until the next packet, drawn anew on every call.
    pub(crate) fn draw(&self, random: &mut SeededEntropy) -> Duration {
        let spread = random.below(1 << 32) as f64 / (1u64 << 32) as f64;
        self.deterministic().mul_f64((0.5 + spread) / COMPENSATION)
    }

    /// The calculated interval before randomisation (RFC 3550 §6.3.1).
    fn deterministic(&self) -> Duration {
        let (members, senders) = (f64::from(self.members), f64::from(self.senders));
        let (share, sharing) = match senders <= members * SENDER_SHARE {
            true if self.we_sent => (SENDER_SHARE, senders),
            true => (1.0 - SENDER_SHARE, members - senders),
            false => (1.0, members),
        };
        let seconds = self.average_size * sharing / (self.bandwidth * share);
        let least = if self.initial { self.least / 2 } else { self.least };
        Duration::try_from_secs_f64(seconds).unwrap_or(MIN_INTERVAL).max(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reports_every_five_seconds_on_average_and_the_first_time_sooner() {
        let mut interval = Interval { members: 2, senders: 2, we_sent: true, ..Interval::new(400.0) };
        assert_eq!(interval.deterministic(), Duration::from_millis(2_500));
        interval.initial = false;
        assert_eq!(interval.deterministic(), Duration::from_secs(5));
    }

    #[test]
    fn drawn_intervals_fill_half_to_one_and_a_half_compensated() {
        let interval = Interval { initial: false, ..Interval::new(400.0) };
        let mut random = SeededEntropy::new(1);
        let drawn: Vec<f64> = (0..2_000).map(|_| interval.draw(&mut random).as_secs_f64()).collect();
        let (least, most) = drawn.iter().fold((f64::MAX, 0f64), |(a, b), it| (a.min(*it), b.max(*it)));
        assert!((2.05..2.10).contains(&least) && (6.10..6.16).contains(&most), "{least} to {most}");
        let mean = drawn.iter().sum::<f64>() / 2_000.0;
        assert!((4.0..4.2).contains(&mean), "mean {mean}");
    }

    #[test]
    fn many_members_share_the_bandwidth_by_role() {
        let crowd = Interval { members: 1_000, senders: 10, initial: false, ..Interval::new(400.0) };
        // 990 receivers share three quarters of 400 octets a second, ten senders the rest.
        assert_eq!(crowd.deterministic().as_secs_f64().round(), (128.0f64 * 990.0 / 300.0).round());
        let sender = Interval { we_sent: true, ..crowd };
        assert_eq!(sender.deterministic().as_secs_f64().round(), (128.0f64 * 10.0 / 100.0).round());
    }
}
