//! Recordings that grow on the disk as the call goes on, in a file that plays at any moment.

use crate::audio::AudioError;
use futures::FutureExt as _;
use ringback_media::{
    AudioFileError, AudioPayload, OpusWriter, RecorderLimits, TimestampRecorder, WavWriter,
};
use ringback_rtp::RtpPacket;
use std::ffi::OsStr;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, spawn_blocking};

/// How often what came goes to the disk.
const EVERY: Duration = Duration::from_millis(500);
/// How much may wait for a disk that does not take it; what comes then is lost.
const MAX_WAITING: Duration = Duration::from_secs(60);
/// How long a recording may be.
const MAX_LENGTH: Duration = Duration::from_secs(8 * 3_600);
/// A WAV file counts its octets with 32 bits, two of them a sample.
const MAX_SAMPLES: u64 = 2_000_000_000;
/// What a file says of itself in which nothing was recorded.
const DEFAULT_RATE: u32 = 8_000;

/// Who is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sides {
    /// The other side, packet by packet.
    Heard,
    /// Both, as they were heard and said.
    Both,
}

/// The file, as its name wants it.
enum Track {
    Wav(WavWriter<BufWriter<File>>),
    Opus(Box<OpusWriter<BufWriter<File>>>),
}

impl Track {
    /// Begins it.
    fn begin(path: &Path, file: File, sides: Sides, rate: u32) -> Result<Self, AudioFileError> {
        let file = BufWriter::new(file);
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let is_opus = ["opus", "ogg"].iter().any(|it| extension.eq_ignore_ascii_case(it));
        Ok(match (is_opus, sides) {
            (false, Sides::Heard) => Self::Wav(WavWriter::new(file, rate)?),
            (false, Sides::Both) => Self::Wav(WavWriter::stereo(file, rate)?),
            (true, Sides::Heard) => Self::Opus(Box::new(OpusWriter::new(file, rate)?)),
            (true, Sides::Both) => Self::Opus(Box::new(OpusWriter::stereo(file, rate)?)),
        })
    }

    fn write(&mut self, samples: &[i16]) -> Result<(), AudioFileError> {
        match self {
            Self::Wav(wav) => wav.write(samples),
            Self::Opus(opus) => opus.write(samples),
        }
    }

    fn flush(&mut self) -> Result<(), AudioFileError> {
        match self {
            Self::Wav(wav) => wav.flush(),
            Self::Opus(opus) => opus.flush(),
        }
    }

    fn finish(self) -> Result<(), AudioFileError> {
        match self {
            Self::Wav(wav) => wav.finish(),
            Self::Opus(opus) => opus.finish(),
        }
    }
}

/// A recording under way.
pub(crate) struct Recording {
    path: PathBuf,
    sides: Sides,
    recorder: TimestampRecorder,
    /// Samples a second; 0 until they are known.
    rate: u32,
    /// Samples that wait for the disk, and how many were given to it.
    waiting: Vec<i16>,
    given: u64,
    file: Place,
    due: Option<Instant>,
    fault: Option<AudioError>,
}

/// Where the file is.
enum Place {
    /// Open, and empty.
    New(File),
    /// Here, to be written.
    Here(Track),
    /// With a thread that writes.
    Away(JoinHandle<Result<Track, AudioFileError>>),
    /// It cannot be written.
    Lost,
}

impl Recording {
    /// Creates the file, so that what is wrong with it is known before anything is sent.
    pub(crate) fn create(path: PathBuf, sides: Sides) -> Result<Self, AudioError> {
        let file = File::create(&path).map_err(|error| AudioError::create(&path, error))?;
        Ok(Self {
            path,
            sides,
            recorder: TimestampRecorder::new(RecorderLimits {
                length: MAX_LENGTH,
                ..RecorderLimits::default()
            }),
            rate: 0,
            waiting: Vec::new(),
            given: 0,
            file: Place::New(file),
            due: None,
            fault: None,
        })
    }

    /// A packet came.
    pub(crate) fn hear(&mut self, payload: &AudioPayload, packet: &RtpPacket<'_>) {
        if self.sides == Sides::Heard {
            self.recorder.write(payload, packet);
        }
    }

