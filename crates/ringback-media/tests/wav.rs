//! WAV files of all sorts, in and out.

use ringback_media::{AudioFileError, WavWriter, read_wav};
use std::io::Cursor;

/// A WAV file of 100 sample times; `value` gives the sample of a time and a channel.
fn wav(channels: u16, rate: u32, bits: u16, value: impl Fn(usize, u16) -> i32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: bits,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).expect("a spec that hound takes");
    for time in 0..100 {
        (0..channels).for_each(|channel| writer.write_sample(value(time, channel)).expect("memory"));
    }
    writer.finalize().expect("memory");
    file.into_inner()
}

#[test]
fn what_was_written_is_read_back_sample_for_sample() {
    let samples: Vec<i16> = (0..1_000).map(|n| (n * 37 - 15_000) as i16).collect();
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, 8_000).expect("memory");
    samples.chunks(160).for_each(|it| writer.write(it).expect("memory"));
    assert_eq!(writer.len(), 1_000);
    writer.finish().expect("memory");
    assert_eq!(read_wav(file.into_inner().as_slice(), 8_000).expect("readable"), samples);
}

#[test]
fn two_channels_are_mixed_and_every_depth_is_brought_to_sixteen_bits() {
    let mixed = read_wav(&*wav(2, 8_000, 16, |n, channel| n as i32 * 2 + i32::from(channel) * 100), 8_000);
    assert_eq!(mixed.expect("stereo"), (0..100).map(|n| n * 2 + 50).collect::<Vec<i16>>());
    for (bits, scale) in [(8, 1 << 8), (16, 1), (24, 1), (32, 1)] {
        let unit = 1 << (bits.max(16) - 16);
        let read = read_wav(&*wav(1, 8_000, bits, |n, _| (n as i32 - 50) * unit), 8_000).expect("PCM");
        assert_eq!(read, (0..100).map(|n| (n - 50) * scale as i16).collect::<Vec<i16>>(), "{bits} bits");
    }
}

#[test]
fn other_rates_are_converted() {
    for (rate, length) in [(16_000, 50), (44_100, 19), (48_000, 17)] {
        let read = read_wav(&*wav(1, rate, 16, |_, _| 500), 8_000).expect("a usual rate");
        assert_eq!(read.len(), length, "{rate}");
    }
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    let message = |file: &[u8]| read_wav(file, 8_000).expect_err("refused").to_string();
    assert_eq!(
        message(&wav(1, 12_347, 16, |_, _| 0)),
        "cannot convert 12347 Hz to 8000 Hz; 8000, 16000, 44100 and 48000 Hz can be"
    );
    assert_eq!(message(&wav(3, 8_000, 16, |_, _| 0)), "it has 3 channels; wanted is mono or stereo");
    assert!(message(b"ID3\x04not a wave file at all, but long enough").starts_with("not a WAV file"));
    assert!(message(b"").starts_with("not a WAV file"));
    let whole = wav(1, 8_000, 16, |_, _| 0);
    assert!(matches!(read_wav(&whole[..whole.len() - 50], 8_000), Err(AudioFileError::Damaged(75))));
}

#[test]
fn a_header_that_claims_hours_takes_no_memory() {
    let mut lie = wav(1, 8_000, 16, |_, _| 0);
    // The length of the data chunk is the last number before the samples.
    let at = lie.len() - 204;
    lie[at..at + 4].copy_from_slice(&0x7fff_fff0u32.to_le_bytes());
    assert!(matches!(read_wav(&*lie, 8_000), Err(AudioFileError::TooLong)));
}
