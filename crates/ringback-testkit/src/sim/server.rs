//! The server of a simulation: registrar and proxy on one transaction layer, with or without passwords.

use super::host::Core;
use super::plan::{self, Plan, User};
use bytes::Bytes;
use ringback_auth::{Algorithm, Authenticator, Credentials, Ha1, Place, Verdict};
use ringback_message::header::To;
use ringback_message::{HeaderId, Message, Method, Request, StatusCode, UriBuf};
use ringback_proxy::{Branch, Decision, Hop, Ownership, Proxy, ProxyConfig, ProxyOutput, RoutePolicy};
use ringback_registrar::{Aor, MemoryLocations, Registrar, RegistrarConfig};
use ringback_sansio::{CloseReason, Entropy as _, Epoch, Flow, Machine, Protocol, SeededEntropy, Target};
use ringback_transaction::{Key, ServerKey, TransactionConfig, TransactionInput, Transactions};
use ringback_transport::locate::LocateError;
use std::time::{Duration, Instant};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "secret";

pub(crate) struct Server {
    pub(crate) transactions: Transactions<SeededEntropy>,
    pub(crate) proxy: Proxy,
    policy: Policy,
}

struct Policy {
    /// Which of the servers it is.
    number: usize,
    users: Vec<User>,
    registrar: Registrar<MemoryLocations, SeededEntropy>,
    authenticator: Option<Authenticator>,
    epoch: Epoch,
    entropy: SeededEntropy,
}

/// A status, and the header fields that say what is asked for.
type Challenge = (StatusCode, Vec<(HeaderId, String)>);

/// Everybody has the same password.
struct Passwords;

impl Credentials for Passwords {
    fn ha1(&self, user: &str, realm: &str, algorithm: Algorithm) -> Option<Ha1> {
        Some(Ha1::new(user, realm, PASSWORD, algorithm))
    }
}

impl Server {
    pub(crate) fn new(start: Instant, number: usize, plan: &Plan, seed: u64) -> Self {
        let (address, domain) = (plan::server(number), plan::domain(number));
        let mut entropy = SeededEntropy::new(seed);
        let mut config =
            TransactionConfig { trying_at_once: seed.is_multiple_of(2), ..TransactionConfig::default() };
        config.locals.set(Protocol::Udp, address);
        config.locals.set(Protocol::Tcp, address);
        let transactions = Transactions::new(config, SeededEntropy::new(entropy.next_u64()));
        let ownership = Ownership::new([address], [domain]);
        let proxy = Proxy::new(ProxyConfig::new(ownership), &mut entropy);
        let config = RegistrarConfig { domains: vec![domain.into()], ..RegistrarConfig::default() };
        let locations = MemoryLocations::new(1_000);
        let policy = Policy {
            number,
            users: plan.users.clone(),
            registrar: Registrar::new(config, locations, SeededEntropy::new(entropy.next_u64())),
            authenticator: plan.asks_for_passwords.then(|| Authenticator::new(domain, [7; 32])),
            epoch: Epoch { at: start, unix: Duration::from_secs(1_700_000_000) },
            entropy,
        };
        Self { transactions, proxy, policy }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.transactions.is_empty() && self.proxy.is_empty() && self.policy.registrar.locations().is_empty()
    }

    /// What is left, for people.
    pub(crate) fn remains(&self) -> String {
        let bindings = self.policy.registrar.locations().len();
        format!("{:?}, {:?}, {bindings} bindings", self.transactions, self.proxy)
    }

    fn answer_local(&mut self, now: Instant, key: ServerKey, flow: &Flow, request: &Request) {
        let policy = &mut self.policy;
        let tag = format!("{:016x}", policy.entropy.next_u64());
        let reply = match *request.method() {
            Method::REGISTER => match policy.who(now, request, Place::Server) {
                Ok(user) => {
                    let outcome = policy.registrar.register(now, request, flow, user.as_deref());
                    // Gone means that nobody waits for it any more.
                    let _ = self.transactions.respond_written(now, key, outcome.status, outcome.response);
                    return;
                }
                Err((status, challenges)) => challenges
                    .iter()
                    .fold(request.reply(status, Some(&tag)), |reply, (id, value)| reply.header(*id, value)),
            },
            Method::OPTIONS => request.reply(StatusCode::OK, Some(&tag)),
            _ => request.reply(StatusCode::METHOD_NOT_ALLOWED, Some(&tag)),
        };
        if let Ok(response) = reply.build() {
            // Gone means that nobody waits for it any more.
            let _ = self.transactions.respond(now, key, response);
        }
    }
}

