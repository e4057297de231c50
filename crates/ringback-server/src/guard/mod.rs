//! Who is listened to: limits for each source and user, and bans of those who guess passwords or scan.
//!
//! A source from where users of ours have logged in is never banned, whatever else comes from there: many share an
//! address, and a datagram's sender can be forged. Guesses from there, and those spread over many sources, are stopped at
//! the account: with too many wrong passwords its password is not looked at any more but for sources that had it right
//! before, so that its owner is not locked out (fault 16). An emergency call is always let in (fault 48), and so is what
//! belongs to a call that is up.

mod config;
mod rate;
mod rules;

pub use config::GuardConfig;
pub(crate) use config::networks;

use arc_swap::ArcSwap;
pub(crate) use rate::{Allowance, Used};
use ringback_message::{HeaderId, Message, Method};
use ringback_sansio::{Hasher, Map};
use rules::Rules;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Sources are remembered in so many parts, each with its lock.
const PARTS: usize = 16;
/// The most sources of one part. Those beyond it are let in unlimited, and counted.
const SOURCES: usize = 8_192;
/// How long it is remembered that a user logged in from somewhere.
const LOGIN: Duration = Duration::from_secs(24 * 3_600);
/// The most users that are remembered of one source.
const LOGINS: usize = 64;
/// After so long without a ban an offender is like any other.
const FORGIVEN: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Why a request goes unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its network is blocked by the configuration.
    Blocked,
    /// Its source is banned.
    Banned,
    /// It says itself that it is a scanner.
    Scanner,
    /// Its source sends too much.
    Rate,
}

impl Refusal {
    const ALL: [Self; 4] = [Self::Blocked, Self::Banned, Self::Scanner, Self::Rate];

    /// Its name among the counters of what was dropped.
    fn counter(self) -> &'static str {
        match self {
            Self::Blocked => "blocked_source",
            Self::Banned => "banned_source",
            Self::Scanner => "scanner",
            Self::Rate => "source_over_rate",
        }
    }
}

/// A source that is not listened to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// The address, or the first one of an IPv6 network of 64 bits.
    pub source: IpAddr,
    /// For so many seconds more.
    pub seconds: u64,
    /// How often it was banned lately.
    pub times: u32,
}

/// What is known of one source.
#[derive(Debug, Default)]
struct Source {
    requests: Used,
    /// When the log was last told that it sends too much.
    told: Option<Instant>,
    failures: Used,
    banned: Option<Instant>,
    /// How often it was banned, and when last.
    offences: u32,
    offended: Option<Instant>,
    /// Who logged in from there, and when last.
    logins: SmallVec<[(u64, Instant); 1]>,
}

impl Source {
    fn is_banned(&self, now: Instant) -> bool {
        self.banned.is_some_and(|until| until > now)
    }

    fn is_home(&self, now: Instant) -> bool {
        self.logins.iter().any(|(_, at)| now.saturating_duration_since(*at) < LOGIN)
    }

    /// Whether forgetting it changes nothing.
    fn is_idle(&self, now: Instant) -> bool {
        let innocent = self.offended.is_none_or(|at| now.saturating_duration_since(at) > FORGIVEN);
        innocent && !self.is_home(now) && self.requests.is_idle(now) && self.failures.is_idle(now)
    }
}

/// What is known of one user.
#[derive(Debug, Default)]
struct Account {
    requests: Used,
    failures: Used,
}

#[derive(Debug, Default)]
struct Part {
    sources: Map<IpAddr, Source>,
    /// When it was last looked for those that can be forgotten.
    swept: Option<Instant>,
}

/// The guard. Shared by all shards.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Exchanged as a whole when the configuration is read again.
    rules: ArcSwap<Rules>,
    hasher: Hasher,
    parts: Vec<Mutex<Part>>,
    accounts: Mutex<Map<String, Account>>,
    refused: [AtomicU64; 4],
    /// How often a source was not remembered, for there were too many.
    full: AtomicU64,
}

