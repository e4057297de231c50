//! What a provider wants of us: a password, and to know where we are (RFC 3261 §10.2, §22).

use super::MemberConfig;
use ringback_auth::{Attempt, DigestClient};
use ringback_message::header::{CSeq, Contact, Expires, MinExpires, RetryAfter};
use ringback_message::{HeaderId, Method, Request, Response, StatusCode, UriBuf};
use ringback_sansio::{Entropy as _, Protocol, SeededEntropy, Target};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a registration is asked for, in seconds.
const SECONDS: u32 = 600;
/// How long to wait after a registration that failed: drawn between the first, and twice as long.
const AGAIN: Duration = Duration::from_secs(30);
/// How often a provider is told that an account is not there any more. What it does not take ends with its time.
const FAREWELLS: u32 = 3;

/// An account at a provider.
#[derive(Debug)]
pub(super) struct Trunk {
    user: String,
    domain: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    digest: DigestClient,
    entropy: SeededEntropy,
    call_id: String,
    cseq: u32,
    seconds: u32,
    attempt: Attempt,
    /// The REGISTER that is under way, and whether it takes the account out.
    sent: Option<(Request, bool)>,
    registered_until: Option<Instant>,
    /// Whether it shall not be registered any more.
    leaves: bool,
    /// How often it could not be taken out.
    failures: u32,
}

/// What comes after an answer to REGISTER.
#[derive(Debug)]
pub(super) enum Next {
    /// This request, at once.
    Now(Box<Request>),
    /// Another one then.
    At(Instant),
    /// None any more.
    Nothing,
}

