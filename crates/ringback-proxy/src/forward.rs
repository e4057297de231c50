//! Making the copy that goes to one target (RFC 3261 §16.6).

use crate::checks::breadth;
use crate::{Branch, FlowKey, ProxyConfig, token};
use ringback_message::header::{Contact, Header as _, MaxForwards, ProxyAuthorization, Route, To, Via};
use ringback_message::{HeaderId, InvalidValue, Method, Request, SipUri, StatusCode, Uri};
use ringback_sansio::{Flow, Protocol, Target};
use ringback_transaction::Locals;
use ringback_transport::locate::{NextHop, next_hop};

/// Why a copy cannot be made; the status stands for the branch.
pub(crate) fn status_of(_: InvalidValue) -> StatusCode {
    StatusCode::SERVER_INTERNAL_ERROR
}

/// Makes a request the one for `branch`, or for where Route and Request-URI lead, and says where it goes. It is then
/// ready but for Record-Route and our Via. `share` is what the branch gets of Max-Breadth, where several are made; `realm` is ours.
pub(crate) fn prepare(
    request: &mut Request,
    branch: Option<&Branch>,
    share: Option<u32>,
    realm: Option<&str>,
) -> Result<NextHop, StatusCode> {
    if let Some(realm) = realm {
        consume_credentials(request, realm);
    }
    if let Some(branch) = branch {
        // Rule 83: what stands behind a question mark does not go into a start line.
        match branch.uri.as_sip() {
            Some(uri) => request.set_uri(uri.without_headers()),
            None => request.set_uri(&branch.uri),
        }
        .map_err(status_of)?;
    } else if let Ok(Uri::Sip(uri)) = request.uri()
        && uri.headers().is_some()
    {
        let text = uri.without_headers().to_owned();
        request.set_uri(text).map_err(status_of)?;
    }
    decrement(request).map_err(status_of)?;
    let breadth = share.unwrap_or_else(|| breadth(request));
    request.set(HeaderId::MAX_BREADTH, breadth).map_err(status_of)?;
    let Some(branch) = branch else { return find_hop(request) };
    for value in branch.route.iter().rev() {
        request.push_front(HeaderId::ROUTE, value).map_err(status_of)?;
    }
    match branch.flow {
        Some(flow) => Ok(NextHop::Known(Target::Flow(flow))),
        None => find_hop(request),
    }
}

/// The flow that our own Route named comes before where the next Route or the Request-URI lead (RFC 5626 §5.3).
pub(crate) fn along(hop: NextHop, flow: Option<Flow>) -> NextHop {
    flow.map_or(hop, |flow| NextHop::Known(Target::Flow(flow)))
}

/// RFC 3261 §22.3: whoever sees credentials can try passwords on them.
fn consume_credentials(request: &mut Request, realm: &str) {
    request.retain(HeaderId::PROXY_AUTHORIZATION, |value| {
        let credentials = ProxyAuthorization::parse(value).ok();
        let theirs = credentials.as_ref().and_then(|value| value.0.digest()?.value("realm"));
        theirs.is_none_or(|theirs| theirs != realm)
    });
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
        Some(Ok(route)) if route.uri.as_sip().is_some_and(ringback_message::SipUri::is_loose_router) => {
            let uri = route.uri.sip().map_err(|error| error.status)?;
            return next_hop(uri).map_err(|error| error.status);
        }
        Some(Ok(route)) => route.uri.to_owned(),
        Some(Err(error)) => return Err(error.status),
        None => {
            let uri = request.uri().map_err(|error| error.status)?;
            return next_hop(uri.sip().map_err(|error| error.status)?).map_err(|error| error.status);
        }
    };
    // Rule 20: a strict router wants itself in the start line, and the destination at the end of the list.
    let uri = route.as_sip().ok_or(StatusCode::BAD_REQUEST)?;
    let destination = format!("<{}>", String::from_utf8_lossy(request.uri_bytes()));
    request.pop_front(HeaderId::ROUTE);
    request.push(HeaderId::ROUTE, &destination).map_err(status_of)?;
    request.set_uri(uri.without_headers()).map_err(status_of)?;
    next_hop(&uri).map_err(|error| error.status)
}

