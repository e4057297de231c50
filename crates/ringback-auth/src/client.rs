//! The client side: answers challenges and remembers what they allow.

use crate::authenticator::values;
use crate::hash::Hex;
use crate::{Algorithm, AuthError, DigestChallenge, DigestCredentials, Ha1, Place, Qop};
use ringback_message::header::{Credentials as Value, ProxyAuthenticate, WwwAuthenticate};
use ringback_message::{InvalidValue, Method, Request, Response, Uri};
use ringback_sansio::Entropy;

/// Answers challenges for one account and the servers on its way.
///
/// It remembers the last challenge of each realm, so that later requests can carry credentials at once
/// ([`preauthorize`](Self::preauthorize)) with a count that rises for each use of a nonce (rule 24).
#[derive(Clone, Debug, Default)]
pub struct DigestClient {
    accounts: Vec<Account>,
    sessions: Vec<Session>,
}

/// What was tried for one request so far. Keep one with each request that waits for its final response.
///
/// It ends what would be an endless exchange: each realm is answered once, and once more if only the nonce was
/// the matter.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    answered: Vec<Answered>,
}

#[derive(Clone, Debug)]
struct Answered {
    place: Place,
    realm: String,
    again: bool,
}

#[derive(Clone, Debug)]
struct Account {
    /// `None` for every realm.
    realm: Option<String>,
    username: String,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Password(String),
    Hashes(Vec<Ha1>),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A challenge that was answered and how often.
#[derive(Clone, Debug)]
struct Session {
    place: Place,
    /// Whom the challenged request was for, user and host. Credentials do not go to anybody else unasked.
    target: String,
    challenge: DigestChallenge,
    cnonce: String,
    count: u32,
}

/// More challenges than any path of proxies brings.
const MOST_CHALLENGES: usize = 32;
/// Realms to remember; the one that was challenged longest ago makes room.
const MOST_SESSIONS: usize = 16;

impl DigestClient {
    /// A client with one user name and password for whatever realm asks.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        let mut client = Self::default();
        client.account(None, username.into(), Secret::Password(password.into()));
        client
    }

