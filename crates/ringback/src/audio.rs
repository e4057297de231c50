//! What a call plays and records.

use crate::stream::{self, AudioStream, Line, LineEnd};
use ringback_media::{AudioFileError, AudioSource, WavWriter, read_wav};
use ringback_ua::LocalAudio;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The sampling rate of a call: that of G.711.
pub(crate) const RATE: u32 = 8_000;

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
    record: Option<PathBuf>,
}

#[derive(Clone, Debug, Default)]
enum Play {
    #[default]
    Silence,
    File(PathBuf),
    Samples(Arc<[i16]>),
    Echo,
    Line(Line),
    Elsewhere(LocalAudio),
}

impl Audio {
    /// Plays nothing.
    pub fn silence() -> Self {
        Self::default()
    }

    /// Plays a WAV file once (8, 16 or 48 kHz PCM), then silence.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { play: Play::File(path.into()), record: None }
    }

    /// Plays samples at 8 kHz once, then silence.
    pub fn samples(samples: impl Into<Arc<[i16]>>) -> Self {
        Self { play: Play::Samples(samples.into()), record: None }
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
        let (line, stream) = stream::to_application();
        (Self { play: Play::Line(line), record: None }, stream)
    }

    /// Connects two calls: what one of them hears is what the other says. Digits do not cross; the application sees them in
    /// both calls, and how each of them ends.
    pub fn bridge() -> (Self, Self) {
        let (one, other) = stream::between_calls();
        (Self { play: Play::Line(one), record: None }, Self { play: Play::Line(other), record: None })
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
            Play::Silence | Play::File(_) | Play::Samples(_) | Play::Echo | Play::Line(_) => None,
        }
    }

    /// Without a recording.
    pub(crate) fn unrecorded(self) -> Self {
        Self { record: None, ..self }
    }

    /// Records what is received into a WAV file: each packet as it was decoded, placed by its RTP timestamp,
    /// without the changes that play-out makes to hide a bad network. Written when the call ends; an hour at most.
    #[must_use]
    pub fn record(mut self, path: impl Into<PathBuf>) -> Self {
        self.record = Some(path.into());
        self
    }

    /// Opens the files, so that what is wrong with them is known before anything is sent.
    pub(crate) fn open(self) -> Result<OpenAudio, AudioError> {
        let plays = matches!(self.play, Play::File(_) | Play::Samples(_));
        let (mut echo, mut line) = (false, None);
        let source = match self.play {
            Play::Silence | Play::Elsewhere(_) => AudioSource::silence(),
            Play::Echo => {
                echo = true;
                AudioSource::silence()
            }
            Play::Line(of) => {
                line = Some(of.take().ok_or(AudioError::Taken)?);
                AudioSource::silence()
            }
            Play::Samples(samples) => AudioSource::once(samples),
            Play::File(path) => {
                let file = File::open(&path).map_err(|error| AudioError::open(&path, error))?;
                let samples =
                    read_wav(BufReader::new(file), RATE).map_err(|error| AudioError::Read(path, error))?;
                AudioSource::once(samples.into())
            }
        };
        let record = match self.record {
            Some(path) => {
                let file = File::create(&path).map_err(|error| AudioError::create(&path, error))?;
                Some((path, file))
            }
            None => None,
        };
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
    pub(crate) record: Option<(PathBuf, File)>,
}

/// Writes a recording.
pub(crate) fn write(path: &Path, file: File, samples: &[i16]) -> Result<(), AudioError> {
    let failed = |error| AudioError::Write(path.to_owned(), error);
    let mut wav = WavWriter::new(BufWriter::new(file), RATE).map_err(failed)?;
    wav.write(samples).map_err(failed)?;
    wav.finish().map_err(failed)
}

/// Why a file cannot be played or recorded.
#[non_exhaustive]
#[derive(Debug)]
pub enum AudioError {
    /// It cannot be opened for reading.
    Open(PathBuf, io::Error),
    /// It cannot be created.
    Create(PathBuf, io::Error),
    /// It is no WAV file that can be played.
    Read(PathBuf, AudioFileError),
    /// The recording could not be written.
    Write(PathBuf, AudioFileError),
    /// It leads to the application or to another call, and a call has it already.
    Taken,
}

impl AudioError {
    fn open(path: &Path, error: io::Error) -> Self {
        Self::Open(path.to_owned(), error)
    }

    fn create(path: &Path, error: io::Error) -> Self {
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
            Self::Taken => f.write_str("another call has this audio"),
        }
    }
}

impl std::error::Error for AudioError {}
