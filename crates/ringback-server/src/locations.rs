//! Where users are: the registrar, split by address of record.

use crate::due::{Due, Dues};
use crate::push::Push;
use arc_swap::ArcSwap;
use ringback_message::{Host, Request, SipUri, UriBuf};
use ringback_net::{OsEntropy, Worker};
use ringback_proxy::Branch;
use ringback_registrar::{
    Aor, Binding, Change, CommitError, Gruu, Gruus, LocationStore as _, MemoryLocations, Outcome,
    Preferences, Refusal, Registrar, RegistrarConfig,
};
use ringback_sansio::{Entropy as _, Flow, FlowId, Hasher, Map, Protocol};
use smallvec::SmallVec;
use std::hash::BuildHasher as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many parts there are. Many more than processors, so that two seldom want the same one.
pub(crate) const PARTS: usize = 64;

/// All bindings.
pub(crate) struct Locations {
    hasher: Hasher,
    pub(crate) dues: Dues,
    parts: Vec<Part>,
    /// The domains under which a user may be found, the one that was asked for aside.
    domains: ArcSwap<Vec<String>>,
    /// Connections over which somebody registered and that are still open, and who did.
    open: Mutex<Map<FlowId, SmallVec<[Aor; 1]>>>,
    /// Reads the addresses of single phones.
    gruus: Option<Gruus>,
    /// Whether bindings end with the connection that they lead over.
    end_with_flow: AtomicBool,
    /// Who wakes phones that sleep, where that is configured.
    push: Option<Arc<Push>>,
}

struct Part {
    registrar: Mutex<Registrar<MemoryLocations, OsEntropy>>,
    due: Due,
}

impl Locations {
    pub(crate) fn new(
        dues: Dues,
        config: &RegistrarConfig,
        domains: Vec<String>,
        capacity: usize,
        end_with_flow: bool,
    ) -> Self {
        let mut entropy = OsEntropy::new();
        let hasher = Hasher::keyed(entropy.next_u64());
        let capacity = share(capacity);
        let part = |_| {
            let locations = MemoryLocations::with_hasher(capacity, hasher.clone());
            Part {
                registrar: Mutex::new(Registrar::new(config.clone(), locations, OsEntropy::new())),
                due: dues.never(),
            }
        };
        Self {
            hasher: hasher.clone(),
            dues: dues.clone(),
            parts: (0..PARTS).map(part).collect(),
            domains: ArcSwap::from_pointee(domains),
            open: Mutex::default(),
            gruus: config.gruus.clone(),
            end_with_flow: AtomicBool::new(end_with_flow),
            push: None,
        }
    }

    /// The same with somebody who wakes phones that sleep.
    pub(crate) fn with_push(self, push: Option<Arc<Push>>) -> Self {
        Self { push, ..self }
    }

    /// Who wakes phones that sleep, where that is configured.
    pub(crate) fn push(&self) -> Option<&Arc<Push>> {
        self.push.as_ref()
    }

    /// Goes on as another configuration says. Bindings that are there stay as they are.
    pub(crate) fn renew(
        &self,
        config: &RegistrarConfig,
        domains: Vec<String>,
        capacity: usize,
        end_with_flow: bool,
    ) {
        self.domains.store(domains.into());
        self.end_with_flow.store(end_with_flow, Ordering::Relaxed);
        for part in &self.parts {
            let mut registrar = part.lock();
            registrar.config_mut().clone_from(config);
            registrar.config_mut().gruus.clone_from(&self.gruus);
            registrar.locations_mut().set_capacity(share(capacity));
        }
    }

    fn part(&self, aor: &Aor) -> &Part {
        // By other bits than those by which a table finds its place.
        &self.parts[(self.hasher.hash_one(aor) >> 40) as usize % PARTS]
    }

