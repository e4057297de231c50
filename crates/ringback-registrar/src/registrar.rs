//! The registrar: rules and a store.

use crate::{
    AnyContact, Aor, Binding, Change, CommitError, ContactPolicy, Gruus, LocationStore, PathPolicy,
    PushPolicy, Refusal,
};
use ringback_message::{HeaderId, MAX_HEADER_BYTES, Request, ResponseBuilder, StatusCode};
use ringback_sansio::{Entropy, Flow};
use std::sync::Arc;
use std::time::Instant;

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
    locations: S,
    entropy: E,
}

/// What came of a REGISTER.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The response. More header fields can be added before it is built.
    pub response: ResponseBuilder,
    /// What was changed in the store; nothing when it was refused or only asked.
    pub changes: Vec<Change>,
    /// Why it was refused; `None` for a 200.
    pub refusal: Option<Refusal>,
}

impl<S: LocationStore, E: Entropy> Registrar<S, E> {
    /// A registrar on a store. Entropy makes the To tags.
    pub fn new(config: RegistrarConfig, locations: S, entropy: E) -> Self {
        Self { config, locations, entropy }
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
        &mut self.config
    }

    /// Answers a REGISTER for one of our domains (RFC 3261 §10.3). All of it takes effect or nothing.
    ///
    /// `user` is who sent it, as the digest proved; `None` where no proof is asked for, and anybody may then register
    /// for anybody.
    pub fn register(&mut self, now: Instant, request: &Request, flow: &Flow, user: Option<&str>) -> Outcome {
        let tag = format!("{:016x}", self.entropy.next_u64());
        match self.try_register(now, request, flow, user, &tag) {
            Ok((response, changes)) => Outcome { response, changes, refusal: None },
            Err(refusal) => Outcome {
                response: refusal.response(request, &tag),
                changes: Vec::new(),
                refusal: Some(refusal),
            },
        }
    }

    fn try_register(
        &mut self,
        now: Instant,
        request: &Request,
        flow: &Flow,
        user: Option<&str>,
        tag: &str,
    ) -> Result<(ResponseBuilder, Vec<Change>), Refusal> {
        let aor = self.config.authorize(request, user)?;
        let before = self.locations.bindings(now, &aor);
        let changes = self.config.decide(now, request, flow, &aor, &before)?;
        // The answer is made first, from what will be: what cannot be answered is not committed.
        let after = after(&before, &changes);
        let response = self.config.accept(now, request, &aor, &after, tag)?;
        if !changes.is_empty() {
            self.locations.commit(now, &changes).map_err(|error: CommitError| Refusal::from(error))?;
        }
        Ok((response, changes))
    }
}

impl RegistrarConfig {
    /// The extensions that requests may require of this registrar, as Supported says them.
    pub fn supported(&self) -> &'static str {
        if self.gruus.is_some() { "path, outbound, gruu" } else { "path, outbound" }
    }

    /// Starts the 200 to a request, with all bindings of `aor` as they are now (RFC 3261 §10.3 step 8).
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
    ) -> Result<ResponseBuilder, Refusal> {
        // RFC 5627 §5.3: those who know what a GRUU is are told theirs.
        let gruus = self.gruus.as_ref().filter(|_| crate::decide::supports(request, "gruu"));
        let contact = |binding: &&Binding| {
            let gruus = gruus.map(|gruus| gruus.params(request, aor, binding)).unwrap_or_default();
            binding.to_contact(now) + &gruus
        };
        let contacts: Vec<String> = bindings.iter().map(contact).collect();
        let lines = contacts.iter().chain(&self.service_route);
        let len: usize = lines.map(|value| value.len() + 16).sum();
        if request.rendered_len() + len + 1_024 > MAX_HEADER_BYTES {
            return Err(Refusal::TooLarge);
        }
        let mut reply = request.reply(StatusCode::OK, Some(to_tag));
        for contact in &contacts {
            reply = reply.header(HeaderId::CONTACT, contact);
        }
        // RFC 3327 §5.3: only those who know what a Path is are shown theirs.
        if crate::decide::supports(request, "path") {
            reply = reply.copy(request, HeaderId::PATH);
        }
        for route in &self.service_route {
            reply = reply.header(HeaderId::SERVICE_ROUTE, route);
        }
        if let Some(told) = self.push.as_ref().and_then(|push| push.capabilities(request)) {
            reply = reply.header(HeaderId::FEATURE_CAPS, told);
        }
        // RFC 5626 §6: a user agent whose flow is used is told so.
        if crate::outbound::names_flow(request) {
            reply = reply.header(HeaderId::REQUIRE, "outbound");
        }
        Ok(reply.header(HeaderId::SUPPORTED, self.supported()))
    }
}

/// The bindings as the changes leave them, those that were changed last.
fn after<'a>(before: &[&'a Binding], changes: &'a [Change]) -> Vec<&'a Binding> {
    let mut after = before.to_vec();
    for change in changes {
        match change {
            Change::Put(_, binding) => {
                let key = binding.key();
                after.retain(|old| !key.is_of(old));
                after.push(binding);
            }
            Change::Remove(_, key) => after.retain(|old| !key.is_of(old)),
        }
    }
    after
}

impl RegistrarConfig {
    /// Says whose bindings a request is about, and whether it may touch them (RFC 3261 §10.3 steps 2 to 5).
    ///
    /// # Errors
    /// When it requires what we do not have, To names no user of ours, or one other than `user`.
    pub fn authorize(&self, request: &Request, user: Option<&str>) -> Result<Aor, Refusal> {
        let unknown = self.unknown_extensions(request);
        if !unknown.is_empty() {
            return Err(Refusal::Extensions(unknown));
        }
        let to = request.require::<ringback_message::header::To<'_>>()?;
        let uri = to.uri.as_sip().ok_or(Refusal::Scheme)?;
        let aor = Aor::of(uri).ok_or(Refusal::NotFound)?;
        let is_ours = |domain: &String| {
            ringback_message::Host::parse(domain.trim_start_matches('[').trim_end_matches(']'))
                .is_ok_and(|domain| domain == uri.host())
        };
        if !self.domains.is_empty() && !self.domains.iter().any(is_ours) {
            return Err(Refusal::NotFound);
        }
        if user.is_some_and(|user| !aor.is_of(user)) {
            return Err(Refusal::NotOwner);
        }
        Ok(aor)
    }
}
