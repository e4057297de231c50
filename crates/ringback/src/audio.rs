//! What a call plays and records.

use crate::line::{self, Line, LineEnd};
use crate::recording::{Recording, Sides};
use crate::stream::{self, AudioStream};
use ringback_media::{AudioFile, AudioFileError, AudioSource, Cadence};
use ringback_ua::LocalAudio;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The rate of what an application gives and takes, unless it chooses another.
const RATE: u32 = 8_000;

/// Sees each media packet as it was received and may change it or, by returning false, drop it: for tests of
/// what loss and damage do.
pub type MediaHook = Arc<dyn Fn(&mut Vec<u8>) -> bool + Send + Sync>;

/// What a call plays to the other side and where it records it.
///
/// ```
/// use ringback::Audio;
/// let audio = Audio::file("greeting.wav").record("caller.wav");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Audio {
    play: Play,
    record: Option<(PathBuf, Sides)>,
}

#[derive(Clone, Debug, Default)]
enum Play {
    #[default]
    Silence,
    File(PathBuf),
    Samples(Arc<[i16]>, u32),
    Tone(Cadence),
    Echo,
    Line(Line),
    Elsewhere(LocalAudio),
}

impl Audio {
    /// Plays nothing.
    pub fn silence() -> Self {
        Self::default()
    }

    /// Plays a file once, then silence: WAV (PCM at 8, 16, 44.1 or 48 kHz, or another usual rate), or Ogg with Opus.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { play: Play::File(path.into()), record: None }
    }

    /// Plays samples at 8 kHz once, then silence.
    pub fn samples(samples: impl Into<Arc<[i16]>>) -> Self {
        Self::samples_at(RATE, samples)
    }

    /// Plays samples at `rate`, such as 16,000 or 48,000 Hz, once, then silence.
    pub fn samples_at(rate: u32, samples: impl Into<Arc<[i16]>>) -> Self {
        Self { play: Play::Samples(samples.into(), rate), record: None }
    }

    /// Plays sounds and pauses without end, such as a tone of a country, or one's own.
    ///
    /// ```
    /// use ringback::{Audio, Country, Signal};
    /// let busy = Country::of("de").map(|country| Audio::tone(country.cadence(Signal::Busy)));
    /// assert!(busy.is_some());
    /// ```
    pub fn tone(cadence: Cadence) -> Self {
        Self { play: Play::Tone(cadence), record: None }
    }

    /// Plays back what is heard.
    pub fn echo() -> Self {
        Self { play: Play::Echo, record: None }
    }

    /// Hands the audio to the application, for one call: it hears what the stream yields and says what is sent to it.
    ///
    /// ```
    /// use futures::{SinkExt as _, StreamExt as _};
    /// use ringback::{Audio, CommandError, IncomingCall};
    ///
    /// /// Says what was heard a moment later.
    /// async fn talk(incoming: IncomingCall) -> Result<(), Box<dyn std::error::Error>> {
    ///     let (audio, mut stream) = Audio::stream();
    ///     let _call = incoming.answer(audio).await?;
    ///     while let Some(frame) = stream.next().await {
    ///         stream.send(frame).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn stream() -> (Self, AudioStream) {
        Self::stream_at(RATE)
    }

    /// The same at `rate`: 8,000, 16,000, 24,000 or 48,000 Hz. More than the codec of the call carries is no better.
    pub fn stream_at(rate: u32) -> (Self, AudioStream) {
        let (line, stream) = stream::to_application(rate);
        (Self { play: Play::Line(line), record: None }, stream)
    }

    /// Connects two calls: what one of them hears is what the other says. Digits do not cross; the application sees them in
    /// both calls, and how each of them ends.
    pub fn bridge() -> (Self, Self) {
        let (one, other) = line::between();
        (Self::line(one), Self::line(other))
    }

    /// Whatever is at the other end of a line.
    pub(crate) fn line(end: LineEnd) -> Self {
        Self { play: Play::Line(Line::new(end)), record: None }
    }

    /// Leaves the audio to the application: the other side is told to send it to `rtp` (and RTCP to the port after it), and
    /// [`MediaInfo::agreed`](crate::MediaInfo::agreed) says what was agreed, with the address that it expects ours at. For media
    /// servers, for bots that bring their own RTP, and for calls that are only signalling. Nothing is recorded, and what plays,
    /// mutes, or sends digits in the audio is refused ([`CallError::Elsewhere`](crate::CallError::Elsewhere)).
    ///
    /// ```
    /// use ringback::{Account, Audio, CallEvent};
    ///
    /// async fn connect(account: &Account, media: std::net::SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    ///     let mut call = account.call("sip:bob@example.com").audio(Audio::elsewhere(media)).start().await?;
    ///     while let Some(event) = call.next().await {
    ///         if let CallEvent::Answered(info) = event {
    ///             println!("send {} to {:?}", info.codec, info.remote);
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn elsewhere(rtp: SocketAddr) -> Self {
        Self::described(LocalAudio::new(rtp))
    }

    /// The same with other codecs than G.711, or with the audio of somebody else, who is to hear the other side directly
    /// ([`MediaInfo::passed_on`](crate::MediaInfo::passed_on)).
    pub fn described(audio: LocalAudio) -> Self {
        Self { play: Play::Elsewhere(audio), record: None }
    }

    /// Where the application receives the audio itself.
    pub(crate) fn place(&self) -> Option<&LocalAudio> {
        match &self.play {
            Play::Elsewhere(audio) => Some(audio),
            Play::Silence
            | Play::File(_)
            | Play::Samples(..)
            | Play::Tone(_)
            | Play::Echo
            | Play::Line(_) => None,
        }
    }

    /// Without a recording.
    pub(crate) fn unrecorded(self) -> Self {
        Self { record: None, ..self }
    }

    /// Records what is received at the rate of the codec, into a file of Ogg and Opus where its name ends in `.opus` or `.ogg`, else
    /// into a WAV file: each packet as it was decoded, placed by its RTP timestamp,
    /// without the changes that play-out makes to hide a bad network. Eight hours at most. Written as the call goes on: a program that is
    /// killed leaves a file that plays, and lacks the last seconds.
    #[must_use]
    pub fn record(mut self, path: impl Into<PathBuf>) -> Self {
        self.record = Some((path.into(), Sides::Heard));
        self
    }

    /// Records both sides into a file of two channels, as they were heard and said here: the other side left, ours right. Else as
    /// [`record`](Self::record), which it replaces.
    #[must_use]
    pub fn record_both(mut self, path: impl Into<PathBuf>) -> Self {
        self.record = Some((path.into(), Sides::Both));
        self
    }

    /// Opens the files, so that what is wrong with them is known before anything is sent.
    pub(crate) fn open(self) -> Result<OpenAudio, AudioError> {
        let plays = matches!(self.play, Play::File(_) | Play::Samples(..));
        let (mut echo, mut line) = (false, None);
        let source = match self.play {
            Play::Silence | Play::Elsewhere(_) => AudioSource::silence(),
            Play::Tone(cadence) => AudioSource::cadence(cadence),
            Play::Echo => {
                echo = true;
                AudioSource::silence()
            }
            Play::Line(of) => {
                line = Some(of.take().ok_or(AudioError::Taken)?);
                AudioSource::silence()
            }
            Play::Samples(samples, rate) => {
                AudioSource::converts(rate).map_err(|_| AudioError::Rate(rate))?;
                AudioSource::once(samples, rate)
            }
            Play::File(path) => {
                let file = File::open(&path).map_err(|error| AudioError::open(&path, error))?;
                let read = AudioFile::read(BufReader::new(file));
                read.map_err(|error| AudioError::Read(path, error))?.once()
            }
        };
        let record = self.record.map(|(path, sides)| Recording::create(path, sides)).transpose()?;
        Ok(OpenAudio { source, plays, echo, line, record })
    }
}

