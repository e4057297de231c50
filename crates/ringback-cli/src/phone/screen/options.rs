//! Options of `ringback phone`.

use crate::args;
use clap::Args;
use std::path::PathBuf;

/// Options of `ringback phone`.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys (F1 or ? shows them all): d dials, a answers, x hangs up, h holds and resumes, j joins calls, m mutes, \
                  t and T transfer, \
                  w writes a message, Tab turns the page, q quits.\n\n\
                  Contacts and further accounts stand in a TOML file:\n  \
                  [[contacts]]\n  name = \"Bob\"\n  address = \"sip:bob@example.com\"\n  lamp = true\n\n  \
                  [[accounts]]\n  from = \"sip:alice@example.org\"\n  server = \"192.0.2.1\"\n  password_env = \"ALICE_ORG\"\n\n\
                  Examples:\n  \
                  ringback phone --from sip:alice@example.com --password-env ALICE\n  \
                  ringback phone --listen udp:127.0.0.1:5070 --no-register --play hello.wav --record heard.wav"
)]
pub(crate) struct Screen {
    #[command(flatten)]
    pub(crate) phone: args::Phone,
    /// Calls this address at once
    pub(crate) target: Option<String>,
    /// Does not register; calls come straight to our listener
    #[arg(long)]
    pub(crate) no_register: bool,
    /// Reads contacts and further accounts from this file [default: ringback/phone.toml in the user's folder for
    /// configuration, where it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) contacts: Option<PathBuf>,
    /// Plays this file in each call, in place of a microphone: WAV (PCM at 8, 16, 44.1 or 48 kHz), or Ogg with Opus
    #[arg(long, value_name = "FILE")]
    pub(crate) play: Option<PathBuf>,
    /// Records what is heard in calls into this file (WAV, or Ogg with Opus as .opus); of later calls -2, -3 … is added to the name
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) listening: args::Listening,
    #[command(flatten)]
    pub(crate) tones: args::Tones,
    /// Uses no sound device although this program can
    #[arg(long)]
    pub(crate) no_device: bool,
    /// How audio is protected and finds its way
    #[command(flatten)]
    pub(crate) media: crate::phone::Media,
    /// Refuses to be transferred, without asking
    #[arg(long)]
    pub(crate) no_transfer: bool,
    #[command(flatten)]
    pub(crate) quiet: crate::phone::Quiet,
    /// Tells nobody that a message has come or was shown, although the sender asks for that (RFC 5438)
    #[arg(long)]
    pub(crate) no_receipts: bool,
    /// Writes log lines into this file; the screen is no place for them
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}
