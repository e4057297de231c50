//! Redirection of a call that we make (RFC 3261 §8.1.3.4, rule 25), and what refusals advise.

use crate::Advice;
use crate::CallEvent;
use crate::call::Call;
use crate::calls::Context;
use crate::field::value;
use ringback_message::header::{Contact, MinSe, Warning};
use ringback_message::{HeaderId, Message, Response, StatusCode, UriBuf};
use std::collections::VecDeque;

/// More addresses than anybody tries.
const MOST_TARGETS: usize = 16;

/// Where a call is still to be tried, and where it was.
#[derive(Clone, Debug)]
pub(crate) struct Redirects {
    /// How often it may still go elsewhere.
    left: u32,
    tried: Vec<UriBuf>,
    targets: VecDeque<UriBuf>,
}

impl Redirects {
    /// Follows at most so many.
    pub(crate) fn new(most: u32) -> Self {
        Self { left: most, tried: Vec::new(), targets: VecDeque::new() }
    }

    /// Takes the contacts of a 3xx, which come before what else was to be tried. `from` is where the call was
    /// redirected from.
    fn collect(&mut self, from: &UriBuf, response: &Response) {
        self.tried.push(from.clone());
        let is_secure = from.as_sip().is_some_and(|uri| uri.is_secure());
        for uri in contacts(response).into_iter().rev() {
            let Some(sip) = uri.as_sip() else { continue };
            // Rule 36: who asked for a secure call gets no other.
            let is_safe = sip.is_secure() || !is_secure;
            // Rule 83: headers in the URI are not ours to copy.
            let Ok(target) = UriBuf::new(sip.without_headers()) else { continue };
            let known = self.tried.iter().chain(&self.targets);
            let is_new = !known.into_iter().any(|other| other.as_uri().equivalent(&target.as_uri()));
            if is_safe && is_new && self.targets.len() < MOST_TARGETS {
                self.targets.push_front(target);
            }
        }
    }

    fn next(&mut self) -> Option<UriBuf> {
        self.left = self.left.checked_sub(1)?;
        let next = self.targets.pop_front()?;
        self.tried.push(next.clone());
        Some(next)
    }
}

impl Call {
    /// Tries the call elsewhere, where a redirection has told us of more. `response` is what the last try came to, if
    /// anything came.
    pub(crate) fn try_elsewhere(&mut self, cx: &mut Context<'_>, response: Option<&Response>) -> bool {
        let class = response.map_or(4, |response| response.status().class());
        // §21.6: what begins with 6 holds everywhere.
        if self.hanging_up || class == 6 {
            return false;
        }
        if let (Some(response), 3, Some(from)) = (response, class, &self.target) {
            self.redirects.collect(from, response);
        }
        while let Some(next) = self.redirects.next() {
            if self.invite_again(cx, |invite| invite.set_uri(&next)) {
                self.target = Some(next.clone());
                Self::tell(cx, CallEvent::Redirected(next));
                return true;
            }
        }
        false
    }
}

/// The URIs of Contact, best first.
fn contacts(response: &Message) -> Vec<UriBuf> {
    let mut found: Vec<(u16, UriBuf)> = response
        .all::<Contact<'_>>()
        .flatten()
        .filter_map(|contact| {
            let address = *contact.address()?;
            Some((address.q().unwrap_or(1_000), address.uri.to_owned()))
        })
        .take(MOST_TARGETS)
        .collect();
    found.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    found.into_iter().map(|(_, uri)| uri).collect()
}

/// What a refusal says about how to do better.
pub(crate) fn advice(response: &Response) -> Option<Advice> {
    let list = |ids: &[HeaderId]| -> Vec<String> {
        let values = ids.iter().flat_map(|id| response.values(*id));
        values.take(MOST_TARGETS).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    };
    let advice = match response.status() {
        status if status.class() == 3 => {
            let contacts = contacts(response);
            Advice::TryInstead(contacts.iter().map(|uri| uri.as_str().to_owned()).collect())
        }
        StatusCode::METHOD_NOT_ALLOWED => Advice::Allows(list(&[HeaderId::ALLOW])),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Advice::Accepts(list(&[HeaderId::ACCEPT, HeaderId::ACCEPT_ENCODING, HeaderId::ACCEPT_LANGUAGE]))
        }
        StatusCode::BAD_EXTENSION => Advice::Unsupported(list(&[HeaderId::UNSUPPORTED])),
        StatusCode::EXTENSION_REQUIRED => Advice::Requires(list(&[HeaderId::REQUIRE])),
        StatusCode::SESSION_INTERVAL_TOO_SMALL => {
            Advice::LongerSession(value::<MinSe<'_>>(response)?.seconds)
        }
        StatusCode::NOT_ACCEPTABLE_HERE | StatusCode::NOT_ACCEPTABLE_ANYWHERE => {
            let warning = response.first::<Warning<'_>>()?.ok()?;
            Advice::Warning(warning.code, String::from_utf8_lossy(&warning.text).into_owned())
        }
        _ => {
            let after = response.first::<ringback_message::header::RetryAfter<'_>>()?.ok()?;
            Advice::RetryAfter(after.seconds)
        }
    };
    Some(advice)
}
