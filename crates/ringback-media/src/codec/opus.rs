//! Opus by RTP (RFC 6716, RFC 7587), of one channel, by the crate `opus-pure`.

use super::{AudioCodec, DamagedPayload, Decoder, Encoder, rate_among};
use opus_pure::{Application, OpusDecoder, OpusEncoder, RateControl, packet};
use ringback_sdp::Codec;
use ringback_sdp::attribute::{FormatParameters, Opus as Parameters, Parameters as _};
use std::fmt;
use std::time::Duration;

/// The rates that the codec works at (RFC 7587 §4.1). Mediumband, 12,000, is worth no rate of its own.
const RATES: [u32; 4] = [8_000, 16_000, 24_000, 48_000];
/// How much work is put into a packet, of 10: speech gains little above.
const COMPLEXITY: i32 = 5;
/// Below this, speech does not come through (RFC 7587 §3.1.1 recommends 8 to 12 kbit/s for the narrowest).
const LEAST_RATE: u32 = 10_000;
/// The largest payload we make; no packet is to be split on its way.
const MAX_PAYLOAD: usize = 1_200;
/// A packet of so few octets codes nothing but that there is a pause.
const PAUSE: usize = 2;
/// Up to this share of losses the rate grows again; above the other it shrinks. Between them it stays, since few losses have
/// other causes than too much being sent.
const GROWS_BELOW: f64 = 0.02;
const SHRINKS_ABOVE: f64 = 0.10;

/// Opus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opus {
    /// Whether silence may be left unsent (DTX), and is asked not to be sent to us. Off by default: the background of a room is
    /// better heard.
    pub pauses: bool,
}

impl AudioCodec for Opus {
    fn description(&self) -> Codec {
        let ours =
            Parameters { in_band_fec: true, dtx: self.pauses, min_ptime: Some(10), ..Parameters::default() };
        Codec::opus().with_fmtp(&ours.to_string()).expect("words and numbers")
    }

    fn sample_rates(&self) -> &[u32] {
        &RATES
    }

    fn packet_time(&self, wanted: Duration) -> Duration {
        // RFC 6716 §2.1.4: 10, 20, 40 or 60 ms, of those that are whole packets here.
        let given = [60, 40, 20].map(Duration::from_millis).into_iter().find(|time| *time <= wanted);
        given.unwrap_or(Duration::from_millis(10))
    }

    fn ticks(&self, payload: &[u8]) -> Option<u32> {
        packet::samples_48k(payload).ok().and_then(|samples| u32::try_from(samples).ok()).filter(|it| *it > 0)
    }

    fn sending_rate(&self, wanted: u32, peer: &Codec) -> u32 {
        // RFC 7587 §6.1: what the peer cannot play is not worth a bit.
        let playable = parameters(peer).max_playback_rate.unwrap_or(wanted);
        rate_among(&RATES, wanted.min(playable))
    }

    fn encoder(&self, rate: u32, peer: &Codec) -> Box<dyn Encoder> {
        let theirs = parameters(peer);
        Box::new(OpusSender::new(rate, theirs, self.pauses))
    }

    fn decoder(&self, rate: u32) -> Box<dyn Decoder> {
        Box::new(OpusReceiver { decoder: decoder(rate), rate })
    }
}

fn parameters(described: &Codec) -> Parameters {
    Parameters::read(FormatParameters::new(described.fmtp().unwrap_or_default()))
}

fn decoder(rate: u32) -> OpusDecoder {
    OpusDecoder::new(rate as i32, 1).expect("one of the rates of the codec, and one channel")
}

struct OpusSender {
    encoder: OpusEncoder,
    rate: u32,
    /// What the codec sounds well with at this rate, within what the peer wants.
    best_bit_rate: u32,
    /// Whether the peer makes use of forward error correction.
    may_repeat: bool,
    buffer: Vec<u8>,
    /// Whether the peer knows that we pause.
    pauses: bool,
}

