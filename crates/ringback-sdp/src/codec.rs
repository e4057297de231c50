//! One RTP payload format of a medium: its number, `a=rtpmap` and `a=fmtp` (RFC 8866 §6.6, §6.15; RFC 3551 §6).

use crate::{InvalidText, Word, fmtp};
use std::fmt;

/// An RTP payload format and the number it goes by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    payload_type: u8,
    name: Word,
    clock_rate: u32,
    channels: u8,
    fmtp: Option<String>,
}

impl Codec {
    /// A payload format with one channel and no parameters.
    ///
    /// `payload_type` is 0..=127, `clock_rate` in Hz and above zero.
    ///
    /// # Errors
    /// [`InvalidText`] when a number is out of its range or the name is not a word without `/`.
    pub fn new(payload_type: u8, name: &str, clock_rate: u32) -> Result<Self, InvalidText> {
        let name = Word::new(name)?;
        if payload_type > 127 || clock_rate == 0 || name.as_str().contains('/') {
            return Err(InvalidText);
        }
        Ok(Self { payload_type, name, clock_rate, channels: 1, fmtp: None })
    }

    /// G.711 µ-law, payload type 0.
    pub const fn pcmu() -> Self {
        Self::fixed(0, "PCMU", 8000, 1)
    }

    /// G.711 A-law, payload type 8.
    pub const fn pcma() -> Self {
        Self::fixed(8, "PCMA", 8000, 1)
    }

    /// G.722, payload type 9. Its clock has 8,000 ticks a second for 16,000 samples (RFC 3551 §4.5.2).
    pub const fn g722() -> Self {
        Self::fixed(9, "G722", 8000, 1)
    }

    /// Opus, payload type 111. Clock and channels are always these, whatever is coded (RFC 7587 §7).
    pub const fn opus() -> Self {
        Self::fixed(111, "opus", 48000, 2)
    }

    /// Comfort noise at 8 kHz, payload type 13 (RFC 3389).
    pub const fn comfort_noise() -> Self {
        Self::fixed(13, "CN", 8000, 1)
    }

    /// DTMF digits at 8 kHz, payload type 101, events 0 to 15 (RFC 4733 §2.4.1).
    pub fn telephone_event() -> Self {
        Self::telephone_event_beside(8000)
    }

    /// DTMF digits beside a codec of that clock, events 0 to 15. Payload type 101 at 8 kHz, 110 at 48 kHz, 100 at any other.
    pub fn telephone_event_beside(clock_rate: u32) -> Self {
        let payload_type = match clock_rate {
            8000 => 101,
            48000 => 110,
            _ => 100,
        };
        let fmtp = Some("0-15".to_owned());
        Self { fmtp, ..Self::fixed(payload_type, "telephone-event", clock_rate, 1) }
    }

    /// Text as it is typed, payload type 98 (RFC 4103).
    pub const fn text() -> Self {
        Self::fixed(98, "t140", 1000, 1)
    }

    /// The same with what was typed twice before it, payload type 100 (RFC 4103 §4.2, RFC 2198).
    pub fn redundant_text() -> Self {
        Self { fmtp: Some("98/98/98".to_owned()), ..Self::fixed(100, "red", 1000, 1) }
    }

    const fn fixed(payload_type: u8, name: &'static str, clock_rate: u32, channels: u8) -> Self {
        Self { payload_type, name: Word::from_static(name), clock_rate, channels, fmtp: None }
    }

    /// The same format with this many channels; zero counts as one.
    #[must_use]
    pub fn with_channels(mut self, channels: u8) -> Self {
        self.channels = channels.max(1);
        self
    }

    /// The same format with parameters, as they stand behind the number in `a=fmtp`.
    ///
    /// # Errors
    /// [`InvalidText`] when the text holds a control character.
    pub fn with_fmtp(mut self, parameters: &str) -> Result<Self, InvalidText> {
        if parameters.chars().any(char::is_control) {
            return Err(InvalidText);
        }
        self.fmtp = Some(parameters.to_owned());
        Ok(self)
    }

    /// The same format by another number, which the caller took from a `Codec`.
    pub(crate) fn numbered(&self, payload_type: u8) -> Self {
        Self { payload_type, ..self.clone() }
    }

