//! What the packets of one side tell about their way here (RFC 3550 §A.1, §A.3, §A.8). What is read of them stands in clear in SRTP, too.

use std::time::{Duration, Instant};

/// Losses and jitter of one source after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reception {
    ssrc: u32,
    /// First and highest number, the latter with its roll-overs, once there was a packet.
    range: Option<(u64, u64)>,
    received: u64,
    /// What former sources lost.
    before: u64,
    /// The clocks of payload types, in ticks a second.
    clocks: Vec<(u8, u32)>,
    /// When the last packet came, by our clock and by that of its sender, and how fast the latter goes.
    last: Option<(Instant, u32, u32)>,
    /// In nanoseconds.
    jitter: u64,
}

impl Reception {
    /// How fast the clocks of payload types go, in ticks a second.
    pub(crate) fn set_clocks(&mut self, clocks: Vec<(u8, u32)>) {
        self.clocks = clocks;
    }

    /// Takes an RTP packet.
    pub(crate) fn note(&mut self, now: Instant, packet: &[u8]) {
        let [_, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = *packet else { return };
        let (number, ssrc) = (u16::from_be_bytes([s0, s1]), u32::from_be_bytes([c0, c1, c2, c3]));
        let ahead = self.range.map(|(_, highest)| i64::from(number.wrapping_sub(highest as u16) as i16));
        match (self.range, ahead) {
            // RFC 3550 §A.1: a jump of more than a minute of audio is a sender that began anew.
            (Some((first, highest)), Some(ahead)) if ssrc == self.ssrc && ahead.abs() < 3_000 => {
                self.range = Some((first, highest.saturating_add_signed(ahead).max(highest)));
                self.received += 1;
            }
            _ => {
                // Away from zero, so that a late packet does not lie before all numbers.
                let first = u64::from(number) + (1 << 16);
                (self.ssrc, self.before) = (ssrc, self.lost());
                (self.range, self.received, self.last) = (Some((first, first)), 1, None);
            }
        }
        self.time(now, kind & 0x7f, u32::from_be_bytes([t0, t1, t2, t3]));
    }

    /// RFC 3550 §A.8, by packets that follow each other within a second: a pause tells nothing of the way.
    fn time(&mut self, now: Instant, kind: u8, time: u32) {
        let Some((_, clock)) = self.clocks.iter().find(|(own, clock)| *own == kind && *clock > 0) else {
            return;
        };
        let last = self.last.replace((now, time, *clock));
        let Some((heard, before, _)) = last.filter(|(.., own)| own == clock) else { return };
        let came = i64::try_from(now.saturating_duration_since(heard).as_nanos()).unwrap_or(i64::MAX);
        let sent = i64::from(time.wrapping_sub(before) as i32) * 1_000_000_000 / i64::from(*clock);
        if came < 1_000_000_000 && sent.abs() < 1_000_000_000 {
            let off = came.abs_diff(sent);
            self.jitter = (self.jitter * 15 + off) / 16;
        }
    }

    /// Packets that never came, less those that came twice (RFC 3550 §A.3).
    pub(crate) fn lost(&self) -> u64 {
        let expected = self.range.map_or(0, |(first, highest)| highest - first + 1);
        self.before + expected.saturating_sub(self.received)
    }

    /// How unevenly packets come, of late.
    pub(crate) fn jitter(&self) -> Duration {
        Duration::from_nanos(self.jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_what_the_way_adds_and_not_what_the_sender_does() {
        let start = crate::start();
        let mut reception = Reception::default();
        reception.set_clocks(vec![(0, 8_000)]);
        let mut came = |number: u16, ticks: u32, after: u64| {
            let mut packet = [0; 32];
            packet[2..4].copy_from_slice(&number.to_be_bytes());
            packet[4..8].copy_from_slice(&ticks.to_be_bytes());
            reception.note(start + Duration::from_millis(after), &packet);
            reception.jitter()
        };
        // A pause of two seconds and packets of 20 ms that come every 20 ms have no jitter.
        assert_eq!(came(1, 0, 0) + came(2, 160, 20) + came(3, 16_160, 2_020), Duration::ZERO);
        assert_eq!(came(4, 16_320, 2_040), Duration::ZERO);
        // One that is 16 ms late adds a sixteenth of that.
        assert_eq!(came(5, 16_480, 2_076), Duration::from_millis(1));
        // Another clock is not known, and tells nothing.
        let mut other = Reception::default();
        other.note(start, &[0; 32]);
        other.note(start + Duration::from_secs(1), &[0; 32]);
        assert_eq!(other.jitter(), Duration::ZERO);
    }
}
