//! Payload formats, packet times, header extensions and sources (RFC 8866 §6, RFC 8285, RFC 5576).

use super::macros::{digits, is_token, property, split_word};
use super::{AttributeError, AttributeValue};
use crate::Direction;
use std::fmt;
use std::time::Duration;

/// `a=rtpmap`: what a payload type is (RFC 8866 §6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtpmap<'a> {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The encoding name.
    pub encoding: &'a str,
    /// The clock rate in Hz.
    pub clock_rate: u32,
    /// What stands behind the second slash: for audio the number of channels.
    pub parameters: Option<&'a str>,
}

impl<'a> AttributeValue<'a> for Rtpmap<'a> {
    const NAME: &'static str = "rtpmap";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("rtpmap-value");
        let (number, encoding) = split_word(value);
        let mut parts = encoding.trim_end().splitn(3, '/');
        let (Some(encoding), Some(clock_rate)) = (parts.next(), parts.next()) else { return Err(error) };
        Ok(Self {
            payload_type: payload_type(number).ok_or(error)?,
            encoding: Some(encoding).filter(|name| is_token(name)).ok_or(error)?,
            clock_rate: digits(clock_rate).ok_or(error)?,
            parameters: parts.next(),
        })
    }
}

impl fmt::Display for Rtpmap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding, self.clock_rate)?;
        self.parameters.map_or(Ok(()), |parameters| write!(f, "/{parameters}"))
    }
}

fn payload_type(text: &str) -> Option<u8> {
    digits(text).filter(|number| *number < 128)
}

/// `a=fmtp`: the parameters of a format (RFC 8866 §6.15). [`crate::Media::parameters`] gives their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fmtp<'a> {
    /// The format of the `m=` line.
    pub format: &'a str,
    /// The parameters as they were written.
    pub parameters: &'a str,
}

impl<'a> AttributeValue<'a> for Fmtp<'a> {
    const NAME: &'static str = "fmtp";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let (format, parameters) = split_word(value);
        match format.is_empty() || parameters.is_empty() {
            true => Err(AttributeError::new("fmtp-value")),
            false => Ok(Self { format, parameters }),
        }
    }
}

impl fmt::Display for Fmtp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.format, self.parameters)
    }
}

macro_rules! packet_time {
    ($($(#[$doc:meta])* $type:ident, $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(pub Duration);

        impl AttributeValue<'_> for $type {
            const NAME: &'static str = $name;

            fn parse(value: &str) -> Result<Self, AttributeError> {
                crate::media::milliseconds(value).map(Self).ok_or(AttributeError::new($name))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (whole, micros) = (self.0.as_millis(), self.0.subsec_micros() % 1000);
                match micros {
                    0 => write!(f, "{whole}"),
                    _ => f.write_str(format!("{whole}.{micros:03}").trim_end_matches('0')),
                }
            }
        }
    )*};
}

packet_time! {
    /// `a=ptime`: how much audio the writer wants in a packet (RFC 8866 §6.4). Written in microseconds at best.
    Ptime, "ptime";
    /// `a=maxptime`: how much audio a packet may hold (RFC 8866 §6.5).
    MaxPtime, "maxptime";
}

/// `a=extmap`: an RTP header extension and the number it goes by (RFC 8285 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extmap<'a> {
    /// The number: 1 to 14 in one-byte headers, to 255 in two-byte headers; 4096 to 4351 for offers that have
    /// more extensions than numbers (RFC 8285 §7).
    pub id: u16,
    /// The way it is sent, when it is not that of the medium.
    pub direction: Option<Direction>,
    /// What it is.
    pub uri: &'a str,
    /// What that extension is to be told.
    pub attributes: &'a str,
}

impl<'a> AttributeValue<'a> for Extmap<'a> {
    const NAME: &'static str = "extmap";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("extmap");
        let (mapping, rest) = split_word(value);
        let (uri, attributes) = split_word(rest);
        let (id, direction) = match mapping.split_once('/') {
            Some((id, direction)) => (id, Some(Direction::from_attribute(direction).ok_or(error)?)),
            None => (mapping, None),
        };
        let id = digits(id).filter(|id| matches!(id, 1..=255 | 4096..=4351)).ok_or(error)?;
        if uri.is_empty() { Err(error) } else { Ok(Self { id, direction, uri, attributes }) }
    }
}

impl fmt::Display for Extmap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)?;
        if let Some(direction) = self.direction {
            write!(f, "/{direction}")?;
        }
        write!(f, " {}", self.uri)?;
        if self.attributes.is_empty() { Ok(()) } else { write!(f, " {}", self.attributes) }
    }
}

