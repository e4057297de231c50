//! Which transaction a request belongs to (RFC 3261 §17.2.3).

use ringback_message::header::Via;
use ringback_message::{HeaderId, Host, Method, Request, Routing};
use ringback_sansio::{Flow, Hasher, Target};
use std::hash::{BuildHasher, Hash, Hasher as _};
use std::net::{IpAddr, SocketAddr};

/// The identity of a server transaction: a hash under a secret key, so that nobody can prepare two requests that
/// share one, of what RFC 3261 §17.2.3 compares.
pub(crate) type ServerId = u64;

/// Reads the identity of the transaction that `request` belongs to, as if its method were `method`: ACK and CANCEL
/// look for the INVITE.
pub(crate) fn server_id(
    hasher: Hasher,
    request: &Request,
    routing: &Routing<'_>,
    method: &Method,
) -> ServerId {
    let mut state = hasher.build_hasher();
    let via = &routing.via;
    match via.unique_branch() {
        Some(branch) => {
            // Rule 2: branch, sent-by with the port defaulted, method.
            branch.hash(&mut state);
            match via.host {
                Host::Ip(ip) => ip.hash(&mut state),
                Host::Name(name) => name.bytes().for_each(|byte| state.write_u8(byte.to_ascii_lowercase())),
            }
            via.port.unwrap_or(5060).hash(&mut state);
        }
        None => {
            // Rule 2: peers of RFC 2543 are matched by what a retransmission repeats. The To tag stays out,
            // because the ACK has one that its INVITE had not.
            request.uri_bytes().hash(&mut state);
            routing.from_tag.hash(&mut state);
            routing.call_id.hash(&mut state);
            routing.cseq.number.hash(&mut state);
            request.values(HeaderId::VIA).next().hash(&mut state);
        }
    }
    method.hash(&mut state);
    state.finish()
}

/// Where responses to a request go (RFC 3261 §18.2.2, RFC 3581 §4): back over a stream; over datagrams to maddr,
/// else to the source, and to its port when `rport` was asked for, else to the port of sent-by.
pub(crate) fn way_back(flow: &Flow, via: &Via<'_>) -> Target {
    if flow.protocol.is_reliable() {
        return Target::Flow(*flow);
    }
    let port = via.port.unwrap_or(flow.protocol.default_port());
    let peer = if let Some(maddr) = via.maddr().and_then(|host| host.ip()) {
        SocketAddr::new(maddr, port)
    } else if via.rport().is_some() {
        flow.peer
    } else {
        SocketAddr::new(flow.peer.ip(), port)
    };
    let lone = match peer.ip() {
        IpAddr::V4(ip) => !ip.is_broadcast() && !ip.is_multicast() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
    };
    // Fault 12: never answer to many; the packet's source is one.
    Target::Flow(Flow { peer: if lone { peer } else { flow.peer }, ..*flow })
}

/// Where a response goes when the stream of its request is gone (RFC 3261 §18.2.2): to `received`, or the
/// address in sent-by, at the port of sent-by.
pub(crate) fn way_back_by_via(request: &Request, gone: &Target) -> Option<Target> {
    let Target::Flow(flow) = gone else { return None };
    if !flow.protocol.is_reliable() {
        return None;
    }
    let via = request.require::<Via<'_>>().ok()?;
    let ip = via.received().or(via.host.ip())?;
    Some(Target::Address(
        flow.protocol,
        SocketAddr::new(ip, via.port.unwrap_or(flow.protocol.default_port())),
    ))
}
