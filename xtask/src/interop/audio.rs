//! Whether what was recorded is what was played: WAV files and the likeness of their sounds.
//!
//! Between the two lie a codec, a jitter buffer that may shift and stretch, and a start and an end that are cut. So the
//! played sound is looked for piece by piece, and each piece must be found nearly as it was.

use std::path::Path;

use crate::failure::{Failure, Outcome};

/// Half a second at 8 kHz: long enough that no other piece sounds the same, short enough that drift does not show.
const PIECE: usize = 4_000;
/// What two sounds must have in common to be the same: 1 is identical, unrelated speech stays under 0.4.
pub(crate) const ALIKE: f64 = 0.95;
/// The same where a codec keeps what is heard and not its wave, as Opus does.
pub(crate) const ALIKE_BY_EAR: f64 = 0.8;
/// So much of the speech must be heard. The rest is what the ends of a call cut off.
const HEARD: f64 = 0.75;
/// Pieces quieter than this carry no speech (mean square of a 16-bit sample).
const QUIET: f64 = 200.0 * 200.0;

/// What was found.
#[derive(Debug, PartialEq)]
pub(crate) struct Likeness {
    /// Pieces of the played sound that carry speech.
    pub(crate) spoken: usize,
    /// Those of them that were found, in their order.
    pub(crate) heard: usize,
    /// The mean likeness of the pieces that were found.
    pub(crate) likeness: f64,
}

/// Compares two files of 16-bit PCM at 8 kHz or a multiple; less than three quarters heard is a failure.
pub(crate) fn check(what: &str, played: &Path, recorded: &Path) -> Outcome<Likeness> {
    check_for(what, played, recorded, ALIKE)
}

/// The same, where so much has to be alike.
pub(crate) fn check_for(what: &str, played: &Path, recorded: &Path, alike: f64) -> Outcome<Likeness> {
    let found = compare(&read(played)?, &read(recorded)?, alike);
    if found.spoken > 0 && found.heard as f64 >= HEARD * found.spoken as f64 {
        return Ok(found);
    }
    Err(Failure::Failed(format!(
        "{what}: {} of {} pieces of {} are in {} (likeness {:.3})",
        found.heard,
        found.spoken,
        played.display(),
        recorded.display(),
        found.likeness
    )))
}

/// Looks for each spoken piece of `played` in `recorded`, each after the one before.
fn compare(played: &[i16], recorded: &[i16], alike: f64) -> Likeness {
    let played: Vec<f64> = played.iter().map(|sample| f64::from(*sample)).collect();
    let recorded: Vec<f64> = recorded.iter().map(|sample| f64::from(*sample)).collect();
    let (mut spoken, mut heard, mut sum, mut from) = (0, 0, 0.0, 0);
    for piece in played.chunks_exact(PIECE).filter(|piece| power(piece) > QUIET) {
        spoken += 1;
        let Some((at, likeness)) = best_match(piece, &recorded[from..]) else { continue };
        if likeness > alike {
            heard += 1;
            sum += likeness;
            from += at + PIECE / 2;
        }
    }
    Likeness { spoken, heard, likeness: if heard == 0 { 0.0 } else { sum / f64::from(heard as u32) } }
}

/// Where the piece fits best, and how well (normalised correlation).
fn best_match(piece: &[f64], within: &[f64]) -> Option<(usize, f64)> {
    let own = piece.iter().map(|sample| sample * sample).sum::<f64>().sqrt();
    let mut best = None;
    for (at, window) in within.windows(piece.len()).enumerate() {
        let (mut product, mut other) = (0.0, 0.0);
        for (a, b) in piece.iter().zip(window) {
            product += a * b;
            other += b * b;
        }
        let likeness = if other > 0.0 { product / (own * other.sqrt()) } else { 0.0 };
        if best.is_none_or(|(_, so_far)| likeness > so_far) {
            best = Some((at, likeness));
        }
        if likeness > 0.999 {
            break;
        }
    }
    best
}

