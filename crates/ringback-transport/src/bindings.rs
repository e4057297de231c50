//! Keeping datagram flows open, and noticing that they are not what they were (RFC 5626 §4.4.2): Binding requests at
//! intervals, repeated as RFC 8489 §6.2.1 says, and the address that the other side sees us at.

use crate::stun::{self, TransactionId};
use bytes::Bytes;
use ringback_sansio::{CloseReason, Flow, FlowId, Map, Seal};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// RFC 8489 §6.2.1: the first interval, how many requests, and how long the last one is waited for in intervals.
const FIRST: Duration = Duration::from_millis(500);
const REQUESTS: u32 = 7;
const LAST: u32 = 16;

/// The flow of a datagram socket: it and the peer.
pub(crate) type Place = (FlowId, SocketAddr);

#[derive(Debug)]
struct Kept {
    flow: Flow,
    every: Duration,
    mapped: Option<SocketAddr>,
    /// The question that is not answered, and how often it was sent.
    open: Option<(TransactionId, u32)>,
}

/// What is to be done for a flow whose time has come, or whose answer has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Send this, and look again at that time.
    Ask(Bytes, Instant),
    /// Look again at that time; the peer sees us there, where that is news.
    Wait(Instant, Option<SocketAddr>),
    /// It is not what it was.
    Lost(Flow, CloseReason),
}

/// All datagram flows that are kept.
#[derive(Debug)]
pub(crate) struct Bindings {
    kept: Map<Place, Kept>,
    secret: Seal,
    asked: u64,
}

impl Bindings {
    pub(crate) fn new(secret: u64) -> Self {
        Self { kept: Map::default(), secret: Seal::keyed(secret), asked: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn contains(&self, place: &Place) -> bool {
        self.kept.contains_key(place)
    }

    /// Keeps a flow, or changes how often.
    pub(crate) fn keep(&mut self, flow: Flow, every: Duration) {
        let place = (flow.id, flow.peer);
        self.kept.entry(place).or_insert(Kept { flow, every, mapped: None, open: None }).every = every;
    }

    pub(crate) fn flow(&self, place: &Place) -> Option<Flow> {
        self.kept.get(place).map(|kept| kept.flow)
    }

    pub(crate) fn forget(&mut self, place: &Place) {
        self.kept.remove(place);
    }

    /// The time of a flow has come: to ask, to ask again, or to give up.
    pub(crate) fn due(&mut self, now: Instant, place: Place) -> Option<Act> {
        let (id, first) = (self.next_id(), self.kept.get(&place)?.open.is_none());
        let kept = self.kept.get_mut(&place)?;
        let (id, sent) = if first { (id, 0) } else { kept.open? };
        if sent >= REQUESTS {
            let flow = self.kept.remove(&place)?.flow;
            return Some(Act::Lost(flow, CloseReason::TimedOut));
        }
        let sent = sent + 1;
        kept.open = Some((id, sent));
        let wait = if sent == REQUESTS { FIRST * LAST } else { FIRST * (1 << (sent - 1)) };
        Some(Act::Ask(stun::request(id), now + wait))
    }

    /// A datagram of STUN came; `None` when it answers nothing of ours.
    pub(crate) fn answered(&mut self, now: Instant, place: Place, datagram: &[u8]) -> Option<Act> {
        let (id, seen) = stun::mapped(datagram)?;
        let kept = self.kept.get_mut(&place)?;
        kept.open.take_if(|(open, _)| *open == id)?;
        let news = kept.mapped.replace(seen);
        if news.is_some_and(|before| before != seen) {
            let flow = self.kept.remove(&place)?.flow;
            return Some(Act::Lost(flow, CloseReason::Reset));
        }
        let every = kept.every;
        Some(Act::Wait(now + jittered(self.secret, self.asked, every), news.is_none().then_some(seen)))
    }

    /// Names that nobody off the path can guess.
    fn next_id(&mut self) -> TransactionId {
        self.asked += 1;
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.secret.hash_one((self.asked, 0)).to_be_bytes());
        id[8..].copy_from_slice(&self.secret.hash_one((self.asked, 1)).to_be_bytes()[..4]);
        id
    }
}

/// Between four fifths of an interval and all of it, so that not everybody comes at once (RFC 5626 §4.4).
pub(crate) fn jittered(secret: Seal, salt: u64, every: Duration) -> Duration {
    every * 4 / 5 + every.mul_f64((secret.hash_one(salt) % 1_000) as f64 / 5_000.0)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;
    use ringback_sansio::Protocol;

    const PLACE: FlowId = FlowId(1);

    fn flow() -> Flow {
        let address = |text: &str| text.parse().unwrap();
        Flow {
            id: PLACE,
            protocol: Protocol::Udp,
            local: address("10.0.0.7:5060"),
            peer: address("192.0.2.1:5060"),
        }
    }

    #[test]
    fn silence_is_asked_seven_times_and_then_the_flow_is_lost() {
        let start = Instant::now();
        let mut bindings = Bindings::new(1);
        bindings.keep(flow(), Duration::from_secs(29));
        let place = (PLACE, flow().peer);
        let (mut now, mut times, mut asked) = (start, Vec::new(), Vec::new());
        while let Some(Act::Ask(bytes, next)) = bindings.due(now, place) {
            times.push((now - start).as_millis());
            asked.push(bytes);
            now = next;
        }
        assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!((now - start).as_millis(), 39_500);
        asked.dedup();
        assert_eq!((asked.len(), bindings.len()), (1, 0), "the same transaction, and it is forgotten");
    }

    #[test]
    fn rule_42_another_address_at_the_other_side_ends_the_flow() {
        let now = Instant::now();
        let mut bindings = Bindings::new(1);
        bindings.keep(flow(), Duration::from_secs(29));
        let place = (PLACE, flow().peer);
        let seen = ["198.51.100.1:4000", "198.51.100.1:4000", "198.51.100.1:4001"];
        let mut acts = Vec::new();
        for at in seen {
            let Some(Act::Ask(bytes, _)) = bindings.due(now, place) else { panic!("it asks") };
            let answer = stun::answer(&bytes, at.parse().unwrap()).unwrap();
            let other = (PLACE, "203.0.113.1:5060".parse().unwrap());
            assert_eq!(bindings.answered(now, other, &answer), None, "from somebody else");
            acts.push(bindings.answered(now, place, &answer).unwrap());
            assert_eq!(bindings.answered(now, place, &answer), None, "twice");
        }
        let Act::Wait(next, news) = &acts[0] else { panic!("{acts:?}") };
        let wait = *next - now;
        assert!((Duration::from_millis(23_200)..=Duration::from_secs(29)).contains(&wait), "{wait:?}");
        assert_eq!(*news, Some(seen[0].parse().unwrap()));
        assert!(matches!(acts[1], Act::Wait(_, None)), "{acts:?}");
        assert_eq!(acts[2], Act::Lost(flow(), CloseReason::Reset));
    }
}
