//! One call, or one single request: who it is from, its dialog, and the requests that are made of it.

use super::plan::{Plan, User};
use super::tally::Cause;
use bytes::Bytes;
use ringback_auth::{DigestClient, copy_credentials};
use ringback_message::header::{CSeq, Contact, NameAddr, RecordRoute, To};
use ringback_message::{HeaderId, InvalidValue, Method, Request, RequestBuilder, Response, UriBuf};
use ringback_net::{Protocol, Target};
use ringback_sansio::{Entropy, Key};
use ringback_transaction::ClientKey;
use std::net::SocketAddr;
use std::time::Instant;

/// One call, or one request that is not part of a call.
pub(crate) struct Attempt {
    pub(crate) user: usize,
    pub(crate) placed: Instant,
    pub(crate) stage: Stage,
    pub(crate) ending: Ending,
    pub(crate) rang: bool,
    /// The transaction of the request that is on its way.
    pub(crate) client: Option<ClientKey>,
    pub(crate) dialog: Option<Dialog>,
    /// Once it was challenged.
    pub(crate) proof: Option<Box<Proof>>,
    /// Of our request that is on its way, or was last.
    pub(crate) cseq: u32,
    /// What nobody else can know of our tag and Call-ID.
    secret: u64,
}

/// What answers challenges of one call.
pub(crate) struct Proof {
    pub(crate) client: DigestClient,
    /// What was tried for the first request, and for the BYE.
    pub(crate) first: ringback_auth::Attempt,
    pub(crate) bye: ringback_auth::Attempt,
    /// The INVITE with its credentials, which the ACK repeats.
    pub(crate) invite: Option<Request>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waits for the final response.
    Asking,
    /// Cancelled, and waits for the final response.
    GivingUp,
    /// The call is up.
    Up,
    /// BYE was sent then.
    Leaving(Instant),
}

/// How it will end, where that is known before it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Well.
    Done,
    /// Well, by the other side.
    ByPeer,
    /// The user wanted to stop before it was answered.
    GivenUp,
    /// Not well.
    Failed(Cause),
}

/// The far end of a call (RFC 3261 §12.1.2).
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    /// The value of To, with its tag.
    to: Vec<u8>,
    target: String,
    routes: Vec<String>,
}

impl Attempt {
    pub(crate) fn new(now: Instant, user: usize, entropy: &mut impl Entropy) -> Self {
        Self {
            user,
            placed: now,
            stage: Stage::Asking,
            ending: Ending::Done,
            rang: false,
            client: None,
            dialog: None,
            proof: None,
            cseq: 1,
            secret: entropy.next_u64(),
        }
    }

    /// The request that begins it.
    pub(crate) fn first(
        &self,
        key: Key<Self>,
        plan: &Plan,
        contact: &str,
        offer: &Bytes,
    ) -> Result<Request, InvalidValue> {
        let (method, user) = (plan.kind.method(), &plan.users[self.user]);
        let to = if method == Method::REGISTER { user.address.as_str() } else { plan.uri.as_str() };
        let builder = Request::builder(method.clone(), &plan.uri).header(HeaderId::MAX_FORWARDS, 70u8);
        let builder = self.identified(builder, key, user, format_args!("<{to}>"), method.clone());
        let builder = match method {
            Method::MESSAGE => return builder.body("text/plain", "load").build(),
            Method::OPTIONS => return builder.header(HeaderId::ACCEPT, "application/sdp").build(),
            _ => builder.header(HeaderId::CONTACT, contact),
        };
        match method {
            Method::REGISTER => builder.header(HeaderId::EXPIRES, 3_600u32).build(),
            _ => builder
                .header(HeaderId::ALLOW, "INVITE, ACK, CANCEL, BYE, OPTIONS")
                .body("application/sdp", offer.clone())
                .build(),
        }
    }

    /// A BYE, and where it goes. `None` when there is no dialog, or it cannot be written.
    pub(crate) fn bye(&self, key: Key<Self>, plan: &Plan) -> Option<(Request, Target)> {
        let dialog = self.dialog.as_ref()?;
        let (builder, hop) = dialog.begin(Method::BYE, plan);
        let user = &plan.users[self.user];
        let request = self.identified(builder, key, user, &*dialog.to, Method::BYE).build().ok()?;
        Some((request, hop))
    }

    fn identified(
        &self,
        builder: RequestBuilder,
        key: Key<Self>,
        user: &User,
        to: impl ringback_message::Value,
        method: Method,
    ) -> RequestBuilder {
        let (bits, secret) = (key.to_bits(), self.secret);
        builder
            .header(HeaderId::FROM, format_args!("<{}>;tag={bits:x}.{secret:x}", user.address))
            .header(HeaderId::TO, to)
            .header(HeaderId::CALL_ID, format_args!("{secret:016x}{bits:016x}"))
            .header(HeaderId::CSEQ, CSeq { number: self.cseq, method })
    }

    /// Whether a tag of ours is that of this attempt.
    pub(crate) fn has_secret(&self, secret: u64) -> bool {
        self.secret == secret
    }
}

