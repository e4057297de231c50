//! Registration: being found under an address of record (RFC 3261 §10.2, rule 43).

use crate::account::{Ids, Known};
use crate::agent::{UserAgent, token};
use crate::mapping::Mapping;
use crate::outgoing::{Purpose, reason};
use crate::{Account, AccountKey, CommandError, UaEvent, UaOutput};
use ringback_message::header::{
    CSeq, Contact, Expires, MinExpires, Require, RetryAfter, ServiceRoute, Token as _, Via,
};
use ringback_message::{HeaderId, Method, Response, StatusCode, UriBuf};
use ringback_sansio::{CloseReason, Entropy, Flow, Protocol, Target};
use ringback_transport::via::keep_of;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// RFC 5626 §4.5: the first interval after a failure, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(1800);
/// How often a registrar may ask for a longer registration before it is taken to be mad.
const MOST_RAISES: u32 = 3;
/// How many proxies a registrar may put between us and our calls.
const MOST_HOPS: usize = 16;

/// What is known about the registration of one account.
#[derive(Debug)]
pub(crate) struct Registration {
    /// The same for all REGISTERs (§10.2): call-ids and numbers order them at the registrar.
    call_id: String,
    cseq: u32,
    /// Whether the application wants to be registered.
    wanted: bool,
    /// How many seconds to ask for.
    seconds: u32,
    in_flight: bool,
    /// Our address has changed since the REGISTER in flight was sent.
    again: bool,
    /// The REGISTER in flight takes the binding back.
    leaving: bool,
    /// There may be a binding at the registrar.
    bound: bool,
    /// In a row.
    failures: u32,
    raises: u32,
    /// The Contact that was sent last.
    pub(crate) contact: Option<UriBuf>,
    /// The flow that the registrar answered over, which is the way back to us.
    flow: Option<Flow>,
    /// Where the registrar sees us.
    mapping: Mapping,
    /// What the peers of our calls were told of that.
    told: Option<SocketAddr>,
    /// Who we are to the registrar, whatever our address.
    instance: String,
    /// Whether our flow is numbered: not where the first proxy cannot keep it (439).
    numbered: bool,
    /// The registrar sends what is for us by our flow (RFC 5626 §6).
    pub(crate) by_flow: bool,
    /// The Contact that the registrar has, or may have.
    held: Option<UriBuf>,
    /// The way from the first proxy to the services of the user, first hop first, as Route values (RFC 3608).
    pub(crate) service_route: Vec<String>,
}

impl Registration {
    pub(crate) fn new(account: &Account, entropy: &mut dyn Entropy) -> Self {
        Self {
            call_id: token(entropy) + &token(entropy),
            cseq: entropy.below(1 << 30) as u32,
            wanted: false,
            seconds: u32::try_from(account.expires.as_secs()).unwrap_or(u32::MAX).max(1),
            in_flight: false,
            again: false,
            leaving: false,
            bound: false,
            failures: 0,
            raises: 0,
            contact: None,
            flow: None,
            mapping: Mapping::default(),
            told: None,
            instance: account.instance.clone().unwrap_or_else(|| made_up(entropy)),
            numbered: true,
            by_flow: false,
            held: None,
            service_route: Vec::new(),
        }
    }

    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.cseq = CSeq::next_number(self.cseq);
        self.cseq
    }

    /// Where the registrar sees us, for what is sent to it by this transport.
    pub(crate) fn seen_at(&self, to: &Target) -> Option<SocketAddr> {
        let flow = self.flow.filter(|flow| (flow.protocol, flow.peer) == (to.protocol(), to.peer()))?;
        self.mapping.address(flow.protocol)
    }

    /// Our address is another one, and what is known about how others see the old one means nothing any more. Whether
    /// to register at once.
    pub(crate) fn moved(&mut self) -> bool {
        self.mapping = Mapping::default();
        self.told = None;
        self.by_flow = false;
        self.again = self.in_flight;
        self.wanted && !self.in_flight
    }

    /// What Contact of a REGISTER says: the new one, and that the one before is over where it was another.
    pub(crate) fn contacts(&mut self, contact: UriBuf, seconds: u32) -> (String, Option<String>) {
        let old = self.held.as_ref().filter(|held| !held.as_uri().equivalent(&contact.as_uri()));
        let reg_id = if self.numbered { ";reg-id=1" } else { "" };
        let new = format!("<{contact}>;+sip.instance=\"<{}>\"{reg_id};expires={seconds}", self.instance);
        let values = (new, old.map(|old| format!("<{old}>;expires=0")));
        self.contact = Some(contact);
        values
    }
}

