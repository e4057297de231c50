//! Hashes with a named key, so that the same inputs give the same run.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

/// A hash map for keys that a peer cannot choose freely, or where the owner keys the hasher.
pub type Map<K, V> = HashMap<K, V, Hasher>;
/// A hash set; see [`Map`].
pub type Set<K> = HashSet<K, Hasher>;

/// The hash of tables, under a key of the owner's choosing: fast, and good as long as nobody sees what it gives. What is shown to
/// peers is made by a [`Seal`].
///
/// The default key is fixed, which makes runs repeatable. Where a peer picks the keys of a table (branches,
/// Call-IDs), the owner makes the hasher with random bytes, so that collisions cannot be prepared:
///
/// ```
/// use ringback_sansio::{Hasher, Map};
/// let mut table: Map<String, u32> = Map::with_hasher(Hasher::keyed(0x5eed));
/// table.insert("z9hG4bK1".into(), 1);
/// assert_eq!(table.get("z9hG4bK1"), Some(&1));
/// ```
#[derive(Clone, Debug)]
pub struct Hasher {
    state: ahash::RandomState,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::keyed(0)
    }
}

impl Hasher {
    /// A hasher under `key`, which should come from [`Entropy`](crate::Entropy).
    pub fn keyed(key: u64) -> Self {
        // Its four words are all of the one, by a hash that cannot be turned around.
        let of = |word: u64| Seal::keyed(key).hash_one(word);
        Self { state: ahash::RandomState::with_seeds(of(0), of(1), of(2), of(3)) }
    }
}

impl BuildHasher for Hasher {
    type Hasher = ahash::AHasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.state.build_hasher()
    }
}

/// SipHash 1-3 under a key of the owner's choosing: what peers are shown to know it again, such as tags and tokens. Whoever sees
/// what it gives learns nothing of the key, and cannot make more of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seal {
    key: u64,
}

impl Seal {
    /// A seal under `key`, which should come from [`Entropy`](crate::Entropy).
    pub fn keyed(key: u64) -> Self {
        Self { key }
    }
}

impl BuildHasher for Seal {
    type Hasher = std::hash::DefaultHasher;

    fn build_hasher(&self) -> Self::Hasher {
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hasher::write_u64(&mut hasher, self.key);
        hasher
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_change_the_hash_and_nothing_else_does() {
        assert_eq!(Hasher::keyed(1).hash_one("a"), Hasher::keyed(1).hash_one("a"));
        assert_ne!(Hasher::keyed(1).hash_one("a"), Hasher::keyed(2).hash_one("a"));
        assert_eq!(Seal::keyed(1).hash_one("a"), Seal::keyed(1).hash_one("a"));
        assert_ne!(Seal::keyed(1).hash_one("a"), Seal::keyed(2).hash_one("a"));
    }
}
