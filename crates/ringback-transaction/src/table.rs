//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3).
//!
//! What tells a transaction apart, but for the method, is written into one run of bytes, in a buffer that is kept for this. Of
//! these a table keeps 128 bits under two keys of its own, the [`Identity`]: a lookup allocates nothing, and an entry, which
//! mostly waits half a minute for copies that do not come, holds no bytes of its message. Nobody sees these bits, so nobody can
//! choose a message that has those of another; by chance one in 2^64 transactions at once would. The method is compared by the
//! caller, for CANCEL looks for any other (§9.2).

use hashbrown::HashTable;
use ringback_message::{Host, Request, header::Via};
use ringback_sansio::{Hasher, Key, Protocol, Seal};
use std::hash::BuildHasher as _;
use std::io::Write as _;
use std::net::IpAddr;

/// What tells a transaction apart, as a table keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    hash: u64,
    check: u64,
}

/// Entries of a slab by their identity.
pub(crate) struct Index<T> {
    hasher: Hasher,
    checker: Hasher,
    seal: Seal,
    places: HashTable<(Identity, Key<T>)>,
}

impl<T> Index<T> {
    /// An empty index, whose hashes are keyed so that a peer cannot prepare collisions.
    pub(crate) fn new(key: u64) -> Self {
        let (hasher, checker) = (Hasher::keyed(key), Hasher::keyed(key.rotate_left(32) ^ u64::MAX));
        Self { hasher, checker, seal: Seal::keyed(!key), places: HashTable::new() }
    }

    pub(crate) fn identity(&self, bytes: &[u8]) -> Identity {
        Identity { hash: self.hasher.hash_one(bytes), check: self.checker.hash_one(bytes) }
    }

    /// A mark of an identity that peers may see.
    pub(crate) fn mark(&self, bytes: &[u8]) -> u64 {
        self.seal.hash_one(bytes)
    }

    /// The keys of that identity.
    pub(crate) fn candidates(&self, identity: Identity) -> impl Iterator<Item = Key<T>> + '_ {
        self.places.iter_hash(identity.hash).filter(move |(of, _)| *of == identity).map(|(_, key)| *key)
    }

    pub(crate) fn insert(&mut self, identity: Identity, key: Key<T>) {
        self.places.insert_unique(identity.hash, (identity, key), |(of, _)| of.hash);
    }

    pub(crate) fn remove(&mut self, identity: Identity, key: Key<T>) {
        if let Ok(place) = self.places.find_entry(identity.hash, |(_, other)| *other == key) {
            place.remove();
        }
    }
}

/// Writes what tells a client transaction apart: its branch, in which letter case means nothing (§7.3.1).
pub(crate) fn client_identity(branch: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(branch);
    out.make_ascii_lowercase();
}

/// How a request says which transaction it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matching {
    /// By branch and sent-by.
    Branch,
    /// As before there were branches: by Request-URI, tags, Call-ID, CSeq and Via. The To tag, which the ACK
    /// takes from the response, is not part of the identity and is compared on the entry.
    Rfc2543,
}