/// What a tag of ours tells: the attempt, and its secret.
pub(crate) fn read_tag(tag: &str) -> Option<(Key<Attempt>, u64)> {
    let (bits, secret) = tag.split_once('.')?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    Some((Key::from_bits(number(bits)?), number(secret)?))
}

impl Dialog {
    /// The dialog that a 2xx creates. `None` without a Contact, which leaves nowhere to send to.
    pub(crate) fn of_response(response: &Response) -> Option<Self> {
        let target = match response.first::<Contact<'_>>()?.ok()? {
            Contact::Address(address) => match address.uri.as_sip() {
                Some(sip) => sip.without_headers().to_owned(),
                None => return None,
            },
            Contact::Wildcard => return None,
        };
        let to = response.values(HeaderId::TO).next()?.to_vec();
        let mut routes: Vec<String> = response
            .all::<RecordRoute<'_>>()
            .flatten()
            .map(|route| format!("<{}>", route.0.uri.as_str()))
            .collect();
        routes.reverse();
        Some(Self { to, target, routes })
    }

    /// Whether a response is of this dialog, and not of another fork.
    pub(crate) fn is_of(&self, response: &Response) -> bool {
        let own = NameAddr::parse(&self.to).ok().and_then(|to| to.tag().map(str::to_owned));
        response.first::<To<'_>>().is_some_and(|to| to.is_ok_and(|to| to.tag() == own.as_deref()))
    }

    /// The ACK to a 2xx of it, made of that 2xx, and where it goes.
    pub(crate) fn ack(
        &self,
        response: &Response,
        plan: &Plan,
        invite: Option<&Request>,
    ) -> Option<(Request, Target)> {
        let (builder, hop) = self.begin(Method::ACK, plan);
        let mut ack = self.like(builder, response, 0, Method::ACK)?;
        if let Some(invite) = invite {
            copy_credentials(invite, &mut ack).ok()?;
        }
        Some((ack, hop))
    }

    /// The BYE for a fork that nobody wants (RFC 3261 §13.2.2.4).
    pub(crate) fn turn_away(&self, response: &Response, plan: &Plan) -> Option<(Request, Target)> {
        let (builder, hop) = self.begin(Method::BYE, plan);
        Some((self.like(builder, response, 1, Method::BYE)?, hop))
    }

    fn like(
        &self,
        builder: RequestBuilder,
        response: &Response,
        later: u32,
        method: Method,
    ) -> Option<Request> {
        let number = response.require::<CSeq>().ok()?.number.saturating_add(later);
        let builder = builder.copy(response, HeaderId::FROM).header(HeaderId::TO, &*self.to);
        builder.copy(response, HeaderId::CALL_ID).header(HeaderId::CSEQ, CSeq { number, method }).build().ok()
    }

    /// Request-URI, Max-Forwards and Route of a request in the dialog, and its next hop (RFC 3261 §12.2.1.1).
    fn begin(&self, method: Method, plan: &Plan) -> (RequestBuilder, Target) {
        let first = self.routes.first().and_then(|route| {
            let address = NameAddr::parse(route.as_bytes()).ok()?;
            Some((address.uri.as_str().to_owned(), address.uri.as_sip()?.is_loose_router()))
        });
        let start = |uri: &str| Request::builder(method.clone(), uri).header(HeaderId::MAX_FORWARDS, 70u8);
        match first {
            None => (start(&self.target), hop(&self.target, plan)),
            Some((next, true)) => {
                let routes = self.routes.iter();
                let builder =
                    routes.fold(start(&self.target), |it, route| it.header(HeaderId::ROUTE, route.as_str()));
                (builder, hop(&next, plan))
            }
            // A strict router wants to see itself in the Request-URI, and the target as the last Route.
            Some((next, false)) => {
                let routes = self.routes[1..].iter();
                let builder =
                    routes.fold(start(&next), |it, route| it.header(HeaderId::ROUTE, route.as_str()));
                (builder.header(HeaderId::ROUTE, format_args!("<{}>", self.target)), hop(&next, plan))
            }
        }
    }
}

/// Where a URI leads: an address to itself; a name, which is not asked for in the middle of a call, to where the call
/// went.
fn hop(uri: &str, plan: &Plan) -> Target {
    let Ok(uri) = UriBuf::new(uri) else { return plan.hop };
    let Some(sip) = uri.as_sip() else { return plan.hop };
    let protocol = match sip.transport().map(Protocol::from_token) {
        None => plan.hop.protocol(),
        Some(Some(protocol @ (Protocol::Udp | Protocol::Tcp))) => protocol,
        Some(_) => return plan.hop,
    };
    // A thread has a socket for one transport only.
    let (true, Some(ip)) = (protocol == plan.hop.protocol(), sip.maddr().unwrap_or(sip.host()).ip()) else {
        return plan.hop;
    };
    Target::Address(protocol, SocketAddr::new(ip, sip.port().unwrap_or(protocol.default_port())))
}
