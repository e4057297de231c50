//! When two `sip` URIs mean the same (RFC 3261 §19.1.4).

use super::SipUri;
use super::escape::{same, same_ignoring_case};

/// Parameters that must be in both URIs or in neither: they change where a request goes.
const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

pub(super) fn equivalent(a: &SipUri<'_>, b: &SipUri<'_>) -> bool {
    a.is_secure() == b.is_secure()
        && same_component(a.user(), b.user())
        && same_component(a.password(), b.password())
        && a.host() == b.host()
        && a.port() == b.port()
        && rest_agrees(a, b)
}

/// More parameters or headers than this are compared as they are spelled: each against each would cost too much.
const MOST: usize = 64;

fn rest_agrees(a: &SipUri<'_>, b: &SipUri<'_>) -> bool {
    let is_long = |uri: &SipUri<'_>| {
        uri.params().nth(MOST).is_some() || uri.headers().is_some_and(|it| it.split('&').nth(MOST).is_some())
    };
    if is_long(a) || is_long(b) {
        return a.as_str()[a.bare().len()..] == b.as_str()[b.bare().len()..];
    }
    params_agree(a, b) && params_agree(b, a) && headers_agree(a.headers(), b.headers())
}

fn same_component(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// Each parameter of `a` agrees with `b`: equal where both have it, not decisive where only `a` does. One that stands
/// twice, which the grammar forbids, agrees with either.
fn params_agree(a: &SipUri<'_>, b: &SipUri<'_>) -> bool {
    a.params().all(|param| {
        let mut namesakes = b.params().filter(|other| same_ignoring_case(param.name, other.name)).peekable();
        if namesakes.peek().is_none() {
            return !DECISIVE.iter().any(|name| same_ignoring_case(name, param.name));
        }
        namesakes.any(|other| match (param.value, other.value) {
            (Some(x), Some(y)) => same_ignoring_case(x, y),
            (None, None) => true,
            _ => false,
        })
    })
}

/// Headers are never ignored: the same set in any order.
fn headers_agree(a: Option<&str>, b: Option<&str>) -> bool {
    let (a, b) = (a.unwrap_or(""), b.unwrap_or(""));
    let count = |text: &str| text.split('&').filter(|header| !header.is_empty()).count();
    count(a) == count(b)
        && a.split('&').filter(|header| !header.is_empty()).all(|header| {
            let (name, value) = header.split_once('=').unwrap_or((header, ""));
            b.split('&').any(|other| {
                let (other_name, other_value) = other.split_once('=').unwrap_or((other, ""));
                same_ignoring_case(name, other_name) && same(value, other_value)
            })
        })
}
