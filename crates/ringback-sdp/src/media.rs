//! One `m=` line and what belongs to it (RFC 8866 §5.14), with typed reads of the attributes that calls need.

use crate::description::{Attribute, Connection, UnknownLine, stated_direction};
use crate::{ByteString, Codec, Direction, InvalidText, Word};
use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

/// A media description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What it is: audio, video and so on.
    pub kind: MediaKind,
    /// The port at which it is received; zero for a medium that is refused or switched off.
    pub port: u16,
    /// How many pairs of ports, when the line says so.
    pub port_count: Option<NonZeroU16>,
    /// The transport, such as `RTP/AVP`.
    pub protocol: Word,
    /// The formats, best first: payload types for RTP. Some peers leave them out when the port is zero.
    pub formats: Vec<Word>,
    /// `i=`: a title.
    pub information: Option<ByteString>,
    /// `c=`: where it is received. More than one only in layered multicast.
    pub connections: Vec<Connection>,
    /// `b=`: bandwidths.
    pub bandwidths: Vec<ByteString>,
    /// `k=`: obsolete, kept.
    pub key: Option<ByteString>,
    /// `a=`.
    pub attributes: Vec<Attribute>,
    /// Lines of other types.
    pub unknown: Vec<UnknownLine>,
}

impl Media {
    /// A medium with nothing but its `m=` line.
    pub fn new(kind: MediaKind, port: u16, protocol: Word, formats: Vec<Word>) -> Self {
        Self {
            kind,
            port,
            port_count: None,
            protocol,
            formats,
            information: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// The first attribute of that name. Names are case-sensitive (RFC 8866 §5.13).
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes_named(name).next()
    }

    /// All attributes of that name.
    pub fn attributes_named<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a Attribute> + use<'a, 'n> {
        self.attributes.iter().filter(move |attribute| attribute.name() == name)
    }

    /// Whether the medium is carried by RTP, whatever the profile.
    pub fn is_rtp(&self) -> bool {
        self.protocol.as_str().split('/').any(|part| part.eq_ignore_ascii_case("RTP"))
    }

    /// The RTP payload formats in their order. Formats that are no payload type, and dynamic ones without a
    /// readable `a=rtpmap`, are left out. Static payload types need no `a=rtpmap` (RFC 3264 §5.1).
    pub fn codecs(&self) -> Vec<Codec> {
        // In one pass over the attributes: a peer may send many of both.
        let mut described = [(None, None); 128];
        for attribute in &self.attributes {
            let name = attribute.name();
            if let Some((number, value)) = attribute.value().and_then(split_format)
                && let Some((rtpmap, fmtp)) = described.get_mut(usize::from(number))
            {
                let place = if name == "rtpmap" { rtpmap } else { fmtp };
                if place.is_none() && (name == "rtpmap" || name == "fmtp") {
                    *place = Some(value);
                }
            }
        }
        let codec = |format: &Word| {
            let number: u8 = format.as_str().parse().ok()?;
            let (rtpmap, fmtp) = *described.get(usize::from(number))?;
            let codec = match rtpmap {
                Some(encoding) => Codec::from_encoding(number, encoding),
                None => Codec::from_static_payload_type(number),
            }?;
            match fmtp {
                Some(parameters) => codec.with_fmtp(parameters).ok(),
                None => Some(codec),
            }
        };
        self.formats.iter().filter_map(codec).collect()
    }

    /// The parameters of a payload type (`a=fmtp`, RFC 8866 §6.15).
    pub fn fmtp(&self, payload_type: u8) -> Option<&str> {
        let mut all = self.attributes_named("fmtp").filter_map(|attribute| split_format(attribute.value()?));
        all.find(|(number, _)| *number == payload_type).map(|(_, parameters)| parameters)
    }

    /// How much audio the writer wants in a packet (`a=ptime`, RFC 8866 §6.4).
    pub fn ptime(&self) -> Option<Duration> {
        milliseconds(self.attribute("ptime")?.value()?)
    }

    /// How much audio a packet may hold at most (`a=maxptime`, RFC 8866 §6.5).
    pub fn maxptime(&self) -> Option<Duration> {
        milliseconds(self.attribute("maxptime")?.value()?)
    }

    /// The direction that the medium states itself; see [`crate::SessionDescription::direction_of`].
    pub fn direction(&self) -> Option<Direction> {
        stated_direction(&self.attributes)
    }

    /// Where RTCP is received, when the medium says so (`a=rtcp`, RFC 3605 §2.1).
    pub fn rtcp(&self) -> Option<RtcpAddress> {
        let mut words = self.attribute("rtcp")?.value()?.split_ascii_whitespace();
        let port = words.next()?.parse().ok()?;
        let mut word = || words.next().and_then(|word| Word::new(word).ok());
        let connection = match (word(), word(), word()) {
            (Some(network_type), Some(address_type), Some(address)) => {
                Some(Connection { network_type, address_type, address })
            }
            _ => None,
        };
        Some(RtcpAddress { port, connection })
    }

    /// Whether RTP and RTCP may share a port (`a=rtcp-mux`, RFC 5761 §5.1.1).
    pub fn rtcp_mux(&self) -> bool {
        self.attribute("rtcp-mux").is_some()
    }

    /// Adds a payload format: the format of the `m=` line, `a=rtpmap` and `a=fmtp`.
    pub fn push_codec(&mut self, codec: &Codec) {
        let number = codec.payload_type();
        self.formats.push(u64::from(number).into());
        self.attributes.push(Attribute::composed(&format!("rtpmap:{number} {}", codec.encoding())));
        if let Some(parameters) = codec.fmtp() {
            self.attributes.push(Attribute::composed(&format!("fmtp:{number} {parameters}")));
        }
    }

    /// States a direction, in place of the one stated before.
    pub fn set_direction(&mut self, direction: Direction) {
        self.attributes.retain(|attribute| Direction::from_attribute(attribute.name()).is_none());
        self.attributes.push(Attribute::composed(direction.as_str()));
    }
}

/// Splits `<payload type> <value>`.
fn split_format(value: &str) -> Option<(u8, &str)> {
    let (number, value) = value.trim_start().split_once(' ')?;
    Some((number.parse().ok()?, value.trim()))
}

/// Reads `20` or `2.5`: milliseconds above zero (RFC 8866 §9, `non-zero-int-or-real`), up to a minute.
pub(crate) fn milliseconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let mut micros = whole.parse::<u64>().ok().filter(|whole| *whole <= 60_000)? * 1000;
    let mut scale = 100;
    for digit in fraction.chars() {
        micros += u64::from(digit.to_digit(10)?) * scale;
        scale /= 10;
    }
    (micros > 0).then(|| Duration::from_micros(micros))
}

