//! Tables whose keys go stale instead of meaning something else.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// Names one entry of a [`Slab<T>`], once: after the entry is gone the key finds nothing, even when its
/// place was taken again.
pub struct Key<T> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// The key as one number, for logs and for tokens that travel through other layers.
    pub fn to_bits(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.index)
    }

    /// The key back from [`to_bits`](Self::to_bits).
    pub fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32, of: PhantomData }
    }
}

// Derives would ask the same of `T`, which is only named, never held.
impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}
impl<T> Eq for Key<T> {}
impl<T> PartialOrd for Key<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Key<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_bits().cmp(&other.to_bits())
    }
}
impl<T> Hash for Key<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.to_bits());
    }
}
impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// How many places lie side by side, as a power of two.
const RUN: u32 = 8;

/// A table that hands out its own keys. Insert, look up and remove are O(1).
///
/// Its places lie in runs of 256 that stay where they are: a table that grows moves nothing and holds no more than one run in
/// reserve, where a `Vec` would copy all it has and hold up to as much again.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    runs: Vec<Vec<Place<T>>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Place<T> {
    generation: u32,
    entry: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { runs: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries are alive.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no entry is alive.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts an entry in and names it.
    pub fn insert(&mut self, entry: T) -> Key<T> {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            let (run, at) = split(index);
            let place = &mut self.runs[run][at];
            place.entry = Some(entry);
            return Key { index, generation: place.generation, of: PhantomData };
        }
        // No place is free, so there are as many as entries before this one.
        let index = u32::try_from(self.len - 1).expect("a table of 2^32 entries does not fit in memory");
        let (run, _) = split(index);
        if run == self.runs.len() {
            // The first run grows with what is in it, for most tables are small.
            self.runs.push(if run == 0 { Vec::new() } else { Vec::with_capacity(1 << RUN) });
        }
        self.runs[run].push(Place { generation: 0, entry: Some(entry) });
        Key { index, generation: 0, of: PhantomData }
    }

    fn place(&self, key: Key<T>) -> Option<&Place<T>> {
        let (run, at) = split(key.index);
        self.runs.get(run)?.get(at).filter(|place| place.generation == key.generation)
    }

    fn place_mut(&mut self, key: Key<T>) -> Option<&mut Place<T>> {
        let (run, at) = split(key.index);
        self.runs.get_mut(run)?.get_mut(at).filter(|place| place.generation == key.generation)
    }

    /// The entry, if it is still there.
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        self.place(key)?.entry.as_ref()
    }

    /// The entry, if it is still there.
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        self.place_mut(key)?.entry.as_mut()
    }

    /// Whether the entry is still there.
    pub fn contains(&self, key: Key<T>) -> bool {
        self.get(key).is_some()
    }

    /// Takes the entry out; its key never finds anything again.
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let place = self.place_mut(key)?;
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        self.len -= 1;
        Some(entry)
    }

    /// All live entries, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.runs.iter().flatten().zip(0..).filter_map(|(place, index)| {
            let key = Key { index, generation: place.generation, of: PhantomData };
            place.entry.as_ref().map(|entry| (key, entry))
        })
    }

    /// The keys of all live entries.
    pub fn keys(&self) -> impl Iterator<Item = Key<T>> {
        self.iter().map(|(key, _)| key)
    }
}

/// The run of a place, and where in it the place is.
fn split(index: u32) -> (usize, usize) {
    ((index >> RUN) as usize, (index & ((1 << RUN) - 1)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_many_runs_are_found_and_their_places_taken_again() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..1_000).map(|number| slab.insert(number)).collect();
        assert!(keys.iter().zip(0..).all(|(key, number)| slab.get(*key) == Some(&number)));
        for key in keys.iter().step_by(3) {
            assert!(slab.remove(*key).is_some());
        }
        assert_eq!(slab.len(), 666);
        assert_eq!(slab.iter().map(|(_, number)| *number).filter(|number| number % 3 == 0).count(), 0);
        let again: Vec<_> = (0..400).map(|number| slab.insert(5_000 + number)).collect();
        assert!(again.iter().zip(5_000..).all(|(key, number)| slab.get(*key) == Some(&number)));
        assert!(keys.iter().step_by(3).all(|key| !slab.contains(*key)));
        assert_eq!(slab.len(), 1_066);
    }

    #[test]
    fn a_stale_key_finds_nothing_in_a_reused_place() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn keys_survive_the_way_through_a_number() {
        let mut slab = Slab::new();
        let gone = slab.insert(0);
        slab.remove(gone);
        let key = slab.insert(1);
        assert_eq!(Key::from_bits(key.to_bits()), key);
        assert_eq!(slab.keys().collect::<Vec<_>>(), [key]);
    }
}
