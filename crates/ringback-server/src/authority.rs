//! Who is asked for a password, and whether it was right.

use crate::Stats;
use crate::guard::Guard;
use crate::users::Users;
use ringback_auth::{Algorithm, Authenticator, Credentials, DigestChallenge, Ha1, Place, Rejection, Verdict};
use ringback_message::{HeaderId, Request};
use ringback_net::OsEntropy;
use ringback_sansio::{Entropy as _, Epoch};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How many octets most challenges have less than.
const USUAL: usize = 256;

/// The one judge of passwords. Shared by all shards: a nonce that was used in one call must not work in another.
pub(crate) struct Authority {
    /// Whether nobody is asked.
    open: AtomicBool,
    pub(crate) users: Users,
    pub(crate) guard: Guard,
    epoch: Epoch,
    inner: Mutex<(Authenticator, OsEntropy)>,
    challenged: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
}

/// What a request proved.
pub(crate) enum Proof {
    /// To come from this user; nothing where nobody is asked.
    Of(Option<String>),
    /// Nothing. These header fields ask for it.
    Missing(Vec<(HeaderId, String)>),
    /// That its sender does not know the password, or that there is no such user: it is not told which.
    Wrong,
}

impl Authority {
    /// `digest` is what challenges offer, best first.
    pub(crate) fn new(
        realm: &str,
        digest: &[Algorithm],
        open: bool,
        users: Users,
        guard: Guard,
        epoch: Epoch,
    ) -> Self {
        let mut entropy = OsEntropy::new();
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        let mut authenticator = Authenticator::new(realm, secret);
        authenticator.algorithms(digest);
        let inner = Mutex::new((authenticator, entropy));
        let (challenged, accepted, refused) = Default::default();
        Self { open: open.into(), users, guard, epoch, inner, challenged, accepted, refused }
    }

    /// Whether nobody is asked.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Goes on as another configuration says. Nonces that are out stay good.
    pub(crate) fn renew(&self, digest: &[Algorithm], open: bool) {
        self.open.store(open, Ordering::Relaxed);
        let (authenticator, _) = &mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        authenticator.algorithms(digest);
    }

    /// Adds what was judged.
    pub(crate) fn counted(&self, stats: Stats) -> Stats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (challenged, accepted, refused) =
            (read(&self.challenged), read(&self.accepted), read(&self.refused));
        Stats { auth_challenged: challenged, auth_accepted: accepted, auth_refused: refused, ..stats }
    }

    /// Judges the credentials of a request that came from `peer`.
    pub(crate) fn prove(&self, now: Instant, request: &Request, place: Place, peer: IpAddr) -> Proof {
        let proof = self.judge(now, request, place, peer);
        let count = match &proof {
            Proof::Of(None) => return proof,
            Proof::Of(Some(_)) => &self.accepted,
            Proof::Missing(_) => &self.challenged,
            Proof::Wrong => &self.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
        proof
    }

    fn judge(&self, now: Instant, request: &Request, place: Place, peer: IpAddr) -> Proof {
        if self.is_open() {
            return Proof::Of(None);
        }
        let unix = self.epoch.unix(now);
        let (authenticator, entropy) = &mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Asked { authority: self, now, peer, user: RefCell::default() };
        let stale = match authenticator.authenticate(unix, request, place, &asked) {
            Verdict::Accepted { user } => {
                self.guard.proved(now, peer, &user);
                return Proof::Of(Some(user));
            }
            Verdict::Rejected(Rejection::Password) => {
                let user = asked.user.into_inner();
                self.guard.failed(now, peer, &user, self.users.has(&user));
                return Proof::Wrong;
            }
            Verdict::Rejected(Rejection::Uri) => return Proof::Wrong,
            Verdict::Stale => true,
            // Nothing that can be judged is as good as nothing.
            _ => false,
        };
        let challenges = authenticator.challenges(unix, stale, entropy);
        let written = |challenge: &DigestChallenge| {
            let mut text = String::with_capacity(USUAL);
            // Writing to a String cannot fail.
            let _ = write!(text, "{challenge}");
            (place.challenge_field(), text)
        };
        Proof::Missing(challenges.iter().map(written).collect())
    }
}

/// The users as one source sees them: a password that the guard does not want looked at is one of nobody.
struct Asked<'a> {
    authority: &'a Authority,
    now: Instant,
    peer: IpAddr,
    /// Who it says that it is.
    user: RefCell<String>,
}

impl Credentials for Asked<'_> {
    fn ha1(&self, user: &str, realm: &str, algorithm: Algorithm) -> Option<Ha1> {
        user.clone_into(&mut self.user.borrow_mut());
        let Authority { guard, users, .. } = self.authority;
        let ha1 = users.ha1(user, realm, algorithm);
        if guard.may_try(self.now, self.peer, user) { ha1 } else { None }
    }
}
