//! The server side: challenges out, verdicts on what comes back.

use crate::hash::Hmac;
use crate::nonce::NonceId;
use crate::{Algorithm, DigestChallenge, DigestCredentials, DigestError, Ha1, Place, Qop, ReplayWindow};
use ringback_message::header::{Authorization, Credentials as Value, ProxyAuthorization};
use ringback_message::{Request, ResponseBuilder, Uri};
use ringback_sansio::Entropy;
use std::fmt;
use std::time::Duration;

/// Where passwords are found.
pub trait Credentials {
    /// The hash of the user's password for a realm; `None` when there is no such user, or none of his hashes
    /// is of that algorithm.
    ///
    /// `user` is what the client sent, before anything is proved. `algorithm` is never a `-sess` one. To keep
    /// users from being probed (fault 15), known and unknown ones should take the same time.
    fn ha1(&self, user: &str, realm: &str, algorithm: Algorithm) -> Option<Ha1>;
}

/// What credentials are worth.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They prove the password of this user.
    Accepted {
        /// The user name in the credentials.
        user: String,
    },
    /// There are none for our realm: challenge.
    Missing,
    /// The password is right, the nonce is not: challenge with `stale=true`, and the client will try again
    /// without asking its user. The nonce is too old, of another server or run, or its count was used before.
    Stale,
    /// They are wrong: challenge again, or answer 403. Unknown user and wrong password look the same.
    Rejected(Rejection),
}

/// Why credentials were rejected. For logs; a peer should not be told.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// They cannot be read.
    Malformed(DigestError),
    /// An algorithm or quality that was not offered.
    NotOffered,
    /// The response covers another URI than that of the request.
    Uri,
    /// Wrong password or no such user.
    Password,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::NotOffered => f.write_str("algorithm or qop was not offered"),
            Self::Uri => f.write_str("digest covers another URI"),
            Self::Password => f.write_str("wrong user or password"),
        }
    }
}

/// Challenges for one realm and judges what comes back.
///
/// Nonces are sealed with the secret instead of being remembered, so challenging costs no memory and several
/// servers with one secret take each other's nonces. The counts of nonces that were used are remembered
/// here, in a bounded [`ReplayWindow`].
#[derive(Clone)]
pub struct Authenticator {
    realm: String,
    secret: Hmac,
    /// What the password of nobody is made of.
    nobody: [u8; 32],
    lifetime: Duration,
    algorithms: Vec<Algorithm>,
    qop: Vec<Qop>,
    opaque: Option<String>,
    same_uri: bool,
    window: ReplayWindow,
}

impl Authenticator {
    /// Asks for passwords of `realm`. The secret must be random and can be kept over restarts, so that clients
    /// with a cached nonce go on unseen.
    ///
    /// By default: SHA-256 before MD5, `qop="auth"`, nonces live five minutes, 2^20 of them are watched.
    pub fn new(realm: impl Into<String>, secret: [u8; 32]) -> Self {
        Self {
            realm: realm.into(),
            secret: Hmac::new(&secret),
            nobody: Hmac::new(&secret).code(&[b"nobody"]),
            lifetime: Duration::from_secs(300),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            qop: vec![Qop::Auth],
            opaque: None,
            same_uri: false,
            window: ReplayWindow::new(1 << 20),
        }
    }

    /// How long a nonce can be used after it was made.
    pub fn nonce_lifetime(&mut self, lifetime: Duration) -> &mut Self {
        self.lifetime = lifetime;
        self
    }

    /// The algorithms to offer. They are offered strongest first, as RFC 8760 §2.4 has clients take the topmost
    /// that they know.
    pub fn algorithms(&mut self, algorithms: &[Algorithm]) -> &mut Self {
        self.algorithms = algorithms.to_vec();
        self.algorithms.sort_by_key(|algorithm| std::cmp::Reverse(algorithm.strength()));
        self
    }

    /// The qualities to offer. Answers without any, in the manner of RFC 2069, are taken as long as `auth` is
    /// among them; each uses its nonce up. An `auth-int` answer is always taken, being worth more.
    pub fn qop(&mut self, qop: &[Qop]) -> &mut Self {
        self.qop = qop.to_vec();
        self
    }

    /// A text that clients give back, for those that insist on one.
    pub fn opaque(&mut self, opaque: impl Into<String>) -> &mut Self {
        self.opaque = Some(opaque.into());
        self
    }

    /// Whether the digest must cover the same address as the Request-URI (RFC 7616 §3.4.6). Off by default: a
    /// proxy on the way may have changed the Request-URI, and clients in wide use sign the server's address.
    pub fn require_same_uri(&mut self, required: bool) -> &mut Self {
        self.same_uri = required;
        self
    }

