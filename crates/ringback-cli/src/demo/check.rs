//! Whether what was recorded is what was played.

use ringback_media::Law;
use std::fmt;
use std::time::Duration;

/// Samples in a packet of 20 ms at 8 kHz.
const FRAME: usize = 160;
/// The sampling rate.
const RATE: f64 = 8_000.0;

/// A recording that holds every sample that was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// How many samples agree, silence that was put in between not counted.
    pub(crate) samples: usize,
    /// How long nothing was sent in between: hold, digits.
    pub(crate) paused: Duration,
}

/// Where a recording departs from what was played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mismatch {
    /// Seconds into the recording.
    pub(crate) recorded_at: f64,
    /// Seconds into what was played.
    pub(crate) played_at: f64,
    /// The first sample that differs: what is there and what should be.
    pub(crate) sample: Option<(i16, i16)>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {:.3} s of the recording, {:.3} s of what was played",
            self.recorded_at, self.played_at
        )?;
        match self.sample {
            Some((found, wanted)) => write!(f, ": sample {found} where {wanted} was sent"),
            None => f.write_str(": the recording ends too early"),
        }
    }
}

/// Compares sample by sample: `recorded` is `played` as the codec renders it, from the first sample to the last, with
/// nothing but whole packets of silence between its packets, and silence behind it.
pub(crate) fn compare(recorded: &[i16], played: &[i16], law: Law) -> Result<Match, Mismatch> {
    let sent: Vec<i16> = played.iter().map(|sample| law.decode(law.encode(*sample))).collect();
    let mut at = 0;
    let mut paused = 0;
    for (number, frame) in sent.chunks(FRAME).enumerate() {
        loop {
            let Some(found) = recorded.get(at..at + frame.len()) else {
                return Err(Mismatch {
                    recorded_at: at as f64 / RATE,
                    played_at: (number * FRAME) as f64 / RATE,
                    sample: None,
                });
            };
            if found == frame {
                at += frame.len();
                break;
            }
            // A pause comes before what follows it, so silence that is not wanted here is passed over.
            if is_silence(found) {
                at += FRAME;
                paused += FRAME;
                continue;
            }
            let offset = found.iter().zip(frame).position(|(found, wanted)| found != wanted).unwrap_or(0);
            return Err(Mismatch {
                recorded_at: (at + offset) as f64 / RATE,
                played_at: (number * FRAME + offset) as f64 / RATE,
                sample: Some((found[offset], frame[offset])),
            });
        }
    }
    let rest = &recorded[at..];
    match rest.iter().position(|sample| *sample != 0) {
        None => Ok(Match { samples: sent.len(), paused: Duration::from_secs_f64(paused as f64 / RATE) }),
        Some(offset) => Err(Mismatch {
            recorded_at: (at + offset) as f64 / RATE,
            played_at: sent.len() as f64 / RATE,
            sample: Some((rest[offset], 0)),
        }),
    }
}

fn is_silence(samples: &[i16]) -> bool {
    samples.iter().all(|sample| *sample == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speech() -> Vec<i16> {
        (0..1_000_i32).map(|n| ((n * 7_919) % 16_000 - 8_000) as i16).collect()
    }

    fn recording(pauses: &[usize]) -> Vec<i16> {
        let mut recording = Vec::new();
        for (number, frame) in speech().chunks(FRAME).enumerate() {
            if pauses.contains(&number) {
                recording.extend([0; 3 * FRAME]);
            }
            recording.extend(frame.iter().map(|sample| Law::Mu.decode(Law::Mu.encode(*sample))));
        }
        recording.extend([0; 500]);
        recording
    }

    #[test]
    fn what_was_sent_is_found_with_its_pauses() {
        let found = compare(&recording(&[2, 4]), &speech(), Law::Mu);
        assert_eq!(found, Ok(Match { samples: 1_000, paused: Duration::from_millis(120) }));
    }

    #[test]
    fn one_flipped_bit_is_found_wherever_it_is() {
        let clean = recording(&[3]);
        for at in 0..clean.len() {
            let mut flipped = clean.clone();
            // What one bit of a packet does: the neighbouring step of the codec.
            flipped[at] = Law::Mu.decode(Law::Mu.encode(flipped[at]) ^ 1);
            if flipped[at] == clean[at] {
                // The two codes of zero.
                continue;
            }
            assert!(compare(&flipped, &speech(), Law::Mu).is_err(), "sample {at}");
        }
    }

    #[test]
    fn a_lost_packet_is_found() {
        let mut lost = recording(&[]);
        lost.drain(FRAME..2 * FRAME);
        assert!(compare(&lost, &speech(), Law::Mu).is_err());
        let mut silent = recording(&[]);
        silent[FRAME..2 * FRAME].fill(0);
        assert!(compare(&silent, &speech(), Law::Mu).is_err());
        assert!(
            compare(&recording(&[])[..900], &speech(), Law::Mu).is_err_and(|fault| fault.sample.is_none())
        );
    }
}
