//! Requests that wait until the device that they are for has woken up and registered again (RFC 8599 §5.2, §5.6.2).

use crate::Branch;
use crate::context::{Attempt, AttemptState, Context};
use crate::proxy::{Proxy, ProxyOutput, Token, Waiting};
use ringback_message::{Method, Request, StatusCode, UriBuf, UriParam};
use ringback_sansio::{Entropy, Key as SlabKey};
use ringback_transaction::Transactions;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long anything but an INVITE waits at most. Its sender gives up after 32 seconds (RFC 3261 §17.1.2.2, Timer F), and has to be
/// answered before that.
const OTHERS: Duration = Duration::from_secs(20);

/// A device that may be suspended, and is woken through a push notification service (RFC 8599 §8.7).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Device {
    /// Whose it is: an address of record.
    pub aor: Box<str>,
    /// The service: `pn-provider`.
    pub provider: Box<str>,
    /// What else the service has to know: `pn-param`.
    pub param: Option<Box<str>>,
    /// What the service calls it: `pn-prid`.
    pub prid: Box<str>,
}

impl Device {
    /// A URI without what names a device to those who wake it (RFC 8599 §8.7): strangers who are told of the URI need not know
    /// that. `None` where there is nothing of it.
    pub fn hidden(uri: &UriBuf) -> Option<UriBuf> {
        let sip = uri.as_sip()?;
        let names = ["pn-provider", "pn-param", "pn-prid", "pn-purr"];
        let is_push = |param: &UriParam<'_>| names.iter().any(|name| param.is(name));
        if !sip.params().any(|param| is_push(&param)) {
            return None;
        }
        let mut kept = sip.bare().to_owned();
        for param in sip.params().filter(|param| !is_push(param)) {
            kept.extend([";", param.name]);
            kept.extend(param.value.into_iter().flat_map(|value| ["=", value]));
        }
        UriBuf::new(&kept).ok()
    }
}

/// A request that waits for a device.
#[derive(Debug)]
pub(crate) struct Asleep {
    context: SlabKey<Context>,
    /// The number of its branch.
    index: usize,
    /// As it is before anything is written for a target.
    request: Box<Request>,
    share: Option<u32>,
}

/// Whether a request waits for a sleeping device: what begins a dialog or stands alone (RFC 8599 §5.6.2). Others are for somebody who
/// is awake, for he is in the dialog.
pub(crate) fn is_waiting_for(request: &Request) -> bool {
    *request.method() != Method::ACK && matches!(request.to_tag(), Ok(None))
}

impl Proxy {
    /// The request that waits under a token, until it is forgotten.
    pub fn asleep(&self, token: Token) -> Option<&Request> {
        match self.waiting.get(token.0)? {
            Waiting::Asleep(asleep) => Some(&asleep.request),
            Waiting::Attempt(..) | Waiting::Stateless(..) | Waiting::Decision(_) => None,
        }
    }

    /// Has a branch wait for its device.
    pub(crate) fn sleep(
        &mut self,
        now: Instant,
        (context, index): (SlabKey<Context>, usize),
        request: Box<Request>,
        device: &Arc<Device>,
        share: Option<u32>,
    ) {
        let most = if *request.method() == Method::INVITE {
            self.config.wake_time
        } else {
            self.config.wake_time.min(OTHERS)
        };
        let token = self.wait(Waiting::Asleep(Box::new(Asleep { context, index, request, share })));
        self.sleepers.set(token.0, now + most);
        if let Some(attempt) =
            self.contexts.get_mut(context).and_then(|context| context.attempts.get_mut(index))
        {
            attempt.state = AttemptState::Asleep(token);
        }
        self.outputs.push_back(ProxyOutput::Wake(token, device.clone()));
    }

    /// The device has registered again, and is reached as the branch says: the request goes there. Without a branch it could not
    /// be woken, and the branch is over as 480 (RFC 8599 §5.6.2).
    pub fn woken<E: Entropy>(
        &mut self,
        now: Instant,
        transactions: &mut Transactions<E>,
        token: Token,
        branch: Option<&Branch>,
    ) {
        let now = self.clamp(now);
        // The key of something else that waits is no answer to it.
        if self.asleep(token).is_none() {
            return;
        }
        self.sleepers.cancel(token.0);
        let Some(Waiting::Asleep(asleep)) = self.waiting.remove(token.0) else { return };
        let Asleep { context: key, index, request, share } = *asleep;
        let Some(context) = self.contexts.get_mut(key) else { return };
        if let (Some(recursion), Some(branch)) = (&mut context.recursion, branch) {
            recursion.asks(index, &branch.uri);
        }
        let Some(attempt) = context.attempts.get_mut(index) else { return };
        match branch {
            Some(branch) => {
                *attempt = Attempt::to(branch, &request, share);
                self.attempt_at(now, transactions, (key, index), request, Some(branch), share);
            }
            None => {
                attempt.state = AttemptState::Done(Err(StatusCode::TEMPORARILY_UNAVAILABLE));
                self.try_other_flow(now, transactions, key, index);
            }
        }
        self.settle(now, transactions, key);
    }

    /// Gives up waiting where it took too long.
    pub(crate) fn wake_timeouts<E: Entropy>(&mut self, now: Instant, transactions: &mut Transactions<E>) {
        while let Some(waiting) = self.sleepers.pop_expired(now) {
            let token = Token(waiting);
            self.outputs.push_back(ProxyOutput::Forget(token));
            self.woken(now, transactions, token, None);
        }
    }

    /// Nobody waits for these devices any more.
    pub(crate) fn forget(&mut self, tokens: impl IntoIterator<Item = Token>) {
        for token in tokens {
            self.sleepers.cancel(token.0);
            if self.waiting.remove(token.0).is_some() {
                self.outputs.push_back(ProxyOutput::Forget(token));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_not_told_the_name_of_a_device() {
        let hidden = |text: &str| Device::hidden(&UriBuf::new(text).unwrap()).map(|uri| uri.to_string());
        assert_eq!(
            hidden("sip:bob@h:5;ob;pn-provider=a;x=1;pn-prid=b;pn-purr=c;Pn-Param=d?Subject=e").as_deref(),
            Some("sip:bob@h:5;ob;x=1")
        );
        assert_eq!(hidden("sip:bob@h:5;ob"), None, "nothing to hide");
        assert_eq!(hidden("tel:+44"), None);
    }
}