impl Guard {
    /// `key` is unpredictable.
    pub(crate) fn new(config: GuardConfig, key: u64) -> Self {
        let hasher = Hasher::keyed(key);
        let part = |_| Mutex::new(Part { sources: Map::with_hasher(hasher.clone()), swept: None });
        Self {
            rules: ArcSwap::from_pointee(Rules::new(config)),
            hasher: hasher.clone(),
            parts: (0..PARTS).map(part).collect(),
            accounts: Mutex::new(Map::with_hasher(hasher.clone())),
            refused: Default::default(),
            full: AtomicU64::new(0),
        }
    }

    /// Goes on by other rules. What is known of sources and users stays, bans included.
    pub(crate) fn renew(&self, config: GuardConfig) {
        self.rules.store(Arc::new(Rules::new(config)));
    }

    /// Whether a message is looked at. Responses always are: they are for requests of ours, or for nothing.
    pub(crate) fn admit(&self, now: Instant, peer: IpAddr, message: &Message) -> Result<(), Refusal> {
        let peer = peer.to_canonical();
        let rules = self.rules.load();
        if rules.is_trusted(peer) {
            return Ok(());
        }
        let judged = self.judge(now, peer, message, &rules);
        if let Err(refusal) = judged {
            let index = Refusal::ALL.iter().position(|own| *own == refusal).unwrap_or_default();
            self.refused[index].fetch_add(1, Ordering::Relaxed);
        }
        judged
    }

    fn judge(&self, now: Instant, peer: IpAddr, message: &Message, rules: &Rules) -> Result<(), Refusal> {
        if rules.config.blocked.iter().any(|network| network.contains(&peer)) {
            return Err(Refusal::Blocked);
        }
        let Some(method) = message.method() else { return Ok(()) };
        if is_emergency(message) {
            return Ok(());
        }
        let opens = *method != Method::ACK && !has_to_tag(message);
        let source = source_of(peer);
        let judged = self.with_source(now, source, |known| {
            if opens && known.is_banned(now) {
                return Err(Refusal::Banned);
            }
            if opens && rules.is_scanner(message) && !known.is_home(now) {
                rules.ban(now, source, known, "names itself as a scanner");
                return Err(Refusal::Scanner);
            }
            match rules.requests {
                Some(allowance) if *method != Method::ACK && !known.requests.take(now, allowance) => {
                    rules.tell(now, source, known);
                    Err(Refusal::Rate)
                }
                _ => Ok(()),
            }
        });
        judged.unwrap_or(Ok(()))
    }

    /// Whether the password of a user is looked at when it comes from there.
    pub(crate) fn may_try(&self, now: Instant, peer: IpAddr, user: &str) -> bool {
        let peer = peer.to_canonical();
        let rules = self.rules.load();
        let is_up = || self.accounts().get(user).is_some_and(|it| it.failures.is_up(now, rules.failures));
        if rules.config.failures == 0 || rules.is_trusted(peer) || !is_up() {
            return true;
        }
        let user = self.hasher.hash_one(user);
        let part = self.part(source_of(peer));
        let known = part.sources.get(&source_of(peer));
        known.is_some_and(|source| source.logins.iter().any(|(own, _)| *own == user) && source.is_home(now))
    }

    /// A user proved to be himself.
    pub(crate) fn proved(&self, now: Instant, peer: IpAddr, user: &str) {
        let peer = peer.to_canonical();
        if self.rules.load().is_trusted(peer) {
            return;
        }
        let user = self.hasher.hash_one(user);
        let _ = self.with_source(now, source_of(peer), |source| {
            source.logins.retain(|(own, at)| *own != user && now.saturating_duration_since(*at) < LOGIN);
            if source.logins.len() == LOGINS {
                source.logins.remove(0);
            }
            source.logins.push((user, now));
            source.banned = None;
        });
    }

    /// A password was wrong. `exists` says whether there is such a user.
    pub(crate) fn failed(&self, now: Instant, peer: IpAddr, user: &str, exists: bool) {
        let peer = peer.to_canonical();
        let rules = self.rules.load();
        if rules.config.failures == 0 || rules.is_trusted(peer) {
            return;
        }
        if exists {
            self.accounts().entry(user.to_owned()).or_default().failures.take(now, rules.failures);
        }
        let source = source_of(peer);
        let _ = self.with_source(now, source, |known| {
            if !known.failures.take(now, rules.failures) && !known.is_home(now) && !known.is_banned(now) {
                rules.ban(now, source, known, "guesses passwords");
            }
        });
    }

