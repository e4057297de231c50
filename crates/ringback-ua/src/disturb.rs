//! Do not disturb: an account refuses calls by itself, except those of who may disturb all the same.

use crate::agent::UserAgent;
use crate::inspect::{from_address, to_address};
use crate::{AccountKey, CommandError, UaEvent};
use ringback_message::header::{From, NameAddr, Replaces};
use ringback_message::{Request, StatusCode, UriBuf};
use ringback_sansio::{Entropy, Flow};
use ringback_transaction::ServerKey;
use std::time::Instant;

/// Which calls an account refuses, and how.
///
/// ```
/// use ringback_ua::DoNotDisturb;
/// let quiet = DoNotDisturb::busy().allow("sip:boss@example.com".parse()?);
/// assert_eq!(quiet.status().as_u16(), 486);
/// # Ok::<(), ringback_message::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoNotDisturb {
    status: StatusCode,
    allowed: Vec<UriBuf>,
}

impl DoNotDisturb {
    /// Refuses with 486: nobody is told more than that somebody is there and busy.
    pub fn busy() -> Self {
        Self { status: StatusCode::BUSY_HERE, allowed: Vec::new() }
    }

    /// Refuses with 480: as if nobody were there. Servers mostly have voicemail for that.
    pub fn unavailable() -> Self {
        Self { status: StatusCode::TEMPORARILY_UNAVAILABLE, allowed: Vec::new() }
    }

    /// Lets this caller through. It is the one that our own server vouches for, where it does, and else whom From names,
    /// which nothing proves.
    #[must_use]
    pub fn allow(mut self, caller: UriBuf) -> Self {
        self.allowed.push(caller);
        self
    }

    /// What calls are refused with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether this address, as it stands in From, may disturb.
    fn lets_through(&self, caller: &str) -> bool {
        let Ok(caller) = NameAddr::parse(caller.as_bytes()) else { return false };
        let caller = caller.uri.to_owned();
        self.allowed.iter().any(|allowed| is_same(allowed, &caller))
    }
}

/// Whether two addresses are of one user: what comes behind the host is only for the way there.
fn is_same(one: &UriBuf, other: &UriBuf) -> bool {
    match (one.as_sip(), other.as_sip()) {
        (Some(one), Some(other)) => {
            one.user_octets() == other.user_octets()
                && one.host() == other.host()
                && one.port() == other.port()
        }
        _ => one.as_uri().equivalent(&other.as_uri()),
    }
}

/// A call that was refused because an account must not be disturbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedAway {
    /// Who was called.
    pub account: AccountKey,
    /// What From says, without tag.
    pub from: String,
    /// Who called as the account's own server says.
    pub asserted: Option<String>,
    /// What To says.
    pub to: String,
}

impl<E: Entropy> UserAgent<E> {
    /// Refuses calls for an account from now on, or (`None`) takes them again. Calls that are up or ring go on, and who takes
    /// over a call that is up is no disturbance. [`UaEvent::TurnedAway`] tells of each call that was refused.
    ///
    /// # Errors
    /// [`CommandError::Gone`].
    pub fn do_not_disturb(
        &mut self,
        account: AccountKey,
        quiet: Option<DoNotDisturb>,
    ) -> Result<(), CommandError> {
        let known = self.accounts.get_mut(account.0).ok_or(CommandError::Gone)?;
        known.quiet = quiet;
        Ok(())
    }

    /// What a call or a question whether one would be taken (RFC 3261 §11.2) is refused with; `None` when it may disturb.
    pub(crate) fn disturbs(
        &self,
        account: AccountKey,
        flow: &Flow,
        request: &Request,
    ) -> Option<(StatusCode, TurnedAway)> {
        let quiet = self.accounts.get(account.0)?.quiet.as_ref()?;
        let from = request.first::<From<'_>>().and_then(Result::ok).map(|from| from.address());
        let asserted = self.asserted(Some(account), flow, request);
        let caller = asserted.as_deref().or(from.as_deref());
        // What names a call of ours that is up belongs to that; what names none is refused for that.
        let belongs = request.first::<Replaces<'_>>().is_some();
        if belongs || caller.is_some_and(|caller| quiet.lets_through(caller)) {
            return None;
        }
        let (from, to) = (from_address(request), to_address(request));
        Some((quiet.status, TurnedAway { account, from, asserted, to }))
    }

    /// Refuses an INVITE that would disturb, and tells of it. Whether it was refused.
    pub(crate) fn turn_away(
        &mut self,
        now: Instant,
        key: ServerKey,
        flow: &Flow,
        account: AccountKey,
        request: &Request,
        tag: &str,
    ) -> bool {
        let Some((status, call)) = self.disturbs(account, flow, request) else { return false };
        if let Ok(refusal) = request.reply(status, Some(tag)).build() {
            self.respond(now, key, refusal);
        }
        self.tell(UaEvent::TurnedAway(call));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_known_by_user_and_host() {
        let quiet = DoNotDisturb::unavailable()
            .allow("sip:boss@example.com".parse().unwrap())
            .allow("tel:+1-201-555-0123".parse().unwrap());
        for (caller, is_known) in [
            ("\"The Boss\" <sip:boss@EXAMPLE.com;transport=tcp>", true),
            ("<sips:boss@example.com>", true),
            ("<tel:+12015550123>", true),
            ("<sip:boss@example.com:5070>", false),
            ("<sip:Boss@example.com>", false),
            ("<sip:boss@example.org>", false),
            ("\"<sip:boss@example.com>\" <sip:m@example.com>", false),
            ("", false),
        ] {
            assert_eq!(quiet.lets_through(caller), is_known, "{caller}");
        }
    }
}
