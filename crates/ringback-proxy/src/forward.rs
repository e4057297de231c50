//! Making the copy that goes to one target (RFC 3261 §16.6).

use crate::checks::max_breadth;
use crate::{Branch, ProxyConfig};
use ringback_message::header::{MaxForwards, Route, To};
use ringback_message::{HeaderId, InvalidValue, Request, StatusCode, Uri};
use ringback_sansio::{Flow, Protocol, Target};
use ringback_transaction::Locals;
use ringback_transport::locate::{NextHop, next_hop};

/// A copy that is ready but for our Via, and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) request: Request,
    pub(crate) hop: NextHop,
}

/// Why a copy cannot be made; the status stands for the branch.
pub(crate) fn status_of(_: InvalidValue) -> StatusCode {
    StatusCode::SERVER_INTERNAL_ERROR
}

/// Makes the copy for `branch`, or for where Route and Request-URI lead. `share` is what the branch gets of
/// Max-Breadth, where several are made.
pub(crate) fn copy(
    request: &Request,
    branch: Option<&Branch>,
    share: Option<u32>,
) -> Result<Copy, StatusCode> {
    let mut request = request.clone();
    if let Some(branch) = branch {
        // Rule 83: what stands behind a question mark does not go into a start line.
        let uri = branch.uri.as_uri();
        let text = uri.as_sip().map_or(uri.as_str(), |uri| uri.without_headers());
        request.set_uri(text).map_err(status_of)?;
    } else if let Ok(Uri::Sip(uri)) = request.uri()
        && uri.headers().is_some()
    {
        let text = uri.without_headers().to_owned();
        request.set_uri(text).map_err(status_of)?;
    }
    decrement(&mut request).map_err(status_of)?;
    if share.is_some() || max_breadth(&request).is_some() {
        let breadth = share.or(max_breadth(&request)).unwrap_or(60);
        request.set(HeaderId::MAX_BREADTH, breadth).map_err(status_of)?;
    }
    for value in branch.iter().flat_map(|branch| branch.route.iter().rev()) {
        request.push_front(HeaderId::ROUTE, value).map_err(status_of)?;
    }
    let hop = match branch.and_then(|branch| branch.flow) {
        Some(flow) => NextHop::Known(Target::Flow(flow)),
        None => find_hop(&mut request)?,
    };
    Ok(Copy { request, hop })
}

/// Rule 19: one less, or 70 where there was none or one that no proxy could have written.
fn decrement(request: &mut Request) -> Result<(), InvalidValue> {
    let hops = match request.first::<MaxForwards>() {
        Some(Ok(MaxForwards(hops))) => hops.saturating_sub(1),
        Some(Err(_)) | None => 70,
    };
    request.set(HeaderId::MAX_FORWARDS, hops)
}

/// Where the topmost Route or the Request-URI leads (RFC 3261 §16.6 steps 6 and 7).
fn find_hop(request: &mut Request) -> Result<NextHop, StatusCode> {
    let route = match request.first::<Route<'_>>() {
        Some(Ok(route)) => Some(route.uri.to_owned()),
        Some(Err(error)) => return Err(error.status),
        None => None,
    };
    let Some(route) = route else {
        let uri = request.uri().map_err(|error| error.status)?;
        return next_hop(uri.sip().map_err(|error| error.status)?).map_err(|error| error.status);
    };
    let uri = route.as_sip().ok_or(StatusCode::BAD_REQUEST)?;
    if !uri.is_loose_router() {
        // Rule 20: a strict router wants itself in the start line, and the destination at the end of the list.
        let destination = format!("<{}>", String::from_utf8_lossy(request.uri_bytes()));
        request.pop_front(HeaderId::ROUTE);
        request.push(HeaderId::ROUTE, &destination).map_err(status_of)?;
        request.set_uri(uri.without_headers()).map_err(status_of)?;
    }
    next_hop(&uri).map_err(|error| error.status)
}

/// Puts us into the path of the dialog that the request may create (RFC 3261 §16.6 step 4), twice where the side
/// that it came from and the one that it goes to differ (rule 20).
pub(crate) fn record_route(
    request: &mut Request,
    config: &ProxyConfig,
    locals: &Locals,
    from: &Flow,
    to: &Target,
) -> Result<(), InvalidValue> {
    let in_dialog = request.first::<To<'_>>().is_some_and(|to| to.is_ok_and(|to| to.tag().is_some()));
    if !config.record_route || !request.method().creates_dialog() || in_dialog {
        return Ok(());
    }
    let inward = locals.sent_by(&Target::Flow(*from));
    let outward = locals.sent_by(to);
    let (Some(inward), Some(outward)) = (inward, outward) else { return Ok(()) };
    let mut push = |protocol: Protocol, sent_by: &str| {
        let value = match protocol {
            Protocol::Udp => format!("<sip:{sent_by};lr>"),
            protocol => format!("<sip:{sent_by};transport={protocol};lr>"),
        };
        request.push_front(HeaderId::RECORD_ROUTE, &value)
    };
    push(from.protocol, &inward)?;
    if (from.protocol, &inward) != (to.protocol(), &outward) {
        push(to.protocol(), &outward)?;
    }
    Ok(())
}

/// Rule 11: a request that would be over 1,300 bytes on the wire goes by TCP.
pub(crate) fn by_size(request: &Request, to: Target) -> Target {
    const OUR_VIA: usize = 110;
    match to {
        Target::Address(Protocol::Udp, peer) if request.rendered_len() + OUR_VIA > 1300 => {
            Target::Address(Protocol::Tcp, peer)
        }
        other => other,
    }
}
