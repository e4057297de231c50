//! Where bindings are kept.

use crate::{Aor, Binding, BindingKey, Change, Said, Words};
use ringback_sansio::{Hasher, Key, Map, Slab};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A place for bindings that answers at once.
///
/// A store that answers later, over a network, is served without this trait: fetch the bindings by its own means, hand
/// them to [`RegistrarConfig::decide`](crate::RegistrarConfig::decide), and write the changes that it returns.
pub trait LocationStore {
    /// The bindings of an address of record that have not ended, the most preferred first.
    fn bindings(&self, now: Instant, aor: &Aor) -> Vec<&Binding>;

    /// Makes all changes, or none.
    ///
    /// # Errors
    /// When it has no room or fails; nothing has changed then.
    fn commit(&mut self, now: Instant, changes: &[Change]) -> Result<(), CommitError>;

    /// Notes the words of the request that made a binding, which [`commit`](Self::commit) has put in its place. A store need not.
    fn note(&mut self, _now: Instant, _aor: &Aor, _binding: &Binding, _words: Words) {}

    /// Has the binding that was made of these words last as long again as it did then, and gives it back; nothing where there is none,
    /// or a request of the same Call-ID and no lower number made it. A store that notes no words knows of none.
    fn renew(&mut self, _now: Instant, _aor: &Aor, _said: Said<'_>) -> Option<Arc<Binding>> {
        None
    }
}

/// Why a store did not take changes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// It holds as much as it may.
    Full,
    /// It could not be written.
    Failed,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "location store is full",
            Self::Failed => "location store could not be written",
        })
    }
}

impl std::error::Error for CommitError {}

/// Bindings in memory.
///
/// Bindings that have ended are not seen any more, whether [`expire`](Self::expire) was called or not.
#[derive(Clone, Debug)]
pub struct MemoryLocations {
    records: Slab<Record>,
    /// In the order in which they were registered. Hardly anybody has two.
    by_aor: Map<Aor, SmallVec<[Key<Record>; 1]>>,
    /// When each is to be looked at, the next one first: one place for each binding, at its end or before it. What is refreshed
    /// stays in its place, and goes to its new end when it is looked at.
    ends: BTreeSet<(Instant, Key<Record>)>,
    capacity: usize,
}

#[derive(Clone, Debug)]
struct Record {
    aor: Aor,
    binding: Arc<Binding>,
    /// Its place among the ends.
    due: Instant,
    /// Of what words it was made, and for how long.
    made: Option<(Words, Duration)>,
}

impl MemoryLocations {
    /// A store for at most `capacity` bindings.
    pub fn new(capacity: usize) -> Self {
        Self::with_hasher(capacity, Hasher::default())
    }

    /// The same with a hasher under a random key, so that addresses that collide cannot be prepared.
    pub fn with_hasher(capacity: usize, hasher: Hasher) -> Self {
        Self { records: Slab::new(), by_aor: Map::with_hasher(hasher), ends: BTreeSet::new(), capacity }
    }

    /// Makes room for at most `capacity` bindings from now on. Where there are more already, all of them stay.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// How many bindings there are, ended ones included until [`expire`](Self::expire) takes them out.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bindings of an address of record that have not ended: by falling q, and among equals the one that was
    /// registered or refreshed last comes first.
    pub fn lookup(&self, now: Instant, aor: &Aor) -> Vec<&Binding> {
        let keys = self.by_aor.get(aor).into_iter().flatten();
        let mut found: Vec<&Binding> = keys
            .rev()
            .filter_map(|key| self.records.get(*key))
            .map(|record| &*record.binding)
            .filter(|binding| binding.is_alive(now))
            .collect();
        found.sort_by_key(|binding| std::cmp::Reverse(binding.preference()));
        found
    }

    /// All bindings, in no particular order: a snapshot for a disk.
    pub fn iter(&self) -> impl Iterator<Item = (&Aor, &Binding)> {
        self.records.iter().map(|(_, record)| (&record.aor, &*record.binding))
    }

    /// When [`expire`](Self::expire) is to be called: when the next binding ends, or before it, where one was refreshed since.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// Takes out what has ended, one binding for each step of the iterator, the earliest first.
    pub fn expire(&mut self, now: Instant) -> impl Iterator<Item = Change> {
        std::iter::from_fn(move || {
            loop {
                let (at, key) = *self.ends.first().filter(|(at, _)| *at <= now)?;
                match self.records.get_mut(key).filter(|record| record.binding.is_alive(now)) {
                    Some(record) => {
                        record.due = record.binding.expires_at;
                        self.ends.insert((record.due, key));
                        self.ends.remove(&(at, key));
                    }
                    None => {
                        let record =
                            self.take(key).expect("a binding and its end are set and removed together");
                        return Some(Change::Remove(record.aor, record.binding.key()));
                    }
                }
            }
        })
    }

    /// Adds a binding that a disk has kept, or puts it in the place of the one with the same key. One that has ended is
    /// passed over.
    ///
    /// # Errors
    /// When there is no room.
    pub fn restore(&mut self, now: Instant, aor: Aor, binding: Binding) -> Result<(), CommitError> {
        if !binding.is_alive(now) {
            return Ok(());
        }
        if let Some(old) = self.same(&aor, &binding) {
            self.take(old);
        }
        if self.records.len() >= self.capacity {
            return Err(CommitError::Full);
        }
        self.add(aor, Arc::new(binding));
        Ok(())
    }

