//! Recordings to be played: WAV, or Ogg with Opus (RFC 7845), whichever it is.

use crate::AudioSource;
use crate::wav::{AudioFileError, read_wav_at_its_rate};
use opus_pure::{OggOpusReader, OggPacket, OpusDecoder, OpusHead, Trim, packet};
use std::collections::VecDeque;
use std::fmt;
use std::io::{Cursor, Read};
use std::sync::Arc;

/// The largest Opus file: two hours at 64 kbit/s and more.
const MAX_OCTETS: u64 = 64 << 20;
/// The longest recording: two hours, by the clock of such files.
const MAX_TICKS: u64 = 7_200 * 48_000;
/// The longest packet that is no nonsense: 120 ms at the highest rate are under 8 KiB.
const MAX_PACKET: usize = 16 << 10;
/// Samples of a packet of 120 ms at 48 kHz.
const MAX_FRAME: usize = 5_760;
/// What an Ogg file begins with.
const MAGIC: &[u8; 4] = b"OggS";
/// The rates that Opus is decoded at.
const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
/// What can be played.
const OPUS: &str = "Ogg with one stream of Opus, mono or stereo";

/// A recording. Clones share what it holds.
#[derive(Clone)]
pub struct AudioFile(Kind);

#[derive(Clone)]
enum Kind {
    Samples(Arc<[i16]>, u32),
    /// Decoded while it plays.
    Opus(Arc<[u8]>, u32),
}

impl AudioFile {
    /// Reads a recording: WAV as [`read_wav_at_its_rate`] does, or Ogg with Opus, of at most 64 MiB and two hours.
    ///
    /// # Errors
    /// [`AudioFileError`] says what is wrong with the file and what would be right.
    pub fn read(mut file: impl Read) -> Result<Self, AudioFileError> {
        let mut begin = Vec::new();
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut begin).map_err(AudioFileError::Io)?;
        if begin != MAGIC {
            let (samples, rate) = read_wav_at_its_rate(Cursor::new(begin).chain(file))?;
            return Ok(Self(Kind::Samples(samples.into(), rate)));
        }
        file.take(MAX_OCTETS + 1 - MAGIC.len() as u64).read_to_end(&mut begin).map_err(AudioFileError::Io)?;
        if begin.len() as u64 > MAX_OCTETS {
            return Err(AudioFileError::TooLong);
        }
        let octets: Arc<[u8]> = begin.into();
        let rate = check(&octets)?;
        Ok(Self(Kind::Opus(octets, rate)))
    }

    /// Plays it once, then silence.
    pub fn once(&self) -> AudioSource {
        match &self.0 {
            Kind::Samples(samples, rate) => AudioSource::once(samples.clone(), *rate),
            Kind::Opus(octets, rate) => AudioSource::opus(OpusPlayer::new(octets.clone(), *rate, false)),
        }
    }

    /// Plays it over and over.
    pub fn repeat(&self) -> AudioSource {
        match &self.0 {
            Kind::Samples(samples, rate) => AudioSource::repeat(samples.clone(), *rate),
            Kind::Opus(octets, rate) => AudioSource::opus(OpusPlayer::new(octets.clone(), *rate, true)),
        }
    }
}

impl fmt::Debug for AudioFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Samples(samples, rate) => {
                write!(f, "AudioFile(WAV, {} samples at {rate} Hz)", samples.len())
            }
            Kind::Opus(octets, rate) => write!(f, "AudioFile(Opus, {} octets, {rate} Hz)", octets.len()),
        }
    }
}

