//! Which way media flows: `a=sendrecv` and its three siblings (RFC 3264 §5.1, §6.1; RFC 8866 §6.7).

use std::fmt;

/// The direction of a medium, from the view of whoever wrote the description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways; what a description means that says nothing (RFC 8866 §6.7).
    #[default]
    SendRecv,
    /// The writer only sends, as when it holds the other side.
    SendOnly,
    /// The writer only receives, as when it is held.
    RecvOnly,
    /// Neither way. RTCP still flows (RFC 3264 §5.1).
    Inactive,
}

impl Direction {
    /// From its two halves.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The direction that an attribute of this name states.
    pub fn from_attribute(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|it| it.as_str() == name)
    }

    /// The name of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// Whether the writer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the writer receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow from the view of the other side.
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow.
    pub const fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The direction while the writer holds the other side: it listens no longer (RFC 3264 §8.4).
    pub const fn held(self) -> Self {
        Self::new(self.sends(), false)
    }

    /// The answer to an offered direction by a side that wishes for `wish`: as much of the wish as the offer
    /// leaves room for (RFC 3264 §6.1).
    pub const fn answer_to(offered: Self, wish: Self) -> Self {
        wish.and(offered.reversed())
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{self, Inactive, RecvOnly, SendOnly, SendRecv};

    /// rule 49: sendonly and recvonly mirror each other, inactive stays, sendrecv takes anything.
    #[test]
    fn rule_49_an_answer_leaves_no_more_than_was_offered() {
        #[rustfmt::skip]
        let table = [
            // offered, wish,  answer
            (SendRecv, SendRecv, SendRecv), (SendRecv, SendOnly, SendOnly), (SendRecv, RecvOnly, RecvOnly), (SendRecv, Inactive, Inactive),
            (SendOnly, SendRecv, RecvOnly), (SendOnly, SendOnly, Inactive), (SendOnly, RecvOnly, RecvOnly), (SendOnly, Inactive, Inactive),
            (RecvOnly, SendRecv, SendOnly), (RecvOnly, SendOnly, SendOnly), (RecvOnly, RecvOnly, Inactive), (RecvOnly, Inactive, Inactive),
            (Inactive, SendRecv, Inactive), (Inactive, SendOnly, Inactive), (Inactive, RecvOnly, Inactive), (Inactive, Inactive, Inactive),
        ];
        for (offered, wish, answer) in table {
            assert_eq!(
                Direction::answer_to(offered, wish),
                answer,
                "{offered} answered by a wish for {wish}"
            );
        }
    }

    #[test]
    fn names_and_reversal_go_both_ways() {
        for direction in [SendRecv, SendOnly, RecvOnly, Inactive] {
            assert_eq!(Direction::from_attribute(direction.as_str()), Some(direction));
            assert_eq!(direction.reversed().reversed(), direction);
        }
        assert_eq!(SendOnly.reversed(), RecvOnly);
        assert_eq!((SendRecv.held(), RecvOnly.held()), (SendOnly, Inactive));
        assert_eq!(Direction::from_attribute("SendRecv"), None);
    }
}
