//! Requests on their way: to which address, with which credentials, and what if that fails (RFC 3261 §8.1.2,
//! §18.1.1, §22; RFC 3263 §4.3).

use crate::agent::{Hop, UserAgent};
use crate::publication::PublicationKey;
use crate::{AccountKey, CallKey, Outbound, Protocol, RequestKey, Target, Token, UaEvent, UaOutput};
use ringback_auth::Attempt;
use ringback_dialog::{DialogInput, EventsInput, SendEnd, SendTag, Usage};
use ringback_message::header::{CSeq, RetryAfter};
use ringback_message::{HeaderId, Method, Request, Response, StatusCode, Uri, UriBuf};
use ringback_sansio::{CloseReason, Entropy, Flow, Key, Machine};
use ringback_transaction::{ClientKey, End, RequestError};
use ringback_transport::locate::{self, LocateError, NextHop};
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// RFC 3261 §18.1.1: larger requests need congestion control where the path's MTU is not known.
const LARGEST_DATAGRAM: usize = 1300;
/// What the transaction layer's Via adds.
const VIA: usize = 110;
/// More addresses of a name than anybody waits for.
const MOST_TARGETS: usize = 16;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Call(SendTag, CallKey),
    Event(SendTag, Usage),
    Registration(AccountKey),
    Publication(PublicationKey),
    /// A MESSAGE or OPTIONS, named by its own key.
    Single,
}

/// One request, over all its attempts.
#[derive(Debug)]
pub(crate) struct Outgoing {
    purpose: Purpose,
    account: Option<AccountKey>,
    /// Without Via and Contact, which depend on the target; until it is answered.
    request: Option<Box<Request>>,
    attempt: Attempt,
    /// Still to be tried.
    targets: VecDeque<Target>,
    /// The datagram target that a stream stands in for, because the request is large.
    instead_of: Option<Target>,
    current: Option<(ClientKey, Target)>,
    /// Somebody is working on it, so that nobody else should be asked.
    progressed: bool,
    /// Why the target that was tried last could not be sent to.
    failed: Option<Failure>,
    /// The final response was passed on.
    answered: bool,
    cancelled: bool,
}

/// Why a request found nobody.
#[derive(Clone, Copy, Debug)]
enum Failure {
    /// The name has no targets.
    Name(LocateError),
    /// The target could not be sent to.
    Target(CloseReason),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Target(reason) => reason.fmt(f),
        }
    }
}

/// A question to the resolver, and what waits for the answer.
#[derive(Debug)]
pub(crate) enum Lookup {
    Request(Key<Outgoing>),
    Ack(Request),
}

impl<E: Entropy> UserAgent<E> {
    /// Sends a request on its way.
    pub(crate) fn dispatch(
        &mut self,
        now: Instant,
        purpose: Purpose,
        account: Option<AccountKey>,
        hop: Hop,
        mut request: Request,
    ) -> Key<Outgoing> {
        // The text came from the configuration; one that cannot be written is left out.
        let _ = request.set(HeaderId::USER_AGENT, self.user_agent.as_str());
        let key = self.outgoing.insert(Outgoing {
            purpose,
            account,
            request: Some(Box::new(request)),
            attempt: Attempt::default(),
            targets: VecDeque::new(),
            instead_of: None,
            current: None,
            progressed: false,
            failed: None,
            answered: false,
            cancelled: false,
        });
        if let Purpose::Call(tag, _) = purpose {
            self.by_tag.insert(tag, key);
        }
        match self.proven(way(hop)) {
            Some(NextHop::Known(target)) => self.start(now, key, vec![target]),
            Some(name @ NextHop::Name(_)) => {
                let token = self.lookups.insert(Lookup::Request(key));
                self.outputs.push_back(UaOutput::Resolve(Token(token.to_bits()), name));
            }
            None => self.finish(now, key, SendEnd::Unreachable),
        }
        key
    }

