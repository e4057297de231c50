//! What a REGISTER changes: the rules of RFC 3261 §10.3 steps 6 and 7, without a store.

use crate::binding::{kept_params, one_line};
use crate::outbound::{self, flow_of, same_instance};
use crate::{Aor, Binding, Change, PathPolicy, Push, Refusal, RegistrarConfig};
use ringback_message::header::{
    CSeq, CallId, Contact, Expires, NameAddr, Path, Require, Supported, Token as _,
};
use ringback_message::{HeaderId, Request, Uri};
use ringback_sansio::Flow;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much of a User-Agent field is kept, in octets.
const USER_AGENT_LEN: usize = 128;

impl RegistrarConfig {
    /// Decides what a REGISTER changes in the current bindings of `aor`, which are those that have not ended. No
    /// change at all is what a request without Contact gets: it only asks.
    ///
    /// # Errors
    /// When any part of the request cannot be done; then nothing of it may be.
    pub fn decide(
        &self,
        now: Instant,
        request: &Request,
        flow: &Flow,
        aor: &Aor,
        current: &[&Binding],
    ) -> Result<Vec<Change>, Refusal> {
        let path = self.path_of(request)?;
        let (call_id, cseq) = (request.require::<CallId<'_>>()?.0, request.require::<CSeq>()?.number);
        // RFC 3261 §20.10: an expiry out of its grammar counts as none.
        let expires = request.first::<Expires>().and_then(Result::ok).map(|expires| expires.0);
        // One request can replace every contact: remove as many as it adds.
        let most = self.max_contacts.saturating_mul(2);
        let contacts: SmallVec<[Contact<'_>; 2]> =
            request.all().take(most.saturating_add(1)).collect::<Result<_, _>>()?;
        if contacts.iter().any(|contact| matches!(contact, Contact::Wildcard)) {
            return match (contacts.len(), expires) {
                (1, Some(0)) => remove_all(aor, current, call_id, cseq),
                _ => Err(Refusal::Wildcard),
            };
        }
        if contacts.len() > most {
            return Err(Refusal::TooManyContacts);
        }
        let contacts = contacts.iter().filter_map(Contact::address);
        let contacts = contacts.map(|contact| Ok((contact, self.expiry(contact.expires().or(expires))?)));
        let contacts: SmallVec<[(&NameAddr<'_>, u32); 2]> = contacts.collect::<Result<_, Refusal>>()?;
        let uses_outbound = outbound::uses_outbound(request, &contacts)?;
        let made = |contact: &NameAddr<'_>, seconds: u32, reg_id: Option<u32>| Binding {
            contact: contact.uri.to_owned(),
            params: kept_params(contact, reg_id),
            q: contact.q(),
            expires_at: now + Duration::from_secs(seconds.into()),
            call_id: call_id.to_owned(),
            cseq,
            path: path.clone(),
            flow: Some(*flow),
            protocol: flow.protocol,
            received: flow.peer,
            user_agent: user_agent(request),
        };
        let gone = SmallVec::from_elem(false, current.len());
        let mut draft = Draft { aor, current, gone, new: SmallVec::new() };
        for (contact, seconds) in contacts {
            if !self.contacts.permits(&contact.uri, flow) {
                return Err(Refusal::Contact);
            }
            let mut device = None;
            if let Some(push) = self.push.as_ref().filter(|_| seconds > 0) {
                push.check(&contact.uri)?;
                device = Push::of(&contact.uri);
            }
            let flow = flow_of(contact).filter(|_| uses_outbound);
            draft.replace(&contact.uri, (flow.as_ref(), device.as_ref()), (call_id, cseq))?;
            if seconds > 0 {
                let binding = made(contact, seconds, flow.map(|(_, reg_id)| reg_id));
                if binding.text_len() > self.max_binding_len {
                    return Err(Refusal::TooLarge);
                }
                draft.new.push(Arc::new(binding));
            }
        }
        if draft.len() > self.max_contacts && !draft.new.is_empty() {
            return Err(Refusal::TooManyContacts);
        }
        Ok(draft.into_changes())
    }

    /// The seconds that a binding lasts; 0 removes it. The contact's own wish went before that of the request
    /// (rule 43).
    fn expiry(&self, wish: Option<u32>) -> Result<u32, Refusal> {
        let least = self.min_expires.min(3_600);
        match wish {
            Some(0) => Ok(0),
            Some(wish) if wish < least => Err(Refusal::TooBrief(least)),
            wish => Ok(wish.unwrap_or(self.default_expires).min(self.max_expires)),
        }
    }

    /// What the request requires and we do not have.
    pub(crate) fn unknown_extensions(&self, request: &Request) -> Vec<String> {
        let required = request.all::<Require<'_>>().flatten().map(|tag| tag.token());
        let is_known = |tag: &str| self.supported().split(", ").any(|known| known.eq_ignore_ascii_case(tag));
        required.filter(|tag| !tag.is_empty() && !is_known(tag)).map(str::to_owned).collect()
    }

    /// The path that the request took, where it may be stored (RFC 3327 §5.3).
    fn path_of(&self, request: &Request) -> Result<Vec<String>, Refusal> {
        let path = request.all::<Path<'_>>().map(|hop| hop.map(|hop| one_line(hop.to_string().as_bytes())));
        let path: Vec<String> = path.collect::<Result<_, _>>()?;
        if !path.is_empty() && self.path == PathPolicy::Strict && !supports(request, "path") {
            return Err(Refusal::UnknownPath);
        }
        Ok(path)
    }
}

/// Bindings in the making. They become changes when all went well.
struct Draft<'a> {
    aor: &'a Aor,
    current: &'a [&'a Binding],
    /// Which of the current ones end or are replaced.
    gone: SmallVec<[bool; 16]>,
    new: SmallVec<[Arc<Binding>; 1]>,
}

impl Draft<'_> {
    /// Makes way for a contact: takes out the bindings that it means, if there are any, in the order of requests.
    fn replace(
        &mut self,
        contact: &Uri<'_>,
        (flow, device): (Option<&(String, u32)>, Option<&Push>),
        (call_id, cseq): (&str, u32),
    ) -> Result<(), Refusal> {
        let means = |binding: &Binding| match flow {
            // RFC 5626 §6: a flow is told by its instance and number alone.
            Some((instance, reg_id)) if binding.reg_id().is_some() => {
                binding.reg_id() == Some(*reg_id)
                    && binding.instance().is_some_and(|own| same_instance(own, instance))
            }
            // A name at a push service is that of one device, which is somewhere else each time that it wakes up.
            _ if device.is_some() && binding.push().as_ref() == device => true,
            _ => binding.contact.as_str() == contact.as_str() || binding.contact.as_uri().equivalent(contact),
        };
        // Twice in one request: the last one counts.
        self.new.retain(|binding| !means(binding));
        let is_same = |binding: &&Binding| means(binding) && binding.contact.as_str() == contact.as_str();
        let found = self.current.iter().position(is_same);
        // Equivalence is not transitive (RFC 3261 §19.1.4), so the same text goes before what means the same.
        let found = found.or_else(|| self.current.iter().position(|binding| means(binding)));
        // A phone that came without a number before is that of its contact.
        let flows = self.current.iter().position(|binding| binding.reg_id().is_some() && means(binding));
        for at in found.into_iter().chain(flows.filter(|at| flow.is_some() && found != Some(*at))) {
            in_order(self.current[at], call_id, cseq)?;
            self.gone[at] = true;
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.gone.iter().filter(|gone| !**gone).count() + self.new.len()
    }

    fn into_changes(self) -> Vec<Change> {
        let gone = self.current.iter().zip(&self.gone).filter(|(_, gone)| **gone).map(|(binding, _)| binding);
        // One that comes again under the same text is put in its place, not removed first.
        let removed = gone
            .filter(|old| !self.new.iter().any(|new| old.is_same(new)))
            .map(|old| Change::Remove(self.aor.clone(), old.key()));
        let mut changes: Vec<Change> = removed.collect();
        changes.extend(self.new.into_iter().map(|binding| Change::Put(self.aor.clone(), binding)));
        changes
    }
}

/// A request of the same registration must be newer than the one that made the binding.
fn in_order(binding: &Binding, call_id: &str, cseq: u32) -> Result<(), Refusal> {
    if binding.call_id == call_id && cseq <= binding.cseq { Err(Refusal::OutOfOrder) } else { Ok(()) }
}

fn remove_all(aor: &Aor, current: &[&Binding], call_id: &str, cseq: u32) -> Result<Vec<Change>, Refusal> {
    let remove = |binding: &&Binding| {
        in_order(binding, call_id, cseq).map(|()| Change::Remove(aor.clone(), binding.key()))
    };
    current.iter().map(remove).collect()
}

/// Whether the user agent says that it supports an extension, which requiring it says as well.
pub(crate) fn supports(request: &Request, extension: &str) -> bool {
    // Most phones say nothing of that.
    if !request.has(HeaderId::SUPPORTED) && !request.has(HeaderId::REQUIRE) {
        return false;
    }
    let supported = request.all::<Supported<'_>>().flatten().map(|tag| tag.token());
    let required = request.all::<Require<'_>>().flatten().map(|tag| tag.token());
    supported.chain(required).any(|tag| tag.eq_ignore_ascii_case(extension))
}

fn user_agent(request: &Request) -> Option<String> {
    let value = request.values(HeaderId::USER_AGENT).next()?;
    Some(one_line(value.get(..USER_AGENT_LEN).unwrap_or(value)))
}
