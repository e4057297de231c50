//! What a user agent server looks at before it does anything (RFC 3261 §8.2, rule 22), and the requests that it
//! answers by itself.

use crate::account::Known;
use crate::agent::{UserAgent, token};
use crate::receipts::{self, Said};
use crate::{AccountKey, CallKey, Incoming, UaEvent};
use bytes::Bytes;
use ringback_auth::{Place, Verdict};
use ringback_dialog::{DialogInput, Invited, is_description};
use ringback_message::body::NotUnderstood;
use ringback_message::header::{Allow, CallId, From, Require, To};
use ringback_message::{HeaderId, Method, Request, Response, ResponseBuilder, StatusCode, UriBuf};
use ringback_sansio::{Entropy, Flow, Machine, Target};
use ringback_transaction::ServerKey;
use std::time::Instant;

/// What a peer may ask of us.
const ALLOWED: [Method; 12] = [
    Method::INVITE,
    Method::ACK,
    Method::CANCEL,
    Method::BYE,
    Method::OPTIONS,
    Method::MESSAGE,
    Method::INFO,
    Method::UPDATE,
    Method::PRACK,
    Method::REFER,
    Method::NOTIFY,
    Method::SUBSCRIBE,
];
/// The extensions that a peer may require of us; what they need is told to the calls.
const EXTENSIONS: [&str; 7] =
    ["100rel", "timer", "replaces", "norefersub", "from-change", "answermode", "tdialog"];

/// The value of Accept: what a body may be, or hold (RFC 5621 §3.1).
pub(crate) const ACCEPTED: &str =
    "application/sdp, multipart/mixed, multipart/related, multipart/alternative";

/// What a message may be besides, wrapped or not (RFC 5438 §7).
const READ: &str = "text/plain, message/cpim, message/imdn+xml";

/// The value of Allow.
pub(crate) fn allow() -> Bytes {
    Allow::list(&ALLOWED)
}

/// The value of Supported.
pub(crate) fn supported() -> String {
    EXTENSIONS.join(", ")
}

/// A refusal, or any other answer that needs no call.
type Answer = ResponseBuilder;

