//! What is let through, and where it goes. All of it is decided here, as the table in the crate's docs says.

use crate::authority::Proof;
use crate::core::ServerCore;
use crate::enumeration::{self, NoUri};
use crate::identity;
use crate::media::{self, MediaMode, MediaWishes, NotRelayed, RelayedCalls};
use crate::routes::Facts;
use crate::shard::call_id;
use bytes::Bytes;
use ringback_auth::Place;
use ringback_message::header::{self, To};
use ringback_message::{HeaderId, Method, Request, SipUri, StatusCode, Uri, UriBuf};
use ringback_proxy::{Branch, Decision, Device, Hop, RoutePolicy, TrustDomain as _, privacy_failure};
use ringback_registrar::{Aor, Preferences};
use ringback_sansio::Flow;
use smallvec::SmallVec;
use std::cell::Cell;
use std::net::IpAddr;
use std::time::Instant;

/// The policy of one server, asked by the proxy of each shard.
pub(crate) struct Policy<'a> {
    server: &'a ServerCore,
    relayed: &'a mut RelayedCalls,
    /// The name of the route that the last request took, where records are kept.
    route: Cell<Option<String>>,
    /// The user who proved that the request is his.
    proved: Cell<Option<String>>,
}

/// Who sends a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// A user of ours, proved where that is asked for.
    Ours,
    /// Somebody of another domain.
    Stranger,
}

/// Why a sender is not believed.
enum Refused {
    /// He is asked for his password by these header fields.
    Challenged(Vec<(HeaderId, String)>),
    /// The password is wrong, or another user's.
    Forbidden,
    /// He sends too much.
    TooMany,
}

impl From<Refused> for Decision {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Challenged(challenges) => Self::Reject(Place::Proxy.status(), challenges),
            Refused::Forbidden => Self::reject(StatusCode::FORBIDDEN),
            Refused::TooMany => {
                let later = vec![(HeaderId::RETRY_AFTER, "1".to_owned())];
                Self::Reject(StatusCode::SERVICE_UNAVAILABLE, later)
            }
        }
    }
}

impl RoutePolicy for Policy<'_> {
    fn route(&mut self, now: Instant, request: &mut Request, hop: Hop<'_>) -> Decision {
        let is_trusted = self.server.trust.has(hop.flow.peer.ip().to_canonical());
        identity::enter(request, is_trusted);
        let is_in_dialog = matches!(request.first::<To<'_>>(), Some(Ok(to)) if to.tag().is_some());
        if is_in_dialog && !self.server.gateways.is_empty() {
            let call = call_id(request).to_vec();
            self.server.gateways.in_dialog(&call, request);
        }
        let sender = hop.flow.peer.ip();
        if hop.own_route && is_in_dialog {
            if let Err(refused) = self.relayed.request(request, sender) {
                return refused.into();
            }
            if !(hop.own_uri && names_instance(request)) {
                return Decision::Relay;
            }
        }
        let is_asked = *request.method() != Method::ACK && !is_in_dialog;
        if is_asked && self.server.is_draining() {
            let later = vec![(HeaderId::RETRY_AFTER, "10".to_owned())];
            return Decision::Reject(StatusCode::SERVICE_UNAVAILABLE, later);
        }
        if is_asked
            && !is_trusted
            && let Some(reason) = privacy_failure(request)
        {
            return Decision::Fail(StatusCode::SERVER_INTERNAL_ERROR, reason);
        }
        if let Some(edge) = &self.server.edge {
            return at_edge(request, &hop, edge);
        }
        let preferred = identity::take_preferred(request);
        let uri = request.uri().ok();
        let uri = uri.as_ref().and_then(|uri| uri.as_sip());
        let is_local = |uri: &SipUri<'_>| uri.user().is_none() || *request.method() == Method::REGISTER;
        if hop.own_uri && uri.is_some_and(is_local) {
            return Decision::Local;
        }
        let by_route = if is_asked { self.by_route(now, request, &hop) } else { None };
        let (decision, wishes) = match by_route {
            Some((decision, wishes)) => (decision, wishes),
            None => (self.usual(now, request, &hop, is_asked), MediaWishes::default()),
        };
        let mode = wishes.mode.unwrap_or(self.server.media_mode);
        let goes_on = matches!(decision, Decision::Forward(_) | Decision::Relay | Decision::Later(_));
        if goes_on
            && !is_in_dialog
            && let Some(ends_encryption) = ends_encryption(mode, request, sender, &decision)
            && let Err(refused) = self.relayed.begin(request, sender, ends_encryption, wishes)
        {
            return refused.into();
        }
        if let Some(user) = self.proved.take().filter(|_| goes_on && is_asked) {
            identity::assert(request, &user, &preferred, &self.server.ownership.load());
        }
        decision
    }

    fn redirected(
        &mut self,
        now: Instant,
        request: &Request,
        from: &Flow,
        contact: &UriBuf,
    ) -> SmallVec<[Branch; 2]> {
        // RFC 3841 §9.1: it may be the caller who wants to decide that.
        let is_unwanted = Preferences::of(request).is_some_and(|preferences| preferences.wants("no-recurse"));
        let Some(uri) = contact.as_sip().filter(|_| !is_unwanted) else { return SmallVec::new() };
        match self.server.ownership.load().is_me(&uri) {
            // Numbers that lead to a gateway are not dialled on the word of whoever was called: the caller is told of them.
            true => self.server.locations.targets(now, &uri, None),
            // As in `outward`: where nobody proves anything, only this machine reaches elsewhere.
            false if self.server.authority.is_open() && !from.peer.ip().is_loopback() => SmallVec::new(),
            false => SmallVec::from_iter([Branch::to(contact.clone())]),
        }
    }
}

