//! The registrar: rules and a store.

use crate::binding::ToContact;
use crate::{
    AnyContact, Aor, Binding, Change, CommitError, ContactPolicy, Gruus, LocationStore, PathPolicy,
    PushPolicy, Refusal, words,
};
use bytes::Bytes;
use ringback_message::{HeaderId, Host, Request, StatusCode};
use ringback_sansio::{Entropy, Flow, Hasher};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Instant;

/// What most answers are shorter than.
const USUAL: usize = 1_024;

/// What a registrar allows.
#[derive(Clone, Debug)]
pub struct RegistrarConfig {
    /// The domains whose users may register: names or addresses, IPv6 in brackets. None means all, for a server that
    /// sorts requests before they come here.
    pub domains: Vec<String>,
    /// The shortest registration in seconds; shorter ones are answered 423. At most 3600 counts, as RFC 3261
    /// §10.3 does not let an hour be called too brief.
    pub min_expires: u32,
    /// The length in seconds where the user agent names none.
    pub default_expires: u32,
    /// The longest registration in seconds; longer ones are cut.
    pub max_expires: u32,
    /// How many contacts an address of record may have.
    pub max_contacts: usize,
    /// How many octets of text a binding may hold: contact, parameters, path, Call-ID, User-Agent.
    pub max_binding_len: usize,
    /// What becomes of a Path that the user agent does not know of.
    pub path: PathPolicy,
    /// The proxies that user agents shall send their requests through, as Route values (RFC 3608).
    pub service_route: Vec<String>,
    /// Which contacts are taken.
    pub contacts: Arc<dyn ContactPolicy>,
    /// Makes the addresses of single user agents (RFC 5627), for those who support them; none without it.
    pub gruus: Option<Gruus>,
    /// By which services phones that sleep are woken (RFC 8599). Without it, what contacts say of that is nothing to us,
    /// and nobody is told that it were.
    pub push: Option<PushPolicy>,
}

impl Default for RegistrarConfig {
    /// Any domain; 60 seconds to a day, an hour by default; 10 contacts of 4 KiB; strict about Path.
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            min_expires: 60,
            default_expires: 3_600,
            max_expires: 86_400,
            max_contacts: 10,
            max_binding_len: 4_096,
            path: PathPolicy::default(),
            service_route: Vec::new(),
            contacts: Arc::new(AnyContact),
            gruus: None,
            push: None,
        }
    }
}

/// Answers REGISTER requests and keeps the bindings that they make.
#[derive(Clone, Debug)]
pub struct Registrar<S, E> {
    config: RegistrarConfig,
    /// How often the configuration may have changed: what was allowed once need not be any more.
    terms: u64,
    locations: S,
    entropy: E,
    hasher: Hasher,
}

/// What came of a REGISTER.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its status.
    pub status: StatusCode,
    /// The response, as it is sent.
    pub response: Bytes,
    /// What was changed in the store; nothing when it was refused or only asked.
    pub changes: Vec<Change>,
    /// Whether all that was changed is how long bindings last that were there before. When that is lost, nobody is.
    pub is_refresh: bool,
    /// Why it was refused; `None` for a 200.
    pub refusal: Option<Refusal>,
}

impl<S: LocationStore, E: Entropy> Registrar<S, E> {
    /// A registrar on a store. Entropy makes the To tags.
    pub fn new(config: RegistrarConfig, locations: S, mut entropy: E) -> Self {
        let hasher = Hasher::keyed(entropy.next_u64());
        Self { config, terms: 0, locations, entropy, hasher }
    }

    /// The store.
    pub fn locations(&self) -> &S {
        &self.locations
    }

    /// The store, to expire bindings or to restore them.
    pub fn locations_mut(&mut self) -> &mut S {
        &mut self.locations
    }

    /// What is allowed.
    pub fn config(&self) -> &RegistrarConfig {
        &self.config
    }

    /// What is allowed, to be changed. Bindings that are there stay as they are.
    pub fn config_mut(&mut self) -> &mut RegistrarConfig {
        self.terms += 1;
        &mut self.config
    }