property! {
    /// `a=extmap-allow-mixed`: one-byte and two-byte headers may be mixed (RFC 8285 §6).
    ExtmapAllowMixed, "extmap-allow-mixed";
}

/// `a=ssrc`: something about a source (RFC 5576 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ssrc<'a> {
    /// The source.
    pub ssrc: u32,
    /// What is said about it, such as `cname`.
    pub attribute: &'a str,
    /// What it is, when that is no property.
    pub value: Option<&'a str>,
}

impl<'a> AttributeValue<'a> for Ssrc<'a> {
    const NAME: &'static str = "ssrc";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("ssrc-attr");
        let (ssrc, attribute) = split_word(value);
        let (attribute, value) =
            attribute.split_once(':').map_or((attribute, None), |(name, value)| (name, Some(value)));
        let attribute = Some(attribute).filter(|name| is_token(name)).ok_or(error)?;
        Ok(Self { ssrc: digits(ssrc).ok_or(error)?, attribute, value })
    }
}

impl fmt::Display for Ssrc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ssrc, self.attribute)?;
        self.value.map_or(Ok(()), |value| write!(f, ":{value}"))
    }
}

/// `a=ssrc-group`: sources that belong together (RFC 5576 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup<'a> {
    /// How: `FID` for retransmission, `FEC`, `SIM`.
    pub semantics: &'a str,
    /// The sources.
    pub ssrcs: Vec<u32>,
}

impl<'a> AttributeValue<'a> for SsrcGroup<'a> {
    const NAME: &'static str = "ssrc-group";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("ssrc-group-attr");
        let (semantics, ssrcs) = split_word(value);
        let ssrcs = ssrcs.split_ascii_whitespace().map(digits).collect::<Option<_>>().ok_or(error)?;
        if is_token(semantics) { Ok(Self { semantics, ssrcs }) } else { Err(error) }
    }
}

impl fmt::Display for SsrcGroup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.semantics)?;
        self.ssrcs.iter().try_for_each(|ssrc| write!(f, " {ssrc}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    #[test]
    fn payload_formats_of_rfc_8866() {
        let l8 = Rtpmap { payload_type: 98, encoding: "L16", clock_rate: 16000, parameters: Some("2") };
        assert_eq!(round::<Rtpmap<'_>>("98 L16/16000/2"), l8);
        assert_eq!(round::<Rtpmap<'_>>("99 h263-1998/90000").encoding, "h263-1998");
        assert_eq!(round::<Fmtp<'_>>("96 profile-level-id=42e016;max-mbps=108000").format, "96");
        assert_eq!(round::<Ptime>("20").0, Duration::from_millis(20));
        assert_eq!(round::<Ptime>("2.5").0, Duration::from_micros(2500));
        for bad in ["", "98", "98 L16", "128 L16/8000", "98 L 16/8000", "98 L16/x", "+8 PCMA/8000"] {
            assert!(Rtpmap::parse(bad).is_err(), "{bad:?}");
        }
    }

    /// RFC 8285 §8.
    #[test]
    fn header_extensions_have_a_direction_and_attributes() {
        let toffset = round::<Extmap<'_>>("1 URI-toffset");
        assert_eq!((toffset.id, toffset.direction, toffset.uri), (1, None, "URI-toffset"));
        let gps = round::<Extmap<'_>>("3/recvonly http://example.com/082005/ext.htm#example-metadata short");
        assert_eq!((gps.direction, gps.attributes), (Some(Direction::RecvOnly), "short"));
        assert_eq!(round::<Extmap<'_>>("4096 URI-gps-string").id, 4096);
        for bad in ["0 x", "256 x", "4352 x", "1", "1/both x"] {
            assert!(Extmap::parse(bad).is_err(), "{bad:?}");
        }
    }

    /// RFC 5576 §4 and §12.
    #[test]
    fn sources_and_their_groups() {
        let cname = round::<Ssrc<'_>>("11111 cname:user3@example.com");
        assert_eq!(cname, Ssrc { ssrc: 11111, attribute: "cname", value: Some("user3@example.com") });
        assert_eq!(round::<Ssrc<'_>>("7 x").value, None);
        assert_eq!(round::<SsrcGroup<'_>>("FID 1 4294967295").ssrcs, [1, u32::MAX]);
        assert!(Ssrc::parse("4294967296 cname:x").is_err() && SsrcGroup::parse("FID 1 x").is_err());
    }
}
