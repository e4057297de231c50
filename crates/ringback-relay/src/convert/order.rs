//! Packets in the order in which they were sent: one that is late is waited for until two behind it are here.

use ringback_rtp::SequenceNumber;
use std::collections::VecDeque;

/// How many wait for one that is missing.
const HELD: usize = 2;
/// A jump by more is a sender that began anew.
const JUMP: i16 = 100;

/// Puts packets into their order.
#[derive(Debug, Default)]
pub(super) struct Order {
    next: Option<SequenceNumber>,
    held: Vec<(SequenceNumber, Vec<u8>)>,
    ready: VecDeque<Turn>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This packet.
    Packet(Vec<u8>),
    /// So many are missing.
    Missing(u16),
    /// The sender began anew.
    Anew,
}

impl Order {
    /// Takes a packet of this number.
    pub(super) fn take(&mut self, number: SequenceNumber, packet: &[u8]) {
        let ahead = self.next.map_or(0, |next| number.distance_from(next));
        if !(-JUMP..=JUMP).contains(&ahead) {
            self.held.clear();
            self.ready.push_back(Turn::Anew);
            self.next = Some(number);
        } else if ahead < 0 || self.held.iter().any(|(own, _)| *own == number) {
            return;
        }
        if ahead > 0 && self.next != Some(number) {
            self.held.push((number, packet.to_vec()));
        } else {
            self.ready.push_back(Turn::Packet(packet.to_vec()));
            self.next = Some(number.next());
        }
        self.release();
        if self.held.len() >= HELD
            && let Some(next) = self.next
            && let Some(first) = self.held.iter().map(|(own, _)| own.distance_from(next)).min()
        {
            // Within the greatest jump, and ahead.
            let missing = first.unsigned_abs();
            self.ready.push_back(Turn::Missing(missing));
            self.next = Some(SequenceNumber(next.0.wrapping_add(missing)));
            self.release();
        }
    }

    fn release(&mut self) {
        while let Some(at) = self.held.iter().position(|(own, _)| Some(*own) == self.next) {
            let (number, packet) = self.held.swap_remove(at);
            self.ready.push_back(Turn::Packet(packet));
            self.next = Some(number.next());
        }
    }

    /// The next turn; drain it after each packet.
    pub(super) fn poll(&mut self) -> Option<Turn> {
        self.ready.pop_front()
    }

    /// The packet behind what was polled last.
    pub(super) fn peek(&self) -> Option<&[u8]> {
        match self.ready.front() {
            Some(Turn::Packet(packet)) => Some(packet),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(numbers: &[u16]) -> String {
        let mut order = Order::default();
        let mut said = Vec::new();
        for number in numbers {
            order.take(SequenceNumber(*number), &number.to_be_bytes());
            said.extend(std::iter::from_fn(|| order.poll()).map(|turn| match turn {
                Turn::Packet(packet) => u16::from_be_bytes([packet[0], packet[1]]).to_string(),
                Turn::Missing(count) => format!("-{count}"),
                Turn::Anew => "anew".into(),
            }));
        }
        said.join(" ")
    }

    #[test]
    fn what_is_swapped_is_put_right_and_what_is_lost_is_given_up() {
        for (numbers, said) in [
            (&[1, 2, 3][..], "1 2 3"),
            (&[1, 3, 2, 4], "1 2 3 4"),
            (&[65_535, 1, 0, 2], "65535 0 1 2"),
            (&[1, 3, 4, 5], "1 -1 3 4 5"),
            (&[1, 6, 4, 5], "1 -2 4 5 6"),
            (&[1, 3, 4, 2, 2, 5, 5], "1 -1 3 4 5"),
            (&[1, 3, 3, 3, 2], "1 2 3"),
            (&[1, 2, 500, 501], "1 2 anew 500 501"),
            (&[500, 1, 2], "500 anew 1 2"),
        ] {
            assert_eq!(turns(numbers), said, "{numbers:?}");
        }
    }
}
