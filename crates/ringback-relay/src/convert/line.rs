//! What leaves for the listener: numbers and timestamps without a gap of our making (RFC 3550 §7.2).

use ringback_rtp::HEADER_LEN;
use std::collections::VecDeque;

/// More packets come of no packet; a datagram that made more would be hostile.
const MOST: usize = 64;

/// Packets that are ready, and how times are told.
#[derive(Debug, Default)]
pub(super) struct Line {
    sequence: u16,
    ssrc: u32,
    /// The time that is expected next: by the clock of who sends, and by that of who listens.
    now: (u32, u32),
    /// Whether the next packet of speech begins anew.
    is_new: bool,
    octets: Vec<u8>,
    lengths: VecDeque<usize>,
    /// Packets and octets of payload that were made so far.
    pub(super) sent: (u32, u32),
}

impl Line {
    /// Begins with the header of the first packet that is not passed on as it is.
    pub(super) fn begin(&mut self, sequence: u16, time: u32, ssrc: u32) {
        (self.sequence, self.now, self.ssrc, self.is_new) = (sequence, (time, time), ssrc, true);
    }

    /// The sender began anew at `time`, perhaps under another name: for the listener it goes on.
    pub(super) fn follow(&mut self, time: u32, ssrc: u32) {
        (self.now.0, self.ssrc, self.is_new) = (time, ssrc, true);
    }

    /// The time of the listener at a time of the sender, whose clocks go by `from` and `to` ticks a second.
    pub(super) fn time(&self, time: u32, from: u32, to: u32) -> u32 {
        let ahead = i64::from(time.wrapping_sub(self.now.0) as i32);
        let ticks = ahead * i64::from(to) / i64::from(from.max(1));
        self.now.1.wrapping_add(ticks as u32)
    }

    /// What the sender says next is of `time`. Where that is not what was expected, the listener's time jumps with it, but never
    /// back; says whether it did.
    pub(super) fn jump(&mut self, time: u32, from: u32, to: u32) -> bool {
        let ahead = time.wrapping_sub(self.now.0) as i32;
        if ahead == 0 {
            return false;
        }
        let there = self.time(time, from, to);
        if ahead > 0 {
            self.now.1 = there;
        }
        (self.now.0, self.is_new) = (time, true);
        true
    }

    /// Nothing was said for so many ticks of the listener; what comes next begins anew.
    pub(super) fn rest(&mut self, ticks: u32) {
        self.now.1 = self.now.1.wrapping_add(ticks);
        self.is_new = true;
    }

    /// So many ticks of the sender, and of the listener, have passed.
    pub(super) fn pass(&mut self, of_sender: u32, of_listener: u32) {
        self.now = (self.now.0.wrapping_add(of_sender), self.now.1.wrapping_add(of_listener));
    }

    /// The time of the listener that is expected next.
    pub(super) fn now(&self) -> u32 {
        self.now.1
    }

    /// Makes a packet whose payload is what `write` appends; none where that is nothing.
    pub(super) fn say(
        &mut self,
        number: u8,
        time: u32,
        marker: Option<bool>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let begin = self.octets.len();
        if self.lengths.len() >= MOST {
            return;
        }
        self.octets.resize(begin + HEADER_LEN, 0);
        write(&mut self.octets);
        let length = self.octets.len() - begin;
        if length == HEADER_LEN {
            self.octets.truncate(begin);
            return;
        }
        let marker = marker.unwrap_or_else(|| std::mem::take(&mut self.is_new));
        let [s0, s1] = self.sequence.to_be_bytes();
        let ([t0, t1, t2, t3], [c0, c1, c2, c3]) = (time.to_be_bytes(), self.ssrc.to_be_bytes());
        let kind = u8::from(marker) << 7 | number & 0x7f;
        let header: [u8; HEADER_LEN] = [0x80, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3];
        if let Some(place) = self.octets.get_mut(begin..begin + HEADER_LEN) {
            place.copy_from_slice(&header);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.lengths.push_back(length);
        let (packets, octets) = self.sent;
        self.sent = (packets.wrapping_add(1), octets.wrapping_add((length - HEADER_LEN) as u32));
    }

    /// Puts the next packet at the begin of `buffer`, and says how long it is; nothing when there is none.
    pub(super) fn poll(&mut self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            let Some(length) = self.lengths.pop_front() else {
                self.octets.clear();
                return None;
            };
            // Those before it have been taken: it is where the lengths of the others leave room.
            let behind: usize = self.lengths.iter().sum();
            let begin = self.octets.len().checked_sub(behind + length)?;
            let packet = self.octets.get(begin..begin + length)?;
            if let Some(place) = buffer.get_mut(..length) {
                place.copy_from_slice(packet);
                return Some(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_the_other_clock_and_never_go_back() {
        let mut line = Line::default();
        line.begin(u16::MAX, u32::MAX - 159, 7);
        for n in 0..3 {
            assert!(!line.jump((u32::MAX - 159).wrapping_add(n * 160), 8_000, 48_000));
            line.say(111, line.now(), None, |payload| payload.push(n as u8));
            line.pass(160, 960);
        }
        // A pause of a second, and one that has come to an end before it began.
        assert!(line.jump(320 + 8_000, 8_000, 48_000));
        assert_eq!(line.now(), (u32::MAX - 159).wrapping_add(3 * 960 + 48_000));
        assert!(line.jump(5, 8_000, 48_000));
        assert_eq!(line.now(), (u32::MAX - 159).wrapping_add(3 * 960 + 48_000));
        line.say(111, 0, None, |_| {});
        let mut buffer = [0; 64];
        let packets: Vec<Vec<u8>> =
            std::iter::from_fn(|| line.poll(&mut buffer).map(|length| buffer[..length].to_vec())).collect();
        let heads: Vec<_> =
            packets.iter().map(|it| (it[1], u16::from_be_bytes([it[2], it[3]]), it[12])).collect();
        assert_eq!(heads, [(0x80 | 111, u16::MAX, 0), (111, 0, 1), (111, 1, 2)]);
        assert_eq!(line.sent, (3, 3));
    }
}