    /// Answers a REGISTER for the address of record that it names. `then` is called with the outcome before anybody else can change the same bindings, so
    /// that changes are written in the order in which they were made.
    #[expect(clippy::too_many_arguments, reason = "what was found out about the request")]
    pub(crate) fn register<R>(
        &self,
        now: Instant,
        request: &Request,
        aor: Result<Aor, Refusal>,
        flow: &Flow,
        user: Option<&str>,
        to_tag: &str,
        then: impl FnOnce(Outcome) -> R,
    ) -> R {
        // Without an address of record it will be refused, wherever.
        let part = aor.as_ref().map_or(&self.parts[0], |aor| self.part(aor));
        let mut registrar = part.lock();
        let outcome = registrar.register_for(now, request, aor, flow, user, to_tag);
        let put = outcome.changes.iter().find(|change| matches!(change, Change::Put(..)));
        if let Some(change) = put.filter(|_| flow.protocol.is_reliable()) {
            let mut open = self.open();
            let users = open.entry(flow.id).or_default();
            if !users.contains(change.aor()) {
                users.push(change.aor().clone());
            }
        }
        part.due.set(registrar.locations().next_expiry());
        then(outcome)
    }

    /// Answers a copy of a REGISTER that was accepted.
    pub(crate) fn repeat(&self, now: Instant, request: &Request, to_tag: &str) -> Outcome {
        let aor = Aor::registered_by(request);
        let part = aor.as_ref().map_or(&self.parts[0], |aor| self.part(aor));
        part.lock().repeat(now, request, aor, to_tag)
    }

    /// Does something with the bindings of an address of record, before anybody else can change them.
    pub(crate) fn with<R>(&self, aor: &Aor, act: impl FnOnce(&mut MemoryLocations) -> R) -> R {
        let part = self.part(aor);
        let mut registrar = part.lock();
        let done = act(registrar.locations_mut());
        part.due.set(registrar.locations().next_expiry());
        done
    }

    /// Looks at all bindings, part by part.
    pub(crate) fn each_part(&self, mut look: impl FnMut(&MemoryLocations)) {
        self.parts.iter().for_each(|part| look(part.lock().locations()));
    }

    /// Brings back what was kept on disk.
    pub(crate) fn restore(&self, now: Instant, aor: Aor, binding: Binding) -> Result<(), CommitError> {
        let part = self.part(&aor);
        let mut registrar = part.lock();
        registrar.locations_mut().restore(now, aor, binding)?;
        part.due.set(registrar.locations().next_expiry());
        Ok(())
    }

