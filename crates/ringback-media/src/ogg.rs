//! Ogg files of Opus (RFC 7845): recordings that take a tenth of the room of WAV.

use crate::AudioFileError;
use opus_pure::{Application, OggOpusWriter, OpusEncoder, OpusHead};
use std::fmt;
use std::io::Write;

/// The rates that can be coded (RFC 7845 §5.1); the file remembers which it was.
const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
/// The clock by which such files count.
const CLOCK: u64 = 48_000;
/// Bits a second for each channel and each Hz: 16 kbit/s of a telephone, 48 of what has all that can be heard.
const BITS: u32 = 2;
const MOST_BITS: u32 = 48_000;
/// The most octets of a packet.
const MAX_PACKET: usize = 1_500;
/// Octets of a page while much is written at once.
const PAGE: usize = 4_096;

/// Writes a recording. [`finish`](Self::finish) completes the file; until then it holds what was there when
/// [`flush`](Self::flush) was called last but once, so that who is killed leaves a file that plays.
pub struct OpusWriter<W: Write> {
    inner: OggOpusWriter<W>,
    encoder: OpusEncoder,
    rate: u32,
    channels: usize,
    /// Samples that are less than a packet.
    waiting: Vec<i16>,
    packet: Vec<u8>,
    /// Samples of each channel that were given.
    given: u64,
    /// Samples by [`CLOCK`] that a player leaves out at the beginning.
    pre_skip: u64,
}

impl<W: Write> OpusWriter<W> {
    /// Begins a file of one channel with `rate` samples a second: 8,000, 12,000, 16,000, 24,000 or 48,000.
    ///
    /// # Errors
    /// [`AudioFileError::Unsupported`] for another rate, [`AudioFileError::Io`] when the header cannot be written.
    pub fn new(file: W, rate: u32) -> Result<Self, AudioFileError> {
        Self::of(file, rate, 1)
    }

    /// Begins a file of two channels, whose samples are written by turns, the left one first.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn stereo(file: W, rate: u32) -> Result<Self, AudioFileError> {
        Self::of(file, rate, 2)
    }

    fn of(file: W, rate: u32, channels: usize) -> Result<Self, AudioFileError> {
        if !RATES.contains(&rate) {
            let wanted = "8, 12, 16, 24 or 48 kHz in an Opus file";
            return Err(AudioFileError::Unsupported(format!("{rate} Hz"), wanted));
        }
        // Two voices that have nothing to do with each other are no stereo of one.
        let kind = if channels == 1 { Application::Voip } else { Application::Audio };
        let mut encoder = OpusEncoder::new(rate as i32, channels, kind)?;
        encoder.bitrate_bps = (rate * BITS).min(MOST_BITS) as i32 * channels as i32;
        let head = OpusHead::for_encoder(&encoder, rate);
        let pre_skip = head.pre_skip.into();
        let inner = OggOpusWriter::new(file, head)?;
        let packet = vec![0; MAX_PACKET];
        Ok(Self { inner, encoder, rate, channels, waiting: Vec::new(), packet, given: 0, pre_skip })
    }

    /// Appends samples.
    ///
    /// # Errors
    /// [`AudioFileError::Io`], as when the disk is full.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), AudioFileError> {
        self.given += (samples.len() / self.channels) as u64;
        let frame = self.frame();
        self.waiting.extend_from_slice(samples);
        let waiting = std::mem::take(&mut self.waiting);
        let mut packets = waiting.chunks_exact(frame);
        for samples in &mut packets {
            self.write_packet(samples, self.packet_ticks())?;
        }
        self.waiting = packets.remainder().to_vec();
        Ok(())
    }

    /// Brings what was written up to the last flush to the file: an Ogg page ends here.
    ///
    /// # Errors
    /// [`AudioFileError::Io`], as when the disk is full.
    pub fn flush(&mut self) -> Result<(), AudioFileError> {
        // The next packet ends the page that has something on it.
        self.inner.set_page_target(1);
        if let Some(file) = self.inner.get_mut() {
            file.flush().map_err(AudioFileError::Io)?;
        }
        Ok(())
    }

    /// Writes the rest, so that the file plays for exactly as long as what was given.
    ///
    /// # Errors
    /// [`AudioFileError::Io`], as when the disk is full.
    pub fn finish(mut self) -> Result<(), AudioFileError> {
        // RFC 7845 §4.4: the last packet counts less than it holds.
        let end = self.pre_skip + self.given * CLOCK / u64::from(self.rate);
        let mut rest = std::mem::take(&mut self.waiting);
        rest.resize(self.frame(), 0);
        while self.granule() < end {
            let ticks = (end - self.granule()).min(self.packet_ticks().into()) as u32;
            self.write_packet(&rest, ticks)?;
            rest.fill(0);
        }
        self.inner.finish()?.flush().map_err(AudioFileError::Io)
    }

    fn granule(&self) -> u64 {
        self.inner.granule().max(0).unsigned_abs()
    }

    /// Samples of all channels in 20 ms.
    fn frame(&self) -> usize {
        self.rate as usize / 50 * self.channels
    }

    fn packet_ticks(&self) -> u32 {
        (CLOCK / 50) as u32
    }

    fn write_packet(&mut self, samples: &[i16], ticks: u32) -> Result<(), AudioFileError> {
        let length = self.encoder.encode_s16(samples, samples.len() / self.channels, &mut self.packet)?;
        let packet = self.packet.get(..length).unwrap_or_default();
        self.inner.write_packet_with_duration(packet, ticks)?;
        self.inner.set_page_target(PAGE);
        Ok(())
    }
}