    /// A server that has proved to be its domain names itself by its address in Record-Route; what it has to prove there
    /// is the same as before, and the same connection will do. Over WebSocket nobody is reached but our server.
    fn proven(&self, hop: Option<NextHop>) -> Option<NextHop> {
        let protocol = match &hop {
            Some(NextHop::Known(target)) => Some(target.protocol()),
            Some(NextHop::Name(name)) => name.protocol,
            None => None,
        };
        let is_web_socket = |protocol| matches!(protocol, Protocol::Ws | Protocol::Wss);
        if protocol.is_some_and(is_web_socket)
            && let Some(server) = self.accounts.iter().find_map(|(_, known)| match known.account.outbound {
                Some(Outbound::Target(to)) if is_web_socket(to.protocol()) => Some(to),
                _ => None,
            })
        {
            return Some(NextHop::Known(server));
        }
        let Some(NextHop::Known(Target::Address(protocol, peer))) = hop else { return hop };
        let same = self.accounts.iter().find_map(|(_, known)| match known.account.outbound {
            Some(Outbound::Target(to @ Target::Domain(own, address, _)))
                if (own, address) == (protocol, peer) =>
            {
                Some(NextHop::Known(to))
            }
            _ => None,
        });
        same.or(hop)
    }

    pub(crate) fn on_resolved(
        &mut self,
        now: Instant,
        token: Token,
        found: Result<Vec<Target>, LocateError>,
    ) {
        match (self.lookups.remove(Key::from_bits(token.0)), found) {
            (Some(Lookup::Request(key)), Ok(targets)) => self.start(now, key, targets),
            (Some(Lookup::Request(key)), Err(error)) => {
                if let Some(outgoing) = self.outgoing.get_mut(key) {
                    outgoing.failed = Some(Failure::Name(error));
                }
                self.start(now, key, Vec::new());
            }
            (Some(Lookup::Ack(ack)), Ok(targets)) => {
                if let Some(target) = targets.first() {
                    self.transmit_ack(*target, ack);
                }
            }
            (Some(Lookup::Ack(_)), Err(_)) | (None, _) => {}
        }
    }

    fn start(&mut self, now: Instant, key: Key<Outgoing>, targets: Vec<Target>) {
        let Some(outgoing) = self.outgoing.get_mut(key) else { return };
        outgoing.targets = targets.into_iter().take(MOST_TARGETS).collect();
        self.try_next(now, key, SendEnd::Unreachable);
    }

    /// Tries the targets that are left, in a new transaction each and so with a new branch (rule 10). `end` is what
    /// there is to say when none is.
    fn try_next(&mut self, now: Instant, key: Key<Outgoing>, end: SendEnd) {
        loop {
            let Some(outgoing) = self.outgoing.get_mut(key) else { return };
            let Some(target) = outgoing.targets.pop_front() else {
                return self.finish(now, key, end);
            };
            let known = outgoing.account.and_then(|account| self.accounts.get_mut(account.0));
            if let (Some(known), Some(request)) = (known, &mut outgoing.request) {
                // A request that has no room for credentials will be challenged, and fail then.
                let _ = known.digest.preauthorize(request);
            }
            let (target, instead_of) = self.carrier(key, target);
            if let Some(outgoing) = self.outgoing.get_mut(key) {
                outgoing.instead_of = instead_of;
            }
            match self.transmit(now, key, target) {
                Ok(()) => return,
                Err(RequestError::Overload) => return self.finish(now, key, SendEnd::Unreachable),
                Err(_) => {}
            }
        }
    }

    /// The target that can carry the request: a stream where it is too large for a datagram (rule 11), or where
    /// streams are all that we have.
    fn carrier(&self, key: Key<Outgoing>, target: Target) -> (Target, Option<Target>) {
        let Target::Address(Protocol::Udp, peer) = target else { return (target, None) };
        let stream = Target::Address(Protocol::Tcp, peer);
        let locals = self.transactions.locals();
        if locals.sent_by(&stream).is_none() {
            return (target, None);
        }
        if locals.sent_by(&target).is_none() {
            return (stream, None);
        }
        let outgoing = self.outgoing.get(key).and_then(|it| Some((it.account, it.request.as_deref()?)));
        let is_large = outgoing.is_some_and(|(account, request)| {
            let contact = self
                .contact(account, &target, request.uri_bytes())
                .map_or(0, |contact| contact.as_str().len() + 32);
            request.render().len() + contact + VIA > LARGEST_DATAGRAM
        });
        if is_large { (stream, Some(target)) } else { (target, None) }
    }

