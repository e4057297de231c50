//! The level of the audio in a packet, as its header extension tells it (RFC 6464).

/// How loud the audio of a packet is, told by its sender, who may be wrong or lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// In decibels below overload: 0 is loudest, 127 is silence.
    pub level: u8,
    /// Whether it is speech, as far as its sender can tell. It means nothing where `vad=off` was agreed.
    pub voice: bool,
}

impl AudioLevel {
    /// What it is called in SDP (`a=extmap`).
    pub const URI: &'static str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

    /// Silence.
    pub const SILENCE: Self = Self { level: 127, voice: false };

    /// Reads the value of the element (RFC 6464 §3). Filling octets may follow in a header of two octets.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let octet = octets.first()?;
        Some(Self { level: octet & 0x7f, voice: octet & 0x80 != 0 })
    }

    /// The value of the element. A level above 127 is 127.
    pub fn octets(self) -> [u8; 1] {
        [self.level.min(127) | (u8::from(self.voice) << 7)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_comes_back_as_it_was() {
        for octet in 0..=255_u8 {
            let level = AudioLevel::parse(&[octet]).expect("any octet is a level");
            assert_eq!(level.octets(), [octet]);
        }
        assert_eq!(AudioLevel::parse(&[0x80 | 42, 0]), Some(AudioLevel { level: 42, voice: true }));
        assert_eq!(AudioLevel::parse(&[]), None);
        assert_eq!(AudioLevel { level: 200, voice: false }.octets(), AudioLevel::SILENCE.octets());
    }
}
