//! Who is asked for a password, and whether it was right.

use crate::users::Users;
use ringback_auth::{Algorithm, Authenticator, Place, Rejection, Verdict};
use ringback_message::{HeaderId, Request};
use ringback_net::OsEntropy;
use ringback_sansio::{Entropy as _, Epoch};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The one judge of passwords. Shared by all shards: a nonce that was used in one call must not work in another.
pub(crate) struct Authority {
    /// Whether nobody is asked.
    pub(crate) open: bool,
    pub(crate) users: Users,
    epoch: Epoch,
    inner: Mutex<(Authenticator, OsEntropy)>,
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
    pub(crate) fn new(realm: &str, digest: &[Algorithm], open: bool, users: Users, epoch: Epoch) -> Self {
        let mut entropy = OsEntropy::new();
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        let mut authenticator = Authenticator::new(realm, secret);
        authenticator.algorithms(digest);
        let inner = Mutex::new((authenticator, entropy));
        Self { open, users, epoch, inner }
    }

    /// Judges the credentials of a request.
    pub(crate) fn prove(&self, now: Instant, request: &Request, place: Place) -> Proof {
        if self.open {
            return Proof::Of(None);
        }
        let unix = self.epoch.unix(now);
        let (authenticator, entropy) = &mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = match authenticator.authenticate(unix, request, place, &self.users) {
            Verdict::Accepted { user } => return Proof::Of(Some(user)),
            Verdict::Rejected(Rejection::Password | Rejection::Uri) => return Proof::Wrong,
            Verdict::Stale => true,
            // Nothing that can be judged is as good as nothing.
            _ => false,
        };
        let challenges = authenticator.challenges(unix, stale, entropy);
        Proof::Missing(
            challenges.iter().map(|challenge| (place.challenge_field(), challenge.to_string())).collect(),
        )
    }
}