    fn transmit(&mut self, now: Instant, key: Key<Outgoing>, target: Target) -> Result<(), RequestError> {
        let Some(outgoing) = self.outgoing.get(key) else { return Ok(()) };
        let (purpose, account) = (outgoing.purpose, outgoing.account);
        let Some(mut request) = outgoing.request.clone() else { return Ok(()) };
        let written = match (request.method(), self.contact(account, &target, request.uri_bytes())) {
            (&Method::REGISTER, Some(contact)) => {
                let seconds = self.asked_seconds(account);
                let (contact, old) = match account.and_then(|account| self.accounts.get_mut(account.0)) {
                    Some(known) => known.registration.contacts(contact, seconds),
                    None => (format!("<{contact}>;expires={seconds}"), None),
                };
                let written = request.set(HeaderId::CONTACT, &contact);
                written.and_then(|()| old.map_or(Ok(()), |old| request.push(HeaderId::CONTACT, &old)))
            }
            (
                &Method::INVITE | &Method::UPDATE | &Method::REFER | &Method::NOTIFY | &Method::SUBSCRIBE,
                Some(contact),
            ) => {
                let known = account.and_then(|account| self.accounts.get(account.0));
                // RFC 5626 §4.3: what comes later in the dialog shall take our flow as well.
                let ob = if known.is_some_and(|known| known.registration.by_flow) { ";ob" } else { "" };
                request
                    .set(HeaderId::CONTACT, format_args!("<{contact}{ob}>"))
                    .and_then(|()| request.set(HeaderId::ALLOW, crate::inspect::allow()))
                    .and_then(|()| match *request.method() {
                        // RFC 6086 §5.2.1: we take INFO, and no package.
                        Method::INVITE => request.set(HeaderId::RECV_INFO, ""),
                        _ => Ok(()),
                    })
            }
            _ => Ok(()),
        };
        written.map_err(RequestError::Invalid)?;
        if let Purpose::Call(tag, _) = purpose {
            self.calls.sent(tag, &request);
        }
        let client = self.transactions.request(now, target, *request)?;
        self.by_client.insert(client, key);
        if let Some(outgoing) = self.outgoing.get_mut(key)
            && let Some((old, _)) = outgoing.current.replace((client, target))
        {
            self.by_client.remove(&old);
        }
        Ok(())
    }

    /// How peers reach an account when they are reached over this target.
    /// Under `sips` it is a `sips` URI (rule 36).
    pub(crate) fn contact(&self, account: Option<AccountKey>, target: &Target, uri: &[u8]) -> Option<UriBuf> {
        let sent_by = self.transactions.locals().sent_by(target)?;
        let known = account.and_then(|account| self.accounts.get(account.0));
        let user = known.and_then(|known| known.account.aor.as_sip()?.user().map(|user| format!("{user}@")));
        let user = user.unwrap_or_default();
        let mut accounts = self.accounts.iter().map(|(_, known)| &known.registration);
        let seen = match known {
            Some(known) => known.registration.seen_at(target),
            None => accounts.find_map(|registration| registration.seen_at(target)),
        };
        let seen = seen.map(|seen| seen.to_string());
        let sent_by = seen.as_deref().unwrap_or(sent_by);
        let is_secure = matches!(Uri::parse(uri), Ok(Uri::Sip(sip)) if sip.is_secure());
        let uri = match (target.protocol(), is_secure) {
            (Protocol::Udp, _) => format!("sip:{user}{sent_by}"),
            (Protocol::Tls, true) => format!("sips:{user}{sent_by}"),
            (Protocol::Wss, true) => format!("sips:{user}{sent_by};transport=ws"),
            // RFC 7118 §5.2: URIs know one word for both.
            (Protocol::Wss, false) => format!("sip:{user}{sent_by};transport=ws"),
            (protocol, _) => format!("sip:{user}{sent_by};transport={protocol}"),
        };
        UriBuf::new(&uri).ok()
    }

