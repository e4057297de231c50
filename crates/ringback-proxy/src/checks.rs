//! What is checked before a request is routed (RFC 3261 §16.3, RFC 5393).

use crate::privacy;
use ringback_message::header::{MaxForwards, ProxyRequire, Via};
use ringback_message::{HeaderId, Method, Request, StatusCode, Uri};
use ringback_sansio::Seal;
use ringback_transaction::Locals;
use std::hash::{BuildHasher, Hash, Hasher as _};

/// A refusal.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderId, String)>,
    /// The reason phrase, where it says more than that of the status.
    pub(crate) reason: Option<String>,
}

impl From<(StatusCode, Vec<(HeaderId, String)>)> for Refusal {
    fn from((status, headers): (StatusCode, Vec<(HeaderId, String)>)) -> Self {
        Self { status, headers, reason: None }
    }
}

impl From<(StatusCode, String)> for Refusal {
    fn from((status, reason): (StatusCode, String)) -> Self {
        Self { status, headers: Vec::new(), reason: Some(reason) }
    }
}

/// The most branches that one request may have on all its ways together, and what a request without Max-Breadth is
/// given (RFC 5393 §5.3.3.1).
const MAX_BREADTH: u32 = 60;

/// Checks scheme, Max-Forwards, loops, Max-Breadth and Proxy-Require, in this order. `local` says that the request
/// names this element: OPTIONS are then answered here and pass with Max-Forwards 0.
pub(crate) fn check(request: &Request, loop_hash: u64, locals: &Locals, local: bool) -> Result<(), Refusal> {
    let refuse = |status| Err(Refusal::from((status, Vec::new())));
    match request.uri() {
        Ok(Uri::Sip(_) | Uri::Tel(_)) => {}
        // Numbers out of their grammar are for those to refuse who have to dial them.
        Ok(other) if other.scheme().eq_ignore_ascii_case("tel") => {}
        Ok(_) => return refuse(StatusCode::UNSUPPORTED_URI_SCHEME),
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
    if breadth(request) == 0 {
        return refuse(StatusCode::MAX_BREADTH_EXCEEDED);
    }
    if request.has(HeaderId::PROXY_REQUIRE) {
        return check_required(request);
    }
    Ok(())
}

/// Rule 21: no extension of a proxy is known but `privacy`, and that as far as it goes here; whatever else is required is refused
/// by name.
fn check_required(request: &Request) -> Result<(), Refusal> {
    let tags = request.all::<ProxyRequire<'_>>().filter_map(Result::ok).map(|tag| tag.0);
    let (privacy, others): (Vec<&str>, Vec<&str>) =
        tags.filter(|tag| !tag.is_empty()).partition(|tag| tag.eq_ignore_ascii_case(privacy::TAG));
    let unsupported = |tags: &[&str]| {
        let unsupported = vec![(HeaderId::UNSUPPORTED, tags.join(", "))];
        Err((StatusCode::BAD_EXTENSION, unsupported).into())
    };
    if !others.is_empty() {
        return unsupported(&others);
    }
    match privacy::failure(request) {
        Some(reason) if !privacy.is_empty() => Err((StatusCode::SERVER_INTERNAL_ERROR, reason).into()),
        // Whoever requires it wants no proxy that leaves it to others.
        None if !privacy.is_empty() && privacy::is_more_than_given(request) => unsupported(&privacy),
        Some(_) | None => Ok(()),
    }
}

/// What decides where a request goes (RFC 5393 §4.2.2): the same request seen again with the same hash is a loop,
/// with another one a spiral.
pub(crate) fn loop_hash(hasher: Seal, request: &Request) -> u64 {
    let mut state = hasher.build_hasher();
    request.uri_bytes().hash(&mut state);
    for field in request.fields() {
        if matches!(
            field.id,
            HeaderId::CALL_ID
                | HeaderId::FROM
                | HeaderId::TO
                | HeaderId::CSEQ
                | HeaderId::ROUTE
                | HeaderId::PROXY_REQUIRE
                | HeaderId::PROXY_AUTHORIZATION
        ) {
            field.value.hash(&mut state);
        }
    }
    state.finish()
}

/// A hash in sixteen digits behind a dot: the end of a branch.
#[derive(Clone, Copy)]
pub(crate) struct Suffix([u8; 17]);

impl Suffix {
    pub(crate) fn new(hash: u64) -> Self {
        let mut text = [b'.'; 17];
        for (digit, place) in text[1..].iter_mut().rev().enumerate() {
            *place = b"0123456789abcdef"[(hash >> (4 * digit)) as usize & 0xf];
        }
        Self(text)
    }

    /// With its dot.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a dot and digits")
    }

    /// Without it.
    pub(crate) fn digits(&self) -> &str {
        &self.as_str()[1..]
    }
}

fn has_passed(request: &Request, loop_hash: u64, locals: &Locals) -> bool {
    let suffix = Suffix::new(loop_hash);
    // The topmost Via is the sender's; ours can only be below.
    let mut below = request.all::<Via<'_>>().skip(1).filter_map(Result::ok);
    below.any(|via| via.branch().is_some_and(|branch| ends_with(branch, &suffix)) && locals.is_ours(&via))
}

/// In a branch letter case means nothing (RFC 3261 §7.3.1).
fn ends_with(branch: &str, suffix: &Suffix) -> bool {
    let end = branch.len().checked_sub(suffix.0.len()).and_then(|at| branch.as_bytes().get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(&suffix.0))
}

/// How many branches the request may still have: what Max-Breadth says, but no more than we allow.
pub(crate) fn breadth(request: &Request) -> u32 {
    let value = request.values(HeaderId::MAX_BREADTH).next();
    let stated = value.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse::<u32>().ok());
    stated.unwrap_or(MAX_BREADTH).min(MAX_BREADTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_sixteen_digits_behind_a_dot() {
        for hash in [0, 1, 0xdead_beef, u64::MAX] {
            assert_eq!(Suffix::new(hash).as_str(), format!(".{hash:016x}"));
        }
        let suffix = Suffix::new(0xabc);
        assert!(ends_with("z9hG4bKx.0000000000000ABC", &suffix));
        assert!(!ends_with("0000000000000abc", &suffix) && !ends_with("", &suffix));
    }
}
