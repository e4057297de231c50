//! Reading and rewriting Route on the way in (RFC 3261 §16.4).

use crate::Ownership;
use ringback_message::header::Route;
use ringback_message::{HeaderId, InvalidValue, Request};

/// Undoes what a strict router did, and removes our own Routes from the top. Says whether there was one.
///
/// # Errors
/// When a Route that has to be moved cannot stand in a start line.
pub(crate) fn preprocess(request: &mut Request, me: &Ownership) -> Result<bool, InvalidValue> {
    let mut own = restore(request, me)?;
    // Rule 20: two of ours after each other where the transport changed on the way in.
    for _ in 0..2 {
        let top_is_ours = match request.first::<Route<'_>>() {
            Some(Ok(route)) => route.uri.as_sip().is_some_and(|uri| me.is_me(uri)),
            Some(Err(_)) | None => false,
        };
        if !top_is_ours {
            break;
        }
        request.pop_front(HeaderId::ROUTE);
        own = true;
    }
    Ok(own)
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
