//! The names behind the numbers in targets: whom a peer has to prove to be.

use ringback_sansio::{DomainId, Map};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// More names are not remembered; the oldest goes. A request on its way to it then fails, and the next one asks again.
const MOST: usize = 65_536;

/// Numbers of domain names, for as long as there is room.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: Map<Arc<str>, DomainId>,
    /// The names by number, of which the first is `first`.
    names: VecDeque<Arc<str>>,
    first: u64,
}

impl Domains {
    /// The number of a name.
    pub(crate) fn id(&self, name: &str) -> DomainId {
        let name: Arc<str> = name.trim_end_matches('.').to_ascii_lowercase().into();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = inner.ids.get(&name) {
            return *id;
        }
        if inner.names.len() >= MOST
            && let Some(oldest) = inner.names.pop_front()
        {
            inner.ids.remove(&oldest);
            inner.first += 1;
        }
        let id = DomainId(inner.first + inner.names.len() as u64);
        inner.ids.insert(name.clone(), id);
        inner.names.push_back(name);
        id
    }

    /// The name of a number.
    pub(crate) fn name(&self, id: DomainId) -> Option<Arc<str>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(id.0.checked_sub(inner.first)?).ok()?;
        inner.names.get(index).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_number_while_there_is_room() {
        let domains = Domains::default();
        let first = domains.id("Example.com.");
        assert_eq!(domains.id("example.com"), first);
        assert_eq!(domains.name(first).as_deref(), Some("example.com"));
        for index in 0..MOST {
            domains.id(&format!("{index}.example"));
        }
        assert_eq!(domains.name(first), None, "forgotten, and its number is nobody else's");
        assert_ne!(domains.id("example.com"), first);
        assert_eq!(domains.name(DomainId(u64::MAX)), None);
    }
}