    /// Answers a REGISTER for one of our domains (RFC 3261 §10.3). All of it takes effect or nothing.
    ///
    /// `user` is who sent it, as the digest proved; `None` where no proof is asked for, and anybody may then register
    /// for anybody.
    pub fn register(&mut self, now: Instant, request: &Request, flow: &Flow, user: Option<&str>) -> Outcome {
        let tag = Digits::new(self.entropy.next_u64());
        self.register_for(now, request, Aor::registered_by(request), flow, user, tag.as_str())
    }

    /// The same where [`Aor::registered_by`] was asked before, and the To tag of the response is chosen.
    pub fn register_for(
        &mut self,
        now: Instant,
        request: &Request,
        aor: Result<Aor, Refusal>,
        flow: &Flow,
        user: Option<&str>,
        to_tag: &str,
    ) -> Outcome {
        match self.try_register(now, request, aor, flow, user, to_tag) {
            Ok(outcome) => outcome,
            Err(refusal) => refusal.outcome(request, to_tag),
        }
    }

    /// Answers a copy of a request that was accepted: with the bindings as they are now, and without a change. Who answers
    /// REGISTER without a transaction has to tell copies from requests.
    pub fn repeat(
        &self,
        now: Instant,
        request: &Request,
        aor: Result<Aor, Refusal>,
        to_tag: &str,
    ) -> Outcome {
        let told = aor.and_then(|aor| {
            self.config.accept(now, request, &aor, &self.locations.bindings(now, &aor), to_tag)
        });
        match told {
            Ok(response) => Outcome::accepted(response, Vec::new(), false),
            Err(refusal) => refusal.outcome(request, to_tag),
        }
    }

    fn try_register(
        &mut self,
        now: Instant,
        request: &Request,
        aor: Result<Aor, Refusal>,
        flow: &Flow,
        user: Option<&str>,
        to_tag: &str,
    ) -> Result<Outcome, Refusal> {
        let aor = self.config.authorize(request, aor, user)?;
        let said = words::said_by(request, flow, self.terms, &self.hasher);
        if let Some(binding) = said.and_then(|said| self.locations.renew(now, &aor, said)) {
            let changes = vec![Change::Put(aor.clone(), binding)];
            let bindings = self.locations.bindings(now, &aor);
            let response = self.config.accept(now, request, &aor, &after(&bindings, &changes), to_tag)?;
            return Ok(Outcome::accepted(response, changes, true));
        }
        let before = self.locations.bindings(now, &aor);
        let changes = self.config.decide(now, request, flow, &aor, &before)?;
        // The answer is made first, from what will be: what cannot be answered is not committed.
        let response = self.config.accept(now, request, &aor, &after(&before, &changes), to_tag)?;
        let is_refresh = !changes.is_empty() && changes.iter().all(|change| refreshes(change, &before));
        if !changes.is_empty() {
            self.locations.commit(now, &changes).map_err(|error: CommitError| Refusal::from(error))?;
        }
        // Where more contacts are named, what the same words do depends on all of their bindings.
        if let ([Change::Put(aor, binding)], Some(said)) = (&*changes, said)
            && request.values(HeaderId::CONTACT).nth(1).is_none()
        {
            self.locations.note(now, aor, binding, said.words);
        }
        Ok(Outcome::accepted(response, changes, is_refresh))
    }
}

impl Outcome {
    fn accepted(response: Bytes, changes: Vec<Change>, is_refresh: bool) -> Self {
        Self { status: StatusCode::OK, response, changes, is_refresh, refusal: None }
    }
}

impl Refusal {
    fn outcome(self, request: &Request, to_tag: &str) -> Outcome {
        let response = self.response(request, to_tag).build();
        Outcome {
            status: self.status(),
            // Made of a request that was read, and of words of ours.
            response: response.map(|response| response.render()).unwrap_or_default(),
            changes: Vec::new(),
            is_refresh: false,
            refusal: Some(self),
        }
    }
}

/// Whether a change only makes a binding last longer.
fn refreshes(change: &Change, before: &[&Binding]) -> bool {
    match change {
        Change::Put(_, binding) => before.iter().any(|old| binding.is_same(old) && binding.refreshes(old)),
        Change::Remove(..) => false,
    }
}