/// What an edge proxy does with a request that is not of a call through it: it goes to whoever our own token names, and else to the
/// server behind (RFC 5626 §5.3).
fn at_edge(request: &Request, hop: &Hop<'_>, edge: &Bytes) -> Decision {
    if hop.along.is_some() {
        return Decision::Relay;
    }
    let Ok(uri) = request.uri() else { return Decision::reject(StatusCode::BAD_REQUEST) };
    let is_ours = hop.own_uri && uri.as_sip().is_some_and(|uri| uri.user().is_none());
    if is_ours && *request.method() == Method::OPTIONS {
        return Decision::Local;
    }
    Decision::forward(Branch { route: vec![edge.clone()], ..Branch::to(uri.to_owned()) })
}

/// Whether the media of a new call are relayed, and then whether each side has keys of its own.
fn ends_encryption(mode: MediaMode, request: &Request, sender: IpAddr, decision: &Decision) -> Option<bool> {
    let targets: &[Branch] = match decision {
        Decision::Forward(targets) => targets,
        _ => &[],
    };
    match mode {
        MediaMode::Direct => None,
        MediaMode::Relay => Some(false),
        MediaMode::Bridge => Some(true),
        MediaMode::Auto => (*request.method() == Method::INVITE
            && media::is_needed(request, sender, targets))
        .then_some(true),
    }
}

impl From<NotRelayed> for Decision {
    fn from(refused: NotRelayed) -> Self {
        match refused {
            // Fault 43.
            NotRelayed::NoPorts => {
                let later = vec![(HeaderId::RETRY_AFTER, "10".to_owned())];
                Self::Reject(StatusCode::SERVICE_UNAVAILABLE, later)
            }
            NotRelayed::Malformed => Self::reject(StatusCode::BAD_REQUEST),
        }
    }
}

/// Whether a request is to a GRUU, which may be the remote target of a dialog and leads to another address (RFC 5627 §4.4.2).
fn names_instance(request: &Request) -> bool {
    request.uri().is_ok_and(|uri| uri.as_sip().is_some_and(|uri| uri.gruu().is_some()))
}

impl<'a> Policy<'a> {
    pub(crate) fn new(server: &'a ServerCore, relayed: &'a mut RelayedCalls) -> Self {
        Self { server, relayed, route: Cell::default(), proved: Cell::default() }
    }

    /// The name of the route that the last request took, where records are kept.
    pub(crate) fn route_taken(&self) -> Option<String> {
        self.route.take()
    }

    /// The way of a request for which there is no route.
    fn usual(&self, now: Instant, request: &Request, hop: &Hop<'_>, is_asked: bool) -> Decision {
        let uri = request.uri().ok();
        match uri.as_ref().and_then(|uri| uri.as_sip()) {
            Some(uri) if hop.own_uri => self.inward(now, request, uri, hop, is_asked),
            Some(_) => self.outward(now, request, hop),
            // A telephone number, and no gateway to send it to.
            None => self.number(now, request, hop, is_asked),
        }
    }