    /// A frame went by in each direction, at `rate`.
    pub(crate) fn pass(&mut self, now: Instant, rate: u32, heard: &[i16], said: &[i16]) {
        if self.sides == Sides::Both {
            self.rate = rate;
            let said = said.iter().copied().chain(std::iter::repeat(0));
            self.append(heard.iter().zip(said).flat_map(|(heard, said)| [*heard, said]).collect());
        }
        self.write(now);
    }

    /// A frame was heard in a place that has no packets, at `rate`. Of both sides, ours is silent.
    pub(crate) fn append_heard(&mut self, now: Instant, rate: u32, heard: &[i16]) {
        self.rate = rate;
        match self.sides {
            Sides::Heard => self.append(heard.to_vec()),
            Sides::Both => self.append(heard.iter().flat_map(|heard| [*heard, 0]).collect()),
        }
        self.write(now);
    }

    fn append(&mut self, samples: Vec<i16>) {
        let most = u64::from(self.rate) * u64::from(self.channels()) * MAX_WAITING.as_secs();
        let waits = (self.waiting.len() + samples.len()) as u64;
        if waits <= most && self.given + waits <= MAX_SAMPLES {
            self.waiting.extend(samples);
        }
    }

    fn channels(&self) -> u16 {
        if self.sides == Sides::Both { 2 } else { 1 }
    }

    /// Has what came written, where it is time and the disk is ready.
    fn write(&mut self, now: Instant) {
        let due = *self.due.get_or_insert(now + EVERY);
        if now < due {
            return;
        }
        self.due = Some(now + EVERY);
        self.settle();
        if let Place::Away(job) = &mut self.file {
            let Some(back) = job.now_or_never() else { return };
            self.take_back(back.map_err(|_| ()));
        }
        if self.waiting.is_empty() {
            return;
        }
        let Some(mut track) = self.open() else { return };
        let samples = std::mem::take(&mut self.waiting);
        self.given += samples.len() as u64;
        // A disk may be slow; other calls of this runtime are not to hear it.
        self.file = Place::Away(spawn_blocking(move || {
            track.write(&samples)?;
            track.flush()?;
            Ok(track)
        }));
    }

    /// Takes from the recorder what no packet will change any more.
    fn settle(&mut self) {
        let Some(rate) = self.recorder.rate() else { return };
        self.rate = rate;
        let mut settled = Vec::new();
        self.recorder.settle(&mut settled);
        self.append(settled);
    }

    fn take_back(&mut self, back: Result<Result<Track, AudioFileError>, ()>) {
        self.file = match back {
            Ok(Ok(track)) => Place::Here(track),
            Ok(Err(error)) => {
                self.fault.get_or_insert(AudioError::Write(self.path.clone(), error));
                Place::Lost
            }
            // The thread panicked or the runtime ends; neither leaves a file to write.
            Err(()) => Place::Lost,
        };
    }

    /// The file, with its header once the rate is known.
    fn open(&mut self) -> Option<Track> {
        if self.rate == 0 {
            self.rate = DEFAULT_RATE;
        }
        match std::mem::replace(&mut self.file, Place::Lost) {
            Place::Here(track) => Some(track),
            Place::New(file) => {
                let begun = Track::begin(&self.path, file, self.sides, self.rate);
                begun.map_err(|error| self.fault = Some(AudioError::Write(self.path.clone(), error))).ok()
            }
            place @ (Place::Away(_) | Place::Lost) => {
                self.file = place;
                None
            }
        }
    }

    /// Writes the rest, and says how long the recording is and why it could not be written.
    pub(crate) async fn finish(mut self) -> (Duration, Option<AudioError>) {
        if let Place::Away(job) = &mut self.file {
            let back = job.await;
            self.take_back(back.map_err(|_| ()));
        }
        self.recorder.finish();
        self.settle();
        let rest: Vec<i16> = self.recorder.samples().collect();
        self.append(rest);
        if let Some(mut track) = self.open() {
            let samples = std::mem::take(&mut self.waiting);
            self.given += samples.len() as u64;
            let written = spawn_blocking(move || {
                track.write(&samples)?;
                track.finish()
            });
            if let Ok(Err(error)) = written.await {
                self.fault = Some(AudioError::Write(self.path.clone(), error));
            }
        }
        let frames = self.given / u64::from(self.channels());
        (Duration::from_secs_f64(frames as f64 / f64::from(self.rate.max(1))), self.fault)
    }
}