    /// Whether one more request of a user, who proved to be himself, goes on.
    pub(crate) fn user_may_send(&self, now: Instant, peer: IpAddr, user: &str) -> bool {
        let rules = self.rules.load();
        let Some(allowance) = rules.user_requests else { return true };
        if rules.is_trusted(peer.to_canonical()) {
            return true;
        }
        let mut accounts = self.accounts();
        match accounts.get_mut(user) {
            Some(account) => account.requests.take(now, allowance),
            None => {
                let mut account = Account::default();
                let may = account.requests.take(now, allowance);
                accounts.insert(user.to_owned(), account);
                may
            }
        }
    }

    /// The sources that are banned now.
    pub(crate) fn bans(&self, now: Instant) -> Vec<Ban> {
        let mut bans = Vec::new();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            bans.extend(part.sources.iter().filter_map(|(source, known)| {
                let left = known.banned?.checked_duration_since(now).filter(|left| !left.is_zero())?;
                Some(Ban { source: *source, seconds: left.as_secs().max(1), times: known.offences })
            }));
        }
        bans.sort_by_key(|ban| ban.source);
        bans
    }

    /// Ends a ban and forgets what it was for; says whether there was one.
    pub(crate) fn pardon(&self, now: Instant, peer: IpAddr) -> bool {
        let source = source_of(peer.to_canonical());
        let removed = self.part(source).sources.remove(&source);
        removed.is_some_and(|known| known.is_banned(now))
    }

    /// How many messages went unanswered, by reason.
    pub(crate) fn counters(&self) -> Vec<(&'static str, u64)> {
        let refused =
            Refusal::ALL.iter().zip(&self.refused).map(|(refusal, count)| (refusal.counter(), count));
        let full = [("source_not_remembered", &self.full)];
        let counts = refused.chain(full).map(|(name, count)| (name, count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    fn part(&self, source: IpAddr) -> MutexGuard<'_, Part> {
        // By other bits than those by which a table finds its place.
        let index = (self.hasher.hash_one(source) >> 40) as usize % PARTS;
        self.parts[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accounts(&self) -> MutexGuard<'_, Map<String, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with what is known of a source; `None` where no more can be remembered.
    fn with_source<R>(&self, now: Instant, source: IpAddr, act: impl FnOnce(&mut Source) -> R) -> Option<R> {
        let part = &mut *self.part(source);
        if part.sources.len() >= SOURCES && !part.sources.contains_key(&source) {
            // Looking at all of them for each datagram of a flood would be the work that the flood wants.
            if part.swept.is_none_or(|at| now.saturating_duration_since(at) > Duration::from_secs(1)) {
                part.sources.retain(|_, known| !known.is_idle(now));
                part.swept = Some(now);
            }
            if part.sources.len() >= SOURCES {
                self.full.fetch_add(1, Ordering::Relaxed);
                return None;
            }
        }
        Some(act(part.sources.entry(source).or_default()))
    }
}

/// An address, or what stands for its network: whoever has one IPv6 address has 2^64.
fn source_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// RFC 5031: `urn:service:sos` and what is below it.
pub(crate) fn is_emergency(message: &Message) -> bool {
    const SOS: &[u8] = b"urn:service:sos";
    let uri = message.request_uri_bytes().unwrap_or_default();
    match uri.split_at_checked(SOS.len()) {
        Some((begin, rest)) => begin.eq_ignore_ascii_case(SOS) && matches!(rest.first(), None | Some(b'.')),
        None => false,
    }
}

/// Whether it looks like a request inside a dialog; whether it is one the ends of the dialog know.
pub(crate) fn has_to_tag(message: &Message) -> bool {
    message
        .values(HeaderId::TO)
        .next()
        .is_some_and(|to| to.windows(5).any(|five| five.eq_ignore_ascii_case(b";tag=")))
}

#[cfg(test)]
mod tests;
