//! Whether a call needs the server between its media, where it is left to us to see.

use ringback_message::header::Contact;
use ringback_message::{Host, Request, SipUri};
use ringback_proxy::Branch;
use ringback_sdp::{self as sdp, Connection, SessionDescription};
use std::net::IpAddr;

/// Whether a side is behind a NAT, which seldom lets media of strangers in, or somebody who encrypts calls through a gateway, which
/// seldom can. `sender` is the host that the INVITE came from.
pub(crate) fn is_needed(request: &Request, sender: IpAddr, targets: &[Branch]) -> bool {
    let sender = sender.to_canonical();
    let description = SessionDescription::parse(request.body()).ok().filter(|it| !it.media.is_empty());
    let is_elsewhere = match &description {
        Some(description) => description.media.iter().any(|media| {
            let host = description.connection_of(media).filter(|it| !it.is_hold()).and_then(Connection::host);
            matches!(host, Some(sdp::Host::Address(address)) if address.to_canonical() != sender)
        }),
        // The offer comes later; where it leads, requests lead as well.
        None => match request.first::<Contact<'_>>() {
            Some(Ok(Contact::Address(contact))) => {
                let host = contact.uri.as_sip().map(SipUri::host);
                matches!(host, Some(Host::Ip(address)) if address != sender)
            }
            _ => false,
        },
    };
    let is_hidden = |target: &Branch| {
        let host = target.uri.as_sip().map(|uri| uri.host());
        target.flow.is_some_and(|flow| host != Some(Host::Ip(flow.peer.ip().to_canonical())))
    };
    let encrypts = || {
        let media = description.iter().flat_map(|it| &it.media);
        media.into_iter().any(|media| media.protocol.as_str().contains("SAVP"))
    };
    is_elsewhere
        || targets.iter().any(is_hidden)
        || (targets.iter().any(|target| target.gate.is_some()) && encrypts())
}
