//! Why a packet was not protected, or not believed.

use std::fmt;

/// Why a packet was refused. For one that came from the network it is the peer's fault, and nothing but the octets of
/// the buffer has changed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Shorter than its header says, or not of version 2.
    Malformed,
    /// Its tag is not what the key makes of it: changed on the way, forged, or protected by another key.
    Forged,
    /// Its index has been.
    Replayed,
    /// It comes later than [`WINDOW`](crate::WINDOW) others; nobody can tell whether it has been.
    TooOld,
    /// It names a master key that is not known.
    UnknownKey,
    /// There are [`MAX_SOURCES`](crate::MAX_SOURCES) streams already.
    TooManySources,
    /// The key has protected as many packets as it may.
    KeySpent,
    /// The buffer has no room for what is added.
    NoRoom,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "no whole packet",
            Self::Forged => "the tag of the packet is wrong",
            Self::Replayed => "the packet has been before",
            Self::TooOld => "the packet is too old to be judged",
            Self::UnknownKey => "the packet names a key that is not known",
            Self::TooManySources => "too many streams",
            Self::KeySpent => "the key may protect no more packets",
            Self::NoRoom => "the buffer has no room for the tag",
        })
    }
}

impl std::error::Error for Refused {}
