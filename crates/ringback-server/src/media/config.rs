//! What a deployment decides about media.

use crate::config::ConfigError;
use ringback_media::{AudioCodecs, AudioFile};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::BufReader;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The way that media take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaMode {
    /// From phone to phone; descriptions are left as they are.
    #[default]
    Direct,
    /// Through ports of ours, as they are.
    Relay,
    /// Through ports of ours, where each side encrypts or does not as it can, and speaks what it can: SRTP with keys in SDP ends
    /// here, and audio is converted.
    Bridge,
    /// As `bridge` where a side is behind a NAT, or where one that encrypts calls through a gateway; else as `direct`.
    Auto,
}

/// Where media go, and through which ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaConfig {
    /// The way of calls for which no route says another.
    pub mode: MediaMode,
    /// The address of the ports; without one that of the first listener.
    pub address: Option<IpAddr>,
    /// What phones are told instead of it; without one what the listener advertises.
    pub advertise: Option<IpAddr>,
    /// The first and the last port; 0 and 0 leave the choice to the system. A medium takes two
    /// pairs: RTP and RTCP for each side, RTP on an even port.
    pub ports: [u16; 2],
    /// After how many seconds without any packet of a side that is to speak it is told to be silent.
    pub timeout: u32,
    /// Whether a call is then ended, by BYE to both sides.
    pub end_silent_calls: bool,
    /// Whether `bridge` converts audio and digits between phones that do not speak the same.
    pub transcode: bool,
    /// A file that who is held hears (WAV, or Ogg with Opus) where the holder sends nothing, in calls for which no route says
    /// another. Only `bridge` plays it, where it converts.
    pub hold_music: Option<PathBuf>,
    /// How many threads relay; without a number one for each processor.
    pub threads: Option<usize>,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            mode: MediaMode::Direct,
            address: None,
            advertise: None,
            ports: [30_000, 39_999],
            timeout: 60,
            transcode: true,
            hold_music: None,
            end_silent_calls: false,
            threads: None,
        }
    }
}

impl MediaConfig {
    pub(crate) fn range(&self) -> RangeInclusive<u16> {
        self.ports[0]..=self.ports[1]
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let [first, last] = self.ports;
        // The first of a pair is even.
        let even = first.saturating_add(first % 2);
        if self.ports != [0, 0] && (first < 1_024 || last.saturating_sub(even) < 3) {
            return Err(ConfigError::new(format!(
                "media: ports {first} to {last} hold no medium; name at least four from an even one on, 1024 or higher, such as [30000, 39999]"
            )));
        }
        if self.timeout == 0 {
            return Err(ConfigError::new(
                "media: with a timeout of 0 every call would be silent; leave it out for 60 seconds",
            ));
        }
        if let Some(file) = &self.hold_music {
            music(file).map_err(|problem| ConfigError::new(format!("media: hold_music: {problem}")))?;
        }
        match self.threads {
            Some(0 | 257..) => Err(ConfigError::new("media: threads must be from 1 to 256")),
            _ => Ok(()),
        }
    }
}

/// What a route asks for of the media of its calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct MediaWishes {
    /// Which way they go.
    pub(crate) mode: Option<MediaMode>,
    /// What who is held hears.
    pub(crate) music: Option<AudioFile>,
    /// What whoever is called is offered.
    pub(crate) codecs: Option<AudioCodecs>,
}

/// Reads what is to be heard by who is held.
pub(crate) fn music(file: &Path) -> Result<AudioFile, String> {
    let opened = File::open(file).map_err(|error| format!("cannot open {}: {error}", file.display()))?;
    AudioFile::read(BufReader::new(opened))
        .map_err(|error| format!("cannot play {}: {error}", file.display()))
}