    /// The same format where what it carries or repairs goes by other numbers: pairs of an old one and a new one.
    pub(crate) fn carrying(self, numbers: &[(u8, u8)]) -> Self {
        let renumbered = |old: u8| numbers.iter().find(|(it, _)| *it == old).map_or(old, |(_, new)| *new);
        if let Some(of) = self.repairs() {
            return Self { fmtp: Some(format!("apt={}", renumbered(of))), ..self };
        }
        if !self.is_redundancy() {
            return self;
        }
        let formats: Vec<String> = self.redundant_formats().map(|old| renumbered(old).to_string()).collect();
        Self { fmtp: Some(formats.join("/")).filter(|it| !it.is_empty()), ..self }
    }

    /// What is sent again of the format with the number `of` (RFC 4588). `payload_type` is 0..=127.
    ///
    /// # Errors
    /// [`InvalidText`] when the number is out of its range.
    pub fn retransmission(payload_type: u8, of: u8) -> Result<Self, InvalidText> {
        Self::new(payload_type, "rtx", 90_000)?.with_fmtp(&format!("apt={of}"))
    }

    /// The RTP payload type, 0..=127.
    pub fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// The encoding name, spelled as the description spells it; compare with [`Codec::is_named`].
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The RTP clock rate in Hz. For G.722 that is 8000 by an old mistake (RFC 3551 §4.5.2).
    pub fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    /// The number of audio channels, one when the description says nothing.
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// The parameters of `a=fmtp`, as they stand behind the number.
    pub fn fmtp(&self) -> Option<&str> {
        self.fmtp.as_deref()
    }

    /// Whether this is the encoding of that name; the case of letters does not count (RFC 4855 §3).
    pub fn is_named(&self, name: &str) -> bool {
        self.name.matches(name)
    }

    /// Whether this carries DTMF and other named events (RFC 4733).
    pub fn is_telephone_event(&self) -> bool {
        self.is_named("telephone-event")
    }

    /// Whether this is comfort noise (RFC 3389).
    pub fn is_comfort_noise(&self) -> bool {
        self.is_named("CN")
    }

    /// A format whose payloads repeat earlier ones of `codec` (RFC 2198), by another number.
    ///
    /// # Errors
    /// [`InvalidText`] when the number is above 127.
    pub fn redundancy_of(codec: &Self, payload_type: u8) -> Result<Self, InvalidText> {
        let number = codec.payload_type;
        let red = Self::new(payload_type, "red", codec.clock_rate)?.with_channels(codec.channels);
        red.with_fmtp(&format!("{number}/{number}"))
    }

    /// Whether payloads of this carry others, later ones with earlier ones (RFC 2198).
    pub fn is_redundancy(&self) -> bool {
        self.is_named("red")
    }

