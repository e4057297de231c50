//! Sending less to next hops that say they have too much to do (RFC 7339): what they ask for is remembered for as long as they
//! say, and that share of what is new is kept from them.

use crate::guard::{has_to_tag, is_emergency};
use ringback_message::header::Via;
use ringback_message::{HeaderId, Method, Request};
use ringback_proxy::Restraint;
use ringback_sansio::{Hasher, Map};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most next hops of which something is remembered. Those beyond it are sent everything.
const MOST: usize = 10_000;
/// For how long a share counts where nothing is said (RFC 7339 §4.3).
const VALIDITY: Duration = Duration::from_millis(500);
/// And at most.
const LONGEST: Duration = Duration::from_secs(60);

/// What one next hop asked for.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// The percentage that is kept from it.
    share: u8,
    until: Instant,
    /// Which of its wishes this was: rises from one to the next (§4.4).
    sequence: u64,
}

/// What next hops asked for.
#[derive(Debug)]
pub(crate) struct Wishes {
    hasher: Hasher,
    told: Mutex<Map<SocketAddr, Told>>,
    /// How many there are, to be seen without the lock.
    active: AtomicUsize,
    held_back: AtomicU64,
}

impl Wishes {
    pub(crate) fn new(hasher: Hasher) -> Self {
        Self {
            hasher: hasher.clone(),
            told: Mutex::new(Map::with_hasher(hasher)),
            active: AtomicUsize::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    /// How many requests were kept from those who asked for fewer.
    pub(crate) fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Map<SocketAddr, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Restraint for Wishes {
    fn told(&self, now: Instant, by: SocketAddr, via: &Via<'_>) {
        let number = |name: &str| via.params.value(name)?.parse::<u32>().ok();
        let Some(share) = number("oc") else { return };
        let algorithm = via.params.value("oc-algo").map_or("loss", |algorithm| algorithm.trim_matches('"'));
        if share > 100 || !algorithm.eq_ignore_ascii_case("loss") {
            return;
        }
        let validity = number("oc-validity").map_or(VALIDITY, |ms| Duration::from_millis(ms.into()));
        let sequence = via.params.value("oc-seq").and_then(sequence).unwrap_or(0);
        let mut told = self.lock();
        match told.get(&by) {
            Some(last) if last.until > now && sequence != 0 && sequence < last.sequence => return,
            None if told.len() >= MOST => {
                told.retain(|_, told| told.until > now);
                if told.len() >= MOST {
                    return;
                }
            }
            _ => {}
        }
        if share == 0 || validity.is_zero() {
            told.remove(&by);
        } else {
            let until = now + validity.min(LONGEST);
            // At most 100, as was just seen.
            told.insert(by, Told { share: share as u8, until, sequence });
        }
        self.active.store(told.len(), Ordering::Relaxed);
    }

    fn holds_back(&self, now: Instant, to: SocketAddr, request: &Request) -> bool {
        if self.active.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut told = self.lock();
        let Some(wish) = told.get(&to).copied() else { return false };
        if wish.until <= now {
            told.remove(&to);
            self.active.store(told.len(), Ordering::Relaxed);
            return false;
        }
        drop(told);
        let method = request.method();
        if *method == Method::ACK
            || *method == Method::CANCEL
            || has_to_tag(request)
            || is_emergency(request)
            || request.has(HeaderId::RESOURCE_PRIORITY)
        {
            return false;
        }
        let of = (request.values(HeaderId::CALL_ID).next(), request.values(HeaderId::CSEQ).next());
        let holds_back = self.hasher.hash_one(of) % 100 < u64::from(wish.share);
        self.held_back.fetch_add(u64::from(holds_back), Ordering::Relaxed);
        holds_back
    }
}

/// A sequence number such as `1282321615.782`, in thousandths.
fn sequence(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<3}");
    let thousandths: u64 = fraction.get(..3)?.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::Message;
    use ringback_message::header::Header as _;

    fn request(number: u32, to: &str) -> Request {
        let text = format!(
            "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             From: <sip:a@example.com>;tag=a\r\nTo: <sip:bob@example.com>{to}\r\nCall-ID: {number}\r\nCSeq: 1 INVITE\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn rfc_7339_a_share_is_held_back_for_as_long_as_was_said() {
        let (now, peer) = (Instant::now(), "192.0.2.9:5060".parse().unwrap());
        let wishes = Wishes::new(Hasher::keyed(7));
        let tell = |params: &str| {
            let via = format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;{params}");
            wishes.told(now, peer, &Via::parse(via.as_bytes()).unwrap());
        };
        let held = |now, peer| (0..1_000).filter(|n| wishes.holds_back(now, peer, &request(*n, ""))).count();
        assert_eq!(held(now, peer), 0);
        tell("oc=40;oc-algo=\"loss\";oc-validity=800;oc-seq=5.5");
        assert!((330..470).contains(&held(now, peer)), "{}", held(now, peer));
        assert_eq!(held(now, "192.0.2.9:5061".parse().unwrap()), 0);
        assert!((0..100).all(|n| !wishes.holds_back(now, peer, &request(n, ";tag=b"))));
        // One that comes late, others that mean nothing.
        for late in ["oc=90;oc-seq=5.4", "oc=101", "oc=-1", "oc", "oc=90;oc-algo=\"rate\"", "oc=x"] {
            tell(late);
            assert!((330..470).contains(&held(now, peer)), "{late}");
        }
        tell("oc=100;oc-seq=6");
        assert_eq!(held(now, peer), 1_000);
        assert_eq!(held(now + VALIDITY, peer), 0);
        tell("oc=100;oc-seq=7");
        tell("oc=0;oc-validity=0;oc-seq=8");
        assert_eq!(held(now, peer), 0);
    }
}
