//! Following redirections (RFC 3261 §16.7 step 4): where a target says that somebody else is to be asked, he is.

use crate::context::{Answered, Context};
use crate::proxy::Proxy;
use crate::{Branch, RoutePolicy};
use ringback_message::header::Contact;
use ringback_message::{HeaderId, Request, Response, SipUri, StatusCode, Uri, UriBuf};
use ringback_sansio::Key as SlabKey;
use ringback_transaction::ClientKey;
use smallvec::SmallVec;
use std::time::Instant;

/// What is remembered of a request whose redirections are followed.
#[derive(Debug, Default)]
pub(crate) struct Recursion {
    /// Who was asked, by the number of the branch.
    asked: Vec<(usize, UriBuf)>,
    moved: Vec<Moved>,
}

/// A target that comes from a redirection.
#[derive(Debug)]
pub(crate) struct Moved {
    /// The Request-URI of the branch.
    to: UriBuf,
    /// What the redirection said, which may be a user of ours at `to`.
    pub(crate) contact: UriBuf,
    /// The number of the branch that was redirected.
    pub(crate) from: usize,
    pub(crate) status: StatusCode,
}

impl Recursion {
    /// Remembers whom a branch asks.
    pub(crate) fn asks(&mut self, index: usize, uri: &UriBuf) {
        self.asked.push((index, uri.clone()));
    }

    fn knows(&self, uri: &Uri<'_>) -> bool {
        let known =
            self.asked.iter().map(|(_, uri)| uri).chain(self.moved.iter().map(|moved| &moved.contact));
        known.into_iter().any(|known| known.as_uri().equivalent(uri))
    }

    /// Whether a branch was redirected to somebody who is asked.
    pub(crate) fn has_moved(&self, index: usize) -> bool {
        self.moved.iter().any(|moved| moved.from == index)
    }

    /// The redirections that led to a target, the first one first, each with whom it came from.
    pub(crate) fn way_to(&self, uri: &UriBuf) -> Vec<(&Moved, &UriBuf)> {
        let mut way = Vec::new();
        let mut at = uri;
        while let Some(moved) = self.moved.iter().find(|moved| moved.to == *at)
            && let Some((_, from)) = self.asked.iter().find(|(index, _)| *index == moved.from)
            // Each is asked once, so this cannot go round; whoever doubts it looks here.
            && way.len() < self.moved.len()
        {
            way.push((moved, from));
            at = from;
        }
        way.reverse();
        way
    }
}

impl Proxy {
    /// Takes those contacts out of a 3xx that are asked instead, as far as the policy allows it. They are asked when the
    /// branches that are under way have failed, by their q.
    pub(crate) fn recurse(
        &mut self,
        now: Instant,
        policy: &mut dyn RoutePolicy,
        key: SlabKey<Context>,
        client: ClientKey,
        response: &mut Response,
    ) {
        let status = response.status();
        let is_move =
            [StatusCode::MULTIPLE_CHOICES, StatusCode::MOVED_PERMANENTLY, StatusCode::MOVED_TEMPORARILY];
        let Some(context) = self.contexts.get_mut(key) else { return };
        if !is_move.contains(&status) || context.stopped || context.answered != Answered::No {
            return;
        }
        let Some(index) = context.index_of(client) else { return };
        let (Some(recursion), Some(request)) = (&mut context.recursion, &context.template) else { return };
        let asked = context.attempts.len() + context.later.len();
        let mut room = self.config.max_branches.saturating_sub(asked);
        let mut found: Vec<Branch> = Vec::new();
        let before = response.clone();
        response.remove(HeaderId::CONTACT);
        // A contact that cannot be read is of no use to the sender either.
        for contact in before.all::<Contact<'_>>().flatten() {
            let branches = match followable(request, &contact) {
                Some((uri, q)) if !recursion.knows(&uri.as_uri()) => {
                    let mut branches = policy.redirected(now, request, &context.flow, &uri);
                    branches.retain(|branch| !recursion.knows(&branch.uri.as_uri()));
                    branches.truncate(room);
                    for branch in &mut branches {
                        (branch.q, branch.is_spare) = (q, false);
                        let (to, contact) = (branch.uri.clone(), uri.clone());
                        recursion.moved.push(Moved { to, contact, from: index, status });
                    }
                    branches
                }
                _ => SmallVec::new(),
            };
            if branches.is_empty() {
                // It was written like that before.
                let _ = response.push(HeaderId::CONTACT, contact);
            }
            room -= branches.len();
            found.extend(branches);
        }
        // As in the target set: of equals the first one that was named stands last.
        context.later.extend(found.into_iter().rev());
        context.later.sort_by_key(|branch| branch.q);
    }
}

/// A contact that could be asked instead: one that SIP reaches, that is not whom the request was for (§8.1.3.4), and that is
/// no less secure.
fn followable(request: &Request, contact: &Contact<'_>) -> Option<(UriBuf, u16)> {
    let address = contact.address()?;
    let was_for = request.uri().ok()?;
    let uri = address.uri.as_sip()?;
    let is_secure = was_for.as_sip().is_some_and(SipUri::is_secure);
    let is_fit = (uri.is_secure() || !is_secure) && !was_for.equivalent(&Uri::Sip(*uri));
    is_fit
        .then(|| UriBuf::new(uri.without_headers()).ok())
        .flatten()
        .map(|uri| (uri, address.q().unwrap_or(1000)))
}
