//! WAV files in and out. The programs open the files; here are only their contents.

use crate::AudioSource;
use crate::resample::{Resampler, UnsupportedRate};
use std::fmt;
use std::io::{self, Read, Seek, Write};

/// The longest recording that is read: two hours.
const MAX_SECONDS: u32 = 7_200;

/// Why an audio file cannot be read or written.
#[non_exhaustive]
#[derive(Debug)]
pub enum AudioFileError {
    /// The file itself could not be read or written.
    Io(io::Error),
    /// It is no WAV file.
    NotWav(&'static str),
    /// It is an Ogg file, but none of Opus that can be played.
    NotOpus(String),
    /// It is a WAV file of a kind that is not read: what it has, and what would be right.
    Unsupported(String, &'static str),
    /// It breaks off or contradicts itself at this sample.
    Damaged(u64),
    /// Its rate cannot be converted.
    Rate(UnsupportedRate),
    /// It plays longer than two hours.
    TooLong,
}

impl fmt::Display for AudioFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotWav(why) => {
                write!(f, "not a WAV file ({why}); a RIFF/WAVE file with PCM is wanted, or Ogg with Opus")
            }
            Self::NotOpus(why) => write!(f, "not an Opus file that can be played ({why})"),
            Self::Unsupported(what, wanted) => write!(f, "it has {what}; wanted is {wanted}"),
            Self::Damaged(sample) => write!(f, "damaged at sample {sample}; a complete WAV file is wanted"),
            Self::Rate(error) => error.fmt(f),
            Self::TooLong => write!(f, "it plays longer than {MAX_SECONDS} seconds"),
        }
    }
}

impl std::error::Error for AudioFileError {}

impl From<hound::Error> for AudioFileError {
    fn from(error: hound::Error) -> Self {
        match error {
            // An end in the middle of the header is told as `Other`, which no file system ever reports.
            hound::Error::IoError(error)
                if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::Other) =>
            {
                Self::NotWav("it ends too early")
            }
            hound::Error::IoError(error) => Self::Io(error),
            hound::Error::FormatError(why) => Self::NotWav(why),
            _ => Self::Unsupported("another encoding".to_owned(), PCM),
        }
    }
}

const PCM: &str = "PCM with 8, 16, 24 or 32 bits";

/// Reads a recording as one channel of 16 bits at `rate` Hz; two channels are mixed.
///
/// # Errors
/// [`AudioFileError`] says what is wrong with the file and what would be right.
pub fn read_wav(file: impl Read, rate: u32) -> Result<Vec<i16>, AudioFileError> {
    let (mono, own) = read_wav_at_its_rate(file)?;
    let resampler = Resampler::new(own, rate).map_err(AudioFileError::Rate)?;
    Ok(resampler.convert(&mono))
}

/// Reads a recording as one channel of 16 bits and says its rate; two channels are mixed.
///
/// # Errors
/// [`AudioFileError`] says what is wrong with the file and what would be right. The rate is one that can be given at any rate of
/// a codec.
pub fn read_wav_at_its_rate(file: impl Read) -> Result<(Vec<i16>, u32), AudioFileError> {
    let mut reader = hound::WavReader::new(file)?;
    let hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    if sample_format != hound::SampleFormat::Int {
        return Err(AudioFileError::Unsupported("floating-point samples".to_owned(), PCM));
    }
    if !matches!(bits_per_sample, 8 | 16 | 24 | 32) {
        return Err(AudioFileError::Unsupported(format!("{bits_per_sample}-bit samples"), PCM));
    }
    if !matches!(channels, 1 | 2) {
        return Err(AudioFileError::Unsupported(format!("{channels} channels"), "mono or stereo"));
    }
    AudioSource::converts(sample_rate).map_err(AudioFileError::Rate)?;
    // The length in the header is only a claim, so nothing is allocated for it.
    if u64::from(reader.duration()) > u64::from(MAX_SECONDS) * u64::from(sample_rate) {
        return Err(AudioFileError::TooLong);
    }
    let mut mono = Vec::new();
    let mut left = None;
    for (at, sample) in (0..).zip(reader.samples::<i32>()) {
        let sample = sample.map_err(|_| AudioFileError::Damaged(at))?;
        let sample = match bits_per_sample {
            8 => sample << 8,
            bits => sample >> (bits - 16),
        };
        match (channels, left.take()) {
            (2, None) => left = Some(sample),
            (_, Some(left)) => mono.push(i32::midpoint(left, sample) as i16),
            (_, None) => mono.push(sample as i16),
        }
    }
    Ok((mono, sample_rate))
}

/// Writes a recording with 16 bits. [`finish`](Self::finish) completes the file; until then it holds what was there at the last
/// [`flush`](Self::flush), so that who is killed leaves a file that plays.
pub struct WavWriter<W: Write + Seek> {
    inner: hound::WavWriter<W>,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Begins a file of one channel with `rate` samples a second.
    ///
    /// # Errors
    /// [`AudioFileError::Io`] when the header cannot be written.
    pub fn new(file: W, rate: u32) -> Result<Self, AudioFileError> {
        Self::of(file, rate, 1)
    }

    /// Begins a file of two channels, whose samples are written by turns, the left one first.
    ///
    /// # Errors
    /// [`AudioFileError::Io`] when the header cannot be written.
    pub fn stereo(file: W, rate: u32) -> Result<Self, AudioFileError> {
        Self::of(file, rate, 2)
    }

    fn of(file: W, rate: u32, channels: u16) -> Result<Self, AudioFileError> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        Ok(Self { inner: hound::WavWriter::new(file, spec)? })
    }

    /// Appends samples.
    ///
    /// # Errors
    /// [`AudioFileError::Io`], as when the disk is full.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), AudioFileError> {
        samples.iter().try_for_each(|sample| self.inner.write_sample(*sample)).map_err(AudioFileError::from)
    }

    /// Brings the header up to what was written, and all of it to the file.
    ///
    /// # Errors
    /// [`AudioFileError::Io`], as when the disk is full.
    pub fn flush(&mut self) -> Result<(), AudioFileError> {
        Ok(self.inner.flush()?)
    }

    /// Samples written so far.
    pub fn len(&self) -> u32 {
        self.inner.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.inner.len() == 0
    }

    /// Writes the lengths into the header.
    ///
    /// # Errors
    /// [`AudioFileError::Io`], as when the disk is full.
    pub fn finish(self) -> Result<(), AudioFileError> {
        Ok(self.inner.finalize()?)
    }
}

impl<W: Write + Seek> fmt::Debug for WavWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavWriter").field("len", &self.len()).finish_non_exhaustive()
    }
}