    /// The payload types that this carries, where it is [redundancy](Self::is_redundancy): first that of the payload itself. What is no
    /// number ends the list.
    pub fn redundant_formats(&self) -> impl Iterator<Item = u8> + '_ {
        let listed = self.fmtp.as_deref().filter(|_| self.is_redundancy());
        let numbers = listed.into_iter().flat_map(|fmtp| fmtp.trim().split('/'));
        numbers.map_while(|number| number.trim().parse().ok().filter(|number| *number < 128))
    }

    /// Whether this is what was lost of another format, sent again (RFC 4588).
    pub fn is_retransmission(&self) -> bool {
        self.is_named("rtx")
    }

    /// The number of the format that this retransmission is for (`apt`); `None` of any other format.
    pub fn repairs(&self) -> Option<u8> {
        let of = fmtp::value(self.fmtp.as_deref().filter(|_| self.is_retransmission())?, "apt")?;
        of.parse().ok().filter(|number| *number < 128)
    }

    /// Whether this only accompanies others: named events, comfort noise, redundancy and retransmissions (RFC 4733, RFC 3389, RFC 2198,
    /// RFC 4588).
    pub(crate) fn is_companion(&self) -> bool {
        self.is_telephone_event()
            || self.is_comfort_noise()
            || self.is_redundancy()
            || self.is_retransmission()
    }

    /// Whether both are the same payload format, whatever their numbers: name without case, clock rate, channels,
    /// and those parameters that change what is on the wire.
    pub fn matches(&self, other: &Self) -> bool {
        self.name.matches(other.name())
            && (self.clock_rate, self.channels) == (other.clock_rate, other.channels)
            && fmtp::compatible(
                self.name(),
                self.fmtp().unwrap_or_default(),
                other.fmtp().unwrap_or_default(),
            )
    }

    /// What `a=rtpmap` says behind the number: `PCMU/8000`.
    pub fn encoding(&self) -> impl fmt::Display + '_ {
        Encoding(self)
    }

    /// Reads `PCMU/8000` or `opus/48000/2`; a peer's text, so anything else is just no codec.
    pub(crate) fn from_encoding(payload_type: u8, encoding: &str) -> Option<Self> {
        let mut parts = encoding.trim().split('/');
        let codec = Self::new(payload_type, parts.next()?, parts.next()?.trim().parse().ok()?).ok()?;
        let channels = parts.next().map_or(Some(1), |channels| channels.trim().parse().ok())?;
        Some(codec.with_channels(channels))
    }

    /// The format that a payload type means without any `a=rtpmap` (RFC 3551 §6, tables 4 and 5).
    pub fn from_static_payload_type(payload_type: u8) -> Option<Self> {
        let (name, clock_rate, channels) = match payload_type {
            0 => ("PCMU", 8000, 1),
            3 => ("GSM", 8000, 1),
            4 => ("G723", 8000, 1),
            5 => ("DVI4", 8000, 1),
            6 => ("DVI4", 16000, 1),
            7 => ("LPC", 8000, 1),
            8 => ("PCMA", 8000, 1),
            9 => ("G722", 8000, 1),
            10 => ("L16", 44100, 2),
            11 => ("L16", 44100, 1),
            12 => ("QCELP", 8000, 1),
            13 => ("CN", 8000, 1),
            14 => ("MPA", 90000, 1),
            15 => ("G728", 8000, 1),
            16 => ("DVI4", 11025, 1),
            17 => ("DVI4", 22050, 1),
            18 => ("G729", 8000, 1),
            25 => ("CelB", 90000, 1),
            26 => ("JPEG", 90000, 1),
            28 => ("nv", 90000, 1),
            31 => ("H261", 90000, 1),
            32 => ("MPV", 90000, 1),
            33 => ("MP2T", 90000, 1),
            34 => ("H263", 90000, 1),
            _ => return None,
        };
        Some(Self::fixed(payload_type, name, clock_rate, channels))
    }
}

impl fmt::Display for Codec {
    /// Such as `101 telephone-event/8000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.payload_type, self.encoding())
    }
}

struct Encoding<'a>(&'a Codec);

impl fmt::Display for Encoding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.name, self.0.clock_rate)?;
        match self.0.channels {
            1 => Ok(()),
            channels => write!(f, "/{channels}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_read_as_it_is_written() {
        for (text, name, clock_rate, channels) in [
            ("PCMU/8000", "PCMU", 8000, 1),
            ("opus/48000/2", "opus", 48000, 2),
            ("G7221/16000", "G7221", 16000, 1),
        ] {
            let codec = Codec::from_encoding(96, text).unwrap();
            assert_eq!((codec.name(), codec.clock_rate(), codec.channels()), (name, clock_rate, channels));
            assert_eq!(codec.encoding().to_string(), text);
        }
        for bad in ["", "PCMU", "PCMU/", "PCMU/0", "/8000", "PCMU/8000/x", "PC MU/8000", "PCMU/99999999999"] {
            assert_eq!(Codec::from_encoding(96, bad), None, "{bad:?}");
        }
        assert_eq!(Codec::from_encoding(128, "PCMU/8000"), None);
    }

    /// rule 50: codecs match without regard to case, but not across clock rates, channels or binding parameters.
    #[test]
    fn rule_50_matching_looks_at_the_format_and_not_at_the_number() {
        let codec = |number, text| Codec::from_encoding(number, text).unwrap();
        assert!(codec(97, "iLBC/8000").matches(&codec(99, "ILBC/8000/1")));
        assert!(!codec(97, "L16/16000").matches(&codec(97, "L16/8000")));
        assert!(!codec(97, "L16/16000/2").matches(&codec(97, "L16/16000")));
        let amr = codec(97, "AMR/8000");
        assert!(!amr.matches(&amr.clone().with_fmtp("octet-align=1").unwrap()));
        assert!(amr.matches(&amr.clone().with_fmtp("mode-set=0,2; octet-align=0").unwrap()));
    }

    #[test]
    fn what_cannot_be_written_cannot_be_made() {
        assert_eq!(Codec::new(128, "x", 8000), Err(InvalidText));
        assert_eq!(Codec::new(96, "x/y", 8000), Err(InvalidText));
        assert_eq!(Codec::new(96, "x", 0), Err(InvalidText));
        assert_eq!(Codec::pcmu().with_fmtp("a\r\nm=x"), Err(InvalidText));
    }
}
