//! Bindings as they are listed, and taken away.

use crate::core::ServerCore;
use crate::writer::Job;
use crate::{Explained, RouteVerdict};
use ringback_registrar::{Aor, Binding, Change, LocationStore as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// One address of record; `None` where it is none.
pub(super) fn one(core: &ServerCore, now: Instant, text: &str) -> Option<Value> {
    let aor = Aor::parse(text)?;
    let contacts = core.locations.with(&aor, |locations| {
        locations.lookup(now, &aor).into_iter().map(|binding| contact(now, binding)).collect::<Vec<_>>()
    });
    let found: Vec<Value> = match contacts.is_empty() {
        true => Vec::new(),
        false => vec![json!({ "aor": aor.as_str(), "contacts": contacts })],
    };
    Some(json!({ "registrations": found, "next": null }))
}

/// The first of those behind `after`. Parts are looked at one by one, so that no call waits for more than one of them.
pub(super) fn all(core: &ServerCore, now: Instant, after: &str, limit: usize) -> Value {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut is_more = false;
    core.locations.each_part(|locations| {
        for (aor, binding) in locations.iter().filter(|(_, binding)| binding.is_alive(now)) {
            let is_behind = found.len() >= limit
                && !found.contains_key(aor.as_str())
                && found.last_key_value().is_some_and(|(last, _)| aor.as_str() > last.as_str());
            if aor.as_str() <= after {
                continue;
            }
            if is_behind {
                is_more = true;
                continue;
            }
            found.entry(aor.as_str().to_owned()).or_default().push(contact(now, binding));
            if found.len() > limit {
                is_more = true;
                found.pop_last();
            }
        }
    });
    let next = found.last_key_value().filter(|_| is_more).map(|(last, _)| last.clone());
    let found = found.into_iter().map(|(aor, contacts)| json!({ "aor": aor, "contacts": contacts }));
    json!({ "registrations": found.collect::<Vec<_>>(), "next": next })
}

fn contact(now: Instant, binding: &Binding) -> Value {
    json!({
        "uri": binding.contact.as_str(),
        "params": binding.params,
        "q": f64::from(binding.preference()) / 1_000.0,
        "expires": binding.expires_at.saturating_duration_since(now).as_secs(),
        "transport": binding.protocol.as_param(),
        "received": binding.received.to_string(),
        "path": binding.path,
        "user_agent": binding.user_agent,
    })
}

/// Removes all bindings of an address of record, from the disk as well; says how many there were.
pub(super) fn remove(core: &ServerCore, now: Instant, text: &str) -> usize {
    let Some(aor) = Aor::parse(text) else { return 0 };
    core.locations.with(&aor, |locations| {
        let keys: Vec<_> =
            locations.lookup(now, &aor).into_iter().map(ringback_registrar::Binding::key).collect();
        let changes: Vec<Change> = keys.into_iter().map(|key| Change::Remove(aor.clone(), key)).collect();
        let removed = changes.len();
        if removed == 0 || locations.commit(now, &changes).is_err() {
            return 0;
        }
        if let Some(jobs) = &core.jobs {
            jobs.push(Job { changes, answer: None });
        }
        removed
    })
}

pub(super) fn explained(explained: &Explained) -> Value {
    let asked = explained.asked.iter().map(|(route, verdict)| match verdict {
        RouteVerdict::Taken => json!({ "route": route, "taken": true, "why": null }),
        RouteVerdict::Passed(why) => json!({ "route": route, "taken": false, "why": why }),
    });
    json!({ "asked": asked.collect::<Vec<_>>(), "outcome": explained.outcome })
}
