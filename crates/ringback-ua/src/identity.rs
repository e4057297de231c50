//! Who calls and who is connected, as the network says, and whether a call asks to be answered by itself.

use crate::account::Known;
use crate::agent::UserAgent;
use crate::{AccountKey, CallKey, Outbound, UaEvent};
use ringback_message::header::{AnswerMode, CallInfo, NameAddr, PAssertedIdentity, PrivAnswerMode, To};
use ringback_message::{HeaderId, Message, Request, StatusCode};
use ringback_sansio::{Entropy, Flow};
use ringback_transaction::ServerKey;
use std::time::{Duration, Instant};

/// Who asks for an answer later than this means something else.
const LATEST_ANSWER: u32 = 60;

impl<E: Entropy> UserAgent<E> {
    /// Who the sender of a message is, as the account's own server says (RFC 3325 §8). Nobody else is believed.
    pub(crate) fn asserted(
        &self,
        account: Option<AccountKey>,
        flow: &Flow,
        message: &Message,
    ) -> Option<String> {
        let known = self.accounts.get(account?.0)?;
        let Some(Outbound::Target(server)) = known.account.outbound else { return None };
        let identity = message.first::<PAssertedIdentity<'_>>()?.ok()?;
        (server.peer() == flow.peer).then(|| identity.address())
    }

    /// Tells who is connected, where our server says so and it is not whom we have called (RFC 3325 §6).
    pub(crate) fn tell_connected(&mut self, call: CallKey, flow: &Flow, response: &Message) {
        let account = self.callers.get(&call).copied();
        let Some(identity) = self.asserted(account, flow, response) else { return };
        let same = |one: &NameAddr<'_>, other: &NameAddr<'_>| {
            one.uri.to_owned().as_uri().equivalent(&other.uri.to_owned().as_uri())
        };
        let to = response.first::<To<'_>>().and_then(Result::ok);
        let is_known = NameAddr::parse(identity.as_bytes())
            .is_ok_and(|identity| to.as_ref().is_some_and(|to| same(to, &identity)));
        if !is_known {
            self.tell(UaEvent::Connected { call, identity });
        }
    }

    /// RFC 4916 §4.2: whom we are in a call that was meant for another user than the account's; `None` when it was not.
    pub(crate) fn own_identity(&self, account: AccountKey, request: &Request) -> Option<String> {
        let known: &Known = self.accounts.get(account.0).filter(|_| !self.answers_anyone)?;
        let to = request.first::<To<'_>>()?.ok()?;
        let uri = to.uri.to_owned();
        (!known.is_meant(&uri.as_sip()?)).then(|| known.account.from())
    }

    /// RFC 5373 §4.2.2: refuses a call that has to be answered by a machine, where none does that here. Whether it did.
    pub(crate) fn refuses_mode(
        &mut self,
        now: Instant,
        key: ServerKey,
        request: &Request,
        tag: &str,
    ) -> bool {
        let requires = |is_auto: bool, must: bool| is_auto && must && !self.answers_by_itself;
        let mode = request.first::<AnswerMode<'_>>().and_then(Result::ok);
        let privileged = request.first::<PrivAnswerMode<'_>>().and_then(Result::ok);
        let refuses = mode.is_some_and(|mode| requires(mode.is("Auto"), mode.params.has("require")))
            || privileged.is_some_and(|mode| requires(mode.is("Auto"), mode.params.has("require")));
        if refuses && let Ok(refusal) = request.reply(StatusCode::FORBIDDEN, Some(tag)).build() {
            self.respond(now, key, refusal);
        }
        refuses
    }
}

/// After how long an INVITE wants to be answered without anybody doing it: `Answer-Mode: Auto` and its privileged form
/// (RFC 5373), `answer-after` of Call-Info, and `info=alert-autoanswer` of Alert-Info, which phones invented.
pub(crate) fn auto_answer(request: &Request) -> Option<Duration> {
    let mode = request.first::<AnswerMode<'_>>().and_then(Result::ok);
    let privileged = request.first::<PrivAnswerMode<'_>>().and_then(Result::ok);
    if mode.is_some_and(|mode| mode.is("Auto")) || privileged.is_some_and(|mode| mode.is("Auto")) {
        return Some(Duration::ZERO);
    }
    let after = request.all::<CallInfo<'_>>().flatten().find_map(|info| {
        let seconds: u32 = info.params.value("answer-after")?.parse().ok()?;
        (seconds <= LATEST_ANSWER).then(|| Duration::from_secs(seconds.into()))
    });
    let alerts = |value: &[u8]| {
        let value = value.to_ascii_lowercase();
        let says = |word: &[u8]| value.windows(word.len()).any(|part| part == word);
        says(b"alert-autoanswer") || says(b"info=auto-answer") || says(b"answer-after=0")
    };
    after.or_else(|| request.values(HeaderId::ALERT_INFO).any(alerts).then_some(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::Method;

    #[test]
    fn calls_ask_to_be_answered_in_four_ways() {
        let asks = |id: HeaderId, value: &str| {
            let invite = Request::builder(Method::INVITE, "sip:a@b").header(id, value).build().unwrap();
            auto_answer(&invite).map(|after| after.as_secs())
        };
        assert_eq!(asks(HeaderId::ANSWER_MODE, "auto;require"), Some(0));
        assert_eq!(asks(HeaderId::ANSWER_MODE, "Manual"), None);
        assert_eq!(asks(HeaderId::PRIV_ANSWER_MODE, "Auto"), Some(0));
        assert_eq!(asks(HeaderId::CALL_INFO, "<sip:b>;answer-after=2"), Some(2));
        assert_eq!(asks(HeaderId::CALL_INFO, "<sip:b>;answer-after=4294967295"), None);
        assert_eq!(asks(HeaderId::CALL_INFO, "<http://example.com/a.png>;purpose=icon"), None);
        assert_eq!(asks(HeaderId::ALERT_INFO, "<http://example.com>;info=alert-autoanswer;delay=0"), Some(0));
        assert_eq!(asks(HeaderId::ALERT_INFO, "<http://example.com/ring.wav>"), None);
        assert_eq!(asks(HeaderId::SUBJECT, "Answer-Mode: Auto"), None);
    }
}