    /// Where the user of a URI of ours can be reached, or the one user agent that a GRUU names.
    pub(crate) fn targets(
        &self,
        now: Instant,
        uri: &SipUri<'_>,
        preferences: Option<&Preferences<'_>>,
    ) -> SmallVec<[Branch; 2]> {
        let (aor, gruu) = if uri.gruu().is_some() {
            let Some(gruu) = self.gruus.as_ref().and_then(|gruus| gruus.read(uri)) else {
                return SmallVec::new();
            };
            (gruu.aor.clone(), Some(gruu))
        } else {
            let Some(aor) = Aor::of(uri) else { return SmallVec::new() };
            (aor, None)
        };
        let gruu = gruu.as_ref();
        let found = self.targets_of(now, &aor, gruu, preferences);
        if !found.is_empty() {
            return found;
        }
        // Our users have no domain of their own: who registered under one of ours is found under all of them.
        let domains = self.domains.load();
        let elsewhere = domains.iter().filter(|domain| !domain.eq_ignore_ascii_case(aor.domain()));
        let elsewhere = elsewhere.filter_map(|domain| Aor::parse(&format!("sip:{}@{domain}", aor.user())));
        elsewhere
            .map(|aor| self.targets_of(now, &aor, gruu, preferences))
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    fn targets_of(
        &self,
        now: Instant,
        aor: &Aor,
        gruu: Option<&Gruu>,
        preferences: Option<&Preferences<'_>>,
    ) -> SmallVec<[Branch; 2]> {
        let registrar = self.part(aor).lock();
        let found = registrar.locations().lookup(now, aor).into_iter();
        let found = found.filter(|binding| gruu.is_none_or(|gruu| gruu.leads_to(binding)));
        let score =
            |binding: &Binding| preferences.map_or(Some(1000), |preferences| preferences.score(binding));
        let mut found: SmallVec<[(u16, &Binding); 4]> =
            found.filter_map(|binding| Some((score(binding)?, binding))).collect();
        if preferences.is_some() {
            // Stable: of those that fit alike the freshest stays first.
            found.sort_by_key(|(score, binding)| std::cmp::Reverse((binding.preference(), *score)));
        }
        let mut branches: SmallVec<[Branch; 2]> = SmallVec::new();
        let mut instances: SmallVec<[(&str, usize); 2]> = SmallVec::new();
        let (mut rank, mut last) = (1001u16, None);
        for (score, binding) in found {
            let wake = self.push.as_ref().and_then(|push| push.device(aor, binding));
            let is_lost = self.is_lost(binding);
            if is_lost && wake.is_none() {
                continue;
            }
            let mut branch = self.branch(binding);
            if let (Some(push), Some(device)) = (&self.push, wake) {
                // By its other flows the same device is not woken once more.
                if branches.iter().any(|branch| branch.wake.as_ref() == Some(&device)) {
                    continue;
                }
                branch.wake = (is_lost || !push.is_awake(now, &device)).then_some(device);
                // It fails at once where nobody is to be woken.
                branch.flow = branch.flow.or(binding.flow.filter(|_| is_lost));
            }
            if preferences.is_some() {
                // RFC 3841 §7.2.4: those that fit less are asked later, within the same q as well.
                if last.replace((binding.preference(), score)) != Some((binding.preference(), score)) {
                    rank = rank.saturating_sub(1);
                }
                branch.q = rank;
            }
            let same = instances.iter().find(|(instance, _)| binding.is_of_instance(instance));
            // RFC 5626 §7: one way at a time to each user agent, the freshest first.
            if let Some(first) = same.and_then(|(_, at)| branches.get_mut(*at)) {
                first.other_flows.push(branch);
                continue;
            }
            instances.extend(binding.instance().map(|instance| (instance, branches.len())));
            branches.push(branch);
        }
        if let Some(preferences) = preferences {
            arrange(&mut branches, preferences);
        }
        branches
    }

    /// The way to a contact, taken to be awake.
    pub(crate) fn branch(&self, binding: &Binding) -> Branch {
        // Rule 83: headers in a contact do not get into a request.
        let uri = binding.contact.as_sip().and_then(|uri| UriBuf::new(uri.without_headers()).ok());
        Branch {
            uri: uri.unwrap_or_else(|| binding.contact.clone()),
            route: binding.path.iter().map(|hop| hop.clone().into()).collect(),
            flow: self.flow(binding),
            q: binding.preference(),
            is_spare: false,
            other_flows: Vec::new(),
            gate: None,
            wake: None,
        }
    }

    /// The way back to a phone that its contact does not tell: through the NAT, or over its connection.
    fn flow(&self, binding: &Binding) -> Option<Flow> {
        let contact = binding.contact.as_sip()?;
        // Who comes by TLS or WebSocket seldom listens, and proves nothing when it does.
        let can_be_connected_to = matches!(binding.protocol, Protocol::Udp | Protocol::Tcp);
        let is_direct = can_be_connected_to
            && contact.host() == Host::Ip(binding.received.ip())
            && !contact.is_outbound()
            && binding.reg_id().is_none();
        if is_direct || !binding.path.is_empty() {
            return None;
        }
        match binding.flow {
            Some(flow) if flow.protocol.is_reliable() => self.open().contains_key(&flow.id).then_some(flow),
            Some(flow) => Some(flow),
            // After a restart any socket of ours will do.
            None if binding.protocol == Protocol::Udp => Some(Flow {
                id: FlowId(u64::MAX),
                protocol: Protocol::Udp,
                local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
                peer: binding.received,
            }),
            None => None,
        }
    }

    /// Whether the only way to a phone was its connection, which has ended.
    fn is_lost(&self, binding: &Binding) -> bool {
        let can_be_connected_to = match binding.protocol {
            Protocol::Udp => true,
            // RFC 5626 §5.3: only the phone can make its flow anew.
            _ if binding.reg_id().is_some() => false,
            Protocol::Tcp => true,
            Protocol::Tls => listens(binding),
            Protocol::Ws | Protocol::Wss => false,
        };
        let is_open = || binding.flow.is_some_and(|flow| self.open().contains_key(&flow.id));
        !can_be_connected_to && binding.path.is_empty() && !is_open()
    }

    /// A connection ended, and with it the bindings that led over it alone. `then` is called with what changed of one user
    /// before anybody else can change it.
    pub(crate) fn closed(&self, now: Instant, flow: &Flow, then: impl Fn(Vec<Change>)) {
        let users = self.open().remove(&flow.id);
        for aor in users.into_iter().flatten().filter(|_| self.end_with_flow.load(Ordering::Relaxed)) {
            let part = self.part(&aor);
            let mut registrar = part.lock();
            let over = |binding: &&Binding| {
                binding.flow.is_some_and(|own| own.id == flow.id)
                    && binding.reg_id().is_some()
                    && binding.path.is_empty()
                    // One who can be woken is there even so.
                    && self.push.as_ref().and_then(|push| push.device(&aor, binding)).is_none()
            };
            let ended = registrar.locations().lookup(now, &aor).into_iter().filter(over);
            let changes: Vec<Change> =
                ended.map(|binding| Change::Remove(aor.clone(), binding.key())).collect();
            if !changes.is_empty() && registrar.locations_mut().commit(now, &changes).is_ok() {
                part.due.set(registrar.locations().next_expiry());
                then(changes);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Map<FlowId, SmallVec<[Aor; 1]>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bindings there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().locations().len()).sum()
    }

    /// When the parts of a worker are to be looked at.
    pub(crate) fn due(&self, worker: Worker) -> impl Iterator<Item = &Due> {
        worker.homes(&self.parts).map(|part| &part.due)
    }

    /// Takes out what has ended. The disk forgets it by itself.
    pub(crate) fn expire(&self, now: Instant, part: usize) {
        let part = &self.parts[part];
        if part.due.is_due(now) {
            let mut registrar = part.lock();
            registrar.locations_mut().expire(now).for_each(drop);
            part.due.set(registrar.locations().next_expiry());
        }
    }
}

/// What a part may hold of a limit: more than its share, for shares are never even.
fn share(limit: usize) -> usize {
    limit.div_ceil(PARTS).saturating_mul(2).min(limit)
}

/// Puts the targets, which are in order, in the way in which the caller wants them to be asked (RFC 3841 §9.1).
fn arrange(branches: &mut SmallVec<[Branch; 2]>, preferences: &Preferences<'_>) {
    if preferences.wants("no-fork") {
        branches.truncate(1);
    }
    let count = branches.len() as u16;
    for (branch, q) in branches.iter_mut().zip((0..count).rev()) {
        if preferences.wants("sequential") {
            branch.q = q;
        } else if preferences.wants("parallel") {
            branch.q = 1000;
        }
    }
}

/// Whether who came by TLS says that he can also be connected to: his contact is at the address that he came from, at another
/// port than that of his connection. What he proves is seen when it is tried.
fn listens(binding: &Binding) -> bool {
    let is_elsewhere = |uri: SipUri<'_>| {
        let port = uri.port().unwrap_or(5_061);
        uri.host() == Host::Ip(binding.received.ip()) && port != binding.received.port()
    };
    binding.contact.as_sip().is_some_and(is_elsewhere)
}

impl Part {
    fn lock(&self) -> MutexGuard<'_, Registrar<MemoryLocations, OsEntropy>> {
        self.registrar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