/// The way that a registrar tells. One that is out of its grammar or has no end is none: half of it would lead elsewhere.
fn service_route(response: &Response) -> Vec<String> {
    let hops = response.all::<ServiceRoute<'_>>().take(MOST_HOPS + 1);
    let hops = hops.map(|hop| hop.map(|hop| hop.to_string()));
    hops.collect::<Result<Vec<_>, _>>().ok().filter(|hops| hops.len() <= MOST_HOPS).unwrap_or_default()
}

impl<E: Entropy> UserAgent<E> {
    pub(crate) fn begin_registration(&mut self, now: Instant, key: AccountKey) -> Result<(), CommandError> {
        let known = self.accounts.get_mut(key.0).ok_or(CommandError::Gone)?;
        known.registration.wanted = true;
        known.registration.failures = 0;
        known.registration.raises = 0;
        if known.registration.in_flight {
            return Ok(());
        }
        self.send_register(now, key)
    }

    pub(crate) fn end_registration(&mut self, now: Instant, key: AccountKey) -> Result<(), CommandError> {
        let known = self.accounts.get_mut(key.0).ok_or(CommandError::Gone)?;
        known.registration.wanted = false;
        self.timers.cancel(key);
        match (known.registration.in_flight, known.registration.bound) {
            // It is taken back when it is answered.
            (true, _) => Ok(()),
            (false, true) => self.send_register(now, key),
            (false, false) => {
                self.tell(UaEvent::Unregistered { account: key });
                Ok(())
            }
        }
    }

    /// The timer of an account fired.
    pub(crate) fn renew_registration(&mut self, now: Instant, key: AccountKey) {
        let is_wanted = self.accounts.get(key.0).is_some_and(|known| known.registration.wanted);
        if is_wanted {
            // It could be written before, so it can be now.
            let _ = self.send_register(now, key);
        }
    }

    /// How many seconds the REGISTER of an account asks for now.
    pub(crate) fn asked_seconds(&self, account: Option<AccountKey>) -> u32 {
        let known = account.and_then(|account| self.accounts.get(account.0));
        known.map_or(0, |known| if known.registration.leaving { 0 } else { known.registration.seconds })
    }

    fn send_register(&mut self, now: Instant, key: AccountKey) -> Result<(), CommandError> {
        let tag = token(&mut self.entropy);
        let known = self.accounts.get_mut(key.0).ok_or(CommandError::Gone)?;
        let uri = known.account.registrar_uri().ok_or(CommandError::NotSip)?;
        let registration = &mut known.registration;
        registration.again = false;
        registration.leaving = !registration.wanted;
        let seconds = if registration.leaving { 0 } else { registration.seconds };
        let number = registration.next_cseq();
        let to = known.account.from();
        let ids = Ids { to: &to, tag: &tag, call_id: &known.registration.call_id, number };
        let routes = known.account.routes();
        let request = known.account.request(Method::REGISTER, uri.as_str(), &ids, routes);
        // RFC 5626 §4.2.1: whoever numbers his flows knows of Path as well.
        let supported = if known.registration.numbered { "path, outbound" } else { "path" };
        let request = request.header(HeaderId::SUPPORTED, supported);
        let request = request.header(HeaderId::EXPIRES, seconds).build()?;
        known.registration.in_flight = true;
        known.registration.bound = true;
        self.timers.cancel(key);
        let hop = self.first_hop(key, &request);
        self.dispatch(now, Purpose::Registration(key), Some(key), hop, request);
        Ok(())
    }