impl RegistrarConfig {
    /// The extensions that requests may require of this registrar, as Supported says them.
    pub fn supported(&self) -> &'static str {
        if self.gruus.is_some() { "path, outbound, gruu" } else { "path, outbound" }
    }

    /// Writes the 200 to a request, with all bindings of `aor` as they are now (RFC 3261 §10.3 step 8).
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] when they do not fit into a response.
    pub fn accept(
        &self,
        now: Instant,
        request: &Request,
        aor: &Aor,
        bindings: &[&Binding],
        to_tag: &str,
    ) -> Result<Bytes, Refusal> {
        // RFC 5627 §5.3: those who know what a GRUU is are told theirs.
        let gruus = self.gruus.as_ref().filter(|_| crate::decide::supports(request, "gruu"));
        let gruus: SmallVec<[String; 1]> =
            bindings.iter().filter_map(|binding| Some(gruus?.params(request, aor, binding))).collect();
        // RFC 3327 §5.3: only those who know what a Path is are shown theirs.
        let shows_path = crate::decide::supports(request, "path");
        let push = self.push.as_ref().and_then(|push| push.capabilities(request));
        // RFC 5626 §6: a user agent whose flow is used is told so.
        let is_outbound = crate::outbound::names_flow(request);
        let status = (StatusCode::OK, StatusCode::OK.reason());
        let mut bytes = Vec::with_capacity(USUAL);
        let written = request.write_reply(&mut bytes, status, Some(to_tag), b"", |fields| {
            for (place, binding) in bindings.iter().enumerate() {
                let more = gruus.get(place).map_or("", String::as_str);
                fields.header(HeaderId::CONTACT, ToContact { binding, now, more });
            }
            if shows_path {
                fields.copy(request, HeaderId::PATH);
            }
            for route in &self.service_route {
                fields.header(HeaderId::SERVICE_ROUTE, route);
            }
            if let Some(told) = &push {
                fields.header(HeaderId::FEATURE_CAPS, told);
            }
            if is_outbound {
                fields.header(HeaderId::REQUIRE, "outbound");
            }
            fields.header(HeaderId::SUPPORTED, self.supported());
        });
        match written {
            // What is kept of it has the right size.
            Ok(()) => Ok(Bytes::copy_from_slice(&bytes)),
            Err(_) => Err(Refusal::TooLarge),
        }
    }
}

/// The bindings as the changes leave them, those that were changed last.
fn after<'a>(before: &[&'a Binding], changes: &'a [Change]) -> SmallVec<[&'a Binding; 4]> {
    let mut after: SmallVec<[&Binding; 4]> = SmallVec::from_slice(before);
    for change in changes {
        match change {
            Change::Put(_, binding) => {
                after.retain(|old| !binding.is_same(old));
                after.push(binding);
            }
            Change::Remove(_, key) => after.retain(|old| !key.is_of(old)),
        }
    }
    after
}

impl RegistrarConfig {
    /// Says whether a request may touch the bindings that it is about (RFC 3261 §10.3 steps 2 to 5); `aor` is what
    /// [`Aor::registered_by`] said.
    ///
    /// # Errors
    /// When it requires what we do not have, To names no user of ours, or one other than `user`.
    pub fn authorize(
        &self,
        request: &Request,
        aor: Result<Aor, Refusal>,
        user: Option<&str>,
    ) -> Result<Aor, Refusal> {
        let unknown = self.unknown_extensions(request);
        if !unknown.is_empty() {
            return Err(Refusal::Extensions(unknown));
        }
        let aor = aor?;
        if !self.domains.is_empty() && !self.domains.iter().any(|own| is_same_domain(own, aor.domain())) {
            return Err(Refusal::NotFound);
        }
        if user.is_some_and(|user| !aor.is_of(user)) {
            return Err(Refusal::NotOwner);
        }
        Ok(aor)
    }
}

/// Whether both name one domain or address, however it is spelt.
fn is_same_domain(one: &str, other: &str) -> bool {
    fn bare(domain: &str) -> &str {
        domain.trim_start_matches('[').trim_end_matches(']')
    }
    one.eq_ignore_ascii_case(other)
        || match (Host::parse(bare(one)), Host::parse(bare(other))) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
}

/// A number in 16 hexadecimal digits, for a tag.
struct Digits([u8; 16]);

impl Digits {
    fn new(number: u64) -> Self {
        Self(std::array::from_fn(|place| b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize % 16]))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