    /// Adds a user name and password for one realm. It goes before those for every realm.
    pub fn password(
        &mut self,
        realm: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> &mut Self {
        self.account(Some(realm.into()), username.into(), Secret::Password(password.into()))
    }

    /// Adds a user name and hashed passwords for one realm: only challenges of their algorithms can be answered.
    pub fn hashes(
        &mut self,
        realm: impl Into<String>,
        username: impl Into<String>,
        hashes: impl IntoIterator<Item = Ha1>,
    ) -> &mut Self {
        self.account(Some(realm.into()), username.into(), Secret::Hashes(hashes.into_iter().collect()))
    }

    fn account(&mut self, realm: Option<String>, username: String, secret: Secret) -> &mut Self {
        self.accounts.push(Account { realm, username, secret });
        // Stable: those for one realm keep their order and go first.
        self.accounts.sort_by_key(|account| account.realm.is_none());
        self
    }

    /// Puts credentials on `request`, which `response` refused with a challenge. The caller then gives it the
    /// next CSeq and a new branch and sends it again (RFC 3261 §22.2).
    ///
    /// Every realm is answered for which there is a password, of both header fields, as forking proxies
    /// collect challenges (RFC 3261 §16.7). Where a realm offers several algorithms the strongest is taken
    /// and the topmost of equals: the local policy that RFC 8760 §2.4 leaves room for. Credentials of realms
    /// that did not complain are renewed with the next count.
    ///
    /// # Errors
    /// When there is nothing to answer or no use in answering. The request is then unchanged.
    pub fn authorize(
        &mut self,
        attempt: &mut Attempt,
        response: &Response,
        request: &mut Request,
        entropy: &mut (impl Entropy + ?Sized),
    ) -> Result<(), AuthError> {
        if matches!(*request.method(), Method::ACK | Method::CANCEL) {
            return Err(AuthError::Method);
        }
        let mut fault = AuthError::NoChallenge(None);
        let mut chosen: Vec<(Place, DigestChallenge)> = Vec::new();
        for (place, value) in challenges(response) {
            let challenge = match DigestChallenge::parse(&value) {
                Ok(challenge) => challenge,
                Err(error) => {
                    if fault == AuthError::NoChallenge(None) {
                        fault = AuthError::NoChallenge(Some(error));
                    }
                    continue;
                }
            };
            if self.secret(&challenge.realm, challenge.algorithm).is_none() {
                fault = AuthError::NoCredentials;
                continue;
            }
            let rival = chosen.iter_mut().find(|(p, c)| *p == place && c.realm == challenge.realm);
            match rival {
                Some((_, rival)) if challenge.algorithm.strength() > rival.algorithm.strength() => {
                    *rival = challenge;
                }
                Some(_) => {}
                None => chosen.push((place, challenge)),
            }
        }
        let before = chosen.len();
        chosen.retain(|(place, challenge)| attempt.permits(*place, challenge, request));
        if chosen.is_empty() {
            return Err(if before > 0 { AuthError::Refused } else { fault });
        }
        for (place, challenge) in chosen {
            attempt.note(place, &challenge.realm);
            self.remember(place, challenge, request, entropy);
        }
        let attempted =
            |session: &Session| attempt.answered.iter().any(|done| session.is_for(done.place, &done.realm));
        self.write(request, attempted).map_err(AuthError::from)
    }

    /// Puts credentials for the realms of earlier challenges on a new request, which saves the round trip of a
    /// refusal. Proxies get theirs with every request, servers with requests for the same user and host: what is
    /// for a server itself has no user, and what is for its users goes on to strangers.
    ///
    /// Use one client for each account and its servers: whoever sees credentials can try passwords on them.
    /// ACK and CANCEL are left alone: see [`copy_credentials`].
    ///
    /// # Errors
    /// When the credentials do not fit into the request.
    pub fn preauthorize(&mut self, request: &mut Request) -> Result<(), InvalidValue> {
        if matches!(*request.method(), Method::ACK | Method::CANCEL) {
            return Ok(());
        }
        let target = target_of(request);
        self.write(request, |session| session.place == Place::Proxy || session.target == target)
    }

    /// Forgets all challenges, for instance when the account moves to another server.
    pub fn forget(&mut self) {
        self.sessions.clear();
    }

    fn secret(&self, realm: &str, algorithm: Algorithm) -> Option<(&str, Ha1)> {
        let mut accounts =
            self.accounts.iter().filter(|account| account.realm.as_deref().is_none_or(|own| own == realm));
        accounts.find_map(|account| {
            let ha1 = match &account.secret {
                Secret::Password(password) => Ha1::new(&account.username, realm, password, algorithm),
                Secret::Hashes(hashes) => {
                    hashes.iter().find(|ha1| ha1.algorithm() == algorithm.base())?.clone()
                }
            };
            Some((account.username.as_str(), ha1))
        })
    }

    fn remember(
        &mut self,
        place: Place,
        challenge: DigestChallenge,
        request: &Request,
        entropy: &mut (impl Entropy + ?Sized),
    ) {
        let old = self.sessions.iter().position(|session| session.is_for(place, &challenge.realm));
        let old = old.map(|at| self.sessions.remove(at));
        if let Some(mut same) = old.filter(|old| {
            old.challenge.nonce == challenge.nonce && old.challenge.algorithm == challenge.algorithm
        }) {
            // The server gave a nonce once more that was used already: its count goes on.
            same.challenge = challenge;
            same.target = target_of(request);
            self.sessions.push(same);
            return;
        }
        if self.sessions.len() >= MOST_SESSIONS {
            self.sessions.remove(0);
        }
        let cnonce = Hex::new(&entropy.next_u64().to_be_bytes()).as_str().to_owned();
        self.sessions.push(Session { place, target: target_of(request), challenge, cnonce, count: 0 });
    }

    /// Writes fresh credentials for every session that `applies`, in place of older ones for its realm.
    fn write(
        &mut self,
        request: &mut Request,
        applies: impl Fn(&Session) -> bool,
    ) -> Result<(), InvalidValue> {
        let mut signed: Vec<(Place, DigestCredentials)> = Vec::new();
        for at in 0..self.sessions.len() {
            let session = &self.sessions[at];
            let carried = || carried(request, session.place, &session.challenge.realm).is_some();
            if !(applies(session) || carried()) {
                continue;
            }
            let Some((username, ha1)) = self.secret(&session.challenge.realm, session.challenge.algorithm)
            else {
                continue;
            };
            let username = username.to_owned();
            let session = &mut self.sessions[at];
            session.count = session.count.saturating_add(1);
            signed.push((session.place, session.sign(username, &ha1, request)));
        }
        let before = request.clone();
        let outcome = [Place::Server, Place::Proxy].into_iter().try_for_each(|place| {
            let field = place.credentials_field();
            let renewed = |value: &[u8]| {
                realm_of(value, place).is_some_and(|realm| {
                    signed.iter().any(|(where_, credentials)| *where_ == place && credentials.realm == realm)
                })
            };
            let kept: Vec<Vec<u8>> =
                request.values(field).filter(|value| !renewed(value)).map(unfold).collect();
            request.remove(field);
            kept.iter().try_for_each(|value| request.push(field, value))?;
            signed
                .iter()
                .filter(|(where_, _)| *where_ == place)
                .try_for_each(|(_, credentials)| request.push(field, format_args!("{credentials}")))
        });
        if outcome.is_err() {
            *request = before;
        }
        outcome
    }
}

impl Attempt {
    /// Whether answering this challenge can lead anywhere: the realm was not answered yet, or it was and only
    /// the nonce seems to be the matter, for the first time.
    fn permits(&self, place: Place, challenge: &DigestChallenge, request: &Request) -> bool {
        let sent = carried(request, place, &challenge.realm);
        // A nonce that is refused and given again without `stale`: the password is wrong.
        if !challenge.stale && sent.as_ref().is_some_and(|sent| sent.nonce == challenge.nonce) {
            return false;
        }
        let done = self.answered.iter().find(|done| done.place == place && done.realm == challenge.realm);
        match done {
            None => self.answered.len() < MOST_CHALLENGES,
            Some(done) => {
                // Servers with nonces for one use do not always say `stale` when a nonce comes again.
                let reused = sent.is_some_and(|sent| sent.qop.is_some_and(|(_, count)| count > 1));
                !done.again && (challenge.stale || reused)
            }
        }
    }