    pub(crate) fn on_register_response(
        &mut self,
        now: Instant,
        key: AccountKey,
        flow: &Flow,
        response: &Response,
    ) {
        let Some(known) = self.accounts.get_mut(key.0) else { return };
        let registration = &mut known.registration;
        let status = response.status();
        let seconds = granted(response, registration.contact.as_ref(), registration.seconds);
        if status.is_success() && seconds == 0 && !registration.leaving {
            return self.on_register_failed(now, key, status, "registered for no time", None);
        }
        if status.is_success() {
            registration.in_flight = false;
            registration.failures = 0;
            let was_leaving = std::mem::replace(&mut registration.leaving, false);
            registration.held = registration.contact.clone().filter(|_| !was_leaving);
            registration.by_flow = !was_leaving && requires(response, "outbound");
            // Rule 42: each 2xx replaces it, also one without any.
            registration.service_route = if was_leaving { Vec::new() } else { service_route(response) };
            let via = response.first::<Via<'_>>().and_then(Result::ok).filter(|_| self.learns_address);
            let contact = registration.contact.as_ref();
            let is_elsewhere = !was_leaving
                && !registration.again
                && registration.wanted
                && via.is_some_and(|via| registration.mapping.learn(flow, &via, contact));
            if was_leaving {
                registration.bound = false;
                self.follow_flow(key, None);
                self.tell(UaEvent::Unregistered { account: key });
            } else {
                let expires = Duration::from_secs(seconds.into());
                self.timers.set(key, now + refresh_after(expires));
                self.follow_flow(key, Some((*flow, keep_alive(response, flow.protocol))));
                if is_elsewhere && self.send_register(now, key).is_ok() {
                    // What is told is how that one ends.
                    return;
                }
                self.tell(UaEvent::Registered { account: key, expires });
                self.tell_calls(now, key);
            }
            self.catch_up(now, key, was_leaving);
            return;
        }
        let least = response.first::<MinExpires>().and_then(Result::ok).map(|least| least.0);
        if let (StatusCode::INTERVAL_TOO_BRIEF, Some(least), false) = (status, least, registration.leaving)
            && least > registration.seconds
            && registration.raises < MOST_RAISES
        {
            registration.seconds = least;
            registration.raises += 1;
            registration.in_flight = false;
            if self.send_register(now, key).is_ok() {
                return;
            }
        }
        if status == StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT
            && let Some(known) = self.accounts.get_mut(key.0)
            && std::mem::take(&mut known.registration.numbered)
        {
            // RFC 5626 §4.2.1: the usual way then.
            known.registration.in_flight = false;
            if self.send_register(now, key).is_ok() {
                return;
            }
        }
        if let Some(known) = self.accounts.get_mut(key.0).filter(|_| is_lasting(status))
            && known.registration.mapping.refused()
        {
            known.registration.in_flight = false;
            if self.send_register(now, key).is_ok() {
                return;
            }
        }
        let retry_after = response.first::<RetryAfter<'_>>().and_then(Result::ok).map(|after| after.seconds);
        self.on_register_failed(now, key, status, &reason(response), retry_after);
    }

