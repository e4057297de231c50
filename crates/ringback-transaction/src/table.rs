//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3).
//!
//! What tells a transaction apart, but for the method, is written into one run of bytes, its identity. A lookup
//! writes the identity of a message into a buffer that is kept for this, hashes it, and compares it with those
//! of the entries under that hash: no allocation. The method is compared by the caller, for CANCEL looks for
//! any other (§9.2).

use ringback_message::{Host, Request, header::Via};
use ringback_sansio::{Hasher, Key, Map, Protocol, Seal};
use smallvec::SmallVec;
use std::hash::BuildHasher as _;
use std::io::Write as _;
use std::net::IpAddr;

/// Entries of a slab by the hash of their identity.
pub(crate) struct Index<T> {
    hasher: Hasher,
    seal: Seal,
    buckets: Map<u64, SmallVec<[Key<T>; 2]>>,
}

impl<T> Index<T> {
    /// An empty index, whose hash is keyed so that a peer cannot prepare collisions.
    pub(crate) fn new(key: u64) -> Self {
        let hasher = Hasher::keyed(key);
        Self { buckets: Map::with_hasher(hasher.clone()), hasher, seal: Seal::keyed(!key) }
    }

    pub(crate) fn hash(&self, identity: &[u8]) -> u64 {
        self.hasher.hash_one(identity)
    }

    /// A mark of an identity that peers may see.
    pub(crate) fn mark(&self, identity: &[u8]) -> u64 {
        self.seal.hash_one(identity)
    }

    /// The keys under `hash`; whether the identity is the same is still to be checked.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = Key<T>> + '_ {
        self.buckets.get(&hash).into_iter().flatten().copied()
    }

    pub(crate) fn insert(&mut self, hash: u64, key: Key<T>) {
        self.buckets.entry(hash).or_default().push(key);
    }

    pub(crate) fn remove(&mut self, hash: u64, key: Key<T>) {
        if let Some(keys) = self.buckets.get_mut(&hash) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.buckets.remove(&hash);
            }
        }
    }
}

/// Writes the identity of a client transaction: its branch, in which letter case means nothing (§7.3.1).
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

/// Writes the identity of a server transaction; `None` when the request lacks what it needs.
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
    fn entries_under_one_hash_are_kept_apart() {
        let mut slab = ringback_sansio::Slab::new();
        let mut index = Index::new(1);
        let (one, two) = (slab.insert("one"), slab.insert("two"));
        index.insert(7, one);
        index.insert(7, two);
        index.remove(7, one);
        assert_eq!(index.candidates(7).collect::<Vec<_>>(), [two]);
        index.remove(7, two);
        assert!(index.buckets.is_empty());
    }
}
