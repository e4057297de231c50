//! What a session or a medium may take of the line: `b=` (RFC 8866 §5.8, RFC 3556, RFC 3890).

use crate::{ByteString, InvalidText, Media, SessionDescription};
use std::fmt;

/// A `b=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth<'a> {
    /// What is counted.
    pub kind: BandwidthKind<'a>,
    /// How much of it: kbit/s for `CT` and `AS`, bit/s for `TIAS`, `RS` and `RR`.
    pub value: u64,
}

/// What a `b=` line counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BandwidthKind<'a> {
    /// `CT`: the whole conference, in kbit/s (RFC 8866 §5.8).
    ConferenceTotal,
    /// `AS`: one application with all headers, in kbit/s (RFC 8866 §5.8).
    ApplicationSpecific,
    /// `TIAS`: media without headers of the transport, in bit/s (RFC 3890 §6.2).
    TransportIndependent,
    /// `RS`: RTCP of senders, in bit/s (RFC 3556 §2).
    RtcpSenders,
    /// `RR`: RTCP of receivers, in bit/s (RFC 3556 §2).
    RtcpReceivers,
    /// Another one.
    Other(&'a str),
}

impl<'a> BandwidthKind<'a> {
    /// The word before the colon.
    pub fn as_str(self) -> &'a str {
        match self {
            Self::ConferenceTotal => "CT",
            Self::ApplicationSpecific => "AS",
            Self::TransportIndependent => "TIAS",
            Self::RtcpSenders => "RS",
            Self::RtcpReceivers => "RR",
            Self::Other(word) => word,
        }
    }
}

impl<'a> Bandwidth<'a> {
    /// Reads what stands behind `b=`. None when it is not a word and a number.
    pub fn parse(line: &'a ByteString) -> Option<Self> {
        let (kind, value) = line.as_str()?.split_once(':')?;
        let kind = match kind.trim() {
            "CT" => BandwidthKind::ConferenceTotal,
            "AS" => BandwidthKind::ApplicationSpecific,
            "TIAS" => BandwidthKind::TransportIndependent,
            "RS" => BandwidthKind::RtcpSenders,
            "RR" => BandwidthKind::RtcpReceivers,
            "" => return None,
            other => BandwidthKind::Other(other),
        };
        Some(Self { kind, value: crate::attribute::digits(value.trim())? })
    }

    /// The line that says this.
    ///
    /// # Errors
    /// [`InvalidText`] when the kind would end the line.
    pub fn line(&self) -> Result<ByteString, InvalidText> {
        ByteString::new(self.to_string())
    }
}

impl fmt::Display for Bandwidth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.value)
    }
}

impl Media {
    /// The bandwidth of a kind that the medium states itself.
    pub fn bandwidth(&self, kind: BandwidthKind<'_>) -> Option<u64> {
        find(&self.bandwidths, kind)
    }
}

impl SessionDescription {
    /// The bandwidth of a kind that is stated for the session.
    pub fn bandwidth(&self, kind: BandwidthKind<'_>) -> Option<u64> {
        find(&self.bandwidths, kind)
    }
}

fn find(lines: &[ByteString], kind: BandwidthKind<'_>) -> Option<u64> {
    lines.iter().filter_map(Bandwidth::parse).find(|it| it.kind == kind).map(|it| it.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths_have_a_kind_and_a_number() {
        let line = |text: &str| ByteString::new(text).unwrap();
        let lines = [line("X-YZ:128"), line("AS:64"), line("TIAS:50780"), line("RS:0"), line("CT:x")];
        assert_eq!(find(&lines, BandwidthKind::ApplicationSpecific), Some(64));
        assert_eq!(find(&lines, BandwidthKind::TransportIndependent), Some(50780));
        assert_eq!(find(&lines, BandwidthKind::RtcpSenders), Some(0));
        assert_eq!(find(&lines, BandwidthKind::Other("X-YZ")), Some(128));
        assert_eq!(find(&lines, BandwidthKind::ConferenceTotal), None);
        assert_eq!(Bandwidth::parse(&lines[1]).and_then(|it| it.line().ok()), Some(line("AS:64")));
    }
}