fn power(piece: &[f64]) -> f64 {
    piece.iter().map(|sample| sample * sample).sum::<f64>() / piece.len() as f64
}

/// Reads a WAV file of 16-bit PCM at 8 kHz or a multiple as one channel at 8 kHz.
pub(crate) fn read(path: &Path) -> Outcome<Vec<i16>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    samples(&bytes).map_err(|what| Failure::Failed(format!("{}: {what}", path.display())))
}

fn samples(bytes: &[u8]) -> Result<Vec<i16>, String> {
    let word = |at: usize| {
        bytes.get(at..at + 4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    };
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return Err("no WAV file".into());
    }
    let mut at = 12;
    let mut form = None;
    while let (Some(name), Some(length)) = (bytes.get(at..at + 4), word(at + 4)) {
        let body = &bytes[at + 8..];
        // A recorder that was killed never wrote the length of what it recorded.
        let body = &body[..body.len().min(length as usize)];
        match name {
            b"fmt " => form = Form::read(body),
            b"data" => {
                let form = form.ok_or("not 16-bit PCM at 8 kHz or a multiple of it")?;
                return Ok(form.narrow(body));
            }
            _ => {}
        }
        at += 8 + length as usize + (length as usize & 1);
    }
    Err("a WAV file without sound".into())
}

/// How the sound of a WAV file is laid out.
struct Form {
    channels: usize,
    /// How many times 8,000 samples a second.
    times: usize,
}

impl Form {
    fn read(body: &[u8]) -> Option<Self> {
        let half = |at: usize| body.get(at..at + 2).map(|it| usize::from(u16::from_le_bytes([it[0], it[1]])));
        let rate = body.get(4..8).map(|it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]) as usize)?;
        let is_plain = half(0) == Some(1) && half(14) == Some(16);
        let (channels, times) = (half(2)?, rate / 8_000);
        let fits = is_plain && matches!(channels, 1 | 2) && matches!(times, 1..=6) && times * 8_000 == rate;
        fits.then_some(Self { channels, times })
    }

    /// One channel at 8 kHz of it.
    fn narrow(&self, body: &[u8]) -> Vec<i16> {
        let frames = body.chunks_exact(2 * self.channels).map(|frame| {
            let samples = frame.chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])));
            samples.sum::<f64>() / self.channels as f64
        });
        let sound: Vec<f64> = frames.collect();
        if self.times == 1 {
            return sound.iter().map(|sample| *sample as i16).collect();
        }
        // A windowed sinc that ends below 4 kHz.
        let reach = 24 * self.times as i32;
        let taps: Vec<f64> = (-reach..=reach)
            .map(|n| {
                let x = f64::from(n) / self.times as f64 * 0.9 * std::f64::consts::PI;
                let sinc = if n == 0 { 1.0 } else { x.sin() / x };
                sinc * (1.0 + (f64::from(n) / f64::from(reach) * std::f64::consts::PI).cos()) / 2.0
            })
            .collect();
        let whole: f64 = taps.iter().sum();
        (0..sound.len() / self.times)
            .map(|out| {
                let first = (out * self.times) as i32 - reach;
                let sum: f64 = taps
                    .iter()
                    .zip(first..)
                    .filter_map(|(tap, at)| Some(tap * sound.get(usize::try_from(at).ok()?)?))
                    .sum();
                (sum / whole) as i16
            })
            .collect()
    }
}

/// A WAV file of mono 16-bit PCM at 8 kHz.
pub(crate) fn wav(samples: &[i16]) -> Vec<u8> {
    let length = (samples.len() * 2) as u32;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + length).to_le_bytes());
    // One channel, 8,000 samples and 16,000 octets a second, two octets a sample, sixteen bits.
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

