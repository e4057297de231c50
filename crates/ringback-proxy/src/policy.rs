//! Where a deployment decides.

use crate::{Device, Gate};
use bytes::Bytes;
use ringback_message::{HeaderId, Request, StatusCode, UriBuf};
use ringback_sansio::Flow;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Instant;

/// Says what to do with a request.
pub trait RoutePolicy {
    /// Decides. Asked once for each request, after the checks of RFC 3261 §16.3 and with our own Route removed; also
    /// for an ACK that no Route of ours brought here, which is dropped unless it is forwarded.
    ///
    /// The request may be changed on the way: credentials that were meant for us taken out, header fields that an
    /// untrusted peer must not set removed.
    fn route(&mut self, now: Instant, request: &mut Request, hop: Hop<'_>) -> Decision;

    /// Says where a contact leads that a target named in a 3xx, for a request that came over `from`; asked only where
    /// redirections are followed ([`ProxyConfig::recursion`](crate::ProxyConfig::recursion)). The Request-URI of `request` is the
    /// one that it came with. Without any branch, as here, the contact is told the sender.
    fn redirected(
        &mut self,
        now: Instant,
        request: &Request,
        from: &Flow,
        contact: &UriBuf,
    ) -> SmallVec<[Branch; 2]> {
        let _ = (now, request, from, contact);
        SmallVec::new()
    }
}

/// How a request reached us.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The flow that it came over.
    pub flow: &'a Flow,
    /// Whether a Route of ours was on top: the sender was told to come this way.
    pub own_route: bool,
    /// Whether the Request-URI names this element or one of its domains.
    pub own_uri: bool,
    /// The flow that our own Route named by a token of our making (RFC 5626 §5.3): the sender was told to reach somebody over it, and
    /// a request that is relayed goes there.
    pub along: Option<&'a Flow>,
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Answer with this status and these header fields.
    Reject(StatusCode, Vec<(HeaderId, String)>),
    /// Answer with this status and this reason phrase, which is no more than a line of text.
    Fail(StatusCode, String),
    /// Answer 302 with these contacts.
    Redirect(Vec<UriBuf>),
    /// Forward to these targets, those of equal `q` at once, higher `q` first. Without any it is answered 480.
    Forward(SmallVec<[Branch; 2]>),
    /// Forward to where Route and Request-URI lead.
    Relay,
    /// It is for the element itself.
    Local,
    /// Somebody has to be asked first: [`ProxyOutput::Decide`](crate::ProxyOutput::Decide) says what, and
    /// [`Proxy::decided`](crate::Proxy::decided) takes the decision. An ACK is dropped.
    Later(String),
}

impl Decision {
    /// Refuses with a status alone.
    pub fn reject(status: StatusCode) -> Self {
        Self::Reject(status, Vec::new())
    }

    /// Forwards to one target.
    pub fn forward(branch: Branch) -> Self {
        Self::Forward(SmallVec::from_iter([branch]))
    }
}

/// One target of a request.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The new Request-URI.
    pub uri: UriBuf,
    /// Route values to put on top: the Path of a binding (RFC 3327 §5.3).
    pub route: Vec<Bytes>,
    /// The flow to use whatever the URI says: that of a registration behind NAT.
    pub flow: Option<Flow>,
    /// Preference, 0 to 1000.
    pub q: u16,
    /// Whether it only stands in for those before it: it is tried when they could not be reached or were in trouble (408,
    /// 5xx), and not when they refused the request.
    pub is_spare: bool,
    /// The other ways to the same user agent, the next one first: each is tried when the one before it is known to lead
    /// nowhere (430, 408, or its connection is lost), so that one user agent never gets two copies (RFC 5626 §7).
    pub other_flows: Vec<Branch>,
    /// Who watches over the target, where somebody does.
    pub gate: Option<Arc<dyn Gate>>,
    /// The device to wake before it is sent a request, where it may be asleep ([`ProxyOutput::Wake`](crate::ProxyOutput::Wake)).
    pub wake: Option<Arc<Device>>,
}

impl Branch {
    /// A target that is reached where its URI leads.
    pub fn to(uri: UriBuf) -> Self {
        Self {
            uri,
            route: Vec::new(),
            flow: None,
            q: 1000,
            is_spare: false,
            other_flows: Vec::new(),
            gate: None,
            wake: None,
        }
    }
}
