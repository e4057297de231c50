//! The parameters of payload formats (`a=fmtp`) by their meaning.

use super::macros::digits;
use std::fmt;

/// Parameters of the common shape `name=value;name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatParameters<'a>(&'a str);

impl<'a> FormatParameters<'a> {
    /// Takes what stands behind the format.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// As they were written.
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Names and values; the value of a name without one is empty.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let pairs = self.0.split(';').map(|it| it.split_once('=').unwrap_or((it, "")));
        pairs.map(|(name, value)| (name.trim(), value.trim())).filter(|(name, _)| !name.is_empty())
    }

    /// The value of a parameter. Names compare without regard to case (RFC 4855 §3).
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.get(name).and_then(digits)
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }
}

/// What the parameters of a payload format mean. `Display` writes those that are not as they would be anyway.
pub trait Parameters<'a>: Sized + fmt::Display {
    /// Reads them; what is missing or cannot be read has its default.
    fn read(parameters: FormatParameters<'a>) -> Self;
}

/// Writes `name=value` pairs with semicolons between them.
struct Pairs<'f, 'b> {
    f: &'f mut fmt::Formatter<'b>,
    semicolon: &'static str,
}

impl<'f, 'b> Pairs<'f, 'b> {
    fn new(f: &'f mut fmt::Formatter<'b>) -> Self {
        Self { f, semicolon: "" }
    }

    fn push(&mut self, name: &str, value: Option<impl fmt::Display>) -> Result<&mut Self, fmt::Error> {
        if let Some(value) = value {
            write!(self.f, "{}{name}={value}", self.semicolon)?;
            self.semicolon = ";";
        }
        Ok(self)
    }

    fn flag(&mut self, name: &str, is_set: bool) -> Result<&mut Self, fmt::Error> {
        self.push(name, is_set.then_some(1))
    }
}

/// Opus (RFC 7587 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opus {
    /// The highest sampling rate that the writer plays, in Hz; 48000 when it does not say.
    pub max_playback_rate: Option<u32>,
    /// The highest sampling rate that it records, in Hz.
    pub max_capture_rate: Option<u32>,
    /// The least packet time that it wants, in ms; 3 when it does not say.
    pub min_ptime: Option<u32>,
    /// The highest bit rate on average, in bit/s.
    pub max_average_bitrate: Option<u32>,
    /// Whether it likes to receive stereo.
    pub stereo: bool,
    /// Whether it is likely to send stereo.
    pub sprop_stereo: bool,
    /// Whether it wants a constant bit rate.
    pub cbr: bool,
    /// Whether forward error correction is of use to it.
    pub in_band_fec: bool,
    /// Whether it likes silence not to be sent.
    pub dtx: bool,
}

impl Parameters<'_> for Opus {
    fn read(from: FormatParameters<'_>) -> Self {
        Self {
            max_playback_rate: from.number("maxplaybackrate"),
            max_capture_rate: from.number("sprop-maxcapturerate"),
            min_ptime: from.number("minptime"),
            max_average_bitrate: from.number("maxaveragebitrate"),
            stereo: from.flag("stereo"),
            sprop_stereo: from.flag("sprop-stereo"),
            cbr: from.flag("cbr"),
            in_band_fec: from.flag("useinbandfec"),
            dtx: from.flag("usedtx"),
        }
    }
}

impl fmt::Display for Opus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Pairs::new(f)
            .push("maxplaybackrate", self.max_playback_rate)?
            .push("sprop-maxcapturerate", self.max_capture_rate)?
            .push("minptime", self.min_ptime)?
            .push("maxaveragebitrate", self.max_average_bitrate)?
            .flag("stereo", self.stereo)?
            .flag("sprop-stereo", self.sprop_stereo)?
            .flag("cbr", self.cbr)?
            .flag("useinbandfec", self.in_band_fec)?
            .flag("usedtx", self.dtx)?;
        Ok(())
    }
}

/// The events of `telephone-event` (RFC 4733 §2.4.1): a set of numbers, 0 to 15 for DTMF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TelephoneEvents([u128; 2]);

impl TelephoneEvents {
    /// The digits, `*`, `#` and A to D; what a line without parameters means.
    pub const DTMF: Self = Self([0xffff, 0]);

    /// Whether an event is among them.
    pub fn contains(&self, event: u8) -> bool {
        self.0[usize::from(event / 128)] & (1 << (event % 128)) != 0
    }

    /// Adds an event.
    pub fn insert(&mut self, event: u8) {
        self.0[usize::from(event / 128)] |= 1 << (event % 128);
    }
}