    pub(crate) fn on_register_failed(
        &mut self,
        now: Instant,
        key: AccountKey,
        status: StatusCode,
        reason: &str,
        retry_after: Option<u32>,
    ) {
        let jitter = self.entropy.below(501) as u32;
        let Some(known) = self.accounts.get_mut(key.0) else { return };
        let registration = &mut known.registration;
        registration.in_flight = false;
        let was_leaving = std::mem::replace(&mut registration.leaving, false);
        if was_leaving {
            registration.bound = false;
        }
        if registration.again && registration.wanted && !was_leaving {
            // What failed was from where we are not any more. It could be written before, so it can be now.
            let _ = self.send_register(now, key);
            return;
        }
        // The application may have changed its mind meanwhile.
        let was_wanted = registration.wanted && !was_leaving;
        let retry_in = match is_lasting(status) || !was_wanted {
            true => None,
            false => {
                let longest = FIRST_WAIT.saturating_mul(1 << registration.failures.min(6)).min(LONGEST_WAIT);
                registration.failures = registration.failures.saturating_add(1);
                // RFC 5626 §4.5: between half of it and all of it.
                let wait = longest.saturating_mul(500 + jitter) / 1000;
                let asked = Duration::from_secs(retry_after.unwrap_or(0).into());
                Some(wait.max(asked.min(LONGEST_WAIT)))
            }
        };
        if was_wanted {
            registration.wanted = retry_in.is_some();
        }
        if let Some(wait) = retry_in {
            self.timers.set(key, now + wait);
        }
        self.tell(UaEvent::RegistrationFailed { account: key, status, reason: reason.to_owned(), retry_in });
        if !was_wanted {
            self.catch_up(now, key, was_leaving);
        }
    }

    /// Takes the flow for the way back to us, and keeps it open where the registrar wants that.
    pub(crate) fn follow_flow(&mut self, key: AccountKey, new: Option<(Flow, Option<Duration>)>) {
        let Some(known) = self.accounts.get_mut(key.0) else { return };
        let old = std::mem::replace(&mut known.registration.flow, new.map(|(flow, _)| flow));
        let is_followed = |flow| self.accounts.iter().any(|(_, known)| known.registration.flow == Some(flow));
        if let Some(old) = old.filter(|old| !is_followed(*old)) {
            self.outputs.push_back(UaOutput::Forget(old));
        }
        if let Some((flow, Some(every))) = new {
            self.outputs.push_back(UaOutput::Keep(flow, every));
        }
    }

    /// A flow ended: whoever was registered over it is not found any more (rule 42).
    pub(crate) fn on_closed(&mut self, now: Instant, flow: &Flow, reason: CloseReason) {
        let over = |known: &Known| known.registration.flow == Some(*flow);
        let lost: Vec<AccountKey> =
            self.accounts.iter().filter(|(_, known)| over(known)).map(|(key, _)| AccountKey(key)).collect();
        for key in lost {
            let Some(known) = self.accounts.get_mut(key.0) else { continue };
            known.registration.flow = None;
            if !known.registration.wanted || known.registration.in_flight {
                continue;
            }
            if reason == CloseReason::Reset && !flow.protocol.is_reliable() {
                // The registrar is there and sees us elsewhere: our NAT has forgotten us, and nobody else.
                let _ = self.send_register(now, key);
            } else {
                // RFC 5626 §4.5: not at once, for all the others have lost theirs as well.
                self.on_register_failed(now, key, StatusCode::FLOW_FAILED, "the way back is lost", None);
            }
        }
    }

    /// Tells the peers of the account's calls when the registrar sees us elsewhere than before.
    fn tell_calls(&mut self, now: Instant, key: AccountKey) {
        let Some(known) = self.accounts.get_mut(key.0) else { return };
        let seen = known.registration.mapping.seen();
        if std::mem::replace(&mut known.registration.told, seen) == seen {
            return;
        }
        let calls: Vec<_> =
            self.callers.iter().filter(|(_, account)| **account == key).map(|(call, _)| *call).collect();
        for call in calls {
            // One that is not up tells it by its answer.
            let _ = self.calls.refresh_target(now, call);
        }
    }

