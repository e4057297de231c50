//! Publications: state that a server tells to whoever has subscribed to it (RFC 3903 §4).

use crate::account::Ids;
use crate::agent::{UserAgent, bare, token};
use crate::outgoing::{Purpose, reason};
use crate::{AccountKey, CommandError, UaEvent};
use ringback_dialog::Content;
use ringback_message::header::{CSeq, Expires, MinExpires, RetryAfter, SipEtag};
use ringback_message::{HeaderId, Method, Response, StatusCode, UriBuf};
use ringback_sansio::Entropy;
use std::fmt;
use std::time::{Duration, Instant};

/// The first interval after a failure, and the longest; as for registrations (RFC 5626 §4.5).
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(1_800);
/// How often a server may ask for a longer publication, or forget it, before it is taken to be mad.
const MOST_RAISES: u32 = 3;

/// Names one publication. It finds nothing after [`UaEvent::Unpublished`], nor after a
/// [`UaEvent::PublicationFailed`] that is not tried again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicationKey(pub(crate) ringback_sansio::Key<Publication>);

impl fmt::Debug for PublicationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "publication {:?}", self.0)
    }
}

/// A state of ours at a server.
#[derive(Debug)]
pub(crate) struct Publication {
    account: AccountKey,
    target: UriBuf,
    package: String,
    content: Content,
    /// What names the state at the server.
    etag: Option<String>,
    call_id: String,
    cseq: u32,
    /// How many seconds to ask for.
    seconds: u32,
    in_flight: bool,
    /// Whether the PUBLISH in flight takes it back.
    removing: bool,
    /// Whether the server has to be told what is not on its way.
    changed: bool,
    leaving: bool,
    raises: u32,
    failures: u32,
}

impl Publication {
    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.cseq = CSeq::next_number(self.cseq);
        self.cseq
    }
}

impl<E: Entropy> UserAgent<E> {
    /// Publishes a state at `target`, mostly our own address, and keeps it there until
    /// [`unpublish`](Self::unpublish): it is refreshed in time, published anew when the server has lost it (412), and tried
    /// again after failures that may pass.
    ///
    /// # Errors
    /// When the account is gone or a value cannot stand in a message.
    pub fn publish(
        &mut self,
        now: Instant,
        account: AccountKey,
        target: &UriBuf,
        package: &str,
        content: Content,
        expires: Duration,
    ) -> Result<PublicationKey, CommandError> {
        let now = self.clamp(now);
        let known = self.accounts.get(account.0).ok_or(CommandError::Gone)?;
        if target.as_sip().is_none() && known.account.outbound.is_none() {
            return Err(CommandError::NotSip);
        }
        let call_id = token(&mut self.entropy) + &token(&mut self.entropy);
        let key = PublicationKey(self.publications.insert(Publication {
            account,
            target: target.clone(),
            package: package.to_owned(),
            content,
            etag: None,
            call_id,
            cseq: self.entropy.below(1 << 30) as u32,
            seconds: u32::try_from(expires.as_secs()).unwrap_or(u32::MAX).max(1),
            in_flight: false,
            removing: false,
            changed: true,
            leaving: false,
            raises: 0,
            failures: 0,
        }));
        let sent = self.send_publish(now, key);
        if sent.is_err() {
            self.publications.remove(key.0);
        }
        self.pump(now);
        sent.map(|()| key)
    }