impl Parameters<'_> for TelephoneEvents {
    fn read(from: FormatParameters<'_>) -> Self {
        // Some peers write `events=0-15`, as the media type has it.
        let list = from.get("events").unwrap_or(from.as_str());
        let mut events = Self::default();
        for range in list.split(',') {
            let (first, last) = range.trim().split_once('-').unwrap_or((range.trim(), range.trim()));
            if let (Some(first), Some(last)) = (digits::<u8>(first), digits::<u8>(last)) {
                (first..=last).for_each(|event| events.insert(event));
            }
        }
        events
    }
}

impl fmt::Display for TelephoneEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut comma, mut event) = ("", 0u16);
        let has = |event: u16| u8::try_from(event).is_ok_and(|event| self.contains(event));
        while event < 256 {
            let first = event;
            while has(event) {
                event += 1;
            }
            match event - first {
                0 => {
                    event += 1;
                    continue;
                }
                1 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{}", event - 1)?,
            }
            comma = ",";
        }
        Ok(())
    }
}

/// H.264 (RFC 6184 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct H264<'a> {
    /// `profile_idc`, `profile-iop` and `level_idc`.
    pub profile_level_id: [u8; 3],
    /// 0 for single units, 1 for non-interleaved, 2 for interleaved.
    pub packetization_mode: u8,
    /// Whether the two ways may have different levels.
    pub level_asymmetry_allowed: bool,
    /// Parameter sets in Base64, with commas between them.
    pub sprop_parameter_sets: Option<&'a str>,
    /// More macroblocks a second than the level says.
    pub max_mbps: Option<u32>,
    /// A larger frame than the level says, in macroblocks.
    pub max_fs: Option<u32>,
    /// A higher bit rate than the level says, in kbit/s.
    pub max_br: Option<u32>,
}

impl H264<'_> {
    /// Baseline profile, level 1: what a line without `profile-level-id` means.
    const DEFAULT_PROFILE: [u8; 3] = [0x42, 0x00, 0x0a];
}

impl<'a> Parameters<'a> for H264<'a> {
    fn read(from: FormatParameters<'a>) -> Self {
        let id = from
            .get("profile-level-id")
            .filter(|id| id.len() == 6 && id.bytes().all(|it| it.is_ascii_hexdigit()));
        let id = id.and_then(|id| u32::from_str_radix(id, 16).ok()).map(u32::to_be_bytes);
        Self {
            profile_level_id: id.map_or(H264::DEFAULT_PROFILE, |[_, profile, constraints, level]| {
                [profile, constraints, level]
            }),
            packetization_mode: from
                .get("packetization-mode")
                .and_then(digits)
                .filter(|mode| *mode <= 2)
                .unwrap_or(0),
            level_asymmetry_allowed: from.flag("level-asymmetry-allowed"),
            sprop_parameter_sets: from.get("sprop-parameter-sets"),
            max_mbps: from.number("max-mbps"),
            max_fs: from.number("max-fs"),
            max_br: from.number("max-br"),
        }
    }
}

impl fmt::Display for H264<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [profile, constraints, level] = self.profile_level_id;
        Pairs::new(f)
            .flag("level-asymmetry-allowed", self.level_asymmetry_allowed)?
            .push("packetization-mode", (self.packetization_mode > 0).then_some(self.packetization_mode))?
            .push("profile-level-id", Some(format_args!("{profile:02x}{constraints:02x}{level:02x}")))?
            .push("max-mbps", self.max_mbps)?
            .push("max-fs", self.max_fs)?
            .push("max-br", self.max_br)?
            .push("sprop-parameter-sets", self.sprop_parameter_sets)?;
        Ok(())
    }
}

/// VP8 (RFC 7741 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vp8 {
    /// The most frames a second that the writer decodes.
    pub max_fr: Option<u32>,
    /// The largest frame that it decodes, in macroblocks.
    pub max_fs: Option<u32>,
}

impl Parameters<'_> for Vp8 {
    fn read(from: FormatParameters<'_>) -> Self {
        Self { max_fr: from.number("max-fr"), max_fs: from.number("max-fs") }
    }
}

impl fmt::Display for Vp8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Pairs::new(f).push("max-fr", self.max_fr)?.push("max-fs", self.max_fs)?;
        Ok(())
    }
}

/// VP9 (RFC 9628 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vp9 {
    /// The most frames a second that the writer decodes.
    pub max_fr: Option<u32>,
    /// The largest frame that it decodes, in macroblocks.
    pub max_fs: Option<u32>,
    /// The profile, 0 to 3; zero when the line does not say.
    pub profile_id: u8,
}

impl Parameters<'_> for Vp9 {
    fn read(from: FormatParameters<'_>) -> Self {
        let profile_id = from.get("profile-id").and_then(digits).unwrap_or_default();
        Self { max_fr: from.number("max-fr"), max_fs: from.number("max-fs"), profile_id }
    }
}

