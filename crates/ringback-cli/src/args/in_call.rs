//! Options of what happens during a call.

use super::{digits, seconds};
use crate::outcome::Failure;
use clap::Args;
use ringback::{AudioCodecs, Country, Signal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How audio is coded, and how it is played.
#[derive(Clone, Debug, Args)]
pub(crate) struct Listening {
    /// Which codecs are spoken, best first: opus, g722, pcmu, pcma, l16, l16/8000, l16/48000 [default: opus,g722,pcmu,pcma]
    #[arg(long, value_name = "LIST")]
    pub(crate) codec: Option<AudioCodecs>,
    /// Offers to repeat what was said before in each packet, once or twice, as far as packets are lost (RED); who offers it is
    /// answered anyway
    #[arg(long)]
    pub(crate) red: bool,
    /// Plays what comes always so many milliseconds late and never faster or slower, as a fax or a modem needs it [default:
    /// as late as the network asks for]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u16).range(20..=1000))]
    pub(crate) jitter_buffer: Option<u16>,
}

/// How tones sound.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Tones {
    /// Whose tones sound: a country by its code (de, fr, gb, jp, us …), or itu for what ITU-T recommends [default: that of the
    /// locale, LC_ALL, LC_TELEPHONE or LANG; else itu]
    #[arg(long, value_name = "CODE")]
    pub(crate) country: Option<&'static Country>,
}

impl Tones {
    /// The country that was asked for, or the one of the locale.
    pub(crate) fn country(&self) -> &'static Country {
        let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let locale = || ["LC_ALL", "LC_TELEPHONE", "LANG"].into_iter().find(set);
        let of_locale = || Country::of_locale(&std::env::var(locale()?).ok()?);
        self.country.or_else(of_locale).unwrap_or_else(Country::recommended)
    }
}

/// What happens during a call.
#[derive(Debug, Args)]
pub(crate) struct InCall {
    /// Plays this file to the other side: WAV (PCM at 8, 16, 44.1 or 48 kHz), or Ogg with Opus
    #[arg(long, value_name = "FILE")]
    pub(crate) play: Option<PathBuf>,
    /// Plays a tone to the other side: dial, ring-back, busy, congestion, call-waiting or special-information
    #[arg(long, value_name = "TONE", conflicts_with_all = ["play", "audio_at"])]
    pub(crate) tone: Option<Signal>,
    #[command(flatten)]
    pub(crate) tones: Tones,
    /// Records the other side into this file, at the rate of the codec: Ogg with Opus where its name ends in .opus, else WAV; with
    /// several calls, -2, -3 … is added to the name
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Leaves the audio to another program: the other side is told to send it to this address, and the answer shows where it
    /// wants ours
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["play", "record"])]
    pub(crate) audio_at: Option<SocketAddr>,
    /// Records both sides, the other one left and ours right
    #[arg(long, requires = "record")]
    pub(crate) record_both: bool,
    #[command(flatten)]
    pub(crate) listening: Listening,
    /// Says at the end how good it sounded on either side, 1 to 4.4 (ITU-T G.107)
    #[arg(long)]
    pub(crate) score: bool,
    /// Sends these digits (0-9 * # A-D) once the call is up
    #[arg(long, value_name = "DIGITS", value_parser = digits)]
    pub(crate) dtmf: Option<String>,
    /// How they go: as telephone events beside the audio (RFC 4733), or by INFO, for gateways that take no others
    #[arg(long, value_name = "rtp|info", default_value = "rtp", value_parser = ["rtp", "info"], requires = "dtmf")]
    pub(crate) dtmf_by: String,
    /// Holds the call so long after it was answered
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) hold_after: Option<Duration>,
    /// Resumes it so long after it was held
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "hold_after")]
    pub(crate) resume_after: Option<Duration>,
    /// Writes this to the other side, within the call, once it is up
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Has text beside the audio where the other side can, as it is typed (T.140, RFC 4103), and shows what comes line by line. `call`
    /// sends what stands on standard input, `answer --echo` what it is sent
    #[arg(long, conflicts_with = "audio_at")]
    pub(crate) real_time_text: bool,
    /// Asks the other side to call this address instead
    #[arg(long, value_name = "URI")]
    pub(crate) transfer_to: Option<String>,
    /// Does so this long after the call was answered
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "transfer_to", default_value = "1")]
    pub(crate) transfer_after: Duration,
    /// Refuses to be transferred
    #[arg(long)]
    pub(crate) no_transfer: bool,
    /// How it is protected and finds its way
    #[command(flatten)]
    pub(crate) media: crate::phone::Media,
    /// Hangs up so long after it was answered [default: when the file was played, else when the other side does]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
}

impl InCall {
    /// Refuses what cannot go together, where the words alone do not show it.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(address) = self.audio_at else { return Ok(()) };
        let fault = if self.dtmf.is_some() && self.dtmf_by == "rtp" {
            "--dtmf goes with the audio, which"
        } else if matches!(self.media.srtp.as_str(), "require" | "dtls") {
            "--srtp require and dtls are for audio of our own, and this"
        } else {
            return Ok(());
        };
        Err(Failure::Usage(format!("{fault} --audio-at leaves to {address}")))
    }
}
