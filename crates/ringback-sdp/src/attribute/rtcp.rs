//! RTCP: where it goes and what it tells (RFC 3605, RFC 5761, RFC 8858, RFC 5506, RFC 4585, RFC 3611).

use super::macros::{digits, is_token, property, split_word};
use super::{AttributeError, AttributeValue};
use std::fmt;

/// `a=rtcp`: where RTCP is received (RFC 3605 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtcp<'a> {
    /// The port.
    pub port: u16,
    /// The host, when it is not that of the medium: its network type, address type and address.
    pub host: Option<(&'a str, &'a str, &'a str)>,
}

impl<'a> AttributeValue<'a> for Rtcp<'a> {
    const NAME: &'static str = "rtcp";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("rtcp-attribute");
        let mut words = value.split_ascii_whitespace();
        let port = words.next().and_then(digits).ok_or(error)?;
        let host = match (words.next(), words.next(), words.next(), words.next()) {
            (Some(network), Some(kind), Some(address), None) => Some((network, kind, address)),
            (None, ..) => None,
            _ => return Err(error),
        };
        Ok(Self { port, host })
    }
}

impl fmt::Display for Rtcp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.port.fmt(f)?;
        self.host.map_or(Ok(()), |(network, kind, address)| write!(f, " {network} {kind} {address}"))
    }
}

property! {
    /// `a=rtcp-mux`: RTP and RTCP may share a port (RFC 5761 §5.1.1).
    RtcpMux, "rtcp-mux";
    /// `a=rtcp-mux-only`: they have to (RFC 8858 §4).
    RtcpMuxOnly, "rtcp-mux-only";
    /// `a=rtcp-rsize`: RTCP packets may stand alone (RFC 5506 §5).
    RtcpReducedSize, "rtcp-rsize";
}

/// `a=rtcp-fb`: feedback that is understood (RFC 4585 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpFeedback<'a> {
    /// The payload type; none for all (`*`).
    pub payload_type: Option<u8>,
    /// Such as `nack`, `ccm` or `transport-cc`.
    pub kind: &'a str,
    /// Such as `pli` or `fir`. Empty when there is none.
    pub parameters: &'a str,
}

impl RtcpFeedback<'_> {
    /// Whether it is meant for a payload type.
    pub fn applies_to(&self, payload_type: u8) -> bool {
        self.payload_type.is_none_or(|own| own == payload_type)
    }
}

impl<'a> AttributeValue<'a> for RtcpFeedback<'a> {
    const NAME: &'static str = "rtcp-fb";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("rtcp-fb-syntax");
        let (number, rest) = split_word(value);
        let (kind, parameters) = split_word(rest);
        let payload_type = match number {
            "*" => None,
            number => Some(digits(number).filter(|number| *number < 128).ok_or(error)?),
        };
        if is_token(kind) { Ok(Self { payload_type, kind, parameters }) } else { Err(error) }
    }
}

impl fmt::Display for RtcpFeedback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(number) => write!(f, "{number} {}", self.kind)?,
            None => write!(f, "* {}", self.kind)?,
        }
        if self.parameters.is_empty() { Ok(()) } else { write!(f, " {}", self.parameters) }
    }
}

/// `a=rtcp-xr`: the extended reports that its sender reads (RFC 3611 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpExtendedReports<'a>(&'a str);

impl<'a> RtcpExtendedReports<'a> {
    /// The formats with what is behind their `=`, such as `rcvr-rtt` with `all`, or `voip-metrics` with nothing.
    pub fn formats(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split_ascii_whitespace().map(|word| word.split_once('=').unwrap_or((word, "")))
    }

    /// Whether the metrics of voice over IP are read (RFC 3611 §4.7).
    pub fn reads_voip_metrics(self) -> bool {
        self.formats().any(|(name, _)| name == "voip-metrics")
    }
}

impl<'a> AttributeValue<'a> for RtcpExtendedReports<'a> {
    const NAME: &'static str = "rtcp-xr";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let found = Self(value);
        // RFC 3611 §5.1 lets the list be empty: none is read.
        if found.formats().all(|(name, _)| is_token(name)) {
            Ok(found)
        } else {
            Err(AttributeError::new("rtcp-xr-attrib"))
        }
    }
}

impl fmt::Display for RtcpExtendedReports<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    /// RFC 3605 §2.1.
    #[test]
    fn rtcp_has_a_port_and_may_have_a_host() {
        assert_eq!(round::<Rtcp<'_>>("53020"), Rtcp { port: 53020, host: None });
        assert_eq!(round::<Rtcp<'_>>("53020 IN IP4 126.16.64.4").host, Some(("IN", "IP4", "126.16.64.4")));
        assert_eq!(round::<Rtcp<'_>>("53020 IN IP6 2001:2345:6789:ABCD:EF01:2345:6789:ABCD").port, 53020);
        assert!(Rtcp::parse("53020 IN").is_err() && Rtcp::parse("65536").is_err());
    }

    /// RFC 3611 §5.1 and §5.3.
    #[test]
    fn extended_reports_are_a_list_of_formats() {
        let some = round::<RtcpExtendedReports<'_>>("rcvr-rtt=all:10000 voip-metrics stat-summary=loss,jitt");
        assert!(some.reads_voip_metrics());
        assert_eq!(some.formats().next(), Some(("rcvr-rtt", "all:10000")));
        assert_eq!(some.formats().count(), 3);
        assert!(!round::<RtcpExtendedReports<'_>>("pkt-loss-rle").reads_voip_metrics());
        assert!(!round::<RtcpExtendedReports<'_>>("").reads_voip_metrics());
        assert!(RtcpExtendedReports::parse("=all").is_err());
    }

    /// RFC 4585 §4.2 and RFC 5104 §7.
    #[test]
    fn feedback_is_for_one_payload_type_or_for_all() {
        let rpsi = round::<RtcpFeedback<'_>>("* nack rpsi");
        assert_eq!((rpsi.payload_type, rpsi.kind, rpsi.parameters), (None, "nack", "rpsi"));
        assert!(rpsi.applies_to(96));
        let tmmbr = round::<RtcpFeedback<'_>>("98 ccm tmmbr smaxpr=120");
        assert_eq!(tmmbr.parameters, "tmmbr smaxpr=120");
        assert!(tmmbr.applies_to(98) && !tmmbr.applies_to(96));
        assert_eq!(round::<RtcpFeedback<'_>>("96 transport-cc").parameters, "");
        assert!(RtcpFeedback::parse("128 nack").is_err() && RtcpFeedback::parse("96").is_err());
    }
}