    /// Does what the application has asked for while a REGISTER was in flight.
    fn catch_up(&mut self, now: Instant, key: AccountKey, was_leaving: bool) {
        let Some(known) = self.accounts.get(key.0) else { return };
        let (wanted, bound) = (known.registration.wanted, known.registration.bound);
        let is_elsewhere = known.registration.again && wanted;
        let is_behind = is_elsewhere || if was_leaving { wanted } else { !wanted && bound };
        if is_behind {
            // It could be written before, so it can be now.
            let _ = self.send_register(now, key);
        }
    }
}

/// A UUID of version 4 (RFC 9562 §5.4), as a URN.
fn made_up(entropy: &mut dyn Entropy) -> String {
    let (high, low) = (entropy.next_u64(), entropy.next_u64());
    format!(
        "urn:uuid:{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 48 & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

fn requires(response: &Response, extension: &str) -> bool {
    let mut required = response.all::<Require<'_>>().flatten();
    required.any(|tag| tag.token().eq_ignore_ascii_case(extension))
}

/// How often the registrar wants to hear from us over this flow, by Flow-Timer (RFC 5626 §4.4) or in answer to `keep`
/// (RFC 6223); `None` where it knows neither, and would not answer.
fn keep_alive(response: &Response, protocol: Protocol) -> Option<Duration> {
    let timer = response.values(HeaderId::FLOW_TIMER).next();
    let timer = timer.and_then(|timer| std::str::from_utf8(timer).ok()?.trim().parse::<u64>().ok());
    if let Some(seconds) = timer {
        return Some(Duration::from_secs(seconds.clamp(5, 3_600)));
    }
    keep_of(&response.first::<Via<'_>>()?.ok()?, protocol)
}

/// How long our binding lives, in seconds: what our Contact says, else Expires, else what was asked for. A Contact that
/// stands alone is ours, though a server on the way has given it another address.
fn granted(response: &Response, ours: Option<&UriBuf>, asked: u32) -> u32 {
    let is_ours = |contact: &Contact<'_>| {
        let theirs = contact.address().map(|address| address.uri);
        ours.zip(theirs).is_some_and(|(ours, theirs)| ours.as_uri().equivalent(&theirs))
    };
    let own = response.all::<Contact<'_>>().flatten().find(is_ours);
    let alone = || {
        let mut all = response.all::<Contact<'_>>().flatten();
        all.next().filter(|_| all.next().is_none())
    };
    own.or_else(alone)
        .and_then(|contact| contact.address()?.expires())
        .or_else(|| response.first::<Expires>().and_then(Result::ok).map(|expires| expires.0))
        .unwrap_or(asked)
}

/// When to register again: early enough for a REGISTER that is lost for as long as a transaction lives.
fn refresh_after(expires: Duration) -> Duration {
    let lead = (expires / 2).min(Duration::from_secs(120));
    (expires - lead).max(Duration::from_secs(1))
}

/// Whether trying again would end the same way: the request or the account is wrong.
pub(crate) fn is_lasting(status: StatusCode) -> bool {
    match status {
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TEMPORARILY_UNAVAILABLE
        | StatusCode::REQUEST_PENDING
        | StatusCode::FLOW_FAILED => false,
        status => matches!(status.class(), 4 | 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sansio::SeededEntropy;

    #[test]
    fn who_has_no_name_gets_one_that_is_a_uuid() {
        let urn = made_up(&mut SeededEntropy::new(1));
        let uuid = ringback_message::UrnUri::parse(urn.as_bytes()).unwrap().uuid().unwrap();
        assert_eq!((uuid >> 76 & 0xf, uuid >> 62 & 0x3), (4, 2), "{urn}");
        assert_ne!(urn, made_up(&mut SeededEntropy::new(2)));
    }

    #[test]
    fn registrations_are_refreshed_while_a_lost_one_can_be_repeated() {
        let after = |seconds| refresh_after(Duration::from_secs(seconds)).as_secs();
        assert_eq!([after(3600), after(120), after(60), after(1), after(0)], [3480, 60, 30, 1, 1]);
    }
}
