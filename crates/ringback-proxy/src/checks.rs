//! What is checked before a request is routed (RFC 3261 §16.3, RFC 5393).

use ringback_message::header::{MaxForwards, ProxyRequire, Via};
use ringback_message::{HeaderId, Method, Request, StatusCode, Uri};
use ringback_sansio::Hasher;
use ringback_transaction::Locals;
use std::hash::{BuildHasher, Hash, Hasher as _};

/// A refusal: status and header fields.
pub(crate) type Refusal = (StatusCode, Vec<(HeaderId, String)>);

/// Checks scheme, Max-Forwards, loops, Max-Breadth and Proxy-Require, in this order. `local` requests are
/// answered here and pass with Max-Forwards 0.
pub(crate) fn check(request: &Request, loop_hash: u64, locals: &Locals, local: bool) -> Result<(), Refusal> {
    let refuse = |status| Err((status, Vec::new()));
    match request.uri() {
        Ok(Uri::Sip(_)) => {}
        Ok(Uri::Other(other)) if other.scheme().eq_ignore_ascii_case("tel") => {}
        Ok(Uri::Other(_)) => return refuse(StatusCode::UNSUPPORTED_URI_SCHEME),
        Err(error) => return refuse(error.status),
    }
    // Rule 19: 0 ends here, but OPTIONS may be answered by where it ends.
    if let Some(Ok(MaxForwards(0))) = request.first::<MaxForwards>()
        && !(local && *request.method() == Method::OPTIONS)
    {
        return refuse(StatusCode::TOO_MANY_HOPS);
    }
    if has_passed(request, loop_hash, locals) {
        return refuse(StatusCode::LOOP_DETECTED);
    }
    if max_breadth(request) == Some(0) {
        return refuse(StatusCode::MAX_BREADTH_EXCEEDED);
    }
    // Rule 21: no extension of a proxy is known, so whatever is required is refused by name.
    let required: Vec<&str> = request
        .all::<ProxyRequire<'_>>()
        .filter_map(Result::ok)
        .map(|tag| tag.0)
        .filter(|tag| !tag.is_empty())
        .collect();
    if !required.is_empty() {
        return Err((StatusCode::BAD_EXTENSION, vec![(HeaderId::UNSUPPORTED, required.join(", "))]));
    }
    Ok(())
}

/// What decides where a request goes (RFC 5393 §4.2.2): the same request seen again with the same hash is a loop,
/// with another one a spiral.
pub(crate) fn loop_hash(hasher: Hasher, request: &Request) -> u64 {
    let mut state = hasher.build_hasher();
    request.uri_bytes().hash(&mut state);
    for id in [
        HeaderId::CALL_ID,
        HeaderId::FROM,
        HeaderId::TO,
        HeaderId::CSEQ,
        HeaderId::ROUTE,
        HeaderId::PROXY_REQUIRE,
        HeaderId::PROXY_AUTHORIZATION,
    ] {
        for value in request.values(id) {
            value.hash(&mut state);
        }
    }
    state.finish()
}

/// The end of a branch that carries the hash.
pub(crate) fn suffix(loop_hash: u64) -> String {
    format!(".{loop_hash:016x}")
}

fn has_passed(request: &Request, loop_hash: u64, locals: &Locals) -> bool {
    let suffix = suffix(loop_hash);
    // The topmost Via is the sender's; ours can only be below.
    let mut below = request.all::<Via<'_>>().skip(1).filter_map(Result::ok);
    below.any(|via| via.branch().is_some_and(|branch| branch.ends_with(&suffix)) && locals.is_ours(&via))
}

/// Max-Breadth, where it is there and a number (RFC 5393 §5.3).
pub(crate) fn max_breadth(request: &Request) -> Option<u32> {
    let value = request.values(HeaderId::MAX_BREADTH).next()?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}