    /// As a route of the configuration says, where one is for the request.
    fn by_route(
        &self,
        now: Instant,
        request: &mut Request,
        hop: &Hop<'_>,
    ) -> Option<(Decision, MediaWishes)> {
        let routes = self.server.routes.load();
        if routes.is_empty() {
            return None;
        }
        let facts = Facts::of(request, hop.flow.peer.ip());
        let route = routes.find(&facts)?;
        if let (None, false) = (route.refuses(), route.is_by_source()) {
            match self.outward(now, request, hop) {
                Decision::Relay => {}
                refused => return Some((refused, MediaWishes::default())),
            }
        }
        let user = facts.user;
        if self.server.records.is_some() {
            self.route.set(Some(route.name().to_owned()));
        }
        let decision = match route.gateway() {
            Some(group) => {
                let user = route.prepare(request, &user);
                self.by_gateway(now, request, group, user)
            }
            None => route.apply(request, &user),
        };
        Some((decision, route.media()))
    }

    /// To a gateway of a group that is there.
    fn by_gateway(
        &self,
        now: Instant,
        request: &Request,
        group: &str,
        user: Result<String, StatusCode>,
    ) -> Decision {
        let user = match user {
            Ok(user) => user,
            Err(status) => return Decision::reject(status),
        };
        match self.server.gateways.branches(now, group, &user, request) {
            branches if branches.is_empty() => {
                let later = vec![(HeaderId::RETRY_AFTER, "10".to_owned())];
                Decision::Reject(StatusCode::SERVICE_UNAVAILABLE, later)
            }
            branches => Decision::Forward(branches),
        }
    }

    /// To a user of ours.
    fn inward(
        &self,
        now: Instant,
        request: &Request,
        uri: &SipUri<'_>,
        hop: &Hop<'_>,
        is_asked: bool,
    ) -> Decision {
        let sender = match self.sender(now, request, hop) {
            _ if !is_asked => Sender::Stranger,
            Ok(sender) => sender,
            Err(refusal) => return refusal.into(),
        };
        let preferences = Preferences::of(request);
        let targets = self.server.locations.targets(now, uri, preferences.as_ref());
        if !targets.is_empty() {
            return match preferences.filter(|preferences| is_asked && preferences.wants("redirect")) {
                // Phones are told of to those only whom we know.
                Some(_) if sender == Sender::Ours => {
                    let told = |branch: Branch| Device::hidden(&branch.uri).unwrap_or(branch.uri);
                    Decision::Redirect(targets.into_iter().map(told).collect())
                }
                _ => Decision::Forward(targets),
            };
        }
        let user = uri.user().unwrap_or_default();
        if sender == Sender::Ours
            && let Some(number) = self.looked_up(uri.to_tel().as_ref())
        {
            return Decision::Later(number);
        }
        let is_known = self.server.authority.is_open()
            || self.server.authority.users.knows(user, &uri.host().to_string());
        // Fault 15: strangers are not told which users there are.
        if is_known || sender == Sender::Stranger {
            Decision::reject(StatusCode::TEMPORARILY_UNAVAILABLE)
        } else {
            Decision::reject(StatusCode::NOT_FOUND)
        }
    }

    /// To a telephone number, for our own users alone: where it leads to is elsewhere.
    fn number(&self, now: Instant, request: &Request, hop: &Hop<'_>, is_asked: bool) -> Decision {
        let uri = request.uri().ok().map(|uri| uri.to_owned());
        let Some(number) = self.looked_up(uri.as_ref()).filter(|_| is_asked) else {
            return Decision::reject(StatusCode::NOT_FOUND);
        };
        match self.sender(now, request, hop) {
            Ok(Sender::Ours) if !self.server.authority.is_open() || hop.flow.peer.ip().is_loopback() => {
                Decision::Later(number)
            }
            Ok(_) => Decision::reject(StatusCode::NOT_FOUND),
            Err(refusal) => refusal.into(),
        }
    }

    /// The number of a `tel` URI, where numbers are looked up and it is one of all the world.
    fn looked_up(&self, uri: Option<&UriBuf>) -> Option<String> {
        self.server.enum_domain.load().as_ref()?;
        let Uri::Tel(tel) = uri?.as_uri() else { return None };
        // An extension or a subaddress is not of the number, and would be lost.
        let is_plain = tel.is_global() && tel.params().next().is_none();
        Some(tel.digits()).filter(|number| is_plain && enumeration::is_number(number))
    }

