//! IP fragments, put together again (fault 1). An INVITE of many candidates does not fit an Ethernet frame.

use std::collections::VecDeque;
use std::net::IpAddr;

/// Datagrams whose fragments are waited for; the oldest is given up.
const MAX_OPEN: usize = 64;
/// The longest datagram that IP knows.
const MAX_LENGTH: usize = 65_535;
/// Fragments of one datagram.
const MAX_PARTS: usize = 128;

/// Source, destination, protocol, identification.
pub(super) type Key = (IpAddr, IpAddr, u8, u32);

/// A part of a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) offset: usize,
    /// Whether it is not the last.
    pub(super) more: bool,
    pub(super) octets: &'a [u8],
}

#[derive(Debug, Default)]
pub(super) struct Fragments {
    open: VecDeque<(Key, Open)>,
}

#[derive(Debug, Default)]
struct Open {
    octets: Vec<u8>,
    /// What has come, as ranges in order.
    parts: Vec<(usize, usize)>,
    length: Option<usize>,
}

impl Fragments {
    /// Takes a fragment; gives the datagram when it was the missing one.
    pub(super) fn add(&mut self, key: Key, fragment: Fragment<'_>) -> Option<Vec<u8>> {
        let end = fragment.offset + fragment.octets.len();
        if end > MAX_LENGTH {
            return None;
        }
        let at = match self.open.iter().position(|(it, _)| *it == key) {
            Some(at) => at,
            None => {
                if self.open.len() >= MAX_OPEN {
                    self.open.pop_front();
                }
                self.open.push_back((key, Open::default()));
                self.open.len() - 1
            }
        };
        let (_, open) = self.open.get_mut(at)?;
        if open.parts.len() >= MAX_PARTS {
            self.open.remove(at);
            return None;
        }
        if open.octets.len() < end {
            open.octets.resize(end, 0);
        }
        open.octets[fragment.offset..end].copy_from_slice(fragment.octets);
        open.parts.push((fragment.offset, end));
        if !fragment.more {
            open.length = Some(end);
        }
        if !open.is_complete() {
            return None;
        }
        let (_, mut whole) = self.open.remove(at)?;
        whole.octets.truncate(whole.length?);
        Some(whole.octets)
    }
}

impl Open {
    fn is_complete(&mut self) -> bool {
        self.parts.sort_unstable();
        let reached = self.parts.iter().fold(0, |reached, (from, to)| match *from <= reached {
            true => reached.max(*to),
            false => reached,
        });
        self.length.is_some_and(|length| reached >= length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(fragments: &mut Fragments, id: u32, offset: usize, more: bool, octets: &[u8]) -> Option<Vec<u8>> {
        let address = IpAddr::from([192, 0, 2, 1]);
        fragments.add((address, address, 17, id), Fragment { offset, more, octets })
    }

    #[test]
    fn fragments_in_any_order_and_overlapped_make_the_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(add(&mut fragments, 1, 16, false, b"qrs"), None);
        assert_eq!(add(&mut fragments, 2, 0, true, b"ABCDEFGH"), None);
        assert_eq!(add(&mut fragments, 1, 0, true, b"abcdefgh"), None);
        assert_eq!(
            add(&mut fragments, 1, 8, true, b"ijklmnop").as_deref(),
            Some(&b"abcdefghijklmnopqrs"[..])
        );
        assert_eq!(fragments.open.len(), 1);
    }

    #[test]
    fn what_never_completes_is_given_up_and_lies_are_not_believed() {
        let mut fragments = Fragments::default();
        for id in 0..10_000 {
            assert_eq!(add(&mut fragments, id, 8, true, &[0; 1_400]), None);
        }
        assert_eq!(fragments.open.len(), MAX_OPEN);
        assert_eq!(add(&mut fragments, 1, 65_528, false, &[0; 100]), None);
        for _ in 0..1_000 {
            assert_eq!(add(&mut fragments, 7, 800, true, &[0; 8]), None);
        }
    }
}
