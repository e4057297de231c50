//! Bursts and gaps of losses (RFC 3611 §4.7.2 and appendix A.2): whether what is missing comes alone or in heaps.

use std::time::Duration;

/// Between two losses of different bursts so many packets come at least, as RFC 3611 §4.7.2 recommends.
const GMIN: u8 = 16;

/// Counts what came and what did not, packet by packet, in the order of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bursts {
    /// Packets that came since the last loss.
    since_loss: u64,
    /// Losses in the burst at hand.
    lost: u64,
    /// Transitions between received (1) and lost (3) in bursts, and lone losses (4) in gaps, by the names of appendix A.2.
    c11: u64,
    c13: u64,
    c14: u64,
    c22: u64,
    c23: u64,
    c33: u64,
}

/// The figures of a [`Bursts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstMetrics {
    /// What is missing within bursts, in 256ths.
    pub burst_density: u8,
    /// What is missing between them, in 256ths.
    pub gap_density: u8,
    /// How long bursts are on average, in milliseconds.
    pub burst_duration: u16,
    /// How long the gaps between them are, in milliseconds.
    pub gap_duration: u16,
    /// The least distance of two bursts, in packets.
    pub gmin: u8,
}

impl Default for BurstMetrics {
    fn default() -> Self {
        Self { burst_density: 0, gap_density: 0, burst_duration: 0, gap_duration: 0, gmin: GMIN }
    }
}

impl Bursts {
    /// A packet came in time.
    pub fn came(&mut self) {
        self.since_loss += 1;
    }

    /// One did not, or too late to be of use.
    pub fn missed(&mut self) {
        let since = std::mem::take(&mut self.since_loss);
        if since >= u64::from(GMIN) {
            if self.lost == 1 {
                self.c14 += 1;
            } else {
                self.c13 += 1;
            }
            self.lost = 1;
            self.c11 += since;
        } else {
            self.lost += 1;
            if since == 0 {
                self.c33 += 1;
            } else {
                self.c23 += 1;
                self.c22 += since - 1;
            }
        }
    }

    /// The figures up to now, where packets last so long.
    pub fn metrics(&self, packet: Duration) -> BurstMetrics {
        // The gap at hand counts as if it ended here.
        let c11 = self.c11 + self.since_loss;
        let c31 = self.c13;
        let c32 = self.c23;
        let (c11, c13, c14, c22, c23) =
            (c11 as f64, self.c13 as f64, self.c14 as f64, self.c22 as f64, self.c23 as f64);
        let (c31, c32, c33) = (c31 as f64, c32 as f64, self.c33 as f64);
        let all = c11 + c14 + c13 + c22 + c23 + c31 + c32 + c33;
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let (p32, p23) = (share(c32, c31 + c32 + c33), 1.0 - share(c22, c22 + c23));
        let burst_density = if c23 + c33 > 0.0 { share(p23, p23 + p32).min(1.0) } else { 0.0 };
        let gap_density = share(c14, c11 + c14);
        // As many bursts as returns to a gap, and the one at hand.
        let bursts = c31.max(if self.lost > 1 { 1.0 } else { 0.0 });
        let millis = packet.as_secs_f64() * 1e3;
        let gap_length = share((c11 + c14 + c13) * millis, bursts.max(1.0));
        let burst_length = (share(all * millis, bursts) - gap_length).max(0.0);
        let density = |share: f64| (share * 256.0).min(255.0) as u8;
        let span = |millis: f64| millis.clamp(0.0, f64::from(u16::MAX)) as u16;
        BurstMetrics {
            burst_density: density(burst_density),
            gap_density: density(gap_density),
            burst_duration: span(burst_length),
            gap_duration: span(gap_length),
            gmin: GMIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Duration = Duration::from_millis(20);

    /// Feeds `.` for packets that came and `x` for those that did not.
    fn fed(packets: &str) -> BurstMetrics {
        let mut bursts = Bursts::default();
        for packet in packets.bytes() {
            if packet == b'x' { bursts.missed() } else { bursts.came() }
        }
        bursts.metrics(PACKET)
    }

    #[test]
    fn without_losses_all_is_one_gap() {
        let metrics = fed(&".".repeat(100));
        assert_eq!((metrics.burst_density, metrics.gap_density, metrics.burst_duration), (0, 0, 0));
        assert_eq!(metrics.gap_duration, 2_000);
    }

    #[test]
    fn lone_losses_belong_to_the_gap() {
        let metrics = fed(&format!("{}x", ".".repeat(49)).repeat(20));
        assert_eq!(metrics.burst_density, 0);
        // One in fifty is five of 256.
        assert!((4..=6).contains(&metrics.gap_density), "{metrics:?}");
    }

    #[test]
    fn heaps_of_losses_are_bursts() {
        let metrics = fed(&format!("{}xx.xxx.x.x", ".".repeat(90)).repeat(20));
        assert!((150..=210).contains(&metrics.burst_density), "seven of ten: {metrics:?}");
        assert!((120..=280).contains(&metrics.burst_duration), "ten packets: {metrics:?}");
        assert!((1_700..=2_000).contains(&metrics.gap_duration), "ninety packets: {metrics:?}");
        assert_eq!(metrics.gap_density, 0);
    }

    #[test]
    fn nothing_at_all_is_nothing() {
        assert_eq!(Bursts::default().metrics(PACKET), BurstMetrics::default());
        let lost = fed(&"x".repeat(1_000));
        assert!(lost.burst_density > 250, "{lost:?}");
    }
}