    /// What becomes of a request for a number, now that it was looked up. A number that leads to us is one of a user.
    pub(crate) fn numbered(&self, now: Instant, found: Result<UriBuf, NoUri>) -> Decision {
        match found {
            Ok(uri) => match uri.as_sip().filter(|sip| self.server.ownership.load().is_me(sip)) {
                Some(own) => match self.server.locations.targets(now, &own, None) {
                    targets if targets.is_empty() => Decision::reject(StatusCode::TEMPORARILY_UNAVAILABLE),
                    targets => Decision::Forward(targets),
                },
                None => Decision::forward(Branch::to(uri)),
            },
            Err(NoUri::None) => Decision::reject(StatusCode::NOT_FOUND),
            Err(NoUri::Unanswered) => Decision::reject(StatusCode::TEMPORARILY_UNAVAILABLE),
        }
    }

    /// To another domain, or to an address.
    fn outward(&self, now: Instant, request: &Request, hop: &Hop<'_>) -> Decision {
        match self.sender(now, request, hop) {
            Ok(Sender::Ours) if !self.server.authority.is_open() || hop.flow.peer.ip().is_loopback() => {
                Decision::Relay
            }
            Ok(_) if self.may_be_ours(request) => match self.anonymous(now, request, hop) {
                Err(refusal) => refusal.into(),
                Ok(_) => Decision::reject(StatusCode::FORBIDDEN),
            },
            Ok(_) => Decision::reject(StatusCode::FORBIDDEN),
            Err(refusal) => refusal.into(),
        }
    }

    /// Whether a request is from somebody who does not say who he is, and may be a user of ours: then he is asked for a password.
    fn may_be_ours(&self, request: &Request) -> bool {
        let from = request.first::<header::From<'_>>().and_then(Result::ok);
        !self.server.authority.is_open() && from.is_some_and(|from| identity::is_anonymous(&from.uri))
    }

    /// Who sends it; a refusal when it says that it is from a user of ours and does not prove it.
    fn sender(&self, now: Instant, request: &Request, hop: &Hop<'_>) -> Result<Sender, Refused> {
        let from = request.first::<header::From<'_>>().and_then(Result::ok);
        let is_anonymous = from.as_ref().is_some_and(|from| identity::is_anonymous(&from.uri));
        if is_anonymous && request.has(HeaderId::PROXY_AUTHORIZATION) {
            return self.anonymous(now, request, hop);
        }
        let from = from
            .as_ref()
            .and_then(|from| from.uri.as_sip())
            .filter(|uri| self.server.ownership.load().is_me(uri));
        let Some(from) = from else { return Ok(Sender::Stranger) };
        let authority = &self.server.authority;
        match authority.prove(now, request, Place::Proxy, hop.flow.peer.ip()) {
            Proof::Of(None) => Ok(Sender::Ours),
            Proof::Of(Some(user)) if Aor::of(from).is_some_and(|aor| aor.is_of(&user)) => {
                self.known(now, hop, user)
            }
            Proof::Missing(challenges) => Err(Refused::Challenged(challenges)),
            Proof::Of(Some(_)) | Proof::Wrong => Err(Refused::Forbidden),
        }
    }

    /// Who sends a request whose From does not say (RFC 3323 §4.1.1.3): a user of ours who proves it, or a stranger.
    fn anonymous(&self, now: Instant, request: &Request, hop: &Hop<'_>) -> Result<Sender, Refused> {
        match self.server.authority.prove(now, request, Place::Proxy, hop.flow.peer.ip()) {
            Proof::Of(Some(user)) => self.known(now, hop, user),
            Proof::Of(None) => Ok(Sender::Stranger),
            Proof::Missing(challenges) => Err(Refused::Challenged(challenges)),
            Proof::Wrong => Err(Refused::Forbidden),
        }
    }

    /// A user who proved to be one, if he does not send too much.
    fn known(&self, now: Instant, hop: &Hop<'_>, user: String) -> Result<Sender, Refused> {
        if !self.server.authority.guard.user_may_send(now, hop.flow.peer.ip(), &user) {
            return Err(Refused::TooMany);
        }
        self.proved.set(Some(user));
        Ok(Sender::Ours)
    }
}