/// A status, and the header field that says what would do better.
type Refusal = (StatusCode, Option<(HeaderId, &'static str)>);

impl<E: Entropy> UserAgent<E> {
    pub(crate) fn on_request(&mut self, now: Instant, key: ServerKey, flow: &Flow, request: Request) {
        let tag = token(&mut self.entropy);
        let is_copy = self.is_merged(key, &request);
        let account = match self.inspect(now, &request, &tag, is_copy) {
            Ok(account) => account,
            Err(refusal) => return self.finish_answer(now, key, refusal.build()),
        };
        let contact = self.contact(account, &Target::Flow(*flow), request.uri_bytes());
        let contact = contact.or_else(|| UriBuf::new(&format!("sip:{}", flow.local)).ok());
        let Some(contact) = contact else { return };
        match (account, request.method()) {
            (None, _) if self.is_of_subscription(&request) => {
                self.on_subscription_request(now, key, contact, request);
            }
            (None, _) => self.calls.handle(now, DialogInput::Request { key, contact, request }),
            (Some(account), &Method::INVITE) => {
                self.on_invite(now, (key, flow), contact, account, request, &tag);
            }
            (Some(account), &Method::MESSAGE) => self.on_message(now, key, &request, &tag, account, None),
            (Some(account), &Method::OPTIONS) => {
                let quiet = self.disturbs(account, flow, &request).map(|(status, _)| status);
                self.on_options(now, key, &request, &tag, quiet);
            }
            (Some(account), &Method::SUBSCRIBE) => self.on_subscribe(now, key, contact, account, request),
            (Some(_), &Method::REFER) if request.has(HeaderId::TARGET_DIALOG) => {
                self.calls.referred(now, key, &contact, &request);
            }
            // The rest has a meaning inside of calls only (rule 23); a CANCEL that comes here matches nothing
            // (rule 14).
            (Some(_), _) => {
                let reply = request.reply(StatusCode::CALL_DOES_NOT_EXIST, Some(&tag));
                self.finish_answer(now, key, reply.build());
            }
        }
    }

    /// Looks at a request in the order of §8.2. The account that is meant; `None` for requests inside of dialogs.
    fn inspect(
        &mut self,
        now: Instant,
        request: &Request,
        tag: &str,
        is_copy: bool,
    ) -> Result<Option<AccountKey>, Answer> {
        let refuse = |status| request.reply(status, Some(tag));
        let method = request.method();
        let is_inside = request.first::<To<'_>>().is_some_and(|to| to.is_ok_and(|to| to.tag().is_some()));
        if !is_inside && *method != Method::CANCEL {
            self.authenticate(now, request)?;
        }
        if !ALLOWED.contains(method) {
            // §8.2.1 for methods that are known, §21.5.2 for others.
            let status = match method.is_known() {
                true => StatusCode::METHOD_NOT_ALLOWED,
                false => StatusCode::NOT_IMPLEMENTED,
            };
            return Err(refuse(status).header(HeaderId::ALLOW, allow()));
        }
        if *method == Method::CANCEL {
            return Err(refuse(StatusCode::CALL_DOES_NOT_EXIST));
        }
        let account = match is_inside {
            true => None,
            false => {
                let uri = request.uri().map_err(|error| refuse(error.status))?;
                let sip = *uri.sip().map_err(|error| refuse(error.status))?;
                let account = self.addressee(&sip).ok_or_else(|| refuse(StatusCode::NOT_FOUND))?;
                if is_copy {
                    return Err(refuse(StatusCode::LOOP_DETECTED));
                }
                Some(account)
            }
        };
        let is_unknown =
            |tag: &&str| !tag.is_empty() && !EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(tag));
        let mut required = request.all::<Require<'_>>().flatten().map(|require| require.0).filter(is_unknown);
        if let Some(first) = required.next() {
            let all = required.fold(first.to_owned(), |all, next| all + ", " + next);
            return Err(refuse(StatusCode::BAD_EXTENSION).header(HeaderId::UNSUPPORTED, all));
        }
        inspect_body(request).map_err(|(status, says)| match says {
            Some((header, value)) => refuse(status).header(header, value),
            None => refuse(status),
        })?;
        Ok(account)
    }

    fn authenticate(&mut self, now: Instant, request: &Request) -> Result<(), Answer> {
        let Some(inbound) = &mut self.authentication else { return Ok(()) };
        let unix = inbound.epoch.unix(now);
        let verdict = inbound.authenticator.authenticate(unix, request, Place::Server, &*inbound.credentials);
        let stale = match verdict {
            Verdict::Accepted { .. } => return Ok(()),
            Verdict::Stale => true,
            _ => false,
        };
        Err(inbound.authenticator.demand(unix, request, Place::Server, stale, &mut self.entropy))
    }

    fn addressee(&self, uri: &ringback_message::SipUri<'_>) -> Option<AccountKey> {
        let is_meant = |(_, known): &(_, &Known)| known.is_meant(uri);
        let meant = self.accounts.iter().find(is_meant);
        let anyone = || self.accounts.iter().next().filter(|_| self.answers_anyone);
        meant.or_else(anyone).map(|(key, _)| AccountKey(key))
    }

    /// Rule 22: whether the same request is being served that came another way (§8.2.2.2); else it is from now on.
    fn is_merged(&mut self, key: ServerKey, request: &Request) -> bool {
        let Ok(routing) = request.routing() else { return false };
        if routing.to_tag.is_some() {
            return false;
        }
        let from_tag = routing.from_tag.unwrap_or_default().to_owned();
        let identity = (routing.call_id.to_owned(), from_tag, routing.cseq.number, request.method().clone());
        if self.served.contains_key(&identity) {
            return true;
        }
        self.served.insert(identity.clone(), key);
        self.serving.insert(key, identity);
        false
    }

    pub(crate) fn forget_served(&mut self, key: ServerKey) {
        if let Some(identity) = self.serving.remove(&key) {
            self.served.remove(&identity);
        }
    }

    fn on_invite(
        &mut self,
        now: Instant,
        (key, flow): (ServerKey, &Flow),
        contact: UriBuf,
        account: AccountKey,
        request: Request,
        tag: &str,
    ) {
        if self.turn_away(now, key, flow, account, &request, tag)
            || self.refuses_mode(now, key, &request, tag)
        {
            return;
        }
        let (from, to) = (from_address(&request), to_address(&request));
        let call_id = request.require::<CallId<'_>>().map(|id| id.0.to_owned()).unwrap_or_default();
        let invite = request.clone();
        if let Some(Invited { call, offered, replaces }) = self.calls.invited(now, key, contact, request) {
            self.callers.insert(call, account);
            if let Some(address) = self.own_identity(account, &invite) {
                self.calls.identify(call, address);
            }
            let asserted = self.asserted(Some(account), flow, &invite);
            let auto_answer = crate::identity::auto_answer(&invite);
            let incoming = Incoming {
                call,
                account,
                from,
                to,
                call_id,
                offered,
                replaces,
                asserted,
                auto_answer,
                request: invite,
            };
            self.tell(UaEvent::Incoming(incoming));
        }
    }

    fn on_message(
        &mut self,
        now: Instant,
        key: ServerKey,
        request: &Request,
        tag: &str,
        account: AccountKey,
        call: Option<CallKey>,
    ) {
        let from = from_address(request);
        let said = receipts::read(account, request);
        let status = said.as_ref().map_or_else(|error| error.status, |_| StatusCode::OK);
        self.finish_answer(now, key, request.reply(status, Some(tag)).build());
        match said {
            Ok(Said::Text { content_type, body, wish }) => {
                self.tell(UaEvent::MessageReceived { account, from, content_type, body, call, wish });
            }
            Ok(Said::Receipt(message, receipt)) => {
                self.tell(UaEvent::Receipt { account, from, message, receipt });
            }
            Err(_) => {}
        }
    }

    /// §11.2: what an INVITE would be answered with, and what we can do.
    fn on_options(
        &mut self,
        now: Instant,
        key: ServerKey,
        request: &Request,
        tag: &str,
        quiet: Option<StatusCode>,
    ) {
        let is_busy = self.calls.len() >= self.max_calls;
        let status = if is_busy { StatusCode::BUSY_HERE } else { quiet.unwrap_or(StatusCode::OK) };
        let reply = request
            .reply(status, Some(tag))
            .header(HeaderId::ALLOW, allow())
            .header(HeaderId::ACCEPT, format_args!("{ACCEPTED}, {READ}"))
            .header(HeaderId::ACCEPT_ENCODING, "identity")
            .header(HeaderId::ACCEPT_LANGUAGE, "en")
            .header(HeaderId::SUPPORTED, supported());
        let reply = self.with_packages(reply);
        self.finish_answer(now, key, reply.build());
    }

    /// A request inside of a call that the call itself knows nothing about.
    pub(crate) fn on_unhandled(&mut self, now: Instant, key: ServerKey, call: CallKey, request: &Request) {
        let tag = token(&mut self.entropy);
        match (request.method(), self.callers.get(&call).copied()) {
            (&Method::MESSAGE, Some(account)) => {
                self.on_message(now, key, request, &tag, account, Some(call))
            }
            (&Method::OPTIONS, _) => self.on_options(now, key, request, &tag, None),
            (&Method::SUBSCRIBE, _) => {
                let reply = Self::refuse_sharing(request, &tag);
                self.finish_answer(now, key, reply.build());
            }
            _ => {
                let reply = request.reply(StatusCode::METHOD_NOT_ALLOWED, Some(&tag));
                self.finish_answer(now, key, reply.header(HeaderId::ALLOW, allow()).build());
            }
        }
    }

    fn finish_answer(
        &mut self,
        now: Instant,
        key: ServerKey,
        response: Result<Response, ringback_message::InvalidValue>,
    ) {
        // What copies only what was read can be written, unless it is as long as a message may be; then the peer
        // is left without an answer.
        if let Ok(response) = response {
            self.respond(now, key, response);
        }
    }
}

/// §8.2.3: whether the body is one that we can read; else the status, and the header field that says what is.
fn inspect_body(request: &Request) -> Result<(), Refusal> {
    if request.body().is_empty() {
        return Ok(());
    }
    let describes_session = matches!(*request.method(), Method::INVITE | Method::UPDATE | Method::PRACK);
    let unsupported = |header, value| Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, Some((header, value))));
    match request.entity().select(&|part| !describes_session || is_description(part)) {
        Ok(_) => Ok(()),
        Err(NotUnderstood::Encoding) => unsupported(HeaderId::ACCEPT_ENCODING, "identity"),
        Err(NotUnderstood::Malformed(error)) => Err((error.status, None)),
        Err(_) => unsupported(HeaderId::ACCEPT, ACCEPTED),
    }
}

pub(crate) fn from_address(request: &Request) -> String {
    request.require::<From<'_>>().map(|from| from.address()).unwrap_or_default()
}

pub(crate) fn to_address(request: &Request) -> String {
    request.require::<To<'_>>().map(|to| to.address()).unwrap_or_default()
}