/// Looks through all packets without decoding them, and says at which rate it is worth to be decoded.
fn check(octets: &[u8]) -> Result<u32, AudioFileError> {
    let damaged = |error: opus_pure::Error| AudioFileError::NotOpus(error.to_string());
    let mut reader = OggOpusReader::new(octets).map_err(damaged)?;
    let OpusHead { channel_count, mapping_family, input_sample_rate, .. } = *reader.head();
    if mapping_family != 0 || !matches!(channel_count, 1 | 2) {
        return Err(AudioFileError::Unsupported(format!("{channel_count} channels"), OPUS));
    }
    let (mut packet, mut ticks) = (OggPacket::default(), 0_u64);
    while reader.read_packet_into(&mut packet).map_err(damaged)? {
        if packet.data.len() > MAX_PACKET {
            return Err(AudioFileError::NotOpus("a packet is longer than any of Opus".to_owned()));
        }
        let length = packet::samples_48k(&packet.data).map_err(damaged)?;
        ticks += u64::try_from(length).unwrap_or(u64::MAX);
        if ticks > MAX_TICKS {
            return Err(AudioFileError::TooLong);
        }
    }
    Ok(if RATES.contains(&input_sample_rate) { input_sample_rate } else { 48_000 })
}

/// Decodes a file as it is played.
pub(crate) struct OpusPlayer {
    octets: Arc<[u8]>,
    rate: u32,
    repeats: bool,
    /// None when it is over.
    playing: Option<Box<Playing>>,
    ready: VecDeque<i16>,
}

struct Playing {
    reader: OggOpusReader<Cursor<Arc<[u8]>>>,
    decoder: OpusDecoder,
    trim: Trim,
    packet: OggPacket,
    channels: usize,
    frame: Vec<i16>,
}

impl Playing {
    fn begin(octets: &Arc<[u8]>, rate: u32) -> Option<Box<Self>> {
        let reader = OggOpusReader::new(Cursor::new(octets.clone())).ok()?;
        let channels = usize::from(reader.head().channel_count);
        let decoder = reader.head().decoder(rate as i32).ok()?;
        let trim = Trim::new(reader.head(), rate as i32, channels).ok()?;
        let (packet, frame) = (OggPacket::default(), vec![0; MAX_FRAME * channels]);
        Some(Box::new(Self { reader, decoder, trim, packet, channels, frame }))
    }

    /// Decodes the next packet as one channel; false at the end.
    fn step(&mut self, ready: &mut VecDeque<i16>) -> bool {
        let Ok(true) = self.reader.read_packet_into(&mut self.packet) else { return false };
        let room = self.frame.len() / self.channels;
        // A packet that cannot be decoded is left out: it is a file, and nobody will send it again.
        let Ok(length) = self.decoder.decode_s16(&self.packet.data, room, &mut self.frame) else {
            return true;
        };
        let decoded = self.frame.get(..length * self.channels).unwrap_or_default();
        let kept = self.trim.keep(&self.packet, decoded);
        match self.channels {
            2 => ready.extend(kept.chunks_exact(2).map(|both| both[0].midpoint(both[1]))),
            _ => ready.extend(kept),
        }
        true
    }
}

impl OpusPlayer {
    fn new(octets: Arc<[u8]>, rate: u32, repeats: bool) -> Self {
        let playing = Playing::begin(&octets, rate);
        Self { octets, rate, repeats, playing, ready: VecDeque::new() }
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.playing.is_none() && self.ready.is_empty()
    }

    /// Fills `out` at its own rate.
    pub(crate) fn fill(&mut self, out: &mut [i16]) {
        let mut has_begun_anew = false;
        while self.ready.len() < out.len() {
            let Some(playing) = &mut self.playing else { break };
            if playing.step(&mut self.ready) {
                has_begun_anew &= self.ready.is_empty();
                continue;
            }
            // A file without a sample would begin anew for ever.
            let again = self.repeats && !has_begun_anew;
            self.playing = if again { Playing::begin(&self.octets, self.rate) } else { None };
            has_begun_anew = true;
        }
        for sample in out {
            *sample = self.ready.pop_front().unwrap_or(0);
        }
    }
}

impl Clone for OpusPlayer {
    /// From the beginning: what is decoded hangs together with all that was before.
    fn clone(&self) -> Self {
        Self::new(self.octets.clone(), self.rate, self.repeats)
    }
}