impl<W: Write> fmt::Debug for OpusWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusWriter")
            .field("rate", &self.rate)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl From<opus_pure::Error> for AudioFileError {
    fn from(error: opus_pure::Error) -> Self {
        match error {
            opus_pure::Error::Io(error) => Self::Io(error),
            error => Self::Io(std::io::Error::other(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AudioSource;
    use opus_pure::{OggOpusReader, Trim};
    use std::sync::{Arc, Mutex};

    /// A file that can be looked at while it is written.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn bytes(&self) -> Vec<u8> {
            self.0.lock().unwrap().clone()
        }
    }

    impl Write for Shared {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn tone(hertz: f64, rate: u32, seconds: f64) -> Vec<i16> {
        let mut samples = vec![0; (f64::from(rate) * seconds) as usize];
        AudioSource::tone(hertz, -10.0).fill(rate, &mut samples);
        samples
    }

    /// What a player makes of it.
    fn played(file: &[u8], rate: u32, channels: usize) -> Vec<i16> {
        let mut reader = OggOpusReader::new(file).expect("an Ogg file of Opus");
        let mut decoder = reader.head().decoder(rate as i32).expect("a rate");
        let mut trim = Trim::new(reader.head(), rate as i32, channels).expect("a rate");
        let (mut out, mut frame) = (Vec::new(), vec![0_i16; rate as usize / 50 * channels]);
        while let Ok(Some(packet)) = reader.read_packet() {
            let length = decoder.decode_s16(&packet.data, rate as usize / 50, &mut frame).expect("a packet");
            out.extend_from_slice(trim.keep(&packet, &frame[..length * channels]));
        }
        out
    }

    fn strength(samples: &[i16], hertz: f64, rate: u32) -> f64 {
        let step = hertz / f64::from(rate) * std::f64::consts::TAU;
        let sum = |wave: fn(f64) -> f64| -> f64 {
            samples.iter().zip(0..).map(|(it, n)| f64::from(*it) * wave(step * f64::from(n))).sum()
        };
        (sum(f64::sin).powi(2) + sum(f64::cos).powi(2)).sqrt() / samples.len() as f64 * 2.0
    }

    #[test]
    fn a_recording_plays_as_long_as_it_was_and_sounds_alike() {
        for (rate, seconds) in [(8_000, 1.0), (16_000, 0.73), (48_000, 1.011)] {
            let file = Shared::default();
            let mut writer = OpusWriter::new(file.clone(), rate).unwrap();
            let said = tone(440.0, rate, seconds);
            said.chunks(777).for_each(|part| writer.write(part).unwrap());
            writer.finish().unwrap();
            let heard = played(&file.bytes(), rate, 1);
            assert_eq!(heard.len(), said.len(), "{rate} Hz");
            let (wanted, got) = (strength(&said, 440.0, rate), strength(&heard, 440.0, rate));
            assert!((got / wanted - 1.0).abs() < 0.2, "{rate} Hz: {got} of {wanted}");
        }
    }

    #[test]
    fn two_sides_stay_apart() {
        let file = Shared::default();
        let mut writer = OpusWriter::stereo(file.clone(), 16_000).unwrap();
        let (left, right) = (tone(400.0, 16_000, 2.0), tone(1_100.0, 16_000, 2.0));
        let both: Vec<i16> = left.iter().zip(&right).flat_map(|(a, b)| [*a, *b]).collect();
        writer.write(&both).unwrap();
        writer.finish().unwrap();
        let heard = played(&file.bytes(), 16_000, 2);
        assert_eq!(heard.len(), both.len());
        let side = |which: usize| heard.iter().skip(which).step_by(2).copied().collect::<Vec<i16>>();
        for (side, own, other) in [(side(0), 400.0, 1_100.0), (side(1), 1_100.0, 400.0)] {
            assert!(strength(&side, own, 16_000) > 10.0 * strength(&side, other, 16_000));
        }
    }

    #[test]
    fn who_is_killed_leaves_a_file_that_plays() {
        let file = Shared::default();
        let mut writer = OpusWriter::new(file.clone(), 8_000).unwrap();
        for _ in 0..10 {
            writer.write(&tone(440.0, 8_000, 0.5)).unwrap();
            writer.flush().unwrap();
        }
        // Dropped without a word, as by SIGKILL.
        let left = file.bytes();
        drop(writer);
        let heard = played(&left, 8_000, 1);
        assert!(heard.len() >= 8_000 * 4, "all but the last flush: {} samples", heard.len());
        assert!(strength(&heard, 440.0, 8_000) > 1_000.0);
    }

    #[test]
    fn rates_that_opus_has_not_are_refused() {
        let error = OpusWriter::new(Shared::default(), 44_100).unwrap_err();
        assert!(matches!(error, AudioFileError::Unsupported(..)), "{error}");
        let empty = Shared::default();
        OpusWriter::new(empty.clone(), 8_000).unwrap().finish().unwrap();
        assert!(played(&empty.bytes(), 8_000, 1).is_empty());
    }
}