    /// Sends the ACK to a 2xx, which has no transaction.
    pub(crate) fn send_ack(&mut self, hop: UriBuf, ack: Request) {
        match self.proven(way(Hop::Uri(hop, None))) {
            Some(NextHop::Known(target)) => self.transmit_ack(target, ack),
            Some(name @ NextHop::Name(_)) => {
                let token = self.lookups.insert(Lookup::Ack(ack));
                self.outputs.push_back(UaOutput::Resolve(Token(token.to_bits()), name));
            }
            // The peer will miss it, and end the call.
            None => {}
        }
    }

    fn transmit_ack(&mut self, mut to: Target, mut ack: Request) {
        if let Target::Address(Protocol::Udp, peer) = to {
            let stream = Target::Address(Protocol::Tcp, peer);
            let locals = self.transactions.locals();
            let is_large = ack.render().len() + VIA > LARGEST_DATAGRAM;
            if locals.sent_by(&stream).is_some() && (is_large || locals.sent_by(&to).is_none()) {
                to = stream;
            }
        }
        let _ = ack.set(HeaderId::USER_AGENT, self.user_agent.as_str());
        if self.transactions.stamp_via(&mut ack, &to, None).is_ok() {
            self.outputs.push_back(UaOutput::Transmit { key: None, to, bytes: ack.render() });
        }
    }

    pub(crate) fn cancel(&mut self, now: Instant, tag: SendTag) {
        let Some(key) = self.by_tag.get(&tag).copied() else { return };
        let Some(outgoing) = self.outgoing.get_mut(key) else { return };
        outgoing.cancelled = true;
        match outgoing.current {
            // Where it has its final response there is nothing to cancel; the call will hear of it.
            Some((client, _)) => {
                let _ = self.transactions.cancel(now, client, None);
            }
            // Its name is still being resolved; what comes of that nobody wants to know any more.
            None => self.finish(now, key, SendEnd::Unreachable),
        }
    }

    pub(crate) fn on_response(&mut self, now: Instant, client: ClientKey, flow: &Flow, response: Response) {
        let Some(key) = self.by_client.get(&client).copied() else { return };
        let Some(outgoing) = self.outgoing.get_mut(key) else { return };
        let status = response.status();
        if status.is_provisional() {
            outgoing.progressed = true;
            if let Purpose::Call(tag, _) = outgoing.purpose {
                self.calls.handle(now, DialogInput::Response(tag, response));
            }
            return;
        }
        let may_go_on = !outgoing.cancelled && !outgoing.answered;
        if may_go_on
            && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            && self.try_authorized(now, key, &response)
        {
            return;
        }
        if status == StatusCode::SERVICE_UNAVAILABLE
            && let Some(Ok(RetryAfter { seconds, .. })) = response.first::<RetryAfter<'_>>()
            && let Some((_, target)) = self.outgoing.get(key).and_then(|outgoing| outgoing.current)
        {
            // Rule 10: whoever says for how long is left alone for so long.
            let after = Duration::from_secs(seconds.into());
            self.outputs.push_back(UaOutput::Unavailable(target, Some(after)));
        }
        if may_go_on && status == StatusCode::SERVICE_UNAVAILABLE && self.has_more(key) {
            return self.try_next(now, key, SendEnd::Unreachable);
        }
        let Some(outgoing) = self.outgoing.get_mut(key) else { return };
        let is_first = !std::mem::replace(&mut outgoing.answered, true);
        // What is left of it only waits for copies of the answer.
        (outgoing.request, outgoing.targets) = (None, VecDeque::new());
        match outgoing.purpose {
            Purpose::Call(tag, call) => {
                if status.is_success() {
                    self.tell_connected(call, flow, &response);
                }
                self.calls.handle(now, DialogInput::Response(tag, response));
            }
            Purpose::Event(tag, _) => self.events.handle(now, EventsInput::Response(tag, response)),
            Purpose::Registration(account) => self.on_register_response(now, account, flow, &response),
            Purpose::Publication(key) if is_first => self.on_publish_response(now, key, &response),
            Purpose::Publication(_) => {}
            Purpose::Single if is_first => {
                let reason = reason(&response);
                let (request, response) = (RequestKey(key), Some(response));
                self.tell(UaEvent::Reply { request, status, reason, response });
            }
            Purpose::Single => {}
        }
    }