    fn note(&mut self, place: Place, realm: &str) {
        let done = self.answered.iter_mut().find(|done| done.place == place && done.realm == realm);
        match done {
            Some(done) => done.again = true,
            None => self.answered.push(Answered { place, realm: realm.to_owned(), again: false }),
        }
    }
}

impl Session {
    fn is_for(&self, place: Place, realm: &str) -> bool {
        self.place == place && self.challenge.realm == realm
    }

    fn sign(&self, username: String, ha1: &Ha1, request: &Request) -> DigestCredentials {
        let challenge = &self.challenge;
        // `auth` where it is offered: bodies are changed on the way more often than they are forged.
        let qop = [Qop::Auth, Qop::AuthInt].into_iter().find(|qop| challenge.qop.contains(qop));
        let needs_cnonce = qop.is_some() || challenge.algorithm.is_session();
        let credentials = DigestCredentials {
            username,
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: String::from_utf8_lossy(request.uri_bytes()).into_owned(),
            response: String::new(),
            algorithm: challenge.algorithm,
            cnonce: needs_cnonce.then(|| self.cnonce.clone()),
            opaque: challenge.opaque.clone(),
            qop: qop.map(|qop| (qop, self.count)),
        };
        credentials.signed(ha1, request.method().as_str(), request.body())
    }
}

/// Gives the ACK to a 2xx the credentials of its INVITE, unchanged: an ACK cannot be challenged (rule 16,
/// RFC 3261 §22.1).
///
/// # Errors
/// When they do not fit into the request.
pub fn copy_credentials(invite: &Request, ack: &mut Request) -> Result<(), InvalidValue> {
    for place in [Place::Server, Place::Proxy] {
        let field = place.credentials_field();
        ack.remove(field);
        invite.values(field).try_for_each(|value| ack.push(field, unfold(value)))?;
    }
    Ok(())
}

/// The challenges of a response, in either field, topmost first.
fn challenges(response: &Response) -> impl Iterator<Item = (Place, Value<'_>)> {
    let asked = [Place::Server, Place::Proxy].iter().any(|place| place.status() == response.status());
    let server = response.all::<WwwAuthenticate<'_>>().flatten().map(|value| (Place::Server, value.0));
    let proxy = response.all::<ProxyAuthenticate<'_>>().flatten().map(|value| (Place::Proxy, value.0));
    server.chain(proxy).take(if asked { MOST_CHALLENGES } else { 0 })
}

/// The credentials that a request carries for a realm.
fn carried(request: &Request, place: Place, realm: &str) -> Option<DigestCredentials> {
    values(request, place)
        .flatten()
        .filter_map(|value| DigestCredentials::parse(&value).ok())
        .find(|credentials| credentials.realm == realm)
}

fn realm_of(value: &[u8], place: Place) -> Option<String> {
    use ringback_message::header::{Authorization, Header as _, ProxyAuthorization};
    let value = match place {
        Place::Server => Authorization::parse(value).map(|value| value.0),
        Place::Proxy => ProxyAuthorization::parse(value).map(|value| value.0),
    };
    value.ok()?.digest()?.value("realm").map(std::borrow::Cow::into_owned)
}

/// A value in one line, as setters want it.
fn unfold(value: &[u8]) -> Vec<u8> {
    value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

fn target_of(request: &Request) -> String {
    match request.uri() {
        Ok(Uri::Sip(uri)) => {
            let host = uri.host().to_string().to_ascii_lowercase();
            uri.user().map_or_else(|| host.clone(), |user| format!("{user}@{host}"))
        }
        _ => String::new(),
    }
}