impl OpusSender {
    fn new(rate: u32, theirs: Parameters, may_pause: bool) -> Self {
        let encoder = OpusEncoder::new(rate as i32, 1, Application::Voip);
        let mut encoder = encoder.expect("one of the rates of the codec, and one channel");
        let wanted = match rate {
            8_000 => 16_000,
            16_000 => 24_000,
            _ => 32_000,
        };
        let best_bit_rate =
            theirs.max_average_bitrate.map_or(wanted, |most| wanted.min(most)).max(LEAST_RATE);
        encoder.bitrate_bps = best_bit_rate as i32;
        encoder.complexity = COMPLEXITY;
        encoder.lsb_depth = 16;
        encoder.rate_control = if theirs.cbr { RateControl::Cbr } else { RateControl::ConstrainedVbr };
        encoder.use_dtx = theirs.dtx || may_pause;
        Self {
            encoder,
            rate,
            best_bit_rate,
            may_repeat: theirs.in_band_fec,
            buffer: vec![0; MAX_PAYLOAD],
            pauses: false,
        }
    }
}

impl Encoder for OpusSender {
    fn encode(&mut self, samples: &[i16], payload: &mut Vec<u8>) {
        // It fails only for a length that is no packet time, and that is asked of `packet_time` before.
        let Ok(length) = self.encoder.encode_s16(samples, samples.len(), &mut self.buffer) else { return };
        let packet = self.buffer.get(..length).unwrap_or_default();
        // The first packet of a pause tells of it, those behind it nothing more. Every 400 ms the encoder describes its background anew.
        let pauses = self.encoder.use_dtx && packet.len() <= PAUSE;
        if !(std::mem::replace(&mut self.pauses, pauses) && pauses) {
            payload.extend_from_slice(packet);
        }
    }

    fn adapt(&mut self, loss: f64) {
        let loss = loss.clamp(0.0, 1.0);
        // Repetition takes from the speech itself, so only for as much loss as there is, and none at all for hardly any.
        self.encoder.packet_loss_perc = (loss * 100.0).round() as i32;
        self.encoder.use_inband_fec = self.may_repeat && loss >= 0.01;
        let now = f64::from(self.encoder.bitrate_bps);
        let next = match loss {
            ..=GROWS_BELOW => now * 1.08,
            ..=SHRINKS_ABOVE => now,
            _ => now * (1.0 - 0.5 * loss),
        };
        self.encoder.bitrate_bps = next.clamp(LEAST_RATE.into(), self.best_bit_rate.into()) as i32;
    }

    fn bit_rate(&self) -> Option<u32> {
        u32::try_from(self.encoder.bitrate_bps).ok()
    }
}

impl fmt::Debug for OpusSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusSender")
            .field("rate", &self.rate)
            .field("bit_rate", &self.encoder.bitrate_bps)
            .finish_non_exhaustive()
    }
}

struct OpusReceiver {
    decoder: OpusDecoder,
    rate: u32,
}

impl Decoder for OpusReceiver {
    fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) -> Result<(), DamagedPayload> {
        let length = packet::samples(payload, self.rate as i32).map_err(|_| DamagedPayload)?;
        self.append(length, samples, |decoder, out| decoder.decode_s16(payload, length, out))
            .ok_or(DamagedPayload)
    }

    fn conceal(&mut self, length: usize, next: Option<&[u8]>, samples: &mut Vec<i16>) -> bool {
        let repaired = next.is_some_and(|next| {
            // What was not coded with repetition is concealed by the decoder all the same.
            self.append(length, samples, |decoder, out| decoder.decode_fec_s16(next, length, out)).is_some()
        });
        repaired
            || self.append(length, samples, |decoder, out| decoder.decode_s16(&[], length, out)).is_some()
    }

    fn is_pause(&self, payload: &[u8]) -> bool {
        payload.len() <= PAUSE
    }
}