/// Where RTCP is received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpAddress {
    /// The port.
    pub port: u16,
    /// The host, when it is not that of the medium.
    pub connection: Option<Connection>,
}

/// What a medium is: the first word of `m=` (RFC 8866 §5.14). Compares without regard to case.
#[derive(Clone)]
pub struct MediaKind(Word);

impl MediaKind {
    /// Speech and music.
    pub const AUDIO: Self = Self(Word::from_static("audio"));
    /// Pictures that move.
    pub const VIDEO: Self = Self(Word::from_static("video"));
    /// Text as it is typed (RFC 4103).
    pub const TEXT: Self = Self(Word::from_static("text"));
    /// Whatever an application speaks.
    pub const APPLICATION: Self = Self(Word::from_static("application"));
    /// Messages (MSRP, RFC 4975).
    pub const MESSAGE: Self = Self(Word::from_static("message"));
    /// Fax (T.38).
    pub const IMAGE: Self = Self(Word::from_static("image"));

    /// A kind by its name.
    ///
    /// # Errors
    /// [`InvalidText`] when it is not a word.
    pub fn new(name: &str) -> Result<Self, InvalidText> {
        Word::new(name).map(Self)
    }

    pub(crate) fn from_word(name: Word) -> Self {
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for MediaKind {
    fn eq(&self, other: &Self) -> bool {
        self.0.matches(other.as_str())
    }
}

impl Eq for MediaKind {}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(formats: &[&str], attributes: &[&str]) -> Media {
        let formats = formats.iter().map(|format| Word::new(format).unwrap()).collect();
        let mut media = Media::new(MediaKind::AUDIO, 4000, Word::from_static("RTP/AVP"), formats);
        media.attributes = attributes.iter().map(|text| Attribute::composed(text)).collect();
        media
    }

    /// rule 50: static payload types are implied, dynamic ones need an rtpmap, an rtpmap beats the table.
    #[test]
    fn rule_50_codecs_come_from_rtpmap_or_from_the_static_table() {
        let media = media(
            &["8", "0", "96", "97", "101", "x", "200"],
            &[
                "rtpmap:0 pcmu/8000",
                "rtpmap:97 opus/48000/2",
                "fmtp:97  useinbandfec=1",
                "rtpmap:101 telephone-event/8000",
            ],
        );
        let codecs: Vec<String> = media.codecs().iter().map(ToString::to_string).collect();
        assert_eq!(codecs, ["8 PCMA/8000", "0 pcmu/8000", "97 opus/48000/2", "101 telephone-event/8000"]);
        assert_eq!(media.fmtp(97), Some("useinbandfec=1"));
    }

    #[test]
    fn packet_times_are_milliseconds_with_a_fraction() {
        let ptime = |text: &str| media(&[], &[&format!("ptime:{text}")]).ptime();
        assert_eq!(ptime("20"), Some(Duration::from_millis(20)));
        assert_eq!(ptime(" 2.5 "), Some(Duration::from_micros(2500)));
        assert_eq!(ptime("0.1234567"), Some(Duration::from_micros(123)));
        for bad in ["", "0", "-1", "x", "1.x", "18446744073709551615", "60001"] {
            assert_eq!(ptime(bad), None, "{bad:?}");
        }
        assert_eq!(media(&[], &["maxptime:60"]).maxptime(), Some(Duration::from_millis(60)));
    }

    #[test]
    fn rtcp_may_have_a_port_and_a_host_of_its_own() {
        let rtcp = |text: &str| media(&[], &[text]).rtcp();
        assert_eq!(rtcp("rtcp:53020"), Some(RtcpAddress { port: 53020, connection: None }));
        let other = Connection::new("2001:db8::1".parse().unwrap());
        assert_eq!(rtcp("rtcp:9 IN IP6 2001:db8::1"), Some(RtcpAddress { port: 9, connection: Some(other) }));
        assert_eq!(rtcp("rtcp:65536"), None);
        assert!(media(&[], &["rtcp-mux"]).rtcp_mux());
        assert!(!media(&[], &["rtcp-mux-only"]).rtcp_mux());
    }

    #[test]
    fn a_direction_is_replaced_and_not_added() {
        let mut media = media(&[], &["sendonly", "ptime:20", "inactive"]);
        assert_eq!(media.direction(), Some(Direction::Inactive));
        media.set_direction(Direction::RecvOnly);
        let names: Vec<&str> = media.attributes.iter().map(Attribute::name).collect();
        assert_eq!(names, ["ptime", "recvonly"]);
    }

    #[test]
    fn kinds_and_profiles_ignore_case() {
        assert_eq!(MediaKind::new("Audio"), Ok(MediaKind::AUDIO));
        assert!(media(&[], &[]).is_rtp());
        assert!(!Media::new(MediaKind::IMAGE, 1, Word::from_static("udptl"), vec![]).is_rtp());
    }
}