/// A sample in an octet of PCMU (ITU-T G.711).
pub(crate) fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let size = i32::from(sample).abs().min(32_635) + 132;
    let exponent = (24 - size.leading_zeros() as i32).clamp(0, 7);
    let mantissa = (size >> (exponent + 3)) & 15;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// The sample that an octet of PCMU stands for.
pub(crate) fn linear(octet: u8) -> i16 {
    let octet = !octet;
    let mantissa = (i32::from(octet & 15) << 3) + 132;
    let size = (mantissa << ((octet >> 4) & 7)) - 132;
    (if octet & 0x80 == 0 { size } else { -size }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three seconds that sound different everywhere: a tone that sweeps and breathes.
    fn sound() -> Vec<i16> {
        (0..24_000_u32)
            .map(|n| {
                let t = f64::from(n) / 8_000.0;
                let tone = (t * (400.0 + 300.0 * t) * std::f64::consts::TAU).sin();
                (6_000.0 * tone * (1.0 + 0.5 * (t * 9.0).sin())) as i16
            })
            .collect()
    }

    #[test]
    fn a_shifted_and_coarser_copy_is_heard() {
        let played = sound();
        let mut recorded = vec![0; 1_234];
        recorded.extend(played.iter().map(|sample| sample & !0x3f));
        let found = compare(&played, &recorded, ALIKE);
        assert_eq!((found.spoken, found.heard), (6, 6));
        assert!(found.likeness > 0.99, "{found:?}");
    }

    #[test]
    fn silence_and_another_sound_are_not_heard() {
        let played = sound();
        assert_eq!(compare(&played, &vec![0; 30_000], ALIKE).heard, 0);
        let reversed: Vec<i16> = played.iter().rev().copied().collect();
        assert_eq!(compare(&played, &reversed, ALIKE_BY_EAR).heard, 0);
    }

    #[test]
    fn pieces_in_the_wrong_order_do_not_all_count() {
        let played = sound();
        let mut swapped = played[12_000..].to_vec();
        swapped.extend(&played[..12_000]);
        assert!(compare(&played, &swapped, ALIKE).heard <= 4);
    }

    #[test]
    fn a_recording_at_a_higher_rate_is_the_same_sound() {
        let wide: Vec<i16> = (0..144_000_u32)
            .map(|n| {
                let t = f64::from(n) / 48_000.0;
                let tone = (t * (400.0 + 300.0 * t) * std::f64::consts::TAU).sin();
                (6_000.0 * tone * (1.0 + 0.5 * (t * 9.0).sin())) as i16
            })
            .collect();
        let mut bytes = wav(&wide);
        bytes[24..28].copy_from_slice(&48_000_u32.to_le_bytes());
        let narrow = samples(&bytes).unwrap();
        assert_eq!(narrow.len(), 24_000);
        let found = compare(&sound(), &narrow, ALIKE);
        assert_eq!((found.spoken, found.heard), (6, 6));
    }

    #[test]
    fn an_octet_of_pcmu_comes_back_as_itself_and_a_sample_nearly() {
        for octet in 0..=255 {
            // Both zeros are one sample.
            assert!(mu_law(linear(octet)) == octet || octet == 0x7f, "{octet:#x}");
        }
        for sample in (-32_000..32_000).step_by(77) {
            let back = linear(mu_law(sample));
            assert!(
                (i32::from(back) - i32::from(sample)).abs() <= i32::from(sample).abs() / 16 + 8,
                "{sample} {back}"
            );
        }
    }

    #[test]
    fn a_wav_file_is_read_and_another_form_is_refused_by_name() {
        let mut bytes = wav(&[1, -1]);
        assert_eq!(samples(&bytes).unwrap(), [1, -1]);
        bytes[22] = 2;
        assert_eq!(samples(&bytes).unwrap(), [0], "two channels are mixed");
        bytes[22] = 3;
        assert_eq!(samples(&bytes).unwrap_err(), "not 16-bit PCM at 8 kHz or a multiple of it");
        assert!(samples(b"RIFF").is_err());
    }
}