/// Writes what tells a server transaction apart; `None` when the request lacks what it needs.
pub(crate) fn server_identity(message: &Request, via: &Via<'_>, out: &mut Vec<u8>) -> Option<Matching> {
    out.clear();
    if let Some(branch) = via.unique_branch() {
        let default_port = Protocol::from_token(via.transport).unwrap_or(Protocol::Udp).default_port();
        out.extend_from_slice(branch.as_bytes());
        out.push(b' ');
        if let Host::Name(name) = via.host {
            out.extend_from_slice(name.strip_suffix('.').unwrap_or(name).as_bytes());
        }
        out.make_ascii_lowercase();
        out.push(b' ');
        // Their octets are no letters.
        match via.host.ip() {
            Some(IpAddr::V4(ip)) => out.extend_from_slice(&ip.octets()),
            Some(IpAddr::V6(ip)) => out.extend_from_slice(&ip.octets()),
            None => {}
        }
        out.extend_from_slice(&via.port.unwrap_or(default_port).to_be_bytes());
        return Some(Matching::Branch);
    }
    let routing = message.routing().ok()?;
    let top = message.values(ringback_message::HeaderId::VIA).next()?;
    let uri = message.uri_bytes();
    let from_tag = routing.from_tag.unwrap_or_default();
    // Writing into a vector does not fail.
    let _ = write!(out, "\0{}\0{}\0{from_tag}\0", routing.call_id, routing.cseq.number);
    out.extend_from_slice(uri);
    out.push(0);
    out.extend_from_slice(top);
    Some(Matching::Rfc2543)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::Message;

    fn identity(via: &str, call_id: &str) -> (Option<Matching>, Vec<u8>) {
        let text = format!(
            "OPTIONS sip:x SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        let message = Message::parse(text.into_bytes()).unwrap();
        let message = Request::try_from(message).unwrap();
        let mut out = Vec::new();
        let via = message.require::<Via<'_>>().unwrap();
        (server_identity(&message, &via, &mut out), out)
    }

    #[test]
    fn rule_2_sent_by_has_no_letter_case_and_a_default_port() {
        let one = identity("SIP/2.0/UDP Host.Example;branch=z9hG4bKa", "1");
        assert_eq!(one.0, Some(Matching::Branch));
        assert_eq!(one, identity("SIP/2.0/UDP host.example.:5060;branch=z9hG4bKA;rport=7", "2"));
        assert_ne!(one, identity("SIP/2.0/TLS host.example;branch=z9hG4bKa", "1"));
        assert_ne!(one, identity("SIP/2.0/UDP host.example;branch=z9hG4bKb", "1"));
        assert_ne!(one, identity("SIP/2.0/UDP host.example:5061;branch=z9hG4bKa", "1"));
    }

    #[test]
    fn rule_2_without_the_cookie_everything_else_tells_apart() {
        let one = identity("SIP/2.0/UDP a;branch=1", "1");
        assert_eq!(one.0, Some(Matching::Rfc2543));
        assert_eq!(one, identity("SIP/2.0/UDP a;branch=1", "1"));
        assert_ne!(one, identity("SIP/2.0/UDP a;branch=2", "1"));
        assert_ne!(one, identity("SIP/2.0/UDP a;branch=1", "2"));
        // RFC 4475 §3.2.1: a cookie with nothing behind it is no branch.
        assert_eq!(identity("SIP/2.0/UDP a;branch=z9hG4bK", "1").0, Some(Matching::Rfc2543));
    }

    #[test]
    fn entries_of_one_identity_are_all_found_and_one_is_removed_alone() {
        let mut slab = ringback_sansio::Slab::new();
        let mut index = Index::new(1);
        let (one, two, other) = (slab.insert("one"), slab.insert("two"), slab.insert("other"));
        let identity = index.identity(b"z9hG4bK1");
        index.insert(identity, one);
        index.insert(identity, two);
        index.insert(index.identity(b"z9hG4bK2"), other);
        index.remove(identity, one);
        assert_eq!(index.candidates(identity).collect::<Vec<_>>(), [two]);
        index.remove(identity, two);
        assert_eq!(index.candidates(identity).count(), 0);
        // The same half alone is not the same.
        let half = Identity { check: 0, ..index.identity(b"z9hG4bK2") };
        assert_eq!(index.candidates(half).count(), 0);
        assert_eq!(index.candidates(index.identity(b"z9hG4bK2")).collect::<Vec<_>>(), [other]);
    }

    #[test]
    fn the_key_of_a_table_changes_both_halves() {
        let (one, two) = (Index::<()>::new(1).identity(b"a"), Index::<()>::new(2).identity(b"a"));
        assert_ne!(one.hash, two.hash);
        assert_ne!(one.check, two.check);
        assert_ne!(one.hash, one.check);
    }
}