impl Policy {
    /// Who sent a request, where passwords are asked for; else the challenge.
    fn who(&mut self, now: Instant, request: &Request, place: Place) -> Result<Option<String>, Challenge> {
        let Some(authenticator) = &mut self.authenticator else { return Ok(None) };
        let unix = self.epoch.unix(now);
        let verdict = authenticator.authenticate(unix, request, place, &Passwords);
        let stale = match verdict {
            Verdict::Accepted { user } => return Ok(Some(user)),
            verdict => verdict == Verdict::Stale,
        };
        let challenges = authenticator.challenges(unix, stale, &mut self.entropy);
        let field = place.challenge_field();
        let challenges = challenges.iter().map(|challenge| (field, challenge.to_string())).collect();
        Err((place.status(), challenges))
    }
}

impl RoutePolicy for Policy {
    fn route(&mut self, now: Instant, request: &mut Request, hop: Hop<'_>) -> Decision {
        let begins = !matches!(request.first::<To<'_>>(), Some(Ok(to)) if to.tag().is_some());
        // What the other server sends it has asked about already.
        let other = 1 - self.number;
        let is_ours = hop.flow.peer.ip() != plan::server(other).ip();
        if begins && is_ours && !matches!(*request.method(), Method::REGISTER | Method::ACK | Method::CANCEL)
        {
            if let Err((status, challenges)) = self.who(now, request, Place::Proxy) {
                return Decision::Reject(status, challenges);
            }
            request.remove(HeaderId::PROXY_AUTHORIZATION);
        }
        let domain = request.uri().ok().and_then(|uri| uri.as_sip().map(|uri| uri.host().to_string()));
        if begins && domain.as_deref() == Some(plan::domain(other)) {
            let uri = request.uri().ok().map(|uri| uri.to_owned());
            return uri.map_or(Decision::Local, |uri| Decision::forward(over_there(other, uri, 1_000)));
        }
        if !hop.own_uri {
            return Decision::Relay;
        }
        let Some(aor) = request.uri().ok().and_then(|uri| uri.as_sip().and_then(Aor::of)) else {
            return Decision::Local;
        };
        let user = aor.user().strip_prefix("user").and_then(|number| number.parse::<usize>().ok());
        let user = user.and_then(|number| self.users.get(number));
        let address = |server| UriBuf::new(&format!("sip:{}@{}", aor.user(), plan::domain(server))).ok();
        if let Some(User { home, has_moved: true, .. }) = user
            && *home != self.number
        {
            return Decision::Redirect(address(*home).into_iter().collect());
        }
        let elsewhere = user.filter(|user| user.home == self.number).and_then(|user| user.elsewhere);
        let elsewhere = elsewhere.and_then(|q| Some(over_there(other, address(other)?, q)));
        let bindings = self.registrar.locations().lookup(now, &aor);
        let branches = bindings.into_iter().map(|binding| Branch {
            uri: binding.contact.clone(),
            route: binding.path.iter().map(|hop| Bytes::from(hop.clone())).collect(),
            flow: None,
            q: binding.preference(),
            is_spare: false,
            other_flows: Vec::new(),
            gate: None,
            wake: None,
        });
        Decision::Forward(branches.chain(elsewhere).collect())
    }
}

/// A target behind the other server.
fn over_there(other: usize, uri: UriBuf, q: u16) -> Branch {
    let route = Bytes::from(format!("<sip:{};lr>", plan::server(other)));
    Branch { route: vec![route], q, ..Branch::to(uri) }
}

impl Core for Server {
    fn receive(&mut self, now: Instant, flow: Flow, message: Message) {
        self.transactions.handle(now, TransactionInput::Message(flow, message));
    }

    fn failed(&mut self, now: Instant, key: Key, reason: CloseReason) {
        self.transactions.handle(now, TransactionInput::Failed(key, reason));
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        self.proxy.handle_timeout(now, &mut self.transactions);
        self.policy.registrar.locations_mut().expire(now).for_each(drop);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let bindings = self.policy.registrar.locations().next_expiry();
        [self.transactions.poll_timeout(), self.proxy.poll_timeout(), bindings].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(Option<Key>, Target, Bytes)> {
        loop {
            if let Some(output) = self.transactions.poll() {
                self.proxy.handle(now, &mut self.transactions, &mut self.policy, output);
                continue;
            }
            match self.proxy.poll()? {
                ProxyOutput::Transmit { key, to, bytes } => return Some((key, to, bytes)),
                ProxyOutput::Local(key, flow, request) => self.answer_local(now, key, &flow, &request),
                // All hosts of a simulation have addresses.
                // Nobody has a second address here.
                ProxyOutput::Decide(..)
                | ProxyOutput::Unavailable(..)
                | ProxyOutput::Wake(..)
                | ProxyOutput::Forget(_) => {}
                ProxyOutput::Resolve(token, _) => {
                    self.proxy.resolved(now, &mut self.transactions, token, Err(LocateError::NotFound))
                }
            }
        }
    }
}