impl fmt::Debug for OpusPlayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusPlayer").field("rate", &self.rate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpusWriter;
    use proptest::prelude::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(rate: u32, seconds: f64, is_stereo: bool) -> Vec<u8> {
        let file = Shared::default();
        let mut samples = vec![0; (f64::from(rate) * seconds) as usize];
        AudioSource::tone(440.0, -10.0).fill(rate, &mut samples);
        if is_stereo {
            let both: Vec<i16> = samples.iter().flat_map(|it| [*it, *it]).collect();
            let mut writer = OpusWriter::stereo(file.clone(), rate).unwrap();
            writer.write(&both).unwrap();
            writer.finish().unwrap();
        } else {
            let mut writer = OpusWriter::new(file.clone(), rate).unwrap();
            writer.write(&samples).unwrap();
            writer.finish().unwrap();
        }
        file.0.lock().unwrap().clone()
    }

    fn crossings(samples: &[i16]) -> usize {
        samples.windows(2).filter(|it| it[0] < 0 && it[1] >= 0).count()
    }

    #[test]
    fn a_file_of_opus_is_played_once_at_any_rate_and_then_is_silence() {
        for (rate, is_stereo) in [(8_000, false), (16_000, true), (48_000, false)] {
            let file = AudioFile::read(&written(rate, 1.0, is_stereo)[..]).unwrap();
            for asked in [8_000, 48_000] {
                let (mut source, mut out) = (file.once(), Vec::new());
                while !source.is_finished() {
                    let mut frame = vec![0; asked as usize / 50];
                    source.fill(asked, &mut frame);
                    out.extend(frame);
                }
                assert!(out.len().abs_diff(asked as usize) <= asked as usize / 20, "{rate} at {asked}");
                assert!((435..=445).contains(&crossings(&out)), "{rate} at {asked}: {}", crossings(&out));
                let mut after = vec![1; 4_000];
                source.fill(asked, &mut after);
                assert!(after[2_000..].iter().all(|it| *it == 0));
            }
        }
    }

    #[test]
    fn it_is_played_over_and_over_and_an_empty_one_is_silence() {
        let mut source = AudioFile::read(&written(8_000, 0.5, false)[..]).unwrap().repeat();
        let mut out = vec![0; 8_000 * 3];
        source.fill(8_000, &mut out);
        assert!((1_290..=1_330).contains(&crossings(&out)), "{}", crossings(&out));
        assert!(!source.is_finished());
        let mut nothing = AudioFile::read(&written(8_000, 0.0, false)[..]).unwrap().repeat();
        nothing.fill(8_000, &mut out);
        assert!(out.iter().all(|it| *it == 0));
    }

    #[test]
    fn wav_is_read_as_well_and_what_is_neither_is_refused_with_a_reason() {
        let mut wav = Cursor::new(Vec::new());
        let mut writer = crate::WavWriter::new(&mut wav, 8_000).unwrap();
        writer.write(&[1, 2, 3]).unwrap();
        writer.finish().unwrap();
        let mut out = [0; 4];
        AudioFile::read(&wav.into_inner()[..]).unwrap().once().fill(8_000, &mut out);
        assert_eq!(out, [1, 2, 3, 0]);
        let told = |octets: &[u8]| AudioFile::read(octets).unwrap_err().to_string();
        assert!(told(b"").contains("WAV"), "{}", told(b""));
        assert!(told(b"ID3 something").contains("WAV"));
        assert!(told(b"OggS").contains("Opus"), "{}", told(b"OggS"));
        let mut cut = written(8_000, 1.0, false);
        cut[60] ^= 0xFF;
        assert!(told(&cut).contains("Opus"), "{}", told(&cut));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_refused_or_played_and_ends(at in 0_usize..4_000, with in 1_u8.., cut in 0_usize..4_000) {
            let mut octets = written(8_000, 0.4, false);
            let length = octets.len();
            octets[at % length] ^= with;
            octets.truncate(cut.max(1) % length + 1);
            if let Ok(file) = AudioFile::read(&octets[..]) {
                let (mut source, mut frame) = (file.once(), [0; 160]);
                for _ in 0..200 {
                    source.fill(8_000, &mut frame);
                }
                prop_assert!(source.is_finished());
            }
        }
    }
}