impl fmt::Display for Vp9 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Pairs::new(f)
            .push("max-fr", self.max_fr)?
            .push("max-fs", self.max_fs)?
            .push("profile-id", (self.profile_id > 0).then_some(self.profile_id))?;
        Ok(())
    }
}

/// AV1 (RTP Payload Format For AV1 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Av1 {
    /// The profile; 0 (main) when the line does not say.
    pub profile: u8,
    /// The highest level; 5 (3.1) when the line does not say.
    pub level_idx: u8,
    /// The tier; 0 when the line does not say.
    pub tier: u8,
}

impl Default for Av1 {
    fn default() -> Self {
        Self { profile: 0, level_idx: 5, tier: 0 }
    }
}

impl Parameters<'_> for Av1 {
    fn read(from: FormatParameters<'_>) -> Self {
        let number = |name, default| from.get(name).and_then(digits).unwrap_or(default);
        Self { profile: number("profile", 0), level_idx: number("level-idx", 5), tier: number("tier", 0) }
    }
}

impl fmt::Display for Av1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Pairs::new(f)
            .push("level-idx", Some(self.level_idx))?
            .push("profile", Some(self.profile))?
            .push("tier", Some(self.tier))?;
        Ok(())
    }
}

/// Retransmission (RFC 4588 §8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rtx {
    /// The payload type that is sent again. None when the line does not say, and is of no use.
    pub apt: Option<u8>,
    /// For how long packets are kept, in ms.
    pub rtx_time: Option<u32>,
}

impl Parameters<'_> for Rtx {
    fn read(from: FormatParameters<'_>) -> Self {
        let apt = from.get("apt").and_then(digits).filter(|number| *number < 128);
        Self { apt, rtx_time: from.number("rtx-time") }
    }
}

impl fmt::Display for Rtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Pairs::new(f).push("apt", self.apt)?.push("rtx-time", self.rtx_time)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round<'a, T: Parameters<'a>>(text: &'a str) -> T {
        let read = T::read(FormatParameters::new(text));
        assert_eq!(read.to_string(), text);
        read
    }

    /// RFC 7587 §7.
    #[test]
    fn opus_of_the_rfc() {
        let opus = round::<Opus>(
            "maxplaybackrate=16000;sprop-maxcapturerate=16000;maxaveragebitrate=20000;stereo=1;useinbandfec=1;usedtx=1",
        );
        assert_eq!((opus.max_average_bitrate, opus.stereo, opus.cbr), (Some(20000), true, false));
        let spaced = Opus::read(FormatParameters::new("minptime=10; useinbandfec=1"));
        assert_eq!((spaced.min_ptime, spaced.in_band_fec), (Some(10), true));
        assert_eq!(round::<Opus>(""), Opus::default());
    }

    /// RFC 4733 §2.4.1.
    #[test]
    fn events_are_numbers_and_ranges() {
        let events = round::<TelephoneEvents>("0-15,66,70");
        assert!(events.contains(15) && events.contains(66) && !events.contains(67));
        assert_eq!(round::<TelephoneEvents>("0-15"), TelephoneEvents::DTMF);
        assert_eq!(round::<TelephoneEvents>("0-255"), TelephoneEvents([u128::MAX; 2]));
        let odd = TelephoneEvents::read(FormatParameters::new("events=3, 1-2,9-4,x,256"));
        assert_eq!(odd.to_string(), "1-3");
    }

    /// RFC 6184 §8.2.1.
    #[test]
    fn h264_of_the_rfc() {
        let video = round::<H264<'_>>(
            "packetization-mode=1;profile-level-id=42a01e;sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==",
        );
        assert_eq!((video.profile_level_id, video.packetization_mode), ([0x42, 0xa0, 0x1e], 1));
        assert_eq!(video.sprop_parameter_sets, Some("Z0IACpZTBYmI,aMljiA=="));
        let plain = H264::read(FormatParameters::new("profile-level-id=xyz;packetization-mode=9"));
        assert_eq!((plain.profile_level_id, plain.packetization_mode), ([0x42, 0, 0x0a], 0));
    }

    #[test]
    fn other_video_of_the_rfcs() {
        assert_eq!(round::<Vp8>("max-fr=30;max-fs=3600"), Vp8 { max_fr: Some(30), max_fs: Some(3600) });
        assert_eq!(round::<Vp9>("max-fr=30;max-fs=3600;profile-id=2").profile_id, 2);
        assert_eq!(round::<Av1>("level-idx=5;profile=0;tier=0"), Av1::default());
        assert_eq!(round::<Rtx>("apt=96;rtx-time=3000"), Rtx { apt: Some(96), rtx_time: Some(3000) });
        assert_eq!(Rtx::read(FormatParameters::new("apt=128")).apt, None);
    }
}
