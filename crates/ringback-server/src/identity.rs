//! Who users are said to be among those who trust each other (RFC 3325).

use ringback_message::header::{self, PPreferredIdentity};
use ringback_message::{HeaderId, Host, Request, Uri};
use ringback_proxy::Ownership;
use ringback_registrar::Aor;

/// Fault 21: nobody out there is trusted to assert an identity, but those of the trust domain.
pub(crate) fn enter(request: &mut Request, is_trusted: bool) {
    if !is_trusted && request.has(HeaderId::P_ASSERTED_IDENTITY) {
        request.remove(HeaderId::P_ASSERTED_IDENTITY);
    }
}

/// Takes out as whom a user wants to be known, which is for us alone (RFC 3325 §9.2).
pub(crate) fn take_preferred(request: &mut Request) -> Vec<String> {
    /// One of each scheme is all that may be there.
    const MOST: usize = 4;
    if !request.has(HeaderId::P_PREFERRED_IDENTITY) {
        return Vec::new();
    }
    let values = request.all::<PPreferredIdentity<'_>>().take(MOST).filter_map(Result::ok);
    let preferred = values.map(|value| value.to_string()).collect();
    request.remove(HeaderId::P_PREFERRED_IDENTITY);
    preferred
}

/// Whether a From tells nobody's name (RFC 3323 §4.1.1.3).
pub(crate) fn is_anonymous(from: &Uri<'_>) -> bool {
    from.as_sip().is_some_and(
        |uri| matches!(uri.host(), Host::Name(name) if name.eq_ignore_ascii_case("anonymous.invalid")),
    )
}

/// Says who sent a request that `user` has proved to be his: as whom he prefers to be known where that is himself, else as From
/// has him, else by his name (RFC 3325 §5). Nobody but the trust domain is told.
pub(crate) fn assert(request: &mut Request, user: &str, preferred: &[String], ownership: &Ownership) {
    if request.has(HeaderId::P_ASSERTED_IDENTITY) {
        return;
    }
    let is_his = |uri: &Uri<'_>| {
        let uri = uri.as_sip().filter(|uri| ownership.is_me(uri));
        uri.is_some_and(|uri| Aor::of(uri).is_some_and(|aor| aor.is_of(user)))
    };
    let preferred = preferred.iter().find(|value| {
        use ringback_message::header::Header as _;
        PPreferredIdentity::parse(value.as_bytes()).is_ok_and(|value| is_his(&value.0.uri))
    });
    let by_from = || {
        let from = request.first::<header::From<'_>>()?.ok().filter(|from| is_his(&from.uri))?;
        Some(format!("<{}>", from.uri))
    };
    let by_name = || {
        let (name, domain) = user.rsplit_once('@').unwrap_or((user, ownership.domains().first()?));
        // What cannot stand in a URI was no user of one.
        let uri = format!("sip:{name}@{domain}");
        Uri::parse(uri.as_bytes()).is_ok().then(|| format!("<{uri}>"))
    };
    if let Some(identity) = preferred.cloned().or_else(by_from).or_else(by_name) {
        // Of what was read, and words of ours.
        let _ = request.push(HeaderId::P_ASSERTED_IDENTITY, &identity);
    }
}