    fn find(&self, aor: &Aor, key: &BindingKey) -> Option<Key<Record>> {
        let is_it = |at: &Key<Record>| self.records.get(*at).is_some_and(|record| key.is_of(&record.binding));
        self.by_aor.get(aor)?.iter().copied().find(is_it)
    }

    /// The one whose place a binding would take.
    fn same(&self, aor: &Aor, binding: &Binding) -> Option<Key<Record>> {
        let is_it = |at: &Key<Record>| self.records.get(*at).is_some_and(|old| old.binding.is_same(binding));
        self.by_aor.get(aor)?.iter().copied().find(is_it)
    }

    fn put(&mut self, aor: &Aor, binding: Arc<Binding>) {
        let Some(keys) = self.by_aor.get_mut(aor) else { return self.add(aor.clone(), binding) };
        let is_it =
            |key: &Key<Record>| self.records.get(*key).is_some_and(|old| old.binding.is_same(&binding));
        let Some(place) = keys.iter().position(is_it) else { return self.add(aor.clone(), binding) };
        // Stays where it is in the tables; only that it was registered last is new, and where it ends earlier than before.
        let key = keys.remove(place);
        keys.push(key);
        if let Some(record) = self.records.get_mut(key) {
            if binding.expires_at < record.due {
                self.ends.remove(&(record.due, key));
                self.ends.insert((binding.expires_at, key));
                record.due = binding.expires_at;
            }
            record.binding = binding;
            record.made = None;
        }
    }

    fn add(&mut self, aor: Aor, binding: Arc<Binding>) {
        let due = binding.expires_at;
        let key = self.records.insert(Record { aor: aor.clone(), binding, due, made: None });
        self.by_aor.entry(aor).or_default().push(key);
        self.ends.insert((due, key));
    }

    fn remove(&mut self, aor: &Aor, key: &BindingKey) {
        if let Some(key) = self.find(aor, key) {
            self.take(key);
        }
    }

    fn take(&mut self, key: Key<Record>) -> Option<Record> {
        let record = self.records.remove(key)?;
        self.ends.remove(&(record.due, key));
        if let Some(keys) = self.by_aor.get_mut(&record.aor) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_aor.remove(&record.aor);
            }
        }
        Some(record)
    }
}

impl LocationStore for MemoryLocations {
    fn bindings(&self, now: Instant, aor: &Aor) -> Vec<&Binding> {
        self.lookup(now, aor)
    }

    fn commit(&mut self, now: Instant, changes: &[Change]) -> Result<(), CommitError> {
        // Counts what is freed as well, so that a full store can still replace and remove.
        let (mut added, mut freed) = (0, 0);
        // With room for all of them nothing has to be counted.
        let is_near = self.records.len() + changes.len() > self.capacity;
        for change in changes.iter().filter(|_| is_near) {
            match change {
                Change::Put(aor, binding) => {
                    added += usize::from(self.same(aor, binding).is_none());
                }
                Change::Remove(aor, key) => {
                    freed += usize::from(self.find(aor, key).is_some());
                }
            }
        }
        if added > freed && self.records.len() + added - freed > self.capacity {
            return Err(CommitError::Full);
        }
        for change in changes {
            match change {
                Change::Put(aor, binding) if binding.is_alive(now) => self.put(aor, binding.clone()),
                Change::Put(aor, binding) => self.remove(aor, &binding.key()),
                Change::Remove(aor, key) => self.remove(aor, key),
            }
        }
        Ok(())
    }

    fn note(&mut self, now: Instant, aor: &Aor, binding: &Binding, words: Words) {
        let made = (words, binding.expires_at.saturating_duration_since(now));
        if let Some(record) = self.same(aor, binding).and_then(|key| self.records.get_mut(key)) {
            record.made = Some(made);
        }
    }

    fn renew(&mut self, now: Instant, aor: &Aor, said: Said<'_>) -> Option<Arc<Binding>> {
        let Said { words, call_id, cseq } = said;
        let keys = self.by_aor.get_mut(aor)?;
        let place = keys.iter().position(|key| {
            let made = self.records.get(*key).and_then(|record| record.made);
            made.is_some_and(|(own, _)| own == words)
        })?;
        let record = self.records.get_mut(*keys.get(place)?)?;
        let (_, lasts) = record.made?;
        let (old, ends) = (&*record.binding, now + lasts);
        let is_new = old.cseq < cseq || old.call_id != call_id;
        // Nor may it grow: how much a binding may hold is not looked at here.
        let is_longer = call_id.len() > old.call_id.len();
        if !old.is_alive(now) || !is_new || is_longer || ends < old.expires_at {
            return None;
        }
        // Written where it is, unless somebody still looks at it.
        let binding = Arc::make_mut(&mut record.binding);
        (binding.expires_at, binding.cseq) = (ends, cseq);
        binding.call_id.clear();
        binding.call_id.push_str(call_id);
        let renewed = record.binding.clone();
        // It was registered last. Its place among the ends is before its end now, as that of each that was refreshed.
        if let Some(rest) = keys.get_mut(place..) {
            rest.rotate_left(1);
        }
        Some(renewed)
    }
}