/// Audio whose files are open.
pub(crate) struct OpenAudio {
    pub(crate) source: AudioSource,
    /// Whether the source has something to play.
    pub(crate) plays: bool,
    pub(crate) echo: bool,
    /// Who hears and speaks instead.
    pub(crate) line: Option<LineEnd>,
    pub(crate) record: Option<Recording>,
}

/// Why a file cannot be played or recorded.
#[non_exhaustive]
#[derive(Debug)]
pub enum AudioError {
    /// It cannot be opened for reading.
    Open(PathBuf, io::Error),
    /// It cannot be created.
    Create(PathBuf, io::Error),
    /// It is no file that can be played.
    Read(PathBuf, AudioFileError),
    /// The recording could not be written.
    Write(PathBuf, AudioFileError),
    /// Samples of this rate cannot be played.
    Rate(u32),
    /// It is nowhere that it could be mixed from.
    Elsewhere,
    /// It leads to the application or to another call, and a call has it already.
    Taken,
}

impl AudioError {
    fn open(path: &Path, error: io::Error) -> Self {
        Self::Open(path.to_owned(), error)
    }

    pub(crate) fn create(path: &Path, error: io::Error) -> Self {
        Self::Create(path.to_owned(), error)
    }
}

impl fmt::Display for AudioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(path, error) => write!(f, "cannot open {}: {error}", path.display()),
            Self::Create(path, error) => write!(f, "cannot create {}: {error}", path.display()),
            Self::Read(path, error) => write!(f, "cannot play {}: {error}", path.display()),
            Self::Write(path, error) => write!(f, "cannot write {}: {error}", path.display()),
            Self::Rate(rate) => {
                write!(f, "samples at {rate} Hz cannot be played; 8000, 16000 and 48000 Hz can")
            }
            Self::Elsewhere => f.write_str("this audio is elsewhere"),
            Self::Taken => f.write_str("another call has this audio"),
        }
    }
}

impl std::error::Error for AudioError {}