    /// Publishes another state in place of the one before. While the server is being told, only the newest waits.
    ///
    /// # Errors
    /// [`CommandError::Gone`]; when the content cannot stand in a message.
    pub fn republish(
        &mut self,
        now: Instant,
        key: PublicationKey,
        content: Content,
    ) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let publication = self.publications.get_mut(key.0).ok_or(CommandError::Gone)?;
        if publication.leaving {
            return Err(CommandError::Gone);
        }
        let before = std::mem::replace(&mut publication.content, content);
        publication.changed = true;
        if publication.in_flight {
            return Ok(());
        }
        let sent = self.send_publish(now, key);
        if sent.is_err()
            && let Some(publication) = self.publications.get_mut(key.0)
        {
            publication.content = before;
        }
        self.pump(now);
        sent
    }

    /// Takes a publication back. [`UaEvent::Unpublished`] follows.
    ///
    /// # Errors
    /// [`CommandError::Gone`].
    pub fn unpublish(&mut self, now: Instant, key: PublicationKey) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let publication = self.publications.get_mut(key.0).ok_or(CommandError::Gone)?;
        publication.leaving = true;
        self.publishing.cancel(key);
        if !publication.in_flight {
            self.leave_or_remove(now, key);
        }
        self.pump(now);
        Ok(())
    }

    /// Takes it back where the server has it.
    fn leave_or_remove(&mut self, now: Instant, key: PublicationKey) {
        let is_there = self.publications.get(key.0).is_some_and(|publication| publication.etag.is_some());
        if !is_there || self.send_publish(now, key).is_err() {
            self.end_publication(key);
            self.tell(UaEvent::Unpublished { publication: key });
        }
    }

    fn end_publication(&mut self, key: PublicationKey) {
        self.publishing.cancel(key);
        self.publications.remove(key.0);
    }

    /// The timer of a publication fired.
    pub(crate) fn renew_publication(&mut self, now: Instant, key: PublicationKey) {
        // It could be written before, so it can be now.
        if self.send_publish(now, key).is_err() {
            let (status, reason) = (StatusCode::SERVICE_UNAVAILABLE, "the account is gone");
            self.publication_failed(now, key, status, reason, None);
        }
    }

    fn send_publish(&mut self, now: Instant, key: PublicationKey) -> Result<(), CommandError> {
        let tag = token(&mut self.entropy);
        let publication = self.publications.get_mut(key.0).ok_or(CommandError::Gone)?;
        let number = publication.next_cseq();
        let account = publication.account;
        let known = self.accounts.get(account.0).ok_or(CommandError::Gone)?;
        let target = &publication.target;
        let uri = target.as_sip().map_or(target.as_str(), |sip| sip.without_headers());
        let to = format!("<{}>", bare(target));
        let ids = Ids { to: &to, tag: &tag, call_id: &publication.call_id, number };
        let seconds = if publication.leaving { 0 } else { publication.seconds };
        let mut request = known
            .account
            .request(Method::PUBLISH, uri, &ids, known.routes())
            .header(HeaderId::EVENT, publication.package.as_str())
            .header(HeaderId::EXPIRES, seconds);
        if let Some(etag) = &publication.etag {
            request = request.header(HeaderId::SIP_IF_MATCH, etag.as_str());
        }
        // RFC 3903 §4.1, Table 1: who refreshes or removes sends no body.
        let carries = publication.etag.is_none() || (publication.changed && !publication.leaving);
        if carries {
            request = request.body(&publication.content.content_type, publication.content.body.clone());
        }
        let request = request.build()?;
        publication.in_flight = true;
        publication.removing = publication.leaving;
        publication.changed &= !carries;
        self.publishing.cancel(key);
        let hop = self.first_hop(account, &request);
        self.dispatch(now, Purpose::Publication(key), Some(account), hop, request);
        Ok(())
    }

    pub(crate) fn on_publish_response(&mut self, now: Instant, key: PublicationKey, response: &Response) {
        let Some(publication) = self.publications.get_mut(key.0) else { return };
        let status = response.status();
        publication.in_flight = false;
        if publication.removing {
            // Whatever the answer says, it is gone or will run out.
            self.end_publication(key);
            return self.tell(UaEvent::Unpublished { publication: key });
        }
        if status.is_success() {
            return self.published(now, key, response);
        }
        let least = response.first::<MinExpires>().and_then(Result::ok).map(|least| least.0);
        let again = match status {
            // §4.4: the server knows nothing of it any more; it is published anew, as a whole.
            StatusCode::CONDITIONAL_REQUEST_FAILED => publication.etag.take().is_some(),
            StatusCode::INTERVAL_TOO_BRIEF => {
                let longer = least.filter(|least| *least > publication.seconds);
                publication.seconds = longer.unwrap_or(publication.seconds);
                longer.is_some()
            }
            _ => false,
        };
        if publication.leaving {
            return self.leave_or_remove(now, key);
        }
        publication.changed = true;
        if again && publication.raises < MOST_RAISES {
            publication.raises += 1;
            if self.send_publish(now, key).is_ok() {
                return;
            }
        }
        let after = response.first::<RetryAfter<'_>>().and_then(Result::ok).map(|after| after.seconds);
        self.publication_failed(now, key, status, &reason(response), after);
    }

    fn published(&mut self, now: Instant, key: PublicationKey, response: &Response) {
        let etag = response.first::<SipEtag<'_>>().and_then(Result::ok).map(|etag| etag.0.to_owned());
        let granted = response.first::<Expires>().and_then(Result::ok).map(|expires| expires.0);
        let Some(publication) = self.publications.get_mut(key.0) else { return };
        // §6: each 2xx names the state anew; without a name it cannot be refreshed, and is published as a whole again.
        publication.etag = etag;
        publication.raises = 0;
        publication.failures = 0;
        if publication.leaving {
            return self.leave_or_remove(now, key);
        }
        let seconds = granted.unwrap_or(publication.seconds).min(publication.seconds).max(1);
        let is_behind = publication.changed;
        let expires = Duration::from_secs(seconds.into());
        self.tell(UaEvent::Published { publication: key, expires });
        if is_behind && self.send_publish(now, key).is_ok() {
            return;
        }
        let lead = (expires / 2).min(Duration::from_secs(120));
        self.publishing.set(key, now + (expires - lead));
    }

    pub(crate) fn publication_failed(
        &mut self,
        now: Instant,
        key: PublicationKey,
        status: StatusCode,
        reason: &str,
        retry_after: Option<u32>,
    ) {
        let jitter = self.entropy.below(501) as u32;
        let Some(publication) = self.publications.get_mut(key.0) else { return };
        publication.in_flight = false;
        if publication.removing || publication.leaving {
            self.end_publication(key);
            return self.tell(UaEvent::Unpublished { publication: key });
        }
        publication.changed = true;
        publication.raises = 0;
        let is_lasting =
            crate::registration::is_lasting(status) || !self.accounts.contains(publication.account.0);
        let retry_in = (!is_lasting).then(|| {
            let longest = FIRST_WAIT.saturating_mul(1 << publication.failures.min(6)).min(LONGEST_WAIT);
            publication.failures = publication.failures.saturating_add(1);
            let asked = Duration::from_secs(retry_after.unwrap_or(0).into()).min(LONGEST_WAIT);
            (longest.saturating_mul(500 + jitter) / 1000).max(asked)
        });
        match retry_in {
            Some(wait) => self.publishing.set(key, now + wait),
            None => self.end_publication(key),
        }
        let reason = reason.to_owned();
        self.tell(UaEvent::PublicationFailed { publication: key, status, reason, retry_in });
    }
}
