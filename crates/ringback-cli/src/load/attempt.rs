//! One call, or one single request: how far it is, and its dialog.

use super::flight::Flight;
use super::plan::Plan;
use super::tally::Cause;
use super::writing::flat;
use ringback_auth::DigestClient;
use ringback_message::header::{Contact, NameAddr, RecordRoute, To};
use ringback_message::{HeaderId, Response, UriBuf};
use ringback_net::{Protocol, Target};
use ringback_sansio::Entropy;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Instant;

/// One call, or one request that is not part of a call.
pub(crate) struct Attempt {
    pub(crate) user: usize,
    pub(crate) placed: Instant,
    pub(crate) stage: Stage,
    pub(crate) ending: Ending,
    pub(crate) rang: bool,
    /// The request that is on its way.
    pub(crate) flight: Option<Flight>,
    pub(crate) dialog: Option<Dialog>,
    /// Once it was challenged.
    pub(crate) proof: Option<Box<Proof>>,
    /// Of our request that is on its way, or was last.
    pub(crate) cseq: u32,
    /// What nobody else can know of our tag and Call-ID.
    pub(crate) secret: u64,
}

/// What answers challenges of one call.
pub(crate) struct Proof {
    pub(crate) client: DigestClient,
    /// What was tried for the first request, and for the BYE.
    pub(crate) first: ringback_auth::Attempt,
    pub(crate) bye: ringback_auth::Attempt,
    /// The credentials of the INVITE as lines, which the ACK repeats.
    pub(crate) lines: String,
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

/// The far end of a call, and the way there (RFC 3261 §12.1.2).
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    /// The value of To, with its tag.
    pub(crate) to: Box<[u8]>,
    /// The Request-URI of what is sent there.
    pub(crate) uri: Box<str>,
    /// Its lines of Route.
    pub(crate) routes: Box<str>,
    /// Where it goes first.
    pub(crate) hop: Target,
}

impl Attempt {
    pub(crate) fn new(now: Instant, user: usize, entropy: &mut impl Entropy) -> Self {
        Self {
            user,
            placed: now,
            stage: Stage::Asking,
            ending: Ending::Done,
            rang: false,
            flight: None,
            dialog: None,
            proof: None,
            cseq: 1,
            secret: entropy.next_u64(),
        }
    }

    /// Whether a tag or a branch of ours is that of this attempt.
    pub(crate) fn has_secret(&self, secret: u64) -> bool {
        self.secret == secret
    }
}

impl Dialog {
    /// The dialog that a 2xx creates. `None` without a Contact, which leaves nowhere to send to.
    pub(crate) fn of_response(response: &Response, plan: &Plan) -> Option<Self> {
        let target = match response.first::<Contact<'_>>()?.ok()? {
            Contact::Address(address) => address.uri.as_sip()?.without_headers().to_owned(),
            Contact::Wildcard => return None,
        };
        let to = flat(response.values(HeaderId::TO).next()?).into();
        let mut routes: Vec<RecordRoute<'_>> = response.all::<RecordRoute<'_>>().flatten().collect();
        routes.reverse();
        let (uri, hop, lines) = way(target, &routes, plan);
        Some(Self { to, uri: uri.into(), routes: lines.into(), hop })
    }

    /// Whether a response is of this dialog, and not of another fork.
    pub(crate) fn is_of(&self, response: &Response) -> bool {
        let own = NameAddr::parse(&self.to).ok().and_then(|to| to.tag().map(str::to_owned));
        response.first::<To<'_>>().is_some_and(|to| to.is_ok_and(|to| to.tag() == own.as_deref()))
    }
}

/// Request-URI, next hop and lines of Route of requests in a dialog (RFC 3261 §12.2.1.1).
fn way(target: String, routes: &[RecordRoute<'_>], plan: &Plan) -> (String, Target, String) {
    let mut lines = String::new();
    let mut add = |uri: &str| {
        // A String takes all that is written to it.
        let _ = write!(lines, "Route: <{uri}>\r\n");
    };
    let Some((first, others)) = routes.split_first() else {
        let hop = hop(&target, plan);
        return (target, hop, lines);
    };
    let next = first.0.uri.as_str();
    match first.0.uri.as_sip().is_some_and(|uri| !uri.is_loose_router()) {
        false => {
            routes.iter().for_each(|route| add(route.0.uri.as_str()));
            (target, hop(next, plan), lines)
        }
        // A strict router wants to see itself in the Request-URI, and the target as the last Route.
        true => {
            others.iter().for_each(|route| add(route.0.uri.as_str()));
            add(&target);
            (next.to_owned(), hop(next, plan), lines)
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