/// Puts us into the path of the dialog that the request may create (RFC 3261 §16.6 step 4), twice where the side
/// that it came from and the one that it goes to differ (rule 20, RFC 5658).
pub(crate) fn record_route(
    request: &mut Request,
    key: FlowKey,
    config: &ProxyConfig,
    locals: &Locals,
    from: &Flow,
    to: &Target,
) -> Result<(), InvalidValue> {
    if !records_route(request, config) {
        return Ok(());
    }
    let inward = locals.sent_by(&Target::Flow(*from));
    let outward = locals.sent_by(to);
    let (Some(inward), Some(outward)) = (inward, outward) else { return Ok(()) };
    let secure = matches!(request.uri(), Ok(Uri::Sip(uri)) if uri.is_secure());
    // Whoever cannot be connected to is reached over the flow that is there, and whoever asks for it (RFC 5626 §5.1, §5.3).
    let user = |flow: Option<&Flow>| match flow {
        Some(flow) => format!("{}@", token::write(key, flow)),
        None => String::new(),
    };
    let from_flow = (token::needs_token(from) || wants_flow(request)).then_some(from);
    let to_flow = match to {
        Target::Flow(flow) => Some(flow),
        Target::Address(..) | Target::Domain(..) => None,
    };
    let sides = [(from.protocol, inward, user(from_flow)), (to.protocol(), outward, user(to_flow))];
    let mut push = |(protocol, sent_by, user): &(Protocol, &str, String)| {
        let id = HeaderId::RECORD_ROUTE;
        match protocol {
            Protocol::Udp => request.push_front(id, format_args!("<sip:{user}{sent_by};lr>")),
            // Rule 36: under sips nothing that the dialog is routed by may be less.
            Protocol::Tls if secure => request.push_front(id, format_args!("<sips:{user}{sent_by};lr>")),
            Protocol::Wss if secure => {
                request.push_front(id, format_args!("<sips:{user}{sent_by};transport=ws;lr>"))
            }
            // RFC 7118 §5.2: URIs know one word for both. Which it is, the token says.
            Protocol::Wss => request.push_front(id, format_args!("<sip:{user}{sent_by};transport=ws;lr>")),
            other => request.push_front(id, format_args!("<sip:{user}{sent_by};transport={other};lr>")),
        }
    };
    push(&sides[0])?;
    if sides[0] != sides[1] {
        push(&sides[1])?;
    }
    Ok(())
}

/// Puts us into the path to whoever registers, with the flow that he is reached by (RFC 5626 §5.1): `ob` says that we keep it, where
/// he came straight to us.
pub(crate) fn path(
    request: &mut Request,
    key: FlowKey,
    config: &ProxyConfig,
    locals: &Locals,
    from: &Flow,
    to: &Target,
) -> Result<(), InvalidValue> {
    if !config.is_edge || *request.method() != Method::REGISTER {
        return Ok(());
    }
    let Some(sent_by) = locals.sent_by(to) else { return Ok(()) };
    let token = token::write(key, from);
    let transport = match to.protocol() {
        Protocol::Udp => String::new(),
        Protocol::Wss => ";transport=ws".to_owned(),
        other => format!(";transport={other}"),
    };
    let is_first = request.all::<Via<'_>>().nth(1).is_none();
    let keeps = if is_first { ";ob" } else { "" };
    request.push_front(HeaderId::PATH, format_args!("<sip:{token}@{sent_by}{transport};lr{keeps}>"))
}

/// Whether the user agent that sent it, straight to us, wants later requests to come by the same flow.
fn wants_flow(request: &Request) -> bool {
    let contact = request.first::<Contact<'_>>().and_then(Result::ok);
    let contact = contact.as_ref().and_then(|contact| contact.address()?.uri.as_sip());
    contact.is_some_and(SipUri::is_outbound) && request.all::<Via<'_>>().nth(1).is_none()
}

/// Only a request that may begin a dialog: later ones do not change its route set. At who has subscribed it is the NOTIFY
/// that begins the dialog, and it has a To tag from the first (RFC 6665 §4.3).
fn records_route(request: &Request, config: &ProxyConfig) -> bool {
    let in_dialog = || request.first::<To<'_>>().is_some_and(|to| to.is_ok_and(|to| to.tag().is_some()));
    let method = request.method();
    config.record_route && (*method == Method::NOTIFY || method.creates_dialog() && !in_dialog())
}

/// Rule 11: a request that would be over 1,300 bytes on the wire goes by TCP, where we speak it.
pub(crate) fn by_size(request: &Request, config: &ProxyConfig, locals: &Locals, to: Target) -> Target {
    let Target::Address(Protocol::Udp, peer) = to else { return to };
    if !config.large_by_tcp {
        return to;
    }
    // What is still to be put on it, but for the length of our own address: Via, and two Record-Route.
    let sent_by = locals.sent_by(&to).map_or(0, str::len);
    let via = 84 + sent_by;
    let record_route = if records_route(request, config) { 2 * (40 + sent_by) } else { 0 };
    let by_tcp = Target::Address(Protocol::Tcp, peer);
    let too_large = request.rendered_len() + via + record_route > 1300;
    if too_large && locals.sent_by(&by_tcp).is_some() { by_tcp } else { to }
}