impl OpusReceiver {
    /// Appends `length` samples that `decode` makes; none when it fails.
    fn append(
        &mut self,
        length: usize,
        samples: &mut Vec<i16>,
        decode: impl FnOnce(&mut OpusDecoder, &mut [i16]) -> opus_pure::Result<usize>,
    ) -> Option<()> {
        let start = samples.len();
        samples.resize(start + length, 0);
        let made = decode(&mut self.decoder, samples.get_mut(start..)?);
        samples.truncate(start + made.as_ref().map_or(0, |made| length.min(*made)));
        made.ok().map(drop)
    }
}

impl fmt::Debug for OpusReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusReceiver").field("rate", &self.rate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voice of sorts at `rate`: a gliding sawtooth without its edges.
    fn voice(rate: u32, seconds: f64) -> Vec<i16> {
        let mut phase = 0.0;
        (0..(f64::from(rate) * seconds) as usize)
            .map(|n| {
                let t = n as f64 / f64::from(rate);
                phase += (120.0 + 20.0 * (t * 2.0).sin()) / f64::from(rate);
                let harmonics =
                    (1..14).map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k));
                (harmonics.sum::<f64>() * 6_000.0) as i16
            })
            .collect()
    }

    fn peer(parameters: &str) -> Codec {
        Codec::opus().with_fmtp(parameters).unwrap()
    }

    fn coded(rate: u32, parameters: &str, said: &[i16], codec: Opus) -> Vec<Vec<u8>> {
        let mut encoder = codec.encoder(rate, &peer(parameters));
        let frames = said.chunks_exact(rate as usize / 50);
        frames
            .map(|frame| {
                let mut payload = Vec::new();
                encoder.encode(frame, &mut payload);
                payload
            })
            .collect()
    }

    /// The correlation with what was said, at the best of all delays up to 15 ms.
    fn likeness(said: &[i16], heard: &[i16], rate: u32) -> f64 {
        let product =
            |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        (0..rate as usize * 15 / 1_000)
            .map(|delay| {
                let (a, b) = (&said[..said.len() - delay], &heard[delay.min(heard.len())..]);
                product(a, b) / (product(a, a) * product(b, b)).sqrt().max(1.0)
            })
            .fold(-1.0, f64::max)
    }

    #[test]
    fn speech_comes_through_at_each_rate() {
        for rate in RATES {
            let said = voice(rate, 2.0);
            let packets = coded(rate, "", &said, Opus::default());
            assert_eq!(packets.len(), 100);
            let mut decoder = Opus::default().decoder(rate);
            let mut heard = Vec::new();
            for packet in &packets {
                assert_eq!(Opus::default().ticks(packet), Some(960));
                decoder.decode(packet, &mut heard).unwrap();
            }
            assert_eq!(heard.len(), said.len());
            // It keeps how speech sounds more than its wave.
            let likeness = likeness(&said, &heard, rate);
            assert!(likeness > 0.75, "{rate} Hz: {likeness:.3}");
        }
    }

    #[test]
    fn the_peer_says_how_much_may_be_sent() {
        let said = voice(48_000, 2.0);
        let octets = |parameters: &str| {
            coded(48_000, parameters, &said, Opus::default()).iter().map(Vec::len).sum::<usize>() as f64
        };
        let (free, bound) = (octets(""), octets("maxaveragebitrate=14000"));
        assert!(bound < free * 0.7, "{bound} of {free} octets");
        let constant = coded(48_000, "cbr=1", &said, Opus::default());
        assert!(constant.windows(2).all(|it| it[0].len() == it[1].len()), "every packet is as long");
        let rate = |parameters: &str| Opus::default().sending_rate(48_000, &peer(parameters));
        assert_eq!(["", "maxplaybackrate=8000", "maxplaybackrate=12000"].map(rate), [48_000, 8_000, 16_000]);
    }

    #[test]
    fn silence_is_not_sent_where_both_allow_it() {
        let mut said = voice(16_000, 1.0);
        said.resize(16_000 * 4, 0);
        let all = coded(16_000, "", &said, Opus::default());
        assert!(all.iter().all(|packet| !packet.is_empty()), "nobody asked for pauses");
        let some = coded(16_000, "usedtx=1", &said, Opus::default());
        let sent = some[100..].iter().filter(|packet| !packet.is_empty()).count();
        assert!((3..=20).contains(&sent), "{sent} of 100 packets of silence were sent");
        assert!(some[..45].iter().all(|packet| !packet.is_empty()), "speech is sent");
        // What is heard in the pause is as silent.
        let mut decoder = Opus::default().decoder(16_000);
        let mut heard = Vec::new();
        for packet in &some {
            match packet.is_empty() {
                false => decoder.decode(packet, &mut heard).unwrap(),
                true => assert!(decoder.conceal(320, None, &mut heard)),
            }
        }
        assert_eq!(heard.len(), said.len());
        assert!(heard[16_000 * 2..].iter().all(|sample| sample.unsigned_abs() < 200));
    }

    #[test]
    fn a_lost_packet_comes_back_from_the_next_one_and_else_is_made_up() {
        let said = voice(16_000, 4.0);
        let mut encoder = Opus::default().encoder(16_000, &peer("useinbandfec=1"));
        encoder.adapt(0.10);
        let packets: Vec<Vec<u8>> = said
            .chunks_exact(320)
            .map(|frame| {
                let mut payload = Vec::new();
                encoder.encode(frame, &mut payload);
                payload
            })
            .collect();
        let mut heard = [Vec::new(), Vec::new(), Vec::new()];
        for (way, heard) in heard.iter_mut().enumerate() {
            let mut decoder = Opus::default().decoder(16_000);
            for (n, packet) in packets.iter().enumerate() {
                let is_lost = way > 0 && n % 5 == 3;
                match is_lost {
                    false => decoder.decode(packet, heard).unwrap(),
                    true => {
                        let next = packets.get(n + 1).filter(|_| way == 1).map(Vec::as_slice);
                        assert!(decoder.conceal(320, next, heard));
                    }
                }
            }
            assert_eq!(heard.len(), said.len());
        }
        let [whole, repaired, made_up] = heard;
        let error = |other: &[i16]| -> f64 {
            whole.iter().zip(other).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
        };
        assert!(error(&repaired) < error(&made_up) * 0.75, "{} of {}", error(&repaired), error(&made_up));
    }

    #[test]
    fn the_rate_follows_the_losses_and_comes_back() {
        let mut encoder = Opus::default().encoder(48_000, &peer("useinbandfec=1"));
        let begin = encoder.bit_rate().unwrap();
        encoder.adapt(0.05);
        assert_eq!(encoder.bit_rate(), Some(begin), "a few losses change nothing");
        for _ in 0..20 {
            encoder.adapt(0.3);
        }
        assert_eq!(encoder.bit_rate(), Some(LEAST_RATE));
        for _ in 0..40 {
            encoder.adapt(0.0);
        }
        assert_eq!(encoder.bit_rate(), Some(begin));
    }

    #[test]
    fn damaged_payloads_are_refused_and_harm_nothing() {
        let mut decoder = Opus::default().decoder(48_000);
        let mut heard = Vec::new();
        for bad in [&[][..], &[0xff], &[0xff, 0], &[3, 63], &[0x0b, 0xff, 0xff]] {
            if Opus::default().ticks(bad).is_none() {
                assert_eq!(decoder.decode(bad, &mut heard), Err(DamagedPayload), "{bad:?}");
            }
        }
        let packets = coded(48_000, "", &voice(48_000, 0.2), Opus::default());
        let before = heard.len();
        decoder.decode(&packets[5], &mut heard).unwrap();
        assert_eq!(heard.len(), before + 960);
    }

    #[test]
    fn packets_last_as_long_as_frames_can() {
        for (wanted, given) in [(10, 10), (20, 20), (30, 20), (40, 40), (50, 40), (60, 60)] {
            let time = Opus::default().packet_time(Duration::from_millis(wanted));
            assert_eq!(time, Duration::from_millis(given));
        }
    }
}
