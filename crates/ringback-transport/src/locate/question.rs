//! Questions to DNS and their answers, as far as server location needs them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Names one question of a [`Locator`](super::Locator).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(pub(super) u32);

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Whose records are asked for: an absolute name, without the dot at its end.
    pub name: String,
    /// Which records.
    pub kind: Kind,
}

/// A type of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Which services a domain has (RFC 3403).
    Naptr,
    /// Where a service is (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A service of the domain.
    Naptr {
        /// Lower ones first; a later one only where the earlier ones lead nowhere.
        order: u16,
        /// Of those with one order, lower ones first.
        preference: u16,
        /// `s` where the replacement has SRV records, the only kind that RFC 3263 knows; `u` where the expression makes a
        /// URI (RFC 6116).
        flags: String,
        /// Such as `SIP+D2U`.
        service: String,
        /// How a URI is made of what is looked for (RFC 3402); of no meaning in RFC 3263.
        regexp: String,
        /// The name to ask next.
        replacement: String,
    },
    /// A server.
    Srv {
        /// Lower ones first.
        priority: u16,
        /// The share among those of one priority.
        weight: u16,
        /// Its port.
        port: u16,
        /// Its name; `.` or nothing says that the service is decidedly not there.
        target: String,
    },
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name is another one for this.
    Cname(String),
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These records; ones of other kinds than asked for may be among them.
    Records(Vec<Record>),
    /// The name exists and has none of that kind.
    NoRecords,
    /// There is no such name.
    NoSuchName,
    /// The servers do not know at the moment, or do not answer.
    Failed,
}

/// Why there is no target.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocateError {
    /// The name, or what it leads to, does not exist or has no address.
    NotFound,
    /// The domain says that it does not offer the service (RFC 2782: the target is `.`).
    NotOffered,
    /// The addresses are known, and none of them can be connected to, or is of a family that we have.
    Unreachable,
    /// DNS did not answer; it may do so later.
    Unanswered,
}

impl fmt::Display for LocateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "the name leads to no address",
            Self::NotOffered => "the domain does not offer the service",
            Self::Unreachable => "none of its addresses can be reached",
            Self::Unanswered => "the name servers do not answer",
        })
    }
}

impl std::error::Error for LocateError {}