impl Trunk {
    /// The account of a member, where it has one.
    pub(super) fn new(config: &MemberConfig, uri: &UriBuf, seed: u64) -> Option<Self> {
        let (user, password) = (config.user.clone()?, config.password.as_ref()?);
        let digest = match &config.realm {
            Some(realm) => {
                let mut digest = DigestClient::default();
                digest.password(realm, &user, password.as_str());
                digest
            }
            None => DigestClient::new(&user, password.as_str()),
        };
        let mut entropy = SeededEntropy::new(seed);
        let inner = Inner {
            call_id: format!("{:016x}{:016x}", entropy.next_u64(), entropy.next_u64()),
            cseq: 0,
            seconds: SECONDS,
            attempt: Attempt::default(),
            sent: None,
            registered_until: None,
            leaves: false,
            failures: 0,
            digest,
            entropy,
        };
        let host = uri.as_sip()?.host().to_string();
        let domain = config.domain.clone().unwrap_or(host);
        Some(Self { user, domain, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whole after each step, whatever became of its thread.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the password of an earlier challenge on a request. One that has no room for it will be challenged.
    pub(super) fn preauthorize(&self, request: &mut Request) {
        let _ = self.inner().digest.preauthorize(request);
    }

    /// Answers a challenge; says whether there was any use in it.
    pub(super) fn authorize(
        &self,
        attempt: &mut Attempt,
        response: &Response,
        request: &mut Request,
    ) -> bool {
        let Inner { digest, entropy, .. } = &mut *self.inner();
        digest.authorize(attempt, response, request, entropy).is_ok()
    }

    /// The Call-ID of all its REGISTERs (RFC 3261 §10.2).
    pub(super) fn call_id(&self) -> String {
        self.inner().call_id.clone()
    }

    pub(super) fn is_registered(&self, now: Instant) -> bool {
        self.inner().registered_until.is_some_and(|until| until > now)
    }

    /// Whether it is the same for the provider.
    pub(super) fn is_account_of(&self, other: &Self) -> bool {
        (&self.user, &self.domain) == (&other.user, &other.domain)
    }

    /// Says whether it shall be registered from now on, or not any more; gives whether that is news.
    pub(super) fn leave(&self, leaves: bool) -> bool {
        let inner = &mut *self.inner();
        inner.failures = 0;
        std::mem::replace(&mut inner.leaves, leaves) != leaves
    }

    /// Whether the provider may have it registered, as far as is known.
    pub(super) fn may_be_registered(&self, now: Instant) -> bool {
        self.is_registered(now) || self.is_under_way()
    }

    /// Whether a REGISTER is not answered yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.inner().sent.is_some()
    }

    /// A REGISTER for `to`, where `sent_by` is our own address towards it: that it is there, or that it is not any more.
    pub(super) fn register(&self, to: &Target, sent_by: &str) -> Option<Request> {
        let inner = &mut *self.inner();
        inner.cseq += 1;
        inner.attempt = Attempt::default();
        let seconds = if inner.leaves { 0 } else { inner.seconds };
        let (user, domain, tag) = (&self.user, &self.domain, inner.entropy.next_u64());
        let user = ringback_message::escape_user(user.as_bytes());
        let transport = match to.protocol() {
            Protocol::Udp => String::new(),
            protocol => format!(";transport={protocol}"),
        };
        let request = Request::builder(Method::REGISTER, format_args!("sip:{domain}").to_string())
            .header(HeaderId::MAX_FORWARDS, 70u8)
            .header(HeaderId::FROM, format_args!("<sip:{user}@{domain}>;tag={tag:016x}"))
            .header(HeaderId::TO, format_args!("<sip:{user}@{domain}>"))
            .header(HeaderId::CALL_ID, &inner.call_id)
            .header(HeaderId::CSEQ, CSeq { number: inner.cseq, method: Method::REGISTER })
            .header(HeaderId::CONTACT, format_args!("<sip:{user}@{sent_by}{transport}>"))
            .header(HeaderId::EXPIRES, seconds);
        let mut request = request.build().ok()?;
        let _ = inner.digest.preauthorize(&mut request);
        inner.sent = Some((request.clone(), inner.leaves));
        Some(request)
    }

    /// What comes after the answer to a REGISTER; `None` where none came.
    pub(super) fn registered(&self, now: Instant, answer: Option<&Response>) -> Next {
        let inner = &mut *self.inner();
        let sent = inner.sent.take();
        let Some((response, (mut request, takes_out))) = answer.zip(sent) else {
            return inner.again(now, None);
        };
        let status = response.status();
        if status.is_success() && takes_out {
            inner.registered_until = None;
            // It may be wanted again by now.
            return if inner.leaves { Next::Nothing } else { Next::At(now) };
        }
        if status.is_success() {
            let granted = granted(response).unwrap_or(inner.seconds);
            let lasts = Duration::from_secs(granted.into());
            inner.registered_until = Some(now + lasts);
            if inner.leaves {
                return Next::At(now);
            }
            // Early enough for one that is lost for as long as a transaction lives, where it lasts so long.
            let lead = (lasts / 2).min(Duration::from_secs(60));
            return Next::At(now + (lasts - lead).max(Duration::from_secs(1)));
        }
        if takes_out != inner.leaves {
            return Next::At(now);
        }
        let repeated = if status == StatusCode::INTERVAL_TOO_BRIEF && !takes_out {
            let least = response.first::<MinExpires>().and_then(Result::ok).map(|least| least.0);
            least.filter(|least| (inner.seconds + 1..=86_400).contains(least)).is_some_and(|least| {
                inner.seconds = least;
                request.set(HeaderId::EXPIRES, least).is_ok()
            })
        } else {
            let Inner { digest, entropy, attempt, .. } = inner;
            digest.authorize(attempt, response, &mut request, entropy).is_ok()
        };
        inner.cseq += 1;
        let number = CSeq { number: inner.cseq, method: Method::REGISTER };
        if repeated && request.set(HeaderId::CSEQ, number).is_ok() {
            inner.sent = Some((request.clone(), takes_out));
            return Next::Now(Box::new(request));
        }
        inner.again(now, Some(response))
    }
}

impl Inner {
    /// When to try again after a failure. The binding from before may live on; nobody knows.
    fn again(&mut self, now: Instant, response: Option<&Response>) -> Next {
        if self.leaves {
            self.failures += 1;
            if self.failures >= FAREWELLS || self.registered_until.is_none_or(|until| until <= now) {
                return Next::Nothing;
            }
        }
        let asked =
            response.and_then(|response| response.first::<RetryAfter<'_>>()?.ok()).map(|after| after.seconds);
        let asked = Duration::from_secs(asked.unwrap_or(0).min(3_600).into());
        let wait = AGAIN + Duration::from_millis(self.entropy.below(AGAIN.as_millis() as u64));
        Next::At(now + wait.max(asked))
    }
}

/// How long the binding lives, in seconds: what Contact says where it stands alone, else Expires.
fn granted(response: &Response) -> Option<u32> {
    let mut contacts = response.all::<Contact<'_>>().flatten();
    let alone = contacts.next().filter(|_| contacts.next().is_none());
    let alone = alone.and_then(|contact| contact.address()?.expires());
    alone.or_else(|| Some(response.first::<Expires>()?.ok()?.0))
}