    fn has_more(&self, key: Key<Outgoing>) -> bool {
        self.outgoing.get(key).is_some_and(|outgoing| !outgoing.targets.is_empty() && !outgoing.progressed)
    }

    /// Rule 24: the same request with credentials, the next CSeq and a new branch. False when there is no use in
    /// that.
    fn try_authorized(&mut self, now: Instant, key: Key<Outgoing>, response: &Response) -> bool {
        let Some(outgoing) = self.outgoing.get_mut(key) else { return false };
        let Some((_, target)) = outgoing.current else { return false };
        let Some(account) = outgoing.account else { return false };
        let Some(known) = self.accounts.get_mut(account.0) else { return false };
        let Outgoing { attempt, request: Some(request), purpose, .. } = outgoing else { return false };
        if known.digest.authorize(attempt, response, request, &mut self.entropy).is_err() {
            return false;
        }
        match purpose {
            Purpose::Call(tag, _) => self.calls.renumber(*tag, request),
            Purpose::Event(tag, _) => self.events.renumber(*tag, request),
            Purpose::Registration(_) | Purpose::Publication(_) | Purpose::Single => {
                let publication = match purpose {
                    Purpose::Publication(key) => self.publications.get_mut(key.0),
                    _ => None,
                };
                let number = match (purpose, publication) {
                    (Purpose::Registration(_), _) => known.registration.next_cseq(),
                    (_, Some(publication)) => publication.next_cseq(),
                    _ => request.require::<CSeq>().map_or(1, |cseq| CSeq::next_number(cseq.number)),
                };
                let method = request.method().clone();
                // A number in the place of another, which fits.
                let _ = request.set(HeaderId::CSEQ, CSeq { number, method });
            }
        }
        outgoing.progressed = false;
        match self.transmit(now, key, target) {
            Ok(()) => true,
            Err(_) => false,
        }
    }

    pub(crate) fn on_client_ended(&mut self, now: Instant, client: ClientKey, end: End) {
        let Some(key) = self.by_client.remove(&client) else { return };
        let Some(outgoing) = self.outgoing.get_mut(key) else { return };
        if outgoing.answered {
            return self.finish(now, key, SendEnd::Completed);
        }
        let target = outgoing.current.take().map(|(_, target)| target);
        if matches!(end, End::TimedOut | End::TransportFailed(_))
            && let Some(target) = target.filter(|_| !outgoing.progressed)
        {
            self.outputs.push_back(UaOutput::Unavailable(target, None));
        }
        if let End::TransportFailed(reason) = end {
            outgoing.failed = Some(Failure::Target(reason));
        }
        let may_go_on = !outgoing.cancelled && !outgoing.progressed;
        let end = match end {
            End::TransportFailed(CloseReason::Refused | CloseReason::NoRoute) => {
                // Rule 11: back to datagrams, however large, where there is nobody at the stream's port.
                if let (true, Some(datagram)) = (may_go_on, outgoing.instead_of.take()) {
                    match self.transmit(now, key, datagram) {
                        Ok(()) => return,
                        Err(_) => SendEnd::Unreachable,
                    }
                } else {
                    SendEnd::Unreachable
                }
            }
            End::TimedOut => SendEnd::TimedOut,
            End::TransportFailed(_) => SendEnd::Unreachable,
            _ => SendEnd::Completed,
        };
        match may_go_on {
            true => self.try_next(now, key, end),
            false => self.finish(now, key, end),
        }
    }