    /// How many used nonces to watch. See [`ReplayWindow`].
    pub fn watched_nonces(&mut self, capacity: usize) -> &mut Self {
        self.window = ReplayWindow::new(capacity);
        self
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The nonces that are watched.
    pub fn window(&self) -> &ReplayWindow {
        &self.window
    }

    /// Makes challenges, one for each algorithm, strongest first, all with the same new nonce.
    pub fn challenges(
        &self,
        now_unix: Duration,
        stale: bool,
        entropy: &mut (impl Entropy + ?Sized),
    ) -> Vec<DigestChallenge> {
        let nonce = NonceId::new(now_unix, entropy).seal(&self.secret, &self.realm);
        let challenge = |algorithm: &Algorithm| DigestChallenge {
            realm: self.realm.clone(),
            nonce: nonce.clone(),
            opaque: self.opaque.clone(),
            stale,
            algorithm: *algorithm,
            qop: self.qop.clone(),
        };
        self.algorithms.iter().map(challenge).collect()
    }

    /// Starts the 401 or 407 to a request, with a new To tag.
    pub fn demand(
        &self,
        now_unix: Duration,
        request: &Request,
        place: Place,
        stale: bool,
        entropy: &mut (impl Entropy + ?Sized),
    ) -> ResponseBuilder {
        let tag = format!("{:016x}", entropy.next_u64());
        self.challenges(now_unix, stale, entropy)
            .iter()
            .fold(request.reply(place.status(), Some(&tag)), |reply, challenge| {
                reply.header(place.challenge_field(), format_args!("{challenge}"))
            })
    }

    /// Judges the credentials that a request carries for our realm. Those for other realms are left alone: they
    /// are for somebody else on the way.
    pub fn authenticate(
        &mut self,
        now_unix: Duration,
        request: &Request,
        place: Place,
        store: &dyn Credentials,
    ) -> Verdict {
        let mut verdict = Verdict::Missing;
        for value in values(request, place) {
            let next = match value.and_then(|value| DigestCredentials::parse(&value)) {
                // RFC 3261 §22: Basic is as good as nothing.
                Err(DigestError::NotDigest) => continue,
                Err(error) => Verdict::Rejected(Rejection::Malformed(error)),
                Ok(credentials) if credentials.realm != self.realm => continue,
                Ok(credentials) => self.verify(
                    now_unix,
                    request.method().as_str(),
                    request.uri_bytes(),
                    request.body(),
                    &credentials,
                    store,
                ),
            };
            match next {
                Verdict::Accepted { .. } | Verdict::Stale => return next,
                _ => verdict = next,
            }
        }
        verdict
    }

    /// Judges credentials for our realm. Same work whether the user is known or not.
    pub fn verify(
        &mut self,
        now_unix: Duration,
        method: &str,
        uri: &[u8],
        body: &[u8],
        credentials: &DigestCredentials,
        store: &dyn Credentials,
    ) -> Verdict {
        let offered = match credentials.qop {
            Some((Qop::AuthInt, _)) => true,
            Some((Qop::Auth, _)) | None => self.qop.is_empty() || self.qop.contains(&Qop::Auth),
        };
        if !offered || !self.algorithms.contains(&credentials.algorithm) || credentials.realm != self.realm {
            return Verdict::Rejected(Rejection::NotOffered);
        }
        let algorithm = credentials.algorithm.base();
        let stand_in = Ha1::stand_in(algorithm, &self.nobody);
        let known = store.ha1(&credentials.username, &self.realm, algorithm);
        let proved = credentials.proves(known.as_ref().unwrap_or(&stand_in), method, body);
        if !proved || known.is_none() {
            return Verdict::Rejected(Rejection::Password);
        }
        if self.same_uri && !same_address(credentials.uri.as_bytes(), uri) {
            return Verdict::Rejected(Rejection::Uri);
        }
        let nonce = NonceId::open(&credentials.nonce, &self.secret, &self.realm);
        let Some(nonce) = nonce.filter(|nonce| nonce.is_fresh(now_unix, self.lifetime)) else {
            return Verdict::Stale;
        };
        let unused = match credentials.qop {
            Some((_, count)) => self.window.accept(now_unix, self.lifetime, nonce, count),
            None => self.window.exhaust(now_unix, self.lifetime, nonce),
        };
        if unused { Verdict::Accepted { user: credentials.username.clone() } } else { Verdict::Stale }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("realm", &self.realm)
            .field("algorithms", &self.algorithms)
            .field("watched", &self.window.len())
            .finish_non_exhaustive()
    }
}

/// At most so many credentials of a request are looked at: one for each proxy on a long way.
const MOST_CREDENTIALS: usize = 16;

/// The credentials of a request in the place's header field.
pub(crate) fn values(
    request: &Request,
    place: Place,
) -> impl Iterator<Item = Result<Value<'_>, DigestError>> {
    let (mut server, mut proxy) = (None, None);
    match place {
        Place::Server => server = Some(request.all::<Authorization<'_>>().map(|value| value.map(|v| v.0))),
        Place::Proxy => proxy = Some(request.all::<ProxyAuthorization<'_>>().map(|value| value.map(|v| v.0))),
    }
    let both = server.into_iter().flatten().chain(proxy.into_iter().flatten());
    both.take(MOST_CREDENTIALS).map(|value| value.map_err(|_| DigestError::Malformed("credentials")))
}

/// Whether both name the same user and host; parameters and port do not count.
fn same_address(a: &[u8], b: &[u8]) -> bool {
    match (Uri::parse(a), Uri::parse(b)) {
        (Ok(Uri::Sip(a)), Ok(Uri::Sip(b))) => a.host() == b.host() && a.user_octets() == b.user_octets(),
        (Ok(a), Ok(b)) => a.equivalent(&b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_compare_without_port_and_parameters() {
        assert!(same_address(b"sip:bob@example.com:5060;transport=udp", b"sip:b%6Fb@EXAMPLE.com"));
        assert!(!same_address(b"sip:bob@example.com", b"sip:carol@example.com"));
        assert!(!same_address(b"sip:bob@example.com", b"sip:example.com"));
        assert!(same_address(b"tel:+1-202-555-0142", b"tel:+12025550142"));
        assert!(!same_address(b"/index.html", b"sip:bob@example.com"));
    }
}
