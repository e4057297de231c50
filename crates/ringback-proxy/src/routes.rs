//! Reading and rewriting Route on the way in (RFC 3261 §16.4).

use crate::Ownership;
use ringback_message::header::Route;
use ringback_message::{HeaderId, InvalidValue, Request};

/// The Routes of ours that were on top of a request.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Whether there was one.
    pub(crate) any: bool,
    /// What the last of them says about the flow to take.
    pub(crate) token: Option<String>,
}

/// Undoes what a strict router did, and removes our own Routes from the top.
///
/// # Errors
/// When a Route that has to be moved cannot stand in a start line.
pub(crate) fn preprocess(request: &mut Request, me: &Ownership) -> Result<Own, InvalidValue> {
    let mut own = Own { any: restore(request, me)?, token: None };
    // Rule 20: two of ours after each other where the transport changed on the way in.
    for _ in 0..2 {
        let top = match request.first::<Route<'_>>() {
            Some(Ok(route)) => {
                let ours = route.uri.as_sip().filter(|uri| me.is_me(uri));
                ours.map(|uri| uri.user().map(str::to_owned))
            }
            Some(Err(_)) | None => None,
        };
        let Some(token) = top else { break };
        request.pop_front(HeaderId::ROUTE);
        own = Own { any: true, token };
    }
    Ok(own)
}

/// The users of the Routes of ours on top, of which there are two at most.
pub(crate) fn tokens(request: &Request, me: &Ownership) -> impl Iterator<Item = String> {
    let ours = |route: Route<'_>| {
        let uri = route.uri.as_sip().filter(|uri| me.is_me(uri))?;
        Some(uri.user().unwrap_or_default().to_owned())
    };
    request.all::<Route<'_>>().take(2).map_while(move |route| ours(route.ok()?))
}

/// Rule 20: a strict router put our Record-Route URI into the Request-URI; what it displaced is the last Route.
fn restore(request: &mut Request, me: &Ownership) -> Result<bool, InvalidValue> {
    let ours = match request.uri() {
        Ok(uri) => {
            uri.as_sip().is_some_and(|uri| uri.is_loose_router() && uri.user().is_none() && me.is_me(uri))
        }
        Err(_) => false,
    };
    if !ours {
        return Ok(false);
    }
    let last = match request.all::<Route<'_>>().last() {
        Some(Ok(route)) => route.uri.to_owned(),
        Some(Err(_)) | None => return Ok(false),
    };
    request.set_uri(&last)?;
    request.pop_back(HeaderId::ROUTE);
    Ok(true)
}