    /// Nothing more will come: tells whom it concerns.
    fn finish(&mut self, now: Instant, key: Key<Outgoing>, end: SendEnd) {
        let Some(outgoing) = self.outgoing.remove(key) else { return };
        if let Some((client, _)) = outgoing.current {
            self.by_client.remove(&client);
        }
        let (status, reason) = match (end, outgoing.failed) {
            (SendEnd::TimedOut, _) => (StatusCode::REQUEST_TIMEOUT, "no answer".to_owned()),
            (SendEnd::Unreachable | SendEnd::Completed, Some(why)) => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("cannot be reached: {why}"))
            }
            (SendEnd::Unreachable | SendEnd::Completed, None) => {
                (StatusCode::SERVICE_UNAVAILABLE, "cannot be reached".to_owned())
            }
        };
        match outgoing.purpose {
            Purpose::Call(tag, call) => {
                self.by_tag.remove(&tag);
                self.calls.handle(now, DialogInput::Ended(tag, end));
                self.forget_call(call);
            }
            Purpose::Event(tag, usage) => {
                self.events.handle(now, EventsInput::Ended(tag, end));
                self.forget_usage(usage);
            }
            Purpose::Registration(account) if !outgoing.answered => {
                self.on_register_failed(now, account, status, &reason, None);
            }
            Purpose::Publication(key) if !outgoing.answered => {
                self.publication_failed(now, key, status, &reason, None);
            }
            Purpose::Single if !outgoing.answered => {
                let request = RequestKey(key);
                self.tell(UaEvent::Reply { request, status, reason, response: None });
            }
            Purpose::Registration(_) | Purpose::Publication(_) | Purpose::Single => {}
        }
    }

    /// Lets go of the account of a call that is gone for good.
    pub(crate) fn forget_call(&mut self, call: CallKey) {
        if !self.calls.contains(call) {
            self.callers.remove(&call);
        }
    }

    pub(crate) fn tell(&mut self, event: UaEvent) {
        self.outputs.push_back(UaOutput::Event(event));
    }
}

/// Where a hop leads; `None` when nowhere that we can go.
fn way(hop: Hop) -> Option<NextHop> {
    let (uri, preferred) = match hop {
        Hop::Target(target) => return Some(NextHop::Known(target)),
        Hop::Uri(uri, preferred) => (uri, preferred),
        Hop::Nowhere => return None,
    };
    let Uri::Sip(sip) = uri.as_uri() else { return None };
    let names_none = sip.transport().is_none() && !sip.is_secure();
    match preferred.filter(|_| names_none) {
        None => locate::next_hop(&sip).ok(),
        Some(protocol) => {
            let more = &sip.without_headers()[sip.bare().len()..];
            let uri = UriBuf::new(&format!("{};transport={protocol}{more}", sip.bare())).ok()?;
            locate::next_hop(&uri.as_sip()?).ok()
        }
    }
}

/// The reason phrase, or that of the RFC where there is none.
pub(crate) fn reason(response: &Response) -> String {
    match String::from_utf8_lossy(response.reason()) {
        text if text.is_empty() => response.status().reason().to_owned(),
        text => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transport_of_an_account_counts_where_the_uri_names_none() {
        let protocol = |uri: &str, preferred| match way(Hop::Uri(uri.parse().unwrap(), preferred)) {
            Some(NextHop::Known(target)) => target.protocol(),
            Some(NextHop::Name(name)) => name.default_protocol(),
            None => panic!("{uri} leads nowhere"),
        };
        assert_eq!(protocol("sip:a@192.0.2.1", None), Protocol::Udp);
        assert_eq!(protocol("sip:a@192.0.2.1;lr", Some(Protocol::Tcp)), Protocol::Tcp);
        assert_eq!(protocol("sip:a@example.com", Some(Protocol::Tls)), Protocol::Tls);
        assert_eq!(protocol("sip:a@192.0.2.1;transport=udp", Some(Protocol::Tcp)), Protocol::Udp);
        assert_eq!(protocol("sips:a@192.0.2.1", Some(Protocol::Tcp)), Protocol::Tls);
        assert!(way(Hop::Uri("tel:+1".parse().unwrap(), None)).is_none());
    }
}
